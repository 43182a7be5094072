"""Which file a path means, and whether it has changed: a recording is in an index once, whatever it is called."""

import hashlib
import os
import zlib


class Identities:
    """Digests of files. Use one for the paths of one change: it remembers what their folders are really called.

    Attributes:
        root: below this folder, a path counts from it, so that the folder may move; empty: none.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._real: dict[str, str] = {}
        self._prefix = os.path.join(root, "") if root else ""
        self._base = os.path.join(os.path.realpath(root), "") if root else None

    def of(self, path: str) -> tuple[int, int]:
        """A digest of a file's real path, and one of its size and time of change.

        Returns:
            Two unsigned numbers, of 64 and 32 bits; the second is 0 if the file does not exist.
        """
        try:
            linked = os.path.islink(path)
            about = os.stat(path)
            stamp = zlib.crc32(f"{about.st_size} {about.st_mtime_ns}".encode()) or 1
        except OSError:
            linked, stamp = False, 0
        real = os.path.realpath(path) if linked else self._unlinked(path)
        if self._base is not None and real.startswith(self._base):
            real = f"./{real.removeprefix(self._base)}"
        digest = hashlib.blake2b(real.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        return int.from_bytes(digest, "little"), stamp

    def _unlinked(self, path: str) -> str:
        folder, name = os.path.split(path)
        if folder not in self._real:
            self._real[folder] = os.path.join(os.path.realpath(folder or os.curdir), "")
        return self._real[folder] + name

    def below(self, path: str) -> str:
        """``path`` relative to the root if it is below it, else as it is."""
        return path.removeprefix(self._prefix)


def shown(path: str, root: str) -> str:
    """A path that an index holds, as answers name it."""
    return os.path.join(root, path) if root else path
