"""Synthetic singers: how they perform (`Style`), sound (`Voice`), and record (`Room`).

Every kind of mistake is a field, so a singer with these fields set to zero sings what is written.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Style:
    """How someone performs a melody. Pitch errors are standard deviations in cents."""

    centre_midi: float  # the middle of the comfortable range
    tempo: float  # 1 is as written, more is faster
    vibrato_hz: float
    vibrato_cents: float
    glide_s: float  # portamento from note to note
    damping: float  # below 1 the glide overshoots
    scoop_cents: float  # phrases start below the note
    tuning_cents: float
    drift_cents: float  # slow wandering off key
    flattening_cents: float  # falling pitch over the whole take
    jitter: float  # cycle-to-cycle, share of f0
    shimmer_db: float
    timing: float  # share of a note's length
    wrong_notes: float  # probability per note
    dropped_notes: float  # probability per note of being omitted or merged into the previous one
    articulation: Literal["legato", "m", "n", "da"]
    attack_s: float
    decay_db: float  # from a note's start to its end
    breath_s: float  # pause between phrases
    breath_db: float  # level of the breath relative to the voice


@dataclass(frozen=True)
class Voice:
    """The sound of a voice: resonances in Hz, gains in dB."""

    openness: float  # 0 is a closed-mouth hum, 1 an open vowel
    formants_hz: tuple[float, ...]
    bandwidths_hz: tuple[float, ...]
    nasal_hz: float  # the one strong resonance of a hum
    tilt_db: float  # fall of the source per octave
    aspiration_db: float  # noise relative to the voice


@dataclass(frozen=True)
class Room:
    """The room, the microphone and the level."""

    decay_s: float  # to -60 dB
    wet_db: float  # reverberation relative to the direct sound
    snr_db: float
    noise_tilt_db: float  # of the background, per octave
    mains_hz: float
    low_cut_hz: float
    high_cut_hz: float
    peak_hz: float
    peak_db: float
    level_dbfs: float  # RMS while the voice sounds
    seed: int  # of the impulse response


@dataclass(frozen=True)
class Singer:
    name: str
    style: Style
    voice: Voice
    room: Room


# The first three formants of ah, oh, oo and eh, for a vocal tract of 17 cm.
_VOWELS = ((730.0, 1090.0, 2440.0), (500.0, 850.0, 2410.0), (320.0, 870.0, 2240.0), (530.0, 1700.0, 2480.0))


def draw(index: int, seed: int) -> Singer:
    """Singer number ``index`` (from 0): even numbers have low voices, odd ones high; ``seed`` decides the rest."""
    rng = np.random.default_rng([seed, 1, index])
    high = index % 2 == 1

    def between(low: float, top: float) -> float:
        return float(rng.uniform(low, top))

    poor = rng.random() < 0.3  # three in ten sing badly
    hums = rng.random() < 0.6
    articulation: Literal["legato", "m", "n", "da"] = ("legato", "m", "n", "da")[
        rng.choice(4, p=[0.35, 0.3, 0.2, 0.15])
    ]
    # In Hz, as ranges of voices are known: 110 to 160 for low voices, 190 to 280 for high ones.
    centre_hz = between(190, 280) if high else between(110, 160)
    style = Style(
        centre_midi=float(69 + 12 * np.log2(centre_hz / 440)),
        tempo=between(0.75, 1.3),
        vibrato_hz=between(4.5, 6.8),
        vibrato_cents=between(0, 12) if rng.random() < 0.5 else between(15, 60),
        glide_s=between(0.03, 0.14),
        damping=between(0.6, 0.95),
        scoop_cents=between(0, 200),
        tuning_cents=between(40, 75) if poor else between(10, 35),
        drift_cents=between(5, 30),
        flattening_cents=between(-25, 80 if poor else 40),
        jitter=between(0.002, 0.008),
        shimmer_db=between(0.2, 0.9),
        timing=between(0.08, 0.18) if poor else between(0.03, 0.1),
        wrong_notes=0.08 if poor else 0.03,
        dropped_notes=between(0.02, 0.06),
        articulation=articulation,
        attack_s=between(0.03, 0.12),
        decay_db=between(0, 8),
        breath_s=between(0.12, 0.32),
        breath_db=between(-36, -18),
    )
    # Women's vocal tracts are about 15 % shorter; within either sex people differ by as much again.
    tract = between(1.08, 1.25) if high else between(0.93, 1.08)
    vowel = _VOWELS[rng.integers(len(_VOWELS))]
    formants = (*vowel, 3400.0, 4500.0)
    voice = Voice(
        openness=between(0.0, 0.25) if hums else between(0.5, 1.0),
        formants_hz=tuple(f * tract * between(0.95, 1.05) for f in formants),
        bandwidths_hz=tuple(b * between(0.8, 1.3) for b in (80.0, 100.0, 140.0, 220.0, 300.0)),
        nasal_hz=between(230, 330) * tract,
        tilt_db=between(5, 11),
        aspiration_db=between(-42, -24),
    )
    room = Room(
        decay_s=between(0.12, 0.6),
        wet_db=between(-22, -6),
        snr_db=between(20, 40),
        noise_tilt_db=between(-7, -1),
        mains_hz=float(rng.choice([50.0, 60.0])),
        low_cut_hz=between(40, 130),
        high_cut_hz=between(3500, 7600),
        peak_hz=between(600, 4000),
        peak_db=between(-6, 8),
        level_dbfs=between(-30, -16),
        seed=int(rng.integers(2**31)),
    )
    return Singer(f"singer{index + 1:02d}", style, voice, room)
