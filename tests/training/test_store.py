"""The flat store against direct slices and the front end alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok import audio
from wav2tok.audio import UnreadableError
from wav2tok.config import Config, Features
from wav2tok.features import FrontEnd
from wav2tok.training.store import SpectrumStore, build, store_of

FRONT = FrontEnd(Features(n_fft=256, hop=128, n_mels=20), 8000)
CPU = torch.device("cpu")


def store(lengths: list[int]) -> tuple[SpectrumStore, list[torch.Tensor]]:
    parts = [100.0 * i + torch.arange(n * 3.0).reshape(n, 3) for i, n in enumerate(lengths)]
    frames = torch.tensor(lengths)
    return SpectrumStore(torch.cat(parts), frames.cumsum(0) - frames, frames), parts


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8), data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_batch_is_slices_filled_up_with_the_last_frame(lengths: list[int], data: st.DataObject) -> None:
    whole, parts = store(lengths)
    chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6))
    x, frames = whole.batch(torch.tensor(chosen))
    assert frames.tolist() == [lengths[i] for i in chosen]
    assert x.shape[1] == max(frames.tolist())
    for row, i in zip(x, chosen, strict=True):
        n = lengths[i]
        assert torch.equal(row[:n], parts[i])
        assert torch.equal(row[n:], parts[i][-1:].expand(len(row) - n, -1))


@given(lengths=st.lists(st.integers(1, 50), min_size=1, max_size=20), most=st.integers(1, 120))
@settings(max_examples=60, deadline=None)
def test_batches_hold_every_position_once_within_the_bound(lengths: list[int], most: int) -> None:
    whole, _ = store(lengths)
    indices = torch.arange(len(lengths)).flip(0)
    parts = [part.tolist() for part in whole.batches(indices, most)]
    assert sorted(p for part in parts for p in part) == list(range(len(lengths)))
    for part in parts:
        longest = max(lengths[int(indices[p])] for p in part)
        assert len(part) == 1 or len(part) * longest <= most


def test_spectra_are_those_of_each_recording_alone(rng: np.random.Generator) -> None:
    waves = [rng.uniform(-0.5, 0.5, n).astype(np.float32) for n in (3000, 1, 900, 5000)]
    whole = store_of(waves, FRONT, CPU)
    assert len(whole) == 4
    for i, wave in enumerate(waves):
        alone = FRONT.spectrum(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))[0]
        x, frames = whole.batch(torch.tensor([i]))
        assert int(frames) == len(alone)
        assert torch.allclose(x[0], alone, atol=1e-4)


def test_build_reads_files_in_their_order(tiny_corpus: Path, tiny_config: Config) -> None:
    paths = [str(p) for p in audio.find(tiny_corpus)[::-5]]
    front_end = FrontEnd(tiny_config.features, 8000)
    got = build(paths, front_end, CPU)
    assert got.frames.tolist() == [len(audio.read(p, 8000)) // 128 + 1 for p in paths]


def test_build_names_the_file_that_cannot_be_read(tiny_corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_text("no audio")
    with pytest.raises(UnreadableError, match=r"bad\.wav"):
        build([str(audio.find(tiny_corpus)[0]), str(tmp_path / "bad.wav")], FRONT, CPU)
