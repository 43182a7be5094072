"""Verbs on finished models: export, register, promote, rollback, history, pull, reproduce, models."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from wav2tok.cli.options import DataFile, Out, Params, Sets
from wav2tok.cli.rows import Format, FormatOption, printing
from wav2tok.errors import UserError
from wav2tok.extras import need
from wav2tok.progress import log

Why = Annotated[str | None, typer.Option(help="The reason, for those who come after.")]


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
    unapproved: Annotated[
        bool, typer.Option("--unapproved", help="Export although the gate refused; say --why.")
    ] = False,
    why: Why = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Write the model as one ONNX graph, from waveform to tokens, compare it with torch, and add smaller variants."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.export import export as run

    settings = parameters.load(params, sets or ()).export
    run(model, report, out, data=data, settings=settings, key=sign, unapproved=_override(unapproved, why))


def register(
    model: Annotated[Path, typer.Option(help="What export wrote.")] = Path("artifacts/export"),
    report: Annotated[Path, typer.Option(help="What evaluate wrote.")] = Path("artifacts/report"),
    data: DataFile = Path("artifacts/audios.bin"),
    out: Out = Path("artifacts/registered"),
    unapproved: Annotated[
        bool,
        typer.Option("--unapproved", help="Register without approval; it can never be champion. Say --why."),
    ] = False,
    why: Why = None,
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Register an approved model; it becomes the champion if there is none or if it beats the present one."""
    need("train")
    from wav2tok.config import parameters
    from wav2tok.stages.register import register as run

    run(model, report, data, out, parameters.load(params, sets or ()), _override(unapproved, why))


def promote(
    version: Annotated[str, typer.Argument(help="The version's number.")],
    why: Why = None,
    data: DataFile = Path("artifacts/audios.bin"),
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Compare VERSION of the registered model with the champion, and put it in its place; asks why."""
    need("workflow", "mlflow", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.release import champion, history
    from wav2tok.stages.promote import outlook

    config = parameters.load(params, sets or ())
    if why is not None:
        history.require_reason(why)
    elif not _asks():
        raise UserError(f"say why version {version} should be champion; its history keeps the reason.", "why")
    name, found = config.register.name, outlook(version, data, config)
    for line in found.lines:
        typer.echo(line)
    if found.worse:
        log.warning(f"the champion, version {found.expected}, is better")
    event = champion.promote(name, version, typer.prompt("Why") if why is None else why, found.expected)
    typer.echo(f"{name} version {version} is the champion: models:/{name}@champion")
    if event.replaced is not None:
        typer.echo(f"back to version {event.replaced}: wav2tok rollback")


def rollback(
    why: Annotated[str, typer.Option(help="The reason, for those who come after.")] = "no reason was given",
    params: Params = None,
    sets: Sets = None,
) -> None:
    """Make the version champion that was it before the present one."""
    need("workflow", "mlflow", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.release import champion

    name = parameters.load(params, sets or ()).register.name
    number, event = champion.rollback(name, why)
    typer.echo(f"{name} version {number} is the champion again, in place of {event.replaced}: models:/{name}@champion")


def history(form: FormatOption = Format.JSONL, params: Params = None, sets: Sets = None) -> None:
    """Print what happened to the versions of the registered model: when, by whom and why, oldest first."""
    need("workflow", "mlflow", "pydantic", "yaml")
    from wav2tok.config import parameters
    from wav2tok.release import history as story

    with printing(form) as emit:
        for row in story.read(parameters.load(params, sets or ()).register.name):
            emit(row)


def _asks() -> bool:
    """Whether a person can answer."""
    return sys.stdin.isatty()


def _override(unapproved: bool, why: str | None) -> str | None:
    """The reason for an override; None without one."""
    from wav2tok.release.history import require_reason

    if not unapproved:
        if why is not None:
            raise UserError("a reason is only asked for with --unapproved.", "why")
        return None
    if why is None:
        raise UserError("say why you use a model that the gate did not approve.", "why")
    return require_reason(why)


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
