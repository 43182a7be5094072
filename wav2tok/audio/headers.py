"""What the header of a recording says of its length, compared with the file.

libsndfile believes headers: it reads a file that was cut off as if it was whole, and one whose recorder was killed as
empty or as too long. Here the stated length is evidence. `examine` says which header is wrong, and `View` shows
libsndfile the file with a header that fits.
"""

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from wav2tok.audio import flac, mpeg, ogg


@dataclass(frozen=True)
class Header:
    """How a file is to be read.

    Attributes:
        exact: whether its length is known; if not, what libsndfile says of it is a bound.
        hidden: bytes at its beginning that are left out.
        cut: bytes at its end that are left out.
        before: bytes that are put there.
        patches: (offset in the file, bytes) that replace what is there.
        doubt: what is odd, though it can be read: a phrase that follows the file's name; empty if nothing is.
        problem: why it cannot be read, as such a phrase.
        more: how the recordings are to be read that are joined to the first one.
    """

    exact: bool = True
    hidden: int = 0
    cut: int = 0
    before: bytes = b""
    patches: tuple[tuple[int, bytes], ...] = ()
    doubt: str = ""
    problem: str = ""
    more: tuple["Header", ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the file is read as it is."""
        return not (self.hidden or self.cut or self.before or self.patches)


ENDLESS = "does not say how long it is, as if its recorder was stopped, so it is read to the end of the file"
LONGER = "is longer than its header says, as if its recorder was stopped, so it is read to the end of the file"
JOINED = "is longer than its header says, as if several files were joined, so it is read to the end of the file"
LINKED = "holds several recordings one after the other, as if files were joined, and all are read as one"
CHAINED = "holds several recordings of different kinds one after the other; only the first is read, so split it"
UNMARKED = "has no mark at its end, as if it was cut off; it is read as far as it goes"


_ID3V1 = 128
"""Bytes of a tag that old programs put behind files of any format; libsndfile looks for sound in one behind FLAC."""
_PADDING = 4096
"""Bytes behind the samples that nobody misses: programs fill blocks."""


@dataclass(frozen=True)
class _Stated:
    """What a container says of its samples.

    Attributes:
        begin: where they begin, in bytes.
        size: how many bytes of them there are; None: to the end of the file.
        block: bytes of a sample of all channels; 1 if that is not known.
        outer: the size of the whole file by its header, in bytes; None if it does not say.
        fields: (offset, struct format, unit in bytes, bytes added) of the numbers that say so, to correct them.
    """

    begin: int
    size: int | None
    block: int
    outer: int | None
    fields: tuple[tuple[int, str, int, int], ...] = ()


def examine(file: BinaryIO) -> Header:
    """Compare the header of a file with the file; ``file`` must be able to seek, and is left at its beginning."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(64)
    try:
        return _examined(file, head, size)
    except struct.error:  # cut off within its header, which libsndfile refuses
        return Header()
    finally:
        file.seek(0)


def _examined(file: BinaryIO, head: bytes, size: int) -> Header:
    for magic, read in _CONTAINERS.items():
        if head.startswith(magic):
            stated = read(file, head, size)
            return Header() if stated is None else _judged(file, stated, size)
    if head[:4] == b"fLaC":
        total = flac.stated(head)
        file.seek(max(0, size - _ID3V1))
        cut = _ID3V1 if file.read(3) == b"TAG" else 0
        if 0 < total < flac.counted(file, head, size - cut):
            return Header(exact=False, cut=cut, patches=(flac.unstated(head),), doubt=LONGER)
        return Header(exact=total > 0, cut=cut)
    if head[:4] == b"OggS":
        (_, end), *rest = ogg.links(file, size)
        doubt = "" if ogg.ends(file, size) else UNMARKED
        if not rest:
            return Header(doubt=doubt)
        more = tuple(Header(hidden=begin, cut=size - behind) for begin, behind in rest)
        return Header(cut=size - end, doubt=f"{LINKED}; it {doubt}" if doubt else LINKED, more=more)
    found = mpeg.first_frame(file)
    if found is None:
        return Header()
    start, frame = found
    info = mpeg.info(file, start, frame, size)
    if info is not None and mpeg.joined(file, start, frame, size):
        begin = start + frame.length  # of the sound
        return Header(False, begin, before=mpeg.info_frame(frame, mpeg.count(file, begin)), doubt=JOINED)
    if info is not None:  # it states its length; the size of the stream that it also states is made to fit
        return Header(hidden=start, patches=info)
    return Header(exact=False, hidden=start, before=mpeg.info_frame(frame, mpeg.count(file, start)))


def _judged(file: BinaryIO, stated: _Stated, size: int) -> Header:
    there = size - stated.begin
    if stated.size is None or _is_endless(stated.size, there):
        whole = there - there % stated.block
        doubt = ENDLESS if stated.size is not None and there else ""
        return Header(patches=_corrected(stated, whole, size), doubt=doubt)
    if stated.size > there:
        missing = stated.size - there
        # Some programs count their header among the samples.
        if missing < stated.block or stated.size in (size, size - 8):
            return Header()
        return Header(problem=f"ends after {there // stated.block} of {stated.size // stated.block} samples")
    end = stated.begin + stated.size
    tail = size - end
    if tail < max(2, stated.block) or _is_known(file, end, size):
        return Header()
    if stated.size and stated.outer in (size, size - 1, size + 1):
        behind = f"has {tail:,} bytes behind its samples that its header does not count as sound; they are not read"
        return Header(doubt=behind if tail > _PADDING else "")
    doubt = LONGER if stated.size else ENDLESS
    return Header(patches=_corrected(stated, there - there % stated.block, size), doubt=doubt)


def _is_endless(stated: int, there: int) -> bool:
    """Whether a size stands for an unknown one: all bits set, or the most that 31 or 32 bits hold, less a header."""
    return stated > there and any(0 <= limit - stated <= 4096 for limit in (1 << 31, 1 << 32, 1 << 63, 1 << 64))


def _corrected(stated: _Stated, whole: int, size: int) -> tuple[tuple[int, bytes], ...]:
    patches = []
    for offset, form, unit, added in stated.fields:
        most = (1 << 8 * struct.calcsize(form)) - 1
        value = size - 8 if unit == 0 else whole // unit + added
        patches.append((offset, struct.pack(form, min(value, most))))
    return tuple(patches)


def _is_known(file: BinaryIO, at: int, size: int) -> bool:
    """Whether what follows the samples is something else: chunks, tags, another file, or zeros."""
    file.seek(at)
    tail = file.read(1 << 16)
    if tail[:8].startswith((b"TAG", b"ID3", b"APETAGEX", b"RIFF")) or not tail.strip(b"\0"):
        return True
    for byte_order in "<>":
        place = at + at % 2
        while place + 8 <= size:
            file.seek(place)
            name, length = struct.unpack(f"{byte_order}4sI", file.read(8))
            if not all(32 <= byte < 127 for byte in name) or place + 8 + length > size:
                break
            place += 8 + length + length % 2
        if size <= place <= size + 1:
            return True
    return False


def _at(file: BinaryIO, offset: int, form: str) -> tuple[int, ...]:
    file.seek(offset)
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _chunks(
    file: BinaryIO, size: int, head: str, at: int = 12, round_to: int = 2, inside: int = 0
) -> dict[bytes, tuple[int, int]]:
    """{name: (where its content begins, its length)} of the chunks up to that of the samples.

    Args:
        head: the struct format of a chunk's name and length.
        inside: bytes of the chunk's head that its length counts.
    """
    found: dict[bytes, tuple[int, int]] = {}
    length_of_head = struct.calcsize(head)
    while at + length_of_head <= size and not {b"data", b"SSND"} & found.keys():
        name, length = _at(file, at, head)
        begin = at + length_of_head
        found[bytes(name)[:4]] = begin, length - inside
        at = begin + max(0, length - inside)
        at += -at % round_to
    return found


def _riff(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    order = ">" if head[:4] == b"RIFX" else "<"
    chunks = _chunks(file, size, f"{order}4sI")
    if head[8:12] != b"WAVE" or b"data" not in chunks or b"fmt " not in chunks:
        return None
    begin, length = chunks[b"data"]
    (block,) = _at(file, chunks[b"fmt "][0] + 12, f"{order}H")
    if b"ds64" in chunks:  # RF64: sizes of 64 bits
        place = chunks[b"ds64"][0]
        outer, wide = _at(file, place, "<QQ")
        fields: tuple[tuple[int, str, int, int], ...] = ((place, "<Q", 0, 0), (place + 8, "<Q", 1, 0))
        length = wide if length == 0xFFFFFFFF else length
        return _Stated(begin, length, max(1, block), outer + 8, fields)
    (outer,) = _at(file, 4, f"{order}I")
    return _Stated(begin, length, max(1, block), outer + 8, ((4, f"{order}I", 0, 0), (begin - 4, f"{order}I", 1, 0)))


def _aiff(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    chunks = _chunks(file, size, ">4sI")
    if head[8:11] != b"AIF" or b"SSND" not in chunks or b"COMM" not in chunks:
        return None
    (begin, length), (common, common_length) = chunks[b"SSND"], chunks[b"COMM"]
    channels, _, bits = _at(file, common, ">HIH")
    # A compressed AIFF-C says nothing of the bytes of a sample.
    plain = common_length == 18 or _at(file, common + 18, ">4s")[0] in (b"NONE", b"sowt", b"twos", b"fl32", b"FL32")
    block = channels * -(-bits // 8) if plain else 1
    fields = [(4, ">I", 0, 0), (begin - 4, ">I", 1, 8)]
    fields += [(common + 2, ">I", block, 0)] if plain else []
    (outer,) = _at(file, 4, ">I")
    return _Stated(begin + 8, max(0, length - 8), max(1, block), outer + 8, tuple(fields))


def _wave64(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    chunks = _chunks(file, size, "<16sQ", at=40, round_to=8, inside=24)
    if b"data" not in chunks or b"fmt " not in chunks:
        return None
    begin, length = chunks[b"data"]
    (block,) = _at(file, chunks[b"fmt "][0] + 12, "<H")
    (outer,) = _at(file, 16, "<Q")
    return _Stated(begin, max(0, length), max(1, block), outer, ((begin - 8, "<Q", 1, 24),))


def _caf(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    chunks = _chunks(file, size, ">4sq", at=8, round_to=1)
    if b"data" not in chunks or b"desc" not in chunks:
        return None
    begin, length = chunks[b"data"]
    (block,) = _at(file, chunks[b"desc"][0] + 16, ">I")
    # The samples follow a number of four bytes. A length of -1 is "to the end", by the format.
    return _Stated(
        begin + 4, None if length < 0 else max(0, length - 4), max(1, block), None, ((begin - 8, ">q", 1, 4),)
    )


_AU_BYTES = {3: 2, 4: 3, 5: 4, 6: 4, 7: 8}
"""Bytes of a sample by the number of its encoding, where it is not one."""


def _au(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    begin, length, encoding, _, channels = struct.unpack(">5I", head[4:24])
    block = _AU_BYTES.get(encoding, 1) * channels
    return _Stated(begin, None if length == 0xFFFFFFFF else length, max(1, block), None, ((8, ">I", 1, 0),))


def _sphere(file: BinaryIO, head: bytes, size: int) -> _Stated | None:
    file.seek(0)
    text = file.read(1024).decode("ascii", "replace")
    fields = {parts[0]: parts[2] for line in text.splitlines() if len(parts := line.split(None, 2)) == 3}
    try:
        count, width, channels = (int(fields[key]) for key in ("sample_count", "sample_n_bytes", "channel_count"))
        begin = int(text.splitlines()[1])
    except (KeyError, ValueError, IndexError):
        return None
    plain = fields.get("sample_coding", "pcm").split()[-1] in ("pcm", "ulaw", "alaw", "mu-law", "linear")
    return _Stated(begin, count * width * channels, width * channels, None) if plain else None


_CONTAINERS: dict[bytes, Callable[[BinaryIO, bytes, int], _Stated | None]] = {
    b"RIFF": _riff,
    b"RIFX": _riff,
    b"RF64": _riff,
    b"BW64": _riff,
    b"FORM": _aiff,
    b"riff": _wave64,
    b"caff": _caf,
    b".snd": _au,
    b"NIST_1A": _sphere,
}


class View(io.RawIOBase):
    """A file as a `Header` says that it is to be read."""

    def __init__(self, file: BinaryIO, header: Header, name: str) -> None:
        self._file, self._header, self._name, self._at = file, header, name, 0
        self._end = file.seek(0, io.SEEK_END) - header.cut
        self._size = self._end - header.hidden + len(header.before)

    def __str__(self) -> str:
        return self._name

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence])
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer of bytes
        before = self._header.before
        content = before[self._at : self._at + len(buffer)]
        if len(content) < len(buffer):
            start = self._at + len(content) - len(before) + self._header.hidden
            self._file.seek(start)
            part = bytearray(self._file.read(max(0, min(len(buffer) - len(content), self._end - start))))
            for offset, patch in self._header.patches:
                for place, byte in enumerate(patch, start=offset - start):
                    if 0 <= place < len(part):
                        part[place] = byte
            content += bytes(part)
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
