"""Recordings that are joined in one Ogg file are found by its pages, and cheaply if there are none."""

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio import decode, ogg
from wav2tok.audio.doubts import Doubts
from wav2tok.audio.source import Content

RATE = 16000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)


def stored(seconds: float, rate: int = RATE, channels: int = 1) -> bytes:
    wave = np.tile(NOISE, 1 + round(seconds * rate / len(NOISE)))[: round(seconds * rate)]
    file = io.BytesIO()
    soundfile.write(file, np.stack([wave] * channels, axis=1), rate, format="OGG")
    return file.getvalue()


def heard(content: bytes) -> tuple[np.ndarray, str]:
    doubts = Doubts()
    return decode.read(Content("a.ogg", content), RATE, doubts), doubts.phrases.get("length", "")


@pytest.mark.parametrize("lengths", [(0.2, 0.5, 0.3), (3.0, 0.1), (0.05,) * 20])
def test_joined_recordings_are_read_one_after_the_other(lengths: tuple[float, ...], tmp_path: Path) -> None:
    """By every encoder, and with its stream's number or another: `soundfile` draws one for each file."""
    parts = [stored(seconds) for seconds in lengths]
    one_by_one = np.concatenate([heard(part)[0] for part in parts])
    whole, doubt = heard(b"".join(parts))
    assert np.array_equal(whole, one_by_one)
    assert doubt.startswith("holds several recordings one after the other, as if files were joined, and all are read")
    path = tmp_path / "joined.ogg"
    path.write_bytes(b"".join(parts))
    with decode.opened(path) as file:
        blocks = [len(block) for block in file.checked(1000)]
        assert set(blocks[:-1]) == {1000}
        assert sum(blocks) == file.frames == len(whole)
    assert decode.seconds(path) == len(whole) / RATE


@pytest.mark.promise(
    "OGG files of different rates or channels that were joined", "The first is read, and a warning says so."
)
@pytest.mark.parametrize("other", [stored(0.2, rate=8000), stored(0.2, channels=2), b"OggS\0\2" + bytes(40)])
def test_recordings_of_another_kind_are_left_out(other: bytes) -> None:
    first = stored(0.5)
    wave, doubt = heard(first + other)
    assert np.array_equal(wave, heard(first)[0])
    assert "different kinds" in doubt


def test_a_joined_file_that_is_cut_off_says_both() -> None:
    content = stored(0.5) + stored(3.0)
    wave, doubt = heard(content[:-200])
    assert 1.5 * RATE < len(wave) < 3.5 * RATE
    assert "all are read as one; it has no mark at its end" in doubt


class Counting(io.BytesIO):
    """A file that counts the bytes that are read."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        content = super().read(size)
        self.count += len(content)
        return content


def pages(count: int, stream: int) -> bytes:
    """A stream of pages of 4 KB, of noise."""
    body = np.random.default_rng(stream).bytes(16 * 255)
    flags = [2, *[0] * (count - 2), 4]
    heads = (
        b"OggS\0" + bytes([flag]) + bytes(8) + struct.pack("<III", stream, number, 0) + b"\x10" + b"\xff" * 16
        for number, flag in enumerate(flags)
    )
    return b"".join(head + body for head in heads)


@pytest.mark.parametrize(
    ("counts", "streams"),
    [
        ([4000], [1]),
        ([2000, 2000], [1, 1]),  # a file that was joined to itself
        ([2000, 2000], [1, 2]),
        ([3900, 100], [1, 2]),
        ([3900, 100], [1, 1]),
        ([500, 3500], [1, 1]),
        ([1500, 1000, 1500], [1, 2, 1]),
        ([40] * 100, [7] * 100),
    ],
)
def test_a_long_file_is_not_read_for_it(counts: list[int], streams: list[int]) -> None:
    parts = [pages(count, stream) for count, stream in zip(counts, streams, strict=True)]
    content = b"".join(parts)
    places = [0, *itertools.accumulate(map(len, parts))]
    file = Counting(content)
    assert ogg.links(file, len(content)) == tuple(itertools.pairwise(places))
    if len(counts) == 1:
        assert file.count < len(content) / 4
    assert ogg.ends(file, len(content))


@given(st.binary(max_size=200), st.lists(st.sampled_from([b"OggS\0\2", b"OggS\0\0", b"OggS", b"\xff"]), max_size=6))
def test_any_bytes_have_one_recording_or_more(noise: bytes, marks: list[bytes]) -> None:
    content = b"OggS\0\2" + noise.join([b"", *marks, b""])
    found = ogg.links(io.BytesIO(content), len(content))
    assert found[0][0] == 0
    assert found[-1][1] == len(content)
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(found))
    ogg.ends(io.BytesIO(content), len(content))
