"""What the gallery selects from rankings made by hand."""

import numpy as np
import pytest

from wav2tok.report import gallery
from wav2tok.report.gallery import NOTHING, OTHER, Case

CLASSES = ("cat", "cat", "dog", "dog", "owl", "eel")
# The queries are recordings 0, 2, 3, 4 and 1; each ranks the other recordings, as far as they were retrieved.
ASKED = ("cat", "dog", "dog", "owl", "cat")
ORDER = np.array(
    [
        [1, 2, 3, 4, 5, -1],  # right at once
        [0, 4, 5, 1, 3, -1],  # right at rank 5
        [0, 2, 4, 5, 1, -1],  # right at rank 2
        [5, 0, 1, 2, -1, -1],  # its right answers were not retrieved
        [-1, -1, -1, -1, -1, -1],  # an empty string
    ],
    dtype=np.int32,
)
RELEVANT = np.zeros((5, 6), dtype=bool)
RELEVANT[[0, 1, 2, 3, 4], [1, 3, 2, 3, 0]] = True


def test_the_confusion_counts_the_nearest_answers_class():
    found = gallery.confusion(ORDER, ASKED, CLASSES)
    assert found.rows == ("cat", "dog", "owl")
    assert found.columns == ("cat", "dog", "owl", OTHER, NOTHING)
    np.testing.assert_array_equal(found.counts, [[1, 0, 0, 0, 1], [2, 0, 0, 0, 0], [0, 0, 0, 1, 0]])
    assert found.hidden == 0


def test_columns_that_do_not_occur_are_omitted():
    found = gallery.confusion(ORDER[:3], ASKED[:3], CLASSES)
    assert found.columns == found.rows == ("cat", "dog")


def test_of_many_classes_those_with_the_most_errors_are_shown():
    found = gallery.confusion(ORDER, ASKED, CLASSES, most=2)
    assert (found.rows, found.hidden) == (("cat", "dog"), 1)
    np.testing.assert_array_equal(found.counts, [[1, 0, 1], [2, 0, 0]])
    found = gallery.confusion(ORDER, ASKED, CLASSES, most=1)
    assert found.rows == ("dog",)
    assert found.columns == ("dog", OTHER)


@pytest.mark.parametrize("seed", range(3))
def test_the_confusion_equals_a_count_by_hand(seed):
    rng = np.random.default_rng(seed)
    classes = [f"c{k}" for k in rng.integers(0, 7, 40)]
    order = np.stack([rng.permutation(40) for _ in range(60)])
    order[rng.random(60) < 0.1] = -1
    asked = [classes[i] for i in rng.integers(0, 40, 60)]
    found = gallery.confusion(order, asked, classes)
    assert found.counts.sum() == 60
    for i, row in enumerate(found.rows):
        for j, column in enumerate(found.columns):
            by_hand = sum(
                asked[q] == row and (NOTHING if order[q, 0] < 0 else classes[order[q, 0]]) == column for q in range(60)
            )
            assert found.counts[i, j] == by_hand


def test_the_worst_misses_are_one_per_class_with_the_answer_that_won():
    found = gallery.worst_misses(ORDER, RELEVANT, ASKED, 10)
    # The owl's right answer was not retrieved; of the dogs the one at rank 5; the empty string is no case.
    assert found == [Case(3, 3, 0, 5), Case(1, 3, 5, 0)]
    assert gallery.worst_misses(ORDER, RELEVANT, ASKED, 1) == found[:1]
    assert gallery.worst_misses(ORDER[:1], RELEVANT[:1], ASKED[:1], 10) == []


def test_the_nearest_pairs_are_right_and_one_per_class():
    order = np.array([[1, 2], [0, 2], [3, 0], [2, 1], [-1, -1]])
    relevant = np.zeros((5, 4), dtype=bool)
    relevant[[0, 1, 2, 3, 4], [1, 0, 3, 1, 2]] = True
    distances = np.array([[9, 0.2, 1, 1], [0.2, 9, 1, 1], [1, 1, 9, 0.1], [1, 1, 0.0, 9], [9, 9, 9, 9.0]])
    asked = ("a", "a", "b", "b", "c")
    lengths = np.array([5, 7, 4, 4, 0])
    # Row 3 is nearest, but wrong; of rows 0 and 1, equally near, the longer string.
    assert gallery.nearest_pairs(order, distances, relevant, asked, lengths, 9) == [Case(2, 3, 1), Case(1, 0, 1)]
    assert gallery.nearest_pairs(order, distances, relevant, asked, lengths, 1) == [Case(2, 3, 1)]


def test_selection_is_deterministic():
    rng = np.random.default_rng(5)
    order = np.stack([rng.permutation(30) for _ in range(30)])
    relevant, distances = rng.random((30, 30)) < 0.1, np.round(rng.random((30, 30)), 1)
    asked = [str(k) for k in rng.integers(0, 9, 30)]
    picks = [
        (
            gallery.worst_misses(order, relevant, asked, 4),
            gallery.nearest_pairs(order, distances, relevant, asked, np.ones(30), 4),
        )
        for _ in range(2)
    ]
    assert picks[0] == picks[1]
