"""The forward algorithm of `wav2tok.losses.likelihood` on the CPU, compiled by numba: one pair per iteration.

With T frames for S tokens, position s can hold only the frames s to s + T - S, and tables are that narrow: column e of
row s is frame s + e. An alignment comes from the left, where it stays at the position, or from above, where it moves.
"""

import math

import numba
import numpy as np


@numba.njit(cache=True, parallel=True)
def losses_of_all(
    log_p: np.ndarray,
    frames: np.ndarray,
    strings: np.ndarray,
    lengths: np.ndarray,
    loss: np.ndarray,
    moved: np.ndarray,
) -> None:
    """Write the losses and the probabilities of moves.

    Args:
        log_p: float [B, T, K], log p(k | t); frames: int64 [B]; strings: int64 [B, L]; lengths: int64 [B].
        loss: float [B], written where the likelihood is defined.
        moved: float [B, L, W], W the most frames over of any pair, and 1; written.
    """
    for p in numba.prange(len(log_p)):
        over = frames[p] - lengths[p]
        if lengths[p] == 0 or over < 0:
            continue
        total = np.empty(over + 1)
        for s in range(lengths[p]):
            token, move = strings[p, s], moved[p, s]
            if s == 0:
                total[0] = log_p[p, 0, token]
            else:
                total[0] += log_p[p, s, token]
            move[0] = 1.0
            for e in range(1, over + 1):
                own, stay = log_p[p, s + e, token], total[e - 1]
                if s == 0:
                    total[e] = stay + own
                    move[e] = 0.0
                    continue
                gap = total[e] - stay
                small = math.exp(-abs(gap))
                move[e] = (1.0 if gap > 0 else small) / (1.0 + small)
                total[e] = max(total[e], stay) + math.log(1.0 + small) + own
        loss[p] = -total[over]


@numba.njit(cache=True, parallel=True)
def subtract_posteriors_of_all(
    weight: np.ndarray,
    moved: np.ndarray,
    frames: np.ndarray,
    strings: np.ndarray,
    lengths: np.ndarray,
    total: np.ndarray,
) -> None:
    """Subtract from ``total``, float [B, T, K], the probability that a frame holds a token, times ``weight`` [B].

    The others are those of `losses_of_all`.
    """
    for p in numba.prange(len(weight)):
        over = frames[p] - lengths[p]
        if lengths[p] == 0 or over < 0:
            continue
        # What moves on from each column to the row above.
        left = np.zeros(over + 1)
        left[over] = weight[p]
        for s in range(lengths[p] - 1, -1, -1):
            token, move, stays = strings[p, s], moved[p, s], 0.0
            for e in range(over, -1, -1):
                held = left[e] + stays
                total[p, s + e, token] -= held
                left[e] = held * move[e]
                stays = held - left[e]
