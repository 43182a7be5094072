"""A training as an MLflow run: parameters, curves, lineage, figures, the model's files."""

from collections.abc import Callable
from pathlib import Path

from wav2tok import lineage, tracking
from wav2tok.config import Config, to_dict
from wav2tok.files import read_json
from wav2tok.training import run


def train(
    data: Path, out: Path, codebook: Path | None, config: Config, device: str, fresh: bool, say: Callable[[str], None]
) -> None:
    """`wav2tok.training.run.train` within an MLflow run whose id is left in ``out``.

    A training that is taken up again goes on in its own run.
    """
    unfinished = None if fresh else tracking.run_of(out)
    if unfinished is not None and (out / "tokenizer.onnx").exists():
        unfinished = None  # that training ended; this one is another
    parts = run.read_splits(data, config)
    with tracking.run(
        config.register.experiment, run_id=unfinished, name=f"{config.train.recipe}-{config.seed}", system_metrics=True
    ) as recorder:
        out.mkdir(parents=True, exist_ok=True)
        tracking.write_run(out, recorder.run_id)
        if unfinished is None:
            # Only the recipe that is used, so that runs compare on what made them.
            values = to_dict(config)
            values["recipe"] = values.pop("recipes")[config.train.recipe]
            recorder.params(values)
            recorder.data(parts, data, lineage.file_digest(data))
        recorder.tags(lineage.tags(data))
        progress = run.train(data, out, codebook, config, device, fresh, say, recorder)
        recorder.tags({"best_epoch": str(progress.best_epoch)})
        recorder.metrics([(progress.step, {"valid/best_score": progress.best})])
        from wav2tok import figures

        with figures.folder() as drawn:
            figures.training(read_json(out / "history.json"), drawn)
            figures.tokens(out, parts, drawn)
            recorder.artifact(drawn, "figures")
        recorder.artifact(out, "model")
        say(f"MLflow run {recorder.run_id}")
