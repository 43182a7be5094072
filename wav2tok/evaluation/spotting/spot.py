"""Spotting: finding a spoken word in running speech, where a ``words.tsv`` tells what the recordings hold.

A query is a word cut out of a sentence by its times; the database is every other sentence of the test part. Each
system gives the best span of each sentence; distances are put on one scale per query (`spotting_metrics.z_scores`), so
that one threshold, set on training sentences, decides for all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.audio import decode
from wav2tok.corpus import transcripts
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.transcripts import Word
from wav2tok.errors import UserError
from wav2tok.evaluation.baselines import frames, kmeans
from wav2tok.evaluation.retrieval import metrics as ranked
from wav2tok.evaluation.spotting import metrics
from wav2tok.evaluation.spotting.metrics import Figures, Spotting
from wav2tok.evaluation.systems import Represent
from wav2tok.matching import ranking
from wav2tok.progress import log

if TYPE_CHECKING:
    from wav2tok.evaluation.spotting.kernels import Spans


class TooFewWords(UserError):
    """No word occurs often enough to ask for."""


@dataclass(frozen=True)
class Settings:
    """Which words ask. ``seed`` decides where there are more than enough."""

    min_letters: int = 4
    min_tokens: int = 10
    """Occurrences of the word among the sentences."""
    per_word: int = 10
    """Occurrences of a word that ask, at most."""
    max_queries: int = 1500
    bootstrap: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class Spotter:
    """A named way to spot; ``name`` as in metrics.json, ``label`` as in tables.

    Attributes:
        represent: waveforms float32 [N] -> a value a frame, tokens int [T] (not de-duplicated) or vectors [T, F].
        frame_seconds: from one frame to the next.
        find: representations of Q queries and D sentences -> the best span of each in each.
        context: a query is cut from its sentence's representation instead of from its waveform, so that it is
            represented with its surroundings, which a user's query does not have.
    """

    name: str
    label: str
    represent: Represent
    frame_seconds: float
    find: "Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Spans]"
    context: bool = False


@dataclass(frozen=True)
class Query:
    """A word of sentence ``sentence``."""

    sentence: int
    word: Word


@dataclass(frozen=True)
class Task:
    """Q queries over D sentences.

    Attributes:
        paths: the sentences.
        words: of each sentence.
        queries: the Q words that ask.
        candidates: bool [Q, D], all sentences but the query's own.
        relevant: bool [Q, D], those that hold the word: at least one a query.
    """

    paths: tuple[str, ...]
    words: Sequence[tuple[Word, ...]]
    queries: tuple[Query, ...]
    candidates: np.ndarray
    relevant: np.ndarray


def build(recordings: Recordings, settings: Settings, which: str) -> Task:
    """The queries over ``recordings``, all of which are the database.

    Raises:
        TooFewWords: no word occurs often enough; ``which`` names the part.
        UserError: the transcripts are malformed.
    """
    words = transcripts.read(recordings.paths)
    places: dict[str, list[Query]] = {}
    for sentence, held in enumerate(words):
        for word in held:
            places.setdefault(word.text, []).append(Query(sentence, word))
    texts = [
        text
        for text, found in sorted(places.items())
        if len(found) >= settings.min_tokens
        and sum(letter.isalpha() for letter in text) >= settings.min_letters
        and len({query.sentence for query in found}) > 1
    ]
    if not texts:
        raise TooFewWords(
            f"No word of at least {settings.min_letters} letters occurs {settings.min_tokens} times among the "
            f"{len(words)} {which} sentences; give them a larger share, or split with --group-by none."
        )
    generator = np.random.default_rng(settings.seed)
    chosen = [query for text in texts for query in _draw(places[text], settings.per_word, generator)]
    queries = tuple(_draw(chosen, settings.max_queries, generator))
    candidates = np.ones((len(queries), len(words)), dtype=bool)
    relevant = np.zeros_like(candidates)
    for row, query in enumerate(queries):
        relevant[row, [other.sentence for other in places[query.word.text]]] = True
        candidates[row, query.sentence] = False
    return Task(recordings.paths, words, queries, candidates, relevant & candidates)


def spotters(
    name: str, label: str, frames: Represent, frame_seconds: float, codebook: np.ndarray | None = None
) -> list[Spotter]:
    """A tokenizer's ways to spot: by edit distance, and with its ``codebook`` [K, d] the weighted ones too.

    Args:
        frames: waveforms -> tokens, one a frame (`wav2tok.tokenizer.tokenizer.Tokenizer.encode_frames`), not
        de-duplicated.
    """
    from wav2tok.evaluation.spotting import kernels

    found = [Spotter(name, f"{label}, edit distance", frames, frame_seconds, kernels.edit_spans)]
    if codebook is not None:
        weighted = partial(kernels.weighted_edit_spans, codebook=codebook)
        warped = partial(kernels.centroid_warped_spans, codebook=codebook)
        found += [
            Spotter(f"{name}_weighted", f"{label}, weighted edit distance", frames, frame_seconds, weighted),
            Spotter(f"{name}_centroid_dtw", f"{label}, centroid DTW", frames, frame_seconds, warped),
        ]
    return found


def baseline_spotters(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[Spotter]:
    """k-means of log-mel, learned from the training waveforms, and DTW over log-mel and MFCC frames."""
    from wav2tok.evaluation.spotting import kernels

    bands, hop = frames.log_mel(sample_rate), frames.HOP / sample_rate
    generator = np.random.default_rng(seed)
    centroids = kmeans.kmeans(kmeans.training_frames(bands, train, generator), num_tokens, seed)
    return [
        *spotters("kmeans_logmel", "k-means of log-mel", kmeans.nearest_frames(bands, centroids), hop),
        Spotter("logmel_dtw", "log-mel, DTW", bands, hop, kernels.warped_spans),
        Spotter("mfcc_dtw", "MFCC, DTW", frames.mfcc(sample_rate), hop, kernels.warped_spans),
    ]


def spot_all(
    train: Recordings,
    test: Recordings,
    systems: Sequence[Spotter],
    sample_rate: int,
    settings: Settings,
) -> Spotting:
    """Judge every system.

    Args:
        train: sentences that set the threshold; as many as the test has are drawn.
        test: sentences that no system has seen.
        sample_rate: Hz, of the waveforms that systems take.
        progress: is told what is being done, a line a step.

    Raises:
        UserError: unreadable recordings or transcripts, or a part without words to ask for.
    """
    drawn = np.random.default_rng(settings.seed).permutation(len(train))[: len(test)]
    log.info(f"reading {len(drawn)} training and {len(test)} test sentences")
    asked = _load(build(test, settings, "test"), sample_rate)
    known = _load(build(train.take(sorted(drawn)), settings, "training"), sample_rate)
    result = Spotting(
        text=_text(settings),
        sentences=len(test),
        seconds=float(asked.seconds.sum()),
        queries=len(asked.task.queries),
        words=len({query.word.text for query in asked.task.queries}),
        training_queries=len(known.task.queries),
        bootstrap=settings.bootstrap,
    )
    # Systems that share one represent stand together, so that only one's representations are held.
    order = {key: place for place, key in enumerate(dict.fromkeys(id(system.represent) for system in systems))}
    figures: dict[str, Figures] = {}
    made: tuple[int, list[_Made]] = (0, [])
    for system in sorted(systems, key=lambda system: order[id(system.represent)]):
        log.info(f"spotting {result.queries} words in {result.sentences} sentences: {system.label}")
        if made[0] != id(system.represent):
            made = (id(system.represent), [_represent(system.represent, part) for part in (known, asked)])
        figures[system.name] = _judge(system, (known, asked), made[1], settings)
    result.systems.update((system.name, figures[system.name]) for system in systems)
    return result


@dataclass(frozen=True)
class _Loaded:
    """A task's sentences and the words cut out of them, float32 [N] each; ``seconds`` of the sentences [D]."""

    task: Task
    sentences: list[np.ndarray]
    queries: list[np.ndarray]
    seconds: np.ndarray


