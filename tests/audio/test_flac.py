"""The length of a FLAC stream by its last frame is that of the samples that were written."""

import io
from collections.abc import Callable

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.audio import flac

SOUNDS: dict[str, Callable[[int], np.ndarray]] = {
    "noise": lambda count: np.random.default_rng(count).uniform(-0.9, 0.9, count),
    "tone": lambda count: 0.5 * np.sin(0.05 * np.arange(count)),
    "silence": np.zeros,
}


def stored(kind: str, samples: int, rate: int, channels: int) -> bytes:
    file = io.BytesIO()
    wave = np.repeat(SOUNDS[kind](samples)[:, None], channels, axis=1)
    soundfile.write(file, wave, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(SOUNDS)),
    samples=st.one_of(st.integers(1, 20_000), st.sampled_from([4095, 4096, 4097, 4096 * 128, 4096 * 2048 + 1])),
    rate=st.sampled_from([8_000, 16_000, 44_100, 12_345, 96_000]),
    channels=st.integers(1, 2),
)
def test_it_counts_what_was_written(kind: str, samples: int, rate: int, channels: int) -> None:
    content = stored(kind, samples, rate, channels)
    assert flac.stated(content[:26]) == samples
    assert flac.counted(io.BytesIO(content), content[:26], len(content)) == samples


def test_without_a_stated_length_nothing_else_changes() -> None:
    content = bytearray(stored("tone", 5_000, 44_100, 2))
    offset, bytes_ = flac.unstated(bytes(content[:26]))
    content[offset : offset + len(bytes_)] = bytes_
    assert flac.stated(bytes(content[:26])) == 0
    info = soundfile.info(io.BytesIO(bytes(content)))
    assert (info.samplerate, info.channels, info.subtype) == (44_100, 2, "PCM_16")


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_bytes_that_only_look_like_a_frame_do_not_count(broken: int) -> None:
    """The check of the frame's header refuses them; the frame before it then counts."""
    content = bytearray(stored("noise", 10_000, 16_000, 1))
    last = max(match.start() for match in flac._SYNC.finditer(content, len(content) - 6_000))
    content[last + 1 + broken] ^= 0x10
    assert flac.counted(io.BytesIO(content), bytes(content[:26]), len(content)) != 10_000


@pytest.mark.parametrize(("bits", "subtype"), [(8, "PCM_S8"), (16, "PCM_16"), (24, "PCM_24")])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_the_digest_of_what_was_written_agrees(bits: int, subtype: str, channels: int) -> None:
    wave = np.random.default_rng(bits).uniform(-1, 1, (10_000, channels))
    wave[0] = -1.0
    file = io.BytesIO()
    soundfile.write(file, wave, 8000, format="FLAC", subtype=subtype)
    content = file.getvalue()
    samples, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    for changed in (False, True):
        if changed:
            samples[-1, -1] += 2.0 ** (1 - bits) * (1 if samples[-1, -1] < 0 else -1)
        digest = flac.Digest.of(content[: flac.HEAD])
        assert digest is not None
        for block in (samples[:4000], samples[4000:], samples[:0]):
            digest.add(block)
        assert digest.differs is changed


def test_what_has_no_digest() -> None:
    content = stored("tone", 100, 8000, 1)
    for head in (content[:41], b"RIFF" + content[4:], content[:26] + bytes(16), b""):
        assert flac.Digest.of(head) is None
