"""wav2tok: audio to short strings of tokens, learned from pairs of similar recordings."""

import os
from typing import TYPE_CHECKING, Any

# The same sums in the same order wherever in memory the numbers lie: without it a training differed, in the last bits
# at first, by what the process had done before. MKL reads it at its first call.
os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")

if TYPE_CHECKING:
    from wav2tok.tokenizer import Tokenizer

__version__ = "0.1.0"
__all__ = ["Tokenizer", "__version__"]


def __getattr__(name: str) -> Any:
    # ONNX Runtime is imported when the tokenizer is first asked for, so that `wav2tok --help` stays quick.
    if name == "Tokenizer":
        from wav2tok.tokenizer import Tokenizer

        return Tokenizer
    raise AttributeError(f"module 'wav2tok' has no attribute {name!r}")
