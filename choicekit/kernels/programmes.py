"""One linear or logarithmic programme over lotteries: its matrix put together, solved and read."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.interior import add_transposed, interior, times
from choicekit.kernels.presolve import BOUND, EQUATION, TINY

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

#: What an interior point is brought to, and at how many steps it gives up.
TOLERANCE = 1e-13
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
def highest(value: Floats, kept: Flags) -> float:
    """The greatest value of a kept alternative."""
    most = -1e300
    for a in range(len(value)):
        if kept[a]:
            most = max(most, value[a])
    return most


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
    width = width if width > 0 else abs(low) if abs(low) > 0 else 1.0
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
            s[i] = max(s[i], TINY)
            y[i] = weight[i] / s[i]
        else:
            least = 0.1 * tau[groups[i]] if i < g and extra else 0.1
            s[i] = s[i] if s[i] > 0.01 * least else least
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
