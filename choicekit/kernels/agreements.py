"""Bargains over tilted policies by Newton's method on their convex duals, block of contexts by block.

Arrays are those of :mod:`choicekit.kernels.tilts`; ``starts[b]`` is the first context of a block, ``base[b, g]`` what
each group is counted from, ``width[b]`` the size of what is maximised and ``span[b]`` that of the rewards, which
rounding is in proportion to.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit, jit_sums
from choicekit.kernels.tilts import NO_GAIN, SOLVED, UNBOUNDED, UNSOLVED, dot, factored, settle, solved, valued

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

STEPS = 200


@jit_sums
def room(values: Floats, change: Floats) -> float:
    """The share of a change, 1 at most, that leaves positive values 5 % of their size."""
    length = 1.0
    for i in range(len(values)):
        if change[i] < 0.0:
            length = min(length, -0.95 * values[i] / change[i])
    return length


@jit_sums
def logs_of(values: Floats) -> float:
    total = 0.0
    for i in range(len(values)):
        total += np.log(values[i])
    return total


@jit_sums
def direction(bend: Floats, slope: Floats, simplex: bool, step: Floats) -> None:
    """The Newton step −B⁻¹s, of sum 0 on the simplex; the matrix is overwritten."""
    factored(bend)
    solved(bend, -slope, step)
    if simplex:
        other = np.empty(len(slope))
        solved(bend, np.ones(len(slope)), other)
        step -= step.sum() / other.sum() * other


@jit_sums
def bounded(
    rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, nu: Floats, base: Floats, scale: Floats,
    width: float, span: float, offset: int, homogeneous: bool, beta: float, tolerance: float, mu: Floats,
) -> tuple[float, float, int]:  # fmt: skip
    """Minimise V(μ) − μ·d over μ = λ/scale, λ in the simplex, or over λ ≥ 0 with μ = 1 for the group ``offset`` ≥ 0.

    The first is the dual of max t with F_g ≥ d_g + t·scale_g, the second of max F_offset with F_g ≥ d_g. Returns the
    value, its distance from the primal's, and the status; ν and μ are written.
    """
    groups = len(base)
    simplex = offset < 0
    free = np.array([g for g in range(groups) if g != offset])
    count = len(free)
    weights = np.full(count, 1.0 / count if simplex else 1.0)
    barrier = 0.1 * width
    duals = barrier / weights
    gains, bend = np.empty(groups), np.empty((groups, groups))
    inner, slope, step, z = np.empty((count, count)), np.empty(count), np.empty(count), np.empty(count)
    trial = weights.copy()
    value, now, gap, length = 0.0, 0.0, np.inf, 1.0
    start = True
    for _ in range(STEPS):
        # a step that a search has chosen, or the start
        while True:
            if offset >= 0:
                mu[offset] = 1.0
            for i in range(count):
                trial[i] = weights[i] + (0.0 if start else length * step[i])
                mu[free[i]] = trial[i] / scale[free[i]]
            value = valued(rewards, logs, contexts, slacks, nu, mu, beta, homogeneous, gains, bend) - dot(mu, base)
            if start:
                break
            risen = value - barrier * logs_of(trial) - now
            noise = 1e-15 * max(span * max(1.0, mu.sum()), abs(value))
            if risen <= 1e-4 * length * dot(slope, step) + noise or length < 1e-12:
                break
            length *= 0.5
        if not start:
            weights[:] = trial
            # the product of slack and price is driven to the barrier's, as far as it may be trusted
            duals = np.minimum(np.maximum(duals, 1e-3 * barrier / weights), 1e3 * barrier / weights)
            if -dot(slope, step) <= 0.1 * barrier:
                barrier *= 0.1
        start = False
        least, complement = np.inf, 0.0
        for i in range(count):
            z[i] = (gains[free[i]] - base[free[i]]) / scale[free[i]]
            least = min(least, z[i])
            complement += weights[i] * z[i]
        gap = value - least if simplex else max(abs(complement), -least)
        if gap <= tolerance * width:
            return value, max(gap, 0.0), SOLVED
        if not simplex and weights.max() > UNBOUNDED:
            return value, gap, UNSOLVED
        for i in range(count):
            slope[i] = z[i] - barrier / weights[i]
            for j in range(count):
                # on the simplex a multiple of the matrix of ones changes nothing, and V has no curvature along μ
                inner[i, j] = bend[free[i], free[j]] / (scale[free[i]] * scale[free[j]]) + (width if simplex else 0.0)
            inner[i, i] += duals[i] / weights[i]
        direction(inner, slope, simplex, step)
        length = room(weights, step)
        now = value - barrier * logs_of(weights)
        duals = (barrier - duals * step) / weights
    return value, max(gap, 0.0), UNSOLVED


@jit_sums
def levelled(prices: Floats, shares: Floats, exponent: float, parts: Floats) -> float:
    """log N(μ) = log (Σ w·(μ/w)^q)^(1/q), or Σ w·log(μ/w) for q = 0, and the part of each group in the sum."""
    groups = len(prices)
    if exponent == 0.0:
        total = 0.0
        for g in range(groups):
            parts[g] = shares[g]
            total += shares[g] * np.log(prices[g] / shares[g])
        return total
    peak = -np.inf
    for g in range(groups):
        parts[g] = np.log(shares[g]) + exponent * np.log(prices[g] / shares[g])
        peak = max(peak, parts[g])
    mass = 0.0
    for g in range(groups):
        parts[g] = np.exp(parts[g] - peak)
        mass += parts[g]
    for g in range(groups):
        parts[g] /= mass
    return (peak + float(np.log(mass))) / exponent


@jit_sums
def powered(gains: Floats, shares: Floats, power: float) -> float:
    """The power mean (Σ w·z^p)^(1/p) of gains, the geometric one for p = 0; −∞ where a gain is not positive."""
    peak, total = -np.inf, 0.0
    for g in range(len(gains)):
        if gains[g] <= 0.0:
            return -np.inf
        peak = max(peak, power * np.log(gains[g]))
    if power == 0.0:
        for g in range(len(gains)):
            total += shares[g] * np.log(gains[g])
        return float(np.exp(total))
    for g in range(len(gains)):
        total += shares[g] * np.exp(power * np.log(gains[g]) - peak)
    return float(np.exp((peak + np.log(total)) / power))


@jit_sums
def smooth(
    rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, nu: Floats, base: Floats, shares: Floats,
    power: float, width: float, beta: float, tolerance: float, mu: Floats,
) -> tuple[float, float, int]:  # fmt: skip
    """Minimise V(μ) − μ·d − log N(μ), the dual of the power mean of gains; N is its polar, of exponent p/(p − 1).

    Returns the bound of the power mean, its distance from what is reached, and the status; ν and μ are written.
    """
    groups = len(base)
    exponent = power / (power - 1.0)
    gains, bend = np.empty(groups), np.empty((groups, groups))
    parts, slope, step, kept = np.empty(groups), np.empty(groups), np.empty(groups), mu.copy()
    for g in range(groups):
        kept[g] = shares[g] / width
        mu[g] = kept[g]
    now, length, start, bound, gap = 0.0, 1.0, True, np.inf, np.inf
    for _ in range(STEPS):
        certain = not start and np.abs(step / kept).max() <= 1e-4
        while True:
            if not start:
                for g in range(groups):
                    mu[g] = kept[g] + length * step[g]
            value = valued(rewards, logs, contexts, slacks, nu, mu, beta, True, gains, bend) - dot(mu, base)
            level = levelled(mu, shares, exponent, parts)
            risen = value - level - now
            if start or certain or length < 1e-12:
                break
            if risen <= 1e-4 * length * dot(slope, step) + 1e-15 * abs(now):
                break
            length *= 0.5
        now, start = value - level, False
        kept[:] = mu
        error, most = 0.0, 0.0
        for g in range(groups):
            gains[g] -= base[g]
            error = max(error, abs(mu[g] * gains[g] - parts[g]))
            most = max(most, parts[g])
        bound = value / float(np.exp(level))
        gap = max(bound - powered(gains, shares, power), 0.0)
        # gains are exact to 1e-14·beta
        if error <= most * max(tolerance, 1e-14 * beta * mu.max() / most) and gap <= tolerance * width:
            return bound, gap, SOLVED
        if dot(mu, np.ones(groups)) * width > UNBOUNDED or value <= 0.0:
            return bound, gap, NO_GAIN
        for g in range(groups):
            slope[g] = gains[g] - parts[g] / mu[g]
            for h in range(groups):
                bend[g, h] += exponent * parts[g] / mu[g] * parts[h] / mu[h]
            bend[g, g] += (1.0 - exponent) * parts[g] / mu[g] ** 2
        direction(bend, slope, False, step)
        length = room(mu, step)
    return bound, gap, UNSOLVED


@jit
def bounds(
    starts: Codes, rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, base: Floats, scale: Floats,
    width: Floats, span: Floats, offset: int, homogeneous: bool, beta: float, tolerance: float,
) -> tuple[Floats, Floats, Floats, Floats, Codes]:  # fmt: skip
    """:func:`bounded` block by block: μ ``[b, g]``, ν ``[x, k]``, values, gaps and statuses ``[b]``."""
    blocks, groups = base.shape
    mu, nu = np.zeros((blocks, groups)), np.zeros((len(rewards), slacks.shape[1]))
    values, gaps, status = np.empty(blocks), np.empty(blocks), np.empty(blocks, np.int64)
    for b in range(blocks):
        own = slice(starts[b], starts[b + 1])
        values[b], gaps[b], status[b] = bounded(
            rewards[own], logs[own], contexts[own], slacks[own] if len(slacks) > 1 else slacks, nu[own], base[b],
            scale[b], width[b], span[b], offset, homogeneous, beta, tolerance, mu[b],
        )  # fmt: skip
    return mu, nu, values, gaps, status


@jit
def powers(
    starts: Codes, rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, base: Floats, shares: Floats,
    power: float, width: Floats, beta: float, tolerance: float,
) -> tuple[Floats, Floats, Floats, Floats, Codes]:  # fmt: skip
    """:func:`smooth` block by block: μ ``[b, g]``, ν ``[x, k]``, bounds, gaps and statuses ``[b]``."""
    blocks, groups = base.shape
    mu, nu = np.zeros((blocks, groups)), np.zeros((len(rewards), slacks.shape[1]))
    values, gaps, status = np.empty(blocks), np.empty(blocks), np.empty(blocks, np.int64)
    for b in range(blocks):
        own = slice(starts[b], starts[b + 1])
        values[b], gaps[b], status[b] = smooth(
            rewards[own], logs[own], contexts[own], slacks[own] if len(slacks) > 1 else slacks, nu[own], base[b],
            shares, power, width[b], beta, tolerance, mu[b],
        )  # fmt: skip
    return mu, nu, values, gaps, status


@jit
def answers(
    rewards: Floats, logs: Floats, slacks: Floats, nu: Floats, coefficients: Floats, beta: float
) -> tuple[Floats, Floats]:
    """The policies π ∝ ρ·exp(Σ c_g r_g/β) held to norms, for ``coefficients[x or 1, g]``, and the norms' prices."""
    number, groups, size = rewards.shape
    p, out, logits = np.empty((number, size)), nu.copy(), np.empty(size)
    for x in range(number):
        own = coefficients[x if len(coefficients) > 1 else 0]
        for m in range(size):
            logits[m] = logs[x, m]
        for g in range(groups):
            scale = own[g] / beta
            for m in range(size):
                logits[m] += scale * rewards[x, g, m]
        settle(logits, slacks[x if len(slacks) > 1 else 0], out[x], p[x])
    return p, out


@jit
def averages(rewards: Floats, ground: Floats, contexts: Floats, p: Floats, starts: Codes, beta: float) -> Floats:
    """What each group gets of a policy, Σ_x c_x (⟨π, r_g⟩ − β·KL(π‖ρ)), of each block ``[b, g]``."""
    blocks, groups, size = len(starts) - 1, rewards.shape[1], rewards.shape[2]
    out = np.zeros((blocks, groups))
    for b in range(blocks):
        for x in range(starts[b], starts[b + 1]):
            penalty = 0.0
            for m in range(size):
                if p[x, m] > 0.0:
                    penalty += p[x, m] * np.log(p[x, m] / ground[x, m])
            for g in range(groups):
                out[b, g] += contexts[x] * (dot(rewards[x, g], p[x]) - beta * penalty)
    return out
