"""The routes of the page: recordings by number only, in parts for players; answers as the library's."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile

import wav2tok
from tests.service.servers import service
from wav2tok.service.page.routes import HEADERS

pytestmark = pytest.mark.services


def ask(url: str, body: bytes | None = None, headers: dict[str, str] | None = None):
    """Status, headers and bytes of an answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture(scope="module")
def recordings(address):
    """What the page lists, once it is there with the map."""
    end = time.monotonic() + 120
    while not json.loads(ask(f"{address}/page/state")[2])["mapped"]:
        assert time.monotonic() < end
        time.sleep(0.1)
    return json.loads(ask(f"{address}/page/recordings")[2])["recordings"]


def test_the_collection_is_listed_with_places_and_what_cannot_be_read_is_named(address, recordings, sample):
    assert [one["number"] for one in recordings] == list(range(9))
    assert {one["group"] for one in recordings} == {folder.name for folder in sample.iterdir() if folder.is_dir()}
    assert all(-1 <= one[axis] <= 1 for one in recordings for axis in "xy")
    state = json.loads(ask(f"{address}/page/state")[2])
    assert state["total"] == state["done"] == 10
    assert state["unreadable"] == 1
    assert "broken.wav" in state["failures"][0]["error"]


def test_a_match_has_its_place_and_alignment_and_is_that_of_the_library(address, recordings, sample):
    tokenizer = wav2tok.Tokenizer.from_pretrained("wav2tok:humming", "cpu")
    paths = sorted(sample.glob("*/*.flac"))
    index = wav2tok.Index.build(paths, tokenizer)
    query = tokenizer.encode_file(paths[4])
    status, _, body = ask(f"{address}/page/search?top=3", paths[4].read_bytes())
    answer = json.loads(body)
    assert status == 200
    assert answer["query"]["tokens"] == query.tolist()
    found = index.search(query, top=3)
    assert [paths[one["number"]] for one in answer["matches"]] == [Path(match.path) for match in found]
    assert [one["distance"] for one in answer["matches"]] == [match.distance for match in found]
    for one, match in zip(answer["matches"], found, strict=True):
        columns, counts = one["alignment"]["columns"], one["alignment"]["counts"]
        assert [a for a, _ in columns if a is not None] == query.tolist()
        assert counts["same"] == sum(a == b for a, b in columns)
        edits = sum(counts.values()) - counts["same"]
        assert edits / max(len(query), len(one["tokens"])) == pytest.approx(match.distance, abs=1e-4)
        assert 0 <= one["start_s"] < one["end_s"] <= one["duration_s"]
    left = json.loads(ask(f"{address}/page/search?top=3&leave_out=4", paths[4].read_bytes())[2])["matches"]
    assert [one["number"] for one in left[:2]] == [one["number"] for one in answer["matches"][1:]]


def test_silence_around_a_sound_is_cut_off_as_on_the_command_line(address, recordings, sample, tmp_path):
    """The answers are those of `wav2tok search`, and the tokens stand where the sound is."""
    path = sorted(sample.glob("*/*.flac"))[4]
    wave, rate = soundfile.read(path)
    soundfile.write(tmp_path / "quiet.wav", np.concatenate([np.zeros(rate), wave, np.zeros(rate)]), rate)
    index = tmp_path / "index"

    def wav2tok(*arguments: object) -> str:
        command = [sys.executable, "-m", "wav2tok", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120).stdout

    wav2tok("index", sample, "--model", "wav2tok:humming", "--out", index)
    rows = wav2tok("search", tmp_path / "quiet.wav", "--index", index, "--top", 5).splitlines()
    expected = [(Path(row["path"]).stem, row["distance"]) for row in map(json.loads, rows)]
    assert len(expected) == 5
    answer = json.loads(ask(f"{address}/page/search?top=5", (tmp_path / "quiet.wav").read_bytes())[2])
    assert [(one["name"], one["distance"]) for one in answer["matches"]] == expected
    assert answer["query"]["times_s"][0] == pytest.approx(1, abs=0.5)
    with service(tmp_path, "--model", "wav2tok:humming", "--index", index) as running:
        (found,) = running.ask("/search?top=5", (tmp_path / "quiet.wav").read_bytes())[1]["recordings"]
    assert [(Path(one["path"]).stem, one["distance"]) for one in found["matches"]] == expected
    assert found["duration_s"] == pytest.approx(len(wave) / rate + 2, abs=1e-3)


def test_passages_have_the_place_that_the_index_says(address, recordings, sample):
    tokenizer = wav2tok.Tokenizer.from_pretrained("wav2tok:humming", "cpu")
    paths = sorted(sample.glob("*/*.flac"))
    hit = wav2tok.Index.build(paths, tokenizer).spot(tokenizer.encode_file(paths[0]), top=1)[0]
    answer = json.loads(ask(f"{address}/page/search?top=1&by=passages", paths[0].read_bytes())[2])["matches"][0]
    assert (answer["start_s"], answer["end_s"], answer["similarity"]) == (hit.start, hit.end, hit.similarity)


def test_a_recording_is_served_by_number_whole_or_in_part(address, recordings, sample):
    path = sorted(sample.glob("*/*.flac"))[2]
    status, headers, body = ask(f"{address}/page/audio/2")
    assert (status, headers["content-type"], body) == (200, "audio/flac", path.read_bytes())
    status, headers, body = ask(f"{address}/page/audio/2", headers={"Range": "bytes=100-199"})
    assert (status, body) == (206, path.read_bytes()[100:200])
    for wrong in ("9", "-1", "1e3", "..%2f..%2fetc%2fpasswd", "broken.wav"):
        status, _, body = ask(f"{address}/page/audio/{wrong}")
        assert status in (404, 422)
        assert json.loads(body)["error"].endswith(".")


def test_only_the_files_of_the_page_are_served_and_with_its_policy(address):
    status, headers, body = ask(f"{address}/")
    assert status == 200
    assert b"Search by sound" in body
    assert {name: headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert ask(f"{address}/page/files/main.js")[1]["content-type"].startswith("text/javascript")
    for wrong in ("index.html", "..%2froutes.py", "../routes.py", "none.js"):
        assert ask(f"{address}/page/files/{wrong}")[0] == 404


def test_wrong_requests_get_a_sentence(address, recordings):
    for path, body in (("search", b"hello"), ("search?by=colour", b"hello"), ("compare", b"hello"), ("search", b"")):
        status, _, answer = ask(f"{address}/page/{path}", body)
        assert 400 <= status < 500
        assert json.loads(answer)["error"].endswith(".")
