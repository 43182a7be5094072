"""Drift: how far new recordings are from those that a model was made with, and how far is too far.

New recordings are compared with the profile of the model (`wav2tok.evaluation.profile`): by the Jensen-Shannon
divergence of their tokens and of their pairs of successive tokens (Lin 1991, in bits, 0 to 1), and by the population
stability index of their lengths, token rates and levels.

Two halves of one corpus differ as well, because speakers differ. So each figure has a bound: groups of the profile are
drawn again and again, as many recordings as are new, and compared with the others in the same way. Only what is beyond
nearly all of these draws is drift.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from wav2tok.config.schema import Drift
from wav2tok.errors import UserError
from wav2tok.evaluation.profile import Traits

BINS = 10
"""Bins of the population stability index: tenths of the profile's values."""
MEASURES = ("seconds", "tokens_per_second", "level_dbfs", "snr_db")
"""The numbers of a recording whose distributions are compared."""
FEWEST = 10
"""The fewest recordings that can be compared."""


@dataclass(frozen=True)
class Figure:
    """One comparison: its value, and the bound that nearly all draws from the profile stay below."""

    name: str
    value: float
    bound: float

    @property
    def drifted(self) -> bool:
        """Whether the value is beyond the bound."""
        return self.value > self.bound


@dataclass(frozen=True)
class Result:
    """All figures of a comparison, and how many recordings and groups were compared."""

    figures: tuple[Figure, ...]
    recordings: tuple[int, int]
    """In the profile, and new."""
    groups: tuple[int, int]

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the figures that are beyond their bounds."""
        return tuple(figure.name for figure in self.figures if figure.drifted)


def divergence(first: np.ndarray, second: np.ndarray) -> float:
    """The Jensen-Shannon divergence of two sets of counts, in bits: 0 for equal shares, 1 for nothing in common.

    Args:
        first, second: counts of the same things, [N] each. Without any on one side there is nothing to compare: 0.
    """
    if not first.any() or not second.any():
        return 0.0
    p, q = first / first.sum(), second / second.sum()
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [np.where(share > 0, share * np.log2(share / middle), 0.0).sum() for share in (p, q)]
    return float(max(0.0, sum(parts) / 2))


def stability(first: np.ndarray, second: np.ndarray) -> float:
    """The population stability index of two sets of counts: the sum of (p - q) ln(p / q); 0 for equal shares.

    Half a count is added to each, so that an empty bin does not make it infinite.

    Args:
        first, second: counts of the same bins, [N] each.
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (first, second))
    return float(((p - q) * np.log(p / q)).sum())


def compare(profile: Sequence[Traits], new: Sequence[Traits], num_tokens: int, settings: Drift, seed: int) -> Result:
    """Compare new recordings with a profile.

    The bounds hold for all figures together (Bonferroni). They are wide where the profile has few groups, and at most
    half of the profile is drawn, so more new recordings than that are compared with a bound that is a little too wide.

    Raises:
        UserError: fewer than `FEWEST` recordings on either side, or none with two tokens.
    """
    for which, some in (("the profile has", profile), ("there are", new)):
        if len(some) < FEWEST:
            raise UserError(f"{which} {len(some)} recordings to compare; drift needs at least {FEWEST}.")
        if not any(len(one.tokens) > 1 for one in some):
            raise UserError("no recording has two tokens, so there is nothing to compare; name longer recordings.")
    rng = np.random.default_rng(seed)
    tables = _tables([*profile, *new], len(profile), num_tokens)
    groups = np.array([one.group for one in profile])
    old = np.arange(len(profile))
    added = np.arange(len(profile), len(profile) + len(new))
    drawn = min(len(new), len(profile) // 2)
    draws: list[list[float]] = []
    for _ in range(settings.draws):
        chosen = _of_groups(groups, drawn, rng)
        draws.append([measure(np.flatnonzero(~chosen), np.flatnonzero(chosen)) for measure in tables.values()])
    level = 1 - (1 - settings.confidence) / len(tables)
    bounds = np.quantile(draws, level, axis=0)
    figures = [
        Figure(name, measure(old, added), float(bound))
        for (name, measure), bound in zip(tables.items(), bounds, strict=True)
    ]
    counts = len(set(groups)), len({one.group for one in new})
    return Result(tuple(figures), (len(profile), len(new)), counts)


def token_counts(recordings: Sequence[Traits], num_tokens: int) -> np.ndarray:
    """How often each token occurs, int [K]."""
    return np.bincount([token for one in recordings for token in one.tokens], minlength=num_tokens)


Measure = Callable[[np.ndarray, np.ndarray], float]
"""(numbers of recordings, numbers of others) -> how far they are apart."""


def _tables(recordings: Sequence[Traits], of_profile: int, num_tokens: int) -> Mapping[str, Measure]:
    """What measures each figure. Bins and counts are made once, and summed for each draw."""

    def by(counts: csr_matrix | np.ndarray, distance: Callable[[np.ndarray, np.ndarray], float]) -> Measure:
        def measure(first: np.ndarray, second: np.ndarray) -> float:
            return distance(*(np.asarray(counts[rows].sum(axis=0), dtype=float).ravel() for rows in (first, second)))

        return measure

    strings = [np.array(one.tokens, dtype=np.int64) for one in recordings]
    pairs = [string[:-1] * num_tokens + string[1:] for string in strings]
    tables = {"tokens": by(_counts(strings), divergence), "token_pairs": by(_counts(pairs), divergence)}
    for name in MEASURES:
        values = np.array([getattr(one, name) for one in recordings])
        edges = np.unique(np.quantile(values[:of_profile], np.linspace(0, 1, BINS + 1)[1:-1]))
        tables[name] = by(np.eye(len(edges) + 1)[np.searchsorted(edges, values, side="right")], stability)
    return tables


def _counts(strings: Sequence[np.ndarray]) -> csr_matrix:
    """How often each thing occurs in each string, sparse [R, things]."""
    things, column = np.unique(np.concatenate(strings), return_inverse=True)
    row = np.repeat(np.arange(len(strings)), [len(string) for string in strings])
    ones = np.ones(len(column), dtype=np.int64)
    return csr_matrix((ones, (row, column)), shape=(len(strings), len(things)))


def _of_groups(groups: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Which recordings are drawn, bool [R]: ``wanted`` or a few more, of whole groups, but never all groups.

    Where there is one group, single recordings are drawn.

    Args:
        groups: of the recordings, [R].
    """
    order = rng.permutation(np.unique(groups))
    chosen = np.zeros(len(groups), dtype=bool)
    if len(order) == 1:
        chosen[rng.permutation(len(groups))[:wanted]] = True
        return chosen
    for group in order[:-1]:
        chosen |= groups == group
        if chosen.sum() >= wanted:
            break
    return chosen
