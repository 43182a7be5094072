"""Drift: bounds that hold without drift, and changes that are found."""

import dataclasses

import numpy as np
import pytest

from wav2tok.config.schema import Drift
from wav2tok.errors import UserError
from wav2tok.evaluation.drift import compare
from wav2tok.evaluation.profile import Traits, distance_counts

TOKENS = 16
SETTINGS = Drift(draws=120)


def corpus(seed, groups=12, of_group=10, favourite=None):
    """Recordings of groups that differ: each prefers some tokens and has a level of its own."""
    rng = np.random.default_rng(seed)
    found = []
    for group in range(groups):
        shares = rng.dirichlet(np.full(TOKENS, 8.0))
        if favourite is not None:
            shares = 0.7 * shares + 0.3 * np.eye(TOKENS)[favourite]
        level = rng.normal(-25, 3)
        for _ in range(of_group):
            tokens = rng.choice(TOKENS, size=40, p=shares)
            numbers = rng.normal([4, level, 30], [0.5, 1, 3])
            cosines = 1 - rng.gamma(2, 0.05, 40)
            distances = distance_counts(cosines)
            found.append(Traits(f"{seed}-{group}", tuple(tokens.tolist()), *map(float, numbers), distances))
    return found


def test_new_speakers_alone_are_no_drift():
    """At a confidence of 95 %, at most a few of 20 comparisons may find one (3 of 20 has a probability of .98)."""
    found = [compare(corpus(0), corpus(seed, groups=4), TOKENS, SETTINGS, seed).drifted for seed in range(1, 21)]
    assert sum(map(bool, found)) <= 3


@pytest.mark.parametrize("name", ["seconds", "level_dbfs", "snr_db"])
def test_a_change_of_one_number_is_found_there_alone(name):
    by = {"seconds": 3.0, "level_dbfs": 15.0, "snr_db": 15.0}[name]
    new = [dataclasses.replace(one, **{name: getattr(one, name) + by}) for one in corpus(1)]
    beside = {"tokens_per_second"} if name == "seconds" else set()
    assert set(compare(corpus(0), new, TOKENS, SETTINGS, 0).drifted) == {name} | beside


def test_a_token_that_takes_over_is_found():
    result = compare(corpus(0), corpus(1, favourite=3), TOKENS, SETTINGS, 0)
    assert {"tokens", "token_pairs"} == set(result.drifted)
    assert (result.recordings, result.groups) == ((120, 120), (12, 12))


def test_another_order_of_the_same_tokens_is_found_in_pairs_alone():
    new = [dataclasses.replace(one, tokens=tuple(sorted(one.tokens))) for one in corpus(1)]
    assert compare(corpus(0), new, TOKENS, SETTINGS, 0).drifted == ("token_pairs",)


def test_steps_that_are_further_from_their_codewords_are_found_there_alone():
    new = [dataclasses.replace(one, distances=(0, 0, 0, *one.distances[:-3])) for one in corpus(1)]
    assert compare(corpus(0), new, TOKENS, SETTINGS, 0).drifted == ("codeword_distance",)


def test_without_distances_on_one_side_the_others_are_compared():
    old = [dataclasses.replace(one, distances=()) for one in corpus(0)]
    result = compare(old, corpus(1), TOKENS, SETTINGS, 0)
    assert not result.has_distances
    assert len(result.figures) == 6


def test_a_profile_of_one_group_and_one_of_two():
    for groups in (1, 2):
        old = corpus(0, groups=groups, of_group=40)
        assert np.isfinite([figure.bound for figure in compare(old, old, TOKENS, SETTINGS, 0).figures]).all()


def test_recordings_without_pairs_of_tokens():
    single = [dataclasses.replace(one, tokens=one.tokens[:1]) for one in corpus(0)]
    with pytest.raises(UserError, match="no recording has two tokens"):
        compare(single, single, TOKENS, SETTINGS, 0)


def test_too_few_recordings_on_either_side():
    with pytest.raises(UserError, match="the profile has 9 recordings"):
        compare(corpus(0)[:9], corpus(1), TOKENS, SETTINGS, 0)
    with pytest.raises(UserError, match="there are 9 recordings"):
        compare(corpus(0), corpus(1)[:9], TOKENS, SETTINGS, 0)
