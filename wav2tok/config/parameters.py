"""Parameters as they are asked for: a YAML file, the profile that it names, and ``KEY=VALUE`` over both.

``load("params.yaml", ["train.epochs=3"])`` gives a `wav2tok.config.schema.Config`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wav2tok.config.rules import check
from wav2tok.config.schema import PUBLISHED, STAGED, Config
from wav2tok.config.values import build
from wav2tok.errors import UserError

PROFILES = Path(__file__).parent / "profiles"


def load(path: Path | str | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read ``path`` (else ``params.yaml`` here, else the defaults) and apply ``KEY=VALUE`` overrides.

    Where ``profile`` names one, the values of ``wav2tok/config/profiles/NAME.yaml`` come before the file's, and the
    overrides before both.

    Args:
        path: a YAML file; ``None`` means ``params.yaml`` in the working folder if there is one.
        overrides: dotted, as ``train.epochs=3``; values are YAML.

    Raises:
        UserError: a missing or broken file, an unknown key, an ill-typed value.
    """
    import yaml

    if path is None:
        path = Path("params.yaml") if Path("params.yaml").exists() else None
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except FileNotFoundError:
            raise UserError(f"{path} does not exist; name another with --params or leave it out.") from None
        except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
            raise UserError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}.") from None
        if not isinstance(values, dict):
            raise UserError(f"{path} holds no mapping of parameters.")
    asked: dict[str, Any] = {}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise UserError(f"--set {override!r} is not KEY=VALUE, such as train.epochs=3.")
        node = asked
        *parents, last = key.split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise UserError(f"--set {override!r}: {parent} has no parameters of its own.")
        try:
            node[last] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UserError(f"--set {override!r}: the value is not valid YAML.") from None
    name = asked.get("profile", values.get("profile"))
    return from_dict(_over(_over(values, _profile(name)), asked))


def _profile(name: Any) -> dict[str, Any]:
    """The values of a profile; none for None, and for a name that `from_dict` will refuse."""
    import yaml

    path = PROFILES / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if name is not None and path.is_file() else {}


def _over(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """``others`` laid over ``values``, mapping by mapping."""
    merged = dict(values)
    for key, other in others.items():
        both = isinstance(merged.get(key), Mapping) and isinstance(other, Mapping)
        merged[key] = _over(merged[key], other) if both else other
    return merged


def from_dict(values: Mapping[str, Any]) -> Config:
    """A `Config` from plain values, defaults where they are silent.

    Raises:
        UserError: an unknown key, an ill-typed or impossible value.
    """
    merged = dict(values)
    if "recipes" in merged and isinstance(merged["recipes"], Mapping):
        # A recipe that is given in part keeps the rest of the built-in one of its name.
        base = {"staged": dataclasses.asdict(STAGED), "published": dataclasses.asdict(PUBLISHED)}
        given = {k: {**base.get(k, {}), **v} if isinstance(v, Mapping) else v for k, v in merged["recipes"].items()}
        merged["recipes"] = base | given
    return check(build(Config, merged, ""))


def to_dict(config: Config) -> dict[str, Any]:
    """The plain values of ``config``, ready for YAML or JSON; `from_dict` gives it back."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {k: plain(v) for k, v in value.items()}
        return [plain(v) for v in value] if isinstance(value, list | tuple) else value

    return plain(dataclasses.asdict(config))
