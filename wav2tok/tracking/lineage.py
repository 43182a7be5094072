"""Where a run comes from: commit, data and experiment."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import yaml

from wav2tok import files
from wav2tok.config import parameters
from wav2tok.config.schema import Config


def _git(*arguments: str) -> str | None:
    try:
        process = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None


def tags(data: Path, recordings: Iterable[str] = ()) -> dict[str, str]:
    """Tags of a run: git commit, whether files differ from it, digest of the split, DVC data, stage and experiment.

    What is not known is omitted.

    Args:
        data: the split, ``audios.bin``.
        recordings: the paths in it.
    """
    known: dict[str, str | None] = {"git.commit": _git("rev-parse", "HEAD")}
    if known["git.commit"] is not None:
        known["git.dirty"] = str(bool(changed())).lower()
    known["data.split"] = file_digest(data)
    known["dvc.data"] = dvc_data(recordings)
    known["dvc.stage"] = os.environ.get("DVC_STAGE")
    known["dvc.experiment"] = experiment()
    return {key: value for key, value in known.items() if value}


def changed() -> list[str]:
    """The files that differ from the commit, without those that git does not track and those that a stage writes."""
    # DVC writes dvc.lock after every stage: it is a result.
    listed = _git("diff", "HEAD", "--name-only", "-z", "--", ":/", ":(top,exclude,glob)**/dvc.lock")
    return [name for name in (listed or "").split("\0") if name]


def experiment() -> str | None:
    """The name of the DVC experiment that this process belongs to."""
    return os.environ.get("DVC_EXP_NAME")


def committed(config: Config) -> Config:
    """The parameters of the last commit, with the profile and the recipe of ``config``.

    Without a commit they are those of ``params.yaml``, and without that file the defaults.
    """
    overrides = [f"profile={json.dumps(config.profile)}", f"train.recipe={config.train.recipe}"]
    text = _git("show", "HEAD:./params.yaml")
    if text is None:
        return parameters.load(None, overrides)
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        path = Path(folder) / "params.yaml"
        path.write_text(text, encoding="utf-8")
        return parameters.load(path, overrides)


def dvc_data(recordings: Iterable[str]) -> str | None:
    """The hash by which DVC tracks the folder that holds all of ``recordings``, separated by commas if several do.

    None if DVC does not track one of them, or tracks other bytes than those on disk.
    """
    trackers: dict[Path, str] = {}
    known: dict[Path, tuple[Path, str] | None] = {}
    for recording in recordings:
        folder = Path(recording).parent
        if folder not in known:
            known[folder] = _tracker(folder)
        found = known[folder]
        if found is None:
            return None
        trackers[found[0]] = found[1]
    # Within a stage DVC itself has compared them, and holds its lock.
    if "DVC_STAGE" not in os.environ and not all(_unchanged(path) for path in trackers):
        return None
    return ",".join(sorted(set(trackers.values()))) or None


def _tracker(folder: Path) -> tuple[Path, str] | None:
    """The ``.dvc`` file that tracks ``folder`` or a folder around it, and the hash in it."""
    for place in (folder, *folder.parents):
        path = place.parent / f"{place.name}.dvc"
        if place.name and path.is_file():
            outs = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("outs") or []
            found = next((out.get("md5") for out in outs if out.get("path") == place.name), None)
            return (path, found) if found else None
    return None


def _unchanged(tracker: Path) -> bool:
    """Whether what a ``.dvc`` file tracks is on disk as DVC knows it."""
    command = [sys.executable, "-m", "dvc", "status", "--quiet", tracker.name]
    return subprocess.run(command, cwd=tracker.parent, capture_output=True, check=False).returncode == 0


def known_digest(path: Path) -> str | None:
    """`file_digest`, or None if there is no such file."""
    return file_digest(path) if path.is_file() else None


def file_digest(path: Path) -> str:
    """The first 32 hexadecimal digits of a file's SHA-256; MLflow takes no longer digest."""
    return files.sha256(path)[:32]
