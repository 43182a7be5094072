"""The blank-free likelihood and its gradients, in each of its forms, against a forward algorithm in float64."""

from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from tests.oracles import negative_log_likelihood
from wav2tok.losses import likelihood
from wav2tok.losses.likelihood import likelihood_loss

FORMS = ["compiled", "by frame", "Triton"]


@pytest.fixture(scope="module", params=FORMS, autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each form; Triton's interpreter runs that for CUDA devices, slowly, on the CPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(likelihood, "compiled", lambda device: request.param == "compiled")
        patch.setattr(likelihood, "_fused", lambda device: request.param == "Triton")
        if request.param == "Triton":
            pytest.importorskip("triton")
            from triton.runtime.interpreter import InterpretedFunction

            from wav2tok.losses import likelihood_cuda

            for name in ("forward", "backward"):
                kernel = getattr(likelihood_cuda, name)
                patch.setattr(likelihood_cuda, name, InterpretedFunction(kernel.fn))
        yield request.param


def random_string(length: int, k: int, generator: torch.Generator) -> list[int]:
    """No two neighbours alike."""
    out: list[int] = []
    while len(out) < length:
        token = int(torch.randint(k, (1,), generator=generator))
        if not out or token != out[-1]:
            out.append(token)
    return out


def pad(strings: list[list[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, strings))
    return torch.tensor([s + [0] * (longest - len(s)) for s in strings]), torch.tensor([len(s) for s in strings])


def batch(shapes: list[tuple[int, int]], k: int, sharpness: float, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Arguments of `likelihood_loss` for pairs with these numbers of frames and tokens; scores in float64."""
    generator = torch.Generator().manual_seed(seed)
    frames = torch.tensor([t for t, _ in shapes])
    strings = [random_string(n, k, generator) for _, n in shapes]
    scores = sharpness * torch.randn(len(shapes), int(frames.max()), k, generator=generator, dtype=torch.float64)
    return scores, frames, *pad(strings)


def ctc(scores: Tensor, frames: Tensor, strings: Tensor, lengths: Tensor) -> Tensor:
    """The same by torch's CTC loss, for strings that are defined: with a blank that scores too little to be used."""
    with_blank = torch.cat([scores.new_full((*scores.shape[:2], 1), -1e4), scores], dim=2)
    log_p = with_blank.log_softmax(2).transpose(0, 1)
    return F.ctc_loss(log_p, strings + 1, frames, lengths, blank=0, reduction="none")


def results(loss: Callable[..., Tensor], scores: Tensor, *others: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The values of a loss, and the gradient of the scores by the values times ``weight``."""
    leaf = scores.detach().clone().requires_grad_()
    value = loss(leaf, *others)
    (value * weight).sum().backward()
    assert leaf.grad is not None
    return value.detach(), leaf.grad


shapes = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4)


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, 1e-8), (torch.float32, 1e-3)])
@given(shapes=shapes, k=st.integers(2, 6), sharpness=st.sampled_from([0.5, 3.0, 10.0]), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_values_and_gradients(
    dtype: torch.dtype, precision: float, shapes: list[tuple[int, int]], k: int, sharpness: float, seed: int
) -> None:
    """A batch of mixed lengths; strings as long as there are frames and longer ones come up among them."""
    scores, frames, strings, lengths = batch(shapes, k, sharpness, seed)
    weight = torch.rand(len(shapes), generator=torch.Generator().manual_seed(seed)) + 0.5

    def expected(x: Tensor, *_: Tensor) -> Tensor:
        pairs = zip(x, frames, strings.tolist(), lengths, strict=True)
        return torch.stack([negative_log_likelihood(one[:t].log_softmax(1), s[:n]) for one, t, s, n in pairs])

    ours = results(likelihood_loss, scores.to(dtype), frames, strings, lengths, weight=weight)
    theirs = results(expected, scores, frames, strings, lengths, weight=weight)
    for got, exact in zip(ours, theirs, strict=True):
        assert got.dtype == dtype
        assert torch.allclose(got.double(), exact, rtol=precision, atol=precision)


@given(shapes=shapes, k=st.integers(2, 6), sharpness=st.sampled_from([0.5, 10.0]), seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_each_frame_holds_one_position(shapes: list[tuple[int, int]], k: int, sharpness: float, seed: int) -> None:
    """So the gradients of a frame's log p(k | t) add up to -1, and each is between -1 and 0; none beyond the end."""
    scores, frames, strings, lengths = batch(shapes, k, sharpness, seed)
    log_p = scores.log_softmax(2).requires_grad_()
    likelihood._Likelihood.apply(log_p, frames, strings, lengths).sum().backward()
    assert log_p.grad is not None
    counts = (torch.arange(scores.shape[1]) < frames[:, None]) & (lengths <= frames)[:, None]
    assert torch.allclose(log_p.grad.sum(2), -counts.double())
    assert (log_p.grad <= 0).all()
    assert (log_p.grad >= -1 - 1e-12).all()


@pytest.mark.parametrize(("dtype", "precision"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
def test_a_batch_as_torch_computes_it(form: str, dtype: torch.dtype, precision: float) -> None:
    """Pairs of a second, with the default codebook and temperature."""
    sizes = [(45, 40), (33, 30), (33, 33), (40, 7), (21, 1), (1, 1)]
    scores, frames, strings, lengths = batch(sizes, 160, 3.0, seed=0)
    weight = torch.linspace(-1, 2, len(sizes), dtype=torch.float64)
    theirs = results(ctc, scores, frames, strings, lengths, weight=weight)
    ours = results(likelihood_loss, scores.to(dtype), frames, strings, lengths, weight=weight)
    for got, exact in zip(ours, theirs, strict=True):
        assert torch.allclose(got.double(), exact, rtol=precision, atol=precision)


def test_long_recordings_at_a_low_temperature(form: str) -> None:
    """A thousand frames whose scores span hundreds: sums of thousands, of which the gradient is a difference."""
    sizes = [(300, 170), (260, 255)] if form == "Triton" else [(3000, 1700), (2600, 2590)]
    scores, frames, strings, lengths = batch(sizes, 12, 60.0, seed=1)
    weight = torch.ones(2, dtype=torch.float64)
    theirs = results(ctc, scores, frames, strings, lengths, weight=weight)
    ours = results(likelihood_loss, scores.float(), frames, strings, lengths, weight=weight)
    assert torch.allclose(ours[0].double(), theirs[0], rtol=1e-6)
    assert torch.allclose(ours[1].double(), theirs[1], atol=2e-4)


def test_alignments_that_only_the_last_frames_make_likely() -> None:
    """Half the frames want the first token, the other half the last: all ways through the string cost the same.

    Halfway some of them are e^-400 times as likely as others.
    """
    k = 20
    scores = torch.zeros(1, 2 * k, k, dtype=torch.float64)
    scores[:, :k, 0] = scores[:, k:, k - 1] = 20.0
    inputs = scores, torch.tensor([2 * k]), torch.arange(k)[None], torch.tensor([k])
    weight = torch.ones(1, dtype=torch.float64)
    ours = results(likelihood_loss, *inputs, weight=weight)
    theirs = results(lambda x, *_: negative_log_likelihood(x[0].log_softmax(1), range(k))[None], *inputs, weight=weight)
    for got, exact in zip(ours, theirs, strict=True):
        assert torch.allclose(got, exact, rtol=1e-10, atol=1e-10)


def test_gradients_are_those_of_small_differences() -> None:
    scores, frames, strings, lengths = batch([(5, 3), (4, 4), (3, 4), (5, 1)], 4, 2.0, seed=2)
    assert torch.autograd.gradcheck(lambda x: likelihood_loss(x, frames, strings, lengths), scores.requires_grad_())


def test_the_same_numbers_every_time() -> None:
    inputs = batch([(30, 12), (25, 20), (9, 9), (17, 2)], 5, 3.0, seed=3)
    first, second = (results(likelihood_loss, *inputs, weight=torch.ones(4)) for _ in "ab")
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_inputs_need_not_be_contiguous() -> None:
    scores, frames, strings, lengths = batch([(7, 3), (5, 5), (6, 1)], 4, 2.0, seed=4)
    weight = torch.ones(1).expand(3)
    plain = results(likelihood_loss, scores, frames, strings, lengths, weight=weight)
    turned = scores.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    every_second = frames.repeat_interleave(2)[::2], strings.T.contiguous().T, lengths.repeat_interleave(2)[::2]
    for got, exact in zip(results(likelihood_loss, turned, *every_second, weight=weight), plain, strict=True):
        assert torch.allclose(got, exact)


def test_numbers_that_are_not_finite_stay_in_their_pair() -> None:
    """They fail the training with a message later on."""
    scores, frames, strings, lengths = batch([(7, 3), (5, 4), (6, 6)], 4, 2.0, seed=5)
    weight = torch.ones(3)
    clean = results(likelihood_loss, scores, frames, strings, lengths, weight=weight)
    scores[1, 2, 0] = torch.nan
    broken = results(likelihood_loss, scores, frames, strings, lengths, weight=weight)
    assert broken[0][1].isnan()
    for got, exact in zip(broken, clean, strict=True):
        assert torch.allclose(got[[0, 2]], exact[[0, 2]])


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
    assert scores.grad[1].any()


def test_frames_past_the_end_have_no_say() -> None:
    scores = torch.randn(1, 6, 3, requires_grad=True)
    strings, lengths = torch.tensor([[0, 2]]), torch.tensor([2])
    loss = likelihood_loss(scores, torch.tensor([4]), strings, lengths)
    loss.backward()
    assert not scores.grad[:, 4:].any()
    assert torch.allclose(loss, likelihood_loss(scores[:, :4], torch.tensor([4]), strings, lengths))
