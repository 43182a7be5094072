"""Evaluation of retrieval: every system on every view of the test recordings, by one protocol.

Test recordings are read once and kept. A view is made and represented while the one before it is matched, and then
freed, so memory holds the test recordings and their representations, and those of two views. Systems are fitted on
training recordings alone: `learn` is not given any others.
"""

from collections.abc import Collection, Iterator, Sequence
from functools import partial

import numpy as np

from wav2tok.audio import decode, rooms
from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation.baselines import pretrained
from wav2tok.evaluation.baselines.all import baseline_systems
from wav2tok.evaluation.retrieval import curves, distractors, metrics, protocol, significance, token_use
from wav2tok.evaluation.retrieval.bench import Bench
from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate
from wav2tok.evaluation.retrieval.protocol import Task, Variant, View
from wav2tok.evaluation.retrieval.result import Answers, Judgement, Result, Setting
from wav2tok.evaluation.systems import (
    FORMS,
    UNTRAINED,
    Represent,
    Representation,
    System,
    is_selected,
    tokenizer_systems,
)
from wav2tok.matching import ranking
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.transposed import is_transposable
from wav2tok.progress import counted, log

# The k-means baselines are fitted on at most this many recordings: more than their frames are sampled from.
_KMEANS_RECORDINGS = 1000
# Babble is mixed from at most this many recordings.
_BABBLE_RECORDINGS = 60


def evaluate(
    train: Recordings,
    test: Recordings,
    encode: Represent,
    codebook: np.ndarray,
    untrained_encode: Represent | None,
    config: Config,
    training: protocol.Training | None = None,
) -> Result:
    """Evaluate a tokenizer and the baselines.

    Args:
        train: fits the baselines, and gives the voices of the babble in the robustness curves.
        test: recordings that no system was trained on.
        encode: waveforms float32 [N] at ``data.sample_rate`` -> de-duplicated tokens, int [L].
        codebook: [K, d].
        untrained_encode: the same by an encoder with random weights; None omits that baseline.
        config: that of the tokenizer, with the ``evaluate`` of this evaluation.
        training: which classes the tokenizer heard; None: those of ``train``.

    Raises:
        UserError: an unreadable recording, an empty training set, a protocol that leaves no query, or an unknown
            baseline.
    """
    heard = frozenset(train.classes or ())
    task = protocol.build(test, config.evaluate, training or protocol.Training(heard, heard))
    if not train.paths:
        raise UserError("There are no training recordings, which the baselines are fitted on; split the data again.")
    log.info(f"reading {counted(len(test.paths), 'test recording')}; protocol {task.protocol}: {task.text}")
    waveforms = [decode.read(path, config.data.sample_rate) for path in test.paths]
    systems, voices = learn(train, encode, codebook, untrained_encode, config)
    bench = Bench(systems, waveforms, voices, config.data.sample_rate, config.seed)
    bench.represent()
    wanted = max((variant.distractors for variant in task.variants), default=0)
    if wanted:
        bench.distract(distractors.synthesize(wanted, config.data.sample_rate, config.seed))
    by_system, query_scores, of_variants, changed = rank(bench, task, test)
    answers = by_system[FORMS[0]]
    pooled = _pooled(task, query_scores)
    return Result(
        setting=Setting(
            protocol=task.protocol,
            text=task.text,
            recordings=len(waveforms),
            queries=len(task.queries),
            left_out=task.left_out,
            database=float(task.candidates.sum(axis=1).mean()),
            bootstrap=config.evaluate.bootstrap,
            num_tokens=len(codebook),
            labels={system.name: system.label for system in systems},
            views=task.views,
            absent=tuple(
                pretrained.LABELS[name] for name in pretrained.absent() if is_selected(name, config.evaluate.baselines)
            ),
        ),
        scores=_judged(pooled, config),
        curves=curves.measure(task, config.evaluate, config.seed, query_scores, partial(ask, bench, task)),
        significance=significance.compare(
            {kind: {name: scores.mean(axis=0) for name, scores in by_name.items()} for kind, by_name in pooled.items()},
            FORMS,
            [system.name for system in systems if system.name not in FORMS],
            config.evaluate.bootstrap,
            config.seed,
        ),
        tokens=token_use.measure(
            answers.strings,
            bench.seconds,
            len(codebook),
            task.queries,
            same=task.relevant & (task.protocol != "self"),
            other=task.candidates & ~task.relevant,
            views=changed,
        ),
        cost={system.name: bench.cost(system) for system in systems},
        answers=answers,
        variants={
            variant.name: Judgement(
                queries=len(variant.queries),
                database=variant.database,
                scores=_judged(_pooled(task, of_variants[variant.name]), config),
                distractors=variant.distractors,
            )
            for variant in task.variants
        },
    )


