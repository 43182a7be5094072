"""Train a model again from its passport, and compare the tokens of both.

The commit is checked out into a clone of the project's repository, the recordings come from DVC's cache or remote, and
``dvc repro train`` runs there with the passport's parameters: without the results of earlier runs, and without adding
to them.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from wav2tok import untrusted
from wav2tok.audio import decode
from wav2tok.corpus import audios_bin
from wav2tok.device import choose
from wav2tok.errors import UserError, reason
from wav2tok.files import locked, write_json
from wav2tok.machine import describe
from wav2tok.progress import log, track
from wav2tok.release import passport
from wav2tok.release.pull import pull
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer.format import GRAPH_NAMES, PASSPORT_FILE
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking.lineage import file_digest
from wav2tok.writable import require_empty

SPLIT, GRAPH = Path("artifacts", "audios.bin"), Path("artifacts", "model", GRAPH_NAMES[0])
"""Where the graph of ``dvc.yaml`` writes the split and the trained model."""
PARAMETERS = "params.yaml"
ORIGINAL, PROJECT = "original", "project"
"""In the folder of the work: the model, and the clone in which it is trained again."""


@dataclass(frozen=True)
class Agreement:
    """How far two models agree on the test recordings.

    Attributes:
        recordings: how many were compared.
        steps: the tokens compared, repeats included.
        agreeing: how many of them are equal.
        machine: what differs between this machine and that of the training, such as ``torch 2.10.0, here 2.11.0``.
    """

    recordings: int
    steps: int
    agreeing: int
    machine: list[str]

    @property
    def exact(self) -> bool:
        """Whether all tokens are equal."""
        return self.agreeing == self.steps


def reproduce(model: str, work: Path) -> Agreement:
    """Train ``model`` again in the new folder ``work``, and compare.

    The present folder must be in the project that trained it.

    Args:
        model: as `wav2tok.release.pull.pull` takes it.

    Raises:
        UserError: the model is ready-made or has no passport, or was trained with uncommitted changes, outside the
            graph or on recordings that DVC does not track; or commit or recordings are not at hand; or the training
            fails.
    """
    if model.startswith(ready_made.PREFIX):
        raise UserError(
            f"{model} is a ready-made model: it has no passport, and its recordings are not in this project; name a "
            "model that this project trained and exported.",
            "model",
        )
    top, inside = _repository()
    with locked(work):
        require_empty(work)
        with _kept_if_whole(work):
            pull(model, work / ORIGINAL)
            about = passport.read(work / ORIGINAL / PASSPORT_FILE, model)
            _require_reproducible(about["lineage"], model)
            _require_plain(about["parameters"], model)
            commit = about["lineage"]["tags"]["git.commit"]
            _require_commit(top, inside, commit)
            project = _clone(top, inside, commit, work / PROJECT)
            _bring_data(project, about["lineage"]["tags"]["dvc.data"], model)
        return _trained_again(project, about, model, work)


@contextlib.contextmanager
def _kept_if_whole(work: Path) -> Iterator[None]:
    """If the block fails, delete what it made in the folder ``work``."""
    try:
        yield
    except BaseException:
        for name in (ORIGINAL, PROJECT):
            shutil.rmtree(work / name, ignore_errors=True)
        raise


def _trained_again(project: Path, about: passport.Passport, model: str, work: Path) -> Agreement:
    # The commit may hold other ones: those of the command line and of an experiment are in no file.
    (project / PARAMETERS).write_text(yaml.safe_dump(about["parameters"], sort_keys=False), encoding="utf-8")
    log.info(f"training again in {project}")
    # The stages run again, and nothing of them goes into the project's cache.
    (project / "dvc.lock").unlink(missing_ok=True)
    _dvc(project, "repro", "--no-run-cache", "--no-commit", "train", shown=True)
    if file_digest(project / SPLIT) != about["lineage"]["tags"]["data.split"]:
        log.info(f"{SPLIT} is not the one that {model} was trained on, so the models may differ for that reason")
    agreement = _compare(work / ORIGINAL / GRAPH_NAMES[0], project, about["lineage"].get("machine", {}))
    write_json(work / "agreement.json", vars(agreement))
    return agreement


def _require_reproducible(lineage: dict[str, Any], model: str) -> None:
    tags = lineage.get("tags", {})
    changed = [name for name in lineage.get("changed", ()) if Path(name).name != PARAMETERS]
    problem = None
    if "git.commit" not in tags:
        problem = "its passport names no commit, because it was trained outside a git repository"
    elif changed:
        more = f" and {len(changed) - 1} more files" if changed[1:] else ""
        problem = f"it was trained with changes in {changed[0]}{more} that no commit holds"
    elif "dvc.data" not in tags:
        problem = "DVC did not track the recordings that it was trained on"
    elif tags.get("dvc.stage") != "train":
        problem = "it was not trained by dvc repro, so the steps before the training are unknown"
    if problem:
        raise UserError(f"{model} cannot be reproduced: {problem}; train with dvc repro from a clean commit.", "model")


def _require_plain(parameters: dict[str, Any], model: str) -> None:
    """Refuse a folder of recordings whose name a shell would run: ``dvc.yaml`` puts it into commands."""
    path = str((parameters.get("data") or {}).get("path"))
    if re.search(r'["$`\\\n]', path):
        raise UserError(f"{model} was trained on data.path {path!r}, which cannot be put into a command.", "model")


def _repository() -> tuple[Path, str]:
    """The present git repository, and where the present folder is in it."""
    top, inside = (_git(Path.cwd(), "rev-parse", how) for how in ("--show-toplevel", "--show-prefix"))
    if top is None:
        raise UserError(f"{Path.cwd()} is in no git repository; run this in the project that trained the model.")
    return Path(top), inside or ""


def _require_commit(top: Path, inside: str, commit: str) -> None:
    """Refuse a commit that the repository ``top`` does not hold, or that has no graph in the folder ``inside``."""
    if re.fullmatch("[0-9a-f]{7,64}", commit) is None:
        raise UserError(f"{untrusted.shown(commit)} is not the name of a commit; export the model again.", "model")
    if _git(top, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise UserError(f"{top} does not hold the commit {commit}; fetch it, or run this in the project that has it.")
    if _git(top, "cat-file", "-e", f"{commit}:{inside}dvc.yaml") is None:
        raise UserError(f"the commit {commit} has no dvc.yaml in {inside or top}; run this in the project's folder.")


def _clone(top: Path, inside: str, commit: str, into: Path) -> Path:
    """Check out a commit of a repository; returns the folder there that corresponds to its folder ``inside``."""
    # Shared objects: quick, and commits that no branch holds are there as well.
    _run(top, "git", "clone", "--quiet", "--shared", "--no-checkout", str(top), str(into))
    _run(into, "git", "checkout", "--quiet", "--detach", commit)
    project = into / inside
    local = top / inside / ".dvc" / "config.local"
    if local.is_file():  # addresses and credentials of remotes
        shutil.copy(local, project / ".dvc" / "config.local")
    cache = _run(Path.cwd(), sys.executable, "-m", "dvc", "cache", "dir").strip()
    _dvc(project, "config", "--local", "cache.dir", cache)
    return project


def _bring_data(project: Path, digest: str, model: str) -> None:
    """Bring the recordings of a digest from the project's cache, or else from its remote."""
    hashes = {
        out.get("md5"): path
        for path in project.rglob("*.dvc")
        if path.is_file()
        for out in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).get("outs", ())
    }
    missing = [one for one in digest.split(",") if one not in hashes]
    if missing:
        raise UserError(
            f"{model} was trained on recordings with the DVC hash {missing[0]}, which its commit does not track; it "
            "was trained before they were committed.",
            "model",
        )
    wanted = [str(hashes[one].relative_to(project)) for one in digest.split(",")]
    problem = ""
    for verb in ("checkout", "pull"):
        done = _started(project, sys.executable, "-m", "dvc", verb, "--quiet", *wanted)
        if done.returncode == 0:
            return
        problem = done.stderr.strip()
    raise UserError(
        f"the recordings with the DVC hash {digest} are neither in the project's cache nor in a remote "
        f"({reason(ValueError(problem))}); bring them with dvc fetch, or run this where they are."
    )


