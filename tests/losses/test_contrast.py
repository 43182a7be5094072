"""The frame contrast against loops in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from wav2tok.losses.contrast import contrast_loss, draw_frames


def looped(anchor, positive, owner, label, temperature: float) -> torch.Tensor:
    """InfoNCE both ways; negatives are the frames of other pairs that are of another class."""
    losses = []
    for ours, theirs in ((anchor, positive), (positive, anchor)):
        for i in range(len(anchor)):
            rivals = [j for j in range(len(anchor)) if label[j] != label[i] and owner[j] != owner[i]]
            logits = torch.stack([ours[i] @ theirs[j] for j in [i, *rivals]]) / temperature
            losses.append(torch.logsumexp(logits, 0) - logits[0])
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
    anchor, positive, owner, label = frames(seed, pairs, each, classes)
    ours = anchor.clone().requires_grad_(), positive.clone().requires_grad_()
    loss = contrast_loss(*ours, label, 0.15)
    loss.backward()
    theirs = anchor.double().requires_grad_(), positive.double().requires_grad_()
    expected = looped(*theirs, owner, label, 0.15)
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
