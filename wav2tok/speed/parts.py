"""How fast each part of training and tokenizing is on this machine, and how fast it could be.

``wav2tok benchmark`` measures it on synthetic recordings, on the CPU or a CUDA device.
"""

import copy
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from wav2tok.audio.ahead import read_ahead
from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.device import keep_freed_memory
from wav2tok.machine import memory
from wav2tok.matching import deduplicate, edit_distances
from wav2tok.model.codebook import spherical_kmeans
from wav2tok.model.wav2tok import create
from wav2tok.progress import log
from wav2tok.release.export import write_onnx
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.embed import embeddings
from wav2tok.speed import workload
from wav2tok.speed.machine import codebook_flop, encoder_flop, features_flop, measure_floor
from wav2tok.speed.table import Row
from wav2tok.speed.timing import interleaved, median_seconds, peak_memory
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.batch import tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.training.augment import augment
from wav2tok.training.loop import Trainer
from wav2tok.training.objective import Views, objective
from wav2tok.training.pairs import Pairs
from wav2tok.training.recorder import SilentRecorder
from wav2tok.training.validation import validate

STEPS = 8
"""Optimiser steps of a measured epoch."""
HOUR = 3600.0
"""Seconds whose embeddings are clustered."""
VALID = 100
"""Recordings of the validation that is measured."""


