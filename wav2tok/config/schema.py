"""Every parameter of a run, typed, with its default. `wav2tok.config.parameters` reads them from ``params.yaml``.

A key that is not a field below, or a value of the wrong type, is a `UserError` that names it. The defaults here and the
committed ``params.yaml`` are the same; a test says so.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Data:
    path: str = "data"
    sample_rate: int = 16000


@dataclass(frozen=True)
class Validate:
    min_seconds: float = 0.1
    max_seconds: float = 600.0
    min_rms_dbfs: float = -60.0
    max_clipped_share: float = 0.01
    max_silence_share: float = 0.9
    max_unreadable_share: float = 0.05


@dataclass(frozen=True)
class Split:
    kind: Literal["dict", "list"] = "dict"
    group_by: Literal["prefix", "column", "none"] = "prefix"
    test_share: float = 0.3
    valid_share: float = 0.2


@dataclass(frozen=True)
class Features:
    kind: Literal["mfcc", "logmel", "stft", "cqt", "pitch"] = "mfcc"
    n_fft: int = 1024
    hop: int = 256
    n_mels: int = 64
    n_mfcc: int = 13
    bins_per_octave: int = 12
    min_hz: float = 65.4
    deltas: bool = True
    harmonics: int = 8
    normalize: bool = True


@dataclass(frozen=True)
class Encoder:
    kind: Literal["lstm", "transformer"] = "lstm"
    hidden: int = 128
    layers: int = 2
    dropout: float = 0.25
    dim: int = 128
    stack: int = 2
    heads: int = 2
    ffn: int = 2272
    layerdrop: float = 0.05
    position_kernel: int = 128
    position_groups: int = 16
    input_dim: int | None = None
    tiled: bool = False


@dataclass(frozen=True)
class Codebook:
    num_tokens: int = 256
    iterations: int = 30
    cluster_split: float = 1.0
    max_frames: int = 262_144


@dataclass(frozen=True)
class Augment:
    share: float = 0.8
    semitones: float = 6.0
    min_tempo: float = 0.7
    max_tempo: float = 1.4
    equalizer_db: float = 6.0
    noise_db: float | None = 10.0
    views: Literal["both", "partner"] = "both"


@dataclass(frozen=True)
class Recipe:
    batch_size: int = 48
    max_batch_seconds: float = 100.0
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["linear", "constant"] = "linear"
    schedule_steps: int | None = None
    warmup: float = 0.08
    contrast_share: float = 0.75
    sequence_weight: float = 1.0
    sequence_temperature: float = 0.05
    stretch_seconds: float = 1.5
    codeword_weight: float = 0.5
    frame_weight: float = 0.0
    frame_temperature: float = 0.15
    frames_per_second: float = 16.0
    triplet_weight: float = 1.0
    triplet_margin: float = 0.2
    aligned_weight: float = 0.3
    matching_weight: float = 0.1
    alpha: float = 0.1
    beta: float = 0.1
    per_token: bool = True
    temperature: float = 0.1
    use_cosine: bool = True
    iter_clust: int = 40


@dataclass(frozen=True)
class Train:
    recipe: str = "staged"
    name: str = "wav2tok"
    mode: Literal["pairs", "singles", "triplets"] = "pairs"
    same_length: bool = False
    epochs: int = 12
    steps_per_epoch: int | None = 60
    patience: int = 5
    autosave_epoch: int = 5
    clip_seconds: float | None = 30.0
    subset_share: float = 1.0
    validate_recordings: int = 1000
    init_from: str | None = None
    start_epoch: int = 0
    debug: bool = False


@dataclass(frozen=True)
class Evaluate:
    protocol: Literal["auto", "words", "hums"] = "auto"
    tempos: tuple[float, ...] = (0.7, 0.8, 1.25, 1.4)
    semitones: tuple[int, ...] = (-5, -4, -3, -2, 2, 3, 4, 5)
    snr_db: tuple[float, ...] = (20.0, 10.0, 5.0, 0.0)
    curve_queries: int = 150
    baselines: tuple[str, ...] = ("all",)
    bootstrap: int = 1000


@dataclass(frozen=True)
class Gate:
    min_mrr: float = 0.3
    min_map: float = 0.2
    min_codebook_use: float = 0.5
    beat: tuple[str, ...] = ("untrained", "kmeans_logmel")


@dataclass(frozen=True)
class Register:
    name: str = "wav2tok"
    experiment: str = "wav2tok"


@dataclass(frozen=True)
class Schedule:
    cron: str = "0 3 * * 1"
    retries: int = 1
    retry_delay_seconds: int = 10
    timeout_minutes: int = 60


WHOLE = 2**40
"""More frames than a recording has."""
STAGED = Recipe()
PUBLISHED = Recipe(
    batch_size=4,
    max_batch_seconds=1e9,
    learning_rate=2e-3,
    weight_decay=1e-2,
    contrast_share=0.0,
    sequence_weight=0.0,
    codeword_weight=0.0,
    aligned_weight=0.0,
    matching_weight=1.0,
    alpha=0.01,
    beta=0.01,
    per_token=False,
    use_cosine=False,
    iter_clust=500,
)


@dataclass(frozen=True)
class Config:
    profile: Literal["speech", "humming", "published"] | None = None
    seed: int = 0
    data: Data = field(default_factory=Data)
    validate: Validate = field(default_factory=Validate)
    split: Split = field(default_factory=Split)
    features: Features = field(default_factory=Features)
    encoder: Encoder = field(default_factory=Encoder)
    codebook: Codebook = field(default_factory=Codebook)
    augment: Augment = field(default_factory=Augment)
    train: Train = field(default_factory=Train)
    recipes: dict[str, Recipe] = field(default_factory=lambda: {"staged": STAGED, "published": PUBLISHED})
    evaluate: Evaluate = field(default_factory=Evaluate)
    gate: Gate = field(default_factory=Gate)
    register: Register = field(default_factory=Register)
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def recipe(self) -> Recipe:
        """The recipe that ``train.recipe`` names."""
        return self.recipes[self.train.recipe]

    @property
    def token_rate(self) -> float:
        """Embeddings, and so tokens before repeats are dropped, a second."""
        return self.data.sample_rate / (self.features.hop * self.encoder.stack)

    @property
    def clip_frames(self) -> int:
        """Frames of ``train.clip_seconds``: no longer stretch of a recording is ever in a batch of training.

        Whole embeddings of ``encoder.stack`` frames, so that tiles laid one behind the other are as many tokens as the
        recording.
        """
        if self.train.clip_seconds is None:
            return WHOLE
        frames = round(self.train.clip_seconds * self.data.sample_rate / self.features.hop)
        return max(1, round(frames / self.encoder.stack)) * self.encoder.stack
