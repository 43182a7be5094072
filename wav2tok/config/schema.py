"""Every parameter of a run: its type, default, bounds and meaning. `wav2tok.config.parameters` reads ``params.yaml``.

The dataclasses are pydantic's: they refuse unknown names, wrong types and values out of bounds when they are built,
`dataclasses.replace` included. Types are strict: a string is not a number, and a boolean is not an integer. The
committed ``params.yaml`` states the same defaults; a test compares the two.
"""

import json
import re
from collections.abc import Callable
from dataclasses import field
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, WithJsonSchema, model_validator
from pydantic.dataclasses import dataclass

SECTION = ConfigDict(extra="forbid", use_attribute_docstrings=True)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")
"""Numbers that YAML 1.1 reads as text, such as 1e-3."""
_FILE_NAME = r"\w[\w.-]*"


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value


def _refuse(wrong: Callable[[Any], bool], why: str) -> AfterValidator:
    """A rule that refuses the values for which ``wrong`` is true; ``why`` ends the message."""

    def rule(value: Any) -> Any:
        if wrong(value):
            raise ValueError(why)
        return value

    return AfterValidator(rule)


Whole = Annotated[int, Field(strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(strict=True)]
FileName = Annotated[
    Text,
    _refuse(
        lambda name: re.fullmatch(_FILE_NAME, name) is None,
        "it is part of file names, so use letters, digits, ., _ and -, and begin with a letter, a digit or _",
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{_FILE_NAME}$"}),
]

Count = Annotated[Whole, Field(ge=1)]
CountOrZero = Annotated[Whole, Field(ge=0)]
# Bounds come before `_FROM_TEXT`, so that the JSON schema states them.
_FROM_TEXT = BeforeValidator(_number)
Number = Annotated[float, Field(strict=True, allow_inf_nan=False), _FROM_TEXT]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0), _FROM_TEXT]
NotNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0), _FROM_TEXT]
Share = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1), _FROM_TEXT]
SomeShare = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, le=1), _FROM_TEXT]
PartialShare = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0, lt=1), _FROM_TEXT]
Confidence = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0.5, lt=1), _FROM_TEXT]
ShareBelowOne = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, lt=1), _FROM_TEXT]
Dropout = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=0.95), _FROM_TEXT]
Tempo = Annotated[Positive, _refuse(lambda tempo: tempo == 1, "a tempo of 1 changes nothing; omit it")]
Semitones = Annotated[Whole, _refuse(lambda semitones: semitones == 0, "0 semitones change nothing; omit it")]
_DISTINCT = _refuse(lambda values: len(set(values)) < len(values), "it names a value twice; omit one")
_ALL_ALONE = _refuse(lambda values: "all" in values and len(values) > 1, "use either all or names")


# What the pretrained networks of features.kind speech and contour were trained for.
SPEECH_RATE, SPEECH_N_FFT, SPEECH_HOP = 16000, 512, 1280
CONTOUR_RATE, CONTOUR_STEP = 16000, 256


@dataclass(frozen=True, config=SECTION)
class Data:
    """The recordings."""

    path: Text = "data"
    """Folder of the recordings, CLASS/GROUP_TAKE.flac."""
    sample_rate: Count = 16000
    """Sampling rate in Hz to which every recording is converted."""


@dataclass(frozen=True, config=SECTION)
class Validate:
    """What counts as a good recording and a good corpus."""

    min_seconds: Number = 0.1
    """Shorter recordings are an error."""
    max_seconds: Number = 600.0
    """Longer recordings are a warning."""
    min_rms_dbfs: Number = -60.0
    """Quieter recordings are an error: nothing was recorded."""
    max_clipped_share: Number = 0.01
    """Share of samples at full scale."""
    max_silence_share: Number = 0.9
    """Share of silent frames of 20 ms."""
    max_offset: NotNegative = 0.1
    """Constant offset (DC) of the samples, where full scale is 1."""
    max_unreadable_share: Number = 0.05
    """Unreadable files are omitted; a larger share of them is an error."""


@dataclass(frozen=True, config=SECTION)
class Split:
    """How the recordings are divided into training, validation and test."""

    kind: Literal["dict", "list"] = "dict"
    """dict: one folder per class; list: no classes, each recording pairs with its own augmentation."""
    group_by: Literal["prefix", "column", "none"] = "prefix"
    """prefix: the file name up to the first _, a speaker or singer; column: the manifest's column group; none."""
    test_share: PartialShare = 0.3
    """Share of the recordings in the test part."""
    valid_share: PartialShare = 0.2
    """Share of the remaining recordings in the validation part."""
    unheard_classes: ShareBelowOne = 0.0
    """Share of the classes that only the test part has; their other recordings are left out. 0: none."""


