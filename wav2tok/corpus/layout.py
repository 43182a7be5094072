"""Warn of folders and file names that are probably misread as classes or groups."""

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

_PARTS = frozenset({"train", "training", "test", "testing", "valid", "validation", "val", "dev", "eval", "evaluation"})
_SHOWN = 4
_ALONE = 0.9
"""The share of recordings that are alone in their group, from which groups say nothing."""
_LEAST = 4
"""Recordings from which that can be said."""


def doubtful(names: Sequence[str], classes: Sequence[str] | None, groups: Sequence[str], group_by: str) -> list[str]:
    """What is suspicious about a corpus, a sentence each.

    Args:
        names: the recordings' paths below the folder of the corpus.
        classes: of each recording; None without classes.
        groups: of each recording.
        group_by: ``split.group_by``.
    """
    found = []
    if classes is not None:
        found += _classes(names, sorted(set(classes)))
        found += _alike("classes", classes)
    if group_by != "none":
        found += _alike("groups", groups)
    if group_by == "prefix":
        found += _groups(names, groups)
    return found


def _classes(names: Sequence[str], labels: Sequence[str]) -> list[str]:
    found = []
    parts = [label for label in labels if label.lower() in _PARTS]
    inner = {label: {p.parts[1] for name in names if len((p := PurePosixPath(name)).parts) > 2 and p.parts[0] == label}
             for label in labels}  # fmt: skip
    repeated = Counter(folder for folders in inner.values() for folder in folders)
    again = sorted(folder for folder, count in repeated.items() if count > 1)
    if parts:
        found.append(
            f"{_listed(parts)} {'is a class' if len(parts) == 1 else 'are classes'}, and called like parts of a split; "
            "the classes are the first folders, so move the folders below them up"
        )
    elif again:
        found.append(
            f"the folders {_listed(again)} are in several classes; the classes are the first folders "
            f"({_listed(labels)}), so if those are not what sounds alike, move the folders up"
        )
    hidden = [label for label in labels if label.startswith("_")]
    if hidden:
        found.append(
            f"{_listed(hidden)} {'is a class' if len(hidden) == 1 else 'are classes'}; if it is noise or anything else "
            "that is not a class, move it out of the folder"
        )
    return found


def _groups(names: Sequence[str], groups: Sequence[str]) -> list[str]:
    sizes = Counter(groups)
    alone = sum(sizes[group] == 1 for group in groups)
    if len(names) < _LEAST or alone < _ALONE * len(names):
        return []
    stems = [PurePosixPath(name).stem for name in names]
    dashes = sum("-" in stem and "_" not in stem for stem in stems)
    why = "their names have a - and no _" if dashes > len(stems) / 2 else "few begin alike up to a _"
    return [
        f"{alone} of {len(names)} recordings are a group of their own, because {why}, so a speaker may be in training "
        "and test; rename the files to SPEAKER_TAKE, list the speakers in groups.csv (split.group_by: column), or set "
        "split.group_by to none"
    ]


def _alike(what: str, labels: Sequence[str]) -> list[str]:
    spelled: dict[str, set[str]] = {}
    for label in labels:
        spelled.setdefault("".join(label.lower().split()), set()).add(label)
    several = [sorted(names) for names in spelled.values() if len(names) > 1]
    if not several:
        return []
    return [f"the {what} {_listed(several[0])} differ in capitals or spaces alone, and are taken as different ones"]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return f"{shown}, ..." if len(names) > _SHOWN else shown
