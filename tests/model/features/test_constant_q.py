"""The constant-Q transform against its plain formula in float64, and the front end that reads it."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Features
from wav2tok.errors import UserError
from wav2tok.model.features.constant_q import ConstantQ, frequencies
from wav2tok.model.front_end import FrontEnd
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer

RATE = 8000
UNCUT = 4096  # samples, more than any window of these tests' scales needs


def reference(x: torch.Tensor, n_fft: int, hop: int, bins_per_octave: int, min_hz: float) -> torch.Tensor:
    """Power of one recording [N] by the definition, bin by bin and frame by frame in float64: [T, bins]."""
    quality = 1 / (2 ** (1 / bins_per_octave) - 1)
    padded = torch.nn.functional.pad(x.double(), (n_fft, n_fft))
    columns = []
    k = 0
    while min_hz * 2 ** ((k + 1) / bins_per_octave) <= RATE / 2:
        hertz = min_hz * 2 ** (k / bins_per_octave)
        length = min(n_fft, quality * RATE / hertz)
        n = torch.arange(-n_fft, n_fft, dtype=torch.float64)
        n = n[n.abs() < length / 2]
        window = torch.cos(math.pi * n / length) ** 2
        wave = window * torch.exp(-2j * math.pi * hertz * n / RATE) / window.sum()
        around = n.long() + n_fft
        power = [(padded[around + t * hop] * wave).sum().abs() ** 2 for t in range(len(x) // hop + 1)]
        columns.append(torch.stack(power))
        k += 1
    return torch.stack(columns, dim=1)


def sines(*hertz: float, centre: int = 4000, seed: int | None = None) -> torch.Tensor:
    """The sum of cosines of amplitude 1 with phases of their own at one sample, a second of it: [1, 8000]."""
    phases = torch.zeros(len(hertz)) if seed is None else 6 * torch.rand(len(hertz), generator=torch.manual_seed(seed))
    time = (torch.arange(8000, dtype=torch.float64) - centre) / RATE
    return sum(torch.cos(2 * math.pi * h * time + p) for h, p in zip(hertz, phases, strict=True)).float()[None]


def constant_q(n_fft: int, hop: int, bins_per_octave: int, min_hz: float) -> ConstantQ:
    features = Features(kind="cqt", n_fft=n_fft, hop=hop, bins_per_octave=bins_per_octave, min_hz=min_hz)
    return ConstantQ(features, RATE)


def middle(transform: ConstantQ, wave: torch.Tensor) -> torch.Tensor:
    """The power about sample 4000, [bins]."""
    return transform.power(wave)[0, 4000 // transform.config.hop]


@given(
    n=st.integers(1, 1500),
    n_fft=st.sampled_from([16, 64, 100, 256, 400, 512]),
    hop=st.sampled_from([1, 50, 64, 160]),
    bins_per_octave=st.integers(1, 24),
    min_hz=st.floats(30.0, 1500.0),
    seed=st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_bins_are_those_of_the_definition(
    n: int, n_fft: int, hop: int, bins_per_octave: int, min_hz: float, seed: int
) -> None:
    assume(hop <= n_fft and n / hop <= 100)
    x = torch.randn(n, generator=torch.Generator().manual_seed(seed))
    got = constant_q(n_fft, hop, bins_per_octave, min_hz).power(x[None])[0]
    expected = reference(x, n_fft, hop, bins_per_octave, min_hz)
    assert got.shape == expected.shape == (n // hop + 1, len(frequencies(RATE, bins_per_octave, min_hz)))
    assert ((got - expected).abs() <= 1e-5 * expected.amax(dim=1, keepdim=True)).all()


@pytest.mark.parametrize("bins_per_octave", [3, 12, 24])
def test_a_sine_is_loudest_in_its_bin_and_as_loud_in_every_one(bins_per_octave: int) -> None:
    transform = constant_q(UNCUT, 400, bins_per_octave, 110.0)
    hertz = frequencies(RATE, bins_per_octave, 110.0).tolist()
    for k in (0, 1, len(hertz) // 2, len(hertz) - 2, len(hertz) - 1):
        power = middle(transform, sines(hertz[k]))
        assert int(power.argmax()) == k
        # (Near half the sampling rate the first side lobe of the mirrored frequency, at -31 dB, falls in.)
        low = hertz[k] < RATE / 4
        assert float(power[k]) == pytest.approx(1 / 4, rel=2e-3 if low else 0.06)
        if k > 0:  # what Q says: a sine a step higher has half the amplitude
            assert float(power[k - 1]) == pytest.approx(1 / 16, rel=0.01 if low else 0.12)


@given(
    bins_per_octave=st.sampled_from([5, 12, 17, 24]),
    shift=st.integers(1, 20),
    hertz=st.lists(st.floats(220.0, 900.0), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_other_frequencies_are_the_same_spectrum_some_bins_further(
    bins_per_octave: int, shift: int, hertz: list[float], seed: int
) -> None:
    ratio = 2 ** (shift / bins_per_octave)
    assume(ratio * max(hertz) < 0.4 * RATE)
    transform = constant_q(UNCUT, 400, bins_per_octave, 110.0)
    plain = middle(transform, sines(*hertz, seed=seed))
    moved = middle(transform, sines(*(ratio * h for h in hertz), seed=seed))
    end = transform.bands - bins_per_octave // 2  # windows of few samples see their own grid
    assert (moved[shift:end] - plain[: end - shift]).abs().max() < 2e-3 * plain.max()


def test_zeros_stand_beyond_the_ends(generator: torch.Generator) -> None:
    transform = constant_q(512, 128, 12, 110.0)
    x = torch.randn(3, 1700, generator=generator)
    alone = transform.power(x)
    longer = transform.power(torch.nn.functional.pad(x, (0, 900)))
    assert torch.allclose(longer[:, : alone.shape[1]], alone, rtol=1e-5, atol=1e-8)
    for row, one in zip(x, alone, strict=True):
        assert torch.allclose(transform.power(row[None])[0], one, rtol=1e-5, atol=1e-8)


def test_each_parameter_changes_what_it_says() -> None:
    def front(**changes: float) -> FrontEnd:
        return FrontEnd(Features(**{"kind": "cqt", "n_fft": 1024, "min_hz": 110.0} | changes), RATE)

    centers = front().centers()
    assert len(centers) == front().bands == math.floor(12 * math.log2(4000 / 110))
    assert torch.allclose(centers[1:] / centers[:-1], torch.tensor(2 ** (1 / 12)))
    assert torch.allclose(front(bins_per_octave=24).centers()[::2][: len(centers)], centers)
    assert torch.allclose(front(min_hz=220.0).centers(), centers[12:])
    # A low bin's window is n_fft samples: half the amplitude is 1 / n_fft of the sampling rate away.
    for n_fft in (512, 1024):
        transform = front(n_fft=n_fft, hop=250).kind
        own, neighbour = (middle(transform, sines(110.0 + off)) for off in (0, RATE / n_fft))
        assert float(neighbour[0] / own[0]) == pytest.approx(1 / 4, rel=0.1)
    noise = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    long, short = (front(n_fft=n).kind.power(noise) for n in (2048, 512))
    assert long.shape == short.shape
    shared = centers > 16.9 * RATE / 512  # those whose windows are not cut are the same
    assert torch.allclose(long[:, :, shared], short[:, :, shared], rtol=1e-4, atol=1e-9)
    assert not torch.allclose(long[:, :, ~shared], short[:, :, ~shared], rtol=0.1)


@pytest.mark.parametrize("bins_per_octave", [12, 24, 36])
@pytest.mark.parametrize("semitones", [-7, -1, 2, 6])
def test_augmentation_moves_a_tone_by_as_many_bins(bins_per_octave: int, semitones: int) -> None:
    front_end = FrontEnd(Features(kind="cqt", n_fft=UNCUT, bins_per_octave=bins_per_octave, min_hz=110.0), RATE)
    samples = torch.tensor([8000])
    hertz, ratio = float(front_end.centers()[bins_per_octave * 2]), 2 ** (semitones / 12)
    before, sung = (front_end.spectrum(sines(h), samples)[:, 8:24] for h in (hertz, ratio * hertz))
    after = before @ front_end.kind.pitch_matrix(torch.tensor([ratio]))
    steps = semitones * bins_per_octave // 12
    assert (after.argmax(2) - before.argmax(2) == steps).all()
    # Not only the peak: it is the spectrum of the tone that was asked for.
    near = slice(bins_per_octave * 2 + steps - 2, bins_per_octave * 2 + steps + 3)
    assert (after - sung)[:, :, near].abs().max() < 0.1


def test_half_a_semitone_lies_between_two_bins() -> None:
    front_end = FrontEnd(Features(kind="cqt", min_hz=110.0), RATE)
    ramp = torch.arange(front_end.bands).float()[None, None]
    moved = (ramp @ front_end.kind.pitch_matrix(torch.tensor([2 ** (0.5 / 12)])))[0, 0]
    assert torch.allclose(moved[1:], ramp[0, 0, 1:] - 0.5, atol=0.02)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"min_hz": 3800.0}, r"features\.min_hz is 3800\.0.*8000 Hz.*at most 3775"),
        ({"min_hz": 4000.0}, r"features\.min_hz is 4000\.0"),
    ],
)
def test_a_scale_without_bins_is_refused(changes: dict[str, float], told: str) -> None:
    with pytest.raises(UserError, match=told) as error:
        FrontEnd(Features(kind="cqt", **changes), RATE)
    assert str(error.value).count("\n") == 0


def test_the_suggested_frequency_is_accepted() -> None:
    assert len(frequencies(RATE, 12, 3775.0)) == 1
    FrontEnd(Features(min_hz=1e5), RATE)  # other kinds do not read it


@pytest.mark.parametrize("n_fft", [256, 400])
def test_the_graph_gives_the_tokens_of_the_module_also_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator, n_fft: int
) -> None:
    config = from_dict(
        {
            "data": {"sample_rate": RATE},
            "features": {"kind": "cqt", "n_fft": n_fft, "hop": 128, "min_hz": 110.0},
            "encoder": {"hidden": 8, "dim": 16},
            "codebook": {"num_tokens": 16},
        }
    )
    # Notes, quieter in the first half than in the second: only the whole tells how loud the loudest band is.
    notes = 220 * 2 ** (rng.integers(-12, 13, 60).repeat(1200) / 12)
    wave = np.sin(2 * np.pi * np.cumsum(notes) / RATE) + 0.02 * rng.standard_normal(len(notes))
    wave = (wave * np.where(np.arange(len(wave)) < len(wave) // 2, 1e-3, 0.5)).astype(np.float32)
    samples = torch.tensor([len(wave)])
    torch.manual_seed(0)
    model = create(config).eval()
    with torch.no_grad():
        spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(spectrum, model.front_end.frame_count(samples))[0]
        chosen = [0]
        for _ in range(15):  # whatever is least like those that are chosen: codewords without close neighbours
            chosen.append(int((z @ z[chosen].T).amax(1).argmin()))
        model.codebook.copy_(z[chosen])
        expected = model(torch.from_numpy(wave)[None], samples)[0][0].numpy()
    assert write_onnx(model, config, tmp_path / "t.onnx").agreement >= 0.999
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu")
    assert (tokenizer.encode_frames([wave], RATE)[0] != expected).mean() < 0.005
    for name, frames in (("CORE_FRAMES", 100), ("MARGIN_FRAMES", 100), ("FEATURE_FRAMES", 40)):
        monkeypatch.setattr(windowed, name, frames)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 9)))
    assert len(set(expected.tolist())) > 8
    assert (got != expected).mean() < 0.005
    # Windows that each take themselves for the whole would differ: the check can fail.
    halves = np.array_split(wave, 2)
    apart = np.concatenate(tokenizer.encode_frames(halves, RATE))
    assert (apart[: len(expected)] != expected[: len(apart)]).mean() > 0.2
