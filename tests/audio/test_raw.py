"""Raw samples in pieces of any size are the samples that were written."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio import raw


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        super().__init__(content)
        self._sizes = sizes

    def read1(self, size: int = -1) -> bytes:
        return super().read1(self._sizes.pop() if self._sizes else size)


def read(content: bytes, encoding: str, channels: int, sizes: list[int]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.float32), *raw.stream(Trickle(content, list(sizes)), encoding, channels)])


@given(
    frames=st.integers(0, 40),
    channels=st.integers(1, 3),
    encoding=st.sampled_from(sorted(raw.ENCODINGS)),
    sizes=st.lists(st.integers(1, 13), max_size=30),
)
def test_the_samples_are_those_written_and_channels_are_averaged(frames, channels, encoding, sizes):
    values = np.random.default_rng(0).integers(-32768, 32768, (frames, channels))
    written = values.astype("<i2") if encoding == "s16le" else (values / 32768).astype("<f4")
    got = read(written.tobytes(), encoding, channels, sizes)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, values.mean(axis=1) / 32768, atol=1e-6)


@pytest.mark.parametrize(("extra", "size", "left"), [(b"\1", 2, 1), (b"\1\2\3", 4, 3)])
def test_an_end_within_a_sample_is_said(extra, size, left, lines):
    got = read(np.arange(4, dtype="<i2").tobytes() + extra, "s16le", size // 2, [])
    assert len(got) == 8 // size
    (line,) = lines
    assert f"within a sample of {size} bytes, and {left} are left out" in line
