"""An interior-point method for lotteries: linear goals and logarithms of gains, with a dense matrix of few rows.

The problem is to maximise cost·v + Σ_i τ_i log s_i subject to s = E v ≥ 0 (rows that hold as inequalities), R v = r
(rows that hold as equations) and v ≥ 0. Its first-order conditions are s_i y_i = τ_i, v_a z_a = 0 and
cost + Eᵀy + Rᵀλ + z = 0 with y, z ≥ 0; a logarithm in the goal is a product that stays where it is while those of
the linear part go to zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit_sums

Floats = NDArray[np.float64]

#: Columns that are multiplied at once, few enough to stay in the processor's cache.
_CHUNK = 256


@jit_sums
def weighted_products(rows: Floats, scale: Floats, out: Floats) -> None:
    """The lower half of rows · diag(scale) · rowsᵀ."""
    count, width = rows.shape
    scaled = np.empty(_CHUNK)
    for low in range(0, width, _CHUNK):
        size = min(_CHUNK, width - low)
        for i in range(count):
            for a in range(size):
                scaled[a] = rows[i, low + a] * scale[low + a]
            j = 0
            while j + 3 <= i:
                one, two, three, four = 0.0, 0.0, 0.0, 0.0
                for a in range(size):
                    mine = scaled[a]
                    one += mine * rows[j, low + a]
                    two += mine * rows[j + 1, low + a]
                    three += mine * rows[j + 2, low + a]
                    four += mine * rows[j + 3, low + a]
                out[i, j] = one if low == 0 else out[i, j] + one
                out[i, j + 1] = two if low == 0 else out[i, j + 1] + two
                out[i, j + 2] = three if low == 0 else out[i, j + 2] + three
                out[i, j + 3] = four if low == 0 else out[i, j + 3] + four
                j += 4
            while j <= i:
                one = 0.0
                for a in range(size):
                    one += scaled[a] * rows[j, low + a]
                out[i, j] = one if low == 0 else out[i, j] + one
                j += 1


@jit_sums
def factor(matrix: Floats) -> None:
    """Cholesky's factor in the lower half, in place; an unknown whose pivot rounding has eaten is fixed at 0."""
    for i in range(len(matrix)):
        diagonal = matrix[i, i]
        for j in range(i + 1):
            total = matrix[i, j]
            for a in range(j):
                total -= matrix[i, a] * matrix[j, a]
            if j < i:
                matrix[i, j] = total / matrix[j, j]
            elif total > 1e-15 * diagonal and total > 1e-280:
                matrix[i, i] = np.sqrt(total)
            else:
                matrix[i, i] = 1e64


@jit_sums
def solve(lower: Floats, right: Floats) -> None:
    """x with L Lᵀ x = right, in place."""
    size = len(lower)
    for i in range(size):
        total = right[i]
        for a in range(i):
            total -= lower[i, a] * right[a]
        right[i] = total / lower[i, i]
    for i in range(size - 1, -1, -1):
        right[i] /= lower[i, i]
        for a in range(i):
            right[a] -= lower[i, a] * right[i]


@jit_sums
def times(rows: Floats, vector: Floats, out: Floats) -> None:
    """out = rows · vector."""
    for i in range(len(rows)):
        total = 0.0
        for a in range(len(vector)):
            total += rows[i, a] * vector[a]
        out[i] = total


@jit_sums
def add_transposed(rows: Floats, vector: Floats, out: Floats) -> None:
    """out += rowsᵀ · vector."""
    for i in range(len(rows)):
        weight = vector[i]
        for a in range(rows.shape[1]):
            out[a] += weight * rows[i, a]


