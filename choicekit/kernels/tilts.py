"""Exponential families of a reference, held to norms, and the convex duals of bargains among them.

A policy is π ∝ ρ·exp(r/β − ν·e): ``rewards[x, g, m]``, ``logs[x, m]`` = log ρ (−∞ where nothing is available),
``slacks[x or 1, k, m]`` = what an alternative costs above each norm's limit (rows of size at most 1), and prices ν ≥ 0
of the norms. Bargains are over blocks of contexts, from ``starts[b]`` to ``starts[b + 1]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit, jit_sums

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]

SOLVED, UNSOLVED, NO_GAIN = 0, 1, 2
#: How far a mean of slacks may be off, with slacks of size 1.
EXACT = 1e-13
NEAR = 1e-9
#: A slack that counts as none.
TINY = 1e-12
#: Prices of agreement, times the range of the rewards, above which nobody can be said to gain.
UNBOUNDED = 1e9


@jit_sums
def softened(logits: Floats, slacks: Floats, nu: Floats, p: Floats) -> float:
    """log Σ exp(a − ν·e), and p the probabilities in proportion."""
    size = len(logits)
    peak = -np.inf
    for m in range(size):
        p[m] = logits[m]
    for k in range(len(nu)):
        if nu[k] > 0.0:
            for m in range(size):
                p[m] -= nu[k] * slacks[k, m]
    for m in range(size):
        peak = max(peak, p[m])
    mass = 0.0
    for m in range(size):
        p[m] = np.exp(p[m] - peak)
        mass += p[m]
    scale = 1.0 / mass
    for m in range(size):
        p[m] *= scale
    return peak + float(np.log(mass))


@jit_sums
def dot(a: Floats, b: Floats) -> float:
    total = 0.0
    for m in range(len(a)):
        total += a[m] * b[m]
    return total


@jit_sums
def factored(A: Floats) -> None:
    """The Cholesky factor of a positive matrix, in its lower half; pivots that rounding took are put back."""
    size = len(A)
    for i in range(size):
        own = A[i, i]
        for j in range(i + 1):
            left = A[i, j]
            for k in range(j):
                left -= A[i, k] * A[j, k]
            if i == j:
                A[i, i] = np.sqrt(max(left, 1e-15 * own + 1e-300))
            else:
                A[i, j] = left / A[j, j]


@jit_sums
def solved(L: Floats, b: Floats, out: Floats) -> None:
    """The x of L Lᵀ x = b."""
    size = len(b)
    for i in range(size):
        left = b[i]
        for k in range(i):
            left -= L[i, k] * out[k]
        out[i] = left / L[i, i]
    for i in range(size - 1, -1, -1):
        left = out[i]
        for k in range(i + 1, size):
            left -= L[k, i] * out[k]
        out[i] = left / L[i, i]


@jit_sums
def priced(logits: Floats, slacks: Floats, nu: Floats, k: int, p: Floats) -> None:
    """The price of one norm at which its mean slack is 0, or 0 where the norm is met without; the others' stay."""
    guess, low, high = max(nu[k], 1.0), 0.0, np.inf
    nu[k] = 0.0
    for turn in range(160):
        softened(logits, slacks, nu, p)
        over = dot(slacks[k], p)
        if abs(over) <= EXACT or (turn == 0 and over <= 0.0):
            break
        if high < np.inf and high - low <= 1e-15 * high:
            break
        if over > 0.0 and high == np.inf:
            # not bracketed yet: twice as far
            low, nu[k] = nu[k], guess
            guess *= 2.0
            if guess > 1e18:
                break
            continue
        if over > 0.0:
            low = nu[k]
        else:
            high = nu[k]
        bend = 0.0
        for m in range(len(p)):
            bend += p[m] * (slacks[k, m] - over) * (slacks[k, m] - over)
        following = nu[k] + over / max(bend, 1e-300)
        nu[k] = following if low < following < high else 0.5 * (low + high)


@jit_sums
def missed(slacks: Floats, nu: Floats, p: Floats, over: Floats) -> float:
    """How far norms are from being met, and those with a price from being tight; ``over`` are the mean slacks."""
    worst = 0.0
    for k in range(len(nu)):
        over[k] = dot(slacks[k], p)
        worst = max(worst, abs(over[k]) if nu[k] > 0.0 else over[k])
    return worst


