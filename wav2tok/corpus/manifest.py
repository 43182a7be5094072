"""The manifest: one line of measurements for every recording of a corpus, and a digest of the whole.

Levels are relative to full scale, amplitude 1. ``rms_dbfs`` and ``silence_share`` describe the mean of the channels,
which is what the model hears; ``peak`` and ``clipped_share`` describe the channels themselves, which is what a
microphone overloads. A file is measured at its own rate, in blocks, so that ten hours need no more memory than ten
seconds.
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
import soundfile

from wav2tok import files
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.progress import track

FRAME_SECONDS = 0.02
SILENT_BELOW_LOUDEST_DB = 40.0  # relative, so that a quiet recording of speech is not called silence
CLIPPED_AT = 0.999  # of full scale: 16-bit files top out at 0.99997, and a resampler may have dulled the edge
FLOOR_DBFS = -200.0  # digital silence; below what 24 bits can hold, and finite, so that JSON can hold it
BLOCK_FRAMES = 500


@dataclass(frozen=True)
class Entry:
    """One file of a corpus; an unreadable one has its reason in ``error`` and zeros for measurements."""

    path: str  # relative to the root, with forward slashes
    class_name: str  # the first folder below the root; "" right under it
    group: str  # the file's stem up to the first "_": a speaker or singer
    seconds: float = 0.0
    sample_rate: int = 0  # Hz, the file's own
    channels: int = 0
    peak: float = 0.0  # the largest magnitude in any channel
    rms_dbfs: float = 0.0
    clipped_share: float = 0.0
    silence_share: float = 0.0
    sha256: str = ""  # of the file's bytes; "" when not even those can be read
    error: str = ""


MEASUREMENTS = ("seconds", "sample_rate", "channels", "peak", "rms_dbfs", "clipped_share", "silence_share")
COLUMNS = tuple("class" if f.name == "class_name" else f.name for f in dataclasses.fields(Entry))


@dataclass(frozen=True)
class Levels:
    samples: int  # of each channel
    peak: float
    rms_dbfs: float
    clipped_share: float
    silence_share: float


def levels(blocks: Iterable[np.ndarray], frame: int) -> Levels:
    """Measure a recording that comes in blocks.

    A frame is silent when its power lies `SILENT_BELOW_LOUDEST_DB` or more under that of the loudest frame, so all
    frames of digital silence are silent. A last frame that is shorter counts like the others.

    Args:
        blocks: float32 [N, C] each; every N but the last is a multiple of ``frame``.
        frame: samples in a frame.

    Raises:
        ValueError: there are no samples, or one is not finite.
    """
    samples = values = clipped = 0
    peak = energy = 0.0
    powers = []
    for block in blocks:
        mono = block.mean(axis=1)
        if not np.isfinite(mono).all():
            raise ValueError("holds samples that are not finite numbers")
        magnitudes = np.abs(block)
        samples += len(block)
        values += block.size
        peak = max(peak, float(magnitudes.max()))
        clipped += int(np.count_nonzero(magnitudes >= CLIPPED_AT))
        squares = np.square(mono, dtype=np.float64)
        energy += float(squares.sum())
        starts = np.arange(0, len(squares), frame)
        powers.append(np.add.reduceat(squares, starts) / np.diff(starts, append=len(squares)))
    if not samples:
        raise ValueError("holds no samples")
    power = np.concatenate(powers)
    threshold = power.max() * 10 ** (-SILENT_BELOW_LOUDEST_DB / 10)
    mean_square = energy / samples
    rms_dbfs = 10 * math.log10(mean_square) if mean_square > 0 else FLOOR_DBFS
    return Levels(samples, peak, max(rms_dbfs, FLOOR_DBFS), clipped / values, float(np.mean(power <= threshold)))


def _blocks(file: decode.SequentialFile, size: int) -> Iterator[np.ndarray]:
    """The file's samples, float32 [N, C] with N = ``size`` for all but the last."""
    short = False
    while not short and len(block := file.read(size, dtype="float32", always_2d=True)):
        short = len(block) < size
        yield block


