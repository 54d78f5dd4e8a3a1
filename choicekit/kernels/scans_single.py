"""Loops over all anonymous profiles of ``voters`` strict rankings, in the order of the multisets of K = m! ballots.

Winners are bits: ``table[place]`` has bit a set where alternative a wins there. At most 255 voters. Only the profiles
that ``only`` has are looked at; the answer has a row for each of them, in their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.multisets import binomials, moved, onward, steps, unrank

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Masks = NDArray[np.uint16]


# --- What a profile says by itself ----------------------------------------------------------------------------------


@jit
def named(places: Ints, voters: int, size: int, least: int, only: Bools) -> NDArray[np.int8]:
    """The alternative that at least so many voters name, more than half, where ballot k names ``places[k]``; or −1."""
    kinds = places.size
    table = binomials(voters, kinds)
    counts, votes = unrank(0, kinds, voters, table), np.zeros(size, np.int64)
    out, place = np.full(only.sum(), -1, np.int8), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        votes[:] = 0
        for k in range(kinds):
            votes[places[k]] += counts[k]
        for a in range(size):
            if votes[a] >= least:
                out[row] = a
    return out


@jit
def dominated(below: Ints, voters: int, only: Bools) -> Masks:
    """The alternatives that all voters rank below some other; ``below[k, a]`` are those below a on ballot k."""
    kinds, size = below.shape
    table = binomials(voters, kinds)
    counts = unrank(0, kinds, voters, table)
    out, place = np.zeros(only.sum(), np.uint16), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        found = 0
        for a in range(size):
            under = (1 << size) - 1
            for k in range(kinds):
                if counts[k]:
                    under &= below[k, a]
            found |= under
        out[row] = found
    return out


@jit
def solid(heads: Ints, voters: int, only: Bools) -> Masks:
    """The smallest set that more than half of the voters rank above all others; ``heads[k, s]``: the first s + 1."""
    kinds, size = heads.shape
    table = binomials(voters, kinds)
    counts, votes = unrank(0, kinds, voters, table), np.zeros(1 << size, np.int64)
    out, place = np.full(only.sum(), (1 << size) - 1, np.uint16), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        votes[:] = 0
        for k in range(kinds):
            for s in range(size - 1):
                votes[heads[k, s]] += counts[k]
        for held in range(1 << size):
            if 2 * votes[held] > voters and held & out[row] == held:
                out[row] = held
    return out


@jit
def defeats(below: Ints, voters: int, only: Bools) -> Masks:
    """``[place, a]``: the alternatives that a beats, ranked below a by more than half of the voters."""
    kinds, size = below.shape
    table = binomials(voters, kinds)
    counts, wins = unrank(0, kinds, voters, table), np.zeros((size, size), np.int64)
    out, place = np.zeros((only.sum(), size), np.uint16), -1
    for row in range(len(out)):
        place = onward(counts, place, only)
        wins[:] = 0
        for k in range(kinds):
            if counts[k]:
                for a in range(size):
                    for b in range(size):
                        wins[a, b] += counts[k] * ((below[k, a] >> b) & 1)
        for a in range(size):
            for b in range(size):
                if 2 * wins[a, b] > voters:
                    out[row, a] |= 1 << b
    return out


@jit
def closed(edges: Ints) -> None:
    """Add to the alternatives ``edges[a]`` those that can be reached from a by a path."""
    for via in range(edges.size):
        for a in range(edges.size):
            if (edges[a] >> via) & 1:
                edges[a] |= edges[via]


@jit
def smith(beats: Masks) -> Masks:
    """The smallest set whose members beat all others: what reaches everything by not being beaten."""
    total, size = beats.shape
    out = np.zeros(total, np.uint16)
    edges, full = np.zeros(size, np.int64), (1 << size) - 1
    for place in range(total):
        for a in range(size):
            edges[a] = 1 << a
            for b in range(size):
                if not (beats[place, b] >> a) & 1:
                    edges[a] |= 1 << b
        closed(edges)
        for a in range(size):
            if edges[a] == full:
                out[place] |= 1 << a
    return out


@jit
def schwartz(beats: Masks) -> Masks:
    """The alternatives that reach, along defeats, all those that reach them."""
    total, size = beats.shape
    out = np.zeros(total, np.uint16)
    edges = np.zeros(size, np.int64)
    for place in range(total):
        for a in range(size):
            edges[a] = beats[place, a] | (1 << a)
        closed(edges)
        for a in range(size):
            undefeated = True
            for b in range(size):
                undefeated &= not (edges[b] >> a) & 1 or ((edges[a] >> b) & 1) == 1
            if undefeated:
                out[place] |= 1 << a
    return out


# --- One ballot changed, or some more -------------------------------------------------------------------------------


@jit
def lifts(table: Masks, orders: Ints, swaps: Ints, voters: int, alone: bool, only: Bools) -> Bools:
    """Whether a winner that one voter lifts by one place no longer wins (``alone``: does not win by itself).

    ``orders[k]`` are the alternatives of ballot k from the top, ``swaps[k, s]`` is the ballot on which those at places
    s and s + 1 have changed places.
    """
    kinds, size = orders.shape
    ways = binomials(voters, kinds)
    counts, up, down = unrank(0, kinds, voters, ways), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    out, place = np.zeros(only.sum(), np.bool_), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        steps(counts, voters, ways, up, down)
        for k in range(kinds):
            if counts[k]:
                for s in range(size - 1):
                    x = orders[k, s + 1]
                    if (table[place] >> x) & 1:
                        after = table[moved(place, k, swaps[k, s], up, down)]
                        if (alone and after != 1 << x) or not (after >> x) & 1:
                            out[row] = True
    return out


@jit
def lowers(table: Masks, orders: Ints, swaps: Ints, voters: int, only: Bools) -> Bools:
    """Whether the winners change where one voter lowers one that does not win by one place."""
    kinds, size = orders.shape
    ways = binomials(voters, kinds)
    counts, up, down = unrank(0, kinds, voters, ways), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    out, place = np.zeros(only.sum(), np.bool_), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        steps(counts, voters, ways, up, down)
        for k in range(kinds):
            if counts[k]:
                for s in range(size - 1):
                    if not (table[place] >> orders[k, s]) & 1:
                        out[row] |= table[moved(place, k, swaps[k, s], up, down)] != table[place]
    return out


@jit
def changes(table: Masks, targets: Ints, voters: int, only: Bools) -> Bools:
    """Whether a winner x stops winning where one ballot k becomes one of ``targets[x, k]``, padded with −1."""
    size, kinds, most = targets.shape
    ways = binomials(voters, kinds)
    counts, up, down = unrank(0, kinds, voters, ways), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    out, place = np.zeros(only.sum(), np.bool_), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        steps(counts, voters, ways, up, down)
        for k in range(kinds):
            if counts[k]:
                for x in range(size):
                    if (table[place] >> x) & 1:
                        for t in range(most):
                            j = targets[x, k, t]
                            if j < 0:
                                break
                            out[row] |= not (table[moved(place, k, j, up, down)] >> x) & 1
    return out


@jit
def unresolved(table: Masks, more: Masks, kinds: int, voters: int, only: Bools) -> Bools:
    """Whether one of several winners is the only one after no ballot that joins; ``more``: of one voter more."""
    ways = binomials(voters, kinds)
    counts, up, down = unrank(0, kinds, voters, ways), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    out, place = np.zeros(only.sum(), np.bool_), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        held = table[place]
        if held & (held - 1):
            steps(counts, voters, ways, up, down)
            alone = 0
            for j in range(kinds):
                after = more[place + up[j]]
                if not after & (after - 1):
                    alone |= after
            out[row] = held & ~alone != 0
    return out


@jit
def opposed(table: Masks, more: Masks, turned: Ints, voters: int, only: Bools) -> Bools:
    """Whether some ballot k and ``turned[k]`` change the winners as they join; ``more``: of two voters more.

    The later of the two ballots joins first; it changes nothing in what follows the earlier one but the number of
    voters.
    """
    kinds = turned.size
    ways = binomials(voters + 1, kinds)
    counts, up, down = unrank(0, kinds, voters, ways), np.zeros(kinds, np.int64), np.zeros(kinds, np.int64)
    then = np.zeros(kinds, np.int64)
    out, place = np.zeros(only.sum(), np.bool_), -1
    for row in range(out.size):
        place = onward(counts, place, only)
        steps(counts, voters, ways, up, down)
        steps(counts, voters + 1, ways, then, down)
        for k in range(kinds):
            if k <= turned[k]:
                out[row] |= more[place + up[turned[k]] + then[k]] != table[place]
    return out
