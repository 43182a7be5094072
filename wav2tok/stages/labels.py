"""Labels that a model finds improbable: what ``wav2tok labels`` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wav2tok.config.schema import Config
from wav2tok.corpus.listing import listing
from wav2tok.errors import UserError
from wav2tok.evaluation.labels import NEIGHBOURS, doubts
from wav2tok.files import read_json, write_json
from wav2tok.progress import log
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.writable import require_outside, require_own_json

SHOWN = 20
"""How many warnings are printed; the file has all."""


@dataclass(frozen=True)
class _Delivery:
    taken: list[str]


def labels(
    folder: Path,
    model: str,
    out: Path,
    config: Config,
    device: str,
    manifest: Path | None = None,
    delivery: Path | None = None,
) -> list[dict[str, Any]]:
    """Compare each recording's class with those of its nearest neighbours by tokens, and write what is improbable.

    Nothing is moved or left out: a person has to listen.

    Args:
        folder: the corpus, a folder for each class.
        model: as `Tokenizer.from_pretrained` takes it; better one that was not trained with the wrong labels.
        out: a JSON file: ``model``, ``recordings`` (how many were asked about) and ``doubts``, the most improbable
            first: ``path``, ``label``, ``share``, ``suggested`` (or null) and ``suggested_share``.
        manifest: the ``manifest.csv`` of ``validate``: recordings that share audio then do not vote for each other.
        delivery: what ``wav2tok ingest`` wrote: only what it took in is asked about, with the whole corpus.

    Returns:
        the doubts.

    Raises:
        UserError: the recordings have no classes, a recording of the delivery is not there, or ``out`` is a file of
            another program or lies in the corpus.
    """
    require_outside(out, folder)
    require_own_json(out, "model", "doubts")
    recordings = listing(folder, config.split, manifest)
    if recordings.classes is None:
        raise UserError(f"{folder} has no classes, so there are no labels to compare; put recordings in class folders.")
    asked: list[int] | None = None
    if delivery is not None:
        place = {path: i for i, path in enumerate(recordings.paths)}
        taken = [(folder / path).as_posix() for path in read_json(delivery, _Delivery)["taken"]]
        gone = [path for path in taken if path not in place]
        if gone:
            raise UserError(f"{gone[0]} is not there, but {delivery} says that it was taken in; ingest again.")
        asked = [place[path] for path in taken]
    tokenizer = Tokenizer.from_pretrained(model, device)
    strings = []
    for result in tokenize_files(recordings.paths, tokenizer):
        if isinstance(result, Failure):
            log.warning(f"{result.error} It is left out.")
        strings.append(np.empty(0, np.int64) if isinstance(result, Failure) else result.tokens)
    found = [
        {
            "path": Path(recordings.paths[one.recording]).relative_to(folder).as_posix(),
            "label": recordings.classes[one.recording],
            "share": round(one.share, 3),
            "suggested": one.suggested,
            "suggested_share": round(one.suggested_share, 3),
        }
        for one in doubts(strings, recordings.classes, recordings.sources, asked)
    ]
    count = len(recordings) if asked is None else len(asked)
    write_json(out, {"model": tokenizer.source, "recordings": count, "doubts": found})
    for one in found[:SHOWN]:
        log.warning(sentence(one))
    log.info(f"{len(found)} of {count} labels are improbable by {tokenizer.source}; listen to them: {out}")
    return found


def sentence(doubt: dict[str, Any]) -> str:
    """A doubt for a reader."""
    share = f"{doubt['share']:.0%} of the votes of its {NEIGHBOURS} nearest recordings"
    if doubt["suggested"] is None:
        return f"{doubt['path']}: its label {doubt['label']} has {share}, and no other label has most; is it noise?"
    return (
        f"{doubt['path']}: its label {doubt['label']} has {share}, and {doubt['suggested']} has "
        f"{doubt['suggested_share']:.0%}; was it mislabelled?"
    )
