"""Equal ballots put together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles._columns import Floats
from choicekit.profiles.ballots import Approvals


def merged(rows: NDArray[Any], weights: Floats) -> tuple[NDArray[Any], Floats]:
    """Equal rows once with the sum of their weights, without those of weight 0.

    >>> rows, weights = merged(np.array([[True, False], [True, False], [True, True]]), np.array([1.0, 2.0, 0.0]))
    >>> rows.tolist(), weights.tolist()
    ([[True, False]], [3.0])
    """
    cast = weights > 0
    rows, weights = (rows, weights) if cast.all() else (rows[cast], weights[cast])
    packed = np.packbits(rows, axis=1) if rows.dtype == np.bool_ else np.ascontiguousarray(rows).view(np.uint8)
    if packed.shape[1] <= 8:
        padded = np.zeros((len(packed), 8), np.uint8)
        padded[:, : packed.shape[1]] = packed
        keys: NDArray[Any] = padded.view(np.uint64)[:, 0]
    else:
        keys = np.ascontiguousarray(packed).view([("", f"V{packed.shape[1]}")])["f0"][:, 0]
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return rows, weights
    summed: Floats = np.bincount(which.reshape(-1), weights, len(first)).astype(np.float64)
    return rows[first], summed


def electorate(profile: Approvals) -> tuple[NDArray[Any], Floats]:
    """Approvals ``[n, m]`` as 1 and 0 and weights, equal ballots merged."""
    values, weights = merged(profile.values, profile.weights)
    return values.view(np.uint8), weights
