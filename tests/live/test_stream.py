"""Tokens of a growing recording against those of files: cut from it, or all of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.live.stream import AFTER_SECONDS, CORE_SECONDS, StepStream, TokenStream
from wav2tok.matching import runs
from wav2tok.tokenizer.tokenizer import Tokenizer

CUTS = st.lists(st.integers(0, 6 * 16000), max_size=12)


def pieces(wave: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """A waveform in pieces, some of which may be empty."""
    return np.split(wave, sorted(cuts))


def streamed(stream: StepStream, parts: list[np.ndarray]) -> np.ndarray:
    """All that a stream returns for these samples."""
    return np.concatenate([*[stream.push(part) for part in parts], stream.close()])


@pytest.fixture(scope="module")
def tiny(tiny_model) -> Tokenizer:
    """A recurrent encoder, of two feature frames a step."""
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


@pytest.fixture(params=["humming", "speech", "tiny"])
def tokenizer(request) -> Tokenizer:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def wave(concert) -> np.ndarray:
    """Twelve seconds, at 16 kHz."""
    return concert[0][: 12 * 16000 + 77]


@pytest.mark.parametrize("rate", [16000, 44100])
@settings(max_examples=8)
@given(cuts=CUTS)
def test_how_the_sound_is_cut_into_pieces_changes_nothing(speech, wave, rate, cuts):
    whole = streamed(StepStream(speech, rate), [wave[: 6 * 16000]])
    assert np.array_equal(streamed(StepStream(speech, rate), pieces(wave[: 6 * 16000], cuts)), whole)


def test_the_tokens_of_a_window_are_those_of_the_same_window_cut_from_the_file(tokenizer, wave):
    rate, step = tokenizer.sample_rate, tokenizer.step
    wave = decode.resample(wave, 16000, rate)
    stream = StepStream(tokenizer)
    tokens = streamed(stream, [wave])
    assert len(tokens) == stream.steps == len(wave) // step + 1
    for first in range(0, len(tokens), stream.core):
        begin = max(0, first - stream.before)
        if (first + stream.core + stream.after) * step > len(wave):
            end, last = len(wave), len(tokens)
        else:
            end, last = (first + stream.core + stream.after) * step, first + stream.core
        (cut,) = tokenizer.encode_frames([wave[begin * step : end]], rate)
        assert tokens[first:last].tolist() == cut[first - begin : last - begin].tolist()
        if last == len(tokens):
            break


def test_with_the_files_statistics_the_tokens_are_those_of_the_file(humming, speech, wave):
    for tokenizer in (humming, speech):
        stream = StepStream(tokenizer, statistics=tokenizer.statistics(lambda: [wave]))
        assert stream.after == tokenizer.margin  # no more of the sound matters
        assert np.array_equal(streamed(stream, [wave]), tokenizer.encode_frames([wave], 16000)[0])


def test_tokens_come_with_the_delay_that_is_stated(tokenizer, wave):
    rate = tokenizer.sample_rate
    wave = decode.resample(wave, 16000, rate)
    stream = StepStream(tokenizer)
    assert stream.delay <= CORE_SECONDS + AFTER_SECONDS + 2 * tokenizer.frame_seconds
    for heard in range(100, len(wave), 100):
        stream.push(wave[heard - 100 : heard])
        assert heard / rate - stream.steps * tokenizer.frame_seconds <= stream.delay


def test_a_stream_keeps_no_more_than_a_window(speech, rng):
    stream = StepStream(speech)
    longest = (stream.before + stream.core + stream.after) * speech.step
    for _ in range(40):
        stream.push(rng.normal(0, 0.1, 16000).astype(np.float32))
        assert len(stream._cutter._buffer) <= longest
        assert stream._cutter._buffer.base is None or len(stream._cutter._buffer.base) <= longest + 2 * 16000


def test_the_token_string_is_that_of_the_steps_and_leaves_no_gap(speech, wave):
    stream = TokenStream(speech)
    found = [token for part in pieces(wave, [5, 4000, 90000]) for token in stream.push(part)] + stream.close()
    steps = streamed(StepStream(speech), [wave])
    starts, lengths = runs(steps)
    assert [one.token for one in found] == steps[starts].tolist()
    assert [one.start for one in found] == pytest.approx((starts * speech.frame_seconds).tolist(), abs=1e-3)
    assert [one.end for one in found] == pytest.approx(((starts + lengths) * speech.frame_seconds).tolist(), abs=1e-3)


def test_silence_and_nothing_at_all(humming):
    assert TokenStream(humming).close() == []
    stream = TokenStream(humming)
    found = stream.push(np.zeros(5 * 16000, np.float32)) + stream.close()
    assert found[0].start == 0.0
    assert found[-1].end == pytest.approx(5, abs=humming.frame_seconds)
    assert len(found) <= 2  # the edge of the recording, and silence


def test_wrong_values_are_refused(humming):
    for arguments in ({"sample_rate": 0}, {"window": -1.0}):
        with pytest.raises(UserError, match="must be greater than 0"):
            StepStream(humming, **arguments)
    with pytest.raises(UserError, match="not finite"):
        StepStream(humming).push(np.array([0.0, np.nan]))
