"""Spotting: finding a spoken word in running speech, where a ``words.tsv`` says which words the recordings contain.

A query is a word cut out of a sentence by its times; the database is every other sentence of the test part. Each
system returns the best span of each sentence. Distances are put on one scale per query
(`wav2tok.evaluation.spotting.metrics.z_scores`), so that one threshold, set on training sentences, serves all queries.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus import transcripts
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.transcripts import Word
from wav2tok.errors import UserError
from wav2tok.evaluation.baselines import frames, kmeans
from wav2tok.evaluation.encoders import tokens_of
from wav2tok.evaluation.retrieval import metrics as ranked
from wav2tok.evaluation.spotting import metrics
from wav2tok.evaluation.spotting.metrics import Figures, Spotting
from wav2tok.evaluation.systems import Represent, Representation, representations
from wav2tok.matching import ranking
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.tokenizer.tokenizer import Tokenizer

if TYPE_CHECKING:
    from wav2tok.evaluation.spotting.kernels import Spans

MIN_LETTERS = 4
"""Words with fewer letters do not ask."""
MIN_TOKENS = 10
"""Words that occur less often among the sentences do not ask."""
PER_WORD = 10
"""At most this many occurrences of a word ask."""
MAX_QUERIES = 1500
# The k-means baseline is fitted on at most this many recordings.
_BASELINE_RECORDINGS = 300


class TooFewWords(UserError):
    """No word occurs often enough to be a query."""


@dataclass(frozen=True)
class Spotter:
    """A named way to spot.

    Attributes:
        name: as in metrics.json.
        label: as in tables.
        represent: gives one value per frame: tokens int [T], not de-duplicated, or vectors [T, F].
        frame_seconds: from one frame to the next.
        find: representations of Q queries and D sentences -> the best span of each query in each sentence.
    """

    name: str
    label: str
    represent: Representation
    frame_seconds: float
    find: "Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Spans]"


@dataclass(frozen=True)
class Query:
    """A word of a sentence, which is an index into `Task.paths`."""

    sentence: int
    word: Word


@dataclass(frozen=True)
class Task:
    """Q queries over D sentences.

    Attributes:
        paths: the sentences.
        words: the words of each sentence.
        queries: the Q words that ask.
        candidates: bool [Q, D], all sentences but the query's own.
        relevant: bool [Q, D], the candidates that contain the word: at least one per query.
    """

    paths: tuple[str, ...]
    words: Sequence[tuple[Word, ...]]
    queries: tuple[Query, ...]
    candidates: np.ndarray
    relevant: np.ndarray


def build(recordings: Recordings, seed: int, which: str) -> Task:
    """The task over ``recordings``, all of which are the database.

    Args:
        seed: chooses the queries where there are more than enough.
        which: names the part in messages, such as "test".

    Raises:
        TooFewWords: no word occurs often enough.
        UserError: the transcripts are malformed.
    """
    words = transcripts.read(recordings.paths)
    occurrences: dict[str, list[Query]] = {}
    for sentence, spoken in enumerate(words):
        for word in spoken:
            occurrences.setdefault(word.text, []).append(Query(sentence, word))
    texts = [
        text
        for text, queries in sorted(occurrences.items())
        if len(queries) >= MIN_TOKENS
        and sum(letter.isalpha() for letter in text) >= MIN_LETTERS
        and len({query.sentence for query in queries}) > 1
    ]
    if not texts:
        raise TooFewWords(
            f"No word of at least {MIN_LETTERS} letters occurs {MIN_TOKENS} times among the {len(words)} {which} "
            "sentences; split the data again with a larger share for them, or without groups."
        )
    generator = np.random.default_rng(seed)
    chosen = [query for text in texts for query in _sample(occurrences[text], PER_WORD, generator)]
    queries = tuple(_sample(chosen, MAX_QUERIES, generator))
    candidates = np.ones((len(queries), len(words)), dtype=bool)
    relevant = np.zeros_like(candidates)
    for row, query in enumerate(queries):
        relevant[row, [other.sentence for other in occurrences[query.word.text]]] = True
        candidates[row, query.sentence] = False
    return Task(recordings.paths, words, queries, candidates, relevant & candidates)


def spotters(
    name: str, label: str, encode_frames: Represent, frame_seconds: float, codebook: np.ndarray | None = None
) -> list[Spotter]:
    """A tokenizer's ways to spot: by edit distance and, given its ``codebook`` [K, d], by the two weighted forms.

    Args:
        encode_frames: waveforms -> one token per frame, not de-duplicated, as by
            `wav2tok.tokenizer.tokenizer.Tokenizer.encode_frames`.
    """
    from wav2tok.evaluation.spotting import kernels

    tokens = Representation(name, encode_frames)
    systems = [Spotter(name, f"{label}, edit distance", tokens, frame_seconds, kernels.edit_spans)]
    if codebook is not None:
        weighted = partial(kernels.edit_spans, codebook=codebook)
        warped = partial(kernels.centroid_warped_spans, codebook=codebook)
        systems += [
            Spotter(f"{name}_weighted", f"{label}, weighted edit distance", tokens, frame_seconds, weighted),
            Spotter(f"{name}_centroid_dtw", f"{label}, centroid DTW", tokens, frame_seconds, warped),
        ]
    return systems


def baseline_spotters(train: Sequence[np.ndarray], num_tokens: int, sample_rate: int, seed: int) -> list[Spotter]:
    """k-means of log-mel, learned from the training waveforms, and DTW over log-mel and MFCC frames."""
    from wav2tok.evaluation.spotting import kernels

    bands, hop = frames.log_mel(sample_rate), frames.HOP / sample_rate
    generator = np.random.default_rng(seed)
    centroids = kmeans.kmeans(kmeans.training_frames(bands, train, generator), num_tokens, seed)
    log_mel, mfcc = Representation("logmel", bands), Representation("mfcc", frames.mfcc(sample_rate))
    return [
        *spotters("kmeans_logmel", "k-means of log-mel", kmeans.nearest_frames(bands, centroids), hop),
        Spotter("logmel_dtw", "log-mel, DTW", log_mel, hop, kernels.warped_spans),
        Spotter("mfcc_dtw", "MFCC, DTW", mfcc, hop, kernels.warped_spans),
    ]


def spot_words(
    train: Recordings,
    test: Recordings,
    tokenizer: Tokenizer,
    untrained: Wav2Tok | None,
    config: Config,
) -> Spotting | None:
    """Evaluate spotting by the tokenizer, as it is served, and by the baselines.

    Args:
        train: sentences that set thresholds and fit the k-means baseline.
        untrained: the encoder with random weights; None omits all baselines.

    Returns:
        None unless all recordings of both parts are transcribed and some word occurs often enough.

    Raises:
        UserError: a malformed transcript or recording.
    """
    if not (transcripts.has_transcripts(train.paths) and transcripts.has_transcripts(test.paths)):
        return None
    rate = tokenizer.sample_rate

    def encode_frames(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode_frames(waves, rate)

    systems = spotters("wav2tok", "wav2tok", encode_frames, tokenizer.frame_seconds, tokenizer.codebook)
    if untrained is not None:
        model = untrained.cpu().eval()

        def random_weights(waves: list[np.ndarray]) -> list[np.ndarray]:
            return tokens_of(model, [features for _, features in tokenizer.encode_with_features(waves)])

        systems += spotters("untrained", "untrained encoder", random_weights, tokenizer.frame_seconds)
        sample = train.take(range(0, len(train), -(-len(train) // _BASELINE_RECORDINGS)))
        waves = [decode.read(path, rate) for path in sample.paths]
        systems += baseline_spotters(waves, tokenizer.num_tokens, rate, config.seed)
    try:
        return spot_all(train, test, systems, rate, bootstrap=config.evaluate.bootstrap, seed=config.seed)
    except TooFewWords as error:
        log.info(f"no spotting: {error}")
        return None


def spot_all(
    train: Recordings,
    test: Recordings,
    systems: Sequence[Spotter],
    sample_rate: int,
    *,
    bootstrap: int,
    seed: int,
) -> Spotting:
    """Evaluate every system.

    Args:
        train: sentences that set the threshold; as many as the test part has are sampled.
        test: sentences that no system was trained on.
        sample_rate: Hz, of the waveforms that systems take.
        bootstrap: number of resamples for the intervals.
        seed: chooses training sentences and queries, and draws the resamples.

    Raises:
        UserError: unreadable recordings or transcripts, or a part in which no word occurs often enough.
    """
    rows = np.random.default_rng(seed).permutation(len(train))[: len(test)]
    log.info(f"reading {len(rows)} training and {len(test)} test sentences")
    test_part = _load(build(test, seed, "test"), sample_rate)
    training_part = _load(build(train.take(sorted(rows)), seed, "training"), sample_rate)
    queries = test_part.task.queries
    figures: dict[str, Figures] = {}
    # System by system of one representation, so that only one's is in memory.
    for name, represent in representations(systems).items():
        parts: list[_Part] = []
        for system in systems:
            if system.represent.name == name:
                log.info(f"spotting {len(queries)} words in {len(test)} sentences: {system.label}")
                parts = parts or [
                    dataclasses.replace(part, sentences=represent(part.sentences), queries=represent(part.queries))
                    for part in (training_part, test_part)
                ]
                figures[system.name] = _evaluate(system, parts[0], parts[1], bootstrap, seed)
    return Spotting(
        text=_text(),
        sentences=len(test),
        seconds=float(test_part.seconds.sum()),
        queries=len(queries),
        words=len({query.word.text for query in queries}),
        training_queries=len(training_part.task.queries),
        bootstrap=bootstrap,
        systems={system.name: figures[system.name] for system in systems},
    )


@dataclass(frozen=True)
class _Part:
    """A task's D sentences, and the words cut out of them: float32 [N] each, or as a system represents them.

    Attributes:
        seconds: of the sentences, float [D].
    """

    task: Task
    sentences: list[np.ndarray]
    queries: list[np.ndarray]
    seconds: np.ndarray


def _load(task: Task, sample_rate: int) -> _Part:
    sentences = [decode.read(path, sample_rate) for path in task.paths]
    queries = []
    for query in task.queries:
        cut = slice(round(query.word.start * sample_rate), round(query.word.end * sample_rate))
        queries.append(sentences[query.sentence][cut])
        if not len(queries[-1]):
            raise UserError(
                f"{task.paths[query.sentence]} ends before its word {query.word.text!r} at {query.word.start:g} s; "
                f"fix {transcripts.TABLE} or the recording."
            )
    return _Part(task, sentences, queries, np.array([len(wave) / sample_rate for wave in sentences]))


def _evaluate(system: Spotter, training: _Part, test: _Part, bootstrap: int, seed: int) -> Figures:
    """One system's figures: the threshold from ``training``, everything else from ``test``, as it represents them."""
    distances, hits, _ = _trials(system, training)
    task = training.task
    threshold, training_f1 = metrics.f1_threshold(
        metrics.z_scores(distances, task.candidates), task.candidates, task.relevant, hits
    )
    distances, hits, search_ms = _trials(system, test)
    task = test.task
    scores = metrics.z_scores(distances, task.candidates)
    # Every system and metric resamples the same queries, so that they can be compared.
    resampling = partial(np.random.default_rng, seed)
    estimates = metrics.estimates(
        scores, task.candidates, task.relevant, hits, threshold, test.seconds, bootstrap, resampling()
    )
    per_query = ranked.query_scores(ranking.rank(distances, task.candidates), task.relevant)
    estimates |= dict(zip(ranked.METRICS, ranked.bootstrap(per_query[None], bootstrap, resampling()), strict=True))
    localized = float(hits.sum() / task.relevant.sum())
    return Figures(system.label, estimates, threshold, training_f1, localized, search_ms)


