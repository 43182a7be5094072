"""From a recording to the token string that an index is asked for."""

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.doubts import Doubts, say
from wav2tok.audio.silence import sounding
from wav2tok.audio.source import Source
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.tokenizer.batch import tokenized
from wav2tok.tokenizer.tokenizer import Tokenizer


def tokens_of(path: Source, tokenizer: Tokenizer) -> np.ndarray:
    """The token string of a recording that asks, int64 [L], without the silence around it (`query_of`)."""
    return query_of(path, tokenizer).tokens


def query_of(path: Source, tokenizer: Tokenizer) -> Tokenized:
    """A recording that asks, without the silence around it: its ``seconds`` are those of the sound.

    Silence changes the tokens of the sound next to it, so it is cut off (`sound`). A recording of more than
    `wav2tok.audio.ahead.LONG_SAMPLES` samples is read as it is.

    Raises:
        UserError: the file is missing, not audio, damaged, empty or silent.
    """
    rate = tokenizer.sample_rate
    doubts = Doubts()
    waveform = decode.read(path, rate, doubts)
    part = sound(waveform, rate, path) if len(waveform) <= LONG_SAMPLES else slice(0, len(waveform))
    # One that is too short for the index is refused there.
    say(path, {kind: phrase for kind, phrase in doubts.phrases.items() if kind != "short"})
    (frames,) = tokenizer.encode_frames([waveform[part]], rate)
    return tokenized(str(path), (part.stop - part.start) / rate, frames, part.start / rate)


def sound(waveform: np.ndarray, sample_rate: int, name: Source) -> slice:
    """The part of a waveform, float [N], that asks: without the silence around it (`wav2tok.audio.silence.sounding`).

    Args:
        name: of the recording, for errors.

    Raises:
        UserError: it is silent.
    """
    if not np.abs(waveform).max(initial=0.0) > 0:
        raise UserError(f"{name} is silent, so there is nothing to look for; use another recording.", "query")
    return sounding(waveform, sample_rate)
