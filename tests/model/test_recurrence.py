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


def over_steps(x: Tensor, inputs: Tensor, steps: list[int]) -> Tensor:
    """The layer on recordings of ``steps``, one step after the other: [F, 2 H] and [F, 6 H] -> [F, 2 H]."""
    width = x.shape[1] // 2
    rows: list[Tensor] = []
    for read, one in zip(x.split(steps), inputs.split(steps), strict=True):
        new, keep, share = one[:, : 2 * width], one[:, 2 * width : 4 * width].sigmoid(), one[:, 4 * width :].sigmoid()
        sides = []
        for side, order in ((slice(0, width), range(len(one))), (slice(width, 2 * width), range(len(one) - 1, -1, -1))):
            state, states = x.new_zeros(width), {}
            for i in order:
                state = keep[i, side] * state + (1 - keep[i, side]) * new[i, side]
                states[i] = state
            sides.append(torch.stack([states[i] for i in range(len(one))]))
        rows.append(share * torch.cat(sides, dim=1) + (1 - share) * read)
    return torch.cat(rows)


@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=5), width=st.integers(1, 4), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_results_and_gradients_against_a_loop_over_steps(steps: list[int], width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, inputs, weight = (
        torch.randn(sum(steps), count * width, generator=generator, dtype=torch.float64) for count in (2, 6, 2)
    )
    inputs = 3 * inputs
    rows = Rows.of(torch.tensor(steps), max(steps) + 2)
    results = []
    for compute in (lambda y, z: recurrent(y, z, rows), lambda y, z: over_steps(y, z, steps)):
        y, z = (one.clone().requires_grad_() for one in (x, inputs))
        value = compute(y, z)
        value.backward(weight)
        results.append((value.detach(), y.grad, z.grad))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-12, rtol=1e-9)
    torch.testing.assert_close(recurrent(x, inputs, rows), results[1][0], atol=1e-12, rtol=1e-9)  # without gradients


def test_padding_counts_for_nothing(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> None:
    """On a device it has rows; its inputs must get no gradient, because the weights of the layer would."""
    steps, count, width = [5, 1, 7], 9, 3
    x, inputs, weight = (torch.randn(3 * count, of_each * width, generator=generator) for of_each in (2, 6, 2))
    valid = torch.cat([torch.arange(n) + i * count for i, n in enumerate(steps)])
    with monkeypatch.context() as patch:
        patch.setattr(torch.jit, "is_tracing", lambda: True)  # in an exported graph it has rows as well
        rows = Rows.of(torch.tensor(steps), count)
    y, z = (one.clone().requires_grad_() for one in (x, inputs))
    patched = recurrence._compiled
    monkeypatch.setattr(recurrence, "_compiled", lambda _: False)
    recurrent(y, z, rows)[valid].backward(weight[valid])
    monkeypatch.setattr(recurrence, "_compiled", patched)
    compact_y, compact_z = (one[valid].clone().requires_grad_() for one in (x, inputs))
    recurrent(compact_y, compact_z, Rows.of(torch.tensor(steps), count)).backward(weight[valid])
    for padded, compact in ((y, compact_y), (z, compact_z)):
        torch.testing.assert_close(padded.grad[valid], compact.grad)
        padding = torch.ones(3 * count, dtype=torch.bool).index_fill_(0, valid, False)
        assert not padded.grad[padding].any()


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
