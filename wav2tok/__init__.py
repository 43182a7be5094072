"""wav2tok: audio to short strings of tokens, learned from pairs of similar recordings."""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer

# From 1.31 on, ONNX Runtime tells its maker about each session, also on Linux. It reads this when it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Index", "Tokenizer", "__version__"]


def __getattr__(name: str) -> Any:
    # ONNX Runtime is imported when the tokenizer is first used, so that `wav2tok --help` stays quick.
    if name == "Tokenizer":
        from wav2tok.tokenizer.tokenizer import Tokenizer

        return Tokenizer
    if name == "Index":
        from wav2tok.search.index import Index

        return Index
    raise AttributeError(f"module 'wav2tok' has no attribute {name!r}")
