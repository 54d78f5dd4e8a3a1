"""Lotteries that groups would agree on, prompt by prompt.

``gains[x, g, m]`` are what each group gets from an alternative above its disagreement, ``slacks[x or 1, c, m]`` what an
alternative leaves of each constraint; a lottery has the mean of both, and the constraints ask that of slacks to be at
least 0. Rows of slacks are scaled to a largest size of 1. Statuses are those below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.interior import add_transposed, interior, times
from choicekit.kernels.presolve import BOUND, EQUATION, IDLE, TINY, restored, settled

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

SOLVED, CONFLICT, NO_GAIN, UNSOLVED = 0, 1, 2, 3
_TOLERANCE = 1e-13
_LIMIT = 100
_SPECK = 1e-13


@jit
def chosen(flags: Flags) -> Codes:
    """Where flags are true."""
    count = 0
    out = np.empty(len(flags), np.int64)
    for a in range(len(flags)):
        if flags[a]:
            out[count] = a
            count += 1
    return out[:count]


@jit
def copied(rows: Floats, wanted: Codes, columns: Codes, out: Floats, at: int) -> int:
    """Copy wanted rows and columns into ``out`` from row ``at``; the row after the last."""
    for i in range(len(wanted)):
        for a in range(len(columns)):
            out[at + i, a] = rows[wanted[i], columns[a]]
    return at + len(wanted)


@jit
def lottery(
    G: Floats, live: Flags, B: Floats, role: Codes, Q: Floats, kept: Flags, goal: Floats, tau: Floats, p: Floats,
    tolerance: float,
) -> tuple[bool, Floats, Floats, Floats, Floats, Floats, Floats]:  # fmt: skip
    """One problem: to maximise goal · p + Σ tau log(G p), live rows of G p and of the constraints being at least 0.

    Where ``goal[m + 1]`` has an entry more, each live row is at least tau times a level, at least 0 too, that counts
    for so much in the goal. ``Q`` p = 0 besides. ``p[m]`` is positive where ``kept`` to begin with, and is then
    the answer. Returns the reduced costs [m], the multipliers and the slacks of G's rows, of B's, and the multipliers
    of Q's.
    """
    groups, columns, extra = chosen(live), chosen(kept), len(goal) - len(p)
    bounds, equations = chosen(role == BOUND), chosen(role == EQUATION)
    g, n, k = len(groups), len(columns), len(groups) + len(bounds)
    first = k + 1 + len(Q)
    E = np.zeros((first + len(equations), n + extra))
    ends = copied(B, bounds, columns, E, copied(G, groups, columns, E, 0))
    ends = copied(B, equations, columns, E, copied(Q, np.arange(len(Q)), columns, E, ends + 1))
    fixed, cost, v = np.zeros(len(E) - k), np.zeros(n + extra), np.empty(n + extra)
    weight, y, s, z, total = np.zeros(k), np.zeros(len(E)), np.empty(k), np.empty(n + extra), 0.0
    for a in range(n):
        E[k, a] = 1.0
        total += p[columns[a]]
    for a in range(n):
        cost[a], v[a] = goal[columns[a]], p[columns[a]] / total
    fixed[0], units = 1.0, 0.0
    times(E[:k], v[:n], s)
    if extra:
        cost[n], v[n] = goal[-1], 1e300
        for i in range(g):
            v[n] = min(v[n], s[i] / tau[groups[i]] - 0.1)
        v[n] = max(v[n], 0.1)
        for i in range(g):
            units += tau[groups[i]]
            E[i, n] = -tau[groups[i]]
            s[i] -= v[n] * tau[groups[i]]
    for i in range(k):
        weight[i] = tau[groups[i]] if i < g and not extra else 0.0
        y[i] = 1.1 / units if i < g and extra else 1.0 / k
        if weight[i] > 0:
            y[i] = weight[i] / s[i]
        else:
            s[i] = max(s[i], 0.1 * tau[groups[i]] if i < g and extra else 0.1)
    highest = -1e300
    for a in range(n + extra):
        z[a] = cost[a]
    add_transposed(E[:k], y[:k], z)
    for a in range(n):
        highest = max(highest, z[a])
    y[k] = -highest - 0.5
    for a in range(n + extra):
        z[a] = max(-z[a] - (y[k] if a < n else 0.0), 0.05)
    ok, _ = interior(E, k, fixed, cost, weight, v, s, y, z, tolerance, _LIMIT)
    reduced, y_groups, s_groups = np.zeros(len(p)), np.zeros(len(G)), np.zeros(len(G))
    nu, s_bounds = np.zeros(len(B)), np.zeros(len(B))
    p[:] = 0.0
    for a in range(n):
        p[columns[a]], reduced[columns[a]] = v[a], z[a]
    for i in range(g):
        y_groups[groups[i]], s_groups[groups[i]] = y[i], s[i]
    for i in range(len(bounds)):
        nu[bounds[i]], s_bounds[bounds[i]] = y[g + i], s[g + i]
    for i in range(len(equations)):
        nu[equations[i]] = y[first + i]
    return ok, reduced, y_groups, s_groups, nu, s_bounds, y[k + 1 : first].copy()


@jit
def cleared(p: Floats, reduced: Floats, kept: Flags) -> None:
    """Kept are the alternatives of some best lottery: where the reduced cost is the smaller of the two.

    Of the others only specks are swept away, as each may be as much as the solution is exact.
    """
    total, some = 0.0, False
    for a in range(len(p)):
        some |= kept[a] and p[a] > reduced[a]
    for a in range(len(p)):
        kept[a] &= p[a] > reduced[a] or not some
        if not kept[a] and p[a] < _SPECK:
            p[a] = 0.0
        total += p[a]
    for a in range(len(p)):
        p[a] /= total


@jit
def mean(row: Floats, p: Floats) -> float:
    """The mean of a row under a lottery."""
    total = 0.0
    for a in range(len(p)):
        total += row[a] * p[a]
    return total


@jit
def level(G: Floats, live: Flags, p: Floats, units: Floats) -> float:
    """The least mean of a live row, in the row's units."""
    least = 1e300
    for i in range(len(G)):
        if live[i]:
            least = min(least, mean(G[i], p) / units[i])
    return least


