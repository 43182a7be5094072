"""The alignment is a cheapest one, and names every token once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from wav2tok.matching.edits import aligned

strings = st.lists(st.integers(0, 5), max_size=20)


@given(strings, strings)
def test_the_columns_that_differ_are_the_edits(ours, theirs):
    columns = aligned(np.array(ours, dtype=np.int64), np.array(theirs, dtype=np.int64))
    assert [i for i, _ in columns if i is not None] == list(range(len(ours)))
    assert [j for _, j in columns if j is not None] == list(range(len(theirs)))
    assert all(column != (None, None) for column in columns)
    edits = sum(i is None or j is None or ours[i] != theirs[j] for i, j in columns)
    assert edits == Levenshtein.distance(ours, theirs)
