"""The training loop: stages, E-steps, validation, early stopping, checkpoints, exact resume.

Run it as ``wav2tok train --data audios.bin --out model``; on a laptop ``--set train.epochs=3`` shows it within a
minute. The same code runs on CPU and CUDA.
"""

import dataclasses
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.splits import sample_subset
from wav2tok.device import fast_products
from wav2tok.errors import UserError
from wav2tok.files import write_json
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.spectra.e_step import derived_seed, expectation
from wav2tok.spectra.store import SpectrumStore, build
from wav2tok.training.augment import augment, same_length
from wav2tok.training.objective import objective, views_of
from wav2tok.training.pairs import Pairs, PairSampler, pairs_per_batch
from wav2tok.training.progress import Progress, checkpoint_of, data_digest, fingerprint
from wav2tok.training.recorder import Recorder
from wav2tok.training.validation import changed_copy, validate


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A batch of pairs ready to be worked on: [2 B, T, bands] on the device; frames [2 B], labels [B] on the CPU.

    Of triplets 3 B; ``members`` says which.
    """

    spectrum: torch.Tensor
    frames: torch.Tensor
    labels: torch.Tensor
    members: int


def schedule(step: int, total: int, warmup: float, *, falls: bool = True) -> float:
    """Share of the learning rate at ``step`` of ``total``: up over the first ``warmup`` of them, then down to 0.

    Where it does not fall it stays up.
    """
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (total - step) / max(1, total - rise)) if falls else 1.0


class Trainer:
    """One training: the model, its data and its progress."""

    def __init__(
        self,
        model: Wav2Tok,
        config: Config,
        train: Recordings,
        valid: Recordings,
        out: Path,
        device: torch.device,
    ) -> None:
        self.model, self.config, self.out, self.device = model.to(device), config, out, device
        self.recipe = config.recipe
        self.valid = valid = sample_subset(valid, config.train.validate_recordings, config.seed)
        self.sampler = PairSampler.of(train, config.train.mode)
        started = time.perf_counter()
        self.store: SpectrumStore = build(train.paths, model.front_end, out, device)
        self.valid_store = build(valid.paths, model.front_end, out, device)
        self.changed = changed_copy(self.valid_store, model, config, out)
        self.frame_rate = config.data.sample_rate / config.features.hop
        heard = self.store.frames.clamp_max(config.clip_frames)
        mean_seconds = float(heard.float().mean()) / self.frame_rate
        frames = int(self.store.frames.sum() + self.valid_store.frames.sum())
        log.info(
            f"read {len(train)} training and {len(valid)} validation recordings, {frames / self.frame_rate:,.0f} s of "
            f"audio, in {time.perf_counter() - started:.1f} s"
        )
        heard_each = len(self.sampler.subset(config.train.subset_share, config.seed, 0).labels)
        seconds = mean_seconds * (3 if config.train.mode == "triplets" else 2)
        self.batch_size = min(
            pairs_per_batch(self.recipe.batch_size, self.recipe.max_batch_seconds, seconds), max(2, heard_each)
        )
        self.steps = config.train.steps_per_epoch or -(-heard_each // self.batch_size)
        self.total = self.steps * config.train.epochs
        self.contrast_steps = round(self.recipe.contrast_share * self.total)
        if self.recipe.contrast_share and len(set(self.sampler.labels)) < 2:
            raise UserError("the training part has one class only; contrast needs recordings of at least two.")
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=self.recipe.learning_rate,
            betas=(0.9, 0.98),
            eps=1e-6,
            weight_decay=self.recipe.weight_decay,
            fused=True,
        )
        self.progress = Progress()
        self.recordings = data_digest(train, valid)
        self.fingerprint = fingerprint(config, self.recordings)

    def info(self) -> dict[str, Any]:
        """What a checkpoint says of itself."""
        return dataclasses.asdict(self.progress) | {"fingerprint": self.fingerprint}

    def resume(self) -> bool:
        """Take up an unfinished training of the same parameters and data from ``last``, if there is one."""
        path = self.out / "last.safetensors"
        if not path.exists():
            return False
        info = checkpoint.peek(path)
        if info.get("fingerprint") != self.fingerprint or info.get("finished"):
            return False
        self._restore(path)
        return True

    def go_back(self, epoch: int) -> None:
        """Take up this training at its checkpoint NAME_EPOCH; later ones are dropped, and the best is what it was.

        Raises:
            UserError: there is no such checkpoint, or it is of other parameters or recordings.
        """
        name = self.config.train.name
        path = checkpoint_of(epoch, self.out, self.config, self.recordings)
        self._restore(path)
        checkpoint.restore_best(path, checkpoint.named(self.out, name))
        for later in self.out.glob(f"{name}_*.safetensors"):
            number = later.stem.removeprefix(f"{name}_")
            if number.isdigit() and int(number) > epoch:
                later.unlink()
        checkpoint.write_config(self.out, self.config)
        self._write_last()

    def _restore(self, path: Path) -> None:
        """Everything as it was when ``path`` was saved; what is random follows from the seed and the epoch."""
        p = self.progress = Progress.told(checkpoint.restore(path, self.model, self.optimizer))
        p.finished = p.epoch >= self.config.train.epochs or p.without_gain >= self.config.train.patience

    def _write_last(self) -> None:
        """What a training that is killed goes on from, and the figures of every epoch so far."""
        checkpoint.save(self.out / "last.safetensors", self.model, self.config, self.info(), self.optimizer)
        # Plots want the same keys in every row, also those of losses that only the second stage has.
        history = self.progress.history
        keys = list(dict.fromkeys(key for row in history for key in row))
        write_json(self.out / "history.json", [{key: row.get(key) for key in keys} for row in history])

    def load(self, pairs: Pairs) -> Loaded:
        """Read the spectra of a batch of pairs, both views one behind the other, and send them to the device."""
        views = pairs.members
        tiles = self.store.clips(torch.cat(views), pairs.places.repeat(len(views)), self.config.clip_frames)
        spectrum, frames = self.store.batch(tiles, pinned=self.device.type == "cuda")
        return Loaded(spectrum.to(self.device, non_blocking=True), frames, pairs.labels, len(views))

    def loaded(self, batches: list[Pairs]) -> Iterator[Loaded]:
        """The batches of an epoch; while one is worked on the next is read."""
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.load, batches[0])
            for following in [*batches[1:], None]:
                batch = coming.result()
                if following is not None:
                    coming = pool.submit(self.load, following)
                yield batch

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step, as the recipe's schedule has it."""
        r = self.recipe
        return r.learning_rate * schedule(step, r.schedule_steps or self.total, r.warmup, falls=r.schedule == "linear")

    def step(self, batch: Loaded, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """One optimiser step on a batch of pairs; returns the parts of the loss."""
        # All views of the batch go through augmentation and encoder as one batch of 2 B (or 3 B) recordings.
        config, allowed = self.config.augment, None
        if config.views == "partner":
            allowed = torch.arange(len(batch.frames)).div(len(batch.labels), rounding_mode="floor") == 1
        spectrum, frames = augment(batch.spectrum, batch.frames, self.model.front_end, config, generator, allowed)
        if self.config.train.same_length:
            spectrum, frames = same_length(spectrum, frames, batch.members)
        with fast_products(self.device):
            loss, parts = objective(
                self.model,
                views_of(self.model, spectrum, frames, batch.labels, batch.members),
                self.recipe,
                generator=generator,
                frame_rate=self.config.token_rate,
                contrast_only=self.progress.step < self.contrast_steps,
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate(self.progress.step)
        self.optimizer.step()
        return parts

    def epoch(self, recorder: Recorder) -> dict[str, float]:
        """Run one epoch; everything random in it follows from (seed, epoch)."""
        p, config = self.progress, self.config
        torch.manual_seed(derived_seed(config.seed, p.epoch, 2))
        generator = torch.Generator().manual_seed(derived_seed(config.seed, p.epoch, 3))
        self.model.train()
        rows: list[tuple[int, dict[str, torch.Tensor]]] = []
        started, frames = time.perf_counter(), 0
        sampler = self.sampler.subset(config.train.subset_share, config.seed, p.epoch)
        among = torch.from_numpy(sampler.numbers)
        kept = config.train.init_from is not None  # the codebook has a meaning from the start
        batches = sampler.epoch(config.seed, p.epoch, self.batch_size, config.train.steps_per_epoch)
        for batch in self.loaded(batches):
            since = p.step - self.contrast_steps
            if since >= 0 and since % self.recipe.iter_clust == 0 and p.step > 0:
                # The first codebook of the second stage has nothing to keep: the embeddings are new.
                warm = kept or since > 0
                expectation(self.model, self.store, config, (config.seed, p.step), warm=warm, among=among)
            parts = self.step(batch, generator)
            p.step += 1
            frames += int(batch.frames.sum())
            rows.append((p.step, parts))
        p.epoch += 1
        seconds = time.perf_counter() - started
        # Read once an epoch, so that no step waits for the device.
        logged = [(step, {f"step/{k}": float(v) for k, v in parts.items()}) for step, parts in rows]
        recorder.metrics(logged)
        figures = {
            name.removeprefix("step/"): float(np.mean([row[name] for _, row in logged if name in row]))
            for name in logged[-1][1]
        }
        bad = [name for name in figures if not np.isfinite(figures[name])]
        if bad:
            raise UserError(
                f"{bad[0]} is not finite in epoch {p.epoch}; lower recipes.{config.train.recipe}.learning_rate."
            )
        if p.step <= self.contrast_steps:
            warm = kept or p.epoch > 1
            expectation(self.model, self.store, config, (config.seed, p.step), warm=warm, among=among)
        return figures | {"seconds": seconds, "audio_per_second": frames / self.frame_rate / seconds}

    def run(self, recorder: Recorder) -> Progress:
        """Train to the end, early stop included; checkpoints and history are on disk after every epoch."""
        p, train = self.progress, self.config.train
        log.info(self.recipe_line())
        while not p.finished:
            figures = self.epoch(recorder)
            score = validate(self.model, self.valid_store, self.changed, self.valid, self.config.clip_frames)
            better = score["score"] > p.best
            if better:
                p.best, p.best_epoch, p.without_gain = score["score"], p.epoch, 0
            else:
                p.without_gain += 1
            # Patience begins with the second stage, which may well start below the first one's best.
            if p.step <= self.contrast_steps:
                p.without_gain = 0
            p.finished = p.epoch >= train.epochs or p.without_gain >= train.patience
            row = {"epoch": p.epoch, **figures, **{f"valid_{k}": v for k, v in score.items()}}
            p.history.append(row)
            recorder.metrics([(p.step, {k.replace("valid_", "valid/"): v for k, v in row.items() if k != "epoch"})])
            best = checkpoint.named(self.out, train.name)
            if better:
                checkpoint.save(best, self.model, self.config, self.info())
            if p.epoch % train.autosave_epoch == 0:
                path = checkpoint.named(self.out, train.name, p.epoch)
                checkpoint.save(path, self.model, self.config, self.info(), self.optimizer, best)
            self._write_last()
            log.info(
                f"epoch {p.epoch}/{train.epochs}  loss {figures['loss']:.3f}  "
                + "  ".join(f"{k} {v:.3f}" for k, v in score.items())
                + f"  {figures['audio_per_second']:,.0f} s of audio/s  {figures['seconds']:.0f} s"
                + ("  *" if better else "")
            )
        return p

    def recipe_line(self) -> str:
        """What is about to happen, in a line."""
        return (
            f"recipe {self.config.train.recipe}: {self.config.train.epochs} epochs of {self.steps} steps, "
            f"{self.batch_size} {self.config.train.mode} a step, "
            f"contrast alone for the first {self.contrast_steps} steps"
        )
