"""Which recordings train, which validate, which test."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.config.seeds import Stream, rng, validation_seed
from wav2tok.corpus import audios_bin
from wav2tok.corpus.recordings import Recordings, Splits, TrainingSplits
from wav2tok.errors import UserError


def _held_out(
    recordings: Recordings, share: float, groups: Sequence[str] | None, rng: np.random.Generator
) -> list[int]:
    """Indices of about ``share`` of the recordings: whole groups, else members of each class, else anything."""
    n = len(recordings)
    if groups is not None:
        names = sorted(set(groups))
        if len(names) < 2:
            raise UserError(f"all recordings are of one group, {names[0]!r}; split with --group-by none.")
        # Retrieval between recordings of two singers needs two of them on the held-out side.
        least, most = min(2, len(names) // 2), len(names) - 1
        chosen: set[str] = set()
        held = 0
        for name in rng.permutation(names):
            size = sum(g == name for g in groups)
            worse = abs(held + size - share * n) >= abs(held - share * n)
            if len(chosen) == most or (len(chosen) >= least and worse):
                break
            chosen.add(str(name))
            held += size
        return [i for i, g in enumerate(groups) if g in chosen]
    if recordings.classes is None:
        count = min(max(1, round(share * n)), n - 1)
        return sorted(int(i) for i in rng.permutation(n)[:count])
    held_out: list[int] = []
    for label in sorted(set(recordings.classes)):
        members = [i for i, c in enumerate(recordings.classes) if c == label]
        # A class of one stays in training; of the others at least one member goes and one stays.
        count = min(max(1, round(share * len(members))), len(members) - 1)
        held_out += [int(i) for i in rng.permutation(members)[:count]]
    return sorted(held_out)


def cut(
    recordings: Recordings, share: float, group: bool, seed: int, groups: Sequence[str] | None = None
) -> tuple[Recordings, Recordings]:
    """Cut ``recordings`` in two, seeded.

    Args:
        share: about which share goes to the second part.
        group: keep recordings of one group on one side; otherwise members of every class stand on both.
        groups: the group of each recording, where the file names do not say it.

    Returns:
        (first, second), each in the order of ``recordings``.

    Raises:
        UserError: nothing can be held out.
    """
    names = (groups if groups is not None else recordings.groups) if group else None
    held = set(_held_out(recordings, share, names, np.random.default_rng(seed)))
    if not held or len(held) == len(recordings):
        raise UserError(f"{len(recordings)} recordings cannot be cut in two; every class has one member only.")
    return (recordings.take(i for i in range(len(recordings)) if i not in held), recordings.take(sorted(held)))


def split(
    recordings: Recordings,
    *,
    test_share: float,
    valid_share: float,
    seed: int,
    group: bool,
    test_groups: Sequence[str] = (),
    test_classes: Sequence[str] = (),
    groups: Sequence[str] | None = None,
) -> TrainingSplits:
    """Split a corpus into training, validation and test recordings.

    Validation is cut from what is not test, the same way as test was cut (`with_validation`).

    Args:
        test_share: share of all recordings for the test; ignored when ``test_groups`` names it.
        valid_share: share of the remainder for validation.
        group: no speaker or singer stands on two sides.
        test_groups: the groups that are the test, by name.
        test_classes: the classes that are the test, by name; with ``test_groups`` too, what is of one and not of the
            other is left out, so that neither is heard in training.
        groups: the group of each recording, where the file names do not say it.

    Raises:
        UserError: a named group does not occur, or nothing is left for a part.
    """
    names = tuple(groups) if groups is not None else recordings.groups
    if test_groups or test_classes:
        if test_classes and recordings.classes is None:
            raise UserError("--test-classes needs classes, and the recordings are a list; split with --kind dict.")
        sides = [_named("--test-groups", test_groups, names)] if test_groups else []
        sides += [_named("--test-classes", test_classes, recordings.classes or ())] if test_classes else []
        test = recordings.take(i for i in range(len(recordings)) if all(side[i] for side in sides))
        if not len(test):
            raise UserError("--test-groups and --test-classes have no recording in common; nothing is left to test.")
        rest = [i for i in range(len(recordings)) if not any(side[i] for side in sides)]
        if not rest:
            raise UserError("--test-groups and --test-classes name every recording; nothing is left to train on.")
    else:
        _, test = cut(recordings, test_share, group, seed, groups)
        held = set(test.paths)
        rest = [i for i, p in enumerate(recordings.paths) if p not in held]
    train, valid = _validation(
        recordings.take(rest), valid_share, group, validation_seed(seed), [names[i] for i in rest]
    )
    return TrainingSplits(train, valid, test)


def _validation(
    recordings: Recordings, share: float, group: bool, seed: int, groups: Sequence[str]
) -> tuple[Recordings, Recordings]:
    """`cut`, but by recordings where whole groups would be more than twice the share.

    Of four speakers two would be held out, and half of what there is to learn from with them; then training hears all
    speakers, and validation other recordings of theirs, if these have a class in common to find each other by. The test
    never gives way like this.
    """
    if not group or len(set(groups)) < 2:
        return cut(recordings, share, False, seed)
    whole = cut(recordings, share, True, seed, groups)
    if len(whole[1]) <= 2 * share * len(recordings):
        return whole
    group_of_path = dict(zip(recordings.paths, groups, strict=True))
    parts = cut(recordings, share, False, seed)
    voices: dict[str, set[str]] = {}
    for path, label in zip(parts[1].paths, parts[1].classes or parts[1].paths, strict=True):
        voices.setdefault(label, set()).add(group_of_path[path])
    return parts if recordings.classes is None or any(len(found) > 1 for found in voices.values()) else whole


def _named(option: str, wanted: Sequence[str], names: Sequence[str]) -> list[bool]:
    """Which of ``names`` are wanted, all of which must occur; some must not."""
    known = set(names)
    missing = [name for name in wanted if name not in known]
    if missing:
        some = ", ".join(sorted(known)[:8])
        raise UserError(f"{option} names {missing[0]!r}, which no recording has; there are: {some}, ...")
    if known <= set(wanted):
        raise UserError(f"{option} names every one; nothing is left to train on.")
    return [name in set(wanted) for name in names]


def _alone(recordings: Recordings) -> Recordings:
    """Each a class of its own: training pairs a class's only member with its own augmentation."""
    return Recordings(recordings.paths, recordings.paths)