def _trials(system: Spotter, part: _Part) -> tuple[np.ndarray, np.ndarray, float]:
    """Distances [Q, D], whether the spans hit [Q, D], and milliseconds per query."""
    task = part.task
    system.find(part.queries[:1], part.sentences[:1])  # so that numba compiles before the search is timed
    started = time.perf_counter()
    spans = system.find(part.queries, part.sentences)
    search_ms = 1000 * (time.perf_counter() - started) / len(part.queries)
    hits = np.zeros(task.relevant.shape, dtype=bool)
    for row, query in enumerate(task.queries):
        for d in np.flatnonzero(task.relevant[row] & np.isfinite(spans.distances[row])).tolist():
            truth = np.array([(word.start, word.end) for word in task.words[d] if word.text == query.word.text])
            hits[row, d] = metrics.covers_half(spans.frames[row, d] * system.frame_seconds, truth).any()
    return spans.distances, hits, search_ms


def _sample(queries: Sequence[Query], most: int, generator: np.random.Generator) -> list[Query]:
    """At most ``most`` of the queries, in their order."""
    return [queries[i] for i in sorted(generator.permutation(len(queries))[:most])]


def _text() -> str:
    return (
        f"words of at least {MIN_LETTERS} letters that occur at least {MIN_TOKENS} times among the "
        f"sentences, up to {PER_WORD} of each, cut out by their times, against every other sentence; "
        "relevant: the sentences that hold the word; each gives its best span"
    )
