"""What training does between its optimiser steps: embeddings, E-steps, validation."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from wav2tok.augment import augment
from wav2tok.codebook import assign, compress, spherical_kmeans, usage
from wav2tok.config import Config
from wav2tok.corpus.splits import Recordings
from wav2tok.errors import UserError
from wav2tok.features import frame_mask
from wav2tok.matching import edit_distances
from wav2tok.model import Wav2Tok
from wav2tok.retrieval import mrr_map
from wav2tok.training.store import SpectrumStore


def derived_seed(*parts: int) -> int:
    """A seed for torch that depends on all of ``parts``."""
    return int(np.random.SeedSequence(parts).generate_state(1)[0])


@torch.inference_mode()
def embeddings(model: Wav2Tok, store: SpectrumStore, indices: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Embed recordings in evaluation mode, without gradients, in batches of similar length.

    Yields:
        (positions [B] into ``indices``, unit embeddings [B, T, d], frames [B]).
    """
    was_training = model.training
    model.eval()
    for positions in store.batches(indices):
        spectrum, frames = store.batch(indices[positions])
        yield positions, model.embed(spectrum, frames), frames
    model.train(was_training)


def expectation(model: Wav2Tok, store: SpectrumStore, config: Config, seed: tuple[int, ...], *, warm: bool) -> float:
    """The E-step: spherical k-means over the embeddings of ``codebook.cluster_split`` of the recordings.

    Args:
        seed: decides the share and the cold start.
        warm: begin from the present codebook, so that token ids keep their meaning.

    Returns:
        The mean cosine of a frame to its codeword. The codebook is set in place.
    """
    generator = torch.Generator().manual_seed(derived_seed(*seed))
    count = max(1, round(config.codebook.cluster_split * len(store)))
    chosen = torch.randperm(len(store), generator=generator)[:count].sort().values.to(store.flat.device)
    points = torch.cat([z[frame_mask(frames, z.shape[1])] for _, z, frames in embeddings(model, store, chosen)])
    if not bool(points.isfinite().all()):
        raise UserError(f"embeddings are not finite; lower recipes.{config.train.recipe}.learning_rate.")
    with torch.no_grad():
        codebook = spherical_kmeans(
            points, config.codebook.num_tokens, generator, config.codebook.iterations, model.codebook if warm else None
        )
        model.codebook.copy_(codebook)
        return float(torch.cat([(p @ codebook.T).amax(1) for p in points.split(1 << 16)]).mean())


@torch.inference_mode()
def tokenize(model: Wav2Tok, store: SpectrumStore) -> list[np.ndarray]:
    """The compressed token string of every recording of ``store``."""
    indices = torch.arange(len(store), device=store.flat.device)
    out: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(store)
    for positions, z, frames in embeddings(model, store, indices):
        strings, lengths = compress(assign(z, model.codebook), frames)
        for position, string, length in zip(positions.tolist(), strings.cpu().numpy(), lengths.tolist(), strict=True):
            out[position] = string[:length]
    return out


def changed_copy(store: SpectrumStore, model: Wav2Tok, config: Config) -> SpectrumStore:
    """An augmented copy of every recording, drawn once from the seed: the same at every validation."""
    generator = torch.Generator().manual_seed(config.seed + 1)
    parts: list[Tensor] = [torch.empty(0)] * len(store)
    indices = torch.arange(len(store), device=store.flat.device)
    for positions in store.batches(indices):
        x, frames = augment(*store.batch(positions), model.front_end, config.augment, generator)
        for position, row, n in zip(positions.tolist(), x, frames.tolist(), strict=True):
            parts[position] = row[:n]
    return SpectrumStore.of(parts)


def validate(model: Wav2Tok, store: SpectrumStore, changed: SpectrumStore, recordings: Recordings) -> dict[str, float]:
    """Retrieval by edit distance on validation recordings, plain and augmented, and the use of the codebook.

    Dictionary data: the relevant ones are those of the class; where a group holds several recordings of one class
    (a speaker's takes of a word), candidates are other groups' recordings. List data, or no class with two candidates:
    each augmented copy should find its original.

    Returns:
        ``mrr``, ``map`` (plain; where classes tell), ``mrr_augmented``, ``map_augmented``, ``score`` (the mean of
        all of these), ``use``, ``perplexity``, ``tokens_per_second``.
    """
    plain, copies = tokenize(model, store), tokenize(model, changed)
    n = len(plain)
    itself = np.eye(n, dtype=bool)
    classes = np.array(recordings.classes or range(n))
    groups = np.array(recordings.groups)
    relevant = classes[:, None] == classes[None, :]
    same_group = groups[:, None] == groups[None, :]
    across = bool((relevant & same_group & ~itself).any())
    candidate = ~same_group if across else ~itself
    figures: dict[str, float] = {}
    if (relevant & candidate).any():
        for name, queries in (("", plain), ("_augmented", copies)):
            figures[f"mrr{name}"], figures[f"map{name}"] = mrr_map(edit_distances(queries, plain), relevant, candidate)
    else:
        mrr, mean_ap = mrr_map(edit_distances(copies, plain), itself, np.ones_like(itself))
        figures = {"mrr_augmented": mrr, "map_augmented": mean_ap}
    counts = torch.bincount(torch.from_numpy(np.concatenate(plain)), minlength=len(model.codebook))
    seconds = float(store.frames.sum()) * model.front_end.config.hop / model.front_end.sample_rate
    used, perplexity = usage(counts)
    return figures | {
        "score": float(np.mean(list(figures.values()))),
        "use": used,
        "perplexity": perplexity,
        "tokens_per_second": float(counts.sum()) / seconds,
    }
