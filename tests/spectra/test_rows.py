"""The table on disk against the same table in memory."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.spectra.rows import Rows


@given(data=st.data(), width=st.integers(1, 5))
def test_rows_are_what_was_last_written_there(data: st.DataObject, width: int) -> None:
    rows, expected, number = Rows(None, width), np.empty((0, width), dtype=np.float32), 0
    for n in data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=8)):
        part = np.arange(number, number + n * width, dtype=np.float32).reshape(n, width)
        number += n * width
        first = data.draw(st.none() | st.integers(0, len(expected)))
        rows.write(part, first)
        at = len(expected) if first is None else first
        expected = np.concatenate([expected[:at], part, expected[at + n :]])
        assert rows.count == len(expected)
    begin = data.draw(st.integers(0, len(expected) - 1))
    got = np.empty((data.draw(st.integers(1, len(expected) - begin)), width), dtype=np.float32)
    rows.read(begin, got)
    assert np.array_equal(got, expected[begin : begin + len(got)])


def test_what_the_disk_takes_and_gives_in_pieces_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    pwrite, preadv = os.pwrite, os.preadv
    monkeypatch.setattr(os, "pwrite", lambda file, view, place: pwrite(file, view[:7], place))
    monkeypatch.setattr(os, "preadv", lambda file, views, place: preadv(file, [views[0][:5]], place))
    rows, part = Rows(tmp_path, 3), rng.standard_normal((11, 3)).astype(np.float32)
    rows.write(part)
    got = np.empty_like(part)
    rows.read(0, got)
    assert np.array_equal(got, part)


def test_other_numbers_and_layouts_are_taken(tmp_path: Path) -> None:
    rows, part = Rows(tmp_path, 2), np.arange(8.0).reshape(2, 4).T
    rows.write(part)
    got = np.empty((4, 2), dtype=np.float32)
    rows.read(0, got)
    assert np.array_equal(got, part)


def test_the_file_is_on_the_disk_of_a_folder_that_need_not_exist(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "not" / "yet", 2)
    rows.write(np.ones((3, 2), dtype=np.float32))
    assert list(tmp_path.iterdir()) == []
    assert os.fstat(rows._file.fileno()).st_dev == tmp_path.stat().st_dev


def test_a_machine_without_reading_at_a_place(tmp_path, monkeypatch):
    """Windows: the file moves to the place, for one thread at a time."""
    monkeypatch.delattr(os, "preadv")
    monkeypatch.delattr(os, "pwrite")
    rows, values = Rows(tmp_path, 3), np.arange(30, dtype=np.float32).reshape(10, 3)
    rows.write(values)
    rows.write(values[:2] + 100, first=4)
    found = np.empty((4, 3), dtype=np.float32)
    rows.read(3, found)
    assert np.array_equal(found, [*values[3:4], *(values[:2] + 100), *values[6:7]])
    with pytest.raises(IndexError, match="of 10"):
        rows.read(8, found)
