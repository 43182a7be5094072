"""Both contrasts against loops in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from wav2tok.losses.contrast import contrast_loss, draw_frames, sequence_contrast, triplet_loss
from wav2tok.model.frames import frame_mask


def looped(similarity: torch.Tensor, label: torch.Tensor, temperature: float) -> torch.Tensor:
    """InfoNCE both ways over [M, M]; negatives are the rows of another class."""
    losses = []
    for logits in (similarity / temperature, similarity.T / temperature):
        for i in range(len(logits)):
            chosen = [i, *(j for j in range(len(logits)) if label[j] != label[i])]
            losses.append(torch.logsumexp(logits[i, chosen], 0) - logits[i, i])
    return torch.stack(losses).mean()


def frames(seed: int, pairs: int = 5, each: int = 3, classes: int = 3):
    """Random drawn frames: anchor, positive, owner, label."""
    generator = torch.Generator().manual_seed(seed)
    anchor, positive = F.normalize(torch.randn(2, pairs * each, 6, generator=generator), dim=2)
    owner = torch.arange(pairs).repeat_interleave(each)
    return anchor, positive, owner, torch.randint(classes, (pairs,), generator=generator)[owner]


@given(pairs=st.integers(1, 5), each=st.integers(1, 4), classes=st.integers(1, 3), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_values_and_gradients(pairs: int, each: int, classes: int, seed: int) -> None:
    anchor, positive, _, label = frames(seed, pairs, each, classes)
    ours = anchor.clone().requires_grad_(), positive.clone().requires_grad_()
    loss = contrast_loss(*ours, label, 0.15)
    loss.backward()
    theirs = anchor.double().requires_grad_(), positive.double().requires_grad_()
    expected = looped(theirs[0] @ theirs[1].T, label, 0.15)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.grad.double(), b.grad, atol=1e-4)


def test_it_is_symmetric_in_the_two_views() -> None:
    anchor, positive, _, label = frames(0)
    assert torch.allclose(contrast_loss(anchor, positive, label, 0.15), contrast_loss(positive, anchor, label, 0.15))


def test_frames_of_the_same_class_are_no_negatives() -> None:
    """Neither those of another pair nor other moments of the same one."""
    anchor, positive, owner, _ = frames(0)
    assert contrast_loss(anchor, positive, torch.zeros_like(owner), 0.15) == 0


def test_frames_that_tell_classes_apart_cost_less_than_frames_that_mix_them_up() -> None:
    anchor = torch.eye(4)
    owner = torch.arange(4)
    good, bad = (contrast_loss(anchor, positive, owner, 0.15) for positive in (anchor, anchor.roll(1, 0)))
    assert good < 0.01
    assert bad > 6


@given(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6), seed=st.integers(0, 99), data=st.data())
@settings(max_examples=60, deadline=None)
def test_drawn_frames(lengths: list[int], seed: int, data: st.DataObject) -> None:
    n = torch.tensor(lengths)
    counts = torch.tensor([data.draw(st.integers(1, length)) for length in lengths])
    most = int(counts.max())
    index, valid = draw_frames(n, counts, most, torch.Generator().manual_seed(seed))
    again, _ = draw_frames(n, counts, most, torch.Generator().manual_seed(seed))
    assert torch.equal(index, again)
    assert valid.sum(1).tolist() == counts.tolist()
    for row, inside, length, count in zip(index, valid, lengths, counts.tolist(), strict=True):
        drawn = row[inside].tolist()
        assert all(0 <= i < length for i in drawn)
        for slot, i in enumerate(drawn):  # one in each stretch
            assert slot * length / count - 1 <= i <= (slot + 1) * length / count


def test_other_generators_draw_other_frames() -> None:
    n, counts = torch.tensor([200]), torch.tensor([20])
    drawn = [draw_frames(n, counts, 20, torch.Generator().manual_seed(seed))[0] for seed in (0, 1)]
    assert not torch.equal(*drawn)


@given(
    pairs=st.integers(1, 7),
    classes=st.integers(1, 5),
    temperature=st.sampled_from([0.05, 1.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_sequence_contrast(pairs: int, classes: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    similarity = 2 * torch.rand(pairs, pairs, generator=generator) - 1
    label = torch.randint(classes, (pairs,), generator=generator)
    ours, theirs = similarity.clone().requires_grad_(), similarity.double().requires_grad_()
    loss, expected = sequence_contrast(ours, label, temperature), looped(theirs, label, temperature)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)
    loss.backward()
    expected.backward()
    assert torch.allclose(ours.grad.double(), theirs.grad, atol=1e-5 / temperature)
    same = (label[:, None] == label) & ~torch.eye(pairs, dtype=torch.bool)
    assert not ours.grad[same].any()
    assert sequence_contrast(similarity.T, label, temperature).item() == pytest.approx(loss.item(), rel=1e-5, abs=1e-6)


def test_recordings_told_apart_cost_less_than_recordings_mixed_up() -> None:
    label = torch.arange(4)
    good, bad = (sequence_contrast(torch.eye(4).roll(by, 0), label, 0.1) for by in (0, 1))
    assert good < 0.01
    assert bad > 9
    assert sequence_contrast(torch.eye(4).roll(1, 0), torch.zeros(4), 0.1) == 0  # nothing to tell apart


def triplet(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, margin: float = 0.2) -> torch.Tensor:
    """The loss of triplets [B, N, d] that fill their tensors."""
    members = [x for z in (anchor, positive, negative) for x in (z, torch.full((len(z),), z.shape[1]))]
    return triplet_loss(*members, margin)


@pytest.fixture
def triplets(generator: torch.Generator) -> torch.Tensor:
    """Random unit embeddings of anchors, positives and negatives, [3, 4, 6, 8]."""
    return F.normalize(torch.randn(3, 4, 6, 8, generator=generator), dim=3)


def test_a_positive_like_the_anchor_and_a_negative_opposite_to_it_cost_nothing(triplets: torch.Tensor) -> None:
    assert triplet(triplets[0], triplets[0], -triplets[0]) == 0
    assert float(triplet(triplets[0], triplets[0], triplets[0], 0.3)) == pytest.approx(0.3, abs=1e-6)


def test_the_loss_falls_as_the_negative_moves_away(triplets: torch.Tensor) -> None:
    """From the anchor to its opposite; the margin is what is left to fall when both are equally near."""
    a, b, away = triplets
    losses = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        negative = F.normalize((1 - share) * a - share * a + 0.3 * away, dim=2)
        losses.append(float(triplet(a, b, negative, 2.0)))
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > losses[-1] + 1


@pytest.mark.parametrize("margin", [0.5, 1.5])
def test_the_margin_is_added_where_it_is_not_met_yet(triplets: torch.Tensor, margin: float) -> None:
    a, b, c = triplets
    assert float(triplet(a, b, a, 0.0)) > 0
    assert float(triplet(a, b, a, margin) - triplet(a, b, a, 0.0)) == pytest.approx(margin, abs=1e-6)
    assert triplet(a, a, c, 0.0) == 0  # negatives are farther than the anchor itself
    assert triplet(a, a, c, 2.0) > 0


def test_padding_has_no_influence_on_the_triplet_loss(triplets: torch.Tensor) -> None:
    """Neither on its value nor on its gradient; what is past an end would be the best match of everything."""
    lengths = torch.tensor([6, 1, 4, 3]), torch.tensor([2, 6, 5, 1]), torch.tensor([3, 3, 6, 6])
    z = [x.clone().requires_grad_() for x in triplets]
    loss = triplet_loss(*(x for pair in zip(z, lengths, strict=True) for x in pair), 2.0)
    loss.backward()
    alone = [
        triplet(*(x[i : i + 1, : n[i]] for x, n in zip(triplets, lengths, strict=True)), margin=2.0) for i in range(4)
    ]
    assert loss.item() == pytest.approx(torch.stack(alone).mean().item(), rel=1e-6)
    filled = [
        torch.where(frame_mask(n, 6)[:, :, None], x, triplets[0, :, :1]) for x, n in zip(triplets, lengths, strict=True)
    ]
    again = triplet_loss(*(x for pair in zip(filled, lengths, strict=True) for x in pair), 2.0)
    assert torch.equal(again, loss.detach())
    for x, n in zip(z, lengths, strict=True):
        assert x.grad is not None
        assert not x.grad[~frame_mask(n, 6)].any()
        assert x.grad[frame_mask(n, 6)].abs().sum() > 0


def test_other_negatives_give_another_loss(triplets: torch.Tensor) -> None:
    a, b, c = triplets
    near = F.normalize(a + 0.3 * c, dim=2)
    assert triplet(a, b, near, 0.5) > triplet(a, b, near.roll(1, 0), 0.5) + 0.1
