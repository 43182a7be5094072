"""The modules by which a missing extra is noticed are those that the extra brings."""

import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.extras import EXTRAS, need

OPTIONAL = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"][
    "optional-dependencies"
]


def brought(extra: str) -> set[str]:
    """The packages of an extra, and of those that it builds on."""
    names = {re.split(r"[\[<>=]", line)[0] for line in OPTIONAL[extra]} - {"wav2tok"}
    inner = re.findall(r"wav2tok\[(\w+)\]", " ".join(OPTIONAL[extra]))
    return names.union(*map(brought, inner))


@pytest.mark.parametrize("extra", EXTRAS)
def test_each_module_comes_with_its_extra(extra: str) -> None:
    owners = packages_distributions()
    for module in EXTRAS[extra]:
        assert {name.lower().replace("_", "-") for name in owners[module]} & brought(extra), module
    need(extra)


def test_what_is_missing_is_named_with_its_extra() -> None:
    with pytest.raises(UserError) as raised:
        need("train", "json", "no_such_module")
    assert str(raised.value) == (
        'no_such_module is not installed; install what this needs with: pip install "wav2tok[train]"'
    )
