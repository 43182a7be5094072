"""The published file of a split, ``audios.bin``.

The format is the published one, so that anyone's file works: a pickle of ``[X_train, X_test]`` or ``[X_train, X_valid,
X_test]``, each a list of paths (Case 2) or a dictionary {class: [paths]} (Case 1). Pickles can run code when they are
loaded; `read` accepts plain containers, strings and numbers and nothing else.
"""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError
from wav2tok.files import replacing


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every class and function before anything of it runs."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to an object outside the file")


def _recordings(part: Any, path: Path, which: str) -> Recordings:
    if isinstance(part, list | tuple) and all(isinstance(p, str) for p in part):
        return Recordings(tuple(part))
    if isinstance(part, Mapping) and all(
        isinstance(members, list | tuple) and all(isinstance(p, str) for p in members) for members in part.values()
    ):
        pairs = [(p, str(label)) for label, members in part.items() for p in members]
        return Recordings(tuple(p for p, _ in pairs), tuple(label for _, label in pairs))
    raise UserError(f"{path}: its {which} part is neither a list of paths nor a dictionary of such lists.")


def read(path: Path | str) -> Splits:
    """Read an ``audios.bin`` without running anything that it may hold.

    Raises:
        UserError: the file is missing, is no such pickle, names a class or function, mixes lists with dictionaries,
            has an empty training or test part, or puts one file on both sides.
    """
    path = Path(path)
    try:
        parts = _PlainUnpickler(io.BytesIO(path.read_bytes())).load()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; make it with: wav2tok split DIR --out {path}") from None
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is refused ({error}); only lists, dictionaries, strings and numbers may be in it."
        ) from None
    except Exception as error:  # a damaged pickle raises whatever its bytes lead to
        raise UserError(f"{path} is no audios.bin ({type(error).__name__}: {error}); make it anew.") from None
    if not isinstance(parts, list | tuple) or len(parts) not in (2, 3):
        raise UserError(f"{path} holds no [X_train, X_test] or [X_train, X_valid, X_test]; make it with wav2tok split.")
    names = ("training", "test") if len(parts) == 2 else ("training", "validation", "test")
    read_parts = [_recordings(part, path, name) for part, name in zip(parts, names, strict=True)]
    if len({part.classes is None for part in read_parts if len(part)}) > 1:
        raise UserError(f"{path} mixes lists with dictionaries; make all its parts of one kind.")
    train, test = read_parts[0], read_parts[-1]
    if not len(train) or not len(test):
        raise UserError(f"{path} has an empty {'training' if not len(train) else 'test'} part; split again.")
    valid = read_parts[1] if len(parts) == 3 and len(read_parts[1]) else None
    held_out = set(test.paths)
    for name, part in (("training", train), ("validation", valid)):
        shared = [p for p in part.paths if p in held_out] if part else []
        if shared:
            raise UserError(f"{path} has {shared[0]} in its {name} and its test part; a test recording must be unseen.")
    return Splits(train, valid, test)


def write(path: Path | str, splits: Splits) -> None:
    """Write ``splits`` as an ``audios.bin``, whole or not at all."""

    def plain(part: Recordings) -> Any:
        if part.classes is None:
            return list(part.paths)
        members: dict[str, list[str]] = {}
        for p, label in zip(part.paths, part.classes, strict=True):
            members.setdefault(label, []).append(p)
        return members

    parts = [plain(p) for p in (splits.train, splits.valid, splits.test) if p is not None]
    with replacing(path) as temporary:
        temporary.write_bytes(pickle.dumps(parts, protocol=4))
