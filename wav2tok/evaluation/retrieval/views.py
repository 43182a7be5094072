"""Changed copies of a recording, made from its waveform: faster or slower, in another key, in a room, or with babble.

python-stretch (Signalsmith Stretch, MIT) changes tempo or pitch and keeps the other. It compensates its own latency,
takes 15 ms for 6 s of audio and holds the interpreter's lock, so threads do not help. Its seed is fixed, so a view is
always the same.

Babble is mixed from training recordings alone, so that no query contains its own answer.
"""

import math

import numpy as np

from wav2tok.audio.rooms import mix, reverberate
from wav2tok.evaluation.retrieval.protocol import View


def make(
    waveform: np.ndarray,
    view: View,
    sample_rate: int,
    noise: np.ndarray | None = None,
    response: np.ndarray | None = None,
) -> np.ndarray:
    """The waveform, float32 [N], changed as ``view`` says; tempo 1.25 gives round(N / 1.25) samples at the same pitch.

    Args:
        noise: float32 [N], which an SNR view, or a ROOM view of finite SNR, mixes in; other views ignore it.
        response: of the room of a ROOM view, as `rooms.impulse_response` returns it; other views ignore it.
    """
    if view.kind == "V":
        return waveform
    if view.kind == "SNR":
        if noise is None:
            raise ValueError("an SNR view needs a noise")
        return mix(waveform, noise, view.factor)
    if view.kind == "ROOM":
        if response is None:
            raise ValueError("a ROOM view needs an impulse response")
        heard = reverberate(waveform, response)
        return make(heard, View("SNR", view.factor), sample_rate, noise) if math.isfinite(view.factor) else heard
    from python_stretch.Signalsmith import Stretch

    stretch = Stretch(0)
    stretch.preset(1, sample_rate)
    if view.kind == "TS":
        stretch.setTimeFactor(view.factor)
    else:
        stretch.setTransposeSemitones(view.factor)
    changed = np.asarray(stretch.process(np.ascontiguousarray(waveform[None], dtype=np.float32)))
    return np.ascontiguousarray(changed[0])
