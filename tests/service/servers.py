"""Servers that tests start: a process that listens, and how to wait for it and end it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient


def ready(client: TestClient) -> TestClient:
    """The client of a service in this process, once its model is loaded."""
    end = time.monotonic() + 60
    while client.get("/ready").status_code != 200:
        assert time.monotonic() < end, client.get("/ready").text
        time.sleep(0.02)
    return client


def until(url: str, server: subprocess.Popen, seconds: float = 120) -> None:
    """Wait until ``url`` answers 200; fails if the server ends before."""
    end = time.monotonic() + seconds
    while True:
        assert server.poll() is None, server.communicate()[0][-3000:]
        assert time.monotonic() < end, f"{url} does not answer"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)


class Running:
    """A service in a process of its own.

    Attributes:
        url: where it is.
        log: the file that it prints to.
    """

    def __init__(self, process: subprocess.Popen, url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    def ask(self, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> tuple[int, dict]:
        """Status and JSON of an answer."""
        request = urllib.request.Request(self.url + path, body, dict(headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def service(
    folder: Path, *options: object, verb: str = "serve", environment: Mapping[str, str] | None = None
) -> Iterator[Running]:
    """``wav2tok serve``, or ``demo``, with these options at a free port, ready; killed at the end if it still runs."""
    log = folder / "serve.log"
    command = [sys.executable, "-m", "wav2tok", verb, "--port", "0", *map(str, options)]
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, **(environment or {})}, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        end, found = time.monotonic() + 120, None
        while found is None:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, "the service does not start"
            found = re.search(r"answers at (http://\S+) ", log.read_text())
            time.sleep(0.05)
        yield Running(process, found[1], log)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
