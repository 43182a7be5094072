"""The store on disk against direct slices and the front end alone."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import features
from wav2tok.audio import decode
from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.audio.decode import UnreadableError
from wav2tok.audio.find import find
from wav2tok.config.schema import Config, Features
from wav2tok.errors import UserError
from wav2tok.model.front_end import FrontEnd
from wav2tok.spectra.rows import Rows
from wav2tok.spectra.store import Segments, SpectrumStore, build, fill, store_of

FRONT = FrontEnd(Features(n_fft=256, hop=128, n_mels=20), 8000)
CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=8)


def store(lengths: list[int]) -> tuple[SpectrumStore, list[torch.Tensor]]:
    parts = [100.0 * i + torch.arange(n * 3.0).reshape(n, 3) for i, n in enumerate(lengths)]
    return store_of((part.numpy() for part in parts), None, 3), parts


def whole_of(store: SpectrumStore, recording: int) -> torch.Tensor:
    return store.batch(store.heads(10**9)[torch.tensor([recording])])[0][0]


@given(lengths=LENGTHS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_batch_is_slices_filled_up_with_the_last_frame(lengths: list[int], data: st.DataObject) -> None:
    whole, parts = store(lengths)
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6))
    starts = [data.draw(st.integers(0, lengths[i] - 1)) for i in chosen]
    counts = [data.draw(st.integers(1, lengths[i] - s)) for i, s in zip(chosen, starts, strict=True)]
    x, frames = whole.batch(Segments(torch.tensor(chosen), torch.tensor(starts), torch.tensor(counts)))
    assert frames.tolist() == counts
    assert x.shape[1] == max(counts)
    for row, i, s, n in zip(x, chosen, starts, counts, strict=True):
        assert torch.equal(row[:n], parts[i][s : s + n])
        assert torch.equal(row[n:], parts[i][s + n - 1].expand(len(row) - n, -1))


@given(lengths=LENGTHS, most=st.integers(1, 14))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_every_frame_once_and_in_order(lengths: list[int], most: int) -> None:
    whole, _ = store(lengths)
    chosen = torch.arange(len(lengths)).flip(0)
    tiles = whole.segments(most, chosen)
    assert int(tiles.frames.max()) <= most
    for i in chosen.tolist():
        own = tiles[(tiles.recording == i).nonzero()[:, 0]]
        covered = [s + k for s, n in zip(own.start.tolist(), own.frames.tolist(), strict=True) for k in range(n)]
        assert covered == list(range(lengths[i]))
    assert tiles.recording.unique_consecutive().tolist() == chosen.tolist()


@given(lengths=LENGTHS, most=st.integers(1, 14), place=st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_clips_lie_within_their_recordings(lengths: list[int], most: int, place: float) -> None:
    whole, _ = store(lengths)
    clips = whole.clips(torch.arange(len(lengths)), torch.full((len(lengths),), place, dtype=torch.float64), most)
    assert clips.frames.tolist() == [min(n, most) for n in lengths]
    assert bool((clips.start >= 0).all())
    assert bool((clips.start + clips.frames <= whole.frames).all())


def test_clips_reach_both_ends() -> None:
    whole, _ = store([10] * 200)
    places = torch.linspace(0, 1, 201, dtype=torch.float64)[:-1]
    starts = whole.clips(torch.arange(200), places, 4).start
    assert sorted(set(starts.tolist())) == list(range(7))


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=20), most=st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_batches_hold_every_position_once_within_the_bound(lengths: list[int], most: int) -> None:
    whole, _ = store(lengths)
    tiles = whole.heads(100)
    parts = [part.tolist() for part in tiles.batches(most)]
    assert sorted(p for part in parts for p in part) == list(range(len(lengths)))
    for part in parts:
        assert len(part) == 1 or len(part) * max(lengths[p] for p in part) <= most


def test_spectra_are_those_of_each_recording_alone(rng: np.random.Generator) -> None:
    waves = [rng.uniform(-0.5, 0.5, n).astype(np.float32) for n in (3000, 1, 900, 5000)]
    whole = fill(waves, FRONT, None, CPU)
    assert len(whole) == 4
    for i, wave in enumerate(waves):
        alone = FRONT.spectrum(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0]
        got = whole_of(whole, i)
        assert got.shape == alone.shape
        assert torch.allclose(got, alone, atol=1e-4)


def test_build_reads_files_in_their_order(tiny_corpus: Path, tiny_config: Config, tmp_path: Path) -> None:
    paths = [str(p) for p in find(tiny_corpus)[::-5]]
    front_end = FrontEnd(tiny_config.features, 8000)
    got = build(paths, front_end, tmp_path / "new", CPU)
    assert got.frames.tolist() == [len(decode.read(p, 8000)) // 128 + 1 for p in paths]
    assert list(tmp_path.iterdir()) == []  # what is kept there has no name


def test_a_long_recording_has_the_spectrum_that_it_would_have_in_one_piece(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    """Loud at the end alone, so that its beginning is cut off by what only the last window knows."""
    wave = rng.uniform(-0.5, 0.5, LONG_SAMPLES + 4321).astype(np.float32)
    wave[: len(wave) - 9000] *= np.geomspace(1e-5, 1e-3, len(wave) - 9000, dtype=np.float32)
    decode.write(tmp_path / "short.wav", wave[:5000], 8000)
    soundfile.write(str(tmp_path / "long.wav"), wave, 8000, subtype="FLOAT")
    paths = [str(tmp_path / name) for name in ("short.wav", "long.wav", "short.wav")]
    got = build(paths, FRONT, tmp_path, CPU)
    one = FRONT.spectrum(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0]
    assert got.frames.tolist() == [40, len(one), 40]
    assert torch.allclose(whole_of(got, 1), one, atol=1e-3)
    assert torch.equal(whole_of(got, 0), whole_of(got, 2))
    assert float(one[0].min()) == pytest.approx(float(one.max()) + np.log(1e-8), abs=1e-3)  # the floor is at work


@pytest.mark.parametrize("kind", ["speech", "contour"])
def test_so_has_a_long_one_with_a_pretrained_network(kind: str, rng: np.random.Generator, tmp_path: Path) -> None:
    """Which reaches further than a window of the transform."""
    front_end = FrontEnd(features(kind), 16000)
    time = np.arange(LONG_SAMPLES * 3) / 16000
    wave = 0.2 * np.sin(2 * np.pi * 150 * 2 ** (time % 1) * time) * np.linspace(0.01, 1, len(time))
    wave = (wave + 0.001 * rng.standard_normal(len(time))).astype(np.float32)
    soundfile.write(str(tmp_path / "long.wav"), wave, 16000, subtype="FLOAT")
    got = whole_of(build([str(tmp_path / "long.wav")], front_end, tmp_path, CPU), 0)
    with torch.inference_mode():
        one = front_end.spectrum(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0]
    assert got.shape == one.shape
    assert ((got - one).abs() > 0.02).float().mean() < 1e-4


def test_build_names_the_file_that_cannot_be_read(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    with pytest.raises(UnreadableError, match=r"bad\.wav"):
        build([str(find(tiny_corpus)[0]), str(tmp_path / "bad.wav")], FRONT, tmp_path, CPU)


def test_a_full_disk_is_told_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows(tmp_path, 4)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(UserError, match=r"cannot be kept there \(No space left on device\)"):
        rows.write(np.zeros((3, 4), dtype=np.float32))


def test_rows_that_are_not_there_are_not_read(tmp_path: Path) -> None:
    rows = Rows(tmp_path, 4)
    rows.write(np.ones((3, 4), dtype=np.float32))
    with pytest.raises(IndexError, match="rows 2 to 4 of 3"):
        rows.read(2, np.empty((2, 4), dtype=np.float32))
