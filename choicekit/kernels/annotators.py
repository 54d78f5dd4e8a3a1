"""Loops of the models of voters who differ: reliability and position bias, disagreement, hidden context.

A cell is a pair of alternatives, ``first[c] < second[c]``, that ``voter[c]`` met with ``order[c]`` (1 where the first
was shown first, -1 where the second was): ``won[c]`` times for the first, ``lost[c]`` for the second. Cells are sorted
by voter, ``begin[v]:begin[v + 1]`` being voter v's.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


# --- Voters who are more and less reliable -------------------------------------------------------------------------


@jit
def logistic(x: float) -> tuple[float, float, float]:
    """1/(1 + e⁻ˣ), 1/(1 + eˣ) and log(1 + eˣ), each accurate where it is near 0 and without overflow."""
    small = math.exp(-abs(x))
    high, low = 1.0 / (1.0 + small), small / (1.0 + small)
    return (high, low, x + math.log1p(small)) if x >= 0.0 else (low, high, math.log1p(small))


@jit
def log_odds(gap: float, ability: float, crowd: bool) -> tuple[float, float, float, float, float]:
    """Log-odds u of preferring the first, with ∂u/∂gap, ∂u/∂ability, ∂²u/∂gap² and ∂²u/∂gap∂ability.

    Ability a times the gap; or for a ``crowd`` with η = σ(ability) the log-odds of ησ(gap) + (1 − η)σ(−gap), which are
    log(1 + e^(gap + ability)) − log(e^gap + e^ability): the same in both arguments, so ∂²u/∂ability² is ∂²u/∂gap².
    """
    if not crowd:
        return ability * gap, ability, gap, 0.0, 1.0
    total, apart = gap + ability, gap - ability
    e, f = math.exp(-abs(total)), math.exp(-abs(apart))
    u = max(total, 0.0) - max(gap, ability) + math.log1p((e - f) / (1.0 + f))
    # σ(gap + ability) is high where the sum is positive; likewise σ(gap − ability)
    both = (1.0 if total >= 0.0 else e) / (1.0 + e)
    differ, agree = (1.0 if apart >= 0.0 else f) / (1.0 + f), (f if apart >= 0.0 else 1.0) / (1.0 + f)
    bend, bend_apart = e / ((1.0 + e) * (1.0 + e)), f / ((1.0 + f) * (1.0 + f))
    return u, both - differ, both - agree, bend - bend_apart, bend + bend_apart


@jit
def voters_loglik(
    first: Ints, second: Ints, voter: Ints, order: Floats, won: Floats, lost: Floats, scores: Floats, ability: Floats,
    bias: Floats, crowd: bool,
) -> tuple[float, Floats, Floats, Floats]:  # fmt: skip
    """Log-likelihood, and its gradient by scores ``[m]``, ability ``[v]`` and bias ``[v]``."""
    value = 0.0
    by_score, by_ability, by_bias = np.zeros(len(scores)), np.zeros(len(ability)), np.zeros(len(bias))
    for c in range(len(first)):
        v = voter[c]
        u, u_gap, u_ability, _, _ = log_odds(scores[first[c]] - scores[second[c]], ability[v], crowd)
        z = u + bias[v] * order[c]
        up, down, cost = logistic(z)
        value -= won[c] * (cost - z) + lost[c] * cost
        # won·(1 − p) − lost·p, with nothing to cancel where p is near 0 or 1
        surplus = won[c] * down - lost[c] * up
        by_score[first[c]] += surplus * u_gap
        by_score[second[c]] -= surplus * u_gap
        by_ability[v] += surplus * u_ability
        by_bias[v] += surplus * order[c]
    return value, by_score, by_ability, by_bias


@jit
def voters_curvature(
    first: Ints, second: Ints, voter: Ints, order: Floats, won: Floats, lost: Floats, scores: Floats, ability: Floats,
    bias: Floats, crowd: bool,
) -> Floats:  # fmt: skip
    """Minus the second derivatives ``[cells, 6]`` by (gap, ability, bias): gg, ga, gb, aa, ab, bb."""
    out = np.empty((len(first), 6))
    for c in range(len(first)):
        v = voter[c]
        u, u_gap, u_ability, bend, cross = log_odds(scores[first[c]] - scores[second[c]], ability[v], crowd)
        z = u + bias[v] * order[c]
        up, down, _ = logistic(z)
        surplus = won[c] * down - lost[c] * up
        weight = (won[c] + lost[c]) * up * down
        out[c, 0] = weight * u_gap * u_gap - surplus * bend
        out[c, 1] = weight * u_gap * u_ability - surplus * cross
        out[c, 2] = weight * u_gap * order[c]
        out[c, 3] = weight * u_ability * u_ability - surplus * (bend if crowd else 0.0)
        out[c, 4] = weight * u_ability * order[c]
        out[c, 5] = weight * order[c] * order[c]
    return out


@jit
def _voter_block(
    v: int, begin: Ints, first: Ints, second: Ints, curvature: Floats, precision: Floats, spot: Ints, touched: Ints,
    cross: Floats,
) -> tuple[int, float, float, float]:  # fmt: skip
    """Voter v's 2 × 2 block inverted (aa, ab, bb), its cross terms with the ``touched`` alternatives, and how many."""
    aa, ab, bb = precision[1], 0.0, precision[2]
    used = 0
    for c in range(begin[v], begin[v + 1]):
        aa += curvature[c, 3]
        ab += curvature[c, 4]
        bb += curvature[c, 5]
        for side in range(2):
            i = first[c] if side == 0 else second[c]
            sign = 1.0 - 2.0 * side
            if spot[i] < 0:
                spot[i] = used
                touched[used] = i
                cross[used, 0] = 0.0
                cross[used, 1] = 0.0
                used += 1
            cross[spot[i], 0] += sign * curvature[c, 1]
            cross[spot[i], 1] += sign * curvature[c, 2]
    for k in range(used):
        spot[touched[k]] = -1
    determinant = aa * bb - ab * ab
    return used, bb / determinant, -ab / determinant, aa / determinant


