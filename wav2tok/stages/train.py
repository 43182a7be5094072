"""From an ``audios.bin`` to a model folder, as an MLflow run or without one: what ``wav2tok train`` does."""

from pathlib import Path

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus import splits
from wav2tok.extras import need
from wav2tok.files import read_json
from wav2tok.model import checkpoint
from wav2tok.progress import log
from wav2tok.release.export import write_onnx
from wav2tok.report import training
from wav2tok.tracking import lineage, runs, store
from wav2tok.training import prepare
from wav2tok.training.loop import Progress, Trainer
from wav2tok.training.recorder import Recorder, SilentRecorder


def tracked(
    data: Path,
    out: Path,
    codebook: Path | None,
    config: Config,
    device: str,
    fresh: bool,
) -> None:
    """`wav2tok.stages.train.train` within an MLflow run whose id is left in ``out``.

    A training that is taken up again goes on in its own run.
    """
    need("evaluate", "matplotlib", "pandas")
    parts = splits.read_splits(data, config)
    store.check()
    trainer = prepare.prepare(data, out, codebook, config, device, fresh)
    resumed = trainer.progress.epoch > 0
    with runs.run(
        config.register.experiment,
        run_id=runs.run_of(out) if resumed else None,
        name=f"{config.train.recipe}-{config.seed}",
        system_metrics=True,
    ) as recorder:
        runs.write_run(out, recorder.run_id)
        if not resumed:
            # Only the recipe that is used, so that runs compare on what made them.
            values = to_dict(trainer.config)
            values["recipe"] = values.pop("recipes")[config.train.recipe]
            recorder.params(values)
            digest = lineage.file_digest(data)
            for name, part in (("training", parts.train), ("validation", parts.valid), ("testing", parts.test)):
                if part is not None:
                    classes = part.classes or [""] * len(part)
                    recorder.data(name, {"path": part.paths, "class": classes, "group": part.groups}, data, digest)
        recorder.tags(lineage.tags(data))
        progress = complete(trainer, recorder)
        recorder.tags({"best_epoch": str(progress.best_epoch)})
        recorder.metrics([(progress.step, {"valid/best_score": progress.best})])
        with training.folder() as drawn:
            training.training(read_json(out / "history.json"), drawn)
            training.tokens(out, parts, drawn)
            recorder.artifact(drawn, "figures")
        recorder.artifact(out, "model")
        log.info(f"MLflow run {recorder.run_id}")


def complete(trainer: Trainer, recorder: Recorder) -> Progress:
    """Train to the end and write the best model's graph into the folder (`wav2tok.model.checkpoint`)."""
    out, config = trainer.out, trainer.config
    progress = trainer.run(recorder)
    best, _, info = checkpoint.load(out)
    parity = write_onnx(best, config, out / "tokenizer.onnx", info["best_epoch"], info["best"])
    log.info(
        f"best epoch {progress.best_epoch}, validation score {progress.best:.3f}; {out / 'tokenizer.onnx'} agrees with "
        f"torch on {parity.frames - parity.differing} of {parity.frames} frames"
    )
    return progress


def train(
    data: Path,
    out: Path,
    codebook: Path | None,
    config: Config,
    device: str,
    fresh: bool,
    recorder: Recorder | None = None,
) -> Progress:
    """`prepare` and `complete`."""
    return complete(prepare.prepare(data, out, codebook, config, device, fresh), recorder or SilentRecorder())
