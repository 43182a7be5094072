"""An index on disk, and search in it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance
from wav2tok.audio import decode
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized, deduplicate, runs
from wav2tok.search.index import Index
from wav2tok.tokenizer.tokenizer import Tokenizer

HOP = 0.016


def entry(name: str, tokens: list[int], hold: int = 2) -> Tokenized:
    """A recording in which every token lasts ``hold`` frames."""
    starts = np.arange(len(tokens), dtype=np.int64) * hold
    return Tokenized(name, round(len(tokens) * hold * HOP, 4), np.array(tokens, dtype=np.int64), starts)


def test_an_index_comes_back_as_it_was(tiny_model: Path, tiny_corpus: Path, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    written = Index.build([tiny_corpus], tokenizer)
    assert [e.path for e in written.entries] == [str(p) for p in decode.find(tiny_corpus)]
    written.save(tmp_path / "index.json")
    got = Index.load(tmp_path / "index.json", tokenizer)
    assert (got.identity, got.frame_seconds) == (tokenizer.identity, tokenizer.frame_seconds)
    for ours, theirs in zip(written.entries, got.entries, strict=True):
        assert (ours.path, ours.seconds) == (theirs.path, theirs.seconds)
        assert np.array_equal(ours.tokens, theirs.tokens)
        assert np.array_equal(ours.starts, theirs.starts)
    # Every recording finds itself.
    assert all(got.search(e.tokens, 1)[0].distance == 0 for e in got.entries)


def test_a_file_that_cannot_be_read_is_named(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    with pytest.raises(UserError, match=r"noise\.wav cannot be read as audio"):
        Index.build([tmp_path], Tokenizer.from_pretrained(tiny_model, "cpu", threads=1))


def test_an_index_of_another_tokenizer_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    Index("one", HOP, [entry("a", [1, 2])]).save(tmp_path / "index.json")
    with pytest.raises(UserError, match="another tokenizer"):
        Index.load(tmp_path / "index.json", Tokenizer.from_pretrained(tiny_model, "cpu", threads=1))


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"recordings": [1]}', '{"recordings": [{"path": "a"}]}', "{"])
def test_what_is_no_index_is_refused_by_name(tiny_model: Path, tmp_path: Path, text: str) -> None:
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(UserError, match=r"index\.json"):
        Index.load(tmp_path / "index.json", tokenizer)
    with pytest.raises(UserError, match="does not exist"):
        Index.load(tmp_path / "missing.json", tokenizer)


strings = st.lists(st.integers(0, 5), max_size=12)


@given(database=st.lists(strings, min_size=1, max_size=8), query=strings, top=st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_nearest_by_brute_force(database: list[list[int]], query: list[int], top: int) -> None:
    hits = Index("x", HOP, [entry(str(i), s) for i, s in enumerate(database)]).search(np.array(query, int), top)
    expected = [
        (str(i), edit_distance(query, s) / max(len(query), len(s))) for i, s in enumerate(database) if s and query
    ]
    expected = sorted(expected, key=lambda hit: hit[1])[:top]
    assert [hit.path for hit in hits] == [name for name, _ in expected]
    assert [hit.distance for hit in hits] == pytest.approx([d for _, d in expected], abs=1e-4)


@given(
    query=st.lists(st.integers(0, 9), min_size=3, max_size=8),
    before=st.lists(st.integers(10, 20), max_size=10),
    after=st.lists(st.integers(10, 20), max_size=10),
    hold=st.integers(1, 4),
)
@settings(max_examples=80, deadline=None)
def test_spot_finds_the_span_of_a_planted_string(
    query: list[int], before: list[int], after: list[int], hold: int
) -> None:
    planted = entry("planted", before + query + after, hold)
    other = entry("other", list(range(30, 50)))
    hits = Index("x", HOP, [other, planted]).spot(np.array(query), 2)
    assert (hits[0].path, hits[0].similarity) == ("planted", 100)
    assert hits[0].start == pytest.approx(len(before) * hold * HOP, abs=2e-3)
    assert hits[0].end == pytest.approx((len(before) + len(query)) * hold * HOP, abs=2e-3)


def test_a_recording_shorter_than_the_query_is_spotted_whole() -> None:
    (hit,) = Index("x", HOP, [entry("short", [3, 4, 5])]).spot(np.array([1, 2, 3, 4, 5, 6]), 5)
    assert (hit.start, hit.end) == (0, pytest.approx(6 * HOP, abs=1e-3))
    assert hit.similarity > 50


@given(rows=st.lists(strings, min_size=1, max_size=6), query=strings, top=st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_hits_lie_within_their_recordings_best_first(rows: list[list[int]], query: list[int], top: int) -> None:
    entries = [entry(str(i), deduplicate(np.array(s, int)).tolist()) for i, s in enumerate(rows)]
    hits = Index("x", HOP, entries).spot(np.array(query, int), top)
    assert len(hits) <= top
    assert [h.similarity for h in hits] == sorted((h.similarity for h in hits), reverse=True)
    for hit in hits:
        assert 0 <= hit.start < hit.end <= entries[int(hit.path)].seconds + 1e-3
    if not query:
        assert not hits


def test_a_query_spoken_within_a_longer_recording_is_found(tiny_model: Path, tiny_corpus: Path) -> None:
    tokenizer = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    waves = [decode.read(p, 8000) for p in decode.find(tiny_corpus)[::7]]
    frames = tokenizer.encode_frames([np.concatenate(waves)], 8000)[0]
    starts, _ = runs(frames)
    whole = Tokenized("whole", len(np.concatenate(waves)) / 8000, frames[starts], starts)
    first, last = len(starts) // 3, 2 * len(starts) // 3
    (hit,) = Index("x", HOP, [whole]).spot(whole.tokens[first:last], 1)
    assert hit.similarity == 100
    assert hit.start == pytest.approx(starts[first] * HOP, abs=1e-3)
    assert hit.end == pytest.approx(starts[last] * HOP, abs=1e-3)
