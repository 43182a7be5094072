"""From a trained model to an ONNX graph: what ``wav2tok export`` does.

If the gate refused the model, the stage still succeeds: the folder then holds only `EXPORT_FILE`, with the reasons.
"""

import shutil
from pathlib import Path

from wav2tok.files import read_json, replacing_folder, write_json
from wav2tok.model import checkpoint
from wav2tok.progress import log
from wav2tok.release.export import parity_report, write_onnx
from wav2tok.report.card.card import model_card
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer.format import CARD_FILE, EXPORT_FILE, GRAPH_NAMES
from wav2tok.tracking import runs


def export(model: Path, report: Path | None, out: Path) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report and card.

    Args:
        report: the folder that ``wav2tok evaluate`` wrote; a model that its gate refused is not exported. None exports
            without asking.
    """
    verdict = read_json(ReportFolder(report).gate) if report is not None else None
    with replacing_folder(out, (EXPORT_FILE, GRAPH_NAMES[0], CARD_FILE, runs.RUN_FILE)) as folder:
        if verdict is not None and not verdict["approved"]:
            write_json(folder / EXPORT_FILE, {"approved": False, "reasons": verdict["reasons"]})
            log.info("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            best, config, info = checkpoint.load(model)
            parity = write_onnx(best, config, folder / GRAPH_NAMES[0], info["best_epoch"], info["best"])
            write_json(folder / EXPORT_FILE, {"approved": True, "parity": parity_report(parity)})
            card = model_card(config, info, report, best.front_end.kind.origin)
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
            log.info(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames have the token "
                f"that torch gives, in {len(parity.lengths)} batches of different lengths"
            )
        if (model / runs.RUN_FILE).exists():
            shutil.copy(model / runs.RUN_FILE, folder / runs.RUN_FILE)
