"""Data beside the last accepted data: what moved is found there alone, and what did not is not reported."""

import dataclasses

import numpy as np
import pytest

from wav2tok.config import parameters
from wav2tok.corpus import moved
from wav2tok.corpus.accepted import Known
from wav2tok.corpus.moved import SEVERITIES, compare

CONFIG = parameters.from_dict({"drift": {"draws": 100}})


def recordings(seed, groups=8, of_group=15, first_group=0, **change):
    """Recordings of groups with levels of their own, in three classes; ``change`` is added to numbers of all."""
    rng = np.random.default_rng(seed)
    found = []
    for group in range(first_group, first_group + groups):
        level = rng.normal(-25, 2)
        for take in range(of_group):
            numbers = dict(zip(("seconds", "rms_dbfs", "snr_db"), rng.normal([4, level, 30], [0.5, 1, 3]), strict=True))
            numbers = {name: float(value + change.get(name, 0)) for name, value in numbers.items()}
            found.append(Known(f"{rng.integers(2**62):016x}", "abc"[take % 3], f"group{group}", **numbers))
    return sorted(found, key=lambda one: one.sha256)


def names(comparison):
    return [shift.name for shift in comparison.moved]


OLD = recordings(0)


def with_old(*more):
    return sorted([*OLD, *more], key=lambda one: one.sha256)


def test_without_accepted_data_there_is_nothing_to_compare_with():
    found = compare([], OLD, CONFIG)
    assert (found.shifts, found.says) == ((), "No data was accepted before, so there is nothing to compare with.")


def test_the_accepted_data_itself():
    found = compare(OLD, OLD, CONFIG)
    assert (found.shifts, found.says) == ((), "The recordings are those of the accepted data.")


def test_more_recordings_of_the_same_kind_are_not_reported():
    """At a confidence of 95 % for all five, at most 2 of 10 may be (with a probability of .99)."""
    found = [compare(OLD, with_old(*recordings(seed, groups=2)), CONFIG) for seed in range(1, 11)]
    assert all(len(one.shifts) == len(SEVERITIES) for one in found)
    assert sum(bool(one.moved) for one in found) <= 2


@pytest.mark.parametrize(
    ("field", "by", "name", "says"),
    [
        ("seconds", 4.0, "moved_length", "the median length is 8.0"),
        ("rms_dbfs", 20.0, "moved_level", "the median level is -"),
        ("snr_db", 25.0, "moved_snr", "the median signal above noise is 5"),
    ],
)
def test_a_number_that_moved_is_found_there_alone(field, by, name, says):
    added = recordings(1, groups=3, of_group=10, **{field: by})
    found = compare(OLD, with_old(*added), CONFIG)
    assert names(found) == [name]
    (shift,) = found.moved
    assert shift.says.startswith(says)
    assert "in 30 recordings added, and was " in shift.says
    assert shift.value > max(shift.bound, CONFIG.validate.max_shift)


def test_a_class_that_takes_over_and_one_that_is_gone():
    grown = with_old(*(dataclasses.replace(one, class_name="a") for one in recordings(1)))
    assert names(compare(OLD, grown, CONFIG)) == ["moved_classes"]
    found = compare(OLD, [one for one in OLD if one.class_name != "b"], CONFIG)
    assert names(found) == ["moved_classes"]
    assert found.moved[0].says == "the class b has 0.0% of the recordings, and had 33.3%"
    assert found.says == "Compared with the accepted data, 0 recordings were added and 40 are gone."


def test_new_speakers_that_are_many():
    found = compare(OLD, with_old(*recordings(1, first_group=8)), CONFIG)
    assert names(found) == ["moved_groups"]
    says = "50.0% of the recordings are of 8 groups (such as speakers) that are new, and 0 of 8 groups are gone"
    assert found.moved[0].says == says


def test_a_small_effect_is_none_however_certain():
    wide = parameters.from_dict({"validate": {"max_shift": 1.0}})
    assert compare(OLD, recordings(1, first_group=8, rms_dbfs=20.0), wide).moved == []


def test_few_recordings_are_not_compared():
    assert "too few to compare: 10 are needed" in compare(OLD[:9], OLD, CONFIG).says
    found = compare(OLD, with_old(*recordings(1)[:9]), CONFIG)
    assert [shift.name for shift in found.shifts] == ["moved_classes", "moved_groups"]
    assert found.says.endswith("Lengths and levels are compared from 10 added recordings on.")


def test_what_is_switched_off_is_not_compared_and_the_severity_is_passed_on():
    wanted = {"moved_level": "critical"}
    found = compare(OLD, with_old(*recordings(1, rms_dbfs=20.0)), CONFIG, wanted)
    assert [(shift.name, shift.severity) for shift in found.shifts] == [("moved_level", "critical")]


def test_of_a_large_corpus_the_same_draw_is_compared(monkeypatch):
    """New recordings are recognised by the draw: those that it would hold if they had been accepted."""
    monkeypatch.setattr(moved, "KEPT", 60)
    profile = OLD[:60]
    assert compare(profile, OLD, CONFIG).says == "The recordings are those of the accepted data."
    added = recordings(1, rms_dbfs=20.0)
    found = compare(profile, with_old(*added), CONFIG)
    drawn = sum(one.sha256 <= profile[-1].sha256 for one in added)
    assert 30 < drawn < 90
    assert f"(a draw of 60 recordings), {drawn} recordings were added and 0 are gone." in found.says
    assert names(found) == ["moved_level"]
    arrived = compare(profile, with_old(*added), CONFIG, arrived=added)
    assert "in 60 recordings added" in arrived.moved[0].says
