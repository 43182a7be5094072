"""Validation: what is scored, on what, and that it is the same at every epoch."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.splits import sample_subset
from wav2tok.matching.distances import edit_distances
from wav2tok.matching.ranking import mrr_map
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.embed import tokenize
from wav2tok.spectra.store import SpectrumStore
from wav2tok.training.validation import changed_copy, validate


def spectra(store: SpectrumStore) -> torch.Tensor:
    return store.batch(store.heads(10**9))[0]


@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=12), most=st.integers(2, 40), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_some_of_a_corpus_is_spread_over_its_classes(sizes: list[int], most: int, seed: int) -> None:
    classes = tuple(str(c) for c, size in enumerate(sizes) for _ in range(size))
    everything = Recordings(tuple(f"{c}/{i}.wav" for i, c in enumerate(classes)), classes)
    some = sample_subset(everything, most, seed)
    assert len(some) == min(most, len(everything))
    assert list(some.paths) == [p for p in everything.paths if p in set(some.paths)]
    assert some == sample_subset(everything, most, seed)
    kept = Counter(some.classes)
    # No class has fewer than another could spare, beyond the four that make a class worth asking for.
    for c, size in enumerate(sizes):
        for other in kept.values():
            assert kept[str(c)] >= min(size, other - 1) or kept[str(c)] == 0 or other <= 4
    if most >= 4 * len(sizes):
        assert all(kept[str(c)] >= min(4, size) for c, size in enumerate(sizes))


def test_some_of_a_list_is_drawn_anew_for_another_seed() -> None:
    everything = Recordings(tuple(map(str, range(100))))
    assert len(sample_subset(everything, 10, 0)) == 10
    assert sample_subset(everything, 10, 0) != sample_subset(everything, 10, 1)
    assert sample_subset(everything, 100, 0) is everything


def test_augmented_copies_are_the_same_at_every_validation(
    model: Wav2Tok, store: SpectrumStore, tiny_config: Config
) -> None:
    one = changed_copy(store, model, tiny_config, None)
    torch.rand(5)
    two = changed_copy(store, model, tiny_config, None)
    assert torch.equal(spectra(one), spectra(two))
    assert torch.equal(one.frames, two.frames)
    assert len(one) == len(store)
    assert one.frames.tolist() != store.frames.tolist()
    still = dataclasses.replace(tiny_config, augment=dataclasses.replace(tiny_config.augment, share=0.0))
    assert torch.equal(spectra(changed_copy(store, model, still, None)), spectra(store))


def looped_mrr(distances: np.ndarray, recordings: Recordings, across: bool) -> float:
    """Reciprocal ranks among the recordings of other voices (or of any), by a loop."""
    assert recordings.classes is not None
    out = []
    for i in range(len(recordings)):
        others = [
            j for j in range(len(recordings)) if j != i and (not across or recordings.groups[j] != recordings.groups[i])
        ]
        ranked = sorted(others, key=lambda j: distances[i, j])
        hits = [r for r, j in enumerate(ranked, 1) if recordings.classes[j] == recordings.classes[i]]
        if hits:
            out.append(1 / hits[0])
    return float(np.mean(out))


@pytest.mark.parametrize("across", [False, True])
def test_validation_is_retrieval_of_the_same_class(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config, across: bool
) -> None:
    """Where a voice has several takes of a melody, its own takes are no candidates."""
    if across:
        paths = tuple(f"x/{'one' if i % 2 else 'two'}_{i}.wav" for i in range(len(recordings)))
        recordings = Recordings(paths, recordings.classes)
    figures = validate(model, store, changed_copy(store, model, tiny_config, None), recordings)
    strings = tokenize(model, store)
    assert figures["mrr"] == pytest.approx(looped_mrr(edit_distances(strings, strings), recordings, across))
    names = ("mrr", "map", "mrr_augmented", "map_augmented")
    assert figures["score"] == pytest.approx(np.mean([figures[n] for n in names]))
    seconds = float(store.frames.sum()) * 128 / 8000
    assert figures["tokens_per_second"] == pytest.approx(sum(map(len, strings)) / seconds)
    assert figures["use"] == len(set(np.concatenate(strings).tolist())) / 8


def test_unheard_classes_are_half_of_the_score(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config
) -> None:
    changed = changed_copy(store, model, tiny_config, None)
    plain = validate(model, store, changed, recordings)
    heard = {"arch", "climb", "fall"}
    figures = validate(model, store, changed, recordings, heard=heard)
    assert {name: figures[name] for name in plain if name != "score"} == {
        k: v for k, v in plain.items() if k != "score"
    }
    distances = {"": tokenize(model, store), "_augmented": tokenize(model, changed)}
    assert recordings.classes is not None
    classes = np.array(recordings.classes)
    candidate = ~np.eye(len(classes), dtype=bool)
    expected = []
    for half, rows in (("heard", np.isin(classes, list(heard))), ("unheard", classes == "zigzag")):
        parts = []
        for name, queries in distances.items():
            edits = edit_distances(queries, distances[""])[rows]
            found = mrr_map(edits, (classes[:, None] == classes)[rows], candidate[rows])
            parts += found
            if not name:
                assert (figures[f"mrr_{half}"], figures[f"map_{half}"]) == found
        expected.append(np.mean(parts))
    assert figures["score"] == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("heard", [None, {"arch", "climb", "fall", "zigzag"}, set()])
def test_where_all_or_no_classes_are_heard_validation_is_as_ever(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config, heard: set[str] | None
) -> None:
    changed = changed_copy(store, model, tiny_config, None)
    assert validate(model, store, changed, recordings, heard=heard) == validate(model, store, changed, recordings)


@pytest.mark.parametrize("lone", ["list", "a class each"])
def test_without_a_relevant_pair_copies_look_for_their_originals(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config, lone: str
) -> None:
    classes = None if lone == "list" else tuple(map(str, range(len(recordings))))
    alone = Recordings(recordings.paths, classes)
    figures = validate(model, store, store, alone)
    assert "mrr" not in figures
    assert figures["mrr_augmented"] > 0.5  # a string is its own nearest, but for ties
    changed = changed_copy(store, model, tiny_config, None)
    assert validate(model, store, changed, alone)["score"] < figures["score"]


def test_of_a_long_recording_its_beginning_is_scored(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config
) -> None:
    short = dataclasses.replace(tiny_config, train=dataclasses.replace(tiny_config.train, clip_seconds=0.25))
    most = short.clip_frames
    changed = changed_copy(store, model, short, None)
    assert int(changed.frames.max()) <= round(most / short.augment.min_tempo) + 1
    figures = validate(model, store, changed, recordings, most)
    strings = tokenize(model, store, most)
    assert all(len(string) <= most for string in strings)
    seconds = float(store.frames.clamp_max(most).sum()) * 128 / 8000
    assert figures["tokens_per_second"] == pytest.approx(sum(map(len, strings)) / seconds)
