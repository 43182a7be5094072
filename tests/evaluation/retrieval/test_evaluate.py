"""The evaluation of retrieval, from files to results."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.tunes import RATE, SETTINGS, Encoder, tune
from wav2tok.audio import decode
from wav2tok.config.parameters import from_dict
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval import distractors, protocol, views
from wav2tok.evaluation.retrieval.evaluate import _scored, evaluate, learn
from wav2tok.evaluation.retrieval.metrics import METRICS
from wav2tok.evaluation.retrieval.protocol import View
from wav2tok.evaluation.systems import FORMS
from wav2tok.matching.distances import edit_distances

TOKENS_ALONE = from_dict({"evaluate": SETTINGS | {"baselines": ["kmeans_logmel"]}})


def test_every_system_is_judged_on_every_view(judged):
    setting = judged.setting
    assert (setting.protocol, setting.queries, setting.left_out, setting.kinds) == ("hums", 6, 0, ("V", "TS", "PS"))
    assert list(judged.scores) == [*FORMS, *SETTINGS["baselines"]]
    assert setting.asked("TS") == 12
    for name, kinds in judged.scores.items():
        assert list(kinds) == ["V", "TS", "PS"]
        # The pooled value is the mean of its factors, of which the curves hold each.
        tempo, key = judged.curves["TS"], judged.curves["PS"]
        assert tempo.factors == (0.8, 1.0, 1.25)
        assert kinds["TS"]["map"].value == pytest.approx(tempo.scores[name][[0, 2], 1].mean())
        assert kinds["PS"]["mrr"].value == pytest.approx(key.scores[name][[0, 2], 0].mean())
        assert kinds["V"]["mrr"].value == pytest.approx(key.scores[name][1, 0])
        assert judged.cost[name].encode_speed > 0 < judged.cost[name].search_ms
    # The same tune by another singer differs by faint noise: DTW finds it, also when it is slower.
    assert judged.scores["logmel_dtw"]["V"]["mrr"].value == 1.0
    assert judged.scores["logmel_dtw"]["TS"]["mrr"].value == 1.0
    figures = judged.tokens.figures
    assert figures["edit_same_class"] < figures["edit_other_class"]
    assert figures["jaccard_same_class"] > figures["jaccard_other_class"]


def test_the_noise_curve_has_few_queries_and_falls(judged):
    curve = judged.curves["SNR"]
    assert (curve.factors, curve.queries) == ((0.0, 20.0, np.inf), 4)
    assert set(curve.scores) == set(judged.setting.labels)
    assert all(values.shape == (3, 4) for values in curve.scores.values())
    assert curve.scores["logmel_dtw"][2, 0] == 1.0
    # Babble as loud as the query: the mean over systems must fall.
    means = np.mean([values[:, 1] for values in curve.scores.values()], axis=0)
    assert means[0] < means[2]


def test_in_a_room_the_same_queries_are_harder_still(judged):
    curve = judged.curves["ROOM"]
    assert (curve.factors, curve.queries) == ((0.0, np.inf), 4)
    means = {kind: np.mean([v[:, 1] for v in judged.curves[kind].scores.values()], axis=0) for kind in ("SNR", "ROOM")}
    assert means["ROOM"][0] <= means["ROOM"][1] <= means["SNR"][2]


def test_the_forms_are_compared_with_the_baselines(judged):
    assert len(judged.significance) == len(FORMS) * 4 * 3 * 2
    one = next(c for c in judged.significance if (c.baseline, c.kind, c.metric) == ("mfcc_dtw", "PS", "map"))
    ours, theirs = judged.scores["wav2tok"]["PS"]["map"], judged.scores["mfcc_dtw"]["PS"]["map"]
    assert (one.system, one.difference.value) == ("wav2tok", pytest.approx(ours.value - theirs.value))


def test_the_plain_ranking_is_kept_for_the_page(judged, corpus, train):
    answers = judged.answers
    strings = Encoder(train).encode([decode.read(path, RATE) for path in corpus.paths])
    assert (answers.paths, answers.classes) == (corpus.paths, corpus.classes)
    assert [s.tolist() for s in answers.strings] == [s.tolist() for s in strings]
    assert answers.query_index.tolist() == list(range(6))
    assert [s.tolist() for s in answers.asking] == [s.tolist() for s in strings]
    np.testing.assert_allclose(answers.distances, edit_distances(strings, strings), rtol=1e-6)
    assert (answers.distances.dtype, answers.order.dtype) == (np.float32, np.int32)
    for query, (order, relevant) in enumerate(zip(answers.order, answers.relevant, strict=True)):
        assert query not in order
        assert sorted(order) == sorted({-1, *range(6)} - {query})
        assert (np.diff(answers.distances[query, order[:-1]]) >= 0).all()
        assert [corpus.classes[i] for i in np.flatnonzero(relevant)] == [corpus.classes[query]]
    first = np.take_along_axis(answers.relevant, answers.order, axis=1).argmax(axis=1) + 1
    assert judged.scores["wav2tok"]["V"]["mrr"].value == pytest.approx((1 / first).mean())


def test_tunes_that_training_lacks_are_judged_apart(corpus, train):
    """The figures of a variant are those of its queries alone, and together they are those of all queries."""
    config = from_dict({"evaluate": SETTINGS | {"protocol": "words", "baselines": ["mfcc_dtw"], "curve_queries": 0}})
    encoder = Encoder(train)
    two = train.take(i for i, label in enumerate(train.classes) if label != "turn")
    result = evaluate(two, corpus, encoder, encoder.centroids, None, config)
    assert {name: one.queries for name, one in result.variants.items()} == {"heard": 4, "never_heard": 2}
    for name, kinds in result.scores.items():
        for metric, one in kinds["V"].items():
            heard, never = (result.variants[v].scores[name]["V"][metric].value for v in ("heard", "never_heard"))
            assert one.value == pytest.approx((4 * heard + 2 * never) / 6)
    whole = evaluate(train, corpus, encoder, encoder.centroids, None, config)
    assert whole.variants == {}
    assert whole.scores["wav2tok"] == result.scores["wav2tok"]


def test_hums_are_judged_without_and_with_the_own_recording(corpus, train):
    """Two windows of every take: with its other half in the database, a take is found better."""
    config = from_dict({"evaluate": SETTINGS | {"baselines": [], "curve_queries": 0, "protocol": "hums"}})
    encoder = Encoder(train)
    twice = Recordings(corpus.paths * 2, corpus.classes * 2)
    result = evaluate(train, twice, encoder, encoder.centroids, None, config)
    assert (result.setting.queries, result.setting.database) == (12, 6.0)
    everything = result.variants["all_takes"]
    assert (everything.queries, everything.database) == (12, 11.0)
    assert everything.scores["wav2tok"]["V"]["mrr"].value == 1.0
    for name, kinds in everything.scores.items():
        assert list(kinds) == ["V", "TS", "PS"]
        assert kinds["TS"]["mrr"].value >= result.scores[name]["TS"]["mrr"].value


def test_distractors_are_relevant_to_nothing_and_change_nothing_else(corpus, train):
    settings = SETTINGS | {"baselines": ["kmeans_logmel"], "curve_queries": 0, "semitones": []}
    encoder = Encoder(train)
    plain = evaluate(train, corpus, encoder, encoder.centroids, None, from_dict({"evaluate": settings}))
    encoder.calls.clear()
    config = from_dict({"evaluate": settings | {"distractors": 3}})
    result = evaluate(train, corpus, encoder, encoder.centroids, None, config)
    assert (plain.variants, result.scores) == ({}, plain.scores)
    assert [len(waveforms) for waveforms in encoder.calls].count(3) == 1  # represented once for all views
    found = result.variants["distractors"]
    assert (found.queries, found.database, found.distractors) == (6, 8.0, 3)
    for name, kinds in found.scores.items():
        for kind, estimates in kinds.items():
            for metric in METRICS:
                assert estimates[metric].value <= result.scores[name][kind][metric].value + 1e-12
    words = config.evaluate.__class__(**{**vars(config.evaluate), "protocol": "words"})
    assert protocol.build(corpus, words).variants == ()


def test_a_distractor_as_near_as_the_answer_comes_before_it():
    variant = protocol.Variant("distractors", np.array([0]), np.array([[False, True]]), np.array([[False, True]]), 2)
    found = _scored(variant, np.array([[0.0, 0.5]]), np.array([[0.5, 0.9]]))
    assert found[0, METRICS.index("mrr")] == 0.5


def test_distractors_are_melodies_of_their_own():
    three, two = (distractors.synthesize(count, 4000, 0) for count in (3, 2))
    for one, same in zip(three, two, strict=False):
        np.testing.assert_array_equal(one, same)
    assert len({wave.tobytes() for wave in three}) == 3
    assert all(wave.dtype == np.float32 and 8000 < len(wave) < 60_000 for wave in three)


def test_words_have_all_three_curves(corpus, train, lines):
    config = from_dict({"evaluate": SETTINGS | {"protocol": "words", "baselines": []}})
    encoder = Encoder(train)
    result = evaluate(train, corpus, encoder, encoder.centroids, None, config)
    assert (result.setting.kinds, list(result.setting.labels)) == (("V",), list(FORMS))
    assert {kind: (curve.factors, curve.queries) for kind, curve in result.curves.items()} == {
        "SNR": ((0.0, 20.0, np.inf), 4),
        "TS": ((0.8, 1.0, 1.25), 4),
        "PS": ((-2.0, 0.0, 2.0), 4),
    }
    assert result.significance == ()
    assert any("+2 semitones" in line for line in lines)
    assert any("4 queries, 20 dB above babble" in line for line in lines)


def test_lists_are_judged_by_views_of_themselves(corpus, train):
    config = from_dict({"evaluate": SETTINGS | {"tempos": [1.25], "semitones": [], "baselines": ["logmel_dtw"]}})
    encoder = Encoder(train)
    test = Recordings(corpus.paths[::2])
    result = evaluate(train, test, encoder, encoder.centroids, encoder, config)
    assert (result.setting.protocol, result.setting.kinds) == ("self", ("TS",))
    assert result.scores["logmel_dtw"]["TS"]["p_at_1"].value == 1.0
    assert {"jaccard_TS", "edit_TS"} < set(result.tokens.figures)
    assert "edit_same_class" not in result.tokens.figures
    assert {kind: curve.factors for kind, curve in result.curves.items()} == {"SNR": (0.0, 20.0), "TS": (1.25,)}
    # The ranking kept is that of the first view, which is what asks.
    faster = encoder.encode([views.make(decode.read(path, RATE), View("TS", 1.25), RATE) for path in test.paths])
    assert [s.tolist() for s in result.answers.asking] == [s.tolist() for s in faster]
    np.testing.assert_allclose(result.answers.distances, edit_distances(faster, result.answers.strings), rtol=1e-6)
    assert result.answers.classes is None


def test_the_baselines_learn_without_the_test_recordings(corpus, train, tmp_path):
    """Systems and voices come out the same, bit for bit, when the test recordings do not exist."""
    probe = [decode.read(path, RATE) for path in corpus.paths]
    for path in corpus.paths:
        shutil.move(path, tmp_path)
    try:
        encode = Encoder(train).encode
        systems, voices = learn(train, encode, np.eye(8), None, from_dict({"evaluate": SETTINGS}))
    finally:
        for path in corpus.paths:
            shutil.move(tmp_path / Path(path).name, path)
    again, same_voices = learn(train, encode, np.eye(8), None, from_dict({"evaluate": SETTINGS}))
    known = [decode.read(path, RATE) for path in train.paths]
    assert {voice.tobytes() for voice in voices} <= {waveform.tobytes() for waveform in known}
    for one, other in zip(voices, same_voices, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(systems, again, strict=True):
        for a, b in zip(one.represent(probe), other.represent(probe), strict=True):
            np.testing.assert_array_equal(a, b)


def test_other_test_recordings_change_nothing_for_those_that_stay(corpus, train, tmp_path):
    """End to end: with half of the test recordings replaced, queries and answers of the others are the same."""
    replaced = list(corpus.paths)
    stay = [0, 2, 4]
    for i in (1, 3, 5):
        replaced[i] = str(tmp_path / Path(corpus.paths[i]).name)
        decode.write(replaced[i], tune((1, 1, 8, 3), 40 + i)[::-1] * 0.2, RATE)
    other = Recordings(tuple(replaced), corpus.classes)
    settings = dataclasses.replace(TOKENS_ALONE, evaluate=dataclasses.replace(TOKENS_ALONE.evaluate, curve_queries=6))
    runs = []
    for test in (corpus, other):
        encoder = Encoder(train)
        result = evaluate(train, test, encoder, encoder.centroids, None, settings)
        asked = [waveforms for waveforms in encoder.calls if len(waveforms) == 6]
        assert len(asked) == 1 + 4 + 2  # the database, two tempos and two keys, two levels of babble
        runs.append((asked, result.answers))
    (before, first), (after, second) = runs
    for one, same in zip(before, after, strict=True):
        for i in stay:
            np.testing.assert_array_equal(one[i], same[i])
        assert not np.array_equal(one[1], same[1])
    for i in stay:
        np.testing.assert_array_equal(first.strings[i], second.strings[i])
        np.testing.assert_array_equal(first.distances[i, stay], second.distances[i, stay])


def test_baselines_are_those_selected(corpus, train):
    def names(*baselines, untrained=True):
        config = from_dict({"evaluate": SETTINGS | {"baselines": list(baselines)}})
        encode = Encoder(train).encode
        found, voices = learn(train, encode, np.eye(8), encode if untrained else None, config)
        assert len(voices) == len(train)
        return [system.name for system in found[len(FORMS) :]]

    assert names() == []
    assert names("untrained") == ["untrained"]
    assert names("mfcc_dtw", "untrained") == ["untrained", "mfcc_dtw"]
    assert {"untrained", "kmeans_logmel", "logmel_dtw", "mfcc_dtw"} <= set(names("all"))
    with pytest.raises(UserError, match="names 'hubble', which is not a baseline; there are: untrained, kmeans_logmel"):
        names("hubble")


def test_without_curves_no_training_recording_is_read(corpus, tmp_path):
    config = from_dict({"evaluate": SETTINGS | {"baselines": [], "curve_queries": 0}})
    encode = Encoder(corpus).encode
    found, voices = learn(Recordings((str(tmp_path / "gone.wav"),)), encode, np.eye(8), None, config)
    assert ([system.name for system in found], voices) == (list(FORMS), [])


def test_an_unreadable_recording_is_named(corpus, tmp_path):
    bad = tmp_path / "a_bad.wav"
    bad.write_bytes(b"no audio")
    test = Recordings((*corpus.paths, str(bad)), (*corpus.classes, "up"))
    with pytest.raises(UserError, match=r"a_bad\.wav"):
        evaluate(corpus, test, lambda w: [], np.eye(2), lambda w: [], from_dict({}))
