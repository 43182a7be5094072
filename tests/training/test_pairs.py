"""Which recordings meet in a batch."""

import collections

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.recordings import Recordings
from wav2tok.errors import UserError
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
    for b in batches:
        for a, p, number in zip(b.anchors.tolist(), b.partners.tolist(), b.labels.tolist(), strict=True):
            assert labels[a] == labels[p]
            assert (a == p) == (size[labels[a]] == 1)
            assert sorted(set(labels))[number] == labels[a]
        assert len(b.places) == len(b.anchors)
        assert 0 <= float(b.places.min()) <= float(b.places.max()) < 1
        assert not len(b.negatives)
        assert b.members == (b.anchors, b.partners)
    if steps is not None:
        assert [len(b[0]) for b in batches] == [batch] * steps
    again = sampler.epoch(seed, epoch, batch, steps)
    assert all(
        torch.equal(x, y) for one, two in zip(batches, again, strict=True) for x, y in zip(one, two, strict=True)
    )


@given(labels=classes.filter(lambda labels: len(set(labels)) > 1), steps=st.none() | st.integers(1, 6), data=st.data())
@settings(max_examples=60)
def test_triplets_are_the_pairs_with_a_negative_of_another_class(
    labels: list[str], steps: int | None, data: st.DataObject
) -> None:
    recordings = recordings_of(labels, len(labels))
    seed, epoch, batch = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9)), data.draw(st.integers(2, 8))
    pairs, triplets = (
        PairSampler.of(recordings, mode).epoch(seed, epoch, batch, steps) for mode in ("pairs", "triplets")
    )
    for two, three in zip(pairs, triplets, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(two[:4], three[:4], strict=True))
        assert three.members[2] is three.negatives
        assert all(
            labels[a] != labels[n] for a, n in zip(three.anchors.tolist(), three.negatives.tolist(), strict=True)
        )


@given(labels=st.none() | classes, n=st.integers(1, 25), batch=st.integers(2, 8))
@settings(max_examples=60)
def test_singles_are_the_anchors_of_the_pairs_each_with_itself(labels: list[str] | None, n: int, batch: int) -> None:
    recordings = recordings_of(labels, len(labels or range(n)))
    pairs, singles = (PairSampler.of(recordings, mode).epoch(3, 1, batch, 4) for mode in ("pairs", "singles"))
    for two, one in zip(pairs, singles, strict=True):
        assert torch.equal(one.anchors, one.partners)
        assert len(one.members) == 2
        assert all(torch.equal(x, y) for x, y in zip(two[::2], one[::2], strict=True))  # anchors, labels, negatives
        assert torch.equal(two.places, one.places)


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
        for anchors, partners, *_ in sampler.epoch(0, epoch, 5, None):
            np.add.at(seen, (anchors.numpy(), partners.numpy()), 1)
    assert not np.diag(seen).any()
    assert seen[~np.eye(5, dtype=bool)] == pytest.approx(np.full(20, 100), abs=35)


def test_negatives_are_uniform_over_the_recordings_of_other_classes() -> None:
    labels = list("abbacccbb")
    sampler = PairSampler.of(recordings_of(labels, 9), "triplets")
    seen = np.zeros((9, 9))
    for epoch in range(600):
        for b in sampler.epoch(0, epoch, 9, None):
            np.add.at(seen, (b.anchors.numpy(), b.negatives.numpy()), 1)
    for anchor, row in enumerate(seen):
        other = np.array([label != labels[anchor] for label in labels])
        assert not row[~other].any()
        assert row[other] == pytest.approx(np.full(other.sum(), 600 / other.sum()), abs=45)


