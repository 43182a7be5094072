"""What the project compares itself with, and the programs that measure both."""

from wav2tok.device import settle_threads

settle_threads()  # before a module of this package imports torch
