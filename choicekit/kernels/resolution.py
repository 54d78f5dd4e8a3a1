"""Loops that find out by unit propagation which clauses make each clause of a proof follow.

Clauses are numbered from 0: those of the formula, then those of the proof, each of which follows from the ones before.
A literal x of variable v ≥ 1 is coded 2v, or 2v + 1 where it is denied.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]


@jit
def _watched(codes: Codes, offsets: Ints, heads: Ints, following: Ints) -> None:
    """Watch two literals of each clause: ``heads[literal]`` starts a list through ``following[2c + side]``."""
    for c in range(len(offsets) - 1):
        if offsets[c + 1] - offsets[c] >= 2:
            for side in range(2):
                literal = codes[offsets[c] + side]
                following[2 * c + side] = heads[literal]
                heads[literal] = 2 * c + side


@jit
def _visit(
    literal: int,
    wanted: bool,
    below: int,
    codes: Codes,
    offsets: Ints,
    heads: Ints,
    following: Ints,
    needed: NDArray[np.bool_],
    value: NDArray[np.int8],
    reason: Ints,
    trail: Codes,
    size: int,
) -> tuple[int, int]:
    """Follow up a literal that became false in the watching clauses (needed ones or the others): trail, conflict."""
    previous, watch = -1, heads[literal]
    while watch >= 0:
        c, following_one = watch >> 1, following[watch]
        if c >= below:  # never to be asked again
            if previous < 0:
                heads[literal] = following_one
            else:
                following[previous] = following_one
            watch = following_one
            continue
        if needed[c] == wanted:
            start = offsets[c]
            side = watch & 1
            other = codes[start + 1 - side]
            if value[other] != 1:
                moved = False
                for at in range(start + 2, offsets[c + 1]):
                    if value[codes[at]] != -1:
                        codes[start + side], codes[at] = codes[at], codes[start + side]
                        if previous < 0:
                            heads[literal] = following_one
                        else:
                            following[previous] = following_one
                        following[watch] = heads[codes[start + side]]
                        heads[codes[start + side]] = watch
                        moved = True
                        break
                if moved:
                    watch = following_one
                    continue
                if value[other] == -1:
                    return size, c
                value[other], value[other ^ 1] = 1, -1
                reason[other >> 1] = c
                trail[size] = other
                size += 1
        previous, watch = watch, following_one
    return size, -1


@jit
def _conflict(
    target: int,
    units: Ints,
    codes: Codes,
    offsets: Ints,
    heads: Ints,
    following: Ints,
    needed: NDArray[np.bool_],
    value: NDArray[np.int8],
    reason: Ints,
    trail: Codes,
) -> tuple[int, int]:
    """Deny a clause and propagate through the earlier ones, the needed first: trail, and a clause that fails or -1."""
    size = 0
    for at in range(offsets[target], offsets[target + 1]):
        denied = codes[at] ^ 1
        if value[denied] == 0:
            value[denied], value[denied ^ 1] = 1, -1
            reason[denied >> 1] = -1
            trail[size] = denied
            size += 1
    first, second, unit, other_unit = 0, 0, 0, 0
    while True:
        if unit < len(units) or other_unit < len(units):  # units: the needed, then all they lead to, then the others
            wanted = unit < len(units)
            if wanted or first == size:
                c = units[unit] if wanted else units[other_unit]
                if wanted:
                    unit += 1
                else:
                    other_unit += 1
                if c < target and needed[c] == wanted:
                    literal = codes[offsets[c]]
                    if value[literal] == -1:
                        return size, c
                    if value[literal] == 0:
                        value[literal], value[literal ^ 1] = 1, -1
                        reason[literal >> 1] = c
                        trail[size] = literal
                        size += 1
                continue
        if first < size:
            size, failed = _visit(
                trail[first] ^ 1, True, target, codes, offsets, heads, following, needed, value, reason, trail, size
            )
            first += 1
        elif second < size:
            size, failed = _visit(
                trail[second] ^ 1, False, target, codes, offsets, heads, following, needed, value, reason, trail, size
            )
            second += 1
        else:
            return size, -1
        if failed >= 0:
            return size, failed


@jit
def justify(codes: Codes, offsets: Ints, formula: int, variables: int) -> tuple[Ints, Ints, Ints, int]:
    """From the last clause back, which clauses of the proof are needed and why.

    Returns the needed ones, the last first; for each where its hints end; all hints, those of a clause in the order in
    which they become units; and the number of a clause that does not follow, or -1. ``codes`` are reordered.
    """
    count = len(offsets) - 1
    heads = np.full(2 * variables + 2, -1, np.int64)
    following = np.full(2 * count, -1, np.int64)
    _watched(codes, offsets, heads, following)
    units = np.flatnonzero(np.diff(offsets) == 1)
    needed = np.zeros(count, np.bool_)
    needed[count - 1] = True
    value = np.zeros(2 * variables + 2, np.int8)
    reason = np.full(variables + 1, -1, np.int64)
    seen = np.zeros(variables + 1, np.bool_)
    trail = np.zeros(variables + 1, np.int32)
    kept, ends = np.zeros(count - formula, np.int64), np.zeros(count - formula, np.int64)
    hints, used, lemmas = np.zeros(1024, np.int64), 0, 0
    for target in range(count - 1, formula - 1, -1):
        if not needed[target]:
            continue
        size, failed = _conflict(target, units, codes, offsets, heads, following, needed, value, reason, trail)
        if failed < 0:
            return kept[:lemmas], ends[:lemmas], hints[:used], target
        start = used
        if used + size + 1 > len(hints):
            grown = np.zeros(2 * (used + size + 1), np.int64)
            grown[:used] = hints[:used]
            hints = grown
        hints[used] = failed
        used += 1
        for at in range(offsets[failed], offsets[failed + 1]):
            seen[codes[at] >> 1] = True
        for place in range(size - 1, -1, -1):
            literal = trail[place]
            variable = literal >> 1
            if seen[variable] and reason[variable] >= 0:
                c = reason[variable]
                hints[used] = c
                used += 1
                for at in range(offsets[c], offsets[c + 1]):
                    seen[codes[at] >> 1] = True
            seen[variable] = False
            value[literal], value[literal ^ 1] = 0, 0
        hints[start:used] = hints[start:used][::-1].copy()
        for at in range(start, used):
            needed[hints[at]] = True
        kept[lemmas], ends[lemmas] = target, used
        lemmas += 1
    return kept[:lemmas], ends[:lemmas], hints[:used], -1
