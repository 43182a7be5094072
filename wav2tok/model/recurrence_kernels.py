"""The recurrence of `wav2tok.model.recurrence` and its gradient on the CPU, compiled by numba: recordings on all cores.

The numbers of a step are independent of one another, so one instruction works on many of them. Exponentials are left to
torch, whose sigmoid does the same.
"""

import numba
import numpy as np

ONE = np.float32(1.0)
"""An integer would turn float32 into float64."""


@numba.njit(cache=True, parallel=True)
def states_of_all(
    x: np.ndarray, inputs: np.ndarray, gates: np.ndarray, bounds: np.ndarray, states: np.ndarray, mixed: np.ndarray
) -> None:
    """Write the states and results of every recording.

    Args:
        x: float [F, 2 H], inputs: [F, 6 H], bounds: int64 [B + 1], all as in `wav2tok.model.recurrence`.
        gates: [F, 4 H], sigmoid of the logits in ``inputs``.
        states, mixed: float [F, 2 H], written.
    """
    half, width = states.shape[1], states.shape[1] // 2
    for recording in numba.prange(len(bounds) - 1):
        begin, end = bounds[recording], bounds[recording + 1]
        state = np.zeros(half, dtype=states.dtype)
        for step in range(end - begin):
            for side in range(2):
                i = begin + step if side == 0 else end - 1 - step
                for k in range(side * width, side * width + width):
                    new = inputs[i, k]
                    state[k] = new + gates[i, k] * (state[k] - new)
                    states[i, k] = state[k]
                    mixed[i, k] = x[i, k] + gates[i, half + k] * (state[k] - x[i, k])


@numba.njit(cache=True, parallel=True)
def gradients_of_all(
    gradient: np.ndarray,
    x: np.ndarray,
    inputs: np.ndarray,
    gates: np.ndarray,
    states: np.ndarray,
    bounds: np.ndarray,
    to_x: np.ndarray,
    to_inputs: np.ndarray,
) -> None:
    """Write the gradients of ``x`` and ``inputs``.

    Args:
        gradient: float [F, 2 H], of the results; x, inputs, gates, states, bounds: as in `states_of_all`.
        to_x: float [F, 2 H], to_inputs: [F, 6 H], written.
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
                    keep, share = gates[i, k], gates[i, half + k]
                    total = gradient[i, k] * share + later[k]
                    to_x[i, k] = gradient[i, k] * (ONE - share)
                    to_inputs[i, k] = total * (ONE - keep)
                    to_inputs[i, half + k] = total * (before[k] - inputs[i, k]) * keep * (ONE - keep)
                    to_inputs[i, 2 * half + k] = gradient[i, k] * (states[i, k] - x[i, k]) * share * (ONE - share)
                    later[k] = total * keep
