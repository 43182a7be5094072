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
        done = subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", tmp_path / "source.wav", out], capture_output=True)
        assert done.returncode == 0, done.stderr.decode()
        return Content(out.name, out.read_bytes())

    return encode


@pytest.mark.parametrize(("suffix", "form"), [(".m4a", "mov"), (".aac", "aac"), (".webm", "matroska"), (".wma", "asf")])
def test_a_tone_keeps_length_and_pitch(encoded, suffix, form):
    content = encoded(suffix)
    assert foreign.container(content.data) == form
    wave = decode.read(foreign.to_wav(content, form, 60), RATE)
    assert abs(len(wave) / RATE - 2) < 0.15
    spectrum = np.abs(np.fft.rfft(wave[RATE // 2 : RATE + RATE // 2]))
    assert abs(np.argmax(spectrum) - 440) <= 2


def test_no_more_is_converted_than_wanted(encoded):
    wave = decode.read(foreign.to_wav(encoded(".m4a"), "mov", 0.5), RATE)
    assert abs(len(wave) / RATE - 0.5) < 0.05


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3", ".opus"])
def test_what_libsndfile_reads_is_left_to_it(encoded, suffix):
    assert foreign.container(encoded(suffix).data) is None


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
