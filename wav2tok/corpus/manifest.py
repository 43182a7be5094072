"""The manifest: one line of measurements for every recording of a corpus, and a digest of the whole.

Levels are relative to full scale, amplitude 1. ``rms_dbfs``, ``silence_share`` and ``snr_db`` describe the mean of the
channels, which is the model's input, without its constant offset; ``clipped_share`` describes the channels themselves,
since a channel overloads by itself. A file is measured at its own rate, in blocks, so ten hours need no more memory
than ten seconds.
"""

import csv
import dataclasses
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wav2tok import files
from wav2tok.audio import decode, flac
from wav2tok.audio.channels import Downmix
from wav2tok.audio.find import find
from wav2tok.corpus.recordings import class_of, group_of
from wav2tok.errors import UserError
from wav2tok.progress import track
from wav2tok.untrusted import open_table

FRAME_SECONDS = 0.02
SILENT_BELOW_LOUDEST_DB = 40.0  # relative, so a quiet recording of speech does not count as silence
CLIPPED_AT = 0.999  # of full scale: 16-bit files top out at 0.99997, and a resampler may have dulled the edge
NOISE_FLOOR = 1e-10  # power: -100 dBFS, below the rounding of 16 bits
FLOOR_DBFS = -200.0  # digital silence: below what 24 bits can hold, and finite, as JSON requires
BLOCK_FRAMES = 500


@dataclass(frozen=True)
class Entry:
    """One file of a corpus; for an unreadable file ``error`` has the reason and the measurements are zero."""

    path: str  # relative to the root, with forward slashes
    class_name: str  # the first folder below the root; "" for a file directly in the root
    group: str  # the file's stem up to the first "_": a speaker or singer
    seconds: float = 0.0
    sample_rate: int = 0  # Hz, of the file
    rms_dbfs: float = 0.0
    clipped_share: float = 0.0
    silence_share: float = 0.0
    sha256: str = ""  # of the file's bytes; "" if even those cannot be read
    error: str = ""
    offset: float = 0.0  # the mean of the samples: a constant offset (DC)
    doubt: str = ""  # what is odd about the file or its channels, though it can be read
    source: str = ""  # the path of the first of the recordings that it shares audio with; "" if there is none
    snr_db: float = 0.0  # how far the loudest twentieth of its frames is above the quietest


MEASUREMENTS = ("seconds", "sample_rate", "rms_dbfs", "clipped_share", "silence_share", "offset", "snr_db")
ADDED = {"source": "", "offset": "0", "doubt": "", "snr_db": "0"}
"""What a manifest of an earlier release lacks."""
COLUMNS = tuple("class" if f.name == "class_name" else f.name for f in dataclasses.fields(Entry))


@dataclass(frozen=True)
class Levels:
    """Measured levels of a recording."""

    samples: int  # per channel
    rms_dbfs: float
    clipped_share: float
    silence_share: float
    offset: float
    snr_db: float


def above_noise(powers: np.ndarray, floor: float) -> float:
    """How far the loudest twentieth of a recording's frames is above the quietest, in dB.

    Args:
        powers: of the frames, [F], F >= 1.
        floor: is added to both, so that digital silence does not divide by 0.
    """
    quiet, loud = np.quantile(powers, (0.05, 0.95))
    return 10 * math.log10((loud + floor) / (quiet + floor))


def levels(blocks: Iterable[np.ndarray], frame: int, downmix: Downmix | None = None) -> Levels:
    """Measure a recording given in blocks.

    A frame is silent if its power is at least `SILENT_BELOW_LOUDEST_DB` below that of the loudest frame, so in a file
    of digital silence all frames are silent. A shorter last frame counts like the others.

    Args:
        blocks: float32 [N, C] each, at least one sample in all; every N but the last is a multiple of ``frame``.
        frame: samples per frame.
        downmix: how channels become one.
    """
    samples = values = clipped = 0
    energy = total = 0.0
    powers, means = [], []
    downmix = downmix or Downmix()
    for block in blocks:
        mono = downmix(block)
        samples += len(block)
        values += block.size
        clipped += int(np.count_nonzero(np.abs(block) >= CLIPPED_AT))
        squares = np.square(mono, dtype=np.float64)
        energy += float(squares.sum())
        total += float(mono.sum(dtype=np.float64))
        starts = np.arange(0, len(squares), frame)
        lengths = np.diff(starts, append=len(squares))
        powers.append(np.add.reduceat(squares, starts) / lengths)
        means.append(np.add.reduceat(mono.astype(np.float64), starts) / lengths)
    offset = total / samples
    # The power of x - offset.
    power = np.maximum(np.concatenate(powers) - 2 * offset * np.concatenate(means) + offset**2, 0.0)
    threshold = power.max() * 10 ** (-SILENT_BELOW_LOUDEST_DB / 10)
    mean_square = max(0.0, energy / samples - offset**2)
    rms_dbfs = 10 * math.log10(mean_square) if mean_square > 0 else FLOOR_DBFS
    silence = float(np.mean(power <= threshold))
    return Levels(
        samples, max(rms_dbfs, FLOOR_DBFS), clipped / values, silence, offset, above_noise(power, NOISE_FLOOR)
    )


