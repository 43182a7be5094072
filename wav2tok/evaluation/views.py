"""Changed copies of a recording, made in the waveform: what a query that is faster or in another key sounds like.

python-stretch (Signalsmith Stretch, MIT) changes one and leaves the other; it compensates its own latency, takes 15 ms
for 6 s of audio and holds the interpreter's lock, so threads don't help. Its seed is fixed: a view is always the same.
"""

import numpy as np

from wav2tok.evaluation.protocol import View


def make(waveform: np.ndarray, view: View, sample_rate: int) -> np.ndarray:
    """float32 [N] as ``view`` says; a tempo of 1.25 gives round(N / 1.25) samples at the same pitch."""
    if view.kind == "V":
        return waveform
    from python_stretch.Signalsmith import Stretch

    stretch = Stretch(0)
    stretch.preset(1, sample_rate)
    if view.kind == "TS":
        stretch.setTimeFactor(view.factor)
    else:
        stretch.setTransposeSemitones(view.factor)
    changed = np.asarray(stretch.process(np.ascontiguousarray(waveform[None], dtype=np.float32)))
    return np.ascontiguousarray(changed[0])
