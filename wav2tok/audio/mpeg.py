"""The frames of an MP3 file: where they begin, how many there are, and the frame that says so.

libsndfile takes the length of an MP3 from its Xing header. Without one it estimates the length from the first frames
and the size of the file, and so counts the picture of a cover as sound, or ends before the file does.
"""

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

_KBPS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits per second of layer III by their index, of MPEG 1 and of MPEG 2 and 2.5."""
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Hz by their index, of the versions MPEG 1, 2 and 2.5 as the header numbers them."""
_SEARCHED = 1 << 16
"""Bytes after the tags in which a first frame is looked for."""
_SYNC = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]")
"""How a frame of layer III begins."""


@dataclass(frozen=True)
class Frame:
    """The header of a frame.

    Attributes:
        head: its four bytes.
        length: bytes to the next frame.
        side: where its side information ends, which a Xing header follows.
        samples: of each channel.
    """

    head: bytes
    length: int
    side: int
    samples: int


def frame(head: bytes) -> Frame | None:
    """The frame that four bytes begin; None if they begin none of layer III."""
    if len(head) < 4 or not _SYNC.match(head):
        return None
    version, kbps, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbps in (0, 15) or rate == 3:
        return None
    first = version == 3
    samples = 1152 if first else 576
    mono = head[3] >> 6 == 3
    length = samples // 8 * 1000 * _KBPS[1 if first else 2][kbps] // _RATES[version][rate] + (head[2] >> 1 & 1)
    side = 4 + ((17 if mono else 32) if first else (9 if mono else 17))
    return Frame(head[:4], length, side, samples)


def _same_kind(one: bytes, other: bytes) -> bool:
    """Whether two frames have one version, layer and rate."""
    return one[1] & 0xFE == other[1] & 0xFE and one[2] & 0x0C == other[2] & 0x0C


def _behind_tags(file: BinaryIO, at: int) -> int:
    """The offset ``at``, or where the ID3 tags end that begin there."""
    while True:
        file.seek(at)
        tag = file.read(10)
        if tag[:3] == b"TAG":
            at += 128
        elif tag[:3] == b"ID3" and len(tag) == 10:
            # Seven bits a byte; a footer has ten bytes more.
            length = tag[6] << 21 | tag[7] << 14 | tag[8] << 7 | tag[9]
            at += 10 + length + (10 if tag[5] & 0x10 else 0)
        else:
            return at


def first_frame(file: BinaryIO, at: int = 0) -> tuple[int, Frame] | None:
    """The first frame that a frame of its kind follows, and where it is, behind ID3 tags and other bytes; or None.

    Args:
        at: the offset to look from.
    """
    start = _behind_tags(file, at)
    file.seek(start)
    area = file.read(_SEARCHED + 4096)
    for match in _SYNC.finditer(area[:_SEARCHED]):
        at = match.start()
        found = frame(area[at : at + 4])
        if found is not None:
            following = frame(area[at + found.length : at + found.length + 4])
            if following is not None and _same_kind(found.head, following.head):
                return start + at, found
    return None


def info(file: BinaryIO, start: int, first: Frame, size: int) -> tuple[tuple[int, bytes], ...] | None:
    """Whether the first frame states the number of frames; None if it does not.

    Returns:
        What has to be changed in the file so that the stated size of the stream is right.
    """
    file.seek(start)
    content = file.read(first.length)
    if content[36:40] == b"VBRI":
        return ()
    # Without a checksum; a file with one has it before the side information.
    for at in (first.side, first.side + 2):
        if content[at : at + 4] in (b"Xing", b"Info"):
            flags = int.from_bytes(content[at + 4 : at + 8], "big")
            if not flags & 1 or not int.from_bytes(content[at + 8 : at + 12], "big"):
                return None
            return ((start + at + 12, struct.pack(">I", min(size - start, 0xFFFFFFFF))),) if flags & 2 else ()
    return None


def joined(file: BinaryIO, start: int, first: Frame, size: int) -> bool:
    """Whether frames of the same kind follow the stream whose size the first frame states: another file, most likely.

    There may be a tag between them. Without a stated size, nobody knows.
    """
    file.seek(start)
    content = file.read(first.length)
    marks = [at for at in (first.side, first.side + 2) if content[at : at + 4] in (b"Xing", b"Info")]
    if not marks or int.from_bytes(content[marks[0] + 4 : marks[0] + 8], "big") & 3 != 3:
        return False
    end = start + int.from_bytes(content[marks[0] + 12 : marks[0] + 16], "big")
    if end + 2 * first.length >= size:
        return False
    found = first_frame(file, end)
    near = _behind_tags(file, end) + 2 * first.length  # some programs count a frame more or less
    return found is not None and found[0] < near and _same_kind(first.head, found[1].head)


def count(file: BinaryIO, start: int) -> int:
    """How many frames follow ``start``; bytes between them are skipped, as a decoder does."""
    file.seek(start)
    content = file.read()
    at = number = 0
    while True:
        found = frame(content[at : at + 4])
        if found is None:
            match = _SYNC.search(content, at + 1)
            if match is None:
                return number
            at = match.start()
            continue
        number += 1
        at += found.length


def info_frame(first: Frame, frames: int) -> bytes:
    """A frame of the kind of ``first`` that states the number of frames and no sound."""
    head = bytearray(first.head)
    head[1] |= 1  # without a checksum
    head[2] = head[2] & 0x0D | 0x90  # 128 or 80 kilobits per second: enough for what follows, without padding
    made = frame(bytes(head))
    assert made is not None
    content = bytes(head) + bytes(made.side - 4) + b"Info" + struct.pack(">II", 1, frames)
    return content + bytes(made.length - len(content))
