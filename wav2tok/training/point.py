"""The point within an epoch that a stopped training goes on from: its steps so far, and its random numbers."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import Tensor

from wav2tok.config.seeds import Stream, torch_seed
from wav2tok.errors import UserError, reason
from wav2tok.training.finite import Done
from wav2tok.training.pairs import Pairs
from wav2tok.training.progress import BegunStep, Progress


@dataclasses.dataclass(frozen=True)
class Row:
    """A step of the epoch at work: its number, the pairs drawn for it, and how many were used, of how many frames.

    ``parts`` of its loss are scalars on the device, so that no step waits for the device.
    """

    step: int
    pairs: Pairs
    used: int
    frames: int
    parts: Mapping[str, Tensor | float]

    def done(self) -> Done:
        """The same with the parts as numbers."""
        return Done(self.step, self.pairs, self.used, {name: float(part) for name, part in self.parts.items()})

    def begun(self) -> BegunStep:
        """What of it is stored in a checkpoint."""
        return BegunStep(self.used, self.frames, {name: float(part) for name, part in self.parts.items()})


@dataclasses.dataclass(frozen=True)
class Point:
    """The state after a step, but for the weights: what is at work then changes no weight before it is whole.

    ``steps`` of the epoch are done, in ``seconds``. An E-step that is given up may have set the codebook.
    """

    progress: Progress
    steps: int
    seconds: float
    codebook: Tensor
    random: dict[str, Tensor]


def random_states(generator: torch.Generator, device: torch.device) -> dict[str, Tensor]:
    """The states of all random numbers of an epoch: those of augmentation by ``generator``, and of dropout."""
    states = {"augmentation": generator.get_state(), "dropout": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def seeded(
    seed: int, epoch: int, rank: int, device: torch.device, states: Mapping[str, Tensor] | None = None
) -> torch.Generator:
    """Seed dropout and return the generator of augmentation, at the start of an epoch or where it was stopped.

    All ranks augment alike; each has a dropout of its own.

    Args:
        states: of `random_states`, where the epoch was stopped.

    Raises:
        UserError: ``states`` are none.
    """
    torch.manual_seed(torch_seed(seed, Stream.DROPOUT, epoch) + rank)
    generator = torch.Generator().manual_seed(torch_seed(seed, Stream.AUGMENTATION, epoch))
    if not states:
        return generator
    try:
        generator.set_state(states["augmentation"])
        torch.set_rng_state(states["dropout"])
        if device.type == "cuda" and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], device)
    except (KeyError, RuntimeError, TypeError) as error:
        raise UserError(f"the checkpoint holds no states of random numbers ({reason(error)}); train again.") from None
    if rank:
        torch.manual_seed(int(torch.randint(2**62, ())) + rank)
    return generator
