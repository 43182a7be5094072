"""What changes for those who search when one tokenizer takes the place of another: figures, and changed answers.

Both are asked the same queries (`wav2tok.evaluation.paired.ask`), so every query can be compared with itself.
"""

from dataclasses import dataclass

import numpy as np

from wav2tok.evaluation.paired import Asked
from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate, bootstrap
from wav2tok.matching.ranking import first_ranks, hits


@dataclass(frozen=True)
class Difference:
    """A metric on one kind of view before and after, and the gain with its 95 % interval over queries."""

    kind: str
    metric: str
    before: float
    after: float
    gain: Estimate


@dataclass(frozen=True)
class Changed:
    """A query whose first answer is another one now.

    Attributes:
        query: its row in the answers.
        before, after: the recordings that are the first answers; -1 for none.
        ranks: of the first right answer before and after, from 1; 0 if none was retrieved.
        gain: of the average precision.
    """

    query: int
    before: int
    after: int
    ranks: tuple[int, int]
    gain: float


def differences(before: Asked, after: Asked, draws: int, seed: int) -> list[Difference]:
    """Every metric on every kind of view.

    Args:
        draws: of the bootstrap over queries.
        seed: of the draws.
    """
    found = []
    for kind, scores in after.scores.items():
        old = before.scores[kind]
        gains = bootstrap((scores - old)[None], draws, np.random.default_rng(seed))
        means = zip(METRICS, old.mean(axis=0), scores.mean(axis=0), gains, strict=True)
        found += [Difference(kind, metric, float(was), float(now), gain) for metric, was, now, gain in means]
    return found


def changed(before: Asked, after: Asked) -> list[Changed]:
    """The queries whose first answer changed, under the first view, those that lost most first."""
    old, new = before.answers, after.answers
    ranks = [first_ranks(hits(one.order, one.relevant)) for one in (old, new)]
    kind = next(iter(after.scores))
    precision = METRICS.index("map")
    gains = after.scores[kind][:, precision] - before.scores[kind][:, precision]
    rows = np.flatnonzero(old.order[:, 0] != new.order[:, 0]).tolist()
    return [
        Changed(q, int(old.order[q, 0]), int(new.order[q, 0]), (int(ranks[0][q]), int(ranks[1][q])), float(gains[q]))
        for q in sorted(rows, key=lambda q: (gains[q], q))
    ]


def chosen(changes: list[Changed], most: int) -> list[Changed]:
    """Of the `changed` queries at most ``most``: half from either end of the list."""
    if len(changes) <= most:
        return list(changes)
    lost = most // 2
    return changes[:lost] + changes[lost - most :]