class Bench:
    """Recordings of one length, and a trainer and a tokenizer that are measured on them.

    Args:
        folder: for the recordings and the model.
        seconds: length of each recording.
        recordings: how many.
    """

    def __init__(self, config: Config, device: torch.device, folder: Path, seconds: float, recordings: int) -> None:
        self.config, self.device, self.folder, self.seconds = config, device, folder, seconds
        keep_freed_memory()
        self.rate = config.data.sample_rate
        folder.mkdir(parents=True, exist_ok=True)
        workload.require_room(folder, recordings, seconds, self.rate, memory(torch.device("cpu")))
        classes = workload.write(folder / "recordings", recordings, seconds, self.rate)
        self.paths = [path for paths in classes.values() for path in paths]
        self.labels = [label for label, paths in classes.items() for _ in paths]
        self.floor = measure_floor(device)
        self.work = f"{{}} of {seconds:g} s"
        self.frame_rate = self.rate / config.features.hop
        self.trainer = self._trainer(config)
        self.step_flop = encoder_flop(config, self.trainer.model.front_end.width, round(seconds * config.token_rate))
        e_step(self.trainer.model, self.trainer.store, config, 0, warm=False)
        self.waves = [w for w in read_ahead(self.paths, self.rate) if isinstance(w, np.ndarray)]
        write_onnx(copy.deepcopy(self.trainer.model), config, folder / "tokenizer.onnx")
        self.tokenizer = Tokenizer(folder / "tokenizer.onnx", "cpu" if device.type == "cpu" else "auto")

    def _trainer(self, config: Config, valid: int = 12) -> Trainer:
        train = Recordings(tuple(self.paths), tuple(self.labels))
        valid_ = train.take(range(0, len(train), max(1, len(train) // valid)))
        return Trainer(create(config), config, train, valid_, self.folder / "model", self.device)

    def row(self, part: str, count: int | str, audio: float, seconds: float, floor: float | None, **more: Any) -> Row:
        """A row of the table: ``audio`` seconds of recordings took ``seconds``; the floor is ``floor`` seconds."""
        work = self.work.format(count) if isinstance(count, int) else count
        return Row(part, work, audio / seconds, floor=audio / floor if floor else None, **more)

    def median(self, run: Callable[[], object]) -> float:
        """Median seconds of a call."""
        return median_seconds(run, device=self.device)

    def reading(self) -> Row:
        """Decoding files in threads."""
        seconds = self.median(lambda: sum(1 for _ in read_ahead(self.paths, self.rate)))
        return self.row("reading and decoding", len(self.paths), self.seconds * len(self.paths), seconds, None)

    def features(self) -> Row:
        """From waveforms to the spectra that training stores, and on to features."""
        front_end = self.trainer.model.front_end
        waves = torch.from_numpy(np.stack(self.waves[:64])).to(self.device)
        samples = torch.full((len(waves),), waves.shape[1], device=self.device)
        frames = front_end.frame_count(samples)

        def run() -> None:
            with torch.inference_mode():
                front_end.finish(front_end.spectrum(waves, samples), frames)

        count = int(frames.sum())
        flop = count * features_flop(self.config)
        floor = self.floor.seconds(flop, 4.0 * (waves.numel() + count * front_end.width))
        return self.row("features", len(waves), len(waves) * self.seconds, self.median(run), floor)

    def pairs(self) -> Pairs:
        """The pairs of one step."""
        return self.trainer.sampler.epoch(0, 0, self.trainer.batch_size, 1)[0]

    def augmentation(self) -> Row:
        """Changing pitch, tempo and noise of the spectra of a batch."""
        batch, generator = self.trainer.batches.load(self.pairs()), torch.Generator().manual_seed(0)
        front_end = self.trainer.model.front_end
        seconds = self.median(lambda: augment(batch.spectrum, batch.frames, front_end, self.config.augment, generator))
        floor = self.floor.seconds(0, 8.0 * int(batch.frames.sum()) * front_end.bands)
        note = "Floor: reading and writing the spectra once."
        count = len(batch.frames)
        return self.row("augmentation", count, count * self.seconds, seconds, floor, note=note)

    def steps(self) -> list[Row]:
        """A training step of the first stage, as a whole and by part, and one of the second stage."""
        trainer, config = self.trainer, self.config
        model, generator = trainer.model.train(), torch.Generator().manual_seed(0)
        pairs = self.pairs()
        batch = trainer.batches.load(pairs)
        spectrum, frames = augment(batch.spectrum, batch.frames, model.front_end, config.augment, generator)
        lengths = frames.to(self.device)
        features = model.front_end.finish(spectrum, lengths)
        z = model.encoder(features, lengths).detach()
        (a, b), (a_frames, b_frames) = z.chunk(2), model.encoder.steps(frames).chunk(2)
        # As many frames without padding: the least that the network costs.
        even = torch.full((len(frames),), int(frames.sum()) // len(frames), device=self.device)
        bare = torch.randn(len(frames), int(even[0]), model.front_end.width, device=self.device)
        slope = torch.randn_like(z)
        bare_slope = torch.randn(len(frames), int(model.encoder.steps(even)[0]), z.shape[2], device=self.device)

        def network(x: torch.Tensor, n: torch.Tensor, gradient: torch.Tensor) -> None:
            model.zero_grad()
            model.encoder(x, n).backward(gradient)

        def loss(contrast_only: bool) -> None:
            leaves = [x.detach().requires_grad_() for x in (a, b)]
            views = Views(leaves[0], a_frames, leaves[1], b_frames, batch.labels)
            recipe, rate = config.recipes["staged"], config.token_rate
            total, _ = objective(
                model, views, recipe, contrast_only=contrast_only, frame_rate=rate, generator=generator
            )
            total.backward()

        def optimise() -> None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            trainer.optimizer.step()

        trainer.progress.step = 0
        parts = {
            "whole": lambda: trainer.step(trainer.batches.load(pairs), generator),
            "floor": lambda: network(bare, even, bare_slope),
            "reading spectra": lambda: trainer.batches.load(pairs),
            "augmentation": lambda: augment(batch.spectrum, batch.frames, model.front_end, config.augment, generator),
            "features": lambda: model.front_end.finish(spectrum, lengths),
            "network, forward and backward": lambda: network(features, lengths, slope),
            "alignment and contrast": lambda: loss(True),
            "optimiser": optimise,
        }
        took = interleaved(parts, rounds=9, device=self.device)
        count = len(frames)
        audio = count * self.seconds
        flop = 3.0 * int(model.encoder.steps(frames).sum()) * self.step_flop
        arithmetic = self.floor.seconds(flop, 0)
        share = ", ".join(f"{name} {1e3 * took[name]:.0f}" for name in parts if name not in ("whole", "floor"))
        first = self.row(
            "training step",
            count,
            audio,
            took["whole"],
            took["floor"],
            note=f"Recipe staged, first stage, augmentation included, {1e3 * took['whole']:.0f} ms. Floor: the "
            f"encoder alone, forward and backward, over as many frames without padding, {1e3 * took['floor']:.0f} ms "
            f"(by arithmetic {1e3 * arithmetic:.0f}). By part, in ms: {share}.",
        )
        second = interleaved({"staged": lambda: loss(False)}, rounds=5, device=self.device)["staged"]
        aligned = took["alignment and contrast"]
        more = second - aligned
        return [
            first,
            Row("alignment and contrast", f"{count // 2} pairs of {self.seconds:g} s", 1e3 * aligned, "ms"),
            self.row(
                "training step, EM",
                count,
                audio,
                took["whole"] + more,
                took["floor"],
                note=f"Recipe staged, second stage: the losses of the paper cost {1e3 * more:.0f} ms more per step.",
            ),
        ]

    def hour(self) -> torch.Tensor:
        """About an hour of embeddings: those of the recordings, each many times with a little noise, [N, d]."""
        model, store = self.trainer.model, self.trainer.store
        parts = [
            z[:, :: max(1, z.shape[1] // 64)].flatten(0, 1) for _, z, _ in embeddings(model, store, store.heads(10**9))
        ]
        few = torch.cat(parts)
        noise = torch.Generator(self.device).manual_seed(0)
        points = few[
            torch.randint(len(few), (round(HOUR * self.config.token_rate),), device=self.device, generator=noise)
        ]
        return F.normalize(points + 0.02 * torch.randn(points.shape, device=self.device, generator=noise), dim=1)

    def e_step(self) -> list[Row]:
        """The embeddings of an E-step; k-means over an hour of them, from a cold start; both for a large corpus."""
        model, store, config = self.trainer.model, self.trainer.store, self.config.codebook
        seconds = self.median(lambda: [0 for _ in embeddings(model, store, store.heads(10**9))])
        steps = int(model.encoder.steps(store.frames).sum())
        floor = self.floor.seconds(float(steps) * self.step_flop, 0)
        embedded = self.row("E-step, embeddings", len(store), len(store) * self.seconds, seconds, floor)
        points, generator = self.hour(), torch.Generator()
        seconds = self.median(
            lambda: spherical_kmeans(points, config.num_tokens, generator.manual_seed(0), config.iterations)
        )
        read = config.max_frames / self.frame_rate
        return [
            embedded,
            Row("E-step, k-means", f"an hour, {config.num_tokens} tokens", seconds, "s", note="k-means++ included."),
            Row(
                "E-step of a large corpus",
                f"{config.max_frames:,} frames, {config.num_tokens} tokens",
                read / embedded.measured + seconds * read / HOUR,
                "s",
                note="However long the corpus, an E-step reads this number of frames. The sum of the two rows above, "
                "in proportion.",
            ),
        ]

    def epochs(self) -> list[Row]:
        """An epoch with augmentation compared with one without, E-step and reading included; and validation."""

        def trainer(share: float) -> Trainer:
            augment = dataclasses.replace(self.config.augment, share=share)
            train = dataclasses.replace(self.config.train, steps_per_epoch=STEPS, epochs=1000)
            return self._trainer(dataclasses.replace(self.config, augment=augment, train=train))

        with_, without = trainer(self.config.augment.share), trainer(0.0)
        recorder = SilentRecorder()
        took = interleaved(
            {"with": lambda: with_.epoch(recorder), "without": lambda: without.epoch(recorder)},
            rounds=5,
            device=self.device,
        )
        audio = STEPS * 2 * with_.batch_size * self.seconds
        ratio = took["without"] / took["with"]
        judge = self._trainer(self.config, valid=VALID)
        validation = self.median(
            lambda: validate(
                judge.model, judge.valid_store, judge.changed, judge.valid, self.config.clip_frames, judge.heard
            )
        )
        steps = self.config.train.steps_per_epoch or len(self.paths) // self.trainer.batch_size
        epoch = steps * took["with"] / STEPS
        return [
            self.row("epoch", f"{STEPS} steps, then an E-step", audio, took["with"], None),
            Row("epoch, speed with augmentation", "of that without", 100 * ratio, "%"),
            Row(
                "epoch, validation",
                f"{len(judge.valid)} of {self.seconds:g} s, after {steps} steps",
                100 * validation / (epoch + validation),
                "% of the time",
            ),
        ]

    def tokenizing(self) -> list[Row]:
        """The ONNX graph on waveforms and on files."""
        tokenizer, rate = self.tokenizer, self.rate
        flop = features_flop(self.config) + (self.step_flop + codebook_flop(self.config)) / self.config.encoder.stack
        audio = len(self.waves) * self.seconds
        frames = sum(len(w) // self.config.features.hop + 1 for w in self.waves)
        floor = self.floor.seconds(frames * flop, 4.0 * sum(map(len, self.waves)))
        batches = self.median(lambda: tokenizer.encode(self.waves, rate))
        files = self.median(lambda: sum(1 for _ in tokenize_files(self.paths, tokenizer)))
        count = len(self.waves)
        return [
            self.row("tokenizing waveforms", count, audio, batches, floor, note=tokenizer.provider + "."),
            self.row("tokenizing files", count, audio, files, floor, note="Decoding included."),
            *(self._ready_made(name) for name in ready_made.names()),
        ]

    def _ready_made(self, name: str) -> Row:
        tokenizer = Tokenizer.from_pretrained(name, "cpu" if self.device.type == "cpu" else "auto")
        seconds = self.median(lambda: tokenizer.encode(self.waves, self.rate))
        count = len(self.waves)
        return self.row(f"tokenizing waveforms, {name}", count, count * self.seconds, seconds, None)

    def one_file(self) -> Row:
        """``wav2tok tokenize`` on one file, from the start of the process to its end."""
        program = [
            sys.executable,
            "-c",
            "from wav2tok.cli import main; main()",
            "tokenize",
            self.paths[0],
            "--model",
            str(self.folder),
        ]
        took = sorted(peak_memory([*program, "--device", "cpu"]) for _ in range(5))[2]
        note = f"From start to end, at most {took[1]:.0f} MiB."
        return Row("wav2tok tokenize", "one file, whole process", took[0], "s", note=note)

    def matching(self) -> Row:
        """Edit distances between a thousand queries and a thousand strings."""
        rng = np.random.default_rng(0)
        length = max(2, round(12 * self.seconds))
        strings = [deduplicate(rng.integers(0, self.config.codebook.num_tokens, length)) for _ in range(1000)]
        seconds = self.median(lambda: edit_distances(strings, strings))
        rate = len(strings) ** 2 / seconds / 1e6
        return Row("matching, edit distance", "1,000 queries, 1,000 strings", rate, "million comparisons/s")

    def rows(self) -> list[Row]:
        """Measure all rows of the table."""
        rows: list[Row] = []
        for part in (
            self.reading,
            self.augmentation,
            self.features,
            self.e_step,
            self.steps,
            self.epochs,
            self.tokenizing,
            self.one_file,
            self.matching,
        ):
            log.info(f"measuring {part.__name__.replace('_', ' ')}")
            measured = part()
            rows += measured if isinstance(measured, list) else [measured]
        return rows
