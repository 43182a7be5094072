"""How the tokens are used, against figures by hand."""

import numpy as np
import pytest

from wav2tok.evaluation.retrieval import token_use


def test_token_metrics_by_hand():
    strings = [np.array(s) for s in ([0, 1, 0], [0, 1], [2, 1], [])]
    same = np.array([[False, True, False, False]])
    found = token_use.measure(
        strings,
        2.0,
        4,
        np.array([0]),
        same,
        np.array([[False, False, True, True]]),
        {"TS": [[np.array([0, 1])], [np.array([], dtype=int)]]},
    ).figures
    assert found["codebook_use"] == 0.75
    assert found["tokens_per_second"] == 3.5
    assert found["bits_per_second"] == 7.0
    shares = np.array([3, 3, 1]) / 7
    assert found["perplexity"] == pytest.approx(np.prod(shares**-shares))
    assert (found["jaccard_same_class"], found["edit_same_class"]) == pytest.approx((1 / 2, 1 / 3))
    assert (found["jaccard_other_class"], found["edit_other_class"]) == pytest.approx((0, (2 / 3 + 1) / 2))
    assert (found["jaccard_TS"], found["edit_TS"]) == pytest.approx((1 / 4, (1 / 3 + 1) / 2))
