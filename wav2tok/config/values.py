"""Plain values, as YAML and JSON give them, into dataclasses by their annotations."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal

from wav2tok.errors import UserError

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""Numbers that YAML 1.1 reads as text, such as 1e-3."""


def convert(value: Any, kind: Any, where: str) -> Any:
    """``value`` as ``kind``, or a `UserError` that names ``where`` it stands and what was expected."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return build(kind, value, where)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        return convert(value, next(a for a in args if a is not type(None)), where)
    if origin is Literal:
        if value in args:
            return value
        raise UserError(f"{where} is {value!r}; it must be one of {', '.join(map(str, args))}.")
    if origin is tuple:
        if isinstance(value, list | tuple):
            return tuple(convert(v, args[0], f"{where}[{i}]") for i, v in enumerate(value))
        raise UserError(f"{where} is {value!r}; it must be a list.")
    if origin is dict:
        if not isinstance(value, Mapping):
            raise UserError(f"{where} is {value!r}; it must be a mapping.")
        return {k: convert(v, args[1], f"{where}.{k}") for k, v in value.items()}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise UserError(f"{where} is {value}; it must be a finite number.")
        return float(value)
    if kind is float and isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if type(value) is kind and kind is not float:
        return value
    raise UserError(f"{where} is {value!r}; it must be {'a number' if kind is float else f'of type {kind.__name__}'}.")


def build(kind: Any, values: Any, where: str) -> Any:
    """Build the dataclass ``kind`` from a mapping, refusing keys it does not have."""
    if not isinstance(values, Mapping):
        raise UserError(f"{where or 'the configuration'} is {values!r}; it must be a mapping of parameters.")
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in hints:
            known = ", ".join(sorted(hints))
            raise UserError(f"{f'{where}.' if where else ''}{key} is no parameter; there are: {known}.")
    return kind(**{k: convert(v, hints[k], f"{where}.{k}" if where else k) for k, v in values.items()})
