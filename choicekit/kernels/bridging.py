"""Loops of the factorisation of ratings: linear in the number of ratings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[Any]
Floats = NDArray[np.float64]


@jit
def _solve(matrix: Floats, target: Floats) -> None:
    """Put the solution of a small positive definite system in ``target``; the matrix is overwritten."""
    size = len(target)
    for a in range(size):
        for b in range(a):
            for k in range(b):
                matrix[a, b] -= matrix[a, k] * matrix[b, k]
            matrix[a, b] /= matrix[b, b]
            matrix[a, a] -= matrix[a, b] * matrix[a, b]
        matrix[a, a] = np.sqrt(matrix[a, a])
    for a in range(size):
        for k in range(a):
            target[a] -= matrix[a, k] * target[k]
        target[a] /= matrix[a, a]
    for a in range(size - 1, -1, -1):
        for k in range(a + 1, size):
            target[a] -= matrix[k, a] * target[k]
        target[a] /= matrix[a, a]


@jit
def eliminated(
    start: Ints, item: Ints, rating: Floats, times: Floats, mean: float, items: Floats, on_intercepts: float,
    on_factors: float,
) -> tuple[float, Floats, float, Floats]:  # fmt: skip
    """The objective with every voter's own parameters at their best, those, and the slopes by the mean and the items.

    Ratings are sorted by voter, voter v's being ``start[v]`` to ``start[v + 1]``. Row ``items[a]`` is the intercept of
    an alternative followed by its factors, and so are the voters'. ``times[v]`` is how often a voter counts.
    """
    voters, terms = len(start) - 1, items.shape[1]
    own = np.zeros((voters, terms))
    slopes = np.zeros(items.shape)
    slope, value = 2.0 * on_intercepts * mean, on_intercepts * mean * mean
    for a in range(len(items)):
        for k in range(terms):
            penalty = on_intercepts if k == 0 else on_factors
            value += penalty * items[a, k] * items[a, k]
            slopes[a, k] = 2.0 * penalty * items[a, k]
    matrix = np.empty((terms, terms))
    for v in range(voters):
        if times[v] == 0.0:
            continue
        matrix[:] = 0.0
        for k in range(terms):
            matrix[k, k] = on_intercepts if k == 0 else on_factors
        for r in range(start[v], start[v + 1]):
            row = items[item[r]]
            missing = rating[r] - mean - row[0]
            for k in range(terms):
                here = 1.0 if k == 0 else row[k]
                own[v, k] += here * missing
                for j in range(k + 1):
                    matrix[k, j] += here * (1.0 if j == 0 else row[j])
        _solve(matrix, own[v])
        for k in range(terms):
            value += times[v] * (on_intercepts if k == 0 else on_factors) * own[v, k] * own[v, k]
        for r in range(start[v], start[v + 1]):
            a = item[r]
            error = rating[r] - mean - items[a, 0] - own[v, 0]
            for k in range(1, terms):
                error -= items[a, k] * own[v, k]
            value += times[v] * error * error
            pull = 2.0 * times[v] * error
            slope -= pull
            slopes[a, 0] -= pull
            for k in range(1, terms):
                slopes[a, k] -= pull * own[v, k]
    return value, own, slope, slopes
