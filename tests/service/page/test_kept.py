"""The demo's token strings are kept: a second start reads only what is new or has changed."""

import os
import shutil

import pytest

from wav2tok.matching import Tokenized
from wav2tok.service.page import collection as collecting
from wav2tok.service.page import kept
from wav2tok.service.page.collection import Collection
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model) -> Tokenizer:
    return Tokenizer.from_pretrained(tiny_model, "cpu")


@pytest.fixture
def folder(tiny_corpus, tmp_path, monkeypatch):
    """A copy of some recordings, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shutil.copytree(tiny_corpus / "arch", tmp_path / "recordings")


@pytest.fixture
def started(folder, tokenizer, monkeypatch):
    """A function that starts a collection; it returns the strings, and the names of the files that were tokenized."""
    read: list[str] = []
    tokenize_files = collecting.tokenize_files

    def counted(files, tokenizer):
        read.extend(os.path.basename(one) for one in files)
        return tokenize_files(files, tokenizer)

    monkeypatch.setattr(collecting, "tokenize_files", counted)

    def start():
        read.clear()
        collection = Collection(folder)
        collection.start(lambda: tokenizer).join(60)
        assert collection.error is None
        assert collection.done == collection.total
        entries = collection.ready.entries
        assert [one.path for one in entries] == sorted(map(str, folder.glob("*.flac")))
        return [same(one) for one in entries], list(read)

    return start


def same(one: Tokenized) -> tuple:
    return one.path, pytest.approx(one.seconds), one.tokens.tolist(), one.starts.tolist()


def test_a_second_start_reads_nothing_and_has_the_same_strings(started):
    first, read = started()
    assert len(read) == len(first) == 7
    second, read = started()
    assert [(one[0], *one[2:]) for one in second] == [(one[0], *one[2:]) for one in first]
    assert read == []


def test_only_what_is_new_or_changed_is_read_and_what_is_gone_is_forgotten(started, folder):
    started()
    shutil.copy(folder / "ada_0.flac", folder / "new.flac")
    shutil.copy(folder / "ben_0.flac", folder / "cleo_0.flac")
    (folder / "dan_0.flac").unlink()
    second, read = started()
    assert sorted(read) == ["cleo_0.flac", "new.flac"]
    strings = {os.path.basename(path): tokens for path, _, tokens, _ in second}
    assert strings["new.flac"] == strings["ada_0.flac"]
    assert strings["cleo_0.flac"] == strings["ben_0.flac"]
    assert len(second) == 7
    assert started()[1] == []


def test_a_damaged_cache_is_made_again_and_one_that_cannot_be_written_is_done_without(started, tmp_path):
    started()
    (index,) = kept.place().iterdir()
    (index / "index.json").write_text("{")
    assert len(started()[1]) == 7
    assert started()[1] == []
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file")
    for _ in range(2):
        strings, read = started()
        assert len(strings) == len(read) == 7


def test_folders_that_were_used_longest_ago_go_first(folder, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "KEPT", 2)
    made = []
    for number in range(3):
        made.append(kept.Kept(tmp_path / str(number), tokenizer).path)
        os.utime(made[-1], (number, number))
    assert [path.exists() for path in made] == [False, True, True]
