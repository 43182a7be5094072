"""The digests of the contents of recordings, which identify training data and test sets."""

from concurrent.futures import ThreadPoolExecutor

from wav2tok import files
from wav2tok.corpus.recordings import Recordings


def contents(recordings: Recordings) -> list[str]:
    """The SHA-256 of each file's bytes as they are now, in hexadecimal, in order.

    The digests that the recordings carry date from ``validate``. If someone has edited a file since then, they would
    resume a training on other data, or compare models by scores on different recordings. Hashing is cheap compared with
    decoding, which both callers do as well.
    """
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(files.sha256, recordings.paths))
