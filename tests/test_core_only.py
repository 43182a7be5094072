"""The core on a machine that has torch and none of the workflow: no MLflow, DVC, Prefect, pandas and so on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wav2tok.config.parameters import to_dict

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).resolve().parents[1]
ABSENT = ("mlflow", "prefect", "dvc", "great_expectations", "pandas", "sklearn", "matplotlib", "ranx", "numba",
          "python_stretch", "psutil", "fastapi", "sqlalchemy")  # fmt: skip
# Every Python that is started with this folder in PYTHONPATH reads it: the packages then seem not to be installed.
SITE = f"""
import sys

ABSENT = {ABSENT!r}


class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            return None
        return self.finder.find_spec(name, path, target) if hasattr(self.finder, "find_spec") else None

    def __getattr__(self, name):
        return getattr(self.finder, name)


sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""
RUN = """
import sys
from wav2tok.cli import main
sys.argv = ["wav2tok", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
TOKENIZE = """
import numpy as np
import wav2tok
tokenizer = wav2tok.Tokenizer.from_pretrained("model", "cpu")
strings = tokenizer.encode([np.sin(np.arange(4000) / 5).astype(np.float32)], 16000)
assert len(strings) == 1 and 0 < len(strings[0])
"""
CHECK = """
import sys
assert not {name.partition(".")[0] for name in sys.modules} & set(ABSENT)
print("DONE")
""".replace("ABSENT", repr(ABSENT))


@pytest.fixture(scope="module")
def bare(tmp_path_factory, tiny_split, tiny_config):
    """Run Python code there, with arguments; returns what it printed."""
    root = tmp_path_factory.mktemp("bare")
    (root / "site").mkdir()
    (root / "site" / "sitecustomize.py").write_text(SITE)
    work = root / "work"
    work.mkdir()
    (work / "params.yaml").write_text(
        yaml.safe_dump(to_dict(tiny_config) | {"train": {"epochs": 1, "steps_per_epoch": 3}})
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment["PYTHONPATH"] = os.pathsep.join([str(root / "site"), str(PROJECT)])

    def run(code, *arguments):
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=work, env=environment,
                              capture_output=True, text=True)  # fmt: skip

    done = run(RUN + CHECK, "train", "--data", tiny_split, "--out", "model")
    assert done.returncode == 0, done.stderr
    assert "mlflow is not installed: the training is not tracked" in done.stdout
    assert done.stdout.endswith("DONE\n")
    return work, run


def test_the_packages_are_really_absent(bare):
    _, run = bare
    for name in ("mlflow", "pandas", "numba"):
        done = run(f"import {name}")
        assert done.returncode == 1
        assert f"No module named '{name}'" in done.stderr


def test_training_leaves_a_whole_folder(bare):
    work, _ = bare
    assert {"wav2tok_best.safetensors", "last.safetensors", "history.json", "tokenizer.onnx", "config.json"} <= set(
        os.listdir(work / "model")
    )
    assert not {"mlflow.db", "mlruns"} & set(os.listdir(work))
    assert not (work / "model" / "run.json").exists()


def test_tokenizing(bare):
    _, run = bare
    done = run(TOKENIZE + CHECK)
    assert done.stdout == "DONE\n", done.stderr
    assert "torch" not in run(TOKENIZE + "import sys\nprint('torch' in sys.modules and 'torch')").stdout


def test_importing_changes_no_environment_variable(bare):
    """A service or a notebook that imports the library keeps its environment."""
    _, run = bare
    modules = "tokenizer.tokenizer, wav2tok.tracking.runs, wav2tok.stages.train, wav2tok.device"
    code = f"import os\nbefore = dict(os.environ)\nimport wav2tok, wav2tok.{modules}\nassert os.environ == before"
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_exporting(bare):
    work, run = bare
    done = run(RUN + CHECK, "export", "--model", "model", "--out", "export")
    assert done.stdout.endswith("DONE\n"), done.stderr
    assert (work / "export" / "tokenizer.onnx").exists()


@pytest.mark.parametrize("arguments", [
    ("tokenize", "any.flac", "--model", "models:/wav2tok@champion"),
    ("promote", "1"),
    ("evaluate", "--data", "SPLIT", "--model", "model", "--out", "new"),
    ("validate", "CORPUS", "--out", "new"),
])  # fmt: skip
def test_a_verb_that_needs_more_packages_says_so(arguments, bare, tiny_split, tiny_corpus):
    work, run = bare
    names = {"SPLIT": tiny_split, "CORPUS": tiny_corpus}
    done = run(RUN.replace("assert not end.code, end.code", "raise"), *(names.get(a, a) for a in arguments))
    assert done.returncode == 2, done.stderr[-300:]
    assert done.stderr.startswith("wav2tok: ")
    assert len(done.stderr.splitlines()) == 1
    assert "nstall" in done.stderr
    assert not (work / "new").exists()


def test_the_core_names_none_of_them():
    """The files of the core import none of the packages, not even within a function.

    The compiled kernels do: they are imported only by functions that refuse to work without numba, or that have another
    way.
    """
    root = PROJECT / "wav2tok"
    core = ("audio", "config", "matching", "model", "spectra", "losses", "training", "tokenizer", "search")
    for path in (*root.glob("*.py"), *(file for package in core for file in (root / package).rglob("*.py"))):
        for line in [] if path.name.endswith("kernels.py") else path.read_text().splitlines():
            words = line.split()
            if words[:1] in (["import"], ["from"]):
                assert words[1].partition(".")[0] not in ABSENT, f"{path.name}: {line}"
