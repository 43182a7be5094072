"""The evaluation: every system on every view of the test recordings, by one protocol.

Recordings are read once and kept; views are made, represented, matched and let go one factor at a time, so memory is
that of the test recordings and their features. What is learned here is learned from training recordings alone: `learn`
gets no others.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation import systems
from wav2tok.evaluation.baselines import pretrained
from wav2tok.evaluation.baselines.all import baseline_systems
from wav2tok.evaluation.retrieval import curves, metrics, protocol, significance, token_use, views
from wav2tok.evaluation.retrieval.bench import Bench, Cost
from wav2tok.evaluation.retrieval.curves import Curve
from wav2tok.evaluation.retrieval.metrics import METRICS, Estimate
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.retrieval.significance import Comparison
from wav2tok.evaluation.systems import FORMS, UNTRAINED, Represent, System
from wav2tok.matching import ranking
from wav2tok.progress import log

if TYPE_CHECKING:
    from wav2tok.evaluation.spotting.metrics import Spotting

# What the k-means baseline learns from: about two thousand words, more than its frames are drawn from.
_KMEANS_RECORDINGS = 1000
# Whose voices the babble is made of.
_BABBLE_RECORDINGS = 60


@dataclass
class Result:
    """What the evaluation found, of Q queries among N test recordings. S systems, each under its name; M `METRICS`."""

    protocol: str
    text: str
    recordings: int
    queries: int
    left_out: int
    database: float
    """Candidates a query, on average."""
    bootstrap: int
    num_tokens: int
    labels: dict[str, str]
    views: tuple[View, ...]
    scores: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)
    """System -> kind of view -> metric -> estimate, all factors of a kind pooled."""
    curves: dict[str, Curve] = field(default_factory=dict)
    """By kind of view: SNR, TS, PS."""
    significance: tuple[Comparison, ...] = ()
    """The tokenizer's forms against every baseline."""
    tokens: dict[str, float] = field(default_factory=dict)
    token_counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    cost: dict[str, Cost] = field(default_factory=dict)
    test_paths: tuple[str, ...] = ()
    test_classes: tuple[str, ...] | None = None
    strings: list[np.ndarray] = field(default_factory=list)
    """The tokens of the N test recordings, int [L] each."""
    query_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """int [Q], which recordings ask."""
    relevant: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    """bool [Q, N], the right answers."""
    asking: list[np.ndarray] = field(default_factory=list)
    """The tokens that the Q queries ask with on the first view, int [L] each: their own ones where that is V."""
    order: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int32))
    """int32 [Q, N], plain wav2tok's answers on the first view, nearest first; -1 after the last."""
    distances: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """float32 [Q, N], plain wav2tok's distances on the first view, to recordings that are no candidates too."""
    spotting: "Spotting | None" = None
    absent: tuple[str, ...] = ()
    """Labels of pretrained baselines whose weights are not on disk."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of view, each once, in order."""
        return tuple(dict.fromkeys(view.kind for view in self.views))

    def asked(self, kind: str) -> int:
        """How many queries a kind of view pools."""
        return self.queries * sum(view.kind == kind for view in self.views)


def learn(
    train: Recordings,
    encode: Represent,
    codebook: np.ndarray,
    untrained_encode: Represent | None,
    config: Config,
) -> tuple[list[System], list[np.ndarray]]:
    """The systems to judge, and the voices for the babble, all that is learned being learned from ``train``.

    Arguments are those of `evaluate`. Voices are float32 [n] each; none when no curve asks for them.
    """
    settings, rate = config.evaluate, config.data.sample_rate
    generator = np.random.default_rng(config.seed)
    found = systems.tokenizer_systems(encode, codebook)
    if untrained_encode is not None and systems.asked_for(UNTRAINED, settings.baselines):
        found.append(systems.untrained_system(untrained_encode))
    heard = list(range(len(train.paths)))
    if len(heard) > _KMEANS_RECORDINGS:
        heard = sorted(generator.choice(heard, _KMEANS_RECORDINGS, replace=False).tolist())
    known = [UNTRAINED]
    if set(settings.baselines) - {UNTRAINED}:
        log.info(f"the baselines learn from {len(heard)} training recordings")
        made = baseline_systems([decode.read(train.paths[i], rate) for i in heard], len(codebook), rate, config.seed)
        known += [system.name for system in made]
        found += [system for system in made if systems.asked_for(system.name, settings.baselines)]
    for name in set(settings.baselines) - {"all", *known}:
        raise UserError(f"evaluate.baselines names {name!r}, which is none; there are: {', '.join(known)}.")
    if not (settings.curve_queries and settings.snr_db):
        return found, []
    chosen = generator.choice(heard, min(len(heard), _BABBLE_RECORDINGS), replace=False)
    return found, views.sounding([decode.read(train.paths[i], rate) for i in chosen])


