"""The training loop: stages, E-steps, validation, early stopping, checkpoints, exact resuming.

Run it as ``wav2tok train --data audios.bin --out model``; on a laptop ``--set train.epochs=3`` takes about a minute.
The same code runs on CPU and CUDA.
"""

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.splits import sample_subset
from wav2tok.device import allow_tf32
from wav2tok.errors import UserError
from wav2tok.files import write_json
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.ranks import ALONE, LostRankError, Ranks
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.store import SpectrumStore, build
from wav2tok.training.augment import augment, same_length
from wav2tok.training.batches import Batches, LoadedBatch
from wav2tok.training.finite import require_finite
from wav2tok.training.interruption import Interruption
from wav2tok.training.memory import require_memory
from wav2tok.training.objective import Views, objective, views_of
from wav2tok.training.pairs import PairSampler, pairs_per_batch
from wav2tok.training.point import Point, Row, random_states, seeded
from wav2tok.training.progress import Progress, checkpoint_of, data_digest, fingerprint, same_training
from wav2tok.training.recorder import Recorder
from wav2tok.training.validation import changed_copy, validate


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


def _extent(recordings: Recordings) -> str:
    """How many classes and groups there are, in words."""
    labels = "" if recordings.classes is None else f"{len(set(recordings.classes))} classes and "
    return f"{labels}{len(set(recordings.groups))} groups"


