"""Local alignment: how well the best stretch of one string matches the best stretch of another.

Smith and Waterman, Identification of Common Molecular Subsequences, 1981, with affine gaps (Gotoh, 1982). It serves
words inside silence or sentences: what stands before and after the best stretch costs nothing.

Scores are whole numbers, `UNIT` for a token with itself. They are therefore the same on every processor, and
`wav2tok.matching.chance` says how many alignments of a score chance would bring.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching.distances import empty_last, flatten, unit_rows

UNIT = 64
"""The score of a token with itself."""


@dataclass(frozen=True)
class Scoring:
    """What an alignment gains and loses, in `UNIT`.

    Attributes:
        substitution: int32 [K, K], symmetric, `UNIT` on the diagonal; negative on average, or else the longest
            alignment would be the best.
        opening: what the first token of a gap costs.
        extension: what each further token of a gap costs.
    """

    substitution: np.ndarray
    opening: int
    extension: int


def scoring(codebook: np.ndarray, level: float = 0.3, opening: float = 0.25, extension: float = 0.25) -> Scoring:
    """Scores from the codebook's geometry: ``(cos - zero) / (1 - zero)``, so 1 for a token with itself, 0 at ``zero``.

    ``zero`` lies ``level`` of the way from the mean cosine of different tokens to 1. Unrelated tokens then score below
    0 on average, as they do by log-odds (Altschul, Amino Acid Substitution Matrices, 1991).

    Args:
        codebook: [K, d]; rows need not be of unit length.
        level, opening, extension: measured on spoken words, where affine gaps are no better than linear ones.
    """
    unit = unit_rows(codebook)
    cosines = unit @ unit.T
    zero = zero_of(cosines, level)
    scores = np.rint(UNIT * (cosines - zero) / max(1.0 - zero, 1e-12))
    np.fill_diagonal(scores, UNIT)
    return Scoring(np.clip(scores, -4 * UNIT, UNIT).astype(np.int32), round(UNIT * opening), round(UNIT * extension))


def zero_of(cosines: np.ndarray, level: float) -> float:
    """The cosine that scores 0, ``level`` of the way from the mean off the diagonal of ``cosines`` [K, K] to 1."""
    different = ~np.eye(len(cosines), dtype=bool)
    mean = float(cosines[different].mean()) if len(cosines) > 1 else 0.0
    return mean + level * (1.0 - mean)


def local_scores(queries: Sequence[np.ndarray], database: Sequence[np.ndarray], by: Scoring) -> np.ndarray:
    """The score of the best local alignment of every pair, 0 where nothing matches.

    Args:
        queries, database: Q and D token strings, int [L] each.

    Returns:
        int64 [Q, D].
    """
    try:
        from wav2tok.matching import kernels
    except ModuleNotFoundError as error:
        raise UserError(f'local alignment needs {error.name}: pip install "wav2tok[evaluate]"') from None
    if not len(queries) or not len(database):
        return np.zeros((len(queries), len(database)), dtype=np.int64)
    flat_q, ends_q = flatten(queries)
    flat_d, ends_d = flatten(database)
    return kernels.local_alignment(flat_q, ends_q, flat_d, ends_d, by.substitution, by.opening, by.extension)


def local_distances(
    queries: Sequence[np.ndarray], database: Sequence[np.ndarray], codebook: np.ndarray, by: Scoring | None = None
) -> np.ndarray:
    """One minus the score over the geometric mean of the two lengths: in [0, 1], ``inf`` where a string is empty.

    A string scores `UNIT` per token with itself, so that short and long strings compare.

    Args:
        queries, database: Q and D token strings, int [L] each.
        codebook: [K, d]; rows need not be of unit length.
        by: None stands for ``scoring(codebook)``.

    Returns:
        float64 [Q, D].
    """
    return relative(local_scores(queries, database, by or scoring(codebook)), queries, database)


def relative(scores: np.ndarray, queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Scores [Q, D] as distances: one minus the score over the geometric mean of the two lengths."""
    lengths = np.outer([max(len(tokens), 1) for tokens in queries], [max(len(tokens), 1) for tokens in database])
    return empty_last(1.0 - scores / (UNIT * np.sqrt(lengths)), queries, database)
