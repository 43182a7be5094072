"""``wav2tok listen``: sound on standard input of a real process, tokens, alerts and matches out while it is heard."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.live.stream import TokenStream
from wav2tok.sample.corpus import SAMPLE_RATE, make
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

MODEL = "wav2tok:humming"


@pytest.fixture(scope="module")
def sung(tmp_path_factory) -> Path:
    """Three melodies by two singers."""
    folder = tmp_path_factory.mktemp("listen") / "sung"
    make(folder, melodies=3, singers=2)
    return folder


@pytest.fixture(scope="module")
def take(sung) -> Path:
    return sorted(sung.glob("*/singer02_01.flac"))[0]


def pcm(path: Path) -> bytes:
    return np.round(decode.read(path, SAMPLE_RATE) * 32767).astype("<i2").tobytes()


def command(*options: object) -> list[str]:
    return [sys.executable, "-m", "wav2tok", "listen", *map(str, options)]


def listened(sound: bytes, *options: object) -> tuple[list[dict], str]:
    """What is printed on standard output, as JSON, and on standard error."""
    done = subprocess.run(command(*options), input=sound, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def begun(*options: object) -> subprocess.Popen:
    """A process that listens to its standard input."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(command(*options), stdin=pipe, stdout=pipe, stderr=pipe)
    assert b"listens to standard input, 16000 Hz" in process.stderr.readline()
    return process


def test_tokens_are_those_of_the_stream_and_an_odd_byte_is_said(take):
    stream = TokenStream(Tokenizer.from_pretrained(MODEL, "cpu"))
    wave = np.frombuffer(pcm(take), "<i2").astype(np.float32) / 32768
    expected = stream.push(wave) + stream.close()
    rows, said = listened(pcm(take) + b"\1", "--pcm", "s16le", "--model", MODEL)
    assert rows == [{"token": one.token, "start": one.start, "end": one.end} for one in expected]
    assert f"{len(wave) / SAMPLE_RATE:.1f} s of sound were heard" in said
    assert "1 are left out" in said


def test_another_rate_encoding_and_two_channels(take):
    wave = decode.read(take, 44100)
    stereo = np.stack([wave, wave], axis=1).astype("<f4").tobytes()
    stream = TokenStream(Tokenizer.from_pretrained(MODEL, "cpu"), 44100)
    expected = stream.push(wave) + stream.close()
    rows, _ = listened(stereo, "--pcm", "f32le", "--rate", 44100, "--channels", 2, "--model", MODEL)
    assert rows == [{"token": one.token, "start": one.start, "end": one.end} for one in expected]


def test_alerts_name_the_query_and_its_place(sung, take):
    queries = sorted(sung.glob("ode_to_joy/*_01.flac"))
    sound = b"".join(bytes(2 * SAMPLE_RATE) + pcm(path) for path in queries) + bytes(4 * SAMPLE_RATE)
    options = [part for path in queries for part in ("--for", path)]
    rows, _ = listened(sound, "--pcm", "s16le", "--model", MODEL, *options)
    assert {row["query"] for row in rows} == set(map(str, queries))
    for row in rows:  # tests/live/test_alerts.py tests where they are
        assert list(row) == ["query", "start", "end", "similarity", "expected"]
        assert 0 <= row["start"] < row["end"] <= len(sound) / 2 / SAMPLE_RATE + 0.1
        assert 0 < row["similarity"] <= 100
        assert 0 <= row["expected"] <= 0.1


def test_no_sound_has_no_rows(take):
    for options in ((), ("--for", take)):
        rows, said = listened(b"", "--pcm", "s16le", "--model", MODEL, *options)
        assert rows == []
        assert "0.0 s of sound were heard" in said


def test_the_first_match_comes_within_a_second_of_three_seconds_of_sound(sung, take, tmp_path):
    tokenizer = Tokenizer.from_pretrained(MODEL, "cpu")
    Index.build([sung], tokenizer).save(tmp_path / "index")
    process = begun("--pcm", "s16le", "--index", tmp_path / "index", "--top", 2, "--expected", 1000)
    process.stdin.write(pcm(take)[: 2 * 3 * SAMPLE_RATE])
    process.stdin.flush()
    heard = time.monotonic()
    row = json.loads(process.stdout.readline())
    assert time.monotonic() - heard < 1
    assert (row["start"], row["end"], len(row["matches"])) == (0.0, 3.0, 2)
    assert set(row["matches"][0]) == {"path", "start_s", "end_s", "similarity", "expected_by_chance"}
    process.stdin.close()
    assert process.wait(60) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_what_was_heard_is_printed(take, number):
    process = begun("--pcm", "s16le", "--model", MODEL)
    seconds = 1.9  # of sound that a pipe holds, so it is read at once
    process.stdin.write(pcm(take)[: 2 * round(seconds * SAMPLE_RATE)])
    process.stdin.flush()
    json.loads(process.stdout.readline())
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["end"] == pytest.approx(seconds, abs=0.1)
    assert err.decode() == f"{seconds:.1f} s of sound were heard\n"


def test_not_a_number_is_refused(take):
    sound = np.full(SAMPLE_RATE, np.nan, "<f4").tobytes()
    done = subprocess.run(command("--pcm", "f32le", "--model", MODEL), input=sound, capture_output=True, timeout=120)
    assert done.returncode == 2
    assert b"not finite numbers" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(("options", "said"), [
    (("--for", "a.wav", "--index", "index"), "--for: it does not go with --index"),
    (("--rate", "8000"), "--rate: it describes raw samples"),
    (("--channels", "2"), "--channels: it describes raw samples"),
    (("--pcm", "s16le", "--microphone", "1"), "--microphone: it does not go with --pcm"),
    (("--pcm", "s16le", "--for", "missing.wav"), "missing.wav cannot be read as audio (no such file)"),
    (("--index", "nowhere"), "nowhere does not exist"),
])  # fmt: skip
def test_options_that_cannot_be_meant_get_a_sentence(cli, options, said):
    assert said in cli("listen", *(() if "--index" in options else ("--model", MODEL)), *options).complaint


@pytest.mark.parametrize(
    "options", [("--pcm", "mp3"), ("--pcm", "s16le", "--rate", "0"), ("--seconds", "1"), ("--top", "0")]
)
def test_values_out_of_range_are_refused(cli, options):
    assert cli("listen", "--model", MODEL, *options).code == 2


def test_a_silent_query_is_refused(cli, tmp_path):
    decode.write(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    said = cli("listen", "--pcm", "s16le", "--model", MODEL, "--for", tmp_path / "silent.wav").complaint
    assert "silent.wav is silent" in said


def test_closed_standard_input_is_said(take):
    line = f"exec {' '.join(command('--pcm', 's16le', '--model', MODEL))} <&-"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert (
        done.stderr.splitlines()[-1] == "wav2tok: --pcm: standard input is closed or a terminal; pipe raw samples in."
    )


def test_without_a_microphone_there_is_a_sentence(cli):
    """Without sounddevice, without PortAudio, or without a device: each says what is missing."""
    said = cli("listen", "--model", MODEL, "--microphone", "no such microphone").complaint
    assert any(part in said for part in ('pip install "wav2tok[live]"', "libportaudio2", "no such microphone is no"))
