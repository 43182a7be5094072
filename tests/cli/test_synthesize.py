"""``wav2tok synthesize``, and ``split --also`` with what it wrote."""

import shutil
from pathlib import Path

import pytest

from wav2tok.corpus import audios_bin


def test_split_takes_it_as_more_training_data(cli, tiny_corpus, folder):
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")
    assert cli("synthesize", "--out", "spoken", "--words", 3, "--voices", 2).code == 0
    assert len(list(Path("spoken").glob("*/*.flac"))) == 6
    done = cli("split", tiny_corpus, "--also", "spoken", "--out", "audios.bin")
    assert done.code == 0
    assert "and 6 others for training" in done.out
    parts = audios_bin.read("audios.bin")
    assert sum(path.startswith("spoken/") for path in (*parts.train.paths, *parts.valid.paths)) == 6
    assert not any(path.startswith("spoken/") for path in parts.test.paths)


def test_without_espeak_it_is_one_sentence(cli, folder, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert cli("synthesize").complaint.startswith("espeak-ng is not on the PATH; install it")
    assert not list(folder.iterdir())
