"""The oracles against brute force over all paths, and against rapidfuzz."""

import itertools
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tests.oracles import cells_on_cheapest_paths, compressed, edit_distance, negative_log_likelihood, warping_costs

STRINGS = st.lists(st.integers(0, 3), max_size=7)


@cache
def paths(n: int, m: int) -> list[tuple[tuple[int, int], ...]]:
    """Every way from (0, 0) to (n - 1, m - 1) by steps (1, 0), (0, 1) and (1, 1)."""
    if min(n, m) == 0:
        return []
    before = [*paths(n - 1, m), *paths(n, m - 1), *paths(n - 1, m - 1)] if n * m > 1 else [()]
    return [(*path, (n - 1, m - 1)) for path in before]


@given(n=st.integers(1, 5), m=st.integers(1, 5), levels=st.sampled_from([2, 4, 2**20]), seed=st.integers(0, 999))
def test_warping_is_the_least_over_all_paths(n: int, m: int, levels: int, seed: int) -> None:
    """Few levels make many paths equally cheap."""
    cost = np.random.default_rng(seed).integers(0, levels, (n, m)) / levels
    costs = {path: sum(cost[cell] for cell in path) for path in paths(n, m)}
    least = min(costs.values())
    assert warping_costs(cost)[-1, -1] == pytest.approx(least)
    cheapest = {cell for path, total in costs.items() if total == least for cell in path}
    assert cells_on_cheapest_paths(cost) == sorted(cheapest)


@given(STRINGS, STRINGS)
def test_edit_distance_is_rapidfuzz(a: list[int], b: list[int]) -> None:
    assert edit_distance(a, b) == Levenshtein.distance(a, b)


@given(frames=st.integers(1, 8), tokens=STRINGS.filter(bool), seed=st.integers(0, 999))
def test_the_likelihood_is_the_sum_over_all_paths(frames: int, tokens: list[int], seed: int) -> None:
    """Over every way to cut the frames into as many stretches as there are tokens."""
    string = compressed(tokens)
    scores = torch.randn(frames, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    log_p = scores.log_softmax(1)
    alignments = []
    for cuts in itertools.combinations(range(1, frames), len(string) - 1):
        ends = zip((0, *cuts), (*cuts, frames), string, strict=True)
        alignments.append(sum(log_p[t, token] for begin, end, token in ends for t in range(begin, end)))
    expected = -torch.stack(alignments).logsumexp(0) if alignments else torch.zeros((), dtype=torch.float64)
    assert negative_log_likelihood(log_p, string).item() == pytest.approx(expected.item(), rel=1e-10)
