"""The ready-made models, and sounds of the sample's synthesizer."""

from pathlib import Path

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.sample.corpus import SAMPLE_RATE, make
from wav2tok.tokenizer.tokenizer import Tokenizer

RATE = SAMPLE_RATE


@pytest.fixture(scope="session")
def humming() -> Tokenizer:
    return Tokenizer.from_pretrained("wav2tok:humming", "cpu", threads=1)


@pytest.fixture(scope="session")
def speech() -> Tokenizer:
    return Tokenizer.from_pretrained("wav2tok:speech", "cpu", threads=1)


@pytest.fixture(scope="session")
def sung(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five melodies by two singers, ``MELODY/SINGER_01.flac``."""
    folder = tmp_path_factory.mktemp("live") / "sung"
    make(folder, melodies=5, singers=2)
    return folder


@pytest.fixture(scope="session")
def concert(sung: Path) -> tuple[np.ndarray, list[tuple[str, float, float]]]:
    """All melodies by the second singer, a second of noise before each and two after the last.

    Returns:
        Its samples, float32 [N], and the name, start and end of each melody in seconds.
    """
    rng = np.random.default_rng(0)
    parts: list[np.ndarray] = []
    places, at = [], 0
    for path in sorted(sung.glob("*/singer02_01.flac")):
        wave = decode.read(path, RATE)
        parts += [rng.normal(0, 1e-3, RATE).astype(np.float32), wave]
        places.append((path.parent.name, (at + RATE) / RATE, (at + RATE + len(wave)) / RATE))
        at += RATE + len(wave)
    return np.concatenate([*parts, rng.normal(0, 1e-3, 2 * RATE).astype(np.float32)]), places
