"""Recordings that libsndfile cannot read (m4a, aac, webm, amr, wma), converted to WAV by ffmpeg if it is installed."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from wav2tok.audio.source import Content, Source, UnreadableError

_LONGEST = 60.0
"""Seconds that the conversion of a request's recording may take."""
SUFFIXES = frozenset({".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".3g2", ".aac", ".webm", ".mka", ".mkv", ".amr", ".wma"})
"""Of files that are read through ffmpeg."""


class NeedsFfmpegError(UnreadableError):
    """A recording in a format that takes ffmpeg, which is not installed."""


def container(data: bytes) -> str | None:
    """What ffmpeg calls the format of a file that only it can read; None for all others.

    Only these formats are ever given to ffmpeg, and each by its name: left to guess, it would also follow playlists,
    which name files of this machine and addresses of its network.
    """
    if data[4:8] == b"ftyp":
        return "mov"
    if data[:4] == b"\x1aE\xdf\xa3":
        return "matroska"
    if data[:5] == b"#!AMR":
        return "amr"
    if data[:4] == b"0&\xb2u":
        return "asf"
    # The sync word of ADTS, whose layer is 0; that of MP3 has another layer.
    return "aac" if len(data) > 1 and data[0] == 0xFF and data[1] & 0xF6 == 0xF0 else None


def second_choice(data: bytes) -> str | None:
    """What ffmpeg calls a format that libsndfile reads in part, if it is installed: Ogg with FLAC or Speex in it."""
    return "ogg" if data[:4] == b"OggS" and shutil.which("ffmpeg") else None


@contextlib.contextmanager
def converted(source: Source, form: str, seconds: float | None = None) -> Iterator[tuple[Path, str]]:
    """The first sound track of a recording as a WAV file, 16 bits, at its own rate, and what ffmpeg complains of.

    Args:
        form: what `container` said.
        seconds: more of the recording than this is not converted.

    Raises:
        NeedsFfmpegError: ffmpeg is not installed.
        UnreadableError: it cannot read the recording.
    """
    program = shutil.which("ffmpeg")
    if program is None:
        raise NeedsFfmpegError(
            source, f"is a file of the kind {form}, which takes ffmpeg", "install ffmpeg, or use WAV, FLAC, OGG or MP3"
        )
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        # Files, not pipes: the table of contents of an m4a may be at its end, the length of a WAV is at its beginning.
        made, place = Path(folder) / "made.wav", Path(folder) / "source"
        if isinstance(source, Content):
            place.write_bytes(source.data)
        else:
            place = Path(source).resolve()
        command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", form, "-i", f"file:{place}"]
        command += ["-map", "0:a:0", *([] if seconds is None else ["-t", f"{seconds:g}"])]
        command += ["-c:a", "pcm_s16le", "-f", "wav", str(made)]
        longest = _LONGEST if seconds is not None else None
        try:
            done = subprocess.run(command, capture_output=True, timeout=longest, check=False)
        except subprocess.TimeoutExpired:
            raise UnreadableError(source, f"takes ffmpeg longer than {_LONGEST:g} s to read") from None
        if done.returncode or not made.is_file():
            raise UnreadableError(source, f"cannot be read by ffmpeg as {form}")
        complaint = done.stderr.decode("utf-8", "replace").strip().splitlines()
        yield made, complaint[-1].replace(str(place), place.name)[:200] if complaint else ""


def to_wav(content: Content, form: str, seconds: float) -> Content:
    """A recording of a request as WAV, as `converted` does it."""
    with converted(content, form, seconds) as (made, _):
        return Content(content.name, made.read_bytes())
