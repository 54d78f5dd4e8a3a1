"""Orders of the least cost, for costs ``against[a, b]`` of putting a above b.

A set of alternatives is a whole number whose bits are its members.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Costs = NDArray[Any]

# So many of the alternatives share a block of consecutive sets.
_BLOCK = 10


@jit
def least_costs(against: Costs) -> Costs:
    """The least cost of ordering each set, ``[2**m]`` of the type of ``against``, which must hold the sum of it.

    The best order of a set has some member a on top: least(S) = min over a in S of Σ_{b in S} against[a, b] +
    least(S without a). Sets that differ in their low bits alone are a block; where a is not one of those, the block
    is a sum of three rows.
    """
    size = len(against)
    low = min(size, _BLOCK)
    high = size - low
    length = 1 << low
    below = np.zeros((size, length), against.dtype)
    for a in range(size):
        for part in range(1, length):
            lowest = 0
            while (part >> lowest) & 1 == 0:
                lowest += 1
            below[a, part] = below[a, part & (part - 1)] + against[a, lowest]
    out = np.empty(1 << size, against.dtype)
    most = against.sum() + 1
    above = np.zeros(size, against.dtype)
    for part in range(1 << high):
        for a in range(size):
            above[a] = 0
            for b in range(high):
                if (part >> b) & 1:
                    above[a] += against[a, low + b]
        here = out[part << low : (part + 1) << low]
        here[:] = most
        if part == 0:
            here[0] = 0
        for a in range(high):
            if (part >> a) & 1:
                rest = part ^ (1 << a)
                there = out[rest << low : (rest + 1) << low]
                row = below[low + a]
                fixed = above[low + a]
                for inner in range(length):
                    cost = there[inner] + row[inner] + fixed
                    if cost < here[inner]:
                        here[inner] = cost
        for inner in range(1, length):
            best = here[inner]
            for a in range(low):
                if (inner >> a) & 1:
                    cost = here[inner ^ (1 << a)] + below[a, inner] + above[a]
                    if cost < best:
                        best = cost
            here[inner] = best
    return out


@jit
def tops(against: Floats, slack: Floats) -> Floats:
    """1 for the alternatives on top of an order of the least cost, up to ``slack[b]``, of ``against[b, m, m]``."""
    batch, size, _ = against.shape
    out = np.zeros((batch, size))
    everyone = (1 << size) - 1
    for k in range(batch):
        least = least_costs(against[k])
        for a in range(size):
            if against[k, a].sum() + least[everyone ^ (1 << a)] <= least[everyone] + slack[k]:
                out[k, a] = 1.0
    return out


@jit
def cost_of(order: Ints, against: Floats) -> float:
    """What an order costs, the best first."""
    total = 0.0
    for i in range(len(order)):
        for j in range(i + 1, len(order)):
            total += against[order[i], order[j]]
    return total


@jit
def improved(order: Ints, against: Floats) -> Ints:
    """The order after moving single alternatives to where they cost the least, as long as that helps."""
    order = order.copy()
    size = len(order)
    unit = against.max()
    moved = True
    while moved:
        moved = False
        for place in range(size):
            a = order[place]
            best, target, change = -1e-9 * unit, place, 0.0
            for other in range(place - 1, -1, -1):
                b = order[other]
                change += against[a, b] - against[b, a]
                if change < best:
                    best, target = change, other
            change = 0.0
            for other in range(place + 1, size):
                b = order[other]
                change += against[b, a] - against[a, b]
                if change < best:
                    best, target = change, other
            if target < place:
                order[target + 1 : place + 1] = order[target:place].copy()
                order[target] = a
                moved = True
            elif target > place:
                order[place:target] = order[place + 1 : target + 1].copy()
                order[target] = a
                moved = True
    return order


@jit
def broken_cycles(above: Floats, least: float) -> tuple[Ints, Floats]:
    """The triples a, b, c with above[a, b] + above[b, c] + above[c, a] > 2 + ``least``, ``[n, 3]``, and the excess.

    Each cycle is given once, from its lowest alternative on.
    """
    size = len(above)
    count = 0
    for write in range(2):
        if write == 1:
            triples = np.empty((count, 3), np.int64)
            excess = np.empty(count)
            count = 0
        for a in range(size):
            for b in range(a + 1, size):
                for c in range(a + 1, size):
                    if c == b:
                        continue
                    sum_of_three = above[a, b] + above[b, c] + above[c, a]
                    if sum_of_three > 2.0 + least:
                        if write == 1:
                            triples[count, 0], triples[count, 1], triples[count, 2] = a, b, c
                            excess[count] = sum_of_three - 2.0
                        count += 1
    return triples, excess