@dataclass(frozen=True, config=SECTION)
class Features:
    """What the encoder gets: features of frames of the waveform."""

    kind: Literal["mfcc", "logmel", "stft", "cqt", "pitch", "speech", "contour"] = "mfcc"
    """stft: magnitudes; cqt: constant-Q transform; pitch: the melody in any key (with n_fft 2048 and hop 512).

    With a pretrained network: speech: what it hears in words (n_fft 512, hop 1280); contour: the melody (hop 1024).
    """
    n_fft: Annotated[Whole, Field(ge=2, multiple_of=2)] = 1024
    """Samples per window."""
    hop: Count = 256
    """Samples between frames: 16 ms at 16 kHz; at most n_fft (except with speech and contour)."""
    n_mels: Whole = 64
    """Mel bands (mfcc, logmel)."""
    n_mfcc: Whole = 13
    """Cepstral coefficients (mfcc)."""
    bins_per_octave: Whole = 12
    """Bins per octave (cqt), from min_hz up to half the sampling rate."""
    min_hz: Number = 65.4
    """Lowest frequency (cqt); windows have at most n_fft samples."""
    deltas: Flag = True
    """Append first and second differences (mfcc, logmel, cqt)."""
    harmonics: Whole = 8
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
    def _hop_within_window(self) -> Self:
        if self.kind not in ("speech", "contour") and self.hop > self.n_fft:
            raise ValueError(f"hop is {self.hop}; it must be at most features.n_fft, {self.n_fft}")
        return self


@dataclass(frozen=True, config=SECTION)
class Encoder:
    """The network from features to embeddings."""

    kind: Literal["lstm", "transformer", "linear"] = "lstm"
    """lstm (bidirectional), transformer, or linear: one matrix, for pretrained features."""
    hidden: Count = 128
    """Width per direction; a transformer is twice as wide."""
    layers: Count = 2
    """Number of layers."""
    dropout: Dropout = 0.25
    """Dropout between layers while training."""
    dim: Count = 128
    """Values per embedding."""
    stack: Count = 2
    """Feature frames per embedding, and so per token."""
    heads: Count = 2
    """Attention heads (transformer)."""
    ffn: Count = 2272
    """Width of the feed-forward layers (transformer)."""
    layerdrop: Share = 0.05
    """Share of the layers that a training step skips (transformer)."""
    position_kernel: Count = 128
    """Kernel size of the convolutional position encoding, in steps (transformer)."""
    position_groups: Count = 16
    """Groups of that convolution (transformer)."""
    context: CountOrZero = 0
    """Frames on either side of one that are appended to it (linear)."""
    context_step: Count = 1
    """Distance of those frames, in frames (linear)."""
    denoising: Flag = False
    """Start from the matrix that predicts clean frames from those in babble and rooms (linear)."""
    whitening: Flag = False
    """Start from the matrix that whitens the differences of aligned frames of a class (linear)."""
    input_dim: Whole | None = None
    """Values per feature frame; null: as the features have. Any other number than theirs is refused."""
    tiled: Flag = False
    """Tokenize recordings longer than train.clip_seconds in tiles of that length."""


@dataclass(frozen=True, config=SECTION)
class Codebook:
    """The tokens: k-means over embeddings."""

    num_tokens: Annotated[Whole, Field(ge=2)] = 256
    """Number of tokens."""
    iterations: Whole = 30
    """Maximum number of k-means rounds in one E-step."""
    cluster_split: SomeShare = 1.0
    """Share of the training recordings that one E-step reads."""
    max_frames: Whole = 262_144
    """Maximum number of their frames, drawn at random, for any size of corpus: 70 minutes with hop 256."""
    recombined: NotNegative = 0.0
    """Recombined recordings per recording that an E-step reads too, so that new sounds find codewords."""

    @model_validator(mode="after")
    def _frames_for_every_token(self) -> Self:
        if self.max_frames < self.num_tokens:
            raise ValueError(
                f"max_frames is {self.max_frames}; it must be at least codebook.num_tokens, {self.num_tokens}"
            )
        return self