def _compare(original: Path, project: Path, machine: dict[str, Any]) -> Agreement:
    first, second = Tokenizer(original, "cpu"), Tokenizer(project / GRAPH, "cpu")
    paths = [project / path for path in audios_bin.read(project / SPLIT).test.paths]
    steps = agreeing = 0
    for path in track(paths, "tokenizing with both", len(paths)):
        wave = decode.read(path, first.sample_rate)
        (one,), (other,) = (tokenizer.encode_frames([wave], first.sample_rate) for tokenizer in (first, second))
        shared = min(len(one), len(other))
        steps += max(len(one), len(other))
        agreeing += int(np.sum(one[:shared] == other[:shared]))
    here = describe(choose("auto"))
    compared = ("processor", "instruction_set", "torch_threads", "torch", "onnxruntime", "gpu")
    differing = [
        f"{key} {machine.get(key)}, here {here.get(key)}" for key in compared if machine.get(key) != here.get(key)
    ]
    return Agreement(len(paths), steps, agreeing, differing)


def _environment() -> dict[str, str]:
    """Of the programs that run in the clone: of this process, without what would lead them elsewhere."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_", "GIT_"))}
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _started(folder: Path, *command: str, shown: bool = False) -> subprocess.CompletedProcess[str]:
    pipe = None if shown else subprocess.PIPE
    return subprocess.run(command, cwd=folder, env=_environment(), stdout=pipe, stderr=pipe, text=True, check=False)


def _run(folder: Path, *command: str, shown: bool = False) -> str:
    done = _started(folder, *command, shown=shown)
    if done.returncode:
        why = "see above" if shown else reason(ValueError(done.stderr))
        raise UserError(f"{' '.join(map(_name, command))} failed in {folder} ({why}); nothing was compared.")
    return done.stdout or ""


def _name(word: str) -> str:
    return "python" if word == sys.executable else word


def _dvc(project: Path, *arguments: str, shown: bool = False) -> None:
    _run(project, sys.executable, "-m", "dvc", *arguments, shown=shown)


def _git(folder: Path, *arguments: str) -> str | None:
    done = _started(folder, "git", *arguments)
    return done.stdout.strip() if done.returncode == 0 else None
