"""Embeddings, E-steps and tokens between optimiser steps."""

import dataclasses

import pytest
import torch

from wav2tok.audio import decode
from wav2tok.config.schema import Config
from wav2tok.corpus.recordings import Recordings
from wav2tok.matching.strings import deduplicate
from wav2tok.model.codebook import compress
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.e_step import drawn_segments, e_step
from wav2tok.spectra.embed import embeddings, frame_tokens, tokenize
from wav2tok.spectra.store import Segments, SpectrumStore


def test_embeddings_are_those_of_each_recording_alone_without_dropout(model: Wav2Tok, store: SpectrumStore) -> None:
    model.train()
    seen = []
    tiles = store.heads(10**9)[torch.arange(len(store)).flip(0)]
    for positions, z, frames in embeddings(model, store, tiles):
        assert not z.requires_grad
        for position, row, n in zip(positions.tolist(), z, frames.tolist(), strict=True):
            seen.append(position)
            spectrum, count = store.batch(tiles[torch.tensor([position])])
            model.eval()
            with torch.no_grad():
                alone = model.embed(spectrum, count)[0]
            assert int(model.encoder.steps(count)) == n == len(alone)
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
    said = e_step(model, store, tiny_config, 1, warm=True)
    parts = embeddings(model, store, store.heads(10**9))
    points = torch.cat([z[frame_mask(n, z.shape[1])] for _, z, n in parts])
    fit = (points @ model.codebook.T).amax(1).mean()
    assert said == pytest.approx(float(fit), abs=1e-3)
    chance = torch.nn.functional.normalize(torch.randn(8, 16, generator=generator), dim=1)
    assert fit > (points @ chance.T).amax(1).mean()
    assert torch.allclose(model.codebook.norm(dim=1), torch.ones(8), atol=1e-5)


def test_a_warm_e_step_keeps_what_tokens_mean(model: Wav2Tok, store: SpectrumStore, tiny_config: Config) -> None:
    before = model.codebook.clone()
    with torch.no_grad():  # the encoder as a few optimiser steps leave it
        for weight in model.parameters():
            weight += 1e-3 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    e_step(model, store, tiny_config, 9, warm=True)
    assert (before @ model.codebook.T).argmax(1).tolist() == list(range(8))


def test_an_e_step_reads_the_asked_share_and_follows_from_its_seed(
    model: Wav2Tok, store: SpectrumStore, tiny_config: Config
) -> None:
    half = dataclasses.replace(tiny_config, codebook=dataclasses.replace(tiny_config.codebook, cluster_split=0.3))

    def fitted(config: Config, seed: int) -> torch.Tensor:
        e_step(model, store, config, seed, warm=False)
        return model.codebook.clone()

    assert torch.equal(fitted(half, 1), fitted(half, 1))
    assert not torch.equal(fitted(half, 1), fitted(half, 2))
    assert not torch.equal(fitted(half, 1), fitted(tiny_config, 1))


def test_strings_are_those_of_the_model(model: Wav2Tok, store: SpectrumStore, recordings: Recordings) -> None:
    model.eval()
    for path, string in zip(recordings.paths, tokenize(model, store), strict=True):
        wave = torch.from_numpy(decode.read(path, 8000))[None]
        strings, lengths = compress(*model(wave, torch.tensor([wave.shape[1]])))
        assert string.tolist() == strings[0, : lengths[0]].tolist()


def test_tokens_of_steps_are_the_models_and_strings_are_they_without_repeats(
    model: Wav2Tok, store: SpectrumStore, recordings: Recordings
) -> None:
    strings = tokenize(model, store)
    model.train()
    found = frame_tokens(model, store)
    assert model.training
    model.eval()
    for path, steps, count, string in zip(recordings.paths, found, store.frames.tolist(), strings, strict=True):
        wave = torch.from_numpy(decode.read(path, 8000))[None]
        tokens, length = model(wave, torch.tensor([wave.shape[1]]))
        assert len(steps) == int(length) == -(-count // 2)
        assert steps.tolist() == tokens[0].tolist()
        assert deduplicate(steps).tolist() == string.tolist()
    assert any(len(steps) > len(string) for steps, string in zip(found, strings, strict=True))


def test_an_e_step_reads_no_more_frames_than_it_may(store: SpectrumStore, tiny_config: Config) -> None:
    def drawn(seed: int, **changes: int) -> Segments:
        config = dataclasses.replace(tiny_config, codebook=dataclasses.replace(tiny_config.codebook, **changes))
        return drawn_segments(store, config, torch.Generator().manual_seed(seed))

    total = int(store.frames.sum())
    everything = drawn(0)
    assert everything.recording.tolist() == list(range(len(store)))
    assert int(everything.frames.sum()) == total
    some = drawn(1, max_frames=total // 2)
    assert total // 4 < int(some.frames.sum()) <= total // 2
    assert len(set(some.recording.tolist())) == len(some)
    assert some.recording.tolist() != drawn(2, max_frames=total // 2).recording.tolist()
    assert len(drawn(1, max_frames=tiny_config.codebook.num_tokens)) == 1


def test_no_stretch_of_an_e_step_is_longer_than_a_clip(store: SpectrumStore, tiny_config: Config) -> None:
    short = dataclasses.replace(tiny_config, train=dataclasses.replace(tiny_config.train, clip_seconds=0.25))
    tiles = drawn_segments(store, short, torch.Generator().manual_seed(0))
    assert int(tiles.frames.max()) == short.clip_frames == round(0.25 * 8000 / 128)
    assert int(tiles.frames.sum()) == int(store.frames.sum())
