"""What changes between two tokenizers that are asked the same queries."""

from dataclasses import replace

import numpy as np
import pytest

from wav2tok.evaluation.changes import Changed, changed, chosen, differences
from wav2tok.evaluation.paired import Asked, ask, measure
from wav2tok.evaluation.retrieval.metrics import METRICS, query_scores
from wav2tok.evaluation.retrieval.result import Answers

RELEVANT = np.array([[False, True, False, False], [True, False, False, False], [False, False, False, True]])


def asked(order):
    order = np.array(order)
    answers = Answers(
        paths=("a", "b", "c", "d"),
        classes=("x", "x", "y", "y"),
        strings=[],
        query_index=np.array([0, 1, 2]),
        relevant=RELEVANT,
        asking=[],
        order=order,
        distances=np.zeros(order.shape),
    )
    return Asked(answers, {"V": query_scores(order, RELEVANT)})


BEFORE = asked([[1, 2, 3, -1], [2, 0, 3, -1], [0, 1, 3, -1]])
AFTER = asked([[2, 1, 3, -1], [0, 2, 3, -1], [0, 3, 1, -1]])


def test_changed_first_answers_are_listed_by_what_they_gain():
    assert changed(BEFORE, AFTER) == [Changed(0, 1, 2, (1, 2), -0.5), Changed(1, 2, 0, (2, 1), 0.5)]
    assert changed(BEFORE, BEFORE) == []


def test_no_answer_is_a_first_answer_too():
    silent = asked([[-1, -1, -1, -1], [2, 0, 3, -1], [0, 1, 3, -1]])
    assert changed(BEFORE, silent) == [Changed(0, 1, -1, (1, 0), -1.0)]


def test_differences_are_those_of_the_means():
    found = {one.metric: one for one in differences(BEFORE, AFTER, 200, 0)}
    assert list(found) == list(METRICS)
    for place, metric in enumerate(METRICS):
        was, now = (one.scores["V"][:, place].mean() for one in (BEFORE, AFTER))
        one = found[metric]
        assert (one.before, one.after, one.gain.value) == (was, now, pytest.approx(now - was))
        assert one.gain.low <= one.gain.value <= one.gain.high
    assert found["map"].gain.low < 0 < found["map"].gain.high  # of three queries nothing is certain


@pytest.mark.parametrize(("count", "kept"), [(4, [0, 1, 2, 3]), (5, [0, 1, 3, 4]), (9, [0, 1, 7, 8])])
def test_some_of_either_end_are_chosen(count, kept):
    changes = [Changed(q, 0, 1, (1, 2), q / 10) for q in range(count)]
    assert [one.query for one in chosen(changes, 4)] == kept


def test_a_measure_is_the_mean_of_mrr_and_map_of_what_was_asked(tiny_model, tiny_split, tiny_config):
    from wav2tok.corpus import audios_bin
    from wav2tok.tokenizer.tokenizer import Tokenizer

    settings = replace(tiny_config.evaluate, tempos=(0.8,), semitones=())
    test, tokenizer = audios_bin.read(tiny_split).test, Tokenizer.from_pretrained(tiny_model, "cpu")
    (found,), (measured,) = ask(test, [tokenizer], settings, 0), measure(test, [tokenizer], settings, 0)
    for kind, scores in found.scores.items():
        np.testing.assert_allclose(measured.scores[kind], scores[:, :2].mean(axis=1))
    assert len(found.answers.query_index) == len(measured.by_query)