def test_epochs_and_seeds_differ() -> None:
    sampler = PairSampler.of(recordings_of(["a", "b", "c", "d"] * 10, 40), "triplets")
    drawn = [sampler.epoch(seed, epoch, 8, None) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for field in ("anchors", "partners", "places", "negatives"):
        values = [torch.cat([getattr(b, field) for b in batches]).tolist() for batches in drawn]
        assert values[0] != values[1] != values[2] != values[0], field


@pytest.mark.parametrize(
    ("labels", "why"), [(None, "the data is a list"), (["a"] * 5, "all recordings are of one class")]
)
def test_triplets_need_two_classes(labels: list[str] | None, why: str) -> None:
    with pytest.raises(UserError, match=f"train.mode is triplets, but {why}.*; use pairs or singles"):
        PairSampler.of(recordings_of(labels, 5), "triplets")


@given(
    labels=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=40),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 9),
)
@settings(max_examples=150)
def test_a_subset_is_so_many_recordings_under_their_own_numbers(
    labels: list[str], share: float, seed: int, epoch: int
) -> None:
    whole = PairSampler.of(recordings_of(labels, len(labels)))
    part, again = (whole.subset(share, seed, epoch) for _ in range(2))
    chosen = part.numbers.tolist()
    assert len(chosen) == len(set(chosen)) == len(part.labels) == max(2, round(share * len(labels)))
    assert set(chosen) <= set(range(len(labels)))
    assert chosen == again.numbers.tolist()
    # What was of one class is of one class, and classes are counted from 0 without a gap.
    named = {(labels[i], number) for i, number in zip(chosen, part.labels.tolist(), strict=True)}
    assert len(named) == len({name for name, _ in named}) == len({number for _, number in named})
    assert {number for _, number in named} == set(range(len(named)))
    # Drawn by twos (three where the class is odd): only the last draw can be cut off in the middle. Where that would
    # leave one class, its last recording gives way to one of another.
    size, drawn = collections.Counter(labels), collections.Counter(labels[i] for i in chosen)
    assert sum(drawn[name] == 1 and size[name] > 1 for name in drawn) <= (2 if len(drawn) == 2 else 1)
    assert len(drawn) > 1 or len(size) == 1

    for b in part.epoch(seed, epoch, 4, 5):
        assert set(torch.cat(b.members).tolist()) <= set(chosen)
        for a, p, number in zip(b.anchors.tolist(), b.partners.tolist(), b.labels.tolist(), strict=True):
            assert labels[a] == labels[p]
            assert (a == p) == (drawn[labels[a]] == 1)
            assert (labels[a], number) in named


@given(seed=st.integers(0, 99), epoch=st.integers(0, 9), share=st.floats(0.01, 0.99))
@settings(max_examples=40)
def test_negatives_of_a_subset_lie_within_it(seed: int, epoch: int, share: float) -> None:
    labels = list("aabbbaabbc")
    part = PairSampler.of(recordings_of(labels, 10), "triplets").subset(share, seed, epoch)
    for b in part.epoch(seed, epoch, 4, 5):
        assert set(torch.cat(b.members).tolist()) <= set(part.numbers.tolist())
        assert all(labels[a] != labels[n] for a, n in zip(b.anchors.tolist(), b.negatives.tolist(), strict=True))


def test_every_epoch_and_seed_has_a_subset_of_its_own_and_all_come_up() -> None:
    whole = PairSampler.of(recordings_of(list("abcdefgh") * 5, 40))
    drawn = [frozenset(whole.subset(0.25, s, e).numbers.tolist()) for s in range(2) for e in range(50)]
    assert len(set(drawn)) == 100
    often = collections.Counter(i for numbers in drawn for i in numbers)
    assert [often[i] for i in range(40)] == [pytest.approx(25, abs=15)] * 40


def test_a_subset_of_all_is_the_sampler_itself() -> None:
    whole = PairSampler.of(recordings_of(["a", "b", "b"], 3))
    assert whole.subset(1.0, 0, 0) is whole
    assert whole.subset(0.99, 0, 0) is whole  # 2.97 recordings are three
    assert len(whole.subset(0.01, 0, 0).numbers) == 2


@pytest.mark.parametrize(
    ("batch", "most", "pair", "expected"),
    [(48, 100.0, 1.0, 48), (48, 100.0, 4.0, 25), (48, 100.0, 1000.0, 2), (4, 1e9, 20.0, 4), (1, 10.0, 2.0, 2)],
)
def test_pairs_per_batch(batch: int, most: float, pair: float, expected: int) -> None:
    assert pairs_per_batch(batch, most, pair) == expected
