"""Verbs on models in training: cluster, train, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import DataFile, Device, Model, Out, Params, Sets


def cluster(
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/codebook"),
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """The first codebook: k-means over the embeddings of the untrained encoder."""
    from wav2tok.config import parameters
    from wav2tok.stages.cluster import cluster as run

    run(data, out, parameters.load(params, sets or ()), device)


def _given(context: typer.Context, name: str) -> bool:
    """Whether the command line itself says the parameter ``name``."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def train(
    context: typer.Context,
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/model"),
    codebook: Annotated[Path | None, typer.Option(help="What cluster wrote; made first when it is not given.")] = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Do not take up an unfinished training in OUT.")] = False,
    track: Annotated[bool, typer.Option(help="Record an MLflow run.")] = True,
    init_from: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Weights to begin with: NAME, NAME_EPOCH or NAME_best in OUT, or a path to such."
        ),
    ] = None,
    published_args: Annotated[
        str | None,
        typer.Option(
            metavar="LINE",
            help="The options of the published trainer, in quotation marks; what else is given here comes before them.",
        ),
    ] = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Train a tokenizer; a training that was killed goes on where its last checkpoint is."""
    from wav2tok.config import parameters

    overrides = list(sets or ())
    if init_from is not None:
        from wav2tok.published.line import setting

        overrides.append(setting("train.init_from", init_from))
    if published_args is not None:
        from wav2tok.corpus import audios_bin
        from wav2tok.published import options

        line = options.translate(published_args)
        if line.data is not None and not _given(context, "data"):
            data = line.data
        if line.device is not None and not _given(context, "device"):
            device = line.device
        options.check(line, audios_bin.read(data), data)
        settings = parameters.load(params, [*line.overrides, *overrides])
        for told in (*line.told, *(f"warning: {warning}" for warning in line.warnings)):
            typer.echo(told)
        typer.echo("what the line leaves out is as published; what is given beside it comes before it")
    else:
        settings = parameters.load(params, overrides)
    from wav2tok.stages.train import TrainRun, train_tracked
    from wav2tok.stages.train import train as train_untracked

    run = TrainRun(data, out, codebook, settings, device, fresh)
    if track:
        from wav2tok.tracking import store

        if store.available():
            train_tracked(run)
            return
        typer.echo("mlflow is not installed: the training is not tracked")
    train_untracked(run)


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
    from wav2tok.config import parameters
    from wav2tok.stages.evaluate import evaluate as run

    run(data, model, out, parameters.load(params, sets or ()), device, track)
