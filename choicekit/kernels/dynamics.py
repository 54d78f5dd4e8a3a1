"""Loops of populations that retrain: one round of curation, and rewards fitted to pairs drawn unevenly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]

#: Step of the trapezoidal rule in log t. On a strip of half-width θ < π/2 the integrand is analytic and no more than
#: 1/cos θ times as large, so that the relative error is below 2/(cos θ·(e^{2πθ/h} − 1)): 2e-15 at θ = 1.5.
_STEP = 0.25


@jit
def curated(policy: Floats, kept: Floats, shares: Floats) -> Floats:
    """p(x)·Σ_g q_g k_g(x)/E_p[k_g] for ``policy[x, m]`` and ``kept[x, g, m]`` = e^r, made to sum to one."""
    contexts, groups, size = kept.shape
    out = np.zeros((contexts, size))
    for x in range(contexts):
        for g in range(groups):
            mean = 0.0
            for a in range(size):
                mean += policy[x, a] * kept[x, g, a]
            for a in range(size):
                out[x, a] += shares[g] / mean * kept[x, g, a]
        total = 0.0
        for a in range(size):
            out[x, a] *= policy[x, a]
            total += out[x, a]
        for a in range(size):
            out[x, a] /= total
    return out


@jit
def curated_of_two(policy: Floats, kept: Floats, shares: Floats) -> Floats:
    """The same where of two answers drawn one is kept: 2p(x)·Σ_y p(y)·Σ_g q_g k_g(x)/(k_g(x) + k_g(y))."""
    contexts, groups, size = kept.shape
    out = np.zeros((contexts, size))
    for x in range(contexts):
        for a in range(size):
            out[x, a] += policy[x, a] ** 2
            for b in range(a):
                both = 2.0 * policy[x, a] * policy[x, b]
                if both > 0.0:
                    for g in range(groups):
                        part = both * shares[g] / (kept[x, g, a] + kept[x, g, b])
                        out[x, a] += part * kept[x, g, a]
                        out[x, b] += part * kept[x, g, b]
        total = 0.0
        for a in range(size):
            total += out[x, a]
        for a in range(size):
            out[x, a] /= total
    return out


@jit
def curated_of_few(policy: Floats, kept: Floats, shares: Floats, samples: int) -> Floats:
    """The same where ``samples`` = K are drawn and one is kept: p(x)·Σ_g q_g E[K k_g(x)/(k_g(x) + Σ_{j<K} k_g(y_j))].

    With 1/s = ∫ e^{−ts} dt the expectation is K k(x) ∫ e^{−t k(x)} φ(t)^{K−1} dt, φ(t) = E_p[e^{−t k}]: an integral
    over log t, by the trapezoidal rule. The largest ``kept`` of a group among what has probability is 1.
    """
    contexts, groups, size = kept.shape
    out = np.zeros((contexts, size))
    grown, decays = np.empty(size), np.empty(size)
    for x in range(contexts):
        for g in range(groups):
            own = kept[x, g]
            for a in range(size):
                grown[a] = 0.0
            # left of the start lies less than K·t of the integral
            at = -39.0 - np.log(samples)
            going = True
            while going:
                t = np.exp(at)
                mean, lost = 0.0, 0.0
                for a in range(size):
                    if policy[x, a] > 0.0:
                        loss = -np.expm1(-t * own[a])
                        decays[a] = 1.0 - loss if loss < 0.5 else np.exp(-t * own[a])
                        lost += policy[x, a] * loss
                        mean += policy[x, a] * decays[a]
                # log φ to the last digits, which K multiplies
                rest = 0.0
                if mean > 0.0:
                    rest = samples * np.exp((samples - 1) * (np.log1p(-lost) if lost < 0.5 else np.log(mean)))
                going = False
                for a in range(size):
                    if policy[x, a] > 0.0:
                        grown[a] += _STEP * own[a] * t * rest * decays[a]
                        # what is still to come is at most rest · decay
                        going |= rest * decays[a] > 1e-17 * grown[a]
                at += _STEP
            for a in range(size):
                out[x, a] += shares[g] * grown[a]
        total = 0.0
        for a in range(size):
            out[x, a] *= policy[x, a]
            total += out[x, a]
        for a in range(size):
            out[x, a] /= total
    return out


@jit
def eliminate(system: Floats, right: Floats) -> None:
    """The solution of a linear system into its right side, by Gauss's elimination with row pivots; both are used up."""
    size = len(right)
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(system[i, k]) > abs(system[pivot, k]):
                pivot = i
        if pivot != k:
            for j in range(k, size):
                system[k, j], system[pivot, j] = system[pivot, j], system[k, j]
            right[k], right[pivot] = right[pivot], right[k]
        for i in range(k + 1, size):
            factor = system[i, k] / system[k, k]
            if factor != 0.0:
                for j in range(k + 1, size):
                    system[i, j] -= factor * system[k, j]
                right[i] -= factor * right[k]
    for k in range(size - 1, -1, -1):
        total = right[k]
        for j in range(k + 1, size):
            total -= system[k, j] * right[j]
        right[k] = total / system[k, k]


@jit
def fitted(chances: Floats, often: Floats, pull: Floats, tolerance: float, limit: int) -> tuple[Floats, float]:
    """Scores ``[x, m]`` with Σ_b w_ab (σ(s_a − s_b) − P_ab) + λ_a s_a = 0, and the largest miss of those equations.

    ``chances[x, m, m]`` are P; ``often`` are w, each row with its ``pull[x, m]`` λ_a summing to one, so that what is
    hardly ever drawn is fitted as exactly as the rest. Newton's method, in which no difference moves by more than 1.5.
    """
    contexts, size, _ = chances.shape
    scores = np.zeros((contexts, size))
    system, missed = np.empty((size, size)), np.empty(size)
    worst = 0.0
    for x in range(contexts):
        own = scores[x]
        error = np.inf
        for _ in range(limit):
            error = 0.0
            for a in range(size):
                missed[a] = pull[x, a] * own[a]
                # the scores are free up to a constant where nothing pulls; the 1/m takes that freedom
                free = 1.0 / size if pull[x].max() == 0.0 else 0.0
                diagonal = pull[x, a] + 1e-14
                for b in range(size):
                    win = 1.0 / (1.0 + np.exp(own[b] - own[a]))
                    bend = often[x, a, b] * win * (1.0 - win) if a != b else 0.0
                    missed[a] += often[x, a, b] * (win - chances[x, a, b])
                    system[a, b] = free - bend
                    diagonal += bend
                system[a, a] = free + diagonal
                error = max(error, abs(missed[a]))
            if error <= tolerance:
                break
            eliminate(system, missed)
            width = missed.max() - missed.min()
            for a in range(size):
                own[a] -= missed[a] * min(1.0, 1.5 / max(width, 1e-300))
        if pull[x].max() == 0.0:
            mean = own.mean()
            for a in range(size):
                own[a] -= mean
        worst = max(worst, error)
    return scores, worst
