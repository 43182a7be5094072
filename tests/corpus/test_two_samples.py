"""Distances of two samples against oracles, and bounds that hold without a difference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from wav2tok.corpus.two_samples import BINS, bounds, by, divergence, occurrences, stability, tenths

counts = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any)


@given(counts, counts)
def test_the_divergence_is_the_square_of_the_distance_in_bits(first, second):
    oracle = jensenshannon(first, second, base=2) ** 2
    assert divergence(np.array(first), np.array(second)) == pytest.approx(oracle, abs=1e-12)


@given(counts, counts)
def test_the_stability_index_is_symmetric_and_zero_only_for_equal_shares(first, second):
    p, q = np.array(first), np.array(second)
    assert stability(p, q) == pytest.approx(stability(q, p))
    assert (stability(p, q) > 0) == (abs((p + 0.5) / (p + 0.5).sum() - (q + 0.5) / (q + 0.5).sum()).max() > 1e-12)


def test_the_stability_index_of_two_bins():
    shares = (30.5 / 101, 70.5 / 101), (60.5 / 101, 40.5 / 101)
    expected = sum((p - q) * np.log(p / q) for p, q in zip(*shares, strict=True))
    assert stability(np.array([30, 70]), np.array([60, 40])) == pytest.approx(expected)


def test_tenths_hold_a_tenth_each_of_the_first_sample_and_whatever_the_second_has():
    table = tenths(np.concatenate([np.arange(100.0), np.full(7, 1e6)]), 100)
    assert table[:100].sum(axis=0).tolist() == [100 / BINS] * BINS
    assert table[100:].sum(axis=0).tolist() == [0] * (BINS - 1) + [7]


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1), min_size=1))
def test_occurrences_count_each_thing_in_each_set(sets):
    things = sorted({thing for some in sets for thing in some})
    expected = [[some.count(thing) for thing in things] for some in sets]
    assert occurrences([np.array(some) for some in sets]).toarray().tolist() == expected


def test_a_bound_is_what_the_share_of_the_draws_stays_below_and_groups_stay_together():
    seen = []

    def share(rest, chosen):
        seen.append((set(rest.tolist()), set(chosen.tolist())))
        return len(seen)

    groups = np.repeat([0, 1, 2, 3], 5)
    (bound,) = bounds([share], groups, 7, 100, 0.9, np.random.default_rng(0))
    assert bound == pytest.approx(np.quantile(np.arange(1, 101), 0.9))
    for rest, chosen in seen:
        assert rest | chosen == set(range(20))
        assert len(chosen) == 10  # two groups of five: the fewest with at least seven
        assert {number // 5 for number in rest}.isdisjoint(number // 5 for number in chosen)


def test_where_there_is_one_group_single_recordings_are_drawn():
    sizes = by(np.ones((20, 1)), lambda rest, chosen: float(chosen[0]))
    assert bounds([sizes], np.zeros(20), 7, 10, 1.0, np.random.default_rng(0)) == [7.0]
