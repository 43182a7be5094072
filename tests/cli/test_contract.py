"""What others rely on: the verbs with their options and arguments, by name."""

import inspect

import pytest
from typer.main import get_command

import wav2tok
from wav2tok.cli import app

COMMANDS = get_command(app).commands
BUILD = COMMANDS["index"].commands["build"]
"""What ``index PATHS`` is short for."""
VERBS = {
    *("sample", "synthesize", "validate", "split", "cluster", "train", "evaluate", "export", "register"),
    *("promote", "rollback", "history", "pull", "reproduce", "models", "tokenize", "index", "search", "spot"),
    *("listen", "accept", "replay"),
    *("benchmark", "doctor", "params"),
}
OPTIONS = {
    "sample": ["--seed", "--melodies", "--singers"],
    "synthesize": ["--out", "--words", "--voices", "--seed"],
    "validate": ["--out", "--expectations", "--accepted", "--params", "--set"],
    "accept": ["--validation", "--out"],
    "split": ["--out", "--group-by", "--test-groups", "--kind", "--manifest", "--set"],
    "cluster": ["--data", "--out", "--device", "--set"],
    "train": ["--data", "--out", "--codebook", "--device", "--set"],
    "evaluate": ["--data", "--model", "--out", "--device", "--set"],
    "export": ["--model", "--report", "--data", "--out", "--sign", "--unapproved", "--why"],
    "register": ["--model", "--report", "--data", "--out", "--unapproved", "--why"],
    "promote": ["--why", "--data", "--set"],
    "rollback": ["--why", "--set"],
    "history": ["--format", "--set"],
    "pull": ["--out", "--verify"],
    "reproduce": ["--out"],
    "models": ["--format"],
    "tokenize": ["--model", "--device", "--format", "--threads"],
    "index": ["--model", "--out", "--device", "--threads"],
    "search": ["--index", "--model", "--top", "--device", "--format", "--threads"],
    "spot": ["--index", "--model", "--top", "--device", "--format", "--threads"],
    "replay": ["--index", "--audio", "--model", "--by", "--device", "--format", "--threads"],
    "listen": ["--pcm", "--rate", "--channels", "--for", "--index", "--model", "--device", "--threads"],
    "serve": [
        "--model",
        "--index",
        "--host",
        "--port",
        "--device",
        "--threads",
        "--variant",
        "--log-queries",
        "--log-audio",
    ],
    "params": ["--schema", "--params", "--set"],
}


def parameters(verb):
    return (BUILD if verb == "index" else COMMANDS[verb]).params


def options(verb):
    return {name for p in parameters(verb) if p.param_type_name == "option" for name in (*p.opts, *p.secondary_opts)}


def arguments(verb):
    return [p for p in parameters(verb) if p.param_type_name == "argument"]


def test_these_verbs_exist():
    assert set(COMMANDS) >= VERBS


@pytest.mark.parametrize("verb", OPTIONS)
def test_options_keep_their_names(verb):
    assert set(OPTIONS[verb]) <= options(verb)


@pytest.mark.parametrize(("verb", "name", "many"), [
    ("split", "folder", False), ("validate", "folder", False), ("tokenize", "paths", True), ("index", "paths", True),
    ("search", "query", False), ("spot", "query", False), ("promote", "version", False), ("pull", "model", False),
    ("reproduce", "model", False), ("replay", "log", False),
])  # fmt: skip
def test_arguments_keep_their_places(verb, name, many):
    (found,) = arguments(verb)
    assert found.name == name
    assert (found.nargs == -1) is many


def test_verbs_with_explicit_paths_take_no_arguments():
    for verb in ("cluster", "train", "evaluate", "export", "register", "doctor"):
        assert arguments(verb) == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_can_be_quiet_or_verbose_and_has_short_help(verb, cli):
    assert {"-q", "--quiet", "-v", "--verbose"} <= options(verb)
    assert cli(verb, "-h").out == cli(verb, "--help").out


def test_set_may_be_repeated():
    for verb in ("validate", "split", "cluster", "train", "evaluate", "register"):
        (found,) = [p for p in COMMANDS[verb].params if "--set" in p.opts]
        assert found.multiple


def test_python_names():
    tokenizer = wav2tok.Tokenizer
    assert list(inspect.signature(tokenizer.from_pretrained).parameters)[:2] == ["model", "device"]
    assert list(inspect.signature(tokenizer.encode).parameters) == ["self", "waveforms", "sample_rate"]
    assert set(wav2tok.__all__) == {"Index", "Tokenizer", "__version__"}
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        wav2tok.nothing_of_the_kind  # noqa: B018
