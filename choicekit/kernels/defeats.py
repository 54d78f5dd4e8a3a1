"""Defeats locked in from the largest margin to the smallest, in every order of equal margins.

Positive margins are sorted into groups of equal ones, the largest first; ``level[a, b]`` is 0 where a does not beat b
and otherwise the higher the larger the margin, so that group g has level ``groups - g``. What is locked is kept as rows
of bits: bit b of ``reach[a]`` says that a chain of locked defeats leads from a to b. A universe is a way to order each
group; two orders that lock the same defeats are one universe.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import voting
from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

DEAD, WON, FORK, ENDED = 0, 1, 2, 3
# States kept by one search, in 8-byte words: 256 MiB.
MOST = 2**25


@jit
def graded(margin: Floats, least: float) -> tuple[Ints, Ints, Ints, Ints]:
    """Winners and losers of the margins above ``least``, largest first, where the groups start, and the levels.

    Margins no farther than ``least`` below the first of their group are in it; within a group, the earlier winner
    comes first, then the later loser.
    """
    size = len(margin)
    value = np.empty(size * (size - 1) // 2)
    pair = np.empty(len(value), np.int64)
    count = 0
    for a in range(size):
        for b in range(size - 1, -1, -1):
            if margin[a, b] > least:
                value[count] = -margin[a, b]
                pair[count] = a * size + b
                count += 1
    order = np.argsort(value[:count], kind="mergesort")
    start = np.zeros(count + 1, np.int64)
    groups = 0
    for k in range(count):
        if k == 0 or value[order[k]] > value[order[start[groups - 1]]] + least:
            start[groups] = k
            groups += 1
    start[groups] = count
    winner = np.empty(count, np.int64)
    loser = np.empty(count, np.int64)
    level = np.zeros((size, size), np.int64)
    for g in range(groups):
        picked = np.sort(order[start[g] : start[g + 1]])  # back in the order of the pairs
        for k in range(start[g], start[g + 1]):
            here = pair[picked[k - start[g]]]
            winner[k] = here // size
            loser[k] = here % size
            level[winner[k], loser[k]] = groups - g
    return winner, loser, start[: groups + 1], level


@jit
def _has(row: Ints, b: int) -> bool:
    return bool(row[b >> 6] & (np.int64(1) << (b & 63)))


@jit
def _add(row: Ints, b: int) -> None:
    row[b >> 6] |= np.int64(1) << (b & 63)


@jit
def _lock(reach: Ints, x: int, y: int) -> None:
    """Add the defeat of y by x and every chain through it, round a cycle too."""
    size, words = reach.shape
    for u in range(size):
        if (u == x or _has(reach[u], x)) and not _has(reach[u], y):
            for w in range(words):
                reach[u, w] |= reach[y, w]
            _add(reach[u], y)


@jit
def _in_order(winner: Ints, loser: Ints, start: Ints, size: int) -> tuple[Bools, bool]:
    """Ranked pairs in the order of the list: who is undefeated, and whether another order could lock other defeats."""
    reach = np.zeros((size, (size + 63) >> 6), np.int64)
    before = reach.copy()
    beaten = np.zeros(size, np.bool_)
    open_ = False
    for g in range(len(start) - 1):
        if not open_:
            before[:] = reach
        for k in range(start[g], start[g + 1]):
            x, y = winner[k], loser[k]
            if _has(reach[y], x):
                open_ = open_ or not _has(before[y], x)
            else:
                beaten[y] = True
                if not _has(reach[x], y):
                    _lock(reach, x, y)
    return ~beaten, open_


@jit
def _hope(reach: Ints, barred: Ints, inside: Bools, top: int, target: int, level: Ints) -> int:
    """Whether the target has won, is beaten, or may still win in this state; where it may, forget what has no say.

    A threat is an alternative that beats the target and is not yet reached from it. It must be reached by a chain no
    weaker than the threat. Only alternatives on chains from the target to its threats have a say: a chain of defeats
    between two of them runs through others of them alone, and so do the cycles that keep a defeat out.
    """
    size = len(level)
    most = len(level) * len(level)
    width = np.zeros(size, np.int64)
    done = np.zeros(size, np.bool_)
    width[target] = most
    for _ in range(size):
        u = -1
        for v in range(size):
            if inside[v] and not done[v] and width[v] > 0 and (u < 0 or width[v] > width[u]):
                u = v
        if u < 0:
            break
        done[u] = True
        for v in range(size):
            if inside[v] and not done[v]:
                width[v] = max(width[v], min(width[u], _edge(reach, barred, top, level, u, v)))
    lowest = most
    threats = np.zeros(size, np.bool_)
    for b in range(size):
        if _has(reach[b], target):
            return DEAD
        threat = level[b, target]
        if inside[b] and 0 < threat <= top and not _has(reach[target], b):
            if width[b] < threat:
                return DEAD
            threats[b] = True
            lowest = min(lowest, threat)
    if lowest == most:
        return WON
    chains = _spread(reach, inside, top, lowest, level, threats, True)
    threats[:] = False
    threats[target] = True
    chains &= _spread(reach, inside, top, lowest, level, threats, False)
    _keep(reach, barred, inside, chains)
    return FORK


@jit
def _spread(reach: Ints, inside: Bools, top: int, lowest: int, level: Ints, found: Bools, back: bool) -> Bools:
    """Who is on chains of at least the lowest level from those found, or, ``back``, to them, barred defeats included.

    A barred defeat has a say: what keeps it out must be locked.
    """
    size = len(level)
    nothing = np.zeros_like(reach)
    out = found.copy()
    stack = np.empty(size, np.int64)
    depth = 0
    for v in range(size):
        if found[v]:
            stack[depth] = v
            depth += 1
    while depth > 0:
        depth -= 1
        v = stack[depth]
        for u in range(size):
            if inside[u] and not out[u]:
                strength = _edge(reach, nothing, top, level, u, v) if back else _edge(reach, nothing, top, level, v, u)
                if strength >= lowest:
                    out[u] = True
                    stack[depth] = u
                    depth += 1
    return out


@jit
def _edge(reach: Ints, barred: Ints, top: int, level: Ints, u: int, v: int) -> Any:
    """How strong a defeat of v by u is or may become: locked, its level, or 0."""
    if _has(reach[u], v):
        return len(level) * len(level)
    if 0 < level[u, v] <= top and not _has(reach[v], u) and not _has(barred[u], v):
        return level[u, v]
    return 0


@jit
def _keep(reach: Ints, barred: Ints, inside: Bools, kept: Bools) -> None:
    """Forget every alternative that is not kept."""
    mask = np.zeros(reach.shape[1], np.int64)
    for v in range(len(kept)):
        if kept[v]:
            _add(mask, v)
    for v in range(len(kept)):
        if inside[v] and not kept[v]:
            reach[v] = 0
            barred[v] = 0
        elif kept[v]:
            reach[v] &= mask
            barred[v] &= mask
        inside[v] = kept[v]


@jit
def _settle(
    reach: Ints, barred: Ints, inside: Bools, at: int, target: int, winner: Ints, loser: Ints, start: Ints, level: Ints
) -> tuple[int, int, int]:
    """Lock all that is locked in every order from group ``at`` on, until the target's fate is known or orders part.

    ``barred`` are defeats of the group that must stay out. Gives the verdict, the group, and the pair to fork at:
    a defeat on a cycle of what is locked and what is left of the group, leading on from the target where one does.
    """
    groups = len(start) - 1
    together = np.empty_like(reach)
    pending = np.empty(len(winner), np.int64)
    for v in range(len(inside)):
        if _has(reach[v], target):
            return DEAD, at, 0
    while at < groups:
        count = _gather(reach, barred, inside, start[at], start[at + 1], winner, loser, together, pending)
        for k in range(start[at], start[at + 1]):
            if _has(barred[winner[k]], loser[k]) and not _has(together[loser[k]], winner[k]):
                return DEAD, at, 0  # nothing is left that could keep it out
        chosen = -1
        for i in range(count):
            x, y = winner[pending[i]], loser[pending[i]]
            if _has(together[y], x):
                if chosen < 0 or ((x == target or _has(reach[target], x)) and not _has(reach[target], y)):
                    chosen = pending[i]
            elif y == target:
                return DEAD, at, 0
        if chosen < 0:  # no cycle
            reach[:] = together
            barred[:] = 0
            at += 1
            continue
        sure = False
        for i in range(count):
            x, y = winner[pending[i]], loser[pending[i]]
            if not _has(together[y], x):
                _lock(reach, x, y)
                sure = True
        if not sure:
            before = inside.sum()
            verdict = _hope(reach, barred, inside, groups - at, target, level)
            if verdict != FORK:
                return verdict, at, 0
            if inside.sum() == before:
                return FORK, at, chosen
    return WON, at, 0


@jit
def _gather(
    reach: Ints,
    barred: Ints,
    inside: Bools,
    first: int,
    last: int,
    winner: Ints,
    loser: Ints,
    together: Ints,
    out: Ints,
) -> int:
    """What of a group can still be locked, into ``out``; all chains of what is locked and that, into ``together``."""
    together[:] = reach
    count = 0
    for k in range(first, last):
        x, y = winner[k], loser[k]
        if inside[x] and inside[y] and not (_has(reach[x], y) or _has(reach[y], x) or _has(barred[x], y)):
            _lock(together, x, y)
            out[count] = k
            count += 1
    return count


@jit
def _hash(state: Ints) -> Any:
    mixed = np.int64(0)
    for word in state:
        mixed = (mixed ^ word) * np.int64(1099511628211)
        mixed ^= mixed >> 29
    return mixed


@jit
def remember(seen: Ints, chain: Ints, first: Any, count: int, state: Ints) -> tuple[Ints, Ints, int]:
    """Put a state among those seen, unless it is there; the store, which may have grown, and how many it holds."""
    key = _hash(state)
    last = first[key] if key in first else np.int64(-1)
    other = last
    while other >= 0:
        if (seen[other] == state).all():
            return seen, chain, count
        other = chain[other]
    if count == len(seen):
        seen = np.concatenate((seen, np.empty_like(seen)))
        chain = np.concatenate((chain, np.empty_like(chain)))
    seen[count] = state
    chain[count] = last
    first[key] = np.int64(count)
    return seen, chain, count + 1


@jit
def _wins_somewhere(target: int, winner: Ints, loser: Ints, start: Ints, level: Ints, budget: int) -> tuple[int, int]:
    """Whether the target wins by ranked pairs in some universe, and how many states the search has visited."""
    size = len(level)
    words = (size + 63) >> 6
    reach = np.zeros((size, words), np.int64)
    barred = np.zeros((size, words), np.int64)
    inside = np.ones(size, np.bool_)
    verdict, at, edge = _settle(reach, barred, inside, 0, target, winner, loser, start, level)
    if verdict != FORK:
        return verdict, 1
    half = size * words
    state = np.empty(2 + size + 2 * half, np.int64)
    seen = np.empty((16, len(state)), np.int64)
    chain = np.empty(16, np.int64)
    first = {np.int64(0): np.int64(-1)}
    stack = [0]
    _pack(state, reach, barred, inside, at, edge)
    seen, chain, count = remember(seen, chain, first, 0, state)
    visited = 1
    while len(stack) > 0:
        here = stack.pop()
        for locks in range(2):  # the branch that locks the defeat is put on top
            if visited >= budget or count * len(state) > MOST:
                return ENDED, visited
            visited += 1
            at, edge = seen[here, 0], seen[here, 1]
            inside[:] = seen[here, 2 : 2 + size] != 0
            reach[:] = seen[here, 2 + size : 2 + size + half].reshape(size, words)
            barred[:] = seen[here, 2 + size + half :].reshape(size, words)
            if locks == 1:
                _lock(reach, winner[edge], loser[edge])
            else:
                _add(barred[winner[edge]], loser[edge])
            verdict, at, edge = _settle(reach, barred, inside, at, target, winner, loser, start, level)
            if verdict == WON:
                return WON, visited
            if verdict == FORK:
                _pack(state, reach, barred, inside, at, edge)
                seen, chain, now = remember(seen, chain, first, count, state)
                if now > count:
                    stack.append(count)
                count = now
    return DEAD, visited


@jit
def _pack(state: Ints, reach: Ints, barred: Ints, inside: Bools, at: int, edge: int) -> None:
    size, half = len(inside), reach.size
    state[0] = at
    state[1] = edge
    state[2 : 2 + size] = inside
    state[2 + size : 2 + size + half] = reach.ravel()
    state[2 + size + half :] = barred.ravel()


@jit
def undefeated(level: Ints) -> Bools:
    """Who wins by split cycle, as whoever wins by ranked pairs or river in any universe does."""
    strength = voting.strongest_paths(level.astype(np.float64).reshape(1, *level.shape))[0]
    free = np.ones(len(level), np.bool_)
    for a in range(len(level)):
        for b in range(len(level)):
            if level[b, a] > strength[a, b]:
                free[a] = False
    return free


@jit
def beats_all(margin: Floats, least: float) -> int:
    """The alternative whose margin over every other is above ``least``, or -1."""
    best = 0
    for a in range(1, len(margin)):  # whoever fails to beat a later one is out, as are those it beat
        if margin[best, a] <= least:
            best = a
    for a in range(len(margin)):
        if a != best and margin[best, a] <= least:
            return -1
    return best


@jit
def in_order(margins: Floats, least: Floats) -> tuple[Bools, Bools]:
    """Who is undefeated where equal margins are taken in the order of the alternatives, and whether others may be."""
    batch, size, _ = margins.shape
    won = np.zeros((batch, size), np.bool_)
    parted = np.zeros(batch, np.bool_)
    for b in range(batch):
        best = beats_all(margins[b], least[b])
        if best >= 0:
            won[b, best] = True
            continue
        winner, loser, start, _ = graded(margins[b], least[b])
        won[b], parted[b] = _in_order(winner, loser, start, size)
    return won, parted


@jit
def elsewhere(margin: Floats, least: float, won: Bools, budget: int) -> tuple[Bools, int, bool]:
    """Who wins in one profile's universes, if these win in one; how many states were visited, whether they were all."""
    winner, loser, start, level = graded(margin, least)
    out = won.copy()
    complete = True
    visited = 1
    free = undefeated(level)
    for target in range(len(won)):
        if free[target] and not out[target]:
            verdict, used = _wins_somewhere(target, winner, loser, start, level, budget - visited)
            visited += used
            out[target] = verdict == WON
            complete = complete and verdict != ENDED
    return out, visited, complete
