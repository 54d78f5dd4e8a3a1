"""Stable voting: winners of a set of alternatives from those of the sets with one of them left out.

``level[a, b]`` is 0 where a does not beat b
and otherwise the higher the larger the margin.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.defeats import beats_all, graded

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
#: A set of alternatives: bit a is set where a is in it.
Set: TypeAlias = Any


@jit
def _pairs(level: Ints) -> tuple[Ints, Ints, Ints]:
    """All ordered pairs from the largest margin to the most negative, with their signed levels."""
    size = len(level)
    signed = (level - level.T).ravel()
    order = np.argsort(-signed, kind="mergesort")
    first = np.empty(size * (size - 1), np.int64)
    second = np.empty_like(first)
    strength = np.empty_like(first)
    count = 0
    for here in order:
        a, b = here // size, here % size
        if a != b:
            first[count], second[count], strength[count] = a, b, signed[here]
            count += 1
    return first, second, strength


@jit
def _defeated(a: int, among: Set, level: Ints) -> bool:
    """Whether split cycle defeats a among these: some b beats it by more than the strongest chain from a to b."""
    size = len(level)
    width = np.zeros(size, np.int64)
    left: Set = among
    width[a] = size * size
    while True:
        u = -1
        for v in range(size):
            if (left >> v) & 1 and width[v] > 0 and (u < 0 or width[v] > width[u]):
                u = v
        if u < 0:
            break
        left ^= np.int64(1) << u
        for v in range(size):
            if (left >> v) & 1:
                width[v] = max(width[v], min(width[u], level[u, v]))
    defeated = False
    for b in range(size):
        defeated = defeated or ((among >> b) & 1 != 0 and level[b, a] > width[b])
    return defeated


@jit
def _beats_all(among: Set, level: Ints) -> Set:
    """The alternative that beats all others among these, as a set; 0 if there is none."""
    size = len(level)
    best = -1
    for v in range(size):  # the one that no later one beats or ties is the only one that may beat all
        if (among >> v) & 1 and (best < 0 or level[best, v] == 0):
            best = v
    for v in range(size):
        if (among >> v) & 1 and v != best and level[best, v] == 0:
            return 0
    return np.int64(1) << best


@jit
def _stable(level: Ints, simple: bool, budget: int) -> tuple[Set, int]:
    """The winners as a set, 0 where the budget of sets ended first, and how many sets were visited."""
    size = len(level)
    first, second, strength = _pairs(level)
    whole = np.int64(0)
    for v in range(size):
        whole |= np.int64(1) << v
    known: dict[Set, Set] = {np.int64(0): np.int64(0)}
    stack = [whole]
    while len(stack) > 0:
        among = stack[-1]
        if among in known:
            stack.pop()
            continue
        if len(known) > budget:
            return np.int64(0), budget
        winners, tried = _beats_all(among, level), np.int64(0)
        held = np.int64(0)  # those split cycle defeats
        needed, least = np.int64(0), np.int64(0)
        for k in range(len(first)):
            a, b = np.int64(1) << first[k], np.int64(1) << second[k]
            if not (among & a and among & b) or winners & a or held & a:
                continue
            if winners and (tried == 0 or strength[k] < least):
                break
            if not simple and not tried & a and _defeated(first[k], among, level):
                held |= a
                continue
            tried |= a
            rest = among ^ b
            if rest not in known:
                needed = rest
                break
            if known[rest] & a:
                winners |= a
                least = strength[k]
        if needed:
            stack.append(needed)
        else:
            known[among] = winners
            stack.pop()
    return known[whole], len(known) - 1


@jit
def stable(margins: Floats, least: Floats, simple: bool, budget: int) -> tuple[Bools, Ints]:
    """The winners of each profile, none where the budget of sets ended first, and how many sets were visited."""
    batch, size, _ = margins.shape
    won = np.zeros((batch, size), np.bool_)
    visited = np.zeros(batch, np.int64)
    for b in range(batch):
        best = beats_all(margins[b], least[b])
        if best >= 0:
            won[b, best] = True
            visited[b] = 1
            continue
        _, _, _, level = graded(margins[b], least[b])
        winners, visited[b] = _stable(level, simple, budget)
        for v in range(size):
            won[b, v] = (winners >> v) & 1 != 0
    return won, visited
