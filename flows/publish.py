"""Publish what a retraining changed: files committed to a branch of git, outputs pushed to the DVC remote.

The commit is made without a working tree of its own and without touching the one that is there: whoever works in the
project finds it as it was, on the branch that it was on.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from wav2tok.errors import UserError

BRANCH = "retrained"
"""The branch that retrainings are committed to."""


def commit(root: Path, files: Mapping[str, bytes], message: str, branch: str = BRANCH) -> str | None:
    """Commit files on top of a branch, which is begun at HEAD if it does not exist.

    Args:
        root: the project, in a git repository.
        files: contents by paths relative to ``root``.

    Returns:
        the commit; None if the branch holds these contents already.

    Raises:
        UserError: ``root`` is in no repository with a commit, or git refuses; the branch is unchanged then.
    """
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    ref = f"refs/heads/{branch}"
    tip = _git(root, "rev-parse", "--verify", "--quiet", ref, may_fail=True).strip()
    parent = tip or _git(root, "rev-parse", "HEAD").strip()
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        _git(root, "read-tree", parent, environment=index)
        for path, content in files.items():
            blob = _git(root, "hash-object", "-w", "--stdin", stdin=content).strip()
            _git(root, "update-index", "--add", "--cacheinfo", f"100644,{blob},{prefix}{path}", environment=index)
        tree = _git(root, "write-tree", environment=index).strip()
    if tree == _git(root, "rev-parse", f"{parent}^{{tree}}").strip():
        return None
    made = _git(root, "commit-tree", tree, "-p", parent, "-F", "-", stdin=message.encode()).strip()
    # git compares the branch with what it was: of two at once one is refused.
    _git(root, "update-ref", ref, made, tip or "0" * len(made))
    return made


def push(root: Path) -> bool:
    """Push outputs to the default DVC remote; returns whether there is one.

    Raises:
        UserError: the remote refuses.
    """
    if not _dvc(root, "config", "core.remote", may_fail=True).strip():
        return False
    _dvc(root, "push", "--quiet")
    return True


def track(root: Path, folder: str) -> None:
    """Record what the folder of the recordings now holds in its ``.dvc`` file.

    Raises:
        UserError: DVC refuses.
    """
    _dvc(root, "add", "--quiet", folder)


def _dvc(root: Path, *arguments: str, may_fail: bool = False) -> str:
    return _run([sys.executable, "-m", "dvc", *arguments], root, may_fail=may_fail)


def _git(
    root: Path,
    *arguments: str,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> str:
    # Without a name and an address git makes no commit, and a machine that retrains may have neither.
    who = {f"GIT_{role}_{what}": "wav2tok" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    known = _run(["git", "config", "user.email"], root, may_fail=True).strip()
    return _run(["git", *arguments], root, stdin, ({} if known else who) | dict(environment or {}), may_fail)


def _run(
    command: list[str],
    root: Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> str:
    """What a command prints; with ``may_fail`` nothing if it fails."""
    done = subprocess.run(
        command, cwd=root, input=stdin, env=os.environ | dict(environment or {}), capture_output=True, check=False
    )
    if done.returncode and may_fail:
        return ""
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        name = "dvc" if "dvc" in command else "git"
        raise UserError(f"{name} {command[-1] if name == 'dvc' else command[1]} failed in {root}: {said[-1]}")
    return done.stdout.decode(errors="replace")
