"""A model's files brought into a folder that works offline: graphs, card, passport and signature.

Everything is checked before the folder is written. What is complete of an interrupted download lies in the cache
(`wav2tok.tokenizer.cache`) and is not downloaded again.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import replacing_folder, sha256
from wav2tok.progress import log
from wav2tok.release import passport, signature
from wav2tok.tokenizer import cache, ready_made
from wav2tok.tokenizer.format import CARD_FILE, GRAPH_NAMES, PASSPORT_FILE, SIGNATURE_FILE
from wav2tok.tokenizer.locate import card_of, is_in_store, locate, require_registered
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup
from wav2tok.tracking.store import fetch, listing


def pull(model: str, out: Path, key: Path | None = None) -> Path:
    """Copy a model into the folder ``out``, completely or not at all; returns its ONNX file.

    Args:
        model: an MLflow URI, a ready-made model, a file or a folder, as `wav2tok.tokenizer.locate.located` takes it.
        key: the public key that the signature must belong to; None does not ask for a signature.

    Raises:
        UserError: the model does not exist; a file of it is not what was exported or registered, is of a newer release
            or is not a tokenizer; or the signature does not hold. ``out`` is unchanged then.
    """
    signature.require_key(key, "verify")
    held = {path.name for path in out.iterdir()} if out.is_dir() else set()
    with replacing_folder(out, {name for name in held if _is_ours(name)}, (Path(model), key)) as folder:
        name = _bring(model, folder)
        _check(folder, name)
        if key is not None:
            signature.verify(folder, key, name)
            log.info(f"{name} is signed with the key that belongs to {key}")
    return out / GRAPH_NAMES[0]


def _is_ours(name: str) -> bool:
    return signature.travels(name) or name == SIGNATURE_FILE


def _bring(model: str, folder: Path) -> str:
    """Copy the files of a model to ``folder``; returns its name, with the version's number."""
    if is_in_store(model):
        return _download(model, folder)
    graph = ready_made.find(model) if model.startswith(ready_made.PREFIX) else locate(model)
    files = {GRAPH_NAMES[0]: graph, CARD_FILE: card_of(graph)}
    if graph.name in GRAPH_NAMES:
        files |= {path.name: path for path in graph.parent.iterdir() if _is_ours(path.name)} | files
    for name, path in files.items():
        if path.exists():
            shutil.copyfile(path, folder / name)
    return model


def _download(uri: str, folder: Path) -> str:
    version = lookup.find(uri)
    name = uri if version is None else version.uri
    remote = {GRAPH_NAMES[0] if file == GRAPH_NAMES[1] else file: f"{name}/{file}" for file in listing(name)}
    wanted = {file: address for file, address in remote.items() if _is_ours(file)}
    if GRAPH_NAMES[0] not in wanted:
        raise UserError(f"{name} holds no {GRAPH_NAMES[0]}, so it is not a model of wav2tok.", "model")
    if version is not None and version.passport and PASSPORT_FILE not in wanted:
        raise UserError(
            f"{name} was registered with a {PASSPORT_FILE}, and it is gone, so its files cannot be checked; export and "
            "register the model again.",
            "model",
        )
    digests: dict[str, str] = {}
    if PASSPORT_FILE in wanted:
        with _fetched(wanted.pop(PASSPORT_FILE)) as path:
            shutil.copyfile(path, folder / PASSPORT_FILE)
        digests = passport.read(folder / PASSPORT_FILE, name)["files"]
    # Graphs first: they are what an interrupted download keeps.
    for file, address in sorted(wanted.items(), key=lambda item: not item[0].endswith(".onnx")):
        kept = None if version is None else cache.find(version, file, digests.get(file))
        if kept is not None:
            shutil.copyfile(kept, folder / file)
            continue
        with _fetched(address) as path:
            shutil.copyfile(path, folder / file)
        if version is not None and file.endswith(".onnx") and digests.get(file) in (None, sha256(folder / file)):
            cache.keep(version, folder / file, file)
    if version is not None:
        require_registered(folder / GRAPH_NAMES[0], version)
    return name


@contextlib.contextmanager
def _fetched(address: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as place:
        yield fetch(address, Path(place))


def _check(folder: Path, model: str) -> None:
    """Refuse files that are not what the passport says, and graphs that this release cannot use."""
    files = {path.name: path for path in folder.iterdir() if path.name not in (PASSPORT_FILE, SIGNATURE_FILE)}
    if (folder / PASSPORT_FILE).exists():
        digests = passport.read(folder / PASSPORT_FILE, model)["files"]
        missing = sorted(digests.keys() - files.keys())
        changed = sorted(name for name, path in files.items() if digests.get(name) != sha256(path))
        if missing or changed:
            what = f"lacks {missing[0]}" if missing else f"has another {changed[0]} than was exported"
            raise UserError(
                f"{model} {what}, by the digests in its {PASSPORT_FILE}; pull it again, or export and register it "
                "again.",
                "model",
            )
    elif not model.startswith(ready_made.PREFIX):
        log.info(f"{model} has no passport: an earlier wav2tok exported it, or wav2tok train wrote it")
    for path in sorted(files.values()):
        if path.suffix == ".onnx":
            Tokenizer(path, device="cpu", source=model if path.name == GRAPH_NAMES[0] else f"{path.name} of {model}")