@jit
def voters_reduce(
    first: Ints, second: Ints, begin: Ints, curvature: Floats, precision: Floats, by_score: Floats, by_voter: Floats
) -> tuple[Floats, Floats]:
    """The information on scores ``[m, m]`` once the voters' parameters are solved for, and the right-hand side.

    ``precision`` are the priors' for scores, ability and bias; the gradients are ``by_score[m]``, ``by_voter[v, 2]``.
    """
    size = len(by_score)
    information = np.zeros((size, size))
    side = by_score.copy()
    for i in range(size):
        information[i, i] = precision[0]
    for c in range(len(first)):
        i, j = first[c], second[c]
        information[i, i] += curvature[c, 0]
        information[j, j] += curvature[c, 0]
        information[i, j] -= curvature[c, 0]
        information[j, i] -= curvature[c, 0]
    spot, touched, cross = np.full(size, -1), np.zeros(size, np.int64), np.zeros((size, 2))
    for v in range(len(begin) - 1):
        used, aa, ab, bb = _voter_block(v, begin, first, second, curvature, precision, spot, touched, cross)
        for k in range(used):
            left = cross[k, 0] * aa + cross[k, 1] * ab
            right = cross[k, 0] * ab + cross[k, 1] * bb
            side[touched[k]] -= left * by_voter[v, 0] + right * by_voter[v, 1]
            for n in range(used):
                information[touched[k], touched[n]] -= left * cross[n, 0] + right * cross[n, 1]
    return information, side


@jit
def voters_solve(
    first: Ints, second: Ints, begin: Ints, curvature: Floats, precision: Floats, by_voter: Floats, step: Floats
) -> Floats:
    """The voters' part ``[v, 2]`` of a Newton step whose part for the scores is ``step[m]``."""
    size = len(step)
    out = np.zeros((len(begin) - 1, 2))
    spot, touched, cross = np.full(size, -1), np.zeros(size, np.int64), np.zeros((size, 2))
    for v in range(len(begin) - 1):
        used, aa, ab, bb = _voter_block(v, begin, first, second, curvature, precision, spot, touched, cross)
        left, right = by_voter[v, 0], by_voter[v, 1]
        for k in range(used):
            left -= cross[k, 0] * step[touched[k]]
            right -= cross[k, 1] * step[touched[k]]
        out[v, 0] = aa * left + ab * right
        out[v, 1] = ab * left + bb * right
    return out


