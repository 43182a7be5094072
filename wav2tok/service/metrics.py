"""What Prometheus reads at ``/metrics``."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, PlatformCollector, ProcessCollector
from prometheus_client import generate_latest as _text

from wav2tok.tokenizer.tokenizer import Tokenizer


class Metrics:
    """The counters of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "wav2tok_requests", "Requests, by route and status.", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "wav2tok_request_seconds",
            "Seconds from the first byte of a request to the last of its answer.",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
            registry=self.registry,
        )
        self.active = Gauge("wav2tok_active_requests", "Requests that are being worked on.", registry=self.registry)
        self.recordings = Counter("wav2tok_recordings", "Recordings tokenized.", registry=self.registry)
        self.audio = Counter("wav2tok_audio_seconds", "Seconds of audio tokenized.", registry=self.registry)
        self.batches = Histogram(
            "wav2tok_batch_recordings",
            "Recordings in a batch.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.reloads = Counter(
            "wav2tok_reloads", "Looks at the registry, by what they found.", ["result"], registry=self.registry
        )
        self.model = Info("wav2tok_model", "The model that answers.", registry=self.registry)

    def batch(self, recordings: int, seconds: float) -> None:
        """Count one batch."""
        self.recordings.inc(recordings)
        self.audio.inc(seconds)
        self.batches.observe(recordings)

    def loaded(self, tokenizer: Tokenizer) -> None:
        """Name the model that answers from now on."""
        self.model.info({"model": tokenizer.source, "identity": tokenizer.identity, "provider": tokenizer.provider})

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return _text(self.registry)
