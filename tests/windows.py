"""Windows that are small enough for tests, and how much they change."""

from functools import partial

import numpy as np
import pytest

from wav2tok.tokenizer import windowed
from wav2tok.tokenizer.tokenizer import Tokenizer


def small_windows(monkeypatch: pytest.MonkeyPatch, core: int = 64, margin: int = 64, features: int = 48) -> None:
    """Read long recordings in windows of this many frames; the defaults are half a second of the tiny corpus."""
    monkeypatch.setattr(windowed, "CORE_FRAMES", core)
    monkeypatch.setattr(windowed, "MARGIN_FRAMES", margin)
    monkeypatch.setattr(windowed, "FEATURE_FRAMES", features)


def differing(tokenizer: Tokenizer, wave: np.ndarray) -> float:
    """Share of the steps of a recording, float32 [N], whose token is another in windows than in one piece."""
    (whole,) = tokenizer.encode_frames([wave], tokenizer.sample_rate)
    got = tokenizer.encode_blocks(partial(iter, np.array_split(wave, 7)))
    assert got.dtype == np.int64
    assert got.shape == whole.shape
    return float((got != whole).mean())