@jit_sums
def by_rows(
    E: Floats, k: int, lower: Floats, d: Floats, v: Floats, y: Floats, short: Floats, dual: Floats,
    want_s: Floats, want_v: Floats, dv: Floats, dy: Floats,
) -> None:  # fmt: skip
    """Newton's step from a factor of E D Eᵀ + diag(s/y): for more alternatives than rows."""
    inner = np.empty(len(v))
    for a in range(len(v)):
        inner[a] = d[a] * dual[a] - want_v[a] * d[a] / v[a]
    times(E, inner, dy)
    for i in range(len(E)):
        dy[i] += short[i]
        if i < k:
            dy[i] += want_s[i] / y[i]
    solve(lower, dy)
    for a in range(len(v)):
        dv[a] = want_v[a] / v[a] - dual[a]
    add_transposed(E, dy, dv)
    for a in range(len(v)):
        dv[a] *= d[a]


@jit_sums
def by_columns(
    E: Floats, k: int, lower: Floats, across: Floats, schur: Floats, heavy: float, v: Floats, s: Floats, y: Floats,
    short: Floats, dual: Floats, want_s: Floats, want_v: Floats, dv: Floats, dy: Floats,
) -> None:  # fmt: skip
    """Newton's step from a factor of Eᵀ diag(y/s) E + diag(z/v): for more rows than alternatives."""
    equations = len(E) - k
    push = np.empty(k)
    for i in range(k):
        push[i] = want_s[i] / s[i] + y[i] / s[i] * short[i]
    for a in range(len(v)):
        dv[a] = want_v[a] / v[a] - dual[a]
    add_transposed(E[:k], push, dv)
    solve(lower, dv)
    pull = np.empty(equations)
    times(E[k:], dv, pull)
    for j in range(equations):
        pull[j] = short[k + j] - pull[j]
    solve(schur, pull)
    add_transposed(across, pull, dv)
    gained = np.empty(k)
    times(E[:k], dv, gained)
    for i in range(k):
        dy[i] = want_s[i] / s[i] - y[i] / s[i] * (gained[i] - short[i])
    for j in range(equations):
        dy[k + j] = pull[j] - (heavy * short[k + j] if abs(short[k + j]) > 1e-12 else 0.0)


@jit_sums
def refine(
    E: Floats, k: int, lower: Floats, across: Floats, schur: Floats, heavy: float, v: Floats, s: Floats, y: Floats,
    z: Floats, short: Floats, dual: Floats, want_v: Floats, dv: Floats, dy: Floats,
) -> None:  # fmt: skip
    """Take out of a step by columns what rounding left in its equations."""
    rows, n = E.shape
    lack, left = np.empty(n), np.zeros(rows)
    more_v, more_y = np.empty(n), np.empty(rows)
    for a in range(n):
        lack[a] = (want_v[a] - z[a] * dv[a]) / v[a] - dual[a]
    add_transposed(E, dy, lack)
    for a in range(n):
        lack[a] = -lack[a]
    times(E[k:], dv, left[k:])
    for j in range(k, rows):
        left[j] = short[j] - left[j]
    by_columns(E, k, lower, across, schur, heavy, v, s, y, left, lack, np.zeros(k), np.zeros(n), more_v, more_y)
    for a in range(n):
        dv[a] += more_v[a]
    for i in range(rows):
        dy[i] += more_y[i]


@jit_sums
def refine_rows(
    E: Floats, k: int, lower: Floats, d: Floats, v: Floats, s: Floats, y: Floats, short: Floats, want_s: Floats,
    dv: Floats, dy: Floats,
) -> None:  # fmt: skip
    """Take out of a step by rows what rounding left in its equations."""
    rows, n = E.shape
    left = np.empty(rows)
    times(E, dv, left)
    for i in range(rows):
        left[i] = short[i] - left[i]
        if i < k:
            left[i] += (want_s[i] - s[i] * dy[i]) / y[i]
    more_v, more_y = np.empty(n), np.empty(rows)
    by_rows(E, k, lower, d, v, y, left, np.zeros(n), np.zeros(k), np.zeros(n), more_v, more_y)
    for a in range(n):
        dv[a] += more_v[a]
    for i in range(rows):
        dy[i] += more_y[i]


