"""Which recordings meet in a batch."""

import collections

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.splits import Recordings
from wav2tok.training.pairs import PairSampler, pairs_per_batch

classes = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=25)


def recordings_of(labels: list[str] | None, n: int) -> Recordings:
    return Recordings(tuple(f"{i}.wav" for i in range(n)), None if labels is None else tuple(labels))


@given(
    labels=classes,
    steps=st.none() | st.integers(1, 6),
    batch=st.integers(2, 8),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
@settings(max_examples=100, deadline=None)
def test_partners_are_other_members_of_the_class(
    labels: list[str], steps: int | None, batch: int, seed: int, epoch: int
) -> None:
    sampler = PairSampler.of(recordings_of(labels, len(labels)))
    batches = sampler.epoch(seed, epoch, batch, steps)
    size = collections.Counter(labels)
    for anchors, partners, numbers, places in batches:
        for a, p, number in zip(anchors.tolist(), partners.tolist(), numbers.tolist(), strict=True):
            assert labels[a] == labels[p]
            assert (a == p) == (size[labels[a]] == 1)
            assert sorted(set(labels))[number] == labels[a]
        assert len(places) == len(anchors)
        assert 0 <= float(places.min()) <= float(places.max()) < 1
    if steps is not None:
        assert [len(b[0]) for b in batches] == [batch] * steps
    again = sampler.epoch(seed, epoch, batch, steps)
    assert all(
        torch.equal(x, y) for one, two in zip(batches, again, strict=True) for x, y in zip(one, two, strict=True)
    )


@given(n=st.integers(2, 40), batch=st.integers(2, 8))
@settings(max_examples=60, deadline=None)
def test_an_epoch_covers_all_recordings_once(n: int, batch: int) -> None:
    sampler = PairSampler.of(recordings_of(None, n))
    batches = sampler.epoch(0, 0, batch, None)
    anchors = torch.cat([b[0] for b in batches]).tolist()
    assert len(anchors) == len(set(anchors))
    # A single pair left over has nothing to be compared with.
    assert len(anchors) == n - (n % batch == 1 and n > batch)
    assert all(torch.equal(b[0], b[1]) for b in batches)


def test_a_given_number_of_steps_goes_round_the_recordings_evenly() -> None:
    sampler = PairSampler.of(recordings_of(list("aabbcc"), 6))
    anchors = torch.cat([b[0] for b in sampler.epoch(0, 0, 4, 6)])
    assert torch.bincount(anchors).tolist() == [4] * 6


def test_partners_are_uniform_over_the_class() -> None:
    sampler = PairSampler.of(recordings_of(["a"] * 5, 5))
    seen = np.zeros((5, 5))
    for epoch in range(400):
        for anchors, partners, _, _ in sampler.epoch(0, epoch, 5, None):
            np.add.at(seen, (anchors.numpy(), partners.numpy()), 1)
    assert not np.diag(seen).any()
    assert seen[~np.eye(5, dtype=bool)] == pytest.approx(np.full(20, 100), abs=35)


def test_epochs_and_seeds_differ() -> None:
    sampler = PairSampler.of(recordings_of(["a", "b"] * 20, 40))
    drawn = [torch.cat([b[0] for b in sampler.epoch(s, e, 8, None)]).tolist() for s, e in ((0, 0), (0, 1), (1, 0))]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


@pytest.mark.parametrize(
    ("batch", "most", "mean", "expected"),
    [(48, 100.0, 0.5, 48), (48, 100.0, 2.0, 25), (48, 100.0, 500.0, 2), (4, 1e9, 10.0, 4), (1, 10.0, 1.0, 2)],
)
def test_pairs_per_batch(batch: int, most: float, mean: float, expected: int) -> None:
    assert pairs_per_batch(batch, most, mean) == expected
