"""Loops that count comparisons.

Tallies list the pairs that met, ``first < second`` in order, with how often the first won, the second won, and neither
did. Scratch and tables are made in the types of empty arrays given as ``kind``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[Any]
Tally = tuple[NDArray[np.int32], NDArray[np.int32], Floats, Floats]


@jit
def extent(winner: Codes, loser: Codes) -> tuple[int, int]:
    """The smallest and the largest number in two arrays of equal length."""
    low, high = winner[0], winner[0]
    for row in range(len(winner)):
        low = min(low, winner[row], loser[row])
        high = max(high, winner[row], loser[row])
    return low, high


@jit
def shifted(winner: Codes, loser: Codes, low: int, kind: Codes) -> tuple[Codes, Codes, int]:
    """Both columns less ``low``, in the type of ``kind``, and how many rows hold the same number twice."""
    rows = len(winner)
    first, second = np.empty(rows, kind.dtype), np.empty(rows, kind.dtype)
    same = 0
    for row in range(rows):
        a, b = winner[row] - low, loser[row] - low
        first[row] = a
        second[row] = b
        same += a == b
    return first, second, same


@jit
def occurring(first: Codes, second: Codes, span: int) -> Bools:
    """Which of the codes below ``span`` occur; looks no further once all have."""
    there = np.zeros(span, np.bool_)
    found = 0
    for row in range(len(first)):
        a, b = first[row], second[row]
        if not there[a]:
            there[a] = True
            found += 1
        if not there[b]:
            there[b] = True
            found += 1
        if found == span:
            break
    return there


@jit
def mapped(codes: Codes, new: Ints, kind: Codes) -> Codes:
    """``new[codes]`` in the type of ``kind``."""
    out = np.empty(len(codes), kind.dtype)
    for row in range(len(codes)):
        out[row] = new[codes[row]]
    return out


@jit
def wins_dense(
    winner: Codes, loser: Codes, wins: NDArray[np.uint32], unmet: bool, pairs: NDArray[np.int32], tally: Floats
) -> int:
    """The tally of rows without ties or weights, through a square table of ``wins`` that comes empty.

    Fills ``pairs[2, p]`` with first and second and ``tally[2, p]`` with won and lost, and returns how many there are;
    p is one more than there are pairs. With ``unmet``, every pair is listed where most of them met. (Tables are made
    by the caller because NumPy asks the system for large pages and numba does not.)
    """
    size = len(wins)
    for row in range(len(winner)):
        wins[winner[row], loser[row]] += np.uint32(1)
    if unmet:
        seen, looked, a, b = 0, 0, 0, 1
        while a < size - 1:
            seen += (wins[a, b] | wins[b, a]) != 0
            looked += 1
            b += 61
            while b >= size and a < size:
                a += 1
                b = a + 1 + (b - size) % 7
        unmet = 2 * seen > looked
    met = 0
    for a in range(size):
        for b in range(a + 1, size):
            ahead, behind = wins[a, b], wins[b, a]
            pairs[0, met], pairs[1, met], tally[0, met], tally[1, met] = a, b, ahead, behind
            met += unmet or (ahead | behind) != 0
    return met


@jit
def wins_blocked(winner: Codes, loser: Codes, size: int, shift: int) -> Tally:
    """The same for a table too large for the cache: rows are dealt out by blocks of 2**shift firsts, then counted."""
    rows = len(winner)
    block = 1 << shift
    blocks = (size + block - 1) >> shift
    start = np.zeros(blocks + 2, np.int64)
    for row in range(rows):
        start[(min(winner[row], loser[row]) >> shift) + 2] += 1
    for part in range(blocks):
        start[part + 2] += start[part + 1]
    dealt = np.empty(rows, np.uint32)
    for row in range(rows):
        one, other = np.int64(winner[row]), np.int64(loser[row])
        low, high = min(one, other), max(one, other)
        at = start[(low >> shift) + 1]
        dealt[at] = 2 * ((low & (block - 1)) * size + high) + (one > other)
        start[(low >> shift) + 1] = at + 1
    most = min(rows, size * (size - 1) // 2) + 1
    first, second = np.empty(most, np.int32), np.empty(most, np.int32)
    won, lost = np.empty(most), np.empty(most)
    table = np.zeros(2 * block * size, np.uint32)
    met = 0
    for part in range(blocks):
        for place in range(start[part], start[part + 1]):
            table[dealt[place]] += np.uint32(1)
        for a in range(part * block, min((part + 1) * block, size)):
            cell = 2 * ((a - part * block) * size + a)
            for b in range(a + 1, size):
                cell += 2
                ahead, behind = table[cell], table[cell + 1]
                first[met], second[met], won[met], lost[met] = a, b, ahead, behind
                met += (ahead | behind) != 0
        table[:] = 0
    return first[:met], second[:met], won[:met], lost[:met]


@jit
def tally_dense(
    winner: Codes, loser: Codes, tie: Bools, weight: Floats, size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats, Floats, Floats]:
    """The tally with ties and weights (arrays of length 1 hold for every row), through a square table."""
    table = np.zeros((size * size, 3))
    every_tie, every_weight = len(tie) > 1, len(weight) > 1
    for row in range(len(winner)):
        one, other = np.int64(winner[row]), np.int64(loser[row])
        kind = 2 if (tie[row] if every_tie else tie[0]) else np.int64(one > other)
        table[min(one, other) * size + max(one, other), kind] += weight[row] if every_weight else weight[0]
    met = 0
    for a in range(size):
        for b in range(a + 1, size):
            cell = a * size + b
            met += table[cell, 0] + table[cell, 1] + table[cell, 2] > 0.0
    first, second = np.empty(met, np.int32), np.empty(met, np.int32)
    won, lost, tied = np.empty(met), np.empty(met), np.empty(met)
    at = 0
    for a in range(size):
        for b in range(a + 1, size):
            cell = a * size + b
            if table[cell, 0] + table[cell, 1] + table[cell, 2] > 0.0:
                first[at], second[at] = a, b
                won[at], lost[at], tied[at] = table[cell, 0], table[cell, 1], table[cell, 2]
                at += 1
    return first, second, won, lost, tied


@jit
def tally_sparse(
    winner: Codes, loser: Codes, tie: Bools, weight: Floats, size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats, Floats, Floats]:
    """The same in time and memory linear in rows and alternatives.

    Rows are sorted by counting, by the second of the pair and then by the first, so that equal pairs are neighbours.
    """
    rows = len(winner)
    every_tie, every_weight = len(tie) > 1, len(weight) > 1
    low_start, high_start = np.zeros(size + 1, np.int64), np.zeros(size + 1, np.int64)
    for row in range(rows):
        low_start[min(winner[row], loser[row]) + 1] += 1
        high_start[max(winner[row], loser[row]) + 1] += 1
    for a in range(size):
        low_start[a + 1] += low_start[a]
        high_start[a + 1] += high_start[a]
    # each row as its first and 4·(its number) + what happened, by second
    near, note = np.empty(rows, np.int32), np.empty(rows, np.int64)
    other = np.empty(rows, np.int32)
    for row in range(rows):
        a, b = winner[row], loser[row]
        kind = 2 if (tie[row] if every_tie else tie[0]) else np.int64(a > b)
        place = high_start[max(a, b)]
        high_start[max(a, b)] = place + 1
        near[place], other[place], note[place] = min(a, b), max(a, b), 4 * row + kind
    first, second = np.empty(rows, np.int32), np.empty(rows, np.int32)
    sorted_note = np.empty(rows, np.int64)
    for at in range(rows):
        place = low_start[near[at]]
        low_start[near[at]] = place + 1
        first[place], second[place], sorted_note[place] = near[at], other[at], note[at]
    won, lost, tied = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    cells = 0
    for at in range(rows):
        heavy = weight[sorted_note[at] // 4] if every_weight else weight[0]
        if heavy == 0.0:
            continue
        a, b, kind = first[at], second[at], sorted_note[at] % 4
        if cells == 0 or first[cells - 1] != a or second[cells - 1] != b:
            first[cells], second[cells] = a, b
            cells += 1
        if kind == 2:
            tied[cells - 1] += heavy
        elif kind == 0:
            won[cells - 1] += heavy
        else:
            lost[cells - 1] += heavy
    return first[:cells], second[:cells], won[:cells], lost[:cells], tied[:cells]
