"""What a service is asked to do, and who may use it."""

import ipaddress
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from wav2tok.errors import UserError
from wav2tok.files import read_text
from wav2tok.search import asked

KEYS = "WAV2TOK_API_KEYS"
"""The environment variable with API keys, separated by commas or white space."""
WEBHOOK_SECRET = "WAV2TOK_WEBHOOK_SECRET"
"""The environment variable with the secret that MLflow signs its webhooks with."""


@dataclass(frozen=True)
class Settings:
    """How a service runs.

    Attributes:
        model: a file, folder, URI or ready-made model, as `wav2tok.tokenizer.locate.located` takes it.
        index: what ``wav2tok index`` wrote, for ``/search``; None leaves it out.
        device, threads, variant: as `wav2tok.tokenizer.tokenizer.Tokenizer` takes them.
        host: the address that the service is reached at.
        keys: who has one of these may use the service; empty: everybody may.
        webhook_secret: what MLflow signs webhooks to ``/reload`` with; None: it takes an API key.
        cors: origins of other sites whose pages may read answers.
        max_bytes: of the body of a request.
        max_seconds: of audio in a request, all its recordings together.
        max_requests: requests that may be worked on at the same time.
        timeout: seconds that a request may take.
        poll: seconds between two looks at the registry; 0 leaves it to ``/reload``.
        batch_seconds: of audio; a batch of so much does not wait for more.
        wait: seconds that a batch waits for recordings that are being received or decoded.
        log_queries: a file for the searches whose senders agree (`wav2tok.service.consent`); None keeps none.
        log_mb: of that file in MiB; a larger one gets another name, and the former file of that name is deleted.
        log_audio: a folder for the sound of those whose senders agree to that, too; None keeps none.
        audio_days, audio_mb: older sounds are deleted, and the oldest beyond this many MiB.
        recordings: a folder that the page searches and plays; None leaves the page out.
    """

    model: str
    index: Path | None = None
    device: str = "auto"
    threads: int | None = None
    variant: str | None = None
    host: str = "127.0.0.1"
    keys: frozenset[str] = field(default=frozenset(), repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    cors: tuple[str, ...] = ()
    max_bytes: int = 32 << 20
    max_seconds: float = 600.0
    max_requests: int = 256
    timeout: float = 60.0
    poll: float = 10.0
    batch_seconds: float = 64.0
    wait: float = 0.005
    log_queries: Path | None = None
    log_mb: float = 100.0
    log_audio: Path | None = None
    audio_days: float = 30.0
    audio_mb: float = 1024.0
    recordings: Path | None = None

    @property
    def logs(self) -> str:
        """What is kept of searches whose senders agree: ``nothing``, ``tokens`` or ``audio``."""
        if self.log_queries is None:
            return "nothing"
        return "tokens" if self.log_audio is None else "audio"

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback(self.host)


@lru_cache(256)
def is_loopback(host: str) -> bool:
    """Whether a host name or address is of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_keys(path: Path | None) -> frozenset[str]:
    """The API keys: those in a file, one a line, where ``#`` begins a comment, and those in `KEYS`.

    Raises:
        UserError: the file is missing, or holds no key.
    """
    found = set(os.environ.get(KEYS, "").replace(",", " ").split())
    if path is not None:
        if not path.exists():
            raise UserError(f"{path} does not exist; name a file with one key a line.", "api_keys")
        lines = (line.partition("#")[0].strip() for line in read_text(path).splitlines())
        listed = {line for line in lines if line}
        if not listed:
            raise UserError(f"{path} holds no API key; write one a line.", "api_keys")
        found |= listed
    for key in found:
        if not key.isascii() or not key.isprintable() or " " in key:
            raise UserError(
                "an API key holds a space or a character that is not ASCII, which HTTP cannot carry; choose another, "
                "such as the output of: openssl rand -hex 32",
                "api_keys",
            )
    return frozenset(found)


def require_protected(settings: Settings, no_auth: bool) -> None:
    """Refuse to let other machines in without a key, unless that is wanted.

    Raises:
        UserError: ``host`` is not of this machine alone, there are no keys, and ``no_auth`` is not set.
    """
    if not settings.loopback and not settings.keys and not no_auth:
        raise UserError(
            f"{settings.host} lets other machines in, and there is no API key; set {KEYS}, name a file of keys, or say "
            "that no key is wanted.",
            "host",
        )


def require_index_for_log(settings: Settings) -> None:
    """Refuse to keep what is never asked, or cannot be written.

    Raises:
        UserError: searches are to be kept without an index, sounds without a log, or the log cannot be written.
    """
    if settings.log_audio is not None and settings.log_queries is None:
        raise UserError("the sound of searches is kept beside their log; name that, too.", "log_queries")
    if settings.log_queries is None:
        return
    if settings.index is None:
        raise UserError("without an index there are no searches to keep; name one.", "index")
    path, sounds = settings.log_queries, settings.log_audio
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{path} cannot be written; name a file in a folder that exists.", "log_queries")
    if os.path.lexists(path):
        _require_log(path)
    if sounds is not None and os.path.lexists(sounds) and not sounds.is_dir():
        raise UserError(f"{sounds} is not a folder; name one.", "log_audio")


def _require_log(path: Path) -> None:
    """Refuse to append searches to a file that does not begin with one.

    Raises:
        UserError: ``path`` is not a regular file, or another program wrote it.
    """
    try:
        next(asked.read(path), None)
        with open(path, "rb") as file:
            ours = not file.read(1) or file.readline().endswith(b"\n")
    except UserError:
        ours = False
    if not ours:
        raise UserError(f"{path} is there and is not a log that wav2tok serve wrote; name another file.", "log_queries")
