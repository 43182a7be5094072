"""The same work by the plain implementation, one recording at a time, and by HuBERT base and wav2vec 2.0 base."""

import dataclasses
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from sklearn.cluster import KMeans

from benchmarks import plain, pretrained
from wav2tok.audio import decode
from wav2tok.matching import deduplicate
from wav2tok.speed.parts import Bench
from wav2tok.speed.table import Row
from wav2tok.speed.timing import median_seconds

PAIRS = 4  # the published batch
BATCHES = (1, 8, 16)  # recordings; the pretrained models are measured at the fastest of these


def _rate(audio_seconds: float, run: Callable[[], object]) -> float:
    """Seconds of audio per second of a call."""
    return audio_seconds / median_seconds(run)


def plain_step(bench: Bench) -> float:
    """Seconds of audio per second that the plain implementation trains on."""
    config, few = bench.config, bench.waves[: 2 * PAIRS]
    model, rng = plain.Plain(config), np.random.default_rng(0)
    plain.expectation(model, bench.waves[:60], config.codebook.num_tokens, 5, 0)
    optimizer = plain.adam(model)
    pairs = list(zip(few[:PAIRS], few[PAIRS:], strict=True))
    return _rate(len(few) * bench.seconds, lambda: plain.step(model, optimizer, pairs, config, bench.rate, rng, True))


def plain_rates(bench: Bench) -> dict[str, float]:
    """The figures of the plain implementation, by the parts of the table and in their units."""
    config, rate = bench.config, bench.rate
    few = bench.waves[: 2 * PAIRS]
    seconds = len(few) * bench.seconds
    rng = np.random.default_rng(0)
    model = plain.Plain(config)
    plain.expectation(model, bench.waves[:60], config.codebook.num_tokens, 5, 0)
    strings = [deduplicate(rng.integers(0, 256, max(2, round(12 * bench.seconds)))).tolist() for _ in range(40)]
    points = bench.hour().cpu().numpy()
    kmeans = KMeans(config.codebook.num_tokens, n_init=1, max_iter=config.codebook.iterations, random_state=0)
    step = plain_step(bench)
    return {
        "reading and decoding": _rate(
            len(bench.paths) * bench.seconds, lambda: [decode.read(path, rate) for path in bench.paths]
        ),
        "augmentation": _rate(seconds, lambda: [plain.augment(w, rate, rng) for w in few]),
        "features": _rate(seconds, lambda: [plain.features(w, config.features, rate) for w in few]),
        "E-step, embeddings": _rate(seconds, lambda: [plain.embed(model, w) for w in few]),
        "E-step, k-means": median_seconds(lambda: kmeans.fit(points)),
        "training step": step,
        "training step, EM": step,
        "tokenizing waveforms": _rate(seconds, lambda: [plain.tokenize(model, w) for w in few]),
        "tokenizing files": _rate(
            seconds, lambda: [plain.tokenize(model, decode.read(path, rate)) for path in bench.paths[: len(few)]]
        ),
        "matching, edit distance": _rate(
            len(strings) ** 2 / 1e6, lambda: [plain.edit_distance(a, b) for a in strings for b in strings]
        ),
    }


def _best(bench: Bench, run: Callable[[torch.Tensor], object]) -> float:
    """Seconds of audio per second at the fastest batch size."""
    rates = []
    for count in BATCHES:
        waves = torch.from_numpy(np.stack(bench.waves[:count])).to(bench.device)
        seconds = median_seconds(partial(run, waves), device=bench.device)
        rates.append(count * bench.seconds / seconds)
    return max(rates)


def pretrained_tokens(bench: Bench, name: str) -> float:
    """Seconds of audio per second that the architecture of a pretrained model tokenizes."""
    model = pretrained.build(name).to(bench.device)
    generator = torch.Generator().manual_seed(0)
    centroids = torch.randn(bench.config.codebook.num_tokens, 768, generator=generator).to(bench.device)
    return _best(bench, lambda waves: pretrained.tokenize(model, waves, centroids))


def pretrained_rates(bench: Bench, name: str) -> dict[str, float]:
    """Seconds of audio per second of the architecture of a pretrained model, by the parts of the table."""
    model = pretrained.build(name).to(bench.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5)
    step = _best(bench, lambda waves: pretrained.training_step(model, waves, optimizer))
    tokens = pretrained_tokens(bench, name)
    return {
        "E-step, embeddings": tokens,
        "tokenizing waveforms": tokens,
        "training step": step,
        "training step, EM": step,
    }


def with_others(rows: list[Row], plain_: dict[str, float], pretrained_: dict[str, float]) -> list[Row]:
    """The rows with the figures of the other systems."""
    return [dataclasses.replace(row, plain=plain_.get(row.part), pretrained=pretrained_.get(row.part)) for row in rows]
