"""What has moved since data was last accepted: lengths, levels and SNR of added recordings, classes and groups of all.

What was added comes from a process, such as a microphone, so it is compared by itself: in a large corpus a new process
would not show. Classes and groups are compared as a whole, since a delivery may well be of one class or one speaker.

Everything is measured by the Jensen-Shannon divergence, in bits. A distribution has moved if its divergence is above
``validate.max_shift`` and above the bound that the accepted data give (`wav2tok.corpus.two_samples`).
"""

import collections
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.corpus.accepted import KEPT, Known
from wav2tok.corpus.two_samples import Measure, bounds, by, divergence, occurrences, tenths

Severity = Literal["critical", "warning"]
NUMBERS = {
    "moved_length": ("seconds", "length", "s"),
    "moved_level": ("rms_dbfs", "level", "dBFS"),
    "moved_snr": ("snr_db", "signal above noise", "dB"),
}
"""The comparisons of added recordings: name -> (field of `Known`, what it is called, unit)."""
KINDS = {"moved_classes": "class_name", "moved_groups": "group"}
"""The comparisons of all recordings: name -> field of `Known`."""
SEVERITIES: Mapping[str, Severity] = dict.fromkeys([*NUMBERS, *KINDS], "warning")
"""All comparisons, with the severity that they have unless ``expectations.yaml`` says another."""
FEWEST = 10
"""The fewest recordings that can be compared."""


@dataclass(frozen=True)
class Shift:
    """One comparison.

    Attributes:
        name: of `SEVERITIES`.
        value: the divergence, in bits.
        bound: what it must be above to have moved.
        says: what differs, with figures.
    """

    name: str
    severity: Severity
    value: float
    bound: float
    says: str

    @property
    def moved(self) -> bool:
        """Whether the distribution has moved."""
        return self.value > self.bound

    @property
    def sentence(self) -> str:
        """``moved_level: ... (divergence 0.41 bits, at most 0.12 is expected)``."""
        return f"{self.name}: {self.says} (divergence {self.value:.3f} bits, at most {self.bound:.3f} is expected)"


@dataclass(frozen=True)
class Comparison:
    """Data beside the last accepted data; ``shifts`` is empty where nothing could be compared."""

    says: str
    shifts: tuple[Shift, ...] = ()

    @property
    def moved(self) -> list[Shift]:
        """The distributions that have moved."""
        return [shift for shift in self.shifts if shift.moved]


def compare(
    old: Sequence[Known],
    now: Sequence[Known],
    config: Config,
    severities: Mapping[str, Severity] = SEVERITIES,
    *,
    arrived: Sequence[Known] | None = None,
    what: str = "the accepted data",
) -> Comparison:
    """Compare data with a profile of accepted data.

    Args:
        old: the profile, by digest. The first `KEPT` are used, and then they are a draw; the same is made of ``now``.
        now: all recordings of the data, by digest.
        config: ``validate.max_shift``, and ``drift.draws``, ``drift.confidence`` and ``seed`` for the bounds.
        severities: of the comparisons to make.
        arrived: what is new in ``now``; None: what is not in the profile.
        what: the old data is called.
    """
    if not old:
        return Comparison("No data was accepted before, so there is nothing to compare with.")
    old, drawn = old[:KEPT], len(old) >= KEPT
    if drawn:
        now = [one for one in now if one.sha256 <= old[-1].sha256]
    before, after = ({one.sha256 for one in some} for some in (old, now))
    added = [one for one in now if one.sha256 not in before] if arrived is None else arrived[:KEPT]
    gone = len(before - after)
    if not added and not gone:
        return Comparison(f"The recordings are those of {what}.")
    draw = f" (a draw of {len(old)} recordings)" if drawn else ""
    says = f"Compared with {what}{draw}, {_recordings(len(added))} were added and {gone} are gone."
    if len(old) < FEWEST:
        return Comparison(f"{says} These are too few to compare: {FEWEST} are needed.")
    shifts = []
    asked = [name for name in NUMBERS if name in severities and len(added) >= FEWEST]
    if asked:
        shifts += _of_numbers(asked, old, added, config, severities)
    elif added:
        says += f" Lengths and levels are compared from {FEWEST} added recordings on."
    asked = [name for name in KINDS if name in severities and len(now) >= FEWEST]
    if asked:
        shifts += _of_kinds(asked, old, now, config, severities)
    return Comparison(says, tuple(shifts))


