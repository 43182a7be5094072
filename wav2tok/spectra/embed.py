"""Passes of the model over stored spectra: embeddings and tokens."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from wav2tok.errors import UserError
from wav2tok.model.codebook import assign
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.ranks import ALONE, Ranks
from wav2tok.spectra.store import Segments, SpectrumStore


class NotFiniteError(UserError):
    """Embeddings are infinite or not a number.

    Attributes:
        recordings: the numbers, in their store, of those that have such embeddings; none if that is not known.
    """

    def __init__(self, recordings: Iterable[int] = ()) -> None:
        super().__init__("embeddings are not finite; lower the recipe's learning_rate, or check the recordings.")
        self.recordings = tuple(recordings)


@torch.inference_mode()
def embeddings(
    model: Wav2Tok, store: SpectrumStore, segments: Segments, ranks: Ranks = ALONE
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Embed segments of recordings in evaluation mode, without gradients, in batches of similar length.

    Args:
        ranks: they share the work, and each has all embeddings.

    Yields:
        (positions [B] into ``segments``, unit embeddings [B, T, d] on the model's device, how many of them count [B] on
        the CPU).
    """
    was_training = model.training
    model.eval()
    device = model.codebook.device
    for positions in segments.batches():
        spectrum, frames = store.batch(segments[positions])
        own = ranks.share(len(frames))
        z = model.embed(spectrum[own].to(device), frames[own].to(device))
        yield positions, ranks.gather(z, len(frames)), model.encoder.steps(frames)
    model.train(was_training)


@torch.inference_mode()
def frame_tokens(model: Wav2Tok, store: SpectrumStore, most_frames: int | None = None) -> list[np.ndarray]:
    """One token per step of every recording, with repeats, of its first ``most_frames`` frames: int64 [T] each.

    Raises:
        NotFiniteError: embeddings are not finite.
    """
    out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(store)
    segments = store.heads(int(store.frames.max()) if most_frames is None else most_frames)
    for positions, z, frames in embeddings(model, store, segments):
        tokens = assign(z, model.codebook).cpu().numpy()
        counts = frame_mask(frames, z.shape[1]).to(z.device)
        broken = (~z.isfinite().all(dim=2) & counts).any(dim=1)
        if bool(broken.any()):
            raise NotFiniteError(sorted(positions[broken.cpu()].tolist()))
        for position, row, length in zip(positions.tolist(), tokens, frames.tolist(), strict=True):
            out[position] = row[:length]
    return out


def tokenize(model: Wav2Tok, store: SpectrumStore, most_frames: int | None = None) -> list[np.ndarray]:
    """The token string without repeats of every recording in ``store``: `frame_tokens`, int64 [L] each."""
    return [tokens[np.diff(tokens, prepend=-1) != 0] for tokens in frame_tokens(model, store, most_frames)]
