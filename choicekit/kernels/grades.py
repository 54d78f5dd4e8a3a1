"""Orders of alternatives by their sorted utilities or grades, and runoffs between two of them.

``columns[b, m, n]`` are whole numbers that rise along n; ``upto[b, m, n]`` is the share of the weight up to each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]

# Shares of the weight closer than this are the same: sums of shares are exact only up to rounding.
_SAME = 1e-12


@jit
def from_the_worst(one: Floats, one_upto: Floats, other: Floats, other_upto: Floats) -> int:
    """1, 0 or −1 as the first alternative is above, level with or below the other, compared from the worst-off up."""
    i = j = 0
    size = one.size
    start = 0.0
    while i < size and j < size:
        mine, theirs = one_upto[i], other_upto[j]
        end = min(mine, theirs)
        if end > start + _SAME and one[i] != other[j]:
            return 1 if one[i] > other[j] else -1
        if mine <= end + _SAME:
            i += 1
        if theirs <= end + _SAME:
            j += 1
        start = end
    return 0


@jit
def middle(upto: Floats) -> tuple[int, int]:
    """The voters at the middle of the weight, seen from below and from above."""
    last = upto.size - 1
    low = 0
    while low < last and upto[low] < 0.5 - _SAME:
        low += 1
    high = low
    while high < last and upto[high] <= 0.5 + _SAME:
        high += 1
    return low, high


@jit
def from_the_middle(one: Floats, one_upto: Floats, other: Floats, other_upto: Floats) -> int:
    """1, 0 or −1 as the first is above, level with or below the other, compared from the middle outwards.

    At each distance from the middle the lower side is looked at first.
    """
    low, high = middle(one_upto)
    their_low, their_high = middle(other_upto)
    last = one.size - 1
    start = 0.0
    while start < 0.5 - _SAME:
        down = 0.5 - (one_upto[low - 1] if low > 0 else 0.0)
        up = one_upto[high] - 0.5 if high < last else 0.5
        their_down = 0.5 - (other_upto[their_low - 1] if their_low > 0 else 0.0)
        their_up = other_upto[their_high] - 0.5 if their_high < last else 0.5
        end = min(min(down, up), min(their_down, their_up))
        if end > start + _SAME:
            if one[low] != other[their_low]:
                return 1 if one[low] > other[their_low] else -1
            if one[high] != other[their_high]:
                return 1 if one[high] > other[their_high] else -1
        if end >= 0.5 - _SAME:
            return 0
        if down <= end + _SAME and low > 0:
            low -= 1
        if their_down <= end + _SAME and their_low > 0:
            their_low -= 1
        if up <= end + _SAME and high < last:
            high += 1
        if their_up <= end + _SAME and their_high < last:
            their_high += 1
        start = end
    return 0


@jit
def places(columns: Floats, upto: Floats, outwards: bool) -> NDArray[np.int64]:
    """How many levels of alternatives are below each, ``[b, m]``, by insertion into a sorted list."""
    batch, size, _ = columns.shape
    out = np.zeros((batch, size), np.int64)
    order = np.zeros(size, np.int64)
    above = np.zeros(size, np.bool_)  # whether an alternative of the list is strictly above the one before it
    for b in range(batch):
        for new in range(size):
            at = new
            level = False
            while at > 0:
                rival = order[at - 1]
                if outwards:
                    sign = from_the_middle(columns[b, new], upto[b, new], columns[b, rival], upto[b, rival])
                else:
                    sign = from_the_worst(columns[b, new], upto[b, new], columns[b, rival], upto[b, rival])
                if sign >= 0:
                    level = sign == 0
                    break
                at -= 1
            for k in range(new, at, -1):
                order[k] = order[k - 1]
                above[k] = above[k - 1]
            order[at] = new
            above[at] = at > 0 and not level
            if at < new:
                above[at + 1] = True
        place = 0
        for k in range(size):
            if k > 0 and above[k]:
                place += 1
            out[b, order[k]] = place
    return out


@jit
def duel(values: Floats, weights: Floats, one: int, other: int) -> tuple[float, float]:
    """The weight of the voters who give one of two alternatives the higher grade, for each; grades ``[n, m]``."""
    mine = 0.0
    theirs = 0.0
    for v in range(weights.size):
        if values[v, one] > values[v, other]:
            mine += weights[v]
        elif values[v, one] < values[v, other]:
            theirs += weights[v]
    return mine, theirs


@jit
def finalists(total: Floats, near: float, place: NDArray[np.int64], one: int, other: int) -> bool:
    """Whether no third alternative must have a place in the runoff before one of the two."""
    for rival in range(total.size):
        if rival in (one, other):
            continue
        for mate in (one, other):
            ahead = total[rival] - total[mate]
            if abs(ahead) <= near:
                ahead = float(place[mate] - place[rival]) if place.size else 0.0
            if ahead > 0:
                return False
    return True


@jit
def runoffs(values: Floats, weights: Floats, totals: Floats, place: NDArray[np.int64], slack: Floats) -> Floats:
    """Who wins a runoff of the two highest totals ``[b, m]``, 1 or 0, in every way of breaking ties.

    ``place`` is each alternative's place in an order that breaks ties, or empty to follow all ways; totals within
    ``slack[b]`` are level. A tied runoff goes to the higher total.
    """
    batch, size = totals.shape
    out = np.zeros((batch, size))
    even = 1e-9 * weights.sum()
    for b in range(batch):
        if size == 1:
            out[b, 0] = 1.0
            continue
        total = totals[b]
        near = slack[b]
        for one in range(size):
            for other in range(one + 1, size):
                if not finalists(total, near, place, one, other):
                    continue
                mine, theirs = duel(values[b], weights, one, other)
                gap = mine - theirs
                if abs(gap) <= even:
                    gap = total[one] - total[other]
                    if abs(gap) <= near:
                        gap = 0.0
                if gap == 0.0 and place.size:
                    gap = float(place[other] - place[one])
                if gap >= 0:
                    out[b, one] = 1.0
                if gap <= 0:
                    out[b, other] = 1.0
    return out