def _of_numbers(
    names: Sequence[str],
    old: Sequence[Known],
    added: Sequence[Known],
    config: Config,
    severities: Mapping[str, Severity],
) -> list[Shift]:
    """What moved in the numbers of the added recordings. Whole groups are drawn for the bounds."""
    measures, medians = {}, {}
    for name in names:
        values = np.array([getattr(one, NUMBERS[name][0]) for one in (*old, *added)])
        measures[name] = by(tenths(values, len(old)), divergence)
        medians[name] = np.median(values[len(old) :]), np.median(values[: len(old)])
    groups = np.unique([one.group for one in old], return_inverse=True)[1]
    limits = _bounds(measures, groups, len(added), len(old), config)
    first, second = np.arange(len(old)), np.arange(len(old), len(old) + len(added))
    found = []
    for name, measure in measures.items():
        _, called, unit = NUMBERS[name]
        new, was = (f"{value:.4g} {unit}" for value in medians[name])
        says = f"the median {called} is {new} in {_recordings(len(added))} added, and was {was}"
        found.append(Shift(name, severities[name], measure(first, second), limits[name], says))
    return found


def _of_kinds(
    names: Sequence[str], old: Sequence[Known], now: Sequence[Known], config: Config, severities: Mapping[str, Severity]
) -> list[Shift]:
    """What moved in the shares of classes and groups. Single recordings are drawn: other groups are other groups."""
    measures, says = {}, {}
    for name in names:
        kinds = [getattr(one, KINDS[name]) for one in (*old, *now)]
        measures[name] = by(occurrences([np.array([kind]) for kind in kinds]), divergence)
        shares = [_shares(some) for some in (kinds[: len(old)], kinds[len(old) :])]
        says[name] = _classes(*shares) if name == "moved_classes" else _groups(*shares)
    limits = _bounds(measures, np.zeros(len(old)), len(now), len(old), config)
    first, second = np.arange(len(old)), np.arange(len(old), len(old) + len(now))
    return [
        Shift(name, severities[name], measure(first, second), limits[name], says[name])
        for name, measure in measures.items()
    ]


def _bounds(
    measures: Mapping[str, Measure], groups: np.ndarray, new: int, old: int, config: Config
) -> dict[str, float]:
    """What each divergence must be above; the draws hold for all comparisons together (Bonferroni)."""
    level = 1 - (1 - config.drift.confidence) / len(SEVERITIES)
    rng = np.random.default_rng(config.seed)
    limits = bounds(list(measures.values()), groups, min(new, old // 2), config.drift.draws, level, rng)
    return {name: max(config.validate.max_shift, limit) for name, limit in zip(measures, limits, strict=True)}


def _shares(kinds: Sequence[str]) -> dict[str, float]:
    return {kind: count / len(kinds) for kind, count in collections.Counter(kinds).items()}


def _classes(before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """The class whose share has changed most."""
    name = max(sorted({*before, *now}), key=lambda one: abs(now.get(one, 0) - before.get(one, 0)))
    was, share = before.get(name, 0), now.get(name, 0)
    return f"the class {name or '(none)'} has {share:.1%} of the recordings, and had {was:.1%}"


def _groups(before: Mapping[str, float], now: Mapping[str, float]) -> str:
    """How much is of groups that are new, and how many are gone."""
    new = now.keys() - before.keys()
    share = sum(now[one] for one in new)
    return (
        f"{share:.1%} of the recordings are of {len(new)} groups (such as speakers) that are new, and "
        f"{len(before.keys() - now.keys())} of {len(before)} groups are gone"
    )


def _recordings(count: int) -> str:
    return f"{count} recording{'s' * (count != 1)}"