def _digest(path: Path) -> flac.Digest | None:
    with path.open("rb") as file:
        return flac.Digest.of(file.read(flac.HEAD))


def _noted(blocks: Iterable[np.ndarray], digest: flac.Digest | None) -> Iterator[np.ndarray]:
    """``blocks``, each also given to ``digest``."""
    for block in blocks:
        if digest is not None:
            digest.add(block)
        yield block


def _measurements(path: Path) -> dict[str, float | int | str]:
    """The measured fields of an `Entry`, rounded so that manifests do not depend on a processor's last bits."""
    with decode.opened(path) as file:
        rate = file.samplerate
        frame = max(1, round(rate * FRAME_SECONDS))
        downmix = Downmix()
        digest = _digest(path)
        measured = levels(_noted(file.checked(frame * BLOCK_FRAMES), digest), frame, downmix)
        doubts = decode.oddities(file, downmix)
        # One that is longer than its header says has another digest, too.
        if digest is not None and digest.differs and "length" not in doubts:
            doubts["content"] = flac.ALTERED
        doubt = "; ".join(doubts.values())
    return {
        "seconds": round(measured.samples / rate, 6),
        "sample_rate": rate,
        "rms_dbfs": round(measured.rms_dbfs, 3),
        "clipped_share": round(measured.clipped_share, 6),
        "silence_share": round(measured.silence_share, 6),
        "offset": round(measured.offset, 6),
        "snr_db": round(measured.snr_db, 3),
        "doubt": doubt,
    }


def measure(path: Path, root: Path) -> Entry:
    """Measure one file below ``root``; for an unreadable file the entry has ``error`` set, and nothing is raised."""
    relative = path.relative_to(root)
    entry = Entry(
        path=relative.as_posix(),
        class_name=class_of(relative.as_posix()),
        group=group_of(relative.name),
    )
    try:
        entry = dataclasses.replace(entry, sha256=files.sha256(path))
        return dataclasses.replace(entry, **_measurements(path))  # type: ignore[arg-type]  # the fields differ in type
    except OSError as error:
        return dataclasses.replace(entry, error=f"cannot be read ({error.strerror})")
    except decode.UnreadableError as error:
        return dataclasses.replace(entry, error=error.reason)


def build(root: Path) -> list[Entry]:
    """Measure every recording below ``root``, in the order of `wav2tok.audio.find.find`.

    Raises:
        UserError: ``root`` is not a folder.
    """
    root = Path(root)
    paths = find(root)
    # Decoding and hashing release the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(track(pool.map(lambda path: measure(path, root), paths), "measuring", len(paths)))


def manifest_digest(entries: Iterable[Entry]) -> str:
    """A SHA-256 over paths and contents; it does not depend on the order of the entries."""
    digest = hashlib.sha256()
    for path, content in sorted((e.path, e.sha256) for e in entries):
        digest.update(f"{path}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def write_csv(entries: Sequence[Entry], path: Path | str) -> None:
    """Write a manifest that `read_csv` reads; the measurements of an unreadable file are left blank."""
    with (
        files.replacing(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow(COLUMNS)
        for entry in entries:
            row = dataclasses.asdict(entry)
            if entry.error:
                row |= dict.fromkeys(MEASUREMENTS, "")
            writer.writerow(row.values())


def read_csv(path: Path | str) -> list[Entry]:
    """Read a manifest; columns beyond those of `write_csv` are ignored, so a user may add some.

    Raises:
        UserError: the file is missing or is not a manifest.
    """
    try:
        with open_table(path, "surrogateescape") as file:
            reader = csv.DictReader(file, strict=True)
            rows, header = list(reader), reader.fieldnames or []
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run wav2tok validate first.") from None
    except (ValueError, csv.Error):
        rows, header = [], []
    missing = [name for name in COLUMNS if name not in header and name not in ADDED]
    if missing:
        raise UserError(f"{path} is not a manifest (it has no column {missing[0]}); run wav2tok validate again.")
    entries = []
    for number, row in enumerate(rows, start=2):
        try:
            entries.append(_entry(ADDED | row))
        except ValueError:
            raise UserError(
                f"{path} is not a manifest (row {number} cannot be read); run wav2tok validate again."
            ) from None
    return entries


def _entry(row: dict[str, str]) -> Entry:
    """The entry of a row.

    Raises:
        ValueError: it has too few or too many fields, or one that is not a finite number.
    """
    if None in row or None in row.values():
        raise ValueError
    values: dict[str, str | float | int] = {}
    for field, column in zip(dataclasses.fields(Entry), COLUMNS, strict=True):
        blank = field.name in MEASUREMENTS and not row[column] and row["error"]
        kind: type = field.type  # type: ignore[assignment]  # annotations are not strings in this module
        value = kind(0) if blank else kind(row[column])
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        values[field.name] = value
    return Entry(**values)  # type: ignore[arg-type]  # converted by the field's own type
