"""The E-step: k-means over the embeddings of a corpus."""

import numpy as np
import torch
from torch import Tensor

from wav2tok.config.schema import Config
from wav2tok.errors import UserError
from wav2tok.model.codebook import spherical_kmeans
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.embed import embeddings
from wav2tok.spectra.store import SpectrumStore, Tiles


def derived_seed(*parts: int) -> int:
    """A seed for torch that depends on all of ``parts``."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


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
