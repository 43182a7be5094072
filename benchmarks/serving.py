"""How much of the rate of tokenizing in one process is left over HTTP, on the same cores.

    python -m benchmarks.serving --seconds 1

Short FLACs are tokenized by `wav2tok.tokenizer.batch.tokenize_files`, and by ``wav2tok serve``, which clients on the
same machine ask for one recording a request, in turn. The network is that of the parameters, untrained; it is the
cheapest there is, so the share of HTTP is at its largest. Two ratios come out:

* by the clock, with the clients on the same cores as the server;
* by CPU seconds of the server alone, as if the clients ran elsewhere.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from wav2tok.config import parameters
from wav2tok.device import settle_threads
from wav2tok.speed import workload
from wav2tok.tokenizer.batch import tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

CLIENTS = 32
"""Connections that ask at the same time."""


def write_graph(path: Path) -> None:
    """The network of the parameters, untrained, as an ONNX file."""
    from wav2tok.model.wav2tok import create
    from wav2tok.release.export import write_onnx

    config = parameters.load()
    write_onnx(create(config), config, path)


@contextmanager
def serving(model: str, folder: Path) -> Iterator[str]:
    """A service of ``model`` in a process of its own; yields its URL."""
    log = folder / "serve.log"
    command = [sys.executable, "-m", "wav2tok", "serve", "--model", model, "--port", "0", "--max-requests", "1000"]
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        while not (found := re.search(r"answers at (\S+) ", log.read_text(encoding="utf-8"))):
            if process.poll() is not None:
                raise RuntimeError(log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        yield found[1]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def cpu_seconds(url: str) -> float:
    """CPU seconds that the service has taken so far."""
    with urllib.request.urlopen(f"{url}/metrics") as answer:
        return float(re.search(r"^process_cpu_seconds_total (\S+)", answer.read().decode(), re.M)[1])  # type: ignore[index]


def ask(url: str, bodies: Sequence[bytes], clients: int = CLIENTS) -> list[list[int]]:
    """The tokens of recordings, asked for one at a time by each of several clients.

    The clients write to sockets and read from them, and do no more, so that they take little of the cores.
    """
    where = urlsplit(url)
    answers: list[bytes] = [b""] * len(bodies)
    numbers = iter(range(len(bodies)))
    lock = threading.Lock()

    def client() -> None:
        with socket.create_connection((where.hostname or "", where.port or 80)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                body = bodies[number]
                head = f"POST /tokenize HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
                connection.sendall(head.encode() + body)
                answers[number] = _answer(connection)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [json.loads(answer)["recordings"][0]["tokens"] for answer in answers]


def _answer(connection: socket.socket) -> bytes:
    """The body of an answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16) or _ended()
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(received.decode())
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    while len(body) < length:
        body += connection.recv(1 << 16) or _ended()
    return body


def _ended() -> bytes:
    raise RuntimeError("the service closed the connection")


def compare(model: str, paths: Sequence[str], folder: Path, rounds: int) -> dict[str, float]:
    """Files a second and CPU seconds a file, both ways, and their ratios; medians of ``rounds`` rounds in turn."""
    tokenizer = Tokenizer(model, "cpu")
    bodies = [Path(path).read_bytes() for path in paths]
    taken: dict[str, list[float]] = {name: [] for name in ("inside", "inside_cpu", "http", "http_cpu", "client_cpu")}
    with serving(model, folder) as url:
        expected = [result.tokens.tolist() for result in tokenize_files(paths, tokenizer)]  # type: ignore[union-attr]
        for number in range(rounds + 1):
            start, cpu = time.perf_counter(), time.process_time()
            list(tokenize_files(paths, tokenizer))
            inside, inside_cpu = time.perf_counter() - start, time.process_time() - cpu
            start, cpu, before = time.perf_counter(), time.process_time(), cpu_seconds(url)
            answers = ask(url, bodies)
            http, client_cpu = time.perf_counter() - start, time.process_time() - cpu
            http_cpu = cpu_seconds(url) - before
            if answers != expected:
                raise RuntimeError("the service gives other tokens than this process")
            if number:  # the first round warms up
                for name, value in zip(taken, (inside, inside_cpu, http, http_cpu, client_cpu), strict=True):
                    taken[name].append(value / len(paths))
    each = {name: median(values) for name, values in taken.items()}
    return {
        "files a second, in one process": round(1 / each["inside"], 1),
        "files a second, over HTTP": round(1 / each["http"], 1),
        "CPU ms a file, in one process": round(1e3 * each["inside_cpu"], 2),
        "CPU ms a file, of the server": round(1e3 * each["http_cpu"], 2),
        "CPU ms a file, of the clients": round(1e3 * each["client_cpu"], 2),
        "ratio by the clock, clients included": round(
            median(a / b for a, b in zip(taken["inside"], taken["http"], strict=True)), 2
        ),
        "ratio by CPU, clients left out": round(
            median(a / b for a, b in zip(taken["inside_cpu"], taken["http_cpu"], strict=True)), 2
        ),
    }


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.serving", description="Tokenizing over HTTP.")
    arguments.add_argument("--seconds", type=float, default=1.0, help="length of a recording")
    arguments.add_argument("--files", type=int, default=600, help="how many recordings")
    arguments.add_argument("--rounds", type=int, default=5, help="how often both ways are measured")
    arguments.add_argument("--model", help="a model; by default the network of the parameters, untrained")
    options = arguments.parse_args()
    settle_threads()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory(prefix="wav2tok-bench-") as name:
        folder = Path(name)
        model = options.model or str(folder / "tokenizer.onnx")
        if options.model is None:
            write_graph(folder / "tokenizer.onnx")
        classes = workload.write(folder / "recordings", options.files, options.seconds, 16000)
        paths = [path for group in classes.values() for path in group]
        for what, value in compare(model, paths, folder, options.rounds).items():
            print(f"{what:40} {value:g}")


if __name__ == "__main__":
    main()
