"""The factored transform against torch's STFT in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.model.spectrum import PowerSpectrum, factors


def reference(x: torch.Tensor, n_fft: int, hop: int) -> torch.Tensor:
    """Power [B, T, n_fft // 2 + 1] in float64, zeros past the ends."""
    window = torch.hann_window(n_fft, dtype=torch.float64)
    complex_ = torch.stft(x.double(), n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    return complex_.abs().square().transpose(1, 2)


@pytest.mark.parametrize(
    ("n_fft", "hop"), [(1024, 256), (1024, 160), (512, 512), (400, 160), (96, 36), (62, 7), (1022, 300), (2, 1)]
)
def test_bins_are_the_power_of_the_fourier_transform(n_fft: int, hop: int) -> None:
    x = torch.randn(3, 5 * n_fft + 17, generator=torch.Generator().manual_seed(0))
    power = PowerSpectrum(n_fft, hop)
    out = power(x).permute(1, 2, 0, 3).flatten(2)
    expected = reference(x, n_fft, hop)
    assert out.shape[:2] == expected.shape[:2] == (3, x.shape[1] // hop + 1)
    # Every output is the bin that `bins` says, those that come twice included.
    assert torch.allclose(out.double(), expected[:, :, power.bins], rtol=1e-4, atol=1e-6 * float(expected.max()))


def test_an_arranged_filterbank_counts_every_bin_once() -> None:
    generator = torch.Generator().manual_seed(1)
    x, bank = torch.randn(2, 3000, generator=generator), torch.rand(129, 11, generator=generator)
    power = PowerSpectrum(256, 64)
    out = torch.einsum("rbtc,rcm->btm", power(x), power.arrange(bank))
    expected = reference(x, 256, 64) @ bank.double()
    assert torch.allclose(out.double(), expected, rtol=1e-5)


def test_a_faint_tone_next_to_a_loud_one_keeps_its_level() -> None:
    """80 dB under the loudest band is where the spectrum is cut off: rounding must stay well below that."""
    t = torch.arange(4096, dtype=torch.float64) / 1024
    faint = 1e-4 * torch.sin(2 * math.pi * 400 * t)
    both = (torch.sin(2 * math.pi * 64 * t) + faint).float()[None]
    power = PowerSpectrum(1024, 256)
    out = power(both).permute(1, 2, 0, 3).flatten(2)[0, 8]
    at_400 = out[power.places()[400]]
    assert float(at_400) == pytest.approx(float(reference(faint[None], 1024, 256)[0, 8, 400]), rel=1e-3)


@given(n=st.integers(1, 4096))
@settings(max_examples=100, deadline=None)
def test_factors_multiply_to_their_number_and_lie_nearest(n: int) -> None:
    small, large = factors(n)
    assert small * large == n
    assert small <= large
    assert not any(n % k == 0 for k in range(small + 1, math.isqrt(n) + 1))
