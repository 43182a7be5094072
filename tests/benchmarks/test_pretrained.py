"""Tokenizing and training with the pretrained architectures, on a tiny model of the same kind."""

import pytest
import torch
from torchaudio.models import wav2vec2_model

from benchmarks.pretrained import tokenize

WIDTH, LAYERS = 16, 3


@pytest.fixture
def tiny():
    """Three layers of width 16, a frame every 20 samples, no layer skipped, no dropout."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return wav2vec2_model(
            extractor_mode="group_norm",
            extractor_conv_layer_config=[(8, 10, 5), (8, 4, 4)],
            extractor_conv_bias=False,
            encoder_embed_dim=WIDTH,
            encoder_projection_dropout=0.0,
            encoder_pos_conv_kernel=8,
            encoder_pos_conv_groups=2,
            encoder_num_layers=LAYERS,
            encoder_num_heads=2,
            encoder_attention_dropout=0.0,
            encoder_ff_interm_features=24,
            encoder_ff_interm_dropout=0.0,
            encoder_dropout=0.0,
            encoder_layer_norm_first=False,
            encoder_layer_drop=0.0,
            aux_num_out=None,
        )


@pytest.fixture
def waveforms():
    return torch.randn(3, 800, generator=torch.Generator().manual_seed(2))


@pytest.fixture
def centroids():
    # Of different lengths, so that the nearest one is not the one with the largest inner product.
    generator = torch.Generator().manual_seed(3)
    return torch.randn(11, WIDTH, generator=generator) * torch.linspace(0.3, 2, 11)[:, None]


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_tokens_are_the_nearest_centroids_at_the_layer(tiny, waveforms, centroids, layer):
    tokens = tokenize(tiny, waveforms, centroids, layer)
    features = tiny.eval().extract_features(waveforms)[0][layer - 1]
    assert tokens.shape == features.shape[:2]
    assert tokens.dtype == torch.int64
    for row, frames in zip(tokens, features, strict=True):
        for token, frame in zip(row, frames, strict=True):
            distances = (frame.double() - centroids.double()).norm(dim=1)
            assert distances[token] <= distances.min() + 1e-5
    assert len(tokens.unique()) > 1
