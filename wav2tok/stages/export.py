"""From a trained model to an ONNX graph: what ``wav2tok export`` does.

If the gate refused the model, the stage still succeeds: the folder then holds only `EXPORT_FILE`, with the reasons.
"""

import shutil
from pathlib import Path
from typing import Any

from wav2tok.config.schema import Export
from wav2tok.files import read_json, replacing_folder, write_json
from wav2tok.model import checkpoint
from wav2tok.progress import log
from wav2tok.release import variants
from wav2tok.release.export import parity_report, write_onnx
from wav2tok.report.card.card import model_card
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer.format import CARD_FILE, EXPORT_FILE, GRAPH_NAMES, VARIANTS, variant_file
from wav2tok.tracking import runs


def export(
    model: Path, report: Path | None, out: Path, data: Path | None = None, settings: Export | None = None
) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report, variants and card.

    Args:
        report: the folder that ``wav2tok evaluate`` wrote; a model that its gate refused is not exported. None exports
            without asking.
        data: an ``audios.bin``, on whose test recordings variants are measured; None writes none.
        settings: which variants; by default those of `Export`.
    """
    verdict = read_json(ReportFolder(report).gate) if report is not None else None
    names = (EXPORT_FILE, GRAPH_NAMES[0], *map(variant_file, VARIANTS), CARD_FILE, runs.RUN_FILE)
    with replacing_folder(out, names) as folder:
        if verdict is not None and not verdict["approved"]:
            write_json(folder / EXPORT_FILE, {"approved": False, "reasons": verdict["reasons"]})
            log.info("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            best, config, info = checkpoint.load(model)
            parity = write_onnx(best, config, folder / GRAPH_NAMES[0], info["best_epoch"], info["best"])
            measured = _variants(folder, data, settings or Export(), config.seed)
            write_json(folder / EXPORT_FILE, {"approved": True, "parity": parity_report(parity), "variants": measured})
            card = model_card(config, info, report, best.front_end.kind.origin)
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
            log.info(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames have the token "
                f"that torch gives, in {len(parity.lengths)} batches of different lengths"
            )
        if (model / runs.RUN_FILE).exists():
            shutil.copy(model / runs.RUN_FILE, folder / runs.RUN_FILE)


def _variants(folder: Path, data: Path | None, settings: Export, seed: int) -> list[dict[str, Any]]:
    """Write the variants of an exported graph; what `wav2tok.release.variants.write` says of them."""
    if not settings.variants:
        return []
    if data is None:
        why = "there are no test recordings to measure it on; name an audios.bin"
        log.info(f"no {' or '.join(settings.variants)} variant: {why}")
        return [{"kind": kind, "written": False, "why": why} for kind in settings.variants]
    return variants.write(folder, data, settings, seed)
