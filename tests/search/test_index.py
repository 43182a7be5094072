"""An index in memory and on disk: changes, snapshots, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.search.collections import K, found, index, random_strings, recording, same, tokenizer
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.search.index import Index, root_of
from wav2tok.tokenizer.tokenizer import Tokenizer


def test_an_index_comes_back_as_it_was(tiny_model: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    made_by = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    written = Index.build([tiny_corpus], made_by)
    assert [e.path for e in written.entries] == [str(p) for p in find(tiny_corpus)]
    written.save(tmp_path / "index")
    got = Index.load(tmp_path / "index", made_by)
    assert (got.identity, got.frame_seconds) == (made_by.identity, made_by.frame_seconds)
    assert all(same(*pair) for pair in zip(written.entries, got.entries, strict=True))
    # Every recording finds itself.
    assert all(got.search(e.tokens, 1)[0].distance == 0 for e in got.entries)


def test_a_file_that_cannot_be_read_is_named(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"noise\.wav cannot be read as audio"):
        Index.build([tmp_path], Tokenizer.from_pretrained(tiny_model, "cpu", threads=1))


def test_an_index_of_another_tokenizer_is_refused_and_names_its_own(tmp_path: Path) -> None:
    Index.of(tokenizer("1"), [recording("a", [1, 2])]).save(tmp_path / "index")
    with pytest.raises(UserError, match=r"another tokenizer, models:/wav2tok/1 .* than models:/wav2tok/2"):
        Index.load(tmp_path / "index", tokenizer("2"))


def test_an_empty_index_answers_nothing(tmp_path: Path) -> None:
    Index.of(tokenizer(), []).save(tmp_path / "index")
    empty = Index.load(tmp_path / "index", tokenizer())
    assert (list(empty.search(np.arange(9))), list(empty.spot(np.arange(9))), len(empty)) == ([], [], 0)
    assert len(empty.add([recording("a", range(9))])) == 1


def test_recordings_without_tokens_are_no_answers() -> None:
    empty = index([[], [], []])
    assert (list(empty.search(np.arange(9))), list(empty.spot(np.arange(9)))) == ([], [])
    assert found(index([[], range(9)]).search(np.arange(9))) == ["1"]


changes = st.lists(
    st.one_of(
        st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, K - 1), min_size=6, max_size=9)), min_size=1),
        st.sets(st.integers(0, 9), min_size=1, max_size=4),
    ),
    max_size=12,
)


@given(changes)
@settings(max_examples=40, deadline=None)
def test_changes_leave_what_a_rebuild_would_hold(tmp_path_factory: pytest.TempPathFactory, steps: list) -> None:
    """Additions (of which some replace) and removals, one after the other, against a dictionary."""
    folder = tmp_path_factory.mktemp("changes") / "index"
    Index.of(tokenizer(), []).save(folder)
    now = Index.load(folder)
    held: dict[str, list[int]] = {}
    for step in steps:
        if isinstance(step, set):
            names = [str(name) for name in sorted(step) if str(name) in held]
            now = now.remove(names)
            for name in names:
                del held[name]
        else:
            for name, tokens in dict(step).items():
                held.pop(str(name), None)
                held[str(name)] = tokens
            now = now.add([recording(str(name), tokens) for name, tokens in step])
    rebuilt = Index.of(tokenizer(), [recording(name, tokens) for name, tokens in held.items()])
    assert len(now) == len(rebuilt) == len(held)
    assert {e.path: e.tokens.tolist() for e in now.entries} == held
    query = np.arange(7)
    assert sorted((m.path, m.distance) for m in now.search(query, 99)) == sorted(
        (m.path, m.distance) for m in rebuilt.search(query, 99)
    )
    assert found(Index.load(folder).search(query, 99)) == found(now.search(query, 99))


def test_many_additions_make_few_segments_and_keep_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    now = Index.create(tmp_path / "index", tokenizer(), [])
    strings = random_strings(rng, 300)
    for i, one in enumerate(strings):
        now = now.add([recording(str(i), one)])
    assert len(now.collection.segments) <= 3 * 5 + 1
    assert [e.path for e in now.entries] == [str(i) for i in range(300)]
    assert len(list((tmp_path / "index").glob("*.segment"))) == len(now.collection.segments)
    again = index(strings)
    assert found(now.search(strings[7], 50)) == found(again.search(strings[7], 50))


def test_a_reader_keeps_its_state_while_others_write(tmp_path: Path) -> None:
    strings = random_strings(np.random.default_rng(0), 50)
    reader = Index.create(tmp_path / "index", tokenizer(), [recording(str(i), s) for i, s in enumerate(strings)])
    before = found(reader.search(strings[3], 50))
    writer = Index.load(tmp_path / "index").remove([str(i) for i in range(40)])
    for i in range(60, 70):
        writer = writer.add([recording(str(i), strings[3])])
    assert found(reader.search(strings[3], 50)) == before
    assert len(reader.refresh()) == len(writer) == 20
    assert found(reader.refresh().search(strings[3], 10)) == [str(i) for i in range(60, 70)]
    assert writer.refresh() is writer


def test_an_index_made_again_with_another_model_is_swapped(tmp_path: Path) -> None:
    reader = Index.create(tmp_path / "index", tokenizer("1"), [recording("a", range(9))])
    Index.create(tmp_path / "index", tokenizer("2", 300), [recording("a", range(290, 299))])
    assert reader.search(np.arange(9))[0].distance == 0
    with pytest.raises(UserError, match="made again with models:/wav2tok/2"):
        reader.refresh()
    assert Index.load(tmp_path / "index", tokenizer("2")).search(np.arange(290, 299))[0].distance == 0
    assert len(list((tmp_path / "index").glob("*.segment"))) == 1


def test_an_index_that_cannot_be_made_again_stays(tmp_path: Path) -> None:
    def failing():
        yield recording("b", range(9))
        raise UserError("no more")

    Index.create(tmp_path / "index", tokenizer("1"), [recording("a", range(9))])
    with pytest.raises(UserError, match="no more"):
        Index.create(tmp_path / "index", tokenizer("2"), failing())
    assert found(Index.load(tmp_path / "index", tokenizer("1")).search(np.arange(9))) == ["a"]


@pytest.mark.promise("A file that is indexed twice", "It is in the index once.")
def test_a_real_file_is_in_an_index_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/a.flac").write_bytes(b"1")
    Path("link.flac").symlink_to("data/a.flac")
    one = Index.create(Path("index"), tokenizer(), [recording("data/a.flac", range(9)), recording("link.flac", [1])])
    assert [e.path for e in one.entries] == ["data/a.flac"]
    one = one.add([recording(str(tmp_path / "data" / "a.flac"), range(10, 19))])
    (only,) = one.entries
    assert (only.path, only.tokens[0]) == (str(tmp_path / "data" / "a.flac"), 10)
    assert one.changed(["link.flac", "data/a.flac"]) == []
    Path("data/a.flac").write_bytes(b"other")
    assert one.changed(["link.flac"]) == ["link.flac"]
    assert one.changed(["missing.flac"]) == ["missing.flac"]
    with pytest.raises(UserError, match=r"missing\.flac is not in index"):
        one.remove(["missing.flac"])
    assert len(one.remove(["link.flac"])) == 0


def test_an_empty_path_does_not_stand_for_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = Index.create(Path("index"), tokenizer(), [recording("a.flac", range(9))])
    with pytest.raises(UserError, match="an empty path would name all recordings"):
        made.below([""])
    assert made.below(["."]) == ["a.flac"]


def test_a_folder_that_moved_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data/sub").mkdir(parents=True)
    Path("data/sub/a.flac").write_bytes(b"1")
    assert (root_of(["data/"]), root_of(["data", "more"]), root_of(["data/sub/a.flac"])) == ("data", "", "")
    here = Index.create(Path("index"), tokenizer(), [recording("data/sub/a.flac", range(9))], "data")
    assert found(here.search(np.arange(9))) == ["data/sub/a.flac"]
    Path("data").rename("elsewhere")
    there = here.reroot("elsewhere")
    assert found(there.search(np.arange(9))) == ["elsewhere/sub/a.flac"]
    assert there.changed(["elsewhere/sub/a.flac"]) == []
    assert there.below(["elsewhere"]) == ["elsewhere/sub/a.flac"]
    rootless = Index.create(Path("other"), tokenizer(), [recording("a.flac", range(9))])
    with pytest.raises(UserError, match="no root"):
        rootless.reroot("there")


def test_an_index_in_memory_is_not_changed() -> None:
    with pytest.raises(UserError, match="in memory; save it first"):
        index([[1]]).add([recording("a", [1])])
