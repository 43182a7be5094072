import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.sample.corpus import make


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    """Two melodies by three singers, seed 0."""
    out = tmp_path_factory.mktemp("sample") / "data"
    make(out, melodies=2, singers=3)
    return out


@pytest.mark.parametrize("workers", [1, 4])
def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(sample, tmp_path, workers):
    make(tmp_path / "again", melodies=2, singers=3, workers=workers)
    assert contents(tmp_path / "again") == contents(sample)


def test_another_seed_changes_every_take(sample, tmp_path):
    make(tmp_path / "other", seed=1, melodies=2, singers=3)
    one, other = contents(sample), contents(tmp_path / "other")
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one)


def test_a_take_does_not_depend_on_the_size_of_the_corpus(sample, tmp_path):
    make(tmp_path / "one", melodies=1, singers=2)
    small = contents(tmp_path / "one")
    assert small == {name: contents(sample)[name] for name in small}


def test_layout_and_names(sample):
    assert list(contents(sample)) == [
        f"{melody}/singer{singer:02d}_01.flac" for melody in ("frere_jacques", "ode_to_joy") for singer in (1, 2, 3)
    ]
    assert sample.stat().st_mode & 0o777 == 0o755


def test_more_melodies_than_are_known(tmp_path):
    make(tmp_path / "many", melodies=18, singers=1)
    names = {path.parent.name for path in decode.find(tmp_path / "many")}
    assert len(names) == 18
    assert {"air_17", "air_18"} <= names


def test_takes_are_short_mono_16_bit_and_neither_clipped_nor_silent(sample):
    for path in decode.find(sample):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 4.5 <= info.duration <= 7.5
        wave = decode.read(path, 16000)
        assert 0.03 < np.abs(wave).max() < 0.96
        assert abs(wave.mean()) < 1e-3
        frames = wave[: len(wave) // 800 * 800].reshape(-1, 800)
        assert (np.sqrt((frames**2).mean(axis=1)) > 1e-4).all()  # a room is never wholly still


def test_singers_of_one_melody_differ_in_key_or_time(sample):
    waves = [decode.read(path, 16000) for path in decode.find(sample / "ode_to_joy")]
    assert len({len(wave) for wave in waves}) == 3


def test_another_rate(tmp_path):
    make(tmp_path / "high", melodies=1, singers=1, sample_rate=22050)
    assert soundfile.info(tmp_path / "high" / "ode_to_joy" / "singer01_01.flac").samplerate == 22050


def test_progress_counts_every_take(tmp_path):
    seen: list[tuple[int, int]] = []
    make(tmp_path / "data", melodies=1, singers=3)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "data").mkdir()
    make(tmp_path / "data", melodies=1, singers=1)
    assert len(decode.find(tmp_path / "data")) == 1


def test_a_folder_with_something_in_it_is_refused_and_left_alone(tmp_path):
    out = tmp_path / "data"
    out.mkdir()
    (out / "mine.wav").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"data is not empty; name another folder"):
        make(out, melodies=1, singers=1)
    assert contents(tmp_path) == {"data/mine.wav": b"precious"}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_file_in_the_way_is_refused_and_left_alone(tmp_path):
    (tmp_path / "data").write_text("precious")
    with pytest.raises(UserError, match="is a file"):
        make(tmp_path / "data", melodies=1, singers=1)
    assert (tmp_path / "data").read_text() == "precious"


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("melodies", 0), ("singers", 0), ("sample_rate", 100)])
def test_senseless_numbers_are_refused(tmp_path, name, value):
    with pytest.raises(UserError, match=f"{name} is {value}"):
        make(tmp_path / "data", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_stops_at_once_and_leaves_nothing(tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "data", melodies=100, singers=10)
    assert time.monotonic() - start < 10  # the whole would take a minute
    assert list(tmp_path.iterdir()) == []
