"""A real ``dvc repro`` on a tiny corpus, in a copy of the working tree with its own git repository."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[1]
STAGES = ["validate", "split", "cluster", "train", "evaluate", "export", "register"]
pytestmark = pytest.mark.slow


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


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project before its first run: the files that git knows, tiny parameters, and recordings."""
    root = tmp_path_factory.mktemp("clone") / "project"
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
        data={"sample_rate": 8000},
        features={"n_fft": 256, "hop": 128, "n_mels": 24, "n_mfcc": 8},
        encoder={"hidden": 8, "layers": 1, "dim": 16},
        codebook={"num_tokens": 8, "iterations": 5},
        train={"epochs": 2, "steps_per_epoch": 3},
        evaluate={"tempos": [0.8], "semitones": [], "bootstrap": 20},
        gate={"min_mrr": 0.0, "min_map": 0.0, "min_codebook_use": 0.0, "beat": []},
    )
    copy.run("wav2tok", "sample", "data", "--melodies", "4", "--singers", "6")
    copy.run("git", "init", "-q")
    copy.run("dvc", "add", "-q", "data")
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-qm", "tiny")
    assert (root / "data.dvc").exists()
    return copy


@pytest.fixture(scope="module")
def repro(project):
    """What the first ``dvc repro`` printed."""
    return project.run("dvc", "repro")


def test_all_seven_stages_run(project, repro):
    assert ran(repro) == STAGES
    outcome = project.json("registered/registered.json")
    assert (outcome["registered"], outcome["version"], outcome["alias"]) == (True, "1", "champion")
    assert "registered wav2tok version 1 as champion" in (project.root / "artifacts/registered/summary.txt").read_text()
    assert project.json("export/run.json") == project.json("model/run.json")
    assert (project.root / "artifacts/validation/docs/index.html").exists()
    # Git sees no output except DVC's lock file.
    assert project.run("git", "status", "--porcelain").split() == ["??", "dvc.lock"]


def test_the_run_knows_commit_data_and_stage(project, repro):
    code = ("import json, sys\nfrom wav2tok.tracking import store\n"
            "print('TAGS' + json.dumps(store.connect().get_run(sys.argv[1]).data.tags))")  # fmt: skip
    printed = project.run(sys.executable, "-c", code, project.json("model/run.json")["run_id"])
    tags = json.loads(printed.rpartition("TAGS")[2])
    assert tags["git.commit"] == project.run("git", "rev-parse", "HEAD").strip()
    assert tags["git.dirty"] == "false"
    assert tags["dvc.stage"] == "train"
    data = yaml.safe_load((project.root / "data.dvc").read_text())["outs"][0]
    assert tags["dvc.data"] == data["md5"]
    assert data["nfiles"] == 24
    assert tags["approved"] == "true"  # evaluate continued the same run


def test_nothing_runs_twice(project, repro):
    # numba writes what it compiles next to the code that the stage depends on.
    compiled = project.root / "wav2tok" / "evaluation" / "__pycache__" / "kernel.nbi"
    compiled.parent.mkdir(exist_ok=True)
    compiled.write_bytes(b"compiled")
    again = project.run("dvc", "repro")
    assert ran(again) == []
    assert "up to date" in again


def test_a_parameter_makes_the_stages_stale_that_read_it(project, repro):
    before = (project.root / "params.yaml").read_text()
    for section, values, expected in (
        ("codebook", {"num_tokens": 6}, STAGES[2:]),
        ("train", {"epochs": 1}, STAGES[3:]),
        ("gate", {"min_mrr": 1.1}, STAGES[4:]),
        ("register", {"name": "another"}, STAGES[6:]),
        ("schedule", {"cron": "0 4 * * 1"}, []),
    ):
        try:
            project.set(**{section: values})
            assert ran(project.run("dvc", "repro", "--dry", "--force-downstream")) == expected, section
        finally:
            (project.root / "params.yaml").write_text(before)
    assert ran(project.run("dvc", "repro", "--dry")) == []


def test_metrics_and_plots_are_shown(project, repro):
    shown = json.loads(project.run("dvc", "metrics", "show", "--json"))
    (commit,) = shown.values()
    data = {path: each["data"] for path, each in commit["data"].items()}
    assert (
        data["artifacts/report/metrics.json"]["V"]["wav2tok"]["mrr"]
        == (project.json("report/metrics.json")["V"]["wav2tok"]["mrr"])
    )
    assert "artifacts/validation/validation.json" in data
    assert "mrr" in project.run("dvc", "metrics", "show")
    project.run("dvc", "plots", "show", "-o", "artifacts/plots")
    page = (project.root / "artifacts/plots/index.html").read_text()
    for part in ("Validation retrieval", "Training losses", "retrieval.png", "tokens.png", "valid_mrr"):
        assert part in page, part


def test_the_sample_corpus_is_reproducible(project, repro):
    """A fresh checkout has ``data.dvc`` and no recordings; making the sample again gives the same bytes."""
    shutil.rmtree(project.root / "data")
    assert "data" in project.run("dvc", "status", "data.dvc")
    project.run("wav2tok", "sample", "data", "--melodies", "4", "--singers", "6")
    assert "up to date" in project.run("dvc", "status", "data.dvc")
    assert ran(project.run("dvc", "repro", "--dry")) == []


def test_a_refused_model_ends_an_experiment_successfully(project, repro):
    """``dvc exp run`` with one epoch and a gate that no model passes: no export, no registration, no error."""
    output = project.run("dvc", "exp", "run", "-S", "train.epochs=1", "-S", "gate.min_mrr=1.1")
    assert ran(output) == STAGES[3:]
    outcome = project.json("registered/registered.json")
    assert outcome["registered"] is False
    assert any("1.1" in reason for reason in outcome["reasons"])
    assert [p.name for p in sorted((project.root / "artifacts/export").iterdir())] == ["export.json", "run.json"]
    assert len(project.json("model/history.json")) == 1
    name = re.search(r"Ran experiment\(s\): (\S+)", output)
    assert name
    assert name.group(1) in project.run("dvc", "exp", "show", "--csv")
    code = ("import json, sys\nfrom wav2tok.release import registry\nfrom wav2tok.tracking import store\n"
            "tags = store.connect().get_run(sys.argv[1]).data.tags\n"
            "print('TAGS' + json.dumps([tags, str(registry.champion('wav2tok').version)]))")  # fmt: skip
    printed = project.run(sys.executable, "-c", code, project.json("model/run.json")["run_id"])
    tags, champion = json.loads(printed.rpartition("TAGS")[2])
    assert (tags["dvc.experiment"], tags["approved"], champion) == (name.group(1), "false", "1")
