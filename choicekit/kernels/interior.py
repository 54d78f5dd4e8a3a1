"""An interior-point method for lotteries: linear goals and logarithms of gains, with a dense matrix of few rows.

The problem is to maximise cost·v + Σ_i τ_i log s_i subject to s = E v ≥ 0 (rows that hold as inequalities), R v = r
(rows that hold as equations) and v ≥ 0. Its first-order conditions are s_i y_i = τ_i, v_a z_a = 0 and
cost + Eᵀy + Rᵀλ + z = 0 with y, z ≥ 0; a logarithm in the goal is a product that stays where it is while those of
the linear part go to zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit, jit_sums

Floats = NDArray[np.float64]

#: Columns that are multiplied at once, few enough to stay in the processor's cache.
_CHUNK = 256
#: What stays positive does not come nearer to 0, where a hopeless problem would bring it.
_LEAST = 1e-100


@jit_sums
def weighted_products(rows: Floats, scale: Floats, out: Floats) -> None:
    """The upper half of rows · diag(scale) · rowsᵀ."""
    count, width = rows.shape
    scaled = np.empty(min(_CHUNK, width))
    for low in range(0, width, _CHUNK):
        size = min(_CHUNK, width - low)
        for i in range(count):
            for a in range(size):
                scaled[a] = rows[i, low + a] * scale[low + a]
            j = i
            while j + 3 < count:
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
            while j < count:
                one = 0.0
                for a in range(size):
                    one += scaled[a] * rows[j, low + a]
                out[i, j] = one if low == 0 else out[i, j] + one
                j += 1


@jit_sums
def factor(matrix: Floats) -> None:
    """Cholesky's factor in the upper half, in place, with reciprocals on the diagonal.

    An unknown whose pivot rounding has eaten is fixed at 0.
    """
    size = len(matrix)
    least = np.empty(size)
    for i in range(size):
        least[i] = max(1e-15 * matrix[i, i], 1e-280)
    for i in range(size):
        root = 1 / np.sqrt(matrix[i, i]) if matrix[i, i] > least[i] else 1e-64
        matrix[i, i] = root
        for j in range(i + 1, size):
            matrix[i, j] *= root
        for j in range(i + 1, size):
            share = matrix[i, j]
            for a in range(j, size):
                matrix[j, a] -= share * matrix[i, a]


@jit_sums
def solve(upper: Floats, right: Floats) -> None:
    """x with Uᵀ U x = right, in place."""
    size = len(upper)
    for i in range(size):
        right[i] *= upper[i, i]
        mine = right[i]
        for a in range(i + 1, size):
            right[a] -= mine * upper[i, a]
    for i in range(size - 1, -1, -1):
        total = right[i]
        for a in range(i + 1, size):
            total -= upper[i, a] * right[a]
        right[i] = total * upper[i, i]


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
    E: Floats, k: int, upper: Floats, d: Floats, over_v: Floats, over_y: Floats, short: Floats, dual: Floats,
    want_s: Floats, want_v: Floats, dv: Floats, dy: Floats, inner: Floats,
) -> None:  # fmt: skip
    """Newton's step from a factor of E D Eᵀ + diag(s/y): for more alternatives than rows."""
    for a in range(len(dv)):
        inner[a] = d[a] * (dual[a] - want_v[a] * over_v[a])
    times(E, inner, dy)
    for i in range(len(E)):
        dy[i] += short[i]
    for i in range(k):
        dy[i] += want_s[i] * over_y[i]
    solve(upper, dy)
    for a in range(len(dv)):
        dv[a] = 0.0
    add_transposed(E, dy, dv)
    for a in range(len(dv)):
        dv[a] = d[a] * dv[a] - inner[a]


