"""Comparing runs: real experiments of DVC, queued and in temporary folders, remotes, clones and moved stores.

The project's folder and the folder of its recordings have a space in their names, and the groups of the recordings are
in a table.
"""

import csv
import io
import json
import re
import subprocess
import sys
import time

import pytest
import yaml

from tests.projects import STAGES, Project, make, ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
HEADLINE = {"mrr", "map", "mrr_ts", "map_ts", "score", "codebook_use", "approved", "map_5db_room", "map_lost_5db_room"}
RUNS = """
import json
from wav2tok.tracking import store
mlflow = store.existing()
found = mlflow.search_runs(search_all_experiments=True, output_format="list")
print("RUNS" + json.dumps([[r.info.run_id, r.info.run_name, r.info.artifact_uri, r.data.tags] for r in found]))
"""
HELD = ("python", "-m", "wav2tok.tracking.registered", "artifacts/registered/registered.json")


def add_groups(folder):
    """A table of groups whose names are not in the file names."""
    with (folder / "groups.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "group"])
        for path in sorted(folder.rglob("*.flac")):
            rows.writerow([path.relative_to(folder).as_posix(), f"singer {path.name.partition('_')[0].lower()}"])


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The project after its first run, which is committed."""
    copy = make(tmp_path_factory.mktemp("compare") / "my project", "my hums", add_groups)
    copy.set(split={"group_by": "column"})
    copy.run("git", "commit", "-qam", "groups")
    assert ran(copy.run("dvc", "repro")) == STAGES
    copy.run("git", "add", "-A")
    copy.run("git", "commit", "-qm", "first run")
    return copy


def runs(project):
    """Every run of the project's store: id, name, folder of its artifacts, tags."""
    return json.loads(project.run(sys.executable, "-c", RUNS).rpartition("RUNS")[2])


def shown(project):
    """The rows of ``dvc exp show`` by experiment."""
    table = project.run("dvc", "exp", "show", "--csv")
    rows = list(csv.DictReader(io.StringIO(table[table.index("Experiment,") :])))
    return {row["Experiment"] or row["rev"]: row for row in rows}


def test_groups_come_from_the_table(project):
    recordings = project.json("audios.json")["recordings"]
    assert {row["group"].partition(" ")[0] for row in recordings} == {"singer"}
    parts = {}
    for row in recordings:
        parts.setdefault(row["group"], set()).add(row["part"])
    assert all(len(part) == 1 for group, part in parts.items() if "test" in part)


def test_the_run_knows_the_data_that_it_read(project):
    ((_, name, _, tags),) = runs(project)
    assert name == "staged"
    assert tags["dvc.data"] == yaml.safe_load((project.root / "my hums.dvc").read_text())["outs"][0]["md5"]


def test_files_that_are_no_recordings_change_nothing(project):
    for place in (project.root / "my hums", next((project.root / "my hums").iterdir())):
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._take.flac"):
            (place / name if place.is_dir() else place.parent / name).write_bytes(b"not a recording")
    assert "up to date" in project.run("dvc", "status", "my hums.dvc")
    assert ran(project.run("dvc", "repro")) == []


def test_a_fresh_clone_pulls_everything_and_runs_nothing(project, tmp_path):
    project.run("dvc", "remote", "add", "-d", "--local", "store", str(tmp_path / "remote"))
    project.run("dvc", "push")
    project.run("git", "clone", "-q", ".", str(tmp_path / "a clone"))
    clone = Project(tmp_path / "a clone")
    clone.run("dvc", "remote", "add", "-d", "--local", "store", str(tmp_path / "remote"))
    clone.run("dvc", "pull")
    again = clone.run("dvc", "repro")
    assert ran(again) == []
    assert "up to date" in again
    assert clone.json("report/headline.json") == project.json("report/headline.json")
    # Its store does not hold the version that was pulled, and asking makes no store.
    assert not (clone.root / "mlflow.db").exists()
    asked = subprocess.run(HELD, cwd=clone.root, env=clone.environment, text=True, capture_output=True)
    assert asked.returncode == 1
    assert f"{clone.root}/mlflow.db does not hold this wav2tok version 1" in asked.stdout
    assert not (clone.root / "mlflow.db").exists()
    asked = subprocess.run(["python", "-m", "wav2tok", "tokenize", "my hums", "--model", "models:/wav2tok@champion"],
                           cwd=clone.root, env=clone.environment, text=True, capture_output=True)  # fmt: skip
    assert asked.returncode == 2
    assert f"there is no MLflow store {clone.root}/mlflow.db" in asked.stderr
    assert not (clone.root / "mlflow.db").exists()
    assert ran(clone.run("dvc", "repro", "--force", "--single-item", "register")) == ["register"]
    clone.run(*HELD)


def test_the_registration_is_that_of_the_present_store(project, tmp_path):
    project.run(*HELD)
    elsewhere = project.environment | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/other.db"}
    asked = subprocess.run(HELD, cwd=project.root, env=elsewhere, text=True, capture_output=True)
    assert asked.returncode == 1
    assert "other.db does not hold" in asked.stdout


def test_experiments_are_compared_wherever_they_ran(project):
    temporary = re.search(r"Ran experiment\(s\): (\S+)",
                          project.run("dvc", "exp", "run", "--temp", "-S", "train.epochs=1"))  # fmt: skip
    queued = re.search(r"Queued experiment '(\S+)'",
                       project.run("dvc", "exp", "run", "--queue", "-S", "codebook.num_tokens=6"))  # fmt: skip
    assert temporary
    assert queued
    # A queued experiment runs the code that was queued.
    code = project.root / "wav2tok" / "stages" / "train.py"
    before = code.read_text()
    code.write_text("raise RuntimeError('the code of the workspace')\n")
    try:
        project.run("dvc", "queue", "start")
        end = time.monotonic() + 500
        while re.search("Queued|Running", status := project.run("dvc", "queue", "status")):
            assert time.monotonic() < end, status
            time.sleep(2)
    finally:
        code.write_text(before)
    assert "Success" in status, project.run("dvc", "queue", "logs", queued[1])

    table = shown(project)
    for name in (temporary[1], queued[1], "workspace"):
        row = table[name]
        assert set(row) >= HEADLINE
        assert 0 <= float(row["mrr"]) <= 1
        assert row["approved"] == "True"
    assert table[temporary[1]]["train.epochs"] == "1"
    assert "!" not in {value for row in table.values() for value in row.values()}
    assert not any("wav2tok." in column for column in next(iter(table.values())))  # no figures of single systems

    # All runs are in the project's own store, and so are their files.
    found = {tags.get("dvc.experiment"): (name, uri) for _, name, uri, tags in runs(project)}
    assert found[temporary[1]][0] == f"staged epochs=1 ({temporary[1]})"
    assert found[queued[1]][0] == f"staged num_tokens=6 ({queued[1]})"
    for _, uri in found.values():
        assert uri.startswith(f"{project.root}/mlruns/wav2tok/")
    assert (project.root / "mlruns/wav2tok" / found[queued[1]][1].split("/")[-2] / "artifacts/report").is_dir()

    project.run("dvc", "exp", "branch", queued[1], "trial")
    difference = json.loads(project.run("dvc", "metrics", "diff", "HEAD", "trial", "--all", "--json"))
    assert set(difference["artifacts/report/headline.json"]) == HEADLINE
    assert "codebook.num_tokens" in project.run("dvc", "params", "diff", "HEAD", "trial")
    project.run("dvc", "plots", "diff", "HEAD", "trial", "-o", "artifacts/plots")
    page = (project.root / "artifacts/plots/index.html").read_text()
    assert "trial" in page
    assert "retrieval.png" in page
    project.run("dvc", "exp", "apply", temporary[1])
    assert len(project.json("model/history.json")) == 1
    assert ran(project.run("dvc", "repro", "--dry")) == []
    project.run("dvc", "repro", "--force", "--single-item", "register")  # as make does for an experiment
    project.run(*HELD)


def test_a_project_can_be_moved_with_its_store(project, tmp_path):
    """The last test of this file, because it takes the project away."""
    moved = Project(tmp_path / "moved and renamed")
    project.root.rename(moved.root)
    hum = next((moved.root / "my hums").rglob("[!.]*_*.flac"))
    line = moved.run("python", "-m", "wav2tok", "tokenize", str(hum), "--model", "models:/wav2tok@champion")
    assert '"tokens"' in line
    assert all(uri.startswith(f"{moved.root}/mlruns/") for _, _, uri, _ in runs(moved))
    assert not project.root.exists()
    moved.run(*HELD)
