"""Stop a training that computes NaN or infinity, and name the step and the recordings with which it began."""

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from wav2tok.errors import UserError
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.embed import NotFiniteError
from wav2tok.training.pairs import Pairs

_NAMED = 3
"""How many recordings are named; the others are counted."""


@dataclass(frozen=True)
class Done:
    """A step that was done.

    Attributes:
        step: its number, from 1.
        pairs: what was drawn for it.
        used: how many of them were used.
        parts: the parts of its loss.
    """

    step: int
    pairs: Pairs
    used: int
    parts: Mapping[str, float]


def require_finite(steps: Sequence[Done], model: Wav2Tok, paths: Sequence[str], epoch: int, recipe: str) -> None:
    """Refuse the steps of an epoch if a loss, or at its end a weight, is infinite or not a number.

    Args:
        paths: the training recordings, which `Pairs` number.

    Raises:
        UserError: it names the first of these steps and recordings of it.
    """
    first, what = None, ""
    for done in steps:
        wrong = [name for name, value in done.parts.items() if not math.isfinite(value)]
        if wrong:
            first, what = done, f"{wrong[0]} is"
            break
    # A step whose gradient is not finite spoils the loss of the next step; the last one of an epoch has none.
    if first is None and not all(bool(torch.isfinite(weights).all()) for weights in model.parameters()):
        first, what = steps[-1], "the weights are"
    if first is None:
        return
    heard = [paths[i] for part in first.pairs.members for i in part[: first.used].tolist()]
    raise UserError(
        f"{what} not finite in epoch {epoch}, first in step {first.step}{_kept(epoch)}; lower "
        f"recipes.{recipe}.learning_rate, or check the recordings of that step: {_names(heard)}."
    )


@contextlib.contextmanager
def naming_recordings(paths: Sequence[str], epoch: int, recipe: str) -> Iterator[None]:
    """Name the recordings if embeddings in the block are not finite although all weights are.

    Args:
        paths: of the recordings in the store that is embedded.
        epoch: that is at work.

    Raises:
        UserError: they are not.
    """
    try:
        yield
    except NotFiniteError as error:
        those = f" that have them: {_names([paths[i] for i in error.recordings])}" if error.recordings else ""
        raise UserError(
            f"embeddings are not finite in epoch {epoch}{_kept(epoch)}; lower recipes.{recipe}.learning_rate, or check "
            f"the recordings{those}."
        ) from None


def _kept(epoch: int) -> str:
    return f"; what was learned up to epoch {epoch - 1} is kept" if epoch > 1 else ""


def _names(heard: Sequence[str]) -> str:
    names = list(dict.fromkeys(heard))
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
