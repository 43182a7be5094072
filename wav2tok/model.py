"""The tokenizer as one module: front end, encoder, codebook."""

import torch
from torch import Tensor, nn

from wav2tok.codebook import assign
from wav2tok.config import Config
from wav2tok.encoder import RecurrentEncoder
from wav2tok.features import FrontEnd
from wav2tok.losses.matching import CodebookScore


class Wav2Tok(nn.Module):
    """Waveform to tokens.

    ``codebook`` [K, d] is a buffer: E-steps set it, gradients never do. ``score`` exists only where the recipe uses
    the parameterised similarity; nothing of it is needed for tokens.
    """

    codebook: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.front_end = FrontEnd(config.features, config.data.sample_rate)
        self.encoder = RecurrentEncoder(config.encoder, self.front_end.width)
        self.score = None if config.recipe.use_cosine else CodebookScore(config.encoder.dim)
        self.register_buffer("codebook", torch.zeros(config.codebook.num_tokens, config.encoder.dim))

    def embed(self, spectrum: Tensor, frames: Tensor) -> Tensor:
        """Spectrum [B, T, bands], frames [B] -> unit embeddings [B, T', d], of which `RecurrentEncoder.steps` count."""
        return self.encoder(self.front_end.finish(spectrum, frames), frames)

    def forward(self, waveform: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Waveform [B, N], true lengths [B] -> (int64 tokens [B, T'], their numbers [B]), repeats not yet dropped."""
        frames = self.front_end.frames(samples)
        z = self.embed(self.front_end.spectrum(waveform, samples), frames)
        return assign(z, self.codebook), self.encoder.steps(frames)


def create(config: Config) -> Wav2Tok:
    """A new model whose weights come from ``config.seed`` alone, whatever ran before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Wav2Tok(config)