@jit
def raised(gains: Floats, live: Flags, kept: Flags, p: Floats, feasible: bool, out: Floats, units: Floats) -> float:
    """Live rows shifted and scaled, so that levels between a bound from below and one from above go from 1/2 to 3/2.

    The former is the level of ``p`` where that is ``feasible``. Rows are then divided by their largest size, which is
    1/units. Returns the range of the levels.
    """
    low, high, top, even = 1e300, 1e300, -1e300, 1e300
    for i in range(len(gains)):
        if live[i]:
            most = -1e300
            for a in range(len(p)):
                if kept[a]:
                    low, most = min(low, gains[i, a]), max(most, gains[i, a])
            high, top, even = min(high, most), max(top, most), min(even, mean(gains[i], p))
    low = max(low, even) if feasible else low
    width = high - low if high - low > TINY * (top - low) else top - low
    width = width if width > 0 else 1.0
    for i in range(len(gains)):
        size = 0.0
        for a in range(len(p)):
            out[i, a] = (gains[i, a] - low) / width + 0.5 if live[i] else 0.0
            size = max(size, abs(out[i, a])) if kept[a] else size
        units[i] = 1 / size if size > 0 else 1.0
        for a in range(len(p)):
            out[i, a] *= units[i]
    return width


@jit
def highest(value: Floats, kept: Flags) -> float:
    """The greatest value of a kept alternative."""
    most = -1e300
    for a in range(len(value)):
        if kept[a]:
            most = max(most, value[a])
    return most


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
        Q, alone, free = np.empty((0, m)), False, (role == IDLE).all()
        for a in range(m):
            p[a] = 1.0 if kept[a] else 0.0
        cleared(p, np.zeros(m), kept.copy())
        for stage in range(stages):
            width = raised(gains[x], live, kept, p, free or stage > 0, G, tau)
            ok, z, y, s, nu, s_bounds, more = lottery(G, live, B, role, Q, kept, goal, tau, p, _TOLERANCE)
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
        out_p[x], unique[x] = p, alone
    return out_p, out_y, out_nu, status, unique, gap


