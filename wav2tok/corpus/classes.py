"""Which classes a training hears, and which are kept from it."""

import hashlib
from collections.abc import Collection, Iterable

from wav2tok.corpus.recordings import Recordings


def drawn(names: Iterable[str], share: float, seed: int) -> frozenset[str]:
    """About ``share`` of the different ``names``, chosen by the seed and the names alone.

    Each name has a place in a random order that no other name changes, so more classes hardly change the choice, and
    more recordings never do. A share above 0 chooses at least one name, and one at least stays.
    """
    different = sorted(set(names), key=lambda name: (_place(name, seed), name))
    count = min(max(1, round(share * len(different))), len(different) - 1) if share else 0
    return frozenset(different[: max(count, 0)])


def _place(name: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}\0{name}".encode(errors="surrogateescape")).digest()


def without(recordings: Recordings, left_out: Collection[str]) -> Recordings:
    """``recordings`` but for those of the classes ``left_out``."""
    labels = recordings.classes or ()
    return recordings.take(i for i, label in enumerate(labels) if label not in left_out)
