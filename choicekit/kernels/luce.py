"""Loops of the Bradley–Terry model.

A comparison graph is three arrays over unordered pairs: ``first[e] < second[e]`` and how often they met, ``count[e]``,
with ``won[e]`` of those for the first (a tie is half a win each way).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@jit
def count_dense(winner: Ints, loser: Ints, tie: Bools, weight: Floats, size: int) -> tuple[Floats, Floats]:
    """Tallies ``count, won`` over all pairs, at ``first * size + second``."""
    count = np.zeros(size * size)
    won = np.zeros(size * size)
    for row in range(len(winner)):
        a, b = winner[row], loser[row]
        share = 0.5 if tie[row] else 1.0
        if a < b:
            cell = a * size + b
        else:
            cell = b * size + a
            share = 1.0 - share
        count[cell] += weight[row]
        won[cell] += weight[row] * share
    return count, won


@jit
def add_by_group(
    group: Ints, edge: Ints, count: Floats, won: Floats, times: Floats, groups: int, edges: int
) -> tuple[Floats, Floats]:
    """Tallies ``[groups, edges]`` of cells (group, edge, count, won), each taken ``times`` over."""
    total = np.zeros((groups, edges))
    wins = np.zeros((groups, edges))
    for cell in range(len(edge)):
        if times[cell] != 0.0:
            total[group[cell], edge[cell]] += times[cell] * count[cell]
            wins[group[cell], edge[cell]] += times[cell] * won[cell]
    return total, wins


@jit
def loglik(first: Ints, second: Ints, count: Floats, won: Floats, scores: Floats) -> float:
    """The log-likelihood, ties as half wins."""
    total = 0.0
    for e in range(len(first)):
        if count[e] > 0.0:
            gap = scores[first[e]] - scores[second[e]]
            # log σ(gap) and log σ(−gap) without overflow
            tail = np.log1p(np.exp(-abs(gap)))
            total -= won[e] * (tail + max(-gap, 0.0)) + (count[e] - won[e]) * (tail + max(gap, 0.0))
    return total


@jit
def _laplacian(first: Ints, second: Ints, weight: Floats, precision: float, vector: Floats) -> Floats:
    out = precision * vector
    for e in range(len(first)):
        flow = weight[e] * (vector[first[e]] - vector[second[e]])
        out[first[e]] += flow
        out[second[e]] -= flow
    return out


@jit
def _gradient(
    first: Ints, second: Ints, count: Floats, won: Floats, centre: Floats, precision: float, scores: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Expected minus observed wins with the prior's pull, curvature a pair, its diagonal, and comparisons met."""
    size = len(scores)
    gradient = precision * (scores - centre)
    curvature = np.empty(len(first))
    diagonal = np.full(size, precision)
    met = np.full(size, precision)
    for e in range(len(first)):
        i, j = first[e], second[e]
        p = 1.0 / (1.0 + np.exp(scores[j] - scores[i]))
        surplus = count[e] * p - won[e]
        gradient[i] += surplus
        gradient[j] -= surplus
        curvature[e] = count[e] * p * (1.0 - p)
        diagonal[i] += curvature[e]
        diagonal[j] += curvature[e]
        met[i] += count[e]
        met[j] += count[e]
    return gradient, curvature, diagonal, met


@jit
def _conjugate_gradient(
    first: Ints, second: Ints, curvature: Floats, precision: float, diagonal: Floats, target: Floats, accuracy: float
) -> Floats:
    """Jacobi-preconditioned solution of (Laplacian + precision·I) x = target to a relative accuracy.

    Without precision the Laplacian is singular, and what rounding leaves along the constant vector would grow: it is
    taken out of the residual, from each entry in proportion to its diagonal.
    """
    size = len(target)
    x = np.zeros(size)
    singular = 1.0 / max(diagonal.sum(), 1e-300) if precision == 0.0 else 0.0
    residual = target - diagonal * (target.sum() * singular)
    z = residual / np.maximum(diagonal, 1e-300)
    direction = z.copy()
    product = residual @ z
    goal = accuracy * accuracy * product
    for _ in range(20 * size + 100):
        if product <= goal or product <= 0.0:
            break
        image = _laplacian(first, second, curvature, precision, direction)
        bend = direction @ image
        if bend <= 0.0:
            break
        step = product / bend
        x += step * direction
        residual -= step * image
        residual -= diagonal * (residual.sum() * singular)
        z = residual / np.maximum(diagonal, 1e-300)
        renewed = residual @ z
        direction = z + (renewed / product) * direction
        product = renewed
    return x


