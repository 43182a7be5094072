"""Every route: what it answers, and the code and sentence of everything that it refuses."""

import io
import re
import threading
import time

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from wav2tok import __version__
from wav2tok.search.index import Index
from wav2tok.search.query import tokens_of
from wav2tok.service.app import create_app
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def recording(tiny_corpus):
    return tiny_corpus / "fall" / "eva_0.flac"


def audio(seconds, rate=8000, form="WAV"):
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(np.arange(round(seconds * rate)) ** 1.2 / 50), rate, format=form)
    return file.getvalue()


def refused(answer, status, sentence):
    """Check a refusal: one sentence, with the request's id."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert set(body) == {"error", "request_id"}
    assert re.search(sentence, body["error"]), body["error"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    return answer


def test_a_raw_body_gives_the_command_lines_row(client, recording, tokenizer):
    answer = client.post("/tokenize", content=recording.read_bytes())
    assert answer.status_code == 200
    body = answer.json()
    assert {key: body[key] for key in ("model", "identity")} == {
        "model": str(body["model"]), "identity": tokenizer.identity,
    }  # fmt: skip
    assert body["model"].endswith("tiny.onnx")
    (string,) = body["recordings"]
    assert string["tokens"] == tokenizer.encode_file(recording).tolist()
    assert string["duration_s"] == round(soundfile.info(recording).duration, 4)
    times = string["times_s"]
    assert times[0] == 0
    assert sorted(times) == times
    assert len(times) == len(string["tokens"])
    assert times[-1] < string["duration_s"]


def test_a_form_of_many_files_is_answered_in_order(client, tiny_corpus, tokenizer):
    paths = sorted(tiny_corpus.rglob("*.flac"))[:9]
    answer = client.post("/tokenize", files=[("file", (path.parent.name, path.read_bytes())) for path in paths])
    recordings = answer.json()["recordings"]
    assert [entry["name"] for entry in recordings] == [path.parent.name for path in paths]
    assert [entry["tokens"] for entry in recordings] == [t.tolist() for t in tokenizer.encode_files(paths)]


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8000, 44100])
def test_formats_and_rates(client, tokenizer, tmp_path, form, rate):
    data = audio(0.7, rate, form)
    (tmp_path / "x").write_bytes(data)
    answer = client.post("/tokenize", content=data, headers={"Content-Type": f"audio/{form.lower()}"})
    assert answer.json()["recordings"][0]["tokens"] == tokenizer.encode_file(tmp_path / "x").tolist()


def test_a_recording_of_more_than_a_minute(started, tokenizer, tmp_path):
    data = audio(140, form="FLAC")
    (tmp_path / "x").write_bytes(data)
    (string,) = started().post("/tokenize", content=data).json()["recordings"]
    assert string["duration_s"] == 140
    assert string["tokens"] == tokenizer.encode_file(tmp_path / "x").tolist()


def test_search_answers_as_the_index_does(client, recording, index, tokenizer):
    answer = client.post("/search?top=3", files={"file": ("query.flac", recording.read_bytes())})
    (entry,) = answer.json()["recordings"]
    assert entry["name"] == "query.flac"
    expected = Index.load(index, tokenizer).search(tokens_of(recording, tokenizer), 3)
    assert entry["matches"] == [
        {
            "path": match.path,
            "distance": match.distance,
            "expected_by_chance": match.expected_by_chance,
            "start_s": match.start,
            "end_s": match.end,
        }
        for match in expected
    ]
    assert entry["matches"][0]["distance"] == 0


def test_what_runs(client, tokenizer, index):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    version = client.get("/version").json()
    assert version["wav2tok"] == __version__
    assert version["sample_rate"] == 8000
    assert version["num_tokens"] == tokenizer.num_tokens
    assert version["identity"] == tokenizer.identity
    assert version["index"] == str(index)
    assert version["logs"] == "nothing"


@pytest.mark.parametrize(("path", "body", "status", "sentence"), [
    ("/tokenize", {"content": b""}, 400, "holds no recording"),
    ("/tokenize", {"data": {"x": "y"}, "files": {}}, 422, "recording cannot be read as audio"),
    ("/tokenize", {"files": {"file": ("a.wav", b"nothing")}}, 422, r"^a.wav cannot be read as audio \(Format not"),
    ("/tokenize", {"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, 400, "boundary"),
    ("/tokenize", {"content": audio(2, form="FLAC")[:-500]}, 422, "^recording (ends after|cannot be read)"),
    ("/search?top=0", {"content": audio(0.5)}, 422, "query.top is wrong: .* greater than or equal to 1"),
    ("/search?top=x", {"content": audio(0.5)}, 422, "query.top is wrong"),
    ("/nothing", {"content": b""}, 404, "Not Found"),
    ("/health", {"content": b""}, 405, "Method Not Allowed"),
])  # fmt: skip
def test_what_is_refused(client, path, body, status, sentence):
    refused(client.post(path, **body), status, sentence)


def test_a_form_without_files(client):
    content, form = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
        "multipart/form-data; boundary=x",
    )
    refused(client.post("/tokenize", content=content, headers={"Content-Type": form}), 400, "the form holds no file")


def test_m4a_without_ffmpeg(client, monkeypatch):
    monkeypatch.setenv("PATH", "")
    refused(client.post("/tokenize", content=b"\0\0\0\x18ftypM4A "), 415, "takes ffmpeg")


def test_without_an_index_there_is_no_search(started):
    refused(started().post("/search", content=audio(0.5)), 404, "Not Found")


@pytest.mark.promise("A request that is too large", "It is refused with 413.")
def test_bytes_are_limited_announced_or_not(started):
    client = started(max_bytes=20_000)
    data = audio(2)
    assert len(data) > 20_000
    refused(client.post("/tokenize", content=data), 413, r"larger than 0.0190735 MiB, the limit")
    refused(client.post("/tokenize", content=iter([data[:15_000], data[15_000:]])), 413, "larger than")
    refused(client.post("/tokenize", files={"file": data}), 413, "larger than")
    assert client.post("/tokenize", content=audio(1)).status_code == 200


def test_seconds_are_limited_over_all_recordings_of_a_request(started):
    client = started(max_seconds=1.5)
    refused(client.post("/tokenize", content=audio(2)), 422, r"more than 1.5 s of audio")
    refused(client.post("/tokenize", files=[("file", audio(1)), ("file", audio(1))]), 422, r"more than 1.5 s of audio")
    assert client.post("/tokenize", content=audio(1.4)).status_code == 200


def slowly(engine, monkeypatch, seconds):
    """Let the model take so long over each batch."""
    tokenizer = engine.models.current.tokenizer
    encode = tokenizer.encode_frames

    def slow(*arguments):
        time.sleep(seconds)
        return encode(*arguments)

    monkeypatch.setattr(tokenizer, "encode_frames", slow)


def test_time_is_limited(started, monkeypatch):
    client = started(timeout=0.2)
    slowly(client.app.state.engine, monkeypatch, 0.6)
    refused(client.post("/tokenize", content=audio(0.5)), 504, r"more than 0.2 s, which is the limit")


def test_requests_at_the_same_time_are_limited(started, monkeypatch):
    client = started(max_requests=2)
    engine = client.app.state.engine
    slowly(engine, monkeypatch, 0.5)
    codes = []
    threads = [
        threading.Thread(target=lambda: codes.append(client.post("/tokenize", content=audio(0.5)).status_code))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while engine.active < 2:
        time.sleep(0.005)
    answer = refused(client.post("/tokenize", content=audio(0.5)), 503, "works on 2 requests, which is its limit")
    assert answer.headers["retry-after"] == "1"
    assert client.get("/health").status_code == 200
    for thread in threads:
        thread.join()
    assert codes == [200, 200]
    assert engine.active == 0


def test_a_service_that_stops_takes_no_more(started):
    client = started()
    client.app.state.engine.stopping = True
    assert client.get("/health").status_code == 200
    for answer in (client.get("/ready"), client.post("/tokenize", content=audio(0.5))):
        refused(answer, 503, "the service is stopping")
    client.app.state.engine.stopping = False


def test_until_the_model_is_loaded_it_is_not_ready(graph, monkeypatch):
    go, load = threading.Event(), "wav2tok.service.reload.Models._open"
    from wav2tok.service.reload import Models

    original = Models._open
    monkeypatch.setattr(load, lambda self, model: go.wait(30) and original(self, model))
    with TestClient(create_app(Settings(str(graph), threads=1)), "http://127.0.0.1") as client:
        assert client.get("/health").status_code == 200
        refused(client.get("/ready"), 503, "tiny.onnx is still being loaded")
        refused(client.post("/tokenize", content=audio(0.5)), 503, "still being loaded")
        go.set()


@pytest.mark.promise(
    "A fault of ours in a request", "500 and a sentence; the log has the rest under the id of the request."
)
def test_a_fault_of_ours_is_logged_and_answered_without_a_traceback(started, monkeypatch, lines):
    client = started()
    monkeypatch.setattr(client.app.state.engine.models.current.tokenizer, "encode_frames", lambda *_: 1 / 0)
    answer = client.post("/tokenize", content=audio(0.5), headers={"X-Request-ID": "mine"})
    refused(answer, 500, "the service has made a mistake; its log says more")
    assert "request mine failed" in lines
    monkeypatch.undo()
    assert client.post("/tokenize", content=audio(0.5)).status_code == 200


def test_request_ids(client, lines):
    for given, kept in (("job-7:a", True), ("x" * 129, False), ('a"b', False), (None, False)):
        answer = client.get("/version", headers={} if given is None else {"X-Request-ID": given})
        assert (answer.headers["x-request-id"] == given) == kept
        assert answer.headers["x-request-id"] in lines[-1]
    assert '"status": 200' in lines[-1]


def test_keys(started):
    client = started(keys=frozenset({"first", "second"}))
    for headers in ({}, {"X-API-Key": "third"}, {"X-API-Key": ""}, {"Authorization": "Basic first"}):
        answer = refused(client.get("/version", headers=headers), 401, "takes an API key")
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/tokenize", "/reload", "/nothing"):
        refused(client.post(path, content=b""), 401, "takes an API key")
    for headers in ({"X-API-Key": "first"}, {"Authorization": "Bearer second"}):
        assert client.get("/version", headers=headers).status_code == 200
    assert {client.get(path).status_code for path in ("/health", "/ready")} == {200}
    assert client.get("/metrics").status_code == 401


@pytest.mark.parametrize(("host", "status"), [
    ("127.0.0.1:8000", 200), ("localhost", 200), ("[::1]:9", 200),
    ("evil.example", 421), ("localhost.evil.example:8000", 421), ("[::2]", 421), ("", 421),
])  # fmt: skip
def test_a_service_of_this_machine_answers_to_its_own_names_only(client, host, status):
    assert client.get("/health", headers={"Host": host}).status_code == status


def test_other_origins_may_ask_only_if_named(started):
    asking = {"Origin": "https://app.example"}
    assert "access-control-allow-origin" not in started().get("/version", headers=asking).headers
    client = started(cors=("https://app.example",))
    assert client.get("/version", headers=asking).headers["access-control-allow-origin"] == "https://app.example"
    other = client.get("/version", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_metrics(started):
    client = started()
    client.post("/tokenize", files=[("file", audio(0.5)), ("file", audio(1))])
    client.post("/tokenize", content=b"nothing")
    client.get("/made-up")
    text = client.get("/metrics").text
    for line in (
        'wav2tok_requests_total{route="/tokenize",status="200"} 1.0',
        'wav2tok_requests_total{route="/tokenize",status="422"} 1.0',
        'wav2tok_requests_total{route="other",status="404"} 1.0',
        "wav2tok_recordings_total 2.0",
        "wav2tok_audio_seconds_total 1.5",
        "wav2tok_active_requests 0.0",
    ):
        assert line in text.splitlines()
    assert re.search(r'wav2tok_model_info{identity="\w{16}",model="\S+",provider="CPUExecutionProvider"} 1.0', text)


def test_openapi_has_examples_and_errors(client):
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/tokenize", "/search", "/health", "/ready", "/version", "/metrics", "/reload"}
    post = schema["paths"]["/tokenize"]["post"]
    assert {"200", "400", "401", "413", "415", "422", "503", "504"} <= set(post["responses"])
    assert "multipart/form-data" in post["requestBody"]["content"]
    error = post["responses"]["503"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    models = schema["components"]["schemas"]
    assert set(models[error]["properties"]) == {"error", "request_id"}
    assert models["Tokens"]["properties"]["tokens"]["examples"] == [[5, 7, 2]]


def test_a_variant_answers_with_its_own_tokens(started, graph, recording):
    from wav2tok.release.variants import convert

    assert convert(graph, graph.with_name("tiny.fp16.onnx"), "fp16")
    smaller = Tokenizer(graph, "cpu", variant="fp16")
    client = started(variant="fp16")
    answer = client.post("/tokenize", content=recording.read_bytes()).json()
    assert answer["identity"] == smaller.identity != Tokenizer(graph, "cpu").identity
    assert answer["recordings"][0]["tokens"] == smaller.encode_file(recording).tolist()
