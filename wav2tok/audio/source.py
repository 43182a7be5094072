"""Where a recording comes from, and the error of one that cannot be used."""

from dataclasses import dataclass
from pathlib import Path

from wav2tok.errors import UserError


@dataclass(frozen=True)
class Content:
    """A recording that is in no file: what messages call it, and its bytes."""

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


Source = Path | str | Content
"""Where a recording is: a file, or the bytes of one."""


class UnreadableError(UserError):
    """A file that is not audio, is damaged, or has no samples.

    Attributes:
        reason: what is wrong with it, to follow its name.
    """

    def __init__(self, path: Source, reason: str, remedy: str = "fix or delete it") -> None:
        super().__init__(f"{path} {reason}; {remedy}.")
        self.reason = reason
