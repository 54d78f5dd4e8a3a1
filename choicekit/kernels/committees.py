"""Loops over voters' approvals ``values[n, m]`` (1 or 0, or a satisfaction) with ``weights[n]`` to elect committees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = NDArray[Any]

_SLACK = 1e-9


@jit
def totals(values: Values, worth: Floats) -> Floats:
    """The worth of the voters who approve of an alternative, ``[m]``."""
    voters, size = values.shape
    out = np.zeros(size)
    for i in range(voters):
        if worth[i] != 0.0:
            for a in range(size):
                out[a] += worth[i] * values[i, a]
    return out


@jit
def prices(values: Values, weights: Floats, money: Floats, order: Ints, cost: Floats) -> Floats:
    """The least payment t at which supporters with ``money[n]`` each can pay Σ w min(money, t) = cost; inf for none.

    ``order`` sorts the voters by their money, the poorest first.
    """
    voters, size = values.shape
    rich = totals(values, weights)
    paid = np.zeros(size)
    out = np.full(size, np.inf)
    left = size
    for v in range(voters):
        if left == 0:
            break
        i = order[v]
        mine = money[i]
        for a in range(size):
            if values[i, a] and out[a] == np.inf:
                if paid[a] + rich[a] * mine >= cost[a] * (1.0 - _SLACK):
                    out[a] = (cost[a] - paid[a]) / rich[a]
                    left -= 1
                else:
                    paid[a] += weights[i] * mine
                    rich[a] -= weights[i]
    return out


@jit
def support(weights: Floats, masks: Ints, size: int) -> Floats:
    """The weight of the voters whose mask lies within a set, ``[2^size]``."""
    inside = np.zeros(1 << size)
    for i in range(len(weights)):
        inside[masks[i]] += weights[i]
    for bit in range(size):
        for subset in range(1 << size):
            if subset >> bit & 1:
                inside[subset] += inside[subset ^ (1 << bit)]
    return inside


@jit
def _popcount(subset: int) -> int:
    number = 0
    while subset:
        subset &= subset - 1
        number += 1
    return number


@jit
def _masks(values: Values, chosen: Ints, size: int) -> Ints:
    """Which of the first ``size`` chosen a voter approves of, as bits, ``[n]``."""
    out = np.zeros(len(values), np.int64)
    for bit in range(size):
        for i in range(len(values)):
            if values[i, chosen[bit]]:
                out[i] |= 1 << bit
    return out


@jit
def represented(values: Values, weights: Floats, chosen: Ints, least: float, extra: float) -> float:
    """The largest weight of voters who can be seated with a chosen alternative that they approve of.

    Each alternative seats ``least`` and, together, ``extra`` of them one more. By the min-cut theorem that is the
    minimum over sets T of chosen of least |T| + min(|T|, extra) and the weight of the voters who approve of one
    outside T.
    """
    size = len(chosen)
    inside = support(weights, _masks(values, chosen, size), size)
    whole = inside[(1 << size) - 1]
    best = np.inf
    for subset in range(1 << size):
        number = _popcount(subset)
        best = min(best, number * least + min(float(number), extra) + whole - inside[subset])
    return best


@jit
def loads(values: Values, weights: Floats, chosen: Ints, size: int) -> tuple[Floats, Floats]:
    """The levels of load, descending, and the weight at each, where the load of a committee is shared most evenly.

    Each of the first ``size`` chosen puts a load of 1 on voters who approve of it. A set T of them burdens its
    supporters with |T| / w(N(T)) at least, and the largest such burden can be met; what is left is shared in the same
    way. The alternatives without supporters make a level of infinity whose weight is their number.
    """
    inside = support(weights, _masks(values, chosen, size), size)
    full = (1 << size) - 1
    whole = inside[full]
    level, mass = np.zeros(size), np.zeros(size)
    gone, number = 0, 0
    while gone != full:
        base = whole - inside[full ^ gone]
        left = full ^ gone
        best, which = -1.0, 0
        subset = left
        while subset:
            burdened = whole - inside[full ^ (gone | subset)] - base
            weight = float(_popcount(subset))
            burden = np.inf if burdened <= 1e-12 * whole else weight / burdened
            if burden > best * (1 + _SLACK):
                best, which = burden, subset
            elif burden >= best * (1 - _SLACK):
                which |= subset
            subset = (subset - 1) & left
        level[number] = best
        now = whole - inside[full ^ (gone | which)] - base
        mass[number] = float(_popcount(which)) if best == np.inf else now
        gone |= which
        number += 1
    return level, mass


@jit
def compare(level: Floats, mass: Floats, others: Floats, weights: Floats) -> int:
    """-1 where the first loads are lexicographically lower than the others, 1 where they are higher, 0 where equal."""
    for t in range(max(len(level), len(others))):
        mine = level[t] if t < len(level) else 0.0
        theirs = others[t] if t < len(others) else 0.0
        apart = mine == np.inf or theirs == np.inf or abs(mine - theirs) > _SLACK * max(mine, theirs)
        if mine != theirs and apart:
            return -1 if mine < theirs else 1
        if mine == 0.0:
            return 0
        a = mass[t] if t < len(mass) else 0.0
        b = weights[t] if t < len(weights) else 0.0
        if abs(a - b) > _SLACK * max(a, b):
            return -1 if a < b else 1
    return 0


@jit
def leximax(values: Values, weights: Floats, size: int, room: int, nodes: int) -> tuple[Ints, Floats, Floats, int, int]:
    """The committees whose loads are lexicographically lowest, their loads, how many were met, and the nodes left.

    Loads can only rise where an alternative is added, so that a set with higher loads than the best committee found
    need not be completed. At most ``room`` committees are kept; 0 nodes left: the search was ended.
    """
    all_of_them = values.shape[1]
    kept = np.zeros((room, size), np.int64)
    best, mass = np.full(size, np.inf), np.full(size, 1e300)
    found = 0
    chosen = np.full(size, -1, np.int64)
    depth = 0
    while depth >= 0 and nodes > 0:
        chosen[depth] += 1
        if chosen[depth] > all_of_them - (size - depth):
            depth -= 1
            continue
        nodes -= 1
        level, now = loads(values, weights, chosen, depth + 1)
        order = compare(level, now, best, mass)
        if order > 0:
            continue
        if depth < size - 1:
            chosen[depth + 1] = chosen[depth]
            depth += 1
            continue
        if order < 0:
            best, mass = level, now
            found = 0
        if found < room:
            kept[found] = chosen
        found += 1
    return kept[: min(found, room)], best, mass, found, nodes if depth >= 0 else max(nodes, 1)


@jit
def _gains(
    values: Floats, weights: Floats, held: Floats, marginal: Floats, cover: bool, left: Ints, out: Floats
) -> None:
    """What each alternative left would add, where voter i holds ``held[i]``."""
    for j in range(len(left)):
        out[j] = 0.0
    for i in range(len(weights)):
        if cover:
            for j in range(len(left)):
                more = values[i, left[j]] - held[i]
                if more > 0:
                    out[j] += weights[i] * more
        else:
            worth = weights[i] * marginal[int(held[i])]
            if worth != 0.0:
                for j in range(len(left)):
                    out[j] += worth * values[i, left[j]]


@jit
def _after(values: Floats, held: Floats, alternative: int, cover: bool, out: Floats) -> None:
    for i in range(len(held)):
        mine = values[i, alternative]
        out[i] = max(held[i], mine) if cover else held[i] + mine


@jit
def _top(gain: Floats, start: int, number: int) -> float:
    total = 0.0
    for j in range(start, min(start + number, len(gain))):
        total += gain[j]
    return total


@jit
def best_committees(
    values: Floats, weights: Floats, marginal: Floats, cover: bool, groups: Floats, first: Ints, left: Ints,
    size: int, best: float, room: int, work: int,
) -> tuple[Ints, int, float, float, bool]:  # fmt: skip
    """The committees of the highest score, how many were met, the score, a bound of it, and whether the search ended.

    The score adds up ``marginal`` worths of a voter's first, second, … approved member or, where ``cover``, each
    voter's highest value of a member. Where ``groups`` is not empty it is (least, extra) of :func:`represented`, which
    is the score then and which the cover bounds. Branch and bound: an alternative adds no more later than now, so the
    sum of the highest gains bounds what a set can grow to. The committees have the ``first`` members and ``size`` more
    of those ``left``, and scores below ``best`` are passed over. ``work`` limits the additions once a committee is
    met; at most ``room`` committees are kept.
    """
    voters, width = values.shape
    kept, found = np.zeros((room, len(first) + size), np.int64), 0
    held, score = np.zeros((size, voters)), np.zeros(size + 1)
    order, gain = np.zeros((size, width), np.int64), np.zeros((size, width))
    length, place = np.zeros(size, np.int64), np.full(size, -1, np.int64)
    chosen = np.zeros(len(first) + size, np.int64)
    chosen[: len(first)] = first
    score[0] = _start(values, weights, marginal, cover, first, held[0])
    depth = 0
    while depth >= 0:
        if place[depth] < 0:
            if work <= 0 and best > -np.inf:
                break
            work -= voters * len(left)
            length[depth] = len(left)
            _ranked(values, weights, held[depth], marginal, cover, left, order[depth], gain[depth])
        place[depth] += 1
        j, open_seats = place[depth], size - depth
        bound = score[depth] + _top(gain[depth, : length[depth]], j, open_seats)
        slack = _SLACK * abs(best) if best > -np.inf else 0.0
        if j + open_seats > length[depth] or bound < best - slack or (found > room and bound <= best + slack):
            place[depth] = -1
            depth -= 1
            continue
        member = order[depth, j]
        chosen[len(first) + depth] = member
        score[depth + 1] = score[depth] + gain[depth, j]
        if open_seats > 1:
            _after(values, held[depth], member, cover, held[depth + 1])
            left = order[depth, j + 1 : length[depth]].copy()
            depth += 1
            continue
        total = score[size]
        if len(groups):
            work -= voters * size + (1 << size)
            if work <= 0 and best > -np.inf:
                place[depth] -= 1
                break
            total = represented(values, weights, chosen, groups[0], groups[1])
        if total > best + slack:
            best, found = total, 0
        if total >= best - slack:
            if found < room:
                kept[found] = chosen
            found += 1
    limit = best
    if depth >= 0:
        if place[depth] < 0:
            _ranked(values, weights, held[depth], marginal, cover, left, order[depth], gain[depth])
            length[depth] = len(left)
        limit = max(best, _ahead(score, gain, length, place, depth))
    return kept[: min(found, room)], found, best, limit, depth < 0


@jit
def _start(values: Floats, weights: Floats, marginal: Floats, cover: bool, first: Ints, held: Floats) -> float:
    """The score of the first members; what the voters hold with them is written to ``held``."""
    raw = np.zeros(1)
    total = 0.0
    for j in range(len(first)):
        _gains(values, weights, held, marginal, cover, first[j : j + 1], raw)
        total += raw[0]
        _after(values, held, first[j], cover, held)
    return total


@jit
def _ranked(
    values: Floats, weights: Floats, held: Floats, marginal: Floats, cover: bool, left: Ints, order: Ints, gain: Floats
) -> None:
    """The alternatives left and their gains, the highest first."""
    raw = np.zeros(len(left))
    _gains(values, weights, held, marginal, cover, left, raw)
    ranked = np.argsort(-raw, kind="mergesort")
    for j in range(len(left)):
        order[j] = left[ranked[j]]
        gain[j] = raw[ranked[j]]


@jit
def _ahead(score: Floats, gain: Floats, length: Ints, place: Ints, depth: int) -> float:
    """A bound of the scores in the part of the tree that a search which stopped at ``depth`` did not see."""
    limit = -np.inf
    for d in range(depth + 1):
        following = max(place[d], 0) if d == depth else place[d] + 1
        limit = max(limit, score[d] + _top(gain[d, : length[d]], following, len(length) - d))
    return limit


@jit
def cohesive(values: Values, weights: Floats, number: int, needed: float, nodes: int) -> tuple[Ints, int]:
    """A set of so many alternatives that voters of the needed weight approve of all together; empty for none.

    Sets are grown while enough voters approve of them. The second answer is the nodes left, 0 if the search was ended.
    """
    voters, size = values.shape
    backing = np.zeros((number + 1, voters))
    backing[0] = weights
    chosen = np.full(number, -1, np.int64)
    depth = 0
    while depth >= 0:
        chosen[depth] += 1
        if chosen[depth] > size - (number - depth):
            depth -= 1
            continue
        if nodes == 0:
            return chosen[:0], 0
        nodes -= 1
        total = 0.0
        for i in range(voters):
            backing[depth + 1, i] = backing[depth, i] if values[i, chosen[depth]] else 0.0
            total += backing[depth + 1, i]
        if total < needed:
            continue
        if depth == number - 1:
            return chosen, nodes
        chosen[depth + 1] = chosen[depth]
        depth += 1
    return chosen[:0], nodes


@jit
def deviation(values: Values, weights: Floats, held: Ints, number: int, needed: float, nodes: int) -> tuple[Ints, int]:
    """A set of so many alternatives of which voters of the needed weight approve of more than they hold; as above."""
    voters, size = values.shape
    later = np.zeros((voters, size + 1), np.int64)
    for i in range(voters):
        for a in range(size - 1, -1, -1):
            later[i, a] = later[i, a + 1] + (values[i, a] != 0)
    have = np.zeros((number + 1, voters), np.int64)
    chosen = np.full(number, -1, np.int64)
    depth = 0
    while depth >= 0:
        chosen[depth] += 1
        if chosen[depth] > size - (number - depth):
            depth -= 1
            continue
        if nodes == 0:
            return chosen[:0], 0
        nodes -= 1
        total = 0.0
        more = number - depth - 1
        for i in range(voters):
            mine = have[depth, i] + (values[i, chosen[depth]] != 0)
            have[depth + 1, i] = mine
            if mine + min(more, later[i, chosen[depth] + 1]) > held[i]:
                total += weights[i]
        if total < needed:
            continue
        if depth == number - 1:
            return chosen, nodes
        chosen[depth + 1] = chosen[depth]
        depth += 1
    return chosen[:0], nodes
