"""The command line. Verbs import what they need when they run, so that ``--help`` and quick verbs start fast."""

import signal
import sys
from types import FrameType

import typer

from wav2tok import __version__
from wav2tok.cli import (
    benchmark,
    console,
    data,
    demo,
    doctor,
    faults,
    indexing,
    learn,
    listening,
    params,
    serve,
    ship,
    stage,
    usage,
    use,
)
from wav2tok.device import settle_threads
from wav2tok.errors import UserError

app = typer.Typer(
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Turn audio into short strings of tokens, learned from pairs of similar recordings.",
)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context, version: bool = typer.Option(False, "--version", help="Print the version and exit.")
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


for verb in (
    data.sample,
    data.synthesize,
    data.ingest,
    data.validate,
    data.accept,
    data.split,
    learn.cluster,
    learn.train,
    learn.evaluate,
    learn.drift,
    learn.labels,
    learn.changes,
    ship.export,
    ship.register,
    ship.promote,
    ship.rollback,
    ship.history,
    ship.pull,
    ship.reproduce,
    ship.models,
    use.tokenize,
    use.search,
    use.spot,
    use.replay,
    listening.listen,
    serve.serve,
    demo.demo,
    benchmark.benchmark,
    doctor.doctor,
    params.params,
):
    app.command()(console.adjustable(verb))
app.add_typer(indexing.app, name="index")


INTERRUPTED = 128 + signal.SIGINT
"""Typer's exit code after Ctrl-C."""


def main() -> None:
    """Entry point: an error that the user can fix, or a fault of the system, gives one sentence and exit code 2.

    SIGTERM, which schedulers send, ends the work as Ctrl-C does, so that nothing is left half-written.
    """
    terminated = False

    def terminate(number: int, frame: FrameType | None) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    settle_threads()
    sys.excepthook = faults.show
    signal.signal(signal.SIGTERM, terminate)
    command = typer.main.get_command(app)
    try:
        try:
            faults.require_streams()
            console.listen()
            usage.require_words(sys.argv[1:])
            with stage.announced():
                # Outside its standalone mode Typer returns the exit code, and raises what it would print.
                sys.exit(command(standalone_mode=False))
        finally:
            faults.flush()
    except UserError as error:
        name = error.parameter and usage.option(error.parameter, command, sys.argv[1:])
        typer.echo(f"wav2tok: {f'{name}: ' if name else ''}{error}", err=True)
        sys.exit(2)
    except usage.UsageError as error:
        typer.echo(f"wav2tok: {usage.sentence(error, command, sys.argv[1:])}", err=True)
        sys.exit(2)
    except typer.Abort:
        typer.echo("wav2tok: the input ended before the question was answered.", err=True)
        sys.exit(2)
    except Exception as error:
        sentence = faults.sentence(error)
        if sentence is None:
            raise
        typer.echo(f"wav2tok: {sentence}", err=True)
        sys.exit(2)
    except (SystemExit, KeyboardInterrupt) as end:  # the latter before and after Typer is at work
        if isinstance(end, SystemExit) and end.code != INTERRUPTED:
            raise
        typer.echo(f"wav2tok: {'terminated' if terminated else 'interrupted'}; finished work is kept.", err=True)
        sys.exit(128 + signal.SIGTERM if terminated else INTERRUPTED)
