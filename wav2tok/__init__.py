"""wav2tok: audio to short strings of tokens, learned from pairs of similar recordings."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wav2tok.search.index import Index
    from wav2tok.tokenizer.tokenizer import Tokenizer

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
