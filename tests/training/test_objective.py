"""What is descended is the weighted sum of what is reported, and the published recipe is the paper's."""

import dataclasses
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from wav2tok.config.schema import PUBLISHED, STAGED, Config, Recipe
from wav2tok.losses.alignment import align
from wav2tok.losses.contrast import triplet_loss
from wav2tok.losses.likelihood import likelihood_loss
from wav2tok.losses.matching import matching_loss, prototypes
from wav2tok.model.codebook import assign, compress
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.training.augment import augment, same_length
from wav2tok.training.objective import Triplets, Views, objective, views_of

FRAME_RATE = 62.5


def setup(config: Config, recipe: Recipe) -> tuple[Wav2Tok, Views]:
    """A model with a random codebook, and random views of four pairs of three classes."""
    name = "staged" if recipe.use_cosine else "published"
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, recipe=name))
    generator = torch.Generator().manual_seed(0)
    model = create(config)
    model.codebook.copy_(F.normalize(torch.randn(8, 16, generator=generator), dim=1))

    def unit(*shape: int) -> torch.Tensor:
        return F.normalize(torch.randn(*shape, generator=generator), dim=2).requires_grad_()

    lengths = torch.tensor([20, 13, 7, 16]), torch.tensor([11, 18, 9, 1])
    return model, Views(unit(4, 20, 16), lengths[0], unit(4, 18, 16), lengths[1], torch.tensor([0, 1, 2, 0]))


def evaluate(model: Wav2Tok, views: Views, recipe: Recipe, contrast_only: bool = False):
    return objective(
        model,
        views,
        recipe,
        contrast_only=contrast_only,
        frame_rate=FRAME_RATE,
        generator=torch.Generator().manual_seed(1),
    )


def test_the_loss_is_the_weighted_sum_of_its_parts(tiny_config: Config) -> None:
    recipe = dataclasses.replace(
        STAGED, sequence_weight=0.9, frame_weight=0.6, codeword_weight=0.5, matching_weight=0.4, alpha=0.3, beta=0.2,
        aligned_weight=0.7,
    )  # fmt: skip
    loss, parts = evaluate(*setup(tiny_config, recipe), recipe)
    names = {"sequence", "frame", "codeword", "matching", "likelihood", "likelihood_back", "aligned", "loss"}
    assert parts.keys() == names
    expected = (
        0.9 * parts["sequence"]
        + 0.5 * parts["codeword"]
        + 0.6 * parts["frame"]
        + 0.4 * parts["matching"]
        + 0.3 * parts["likelihood"]
        + 0.2 * parts["likelihood_back"]
        + 0.7 * parts["aligned"]
    )
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.item() == float(parts["loss"])
    assert all(not part.requires_grad for part in parts.values())


WEIGHTS = [
    ({"sequence_weight": 0.5, "frame_weight": 0.0}, {"sequence"}),
    ({"sequence_weight": 0.0, "frame_weight": 0.5}, {"frame"}),
    ({"sequence_weight": 0.5, "frame_weight": 0.5}, {"sequence", "frame"}),
]


@pytest.mark.parametrize(("weights", "names"), WEIGHTS)
def test_the_first_stage_is_contrast_alone(tiny_config: Config, weights: dict[str, float], names: set[str]) -> None:
    recipe = dataclasses.replace(STAGED, **weights)
    model, views = setup(tiny_config, recipe)
    loss, parts = evaluate(model, views, recipe, contrast_only=True)
    assert parts.keys() == {*names, "loss"}
    assert loss.item() == pytest.approx(0.5 * sum(float(parts[name]) for name in names), rel=1e-6)
    loss.backward()
    for z in (views.a, views.b):
        assert z.grad is not None
        assert z.grad.abs().sum() > 0


