"""The blank-free likelihood and its gradients against a forward algorithm in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import negative_log_likelihood
from wav2tok.losses.likelihood import likelihood_loss


def random_string(length: int, k: int, generator: torch.Generator) -> list[int]:
    """No two neighbours alike."""
    out: list[int] = []
    while len(out) < length:
        token = int(torch.randint(k, (1,), generator=generator))
        if not out or token != out[-1]:
            out.append(token)
    return out


def pad(strings: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, strings))
    return torch.tensor([s + [0] * (longest - len(s)) for s in strings]), torch.tensor([len(s) for s in strings])


shapes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4)


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, 1e-8), (torch.float32, 1e-3)])
@given(shapes=shapes, k=st.integers(2, 6), sharpness=st.sampled_from([0.5, 3.0, 10.0]), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_values_and_gradients(
    dtype: torch.dtype, precision: float, shapes: list[tuple[int, int]], k: int, sharpness: float, seed: int
) -> None:
    """A batch of mixed lengths; strings as long as there are frames and longer ones come up among them."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.tensor([t for t, _ in shapes])
    strings = [random_string(n, k, generator) for _, n in shapes]
    scores = sharpness * torch.randn(len(shapes), int(frames.max()), k, generator=generator, dtype=torch.float64)
    weights = torch.rand(len(shapes), generator=generator) + 0.5

    ours = scores.to(dtype).clone().requires_grad_()
    loss = likelihood_loss(ours, frames, *pad(strings))
    (loss * weights).sum().backward()

    theirs = scores.clone().requires_grad_()
    expected = [negative_log_likelihood(theirs[i, :t].log_softmax(1), strings[i]) for i, (t, _) in enumerate(shapes)]
    (torch.stack(expected) * weights).sum().backward()
    assert torch.allclose(loss.double(), torch.stack(expected), rtol=precision, atol=precision)
    assert torch.allclose(ours.grad.double(), theirs.grad, rtol=precision, atol=precision)


def test_token_k_is_scored_as_k() -> None:
    """The published code scores token k as k - 1 and token 0 as the blank."""
    k = 5
    for token in range(k):
        scores = torch.full((1, 4, k), -8.0)
        scores[:, :, token] = 8.0
        losses = [
            float(likelihood_loss(scores, torch.tensor([4]), torch.tensor([[t]]), torch.tensor([1]))) for t in range(k)
        ]
        assert losses[token] == pytest.approx(0, abs=1e-4)
        assert all(loss > 60 for t, loss in enumerate(losses) if t != token)


def test_a_string_as_long_as_there_are_frames_has_one_alignment() -> None:
    scores = torch.randn(1, 4, 3, generator=torch.Generator().manual_seed(0))
    string = [2, 0, 1, 0]
    expected = -scores[0].log_softmax(1)[range(4), string].sum()
    got = likelihood_loss(scores, torch.tensor([4]), torch.tensor([string]), torch.tensor([4]))
    assert float(got) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("length", [0, 5])
def test_an_empty_or_too_long_string_is_worth_nothing(length: int) -> None:
    scores = torch.randn(2, 4, 3, requires_grad=True)
    strings = torch.tensor([[0, 1, 0, 1, 0], [1, 2, 0, 0, 0]])
    loss = likelihood_loss(scores, torch.tensor([4, 4]), strings, torch.tensor([length, 2]))
    loss.sum().backward()
    assert loss[0] == 0
    assert loss[1] > 0
    assert not scores.grad[0].any()
    assert torch.isfinite(scores.grad).all()


def test_frames_past_the_end_have_no_say() -> None:
    scores = torch.randn(1, 6, 3, requires_grad=True)
    strings, lengths = torch.tensor([[0, 2]]), torch.tensor([2])
    loss = likelihood_loss(scores, torch.tensor([4]), strings, lengths)
    loss.backward()
    assert not scores.grad[:, 4:].any()
    assert torch.allclose(loss, likelihood_loss(scores[:, :4], torch.tensor([4]), strings, lengths))
