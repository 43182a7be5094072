"""The model as a whole: seeds, shapes, padding, what is trained and what is kept."""

import dataclasses

import pytest
import torch

from wav2tok.config.schema import Config
from wav2tok.model.wav2tok import create


def published(config: Config) -> Config:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, recipe="published"))


def test_weights_follow_from_the_seed_alone(tiny_config: Config) -> None:
    torch.manual_seed(1)
    one = create(tiny_config).state_dict()
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    two = create(tiny_config).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = create(dataclasses.replace(tiny_config, seed=1)).state_dict()
    assert not torch.equal(one["encoder.projection.weight"], other["encoder.projection.weight"])


@pytest.mark.parametrize("stack", [1, 2, 3])
def test_tokens_are_within_the_codebook_and_know_no_padding(
    tiny_config: Config, generator: torch.Generator, stack: int
) -> None:
    config = dataclasses.replace(tiny_config, encoder=dataclasses.replace(tiny_config.encoder, stack=stack))
    model = create(config).eval()
    wave = 0.1 * torch.randn(5, 4000, generator=generator)
    samples = torch.tensor([4000, 1, 2500, 20 * 128, 128])  # 32, 1, 20, 21 and 2 frames
    with torch.no_grad():
        z = model.embed(model.front_end.spectrum(wave, samples), model.front_end.frame_count(samples))
        model.codebook.copy_(z[0, :8])
    tokens, steps = model(wave, samples)
    assert steps.tolist() == [-(-(n // 128 + 1) // stack) for n in samples.tolist()]
    assert steps.tolist() == [n // (128 * stack) + 1 for n in samples.tolist()]
    assert tokens.shape == (5, int(steps[0]))
    assert 0 <= int(tokens.min()) <= int(tokens.max()) < 8
    assert len(tokens.unique()) > 1
    for i, n in enumerate(samples.tolist()):
        alone, count = model(wave[i : i + 1, :n], samples[i : i + 1])
        assert int(count) == int(steps[i]) == alone.shape[1]
        assert torch.equal(tokens[i, : int(count)], alone[0])


def test_the_codebook_is_kept_but_never_trained(tiny_config: Config) -> None:
    model = create(tiny_config)
    assert "codebook" in model.state_dict()
    assert "codebook" not in dict(model.named_parameters())
    assert model.codebook.shape == (8, 16)
    assert not any(name.startswith("front_end") for name in model.state_dict())


@pytest.mark.parametrize(("recipe", "scored"), [("staged", False), ("published", True)])
def test_only_the_parameterised_similarity_has_weights(tiny_config: Config, recipe: str, scored: bool) -> None:
    model = create(published(tiny_config) if recipe == "published" else tiny_config)
    assert (model.score is not None) == scored


def test_a_codebook_is_scaled_to_unit_rows(tiny_config: Config, generator: torch.Generator) -> None:
    model = create(tiny_config)
    rows = torch.randn(8, 16, generator=generator) * torch.logspace(-3, 3, 8)[:, None]
    model.set_codebook(rows.requires_grad_())
    assert torch.allclose(model.codebook, rows / rows.norm(dim=1, keepdim=True), atol=1e-6)
    assert not model.codebook.requires_grad
    assert model.state_dict()["codebook"] is not rows


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_codebook_that_is_not_finite_is_refused(tiny_config: Config, value: float) -> None:
    model = create(tiny_config)
    before = model.codebook.clone()
    rows = torch.ones(8, 16)
    rows[3, 5] = value
    with pytest.raises(ValueError, match=r"it must be \(8, 16\) of finite numbers"):
        model.set_codebook(rows)
    assert torch.equal(model.codebook, before)


@pytest.mark.parametrize("shape", [(7, 16), (8, 15), (16, 8), (16,), (1, 8, 16)])
def test_a_codebook_of_another_shape_is_refused(tiny_config: Config, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the codebook has shape .*; it must be \(8, 16\)"):
        create(tiny_config).set_codebook(torch.ones(shape))
