"""The result of an evaluation of retrieval.

Q queries ask among N test recordings. Systems go by their names, and M is the number of
`wav2tok.evaluation.retrieval.metrics.METRICS`.
"""

from dataclasses import dataclass, field

import numpy as np

from wav2tok.evaluation.retrieval.bench import Cost
from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import Estimate
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.significance import Comparison
from wav2tok.evaluation.retrieval.token_use import TokenUse


@dataclass(frozen=True)
class Setting:
    """What was evaluated, and how."""

    protocol: str
    text: str
    """The protocol in words."""
    recordings: int
    queries: int
    left_out: int
    """Recordings that do not ask, because nothing is relevant to them."""
    database: float
    """Candidates per query, on average."""
    bootstrap: int
    num_tokens: int
    labels: dict[str, str]
    """System -> its label."""
    views: tuple[View, ...]
    absent: tuple[str, ...] = ()
    """Labels of the pretrained baselines whose weights are not on disk."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of view, each once, in order."""
        return tuple(dict.fromkeys(view.kind for view in self.views))

    def asked(self, kind: str) -> int:
        """How many queries a kind of view pools."""
        return self.queries * self.factors(kind)

    def factors(self, kind: str) -> int:
        """How many views a kind has."""
        return sum(view.kind == kind for view in self.views)

    @property
    def asked_text(self) -> str:
        """How many queries each kind of view pools, in words."""
        return ", ".join(f"{kind} {self.asked(kind)}" for kind in self.kinds)

    def heading(self, kind: str) -> str:
        """A kind of view with its factors."""
        factors = [view.factor for view in self.views if view.kind == kind]
        return {
            "V": "V: as they are",
            "TS": "TS: time-stretched, tempo " + ", ".join(f"{factor:g}" for factor in factors),
            "PS": "PS: pitch-shifted, semitones " + ", ".join(f"{factor:+g}" for factor in factors),
        }[kind]


@dataclass(frozen=True)
class Judgement:
    """What the systems reach in a variant of the task (`wav2tok.evaluation.retrieval.protocol.Variant`)."""

    queries: int
    database: float
    """Candidates per query, on average."""
    scores: dict[str, dict[str, dict[str, Estimate]]]
    """System -> kind of view -> metric -> estimate, over all views of the kind."""
    distractors: int = 0
    """Synthetic melodies among the candidates."""


@dataclass(frozen=True)
class Answers:
    """What the tokenizer, by plain edit distance, answers to the queries under the first view."""

    paths: tuple[str, ...]
    """The N test recordings."""
    classes: tuple[str, ...] | None
    strings: list[np.ndarray]
    """The tokens of the N test recordings, int [L] each."""
    query_index: np.ndarray
    """int [Q], the recordings that ask."""
    relevant: np.ndarray
    """bool [Q, N], the right answers."""
    asking: list[np.ndarray]
    """The tokens of the Q queries under the first view, int [L] each; those of ``strings`` where that view is V."""
    order: np.ndarray
    """int32 [Q, N], nearest answer first; -1 after the last."""
    distances: np.ndarray
    """float32 [Q, N], also to recordings that are not candidates."""


@dataclass(frozen=True)
class Result:
    """The result of an evaluation of retrieval."""

    setting: Setting
    scores: dict[str, dict[str, dict[str, Estimate]]]
    """System -> kind of view -> metric -> estimate, over all views of the kind."""
    curves: dict[str, Curve]
    """By kind of view: SNR, ROOM, TS, PS."""
    significance: tuple[Comparison, ...]
    """Each of the tokenizer's forms of matching against each baseline."""
    tokens: TokenUse
    cost: dict[str, Cost]
    """By system."""
    answers: Answers
    variants: dict[str, Judgement] = field(default_factory=dict)
    """By name of the variant; empty where the task has none."""
