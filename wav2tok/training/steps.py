"""What training does between its optimiser steps: embeddings, E-steps, tokens."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from wav2tok.codebook import assign, compress, spherical_kmeans
from wav2tok.config import Config
from wav2tok.errors import UserError
from wav2tok.features import frame_mask
from wav2tok.model import Wav2Tok
from wav2tok.training.store import SpectrumStore, Tiles


def derived_seed(*parts: int) -> int:
    """A seed for torch that depends on all of ``parts``."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@torch.inference_mode()
def embeddings(model: Wav2Tok, store: SpectrumStore, tiles: Tiles) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Embed stretches of recordings in evaluation mode, without gradients, in batches of similar length.

    Yields:
        (positions [B] into ``tiles``, unit embeddings [B, T, d] on the model's device, how many of them count [B] on
        the CPU).
    """
    was_training = model.training
    model.eval()
    device = model.codebook.device
    for positions in tiles.batches():
        spectrum, frames = store.batch(tiles[positions])
        yield positions, model.embed(spectrum.to(device), frames.to(device)), model.encoder.steps(frames)
    model.train(was_training)


def drawn_tiles(store: SpectrumStore, config: Config, generator: torch.Generator, among: Tensor | None = None) -> Tiles:
    """What an E-step reads: ``codebook.cluster_split`` of the recordings, as far as ``codebook.max_frames`` goes.

    Args:
        among: int64 [R], the recordings that there are to choose from; None is all of them.
    """
    there = torch.arange(len(store)) if among is None else among
    count = max(1, round(config.codebook.cluster_split * len(there)))
    chosen = there[torch.randperm(len(there), generator=generator)[:count]].sort().values
    tiles = store.tiles(config.clip_frames, chosen)
    if int(tiles.frames.sum()) > config.codebook.max_frames:
        tiles = tiles[torch.randperm(len(tiles), generator=generator)]
        within = max(1, int((tiles.frames.cumsum(0) <= config.codebook.max_frames).sum()))
        tiles = tiles[torch.arange(within)]
    return tiles


def expectation(
    model: Wav2Tok,
    store: SpectrumStore,
    config: Config,
    seed: tuple[int, ...],
    *,
    warm: bool,
    among: Tensor | None = None,
) -> float:
    """The E-step: spherical k-means over the embeddings of `drawn_tiles`. The codebook is set in place.

    Args:
        seed: decides the recordings and the cold start.
        warm: begin from the present codebook, so that token ids keep their meaning.
        among: int64 [R], the recordings to choose from; None is all of them.

    Returns:
        The mean cosine of a frame to its codeword.
    """
    generator = torch.Generator().manual_seed(derived_seed(*seed))
    tiles = drawn_tiles(store, config, generator, among)
    points = model.codebook.new_empty(int(model.encoder.steps(tiles.frames).sum()), model.codebook.shape[1])
    place = 0
    for _, z, frames in embeddings(model, store, tiles):
        part = z[frame_mask(frames, z.shape[1]).to(z.device)]
        points[place : place + len(part)] = part
        place += len(part)
    if not bool(points.isfinite().all()):
        raise UserError(f"embeddings are not finite; lower recipes.{config.train.recipe}.learning_rate.")
    codebook, fit = spherical_kmeans(
        points, config.codebook.num_tokens, generator, config.codebook.iterations, model.codebook if warm else None
    )
    model.set_codebook(codebook)
    return fit


@torch.inference_mode()
def frame_tokens(model: Wav2Tok, store: SpectrumStore) -> list[np.ndarray]:
    """One token a step of every recording of ``store``, repeats not dropped: int64 [T] each."""
    out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(store)
    for positions, z, frames in embeddings(model, store, store.heads(int(store.frames.max()))):
        tokens = assign(z, model.codebook).cpu().numpy()
        for position, row, length in zip(positions.tolist(), tokens, frames.tolist(), strict=True):
            out[position] = row[:length]
    return out


@torch.inference_mode()
def tokenize(model: Wav2Tok, store: SpectrumStore, most_frames: int | None = None) -> list[np.ndarray]:
    """The compressed token string of every recording of ``store``, of its first ``most_frames`` frames at most."""
    out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(store)
    tiles = store.heads(int(store.frames.max()) if most_frames is None else most_frames)
    for positions, z, frames in embeddings(model, store, tiles):
        strings, lengths = compress(assign(z, model.codebook), frames.to(z.device))
        for position, string, length in zip(positions.tolist(), strings.cpu().numpy(), lengths.tolist(), strict=True):
            out[position] = string[:length]
    return out
