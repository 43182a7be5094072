"""Verbs on finished models: export, register, promote, pull, reproduce, models."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import DataFile, Out, Params, Sets
from wav2tok.cli.rows import Format, FormatOption, printing
from wav2tok.extras import need


def export(
    model: Annotated[Path, typer.Option(help="A folder that train wrote.")] = Path("artifacts/model"),
    report: Annotated[
        Path | None, typer.Option(help="What evaluate wrote; a model that the gate refused is not exported.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The split, audios.bin, on whose test recordings variants are measured.")
    ] = None,
    out: Out = Path("artifacts/export"),
    sign: Annotated[
        Path | None, typer.Option(help="Sign the files with this private elliptic-curve key, a PEM file.")
    ] = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Write the model as one ONNX graph, from waveform to tokens, compare it with torch, and add smaller variants."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.export import export as run

    run(model, report, out, data, parameters.load(params, sets or ()).export, sign)


def register(
    model: Annotated[Path, typer.Option(help="What export wrote.")] = Path("artifacts/export"),
    report: Annotated[Path, typer.Option(help="What evaluate wrote.")] = Path("artifacts/report"),
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/registered"),
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Register an approved model; it becomes the champion if there is none or if it beats the present one."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.register import register as run

    run(model, report, data, out, parameters.load(params, sets or ()))


def promote(
    version: Annotated[str, typer.Argument(help="The version's number.")],
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Make VERSION of the registered model the champion."""
    need("workflow", "mlflow", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.release import registry

    name = parameters.load(params, sets or ()).register.name
    registry.promote(name, version)
    typer.echo(f"{name} version {version} is the champion: models:/{name}@champion")


def pull(
    model: Annotated[
        str, typer.Argument(help="An MLflow URI, such as models:/wav2tok@champion, or a ready-made model.")
    ],
    out: Out = Path("model"),
    verify: Annotated[
        Path | None, typer.Option(help="Refuse the model unless its signature belongs to this public key, a PEM file.")
    ] = None,
) -> None:
    """Download a model into a folder that tokenize can use, with its card and passport."""
    from wav2tok.release.pull import pull as run

    typer.echo(f"{run(model, out, verify)}")


def reproduce(
    model: Annotated[str, typer.Argument(help="An MLflow URI, such as models:/wav2tok@champion, or a folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Keep the clone and both models here; by default they are deleted.")
    ] = None,
) -> None:
    """Train MODEL again from its commit, data and parameters; exit code 1 if its tokens differ."""
    need("workflow", "mlflow", "dvc")
    from wav2tok.release.reproduce import reproduce as run

    with tempfile.TemporaryDirectory(prefix="wav2tok-") as temporary:
        done = run(model, out or Path(temporary) / "work")
    typer.echo(
        f"{done.agreeing} of {done.steps} tokens of {done.recordings} test recordings agree: "
        + ("reproduced" if done.exact else "not reproduced" + "".join(f"; {what}" for what in done.machine))
    )
    if not done.exact:
        raise typer.Exit(1)


def models(form: FormatOption = Format.JSONL) -> None:
    """Print the ready-made models that --model takes by name, one JSON line each."""
    from wav2tok.tokenizer import ready_made

    with printing(form) as emit:
        for about in map(ready_made.about, ready_made.names()):
            emit(
                {
                    "model": about.model,
                    "purpose": about.purpose,
                    "tokens_per_second": round(about.tokens_per_second, 2),
                    "num_tokens": about.metadata.num_tokens,
                    "licence": about.licence,
                }
            )
