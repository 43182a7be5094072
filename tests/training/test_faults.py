"""Numbers that are not finite, and a device without enough memory, in the middle of real trainings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.helpers import changed
from tests.training.trainings import trainer
from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.spectra.store import SpectrumStore
from wav2tok.training.batches import LoadedBatch
from wav2tok.training.loop import Trainer
from wav2tok.training.recorder import SilentRecorder


def before_step(made: Trainer, number: int, happens: Callable[[], None]) -> list[int]:
    """Let something happen before the steps from ``number`` on; returns how many pairs each step was on."""
    step, sizes = made.step, []

    def faulty(batch: LoadedBatch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        if made.progress.step >= number:
            happens()
        parts = step(batch, generator)
        sizes.append(len(batch.labels))
        return parts

    made.step = faulty  # type: ignore[method-assign]
    return sizes


@pytest.mark.promise(
    "A loss is NaN or infinite",
    "Training stops and names recordings of the first such step; the last good checkpoint stays.",
)
def test_the_first_bad_step_and_its_recordings_are_named_and_the_last_good_checkpoint_stays(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)
    bad = made.steps + 2

    def spoil() -> None:
        with torch.no_grad():
            made.model.encoder.projection.bias[0] = torch.nan

    before_step(made, bad, spoil)
    with pytest.raises(UserError, match=rf"in epoch 2, first in step {bad + 1}; what .* epoch 1 is kept; ") as raised:
        made.run(SilentRecorder())
    drawn = made.sampler.epoch(tiny_config.seed, 1, made.batch_size, tiny_config.train.steps_per_epoch)[2]
    heard = list(dict.fromkeys(made.paths[i] for part in drawn.members for i in part.tolist()))
    assert str(raised.value).endswith(f": {', '.join(heard[:3])} and {len(heard) - 3} more.")
    assert checkpoint.peek(tmp_path / "last.safetensors")["epoch"] == 1
    checkpoint.load(tmp_path, "last")


@pytest.mark.promise("A step makes weights NaN or infinite", "They are not written.")
def test_weights_that_the_last_step_spoils_are_not_written(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)

    def spoil() -> None:  # an infinite rate: the loss of this step is finite, and the weights after it are not
        made.learning_rate = lambda step: float("inf")  # type: ignore[method-assign]

    before_step(made, made.steps - 1, spoil)
    with pytest.raises(UserError, match=rf"the weights are not finite in epoch 1, first in step {made.steps}; lower"):
        made.run(SilentRecorder())
    assert not (tmp_path / "last.safetensors").exists()


def poisoned(store: SpectrumStore, recording: int) -> None:
    """Make the spectrum of a recording NaN on the disk, as a broken disk or another program could."""
    width, first = store._rows.width, int(store._offsets[recording])
    store._rows.write(np.full((int(store.frames[recording]), width), np.nan, np.float32), first)


@pytest.mark.promise(
    "The embeddings of some recordings are NaN", "Training stops and names them; the last good checkpoint stays."
)
@pytest.mark.parametrize("where", ["training", "validation", "augmented validation"])
def test_recordings_whose_embeddings_are_not_finite_are_named(
    where: str, tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    """The E-step of the first stage's end and validation read recordings that may be in no pair of the epoch."""
    made = trainer(tiny_split, tiny_config, tmp_path)
    store = {"training": made.store, "validation": made.valid_store, "augmented validation": made.changed}[where]
    paths = made.paths if where == "training" else made.valid.paths

    def spoil() -> None:
        if made.progress.step == 2 * made.steps - 1:  # the steps of the epoch have loaded what they need
            for recording in (1, 2):
                poisoned(store, recording)

    before_step(made, 0, spoil)
    with pytest.raises(UserError, match=r"embeddings are not finite in epoch 2; what .* up to epoch 1 is kept; lower "
    ) as raised:  # fmt: skip
        made.run(SilentRecorder())
    assert str(raised.value).endswith(f"check the recordings that have them: {paths[1]}, {paths[2]}.")
    assert checkpoint.peek(tmp_path / "last.safetensors")["epoch"] == 1


def test_a_spoiled_step_is_named_also_if_an_e_step_follows_within_the_epoch(
    tiny_split: Path, tiny_config: Config, tmp_path: Path
) -> None:
    made = trainer(tiny_split, changed(tiny_config, recipe={"contrast_share": 0.0, "iter_clust": 3}), tmp_path)

    def spoil() -> None:
        with torch.no_grad():
            made.model.encoder.projection.bias[0] = torch.nan

    before_step(made, 1, spoil)
    with pytest.raises(UserError, match=r"not finite in epoch 1, first in step 2; lower .* recordings of that step: "):
        made.run(SilentRecorder())


class Full:
    """A device that runs out of memory a given number of times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self) -> None:
        if self.times:
            self.times -= 1
            raise torch.cuda.OutOfMemoryError


@pytest.mark.promise(
    "The device says that it has too little memory", "Training says so and goes on with half of the pairs per step."
)
def test_a_device_without_enough_memory_gets_half_of_the_pairs(
    tiny_split: Path, tiny_config: Config, tmp_path: Path, lines: list[str]
) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)
    sizes = before_step(made, 3, Full(1))
    progress = made.run(SilentRecorder())
    whole, half = made.batch_size, made.batch_size // 2
    assert sizes == [whole] * 3 + [half] * (made.total - 3)
    assert (progress.step, progress.epoch) == (made.total, tiny_config.train.epochs)
    assert [line for line in lines if "too little memory" in line] == [
        f"cpu has too little memory for {whole} pairs per step; going on with {half}, so an epoch has half of them "
        "(recipes.staged.max_batch_seconds)"
    ]
    again = trainer(tiny_split, changed(tiny_config, train={"epochs": 4}), tmp_path)
    assert again.resume(longer=True)
    assert again.pairs == half


def test_twice_is_an_error(tiny_split: Path, tiny_config: Config, tmp_path: Path) -> None:
    made = trainer(tiny_split, tiny_config, tmp_path)
    before_step(made, 0, Full(2))
    with pytest.raises(
        UserError, match=rf"too little memory for a step on {made.batch_size // 2} pairs; lower recipes"
    ):
        made.run(SilentRecorder())


@pytest.mark.parametrize("members", [2, 3])
def test_the_first_pairs_of_a_batch(members: int) -> None:
    numbers: Any = torch.arange(members * 4)
    batch = LoadedBatch(numbers[:, None, None].expand(-1, 5, 6), numbers, torch.arange(4), members)
    kept = batch.first(3)
    assert kept.frames.tolist() == [4 * view + pair for view in range(members) for pair in range(3)]
    assert torch.equal(kept.spectrum[:, 0, 0], kept.frames)
    assert kept.labels.tolist() == [0, 1, 2]
    assert batch.first(9) is batch
