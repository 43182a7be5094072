"""Where a verb takes a path it takes no address, and its output does not go among the recordings that it reads."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from wav2tok.cli import app


def _paths(command: Any, *verb: str) -> dict[str, tuple[list[str], str, Any]]:
    """For each argument and option that takes a path: the words of the verb, its name, and the verb."""
    found = {}
    for word, child in getattr(command, "commands", {}).items():
        found |= _paths(child, *verb, word)
    for param in command.params:
        if verb and param.type.name == "path":
            name = param.opts[-1] if param.param_type_name == "option" else param.name.upper()
            found[" ".join([*verb, name])] = ([*verb], name, command)
    return found


PATHS = _paths(get_command(app))


def test_the_walk_meets_the_paths() -> None:
    assert {"train --data", "validate FOLDER", "listen --for", "changes --drift", "index add --index"} <= {*PATHS}
    assert len(PATHS) > 60


@pytest.mark.promise("An address, such as s3://bucket/x, where a path is meant", "Each verb refuses it in a sentence.")
@pytest.mark.parametrize(
    ("case", "address"),
    [*((case, "s3://bucket/x") for case in PATHS), ("split --also", "https://a/x.wav"), ("split --out", "file:///x")],
)
def test_an_address_is_no_path(case, address, folder, cli):
    verb, name, command = PATHS[case]
    words = []
    for param in command.params:
        mine = name == param.name.upper()
        if param.param_type_name == "argument" and (param.required or mine):
            words.append(address if mine else "x")
        elif param.required and param.opts[-1] != name:
            words += [param.opts[-1], "opensearch" if param.opts[-1] == "--format" else "x"]
    complaint = cli(*verb, *words, *([name, address] if name.startswith("--") else [])).complaint
    assert complaint.startswith(f"{name}: {Path(address)} is an address")
    assert not list(folder.iterdir())


@pytest.mark.promise("--out lies in the folder of the recordings", "It is refused before the work.")
@pytest.mark.parametrize("inside", ["corpus", "corpus/new", "corpus/arch/new", "link/new"])
@pytest.mark.parametrize("verb", ["validate", "drift", "tokenize --ray local"])
def test_output_does_not_go_among_the_recordings(verb, inside, folder, tiny_corpus, tiny_model, cli):
    shutil.copytree(tiny_corpus, folder / "corpus")
    (folder / "link").symlink_to("corpus")
    before = sorted(folder.rglob("*"))
    model = [] if verb == "validate" else ["--model", tiny_model]
    complaint = cli(*verb.split(), "corpus", *model, "--out", inside).complaint
    assert complaint.startswith(f"--out: {inside} lies in corpus, where the recordings are")
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("verb", ["split", "cluster", "train", "evaluate"])
def test_a_result_among_the_recordings_is_warned_of(verb, folder, tiny_corpus, tiny_model, cli):
    shutil.copytree(tiny_corpus, folder / "corpus")
    arguments = ["corpus", "--out", "corpus/audios.bin"]
    if verb != "split":
        assert cli("split", "corpus", "--out", "audios.bin").code == 0
        arguments = ["--data", "audios.bin", "--out", "corpus/new"]
    arguments += ["--model", tiny_model, "--no-track"] if verb == "evaluate" else []
    # It stops soon, and has warned by then.
    arguments += ["--no-track", "--set", "train.init_from=absent"] if verb == "train" else []
    done = cli(verb, *arguments)
    assert "lies in corpus, where the recordings are" in done.out
    assert done.code == (2 if verb == "train" else 0), done


def test_an_index_may_lie_beside_its_recordings(folder, tiny_corpus, tiny_model, cli, monkeypatch):
    """``cd music; wav2tok index .``: its files are no recordings, so another run finds what the first found."""
    shutil.copytree(tiny_corpus, folder / "music")
    monkeypatch.chdir(folder / "music")
    first, second = (cli("index", ".", "--model", tiny_model).err.splitlines() for _ in range(2))
    assert first[-1].startswith("28 recordings")
    assert second[-1] == first[-1]
