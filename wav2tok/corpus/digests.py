"""The digests of the contents of recordings, from which others identify training data and test sets."""

import os
from concurrent.futures import ThreadPoolExecutor

from wav2tok import files
from wav2tok.corpus.recordings import Recordings


def contents(recordings: Recordings) -> list[str]:
    """The SHA-256 of each file's bytes, in hexadecimal, in order.

    A stage of the DVC graph takes the digests that the recordings carry: DVC has compared the data with what
    ``validate`` measured before it ran the stage. Everywhere else the files are hashed. A user may have replaced one
    since the split, and a stale digest would resume a training on other data, or compare models by scores on
    different recordings. Hashing is cheap compared with decoding, which both callers do as well.
    """
    carried = recordings.digests if "DVC_STAGE" in os.environ else (None,) * len(recordings)
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda path, digest: digest or files.sha256(path), recordings.paths, carried))
