"""What the tests of the tokenizer share."""

from pathlib import Path

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)


@pytest.fixture(scope="module")
def waves(tiny_corpus: Path) -> list[np.ndarray]:
    return [decode.read(path, 8000) for path in find(tiny_corpus)]
