"""The pitch front end: the pitch it finds, and what must change nothing about its features."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Features
from wav2tok.model.features.pitch import LOWEST_HZ, REACH, STEPS, kernel, readers
from wav2tok.model.front_end import FrontEnd
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer

RATE = 16000
CONFIG = Features(kind="pitch", n_fft=2048, hop=512)
TUNE = (0, 2, 4, 5, 7, 4, 0)  # semitones


def sung(first_hz: float, *, tilt_db: float = 9.0, seconds: float = 0.4, notes: tuple[int, ...] = TUNE) -> torch.Tensor:
    """A tune of harmonics that fall by ``tilt_db`` an octave, pauses between its notes, in faint noise: [1, N]."""
    n = int(seconds * RATE)
    parts = []
    for note in notes:
        time = np.arange(n) / RATE
        hertz = first_hz * 2 ** (note / 12)
        wave = sum(
            10 ** (-tilt_db * math.log2(k) / 20) * np.sin(2 * np.pi * k * hertz * time + k)
            for k in range(1, int(7000 / hertz))
        )
        parts += [wave * np.hanning(n) ** 0.25, np.zeros(n // 4)]
    wave = np.concatenate(parts)
    wave += 1e-3 * np.random.default_rng(0).standard_normal(len(wave))
    return torch.from_numpy((0.1 * wave).astype(np.float32))[None]


def features(wave: torch.Tensor, config: Features = CONFIG) -> torch.Tensor:
    front_end = FrontEnd(config, RATE)
    samples = torch.tensor([wave.shape[1]])
    frames = front_end.frame_count(samples)
    return front_end.finish(front_end.spectrum(wave, samples), frames)[0]


def alike(a: torch.Tensor, b: torch.Tensor) -> float:
    """Mean cosine of the frames of two recordings of one length, those without a pitch left out."""
    sounding = (a[:, -1] > 1) & (b[:, -1] > 1)
    return float(torch.cosine_similarity(a[sounding], b[sounding], dim=1).mean())


@pytest.mark.parametrize("hertz", [80.0, 110.0, 196.0, 330.0, 700.0])
@pytest.mark.parametrize("tilt_db", [3.0, 12.0])
def test_the_pitch_is_found(hertz: float, tilt_db: float) -> None:
    front_end = FrontEnd(CONFIG, RATE)
    wave = sung(hertz, tilt_db=tilt_db, seconds=1.0, notes=(0,))
    samples = torch.tensor([wave.shape[1]])
    measures = front_end.differences(front_end.spectrum(wave, samples), front_end.frame_count(samples))
    pitch = measures[0, 8:24, : front_end.kind.pitches]
    assert (pitch.sum(1) > 0.8).all()
    found = LOWEST_HZ * 2 ** (pitch.argmax(1) / (12 * STEPS))
    assert (12 * torch.log2(found / hertz)).abs().max() <= 1 / STEPS


def test_noise_and_silence_have_no_pitch() -> None:
    front_end = FrontEnd(CONFIG, RATE)
    noise = torch.randn(1, RATE, generator=torch.Generator().manual_seed(0))
    for wave in (noise, torch.zeros(1, RATE)):
        x = features(wave)
        assert torch.isfinite(x).all()
        assert x[:, -1].mean() < 0.2
    # Next to singing, a pause has no pitch even if there is faint noise in it.
    wave = torch.cat([sung(200.0), 1e-4 * noise], dim=1)
    assert features(wave)[-20:, -1].max() < 0.2
    assert front_end.width == 2 * REACH + 1 + 8 + 1


@pytest.mark.parametrize("semitones", [-5, -2, 3, 5])
def test_another_key_has_the_same_features(semitones: int) -> None:
    """The voice is transposed as a whole: its harmonics keep their levels."""
    plain, moved = features(sung(200.0)), features(sung(200.0 * 2 ** (semitones / 12)))
    assert alike(plain, moved) > 0.95
    absolute = Features(kind="pitch", n_fft=2048, hop=512, normalize=False, harmonics=0)
    there, here = features(sung(200.0 * 2 ** (semitones / 12)), absolute), features(sung(200.0), absolute)
    assert alike(there, here) < 0.9


def test_another_voice_has_the_same_melody() -> None:
    melody = Features(kind="pitch", n_fft=2048, hop=512, harmonics=0)
    bright, dark = sung(200.0, tilt_db=4.0), sung(200.0, tilt_db=14.0)
    assert alike(features(bright, melody), features(dark, melody)) > 0.99
    assert alike(features(bright), features(dark)) < alike(features(bright, melody), features(dark, melody))


def test_another_tune_has_other_features() -> None:
    melody = Features(kind="pitch", n_fft=2048, hop=512, harmonics=0)
    plain, other = features(sung(200.0), melody), features(sung(200.0, notes=(*TUNE[::-1][1:], 9)), melody)
    assert alike(plain, other) < 0.8


def test_augmentation_of_pitch_changes_the_key_alone() -> None:
    """Frequencies multiplied in the spectrum that training keeps."""
    front_end = FrontEnd(CONFIG, RATE)
    wave = sung(200.0)
    samples = torch.tensor([wave.shape[1]])
    frames, spectrum = front_end.frame_count(samples), front_end.spectrum(wave, samples)
    moved = spectrum @ front_end.kind.pitch_matrix(torch.tensor([2 ** (4 / 12)]))
    plain, other = front_end.finish(spectrum, frames)[0], front_end.finish(moved, frames)[0]
    assert alike(plain, other) > 0.9
    keys = [front_end.kind.key(front_end.differences(x, frames).mean(1, keepdim=True)) for x in (spectrum, moved)]
    assert abs(float(keys[1] - keys[0]) - 4) < 0.3


def test_a_long_recording_in_windows_has_the_key_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second half is sung a fifth higher: a window alone would take that for the key."""
    config = from_dict(
        {
            "features": {"kind": "pitch", "n_fft": 1024, "hop": 512},
            "encoder": {"kind": "lstm", "hidden": 8, "dim": 16},
            "codebook": {"num_tokens": 16},
        }
    )
    wave = torch.cat([sung(200.0), sung(180.0), sung(300.0), sung(310.0)], dim=1)
    samples = torch.tensor([wave.shape[1]])
    model = create(config).eval()
    with torch.no_grad():
        z = model.embed(model.front_end.spectrum(wave, samples), model.front_end.frame_count(samples))[0]
        chosen = [0]
        for _ in range(15):
            chosen.append(int((z @ z[chosen].T).amax(1).argmin()))
        model.codebook.copy_(z[chosen])
        expected = model(wave, samples)[0][0].numpy()
    write_onnx(model, config, tmp_path / "t.onnx")
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu")
    for name, frames in (("CORE_FRAMES", 100), ("MARGIN_FRAMES", 60), ("FEATURE_FRAMES", 40)):
        monkeypatch.setattr(windowed, name, frames)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave[0].numpy(), 9)))
    assert len(set(expected.tolist())) > 8
    assert (got != expected).mean() < 0.01
    # Windows with keys of their own would differ: the check can fail.
    halves = np.array_split(wave[0].numpy(), 2)
    apart = np.concatenate(tokenizer.encode_frames(halves, RATE))[: len(expected)]
    assert (apart[: len(expected)] != expected[: len(apart)]).mean() > 0.2


def test_kernels_are_of_unit_length_and_peak_at_their_harmonics() -> None:
    frequencies = torch.arange(513).double() * RATE / 2048
    k = kernel(torch.tensor([100.0, 250.0], dtype=torch.float64), frequencies)
    assert torch.allclose(k.clamp_min(0).norm(dim=0), torch.ones(2, dtype=torch.float64))
    assert abs(float(frequencies[k[:, 1].argmax()]) - 250) < RATE / 2048
    between = int(375 / (RATE / 2048))
    assert k[between, 1] < 0


def test_readers_read_between_numbers_and_hold_at_the_ends() -> None:
    row = torch.tensor([1.0, 3.0, 7.0])
    places = torch.tensor([0.0, 0.5, 1.25, 2.0, -4.0, 9.0])
    assert (row @ readers(places, 3)).tolist() == [1.0, 2.0, 4.0, 7.0, 1.0, 7.0]