def test_sequence_contrast_by_hand(tiny_config: Config) -> None:
    """Each pair of recordings aligned by itself; pairs 0 and 3 are of one class and no negatives of one another."""
    recipe = dataclasses.replace(STAGED, sequence_temperature=0.2)
    model, v = setup(tiny_config, recipe)
    _, parts = evaluate(model, v, recipe)
    logits = torch.zeros(4, 4, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            x, y = v.a[i : i + 1, : v.a_frames[i]], v.b[j : j + 1, : v.b_frames[j]]
            of_a, of_b = align(x, v.a_frames[i : i + 1], y, v.b_frames[j : j + 1])
            along = (x[0] * y[0, of_a[0]]).sum() + (y[0] * x[0, of_b[0]]).sum()
            logits[i, j] = along.item() / (x.shape[1] + y.shape[1]) / 0.2
    logits[0, 3] = logits[3, 0] = -torch.inf
    pairs = torch.arange(4)
    expected = (F.cross_entropy(logits, pairs) + F.cross_entropy(logits.T, pairs)) / 2
    assert float(parts["sequence"]) == pytest.approx(expected.item(), rel=1e-5)


def test_partners_are_the_same_with_and_without_sequence_contrast(tiny_config: Config) -> None:
    """So that the other parts mean the same thing in either recipe."""
    with_it = dataclasses.replace(STAGED, frame_weight=0.5)
    without = dataclasses.replace(with_it, sequence_weight=0.0)
    (_, one), (_, two) = (evaluate(*setup(tiny_config, recipe), recipe) for recipe in (with_it, without))
    assert "sequence" in one
    assert "sequence" not in two
    for name in ("frame", "aligned", "matching"):
        assert float(one[name]) == pytest.approx(float(two[name]), rel=1e-5), name


@pytest.mark.parametrize("use_cosine", [False, True])
def test_the_published_recipe_is_the_papers_objective(tiny_config: Config, use_cosine: bool) -> None:
    """L = L_m + alpha L_likelihood(X, T') + beta L_likelihood(X', T), pair by pair, and nothing else."""
    recipe = dataclasses.replace(PUBLISHED, use_cosine=use_cosine, alpha=0.02, beta=0.05)
    model, v = setup(tiny_config, recipe)
    loss, parts = evaluate(model, v, recipe)
    assert parts.keys() == {"matching", "likelihood", "likelihood_back", "loss"}

    e, tau = model.codebook, recipe.temperature
    forth, back, pooled = [], [], []
    for i in range(4):
        a, b = v.a[i : i + 1, : v.a_frames[i]], v.b[i : i + 1, : v.b_frames[i]]
        strings = [compress(assign(x, e), torch.tensor([x.shape[1]])) for x in (a, b)]
        forth.append(likelihood_loss(a @ e.T / tau, torch.tensor([a.shape[1]]), *strings[1]))
        back.append(likelihood_loss(b @ e.T / tau, torch.tensor([b.shape[1]]), *strings[0]))
        both = torch.cat([a, b], 1)
        pooled.append(prototypes(both, assign(both, e), torch.ones(both.shape[:2], dtype=torch.bool), len(e)))
    matching = matching_loss(
        torch.cat([p for p, _ in pooled]), torch.cat([present for _, present in pooled]), e, tau, model.score
    )
    expected = matching + 0.02 * torch.cat(forth).mean() + 0.05 * torch.cat(back).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    # The likelihood of a string that is longer than the other view has frames counts for nothing.
    assert torch.cat(back)[3] == 0


def test_the_published_recipe_is_published() -> None:
    assert PUBLISHED.contrast_share == PUBLISHED.aligned_weight == 0
    assert PUBLISHED.sequence_weight == PUBLISHED.frame_weight == PUBLISHED.codeword_weight == 0
    assert PUBLISHED.matching_weight == 1
    assert PUBLISHED.alpha == PUBLISHED.beta == 0.01
    assert PUBLISHED.temperature == 0.1
    assert not PUBLISHED.use_cosine
    assert not PUBLISHED.per_token
    assert (PUBLISHED.learning_rate, PUBLISHED.weight_decay, PUBLISHED.warmup) == (2e-3, 1e-2, 0.08)


def test_a_likelihood_per_token_is_divided_by_the_length_of_its_string(tiny_config: Config) -> None:
    recipe = dataclasses.replace(PUBLISHED, use_cosine=True, per_token=True)
    model, v = setup(tiny_config, recipe)
    _, parts = evaluate(model, v, recipe)
    string, length = compress(assign(v.b, model.codebook), v.b_frames)
    whole = likelihood_loss(v.a @ model.codebook.T / recipe.temperature, v.a_frames, string, length)
    assert float(parts["likelihood"]) == pytest.approx((whole / length).mean().item(), rel=1e-5)


def test_aligned_likelihood_by_loops(tiny_config: Config) -> None:
    model, v = setup(tiny_config, STAGED)
    _, parts = evaluate(model, v, STAGED)
    partner, e = align(v.a, v.a_frames, v.b, v.b_frames)[0], model.codebook
    losses: list[torch.Tensor] = []
    for i in range(4):
        for t in range(int(v.a_frames[i])):
            x, y = v.a[i, t], v.b[i, partner[i, t]]
            for one, other in ((x, y), (y, x)):
                log_p = (one @ e.T / STAGED.temperature).log_softmax(0)
                losses.append(-log_p[assign(other, e)])
    assert float(parts["aligned"]) == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_the_codebook_gets_no_gradient_and_both_views_do(tiny_config: Config) -> None:
    model, v = setup(tiny_config, STAGED)
    evaluate(model, v, STAGED)[0].backward()
    assert model.codebook.grad is None
    for z, frames in ((v.a, v.a_frames), (v.b, v.b_frames)):
        mask = frame_mask(frames, z.shape[1])
        assert z.grad is not None
        assert z.grad[mask].abs().sum() > 0
        assert not z.grad[~mask].any()


def with_negatives(views: Views, order: tuple[int, ...] = (0, 1, 2, 3)) -> Triplets:
    """The same pairs with negatives in the given order."""
    generator = torch.Generator().manual_seed(7)
    negative = F.normalize(torch.randn(4, 15, 16, generator=generator), dim=2)[list(order)].requires_grad_()
    lengths = torch.tensor([15, 3, 9, 1])[list(order)]
    return Triplets(views.a, views.a_frames, views.b, views.b_frames, views.labels, negative, lengths)


@pytest.mark.parametrize("base", [STAGED, PUBLISHED], ids=["staged", "published"])
@pytest.mark.parametrize("contrast_only", [True, False])
def test_triplets_add_their_term_with_its_weight(tiny_config: Config, base: Recipe, contrast_only: bool) -> None:
    recipe = dataclasses.replace(base, triplet_weight=0.7, triplet_margin=0.4)
    model, v = setup(tiny_config, recipe)
    three = with_negatives(v)
    (without, two_parts), (loss, parts) = (evaluate(model, x, recipe, contrast_only) for x in (v, three))
    assert parts.keys() - two_parts.keys() == {"triplet"}
    assert all(torch.equal(parts[name], two_parts[name]) for name in two_parts.keys() - {"loss"})
    expected = triplet_loss(v.a, v.a_frames, v.b, v.b_frames, three.negative, three.negative_frames, 0.4)
    assert float(parts["triplet"]) == pytest.approx(expected.item(), rel=1e-6)
    assert expected > 0.1
    assert loss.item() == pytest.approx(without.item() + 0.7 * expected.item(), rel=1e-5)
    loss.backward()
    assert three.negative.grad is not None
    inside = frame_mask(three.negative_frames, 15)
    assert three.negative.grad[inside].abs().sum() > 0
    assert not three.negative.grad[~inside].any()


@pytest.mark.parametrize("base", [STAGED, PUBLISHED], ids=["staged", "published"])
def test_shuffled_negatives_give_another_loss(tiny_config: Config, base: Recipe) -> None:
    model, v = setup(tiny_config, base)
    one, same, other = (
        evaluate(model, with_negatives(v, order), base)[0].item()
        for order in ((0, 1, 2, 3), (0, 1, 2, 3), (2, 0, 3, 1))
    )
    assert one == same
    assert abs(one - other) > 1e-3


@pytest.mark.parametrize("members", [2, 3])
def test_views_are_each_embedded_as_alone(tiny_config: Config, generator: torch.Generator, members: int) -> None:
    model = create(tiny_config).eval()
    samples = torch.randint(1, 4000, (members * 3,), generator=generator)
    spectrum = model.front_end.spectrum(torch.randn(len(samples), 4000, generator=generator), samples)
    frames, labels = model.front_end.frame_count(samples), torch.tensor([0, 1, 0])
    v = views_of(model, spectrum, frames, labels, members)
    embedded = [(v.a, v.a_frames), (v.b, v.b_frames)]
    assert isinstance(v, Triplets) == (members == 3)
    if isinstance(v, Triplets):
        embedded.append((v.negative, v.negative_frames))
    assert torch.equal(v.labels, labels)
    for i, (z, steps) in enumerate(embedded):
        of = slice(3 * i, 3 * i + 3)
        assert torch.equal(steps, model.encoder.steps(frames[of]))
        alone = model.embed(spectrum[of], frames[of])
        assert torch.allclose(z, alone, atol=1e-5)


class NoWaiting(TorchDispatchMode):
    """Refuses what would let the CPU wait for a device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
        out = func(*args, **(kwargs or {}))
        made = [x for x in tree_leaves(out) if isinstance(x, torch.Tensor)]
        if func is torch.ops.aten._to_copy.default:
            assert given[0].device == made[0].device or kwargs.get("non_blocking"), "a copy that waits"
        else:
            # Scalars of the CPU are arguments of a kernel.
            assert len({x.device.type for x in [*given, *made] if x.dim()}) <= 1, f"{func} on two devices"
        return out


def test_what_waits_is_noticed() -> None:
    there, here = torch.zeros(3, device="meta"), torch.zeros(3)
    with NoWaiting():
        here.to("meta", non_blocking=True)
        for waits in (lambda: here.to("meta"), lambda: there[here.long()], lambda: there.sum().item()):
            with pytest.raises((AssertionError, RuntimeError)):
                waits()


@pytest.mark.parametrize("contrast_only", [True, False])
@pytest.mark.parametrize(
    ("encoder", "recipe", "members", "frames"),
    [
        ("sru", STAGED, 2, 400),
        ("sru", dataclasses.replace(STAGED, frame_weight=0.3), 2, 20),
        ("sru", PUBLISHED, 3, 20),
        ("lstm", STAGED, 2, 20),
        ("transformer", STAGED, 3, 400),
    ],
)
def test_a_step_asks_the_device_for_no_value(
    tiny_config: Config, encoder: str, recipe: Recipe, contrast_only: bool, members: int, frames: int
) -> None:
    """On the device "meta" a tensor has a shape and no values, so whatever would wait for one fails.

    A copy that is not ``non_blocking`` waits as well, and so does an operation on tensors of both devices.
    """
    config = dataclasses.replace(
        tiny_config,
        encoder=dataclasses.replace(tiny_config.encoder, kind=encoder),
        features=dataclasses.replace(tiny_config.features, kind="logmel"),
        augment=dataclasses.replace(tiny_config.augment, share=0.9, noise_db=None),
        train=dataclasses.replace(tiny_config.train, recipe="staged" if recipe.use_cosine else "published"),
    )
    model = create(config).to("meta")
    spectrum = torch.empty(4 * members, frames, model.front_end.bands, device="meta")
    generator = torch.Generator().manual_seed(0)
    lengths = torch.tensor([frames, 3] * (2 * members))
    with NoWaiting():
        spectrum, lengths = augment(spectrum, lengths, model.front_end, config.augment, generator)
        spectrum, lengths = same_length(spectrum, lengths, members, model.front_end.kind)
        views = views_of(model, spectrum, lengths, torch.arange(4), members)
        loss, _ = evaluate(model, views, recipe, contrast_only=contrast_only)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    assert all(x.grad is not None for x in model.encoder.parameters())
