"""On which side of a cut a name falls: decided by the name itself, whatever other names there are.

Every name has a place in [0, 1), by a hash. Those below the wanted share are held out, so names that arrive or leave
move no other. With few names chance alone could hold out none or almost all; then as few as possible change sides.
"""

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping


def place(name: str, seed: int, purpose: str) -> float:
    """Where ``name`` stands in [0, 1): like a random number that only the name, the seed and the purpose decide."""
    digest = hashlib.sha256(f"{seed}\0{purpose}\0{name}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def bounds(count: int, share: float, least: int) -> tuple[int, int]:
    """How few and how many of ``count`` names may be held out: from a quarter to twice the share.

    That is so wide that it matters only where names are few. Of what a large share leaves, half stays.

    Args:
        least: the smallest number to hold out, where it is at most half of them; at least one then stays. 0 sets no
            minimum on either side.
    """
    low = max(min(least, count // 2), math.floor(share * count / 4))
    most = max(1, math.floor(min(2 * share, (1 + share) / 2) * count))
    return low, max(low, min(count - (least > 0), most))


def held_out(
    places: Mapping[str, float],
    share: float,
    sets: Iterable[tuple[Collection[str], int]],
    settled: Mapping[str, bool] | None = None,
) -> frozenset[str]:
    """The names below ``share``, and what else it takes that each of ``sets`` keeps its `bounds`.

    Args:
        places: every name's place, in [0, 1).
        sets: names that belong together, such as the groups of a class, with their ``least``. A later set has priority
            over an earlier one.
        settled: names whose side is known already: whether they are held out. They stay there whatever the bounds are.
    """
    settled = settled or {}
    chosen = {name for name, at in places.items() if settled.get(name, at < share)}
    for members, least in sets:
        low, high = bounds(len(members), share, least)
        count = sum(name in chosen for name in members)
        movable = sorted((name for name in members if name not in settled), key=lambda name: (places[name], name))
        chosen.difference_update([name for name in reversed(movable) if name in chosen][: max(0, count - high)])
        chosen.update([name for name in movable if name not in chosen][: max(0, low - count)])
    return frozenset(chosen)
