"""What counts as good data: a corpus judged by a Great Expectations checkpoint.

    report = validate(Path("data"), Path("artifacts/validation"), config.load())

measures every recording (`wav2tok.corpus.manifest`), runs the checks of `checks` over the manifest, and writes
``manifest.csv``, ``validation.json`` and the Data Docs ``docs/index.html``. A critical failure stops the pipeline once
all of that is written; a warning is reported. Unreadable files are listed and left out.
"""

import collections
import html
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wav2tok import files
from wav2tok.config import Config, Validate
from wav2tok.corpus import datadocs, manifest
from wav2tok.corpus.manifest import Entry
from wav2tok.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 3  # offenders named in a message
LISTED = 20  # offenders listed in validation.json


@dataclass(frozen=True)
class Check:
    """One expectation of the manifest and what to say when it is not met."""

    name: str
    severity: Literal["critical", "warning"]
    column: str
    expectation: str  # a class of great_expectations.expectations
    arguments: Mapping[str, Any]
    says: str  # of a recording that fails it; follows "recordings that"
    value: Callable[[Any], str] = str  # an offender's value, for a person


@dataclass(frozen=True)
class Outcome:
    """What a check found; offenders are (path, value) in the manifest's order, `LISTED` at most."""

    check: Check
    success: bool
    unexpected: int
    offenders: Sequence[tuple[str, Any]]

    def sentence(self, total: int) -> str:
        """As ``too_short: recordings that are shorter than 0.1 s: 2 of 9 files, a.wav (0.05 s), b.wav (0.06 s)``."""
        shown = ", ".join(f"{path} ({self.check.value(value)})" for path, value in self.offenders[:SHOWN])
        more = ", ..." if self.unexpected > SHOWN else ""
        return (
            f"{self.check.name}: recordings that {self.check.says}: {self.unexpected} of {total} files, {shown}{more}"
        )


@dataclass(frozen=True)
class Report:
    """A corpus that passed; ``warnings`` are sentences for a person."""

    entries: list[Entry]  # the readable ones
    warnings: list[str]
    docs: Path  # the first page of the Data Docs
    summary: dict[str, Any]  # what validation.json holds


def checks(limits: Validate, needed_rate: int) -> list[Check]:
    """Every check, with its severity.

    Args:
        limits: the thresholds.
        needed_rate: Hz; a file below it has an empty band where others have sound.
    """
    between, among = "ExpectColumnValuesToBeBetween", "ExpectColumnValuesToBeInSet"
    share = limits.max_unreadable_share
    return [
        Check("unreadable", "warning", "error", among, {"value_set": [""]}, "cannot be used and are left out"),
        Check(
            "too_many_unreadable",
            "critical",
            "error",
            among,
            {"value_set": [""], "mostly": round(1 - share, 9)},  # rounded: 1 - 0.9 must not exceed 0.1
            f"cannot be used, and at most {share:.1%} may be so",
        ),
        Check(
            "too_short",
            "critical",
            "seconds",
            between,
            {"min_value": limits.min_seconds},
            f"are shorter than {limits.min_seconds:g} s",
            "{:.3g} s".format,
        ),
        Check(
            "too_long",
            "warning",
            "seconds",
            between,
            {"max_value": limits.max_seconds},
            f"are longer than {limits.max_seconds:g} s",
            "{:.6g} s".format,
        ),
        Check(
            "silent",
            "critical",
            "rms_dbfs",
            between,
            {"min_value": limits.min_rms_dbfs},
            f"are silent, under {limits.min_rms_dbfs:g} dBFS",
            "{:.1f} dBFS".format,
        ),
        Check(
            "mostly_silence",
            "warning",
            "silence_share",
            between,
            {"max_value": limits.max_silence_share},
            f"are silent for more than {limits.max_silence_share:.1%} of their time",
            "{:.1%}".format,
        ),
        Check(
            "clipped",
            "warning",
            "clipped_share",
            between,
            {"max_value": limits.max_clipped_share},
            f"are clipped in more than {limits.max_clipped_share:.1%} of their samples",
            "{:.1%}".format,
        ),
        Check(
            "duplicate",
            "warning",
            "sha256",
            "ExpectColumnValuesToBeUnique",
            {},
            "have the same content as another",
            "SHA-256 {:.12}".format,
        ),
        # The same sound under two labels teaches that the labels are alike.
        Check(
            "duplicate_across_classes",
            "critical",
            "classes_of_content",
            between,
            {"max_value": 1},
            "have their content in another class too",
            "in {} classes".format,
        ),
        # It has no partner in its class, so it is paired with its own augmentation.
        Check(
            "lone_recording",
            "warning",
            "class_size",
            between,
            {"min_value": 2},
            "are alone in their class",
            "{} in its class".format,
        ),
        # Its upper band is empty, so that retrieval would go by the microphone.
        Check(
            "low_sample_rate",
            "warning",
            "sample_rate",
            between,
            {"min_value": needed_rate},
            f"have a sample rate below {needed_rate} Hz, which others reach",
            "{} Hz".format,
        ),
    ]


