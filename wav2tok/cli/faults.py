"""Faults of the system as sentences: a full disk, a folder without permission, a closed stream, memory that is gone.

They are nobody's bug, so they end a verb like bad input does: one sentence, and exit code 2.
"""

import codecs
import errno
import io
import os
import re
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

from wav2tok.errors import UserError, reason
from wav2tok.files import says_full
from wav2tok.secrets import without_secrets
from wav2tok.untrusted import shown

_WAYS = {
    errno.ENOSPC: "free some space, or name a place on another disk",
    errno.EDQUOT: "free some space, or name a place on another disk",
    errno.EFBIG: "raise the limit of the size of files, or name a place on another disk",
    errno.EROFS: "name a place that can be written",
    errno.EACCES: "change its permissions, or name another place",
    errno.EPERM: "change its permissions, or name another place",
    errno.ENAMETOOLONG: "use a shorter path",
    errno.ENOTDIR: "name a place whose folders are folders",
    errno.EISDIR: "name a file",
    errno.ELOOP: "its links lead in a circle; remove one",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "close some programs",
    errno.ENOMEM: "close some programs, or lower the parameters that decide about the size",
    errno.EIO: "check the disk",
    errno.ESTALE: "check the network disk",
    errno.ETXTBSY: "wait until it is no longer in use",
    errno.EBUSY: "wait until it is no longer in use",
}
"""What can be done, by the number of the system's error. Others show a traceback: nobody has thought of them."""


ESCAPE = "wav2tok-escape"
"""How the streams write characters that their encoding does not have, and bytes of names that are no text."""


def _escaped(error: UnicodeError) -> tuple[str, int]:
    """As JSON does, so that rows of JSON stay whole: ü in ASCII is ``\\u00fc``."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2)), error.end


codecs.register_error(ESCAPE, _escaped)


def require_streams() -> None:
    """See that both streams take any text, and refuse a standard output that was closed: results would be lost.

    Raises:
        UserError: standard output is closed.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process
    if sys.stdout is None:
        raise UserError("standard output is closed; redirect it to a file, or to /dev/null.")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=ESCAPE)


def flush() -> None:
    """Write what is left for standard output; afterwards nothing is left, even if that failed.

    Raises:
        OSError: it cannot be written, for example because the disk is full.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError:
        # Python would try again at its end, and print a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def sentence(error: BaseException) -> str | None:
    """What to tell the user of an error of the system; None for any other error."""
    for one in _chain(error):
        if isinstance(one, MemoryError):
            return "there is not enough memory; close some programs, or use shorter recordings or a smaller batch."
        if any(kind.__name__ == "MlflowException" for kind in type(one).__mro__):
            from wav2tok.tracking import store

            return f"the MLflow store {store.shown()} cannot be used ({reason(Exception(one))}); {store.WAYS}."
        if says_full(one):
            return f"{_place(one)}no space is left on the disk; {_WAYS[errno.ENOSPC]}."
        if isinstance(one, OSError) and one.errno in _WAYS:
            return f"{_place(one)}{os.strerror(one.errno)}; {_WAYS[one.errno]}."
    return None


def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a fault of ours, as Python would, without secrets."""
    sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))


def _place(error: BaseException) -> str:
    name = getattr(error, "filename", None)
    if name is None:
        detail = re.search(r"'(/[^']+)'", reason(error)) if isinstance(error, Exception) else None
        return f"{shown(detail[1])}: " if detail else ""
    return f"{shown(os.fsdecode(name) if isinstance(name, bytes) else name)}: "
