"""Melody baselines: what a query-by-humming system without learning makes of the fundamental frequency.

All read the same `wav2tok.evaluation.baselines.f0` tracks, voiced frames only, smoothed by a median of five (80 ms):

* `midi_distances`: frames rounded to MIDI notes, repeats dropped, edit distance over the longer string;
* `any_key_distances`: the same at the best of all transpositions by up to an octave (the transposition-invariant
  distance of V. Mäkinen, G. Navarro and E. Ukkonen, J. Algorithms 56, 2005);
* `relative_distances`: the contour relative to its own median, in semitones, by dynamic time warping.

Chosen by MRR / MAP on the 127 hummed takes of six songs (each against the others; V, and the mean of PS +-2 to +-5).
MIDI in its own key has the best MAP of the three where takes keep theirs, and the worst where they do not, so it stands
beside the one in any key. Strings of intervals between neighbouring notes, of notes relative to the median, and without
notes shorter than 100 ms fell behind the best transposition in MAP on both views. What `relative_distances` does to a
plain absolute difference of median-centred contours is worth .08 MAP; see there.
"""

from collections.abc import Sequence

import numpy as np

from wav2tok.evaluation.baselines.dtw import contour_distances
from wav2tok.evaluation.baselines.f0 import f0_tracks
from wav2tok.evaluation.systems import System
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.strings import deduplicate

# Frames of 16 ms; odd.
_SMOOTH = 5
# Of the smoothed voiced frames, those that the contour keeps: every 64 ms, shorter than a hummed note.
_CONTOUR_STEP = 4
# Semitones: an octave either way, as between a man's voice and a woman's.
_TRANSPOSITIONS = range(-12, 13)
# Semitones: how far the medians of two takes of a melody may lie from their common key.
_KEYS = np.arange(-4, 4.5, 0.5, dtype=np.float32)
# A wrong note costs a semitone, however wrong it is: an octave error or a slip of the voice must not outweigh a melody.
_WRONG_NOTE = 1.0


def melody_systems(sample_rate: int) -> list[System]:
    """The three systems, which share one ``represent``; waveforms are at ``sample_rate``."""
    tracks = f0_tracks(sample_rate)
    return [
        System("f0_midi", "f0, MIDI notes, edit distance", tracks, midi_distances),
        System("f0_midi_any_key", "f0, MIDI notes in any key, edit distance", tracks, any_key_distances),
        System("f0_relative", "f0, relative notes, DTW", tracks, relative_distances),
    ]


def midi_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Edit distance between the strings of MIDI notes, over the longer one.

    Args:
        queries, database: Q and D f0 tracks in Hz, float32 [T]; 0 where unvoiced.

    Returns:
        float64 [Q, D], in [0, 1]; ``inf`` where either has no voiced frame.
    """
    return edit_distances([notes(track) for track in queries], [notes(track) for track in database])


def any_key_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """The least of `midi_distances` over transpositions of the query by up to an octave; arguments and result alike."""
    strings, held = [notes(track) for track in queries], [notes(track) for track in database]
    return np.min([edit_distances([s + shift for s in strings], held) for shift in _TRANSPOSITIONS], axis=0)


def relative_distances(queries: Sequence[np.ndarray], database: Sequence[np.ndarray]) -> np.ndarray:
    """Dynamic time warping of the contours, the absolute difference limited to a semitone, at the best key.

    The median is a rough guess at the key (takes differ in the notes they dwell on), so the least distance over keys
    near it counts; without that and without the limit, MRR / MAP on V are .94 / .48, with both 1.00 / .56.

    Args:
        queries, database: Q and D f0 tracks in Hz, float32 [T]; 0 where unvoiced.

    Returns:
        float64 [Q, D], in [0, 1]; ``inf`` where either has no voiced frame.
    """
    contours, held = [contour(track) for track in queries], [contour(track) for track in database]
    return np.min([contour_distances([c + key for c in contours], held, _WRONG_NOTE) for key in _KEYS], axis=0)


def notes(track: np.ndarray) -> np.ndarray:
    """An f0 track in Hz, float32 [T] -> the MIDI notes sung one after the other, int64 [L]; A4 = 440 Hz = 69."""
    return deduplicate(np.rint(_semitones(track)).astype(np.int64))


def contour(track: np.ndarray) -> np.ndarray:
    """An f0 track in Hz, float32 [T] -> semitones above the melody's median every 64 ms of voice, float32 [L]."""
    semitones = _semitones(track)
    return (semitones - np.median(semitones) if len(semitones) else semitones)[::_CONTOUR_STEP].astype(np.float32)


def _semitones(track: np.ndarray) -> np.ndarray:
    """The voiced frames as MIDI note numbers with fractions, smoothed, float64 [V]."""
    voiced = np.asarray(track, dtype=np.float64)[np.asarray(track) > 0]
    if not len(voiced):
        return voiced
    padded = np.pad(69 + 12 * np.log2(voiced / 440), _SMOOTH // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH), axis=1)
