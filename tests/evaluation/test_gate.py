"""The gate: what it approves, what it refuses and why."""

import dataclasses
import json

import pytest

from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Gate
from wav2tok.errors import UserError
from wav2tok.evaluation import gate
from wav2tok.evaluation.retrieval.metrics import Estimate

GOOD = Gate(min_mrr=0.6, min_map=0.5, min_codebook_use=0.5, beat=("untrained", "kmeans_logmel"))


def with_scores(result, use=0.9, p=1e-4, **values):
    """``result`` with plain values: (MRR, MAP) a view for wav2tok, and .5 and .4 for the others unless given.

    ``p``: of every comparison with a baseline.
    """
    scores = {}
    for name in result.scores:
        given = values.get(name, {})
        default = (0.9, 0.8) if name == "wav2tok" else (0.5, 0.4)
        scores[name] = {
            kind: {
                key: Estimate(v, v, v)
                for key, v in zip(
                    ("mrr", "map", "p_at_1", "r_at_10"), (*given.get(kind, default), 0.5, 0.5), strict=True
                )
            }
            for kind in result.setting.kinds
        }
    tokens = dataclasses.replace(result.tokens, figures=result.tokens.figures | {"codebook_use": use})
    compared = tuple(dataclasses.replace(one, p=p) for one in result.significance)
    return dataclasses.replace(result, scores=scores, tokens=tokens, significance=compared)


def test_the_gate_approves_what_is_good(judged):
    verdict = gate.judge(with_scores(judged), GOOD)
    assert verdict.approved
    assert len(verdict.reasons) == 3 + 2 * 3 * 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"wav2tok": {"PS": (0.59, 0.8)}}, "MRR on PS, its worst view, is 0.590; it must be at least 0.6."),
        ({"wav2tok": {"TS": (0.9, 0.49)}}, "MAP on TS, its worst view, is 0.490; it must be at least 0.5."),
        ({"use": 0.4}, "40 % of the codebook is in use; it must be at least 50 %."),
        ({"untrained": {"V": (0.91, 0.4)}}, "MRR on V is not above that of untrained encoder, edit distance: 0.900"),
        ({"untrained": {"V": (0.5, 0.8)}}, "MAP on V is not above that of untrained encoder, edit distance: 0.800"),
        ({"kmeans_logmel": {"TS": (0.9, 0.4)}}, "MRR on TS is not above that of k-means of log-mel, edit distance"),
        ({"kmeans_logmel": {"PS": (0.5, 0.81)}}, "MAP on PS is not above that of k-means of log-mel, edit distance"),
    ],
)
def test_the_gate_refuses_for_each_reason_alone(judged, change, reason):
    verdict = gate.judge(with_scores(judged, **change), GOOD)
    assert not verdict.approved
    assert len(verdict.reasons) == 1
    assert verdict.reasons[0].startswith(reason)


def test_the_gate_refuses_nan_and_ignores_what_it_need_not_beat(judged):
    assert not gate.judge(with_scores(judged, wav2tok={"V": (float("nan"), 0.8)}), GOOD).approved
    assert not gate.judge(with_scores(judged, use=float("nan")), GOOD).approved
    assert gate.judge(with_scores(judged, mfcc_dtw={"V": (1.0, 1.0)}), GOOD).approved
    with pytest.raises(UserError, match="hubert"):
        gate.judge(judged, Gate(beat=("hubert",)))


def test_a_gate_that_must_beat_what_is_switched_off_is_refused_at_once():
    gate.require(GOOD, ("all",))
    gate.require(GOOD, ("mfcc_dtw", "untrained", "kmeans_logmel"))
    with pytest.raises(UserError, match=r"'kmeans_logmel', which evaluate.baselines \(untrained\) switches off"):
        gate.require(GOOD, ("untrained",))
    with pytest.raises(UserError, match=r"'untrained', which evaluate.baselines \(none\) switches off"):
        gate.require(GOOD, ())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"snr_db": [float("inf")]}, r"snr_db\[0\] is inf; it must be a finite number"),
        ({"tempos": [1.25, 0.0]}, r"tempos\[1\] is 0.0; it must be at least 0.1"),
        ({"tempos": [1.0]}, "a tempo of 1 changes nothing"),
        ({"semitones": [2, 0]}, "0 semitones change nothing"),
        ({"snr_db": [5, 5]}, r"snr_db is \[5, 5\]; it names a value twice"),
        ({"curve_queries": -1}, "curve_queries is -1"),
        ({"baselines": ["all", "untrained"]}, "either all or names"),
    ],
)
def test_settings_without_meaning_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        from_dict({"evaluate": settings})


def test_a_tie_is_enough_only_where_nothing_better_is_possible(judged):
    perfect = {"V": (1.0, 0.8)}
    assert gate.judge(with_scores(judged, wav2tok=perfect, untrained={"V": (1.0, 0.4)}), GOOD).approved
    lucky = with_scores(judged, p=0.9, wav2tok=dict.fromkeys(judged.setting.kinds, (1.0, 1.0)))
    assert gate.judge(lucky, GOOD).approved
    assert not gate.judge(with_scores(judged, untrained={"V": (0.9, 0.4)}), GOOD).approved


def test_a_lead_that_may_be_luck_does_not_pass(judged):
    """Twelve comparisons are made, so Holm's correction multiplies the smallest p by twelve."""
    assert gate.judge(with_scores(judged, p=0.004), GOOD).approved
    refused = gate.judge(with_scores(judged, p=0.005), GOOD)
    assert not refused.approved
    assert len(refused.reasons) == 12
    assert refused.reasons[0] == (
        "MRR on V may be above that of untrained encoder, edit distance by chance: 0.900 against 0.500, p 0.06; "
        "at most 0.05 counts."
    )
    assert gate.judge(with_scores(judged, p=0.005), dataclasses.replace(GOOD, confidence=0.9)).approved
    for clause in refused.clauses:
        assert clause.met is (clause.name != "beat")
        json.dumps(clause.to_json(), allow_nan=False)


def test_a_form_of_the_tokenizer_itself_is_no_baseline():
    with pytest.raises(UserError, match="'wav2tok_local', a form of the tokenizer itself"):
        gate.require(dataclasses.replace(GOOD, beat=("wav2tok_local",)), ("all",))
