"""A split on disk: ``audios.bin``, and ``audios.json`` next to it.

``audios.bin`` has the published format, so anyone's file works: a pickle of ``[X_train, X_test]`` or ``[X_train,
X_valid, X_test]``, each a list of paths (Case 2) or a dictionary {class: [paths]} (Case 1). Pickles can run code when
they are loaded; `wav2tok.corpus.plain_pickle` reads lists, dictionaries, strings and numbers and nothing else.

``audios.json`` (the same name with the suffix ``.json``) has what the pickle cannot hold, one row per recording::

    {"audios_bin": SHA-256 of the audios.bin that it belongs to,
     "folder": the folder of the corpus, "rule": how it was divided,
     "recordings": [{"part": "train", "path": ..., "class": ..., "group": ..., "seconds": ..., "sha256": ...,
                     "source": ...}, ...]}

`write` writes both. `read` works without the second file: groups then come from the file names, and lengths and
digests are unknown. The next split by the same rule leaves every recording in the part it has there (`former`).
"""

import dataclasses
import hashlib
import math
import os
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from wav2tok.audio.find import identity
from wav2tok.corpus import plain_pickle
from wav2tok.corpus.cut import PARTS
from wav2tok.corpus.recordings import Recordings, Splits
from wav2tok.errors import UserError, reason
from wav2tok.files import replacing, sha256, write_json
from wav2tok.progress import log
from wav2tok.untrusted import parse_json, read_bytes, read_text, why_not_regular

MOST_RECORDINGS = 5_000_000
"""In a part of a split; a list that stands in it many times counts as often."""
_MOST_BYTES = 4 * plain_pickle.MOST_BYTES
"""In an ``audios.json``, which says more of each recording than an ``audios.bin`` does."""
OWNER = "audios_bin"
"""The key of ``audios.json`` that names the file it belongs to."""


def details_path(path: Path | str) -> Path:
    """Where the ``audios.json`` of an ``audios.bin`` is."""
    return Path(path).parent / f"{Path(path).stem}.json"


def read(path: Path | str) -> Splits:
    """Read an ``audios.bin``, and the ``audios.json`` next to it if there is one, without running any code in it.

    Raises:
        UserError: the file is missing, is not such a pickle, names a class or function, mixes lists with dictionaries,
            has an empty training or test part, or has one file both in the test and in another part; or its
            ``audios.json`` is damaged, or lacks recordings or values.
    """
    path = Path(path)
    if why_not_regular(path) == "does not exist":
        raise UserError(f"{path} does not exist; make it with: wav2tok split DIR --out {path}")
    content = read_bytes(path, plain_pickle.MOST_BYTES)
    try:
        parts = plain_pickle.read(content)
    except plain_pickle.RefusedError as error:
        raise UserError(
            f"{path} is refused ({reason(error)}); only lists, dictionaries, strings and numbers may be in it."
        ) from None
    except ValueError as error:
        raise UserError(f"{path} is not an audios.bin ({reason(error)}); make it again.") from None
    if not isinstance(parts, list | tuple) or len(parts) not in (2, 3):
        raise UserError(
            f"{path} does not hold [X_train, X_test] or [X_train, X_valid, X_test]; make it with wav2tok split."
        )
    names = ("training", "test") if len(parts) == 2 else ("training", "validation", "test")
    read_parts = [_recordings(part, path, name) for part, name in zip(parts, names, strict=True)]
    if len({part.classes is None for part in read_parts if len(part)}) > 1:
        raise UserError(f"{path} mixes lists with dictionaries; make all its parts of one kind.")
    train, test = read_parts[0], read_parts[-1]
    if not len(train) or not len(test):
        raise UserError(f"{path} has an empty {'training' if not len(train) else 'test'} part; split again.")
    valid = read_parts[1] if len(parts) == 3 else None
    tested = {identity(p) for p in test.paths}
    for name, part in (("training", train), ("validation", valid)):
        shared = [p for p in part.paths if identity(p) in tested] if part else []
        if shared:
            raise UserError(f"{path} has {shared[0]} in its {name} and its test part; a test recording must be unseen.")
    train, test = _once(train, path), _once(test, path)
    valid = None if valid is None else _once(valid, path, train)
    return _with_details(
        Splits(train, valid if valid else None, test), details_path(path), hashlib.sha256(content).hexdigest()
    )


def _recordings(part: Any, path: Path, which: str) -> Recordings:
    count = len(part) if isinstance(part, list | tuple) else _members(part)
    if count > MOST_RECORDINGS:
        raise UserError(f"{path}: its {which} part has {count:,} paths; at most {MOST_RECORDINGS:,} can be used.")
    if isinstance(part, list | tuple) and all(map(_is_path, part)):
        return Recordings(tuple(part))
    if isinstance(part, Mapping) and all(
        isinstance(members, list | tuple) and all(map(_is_path, members)) for members in part.values()
    ):
        pairs = [(p, str(label)) for label, members in part.items() for p in members]
        return Recordings(tuple(p for p, _ in pairs), tuple(label for _, label in pairs))
    raise UserError(f"{path}: its {which} part is neither a list of paths nor a dictionary of such lists.")


