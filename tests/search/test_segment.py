"""Segments: what is packed comes back, and damaged ones are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from tests.search.collections import K, recording, same
from wav2tok.errors import UserError
from wav2tok.matching import Tokenized
from wav2tok.matching.candidates import MAX_UNITS, PIECE
from wav2tok.search import container
from wav2tok.search.segment import Entry, Rows, Segment, cut, pack, text

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def entries(draw: st.DrawFn) -> list[Entry]:
    out = []
    for key in draw(st.lists(st.integers(0, 2**64 - 1), max_size=6, unique=True)):
        held = draw(st.lists(st.integers(1, 700), max_size=8))
        tokens = np.array(draw(st.lists(st.integers(0, 299), min_size=len(held), max_size=len(held))), dtype=np.int64)
        starts = np.cumsum(held, dtype=np.int64) - (held[0] if held else 0)
        seconds = draw(st.integers(0, 2**32 - 1)) / 10_000
        out.append(Entry(Tokenized(draw(names), seconds, tokens, starts), key, draw(st.integers(0, 2**32 - 1))))
    return out


@settings(deadline=None, max_examples=100)
@given(entries())
def test_recordings_come_back_as_they_were(written):
    segment = Segment(pack(Rows.of(written), 300))
    assert segment.documents == len(written)
    for i, entry in enumerate(written):
        assert same(segment.recording(i), entry.recording)
    keys = np.array([entry.key for entry in written], dtype=np.uint64)
    assert segment.find(keys).tolist() == list(range(len(written)))
    assert segment.find(keys + np.uint64(1)).tolist() == [
        next((i for i, entry in enumerate(written) if entry.key == (key + 1) % 2**64), -1) for key in keys.tolist()
    ]
    assert segment.stamps.tolist() == [entry.stamp for entry in written]
    assert segment.counts.sum() == sum(len(entry.recording.tokens) for entry in written)


@settings(deadline=None, max_examples=60)
@given(entries(), st.data())
def test_a_merged_segment_is_one_packed_from_its_living_recordings(written, data):
    dead = np.array(sorted(data.draw(st.sets(st.integers(0, max(len(written) - 1, 0))))), dtype=np.int64)
    dead = dead[dead < len(written)]
    at = data.draw(st.integers(0, len(written)))
    parts = [Segment(pack(Rows.of(part), 300)) for part in (written[:at], written[at:])]
    merged = Rows.joined([parts[0].rows(dead[dead < at]), parts[1].rows(dead[dead >= at] - at)])
    living = [entry for i, entry in enumerate(written) if i not in dead]
    assert pack(merged, 300) == pack(Rows.of(living), 300)


@pytest.mark.parametrize(("num_tokens", "bytes_each"), [(256, 1), (257, 2)])
def test_tokens_take_a_byte_where_they_can(num_tokens, bytes_each):
    segment = Segment(pack(Rows.of([Entry(recording("a", [1, num_tokens - 1]), 1)]), num_tokens))
    assert segment.tokens.itemsize == bytes_each
    assert segment.string(0).tolist() == [1, num_tokens - 1]


@pytest.mark.parametrize("num_tokens", [64, 256, 257, 2000])
def test_texts_are_those_of_the_strings(num_tokens):
    strings = [np.array(one, dtype=np.int64) for one in ([1, 2], [], [3, num_tokens - 1, 5])]
    entries = [Entry(recording(str(i), one), i) for i, one in enumerate(strings)]
    segment = Segment(pack(Rows.of(entries), num_tokens))
    assert segment.texts(np.array([2, 1, 0])) == [text(one, num_tokens) for one in strings[::-1]]
    assert [len(one) for one in segment.strings] == [2, 0, 3]
    # Only equal tokens are equal characters.
    query = text(np.array([num_tokens - 1, 3, 5]), num_tokens)
    assert [Levenshtein.distance(query, one) for one in segment.strings] == [3, 3, 2]


@pytest.mark.parametrize(
    ("kept", "message"), [(0, "no header"), (5, "no header"), (40, "no header"), (2000, "cut off")]
)
def test_a_cut_segment_is_refused(kept, message):
    content = pack(Rows.of([Entry(recording("a", range(40)), 1)]), K)
    with pytest.raises(ValueError, match=message):
        Segment(content[:kept])


def test_other_arrays_are_refused():
    with pytest.raises(ValueError, match="not a segment"):
        Segment(container.pack({"tokens": np.zeros(1, np.uint8)}, {}))


def test_the_file_is_read_by_the_library_for_its_format():
    numpy = pytest.importorskip("safetensors.numpy")
    content = pack(Rows.of([Entry(recording("a", [3, 1, 2]), 1)]), K)
    assert numpy.load(content)["tokens"].tolist() == [3, 1, 2]


def test_entries_are_cut_to_what_a_segment_has_room_for(monkeypatch):
    monkeypatch.setattr("wav2tok.search.segment.MAX_UNITS", 4)
    some = [Entry(recording(str(i), np.zeros(n, int)), i) for i, n in enumerate([1, 3 * PIECE, 1, 1, 1, 4 * PIECE, 1])]
    parts = cut(some)
    assert [entry for part in parts for entry in part] == some
    assert [len(part) for part in parts] == [2, 3, 1, 1]
    assert cut([]) == []


def test_a_recording_too_long_for_a_segment_is_named():
    long = Entry(recording("long.flac", np.zeros(MAX_UNITS * PIECE + 1, dtype=np.int64)), 1)
    with pytest.raises(UserError, match=r"long\.flac has 4194305 tokens"):
        cut([long])
