"""Checkpoints: safetensors for numbers, JSON for the rest; no pickle, so that loading one runs nothing.

A model folder, what ``wav2tok train --out`` writes, NAME being ``train.name``::

    config.json             the configuration it was trained with
    NAME_best.safetensors   the model of the best validation score
    NAME_5.safetensors      epoch 5 and so on, every ``train.autosave_epoch``: model, optimizer, what resuming needs
    last.safetensors        the same of the last epoch
    untrained.safetensors   the seed's encoder with its first codebook: a baseline
    history.json            the figures of every epoch
    tokenizer.onnx          the best model, waveform to tokens

Every checkpoint says in its header which configuration it is of.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError, reason
from wav2tok.files import read_json, replacing, write_json
from wav2tok.model.wav2tok import Wav2Tok, create


def named(folder: Path, name: str, epoch: int | None = None) -> Path:
    """The file of NAME_EPOCH, or of NAME_best."""
    return folder / f"{name}_{'best' if epoch is None else epoch}.safetensors"


def save(
    path: Path,
    model: Wav2Tok,
    config: Config,
    info: dict[str, Any],
    optimizer: torch.optim.Optimizer | None = None,
    best: Path | None = None,
) -> None:
    """Write a checkpoint, whole or not at all.

    Args:
        info: JSON values, kept in the file's header with the configuration.
        optimizer: given, its state goes in as well.
        best: another checkpoint, the best so far, whose model goes in too: who goes back to this epoch goes back to
            what was the best then (`restore_best`).
    """
    tensors = {f"model.{name}": t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    header = {"info": json.dumps(info, allow_nan=False), "config": json.dumps(to_dict(config))}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value.cpu() for key, value in state.items()}
    if best is not None:
        theirs, told = _read(best)
        tensors |= {f"best.{key}": value for key, value in theirs.items()}
        header["best"] = json.dumps(told)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=header)


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


def load(folder: Path, name: str | None = None) -> tuple[Wav2Tok, Config, dict[str, Any]]:
    """The model NAME of a folder (its best by default) in evaluation mode, its configuration, and the info with it.

    Raises:
        UserError: no such folder or checkpoint, a damaged one, or one that does not fit ``config.json``.
    """
    config = read_config(folder)
    model = create(config)
    path = named(folder, config.train.name) if name is None else folder / f"{name}.safetensors"
    tensors, info = _read(path)
    _fill(model, tensors, path)
    return model.eval(), config, info


def find(what: str, folder: Path) -> Path:
    """The checkpoint that ``what`` means: a model folder (its best), NAME, NAME_EPOCH or NAME_best.

    Args:
        what: names are looked for as paths, then in ``folder``; NAME alone is NAME_best.

    Raises:
        UserError: there is none.
    """
    for place in (Path(what), folder / what) if what.strip() else ():
        if (place / "config.json").is_file():
            return named(place, read_config(place).train.name)
        for path in (place, place.with_name(f"{place.name}.safetensors"), named(place.parent, place.name)):
            if path.is_file():
                return path
    there = sorted(path.stem for path in folder.glob("*_*.safetensors"))
    raise UserError(
        f"train.init_from is {what!r}, which is no model folder and no NAME, NAME_EPOCH or NAME_best in {folder}"
        f"{' (it has ' + ', '.join(there) + ')' if there else ''}; name one with its folder."
    )


def load_weights(model: Wav2Tok, config: Config, path: Path) -> dict[str, Any]:
    """Set ``model``, made by ``config``, to the weights and codebook of a checkpoint; returns its info.

    Raises:
        UserError: no such checkpoint, or one of a model of another shape; ``model`` is as it was.
    """
    require_same_shape(config, path)
    tensors, info = _read(path)
    _fill(model, tensors, path)
    return info


def require_same_shape(config: Config, path: Path) -> None:
    """Refuse a checkpoint of a model that is not of ``config``'s shape, from its header alone."""
    theirs, ours = _shape(peek_config(path)), _shape(config)
    other = [f"{key} is {theirs[key]} there and {ours[key]} here" for key in ours if theirs[key] != ours[key]]
    if other:
        raise UserError(f"{path} is of another model: {', '.join(other)}; set what differs as it is there.")


def _shape(config: Config) -> dict[str, Any]:
    """The parameters that weights hang on, by name."""
    sections: dict[str, Any] = {"features": config.features, "encoder": config.encoder}
    within = {f"{name}.{key}": v for name, part in sections.items() for key, v in dataclasses.asdict(part).items()}
    for free in ("dropout", "layerdrop", "input_dim", "tiled"):
        del within[f"encoder.{free}"]
    return within | {
        "data.sample_rate": config.data.sample_rate,
        "codebook.num_tokens": config.codebook.num_tokens,
        "use_cosine": config.recipe.use_cosine,
    }


def peek_config(path: Path) -> Config:
    """The configuration that a checkpoint is of, without its numbers."""
    with _opened(path) as file:
        return from_dict(json.loads(file.metadata()["config"]))


def restore_best(path: Path, target: Path) -> None:
    """Write the best model as it was when the checkpoint ``path`` was saved to the checkpoint ``target``."""
    with _opened(path) as file:
        header = file.metadata()
        tensors = {
            key.removeprefix("best."): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118
            if key.startswith("best.")
        }
    with replacing(target) as temporary:
        save_file(tensors, temporary, metadata={"info": header["best"], "config": header["config"]})


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


UNTRAINED = "untrained"
