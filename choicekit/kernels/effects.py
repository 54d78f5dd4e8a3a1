"""Loops of the Bradley–Terry family with ties, an order effect and features.

A cell is a pair with its covariates: the linear predictor of cell c is η_c = scores[first] − scores[second] +
covariates[c] · slopes, and ``won, lost, tied`` say how often the first won, the second won, and neither did.
``model`` is 0 for Bradley–Terry (a tie is half a win each way), 1 for Davidson's ties with log ν = ``tie``, 2 for
Rao and Kupper's with log θ = ``tie``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[Any]
Floats = NDArray[np.float64]


@jit
def _softplus(x: float) -> float:
    """log(1 + exp(x))."""
    return float(max(x, 0.0) + np.log1p(np.exp(-abs(x))))


@jit
def _sigmoid(x: float) -> float:
    if x >= 0.0:
        return float(1.0 / (1.0 + np.exp(-x)))
    tail = np.exp(x)
    return float(tail / (1.0 + tail))


@jit
def cell_terms(
    model: int, eta: float, tie: float, won: float, lost: float, tied: float
) -> tuple[float, float, float, float, float, float]:
    """The negative log-likelihood of one cell, d/dη, d/dtie, d²/dη², d²/dη dtie and d²/dtie²."""
    n = won + lost + tied
    if model == 0:
        wins = won + 0.5 * tied
        p = _sigmoid(eta)
        value = wins * _softplus(-eta) + (n - wins) * _softplus(eta)
        return value, n * p - wins, 0.0, n * p * (1.0 - p), 0.0, 0.0
    if model == 1:
        half = 0.5 * eta
        top = max(abs(half), tie)
        a, b, c = np.exp(half - top), np.exp(-half - top), np.exp(tie - top)
        total = a + b + c
        a, b, c = a / total, b / total, c / total
        value = n * (top + np.log(total)) - (won - lost) * half - tied * tie
        slope = 0.5 * (n * (a - b) - (won - lost))
        bend = 0.25 * n * (a * (1.0 - a) + b * (1.0 - b) + 2.0 * a * b)
        return value, slope, n * c - tied, bend, -0.5 * n * c * (a - b), n * c * (1.0 - c)
    ahead, behind = won + tied, lost + tied
    p, q = _sigmoid(eta - tie), _sigmoid(-eta - tie)
    both = -np.expm1(-2.0 * tie)
    value = ahead * _softplus(tie - eta) + behind * _softplus(tie + eta)
    tie_slope = ahead * (1.0 - p) + behind * (1.0 - q)
    tie_bend = ahead * p * (1.0 - p) + behind * q * (1.0 - q)
    if tied > 0.0:
        value -= tied * (2.0 * tie + np.log(both))
        tie_slope -= 2.0 * tied / both
        tie_bend += 4.0 * tied * np.exp(-2.0 * tie) / (both * both)
    slope = behind * (1.0 - q) - ahead * (1.0 - p)
    across = behind * q * (1.0 - q) - ahead * p * (1.0 - p)
    return value, slope, tie_slope, ahead * p * (1.0 - p) + behind * q * (1.0 - q), across, tie_bend


@jit
def predictor(first: Ints, second: Ints, covariates: Floats, scores: Floats, slopes: Floats) -> Floats:
    """η of every cell."""
    eta = np.empty(len(first))
    for c in range(len(first)):
        eta[c] = scores[first[c]] - scores[second[c]]
        for k in range(len(slopes)):
            eta[c] += covariates[c, k] * slopes[k]
    return eta


@jit
def value(model: int, eta: Floats, tie: float, won: Floats, lost: Floats, tied: Floats) -> float:
    """The negative log-likelihood."""
    total = 0.0
    for c in range(len(eta)):
        total += cell_terms(model, eta[c], tie, won[c], lost[c], tied[c])[0]
    return total


@jit
def residuals(
    model: int, eta: Floats, tie: float, won: Floats, lost: Floats, tied: Floats
) -> tuple[Floats, Floats, Floats]:
    """Of each cell the derivative of the negative log-likelihood in η and in the tie parameter, and d²/dη²."""
    cells = len(eta)
    slope, tie_slope, bend = np.empty(cells), np.empty(cells), np.empty(cells)
    for c in range(cells):
        _, slope[c], tie_slope[c], bend[c], _, _ = cell_terms(model, eta[c], tie, won[c], lost[c], tied[c])
    return slope, tie_slope, bend


@jit
def derivatives(
    model: int, first: Ints, second: Ints, covariates: Floats, won: Floats, lost: Floats, tied: Floats, eta: Floats,
    tie: float, size: int,
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:  # fmt: skip
    """Derivatives of the negative log-likelihood in scores[m] and extras[q] = (tie, slopes).

    They are the gradient[m] and its sizes (what its entries are compared with), gradient[q], curvature by cell, the
    mixed block [m, q] and the block [q, q].
    """
    extras = 1 + covariates.shape[1]
    gradient, met, own = np.zeros(size), np.zeros(size), np.zeros(extras)
    curvature, mixed, corner = np.empty(len(first)), np.zeros((size, extras)), np.zeros((extras, extras))
    row = np.empty(extras)
    for c in range(len(first)):
        i, j = first[c], second[c]
        _, slope, tie_slope, bend, across, tie_bend = cell_terms(model, eta[c], tie, won[c], lost[c], tied[c])
        curvature[c] = bend
        gradient[i] += slope
        gradient[j] -= slope
        n = won[c] + lost[c] + tied[c]
        met[i] += n
        met[j] += n
        row[0] = across
        own[0] += tie_slope
        corner[0, 0] += tie_bend
        for k in range(1, extras):
            x = covariates[c, k - 1]
            row[k] = bend * x
            own[k] += slope * x
            corner[0, k] += across * x
            for other in range(1, k + 1):
                corner[other, k] += bend * x * covariates[c, other - 1]
        for k in range(extras):
            mixed[i, k] += row[k]
            mixed[j, k] -= row[k]
    for k in range(extras):
        for other in range(k):
            corner[k, other] = corner[other, k]
    return gradient, met, own, curvature, mixed, corner


@jit
def by_edge(edge: Ints, won: Any, lost: Any, tied: Any, edges: int) -> tuple[Floats, Floats]:
    """How often each pair met and its first won, a tie half a win, from the outcomes of cells."""
    count, ahead = np.zeros(edges), np.zeros(edges)
    for c in range(len(edge)):
        count[edge[c]] += won[c] + lost[c] + tied[c]
        ahead[edge[c]] += won[c] + 0.5 * tied[c]
    return count, ahead


@jit
def unit_scores(
    first: Ints, second: Ints, covariates: Floats, slope: Floats, tie_slope: Floats, unit: Ints, units: int, size: int,
    free: bool,
) -> Floats:  # fmt: skip
    """The derivatives of each unit's likelihood ``[units, parameters]``: of scores (if free), tie and slopes."""
    offset = size if free else 0
    out = np.zeros((units, offset + 1 + covariates.shape[1]))
    for c in range(len(first)):
        row = out[unit[c]]
        if free:
            row[first[c]] += slope[c]
            row[second[c]] -= slope[c]
        row[offset] += tie_slope[c]
        for k in range(covariates.shape[1]):
            row[offset + 1 + k] += slope[c] * covariates[c, k]
    return out


@jit
def outer(
    first: Ints, second: Ints, covariates: Floats, slope: Floats, tie_slope: Floats, weight: Floats, size: int,
    free: bool,
) -> Floats:  # fmt: skip
    """Σ weight · u uᵀ over cells, u being a cell's derivatives."""
    offset = size if free else 0
    extras = 1 + covariates.shape[1]
    out = np.zeros((offset + extras, offset + extras))
    place, entry = np.empty(extras + 2, np.int64), np.empty(extras + 2)
    for c in range(len(first)):
        used = 0
        if free:
            place[0], entry[0] = first[c], slope[c]
            place[1], entry[1] = second[c], -slope[c]
            used = 2
        place[used], entry[used] = offset, tie_slope[c]
        for k in range(covariates.shape[1]):
            place[used + 1 + k], entry[used + 1 + k] = offset + 1 + k, slope[c] * covariates[c, k]
        used += extras
        for a in range(used):
            for b in range(used):
                out[place[a], place[b]] += weight[c] * entry[a] * entry[b]
    return out