def _is_path(value: Any) -> bool:
    """Whether a value is text that the system can take for a path."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeEncodeError:
        return False


def _members(part: Any) -> int:
    """How many paths a dictionary of lists holds, counted without going through them."""
    lists = part.values() if isinstance(part, Mapping) else ()
    return sum(len(members) for members in lists if isinstance(members, list | tuple))


def _once(part: Recordings, path: Path, others: Recordings | None = None) -> Recordings:
    """``part`` with each real file once, however often and under whatever names it is there or in ``others``."""
    seen = {identity(p) for p in others.paths} if others else set()
    kept = []
    for number, one in enumerate(part.paths):
        key = identity(one)
        if key not in seen:
            kept.append(number)
            seen.add(key)
    if len(kept) == len(part):
        return part
    left_out = sorted({*range(len(part))} - {*kept})
    log.warning(
        f"{path} names {len(left_out)} files more than once, such as {part.paths[left_out[0]]}; each is taken once"
    )
    return part.take(kept)


def _parts(splits: Splits) -> Iterator[tuple[str, Recordings]]:
    """The parts that there are, by name."""
    for name, part in (("train", splits.train), ("valid", splits.valid), ("test", splits.test)):
        if part is not None:
            yield name, part


def _with_details(splits: Splits, path: Path, owner: str) -> Splits:
    """``splits`` with the groups, lengths and digests of ``audios.json``.

    A file of another audios.bin is ignored: someone may have put their own audios.bin in place of one that `write`
    wrote, and that must work.

    Args:
        path: of ``audios.json``, which need not exist.
        owner: SHA-256 of the audios.bin.
    """
    table = _table(path)
    if table is None:
        return splits
    if table[OWNER] != owner:
        log.warning(f"{path} belongs to another audios.bin and is ignored; groups are read from the file names.")
        return splits
    try:
        # A file of before has no sources.
        rows = {
            row["path"]: (row["group"], row["seconds"], row["sha256"], row.get("source", ""))
            for row in table["recordings"]
        }
        parts: dict[str, Recordings] = {}
        for name, part in _parts(splits):
            groups, seconds, digests, sources = zip(*(rows[p] for p in part.paths), strict=True)
            names = _all_of(str, groups) and _all_of(str, sources)
            finite = all(one is None or math.isfinite(one) for one in seconds)
            if not (names and finite and _all_of(float | int | None, seconds) and _all_of(str | None, digests)):
                raise TypeError
            parts[name] = dataclasses.replace(part, groups=groups, seconds=seconds, digests=digests, sources=sources)
    except (KeyError, TypeError):
        raise UserError(
            f"{path} does not describe every recording of the audios.bin; split again, or delete it."
        ) from None
    return Splits(parts["train"], parts.get("valid"), parts["test"])


def _all_of(kind: Any, values: tuple[Any, ...]) -> bool:
    return all(isinstance(value, kind) for value in values)


def _table(path: Path) -> dict[str, Any] | None:
    """An ``audios.json``; None if it does not exist, or is one that `write` did not write.

    Raises:
        UserError: it cannot be read. What is left of a damaged one may be the groups and the parts of a former split,
            so it is not passed over.
    """
    if why_not_regular(path) == "does not exist":
        return None
    try:
        table = parse_json(read_text(path, _MOST_BYTES))
    except ValueError as error:
        raise UserError(
            f"{path} is damaged ({reason(error)}); restore it, or delete it: then groups are read from the file names, "
            "and the next split starts from scratch."
        ) from None
    return table if isinstance(table, dict) and OWNER in table else None


def former(path: Path | str, rule: Mapping[str, Any]) -> dict[str, str]:
    """The parts of the split that ``path`` has been written for before, by the recordings' names in their folder.

    The ``audios.json`` decides, whether or not the ``audios.bin`` is still there. Nothing is known where there is none,
    or one by another rule.

    Args:
        rule: what `write` was given.

    Raises:
        UserError: the ``audios.json`` is damaged.
    """
    details = details_path(path)
    table = _table(details) or {}
    if table.get("rule") != rule:
        return {}
    try:
        folder = PurePosixPath(table["folder"])
        paths = {PurePosixPath(row["path"]): PARTS[PARTS.index(row["part"])] for row in table["recordings"]}
    except (KeyError, TypeError, ValueError):
        raise UserError(
            f"{details} lacks its folder, or the part of a recording; restore it, or delete it to divide all again.",
            "out",
        ) from None
    return {path.relative_to(folder).as_posix(): part for path, part in paths.items() if path.is_relative_to(folder)}


def write(path: Path | str, splits: Splits, folder: Path | None = None, rule: Mapping[str, Any] | None = None) -> None:
    """Write ``splits`` as an ``audios.bin`` and its ``audios.json``, each whole or not at all.

    Args:
        folder: the folder of the corpus.
        rule: how it was divided, as JSON values; None leaves nothing for a later split to continue.

    Raises:
        UserError: ``path``, or the file next to it with the name of ``audios.json``, is something else.
    """
    path, details = Path(path), details_path(path)
    if path == details:
        raise UserError(f"{path} ends in .json, as the table next to an audios.bin does; name it .bin.", "out")
    if path.is_file() and path.read_bytes()[:1] not in (b"", b"\x80"):
        raise UserError(f"{path} would be replaced and is not an audios.bin; use another name.", "out")
    if details.exists() and _table(details) is None:
        raise UserError(f"{details} would be replaced and is not from wav2tok split; use another name.", "out")

    def plain(part: Recordings) -> Any:
        if part.classes is None:
            return list(part.paths)
        members: dict[str, list[str]] = {}
        for p, label in zip(part.paths, part.classes, strict=True):
            members.setdefault(label, []).append(p)
        return members

    with replacing(path) as temporary:
        temporary.write_bytes(pickle.dumps([plain(part) for _, part in _parts(splits)], protocol=4))
    rows = [
        {
            "part": name,
            "path": recording.path,
            "class": recording.label,
            "group": recording.group,
            "seconds": recording.seconds,
            "sha256": recording.sha256,
            "source": recording.source,
        }
        for name, part in _parts(splits)
        for recording in part
    ]
    how = {} if folder is None or rule is None else {"folder": folder.as_posix(), "rule": rule}
    write_json(details, {OWNER: sha256(path)} | how | {"recordings": rows})