@jit_sums
def by_columns(
    E: Floats, k: int, upper: Floats, across: Floats, schur: Floats, heavy: float, v: Floats, s: Floats, y: Floats,
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
    solve(upper, dv)
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
    E: Floats, k: int, upper: Floats, across: Floats, schur: Floats, heavy: float, v: Floats, s: Floats, y: Floats,
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
    by_columns(E, k, upper, across, schur, heavy, v, s, y, left, lack, np.zeros(k), np.zeros(n), more_v, more_y)
    move(dv, 1.0, more_v)
    move(dy, 1.0, more_y)


@jit_sums
def refine_rows(
    E: Floats, k: int, upper: Floats, d: Floats, over_v: Floats, over_y: Floats, s: Floats, short: Floats,
    want_s: Floats, dv: Floats, dy: Floats, inner: Floats,
) -> None:  # fmt: skip
    """Take out of a step by rows what rounding left in its equations."""
    rows, n = E.shape
    left, more_v, more_y, none = np.empty(rows), np.empty(n), np.empty(rows), np.zeros(max(k, n))
    times(E, dv, left)
    for i in range(rows):
        left[i] = short[i] - left[i]
    for i in range(k):
        left[i] += (want_s[i] - s[i] * dy[i]) * over_y[i]
    by_rows(E, k, upper, d, over_v, over_y, left, none, none, none, more_v, more_y, inner)
    move(dv, 1.0, more_v)
    move(dy, 1.0, more_y)


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
    E: Floats, columns: Floats, k: int, v: Floats, s: Floats, y: Floats, z: Floats, d: Floats, over_v: Floats,
    over_y: Floats, upper: Floats, across: Floats, schur: Floats,
) -> float:  # fmt: skip
    """The factors that both steps of an iteration share; ``columns`` is Eᵀ where they go by columns, else empty.

    By columns the equations are added to the matrix with the weight that is returned, which changes their multipliers'
    steps by that weight times what the equations lack; that is nothing once they hold.
    """
    for a in range(len(v)):
        over_v[a] = 1 / v[a]
        d[a] = v[a] / z[a]
    if len(columns) == 0:
        for i in range(k):
            over_y[i] = 1 / y[i]
        weighted_products(E, d, upper)
        for i in range(k):
            upper[i, i] += s[i] * over_y[i]
        factor(upper)
        return 0.0
    ratio = np.empty(k)
    for i in range(k):
        ratio[i] = y[i] / s[i]
    weighted_products(columns, ratio, upper)
    heavy = 0.0
    for a in range(len(v)):
        upper[a, a] += z[a] * over_v[a]
        heavy = max(heavy, upper[a, a])
    # equations weigh as much as the heaviest row, so that no direction is left to the small z/v alone
    for j in range(len(E) - k):
        for a in range(len(v)):
            for b in range(a, len(v)):
                upper[a, b] += heavy * E[k + j, a] * E[k + j, b]
    factor(upper)
    for j in range(len(E) - k):
        for a in range(len(v)):
            across[j, a] = E[k + j, a]
        solve(upper, across[j])
        times(E[k:], across[j], schur[j])
    factor(schur)
    return heavy


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


@jit
def uncentred(tau: Floats, s: Floats, y: Floats, k: int) -> float:
    """How far, relatively, a product s·y is from the share that it must come to."""
    off = 0.0
    for i in range(k):
        if tau[i] > 0:
            off = max(off, abs(s[i] * y[i] / tau[i] - 1))
    return off


@jit
def aimed(
    tau: Floats, centre: float, second: float, s: Floats, y: Floats, v: Floats, z: Floats,
    ds: Floats, dy: Floats, dv: Floats, dz: Floats, want_s: Floats, want_v: Floats,
) -> None:  # fmt: skip
    """What the products s·y and v·z shall change by, with ``second`` of the second order of the step before."""
    for i in range(len(want_s)):
        aim = tau[i] if tau[i] > 0 else centre
        want_s[i] = aim - s[i] * y[i] - (second * ds[i] * dy[i] if second > 0 else 0.0)
    for a in range(len(want_v)):
        want_v[a] = centre - v[a] * z[a] - (second * dv[a] * dz[a] if second > 0 else 0.0)


@jit
def remembered(v: Floats, s: Floats, z: Floats, y: Floats, kept: Floats, store: bool) -> None:
    """A point put into a store of four rows, or fetched back."""
    for part, held in enumerate((v, s, z, y)):
        if store:
            put(held, kept[part])
        else:
            put(kept[part], held)


@jit
def moved(x: Floats, length: float, step: Floats, size: int) -> None:
    """The first entries moved along a step, and kept positive."""
    for a in range(size):
        x[a] = max(x[a] + length * step[a], _LEAST)