@dataclass(frozen=True, config=SECTION)
class Augment:
    """Changes of the spectra, drawn again for every view."""

    share: Share = 0.8
    """Share of the views that are changed."""
    semitones: Number = 6.0
    """Maximum shift, up or down."""
    min_tempo: Positive = 0.7
    """Lowest tempo; 1 is unchanged."""
    max_tempo: Number = 1.4
    """Highest tempo."""
    equalizer_db: Number = 6.0
    """Maximum tilt of the noise's spectrum."""
    noise_db: NotNegative | None = 10.0
    """Width of the range of noise levels around 50 dB below the loudest band; null: no noise."""
    views: Literal["both", "partner"] = "both"
    """Change both views of a pair, or only the partner."""

    @model_validator(mode="after")
    def _tempos_in_order(self) -> Self:
        if self.min_tempo > self.max_tempo:
            raise ValueError(f"min_tempo is {self.min_tempo}; it must be at most augment.max_tempo, {self.max_tempo}")
        return self


@dataclass(frozen=True, config=SECTION)
class Recipe:
    """An objective and its optimiser: contrast first, then EM with token likelihoods."""

    batch_size: Count = 48
    """Pairs per batch."""
    max_batch_seconds: Number = 100.0
    """Maximum seconds of audio per batch; long recordings make batches of fewer pairs."""
    learning_rate: Positive = 1e-3
    """Peak learning rate."""
    weight_decay: NotNegative = 0.0
    """Weight decay of the optimiser."""
    schedule: Literal["linear", "constant"] = "linear"
    """linear: the learning rate rises, then falls to 0; constant: it rises, then stays."""
    schedule_steps: Count | None = None
    """Steps of the schedule; null: all steps."""
    warmup: Share = 0.08
    """Share of those steps in which the learning rate rises."""
    contrast_share: Share = 0.75
    """Share of the steps in the first stage, contrast alone."""
    sequence_weight: NotNegative = 1.0
    """Weight of the contrast of whole recordings, by the mean cosine along the warping path."""
    sequence_temperature: Positive = 0.05
    """Temperature of that contrast."""
    stretch_seconds: Positive = 1.5
    """Longer recordings are compared in stretches of this length."""
    codeword_weight: NotNegative = 0.5
    """Weight of the same contrast between the recordings' codewords, in the second stage."""
    frame_weight: NotNegative = 0.0
    """Weight of the contrast of single aligned frames."""
    frame_temperature: Positive = 0.15
    """Temperature of that contrast."""
    frames_per_second: Number = 16.0
    """Aligned frames drawn from each pair, per second."""
    triplet_weight: NotNegative = 1.0
    """Weight of the triplet loss (train.mode triplets)."""
    triplet_margin: NotNegative = 0.2
    """Margin of mean cosine by which the partner must be nearer than the negative."""
    aligned_weight: NotNegative = 0.3
    """Weight of the token likelihood of aligned frames."""
    matching_weight: NotNegative = 0.1
    """Weight of the matching loss L_m."""
    alpha: NotNegative = 0.1
    """Weight of the likelihood of the partner's string given the anchor's frames."""
    beta: NotNegative = 0.1
    """Weight of the likelihood of the anchor's string given the partner's frames."""
    per_token: Flag = True
    """Divide these likelihoods by the lengths of their strings."""
    temperature: Positive = 0.1
    """Temperature of the cosines to the codebook."""
    use_cosine: Flag = True
    """Similarity of prototypes by cosine; false: w . |p - e| + b."""
    iter_clust: Count = 40
    """Steps between E-steps in the second stage."""

    @model_validator(mode="after")
    def _contrast_has_a_weight(self) -> Self:
        if self.contrast_share > 0 and self.sequence_weight == 0 and self.frame_weight == 0:
            raise ValueError(
                f"contrast_share is {self.contrast_share}, but sequence_weight and frame_weight are 0; "
                "set one of them, or contrast_share to 0"
            )
        return self


