"""From an exported model to the registry: what ``wav2tok register`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.evaluation.held_out import HELD_OUT, held_out_score, judge
from wav2tok.extras import need
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.progress import log
from wav2tok.release.export import EXPORT_FILE
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import runs, store


def register(model: Path, report: Path, data: Path, out: Path, config: Config) -> None:
    """Register what `export` wrote, decide about the alias, and leave a summary in the folder ``out``."""
    exported = read_json(model / EXPORT_FILE)
    table = read_text(report / "table.txt").rstrip()
    with replacing_folder(out) as folder:
        if not exported["approved"]:
            outcome = {"registered": False, "reasons": exported["reasons"]}
            lines = ["not approved, nothing registered: " + " ".join(exported["reasons"])]
        else:
            need("workflow", "mlflow")
            from wav2tok.release import registry

            held_out = read_json(report / HELD_OUT)

            def measure(tokenizer: Tokenizer) -> float:
                log.info("scoring the champion on these held-out recordings")
                return held_out_score(judge(data, tokenizer, model / GRAPH_NAMES[0], config, alone=True).retrieval)

            with runs.run(config.register.experiment, run_id=runs.run_of(model), name="register"):
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
        uri = store.connect().get_tracking_uri() if store.available() else None
        lines += [
            "",
            table,
            "",
            f"report: {report / 'report.html'}",
            f"runs: mlflow ui --backend-store-uri {uri}" if uri else "",
        ]
        (folder / "summary.txt").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    for line in lines:
        log.info(line)
