"""The method of the paper in its simplest form, one recording at a time: what speed is compared with.

It has the parameters of the ``published`` recipe and works as the published code does, without its errors: features are
computed on the CPU each time a recording is used, the encoder and the losses process one recording at a time, and a
batch only averages gradients. Nothing here is slow on purpose.
"""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import soxr
import torch
import torchaudio
import torchaudio.functional as AF
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

from wav2tok.config.schema import Config, Features

VOCODER_FFT, VOCODER_HOP = 2048, 512
"""librosa's defaults."""
NEVER = -1e30
"""Log-probability of impossible events; finite, because -inf makes the gradient of logaddexp NaN."""


def stretch(waveform: Tensor, rate: float) -> Tensor:
    """Play ``rate`` times as fast at the same pitch, as librosa's ``time_stretch``: [N] -> [round(N / rate)]."""
    window = torch.hann_window(VOCODER_FFT)
    sizes = (VOCODER_FFT, VOCODER_HOP)
    spectrum = torch.stft(waveform, *sizes, window=window, pad_mode="constant", return_complex=True)  # [bins, T]
    advance = torch.linspace(0, math.pi * VOCODER_HOP, len(spectrum))[:, None]
    spectrum = AF.phase_vocoder(spectrum, rate, advance)
    return torch.istft(spectrum, *sizes, window=window, length=max(1, round(len(waveform) / rate)))


def shift(waveform: Tensor, semitones: int, sample_rate: int) -> Tensor:
    """Raise the pitch at the same length, as librosa's ``pitch_shift``: [N] -> [N].

    Resampled with soxr: torchaudio's ``pitch_shift`` builds a kernel for two rates without a common divisor, at a cost
    of 13 s and gigabytes for a second of audio.
    """
    rate = 2.0 ** (-semitones / 12)
    resampled = soxr.resample(stretch(waveform, rate).numpy(), sample_rate / rate, sample_rate)
    shifted = torch.from_numpy(resampled[: len(waveform)])
    return F.pad(shifted, (0, len(waveform) - len(shifted)))


def augment(waveform: np.ndarray, sample_rate: int, generator: np.random.Generator) -> np.ndarray:
    """Pitch shift by a whole number of semitones in -6..5, then time stretch at .90..1.49: float32 [N] -> [N']."""
    shifted = shift(torch.from_numpy(waveform), int(generator.integers(-6, 6)), sample_rate)
    return stretch(shifted, generator.uniform(0.90, 1.49)).numpy()


@functools.lru_cache
def cepstrum(config: Features, sample_rate: int) -> torchaudio.transforms.MFCC:
    """The MFCC transform, built once per configuration: [N] -> [n_mfcc, T]."""
    # Padded with zeros, not by reflection, so that a recording may be shorter than a window.
    spectrum = {"n_fft": config.n_fft, "hop_length": config.hop, "n_mels": config.n_mels, "pad_mode": "constant"}
    return torchaudio.transforms.MFCC(sample_rate, n_mfcc=config.n_mfcc, log_mels=True, melkwargs=spectrum)


def features(waveform: np.ndarray, config: Features, sample_rate: int) -> Tensor:
    """MFCC with first and second differences, mean 0 and deviation 1 in the recording: float32 [N] -> [T, width]."""
    if config.kind != "mfcc":
        raise ValueError(f"features.kind is {config.kind!r}; the plain implementation supports only mfcc")
    x = cepstrum(config, sample_rate)(torch.from_numpy(waveform))  # [n_mfcc, T]
    if config.deltas:
        first = AF.compute_deltas(x)
        x = torch.cat([x, first, AF.compute_deltas(first)])
    if config.normalize:
        x = x - x.mean(dim=1, keepdim=True)
        x = x / x.std(dim=1, keepdim=True, correction=0).clamp_min(1e-5)
    return x.T


class Plain(nn.Module):
    """BiLSTM, unit length, linear projection, unit length; codebook [K, d]; score w . |p - e| + b."""

    codebook: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        shape = config.encoder
        width = config.features.n_mfcc * (3 if config.features.deltas else 1)
        self.lstm = nn.LSTM(width, shape.hidden, shape.layers, dropout=shape.dropout, bidirectional=True)
        self.projection = nn.Linear(2 * shape.hidden, shape.dim)
        # So that nearer codewords score higher from the start.
        self.w = nn.Parameter(-torch.ones(shape.dim))
        self.b = nn.Parameter(torch.zeros(()))
        self.register_buffer("codebook", torch.zeros(config.codebook.num_tokens, shape.dim))

    def forward(self, x: Tensor) -> Tensor:
        """Features of one recording [T, width], on any device -> unit embeddings [T, d] on the model's."""
        hidden, _ = self.lstm(x.to(self.codebook.device))
        return F.normalize(self.projection(F.normalize(hidden, dim=1)), dim=1)

    def score(self, point: Tensor) -> Tensor:
        """Similarity of a prototype [d] to every codeword -> [K]."""
        if self.config.recipes["published"].use_cosine:
            return self.codebook @ point
        return (point - self.codebook).abs() @ self.w + self.b


