"""Whether the tokenizer's lead over a baseline is more than the luck of which recordings were tested.

Fisher's randomisation test, paired: if two systems were alike, each recording's difference could as well have had the
other sign. The p is how often random signs give a mean as far from zero as the one found. ranx has this test, but draws
its signs on threads that no seed reaches, so that no two runs agree; it takes seconds a pair, and it can say p = 0.
Here all pairs are one matrix product, and the found signs count as a draw, so that p is never too small.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate, bootstrap

TESTED = ("mrr", "map")
# Corrected for a hundred comparisons, the smallest p must still be small.
DRAWS = 100_000
# Signs held at once: 32 MB.
_SIGNS_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Comparison:
    """A form of the tokenizer against a baseline, on one kind of view by one metric.

    Attributes:
        difference: ours minus theirs, with the 95 % bootstrap interval of that difference.
        p: two-sided.
        p_holm: corrected for all comparisons that were made beside it.
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
    """Every form against every baseline, for every kind of view and each of `TESTED`.

    Args:
        scores: kind of view -> system -> float [R, M], a recording's mean over its views of the kind.
        draws: of the bootstrap.
        seed: of the bootstrap, whose draws of recordings are those of every other interval, and of the signs.
    """
    pairs = [(f, b, kind, m) for kind in scores for f in forms for b in baselines for m in TESTED]
    if not pairs:
        return ()
    column = list(METRICS).index
    differences = np.stack([(scores[k][f] - scores[k][b])[:, column(m)] for f, b, k, m in pairs], axis=1)
    found = bootstrap(differences[None], draws, np.random.default_rng(seed))
    p = randomisation(differences, DRAWS, np.random.default_rng(seed))
    corrected = holm(p)
    return tuple(Comparison(*pair, found[i], float(p[i]), float(corrected[i])) for i, pair in enumerate(pairs))


def randomisation(differences: np.ndarray, draws: int, generator: np.random.Generator) -> np.ndarray:
    """Fisher's paired randomisation test of a mean of zero, two-sided.

    Args:
        differences: float [R, C]: C comparisons on the same R recordings. They share the signs.
        draws: of random signs.
        generator: decides them.

    Returns:
        float [C]; at least ``1 / (draws + 1)``.
    """
    recordings = len(differences)
    # Sums that differ by rounding alone are the same sum.
    least = np.abs(differences.sum(axis=0)) - 1e-9
    reached = np.ones(differences.shape[1])
    size = max(1, _SIGNS_AT_ONCE // recordings)
    for start in range(0, draws, size):
        count = min(size, draws - start)
        signs = generator.integers(0, 2, (count, recordings), dtype=np.int8) * 2.0 - 1.0
        reached += (np.abs(signs @ differences) >= least).sum(axis=0)
    return reached / (draws + 1)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction of C values, float [C]: the chance of any false discovery stays below the level."""
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected
