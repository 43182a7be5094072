"""wav2tok: audio to short strings of tokens, learned from pairs of similar recordings."""

import os
from typing import TYPE_CHECKING, Any

# The same sums in the same order wherever in memory the numbers lie: without it a training differed, in the last bits
# at first, by what the process had done before. MKL reads it at its first call.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
# Threads of a thread pool that wait in a loop take a core from whoever needs it: with another process on the same two
# cores a training step took twelve times as long, and eighty times was seen. Threads that sleep at once cost a quiet
# machine most of a step again. A short wait costs neither: 162 ms alone (145 at best, 250 sleeping), 302 beside another
# process (1,744 waiting, 267 sleeping). Read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# numba's threads are OpenMP's, and where it begins them torch works with as many from then on: whoever asks for one
# thread must mean both. (Two that wait for each other beside a busy process: a training of 1.3 s took 67 to 108.)
if os.environ.get("OMP_NUM_THREADS", "").isdigit():
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])

if TYPE_CHECKING:
    from wav2tok.tokenizer.tokenizer import Tokenizer

__version__ = "0.1.0"
__all__ = ["Tokenizer", "__version__"]


def __getattr__(name: str) -> Any:
    # ONNX Runtime is imported when the tokenizer is first asked for, so that `wav2tok --help` stays quick.
    if name == "Tokenizer":
        from wav2tok.tokenizer.tokenizer import Tokenizer

        return Tokenizer
    raise AttributeError(f"module 'wav2tok' has no attribute {name!r}")
