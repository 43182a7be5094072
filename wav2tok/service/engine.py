"""From the recordings of a request to their tokens: decoded in threads, encoded in batches across requests."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from wav2tok.audio.source import Content
from wav2tok.device import available_cpus
from wav2tok.matching import Tokenized
from wav2tok.search.query import sound
from wav2tok.service.batching import Batcher, Job, deliver
from wav2tok.service.decoding import Allowance, decoded
from wav2tok.service.metrics import Metrics
from wav2tok.service.refusals import later
from wav2tok.service.reload import Loaded, Models
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer


class Engine:
    """What works behind the routes.

    Attributes:
        active: requests that are being worked on.
        stopping: whether no more are taken.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.models = Models(settings, self.metrics)
        self.batcher = Batcher(settings.batch_seconds, settings.wait, self.metrics.batch)
        self.pool = ThreadPoolExecutor(available_cpus(), thread_name_prefix="wav2tok-decode")
        self.active = 0
        self.stopping = False

    def start(self) -> None:
        """Start the threads; the first model is loaded in one of them."""
        self.batcher.start()
        self.models.start()

    def stop(self) -> None:
        """End the threads."""
        self.models.stop()
        self.pool.shutdown(cancel_futures=True)
        self.batcher.stop()

    def loaded(self) -> Loaded:
        """What answers.

        Raises:
            Refused: the service is stopping, or the first model is not loaded yet.
        """
        if self.stopping:
            raise later("the service is stopping; ask another, or this one when it runs again.")
        if self.models.current is None:
            raise later(f"{self.settings.model} is still being loaded; try again in a second.")
        return self.models.current

    async def tokenize(
        self, contents: Sequence[Content], tokenizer: Tokenizer, *, asks: bool = False
    ) -> list[Tokenized]:
        """The token strings of recordings, exactly those of ``wav2tok tokenize``.

        Args:
            asks: whether an index will be asked for them; then as ``wav2tok search`` reads a query.

        Raises:
            UserError: one of them cannot be read, or asks and is silent.
            Refused: they are longer than allowed.
        """
        loop = asyncio.get_running_loop()
        allowance = Allowance(self.settings.max_seconds)
        waiting: list[asyncio.Future[Tokenized]] = []
        for content in contents:
            self.batcher.expect()
            waiting.append(loop.create_future())
            self.pool.submit(self._decode, content, tokenizer, allowance, asks, waiting[-1])
        try:
            return await asyncio.gather(*waiting)
        finally:  # of a request that is refused or takes too long, nothing more is decoded or encoded
            for future in waiting:
                future.cancel()

    def _decode(
        self,
        content: Content,
        tokenizer: Tokenizer,
        allowance: Allowance,
        asks: bool,
        result: asyncio.Future[Tokenized],
    ) -> None:
        if result.cancelled():
            self.batcher.forget()
            return
        try:
            recording = decoded(content, tokenizer.sample_rate, allowance)
            if asks and isinstance(recording.samples, np.ndarray):
                rate = tokenizer.sample_rate
                part = sound(recording.samples, rate, content.name)
                recording = replace(recording, samples=recording.samples[part], before=part.start / rate)
        except Exception as error:  # unreadable or too long; a fault of ours becomes a 500
            self.batcher.forget()
            deliver([result], error)
            return
        self.batcher.put(Job(content.name, tokenizer, recording, result))
