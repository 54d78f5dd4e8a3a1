"""Loops over ballots ``ranks[b, n, m]`` (integers of any width, -1 unranked) with ``weights[n]``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit, jit_sums

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


#: Ballots a block: as many as eight bits can count.
BLOCK = 224


@jit
def _block(ranks: Ranks, weights: Floats, b: int, start: int, block: Ranks, heavy: Floats) -> int:
    """The next ballots turned into columns of unsigned numbers, where -1 is the largest; padded by empty ties."""
    size = ranks.shape[2]
    there = min(ranks.shape[1] - start, BLOCK)
    for v in range(there):
        heavy[v] = weights[start + v]
        for i in range(size):
            block[i, v] = ranks[b, start + v, i]
    padded = (there + 31) // 32 * 32
    for v in range(there, padded):
        heavy[v] = 0.0
        for i in range(size):
            block[i, v] = 0
    return int(padded)


@jit
def counts(ranks: Ranks, weights: Floats, block: Ranks, top: int, absent: bool) -> NDArray[np.int64]:
    """How many ballots put a above b, ``[b, a, b]``; the unranked are below the ranked, or, ``absent``, not compared.

    ``block[m, BLOCK]`` of unsigned integers as wide as the ranks is for the kernel's own use, ``top`` is what -1 is in
    them. A vector of the processor holds a pair's comparisons on many ballots, counted in eight bits each.
    """
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size, size), np.int64)
    heavy = np.zeros(BLOCK)
    for b in range(batch):
        for start in range(0, voters, BLOCK):
            padded = _block(ranks, weights, b, start, block, heavy)
            for i in range(size):
                for j in range(i):
                    above = np.uint8(0)
                    below = np.uint8(0)
                    if absent:
                        for v in range(padded):
                            first = block[i, v]
                            second = block[j, v]
                            above = np.uint8(above + np.uint8((first < second) & (second < top)))
                            below = np.uint8(below + np.uint8((second < first) & (first < top)))
                    else:
                        for v in range(padded):
                            above = np.uint8(above + np.uint8(block[i, v] < block[j, v]))
                            below = np.uint8(below + np.uint8(block[j, v] < block[i, v]))
                    out[b, i, j] += above
                    out[b, j, i] += below
    return out


@jit_sums
def supports(ranks: Ranks, weights: Floats, block: Ranks, top: int, absent: bool) -> Floats:
    """The weight of the ballots that put a above b, ``[b, a, b]``; arguments as in :func:`counts`."""
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size, size))
    heavy = np.zeros(BLOCK)
    for b in range(batch):
        for start in range(0, voters, BLOCK):
            padded = _block(ranks, weights, b, start, block, heavy)
            for i in range(size):
                for j in range(i):
                    above = 0.0
                    below = 0.0
                    for v in range(padded):
                        first = block[i, v]
                        second = block[j, v]
                        if not absent or (first < top and second < top):
                            above += heavy[v] if first < second else 0.0
                            below += heavy[v] if second < first else 0.0
                    out[b, i, j] += above
                    out[b, j, i] += below
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


@jit_sums
def first_places(ranks: Ranks, weights: Floats, block: Ranks, top: int) -> Floats:
    """The weight of the ballots with an alternative first, ``[b, m]``, shared by those tied for first."""
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size))
    heavy = np.zeros(BLOCK)
    best = np.zeros(BLOCK, block.dtype)
    level = np.zeros(BLOCK, np.int32)
    for b in range(batch):
        for start in range(0, voters, BLOCK):
            padded = _block(ranks, weights, b, start, block, heavy)
            best[:padded] = block[0, :padded]
            for i in range(1, size):
                for v in range(padded):
                    best[v] = min(best[v], block[i, v])
            firsts = 0
            for i in range(size):
                for v in range(padded):
                    firsts += int(block[i, v] == best[v])
            padding = padded - min(voters - start, BLOCK)
            if size == 1 or firsts > padded + (size - 1) * padding:  # some are tied for first, or rank nothing
                level[:padded] = 0
                for i in range(size):
                    for v in range(padded):
                        level[v] += block[i, v] == best[v]
                for v in range(padded):
                    heavy[v] = 0.0 if best[v] == top else heavy[v] / level[v]
            for i in range(size):
                share = 0.0
                for v in range(padded):
                    share += heavy[v] if block[i, v] == best[v] else 0.0
                out[b, i] += share
    return out


@jit
def strongest_paths(margin: Floats) -> Floats:
    """Widest paths ``[b, m, m]`` through positive margins ``[b, m, m]`` (Floyd and Warshall's recursion)."""
    batch, size, _ = margin.shape
    out = np.where(margin > 0, margin, 0.0)
    for b in range(batch):
        for k in range(size):
            for i in range(size):
                first = out[b, i, k]
                if i == k or first <= 0.0:
                    continue
                for j in range(size):  # no test inside, so that a vector of the processor holds many j
                    second = out[b, k, j]
                    through = first if first < second else second
                    held = out[b, i, j]
                    out[b, i, j] = through if through > held else held
        for i in range(size):
            out[b, i, i] = 0.0
    return out


@jit
def victories(margin: Floats, slack: float) -> tuple[Floats, Floats]:
    """How many alternatives each beats and how many it is level with, ``[b, m]``.

    Margins within ``slack`` times the largest of their profile are level.
    """
    batch, size, _ = margin.shape
    wins = np.zeros((batch, size))
    level = np.zeros((batch, size))
    for b in range(batch):
        least = 0.0
        for i in range(size):
            for j in range(i):
                least = max(least, abs(margin[b, i, j]))
        least *= slack
        for i in range(size):
            for j in range(size):
                wins[b, i] += margin[b, i, j] > least
                level[b, i] += i != j and abs(margin[b, i, j]) <= least
    return wins, level
