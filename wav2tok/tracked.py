"""A training as an MLflow run: parameters, curves, lineage, figures, the model's files."""

from collections.abc import Callable
from pathlib import Path

from wav2tok import figures, lineage, tracking
from wav2tok.config import Config, to_dict
from wav2tok.extras import need
from wav2tok.files import read_json
from wav2tok.training import run


def train(
    data: Path,
    out: Path,
    codebook: Path | None,
    config: Config,
    device: str,
    fresh: bool,
    say: Callable[[str], None],
) -> None:
    """`wav2tok.training.run.train` within an MLflow run whose id is left in ``out``.

    A training that is taken up again goes on in its own run.
    """
    need("evaluate", "matplotlib", "pandas")
    parts = run.read_splits(data, config)
    tracking.check()
    trainer = run.prepare(data, out, codebook, config, device, fresh, say)
    resumed = trainer.progress.epoch > 0
    with tracking.run(
        config.register.experiment,
        run_id=tracking.run_of(out) if resumed else None,
        name=f"{config.train.recipe}-{config.seed}",
        system_metrics=True,
    ) as recorder:
        tracking.write_run(out, recorder.run_id)
        if not resumed:
            # Only the recipe that is used, so that runs compare on what made them.
            values = to_dict(trainer.config)
            values["recipe"] = values.pop("recipes")[config.train.recipe]
            recorder.params(values)
            recorder.data(parts, data, lineage.file_digest(data))
        recorder.tags(lineage.tags(data))
        progress = run.complete(trainer, recorder)
        recorder.tags({"best_epoch": str(progress.best_epoch)})
        recorder.metrics([(progress.step, {"valid/best_score": progress.best})])
        with figures.folder() as drawn:
            figures.training(read_json(out / "history.json"), drawn)
            figures.tokens(out, parts, drawn)
            recorder.artifact(drawn, "figures")
        recorder.artifact(out, "model")
        say(f"MLflow run {recorder.run_id}")
