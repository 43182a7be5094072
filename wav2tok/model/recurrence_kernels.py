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
        for side in range(2):
            state = np.zeros(width, dtype=states.dtype)
            own, of_share = side * width, half + side * width
            for step in range(end - begin):
                i = begin + step if side == 0 else end - 1 - step
                read, new = x[i, own : own + width], inputs[i, own : own + width]
                keep, share = gates[i, own : own + width], gates[i, of_share : of_share + width]
                for k in range(width):
                    state[k] = new[k] + keep[k] * (state[k] - new[k])
                states[i, own : own + width] = state
                given = mixed[i, own : own + width]
                for k in range(width):
                    given[k] = read[k] + share[k] * (state[k] - read[k])


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
        none = np.zeros(half, dtype=x.dtype)
        for side in range(2):
            later = np.zeros(width, dtype=x.dtype)  # the gradient of the state through the steps that read it
            own, of_share, of_last = side * width, half + side * width, 2 * half + side * width
            for step in range(end - begin):
                i = end - 1 - step if side == 0 else begin + step
                neighbour = none if step == end - begin - 1 else states[i - 1 if side == 0 else i + 1]
                before, state = neighbour[own : own + width], states[i, own : own + width]
                read, new, slope = x[i, own : own + width], inputs[i, own : own + width], gradient[i, own : own + width]
                keep, share = gates[i, own : own + width], gates[i, of_share : of_share + width]
                to_read, to_new = to_x[i, own : own + width], to_inputs[i, own : own + width]
                to_keep, to_share = to_inputs[i, of_share : of_share + width], to_inputs[i, of_last : of_last + width]
                for k in range(width):
                    to_read[k] = slope[k] * (ONE - share[k])
                    to_share[k] = slope[k] * (state[k] - read[k]) * share[k] * (ONE - share[k])
                for k in range(width):
                    total = slope[k] * share[k] + later[k]
                    later[k] = total * keep[k]
                    to_new[k] = total * (ONE - keep[k])
                for k in range(width):
                    # The gradient of what is new is that of the state times what is not kept.
                    to_keep[k] = to_new[k] * (before[k] - new[k]) * keep[k]
