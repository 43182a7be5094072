"""Alerts in streams of tokens whose occurrences are known, and in real sound."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance
from wav2tok.errors import UserError
from wav2tok.live.alerts import _REMEMBERED, Alert, Watcher, window_for
from wav2tok.live.stream import StepStream
from wav2tok.matching import deduplicate
from wav2tok.search.query import query_of

K, STEP = 64, 0.05


def noise(seed: int, size: int) -> np.ndarray:
    """Tokens by chance, from 16 on: the queries here have others."""
    return np.random.default_rng(seed).integers(16, K, size)


def query(seed: int, size: int = 10) -> np.ndarray:
    return deduplicate(np.random.default_rng(seed).integers(0, 16, 2 * size))[:size]


def watched(watcher: Watcher, steps: np.ndarray, cuts: list[int]) -> list[Alert]:
    """All alerts of a stream that comes in pieces."""
    return [alert for part in np.split(steps, sorted(cuts)) for alert in watcher.push(part)] + watcher.close()


@given(
    gaps=st.lists(st.integers(12, 60), min_size=1, max_size=6),
    held=st.integers(1, 5),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_each_occurrence_is_reported_once_with_its_place(gaps, held, cuts):
    sought, steps, places = query(1), [], []
    for seed, gap in enumerate(gaps):
        steps += noise(seed, gap).tolist()
        places.append((len(steps), len(steps) + held * len(sought)))
        steps += np.repeat(sought, held).tolist()
    steps += noise(99, 12).tolist()
    found = watched(Watcher({"q": sought}, K, STEP), np.array(steps), cuts)
    assert [(one.query, one.similarity) for one in found] == [("q", 100.0)] * len(gaps)
    assert [(one.start, one.end) for one in found] == [
        (pytest.approx(begin * STEP), pytest.approx(end * STEP)) for begin, end in places
    ]
    assert all(0 < one.expected < 1e-3 for one in found)


@settings(max_examples=50)
@given(
    steps=st.lists(st.integers(0, 5), max_size=120).map(np.array),
    size=st.integers(6, 12),
    cuts=st.lists(st.integers(0, 120), max_size=3),
)
def test_alerts_of_a_query_do_not_overlap_and_are_as_near_as_they_say(steps, size, cuts):
    steps, sought = steps.astype(np.int64), query(3, size) % 6
    sought = deduplicate(sought)
    watcher = Watcher({"q": sought}, 4096, STEP, expected=1e3)  # a large codebook: chance brings little
    found = watched(watcher, steps, cuts)
    assert found == watched(Watcher({"q": sought}, 4096, STEP, expected=1e3), steps, [])
    assert all(one.end <= following.start for one, following in pairwise(found))
    for one in found:
        first, last = round(one.start / STEP), round(one.end / STEP)
        edits = edit_distance(sought.tolist(), deduplicate(steps[first:last]).tolist())
        assert one.similarity == round(100 * (1 - edits / len(sought)), 2)


def test_an_occurrence_with_edits_is_found_and_is_less_similar():
    sought = query(1)
    sung = np.delete(np.insert(sought, 3, 40), 8)
    (one,) = watched(Watcher({"q": sought}, K, STEP), np.concatenate([noise(0, 600), sung, noise(1, 60)]), [])
    assert one.similarity == 80.0
    (exact,) = watched(Watcher({"q": sought}, K, STEP), np.concatenate([noise(0, 600), sought, noise(1, 60)]), [])
    assert exact.expected < one.expected < 0.1


def test_a_held_last_token_delays_no_alert_by_more_than_a_second():
    sought = query(1)
    sung = np.delete(sought, 4)
    watcher = Watcher({"q": sought}, K, STEP)
    assert watcher.push(np.concatenate([noise(0, 600), sung])) == []  # one more token might be nearer
    assert len(watcher.push(np.full(round(1 / STEP), sung[-1]))) == 1


def test_two_queries_are_told_apart():
    one, two = query(1), query(2)
    steps = np.concatenate([noise(0, 40), one, noise(1, 40), two, noise(2, 40)])
    assert [alert.query for alert in watched(Watcher({"two": two, "one": one}, K, STEP), steps, [])] == ["one", "two"]


def test_what_chance_brings_is_about_what_is_expected():
    """An hour of tokens by chance, and three queries; the law may be wrong by a factor of three."""
    size, hour = 8, round(3600 / STEP)
    queries = {str(seed): query(seed, size) for seed in range(3)}
    steps = np.random.default_rng(5).integers(0, 16, hour)
    for expected, least in ((3.0, 0), (100.0, 3)):
        found = watched(Watcher(queries, 16, STEP, expected), steps, [])
        late = [alert for alert in found if alert.start > 600]
        assert least <= len(late) <= 3 * 3 * expected


def test_nothing_grows_with_the_stream():
    watcher = Watcher({"q": query(1)}, K, STEP)
    for seed in range(8):
        watcher.push(noise(seed, _REMEMBERED // 4))
        assert len(watcher._tokens) == len(watcher._starts) <= 2 * (4 * 10 + 2)
        assert len(watcher._heard) <= _REMEMBERED
        assert all(one.distances.sum() <= _REMEMBERED + 50 for one in watcher._sought)


def test_what_means_nothing_is_refused():
    with pytest.raises(UserError, match=r"q has 2 tokens, and an hour of sound would bring them about"):
        Watcher({"q": np.array([1, 2])}, 4, STEP)
    with pytest.raises(UserError, match="greater than 0"):
        Watcher({"q": query(1)}, K, STEP, expected=0.0)


def test_melodies_are_found_where_they_are_sung(humming, sung, concert):
    wave, places = concert
    queries = [query_of(path, humming) for path in sorted(sung.glob("*/singer02_01.flac"))]
    stream = StepStream(humming, window=window_for(one.seconds for one in queries))
    watcher = Watcher({one.path: one.tokens for one in queries}, humming.num_tokens, humming.frame_seconds)
    found = watcher.push(np.concatenate([stream.push(wave), stream.close()])) + watcher.close()
    for one, (name, begin, end) in zip(queries, places, strict=True):
        best = max((alert for alert in found if alert.query == one.path), key=lambda alert: alert.similarity)
        assert f"/{name}/" in one.path
        assert min(end, best.end) - max(begin, best.start) > 0.7 * (end - begin)
        assert best.expected < 1e-6
