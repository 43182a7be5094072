"""Prototypes and the matching loss against loops in float64."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests import oracles
from wav2tok.losses import matching
from wav2tok.losses.matching import matching_loss, prototypes
from wav2tok.model.codebook import CodebookScore, codebook_scores


@given(
    b=st.integers(1, 3),
    t=st.integers(1, 10),
    k=st.integers(2, 5),
    parameterised=st.booleans(),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_values_and_gradients(b: int, t: int, k: int, parameterised: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(b, t, 4, generator=generator)
    tokens = torch.randint(k, (b, t), generator=generator)
    mask = torch.rand(b, t, generator=generator) < 0.8
    mask[0, 0] = True
    codebook = F.normalize(torch.randn(k, 4, generator=generator), dim=1)
    score = CodebookScore(4) if parameterised else None
    if score is not None:
        with torch.no_grad():
            score.w.copy_(torch.randn(4, generator=generator))
            score.b.fill_(0.3)

    ours = z.clone().requires_grad_()
    prototype, present = prototypes(ours, tokens, mask, k)
    loss = matching_loss(prototype, present, codebook, 0.2, score)
    loss.backward()

    theirs = z.double().requires_grad_()
    w = None if score is None else score.w.detach().double().requires_grad_()
    pairs = zip(theirs, tokens, mask, strict=True)
    expected_prototypes = [oracles.prototypes(list(x[inside]), one[inside].tolist()) for x, one, inside in pairs]
    losses = [oracles.matching_losses(p, codebook.double(), 0.2, w, 0.3) for p in expected_prototypes]
    nothing = theirs.sum() * 0
    expected = torch.stack([torch.stack(each).mean() if each else nothing for each in losses]).mean()
    expected.backward()

    assert [p.nonzero().flatten().tolist() for p in present] == [list(each) for each in expected_prototypes]
    for row, p in zip(prototype, [p for each in expected_prototypes for p in each.values()], strict=True):
        assert torch.allclose(row.double(), p, atol=1e-5)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)
    assert torch.allclose(ours.grad.double(), theirs.grad, rtol=1e-3, atol=1e-4)
    if score is not None:
        assert torch.allclose(score.w.grad.double(), w.grad, rtol=1e-3, atol=1e-4)


@given(b=st.integers(1, 3), t=st.integers(1, 10), k=st.integers(2, 5), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_where_their_number_is_not_waited_for_zeros_follow(b: int, t: int, k: int, seed: int) -> None:
    """As on a device: the same prototypes first, the same loss and gradients."""
    generator = torch.Generator().manual_seed(seed)
    z = torch.randn(b, t, 4, generator=generator)
    tokens = torch.randint(k, (b, t), generator=generator)
    mask = torch.rand(b, t, generator=generator) < 0.6
    codebook = F.normalize(torch.randn(k, 4, generator=generator), dim=1)
    results = []
    for most in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            if most:
                patch.setattr(matching, "_occurring", lambda present, frames: min(len(present), frames))
            x = z.clone().requires_grad_()
            prototype, present = prototypes(x, tokens, mask, k)
            loss = matching_loss(prototype, present, codebook, 0.2, None)
            loss.backward()
            results.append((prototype.detach(), present, loss.detach(), x.grad))
    (few, *expected), (many, *got) = results
    assert len(many) == min(b * k, b * t)
    assert torch.equal(many[: len(few)], few)
    assert not many[len(few) :].any()
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_a_prototype_of_one_frame_is_normalised() -> None:
    z = torch.tensor([[[3.0, 4.0], [0.0, 2.0]]])
    prototype, present = prototypes(z, torch.tensor([[0, 2]]), torch.ones(1, 2, dtype=torch.bool), 3)
    assert prototype.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0, 1]]
    assert present.tolist() == [[True, False, True]]


def test_padding_is_no_part_of_a_prototype() -> None:
    z = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    prototype, present = prototypes(z, torch.tensor([[1, 1]]), torch.tensor([[True, False]]), 2)
    assert prototype.tolist() == [[1, 0]]
    assert present.tolist() == [[False, True]]


def test_the_parameterised_score_begins_by_preferring_the_nearest() -> None:
    codebook = F.normalize(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), dim=1)
    assert CodebookScore(4)(codebook, codebook).argmax(1).tolist() == list(range(6))


def test_prototypes_on_their_codewords_cost_the_least() -> None:
    codebook = torch.eye(4)
    present = torch.ones(1, 4, dtype=torch.bool)
    at_home = matching_loss(codebook, present, codebook, 0.1, None)
    assert float(at_home) == pytest.approx(math.log(1 + 3 * math.exp(-10)), rel=1e-3)
    assert matching_loss(codebook.roll(1, 0), present, codebook, 0.1, None) > 9


def test_no_token_no_loss() -> None:
    prototype = torch.zeros(0, 4, requires_grad=True)
    loss = matching_loss(prototype, torch.zeros(2, 3, dtype=torch.bool), torch.eye(3, 4), 0.1, None)
    loss.backward()
    assert loss == 0
    assert prototype.grad is not None


@given(p=st.integers(0, 6), k=st.integers(1, 5), d=st.integers(1, 5), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_scores_by_loops(p: int, k: int, d: int, seed: int) -> None:
    """cos(p, e), and w . |p - e| + b with other weights than it begins with; no point gives an empty table."""
    generator = torch.Generator().manual_seed(seed)
    points, codebook = (F.normalize(torch.randn(n, d, generator=generator), dim=1) for n in (p, k))
    score = CodebookScore(d)
    with torch.no_grad():
        score.w.copy_(torch.randn(d, generator=generator))
        score.b.fill_(-0.7)
    cosine, parameterised = (codebook_scores(points, codebook, s).detach() for s in (None, score))
    assert cosine.shape == parameterised.shape == (p, k)
    w = score.w.tolist()
    for i, x in enumerate(points.tolist()):
        for j, e in enumerate(codebook.tolist()):
            norms = math.hypot(*x) * math.hypot(*e)
            assert float(cosine[i, j]) == pytest.approx(sum(a * b for a, b in zip(x, e, strict=True)) / norms, abs=1e-6)
            expected = sum(w[n] * abs(x[n] - e[n]) for n in range(d)) - 0.7
            assert float(parameterised[i, j]) == pytest.approx(expected, abs=1e-5)
