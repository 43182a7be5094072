"""Similarity along warping paths, by the compiled kernels and in parts, against loops and a plain form."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from tests.oracles import cells_on_cheapest_paths, path_cosine
from wav2tok.losses import similarity
from wav2tok.losses.alignment import align_diagonals, mean_along
from wav2tok.losses.similarity import path_similarity


@pytest.fixture(scope="module", params=["compiled", "in parts"], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both forms, with so few cosines at a time that even small batches have several parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "CELLS", 400)
        patch.setattr(similarity, "DEVICE_CELLS", 400)
        if request.param == "in parts":
            patch.setattr(similarity, "compiled", lambda device: False)
        yield


def plain(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor) -> Tensor:
    """The similarities of one pair of recordings after another, by automatic differentiation."""
    rows = []
    for x, n in zip(a, a_lengths, strict=True):
        for y, m in zip(b, b_lengths, strict=True):
            cosine, lengths = (x[:n] @ y[:m].T)[None], (n[None], m[None])
            rows.append(mean_along(cosine, *align_diagonals(1 - cosine.detach(), *lengths), *lengths)[0])
    return torch.stack(rows).reshape(len(a), len(b))


def assert_like_plain(a: Tensor, a_lengths: Tensor, b: Tensor, b_lengths: Tensor, weight: Tensor) -> None:
    """The same values and gradients, the latter with ``weight`` as the gradient of the similarities."""
    results = []
    for compute in (path_similarity, plain):
        x, y = (z.detach().clone().requires_grad_() for z in (a, b))
        value = compute(x, a_lengths, y, b_lengths)
        value.backward(weight)
        results.append((value.detach(), x.grad, y.grad))
    for got, expected in zip(*results, strict=True):
        assert torch.allclose(got, expected, atol=1e-6, rtol=1e-5)


def recordings(
    generator: torch.Generator, lengths: list[int], levels: int, padding: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors of few binary digits, whose products and sums float32 holds exactly; 50s past each recording's end."""
    n = torch.tensor(lengths)
    x = torch.randint(-levels, levels + 1, (len(n), max(lengths) + padding, 3), generator=generator) / (2.0 * levels)
    return x.masked_fill(torch.arange(x.shape[1])[None, :, None] >= n[:, None, None], 50.0), n


LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@given(a=LENGTHS, b=LENGTHS, levels=st.sampled_from([1, 2, 64]), padding=st.integers(0, 2), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_path_similarity_against_loops(a: list[int], b: list[int], levels: int, padding: int, seed: int) -> None:
    """Values and gradients; few levels make many paths equally cheap."""
    generator = torch.Generator().manual_seed(seed)
    ours, theirs = recordings(generator, a, levels, padding), recordings(generator, b, levels)
    x, y = ours[0].requires_grad_(), theirs[0].requires_grad_()
    similarity = path_similarity(x, ours[1], y, theirs[1])
    assert similarity.shape == (len(a), len(b))
    weights = torch.rand(len(a), len(b), generator=generator)
    (weights * similarity).sum().backward()

    exact_x, exact_y = (z.detach().double().requires_grad_() for z in (x, y))
    total = torch.zeros((), dtype=torch.float64)
    for i, n in enumerate(a):
        for j, m in enumerate(b):
            value = path_cosine(exact_x[i, :n], exact_y[j, :m])
            assert similarity[i, j].item() == pytest.approx(value.item(), abs=1e-6)
            total = total + weights[i, j].double() * value
    total.backward()
    for got, expected in ((x, exact_x), (y, exact_y)):
        assert torch.allclose(got.grad.double(), expected.grad, atol=1e-6)  # 0 past the ends


@given(n=st.integers(1, 5), m=st.integers(1, 5), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_path_similarity_of_unit_embeddings(n: int, m: int, seed: int) -> None:
    """Any partners of a frame on the path may count, so the value lies between the worst and the best of them."""
    generator = torch.Generator().manual_seed(seed)
    a, b = (F.normalize(torch.randn(1, k, 4, generator=generator), dim=2) for k in (n, m))
    similarity = path_similarity(a, torch.tensor([n]), b, torch.tensor([m]))
    cosine = a[0].double() @ b[0].double().T
    cells = cells_on_cheapest_paths((1 - cosine).numpy())
    rows = [[float(cosine[i, j]) for i, j in cells if i == row] for row in range(n)]
    columns = [[float(cosine[i, j]) for i, j in cells if j == column] for column in range(m)]
    low, high = (sum(map(one, rows + columns)) / (n + m) for one in (min, max))
    assert low - 1e-6 <= float(similarity) <= high + 1e-6


def test_a_recording_warps_wholly_onto_itself_at_another_tempo(generator: torch.Generator) -> None:
    a = F.normalize(torch.randn(3, 6, 8, generator=generator), dim=2)
    slower = a.repeat_interleave(2, dim=1)
    similarity = path_similarity(a, torch.tensor([6, 6, 4]), slower, torch.tensor([12, 12, 8]))
    assert torch.allclose(similarity.diagonal(), torch.ones(3), atol=1e-6)
    assert (similarity[~torch.eye(3, dtype=torch.bool)] < 0.9).all()


def test_the_order_of_sounds_counts(generator: torch.Generator) -> None:
    """What a bag of the same frames would not tell apart."""
    a = F.normalize(torch.randn(1, 6, 8, generator=generator), dim=2)
    n = torch.tensor([6])
    assert float(path_similarity(a, n, a.flip(1), n)) < 0.8 < float(path_similarity(a, n, a, n))


@given(
    a=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    b=st.lists(st.integers(1, 9), min_size=1, max_size=40),
    levels=st.sampled_from([1, 64]),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_batches_of_many_recordings(a: list[int], b: list[int], levels: int, seed: int) -> None:
    """More than are warped side by side; recordings of one frame; pairs that do not count."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(len(a), len(b), generator=generator)
    weight[torch.rand(weight.shape, generator=generator) < 0.3] = 0
    assert_like_plain(*recordings(generator, a, levels, 1), *recordings(generator, b, levels), weight)


@pytest.mark.parametrize("seed", range(2))
def test_a_batch_of_unit_embeddings(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, m = torch.randint(20, 46, (2, 20), generator=generator)
    a, b = (F.normalize(torch.randn(20, int(k.max()), 128, generator=generator), dim=2) for k in (n, m))
    assert_like_plain(a, n, b, m, torch.randn(20, 20, generator=generator))


@given(
    a=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    b=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    k=st.integers(1, 12),
    seed=st.integers(0, 999),
)
@settings(max_examples=40, deadline=None)
def test_codewords_in_place_of_embeddings(a: list[int], b: list[int], k: int, seed: int) -> None:
    """The values of their codewords; gradients pass to the embeddings as if these had not been replaced."""
    generator = torch.Generator().manual_seed(seed)
    codebook = recordings(generator, [k], 64)[0][0]
    x, n = recordings(generator, a, 64, 1)
    y, m = recordings(generator, b, 64)
    tokens = [torch.randint(k, z.shape[:2], generator=generator) for z in (x, y)]
    weight = torch.randn(len(a), len(b), generator=generator)

    replaced = [codebook[t].requires_grad_() for t in tokens]
    expected = plain(replaced[0], n, replaced[1], m)
    expected.backward(weight)
    x.requires_grad_()
    y.requires_grad_()
    got = path_similarity(x, n, y, m, similarity.Codewords(codebook, *tokens))
    got.backward(weight)
    assert torch.allclose(got, expected, atol=1e-6, rtol=1e-5)
    for embeddings, codewords in zip((x, y), replaced, strict=True):
        assert embeddings.grad is not None
        assert codewords.grad is not None
        assert torch.allclose(embeddings.grad, codewords.grad, atol=1e-6, rtol=1e-5)


def test_inputs_need_not_be_contiguous(generator: torch.Generator) -> None:
    a, b = (F.normalize(torch.randn(8, 4, 7, generator=generator), dim=0).permute(1, 2, 0) for _ in "ab")
    n, m = torch.tensor([7, 1, 3, 5]), torch.tensor([2, 7, 7, 1])
    assert_like_plain(a, n, b, m, torch.randn(4, 4, generator=generator).T)


def test_numbers_that_are_not_finite_stay_in_their_recording(generator: torch.Generator) -> None:
    """They fail the training with a message later on, so the kernels have to survive them."""
    a, n = F.normalize(torch.randn(3, 5, 4, generator=generator), dim=2), torch.tensor([5, 5, 4])
    broken = a.clone()
    broken[1, 2, 0] = torch.nan
    value, clean = path_similarity(broken, n, a, n), path_similarity(a, n, a, n)
    assert torch.equal(value[[0, 2]], clean[[0, 2]])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_device_gives_what_the_cpu_gives(generator: torch.Generator) -> None:
    n, m = torch.randint(1, 20, (2, 12), generator=generator)
    a, b = (F.normalize(torch.randn(12, int(k.max()), 16, generator=generator), dim=2) for k in (n, m))
    weight = torch.randn(12, 12, generator=generator)
    results = []
    for device in ("cpu", "cuda"):
        x, y = (z.to(device).requires_grad_() for z in (a, b))
        value = path_similarity(x, n.to(device), y, m.to(device))
        value.backward(weight.to(device))
        assert x.grad is not None
        assert y.grad is not None
        results.append((value.detach().cpu(), x.grad.cpu(), y.grad.cpu()))
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
