"""Every multiset of n of K ballots in lexicographic order of the sorted ballots, and the place of one in the order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@jit
def binomials(most: int, parts: int) -> Ints:
    """``table[r, p]``: how many multisets of r of p kinds there are, C(r + p − 1, r); up to ``most`` and ``parts``."""
    table = np.zeros((most + 1, parts + 1), np.int64)
    table[0] = 1
    for r in range(1, most + 1):
        for p in range(1, parts + 1):
            table[r, p] = table[r, p - 1] + table[r - 1, p]
    return table


@jit
def rank(counts: Bytes, voters: int, table: Ints) -> int:
    """The place of the multiset with these counts of each kind among those of as many ``voters``.

    ``table`` is :func:`binomials` of at least that many voters and kinds. Before it come those with more of the first
    kind in which the two differ.
    """
    kinds, left, place = counts.size, voters, 0
    for k in range(kinds - 1):
        if left == 0:
            break
        if left > counts[k]:
            place += table[left - counts[k] - 1, kinds - k]
        left -= counts[k]
    return int(place)


@jit
def advance(counts: Bytes) -> bool:
    """Turn the counts into those of the next multiset; false, and unchanged, at the last."""
    kinds = counts.size
    tail = counts[kinds - 1]
    k = kinds - 2
    while k >= 0 and counts[k] == 0:
        k -= 1
    if k < 0:
        return False
    counts[k] -= 1
    counts[kinds - 1] = 0
    counts[k + 1] = tail + 1
    return True


@jit
def onward(counts: Bytes, place: int, only: Bools) -> int:
    """Turn the counts into those of the next multiset that ``only`` has; its place. −1: none was looked at yet."""
    if place >= 0:
        advance(counts)
    place += 1
    while not only[place]:
        advance(counts)
        place += 1
    return place


@jit
def tuples(kinds: int, voters: int, start: int, stop: int) -> Bytes:
    """The sorted ballots ``[stop − start, voters]`` of the multisets from place ``start`` up to ``stop``."""
    table = binomials(voters, kinds)
    counts = unrank(start, kinds, voters, table)
    out = np.empty((stop - start, voters), np.uint8)
    for row in range(stop - start):
        at = 0
        for k in range(kinds):
            for _ in range(counts[k]):
                out[row, at] = k
                at += 1
        advance(counts)
    return out


@jit
def unrank(place: int, kinds: int, voters: int, table: Ints) -> Bytes:
    """The counts of the multiset at a place."""
    counts = np.zeros(kinds, np.uint8)
    left, rest = voters, place
    for k in range(kinds - 1):
        c = left
        # those with more than c of kind k number table[left - c - 1, kinds - k]
        while c > 0 and table[left - c, kinds - k] <= rest:
            c -= 1
        if c < left:
            rest -= table[left - c - 1, kinds - k]
        counts[k] = c
        left -= c
    counts[kinds - 1] = left
    return counts


@jit
def steps(counts: Bytes, voters: int, table: Ints, up: Ints, down: Ints) -> None:
    """Fill ``up[K]`` and ``down[K]``, the sums from which the places of a multiset's neighbours follow.

    Of a multiset at a place among those of ``voters`` ballots: with one more ballot of kind j it is at
    ``place + up[j]`` among those of one ballot more, with one fewer of kind k at ``place − down[k]`` among those of one
    fewer, and with one of kind k turned into kind j at :func:`moved`. ``table`` is :func:`binomials` of at least that
    many voters and kinds.
    """
    kinds, left = counts.size, voters
    up[0], down[0] = 0, 0
    for k in range(kinds - 1):
        left -= counts[k]
        up[k + 1] = up[k] + table[left, kinds - k - 1]
        down[k + 1] = down[k] + (table[left - 1, kinds - k - 1] if left else 0)


@jit
def moved(place: int, k: int, j: int, up: Ints, down: Ints) -> int:
    """The place of the multiset in which one ballot of kind k has become one of kind j."""
    return int(place + up[j] - up[k]) if j > k else int(place + down[j] - down[k])


@jit
def images(kinds: Ints, voters: int, only: Bools) -> Ints:
    """For each multiset that ``only`` has, the place of the one in which every ballot k has become ``kinds[k]``.

    ``kinds`` is a permutation.
    """
    size = kinds.size
    table = binomials(voters, size)
    counts, turned = unrank(0, size, voters, table), np.zeros(size, np.uint8)
    out, place = np.empty(only.sum(), np.int64), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        for k in range(size):
            turned[kinds[k]] = counts[k]
        out[row] = rank(turned, voters, table)
    return out


@jit
def grown(kinds: int, voters: int, times: int, plus: int, only: Bools) -> Ints:
    """For each multiset that ``only`` has, the place of the one with every count ``times`` over, and ``plus`` more."""
    more = times * voters + plus * kinds
    table = binomials(more, kinds)
    counts, larger = unrank(0, kinds, voters, table), np.zeros(kinds, np.uint8)
    out, place = np.empty(only.sum(), np.int64), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        for k in range(kinds):
            larger[k] = times * counts[k] + plus
        out[row] = rank(larger, more, table)
    return out
