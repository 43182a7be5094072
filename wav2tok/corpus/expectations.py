"""``expectations.yaml``: the expectations that a project adds to the built-in checks, and what it changes in them."""

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from wav2tok.corpus.checks import COLUMNS, Check
from wav2tok.corpus.moved import SEVERITIES, Severity
from wav2tok.errors import UserError
from wav2tok.untrusted import YAML_BYTES, brief, parse_yaml, read_text, shown

FILE = Path("expectations.yaml")
"""Read in the working folder, if it is there, as ``params.yaml`` is."""
_OFF = "off"
_SEVERITIES = ("critical", "warning", _OFF)
_OWN = ("name", "severity", "expectation", "column", "says")


def suite(built_in: Sequence[Check], path: Path | None = None) -> list[Check]:
    """The built-in checks as a project changes them, then its own.

    Args:
        path: the file; None: `FILE`, if it exists.

    Raises:
        UserError: the file is missing or broken; the sentence names the entry and the field.
    """
    checks = {check.name: check for check in built_in}
    for entry in _entries(path, checks.keys() | SEVERITIES.keys()):
        name, severity = entry.name, entry.severity
        if name in SEVERITIES:
            continue
        if name in checks:
            checks[name] = dataclasses.replace(checks[name], severity=cast(Any, severity))
        else:
            checks[name] = _check(entry.values, name, severity, entry.where)
        if severity == _OFF:
            del checks[name]
    return list(checks.values())


def comparisons(path: Path | None = None) -> dict[str, Severity]:
    """The comparisons with the accepted data (`wav2tok.corpus.moved`) that a project wants, with their severities.

    Args, raises: as for `suite`.
    """
    changed = {entry.name: entry.severity for entry in _entries(path, SEVERITIES.keys()) if entry.name in SEVERITIES}
    return {name: cast(Any, one) for name, one in {**SEVERITIES, **changed}.items() if one != _OFF}


@dataclass(frozen=True)
class _Entry:
    """An entry of the file: its name, severity and all its values, and where it is, for errors."""

    name: str
    severity: str
    values: Mapping[str, Any]
    where: str


def _entries(path: Path | None, built_in: Collection[str]) -> Iterator[_Entry]:
    """The entries of a file; those of the names ``built_in`` hold a severity alone."""
    if path is None:
        if not FILE.exists():
            return
        path = FILE
    try:
        values = parse_yaml(read_text(path, YAML_BYTES))
    except ValueError as error:
        raise UserError(f"{shown(path)} cannot be read as YAML: {error}.") from None
    if (
        not isinstance(values, Mapping)
        or set(values) != {"expectations"}
        or not isinstance(values["expectations"], list)
    ):
        raise UserError(f"{shown(path)} must hold one key, expectations, with a list.")
    seen: set[str] = set()
    for number, entry in enumerate(values["expectations"], start=1):
        where = f"{shown(path)}, entry {number}"
        name = _text(entry, "name", where) if isinstance(entry, Mapping) else ""
        if not name:
            raise UserError(f"{where} must be a mapping with a name, and is {brief(entry)}.")
        where += f" ({shown(name)})"
        if name in seen:
            raise UserError(f"{where}: an entry before has this name; choose another.")
        seen.add(name)
        severity = entry.get("severity")
        severity = _OFF if severity is False else severity  # as YAML reads a bare off
        if severity not in _SEVERITIES:
            raise UserError(f"{where}: severity is {brief(severity)}; it must be one of {', '.join(_SEVERITIES)}.")
        more = sorted(map(str, entry.keys() - {"name", "severity"}))
        if name in built_in and more:
            raise UserError(
                f"{where}: this is a built-in check, whose {more[0]} is fixed (its bounds are in params.yaml, under "
                "validate); give its severity alone, or choose another name."
            )
        yield _Entry(name, severity, entry, where)


def _text(entry: Mapping[str, Any], field: str, where: str) -> str:
    value = entry.get(field)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: {field} is {brief(value)}; it must be a text.")
    return value


def _check(entry: Mapping[str, Any], name: str, severity: Any, where: str) -> Check:
    """A project's own check, made once so that its arguments are known to be right."""
    kind, column, says = (_text(entry, field, where) for field in ("expectation", "column", "says"))
    if column not in COLUMNS:
        raise UserError(
            f"{where}: column is {brief(column)}, which the table of recordings does not have; it has "
            f"{', '.join(COLUMNS)}."
        )
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read by its import
    import great_expectations.expectations as gxe
    from great_expectations.expectations.expectation import ColumnMapExpectation
    from pydantic.v1 import ValidationError

    made = getattr(gxe, kind, None)
    if not (isinstance(made, type) and issubclass(made, ColumnMapExpectation)) or made is ColumnMapExpectation:
        raise UserError(
            f"{where}: expectation is {brief(kind)}, which Great Expectations does not have for every value of "
            "a column, such as ExpectColumnValuesToBeBetween."
        )
    arguments = {str(key): value for key, value in entry.items() if key not in _OWN}
    try:
        made(column=column, **arguments)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])).replace("__root__", "its arguments")
        raise UserError(f"{where}: {field}: {first['msg']}.") from None
    except TypeError as error:
        raise UserError(f"{where}: {error}.") from None
    return Check(name, severity, column, kind, arguments, says)
