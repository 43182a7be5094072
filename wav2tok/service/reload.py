"""The model and the index that answer, and their replacement while requests go on.

A request takes `Models.current` once and keeps it to its end, so that no answer mixes two models.
"""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from wav2tok.audio.ahead import LONG_SAMPLES
from wav2tok.errors import UserError
from wav2tok.progress import log
from wav2tok.search.index import Index
from wav2tok.service.events import event
from wav2tok.service.metrics import Metrics
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer
from wav2tok.tracking import lookup

FRESH = 300.0
"""Seconds for which a signed webhook is believed, so that nobody can send an old one again."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """What answers.

    Attributes:
        tokenizer: warmed up.
        index: of this tokenizer; None without one.
        problem: why there is no index though one is asked for.
    """

    tokenizer: Tokenizer
    index: Index | None
    problem: str | None


class Models:
    """Loads the model, and follows its alias in the registry.

    Attributes:
        current: what answers; None until the first model is loaded and warmed up.
        failure: why the first model cannot be loaded.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self.current: Loaded | None = None
        self.failure: UserError | None = None
        self._indexed_with = ""
        self._settled = threading.Event()
        self._stamp: tuple[int, int] | None = None
        self._one_at_a_time = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="wav2tok-models", daemon=True)

    def start(self) -> None:
        """Load the first model, and then look for others, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what it loads is not waited for."""
        self._ending.set()

    def first(self) -> Tokenizer | None:
        """Wait for the first model; None if it cannot be loaded."""
        self._settled.wait()
        return None if self.current is None else self.current.tokenizer

    def check(self) -> bool:
        """Look whether the alias or the index has moved, and load what is new; returns whether anything was.

        Raises:
            UserError: the registry cannot be asked, or its model cannot be loaded; the present one stays.
        """
        with self._one_at_a_time:
            try:
                changed = self._check()
            except Exception:
                self._metrics.reloads.labels("failed").inc()
                raise
            self._metrics.reloads.labels("changed" if changed else "unchanged").inc()
            return changed

    def _check(self) -> bool:
        now = self.current
        assert now is not None, "the first model is not loaded yet"
        version = lookup.find(self._settings.model)
        if version is not None and version.uri != now.tokenizer.source:
            self._replace(self._open(version.uri))
        elif self._index_stamp() != self._stamp:
            self._replace(now.tokenizer)
        else:
            return False
        return True

    def _open(self, model: str) -> Tokenizer:
        """A tokenizer that has run once, so that the first request does not wait for what is made at first use."""
        asked = self._settings
        tokenizer = Tokenizer.from_pretrained(model, asked.device, asked.threads, asked.variant)
        noise = np.random.default_rng(0).normal(0, 0.1, tokenizer.sample_rate).astype(np.float32)
        tokenizer.encode_frames([noise, noise[::2]], tokenizer.sample_rate)
        if self._settings.max_seconds * tokenizer.sample_rate > LONG_SAMPLES:
            tokenizer.encode_blocks(lambda: [noise])
        return tokenizer

    def _replace(self, tokenizer: Tokenizer) -> None:
        """Answer with ``tokenizer`` from now on, and with the index if it is of this tokenizer."""
        path = self._settings.index
        index, problem = None, None
        if path is not None:
            self._stamp = self._index_stamp()
            try:
                index = Index.load(path, tokenizer)
                self._indexed_with = tokenizer.source
            except UserError as error:
                if self.current is None:
                    raise
                problem = (
                    f"{path} was made with {self._indexed_with}, but {tokenizer.source} answers now; index again: "
                    f"wav2tok index FOLDER --model {tokenizer.source} --out {path}"
                )
                log.warning(f"{problem} ({error})")
        if self.current is not None:
            event("reloaded", model=tokenizer.source, identity=tokenizer.identity)
        self.current = Loaded(tokenizer, index, problem)
        self._metrics.loaded(tokenizer)

    def _index_stamp(self) -> tuple[int, int] | None:
        """What changes when the index is written again."""
        try:
            status = self._settings.index.stat() if self._settings.index else None
        except OSError:
            return None
        return status and (status.st_mtime_ns, status.st_size)

    def _follow(self) -> None:
        try:
            self._replace(self._open(self._settings.model))
        except UserError as error:
            self.failure = error
            return
        except Exception:
            log.exception("the model cannot be loaded")
            self.failure = UserError(f"{self._settings.model} cannot be loaded; the log says why.", "model")
            return
        finally:
            self._settled.set()
        while self._settings.poll and not self._ending.wait(self._settings.poll):
            try:
                self.check()
            except Exception as error:  # a store that is away, or anything in a library: the service goes on
                log.warning(f"{self._settings.model} cannot be looked up or loaded, the present model stays: {error}")


def signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether MLflow signed this webhook with ``secret``, not long ago.

    The signature is that of ``mlflow.webhooks.delivery``: HMAC-SHA256 of id, time and body. MLflow itself is not
    imported: it takes seconds, and a service may run without it.
    """
    delivery, stamp = headers.get("x-mlflow-delivery-id", ""), headers.get("x-mlflow-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(time.time() - int(stamp)) > FRESH:
        return False
    made = hmac.new(secret.encode(), f"{delivery}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = headers.get("x-mlflow-signature", "").encode("utf-8", "surrogateescape")
    return hmac.compare_digest(signature, b"v1," + base64.b64encode(made))
