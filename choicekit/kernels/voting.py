"""Loops over ballots ``ranks[b, n, m]`` (integers of any width, -1 unranked) with ``weights[n]``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ranks = NDArray[Any]
Floats = NDArray[np.float64]


@jit
def narrowed(given: NDArray[Any], out: NDArray[Any]) -> tuple[int, int]:
    """Copy whole numbers into ``out``, a narrower type of the same shape in one dimension; the lowest and highest."""
    low, high = given[0], given[0]
    for i in range(given.size):
        value = given[i]
        low = min(low, value)
        high = max(high, value)
        out[i] = value
    return low, high


@jit
def counts(ranks: Ranks, absent: bool) -> NDArray[np.int64]:
    """How many ballots put a above b, ``[b, a, b]``; the unranked are below the ranked, or, ``absent``, not compared.

    Each ballot is compared with itself eight bits at a time, so that a vector of the processor holds many pairs; the
    eight-bit counts are emptied before they overflow.
    """
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size, size), np.int64)
    few = np.zeros((size, size), np.uint8)
    row = np.zeros(size, ranks.dtype)
    for b in range(batch):
        filled = 0
        for v in range(voters):
            for i in range(size):
                row[i] = ranks[b, v, i]
            for i in range(size):
                mine = row[i]
                if mine < 0:
                    continue
                for j in range(size):
                    few[i, j] += np.uint8(mine < row[j])
            if not absent:
                for j in range(size):
                    if row[j] < 0:
                        for i in range(size):
                            if row[i] >= 0:
                                few[i, j] += np.uint8(1)
            filled += 1
            if filled == 255 or v == voters - 1:
                for i in range(size):
                    for j in range(size):
                        out[b, i, j] += few[i, j]
                        few[i, j] = 0
                filled = 0
    return out


@jit
def supports(ranks: Ranks, weights: Floats, absent: bool) -> Floats:
    """The weight of the ballots that put a above b, ``[b, a, b]``."""
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
                    if mine < other or (other < 0 and not absent):
                        out[b, i, j] += weight
    return out


@jit
def margins(support: Floats) -> Floats:
    """Supports less their transpose; what rounding leaves of a tie between real weights is taken for a tie."""
    batch, size, _ = support.shape
    out = np.zeros((batch, size, size))
    for b in range(batch):
        for i in range(size):
            for j in range(i):
                margin = support[b, i, j] - support[b, j, i]
                if abs(margin) <= 1e-12 * (support[b, i, j] + support[b, j, i]):
                    margin = 0.0
                out[b, i, j] = margin
                out[b, j, i] = 0.0 - margin
    return out


@jit
def first_places(ranks: Ranks, weights: Floats) -> Floats:
    """The weight of the ballots with an alternative first, ``[b, m]``, shared by those tied for first."""
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size))
    for b in range(batch):
        for v in range(voters):
            best = -1
            ties = 0
            last = 0
            for i in range(size):
                mine = ranks[b, v, i]
                if mine >= 0 and (best < 0 or mine < best):
                    best = mine
                    ties = 1
                    last = i
                elif mine >= 0 and mine == best:
                    ties += 1
            if ties == 1:
                out[b, last] += weights[v]
            elif ties > 1:
                for i in range(size):
                    if ranks[b, v, i] == best:
                        out[b, i] += weights[v] / ties
    return out


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
