"""The table for a terminal: aligned, nothing cut off, at most as wide as the terminal."""

import dataclasses
import re

import pytest
from hypothesis import strategies as st

from wav2tok.speed.table import Row, number, text_table

ROWS = [
    Row("training step, recipe staged", "48 pairs of 1 s", 3100.0, 100.0, 1550.0, 4000.0, ">= 25 x plain", True, "A."),
    Row("tokenizing", "1 h in 10 s", 12345.0, 500.0, None, 20000.0, ">= 70 % of the floor", False, "B."),
    Row("matching | edit", "1000 strings", 0.5, None, None, None),
    Row("export", "1 recording", 24.7, 1.0, 100.0, None, ">= 25 x plain", False, "A."),
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
    lines = text_table([*ROWS, dataclasses.replace(ROWS[0], target="as fast as anything " * 8)]).splitlines()
    assert re.split(" {2,}", lines[0]) == [
        "part", "work", "audio s/s", "x plain", "x HuBERT", "% of floor", "met", "target"
    ]  # fmt: skip
    assert lines[1].endswith("77.5 %  yes  >= 25 x plain")
    assert lines[1].index("yes") == lines[2].index("no") == lines[0].index("met")  # aligned
    assert lines[3].split()[-5:] == ["0.5", "-", "-", "-", "-"]
    assert lines[6].startswith("    target as fast")


RATE = st.floats(min_value=0, allow_infinity=False)
OTHER = st.none() | RATE
ANY_ROW = st.builds(Row, st.text(), st.text(), RATE, OTHER, OTHER, OTHER, st.text(), st.none() | st.booleans())
