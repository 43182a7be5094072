"""The passport of a model: ``passport.json`` beside its graph says what the model was made of, and how good it is.

It holds what `wav2tok.release.reproduce` needs to make the model again, and the digests by which ``wav2tok pull`` knows
that what it downloaded is what was exported. It needs no more than the base packages to be read.
"""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import sha256, write_json
from wav2tok.release.signature import travels
from wav2tok.tokenizer.format import GRAPH_NAMES, PASSPORT_FILE
from wav2tok.untrusted import parse_json, read_text

FORMAT = 1
"""The version of the file."""
LICENCE = "Apache-2.0"
"""Of wav2tok, whose code is in the graph."""
PLAIN = "wav2tok"
"""The system whose figures are tags: the tokenizer by plain edit distance."""
Passport = dict[str, Any]
_FIELDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "files": (dict,),
    "lineage": (dict,),
    "parameters": (dict,),
    "seed": (int,),
    "evaluation": (dict, type(None)),
    "pretrained": (dict, type(None)),
    "run": (dict, type(None)),
}
"""The fields that this release reads, and what they may be."""
_OF_LINEAGE: dict[str, type] = {"tags": dict, "machine": dict, "changed": list}
"""The same of ``lineage``, where each may be missing; tags and names of files are texts."""
_COLUMNS = ("system", "view", "metric", "value", "low", "high")
"""The columns of ``evaluation.scores`` that this release reads."""


def make(
    lineage: Mapping[str, Any],
    parameters: Mapping[str, Any],
    info: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    pretrained: Mapping[str, str] | None,
    run: Mapping[str, str] | None,
    dvc_lock: str | None,
) -> Passport:
    """The passport of a model, without the digests of its files, which `write` adds.

    Args:
        lineage: what ``wav2tok train`` wrote of commit, data, packages and machine; empty if it did not.
        parameters: all parameters of the training.
        info: the checkpoint's ``best_epoch`` and ``best`` validation score.
        evaluation: ``approved``, ``reasons``, ``score``, ``test_digest`` and ``scores``, which has a row with
            ``system``, ``label``, ``view``, ``metric``, ``value``, ``low``, ``high`` and ``queries`` for each estimate;
            None without a report.
        pretrained: name, authors, licence and source of the part that was not trained here.
        run: the ids of the MLflow run and its experiment.
        dvc_lock: the digest of ``dvc.lock`` at the export.
    """
    return {
        "format": FORMAT,
        "wav2tok": version("wav2tok"),
        "name": parameters["register"]["name"],
        "epoch": info["best_epoch"],
        "validation_score": info["best"],
        "files": {},
        "lineage": dict(lineage),
        "dvc_lock": dvc_lock,
        "parameters": dict(parameters),
        "seed": parameters["seed"],
        "evaluation": None if evaluation is None else dict(evaluation),
        "licence": LICENCE,
        "pretrained": None if pretrained is None else dict(pretrained),
        "run": None if run is None else dict(run),
    }


def write(folder: Path, passport: Passport) -> None:
    """Write a passport beside a graph; the last file but for a signature, as it holds the digests of the others."""
    files = [path for path in sorted(folder.iterdir()) if travels(path.name) and path.name != PASSPORT_FILE]
    write_json(folder / PASSPORT_FILE, passport | {"files": {path.name: sha256(path) for path in files}})


def read(path: Path, model: str) -> Passport:
    """Read and check the file ``path``.

    Args:
        model: what its model is called, for errors.

    Raises:
        UserError: it is missing or no passport, or a newer release wrote it.
    """
    if not path.exists():
        raise UserError(f"{model} has no {PASSPORT_FILE}, which wav2tok export writes; export it again.", "model")
    try:
        passport = parse_json(read_text(path))
    except ValueError as error:
        raise UserError(
            f"the {PASSPORT_FILE} of {model} is not valid JSON ({error}); export and register the model again.", "model"
        ) from None
    if not isinstance(passport, dict) or not isinstance(passport.get("format"), int):
        raise UserError(f"the {PASSPORT_FILE} of {model} is not a passport of wav2tok: it has no format.", "model")
    if passport["format"] > FORMAT:
        raise UserError(
            f"the {PASSPORT_FILE} of {model} has format {passport['format']}, and this wav2tok knows {FORMAT}; update "
            "wav2tok.",
            "model",
        )
    wrong = _wrong(passport)
    if wrong is not None:
        raise UserError(
            f"the {PASSPORT_FILE} of {model} is not a passport of wav2tok: {wrong} is missing or of the wrong kind.",
            "model",
        )
    return passport


def _wrong(passport: Passport) -> str | None:
    """The first field that this release cannot read."""
    for name, kinds in _FIELDS.items():
        if not isinstance(passport.get(name, ...), kinds):
            return name
    files, lineage = passport["files"], passport["lineage"]
    if GRAPH_NAMES[0] not in files or not _are_texts(files.values()):
        return "files"
    for name, kind in _OF_LINEAGE.items():
        value = lineage.get(name, kind())
        texts = value.values() if name == "tags" and isinstance(value, dict) else value if kind is list else ()
        if not isinstance(value, kind) or not _are_texts(texts):
            return f"lineage.{name}"
    rows = (passport["evaluation"] or {}).get("scores", [])
    kinds_of = {column: int | float if column in ("value", "low", "high") else str for column in _COLUMNS}
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(row.get(column), kind) for column, kind in kinds_of.items())
        for row in rows
    ):
        return "evaluation.scores"
    if passport["pretrained"] and not _are_texts(map(passport["pretrained"].get, ("name", "licence"))):
        return "pretrained"
    return None


def _are_texts(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def tags(passport: Passport) -> dict[str, str]:
    """The main fields as tags of a registered version; what is not known is omitted.

    They are few, because MLflow's list of versions shows all tags one below the other. ``test`` has MRR and MAP of
    plain edit distance with their 95 % intervals, of the first kind of query.
    """
    lineage, evaluation, pretrained = passport["lineage"], passport["evaluation"] or {}, passport["pretrained"]
    named, machine = lineage.get("tags", {}), lineage.get("machine", {})
    rows = [row for row in evaluation.get("scores", ()) if row["system"] == PLAIN and row["metric"] in ("mrr", "map")]
    figures = [
        f"{row['metric'].upper()} {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
        for row in rows
        if row["view"] == rows[0]["view"]
    ]
    known = {key: named.get(key) for key in ("git.commit", "git.dirty", "dvc.data", "data.split")} | {
        "trained": lineage.get("date"),
        "seed": passport["seed"],
        "machine": machine.get("gpu", machine.get("processor")),
        "test": ", ".join(figures) or None,
        "pretrained": None if pretrained is None else f"{pretrained['name']}, {pretrained['licence']}",
    }
    return {key: str(value) for key, value in known.items() if value is not None}