@jit
def voters_variance(
    first: Ints, second: Ints, begin: Ints, curvature: Floats, precision: Floats, covariance: Floats
) -> Floats:
    """Variances ``[v, 2]`` of ability and bias, from the information and the scores' ``covariance[m, m]``."""
    size = len(covariance)
    out = np.zeros((len(begin) - 1, 2))
    spot, touched, cross = np.full(size, -1), np.zeros(size, np.int64), np.zeros((size, 2))
    for v in range(len(begin) - 1):
        used, aa, ab, bb = _voter_block(v, begin, first, second, curvature, precision, spot, touched, cross)
        ability, bias = aa, bb
        for k in range(used):
            for n in range(used):
                both = covariance[touched[k], touched[n]]
                ability += (cross[k, 0] * aa + cross[k, 1] * ab) * both * (cross[n, 0] * aa + cross[n, 1] * ab)
                bias += (cross[k, 0] * ab + cross[k, 1] * bb) * both * (cross[n, 0] * ab + cross[n, 1] * bb)
        out[v, 0] = ability
        out[v, 1] = bias
    return out


@jit
def leading_signs(edge: Ints, voter: Ints, net: Floats, edges: int, voters: int, rounds: int) -> Floats:
    """The leading left singular vector ``[voters]`` of the matrix of net wins by (voter, pair), by power iteration."""
    side = np.ones(voters)
    for k in range(voters):  # not all equal, lest the start be orthogonal to what is sought
        side[k] += 0.1 * math.sin(1.0 + k)
    for _ in range(rounds):
        pair = np.zeros(edges)
        for c in range(len(edge)):
            pair[edge[c]] += net[c] * side[voter[c]]
        renewed = np.zeros(voters)
        for c in range(len(edge)):
            renewed[voter[c]] += net[c] * pair[edge[c]]
        length = math.sqrt((renewed * renewed).sum())
        if length == 0.0:
            return side
        side = renewed / length
    return side


# --- Disagreement within and between voters -----------------------------------------------------------------------


@jit
def disagreements(question: Ints, unit: Ints, count: Floats, mean: Floats, square: Floats, times: Floats, size: int
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """For each question: disagreement within voters, between them, and how many voters answered it twice.

    A cell is one voter's ``count`` answers to one ``question``, with their mean and mean square; voter ``unit`` is
    taken ``times[unit]`` over and never compared with a copy of itself. Where nothing can be compared, NaN.
    """
    within, repeats = np.zeros(size), np.zeros(size)
    taken, taken_twice, first, second = np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size)
    own = np.zeros(size)
    for c in range(len(question)):
        q, t = question[c], times[unit[c]]
        if count[c] > 1.0:
            within[q] += t * 2.0 * count[c] / (count[c] - 1.0) * max(square[c] - mean[c] * mean[c], 0.0)
            repeats[q] += t
        taken[q] += t
        taken_twice[q] += t * t
        first[q] += t * mean[c]
        second[q] += t * square[c]
        own[q] += t * t * (square[c] - mean[c] * mean[c])
    between = np.full(size, np.nan)
    for q in range(size):
        within[q] = within[q] / repeats[q] if repeats[q] > 0.0 else np.nan
        # over ordered pairs of different voters, E(x − y)² = s + s' − 2·m·m'
        pairs = taken[q] * taken[q] - taken_twice[q]
        if pairs > 0.0:
            total = 2.0 * (taken[q] * second[q] - first[q] * first[q]) - 2.0 * own[q]
            between[q] = max(total, 0.0) / pairs
    return within, between, repeats


# --- Hidden context: the normal distribution -----------------------------------------------------------------------


@jit
def log_normal(z: float) -> tuple[float, float, float]:
    """log Φ(z), its derivative φ/Φ, and minus its second derivative, (φ/Φ)·(z + φ/Φ)."""
    if z >= -14.0:
        tail = 0.5 * math.erfc(abs(z) * math.sqrt(0.5))
        below = tail if z < 0.0 else 1.0 - tail
        ratio = math.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * below)
        return (math.log(below) if z < 0.0 else math.log1p(-tail)), ratio, ratio * (z + ratio)
    # Φ(z) = φ(z)/|z|·(1 − d) with d = 1/z² − 3/z⁴ + 15/z⁶ − …
    term, d = 1.0, 0.0
    for k in range(1, 30):
        term *= -(2.0 * k - 1.0) / (z * z)
        d -= term
        if abs(term) < 1e-18:
            break
    ratio = -z / (1.0 - d)
    return (
        -0.5 * z * z - 0.5 * math.log(2.0 * math.pi) - math.log(-z) + math.log1p(-d),
        ratio,
        -ratio * z * d / (1.0 - d),
    )


