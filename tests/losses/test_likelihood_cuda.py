"""The likelihood on devices: nothing waits for them, and the Triton kernels compile for them."""

import pytest
import torch

from tests.kernels import ARCHITECTURES, barriers, interpreted
from wav2tok.losses import likelihood
from wav2tok.losses.likelihood import likelihood_loss


def test_nothing_waits_for_the_device() -> None:
    """On the device "meta", which has shapes and no numbers, whatever would read one fails."""
    scores = torch.randn(3, 7, 5, device="meta", requires_grad=True)
    counts = torch.ones(3, dtype=torch.int64, device="meta")
    with pytest.raises(RuntimeError):
        int(counts.max())
    loss = likelihood_loss(scores, counts, torch.ones(3, 4, dtype=torch.int64, device="meta"), counts)
    assert loss.shape == (3,)
    loss.sum().backward()
    assert scores.grad is not None
    assert scores.grad.shape == scores.shape


def test_strings_that_fit_are_for_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = pytest.importorskip("wav2tok.losses.likelihood_cuda", reason="this torch comes without Triton")
    monkeypatch.setattr(likelihood, "_fused", lambda device: True)
    fits = torch.empty(1, likelihood.LONGEST, dtype=torch.int64, device="meta")
    losses, posteriors = likelihood._on_device(fits)
    assert (losses.func, posteriors) == (cuda.losses, cuda.posteriors)  # type: ignore[attr-defined]
    too_long = torch.empty(1, likelihood.LONGEST + 1, dtype=torch.int64, device="meta")
    assert likelihood._on_device(too_long) == (likelihood.losses_by_frame, likelihood.posteriors_by_frame)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("places", [1, 64, 8192])
def test_the_kernels_compile_without_a_device(architecture: int, places: int) -> None:
    """With a barrier between a neighbour's write and the read."""
    cuda = pytest.importorskip("wav2tok.losses.likelihood_cuda", reason="this torch comes without Triton")
    types = dict.fromkeys(("log_p", "moved", "loss", "weight", "posterior"), "*fp32")
    types |= dict.fromkeys(("frames", "strings", "lengths"), "*i64") | {"rows": "*fp64"}
    types |= dict.fromkeys(("steps", "tokens", "longest"), "i32")
    constants = {"IMPOSSIBLE": likelihood.IMPOSSIBLE, "PLACES": places}
    for kernel in (cuda.forward, cuda.backward):
        own = {name: types.get(name, "constexpr") for name in kernel.arg_names}
        values = {name: value for name, value in constants.items() if name in own}
        assert barriers(kernel, own, values, architecture, cuda.warps(places)) >= 1


def test_the_check_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = pytest.importorskip("wav2tok.losses.likelihood_cuda", reason="this torch comes without Triton")
    for name in ("forward", "backward"):
        monkeypatch.setattr(cuda, name, interpreted(getattr(cuda, name)))
    assert likelihood._agrees(torch.device("cpu"))
    right = cuda.posteriors
    monkeypatch.setattr(cuda, "posteriors", lambda *given: 1.01 * right(*given))
    assert not likelihood._agrees(torch.device("cpu"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_gives_what_the_cpu_gives(generator: torch.Generator) -> None:
    frames = torch.randint(1, 300, (12,), generator=generator)
    lengths = (frames * torch.rand(12, generator=generator)).long()
    strings = torch.randint(40, (12, int(lengths.max())), generator=generator)
    scores = 4 * torch.randn(12, int(frames.max()), 40, generator=generator)
    results = []
    for device in ("cpu", "cuda"):
        x = scores.to(device).requires_grad_()
        value = likelihood_loss(x, *(y.to(device) for y in (frames, strings, lengths)))
        value.sum().backward()
        assert x.grad is not None
        results.append((value.detach().cpu(), x.grad.cpu()))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-5)
