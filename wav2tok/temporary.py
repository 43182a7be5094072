"""Where a file or folder is written before it takes its name, and what killed processes have left there.

A place is a hidden folder beside the target. Its writer holds a lock in it, which the kernel releases with the process,
however that ends. So the next writer of the same target can tell the places of the dead, whatever has their process
numbers now, and the other machines of a network file system see the lock as well.
"""

import contextlib
import hashlib
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from wav2tok.errors import UserError
from wav2tok.progress import log

_LOCK, _HOST, _OLD = "lock", "host", "old"
_USUAL = 8
"""How many places are tried for one target; each process that writes to it at the moment holds one."""
_FOREIGN_SECONDS = 86_400.0
"""Some shared disks keep locks to each machine, so what another machine has begun is left alone for a day."""


@contextlib.contextmanager
def place(target: Path, *, alone: bool = False) -> Iterator[Path]:
    """An empty folder on the disk of ``target`` and for it alone, which is deleted when the block ends.

    First, what killed processes have left for this target is deleted, or put back if it is the only copy (`swap`).

    Args:
        alone: refuse if another process has a place for this target. Without it both write, and the later one wins.

    Raises:
        UserError: with ``alone``, another process is writing.
    """
    mine: tuple[Path, FileLock] | None = None
    number = 0
    try:
        while number < _USUAL or mine is None:
            folder = _folder(target, number)
            number += 1
            if mine is not None and not folder.exists():
                continue
            try:
                lock = _claim(folder)
            except Timeout:
                if not alone:
                    continue
                if mine is not None:
                    _leave(*mine)
                raise UserError(
                    f"another process is writing to {target}; wait until it has finished, or name another.", "out"
                ) from None
            if lock is None:
                continue
            _clear(folder, target)
            if mine is None:
                mine = folder, lock
                (folder / _HOST).write_text(platform.node(), encoding="utf-8")
            else:
                _leave(folder, lock)
    except OSError:
        if mine is not None:  # the disk is full
            _clear(mine[0], target)
            _leave(*mine)
            raise
        # Some network file systems have no locks, so nothing can be known there of other places.
        with tempfile.TemporaryDirectory(prefix=".wav2tok-", dir=target.parent) as name:
            yield Path(name)
        return
    try:
        yield mine[0]
    finally:
        _clear(mine[0], target)
        _leave(*mine)


def swap(new: Path, target: Path) -> None:
    """Let ``new``, a folder in a `place`, take the name of the folder ``target``.

    No system call swaps two folders everywhere. If the process is killed between the renames, the next `place` of this
    target puts the old folder back.
    """
    old = new.with_name(_OLD)
    target.replace(old)
    try:
        new.replace(target)
    except OSError:
        old.replace(target)
        raise


def _folder(target: Path, number: int) -> Path:
    # A digest, because a name may be as long as the file system allows.
    name = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:12]
    return target.with_name(f".wav2tok-{name}-{number}")


def _claim(folder: Path) -> FileLock | None:
    """The lock of a place, if its writer is gone or there was none; None if nobody can know.

    Raises:
        Timeout: it is being written.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except PermissionError:  # it is another user's
        return None
    host = folder / _HOST
    try:
        foreign = host.read_text(encoding="utf-8") != platform.node()
        if foreign and time.time() - host.stat().st_mtime < _FOREIGN_SECONDS:
            lock.release()
            return None
    except FileNotFoundError:  # nothing has been written yet
        pass
    return lock


def _clear(folder: Path, target: Path) -> None:
    """Empty a place whose lock is held; a folder that was moved away and is not replaced yet goes back."""
    old = folder / _OLD
    if old.exists() and not os.path.lexists(target):
        old.replace(target)
        log.warning(f"{target} was being replaced when the process was killed; it is as it was before")
    for entry in folder.iterdir():
        if entry.name == _LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _leave(folder: Path, lock: FileLock) -> None:
    """Delete a place that is empty but for its lock."""
    if os.name == "posix":
        # While it is held: whoever has opened it in the meantime finds that it has no name any more.
        (folder / _LOCK).unlink(missing_ok=True)
        lock.release()
    else:
        lock.release()
        with contextlib.suppress(OSError):
            (folder / _LOCK).unlink()
    with contextlib.suppress(OSError):  # another process has taken the place
        folder.rmdir()
