"""The training loop: steps, E-steps, the two stages, validation, early stopping.

Run it as ``wav2tok train --data audios.bin --out model``; on a laptop ``--set train.epochs=3`` takes about a minute.
The same code runs on CPU and CUDA.
"""

import functools
import time
from collections.abc import Callable

import numpy as np
import torch

from wav2tok.device import allow_tf32
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.progress import log
from wav2tok.ranks import LostRankError
from wav2tok.spectra.e_step import e_step
from wav2tok.training.augment import augment, same_length
from wav2tok.training.batches import LoadedBatch
from wav2tok.training.finite import naming_recordings, require_finite
from wav2tok.training.graphs import Graphs
from wav2tok.training.objective import Views, objective, views_of
from wav2tok.training.point import Row, seeded
from wav2tok.training.progress import Progress
from wav2tok.training.recorder import Recorder
from wav2tok.training.state import State
from wav2tok.training.validation import validate


def schedule(step: int, total: int, warmup: float, *, falls: bool = True) -> float:
    """Share of the learning rate at ``step`` of ``total``: up to 1 over the share ``warmup`` of them, then down to 0.

    Without ``falls`` it stays at 1.
    """
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return max(0.0, (total - step) / max(1, total - rise)) if falls else 1.0


def recorded(row: dict[str, float]) -> dict[str, float]:
    """A row of the history, by the names under which a recorder receives its metrics."""
    return {name.replace("valid_", "valid/"): value for name, value in row.items() if name != "epoch"}


