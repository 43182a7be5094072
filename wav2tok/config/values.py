"""The kinds of values that parameters take. Every number has a range, stated beside its field."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import annotated_types
from pydantic import AfterValidator, AllowInfNan, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema

SECTION = ConfigDict(extra="forbid", use_attribute_docstrings=True)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""Numbers that YAML 1.1 reads as text, such as 1e-3."""
_FILE_NAME = r"\w[\w.-]{0,99}"
HOUR, DAY = 3600.0, 86400.0
"""In seconds."""


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def refuse(wrong: Callable[[Any], bool], why: str) -> AfterValidator:
    """A rule that refuses the values for which ``wrong`` is true; ``why`` ends the message."""

    def rule(value: Any) -> Any:
        if wrong(value):
            raise ValueError(why)
        return value

    return AfterValidator(rule)


@dataclass(frozen=True)
class Within(annotated_types.GroupedMetadata):
    """The range of a number, both ends allowed: ``Annotated[float, Within(0, 1)]``. NaN and infinities never are."""

    low: float
    high: float

    def __iter__(self) -> Iterator[Any]:
        yield Strict()
        yield annotated_types.Ge(self.low)
        yield annotated_types.Le(self.high)
        yield from _OF_NUMBERS


@dataclass(frozen=True)
class Between(annotated_types.GroupedMetadata):
    """As `Within`, without the upper end."""

    low: float
    high: float

    def __iter__(self) -> Iterator[Any]:
        yield Strict()
        yield annotated_types.Ge(self.low)
        yield annotated_types.Lt(self.high)
        yield from _OF_NUMBERS


# Bounds come before the conversion from text, so that the JSON schema states them.
_OF_NUMBERS = (AllowInfNan(False), BeforeValidator(_number))

Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[
    str,
    Field(strict=True, max_length=4096),
    refuse(lambda text: any(ord(sign) < 32 for sign in text), "it holds a control character; write plain text"),
]
FileName = Annotated[
    Text,
    refuse(
        lambda name: re.fullmatch(_FILE_NAME, name) is None,
        "it is part of file names, so use at most 100 letters, digits, ., _ and -, and begin with a letter, a digit or "
        "_",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_FILE_NAME}$"}),
]

Count = Annotated[int, Within(1, 1_000_000)]
CountOrZero = Annotated[int, Within(0, 1_000_000)]
Share = Annotated[float, Within(0, 1)]
SomeShare = Annotated[float, Within(1e-6, 1)]
PartialShare = Annotated[float, Between(1e-6, 1)]
ShareBelowOne = Annotated[float, Between(0, 1)]
Confidence = Annotated[float, Between(0.5, 1)]
Weight = Annotated[float, Within(0, 1e4)]
"""Of a term of the loss."""
Temperature = Annotated[float, Within(1e-3, 100)]
"""Of a softmax over cosines; below, float32 overflows."""
Ratio = Annotated[float, Within(0.1, 10)]
"""Of a tempo to that of the recording."""
Decibels = Annotated[float, Within(-100, 100)]

DISTINCT = refuse(lambda values: len(set(values)) < len(values), "it names a value twice; omit one")
FEW = Field(max_length=32)
"""Of a list of which every item costs a pass over the test recordings."""
