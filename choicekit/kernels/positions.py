"""Ballots put in order, and the weight with which an alternative stands at each place of them.

An ordered ballot is a row ``order[m]`` of all alternatives, first those it ranks, best first, then the unranked;
``level[m]`` is 1 where an alternative is level with the one before it, ``length`` how many are ranked.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Ranks = NDArray[Any]
Order = NDArray[np.int32]
Marks = NDArray[np.uint8]
Counts = NDArray[np.int64]

#: What alternatives level on a ballot get of the places they take together: the mean, the first or the last of them.
AVERAGED, OPTIMISTIC, PESSIMISTIC = 0, 1, 2
#: Where places are counted from.
TOP, BOTTOM = 0, 1


@jit
def settled(row: Ranks, order: Order, level: Marks) -> bool:
    """Put a ballot in order that ranks all alternatives from 0 to m − 1 without ties; whether it does."""
    seen = 0
    for a in range(row.size):
        rank = int(row[a])
        if rank < 0 or rank >= row.size:
            return False
        seen |= 1 << rank
        order[rank] = a
        level[a] = 0
    return seen == (1 << row.size) - 1


@jit
def arrange(row: Ranks, heads: Counts, order: Order, level: Marks) -> int:
    """Put one ballot in order; ``heads[m + 1]`` is room to count in. How many alternatives are ranked.

    Ranks below m are counted into place, others inserted.
    """
    size = row.size
    if size < 63 and settled(row, order, level):
        return size
    highest = -1
    length = 0
    for a in range(size):
        length += row[a] >= 0
        highest = max(highest, int(row[a]))
    last = length
    if highest < size:
        for k in range(size + 1):
            heads[k] = 0
        for a in range(size):
            if row[a] >= 0:
                heads[row[a] + 1] += 1
        for k in range(1, size + 1):
            heads[k] += heads[k - 1]
        for a in range(size):
            if row[a] >= 0:
                order[heads[row[a]]] = a
                heads[row[a]] += 1
            else:
                order[last] = a
                last += 1
    else:
        ranked = 0
        for a in range(size):
            if row[a] < 0:
                order[last] = a
                last += 1
                continue
            k = ranked
            while k > 0 and row[order[k - 1]] > row[a]:
                order[k] = order[k - 1]
                k -= 1
            order[k] = a
            ranked += 1
    for k in range(size):
        level[k] = k > 0 and row[order[k]] == row[order[k - 1]]
    return length


@jit
def arranged(ranks: Ranks, order: Order, level: Marks, length: Counts) -> None:
    """Put the ballots ``ranks[n, m]`` in order, into arrays made for them."""
    heads = np.zeros(ranks.shape[1] + 1, np.int64)
    for v in range(ranks.shape[0]):
        length[v] = arrange(ranks[v], heads, order[v], level[v])


@jit
def places(ranks: Ranks, weights: Floats, tied: int, absent: bool, start: int) -> Floats:
    """The weight of the ballots ``ranks[b, n, m]`` that have an alternative at each place, ``[b, alternative, place]``.

    Alternatives level on a ballot take the places p … q together: each stands at every one of them with an equal
    share, or, ``OPTIMISTIC``, at p, or, ``PESSIMISTIC``, at q. The unranked are level after the last, or ``absent``.
    From the ``BOTTOM``, the last place (of those taken) has the number 0.
    """
    batch, voters, size = ranks.shape
    out = np.zeros((batch, size, size))
    heads = np.zeros(size + 1, np.int64)
    order = np.zeros(size, np.int32)
    level = np.zeros(size, np.uint8)
    for b in range(batch):
        for v in range(voters):
            weight = weights[v]
            length = arrange(ranks[b, v], heads, order, level)
            end = length if absent else size
            p = 0
            while p < end:
                q = p
                while q + 1 < end and level[q + 1]:
                    q += 1
                low, high = p, q
                if tied == OPTIMISTIC:
                    high = p
                elif tied == PESSIMISTIC:
                    low = q
                share = weight / (high - low + 1)
                for i in range(p, q + 1):
                    for k in range(low, high + 1):
                        out[b, order[i], k if start == TOP else end - 1 - k] += share
                p = q + 1
    return out


@jit
def weighed(place: Floats, points: Floats) -> Floats:
    """Points for places added up, ``[b, m]``, always in the same order."""
    batch, size, _ = place.shape
    out = np.zeros((batch, size))
    for b in range(batch):
        for a in range(size):
            for k in range(size):
                out[b, a] += place[b, a, k] * points[k]
    return out
