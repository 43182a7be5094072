"""The kinds of features, one file per kind (mel and MFCC share one). `wav2tok.model.front_end` uses them by name.

A new kind needs one file with a subclass of `Kind`, its entry in `KINDS` and its name in
`wav2tok.config.schema.Features`.
"""

from collections.abc import Callable

from wav2tok.config.schema import Features
from wav2tok.model.features.constant_q import ConstantQ
from wav2tok.model.features.contour import Contour
from wav2tok.model.features.kind import Kind
from wav2tok.model.features.mel import LogMel, Mfcc
from wav2tok.model.features.pitch import Pitch
from wav2tok.model.features.speech import Speech
from wav2tok.model.features.stft import Stft

KINDS: dict[str, Callable[[Features, int], Kind]] = {
    "mfcc": Mfcc,
    "logmel": LogMel,
    "stft": Stft,
    "cqt": ConstantQ,
    "pitch": Pitch,
    "speech": Speech,
    "contour": Contour,
}
"""By ``features.kind``."""
