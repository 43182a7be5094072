"""The model is replaced while requests go on: by polling, by request, by MLflow's webhook; the index follows."""

import json
import os
import subprocess
import sys
import threading
import time

import mlflow
import pytest
import torch
from mlflow.webhooks.delivery import _generate_hmac_signature
from starlette.testclient import TestClient

from tests import registrations
from tests.helpers import free_port
from tests.service.servers import ready, service, until
from wav2tok.model import checkpoint
from wav2tok.release.export import write_onnx
from wav2tok.search.index import Index
from wav2tok.service.app import create_app
from wav2tok.service.reload import signed
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer

CHAMPION = "models:/moving@champion"


@pytest.fixture(scope="module")
def exports(tmp_path_factory, tiny_model):
    """The folders of two models that give other tokens: the codebook of the second is that of the first in reverse."""
    root = tmp_path_factory.mktemp("exports")
    model, config, _ = checkpoint.load(tiny_model)
    folders = [root / "first", root / "second"]
    for folder in folders:
        folder.mkdir()
        write_onnx(model, config, folder / "tokenizer.onnx")
        with torch.no_grad():
            model.codebook.copy_(model.codebook.flip(0))
    return folders


@pytest.fixture(scope="module")
def place(tmp_path_factory, exports):
    """The folder of a store with both models."""
    root = tmp_path_factory.mktemp("store")
    uri = f"sqlite:///{root}/mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("moving")
        for number, folder in enumerate(exports, 1):
            assert registrations.register(folder, "moving")[0] == str(number)
        yield root
        mlflow.set_tracking_uri(None)


@pytest.fixture
def store(place):
    """The same, with the first model as the champion."""
    promote(1)
    return place


def promote(number):
    mlflow.MlflowClient().set_registered_model_alias("moving", "champion", str(number))


@pytest.fixture
def recording(tiny_corpus):
    return tiny_corpus / "fall" / "eva_0.flac"


@pytest.fixture
def expected(exports, recording):
    """The strings of that recording by both models, by the name of the version."""
    strings = {
        f"models:/moving/{number}": Tokenizer(folder, "cpu").encode_file(recording).tolist()
        for number, folder in enumerate(exports, 1)
    }
    assert len({tuple(string) for string in strings.values()}) == 2
    return strings


def test_polling_under_load_drops_nothing_and_mixes_nothing(store, recording, expected):
    client = TestClient(create_app(Settings(CHAMPION, threads=1, poll=0.1)), "http://127.0.0.1")
    body, answers, stop = recording.read_bytes(), [], threading.Event()

    def load():
        while not stop.is_set():
            answers.append(client.post("/tokenize", content=body))

    with client:
        ready(client)
        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in (2, 1, 2):
            promote(number)
            end = time.monotonic() + 60
            while client.get("/version").json()["model"] != f"models:/moving/{number}":
                assert time.monotonic() < end
                time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    seen = [answer.json() for answer in answers]
    assert {answer["model"] for answer in seen} == set(expected)
    for answer in seen:
        assert answer["recordings"][0]["tokens"] == expected[answer["model"]]


def test_asking_for_it_is_quicker_than_polling(store, lines):
    with TestClient(create_app(Settings(CHAMPION, threads=1, poll=0)), "http://127.0.0.1") as client:
        ready(client)
        assert client.post("/reload").json()["changed"] is False
        promote(2)
        answer = client.post("/reload").json()
        assert (answer["changed"], answer["model"]) == (True, "models:/moving/2")
        assert any('"event": "reloaded", "model": "models:/moving/2"' in line for line in lines)
        text = client.get("/metrics").text
        assert 'wav2tok_reloads_total{result="changed"} 1.0' in text
        assert 'wav2tok_reloads_total{result="unchanged"} 1.0' in text


def test_a_store_that_is_away_leaves_the_present_model(store, recording):
    with TestClient(create_app(Settings(CHAMPION, threads=1, poll=0)), "http://127.0.0.1") as client:
        ready(client)
        mlflow.MlflowClient().delete_registered_model_alias("moving", "champion")
        answer = client.post("/reload")
        assert answer.status_code == 503
        assert "models:/moving@champion is not in the store" in answer.json()["error"]
        assert answer.json()["error"].endswith("The present model stays.")
        assert client.post("/tokenize", content=recording.read_bytes()).json()["model"] == "models:/moving/1"


