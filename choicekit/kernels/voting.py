"""Loops over ballots."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@jit
def margins(ranks: Ints, weights: Floats) -> Floats:
    """Pairwise margins ``[b, m, m]`` of ranked ballots ``ranks[b, n, m]`` (-1 unranked) with ``weights[n]``."""
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size, size))
    for b in range(batch):
        for v in range(voters):
            weight = weights[v]
            for i in range(size):
                mine = ranks[b, v, i]
                if mine < 0:
                    continue
                for j in range(size):
                    other = ranks[b, v, j]
                    if other < 0 or mine < other:
                        out[b, i, j] += weight
        for i in range(size):
            for j in range(i):
                margin = out[b, i, j] - out[b, j, i]
                if abs(margin) <= 1e-12 * (out[b, i, j] + out[b, j, i]):
                    margin = 0.0  # what rounding leaves of a tie between real weights
                out[b, i, j] = margin
                out[b, j, i] = 0.0 - margin
    return out


@jit
def positions(ranks: Ints, weights: Floats) -> tuple[Floats, Floats]:
    """Plurality and Borda scores ``[b, m]``.

    Alternatives tied for first share one vote. Borda gives a ranked alternative one point for each alternative below
    it (the unranked are below every ranked one) and half a point for each one level with it.
    """
    batch, voters, size = ranks.shape
    plurality = np.zeros((batch, size))
    borda = np.zeros((batch, size))
    for b in range(batch):
        for v in range(voters):
            best = -1
            ties = 0
            for i in range(size):
                mine = ranks[b, v, i]
                if mine >= 0 and (best < 0 or mine < best):
                    best = mine
                    ties = 1
                elif mine >= 0 and mine == best:
                    ties += 1
            for i in range(size):
                mine = ranks[b, v, i]
                points = 0.0
                for j in range(size):
                    other = ranks[b, v, j]
                    if i == j:
                        continue
                    if mine == other:
                        points += 0.5
                    elif mine >= 0 and (other < 0 or mine < other):
                        points += 1.0
                borda[b, i] += weights[v] * points
                if mine >= 0 and mine == best:
                    plurality[b, i] += weights[v] / ties
    return plurality, borda


@jit
def strongest_paths(margin: Floats) -> Floats:
    """Widest paths ``[b, m, m]`` through positive margins ``[b, m, m]`` (Floyd and Warshall's recursion)."""
    batch, size, _ = margin.shape
    out = np.where(margin > 0, margin, 0.0)
    for b in range(batch):
        for k in range(size):
            for i in range(size):
                if i == k:
                    continue
                for j in range(size):
                    if j != i and j != k:
                        through = min(out[b, i, k], out[b, k, j])
                        out[b, i, j] = max(out[b, i, j], through)
    return out
