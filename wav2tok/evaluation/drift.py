"""Drift: how far new recordings are from those that a model was made with, and how far is too far.

New recordings are compared with the profile of the model (`wav2tok.evaluation.profile`): by the Jensen-Shannon
divergence of their tokens, of their pairs of successive tokens and of the distances to the nearest codewords, and by
the population stability index of their lengths, token rates and levels. Each figure has a bound, drawn from the groups
of the profile (`wav2tok.corpus.two_samples`): what is beyond it is drift.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.config.schema import Drift
from wav2tok.corpus.two_samples import Measure, bounds, by, divergence, occurrences, stability, tenths
from wav2tok.errors import UserError
from wav2tok.evaluation.profile import Traits

MEASURES = ("seconds", "tokens_per_second", "level_dbfs", "snr_db")
"""The numbers of a recording whose distributions are compared."""
DISTANCE = "codeword_distance"
"""The figure of the distances to the nearest codewords, which profiles of earlier releases lack."""
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
    def has_distances(self) -> bool:
        """Whether the distances to the nearest codewords could be compared."""
        return any(figure.name == DISTANCE for figure in self.figures)

    @property
    def drifted(self) -> tuple[str, ...]:
        """The names of the figures that are beyond their bounds."""
        return tuple(figure.name for figure in self.figures if figure.drifted)


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
    level = 1 - (1 - settings.confidence) / len(tables)
    limits = bounds(list(tables.values()), groups, drawn, settings.draws, level, rng)
    figures = [
        Figure(name, measure(old, added), bound) for (name, measure), bound in zip(tables.items(), limits, strict=True)
    ]
    counts = len(set(groups)), len({one.group for one in new})
    return Result(tuple(figures), (len(profile), len(new)), counts)


def token_counts(recordings: Sequence[Traits], num_tokens: int) -> np.ndarray:
    """How often each token occurs, int [K]."""
    return np.bincount([token for one in recordings for token in one.tokens], minlength=num_tokens)


def _tables(recordings: Sequence[Traits], of_profile: int, num_tokens: int) -> Mapping[str, Measure]:
    """What measures each figure."""
    strings = [np.array(one.tokens, dtype=np.int64) for one in recordings]
    pairs = [string[:-1] * num_tokens + string[1:] for string in strings]
    tables = {"tokens": by(occurrences(strings), divergence), "token_pairs": by(occurrences(pairs), divergence)}
    if all(one.distances for one in recordings):
        tables[DISTANCE] = by(np.array([one.distances for one in recordings]), divergence)
    for name in MEASURES:
        values = np.array([getattr(one, name) for one in recordings])
        tables[name] = by(tenths(values, of_profile), stability)
    return tables
