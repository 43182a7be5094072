"""Judge a corpus with a Great Expectations checkpoint.

    report = validate(Path("data"), Path("artifacts/validation"), parameters.load())

measures every recording (`wav2tok.corpus.manifest`), runs `wav2tok.corpus.checks` on the manifest, compares
it with the last accepted data (`wav2tok.corpus.moved`), and writes ``manifest.csv``, ``validation.json`` and the Data
Docs ``docs/index.html``. A critical failure stops the pipeline after
all of these are written; a warning is only reported. Unreadable files are listed and left out.
"""

import collections
import dataclasses
import html
import logging
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wav2tok import files
from wav2tok.config.schema import Config
from wav2tok.corpus import datadocs, manifest, moved, past, sources
from wav2tok.corpus.accepted import known as of_entries
from wav2tok.corpus.accepted import read as read_accepted
from wav2tok.corpus.checks import Check, checks
from wav2tok.corpus.checks import frame as as_frame
from wav2tok.corpus.expectations import comparisons, suite
from wav2tok.corpus.groups import groups_of
from wav2tok.corpus.layout import doubtful
from wav2tok.corpus.manifest import Entry
from wav2tok.corpus.moved import Comparison
from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.writable import require_own

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # failing recordings named in a message
LISTED = 20  # failing recordings listed in validation.json


@dataclass(frozen=True)
class Outcome:
    """The result of a check; offenders are the failing recordings as (path, value), in order."""

    check: Check
    success: bool
    unexpected: int
    offenders: Sequence[tuple[str, Any]]

    def sentence(self, total: int) -> str:
        """``too_short: recordings that are shorter than 0.1 s: 2 of 9 files, a.wav (0.05 s), b.wav (0.06 s)``."""
        shown = ", ".join(f"{path} ({self.check.value(value)})" for path, value in self.offenders[:SHOWN])
        more = ", ..." if self.unexpected > SHOWN else ""
        return (
            f"{self.check.name}: recordings that {self.check.says}: {self.unexpected} of {total} files, {shown}{more}"
        )


@dataclass(frozen=True)
class Report:
    """A corpus that passed; ``warnings`` are sentences for the user."""

    warnings: list[str]
    docs: Path  # the first page of the Data Docs
    summary: dict[str, Any]  # the content of validation.json


