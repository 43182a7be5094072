"""The profile of a model: levels against numpy, and a file that is read as it was written or refused."""

import dataclasses
import json

import numpy as np
import pytest

from wav2tok.errors import UserError
from wav2tok.evaluation import profile
from wav2tok.evaluation.profile import Profile, Traits, loudness


def test_levels_do_not_depend_on_blocks(rng):
    wave = rng.standard_normal(1000).astype(np.float32)
    whole = loudness([wave], 160)
    power = np.square(wave[:960].astype(float)).reshape(6, 160).mean(axis=1)
    quiet, loud = np.quantile(power, (0.05, 0.95))
    assert whole == pytest.approx((10 * np.log10(power.mean()), 10 * np.log10(loud / quiet)))
    assert loudness(np.split(wave, [1, 159, 161, 700]), 160) == pytest.approx(whole)


def test_levels_of_silence_and_of_less_than_a_frame():
    assert loudness([np.zeros(320, np.float32)], 160) == (-200, 0)
    assert loudness([np.full(5, 0.1, np.float32)], 160) == pytest.approx((-20, 0))


KEPT = Profile("0123456789abcdef", 4, (Traits("ada", (0, 3, 1), 0.5, -20.5, 30.25), Traits("ben", (2,), 1, -30, 0)))


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profile.write(KEPT, tmp_path / "profile.json")
    assert profile.read(tmp_path / "profile.json") == KEPT


@pytest.mark.parametrize(
    "change",
    [
        {"recordings": [{"group": "ada"}]},
        {"recordings": 3},
        {"num_tokens": "many"},
        {"num_tokens": 2},
        {"recordings": [dataclasses.asdict(dataclasses.replace(KEPT.recordings[0], tokens=()))]},
        {"recordings": [dataclasses.asdict(dataclasses.replace(KEPT.recordings[0], seconds=0.0))]},
        {"recordings": [dataclasses.asdict(KEPT.recordings[0]) | {"snr_db": "NaN"}]},
    ],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path, change):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(json.loads(json.dumps(dataclasses.asdict(KEPT))) | change))
    with pytest.raises(UserError, match="export the model again"):
        profile.read(path)
