"""From an exported, approved model to a registered version: what ``wav2tok register`` does."""

from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus import audios_bin
from wav2tok.evaluation.held_out import held_out_score, judge
from wav2tok.extras import need
from wav2tok.files import read_json, read_text, replacing_folder, write_json
from wav2tok.progress import log
from wav2tok.release import passport, registry
from wav2tok.report.folder import RegisteredFolder, ReportFolder
from wav2tok.tokenizer.format import EXPORT_FILE, GRAPH_NAMES, PASSPORT_FILE
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lineage, links, registered, runs


def register(model: Path, report: Path, data: Path, out: Path, config: Config) -> None:
    """Register an exported model, decide which alias it gets, and write a summary to the folder ``out``.

    A model that the gate refused is not registered; the summary then gives the reasons.

    Args:
        model: the folder that ``wav2tok export`` wrote.
        report: the folder that ``wav2tok evaluate`` wrote.
        data: the ``audios.bin`` that the model was trained on, with the held-out recordings.
    """
    exported = read_json(model / EXPORT_FILE)
    table = read_text(ReportFolder(report).table).rstrip()
    written = RegisteredFolder(out)
    experiment_id = None
    with replacing_folder(out, (written.outcome.name, written.summary.name)) as folder:
        if not exported["approved"]:
            outcome = {"registered": False, "reasons": exported["reasons"]}
            lines = ["not approved, nothing registered: " + " ".join(exported["reasons"])]
        else:
            need("workflow", "mlflow")
            held_out = read_json(ReportFolder(report).held_out)

            def measure(tokenizer: Tokenizer) -> float:
                log.info("scoring the champion on these held-out recordings")
                return held_out_score(judge(data, tokenizer, model / GRAPH_NAMES[0], config, alone=True).retrieval)

            train = audios_bin.read(data).train
            former = registry.champion(config.register.name)
            about = passport.tags(passport.read(model / PASSPORT_FILE, str(model)))
            with runs.run(config.register.experiment, run_id=runs.run_of(model), name="register") as recorder:
                done = registry.register(
                    model,
                    config.register.name,
                    held_out["score"],
                    held_out["test_digest"],
                    measure,
                    about | {"approved": "true", "data_digest": lineage.file_digest(data)},
                    set(train.classes or ()),
                )
                runs.outcome(recorder.run_id, f"{done.alias}, version {done.version}")
                if former is not None and done.alias == registry.CHAMPION:
                    runs.outcome(former.run_id, f"former champion, version {former.version}")
                model_id = registered.model_id(done.name, done.version)
                if model_id is not None and ReportFolder(report).headline.exists():
                    recorder.scores(model_id, read_json(ReportFolder(report).headline))
            experiment_id = recorder.experiment_id
            outcome = {
                "registered": True,
                "name": done.name,
                "version": done.version,
                "alias": done.alias,
                "why": done.why,
                "model_id": model_id,
            }
            lines = [
                f"registered {done.name} version {done.version} as {done.alias}: {done.why}",
                f"use it: wav2tok tokenize FILE --model models:/{done.name}@{done.alias}",
            ]
        write_json(RegisteredFolder(folder).outcome, outcome)
        shown = f"runs: {links.how_to_open(experiment_id)}" if experiment_id else ""
        where = [
            f"report: {ReportFolder(report).page}",
            shown,
        ]
        summary = "\n".join([*lines, "", table, "", *where]).rstrip()
        RegisteredFolder(folder).summary.write_text(summary + "\n", encoding="utf-8")
    # evaluate has printed the table.
    for line in filter(None, [*lines, *where]):
        log.info(line)
