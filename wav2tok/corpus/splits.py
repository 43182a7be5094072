"""Which recordings are for training, for validation and for the test."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.config.seeds import Stream, rng
from wav2tok.corpus import audios_bin, classes
from wav2tok.corpus.cut import cut, names
from wav2tok.corpus.recordings import Recordings, Splits, TrainingSplits
from wav2tok.errors import UserError
from wav2tok.progress import log


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
    folder: Path | None = None,
    former: Mapping[str, str] | None = None,
) -> TrainingSplits:
    """Split a corpus into training, validation and test recordings.

    The validation part is cut from what is not in the test, in the same way as the test was cut
    (`wav2tok.corpus.cut`): each group or recording is in its part whatever other recordings there are.

    Args:
        test_share: share of all recordings for the test; not used with ``test_groups`` or ``test_classes``.
        valid_share: share of the remaining recordings for validation.
        group: no speaker or singer is in two parts.
        test_groups: names of the groups to test on.
        test_classes: names of the classes to test on. With ``test_groups`` as well, the test has the recordings that
            are in both, and those in only one of the two are left out, so training sees neither.
        unheard_classes: share of the classes that only the test has; their recordings that are not in it are left out.
            The seed and the names of the classes decide which (`wav2tok.corpus.classes.drawn`).
        folder: that of the corpus.
        former: the parts of an earlier split by the names of its recordings relative to ``folder``; what was in it
            stays in its part.

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
        rest, test = cut(recordings, test_share, group, seed, "test", folder=folder, former=former)
    if unheard_classes:
        settled = _heard(recordings, names(recordings.paths, folder), former or {})
        rest = classes.without(rest, classes.drawn(recordings.classes or (), unheard_classes, seed, settled))
        if not len(rest):
            raise UserError(
                f"split.unheard_classes is {unheard_classes:g}, which leaves nothing to train on; lower it."
            )
    train, valid = _validation(rest, valid_share, group, seed, folder, former)
    return TrainingSplits(train, valid, test)


def _heard(recordings: Recordings, called: Sequence[str], former: Mapping[str, str]) -> dict[str, bool]:
    """Whether the classes of a former split were kept from its training."""
    unheard: dict[str, bool] = {}
    for name, label in zip(called, recordings.classes or (), strict=True):
        if name in former:
            unheard[label] = unheard.get(label, True) and former[name] == "test"
    return unheard


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


def _validation(
    recordings: Recordings,
    share: float,
    group: bool,
    seed: int,
    folder: Path | None = None,
    former: Mapping[str, str] | None = None,
) -> tuple[Recordings, Recordings]:
    """`cut`, but by recordings where whole groups would hold out more than twice the share.

    With four speakers, two would be held out, and half of the training data with them. Then training has all speakers,
    and validation has other recordings of theirs, provided that some class has two speakers in validation to find each
    other. The test is never cut in this way. A former split that was cut in one way is continued in the same way.
    """

    def parts_of(whole: bool) -> tuple[Recordings, Recordings]:
        return cut(recordings, share, whole, seed, "valid", folder=folder, former=former)

    if not group or len(set(recordings.groups)) < 2:
        return parts_of(False)
    known: dict[str, set[str]] = {}
    for name, one in zip(names(recordings.paths, folder), recordings.groups, strict=True):
        if former and name in former:
            known.setdefault(one, set()).add(former[name])
    if known:
        return parts_of(all(len(parts) == 1 for parts in known.values()))
    whole = parts_of(True)
    if len(whole[1]) <= 2 * share * len(recordings):
        return whole
    single = parts_of(False)
    speakers: dict[str | None, set[str]] = {}
    for recording in single[1]:
        speakers.setdefault(recording.label, set()).add(recording.group)
    return single if recordings.classes is None or any(len(who) > 1 for who in speakers.values()) else whole


def _named(what: str, wanted: Sequence[str], given: Sequence[str]) -> list[bool]:
    """Which of ``given`` are wanted; all wanted ones must occur, and others too.

    Args:
        what: "group" or "class".
        given: the group or class of each recording.
    """
    plural = {"group": "groups", "class": "classes"}[what]
    known = sorted(set(given))
    missing = [name for name in wanted if name not in known]
    if missing:
        some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise UserError(f"{missing[0]!r} is not a {what} of any recording; there are: {some}.", f"test_{plural}")
    if set(known) <= set(wanted):
        raise UserError(f"all {plural} are named; nothing is left to train on.", f"test_{plural}")
    return [name in set(wanted) for name in given]


def _each_alone(recordings: Recordings) -> Recordings:
    """Each in a class of its own: training pairs the only member of a class with its own augmentation."""
    return replace(recordings, classes=recordings.paths)


def add_to_training(splits: TrainingSplits, more: Recordings) -> TrainingSplits:
    """``splits`` with ``more`` in the training part, in dictionary data each in a class of its own."""
    return replace(splits, train=splits.train + (more if splits.train.classes is None else _each_alone(more)))


def all_for_test(test: Recordings, others: Recordings, valid_share: float, seed: int) -> TrainingSplits:
    """All of ``test`` for the test; ``others``, whose classes are unknown, for training and validation."""
    train, valid = cut(replace(others, classes=None), valid_share, False, seed, "valid")
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
    train, valid = _validation(splits.train, share, group, seed)
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
