"""The retrieval protocols: which recordings ask, which may answer, and which answers are right.

| protocol | query | database | relevant |
|---|---|---|---|
| words | each test recording as it is (V) | test recordings of other groups (speakers) | same class |
| hums | each test take as it is (V), time-stretched (TS), pitch-shifted (PS) | other takes, untouched | same class |
| self | each recording, time-stretched (TS), pitch-shifted (PS) | all recordings, untouched | the one it came from |

In the protocol hums, where a group (a singer, or a recording that several takes were cut from) has several takes of one
class, the takes of the query's own group are left out, as in words: they would give the answer away. The variant
``all_takes`` has them in.

Recordings without any relevant item in the database do not ask; they are counted.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from wav2tok.config.schema import Evaluate
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError

Protocol = Literal["words", "hums", "self"]

_OWN_LEFT_OUT = "; takes of the query's own singer or source recording are left out"

_TEXTS = {
    "words": "each test recording against the test recordings of other speakers; relevant: the same class",
    "hums": "each test take, as it is (V), time-stretched (TS) and pitch-shifted (PS), against the other takes as they "
    "are; relevant: the same class",
    "self": "each test recording, time-stretched (TS) and pitch-shifted (PS), against all test recordings as they are; "
    "relevant: the one it was made from",
}


@dataclass(frozen=True)
class View:
    """One way to change a recording before it asks.

    ``factor`` is the tempo for TS, the semitones for PS, and 0 for V (unchanged). SNR, in decibels above babble, and
    ROOM, the same in a reverberant room (infinite without babble), occur only in robustness curves
    (`wav2tok.evaluation.retrieval.curves`).
    """

    kind: Literal["V", "TS", "PS", "SNR", "ROOM"]
    factor: float = 0.0

    @property
    def how(self) -> str:
        """How the queries sound, in words."""
        return {
            "V": "as they are",
            "TS": f"at tempo {self.factor:g}",
            "PS": f"shifted by {self.factor:+g} semitones",
            "SNR": f"{self.factor:g} dB above babble",
            "ROOM": "in a room" + f", {self.factor:g} dB above babble" * math.isfinite(self.factor),
        }[self.kind]


@dataclass(frozen=True)
class Training:
    """The classes of a training.

    Attributes:
        known: those of its training part. A class that is not among them was never heard.
        heard: those of its pairs. Validation may have held out some of ``known`` (``train.unheard_validation``): such
            a class was not heard, but it had a part in the choice of the epoch, so it is not never heard either.
    """

    known: Collection[str]
    heard: Collection[str]


@dataclass(frozen=True)
class Variant:
    """Some of a task's queries, or the task under another rule: judged like the task, and reported beside it.

    Attributes:
        name: its key in files, one of `wav2tok.report.names.VARIANTS`.
        queries: int [q], the recordings that ask.
        candidates: bool [q, N], the recordings that may answer.
        relevant: bool [q, N], the right answers: at least one per query, all of them candidates.
        distractors: how many synthetic melodies may answer besides the candidates.
    """

    name: str
    queries: np.ndarray
    candidates: np.ndarray
    relevant: np.ndarray
    distractors: int = 0

    @property
    def database(self) -> float:
        """Candidates per query, on average."""
        return float(self.candidates.sum(axis=1).mean()) + self.distractors


@dataclass(frozen=True)
class Task:
    """A retrieval task over N recordings.

    Attributes:
        text: the protocol in words.
        queries: int [Q], the recordings that ask.
        candidates: bool [Q, N], the recordings that may answer.
        relevant: bool [Q, N], the right answers: at least one per query, all of them candidates.
        views: each query asks once under each view.
        left_out: the number of recordings that do not ask, because nothing in the database is relevant to them.
        variants: what is judged beside it.
    """

    protocol: Protocol
    text: str
    queries: np.ndarray
    candidates: np.ndarray
    relevant: np.ndarray
    views: tuple[View, ...]
    left_out: int
    variants: tuple[Variant, ...] = field(default=())

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of view, each once, in order: V, TS, PS or some of them."""
        return tuple(dict.fromkeys(view.kind for view in self.views))


def choose(recordings: Recordings) -> Protocol:
    """The protocol that fits the data.

    It is "words" where a group has several recordings of one class: takes of the same voice would make retrieval too
    easy. Windows that were cut from one recording count as one.
    """
    if recordings.classes is None:
        return "self"
    takes = {(one.group, one.label, one.source or one.path) for one in recordings}
    return "words" if len({take[:2] for take in takes}) < len(takes) else "hums"


