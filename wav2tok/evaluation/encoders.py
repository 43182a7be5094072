"""The tokenizer and the untrained encoder: both read the same features, which are computed once for both.

The features come from the tokenizer's graph, by ONNX Runtime. They cost nearly all of the time where a pretrained
network hears the recordings.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from wav2tok.device import available_cpus, torch_threads
from wav2tok.matching.strings import deduplicate
from wav2tok.model.codebook import assign
from wav2tok.model.frames import repeat_last
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.tokenizer.tokenizer import Tokenizer

RECORDINGS_AT_ONCE = 16
"""Recordings that a core embeds at a time."""


class Encoders:
    """Both encoders. What the tokenizer makes of a list of waveforms is kept until it gets another list.

    A list must not change between two calls. A copy of it counts as another list, and costs the full time again.
    """

    def __init__(self, tokenizer: Tokenizer, untrained: Wav2Tok) -> None:
        """``untrained`` has the front end that ``tokenizer`` was exported with."""
        self._tokenizer, self._untrained = tokenizer, untrained.cpu().eval()
        self._of: Sequence[np.ndarray] | None = None
        self._read: list[tuple[np.ndarray, np.ndarray]] = []

    def tokens(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """The tokenizer's strings, as `Tokenizer.encode` returns them: float32 [N] each -> int64 [L] each."""
        return [deduplicate(tokens) for tokens, _ in self._of_both(waveforms)]

    def untrained_tokens(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """The strings of the untrained encoder."""
        return [deduplicate(tokens) for tokens in tokens_of(self._untrained, [x for _, x in self._of_both(waveforms)])]

    def _of_both(self, waveforms: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        if waveforms is not self._of:
            self._read, self._of = self._tokenizer.encode_with_features(waveforms), waveforms
        return self._read


def tokens_of(model: Wav2Tok, features: Sequence[np.ndarray]) -> list[np.ndarray]:
    """One token per step, with repeats, of features that `Tokenizer.encode_with_features` returned.

    Args:
        features: float32 [T, W] each.

    Returns:
        int64 [T'] each.
    """
    out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(features)
    order = sorted(range(len(features)), key=lambda i: len(features[i]))

    @torch.inference_mode()
    def encode(batch: list[int]) -> None:
        frames = torch.tensor([len(features[i]) for i in batch])
        x = pad_sequence([torch.from_numpy(features[i]) for i in batch], batch_first=True)
        if model.tile is None:
            front_end = model.front_end
            z = model.encoder(front_end.normalized(x, frames, *front_end.moments(x, frames)), frames)
        else:  # they are spectra, and every tile is normalised by itself
            z = model.embed(repeat_last(x, frames), frames)
        for i, row, count in zip(batch, assign(z, model.codebook), model.encoder.steps(frames).tolist(), strict=True):
            out[i] = row[:count].numpy()

    with torch_threads(1), ThreadPoolExecutor(available_cpus()) as pool:
        list(pool.map(encode, (order[i : i + RECORDINGS_AT_ONCE] for i in range(0, len(order), RECORDINGS_AT_ONCE))))
    return out
