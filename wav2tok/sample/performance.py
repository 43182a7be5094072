"""How one person performs a written melody: pitch and loudness over time, with mistakes."""

from dataclasses import dataclass, replace

import numpy as np

from wav2tok.sample.melodies import Melody
from wav2tok.sample.noise import wander
from wav2tok.sample.singers import Style

NOMINAL_S = 5.2  # the notes of a melody at tempo 1
SHORTEST_S, LONGEST_S = 4.6, 7.4  # of a whole take
LEAD_S, TAIL_S = (0.1, 0.25), (0.2, 0.35)
LOWEST_HZ, HIGHEST_HZ = 92.0, 390.0  # of the written notes; glides, vibrato and errors go a little beyond

# Between joined notes: the dip of the voice in dB, its width in seconds, and how far the mouth closes.
_DIPS = {"legato": (2.5, 0.03, 0.0), "m": (11.0, 0.045, 1.0), "n": (8.0, 0.035, 0.8), "da": (26.0, 0.028, 0.3)}


@dataclass(frozen=True)
class Sung:
    """One note as it is sung: times in seconds, and a MIDI number that need not be whole."""

    onset: float
    seconds: float
    pitch: float

    @property
    def end(self) -> float:
        """Seconds."""
        return self.onset + self.seconds


@dataclass(frozen=True)
class Performance:
    """The input of the voice; every curve is float64 [F], at ``rate`` frames per second."""

    rate: float
    f0_hz: np.ndarray
    amplitude: np.ndarray  # 0 is silent, 1 the usual loudness
    closure: np.ndarray  # 0 is the singer's usual mouth, 1 closed
    breath: np.ndarray  # amplitude of the noise of breathing and of consonants


def hertz(midi: np.ndarray | float) -> np.ndarray:
    """MIDI numbers as Hz."""
    return 440.0 * 2.0 ** ((np.asarray(midi, dtype=float) - 69.0) / 12.0)


def transposition(melody: Melody, centre_midi: float) -> float:
    """Semitones that bring the melody's mean near ``centre_midi`` with all notes in LOWEST_HZ .. HIGHEST_HZ."""
    pitches = np.array([note.pitch for note in melody.notes], dtype=float)
    lowest, highest = 69 + 12 * np.log2(np.array([LOWEST_HZ, HIGHEST_HZ]) / 440)
    return float(np.clip(centre_midi - pitches.mean(), lowest - pitches.min(), highest - pitches.max()))


def schedule(melody: Melody, style: Style, rng: np.random.Generator) -> tuple[list[Sung], float]:
    """The notes in the singer's key and tempo, and the length of the take in seconds; only their timing has errors."""
    shift = transposition(melody, style.centre_midi + rng.normal(0, 0.7))
    beats = np.array([note.beats for note in melody.notes])
    uneven = np.exp(style.timing * rng.standard_normal(len(beats)))
    seconds = beats * uneven * (NOMINAL_S / beats.sum() / style.tempo)
    lead, tail = rng.uniform(*LEAD_S), rng.uniform(*TAIL_S)
    gaps = style.breath_s * rng.uniform(0.7, 1.3, len(melody.phrases) - 1)
    rest = lead + tail + gaps.sum()
    # A very slow or very fast singer is adjusted to the length of a take.
    seconds *= (np.clip(seconds.sum() + rest, SHORTEST_S, LONGEST_S) - rest) / seconds.sum()
    notes, now, index = [], lead, 0
    for number, phrase in enumerate(melody.phrases):
        for note in phrase:
            notes.append(Sung(float(now), float(seconds[index]), note.pitch + shift))
            now, index = now + seconds[index], index + 1
        now += gaps[number] if number < len(gaps) else tail
    return notes, float(now)


def _follows(before: Sung, note: Sung) -> bool:
    """Whether ``note`` follows ``before`` without a pause."""
    return note.onset - before.end < 1e-3


def _joined(notes: list[Sung]) -> list[bool]:
    """For each note, whether it follows the previous one without a pause."""
    return [i > 0 and _follows(notes[i - 1], notes[i]) for i in range(len(notes))]


def err(notes: list[Sung], style: Style, rng: np.random.Generator) -> list[Sung]:
    """The notes with the singer's mistakes: out of tune, wrong, omitted, or merged into the previous note."""
    sung: list[Sung] = []
    for index, note in enumerate(notes):
        # All numbers are drawn whether or not they are used, so one mistake does not change the rest of the take.
        detune, wrong, step, drop, merge = (
            rng.standard_normal(),
            rng.random(),
            rng.choice([-3, -2, -1, 1, 2, 3]),
            rng.random(),
            rng.random(),
        )
        # Only notes within a phrase, and none next to a pause: with a gap of a second the tune would be lost.
        inner = 0 < index < len(notes) - 1 and _follows(sung[-1], note) and _follows(note, notes[index + 1])
        if inner and drop < style.dropped_notes:
            if merge < 0.7:
                sung[-1] = replace(sung[-1], seconds=note.end - sung[-1].onset)
            continue
        pitch = note.pitch + style.tuning_cents / 100 * detune + (step if wrong < style.wrong_notes else 0)
        sung.append(replace(note, pitch=float(pitch)))
    return sung


