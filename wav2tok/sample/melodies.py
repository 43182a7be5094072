"""The melodies of the sample: sixteen tunes long in the public domain, and any number of invented ones (airs)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_NOTE = re.compile(r"([A-G])([#b]?)(\d)(?::([\d.]+))?")

# NAME OCTAVE [:BEATS], one beat by default; a singer breathes at |. First phrases only, about five seconds.
_TUNES = {
    "ode_to_joy": "E4 E4 F4 G4 G4 F4 E4 D4 | C4 C4 D4 E4 E4:1.5 D4:.5 D4:2",
    "frere_jacques": "C4 D4 E4 C4 C4 D4 E4 C4 | E4 F4 G4:2 E4 F4 G4:2",
    "twinkle_twinkle": "C4 C4 G4 G4 A4 A4 G4:2 | F4 F4 E4 E4 D4 D4 C4:2",
    "greensleeves": "A4 C5:2 D5 E5:1.5 F5:.5 E5 D5:2 B4 G4:1.5 A4:.5 B4 | C5:2 A4 A4:2",
    "au_clair_de_la_lune": "C4 C4 C4 D4 E4:2 D4:2 | C4 E4 D4 D4 C4:3",
    "london_bridge": "G4:1.5 A4:.5 G4 F4 E4 F4 G4:2 | D4 E4 F4:2 E4 F4 G4:2",
    "mary_had_a_little_lamb": "E4:1.5 D4:.5 C4 D4 E4 E4 E4:2 | D4 D4 D4:2 E4 G4 G4:2",
    "amazing_grace": "D4 G4:2 B4:.5 G4:.5 B4:2 A4 G4:2 E4 D4:2 | D4 G4:2 B4:.5 G4:.5 B4:2 A4 D5:3",
    "when_the_saints": "C4 E4 F4 G4:3 | C4 E4 F4 G4:3 | C4 E4 F4 G4:2 E4:2 C4:2 E4:2 D4:3",
    "auld_lang_syne": "C4 F4:1.5 F4:.5 F4 A4 G4:1.5 F4:.5 G4 A4 | F4:1.5 F4:.5 A4 C5 D5:3",
    "scarborough_fair": "D4:2 D4 A4 A4 A4 E4:1.5 F4:.5 E4 D4:3 | A4 C5 D5:2 C5 A4 B4 G4 A4:3",
    "yankee_doodle": "C4 C4 D4 E4 C4 E4 D4 G3 | C4 C4 D4 E4 C4:2 B3:2",
    "jingle_bells": "E4 E4 E4:2 E4 E4 E4:2 | E4 G4 C4:1.5 D4:.5 E4:3",
    "row_your_boat": "C4:3 C4:3 C4:2 D4 E4:3 | E4:2 D4 E4:2 F4 G4:5",
    "good_king_wenceslas": "G4 G4 G4 A4 G4 G4 D4:2 | E4 D4 E4 F#4 G4:2 G4:2",
    "oh_susanna": "C4:.5 D4:.5 E4 G4 G4:1.5 A4:.5 G4 E4 C4:1.5 D4:.5 | E4 E4 D4 C4 D4:2",
}

# The scales that an air may be in: one octave, in semitones above the tonic.
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10), (0, 2, 4, 7, 9), (0, 3, 5, 7, 10))
# Bars of four beats; the last bar of a phrase ends on a long note.
_BARS = ((1, 1, 1, 1), (1, 1, 2), (2, 1, 1), (1.5, 0.5, 1, 1), (1, 0.5, 0.5, 1, 1), (1, 1, 0.5, 0.5, 1), (1.5, 0.5, 2))
_LAST_BARS = ((2, 2), (1, 1, 2), (1, 3), (1.5, 0.5, 2))


@dataclass(frozen=True)
class Note:
    """A written note: MIDI number and length in beats."""

    pitch: int
    beats: float


@dataclass(frozen=True)
class Melody:
    """A tune as phrases of notes; a singer may breathe between phrases."""

    name: str
    phrases: tuple[tuple[Note, ...], ...]

    @property
    def notes(self) -> tuple[Note, ...]:
        """All notes, in order."""
        return tuple(note for phrase in self.phrases for note in phrase)


def parse(name: str, text: str) -> Melody:
    """Read ``"C4 E4:1.5 F#4:.5 | G4:2"`` as a melody.

    Raises:
        ValueError: a word of ``text`` is not a note.
    """

    def note(word: str) -> Note:
        match = _NOTE.fullmatch(word)
        if match is None:
            raise ValueError(f"{word!r} in {name} is not a note")
        letter, accidental, octave, beats = match.groups()
        shift = {"": 0, "#": 1, "b": -1}[accidental]
        return Note(12 * (int(octave) + 1) + _SEMITONES[letter] + shift, float(beats or 1))

    return Melody(name, tuple(tuple(note(word) for word in phrase.split()) for phrase in text.split("|")))


def invent(name: str, rng: np.random.Generator) -> Melody:
    """Invent an air: two phrases of two bars, a random walk on a scale; the second phrase often answers the first.

    The walk moves mostly by step, turns back after a leap and stays within about a tenth; the air ends on its tonic or
    its fifth.
    """
    scale = _SCALES[rng.integers(len(_SCALES))]
    tonic = int(rng.integers(57, 65))
    low, high = -2, len(scale) + 2  # scale degrees

    def walk(start: int, length: int) -> list[int]:
        degrees, step = [start], 0
        for _ in range(length - 1):
            if abs(step) >= 2:  # a leap is followed by a step back
                step = -int(np.sign(step))
            else:
                step = int(rng.choice([-3, -2, -1, 0, 1, 2, 3, 4], p=[0.05, 0.11, 0.26, 0.14, 0.24, 0.11, 0.06, 0.03]))
            if not low <= degrees[-1] + step <= high:
                step = -step
            degrees.append(degrees[-1] + step)
        return degrees

    def note(degree: int, beats: float) -> Note:
        octave, index = divmod(degree, len(scale))
        return Note(tonic + 12 * octave + scale[index], float(beats))

    bar, last = _BARS[rng.integers(len(_BARS))], _LAST_BARS[rng.integers(len(_LAST_BARS))]
    rhythm = (*bar, *last)
    first = walk(int(rng.choice([0, 2, 4])), len(rhythm))
    if rng.random() < 0.6:  # the answer begins like the question
        answer_rhythm = (*bar, *_LAST_BARS[rng.integers(len(_LAST_BARS))])
        answer = first[: len(bar)]
        answer += walk(answer[-1], len(answer_rhythm) - len(bar) + 1)[1:]
    else:
        answer_rhythm = (*_BARS[rng.integers(len(_BARS))], *last)
        answer = walk(first[-1], len(answer_rhythm))
    answer[-1] = min((0, 4 if len(scale) == 7 else 3, len(scale)), key=lambda degree: abs(degree - answer[-2]))
    phrases = ((first, rhythm), (answer, answer_rhythm))
    melody = Melody(name, tuple(tuple(map(note, degrees, beats)) for degrees, beats in phrases))
    # In a scale of five notes, a leap of four degrees can exceed the octave, which nobody hums; and a walk can swing
    # between two notes, which nobody would call a tune. Draw again.
    pitches = [note.pitch for note in melody.notes]
    singable = max(abs(a - b) for a, b in pairwise(pitches)) <= 12 and len(set(pitches)) >= 3
    return melody if singable else invent(name, rng)


def melodies(count: int, seed: int) -> Iterator[Melody]:
    """The first ``count`` melodies: the known tunes, then airs that depend only on ``seed`` and their number."""
    for index in range(count):
        if index < len(_TUNES):
            name = list(_TUNES)[index]
            yield parse(name, _TUNES[name])
        else:
            yield invent(f"air_{index + 1:02d}", np.random.default_rng([seed, 0, index]))
