"""Recordings cut in two by their names."""

import collections
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.cut import cut, names
from wav2tok.corpus.recordings import Recordings
from wav2tok.corpus.sides import bounds
from wav2tok.errors import UserError


@st.composite
def corpora(draw: st.DrawFn) -> Recordings:
    """Classes of uneven sizes by several speakers; sometimes no classes."""
    rows = draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=40).filter(
            lambda rows: len({group for _, group in rows}) > 1
        )
    )
    paths = tuple(f"data/c{label}/s{group}_{i}.wav" for i, (label, group) in enumerate(rows))
    return Recordings(paths, tuple(f"c{label}" for label, _ in rows) if draw(st.booleans()) else None)


@given(recordings=corpora(), share=st.floats(0.05, 0.9), group=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_a_cut_is_disjoint_complete_seeded_and_keeps_classes(
    recordings: Recordings, share: float, group: bool, seed: int
) -> None:
    try:
        first, second = cut(recordings, share, group, seed, "test", folder=Path("data"))
    except UserError:
        assert not group
        assert recordings.classes is not None
        assert max(collections.Counter(recordings.classes).values()) == 1
        return
    assert sorted([*first.paths, *second.paths]) == sorted(recordings.paths)
    assert len(first) > 0
    assert len(second) > 0
    of = dict(zip(recordings.paths, recordings.classes or (), strict=False))
    for part in (first, second):
        assert part.classes == (None if recordings.classes is None else tuple(of[p] for p in part.paths))
        assert list(part.paths) == [p for p in recordings.paths if p in set(part.paths)]
    if group:
        assert not set(first.groups) & set(second.groups)
        assert len(set(second.groups)) >= min(2, len(set(recordings.groups)) // 2)
    elif recordings.classes is not None:
        held = collections.Counter(second.classes)
        for label, n in collections.Counter(recordings.classes).items():
            low, high = bounds(n, share, 1)
            assert low <= held[label] <= high
            assert n == 1 or 0 < held[label] < n
    # Neither order nor folder matters.
    shuffled = recordings.take(random.Random(seed).sample(range(len(recordings)), len(recordings)))
    moved = replace(shuffled, paths=tuple(path.replace("data/", "/mnt/d/") for path in shuffled.paths))
    again = cut(moved, share, group, seed, "test", folder=Path("/mnt/d"))[1]
    assert {path.replace("/mnt/d/", "data/") for path in again.paths} == set(second.paths)


def test_another_seed_and_another_part_give_another_cut() -> None:
    recordings = Recordings(tuple(f"s{i}_0.wav" for i in range(30)))
    cuts = {
        cut(recordings, 0.3, group, seed, part)[1]
        for seed in range(5)
        for group in (True, False)
        for part in ("test", "valid")
    }
    assert len(cuts) == 20


def test_a_new_singer_moves_no_other() -> None:
    """Two more singers, and the test has those of before and perhaps the new ones."""

    def singers(count: int) -> Recordings:
        return Recordings(tuple(f"data/song{s}/singer{i:02d}_1.wav" for i in range(count) for s in range(3)))

    for count in range(30, 60):
        before, after = (set(cut(singers(n), 0.3, True, 0, "test")[1].groups) for n in (count, count + 2))
        assert before == after & set(singers(count).groups)


def test_groups_of_a_column_take_the_place_of_the_file_names() -> None:
    paths = tuple(f"same_{i}.wav" for i in range(12))
    recordings = Recordings(paths, groups=tuple(f"g{i % 4}" for i in range(12)))
    first, second = cut(recordings, 0.5, True, 0, "test")
    assert not set(first.groups) & set(second.groups)
    assert {(r.path, r.group) for r in (*first, *second)} == {(r.path, r.group) for r in recordings}
    with pytest.raises(UserError, match=r"of one group, 'same'; set split\.group_by to none"):
        cut(Recordings(paths), 0.5, True, 0, "test")


def test_joined_groups_are_where_the_first_of_them_was() -> None:
    alone = Recordings(tuple(f"s{i:02d}_0.wav" for i in range(40)))
    held = set(cut(alone, 0.4, True, 0, "test")[1].groups)
    joined = replace(alone, groups=tuple(f"{one}+later" if one < "s10" else one for one in alone.groups))
    after = {one.removesuffix("+later") for one in cut(joined, 0.4, True, 0, "test")[1].groups}
    assert after == held


def test_a_group_that_is_joined_with_one_of_training_stays_in_training() -> None:
    recordings = Recordings(tuple(f"s{i}_0.wav" for i in range(6)), groups=("s0", "s1+s2", "s1+s2", "s3", "s4", "s5"))
    former = {"s1_0.wav": "test", "s2_0.wav": "train", "s3_0.wav": "test", "s4_0.wav": "test"}
    first, second = cut(recordings, 0.4, True, 0, "test", former=former)
    assert {"s1+s2"} <= set(first.groups)
    assert {"s3", "s4"} <= set(second.groups)


def test_a_former_split_that_leaves_a_part_empty_is_refused() -> None:
    recordings = Recordings(("s0_0.wav", "s1_0.wav"))
    former = dict.fromkeys(recordings.paths, "train")
    with pytest.raises(UserError, match=r"none is left for the test part; delete the former audios\.json"):
        cut(recordings, 0.4, True, 0, "test", former=former)
    with pytest.raises(UserError, match="none is left for the other parts"):
        cut(recordings, 0.4, True, 0, "test", former=dict.fromkeys(recordings.paths, "test"))


def test_names_are_below_the_folder_of_the_corpus() -> None:
    paths = ["/mnt/d/yes/a_1.wav", "/mnt/d/no/b_1.wav"]
    assert names(paths, Path("/mnt/d")) == names(paths) == ["yes/a_1.wav", "no/b_1.wav"]
    assert names(["data/a.wav", "data/b.wav"]) == ["a.wav", "b.wav"]
    assert names(["a.wav"], Path(".")) == names(["a.wav"]) == ["a.wav"]
    assert names(["/mnt/a.wav", "b.wav"]) == ["//mnt/a.wav", "b.wav"]  # no folder holds both
    assert names([]) == []
