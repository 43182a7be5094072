"""Tokenizers on the same recordings: the scores of every query, by which `wav2tok.evaluation.promotion` decides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wav2tok.audio import decode
from wav2tok.config.schema import Evaluate
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.gate import JUDGED
from wav2tok.evaluation.retrieval import protocol
from wav2tok.evaluation.retrieval.bench import Bench
from wav2tok.evaluation.retrieval.evaluate import rank
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.result import Answers
from wav2tok.evaluation.retrieval.significance import TESTED
from wav2tok.evaluation.systems import Representation, System
from wav2tok.matching.distances import edit_distances
from wav2tok.tokenizer.strings import Strings
from wav2tok.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Asked:
    """What a tokenizer answers to Q queries, by `wav2tok.evaluation.gate.JUDGED`.

    Attributes:
        answers: under the first view.
        scores: kind of view -> float [Q, M], the `METRICS` in the mean over the views of the kind.
    """

    answers: Answers
    scores: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Measured:
    """What a tokenizer reaches with each of Q queries, by `wav2tok.evaluation.gate.JUDGED`.

    Attributes:
        scores: kind of view -> float [Q], the mean of MRR and MAP over the views of the kind.
        classes: of the queries, [Q]; None for recordings without classes.
    """

    scores: Mapping[str, np.ndarray]
    classes: tuple[str, ...] | None

    @property
    def by_query(self) -> np.ndarray:
        """The mean over the kinds of view, float [Q]."""
        return np.mean([*self.scores.values()], axis=0)

    @property
    def score(self) -> float:
        """The score by which models are compared: the mean of MRR and MAP over queries and kinds of view."""
        return float(self.by_query.mean())


def ask(test: Recordings, tokenizers: Sequence[Tokenizer], settings: Evaluate, seed: int) -> list[Asked]:
    """Ask with every recording of ``test`` under every view, as `wav2tok.evaluation.retrieval.evaluate` does.

    Tokenizers of one sampling rate are asked with the same waveforms. Strings that the report of one has computed are
    taken from the cache (`wav2tok.tokenizer.strings`).

    Args:
        seed: of the views.

    Raises:
        UserError: an unreadable recording, or a protocol that leaves no query.
    """
    task = protocol.build(test, replace(settings, distractors=0))
    found: dict[int, Asked] = {}
    for rate in {tokenizer.sample_rate for tokenizer in tokenizers}:
        kept = {i: Strings(one) for i, one in enumerate(tokenizers) if one.sample_rate == rate}
        # The first has the name that `rank` asks for.
        names = [JUDGED, *(f"{JUDGED}_{place}" for place in range(1, len(kept)))]
        systems = [
            System(name, name, Representation(name, strings.encode), edit_distances)
            for name, strings in zip(names, kept.values(), strict=True)
        ]
        bench = Bench(systems, [decode.read(path, rate) for path in test.paths], [], rate, seed)
        bench.represent()
        answers, scores, _, _ = rank(bench, task, test, names)
        for (i, strings), name in zip(kept.items(), names, strict=True):
            strings.save()
            by_kind = {
                kind: np.mean([scores[view][name] for view in task.views if view.kind == kind], axis=0)
                for kind in task.kinds
            }
            found[i] = Asked(answers[name], by_kind)
    return [found[i] for i in range(len(tokenizers))]


def measure(test: Recordings, tokenizers: Sequence[Tokenizer], settings: Evaluate, seed: int) -> list[Measured]:
    """The scores of what `ask` asks, with the same arguments and errors."""
    columns = [METRICS.index(metric) for metric in TESTED]
    out = []
    for asked in ask(test, tokenizers, settings, seed):
        classes = asked.answers.classes
        by_kind = {kind: scores[:, columns].mean(axis=1) for kind, scores in asked.scores.items()}
        out.append(Measured(by_kind, None if classes is None else tuple(classes[i] for i in asked.answers.query_index)))
    return out
