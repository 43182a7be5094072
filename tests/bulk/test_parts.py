"""A folder of parts: rows keep what they were made of, the parts say what is done, and foreign ones are refused."""

import numpy as np
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from wav2tok.bulk import parts, rows
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, runs
from wav2tok.tokenizer.batch import Failure
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return Tokenizer.from_pretrained(tiny_model, "cpu", 1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def made(path, frames):
    starts, _ = runs(np.array(frames, dtype=np.int64))
    return Tokenized(path, len(frames) / 10, np.array(frames, dtype=np.int64)[starts], starts)


def write(folder, results, tokenizer, warnings=None):
    with parts.Writer(folder) as writer:
        writer.add(rows.table(results, warnings or {}, tokenizer))


def paths(folder):
    return [path for part in parts.read(folder) for path in part["path"].to_pylist()]


@given(st.lists(st.lists(st.integers(0, 7), max_size=20), max_size=5))
def test_rows_give_back_what_they_were_made_of(tokenizer, strings):
    given_ = [made(f"/r/{i}.flac", frames) for i, frames in enumerate(strings)] + [Failure("/r/bad.flac", "why")]
    table = rows.table(given_, {"/r/bad.flac": ["one", "two"]}, tokenizer)
    assert table.schema.metadata[b"identity"] == tokenizer.identity.encode()
    for back, was in zip(rows.results(table), given_, strict=True):
        if isinstance(was, Failure):
            assert back == was
        else:
            assert (back.path, back.seconds) == (was.path, was.seconds)
            np.testing.assert_array_equal(back.tokens, was.tokens)
            np.testing.assert_array_equal(back.starts, was.starts)
    assert table["warning"].to_pylist() == [None] * len(strings) + ["one; two"]


def test_the_type_of_tokens_holds_the_codebook(tokenizer):
    assert rows.schema(tokenizer).field("tokens").type == pyarrow.list_(pyarrow.uint16())
    large = Tokenizer.__new__(Tokenizer)
    large.__dict__ |= tokenizer.__dict__ | {"num_tokens": (1 << 16) + 1}
    assert rows.schema(large).field("tokens").type == pyarrow.list_(pyarrow.int32())


def test_a_name_that_is_not_utf_8_has_a_row(tokenizer, folder):
    write(folder, [made("/r/a\udcff.flac", [1, 2])], tokenizer)
    assert paths(folder) == ["/r/a\\xff.flac"]
    assert parts.finished(folder) == {rows.name("/r/a\udcff.flac")}


def test_writers_continue_after_the_last_part_and_leave_nothing_else(tokenizer, folder):
    for i in range(3):
        write(folder, [made(f"/r/{i}.flac", [i])], tokenizer)
    assert sorted(path.name for path in folder.iterdir()) == [f"part-0000{i}.parquet" for i in range(3)]
    assert paths(folder) == [f"/r/{i}.flac" for i in range(3)]


def test_rows_that_wait_are_written_when_there_are_enough_or_long_enough(tokenizer, folder, monkeypatch):
    monkeypatch.setattr(parts, "ROWS", 2)
    with parts.Writer(folder) as writer:
        writer.add(rows.table([made("/r/0.flac", [0])], {}, tokenizer))
        assert not parts.parts(folder)
        writer.add(rows.table([made("/r/1.flac", [1])], {}, tokenizer))
        assert len(parts.parts(folder)) == 1
        monkeypatch.setattr(parts, "SECONDS", 0.0)
        writer.add(rows.table([made("/r/2.flac", [2])], {}, tokenizer))
        assert len(parts.parts(folder)) == 2


def test_rows_that_wait_are_written_after_an_error(tokenizer, folder):
    def fail():
        with parts.Writer(folder) as writer:
            writer.add(rows.table([made("/r/0.flac", [0])], {}, tokenizer))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert parts.finished(folder) == {"/r/0.flac"}


def test_a_failure_is_not_finished_and_is_forgotten_only_if_it_is_tried_again(tokenizer, folder):
    write(folder, [made("/r/a", [1]), Failure("/r/b", "gone"), Failure("/r/c", "gone")], tokenizer)
    untouched = folder / "part-00001.parquet"
    write(folder, [made("/r/d", [1])], tokenizer)
    before = untouched.stat().st_mtime_ns
    assert parts.finished(folder) == {"/r/a", "/r/d"}
    parts.forget_failures(folder, {"/r/b", "/r/x"})
    assert paths(folder) == ["/r/a", "/r/c", "/r/d"]
    assert untouched.stat().st_mtime_ns == before


def test_parts_of_others_are_refused(tokenizer, folder):
    write(folder, [made("/r/a", [1])], tokenizer)
    parts.require_made_by(folder, tokenizer.identity)
    with pytest.raises(UserError, match=rf"the tokens of another model, .*identity {tokenizer.identity}, not 77\);"):
        parts.require_made_by(folder, "77")
    parquet.write_table(pyarrow.table({"path": ["x"]}), folder / "part-00001.parquet")
    with pytest.raises(UserError, match=r"part-00001.parquet was not written by wav2tok tokenize --ray"):
        parts.require_made_by(folder, tokenizer.identity)


def test_a_damaged_part_is_named(tokenizer, folder):
    write(folder, [made("/r/a", [1])], tokenizer)
    part = folder / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"part-00000.parquet is damaged .*; delete it"):
        parts.require_made_by(folder, tokenizer.identity)
