"""Whether the tokenizer's lead over a baseline exceeds the sampling error of the test set.

Fisher's paired randomisation test: if two systems were equally good, each recording's difference could just as well
have had the other sign. p is how often random signs give a mean as far from zero as the observed one. ranx has this
test too, but it draws signs on threads that no seed reaches, so no two runs agree; it takes seconds per pair, and its
p can be 0. Here all pairs are one matrix product, and the observed signs count as one draw, so that p is never too
small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate, bootstrap

TESTED = ("mrr", "map")
# Enough for the smallest p to stay small after the correction for a hundred comparisons.
DRAWS = 100_000
# Signs in memory at once: 32 MB.
_SIGNS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """A form of the tokenizer against a baseline, on one kind of view by one metric.

    Attributes:
        difference: ours minus theirs, with the 95 % bootstrap interval of that difference.
        p: two-sided.
        p_holm: p corrected for the number of comparisons made.
    """

    system: str
    baseline: str
    kind: str
    metric: str
    difference: Estimate
    p: float
    p_holm: float


def compare(
    scores: Mapping[str, Mapping[str, np.ndarray]],
    forms: Sequence[str],
    baselines: Sequence[str],
    draws: int,
    seed: int,
) -> tuple[Comparison, ...]:
    """Compare every form with every baseline, for every kind of view and each metric of `TESTED`.

    Args:
        scores: kind of view -> system -> float [R, M], each recording's mean over its views of that kind.
        draws: of the bootstrap.
        seed: of the bootstrap, which resamples the same recordings as every other interval, and of the signs.
    """
    pairs = [(f, b, kind, m) for kind in scores for f in forms for b in baselines for m in TESTED]
    if not pairs:
        return ()
    column = METRICS.index
    differences = np.stack([(scores[k][f] - scores[k][b])[:, column(m)] for f, b, k, m in pairs], axis=1)
    estimates = bootstrap(differences[None], draws, np.random.default_rng(seed))
    p = randomisation(differences, DRAWS, np.random.default_rng(seed))
    corrected = holm(p)
    return tuple(Comparison(*pair, estimates[i], float(p[i]), float(corrected[i])) for i, pair in enumerate(pairs))


def randomisation(differences: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Fisher's paired randomisation test of a mean of zero, two-sided.

    Args:
        differences: float [R, C]: C comparisons on the same R recordings. They share the signs.
        draws: number of draws of random signs.
        generator: draws the signs.

    Returns:
        float [C]; at least ``1 / (draws + 1)``.
    """
    recordings = len(differences)
    # Sums that differ only by rounding count as equal.
    least = np.abs(differences.sum(axis=0)) - 1e-9
    reached = np.ones(differences.shape[1])
    size = max(1, _SIGNS_AT_ONCE // recordings)
    for start in range(0, draws, size):
        count = min(size, draws - start)
        signs = generator.integers(0, 2, (count, recordings), dtype=np.int8) * 2.0 - 1.0
        reached += (np.abs(signs @ differences) >= least).sum(axis=0)
    return reached / (draws + 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of C values, float [C]; it bounds the chance of any false discovery by the level."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
