"""The nearest recordings: those of brute force and of the report, in the same order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance
from tests.search.collections import K, found, index, random_strings
from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.evaluation.systems import tokenizer_systems
from wav2tok.matching import edit_distances, rank
from wav2tok.matching.transposed import is_transposable
from wav2tok.search import nearest
from wav2tok.search.index import Index
from wav2tok.search.nearest import measures
from wav2tok.tokenizer.tokenizer import Tokenizer

few = st.lists(st.integers(0, 5), max_size=12)


@given(database=st.lists(few, min_size=1, max_size=8), query=few, top=st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_the_nearest_are_those_of_brute_force(database: list[list[int]], query: list[int], top: int) -> None:
    near = nearest.scan(index(database).collection, np.array(query, int), top)
    expected = [(i, edit_distance(query, s) / max(len(query), len(s))) for i, s in enumerate(database) if s and query]
    expected = sorted(expected, key=lambda hit: hit[1])[:top]
    assert [one.document for one in near] == [i for i, _ in expected]
    assert [one.distance for one in near] == pytest.approx([d for _, d in expected])


@given(st.lists(few, min_size=1, max_size=10), few.filter(len), st.sets(st.integers(0, 9)), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_ranking_is_the_reports(strings, query, removed, top):
    """`wav2tok.matching.rank` of `edit_distances`, with removed recordings no candidates."""
    candidates = np.array([[i not in removed for i in range(len(strings))]])
    expected = rank(edit_distances([np.array(query)], [np.array(s, int) for s in strings]), candidates)[0, :top]
    whole = index(strings).collection
    whole.dead = [np.array([i for i in sorted(removed) if i < len(strings)], dtype=np.int64)]
    assert [one.document for one in nearest.scan(whole, np.array(query), top)] == [i for i in expected if i >= 0]


@pytest.mark.parametrize("name", ["weighted", "dtw", "local"])
def test_other_measures_rank_as_in_the_report(name: str) -> None:
    rng = np.random.default_rng(0)
    strings = random_strings(rng, 30)
    query, codebook = strings[4][2:-3], rng.standard_normal((K, 8))
    measure = measures(codebook)[name]
    expected = measure([query], strings)
    answers = index(strings).search(query, 30, measure)
    assert found(answers) == [str(i) for i in rank(expected, np.ones(expected.shape, bool))[0]]
    assert [m.distance for m in answers] == pytest.approx(sorted(expected[0]), abs=1e-4)
    assert answers[0].expected_by_chance < 0.01 < answers[1].expected_by_chance


MEASURES = ["edit", "weighted", "dtw", "local"]
"""In the order of the report's systems."""


def check_ranking(made_by: Tokenizer, paths: list[Path], queries: range) -> None:
    """From the files on: recordings ask the index of all, and the report's system of the same distance."""
    names, in_keys = [str(path) for path in paths], is_transposable(made_by.metadata.config)
    indexed = Index.build(names, made_by)
    rate = made_by.sample_rate

    def encode(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return made_by.encode(waveforms, rate)

    systems = tokenizer_systems(encode, made_by.codebook, in_keys=in_keys)[: len(MEASURES)]
    strings = systems[0].represent([decode.read(path, rate) for path in paths])
    for name, system in zip(MEASURES, systems, strict=True):
        measure = None if name == "edit" else measures(made_by.codebook, in_keys)[name]
        distances = system.distances([strings[i] for i in queries], strings)
        order = rank(distances, np.ones(distances.shape, dtype=bool))
        asked = 0
        for row, query in enumerate(queries):
            try:
                answers = indexed.search(strings[query], len(paths), measure)
            except UserError:  # too short a string for an index of this size
                continue
            assert found(answers) == [names[i] for i in order[row]], name
            assert [one.distance for one in answers] == pytest.approx(distances[row, order[row]], abs=1e-4)
            asked += 1
        assert asked > len(queries) / 2


def test_a_search_ranks_recordings_as_the_report_does(tiny_model: Path, tiny_corpus: Path) -> None:
    paths = find(tiny_corpus)
    check_ranking(Tokenizer.from_pretrained(tiny_model, "cpu", threads=1), paths, range(len(paths)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collection", "model"),
    [("hums", "wav2tok:humming"), ("words", "wav2tok:speech"), ("sentences/audio", "wav2tok:speech")],
)
def test_a_search_ranks_real_recordings_as_the_report_does(collection: str, model: str, real_data: Path) -> None:
    paths = find(real_data / collection)
    paths = paths[:: max(1, len(paths) // 300)]
    check_ranking(Tokenizer.from_pretrained(model, "cpu", threads=1), paths, range(0, len(paths), 7))


def test_local_alignment_tries_the_keys_that_the_report_tries() -> None:
    rng = np.random.default_rng(0)
    codebook = np.abs(rng.standard_normal((K, 30)))
    strings = random_strings(rng, 12)
    measure, plain = measures(codebook, in_keys=True)["local"], measures(codebook)["local"]
    in_keys = tokenizer_systems(lambda waveforms: strings, codebook, in_keys=True)[3]
    np.testing.assert_array_equal(measure(strings[:3], strings), in_keys.distances(strings[:3], strings))
    assert not np.array_equal(measure(strings[:3], strings), plain(strings[:3], strings))
