"""Matrix products of a training step: on the CPU by oneDNN, and where they are computed in bfloat16.

torch gives float32 products to MKL. On processors of AMD that is half as fast as oneDNN, which torch uses for LSTMs:
99 and 214 GFLOP a second on one core of a Zen 5, for 3,072 rows from 256 to 512 numbers.
"""

import contextlib

import torch
from torch import Tensor
from torch.nn import functional as F

from wav2tok.device import allow_tf32


def rounded(device: torch.device, precision: str | None) -> contextlib.AbstractContextManager[object]:
    """Round the factors of the products within the block, as ``train.precision`` says; None rounds nothing.

    float32 rounds them to TF32 on CUDA. bfloat16 is torch's autocast, so what follows a product may be bfloat16 as
    well: `unrounded` takes it back to float32.
    """
    if precision is None:
        return contextlib.nullcontext()
    if precision == "float32":
        return allow_tf32(device)
    # The cache would keep casts of the weights, which a CUDA graph must make itself.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [F, in], weight [out, in], bias [out] -> ``x @ weight.T + bias`` [F, out], with gradients."""
    if torch.jit.is_tracing():
        # One node for the product and one for the sum, of which `wav2tok.release.variants` makes products in 8 bits.
        return x @ weight.T if bias is None else x @ weight.T + bias
    exact = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    if exact and torch.backends.mkldnn.is_available():
        return F.linear(x.to_mkldnn(), weight, bias).to_dense()
    return F.linear(x, weight, bias)


def unrounded(x: Tensor) -> Tensor:
    """What follows a product in `rounded`, as float32 again."""
    return x.float() if x.dtype == torch.bfloat16 else x
