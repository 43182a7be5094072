"""Validation: retrieval by edit distance on recordings used neither for training nor for testing."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import torch

from wav2tok.config.schema import Config
from wav2tok.config.seeds import validation_seed
from wav2tok.corpus.recordings import Recordings
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.model.codebook import usage
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import SpectrumStore, store_of
from wav2tok.training.augment import augment


def changed_copy(store: SpectrumStore, model: Wav2Tok, config: Config, folder: Path | None) -> SpectrumStore:
    """An augmented copy of every recording (of its first `Config.clip_frames`), drawn once from the seed.

    So validation is the same at every epoch. The copies are stored on the disk of ``folder``.
    """
    generator = torch.Generator().manual_seed(validation_seed(config.seed))
    heads = store.heads(config.clip_frames)
    # One recording at a time, in order, so the random draws do not depend on batch boundaries.
    changed = (
        augment(*store.batch(heads[torch.tensor([i])]), model.front_end, config.augment, generator)
        for i in range(len(heads))
    )
    return store_of((x[0].numpy() for x, _ in changed), folder, model.front_end.bands)


def validate(
    model: Wav2Tok,
    store: SpectrumStore,
    changed: SpectrumStore,
    recordings: Recordings,
    most_frames: int | None = None,
    heard: Collection[str] | None = None,
) -> dict[str, float]:
    """Retrieval by edit distance on validation recordings, plain and augmented, and the use of the codebook.

    For dictionary data, recordings of the same class are relevant; if a group has several recordings of one class (a
    speaker's takes of a word), only recordings of other groups are candidates. For list data, or if no class has two
    candidates, each augmented copy should find its original.

    Args:
        most_frames: longer recordings are cut after this many frames, as in `changed_copy`.
        heard: the classes of the training pairs. Where validation has others, queries of either kind (each searched
            among all recordings) are half of the score, however many there are; None means all are heard.

    Returns:
        ``mrr``, ``map`` (plain queries; only with classes), ``mrr_augmented``, ``map_augmented``, ``score`` (the mean
        of all of these), ``use``, ``perplexity``, ``tokens_per_second``. With unheard classes also ``mrr_heard``,
        ``map_heard``, ``mrr_unheard``, ``map_unheard`` (plain queries), and ``score`` is the mean of the scores of the
        two kinds of classes.
    """
    plain, copies = tokenize(model, store, most_frames), tokenize(model, changed)
    n = len(plain)
    itself = np.eye(n, dtype=bool)
    classes = np.array(recordings.classes or range(n))
    groups = np.array(recordings.groups)
    relevant = classes[:, None] == classes[None, :]
    same_group = groups[:, None] == groups[None, :]
    across = bool((relevant & same_group & ~itself).any())
    candidate = ~same_group if across else ~itself
    if (relevant & candidate).any():
        distances = {"": edit_distances(plain, plain), "_augmented": edit_distances(copies, plain)}

        def found(rows: np.ndarray) -> dict[str, float]:
            """MRR and MAP of the queries ``rows`` (bool [n]), plain and augmented, among all recordings."""
            return {
                f"{metric}{name}": value
                for name, one in distances.items()
                for metric, value in zip(
                    ("mrr", "map"), mrr_map(one[rows], relevant[rows], candidate[rows]), strict=True
                )
            }

        everyone = np.ones(n, dtype=bool)
        known = everyone if heard is None else np.isin(classes, sorted(heard))
        asks = (relevant & candidate).any(axis=1)
        figures = found(everyone)
        halves = {"heard": known, "unheard": ~known}
        if all((asks & rows).any() for rows in halves.values()):
            scored = {name: found(rows) for name, rows in halves.items()}
            score = float(np.mean([np.mean(list(one.values())) for one in scored.values()]))
            figures |= {f"{metric}_{name}": one[metric] for name, one in scored.items() for metric in ("mrr", "map")}
        else:
            score = float(np.mean(list(figures.values())))
    else:
        mrr, mean_ap = mrr_map(edit_distances(copies, plain), itself, np.ones_like(itself))
        figures = {"mrr_augmented": mrr, "map_augmented": mean_ap}
        score = float(np.mean(list(figures.values())))
    counts = torch.bincount(torch.from_numpy(np.concatenate(plain)), minlength=len(model.codebook))
    frames = store.frames if most_frames is None else store.frames.clamp_max(most_frames)
    seconds = float(frames.sum()) * model.front_end.config.hop / model.front_end.sample_rate
    used, perplexity = usage(counts)
    return figures | {
        "score": score,
        "use": used,
        "perplexity": perplexity,
        "tokens_per_second": float(counts.sum()) / seconds,
    }
