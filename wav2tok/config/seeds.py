"""Named streams of random numbers, so that everything random in a training follows from ``seed`` and a position.

Two places that draw from different streams are independent. The values of the streams are part of every result: a
change of a number changes what a seed gives.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are drawn for. ``position`` is the epoch, and for the E-step the optimiser step."""

    E_STEP = 0
    """Which recordings are clustered, and where k-means starts."""
    PAIRS = 1
    """Which recordings form pairs, in which order, and where long ones are cut."""
    DROPOUT = 2
    """Dropout and layerdrop."""
    AUGMENTATION = 3
    """Augmentation, and the frames and stretches that the contrast compares."""
    VALIDATION_SAMPLE = 5
    """Which recordings are validated on if there are too many."""
    SUBSET = 6
    """Which recordings an epoch trains on."""
    WHITENING = 7
    """Augmentation of the pairs that whitening reads."""
    DENOISING = 8
    """Babble and rooms of the copies that denoising reads."""


def rng(seed: int, stream: Stream, position: int | None = None) -> np.random.Generator:
    """numpy's generator of a stream; ``position`` is None for what is drawn once per training."""
    return np.random.default_rng([seed, stream] if position is None else [seed, position, stream])


def torch_seed(seed: int, stream: Stream, position: int) -> int:
    """A seed for a generator of torch."""
    return int(np.random.SeedSequence((seed, position, stream)).generate_state(1)[0])


def validation_seed(seed: int) -> int:
    """The seed of the augmented copies of the validation recordings."""
    return seed + 1
