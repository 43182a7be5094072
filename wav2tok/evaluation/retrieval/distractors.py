"""Distractors: hums of invented melodies by synthetic singers, which are relevant to no query.

A test has few melodies, so the right ones are near the top by chance. Among a thousand others they are not.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from wav2tok.progress import track
from wav2tok.sample import singers
from wav2tok.sample.corpus import THREADS, take
from wav2tok.sample.melodies import invent

_STREAM = 3
"""Of random numbers: the sample corpus of the same seed draws from others, so no melody of it is a distractor."""


def synthesize(count: int, sample_rate: int, seed: int) -> list[np.ndarray]:
    """``count`` hums, float32 [N] each at ``sample_rate`` (Hz); more of them leave the first ones unchanged."""

    def hum(index: int) -> np.ndarray:
        melody = invent(f"distractor_{index}", np.random.default_rng([seed, _STREAM, index, 0]))
        performance = np.random.default_rng([seed, _STREAM, index, 1])
        # A singer each; their seed is not that of the sample's singers.
        return take(melody, singers.draw(index, seed + 1), sample_rate, performance).astype(np.float32)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(track(pool.map(hum, range(count)), "synthesizing distractors", count))
