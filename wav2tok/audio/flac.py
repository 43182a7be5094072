"""What a FLAC stream is, compared with its header: its length by the last frame, and the digest of its samples.

The format is that of RFC 9639. libFLAC compares the digest only if it is asked to, and libsndfile does not ask.
"""

import hashlib
import re
import struct
from typing import BinaryIO

import numpy as np

_SEARCHED = 1 << 17
"""Bytes at the end of a file in which the last frame begins, where the header does not state the longest frame."""
_HEADER = 16
"""Bytes of the longest header of a frame."""
_SYNC = re.compile(rb"\xff[\xf8\xf9]")
"""The beginning of a frame. Its number counts frames of equal size (f8), or samples."""


def stated(head: bytes) -> int:
    """The number of samples by the header, the first 26 bytes of the file; 0 if it does not say."""
    return int(struct.unpack(">Q", head[18:26])[0]) & ((1 << 36) - 1)


def unstated(head: bytes) -> tuple[int, bytes]:
    """The correction (offset, bytes) by which the header does not say the number of samples."""
    return 18, struct.pack(">Q", struct.unpack(">Q", head[18:26])[0] >> 36 << 36)


def counted(file: BinaryIO, head: bytes, size: int) -> int:
    """The number of samples by the last frame; 0 if none is found.

    Args:
        head: the first 26 bytes.
        size: of the file without what other programs put behind the stream.
    """
    start = max(0, size - (int.from_bytes(head[15:18], "big") or _SEARCHED))
    file.seek(start)
    end = file.read(size - start)
    equal = int.from_bytes(head[8:10], "big")
    for at in reversed([match.start() for match in _SYNC.finditer(end)]):
        if (last := _end_of_frame(end[at : at + _HEADER].ljust(_HEADER, b"\0"), equal)) is not None:
            return last
    return 0


HEAD = 42
"""Bytes of a file that `Digest.of` reads."""
ALTERED = "has other samples than were encoded, by the MD5 in its header"
_DTYPES = {8: "i1", 16: "<i2"}
"""Of whole samples by their bits; those of 24 bits have none."""


class Digest:
    """The MD5 of the samples that are read, to compare with that in the header."""

    def __init__(self, bits: int, stated: bytes) -> None:
        self._bits, self._stated, self._md5 = bits, stated, hashlib.md5(usedforsecurity=False)

    @classmethod
    def of(cls, head: bytes) -> "Digest | None":
        """For a file that starts with ``head``; None if not FLAC, without digest, or of unusual bit depth."""
        if len(head) < HEAD or head[:4] != b"fLaC":
            return None
        bits, stated = (head[20] << 4 & 0x10 | head[21] >> 4) + 1, head[26:HEAD]
        return cls(bits, stated) if bits in (8, 16, 24) and any(stated) else None

    def add(self, samples: np.ndarray) -> None:
        """Take in samples, float32 [N, C] in [-1, 1), which hold those of up to 24 bits exactly."""
        scaled = samples * np.float32(1 << self._bits - 1)
        if self._bits in _DTYPES:
            self._md5.update(scaled.astype(_DTYPES[self._bits]).tobytes())
        else:
            wide = scaled.astype("<i4", order="C")
            self._md5.update(wide.view(np.uint8).reshape(*wide.shape, 4)[..., :3].tobytes())

    @property
    def differs(self) -> bool:
        """Whether the samples differ from those that were encoded."""
        return self._md5.digest() != self._stated


def _end_of_frame(head: bytes, equal: int) -> int | None:
    """The sample behind a frame that begins so; None if these bytes are not the beginning of a frame.

    Args:
        equal: samples of a frame where all but the last have as many.
    """
    if head[3] & 1 or head[3] >> 4 > 10:
        return None
    number, at = _coded_number(head)
    block, rate = head[2] >> 4, head[2] & 15
    if number is None or block == 0 or rate == 15:
        return None
    if block in (6, 7):
        samples = 1 + int.from_bytes(head[at : at + block - 5], "big")
        at += block - 5
    else:
        samples = 192 if block == 1 else 576 << block - 2 if block < 6 else 256 << block - 8
    at += {12: 1, 13: 2, 14: 2}.get(rate, 0)
    if _crc8(head[:at]) != head[at]:
        return None
    return (number if head[1] & 1 else number * equal) + samples


def _coded_number(head: bytes) -> tuple[int | None, int]:
    """The number behind the first four bytes, coded as in UTF-8 but up to 36 bits, and where it ends."""
    first = head[4]
    ones = 8 - (first ^ 0xFF).bit_length()
    if ones == 0:
        return first, 5
    more = head[5 : 4 + ones]
    if ones in (1, 8) or any(byte >> 6 != 2 for byte in more):
        return None, 4
    number = first & (0x7F >> ones)
    for byte in more:
        number = number << 6 | byte & 0x3F
    return number, 4 + ones


def _crc8(content: bytes) -> int:
    """The check of a frame's header: polynomial x^8 + x^2 + x + 1."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x107) if crc & 0x80 else crc << 1
    return crc
