"""New singers in the graph: a real ``dvc repro`` of the stage split, also in a fresh clone."""

import shutil
from pathlib import Path

import pytest

from tests.projects import Project, make
from wav2tok.corpus import audios_bin

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def parts(project: Project) -> dict[str, set[str]]:
    """The singers of each part."""
    done = audios_bin.read(project.root / "artifacts/audios.bin")
    assert done.valid is not None
    return {name: set(one.groups) for name, one in (("train", done.train), ("valid", done.valid), ("test", done.test))}


def add_singers(project: Project) -> None:
    """Four more than the eight of the project."""
    project.run("wav2tok", "sample", "more", "--melodies", "4", "--singers", "12")
    for path in (project.root / "more").rglob("*.flac"):
        there = project.root / "data" / path.relative_to(project.root / "more")
        if not there.exists():
            shutil.copy(path, there)
    project.run("dvc", "add", "-q", "data")


def test_the_graph_continues_its_split_and_so_does_a_fresh_clone(tmp_path: Path) -> None:
    project = make(tmp_path / "project")
    project.run("dvc", "repro", "split")
    before = parts(project)
    assert len(before["test"]) > 1
    project.run("dvc", "remote", "add", "-d", "store", str(tmp_path / "store"))
    project.run("git", "add", "-A")
    project.run("git", "commit", "-qm", "split")
    project.run("dvc", "push", "-q")
    clone = Project(tmp_path / "clone")
    project.run("git", "clone", "-q", str(project.root), str(clone.root))
    clone.run("dvc", "pull", "-q", "--allow-missing")
    for where in (project, clone):
        add_singers(where)
        assert "32 of 48 recordings stay in the part that they had" in where.run("dvc", "repro", "split")
        after = parts(where)
        assert sum(map(len, after.values())) == 12
        assert all(singers <= after[part] for part, singers in before.items())
    assert parts(clone) == parts(project)
