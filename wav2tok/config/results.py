"""Parameters of what follows training: evaluation, the gate, export, the registry, the schedule."""

from typing import Annotated, Literal

from pydantic.dataclasses import dataclass

from wav2tok.config.values import (
    DISTINCT,
    FEW,
    SECTION,
    Confidence,
    Count,
    CountOrZero,
    Decibels,
    Ratio,
    Share,
    ShareBelowOne,
    Text,
    Within,
    refuse,
)

Tempo = Annotated[Ratio, refuse(lambda tempo: tempo == 1, "a tempo of 1 changes nothing; omit it")]
Semitones = Annotated[
    int, Within(-48, 48), refuse(lambda semitones: semitones == 0, "0 semitones change nothing; omit it")
]
_ALL_ALONE = refuse(lambda values: "all" in values and len(values) > 1, "use either all or names")


@dataclass(frozen=True, config=SECTION)
class Evaluate:
    """What is measured on the test recordings."""

    protocol: Literal["auto", "words", "hums"] = "auto"
    """words: other speakers' recordings; hums: the views V, TS and PS; auto: by what the data offers."""
    tempos: Annotated[tuple[Tempo, ...], DISTINCT, FEW] = (0.7, 0.8, 1.25, 1.4)
    """Tempos of the queries in the view TS."""
    semitones: Annotated[tuple[Semitones, ...], DISTINCT, FEW] = (-5, -4, -3, -2, 2, 3, 4, 5)
    """Pitch shifts of the queries in the view PS."""
    snr_db: Annotated[tuple[Decibels, ...], DISTINCT, FEW] = (20.0, 10.0, 5.0, 0.0)
    """Signal-to-noise ratios of the robustness curves: queries in a babble of training recordings."""
    room_snr_db: Annotated[tuple[Decibels, ...], DISTINCT, FEW] = (5.0,)
    """The same in a reverberant room, which is also measured without babble; an empty list: no room."""
    curve_queries: CountOrZero = 150
    """Maximum number of queries of the curves that are not evaluated anyway; 0: no curves."""
    distractors: CountOrZero = 0
    """Synthetic melodies that the protocol hums adds to the database, reported beside the rest; 0: none."""
    baselines: Annotated[tuple[Text, ...], _ALL_ALONE, FEW] = ("all",)
    """all, or names such as untrained and mfcc_dtw; an empty list: none."""
    bootstrap: Annotated[int, Within(0, 100_000)] = 1000
    """Draws for the 95 % intervals."""


@dataclass(frozen=True, config=SECTION)
class Gate:
    """What approves a model: on the test recordings, by plain edit distance; the worst view counts."""

    min_mrr: Share = 0.3
    """Lowest mean reciprocal rank."""
    min_map: Share = 0.2
    """Lowest mean average precision."""
    min_codebook_use: Share = 0.5
    """Lowest share of the tokens that occur."""
    beat: Annotated[tuple[Text, ...], FEW] = ("untrained", "kmeans_logmel")
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
    approval_days: Annotated[float, Within(0.0001, 3_650)] = 7.0
    """How long the retraining flow waits for that person; 0.5: twelve hours."""
    min_queries: Count = 30
    """Fewest test recordings, unheard by both models, by which a challenger is compared with the champion."""
    min_gain: ShareBelowOne = 0.005
    """How much better than the champion, in the mean of MRR and MAP, a challenger must be at least."""
    confidence: Confidence = 0.95
    """How certain that gain must be; also, how certain a class or view must be worse to stop a promotion."""


@dataclass(frozen=True, config=SECTION)
class Drift:
    """How new recordings are compared with those that a model was made with."""

    recordings: Count = 1000
    """Maximum number of recordings in the profile that is exported with a model, spread over the classes."""
    draws: Annotated[int, Within(100, 100_000)] = 500
    """Draws from the profile that give the bounds."""
    confidence: Confidence = 0.95
    """Share of the comparisons without drift in which no figure is beyond its bound."""


@dataclass(frozen=True, config=SECTION)
class Schedule:
    """When and how patiently the graph is run again."""

    cron: Text = "0 3 * * 1"
    """When retraining starts, in UTC."""
    evaluate_cron: Text = "0 1 * * *"
    """When the deployed flow measures the champion again, in UTC."""
    ingest_cron: Text = "*/10 * * * *"
    """When the deployed flow looks for new recordings, in UTC."""
    retries: Annotated[int, Within(0, 100)] = 1
    """Retries of a stage that fails."""
    retry_delay_seconds: Annotated[int, Within(0, 86_400)] = 10
    """Seconds before a retry."""
    timeout_minutes: Annotated[int, Within(1, 43_200)] = 60
    """Time limit of a stage."""
    ray: Text = ""
    """The Ray cluster on which retraining runs its stages: local, auto or HOST:PORT; empty: in the flow's process."""
