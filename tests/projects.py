"""A copy of the project with a tiny corpus and tiny parameters, to run real graphs in."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]
STAGES = ["validate", "split", "cluster", "train", "evaluate", "export", "register"]


class Project:
    """A copy of the project with a corpus of 24 takes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "DVC_", "GIT_"))} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "DVC_NO_ANALYTICS": "true",
            **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }

    def run(self, *command: str) -> str:
        """Run a command in the project; returns stdout and stderr."""
        done = subprocess.run(command, cwd=self.root, env=self.environment, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        return done.stdout

    def set(self, **parts: dict) -> None:
        """Change sections of ``params.yaml``."""
        path = self.root / "params.yaml"
        values = yaml.safe_load(path.read_text())
        for name, part in parts.items():
            values[name] |= part
        path.write_text(yaml.safe_dump(values, sort_keys=False))

    def json(self, path: str) -> dict:
        return json.loads((self.root / "artifacts" / path).read_text())


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def make(root: Path, data: str = "data", prepare: Callable[[Path], None] | None = None) -> Project:
    """The project before its first run: the files that git knows, tiny parameters, and recordings, committed.

    Args:
        root: a folder that does not exist.
        data: the folder of the recordings.
        prepare: called with that folder before DVC tracks it.
    """
    root.mkdir()
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=PROJECT, check=True,
                            capture_output=True, text=True).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        # The tests are not part of the graph, and the digests are those of another corpus.
        if (PROJECT / name).is_file() and not name.startswith("tests/") and name not in ("data.dvc", "dvc.lock"):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, root / name)
    copy = Project(root)
    copy.set(
        data={"path": data, "sample_rate": 8000},
        features={"kind": "mfcc", "n_fft": 256, "hop": 128, "n_mels": 24, "n_mfcc": 8},
        encoder={"kind": "lstm", "hidden": 8, "layers": 1, "dim": 16, "stack": 2, "context": 0},
        codebook={"num_tokens": 8, "iterations": 5},
        train={"epochs": 2, "steps_per_epoch": 3},
        evaluate={"tempos": [0.8], "semitones": [], "bootstrap": 20},
        gate={"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []},
        register={"min_queries": 4},
    )
    copy.run("wav2tok", "sample", data, "--melodies", "4", "--singers", "8")
    if prepare is not None:
        prepare(root / data)
    copy.run("git", "init", "-q")
    copy.run("dvc", "add", "-q", data)
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-qm", "tiny")
    assert (root / f"{data}.dvc").exists()
    return copy
