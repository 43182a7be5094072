"""The recurrence of `wav2tok.model.recurrence` and its gradient on the CPU, compiled by numba: recordings on all cores.

The numbers of a step are independent of one another, so one instruction works on many of them. Exponentials are left to
torch, whose sigmoid does the same.
"""

import numba
import numpy as np

ONE = np.float32(1.0)
"""An integer would turn float32 into float64."""


@numba.njit(cache=True, parallel=True)
def states_of_all(x: np.ndarray, gates: np.ndarray, bounds: np.ndarray, states: np.ndarray) -> None:
    """Write the states of every recording.

    Args:
        x: float [F, 4 H], gates: its sigmoid; bounds: int64 [B + 1], as in `wav2tok.model.recurrence`.
        states: float [F, 2 H], written.
    """
    half, width = states.shape[1], states.shape[1] // 2
    for recording in numba.prange(len(bounds) - 1):
        begin, end = bounds[recording], bounds[recording + 1]
        state = np.zeros(half, dtype=states.dtype)
        for step in range(end - begin):
            for side in range(2):
                i = begin + step if side == 0 else end - 1 - step
                for k in range(side * width, side * width + width):
                    new = x[i, k] * gates[i, k]
                    state[k] = new + gates[i, half + k] * (state[k] - new)
                    states[i, k] = state[k]


@numba.njit(cache=True, parallel=True)
def gradients_of_all(
    gradient: np.ndarray, x: np.ndarray, gates: np.ndarray, states: np.ndarray, bounds: np.ndarray, to_x: np.ndarray
) -> None:
    """Write the gradient of ``x``.

    Args:
        gradient: float [F, 2 H], of the states; x, gates, states, bounds: as in `states_of_all`.
        to_x: float [F, 4 H], written.
    """
    half, width = states.shape[1], states.shape[1] // 2
    for recording in numba.prange(len(bounds) - 1):
        begin, end = bounds[recording], bounds[recording + 1]
        later = np.zeros(half, dtype=x.dtype)  # of the state, through the steps that read it
        none = np.zeros(half, dtype=x.dtype)
        for step in range(end - begin):
            for side in range(2):
                i = end - 1 - step if side == 0 else begin + step
                before = none if step == end - begin - 1 else states[i - 1 if side == 0 else i + 1]
                for k in range(side * width, side * width + width):
                    raw, share, keep = x[i, k], gates[i, k], gates[i, half + k]
                    total = gradient[i, k] + later[k]
                    to_x[i, k] = total * (ONE - keep) * share * (ONE + raw * (ONE - share))
                    to_x[i, half + k] = total * (before[k] - raw * share) * keep * (ONE - keep)
                    later[k] = total * keep
