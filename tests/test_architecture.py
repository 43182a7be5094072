"""The map of the code is true: its picture is of these imports, and what it names exists."""

import re
import runpy
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
PROJECT = DOCS.parent
MAP = (DOCS / "architecture.md").read_text(encoding="utf-8")
DRAWING = runpy.run_path(str(DOCS / "draw_layers.py"))


def test_the_picture_shows_the_present_imports() -> None:
    drawn = DRAWING["draw"]()
    assert drawn == (DOCS / "layers.svg").read_text(encoding="utf-8"), "run: make docs-map"
    assert drawn == DRAWING["draw"]()


def test_every_package_has_a_line() -> None:
    rows = re.search(r"\| package \|.*?\n\n", MAP, flags=re.S)
    assert rows is not None
    first_cells = [row.split("|")[1] for row in rows[0].splitlines()[2:] if row]
    named = set(re.findall(r"`(\w+)`", " ".join(first_cells))) | {"cli"}
    assert named == {name for layer in DRAWING["floors"]() for name in layer}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w/]+\.(?:py|yaml|toml))`", MAP))))
def test_a_path_that_it_names_exists(path: str) -> None:
    if path != "stages/NAME.py":
        assert (PROJECT / path).is_file() or (PROJECT / "wav2tok" / path).is_file()
