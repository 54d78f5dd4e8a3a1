"""Loops over strict ranks ``[n, m]`` that look for the structure of restricted domains."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@jit
def sides(ranks: Ints, order: Ints) -> tuple[Flags, Flags]:
    """Which two alternatives must be on the same side of what a first voter prefers to both, and which apart.

    ``order`` is that voter's ranking; entries ``[i, j]`` with i < j are about its places. Of three alternatives p, q, w
    in this order, q lies between the others where q and w are on one side of p, and p does where they are on two.
    """
    voters, size = ranks.shape
    same = np.zeros((size, size), np.bool_)
    apart = np.zeros((size, size), np.bool_)
    for v in range(voters):
        best = ranks[v, order[0]]
        worst = best
        for i in range(1, size):
            mine = ranks[v, order[i]]
            for j in range(i + 1, size):
                other = ranks[v, order[j]]
                if best < mine and other < mine:
                    apart[i, j] = True
                if mine < worst and other < worst:
                    same[i, j] = True
            best = min(best, mine)
            worst = max(worst, mine)
    return same, apart


@jit
def swaps(ranks: Ints, order: Ints) -> Ints:
    """How many pairs each voter ranks otherwise than the ranking ``order`` does, ``[n]``."""
    voters, size = ranks.shape
    out = np.zeros(voters, np.int64)
    for v in range(voters):
        for i in range(size):
            for j in range(i + 1, size):
                out[v] += ranks[v, order[i]] > ranks[v, order[j]]
    return out


@jit
def crossings(ranks: Ints) -> Ints:
    """How many of the voters, as they stand, come before a pair is swapped, ``[a, b]``; ``[0, 0]`` is -1 where one is
    swapped back."""
    voters, size = ranks.shape
    out = np.full((size, size), voters)
    for a in range(size):
        for b in range(size):
            before = ranks[0, a] < ranks[0, b]
            for v in range(1, voters):
                if (ranks[v, a] < ranks[v, b]) == before:
                    if out[a, b] < voters:
                        out[0, 0] = -1
                        return out
                elif out[a, b] == voters:
                    out[a, b] = v
    return out


@jit
def roles(ranks: Ints) -> Ints:
    """What the voters make of each three alternatives, ``[m(m − 1)(m − 2)/6]``, in lexicographic order.

    Nine bits: the first best, middle, worst of the three for some voter, then the second, then the third. A voter to
    whom all three are equal says nothing.
    """
    voters, size = ranks.shape
    out = np.zeros(size * (size - 1) * (size - 2) // 6, np.int64)
    three = 0
    for a in range(size):
        for b in range(a + 1, size):
            for c in range(b + 1, size):
                seen = 0
                for v in range(voters):
                    seen |= role(ranks[v, a], ranks[v, b], ranks[v, c])
                    if seen == 511:
                        break
                out[three] = seen
                three += 1
    return out


@jit
def role(x: Any, y: Any, z: Any) -> int:
    """The nine bits of one voter."""
    if x == y and y == z:
        return 0
    return _one(x, y, z) | _one(y, x, z) << 3 | _one(z, x, y) << 6


@jit
def _one(x: Any, y: Any, z: Any) -> int:
    """Whether x is best (1), middle (2), worst (4) of three; where it is tied it is both."""
    found = 0
    if x <= y and x <= z:
        found |= 1
    if (y <= x and x <= z) or (z <= x and x <= y):
        found |= 2
    if x >= y and x >= z:
        found |= 4
    return found
