"""Cut recordings in two: whole groups or single recordings, each on its side by its name (`wav2tok.corpus.sides`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from wav2tok.corpus import sides
from wav2tok.corpus.recordings import Recordings, name_of
from wav2tok.errors import UserError

PARTS = ("train", "valid", "test")
"""The parts of a split, the most seen one first."""


def names(paths: Sequence[str], folder: Path | None = None) -> list[str]:
    """``paths`` relative to the folder of the corpus, so that its place on a disk does not matter.

    Args:
        folder: which holds all of them; None takes the deepest that does.
    """
    parts = [PurePosixPath(path).parts for path in paths]
    if folder is not None:
        depth = len(folder.parts)
    else:
        parents = [one[:-1] for one in parts] or [()]
        first, last = min(parents), max(parents)
        shared = zip(first, last, strict=False)
        depth = next((i for i, (one, other) in enumerate(shared) if one != other), min(len(first), len(last)))
    return [name_of("/".join(one[depth:])) for one in parts]


def cut(
    recordings: Recordings,
    share: float,
    group: bool,
    seed: int,
    part: str,
    *,
    folder: Path | None = None,
    former: Mapping[str, str] | None = None,
) -> tuple[Recordings, Recordings]:
    """Cut ``recordings`` in two by the hashes of their names.

    A group, or without groups a recording, is on the same side whatever other recordings there are, unless the second
    part would then have too few or too many (`wav2tok.corpus.sides.bounds`): of all groups and those of a class, or
    without groups of the recordings of a class. Their order and the folder they are in do not matter.

    Args:
        share: the share of recordings, approximately, that goes to the second part.
        group: keep all recordings of a group in one part; where possible two groups are in the second. Otherwise each
            class has members in both parts. Recordings that share audio are in one part in either case.
        part: what the second part is, "test" or "valid": the two are drawn independently.
        folder: that of the corpus (`names`).
        former: the parts of an earlier split by the names of its recordings. Groups and recordings that were in it
            stay on their side. One of which a recording was trained on stays in training.

    Returns:
        (first, second), each in the order of ``recordings``.

    Raises:
        UserError: nothing can be held out, or nothing is left.
    """
    called = names(recordings.paths, folder)
    if group:
        units = list(recordings.groups)
        if len(set(units)) < 2:
            raise UserError(f"all recordings are of one group, {units[0]!r}; set split.group_by to none.")
    else:
        # Groups hold whole sources already (`wav2tok.corpus.listing`).
        units = [source or name for source, name in zip(recordings.sources, called, strict=True)]
    settled = _settled(units, called, part, former or {})
    # The name of joined groups begins with that of one of them, and they are where it is.
    places = {unit: sides.place(unit.split("+", 1)[0] if group else unit, seed, part) for unit in units}
    chosen = sides.held_out(places, share, _sets(recordings, units, group), settled)
    second = [i for i, unit in enumerate(units) if unit in chosen]
    if not second or len(second) == len(units):
        if settled:
            empty = "the other parts" if second else f"the {part} part"
            raise UserError(
                "every recording stays in the part that it had in the former split, and none is left for "
                f"{empty}; delete the former audios.json to divide them all again."
            )
        raise UserError(f"{len(recordings)} recordings cannot be cut in two; every class has one member only.")
    return recordings.take(i for i, unit in enumerate(units) if unit not in chosen), recordings.take(second)


def _settled(units: Sequence[str], called: Sequence[str], part: str, former: Mapping[str, str]) -> dict[str, bool]:
    """Whether units with recordings of a former split were held out; of several parts the most seen one counts."""
    parts: dict[str, int] = {}
    for unit, name in zip(units, called, strict=True):
        if name in former:
            rank = PARTS.index(former[name])
            parts[unit] = min(rank, parts.get(unit, rank))
    return {unit: PARTS[rank] == part for unit, rank in parts.items()}


def _sets(recordings: Recordings, units: Sequence[str], group: bool) -> list[tuple[frozenset[str], int]]:
    """Which units belong together, with how many of them are held out at least: those of a class, and all of them."""
    members: dict[str, set[str]] = {}
    for unit, label in sorted(set(zip(units, recordings.classes or (), strict=False))):
        members.setdefault(label, set()).add(unit)
    if group:
        # Retrieval between recordings of two singers needs two of them on the held-out side.
        return [*((frozenset(one), 0) for _, one in sorted(members.items())), (frozenset(units), 2)]
    if recordings.classes is None:
        return [(frozenset(units), 1)]
    return [(frozenset(one), 1) for _, one in sorted(members.items())]
