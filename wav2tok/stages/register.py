"""From an exported, approved model to a registered version: what ``wav2tok register`` does."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.config.schema import Config, Register
from wav2tok.corpus import audios_bin, heard
from wav2tok.errors import UserError
from wav2tok.evaluation.promotion import Decision
from wav2tok.extras import need
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.progress import log
from wav2tok.release import champion, history, passport, registry, versions
from wav2tok.release.champion import Standing
from wav2tok.report import seal
from wav2tok.report.folder import GateFile, HeldOutFile, RegisteredFolder, ReportFolder
from wav2tok.report.seal import Seal
from wav2tok.stages import contest
from wav2tok.tokenizer.format import CARD_FILE, EXPORT_FILE, GRAPH_NAMES, PASSPORT_FILE, identity_of
from wav2tok.tracking import lineage, links, runs
from wav2tok.tracking.lookup import logged_model


@dataclass(frozen=True)
class _ExportFile:
    """What ``export.json`` holds, as far as it decides."""

    approved: bool
    reasons: list[str]
    report: str | None
    model: str | None = None


@dataclass(frozen=True)
class _Export:
    """An export folder whose parts belong together.

    Attributes:
        reasons: why the gate did not approve it; empty if it did.
        sealed: the report that it was made from; None without one.
    """

    folder: Path
    report: ReportFolder
    reasons: list[str]
    sealed: Seal | None


@dataclass
class _Result:
    """What the stage writes."""

    outcome: dict[str, Any]
    lines: list[str]
    experiment_id: str | None = None


def register(model: Path, report: Path, data: Path, out: Path, config: Config, unapproved: str | None = None) -> None:
    """Register an exported model, decide which alias it gets, and write a summary to the folder ``out``.

    A model that the gate refused is not registered; the summary then gives the reasons.

    Args:
        model: the folder that ``wav2tok export`` wrote.
        report: the folder that ``wav2tok evaluate`` wrote, and that the export was made from.
        data: the ``audios.bin`` that the model was trained on, with the held-out recordings.
        unapproved: why a model that the gate did not approve is registered all the same; it never becomes champion.

    Raises:
        UserError: export, report and data do not belong together, or one of them was changed.
    """
    exported = _read(model, ReportFolder(report), data)
    if unapproved is not None and not exported.reasons:
        raise UserError("the gate approved this model, so nothing has to be overridden; leave it out.", "unapproved")
    table = read_text(exported.report.table).rstrip() if exported.sealed else ""
    written = RegisteredFolder(out)
    with replacing_folder(out, (written.outcome.name, written.summary.name), (model, report, data)) as folder:
        result = _refused(exported, config.register, unapproved)
        if result is None:
            need("workflow", "mlflow")
            result = _register(exported, data, config, unapproved)
        write_json(RegisteredFolder(folder).outcome, result.outcome)
        where = [f"report: {exported.report.page}"] if exported.sealed else []
        where += [f"runs: {links.how_to_open(result.experiment_id)}"] if result.experiment_id else []
        summary = "\n".join([*result.lines, "", table, "", *where]).rstrip()
        RegisteredFolder(folder).summary.write_text(summary + "\n", encoding="utf-8")
    # evaluate has printed the table.
    for line in [*result.lines, *where]:
        log.info(line)


def _read(folder: Path, report: ReportFolder, data: Path) -> _Export:
    """An export, after checking that graph, verdict, report and data are those of one model."""
    values = read_json(folder / EXPORT_FILE, _ExportFile)
    graph = folder / GRAPH_NAMES[0]
    identity = identity_of(graph) if graph.is_file() else None
    if identity != values.get("model"):
        raise UserError(f"{graph} is not the graph that was exported; export the model again.", "model")
    if values["report"] is None:
        reasons = values["reasons"] if not values["approved"] else ["its export names no report"]
        return _Export(folder, report, reasons, None)
    sealed = seal.verify(report)
    if sealed.digest != values["report"]:
        raise UserError(f"{folder} was exported from another report than {report.path}; export it again.", "report")
    if identity not in (None, sealed.model):
        raise UserError(f"{graph} is not the model that {report.path} is of; evaluate and export it again.", "model")
    if lineage.file_digest(data) != sealed.data:
        raise UserError(f"{data} is not the split that {report.path} was made with; evaluate the model again.", "data")
    gate = read_json(report.gate, GateFile)
    if gate["approved"] is not values["approved"]:
        raise UserError(
            f"{folder / EXPORT_FILE} says {'approved' if values['approved'] else 'not approved'}, and the verdict in "
            f"{report.gate} differs; export the model again.",
            "model",
        )
    return _Export(folder, report, [] if gate["approved"] else gate["reasons"], sealed)


def _refused(exported: _Export, settings: Register, unapproved: str | None) -> _Result | None:
    """The result if nothing is registered; else None."""
    if exported.reasons and unapproved is None:
        return _nothing("not approved", exported.reasons)
    if settings.promote == "never":
        return _nothing("not asked for", ["register.promote is never."])
    experiment = lineage.experiment()
    if settings.promote == "auto" and experiment is not None:
        result = _nothing(
            "not asked for",
            ["An experiment registers nothing unless asked to: dvc exp run -S register.promote=champion."],
        )
        # By this, `make` knows that it has to register the model once the experiment was applied.
        result.outcome["experiment"] = experiment
        return result
    return None


def _nothing(what: str, reasons: list[str]) -> _Result:
    return _Result({"registered": False, "reasons": reasons}, [f"{what}, nothing registered: " + " ".join(reasons)])


def _register(exported: _Export, data: Path, config: Config, unapproved: str | None) -> _Result:
    """Make the version, or complete it, and let it compete."""
    settings, name = config.register, config.register.name
    if not (exported.folder / GRAPH_NAMES[0]).is_file():
        raise UserError(f"{exported.folder} holds no graph; export the model with --unapproved, too.", "model")
    heard.read(exported.folder)
    decisions: list[Decision] = []
    run_id, classes = runs.run_of(exported.folder), set(audios_bin.read(data).train.classes or ())
    with runs.run(settings.experiment, run_id=run_id, name="register") as recorder:
        tags = _tags(exported, data, unapproved)
        version = registry.register(exported.folder, name, tags, classes, tracked=recorder.run_id == run_id)
        number = str(version.version)
        announced = any(event.event == "registered" for event in history.of_version(version))

        def note(why: str) -> None:
            nonlocal announced
            versions.describe(version, _description(why, version, exported))
            if not announced:
                history.record(name, number, history.now("registered", why))
                announced = True

        standing = _decided(version, exported, settings)
        if standing is None:
            standing = _stand(version, data, config, unapproved, note, decisions)
            versions.tag(name, number, versions.OUTCOME, _outcome_tag(standing, exported, settings))
        model_id = logged_model(version.source)
        if model_id is not None and exported.sealed:
            recorder.scores(model_id, read_json(exported.report.headline, dict[str, bool | float]))
    shown = f"@{standing.alias}" if standing.alias else f"/{number}"
    as_what = f"as {standing.alias}" if standing.alias else "without an alias"
    outcome = {
        "registered": True,
        "name": name,
        "version": number,
        "alias": standing.alias,
        "why": standing.why,
        "model_id": model_id,
        "awaits_approval": standing.waiting,
        "against": standing.against,
        "comparisons": [
            {
                "won": decision.won,
                "challenger": decision.challenger,
                "champion": decision.champion,
                "queries": decision.queries,
                "clauses": [clause.to_json() for clause in decision.clauses],
            }
            for decision in decisions
        ],
    }
    lines = [
        f"registered {name} version {number} {as_what}: {standing.why}",
        *(f"  {'met' if clause.met else 'not met'}: {clause.sentence}" for d in decisions for clause in d.clauses),
        f"use it: wav2tok tokenize FILE --model models:/{name}{shown}",
    ]
    if standing.waiting:
        lines.append(f'approve it: wav2tok promote {number} --why "..."')
    return _Result(outcome, lines, recorder.experiment_id)


def _tags(exported: _Export, data: Path, unapproved: str | None) -> dict[str, Any]:
    folder = exported.folder
    tags: dict[str, Any] = passport.tags(passport.read(folder / PASSPORT_FILE, str(folder))) | {
        versions.APPROVED: "false" if exported.reasons else "true",
        "data_digest": lineage.file_digest(data),
    }
    if exported.sealed is not None:
        held_out = read_json(exported.report.held_out, HeldOutFile)
        tags |= {"score": held_out["score"], "test_digest": held_out["test_digest"], "report": exported.sealed.digest}
    if unapproved is not None:
        tags |= {"unapproved": f"{history.who()}: {history.require_reason(unapproved)}"}
    return tags


def _stand(
    version: Any, data: Path, config: Config, unapproved: str | None, note: Any, decisions: list[Decision]
) -> Standing:
    """Which alias a version gets."""
    name, number, settings = version.name, str(version.version), config.register
    if unapproved is not None:
        why = f"the gate did not approve it, so it can never be champion; registered all the same: {unapproved}"
        note(why)
        runs.outcome(version.run_id, f"not approved, version {number}")
        return Standing(None, why)
    if settings.promote == "challenger":
        why = "register.promote is challenger"
        note(why)
        return champion.challenge(name, number, why)
    decide = contest.deciding(data, config, decisions.append)
    return champion.contend(name, number, decide, note, manual=settings.approval == "manual")


def _evidence(exported: _Export, settings: Register) -> str:
    """A digest of what a decision rests on: the report, and the parameters of the registration."""
    rests_on = [exported.sealed and exported.sealed.digest, dataclasses.asdict(settings)]
    return hashlib.sha256(json.dumps(rests_on, sort_keys=True).encode()).hexdigest()[:16]


def _outcome_tag(standing: Standing, exported: _Export, settings: Register) -> str:
    evidence = _evidence(exported, settings)
    stands = dataclasses.asdict(standing) | {"why": history.shortened(standing.why)}
    return json.dumps({"evidence": evidence, "standing": stands})


def _decided(version: Any, exported: _Export, settings: Register) -> Standing | None:
    """What an earlier call has decided by the same evidence; None if none has."""
    values = json.loads(version.tags.get(versions.OUTCOME, "{}"))
    if values.get("evidence") != _evidence(exported, settings):
        return None
    return Standing(**values["standing"])


def _description(why: str, version: Any, exported: _Export) -> str:
    """The version's description: why, the scores, and where the card is; at most 1,000 characters."""
    parts = []
    if exported.sealed:
        figures = read_json(exported.report.headline, dict[str, bool | float])
        shown = {key: figures[key] for key in ("mrr", "map", "score") if key in figures}
        parts.append(", ".join(f"{key} {value:.3f}" for key, value in shown.items()))
    logged = logged_model(version.source)
    if (exported.folder / CARD_FILE).is_file() and logged is not None:
        parts.append(f"Card: {links.model_file(logged, CARD_FILE)}")
    end = "\n\n".join(["", *filter(None, parts)])
    return history.shortened(why)[: 1000 - len(end)] + end