def leaves_own_out(recordings: Recordings, settings: Evaluate) -> bool:
    """Whether `build` leaves out the takes of the query's own group, although the protocol is hums.

    It does where some group has several takes of a class, and some class takes of several groups.
    """
    if recordings.classes is None or _protocol(recordings, settings) != "hums":
        return False
    same_group, same_class = _equal(recordings.groups), _equal(recordings.classes)
    several = same_group & same_class & ~np.eye(len(recordings), dtype=bool)
    return bool(several.any() and (same_class & ~same_group).any())


def _protocol(recordings: Recordings, settings: Evaluate) -> Protocol:
    return choose(recordings) if settings.protocol == "auto" else settings.protocol


def build(recordings: Recordings, settings: Evaluate, training: Training | None = None) -> Task:
    """The task by ``settings.protocol``, or by the protocol that fits the data if that is "auto".

    Args:
        training: which classes a training heard, which gives the variants ``heard`` and ``never_heard``.

    Raises:
        UserError: the protocol needs classes and there are none, or no query has a relevant item.
    """
    if settings.protocol != "auto" and recordings.classes is None:
        raise UserError(
            f"evaluate.protocol is {settings.protocol!r}, which needs classes, but the test data is a list; "
            "set it to auto."
        )
    protocol, own_left_out = _protocol(recordings, settings), leaves_own_out(recordings, settings)
    text = _TEXTS[protocol] + _OWN_LEFT_OUT * own_left_out
    candidates = ~np.eye(len(recordings.paths), dtype=bool)
    if protocol == "self":
        candidates[:] = True
        relevant = np.eye(len(recordings.paths), dtype=bool)
    else:
        candidates &= True if protocol == "hums" and not own_left_out else ~_equal(recordings.groups)
        relevant = candidates & _equal(recordings.classes or ())
    queries = np.flatnonzero(relevant.any(axis=1))
    if not len(queries):
        raise UserError(
            f"None of the {len(recordings.paths)} test recordings has a relevant one in the {protocol} protocol "
            f"({text}); add test recordings or set evaluate.protocol."
        )
    views = (
        *([View("V")] if protocol != "self" else []),
        *([View("TS", tempo) for tempo in settings.tempos] if protocol != "words" else []),
        *([View("PS", float(step)) for step in settings.semitones] if protocol != "words" else []),
    )
    if not views:
        raise UserError("evaluate.tempos and evaluate.semitones are both empty, so there is nothing to ask with.")
    left_out = len(recordings.paths) - len(queries)
    whole = Variant("", queries, candidates[queries], relevant[queries])
    variants = [] if training is None else _by_hearing(whole, recordings, training)
    if protocol == "hums" and [variant.name for variant in variants] == ["never_heard"]:
        variants = []  # hums are mostly tested on songs that training lacks, and then that says nothing more
    if own_left_out:
        variants.append(_all_takes(recordings))
    if protocol == "hums" and settings.distractors:
        variants.append(replace(whole, name="distractors", distractors=settings.distractors))
    return Task(
        protocol,
        text,
        queries,
        whole.candidates,
        whole.relevant,
        views,
        left_out,
        tuple(variants),
    )


def _all_takes(recordings: Recordings) -> Variant:
    """Every take against all others, those of its own group among them."""
    candidates = ~np.eye(len(recordings), dtype=bool)
    relevant = candidates & _equal(recordings.classes or ())
    queries = np.flatnonzero(relevant.any(axis=1))
    return Variant("all_takes", queries, candidates[queries], relevant[queries])


def _by_hearing(whole: Variant, recordings: Recordings, training: Training) -> list[Variant]:
    """The queries of heard and of never-heard classes, each searched among all recordings; none if all were heard."""
    if recordings.classes is None:
        return []
    asked = [recordings.classes[i] for i in whole.queries]
    never = np.array([label not in training.known for label in asked])
    if not never.any():
        return []
    heard = np.array([label in training.heard for label in asked])
    return [_some(name, whole, rows) for name, rows in (("heard", heard), ("never_heard", never)) if rows.any()]


def _some(name: str, whole: Variant, rows: np.ndarray) -> Variant:
    """The queries ``rows`` (bool [Q]) of a variant."""
    return Variant(name, whole.queries[rows], whole.candidates[rows], whole.relevant[rows])


def _equal(names: tuple[str, ...]) -> np.ndarray:
    """Which pairs of names are equal, bool [N, N]."""
    index = np.unique(np.array(names), return_inverse=True)[1]
    return index[:, None] == index[None, :]
