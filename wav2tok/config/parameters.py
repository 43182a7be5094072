"""Read parameters: a YAML file, the profile that it names, and ``KEY=VALUE`` over both.

``load("params.yaml", ["train.epochs=3"])`` returns a `wav2tok.config.schema.Config`.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from wav2tok.config.schema import PUBLISHED, STAGED, VALIDATOR, Config
from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.untrusted import YAML_BYTES, brief, parse_yaml, read_text, shown, why_not_regular

PROFILES = Path(__file__).parent / "profiles"
PROFILE_NAMES = frozenset(path.stem for path in PROFILES.glob("*.yaml"))


def load(params: Path | str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read ``params`` (else ``params.yaml`` here, else the defaults) and apply ``KEY=VALUE`` overrides.

    If ``profile`` names one, the values of ``wav2tok/config/profiles/NAME.yaml`` override those of the file. The
    overrides override both.

    Args:
        params: a YAML file; None means ``params.yaml`` in the working folder if there is one.
        overrides: dotted, such as ``train.epochs=3``; values are YAML.

    Raises:
        UserError: a missing or broken file, an unknown key, a wrong value.
    """
    if params is None:
        params = Path("params.yaml") if Path("params.yaml").exists() else None
    values: dict[str, Any] = {}
    if params is not None:
        if why_not_regular(params) == "does not exist":
            raise UserError(f"{shown(params)} does not exist; use another file, or none.", "params")
        try:
            values = parse_yaml(read_text(params, YAML_BYTES)) or {}
        except UserError as error:
            raise UserError(str(error), "params") from None
        except ValueError as error:
            raise UserError(f"{shown(params)} cannot be read as YAML: {error}.", "params") from None
        if not isinstance(values, dict):
            raise UserError(f"{shown(params)} holds no mapping of parameters.", "params")
    changes: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise UserError(f"{brief(override)} is not KEY=VALUE, such as train.epochs=3.", "overrides")
        node = changes
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f"{brief(override)}: {parent} has no parameters of its own.", "overrides")
        try:
            node[last] = parse_yaml(text)
        except ValueError:
            raise UserError(f"{brief(override)}: the value is not valid YAML.", "overrides") from None
    name = changes.get("profile", values.get("profile"))
    return from_dict(_over(_over(values, _profile(name)), changes))


def _profile(name: Any) -> dict[str, Any]:
    """The values of a profile; none for None, and none for a name that `from_dict` will refuse."""
    path = PROFILES / f"{name}.yaml"
    return parse_yaml(path.read_text(encoding="utf-8")) if isinstance(name, str) and name in PROFILE_NAMES else {}


