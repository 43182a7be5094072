"""Numbers of things in words."""

import pytest

from wav2tok.progress import counted


@pytest.mark.parametrize(
    ("number", "what", "words"),
    [
        (0, "recording", "0 recordings"),
        (1, "recording", "1 recording"),
        (2, "class", "2 classes"),
        (1, "class", "1 class"),
    ],
)
def test_one_thing_is_no_plural(number: int, what: str, words: str) -> None:
    assert counted(number, what) == words