def _frame(entries: Sequence[Entry]) -> "pd.DataFrame":
    """The manifest as the expectations see it: a row for each file, with null for what is not judged.

    Beside columns of the manifest it has ``class_size``, the readable recordings of the row's class, and
    ``classes_of_content``, the classes in which the row's content lies.
    """
    import pandas as pd

    good = [e for e in entries if not e.error]
    sizes = collections.Counter(e.class_name for e in good)
    classes = collections.defaultdict(set)
    for e in good:
        classes[e.sha256].add(e.class_name)

    def column(value: Callable[[Entry], Any], dtype: str) -> pd.Series:
        return pd.Series([None if e.error else value(e) for e in entries], dtype=dtype)

    return pd.DataFrame(
        {
            "path": [html.escape(datadocs.printable(e.path)) for e in entries],  # the Data Docs take it for markup
            "error": [e.error for e in entries],
            "seconds": column(lambda e: e.seconds, "float64"),
            "sample_rate": column(lambda e: e.sample_rate, "Int64"),
            "rms_dbfs": column(lambda e: e.rms_dbfs, "float64"),
            "silence_share": column(lambda e: e.silence_share, "float64"),
            "clipped_share": column(lambda e: e.clipped_share, "float64"),
            "sha256": column(lambda e: e.sha256, "object"),
            "class_size": column(lambda e: sizes[e.class_name], "Int64"),
            "classes_of_content": column(lambda e: len(classes[e.sha256]), "Int64"),
        }
    )


def _run(table: Sequence[Check], frame: "pd.DataFrame", docs: Path) -> list[Outcome]:
    """Run the checkpoint and build its Data Docs below ``docs``; the context itself is thrown away."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when it is imported
    import great_expectations as gx
    import great_expectations.expectations as gxe

    with tempfile.TemporaryDirectory() as folder:
        context = gx.get_context(mode="file", project_root_dir=folder)
        context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]  # it takes a dict
        for site in context.get_site_names():
            context.delete_data_docs_site(site)
        store = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
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
                actions=[gx.checkpoint.UpdateDataDocsAction(name="data_docs", site_names=["recordings"])],
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
        RuntimeError: the expectation could not be computed, which says nothing about the data.
    """
    if "unexpected_count" not in result.result:
        raise RuntimeError(f"the check {check.name} could not be computed: {result.exception_info}")
    listed = result.result.get("unexpected_index_list") or []
    return Outcome(
        check,
        bool(result.success),
        int(result.result["unexpected_count"]),
        [(html.unescape(row["path"]), _plain(row[check.column])) for row in listed[:LISTED]],
    )


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python number that JSON can hold; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _summary(entries: Sequence[Entry], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What ``validation.json`` holds; the same for the same corpus and thresholds."""
    good = [e for e in entries if not e.error]
    return {
        "success": all(o.success for o in outcomes if o.check.severity == "critical"),
        "files": len(entries),
        "recordings": len(good),
        "unreadable": len(entries) - len(good),
        "hours": round(sum(e.seconds for e in good) / 3600, 6),
        "classes": len({e.class_name for e in good}),
        "groups": len({e.group for e in good}),
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
                    {"path": path, "value": value, "text": o.check.value(value)} for path, value in o.offenders
                ],
            }
            for o in outcomes
        ],
    }


def validate(root: Path, out: Path, config: Config, progress: Callable[[int, int], None] | None = None) -> Report:
    """Judge the recordings below ``root`` and write the manifest, the summary and the Data Docs into ``out``.

    Args:
        root: the corpus, its classes the folders in it.
        out: a folder, made if need be; its earlier files of the same names are replaced.
        config: ``validate`` has the thresholds, ``data.sample_rate`` the model's rate.
        progress: called with (files measured, files in all).

    Raises:
        UserError: no recordings, an impossible threshold, or a critical check failed (all files are written then).
    """
    root, out, limits = Path(root), Path(out), config.validate
    if not 0 <= limits.max_unreadable_share <= 1:
        raise UserError(f"validate.max_unreadable_share is {limits.max_unreadable_share}; it must be in [0, 1].")
    entries = manifest.build(root, progress)
    if not entries:
        raise UserError(f"{root} holds no recordings (.wav, .flac, .ogg, .mp3, ...); name a folder that does.")
    good = [e for e in entries if not e.error]
    needed_rate = min(config.data.sample_rate, max((e.sample_rate for e in good), default=0))
    manifest.write_csv(entries, out / "manifest.csv")
    with files.replacing_folder(out / "docs") as docs:
        outcomes = _run(checks(limits, needed_rate), _frame(entries), docs)
        summary = _summary(entries, outcomes)
        datadocs.make_offline(docs, summary)
    failed = [o for o in outcomes if not o.success]
    files.write_json(out / "validation.json", summary)

    page = out / "docs" / "index.html"
    critical = [o.sentence(len(entries)) for o in failed if o.check.severity == "critical"]
    if critical:
        raise UserError(f"{root} is no good data yet: {'; '.join(critical)}; mend or remove them (see {page}).")
    if not good:
        raise UserError(f"{root} holds no readable recording, such as {entries[0].path} ({entries[0].error}).")
    return Report(good, [o.sentence(len(entries)) for o in failed], page, summary)
