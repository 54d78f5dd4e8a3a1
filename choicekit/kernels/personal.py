"""Loops of the low-rank model of voters: log-odds (W x)_first − (W x)_second with x = (1, z), z a voter's position.

Cells are sorted by voter: voter v has the cells ``start[v]`` to ``start[v + 1]``. Cell c is about the pair ``pair[c]``
of alternatives ``first`` and ``second`` (arrays over pairs), met ``count[c]`` times and won ``won[c]`` times by the
first. ``w[m, r + 1]`` has the population's scores in its first column and the loadings in the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@jit
def curvature(bend: float) -> float:
    """tanh(ξ/2)/(2ξ): the curvature of the quadratic bound on log σ that touches it at ±ξ."""
    if abs(bend) < 1e-4:
        return 0.25 - bend * bend / 48.0
    tail = np.exp(-abs(bend))
    return float((1.0 - tail) / ((1.0 + tail) * 2.0 * abs(bend)))


@jit
def _invert(matrix: Floats) -> tuple[Floats, float]:
    """The inverse of a small positive definite matrix and the log of its determinant, by Cholesky's factors."""
    size = len(matrix)
    root = np.zeros((size, size))
    logdet = 0.0
    for a in range(size):
        for b in range(a + 1):
            total = matrix[a, b]
            for k in range(b):
                total -= root[a, k] * root[b, k]
            root[a, b] = np.sqrt(total) if a == b else total / root[b, b]
        logdet += 2.0 * np.log(root[a, a])
    inverse = np.zeros((size, size))
    for column in range(size):
        for a in range(column, size):
            total = 1.0 if a == column else 0.0
            for k in range(column, a):
                total -= root[a, k] * inverse[k, column]
            inverse[a, column] = total / root[a, a]
        for a in range(size - 1, -1, -1):
            total = inverse[a, column]
            for k in range(a + 1, size):
                total -= root[k, a] * inverse[k, column]
            inverse[a, column] = total / root[a, a]
    return inverse, logdet


@jit
def _set_bends(
    first: Ints, second: Ints, pair: Ints, count: Floats, won: Floats, low: int, high: int, w: Floats, mean: Floats,
    covariance: Floats, bends: Floats,
) -> tuple[float, float]:  # fmt: skip
    """Put ξ = √E[log-odds²] in a voter's bends: the largest change, and the bound's part that is linear in log-odds."""
    rank, largest, value = len(mean), 0.0, 0.0
    for c in range(low, high):
        i, j = first[pair[c]], second[pair[c]]
        middle, square = w[i, 0] - w[j, 0], 0.0
        for a in range(rank):
            gap = w[i, a + 1] - w[j, a + 1]
            middle += gap * mean[a]
            for b in range(rank):
                square += gap * covariance[a, b] * (w[i, b + 1] - w[j, b + 1])
        bend = np.sqrt(middle * middle + square)
        largest = max(largest, abs(bend - bends[c]))
        bends[c] = bend
        value += (won[c] - 0.5 * count[c]) * middle
    return largest, value


