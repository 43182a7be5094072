"""Layouts: every frame has a row, turning is a permutation, little is wasted."""

import itertools
from collections.abc import Sequence

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.model.layout import BLOCK_ROWS, block_ends, fitted, layout, padded

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=12)


@given(lengths=LENGTHS, more=st.integers(0, 3))
@settings(max_examples=80, deadline=None)
def test_rows_stand_for_the_frames_of_their_recordings(lengths: list[int], more: int) -> None:
    n, steps = torch.tensor(lengths), max(lengths) + more
    for plan in (fitted(n, steps), padded(n, steps)):
        frames = torch.arange(len(lengths) * steps)
        flat = frames[plan.into]
        assert len(flat) == sum(t * count for t, count in plan.blocks)
        back, turned = flat[plan.out], flat[plan.reversal][plan.out]
        for b, length in enumerate(lengths):
            own = frames[b * steps : b * steps + length]
            assert torch.equal(back[b, :length], own)
            assert torch.equal(turned[b, :length], own.flip(0))
            assert bool((back[b] // steps == b).all())
        assert torch.equal(plan.reversal[plan.reversal], torch.arange(len(flat)))


@given(lengths=LENGTHS)
@settings(max_examples=80, deadline=None)
def test_blocks_get_narrower_and_a_recording_keeps_its_place(lengths: list[int]) -> None:
    plan = fitted(torch.tensor(lengths), max(lengths))
    widths = [count for _, count in plan.blocks]
    assert widths == sorted(widths, reverse=True)
    assert sum(t for t, _ in plan.blocks) == max(lengths)
    # The recording in column c of a step is the one in column c of the step before.
    owner = (plan.into // max(lengths)).split([t * count for t, count in plan.blocks])
    columns = [rows.reshape(t, count) for rows, (t, count) in zip(owner, plan.blocks, strict=True)]
    for rows in columns:
        assert torch.equal(rows, columns[0][:1, : rows.shape[1]].expand_as(rows))


@given(lengths=st.lists(st.integers(1, 400), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_no_other_cut_computes_fewer_frames(lengths: list[int]) -> None:
    given_lengths, distinct = np.array(lengths), sorted(set(lengths))

    def cost(ends: Sequence[int]) -> int:
        return sum(
            (end - begin) * int((given_lengths > begin).sum()) + BLOCK_ROWS
            for begin, end in itertools.pairwise([0, *ends])
        )

    every = ([*some, distinct[-1]] for n in range(len(distinct)) for some in itertools.combinations(distinct[:-1], n))
    assert cost(block_ends(given_lengths)) == min(cost(ends) for ends in every)


def test_an_augmented_batch_spends_little_on_padding() -> None:
    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(np.where(rng.random(96) < 0.8, 63 / 2 ** rng.uniform(-0.5, 0.5, 96), 63).astype(int))
    spent = sum(t * count for t, count in fitted(lengths, int(lengths.max())).blocks)
    assert spent < 1.15 * int(lengths.sum())
    assert len(lengths) * int(lengths.max()) > 1.3 * int(lengths.sum())


def test_recordings_of_one_length_are_one_block() -> None:
    assert layout(torch.tensor([40, 40, 40]), 40).blocks == [(40, 3)]
