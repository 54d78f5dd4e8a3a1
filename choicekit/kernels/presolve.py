"""Constraints on lotteries that say simple things, applied before a programme is solved and answered for after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

# What became of a constraint: an inequality, never binding, an equation, an equation's other half, has taken
# alternatives out.
BOUND, IDLE, EQUATION, OPPOSITE, BAN = 0, 1, 2, 3, 4
TINY = 1e-12


@jit
def settled(B: Floats, kept: Flags, role: Codes, out_by: Codes, turn: Codes) -> bool:
    """Constraints that say simple things are applied; false where one leaves no alternative.

    ``out_by[a]`` is the row that takes a out, ``turn`` the order in which rows did so; of an opposite it holds the
    row that it is the other half of.
    """
    count, size = B.shape
    turns = 0
    changed = True
    while changed:
        changed = False
        for i in range(count):
            if role[i] != BOUND:
                continue
            low, high = 1e300, -1e300
            for a in range(size):
                if kept[a]:
                    low, high = min(low, B[i, a]), max(high, B[i, a])
            if low >= -TINY:
                role[i] = IDLE
            elif high < -TINY:
                return False
            elif high <= TINY:
                role[i], turn[i], changed = BAN, turns, True
                turns += 1
                for a in range(size):
                    if kept[a] and B[i, a] < -TINY:
                        kept[a], out_by[a] = False, i
    for i in range(count):
        for j in range(i):
            if role[i] == BOUND and role[j] == BOUND and np.abs(B[i] + B[j]).max() <= TINY:
                role[j], role[i], turn[i] = EQUATION, OPPOSITE, j
    return True


@jit
def restored(value: Floats, B: Floats, kept: Flags, role: Codes, out_by: Codes, turn: Codes, nu: Floats) -> None:
    """Multipliers of equations' other halves and of the rows that took alternatives out.

    ``value[m]`` is what an alternative is worth at the prices of all other rows.
    """
    best = -1e300
    for a in range(len(value)):
        if kept[a]:
            best = max(best, value[a])
    for i in range(len(B)):
        if role[i] == OPPOSITE:
            nu[i] = max(0.0, -nu[turn[i]])
            nu[turn[i]] = max(0.0, nu[turn[i]])
    for step in range(len(B) - 1, -1, -1):
        for i in range(len(B)):
            if role[i] == BAN and turn[i] == step:
                for a in range(len(value)):
                    if out_by[a] == i:
                        nu[i] = max(nu[i], (value[a] - best) / -B[i, a])
                for a in range(len(value)):
                    value[a] += nu[i] * B[i, a]
