"""How a corpus is cut into training, validation and test recordings."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.audios_bin import read, write
from wav2tok.corpus.classes import drawn
from wav2tok.corpus.recordings import Recordings, Splits, TrainingSplits, group_of
from wav2tok.corpus.sources import joined
from wav2tok.corpus.splits import add_to_training, all_for_test, cut, split, with_validation
from wav2tok.errors import UserError


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


@given(recordings=corpora(least_groups=5), seed=st.integers(0, 9), share=st.floats(0.1, 0.5))
@settings(max_examples=60, deadline=None)
def test_a_split_by_groups_has_three_parts_and_no_speaker_of_the_test_in_another(
    recordings: Recordings, seed: int, share: float
) -> None:
    parts = split(recordings, test_share=share, valid_share=0.3, seed=seed, group=True)
    assert all_paths(parts.train, parts.valid, parts.test) == sorted(recordings.paths)
    train, valid, test = (set(part.groups) for part in (parts.train, parts.valid, parts.test))
    assert not test & (train | valid)
    if train & valid and len(train | valid) > 1:  # only where whole speakers would be more than twice the share
        rest = recordings.take(i for i, path in enumerate(recordings.paths) if path not in parts.test.paths)
        assert len(cut(rest, 0.3, True, seed, "valid")[1]) > 0.6 * len(rest)
    assert parts == split(recordings, test_share=share, valid_share=0.3, seed=seed, group=True)


@given(
    recordings=corpora(least_groups=4),
    group=st.booleans(),
    seed=st.integers(0, 9),
    share=st.floats(0.2, 0.5),
    unheard=st.sampled_from([0.0, 0.3]),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_nothing_changes_sides_when_recordings_arrive_or_leave(
    recordings: Recordings, group: bool, seed: int, share: float, unheard: float, data: st.DataObject
) -> None:
    """A split continues a former one: of some of the recordings, in another folder and order."""
    arguments = {"test_share": share, "valid_share": 0.3, "seed": seed, "group": group}
    arguments["unheard_classes"] = unheard if recordings.classes else 0.0
    order = data.draw(st.permutations(range(len(recordings))))
    some = recordings.take(order[: data.draw(st.integers(2, len(order)))])
    try:
        before = split(some, **arguments)
    except UserError:
        return  # too few groups or classes
    parts = (("train", before.train), ("valid", before.valid), ("test", before.test))
    former = {path.removeprefix("data/"): part for part, members in parts for path in members.paths}
    # Some of them have left, and the others and the new ones are in another place.
    gone = data.draw(st.sets(st.sampled_from(sorted(former)), max_size=3))
    moved = replace(recordings, paths=tuple(path.replace("data/", "/mnt/more/") for path in recordings.paths))
    here = moved.take(i for i, path in enumerate(recordings.paths) if path.removeprefix("data/") not in gone)
    try:
        after = split(here, **arguments, folder=Path("/mnt/more"), former=former)
    except UserError:
        return  # those that are left are all of one part
    for part, members in (("train", after.train), ("valid", after.valid), ("test", after.test)):
        assert {former.get(path.removeprefix("/mnt/more/"), part) for path in members.paths} <= {part}
    if group:
        assert not {*after.test.groups} & {*after.train.groups, *after.valid.groups}


def test_test_groups_name_the_test() -> None:
    recordings = Recordings(tuple(f"s{g}_{i}.wav" for g in range(6) for i in range(3)))
    parts = split(recordings, test_share=0.9, valid_share=0.3, seed=0, group=True, test_groups=["s1", "s4"])
    assert set(parts.test.groups) == {"s1", "s4"}
    assert len(parts.test) == 6
    assert parts.valid is not None
    assert not set(parts.train.groups) & set(parts.valid.groups)
    with pytest.raises(
        UserError, match=r"'s9' is not a group of any recording; there are: s0, s1, s2, s3, s4, s5\."
    ) as caught:
        split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_groups=["s1", "s9"])
    assert caught.value.parameter == "test_groups"
    with pytest.raises(UserError, match="nothing is left"):
        split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_groups=[f"s{i}" for i in range(6)])


def test_test_groups_may_leave_one_speaker_to_train_on() -> None:
    """The advice in the message, split.group_by none, has to work."""
    recordings = Recordings(tuple(f"s{g}_{i}.wav" for g in range(2) for i in range(6)))
    parts = split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=False, test_groups=["s1"])
    assert set(parts.test.groups) == {"s1"}
    assert parts.valid is not None
    assert set(parts.train.groups) == set(parts.valid.groups) == {"s0"}


@given(recordings=corpora(), share=st.floats(0.1, 0.6), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_validation_never_comes_from_the_test(recordings: Recordings, share: float, seed: int) -> None:
    try:
        train, test = cut(recordings, 0.3, False, seed, "test")
        parts = with_validation(Splits(train, None, test), share, seed)
    except UserError:
        return  # nothing can be cut; the reasons are tested above
    assert parts.test == test
    assert parts.valid is not None
    assert all_paths(parts.train, parts.valid) == sorted(train.paths)
    assert not set(parts.valid.paths) & set(test.paths)


def test_a_validation_part_of_its_own_is_kept() -> None:
    parts = Splits(Recordings(("a",)), Recordings(("b",)), Recordings(("c",)))
    assert with_validation(parts, 0.5, 0) == TrainingSplits(parts.train, parts.valid, parts.test)


def test_validation_holds_whole_speakers_out_where_names_say_who_speaks() -> None:
    train = Recordings(tuple(f"s{g}_{i}.wav" for g in range(4) for i in range(5)))
    parts = with_validation(Splits(train, None, Recordings(("t_0.wav",))), 0.3, 0)
    assert parts.valid is not None
    assert not set(parts.train.groups) & set(parts.valid.groups)
    # Names without a speaker: every file would be a speaker of its own.
    plain = Recordings(tuple(f"{i}.wav" for i in range(10)))
    parts = with_validation(Splits(plain, None, Recordings(("t.wav",))), 0.3, 0)
    assert parts.valid is not None
    assert len(parts.valid) == 3


def spoken(speakers: str, words: str, takes: int = 2) -> Recordings:
    """Every speaker says every word ``takes`` times: ``w/x_0.wav`` is word w by x."""
    paths = [f"{word}/{speaker}_{take}.wav" for word in words for speaker in speakers for take in range(takes)]
    return Recordings(tuple(paths), tuple(path[0] for path in paths))


def test_training_never_has_test_classes() -> None:
    recordings = spoken("abcdef", "pqrs")
    done = split(recordings, test_share=0.3, valid_share=0.3, seed=0, group=True, test_classes=["q", "s"])
    assert done.valid is not None
    assert set(done.test.classes or ()) == {"q", "s"}
    assert len(done.test) == 24
    assert set(done.train.classes or ()) | set(done.valid.classes or ()) == {"p", "r"}


def test_training_never_has_test_groups_or_test_classes() -> None:
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


@given(share=st.floats(0.05, 0.9), group=st.booleans(), seed=st.integers(0, 9), named=st.booleans())
@settings(max_examples=60, deadline=None)
def test_training_never_has_unheard_classes_and_the_test_is_the_same(
    share: float, group: bool, seed: int, named: bool
) -> None:
    recordings = spoken("abcdef", "pqrstuvw")
    groups = ["a", "b"] if named and group else []
    arguments = {"test_share": 0.3, "valid_share": 0.3, "seed": seed, "group": group, "test_groups": groups}
    plain = split(recordings, **arguments)
    done = split(recordings, **arguments, unheard_classes=share)
    assert done.test == plain.test
    unheard = set(done.test.classes or ()) - set(done.train.classes or ()) - set(done.valid.classes or ())
    assert unheard == drawn(recordings.classes or (), share, seed)
    # Of the other classes nothing is left out.
    kept = [r.path for part in (plain.train, plain.valid) for r in part if r.label not in unheard]
    assert all_paths(done.train, done.valid) == sorted(kept)
    if group:
        assert not set(done.test.groups) & {*done.train.groups, *done.valid.groups}


@st.composite
def shared(draw: st.DrawFn) -> Recordings:
    """A corpus some of whose recordings share audio, in their groups as `listing` leaves them or without."""
    recordings = draw(corpora(least_groups=4))
    names = st.sampled_from(["", "", "", "x", "y", "z"])
    sources = draw(st.lists(names, min_size=len(recordings), max_size=len(recordings)))
    groups = joined(recordings.groups, sources, [True] * len(sources))
    return replace(recordings, sources=tuple(sources), groups=groups)


@given(
    recordings=shared(),
    share=st.floats(0.1, 0.6),
    seed=st.integers(0, 9),
    group=st.booleans(),
    unheard=st.sampled_from([0.0, 0.3]),
)
@settings(max_examples=150, deadline=None)
def test_no_part_has_audio_of_another(
    recordings: Recordings, share: float, seed: int, group: bool, unheard: float
) -> None:
    """The test shares no source, group or never-heard class with training; nor do training and validation a source."""
    unheard = unheard if recordings.classes else 0.0
    try:
        done = split(recordings, test_share=share, valid_share=0.3, seed=seed, group=group, unheard_classes=unheard)
    except UserError:
        return  # too few groups or classes are left
    parts = [done.train, done.valid, done.test]
    for one, other in itertools.combinations(parts, 2):
        assert not {*one.sources} & {*other.sources} - {""}
    if group:
        assert not {*done.test.groups} & {*done.train.groups, *done.valid.groups}
    if unheard:
        never = drawn(recordings.classes or (), unheard, seed)
        assert not never & {*(done.train.classes or ()), *(done.valid.classes or ())}
    if not unheard:
        assert all_paths(*parts) == sorted(recordings.paths)


def test_a_window_of_a_test_recording_is_not_trained_on_under_another_class() -> None:
    recordings = replace(spoken("abc", "pq", 1), sources=("s", "", "", "s", "", ""))
    done = split(recordings, test_share=0.3, valid_share=0.5, seed=0, group=False, test_classes=["p"])
    assert all_paths(done.test) == ["p/a_0.wav", "p/b_0.wav", "p/c_0.wav"]
    assert all_paths(done.train, done.valid) == ["q/b_0.wav", "q/c_0.wav"]


def test_unheard_classes_where_they_have_no_meaning_are_refused() -> None:
    arguments = {"test_share": 0.3, "valid_share": 0.3, "seed": 0, "group": True, "unheard_classes": 0.2}
    with pytest.raises(UserError, match=r"0\.2, and the recordings are a list without classes; set it to 0"):
        split(Recordings(("a_0", "b_0", "c_0")), **arguments)
    with pytest.raises(UserError, match=r"test classes are named, and split\.unheard_classes is 0\.2") as caught:
        split(spoken("abcdef", "pqrs"), **arguments, test_classes=["p"])
    assert caught.value.parameter == "test_classes"
    with pytest.raises(UserError, match="leaves nothing to train on; lower it"):
        split(Recordings(("p/a_0.wav", "q/b_0.wav"), ("p", "q")), **arguments)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"test_classes": ["p", "z"]}, "'z' is not a class of any recording; there are: p, q."),
        ({"test_classes": ["p", "q"]}, "all classes are named; nothing is left to train on."),
        ({"test_groups": ["b"], "test_classes": ["q"]}, "no recording in common"),
        ({"test_groups": ["a"], "test_classes": ["p"]}, "every recording is of a test group or test class"),
    ],
)
def test_impossible_test_classes_are_refused(wanted: dict[str, list[str]], why: str) -> None:
    paths = ("p/a_0.wav", "p/a_1.wav", "p/b_0.wav", "q/a_0.wav")
    with pytest.raises(UserError, match=re.escape(why)):
        split(Recordings(paths, ("p", "p", "p", "q")), test_share=0.3, valid_share=0.3, seed=0, group=True, **wanted)


def test_a_list_has_no_test_classes() -> None:
    with pytest.raises(UserError, match="a list without classes, so none can be the test") as caught:
        split(Recordings(("a_0", "b_0")), test_share=0.3, valid_share=0.3, seed=0, group=True, test_classes=["p"])
    assert caught.value.parameter == "test_classes"


def test_further_recordings_are_only_for_training_each_in_a_class_of_its_own() -> None:
    done = split(spoken("abcdef", "pq"), test_share=0.3, valid_share=0.3, seed=0, group=True)
    wider = add_to_training(done, Recordings(("s/1.wav", "s/2.wav")))
    assert (wider.valid, wider.test) == (done.valid, done.test)
    assert wider.train.paths == (*done.train.paths, "s/1.wav", "s/2.wav")
    assert (wider.train.classes or ())[-2:] == ("s/1.wav", "s/2.wav")
    listed = Splits(Recordings(("a",)), None, Recordings(("b",)))
    assert add_to_training(listed, Recordings(("c",))).train == Recordings(("a", "c"))


@pytest.mark.parametrize("known", [True, False])
def test_training_has_nothing_of_a_folder_that_is_all_test(tmp_path: Path, known: bool) -> None:
    test = spoken("ab", "pq")
    test = test if known else Recordings(test.paths)
    done = all_for_test(test, Recordings(tuple(f"s/{i}.wav" for i in range(10))), 0.2, 0)
    assert done.valid is not None
    assert done.test == test
    assert (len(done.train), len(done.valid)) == (9, 1)
    assert not set(done.train.paths) & set(done.valid.paths)
    write(tmp_path / "audios.bin", done)
    assert set(read(tmp_path / "audios.bin").train.paths) == set(done.train.paths)


def test_validation_takes_single_recordings_where_whole_speakers_would_be_half_of_them() -> None:
    recordings = spoken("abcdef", "pqrs", 5)
    few = split(recordings, test_share=0.3, valid_share=0.2, seed=0, group=True, test_groups=["a", "b"])
    assert few.valid is not None
    assert set(few.train.groups) == set(few.valid.groups) == set("cdef")
    assert len(few.valid) == 16
    assert not set(few.test.groups) & set("cdef")
    many = split(spoken("abcdefghijkl", "pq"), test_share=0.2, valid_share=0.2, seed=0, group=True)
    assert many.valid is not None
    assert not set(many.train.groups) & set(many.valid.groups)


def test_validation_takes_whole_speakers_where_single_recordings_would_have_no_match() -> None:
    single = spoken("abcdef", "pqrs", 1)
    done = split(single, test_share=0.3, valid_share=0.2, seed=0, group=True, test_groups=["a", "b"])
    assert done.valid is not None
    assert len(set(done.valid.groups)) == 2
    assert not set(done.train.groups) & set(done.valid.groups)
