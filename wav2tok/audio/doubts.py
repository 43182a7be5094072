"""Why a recording that can be read may still be bad: one phrase per reason, to follow its name in a message.

Training and tokenizing warn of it (`say`), and ``wav2tok validate`` judges it (`wav2tok.corpus.checks`).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from wav2tok.progress import log

SILENT_DBFS = -60.0
"""A recording whose sound is quieter is silent: nothing was recorded."""
OFFSET_SHARE = 0.99
"""The share of a recording's power that is a constant offset (DC), above which there is more offset than sound."""
SHORT_SECONDS = 0.1
LOUD = 8.0
"""Full scale is 1; where samples are so much louder, the file has another scale."""


@dataclass
class Doubts:
    """Measures a recording while it is read, and says what is doubtful about it.

    Attributes:
        phrases: {kind: phrase} of what is known so far.
    """

    phrases: dict[str, str] = field(default_factory=dict)
    _samples: int = 0
    _sum: float = 0.0
    _squares: float = 0.0
    _peak: float = 0.0

    def add(self, wave: np.ndarray) -> None:
        """Measure a part of the recording, float [N]."""
        if not len(wave):
            return
        self._samples += len(wave)
        wide = wave.astype(np.float64)
        self._sum += float(wide.sum())
        self._squares += float(np.einsum("i,i->", wide, wide))
        self._peak = max(self._peak, float(wave.max()), -float(wave.min()))

    def conclude(self, file_rate: int, wanted_rate: int) -> dict[str, str]:
        """All phrases, when the recording was read.

        Args:
            file_rate: Hz, of the file, at which it was measured.
            wanted_rate: Hz, of the model.
        """
        if not self._samples:
            return self.phrases
        mean, power = self._sum / self._samples, self._squares / self._samples
        sound = max(0.0, power - mean**2)
        dbfs = 10 * math.log10(sound) if sound > 1e-20 else -200.0
        seconds = self._samples / file_rate
        if dbfs < SILENT_DBFS:
            more = f", apart from a constant offset of {mean:.3g}" if abs(mean) > 1e-3 else ""
            self.phrases["silent"] = f"is silent ({dbfs:.0f} dBFS){more}"
        elif mean**2 > OFFSET_SHARE * power:
            self.phrases["offset"] = f"is mostly a constant offset of {mean:.3g}"
        if seconds < SHORT_SECONDS:
            self.phrases["short"] = f"has only {1000 * seconds:.3g} ms of sound"
        if self._peak > LOUD:
            self.phrases["scale"] = f"has samples of up to {self._peak:.3g}, and full scale is 1"
        if file_rate < wanted_rate:
            self.phrases["rate"] = f"has a sample rate of {file_rate} Hz, and the model hears {wanted_rate} Hz"
        return self.phrases


def say(path: object, phrases: dict[str, str]) -> None:
    """Warn of a recording, once for every doubt."""
    for kind, phrase in phrases.items():
        log.warning(f"{path} {phrase}", extra={"path": str(path), "kind": kind})