@jit_sums
def stepped(logits: Floats, slacks: Floats, nu: Floats, p: Floats, over: Floats, level: float) -> float:
    """A projected Newton step of the prices that lowers the level; the level unchanged where there is none."""
    number, size = slacks.shape
    free = np.zeros(number, np.int64)
    count = 0
    for k in range(number):
        if nu[k] > 0.0 or over[k] > 0.0:
            free[count] = k
            count += 1
    bend, slope, step = np.zeros((count, count)), np.zeros(count), np.zeros(count)
    for i in range(count):
        slope[i] = over[free[i]]
        for j in range(i + 1):
            for m in range(size):
                bend[i, j] += (
                    p[m] * (slacks[free[i], m] - over[free[i]]) * (slacks[free[j], m] - over[free[j]])
                )  # fmt: skip
    factored(bend)
    solved(bend, slope, step)
    trial, length = nu.copy(), 1.0
    while length > 0.1:
        fall = 0.0
        for i in range(count):
            k = free[i]
            trial[k] = max(0.0, nu[k] + length * step[i])
            fall += slope[i] * (trial[k] - nu[k])
        now = softened(logits, slacks, trial, p)
        if now <= level - 1e-4 * fall + 1e-15 * abs(level) and fall >= 0.0:
            nu[:] = trial
            return now
        length *= 0.5
    return softened(logits, slacks, nu, p)


@jit_sums
def descended(logits: Floats, slacks: Floats, nu: Floats, p: Floats, over: Floats, limit: int) -> tuple[float, float]:
    """Newton steps, and prices one by one where those do not get on: the level and what the norms are missed by."""
    level, best = softened(logits, slacks, nu, p), np.inf
    error = missed(slacks, nu, p, over)
    before = nu.copy()
    for _ in range(limit):
        if error <= EXACT:
            break
        before[:] = nu
        level = stepped(logits, slacks, nu, p, over, level)
        if error > 0.5 * best or (before == nu).all():
            for k in range(len(nu)):
                priced(logits, slacks, nu, k, p)
            level = softened(logits, slacks, nu, p)
        if (before == nu).all():
            break
        best = min(best, error)
        error = missed(slacks, nu, p, over)
    return level, missed(slacks, nu, p, over)


@jit_sums
def settle(logits: Floats, slacks: Floats, nu: Floats, p: Floats) -> tuple[float, bool]:
    """The policy closest to exp(logits) that meets the norms: its level, its prices ν (from those given), and p.

    The level min over ν ≥ 0 of log Σ exp(a − ν·e) is −KL of the answer to exp(logits).
    """
    if len(slacks) == 0:
        return softened(logits, slacks, nu, p), True
    over = np.empty(len(nu))
    low, high = np.inf, -np.inf
    for m in range(len(logits)):
        if logits[m] > -np.inf:
            low, high = min(low, logits[m]), max(high, logits[m])
    share, far = 1.0, False
    while True:
        level, error = descended((logits - high) * share, slacks, nu, p, over, 60 if far else 30)
        if share >= 1.0 and (far or error <= NEAR):
            return level + high, error <= NEAR
        if not far:
            # not at once: along the path of the logits' own size, on which prices are nearly in proportion
            far, share = True, min(1.0, 4.0 / max(high - low, 1e-300))
            nu[:] = 0.0
            continue
        grown = min(1.5, 1.0 / share)
        share *= grown
        for k in range(len(nu)):
            nu[k] *= grown


@jit
def projected(logits: Floats, slacks: Floats) -> tuple[Floats, Floats, Flags]:
    """Of each context the policy closest to exp(logits) that meets the norms, its prices, and whether it was found."""
    number, size = logits.shape
    p, nu, found = np.empty((number, size)), np.zeros((number, slacks.shape[1])), np.zeros(number, np.bool_)
    for x in range(number):
        _, found[x] = settle(logits[x], slacks[x if len(slacks) > 1 else 0], nu[x], p[x])
    return p, nu, found


@jit
def barred(available: Flags, slacks: Floats) -> tuple[Flags, Flags, Flags]:
    """What is left of the alternatives ``[x, m]`` by norms that only their cheapest ones meet; which norms bar others
    ``[x, k]``, and whether every norm can be met by itself ``[x]``."""
    number, size = available.shape
    count = slacks.shape[1]
    left, hard, possible = available.copy(), np.zeros((number, count), np.bool_), np.ones(number, np.bool_)
    for x in range(number):
        e = slacks[x if len(slacks) > 1 else 0]
        again = True
        while again and possible[x]:
            again = False
            for k in range(count):
                least = np.inf
                for m in range(size):
                    if left[x, m]:
                        least = min(least, e[k, m])
                if least > TINY:
                    possible[x] = False
                    break
                for m in range(size):
                    if least >= -TINY and left[x, m] and e[k, m] > TINY:
                        left[x, m] = False
                        hard[x, k] = again = True
    return left, hard, possible