@jit_sums
def longest(values: Floats, steps: Floats, count: int) -> float:
    """The longest step that leaves no value negative."""
    length = 1e300
    for i in range(count):
        if steps[i] < 0:
            length = min(length, -values[i] / steps[i])
    return length


@jit_sums
def pairs(
    tau: Floats, s: Floats, y: Floats, v: Floats, z: Floats, primal: float, price: float, ds: Floats, dy: Floats,
    dv: Floats, dz: Floats,
) -> float:  # fmt: skip
    """The sum of the products that have to vanish, after a step of those lengths."""
    total = 0.0
    for i in range(len(s)):
        if tau[i] == 0:
            total += (s[i] + primal * ds[i]) * (y[i] + price * dy[i])
    for a in range(len(v)):
        total += (v[a] + primal * dv[a]) * (z[a] + price * dz[a])
    return total


@jit_sums
def residuals(
    E: Floats, k: int, target: Floats, cost: Floats, v: Floats, s: Floats, y: Floats, z: Floats, short: Floats,
    dual: Floats,
) -> float:  # fmt: skip
    """What the linear conditions lack, and the largest lack, that of prices relative to them."""
    times(E, v, short)
    worst = 0.0
    for i in range(len(E)):
        short[i] = (s[i] if i < k else target[i - k]) - short[i]
        worst = max(worst, abs(short[i]))
    for a in range(len(v)):
        dual[a] = cost[a] + z[a]
    add_transposed(E, y, dual)
    largest = 1.0
    for i in range(len(E)):
        largest = max(largest, abs(y[i]))
    for a in range(len(v)):
        dual[a] = -dual[a]
        worst = max(worst, abs(dual[a]) / largest)
    return worst


@jit_sums
def prepare(
    E: Floats, columns: Floats, k: int, v: Floats, s: Floats, y: Floats, z: Floats, lower: Floats, across: Floats,
    schur: Floats,
) -> tuple[Floats, float]:  # fmt: skip
    """The factors that both steps of an iteration share; ``columns`` is Eᵀ where they go by columns, else empty.

    By columns the equations are added to the matrix with a weight, which changes their multipliers' steps by that
    weight times what the equations lack; that is nothing once they hold.
    """
    d = np.empty(len(v))
    for a in range(len(v)):
        d[a] = v[a] / z[a]
    if len(columns) == 0:
        weighted_products(E, d, lower)
        for i in range(k):
            lower[i, i] += s[i] / y[i]
        factor(lower)
        return d, 0.0
    ratio = np.empty(k)
    for i in range(k):
        ratio[i] = y[i] / s[i]
    weighted_products(columns, ratio, lower)
    for a in range(len(v)):
        lower[a, a] += z[a] / v[a]
    # equations weigh as much as the heaviest row, so that no direction is left to the small z/v alone
    heavy = 0.0
    for a in range(len(v)):
        heavy = max(heavy, lower[a, a])
    for j in range(len(E) - k):
        for a in range(len(v)):
            for b in range(a + 1):
                lower[a, b] += heavy * E[k + j, a] * E[k + j, b]
    factor(lower)
    for j in range(len(E) - k):
        for a in range(len(v)):
            across[j, a] = E[k + j, a]
        solve(lower, across[j])
        times(E[k : k + j + 1], across[j], schur[j])
    factor(schur)
    return d, heavy


@jit_sums
def put(values: Floats, out: Floats) -> None:
    """Copy as many values as both have."""
    for i in range(min(len(values), len(out))):
        out[i] = values[i]


@jit_sums
def move(values: Floats, length: float, steps: Floats) -> None:
    """values += length · steps, of which there may be more."""
    for i in range(len(values)):
        values[i] += length * steps[i]


