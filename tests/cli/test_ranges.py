"""Every number on the command line has a range, and NaN lies in none."""

import inspect
import sys
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import typer

from wav2tok import cli

WEIRD = ("-1", "nan", "inf", "-inf", "1e308", "1" + "0" * 400, "text", "")


def _numbers(command: Any, verb: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The verb and the option of every number that a verb takes."""
    for name, child in getattr(command, "commands", {}).items():
        yield from _numbers(child, (*verb, name))
    if hasattr(command, "commands"):
        return
    kinds = inspect.signature(command.callback).parameters
    for option in command.params:
        kind = kinds[option.name].annotation if option.name in kinds else None
        if {int, float} & {kind, *get_args(kind), *(one for part in get_args(kind) for one in get_args(part))}:
            yield verb, option


OPTIONS = {(*verb, option.opts[0]): option for verb, option in _numbers(typer.main.get_command(cli.app))}


def test_the_walk_meets_the_numbers() -> None:
    assert {("search", "--top"), ("serve", "--timeout"), ("sample", "--melodies"), ("index", "build", "--threads")} <= {
        *OPTIONS
    }


@pytest.mark.parametrize("name", OPTIONS, ids=" ".join)
def test_a_number_has_both_ends(name: tuple[str, ...]) -> None:
    bounds = OPTIONS[name].type
    assert bounds.max is not None
    assert bounds.max < float("inf")
    # The library itself refuses what is too small there, in one sentence.
    assert name[0] in ("sample", "synthesize") or bounds.min < bounds.max


@pytest.mark.promise(
    "Any text as the value of a numeric option", "It lies in the range of the option, or one sentence refuses it."
)
@pytest.mark.parametrize("text", WEIRD)
@pytest.mark.parametrize("name", OPTIONS, ids=" ".join)
def test_anything_else_is_refused_before_the_work(
    name: tuple[str, ...], text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    *verb, option = name
    needed = [] if verb[-1] not in ("search", "spot", "remove") else ["query.wav"]
    monkeypatch.setattr(sys, "argv", ["wav2tok", *verb, *needed, option, text])
    with pytest.raises(SystemExit) as end:
        cli.main()
    shown = capsys.readouterr()
    assert end.value.code == 2
    assert option.removeprefix("--") in shown.err, shown.err
    assert shown.err.startswith("wav2tok: ")
    assert len(shown.err.splitlines()) == 1, shown.err
