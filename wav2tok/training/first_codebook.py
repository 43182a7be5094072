"""The codebook that a training begins with."""

import torch

from wav2tok.config.schema import Config
from wav2tok.model.wav2tok import Wav2Tok
from wav2tok.spectra.e_step import expectation
from wav2tok.spectra.store import SpectrumStore
from wav2tok.training.pairs import PairSampler


def first_codebook(model: Wav2Tok, store: SpectrumStore, sampler: PairSampler, config: Config) -> float:
    """The E-step before the first epoch, over what that epoch hears; returns the mean cosine."""
    among = torch.from_numpy(sampler.subset(config.train.subset_share, config.seed, 0).numbers)
    return expectation(model, store, config, (config.seed, 0), warm=False, among=among)
