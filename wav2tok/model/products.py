"""Matrix products of a training step on the CPU, by oneDNN.

torch gives float32 products to MKL. On processors of AMD that is half as fast as oneDNN, which torch uses for LSTMs:
99 and 214 GFLOP a second on one core of a Zen 5, for 3,072 rows from 256 to 512 numbers.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [F, in], weight [out, in], bias [out] -> ``x @ weight.T + bias`` [F, out], with gradients."""
    if torch.jit.is_tracing():
        # One node for the product and one for the sum, of which `wav2tok.release.variants` makes products in 8 bits.
        return x @ weight.T if bias is None else x @ weight.T + bias
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():
        return F.linear(x.to_mkldnn(), weight, bias).to_dense()
    return F.linear(x, weight, bias)
