"""Help: every verb and option has a text, and showing it imports nothing big."""

import subprocess
import sys

import pytest
from typer.main import get_command

from wav2tok import __version__
from wav2tok.cli import app

VERBS = get_command(app).commands
BIG = ("torch", "torchaudio", "mlflow", "prefect", "dvc", "great_expectations", "sklearn", "onnxruntime", "numba",
       "pandas", "matplotlib", "scipy")  # fmt: skip
SCHEMA = "wav2tok.config.schema"
"""Building the parameters' types takes a while; Typer itself imports pydantic for the options of a verb."""
ASK = """
import sys
from wav2tok.cli import main
sys.argv = ["wav2tok", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("IMPORTED", *sorted({name if name.startswith("wav2tok.") else name.partition(".")[0] for name in sys.modules}))
"""


def imported_by(*arguments):
    """The modules of wav2tok, and the top-level names of others, that ``wav2tok ARGUMENTS`` imports."""
    done = subprocess.run([sys.executable, "-c", ASK, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.rpartition("IMPORTED")[2].split())


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_and_option_has_help(verb, cli):
    command = VERBS[verb]
    assert command.help
    assert command.help.strip().endswith(".")
    for parameter in command.params:
        assert parameter.help, f"{verb}: {parameter.name}"
    shown = cli(verb, "--help")
    assert shown.code == 0
    words = command.help.split()
    assert words[0] in shown.out
    assert f"wav2tok {verb}" in shown.out
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.opts[0] in shown.out


def test_the_list_names_every_verb(cli):
    shown = cli("--help")
    assert shown.code == 0
    for verb, command in VERBS.items():
        assert f" {verb} " in shown.out
        assert command.help.split()[0] in shown.out
    assert "Usage" in cli().out  # without a verb as well


def test_a_short_form(cli):
    assert cli("-h").out == cli("--help").out
    assert cli("train", "-h").out == cli("train", "--help").out


def test_version(cli):
    assert cli("--version").out.strip() == __version__


def test_help_imports_nothing_big():
    found = imported_by("--help")
    assert "typer" in found  # the list is really that of the process
    assert not found & {*BIG, "pydantic"}


def test_help_of_a_verb_imports_nothing_big():
    assert not imported_by("evaluate", "--help") & {*BIG, SCHEMA}


def test_tokenizing_imports_no_training_and_no_tracking(tiny_model, tiny_corpus):
    found = imported_by("tokenize", tiny_corpus / "arch" / "ada_0.flac", "--model", tiny_model, "--device", "cpu")
    assert "onnxruntime" in found
    assert not found & ({*BIG, SCHEMA} - {"onnxruntime", "scipy"})
