"""The samples of a request are those that the command line decodes, and no more than allowed."""

import io
import struct

import numpy as np
import pytest
import soundfile

from wav2tok.audio import decode
from wav2tok.audio.decode import Content, UnreadableError
from wav2tok.service.decoding import Allowance, decoded
from wav2tok.service.refusals import Refused


def content(seconds, rate=44100, form="WAV", channels=1):
    wave = 0.3 * np.sin(np.arange(round(seconds * rate)) / 20)
    file = io.BytesIO()
    soundfile.write(file, np.stack([wave] * channels, axis=1), rate, format=form)
    return Content(f"x.{form.lower()}", file.getvalue())


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_bytes_and_file_give_the_same_samples(form, rate, tmp_path):
    sent = content(1.3, rate, form, channels=2)
    (tmp_path / sent.name).write_bytes(sent.data)
    recording = decoded(sent, 16000, Allowance(60))
    assert np.array_equal(recording.samples, decode.read(tmp_path / sent.name, 16000))
    assert recording.seconds == len(recording.samples) / 16000


def test_a_long_recording_is_read_in_blocks_as_often_as_necessary(tmp_path):
    sent = content(80, 16000, "FLAC")
    (tmp_path / "x.flac").write_bytes(sent.data)
    recording = decoded(sent, 16000, Allowance(100))
    assert recording.seconds == 80
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(recording.samples())), decode.read(tmp_path / "x.flac", 16000))


def test_the_recordings_of_a_request_share_what_is_allowed():
    allowance = Allowance(2.5)
    decoded(content(2), 16000, allowance)
    with pytest.raises(Refused, match=r"more than 2.5 s of audio, which is the limit") as raised:
        decoded(content(1), 16000, allowance)
    assert raised.value.status == 422


def test_a_length_that_the_header_does_not_say_is_counted_and_no_more_is_decoded():
    """MP3 without a table of contents, whose first frames mislead, and FLAC from a pipe."""
    file = io.BytesIO()
    loud = 0.9 * np.random.default_rng(0).uniform(-1, 1, 16000)
    soundfile.write(file, np.concatenate([loud, np.zeros(16000 * 40)]), 16000, format="MP3",
                    bitrate_mode="VARIABLE", compression_level=0.0)  # fmt: skip
    mp3 = Content("x.mp3", file.getvalue().replace(b"Xing", b"none").replace(b"Info", b"none"))
    flac = bytearray(content(41, 16000, "FLAC").data)
    flac[21] &= 0xF0
    flac[22:26] = bytes(4)
    for sent in (mp3, Content("x.flac", bytes(flac))):
        assert decoded(sent, 16000, Allowance(60)).seconds == pytest.approx(41, abs=0.2)
        with pytest.raises(Refused, match="of audio"):
            decoded(sent, 16000, Allowance(30))


@pytest.mark.parametrize("data", [b"", b"no audio", b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt "])
def test_what_is_no_recording(data):
    with pytest.raises(UnreadableError, match=r"^song.wav cannot be read as audio"):
        decoded(Content("song.wav", data), 16000, Allowance(60))


def test_a_truncated_recording():
    whole = content(1, 16000, "FLAC")
    with pytest.raises(UnreadableError, match=r"^x.flac (ends after|cannot be read)"):
        decoded(Content("x.flac", whole.data[: len(whole.data) // 2]), 16000, Allowance(60))
