"""Formats that only ffmpeg reads: recognised by their bytes, converted without loss of length or pitch."""

import shutil
import subprocess

import numpy as np
import pytest

from wav2tok.audio import decode, foreign
from wav2tok.audio.decode import Content, UnreadableError

RATE = 16000
TONE = 0.3 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)


@pytest.fixture
def encoded(tmp_path):
    """A function that encodes a tone of 440 Hz in the format of a suffix."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")

    def encode(suffix):
        decode.write(tmp_path / "source.wav", TONE, RATE)
        out = tmp_path / f"tone{suffix}"
        # AMR has one rate, and is what phones put into 3GPP's files unless they are asked for AAC.
        how = {".amr": ["-ar", "8000"], ".3gp": ["-c:a", "aac"], ".3g2": ["-c:a", "aac"]}.get(suffix, [])
        command = ["ffmpeg", "-v", "error", "-y", "-i", tmp_path / "source.wav", *how, out]
        done = subprocess.run(command, capture_output=True, text=True)
        if "encoder" in done.stderr:
            pytest.skip(f"ffmpeg has no encoder for {suffix} here")
        assert done.returncode == 0, done.stderr
        return Content(out.name, out.read_bytes())

    return encode


FORMS = {".m4a": "mov", ".m4b": "mov", ".mp4": "mov", ".mov": "mov", ".3gp": "mov", ".3g2": "mov", ".aac": "aac",
         ".webm": "matroska", ".mka": "matroska", ".mkv": "matroska", ".amr": "amr", ".wma": "asf"}  # fmt: skip


def test_every_kind_of_file_for_ffmpeg_is_tried():
    assert set(FORMS) == foreign.SUFFIXES


@pytest.mark.promise("A recording in m4a, aac, webm, amr or wma", "ffmpeg reads it, and length and pitch stay.")
@pytest.mark.parametrize(("suffix", "form"), FORMS.items())
def test_a_tone_keeps_length_and_pitch(encoded, suffix, form):
    content = encoded(suffix)
    assert foreign.container(content.data) == form
    wave = decode.read(foreign.to_wav(content, form, 60), RATE)
    assert abs(len(wave) / RATE - 2) < 0.15
    spectrum = np.abs(np.fft.rfft(wave[RATE // 2 : RATE + RATE // 2]))
    assert abs(np.argmax(spectrum) - 440) <= 2


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_amr_has_20_ms_a_frame(rng):
    """Frames of the mode of 12.2 kbit/s by hand (RFC 4867, 5.3), as few builds of ffmpeg can encode AMR."""
    frames = b"".join(b"\x3c" + rng.integers(0, 256, 31, dtype=np.uint8).tobytes() for _ in range(100))
    content = Content("call.amr", b"#!AMR\n" + frames)
    assert foreign.container(content.data) == "amr"
    wave = decode.read(foreign.to_wav(content, "amr", 60), 8000)
    assert len(wave) == 100 * 160
    assert np.abs(wave).max() > 0.01


def test_no_more_is_converted_than_wanted(encoded):
    wave = decode.read(foreign.to_wav(encoded(".m4a"), "mov", 0.5), RATE)
    assert abs(len(wave) / RATE - 0.5) < 0.05


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".opus"])
def test_what_libsndfile_reads_is_left_to_it(encoded, suffix):
    assert foreign.container(encoded(suffix).data) is None


@pytest.mark.promise(
    "A playlist that is called like a recording", "It is refused, and the files and addresses in it are not read."
)
def test_a_playlist_is_not_followed(encoded, tmp_path):
    """ffmpeg would read the file that a playlist names; with the format given it cannot."""
    encoded(".aac")
    playlist = f"#EXTM3U\n#EXTINF:2,\n{tmp_path / 'tone.aac'}\n#EXT-X-ENDLIST\n".encode()
    assert foreign.container(playlist) is None
    with pytest.raises(UnreadableError, match=r"list.m4a cannot be read by ffmpeg as mov"):
        foreign.to_wav(Content("list.m4a", b"\0\0\0\x18ftyp" + playlist), "mov", 60)


def test_without_ffmpeg_the_sentence_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(foreign.NeedsFfmpegError, match=r"song.m4a .* takes ffmpeg; install ffmpeg, or use WAV, FLAC"):
        foreign.to_wav(Content("song.m4a", b"\0\0\0\x18ftypM4A "), "mov", 60)
