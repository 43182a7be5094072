"""Judging a model on recordings that it was not trained on."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import torch

from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Config, Evaluate
from wav2tok.corpus import audios_bin, recordings, splits
from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation import gate
from wav2tok.evaluation.retrieval.evaluate import Result
from wav2tok.evaluation.retrieval.evaluate import evaluate as judge_all
from wav2tok.evaluation.spotting.sentences import spot_words
from wav2tok.evaluation.systems import UNTRAINED as UNTRAINED_SYSTEM
from wav2tok.evaluation.systems import Represent, asked_for
from wav2tok.model import checkpoint
from wav2tok.model.checkpoint import UNTRAINED
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.spectra.e_step import expectation
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import build, fill
from wav2tok.tokenizer.tokenizer import Tokenizer

HELD_OUT = "heldout.json"


def held_out_score(result: Result) -> float:
    """What champions are chosen by: the mean of MRR and MAP by plain edit distance over the kinds of view."""
    return float(
        np.mean([estimates[m].value for estimates in result.scores[gate.JUDGED].values() for m in ("mrr", "map")])
    )


def _torch_encoder(model: Wav2Tok) -> Represent:
    """Waveforms to token strings by torch; the module need not have been exported."""
    cpu = torch.device("cpu")
    model = model.to(cpu).eval()
    return lambda waves: tokenize(model, fill(waves, model.front_end, None, cpu))


def _untrained(graph: Path, config: Config, train: recordings.Recordings) -> Wav2Tok:
    """The untrained encoder with its first codebook: beside the graph where training left it, else made again."""
    if (graph.parent / f"{UNTRAINED}.safetensors").exists():
        return checkpoint.load(graph.parent, UNTRAINED)[0]
    model = create(config)
    store = build(train.paths, model.front_end, None, torch.device("cpu"))
    expectation(model, store, config, (config.seed, 0), warm=False)
    return model


def judge(data: Path, tokenizer: Tokenizer, graph: Path, config: Config, *, alone: bool = False) -> Result:
    """Every system on the test part of ``data``, the tokenizer as it is served: by ONNX Runtime.

    Features, rate and codebook size of the baselines are those of the tokenizer; ``config`` gives the protocol.

    Args:
        alone: only the tokenizer, without baselines and robustness curves: all that `held_out_score` reads.
    """
    parts = audios_bin.read(data)
    trained_with = from_dict(tokenizer.about["config"])
    asked = dataclasses.replace(config.evaluate, baselines=(), curve_queries=0) if alone else config.evaluate
    settings = dataclasses.replace(trained_with, evaluate=asked, gate=config.gate)
    train = splits.with_validation(parts, trained_with.split.valid_share, trained_with.seed).train

    def encode(waves: list[np.ndarray]) -> list[np.ndarray]:
        return tokenizer.encode(waves, tokenizer.sample_rate)

    untrained = _untrained(graph, trained_with, train) if asked_for(UNTRAINED_SYSTEM, asked.baselines) else None
    random_weights = None if untrained is None else _torch_encoder(untrained)
    result = judge_all(train, parts.test, encode, tokenizer.codebook, random_weights, settings)
    if not alone:
        result.spotting = spot_words(train, parts.test, tokenizer, untrained, settings)
    return result


def held_out_digest(recordings: Recordings, evaluate: Evaluate) -> str:
    """What makes two held-out scores comparable: the recordings, and the protocol, tempos and shifts of the queries."""
    how = (evaluate.protocol, evaluate.tempos, evaluate.semitones)
    return hashlib.sha256(repr((recordings_digest(recordings), how)).encode()).hexdigest()[:32]


def recordings_digest(recordings: Recordings) -> str:
    """What makes two held-out sets the same: content and classes, in any order and wherever they lie."""
    digests = contents(recordings)
    rows = sorted(zip(digests, recordings.classes or digests, strict=True))
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]
