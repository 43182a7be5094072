"""Parameters of training: augmentation, recipes, the loop."""

from typing import Annotated, Literal, Self, get_args

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from wav2tok.config.values import (
    DAY,
    DISTINCT,
    HOUR,
    SECTION,
    Count,
    CountOrZero,
    FileName,
    Flag,
    Ratio,
    Share,
    ShareBelowOne,
    SomeShare,
    Temperature,
    Text,
    Weight,
    Within,
)

ContourChange = Literal["glides", "vibrato", "octaves", "notes", "tempo"]
"""What another performance of a melody changes (`wav2tok.training.contours`)."""


@dataclass(frozen=True, config=SECTION)
class Augment:
    """Changes of the spectra, drawn again for every view."""

    share: Share = 0.8
    """Share of the views that are changed."""
    semitones: Annotated[float, Within(0, 48)] = 6.0
    """Maximum shift, up or down."""
    min_tempo: Ratio = 0.7
    """Lowest tempo; 1 is unchanged."""
    max_tempo: Ratio = 1.4
    """Highest tempo."""
    equalizer_db: Annotated[float, Within(0, 60)] = 6.0
    """Maximum tilt of the noise's spectrum."""
    noise_db: Annotated[float, Within(0, 100)] | None = 10.0
    """Width of the range of noise levels around 50 dB below the loudest band; null: no noise."""
    contour: Share = 0.0
    """Slips of another performance in contours (features.kind contour), 1 the largest; 0: none."""
    contour_changes: Annotated[tuple[ContourChange, ...], DISTINCT] = get_args(ContourChange)
    """Which: glides, vibrato, octaves (slips of an octave), notes (dropped and repeated ones), tempo (bends)."""
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

    batch_size: Annotated[int, Within(1, 65_536)] = 48
    """Pairs per batch."""
    max_batch_seconds: Annotated[float, Within(0.01, 1e9)] = 100.0
    """Maximum seconds of audio per batch; long recordings make batches of fewer pairs."""
    learning_rate: Annotated[float, Within(1e-9, 1)] = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Within(0, 10)] = 0.0
    """Weight decay of the optimiser."""
    schedule: Literal["linear", "constant"] = "linear"
    """linear: the learning rate rises, then falls to 0; constant: it rises, then stays."""
    schedule_steps: Count | None = None
    """Steps of the schedule; null: all steps."""
    warmup: Share = 0.08
    """Share of those steps in which the learning rate rises."""
    contrast_share: Share = 0.75
    """Share of the steps in the first stage, contrast alone."""
    sequence_weight: Weight = 1.0
    """Weight of the contrast of whole recordings, by the mean cosine along the warping path."""
    sequence_temperature: Temperature = 0.05
    """Temperature of that contrast."""
    stretch_seconds: Annotated[float, Within(0.01, HOUR)] = 1.5
    """Longer recordings are compared in stretches of this length."""
    codeword_weight: Weight = 0.5
    """Weight of the same contrast between the recordings' codewords, in the second stage."""
    frame_weight: Weight = 0.0
    """Weight of the contrast of single aligned frames."""
    frame_temperature: Temperature = 0.15
    """Temperature of that contrast."""
    frames_per_second: Annotated[float, Within(0.01, 1000)] = 16.0
    """Aligned frames drawn from each pair, per second."""
    triplet_weight: Weight = 1.0
    """Weight of the triplet loss (train.mode triplets)."""
    triplet_margin: Annotated[float, Within(0, 2)] = 0.2
    """Margin of mean cosine by which the partner must be nearer than the negative."""
    aligned_weight: Weight = 0.3
    """Weight of the token likelihood of aligned frames."""
    matching_weight: Weight = 0.1
    """Weight of the matching loss L_m."""
    alpha: Weight = 0.1
    """Weight of the likelihood of the partner's string given the anchor's frames."""
    beta: Weight = 0.1
    """Weight of the likelihood of the anchor's string given the partner's frames."""
    per_token: Flag = True
    """Divide these likelihoods by the lengths of their strings."""
    temperature: Temperature = 0.1
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
    clip_seconds: Annotated[float, Within(0.01, DAY)] | None = 30.0
    """Train on a random stretch of this length of a longer recording, the same in both views; null: on all of it."""
    subset_share: SomeShare = 1.0
    """Share of the recordings in an epoch and its E-steps, drawn again for each epoch."""
    validate_recordings: Annotated[int, Within(2, 1_000_000)] = 1000
    """Maximum number of validation recordings, spread over the classes, so that the cost per epoch is bounded."""
    unheard_validation: ShareBelowOne = 0.0
    """Share of the validation's classes that training never hears; the score is half theirs. 0: none."""
    init_from: Text | None = None
    """Initial weights: NAME, NAME_EPOCH or FOLDER/NAME; a model folder means its best."""
    start_epoch: CountOrZero = 0
    """Resume this training from the checkpoint NAME_EPOCH of this epoch; 0: from where it stopped."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Precision of the factors in the encoder's products while it trains: float32 (TF32 on CUDA), or bfloat16."""
    cuda_graphs: Flag = False
    """On CUDA: record the encoder's kernels for a few lengths of batches, and replay them."""
    debug: Flag = False
    """Use at most 32 recordings and two epochs of two steps, to see that everything runs."""

    @model_validator(mode="after")
    def _starts_within_the_epochs(self) -> Self:
        if self.start_epoch > self.epochs:
            raise ValueError(f"start_epoch is {self.start_epoch}; it must be at most train.epochs, {self.epochs}")
        return self


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
