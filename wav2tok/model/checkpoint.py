"""Checkpoints: safetensors for numbers, JSON for the rest. No pickle, so loading one runs no code.

`wav2tok.model.folder` names the files. Every checkpoint holds its configuration in its header.
"""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wav2tok.config.parameters import from_stored, to_dict
from wav2tok.config.schema import Config
from wav2tok.errors import UserError, reason
from wav2tok.files import read_json, replacing, write_json
from wav2tok.model.folder import ModelFolder
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.untrusted import parse_json, why_not_regular


def save(
    path: Path,
    model: Wav2Tok,
    config: Config,
    info: dict[str, Any],
    optimizer: torch.optim.Optimizer | None = None,
    best: Path | None = None,
    random: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a checkpoint atomically.

    Args:
        info: JSON values, stored in the header of the file next to the configuration.
        optimizer: its state is stored too, if given.
        best: the checkpoint of the best model so far, stored too, so that rewinding to this epoch also restores what
            was the best model then (`restore_best`).
        random: states of random numbers by name, stored too (`random_states`).
    """
    tensors = {f"model.{name}": t.detach().cpu().contiguous() for name, t in model.state_dict().items()}
    header = {"info": json.dumps(info, allow_nan=False), "config": json.dumps(to_dict(config))}
    if optimizer is not None:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value.cpu() for key, value in state.items()}
    tensors |= {f"random.{name}": state for name, state in (random or {}).items()}
    if best is not None:
        best_tensors, best_header = _read(best)
        tensors |= {f"best.{key}": value for key, value in best_tensors.items()}
        header["best"] = best_header["info"]
    _write(path, tensors, header)


def _write(path: Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    size = sum(tensor.nbytes for tensor in tensors.values()) + sum(map(len, header.values()))
    with replacing(path, size) as temporary:
        save_file(tensors, temporary, metadata=header)
        _sort_header(temporary)


def _sort_header(path: Path) -> None:
    """Let equal checkpoints be equal files: safetensors writes the metadata in an order of chance."""
    with open(path, "r+b") as file:
        size = int.from_bytes(file.read(8), "little")
        values = json.loads(file.read(size))
        values["__metadata__"] = dict(sorted(values["__metadata__"].items()))
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) > size:
            raise ValueError("safetensors writes its header in another way than expected")
        file.seek(8)
        file.write(text.ljust(size))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a checkpoint, converting any failure to a `UserError`."""
    irregular = why_not_regular(path)
    if irregular not in (None, "does not exist"):
        raise UserError(f"{path} {irregular}; name a checkpoint.")
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist; train first: wav2tok train --data audios.bin --out {path.parent}"
        ) from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{path} is not a checkpoint of wav2tok ({reason(error)}); train again.") from None


