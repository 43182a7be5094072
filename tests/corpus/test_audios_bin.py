"""``audios.bin``, read without running anything, and ``audios.json`` next to it."""

import collections
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wav2tok.corpus.audios_bin import former, read, write
from wav2tok.corpus.recordings import Recording, Recordings, Splits, TrainingSplits
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


@pytest.mark.promise("An audios.bin that names a function", "It is refused, and nothing is run.")
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
        ([["a"]], "does not hold"),
        ([["a"], ["b"], ["c"], ["d"]], "does not hold"),
        ({"train": ["a"], "test": ["b"]}, "does not hold"),
        ("ab", "does not hold"),
        (7, "does not hold"),
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
def test_an_impossible_split_is_refused(tmp_path: Path, value: Any, why: str) -> None:
    with pytest.raises(UserError, match=why):
        read(put(tmp_path / "audios.bin", value))


@pytest.mark.parametrize("name", ["a\0b.wav", "a\ud800.wav"])
def test_what_the_system_takes_for_no_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="training part is neither a list of paths"):
        read(put(tmp_path / "audios.bin", [[name], ["b.wav"]]))


TEXT = st.text(st.characters(codec="utf-8"), max_size=4)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)


@st.composite
def corpora(draw: st.DrawFn) -> Recordings:
    """Recordings with everything that can be known about them, or not; sometimes without classes."""
    n = draw(st.integers(3, 20))

    def column(values: st.SearchStrategy[Any]) -> tuple[Any, ...]:
        return tuple(draw(st.lists(values, min_size=n, max_size=n)))

    return Recordings(
        tuple(f"data/{i}_{name}.wav" for i, name in enumerate(column(NAMES))),
        draw(st.just(None) | st.just(column(TEXT))),
        column(TEXT),
        column(st.none() | st.floats(0, 1e5)),
        column(st.none() | st.just("5" * 64)),
    )


