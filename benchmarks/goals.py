"""What the parts should reach on two cores, each in the unit of its row.

They are absolute: a share of what the network alone takes would reward a slow network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wav2tok.speed.table import number


@dataclass(frozen=True)
class Goal:
    """A goal as text, and whether a figure meets it, given the figures of all parts."""

    text: str
    met: Callable[[float, Mapping[str, float]], bool]


def at_least(limit: float) -> Goal:
    """A figure of at least ``limit``."""
    return Goal(f">= {number(limit)}", lambda figure, _: figure >= limit)


def at_most(limit: float) -> Goal:
    """A figure of at most ``limit``."""
    return Goal(f"<= {number(limit)}", lambda figure, _: figure <= limit)


def at_least_of(share: float, part: str) -> Goal:
    """At least this share of the figure of another part."""
    return Goal(f">= {100 * share:g} % of {part}", lambda figure, others: figure >= share * others[part])


def at_most_of(times: float, part: str) -> Goal:
    """At most this multiple of the figure of another part."""
    return Goal(f"<= {times:g} x {part}", lambda figure, others: figure <= times * others[part])


GOALS = {
    "alignment and contrast": at_most(10),
    "training step": at_least(1500),
    "training step, EM": at_least_of(0.8, "training step"),
    "training step, long recordings": at_least_of(0.8, "training step"),
    "E-step, k-means": at_most(3),
    "E-step of a large corpus": at_most(60),
    "epoch, speed with augmentation": at_least(80),
    "epoch, validation": at_most(5),
    "tokenizing waveforms": at_least(4000),
    "tokenizing files": at_least(2500),
    "wav2tok tokenize": at_most(0.35),
    "preparing a corpus, the largest": at_most_of(1.3, "preparing a corpus"),
    "training, memory, the largest corpus": at_most_of(1.1, "training, memory"),
    "tokenizing, memory, the largest corpus": at_most_of(1.1, "tokenizing, memory"),
    "tokenizing, memory, the longest file": at_most_of(1.2, "tokenizing, memory, one file"),
}
"""By the part of a row."""