@dataclass(frozen=True, config=SECTION)
class Train:
    """The training loop."""

    recipe: Text = "staged"
    """Name of the recipe, one of recipes."""
    name: FileName = "wav2tok"
    """Name of the weights: NAME_best.safetensors, NAME_5.safetensors."""
    mode: Literal["pairs", "singles", "triplets"] = "pairs"
    """pairs; singles: a recording and itself; triplets: also a recording of another class."""
    same_length: Flag = False
    """Stretch the members of a pair or triplet to their mean length."""
    epochs: CountOrZero = 12
    """Maximum number of epochs."""
    steps_per_epoch: Count | None = 60
    """Optimiser steps per epoch; null: one pass over the recordings."""
    patience: Count = 5
    """Epochs without a better validation score before training ends."""
    autosave_epoch: Count = 5
    """Epochs between checkpoints that are kept as NAME_EPOCH; the last checkpoint is always kept."""
    clip_seconds: Positive | None = 30.0
    """Train on a random stretch of this length of a longer recording, the same in both views; null: on all of it."""
    subset_share: SomeShare = 1.0
    """Share of the recordings in an epoch and its E-steps, drawn again for each epoch."""
    validate_recordings: Annotated[Whole, Field(ge=2)] = 1000
    """Maximum number of validation recordings, spread over the classes, so that the cost per epoch is bounded."""
    unheard_validation: ShareBelowOne = 0.0
    """Share of the validation's classes that training never hears; the score is half theirs. 0: none."""
    init_from: Text | None = None
    """Initial weights: NAME, NAME_EPOCH or FOLDER/NAME; a model folder means its best."""
    start_epoch: CountOrZero = 0
    """Resume this training from the checkpoint NAME_EPOCH of this epoch; 0: from where it stopped."""
    debug: Flag = False
    """Use at most 32 recordings and two epochs of two steps, to see that everything runs."""

    @model_validator(mode="after")
    def _starts_within_the_epochs(self) -> Self:
        if self.start_epoch > self.epochs:
            raise ValueError(f"start_epoch is {self.start_epoch}; it must be at most train.epochs, {self.epochs}")
        return self


@dataclass(frozen=True, config=SECTION)
class Evaluate:
    """What is measured on the test recordings."""

    protocol: Literal["auto", "words", "hums"] = "auto"
    """words: other speakers' recordings; hums: the views V, TS and PS; auto: by what the data offers."""
    tempos: Annotated[tuple[Tempo, ...], _DISTINCT] = (0.7, 0.8, 1.25, 1.4)
    """Tempos of the queries in the view TS."""
    semitones: Annotated[tuple[Semitones, ...], _DISTINCT] = (-5, -4, -3, -2, 2, 3, 4, 5)
    """Pitch shifts of the queries in the view PS."""
    snr_db: Annotated[tuple[Number, ...], _DISTINCT] = (20.0, 10.0, 5.0, 0.0)
    """Signal-to-noise ratios of the robustness curves: queries in a babble of training recordings."""
    room_snr_db: Annotated[tuple[Number, ...], _DISTINCT] = (5.0,)
    """The same in a reverberant room, which is also measured without babble; an empty list: no room."""
    curve_queries: CountOrZero = 150
    """Maximum number of queries of the curves that are not evaluated anyway; 0: no curves."""
    distractors: CountOrZero = 0
    """Synthetic melodies that the protocol hums adds to the database, reported beside the rest; 0: none."""
    baselines: Annotated[tuple[Text, ...], _ALL_ALONE] = ("all",)
    """all, or names such as untrained and mfcc_dtw; an empty list: none."""
    bootstrap: CountOrZero = 1000
    """Draws for the 95 % intervals."""


@dataclass(frozen=True, config=SECTION)
class Gate:
    """What approves a model: on the test recordings, by plain edit distance; the worst view counts."""

    min_mrr: Number = 0.3
    """Lowest mean reciprocal rank."""
    min_map: Number = 0.2
    """Lowest mean average precision."""
    min_codebook_use: Number = 0.5
    """Lowest share of the tokens that occur."""
    beat: tuple[Text, ...] = ("untrained", "kmeans_logmel")
    """Baselines that the model must beat in MRR and MAP on every view."""
    confidence: Confidence = 0.95
    """How certain it must be that the model beats them, all comparisons together."""


@dataclass(frozen=True, config=SECTION)
class Export:
    """Smaller graphs beside the exported one."""

    variants: tuple[Literal["fp16", "int8"], ...] = ()
    """Kinds of smaller graphs: int8 (faster) and fp16; none is exported without test recordings."""
    max_loss: Share = 0.02
    """The most that a variant may lose in MRR or MAP; one that loses more is not written."""
    recordings: Count = 200
    """Maximum number of test recordings on which variants are measured, spread over the classes."""


@dataclass(frozen=True, config=SECTION)
class Register:
    """Where models and runs are registered."""

    name: Text = "wav2tok"
    """Name of the model in the registry."""
    experiment: Text = "wav2tok"
    """Name of the experiment of the runs."""
    promote: Literal["auto", "never", "challenger", "champion"] = "auto"
    """What an approved model may become. never: it is not registered. auto: champion, but never in ``dvc exp run``."""
    approval: Literal["automatic", "manual"] = "automatic"
    """manual: a version that beats the champion stays challenger until a person says yes."""
    approval_days: Count = 7
    """How long the retraining flow waits for that person."""
    min_queries: Count = 30
    """Fewest test recordings, unheard by both models, by which a challenger is compared with the champion."""
    min_gain: ShareBelowOne = 0.005
    """How much better than the champion, in the mean of MRR and MAP, a challenger must be at least."""
    confidence: Confidence = 0.95
    """How certain that gain must be; also, how certain a class or view must be worse to stop a promotion."""


