"""``wav2tok index``, ``search`` and ``spot`` on the tiny corpus."""

import json
import shutil

import numpy as np
import pytest
import soundfile


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def indexed(cli, folder, tiny_model, tiny_corpus):
    """``index.json`` of the tiny corpus, in the working folder."""
    done = cli("index", tiny_corpus, "--model", tiny_model, "--out", "index.json")
    assert (done.code, done.out) == (0, "")
    assert done.err.startswith("28 recordings, ")
    return json.loads((folder / "index.json").read_text())


def test_an_index_holds_what_tokenize_prints(indexed, cli, tiny_model, tiny_corpus):
    tokenized = {
        line["path"]: line["tokens"] for line in lines(cli("tokenize", tiny_corpus, "--model", tiny_model).out)
    }
    assert {e["path"]: e["tokens"] for e in indexed["recordings"]} == tokenized
    for entry in indexed["recordings"]:
        starts = entry["starts"]
        assert len(starts) == len(entry["tokens"])
        assert starts[0] == 0
        assert starts == sorted(set(starts))


def test_a_recording_finds_itself_first(indexed, cli, tiny_model, tiny_corpus):
    for name in ("arch/ada_0.flac", "zigzag/gus_0.flac"):
        found = lines(
            cli("search", tiny_corpus / name, "--model", tiny_model, "--index", "index.json", "--top", 28).out
        )
        assert all(list(hit) == ["path", "distance", "model", "identity"] for hit in found)
        assert len(found) == 28
        distances = [hit["distance"] for hit in found]
        assert distances == sorted(distances)
        assert distances[0] == 0 < distances[-1] <= 1
        assert str(tiny_corpus / name) in [hit["path"] for hit in found if hit["distance"] == 0]


def test_top_is_how_many(indexed, cli, tiny_model, tiny_corpus):
    query = tiny_corpus / "arch" / "ada_0.flac"
    for verb in ("search", "spot"):
        every = lines(cli(verb, query, "--model", tiny_model, "--index", "index.json", "--top", 100).out)
        three = lines(cli(verb, query, "--model", tiny_model, "--index", "index.json", "--top", 3).out)
        assert len(every) == 28
        assert three == every[:3]


def test_spotting_says_where(cli, folder, tiny_model, tiny_corpus):
    """A query is spotted in the middle of a long recording, at about the place where it was put."""
    query, rate = soundfile.read(tiny_corpus / "zigzag" / "ada_0.flac", dtype="float32")
    around = [soundfile.read(tiny_corpus / name / "ben_0.flac", dtype="float32")[0] for name in ("fall", "climb")]
    (folder / "long").mkdir()
    soundfile.write("long/long.flac", np.concatenate([around[0], query, around[1]]), rate)
    # (A fall would not work: a zigzag ends with one.)
    shutil.copy(tiny_corpus / "climb" / "cleo_0.flac", "long/without.flac")
    assert cli("index", "long", "--model", tiny_model, "--out", "index.json").code == 0
    done = cli("spot", tiny_corpus / "zigzag" / "ada_0.flac", "--model", tiny_model, "--index", "index.json")
    found = lines(done.out)
    assert [list(hit) for hit in found] == [["path", "start_s", "end_s", "similarity", "model", "identity"]] * 2
    assert [hit["path"] for hit in found] == ["long/long.flac", "long/without.flac"]
    assert found[0]["similarity"] > found[1]["similarity"]
    start, end = len(around[0]) / rate, (len(around[0]) + len(query)) / rate
    overlap = min(end, found[0]["end_s"]) - max(start, found[0]["start_s"])
    assert overlap > 0.5 * (end - start), found[0]
    total = (len(query) + sum(map(len, around))) / rate
    for hit, seconds in zip(found, (total, soundfile.info("long/without.flac").duration), strict=True):
        assert 0 <= hit["start_s"] < hit["end_s"] <= seconds + 1e-3
        assert 0 <= hit["similarity"] <= 100


def test_a_bad_file_does_not_stop_an_index(cli, folder, tiny_model, tiny_corpus):
    (folder / "bad.flac").write_text("no audio")
    done = cli("index", tiny_corpus / "arch", "bad.flac", "--model", tiny_model, "--out", "index.json")
    assert done.code == 1
    assert json.loads(done.err.splitlines()[0])["path"] == "bad.flac"
    assert len(json.loads((folder / "index.json").read_text())["recordings"]) == 7


def test_strings_of_two_tokenizers_never_compare(indexed, cli, folder, tiny_model, tiny_corpus):
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps(index | {"tokenizer": "0" * 16}))
    query = tiny_corpus / "arch" / "ada_0.flac"
    assert "another tokenizer" in cli("search", query, "--model", tiny_model, "--index", "index.json").complaint
