"""How far a training has come, and what must match before it can resume from a checkpoint."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import pydantic

from wav2tok.config.parameters import flatten, to_dict
from wav2tok.config.schema import Config
from wav2tok.config.values import Within
from wav2tok.corpus.digests import contents
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.model import checkpoint
from wav2tok.model.folder import ModelFolder
from wav2tok.untrusted import brief


@dataclasses.dataclass(frozen=True)
class BegunStep:
    """A step of an epoch that has not ended: how many pairs it used, their frames, and the parts of its loss."""

    pairs: Annotated[int, Within(1, 10**9)]
    frames: Annotated[int, Within(1, 10**12)]
    parts: dict[str, float]


@dataclasses.dataclass
class Progress:
    """The state of a training; all of it is stored in the checkpoint.

    ``halved``: the device had too little memory, so that a step takes half of the pairs of its batch. ``begun``: the
    steps of an epoch within which the training was stopped, and ``begun_seconds`` the time that they took.
    """

    epoch: Annotated[int, Within(0, 1_000_000)] = 0
    step: Annotated[int, Within(0, 10**12)] = 0
    best: Annotated[float, Within(-1, 1)] = -1.0
    best_epoch: Annotated[int, Within(0, 1_000_000)] = 0
    without_gain: Annotated[int, Within(0, 1_000_000)] = 0
    finished: bool = False
    halved: bool = False
    begun: list[BegunStep] = dataclasses.field(default_factory=list)
    begun_seconds: Annotated[float, Within(0, 1e12)] = 0.0
    # int | float: the numbers of epochs stay whole.
    history: list[dict[str, int | float]] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        """How far it is, as in "resuming after epoch 2 and 5 steps"."""
        return f"epoch {self.epoch}" + (f" and {len(self.begun)} steps" if self.begun else "")

    @classmethod
    def last_reported(cls, info: dict[str, Any]) -> "Progress":
        """The progress that the info of a checkpoint holds.

        Raises:
            UserError: a value in it cannot be of a training.
        """
        fields = {f.name for f in dataclasses.fields(cls)}
        try:
            return _STORED.validate_python({k: v for k, v in info.items() if k in fields})
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise UserError(f"the checkpoint says that {place} is {brief(first['input'])}; train again.") from None


_STORED = pydantic.TypeAdapter(Progress)


def data_digest(train: Recordings, valid: Recordings) -> str:
    """A digest of the recordings: paths, classes and bytes."""
    digest = hashlib.sha256(json.dumps([train.paths, train.classes, valid.paths, valid.classes]).encode())
    for content in contents(train + valid):
        digest.update(content.encode())
    return digest.hexdigest()


def _read_by_training(config: Config) -> dict[str, Any]:
    """The parameters that decide the result of a training."""
    read = ("seed", "data", "features", "encoder", "codebook", "augment", "train", "recipes")
    # These decide where training starts and what it stores, but not its results.
    silent = dataclasses.replace(config.train, start_epoch=0, autosave_epoch=1)
    values = to_dict(dataclasses.replace(config, train=silent))
    return {key: values[key] for key in read}


def fingerprint(config: Config, recordings: str) -> str:
    """What must match before training can resume from a checkpoint: the parameters it reads, and `data_digest`."""
    content = [_read_by_training(config), recordings]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def same_training(path: Path, config: Config, recordings: str) -> bool:
    """Whether a checkpoint is of this training; ``train.epochs`` and ``train.patience`` may differ."""
    stored = checkpoint.peek_config(path).train
    train = dataclasses.replace(config.train, epochs=stored.epochs, patience=stored.patience)
    return checkpoint.peek(path).get("fingerprint") == fingerprint(dataclasses.replace(config, train=train), recordings)


def differences(path: Path, config: Config) -> list[str]:
    """How the parameters of a checkpoint differ from ``config``: sentences such as "seed is 0 there and 1 here"."""
    theirs, ours = (flatten(_read_by_training(one)) for one in (checkpoint.peek_config(path), config))
    return [
        f"{key} is {theirs.get(key)} there and {value} here" for key, value in ours.items() if theirs.get(key) != value
    ]


def checkpoint_of(epoch: int, out: Path, config: Config, recordings: str) -> Path:
    """The checkpoint NAME_EPOCH in ``out``, if this training can resume from it; ``train.epochs`` may differ.

    Raises:
        UserError: it does not exist, or is of other parameters or recordings.
    """
    folder = ModelFolder(out)
    path = folder.epoch(config.train.name, epoch)
    if not path.exists():
        stems = [p.stem for p in folder.epochs(config.train.name).values()]
        raise UserError(
            f"train.start_epoch is {epoch}, but {path} does not exist "
            f"({'there are: ' + ', '.join(stems) if stems else 'nor does any other epoch'}); name one that does, or 0."
        )
    if not same_training(path, config, recordings):
        raise UserError(
            f"{path} is of other parameters or recordings than these; use train.init_from to start from its weights."
        )
    return path
