"""The recurrence's kernels for CUDA, interpreted on the CPU, against doubling; and compiled."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.kernels import ARCHITECTURES, barriers, interpreted
from wav2tok.model import recurrence
from wav2tok.model.recurrence import Rows, recurrent

cuda = pytest.importorskip("wav2tok.model.recurrence_cuda", reason="this torch comes without Triton")
KERNELS = cuda.states_of_one, cuda.gradients_of_one


@pytest.fixture(scope="module", autouse=True)
def on_the_cpu() -> Iterator[None]:
    """With so few numbers in a program that a side takes several."""
    with pytest.MonkeyPatch.context() as patch:
        for kernel in KERNELS:
            patch.setattr(cuda, kernel.__name__, interpreted(kernel))
        patch.setattr(cuda, "NUMBERS", 4)
        yield


@given(steps=st.lists(st.integers(1, 9), min_size=1, max_size=4), width=st.integers(1, 6), seed=st.integers(0, 999))
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_results_and_gradients(steps: list[int], width: int, seed: int) -> None:
    """Chosen as on CUDA, where padding has rows: what is read of the results, and all gradients."""
    generator = torch.Generator().manual_seed(seed)
    count = max(steps) + 2
    lengths = torch.tensor(steps)
    x, inputs, weight = (torch.randn(len(steps) * count, of_each * width, generator=generator) for of_each in (2, 6, 2))
    results = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.jit, "is_tracing", lambda: True)  # as on a device, padding has rows
        rows = Rows.of(lengths, count)
    for form in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recurrence, "_compiled", lambda _: False)
            patch.setattr(recurrence, "_fused", lambda _, form=form: form)
            y, z = (one.clone().requires_grad_() for one in (x, inputs))
            value = recurrent(y, z, rows)[rows.out.flatten()]
            value.backward(weight)
            without = recurrent(x, inputs, rows)[rows.out.flatten()]
            results.append((value.detach(), without, y.grad, z.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_the_check_before_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    of_rows = Rows.of

    def padded(steps: torch.Tensor, count: int) -> Rows:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.jit, "is_tracing", lambda: True)
            return of_rows(steps, count)

    monkeypatch.setattr(Rows, "of", padded)
    assert recurrence._agrees(torch.device("cpu"))
    right = cuda.gradients_of_all
    monkeypatch.setattr(cuda, "gradients_of_all", lambda *given: [1.01 * one for one in right(*given)])
    assert not recurrence._agrees(torch.device("cpu"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.__name__)
def test_they_compile(kernel, architecture: int) -> None:  # type: ignore[no-untyped-def]
    names = dict.fromkeys(kernel.arg_names, "*fp32")
    names |= {"steps": "*i64", "count": "i32", "width": "i32", "NUMBERS": "constexpr"}
    assert barriers(kernel, names, {"NUMBERS": 128}, architecture, 2) == 0
