"""Who wins: the decision's conditions one by one, and the statistics against scipy and by simulation."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from wav2tok.config.schema import Register
from wav2tok.evaluation import promotion
from wav2tok.evaluation.paired import Measured
from wav2tok.evaluation.promotion import decide, lower_bound

SETTINGS = Register(min_queries=20, min_gain=0.01, confidence=0.95)
CLASSES = tuple("abcd" * 15)


def measured(base, views=("V", "TS"), classes=CLASSES):
    return Measured(dict.fromkeys(views, base + 0.0), classes)


@pytest.fixture
def champion(rng):
    return measured(rng.uniform(0.2, 0.6, len(CLASSES)))


def better_by(champion, gain, rng, noise=0.05):
    return dataclasses.replace(
        champion,
        scores={kind: scores + gain + rng.normal(0, noise, len(scores)) for kind, scores in champion.scores.items()},
    )


def clause(decision, name):
    (found,) = [one for one in decision.clauses if one.name == name]
    return found


def test_a_clear_gain_wins_and_every_condition_has_its_figures(champion, rng):
    decision = decide(better_by(champion, 0.1, rng), champion, SETTINGS, 0)
    assert decision.won
    assert [one.name for one in decision.clauses] == ["queries", "gain", "views", "classes"]
    assert decision.challenger - decision.champion == pytest.approx(clause(decision, "gain").figures["value"])
    assert decision.queries == 60
    assert decision.why.startswith(f"score {decision.challenger:.3f} against {decision.champion:.3f} of the champion")
    for one in decision.clauses:
        assert one.met
        assert one.sentence.endswith(".")
        assert one.to_json()["figures"]


def test_equals_and_small_gains_do_not_win(champion, rng):
    same = decide(champion, champion, dataclasses.replace(SETTINGS, min_gain=0.0), 0)
    assert not same.won
    assert clause(same, "gain").figures == {"value": 0.0, "low": 0.0, "least": 0.0, "confidence": 0.95}
    exact = dataclasses.replace(champion, scores={k: s + 0.009 for k, s in champion.scores.items()})
    assert not decide(exact, champion, SETTINGS, 0).won
    assert decide(exact, champion, dataclasses.replace(SETTINGS, min_gain=0.008), 0).won
    assert "it must be at least 0.01" in decide(exact, champion, SETTINGS, 0).why


def test_a_gain_that_may_be_luck_does_not_win(champion, rng):
    lucky = better_by(champion, 0.02, rng, noise=0.5)
    decision = decide(lucky, champion, SETTINGS, 0)
    assert decision.challenger > decision.champion
    assert not decision.won
    assert clause(decision, "gain").figures["low"] < 0


def test_too_few_queries_decide_nothing(champion, rng):
    decision = decide(better_by(champion, 0.1, rng), champion, dataclasses.replace(SETTINGS, min_queries=61), 0)
    assert not decision.won
    assert decision.why == (
        "60 test recordings that neither model heard can ask; at least 61 are needed (register.min_queries)"
    )


def test_a_view_that_is_worse_stops_a_promotion(champion, rng):
    winner = better_by(champion, 0.3, rng)
    worse = dataclasses.replace(winner, scores=dict(winner.scores) | {"TS": champion.scores["TS"] - 0.05})
    decision = decide(worse, champion, SETTINGS, 0)
    assert clause(decision, "gain").met
    assert not decision.won
    assert decision.why.startswith("view TS is worse by 0.050, p ")


def test_a_class_that_is_worse_stops_a_promotion(champion, rng):
    winner = better_by(champion, 0.3, rng)
    of_b = np.array(CLASSES) == "b"
    scores = {kind: np.where(of_b, champion.scores[kind] - 0.08, values) for kind, values in winner.scores.items()}
    decision = decide(dataclasses.replace(winner, scores=scores), champion, SETTINGS, 0)
    assert [one.met for one in decision.clauses] == [True, True, True, False]
    assert decision.why.startswith("class b is worse by 0.080, p ")


def test_classes_too_small_to_tell_are_counted(champion, rng):
    few = ("x",) * 3 + ("y",) * 57
    decision = decide(
        dataclasses.replace(better_by(champion, 0.1, rng), classes=few), dataclasses.replace(champion, classes=few),
        SETTINGS, 0,
    )  # fmt: skip
    assert clause(decision, "classes").figures["tested"] == 1
    assert "(1 of 2 classes have too few queries to tell)" in clause(decision, "classes").sentence


def test_recordings_without_classes_have_no_such_condition(champion, rng):
    bare = dataclasses.replace(champion, classes=None)
    decision = decide(better_by(bare, 0.1, rng), bare, SETTINGS, 0)
    assert decision.won
    assert [one.name for one in decision.clauses] == ["queries", "gain", "views"]


@settings(max_examples=15)
@given(st.integers(0, 2**16))
def test_the_order_of_queries_decides_nothing_but_luck(seed):
    generator = np.random.default_rng(seed)
    base, gain = generator.uniform(0, 1, 60), generator.normal(0.03, 0.1, 60)
    order = generator.permutation(60)
    classes = tuple(CLASSES[i] for i in order)
    one = decide(measured(base + gain), measured(base), SETTINGS, 0)
    two = decide(measured((base + gain)[order], classes=classes), measured(base[order], classes=classes), SETTINGS, 0)
    low = [clause(found, "gain").figures["low"] for found in (one, two)]
    assert low[0] == pytest.approx(low[1], abs=0.01)


def test_the_bound_is_that_of_scipy(rng):
    differences = rng.normal(0.05, 0.2, 80)
    low = stats.bootstrap(
        (differences,), np.mean, confidence_level=0.95, alternative="greater", method="percentile", rng=1
    ).confidence_interval.low
    assert lower_bound(differences, 0.95, np.random.default_rng(0)) == pytest.approx(low, abs=2e-3)


def test_an_equal_challenger_seldom_wins(rng, monkeypatch):
    """By chance, five in a hundred equals at most pass the condition of gain."""
    monkeypatch.setattr(promotion, "RESAMPLES", 500)
    wins = 0
    for _ in range(400):
        differences = rng.normal(0, 0.2, 60)
        wins += lower_bound(differences, 0.95, rng) > 0
    assert 0.02 < wins / 400 < 0.09
