"""The codebook that a training starts with."""

import torch

from wav2tok.config.schema import Config
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.e_step import e_step
from wav2tok.spectra.store import SpectrumStore
from wav2tok.training.pairs import PairSampler


def first_codebook(model: Wav2Tok, store: SpectrumStore, sampler: PairSampler, config: Config) -> float:
    """The E-step before the first epoch, over the recordings of that epoch; returns the mean cosine."""
    among = torch.from_numpy(sampler.subset(config.train.subset_share, config.seed, 0).numbers)
    return e_step(model, store, config, 0, warm=False, among=among)