def test_an_index_of_the_former_model_is_refused_until_it_is_made_again(store, exports, recording, tiny_corpus):
    index = store / "index"
    Index.build([tiny_corpus], Tokenizer(exports[0], "cpu")).save(index)
    body = recording.read_bytes()
    with TestClient(create_app(Settings(CHAMPION, index, threads=1, poll=0)), "http://127.0.0.1") as client:
        ready(client)
        assert client.post("/search", content=body).status_code == 200
        promote(2)
        client.post("/reload")
        refused = client.post("/search", content=body)
        assert refused.status_code == 409
        assert "was made with models:/moving/1, but models:/moving/2 answers now" in refused.json()["error"]
        assert client.post("/tokenize", content=body).status_code == 200
        Index.build([tiny_corpus], Tokenizer(exports[1], "cpu")).save(index)
        assert client.post("/reload").json()["changed"] is True
        found = client.post("/search", content=body).json()
        assert found["model"] == "models:/moving/2"
        assert found["recordings"][0]["matches"][0]["distance"] == 0


def headers(secret, body, stamp=None, delivery="d1"):
    stamp = str(int(time.time())) if stamp is None else stamp
    return {
        "X-MLflow-Delivery-Id": delivery,
        "X-MLflow-Timestamp": stamp,
        "X-MLflow-Signature": _generate_hmac_signature(secret, delivery, stamp, body),
    }


@pytest.mark.parametrize(("change", "right"), [
    ({}, True),
    ({"secret": "other"}, False),
    ({"stamp": "1"}, False),
    ({"stamp": "now"}, False),
])  # fmt: skip
def test_a_webhook_is_believed_by_mlflows_signature(change, right):
    made = headers(**{"secret": "s", "body": "{}"} | change)
    assert signed({key.lower(): value for key, value in made.items()}, b"{}", "s") == right
    assert not signed({key.lower(): value for key, value in made.items()}, b"{ }", "s")
    assert not signed({}, b"{}", "s")


def test_reload_takes_a_key_or_a_signature(store):
    settings = Settings(CHAMPION, threads=1, poll=0, keys=frozenset({"k"}), webhook_secret="s")
    with TestClient(create_app(settings), "http://127.0.0.1") as client:
        ready(client)
        assert client.post("/reload", headers={"X-API-Key": "k"}).status_code == 200
        assert client.post("/reload", content="{}", headers=headers("s", "{}")).status_code == 200
        wrong = client.post("/reload", content="{}", headers=headers("t", "{}"))
        assert wrong.status_code == 401
        assert "not signed with the secret" in wrong.json()["error"]
        assert client.post("/reload").status_code == 401
        assert client.post("/tokenize", content=b"x", headers=headers("s", "x")).status_code == 401


def asked_to_reload(log):
    """Whether a log of the service has a request for ``/reload``."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return any(line["event"] == "request" and line["path"] == "/reload" for line in lines)


@pytest.mark.slow
@pytest.mark.services
def test_mlflows_server_calls_the_service_when_the_alias_moves(store, recording, expected):
    """Webhooks go to public addresses by https alone, unless the server allows others, as in this test."""
    port, secret = free_port(), "shared secret"
    allowed = {"MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}/mlflow.db",
               "--artifacts-destination", f"{store}/mlruns", "--port", str(port), "--workers", "1"]  # fmt: skip
    from cryptography.fernet import Fernet

    environment = {
        **os.environ, **allowed, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }  # fmt: skip
    environment.pop("MLFLOW_TRACKING_URI")
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, start_new_session=True)  # fmt: skip
    where = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "WAV2TOK_WEBHOOK_SECRET": secret}
    try:
        until(f"http://127.0.0.1:{port}/health", server)
        with service(store, "--model", CHAMPION, "--poll", "0", environment=where) as running:
            client = mlflow.MlflowClient(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}")
            client.create_webhook("serve", f"{running.url}/reload", ["model_version_alias.created"], secret=secret)
            client.set_registered_model_alias("moving", "champion", "2")
            end = time.monotonic() + 60
            while running.ask("/version")[1]["model"] != "models:/moving/2":
                assert time.monotonic() < end, running.log.read_text()
                time.sleep(0.1)
            _, answer = running.ask("/tokenize", recording.read_bytes())
            assert answer["recordings"][0]["tokens"] == expected["models:/moving/2"]
            while not asked_to_reload(running.log.read_text()):  # it is logged after the answer
                assert time.monotonic() < end, running.log.read_text()
                time.sleep(0.1)
    finally:
        os.killpg(server.pid, 15)
        server.communicate()
