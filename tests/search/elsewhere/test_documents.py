"""Documents of recordings: their terms, BM25 over them against the index's votes, and the final ranking."""

import collections
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.collections import K, index, random_strings, recording, tokenizer
from wav2tok.errors import UserError
from wav2tok.matching.candidates import WEIGHT_UNIT, buckets, seeds, vote
from wav2tok.search.elsewhere.documents import Document, documents, ranked, terms
from wav2tok.search.index import Index

strings = st.lists(st.integers(0, 4), max_size=12)


def bm25(query: list[str], texts: list[list[str]], k1: float, b: float) -> list[float]:
    """Robertson and Zaragoza's formula as Lucene has it, word by word."""
    mean = sum(map(len, texts)) / len(texts)
    scores = [0.0] * len(texts)
    for word in set(query):
        having = sum(word in one for one in texts)
        idf = math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))
        for place, one in enumerate(texts):
            often = one.count(word)
            if often:
                scores[place] += idf * often / (often + k1 * (1 - b + b * len(one) / mean))
    return scores


@given(strings, st.sampled_from([64, 256, 2000]))
def test_terms_are_the_seeds(tokens: list[int], num_tokens: int) -> None:
    string = np.array(tokens, dtype=np.int64)
    numbers, _ = seeds(string, np.zeros(len(string), dtype=np.int64), num_tokens)
    words = terms(string, num_tokens)
    assert len(words) == len(set(words)) == len(set(numbers.tolist()))
    assert not any(" " in word for word in words)


def test_documents_say_what_the_index_holds() -> None:
    made = index([[5, 7, 2, 9], [], [1, 2]])
    got = list(documents(made))
    assert [(one.path, one.seconds) for one in got] == [(one.path, one.seconds) for one in made]
    assert [one.tokens for one in got] == ["5 7 2 9", "", "1 2"]
    assert [one.terms for one in got] == ["a5_7_2 a7_2_9 b5_2_9", "", ""]  # 64 tokens: seeds of three


def test_a_path_that_is_not_unicode_is_named() -> None:
    made = Index.of(tokenizer(), [recording("a\udce9.wav", [1, 2, 3])])
    with pytest.raises(UserError, match=r"'a\\udce9\.wav' is not Unicode"):
        list(documents(made))


def test_bm25_without_saturation_is_the_votes_of_the_index() -> None:
    """The same scores, and so the same candidates, if each bucket of the index is a word."""
    rng = np.random.default_rng(0)
    collection = random_strings(rng, 200)
    (segment,) = index(collection).collection.segments
    count = len(segment.postings.directory) - 1

    def words(string: np.ndarray) -> list[str]:
        numbers, _ = seeds(string, np.zeros(len(string), dtype=np.int64), K)
        return [str(bucket) for bucket in np.unique(buckets(numbers, count, K))]

    texts = [words(string) for string in collection]
    for number in range(0, 200, 20):
        query = np.where(rng.random(len(collection[number])) < 0.3, rng.integers(0, K), collection[number])
        # A bucket counts for each seed of the query in it.
        numbers = np.unique(seeds(query, np.zeros(len(query), dtype=np.int64), K)[0])
        often = collections.Counter(str(bucket) for bucket in buckets(numbers, count, K).tolist())
        theirs = np.zeros(len(collection))
        for word, times in often.items():
            theirs += times * np.array(bm25([word], texts, k1=0.0, b=0.0))
        units, votes = vote(query, [segment.postings], K)
        ours = np.zeros(len(collection))
        ours[units] = votes / WEIGHT_UNIT
        rounding = len(numbers) / WEIGHT_UNIT / 2
        np.testing.assert_allclose(ours, theirs, atol=rounding)
        assert set(np.flatnonzero(ours)) == set(np.flatnonzero(theirs))


def test_the_ranking_of_what_is_found_is_the_indexs() -> None:
    rng = np.random.default_rng(1)
    collection = random_strings(rng, 50)
    made = index(collection)
    query = collection[7][3:]
    answers = made.search(query, 10)
    assert [(one.path, round(distance, 4)) for one, distance in ranked(query, list(documents(made)))] == [
        (one.path, one.distance) for one in answers
    ]
    assert ranked(query, []) == []
    assert ranked(query, [Document("empty", 0.0, "", "")]) == []


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75)])
def test_the_formula_is_tantivys(k1: float, b: float) -> None:
    tantivy = pytest.importorskip("tantivy", reason="tantivy is not installed (pip install --group engines)")
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("terms", stored=True, tokenizer_name="whitespace", index_option="freq")
    schema = builder.build()
    engine = tantivy.Index(schema)
    made = index(random_strings(np.random.default_rng(2), 30))
    words = [one.terms for one in documents(made)]
    writer = engine.writer(20_000_000, 1)
    for one in words:
        writer.add_document(tantivy.Document(terms=one))
    writer.commit()
    engine.reload()
    searcher = engine.searcher()
    asked = terms(made.entries[3].tokens, K)
    query = [(tantivy.Occur.Should, tantivy.Query.term_query(schema, "terms", word)) for word in asked]
    hits = searcher.search(tantivy.Query.boolean_query(query), 30).hits
    expected = bm25(asked, [one.split() for one in words], k1, b)
    # Lucene and tantivy multiply by k1 + 1, and keep the length of a document in a byte.
    assert hits
    for score, address in hits:
        text = searcher.doc(address)["terms"][0]
        assert score == pytest.approx(expected[words.index(text)] * (k1 + 1), rel=0.03)
