"""The numbers among the parameters, from their schema, and what may be given instead of one."""

import json
from typing import Any

from wav2tok.config.schema import json_schema

TEXTS = ("-1", "0", ".nan", ".inf", "1e308", "1" + "0" * 400, "2147483648", "text", "null")
"""What strangers try, as ``--set`` takes it."""


def _leaves(schema: dict[str, Any], place: str, definitions: dict[str, Any]) -> dict[str, dict[str, Any]]:
    if "$ref" in schema:
        return _leaves(definitions[schema["$ref"].rpartition("/")[2]], place, definitions)
    found: dict[str, dict[str, Any]] = {}
    for one in schema.get("anyOf", ()):
        found |= _leaves(one, place, definitions)
    for name, one in schema.get("properties", {}).items():
        found |= _leaves(one, f"{place}.{name}".removeprefix("."), definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        found |= _leaves(schema["additionalProperties"], f"{place}.staged", definitions)
    if schema.get("type") == "array":
        found |= _leaves(schema["items"], f"{place}[0]", definitions)
    return {place: schema} if schema.get("type") in ("integer", "number") else found


_SCHEMA = json.loads(json_schema())
NUMBERS = _leaves(_SCHEMA, "", _SCHEMA["$defs"])
"""The schema of each number by its dotted key; ``evaluate.tempos[0]`` is an item of a list."""


def given(key: str, text: str) -> str:
    """``KEY=VALUE`` for the command line."""
    return f"{key.removesuffix('[0]')}=[{text}]" if key.endswith("[0]") else f"{key}={text}"
