"""The report of a benchmark: its numbers as JSON, as a page with a table, and as a picture."""

import dataclasses
import json
import re

from benchmarks import report
from benchmarks.report import Curve, Results
from wav2tok.speed.table import Row

ROWS = [
    Row("training step", "48 pairs of 1 s", 1600.0, plain=100.0, pretrained=3200.0, floor=4000.0, note="A."),
    Row("training step, EM", "48 pairs of 1 s", 1279.0, note="B."),
    Row("matching | edit", "1000 strings", 0.5, "million comparisons/s"),
    Row("alignment and contrast", "48 pairs", 10.0, "ms", plain=100.0, note="A."),
]
CURVES = [
    Curve("audio length", "seconds a recording", [0.5, 1, 4, 16, 64],
          {"tokenizing": [9.0, 5.0, None, 2.0, 2.0], "plain": [90.0, 70.0, 60.0, 55.0, None]}, "s an hour of audio"),
    Curve("corpus size", "hours", [1, 10, 100, 1000], {"index": [3.0, 30.0, 290.0, None]}, "peak MiB"),
    Curve("batch", "recordings", [1, 2, 4, 1024], {"tokenizing": [None, 4.0, None, 4.1], "none": [None] * 4}, "s"),
    Curve("codebook size", "tokens", [64, 256, 1024, 4096], {"step": [0.0, 1.0, 1.5, 2.0]}, "ms", log_y=False),
]  # fmt: skip
RESULTS = Results("2025-11-03", {"GPU": "one H200", "CPU cores": 16, "memory_GiB": 127.5}, ROWS, CURVES, ["No TPU."])


def table(page):
    """The cells of the table's rows, without header and rule."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_page_has_each_row_with_its_ratios_and_goal():
    assert table(report.markdown(RESULTS)) == [
        ["training step <sup>1</sup>", "48 pairs of 1 s", "1,600 audio s/s", "16 x", "0.5 x", "40 %",
         ">= 1,500", "yes"],
        ["training step, EM <sup>2</sup>", "48 pairs of 1 s", "1,280 audio s/s", "-", "-", "-",
         ">= 80 % of training step", "no"],
        ["matching \\| edit", "1000 strings", "0.5 million comparisons/s", "-", "-", "-", "-", "-"],
        ["alignment and contrast <sup>1</sup>", "48 pairs", "10 ms", "10 x", "-", "-", "<= 10", "yes"],
    ]  # fmt: skip


def test_a_folder_holds_the_three_files(tmp_path):
    report.write(RESULTS, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["cost.png", "results.json", "results.md"]
    assert (tmp_path / "new" / "results.md").read_text() == report.markdown(RESULTS)
    assert json.loads((tmp_path / "new" / "results.json").read_text()) == dataclasses.asdict(RESULTS)
    # Without curves no picture is written, and one of an earlier run is removed.
    report.write(dataclasses.replace(RESULTS, curves=[]), tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["results.json", "results.md"]