def run(table: Sequence[Check], frame: "pd.DataFrame", docs: Path | None = None) -> list[Outcome]:
    """Run the checks on a manifest (`wav2tok.corpus.checks.frame`) as a checkpoint; the context itself is temporary.

    Args:
        docs: where the Data Docs go; None builds none.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read by its import
    import great_expectations as gx
    import great_expectations.expectations as gxe

    # It logs the traceback of what it raises, or of what makes the page incomplete, such as a full disk.
    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        context = gx.get_context(mode="file", project_root_dir=folder)
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # it takes a dict
        for site in context.get_site_names():
            context.delete_data_docs_site(site)
        where = Path(folder, "docs") if docs is None else docs
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(where.resolve())}
        context.add_data_docs_site(
            "recordings",
            {
                "class_name": "SiteBuilder",
                "store_backend": store,
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            },
        )
        suite = context.suites.add_or_update(
            gx.ExpectationSuite(
                "recordings",
                expectations=[
                    getattr(gxe, c.expectation)(
                        column=c.column,
                        severity=c.severity,
                        meta={"check": c.name},
                        description=f"{c.name} ({c.severity}): no recordings that {c.says}.",
                        **c.arguments,
                    )
                    for c in table
                ],
            )
        )
        batch = (
            context.data_sources.add_or_update_pandas("corpus")
            .add_dataframe_asset("manifest")
            .add_batch_definition_whole_dataframe("all")
        )
        definition = context.validation_definitions.add_or_update(
            gx.ValidationDefinition(name="recordings", data=batch, suite=suite)
        )
        checkpoint = context.checkpoints.add_or_update(
            gx.Checkpoint(
                name="recordings",
                validation_definitions=[definition],
                actions=[]
                if docs is None
                else [gx.checkpoint.UpdateDataDocsAction(name="data_docs", site_names=["recordings"])],
                result_format={
                    "result_format": "COMPLETE",
                    "unexpected_index_column_names": ["path"],
                    "return_unexpected_index_query": False,
                },
            )
        )
        (run,) = checkpoint.run(batch_parameters={"dataframe": frame}).run_results.values()
    results = {r.expectation_config.meta["check"]: r for r in run.results if r.expectation_config}
    return [_outcome(check, results[check.name]) for check in table]


def _outcome(check: Check, result: Any) -> Outcome:
    """An `Outcome` from a Great Expectations result.

    Raises:
        RuntimeError: the expectation could not be computed, so nothing is known about the data.
    """
    if "unexpected_count" not in result.result:
        raise RuntimeError(f"the check {check.name} could not be computed: {result.exception_info}")
    listed = result.result.get("unexpected_index_list") or []
    return Outcome(
        check,
        bool(result.success),
        int(result.result["unexpected_count"]),
        [(html.unescape(row["path"]), _plain(row[check.column])) for row in listed],
    )


def _plain(value: Any) -> Any:
    """A NumPy scalar as a Python number, which JSON can hold; anything else unchanged."""
    return value.item() if isinstance(value, np.generic) else value


def _summary(entries: Sequence[Entry], outcomes: Sequence[Outcome], compared: Comparison) -> dict[str, Any]:
    """The content of ``validation.json``; it depends on the corpus, the thresholds and the accepted data only."""
    good = [e for e in entries if not e.error]
    return {
        "success": all(o.success for o in outcomes if o.check.severity == "critical")
        and all(shift.severity != "critical" for shift in compared.moved),
        "files": len(entries),
        "recordings": len(good),
        "unreadable": len(entries) - len(good),
        "hours": round(sum(e.seconds for e in good) / 3600, 6),
        "classes": len({e.class_name for e in good}),
        "groups": len({e.group for e in good}),
        "sources": len({e.source for e in good if e.source}),
        "sample_rates": {str(rate): n for rate, n in sorted(collections.Counter(e.sample_rate for e in good).items())},
        "digest": manifest.manifest_digest(good),
        "checks": [
            {
                "name": o.check.name,
                "severity": o.check.severity,
                "success": o.success,
                "unexpected": o.unexpected,
                "says": o.check.says,
                "offenders": [
                    {"path": path, "value": value, "text": o.check.value(value)} for path, value in o.offenders[:LISTED]
                ],
            }
            for o in outcomes
        ],
        "compared": {
            "says": compared.says,
            "shifts": [dataclasses.asdict(shift) | {"moved": shift.moved} for shift in compared.shifts],
        },
    }


def with_sources(paths: Sequence[Path], entries: Sequence[Entry]) -> tuple[list[Entry], list[int | None]]:
    """The entries, with the source of those that share audio with others; and for each the first of its copies.

    Args:
        paths: the files of the entries.
    """
    good = [number for number, entry in enumerate(entries) if not entry.error]
    found = sources.find(
        [paths[number] for number in good],
        [entries[number].seconds for number in good],
        [entries[number].sha256 for number in good],
    )
    result = list(entries)
    copies: list[int | None] = [None] * len(entries)
    for number, first, copy in zip(good, *found, strict=True):
        if first is not None:
            result[number] = dataclasses.replace(entries[number], source=entries[good[first]].path)
        copies[number] = None if copy is None else good[copy]
    return result, copies


def validate(
    root: Path, out: Path, config: Config, expectations: Path | None = None, accepted: Path | None = None
) -> Report:
    """Judge the recordings below ``root`` and write the manifest, the summary and the Data Docs into ``out``.

    Args:
        root: the corpus; each folder in it is a class.
        out: a folder, made if necessary; files of the same names in it are replaced.
        config: ``validate`` has the thresholds, ``data.sample_rate`` is the model's rate. If ``split.group_by`` is
            "column", the manifest has the groups of the corpus's ``groups.csv``.
        expectations: the project's own, as `wav2tok.corpus.expectations.suite` reads them.
        accepted: the profile of the last accepted data, as `wav2tok.corpus.accepted.read` reads it.

    Raises:
        UserError: broken expectations, a broken profile, no recordings, or a failed critical check (after all files
            are written).
    """
    with files.locked(Path(out)):
        return _validate(Path(root), Path(out), config, expectations, accepted)


def _validate(root: Path, out: Path, config: Config, expectations: Path | None, accepted: Path | None) -> Report:
    limits = config.validate
    suite(checks(limits, config.data.sample_rate), expectations)  # a broken file, before anything is measured
    severities, known = comparisons(expectations), read_accepted(accepted)
    # DVC deletes the other outputs and keeps the docs, which `replacing_folder` protects if they are not ours.
    require_own(out, "manifest.csv", ("validation.json",))
    earlier = past.read(out / "docs")
    entries = manifest.build(root)
    if not entries:
        raise UserError(f"{root} holds no recordings (.wav, .flac, .ogg, .mp3, ...); name a folder that does.")
    if config.split.group_by == "column":
        groups = groups_of(root, [e.path for e in entries])
        entries = [dataclasses.replace(e, group=group) for e, group in zip(entries, groups, strict=True)]
    entries, copies = with_sources([root / e.path for e in entries], entries)
    good = [e for e in entries if not e.error]
    needed_rate = min(config.data.sample_rate, max((e.sample_rate for e in good), default=0))
    compared = moved.compare(known, of_entries(entries), config, severities)
    manifest.write_csv(entries, out / "manifest.csv")
    with files.replacing_folder(out / "docs", datadocs.NAMES, [root]) as docs:
        outcomes = run(suite(checks(limits, needed_rate), expectations), as_frame(entries, copies), docs)
        summary = _summary(entries, outcomes, compared)
        datadocs.make_offline(docs, summary, entries, out / "docs", earlier)
    failed = [o for o in outcomes if not o.success]
    files.write_json(out / "validation.json", summary)

    found = [(o.check.severity, o.sentence(len(entries))) for o in failed]
    found += [(shift.severity, shift.sentence) for shift in compared.moved]
    warnings = [sentence for severity, sentence in found if severity == "warning"]
    warnings += doubtful(
        [e.path for e in good],
        [e.class_name for e in good] if config.split.kind == "dict" and any(e.class_name for e in good) else None,
        [e.group for e in good],
        config.split.group_by,
    )
    page = out / "docs" / "index.html"
    # Before an error, too: both have to be put right.
    for warning in warnings:
        log.warning(warning)
    critical = [sentence for severity, sentence in found if severity == "critical"]
    if critical:
        over = any(shift.severity == "critical" for shift in compared.moved)
        accept = " (if what moved is right: wav2tok accept)" if over else ""
        raise UserError(f"{root} is not good data yet: {'; '.join(critical)}{accept}; fix or delete them (see {page}).")
    if not good:
        raise UserError(f"{root} holds no readable recording; {entries[0].path}, for example, {entries[0].error}.")
    return Report(warnings, page, summary)
