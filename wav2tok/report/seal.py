"""The seal of a report: which model and data it is of, and the digests of its files that decide.

``wav2tok evaluate`` writes it last. ``export`` and ``register`` act on a report only if every sealed file is as it was
then, and only for the model that was evaluated. It finds a report that was mixed up, edited or half copied; it is no
signature, because whoever can write the folder can also write a new seal.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wav2tok.errors import UserError
from wav2tok.files import read_json, sha256, write_json
from wav2tok.report.folder import ReportFolder

_HEX = re.compile(r"[0-9a-f]{16,64}")


@dataclass(frozen=True)
class Seal:
    """A report whose files are as evaluate left them.

    Attributes:
        model: `wav2tok.tokenizer.tokenizer.Tokenizer.identity` of the graph that was evaluated.
        data: digest of the ``audios.bin`` that it was evaluated on (`wav2tok.tracking.lineage.file_digest`).
        digest: SHA-256 of the seal itself, by which an export names the report that it was made from.
    """

    model: str
    data: str
    digest: str


def write(report: ReportFolder, model: str, data: str) -> None:
    """Seal a report: its files must be complete."""
    files = {path.name: sha256(path) for path in report.sealed}
    write_json(report.seal, {"model": model, "data": data, "files": files})


def verify(report: ReportFolder) -> Seal:
    """The seal of a report, after comparing every file with it.

    Raises:
        UserError: there is no seal, a sealed file is missing, or one is not as it was.
    """
    if not report.path.is_dir():
        raise UserError(f"{report.path} does not exist; name the folder that wav2tok evaluate wrote.", "report")
    if not report.seal.is_file():
        raise UserError(
            f"{report.path} has no {report.seal.name}, so it does not say which model it is of; evaluate the model "
            "again.",
            "report",
        )
    values = _checked(report.seal)
    for path in report.sealed:
        if not path.is_file():
            raise UserError(f"{path} does not exist; evaluate the model again.", "report")
        if values["files"].get(path.name) != sha256(path):
            raise UserError(f"{path} was changed after the evaluation; evaluate the model again.", "report")
    return Seal(values["model"], values["data"], sha256(report.seal))


def _checked(path: Path) -> dict[str, Any]:
    values = read_json(path)
    try:
        known = all(_HEX.fullmatch(values[key]) for key in ("model", "data")) and isinstance(values["files"], Mapping)
    except (KeyError, TypeError):
        known = False
    if not known:
        raise UserError(f"{path} is not a seal that wav2tok evaluate wrote; evaluate the model again.", "report")
    return dict(values)
