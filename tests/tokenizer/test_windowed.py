"""A recording that is read in windows has the tokens of one piece."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok.config.parameters import from_dict, to_dict
from wav2tok.config.schema import Config
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer import tokenizer as tokenizing
from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer


def small_windows(monkeypatch: pytest.MonkeyPatch, margin: int) -> None:
    """Windows of 64 frames (half a second of the tiny corpus), features in windows of 48."""
    monkeypatch.setattr(windowed, "CORE_FRAMES", 64)
    monkeypatch.setattr(windowed, "MARGIN_FRAMES", margin)
    monkeypatch.setattr(windowed, "FEATURE_FRAMES", 48)


def differing(tokenizer: Tokenizer, wave: np.ndarray, monkeypatch: pytest.MonkeyPatch, margin: int) -> float:
    """Share of the frames whose token is another in windows than in one piece."""
    (whole,) = tokenizer.encode_frames([wave], tokenizer.sample_rate)
    small_windows(monkeypatch, margin)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 7)))
    assert got.dtype == np.int64
    assert got.shape == whole.shape
    return float((got != whole).mean())


@pytest.fixture(scope="module")
def joined(waves: list[np.ndarray]) -> np.ndarray:
    """All recordings of the tiny corpus in a row, 14 s."""
    return np.concatenate(waves)


@pytest.fixture(scope="module")
def loud_end(joined: np.ndarray) -> np.ndarray:
    """The same, 60 dB louder at its end: its floor, mean and variance depend on all of it."""
    return joined * np.where(np.arange(len(joined)) < len(joined) - 6000, 1e-3, 1).astype(np.float32)


@pytest.mark.parametrize("which", ["joined", "loud_end"])
def test_a_recording_in_windows_has_the_tokens_of_one_piece(
    tokenizer: Tokenizer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    wave = request.getfixturevalue(which)
    shares = [differing(tokenizer, wave, monkeypatch, margin) for margin in (0, 8, 64, 200)]
    assert shares[0] > 0.03  # margins are needed
    assert shares[0] > shares[1] > 0.0005
    assert shares[2] <= 0.01
    assert shares[3] <= 0.002


@pytest.mark.parametrize("n", [1, 127, 128, 255, 256, 64 * 128 - 1, 64 * 128, 65 * 128, 128 * 128, 128 * 128 + 1])
def test_windows_give_as_many_tokens_as_one_piece(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch, n: int
) -> None:
    assert differing(tokenizer, joined[:n], monkeypatch, 64) <= 0.01


def test_how_a_recording_is_cut_into_blocks_does_not_matter(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_windows(monkeypatch, 16)
    expected = tokenizer.encode_blocks(partial(iter, [joined]))
    for cut in (2, 50, 1000):
        assert np.array_equal(tokenizer.encode_blocks(partial(iter, np.array_split(joined, cut))), expected)


def test_long_silence_has_the_tokens_of_one_piece(
    tokenizer: Tokenizer, joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows without a sound, also as a whole recording."""
    silence = np.zeros(40_000, dtype=np.float32)
    assert differing(tokenizer, np.concatenate([silence, joined[:20_000], silence]), monkeypatch, 128) <= 0.01
    # Features without any deviation show how their mean is rounded, for a few frames.
    assert differing(tokenizer, silence, monkeypatch, 128) <= 0.05


def test_long_waveforms_among_short_ones_keep_their_places(
    tokenizer: Tokenizer, waves: list[np.ndarray], joined: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = [waves[0], joined, waves[1], waves[2][:100], joined[:30_000][::-1], waves[3]]
    expected = tokenizer.encode_frames(mixed, 8000)
    small_windows(monkeypatch, 64)
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", 20_000)
    windowed: list[int] = []
    over_windows = Tokenizer.encode_blocks

    def encode_blocks(self: Tokenizer, blocks: partial) -> np.ndarray:
        windowed.append(sum(map(len, blocks())))
        return over_windows(self, blocks)

    monkeypatch.setattr(Tokenizer, "encode_blocks", encode_blocks)
    got = tokenizer.encode_frames(mixed, 8000)
    assert windowed == [len(joined), 30_000]
    for wave, one, other in zip(mixed, got, expected, strict=True):
        assert one.shape == other.shape
        assert (one == other).mean() >= (0.99 if len(wave) > 20_000 else 1)
    windowed.clear()
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(joined))
    assert np.array_equal(tokenizer.encode_frames([joined], 8000)[0], expected[1])
    assert windowed == []


@pytest.mark.parametrize(
    ("kind", "normalize", "stack", "encoder"),
    [(kind, normalize, 2, "lstm") for kind in ("mfcc", "logmel", "stft") for normalize in (True, False)]
    + [("mfcc", True, 1, "lstm"), ("mfcc", True, 3, "lstm"), ("mfcc", True, 2, "sru")],
)
def test_every_front_end_can_be_read_in_windows(
    tiny_config: Config,
    joined: np.ndarray,
    loud_end: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    normalize: bool,
    stack: int,
    encoder: str,
) -> None:
    values = to_dict(tiny_config)
    values["features"] |= {"kind": kind, "normalize": normalize}
    values["encoder"] |= {"stack": stack, "kind": encoder}
    config = from_dict(values)
    torch.manual_seed(0)
    model = create(config).eval()
    hidden = config.encoder.hidden
    # Magnitudes without normalisation do not depend on the whole, and those of quiet frames are all equal.
    wave = joined if kind == "stft" and not normalize else loud_end
    with torch.no_grad():
        # Untrained and with loud input a recurrent network may never forget, and no margin would do.
        if encoder == "sru":
            for layer in model.encoder.layers:
                layer.inputs.bias[2 * hidden : 4 * hidden] -= 3
        else:
            lstms = model.encoder.lstm
            for lstm in (*lstms.forwards, *lstms.backwards):
                lstm.bias_ih_l0[hidden : 2 * hidden] -= 3
            if not normalize and kind != "stft":
                for lstm in (lstms.forwards[0], lstms.backwards[0]):
                    lstm.weight_ih_l0 *= 0.1
        # A codebook of its own embeddings, so that many tokens occur.
        samples = torch.tensor([len(wave)])
        spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(spectrum, model.front_end.frame_count(samples))[0]
        model.codebook.copy_(z[:: len(z) // 8][:8])
    write_onnx(model, config, tmp_path / "t.onnx")
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu", threads=1)
    (whole,) = tokenizer.encode_frames([wave], 8000)
    assert len(whole) == len(wave) // (128 * stack) + 1
    assert len(set(whole.tolist())) > 3
    assert differing(tokenizer, wave, monkeypatch, 64) <= max(0.002, 1 / len(whole))
    assert differing(tokenizer, wave, monkeypatch, 0) > 0.005
