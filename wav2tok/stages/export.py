"""From a trained model to an ONNX graph: what ``wav2tok export`` does.

If the gate refused the model, the stage still succeeds: the folder then holds only `EXPORT_FILE`, with the reasons.
"""

import shutil
from pathlib import Path
from typing import Any

from wav2tok.corpus.heard import HEARD_FILE
from wav2tok.errors import UserError
from wav2tok.files import read_json, replacing_folder, write_json
from wav2tok.model import checkpoint
from wav2tok.progress import log
from wav2tok.release.export import Parity, copy_onnx, parity_report, write_onnx
from wav2tok.report import seal
from wav2tok.report.card.card import model_card
from wav2tok.report.folder import ReportFolder
from wav2tok.tokenizer.format import CARD_FILE, EXPORT_FILE, GRAPH_NAMES
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import runs

NO_REPORT = "It was exported without a report, so no gate has approved it."


def export(model: Path, report: Path | None, out: Path, unapproved: str | None = None) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report and card.

    Args:
        report: the folder that ``wav2tok evaluate`` wrote; a model that its gate refused is not exported. None exports
            without asking, and then the model is not approved.
        unapproved: why a model that the gate refused is exported all the same; the export says so.

    Raises:
        UserError: the report is of another model, or is not as evaluate left it; or ``unapproved`` for a model that is
            approved. ``out`` is unchanged then.
    """
    graph = model / GRAPH_NAMES[0]
    verdict = _verdict(graph, report)
    if unapproved is not None and verdict["approved"]:
        raise UserError("the gate approved this model, so nothing has to be overridden; leave it out.", "unapproved")
    with replacing_folder(out, (EXPORT_FILE, GRAPH_NAMES[0], CARD_FILE, HEARD_FILE, runs.RUN_FILE)) as folder:
        if not verdict["approved"] and report is not None and unapproved is None:
            write_json(folder / EXPORT_FILE, verdict)
            log.info("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            parity = _write(model, graph, report, folder)
            written = {"model": Tokenizer(folder / GRAPH_NAMES[0], device="cpu").identity}
            override = {} if unapproved is None else {"unapproved": unapproved}
            write_json(folder / EXPORT_FILE, verdict | written | override | {"parity": parity_report(parity)})
            log.info(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames have the token "
                f"that torch gives, in {len(parity.lengths)} batches of different lengths"
            )
            if not verdict["approved"]:
                log.warning("not approved: " + " ".join(verdict["reasons"]))
        if (model / runs.RUN_FILE).exists():
            shutil.copy(model / runs.RUN_FILE, folder / runs.RUN_FILE)


def _verdict(graph: Path, report: Path | None) -> dict[str, Any]:
    """What the report says of the graph of a model folder: "approved", "reasons", and "report", its digest."""
    if report is None:
        return {"approved": False, "reasons": [NO_REPORT], "report": None}
    folder = ReportFolder(report)
    sealed = seal.verify(folder)
    identity = Tokenizer(graph, device="cpu").identity if graph.is_file() else None
    if identity != sealed.model:
        raise UserError(
            f"{report} is of the model {sealed.model}, and {graph} is {identity or 'missing'}; evaluate this model "
            "first.",
            "report",
        )
    gate = read_json(folder.gate)
    return {"approved": gate["approved"], "reasons": gate["reasons"], "report": sealed.digest}


def _write(model: Path, graph: Path, report: Path | None, folder: Path) -> Parity:
    """Write graph, card and digests of a model to the export ``folder``."""
    best, config, info = checkpoint.load(model)
    if graph.is_file():
        parity = copy_onnx(best, config, graph, folder / GRAPH_NAMES[0])
    else:  # the training was stopped before its end
        parity = write_onnx(best, config, folder / GRAPH_NAMES[0], info["best_epoch"], info["best"])
    card = model_card(config, info, report, best.front_end.kind.origin)
    (folder / CARD_FILE).write_text(card, encoding="utf-8")
    if (model / HEARD_FILE).is_file():  # a model of an earlier release has none, and cannot be registered
        shutil.copy(model / HEARD_FILE, folder / HEARD_FILE)
    return parity
