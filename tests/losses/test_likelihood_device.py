"""The likelihood on devices: nothing waits for them, and the Triton kernels compile for them."""

import importlib.util

import pytest
import torch

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


def test_triton_is_for_cuda_devices_and_strings_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not likelihood._fused(torch.device("cpu"))
    assert likelihood._fused(torch.device("cuda", 1)) == (importlib.util.find_spec("triton") is not None)
    pytest.importorskip("triton")
    from wav2tok.losses import likelihood_device

    monkeypatch.setattr(likelihood, "_fused", lambda device: True)
    fits = torch.empty(1, likelihood.LONGEST, dtype=torch.int64, device="meta")
    assert likelihood._on_device(fits) == (likelihood_device.losses, likelihood_device.posteriors)
    too_long = torch.empty(1, likelihood.LONGEST + 1, dtype=torch.int64, device="meta")
    assert likelihood._on_device(too_long) == (likelihood.losses_by_frame, likelihood.posteriors_by_frame)


@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize("places", [1, 64, 8192])
def test_the_kernels_compile_without_a_device(capability: int, places: int) -> None:
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from wav2tok.losses import likelihood_device

    types = dict.fromkeys(("log_p", "moved", "loss", "weight", "posterior"), "*fp32")
    types |= dict.fromkeys(("frames", "strings", "lengths"), "*i64") | {"rows": "*fp64"}
    types |= dict.fromkeys(("steps", "tokens", "longest"), "i32")
    constants = {"IMPOSSIBLE": likelihood.IMPOSSIBLE, "PLACES": places}
    for kernel in (likelihood_device.forward, likelihood_device.backward):
        signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
        own = {name: value for name, value in constants.items() if name in signature}
        made = triton.compile(
            ASTSource(kernel, signature, own),
            target=GPUTarget("cuda", capability, 32),
            options={"num_warps": likelihood_device.warps(places)},
        )
        assert made.asm["cubin"]
        code = made.asm["ptx"].split()
        # Between a neighbour's write and the read.
        assert "bar.sync" in code


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