def _measurements(path: Path) -> dict[str, float | int]:
    """The measured fields of an `Entry`, rounded so that another processor's last bits change no manifest.

    Raises:
        ValueError: the file is unreadable; says why, in words that follow its name.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ValueError("has a name that is not valid UTF-8") from None
    if not path.exists():
        raise ValueError("cannot be read as audio (no such file)")
    try:
        with decode.SequentialFile(str(path)) as file:
            rate, channels, promised = file.samplerate, file.channels, file.frames
            frame = max(1, round(rate * FRAME_SECONDS))
            found = levels(_blocks(file, min(frame * BLOCK_FRAMES, promised)), frame)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise ValueError(f"cannot be read as audio ({str(error).rpartition(': ')[2].strip().rstrip('.')})") from None
    if found.samples < promised:
        raise ValueError(f"ends after {found.samples} of {promised} samples")
    return {
        "seconds": round(found.samples / rate, 6),
        "sample_rate": rate,
        "channels": channels,
        "peak": round(found.peak, 6),
        "rms_dbfs": round(found.rms_dbfs, 3),
        "clipped_share": round(found.clipped_share, 6),
        "silence_share": round(found.silence_share, 6),
    }


def measure(path: Path, root: Path) -> Entry:
    """Measure one file below ``root``; an unreadable one gives an entry with ``error`` set, never an exception."""
    relative = path.relative_to(root)
    entry = Entry(
        path=relative.as_posix(),
        class_name=relative.parts[0] if len(relative.parts) > 1 else "",
        group=relative.stem.partition("_")[0],
    )
    try:
        entry = dataclasses.replace(entry, sha256=files.sha256(path))
    except OSError as error:
        return dataclasses.replace(entry, error=f"cannot be read ({error.strerror})")
    try:
        return dataclasses.replace(entry, **_measurements(path))  # type: ignore[arg-type]  # one type a field
    except ValueError as error:
        return dataclasses.replace(entry, error=str(error))


def build(root: Path) -> list[Entry]:
    """Measure every recording below ``root``, in the order of `audio.find`.

    Args:
        root: a folder.

    Raises:
        UserError: ``root`` is no folder.
    """
    root = Path(root)
    paths = decode.find(root)
    # Decoding and hashing release the interpreter lock, so threads are enough.
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        return list(track(pool.map(lambda path: measure(path, root), paths), "measuring", len(paths)))


def manifest_digest(entries: Iterable[Entry]) -> str:
    """A SHA-256 over paths and contents: the same for the same files, whatever their order in the list."""
    digest = hashlib.sha256()
    for path, content in sorted((e.path, e.sha256) for e in entries):
        digest.update(f"{path}\0{content}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def write_csv(entries: Sequence[Entry], path: Path | str) -> None:
    """Write a manifest; the measurements of an unreadable file are left blank. `read_csv` gives the entries back."""
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
    """Read a manifest that `write_csv` wrote.

    Raises:
        UserError: the file is missing, or is no such manifest.
    """
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = csv.reader(file, strict=True)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; run `wav2tok validate` first.") from None
    except (ValueError, csv.Error):
        header, rows = [], []
    if tuple(header) != COLUMNS:
        raise UserError(
            f"{path} is no manifest (its columns are not {', '.join(COLUMNS)}); run `wav2tok validate` anew."
        )
    return [_entry(row, path, number) for number, row in enumerate(rows, start=2)]


def _entry(row: list[str], path: Path | str, number: int) -> Entry:
    """The entry of one row of text, the ``number``-th of the file at ``path``."""
    try:
        values: dict[str, str | float | int] = {}
        for field, text in zip(dataclasses.fields(Entry), row, strict=True):
            blank = field.name in MEASUREMENTS and not text and row[-1]
            kind: type = field.type  # type: ignore[assignment]  # annotations are not strings in this module
            values[field.name] = kind(0) if blank else kind(text)
        return Entry(**values)  # type: ignore[arg-type]  # converted by the field's own type
    except ValueError:
        raise UserError(f"{path} is no manifest (row {number} cannot be read); run `wav2tok validate` anew.") from None
