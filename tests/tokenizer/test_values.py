"""What is read beside the tokens: features, and how near a step is to its codeword."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok.model import checkpoint
from wav2tok.tokenizer import ready_made
from wav2tok.tokenizer import tokenizer as tokenizing
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_features_are_those_that_torch_computes(
    tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of short recordings, and of one that is read in windows."""
    front_end = checkpoint.load(tiny_model)[0].front_end
    waves = [*waves[:3], np.tile(waves[3], 3)]
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(waves[3]) - 1)
    read = tokenizer.encode_with_features(waves)
    expected = tokenizer.encode_frames(waves, 8000)
    assert [tokens.tolist() for tokens, _ in read] == [tokens.tolist() for tokens in expected]
    for wave, (_, features) in zip(waves, read, strict=True):
        samples = torch.tensor([len(wave)])
        frames = front_end.frame_count(samples)
        with torch.inference_mode():
            known = front_end.differences(front_end.spectrum(torch.from_numpy(wave)[None], samples), frames)[0]
        np.testing.assert_allclose(features, known.numpy(), atol=1e-3)


def test_similarities_are_those_that_torch_computes(
    tokenizer: Tokenizer, tiny_model: Path, waves: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of short recordings, of one that is read in windows, and of one given in blocks."""
    model = checkpoint.load(tiny_model)[0].eval()
    waves = [*waves[:3], np.tile(waves[3], 3)]
    monkeypatch.setattr(tokenizing, "LONG_SAMPLES", len(waves[3]) - 1)
    read = tokenizer.encode_with_similarities(waves)
    assert read is not None
    blocks = tokenizer.similarities_of_blocks(lambda: np.array_split(waves[3], 7))
    np.testing.assert_allclose(blocks, read[3][1], atol=1e-5)
    for wave, (tokens, cosines), plain in zip(waves, read, tokenizer.encode_frames(waves, 8000), strict=True):
        assert tokens.tolist() == plain.tolist()
        samples = torch.tensor([len(wave)])
        with torch.inference_mode():
            spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
            known = model.embed(spectrum, model.front_end.frame_count(samples)) @ model.codebook.T
        np.testing.assert_allclose(cosines, known[0].amax(dim=1).numpy()[: len(tokens)], atol=1e-3)


@pytest.mark.parametrize("name", ready_made.names())
def test_a_ready_made_model_says_how_near_its_codewords_are(name: str, waves: list[np.ndarray]) -> None:
    found = Tokenizer.from_pretrained(name, "cpu").encode_with_similarities([np.tile(waves[0], 4)])
    assert found is not None
    ((tokens, cosines),) = found
    assert len(tokens) == len(cosines)
    assert (cosines > 0).all()
    assert (cosines <= 1 + 1e-5).all()
