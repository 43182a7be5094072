"""Melody baselines: query by humming without learning, from the fundamental frequency.

All read the voiced frames of the same `wav2tok.evaluation.baselines.f0` tracks, smoothed by a median of five (80 ms):

* `midi_distances`: frames rounded to MIDI notes, repeats dropped, edit distance over the longer string;
* `any_key_distances`: the same under the best transposition by up to an octave (the transposition-invariant distance
  of V. Mäkinen, G. Navarro and E. Ukkonen, J. Algorithms 56, 2005);
* `relative_distances`: the contour relative to its own median, in semitones, by dynamic time warping.

They were chosen by MRR / MAP on the 127 hummed takes of six songs (each against the others; V, and the mean of PS +-2
to +-5). MIDI notes in their own key have the best MAP of the three where takes keep their key, and the worst where they
do not; so both are here. Strings of intervals between neighbouring notes, of notes relative to the median, and without
notes shorter than 100 ms had a lower MAP than the best transposition on both views. `relative_distances` gains .08 MAP
over the plain absolute difference of median-centred contours; its docstring says how.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.evaluation.baselines.dtw import contour_distances
from wav2tok.evaluation.baselines.f0 import f0_tracks
from wav2tok.evaluation.systems import Representation, System
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import deduplicate

# Frames of 16 ms; odd.
_SMOOTH = 5
# The contour keeps every fourth smoothed voiced frame: one per 64 ms, which is shorter than a hummed note.
_CONTOUR_STEP = 4
# Semitones: an octave up or down, as between a man's voice and a woman's.
_TRANSPOSITIONS = range(-12, 13)
# Semitones: how far the medians of two takes of a melody may be from their common key.
_KEYS = np.arange(-4, 4.5, 0.5, dtype=np.float32)
# A wrong note costs at most one semitone, so that an octave error or a slip of the voice cannot outweigh the melody.
_WRONG_NOTE = 1.0


def melody_systems(sample_rate: int) -> list[System]:
    """The three systems, which share the f0 tracks of waveforms at ``sample_rate``."""
    tracks = Representation("f0", f0_tracks(sample_rate))
    return [
        System("f0_midi", "f0, MIDI notes, edit distance", tracks, midi_distances),
        System("f0_midi_any_key", "f0, MIDI notes in any key, edit distance", tracks, any_key_distances),
        System("f0_relative", "f0, relative notes, DTW", tracks, relative_distances),
    ]


def midi_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Edit distance between the strings of MIDI notes, over the length of the longer one.

    Args:
        queries, database: Q and D f0 tracks in Hz, float32 [T]; 0 where unvoiced.

    Returns:
        float64 [Q, D], in [0, 1]; ``inf`` where either has no voiced frame.
    """
    return edit_distances([notes(track) for track in queries], [notes(track) for track in database])


def any_key_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """The least of `midi_distances` over transpositions of the query by up to an octave; same arguments and result."""
    ours, theirs = [notes(track) for track in queries], [notes(track) for track in database]
    return np.min([edit_distances([s + shift for s in ours], theirs) for shift in _TRANSPOSITIONS], axis=0)


def relative_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Dynamic time warping of the contours in the best key, the absolute difference limited to a semitone.

    The median is a rough estimate of the key (takes differ in the notes they dwell on), so this is the least distance
    over keys near it. Without the search and the limit, MRR / MAP on V are .94 / .48; with both, 1.00 / .56.

    Args:
        queries, database: Q and D f0 tracks in Hz, float32 [T]; 0 where unvoiced.

    Returns:
        float64 [Q, D], in [0, 1]; ``inf`` where either has no voiced frame.
    """
    ours, theirs = [contour(track) for track in queries], [contour(track) for track in database]
    in_keys = contour_distances([one + key for key in _KEYS for one in ours], theirs, _WRONG_NOTE)
    return in_keys.reshape(len(_KEYS), len(ours), len(theirs)).min(axis=0)


def notes(track: np.ndarray) -> np.ndarray:
    """An f0 track in Hz, float32 [T] -> the sequence of MIDI notes sung, int64 [L]; A4 = 440 Hz = 69."""
    return deduplicate(np.rint(_semitones(track)).astype(np.int64))


def contour(track: np.ndarray) -> np.ndarray:
    """An f0 track in Hz, float32 [T] -> semitones above the melody's median, one per 64 ms of voice, float32 [L]."""
    semitones = _semitones(track)
    return (semitones - np.median(semitones) if len(semitones) else semitones)[::_CONTOUR_STEP].astype(np.float32)


def _semitones(track: np.ndarray) -> np.ndarray:
    """The voiced frames as MIDI note numbers with fractions, smoothed, float64 [V]."""
    voiced = np.asarray(track, dtype=np.float64)[np.asarray(track) > 0]
    if not len(voiced):
        return voiced
    padded = np.pad(69 + 12 * np.log2(voiced / 440), _SMOOTH // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH), axis=1)
