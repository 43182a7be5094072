"""Where a training stands, and what it must have in common with another to go on from its checkpoint."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from wav2tok.config.parameters import to_dict
from wav2tok.config.schema import Config
from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.model import checkpoint


@dataclasses.dataclass
class Progress:
    """Where a training stands; all of it goes into the checkpoint."""

    epoch: int = 0
    step: int = 0
    best: float = -1.0
    best_epoch: int = 0
    without_gain: int = 0
    finished: bool = False
    history: list[dict[str, float]] = dataclasses.field(default_factory=list)

    @classmethod
    def told(cls, info: dict[str, Any]) -> "Progress":
        """The progress among the values of a checkpoint's info."""
        fields = {f.name for f in dataclasses.fields(cls)}
        return cls(**{k: v for k, v in info.items() if k in fields})


def data_digest(train: Recordings, valid: Recordings) -> str:
    """A digest of the recordings: their names, classes and bytes."""
    digest = hashlib.sha256(json.dumps([train.paths, train.classes, valid.paths, valid.classes]).encode())
    for content in contents(train + valid):
        digest.update(content.encode())
    return digest.hexdigest()


def fingerprint(config: Config, recordings: str) -> str:
    """What must be the same for a checkpoint to be gone on from: parameters that training reads, and `data_digest`."""
    read = ("seed", "data", "features", "encoder", "codebook", "augment", "train", "recipes")
    # These say where to begin and what to keep, and change nothing in between.
    silent = dataclasses.replace(config.train, start_epoch=0, autosave_epoch=1)
    values = to_dict(dataclasses.replace(config, train=silent))
    told = [{key: values[key] for key in read}, recordings]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def checkpoint_of(epoch: int, out: Path, config: Config, recordings: str) -> Path:
    """The checkpoint NAME_EPOCH in ``out`` that this training can go on from; it may go on longer than it was to.

    Raises:
        UserError: there is none, or it is of other parameters or recordings.
    """
    path = checkpoint.named(out, config.train.name, epoch)
    if not path.exists():
        there = sorted(p.stem for p in out.glob(f"{config.train.name}_*.safetensors") if not p.stem.endswith("_best"))
        raise UserError(
            f"train.start_epoch is {epoch}, but {path} does not exist "
            f"({'there are: ' + ', '.join(there) if there else 'nor any other epoch'}); name one that does, or 0."
        )
    theirs = checkpoint.peek_config(path).train
    as_then = dataclasses.replace(config.train, epochs=theirs.epochs, patience=theirs.patience)
    if checkpoint.peek(path).get("fingerprint") != fingerprint(dataclasses.replace(config, train=as_then), recordings):
        raise UserError(
            f"{path} is of other parameters or recordings than these; use train.init_from to begin with its weights."
        )
    return path
