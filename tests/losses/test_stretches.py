"""Stretches: where they lie, what they warp onto, and that short recordings are compared whole."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from wav2tok.losses.alignment import align
from wav2tok.losses.similarity import path_similarity
from wav2tok.losses.stretches import MOST, cut, whole


def pairs(lengths: list[tuple[int, int]], seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Unit embeddings of both views and their lengths."""
    generator = torch.Generator().manual_seed(seed)
    n, m = (torch.tensor(x) for x in zip(*lengths, strict=True))
    a, b = (F.normalize(torch.randn(len(n), int(k.max()), 5, generator=generator), dim=2) for k in (n, m))
    return a, n, b, m


@given(
    lengths=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 90)), min_size=1, max_size=6),
    most=st.integers(2, 30),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_every_stretch_lies_in_its_recording_with_what_it_warps_onto(
    lengths: list[tuple[int, int]], most: int, seed: int
) -> None:
    a, n, b, m = pairs(lengths, seed)
    partner, _ = align(a, n, b, m)
    labels = torch.arange(len(n)) + 10
    found = cut((a.shape[1], b.shape[1]), n, partner, labels, most, torch.Generator().manual_seed(seed))
    wanted = [min(-(-k // most), max(1, MOST // len(n))) for k in n.tolist()]
    assert found.labels.tolist() == [label for label, k in zip(labels.tolist(), wanted, strict=True) for _ in range(k)]
    before = -1
    for row in range(len(found.labels)):
        owner = int(found.labels[row]) - 10
        taken, onto = int(found.a_frames[row]), int(found.b_frames[row])
        mine = found.a_rows[row, :taken] - owner * a.shape[1]
        theirs = found.b_rows[row, :onto] - owner * b.shape[1]
        assert taken == min(most, n[owner])
        assert mine.tolist() == list(range(int(mine[0]), int(mine[0]) + taken))
        assert mine[0] >= 0
        assert mine[-1] < n[owner]
        first, last = int(partner[owner, mine[0]]), int(partner[owner, mine[-1]])
        assert theirs.tolist() == list(range(first, first + min(last - first + 1, 2 * most)))
        assert theirs[-1] < m[owner]
        start = owner * a.shape[1] + int(mine[0])
        assert start >= before  # spread over the recording, in order
        before = start


def test_stretches_cover_most_of_a_long_recording() -> None:
    a, n = pairs([(100, 100)])[:2]
    partner, _ = align(a, n, a, n)
    heard = [0] * 100
    for seed in range(50):
        found = cut((100, 100), n, partner, torch.zeros(1, dtype=torch.int64), 20, torch.Generator().manual_seed(seed))
        for row in found.a_rows:
            for place in row.tolist():
                heard[place] += 1
        assert torch.equal(found.a_rows, found.b_rows[:, :20])  # a recording warps onto itself as it is
    assert min(heard[10:90]) > 20


def test_another_state_of_the_generator_cuts_elsewhere_the_same_one_the_same() -> None:
    a, n, b, m = pairs([(80, 70), (60, 90)])
    partner, _ = align(a, n, b, m)

    def rows(seed: int) -> torch.Tensor:
        return cut((80, 90), n, partner, torch.arange(2), 20, torch.Generator().manual_seed(seed)).a_rows

    assert torch.equal(rows(0), rows(0))
    assert not torch.equal(rows(0), rows(1))


def test_whole_recordings_are_compared_as_they_are() -> None:
    a, n, b, m = pairs([(9, 7), (5, 8), (1, 3)])
    compared = whole((9, 8), (n, m), torch.arange(3))
    assert torch.equal(path_similarity(*compared.of(a, b)), path_similarity(a, n, b, m))


def test_a_batch_never_has_more_than_its_share_of_stretches() -> None:
    a, n, b, m = pairs([(60, 60)] * 40)
    partner, _ = align(a, n, b, m)
    found = cut((60, 60), n, partner, torch.arange(40), 5, torch.Generator().manual_seed(0))
    assert len(found.labels) == 40


def test_gradients_reach_the_embeddings_of_the_stretches_alone() -> None:
    a, n, b, m = pairs([(50, 50), (50, 50)])
    a = a.requires_grad_()
    partner, _ = align(a.detach(), n, b, m)
    found = cut((50, 50), n, partner, torch.arange(2), 10, torch.Generator().manual_seed(0))
    path_similarity(*found.of(a, b)).diagonal().sum().backward()
    touched = set(a.grad.abs().sum(2).flatten().nonzero()[:, 0].tolist())
    assert touched == set(found.a_rows.flatten().tolist())
