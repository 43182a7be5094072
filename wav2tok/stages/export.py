"""From a trained model to an ONNX graph: what ``wav2tok export`` does.

If the gate refused the model, the stage still succeeds: the folder then holds only `EXPORT_FILE`, with the reasons.
"""

import csv
import shutil
from pathlib import Path
from typing import Any

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config, Export
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.model import checkpoint
from wav2tok.model.features.pretrained import Origin
from wav2tok.model.folder import ModelFolder
from wav2tok.progress import log
from wav2tok.release import passport, signature, variants
from wav2tok.release.export import parity_report, write_onnx
from wav2tok.report.card.card import model_card
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer.format import (
    CARD_FILE,
    EXPORT_FILE,
    GRAPH_NAMES,
    PASSPORT_FILE,
    SIGNATURE_FILE,
    VARIANTS,
    variant_file,
)
from wav2tok.tracking import lineage, runs

_WRITTEN = (
    EXPORT_FILE,
    GRAPH_NAMES[0],
    *map(variant_file, VARIANTS),
    CARD_FILE,
    PASSPORT_FILE,
    SIGNATURE_FILE,
    runs.RUN_FILE,
)


def export(
    model: Path,
    report: Path | None,
    out: Path,
    data: Path | None = None,
    settings: Export | None = None,
    key: Path | None = None,
) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report, variants, card and passport.

    Args:
        report: the folder that ``wav2tok evaluate`` wrote; a model that its gate refused is not exported. None exports
            without asking.
        data: an ``audios.bin``, on whose test recordings variants are measured; None writes none.
        settings: which variants; by default those of `Export`.
        key: a private elliptic-curve key, with which the folder is signed.
    """
    verdict = read_json(ReportFolder(report).gate) if report is not None else None
    with replacing_folder(out, _WRITTEN) as folder:
        if verdict is not None and not verdict["approved"]:
            write_json(folder / EXPORT_FILE, {"approved": False, "reasons": verdict["reasons"]})
            log.info("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            best, config, info = checkpoint.load(model)
            parity = write_onnx(best, config, folder / GRAPH_NAMES[0], info["best_epoch"], info["best"])
            measured = _variants(folder, data, settings or Export(), config.seed)
            write_json(folder / EXPORT_FILE, {"approved": True, "parity": parity_report(parity), "variants": measured})
            about = _passport(model, report, config, info, best.front_end.kind.origin)
            (folder / CARD_FILE).write_text(model_card(about, config), encoding="utf-8")
            # Last, as they cover the other files.
            passport.write(folder, about)
            if key is not None:
                signature.sign(folder, key)
            log.info(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames have the token "
                f"that torch gives, in {len(parity.lengths)} batches of different lengths"
            )
        if (model / runs.RUN_FILE).exists():
            shutil.copy(model / runs.RUN_FILE, folder / runs.RUN_FILE)


def _passport(
    model: Path, report: Path | None, config: Config, info: dict[str, Any], pretrained: Origin | None
) -> passport.Passport:
    lineage_file, run = ModelFolder(model).lineage, model / runs.RUN_FILE
    return passport.make(
        lineage=read_json(lineage_file) if lineage_file.exists() else {},  # an earlier release wrote none
        parameters=to_dict(config),
        info=info,
        evaluation=None if report is None else _evaluation(ReportFolder(report)),
        pretrained=None if pretrained is None else pretrained.to_dict(),
        run=read_json(run) if run.exists() else None,
        dvc_lock=lineage.known_digest(Path("dvc.lock")),
    )


def _evaluation(report: ReportFolder) -> dict[str, Any]:
    """What a passport says of a report."""
    rows = list(csv.DictReader(read_text(report.retrieval).splitlines()))
    figures = {"value": float, "low": float, "high": float, "queries": int}
    scores = [{key: figures.get(key, str)(value) for key, value in row.items()} for row in rows]
    return read_json(report.held_out) | read_json(report.gate) | {"scores": scores}


def _variants(folder: Path, data: Path | None, settings: Export, seed: int) -> list[dict[str, Any]]:
    """Write the variants of an exported graph; what `wav2tok.release.variants.write` says of them."""
    if not settings.variants:
        return []
    if data is None:
        why = "there are no test recordings to measure it on; name an audios.bin"
        log.info(f"no {' or '.join(settings.variants)} variant: {why}")
        return [{"kind": kind, "written": False, "why": why} for kind in settings.variants]
    return variants.write(folder, data, settings, seed)
