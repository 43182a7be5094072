"""Hours of tokenizing and searching through ``wav2tok serve`` while faults are injected.

    python -m benchmarks.soak --minutes 60 --out benchmarks/soak.md

(``make soak``) Clients ask for tokens and for the nearest recordings, and compare each answer with what this process
finds by itself. Meanwhile clients break off, uploads are damaged or too large, the service is asked to reload, and
recordings are added to its index and removed. Once, after a tenth of the time, the service is killed and started again.
What comes out: how many answers were right, whether a request was lost, and the memory of the service over time.
"""

import argparse
import contextlib
import datetime
import json
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import torch

from wav2tok.device import settle_threads
from wav2tok.machine import describe
from wav2tok.sample import corpus
from wav2tok.search.folder import verify
from wav2tok.search.index import Index
from wav2tok.tokenizer.batch import Failure, tokenize_files
from wav2tok.tokenizer.tokenizer import Tokenizer

MODEL = "wav2tok:humming"
CLIENTS = 2
KILLED_AFTER = 0.1
"""Of the time; memory is measured afterwards, so over nine tenths of it."""
WARM_UP = 0.25
"""Of the samples of memory, that are left out: caches fill and the heap finds its size."""
MEBI = 1 << 20
MOST_BYTES = 2 * MEBI
"""In a request."""
NONSENSE = (
    ("/tokenize", b""),
    ("/tokenize", None),
    ("/search", b"text"),
    ("/search?top=none", b"text"),
    ("/nowhere", b"text"),
)
"""Paths and bodies."""


class Service:
    """``wav2tok serve`` in a process of its own, always at the same address."""

    def __init__(self, folder: Path, index: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url, self.log = f"http://127.0.0.1:{self._port}", folder / "serve.log"
        self._command = [
            sys.executable, "-m", "wav2tok", "serve", "--model", MODEL, "--index", str(index), "--port",
            str(self._port), "--max-mb", str(MOST_BYTES / MEBI), "--poll", "1",
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes requests."""
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(self._command, stdout=out, stderr=subprocess.STDOUT)
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(self.log.read_text(encoding="utf-8"))
            try:
                with urllib.request.urlopen(f"{self.url}/ready", timeout=5):
                    return
            except OSError:
                time.sleep(0.1)

    def memory(self) -> float:
        """The resident memory of the process in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) / 1024  # type: ignore[index]

    def ask(self, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Status and JSON of an answer; `OSError` if there is none."""
        request = urllib.request.Request(self.url + path, body, method="GET" if body is None else "POST")
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@dataclass
class Tally:
    """What happened.

    Attributes:
        counts: by what happened.
        wrong: descriptions of answers that are not what they should be.
        memory: seconds since the start and MiB, since the service was started for the last time.
        killed: while it is set, a request may find nobody.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    killed: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def fault(self, what: str) -> None:
        with self.lock:
            self.wrong.append(what)


@dataclass(frozen=True)
class Known:
    """A recording: its bytes, its path in the index, and the tokens that this process finds."""

    body: bytes
    path: str
    tokens: list[int]


def client(service: Service, known: list[Known], tally: Tally, ending: threading.Event, seed: int) -> None:
    """Ask for the tokens of a recording, or for the nearest one, until the end.

    A request without an answer is repeated. Each recording of `known` is in the index all the time, so it is its own
    nearest.
    """
    rng = random.Random(seed)
    while not ending.is_set():
        one, searching = rng.choice(known), rng.random() < 0.5
        while True:
            try:
                status, answer = service.ask("/search?top=1" if searching else "/tokenize", one.body)
            except (OSError, ValueError):  # no connection, or one that ended within an answer
                if not tally.killed.is_set():
                    tally.fault("a request got no answer although the service had not been killed")
                tally.count("requests repeated because the service had been killed")
                time.sleep(0.2)
                continue
            if status == 503:
                tally.count("requests repeated because the service was busy or starting")
                time.sleep(0.2)
                continue
            break
        if status != 200:
            tally.fault(f"{one.path} was answered with {status}: {answer}")
        elif searching:
            best = answer["recordings"][0]["matches"][0]
            right = best["distance"] == 0 and best["path"] == one.path
            tally.count("searches answered rightly") if right else tally.fault(f"{one.path}: the nearest is {best}")
        elif answer["recordings"][0]["tokens"] == one.tokens:
            tally.count("recordings tokenized rightly")
        else:
            tally.fault(f"{one.path} got other tokens")


def break_off(service: Service, body: bytes, rng: random.Random) -> None:
    """Announce a recording, send a part of it, and close the connection."""
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname or "", where.port or 80), timeout=30) as connection:
        head = f"POST /search HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body[: rng.randrange(len(body))])


