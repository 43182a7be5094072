"""From an ``audios.bin`` to a model folder, as an MLflow run or without one: what ``wav2tok train`` does."""

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wav2tok.config.parameters import flatten, to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import splits
from wav2tok.corpus.recordings import TrainingSplits
from wav2tok.errors import reason
from wav2tok.extras import need
from wav2tok.files import locked, read_json, write_json
from wav2tok.machine import describe
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.progress import log
from wav2tok.ranks import ALONE, Ranks
from wav2tok.release.export import write_onnx
from wav2tok.report import training
from wav2tok.tokenizer.format import GRAPH_NAMES
from wav2tok.tracking import lineage, links, names, runs, store
from wav2tok.tracking.runs import MLflowRecorder
from wav2tok.tracking.unsent import UNSENT
from wav2tok.training.distributed import joined
from wav2tok.training.loop import Trainer, recorded
from wav2tok.training.prepare import TrainRun, follow, prepare
from wav2tok.training.progress import Progress
from wav2tok.training.recorder import Recorder, SilentRecorder
from wav2tok.training.replacement import settle


@contextlib.contextmanager
def _taking_part(run: TrainRun) -> Iterator[tuple[TrainRun, Ranks]]:
    """``run`` on the device of this process, and its rank; the first rank holds the lock of the model folder."""
    with joined(run.device) as (ranks, device), locked(run.out) if ranks.first else contextlib.nullcontext():
        yield dataclasses.replace(run, device=device), ranks


def train(run: TrainRun, recorder: Recorder | None = None) -> Progress:
    """Train and export the best model, reporting metrics to ``recorder`` if there is one.

    A process that torchrun started is one rank of the training; only the first exports and reports.
    """
    with _taking_part(run) as (own, ranks):
        if not ranks.first:
            return follow(own, ranks)
        parts = splits.read_splits(own.data, own.config)
        trainer = prepare(own)
        _write_lineage(trainer, parts, _tags(own, parts))
        return complete(trainer, own.out, recorder or SilentRecorder(), ranks)


def train_tracked(run: TrainRun) -> None:
    """`train` within an MLflow run whose id is stored in the model folder.

    A resumed training continues its own MLflow run; with more epochs it is a new run, whose tag ``continues`` names the
    earlier one.
    """
    need("evaluate", "matplotlib", "pandas")
    with _taking_part(run) as (own, ranks):
        if ranks.first:
            _train_tracked(own, ranks)
        else:
            follow(own, ranks)


def _train_tracked(run: TrainRun, ranks: Ranks) -> None:
    out, config = run.out, run.config
    parts = splits.read_splits(run.data, config)
    store.check()
    trainer = prepare(run)
    # A linear encoder is judged before its first step, so that a checkpoint may be of step 0.
    begun = trainer.progress.step > 0 or bool(trainer.progress.history)
    resumed = begun and not trainer.extended
    before = runs.run_of(out) if trainer.extended else None
    values = _compared(trainer.config)
    base = flatten(_compared(lineage.committed(run.config)))
    with runs.run(
        config.register.experiment,
        run_id=runs.run_of(trainer.out) if resumed else None,
        name=names.run_name(flatten(_compared(config)), base, lineage.experiment()),
        training=not trainer.progress.finished,
        trained=trainer.progress.finished,
        kept=trainer.out / UNSENT,
    ) as recorder:
        runs.write_run(trainer.out, recorder.run_id, recorder.experiment_id)
        if not resumed:
            recorder.params(values)
            digest = lineage.file_digest(run.data)
            for name, part in (("training", parts.train), ("validation", parts.valid), ("testing", parts.test)):
                columns = {"path": part.paths, "class": part.classes or [""] * len(part), "group": part.groups}
                recorder.data(name, columns, run.data, digest)
        tags = _tags(run, parts)
        _write_lineage(trainer, parts, tags)
        recorder.tags(tags | ({"continues": before} if before else {}))
        progress = complete(trainer, out, recorder, ranks)
        recorder.keep_in(out / UNSENT)
        try:
            recorder.tags({"best_epoch": str(progress.best_epoch)})
            recorder.metrics([(progress.step, {"valid/best_score": progress.best})])
            with training.folder() as figures:
                training.training(read_json(ModelFolder(out).history, list[dict[str, Any]]), figures)
                training.tokens(out, parts, figures)
                recorder.artifact(figures, "figures")
            _record_model(trainer, recorder)
        except store.failures() as error:
            log.warning(
                f"the training is complete in {out}, and the MLflow store {store.shown()} did not take all of it "
                f"({reason(error)}); run the same command again when it is back"
            )
            return
        log.info(f"MLflow run {recorder.run_id}; {links.how_to_open(recorder.experiment_id)}")