@dataclass(frozen=True)
class _Made:
    """What a system makes of a `_Loaded`."""

    sentences: list[np.ndarray]
    queries: list[np.ndarray]


def _load(task: Task, sample_rate: int) -> _Loaded:
    sentences = [decode.read(path, sample_rate) for path in task.paths]
    queries = []
    for query in task.queries:
        cut = slice(round(query.word.start * sample_rate), round(query.word.end * sample_rate))
        queries.append(sentences[query.sentence][cut])
        if not len(queries[-1]):
            raise UserError(
                f"{task.paths[query.sentence]} ends before its word {query.word.text!r} at {query.word.start:g} s; "
                f"mend {transcripts.TABLE} or the recording."
            )
    return _Loaded(task, sentences, queries, np.array([len(wave) / sample_rate for wave in sentences]))


def _represent(represent: Represent, part: _Loaded) -> _Made:
    return _Made(represent(part.sentences), represent(part.queries))


def _judge(system: Spotter, parts: tuple[_Loaded, _Loaded], made: Sequence[_Made], settings: Settings) -> Figures:
    """One system's figures: the threshold from the first part, everything else from the second."""
    known, asked = (part.task for part in parts)
    distances, hits, _ = _trials(system, known, made[0])
    scores = metrics.z_scores(distances, known.candidates)
    threshold = metrics.f1_threshold(scores, known.candidates, known.relevant, hits)
    training = metrics.count(scores, known.candidates, known.relevant, hits, threshold)
    distances, hits, search = _trials(system, asked, made[1])
    scores = metrics.z_scores(distances, asked.candidates)
    counts = metrics.count(scores, asked.candidates, asked.relevant, hits, threshold)
    twv = metrics.twv(scores, asked.candidates, asked.relevant, hits, parts[1].seconds)
    # The same draws of queries for every system and metric, so that they compare.
    draw = partial(np.random.default_rng, settings.seed)
    found = metrics.estimates(counts, twv, settings.bootstrap, draw())
    per_query = ranked.query_scores(ranking.rank(distances, asked.candidates), asked.relevant)
    found |= dict(zip(ranked.METRICS, ranked.bootstrap(per_query[None], settings.bootstrap, draw()), strict=True))
    localized = float(hits.sum() / asked.relevant.sum())
    return Figures(system.label, found, threshold, training.f1, localized, search)


