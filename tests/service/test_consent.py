"""Searches are kept only if the service was started to keep them and the request agrees; then as they were answered."""

import dataclasses
from http import HTTPStatus
from pathlib import Path

import pytest

from wav2tok.errors import UserError
from wav2tok.search import asked
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of
from wav2tok.service.settings import Settings, require_index_for_log


@pytest.fixture
def recording(tiny_corpus):
    return tiny_corpus / "arch" / "ada_0.flac"


def ask(client, recording, **headers):
    answer = client.post("/search", content=recording.read_bytes(), headers=headers)
    assert answer.status_code == HTTPStatus.OK, answer.text
    return answer


def test_a_search_is_kept_as_it_was_answered_if_the_request_agrees(started, index, tokenizer, recording, tmp_path):
    log = tmp_path / "queries.jsonl"
    client = started(index=index, log_queries=log)
    for headers in ({}, {"X-Log-Query": "no"}, {"X-Log-Query": ""}):
        assert "X-Query-Logged" not in ask(client, recording, **headers).headers
    assert not log.exists()
    answer = ask(client, recording, **{"X-Log-Query": "audio"})
    assert answer.headers["X-Query-Logged"] == "tokens"  # this service keeps no sound
    matches = answer.json()["recordings"][0]["matches"]
    (one,) = asked.read(log)
    assert list(one.tokens) == tokens_of(recording, tokenizer).tolist()
    assert (one.identity, one.sound) == (tokenizer.identity, None)
    assert list(zip(one.paths, one.distances, strict=True)) == [(row["path"], row["distance"]) for row in matches]
    assert log.stat().st_mode & 0o777 == 0o600
    form = {"file": ("my voice.flac", recording.read_bytes())}
    assert client.post("/search", files=form, headers={"X-Log-Query": "tokens"}).headers["X-Query-Logged"] == "tokens"
    assert "my voice" not in log.read_text()
    assert [one.tokens for one in asked.read(log)] == [one.tokens] * 2
    assert client.get("/version").json()["logs"] == "tokens"
    assert "X-Log-Query" in client.get("/openapi.json").json()["paths"]["/search"]["post"]["description"]


def test_sound_is_kept_if_the_request_agrees_to_that(started, index, recording, tmp_path):
    log, sounds = tmp_path / "queries.jsonl", tmp_path / "sounds"
    client = started(index=index, log_queries=log, log_audio=sounds)
    assert ask(client, recording, **{"X-Log-Query": "tokens"}).headers["X-Query-Logged"] == "tokens"
    assert not sounds.exists()
    assert ask(client, recording, **{"X-Log-Query": "audio"}).headers["X-Query-Logged"] == "audio"
    first, second = asked.read(log)
    assert (first.sound, first.tokens) == (None, second.tokens)
    assert (sounds / second.sound).read_bytes() == recording.read_bytes()
    assert [path.name for path in sounds.iterdir()] == [second.sound]


def test_a_log_that_cannot_be_written_refuses_no_search(started, index, recording, tmp_path, caplog):
    client = started(index=index, log_queries=tmp_path)  # a folder
    answer = ask(client, recording, **{"X-Log-Query": "tokens"})
    assert answer.json()["recordings"][0]["matches"]
    assert "X-Query-Logged" not in answer.headers
    assert "a search could not be logged" in caplog.text


def test_settings_that_keep_nothing_are_refused(tmp_path):
    log = tmp_path / "queries.jsonl"
    good = Settings("model", Path("index"), log_queries=log, log_audio=tmp_path)
    require_index_for_log(good)
    for change, says in (
        ({"index": None}, "without an index there are no searches"),
        ({"log_queries": None}, "kept beside their log"),
        ({"log_queries": tmp_path / "none" / "log"}, "cannot be written"),
        ({"log_queries": tmp_path}, "cannot be written"),
    ):
        with pytest.raises(UserError, match=says):
            require_index_for_log(dataclasses.replace(good, **change))


def test_the_index_answers_the_logged_tokens_as_the_service_did(started, index, tokenizer, recording, tmp_path):
    client = started(index=index, log_queries=tmp_path / "log")
    ask(client, recording, **{"X-Log-Query": "tokens"})
    (one,) = asked.read(tmp_path / "log")
    again = Index.load(index, tokenizer).search(one.tokens, asked.ANSWERS)
    assert tuple(match.path for match in again) == one.paths
