"""Paired comparisons: the randomisation test against scipy and ranx, Holm's correction by hand, the pairs compared."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from wav2tok.evaluation.retrieval import significance
from wav2tok.evaluation.retrieval.metrics import METRICS


def test_all_signs_of_few_recordings_by_enumeration(rng):
    differences = rng.normal(0.3, 1, (9, 4))
    signs = np.array(list(itertools.product([-1, 1], repeat=9)))
    exact = (np.abs(signs @ differences) >= np.abs(differences.sum(axis=0)) - 1e-9).mean(axis=0)
    np.testing.assert_allclose(significance.randomisation(differences, 200_000, rng), exact, atol=0.006)


@pytest.mark.parametrize("gain", [0.0, 0.05, 0.15])
def test_scipy_agrees(rng, gain):
    ours, theirs = rng.random(40) + gain, rng.random(40)
    expected = scipy.stats.permutation_test(
        (ours, theirs),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=20_000,
        rng=np.random.default_rng(1),
    )
    (found,) = significance.randomisation((ours - theirs)[:, None], 20_000, rng)
    assert found == pytest.approx(expected.pvalue, abs=0.012)


def test_ranx_agrees_within_its_own_sampling_error(rng):
    from ranx.statistical_tests import fisher_randomization_test, paired_student_t_test

    ours = rng.random(60)
    theirs = ours + rng.normal(0.06, 0.3, 60)
    (found,) = significance.randomisation((ours - theirs)[:, None], 50_000, rng)
    assert found == pytest.approx(fisher_randomization_test(ours, theirs, 2_000)[0], abs=0.04)
    assert found == pytest.approx(paired_student_t_test(ours, theirs)[0], abs=0.01)


def test_equal_systems_differ_as_often_as_the_level_says():
    generator = np.random.default_rng(3)
    p = significance.randomisation(generator.standard_normal((30, 2000)), 2_000, generator)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.015)
    assert (p < 0.5).mean() == pytest.approx(0.5, abs=0.04)


def test_p_is_never_zero_and_is_one_for_equal_systems():
    p = significance.randomisation(np.stack([np.ones(50), np.zeros(50)], axis=1), 999, np.random.default_rng(0))
    assert p.tolist() == [1 / 1000, 1.0]


def test_chunks_change_nothing(monkeypatch):
    differences = np.random.default_rng(0).normal(0.1, 1, (20, 3))
    whole = significance.randomisation(differences, 1000, np.random.default_rng(5))
    monkeypatch.setattr(significance, "_SIGNS_AT_ONCE", 7 * 20)
    np.testing.assert_array_equal(significance.randomisation(differences, 1000, np.random.default_rng(5)), whole)


def test_holm_by_hand():
    # Sorted: .01 x 4, .02 x 3, .03 x 2, .04 x 1; each at least the one before.
    np.testing.assert_allclose(significance.holm(np.array([0.03, 0.01, 0.04, 0.02])), [0.06, 0.04, 0.06, 0.06])
    np.testing.assert_allclose(significance.holm(np.array([0.5, 0.001, 0.4])), [0.8, 0.003, 0.8])
    assert significance.holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert significance.holm(np.array([0.2])).tolist() == [0.2]


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=20), st.floats(0.01, 0.2))
def test_holm_rejects_what_its_step_down_procedure_rejects(values, level):
    p = np.array(values)
    rejected = np.zeros(len(p), bool)
    for step, index in enumerate(np.argsort(p, kind="stable")):
        if p[index] * (len(p) - step) > level:
            break
        rejected[index] = True
    np.testing.assert_array_equal(significance.holm(p) <= level, rejected)


def test_every_form_meets_every_baseline_on_every_view(rng):
    def scores():
        return rng.random((25, len(METRICS)))

    pooled = {kind: {name: scores() for name in ("ours", "form", "one", "two")} for kind in ("V", "TS")}
    pooled["TS"]["one"] = pooled["TS"]["ours"] - 0.5
    found = significance.compare(pooled, ("ours", "form"), ("one", "two"), 300, 0)
    assert {(c.system, c.baseline, c.kind, c.metric) for c in found} == set(
        itertools.product(("ours", "form"), ("one", "two"), ("V", "TS"), ("mrr", "map"))
    )
    assert len(found) == 16
    for one in found:
        column = list(METRICS).index(one.metric)
        gains = (pooled[one.kind][one.system] - pooled[one.kind][one.baseline])[:, column]
        assert one.difference.value == pytest.approx(gains.mean())
        assert one.difference.low <= one.difference.value <= one.difference.high
        assert one.p <= one.p_holm <= 1
        if (one.kind, one.system, one.baseline) == ("TS", "ours", "one"):
            # The same on every recording: the interval has no width, whatever the recordings' own spread.
            assert (one.difference.low, one.difference.high) == pytest.approx((0.5, 0.5))
            assert one.p_holm < 0.001
    assert found == significance.compare(pooled, ("ours", "form"), ("one", "two"), 300, 0)
    assert significance.compare(pooled, ("ours",), (), 300, 0) == ()
