"""Loops over ballots ``ranks[n, m]`` (0 best, -1 unranked) with weights that pass from alternative to alternative."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]


@jit
def tallies(ranks: NDArray[Any], weights: Floats, standing: NDArray[np.bool_]) -> Floats:
    """The weight of the ballots for an alternative, ``[m]``: each for the highest standing, in parts where level."""
    voters, size = ranks.shape
    out = np.zeros(size)
    for v in range(voters):
        if weights[v] == 0.0:
            continue
        best, level = -1, 0
        for a in range(size):
            mine = ranks[v, a]
            if standing[a] and mine >= 0:
                if best < 0 or mine < best:
                    best, level = mine, 1
                elif mine == best:
                    level += 1
        if level:
            for a in range(size):
                if standing[a] and ranks[v, a] == best:
                    out[a] += weights[v] / level
    return out


@jit
def passed_on(ranks: NDArray[Any], weights: Floats, standing: NDArray[np.bool_], kept: Floats) -> Floats:
    """The weights of the ballots after the elected keep the share ``kept[m]`` of what counts for them, ``[n]``."""
    voters, size = ranks.shape
    out = weights.copy()
    for v in range(voters):
        best, level, share = -1, 0, 0.0
        for a in range(size):
            mine = ranks[v, a]
            if standing[a] and mine >= 0:
                if best < 0 or mine < best:
                    best, level, share = mine, 1, kept[a]
                elif mine == best:
                    level += 1
                    share += kept[a]
        if share > 0.0:
            out[v] = weights[v] * (1.0 - share / level)
            if share >= level:
                out[v] = 0.0
    return out