@given(recordings=corpora(), valid=st.booleans())
@settings(max_examples=60, deadline=None)
def test_write_and_read_give_the_same_splits(
    tmp_path_factory: pytest.TempPathFactory, recordings: Recordings, valid: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.bin"
    n = len(recordings)
    middle = recordings.take([n - 2]) if valid else None
    parts = Splits(recordings.take(range(n - 2)), middle, recordings.take([n - 1]))
    write(path, parts)
    got = read(path)
    for ours, theirs in ((parts.train, got.train), (parts.valid, got.valid), (parts.test, got.test)):
        assert (ours is None) == (theirs is None)
        # A dictionary keeps the members of a class together, so the order may change but nothing else.
        assert sorted(map(repr, ours or ())) == sorted(map(repr, theirs or ()))


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """An ``audios.bin`` whose groups are not in its file names."""
    recordings = Recordings(
        ("a.wav", "b.wav", "c.wav"), None, ("ada", "ben", "ada"), (1.0, None, 2.5), ("5", None, "7"), ("s", "", "")
    )
    write(tmp_path / "audios.bin", Splits(recordings[:1], recordings[1:2], recordings[2:]))
    return tmp_path / "audios.bin"


def test_audios_json_has_one_row_per_recording(known: Path) -> None:
    table = json.loads(known.with_suffix(".json").read_text())
    assert table["audios_bin"] == hashlib.sha256(known.read_bytes()).hexdigest()
    assert [list(row.values()) for row in table["recordings"]] == [
        ["train", "a.wav", None, "ada", 1.0, "5", "s"],
        ["valid", "b.wav", None, "ben", None, None, ""],
        ["test", "c.wav", None, "ada", 2.5, "7", ""],
    ]
    assert list(table["recordings"][0]) == ["part", "path", "class", "group", "seconds", "sha256", "source"]
    assert pickle.loads(known.read_bytes()) == [["a.wav"], ["b.wav"], ["c.wav"]]  # as published, with nothing added


def test_without_audios_json_groups_are_read_from_the_file_names(known: Path) -> None:
    known.with_suffix(".json").unlink()
    assert read(known).test == Recordings(("c.wav",))
    assert read(known).test[0] == Recording("c.wav", None, "c", None, None)


def test_audios_json_of_another_audios_bin_is_ignored(known: Path, lines: list[str]) -> None:
    """A user puts their own ``audios.bin`` in the place of ours; it must work, and not with our groups."""
    put(known, [["c.wav"], ["b.wav"], ["a.wav"]])
    assert read(known) == Splits(Recordings(("c.wav",)), Recordings(("b.wav",)), Recordings(("a.wav",)))
    assert "audios.json belongs to another audios.bin and is ignored" in lines[0]


@pytest.mark.promise(
    "A damaged audios.json", "One sentence and exit code 2: the split that it holds is not dropped without a word."
)
@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_damaged_audios_json_is_not_passed_over(known: Path, cut: int) -> None:
    details = known.with_suffix(".json")
    details.write_bytes(details.read_bytes()[:cut])
    for use in (lambda: read(known), lambda: former(known, {}), lambda: write(known, read(known))):
        with pytest.raises(UserError, match=r"audios\.json is damaged \(.*\); restore it, or delete it"):
            use()
    assert details.exists()


@pytest.mark.parametrize("text", ["[]", "{}", '{"mine": 1}', "7"])
def test_a_file_of_the_name_of_audios_json_is_left_alone(tmp_path: Path, text: str) -> None:
    path = put(tmp_path / "audios.bin", [["a.wav"], ["b.wav"]])
    (tmp_path / "audios.json").write_text(text)
    parts = read(path)
    assert parts.test == Recordings(("b.wav",))
    before = path.read_bytes()
    with pytest.raises(UserError, match=r"audios\.json would be replaced and is not from wav2tok split") as caught:
        write(path, Splits(parts.test, None, parts.train))
    assert caught.value.parameter == "out"
    assert (path.read_bytes(), (tmp_path / "audios.json").read_text()) == (before, text)


def test_an_audios_bin_is_not_called_json(tmp_path: Path) -> None:
    parts = Splits(Recordings(("a",)), None, Recordings(("b",)))
    with pytest.raises(UserError, match=r"audios\.json ends in \.json"):
        write(tmp_path / "audios.json", parts)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.pop("recordings"),
        lambda table: table["recordings"].pop(),
        lambda table: table["recordings"][1].pop("group"),
        lambda table: table["recordings"][1].update(group=None),
        lambda table: table["recordings"][1].update(seconds="long"),
        lambda table: table["recordings"][1].update(sha256=5),
        lambda table: table.update(recordings=[1]),
    ],
)
def test_an_incomplete_audios_json_is_refused(known: Path, change: Callable[[dict[str, Any]], object]) -> None:
    details = known.with_suffix(".json")
    table = json.loads(details.read_text())
    change(table)
    details.write_text(json.dumps(table))
    with pytest.raises(UserError, match=r"audios\.json does not describe every recording"):
        read(known)


def test_a_group_corrected_by_hand_is_used(known: Path) -> None:
    details = known.with_suffix(".json")
    details.write_text(details.read_text().replace("ben", "eva"))
    valid = read(known).valid
    assert valid is not None
    assert valid.groups == ("eva",)


def test_a_former_split_is_known_by_its_rule(tmp_path: Path) -> None:
    parts = TrainingSplits(Recordings(("d/a.wav", "e/x.wav")), Recordings(("d/b.wav",)), Recordings(("d/c/e.wav",)))
    rule = {"seed": 0, "test_share": 0.3, "test_groups": ["ada"]}
    path = tmp_path / "audios.bin"
    assert former(path, rule) == {}
    write(path, parts)
    assert former(path, rule) == {}
    write(path, parts, Path("d"), rule)
    path.unlink()
    assert former(path, rule) == {"a.wav": "train", "b.wav": "valid", "c/e.wav": "test"}
    assert former(path, rule | {"seed": 1}) == {}


def test_a_former_split_with_a_part_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "audios.bin"
    write(path, Splits(Recordings(("d/a.wav",)), None, Recordings(("d/b.wav",))), Path("d"), {"seed": 0})
    details = path.with_suffix(".json")
    details.write_text(details.read_text().replace('"test"', '"tset"'))
    with pytest.raises(UserError, match=r"audios\.json lacks its folder, or the part of a recording; restore it"):
        former(path, {"seed": 0})