class Trainer:
    """One training: the model, its data and its progress.

    Attributes:
        ranks: the processes that train together; `join` sets them.
        extended: it was resumed with other ``train.epochs`` or ``train.patience`` than it had.
    """

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
        self.files, self.recipe = ModelFolder(out), config.recipe
        self.valid = valid = sample_subset(valid, config.train.validate_recordings, config.seed)
        # None where validation does not tell heard classes from others, as in a list.
        self.heard = frozenset(train.classes) if config.train.unheard_validation and train.classes else None
        self.paths = train.paths
        self.sampler = PairSampler.of(train, config.train.mode)
        started = time.perf_counter()
        self.store: SpectrumStore = build(train.paths, model.front_end, out, device)
        self.valid_store = build(valid.paths, model.front_end, out, device)
        self.changed = changed_copy(self.valid_store, model, config, out)
        self.batches = Batches(self.store, config.clip_frames, device)
        self.frame_rate = config.data.sample_rate / config.features.hop
        clips = self.store.frames.clamp_max(config.clip_frames)
        mean_seconds = float(clips.float().mean()) / self.frame_rate
        frames = int(self.store.frames.sum() + self.valid_store.frames.sum())
        log.info(
            f"read {len(train)} training recordings of {_extent(train)} and "
            f"{len(valid)} validation recordings, {frames / self.frame_rate:,.0f} s of "
            f"audio, in {time.perf_counter() - started:.1f} s"
        )
        per_epoch = len(self.sampler.subset(config.train.subset_share, config.seed, 0).labels)
        members = 3 if config.train.mode == "triplets" else 2
        most = pairs_per_batch(self.recipe.batch_size, self.recipe.max_batch_seconds, mean_seconds * members)
        self.batch_size = min(most, max(2, per_epoch))
        require_memory(model, config, members * self.batch_size, mean_seconds, device)
        self.steps = config.train.steps_per_epoch or -(-per_epoch // self.batch_size)
        self.total = self.steps * config.train.epochs
        self.contrast_steps = round(self.recipe.contrast_share * self.total)
        if self.recipe.contrast_share and len(set(self.sampler.labels)) < 2:
            raise UserError("the training part has only one class; contrast needs recordings of at least two.")
        self.optimizer = torch.optim.Adam(
            model.parameters(),
            lr=self.recipe.learning_rate,
            betas=(0.9, 0.98),
            eps=1e-6,
            weight_decay=self.recipe.weight_decay,
            fused=True,
        )
        self.progress = Progress()
        self.extended = False
        self.ranks: Ranks = ALONE
        self._interruption = Interruption()
        self._rows: list[Row] = []  # the steps of the epoch at work
        self._point: Point | None = None
        self._random: dict[str, torch.Tensor] = {}  # of the middle of an epoch, until it goes on
        self.recordings = data_digest(train, valid)
        self.fingerprint = fingerprint(config, self.recordings)

    def join(self, ranks: Ranks) -> None:
        """Train together with other processes, from the state of the first rank.

        Raises:
            UserError: they have other parameters or recordings.
        """
        self.ranks = ranks

        def state() -> tuple[str, Any, Any, Progress, dict[str, torch.Tensor]]:
            weights = {name: value.cpu() for name, value in self.model.state_dict().items()}
            adam = self.optimizer.state_dict()
            adam["state"] = {i: {key: x.cpu() for key, x in one.items()} for i, one in adam["state"].items()}
            return self.fingerprint, weights, adam, self.progress, self._random

        theirs, weights, adam, progress, random = ranks.from_first(state)
        if theirs != self.fingerprint:
            raise UserError(
                f"process {ranks.index} of this training has other parameters or recordings than process 0; give all "
                "machines the same command, params.yaml and data."
            )
        if not ranks.first:
            self.model.load_state_dict(weights)
            self.optimizer.load_state_dict(adam)
            self.progress, self._random = progress, random

    def write_to(self, folder: Path) -> None:
        """Read and write checkpoints in ``folder`` from now on."""
        self.out, self.files = folder, ModelFolder(folder)

    def info(self) -> dict[str, Any]:
        """The info that goes into a checkpoint."""
        return dataclasses.asdict(self.progress) | {"fingerprint": self.fingerprint}

    def resume(self, *, longer: bool) -> bool:
        """Resume the training of the same parameters and data from its last checkpoint, if there is one.

        Args:
            longer: also resume a training that is finished, and one with fewer epochs or less patience. What it ends
                with is then not what a training of that length gives from the start: the schedules depend on it.
        """
        path = self.files.last
        if not path.exists() or not same_training(path, self.config, self.recordings):
            return False
        stored, ours = checkpoint.peek_config(path).train, self.config.train
        shorter = ours.epochs < stored.epochs or ours.patience < stored.patience
        changed = (ours.epochs, ours.patience) != (stored.epochs, stored.patience)
        if shorter or (not longer and (changed or checkpoint.peek(path)["finished"])):
            return False
        self._restore(path)
        return True

    def rewind(self, epoch: int) -> None:
        """Resume this training from its checkpoint NAME_EPOCH, restore the best model of then and delete later ones.

        Raises:
            UserError: there is no such checkpoint, or it is of other parameters or recordings.
        """
        name = self.config.train.name
        path = checkpoint_of(epoch, self.out, self.config, self.recordings)
        self._restore(path)
        checkpoint.restore_best(path, self.files.best(name))
        for number, later in self.files.epochs(name).items():
            if number > epoch:
                later.unlink()
        checkpoint.write_config(self.out, self.config)
        self._write_last()

    def _restore(self, path: Path) -> None:
        """Restore the state that was saved in ``path``; random numbers follow from the seed and the epoch.

        Only a training that was stopped within an epoch has the states of random numbers in its checkpoint.
        """
        p = self.progress = Progress.last_reported(checkpoint.restore(path, self.model, self.optimizer))
        self._random = checkpoint.random_states(path) if p.begun else {}
        stored = checkpoint.peek_config(path).train
        self.extended = (stored.epochs, stored.patience) != (self.config.train.epochs, self.config.train.patience)
        p.finished = p.epoch >= self.config.train.epochs or p.without_gain >= self.config.train.patience

    def _write_last(self) -> None:
        """Write the checkpoint that a killed training resumes from, and the metrics of every epoch so far."""
        checkpoint.save(self.files.last, self.model, self.config, self.info(), self.optimizer)
        # Plots need the same keys in every row, including the losses that only the second stage has.
        history = self.progress.history
        keys = list(dict.fromkeys(key for row in history for key in row))
        write_json(self.files.history, [{key: row.get(key) for key in keys} for row in history])

    def learning_rate(self, step: int) -> float:
        """The learning rate of a step by the schedule of the recipe."""
        r = self.recipe
        return r.learning_rate * schedule(step, r.schedule_steps or self.total, r.warmup, falls=r.schedule == "linear")

    def views(self, batch: LoadedBatch, generator: torch.Generator) -> Views:
        """The embeddings of a batch after augmentation: all of its views are one batch of 2 B (or 3 B) recordings."""
        config, allowed = self.config.augment, None
        if config.views == "partner":
            allowed = torch.arange(len(batch.frames)).div(len(batch.labels), rounding_mode="floor") == 1
        spectrum, frames = augment(batch.spectrum, batch.frames, self.model.front_end, config, generator, allowed)
        if self.config.train.same_length:
            spectrum, frames = same_length(spectrum, frames, batch.members, self.model.front_end.kind)
        return views_of(self.model, spectrum, frames, batch.labels, batch.members, self.ranks)

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

    def _mark(self, generator: torch.Generator, started: float) -> None:
        """Remember the state after a step: it is written if what follows is interrupted."""
        progress = dataclasses.replace(self.progress, history=[*self.progress.history])
        self._point = Point(
            progress,
            len(self._rows),
            time.perf_counter() - started,
            self.model.codebook.clone(),
            random_states(generator, self.device),
        )

    def _write_point(self) -> None:
        """Write the checkpoint of the last step, if there was one since the last checkpoint."""
        point = self._point
        if point is None or not point.steps or not self.ranks.first:
            return
        self._interruption.commit()  # a second signal must not interrupt the writing
        rows = self._rows[: point.steps]
        done = [row.done() for row in rows]
        require_finite(done, self.model, self.paths, point.progress.epoch + 1, self.config.train.recipe)
        begun = [row.begun() for row in rows]
        self.progress = dataclasses.replace(point.progress, begun=begun, begun_seconds=point.seconds)
        with torch.no_grad():
            self.model.codebook.copy_(point.codebook)
        checkpoint.save(self.files.last, self.model, self.config, self.info(), self.optimizer, random=point.random)

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
        self._mark(generator, started)
        for pairs, loaded in zip(left, self.batches.ahead(left), strict=True):
            since = p.step - self.contrast_steps
            if since >= 0 and since % self.recipe.iter_clust == 0 and p.step > 0:
                # At the start of the second stage there is no codebook to keep: the embeddings have changed too much.
                warm = kept or since > 0
                e_step(self.model, self.store, config, p.step, warm=warm, among=among, ranks=self.ranks)
            batch, parts = self._fitting_step(loaded, generator)
            p.step += 1
            self._rows.append(Row(p.step, pairs, len(batch.labels), int(batch.frames.sum()), parts))
            self._mark(generator, started)
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
            warm = kept or p.epoch > 1
            e_step(self.model, self.store, config, p.step, warm=warm, among=among, ranks=self.ranks)
        return figures | {"seconds": seconds, "audio_per_second": frames / self.frame_rate / seconds}

    def run(self, recorder: Recorder) -> Progress:
        """Train to the end or until it stops early; checkpoints and history are written after every epoch.

        If it is interrupted, or another rank is lost, the checkpoint of its last step is written.
        """
        with self._interruption.watched():
            try:
                return self._run(recorder)
            except (KeyboardInterrupt, LostRankError):
                self._write_point()
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
                    f"second stage, {self.total - p.step} steps: EM with all losses of the recipe, so the loss is "
                    "another sum than that of the first stage"
                )
            self._judge(figures, recorder)
        return p

    def _judge(self, figures: dict[str, float], recorder: Recorder) -> None:
        """Validate after an epoch that had ``figures`` (none before the first); write checkpoints and history."""
        p, train = self.progress, self.config.train

        def validated() -> dict[str, float]:
            return validate(self.model, self.valid_store, self.changed, self.valid, self.config.clip_frames, self.heard)

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
            self._write_last()
        self._point = None
        said = "  ".join(f"{name} {value:.3f}" for name, value in score.items())
        if figures:
            speed = f"{figures['audio_per_second']:,.0f} s of audio/s  {figures['seconds']:.0f} s"
            said = f"loss {figures['loss']:.3f}  {said}  {speed}"
        log.info(f"epoch {p.epoch}/{train.epochs}  {said}" + ("  *" if better else ""))
        self._interruption.settled()
