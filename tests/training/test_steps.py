"""E-steps and validation between optimiser steps."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from wav2tok import audio
from wav2tok.codebook import compress
from wav2tok.config import Config
from wav2tok.corpus import splits
from wav2tok.corpus.splits import Recordings
from wav2tok.features import frame_mask
from wav2tok.matching import edit_distances
from wav2tok.model import Wav2Tok, create
from wav2tok.training.steps import changed_copy, embeddings, expectation, tokenize, validate
from wav2tok.training.store import SpectrumStore, build


@pytest.fixture(scope="module")
def recordings(tiny_split: Path) -> Recordings:
    return splits.read(tiny_split).train


@pytest.fixture(scope="module")
def store(recordings: Recordings, tiny_config: Config) -> SpectrumStore:
    return build(recordings.paths, create(tiny_config).front_end, torch.device("cpu"))


@pytest.fixture
def model(tiny_config: Config, store: SpectrumStore) -> Wav2Tok:
    """Untrained, with a codebook of its own embeddings."""
    model = create(tiny_config)
    expectation(model, store, tiny_config, (0, 0), warm=False)
    return model


def test_embeddings_are_those_of_each_recording_alone_without_dropout(model: Wav2Tok, store: SpectrumStore) -> None:
    model.train()
    seen = []
    indices = torch.arange(len(store)).flip(0)
    for positions, z, frames in embeddings(model, store, indices):
        assert not z.requires_grad
        for position, row, n in zip(positions.tolist(), z, frames.tolist(), strict=True):
            seen.append(position)
            spectrum, count = store.batch(indices[position : position + 1])
            model.eval()
            with torch.no_grad():
                alone = model.embed(spectrum, count)[0]
            assert int(count) == n
            assert torch.allclose(row[:n], alone, atol=1e-5)
    assert sorted(seen) == list(range(len(store)))


def test_embedding_gives_the_model_back_in_the_mode_it_was_in(model: Wav2Tok, store: SpectrumStore) -> None:
    for mode in (True, False):
        model.train(mode)
        tokenize(model, store)
        assert model.training == mode


def test_an_e_step_returns_the_mean_cosine_and_fits_better_than_chance(
    model: Wav2Tok, store: SpectrumStore, tiny_config: Config, generator: torch.Generator
) -> None:
    said = expectation(model, store, tiny_config, (0, 1), warm=True)
    points = torch.cat([z[frame_mask(n, z.shape[1])] for _, z, n in embeddings(model, store, torch.arange(len(store)))])
    fit = (points @ model.codebook.T).amax(1).mean()
    assert said == pytest.approx(float(fit), abs=1e-5)
    chance = torch.nn.functional.normalize(torch.randn(8, 16, generator=generator), dim=1)
    assert fit > (points @ chance.T).amax(1).mean()
    assert torch.allclose(model.codebook.norm(dim=1), torch.ones(8), atol=1e-5)


def test_a_warm_e_step_keeps_what_tokens_mean(model: Wav2Tok, store: SpectrumStore, tiny_config: Config) -> None:
    before = model.codebook.clone()
    with torch.no_grad():  # the encoder as a few optimiser steps leave it
        for weight in model.parameters():
            weight += 1e-3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    expectation(model, store, tiny_config, (0, 9), warm=True)
    assert (before @ model.codebook.T).argmax(1).tolist() == list(range(8))


def test_an_e_step_reads_the_asked_share_and_follows_from_its_seed(
    model: Wav2Tok, store: SpectrumStore, tiny_config: Config
) -> None:
    half = dataclasses.replace(tiny_config, codebook=dataclasses.replace(tiny_config.codebook, cluster_split=0.3))

    def fitted(config: Config, seed: int) -> torch.Tensor:
        expectation(model, store, config, (0, seed), warm=False)
        return model.codebook.clone()

    assert torch.equal(fitted(half, 1), fitted(half, 1))
    assert not torch.equal(fitted(half, 1), fitted(half, 2))
    assert not torch.equal(fitted(half, 1), fitted(tiny_config, 1))


def test_strings_are_those_of_the_model(model: Wav2Tok, store: SpectrumStore, recordings: Recordings) -> None:
    model.eval()
    for path, string in zip(recordings.paths, tokenize(model, store), strict=True):
        wave = torch.from_numpy(audio.read(path, 8000))[None]
        strings, lengths = compress(*model(wave, torch.tensor([wave.shape[1]])))
        assert string.tolist() == strings[0, : lengths[0]].tolist()


def test_augmented_copies_are_the_same_at_every_validation(
    model: Wav2Tok, store: SpectrumStore, tiny_config: Config
) -> None:
    one = changed_copy(store, model, tiny_config)
    torch.rand(5)
    two = changed_copy(store, model, tiny_config)
    assert torch.equal(one.flat, two.flat)
    assert torch.equal(one.frames, two.frames)
    assert len(one) == len(store)
    assert one.frames.tolist() != store.frames.tolist()
    still = dataclasses.replace(tiny_config, augment=dataclasses.replace(tiny_config.augment, share=0.0))
    assert torch.equal(changed_copy(store, model, still).flat, store.flat)


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
    figures = validate(model, store, changed_copy(store, model, tiny_config), recordings)
    strings = tokenize(model, store)
    assert figures["mrr"] == pytest.approx(looped_mrr(edit_distances(strings, strings), recordings, across))
    names = ("mrr", "map", "mrr_augmented", "map_augmented")
    assert figures["score"] == pytest.approx(np.mean([figures[n] for n in names]))
    seconds = float(store.frames.sum()) * 128 / 8000
    assert figures["tokens_per_second"] == pytest.approx(sum(map(len, strings)) / seconds)
    assert figures["use"] == len(set(np.concatenate(strings).tolist())) / 8


@pytest.mark.parametrize("lone", ["list", "a class each"])
def test_without_a_relevant_pair_copies_look_for_their_originals(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings, tiny_config: Config, lone: str
) -> None:
    classes = None if lone == "list" else tuple(map(str, range(len(recordings))))
    alone = Recordings(recordings.paths, classes)
    figures = validate(model, store, store, alone)
    assert "mrr" not in figures
    assert figures["mrr_augmented"] > 0.5  # a string is its own nearest, but for ties
    changed = changed_copy(store, model, tiny_config)
    assert validate(model, store, changed, alone)["score"] < figures["score"]
