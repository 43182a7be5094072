"""New recordings against the profile of a model: what ``wav2tok drift`` does."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import group_of
from wav2tok.errors import UserError
from wav2tok.evaluation import profile
from wav2tok.evaluation.drift import Result, compare
from wav2tok.evaluation.profile import PROFILE_FILE, Profile
from wav2tok.files import make_folder
from wav2tok.progress import log
from wav2tok.report import drift as report
from wav2tok.tokenizer import locate, ready_made
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup
from wav2tok.tracking.store import fetch
from wav2tok.writable import require_own


def drift(paths: Sequence[str], model: str, out: Path, config: Config, device: str) -> Result:
    """Compare recordings with the profile of a model; write ``drift.json``, ``drift.md`` and ``drift.html`` to ``out``.

    Args:
        paths: files; their groups are the file names up to the first ``_``.
        model: a folder that ``wav2tok export`` wrote, or a version in the registry.

    Raises:
        UserError: the model has no profile, it is another model's, there are too few recordings, or ``out`` holds
            a file of another program.
    """
    require_own(out, report.PAGE, (report.FIGURE, report.TEXT, report.FIGURES))
    known = profile_of(model)
    tokenizer = Tokenizer.from_pretrained(model, device)
    if known.identity != tokenizer.identity:
        raise UserError(
            f"the profile of {model} describes another graph ({known.identity}, not {tokenizer.identity}); export "
            "the model again.",
            "model",
        )
    make_folder(out)
    new = profile.describe(paths, [group_of(path) for path in paths], tokenizer)
    result = compare(known.recordings, new, known.num_tokens, config.drift, config.seed)
    report.write(known, new, result, tokenizer.source, out)
    log.info(report.table(result).text())
    if not result.has_distances:
        log.info(report.NO_DISTANCES)
    log.info(f"{report.sentence(result, tokenizer.source)} {out / 'drift.html'}")
    return result


def profile_of(model: str) -> Profile:
    """The profile that lies beside a model's graph.

    Raises:
        UserError: the model does not exist, or has no profile.
    """
    if model.startswith(ready_made.PREFIX):
        ready_made.find(model)
        raise UserError(
            f"{model} is ready-made, and has no profile of recordings; name a model that was exported with --data, as "
            "make does.",
            "model",
        )
    if not locate.is_in_store(model):
        path = locate.locate(model).with_name(PROFILE_FILE)
        if path.is_file():
            return profile.read(path)
        raise _without(model)
    version = lookup.find(model)
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        path = fetch(model if version is None else version.uri, Path(folder))
        found = next(path.rglob(PROFILE_FILE), None)
        if found is None:
            raise _without(model)
        return profile.read(found)


def _without(model: str) -> UserError:
    return UserError(f"{model} has no {PROFILE_FILE}; export it with --data, or name another model.", "model")
