"""One round of a runoff: first and last places among those left, their margins, who beats whom.

Ballots are ordered as :mod:`choicekit.kernels.positions` says; ``left[m]`` marks the alternatives that remain, and
``margin[m, m]`` are majority margins in which what counts as a tie is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Order = NDArray[np.int32]
Marks = NDArray[np.uint8]
Counts = NDArray[np.int64]

CLOSE = 1e-9


@jit
def among(left: Marks) -> int:
    """How many are marked."""
    number = 0
    for a in range(left.size):
        number += left[a]
    return number


@jit
def first_places(
    order: Order, level: Marks, length: Counts, weights: Floats, left: Marks, whole: bool, scores: Floats
) -> tuple[float, bool]:
    """Write the weight of the ballots that have an alternative first among those left into ``scores``.

    The weight of the ballots that rank any, and whether one of them tells those left apart.
    """
    for a in range(left.size):
        scores[a] = 0.0
    total = 0.0
    apart = False
    number = among(left)
    for v in range(length.size):
        weight = weights[v]
        end = length[v]
        k = 0
        while k < end and not left[order[v, k]]:
            k += 1
        if k == end or weight == 0.0:
            continue
        total += weight
        if k + 1 == end or not level[v, k + 1]:
            scores[order[v, k]] += weight
            apart = apart or number > 1
            continue
        same = 1
        last = k + 1
        while last < end and level[v, last]:
            same += left[order[v, last]]
            last += 1
        share = weight if whole else weight / same
        for i in range(k, last):
            if left[order[v, i]]:
                scores[order[v, i]] += share
        apart = apart or same < number
    return total, apart


@jit
def last_places(
    order: Order, level: Marks, length: Counts, weights: Floats, left: Marks, absent: bool, scores: Floats
) -> bool:
    """Write minus the weight of the ballots with an alternative last among those left, shared, into ``scores``.

    A ballot on which all those left are level has no last. Whether any ballot has one.
    """
    for a in range(left.size):
        scores[a] = 0.0
    apart = False
    for v in range(length.size):
        low = length[v] if absent else left.size
        k = low - 1
        while k >= 0 and not left[order[v, k]]:
            k -= 1
        if k <= 0 or weights[v] == 0.0:
            continue
        first = k
        same = 1
        while level[v, first]:
            first -= 1
            same += left[order[v, first]]
        above = first - 1
        while above >= 0 and not left[order[v, above]]:
            above -= 1
        if above < 0:
            continue
        apart = True
        for i in range(first, k + 1):
            if left[order[v, i]]:
                scores[order[v, i]] -= weights[v] / same
    return apart


@jit
def sums(margin: Floats, left: Marks, scores: Floats) -> bool:
    """Write the sum of an alternative's margins over those left into ``scores``; whether any margin is not 0."""
    apart = False
    for a in range(left.size):
        scores[a] = 0.0
        for b in range(left.size):
            if left[a] and left[b]:
                scores[a] += margin[a, b]
                apart = apart or margin[a, b] != 0.0
    return apart


@jit
def smith(margin: Floats, left: Marks) -> Marks:
    """The smallest set of those left that beat all others left: from the one that beats most, those not beaten."""
    size = left.size
    inside = np.zeros(size, np.uint8)
    queue = np.zeros(size, np.int64)
    most = -1
    for a in range(size):
        if left[a]:
            wins = 0
            for b in range(size):
                wins += left[b] and margin[a, b] > 0.0
            if wins > most:
                most = wins
                queue[0] = a
    inside[queue[0]] = 1
    filled, read = 1, 0
    while read < filled:
        a = queue[read]
        read += 1
        for b in range(size):
            if left[b] and not inside[b] and margin[a, b] <= 0.0:
                inside[b] = 1
                queue[filled] = b
                filled += 1
    return inside


@jit
def schwartz(margin: Floats, left: Marks) -> Marks:
    """Those left that have a chain of wins to every one that has a chain of wins to them."""
    size = left.size
    chain = np.zeros((size, size), np.uint8)
    for i in range(size):
        for j in range(size):
            chain[i, j] = margin[i, j] > 0.0
    for k in range(size):
        if left[k]:
            for i in range(size):
                if left[i] and chain[i, k]:
                    for j in range(size):
                        if left[j] and chain[k, j]:
                            chain[i, j] = 1
    inside = np.zeros(size, np.uint8)
    for a in range(size):
        inside[a] = left[a]
    for a in range(size):
        for b in range(size):
            if left[a] and left[b] and chain[b, a] and not chain[a, b]:
                inside[a] = 0
    return inside


@jit
def top_two(first: Floats, margin: Floats, place: Counts) -> tuple[Floats, Counts, Counts]:
    """Who wins a runoff of the two with the most first places ``[b, m]``; how many pairs may run ``[b]``; one of them.

    ``place[m]`` breaks ties, the alternative with the lowest number being preferred; empty, every pair runs.
    """
    batch, size = first.shape
    won = np.zeros((batch, size))
    ran, pair = np.zeros(batch, np.int64), np.zeros((batch, 2), np.int64)
    for b in range(batch):
        close = 0.0
        for a in range(size):
            close = max(close, CLOSE * first[b, a])
        for i in range(size):
            for j in range(i):
                less = min(first[b, i], first[b, j])
                for c in range(size):
                    if c in (i, j):
                        continue
                    if first[b, c] > less + close:
                        break
                    if place.size > 0 and first[b, c] >= less - close:
                        # c is level with the weaker of the two, or with both, and must come after in the order
                        if first[b, i] <= first[b, c] + close and place[c] < place[i]:
                            break
                        if first[b, j] <= first[b, c] + close and place[c] < place[j]:
                            break
                else:
                    ran[b] += 1
                    pair[b, 0], pair[b, 1] = j, i
                    ahead = margin[b, i, j] > 0.0
                    behind = margin[b, i, j] < 0.0
                    if not ahead and not behind and place.size > 0:
                        ahead = place[i] < place[j]
                        behind = not ahead
                    won[b, i] = max(won[b, i], 0.0 if behind else 1.0)
                    won[b, j] = max(won[b, j], 0.0 if ahead else 1.0)
        if size == 1:
            won[b, 0] = 1.0
    return won, ran, pair
