"""An index in memory and on disk: rankings against brute force, changes, snapshots, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles import edit_distance
from tests.search.collections import HOP, K, index, random_strings, recording, same, tokenizer
from wav2tok.audio import decode
from wav2tok.audio.find import find
from wav2tok.errors import UserError
from wav2tok.evaluation.systems import tokenizer_systems
from wav2tok.matching import Tokenized, candidates, edit_distances, rank, runs
from wav2tok.matching.transposed import is_transposable
from wav2tok.search import nearest
from wav2tok.search.collection import Collection
from wav2tok.search.index import Index, root_of
from wav2tok.search.nearest import measures
from wav2tok.tokenizer.tokenizer import Tokenizer

few = st.lists(st.integers(0, 5), max_size=12)
long_enough = st.lists(st.integers(0, K - 1), min_size=8, max_size=20)


def found(answers: list) -> list[str]:
    return [answer.path for answer in answers]


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


@given(database=st.lists(few, min_size=1, max_size=8), query=few, top=st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_the_nearest_are_those_of_brute_force(database: list[list[int]], query: list[int], top: int) -> None:
    near = nearest.scan(index(database).collection, np.array(query, int), top)
    expected = [(i, edit_distance(query, s) / max(len(query), len(s))) for i, s in enumerate(database) if s and query]
    expected = sorted(expected, key=lambda hit: hit[1])[:top]
    assert [one.document for one in near] == [i for i, _ in expected]
    assert [one.distance for one in near] == pytest.approx([d for _, d in expected])


@given(st.lists(few, min_size=1, max_size=10), few.filter(len), st.sets(st.integers(0, 9)), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_ranking_is_the_reports(strings, query, removed, top):
    """`wav2tok.matching.rank` of `edit_distances`, with removed recordings no candidates."""
    candidates = np.array([[i not in removed for i in range(len(strings))]])
    expected = rank(edit_distances([np.array(query)], [np.array(s, int) for s in strings]), candidates)[0, :top]
    whole = index(strings).collection
    whole.dead = [np.array([i for i in sorted(removed) if i < len(strings)], dtype=np.int64)]
    assert [one.document for one in nearest.scan(whole, np.array(query), top)] == [i for i in expected if i >= 0]


@pytest.mark.parametrize("name", ["weighted", "dtw", "local"])
def test_other_measures_rank_as_in_the_report(name: str) -> None:
    rng = np.random.default_rng(0)
    strings = random_strings(rng, 30)
    query, codebook = strings[4][2:-3], rng.standard_normal((K, 8))
    measure = measures(codebook)[name]
    expected = measure([query], strings)
    answers = index(strings).search(query, 30, measure)
    assert found(answers) == [str(i) for i in rank(expected, np.ones(expected.shape, bool))[0]]
    assert [m.distance for m in answers] == pytest.approx(sorted(expected[0]), abs=1e-4)
    assert answers[0].expected_by_chance < 0.01 < answers[1].expected_by_chance


MEASURES = ["edit", "weighted", "dtw", "local"]
"""In the order of the report's systems."""


