"""Axioms that compare profiles of several electorates or agendas, on every anonymous profile of a size at once.

A profile is its n ballots in ascending order, each the number of one of K kinds; the profiles are in lexicographic
order. A table holds their winners as bits, alternative a being bit a. What is wrong of two sets of winners is read in
``wrong[ballot, one]``, whose bit number ``other`` says so. Only the profiles that ``only`` has are looked at; the
answer has a row for each of them, in their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.multisets import binomials

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Masks = NDArray[np.uint16]


@jit
def steps(voters: int, kinds: int) -> Ints:
    """``table[j, x]``: how far a profile moves on in the order by its ballot of kind x that has j - 1 ballots after it.

    The place of a profile of up to ``voters`` ballots is the sum of these over its ballots.
    """
    counted = binomials(max(voters, 1), kinds)
    passed = np.zeros((voters + 1, kinds), np.int64)
    for left in range(1, voters + 1):
        for x in range(1, kinds):
            passed[left, x] = passed[left, x - 1] + counted[left - 1, kinds - x + 1]
    table = np.zeros((voters + 1, kinds), np.int64)
    for left in range(1, voters + 1):
        for x in range(kinds):
            table[left, x] = passed[left, x] - passed[left - 1, x]
    return table


@jit
def follow(ballots: Ints, kinds: int) -> None:
    """Turn the ballots into those of the next profile; the last stays as it is."""
    at = ballots.size - 1
    while at >= 0 and ballots[at] == kinds - 1:
        at -= 1
    if at >= 0:
        ballots[at:] = ballots[at] + 1


@jit
def onward(ballots: Ints, kinds: int, at: int, only: Bools) -> int:
    """Turn the ballots into those of the next profile that ``only`` has; its place. −1: none was looked at yet."""
    if at >= 0:
        follow(ballots, kinds)
    at += 1
    while not only[at]:
        follow(ballots, kinds)
        at += 1
    return at


@jit
def insert(ballots: Ints, table: Ints, places: Ints) -> None:
    """``places[x]`` becomes the place of the profile of these ballots and one of kind x."""
    left, base, x = ballots.size, 0, 0
    for i in range(ballots.size):
        base += table[left - i, ballots[i]]
    for i in range(ballots.size):
        while x < ballots[i]:
            places[x] = base + table[left - i + 1, x]
            x += 1
        base += table[left - i + 1, ballots[i]] - table[left - i, ballots[i]]
    while x < places.size:
        places[x] = base + table[1, x]
        x += 1


@jit
def joining(masks: Masks, more: Masks, wrong: Ints, voters: int, only: Bools) -> Bools:
    """At which profiles some ballot, joining, makes winners that are wrong after those there were.

    ``more`` is the table of one voter more.
    """
    kinds = wrong.shape[0]
    table = steps(voters + 1, kinds)
    ballots, places = np.zeros(voters, np.int64), np.empty(kinds, np.int64)
    found, at = np.zeros(only.sum(), np.bool_), -1
    for row in range(found.size):
        at = onward(ballots, kinds, at, only)
        before = np.int64(masks[at])
        insert(ballots, table, places)
        for x in range(kinds):
            if wrong[x, more[places[x]]] >> before & 1:
                found[row] = True
                break
    return found


@jit
def lying(masks: Masks, better: Ints, voters: int, only: Bools) -> Bools:
    """At which profiles somebody gains by another ballot; ``better[ballot, before]`` has the bits of better winners."""
    kinds = better.shape[0]
    table = steps(voters, kinds)
    ballots, others = np.zeros(voters, np.int64), np.zeros(voters - 1, np.int64)
    places = np.empty(kinds, np.int64)
    found, at = np.zeros(only.sum(), np.bool_), -1
    for row in range(found.size):
        at = onward(ballots, kinds, at, only)
        before = masks[at]
        others[:] = ballots[1:]
        for i in range(voters):
            if i:
                others[i - 1] = ballots[i - 1]
            gains = better[ballots[i], before]
            if gains == 0 or (i and ballots[i] == ballots[i - 1]):
                continue
            insert(others, table, places)
            for x in range(kinds):
                if gains >> np.int64(masks[places[x]]) & 1:
                    found[row] = True
                    break
            if found[row]:
                break
    return found


@jit
def splitting(masks: Masks, parts: Masks, starts: Ints, kinds: int, voters: int, only: Bools) -> Bools:
    """At which profiles two parts of the electorate have winners in common, and all together has not just these.

    ``parts[starts[k]:]`` is the table of k voters.
    """
    table = steps(voters, kinds)
    for x in range(kinds):  # of so many ballots of a kind at the end
        for left in range(1, voters + 1):
            table[left, x] += table[left - 1, x]
    ballots = np.zeros(voters, np.int64)
    kept, times, held = np.empty(voters, np.int64), np.empty(voters, np.int64), np.empty(voters, np.int64)
    found, at = np.zeros(only.sum(), np.bool_), -1
    for row in range(found.size):
        at = onward(ballots, kinds, at, only)
        several = 0
        for i in range(voters):
            if i == 0 or ballots[i] != ballots[i - 1]:
                kept[several], times[several], held[several] = ballots[i], 0, 0
                several += 1
            times[several - 1] += 1
        splits = 1
        for d in range(several):
            splits *= times[d] + 1
        for _ in range((splits - 1) // 2):
            d = several - 1
            while held[d] == times[d]:
                held[d] = 0
                d -= 1
            held[d] += 1
            one, other, left, right = 0, 0, 0, 0
            for d in range(several - 1, -1, -1):
                one += table[left + held[d], kept[d]] - table[left, kept[d]]
                left += held[d]
                rest = times[d] - held[d]
                other += table[right + rest, kept[d]] - table[right, kept[d]]
                right += rest
            common = parts[starts[left] + one] & parts[starts[right] + other]
            if common and common != masks[at]:
                found[row] = True
                break
    return found


@jit
def turned_into(profiles: NDArray[np.uint8], becomes: Ints, table: Ints) -> Ints:
    """The places of profiles ``[number, voters]`` when each ballot becomes another, whose kinds ``table`` is of."""
    number, voters = profiles.shape
    places = np.zeros(number, np.int64)
    ballots = np.empty(voters, np.int64)
    for row in range(number):
        for i in range(voters):
            ballot, at = becomes[profiles[row, i]], i
            while at and ballots[at - 1] > ballot:
                ballots[at] = ballots[at - 1]
                at -= 1
            ballots[at] = ballot
        for i in range(voters):
            places[row] += table[voters - i, ballots[i]]
    return places