def _over(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` updated by ``others``, nested mappings key by key."""
    merged = dict(values)
    for key, other in others.items():
        both = isinstance(merged.get(key), Mapping) and isinstance(other, Mapping)
        merged[key] = _over(merged[key], other) if both else other
    return merged


def from_dict(values: Mapping[str, Any]) -> Config:
    """A `Config` from plain values; whatever they do not name has its default.

    Raises:
        UserError: an unknown key, a value of the wrong type or out of bounds, values that contradict each other.
    """
    merged = dict(values)
    if isinstance(merged.get("recipes"), Mapping):
        # A recipe that is given in part keeps the other values of the built-in recipe of its name.
        base = {"staged": dataclasses.asdict(STAGED), "published": dataclasses.asdict(PUBLISHED)}
        changes = merged["recipes"].items()
        merged["recipes"] = base | {k: {**base.get(k, {}), **v} if isinstance(v, Mapping) else v for k, v in changes}
    try:
        return VALIDATOR.validate_python(merged)
    except pydantic.ValidationError as error:
        raise UserError(_sentence(error.errors(include_url=False)[0])) from None


def from_stored(values: Mapping[str, Any], source: str) -> Config:
    """The `Config` that a model was made with, perhaps by another version of wav2tok.

    Parameters that this version does not have are left out, and logged: an upgrade must not lose the champion.

    Args:
        source: what holds the values, for messages.

    Raises:
        UserError: a value that this version does not take, or none of its parameters.
    """
    kept, unknown = _known(values, Config)
    if unknown and not kept:
        raise UserError(f"{source} is not a configuration of wav2tok ({unknown[0]} is not a parameter).")
    if unknown:
        log.info(f"{source} was written by another version of wav2tok; ignored: {', '.join(unknown)}")
    try:
        return from_dict(kept)
    except UserError as error:
        wrong = str(error).rstrip(".")
        raise UserError(f"{source} does not fit this version of wav2tok: {wrong}; train again.") from None


def _known(values: Any, kind: Any, prefix: str = "") -> tuple[Any, list[str]]:
    """``values`` without the parameters that ``kind``, a section, does not have; and the dotted names of those."""
    if not isinstance(values, Mapping):
        return values, []
    hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else None
    item = next(iter(typing.get_args(kind)[1:]), None)  # of a dictionary
    kept, unknown = {}, []
    for key, value in values.items():
        if hints is not None and key not in hints:
            unknown.append(f"{prefix}{key}")
            continue
        kept[key], below = _known(value, item if hints is None else hints[key], f"{prefix}{key}.")
        unknown += below
    return kept, unknown


def to_dict(config: Config) -> dict[str, Any]:
    """The plain values of ``config``, ready for YAML or JSON; `from_dict` reads them back."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return plain(dataclasses.asdict(config))


ALLOWED = {
    "int_type": "of type int",
    "float_type": "a number",
    "bool_type": "of type bool",
    "string_type": "of type str",
    "tuple_type": "a list",
    "dict_type": "a mapping of parameters",
    "dataclass_type": "a mapping of parameters",
    "finite_number": "a finite number",
    "greater_than_equal": "at least {ge:.12g}",
    "less_than_equal": "at most {le:.12g}",
    "less_than": "less than {lt:.12g}",
    "too_long": "a list of at most {max_length}",
    "string_too_long": "at most {max_length} characters long",
    "multiple_of": "a multiple of {multiple_of}",
}
"""What a value must be, by pydantic's type of error."""


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested parameters with dotted names."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        out |= flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value}
    return out


def _sentence(error: ErrorDetails) -> str:
    """pydantic's error as one sentence: the dotted key, the value, what is allowed."""
    place, kind, context = error["loc"], error["type"], error.get("ctx", {})
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")
    expected = _annotation(place)
    if kind in ("unexpected_keyword_argument", "invalid_key"):
        known = ", ".join(sorted(typing.get_type_hints(_annotation(place[:-1]))))
        return f"{key} is not a parameter; there are: {known}."
    if kind == "value_error" and dataclasses.is_dataclass(expected):
        # A rule of a section begins with the name of its parameter, a rule of them all with the dotted key.
        return f"{key}{'.' if key else ''}{context['error']}."
    if kind == "value_error":
        return f"{key} is {brief(error['input'])}; {context['error']}."
    if kind == "literal_error":
        allowed = f"one of {context['expected'].replace(' or ', ', ').replace(chr(39), '')}"
    else:
        allowed = ALLOWED[kind].format(**context) if kind in ALLOWED else f"valid ({error['msg'].rstrip('.')})"
    null = ", or null" if types.NoneType in typing.get_args(expected) else ""
    return f"{key} is {brief(error['input'])}; it must be {allowed}{null}."


def _annotation(place: Sequence[int | str]) -> Any:
    """The type of the parameter at ``place``, such as ``("recipes", "staged", "alpha")``; None for an unknown one."""
    kind: Any = Config
    for part in place:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind).get(str(part))
        else:  # the values of a dictionary, the items of a tuple
            kind = next(iter(typing.get_args(kind)[1:]), None)
    return kind
