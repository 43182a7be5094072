"""The encoder of simple recurrent units in the exported graph: the same tokens at any length, alone and in batches."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.codewords import spread_codebook
from wav2tok.config.schema import Config
from wav2tok.model.codebook import assign
from wav2tok.model.wav2tok import create
from wav2tok.release.export import write_onnx
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.mark.parametrize("stack", [1, 2])
def test_the_exported_graph_gives_the_tokens_of_torch(
    tiny_config: Config, tmp_path: Path, generator: torch.Generator, stack: int
) -> None:
    """At lengths of 1 to 600 steps, on either side of powers of two: that many rounds of doubling."""
    encoder = dataclasses.replace(tiny_config.encoder, kind="sru", stack=stack)
    config = dataclasses.replace(tiny_config, encoder=encoder)
    model = create(config)
    spread_codebook(model, generator)
    parity = write_onnx(model, config, tmp_path / "t.onnx")
    assert parity.agreement >= 0.999
    tokenizer = Tokenizer(tmp_path / "t.onnx", "cpu")
    hop = config.features.hop * stack
    rng = np.random.default_rng(0)
    lengths = [steps * hop - 1 for steps in (1, 2, 3, 31, 32, 33, 64, 65, 600)]
    waves = [rng.normal(0, np.linspace(0.01, 1, n)).astype(np.float32) for n in lengths]
    together = tokenizer.encode_frames(waves, config.data.sample_rate)
    differing, used = 0, set()
    for wave, tokens in zip(waves, together, strict=True):
        samples = torch.tensor([len(wave)])
        with torch.inference_mode():
            spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
            z = model.embed(spectrum, model.front_end.frame_count(samples))
        expected = assign(z, model.codebook)[0].numpy()
        assert tokens.shape == expected.shape == (len(wave) // hop + 1,)
        differing += int((tokens != expected).sum())
        used |= set(tokens.tolist())
    assert len(used) > 3
    assert differing <= 1  # between two tokens a rounding can decide
