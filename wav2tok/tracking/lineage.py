"""Where a run comes from: commit, data and experiment."""

import os
import subprocess
from pathlib import Path

import yaml

from wav2tok import files


def _git(*arguments: str) -> str | None:
    try:
        process = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return process.stdout.strip() if process.returncode == 0 else None


def tags(data: Path) -> dict[str, str]:
    """Tags of a run: git commit, whether files differ from it, digest of the split, DVC stage and experiment.

    What is not known is omitted.

    Args:
        data: the split, ``audios.bin``.
    """
    known: dict[str, str | None] = {"git.commit": _git("rev-parse", "HEAD")}
    if known["git.commit"] is not None:
        known["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    known["data.split"] = file_digest(data)
    known["dvc.data"] = _dvc_hash(Path("data.dvc"))
    known["dvc.stage"] = os.environ.get("DVC_STAGE")
    known["dvc.experiment"] = os.environ.get("DVC_EXP_NAME")
    return {key: value for key, value in known.items() if value}


def _dvc_hash(path: Path) -> str | None:
    """The hash by which DVC tracks the recordings."""
    if not path.exists():
        return None
    outs = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("outs") or [{}]
    return outs[0].get("md5")


def file_digest(path: Path) -> str:
    """The first 32 hexadecimal digits of a file's SHA-256; MLflow takes no longer digest."""
    return files.sha256(path)[:32]
