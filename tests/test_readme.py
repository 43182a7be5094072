"""The README is true: its commands exist, and those that can run here are run."""

import itertools
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pytest
import soundfile
import yaml
from dvc.cli.parser import get_main_parser
from typer.main import get_command

from tests import registrations
from tests.helpers import wav2tok
from wav2tok import cli
from wav2tok.config.parameters import load, to_dict
from wav2tok.corpus import audios_bin

PROJECT = Path(__file__).resolve().parents[1]
README = (PROJECT / "README.md").read_text(encoding="utf-8")
SECTIONS = {part.partition("\n")[0].strip(): part for part in re.split(r"^## ", README, flags=re.M)[1:]}
COMMANDS = get_command(cli.app).commands


def blocks(text, language=""):
    """The fenced blocks of a language."""
    # All fences are matched in order, so that the end of one block is not taken for the beginning of another.
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    return [block for name, block in fences if name == language]


def commands(text=README):
    """The command lines of the plain blocks, without comments."""
    known = ("make", "wav2tok", "dvc", "rm", "cp", "mlflow", "prefect", "python")
    lines = [shlex.split(line, comments=True) for block in blocks(text) for line in block.splitlines()]
    return [words for words in lines if words and words[0] in known]


@pytest.mark.parametrize("words", [w for w in commands() if w[0] == "wav2tok"], ids=" ".join)
def test_verbs_and_options_are_real(words):
    verb = COMMANDS[words[1]]
    if words[1] == "index":  # `index FOLDER` is short for `index build FOLDER`
        part = words[2] if words[2] in verb.commands else "build"
        verb, words = verb.commands[part], ["wav2tok", part, *words[2 + (words[2] == part) :]]
    real = {name for p in verb.params for name in p.opts} | {"--help"}
    for before, word in itertools.pairwise(words):
        if word.startswith("--") and before != "--published-args":
            assert word in real
    verb.make_context(words[1], list(words[2:]), resilient_parsing=False)
    for i, word in enumerate(words):
        if word == "--set":
            load(PROJECT / "params.yaml", [words[i + 1]])


def test_verbs_in_the_text_are_real():
    for verb in re.findall(r"`wav2tok (\w+)", README):
        assert verb in COMMANDS


def test_make_targets_are_real():
    targets = set(re.findall(r"^([a-z]+):(?!=)", (PROJECT / "Makefile").read_text(), flags=re.M))
    for words in commands():
        if words[0] == "make":
            assert set(words[1:]) <= targets, words
    for target in re.findall(r"`make (\w+)`", README):
        assert target in targets


def test_dvc_commands_are_real():
    seen = [words for words in commands() if words[0] == "dvc"]
    assert seen
    for words in seen:
        assert get_main_parser().parse_args(words[1:]).func
        for i, word in enumerate(words):
            if word == "-S":
                load(PROJECT / "params.yaml", [words[i + 1]])


def test_linked_files_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (PROJECT / target).exists(), target


