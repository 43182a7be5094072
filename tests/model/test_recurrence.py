"""The recurrence, compiled and by doubling, against a loop over steps and automatic differentiation."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wav2tok.model import recurrence
from wav2tok.model.recurrence import Rows, recurrent


@pytest.fixture(scope="module", params=["compiled", "by doubling"], autouse=True)
def form(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by doubling":
            patch.setattr(recurrence, "_compiled", lambda x: False)
        yield


def over_steps(x: Tensor, steps: list[int]) -> Tensor:
    """The states of recordings of ``steps``, one step after the other: x [F, 4 H] -> [F, 2 H]."""
    width = x.shape[1] // 4
    rows: list[Tensor] = []
    for one in x.split(steps):
        new = torch.nn.functional.silu(one[:, : 2 * width])
        keep = torch.sigmoid(one[:, 2 * width :])
        sides = []
        for side, order in ((slice(0, width), range(len(one))), (slice(width, 2 * width), range(len(one) - 1, -1, -1))):
            state, states = x.new_zeros(width), {}
            for i in order:
                state = keep[i, side] * state + (1 - keep[i, side]) * new[i, side]
                states[i] = state
            sides.append(torch.stack([states[i] for i in range(len(one))]))
        rows.append(torch.cat(sides, dim=1))
    return torch.cat(rows)


@given(steps=st.lists(st.integers(1, 9), min_size=1, max_size=5), width=st.integers(1, 4), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_states_and_gradients_against_a_loop_over_steps(steps: list[int], width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = 3 * torch.randn(sum(steps), 4 * width, generator=generator, dtype=torch.float64)
    weight = torch.randn(sum(steps), 2 * width, generator=generator, dtype=torch.float64)
    rows = Rows.of(torch.tensor(steps), max(steps) + 2)
    results = []
    for compute in (lambda y: recurrent(y, rows), lambda y: over_steps(y, steps)):
        y = x.clone().requires_grad_()
        states = compute(y)
        states.backward(weight)
        results.append((states.detach(), y.grad))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(recurrent(x, rows), results[1][0], atol=1e-12, rtol=1e-9)  # without gradients


@pytest.mark.parametrize("steps", [[6, 1, 4], [1], [3, 3]])
def test_rows_hold_the_steps_of_each_recording(steps: list[int]) -> None:
    count = max(steps) + 1
    batch = torch.arange(len(steps) * count).reshape(len(steps), count)
    rows = Rows.of(torch.tensor(steps), count)
    flat = batch.flatten()[rows.into]
    assert flat.tolist() == [int(one[t]) for one, n in zip(batch, steps, strict=True) for t in range(n)]
    assert [flat[row].tolist() for row in rows.out] == [
        [int(one[min(t, n - 1)]) for t in range(count)] for one, n in zip(batch, steps, strict=True)
    ]
    assert [int(row.sum()) for row in (rows.first, rows.last)] == [len(steps)] * 2
