"""Where a run comes from: commit, data, experiment."""

import os
import subprocess
from pathlib import Path

from wav2tok import files


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def tags(data: Path) -> dict[str, str]:
    """Tags of a run: git commit and dirtiness, hash of the split, DVC stage and experiment, where they are known."""
    found: dict[str, str | None] = {"git.commit": _git("rev-parse", "HEAD")}
    if found["git.commit"] is not None:
        found["git.dirty"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    found["data.split"] = file_digest(data)
    found["dvc.data"] = _dvc_hash(Path("data.dvc"))
    found["dvc.stage"] = os.environ.get("DVC_STAGE")
    found["dvc.experiment"] = os.environ.get("DVC_EXP_NAME")
    return {key: value for key, value in found.items() if value}


def _dvc_hash(path: Path) -> str | None:
    """The hash that DVC tracks the recordings by."""
    if not path.exists():
        return None
    import yaml

    outs = (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("outs") or [{}]
    return outs[0].get("md5")


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, its first 32 hexadecimal digits (what MLflow takes as a digest)."""
    return files.sha256(path)[:32]
