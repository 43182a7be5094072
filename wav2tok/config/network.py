"""Parameters of the network: features, encoder, codebook."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic.dataclasses import dataclass

from wav2tok.config.values import SECTION, Flag, Share, SomeShare, Within

# What the pretrained networks of features.kind speech and contour were trained for.
SPEECH_RATE, SPEECH_N_FFT, SPEECH_HOP = 16000, 512, 1280
CONTOUR_RATE, CONTOUR_STEP = 16000, 256


@dataclass(frozen=True, config=SECTION)
class Features:
    """What the encoder gets: features of frames of the waveform."""

    kind: Literal["mfcc", "logmel", "stft", "cqt", "pitch", "speech", "contour"] = "mfcc"
    """stft: magnitudes; cqt: constant-Q transform; pitch: the melody in any key (with n_fft 2048 and hop 512).

    With a pretrained network: speech: what it hears in words (n_fft 512, hop 1280); contour: the melody (hop 1024).
    """
    n_fft: Annotated[int, Field(multiple_of=2), Within(16, 65_536)] = 1024
    """Samples per window."""
    hop: Annotated[int, Within(1, 65_536)] = 256
    """Samples between frames: 16 ms at 16 kHz; at most n_fft (except with speech and contour)."""
    n_mels: Annotated[int, Within(1, 512)] = 64
    """Mel bands (mfcc, logmel)."""
    n_mfcc: Annotated[int, Within(1, 512)] = 13
    """Cepstral coefficients (mfcc)."""
    bins_per_octave: Annotated[int, Within(1, 96)] = 12
    """Bins per octave (cqt), from min_hz up to half the sampling rate."""
    min_hz: Annotated[float, Within(1, 100_000)] = 65.4
    """Lowest frequency (cqt); windows have at most n_fft samples."""
    deltas: Flag = True
    """Append first and second differences (mfcc, logmel, cqt)."""
    harmonics: Annotated[int, Within(0, 64)] = 8
    """Harmonics of the voice whose levels are appended to its pitch (pitch); 0: the melody alone."""
    normalize: Flag = True
    """Normalize each recording to mean 0 and deviation 1 (speech: to mean 0; pitch, contour: to its own key)."""

    @model_validator(mode="after")
    def _as_the_pretrained_network_needs(self) -> Self:
        if self.kind == "speech" and (self.n_fft, self.hop) != (SPEECH_N_FFT, SPEECH_HOP):
            raise ValueError(
                f"kind is speech with n_fft {self.n_fft} and hop {self.hop}; it needs n_fft {SPEECH_N_FFT} and hop "
                f"{SPEECH_HOP}"
            )
        if self.kind == "contour" and self.hop % CONTOUR_STEP:
            raise ValueError(
                f"kind is contour with hop {self.hop}; it needs a multiple of {CONTOUR_STEP}, such as 1024"
            )
        return self

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.kind not in ("speech", "contour") and self.hop > self.n_fft:
            raise ValueError(f"hop is {self.hop}; it must be at most features.n_fft, {self.n_fft}")
        if self.kind == "mfcc" and self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc is {self.n_mfcc}; it must be at most features.n_mels, {self.n_mels}")
        return self


@dataclass(frozen=True, config=SECTION)
class Encoder:
    """The network from features to embeddings."""

    kind: Literal["sru", "lstm", "transformer", "linear"] = "sru"
    """sru or lstm (bidirectional), transformer, or linear: one matrix, for pretrained features."""
    hidden: Annotated[int, Within(1, 8_192)] = 96
    """Width per direction; a transformer is twice as wide."""
    layers: Annotated[int, Within(1, 64)] = 2
    """Number of layers."""
    dropout: Annotated[float, Within(0, 0.95)] = 0.25
    """Dropout between layers while training."""
    dim: Annotated[int, Within(1, 8_192)] = 128
    """Values per embedding."""
    stack: Annotated[int, Within(1, 256)] = 2
    """Feature frames per embedding, and so per token."""
    heads: Annotated[int, Within(1, 256)] = 2
    """Attention heads (transformer)."""
    ffn: Annotated[int, Within(1, 65_536)] = 2272
    """Width of the feed-forward layers (transformer)."""
    layerdrop: Share = 0.05
    """Share of the layers that a training step skips (transformer)."""
    position_kernel: Annotated[int, Within(1, 4_096)] = 128
    """Kernel size of the convolutional position encoding, in steps (transformer)."""
    position_groups: Annotated[int, Within(1, 8_192)] = 16
    """Groups of that convolution (transformer)."""
    context: Annotated[int, Within(0, 64)] = 0
    """Frames on either side of one that are appended to it (linear)."""
    context_step: Annotated[int, Within(1, 256)] = 1
    """Distance of those frames, in frames (linear)."""
    denoising: Flag = False
    """Start from the matrix that predicts clean frames from those in babble and rooms (linear)."""
    whitening: Flag = False
    """Start from the matrix that whitens the differences of aligned frames of a class (linear)."""
    input_dim: Annotated[int, Within(1, 1_000_000)] | None = None
    """Values per feature frame; null: as the features have. Any other number than theirs is refused."""
    tiled: Flag = False
    """Tokenize recordings longer than train.clip_seconds in tiles of that length."""


@dataclass(frozen=True, config=SECTION)
class Codebook:
    """The tokens: k-means over embeddings."""

    num_tokens: Annotated[int, Within(2, 65_536)] = 160
    """Number of tokens."""
    iterations: Annotated[int, Within(1, 10_000)] = 30
    """Maximum number of k-means rounds in one E-step."""
    cluster_split: SomeShare = 1.0
    """Share of the training recordings that one E-step reads."""
    max_frames: Annotated[int, Within(2, 100_000_000)] = 262_144
    """Maximum number of their frames, drawn at random, for any size of corpus: 70 minutes with hop 256."""
    recombined: Annotated[float, Within(0, 100)] = 0.0
    """Recombined recordings per recording that an E-step reads too, so that new sounds find codewords."""

    @model_validator(mode="after")
    def _frames_for_every_token(self) -> Self:
        if self.max_frames < self.num_tokens:
            raise ValueError(
                f"max_frames is {self.max_frames}; it must be at least codebook.num_tokens, {self.num_tokens}"
            )
        return self
