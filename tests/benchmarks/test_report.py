"""The report of a benchmark: numbers that survive the way through JSON, a page and a table that tell them right."""

import dataclasses
import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib import image

from benchmarks import report
from benchmarks.report import Curve, Results
from wav2tok.errors import UserError
from wav2tok.speed.table import Row

ROWS = [
    Row("training step, recipe staged", "48 pairs of 1 s", 3100.0, 100.0, 1550.0, 4000.0, ">= 25 x plain", True, "A."),
    Row("tokenizing", "1 h in 10 s", 12345.0, 500.0, None, 20000.0, ">= 70 % of the floor", False, "B."),
    Row("matching | edit", "1000 strings", 0.5, None, None, None),
    Row("export", "1 recording", 24.7, 1.0, 100.0, None, ">= 25 x plain", False, "A."),
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


def test_json_round_trip(tmp_path):
    report.write(RESULTS, tmp_path)
    assert report.read(tmp_path / "results.json") == RESULTS


@pytest.mark.parametrize("text", ["[]", "{}", '{"rows": [{"part": 1}], "curves": []}', "not json"])
def test_a_file_of_something_else_is_told(text, tmp_path):
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(UserError, match=r"results\.json"):
        report.read(tmp_path / "results.json")


def test_the_page_has_each_row_with_its_ratios():
    assert table(report.markdown(RESULTS)) == [
        ["training step, recipe staged <sup>1</sup>", "48 pairs of 1 s", "3,100", "31 x", "2 x", "77.5 %",
         ">= 25 x plain", "yes"],
        ["tokenizing <sup>2</sup>", "1 h in 10 s", "12,300", "24.7 x", "-", "61.7 %", ">= 70 % of the floor", "no"],
        ["matching \\| edit", "1000 strings", "0.5", "-", "-", "-", "-", "-"],
        ["export <sup>1</sup>", "1 recording", "24.7", "24.7 x", "0.247 x", "-", ">= 25 x plain", "no"],
    ]  # fmt: skip


def test_the_page_around_its_table():
    page = report.markdown(RESULTS)
    order = ["# ", "2025-11-03", "GPU: one H200; CPU cores: 16; memory GiB: 127.5.", "| part |", "\n1. A.\n2. B.\n",
             "- No TPU.", "](cost.png)"]  # fmt: skip
    places = [page.index(piece) for piece in order]
    assert places == sorted(places)
    assert page.count("A.") == 1  # two rows share the note
    bare = report.markdown(Results("2025-11-03", {}, [], [], []))
    assert "cost.png" not in bare
    assert "Not measured" not in bare


def test_a_folder_holds_the_three_files(tmp_path):
    report.write(RESULTS, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["cost.png", "results.json", "results.md"]
    assert (tmp_path / "new" / "results.md").read_text() == report.markdown(RESULTS)


def test_a_failure_leaves_the_old_files(tmp_path, monkeypatch):
    report.write(RESULTS, tmp_path)
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(results, path):
        path.write_bytes(b"half")
        raise RuntimeError("no ink")

    later = dataclasses.replace(RESULTS, date="2026-01-01")
    with monkeypatch.context() as patch:
        patch.setattr(report, "plot", fail)
        with pytest.raises(RuntimeError, match="no ink"):
            report.write(later, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old
    # What JSON has no word for is refused, and nothing else is written then either.
    with pytest.raises(ValueError, match="JSON"):
        report.write(dataclasses.replace(later, machine={"load": float("nan")}), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


def test_without_curves_no_picture_stays(tmp_path):
    report.write(RESULTS, tmp_path)
    report.write(dataclasses.replace(RESULTS, curves=[]), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", "results.md"]
    with pytest.raises(ValueError, match="no curve"):
        report.plot(dataclasses.replace(RESULTS, curves=[]), tmp_path / "cost.png")


@pytest.mark.parametrize(("count", "height"), [(1, 450), (2, 450), (3, 900), (4, 900)])
def test_the_picture(count, height, tmp_path):
    report.plot(dataclasses.replace(RESULTS, curves=CURVES[:count]), tmp_path / "cost.png")
    pixels = image.imread(tmp_path / "cost.png")
    assert pixels.shape[:2] == (height, 1400)
    assert pixels[..., :3].std() > 0.01


def test_panels():
    empty = Curve("nothing", "x", [1, 2], {"a": [None, None]}, "y")
    panels = report._figure([*CURVES, empty]).axes
    assert [axes.get_title() for axes in panels] == ["Audio length", "Corpus size", "Batch", "Codebook size"]
    assert [axes.get_xscale() for axes in panels] == ["log"] * 4
    assert [axes.get_yscale() for axes in panels] == ["log", "log", "log", "linear"]
    assert [text.get_text() for text in panels[3].get_xticklabels()] == ["64", "256", "1,024", "4,096"]
    # A line without values is not in the legend.
    assert [text.get_text() for text in panels[2].get_legend().get_texts()] == ["tokenizing"]


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=12), st.sampled_from([1, 2, 5]))
@example([1.0, 1.0000001], 1)
@example([2.0], 1)
@example([float(2**n) for n in range(12)], 2)
@settings(max_examples=15, deadline=None)
def test_labels_touch_nothing(x, lines):
    """Labels of ticks keep apart, and the legend stands above every point."""
    values = [1.0 + i for i in range(len(x))]
    curve = Curve("batch", "recordings", x, {f"a line with a name {n}": values for n in range(lines)}, "s")
    figure = report._figure([curve, curve])
    figure.set_dpi(100)
    figure.canvas.draw()
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
    assert boxes
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))
    top = axes.transData.transform((x[0], max(values)))[1]
    assert axes.get_legend().get_window_extent().y0 > top


def test_a_line_has_a_value_for_each_size():
    with pytest.raises(ValueError, match="plain has 1 values for 2 sizes"):
        Curve("batch", "recordings", [1, 2], {"plain": [1.0]}, "s")
