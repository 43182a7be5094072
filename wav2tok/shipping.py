"""From an approved model to the registry: what ``wav2tok export`` and ``wav2tok register`` do.

A model that the gate refused ends here in a clear, successful "not approved": what would have been written says so.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wav2tok import tracking
from wav2tok.config import Config
from wav2tok.evaluation.run import HELD_OUT, held_out_score, judge
from wav2tok.export import parity_report, write_onnx
from wav2tok.extras import need
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.tokenizer import GRAPH_NAMES, Tokenizer
from wav2tok.training import checkpoint

Say = Callable[[str], None]
EXPORT_FILE = "export.json"


def export(model: Path, report: Path | None, out: Path, say: Say) -> None:
    """Write the best model of a folder as ``out/tokenizer.onnx`` with its parity report and card.

    Args:
        report: what evaluate wrote; a model that its gate refused is not exported.
    """
    verdict = read_json(report / "gate.json") if report is not None else None
    with replacing_folder(out) as folder:
        if verdict is not None and not verdict["approved"]:
            write_json(folder / EXPORT_FILE, {"approved": False, "reasons": verdict["reasons"]})
            say("not approved, so nothing is exported: " + " ".join(verdict["reasons"]))
        else:
            best, config, info = checkpoint.load(model)
            parity = write_onnx(
                best, config, folder / GRAPH_NAMES[0], {"epoch": info["best_epoch"], "score": info["best"]}
            )
            write_json(folder / EXPORT_FILE, {"approved": True, "parity": parity_report(parity)})
            (folder / "card.md").write_text(_card(config, info, report), encoding="utf-8")
            say(
                f"{out / GRAPH_NAMES[0]}: {parity.frames - parity.differing} of {parity.frames} frames "
                "as torch has them, "
                f"at {len(parity.lengths)} batches of different lengths"
            )
        if (model / tracking.RUN_FILE).exists():
            shutil.copy(model / tracking.RUN_FILE, folder / tracking.RUN_FILE)


def _card(config: Config, info: dict[str, Any], report: Path | None) -> str:
    lines = [
        f"# {config.register.name}",
        "",
        f"Turns audio at {config.data.sample_rate} Hz into strings of {config.codebook.num_tokens} tokens; similar "
        "recordings get similar strings.",
        "",
        f"- recipe `{config.train.recipe}`, seed {config.seed}, best epoch {info['best_epoch']}, "
        f"validation score {info['best']:.3f}",
        f"- features `{config.features.kind}`, a token each {1000 / config.token_rate:.0f} ms (repeats dropped)",
        "- inputs: `waveform` float32 [batch, samples], `samples` int64 [batch]",
        "- outputs: `tokens` int64 [batch, steps], `frames` int64 [batch], how many count, repeats too",
    ]
    if report is not None:
        lines += ["", read_text(report / "report.md")]
    return "\n".join(lines) + "\n"


def register(model: Path, report: Path, data: Path, out: Path, config: Config, say: Say) -> None:
    """Register what `export` wrote, decide about the alias, and leave a summary in the folder ``out``."""
    exported = read_json(model / EXPORT_FILE)
    table = read_text(report / "table.txt").rstrip()
    with replacing_folder(out) as folder:
        if not exported["approved"]:
            outcome = {"registered": False, "reasons": exported["reasons"]}
            lines = ["not approved, nothing registered: " + " ".join(exported["reasons"])]
        else:
            need("workflow", "mlflow")
            from wav2tok import registry

            held_out = read_json(report / HELD_OUT)

            def measure(tokenizer: Tokenizer) -> float:
                say("scoring the champion on these held-out recordings")
                return held_out_score(judge(data, tokenizer, model / GRAPH_NAMES[0], config, say, alone=True))

            with tracking.run(config.register.experiment, run_id=tracking.run_of(model), name="register"):
                done = registry.register(
                    model,
                    config.register.name,
                    held_out["score"],
                    held_out["test_digest"],
                    measure,
                    {"approved": "true"},
                )
            outcome = {
                "registered": True,
                "name": done.name,
                "version": done.version,
                "alias": done.alias,
                "why": done.why,
            }
            lines = [
                f"registered {done.name} version {done.version} as {done.alias}: {done.why}",
                f"use it: wav2tok tokenize FILE --model models:/{done.name}@{done.alias}",
            ]
        write_json(folder / "registered.json", outcome)
        store = tracking.connect().get_tracking_uri() if tracking.available() else None
        lines += [
            "",
            table,
            "",
            f"report: {report / 'report.html'}",
            f"runs: mlflow ui --backend-store-uri {store}" if store else "",
        ]
        (folder / "summary.txt").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    for line in lines:
        say(line)
