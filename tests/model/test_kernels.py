"""Which devices the compiled kernels are used on."""

import importlib.util

import pytest
import torch

from wav2tok.model.kernels import compiled, fused

CUDA = torch.device("cuda", 0)


def refuses(device: torch.device) -> bool:
    raise RuntimeError("no kernel image\nis available")


def test_numba_computes_on_the_cpu_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled(torch.device("cpu"))
    assert not compiled(CUDA)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not compiled(torch.device("cpu"))


def test_a_kernel_is_used_on_cuda_where_it_is_right(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    """Without a device: what is asked of it is whether the small example comes out right."""
    seen: list[torch.device] = []
    assert not fused(torch.device("cpu"), "a sum", lambda device: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not fused(CUDA, "a sum", lambda device: True)
    assert lines == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)

    def right(device: torch.device) -> bool:
        seen.append(device)
        return True

    assert [fused(CUDA, "a sum", right) for _ in range(3)] == [True] * 3
    assert seen == [CUDA]  # once
    assert not fused(CUDA, "a sum", lambda device: False)
    assert not fused(CUDA, "a product", refuses)
    wrong = "cuda:0: a sum is computed by torch, more slowly, instead of by its Triton kernel: it gives other results"
    failed = "a product is computed by torch, more slowly, instead of by its Triton kernel: it fails with RuntimeError"
    assert wrong in lines[0]
    assert failed in lines[1]
    assert lines[1].endswith("no kernel image is available.")