@jit
def positions(
    first: Ints, second: Ints, pair: Ints, count: Floats, won: Floats, start: Ints, w: Floats, bends: Floats,
    passes: int, tolerance: float,
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Each voter's normal posterior under the bound: means [v, r], covariances [v, r, r], bends [c], bounds [v].

    Alternately the posterior given the bends ξ and the bends given the posterior, ξ² = E[log-odds²], at most
    ``passes`` times and until no bend moves by more than ``tolerance``. The bound is that on the voter's log marginal
    likelihood.
    """
    voters, rank = len(start) - 1, w.shape[1] - 1
    means = np.zeros((voters, rank))
    covariances = np.zeros((voters, rank, rank))
    renewed = bends.copy()
    bounds = np.zeros(voters)
    precision = np.empty((rank, rank))
    pull = np.empty(rank)
    gap = np.empty(rank + 1)
    for v in range(voters):
        value = 0.0
        for _ in range(passes):
            pull[:] = 0.0
            precision[:] = 0.0
            for a in range(rank):
                precision[a, a] = 1.0
            for c in range(start[v], start[v + 1]):
                i, j = first[pair[c]], second[pair[c]]
                for a in range(rank + 1):
                    gap[a] = w[i, a] - w[j, a]
                weight = count[c] * curvature(renewed[c])
                surplus = won[c] - 0.5 * count[c] - weight * gap[0]
                for a in range(rank):
                    pull[a] += surplus * gap[a + 1]
                    for b in range(a + 1):
                        precision[a, b] += weight * gap[a + 1] * gap[b + 1]
            for a in range(rank):
                for b in range(a):
                    precision[b, a] = precision[a, b]
            covariance, logdet = _invert(precision)
            for a in range(rank):
                means[v, a] = 0.0
                for b in range(rank):
                    means[v, a] += covariance[a, b] * pull[b]
                    covariances[v, a, b] = covariance[a, b]
            largest, value = _set_bends(
                first, second, pair, count, won, start[v], start[v + 1], w, means[v], covariance, renewed
            )
            value -= 0.5 * logdet
            if largest <= tolerance:
                break
        for a in range(rank):
            value -= 0.5 * (covariances[v, a, a] + means[v, a] * means[v, a] - 1.0)
        for c in range(start[v], start[v + 1]):
            # at these bends the quadratic terms cancel: log σ(ξ) − ξ/2 = −log(2 cosh(ξ/2))
            value -= count[c] * (0.5 * renewed[c] + np.log1p(np.exp(-renewed[c])))
        bounds[v] = value
    return means, covariances, renewed, bounds


@jit
def _log1p(tail: float) -> float:
    """log(1 + t) for 0 ≤ t ≤ 1 by the series of 2·artanh(t/(2 + t)), to 1e-13: much faster than a logarithm."""
    y = tail / (2.0 + tail)
    q = y * y
    far = 1 / 13 + q * (1 / 15 + q * (1 / 17 + q * (1 / 19 + q * (1 / 21 + q * (1 / 23 + q * (1 / 25))))))
    near = 1.0 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * far)))))
    return 2.0 * y * near


@jit
def _expected(mean: float, spread: float, nodes: Floats, weights: Floats) -> tuple[float, float, float]:
    """E[log(1 + e^η)] for normal η by quadrature, with its derivatives by the mean and (twice) by the variance."""
    value, chance, slope, steep = 0.0, 0.0, 0.0, 0.0
    for k in range(len(nodes)):
        eta = mean + spread * nodes[k]
        tail = np.exp(-abs(eta))
        larger = 1.0 / (1.0 + tail)
        share = larger if eta > 0.0 else 1.0 - larger
        value += weights[k] * (max(eta, 0.0) + _log1p(tail))
        chance += weights[k] * share
        slope += weights[k] * share * nodes[k]
        steep += weights[k] * share * (1.0 - share)
    return value, chance, slope / spread if spread > 1e-6 else steep


@jit
def _normal_bound(
    first: Ints, second: Ints, pair: Ints, count: Floats, won: Floats, low: int, high: int, w: Floats, mean: Floats,
    covariance: Floats, nodes: Floats, weights: Floats, surplus: Floats, slope: Floats,
) -> float:  # fmt: skip
    """E[log-likelihood] of a voter's cells at a normal position; fills in their surpluses and curvatures."""
    rank, value = len(mean), 0.0
    for c in range(low, high):
        i, j = first[pair[c]], second[pair[c]]
        middle, square = w[i, 0] - w[j, 0], 0.0
        for a in range(rank):
            gap = w[i, a + 1] - w[j, a + 1]
            middle += gap * mean[a]
            for b in range(rank):
                square += gap * covariance[a, b] * (w[i, b + 1] - w[j, b + 1])
        loss, chance, bend = _expected(middle, np.sqrt(max(square, 0.0)), nodes, weights)
        value += won[c] * middle - count[c] * loss
        surplus[c] = won[c] - count[c] * chance
        slope[c] = count[c] * bend
    return value


@jit
def _set_slopes(
    first: Ints, second: Ints, pair: Ints, low: int, high: int, w: Floats, mean: Floats, surplus: Floats,
    slope: Floats, pull: Floats, precision: Floats,
) -> None:  # fmt: skip
    """The gradient of a voter's bound by the mean, and the precision that its curvatures call for."""
    rank = len(mean)
    precision[:] = 0.0
    for a in range(rank):
        pull[a] = -mean[a]
        precision[a, a] = 1.0
    for c in range(low, high):
        i, j = first[pair[c]], second[pair[c]]
        for a in range(rank):
            gap = w[i, a + 1] - w[j, a + 1]
            pull[a] += surplus[c] * gap
            for b in range(rank):
                precision[a, b] += slope[c] * gap * (w[i, b + 1] - w[j, b + 1])


@jit
def tighten(
    first: Ints, second: Ints, pair: Ints, count: Floats, won: Floats, start: Ints, w: Floats, means: Floats,
    covariances: Floats, nodes: Floats, weights: Floats, passes: int, tolerance: float,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:  # fmt: skip
    """The best normal posterior of each voter, from a given one: means, covariances, surpluses, curvatures, bounds.

    At most ``passes`` steps to mean + S·gradient and to the precision I + Σ curvature·u uᵀ, halved while the bound
    falls, until it rises by no more than ``tolerance``. The quadrature's ``nodes`` and ``weights`` are those of the
    standard normal. Surpluses are such that the bound's pull on x is surplus − curvature·E[log-odds], as in
    :func:`positions`.
    """
    voters, rank = len(start) - 1, w.shape[1] - 1
    means, covariances = means.copy(), covariances.copy()
    surplus, slope = np.zeros(len(pair)), np.zeros(len(pair))
    bounds = np.zeros(voters)
    pull, step, trial = np.empty(rank), np.empty(rank), np.empty(rank)
    precision, between = np.empty((rank, rank)), np.empty((rank, rank))
    for v in range(voters):
        low, high = start[v], start[v + 1]
        now, logdet = _invert(covariances[v])
        value = _normal_bound(first, second, pair, count, won, low, high, w, means[v], covariances[v], nodes, weights,
                              surplus, slope) + 0.5 * (rank + logdet)  # fmt: skip
        for a in range(rank):
            value -= 0.5 * (covariances[v, a, a] + means[v, a] ** 2)
        for _ in range(passes):
            _set_slopes(first, second, pair, low, high, w, means[v], surplus, slope, pull, precision)
            wanted, _ = _invert(precision)
            for a in range(rank):
                step[a] = 0.0
                for b in range(rank):
                    step[a] += wanted[a, b] * pull[b]
            length, risen = 1.0, 0.0
            for _ in range(20):
                for a in range(rank):
                    trial[a] = means[v, a] + length * step[a]
                    for b in range(rank):
                        between[a, b] = now[a, b] + length * (precision[a, b] - now[a, b])
                covariance, logdet = _invert(between)
                renewed = _normal_bound(first, second, pair, count, won, low, high, w, trial, covariance, nodes,
                                        weights, surplus, slope) + 0.5 * (rank - logdet)  # fmt: skip
                for a in range(rank):
                    renewed -= 0.5 * (covariance[a, a] + trial[a] ** 2)
                risen = renewed - value
                if risen >= -1e-13 * abs(value):
                    break
                length *= 0.5
            value = renewed
            means[v] = trial
            covariances[v] = covariance
            now[:] = between
            if risen <= tolerance:
                break
        bounds[v] = value
        for c in range(low, high):
            i, j = first[pair[c]], second[pair[c]]
            middle = w[i, 0] - w[j, 0]
            for a in range(rank):
                middle += (w[i, a + 1] - w[j, a + 1]) * means[v, a]
            surplus[c] += slope[c] * middle
    return means, covariances, surplus, slope, bounds


@jit
def moments(
    first: Ints, second: Ints, pair: Ints, count: Floats, start: Ints, surplus: Floats, slope: Floats, means: Floats,
    covariances: Floats, size: int,
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """What the bound says of ``w``: curvature [pairs, r + 1, r + 1], pull [m, r + 1], and comparisons met [m].

    A cell's log-odds have the bound surplus·η − ½·curvature·η², to second order where the bound is not quadratic.
    """
    voters, terms = len(start) - 1, means.shape[1] + 1
    blocks = np.zeros((len(first), terms, terms))
    pull = np.zeros((size, terms))
    met = np.zeros(size)
    x = np.ones(terms)
    square = np.zeros((terms, terms))
    for v in range(voters):
        x[1:] = means[v]
        for a in range(terms):
            for b in range(a + 1):
                square[a, b] = x[a] * x[b]
                if b > 0:
                    square[a, b] += covariances[v, a - 1, b - 1]
        for c in range(start[v], start[v + 1]):
            p = pair[c]
            i, j = first[p], second[p]
            met[i] += count[c]
            met[j] += count[c]
            for a in range(terms):
                pull[i, a] += surplus[c] * x[a]
                pull[j, a] -= surplus[c] * x[a]
                for b in range(a + 1):
                    blocks[p, a, b] += slope[c] * square[a, b]
    for p in range(len(first)):
        for a in range(terms):
            for b in range(a):
                blocks[p, b, a] = blocks[p, a, b]
    return blocks, pull, met


@jit
def _apply(first: Ints, second: Ints, blocks: Floats, precision: Floats, w: Floats) -> Floats:
    terms = w.shape[1]
    out = w * precision
    for p in range(len(first)):
        i, j = first[p], second[p]
        for a in range(terms):
            flow = 0.0
            for b in range(terms):
                flow += blocks[p, a, b] * (w[i, b] - w[j, b])
            out[i, a] += flow
            out[j, a] -= flow
    return out


@jit
def solve(
    first: Ints, second: Ints, blocks: Floats, pull: Floats, precision: Floats, start: Floats, accuracy: float
) -> tuple[Floats, Floats]:
    """``w`` [m, r + 1] of the largest bound, and the gradient at ``start``.

    Conjugate gradients from ``start``, with each alternative's own block for a preconditioner: the bound rises with
    every step, however early they stop.
    """
    size, terms = start.shape
    own = np.zeros((size, terms, terms))
    for p in range(len(first)):
        own[first[p]] += blocks[p]
        own[second[p]] += blocks[p]
    for i in range(size):
        for a in range(terms):
            own[i, a, a] += precision[a]
        inverse, _ = _invert(own[i])
        own[i] = inverse
    w = start.copy()
    gradient = pull - _apply(first, second, blocks, precision, w)
    residual = gradient.copy()
    z = np.zeros((size, terms))
    direction = np.zeros((size, terms))
    product, goal = 0.0, 0.0
    for step in range(10 * size * terms + 100):
        renewed = 0.0
        for i in range(size):
            for a in range(terms):
                z[i, a] = 0.0
                for b in range(terms):
                    z[i, a] += own[i, a, b] * residual[i, b]
                renewed += z[i, a] * residual[i, a]
        if step == 0:
            goal = accuracy * accuracy * renewed
            direction[:] = z
        else:
            direction = z + (renewed / product) * direction
        if renewed <= goal or renewed <= 0.0:
            break
        product = renewed
        image = _apply(first, second, blocks, precision, direction)
        length = product / (direction * image).sum()
        w += length * direction
        residual -= length * image
    return w, gradient
