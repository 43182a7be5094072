"""``audios.bin``: what is read without running anything, and what is cut how."""

import collections
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.audios_bin import read, write
from wav2tok.corpus.recordings import Recordings, Splits, group_of
from wav2tok.corpus.splits import cut, foreign, joined, split, with_validation
from wav2tok.errors import UserError


class Runs:
    """Pickles to a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def put(path: Path, value: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_file_that_names_a_function_is_refused_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    proof = tmp_path / "ran"
    for evil in (
        Runs(os.system, f"touch {proof}"),
        [["a.wav"], ["b.wav"], Runs(eval, f"open({str(proof)!r}, 'w')")],
        {"a": Runs(exec, f"open({str(proof)!r}, 'w')")},
    ):
        path = put(tmp_path / "audios.bin", evil, protocol)
        with pytest.raises(UserError, match=r"audios\.bin is refused"):
            read(path)
        assert not proof.exists()
    pickle.loads(path.read_bytes())  # the file itself is a working one
    assert proof.exists()


@pytest.mark.parametrize("value", [collections.OrderedDict(a=["x"]), Path("a"), complex(1, 2), Runs, UserError("x")])
def test_a_file_that_names_a_class_is_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(UserError, match="is refused"):
        read(put(tmp_path / "audios.bin", [["a.wav"], value]))


def test_a_file_that_refers_to_something_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audios.bin").write_bytes(b"Psomething\n.")
    with pytest.raises(UserError, match="is refused"):
        read(tmp_path / "audios.bin")


@given(junk=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_junk_is_a_user_error(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.bin"
    path.write_bytes(junk)
    with pytest.raises(UserError, match=r"junk\.bin"):
        read(path)


@pytest.mark.parametrize("cut_at", [0, 1, 5, 20, -1])
def test_a_damaged_file_is_a_user_error(tmp_path: Path, cut_at: int) -> None:
    path = put(tmp_path / "audios.bin", [["a.wav", "b.wav"], ["c.wav"]])
    path.write_bytes(path.read_bytes()[:cut_at])
    with pytest.raises(UserError, match=r"audios\.bin"):
        read(path)
    with pytest.raises(UserError, match="does not exist"):
        read(tmp_path / "missing.bin")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_published_formats_are_read(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "audios.bin"
    put(path, [["a.wav", "b.wav"], ["c.wav"]], protocol)
    assert read(path) == Splits(Recordings(("a.wav", "b.wav")), None, Recordings(("c.wav",)))
    put(path, (["a.wav"], ["b.wav"], ("c.wav",)), protocol)
    assert read(path) == Splits(Recordings(("a.wav",)), Recordings(("b.wav",)), Recordings(("c.wav",)))
    put(path, [{"x": ["a.wav", "b.wav"], 7: ["c.wav"]}, {"x": ["d.wav"]}], protocol)
    assert read(path) == Splits(
        Recordings(("a.wav", "b.wav", "c.wav"), ("x", "x", "7")), None, Recordings(("d.wav",), ("x",))
    )
    put(path, [{"x": ["a.wav"]}, {"x": ["b.wav"]}, {"y": ["c.wav"]}], protocol)
    assert read(path).valid == Recordings(("b.wav",), ("x",))
    put(path, [["a.wav"], [], ["b.wav"]], protocol)
    assert read(path).valid is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([["a"], {"x": ["b"]}], "mixes"),
        ([{"x": ["a"]}, ["v"], {"x": ["b"]}], "mixes"),
        ([["a"]], "holds no"),
        ([["a"], ["b"], ["c"], ["d"]], "holds no"),
        ({"train": ["a"], "test": ["b"]}, "holds no"),
        ("ab", "holds no"),
        (7, "holds no"),
        ([[1], ["b"]], "training part is neither"),
        ([["a"], {"x": "b"}], "test part is neither"),
        ([["a"], "b"], "test part is neither"),
        ([[], ["b"]], "empty training"),
        ([["a"], []], "empty test"),
        ([{"x": []}, {"x": ["b"]}], "empty training"),
        ([["a", "b"], ["b"]], "b in its training and its test"),
        ([["a"], ["c"], ["c"]], "c in its validation and its test"),
        ([{"x": ["a"]}, {"y": ["a"]}], "a in its training and its test"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, value: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read(put(tmp_path / "audios.bin", value))


@st.composite
def corpora(draw: st.DrawFn, least_groups: int = 2) -> Recordings:
    """Classes of uneven sizes by several speakers; sometimes no classes."""
    names = draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=40).filter(
            lambda rows: len({g for _, g in rows}) >= least_groups
        )
    )
    paths = tuple(f"data/c{c}/s{g}_{i}.wav" for i, (c, g) in enumerate(names))
    return Recordings(paths, tuple(f"c{c}" for c, _ in names) if draw(st.booleans()) else None)


def all_paths(*parts: Recordings | None) -> list[str]:
    return sorted(p for part in parts if part for p in part.paths)


@given(recordings=corpora())
@settings(max_examples=60, deadline=None)
def test_write_and_read_give_the_same_splits(tmp_path_factory: pytest.TempPathFactory, recordings: Recordings) -> None:
    path = tmp_path_factory.getbasetemp() / "round.bin"
    n = len(recordings)
    parts = Splits(recordings.take(range(n - 2)), recordings.take([n - 2]), recordings.take([n - 1]))
    write(path, parts)
    got = read(path)
    for ours, theirs in ((parts.train, got.train), (parts.valid, got.valid), (parts.test, got.test)):
        assert ours is not None
        assert theirs is not None
        # A dictionary keeps the classes together, so that the order may change but nothing else.
        assert sorted(zip(ours.paths, ours.classes or ours.paths, strict=True)) == sorted(
            zip(theirs.paths, theirs.classes or theirs.paths, strict=True)
        )
    assert got.train.classes is None or recordings.classes is not None


@given(recordings=corpora(), share=st.floats(0.05, 0.9), group=st.booleans(), seed=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_a_cut_is_disjoint_complete_seeded_and_keeps_classes(
    recordings: Recordings, share: float, group: bool, seed: int
) -> None:
    try:
        first, second = cut(recordings, share, group, seed)
    except UserError:
        assert not group
        assert recordings.classes is not None
        assert max(collections.Counter(recordings.classes).values()) == 1
        return
    assert cut(recordings, share, group, seed) == (first, second)
    assert all_paths(first, second) == sorted(recordings.paths)
    assert len(first) > 0
    assert len(second) > 0
    of = dict(zip(recordings.paths, recordings.classes or (), strict=False))
    for part in (first, second):
        assert part.classes == (None if recordings.classes is None else tuple(of[p] for p in part.paths))
        assert list(part.paths) == [p for p in recordings.paths if p in set(part.paths)]
    if group:
        assert not set(first.groups) & set(second.groups)
    elif recordings.classes is not None:
        size, held = collections.Counter(recordings.classes), collections.Counter(second.classes)
        for label, n in size.items():
            assert held[label] == (0 if n == 1 else min(max(1, round(share * n)), n - 1))


@given(share=st.floats(0.15, 0.85), seed=st.integers(0, 20), each=st.integers(1, 5), groups=st.integers(4, 12))
@settings(max_examples=60, deadline=None)
def test_shares_come_out_near(share: float, seed: int, each: int, groups: int) -> None:
    recordings = Recordings(tuple(f"s{g}_{i}.wav" for g in range(groups) for i in range(each)))
    _, held = cut(recordings, share, True, seed)
    wanted = min(max(share, 2 / groups), 1 - 1 / groups)
    assert abs(len(held) / len(recordings) - wanted) <= 0.5 / groups + 1e-9
    _, held = cut(recordings, share, False, seed)
    assert abs(len(held) - share * len(recordings)) <= 1


def test_other_seeds_cut_otherwise() -> None:
    recordings = Recordings(tuple(f"s{i}_0.wav" for i in range(30)))
    assert len({cut(recordings, 0.3, group, seed)[1] for seed in range(5) for group in (True, False)}) > 5


def test_groups_of_a_column_take_the_place_of_the_file_names() -> None:
    recordings = Recordings(tuple(f"same_{i}.wav" for i in range(12)))
    groups = [f"g{i % 4}" for i in range(12)]
    first, second = cut(recordings, 0.5, True, 0, groups)
    of = dict(zip(recordings.paths, groups, strict=True))
    assert not {of[p] for p in first.paths} & {of[p] for p in second.paths}
    with pytest.raises(UserError, match="one group"):
        cut(recordings, 0.5, True, 0)


@given(recordings=corpora(least_groups=5), seed=st.integers(0, 9), share=st.floats(0.1, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_split_by_groups_has_three_parts_without_a_speaker_in_two(
    recordings: Recordings, seed: int, share: float
) -> None:
    parts = split(recordings, test_share=share, valid_share=0.3, seed=seed, group=True)
    assert parts.valid is not None
    assert all_paths(parts.train, parts.valid, parts.test) == sorted(recordings.paths)
    speakers = [set(part.groups) for part in (parts.train, parts.valid, parts.test)]
    assert sum(map(len, speakers)) == len(set.union(*speakers))
    assert parts == split(recordings, test_share=share, valid_share=0.3, seed=seed, group=True)


def test_test_groups_name_the_test() -> None:
    recordings = Recordings(tuple(f"s{g}_{i}.wav" for g in range(6) for i in range(3)))
    parts = split(recordings, test_share=0.9, valid_share=0.3, seed=0, group=True, test_groups=["s1", "s4"])
    assert set(parts.test.groups) == {"s1", "s4"}
    assert len(parts.test) == 6
    assert parts.valid is not None
    assert not set(parts.train.groups) & set(parts.valid.groups)
    with pytest.raises(UserError, match="'s9'"):
        split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_groups=["s1", "s9"])
    with pytest.raises(UserError, match="nothing is left"):
        split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_groups=[f"s{i}" for i in range(6)])


def test_test_groups_may_leave_one_speaker_to_train_on() -> None:
    """The advice in the message, --group-by none, has to lead somewhere."""
    recordings = Recordings(tuple(f"s{g}_{i}.wav" for g in range(2) for i in range(6)))
    parts = split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=False, test_groups=["s1"])
    assert set(parts.test.groups) == {"s1"}
    assert parts.valid is not None
    assert set(parts.train.groups) == set(parts.valid.groups) == {"s0"}


@given(recordings=corpora(), share=st.floats(0.1, 0.6), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_validation_never_comes_from_the_test(recordings: Recordings, share: float, seed: int) -> None:
    try:
        train, test = cut(recordings, 0.3, False, seed)
        parts = with_validation(Splits(train, None, test), share, seed)
    except UserError:
        return  # nothing to cut from; the reasons are tested above
    assert parts.test == test
    assert parts.valid is not None
    assert all_paths(parts.train, parts.valid) == sorted(train.paths)
    assert not set(parts.valid.paths) & set(test.paths)


def test_a_validation_part_of_its_own_is_kept() -> None:
    parts = Splits(Recordings(("a",)), Recordings(("b",)), Recordings(("c",)))
    assert with_validation(parts, 0.5, 0) is parts


def test_validation_holds_whole_speakers_out_where_names_tell_them() -> None:
    train = Recordings(tuple(f"s{g}_{i}.wav" for g in range(4) for i in range(5)))
    parts = with_validation(Splits(train, None, Recordings(("t_0.wav",))), 0.3, 0)
    assert parts.valid is not None
    assert not set(parts.train.groups) & set(parts.valid.groups)
    # Names that say nothing: every file would be a speaker.
    plain = Recordings(tuple(f"{i}.wav" for i in range(10)))
    parts = with_validation(Splits(plain, None, Recordings(("t.wav",))), 0.3, 0)
    assert parts.valid is not None
    assert len(parts.valid) == 3


@pytest.mark.parametrize(("path", "group"), [("x/ada_1_2.flac", "ada"), ("x/ada.flac", "ada"), ("_1.wav", "")])
def test_group_of(path: str, group: str) -> None:
    assert group_of(path) == group


def spoken(speakers: str, words: str, takes: int = 2) -> Recordings:
    """Every speaker says every word ``takes`` times: ``w/x_0.wav`` is word w by x."""
    paths = [f"{word}/{speaker}_{take}.wav" for word in words for speaker in speakers for take in range(takes)]
    return Recordings(tuple(paths), tuple(path[0] for path in paths))


def test_test_classes_are_heard_by_nobody_in_training() -> None:
    recordings = spoken("abcdef", "pqrs")
    done = split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_classes=["q", "s"])
    assert done.valid is not None
    assert set(done.test.classes or ()) == {"q", "s"}
    assert len(done.test) == 24
    assert set(done.train.classes or ()) | set(done.valid.classes or ()) == {"p", "r"}


def test_with_test_groups_and_classes_neither_is_heard() -> None:
    both = split(
        spoken("abcdef", "pqrs"),
        test_share=0.3,
        valid_share=0.3,
        seed=0,
        group=True,
        test_groups=["a", "b"],
        test_classes=["q"],
    )
    assert both.valid is not None
    assert {(path[0], group_of(path)) for path in both.test.paths} == {("q", "a"), ("q", "b")}
    for part in (both.train, both.valid):
        assert not {"a", "b"} & set(part.groups)
        assert "q" not in (part.classes or ())


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"test_classes": ["p", "z"]}, "'z', which no recording has; there are: p, q"),
        ({"test_classes": ["p", "q"]}, "--test-classes names every one"),
        ({"test_groups": ["b"], "test_classes": ["q"]}, "no recording in common"),
        ({"test_groups": ["a"], "test_classes": ["p"]}, "name every recording"),
    ],
)
def test_test_classes_that_cannot_be_meant_are_refused(wanted: dict[str, list[str]], why: str) -> None:
    paths = ("p/a_0.wav", "p/a_1.wav", "p/b_0.wav", "q/a_0.wav")
    with pytest.raises(UserError, match=re.escape(why)):
        split(Recordings(paths, ("p", "p", "p", "q")), test_share=0.3, valid_share=0.3, seed=0, group=True, **wanted)


def test_a_list_has_no_test_classes() -> None:
    with pytest.raises(UserError, match="--test-classes needs classes"):
        split(Recordings(("a_0", "b_0")), test_share=0.3, valid_share=0.3, seed=0, group=True, test_classes=["p"])


def test_further_recordings_join_training_alone_each_a_class_of_its_own() -> None:
    done = split(spoken("abcdef", "pq"), test_share=0.3, valid_share=0.3, seed=0, group=True)
    wider = joined(done, Recordings(("s/1.wav", "s/2.wav")))
    assert (wider.valid, wider.test) == (done.valid, done.test)
    assert wider.train.paths == (*done.train.paths, "s/1.wav", "s/2.wav")
    assert (wider.train.classes or ())[-2:] == ("s/1.wav", "s/2.wav")
    listed = Splits(Recordings(("a",)), None, Recordings(("b",)))
    assert joined(listed, Recordings(("c",))).train == Recordings(("a", "c"))


@pytest.mark.parametrize("known", [True, False])
def test_a_foreign_test_is_heard_by_nobody_in_training(tmp_path: Path, known: bool) -> None:
    test = spoken("ab", "pq")
    test = test if known else Recordings(test.paths)
    done = foreign(test, Recordings(tuple(f"s/{i}.wav" for i in range(10))), 0.2, 0)
    assert done.valid is not None
    assert done.test == test
    assert (len(done.train), len(done.valid)) == (8, 2)
    assert not set(done.train.paths) & set(done.valid.paths)
    write(tmp_path / "audios.bin", done)
    assert set(read(tmp_path / "audios.bin").train.paths) == set(done.train.paths)


def test_validation_takes_recordings_where_whole_speakers_would_be_half() -> None:
    recordings = spoken("abcdef", "pqrs", 5)
    few = split(recordings, test_share=0.3, valid_share=0.2, seed=0, group=True, test_groups=["a", "b"])
    assert few.valid is not None
    assert set(few.train.groups) == set(few.valid.groups) == set("cdef")
    assert len(few.valid) == 16
    assert not set(few.test.groups) & set("cdef")
    many = split(spoken("abcdefghijkl", "pq"), test_share=0.2, valid_share=0.2, seed=0, group=True)
    assert many.valid is not None
    assert not set(many.train.groups) & set(many.valid.groups)


def test_validation_keeps_whole_speakers_where_recordings_would_have_nothing_to_find() -> None:
    single = spoken("abcdef", "pqrs", 1)
    done = split(single, test_share=0.3, valid_share=0.2, seed=0, group=True, test_groups=["a", "b"])
    assert done.valid is not None
    assert len(set(done.valid.groups)) == 2
    assert not set(done.train.groups) & set(done.valid.groups)