@jit_sums
def counted(values: Floats, ground: Floats) -> tuple[Floats, Floats, Floats]:
    """Rewards counted from the reference's (0 where it is 0), what was taken off ``[x, g]``, and the range ``[x]``."""
    number, groups, size = values.shape
    rewards, shift, width = np.empty(values.shape), np.empty((number, groups)), np.zeros(number)
    for x in range(number):
        for g in range(groups):
            level = dot(ground[x], values[x, g])
            shift[x, g] = level
            low, high = np.inf, -np.inf
            for m in range(size):
                if ground[x, m] > 0.0:
                    rewards[x, g, m] = values[x, g, m] - level
                    low, high = min(low, rewards[x, g, m]), max(high, rewards[x, g, m])
                else:
                    rewards[x, g, m] = 0.0
            width[x] = max(width[x], high - low)
    return rewards, shift, width


@jit_sums
def held(p: Floats, e: Floats, nu: Floats, centred: Floats, lean: Floats) -> None:
    """Take from the centred rewards of each group what the binding norms hold fast: a regression on their slacks."""
    groups, size = centred.shape
    binding = np.flatnonzero(nu > 0.0)
    count = len(binding)
    rows, bend, along, share = np.empty((count, size)), np.zeros((count, count)), np.empty(count), np.empty(count)
    for i in range(count):
        over = dot(e[binding[i]], p)
        for m in range(size):
            rows[i, m] = e[binding[i], m] - over
        for j in range(i + 1):
            for m in range(size):
                bend[i, j] += p[m] * rows[i, m] * rows[j, m]
    factored(bend)
    for g in range(groups):
        for m in range(size):
            lean[m] = p[m] * centred[g, m]
        for i in range(count):
            along[i] = dot(rows[i], lean)
        solved(bend, along, share)
        for i in range(count):
            for m in range(size):
                centred[g, m] -= share[i] * rows[i, m]


@jit_sums
def at(
    rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, nu: Floats, coefficients: Floats, beta: float,
    means: Floats, bend: Floats,
) -> float:  # fmt: skip
    """max over admissible π of ⟨π, Σ c_g r_g⟩ − β·KL, its gradient in c (mean rewards), and its Hessian; ν is kept."""
    number, groups, size = rewards.shape
    logits, p, lean, centred = np.empty(size), np.empty(size), np.empty(size), np.empty((groups, size))
    level = 0.0
    means[:], bend[:] = 0.0, 0.0
    for x in range(number):
        for m in range(size):
            logits[m] = logs[x, m]
        for g in range(groups):
            scale = coefficients[g] / beta
            for m in range(size):
                logits[m] += scale * rewards[x, g, m]
        e = slacks[x if len(slacks) > 1 else 0]
        own, _ = settle(logits, e, nu[x], p)
        level += contexts[x] * beta * own
        for g in range(groups):
            mean = dot(rewards[x, g], p)
            means[g] += contexts[x] * mean
            for m in range(size):
                centred[g, m] = rewards[x, g, m] - mean
        if (nu[x] > 0.0).any():
            held(p, e, nu[x], centred, lean)
        for g in range(groups):
            scale = contexts[x] / beta
            for m in range(size):
                lean[m] = scale * p[m] * centred[g, m]
            for h in range(g + 1):
                bend[g, h] += dot(lean, centred[h])
    for g in range(groups):
        for h in range(g):
            bend[h, g] = bend[g, h]
    return level


@jit_sums
def valued(
    rewards: Floats, logs: Floats, contexts: Floats, slacks: Floats, nu: Floats, prices: Floats, beta: float,
    homogeneous: bool, gains: Floats, bend: Floats,
) -> float:  # fmt: skip
    """max over admissible π of Σ_g μ_g F_g with its gradient F(π) and Hessian.

    F_g has a KL penalty of its own if ``homogeneous``; else there is one penalty, of weight 1, for all.
    """
    total = prices.sum() if homogeneous else 1.0
    share = prices / total
    level = at(rewards, logs, contexts, slacks, nu, share, beta, gains, bend)
    if not homogeneous:
        return level
    penalty = dot(share, gains) - level
    lean = np.dot(bend, share)
    twice = dot(lean, share)
    for g in range(len(gains)):
        gains[g] -= penalty
        for h in range(len(gains)):
            bend[g, h] = (bend[g, h] - lean[g] - lean[h] + twice) / total
    return total * level
