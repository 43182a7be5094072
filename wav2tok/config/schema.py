"""Every parameter of a run: its type, default, range and meaning. `wav2tok.config.parameters` reads ``params.yaml``.

The dataclasses are pydantic's: they refuse unknown names, wrong types and values out of range when they are built,
`dataclasses.replace` included. Types are strict: a string is not a number, and a boolean is not an integer. The
committed ``params.yaml`` states the same defaults; a test compares the two.
"""

import json
import math
from dataclasses import field
from typing import Annotated, Literal, Self

from pydantic import TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from wav2tok.config.corpus import Data, Split, Validate
from wav2tok.config.network import (
    CONTOUR_RATE,
    CONTOUR_STEP,
    SPEECH_HOP,
    SPEECH_N_FFT,
    SPEECH_RATE,
    Codebook,
    Encoder,
    Features,
)
from wav2tok.config.results import Drift, Evaluate, Export, Gate, Register, Schedule
from wav2tok.config.training import PUBLISHED, STAGED, Augment, Recipe, Train
from wav2tok.config.values import SECTION, Text, Within

__all__ = [
    "CONTOUR_RATE",
    "CONTOUR_STEP",
    "PUBLISHED",
    "SPEECH_HOP",
    "SPEECH_N_FFT",
    "SPEECH_RATE",
    "STAGED",
    "VALIDATOR",
    "Augment",
    "Codebook",
    "Config",
    "Data",
    "Drift",
    "Encoder",
    "Evaluate",
    "Export",
    "Features",
    "Gate",
    "Recipe",
    "Register",
    "Schedule",
    "Split",
    "Train",
    "Validate",
    "json_schema",
]
WHOLE = 2**40
"""More frames than any recording has."""
FRAMES_PER_SECOND = 1000.0
"""The most feature frames in a second of audio. Sounds change more slowly, and memory grows with the frames."""


@dataclass(frozen=True, config=SECTION)
class Config:
    """The parameters of wav2tok: every number that governs a result."""

    profile: Literal["speech", "humming", "general", "published"] | None = None
    """Values of wav2tok/config/profiles/NAME.yaml that override the values of this file."""
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
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
    drift: Drift = field(default_factory=Drift)
    schedule: Schedule = field(default_factory=Schedule)

    @model_validator(mode="after")
    def _sections_fit(self) -> Self:
        train, encoder, features = self.train, self.encoder, self.features
        rate = self.data.sample_rate / features.hop
        least = math.ceil(self.data.sample_rate / FRAMES_PER_SECOND)
        if features.hop < least:
            raise ValueError(
                f"features.hop is {features.hop} with data.sample_rate {self.data.sample_rate}, which makes "
                f"{rate:,.0f} frames per second; raise it to at least {least}"
            )
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
        if train.cuda_graphs and encoder.kind == "transformer" and encoder.layerdrop:
            raise ValueError(
                f"train.cuda_graphs is true, and encoder.layerdrop {encoder.layerdrop:g} skips other layers in each "
                "step; turn one of them off"
            )
        if self.augment.contour and features.kind != "contour":
            raise ValueError(
                f"augment.contour is {self.augment.contour:g}, which changes contours, and features.kind is "
                f"{features.kind}; set augment.contour to 0"
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
