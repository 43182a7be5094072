"""Pickles of plain values are read as pickle reads them; nothing else is, and nothing takes long or much memory."""

import os
import pickle
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.corpus import audios_bin
from wav2tok.corpus.plain_pickle import RefusedError, read
from wav2tok.errors import UserError

SCALARS = st.text() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | st.booleans() | st.none()
PLAIN = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(SCALARS, inner) | st.lists(inner).map(tuple), max_leaves=30
)


@given(PLAIN, st.integers(0, pickle.HIGHEST_PROTOCOL))
def test_a_plain_value_is_read_as_pickle_reads_it(value: Any, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol)) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    try:
        read(junk)
    except (RefusedError, ValueError):
        return


def _nested_keys() -> bytes:
    """A dictionary whose key is a tuple of twice the tuple before, 90 deep: hashing it takes 2^90 steps."""
    made = b"\x80\x04)" + b"".join(b"q%c" % i + b"h%c" % i + b"\x86" for i in range(90))
    return b"\x80\x04}" + made[2:] + b"Ns."


def _shared_lists() -> bytes:
    """One list of 20,000 paths, standing 20,000 times in a dictionary: 4e8 paths in 478 kB."""
    paths = [f"{i}.wav" for i in range(20_000)]
    return pickle.dumps([dict.fromkeys(range(20000), paths), ["test.wav"]], protocol=4)


BOMBS = {
    "nested keys": _nested_keys(),
    "shared lists": _shared_lists(),
    "a long number": b"\x80\x04\x8b" + struct.pack("<i", 1 << 20) + b"\x7f" * (1 << 20) + b".",
    "a long number that is not there": b"\x80\x04\x8b" + struct.pack("<i", 2**31 - 1) + b".",
    "a number of many digits": b"L" + b"9" * 100_000 + b"L\n.",
    "text that is not there": b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"a.",
    "a distant place of the memo": b"\x80\x04]r\xff\xff\xff\xff.",
    "a list in itself": b"\x80\x04]\x94h\x00a.",
    "bytes": pickle.dumps([b"a.wav"], protocol=4),
    "a byte array": pickle.dumps([bytearray(9)], protocol=5),
    "a set": pickle.dumps([{"a.wav"}], protocol=4),
    "marks alone": b"(" * 100_000 + b".",
    "nested lists": b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",
}


@pytest.mark.promise("An audios.bin that would take endless time or memory", "It is refused at once.")
@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_at_once(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "audios.bin"
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(UserError, match=r"audios\.bin") as caught:
        audios_bin.read(path)
    assert time.perf_counter() - start < 5
    assert len(str(caught.value)) < 500


@pytest.mark.promise("audios.bin is a pipe or a device", "It is refused; nothing waits.")
def test_a_pipe_and_a_device_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "audios.bin"
    os.mkfifo(pipe)
    for path, what in (
        (pipe, "a named pipe"),
        (Path("/dev/zero"), "a device"),
        (tmp_path, "a folder"),
    ):
        with pytest.raises(UserError, match=f"is {what}, not a file"):
            audios_bin.read(path)
