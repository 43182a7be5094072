"""Which classes a training hears, and which are kept from it."""

import hashlib
from collections.abc import Collection, Iterable, Mapping

from wav2tok.corpus.recordings import Recordings


def drawn(names: Iterable[str], share: float, seed: int, settled: Mapping[str, bool] | None = None) -> frozenset[str]:
    """About ``share`` of the different ``names``, chosen by the seed and the names alone.

    Each name has a place in a random order that no other name changes, so more classes hardly change the choice, and
    more recordings never do. A share above 0 chooses at least one name, and one at least stays. (The first of the order
    are taken, and not those below the share as in `wav2tok.corpus.sides`: classes are few, and the share has to hold.)

    Args:
        settled: names of which it is known whether they are chosen.
    """
    settled = settled or {}
    different = set(names)
    count = min(max(1, round(share * len(different))), len(different) - 1) if share else 0
    chosen = {name for name in different if settled.get(name)}
    free = sorted(different - settled.keys(), key=lambda name: (_place(name, seed), name))
    return frozenset(chosen.union(free[: max(0, count - len(chosen))]))


def _place(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest()


def without(recordings: Recordings, left_out: Collection[str]) -> Recordings:
    """``recordings`` but for those of the classes ``left_out``."""
    labels = recordings.classes or ()
    return recordings.take(i for i, label in enumerate(labels) if label not in left_out)
