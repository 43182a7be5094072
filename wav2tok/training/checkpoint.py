"""Checkpoints: safetensors for numbers, JSON for the rest; no pickle, so that loading one runs nothing.

A model folder, what ``wav2tok train --out`` writes::

    config.json             the configuration it was trained with
    best.safetensors        the model of the best validation score
    last.safetensors        the last epoch: model, optimizer, and what resuming needs
    untrained.safetensors   the seed's encoder with its first codebook: a baseline
    history.json            the figures of every epoch
    tokenizer.onnx          the best model, waveform to tokens
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wav2tok.config import Config, from_dict, to_dict
from wav2tok.errors import UserError, reason
from wav2tok.files import read_json, replacing, write_json
from wav2tok.model import Wav2Tok, create


def save(path: Path, model: Wav2Tok, info: dict[str, Any], optimizer: torch.optim.Optimizer | None = None) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        info: JSON values, kept in the file's header.
        optimizer: given, its state goes in as well.
    """
    tensors = {f"model.{name}": t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value.cpu() for key, value in state.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"info": json.dumps(info, allow_nan=False)})


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A checkpoint's file, its faults said as the user's to mend."""
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; train first: wav2tok train --data audios.bin --out {path.parent}"
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{path} is no checkpoint of wav2tok ({error}); train anew.") from None


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    with _opened(path) as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["info"])  # noqa: SIM118


def peek(path: Path) -> dict[str, Any]:
    """The info of a checkpoint, without its numbers."""
    with _opened(path) as file:
        return json.loads(file.metadata()["info"])


def read_config(folder: Path) -> Config:
    """The configuration that a model folder was trained with."""
    if not (folder / "config.json").exists():
        raise UserError(
            f"{folder} is no model folder (it has no config.json); train first: "
            f"wav2tok train --data audios.bin --out {folder}"
        )
    return from_dict(read_json(folder / "config.json"))


def load(folder: Path, name: str = "best") -> tuple[Wav2Tok, Config, dict[str, Any]]:
    """The model NAME of a folder in evaluation mode, its configuration, and the info saved with it.

    Raises:
        UserError: no such folder or checkpoint, a damaged one, or one that does not fit ``config.json``.
    """
    config = read_config(folder)
    model = create(config)
    tensors, info = _read(folder / f"{name}.safetensors")
    _fill(model, tensors, folder / f"{name}.safetensors")
    return model.eval(), config, info


def _fill(model: Wav2Tok, tensors: dict[str, Tensor], path: Path) -> None:
    state = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the configuration beside it ({reason(error)}); train anew.") from None


def restore(path: Path, model: Wav2Tok, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Set model and optimizer to what `save` wrote; returns its info."""
    tensors, info = _read(path)
    _fill(model, tensors, path)
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return info


def write_config(folder: Path, config: Config) -> None:
    """Put the configuration into a model folder."""
    write_json(folder / "config.json", to_dict(config))
