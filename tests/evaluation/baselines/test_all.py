"""The baselines as a whole: each is listed once, and each finds a recording by its noisy copy."""

import numpy as np
import pytest

from wav2tok.audio import decode
from wav2tok.evaluation.baselines import pretrained
from wav2tok.evaluation.baselines.all import baseline_systems

RATE = 8000


@pytest.fixture(scope="module")
def systems_and_waveforms(tiny_corpus):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pretrained, "LABELS", {})  # ignores any weights on this machine
        waveforms = [decode.read(path, RATE) for path in sorted(tiny_corpus.glob("*/*_0.flac"))]
        return baseline_systems(waveforms[::2], 16, RATE, 0), waveforms


def test_every_baseline_of_the_table_is_there_once(systems_and_waveforms):
    systems, _ = systems_and_waveforms
    assert {system.name: system.label for system in systems} == {
        "kmeans_logmel": "k-means of log-mel, edit distance",
        "logmel_dtw": "log-mel, DTW",
        "mfcc_dtw": "MFCC, DTW",
        "f0_midi": "f0, MIDI notes, edit distance",
        "f0_midi_any_key": "f0, MIDI notes in any key, edit distance",
        "f0_relative": "f0, relative notes, DTW",
    }
    assert len(systems) == 6
    assert len({system.represent.name for system in systems}) == 4  # the melodies share one


def test_each_finds_a_recording_by_its_noisy_copy(systems_and_waveforms, rng):
    systems, waveforms = systems_and_waveforms
    noisy = [w + 2e-4 * rng.standard_normal(len(w)).astype(np.float32) for w in waveforms]
    for system in systems:
        database = system.represent(waveforms)
        distances = system.distances(system.represent(noisy), database)
        assert distances.shape == (28, 28)
        np.testing.assert_array_equal(distances, system.distances(system.represent(noisy), database))
        # Notes alone are few: several voices sing the same.
        best = distances.min(axis=1)
        assert (np.diagonal(distances) <= best + 0.05).mean() > 0.9, system.name
