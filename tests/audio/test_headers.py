"""The length that a header states is evidence: what is cut off is refused, what was never closed is read whole."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.audio.doubts import Doubts
from wav2tok.audio.source import Content, UnreadableError

RATE = 16000
WAVE = (0.3 * np.sin(2 * np.pi * 330 * np.arange(RATE) / RATE)).astype(np.float32)
FORMS = {"wav": "WAV", "rf64": "RF64", "aiff": "AIFF", "w64": "W64", "caf": "CAF", "au": "AU", "sph": "NIST"}


def stored(tmp_path: Path, suffix: str, channels: int = 1) -> bytes:
    path = tmp_path / f"whole.{suffix}"
    soundfile.write(path, np.stack([WAVE] * channels, axis=1), RATE, format=FORMS[suffix], subtype="PCM_16")
    return path.read_bytes()


def read(path: Path) -> tuple[np.ndarray, dict[str, str]]:
    doubts = Doubts()
    return decode.read(path, RATE, doubts), doubts.phrases


@pytest.mark.promise("A WAV, AIFF, W64, CAF, AU or NIST SPHERE file that is cut off", "It is refused by name.")
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", FORMS)
def test_what_is_cut_off_is_refused_in_every_format(tmp_path: Path, suffix: str, channels: int) -> None:
    content = stored(tmp_path, suffix, channels)
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(content)
    wave, doubts = read(path)
    assert (len(wave), doubts) == (RATE, {})
    for share in (0.3, 0.5, 0.98):
        path.write_bytes(content[: round(len(content) * share)])
        with pytest.raises(UnreadableError, match=rf"cut\.{suffix} ends after \d+ of 16000 samples"):
            decode.read(path, RATE)


def riff(content: bytes, outer: int, inner: int) -> bytes:
    at = content.index(b"data") + 4
    return content[:4] + struct.pack("<I", outer) + content[8:at] + struct.pack("<I", inner) + content[at + 4 :]


@pytest.mark.promise("A WAV whose recorder was killed", "It is read to the end of the file, with a warning.")
@pytest.mark.parametrize(
    ("outer", "inner"),
    [(0, 0), (36, 0), (4088, 0), (4088, 4052), (0xFFFFFFFF, 0xFFFFFFFF), (36, 0xFFFFFFFF), (0, 0x7FFFF000),
     (0x80000024, 0x80000000), (0x7FFFFFFF, 0x7FFFFFDB)],
)  # fmt: skip
@pytest.mark.parametrize("tail", [b"", b"\1"])
def test_a_wav_whose_recorder_was_killed_is_read_to_its_end(
    tmp_path: Path, outer: int, inner: int, tail: bytes
) -> None:
    path = tmp_path / "killed.wav"
    path.write_bytes(riff(stored(tmp_path, "wav"), outer, inner) + tail)
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert "read to the end of the file" in doubts["length"]
    assert decode.seconds(path) == 1.0


@pytest.mark.parametrize(("suffix", "fields"), [("aiff", [(b"COMM", 10, 4), (b"SSND", 4, 4)]),
                                                ("w64", [(b"data", 16, 8)]), ("rf64", [(b"ds64", 8, 16)])])  # fmt: skip
def test_other_formats_whose_recorder_was_killed(
    tmp_path: Path, suffix: str, fields: list[tuple[bytes, int, int]]
) -> None:
    content = bytearray(stored(tmp_path, suffix))
    for name, offset, size in fields:
        at = content.index(name) + offset
        content[at : at + size] = bytes(size)
    content[4:8] = content[4:8] if suffix != "aiff" else bytes(4)
    if suffix == "w64":
        content[16:24] = bytes(8)
    path = tmp_path / f"killed.{suffix}"
    path.write_bytes(content)
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert "length" in doubts


def test_a_wav_that_says_it_is_empty_is_read_although_the_rest_of_its_header_fits(tmp_path: Path) -> None:
    content = stored(tmp_path, "wav")
    path = tmp_path / "killed.wav"
    path.write_bytes(riff(content, len(content) - 8, 0))
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert "read to the end of the file" in doubts["length"]
    path.write_bytes(riff(content, len(content) - 8, 2000))
    wave, doubts = read(path)
    assert len(wave) == 1000
    assert "bytes behind its samples" in doubts["length"]


@pytest.mark.promise("Files that were joined end to end, as cat does", "MP3 and OGG are read whole, with a warning.")
@pytest.mark.parametrize("suffix", [mark for mark in ("mp3", "ogg") if mark.upper() in soundfile.available_formats()])
def test_files_that_were_joined(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"joined.{suffix}"
    soundfile.write(path, WAVE, RATE)
    content = path.read_bytes()
    alone, doubts = read(path)
    assert doubts == {}
    for between in (b"", b"TAG" + bytes(125), b"ID3\4\0\0\0\0\0\x0a" + bytes(10)):
        path.write_bytes(content + between + content)
        wave, doubts = read(path)
        assert len(wave) >= 1.9 * RATE
        assert "files were joined" in doubts["length"]
        if suffix == "ogg":
            assert np.array_equal(wave, np.concatenate([alone, alone]))
            assert decode.seconds(path) == 2 * len(alone) / RATE


@pytest.mark.promise("A FLAC with an ID3 tag of old programs at its end", "It is read whole.")
def test_a_flac_with_a_tag_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "tagged.flac"
    soundfile.write(path, WAVE, RATE)
    path.write_bytes(path.read_bytes() + b"TAG" + b"x" * 125)
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert doubts == {}


def test_what_follows_the_samples_is_not_sound(tmp_path: Path) -> None:
    """Chunks, tags and zeros at the end, also where the header does not count them; and a file that is empty."""
    content = stored(tmp_path, "wav")
    path = tmp_path / "tagged.wav"
    for tail in (b"LIST\x04\0\0\0INFO", b"TAG" + b"x" * 125, b"ID3\4" + b"y" * 80, bytes(5000)):
        path.write_bytes(content + tail)
        wave, doubts = read(path)
        assert (len(wave), doubts) == (RATE, {}), tail[:4]
    path.write_bytes(riff(content[:44], 36, 0))
    with pytest.raises(UnreadableError, match="holds no samples"):
        decode.read(path, RATE)


def test_a_header_that_counts_itself_is_not_a_cut_file(tmp_path: Path) -> None:
    content = stored(tmp_path, "wav")
    path = tmp_path / "sloppy.wav"
    path.write_bytes(riff(content, len(content), len(content)))
    assert len(decode.read(path, RATE)) == RATE


STARTS = [b"RIFF\0\0\0\0WAVEfmt ", b"FORM\0\0\0\0AIFFCOMM", b"caff\0\1\0\0desc", b"riff\x2e\x91\xcf\x11", b".snd",
          b"NIST_1A\n   1024\n", b"fLaC\0\0\0\x22", b"OggS\0\2", b"ID3\4\0\0", b"\xff\xfb\x90\x64"]  # fmt: skip


@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=200))
def test_bytes_that_are_no_recording_are_refused(start: bytes, rest: bytes) -> None:
    with pytest.raises(UnreadableError, match=r"^any "):
        decode.read(Content("any", start + rest), RATE)


def test_an_ogg_file_without_its_end_is_doubted(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.tile(WAVE, 20), RATE)
    assert read(path)[1] == {}
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 7 // 10])
    assert "no mark at its end" in read(path)[1]["length"]


@pytest.fixture
def ffmpeg(tmp_path: Path) -> Callable[..., bytes]:
    """A function that runs ffmpeg on a WAV of a tone with more arguments, and returns what it prints."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    decode.write(tmp_path / "source.wav", WAVE, RATE)

    def run(*arguments: str) -> bytes:
        command = ["ffmpeg", "-v", "error", "-y", "-i", str(tmp_path / "source.wav"), *arguments, "-"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    return run


@pytest.mark.promise("A FLAC that does not say its length", "It is read whole.")
def test_flac_of_unknown_length_is_whole(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    path = tmp_path / "piped.flac"
    path.write_bytes(ffmpeg("-f", "flac"))
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert (doubts, decode.seconds(path)) == ({}, 1.0)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UnreadableError):
        decode.read(path, RATE)


@pytest.mark.promise("An MP3 with a cover, or without a Xing header", "It is read whole.")
@pytest.mark.parametrize("options", [["-write_xing", "0"], ["-write_xing", "0", "-q:a", "9"], []])
@pytest.mark.parametrize("before", [b"", b"ID3\3\0\0\0\x10\0\0" + bytes(1 << 18), b"\0" * 100])
def test_mp3_is_whole_with_a_cover_and_without_a_xing_header(
    ffmpeg: Callable[..., bytes], tmp_path: Path, options: list[str], before: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(before + ffmpeg("-f", "mp3", *options))
    wave, doubts = read(path)
    assert 1.0 <= len(wave) / RATE < 1.15
    assert (doubts, decode.seconds(path)) == ({}, pytest.approx(len(wave) / RATE, abs=0.1))
    assert np.argmax(np.abs(np.fft.rfft(wave[1600:14400]))) == pytest.approx(330 * 0.8, abs=1)
    assert capfd.readouterr().err == ""  # mpg123 warns there of sizes that do not fit


def test_mp3_that_is_cut_off_is_refused_where_it_says_its_length(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    ffmpeg("-f", "wav")
    path = tmp_path / "cut.mp3"
    subprocess.run(["ffmpeg", "-v", "error", "-i", tmp_path / "source.wav", path], check=True)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(UnreadableError, match=r"ends after \d+ of 16000 samples"):
        decode.read(path, RATE)


@pytest.mark.promise("A FLAC that is longer than its header says", "It is read to its end, with a warning.")
@pytest.mark.parametrize("states", [1, 4_096, len(WAVE) - 1])
def test_a_flac_that_is_longer_than_it_says(tmp_path: Path, states: int) -> None:
    path = tmp_path / "short.flac"
    soundfile.write(path, WAVE, RATE, subtype="PCM_16")
    assert read(path)[1] == {}
    content = bytearray(path.read_bytes())
    content[22:26] = states.to_bytes(4, "big")
    path.write_bytes(content)
    wave, doubts = read(path)
    assert np.abs(wave - WAVE).max() < 1e-4
    assert "read to the end of the file" in doubts["length"]
