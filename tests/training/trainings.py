"""Trainings on the tiny corpus, as several tests start and compare them."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.helpers import changed
from wav2tok.config.schema import Config
from wav2tok.corpus.splits import read_splits
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import create
from wav2tok.progress import log
from wav2tok.stages.train import TrainRun, train
from wav2tok.training.loop import Trainer
from wav2tok.training.progress import Progress


@contextlib.contextmanager
def interrupted_after(epoch: int) -> Iterator[None]:
    """A training in the block is interrupted as by Ctrl-C when it reports ``epoch``; it must get that far."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith(f"epoch {epoch}/"):
                raise KeyboardInterrupt

    handler, level = Handler(), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with pytest.raises(KeyboardInterrupt):
            yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


def fit(data: Path, out: Path, config: Config, fresh: bool = False, replace: bool = False) -> Progress:
    return train(TrainRun(data, out, None, config, "cpu", fresh, replace))


def weights(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    files = {"best": "wav2tok_best", "last": "last", "untrained": "untrained"}
    return {name: load_file(folder / f"{file}.safetensors") for name, file in files.items()}


def assert_same(one: Path, two: Path) -> None:
    """Bit-identical checkpoints, optimiser included, and the same figures but for the time they took."""
    ours, theirs = weights(one), weights(two)
    for name in ours:
        assert ours[name].keys() == theirs[name].keys()
        differing = [key for key in ours[name] if not torch.equal(ours[name][key], theirs[name][key])]
        assert not differing, name
    histories = [json.loads((folder / "history.json").read_text()) for folder in (one, two)]
    for history in histories:
        for row in history:
            del row["seconds"], row["audio_per_second"]
    assert histories[0] == histories[1]
    infos = [checkpoint.peek(folder / "last.safetensors") for folder in (one, two)]
    assert infos[0]["best_epoch"] == infos[1]["best_epoch"]


def trainer(data: Path, config: Config, out: Path) -> Trainer:
    """A trainer before its first step, without a codebook."""
    parts = read_splits(data, config)
    assert parts.valid is not None
    made = Trainer(create(config), config, parts.train, parts.valid, out, torch.device("cpu"))
    checkpoint.write_config(out, config)
    return made


def clipped(config: Config) -> Config:
    """``config`` with clips of .2 s, half of a recording of the tiny corpus or less."""
    return changed(config, train={"clip_seconds": 0.2, "epochs": 2, "steps_per_epoch": 4})
