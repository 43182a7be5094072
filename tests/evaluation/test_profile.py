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


def test_distances_are_counted_in_bins_of_equal_width(rng):
    first, second = rng.standard_normal((2, 500, 3))
    first, second = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in (first, second))
    expected, _ = np.histogram(np.linalg.norm(first - second, axis=1), bins=40, range=(0, 2))
    assert profile.distance_counts((first * second).sum(axis=1)) == tuple(expected)
    # A rounding beyond 1, and opposite vectors.
    assert profile.distance_counts(np.array([1 + 1e-6, -1.0])) == (1, *[0] * 38, 1)


COUNTS = (0, 5, 1, *[0] * 37)
KEPT = Profile(
    "0123456789abcdef",
    4,
    (Traits("ada", (0, 3, 1), 0.5, -20.5, 30.25, COUNTS), Traits("ben", (2,), 1, -30, 0, COUNTS)),
)


def test_a_profile_is_read_as_it_was_written(tmp_path):
    profile.write(KEPT, tmp_path / "profile.json")
    assert profile.read(tmp_path / "profile.json") == KEPT


def test_a_profile_of_an_earlier_release_has_no_distances(tmp_path):
    values = dataclasses.asdict(KEPT)
    for one in values["recordings"]:
        del one["distances"]
    (tmp_path / "profile.json").write_text(json.dumps(values))
    assert [one.distances for one in profile.read(tmp_path / "profile.json").recordings] == [(), ()]


@pytest.mark.parametrize(
    "change",
    [
        {"recordings": [{"group": "ada"}]},
        {"recordings": 3},
        {"num_tokens": "many"},
        {"num_tokens": 2},
        {"num_tokens": str(KEPT.num_tokens)},
        {"recordings": [dataclasses.asdict(dataclasses.replace(KEPT.recordings[0], tokens=()))]},
        {"recordings": [dataclasses.asdict(dataclasses.replace(KEPT.recordings[0], seconds=0.0))]},
        {"recordings": [dataclasses.asdict(KEPT.recordings[0]) | {"snr_db": "NaN"}]},
        {"recordings": [dataclasses.asdict(KEPT.recordings[0]) | {"distances": [1, 2]}]},
        {"recordings": [dataclasses.asdict(KEPT.recordings[0]) | {"distances": [-1, *COUNTS[1:]]}]},
    ],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path, change):
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(json.loads(json.dumps(dataclasses.asdict(KEPT))) | change))
    with pytest.raises(UserError, match=r"(export the model|make it) again"):
        profile.read(path)
