"""The pages of an Ogg file: where the recordings in it begin that were joined to one another, and whether it ends.

libsndfile reads the first recording of such a file alone, without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_BEGINS, _ENDS = 2, 4
"""The flags of the first and of the last page of a stream."""
_HEAD = 27
_LONGEST = _HEAD + 255 + 255 * 255
"""Bytes of a page: of its head without the table of its segments, and of the longest page."""
_PROBES = 32
"""How many places of a long file are looked at, each as long as the longest page."""


@dataclass(frozen=True)
class Page:
    """The head of a page.

    Attributes:
        at: its offset.
        length: in bytes.
        flags: `_BEGINS` and others.
        stream: the serial number of the stream that it belongs to.
        number: of the page in its stream.
    """

    at: int
    length: int
    flags: int
    stream: int
    number: int


def links(file: BinaryIO, size: int) -> tuple[tuple[int, int], ...]:
    """(begin, end) of each recording, in bytes: one if nothing was joined.

    A file is walked through page by page only if it is short, or if pages in it are not of the streams that begin at
    its head, in their order. So only a short first recording whose stream has the number of a much longer second one
    stays unnoticed.
    """
    if size > 2 * _PROBES * _LONGEST and not _is_mixed(file, size):
        return ((0, size),)
    begins: list[int] = []
    beginning = False
    for page in _pages(file, 0, size):
        if page.flags & _BEGINS and not beginning:  # the streams of one recording begin together
            begins.append(page.at)
        beginning = bool(page.flags & _BEGINS)
    if not begins:
        return ((0, size),)
    return tuple(zip([0, *begins[1:]], [*begins[1:], size], strict=True))


def ends(file: BinaryIO, size: int) -> bool:
    """Whether the last page of a file is whole and is marked as the last."""
    start = max(0, size - 2 * _LONGEST)
    file.seek(start)
    at = file.read().rfind(b"OggS")
    last = None if at < 0 else _page(file, start + at)
    return last is not None and bool(last.flags & _ENDS) and last.at + last.length <= size


def _is_mixed(file: BinaryIO, size: int) -> bool:
    """Whether probes of a file meet other streams than those that begin at its head, or their pages in disorder."""
    numbers: dict[int, int] = {}
    at = 0
    while (page := _page(file, at)) is not None and page.flags & _BEGINS:
        numbers[page.stream] = page.number
        at += page.length
    for i in range(1, _PROBES + 1):
        place = at + (size - _LONGEST - at) * i // _PROBES
        for found in _pages(file, place, place + _LONGEST):
            if found.number < numbers.get(found.stream, found.number + 1):
                return True
            numbers[found.stream] = found.number
    return False


def _pages(file: BinaryIO, at: int, end: int) -> Iterator[Page]:
    """The pages that begin from an offset on; bytes that belong to none are passed over."""
    while at < end:
        page = _page(file, at)
        if page is None:
            at = _next(file, at + 1, end)
            continue
        yield page
        at += page.length


def _next(file: BinaryIO, at: int, end: int) -> int:
    """Where the next page may begin, or ``end``."""
    while at < end:
        file.seek(at)
        block = file.read(1 << 16)
        found = block.find(b"OggS")
        if found >= 0:
            return min(at + found, end)
        if len(block) < 4:
            break
        at += len(block) - 3
    return end


def _page(file: BinaryIO, at: int) -> Page | None:
    """The page at an offset; None if there is none."""
    file.seek(at)
    head = file.read(_HEAD + 255)
    # The version, of which there is one, tells a page from sound that looks like its name.
    if len(head) < _HEAD or head[:5] != b"OggS\0":
        return None
    length = _HEAD + head[26] + sum(head[_HEAD : _HEAD + head[26]])
    return Page(at, length, head[5], int.from_bytes(head[14:18], "little"), int.from_bytes(head[18:22], "little"))