def _trials(system: Spotter, task: Task, made: _Made) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances [Q, D], whether the spans hit [Q, D], and milliseconds a query."""
    queries = _in_context(task, made.sentences, system.frame_seconds) if system.context else made.queries
    system.find(queries[:1], made.sentences[:1])  # numba's compilation is not the search
    started = time.perf_counter()
    spans = system.find(queries, made.sentences)
    search = 1000 * (time.perf_counter() - started) / len(queries)
    hits = np.zeros(task.relevant.shape, dtype=bool)
    for row, query in enumerate(task.queries):
        for d in np.flatnonzero(task.relevant[row] & np.isfinite(spans.distances[row])).tolist():
            truth = np.array([(word.start, word.end) for word in task.words[d] if word.text == query.word.text])
            hits[row, d] = metrics.covers_half(spans.frames[row, d] * system.frame_seconds, truth).any()
    return spans.distances, hits, search


def _in_context(task: Task, sentences: Sequence[np.ndarray], frame_seconds: float) -> list[np.ndarray]:
    """The words' frames of their sentences' representations; at least one."""
    found = []
    for query in task.queries:
        first, last = (round(time / frame_seconds) for time in (query.word.start, query.word.end))
        found.append(sentences[query.sentence][first : max(last, first + 1)])
    return found


def _draw(queries: Sequence[Query], most: int, generator: np.random.Generator) -> list[Query]:
    """At most ``most`` of them, in their order."""
    return [queries[i] for i in sorted(generator.permutation(len(queries))[:most])]


def _text(settings: Settings) -> str:
    return (
        f"words of at least {settings.min_letters} letters that occur at least {settings.min_tokens} times among the "
        f"sentences, up to {settings.per_word} of each, cut out by their times, against every other sentence; "
        "relevant: the sentences that hold the word; each gives its best span"
    )
