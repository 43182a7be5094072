"""The published loss against the paper's equations, written out in float64: loops over recordings, tokens, paths."""

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from tests import oracles
from tests.oracles import compressed, log_probabilities, nearest_tokens, negative_log_likelihood, path_cosine
from wav2tok.config.parameters import from_dict
from wav2tok.config.schema import PUBLISHED, Config, Recipe
from wav2tok.losses.contrast import triplet_loss
from wav2tok.losses.likelihood import likelihood_loss
from wav2tok.losses.matching import matching_loss, prototypes
from wav2tok.model.codebook import CodebookScore, compress
from wav2tok.model.frames import frame_mask
from wav2tok.model.wav2tok import Wav2Tok, create
from wav2tok.training.objective import Views, aligned_likelihood, objective, scored

Pair = tuple[Tensor, Tensor]
ALPHA, BETA = 0.7, 0.4  # large, so that no part hides behind another


def pair_matching(pair: Pair, codebook: Tensor, tau: float, w: Tensor | None, b: Tensor | None) -> Tensor:
    """L_m of a pair: the mean over the tokens that occur in it."""
    tokens = [token for z in pair for token in nearest_tokens(z, codebook)]
    prototype_of = oracles.prototypes([*pair[0], *pair[1]], tokens)
    return torch.stack(oracles.matching_losses(prototype_of, codebook, tau, w, b)).mean()


def published_loss(pairs: list[Pair], codebook: Tensor, recipe: Recipe, w: Tensor | None, b: Tensor | None) -> Tensor:
    """L_m + alpha L_likelihood(X, T') + beta L_likelihood(X', T) of a batch.

    The equations are a pair's. Over a batch all three are averaged over the pairs (undefined likelihoods count, as 0),
    L_m over the prototypes of each pair before that.
    """
    matching: list[Tensor] = []
    forth, back = [], []
    for x, y in pairs:
        matching.append(pair_matching((x, y), codebook, recipe.temperature, w, b))
        strings = compressed(nearest_tokens(x, codebook)), compressed(nearest_tokens(y, codebook))
        for out, z, string in ((forth, x, strings[1]), (back, y, strings[0])):
            value = negative_log_likelihood(log_probabilities(z, codebook, recipe.temperature), string)
            out.append(value / len(string) if recipe.per_token else value)
    means = [torch.stack(values).mean() for values in (matching, forth, back)]
    return means[0] + recipe.alpha * means[1] + recipe.beta * means[2]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Padded float32 views, whose padding would spoil everything if it was read, and a unit codebook."""

    views: Views
    codebook: Tensor

    def exact(self) -> tuple[list[Pair], list[Tensor]]:
        """The pairs without padding, float64, and the two leaves that they are cut from."""
        v = self.views
        leaves = [z.detach().double().requires_grad_() for z in (v.a, v.b)]
        cut = zip(*leaves, v.a_frames.tolist(), v.b_frames.tolist(), strict=True)
        return [(x[:n], y[:m]) for x, y, n, m in cut], leaves


LENGTHS = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4)
BATCHES = {"lengths": LENGTHS, "k": st.integers(2, 6), "d": st.integers(2, 5), "seed": st.integers(0, 9999)}


def batch(lengths: list[tuple[int, int]], k: int, d: int, seed: int, dtype: torch.dtype = torch.float32) -> Batch:
    """Frames that dwell near a codeword for a while, so that strings are shorter than recordings, and longer ones."""
    generator = torch.Generator().manual_seed(seed)
    codebook = F.normalize(torch.randn(k, d, generator=generator, dtype=dtype), dim=1)
    views = []
    for frames in zip(*lengths, strict=True):
        n = torch.tensor(frames)
        dwelt = torch.randint(k, (len(n), int(n.max()) // 2 + 1), generator=generator).repeat_interleave(2, 1)
        noise = torch.randn(len(n), int(n.max()) + 1, d, generator=generator, dtype=dtype)
        z = F.normalize(codebook[dwelt[:, : noise.shape[1]]] + 0.5 * noise, dim=2)
        views += [z.requires_grad_(), n]
    return Batch(Views(*views, labels=torch.arange(len(lengths))), codebook)


def random_score(d: int, seed: int, dtype: torch.dtype) -> CodebookScore:
    generator = torch.Generator().manual_seed(seed)
    score = CodebookScore(d).to(dtype)
    with torch.no_grad():
        score.w.add_(0.5 * torch.randn(d, generator=generator, dtype=dtype))
        score.b.fill_(0.3)
    return score


Precision = tuple[float, float, float]
SINGLE: Precision = (1e-5, 5e-5, 0.1)
DOUBLE: Precision = (1e-8, 1e-8, 1e-5)
PRECISIONS = [(torch.float32, SINGLE), (torch.float64, DOUBLE)]
"""How far values and gradients may be off, as shares of their norms, or of the least norm that rounding leaves.

