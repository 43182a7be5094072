"""A real LanceDB table: its candidates, ranked, are the answers of the index."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.search.collections import K, index, random_strings
from wav2tok.errors import UserError
from wav2tok.search.elsewhere import lance
from wav2tok.search.elsewhere.documents import documents, ranked


@pytest.fixture
def lancedb() -> Any:
    return pytest.importorskip("lancedb", reason="lancedb is not installed (pip install --group engines)")


def test_its_answers_are_those_of_the_index(tmp_path: Path, lancedb: Any) -> None:
    rng = np.random.default_rng(0)
    kinds = random_strings(rng, 30)

    def edited(string: np.ndarray) -> np.ndarray:
        return np.where(rng.random(len(string)) < 0.15, rng.integers(0, K, len(string)), string)

    made = index([edited(kind) for kind in kinds for _ in range(10)])
    place = str(tmp_path / "table")
    assert lance.export(made, place) == 300
    told = lancedb.connect(place).open_table(lance.TABLE).schema.metadata
    assert told == {b"model": b"models:/wav2tok/one", b"identity": b"one"}
    for kind in kinds:
        query = edited(kind)
        found = lance.candidates(place, query, K, 100)
        answers = [(one.path, round(distance, 4)) for one, distance in ranked(query, found)]
        expected = [(one.path, one.distance) for one in made.search(query)]
        # (Of recordings at one distance the index takes the first, and the table in its own order.)
        assert [distance for _, distance in answers] == [distance for _, distance in expected]
        last = expected[-1][1]
        assert {one for one in answers if one[1] < last} == {one for one in expected if one[1] < last}


@pytest.mark.usefixtures("lancedb")
def test_a_table_is_written_again(tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    lance.export(index([[1, 2, 3], [4, 5, 6]]), place)
    made = index([[7, 8, 9]])
    assert lance.export(made, place) == 1
    assert lance.candidates(place, np.array([7, 8, 9]), K) == list(documents(made))


@pytest.mark.usefixtures("lancedb")
def test_an_empty_index_makes_an_empty_table(tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    assert lance.export(index([]), place) == 0
    assert lance.candidates(place, np.array([7, 8, 9]), K) == []


def test_without_lancedb_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(UserError, match="needs lancedb"):
        lance.export(index([[1, 2, 3]]), str(tmp_path / "table"))
    assert not (tmp_path / "table").exists()
