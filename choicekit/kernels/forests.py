"""River: defeats locked in from the largest margin to the smallest, at most one against each alternative.

What is locked is a forest; all that later defeats need to know of it is ``root[a]``, the alternative at the top of the
tree that a is in. A defeat of y by x can be locked while y is a root and x is in another tree.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.defeats import DEAD, ENDED, FORK, MOST, WON, beats_all, graded, remember, undefeated

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@jit
def _join(root: Ints, top: int, y: int) -> None:
    """Put the tree of the root y under another root."""
    for z in range(len(root)):
        if root[z] == y:
            root[z] = top


@jit
def _in_order(winner: Ints, loser: Ints, start: Ints, size: int) -> tuple[Bools, bool]:
    """River in the order of the list: who is undefeated, and whether another order could make other trees."""
    root = np.arange(size)
    before = root.copy()
    joined = np.empty(size, np.int64)
    parted = False
    for g in range(len(start) - 1):
        before[:] = root
        for k in range(start[g], start[g + 1]):
            x, y = winner[k], loser[k]
            if root[y] == y and root[x] != y:
                _join(root, root[x], y)
                joined[y] = before[x]
            elif before[y] == y and before[x] != y:
                # it could have been locked first: of no account only if y went under the same tree
                parted = parted or root[y] == y or joined[y] != before[x]
    return root == np.arange(size), parted


@jit
def _hope(root: Ints, stays: Bools, top: int, target: int, level: Ints) -> int:
    """Whether the target has won, is beaten, or may still win: a chain no weaker than each threat must lead to it."""
    size = len(level)
    if root[target] != target:
        return DEAD
    most = size * size
    width = np.zeros(size, np.int64)
    done = np.zeros(size, np.bool_)
    for v in range(size):
        if root[v] == target:
            width[v] = most
    for _ in range(size):
        u = -1
        for v in range(size):
            if not done[v] and width[v] > 0 and (u < 0 or width[v] > width[u]):
                u = v
        if u < 0:
            break
        done[u] = True
        for y in range(size):
            if root[y] == y and root[u] != y and 0 < level[u, y] <= top and not (stays[y] and level[u, y] == top):
                through = min(width[u], level[u, y])
                if through > width[y]:
                    for z in range(size):
                        if root[z] == y:
                            width[z] = max(width[z], through)
    open_ = False
    for b in range(size):
        if 0 < level[b, target] <= top and root[b] != target:
            open_ = True
            if width[b] < level[b, target]:
                return DEAD
    return FORK if open_ else WON


@jit
def _extend(root: Ints, stays: Bools, at: int, target: int, winner: Ints, loser: Ints, start: Ints) -> bool:
    """Let the target's tree grow first: whatever else the group locks, no universe gives it more. False if it loses."""
    grown = True
    while grown:
        grown = False
        for k in range(start[at], start[at + 1]):
            y = loser[k]
            if y != target and root[winner[k]] == target and root[y] == y:
                if stays[y]:
                    return False
                _join(root, target, y)
                grown = True
    spared = True
    for k in range(start[at], start[at + 1]):
        spared = spared and (loser[k] != target or root[winner[k]] == target)
    return spared


@jit
def _may_stay(y: int, root: Ints, stays: Bools, first: int, last: int, winner: Ints, loser: Ints) -> bool:
    """Whether the group could put every tree that leads to y under y itself."""
    found = np.zeros(len(root), np.bool_)
    found[y] = True
    grown = True
    while grown:
        grown = False
        for k in range(first, last):
            z = loser[k]
            if root[z] == z and not stays[z] and found[root[winner[k]]] and not found[z]:
                found[z] = True
                grown = True
    may = True
    for k in range(first, last):
        may = may and (loser[k] != y or found[root[winner[k]]])
    return may


@jit
def _settle(
    root: Ints, stays: Bools, at: int, target: int, winner: Ints, loser: Ints, start: Ints, level: Ints
) -> tuple[int, int, int]:
    """Lock all that is locked in every order from group ``at`` on, until the target's fate is known or orders part.

    ``stays`` are roots that shall outlast the group. Gives the verdict, the group and the root to fork at, which could
    go under several trees or stay.
    """
    groups = len(start) - 1
    while at < groups:
        first, last = start[at], start[at + 1]
        if not _extend(root, stays, at, target, winner, loser, start):
            return DEAD, at, 0
        chosen, sure, kept_out = -1, False, True
        for k in range(first, last):
            x, y = winner[k], loser[k]
            if root[y] != y or root[x] == y:
                continue
            if stays[y]:
                kept_out = False
                if not _may_stay(y, root, stays, first, last, winner, loser):
                    return DEAD, at, 0
                continue
            alone = True
            for other in range(first, last):
                if loser[other] == y and root[winner[other]] != y and root[winner[other]] != root[x]:
                    alone = False
            if alone and not _may_stay(y, root, stays, first, last, winner, loser):
                _join(root, root[x], y)
                sure = True
            elif chosen < 0:
                chosen = y
        if sure:
            continue
        if chosen >= 0:
            return _hope(root, stays, groups - at, target, level), at, chosen
        if not kept_out:
            return DEAD, at, 0
        stays[:] = False
        at += 1
    return WON, at, 0


@jit
def _wins_somewhere(target: int, winner: Ints, loser: Ints, start: Ints, level: Ints, budget: int) -> tuple[int, int]:
    """Whether the target wins by river in some universe, and how many states the search has visited."""
    size = len(level)
    root = np.arange(size)
    stays = np.zeros(size, np.bool_)
    verdict, at, y = _settle(root, stays, 0, target, winner, loser, start, level)
    if verdict != FORK:
        return verdict, 1
    state = np.empty(2 + 2 * size, np.int64)
    seen = np.empty((16, len(state)), np.int64)
    chain = np.empty(16, np.int64)
    first = {np.int64(0): np.int64(-1)}
    stack = [0]
    _pack(state, root, stays, at, y)
    seen, chain, count = remember(seen, chain, first, 0, state)
    visited = 1
    tried = np.empty(size, np.bool_)
    while len(stack) > 0:
        here = stack.pop()
        tried[:] = False
        group, fork = seen[here, 0], seen[here, 1]
        for k in range(start[group] - 1, start[group + 1]):  # before the first, the root stays
            if k >= start[group] and (loser[k] != fork or tried[seen[here, 2 + winner[k]]]):
                continue
            if visited >= budget or count * len(state) > MOST:
                return ENDED, visited
            visited += 1
            root[:] = seen[here, 2 : 2 + size]
            stays[:] = seen[here, 2 + size :] != 0
            if k < start[group]:
                stays[fork] = True
                tried[fork] = True
            else:
                tried[root[winner[k]]] = True
                _join(root, root[winner[k]], fork)
            verdict, at, y = _settle(root, stays, group, target, winner, loser, start, level)
            if verdict == WON:
                return WON, visited
            if verdict == FORK:
                _pack(state, root, stays, at, y)
                seen, chain, now = remember(seen, chain, first, count, state)
                if now > count:
                    stack.append(count)
                count = now
    return DEAD, visited


@jit
def _pack(state: Ints, root: Ints, stays: Bools, at: int, y: int) -> None:
    size = len(root)
    state[0] = at
    state[1] = y
    state[2 : 2 + size] = root
    state[2 + size :] = stays


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
