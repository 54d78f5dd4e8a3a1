"""Scans of an ordering rule's table over all profiles of n voters with names.

Profile p is the number whose digits to the base K are the voters' ballots, the first voter's the highest. In
it ``places[p, a]`` is the level of alternative a in the ordering, 0 on top; ``ranks[k, a]`` is its rank on ballot k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Bytes = NDArray[np.int8]
Ints = NDArray[np.int64]


@jit
def following(digits: Ints, kinds: int) -> None:
    """Turn the ballots of a profile into those of the next."""
    voter = digits.size - 1
    while voter >= 0 and digits[voter] == kinds - 1:
        digits[voter] = 0
        voter -= 1
    if voter >= 0:
        digits[voter] += 1


@jit
def side(places: Bytes, p: int, a: int, b: int) -> int:
    """1 where a is above b, −1 below, 0 level."""
    if places[p, a] < places[p, b]:
        return 1
    return -1 if places[p, a] > places[p, b] else 0


@jit
def irrelevant(places: Bytes, ranks: Bytes, voters: int) -> Ints:
    """The first profile that agrees with an earlier one on a pair, voter by voter, and places the pair differently.

    Gives (earlier, later, a, b), −1 each where there is none: pair by pair, by what was said first of each pattern.
    """
    kinds, m = ranks.shape
    for a in range(m):
        for b in range(a + 1, m):
            above = np.empty(kinds, np.int64)
            for k in range(kinds):
                above[k] = 1 if ranks[k, a] < ranks[k, b] else 0
            first = np.full(1 << voters, -1, np.int64)
            digits = np.zeros(voters, np.int64)
            for p in range(len(places)):
                pattern = 0
                for voter in range(voters):
                    pattern = 2 * pattern + above[digits[voter]]
                if first[pattern] < 0:
                    first[pattern] = p
                elif side(places, p, a, b) != side(places, first[pattern], a, b):
                    return np.array([first[pattern], p, a, b])
                following(digits, kinds)
    return np.full(4, -1, np.int64)


@jit
def unanimous(places: Bytes, ranks: Bytes, voters: int) -> Ints:
    """The first profile in which all voters rank a above b and a is not above b: (p, a, b), −1 where there is none."""
    kinds, m = ranks.shape
    digits = np.zeros(voters, np.int64)
    for p in range(len(places)):
        for a in range(m):
            for b in range(m):
                if a == b or places[p, a] < places[p, b]:
                    continue
                agreed = True
                for voter in range(voters):
                    if ranks[digits[voter], a] > ranks[digits[voter], b]:
                        agreed = False
                        break
                if agreed:
                    return np.array([p, a, b])
        following(digits, kinds)
    return np.full(3, -1, np.int64)


@jit
def dictators(places: Bytes, ranks: Bytes, voters: int) -> NDArray[np.bool_]:
    """Which voters' ballots are the ordering in every profile."""
    kinds, m = ranks.shape
    digits = np.zeros(voters, np.int64)
    found = np.ones(voters, np.bool_)
    left = voters
    for p in range(len(places)):
        for voter in range(voters):
            if found[voter]:
                for a in range(m):
                    if places[p, a] != ranks[digits[voter], a]:
                        found[voter] = False
                        left -= 1
                        break
        if left == 0:
            break
        following(digits, kinds)
    return found
