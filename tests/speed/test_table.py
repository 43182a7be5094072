"""The table for a terminal: aligned, nothing cut off, at most as wide as the terminal."""

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.speed.table import WIDTH, Row, number, text_table

ROWS = [
    Row(
        "training step, recipe staged",
        "48 pairs of 1 s",
        3100.0,
        plain=100.0,
        pretrained=1550.0,
        floor=4000.0,
        note="A.",
    ),
    Row("tokenizing", "1 h in 10 s", 12345.0, plain=500.0, floor=20000.0, note="B."),
    Row("matching | edit", "1000 strings", 0.5, "million comparisons/s"),
    Row("export", "1 recording", 20.0, "ms", plain=100.0, pretrained=5.0, note="A."),
]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (float("nan"), "-"), (float("inf"), "-"), (0.0, "0"), (0.01234, "0.0123"), (3.14159, "3.14"),
        (99.96, "100"), (999.6, "1,000"), (1234.0, "1,230"), (9_996_000.0, "10,000,000"), (5e11, "5.00e+11"),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_text_table():
    lines = text_table(ROWS).splitlines()
    assert re.split(" {2,}", lines[0]) == ["part", "work", "measured", "x plain", "x HuBERT", "% of floor"]
    assert re.split(" {2,}", lines[1])[2:] == ["3,100 audio s/s", "31 x", "2 x", "77.5 %"]
    # Of times, less is better.
    assert re.split(" {2,}", lines[-1])[2:] == ["20 ms", "5 x", "0.25 x", "-"]


def test_columns_without_figures_are_left_out():
    bare = [dataclasses.replace(row, plain=None, pretrained=None, floor=None) for row in ROWS]
    assert re.split(" {2,}", text_table(bare).splitlines()[0]) == ["part", "work", "measured"]


FIGURE = st.floats(min_value=0, allow_infinity=False)
OTHER = st.none() | FIGURE
ANY_ROW = st.builds(Row, st.text(), st.text(), FIGURE, st.text(max_size=12), OTHER, OTHER, OTHER)


@given(st.lists(ANY_ROW, min_size=1, max_size=4))
def test_no_line_is_wider_than_the_terminal(rows):
    assert max(map(len, text_table(rows).splitlines())) <= WIDTH