def _read(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors whose names begin with ``prefix``, by the rest of their names, and the header."""
    with _opened(path) as file:
        names = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
        return {key.removeprefix(prefix): file.get_tensor(key) for key in names}, file.metadata()


def peek(path: Path) -> dict[str, Any]:
    """The info of a checkpoint; reads the header only."""
    with _opened(path) as file:
        info = parse_json(file.metadata()["info"])
        if not isinstance(info, dict):
            raise ValueError("its info is not a JSON object")
        return info


def peek_config(path: Path) -> Config:
    """The configuration of a checkpoint; reads the header only."""
    with _opened(path) as file:
        return from_stored(parse_json(file.metadata()["config"]), str(path))


def read_config(folder: Path) -> Config:
    """The configuration that a model folder was trained with."""
    file = ModelFolder(folder).config
    if not file.exists():
        raise UserError(
            f"{folder} is not a model folder (it has no {file.name}); train first: "
            f"wav2tok train --data audios.bin --out {folder}"
        )
    return from_stored(read_json(file), str(file))


def load(folder: Path, name: str | None = None) -> tuple[Wav2Tok, Config, dict[str, Any]]:
    """The best model of a folder in evaluation mode, its configuration, and the info stored with it.

    Args:
        name: of another checkpoint of the folder, without its ending.

    Raises:
        UserError: the folder or checkpoint does not exist, is damaged, or does not fit ``config.json``.
    """
    config = read_config(folder)
    model = create(config)
    files = ModelFolder(folder)
    info = _fill(model, files.best(config.train.name) if name is None else files.weights(name))
    return model.eval(), config, info


def find(what: str, folder: Path) -> Path:
    """The checkpoint that ``what`` names: a model folder (its best model), NAME, NAME_EPOCH or NAME_best.

    Args:
        what: names are looked up as paths, then in ``folder``; NAME alone means NAME_best.

    Raises:
        UserError: there is none.
    """
    for place in (Path(what), folder / what) if what.strip() else ():
        if ModelFolder(place).config.is_file():
            return ModelFolder(place).best(read_config(place).train.name)
        siblings = ModelFolder(place.parent)
        for path in (place, siblings.weights(place.name), siblings.best(place.name)):
            if path.is_file():
                return path
    stored = ModelFolder(folder).stored()
    raise UserError(
        f"train.init_from is {what!r}, which is neither a model folder nor a NAME, NAME_EPOCH or NAME_best in {folder}"
        f"{' (it has ' + ', '.join(stored) + ')' if stored else ''}; name a checkpoint with its folder."
    )


def load_weights(model: Wav2Tok, config: Config, path: Path) -> dict[str, Any]:
    """Load the weights and codebook of a checkpoint into ``model``, made by ``config``; returns its info.

    Raises:
        UserError: the checkpoint does not exist or is of a model of another shape; ``model`` is unchanged.
    """
    require_same_shape(config, path)
    return _fill(model, path)


def require_same_shape(config: Config, path: Path) -> None:
    """Refuse a checkpoint of a model whose shape is not that of ``config``; reads the header only."""
    theirs, ours = _shape(peek_config(path)), _shape(config)
    differences = [f"{key} is {theirs[key]} there and {ours[key]} here" for key in ours if theirs[key] != ours[key]]
    if differences:
        raise UserError(
            f"{path} is of another model: {', '.join(differences)}; set these parameters as in the checkpoint."
        )


def _shape(config: Config) -> dict[str, Any]:
    """The parameters that determine the weight shapes, by name."""
    sections: dict[str, Any] = {"features": config.features, "encoder": config.encoder}
    within = {f"{name}.{key}": v for name, part in sections.items() for key, v in dataclasses.asdict(part).items()}
    for free in ("dropout", "layerdrop", "input_dim", "tiled"):
        del within[f"encoder.{free}"]
    return within | {
        "data.sample_rate": config.data.sample_rate,
        "codebook.num_tokens": config.codebook.num_tokens,
        "use_cosine": config.recipe.use_cosine,
    }


def restore_best(path: Path, target: Path) -> None:
    """Write to the checkpoint ``target`` what was the best model when the checkpoint ``path`` was saved."""
    tensors, header = _read(path, "best.")
    _write(target, tensors, {"info": header["best"], "config": header["config"]})


def _fill(model: Wav2Tok, path: Path) -> dict[str, Any]:
    """Load the weights of a checkpoint into ``model``; returns its info."""
    info = peek(path)
    tensors, _ = _read(path, "model.")
    broken = next((name for name, values in tensors.items() if not bool(values.isfinite().all())), None)
    if broken is not None:
        raise UserError(f"{path} is not a model: {broken} holds numbers that are not finite; train again.")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(f"{path} does not fit the configuration next to it ({reason(error)}); train again.") from None
    return info


def restore(path: Path, model: Wav2Tok, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Load model and optimizer as `save` wrote them; returns the info."""
    info = _fill(model, path)
    state: dict[int, dict[str, Tensor]] = {}
    sizes = [weights.shape for group in optimizer.param_groups for weights in group["params"]]
    for key, value in _read(path, "optimizer.")[0].items():
        index, _, name = key.partition(".")
        number = int(index) if index.isdecimal() else len(sizes)
        if number >= len(sizes) or value.shape not in (sizes[number], torch.Size([])):
            raise UserError(f"{path} holds {key} of an optimizer of another model; train again.")
        state.setdefault(number, {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return info


def random_states(path: Path) -> dict[str, Tensor]:
    """The states of random numbers that `save` stored with the checkpoint, by name."""
    return _read(path, "random.")[0]


def write_config(folder: Path, config: Config) -> None:
    """Write the configuration into a model folder."""
    write_json(ModelFolder(folder).config, to_dict(config))
