"""Loops over the majority relation of margins ``[b, m, m]``: dominant sets, covering, chains.

a beats b where the margin of a over b is more than ``tolerance`` times the largest margin. Sets of alternatives are
rows of 64-bit words, as many as are needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Words = NDArray[np.uint64]

_ONE = np.uint64(1)


@jit
def relation(margin: Floats, tolerance: float) -> NDArray[np.bool_]:
    """``[a, b]``: whether a beats b."""
    size = len(margin)
    largest = 0.0
    for a in range(size):
        for b in range(size):
            largest = max(largest, margin[a, b])
    beats = np.zeros((size, size), np.bool_)
    for a in range(size):
        for b in range(size):
            beats[a, b] = margin[a, b] > tolerance * largest
    return beats


@jit
def reached(start: int, edges: NDArray[np.bool_], marked: NDArray[np.bool_], queue: NDArray[np.int64]) -> int:
    """Mark what can be reached along edges from a start, if that is not marked yet; how many were newly marked."""
    if marked[start]:
        return 0
    marked[start] = True
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        row = edges[queue[head]]
        head += 1
        for other in range(len(row)):
            if row[other] and not marked[other]:
                marked[other] = True
                queue[tail] = other
                tail += 1
    return tail


@jit
def smith(margin: Floats, tolerance: float) -> Floats:
    """1 for members of the smallest non-empty set whose members beat all others, ``[b, m]``.

    An alternative of the highest Copeland score is in it, and so is all that something in it does not beat.
    """
    batch, size, _ = margin.shape
    out = np.zeros((batch, size))
    queue = np.zeros(size, np.int64)
    unbeaten = np.zeros((size, size), np.bool_)
    for b in range(batch):
        beats = relation(margin[b], tolerance)
        start, best = 0, -size
        for x in range(size):
            score = 0
            for y in range(size):
                score += int(beats[x, y]) - int(beats[y, x])
                unbeaten[x, y] = not beats[x, y]
            if score > best:
                start, best = x, score
        marked = np.zeros(size, np.bool_)
        reached(start, unbeaten, marked, queue)
        for x in range(size):
            out[b, x] = 1.0 if marked[x] else 0.0
    return out


@jit
def schwartz(margin: Floats, tolerance: float) -> Floats:
    """1 for members of a minimal set that no outsider beats a member of, ``[b, m]``.

    Those sets are the strongly connected components that no other reaches. Searches from every alternative not yet
    found start in each of them at least once; searches again from those starts, the last first, start in each of them
    exactly once and nowhere else; what reaches such a start is its component.
    """
    batch, size, _ = margin.shape
    out = np.zeros((batch, size))
    queue = np.zeros(size, np.int64)
    starts = np.zeros(size, np.int64)
    for b in range(batch):
        beats = relation(margin[b], tolerance)
        beaten = beats.T.copy()
        marked = np.zeros(size, np.bool_)
        count = 0
        for x in range(size):
            if reached(x, beats, marked, queue):
                starts[count] = x
                count += 1
        marked[:] = False
        members = np.zeros(size, np.bool_)
        for i in range(count - 1, -1, -1):
            if reached(starts[i], beats, marked, queue):
                reached(starts[i], beaten, members, queue)
        for x in range(size):
            out[b, x] = 1.0 if members[x] else 0.0
    return out


@jit
def packed(beats: NDArray[np.bool_]) -> Words:
    """The rows of a relation as sets, ``[m, words]``."""
    size = len(beats)
    out = np.zeros((size, (size + 63) // 64), np.uint64)
    for a in range(size):
        for b in range(size):
            if beats[a, b]:
                out[a, b >> 6] |= _ONE << np.uint64(b & 63)
    return out


@jit
def within(some: Words, others: Words) -> bool:
    """Whether one set is part of another."""
    outside = 0
    for word in range(len(some)):
        outside += int((some[word] & ~others[word]) != 0)
    return outside == 0


@jit
def uncovered(margin: Floats, tolerance: float, covering: int) -> Floats:
    """1 for what nothing covers, ``[b, m]``; a covers b where it beats b and (0) what beats a beats b, (1) what b beats
    a beats, (2) both; or (3), whether it beats b or not, what beats a beats b and something more beats b."""
    batch, size, _ = margin.shape
    out = np.ones((batch, size))
    for p in range(batch):
        relates = relation(margin[p], tolerance)
        above = packed(relates.T.copy())
        below = packed(relates)
        for b in range(size):
            for a in range(size):
                if covering == 3:
                    covers = a != b and within(above[a], above[b]) and not within(above[b], above[a])
                else:
                    covers = relates[a, b]
                    if covering != 1:
                        covers = covers and within(above[a], above[b])
                    if covering != 0:
                        covers = covers and within(below[b], below[a])
                if covers:
                    out[p, b] = 0.0
                    break
    return out


@jit
def ones(words: Words) -> int:
    """How many members a set has."""
    count = 0
    for word in words:
        while word:
            word &= word - _ONE
            count += 1
    return count


@jit
def has(words: Words, member: int) -> bool:
    """Whether a set has a member."""
    return bool((words[member >> 6] >> np.uint64(member & 63)) & _ONE)


@jit
def banks(margin: Floats, tolerance: float, budget: int) -> NDArray[np.int8]:
    """1 for the top of a chain that none can be put on top of, 0 for others, −1 where the budget left it open.

    ``budget`` is how many chains are looked at in a profile, beyond one for each alternative.
    """
    batch, size, _ = margin.shape
    out = np.zeros((batch, size), np.int8)
    for p in range(batch):
        beats = relation(margin[p], tolerance)
        below = packed(beats)
        above = packed(beats.T.copy())
        for x in range(size):
            out[p, climb(x, above)] = 1
        left = budget
        for x in range(size):
            if out[p, x] == 0:
                out[p, x], spent = tops_a_chain(x, below, above, left + 1)
                left = max(0, left + 1 - spent)
    return out


@jit
def climb(start: int, above: Words) -> int:
    """The top of a chain over a start: as long as something beats all of the chain, put it on top."""
    size = len(above)
    top = start
    over = above[start].copy()
    x = 0
    while x < size:
        if has(over, x):
            top = x
            meet(over, above[x], over)
            x = -1
        x += 1
    return top


@jit
def meet(some: Words, others: Words, out: Words) -> None:
    """Into ``out`` what two sets share."""
    for word in range(len(out)):
        out[word] = some[word] & others[word]


@jit
def tops_a_chain(top: int, below: Words, above: Words, budget: int) -> tuple[int, int]:
    """Whether a chain of what ``top`` beats exists such that nothing beats ``top`` and all of it: 1, 0 or, where the
    budget ended the search, −1; and how many chains were looked at.

    At each depth one alternative joins the chain, out of those that stop one of the alternatives which still beat all
    of it; of those the one that leaves the fewest such comes first. What was tried at a depth is not tried there again.
    """
    size, words = below.shape
    free = np.zeros((size + 1, words), np.uint64)  # what may join: comparable to all of the chain, at one place in it
    rivals = np.zeros((size + 1, words), np.uint64)  # what beats all of the chain
    chain = np.zeros((size + 1, words), np.uint64)
    todo = np.zeros((size + 1, words), np.uint64)
    left = np.zeros(words, np.uint64)
    meet(below[top], below[top], free[0])
    meet(above[top], above[top], rivals[0])
    if ones(rivals[0]) == 0:
        return 1, 1
    stoppers(free[0], rivals[0], below, todo[0])
    looked, depth = 1, 0
    while depth >= 0:
        joining, fewest = -1, size + 1
        for x in range(size):
            if has(todo[depth], x):
                meet(rivals[depth], above[x], left)
                remain = ones(left)
                if remain < fewest:
                    joining, fewest = x, remain
        if joining < 0:
            depth -= 1
            continue
        if looked >= budget:
            return -1, looked
        looked += 1
        if fewest == 0:
            return 1, looked
        bit = _ONE << np.uint64(joining & 63)
        todo[depth, joining >> 6] &= ~bit
        free[depth, joining >> 6] &= ~bit
        depth += 1
        meet(rivals[depth - 1], above[joining], rivals[depth])
        fitting(joining, free[depth - 1], chain[depth - 1], below, above, free[depth])
        meet(chain[depth - 1], chain[depth - 1], chain[depth])
        chain[depth, joining >> 6] |= bit
        stoppers(free[depth], rivals[depth], below, todo[depth])
    return 0, looked


@jit
def fitting(joining: int, free: Words, chain: Words, below: Words, above: Words, out: Words) -> None:
    """Into ``out`` what fitted into a chain and still does when one more joins: over it and over all under it, or under
    it and under all over it."""
    for word in range(len(out)):
        higher = free[word] & above[joining, word]
        lower = free[word] & below[joining, word]
        for x in range(len(below)):
            if has(chain, x):
                if has(below[joining], x):
                    higher &= above[x, word]
                else:
                    lower &= below[x, word]
        out[word] = higher | lower


@jit
def stoppers(free: Words, rivals: Words, below: Words, out: Words) -> None:
    """Into ``out`` the free alternatives that are not beaten by one rival, namely the one that beats most of them."""
    fewest, worst = len(below) + 1, 0
    for x in range(len(below)):
        if has(rivals, x):
            count = 0
            for word in range(len(free)):
                some = free[word] & ~below[x, word]
                while some:
                    some &= some - _ONE
                    count += 1
            if count < fewest:
                fewest, worst = count, x
    for word in range(len(free)):
        out[word] = free[word] & ~below[worst, word]
