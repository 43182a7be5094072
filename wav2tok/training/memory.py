"""What a training step will hold in memory, estimated before anything of it is allocated.

Each value of the parameters has a range, and several large ones together can still ask for more than the machine has.
The estimates are of the largest tensors alone and on the low side, so what they refuse cannot work.
"""

from dataclasses import dataclass

import torch

from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.losses.stretches import MOST
from wav2tok.machine import memory
from wav2tok.model.wav2tok import Wav2Tok

_FLOAT = 4
"""Bytes of a number."""


@dataclass(frozen=True)
class Need:
    """Memory in bytes for one purpose, and the parameters that decide about it."""

    size: float
    purpose: str
    parameters: tuple[str, ...]


def needs(model: Wav2Tok, config: Config, recordings: int, seconds: float) -> list[Need]:
    """What a step on a batch of ``recordings``, of ``seconds`` each, holds at least."""
    encoder, recipe, width = config.encoder, f"recipes.{config.train.recipe}", model.front_end.width
    steps = max(1.0, seconds * config.token_rate)
    rows = recordings * steps
    weights = sum(parameter.numel() for parameter in model.parameters())
    per_step = {
        "lstm": encoder.layers * 2 * encoder.hidden * 8,
        "sru": encoder.layers * 2 * encoder.hidden * 7,
        "transformer": encoder.layers * (2 * encoder.hidden * 10 + 2 * encoder.ffn + encoder.heads * steps),
        "linear": encoder.dim * (2 * encoder.context + 2),
    }[encoder.kind]
    pairs = recordings / 2
    stretch = max(2.0, min(config.recipe.stretch_seconds * config.token_rate, steps))
    other = min(2 * stretch, steps)
    stretches = min(max(pairs, MOST), pairs * -(-steps // stretch))
    batch = (f"{recipe}.batch_size", f"{recipe}.max_batch_seconds", "features.hop", "encoder.stack")
    compared = rows * config.codebook.num_tokens
    return [
        Need(4 * _FLOAT * weights, "the weights", ("encoder.hidden", "encoder.layers", "encoder.dim", "encoder.ffn")),
        Need(_FLOAT * rows * (encoder.stack * width * 3 + per_step), "the encoder", ("encoder.hidden", *batch)),
        Need(
            # Every frame's partner in every other stretch, and the cosines of one stretch with all others.
            _FLOAT * stretches * (stretches * (stretch + other) + stretch * other),
            "the contrast",
            (f"{recipe}.stretch_seconds", *batch),
        ),
        Need(
            _FLOAT * compared * (2 if config.recipe.use_cosine else encoder.dim),
            "the losses on tokens",
            ("codebook.num_tokens", *batch),
        ),
    ]


def require_memory(model: Wav2Tok, config: Config, recordings: int, seconds: float, device: torch.device) -> None:
    """Refuse a training of which a single step cannot fit.

    Args:
        recordings: views in a batch: two, or three, for each pair.
        seconds: mean length of what is read of a recording.

    Raises:
        UserError: the device has less memory.
    """
    wanted = needs(model, config, recordings, seconds)
    total, there = sum(need.size for need in wanted), memory(device)
    if total <= there:
        return
    largest = max(wanted, key=lambda need: need.size)
    raise UserError(
        f"a training step with these parameters needs at least {total / 2**30:,.0f} GiB of memory, most of it for "
        f"{largest.purpose}, and {device.type} has {there / 2**30:,.0f} GiB; lower {largest.parameters[0]}, or see "
        f"{', '.join(largest.parameters[1:])}."
    )
