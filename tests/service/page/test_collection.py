"""Folders that cannot be searched get a sentence; the names shown are those below the folder."""

from pathlib import Path

import pytest

from wav2tok.matching import Tokenized
from wav2tok.service.page.collection import Collection
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return Tokenizer.from_pretrained(tiny_model, "cpu")


def filled(folder: Path, tokenizer) -> Collection:
    """A collection whose thread has ended."""
    collection = Collection(folder)
    collection.start(lambda: tokenizer).join(60)
    return collection


def test_a_collection_is_searched_once_all_is_tokenized(tiny_corpus, tokenizer):
    collection = filled(tiny_corpus, tokenizer)
    assert collection.error is None
    assert collection.state()["done"] == collection.state()["total"] == 28
    assert collection.points.shape == (28, 2)
    query = collection.ready.entries[3]
    assert collection.ready.index.search(query.tokens, top=1)[0].distance == 0
    assert collection.about(query) == {"name": Path(query.path).stem, "group": "arch", "duration_s": query.seconds}
    assert collection.recordings(collection.ready)[3]["number"] == 3


def test_a_folder_without_audio_is_named(tmp_path, tokenizer):
    assert "holds no recordings" in filled(tmp_path, tokenizer).error
    (tmp_path / "a.wav").write_text("not audio")
    collection = filled(tmp_path, tokenizer)
    assert collection.error == f"none of the 1 recordings in {tmp_path} can be read; name another folder."
    assert collection.ready is None


def test_without_a_model_there_is_no_collection(tiny_corpus):
    collection = filled(tiny_corpus, None)
    assert collection.ready is None
    assert collection.state()["done"] == 0


def test_recordings_at_the_top_of_the_folder_have_no_group(tmp_path):
    about = Collection(tmp_path).about(Tokenized(str(tmp_path / "a.wav"), 1.0, None, None))
    assert about == {"name": "a", "group": "", "duration_s": 1.0}
