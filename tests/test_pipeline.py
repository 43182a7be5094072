"""A real ``dvc repro`` on a tiny corpus, in a copy of the working tree with its own git repository."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.projects import STAGES, make, ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project before its first run."""
    return make(tmp_path_factory.mktemp("clone") / "project")


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
    assert data["nfiles"] == 32
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
        ("gate", {"min_mrr": 0.9}, STAGES[4:]),
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
    # A handful of figures; the others are in metrics.json.
    assert list(data) == ["artifacts/report/headline.json"]
    figures = data["artifacts/report/headline.json"]
    assert figures == project.json("report/headline.json")
    complete = project.json("report/metrics.json")
    assert figures["mrr"] == complete["V"]["wav2tok"]["mrr"]
    assert figures["map_ts"] == complete["TS"]["wav2tok"]["map"]
    room = {"map_5db_room", "map_lost_5db_room"}
    assert set(figures) == {"mrr", "map", "mrr_ts", "map_ts", "score", "codebook_use", "approved"} | room
    assert "mrr" in project.run("dvc", "metrics", "show")
    project.run("dvc", "plots", "show", "-o", "artifacts/plots")
    page = (project.root / "artifacts/plots/index.html").read_text()
    for part in ("Validation retrieval", "Training losses", "retrieval.png", "tokens.png", "valid_mrr"):
        assert part in page, part


def test_the_sample_corpus_is_reproducible(project, repro):
    """A fresh checkout has ``data.dvc`` and no recordings; making the sample again gives the same bytes."""
    shutil.rmtree(project.root / "data")
    assert "data" in project.run("dvc", "status", "data.dvc")
    project.run("wav2tok", "sample", "data", "--melodies", "4", "--singers", "8")
    assert "up to date" in project.run("dvc", "status", "data.dvc")
    assert ran(project.run("dvc", "repro", "--dry")) == []


def test_an_experiment_registers_nothing_until_it_is_applied_and_made(project, repro):
    output = project.run("dvc", "exp", "run", "-S", "train.epochs=1")
    assert ran(output) == STAGES[3:]
    outcome = project.json("registered/registered.json")
    assert (outcome["registered"], bool(outcome["experiment"])) == (False, True)
    check = [sys.executable, "-m", "wav2tok.tracking.registered", "artifacts/registered/registered.json"]
    done = subprocess.run(check, cwd=project.root, env=project.environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "this model was not registered, because the experiment" in done.stdout
    project.run("dvc", "repro", "--force", "--single-item", "register")  # as `make` does then
    outcome = project.json("registered/registered.json")
    assert (outcome["version"], "experiment" in outcome) == ("2", False)
    project.run("git", "checkout", "--", "params.yaml")
    project.run("dvc", "repro")


def test_a_refused_model_ends_an_experiment_successfully(project, repro):
    """``dvc exp run`` with one epoch and a gate that no model passes: no export, no registration, no error."""
    output = project.run("dvc", "exp", "run", "-S", "train.epochs=1", "-S", "gate.min_map=1")
    assert ran(output) == STAGES[3:]
    outcome = project.json("registered/registered.json")
    assert outcome["registered"] is False
    assert any("MAP" in reason for reason in outcome["reasons"])
    assert [p.name for p in sorted((project.root / "artifacts/export").iterdir())] == ["export.json", "run.json"]
    assert "experiment" not in outcome  # it is the gate that refused
    assert len(project.json("model/history.json")) == 1
    name = re.search(r"Ran experiment\(s\): (\S+)", output)
    assert name
    assert name.group(1) in project.run("dvc", "exp", "show", "--csv")
    code = ("import json, sys\nfrom wav2tok.release import versions\nfrom wav2tok.tracking import store\n"
            "tags = store.connect().get_run(sys.argv[1]).data.tags\n"
            "print('TAGS' + json.dumps([tags, str(versions.champion('wav2tok').version)]))")  # fmt: skip
    printed = project.run(sys.executable, "-c", code, project.json("model/run.json")["run_id"])
    tags, champion = json.loads(printed.rpartition("TAGS")[2])
    assert (tags["dvc.experiment"], tags["approved"], champion) == (name.group(1), "false", "1")
