"""The state of a training: the model, its data, its optimiser and its progress; how it is saved and exactly resumed."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch

from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.splits import sample_subset
from wav2tok.errors import UserError
from wav2tok.files import write_json
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.progress import log
from wav2tok.ranks import ALONE, Ranks
from wav2tok.spectra.store import SpectrumStore, build
from wav2tok.training.batches import Batches
from wav2tok.training.finite import require_finite
from wav2tok.training.interruption import Interruption
from wav2tok.training.memory import require_memory
from wav2tok.training.pairs import PairSampler, pairs_per_batch
from wav2tok.training.point import Point, Row, random_states
from wav2tok.training.progress import Progress, checkpoint_of, data_digest, fingerprint, same_training
from wav2tok.training.validation import changed_copy


class State:
    """What a training has, and its checkpoints.

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
            UserError: the checkpoint does not exist, or belongs to other parameters or recordings.
        """
        name = self.config.train.name
        path = checkpoint_of(epoch, self.out, self.config, self.recordings)
        self._restore(path)
        checkpoint.restore_best(path, self.files.best(name))
        for number, later in self.files.epochs(name).items():
            if number > epoch:
                later.unlink()
        checkpoint.write_config(self.out, self.config)
        self.write_last()

    def _restore(self, path: Path) -> None:
        """Restore the state that was saved in ``path``; random numbers follow from the seed and the epoch.

        Only a training that was stopped within an epoch has the states of random numbers in its checkpoint.
        """
        p = self.progress = Progress.last_reported(checkpoint.restore(path, self.model, self.optimizer))
        self._random = checkpoint.random_states(path) if p.begun else {}
        stored = checkpoint.peek_config(path).train
        self.extended = (stored.epochs, stored.patience) != (self.config.train.epochs, self.config.train.patience)
        p.finished = p.epoch >= self.config.train.epochs or p.without_gain >= self.config.train.patience

    def write_last(self) -> None:
        """Write the checkpoint that a killed training resumes from, and the metrics of every epoch so far."""
        checkpoint.save(self.files.last, self.model, self.config, self.info(), self.optimizer)
        # Plots need the same keys in every row, including the losses that only the second stage has.
        history = self.progress.history
        keys = list(dict.fromkeys(key for row in history for key in row))
        write_json(self.files.history, [{key: row.get(key) for key in keys} for row in history])

    def mark(self, generator: torch.Generator, started: float) -> None:
        """Remember the state after a step: it is written if what follows is interrupted."""
        progress = dataclasses.replace(self.progress, history=[*self.progress.history])
        self._point = Point(
            progress,
            len(self._rows),
            time.perf_counter() - started,
            self.model.codebook.clone(),
            random_states(generator, self.device),
        )

    def write_point(self) -> None:
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


def _extent(recordings: Recordings) -> str:
    """How many classes and groups there are, in words."""
    labels = "" if recordings.classes is None else f"{len(set(recordings.classes))} classes and "
    return f"{labels}{len(set(recordings.groups))} groups"
