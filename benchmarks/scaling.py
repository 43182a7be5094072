"""How time and memory grow with the length of recordings and the sizes of corpus, batch and codebook."""

import dataclasses
import itertools
import pickle
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch

from benchmarks.compare import plain_step, pretrained_tokens
from benchmarks.report import Curve
from wav2tok.model.codebook import spherical_kmeans
from wav2tok.progress import log
from wav2tok.speed import workload
from wav2tok.speed.parts import Bench
from wav2tok.speed.table import Row
from wav2tok.speed.timing import median_seconds, peak_memory
from wav2tok.training.pairs import Pairs

PROGRAM = [sys.executable, "-c", "from wav2tok.cli import main; main()"]
RECORDING_SECONDS, DISTINCT = 10.0, 360  # an hour of different recordings; larger corpora copy them
LENGTHS = (1.0, 4.0, 15.0, 60.0)
SLOW_SECONDS = 5.0  # with longer recordings the other systems would take minutes
FILE_MINUTES = (1, 10, 60, 600)
COST = "seconds of computing per hour of audio"
PAIRS = (4, 12, 48, 144)
TOKENS = (64, 256, 1024)
HOUR = 3600.0
MODELLED = 1000.0
"""Hours of a corpus whose cost follows from the measured ones."""


def corpus(folder: Path, files: Sequence[str], hours: float) -> Path:
    """A corpus of ``hours`` in 24 classes, made of copies of ``files`` in turn, and its ``audios.bin``."""
    classes: dict[str, list[str]] = {}
    for i in range(round(hours * HOUR / RECORDING_SECONDS)):
        copy = folder / f"class{i % 24:02}" / f"voice{i // 24:06}_0.flac"
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[i % len(files)], copy)
        classes.setdefault(copy.parent.name, []).append(str(copy))
    test = {name: paths[:1] for name, paths in classes.items()}
    train = {name: paths[1:] for name, paths in classes.items()}
    (folder / "audios.bin").write_bytes(pickle.dumps([train, test]))
    return folder


