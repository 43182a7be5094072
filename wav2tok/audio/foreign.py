"""Recordings that libsndfile cannot read (m4a, aac, webm), converted to WAV by ffmpeg where it is installed."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from wav2tok.audio.decode import Content, UnreadableError

_LONGEST = 60.0
"""Seconds that a conversion may take."""


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


def to_wav(content: Content, form: str, seconds: float) -> Content:
    """The first sound track of a recording as WAV, 16 bits, with its own rate and channels.

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
            content, f"is a file of the kind {form}, which takes ffmpeg", "install ffmpeg, or use WAV, FLAC, OGG or MP3"
        )
    with tempfile.TemporaryDirectory(prefix="wav2tok-") as folder:
        # Files, not pipes: the table of contents of an m4a may be at its end, the length of a WAV is at its beginning.
        source, made = Path(folder) / "source", Path(folder) / "made.wav"
        source.write_bytes(content.data)
        command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file", "-f", form, "-i", str(source)]
        command += ["-map", "0:a:0", "-t", f"{seconds:g}", "-c:a", "pcm_s16le", "-f", "wav", str(made)]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST, check=False)
        except subprocess.TimeoutExpired:
            raise UnreadableError(content, f"takes ffmpeg longer than {_LONGEST:g} s to read") from None
        if done.returncode or not made.is_file():
            raise UnreadableError(content, f"cannot be read by ffmpeg as {form}")
        return Content(content.name, made.read_bytes())
