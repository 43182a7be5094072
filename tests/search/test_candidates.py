"""A large index compares only candidates, and still finds what a scan of all finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.search.collections import HOP, K, found, index, random_strings
from wav2tok.matching import candidates
from wav2tok.search import nearest
from wav2tok.search.collection import Collection


def relatives(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """2,000 strings, ten of each of 200 kinds, and a query of each of 20 kinds."""

    def edited(string: np.ndarray) -> np.ndarray:
        out = string.copy()
        change = rng.random(len(out)) < 0.2
        out[change] = rng.integers(0, K, change.sum())
        return out[rng.random(len(out)) > 0.05]

    kinds = random_strings(rng, 200)
    return [edited(kind) for kind in kinds for _ in range(10)], [edited(kind) for kind in kinds[:20]]


def test_candidates_hold_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    strings, queries = relatives(np.random.default_rng(0))
    both = index(strings)
    scans = [both.search(query) for query in queries]
    monkeypatch.setattr("wav2tok.search.engine.SCAN_RECORDINGS", 0)
    shared = [both.search(query) for query in queries]
    assert {one.method for one in scans} == {"scan"}
    assert {one.method for one in shared} == {"candidates"}
    recall = [len(set(found(a)) & set(found(b))) / 10 for a, b in zip(scans, shared, strict=True)]
    assert np.mean(recall) > 0.99
    assert [one[0] for one in scans] == [one[0] for one in shared]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_candidates_are_those_with_most_votes_for_their_length(seed: int, parts: int, count: int) -> None:
    """Long recordings, removed ones and several segments: as if every recording's votes were added up by itself."""
    rng = np.random.default_rng(seed)
    strings = [rng.integers(0, 6, length) for length in rng.choice([3, 20, 60, 129, 300], 24)]
    several = [index([strings[i] for i in some]) for some in np.array_split(np.arange(24), parts)]
    segments = [segment for one in several for segment in one.collection.segments]
    dead = [np.flatnonzero(rng.random(one.documents) < 0.2) for one in segments]
    whole = Collection(segments, dead, K)
    query = rng.integers(0, 6, 25)
    votes: dict[tuple[int, int], int] = {}
    for unit, vote in zip(*candidates.vote(query, [one.postings for one in segments], K), strict=True):
        part, within = divmod(int(unit), candidates.MAX_UNITS)
        document = int(segments[part].document_of(np.array([within]))[0])
        if document not in dead[part]:
            votes[part, document] = votes.get((part, document), 0) + int(vote)
    scores = [votes[at] / max(len(segments[at[0]].string(at[1])), 25) for at in sorted(votes)]
    expected = [at for at, _ in sorted(zip(sorted(votes), scores, strict=True), key=lambda pair: -pair[1])[:count]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "CANDIDATES", range(count, count + 1))
        got = nearest.candidates(whole, query, 24)
    assert sorted((one.segment, one.document) for one in got) == sorted(expected)


def test_spotting_by_candidates_finds_what_a_scan_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    query = rng.integers(0, K, 20)
    strings = random_strings(rng, 40, 900, 2000)
    places = {3: 100, 17: 640, 22: 0, 30: 880}
    for number, at in places.items():
        strings[number][at : at + 20] = query
        strings[number][at + 7] = (query[7] + 1) % K
    strings[3][400:420] = query  # twice in one recording, across the border of two pieces
    strings[17][1:3] = query[1:3]
    several = index(strings)
    scanned = several.spot(query, 5)
    monkeypatch.setattr("wav2tok.search.engine.SCAN_TOKENS", 0)
    spotted = several.spot(query, 5)
    assert (scanned.method, spotted.method) == ("scan", "candidates")
    assert list(scanned) == list(spotted)
    assert [(hit.path, hit.similarity) for hit in scanned] == [
        ("3", 100),
        ("3", 95),
        ("17", 95),
        ("22", 95),
        ("30", 95),
    ]
    assert [round(hit.start / 2 / HOP) for hit in scanned] == [400, 100, 640, 0, 880]
    assert all(hit.expected_by_chance < 1e-9 for hit in scanned)


def test_where_candidates_are_too_few_all_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wav2tok.search.engine.SCAN_RECORDINGS", 0)
    monkeypatch.setattr("wav2tok.search.engine.SCAN_TOKENS", 0)
    several = index([range(10), range(20, 30), range(40, 50)])
    assert several.search(np.arange(10), 1).method == "candidates"
    assert (several.search(np.arange(10), 3).method, len(several.search(np.arange(10), 3))) == ("scan", 3)
    assert several.spot(np.arange(10), 3).method == "scan"
