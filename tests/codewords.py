"""Codebooks of a model's own embeddings, so that many tokens occur, for tests of the exported graph."""

import numpy as np
import torch

from wav2tok.model.wav2tok import Wav2Tok


def spread_codebook(model: Wav2Tok, generator: torch.Generator) -> torch.Tensor:
    """Set the codebook to eight embeddings of noise and tones, so that many tokens occur: the waveforms, [4, 8000]."""
    wave = torch.randn(4, 8000, generator=generator) * torch.linspace(0, 1, 8000)
    wave += torch.sin(torch.arange(8000) * torch.linspace(0.1, 2.5, 4)[:, None])
    samples = torch.full((4,), 8000)
    with torch.no_grad():
        z = (
            model.eval()
            .embed(model.front_end.spectrum(wave, samples), model.front_end.frame_count(samples))
            .flatten(0, 1)
        )
        chosen = [0]
        for _ in range(7):  # whatever is least like those that are chosen: codewords without close neighbours
            chosen.append(int((z @ z[chosen].T).amax(1).argmin()))
        model.codebook.copy_(z[chosen])
    return wave


def codebook_of(model: Wav2Tok, wave: np.ndarray) -> None:
    """Set the codebook to eight embeddings along a recording, float32 [N]."""
    samples = torch.tensor([len(wave)])
    with torch.no_grad():
        spectrum = model.front_end.spectrum(torch.from_numpy(wave)[None], samples)
        z = model.embed(spectrum, model.front_end.frame_count(samples))[0]
        model.codebook.copy_(z[:: len(z) // 8][:8])
