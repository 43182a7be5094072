"""Of long recordings, only the tokens around the match are sent."""

from dataclasses import dataclass

import numpy as np
import pytest

from wav2tok.matching import Tokenized
from wav2tok.service.page import answers
from wav2tok.service.page.collection import Collection, Ready


@dataclass
class Passage:
    """What an index says of a passage."""

    path: str
    start: float
    end: float
    similarity: float


@dataclass
class Whole:
    """What an index says of a recording."""

    path: str
    distance: float
    start: float | None = None


class Step:
    """The part of a tokenizer that an answer needs."""

    frame_seconds = 0.5


@pytest.fixture
def long(tmp_path):
    """A recording of 5,000 tokens, one every half second."""
    rng = np.random.default_rng(0)
    entry = Tokenized(str(tmp_path / "a" / "b.wav"), 2500.0, rng.integers(0, 100, 5000), np.arange(5000))
    return Collection(tmp_path), Ready(Step(), None, [entry], {entry.path: 0}), entry


@pytest.mark.parametrize("first", [0, 100, 3000, 4980])
def test_the_tokens_around_a_passage_are_sent(long, first):
    collection, ready, entry = long
    query = entry.tokens[first : first + 20]
    hit = Passage(entry.path, first / 2, (first + 20) / 2, 100.0)
    found = answers.match(query, hit, collection, ready)
    assert found["alignment"] == {
        "columns": [(t, t) for t in query.tolist()],
        "counts": {"same": 20, "replaced": 0, "ours": 0, "theirs": 0},
    }
    assert len(found["tokens"]) == len(found["times_s"]) == answers.SHOWN
    begin, end = found["shown_s"]
    assert begin <= found["start_s"] < found["end_s"] <= end
    assert found["tokens"] == entry.tokens[int(2 * begin) : int(2 * end)].tolist()
    assert (found["name"], found["group"], found["similarity"]) == ("b", "a", 100.0)


def test_without_a_place_a_match_begins_where_both_begin_to_agree(long):
    collection, ready, entry = long
    found = answers.match(entry.tokens[40:], Whole(entry.path, 0.008), collection, ready)
    assert found["start_s"] == 20.0
    assert found["similarity"] == 99.2
    assert len(found["alignment"]["columns"]) == answers.SHOWN
    assert sum(found["alignment"]["counts"].values()) == 5000


def test_an_empty_string_is_as_far_as_can_be():
    nothing, some = np.array([], dtype=np.int64), np.array([1, 2])
    assert answers.comparison(nothing, some)["distance"] == 1
    assert answers.comparison(some, some)["distance"] == 0
