"""Batched warping against dynamic programming over plain lists."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tests.oracles import warping_costs
from wav2tok.losses.alignment import _align_compiled, accumulate, align, align_diagonals, reverse
from wav2tok.model.frames import frame_mask

Align = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def units(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=generator), dim=-1)


@given(b=st.integers(1, 3), n=st.integers(1, 9), m=st.integers(1, 9), holes=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_accumulate_is_dynamic_time_warping(b: int, n: int, m: int, holes: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    cost = torch.rand(b, n, m, generator=generator, dtype=torch.float64)
    if holes:
        cost[torch.rand(b, n, m, generator=generator) < 0.2] = math.inf
    expected = torch.tensor(np.array([warping_costs(one) for one in cost.numpy()]))
    assert torch.allclose(accumulate(cost), expected)


@given(
    lengths=st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=4), seed=st.integers(0, 999)
)
@settings(max_examples=60, deadline=None)
def test_partners_lie_on_a_cheapest_path(lengths: list[tuple[int, int]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    n, m = (torch.tensor(x) for x in zip(*lengths, strict=True))
    a, b = units(generator, len(lengths), int(n.max()), 4), units(generator, len(lengths), int(m.max()), 4)
    to_b, to_a = align(a, n, b, m)
    for k, (rows, columns) in enumerate(lengths):
        cost = 1 - a[k, :rows].double() @ b[k, :columns].double().T
        ahead = torch.tensor(warping_costs(cost.numpy()))
        back = torch.tensor(warping_costs(cost.flip(0, 1).numpy())).flip(0, 1)
        through = ahead + back - cost
        cheapest = float(ahead[-1, -1])
        for i in range(rows):
            assert 0 <= int(to_b[k, i]) < columns
            assert float(through[i, to_b[k, i]]) == pytest.approx(cheapest, abs=1e-5)
        for j in range(columns):
            assert 0 <= int(to_a[k, j]) < rows
            assert float(through[to_a[k, j], j]) == pytest.approx(cheapest, abs=1e-5)


def test_a_recording_is_aligned_with_itself_frame_by_frame(generator: torch.Generator) -> None:
    a, n = units(generator, 3, 30, 8), torch.tensor([30, 12, 1])
    to_b, to_a = align(a, n, a, n)
    for k, length in enumerate(n.tolist()):
        assert to_b[k, :length].tolist() == to_a[k, :length].tolist() == list(range(length))


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_tempo_is_undone(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a = units(generator, 1, 20, 8)
    holds = torch.randint(1, 4, (20,), generator=generator)
    source = torch.arange(20).repeat_interleave(holds)
    b = a[:, source]
    to_b, to_a = align(a, torch.tensor([20]), b, torch.tensor([len(source)]))
    assert torch.equal(to_a[0], source)
    assert torch.equal(source[to_b[0]], torch.arange(20))


def test_padding_changes_nothing(generator: torch.Generator) -> None:
    a, b = units(generator, 1, 9, 4), units(generator, 1, 7, 4)
    alone = align(a, torch.tensor([9]), b, torch.tensor([7]))
    # Padding that would be the better partner of everything.
    wide_a, wide_b = torch.cat([a, b], 1), torch.cat([b, a], 1)
    padded = align(wide_a, torch.tensor([9]), wide_b, torch.tensor([7]))
    assert torch.equal(padded[0][:, :9], alone[0])
    assert torch.equal(padded[1][:, :7], alone[1])


def test_no_gradient_flows_through_an_alignment(generator: torch.Generator) -> None:
    a = units(generator, 1, 5, 4).requires_grad_()
    assert not align(a, torch.tensor([5]), a, torch.tensor([5]))[0].requires_grad


@given(
    lengths=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=4),
    levels=st.sampled_from([2, 5, 1000]),
    seed=st.integers(0, 999),
)
@settings(max_examples=60, deadline=None)
def test_the_compiled_kernel_gives_what_the_diagonals_give(
    lengths: list[tuple[int, int]], levels: int, seed: int
) -> None:
    """Few levels make many ways equally cheap: ties must fall the same way too."""
    generator = torch.Generator().manual_seed(seed)
    n, m = (torch.tensor(x) for x in zip(*lengths, strict=True))
    shape = (len(lengths), int(n.max()), int(m.max()))
    cost = torch.randint(0, levels, shape, generator=generator).float() / levels
    inside = frame_mask(n, shape[1])[:, :, None] & frame_mask(m, shape[2])[:, None, :]
    for ours, theirs, mask in zip(
        _align_compiled(cost, n, m), align_diagonals(cost, n, m), (inside.any(2), inside.any(1)), strict=True
    ):
        assert torch.equal(ours[mask], theirs[mask])


@given(
    lengths=st.lists(st.tuples(st.integers(1, 25), st.integers(1, 25)), min_size=1, max_size=4),
    levels=st.sampled_from([1, 2, 5]),
    form=st.sampled_from([_align_compiled, align_diagonals]),
    seed=st.integers(0, 999),
)
@settings(max_examples=100, deadline=None)
def test_rounding_moves_no_partner(lengths: list[tuple[int, int]], levels: int, form: Align, seed: int) -> None:
    """Few levels make many paths equally cheap; noise as large as a float32 cosine's rounding leaves them so."""
    generator = torch.Generator().manual_seed(seed)
    n, m = (torch.tensor(x) for x in zip(*lengths, strict=True))
    shape = (len(lengths), int(n.max()), int(m.max()))
    cost = torch.randint(0, levels, shape, generator=generator).float() / levels
    noise = 5e-6 * (2 * torch.rand(shape, generator=generator) - 1)
    rows, columns = frame_mask(n, shape[1]), frame_mask(m, shape[2])
    for clean, noisy, mask in zip(form(cost, n, m), form(cost + noise, n, m), (rows, columns), strict=True):
        assert torch.equal(clean[mask], noisy[mask])


@pytest.mark.parametrize("form", [_align_compiled, align_diagonals])
def test_the_first_of_several_frames_on_a_path_is_the_partner(form: Align) -> None:
    held = torch.zeros(1, 3, 9)  # every path is equally cheap, so every cell lies on one
    of_a, of_b = form(held, torch.tensor([3]), torch.tensor([9]))
    assert of_a.tolist() == [[0, 0, 0]]
    assert of_b.tolist() == [[0] * 9]


@given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_reverse_turns_each_recording_within_its_length(lengths: list[int]) -> None:
    x = torch.arange(len(lengths) * max(lengths) * 2.0).reshape(len(lengths), max(lengths), 2)
    n = torch.tensor(lengths)
    turned = reverse(x, n)
    for row, original, length in zip(turned, x, lengths, strict=True):
        assert torch.equal(row[:length], original[:length].flip(0))
    assert torch.equal(reverse(turned, n)[frame_mask(n, x.shape[1])], x[frame_mask(n, x.shape[1])])
