"""A wrong command line is one sentence that names the help of its verb, for every verb."""

from typing import Any

import pytest
from typer.main import get_command

from wav2tok.cli import app


def _verbs(command: Any, name: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    found = {} if hasattr(command, "commands") else {name: command}
    for word, child in getattr(command, "commands", {}).items():
        found |= _verbs(child, (*name, word))
    return found


VERBS = _verbs(get_command(app))
ARGUMENTS = {verb: [p for p in one.params if p.param_type_name == "argument"] for verb, one in VERBS.items()}


def test_the_walk_meets_the_verbs() -> None:
    assert {("train",), ("index", "build"), ("serve",), ("params",)} <= {*VERBS}


@pytest.mark.promise("An unknown option", "One sentence that names it and the help of the verb; exit code 2.")
@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_an_unknown_option(verb, cli):
    complaint = cli(*verb, "--nonsense").complaint
    assert complaint.startswith("no such option: --nonsense")
    assert complaint.endswith(f"; see: wav2tok {' '.join(verb)} --help")


def test_a_file_whose_name_begins_with_a_dash(cli, folder):
    assert "./" not in cli("tokenize", "-x.flac").complaint
    (folder / "-x.flac").touch()
    assert "; if the file -x.flac is meant, write ./-x.flac; see: " in cli("tokenize", "-x.flac").complaint


@pytest.mark.parametrize("verb", [verb for verb in VERBS if any(p.required for p in ARGUMENTS[verb])], ids=" ".join)
def test_a_missing_argument(verb, cli):
    assert cli(*verb).complaint == f"missing argument '{ARGUMENTS[verb][0].name}'; see: wav2tok {' '.join(verb)} --help"


FULL = [verb for verb, one in VERBS.items() if not any(p.nargs == -1 or (p.param_type_name == "option" and p.required)
                                                       for p in one.params)]  # fmt: skip


@pytest.mark.parametrize("verb", FULL, ids=" ".join)
def test_one_argument_too_many(verb, cli):
    assert "unexpected extra argument" in cli(*verb, *["x"] * (len(ARGUMENTS[verb]) + 1)).complaint


VALUED = {verb: [p.opts[0] for p in one.params if p.param_type_name == "option" and not p.is_flag]
          for verb, one in VERBS.items()}  # fmt: skip


@pytest.mark.parametrize("verb", [verb for verb in VERBS if VALUED[verb]], ids=" ".join)
def test_an_option_without_its_value(verb, cli):
    option = VALUED[verb][0]
    assert (
        cli(*verb, option).complaint == f"option '{option}' requires an argument; see: wav2tok {' '.join(verb)} --help"
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "no such command 'nonsense'; see: wav2tok --help"),
        (["search", "q.wav", "--top", "many"], "--top: 'many' is not a valid int;"),
        (["search", "q.wav", "--top", "-1"], "--top: -1 is not in the range 1<=x<=1000000;"),
        (["tokenize", "--format", "xml"], "--format: 'xml' is not one of 'jsonl', 'csv', 'parquet';"),
        (["train", "--no" + "n" * 10_000], "no such option: --nonnn"),
        (["train", "--a\nb"], "no such option: --a"),
    ],
)
def test_what_is_wrong_is_named(arguments, sentence, cli):
    complaint = cli(*arguments).complaint
    assert sentence in complaint
    assert len(complaint) < 400


@pytest.mark.promise("An argument that is empty, as an unset variable leaves it", "It is refused; it names no folder.")
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["split", "corpus", "--out", ""], "--out"),
        (["split", "corpus", "--out="], "--out"),
        (["tokenize", "", "--model", "x"], "an argument"),
        (["train", "--data", "audios.bin", "--set", ""], "--set"),
    ],
)
def test_an_empty_word_is_no_path(arguments, name, cli):
    assert cli(*arguments).complaint.startswith(f"{name} is empty, as an unset variable leaves it")


@pytest.mark.parametrize("option", ["--test-groups", "--test-classes"])
def test_a_list_without_a_name_is_no_list(option, cli):
    assert cli("split", "corpus", option, ",").complaint == (
        f"{option}: ',' names nothing; write A,B,... or leave the option out."
    )
