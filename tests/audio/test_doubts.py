"""What cannot be right is refused or named, by everything that reads recordings."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.audio import decode
from wav2tok.audio.ahead import read_ahead
from wav2tok.audio.channels import Downmix
from wav2tok.audio.doubts import Doubts
from wav2tok.audio.source import UnreadableError

RATE = 16000
NOISE = np.random.default_rng(0).uniform(-0.3, 0.3, RATE)


def phrases(tmp_path: Path, samples: np.ndarray, rate: int = RATE, wanted: int = RATE) -> dict[str, str]:
    path, doubts = tmp_path / "a.wav", Doubts()
    soundfile.write(path, samples, rate, subtype="FLOAT")
    decode.read(path, wanted, doubts)
    return doubts.phrases


@pytest.mark.promise(
    "Silence, a scrap of sound, samples beyond full scale or a constant offset", "A phrase says what is doubtful."
)
@pytest.mark.parametrize(
    ("samples", "kind", "says"),
    [
        (np.zeros(RATE), "silent", "is silent (-200 dBFS)"),
        (NOISE * 1e-4, "silent", "is silent (-95 dBFS)"),
        (np.full(RATE, 0.5), "silent", "is silent (-200 dBFS), apart from a constant offset of 0.5"),
        (0.5 + NOISE * 0.1, "offset", "is mostly a constant offset of 0.5"),
        (NOISE[:96], "short", "has only 6 ms of sound"),
        (NOISE * 1000, "scale", "has samples of up to 300, and full scale is 1"),
    ],
)
def test_each_doubt_has_its_phrase(tmp_path: Path, samples: np.ndarray, kind: str, says: str) -> None:
    assert phrases(tmp_path, samples) == {kind: says}


def test_an_ordinary_recording_has_none(tmp_path: Path) -> None:
    assert phrases(tmp_path, NOISE) == phrases(tmp_path, NOISE + 0.05) == {}
    assert phrases(tmp_path, np.stack([NOISE, 0 * NOISE], axis=1)) == {}


@pytest.mark.promise("A recording of a lower rate than the model's", "A phrase says so.")
def test_a_lower_rate_than_the_models_is_named(tmp_path: Path) -> None:
    assert phrases(tmp_path, NOISE, 8000) == {"rate": "has a sample rate of 8000 Hz, and the model hears 16000 Hz"}
    assert phrases(tmp_path, NOISE, 44100) == {}


@pytest.mark.promise("A sample that is beyond any sound", "The recording is refused by name.")
@pytest.mark.parametrize("value", [1e29, -1e29, 1e6, 3e38])
def test_a_sample_that_no_sound_has_is_an_error(tmp_path: Path, value: float) -> None:
    samples = NOISE.copy()
    samples[77] = value
    with pytest.raises(UnreadableError, match=r"a\.wav holds a sample of .*, where full scale is 1"):
        phrases(tmp_path, samples)


@pytest.mark.promise("Channels that cancel each other", "One of them is used, and a warning says so.")
def test_channels_that_cancel_each_other_leave_one_of_them(tmp_path: Path) -> None:
    both = np.stack([0.9 * NOISE, -NOISE], axis=1)
    quiet = np.zeros((2 * decode.BLOCK_SAMPLES, 2))  # what decides is the first block with sound
    for samples in (both, np.concatenate([quiet, both])):
        assert "so only channel 2 is used" in phrases(tmp_path, samples)["channels"]
        wave = decode.read(tmp_path / "a.wav", RATE)
        assert np.abs(wave[-RATE:] + NOISE).max() < 1e-6
    assert Downmix()(np.stack([NOISE, NOISE / 2], axis=1)) == pytest.approx(0.75 * NOISE)


def test_reading_ahead_names_the_files(tmp_path: Path, lines: list[str]) -> None:
    soundfile.write(tmp_path / "good.wav", NOISE, RATE)
    soundfile.write(tmp_path / "long.wav", np.zeros(70 * RATE), RATE)
    soundfile.write(tmp_path / "flat.wav", np.full(RATE, 0.25), RATE)
    for one in read_ahead([str(tmp_path / f"{name}.wav") for name in ("good", "long", "flat")], RATE):
        for _ in range(2):  # a long recording is read several times and warned of once
            list([] if isinstance(one, np.ndarray) else one.blocks())  # type: ignore[union-attr]
    assert lines == [
        f"{tmp_path}/long.wav is silent (-200 dBFS)",
        f"{tmp_path}/flat.wav is silent (-200 dBFS), apart from a constant offset of 0.25",
    ]