@jit
def log_normals(z: Floats) -> tuple[Floats, Floats, Floats]:
    """:func:`log_normal` of each entry."""
    value, ratio, bend = np.empty(len(z)), np.empty(len(z)), np.empty(len(z))
    for k in range(len(z)):
        value[k], ratio[k], bend[k] = log_normal(z[k])
    return value, ratio, bend


@jit
def spread_loglik(
    first: Ints, second: Ints, won: Floats, lost: Floats, means: Floats, logs: Floats
) -> tuple[float, Floats, Floats]:
    """Σ won·log Φ(z) + lost·log Φ(−z), z = (μ_i − μ_j)/√(σ_i² + σ_j²), with its gradient by μ and by log σ."""
    value = 0.0
    by_mean, by_log = np.zeros(len(means)), np.zeros(len(logs))
    for e in range(len(first)):
        i, j = first[e], second[e]
        top = max(logs[i], logs[j])
        a, b = math.exp(2.0 * (logs[i] - top)), math.exp(2.0 * (logs[j] - top))
        scale = math.exp(top) * math.sqrt(a + b)
        a, b = a / (a + b), b / (a + b)
        z = (means[i] - means[j]) / scale
        up, up_ratio, _ = log_normal(z)
        down, down_ratio, _ = log_normal(-z)
        value += won[e] * up + lost[e] * down
        surplus = won[e] * up_ratio - lost[e] * down_ratio
        by_mean[i] += surplus / scale
        by_mean[j] -= surplus / scale
        by_log[i] -= surplus * z * a
        by_log[j] -= surplus * z * b
    return value, by_mean, by_log


@jit
def spread_information(
    first: Ints, second: Ints, won: Floats, lost: Floats, means: Floats, logs: Floats
) -> tuple[Floats, Floats]:
    """Minus the second derivatives ``[2m, 2m]`` of :func:`spread_loglik` by (μ, log σ), and their expectation."""
    size = len(means)
    observed, expected = np.zeros((2 * size, 2 * size)), np.zeros((2 * size, 2 * size))
    at, slope, bend = np.zeros(4, np.int64), np.zeros(4), np.zeros((4, 4))
    for e in range(len(first)):
        i, j = first[e], second[e]
        top = max(logs[i], logs[j])
        a, b = math.exp(2.0 * (logs[i] - top)), math.exp(2.0 * (logs[j] - top))
        scale = math.exp(top) * math.sqrt(a + b)
        a, b = a / (a + b), b / (a + b)
        z = (means[i] - means[j]) / scale
        _, up_ratio, up_bend = log_normal(z)
        _, down_ratio, down_bend = log_normal(-z)
        surplus = won[e] * up_ratio - lost[e] * down_ratio
        curve = won[e] * up_bend + lost[e] * down_bend
        weight = (won[e] + lost[e]) * up_ratio * down_ratio  # n·φ²/(Φ(z)·Φ(−z))
        at[0], at[1], at[2], at[3] = i, j, size + i, size + j
        slope[0], slope[1], slope[2], slope[3] = 1.0 / scale, -1.0 / scale, -z * a, -z * b
        bend[0, 2], bend[0, 3], bend[1, 2], bend[1, 3] = -a / scale, -b / scale, a / scale, b / scale
        bend[2, 2], bend[3, 3], bend[2, 3] = z * a * (a - 2.0 * b), z * b * (b - 2.0 * a), 3.0 * z * a * b
        for k in range(4):
            for n in range(4):
                second_order = bend[min(k, n), max(k, n)]
                observed[at[k], at[n]] += curve * slope[k] * slope[n] - surplus * second_order
                expected[at[k], at[n]] += weight * slope[k] * slope[n]
    return observed, expected
