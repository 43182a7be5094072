"""Assignment, spherical k-means and the compressor against plain loops."""

import math
from itertools import groupby, pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from wav2tok.model.codebook import TOLERANCE, assign, compress, nearest, spherical_kmeans, usage


def directions(n: int, d: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def planted(k: int, each: int, d: int = 8, spread: float = 0.05, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """k orthogonal directions [k, d] and points around them [k * each, d], shuffled."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.linalg.qr(torch.randn(d, d, generator=generator)).Q[:k]
    points = centers.repeat_interleave(each, 0)
    points = F.normalize(points + spread * torch.randn(points.shape, generator=generator), dim=1)
    return centers, points[torch.randperm(len(points), generator=generator)]


def fit(points: torch.Tensor, k: int, iterations: int = 50, start: torch.Tensor | None = None, seed: int = 0):
    return spherical_kmeans(points, k, torch.Generator().manual_seed(seed), iterations, start)[0]


def total_cosine(points: torch.Tensor, centroids: torch.Tensor) -> float:
    return float((points.double() @ centroids.double().T).amax(1).sum())


def test_assign_is_the_codeword_of_the_greatest_cosine() -> None:
    points, codebook = directions(60, 5, 0).reshape(3, 20, 5), directions(7, 5, 1)
    got = assign(points, codebook)
    for b in range(3):
        for t in range(20):
            cosines = [float(F.cosine_similarity(points[b, t], e, dim=0)) for e in codebook]
            assert int(got[b, t]) == max(range(7), key=cosines.__getitem__)


@given(seed=st.integers(0, 999), repeats=st.integers(2, 4))
@settings(max_examples=30, deadline=None)
def test_rounding_chooses_no_token_among_equal_codewords(seed: int, repeats: int) -> None:
    points, distinct = directions(40, 16, seed), directions(5, 16, seed + 1)
    cosines = points @ distinct.repeat(repeats, 1).T
    noise = 4e-7 * (2 * torch.rand(cosines.shape, generator=torch.Generator().manual_seed(seed)) - 1)
    assert torch.equal(nearest(cosines + noise), (points @ distinct.T).argmax(1))


@pytest.mark.parametrize("seed", range(4))
def test_the_objective_never_falls_from_one_iteration_to_the_next(seed: int) -> None:
    points = directions(300, 6, seed)
    totals = [total_cosine(points, fit(points, 9, n, seed=seed)) for n in range(16)]
    assert all(b >= a - 1e-4 for a, b in pairwise(totals))
    assert totals[-1] > totals[0] + 1


def test_rounds_end_when_little_is_left_to_gain_and_the_mean_cosine_is_told() -> None:
    points = directions(3000, 6, 0)
    generator = torch.Generator()
    told = [spherical_kmeans(points, 9, generator.manual_seed(0), n)[1] for n in range(1, 60)]
    done = next(n for n in range(1, len(told)) if told[n] == told[n - 1])
    gains = [b - a for a, b in pairwise(told[:done])]
    assert all(gain >= TOLERANCE for gain in gains[:-1])
    assert 0 <= gains[-1] < TOLERANCE
    # The fit returned for round n is that of the centroids of the round before.
    for n in (2, 3):
        before = spherical_kmeans(points, 9, generator.manual_seed(0), n - 1)[0]
        assert told[n - 1] == pytest.approx(total_cosine(points, before) / len(points), abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_planted_directions_are_recovered(seed: int) -> None:
    centers, points = planted(6, 40, seed=seed)
    cosine = centers @ fit(points, 6, seed=seed).T
    assert sorted(cosine.argmax(1).tolist()) == list(range(6))
    assert cosine.amax(1).min() > 0.99


def test_centroids_are_normalised_means_of_their_points() -> None:
    points = directions(200, 5, 3)
    centroids = fit(points, 6)
    index = assign(points, centroids)
    for k in range(6):
        assert torch.allclose(centroids[k], F.normalize(points[index == k].mean(0), dim=0), atol=1e-5)


def test_a_warm_start_keeps_the_ids() -> None:
    _, points = planted(6, 40)
    before = fit(points, 6)
    moved = F.normalize(points + 0.02 * torch.randn(points.shape, generator=torch.Generator().manual_seed(9)), dim=1)
    # Another seed: what is drawn must not matter to a warm start.
    after = fit(moved, 6, start=before, seed=5)
    assert (before @ after.T).argmax(1).tolist() == list(range(6))
    assert torch.equal(assign(points, before), assign(points, after))


def test_a_centroid_without_points_moves_to_the_worst_fitting_one() -> None:
    centers, points = planted(4, 30)
    start = torch.stack([centers[0], centers[1], centers[2], -centers[:3].sum(0)])
    centroids = fit(points, 4, start=start)
    assert torch.bincount(assign(points, centroids), minlength=4).min() > 0
    assert (centers @ centroids.T).amax(1).min() > 0.99


def test_the_same_generator_gives_the_same_centroids() -> None:
    points = directions(200, 5, 0)
    assert torch.equal(fit(points, 8, seed=3), fit(points, 8, seed=3))
    assert not torch.equal(fit(points, 8, seed=3), fit(points, 8, seed=4))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_fewer_points_than_centroids(n: int) -> None:
    points = directions(n, 4, 0)
    centroids = fit(points, 8)
    assert torch.allclose(centroids.norm(dim=1), torch.ones(8), atol=1e-5)
    assert total_cosine(points, centroids) == pytest.approx(n, abs=1e-4)


def test_opposite_points_leave_a_centroid_of_unit_length() -> None:
    e = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert torch.allclose(fit(e, 1, start=torch.tensor([[0.0, 1.0]])).norm(dim=1), torch.ones(1))


@given(
    rows=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=5),
    junk=st.integers(0, 3),
)
@settings(max_examples=100, deadline=None)
def test_compress_is_groupby(rows: list[list[int]], junk: int) -> None:
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [junk] * (longest - len(row)) for row in rows])
    strings, lengths = compress(tokens, torch.tensor([len(row) for row in rows]))
    expected = [[token for token, _ in groupby(row)] for row in rows]
    assert [s[:n].tolist() for s, n in zip(strings, lengths.tolist(), strict=True)] == expected
    assert strings.shape[1] == max(map(len, expected))
    assert all(not s[n:].any() for s, n in zip(strings, lengths.tolist(), strict=True))


@given(counts=st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any))
def test_usage_by_its_formula(counts: list[int]) -> None:
    used, perplexity = usage(torch.tensor(counts))
    p = [c / sum(counts) for c in counts if c]
    assert used == pytest.approx(len(p) / len(counts))
    assert perplexity == pytest.approx(math.exp(-sum(x * math.log(x) for x in p)))
