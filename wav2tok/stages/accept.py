"""Accept validated data, so that later data is compared with it: what ``wav2tok accept`` does."""

from dataclasses import dataclass
from pathlib import Path

from wav2tok.corpus import accepted, manifest
from wav2tok.errors import UserError
from wav2tok.files import read_json
from wav2tok.progress import log


@dataclass(frozen=True)
class _Check:
    name: str
    severity: str
    success: bool


@dataclass(frozen=True)
class _Shift:
    name: str
    moved: bool


@dataclass(frozen=True)
class _Compared:
    shifts: list[_Shift]


@dataclass(frozen=True)
class _Validated:
    digest: str
    checks: list[_Check]
    compared: _Compared | None = None  # earlier releases did not write it


def accept(validation: Path, out: Path) -> None:
    """Write the profile of validated data (`wav2tok.corpus.accepted`). What has moved since the last is accepted, too.

    Args:
        validation: the folder that ``wav2tok validate`` wrote.
        out: the profile; one that is there is replaced.

    Raises:
        UserError: the data was not validated, or fails a critical check of recordings; or ``out`` is another file.
    """
    summary = read_json(validation / "validation.json", _Validated)
    entries = manifest.read_csv(validation / "manifest.csv")
    good = [entry for entry in entries if not entry.error]
    if "compared" not in summary or manifest.manifest_digest(good) != summary["digest"]:
        raise UserError(f"{validation} is not as wav2tok validate writes it now; run wav2tok validate again.")
    failed = [one["name"] for one in summary["checks"] if one["severity"] == "critical" and not one["success"]]
    if failed or not good:
        raise UserError(
            f"the data fails {', '.join(failed) or 'all checks, as no recording is readable'}; fix it and run "
            "wav2tok validate again."
        )
    if out.exists():
        try:
            accepted.read(out)
        except UserError:
            raise UserError(
                f"{out} would be replaced and is not a profile that wav2tok accept wrote; name another file.", "out"
            ) from None
    recordings = accepted.known(good)
    accepted.write(recordings, out)
    shifts = [one["name"] for one in summary["compared"]["shifts"] if one["moved"]]
    and_what = f", with what moved: {', '.join(shifts)}" if shifts else ""
    log.info(f"accepted {len(recordings)} recordings{and_what}; commit {out}, and later data is compared with them")
