"""The plain implementation computes what the package computes: otherwise comparing their speeds would mean nothing."""

import numpy as np
import pytest
import torch

from benchmarks import plain
from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import Config
from wav2tok.losses.likelihood import likelihood_loss
from wav2tok.losses.matching import matching_loss, prototypes
from wav2tok.model.codebook import CodebookScore

RATE = 8000


def tiny(use_cosine: bool = False) -> Config:
    return from_dict(
        {
            "data": {"sample_rate": RATE},
            "features": {"n_fft": 256, "hop": 128, "n_mels": 24},
            "encoder": {"hidden": 8, "dim": 16, "dropout": 0.0},
            "codebook": {"num_tokens": 6},
            "recipes": {"published": {"use_cosine": use_cosine}},
        }
    )


def tone(frequency: float, seconds: float = 0.3) -> np.ndarray:
    """Float32 [N], gliding up a fourth, so that its frames differ."""
    t = np.arange(int(RATE * seconds)) / RATE
    return (0.3 * np.sin(2 * np.pi * frequency * (t + t**2 / seconds / 6))).astype(np.float32)


def unit(n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.standard_normal((n, d)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("sharpness", [0.5, 10.0])
def test_likelihood_is_the_batched_one(rng: np.random.Generator, sharpness: float) -> None:
    """Also for strings longer than the frames: both then give 0."""
    for _ in range(40):
        t, k = int(rng.integers(1, 25)), int(rng.integers(2, 8))
        string = plain.compress(rng.integers(0, k, size=rng.integers(0, t + 6)).tolist())
        scores = torch.from_numpy(sharpness * rng.standard_normal((t, k)).astype(np.float32))
        ours, theirs = scores.clone().requires_grad_(), scores.clone().requires_grad_()
        loss = plain.likelihood(ours, string)
        padded = torch.tensor([[*string, 0]])
        expected = likelihood_loss(theirs[None], torch.tensor([t]), padded, torch.tensor([len(string)])).sum()
        torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
        if 0 < len(string) <= t:
            loss.backward()
            expected.backward()
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-4)
        else:
            assert loss == 0


@pytest.mark.parametrize("use_cosine", [True, False])
def test_matching_is_the_batched_one(rng: np.random.Generator, use_cosine: bool) -> None:
    """Values and gradients, with respect to the frames and to the weights of the score."""
    model = plain.Plain(tiny(use_cosine))
    k, d = model.codebook.shape
    model.codebook = torch.from_numpy(unit(k, d, rng))
    theirs = None if use_cosine else CodebookScore(d)
    if theirs:
        with torch.no_grad():
            model.w.copy_(torch.from_numpy(rng.standard_normal(d)))
            model.b.fill_(0.3)
        theirs.load_state_dict({"w": model.w.detach(), "b": model.b.detach()})
    points = torch.from_numpy(unit(30, d, rng))
    tokens = torch.from_numpy(rng.choice([0, 2, 3, 5], size=30))  # some never occur
    a, b = points.clone().requires_grad_(), points.clone().requires_grad_()
    loss = plain.matching(a, tokens, model.score, 0.1)
    averages, present = prototypes(b[None], tokens[None], torch.ones(1, 30, dtype=torch.bool), k)
    expected = matching_loss(averages, present, model.codebook, 0.1, theirs)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(a.grad, b.grad, rtol=1e-3, atol=1e-4)
    if theirs:
        torch.testing.assert_close(model.w.grad, theirs.w.grad, rtol=1e-3, atol=1e-4)