Gradients of the stock kernel are up to 2e-5 off in float32, where it works with logarithms near -100.
"""


def agree(loss: Tensor, expected: Tensor, ours: list[Tensor], theirs: list[Tensor], precision: Precision) -> None:
    """Both losses, and the gradients of both with respect to what they were made of."""
    values, gradients, least = precision
    loss.backward()
    expected.backward()
    pairs = [(loss, expected, values)]
    for x, y in zip(ours, theirs, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        pairs.append((x.grad, y.grad, gradients))
    for got, wanted, share in pairs:
        assert float((got.detach().double() - wanted.detach()).norm()) <= share * max(
            float(wanted.detach().norm()), least
        )


def model_of(k: int, d: int, use_cosine: bool, dtype: torch.dtype) -> Wav2Tok:
    config: Config = from_dict(
        {
            "features": {"n_mels": 8, "n_mfcc": 2},
            "encoder": {"hidden": 1, "layers": 1, "dim": d, "stack": 1},
            "codebook": {"num_tokens": k},
            "train": {"recipe": "published"},
            "recipes": {"published": {"use_cosine": use_cosine}},
        }
    )
    return create(config).to(dtype)


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
@given(**BATCHES, use_cosine=st.booleans(), per_token=st.booleans(), tau=st.sampled_from([0.1, 0.4]))
@settings(max_examples=60)
def test_the_published_objective(
    dtype: torch.dtype, precision: Precision, use_cosine: bool, per_token: bool, tau: float, **sizes: Any
) -> None:
    """Values, and gradients of the embeddings, w and b."""
    drawn = batch(**sizes, dtype=dtype)
    model = model_of(sizes["k"], sizes["d"], use_cosine, dtype)
    model.set_codebook(drawn.codebook)
    model.score = None if use_cosine else random_score(sizes["d"], sizes["seed"], dtype)
    learned = [] if model.score is None else [model.score.w, model.score.b]
    recipe = dataclasses.replace(
        PUBLISHED, use_cosine=use_cosine, per_token=per_token, alpha=ALPHA, beta=BETA, temperature=tau
    )
    v = drawn.views
    loss, parts = objective(
        model, v, recipe, contrast_only=False, frame_rate=62.5, generator=torch.Generator().manual_seed(0)
    )
    assert parts.keys() == {"matching", "likelihood", "likelihood_back", "loss"}

    pairs, leaves = drawn.exact()
    leaves += [x.detach().double().requires_grad_() for x in learned]
    expected = published_loss(pairs, model.codebook.double(), recipe, *(leaves[2:] or (None, None)))
    agree(loss, expected, [v.a, v.b, *learned], leaves, precision)


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
@given(**BATCHES, tau=st.sampled_from([0.1, 1.0]))
@settings(max_examples=30)
def test_the_likelihood_of_one_view_given_the_others_string(
    dtype: torch.dtype, precision: Precision, tau: float, **sizes: Any
) -> None:
    """Recordings of the batch each weigh differently, so that none can stand for another."""
    drawn = batch(**sizes, dtype=dtype)
    v, e = drawn.views, drawn.codebook
    pairs, (leaf, _) = drawn.exact()
    weights = 1 + torch.arange(len(pairs), dtype=torch.float64)
    losses = likelihood_loss(v.a @ e.T / tau, v.a_frames, *compress((v.b @ e.T).argmax(2), v.b_frames))

    expected, e = [], e.double()
    for x, y in pairs:
        log_p, string = log_probabilities(x, e, tau), compressed(nearest_tokens(y, e))
        expected.append(negative_log_likelihood(log_p, string))
    agree((losses * weights).sum(), (torch.stack(expected) * weights).sum(), [v.a], [leaf], precision)


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
@given(**BATCHES, use_cosine=st.booleans(), tau=st.sampled_from([0.1, 1.0]))
@settings(max_examples=30)
def test_the_matching_loss(
    dtype: torch.dtype, precision: Precision, use_cosine: bool, tau: float, **sizes: Any
) -> None:
    """The frames of both views one behind the other, padding between them."""
    drawn = batch(**sizes, dtype=dtype)
    v, e = drawn.views, drawn.codebook
    score = None if use_cosine else random_score(sizes["d"], sizes["seed"], dtype)
    learned = [] if score is None else [score.w, score.b]
    both = torch.cat([v.a, v.b], 1)
    mask = torch.cat([frame_mask(v.a_frames, v.a.shape[1]), frame_mask(v.b_frames, v.b.shape[1])], 1)
    loss = matching_loss(*prototypes(both, (both @ e.T).argmax(2), mask, len(e)), e, tau, score)

    pairs, leaves = drawn.exact()
    leaves += [x.detach().double().requires_grad_() for x in learned]
    w, b = leaves[2:] or (None, None)
    expected = torch.stack([pair_matching(p, e.double(), tau, w, b) for p in pairs]).mean()
    agree(loss, expected, [v.a, v.b, *learned], leaves, precision)


@pytest.mark.parametrize(("dtype", "precision"), PRECISIONS)
@given(**BATCHES)
@settings(max_examples=30)
def test_the_likelihood_of_aligned_frames(dtype: torch.dtype, precision: Precision, **sizes: Any) -> None:
    """Each frame of x tells the token of its partner and is told by it, whatever the partners are."""
    drawn = batch(**sizes, dtype=dtype)
    v, tau = drawn.views, 0.3
    model = model_of(sizes["k"], sizes["d"], True, dtype)
    model.set_codebook(drawn.codebook)
    share = torch.rand(v.a.shape[:2], generator=torch.Generator().manual_seed(sizes["seed"]))
    partner = (share * v.b_frames[:, None]).long()
    loss = aligned_likelihood(v, scored(model, v, tau), partner)

    pairs, leaves = drawn.exact()
    e, losses = model.codebook.double(), []
    for (x, y), of_x in zip(pairs, partner.tolist(), strict=True):
        log_p, tokens = [log_probabilities(z, e, tau) for z in (x, y)], [nearest_tokens(z, e) for z in (x, y)]
        losses += [-log_p[0][t, tokens[1][of_x[t]]] for t in range(len(x))]
        losses += [-log_p[1][of_x[t], tokens[0][t]] for t in range(len(x))]
    expected = torch.stack(losses).mean()
    agree(loss, expected, [v.a, v.b], leaves, precision)


@given(
    lengths=st.lists(st.tuples(*[st.integers(1, 12)] * 3), min_size=1, max_size=4),
    levels=st.sampled_from([1, 2, 16]),
    margin=st.sampled_from([0.0, 0.2, 1.0]),
    seed=st.integers(0, 9999),
)
@settings(max_examples=60)
def test_the_triplet_loss(lengths: list[tuple[int, int, int]], levels: int, margin: float, seed: int) -> None:
    """Vectors of few binary digits, so that float32 sees the same ties among paths; 50s past each end."""
    generator = torch.Generator().manual_seed(seed)
    ours, inputs = [], []
    for frames in zip(*lengths, strict=True):
        n, shape = torch.tensor(frames), (len(frames), max(frames) + 1, 3)
        x = torch.randint(-levels, levels + 1, shape, generator=generator) / (2.0 * levels)
        x = x.masked_fill(~frame_mask(n, shape[1])[:, :, None], 50.0).requires_grad_()
        ours.append(x)
        inputs += [x, n]
    loss = triplet_loss(*inputs, margin)

    theirs = [x.detach().double().requires_grad_() for x in ours]
    losses = []
    for i, cut in enumerate(lengths):
        anchor, positive, negative = (x[i, :n] for x, n in zip(theirs, cut, strict=True))
        losses.append((margin - path_cosine(anchor, positive) + path_cosine(anchor, negative)).clamp_min(0))
    expected = torch.stack(losses).mean()
    agree(loss, expected, ours, theirs, SINGLE)