def pitch_curve(notes: list[Sung], time: np.ndarray, style: Style, rng: np.random.Generator) -> np.ndarray:
    """MIDI numbers, float64 [F] at ``time`` [F]: notes joined by glides, vibrato, drift, jitter."""
    rate = 1 / (time[1] - time[0])
    midi = np.full(len(time), notes[0].pitch)
    natural, free = 2.4 / style.glide_s, np.sqrt(1 - style.damping**2)
    for before, note, joined in zip(notes[:-1], notes[1:], _joined(notes)[1:], strict=True):
        # The larynx is a damped spring, and each note is a step that it responds to. The singer starts the step ahead
        # of the beat, and between phrases does so silently.
        ahead = 0.35 * style.glide_s if joined else min(note.onset - before.end, 3 * style.glide_s)
        t = np.maximum(time - note.onset + ahead, 0.0)
        answer = 1 - np.exp(-style.damping * natural * t) * (
            np.cos(free * natural * t) + style.damping / free * np.sin(free * natural * t)
        )
        midi += (note.pitch - before.pitch) * answer
    rate_wander = 1 + 0.06 * wander(rng, len(time), rate, 1.0)
    cycle = np.sin(2 * np.pi * (np.cumsum(style.vibrato_hz * rate_wander) / rate + rng.random()))
    depth = np.zeros(len(time))
    for note, joined in zip(notes, _joined(notes), strict=True):
        # Vibrato starts late in a note, so short notes have none.
        late = np.clip((time - note.onset - 0.12) / 0.2, 0, 1) * np.clip((note.end - time) / 0.06, 0, 1)
        depth += style.vibrato_cents * late
        if not joined:
            coming = np.clip((time - note.onset + 0.08) / 0.08, 0, 1)
            midi -= style.scoop_cents / 100 * coming * np.exp(-np.maximum(time - note.onset, 0) / 0.06)
    cents = depth * cycle
    cents += style.drift_cents * wander(rng, len(time), rate, 0.5)
    cents -= style.flattening_cents * time / time[-1]
    return midi + cents / 100 + 12 / np.log(2) * style.jitter * rng.standard_normal(len(time))


def _smooth(curve: np.ndarray, rate: float, seconds: float) -> np.ndarray:
    """``curve`` [F] smoothed with a Hann window of ``seconds``; the ends are repeated."""
    half = max(int(seconds * rate / 2), 1)
    window = np.hanning(2 * half + 3)[1:-1]
    return np.convolve(np.pad(curve, half, mode="edge"), window / window.sum(), mode="valid")


def loudness_curves(
    notes: list[Sung], time: np.ndarray, style: Style, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amplitude, closure and breath, float64 [F] each, at ``time`` [F]; none has jumps."""
    rate = 1 / (time[1] - time[0])
    gain_db, gate = np.zeros(len(time)), np.zeros(len(time))
    dips_db, closure, breath = np.zeros(len(time)), np.zeros(len(time)), np.zeros(len(time))
    dip_db, width, shut = _DIPS[style.articulation]
    joined = _joined(notes)
    for i, note in enumerate(notes):
        inside = (time >= note.onset) & (time < note.end)
        gain_db[inside] = rng.normal(0, 1.5) - style.decay_db * (time[inside] - note.onset) / note.seconds
        gate[inside] = 1.0
        near = np.exp(-(((time - note.onset) / width) ** 2))
        if joined[i]:
            # Without a dip, a repeated note would be one long note.
            again = abs(note.pitch - notes[i - 1].pitch) < 1.0
            dips_db += max(dip_db, 9.0 if again else 0.0) * near
        closure = np.maximum(closure, shut * near)
        consonant = np.exp(-(((time - note.onset - 0.012) / 0.006) ** 2))
        if style.articulation == "da":
            breath += 10 ** ((style.breath_db + 4) / 20) * consonant
        start = notes[i - 1].end if i else 0.0
        if not joined[i] and note.onset - start > 0.06:  # the singer breathes in just before the phrase
            through = np.clip((time - start - 0.02) / (note.onset - start - 0.04), 0, 1)
            breath += 10 ** (style.breath_db / 20) * np.sin(np.pi * through) ** 2
    shimmer = style.shimmer_db * rng.standard_normal(len(time))
    swell = 1.5 * wander(rng, len(time), rate, 0.6)
    level = _smooth(gain_db, rate, 0.05) + shimmer + swell - dips_db
    amplitude = _smooth(gate, rate, style.attack_s) * 10 ** (level / 20)
    return amplitude, np.clip(closure, 0, 1), breath


def frame_count(seconds: float, rate: float) -> int:
    """How many frames cover ``seconds`` at ``rate`` frames per second, both ends included.

    The length of a take that was adjusted to SHORTEST_S or LONGEST_S is a whole number of frames but for rounding, and
    processors round differently: rounding up without a tolerance would add a frame on some of them.
    """
    return int(np.ceil(seconds * rate - 1e-6)) + 1


def perform(melody: Melody, style: Style, rate: float, rng: np.random.Generator) -> Performance:
    """Perform ``melody`` once.

    Args:
        rate: frames per second of the curves; at least a few hundred.
        rng: makes the difference between two takes of one singer.
    """
    written, seconds = schedule(melody, style, rng)
    notes = err(written, style, rng)
    time = np.arange(frame_count(seconds, rate)) / rate
    midi = pitch_curve(notes, time, style, rng)
    amplitude, closure, breath = loudness_curves(notes, time, style, rng)
    return Performance(rate, hertz(midi), amplitude, closure, breath)
