"""From a recording to the token string that an index is asked for."""

from pathlib import Path

import numpy as np

from wav2tok.audio import decode
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.doubts import Doubts, say
from wav2tok.audio.silence import trimmed
from wav2tok.errors import UserError
from wav2tok.tokenizer.tokenizer import Tokenizer


def tokens_of(path: str | Path, tokenizer: Tokenizer) -> np.ndarray:
    """The token string of a recording that asks, int64 [L], without the silence around it.

    Silence changes the tokens of the sound next to it, so it is cut off (`wav2tok.audio.silence.trimmed`).

    Raises:
        UserError: the file is missing, not audio, damaged, empty or silent.
    """
    doubts = Doubts()
    waveform = decode.read(path, tokenizer.sample_rate, doubts)
    if len(waveform) > LONG_SAMPLES:
        return tokenizer.encode_file(path)
    asks = sound(waveform, tokenizer.sample_rate, path)
    # One that is too short for the index is refused there.
    say(path, {kind: phrase for kind, phrase in doubts.phrases.items() if kind != "short"})
    (tokens,) = tokenizer.encode([asks], tokenizer.sample_rate)
    return tokens


def sound(waveform: np.ndarray, sample_rate: int, name: str | Path) -> np.ndarray:
    """A waveform that asks, float [N], without the silence around it.

    Args:
        name: of the recording, for errors.

    Raises:
        UserError: it is silent.
    """
    if not np.abs(waveform).max(initial=0.0) > 0:
        raise UserError(f"{name} is silent, so there is nothing to look for; use another recording.", "query")
    return trimmed(waveform, sample_rate)
