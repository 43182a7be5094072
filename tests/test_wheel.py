"""The wheel, installed by itself: it tokenizes and searches from any folder, and says what else needs which extra."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import registrations
from tests.helpers import uv
from wav2tok.extras import EXTRAS

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
Run = Callable[..., subprocess.CompletedProcess[str]]


STAND_IN = ("wav2tok/models/tiny.onnx", "wav2tok/models/tiny.md")


@pytest.fixture(scope="module")
def wheel(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the project; the copy has one more ready-made model."""
    root = tmp_path_factory.mktemp("source")
    shutil.copytree(PROJECT / "wav2tok", root / "wav2tok", ignore=shutil.ignore_patterns("__pycache__"))
    (root / STAND_IN[0]).parent.mkdir(exist_ok=True)
    shutil.copy(tiny_model / "tokenizer.onnx", root / STAND_IN[0])
    (root / STAND_IN[1]).write_text("# wav2tok:tiny\n\nMelodies of four bends.\n\n- licence: Apache-2.0\n")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, root)
    done = uv(["build", "--quiet", "--wheel", "--out-dir", "dist"], root)
    assert done.returncode == 0, done.stderr
    (built,) = (root / "dist").glob("*.whl")
    return built


def test_it_holds_every_file_of_the_package(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("wav2tok/")}
    files = (path for path in (PROJECT / "wav2tok").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    known = {path.relative_to(PROJECT).as_posix() for path in files if path.suffix not in (".nbi", ".nbc")}
    assert held == known | {*STAND_IN}
    assert any(name.endswith("LICENSE") for name in zipfile.ZipFile(wheel).namelist())


@pytest.fixture(scope="module")
def run(wheel: Path, tiny_model: Path, tiny_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run ``wav2tok ARGUMENTS`` of an environment with the base packages only, in a folder with some recordings."""
    root = tmp_path_factory.mktemp("elsewhere")
    assert uv(["venv", "--quiet", "--python", sys.executable, "environment"], root).returncode == 0
    done = uv(["pip", "install", "--quiet", "--python", "environment", str(wheel)], root)
    assert done.returncode == 0, done.stderr
    shutil.copy(tiny_model / "tokenizer.onnx", root)
    (root / "key.pub").touch()
    shutil.copytree(tiny_corpus / "arch", root / "recordings")
    (program,) = [path for path in (root / "environment").glob("*/wav2tok*") if path.stem == "wav2tok"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MLFLOW"))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=root, env=environment, capture_output=True, text=True)

    run.root = root  # type: ignore[attr-defined]
    return run


def test_help(run: Run) -> None:
    shown = run("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "tokenize" in shown.stdout


def test_doctor_finds_no_torch_no_onnx_and_no_problem(run: Run) -> None:
    shown = run("doctor")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["torch", "not", "installed"] in lines
    assert ["onnx", "not", "installed"] in lines
    assert "problem" not in shown.stdout


def test_tokenize_index_search_and_spot(run: Run) -> None:
    done = run("tokenize", "recordings", "--model", "tokenizer.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(json.loads(line)["tokens"] for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 7
    made = run("index", "recordings", "--model", "tokenizer.onnx", "--out", "index")
    assert made.returncode == 0, made.stderr
    for verb in ("search", "spot"):
        found = run(verb, "recordings/ada_0.flac", "--model", "tokenizer.onnx", "--index", "index")
        assert (found.returncode, found.stderr) == (0, "scan: compared with all 7 recordings\n")
        best = json.loads(found.stdout.splitlines()[0])
        assert best["path"] == "recordings/ada_0.flac" or verb == "spot"
        assert best.get("distance", 0.0) == 0.0
        assert best.get("similarity", 100.0) == 100.0


def test_a_ready_made_model(run: Run) -> None:
    """It needs no file but the package's own, and no network."""
    done = run("tokenize", "recordings", "--model", "wav2tok:tiny")
    assert (done.returncode, done.stderr) == (0, "")
    by_file = run("tokenize", "recordings", "--model", "tokenizer.onnx")
    for row, other in zip(done.stdout.splitlines(), by_file.stdout.splitlines(), strict=True):
        assert json.loads(row) == json.loads(other) | {"model": "wav2tok:tiny"}
    listed = run("models")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "wav2tok:tiny" in [json.loads(line)["model"] for line in listed.stdout.splitlines()]
    pulled = run("pull", "wav2tok:tiny", "--out", "pulled")
    assert (pulled.returncode, pulled.stderr) == (0, "")


def test_a_pulled_model_needs_neither_torch_nor_mlflow_nor_a_network(
    run: Run, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The README's "Get a model": pulled from a registry where there is one, used where there is not."""
    import mlflow

    from wav2tok.release.pull import pull
    from wav2tok.stages.export import export

    root: Path = run.root  # type: ignore[attr-defined]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    export(tiny_model, None, tmp_path / "export")
    mlflow.set_experiment("wheel")
    registrations.register(tmp_path / "export", "wav2tok")
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert "\nwav2tok pull models:/wav2tok@champion --out model\n" in readme
    pull("models:/wav2tok@champion", root / "model")
    mlflow.set_tracking_uri(None)

    assert "\nwav2tok tokenize recordings/ --model model\n" in readme
    done = run("tokenize", "recordings/", "--model", "model")
    assert (done.returncode, done.stderr) == (0, "")
    by_file = run("tokenize", "recordings/", "--model", "tokenizer.onnx")
    tokens = [[json.loads(line)["tokens"] for line in shown.stdout.splitlines()] for shown in (done, by_file)]
    assert tokens[0] == tokens[1]
    assert len(tokens[0]) == 7
    again = run("pull", "model", "--out", "copy")
    assert (again.returncode, again.stderr) == (0, "")
    assert sorted(path.name for path in (root / "copy").iterdir()) == ["card.md", "passport.json", "tokenizer.onnx"]
    # The code of the card, for a program without wav2tok.
    card = (root / "model" / "card.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import numpy.*?)```", card, re.DOTALL)
    (python,) = [path for path in (root / "environment").glob("*/python*") if path.stem == "python"]
    absent = "import importlib.util as u\nassert not any(map(u.find_spec, ('torch', 'mlflow')))\n"
    plain = subprocess.run([python, "-c", absent + code + "\nprint(string.tolist())"], cwd=root, capture_output=True)
    assert plain.returncode == 0, plain.stderr
    assert json.loads(plain.stdout)


def test_a_recording_longer_than_a_window(run: Run) -> None:
    """Its graph is cut into parts without the package onnx, which only training needs."""
    root: Path = run.root  # type: ignore[attr-defined]
    wave = 0.1 * np.random.default_rng(0).standard_normal(8000 * 140)
    soundfile.write(root / "long.wav", wave, 8000)
    done = run("tokenize", "long.wav", "--model", "tokenizer.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["duration_s"] == 140.0


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("train", "split recordings"),
        ("train", "cluster"),
        ("train", "train"),
        ("train", "export"),
        ("train", "register"),
        ("train", "benchmark"),
        ("train", "params"),
        ("evaluate", "evaluate"),
        ("workflow", "validate recordings"),
        ("workflow", "promote 1"),
        ("workflow", "pull models:/wav2tok@champion"),
        ("workflow", "reproduce models:/wav2tok@champion"),
        ("sign", "pull wav2tok:tiny --out signed --verify key.pub"),
        ("workflow", "tokenize recordings --model models:/wav2tok@champion"),
    ],
)
def test_a_verb_names_the_extra_that_it_needs(run: Run, extra: str, arguments: str) -> None:
    done = run(*arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("wav2tok: ")
    assert f'pip install "wav2tok[{extra}]"' in line
    assert extra in EXTRAS
