"""Which recordings are for training, for validation and for the test."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.config.seeds import Stream, rng, validation_seed
from wav2tok.corpus import audios_bin, classes
from wav2tok.corpus.recordings import Recordings, Splits, TrainingSplits
from wav2tok.errors import UserError
from wav2tok.progress import log


def _held_out(recordings: Recordings, share: float, group: bool, rng: np.random.Generator) -> list[int]:
    """Indices of about ``share`` of the recordings: whole groups, else members of each class, else any recordings."""
    n = len(recordings)
    if group:
        names = sorted(set(recordings.groups))
        if len(names) < 2:
            raise UserError(f"all recordings are of one group, {names[0]!r}; set split.group_by to none.")
        # Retrieval between recordings of two singers needs two of them on the held-out side.
        least, most = min(2, len(names) // 2), len(names) - 1
        chosen: set[str] = set()
        count = 0
        for name in rng.permutation(names):
            size = sum(g == name for g in recordings.groups)
            worse = abs(count + size - share * n) >= abs(count - share * n)
            if len(chosen) == most or (len(chosen) >= least and worse):
                break
            chosen.add(str(name))
            count += size
        return [i for i, g in enumerate(recordings.groups) if g in chosen]
    if recordings.classes is None:
        count = min(max(1, round(share * n)), n - 1)
        return sorted(int(i) for i in rng.permutation(n)[:count])
    indices: list[int] = []
    for label in sorted(set(recordings.classes)):
        members = [i for i, c in enumerate(recordings.classes) if c == label]
        # A class of one stays in training; of every other class at least one member goes and one stays.
        count = min(max(1, round(share * len(members))), len(members) - 1)
        indices += [int(i) for i in rng.permutation(members)[:count]]
    return sorted(indices)


def _held_out_whole(recordings: Recordings, share: float, group: bool, rng: np.random.Generator) -> list[int]:
    """`_held_out`, with all recordings of a source on one side: the first of each is drawn, and the others follow it.

    Groups hold whole sources already (`wav2tok.corpus.listing`).
    """
    if group or not any(recordings.sources):
        return _held_out(recordings, share, group, rng)
    first: dict[str, int] = {}
    leads = [first.setdefault(source, i) if source else i for i, source in enumerate(recordings.sources)]
    drawn = [i for i, lead in enumerate(leads) if lead == i]
    chosen = {drawn[i] for i in _held_out(recordings.take(drawn), share, False, rng)}
    return [i for i, lead in enumerate(leads) if lead in chosen]


def cut(recordings: Recordings, share: float, group: bool, seed: int) -> tuple[Recordings, Recordings]:
    """Cut ``recordings`` in two at random.

    Args:
        share: the share of recordings, approximately, that goes to the second part.
        group: keep all recordings of a group in one part; otherwise each class has members in both parts. Recordings
            that share audio are in one part in either case.

    Returns:
        (first, second), each in the order of ``recordings``.

    Raises:
        UserError: nothing can be held out.
    """
    second = set(_held_out_whole(recordings, share, group, np.random.default_rng(seed)))
    if not second or len(second) == len(recordings):
        raise UserError(f"{len(recordings)} recordings cannot be cut in two; every class has one member only.")
    return recordings.take(i for i in range(len(recordings)) if i not in second), recordings.take(sorted(second))


def split(
    recordings: Recordings,
    *,
    test_share: float,
    valid_share: float,
    seed: int,
    group: bool,
    test_groups: Sequence[str] = (),
    test_classes: Sequence[str] = (),
    unheard_classes: float = 0.0,
) -> TrainingSplits:
    """Split a corpus into training, validation and test recordings.

    The validation part is cut from what is not in the test, in the same way as the test was cut (`with_validation`).

    Args:
        test_share: share of all recordings for the test; not used with ``test_groups`` or ``test_classes``.
        valid_share: share of the remaining recordings for validation.
        group: no speaker or singer is in two parts.
        test_groups: names of the groups to test on.
        test_classes: names of the classes to test on. With ``test_groups`` as well, the test has the recordings that
            are in both, and those in only one of the two are left out, so training sees neither.
        unheard_classes: share of the classes that only the test has; their recordings that are not in it are left out.
            The seed and the names of the classes decide which (`wav2tok.corpus.classes.drawn`).

    Raises:
        UserError: a named group or class does not occur, a part would be empty, or ``unheard_classes`` of a list or
            beside ``test_classes``.
    """
    if unheard_classes:
        _require_classes(recordings, unheard_classes, test_classes)
    if test_groups or test_classes:
        if test_classes and recordings.classes is None:
            raise UserError(
                "the recordings are a list without classes, so none can be the test; set split.kind to dict.",
                parameter="test_classes",
            )
        sides = [_named("group", test_groups, recordings.groups)] if test_groups else []
        sides += [_named("class", test_classes, recordings.classes or ())] if test_classes else []
        test = recordings.take(i for i in range(len(recordings)) if all(side[i] for side in sides))
        if not len(test):
            raise UserError("the test groups and test classes have no recording in common; nothing is left to test.")
        heard = set(filter(None, test.sources))  # a window of a test recording may be of another class
        rest = recordings.take(
            i for i, one in enumerate(recordings) if not any(side[i] for side in sides) and one.source not in heard
        )
        if not len(rest):
            raise UserError("every recording is of a test group or test class; nothing is left to train on.")
    else:
        rest, test = cut(recordings, test_share, group, seed)
    if unheard_classes:
        rest = classes.without(rest, classes.drawn(recordings.classes or (), unheard_classes, seed))
        if not len(rest):
            raise UserError(
                f"split.unheard_classes is {unheard_classes:g}, which leaves nothing to train on; lower it."
            )
    train, valid = _validation(rest, valid_share, group, validation_seed(seed))
    return TrainingSplits(train, valid, test)


def _require_classes(recordings: Recordings, share: float, test_classes: Sequence[str]) -> None:
    """Refuse ``split.unheard_classes`` where it has no meaning."""
    if recordings.classes is None:
        raise UserError(
            f"split.unheard_classes is {share:g}, and the recordings are a list without classes; set it to 0."
        )
    if test_classes:
        raise UserError(
            f"test classes are named, and split.unheard_classes is {share:g}; set it to 0, because named test classes "
            "are never heard.",
            parameter="test_classes",
        )


def _validation(recordings: Recordings, share: float, group: bool, seed: int) -> tuple[Recordings, Recordings]:
    """`cut`, but by recordings where whole groups would hold out more than twice the share.

    With four speakers, two would be held out, and half of the training data with them. Then training has all speakers,
    and validation has other recordings of theirs, provided that some class has two speakers in validation to find each
    other. The test is never cut in this way.
    """
    if not group or len(set(recordings.groups)) < 2:
        return cut(recordings, share, False, seed)
    whole = cut(recordings, share, True, seed)
    if len(whole[1]) <= 2 * share * len(recordings):
        return whole
    parts = cut(recordings, share, False, seed)
    speakers: dict[str | None, set[str]] = {}
    for recording in parts[1]:
        speakers.setdefault(recording.label, set()).add(recording.group)
    return parts if recordings.classes is None or any(len(names) > 1 for names in speakers.values()) else whole


def _named(what: str, wanted: Sequence[str], names: Sequence[str]) -> list[bool]:
    """Which of ``names`` are wanted; all wanted ones must occur, and others too.

    Args:
        what: "group" or "class".
        names: the group or class of each recording.
    """
    plural = {"group": "groups", "class": "classes"}[what]
    known = sorted(set(names))
    missing = [name for name in wanted if name not in known]
    if missing:
        some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise UserError(f"{missing[0]!r} is not a {what} of any recording; there are: {some}.", f"test_{plural}")
    if set(known) <= set(wanted):
        raise UserError(f"all {plural} are named; nothing is left to train on.", f"test_{plural}")
    return [name in set(wanted) for name in names]


def _each_alone(recordings: Recordings) -> Recordings:
    """Each in a class of its own: training pairs the only member of a class with its own augmentation."""
    return replace(recordings, classes=recordings.paths)


def add_to_training(splits: TrainingSplits, more: Recordings) -> TrainingSplits:
    """``splits`` with ``more`` in the training part, in dictionary data each in a class of its own."""
    return replace(splits, train=splits.train + (more if splits.train.classes is None else _each_alone(more)))


def all_for_test(test: Recordings, others: Recordings, valid_share: float, seed: int) -> TrainingSplits:
    """All of ``test`` for the test; ``others``, whose classes are unknown, for training and validation."""
    train, valid = cut(replace(others, classes=None), valid_share, False, validation_seed(seed))
    if test.classes is not None:
        train, valid = _each_alone(train), _each_alone(valid)
    return TrainingSplits(train, valid, test)


def with_validation(splits: Splits, share: float, seed: int) -> TrainingSplits:
    """``splits`` with a validation part: its own, else one cut from the training part (never from the test).

    Whole groups are held out where there are at least three and they have several recordings, members of classes
    otherwise.
    """
    if splits.valid is not None:
        return TrainingSplits(splits.train, splits.valid, splits.test)
    counts = Counter(splits.train.groups)
    group = len(counts) > 2 and max(counts.values()) > 1
    train, valid = _validation(splits.train, share, group, validation_seed(seed))
    return TrainingSplits(train, valid, splits.test)


def sample_subset(recordings: Recordings, most: int, seed: int) -> Recordings:
    """At most ``most`` recordings, in their order, spread evenly over the classes.

    Each class has four or all of its recordings before any has a fifth; where ``most`` is too few for that, the last
    classes of a random order go without. Validation compares all pairs at every epoch, and its cost must not grow with
    the square of the corpus.
    """
    if len(recordings) <= most:
        return recordings
    draw = rng(seed, Stream.VALIDATION_SAMPLE)
    if recordings.classes is None:
        return recordings.take(sorted(draw.permutation(len(recordings))[:most].tolist()))
    _, labels = np.unique(np.array(recordings.classes), return_inverse=True)
    order = draw.permutation(len(labels))
    # `turn`: how many of its class come before each recording in that order. `rank`: the order of the classes.
    turn = np.empty(len(labels), dtype=np.int64)
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    turn[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    rank = draw.permutation(len(sizes))[labels]
    # In the first round each class gives four recordings, in every later round one.
    chosen = np.lexsort((rank, np.maximum(turn - 3, 0)))[:most]
    return recordings.take(sorted(chosen.tolist()))


def heard_in_training(parts: TrainingSplits, config: Config) -> Recordings:
    """The training recordings without the classes that only validation hears, by ``train.unheard_validation``.

    The seed and the names of the classes decide which. None are held out where fewer than two of them would be, or
    fewer than four would stay: validation could then not tell how well either half is found.
    """
    share = config.train.unheard_validation
    if not share or parts.train.classes is None or parts.valid.classes is None:
        return parts.train
    both = set(parts.train.classes) & set(parts.valid.classes)
    held_out = classes.drawn(both, share, config.seed)
    if len(held_out) < LEAST_UNHEARD or len(both) - len(held_out) < LEAST_HEARD:
        log.warning(
            f"train.unheard_validation holds out {len(held_out)} of {len(both)} classes, and validation needs at least "
            f"{LEAST_UNHEARD} unheard and {LEAST_HEARD} heard ones, so it holds out none."
        )
        return parts.train
    return classes.without(parts.train, held_out)


LEAST_UNHEARD, LEAST_HEARD = 2, 4
"""The fewest classes that validation takes as unheard and as heard."""

DEBUG_RECORDINGS = 32
"""Recordings of each part that ``train.debug`` trains and validates on."""


def read_splits(data: Path, config: Config) -> TrainingSplits:
    """The split in ``data``, with a validation part cut from the training part if it has none.

    The classes that ``train.unheard_validation`` holds out are left out of the training part. ``train.debug`` takes a
    few recordings of the training and validation parts.
    """
    parts = with_validation(audios_bin.read(data), config.split.valid_share, config.seed)
    parts = replace(parts, train=heard_in_training(parts, config))
    if not config.train.debug:
        return parts
    train, valid = (sample_subset(part, DEBUG_RECORDINGS, config.seed) for part in (parts.train, parts.valid))
    return TrainingSplits(train, valid, parts.test)
