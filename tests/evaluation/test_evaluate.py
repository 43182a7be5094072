"""The evaluation from files to report, the gate, the token metrics, the views."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from wav2tok import audio
from wav2tok.config import Gate, from_dict
from wav2tok.corpus.splits import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation import gate, report, tokens, views
from wav2tok.evaluation.baselines import kmeans, log_mel, mfcc, nearest
from wav2tok.evaluation.evaluate import Result, evaluate
from wav2tok.evaluation.metrics import Estimate
from wav2tok.evaluation.protocol import View

RATE = 16000


def tune(notes, seed):
    """A sixth of a second a note, sixteen harmonics each, with noise of its own: float32 [N]."""
    phase = 2 * np.pi * 220 * np.arange(RATE // 6) / RATE
    tones = [sum(0.1 * np.sin(k * 2 ** (note / 12) * phase) for k in range(1, 17)) for note in notes]
    noise = 0.003 * np.random.default_rng(seed).standard_normal(len(notes) * len(phase))
    return (np.concatenate(tones) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Two singers, three tunes: one take each, so the protocol is hums."""
    root = tmp_path_factory.mktemp("tunes")
    paths, classes = [], []
    for name, notes in {"up": (0, 4, 7, 12), "down": (14, 9, 5, 2), "turn": (3, 10, 3, 6)}.items():
        for seed, singer in enumerate("ab"):
            paths.append(str(root / f"{singer}_{name}.wav"))
            classes.append(name)
            audio.write(paths[-1], tune(notes, seed), RATE)
    return Recordings(tuple(paths), tuple(classes))


@pytest.fixture(scope="module")
def judged(corpus) -> Result:
    config = from_dict({"evaluate": {"tempos": [0.8, 1.25], "semitones": [-2, 2], "bootstrap": 200}})
    bands = log_mel(RATE)
    centroids = kmeans(np.concatenate(bands([audio.read(path, RATE) for path in corpus.paths])), 8, seed=1)
    few = nearest(bands, centroids[:2])
    lines: list[str] = []
    result = evaluate(corpus, corpus, nearest(bands, centroids), centroids, few, config, lines.append)
    assert any("+2 semitones" in line for line in lines)
    return result


def test_every_system_is_judged_on_every_view(judged):
    assert (judged.protocol, judged.queries, judged.left_out, judged.kinds) == ("hums", 6, 0, ("V", "TS", "PS"))
    assert list(judged.scores) == [
        "wav2tok",
        "wav2tok_weighted",
        "wav2tok_centroid_dtw",
        "untrained",
        "kmeans_logmel",
        "logmel_dtw",
        "mfcc_dtw",
    ]
    assert judged.asked("TS") == 12
    for name, kinds in judged.scores.items():
        assert list(kinds) == ["V", "TS", "PS"]
        assert judged.ranks[name].shape == (5, 6)
        # The pooled value is the mean of its factors, and the MRR that of the ranks.
        assert kinds["TS"]["map"].value == pytest.approx(judged.factors[name][1:3, 1].mean())
        assert kinds["PS"]["mrr"].value == pytest.approx((1 / judged.ranks[name][3:]).mean())
        assert judged.cost[name].encode_speed > 0 < judged.cost[name].search_ms
    # The same tune by another singer differs by faint noise: DTW finds it, also when it is slower.
    assert judged.scores["logmel_dtw"]["V"]["mrr"].value == 1.0
    assert judged.scores["logmel_dtw"]["TS"]["mrr"].value == 1.0
    assert judged.tokens["edit_same_class"] < judged.tokens["edit_other_class"]
    assert judged.tokens["jaccard_same_class"] > judged.tokens["jaccard_other_class"]


def test_lists_are_judged_by_views_of_themselves(corpus):
    config = from_dict({"evaluate": {"tempos": [1.25], "semitones": [], "bootstrap": 50}})
    encode = nearest(log_mel(RATE), kmeans(np.random.default_rng(0).standard_normal((50, 64)), 4, 0))
    result = evaluate(corpus, Recordings(corpus.paths[::2]), encode, np.eye(4), encode, config, lambda _: None)
    assert (result.protocol, result.kinds) == ("self", ("TS",))
    assert result.scores["logmel_dtw"]["TS"]["p_at_1"].value == 1.0
    assert {"jaccard_TS", "edit_TS"} < set(result.tokens)
    assert "edit_same_class" not in result.tokens


def test_an_unreadable_recording_is_named(corpus, tmp_path):
    bad = tmp_path / "a_bad.wav"
    bad.write_bytes(b"no audio")
    test = Recordings((*corpus.paths, str(bad)), (*corpus.classes, "up"))
    with pytest.raises(UserError, match=r"a_bad\.wav"):
        evaluate(corpus, test, lambda w: [], np.eye(2), lambda w: [], from_dict({}), lambda _: None)