def check_ranking(made_by: Tokenizer, paths: list[Path], queries: range) -> None:
    """From the files on: recordings ask the index of all, and the report's system of the same distance."""
    names, in_keys = [str(path) for path in paths], is_transposable(made_by.metadata.config)
    indexed = Index.build(names, made_by)
    rate = made_by.sample_rate

    def encode(waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return made_by.encode(waveforms, rate)

    systems = tokenizer_systems(encode, made_by.codebook, in_keys=in_keys)[: len(MEASURES)]
    strings = systems[0].represent([decode.read(path, rate) for path in paths])
    for name, system in zip(MEASURES, systems, strict=True):
        measure = None if name == "edit" else measures(made_by.codebook, in_keys)[name]
        distances = system.distances([strings[i] for i in queries], strings)
        order = rank(distances, np.ones(distances.shape, dtype=bool))
        asked = 0
        for row, query in enumerate(queries):
            try:
                answers = indexed.search(strings[query], len(paths), measure)
            except UserError:  # too short a string for an index of this size
                continue
            assert found(answers) == [names[i] for i in order[row]], name
            assert [one.distance for one in answers] == pytest.approx(distances[row, order[row]], abs=1e-4)
            asked += 1
        assert asked > len(queries) / 2


def test_a_search_ranks_recordings_as_the_report_does(tiny_model: Path, tiny_corpus: Path) -> None:
    paths = find(tiny_corpus)
    check_ranking(Tokenizer.from_pretrained(tiny_model, "cpu", threads=1), paths, range(len(paths)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("collection", "model"),
    [("hums", "wav2tok:humming"), ("words", "wav2tok:speech"), ("sentences/audio", "wav2tok:speech")],
)
def test_a_search_ranks_real_recordings_as_the_report_does(collection: str, model: str, real_data: Path) -> None:
    paths = find(real_data / collection)
    paths = paths[:: max(1, len(paths) // 300)]
    check_ranking(Tokenizer.from_pretrained(model, "cpu", threads=1), paths, range(0, len(paths), 7))


def test_local_alignment_tries_the_keys_that_the_report_tries() -> None:
    rng = np.random.default_rng(0)
    codebook = np.abs(rng.standard_normal((K, 30)))
    strings = random_strings(rng, 12)
    measure, plain = measures(codebook, in_keys=True)["local"], measures(codebook)["local"]
    in_keys = tokenizer_systems(lambda waveforms: strings, codebook, in_keys=True)[3]
    np.testing.assert_array_equal(measure(strings[:3], strings), in_keys.distances(strings[:3], strings))
    assert not np.array_equal(measure(strings[:3], strings), plain(strings[:3], strings))


def relatives(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """2,000 strings, ten of each of 200 kinds, and a query of each of 20 kinds."""

    def edited(string: np.ndarray) -> np.ndarray:
        out = string.copy()
        change = rng.random(len(out)) < 0.2
        out[change] = rng.integers(0, K, change.sum())
        return out[rng.random(len(out)) > 0.05]

    kinds = random_strings(rng, 200)
    return [edited(kind) for kind in kinds for _ in range(10)], [edited(kind) for kind in kinds[:20]]


def test_candidates_hold_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    strings, queries = relatives(np.random.default_rng(0))
    both = index(strings)
    scans = [both.search(query) for query in queries]
    monkeypatch.setattr("wav2tok.search.engine.SCAN_RECORDINGS", 0)
    shared = [both.search(query) for query in queries]
    assert {one.method for one in scans} == {"scan"}
    assert {one.method for one in shared} == {"candidates"}
    recall = [len(set(found(a)) & set(found(b))) / 10 for a, b in zip(scans, shared, strict=True)]
    assert np.mean(recall) > 0.99
    assert [one[0] for one in scans] == [one[0] for one in shared]


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_candidates_are_those_with_most_votes_for_their_length(seed: int, parts: int, count: int) -> None:
    """Long recordings, removed ones and several segments: as if every recording's votes were added up by itself."""
    rng = np.random.default_rng(seed)
    strings = [rng.integers(0, 6, length) for length in rng.choice([3, 20, 60, 129, 300], 24)]
    several = [index([strings[i] for i in some]) for some in np.array_split(np.arange(24), parts)]
    segments = [segment for one in several for segment in one.collection.segments]
    dead = [np.flatnonzero(rng.random(one.documents) < 0.2) for one in segments]
    whole = Collection(segments, dead, K)
    query = rng.integers(0, 6, 25)
    votes: dict[tuple[int, int], int] = {}
    for unit, vote in zip(*candidates.vote(query, [one.postings for one in segments], K), strict=True):
        part, within = divmod(int(unit), candidates.MAX_UNITS)
        document = int(segments[part].document_of(np.array([within]))[0])
        if document not in dead[part]:
            votes[part, document] = votes.get((part, document), 0) + int(vote)
    scores = [votes[at] / max(len(segments[at[0]].string(at[1])), 25) for at in sorted(votes)]
    expected = [at for at, _ in sorted(zip(sorted(votes), scores, strict=True), key=lambda pair: -pair[1])[:count]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "CANDIDATES", range(count, count + 1))
        got = nearest.candidates(whole, query, 24)
    assert sorted((one.segment, one.document) for one in got) == sorted(expected)


def test_spotting_by_candidates_finds_what_a_scan_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    query = rng.integers(0, K, 20)
    strings = random_strings(rng, 40, 900, 2000)
    places = {3: 100, 17: 640, 22: 0, 30: 880}
    for number, at in places.items():
        strings[number][at : at + 20] = query
        strings[number][at + 7] = (query[7] + 1) % K
    strings[3][400:420] = query  # twice in one recording, across the border of two pieces
    strings[17][1:3] = query[1:3]
    several = index(strings)
    scanned = several.spot(query, 5)
    monkeypatch.setattr("wav2tok.search.engine.SCAN_TOKENS", 0)
    spotted = several.spot(query, 5)
    assert (scanned.method, spotted.method) == ("scan", "candidates")
    assert list(scanned) == list(spotted)
    assert [(hit.path, hit.similarity) for hit in scanned] == [
        ("3", 100),
        ("3", 95),
        ("17", 95),
        ("22", 95),
        ("30", 95),
    ]
    assert [round(hit.start / 2 / HOP) for hit in scanned] == [400, 100, 640, 0, 880]
    assert all(hit.expected_by_chance < 1e-9 for hit in scanned)


def test_where_candidates_are_too_few_all_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wav2tok.search.engine.SCAN_RECORDINGS", 0)
    monkeypatch.setattr("wav2tok.search.engine.SCAN_TOKENS", 0)
    several = index([range(10), range(20, 30), range(40, 50)])
    assert several.search(np.arange(10), 1).method == "candidates"
    assert (several.search(np.arange(10), 3).method, len(several.search(np.arange(10), 3))) == ("scan", 3)
    assert several.spot(np.arange(10), 3).method == "scan"


@given(
    query=st.lists(st.integers(0, 9), min_size=5, max_size=8, unique=True),
    before=st.lists(st.integers(10, 20), max_size=10),
    after=st.lists(st.integers(10, 20), max_size=10),
    hold=st.integers(1, 400),
)
@settings(max_examples=60, deadline=None)
def test_spot_finds_the_span_of_a_planted_string(
    query: list[int], before: list[int], after: list[int], hold: int
) -> None:
    planted = recording("planted", before + query + after, hold)
    hits = Index.of(tokenizer(), [recording("other", list(range(30, 50))), planted]).spot(np.array(query), 2)
    assert (hits[0].path, hits[0].similarity) == ("planted", 100)
    assert hits[0].start == pytest.approx(len(before) * hold * HOP, abs=2e-3)
    assert hits[0].end == pytest.approx((len(before) + len(query)) * hold * HOP, abs=2e-3)


def test_a_scrap_is_not_similar() -> None:
    (hit,) = index([[3, 4]]).spot(np.arange(10), 5)
    assert hit.similarity == 20


def test_a_long_recording_answers_with_the_place_inside() -> None:
    rng = np.random.default_rng(0)
    query = rng.integers(0, K, 20)
    long = np.concatenate([rng.integers(0, K, 300), query, rng.integers(0, K, 100)])
    near, far = index([query[:-1], long]).search(query, 2)
    assert (near.path, near.start, near.end) == ("0", None, None)
    assert (far.path, far.start, far.end) == ("1", pytest.approx(600 * HOP), pytest.approx(640 * HOP))


@given(rows=st.lists(st.lists(st.integers(0, 5), max_size=12), min_size=1, max_size=6), query=long_enough)
@settings(max_examples=60, deadline=None)
def test_hits_lie_within_their_recordings_best_first(rows: list[list[int]], query: list[int]) -> None:
    several = index(rows)
    hits = several.spot(np.array(query), 4)
    assert len(hits) <= 4
    assert [h.similarity for h in hits] == sorted((h.similarity for h in hits), reverse=True)
    assert [h.expected_by_chance for h in hits] == sorted(h.expected_by_chance for h in hits)
    for hit in hits:
        assert 0 <= hit.start < hit.end <= several.entries[int(hit.path)].seconds + 1e-3


@pytest.mark.parametrize("query", [[], [3], [3, 4]])
def test_a_query_that_chance_would_bring_is_refused(query: list[int]) -> None:
    several = index(random_strings(np.random.default_rng(0), 400))
    with pytest.raises(UserError, match=rf"the query has {len(query)} tokens.* use a longer recording"):
        several.spot(np.array(query, dtype=np.int64))
    if len(query) < 2:
        with pytest.raises(UserError, match=rf"the query has {len(query)} tokens"):
            several.search(np.array(query, dtype=np.int64))
    assert several.spot(np.arange(8)).method == "scan"


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


def test_a_query_spoken_within_a_longer_recording_is_found(tiny_model: Path, tiny_corpus: Path) -> None:
    made_by = Tokenizer.from_pretrained(tiny_model, "cpu", threads=1)
    waves = [decode.read(p, 8000) for p in find(tiny_corpus)[::7]]
    frames = made_by.encode_frames([np.concatenate(waves)], 8000)[0]
    starts, _ = runs(frames)
    whole = Tokenized("whole", len(np.concatenate(waves)) / 8000, frames[starts], starts)
    first, last = len(starts) // 3, 2 * len(starts) // 3
    hit = Index.of(made_by, [whole]).spot(whole.tokens[first:last], 1)[0]
    assert hit.similarity == 100
    assert hit.start == pytest.approx(starts[first] * made_by.frame_seconds, abs=1e-3)
    assert hit.end == pytest.approx(starts[last] * made_by.frame_seconds, abs=1e-3)
