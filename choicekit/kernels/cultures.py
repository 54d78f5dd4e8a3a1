"""Loops that draw rankings: from uniform numbers ``[b, n, …]`` in [0, 1) to ranks ``[b, n, m]``, 0 for best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Ranks = NDArray[np.int32]


@jit
def shuffled(uniform: Floats) -> Ranks:
    """Ranks drawn uniformly from all orders (Fisher and Yates, inside out), from ``uniform[b, n, m]``."""
    batch, voters, size = uniform.shape
    out = np.zeros((batch, voters, size), np.int32)
    for b in range(batch):
        for v in range(voters):
            for i in range(size):
                j = int(uniform[b, v, i] * (i + 1))
                out[b, v, i] = out[b, v, j]
                out[b, v, j] = i
    return out


@jit
def inserted(uniform: Floats, upto: Floats, centre: Ints) -> Ranks:
    """Ranks by repeated insertion: the i-th alternative of ``centre`` goes above v of those before it.

    ``upto[i, v]`` is the chance of at most v, for v = 0 … i.
    """
    batch, voters, size = uniform.shape
    out = np.zeros((batch, voters, size), np.int32)
    place = np.zeros(size, np.int32)
    for b in range(batch):
        for v in range(voters):
            for i in range(size):
                above = 0
                while above < i and uniform[b, v, i] >= upto[i, above]:
                    above += 1
                mine = i - above
                for k in range(i):
                    if place[k] >= mine:
                        place[k] += 1
                place[i] = mine
            for i in range(size):
                out[b, v, centre[i]] = place[i]
    return out


@jit
def ascending(keys: Floats) -> Ranks:
    """Ranks of the numbers in each row, the least first."""
    batch, voters, size = keys.shape
    out = np.zeros((batch, voters, size), np.int32)
    order = np.zeros(size, np.int64)
    for b in range(batch):
        for v in range(voters):
            if size <= 32:
                for i in range(size):
                    j = i
                    while j > 0 and keys[b, v, order[j - 1]] > keys[b, v, i]:
                        order[j] = order[j - 1]
                        j -= 1
                    order[j] = i
            else:
                order[:] = np.argsort(keys[b, v], kind="mergesort")
            for i in range(size):
                out[b, v, order[i]] = i
    return out


@jit
def copied(fresh: Ranks, uniform: Floats, alpha: float) -> Ranks:
    """Ballot i is fresh with chance 1 / (1 + i·alpha) and otherwise a copy of an earlier one, each as likely."""
    batch, voters, size = fresh.shape
    out = np.zeros((batch, voters, size), np.int32)
    for b in range(batch):
        for v in range(voters):
            beyond = uniform[b, v] * (1.0 + v * alpha) - 1.0
            if beyond < 0.0:
                out[b, v] = fresh[b, v]
            else:
                out[b, v] = out[b, int(min(beyond / alpha, v - 1.0))]
    return out


@jit
def from_the_ends(uniform: Floats, axis: Ints) -> Ranks:
    """Single-peaked ranks, from the worst up: each time one of the two ends of what is left of the axis."""
    batch, voters, size = uniform.shape
    out = np.zeros((batch, voters, size), np.int32)
    for b in range(batch):
        for v in range(voters):
            left = 0
            right = size - 1
            for rank in range(size - 1, 0, -1):
                if uniform[b, v, rank] < 0.5:
                    out[b, v, axis[left]] = rank
                    left += 1
                else:
                    out[b, v, axis[right]] = rank
                    right -= 1
    return out


@jit
def from_the_peak(uniform: Floats, axis: Ints) -> Ranks:
    """Single-peaked ranks, from a uniform peak down: each time the next on the left or on the right."""
    batch, voters, size = uniform.shape
    out = np.zeros((batch, voters, size), np.int32)
    for b in range(batch):
        for v in range(voters):
            peak = int(uniform[b, v, 0] * size)
            left = peak - 1
            right = peak + 1
            for rank in range(1, size):
                if right >= size or (left >= 0 and uniform[b, v, rank] < 0.5):
                    out[b, v, axis[left]] = rank
                    left -= 1
                else:
                    out[b, v, axis[right]] = rank
                    right += 1
    return out


@jit
def _corner(uniform: float, rows: Ints, columns: Ints) -> int:
    """The row of a corner of a Young diagram, drawn as the largest entry of a uniform standard filling is placed.

    The chance of a corner is 1/N times, over the cells above it and to its left, h / (h − 1) with h the hook length.
    """
    size = rows.size
    total = rows.sum()
    reached = 0.0
    last = 0
    for i in range(size):
        if rows[i] == 0 or (i + 1 < size and rows[i + 1] == rows[i]):
            continue
        j = rows[i] - 1
        chance = 1.0 / total
        for k in range(i):
            hook = rows[k] - j + i - k
            chance *= hook / (hook - 1.0)
        for k in range(j):
            hook = columns[k] - i + j - k
            chance *= hook / (hook - 1.0)
        last = i
        reached += chance
        if uniform < reached:
            break
    return last


@jit
def _tableau(uniform: Floats, size: int) -> Ints:
    """A standard filling of the staircase of ``size - 1`` rows, drawn uniformly; outside of it, large negatives."""
    steps = size - 1
    table = np.full((steps + 1, steps + 1), -(2**40))
    rows = np.arange(steps, 0, -1)
    columns = np.arange(steps, 0, -1)
    for entry in range(rows.sum(), 0, -1):
        i = _corner(uniform[entry - 1], rows, columns)
        table[i, rows[i] - 1] = entry
        columns[rows[i] - 1] -= 1
        rows[i] -= 1
    return table


@jit
def network(uniform: Floats, size: int) -> Ints:
    """The swaps s (of places s and s + 1) of a sorting network from an order to its reverse, drawn uniformly.

    The bijection of Edelman and Greene: where the largest entry of the tableau stands is the next swap; the larger of
    the neighbours above and to the left slides into its place, and so on up to the corner, where a new least enters.
    """
    table = _tableau(uniform, size)
    swaps = np.zeros(uniform.size, np.int64)
    for step in range(uniform.size):
        row = 0
        for i in range(size - 1):
            if table[i, size - 2 - i] > table[row, size - 2 - row]:
                row = i
        column = size - 2 - row
        swaps[step] = column
        while row > 0 or column > 0:
            up = row > 0 and (column == 0 or table[row - 1, column] > table[row, column - 1])
            if up:
                table[row, column] = table[row - 1, column]
                row -= 1
            else:
                table[row, column] = table[row, column - 1]
                column -= 1
        table[0, 0] = -step
    return swaps


@jit
def crossed(uniform: Floats, moments: Ints, first: Ints) -> Ranks:
    """Ranks of voters ``moments[b, n]`` swaps along a sorting network that starts at the order ``first``.

    ``uniform[b, m(m − 1)/2]`` draws the networks.
    """
    batch, voters = moments.shape
    size = first.size
    out = np.zeros((batch, voters, size), np.int32)
    chain = np.zeros((uniform.shape[1] + 1, size), np.int32)
    for b in range(batch):
        order = first.copy()
        for i in range(size):
            chain[0, order[i]] = i
        swaps = network(uniform[b], size)
        for step in range(swaps.size):
            i = swaps[step]
            order[i], order[i + 1] = order[i + 1], order[i]
            chain[step + 1] = chain[step]
            chain[step + 1, order[i]] = i
            chain[step + 1, order[i + 1]] = i + 1
        for v in range(voters):
            out[b, v] = chain[moments[b, v]]
    return out
