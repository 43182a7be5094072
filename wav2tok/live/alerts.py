"""Alerts: when something that is looked for occurs in a stream of tokens.

watcher = Watcher({"door.wav": tokens_of("door.wav", tokenizer)}, tokenizer.num_tokens, tokenizer.frame_seconds)
for samples in microphone:
    for alert in watcher.push(stream.push(samples)):
        print(alert)

The matcher and its law of chance are those of `wav2tok.search.index.Index.spot`. An index knows all of its tokens when
it is asked; here the law follows from what was heard so far.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median

import numpy as np

from wav2tok.errors import UserError
from wav2tok.matching.chance import Chance, Source
from wav2tok.matching.infix import Growing, begin_of, distances_to_ends
from wav2tok.matching.strings import deduplicate

SPARE, LONGEST_SECONDS = 1.5, 6.0
"""How much longer than what is looked for a window is, and how long at most: each is encoded four times a second."""
EXPECTED = 0.1
"""Alerts that chance may bring in an hour, by default."""
WAIT_SECONDS = 1.0
"""How long after the beginning of its last token an occurrence is reported at the latest."""
_REMEMBERED = 20_000
"""Tokens that the law of chance rests on: about half an hour; of older ones the distances fade."""
_ENOUGH = 500
"""Until this number of tokens was heard, the queries' tokens in random order are added: more alike than chance is."""
_EVERY = 50
"""Tokens after which the law is fitted again."""


def window_for(seconds: Iterable[float]) -> float:
    """The seconds of a stream to normalise together (`StepStream`), to look for sounds of these lengths.

    A query is normalised by itself, so what it is compared with should hold little else. Of spoken words in a stream of
    words, windows of 1.5 s found 58 % and windows of 2.5 s 45 %, by the same limit.
    """
    return min(SPARE * median(seconds), LONGEST_SECONDS)


@dataclass(frozen=True)
class Alert:
    """An occurrence of a query in a stream; those of one query do not overlap.

    Attributes:
        query: its name.
        start, end: seconds from the beginning of the stream. A last token that is held for more than `WAIT_SECONDS`
            counts for so long.
        similarity: 100 for the query's own string, 0 for nothing in common: 100 (1 - edits / tokens of the query).
        expected: how many occurrences as near as this one an hour of the stream would bring by chance.
    """

    query: str
    start: float
    end: float
    similarity: float
    expected: float


class Watcher:
    """Looks for queries in a growing token string, in constant memory."""

    def __init__(
        self, queries: Mapping[str, np.ndarray], num_tokens: int, frame_seconds: float, expected: float = EXPECTED
    ) -> None:
        """Look for queries.

        Args:
            queries: token strings without repeats, int64 [Q], by name.
            num_tokens: size of the codebook.
            frame_seconds: of a step (`wav2tok.tokenizer.tokenizer.Tokenizer.frame_seconds`).
            expected: alerts that chance may bring per query and hour.

        Raises:
            UserError: ``expected`` is not positive, or a query is so short that chance would bring its own string.
        """
        if not expected > 0:
            raise UserError(f"expected is {expected}; it must be greater than 0.", "expected")
        self._seconds, self._steps, self._last = frame_seconds, 0, -1
        self._num_tokens = num_tokens
        self._heard: deque[int] = deque(maxlen=_REMEMBERED)
        self._tokens: list[int] = []
        self._starts: list[int] = []
        self._dropped = 0
        # A place has at most 2 Q tokens, and is reported when at most 2 Q more were heard.
        self._kept = 4 * max((len(query) for query in queries.values()), default=0) + 2
        hour = round(3600 / frame_seconds)
        warm = _shuffled(list(queries.values()), _ENOUGH)
        self._sought = [_Sought(name, query, warm, num_tokens, hour, expected) for name, query in queries.items()]
        self._warm = warm
        self._refit()

    def push(self, steps: np.ndarray) -> list[Alert]:
        """Hear more steps, int64 [T] with repeats; the alerts that are now certain."""
        out = []
        for token in steps.tolist():
            if token != self._last:
                self._hear(token)
            self._steps += 1
            for one in self._sought:
                out += self._settled(one, WAIT_SECONDS / self._seconds)
        return out

    def close(self) -> list[Alert]:
        """The alerts that are left when the stream has ended."""
        return [alert for one in self._sought for alert in self._settled(one, 0)]

    def _hear(self, token: int) -> None:
        self._last = token
        self._tokens.append(token)
        self._starts.append(self._steps)
        self._heard.append(token)
        end = self._dropped + len(self._tokens)
        for one in self._sought:
            one.hear(token)
            one.look(end, self._tokens, self._dropped)
        if len(self._tokens) > 2 * self._kept:
            gone = len(self._tokens) - self._kept
            del self._tokens[:gone], self._starts[:gone]
            self._dropped += gone
        if end % _EVERY == 0:
            self._refit()

    def _refit(self) -> None:
        heard = np.array(self._heard, dtype=np.int64)
        early = len(heard) < _ENOUGH
        source = _source(np.concatenate([self._warm, heard]) if early else heard, self._num_tokens)
        for one in self._sought:
            one.fit(source, early)

    def _settled(self, one: "_Sought", wait: float) -> list[Alert]:
        """The best place of a query, once no better one can follow that shares tokens with it."""
        out = []
        while one.best is not None:
            best, heard = one.best, self._dropped + len(self._tokens)
            # A token that matches saves an edit, any other costs one. The last token ends where the next begins.
            hurry = self._steps - self._starts[best.last - 1 - self._dropped] >= wait
            if heard - best.last < max(1, 2 * best.edits) and not hurry:
                break
            begin = self._starts[best.first - self._dropped]
            end = self._starts[best.last - self._dropped] if best.last < heard else self._steps
            out.append(one.alert(best, begin * self._seconds, end * self._seconds))
            one.begin(best.last)
            for end in range(best.last + 1, heard + 1):
                one.look(end, self._tokens, self._dropped)
        return out


