"""Parameters of the recordings: where they are, what counts as good, how they are divided."""

from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from wav2tok.config.values import DAY, HOUR, SECTION, PartialShare, Share, ShareBelowOne, Text, Within


@dataclass(frozen=True, config=SECTION)
class Data:
    """The recordings."""

    path: Text = "data"
    """Folder of the recordings, CLASS/GROUP_TAKE.flac."""
    sample_rate: Annotated[int, Within(1_000, 768_000)] = 16000
    """Sampling rate in Hz to which every recording is converted."""


@dataclass(frozen=True, config=SECTION)
class Validate:
    """What counts as a good recording and a good corpus."""

    min_seconds: Annotated[float, Within(0, HOUR)] = 0.1
    """Shorter recordings are an error."""
    max_seconds: Annotated[float, Within(0.001, 30 * DAY)] = 600.0
    """Longer recordings are a warning."""
    min_rms_dbfs: Annotated[float, Within(-200, 0)] = -60.0
    """Quieter recordings are an error: nothing was recorded."""
    max_clipped_share: Share = 0.01
    """Share of samples at full scale."""
    max_silence_share: Share = 0.9
    """Share of silent frames of 20 ms."""
    max_offset: Annotated[float, Within(0, 1)] = 0.1
    """Constant offset (DC) of the samples, where full scale is 1."""
    max_unreadable_share: Share = 0.05
    """Unreadable files are omitted; a larger share of them is an error."""
    max_shift: Share = 0.05
    """Jensen-Shannon divergence, in bits, that a distribution may have from that of the accepted data."""

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.min_seconds > self.max_seconds:
            raise ValueError(
                f"min_seconds is {self.min_seconds}; it must be at most validate.max_seconds, {self.max_seconds}"
            )
        return self


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
