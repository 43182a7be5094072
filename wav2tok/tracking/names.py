"""Names of runs: what differs in a run from the committed parameters."""

from collections.abc import Iterable, Mapping
from typing import Any

MOST = 5
"""Changed parameters in a name; more are counted."""


def run_name(values: Mapping[str, Any], base: Mapping[str, Any], experiment: str | None = None) -> str:
    """A name such as ``staged humming epochs=2 num_tokens=32 (waxy-seal)``.

    Args:
        values: the parameters of the run by their dotted names.
        base: those that it is compared with.
        experiment: the name of the DVC experiment.
    """
    named = ("train.recipe", "profile")
    changed = [key for key in values if key not in named and key in base and base[key] != values[key]]
    changes = [f"{_short(key, values)}={_text(values[key])}" for key in changed]
    more = [f"+{len(changes) - MOST}"] if len(changes) > MOST else []
    words = [*(str(values[key]) for key in named if values.get(key) is not None), *changes[:MOST], *more]
    return " ".join([*words, *([f"({experiment})"] if experiment else [])])


def _short(key: str, keys: Iterable[str]) -> str:
    """The last part of a dotted name if no other name ends in it, else the whole."""
    last = key.rpartition(".")[2]
    return last if sum(other.rpartition(".")[2] == last for other in keys) == 1 else key


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
