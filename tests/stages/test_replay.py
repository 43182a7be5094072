"""``wav2tok replay``: logged searches are asked of the same model by tokens, of another by sound, and else left out."""

import json

import pytest

from wav2tok.errors import UserError
from wav2tok.search import asked
from wav2tok.search.asked import Asked, Sounds
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of
from wav2tok.stages.replay import Replay
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(tiny_model):
    return Tokenizer(tiny_model, "cpu", threads=1)


@pytest.fixture(scope="module")
def paths(tiny_corpus):
    return sorted(tiny_corpus.rglob("*.flac"))[:12]


@pytest.fixture(scope="module")
def index(paths, tokenizer):
    return Index.build(paths, tokenizer)


@pytest.fixture(scope="module")
def served(paths, index, tokenizer, tmp_path_factory):
    """The log of a search for each recording, of every second one with its sound; its folder."""
    folder = tmp_path_factory.mktemp("served")
    for number, path in enumerate(paths):
        tokens = tokens_of(path, tokenizer)
        found = index.search(tokens, asked.ANSWERS)
        sound = Sounds(folder / "sounds", 1, 10).keep(path.read_bytes()) if number % 2 else None
        names, distances = tuple(one.path for one in found), tuple(one.distance for one in found)
        one = Asked("now", tokenizer.source, tokenizer.identity, tuple(tokens.tolist()), names, distances, sound)
        asked.append(one, folder / "log", 1)
    return folder


def test_the_same_index_answers_as_before(served, index, tokenizer):
    replay = Replay(index, tokenizer)
    assert list(replay.run(served / "log")) == []
    assert replay.sentence == "0 of 12 searches have another first answer."


def test_an_index_without_the_first_answers_changes_them(served, paths, index, tokenizer):
    fewer = Index.build(paths[1:], tokenizer)
    replay = Replay(fewer, tokenizer)
    found = list(replay.run(served / "log"))
    logged = list(asked.read(served / "log"))
    expected = [one for one in logged if fewer.search(one.tokens, 1)[0].path != one.paths[0]]
    assert 0 < len(found) == len(expected) < 12
    for one, was in zip(found, expected, strict=True):
        assert (one.before, one.before_distance, one.asked_with) == (was.paths[0], was.distances[0], "tokens")
        assert one.after == fewer.search(was.tokens, 1)[0].path
    assert found[0].before == str(paths[0])
    assert found[0].rank is None  # it is gone


def test_another_model_is_asked_with_the_sounds_that_were_kept(served, paths, tmp_path):
    """Its tokens are others, so a search without its sound cannot be asked, and is counted."""
    challenger = Tokenizer.from_pretrained("wav2tok:humming", "cpu")
    index = Index.build(paths, challenger)
    replay = Replay(index, challenger, served / "sounds")
    found = list(replay.run(served / "log"))
    first = {path: index.search(tokens_of(path, challenger), 1)[0].path for path in paths[1::2]}
    logged = [one for one in asked.read(served / "log") if one.sound]
    assert [one.after for one in found] == [
        new for one, new in zip(logged, first.values(), strict=True) if one.paths[0] != new
    ]
    assert replay.asked == 6
    assert replay.sentence.endswith("6 were not asked: 6 made by another model, and logged without sound.")
    gone = Replay(index, challenger, tmp_path)
    assert list(gone.run(served / "log")) == []
    assert "6 made by another model, and the sound is no longer there" in gone.sentence


def test_a_search_that_says_too_little_is_left_out(index, tokenizer, tmp_path):
    asked.append(Asked("now", "m", tokenizer.identity, (), ("a",), (0.0,)), tmp_path / "log", 1)
    replay = Replay(index, tokenizer)
    assert list(replay.run(tmp_path / "log")) == []
    assert replay.asked == 0
    assert "1 were not asked: 1 too short or unreadable for this model." in replay.sentence


def test_a_log_that_is_none(index, tokenizer, tmp_path):
    (tmp_path / "log").write_text(json.dumps({"path": "x"}) + "\n")
    with pytest.raises(UserError, match="log line 1 is not a search"):
        list(Replay(index, tokenizer).run(tmp_path / "log"))
