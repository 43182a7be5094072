"""A model is trained again from its passport, in a real project with git and DVC."""

import json
import os
import shutil
import subprocess

import pytest
import yaml

from tests.projects import make, ran

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose model is exported, on a commit that is not the last one."""
    made = make(tmp_path_factory.mktemp("reproduce") / "project")
    made.run("dvc", "repro", "export")
    (made.root / "params.yaml").write_text((made.root / "params.yaml").read_text().replace("seed: 0", "seed: 5"))
    made.run("git", "add", "-A")
    made.run("git", "commit", "-qm", "another seed")
    return made


def reproduce(project, *arguments):
    """How ``wav2tok reproduce`` ended there."""
    command = ["wav2tok", "reproduce", *map(str, arguments)]
    return subprocess.run(command, cwd=project.root, env=project.environment, capture_output=True, text=True)


def changed(project, folder, change):
    """A copy of the exported folder whose passport has been changed."""
    shutil.copytree(project.root / "artifacts" / "export", folder)
    passport = json.loads((folder / "passport.json").read_text())
    change(passport)
    (folder / "passport.json").write_text(json.dumps(passport))
    return folder


def test_the_same_commit_data_and_parameters_give_the_same_tokens(project, tmp_path):
    passport = project.json("export/passport.json")
    tags = passport["lineage"]["tags"]
    assert tags["git.commit"] == project.run("git", "rev-parse", "HEAD~1").strip()
    assert (passport["lineage"]["changed"], tags["git.dirty"]) == ([], "false")
    assert tags["dvc.data"] == yaml.safe_load((project.root / "data.dvc").read_text())["outs"][0]["md5"]
    assert passport["dvc_lock"] is not None
    assert passport["evaluation"]["scores"]
    cache = sorted(path for path in (project.root / ".dvc" / "cache").rglob("*") if path.is_file())
    done = reproduce(project, "artifacts/export", "--out", tmp_path / "kept")
    assert done.returncode == 0, done.stderr + done.stdout
    assert ran(done.stdout) == ["validate", "split", "cluster", "train"]
    agreement = json.loads((tmp_path / "kept" / "agreement.json").read_text())
    assert agreement["agreeing"] == agreement["steps"] > 0
    assert done.stdout.splitlines()[-1] == (
        f"{agreement['steps']} of {agreement['steps']} tokens of {agreement['recordings']} test recordings agree: "
        "reproduced"
    )
    # Nothing is left in the project: no output, no run, no worktree.
    assert sorted(path for path in (project.root / ".dvc" / "cache").rglob("*") if path.is_file()) == cache
    assert project.run("git", "status", "--porcelain") == ""
    assert len(project.run("git", "worktree", "list").splitlines()) == 1


def test_another_training_gives_other_tokens_and_exit_code_1(project, tmp_path):
    def less(passport):
        passport["parameters"]["train"]["steps_per_epoch"] = 1
        passport["lineage"]["machine"]["torch"] = "1.0"

    done = reproduce(project, changed(project, tmp_path / "less", less))
    assert done.returncode == 1, done.stderr + done.stdout
    last = done.stdout.splitlines()[-1]
    assert "agree: not reproduced; torch 1.0, here " in last


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda p: p["lineage"].update(changed=["a.py", "b.py"]), "with changes in a.py and 1 more files that no"),
        (lambda p: p["lineage"]["tags"].pop("git.commit"), "its passport names no commit"),
        (lambda p: p["lineage"]["tags"].pop("dvc.data"), "DVC did not track the recordings"),
        (lambda p: p["lineage"]["tags"].pop("dvc.stage"), "it was not trained by dvc repro"),
        (lambda p: p["lineage"]["tags"].update({"git.commit": "c0ffee" * 6}), "does not hold the commit c0ffee"),
        (lambda p: p["parameters"]["data"].update(path='"; touch run; "'), "cannot be put into a command"),
        (lambda p: p["lineage"]["tags"].update({"dvc.data": "5eed.dir"}), "recordings with the DVC hash 5eed.dir"),
    ],
)
def test_what_cannot_be_reproduced_is_said_in_one_sentence(change, sentence, project, tmp_path):
    done = reproduce(project, changed(project, tmp_path / "export", change), "--out", tmp_path / "new" / "work")
    assert done.returncode == 2, done.stderr + done.stdout
    (line,) = done.stderr.splitlines()
    assert sentence in line
    assert not (tmp_path / "new").exists()


def test_recordings_that_are_not_at_hand_are_named(project, tmp_path):
    cache = project.root / ".dvc" / "cache"
    cache.rename(tmp_path / "cache")
    try:
        done = reproduce(project, "artifacts/export")
    finally:
        shutil.rmtree(cache, ignore_errors=True)
        (tmp_path / "cache").rename(cache)
    assert done.returncode == 2, done.stderr + done.stdout
    (line,) = done.stderr.splitlines()
    assert "are neither in the project's cache nor in a remote" in line


def test_outside_the_project_nothing_can_be_reproduced(project, tmp_path):
    command = ["wav2tok", "reproduce", str(project.root / "artifacts" / "export")]
    environment = project.environment | {"GIT_CEILING_DIRECTORIES": os.fspath(tmp_path.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "is in no git repository" in done.stderr
