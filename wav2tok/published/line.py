"""Parse the text of a published command line into typed values of its options.

``parse("python3 train.py --dataset audios --is_dict True", OPTIONS)`` does not know what an option means;
`wav2tok.published.options` does.
"""

import difflib
import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wav2tok.errors import UserError
from wav2tok.untrusted import parse_yaml

Kind = Literal["flag", "whole", "number", "text"]
Value = bool | int | float | str | None
TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
EXAMPLES: dict[Kind, str] = {"flag": "True", "whole": "5", "number": "0.1", "text": "NAME"}
PAGE = "wav2tok/config/profiles/published.md"


@dataclass(frozen=True)
class Option:
    """One option of the published trainer.

    Attributes:
        default: the documented default; None if there is none.
        ours: the keys of `wav2tok.config.schema`, or the options of ``wav2tok train``, that it sets.
        becomes: computes our values by key from all options of the line; None passes the value unchanged to the key.
    """

    name: str
    default: Value
    kind: Kind
    ours: tuple[str, ...]
    becomes: "Callable[[Line], Mapping[str, Value]] | None" = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """The values of all options, ``line["EPOCHS"]``; those that are not among ``given`` have their defaults."""

    values: Mapping[str, Value]
    given: frozenset[str]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def refuse(what: str) -> UserError:
    """The error about a published command line, on one line even if the command line has several."""
    return UserError(" ".join(what.split()), parameter="published_args")


def as_yaml(value: Value) -> str:
    """``value`` as text that YAML reads back as the same value."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if not isinstance(value, str):
        return repr(value)
    try:
        same = parse_yaml(value) == value
    except ValueError:
        same = False
    return value if same else json.dumps(value, ensure_ascii=False)


def setting(key: str, value: Value) -> str:
    """KEY=VALUE for `wav2tok.config.parameters.load`; a name that looks like a number stays text."""
    return f"{key}={as_yaml(value)}"


def _words(text: str) -> list[str]:
    """The arguments in ``text`` as a shell would split them, without a leading ``python3 train.py``."""
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError as error:
        raise refuse(f"{text!r} cannot be split into words ({error}); close all quotation marks.") from None
    if words and Path(words[0]).name.startswith("python"):
        words = words[1:]
    return words[1:] if words and Path(words[0]).name == "train.py" else words


def _value(option: Option, text: str | None) -> Value:
    """The value that ``text`` means; None: the option stands without a value."""
    shown = f"--{option.name} {text}"
    example = f"--{option.name} {EXAMPLES[option.kind] if option.default is None else option.default}"
    if option.kind == "flag":
        value = True if text is None else TRUTH.get(text.lower())
        if value is None:
            raise refuse(f"{shown} is neither true nor false; use True or False.")
        return value
    if not text:
        raise refuse(f"--{option.name} has no value; give it one, such as {example}.")
    if option.kind == "text":
        return text
    try:
        number = int(text) if option.kind == "whole" else float(text)
    except ValueError:
        number = math.nan
    if isinstance(number, float) and not math.isfinite(number):
        raise refuse(f"{shown} is not a {'whole ' * (option.kind == 'whole')}number; give one, such as {example}.")
    return number


def parse(text: str, options: Sequence[Option]) -> Line:
    """Read ``--key value``, ``--key=value`` and, for flags, ``--key`` alone.

    Raises:
        UserError: an unknown or repeated option, a word that is not an option, a value of the wrong kind.
    """
    known = {name: option for option in options for name in (option.name, *option.aliases)}
    given: dict[str, Value] = {}
    words = _words(text)
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name not in known:
            lower = {each.lower(): each for each in known}
            near = difflib.get_close_matches(name.lower(), lower, n=1)
            way = f"did you mean --{lower[near[0]]}?" if near else f"{PAGE} lists them."
            raise refuse(f"{word} is not an option of the published trainer; {way}")
        option = known[name]
        argument = value if equals else words.pop(0) if words and not words[0].startswith("--") else None
        if option.name in given:
            raise refuse(f"--{name} {argument or ''} repeats --{option.name} {given[option.name]}; omit one of them.")
        given[option.name] = _value(option, argument)
    return Line({option.name: option.default for option in options} | given, frozenset(given))
