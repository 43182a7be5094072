"""The front end against torch's and torchaudio's own transforms, in float64."""

import numpy as np
import pytest
import torch
import torchaudio.functional as AF
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import features
from wav2tok.config.schema import Features
from wav2tok.model.features import KINDS
from wav2tok.model.features.mel import mel_centers
from wav2tok.model.frames import frame_mask, repeat_last
from wav2tok.model.front_end import FrontEnd, deltas

RATE = 16000
SMALL = {"n_fft": 256, "hop": 64, "n_mels": 20, "n_mfcc": 8}


def waves(*lengths: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Tones in noise of the given lengths, padded with zeros: [B, N], [B]."""
    rng = np.random.default_rng(seed)
    out = torch.zeros(len(lengths), max(lengths))
    for row, n in zip(out, lengths, strict=True):
        time = np.arange(n) / RATE
        wave = 0.3 * np.sin(2 * np.pi * rng.uniform(200, 3000) * time) + 0.05 * rng.standard_normal(n)
        row[:n] = torch.from_numpy(wave.astype(np.float32))
    return out, torch.tensor(lengths)


def stft_power(wave: torch.Tensor, n_fft: int, hop: int) -> torch.Tensor:
    """torch's own STFT of one recording in float64, centred, zeros beyond the ends: [N] -> [T, bins]."""
    window = torch.hann_window(n_fft, dtype=torch.float64)
    out = torch.stft(wave.double(), n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    return out.abs().square().T


def finished(config: Features, wave: torch.Tensor, samples: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    front_end = FrontEnd(config, RATE)
    frames = front_end.frame_count(samples)
    return front_end.finish(front_end.spectrum(wave, samples), frames), frames


@pytest.mark.parametrize(("n_fft", "hop", "n"), [(1024, 256, 16000), (1024, 256, 300), (400, 160, 4800), (256, 64, 1)])
def test_magnitudes_are_those_of_torch_stft(n_fft: int, hop: int, n: int) -> None:
    wave, samples = waves(n)
    got = FrontEnd(Features(kind="stft", n_fft=n_fft, hop=hop), RATE).spectrum(wave, samples)[0]
    expected = stft_power(wave[0], n_fft, hop).sqrt()
    assert got.shape == expected.shape
    assert (got - expected).abs().max() < 1e-5 * expected.max()


@pytest.mark.parametrize("n", [1, 700, 16000])
def test_log_mel_is_the_logarithm_of_torchaudios_bank(n: int) -> None:
    wave, samples = waves(n)
    config = Features(kind="logmel")
    got = FrontEnd(config, RATE).spectrum(wave, samples)[0]
    bank = AF.melscale_fbanks(513, 0.0, RATE / 2, config.n_mels, RATE).double()
    mel = stft_power(wave[0], config.n_fft, config.hop) @ bank
    expected = torch.maximum(mel, mel.max() * 1e-8 + 1e-20).log()
    assert torch.allclose(got.double(), expected, atol=2e-3)


def test_mfcc_and_differences_are_torchaudios() -> None:
    wave, samples = waves(8000)
    config = Features(normalize=False)
    front_end = FrontEnd(config, RATE)
    spectrum = front_end.spectrum(wave, samples)
    got = front_end.finish(spectrum, front_end.frame_count(samples))[0]
    cepstrum = (spectrum[0].double() @ AF.create_dct(13, 64, "ortho").double()).T
    first = AF.compute_deltas(cepstrum[None], win_length=5, mode="replicate")[0]
    second = AF.compute_deltas(first[None], win_length=5, mode="replicate")[0]
    assert torch.allclose(got.double(), torch.cat([cepstrum, first, second]).T, atol=1e-3)


@pytest.mark.parametrize("t", [1, 2, 3, 20])
def test_deltas_repeat_the_edges(t: int) -> None:
    x = torch.randn(3, t, 4, generator=torch.Generator().manual_seed(t))
    expected = AF.compute_deltas(x.transpose(1, 2), win_length=5, mode="replicate").transpose(1, 2)
    assert torch.allclose(deltas(x), expected, atol=1e-6)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(1, 3000), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_a_padded_batch_gives_each_recording_the_frames_it_gets_alone(
    kind: str, normalize: bool, lengths: list[int], seed: int
) -> None:
    config = features(kind, normalize=normalize, **SMALL)
    wave, samples = waves(*lengths, seed=seed)
    noisy = wave + 9.0 * ~frame_mask(samples, wave.shape[1])  # what stands past the end must not matter
    together, frames = finished(config, noisy, samples)
    front_end = FrontEnd(config, RATE)
    for i, n in enumerate(lengths):
        alone, count = finished(config, wave[i : i + 1, :n], samples[i : i + 1])
        assert int(frames[i]) == int(count) == alone.shape[1]
        error = (together[i, : int(count)] - alone[0]).abs().max()
        assert error < conditioned(front_end, wave[i : i + 1, :n]) * max(1.0, float(alone.abs().max()))
        assert not together[i, int(count) :].any()


def conditioned(front_end: FrontEnd, wave: torch.Tensor) -> float:
    """How far features of ``wave`` [1, N] may lie apart for rounding: 1e-5, more where they are ill-conditioned.

    The STFT is exact to about 1e-7 of the loudest magnitude, so a log power that lies L below the loudest to
    2e-7 exp(L / 2). Normalising divides that by the feature's deviation or by the floor under it.
    """
    if front_end.config.kind in ("pitch", "speech"):
        return 1e-5
    if front_end.config.kind == "contour":  # its network multiplies rounding errors of quiet bands
        return 1e-3
    samples = torch.tensor([wave.shape[1]])
    frames = front_end.frame_count(samples)
    spectrum = front_end.spectrum(wave, samples)
    rounding = 1e-7
    if front_end.config.kind != "stft":
        rounding = 2e-7 * float(((spectrum.max() - spectrum.min()) / 2).exp())
    if not front_end.config.normalize:
        return max(1e-5, 10 * rounding)
    _, variance = front_end.moments(front_end.differences(spectrum, frames), frames)
    return max(1e-5, 10 * rounding / float(variance.clamp_min(front_end.kind.variance_floor).sqrt().min()))


@pytest.mark.parametrize("kind", ["logmel", "cqt", "mfcc", "stft"])
def test_a_feature_that_hardly_varies_is_not_stretched(kind: str) -> None:
    """Two spectra that differ by rounding are the same to the encoder, not +1 and -1."""
    front_end = FrontEnd(features(kind, **SMALL), RATE)
    spectrum = torch.randn(1, 1, front_end.bands, generator=torch.Generator().manual_seed(0)).abs().repeat(1, 2, 1)
    noise = 1e-6 * torch.randn(spectrum.shape, generator=torch.Generator().manual_seed(1))
    assert front_end.finish(spectrum + noise, torch.tensor([2])).abs().max() < 1e-2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gain", [0.1, 0.5, 4.0])
def test_a_gain_changes_no_normalised_feature(kind: str, gain: float) -> None:
    wave, samples = waves(8000, 5000)
    config = features(kind, **SMALL)
    plain, _ = finished(config, wave, samples)
    louder, _ = finished(config, gain * wave, samples)
    assert (plain - louder).abs().max() < 1e-3


@given(n=st.integers(1, 5000), hop=st.sampled_from([64, 100, 128]), n_fft=st.sampled_from([128, 256]))
@settings(max_examples=40, deadline=None)
def test_number_of_frames(n: int, hop: int, n_fft: int) -> None:
    front_end = FrontEnd(Features(kind="logmel", n_fft=n_fft, hop=hop, n_mels=10), RATE)
    wave, samples = waves(n)
    assert front_end.spectrum(wave, samples).shape[1] == n // hop + 1 == int(front_end.frame_count(samples))


@pytest.mark.parametrize("kind", ["mfcc", "logmel", "stft", "cqt"])
def test_normalised_features_have_mean_0_and_deviation_1(kind: str) -> None:
    # Loud noise: every feature varies by far more than the small number that guards against a division by 0.
    wave = torch.randn(2, 12000, generator=torch.Generator().manual_seed(0))
    x, frames = finished(features(kind, **SMALL), wave, torch.tensor([12000, 7000]))
    for row, n in zip(x, frames.tolist(), strict=True):
        assert row[:n].mean(0).abs().max() < 1e-4
        assert (row[:n].std(0, unbiased=False) - 1).abs().max() < 1e-2


@pytest.mark.parametrize(
    ("config", "width"),
    [
        (Features(), 39),
        (Features(deltas=False), 13),
        (Features(kind="logmel"), 192),
        (Features(kind="logmel", deltas=False), 64),
        (Features(kind="stft"), 513),
        (Features(kind="cqt"), 249),
        (Features(kind="cqt", deltas=False), 83),
    ],
)
def test_width_follows_from_the_features(config: Features, width: int) -> None:
    front_end = FrontEnd(config, RATE)
    wave, samples = waves(2000)
    assert front_end.width == width
    assert front_end.finish(front_end.spectrum(wave, samples), front_end.frame_count(samples)).shape[2] == width


@pytest.mark.parametrize("kind", KINDS)
def test_silence_has_finite_features(kind: str) -> None:
    x, _ = finished(features(kind, **SMALL), torch.zeros(1, 1000), torch.tensor([1000]))
    assert torch.isfinite(x).all()


@pytest.mark.parametrize("kind", ["logmel", "stft", "cqt"])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(kind: str) -> None:
    front_end = FrontEnd(Features(kind=kind), RATE)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / RATE)[None]
    band = int(front_end.spectrum(tone, torch.tensor([8000]))[0].mean(0).argmax())
    centers = front_end.centers()
    assert abs(float(centers[band]) - 1000) <= float(centers[band + 1] - centers[band - 1]) / 2


def test_mel_centers_are_the_peaks_of_torchaudios_bank() -> None:
    bank = AF.melscale_fbanks(8001, 0.0, RATE / 2, 20, RATE)
    assert torch.allclose(bank.argmax(0).float(), mel_centers(20, RATE), atol=1.0)


def test_repeat_last() -> None:
    x = torch.arange(8.0).reshape(2, 4, 1)
    assert repeat_last(x, torch.tensor([2, 4])).flatten().tolist() == [0, 1, 1, 1, 4, 5, 6, 7]
