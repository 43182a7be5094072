"""The loops of f0 tracking, compiled by numba, each in its own thread.

`wav2tok.evaluation.baselines.f0` prepares what they read.
"""

import numba
import numpy as np

# In logarithms: below any path's score, yet far from float32's limit when such terms are added.
_NEVER = np.float32(-1e18)
# Of the energies in the differences: a frame that differs from itself by less is constant but for rounding, whatever
# the constant, or moves at a few hertz.
_CONSTANT = 1e-4


@numba.njit(cache=True, nogil=True, inline="always")
def _threshold_below(x: float) -> float:
    """The beta(2, 18) distribution's cumulative function (mean .1), in closed form; x in [0, 1]."""
    return 1.0 - (1.0 - x) ** 18 * (1.0 + 18.0 * x)


@numba.njit(cache=True, nogil=True)
def observe(
    products: np.ndarray,
    energy: np.ndarray,
    starts: np.ndarray,
    window: int,
    shortest: int,
    lowest_bin: float,
    bins_per_octave: float,
    count: int,
    rate: float,
    no_trough: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Pitch candidates of each frame with their probabilities (pYIN's first stage).

    For one threshold, YIN takes the first trough of the cumulative mean normalised difference below it. Over a
    distribution of thresholds, a trough lower than all before it has the probability that the threshold lies
    between its height and the lowest height so far; thresholds below all troughs give ``no_trough`` of their
    probability to the lowest one.

    Args:
        products: float32 [T, L + 2], sums over the window of ``x[j] x[j + lag]`` for the lags 0 to L + 1 samples.
        energy: float64 [N + 1], the sums of squares of the samples before each.
        starts: int [T], each frame's first sample; N >= starts + window + L + 1.
        window: samples in the sum.
        shortest: the shortest period in samples; the longest is L.
        lowest_bin: log2 of the first bin's frequency in Hz; ``bins_per_octave``, ``count`` (M): the others.
        rate: samples a second.

    Returns:
        probabilities, float32 [T, M], and the candidates' frequencies in Hz, float32 [T, M]; 0 without a candidate.
    """
    frames, lags = products.shape
    probabilities = np.zeros((frames, count), dtype=np.float32)
    frequencies = np.zeros((frames, count), dtype=np.float32)
    difference = np.zeros(lags)
    normalized = np.ones(lags)
    for t in range(frames):
        start = starts[t]
        held = energy[start + window] - energy[start]
        total, energies = 0.0, 0.0
        for lag in range(1, lags):
            shifted = energy[start + window + lag] - energy[start + lag]
            difference[lag] = max(held + shifted - 2.0 * products[t, lag], 0.0)
            total += difference[lag]
            energies += held + shifted
            normalized[lag] = difference[lag] * lag / total if total > 0.0 else 1.0
        if total <= _CONSTANT * energies:
            continue
        lowest, last = 1.0, -1
        for lag in range(shortest, lags - 1):
            height = normalized[lag]
            if height < normalized[lag - 1] and height <= normalized[lag + 1]:
                # The trough's own floor: a period that falls between two lags of a few samples would look shallow.
                left, right = normalized[lag - 1], normalized[lag + 1]
                height = max(height - (left - right) ** 2 / (8.0 * (left - 2.0 * height + right)), 0.0)
                if height >= lowest:
                    continue
                mass = _threshold_below(lowest) - _threshold_below(height)
                # The parabola through the difference itself: normalising it tilts it towards longer periods.
                left, middle, right = difference[lag - 1], difference[lag], difference[lag + 1]
                bend = left - 2.0 * middle + right
                offset = 0.5 * (left - right) / bend if bend > 0.0 else 0.0
                frequency = rate / (lag + min(max(offset, -1.0), 1.0))
                place = int(np.round((np.log2(frequency) - lowest_bin) * bins_per_octave))
                lowest, last = height, -1
                if 0 <= place < count:
                    last = place
                    probabilities[t, place] += mass
                    frequencies[t, place] = frequency
        if last >= 0:
            probabilities[t, last] += no_trough * _threshold_below(lowest)
    return probabilities, frequencies


@numba.njit(cache=True, nogil=True)
def decode(voiced: np.ndarray, unvoiced: np.ndarray, steps: np.ndarray, stay: float, switch: float) -> np.ndarray:
    """The likeliest path through pitch bins, each voiced or not (pYIN's second stage), by Viterbi.

    Args:
        voiced: float32 [T, M], log probability of a frame by each bin's voiced state.
        unvoiced: float32 [T], the same of each unvoiced state.
        steps: float32 [2 B + 1], log probability of a move by -B to B bins from frame to frame.
        stay, switch: log probability of keeping and of changing the voicing.

    Returns:
        int16 [T], the bin, or -1 where the frame is unvoiced.
    """
    frames, count = voiced.shape
    band = len(steps) // 2
    keep, change = np.float32(stay), np.float32(switch)
    # Row 0 voiced, row 1 not, with a margin that no path comes from.
    score = np.full((2, count + 2 * band), _NEVER, dtype=np.float32)
    best = np.empty((2, count), dtype=np.float32)
    came = np.empty((2, count), dtype=np.int32)
    origin = np.zeros((frames, 2, count), dtype=np.int16)
    for m in range(count):
        score[0, band + m], score[1, band + m] = voiced[0, m], unvoiced[0]
    for t in range(1, frames):
        best[:] = np.float32(-np.inf)
        for k in range(len(steps)):
            step = steps[k]
            for state in range(2):
                for m in range(count):
                    reached = score[state, m + k] + step
                    better = reached > best[state, m]
                    best[state, m] = reached if better else best[state, m]
                    came[state, m] = k if better else came[state, m]
        for m in range(count):
            for state in range(2):
                same, other = best[state, m] + keep, best[1 - state, m] + change
                source = state if same >= other else 1 - state
                # Which bin and which voicing, in one number.
                origin[t, state, m] = 2 * (m + came[source, m] - band) + source
                local = voiced[t, m] if state == 0 else unvoiced[t]
                score[state, band + m] = max(same, other) + local
    path = np.empty(frames, dtype=np.int16)
    state = 0 if score[0].max() >= score[1].max() else 1
    place = np.argmax(score[state]) - band
    for t in range(frames - 1, -1, -1):
        path[t] = place if state == 0 else -1
        code = origin[t, state, place]
        place, state = code // 2, code % 2
    return path
