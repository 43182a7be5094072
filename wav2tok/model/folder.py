"""The files of a model folder, which is what ``wav2tok train --out`` writes, NAME being ``train.name``::

config.json             the configuration it was trained with
NAME_best.safetensors   the model with the best validation score
NAME_5.safetensors      epoch 5 and so on, every ``train.autosave_epoch``: model, optimizer, state for resuming
last.safetensors        the same for the last epoch, or for the step after which the training was stopped
untrained.safetensors   the seed's encoder with its first codebook: a baseline
history.json            the metrics of every epoch
heard.json              digests of its training and validation recordings (named in `wav2tok.corpus.heard`)
tokenizer.onnx          the best model, waveform to tokens (named in `wav2tok.tokenizer.format`)
lineage.json            what it was trained from and where: commit, data, packages, machine
run.json                the MLflow run, if it was tracked (named in `wav2tok.tracking.runs`)
"""

import re
from dataclasses import dataclass
from pathlib import Path

SUFFIX = ".safetensors"
UNTRAINED = "untrained"


@dataclass(frozen=True)
class ModelFolder:
    """Where the files of the model folder ``path`` are. Nothing is read or written here."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration as JSON."""
        return self.path / "config.json"

    @property
    def history(self) -> Path:
        """The metrics of every epoch as JSON."""
        return self.path / "history.json"

    @property
    def lineage(self) -> Path:
        """Where the training comes from as JSON."""
        return self.path / "lineage.json"

    @property
    def last(self) -> Path:
        """The checkpoint that an interrupted training resumes from."""
        return self.weights("last")

    @property
    def untrained(self) -> Path:
        """The encoder before training, with its first codebook."""
        return self.weights(UNTRAINED)

    def best(self, name: str) -> Path:
        """The best model of the training ``name``."""
        return self.weights(f"{name}_best")

    def epoch(self, name: str, number: int) -> Path:
        """The checkpoint of one epoch of the training ``name``."""
        return self.weights(f"{name}_{number}")

    def weights(self, stem: str) -> Path:
        """The checkpoint with this file name, without its ending."""
        return self.path / f"{stem}{SUFFIX}"

    def epochs(self, name: str) -> dict[int, Path]:
        """The checkpoints of epochs of the training ``name`` that exist, by number, in order."""
        stems = (path.stem.removeprefix(f"{name}_") for path in self.written_by(name))
        return {number: self.epoch(name, number) for number in sorted(int(s) for s in stems if s.isdigit())}

    def stored(self) -> list[str]:
        """The names NAME_EPOCH and NAME_best of all checkpoints that exist, sorted."""
        return sorted(path.stem for path in self.path.glob(f"*_*{SUFFIX}"))

    def written_by(self, name: str) -> list[Path]:
        """The checkpoints that exist and that the training ``name`` writes."""
        return [path for path in self.path.glob(f"*{SUFFIX}") if self.writes(name, path)]

    def writes(self, name: str, checkpoint: Path) -> bool:
        """Whether the training ``name`` in this folder writes the file ``checkpoint``."""
        here = checkpoint.suffix == SUFFIX and checkpoint.parent.resolve() == self.path.resolve()
        return here and re.fullmatch(rf"last|{UNTRAINED}|{re.escape(name)}_(best|\d+)", checkpoint.stem) is not None

    def outdated_by(self, name: str) -> list[Path]:
        """The files that a new training ``name`` makes invalid, apart from the graph; weights of other names stay."""
        return [*self.written_by(name), self.history]
