"""Which recordings ask and which may answer, by protocol."""

import dataclasses

import numpy as np
import pytest

from wav2tok.config.schema import Evaluate
from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
from wav2tok.evaluation.retrieval import protocol

WORDS = Recordings(
    ("go/a_1.wav", "go/a_2.wav", "go/b_1.wav", "no/a_1.wav", "no/b_1.wav", "solo/a_1.wav"),
    ("go", "go", "go", "no", "no", "solo"),
)
HUMS = Recordings(("x/a_1.wav", "x/b_1.wav", "y/a_1.wav", "y/b_1.wav", "z/a_1.wav"), ("x", "x", "y", "y", "z"))
LIST = Recordings(("a.wav", "b.wav", "c.wav"), None)


def test_words_ask_other_groups_only():
    task = protocol.build(WORDS, Evaluate())
    assert task.protocol == "words"
    assert [view.kind for view in task.views] == ["V"]
    assert task.queries.tolist() == [0, 1, 2, 3, 4]
    assert task.left_out == 1
    groups = np.array(WORDS.groups)
    for row, query in enumerate(task.queries):
        np.testing.assert_array_equal(task.candidates[row], groups != groups[query])
    assert [np.flatnonzero(row).tolist() for row in task.relevant] == [[2], [2], [0, 1], [4], [3]]


def test_hums_ask_all_others_and_never_themselves():
    task = protocol.build(HUMS, Evaluate())
    assert task.protocol == "hums"
    assert task.left_out == 1
    for row, query in enumerate(task.queries):
        assert not task.candidates[row, query]
        assert task.candidates[row].sum() == 4
    assert [np.flatnonzero(row).tolist() for row in task.relevant] == [[1], [0], [3], [2]]
    assert task.kinds == ("V", "TS", "PS")
    assert [view.factor for view in task.views] == [0.0, *Evaluate().tempos, *map(float, Evaluate().semitones)]


def test_recordings_of_a_list_ask_with_views_of_themselves():
    task = protocol.build(LIST, Evaluate())
    assert task.protocol == "self"
    assert task.kinds == ("TS", "PS")
    assert task.candidates.all()
    np.testing.assert_array_equal(task.relevant, np.eye(3, dtype=bool))


def test_the_configuration_decides_when_it_is_not_auto():
    task = protocol.build(HUMS, Evaluate(protocol="words"))
    assert (task.protocol, task.kinds) == ("words", ("V",))
    assert task.candidates[0].tolist() == [False, True, False, True, False]


def test_hums_leave_out_the_own_group_where_it_has_several_takes_and_tell_what_they_would_give():
    task = protocol.build(WORDS, Evaluate(protocol="hums"))
    assert task.kinds == ("V", "TS", "PS")
    assert task.text.endswith("takes of the query's own singer or source recording are left out")
    assert task.candidates[0].tolist() == [False, False, True, False, True, False]
    assert task.relevant[0].tolist() == [False, False, True, False, False, False]
    (everything,) = task.variants
    assert everything.name == "all_takes"
    assert everything.queries.tolist() == [0, 1, 2, 3, 4]
    assert everything.candidates[0].tolist() == [False, True, True, True, True, True]
    assert everything.relevant[0].tolist() == [False, True, True, False, False, False]


def test_a_class_of_one_group_asks_only_where_all_takes_are_searched():
    paths, classes = ("x/a_1.wav", "x/a_2.wav", "y/a_1.wav", "y/b_1.wav"), ("x", "x", "y", "y")
    task = protocol.build(Recordings(paths, classes), Evaluate(protocol="hums"))
    assert (task.queries.tolist(), task.left_out) == ([2, 3], 2)
    assert task.variants[0].queries.tolist() == [0, 1, 2, 3]


def test_hums_of_one_group_a_class_are_searched_among_all_takes():
    paths, classes = ("x/a_1.wav", "x/a_2.wav", "y/b_1.wav", "y/b_2.wav"), ("x", "x", "y", "y")
    task = protocol.build(Recordings(paths, classes), Evaluate(protocol="hums"))
    assert (task.queries.tolist(), task.variants) == ([0, 1, 2, 3], ())
    assert task.candidates.sum() == 12


def test_windows_of_one_recording_are_hums_and_several_takes_of_a_voice_are_words():
    paths = ("x/take1.wav", "x/take2.wav", "x/take3.wav", "y/take4.wav", "y/take5.wav")
    classes, groups = ("x", "x", "x", "y", "y"), ("s", "s", "t", "u", "v")
    windows = Recordings(paths, classes, groups, sources=("s", "s", "", "", ""))
    assert protocol.choose(windows) == "hums"
    assert protocol.choose(dataclasses.replace(windows, sources=("",) * 5)) == "words"
    task = protocol.build(windows, Evaluate())
    assert task.candidates[0].tolist() == [False, False, True, True, True]
    assert [one.name for one in task.variants] == ["all_takes"]


@pytest.mark.parametrize(
    ("recordings", "settings", "message"),
    [
        (LIST, Evaluate(protocol="words"), "needs classes"),
        (Recordings(("a_1.wav", "a_2.wav"), ("x", "x")), Evaluate(), "None of the 2 test recordings"),
        (LIST, Evaluate(tempos=(), semitones=()), "both empty"),
    ],
)
def test_data_that_cannot_be_evaluated_are_refused(recordings, settings, message):
    with pytest.raises(UserError, match=message):
        protocol.build(recordings, settings)


def test_classes_that_training_lacks_ask_among_the_recordings_of_all_classes():
    task = protocol.build(WORDS, Evaluate(), protocol.Training(known={"go"}, heard={"go"}))
    heard, never = task.variants
    assert (heard.name, never.name) == ("heard", "never_heard")
    assert heard.queries.tolist() == [0, 1, 2]
    assert never.queries.tolist() == [3, 4]
    np.testing.assert_array_equal(heard.candidates, task.candidates[:3])
    np.testing.assert_array_equal(never.candidates, task.candidates[3:])  # heard words among them
    np.testing.assert_array_equal(never.relevant, task.relevant[3:])


def test_a_class_that_only_validation_hears_is_neither_heard_nor_never_heard():
    task = protocol.build(WORDS, Evaluate(), protocol.Training(known={"go"}, heard=()))
    assert [(one.name, one.queries.tolist()) for one in task.variants] == [("never_heard", [3, 4])]


@pytest.mark.parametrize("recordings", [WORDS, LIST])
def test_without_classes_that_training_lacks_there_is_nothing_beside_the_task(recordings):
    known = {"go", "no", "solo"}
    assert protocol.build(recordings, Evaluate(), protocol.Training(known, known)).variants == ()
    assert protocol.build(recordings, Evaluate()).variants == ()


def test_hums_of_songs_that_training_lacks_altogether_are_not_judged_twice():
    nothing = protocol.Training((), ())
    assert protocol.build(HUMS, Evaluate(), nothing).variants == ()
    some = protocol.build(HUMS, Evaluate(), protocol.Training({"x"}, {"x"})).variants
    assert [(one.name, one.queries.tolist()) for one in some] == [("heard", [0, 1]), ("never_heard", [2, 3])]
    (words,) = protocol.build(WORDS, Evaluate(), nothing).variants
    assert (words.name, len(words.queries)) == ("never_heard", 5)
