"""Which waveforms are encoded, and which are refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr

from wav2tok.errors import UserError
from wav2tok.matching.distances import edit_distances
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("waveforms", "rate", "said"),
    [
        ("query.wav", 8000, "waveforms is the path query.wav; encode a file with encode_file"),
        (Path("query.wav"), 8000, "encode_file"),
        (np.zeros(800, np.float32), 8000, "put it in a list"),
        ([np.zeros(800, np.int16)], 8000, "waveform 0 has dtype int16; .*32768"),
        ([np.zeros(800, np.float32), np.zeros(800, complex)], 8000, "waveform 1 has dtype complex128"),
        ([["a", "b"]], 8000, "waveform 0 has dtype <U1"),
        ([np.zeros((2, 800), np.float32)], 8000, r"shape \(2, 800\); it must be one channel"),
        ([np.zeros(800, np.float32)], 0, "sample_rate is 0"),
        ([np.zeros(800, np.float32)], 8000.5, r"sample_rate is 8000\.5"),
        ([np.zeros(800, np.float32)], "8000", "sample_rate is '8000'"),
    ],
)
def test_what_is_no_waveform_is_refused_by_name(tokenizer: Tokenizer, waveforms: Any, rate: Any, said: str) -> None:
    with pytest.raises(UserError, match=said):
        tokenizer.encode(waveforms, rate)


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_encode_converts_the_rate(tokenizer: Tokenizer, waves: list[np.ndarray], rate: int) -> None:
    converted = [soxr.resample(w, 8000, rate) for w in waves]
    back = [soxr.resample(w, rate, 8000) for w in converted]
    got = tokenizer.encode(converted, rate)
    assert [s.tolist() for s in got] == [s.tolist() for s in tokenizer.encode(back, 8000)]
    distances = edit_distances(got, tokenizer.encode(waves, 8000))
    assert np.diag(distances).mean() < distances.mean()


def test_other_number_types_are_accepted(tokenizer: Tokenizer, waves: list[np.ndarray]) -> None:
    expected = tokenizer.encode(waves[:2], 8000)
    for same in ([w.astype(np.float64) for w in waves[:2]], [w.tolist() for w in waves[:2]]):
        assert [s.tolist() for s in tokenizer.encode(same, 8000)] == [s.tolist() for s in expected]
    assert tokenizer.encode([], 8000) == []


@pytest.mark.parametrize(
    "wave", [np.zeros(0), np.array([0.1, np.nan]), np.array([np.inf, 0.0]), np.zeros((2, 100)), np.float32(1.0)]
)
def test_an_invalid_waveform_is_named_by_its_position(tokenizer: Tokenizer, wave: np.ndarray) -> None:
    with pytest.raises(UserError, match="waveform 1 "):
        tokenizer.encode([np.ones(100), wave], 8000)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_samples_at_a_high_rate_still_have_a_string(tokenizer: Tokenizer, n: int) -> None:
    (string,) = tokenizer.encode([np.full(n, 0.1, dtype=np.float32)], 48000)
    assert len(string) == 1


@pytest.mark.parametrize("rate", [0, -8000])
def test_an_invalid_rate_is_a_user_error(tokenizer: Tokenizer, rate: int) -> None:
    with pytest.raises(UserError, match=str(rate)):
        tokenizer.encode([np.ones(100)], rate)


def test_silence_has_a_string(tokenizer: Tokenizer) -> None:
    (string,) = tokenizer.encode([np.zeros(4000)], 8000)
    assert len(string) >= 1
