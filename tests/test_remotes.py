"""What one clone pushes another pulls, byte for byte: recordings and outputs, through a directory and through S3."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests import servers

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(scope="module")
def buckets():
    pytest.importorskip("dvc_s3", reason='dvc-s3 is not installed: pip install "wav2tok[s3]"')
    with servers.s3("remote") as running:
        yield running


@pytest.fixture(params=["directory", "s3"])
def remote(request, tmp_path):
    """(settings of a DVC remote, environment of its clients)."""
    if request.param == "directory":
        return {"url": str(tmp_path / "remote")}, {}
    found = request.getfixturevalue("buckets")
    return {"url": "s3://remote/project", "endpointurl": found.uri}, found.environment


def run(folder, environment, *command):
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for part in ("data", "artifacts")
        for path in sorted((folder / part).rglob("*"))
        if path.is_file() and path.name != ".gitignore"
    }


def test_a_fresh_clone_pulls_what_was_pushed_and_has_nothing_to_do(remote, tiny_corpus, tmp_path):
    settings, keys = remote
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "GIT_", "AWS_"))}
    people = {f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = clean | people | keys | {"DVC_NO_ANALYTICS": "true", "PYTHONDONTWRITEBYTECODE": "1"}
    dvc = (sys.executable, "-m", "dvc")
    project = tmp_path / "project"
    shutil.copytree(tiny_corpus, project / "data")
    run(project, environment, "git", "init", "-q")
    run(project, environment, *dvc, "init", "-q")
    run(project, environment, *dvc, "add", "-q", "data")
    split = f"{sys.executable} -m wav2tok split data --group-by prefix --out artifacts/audios.bin"
    stage = {"cmd": split, "deps": ["data"], "outs": ["artifacts/audios.bin", "artifacts/audios.json"]}
    (project / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"split": stage}}))
    run(project, environment, *dvc, "repro", "-q")
    run(project, environment, *dvc, "remote", "add", "-d", "store", settings["url"])
    for key in settings.keys() - {"url"}:
        run(project, environment, *dvc, "remote", "modify", "store", key, settings[key])
    run(project, environment, "git", "add", "-A")
    run(project, environment, "git", "commit", "-qm", "all")
    run(project, environment, *dvc, "push", "-q")

    clone = tmp_path / "clone"
    run(tmp_path, environment, "git", "clone", "-q", str(project), str(clone))
    assert not (clone / "data").exists()
    run(clone, environment, *dvc, "pull", "-q")
    assert len(digests(project)) == len(list(tiny_corpus.rglob("*.flac"))) + 2
    assert digests(clone) == digests(project)
    assert "Data and pipelines are up to date" in run(clone, environment, *dvc, "status")
    assert "are in sync" in run(clone, environment, *dvc, "status", "--cloud")
    if "endpointurl" not in settings:
        assert any(Path(settings["url"]).rglob("*.dir"))
