"""Digests and tags: what says that two runs saw the same code and the same data."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from wav2tok.config import parameters
from wav2tok.config.schema import Config, Evaluate
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation import held_out
from wav2tok.tracking import lineage


def git(*arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in ("DVC_STAGE", "DVC_EXP_NAME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "audios.bin").write_bytes(b"a split")
    return tmp_path


def noise(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).uniform(-0.5, 0.5, 400), 8000)
    return str(path)


def test_a_file_digest_changes_with_its_bytes_alone(folder):
    (folder / "same.bin").write_bytes(b"a split")
    (folder / "other.bin").write_bytes(b"a spliT")
    digest = lineage.file_digest(folder / "audios.bin")
    assert digest == lineage.file_digest(folder / "same.bin")
    assert digest != lineage.file_digest(folder / "other.bin")
    assert len(digest) <= 36  # what MLflow takes
    assert set(digest) <= set("0123456789abcdef")


def test_a_digest_of_recordings_does_not_depend_on_their_order(folder):
    paths = tuple(noise(folder / f"{i}.wav", i) for i in range(4))
    classes = ("x", "y", "x", "z")
    digest = held_out.recordings_digest(Recordings(paths, classes))
    assert digest == held_out.recordings_digest(Recordings(paths[::-1], classes[::-1]))
    assert digest != held_out.recordings_digest(Recordings(paths, ("x", "y", "x", "x")))
    assert digest != held_out.recordings_digest(Recordings(paths[:3], classes[:3]))
    assert digest != held_out.recordings_digest(Recordings(paths, None))
    assert held_out.recordings_digest(Recordings(paths)) == held_out.recordings_digest(Recordings(paths[::-1]))


def test_a_digest_of_recordings_changes_with_their_sound(folder):
    """A champion's score holds for the recordings that it was measured on, not for others of the same names."""
    recordings = Recordings(tuple(noise(folder / f"{i}.wav", i) for i in range(3)), ("x", "x", "y"))
    before = held_out.recordings_digest(recordings)
    assert held_out.recordings_digest(recordings) == before
    noise(folder / "1.wav", 7)
    assert held_out.recordings_digest(recordings) != before


def test_tags_outside_git_are_of_the_data_alone(folder):
    assert lineage.tags(folder / "audios.bin") == {"data.split": lineage.file_digest(folder / "audios.bin")}


def test_tags_follow_git(folder):
    git("init", "-q")
    (folder / "code.py").write_text("one")
    git("add", "code.py")
    git("commit", "-qm", "first")
    tags = lineage.tags(folder / "audios.bin")
    assert tags["git.commit"] == git("rev-parse", "HEAD")
    assert tags["git.dirty"] == "false"  # a file that git does not track is not the code's
    (folder / "code.py").write_text("two")
    assert lineage.tags(folder / "audios.bin")["git.dirty"] == "true"
    git("commit", "-qam", "second")
    again = lineage.tags(folder / "audios.bin")
    assert again["git.dirty"] == "false"
    assert again["git.commit"] == git("rev-parse", "HEAD") != tags["git.commit"]


def tracked(folder, name="data"):
    """Two recordings in a folder that DVC tracks, in a real DVC project; returns their paths and the hash."""
    git("init", "-q")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], check=True)
    paths = [noise(Path(name) / label / "ada_1.wav", i) for i, label in enumerate("xy")]
    subprocess.run([sys.executable, "-m", "dvc", "add", "-q", name], check=True)
    return paths, yaml.safe_load(Path(f"{name}.dvc").read_text())["outs"][0]["md5"]


@pytest.mark.parametrize("name", ["data", "my hums"])
def test_tags_follow_dvc(folder, monkeypatch, name):
    paths, digest = tracked(folder, name)
    monkeypatch.setenv("DVC_STAGE", "train")
    monkeypatch.setenv("DVC_EXP_NAME", "waxy-seal")
    tags = lineage.tags(folder / "audios.bin", paths)
    assert (tags["dvc.data"], tags["dvc.stage"], tags["dvc.experiment"]) == (digest, "train", "waxy-seal")


def test_the_data_tag_is_of_what_was_read(folder):
    """Recordings beside the tracked ones, and tracked ones that have changed since, have no hash in DVC."""
    paths, digest = tracked(folder)
    assert lineage.dvc_data(paths) == digest
    assert lineage.dvc_data([*paths, noise(Path("others") / "ben_1.wav", 5)]) is None
    assert lineage.dvc_data([]) is None
    noise(Path(paths[0]), 9)
    assert lineage.dvc_data(paths) is None


@pytest.mark.parametrize("text", ["", "outs: []\n", "outs:\n- path: data\n", "outs:\n- md5: 0a\n  path: other\n"])
def test_a_data_file_without_a_hash_gives_no_tag(folder, text):
    (folder / "data.dvc").write_text(text)
    assert "dvc.data" not in lineage.tags(folder / "audios.bin", [noise(Path("data") / "x" / "ada_1.wav", 0)])


def test_a_run_is_compared_with_the_committed_parameters(folder):
    config = parameters.load(None, ["train.epochs=2"])
    assert lineage.committed(config) == Config()  # without a file: the defaults
    (folder / "params.yaml").write_text("train: {epochs: 7}\n")
    assert lineage.committed(config).train.epochs == 7
    git("init", "-q")
    git("add", "params.yaml")
    git("commit", "-qm", "parameters")
    (folder / "params.yaml").write_text("train: {epochs: 2}\n")
    assert lineage.committed(config).train.epochs == 7
    humming = parameters.load(None, ["profile=humming"])
    assert lineage.committed(humming).features == humming.features


def test_scores_by_another_protocol_do_not_compare(folder):
    """A champion scored by another protocol, tempos or shifts is scored again; the bootstrap moves no score."""
    recordings = Recordings(tuple(noise(folder / f"{i}.wav", i) for i in range(2)), ("x", "x"))
    before = held_out.held_out_digest(recordings, Evaluate())
    assert held_out.held_out_digest(recordings, Evaluate(bootstrap=7)) == before
    others = [Evaluate(protocol="words"), Evaluate(tempos=(0.9,)), Evaluate(semitones=(1,))]
    assert len({before, *(held_out.held_out_digest(recordings, other) for other in others)}) == 4
    assert held_out.held_out_digest(recordings.take([0]), Evaluate()) != before