def adam(model: Plain) -> torch.optim.Adam:
    """The published optimiser, without its learning-rate schedule."""
    recipe = model.config.recipes["published"]
    return torch.optim.Adam(
        model.parameters(), recipe.learning_rate, betas=(0.9, 0.98), eps=1e-6, weight_decay=recipe.weight_decay
    )


def compress(tokens: Sequence[int]) -> list[int]:
    """Drop consecutive repeats."""
    out: list[int] = []
    for token in tokens:
        if not out or token != out[-1]:
            out.append(token)
    return out


def likelihood(scores: Tensor, string: Sequence[int]) -> Tensor:
    """-log p(string | frames) where every token lasts one frame or more: the forward recursion, frame by frame.

    Args:
        scores: [T, K], cos(z_t, e_k) / temperature.
        string: L tokens without neighbouring repeats.

    Returns:
        scalar; 0 where the string is empty or longer than the frames, where the likelihood is undefined.
    """
    if not 0 < len(string) <= len(scores):
        return scores.new_zeros(())
    emission = scores.log_softmax(dim=1)[:, list(string)]  # [T, L]
    never = scores.new_full((len(string),), NEVER)
    reach = torch.cat([emission[0, :1], never[1:]])  # [L]: frames so far, ending in token i
    for now in emission[1:]:
        reach = torch.logaddexp(reach, torch.cat([never[:1], reach[:-1]])) + now
    return -reach[-1]


def matching(embeddings: Tensor, tokens: Tensor, score: Callable[[Tensor], Tensor], temperature: float) -> Tensor:
    """Mean over tokens of the K-way cross-entropy of a token's prototype, the normalised mean of its frames.

    Args:
        embeddings: [T, d], frames of both views pooled; tokens: int64 [T].
        score: prototype [d] -> similarities [K], such as `Plain.score`.
    """
    losses = []
    for token in tokens.unique():
        prototype = F.normalize(embeddings[tokens == token].mean(dim=0), dim=0)
        losses.append(F.cross_entropy(score(prototype) / temperature, token))
    return torch.stack(losses).mean()


def pair_loss(model: Plain, first: Tensor, second: Tensor) -> Tensor:
    """L_m + alpha L_lik(X, T~') + beta L_lik(X', T~) of a pair of recordings' features [N, width], [M, width]."""
    recipe = model.config.recipes["published"]
    a, b = model(first), model(second)
    cos_a, cos_b = a @ model.codebook.T, b @ model.codebook.T  # all of unit length
    token_a, token_b = cos_a.argmax(dim=1), cos_b.argmax(dim=1)
    tau = recipe.temperature
    return (
        recipe.matching_weight * matching(torch.cat([a, b]), torch.cat([token_a, token_b]), model.score, tau)
        + recipe.alpha * likelihood(cos_a / tau, compress(token_b.tolist()))
        + recipe.beta * likelihood(cos_b / tau, compress(token_a.tolist()))
    )


def step(
    model: Plain,
    optimizer: torch.optim.Optimizer,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    config: Config,
    sample_rate: int,
    generator: np.random.Generator,
    augmented: bool,
) -> float:
    """One optimiser step over the averaged gradients of ``pairs`` of waveforms, float32 [N], [M].

    With ``augmented`` each pair's second waveform is augmented first. Returns the mean loss before the step.
    """
    model.train()
    optimizer.zero_grad()
    total = 0.0
    for waveform, partner in pairs:
        if augmented:
            partner = augment(partner, sample_rate, generator)
        first = features(waveform, config.features, sample_rate)
        second = features(partner, config.features, sample_rate)
        loss = pair_loss(model, first, second) / len(pairs)
        loss.backward()
        total += loss.item()
    optimizer.step()
    return total


def embed(model: Plain, waveform: np.ndarray) -> Tensor:
    """Unit embeddings [T, d] of one recording, float32 [N], without dropout or gradients."""
    model.eval()
    with torch.no_grad():
        return model(features(waveform, model.config.features, model.config.data.sample_rate))


def expectation(model: Plain, waveforms: Sequence[np.ndarray], num_tokens: int, iterations: int, seed: int) -> None:
    """The E-step: k-means over the embeddings of all recordings; normalised centroids become the codebook [K, d]."""
    points = torch.cat([embed(model, waveform).cpu() for waveform in waveforms]).numpy()
    centroids = KMeans(num_tokens, n_init=1, max_iter=iterations, random_state=seed).fit(points).cluster_centers_
    model.codebook = F.normalize(torch.from_numpy(centroids), dim=1).to(model.codebook)


def tokenize(model: Plain, waveform: np.ndarray) -> list[int]:
    """The token string of one recording, float32 [N]."""
    return compress((embed(model, waveform) @ model.codebook.T).argmax(dim=1).tolist())


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein distance of two token strings."""
    previous = list(range(len(b) + 1))
    for i, token in enumerate(a, 1):
        current = [i]
        for j, other in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (token != other)))
        previous = current
    return previous[-1]
