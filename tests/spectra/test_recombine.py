"""Recombined recordings: they are pieces of the recordings given, and repeat from a seed."""

import numpy as np
import torch

from tests.helpers import changed
from wav2tok.config.schema import Config
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.spectra import recombine
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.recombine import recombined
from wav2tok.spectra.store import SpectrumStore, store_of


def drawn(store: SpectrumStore, model: Wav2Tok, among: list[int], count: int, seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    batches = recombined(store, model.front_end, torch.tensor(among), count, 10_000, generator)
    return [x[:n] for spectra, frames in batches for x, n in zip(spectra, frames.tolist(), strict=True)]


def test_as_many_as_asked_for_the_same_for_the_same_seed(store: SpectrumStore, model: Wav2Tok) -> None:
    one, again, other = (drawn(store, model, [0, 1, 2], 70, seed) for seed in (0, 0, 1))
    assert len(one) == 70
    assert all(torch.equal(x, y) for x, y in zip(one, again, strict=True))
    assert not all(torch.equal(x, y) for x, y in zip(one, other, strict=True))
    assert len({len(x) for x in one}) > 10


def test_pieces_come_only_from_the_recordings_named(model: Wav2Tok, tiny_config: Config) -> None:
    """Recordings of one constant each: whatever is interpolated or reversed is one of the constants, or between two."""
    bands = model.front_end.bands
    flat = store_of([np.full((60, bands), float(i), dtype=np.float32) for i in range(5)], None, bands)
    values = torch.cat(drawn(flat, model, [1, 3], 40)).unique()
    assert set(values.round(decimals=4).tolist()) == {1.0, 3.0}


def test_a_recombination_is_of_loud_places(model: Wav2Tok) -> None:
    """Half a second of silence and a tenth of sound: every piece begins within the sound."""
    rate = model.front_end.sample_rate / model.front_end.config.hop
    quiet, loud = round(0.5 * rate), max(1, round(0.1 * rate))
    x = np.full((2 * quiet + loud, model.front_end.bands), -18.0, dtype=np.float32)
    x[quiet : quiet + loud] = 0.0
    store = store_of([x], None, model.front_end.bands)
    assert all(float(one.max()) > -9 for one in drawn(store, model, [0], 30))


def test_the_codebook_reads_them_if_the_parameter_says_so(store: SpectrumStore, tiny_config: Config) -> None:
    """Without it nothing changes; with it the codebook is another, and the same again for the same seed."""

    def codebook(share: float) -> torch.Tensor:
        model = create(tiny_config)
        e_step(model, store, changed(tiny_config, codebook={"recombined": share}), 0, warm=False)
        return model.codebook

    assert torch.equal(codebook(0.0), codebook(0.0))
    assert torch.equal(codebook(2.0), codebook(2.0))
    assert not torch.equal(codebook(2.0), codebook(0.0))


def test_pieces_and_pauses_are_as_long_as_stated(store: SpectrumStore, model: Wav2Tok) -> None:
    rate = model.front_end.sample_rate / model.front_end.config.hop
    longest = recombine.PIECES[1] * recombine.PIECE_SECONDS[1] / recombine.TEMPO[0] + 2 * recombine.QUIET_SECONDS
    assert max(map(len, drawn(store, model, [0, 1], 100))) <= longest * rate + 4
