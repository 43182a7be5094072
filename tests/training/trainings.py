"""Trainings on the tiny corpus, as several tests start and compare them."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from wav2tok.config.schema import Config
from wav2tok.model import checkpoint
from wav2tok.stages.train import train
from wav2tok.training.progress import Progress


class Interrupted(Exception):
    """What a test stops a training with."""


def stop_after(epoch: int) -> Callable[[str], None]:
    def say(line: str) -> None:
        if line.startswith(f"epoch {epoch}/"):
            raise Interrupted

    return say


def fit(
    data: Path, out: Path, config: Config, say: Callable[[str], None] = lambda line: None, fresh: bool = False
) -> Progress:
    return train(data, out, None, config, "cpu", fresh)


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
