"""Lotteries that groups would agree on, prompt by prompt.

``gains[x, g, m]`` are what each group gets from an alternative above its disagreement, ``slacks[x or 1, c, m]`` what an
alternative leaves of each constraint; a lottery has the mean of both, and the constraints ask that of slacks to be at
least 0. Rows of slacks are scaled to a largest size of 1. Statuses are those below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.interior import add_transposed, put
from choicekit.kernels.presolve import BOUND, EQUATION, IDLE, TINY, restored, settled
from choicekit.kernels.programmes import (
    TOLERANCE,
    chosen,
    cleared,
    copied,
    highest,
    level,
    lottery,
    mean,
    raised,
    spread,
)  # fmt: skip

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

SOLVED, CONFLICT, NO_GAIN, UNSOLVED = 0, 1, 2, 3


@jit
def admitted(row: Floats, base: float, columns: Codes, basis: Floats, rank: int) -> bool:
    """Whether row − base is independent of the first rows of an orthonormal basis, after which it is then written."""
    if rank == basis.shape[1]:
        return False
    left = np.empty(len(columns))
    for a in range(len(columns)):
        left[a] = row[columns[a]] - base
    length = 0.0
    for _ in range(2):
        for i in range(rank):
            along = 0.0
            for a in range(len(left)):
                along += left[a] * basis[i, a]
            for a in range(len(left)):
                left[a] -= along * basis[i, a]
        length = 0.0
        for a in range(len(left)):
            length += left[a] * left[a]
    length = np.sqrt(length)
    if length <= 1e-8:
        return False
    for a in range(len(left)):
        basis[rank, a] = left[a] / length
    return True


@jit
def narrowed(
    G: Floats, live: Flags, B: Floats, role: Codes, Q: Floats, kept: Flags, p: Floats, y: Floats, s: Floats, nu: Floats,
    s_bounds: Floats,
) -> tuple[Floats, bool]:  # fmt: skip
    """The equations that all best lotteries meet, and whether they leave but one; rows that they decide go still.

    A strictly complementary solution shows them: a row is tight in every best lottery where its price is positive.
    """
    columns, alive = chosen(kept), len(chosen(live))
    size = len(columns)
    rows = np.empty((min(size, len(Q) + alive), len(p)))
    basis = np.zeros((min(size, 2 + len(role) + len(Q) + alive), size))
    found, rank = 0, 0
    every = np.ones(len(p))
    rank += admitted(every, 0.0, columns, basis, rank)
    for i in range(len(role)):
        if role[i] == BOUND and nu[i] > s_bounds[i]:
            role[i] = EQUATION
        if role[i] == EQUATION:
            rank += admitted(B[i], 0.0, columns, basis, rank)
    for i in range(len(Q)):
        if admitted(Q[i], 0.0, columns, basis, rank):
            for a in range(len(p)):
                rows[found, a] = Q[i, a]
            found, rank = found + 1, rank + 1
    for i in range(len(G)):
        if live[i] and y[i] > s[i]:
            live[i] = False
            base = mean(G[i], p)
            if admitted(G[i], base, columns, basis, rank):
                for a in range(len(p)):
                    rows[found, a] = G[i, a] - base
                found, rank = found + 1, rank + 1
    for i in range(len(G)):
        if live[i] and not admitted(G[i], mean(G[i], p), columns, basis, rank):
            live[i] = False
    return rows[:found].copy(), rank == size


@jit
def leximin(gains: Floats, slacks: Floats, stages: int) -> tuple[Floats, Floats, Floats, Codes, Flags, Floats]:
    """Lotteries with the greatest least gain, then the greatest second least, …, up to ``stages`` of them.

    Returns p, the multipliers of groups (that sum to 1) and of constraints in the first stage, statuses, whether p is
    the only answer, and the largest distance of a stage's level from its bound.
    """
    many, g, m = gains.shape
    c = slacks.shape[1]
    out_p, out_y, out_nu = np.zeros((many, m)), np.zeros((many, g)), np.zeros((many, c))
    status, unique, gap = np.zeros(many, np.int64), np.zeros(many, np.bool_), np.zeros(many)
    goal, tau, G = np.zeros(m + 1), np.empty(g), np.empty((g, m))
    goal[m] = 1.0
    for x in range(many):
        B = slacks[x if len(slacks) > 1 else 0]
        kept, live = np.ones(m, np.bool_), np.ones(g, np.bool_)
        role, out_by, turn = np.zeros(c, np.int64), np.full(m, -1), np.zeros(c, np.int64)
        if not settled(B, kept, role, out_by, turn):
            status[x] = CONFLICT
            continue
        first, present, p = role.copy(), kept.copy(), np.ones(m)
        Q, alone, free = np.empty((0, m)), False, len(chosen(role != IDLE)) == 0
        for a in range(m):
            p[a] = 1.0 if kept[a] else 0.0
        cleared(p, np.zeros(m), kept.copy())
        for stage in range(stages):
            width = raised(gains[x], live, kept, p, free or stage > 0, G, tau)
            ok, z, y, s, nu, s_bounds, more = lottery(G, live, B, role, Q, kept, goal, tau, p, TOLERANCE)
            if not ok:
                status[x] = UNSOLVED
                break
            value, total = np.zeros(m), mean(tau, y)
            add_transposed(G, y, value)
            add_transposed(B, nu, value)
            add_transposed(Q, more, value)
            bound = highest(value, kept) / total
            cleared(p, z, kept)
            gap[x] = max(gap[x], width * (bound - level(G, live, p, tau)))
            if stage == 0:
                restored(value, B, present, first, out_by, turn, nu)
                for i in range(g):
                    out_y[x, i] = y[i] * tau[i] / total
                for i in range(c):
                    out_nu[x, i] = nu[i] / total * width
            Q, alone = narrowed(G, live, B, role, Q, kept, p, y, s, nu, s_bounds)
            if alone or len(chosen(live)) == 0:
                break
        put(p, out_p[x])
        unique[x] = alone
    return out_p, out_y, out_nu, status, unique, gap


@jit
def lifted(
    rows: Floats, live: Flags, B: Floats, role: Codes, kept: Flags, free: bool, even: Floats, units: Floats, p: Floats
) -> int:
    """A lottery at which the least of the live rows is positive and not far from what it can be."""
    m, ok, tolerance = len(p), False, 1e-2
    scaled, goal, one = np.empty(rows.shape), np.zeros(m + 1), np.ones(len(rows))
    width = raised(rows, live, kept, even, free, scaled, units)
    goal[m], base = 1.0, level(rows, live, even, one) - width * level(scaled, live, even, units)
    while tolerance >= TOLERANCE:
        put(even, p)
        ok, _, y, _, nu, _, _ = lottery(scaled, live, B, role, np.empty((0, m)), kept, goal, units, p, tolerance)
        value, lack = np.zeros(m), 0.0
        add_transposed(scaled, y, value)
        add_transposed(B, nu, value)
        bound = highest(value, kept) / mean(units, y) * width + base
        if ok and bound <= TINY:
            return NO_GAIN
        cleared(p, np.zeros(m), kept.copy())
        for i in range(len(role)):
            if role[i] <= EQUATION and role[i] != IDLE:
                lack = max(lack, -mean(B[i], p) if role[i] == BOUND else abs(mean(B[i], p)))
        least = level(rows, live, p, one)
        if ok and least > 0.2 * bound and lack <= 0.01 * least:
            break
        tolerance *= 1e-4
    if tolerance < TOLERANCE:
        return NO_GAIN if ok else UNSOLVED
    share = 0.5
    while level(rows, live, (1 - share) * p + share * even, one) <= 0.5 * least and share > 1e-9:
        share *= 0.5
    for a in range(m):
        p[a] = (1 - share) * p[a] + share * even[a] if free else p[a]
    return SOLVED


@jit
def inside(G: Floats, B: Floats, role: Codes, kept: Flags, p: Floats) -> int:
    """A lottery that gives every row of G (whose largest entry is 1) something, and leaves slack where there is any."""
    g, m = G.shape
    even, bounds, columns = np.zeros(m), chosen(role == BOUND), np.arange(m)
    for a in range(m):
        even[a] = 1.0 if kept[a] else 0.0
    cleared(even, np.zeros(m), kept.copy())
    rows, strict, eased = np.zeros((g + len(bounds), m)), np.ones(g + len(bounds), np.bool_), role.copy()
    copied(B, bounds, columns, rows, copied(G, np.arange(g), columns, rows, 0))
    one, units, free = np.ones(len(rows)), np.empty(len(rows)), not (role == EQUATION).any()
    put(even, p)
    if free and level(rows, strict, p, one) > 0.05:
        return SOLVED
    for i in range(len(bounds)):
        eased[bounds[i]] = IDLE
    found = lifted(rows, strict, B, eased, kept, free, even, units, p)
    if found == NO_GAIN and len(bounds) > 0:
        # constraints that leave no slack at all: what they leave is looked for among those that meet them
        for i in range(g, len(rows)):
            strict[i] = False
        free = free and len(bounds) == 0
        found = lifted(rows, strict, B, role, kept, free, even, units, p)
    return found


@jit
def at_once(goal: Floats, gains: Floats, B: Floats, kept: Flags, p: Floats) -> int:
    """How many alternatives are best for a goal (of range 1), if each is allowed by itself; they share ``p`` evenly."""
    most, count = highest(goal, kept), 0
    for a in range(len(goal)):
        p[a] = 0.0
        if kept[a] and goal[a] >= most - TINY:
            for i in range(len(gains)):
                if gains[i, a] < 0:
                    return 0
            for i in range(len(B)):
                if B[i, a] < 0:
                    return 0
            p[a] = 1.0
            count += 1
    for a in range(len(goal)):
        p[a] /= count
    return count


@jit
def sharpened(
    G: Floats, live: Flags, B: Floats, role: Codes, kept: Flags, shares: Floats, p: Floats, z: Floats, y: Floats,
    nu: Floats, s_bounds: Floats,
) -> bool:  # fmt: skip
    """Nash's bargain again in units of the gains found, as tiny ones are lost beside the largest.

    Where that succeeds, all is replaced by it.
    """
    g, m = G.shape
    again, other, units = np.empty((g, m)), p.copy(), np.empty(g)
    for i in range(g):
        units[i] = max(mean(G[i], p), TINY)
        for a in range(m):
            again[i, a] = G[i, a] / units[i]
    ok, z_again, y_again, _, nu_again, s_again, _ = lottery(
        again, live, B, role, np.empty((0, m)), kept, np.zeros(m), shares, other, TOLERANCE
    )
    if ok:
        cleared(other, z_again, kept)
        put(other, p)
        put(z_again, z)
        put(nu_again, nu)
        put(s_again, s_bounds)
        for i in range(g):
            y[i] = y_again[i] / units[i]
    return ok


@jit
def best(gains: Floats, shares: Floats, goals: Floats, slacks: Floats) -> tuple[Floats, Floats, Codes, Flags]:
    """Lotteries that maximise goal · p + Σ_g shares_g · log(gain_g), under which nobody loses, for ``goals[x, t, m]``.

    ``shares[g]`` are all 0, or positive and then goals are 0. Returns p [x, t, m], the constraints' multipliers
    [x, t, c], statuses [x], and whether p is the only answer [x, t].
    """
    many, g, m = gains.shape
    c, targets = slacks.shape[1], goals.shape[1]
    out_p, out_nu = np.zeros((many, targets, m)), np.zeros((many, targets, c))
    status, unique = np.zeros(many, np.int64), np.zeros((many, targets), np.bool_)
    none, G, goal = np.empty((0, m)), np.empty((g, m)), np.zeros((1, m))
    logs = g > 0 and shares[0] > 0
    for x in range(many):
        B = slacks[x if len(slacks) > 1 else 0]
        kept, role, out_by, turn = np.ones(m, np.bool_), np.zeros(c, np.int64), np.full(m, -1), np.zeros(c, np.int64)
        if not settled(B, kept, role, out_by, turn):
            status[x] = CONFLICT
            continue
        p, start, started, live = np.ones(m), np.ones(m), False, np.ones(g, np.bool_)
        for i in range(g):
            most = highest(gains[x, i], kept)
            if most <= 0:
                status[x] = NO_GAIN
            for a in range(m):
                G[i, a] = gains[x, i, a] / (most if most > 0 else 1.0)
        for t in range(targets):
            width = spread(goals[x, t : t + 1], goal) if not logs else 1.0
            easy = 0 if logs else at_once(goal[0], gains[x], B, kept, p)
            if easy > 0:
                put(p, out_p[x, t])
                unique[x, t] = easy == 1
            still, present, nu, ok, value = kept.copy(), role.copy(), np.zeros(c), True, goal[0].copy()
            if easy == 0 and status[x] == SOLVED:
                if not started and g > 0:
                    status[x], started = inside(G, B, role, kept, start), True
                if status[x] != SOLVED:
                    break
                put(start, p)
                ok, z, y, s, nu, s_bounds, _ = lottery(G, live, B, role, none, kept, goal[0], shares, p, TOLERANCE)
                cleared(p, z, still)
                if logs and (not ok or level(G, live, p, np.ones(g)) < 1e-3):
                    ok |= sharpened(G, live, B, present, still, shares, p, z, y, nu, s_bounds)
                status[x] = SOLVED if ok else UNSOLVED
                add_transposed(G, y, value)
                add_transposed(B, nu, value)
                # gains are the same in all best lotteries where their logarithms count
                stay = np.zeros(g) if logs else s
                _, unique[x, t] = narrowed(G, live.copy(), B, present, none, still, p, y, stay, nu, s_bounds)
                put(p, out_p[x, t])
            restored(value, B, kept, role, out_by, turn, nu)
            for i in range(c):
                out_nu[x, t, i] = nu[i] * width
    return out_p, out_nu, status, unique
