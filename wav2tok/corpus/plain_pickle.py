"""Read a pickle of plain values without unpickling it.

A pickle is a program for a stack machine. `read` runs the part of its instructions that makes lists, dictionaries,
tuples, strings and numbers, and refuses all others, among them every one that imports, calls or allocates by a number
in the file. Keys are strings or numbers, because hashing nested tuples can take for ever. So nothing is made that the
file does not spell out, except that a container may stand in several places.
"""

import pickletools
from collections.abc import Hashable
from typing import Any

MOST_BYTES = 512 << 20
"""The largest pickle that is read: a hundred bytes each for five million paths."""
_DIGITS = 8
"""The most bytes of a whole number."""

_VALUES = frozenset(
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"STRING", "BINSTRING", "SHORT_BINSTRING"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedError(Exception):
    """The pickle holds something that is not plain; the text says what."""


class _Machine:
    """The stack, the marks in it, and what the file has numbered to use again."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def since_mark(self) -> list[Any]:
        """Take what was put on the stack since the last mark."""
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def last(self, count: int) -> list[Any]:
        """Take the last ``count`` values."""
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise IndexError
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return taken

    def extend(self, items: list[Any]) -> None:
        """Append to the list on the stack."""
        target = self.stack[-1]
        if not isinstance(target, list):
            raise TypeError
        target.extend(items)

    def update(self, items: list[Any]) -> None:
        """Set keys and values of the dictionary on the stack."""
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int | float | None):
                raise RefusedError(f"it has a {type(key).__name__} as a key")
            target[key] = value

    def run(self, name: str, argument: Any) -> None:
        """One instruction, by its name in `pickletools`."""
        if name in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > 8 * _DIGITS:
                raise RefusedError(f"it has a whole number of more than {_DIGITS} bytes")
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _TUPLES:
            self.stack.append(tuple(self.last(_TUPLES[name])))
        elif name == "EMPTY_LIST":
            self.stack.append([])
        elif name == "EMPTY_DICT":
            self.stack.append({})
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name == "LIST":
            self.stack.append(self.since_mark())
        elif name == "TUPLE":
            self.stack.append(tuple(self.since_mark()))
        elif name == "DICT":
            items = self.since_mark()
            self.stack.append({})
            self.update(items)
        elif name == "APPEND":
            self.extend(self.last(1))
        elif name == "APPENDS":
            self.extend(self.since_mark())
        elif name == "SETITEM":
            self.update(self.last(2))
        elif name == "SETITEMS":
            self.update(self.since_mark())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        else:
            raise RefusedError(_what(name, argument, self.stack))


def read(content: bytes) -> Any:
    """The value of a pickle of plain values.

    Raises:
        RefusedError: it holds something else.
        ValueError: it is not a pickle, or is damaged.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in ("PROTO", "FRAME"):
                continue
            if opcode.name == "STOP":
                (value,) = machine.stack
                return value
            machine.run(opcode.name, argument)
    except (IndexError, KeyError, TypeError, UnicodeError, OverflowError):
        raise ValueError("its instructions do not fit together") from None
    raise ValueError("it has no end")


def _what(name: str, argument: Any, stack: list[Hashable]) -> str:
    """What an instruction would have done, for the error."""
    if name in ("GLOBAL", "INST"):
        return f"it names {str(argument).replace(' ', '.')}"
    if name == "STACK_GLOBAL" and len(stack) > 1:
        return f"it names {stack[-2]}.{stack[-1]}"
    if name in ("PERSID", "BINPERSID"):
        return "it refers to an object outside the file"
    return f"it holds the instruction {name}"
