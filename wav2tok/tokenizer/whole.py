"""Recordings that are read whole: in batches of similar length, one batch per core at a time."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import onnxruntime

from wav2tok.tokenizer.loaded import Loaded

LANE_SAMPLES, PRETRAINED_LANE_SAMPLES = 1 << 18, 1 << 17
"""Padded samples in a batch on the CPU, 16 s at 16 kHz: what larger ones compute no longer fits the cache. Pretrained
networks compute more per sample: half of it saves wav2tok:humming a fifth of the time, and would cost `general` some.

Every core encodes batches of its own. Cores that share each batch wait for each other by spinning: on two cores that
took twice the CPU time per second of audio, for every kind of features.
"""


def encode_whole(graph: Loaded, waveforms: Sequence[np.ndarray], outputs: tuple[str, ...]) -> list[list[np.ndarray]]:
    """Recordings that are read whole, float32 [N] each, in batches, one per core at a time.

    Returns:
        For each recording its tokens, and the rows of what else is among ``outputs``, at most one per hop.
    """
    lanes = 1 if graph.number is not None else graph.lanes
    # A few recordings are shared out evenly.
    even = -(-sum(map(len, waveforms)) // lanes)
    lane = LANE_SAMPLES if graph.metadata.pretrained is None else PRETRAINED_LANE_SAMPLES
    most = graph.samples_at_once if graph.number is not None else min(lane, even)
    batches = _batches([len(wave) for wave in waveforms], most)
    out: list[list[np.ndarray]] = [[]] * len(waveforms)

    def encode(session: onnxruntime.InferenceSession, batch: list[int]) -> None:
        feed = graph.padded([waveforms[i] for i in batch])
        tokens, counts, *values = graph.tokens(session, outputs, **feed)
        lengths = feed["samples"] // graph.metadata.hop + 1
        for row, (i, count, length) in enumerate(zip(batch, counts, lengths, strict=True)):
            out[i] = [tokens[row, :count], *(one[row, :length] for one in values)]

    if lanes == 1 or len(batches) == 1:
        for batch in batches:
            encode(graph.part(outputs), batch)
        return out
    alone = graph.part(outputs, 1)
    with ThreadPoolExecutor(lanes) as pool:
        list(pool.map(partial(encode, alone), reversed(batches)))  # the longest first
    return out


def _batches(lengths: list[int], most: int) -> list[list[int]]:
    """Indices in batches of similar length, each of at most ``most`` samples when padded."""
    out: list[list[int]] = []
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        if out and (len(out[-1]) + 1) * lengths[i] <= most:
            out[-1].append(i)
        else:
            out.append([i])
    return out
