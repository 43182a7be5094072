"""From a trained model to an ONNX graph: what ``wav2tok export`` does.

If the gate refused the model, the stage still succeeds: the folder then holds only `EXPORT_FILE`, with the reasons.
"""

import csv
import shutil
from pathlib import Path
from typing import Any

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config, Export
from wav2tok.corpus.heard import HEARD_FILE
from wav2tok.errors import UserError
from wav2tok.evaluation import profile
from wav2tok.evaluation.profile import PROFILE_FILE
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.model import checkpoint
from wav2tok.model.features.pretrained import Origin
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.release import passport, signature, variants
from wav2tok.release.export import Parity, copy_onnx, parity_report, write_onnx
from wav2tok.report import seal
from wav2tok.report.card.card import model_card
from wav2tok.report.folder import GateFile, HeldOutFile, ReportFolder
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.format import (
    CARD_FILE,
    EXPORT_FILE,
    GRAPH_NAMES,
    PASSPORT_FILE,
    SIGNATURE_FILE,
    VARIANTS,
    identity_of,
    variant_file,
)
from wav2tok.tracking import lineage, runs

_WRITTEN = (
    EXPORT_FILE,
    GRAPH_NAMES[0],
    *map(variant_file, VARIANTS),
    CARD_FILE,
    HEARD_FILE,
    PASSPORT_FILE,
    PROFILE_FILE,
    SIGNATURE_FILE,
    runs.RUN_FILE,
)

NO_REPORT = "It was exported without a report, so no gate has approved it."


def export(
    model: Path,
    report: Path | None,
    out: Path,
    *,
    data: Path | None = None,
    settings: Export | None = None,
    key: Path | None = None,
    unapproved: str | None = None,
) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report, variants, card and passport.

    Args:
        report: the folder that ``wav2tok evaluate`` wrote; a model that its gate refused is not exported. None exports
            without asking, and then the model is not approved.
        data: an ``audios.bin``, of which the profile is made, and on whose test recordings variants are measured; None
            writes neither.
        settings: which variants; by default those of `Export`.
        key: a private elliptic-curve key, with which the folder is signed.
        unapproved: why a model that the gate refused is exported all the same; the export says so.

    Raises:
        UserError: the report is of another model, or is not as evaluate left it; or ``unapproved`` for a model that is
            approved. ``out`` is unchanged then.
    """
    if str(model).startswith(ready_made.PREFIX):
        ready_made.find(str(model))
        raise UserError(
            f"{model} is a graph already, which wav2tok pull {model} --out FOLDER writes; name a folder that wav2tok "
            "train wrote.",
            "model",
        )
    signature.require_key(key, "sign")
    graph = model / GRAPH_NAMES[0]
    verdict = _verdict(graph, report)
    if unapproved is not None and verdict["approved"]:
        raise UserError("the gate approved this model, so nothing has to be overridden; leave it out.", "unapproved")
    with replacing_folder(out, _WRITTEN, (model, report, data, key)) as folder:
        if not verdict["approved"] and report is not None and unapproved is None:
            write_json(folder / EXPORT_FILE, verdict)
            log.info("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            best, config, info = checkpoint.load(model)
            parity = _graph(best, config, info, graph, folder / GRAPH_NAMES[0])
            identity = identity_of(folder / GRAPH_NAMES[0])
            override = {} if unapproved is None else {"unapproved": unapproved}
            about = {"model": identity, "parity": parity_report(parity)} | override
            measured = {"variants": _variants(folder, data, settings or Export(), config.seed)}
            write_json(folder / EXPORT_FILE, verdict | about | measured)
            if data is not None:
                profile.write(profile.of_corpus(data, folder / GRAPH_NAMES[0], config), folder / PROFILE_FILE)
            if (model / HEARD_FILE).is_file():  # a model of an earlier release has none, and cannot be registered
                shutil.copyfile(model / HEARD_FILE, folder / HEARD_FILE)
            described = _passport(model, report, config, info, best.front_end.kind.origin)
            (folder / CARD_FILE).write_text(model_card(described, config), encoding="utf-8")
            # Last, as they cover the other files.
            passport.write(folder, described)
            if key is not None:
                signature.sign(folder, key)
            log.info(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames have the token "
                f"that torch gives, in {len(parity.lengths)} batches of different lengths"
            )
            if not verdict["approved"]:
                log.warning("not approved: " + " ".join(verdict["reasons"]))
        if (model / runs.RUN_FILE).exists():
            shutil.copyfile(model / runs.RUN_FILE, folder / runs.RUN_FILE)


def _verdict(graph: Path, report: Path | None) -> dict[str, Any]:
    """What the report says of the graph of a model folder: "approved", "reasons", and "report", its digest."""
    if report is None:
        return {"approved": False, "reasons": [NO_REPORT], "report": None}
    folder = ReportFolder(report)
    sealed = seal.verify(folder)
    identity = identity_of(graph) if graph.is_file() else None
    if identity != sealed.model:
        raise UserError(
            f"{report} is of the model {sealed.model}, and {graph} is {identity or 'missing'}; evaluate this model "
            "first.",
            "report",
        )
    gate = read_json(folder.gate, GateFile)
    return {"approved": gate["approved"], "reasons": gate["reasons"], "report": sealed.digest}


def _graph(best: Wav2Tok, config: Config, info: dict[str, Any], evaluated: Path, out: Path) -> Parity:
    """Write the graph of a model: the one that was evaluated, if the training got as far as writing it."""
    if evaluated.is_file():
        return copy_onnx(best, config, evaluated, out)
    return write_onnx(best, config, out, info["best_epoch"], info["best"])


def _passport(
    model: Path, report: Path | None, config: Config, info: dict[str, Any], pretrained: Origin | None
) -> passport.Passport:
    lineage_file, run = ModelFolder(model).lineage, model / runs.RUN_FILE
    return passport.make(
        lineage=read_json(lineage_file, dict[str, Any])
        if lineage_file.exists()
        else {},  # an earlier release wrote none
        parameters=to_dict(config),
        info=info,
        evaluation=None if report is None else _evaluation(ReportFolder(report)),
        pretrained=None if pretrained is None else pretrained.to_dict(),
        run=read_json(run, runs.RunFile) if run.exists() else None,
        dvc_lock=lineage.known_digest(Path("dvc.lock")),
    )


def _evaluation(report: ReportFolder) -> dict[str, Any]:
    """What a passport says of a report."""
    rows = list(csv.DictReader(read_text(report.retrieval).splitlines()))
    figures = {"value": float, "low": float, "high": float, "queries": int}
    scores = [{key: figures.get(key, str)(value) for key, value in row.items()} for row in rows]
    return read_json(report.held_out, HeldOutFile) | read_json(report.gate, GateFile) | {"scores": scores}


def _variants(folder: Path, data: Path | None, settings: Export, seed: int) -> list[dict[str, Any]]:
    """Write the variants of an exported graph; what `wav2tok.release.variants.write` says of them."""
    if not settings.variants:
        return []
    if data is None:
        why = "there are no test recordings to measure it on; name an audios.bin"
        log.info(f"no {' or '.join(settings.variants)} variant: {why}")
        return [{"kind": kind, "written": False, "why": why} for kind in settings.variants]
    return variants.write(folder, data, settings, seed)
