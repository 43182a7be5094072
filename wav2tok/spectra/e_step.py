"""The E-step: k-means over the embeddings of recordings."""

import torch
from torch import Tensor

from wav2tok.config.schema import Config
from wav2tok.config.seeds import Stream, torch_seed
from wav2tok.model.codebook import spherical_kmeans
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.ranks import ALONE, Ranks
from wav2tok.spectra.embed import NotFiniteError, embeddings
from wav2tok.spectra.recombine import recombined
from wav2tok.spectra.store import Segments, SpectrumStore


def drawn_segments(
    store: SpectrumStore, config: Config, generator: torch.Generator, among: Tensor | None = None
) -> Segments:
    """What an E-step reads: the share ``codebook.cluster_split`` of the recordings, at most ``codebook.max_frames``.

    Args:
        among: int64 [R], the recordings to choose from; None means all.
    """
    available = torch.arange(len(store)) if among is None else among
    count = max(1, round(config.codebook.cluster_split * len(available)))
    chosen = available[torch.randperm(len(available), generator=generator)[:count]].sort().values
    segments = store.segments(config.clip_frames, chosen)
    if int(segments.frames.sum()) > config.codebook.max_frames:
        segments = segments[torch.randperm(len(segments), generator=generator)]
        within = max(1, int((segments.frames.cumsum(0) <= config.codebook.max_frames).sum()))
        segments = segments[torch.arange(within)]
    return segments


@torch.inference_mode()
def _recombined_points(
    model: Wav2Tok, store: SpectrumStore, recordings: Tensor, config: Config, generator: torch.Generator
) -> list[Tensor]:
    """The embeddings of recombined recordings, [n, d] each."""
    was_training = model.training
    model.eval()
    device, count = model.codebook.device, round(config.codebook.recombined * len(recordings))
    points = []
    for spectrum, frames in recombined(store, model.front_end, recordings, count, config.clip_frames, generator):
        z = model.embed(spectrum.to(device), frames.to(device))
        points.append(z[frame_mask(model.encoder.steps(frames), z.shape[1]).to(device)])
    model.train(was_training)
    return points


def e_step(
    model: Wav2Tok,
    store: SpectrumStore,
    config: Config,
    step: int,
    *,
    warm: bool,
    among: Tensor | None = None,
    ranks: Ranks = ALONE,
) -> float:
    """Set the codebook of ``model`` by spherical k-means over the embeddings of `drawn_segments`.

    With ``codebook.recombined`` those of as large a share of recombined recordings are added.

    Args:
        step: the optimiser step, which with ``config.seed`` decides the recordings and the cold start.
        warm: start from the present codebook, so that token ids keep their meaning.
        among: int64 [R], the recordings to choose from; None means all.
        ranks: they embed the recordings together; the first clusters, so that all have its codebook bit by bit.

    Returns:
        The mean cosine of a frame and its codeword.

    Raises:
        NotFiniteError: embeddings are not finite.
    """
    generator = torch.Generator().manual_seed(torch_seed(config.seed, Stream.E_STEP, step))
    segments = drawn_segments(store, config, generator, among)
    points = model.codebook.new_empty(int(model.encoder.steps(segments.frames).sum()), model.codebook.shape[1])
    place, read = 0, []
    for positions, z, frames in embeddings(model, store, segments, ranks):
        read.append(torch.repeat_interleave(segments.recording[positions], frames))
        part = z[frame_mask(frames, z.shape[1]).to(z.device)]
        points[place : place + len(part)] = part
        place += len(part)
    if config.codebook.recombined:
        points = torch.cat([points, *_recombined_points(model, store, segments.recording.unique(), config, generator)])
    if not bool(points.isfinite().all()):
        broken = ~points[:place].isfinite().all(dim=1).cpu()
        raise NotFiniteError(torch.cat(read)[broken].unique().tolist())

    def cluster() -> tuple[Tensor, float]:
        start = model.codebook if warm else None
        codebook, fit = spherical_kmeans(
            points, config.codebook.num_tokens, generator, config.codebook.iterations, start
        )
        return codebook.cpu(), fit

    codebook, fit = ranks.from_first(cluster)
    model.set_codebook(codebook)
    return fit
