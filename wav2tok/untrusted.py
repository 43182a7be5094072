"""Read files that anybody may have written: regular files alone, up to a size, and JSON and YAML whatever is in them.

A FIFO would block for ever, a device would never end, and nested brackets or long numbers make parsers fail in ways of
their own. Here each is one kind of error with a short reason.
"""

import errno
import json
import os
import re
import reprlib
import stat
from collections import Counter
from pathlib import Path
from typing import Any, TextIO

from wav2tok.errors import UserError

TEXT_BYTES = 64 << 20
"""The most bytes of a text file: the largest that wav2tok writes describes a million recordings in less."""
YAML_BYTES = 256 << 10
"""The most bytes of a YAML file, whose parser reads about 100 kB per second."""
_MERGED = 10_000
"""The most keys of a mapping after its merge keys; lists of them can double it level by level."""


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
"""How an address begins. `Path` leaves one of its two slashes, and one letter would be a drive of Windows."""


def is_address(path: Path | str) -> bool:
    """Whether a path begins as an address does, such as ``s3://bucket/x``. An absolute path never does."""
    return _ADDRESS.match(str(path)) is not None


def why_not_regular(path: Path | str) -> str | None:
    """Why a path names no regular file, to follow its name; None if it names one.

    Symbolic links are followed. A path that does not exist, or that the system refuses, counts too.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return "is an address, and only files of this machine are read" if is_address(path) else "does not exist"
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return "is longer than a path may be"
        return f"cannot be opened ({os.strerror(error.errno or 0)})"
    except ValueError:  # a NUL, or a surrogate
        return "is not a valid path"
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    kind = kinds.get(stat.S_IFMT(mode))
    return None if kind is None else f"is {kind}, not a file"


def require_regular(path: Path | str, parameter: str | None = None) -> None:
    """Refuse a pipe, device or folder before it is opened: reading a named pipe would block for ever.

    Raises:
        UserError: ``path`` does not exist or names something else; ``parameter`` is its parameter.
    """
    reason = why_not_regular(path)
    if reason is not None:
        raise UserError(f"{shown(path)} {reason}; name another file.", parameter)


def shown(path: object) -> str:
    """A path or value of a user for a message: on one line, and not longer than is worth reading."""
    text = str(path).encode("utf-8", "backslashreplace").decode().replace("\n", "\\n")
    return text if len(text) <= 300 else f"{text[:140]}…{text[-140:]}"


def brief(value: Any) -> str:
    """`repr` of a value for a message: its beginning, if it is long, nested or enormous."""
    try:
        return _BRIEF.repr(value)
    except (ValueError, RecursionError):  # more digits than Python converts
        return f"a {type(value).__name__} too large to show"


_BRIEF = reprlib.Repr()
_BRIEF.maxlevel = 2
_BRIEF.maxstring = _BRIEF.maxother = 80


def read_bytes(path: Path | str, most: int) -> bytes:
    """The bytes of a regular file.

    Raises:
        UserError: it does not exist, is not a regular file, cannot be read, or has more than ``most`` bytes.
    """
    require_regular(path)
    try:
        with open(path, "rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read ({os.strerror(error.errno or 0)}); name another file.") from None
    if len(content) > most:
        raise UserError(f"{shown(path)} has more than {most:,} bytes, which is too large; name another file.")
    return content


def read_text(path: Path | str, most: int = TEXT_BYTES) -> str:
    """The text of a regular file in UTF-8, with or without a byte-order mark; line ends become ``\\n``.

    Raises:
        UserError: as `read_bytes`, or it is not UTF-8.
    """
    try:
        text = read_bytes(path, most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{shown(path)} is not text in UTF-8 (byte {error.start}); save it as UTF-8, or name another file."
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def open_table(path: Path | str, errors: str = "strict") -> TextIO:
    """Open a regular file of at most `TEXT_BYTES` bytes for `csv`: UTF-8, with or without a byte-order mark.

    Args:
        errors: of the decoding; ``surrogateescape`` keeps names of files that are not UTF-8.

    Raises:
        FileNotFoundError: it does not exist.
        UserError: it is not a regular file, cannot be read, or is larger.
    """
    if Path(path).exists():
        require_regular(path)
        if os.stat(path).st_size > TEXT_BYTES:
            raise UserError(
                f"{shown(path)} has more than {TEXT_BYTES:,} bytes, so it is not such a table; name another."
            )
    try:
        return open(path, newline="", encoding="utf-8-sig", errors=errors)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read ({os.strerror(error.errno or 0)}); name another file.") from None


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is out of range")
    return number


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def parse_json(text: str | bytes) -> Any:
    """A JSON value, with finite numbers alone.

    Raises:
        ValueError: it is not JSON, or nested too deeply, or a number in it is too large; with a short reason.
    """
    try:
        return json.loads(text, parse_float=_finite, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_yaml(text: str) -> Any:
    """A YAML value of plain types.

    Raises:
        ValueError: it is not YAML, or nested too deeply, or a value in it is out of range; with a short reason.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        def flatten_mapping(self, node: yaml.MappingNode) -> None:
            super().flatten_mapping(node)
            if len(node.value) > _MERGED:
                raise yaml.YAMLError("merge keys make a mapping too large")

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            # Before merge keys are put in, which may be overridden. YAML itself takes the last of two in silence.
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            ((twice, times),) = Counter(keys).most_common(1) or [("", 0)]
            if times > 1:
                raise yaml.YAMLError(f"{twice} is there twice")
            return super().construct_mapping(node, deep)

        def construct_plain_number(self, node: yaml.ScalarNode) -> int | float:
            is_int = node.tag.endswith(":int")
            number = self.construct_yaml_int(node) if is_int else self.construct_yaml_float(node)
            if ":" in node.value or re.fullmatch(r"[-+]?0[0-7_]+", node.value):
                raise yaml.YAMLError(f"{node.value} is {number} in YAML, by base 60 or 8; write {number}, or quote it")
            return number

    for kind in ("int", "float"):
        Loader.add_constructor(f"tag:yaml.org,2002:{kind}", Loader.construct_plain_number)
    if len(text) > YAML_BYTES:
        raise ValueError(f"it has more than {YAML_BYTES:,} characters")
    try:
        return yaml.load(text, Loader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # ValueError: an impossible date, a long number
        raise ValueError(" ".join(str(error).split())[:200].rstrip(".")) from None
