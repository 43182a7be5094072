"""The tokenizer and the untrained encoder on features that are computed once."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.evaluation.encoders import Encoders
from wav2tok.model import checkpoint
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import fill
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def untrained(tiny_model: Path) -> Wav2Tok:
    return checkpoint.load(tiny_model, "untrained")[0]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu", threads=2)


@pytest.fixture(scope="module")
def waves(tiny_corpus: Path) -> list[np.ndarray]:
    return [decode.read(path, 8000) for path in find(tiny_corpus)]


def test_the_strings_are_those_of_each_encoder_alone(
    tokenizer: Tokenizer, untrained: Wav2Tok, waves: list[np.ndarray]
) -> None:
    both = Encoders(tokenizer, untrained)
    by_torch = tokenize(untrained, fill(waves, untrained.front_end, None, torch.device("cpu")))
    ours = [tokens.tolist() for tokens in both.tokens(waves)]
    theirs = [tokens.tolist() for tokens in both.untrained_tokens(waves)]
    assert ours == [tokens.tolist() for tokens in tokenizer.encode(waves, 8000)]
    assert theirs == [tokens.tolist() for tokens in by_torch]
    assert ours != theirs


def test_one_list_is_read_once_and_a_copy_again(
    tokenizer: Tokenizer, untrained: Wav2Tok, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[np.ndarray]] = []
    encode = tokenizer.encode_with_features

    def recorded(waveforms: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        read.append(waveforms)
        return encode(waveforms)

    monkeypatch.setattr(tokenizer, "encode_with_features", recorded)
    both, others = Encoders(tokenizer, untrained), waves[:2]
    for waveforms in (waves, others):
        both.tokens(waveforms)
        both.untrained_tokens(waveforms)
    assert read == [waves, others]
    assert [x.tolist() for x in both.untrained_tokens([*waves])] == [x.tolist() for x in both.untrained_tokens(waves)]
    assert len(read) == 4
