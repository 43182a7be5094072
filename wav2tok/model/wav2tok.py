"""The tokenizer as one module: front end, encoder, codebook."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import Config, Encoder
from wav2tok.errors import UserError
from wav2tok.model.codebook import CodebookScore, assign
from wav2tok.model.encoder import FrameEncoder
from wav2tok.model.front_end import FrontEnd
from wav2tok.model.linear import LinearEncoder
from wav2tok.model.lstm import RecurrentEncoder
from wav2tok.model.products import rounded
from wav2tok.model.sru import SRUEncoder
from wav2tok.model.tiles import cut_tiles, join_tiles
from wav2tok.model.transformer import TransformerEncoder

ENCODERS: dict[str, Callable[[Encoder, int], FrameEncoder]] = {
    "lstm": RecurrentEncoder,
    "transformer": TransformerEncoder,
    "linear": LinearEncoder,
    "sru": SRUEncoder,
}
"""By ``encoder.kind``."""


def create_encoder(config: Config, width: int) -> FrameEncoder:
    """The encoder of ``encoder.kind`` for features with ``width`` values per frame.

    Raises:
        UserError: ``encoder.input_dim`` is another number, or the sizes do not fit together.
    """
    stated = config.encoder.input_dim
    if stated is not None and stated != width:
        raise UserError(
            f"encoder.input_dim is {stated}, but {config.features.kind} features as configured have {width} numbers "
            "per frame; leave encoder.input_dim null to use that."
        )
    return ENCODERS[config.encoder.kind](config.encoder, width)


MOST_NUMBERS = 500_000_000
"""The most numbers in one part of a model: 2 GB."""


def _require_size(sizes: Mapping[str, float]) -> None:
    """Refuse a model before a large part of it is allocated: numbers in the part, by the parameters that decide."""
    for names, size in sizes.items():
        if size > MOST_NUMBERS:
            raise UserError(
                f"the model would hold {size:,.0f} numbers by {names}; at most {MOST_NUMBERS:,} are possible, so lower "
                "one of them."
            )


def _front_end(config: Config) -> FrontEnd:
    features = config.features
    if features.kind == "cqt":
        octaves = max(0.0, math.log2(config.data.sample_rate / 2 / features.min_hz))
        # Cosines and sines of every bin, in float64 and with intermediate results.
        waves = 12 * features.n_fft * features.bins_per_octave * octaves
        _require_size({"features.n_fft and features.bins_per_octave": waves})
    return FrontEnd(features, config.data.sample_rate)


class Wav2Tok(nn.Module):
    """Waveform to tokens.

    ``codebook`` [K, d] is a buffer, set by E-steps and never by gradients. ``score`` exists only if the recipe uses the
    parameterised similarity; tokens do not depend on it.
    """

    codebook: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.front_end = _front_end(config)
        with torch.device("meta"):  # which allocates nothing
            weights = sum(x.numel() for x in create_encoder(config, self.front_end.width).parameters())
        _require_size(
            {
                "encoder.hidden, encoder.layers, encoder.dim and encoder.ffn": weights,
                "codebook.num_tokens and encoder.dim": config.codebook.num_tokens * config.encoder.dim,
            }
        )
        self.encoder = create_encoder(config, self.front_end.width)
        self.score = None if config.recipe.use_cosine else CodebookScore(config.encoder.dim)
        self.register_buffer("codebook", torch.zeros(config.codebook.num_tokens, config.encoder.dim))
        self.tile = config.clip_frames if config.encoder.tiled else None

    def embed(self, spectrum: Tensor, frames: Tensor, precision: str | None = None) -> Tensor:
        """Spectrum [B, T, bands], frames [B] -> unit embeddings [B, T', d], `FrameEncoder.steps` of which are valid.

        With ``encoder.tiled`` a recording longer than ``train.clip_seconds`` is embedded tile by tile.

        Args:
            precision: ``train.precision``, by which the encoder's products are rounded in a training step; None: not
                rounded. Features never are.
        """
        # The exported graph needs the tiles even if the example that it is traced with is short.
        if self.tile is None or (spectrum.shape[1] <= self.tile and not torch.jit.is_tracing()):
            features = self.front_end.finish(spectrum, frames)
            with rounded(features.device, precision):
                return self.encoder(features, frames)
        tiles, lengths = cut_tiles(spectrum, frames, self.tile)
        features = self.front_end.finish(tiles, lengths)
        with rounded(features.device, precision):
            z = self.encoder(features, lengths)
        steps = (spectrum.shape[1] + self.encoder.stack - 1) // self.encoder.stack
        return join_tiles(z, spectrum.shape[0], steps, self.encoder.steps(frames))

    @torch.no_grad()
    def set_codebook(self, codebook: Tensor) -> None:
        """Set the codebook to ``codebook`` [K, d] with rows scaled to unit length.

        Raises:
            ValueError: another shape, or numbers that are not finite.
        """
        if codebook.shape != self.codebook.shape or not bool(codebook.isfinite().all()):
            shape = tuple(self.codebook.shape)
            raise ValueError(f"the codebook has shape {tuple(codebook.shape)}; it must be {shape} of finite numbers")
        self.codebook.copy_(F.normalize(codebook, dim=1))

    def forward(self, waveform: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Waveform [B, N], true lengths [B] -> (int64 tokens [B, T'], their counts [B]), with repeats."""
        frames = self.front_end.frame_count(samples)
        z = self.embed(self.front_end.spectrum(waveform, samples), frames)
        return assign(z, self.codebook), self.encoder.steps(frames)


def create(config: Config) -> Wav2Tok:
    """A new model whose weights depend only on ``config.seed``.

    Raises:
        UserError: its sizes do not fit together, or are too large.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Wav2Tok(config)