class Trainer(State):
    """A training that runs: from the state that it has to its end."""

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step by the schedule of the recipe."""
        r = self.recipe
        return r.learning_rate * schedule(step, r.schedule_steps or self.total, r.warmup, falls=r.schedule == "linear")

    @functools.cached_property
    def embed(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """How a step embeds its recordings."""
        precision = self.config.train.precision
        if self.config.train.cuda_graphs and self.device.type == "cuda":
            return Graphs(self.model, precision)
        return functools.partial(self.model.embed, precision=precision)

    def views(self, batch: LoadedBatch, generator: torch.Generator) -> Views:
        """The embeddings of a batch after augmentation: all of its views are one batch of 2 B (or 3 B) recordings."""
        config, allowed = self.config.augment, None
        if config.views == "partner":
            allowed = torch.arange(len(batch.frames)).div(len(batch.labels), rounding_mode="floor") == 1
        spectrum, frames = augment(batch.spectrum, batch.frames, self.model.front_end, config, generator, allowed)
        if self.config.train.same_length:
            spectrum, frames = same_length(spectrum, frames, batch.members, self.model.front_end.kind)
        return views_of(self.model, spectrum, frames, batch.labels, batch.members, self.ranks, self.embed)

    def step(self, batch: LoadedBatch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """One optimiser step on a batch of pairs; returns the parts of the loss."""
        views = self.views(batch, generator)
        with allow_tf32(self.device):
            loss, parts = objective(
                self.model,
                views,
                self.recipe,
                generator=generator,
                frame_rate=self.config.token_rate,
                contrast_only=self.progress.step < self.contrast_steps,
                ranks=self.ranks,
            )
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
        self.ranks.average(self.model.parameters())
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimizer.param_groups[0]["lr"] = self.learning_rate(self.progress.step)
        self._interruption.commit()
        self.optimizer.step()
        return parts

    def _fitting_step(
        self, loaded: LoadedBatch, generator: torch.Generator
    ) -> tuple[LoadedBatch, dict[str, torch.Tensor]]:
        """`step` on as many pairs as the device has memory for, and what it was done on.

        If it runs out of memory, this step and all that follow take half of their pairs. Their number and the schedule
        stay.

        Raises:
            UserError: half of the pairs are too many as well.
        """
        while True:
            batch = loaded.first(self.pairs)
            try:
                return batch, self.step(batch, generator)
            except torch.cuda.OutOfMemoryError:
                # Several processes would have to agree to go on with half.
                if self.progress.halved or self.batch_size < 4 or self.ranks.size > 1:
                    raise UserError(
                        f"{self.device.type} has too little memory for a step on {self.pairs} "
                        f"{self.config.train.mode}; lower recipes.{self.config.train.recipe}.max_batch_seconds."
                    ) from None
            # Only here, because the exception holds the tensors of the step that failed.
            self._halve()

    def _halve(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()
        self.progress.halved = True
        log.warning(
            f"{self.device.type} has too little memory for {self.batch_size} {self.config.train.mode} per step; going "
            f"on with {self.pairs}, so an epoch has half of them (recipes.{self.config.train.recipe}.max_batch_seconds)"
        )

    @property
    def pairs(self) -> int:
        """How many pairs of a batch a step uses."""
        return self.batch_size // 2 if self.progress.halved else self.batch_size

    def epoch(self, recorder: Recorder) -> dict[str, float]:
        """Run one epoch, or the rest of one; everything random in it follows from (seed, epoch)."""
        p, config = self.progress, self.config
        generator = seeded(config.seed, p.epoch, self.ranks.index, self.device, self._random)
        self.model.train()
        started = time.perf_counter() - p.begun_seconds
        sampler = self.sampler.subset(config.train.subset_share, config.seed, p.epoch)
        among = torch.from_numpy(sampler.numbers)
        kept = config.train.init_from is not None  # the codebook already has a meaning at the start
        batches = sampler.epoch(config.seed, p.epoch, self.batch_size, config.train.steps_per_epoch)
        first = p.step - len(p.begun) + 1
        self._rows = [Row(first + i, batches[i], x.pairs, x.frames, x.parts) for i, x in enumerate(p.begun)]
        left = batches[len(p.begun) :]
        p.begun, p.begun_seconds, self._random = [], 0.0, {}
        self.mark(generator, started)
        for pairs, loaded in zip(left, self.batches.ahead(left), strict=True):
            since = p.step - self.contrast_steps
            if since >= 0 and since % self.recipe.iter_clust == 0 and p.step > 0:
                # At the start of the second stage there is no codebook to keep: the embeddings have changed too much.
                if self._rows:
                    done = [row.done() for row in self._rows]
                    require_finite(done, self.model, self.paths, p.epoch + 1, config.train.recipe)
                self._e_step(p.epoch + 1, kept or since > 0, among)
            batch, parts = self._fitting_step(loaded, generator)
            p.step += 1
            self._rows.append(Row(p.step, pairs, len(batch.labels), int(batch.frames.sum()), parts))
            self.mark(generator, started)
            self._interruption.settled()
        p.epoch += 1
        seconds = time.perf_counter() - started
        # Read once per epoch, so that no step waits for the device.
        done, frames = [row.done() for row in self._rows], sum(row.frames for row in self._rows)
        recorder.metrics([(one.step, {f"step/{k}": v for k, v in one.parts.items()}) for one in done])
        require_finite(done, self.model, self.paths, p.epoch, config.train.recipe)
        figures = {
            name: float(np.mean([one.parts[name] for one in done if name in one.parts])) for name in done[-1].parts
        }
        if p.step <= self.contrast_steps:
            self._e_step(p.epoch, kept or p.epoch > 1, among)
        return figures | {"seconds": seconds, "audio_per_second": frames / self.frame_rate / seconds}

    def _e_step(self, epoch: int, warm: bool, among: torch.Tensor) -> None:
        """The E-step of an epoch over the recordings ``among``, int64 [R]; the weights are known to be finite."""
        with naming_recordings(self.paths, epoch, self.config.train.recipe):
            e_step(self.model, self.store, self.config, self.progress.step, warm=warm, among=among, ranks=self.ranks)

    def run(self, recorder: Recorder) -> Progress:
        """Train to the end or until it stops early; checkpoints and history are written after every epoch.

        If it is interrupted, or another rank is lost, the checkpoint of its last step is written.
        """
        with self._interruption.watched():
            try:
                return self._run(recorder)
            except (KeyboardInterrupt, LostRankError):
                self.write_point()
                raise

    def _run(self, recorder: Recorder) -> Progress:
        p, train = self.progress, self.config.train
        log.info(
            f"recipe {train.recipe}: {train.epochs} epochs of {self.steps} steps, {self.pairs} {train.mode} per step"
        )
        if p.step < self.contrast_steps:
            log.info(f"first stage, {self.contrast_steps} steps: contrast between recordings of different classes")
        if not p.history and self.config.encoder.kind == "linear":
            # What has not been trained is already of use: training has to improve on it, or it stays the best.
            self._judge({}, recorder)
        while not p.finished:
            first_stage = p.step < self.contrast_steps
            figures = self.epoch(recorder)
            if first_stage and p.step >= self.contrast_steps and p.epoch < train.epochs:
                log.info(
                    f"second stage, {self.total - p.step} steps: EM with all losses of the recipe, so the loss "
                    "cannot be compared with that of the first stage"
                )
            self._judge(figures, recorder)
        return p

    def _judge(self, figures: dict[str, float], recorder: Recorder) -> None:
        """Validate after an epoch that had ``figures`` (none before the first); write checkpoints and history."""
        p, train = self.progress, self.config.train

        def validated() -> dict[str, float]:
            with naming_recordings(self.valid.paths, p.epoch, train.recipe):
                return validate(
                    self.model, self.valid_store, self.changed, self.valid, self.config.clip_frames, self.heard
                )

        score = self.ranks.from_first(validated)
        row = {"epoch": p.epoch, **figures, **{f"valid_{k}": v for k, v in score.items()}}
        recorder.metrics([(p.step, recorded(row))])  # which can wait for a server
        self._interruption.commit()
        better = score["score"] > p.best
        if better:
            p.best, p.best_epoch, p.without_gain = score["score"], p.epoch, 0
        else:
            p.without_gain += 1
        # Patience applies from the second stage on, which may start below the best score of the first.
        if p.step <= self.contrast_steps:
            p.without_gain = 0
        p.finished = p.epoch >= train.epochs or p.without_gain >= train.patience
        p.history.append(row)
        best = self.files.best(train.name)
        if self.ranks.first:
            if better:
                checkpoint.save(best, self.model, self.config, self.info())
            if p.epoch and p.epoch % train.autosave_epoch == 0:
                path = self.files.epoch(train.name, p.epoch)
                checkpoint.save(path, self.model, self.config, self.info(), self.optimizer, best)
            self.write_last()
        self._point = None
        said = "  ".join(f"{name} {value:.3f}" for name, value in score.items())
        if figures:
            speed = f"{figures['audio_per_second']:,.0f} s of audio/s  {figures['seconds']:.0f} s"
            said = f"loss {figures['loss']:.3f}  {said}  {speed}"
        log.info(f"epoch {p.epoch}/{train.epochs}  {said}" + ("  *" if better else ""))
        self._interruption.settled()