@jit
def scaled_prices(want: Floats, z: Floats, dv: Floats, over: Floats, dz: Floats) -> None:
    """The step of the prices z that goes with that of v."""
    for a in range(len(dz)):
        dz[a] = (want[a] - z[a] * dv[a]) * over[a]


@jit_sums
def interior(
    E: Floats, k: int, target: Floats, cost: Floats, tau: Floats, v: Floats, s: Floats, y: Floats, z: Floats,
    tolerance: float, limit: int,
) -> tuple[bool, int]:  # fmt: skip
    """Mehrotra's predictor and corrector from positive v, s, y[:k], z, which it moves; whether it met the tolerance.

    ``E`` holds the k inequalities and then the equations, ``y`` the multipliers of both.
    """
    rows, n = E.shape
    tall, linear = k > n, n + (tau[:k] == 0).sum()
    columns = np.ascontiguousarray(E[:k].T) if tall else np.empty((0, 0))
    upper = np.empty((n, n) if tall else (rows, rows))
    across, schur = np.empty((rows - k, n)), np.empty((rows - k, rows - k))
    short, dual = np.empty(rows), np.empty(n)
    dv, dy, ds, dz = np.zeros(n), np.zeros(rows), np.zeros(rows), np.zeros(n)
    want_s, want_v, inner = np.empty(k), np.empty(n), np.empty(n)
    d, over_v, over_y = np.empty(n), np.empty(n), np.empty(k)
    best, since, kept = 1e30, 0, np.empty((4, max(n, rows)))
    for step in range(limit):
        lack = residuals(E, k, target, cost, v, s, y, z, short, dual)
        total = pairs(tau, s, y, v, z, 0.0, 0.0, ds, dy, dv, dz)
        off = uncentred(tau, s, y, k)
        if total <= tolerance and lack <= tolerance and off <= 1e3 * tolerance:
            return True, step
        worst = total + lack + off
        if worst < 0.5 * best:
            best, since = worst, step
            remembered(v, s, z, y, kept, True)
        if not worst < 1e30 or step - since > (6 if best < 1e5 * tolerance else 30):
            # rounding lets it go no further: back to where it was best
            remembered(v, s, z, y, kept, False)
            return best <= 1e4 * tolerance, step
        heavy = prepare(E, columns, k, v, s, y, z, d, over_v, over_y, upper, across, schur)
        mu, centre, second = total / linear, 0.0, 0.0
        for phase in range(3):
            aimed(tau, centre, second * phase, s, y, v, z, ds, dy, dv, dz, want_s, want_v)
            if tall:
                by_columns(E, k, upper, across, schur, heavy, v, s, y, short, dual, want_s, want_v, dv, dy)
                refine(E, k, upper, across, schur, heavy, v, s, y, z, short, dual, want_v, dv, dy)
            else:
                by_rows(E, k, upper, d, over_v, over_y, short, dual, want_s, want_v, dv, dy, inner)
                if phase and total < 1e-5:
                    refine_rows(E, k, upper, d, over_v, over_y, s, short, want_s, dv, dy, inner)
            times(E, dv, ds)
            ds[:k] -= short[:k]
            scaled_prices(want_v, z, dv, over_v, dz)
            primal, price = min(longest(v, dv, n), longest(s, ds, k)), min(longest(z, dz, n), longest(y, dy, k))
            if phase == 0:
                primal, price = min(primal, 1.0), min(price, 1.0)
                left = pairs(tau, s, y, v, z, primal, price, ds, dy, dv, dz)
                centre = max(mu * min(max(left / total, 0.0), 1.0) ** 3, 0.1 * tolerance / linear)
                second = 1.0 if min(primal, price) > 0.1 else 0.0
            elif phase == 1 and min(primal, price) < 0.1:
                centre, second = mu, 0.0  # a corrector that leads nowhere gives way to a step towards the middle
            else:
                break
        near = max(0.98, 1 - max(mu, 1e-4))
        primal, price = min(near * primal, 1.0), min(near * price, 1.0)
        moved(v, primal, dv, n)
        moved(z, price, dz, n)
        moved(s, primal, ds, k)
        moved(y, price, dy, k)
        y[k:rows] += price * dy[k:rows]
    return False, limit
