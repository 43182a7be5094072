"""How many alignments of a score chance would bring, so that one threshold serves queries of all lengths.

High local scores of unrelated strings grow rarer exponentially (Karlin and Altschul, Methods for Assessing the
Statistical Significance of Molecular Sequence Features, 1990): a score of at least S is expected ``K N exp(-lambda S)``
times among N tokens. With gaps and short queries, ``lambda`` and ``K`` have no formula. They are fitted to the highest
scores of shuffled strings, which keep their tokens and lose their order, at several lengths of the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching.local import Scoring, local_scores

_LENGTHS = (5, 8, 12, 20, 32, 50, 80, 128)
# The share of the chance scores that the law is fitted to: its tail, which a threshold cuts.
_TAIL = 0.02
_ITEMS = 150


@dataclass(frozen=True)
class Chance:
    """The law of chance scores at M lengths of the query.

    Attributes:
        lengths: int [M], of queries, ascending.
        decays: float64 [M], ``lambda`` per unit of score.
        log_densities: float64 [M], ``ln K``, per token of the database.
    """

    lengths: np.ndarray
    decays: np.ndarray
    log_densities: np.ndarray

    @classmethod
    def of(cls, database: Sequence[np.ndarray], by: Scoring, seed: int = 0, queries: int = 200) -> "Chance":
        """Fitted to shuffled strings of a database.

        Args:
            database: token strings, int [L] each.
            by: the scores of the alignments to judge.
            queries: how many are drawn of each length, each against `_ITEMS` strings.

        Raises:
            UserError: there are no tokens.
        """
        generator = np.random.default_rng(seed)
        strings = [np.asarray(tokens, dtype=np.int64) for tokens in database if len(tokens)]
        if not strings:
            raise UserError("There are no tokens in the database, so chance has no scores.")
        items = [generator.permutation(strings[i]) for i in generator.integers(0, len(strings), _ITEMS)]
        tokens = sum(map(len, items))
        laws = []
        for length in _LENGTHS:
            drawn = [_drawn(strings, length, generator) for _ in range(queries)]
            scores = local_scores(drawn, items, by).ravel()
            laws.append(_tail(scores, queries * tokens))
        decays, densities = np.array(laws).T
        return cls(np.array(_LENGTHS), decays, densities)

    def evalue(self, scores: np.ndarray | float, query_length: int, database_tokens: int) -> np.ndarray:
        """The expected number of strings in the database that score as high by chance.

        Beyond the fitted lengths, a longer query has proportionally more chances, and a shorter one counts as the
        shortest.

        Args:
            scores: of local alignments of one query, [D] or a number.
            query_length: number of tokens of the query.
            database_tokens: number of tokens of all strings together.

        Returns:
            float64, of the shape of ``scores``. A query is expected to have one chance hit at ``evalue <= 1``;
            drawn strings have 0 to 2 where gaps are dear or tokens many, up to 5 where gaps are cheap and tokens few,
            because alignments then run through whole strings. Queries of six tokens have 0.05 to 0.5.
        """
        at = np.log(query_length)
        decay = np.interp(at, np.log(self.lengths), self.decays)
        density = np.interp(at, np.log(self.lengths), self.log_densities) + max(0.0, at - np.log(self.lengths[-1]))
        return database_tokens * np.exp(density - decay * np.asarray(scores, dtype=np.float64))


def _drawn(strings: Sequence[np.ndarray], length: int, generator: np.random.Generator) -> np.ndarray:
    """``length`` tokens of a few strings, shuffled: a query with the composition of real ones."""
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < length:
        parts.append(strings[int(generator.integers(len(strings)))])
    return generator.permutation(np.concatenate(parts))[:length]


def _tail(scores: np.ndarray, tokens: int) -> tuple[float, float]:
    """``lambda`` and ``ln K`` of the exponential through the highest scores, int [N], among ``tokens`` tokens."""
    threshold = np.quantile(scores, 1 - _TAIL)
    excess = scores[scores > threshold] - threshold
    if not len(excess):  # the scores of too few strings: all that can be said is that none was higher
        return 1.0, float(np.log(1 / tokens) + threshold)
    decay = float(1 / excess.mean())
    return decay, float(np.log(len(excess) / tokens) + decay * threshold)