@dataclass(frozen=True)
class _Place:
    """Where a query occurs: its first token, the one after its last, counted from the stream's first, and the edits."""

    first: int
    last: int
    edits: int

    @property
    def tokens(self) -> int:
        """How many it has."""
        return self.last - self.first


class _Sought:
    """What is known of one query.

    Attributes:
        best: the best place so far that is not reported.
        distances: how often the query was at each distance, int64 [Q + 1].
    """

    def __init__(
        self, name: str, query: np.ndarray, warm: np.ndarray, num_tokens: int, hour: int, expected: float
    ) -> None:
        self.name, self.query, self._hour, self._expected = name, query, hour, expected
        self._everywhere = Growing(query)
        at_warm = distances_to_ends(query, warm, np.array([len(warm)]))
        self._warm = np.bincount(at_warm, minlength=len(query) + 1)
        self.distances = np.zeros_like(self._warm)
        self.begin(0)
        # (In random order tokens follow each other independently.)
        alone = Source(np.bincount(warm, minlength=num_tokens), np.zeros(0, dtype=np.int64))
        by_chance = hour * np.exp(-alone.information(query)) if len(query) else np.inf
        if by_chance > 1:
            raise UserError(
                f"{name} has {len(query)} tokens, and an hour of sound would bring them about {by_chance:.3g} times by "
                "chance, so alerts would mean nothing; use a longer recording.",
                "for",
            )

    def begin(self, place: int) -> None:
        """Look from the token of this number on."""
        self._free, self._forwards = place, Growing(self.query)
        self.best: _Place | None = None
        self._plateau = -1

    def hear(self, token: int) -> None:
        """Learn what chance is like."""
        self.distances[self._everywhere.push(token)] += 1

    def fit(self, source: Source, early: bool) -> None:
        """Fit the law of chance to what was heard, and ``early`` to the queries in random order, too."""
        if self.distances.sum() > _REMEMBERED:
            self.distances //= 2
        distances = self.distances + self._warm if early else self.distances
        law = Chance.of(source.information(self.query), np.repeat(np.arange(len(distances)), distances))
        self._by_chance = law.expected(np.arange(len(distances)), self._hour)
        self._most = int(np.count_nonzero(self._by_chance <= self._expected)) - 1

    def look(self, end: int, tokens: list[int], dropped: int) -> None:
        """Compare the query with what ends before token ``end``; ``tokens`` are the newest, from ``dropped`` on."""
        edits, size = self._forwards.push(tokens[end - 1 - dropped]), len(self.query)
        if edits > self._most or edits >= size:
            return
        nearest = size if self.best is None else self.best.edits
        # Of neighbouring ends of equal cost, the one whose substring's length is nearest to the query's.
        if edits < nearest or (edits == nearest and end == self._plateau + 1):
            self._plateau = end
            before = np.array(tokens[max(0, self._free - dropped) : end - dropped])
            found = _Place(end - begin_of(self.query, before, edits), end, edits)
            if self.best is None or edits < nearest or abs(found.tokens - size) < abs(self.best.tokens - size):
                self.best = found

    def alert(self, place: _Place, start: float, end: float) -> Alert:
        """A place as an alert, with its seconds."""
        similarity = round(100 * (1 - place.edits / len(self.query)), 2)
        by_chance = float(f"{self._by_chance[place.edits]:.3g}")
        return Alert(self.name, round(start, 3), round(end, 3), similarity, by_chance)


def _source(tokens: np.ndarray, num_tokens: int) -> Source:
    return Source.of(np.bincount(tokens, minlength=num_tokens), tokens, np.array([len(tokens)]))


def _shuffled(queries: list[np.ndarray], least: int) -> np.ndarray:
    """At least ``least`` tokens of queries in a fixed random order: int64 [N], no two neighbours equal."""
    every = np.concatenate([*queries, np.zeros(0, dtype=np.int64)])
    rng = np.random.default_rng(0)
    parts = [rng.permutation(every) for _ in range(-(-2 * least // max(1, len(every))))]
    return deduplicate(np.concatenate(parts)) if len(every) else every