def joined(splits: TrainingSplits, more: Recordings) -> TrainingSplits:
    """``splits`` whose training part has ``more`` too, each a class of its own in dictionary data, for breadth."""
    train, added = splits.train, more if splits.train.classes is None else _alone(more)
    classes = None if train.classes is None or added.classes is None else (*train.classes, *added.classes)
    return TrainingSplits(Recordings((*train.paths, *added.paths), classes), splits.valid, splits.test)


def foreign(test: Recordings, others: Recordings, valid_share: float, seed: int) -> TrainingSplits:
    """All of ``test`` for the test; training and validation hear ``others`` alone, of which no classes are known."""
    train, valid = cut(Recordings(others.paths), valid_share, False, validation_seed(seed))
    return (
        TrainingSplits(train, valid, test)
        if test.classes is None
        else TrainingSplits(_alone(train), _alone(valid), test)
    )


def with_validation(splits: Splits, share: float, seed: int) -> TrainingSplits:
    """``splits`` with a validation part: its own, else one cut from the training part (never from the test).

    Whole groups are held out where the file names tell several speakers apart, members of classes otherwise.
    """
    if splits.valid is not None:
        return TrainingSplits(splits.train, splits.valid, splits.test)
    counts: dict[str, int] = {}
    for name in splits.train.groups:
        counts[name] = counts.get(name, 0) + 1
    group = len(counts) > 2 and max(counts.values()) > 1
    train, valid = _validation(splits.train, share, group, validation_seed(seed), splits.train.groups)
    return TrainingSplits(train, valid, splits.test)


def sample_subset(recordings: Recordings, most: int, seed: int) -> Recordings:
    """At most ``most`` recordings, in their order, as many of each class as of any other but never fewer than four.

    All pairs of them are compared at every epoch, which must not grow with the square of the corpus.
    """
    if len(recordings) <= most:
        return recordings
    draw = rng(seed, Stream.VALIDATION_SAMPLE)
    if recordings.classes is None:
        return recordings.take(sorted(draw.permutation(len(recordings))[:most].tolist()))
    _, labels = np.unique(np.array(recordings.classes), return_inverse=True)
    order = draw.permutation(len(labels))
    # How many of its class come before each recording in that order, and the order in which classes have their turn.
    turn = np.empty(len(labels), dtype=np.int64)
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    turn[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = draw.permutation(len(sizes))[labels]
    # Rounds of four a class at first, then one at a time.
    chosen = np.lexsort((rank, np.maximum(turn - 3, 0)))[:most]
    return recordings.take(sorted(chosen.tolist()))


DEBUG_RECORDINGS = 32
"""Recordings of each part that a training with ``train.debug`` uses."""


def read_splits(data: Path, config: Config) -> TrainingSplits:
    """The split in ``data``, its validation part cut from the training part if it has none.

    With ``train.debug`` a few recordings of each.
    """
    parts = with_validation(audios_bin.read(data), config.split.valid_share, config.seed)
    if not config.train.debug:
        return parts
    train, valid = (sample_subset(part, DEBUG_RECORDINGS, config.seed) for part in (parts.train, parts.valid))
    return TrainingSplits(train, valid, parts.test)