@jit_sums
def interior(
    E: Floats, k: int, target: Floats, cost: Floats, tau: Floats, v: Floats, s: Floats, y: Floats, z: Floats,
    tolerance: float, limit: int,
) -> tuple[bool, int]:  # fmt: skip
    """Mehrotra's predictor and corrector from positive v, s, y[:k], z, which it moves; whether it met the tolerance.

    ``E`` holds the k inequalities and then the equations, ``y`` the multipliers of both.
    """
    rows, n = E.shape
    linear, tall = n, k > n
    for i in range(k):
        linear += 1 if tau[i] == 0 else 0
    columns = np.empty((n, k) if tall else (0, 0))
    for a in range(len(columns)):
        for i in range(k):
            columns[a, i] = E[i, a]
    lower = np.empty((n, n) if tall else (rows, rows))
    across, schur = np.empty((rows - k, n)), np.empty((rows - k, rows - k))
    short, dual = np.empty(rows), np.empty(n)
    dv, dy, ds, dz = np.zeros(n), np.zeros(rows), np.zeros(rows), np.zeros(n)
    want_s, want_v = np.empty(k), np.empty(n)
    best, since, kept = 1e30, 0, np.empty((4, max(n, rows)))
    for step in range(limit):
        lack = residuals(E, k, target, cost, v, s, y, z, short, dual)
        total = pairs(tau, s, y, v, z, 0.0, 0.0, ds, dy, dv, dz)
        off = 0.0
        for i in range(k):
            if tau[i] > 0:
                off = max(off, abs(s[i] * y[i] / tau[i] - 1))
        if total <= tolerance and lack <= tolerance and off <= 1e3 * tolerance:
            return True, step
        worst = total + lack + off
        if worst < 0.5 * best:
            best, since = worst, step
            put(v, kept[0]), put(s, kept[1]), put(z, kept[2]), put(y, kept[3])
        if not worst < 1e30 or step - since > 6:
            # rounding lets it go no further: back to where it was best
            put(kept[0], v), put(kept[1], s), put(kept[2], z), put(kept[3], y)
            return best <= 1e4 * tolerance, step
        d, heavy = prepare(E, columns, k, v, s, y, z, lower, across, schur)
        mu, centre, second = total / linear, 0.0, 0.0
        for phase in range(2):
            for i in range(k):
                aim = tau[i] if tau[i] > 0 else centre
                want_s[i] = aim - s[i] * y[i] - (second * ds[i] * dy[i] if phase else 0.0)
            for a in range(n):
                want_v[a] = centre - v[a] * z[a] - (second * dv[a] * dz[a] if phase else 0.0)
            if tall:
                by_columns(E, k, lower, across, schur, heavy, v, s, y, short, dual, want_s, want_v, dv, dy)
                refine(E, k, lower, across, schur, heavy, v, s, y, z, short, dual, want_v, dv, dy)
            else:
                by_rows(E, k, lower, d, v, y, short, dual, want_s, want_v, dv, dy)
                if total < 1e-5:
                    refine_rows(E, k, lower, d, v, s, y, short, want_s, dv, dy)
            times(E, dv, ds)
            for i in range(k):
                ds[i] -= short[i]
            for a in range(n):
                dz[a] = (want_v[a] - z[a] * dv[a]) / v[a]
            primal = min(longest(v, dv, n), longest(s, ds, k))
            price = min(longest(z, dz, n), longest(y, dy, k))
            if phase == 0:
                primal, price = min(primal, 1.0), min(price, 1.0)
                left = pairs(tau, s, y, v, z, primal, price, ds, dy, dv, dz)
                centre = max(mu * min(max(left / total, 0.0), 1.0) ** 3, 0.1 * tolerance / linear)
                second = 1.0 if min(primal, price) > 0.1 else 0.0
        near = max(0.9, 1 - max(10 * mu, 1e-4))
        primal, price = min(near * primal, 1.0), min(near * price, 1.0)
        move(v, primal, dv)
        move(s, primal, ds)
        move(y, price, dy)
        move(z, price, dz)
    return False, limit
