"""Spoken pseudo-words: what is asked of espeak-ng, and what the real program makes of it."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.sample import speech
from wav2tok.sample.speech import LANGUAGES, PITCH, VOICES, WORDS_PER_MINUTE, Reading, make, readings, speak


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_seed_gives_the_same_commands() -> None:
    made = [reading.command for reading in readings(50, 3, seed=4)]
    assert made == [reading.command for reading in readings(50, 3, seed=4)]
    assert made != [reading.command for reading in readings(50, 3, seed=5)]


def test_more_words_or_voices_leave_the_others_unchanged() -> None:
    few, many = set(readings(20, 3, seed=0)), set(readings(30, 20, seed=0))
    assert few < many


def test_words_differ_and_each_has_one_language_and_different_voices() -> None:
    made = list(readings(300, 20, seed=0))
    assert len({reading.name for reading in made}) == 300 * 20
    of: dict[str, list[Reading]] = {}
    for reading in made:
        of.setdefault(reading.word, []).append(reading)
    assert len(of) == 300
    assert all(word.isascii() and word.isalpha() and 2 <= len(word) <= 15 for word in of)
    assert {reading.language for reading in made} == set(LANGUAGES)
    for several in of.values():
        assert len({reading.language for reading in several}) == 1
        assert {reading.voice for reading in several[: len(VOICES)]} == set(VOICES)
        assert [reading.number for reading in several] == [1] * 13 + [2] * 7
    for reading in made:
        assert WORDS_PER_MINUTE[0] <= reading.words_per_minute < WORDS_PER_MINUTE[1]
        assert PITCH[0] <= reading.pitch < PITCH[1]


def test_a_command() -> None:
    reading = Reading("shanomul", "fr", "f2", 1, 150, 40)
    assert reading.command == ["espeak-ng", "-v", "fr+f2", "-s", "150", "-p", "40", "--stdout", "shanomul"]
    assert reading.name == "shanomul/f2_01.flac"
    assert Reading("shanomul", "de", "m0", 12, 150, 40).command[2] == "de"


@pytest.fixture
def real() -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: apt-get install espeak-ng")


@pytest.mark.usefixtures("real")
def test_the_real_program_gives_the_same_trimmed_files_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "one", words=12, voices=3, seed=1)
    monkeypatch.setattr(speech, "THREADS", 1)
    make(tmp_path / "two", words=12, voices=3, seed=1)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert list(contents(tmp_path / "one")) == sorted(reading.name for reading in readings(12, 3, seed=1))
    for path in find(tmp_path / "one"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert 0.05 < info.duration < 3.0
        wave = np.abs(decode.read(path, 16000))
        assert 0.05 < wave.max() < 1.0
        assert max(wave[:160].max(), wave[-160:].max()) > 0.005 * wave.max()  # no silence around it
    # Voices of one word differ.
    (word, *_) = sorted((tmp_path / "one").iterdir())
    assert len({path.read_bytes() for path in word.iterdir()}) == 3


@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_and_voice_exists(language: str) -> None:
    """espeak-ng reads an unknown variant by the language's own voice, so variants must change the sound."""
    own = speak(Reading("banano", language, "m0", 1, 150, 50))
    for voice in ("m3", "f5"):
        other = speak(Reading("banano", language, voice, 1, 150, 50))
        assert len(other) != len(own) or not np.array_equal(other, own)


@pytest.mark.usefixtures("real")
def test_what_it_refuses_is_told_with_the_command() -> None:
    with pytest.raises(UserError, match=r"^espeak-ng -v tlh-x\+m1 .* failed \(.*\); install a newer espeak-ng"):
        speak(Reading("banano", "tlh-x", "m1", 1, 150, 50))


def test_without_the_program_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    with pytest.raises(UserError, match=r"^espeak-ng is not on the PATH; install it, .*: apt-get install espeak-ng$"):
        make(tmp_path / "spoken", words=1, voices=1)
    with pytest.raises(UserError, match=r"^espeak-ng is not on the PATH"):
        speak(Reading("banano", "en", "m0", 1, 150, 50))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("real")
def test_numbers_that_are_too_small_and_a_full_folder_are_refused(tmp_path: Path) -> None:
    for name, value in (("words", 0), ("voices", 0), ("seed", -1)):
        with pytest.raises(UserError, match=f"{name} is {value}; it must be at least"):
            make(tmp_path / "spoken", **{name: value})
    (tmp_path / "mine.wav").write_bytes(b"precious")
    with pytest.raises(UserError, match="is not empty"):
        make(tmp_path)
    assert contents(tmp_path) == {"mine.wav": b"precious"}
