"""Loops over all pairs of alternatives and many draws of their scores, a block of draws at a time to stay in the cache.

``up[i, k]`` scales z_i − z_k: one over its standard error where "i is not above k" is still in question, 0 where not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_BLOCK = 32


@jit
def _raise(block: Floats, i: int, above: Floats, below: Floats, stop: int, best: Floats) -> None:
    """Raise ``best[d]`` to above[k]·(z_i − z_k) and below[k]·(z_k − z_i) for all k up to ``stop``, four at a time."""
    for k in range(0, stop, 4):
        a0, a1, a2, a3 = above[k], above[k + 1], above[k + 2], above[k + 3]
        b0, b1, b2, b3 = -below[k], -below[k + 1], -below[k + 2], -below[k + 3]
        if a0 == a1 == a2 == a3 == b0 == b1 == b2 == b3 == 0.0:
            continue
        for d in range(_BLOCK):
            own = block[i, d]
            g0, g1, g2, g3 = own - block[k, d], own - block[k + 1, d], own - block[k + 2, d], own - block[k + 3, d]
            x0, y0, x1, y1 = g0 * a0, g0 * b0, g1 * a1, g1 * b1
            x2, y2, x3, y3 = g2 * a2, g2 * b2, g3 * a3, g3 * b3
            x0 = x0 if x0 > y0 else y0
            x1 = x1 if x1 > y1 else y1
            x2 = x2 if x2 > y2 else y2
            x3 = x3 if x3 > y3 else y3
            x0 = x0 if x0 > x1 else x1
            x2 = x2 if x2 > x3 else x3
            x0 = x0 if x0 > x2 else x2
            best[d] = best[d] if best[d] > x0 else x0


@jit
def row_maxima(draws: Floats, up: Floats, down: Floats, rows: Ints) -> Floats:
    """For each of ``rows`` i and draw, max over k of up[i, k]·(z_i − z_k) and down[i, k]·(z_k − z_i), at least 0."""
    size, number = draws.shape
    out = np.zeros((len(rows), number))
    block = np.zeros((size + 3, _BLOCK))
    above, below = np.zeros((len(rows), size + 3)), np.zeros((len(rows), size + 3))
    above[:, :size], below[:, :size] = up[rows], down[rows]
    best = np.empty(_BLOCK)
    for start in range(0, number, _BLOCK):
        width = min(_BLOCK, number - start)
        block[:size, :width] = draws[:, start : start + width]
        for r in range(len(rows)):
            best[:] = 0.0
            _raise(block, rows[r], above[r], below[r], size, best)
            out[r, start : start + width] = best[:width]
    return out


@jit
def all_maxima(draws: Floats, up: Floats) -> Floats:
    """For each draw, max over ordered pairs (i, k) of up[i, k]·(z_i − z_k), at least 0."""
    size, number = draws.shape
    out = np.zeros(number)
    block = np.zeros((size + 3, _BLOCK))
    above, below = np.zeros((size, size + 3)), np.zeros((size, size + 3))
    for i in range(size):
        above[i, :i], below[i, :i] = up[i, :i], up[:i, i]
    best = np.empty(_BLOCK)
    for start in range(0, number, _BLOCK):
        width = min(_BLOCK, number - start)
        block[:size, :width] = draws[:, start : start + width]
        best[:] = 0.0
        for i in range(size):
            _raise(block, i, above[i], below[i], i, best)
        out[start : start + width] = best[:width]
    return out
