"""Named arrays in one file, in the format safetensors: read by mapping, so that opening reads only the names.

Eight bytes give the length of a JSON header, which gives the type, shape and place of each array and a dictionary of
strings. Any library for safetensors reads these files; the one here needs only numpy.
"""

import json
import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wav2tok.untrusted import parse_json, why_not_regular

_TYPES = {"U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64}
_NAMES = {np.dtype(kind): name for name, kind in _TYPES.items()}
_ALIGN = 64


def pack(arrays: Mapping[str, np.ndarray], facts: Mapping[str, str]) -> bytes:
    """The bytes of a file that holds ``arrays``, of unsigned integers."""
    header: dict[str, object] = {"__metadata__": dict(facts)}
    parts, place = [], 0
    # The widest first, so that each begins at a multiple of its items.
    for name, array in sorted(arrays.items(), key=lambda item: -item[1].itemsize):
        data = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes()
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [place, place + len(data)],
        }
        parts.append(data)
        place += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGN)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def unpack(buffer: "bytes | mmap.mmap") -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and facts in a file; the arrays are views of ``buffer``.

    Raises:
        ValueError: it is not such a file, or it is cut off.
    """
    length = int.from_bytes(buffer[:8], "little")
    if not 0 < length <= len(buffer) - 8:
        raise ValueError("no header")
    try:
        header = parse_json(buffer[8 : 8 + length])
        facts = header.pop("__metadata__")
        places = {name: (*about["data_offsets"], _TYPES[about["dtype"]]) for name, about in header.items()}
    except (KeyError, TypeError, AttributeError):
        raise ValueError("no header") from None
    arrays = {}
    for name, (begin, end, of) in places.items():
        kind = np.dtype(of).newbyteorder("<")
        if not (isinstance(begin, int) and isinstance(end, int) and 0 <= begin <= end <= len(buffer) - 8 - length):
            raise ValueError("cut off")
        arrays[name] = np.frombuffer(buffer, kind, (end - begin) // kind.itemsize, 8 + length + begin)
    return arrays, facts


def mapped(path: Path) -> "bytes | mmap.mmap":
    """A file's bytes, mapped into memory."""
    irregular = why_not_regular(path)
    if irregular not in (None, "does not exist"):
        raise ValueError(irregular)
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
