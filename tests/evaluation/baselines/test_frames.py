"""The features of the baselines."""

import numpy as np
import pytest

from tests.evaluation.tunes import RATE, tune
from wav2tok.evaluation.baselines.frames import log_mel, mfcc


@pytest.mark.parametrize("features", [log_mel, mfcc])
def test_baseline_features_are_normalised_in_each_recording_whatever_its_level(features):
    loud = tune((0, 5, 9), 0)
    one, quiet, short, silent = features(RATE)([loud, loud * 0.5, loud[:100], np.zeros(4000, np.float32)])
    assert one.shape == (1 + len(loud) // 256, 64 if features is log_mel else 39)
    np.testing.assert_allclose(one.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(one.std(axis=0), 1, atol=1e-3)
    assert np.corrcoef(one.ravel(), quiet.ravel())[0, 1] > 0.98
    assert np.isfinite(short).all()
    assert np.isfinite(silent).all()
