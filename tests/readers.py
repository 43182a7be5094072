"""The readers of files that anybody may have written, each of which takes the path of one of them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from wav2tok.audio import decode
from wav2tok.config import parameters
from wav2tok.corpus import audios_bin
from wav2tok.model import checkpoint
from wav2tok.search.index import Index

READERS: Mapping[str, Callable[[Path], object]] = {
    "audios.bin": audios_bin.read,
    "recording": lambda path: decode.read(path, 8000),
    "params.yaml": parameters.load,
    "checkpoint": lambda path: checkpoint.load(path.parent),
    "index": lambda path: Index.load(path.parent),
}
"""Of the last two, the file is one of a folder."""
