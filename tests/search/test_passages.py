"""Where in a recording a query is found, and which hits chance would bring."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.search.collections import HOP, K, index, random_strings, recording, tokenizer
from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, runs
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

long_enough = st.lists(st.integers(0, K - 1), min_size=8, max_size=20)


@given(
    query=st.lists(st.integers(0, 9), min_size=5, max_size=8, unique=True),
    before=st.lists(st.integers(10, 20), max_size=10),
    after=st.lists(st.integers(10, 20), max_size=10),
    hold=st.integers(1, 400),
)
@settings(max_examples=60, deadline=None)
def test_spot_finds_the_span_of_a_planted_string(
    query: list[int], before: list[int], after: list[int], hold: int
) -> None:
    planted = recording("planted", before + query + after, hold)
    hits = Index.of(tokenizer(), [recording("other", list(range(30, 50))), planted]).spot(np.array(query), 2)
    assert (hits[0].path, hits[0].similarity) == ("planted", 100)
    assert hits[0].start == pytest.approx(len(before) * hold * HOP, abs=2e-3)
    assert hits[0].end == pytest.approx((len(before) + len(query)) * hold * HOP, abs=2e-3)


def test_a_scrap_is_not_similar() -> None:
    (hit,) = index([[3, 4]]).spot(np.arange(10), 5)
    assert hit.similarity == 20


def test_a_long_recording_answers_with_the_place_inside() -> None:
    rng = np.random.default_rng(0)
    query = rng.integers(0, K, 20)
    long = np.concatenate([rng.integers(0, K, 300), query, rng.integers(0, K, 100)])
    near, far = index([query[:-1], long]).search(query, 2)
    assert (near.path, near.start, near.end) == ("0", None, None)
    assert (far.path, far.start, far.end) == ("1", pytest.approx(600 * HOP), pytest.approx(640 * HOP))


@given(rows=st.lists(st.lists(st.integers(0, 5), max_size=12), min_size=1, max_size=6), query=long_enough)
@settings(max_examples=60, deadline=None)
def test_hits_lie_within_their_recordings_best_first(rows: list[list[int]], query: list[int]) -> None:
    several = index(rows)
    hits = several.spot(np.array(query), 4)
    assert len(hits) <= 4
    assert [h.similarity for h in hits] == sorted((h.similarity for h in hits), reverse=True)
    assert [h.expected_by_chance for h in hits] == sorted(h.expected_by_chance for h in hits)
    for hit in hits:
        assert 0 <= hit.start < hit.end <= several.entries[int(hit.path)].seconds + 1e-3


@pytest.mark.parametrize("query", [[], [3], [3, 4]])
def test_a_query_that_chance_would_bring_is_refused(query: list[int]) -> None:
    several = index(random_strings(np.random.default_rng(0), 400))
    with pytest.raises(UserError, match=rf"the query has {len(query)} tokens.* use a longer recording"):
        several.spot(np.array(query, dtype=np.int64))
    if len(query) < 2:
        with pytest.raises(UserError, match=rf"the query has {len(query)} tokens"):
            several.search(np.array(query, dtype=np.int64))
    assert several.spot(np.arange(8)).method == "scan"


def test_a_query_spoken_within_a_longer_recording_is_found(tiny_model: Path, tiny_corpus: Path) -> None:
    made_by = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    waves = [decode.read(p, 8000) for p in find(tiny_corpus)[::7]]
    frames = made_by.encode_frames([np.concatenate(waves)], 8000)[0]
    starts, _ = runs(frames)
    whole = Tokenized("whole", len(np.concatenate(waves)) / 8000, frames[starts], starts)
    first, last = len(starts) // 3, 2 * len(starts) // 3
    hit = Index.of(made_by, [whole]).spot(whole.tokens[first:last], 1)[0]
    assert hit.similarity == 100
    assert hit.start == pytest.approx(starts[first] * made_by.frame_seconds, abs=1e-3)
    assert hit.end == pytest.approx(starts[last] * made_by.frame_seconds, abs=1e-3)
