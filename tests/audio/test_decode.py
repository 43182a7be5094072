"""Reading recordings of real files."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok import files
from wav2tok.audio import decode
from wav2tok.audio.decode import UnreadableError
from wav2tok.audio.find import find
from wav2tok.errors import UserError


def sine(hertz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["flac", "wav"])
def test_write_and_read_16_bits(tmp_path: Path, rng: np.random.Generator, suffix: str) -> None:
    wave = rng.uniform(-0.9, 0.9, 3000).astype(np.float32)
    decode.write(tmp_path / f"a.{suffix}", wave, 8000)
    got = decode.read(tmp_path / f"a.{suffix}", 8000)
    assert got.dtype == np.float32
    assert np.abs(got - wave).max() < 1 / 32000


def test_what_is_too_loud_is_clipped_and_not_wrapped(tmp_path: Path) -> None:
    decode.write(tmp_path / "a.wav", np.array([2.0, -2.0, 0.5]), 8000)
    assert decode.read(tmp_path / "a.wav", 8000) == pytest.approx([1, -1, 0.5], abs=1e-4)


def test_channels_are_averaged(tmp_path: Path) -> None:
    one, two = sine(200, 8000), sine(300, 8000)
    soundfile.write(tmp_path / "a.wav", np.stack([one, two], 1), 8000, subtype="FLOAT")
    assert np.abs(decode.read(tmp_path / "a.wav", 8000) - (one + two) / 2).max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000])
def test_the_rate_is_converted(tmp_path: Path, rate: int) -> None:
    soundfile.write(tmp_path / "a.wav", sine(440, rate), rate, subtype="FLOAT")
    got, expected = decode.read(tmp_path / "a.wav", 16000), sine(440, 16000)
    assert abs(len(got) - len(expected)) <= 1
    assert got.dtype == np.float32
    assert np.abs(got[500:-500] - expected[500 : len(got) - 500]).max() < 0.01


@given(n=st.integers(1, 30), rate=st.sampled_from([8000, 11025, 22050, 44100, 96000]))
@settings(max_examples=40, deadline=None)
def test_a_recording_of_a_few_samples_keeps_at_least_one(n: int, rate: int) -> None:
    assert len(decode.resample(np.full(n, 0.5, dtype=np.float32), rate, 8000)) >= 1


def unreadable(path: Path) -> None:
    with pytest.raises(UnreadableError, match=path.name):
        decode.read(path, 8000)


@pytest.mark.promise("A file that is not a recording", "The sentence names it and the reason.")
def test_every_kind_of_unreadable_file_is_named(tmp_path: Path, rng: np.random.Generator) -> None:
    unreadable(tmp_path / "missing.wav")
    (tmp_path / "text.wav").write_text("no audio at all")
    unreadable(tmp_path / "text.wav")
    (tmp_path / "nothing.flac").touch()
    unreadable(tmp_path / "nothing.flac")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    unreadable(tmp_path / "empty.wav")
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan, 0]), 8000, subtype="FLOAT")
    unreadable(tmp_path / "nan.wav")
    soundfile.write(tmp_path / "whole.flac", rng.uniform(-0.5, 0.5, 20000), 8000)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    unreadable(tmp_path / "half.flac")
    (tmp_path / "folder.wav").mkdir()
    unreadable(tmp_path / "folder.wav")


@pytest.mark.parametrize(
    ("rate", "sample_rate", "channels"), [(8000, 8000, 1), (8000, 8000, 2), (44100, 16000, 2), (8000, 22050, 1)]
)
@pytest.mark.parametrize("n", [1, 999, 1000, 1001, 3000])
def test_blocks_are_the_whole_converted_at_once(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    rate: int,
    sample_rate: int,
    channels: int,
    n: int,
) -> None:
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 1000)
    samples = rng.uniform(-0.9, 0.9, (n, channels)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    mean = samples.mean(axis=1)
    expected = mean if rate == sample_rate else soxr.resample(mean, rate, sample_rate)
    # One sample of 44.1 kHz is none of 16 kHz, but a recording never has less than one.
    expected = expected if len(expected) else mean
    parts = list(decode.blocks(tmp_path / "a.wav", sample_rate))
    assert all(len(part) > 0 and part.dtype == np.float32 for part in parts)
    assert max(map(len, parts)) <= 1000 * sample_rate / rate + 1000
    assert np.array_equal(np.concatenate(parts), expected)
    assert np.array_equal(decode.read(tmp_path / "a.wav", sample_rate), expected)
    most = -(-n * sample_rate // rate)
    short = decode.read_short(tmp_path / "a.wav", sample_rate, most)
    assert short is not None
    assert np.array_equal(short, expected)
    assert decode.read_short(tmp_path / "a.wav", sample_rate, most - 1) is None
    assert decode.seconds(tmp_path / "a.wav") == n / rate


def test_a_file_that_is_cut_off_gives_what_is_good_and_then_says_so(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 1000)
    soundfile.write(tmp_path / "whole.flac", rng.uniform(-0.5, 0.5, 20000), 8000)
    whole = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(whole[: len(whole) // 2])
    assert decode.seconds(tmp_path / "half.flac") == 2.5  # the header does not know
    good: list[np.ndarray] = []
    with pytest.raises(UnreadableError, match=r"half\.flac"):
        good.extend(decode.blocks(tmp_path / "half.flac", 8000))
    assert len(good) > 3
    got = np.concatenate(good)
    assert np.array_equal(got, decode.read(tmp_path / "whole.flac", 8000)[: len(got)])


def test_a_number_that_is_not_finite_is_found_in_a_later_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 1000)
    wave = np.zeros(3500)
    wave[2100] = np.inf
    soundfile.write(tmp_path / "inf.wav", wave, 8000, subtype="FLOAT")
    coming = decode.blocks(tmp_path / "inf.wav", 8000)
    assert [len(next(coming)), len(next(coming))] == [1000, 1000]
    with pytest.raises(UnreadableError, match="not finite"):
        next(coming)


def test_one_sample_at_a_high_rate_is_one_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "click.wav", np.array([0.5]), 48000, subtype="FLOAT")
    assert decode.read(tmp_path / "click.wav", 8000).tolist() == [0.5]


def test_find_walks_in_order_and_skips_hidden_files(tmp_path: Path) -> None:
    for name in ("b/2.FLAC", "b/1.wav", "a/c/3.mp3", "a/.hidden/4.wav", ".5.wav", "notes.txt", "z.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [p.relative_to(tmp_path).as_posix() for p in find(tmp_path)]
    assert found == ["a/c/3.mp3", "b/1.wav", "b/2.FLAC", "z.ogg"]
    with pytest.raises(UserError, match="not a folder"):
        find(tmp_path / "z.ogg")


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 100000)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100000).hexdigest()