def _tags(run: TrainRun, parts: TrainingSplits) -> dict[str, str]:
    return lineage.tags(run.data, [*parts.train.paths, *parts.valid.paths, *parts.test.paths])


def _write_lineage(trainer: Trainer, parts: TrainingSplits, tags: dict[str, str]) -> None:
    """Write to the model folder what the model is trained from and where, for its passport.

    A training that is finished already keeps what it says.
    """
    written = ModelFolder(trainer.out).lineage
    if trainer.progress.finished and written.exists():
        return
    values = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "tags": tags,
        "changed": lineage.changed(),
        "requirements": lineage.known_digest(Path("requirements.txt")),
        "recordings": {
            "training": len(parts.train),
            "validation": len(parts.valid),
            "test": len(parts.test),
            "classes": len(set(parts.train.classes or ())),
        },
        "machine": describe(trainer.device),
    }
    write_json(written, values)


def _compared(config: Config) -> dict[str, Any]:
    """The parameters with only the recipe in use, so that runs are compared by what made them."""
    values = to_dict(config)
    values["recipe"] = values.pop("recipes")[config.train.recipe]
    return values


def _record_model(trainer: Trainer, recorder: MLflowRecorder) -> None:
    """Log the checkpoints as models, each with its step and metrics, and the other files of the folder to the run."""
    folder, name, progress = ModelFolder(trainer.out), trainer.config.train.name, trainer.progress
    epochs = folder.epochs(name)
    best = [folder.best(name), folder.config, trainer.out / GRAPH_NAMES[0]]
    models = {path.stem: (epoch, [path, folder.config]) for epoch, path in epochs.items()}
    models[folder.best(name).stem] = (progress.best_epoch, best)
    figures = {int(row["epoch"]): recorded(row) for row in progress.history}
    for stem, (epoch, files) in models.items():
        recorder.model(stem, files, epoch * trainer.steps, figures[epoch])
    kept = [
        path for path in trainer.out.iterdir() if path.is_file() and path.name != UNSENT and path not in epochs.values()
    ]
    for path in kept:
        recorder.artifact(path, "model")


def complete(trainer: Trainer, out: Path, recorder: Recorder, ranks: Ranks = ALONE) -> Progress:
    """Train to the end and write the ONNX graph of the best model into the model folder ``out``."""
    place, config = trainer.out, trainer.config
    trainer.join(ranks)
    try:
        progress = trainer.run(recorder)
    except KeyboardInterrupt:
        log.info(f"stopped after {trainer.progress}; the same command resumes from {out}")
        raise
    best, _, info = checkpoint.load(place)
    parity = write_onnx(best, config, place / GRAPH_NAMES[0], info["best_epoch"], info["best"])
    settle(out, config.train.name)
    trainer.write_to(out)
    log.info(
        f"best epoch {progress.best_epoch}, validation score {progress.best:.3f}; {out / GRAPH_NAMES[0]} agrees with "
        f"torch on {parity.frames - parity.differing} of {parity.frames} frames"
    )
    return progress
