import numpy as np
import pytest

from wav2tok.sample.noise import shaped, wander


@pytest.mark.parametrize("power", [0.0, -1.0])
def test_shaped_noise_has_unit_power_and_the_given_spectrum(power):
    noise = shaped(np.random.default_rng(0), 1 << 16, 16000, lambda f: np.maximum(f, 100.0) ** power)
    assert (noise**2).mean() == pytest.approx(1.0, rel=0.1)
    spectrum = (np.abs(np.fft.rfft(noise)) ** 2)[: 1 << 15].reshape(-1, 4096).mean(axis=1)  # bands of 1 kHz
    assert spectrum[6] / spectrum[3] == pytest.approx((6.5 / 3.5) ** (2 * power), rel=0.15)


def test_wander_is_slow():
    curve = wander(np.random.default_rng(1), 1 << 15, 500.0, 0.5)
    power = np.abs(np.fft.rfft(curve * np.hanning(len(curve)))) ** 2
    frequency = np.fft.rfftfreq(len(curve), 1 / 500)
    assert power[frequency > 2].sum() < 1e-4 * power.sum()
    assert np.std(curve) == pytest.approx(1.0, abs=0.35)
