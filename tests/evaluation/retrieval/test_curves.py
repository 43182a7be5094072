"""Robustness curves: which queries ask, which views are reused, and the order of the factors."""

import math

import numpy as np
import pytest

from wav2tok.config.schema import Evaluate
from wav2tok.corpus.recordings import Recordings
from wav2tok.evaluation.retrieval import curves, protocol
from wav2tok.evaluation.retrieval.protocol import View

PATHS = tuple(f"{word}/{speaker}_1.wav" for word in ("go", "no", "so") for speaker in "abcd")
CLASSES = tuple(path.split("/")[0] for path in PATHS)
SETTINGS = Evaluate(tempos=(1.25, 0.8), semitones=(3, -2), snr_db=(10.0, 0.0), room_snr_db=(), curve_queries=5)
EVERYONE = np.arange(12)


def scores(view, rows):
    """Scores [q, 4] of two systems, different for every view and query."""
    base = view.factor + 100.0 * rows[:, None] + np.array([[0.1, 0.2, 0.3, 0.4]])
    return {"one": base, "two": base + 1000.0}


class Recorder:
    """Answers by `scores` and logs each view with its rows."""

    def __init__(self):
        self.log = []

    def __call__(self, views, rows):
        for view in views:
            self.log.append((view, rows.tolist()))
            yield scores(view, rows)


def measured(recordings, settings):
    """The curves, and the log of the views that were asked for."""
    task = protocol.build(recordings, settings)
    recorder = Recorder()
    known = {view: scores(view, EVERYONE) for view in task.views}
    return curves.measure(task, settings, 0, known, recorder), recorder.log


def test_words_ask_every_axis_with_the_same_few_queries():
    found, log = measured(Recordings(PATHS, CLASSES), Evaluate(**{**vars(SETTINGS), "protocol": "words"}))
    assert [view for view, _ in log] == [
        *[View("SNR", level) for level in SETTINGS.snr_db],
        *[View("TS", tempo) for tempo in SETTINGS.tempos],
        *[View("PS", float(step)) for step in SETTINGS.semitones],
    ]
    (rows,) = {tuple(rows) for _, rows in log}
    assert len(set(rows)) == 5
    assert list(rows) == sorted(rows)
    assert {kind: curve.factors for kind, curve in found.items()} == {
        "SNR": (0.0, 10.0, math.inf),
        "TS": (0.8, 1.0, 1.25),
        "PS": (-2.0, 0.0, 3.0),
    }
    for kind, curve in found.items():
        assert (curve.kind, curve.queries) == (kind, 5)
        for place, factor in enumerate(curve.factors):
            # The unchanged queries' scores are those of the view V, whose factor is 0, for the same five queries.
            view = View("V") if factor == curves.NEUTRAL[kind] else View(kind, factor)
            for name, values in scores(view, np.array(rows)).items():
                np.testing.assert_allclose(curve.scores[name][place], values.mean(axis=0))


def test_hums_reuse_their_views_of_tempo_and_key_and_ask_only_for_noise():
    found, log = measured(Recordings(PATHS, CLASSES), SETTINGS)
    assert [view.kind for view, _ in log] == ["SNR", "SNR"]
    assert {kind: curve.queries for kind, curve in found.items()} == {"SNR": 5, "TS": 12, "PS": 12}
    np.testing.assert_allclose(found["TS"].scores["two"][1], scores(View("V"), EVERYONE)["two"].mean(axis=0))
    np.testing.assert_allclose(found["PS"].scores["one"][2], scores(View("PS", 3.0), EVERYONE)["one"].mean(axis=0))


def test_lists_have_no_unchanged_query():
    found, log = measured(Recordings(PATHS), SETTINGS)
    assert [view.kind for view, _ in log] == ["SNR", "SNR"]
    assert found["SNR"].factors == (0.0, 10.0)
    assert found["TS"].factors == (0.8, 1.25)


@pytest.mark.parametrize(("allowed", "asking"), [(12, 12), (1000, 12), (3, 3)])
def test_no_more_ask_than_allowed(allowed, asking):
    settings = Evaluate(snr_db=(5.0,), curve_queries=allowed)
    found, log = measured(Recordings(PATHS, CLASSES), settings)
    assert found["SNR"].queries == len(log[0][1]) == asking


def test_no_factors_no_curve_and_no_queries_none_at_all():
    words = Recordings(PATHS, CLASSES)
    assert set(measured(words, Evaluate(tempos=(), snr_db=(), room_snr_db=(), semitones=(2,)))[0]) == {"PS"}
    assert measured(words, Evaluate(curve_queries=0)) == ({}, [])


def test_in_a_room_the_same_few_ask_with_and_without_babble():
    settings = Evaluate(**{**vars(SETTINGS), "room_snr_db": (5.0, 10.0)})
    found, log = measured(Recordings(PATHS, CLASSES), settings)
    in_room = [(view, rows) for view, rows in log if view.kind == "ROOM"]
    assert [view.factor for view, _ in in_room] == [5.0, 10.0, math.inf]
    assert {tuple(rows) for _, rows in log} == {tuple(in_room[0][1])}
    # Without babble the query still is in the room: it is not the unchanged one.
    assert found["ROOM"].factors == (5.0, 10.0, math.inf)
    expected = scores(View("ROOM", math.inf), np.array(in_room[0][1]))["one"].mean(axis=0)
    np.testing.assert_array_equal(found["ROOM"].scores["one"][2], expected)