@jit
def spread(rows: Floats, out: Floats) -> float:
    """Numbers shifted and divided by their range, which is returned, so that they go from 0 to 1."""
    low, high = 1e300, -1e300
    for i in range(len(rows)):
        for a in range(rows.shape[1]):
            low, high = min(low, rows[i, a]), max(high, rows[i, a])
    width = high - low if high > low else 1.0
    for i in range(len(rows)):
        for a in range(rows.shape[1]):
            out[i, a] = (rows[i, a] - low) / width
    return width


@jit
def inside(G: Floats, B: Floats, role: Codes, kept: Flags, p: Floats) -> int:
    """A lottery that gives every row of G (whose largest entry is 1) something, and leaves slack where there is any."""
    g, m = G.shape
    even, every, one, units, none = np.zeros(m), np.ones(g, np.bool_), np.ones(g), np.empty(g), np.empty((0, m))
    for a in range(m):
        even[a] = p[a] = 1.0 if kept[a] else 0.0
    cleared(even, np.zeros(m), kept.copy())
    slack = level(B, role == BOUND, even, np.ones(len(B)))
    free = not (role == EQUATION).any()
    if level(G, every, even, one) > 0.05 and slack > 0.05 and free:
        return SOLVED
    scaled, goal, tolerance, ok = np.empty((g, m)), np.zeros(m + 1), 1e-2, False
    width = raised(G, every, kept, even, free and slack >= 0, scaled, units)
    goal[m], base = 1.0, level(G, every, even, one) - width * level(scaled, every, even, units)
    while tolerance >= _TOLERANCE:
        p[:] = even
        ok, _, y, _, nu, _, _ = lottery(scaled, every, B, role, none, kept, goal, units, p, tolerance)
        value = np.zeros(m)
        add_transposed(scaled, y, value)
        add_transposed(B, nu, value)
        bound = highest(value, kept) / mean(units, y) * width + base
        if ok and bound <= TINY:
            return NO_GAIN
        cleared(p, np.zeros(m), kept.copy())
        if ok and level(G, every, p, one) > 0.2 * bound:
            break
        tolerance *= 1e-4
    if tolerance < _TOLERANCE:
        return NO_GAIN if ok else UNSOLVED
    share, least = 0.5, 0.5 * level(G, every, p, one)
    while level(G, every, (1 - share) * p + share * even, one) <= least and share > 1e-9:
        share *= 0.5
    for a in range(m):
        p[a] = (1 - share) * p[a] + share * even[a]
    return SOLVED


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
                out_p[x, t], unique[x, t] = p, easy == 1
            still, present, nu, ok, value = kept.copy(), role.copy(), np.zeros(c), True, goal[0].copy()
            if easy == 0 and status[x] == SOLVED:
                if not started and g > 0:
                    status[x], started = inside(G, B, role, kept, start), True
                if status[x] != SOLVED:
                    break
                p[:] = start
                ok, z, y, s, nu, s_bounds, _ = lottery(G, live, B, role, none, kept, goal[0], shares, p, _TOLERANCE)
                cleared(p, z, still)
                if logs and (not ok or level(G, live, p, np.ones(g)) < 1e-3):
                    # tiny gains are lost beside the largest: count them in units of their own
                    for i in range(g):
                        G[i] /= mean(G[i], p)
                    ok, z, y, s, nu, s_bounds, _ = lottery(
                        G, live, B, present, none, still, goal[0], shares, p, _TOLERANCE
                    )
                    cleared(p, z, still)
                status[x] = SOLVED if ok else UNSOLVED
                add_transposed(G, y, value)
                add_transposed(B, nu, value)
                # gains are the same in all best lotteries where their logarithms count
                stay = np.zeros(g) if logs else s
                _, unique[x, t] = narrowed(G, live.copy(), B, present, none, still, p, y, stay, nu, s_bounds)
                out_p[x, t] = p
            restored(value, B, kept, role, out_by, turn, nu)
            for i in range(c):
                out_nu[x, t, i] = nu[i] * width
    return out_p, out_nu, status, unique
