"""The pretrained models' stand-ins, on a model of the same kind that is tiny."""

import copy

import pytest
import torch
from torchaudio.models import wav2vec2_model

from benchmarks import pretrained
from benchmarks.pretrained import build, tokenize, training_step

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
    # Of unlike lengths, so that the nearest is not the one of the largest inner product.
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


def test_there_is_a_token_for_every_frame_of_the_model(tiny, waveforms, centroids):
    _, frames = tiny.eval()(waveforms, torch.full((3,), 800))
    assert frames.tolist() == [39] * 3
    assert tokenize(tiny, waveforms, centroids, 1).shape == (3, 39)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_no_layer_after_the_chosen_one_is_computed(tiny, waveforms, centroids, layer):
    called = []
    for i, block in enumerate(tiny.encoder.transformer.layers):
        block.register_forward_hook(lambda *_, i=i: called.append(i))
    tokenize(tiny, waveforms, centroids, layer)
    assert called == list(range(layer))


@pytest.mark.parametrize("layer", [0, 4])
def test_a_layer_that_the_model_has_not_is_refused(tiny, waveforms, centroids, layer):
    with pytest.raises(ValueError, match="num_layers"):
        tokenize(tiny, waveforms, centroids, layer)


def test_the_sixth_layer_is_meant_unless_said_otherwise(tiny, waveforms, centroids, monkeypatch):
    asked = []
    extract = tiny.extract_features
    monkeypatch.setattr(tiny, "extract_features", lambda w, num_layers: asked.append(num_layers) or extract(w))
    tokenize(tiny, waveforms, centroids)
    assert asked == [6]


def test_tokens_are_the_same_after_training_mode_and_carry_no_gradient(tiny, waveforms, centroids):
    for module in tiny.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    tokens = tokenize(tiny.train(), waveforms, centroids, 3)
    assert torch.equal(tokenize(tiny.train(), waveforms, centroids, 3), tokens)
    assert tokens.is_inference()


def test_a_training_step_changes_every_weight_matrix(tiny, waveforms):
    before = copy.deepcopy(tiny)
    training_step(tiny.eval(), waveforms, torch.optim.AdamW(tiny.parameters(), lr=1e-3))
    assert tiny.training
    for (name, old), new in zip(before.named_parameters(), tiny.parameters(), strict=True):
        if old.dim() > 1:
            assert not torch.equal(old, new), name


def test_the_target_is_the_same_at_every_step(tiny, waveforms):
    """Two models that are alike stay alike, whatever the state of torch's own generator."""
    other = copy.deepcopy(tiny)
    for seed, model in enumerate((tiny, other)):
        torch.manual_seed(seed)
        for _ in range(2):
            training_step(model, waveforms, torch.optim.SGD(model.parameters(), lr=0.1))
    for one, two in zip(tiny.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_gradients_do_not_add_up_over_steps(tiny, waveforms):
    optimizer = torch.optim.SGD(tiny.parameters(), lr=0.0)
    training_step(tiny, waveforms, optimizer)
    first = [p.grad.clone() for p in tiny.parameters()]
    training_step(tiny, waveforms, optimizer)
    for one, parameter in zip(first, tiny.parameters(), strict=True):
        assert torch.allclose(one, parameter.grad, atol=1e-7)


def test_another_name_is_refused():
    with pytest.raises(ValueError, match=r"'hubert' is no model here.*hubert_base, wav2vec2_base"):
        build("hubert")


def test_weights_are_seeded_and_torchs_generator_is_left_alone(tiny, monkeypatch):
    monkeypatch.setitem(pretrained.MODELS, "line", lambda: torch.nn.Linear(3, 3))
    torch.manual_seed(5)
    one = build("line")
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(1))
    assert torch.equal(one.weight, build("line").weight)
    assert not one.training


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hubert_base", "wav2vec2_base"])
def test_the_models_have_their_right_size(name):
    model = build(name)
    assert 94e6 < sum(p.numel() for p in model.parameters()) < 95e6
    assert not model.training
    centroids = torch.randn(5, 768, generator=torch.Generator().manual_seed(0))
    for layer in (6, 12):
        assert tokenize(model, torch.zeros(1, 16000), centroids, layer).shape == (1, 49)
