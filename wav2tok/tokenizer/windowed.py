"""Recordings that are read in windows, in constant memory: what the windows are, and what is computed of each.

A window is read with a margin on either side. What a token depends on beyond that, a few numbers of the whole
recording, is computed first (`statistics`).
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import numpy as np

from wav2tok.audio.windows import windows
from wav2tok.tokenizer.format import Metadata
from wav2tok.tokenizer.loaded import Loaded

WINDOWS_AT_ONCE = 4
"""Windows of a long recording in a batch."""
CORE_FRAMES, MARGIN_FRAMES = 3072, 512
"""Feature frames of a window of a long recording, and of the context on either side: 49 s and 8 s at hop 256, 16 kHz.

That far from a cut, the encoder's output no longer depends on it: of 50,080 frames of real speech cut in this way, one
token differed from the whole recording's; with a margin of 256 frames 38 differed, with 128 frames 560.
"""
FEATURE_FRAMES = 768
"""Feature frames of a window that only features are computed of."""


def statistics(graph: Loaded, blocks: Callable[[], Iterable[np.ndarray]]) -> np.ndarray:
    """What a recording's tokens depend on beyond their surroundings, float32 [1, 1 + 2 W].

    The power of its loudest band, then mean and variance of its W measured features. A model that reads tiles
    normalises each tile by itself, so mean and variance are left at 0.

    Args:
        blocks: returns the recording's samples from the beginning, float32 [n] each at the graph's rate. It is called
            twice.
    """
    about = graph.metadata
    found = np.zeros((1, 1 + 2 * about.width), dtype=np.float32)
    near = about.margin
    for loudness in _over_windows(graph, blocks(), "loudness", found, about.hop, FEATURE_FRAMES, near):
        found[0, 0] = max(found[0, 0], loudness.max())
    if about.tile is not None:
        return found
    count, total, squares = 0, np.float64(0), np.float64(0)
    for features in _over_windows(graph, blocks(), "features", found, about.hop, FEATURE_FRAMES, near):
        count += len(features)
        total = total + features.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(features, dtype=np.float64).sum(axis=0)
    mean = total / count
    found[0, 1:] = np.concatenate([mean, squares / count - mean**2])
    return found


def per_step(graph: Loaded, blocks: Callable[[], Iterable[np.ndarray]], output: str) -> np.ndarray:
    """An output of the graph that has a row for every step of a recording, [T, ...], T = N // step + 1.

    Args:
        blocks: as for `statistics`; it is called three times.
    """
    about = graph.metadata
    known, core = statistics(graph, blocks), _steps(about, CORE_FRAMES)
    rows = _over_windows(graph, blocks(), output, known, about.hop * about.stack, core, margin(about))
    return np.concatenate(list(rows))


def per_frame(graph: Loaded, blocks: Callable[[], Iterable[np.ndarray]], output: str) -> np.ndarray:
    """An output of the graph that has a row for every feature frame of a recording, [T, ...], T = N // hop + 1.

    Args:
        blocks: as for `statistics`; it is called three times.
    """
    about = graph.metadata
    known = statistics(graph, blocks)
    return np.concatenate(list(_over_windows(graph, blocks(), output, known, about.hop, FEATURE_FRAMES, about.margin)))


def margin(about: Metadata) -> int:
    """Steps before and after a token that must be read for it to be right, if the recording's statistics are known.

    For an encoder that reads whole recordings, what is further away hardly changes its tokens (`MARGIN_FRAMES`).
    """
    if about.tile is not None:
        return _steps(about, about.margin)
    return _steps(about, MARGIN_FRAMES if about.context is None else about.context)


def _steps(about: Metadata, frames: int) -> int:
    """Feature frames in steps, rounded up; of a model that reads tiles, to whole tiles."""
    unit = about.tile or about.stack
    return -(-frames // unit) * unit // about.stack


def _over_windows(
    graph: Loaded, blocks: Iterable[np.ndarray], output: str, statistics: np.ndarray, hop: int, core: int, margin: int
) -> Iterator[np.ndarray]:
    """One output of the graph, [keep, ...] per window; the output has one row for every ``hop`` samples.

    Args:
        statistics: of the whole recording, as far as the output depends on them.
        core, margin: rows of a window, and of the context on either side.
    """
    session = graph.part((output,))
    # Windows of long frames hold more samples, so fewer of them are read at once.
    at_once = graph.scale * max(1, min(WINDOWS_AT_ONCE, WINDOWS_AT_ONCE * 256 // graph.metadata.hop))
    needed = [x.name for x in (*session.get_inputs(), *session.get_overridable_initializers())]
    remaining = windows(blocks, hop, core, margin)
    while batch := list(islice(remaining, at_once)):
        feed = graph.padded([w.waveform for w in batch]) | {"statistics": statistics}
        (rows,) = graph.run(session, [output], {name: feed[name] for name in needed})
        for i, window in enumerate(batch):
            yield rows[i, window.skip : window.skip + window.keep]
