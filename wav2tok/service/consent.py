"""Which searches are kept: those whose sender says so, on a service that was started to keep them."""

import threading
import time
from collections.abc import Mapping, Sequence

from wav2tok.audio.source import Content
from wav2tok.errors import UserError, reason
from wav2tok.matching import Tokenized
from wav2tok.progress import log
from wav2tok.search import asked
from wav2tok.search.answers import Match
from wav2tok.search.asked import Asked, Sounds
from wav2tok.service.settings import Settings
from wav2tok.tokenizer.tokenizer import Tokenizer

HEADER = "X-Log-Query"
"""By this header of a request its sender agrees: ``tokens``, or ``audio`` for the sound as well. Without it nothing is
kept."""
ANSWER = "X-Query-Logged"
"""By this header of the answer the service says what was kept."""


class QueryLog:
    """Keeps searches as `Settings.log_queries` and `Settings.log_audio` say."""

    def __init__(self, settings: Settings) -> None:
        self._log, self._megabytes = settings.log_queries, settings.log_mb
        self._sounds: Sounds | None = None
        if settings.log_audio is not None:
            self._sounds = Sounds(settings.log_audio, settings.audio_days, settings.audio_mb)
            self._sounds.forget()
        self._one_at_a_time = threading.Lock()

    def agreed(self, headers: Mapping[str, str]) -> str | None:
        """What of a request is kept: ``tokens`` or ``audio``; None for nothing."""
        wanted = headers.get(HEADER.lower(), "").strip().lower()
        if self._log is None or wanted not in ("tokens", "audio"):
            return None
        return "tokens" if self._sounds is None else wanted

    def keep(
        self,
        agreed: str,
        tokenizer: Tokenizer,
        queries: Sequence[tuple[Content, Tokenized, Sequence[Match]]],
    ) -> bool:
        """Write what was asked and answered; returns whether it was written. A full disk refuses no search.

        Args:
            agreed: what `agreed` returned.
        """
        assert self._log is not None
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        try:
            with self._one_at_a_time:
                for content, string, matches in queries:
                    first = matches[: asked.ANSWERS]
                    sound = self._sounds.keep(content.data) if self._sounds and agreed == "audio" else None
                    paths, distances = tuple(one.path for one in first), tuple(one.distance for one in first)
                    tokens = tuple(string.tokens.tolist())
                    one = Asked(stamp, tokenizer.source, tokenizer.identity, tokens, paths, distances, sound)
                    asked.append(one, self._log, self._megabytes)
        except (OSError, UserError) as error:
            why = reason(error) if isinstance(error, OSError) else str(error)
            log.warning(f"a search could not be logged to {self._log}: {why}")
            return False
        return True
