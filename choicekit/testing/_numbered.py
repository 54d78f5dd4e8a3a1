"""Ballots by number: each kind of ballot in a list whose first entry is the simplest, without the list being made."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

Row = list[int]


def strict(number: int, size: int) -> Row:
    """Ranks of the strict rankings; 0 is the identity.

    Written in factorials, the digit of k! says how many of the alternatives before k it is above. The number modulo
    (m - 1)! is that of the ballot without its last alternative.
    """
    order: Row = []
    for a in range(size):
        number, above = divmod(number, a + 1)
        order.insert(a - above, a)
    ranks = [0] * size
    for rank, a in enumerate(order):
        ranks[a] = rank
    return ranks


def picked(number: int, pool: Row, length: int) -> Row:
    """So many entries of a rising list, one after the other, in lexicographic order."""
    left, found = list(pool), []
    for place in range(length):
        take, number = divmod(number, math.perm(len(left) - 1, length - place - 1))
        found.append(left.pop(take))
    return found


@cache
def weak_orders(size: int) -> int:
    """How many weak orders there are (Fubini's numbers)."""
    return sum(math.comb(size, top) * weak_orders(size - top) for top in range(1, size + 1)) if size else 1


def weak(number: int, size: int) -> Row:
    """Ranks of the weak orders: 0 is the identity, a smaller top level comes before a larger, all tied is the last."""
    ranks, left, rank = [0] * size, list(range(size)), 0
    while left:
        for top in range(1, len(left) + 1):
            below = weak_orders(len(left) - top)
            if number < math.comb(len(left), top) * below:
                break
            number -= math.comb(len(left), top) * below
        which, number = divmod(number, below)
        level = chosen(which, len(left), top)
        for place in level:
            ranks[left[place]] = rank
        left = [a for place, a in enumerate(left) if place not in level]
        rank += 1
    return ranks


def chosen(number: int, size: int, length: int) -> Row:
    """Sets of so many of ``size`` places, each rising, in lexicographic order."""
    found: Row = []
    for place in range(size):
        if len(found) == length:
            break
        with_it = math.comb(size - place - 1, length - len(found) - 1)
        if number < with_it:
            found.append(place)
        else:
            number -= with_it
    return found


def truncations(size: int, least: int = 1) -> int:
    """How many strict rankings of at least so many alternatives there are."""
    return sum(math.perm(size, length) for length in range(least, size + 1))


def truncated(number: int, size: int) -> Row:
    """Ranks of the strict rankings of some alternatives (-1 unranked): longer before shorter, 0 the identity."""
    if number < math.factorial(size):
        return strict(number, size)
    length = size
    while number >= math.perm(size, length):
        number -= math.perm(size, length)
        length -= 1
    ranks = [-1] * size
    for rank, a in enumerate(picked(number, list(range(size)), length)):
        ranks[a] = rank
    return ranks


def single_peaked(number: int, axis: Row) -> Row:
    """Ranks of the 2^(m - 1) rankings with a single peak on the axis, from its first entry (0) to its last."""
    ranks, left, right = [0] * len(axis), 0, len(axis) - 1
    for place in range(len(axis) - 1, 0, -1):  # the worst of those left is at one of their two ends
        if number >> (place - 1) & 1:
            ranks[axis[left]], left = place, left + 1
        else:
            ranks[axis[right]], right = place, right - 1
    return ranks


def pair(number: int) -> tuple[int, int]:
    """Pairs of places, those without the last place before those with it."""
    last = (1 + math.isqrt(8 * number + 1)) // 2
    return number - math.comb(last, 2), last


def digits(number: int, base: int, size: int) -> Row:
    """A number in a base, the last digit first."""
    return [number // base**place % base for place in range(size)]


def parts(number: int, total: int, size: int) -> Row:
    """The ways to share out so many units: 0 is all to the first, the last is all to the last."""
    bars = [-1, *chosen(math.comb(total + size - 1, size - 1) - 1 - number, total + size - 1, size - 1)]
    bars.append(total + size - 1)
    return [after - before - 1 for before, after in itertools.pairwise(bars)]


def agreeing(number: int, ballot: Row, pair: tuple[int, int]) -> Row:
    """A strict ranking that puts a pair in the order in which the ballot has it: the numbered one, or with these two
    exchanged."""
    a, b = pair
    other = strict(number, len(ballot))
    if (other[a] < other[b]) != (ballot[a] < ballot[b]):
        other[a], other[b] = other[b], other[a]
    return other


def cloned(outer: Row, at: int, inner: Row) -> Row:
    """Ranks where the alternative in column ``at`` has become clones in a row, which are ranked as ``inner`` says."""
    more = len(inner) - 1
    wide: NDArray[np.int64] = np.array(outer)
    wide[wide > outer[at]] += more
    block = [outer[at] + rank for rank in inner]
    return [*wide[:at].tolist(), *block, *wide[at + 1 :].tolist()]