def test_named_keys_are_parameters():
    names = set(to_dict(load(PROJECT / "params.yaml")))
    for key in re.findall(r"`(\w+)\.\w+`", README):
        if key not in ("artifacts", "params", "audios", "requirements", "words", "metrics", "mlflow"):  # names of files
            assert key in names, key


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_corpus, tiny_config):
    """A working folder with recordings, tiny parameters and, next to them as in the README, the MLflow store."""
    root = tmp_path_factory.mktemp("readme")
    shutil.copytree(tiny_corpus, root / "recordings")
    wave, rate = soundfile.read(tiny_corpus / "arch" / "ada_0.flac")
    soundfile.write(root / "QUERY.wav", wave, rate)
    values = to_dict(tiny_config) | {"evaluate": {"tempos": [0.8], "semitones": [], "bootstrap": 20}}
    values["train"] |= {"steps_per_epoch": 4}
    values["gate"] |= {"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []}
    (root / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        mlflow.set_tracking_uri(None)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{root}/mlflow.db")
        yield root
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def outside(place):
    """The outputs of the block 'Without the graph', run as written except for the names of folders."""
    lines = commands(SECTIONS["Without the graph"])
    assert [words[1] for words in lines] == ["split", "train", "evaluate", "tokenize", "index", "search"]
    names = {"RECORDINGS": "recordings", "FOLDER": "recordings", "FILE_OR_FOLDER": "recordings/arch"}
    with pytest.MonkeyPatch.context() as patch:
        for words in lines:
            wav2tok(patch, *(names.get(word, word) for word in words[1:]))
    return place / "W"


@pytest.mark.slow
def test_without_the_graph(outside, place, monkeypatch, capsys):
    assert {"audios.bin", "model", "report", "index"} <= {p.name for p in outside.iterdir()}
    assert len(json.loads((outside / "model" / "history.json").read_text())) == 3
    assert (outside / "report" / "report.md").exists()
    monkeypatch.chdir(place)
    capsys.readouterr()
    search = next(w for w in commands(SECTIONS["Without the graph"]) if w[1] == "search")
    wav2tok(monkeypatch, *search[1:])
    best = json.loads(capsys.readouterr().out.splitlines()[0])
    assert best["distance"] == 0.0


@pytest.fixture(scope="module")
def champion(outside, place):
    """The model of that block as ``models:/wav2tok@champion``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
        wav2tok(patch, *shlex.split("export --model W/model --report W/report --data W/audios.bin --out W/export"))
        register = "register --model W/export --report W/report --data W/audios.bin --out W/registered"
        wav2tok(patch, *shlex.split(register))


@pytest.mark.slow
def test_the_python_block(champion, place, monkeypatch):
    monkeypatch.chdir(place)
    (code,) = blocks(SECTIONS["Without the graph"], "python")
    time = np.arange(44100) / 44100
    names = {"waveform": np.sin(2 * np.pi * 300 * time * (1 + time)).astype(np.float32)}
    assert Path("QUERY.wav").exists()
    exec(compile(code, "README.md", "exec"), names)
    (string,) = names["strings"]
    assert len(string) > 1
    assert 0 <= string.min() <= string.max() < 8
    assert (string[1:] != string[:-1]).all()
    assert names["best"][0].distance == 0


@pytest.mark.slow
def test_the_first_search(champion, place, monkeypatch, capsys):
    """The block that follows ``make``, with another recording as the query."""
    monkeypatch.chdir(place)
    names = {"data": "recordings", "data/amazing_grace/singer05_01.flac": "QUERY.wav"}
    lines = [words for words in commands(SECTIONS["Start"]) if words[0] == "wav2tok"]
    assert [words[1] for words in lines] == ["index", "search", "spot", "demo"]
    for words in lines[:3]:  # tests/cli/test_demo.py starts the last
        capsys.readouterr()
        wav2tok(monkeypatch, *(names.get(word, word) for word in words[1:]))
        if words[1] != "index":
            best, *others = map(json.loads, capsys.readouterr().out.splitlines())
            assert best.get("distance", 0.0) == 0.0
            assert best["model"] == "models:/wav2tok/1"
            assert len(others) == 3


@pytest.mark.slow
def test_get_a_model(champion, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    pull, tokenize, promote, rollback, drift = commands(SECTIONS["Get a model"])
    wav2tok(monkeypatch, *pull[1:])
    capsys.readouterr()
    wav2tok(monkeypatch, *tokenize[1:])
    assert len(capsys.readouterr().out.splitlines()) == 28
    registrations.register(place / "W" / "export", "wav2tok", wins=False, tags={"score": 0.5})
    assert promote[:3] == ["wav2tok", "promote", "3"]
    wav2tok(monkeypatch, "promote", "2", *promote[3:])
    assert "wav2tok version 2 is the champion: models:/wav2tok@champion" in capsys.readouterr().out
    wav2tok(monkeypatch, *rollback[1:])
    assert "wav2tok version 1 is the champion again" in capsys.readouterr().out
    wav2tok(monkeypatch, *("recordings" if word == "NEW" else word for word in drift[1:]))
    assert "No drift" in capsys.readouterr().out


@pytest.mark.slow
def test_the_published_commands_train_resume_and_start_from_weights(outside, place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    small = [f"--set={key}" for key in ("train.epochs=6", "train.steps_per_epoch=1")]
    small += ["--set=data.sample_rate=16000", "--set=encoder.hidden=8"]
    train, back, second = (words[1:] for words in commands(SECTIONS["From the published code"]))
    for words, epochs in ((train, range(1, 7)), (back, [6]), (second, range(1, 7))):
        capsys.readouterr()
        wav2tok(monkeypatch, *words, *small)
        printed = capsys.readouterr().out.splitlines()
        assert [int(line.split()[1].split("/")[0]) for line in printed if line.startswith("epoch ")] == list(epochs)
        folder = place / words[words.index("--out") + 1]
        assert (folder / "tokenizer.onnx").exists()
    assert {p.stem for p in (place / "W" / "case").glob("TrialTok_*")} == {"TrialTok_5", "TrialTok_best"}
    assert any(line == "starting from the weights of W/case/TrialTok_5.safetensors" for line in printed)


def test_make_help_lists_what_the_readme_names():
    shown = subprocess.run(["make", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for words in commands():
        if words[0] == "make" and len(words) > 1:
            assert f"make {words[1]}" in shown


@pytest.mark.slow
def test_profiles_train_and_splits_hold_out_what_their_options_name(outside, place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    keys = ("train.epochs=1", "train.steps_per_epoch=1", "codebook.num_tokens=16", "data.sample_rate=16000")
    small = [f"--set={key}" for key in keys]
    lines = [words[1:] for words in commands(SECTIONS["Profiles"]) if words[0] == "wav2tok"]
    trainings, splits = ([words for words in lines if words[0] == verb] for verb in ("train", "split"))
    assert [words[-1] for words in trainings] == [
        "profile=speech",
        "profile=humming",
        "profile=general",
        "profile=published",
    ]
    for words in trainings:
        wav2tok(monkeypatch, *words, *small, "--fresh", "--out", f"W/{words[-1]}")
        assert (place / "W" / words[-1] / "tokenizer.onnx").exists()
    names = {"WORDS": "recordings", "HUMS": "recordings", "SENTENCES": "others", "SYNTHETIC": "others"}
    for path in (place / "recordings").rglob("*.flac"):  # copies would be left out
        wave, rate = soundfile.read(path)
        other = place / "others" / path.relative_to(place / "recordings")
        other.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(other, 0.9 * wave, rate)
    for words in splits:
        arguments = [names.get(word, "arch" if word == "seven,stop" else word) for word in words]
        wav2tok(monkeypatch, *arguments[:-1], "W/cut.bin")
        parts = audios_bin.read("W/cut.bin")
        if "--test-classes" in words:
            assert set(parts.test.classes) == {"arch"}
            assert "arch" not in parts.train.classes
        if "--only-test" in words:
            assert {path.split("/")[0] for path in parts.test.paths} == {"recordings"}
            assert {path.split("/")[0] for path in parts.train.paths} == {"others"}