class Faults:
    """The faults by name; each is injected again and again."""

    def __init__(self, service: Service, known: list[Known], more: list[Path], index: Path, tally: Tally) -> None:
        self._service, self._known, self._tally, self._index = service, known, tally, index
        self._rng = random.Random(0)
        self._more, self._tokenizer = more, Tokenizer.from_pretrained(MODEL, "cpu")
        self._added: list[str] = []
        self.kinds: dict[str, Callable[[], None]] = {
            "clients that broke off": self._break_off,
            "damaged uploads": self._damage,
            "uploads that were too large": self._too_large,
            "requests that are none": self._nonsense,
            "reloads": self._reload,
            "changes of the index": self._change,
        }

    def inject(self) -> None:
        """A fault of some kind."""
        name = self._rng.choice([*self.kinds])
        self.kinds[name]()
        self._tally.count(name)

    def _expect(self, statuses: set[int], path: str, body: bytes | None) -> None:
        status, answer = self._service.ask(path, body)
        if status not in statuses:
            self._tally.fault(f"{path} with {len(body or b'')} bytes was answered with {status}: {answer}")

    def _break_off(self) -> None:
        break_off(self._service, self._rng.choice(self._known).body, self._rng)

    def _damage(self) -> None:
        damaged = bytearray(self._rng.choice(self._known).body)
        for _ in range(self._rng.randrange(1, 40)):
            damaged[self._rng.randrange(min(len(damaged), 4000))] = self._rng.randrange(256)
        # Some damage is inaudible, and some is in a part that no decoder reads.
        self._expect({200, 415, 422}, "/tokenize", bytes(damaged))

    def _too_large(self) -> None:
        # It answers and closes before all was sent, which the client may notice first.
        with contextlib.suppress(OSError):
            self._expect({413}, "/tokenize", b"RIFF" + bytes(MOST_BYTES))

    def _nonsense(self) -> None:
        path, body = self._rng.choice(NONSENSE)
        self._expect({400, 404, 405, 422}, path, body)

    def _reload(self) -> None:
        self._expect({200}, "/reload", b"")

    def _change(self) -> None:
        """Add a recording that the index does not have, or remove one that was added."""
        index = Index.load(self._index)
        if self._added and (len(self._added) == len(self._more) or self._rng.random() < 0.5):
            index.remove([self._added.pop()])
            return
        path = str(self._more[len(self._added)])
        (string,) = tokenize_files([path], self._tokenizer)
        if isinstance(string, Failure):
            raise RuntimeError(string.error)
        index.add([string])
        self._added.append(path)

    @property
    def added(self) -> int:
        """How many recordings the index has beside the first ones."""
        return len(self._added)


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB an hour by which memory grows, by least squares over the samples after the warm-up."""
    late = np.array(samples[int(WARM_UP * len(samples)) :])
    return float(np.polyfit(late[:, 0], late[:, 1], 1)[0] * 3600)


def soak(seconds: float, folder: Path) -> tuple[Tally, list[str]]:
    """Run it; returns what happened, and what is wrong at the end."""
    corpus.make(folder / "corpus", melodies=8, singers=6)
    corpus.make(folder / "more", seed=1, melodies=4, singers=3)
    paths, more = (sorted((folder / name).rglob("*.flac")) for name in ("corpus", "more"))
    tokenizer = Tokenizer.from_pretrained(MODEL, "cpu")
    strings = [one for one in tokenize_files([str(path) for path in paths], tokenizer) if not isinstance(one, Failure)]
    index = folder / "index"
    Index.create(index, tokenizer, strings)
    known = [Known(Path(one.path).read_bytes(), one.path, one.tokens.tolist()) for one in strings]
    service, tally, ending = Service(folder, index), Tally(), threading.Event()
    faults = Faults(service, known, more, index, tally)
    threads = [
        threading.Thread(target=client, args=(service, known, tally, ending, seed), daemon=True)
        for seed in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    start, alive = time.monotonic(), False
    try:
        while (now := time.monotonic() - start) < seconds:
            if now > KILLED_AFTER * seconds and not alive:
                tally.killed.set()
                service.process.kill()
                service.process.wait()
                service.start()
                alive = True
                time.sleep(2)  # who was connected has noticed
                tally.killed.clear()
                tally.count("times that the service was killed")
            faults.inject()
            if alive:
                tally.memory.append((time.monotonic() - start, service.memory()))
            time.sleep(0.5)
    finally:
        ending.set()
        for thread in threads:
            thread.join(150)
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait(60)
    wrong = [*tally.wrong, *verify(index)]
    if any(thread.is_alive() for thread in threads):
        wrong.append("a request has not been answered")
    if code != 0:
        wrong.append(f"the service ended with code {code}")
    if "Traceback" in service.log.read_text(encoding="utf-8"):
        wrong.append("its log has a traceback")
    if len(Index.load(index)) != len(paths) + faults.added:
        wrong.append(f"the index has {len(Index.load(index))} recordings, not {len(paths) + faults.added}")
    return tally, wrong


def described(tally: Tally, wrong: list[str], seconds: float) -> str:
    """The figures as a page in Markdown."""
    memory = [mebi for _, mebi in tally.memory]
    rows: list[tuple[str, float]] = [*sorted(tally.counts.items())]
    rows += [("wrong or missing answers, and other faults", len(wrong))]
    rows += [("memory after the warm-up, MiB", round(memory[int(WARM_UP * len(memory))]))]
    rows += [("memory at the end, MiB", round(memory[-1])), ("growth, MiB an hour", round(slope(tally.memory), 1))]
    processor = describe(torch.device("cpu"))["processor"]
    lines = [
        "# Soak", "",
        f"`python -m benchmarks.soak --minutes {seconds / 60:g}`, {datetime.date.today()}, {processor}: {CLIENTS} "
        f"clients ask `wav2tok serve` with {MODEL}, while faults are injected.", "",
        "| what | number |", "|---|---|", *(f"| {name} | {value:,} |" for name, value in rows),
    ]  # fmt: skip
    return "\n".join([*lines, *(["", "Wrong:", ""] if wrong else []), *(f"- {one}" for one in wrong[:20])]) + "\n"


def main() -> None:
    """Run and write the page; exit code 1 if anything was wrong."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.soak", description="Faults while it serves.")
    arguments.add_argument("--minutes", type=float, default=60.0, help="how long")
    arguments.add_argument("--out", type=Path, help="the page to write; by default it is only printed")
    options = arguments.parse_args()
    settle_threads()
    with tempfile.TemporaryDirectory(prefix="wav2tok-soak-") as name:
        tally, wrong = soak(60 * options.minutes, Path(name))
    page = described(tally, wrong, 60 * options.minutes)
    print(page, end="")
    if options.out is not None:
        options.out.write_text(page, encoding="utf-8")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
