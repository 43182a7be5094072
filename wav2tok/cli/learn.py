"""Verbs on models in training, and on what they were trained for: cluster, train, evaluate, drift."""

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from wav2tok.cli.options import DataFile, Device, Model, Out, Params, Sets
from wav2tok.cli.use import CHAMPION, Paths
from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.files import alone, locked
from wav2tok.writable import require_outside

Value = TypeVar("Value")


def cluster(
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/codebook"),
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Make the first codebook: k-means over the embeddings of the untrained encoder."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.cluster import cluster as run

    run(data, out, parameters.load(params, sets or ()), device)


def _explicit(context: typer.Context, name: str, value: Value) -> Value | None:
    """``value`` if the command line itself sets the parameter ``name``; None if it is a default."""
    source = context.get_parameter_source(name)
    return value if source is not None and source.name == "COMMANDLINE" else None


def train(
    context: typer.Context,
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/model"),
    codebook: Annotated[Path | None, typer.Option(help="What cluster wrote; made first if it is not given.")] = None,
    device: Device = "auto",
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over, and replace any training in OUT.")] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Start over if the training in OUT is finished or differs; else resume it."),
    ] = False,
    track: Annotated[bool, typer.Option(help="Record an MLflow run.")] = True,
    init_from: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Initial weights: NAME, NAME_EPOCH or NAME_best in OUT, or a path to them."),
    ] = None,
    published_args: Annotated[
        str | None,
        typer.Option(
            metavar="LINE", help="Options of the published trainer, in quotation marks; other options here override it."
        ),
    ] = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Train a tokenizer; a training in OUT that was interrupted, or is to have more epochs, resumes."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.published.line import setting

    overrides = list(sets or ())
    if init_from is not None:
        overrides.append(setting("train.init_from", init_from))
    if published_args is None:
        config = parameters.load(params, overrides)
    else:
        from wav2tok.published.training import training

        explicit = _explicit(context, "data", data), _explicit(context, "device", device)
        published = training(published_args, *explicit, params, overrides)
        data, device, config = published.data, published.device, published.config
    from wav2tok.stages.train import TrainRun, train_tracked
    from wav2tok.stages.train import train as train_untracked
    from wav2tok.tracking import store

    run = TrainRun(data, out, codebook, config, device, fresh, replace)
    if track and store.available():
        train_tracked(run)
        return
    if track:
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
    """Measure retrieval on the test recordings, compare it with the baselines, and write the report and the gate."""
    need("evaluate")
    from wav2tok.config import parameters
    from wav2tok.stages.evaluate import evaluate as run

    run(data, model, out, parameters.load(params, sets or ()), device, track)


def drift(
    paths: Paths = None,
    model: Model = CHAMPION,
    out: Out = Path("artifacts/drift"),
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Compare recordings with those that a model was made with: drift.json, and drift.html with figures."""
    need("evaluate")
    from wav2tok.config import parameters
    from wav2tok.stages.drift import drift as run
    from wav2tok.tokenizer.batch import expand

    require_outside(out, *(paths or []))
    config = parameters.load(params, sets or ())
    with locked(out):
        run(expand(paths or [], sys.stdin), model, out, config, device)


def labels(
    folder: Annotated[Path, typer.Argument(help="The corpus, a folder for each class.")] = Path("data"),
    model: Model = CHAMPION,
    manifest: Annotated[
        Path | None, typer.Option(help="What validate wrote: recordings that share audio then do not vote.")
    ] = None,
    delivery: Annotated[
        Path | None, typer.Option(help="What ingest wrote: only what it took in is asked about.")
    ] = None,
    out: Out = Path("artifacts/labels.json"),
    device: Device = "auto",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Name recordings whose class is improbable: those nearest to them, by a model's tokens, are of other classes."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.labels import labels as run

    config = parameters.load(params, sets or ())
    with alone(out):
        run(folder, model, out, config, device, manifest, delivery)


def changes(
    model: Model = "artifacts/model",
    before: Annotated[
        str | None, typer.Option(help="The model to compare it with; by default the champion before the registration.")
    ] = None,
    data: DataFile = Path("artifacts/audios.bin"),
    registered: Annotated[
        Path | None, typer.Option(help="What register wrote; by default artifacts/registered, if it exists.")
    ] = None,
    delivery: Annotated[Path | None, typer.Option(help="What ingest wrote, to show what was put aside.")] = None,
    drifted: Annotated[Path | None, typer.Option("--drift", help="The folder that drift wrote, to show it.")] = None,
    doubted: Annotated[Path | None, typer.Option("--labels", help="What labels wrote, to show it.")] = None,
    replayed: Annotated[Path | None, typer.Option(help="What replay printed, to show it.")] = None,
    out: Out = Path("artifacts/changes"),
    track: Annotated[bool, typer.Option(help="Record the page in the model's MLflow run.")] = True,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Show what a retraining changed on one page: figures, changed searches to hear, what was put aside, drift."""
    need("evaluate")
    from wav2tok.config import parameters
    from wav2tok.stages.changes import Sources
    from wav2tok.stages.changes import changes as run

    sources = Sources(_outcome(registered), delivery, drifted, doubted, replayed)
    config = parameters.load(params, sets or ())
    with locked(out):
        run(data, model, before, sources, out, config, track)


def _outcome(registered: Path | None) -> Path:
    """The outcome in a folder that register wrote; in the default folder there may be none, if nothing was registered.

    Raises:
        UserError: a folder is named and register did not write it.
    """
    from wav2tok.report.folder import RegisteredFolder

    outcome = RegisteredFolder(Path("artifacts/registered") if registered is None else registered).outcome
    if registered is not None and not outcome.exists():
        raise UserError(
            f"{registered} holds no {outcome.name}; name the folder that wav2tok register wrote, or leave the option "
            "out.",
            "registered",
        )
    return outcome