@dataclass(frozen=True, config=SECTION)
class Schedule:
    """When and how patiently the graph is run again."""

    cron: Text = "0 3 * * 1"
    """When retraining starts, in UTC; prefect.yaml states the same."""
    retries: Whole = 1
    """Retries of a stage that fails."""
    retry_delay_seconds: Whole = 10
    """Seconds before a retry."""
    timeout_minutes: Whole = 60
    """Time limit of a stage."""


WHOLE = 2**40
"""More frames than any recording has."""
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


@dataclass(frozen=True, config=SECTION)
class Config:
    """The parameters of wav2tok: every number that governs a result."""

    profile: Literal["speech", "humming", "general", "published"] | None = None
    """Values of wav2tok/config/profiles/NAME.yaml that override the values of this file."""
    seed: Whole = 0
    """Seed of everything random: the same seed, data and machine give the same tokens."""
    data: Data = field(default_factory=Data)
    validate: Validate = field(default_factory=Validate)
    split: Split = field(default_factory=Split)
    features: Features = field(default_factory=Features)
    encoder: Encoder = field(default_factory=Encoder)
    codebook: Codebook = field(default_factory=Codebook)
    augment: Augment = field(default_factory=Augment)
    train: Train = field(default_factory=Train)
    recipes: dict[Text, Recipe] = field(default_factory=lambda: {"staged": STAGED, "published": PUBLISHED})
    """Recipes by name; values that one omits are those of the built-in recipe of its name, or else the defaults."""
    evaluate: Evaluate = field(default_factory=Evaluate)
    gate: Gate = field(default_factory=Gate)
    export: Export = field(default_factory=Export)
    register: Register = field(default_factory=Register)
    schedule: Schedule = field(default_factory=Schedule)

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        train, encoder = self.train, self.encoder
        if train.recipe not in self.recipes:
            raise ValueError(f"train.recipe is {train.recipe!r}; recipes has: {', '.join(self.recipes)}")
        if encoder.tiled and train.clip_seconds is None:
            raise ValueError(
                "encoder.tiled is true and train.clip_seconds null, so tiles have no length; set one of them"
            )
        of_linear = {
            "encoder.denoising is true": encoder.denoising,
            "encoder.whitening is true": encoder.whitening,
            "encoder.context is more than 0": encoder.context > 0,
            "train.epochs is 0": train.epochs == 0,
        }
        for stated, chosen in of_linear.items():
            if chosen and encoder.kind != "linear":
                raise ValueError(
                    f"{stated}, which needs a linear encoder, and encoder.kind is {encoder.kind}; change one of them"
                )
        if train.mode == "singles" and self.augment.share == 0 and encoder.dropout == 0:
            raise ValueError(
                "train.mode is singles with augment.share 0 and encoder.dropout 0, so both views would be the same; "
                "raise one of them"
            )
        if train.mode == "triplets" and self.recipe.triplet_weight == 0:
            raise ValueError(
                f"train.mode is triplets and recipes.{train.recipe}.triplet_weight {self.recipe.triplet_weight}, so "
                "negatives would have no effect; raise it or use pairs"
            )
        return self

    @property
    def recipe(self) -> Recipe:
        """The recipe that ``train.recipe`` names."""
        return self.recipes[self.train.recipe]

    @property
    def token_rate(self) -> float:
        """Embeddings per second, and so tokens per second before repeats are dropped."""
        return self.data.sample_rate / (self.features.hop * self.encoder.stack)

    @property
    def clip_frames(self) -> int:
        """Frames of ``train.clip_seconds``: no training batch holds a longer stretch of a recording.

        A multiple of ``encoder.stack`` frames, so that consecutive tiles give as many tokens as the whole recording.
        """
        if self.train.clip_seconds is None:
            return WHOLE
        frames = round(self.train.clip_seconds * self.data.sample_rate / self.features.hop)
        return max(1, round(frames / self.encoder.stack)) * self.encoder.stack


VALIDATOR = TypeAdapter(Config)
"""Plain values to a `Config`."""


def json_schema() -> str:
    """The JSON schema of ``params.yaml`` as text, for editors and other programs; ``schema.json`` holds it."""
    return json.dumps(VALIDATOR.json_schema(), indent=2) + "\n"
