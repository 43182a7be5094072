"""Verbs on models in training: cluster, train, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import DataFile, Device, Model, Out, Params, Sets, say


def cluster(
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/codebook"),
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """The first codebook: k-means over the embeddings of the untrained encoder."""
    from wav2tok import config
    from wav2tok.training.run import cluster as run

    run(data, out, config.load(params, sets or ()), device, say)


def train(
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/model"),
    codebook: Annotated[Path | None, typer.Option(help="What cluster wrote; made first when it is not given.")] = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not take up an unfinished training in OUT.")] = False,
    track: Annotated[bool, typer.Option(help="Record an MLflow run.")] = True,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Train a tokenizer; a training that was killed goes on where its last checkpoint is."""
    from wav2tok import config
    from wav2tok.training import run

    settings = config.load(params, sets or ())
    if track:
        from wav2tok import tracking

        if tracking.available():
            from wav2tok.tracked import train as tracked

            tracked(data, out, codebook, settings, device, fresh, say)
            return
        say("mlflow is not installed: the training is not tracked")
    run.train(data, out, codebook, settings, device, fresh, say)


def evaluate(
    data: DataFile = Path("artifacts/audios.bin"),
    model: Model = "artifacts/model",
    out: Out = Path("artifacts/report"),
    device: Device = "auto",
    track: Annotated[bool, typer.Option(help="Record the figures in the model's MLflow run.")] = True,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Retrieval on the test recordings beside the baselines, the report, and the gate."""
    from wav2tok import config
    from wav2tok.evaluation.run import evaluate as run

    run(data, model, out, config.load(params, sets or ()), device, track, say)