def long_file(path: Path, minutes: float, sample_rate: int) -> None:
    """Write a WAV file of ``minutes``, one minute at a time."""
    with soundfile.SoundFile(str(path), "w", sample_rate, 1, "PCM_16") as file:
        for number in range(max(1, round(minutes))):
            file.write(workload.waveform(number % 24, number // 24, 60.0, sample_rate))


def corpora(bench: Bench, hours: Sequence[float], most_tokenized: float) -> tuple[list[Row], list[Curve]]:
    """Training on and tokenizing corpora of growing size, each in its own process.

    Args:
        hours: sizes of the corpora.
        most_tokenized: larger corpora are only trained on.
    """
    classes = workload.write(bench.folder / "hour", DISTINCT, RECORDING_SECONDS, bench.rate)
    files = [path for paths in classes.values() for path in paths]
    quick = ["--no-track", "--device", bench.device.type]
    quick += ["--set", "train.epochs=1", "--set", "train.steps_per_epoch=4"]
    if bench.config.profile:
        quick += ["--set", f"profile={bench.config.profile}"]
    train: list[tuple[float, float]] = []
    tokenize: list[tuple[float, float]] = []
    for size in hours:
        log.info(f"a corpus of {size:g} hours")
        folder = corpus(bench.folder / f"corpus{size:g}", files, size)
        options = ["--data", str(folder / "audios.bin"), "--out", str(folder / "model"), *quick]
        train.append(peak_memory([*PROGRAM, "train", *options]))
        if size <= most_tokenized:
            model = ["--model", str(bench.folder), "--device", bench.device.type]
            tokenize.append(peak_memory([*PROGRAM, "tokenize", str(folder), *model]))
        shutil.rmtree(folder)
    # The cost of starting a process cancels between two sizes.
    marginal = [
        (after[0] - before[0]) / (large - small)
        for before, after, small, large in zip(train, train[1:], hours, hours[1:], strict=False)
    ]
    largest = hours[-1]
    frames = bench.frame_rate * bench.trainer.model.front_end.bands
    sizes = [f"{small:g} to {large:g} hours" for small, large in itertools.pairwise(hours)]
    training, prepared = "Whole process: one epoch of 4 steps with its E-step and validation.", "s per hour of audio"
    rows = [
        Row("preparing a corpus", sizes[-2], marginal[-2], prepared, note="Decoding, spectra on disk, digests."),
        Row(
            "preparing a corpus, the largest",
            sizes[-1],
            marginal[-1],
            prepared,
            note=f"At that rate 1,000 hours are ready after {1000 * marginal[-1] / 60:.0f} minutes and take "
            f"{1000 * HOUR * frames * 4 / 1e9:.0f} GB of disk; E-steps and validation cost the same as here; a pass "
            "over the recordings costs its steps.",
        ),
        Row("training, memory", f"{hours[-2]:g} hours", train[-2][1], "MiB", note=training),
        Row("training, memory, the largest corpus", f"{largest:g} hours", train[-1][1], "MiB", note=training),
    ]
    done = list(hours[: len(tokenize)])
    rows += [
        Row("tokenizing a corpus", f"{done[-1]:g} hours in {RECORDING_SECONDS:g} s", HOUR * done[-1] / tokenize[-1][0]),
        Row("tokenizing, memory", f"{done[-2]:g} hours", tokenize[-2][1], "MiB"),
        Row("tokenizing, memory, the largest corpus", f"{done[-1]:g} hours", tokenize[-1][1], "MiB"),
    ]
    pad: list[float | None] = [None] * (len(hours) - len(tokenize))
    measured = [took / size for (took, _), size in zip(train, hours, strict=True)]
    modelled = (train[-1][0] + (MODELLED - largest) * marginal[-1]) / MODELLED
    before: list[float | None] = [None] * (len(hours) - 1)
    time = Curve(
        "corpus size",
        "hours of recordings",
        [*hours, MODELLED],
        {
            "training's preparation": [*measured, None],
            "the same by the cost of the last hours": [*before, measured[-1], modelled],
            "tokenizing": [*(took / size for (took, _), size in zip(tokenize, done, strict=True)), *pad, None],
        },
        COST,
    )
    memory = Curve(
        "memory",
        "hours of recordings",
        list(hours),
        {
            "training": [mib for _, mib in train],
            "tokenizing": [*(mib for _, mib in tokenize), *pad],
        },
        "peak MiB",
    )
    return rows, [time, memory]


def long_files(bench: Bench, minutes: Sequence[float]) -> tuple[list[Row], Curve]:
    """Tokenizing single recordings of growing length, each in its own process."""
    took: list[tuple[float, float]] = []
    for length in minutes:
        log.info(f"a recording of {length:g} minutes")
        path = bench.folder / "long.wav"
        long_file(path, length, bench.rate)
        took.append(
            peak_memory([*PROGRAM, "tokenize", str(path), "--model", str(bench.folder), "--device", bench.device.type])
        )
        path.unlink()
    whole = "Whole process. Read three times, in windows whose margins are computed twice; only the tokens grow."
    hours = f"{minutes[-1] / 60:g} hours"
    rows = [
        Row("tokenizing a long file", hours, 60 * minutes[-1] / took[-1][0], note=whole),
        Row("tokenizing, memory, one file", f"{minutes[1]:g} minutes", took[1][1], "MiB"),
        Row("tokenizing, memory, the longest file", hours, took[-1][1], "MiB"),
    ]
    lines: dict[str, list[float | None]] = {"tokenizing": [mib for _, mib in took]}
    return rows, Curve("memory, one file", "minutes in one recording", list(minutes), lines, "peak MiB")


def _step_seconds(bench: Bench, pairs: Pairs) -> float:
    """Median seconds of a training step on these pairs."""
    trainer, generator = bench.trainer, torch.Generator().manual_seed(0)
    return median_seconds(lambda: trainer.step(trainer.batches.load(pairs), generator), device=bench.device)


def _cluster(points: torch.Tensor, count: int, iterations: int) -> None:
    spherical_kmeans(points, count, torch.Generator().manual_seed(0), iterations)


def lengths(bench: Bench) -> tuple[Row, Curve]:
    """Training and tokenizing with recordings of growing length, and the other systems up to `SLOW_SECONDS`."""
    lines: dict[str, list[float | None]] = {
        name: [] for name in ("training", "tokenizing", "plain, training", "HuBERT, tokenizing")
    }
    for length in LENGTHS:
        log.info(f"recordings of {length:g} s")
        one = Bench(bench.config, bench.device, bench.folder / f"length{length:g}", length, max(96, round(96 / length)))
        pairs = one.trainer.sampler.epoch(0, 0, one.trainer.batch_size, 1)[0]
        seconds_trained = float(one.trainer.batches.load(pairs).frames.sum()) / one.frame_rate
        trained = seconds_trained / _step_seconds(one, pairs)
        lines["training"].append(HOUR / trained)
        waves = one.waves[: max(8, round(120 / length))]
        seconds = median_seconds(partial(one.tokenizer.encode, waves, bench.rate))
        lines["tokenizing"].append(HOUR * seconds / (len(waves) * length))
        slow = length > SLOW_SECONDS
        lines["plain, training"].append(None if slow else HOUR / plain_step(one))
        lines["HuBERT, tokenizing"].append(None if slow else HOUR / pretrained_tokens(one, "hubert_base"))
        shutil.rmtree(one.folder)
    row = Row("training step, long recordings", f"{len(pairs.anchors)} pairs of {LENGTHS[-1]:g} s", trained)
    return row, Curve("audio length", "seconds per recording", list(LENGTHS), lines, COST)


def batches(bench: Bench) -> Curve:
    """A training step and tokenizing at growing batches."""
    train: list[float | None] = []
    tokens: list[float | None] = []
    for count in PAIRS:
        log.info(f"batches of {count} pairs")
        pairs = bench.trainer.sampler.epoch(0, 0, count, 1)[0]
        seconds = _step_seconds(bench, pairs)
        train.append(HOUR * seconds / (2 * count * bench.seconds))
        waves = np.stack(bench.waves[:count])
        samples = np.full(count, waves.shape[1])
        seconds = median_seconds(partial(bench.tokenizer.run, waves, samples))
        tokens.append(HOUR * seconds / (count * bench.seconds))
    lines = {"training": train, "tokenizing": tokens}
    return Curve("batch", "pairs, or recordings", list(map(float, PAIRS)), lines, COST)


def codebooks(bench: Bench) -> Curve:
    """The k-means of an E-step over an hour, and tokenizing, at growing codebooks."""
    points = bench.hour()
    cluster: list[float | None] = []
    for count in TOKENS:
        log.info(f"{count} tokens")
        run = partial(_cluster, points, count, bench.config.codebook.iterations)
        cluster.append(median_seconds(run, device=bench.device))
    tokens: list[float | None] = []
    for count in TOKENS:
        codebook = dataclasses.replace(bench.config.codebook, num_tokens=count)
        settings = dataclasses.replace(bench.config, codebook=codebook)
        one = Bench(settings, bench.device, bench.folder / f"tokens{count}", 1.0, 120)
        tokens.append(HOUR * median_seconds(partial(one.tokenizer.encode, one.waves, one.rate)) / len(one.waves))
        shutil.rmtree(one.folder)
    lines = {"k-means of an E-step": cluster, "tokenizing": tokens}
    return Curve("codebook size", "tokens", list(map(float, TOKENS)), lines, COST)