def evaluate(
    train: Recordings,
    test: Recordings,
    encode: Represent,
    codebook: np.ndarray,
    untrained_encode: Represent | None,
    config: Config,
) -> Result:
    """Judge a tokenizer beside the baselines.

    Args:
        train: what the k-means baseline learns from, and whose voices are the noise of the robustness curves.
        test: recordings that no system has seen.
        encode: waveforms float32 [N] at ``data.sample_rate`` -> de-duplicated tokens, int [L].
        codebook: [K, d].
        untrained_encode: as ``encode``, of an encoder with random weights; None to go without that baseline.
        config: ``data``, ``evaluate`` and ``seed`` are read.
        progress: is told what is being done, a line a step.

    Raises:
        UserError: an unreadable recording, an empty training set, a protocol that fits no query, or an unknown
            baseline.
    """
    task = protocol.build(test, config.evaluate)
    if not train.paths:
        raise UserError("No training recordings, which the k-means baseline learns from; split the data anew.")
    rate = config.data.sample_rate
    log.info(f"reading {len(test.paths)} test recordings; protocol {task.protocol}: {task.text}")
    waveforms = [decode.read(path, rate) for path in test.paths]
    judged, voices = learn(train, encode, codebook, untrained_encode, config)
    bench = Bench(task, judged, waveforms, voices, rate, config.seed)
    bench.represent()
    names = [system.name for system in judged]

    result = Result(
        protocol=task.protocol,
        text=task.text,
        recordings=len(waveforms),
        queries=len(task.queries),
        left_out=task.left_out,
        database=float(task.candidates.sum(axis=1).mean()),
        bootstrap=config.evaluate.bootstrap,
        num_tokens=len(codebook),
        labels={system.name: system.label for system in judged},
        views=task.views,
        test_paths=test.paths,
        test_classes=test.classes,
        strings=bench.database[id(encode)],
        query_index=task.queries,
        relevant=task.relevant,
        absent=tuple(
            label
            for name, label in pretrained.LABELS.items()
            if name in pretrained.absent() and systems.asked_for(name, config.evaluate.baselines)
        ),
    )
    scores: dict[View, dict[str, np.ndarray]] = {}
    changed: dict[str, list[list[np.ndarray]]] = {}
    everyone = np.arange(len(task.queries))
    for view in task.views:
        log.info(_describe(view, len(everyone), len(judged)))
        asking = bench.ask(view, everyone)
        if view.kind != "V":
            changed.setdefault(view.kind, []).append(asking[id(encode)])
        scores[view] = {}
        for system, distances in bench.match(asking):
            order = ranking.rank(distances, task.candidates)
            scores[view][system.name] = metrics.query_scores(order, task.relevant)
            if view == task.views[0] and system.name == FORMS[0]:
                result.order, result.distances = order.astype(np.int32), distances.astype(np.float32)
                result.asking = asking[id(encode)]

    def ask(view: View, rows: np.ndarray) -> dict[str, np.ndarray]:
        log.info(_describe(view, len(rows), len(judged)) + ", for the curves")
        candidates, relevant = task.candidates[rows], task.relevant[rows]
        return {
            system.name: metrics.query_scores(ranking.rank(distances, candidates), relevant)
            for system, distances in bench.match(bench.ask(view, rows))
        }

    result.curves = curves.measure(task, config.evaluate, config.seed, scores, ask)
    pooled = {
        kind: {name: np.stack([scores[v][name] for v in task.views if v.kind == kind]) for name in names}
        for kind in task.kinds
    }  # [V, Q, M] each
    result.scores = {name: {kind: _estimates(pooled[kind][name], config) for kind in task.kinds} for name in names}
    by_recording = {kind: {name: every.mean(axis=0) for name, every in found.items()} for kind, found in pooled.items()}
    baselines = [name for name in names if name not in FORMS]
    result.significance = significance.compare(by_recording, FORMS, baselines, config.evaluate.bootstrap, config.seed)
    result.cost = {system.name: bench.cost(system) for system in judged}
    same = task.relevant & (task.protocol != "self")
    other = task.candidates & ~task.relevant
    result.tokens = token_use.measure(result.strings, bench.seconds, len(codebook), task.queries, same, other, changed)
    result.token_counts = token_use.count(result.strings, len(codebook))
    return result


def _estimates(scores: np.ndarray, config: Config) -> dict[str, Estimate]:
    """Estimates of [V, Q, M]; the same draws of recordings for every system and view, so that they compare."""
    found = metrics.bootstrap(scores, config.evaluate.bootstrap, np.random.default_rng(config.seed))
    return dict(zip(METRICS, found, strict=True))


def _describe(view: View, queries: int, count: int) -> str:
    how = {
        "V": "as they are",
        "TS": f"at tempo {view.factor:g}",
        "PS": f"{view.factor:+g} semitones",
        "SNR": f"{view.factor:g} dB above babble",
    }[view.kind]
    return f"matching {queries} queries, {how}, by {count} systems"