GOOD = Gate(min_mrr=0.6, min_map=0.5, min_codebook_use=0.5, beat=("untrained", "kmeans_logmel"))


def with_scores(result, use=0.9, **values):
    """``result`` with plain values: (MRR, MAP) a view for wav2tok, and .5 and .4 for the others unless given."""
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
            for kind in result.kinds
        }
    return dataclasses.replace(result, scores=scores, tokens=result.tokens | {"codebook_use": use})


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


def test_the_gate_refuses_what_is_no_number_and_ignores_what_it_need_not_beat(judged):
    assert not gate.judge(with_scores(judged, wav2tok={"V": (float("nan"), 0.8)}), GOOD).approved
    assert not gate.judge(with_scores(judged, use=float("nan")), GOOD).approved
    assert gate.judge(with_scores(judged, mfcc_dtw={"V": (1.0, 1.0)}), GOOD).approved
    with pytest.raises(UserError, match="hubert"):
        gate.judge(judged, Gate(beat=("hubert",)))


def test_a_tie_is_enough_only_where_nothing_better_is_possible(judged):
    perfect = {"V": (1.0, 0.8)}
    assert gate.judge(with_scores(judged, wav2tok=perfect, untrained={"V": (1.0, 0.4)}), GOOD).approved
    assert not gate.judge(with_scores(judged, untrained={"V": (0.9, 0.4)}), GOOD).approved


def test_the_report_is_written_whole(judged, tmp_path):
    verdict = gate.judge(judged, Gate(min_mrr=1.1))
    report.write(judged, verdict, tmp_path / "out")
    out = tmp_path / "out"
    assert sorted(p.name for p in out.rglob("*") if p.is_file()) == sorted(
        [
            "gate.json",
            "metrics.json",
            "report.md",
            "retrieval.csv",
            "retrieval.png",
            "robustness.png",
            "table.txt",
            "tokens.png",
        ]
    )
    assert (out / "table.txt").read_text().splitlines() == report.table(judged).splitlines()
    numbers = json.loads((out / "metrics.json").read_text())
    assert numbers["PS"]["mfcc_dtw"]["map"] == pytest.approx(judged.scores["mfcc_dtw"]["PS"]["map"].value, abs=1e-6)
    assert numbers["gate"]["approved"] is False
    assert json.loads((out / "gate.json").read_text()) == {"approved": False, "reasons": verdict.reasons}
    with (out / "retrieval.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7 * 3 * 4
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    text = (out / "report.md").read_text()
    assert all(part in text for part in ("Not approved", verdict.reasons[0], "](plots/robustness.png)", "TS 12"))
    for plot in (out / "plots").iterdir():
        assert plot.read_bytes().startswith(b"\x89PNG")
    lines = report.table(judged).splitlines()
    assert len(lines) == 2 + 7
    assert len({len(line) for line in lines}) == 1


def test_token_metrics_by_hand():
    strings = [np.array(s) for s in ([0, 1, 0], [0, 1], [2, 1], [])]
    same = np.array([[False, True, False, False]])
    found = tokens.measure(
        strings,
        2.0,
        4,
        np.array([0]),
        same,
        np.array([[False, False, True, True]]),
        {"TS": [[np.array([0, 1])], [np.array([], dtype=int)]]},
    )
    assert found["codebook_use"] == 0.75
    assert found["tokens_per_second"] == 3.5
    assert found["bits_per_second"] == 7.0
    shares = np.array([3, 3, 1]) / 7
    assert found["perplexity"] == pytest.approx(np.prod(shares**-shares))
    assert (found["jaccard_same_class"], found["edit_same_class"]) == pytest.approx((1 / 2, 1 / 3))
    assert (found["jaccard_other_class"], found["edit_other_class"]) == pytest.approx((0, (2 / 3 + 1) / 2))
    assert (found["jaccard_TS"], found["edit_TS"]) == pytest.approx((1 / 4, (1 / 3 + 1) / 2))


def test_views_change_one_thing():
    seconds = np.arange(RATE) / RATE
    tone = (0.4 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)

    def pitch(waveform):
        middle = waveform[len(waveform) // 4 :][: RATE // 2] * np.hanning(RATE // 2)
        return np.argmax(np.abs(np.fft.rfft(middle))) * 2

    slower, higher = views.make(tone, View("TS", 0.8), RATE), views.make(tone, View("PS", 5.0), RATE)
    assert len(slower) == round(RATE / 0.8)
    assert len(higher) == RATE
    assert pitch(slower) == pytest.approx(440, abs=3)
    assert pitch(higher) == pytest.approx(440 * 2 ** (5 / 12), abs=4)
    np.testing.assert_array_equal(slower, views.make(tone, View("TS", 0.8), RATE))
    assert views.make(tone, View("V"), RATE) is tone


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
