"""Recordings of all clients, encoded together: one thread gathers those that wait into batches.

The tokens of a recording do not depend on what else is in its batch (`tests/service/test_batching.py`).
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from wav2tok.matching import Tokenized
from wav2tok.progress import log
from wav2tok.service.decoding import Recording
from wav2tok.tokenizer.batch import tokenized
from wav2tok.tokenizer.tokenizer import Tokenizer

Observe = Callable[[int, float], None]
"""Called per batch with its number of recordings and its seconds of audio."""


@dataclass(frozen=True, eq=False)
class Job:
    """A recording to encode.

    Attributes:
        name: what it is called in the answer.
        tokenizer: of the model that served when the request came in: a reload leaves it as it is.
        result: becomes its token string.
    """

    name: str
    tokenizer: Tokenizer
    recording: Recording
    result: asyncio.Future[Tokenized]


class Batcher:
    """Encodes jobs in a thread of its own, and long recordings in another, so that they hold up no others.

    What waits is bounded by how many requests `wav2tok.service.gate` admits, and how many seconds each may bring.

    Args:
        seconds: of audio; a batch of so much or more is encoded at once.
        wait: seconds that a batch waits at most for recordings that are on their way.
        observe: sees each batch.
    """

    def __init__(self, seconds: float, wait: float, observe: Observe) -> None:
        self._seconds, self._wait, self._observe = seconds, wait, observe
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._ended = False
        self._coming, self._lock = 0, threading.Lock()
        self._thread = threading.Thread(target=self._work, name="wav2tok-batches", daemon=True)
        self._long = ThreadPoolExecutor(1, thread_name_prefix="wav2tok-long")

    def start(self) -> None:
        """Begin to encode."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what waits, and end."""
        self._jobs.put(None)
        if self._thread.is_alive():
            self._thread.join()
        self._long.shutdown()

    def expect(self) -> None:
        """Announce a recording, for which `put` or `forget` is called later: batches wait a little for it."""
        with self._lock:
            self._coming += 1

    def forget(self) -> None:
        """Do not wait for an announced recording any more."""
        with self._lock:
            self._coming -= 1

    def put(self, job: Job) -> None:
        """Add an announced recording, from any thread."""
        self.forget()
        if callable(job.recording.samples):
            self._long.submit(self._encode_long, job)
        else:
            self._jobs.put(job)

    def _work(self) -> None:
        while jobs := self._gather():
            for _, part in groupby(jobs, key=lambda job: id(job.tokenizer)):
                self._encode([job for job in part if not job.result.cancelled()])

    def _gather(self) -> list[Job]:
        """The jobs of the next batch; none at the end."""
        jobs: list[Job] = []
        seconds, until = 0.0, 0.0
        while not self._ended:
            left = until - time.monotonic()
            try:
                # Whoever is alone does not wait.
                wait = bool(jobs) and self._coming > 0 and left > 0
                job = self._jobs.get(block=wait or not jobs, timeout=left if wait else None)
            except queue.Empty:
                break
            if job is None:
                self._ended = True
                break
            if not jobs:
                until = time.monotonic() + self._wait
            jobs.append(job)
            seconds += job.recording.seconds
            if seconds >= self._seconds:
                break
        return jobs

    def _encode(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        tokenizer = jobs[0].tokenizer
        waveforms = [job.recording.samples for job in jobs]
        try:
            frames = tokenizer.encode_frames([w for w in waveforms if isinstance(w, np.ndarray)], tokenizer.sample_rate)
            strings = [
                tokenized(job.name, job.recording.seconds, one, job.recording.before)
                for job, one in zip(jobs, frames, strict=True)
            ]
        except Exception as error:  # a fault of ours must not end the thread: it is logged, and answered with 500
            deliver([job.result for job in jobs], error)
            return
        self._observe(len(jobs), sum(job.recording.seconds for job in jobs))
        deliver([job.result for job in jobs], strings)

    def _encode_long(self, job: Job) -> None:
        samples = job.recording.samples
        assert callable(samples)
        if job.result.cancelled():
            return
        try:
            string = tokenized(job.name, job.recording.seconds, job.tokenizer.encode_blocks(samples))
        except Exception as error:  # an unreadable recording, or a fault of ours
            deliver([job.result], error)
            return
        self._observe(1, job.recording.seconds)
        deliver([job.result], [string])


def deliver(results: Sequence[asyncio.Future[Tokenized]], values: Sequence[Tokenized] | Exception) -> None:
    """Hand values, or one error, to the event loop, all at once: waking it costs as much as a short recording."""

    def resolve() -> None:
        for number, result in enumerate(results):
            if result.done():
                continue
            if isinstance(values, Exception):
                result.set_exception(values)
            else:
                result.set_result(values[number])

    try:
        results[0].get_loop().call_soon_threadsafe(resolve)
    except RuntimeError:  # the loop is closed: nobody waits any more
        log.debug("a batch was finished after the service had ended")