@jit
def newton(
    first: Ints, second: Ints, count: Floats, won: Floats, centre: Floats, precision: float, start: Floats,
    tolerance: float, limit: int,
) -> tuple[Floats, int, float]:  # fmt: skip
    """Maximise log-likelihood − ½·precision·‖scores − centre‖²: scores, iterations, residual.

    Newton's method with conjugate gradients solved as exactly as the residual calls for, steps that change no pair's
    difference by more than 2 and are halved while the objective falls. The residual is max |gradient| per comparison
    met (plus precision).
    """
    scores = start.copy()
    residual = np.inf
    value = loglik(first, second, count, won, scores) - 0.5 * precision * ((scores - centre) ** 2).sum()
    for iteration in range(limit + 1):
        gradient, curvature, diagonal, met = _gradient(first, second, count, won, centre, precision, scores)
        residual = 0.0
        for i in range(len(scores)):
            if met[i] > 0.0:
                residual = max(residual, abs(gradient[i]) / met[i])
        if residual <= tolerance or iteration == limit:
            return scores, iteration, residual
        accuracy = min(0.1, residual)
        step = _conjugate_gradient(first, second, curvature, precision, diagonal, -gradient, accuracy)
        if precision == 0.0:
            step -= step.mean()
        longest = 0.0
        for e in range(len(first)):
            longest = max(longest, abs(step[first[e]] - step[second[e]]))
        if longest > 2.0:
            step *= 2.0 / longest
        for _ in range(30):
            trial = scores + step
            renewed = loglik(first, second, count, won, trial) - 0.5 * precision * ((trial - centre) ** 2).sum()
            if renewed >= value - 1e-12 * abs(value):
                break
            step *= 0.5
        scores = scores + step
        value = renewed
    return scores, limit, residual


@jit
def preferences(rewards: Floats, weights: Floats) -> Floats:
    """P(a over b) ``[x, m, m]`` by a random member of groups with ``rewards[x, g, m]`` and ``weights[g]``."""
    contexts, groups, size = rewards.shape
    out = np.full((contexts, size, size), 0.5)
    for x in range(contexts):
        for a in range(size):
            for b in range(a):
                chance = 0.0
                for g in range(groups):
                    chance += weights[g] / (1.0 + np.exp(rewards[x, g, b] - rewards[x, g, a]))
                out[x, a, b] = chance
                out[x, b, a] = 1.0 - chance
    return out


@jit
def tilted(
    rewards: Floats, logs: Floats, contexts: Floats, prices: Floats, beta: float
) -> tuple[float, Floats, Floats]:
    """max over π of Σ_g μ_g F_g(π), with gradient F(π_μ)[g] and Hessian [g, g], at μ = ``prices``.

    F_g is the mean over contexts (weights ``contexts[x]``) of ⟨π, r_g⟩ − β·KL(π‖ρ), for ``rewards[x, g, m]`` and
    ``logs[x, m]`` = log ρ; the maximiser is π_μ ∝ ρ·exp((μr)/(β|μ|)).
    """
    number, groups, size = rewards.shape
    total = prices.sum()
    value = 0.0
    gains = np.zeros(groups)
    bend = np.zeros((groups, groups))
    weight = np.empty(size)
    mixed = np.empty(size)
    means = np.empty(groups)
    for x in range(number):
        peak = -np.inf
        for m in range(size):
            mixed[m] = 0.0
            for g in range(groups):
                mixed[m] += prices[g] / total * rewards[x, g, m]
            peak = max(peak, logs[x, m] + mixed[m] / beta)
        mass = 0.0
        for m in range(size):
            weight[m] = np.exp(logs[x, m] + mixed[m] / beta - peak)
            mass += weight[m]
        value += contexts[x] * beta * (peak + np.log(mass))
        for m in range(size):
            weight[m] /= mass
        for g in range(groups):
            means[g] = 0.0
            for m in range(size):
                means[g] += weight[m] * (rewards[x, g, m] - mixed[m])
            gains[g] += contexts[x] * means[g]
        for g in range(groups):
            for h in range(g + 1):
                second = 0.0
                for m in range(size):
                    second += weight[m] * (rewards[x, g, m] - mixed[m]) * (rewards[x, h, m] - mixed[m])
                bend[g, h] += contexts[x] * (second - means[g] * means[h]) / (total * beta)
    for g in range(groups):
        gains[g] += value
        for h in range(g):
            bend[h, g] = bend[g, h]
    return total * value, gains, bend
