"""Expected numbers of chance hits, against drawn ones."""

import numpy as np
import pytest

from wav2tok.errors import UserError
from wav2tok.matching import chance
from wav2tok.matching.chance import Chance
from wav2tok.matching.local import local_scores, scoring

K = 64
CODEBOOK = np.random.default_rng(1).standard_normal((K, 16))
BY = scoring(CODEBOOK)


def zipf(rng: np.random.Generator, length: int) -> np.ndarray:
    """A string of independent tokens, the k-th commonest with probability proportional to 1 / k."""
    odds = 1 / np.arange(1, K + 1)
    return rng.choice(K, length, p=odds / odds.sum())


@pytest.fixture(scope="module")
def database() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [zipf(rng, length) for length in rng.integers(20, 81, 1000)]


@pytest.fixture(scope="module")
def law(database) -> Chance:
    return Chance.of(database, BY)


def test_the_fit_finds_the_law_that_scores_were_drawn_from():
    rng = np.random.default_rng(0)
    # P(score < s) = exp(-K n exp(-lambda s)) of strings of n = 40 tokens, inverted.
    scores = np.log(0.5 * 40 / -np.log(rng.random(200_000))) / 0.02
    decay, log_density = chance._tail(scores, 200_000 * 40)
    assert decay == pytest.approx(0.02, rel=0.05)
    assert np.exp(log_density) == pytest.approx(0.5, rel=0.3)


@pytest.mark.parametrize("length", [10, 25, 70, 120])
def test_a_query_has_about_one_hit_that_is_expected_once(database, law, length):
    """Random strings: hits with E <= 1 are one per query within a factor of 3, for short and long queries alike."""
    rng = np.random.default_rng(length)
    queries = [zipf(rng, length) for _ in range(60)]
    expected = law.evalue(local_scores(queries, database, BY), length, sum(map(len, database)))
    assert 1 / 3 < (expected <= 1).sum(axis=1).mean() < 3


def test_a_true_match_is_the_least_expected(database, law):
    rng = np.random.default_rng(0)
    inside = np.concatenate([zipf(rng, 20), database[7][:30], zipf(rng, 20)])
    found = law.evalue(local_scores([inside], database, BY)[0], len(inside), sum(map(len, database)))
    assert found.argmin() == 7
    assert found[7] < 0.1 < np.sort(found)[1]


def test_higher_scores_are_rarer_and_long_queries_have_more_chances(law):
    assert law.evalue(1000, 30, 1000) < law.evalue(900, 30, 1000) < law.evalue(900, 30, 2000)
    assert law.evalue(1000, 1280, 1000) == pytest.approx(10 * law.evalue(1000, 128, 1000))


def test_strings_without_variety_still_have_a_law_and_none_is_refused():
    same = [np.zeros(6, dtype=np.int64)] * 3
    law = Chance.of(same, BY, queries=2)
    assert np.isfinite(law.evalue(local_scores(same, same, BY), 6, 18)).all()
    with pytest.raises(UserError, match="no tokens"):
        Chance.of([np.array([], dtype=np.int64)], BY)
