"""Which file a path means, and whether it has changed: a recording is in an index once, whatever it is called."""

import hashlib
import os
import zlib
from functools import lru_cache

_real_folder = lru_cache(maxsize=4096)(os.path.realpath)


def key_and_stamp(path: str, root: str) -> tuple[int, int]:
    """A digest of a file's real path, and one of its size and time of change.

    Args:
        root: below this folder, the path counts from it, so that a folder may move.

    Returns:
        Two unsigned numbers, of 64 and 32 bits; the second is 0 if there is no such file.
    """
    try:
        about = os.lstat(path)
        linked = os.path.islink(path)
        if linked:
            about = os.stat(path)
        stamp = zlib.crc32(f"{about.st_size} {about.st_mtime_ns}".encode()) or 1
    except OSError:
        linked, stamp = False, 0
    folder, name = os.path.split(path)
    real = os.path.realpath(path) if linked else os.path.join(_real_folder(folder or os.curdir), name)
    if root:
        base = os.path.join(_real_folder(root), "")
        real = f"./{real.removeprefix(base)}" if real.startswith(base) else real
    digest = hashlib.blake2b(real.encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(digest, "little"), stamp


def below(path: str, root: str) -> str:
    """``path`` relative to ``root`` if it is below it, else as it is."""
    inside = root and path.startswith(os.path.join(root, ""))
    return path[len(os.path.join(root, "")) :] if inside else path


def shown(path: str, root: str) -> str:
    """A path that an index holds, as answers name it."""
    return os.path.join(root, path) if root else path
