"""Recordings cut into tiles: nothing is lost, and each tile is embedded as a recording of its own."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.config.schema import Config
from wav2tok.model.frames import repeat_last
from wav2tok.model.tiles import cut_tiles, join_tiles
from wav2tok.model.wav2tok import Wav2Tok, create

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@given(lengths=LENGTHS, past=st.integers(0, 9), size=st.integers(1, 12), seed=st.integers(0, 99))
@settings(max_examples=80)
def test_tiles_are_slices_and_joined_they_are_the_recording(
    lengths: list[int], past: int, size: int, seed: int
) -> None:
    """Whatever stands past an end is not read: the last frame is repeated there."""
    frames = torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths) + past, 3, generator=torch.Generator().manual_seed(seed))
    tiles, of = cut_tiles(x, frames, size)
    count = -(-x.shape[1] // size)
    assert tiles.shape == (len(lengths) * count, size, 3)
    for i, n in enumerate(lengths):
        for j in range(count):
            tile, length = tiles[i * count + j], int(of[i * count + j])
            begin = j * size
            if begin < n:
                assert length == min(size, n - begin)
                assert torch.equal(tile[:length], x[i, begin : begin + length])
                assert torch.equal(tile[length:], tile[length - 1].expand(size - length, -1))
            else:
                assert length == 1
                assert torch.equal(tile, x[i, n - 1].expand(size, -1))
    assert torch.equal(join_tiles(tiles, len(lengths), x.shape[1], frames), repeat_last(x, frames))


def tiled(config: Config, kind: str, stack: int, size: int) -> Wav2Tok:
    """A model with tiles of ``size`` frames, the length of its clips."""
    config = dataclasses.replace(
        config,
        encoder=dataclasses.replace(config.encoder, kind=kind, stack=stack, tiled=True),
        train=dataclasses.replace(config.train, clip_seconds=size * config.features.hop / config.data.sample_rate),
    )
    assert config.clip_frames == size
    return create(config).eval()


def padded_spectrum(model: Wav2Tok, lengths: list[int], seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Spectra of noise of changing loudness, so that a tile's mean and deviation are not the recording's."""
    generator = torch.Generator().manual_seed(seed)
    frames, hop = torch.tensor(lengths), model.front_end.config.hop
    wave = torch.randn(len(lengths), max(lengths) * hop, generator=generator)
    wave *= torch.linspace(0.01, 1, wave.shape[1])
    x = model.front_end.spectrum(wave, frames * hop - 1)
    return x[:, : max(lengths)], frames


ENCODERS = [
    ("lstm", 1, 6),
    ("lstm", 2, 6),
    ("lstm", 3, 9),
    ("sru", 2, 6),
    ("transformer", 1, 5),
    ("transformer", 2, 8),
]


@pytest.mark.parametrize(("kind", "stack", "size"), ENCODERS)
@given(lengths=LENGTHS, seed=st.integers(0, 99))
@settings(max_examples=12)
def test_each_tile_is_embedded_as_a_recording_of_its_own(
    tiny_config: Config, kind: str, stack: int, size: int, lengths: list[int], seed: int
) -> None:
    """Including the remainder, and short recordings in a batch with long ones."""
    model = tiled(tiny_config, kind, stack, size)
    x, frames = padded_spectrum(model, lengths, seed)
    with torch.no_grad():
        z = model.embed(x, frames)
        for row, spectrum, n in zip(z, x, lengths, strict=True):
            parts = []
            for begin in range(0, n, size):
                tile = spectrum[None, begin : min(begin + size, n)]
                length = torch.tensor([tile.shape[1]])
                parts.append(model.encoder(model.front_end.finish(tile, length), length)[0])
            alone = torch.cat(parts)
            assert len(alone) == int(model.encoder.steps(torch.tensor(n)))
            # Features of a short tile are divided by a deviation as small as .01: rounding of 1e-6 grows to 1e-4.
            assert torch.allclose(row[: len(alone)], alone, atol=1e-4)


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_without_tiles_and_within_one_a_recording_is_embedded_whole(tiny_config: Config, kind: str) -> None:
    cut = tiled(tiny_config, kind, 2, 20)
    encoder = dataclasses.replace(tiny_config.encoder, kind=kind, stack=2)
    whole = create(dataclasses.replace(tiny_config, encoder=encoder)).eval()
    for lengths, same in (([20, 7], True), ([21, 7], False), ([60, 20], False)):
        x, frames = padded_spectrum(whole, lengths, 0)
        with torch.no_grad():
            expected = whole.encoder(whole.front_end.finish(x, frames), frames)
            got, other = whole.embed(x, frames), cut.embed(x, frames)
        assert torch.equal(got, expected)
        assert torch.equal(other, expected) == same
        steps = int(whole.encoder.steps(frames[1]))
        assert torch.allclose(other[1, :steps], expected[1, :steps], atol=1e-5)  # it fits into one tile


def test_tiles_hear_nothing_of_each_other(tiny_config: Config) -> None:
    model = tiled(tiny_config, "lstm", 2, 8)
    x, frames = padded_spectrum(model, [30], 0)
    changed = x.clone()
    changed[:, 8:16] += torch.randn(8, x.shape[2], generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        differs = (model.embed(x, frames) != model.embed(changed, frames)).any(2)[0]
    assert differs.nonzero().flatten().tolist() == [4, 5, 6, 7]
