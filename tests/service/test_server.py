"""``wav2tok serve`` as a process: its address, its end, what it needs, and many clients at once."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.service.servers import service
from wav2tok.audio.find import find

pytestmark = pytest.mark.services


def post(url, body, connection=None):
    """Status and JSON of a tokenize request."""
    asking = connection or http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    asking.request("POST", "/tokenize", body)
    answer = asking.getresponse()
    return answer.status, json.loads(answer.read())


def metrics(url):
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


@pytest.mark.promise("SIGTERM while a service works on requests", "They are answered, and then it ends.")
def test_what_is_in_flight_at_sigterm_is_finished_and_the_exit_code_is_0(tmp_path, graph, tiny_corpus, tokenizer):
    recording = tiny_corpus / "fall" / "eva_0.flac"
    body = recording.read_bytes()
    with service(tmp_path, "--model", graph, "--threads", "1") as running:
        assert running.log.read_text().splitlines()[0] == f"{graph} answers at {running.url} (CPUExecutionProvider)"
        sending = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        sending.putrequest("POST", "/tokenize")
        sending.putheader("Content-Length", str(len(body)))
        sending.endheaders(body[:100])
        idle = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
        idle.connect()
        while "wav2tok_active_requests 1.0" not in metrics(running.url):
            time.sleep(0.05)
        running.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert running.ask("/health")[0] == 200
        assert running.ask("/ready")[0] == 503
        status, refusal = post(running.url, body, idle)
        assert (status, refusal["error"][:24]) == (503, "the service is stopping;")
        sending.send(body[100:])
        answer = sending.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["recordings"][0]["tokens"] == tokenizer.encode_file(recording).tolist()
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize(("options", "sentence"), [
    (["--model", "nowhere"], "wav2tok: --model: nowhere does not exist"),
    (["--host", "0.0.0.0"], "wav2tok: --host: 0.0.0.0 lets other machines in, and there is no API key"),
    (["--host", "192.0.2.1", "--no-auth"], "wav2tok: --port: 192.0.2.1 port 0 cannot be used"),
    (["--api-keys", "nowhere"], "wav2tok: --api-keys: nowhere does not exist"),
    (["--index", "nowhere"], "wav2tok: --index: nowhere does not exist"),
])  # fmt: skip
def test_what_it_cannot_start_with(tmp_path, graph, options, sentence):
    command = [sys.executable, "-m", "wav2tok", "serve", "--port", "0"]
    if "--model" not in options:
        options = ["--model", str(graph), *options]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


def test_a_port_in_use(tmp_path, graph):
    with service(tmp_path, "--model", graph) as running:
        port = str(urlsplit(running.url).port)
        command = [sys.executable, "-m", "wav2tok", "serve", "--model", str(graph), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 2
        assert f"127.0.0.1 port {port} cannot be used" in done.stderr
        assert running.ask("/ready")[0] == 200


def test_it_needs_neither_torch_nor_mlflow(graph, tiny_corpus):
    """With the base install and the extra ``serve``: all else that is installed here is made unimportable."""
    code = f"""
import sys
for name in ("torch", "mlflow", "pandas", "scipy", "numba", "yaml", "sklearn", "prefect", "dvc"):
    sys.modules[name] = None
from starlette.testclient import TestClient
from wav2tok.cli import serve
from wav2tok.service.app import create_app
from wav2tok.service.settings import Settings
with TestClient(create_app(Settings({str(graph)!r})), "http://127.0.0.1") as client:
    import time
    while client.get("/ready").status_code != 200:
        time.sleep(0.05)
    answer = client.post("/tokenize", content=open({str(tiny_corpus / "fall" / "eva_0.flac")!r}, "rb").read())
    assert answer.status_code == 200, answer.text
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_64_clients_lose_nothing_and_get_the_command_lines_tokens(tmp_path, graph, tiny_corpus):
    paths = [str(path) for path in find(tiny_corpus)]
    done = subprocess.run([sys.executable, "-m", "wav2tok", "tokenize", *paths, "--model", str(graph)],
                          capture_output=True, text=True, check=True)  # fmt: skip
    expected = {row["path"]: row["tokens"] for row in map(json.loads, done.stdout.splitlines())}
    bodies = {path: Path(path).read_bytes() for path in paths}
    with service(tmp_path, "--model", graph) as running:
        wrong, counts, end = [], [0] * 64, time.monotonic() + 10

        def client(number):
            connection = http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)
            while time.monotonic() < end:
                path = paths[(number + counts[number]) % len(paths)]
                status, answer = post(running.url, bodies[path], connection)
                if status != 200 or answer["recordings"][0]["tokens"] != expected[path]:
                    wrong.append((path, status, answer))
                counts[number] += 1

        threads = [threading.Thread(target=client, args=(number,)) for number in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert min(counts) > 0
        assert f'wav2tok_requests_total{{route="/tokenize",status="200"}} {sum(counts)}.0' in metrics(running.url)
        assert running.stop() == 0
