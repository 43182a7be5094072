"""Triton's kernels without a GPU: interpreted on the CPU, and compiled for devices that are not there."""

from typing import Any

import pytest

ARCHITECTURES = (80, 90, 100)
"""A100, H100 and B200, by the numbers that NVIDIA's compiler gives them."""


def interpreted(kernel: Any) -> Any:
    """A kernel that Triton's interpreter runs on tensors of the CPU."""
    return pytest.importorskip("triton.runtime.interpreter").InterpretedFunction(kernel.fn)


def barriers(kernel: Any, types: dict[str, str], constants: dict[str, Any], architecture: int, warps: int) -> int:
    """Compile a kernel to machine code for an architecture; returns how many barriers its assembly has.

    Args:
        types: Triton's name of every argument's type, ``constexpr`` for ``constants``.
    """
    import triton
    from triton.backends.compiler import GPUTarget

    source = triton.compiler.ASTSource(fn=kernel, signature=types, constexprs=constants)
    options = {"num_warps": warps, "num_stages": 1}
    compiled = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
    assert compiled.asm["cubin"]
    return compiled.asm["ptx"].count("bar.sync")
