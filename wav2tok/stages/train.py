"""From an ``audios.bin`` to a model folder, as an MLflow run or without one: what ``wav2tok train`` does."""

from wav2tok.config.parameters import to_dict
from wav2tok.corpus import splits
from wav2tok.extras import need
from wav2tok.files import read_json
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.progress import log
from wav2tok.release.export import write_onnx
from wav2tok.report import training
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tracking import lineage, runs, store
from wav2tok.training.loop import Trainer
from wav2tok.training.prepare import TrainRun, prepare
from wav2tok.training.progress import Progress
from wav2tok.training.recorder import Recorder, SilentRecorder


def train(run: TrainRun, recorder: Recorder | None = None) -> Progress:
    """Train and export the best model, reporting metrics to ``recorder`` if there is one."""
    return complete(prepare(run), recorder or SilentRecorder())


def train_tracked(run: TrainRun) -> None:
    """`train` within an MLflow run whose id is stored in the model folder.

    A resumed training continues its own MLflow run; with more epochs it is a new run, whose tag ``continues`` names the
    earlier one.
    """
    need("evaluate", "matplotlib", "pandas")
    out, config = run.out, run.config
    parts = splits.read_splits(run.data, config)
    store.check()
    trainer = prepare(run)
    resumed = trainer.progress.epoch > 0 and not trainer.extended
    before = runs.run_of(out) if trainer.extended else None
    with runs.run(
        config.register.experiment,
        run_id=runs.run_of(out) if resumed else None,
        name=f"{config.train.recipe}-{config.seed}",
        system_metrics=True,
    ) as recorder:
        runs.write_run(out, recorder.run_id)
        if not resumed:
            # Only the recipe in use, so that runs are compared by what made them.
            values = to_dict(trainer.config)
            values["recipe"] = values.pop("recipes")[config.train.recipe]
            recorder.params(values)
            digest = lineage.file_digest(run.data)
            for name, part in (("training", parts.train), ("validation", parts.valid), ("testing", parts.test)):
                columns = {"path": part.paths, "class": part.classes or [""] * len(part), "group": part.groups}
                recorder.data(name, columns, run.data, digest)
        recorder.tags(lineage.tags(run.data) | ({"continues": before} if before else {}))
        progress = complete(trainer, recorder)
        recorder.tags({"best_epoch": str(progress.best_epoch)})
        recorder.metrics([(progress.step, {"valid/best_score": progress.best})])
        with training.folder() as figures:
            training.training(read_json(ModelFolder(out).history), figures)
            training.tokens(out, parts, figures)
            recorder.artifact(figures, "figures")
        recorder.artifact(out, "model")
        log.info(f"MLflow run {recorder.run_id}")


def complete(trainer: Trainer, recorder: Recorder) -> Progress:
    """Train to the end and write the ONNX graph of the best model into the model folder."""
    out, config = trainer.out, trainer.config
    try:
        progress = trainer.run(recorder)
    except KeyboardInterrupt:
        log.info(f"stopped after {trainer.progress.epoch} finished epochs; the same command resumes from {out}")
        raise
    best, _, info = checkpoint.load(out)
    graph = out / GRAPH_NAMES[0]
    parity = write_onnx(best, config, graph, info["best_epoch"], info["best"])
    log.info(
        f"best epoch {progress.best_epoch}, validation score {progress.best:.3f}; {graph} agrees with "
        f"torch on {parity.frames - parity.differing} of {parity.frames} frames"
    )
    return progress
