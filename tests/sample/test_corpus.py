"""The files of the sample."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import soundfile

from wav2tok import progress
from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.sample import corpus
from wav2tok.sample.corpus import make


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Two melodies by three singers, seed 0."""
    out = tmp_path_factory.mktemp("sample") / "data"
    make(out, melodies=2, singers=3)
    return out


def test_a_take_depends_on_the_seed_its_melody_and_its_singer_only(sample, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "THREADS", 4)
    make(tmp_path / "part", melodies=1, singers=2)
    make(tmp_path / "other", seed=1, melodies=1, singers=2)
    part, other = contents(tmp_path / "part"), contents(tmp_path / "other")
    assert part == {name: contents(sample)[name] for name in part}
    assert part.keys() == other.keys()
    assert all(part[name] != other[name] for name in part)


def test_takes_are_the_same_on_every_processor(tmp_path):
    """One singer's takes, two of them adjusted to the longest length, against the samples that were first written."""
    make(tmp_path / "data", melodies=10, singers=1)
    takes = [soundfile.read(path, dtype="int16")[0] for path in sorted((tmp_path / "data").rglob("*.flac"))]
    digest = hashlib.sha256(b"".join(take.astype("<i2").tobytes() for take in takes)).hexdigest()
    assert digest == "c2ba40cd45b00f412ba3095e853934937fe4cf82d509c8f285fc3cb94d933f5c"


def test_layout_and_names(sample):
    assert list(contents(sample)) == [
        f"{melody}/singer{singer:02d}_01.flac" for melody in ("frere_jacques", "ode_to_joy") for singer in (1, 2, 3)
    ]
    assert sample.stat().st_mode & 0o777 == 0o755


def test_takes_are_short_mono_16_bit_and_neither_clipped_nor_silent(sample):
    for path in find(sample):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 4.5 <= info.duration <= 7.5
        wave = decode.read(path, 16000)
        assert 0.03 < np.abs(wave).max() < 0.96
        assert abs(wave.mean()) < 1e-3
        frames = wave[: len(wave) // 800 * 800].reshape(-1, 800)
        assert (np.sqrt((frames**2).mean(axis=1)) > 1e-4).all()  # a room is never completely silent
    assert len({soundfile.info(path).frames for path in find(sample / "ode_to_joy")}) == 3


def test_a_folder_with_something_in_it_is_refused_and_unchanged(tmp_path):
    out = tmp_path / "data"
    out.mkdir()
    (out / "mine.wav").write_bytes(b"precious")
    with pytest.raises(UserError, match=r"data is not empty; name another folder"):
        make(out, melodies=1, singers=1)
    with pytest.raises(UserError, match="is a file"):
        make(out / "mine.wav", melodies=1, singers=1)
    assert contents(tmp_path) == {"data/mine.wav": b"precious"}


@pytest.mark.parametrize(("name", "value"), [("seed", -1), ("melodies", 0), ("singers", 0)])
def test_numbers_that_are_too_small_are_refused(tmp_path, name, value):
    with pytest.raises(UserError, match=f"{name} is {value}"):
        make(tmp_path / "data", **{name: value})
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    """Here Ctrl-C comes after the first of three takes, which are counted one by one."""
    totals = []

    @contextmanager
    def interrupted(what: str, total: int) -> Iterator:
        totals.append(total)

        def done() -> None:
            raise KeyboardInterrupt

        yield done

    monkeypatch.setattr(progress, "_display", interrupted)
    (tmp_path / "data").mkdir()  # an empty folder may be there
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "data", melodies=1, singers=3)
    assert totals == [3]
    assert contents(tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
