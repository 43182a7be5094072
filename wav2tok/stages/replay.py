"""Searches that were served, asked again of another model or index: what ``wav2tok replay`` does.

Tokens of one model mean nothing to another. So a search is asked with its logged tokens where the index is of the model
that made them, and otherwise with its sound, if that was kept.
"""

import collections
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wav2tok.audio.source import Content
from wav2tok.errors import UserError
from wav2tok.search.answers import Match
from wav2tok.search.asked import ANSWERS, Asked, read
from wav2tok.search.index import Index
from wav2tok.search.nearest import Measure
from wav2tok.search.query import tokens_of
from wav2tok.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Changed:
    """A search whose first answer is another one now.

    Attributes:
        time: when it was asked.
        asked_with: ``tokens`` or ``audio``.
        before, after: the first answers; None for none.
        before_distance, after_distance: of them.
        rank: of the former first answer now, from 1; None if it is not among the first `ANSWERS`.
    """

    time: str
    asked_with: str
    before: str | None
    before_distance: float | None
    after: str | None
    after_distance: float | None
    rank: int | None


@dataclass
class Replay:
    """Asks logged searches again.

    Attributes:
        sounds: the folder that ``wav2tok serve --log-audio`` filled; None: there are tokens alone.
        measure: the distance; None: of edits.
        asked: how many searches were asked again.
        changed: how many have another first answer.
        left_out: why others were not asked, and how many.
    """

    index: Index
    tokenizer: Tokenizer
    sounds: Path | None = None
    measure: Measure | None = None
    asked: int = 0
    changed: int = 0
    left_out: collections.Counter[str] = field(default_factory=collections.Counter)

    def run(self, log: Path) -> Iterator[Changed]:
        """The searches of a log whose first answer changed, in their order.

        Raises:
            UserError: the log cannot be read.
        """
        for one in read(log):
            try:
                tokens, how = self._tokens(one)
                answers = self.index.search(tokens, ANSWERS, self.measure)
            except _LeftOut as error:
                self.left_out[str(error)] += 1
                continue
            except UserError:
                self.left_out["too short or unreadable for this model"] += 1
                continue
            self.asked += 1
            found = _compared(one, how, list(answers))
            if found is not None:
                self.changed += 1
                yield found

    def _tokens(self, asked: Asked) -> tuple[np.ndarray, str]:
        """The query of a search for this index, and by what it is known.

        Raises:
            _LeftOut: it is not known.
            UserError: its sound cannot be read.
        """
        if asked.identity == self.index.identity:
            return np.array(asked.tokens, dtype=np.int64), "tokens"
        if asked.sound is None:
            raise _LeftOut("made by another model, and logged without sound")
        path = None if self.sounds is None else self.sounds / asked.sound
        if path is None or not path.is_file():
            raise _LeftOut("made by another model, and the sound is no longer there")
        return tokens_of(Content(path.name, path.read_bytes()), self.tokenizer), "audio"

    @property
    def sentence(self) -> str:
        """How many searches changed, and which were left out."""
        says = f"{self.changed} of {self.asked} searches have another first answer."
        if self.left_out:
            parts = "; ".join(f"{count} {why}" for why, count in self.left_out.most_common())
            says += f" {sum(self.left_out.values())} were not asked: {parts}."
        return says


class _LeftOut(Exception):
    """A search that cannot be asked, and why."""


def _compared(asked: Asked, how: str, answers: list[Match]) -> Changed | None:
    """What changed in the first answer; None if it is the same recording."""
    places = [os.path.abspath(one.path) for one in answers]
    before = os.path.abspath(asked.paths[0]) if asked.paths else None
    if before == (places[0] if places else None):
        return None
    return Changed(
        asked.time,
        how,
        asked.paths[0] if asked.paths else None,
        asked.distances[0] if asked.paths else None,
        answers[0].path if answers else None,
        answers[0].distance if answers else None,
        places.index(before) + 1 if before in places else None,
    )
