"""Evaluation of a model on recordings that it was not trained on."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from wav2tok.config.parameters import from_stored
from wav2tok.config.schema import Config, Evaluate
from wav2tok.corpus import audios_bin, splits
from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation import gate
from wav2tok.evaluation.encoders import Encoders
from wav2tok.evaluation.retrieval.evaluate import evaluate
from wav2tok.evaluation.retrieval.protocol import Training, leaves_own_out
from wav2tok.evaluation.retrieval.result import Result
from wav2tok.evaluation.spotting.metrics import Spotting
from wav2tok.evaluation.spotting.spot import spot_words
from wav2tok.evaluation.systems import UNTRAINED as UNTRAINED_SYSTEM
from wav2tok.evaluation.systems import Represent, is_selected
from wav2tok.model import checkpoint
from wav2tok.model.folder import UNTRAINED, ModelFolder
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.store import build
from wav2tok.tokenizer.strings import Strings
from wav2tok.tokenizer.tokenizer import Tokenizer


@dataclass(frozen=True)
class Judged:
    """The results of retrieval and, where the recordings have transcripts, of spotting."""

    retrieval: Result
    spotting: Spotting | None


def held_out_score(result: Result) -> float:
    """The score that a version is registered with: mean MRR and MAP of plain edit distance over the kinds of view."""
    return float(
        np.mean([estimates[m].value for estimates in result.scores[gate.JUDGED].values() for m in ("mrr", "map")])
    )


def _untrained(graph: Path, config: Config, train: Recordings) -> Wav2Tok:
    """The untrained encoder with its first codebook, read from the graph's folder or else built again."""
    if ModelFolder(graph.parent).untrained.exists():
        return checkpoint.load(graph.parent, UNTRAINED)[0]
    model = create(config)
    store = build(train.paths, model.front_end, None, torch.device("cpu"))
    e_step(model, store, config, 0, warm=False)
    return model


def judge(data: Path, tokenizer: Tokenizer, graph: Path, config: Config) -> Judged:
    """Evaluate every system on the test part of ``data``; the tokenizer runs as it is served, by ONNX Runtime.

    The baselines use the tokenizer's features, rate and codebook size; ``config`` gives the protocol.

    Raises:
        UserError: unreadable data or recordings, or a protocol that leaves no query.
    """
    parts = audios_bin.read(data)
    trained_with = from_stored(tokenizer.metadata.config, tokenizer.source)
    protocol = config.evaluate
    settings = dataclasses.replace(trained_with, evaluate=protocol, gate=config.gate)
    trained = splits.with_validation(parts, trained_with.split.valid_share, trained_with.seed)
    train, paired = trained.train, splits.heard_in_training(trained, trained_with)
    training = Training(frozenset(train.classes or ()), frozenset(paired.classes or ()))

    untrained: Wav2Tok | None = None
    encode: Represent = partial(tokenizer.encode, sample_rate=tokenizer.sample_rate)
    random_weights: Represent | None = None
    if is_selected(UNTRAINED_SYSTEM, protocol.baselines):
        untrained = _untrained(graph, trained_with, train)
        both = Encoders(tokenizer, untrained)
        encode, random_weights = both.tokens, both.untrained_tokens
    kept = Strings(tokenizer)  # a registration asks for them again

    def remembered(waves: list[np.ndarray]) -> list[np.ndarray]:
        strings = encode(waves)
        kept.keep(waves, strings)
        return strings

    retrieval = evaluate(train, parts.test, remembered, tokenizer.codebook, random_weights, settings, training)
    kept.save()
    spotting = spot_words(train, parts.test, tokenizer, untrained, settings)
    return Judged(retrieval, spotting)


def held_out_digest(recordings: Recordings, evaluate: Evaluate) -> str:
    """A digest of what two held-out scores must share to be comparable.

    It covers the recordings, and the protocol, tempos and shifts of the queries; and the groups where hums leave the
    query's own one out.
    """
    how: tuple[object, ...] = (evaluate.protocol, evaluate.tempos, evaluate.semitones)
    if leaves_own_out(recordings, evaluate):
        how += (sorted(zip(contents(recordings), recordings.groups, strict=True)),)
    return hashlib.sha256(repr((recordings_digest(recordings), how)).encode()).hexdigest()[:32]


def recordings_digest(recordings: Recordings) -> str:
    """A digest of the recordings' contents and classes, which does not depend on their order or folder."""
    digests = contents(recordings)
    rows = sorted(zip(digests, recordings.classes or digests, strict=True))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]