def learn(
    train: Recordings,
    encode: Represent,
    codebook: np.ndarray,
    untrained_encode: Represent | None,
    config: Config,
) -> tuple[list[System], list[np.ndarray]]:
    """The systems to evaluate, the baselines fitted on ``train``, and the voices for the babble, from ``train`` too.

    Arguments are those of `evaluate`. Voices are float32 [n] each; empty without a noise curve.

    Raises:
        UserError: an unreadable recording or an unknown baseline.
    """
    settings, rate = config.evaluate, config.data.sample_rate
    generator = np.random.default_rng(config.seed)
    systems = tokenizer_systems(encode, codebook, is_transposable(to_dict(config)))
    if untrained_encode is not None and is_selected(UNTRAINED, settings.baselines):
        tokens = Representation(UNTRAINED, untrained_encode)
        systems.append(System(UNTRAINED, "untrained encoder, edit distance", tokens, edit_distances))
    rows = list(range(len(train.paths)))
    if len(rows) > _KMEANS_RECORDINGS:
        rows = sorted(generator.choice(rows, _KMEANS_RECORDINGS, replace=False).tolist())
    known = [UNTRAINED]
    if set(settings.baselines) - {UNTRAINED}:
        log.info(f"the baselines learn from {len(rows)} training recordings")
        baselines = baseline_systems(
            [decode.read(train.paths[i], rate) for i in rows], len(codebook), rate, config.seed
        )
        known += [system.name for system in baselines]
        systems += [system for system in baselines if is_selected(system.name, settings.baselines)]
    for name in set(settings.baselines) - {"all", *known}:
        raise UserError(f"evaluate.baselines names {name!r}, which is not a baseline; there are: {', '.join(known)}.")
    if not (settings.curve_queries and (settings.snr_db or settings.room_snr_db)):
        return systems, []
    chosen = generator.choice(rows, min(len(rows), _BABBLE_RECORDINGS), replace=False)
    return systems, rooms.sounding([decode.read(train.paths[i], rate) for i in chosen])


ByView = dict[View, dict[str, np.ndarray]]
"""View -> system -> float [Q, M], the scores of Q queries."""


def rank(
    bench: Bench, task: Task, test: Recordings, answering: Collection[str] = FORMS[:1]
) -> tuple[dict[str, Answers], ByView, dict[str, ByView], dict[str, list[list[np.ndarray]]]]:
    """Ask with every query under every view.

    Args:
        answering: the names of systems of tokens whose answers are returned.

    Returns:
        What each of them answers under the first view; the scores of the queries; the same for each variant of the
        task, by its name; and kind of view -> per factor, the tokens of the Q changed queries (none for V).
    """
    # A query asks once, whether the task or a variant wants to know.
    asking = np.unique(np.concatenate([task.queries, *(variant.queries for variant in task.variants)]))
    own = np.searchsorted(asking, task.queries)
    answers: dict[str, Answers] = {}
    scores: ByView = {}
    of_variants: dict[str, ByView] = {variant.name: {} for variant in task.variants}
    changed: dict[str, list[list[np.ndarray]]] = {}
    for view, queries in zip(task.views, bench.ask_all(task.views, asking), strict=True):
        log.info(f"matching {len(asking)} queries, {view.how}, by {len(bench.systems)} systems")
        if view.kind != "V":
            changed.setdefault(view.kind, []).append([queries[FORMS[0]][row] for row in own])
        scores[view] = {}
        for system, distances in bench.match(queries):
            order = ranking.rank(distances[own], task.candidates)
            scores[view][system.name] = metrics.query_scores(order, task.relevant)
            for variant in task.variants:
                rows = np.searchsorted(asking, variant.queries)
                far = bench.to_distractors(system, queries)[rows] if variant.distractors else None
                of_variants[variant.name].setdefault(view, {})[system.name] = _scored(variant, distances[rows], far)
            if system.name in answering and system.name not in answers:
                answers[system.name] = Answers(
                    paths=test.paths,
                    classes=test.classes,
                    strings=bench.database[system.represent.name],
                    query_index=task.queries,
                    relevant=task.relevant,
                    asking=[queries[system.represent.name][row] for row in own],
                    order=order.astype(np.int32),
                    distances=distances[own].astype(np.float32),
                )
    return answers, scores, of_variants, changed


def _scored(variant: Variant, distances: np.ndarray, far: np.ndarray | None) -> np.ndarray:
    """The scores of a variant's queries, float [q, M].

    Args:
        distances: float [q, N], to the recordings.
        far: float [q, D], to the distractors, if there are any. They come first, so that they win ties.
    """
    candidates, relevant = variant.candidates, variant.relevant
    if far is not None:
        distances = np.concatenate([far, distances], axis=1)
        candidates = np.concatenate([np.ones(far.shape, dtype=bool), candidates], axis=1)
        relevant = np.concatenate([np.zeros(far.shape, dtype=bool), relevant], axis=1)
    return metrics.query_scores(ranking.rank(distances, candidates), relevant)


def ask(bench: Bench, task: Task, views: Sequence[View], rows: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each view, system -> float [q, M], the scores of the queries in ``rows`` (int [q], into ``task.queries``)."""
    for view, queries in zip(views, bench.ask_all(views, task.queries[rows]), strict=True):
        log.info(f"matching {len(rows)} queries, {view.how}, by {len(bench.systems)} systems, for the curves")
        yield {
            system.name: metrics.query_scores(ranking.rank(distances, task.candidates[rows]), task.relevant[rows])
            for system, distances in bench.match(queries)
        }


def _pooled(task: Task, scores: ByView) -> dict[str, dict[str, np.ndarray]]:
    """Kind of view -> system -> float [V, Q, M], the scores under the V views of the kind."""
    return {
        kind: {
            name: np.stack([scores[view][name] for view in task.views if view.kind == kind])
            for name in scores[task.views[0]]
        }
        for kind in task.kinds
    }


def _judged(pooled: dict[str, dict[str, np.ndarray]], config: Config) -> dict[str, dict[str, dict[str, Estimate]]]:
    """System -> kind of view -> metric -> estimate."""
    first = next(iter(pooled.values()))
    return {name: {kind: _estimates(by_name[name], config) for kind, by_name in pooled.items()} for name in first}


def _estimates(scores: np.ndarray, config: Config) -> dict[str, Estimate]:
    """Estimates of [V, Q, M]. Every system and view resamples the same recordings, so that they can be compared."""
    estimates = metrics.bootstrap(scores, config.evaluate.bootstrap, np.random.default_rng(config.seed))
    return dict(zip(METRICS, estimates, strict=True))
