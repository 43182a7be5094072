"""Reading ahead: in order, no further than it may, and over when nobody listens any more."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import ahead, decode
from wav2tok.audio.ahead import LongRecording, read_ahead
from wav2tok.audio.doubts import Doubts
from wav2tok.audio.find import find


def workers() -> int:
    return sum(thread.name.startswith("ThreadPoolExecutor") for thread in threading.enumerate())


def settled(count: Callable[[], int], expected: int) -> int:
    """``count()`` once it has had time to reach ``expected`` and to go beyond."""
    until = time.monotonic() + 5
    while count() < expected and time.monotonic() < until:
        time.sleep(0.001)
    time.sleep(0.01)
    return count()


def test_recordings_come_in_order_as_audio_reads_them(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    good = [str(path) for path in find(tiny_corpus)]
    paths = [*good[::-1], str(tmp_path / "bad.wav"), *good, str(tmp_path / "missing.wav"), good[3]]
    assert len(paths) > ahead.FILES_AHEAD
    got = list(read_ahead(paths, 16000))
    assert len(got) == len(paths)
    for path, one in zip(paths, got, strict=True):
        if path in good:
            assert isinstance(one, np.ndarray)
            assert np.array_equal(one, decode.read(path, 16000))
        else:
            assert isinstance(one, decode.UnreadableError)
            assert Path(path).name in str(one)
    assert list(read_ahead([], 16000)) == []


@pytest.mark.parametrize(("rate", "sample_rate"), [(8000, 8000), (8000, 16000), (16000, 8000)])
def test_a_recording_is_long_by_its_samples_at_the_rate_asked_for(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, rate: int, sample_rate: int
) -> None:
    monkeypatch.setattr(ahead, "LONG_SAMPLES", 4000)
    monkeypatch.setattr(decode, "BLOCK_SAMPLES", 1000)
    most = 4000 * rate // sample_rate
    paths = [str(tmp_path / f"{n}.wav") for n in (most - 1, most, most + 1, 3 * most)]
    for path in paths:
        soundfile.write(path, rng.uniform(-0.5, 0.5, int(Path(path).stem)), rate)
    got = list(read_ahead(paths, sample_rate))
    assert [isinstance(one, LongRecording) for one in got] == [False, False, True, True]
    for path, long in zip(paths[2:], got[2:], strict=True):
        assert isinstance(long, LongRecording)
        assert long == LongRecording(path, sample_rate)
        for _ in range(2):  # as often as need be
            parts = list(long.blocks())
            assert len(parts) > 1
            assert np.array_equal(np.concatenate(parts), decode.read(path, sample_rate))


def test_a_long_recording_that_is_cut_off_is_found_out_in_its_blocks(
    tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LONG_SAMPLES", 4000)
    soundfile.write(tmp_path / "whole.flac", rng.uniform(-0.5, 0.5, 20000), 8000)
    content = (tmp_path / "whole.flac").read_bytes()
    (tmp_path / "half.flac").write_bytes(content[: len(content) // 2])
    (long,) = read_ahead([str(tmp_path / "half.flac")], 8000)
    assert isinstance(long, LongRecording)
    with pytest.raises(decode.UnreadableError, match=r"half\.flac"):
        list(long.blocks())


def test_no_more_files_are_held_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []

    def decode(path: str, sample_rate: int) -> tuple[np.ndarray, Doubts]:
        begun.append(path)
        return np.array([float(path)]), Doubts()

    monkeypatch.setattr(ahead, "_decode", decode)
    monkeypatch.setattr(ahead, "FILES_AHEAD", 5)
    monkeypatch.setattr(ahead, "SHORT_FILES_AHEAD", 5)
    seen = 0
    for i, one in enumerate(read_ahead([str(k) for k in range(17)], 8000)):
        assert isinstance(one, np.ndarray)
        assert one.tolist() == [i]
        seen += 1
        # The one in hand is among the five.
        assert settled(lambda: len(begun), min(17, i + 5)) == min(17, i + 5)
    assert seen == 17


def test_stopping_early_waits_for_what_is_being_decoded_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    go = threading.Event()

    def decode(path: str, sample_rate: int) -> tuple[np.ndarray, Doubts]:
        begun.append(path)
        if path != "0":
            go.wait(10)
        return np.zeros(1), Doubts()

    before = workers()
    monkeypatch.setattr(ahead, "_decode", decode)
    coming = read_ahead([str(k) for k in range(1000)], 8000)
    next(coming)
    assert workers() > before
    threading.Timer(0.2, go.set).start()
    coming.close()  # type: ignore[attr-defined]
    assert workers() == before
    assert len(begun) <= 1 + ahead.THREADS


def test_an_error_that_is_not_the_users_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(path: str, sample_rate: int) -> np.ndarray:
        raise ZeroDivisionError(path)

    before = workers()
    monkeypatch.setattr(ahead, "_decode", decode)
    with pytest.raises(ZeroDivisionError):
        list(read_ahead(["a", "b"], 8000))
    assert workers() == before
