"""``wav2tok index``, ``search`` and ``spot`` on the tiny corpus."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wav2tok.search.index import Index

KEYS = ["path", "start_s", "end_s", "similarity", "expected_by_chance", "model", "identity"]


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def indexed(cli, folder, tiny_model, tiny_corpus):
    """The folder ``index`` of the tiny corpus, in the working folder."""
    done = cli("index", tiny_corpus, "--model", tiny_model, "--out", "index")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("28 recordings, ")
    return Index.load(folder / "index")


def test_an_index_holds_what_tokenize_prints(indexed, cli, tiny_model, tiny_corpus):
    tokenized = {
        line["path"]: line["tokens"] for line in lines(cli("tokenize", tiny_corpus, "--model", tiny_model).out)
    }
    assert {e.path: e.tokens.tolist() for e in indexed.entries} == tokenized
    for entry in indexed.entries:
        starts = entry.starts.tolist()
        assert len(starts) == len(entry.tokens)
        assert starts[0] == 0
        assert starts == sorted(set(starts))


def test_a_recording_finds_itself_first(indexed, cli, tiny_model, tiny_corpus):
    for name in ("arch/ada_0.flac", "zigzag/gus_0.flac"):
        done = cli("search", tiny_corpus / name, "--model", tiny_model, "--index", "index", "--top", 28)
        found = lines(done.out)
        assert done.err == "scan: compared with all 28 recordings\n"
        keys = ["path", "distance", "expected_by_chance", "start_s", "end_s", "model", "identity"]
        assert all(list(hit) == keys for hit in found)
        assert len(found) == 28
        distances = [hit["distance"] for hit in found]
        assert distances == sorted(distances)
        assert distances[0] == 0 < distances[-1] <= 1
        assert str(tiny_corpus / name) in [hit["path"] for hit in found if hit["distance"] == 0]
        expected = [hit["expected_by_chance"] for hit in found]
        assert expected == sorted(expected)
        assert expected[0] < 1 < expected[-1]


def test_logged_searches_are_replayed(indexed, cli, tiny_corpus, tiny_model):
    query = tiny_corpus / "arch" / "ada_0.flac"
    row = json.loads(cli("search", query, "--top", "1").out)
    tokens = json.loads(cli("tokenize", query, "--model", tiny_model).out)["tokens"]
    line = {"time": "now", "model": row["model"], "identity": row["identity"], "tokens": tokens, "sound": None}
    same, other = ({"paths": [path], "distances": [0.0]} for path in (row["path"], "gone.flac"))
    Path("log.jsonl").write_text("".join(json.dumps(line | one) + "\n" for one in (same, other)))
    done = cli("replay", "log.jsonl")
    assert done.code == 0
    (changed,) = map(json.loads, done.out.splitlines())
    assert (changed["before"], changed["after"], changed["rank"]) == ("gone.flac", row["path"], None)
    assert "1 of 2 searches have another first answer." in done.err
    assert "none.jsonl does not exist" in cli("replay", "none.jsonl").complaint
    assert "'none' is not a distance" in cli("replay", "log.jsonl", "--by", "none").complaint


def test_the_model_of_the_index_is_the_default(indexed, cli, tiny_model, tiny_corpus):
    query = tiny_corpus / "arch" / "ada_0.flac"
    for verb in ("search", "spot"):
        named = cli(verb, query, "--model", tiny_model)
        assert named.code == 0
        assert cli(verb, query).out == named.out


def test_top_is_how_many(indexed, cli, tiny_model, tiny_corpus):
    query = tiny_corpus / "arch" / "ada_0.flac"
    for verb in ("search", "spot"):
        every = lines(cli(verb, query, "--model", tiny_model, "--index", "index", "--top", 100).out)
        three = lines(cli(verb, query, "--model", tiny_model, "--index", "index", "--top", 3).out)
        assert len({hit["path"] for hit in every}) == 28
        assert three == every[:3]


def test_spotting_says_where(cli, folder, tiny_model, tiny_corpus):
    """A query is spotted in the middle of a long recording, at about the place where it was put."""
    query, rate = soundfile.read(tiny_corpus / "zigzag" / "ada_0.flac", dtype="float32")
    around = [soundfile.read(tiny_corpus / name / "ben_0.flac", dtype="float32")[0] for name in ("fall", "climb")]
    (folder / "long").mkdir()
    soundfile.write("long/long.flac", np.concatenate([around[0], query, around[1]]), rate)
    # (A fall would not work: a zigzag ends with one.)
    shutil.copy(tiny_corpus / "climb" / "cleo_0.flac", "long/without.flac")
    assert cli("index", "long", "--model", tiny_model, "--out", "index").code == 0
    done = cli("spot", tiny_corpus / "zigzag" / "ada_0.flac", "--model", tiny_model, "--index", "index")
    found = lines(done.out)
    assert [list(hit) for hit in found] == [KEYS] * len(found)
    assert found[0]["path"] == "long/long.flac"
    assert {hit["path"] for hit in found} == {"long/long.flac", "long/without.flac"}
    assert found[0]["similarity"] > found[1]["similarity"]
    start, end = len(around[0]) / rate, (len(around[0]) + len(query)) / rate
    overlap = min(end, found[0]["end_s"]) - max(start, found[0]["start_s"])
    assert overlap > 0.5 * (end - start), found[0]
    total = (len(query) + sum(map(len, around))) / rate
    lengths = {"long/long.flac": total, "long/without.flac": soundfile.info("long/without.flac").duration}
    for hit in found:
        seconds = lengths[hit["path"]]
        assert 0 <= hit["start_s"] < hit["end_s"] <= seconds + 1e-3
        assert 0 <= hit["similarity"] <= 100


def test_a_bad_file_does_not_stop_an_index(cli, folder, tiny_model, tiny_corpus):
    (folder / "bad.flac").write_text("no audio")
    done = cli("index", tiny_corpus / "arch", "bad.flac", "--model", tiny_model, "--out", "index")
    assert done.code == 1
    assert json.loads(done.err.splitlines()[0])["path"] == "bad.flac"
    assert len(Index.load(folder / "index")) == 7


def test_an_index_of_nothing_readable_replaces_none(indexed, cli, folder, tiny_model):
    (folder / "bad.flac").write_text("no audio")
    done = cli("index", "bad.flac", "--model", tiny_model, "--out", "index")
    assert done.code == 2
    assert "none of the recordings can be read" in done.err
    assert len(Index.load(folder / "index")) == 28


@pytest.mark.promise(
    "A list on standard input that names no file",
    "tokenize warns on standard error and ends with 0; index refuses it, and the index stays.",
)
@pytest.mark.parametrize("listed", ["", "\n \r\n"])
def test_an_empty_list_empties_no_index(indexed, cli, folder, tiny_model, listed):
    before = (folder / "index" / "index.json").read_bytes()
    refused = cli("index", "--model", tiny_model, "--out", "index", stdin=listed)
    assert refused.code == 2
    assert "nothing is listed to make an index of" in refused.err.splitlines()[-1]
    assert (folder / "index" / "index.json").read_bytes() == before
    assert not cli("tokenize", "--model", tiny_model, stdin=listed).out
    done = cli("tokenize", "--model", tiny_model, stdin=listed)
    assert done.code == 0
    assert json.loads(done.err) == {"warning": "standard input lists no files, so there is nothing to do"}


def test_strings_of_two_tokenizers_never_compare(indexed, cli, folder, tiny_model, tiny_corpus):
    manifest = json.loads((folder / "index" / "index.json").read_text())
    (folder / "index" / "index.json").write_text(json.dumps(manifest | {"identity": "0" * 16, "model": "models:/a/7"}))
    query = tiny_corpus / "arch" / "ada_0.flac"
    complaint = cli("search", query, "--model", tiny_model, "--index", "index").complaint
    assert "another tokenizer, models:/a/7" in complaint


def test_a_silent_query_and_a_short_one_are_refused(indexed, cli, folder):
    soundfile.write("silent.flac", np.zeros(8000), 8000)
    assert "silent.flac is silent" in cli("search", "silent.flac").complaint
    soundfile.write("click.flac", np.tile([0.5, -0.5], 100), 8000)
    assert "use a longer recording" in cli("spot", "click.flac").complaint


def test_the_life_of_an_index(cli, folder, tiny_model, tiny_corpus):
    shutil.copytree(tiny_corpus, "data")
    assert cli("index", "build", "data/arch", "data/fall", "--model", tiny_model).code == 0
    assert "0 recordings added, 14 unchanged, 14 in all" in cli("index", "add", "data/arch", "data/fall").err
    shutil.copy("data/zigzag/ada_0.flac", "data/arch/ada_0.flac")
    assert (
        "8 recordings added, 13 unchanged, 21 in all" in cli("index", "add", "data/arch", "data/fall", "data/climb").err
    )
    found = lines(cli("search", "data/zigzag/ada_0.flac", "--top", 1).out)
    assert (found[0]["path"], found[0]["distance"]) == ("data/arch/ada_0.flac", 0)
    assert "7 recordings removed, 14 in all" in cli("index", "remove", "data/fall").err
    assert "data/fall is not in index" in cli("index", "remove", "data/fall").complaint
    listed = "\ufeffdata/arch/ada_0.flac\r\n"  # as Windows writes a list
    assert "1 recording removed, 13 in all" in cli("index", "remove", stdin=listed).err
    stats = json.loads(cli("index", "stats").out)
    assert (stats["recordings"], stats["model"], stats["root"]) == (13, str(tiny_model), "")
    assert cli("index", "verify").err.startswith("index is whole: ")
    segment = next((folder / "index").glob("*.segment"))
    segment.write_bytes(segment.read_bytes()[:-1] + b"!")
    spoiled = cli("index", "verify")
    assert spoiled.code == 1
    assert f"{segment.relative_to(folder)} is not what was written" in spoiled.err


def test_recordings_may_move(cli, folder, tiny_model, tiny_corpus):
    shutil.copytree(tiny_corpus, "data")
    assert cli("index", "data", "--model", tiny_model).code == 0
    (folder / "data").rename("there")
    assert cli("index", "add", "--root", "there").err == "the recordings of index are below there\n"
    found = lines(cli("search", "there/arch/ada_0.flac", "--top", 28).out)
    assert all(hit["path"].startswith("there/") for hit in found)
    assert "0 recordings added, 28 unchanged" in cli("index", "add", "there").err


def test_an_index_of_an_earlier_release_is_named(cli, folder, tiny_corpus):
    (folder / "index.json").write_text('{"tokenizer": "0", "frame_seconds": 1, "recordings": []}')
    complaint = cli("search", tiny_corpus / "arch" / "ada_0.flac", "--index", "index.json").complaint
    assert "index.json is a file" in complaint
    assert "index again" in complaint


def test_an_index_is_exported_for_opensearch(indexed, cli, folder):
    done = cli("index", "export", "--format", "opensearch", "--out", "elsewhere")
    assert (done.code, done.out, done.err) == (0, "", "28 recordings for opensearch; elsewhere\n")
    rows = lines((folder / "elsewhere" / "bulk-00000.ndjson").read_text())
    assert [row["path"] for row in rows[1::2]] == indexed.paths()
    (folder / "elsewhere" / "mine").write_text("mine")
    assert "also holds mine" in cli("index", "export", "--format", "opensearch", "--out", "elsewhere").complaint
