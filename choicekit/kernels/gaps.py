"""What groups lose under a policy, and the one reward that fits a population best, context by context."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Floats = NDArray[np.float64]


@jit
def gaps(
    rewards: Floats, policy: Floats, reference: Floats, scale: float
) -> tuple[Floats, Floats, Floats, Floats]:  # fmt: skip
    """Gaps, β·KL(π‖π_g*), F_g(π) and F_g(π_g*), ``[x, g]``, of ``rewards[x, g, m]`` and ``policy[x, m]``.

    ``reference[x or 1, m]``; ``scale`` is β. What the reference rules out counts for nothing, unless the policy
    answers it, which is infinitely bad.
    """
    contexts, groups, size = rewards.shape
    lost = np.empty((contexts, groups))
    apart = np.empty((contexts, groups))
    values = np.empty((contexts, groups))
    optima = np.empty((contexts, groups))
    ratio = np.empty(size)
    for x in range(contexts):
        ground, answered = reference[min(x, len(reference) - 1)], policy[min(x, len(policy) - 1)]
        divergence = 0.0
        for a in range(size):
            ratio[a] = 0.0
            if answered[a] > 0:
                ratio[a] = np.log(answered[a]) - np.log(ground[a]) if ground[a] > 0 else np.inf
                divergence += answered[a] * ratio[a]
        divergence = max(divergence, 0.0)
        for g in range(groups):
            top, mean = -np.inf, 0.0
            for a in range(size):
                mean += answered[a] * rewards[x, g, a]
                if ground[a] > 0:
                    top = max(top, rewards[x, g, a])
            total = 0.0
            for a in range(size):
                if ground[a] > 0:
                    total += ground[a] * np.exp((rewards[x, g, a] - top) / scale)
            level = top + scale * np.log(total)
            other = 0.0
            for a in range(size):
                if answered[a] > 0:
                    other += answered[a] * (scale * ratio[a] - (rewards[x, g, a] - level))
            optima[x, g] = level
            values[x, g] = mean - scale * divergence
            lost[x, g] = max(level - values[x, g], 0.0)
            apart[x, g] = max(other, 0.0)
    return lost, apart, values, optima


@jit
def win_rates(rewards: Floats, policy: Floats, reference: Floats) -> Floats:
    """Σ_ab π_a ρ_b σ(r_a − r_b), ``[x, g]``."""
    contexts, groups, size = rewards.shape
    out = np.empty((contexts, groups))
    for x in range(contexts):
        ground, answered = reference[min(x, len(reference) - 1)], policy[min(x, len(policy) - 1)]
        for g in range(groups):
            chance = 0.0
            for a in range(size):
                chance += 0.5 * answered[a] * ground[a]
                for b in range(a):
                    forth, back = answered[a] * ground[b], answered[b] * ground[a]
                    if forth > 0 or back > 0:
                        won = 1.0 / (1.0 + np.exp(rewards[x, g, b] - rewards[x, g, a]))
                        chance += forth * won + back * (1.0 - won)
            out[x, g] = chance
    return out


@jit
def slopes(reward: Floats, won: Floats, weight: Floats, gradient: Floats, bend: Floats) -> float:
    """The mean cross-entropy of win chances ``won[m, m]`` with pair weights, and its gradient and Hessian, written."""
    size = len(reward)
    gradient[:] = 0.0
    bend[:] = 0.0
    value = 0.0
    for a in range(size):
        for b in range(a):
            pair = weight[a] * weight[b]
            if pair > 0:
                apart = reward[a] - reward[b]
                small = np.exp(-abs(apart))
                chance = 1.0 / (1.0 + small) if apart >= 0 else small / (1.0 + small)
                # −p·log σ(d) − (1 − p)·log σ(−d) = log(1 + e^−|d|) + max(d, 0) − p·d
                value += pair * (np.log1p(small) + max(apart, 0.0) - won[a, b] * apart)
                pull = pair * (chance - won[a, b])
                gradient[a] += pull
                gradient[b] -= pull
                steep = pair * small / (1.0 + small) ** 2
                bend[a, a] += steep
                bend[b, b] += steep
                bend[a, b] -= steep
                bend[b, a] -= steep
    return value


@jit
def solved(matrix: Floats, right: Floats) -> Floats:
    """The solution of a positive definite system, by Cholesky's factors, which are written over the matrix."""
    size = len(right)
    out = right.copy()
    for i in range(size):
        for j in range(i + 1):
            left = matrix[i, j]
            for k in range(j):
                left -= matrix[i, k] * matrix[j, k]
            if i == j:
                matrix[i, i] = np.sqrt(max(left, 1e-300))
            else:
                matrix[i, j] = left / matrix[j, j]
    for i in range(size):
        for k in range(i):
            out[i] -= matrix[i, k] * out[k]
        out[i] /= matrix[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            out[i] -= matrix[k, i] * out[k]
        out[i] /= matrix[i, i]
    return out


@jit
def pooled(won: Floats, weight: Floats, tolerance: float, limit: int) -> tuple[Floats, Floats]:
    """The rewards ``[x, m]`` of the Bradley–Terry model nearest to ``won[x, m, m]``, and what the equations miss.

    Pairs weigh ``weight[x, a]·weight[x, b]``; the weighted mean of each context's rewards is 0, and alternatives
    without weight get NaN. Newton's method on the convex cross-entropy, with halved steps.
    """
    contexts, size, _ = won.shape
    out = np.full((contexts, size), np.nan)
    residuals = np.zeros(contexts)
    for x in range(contexts):
        here = np.flatnonzero(weight[x] > 0)
        few = len(here)
        share = np.empty(few)
        chances = np.empty((few, few))
        for i in range(few):
            share[i] = weight[x, here[i]]
            for j in range(few):
                chances[i, j] = won[x, here[i], here[j]]
        pairs = 1.0 - (share**2).sum()
        reward = np.zeros(few)
        gradient, other = np.empty(few), np.empty(few)
        bend, spare = np.empty((few, few)), np.empty((few, few))
        value = slopes(reward, chances, share, gradient, bend)
        for _ in range(limit):
            residuals[x] = np.abs(gradient).max() / max(pairs, 1e-300)
            if residuals[x] <= tolerance:
                break
            # the constant direction, along which nothing changes, is given a slope of its own
            steep = max(np.trace(bend), 1e-300)
            step = solved(bend + steep / few, gradient)
            length = 1.0
            for _ in range(40):
                tried = reward - length * step
                found = slopes(tried, chances, share, other, spare)
                if found <= value + 1e-15 * abs(value):
                    break
                length *= 0.5
            reward, value = tried, found
            gradient, other, bend, spare = other, gradient, spare, bend
        middle = (share * reward).sum() / share.sum()
        for i in range(few):
            out[x, here[i]] = reward[i] - middle
    return out, residuals


@jit
def pool_losses(rewards: Floats, pool: Floats, won: Floats, weight: Floats, shares: Floats) -> tuple[Floats, Floats]:
    """KL in nats a comparison, ``[x, g]``, from each group's win chances to those of the pool's rewards ``[x, m]``;
    and, ``[x]``, the mean with ``shares[g]`` of the groups' KL to the population's win chances ``won[x, m, m]``."""
    contexts, groups, size = rewards.shape
    out = np.zeros((contexts, groups))
    spread = np.zeros(contexts)
    for x in range(contexts):
        pairs, total = 0.0, 0.0
        for a in range(size):
            for b in range(a):
                pair = weight[x, a] * weight[x, b]
                if pair > 0:
                    pairs += pair
                    other = pool[x, a] - pool[x, b]
                    level = max(other, 0.0) + np.log1p(np.exp(-abs(other)))
                    entropy = 0.0
                    for chance in (won[x, a, b], won[x, b, a]):
                        if chance > 0:
                            entropy -= chance * np.log(chance)
                    for g in range(groups):
                        # KL of Bernoullis with log-odds u and v: A(v) − A(u) − σ(u)(v − u), with A(u) = log(1 + e^u)
                        own = rewards[x, g, a] - rewards[x, g, b]
                        small = np.exp(-abs(own))
                        lower = small / (1.0 + small)
                        chance = 1.0 - lower if own >= 0 else lower
                        soft = np.log1p(small)
                        out[x, g] += pair * max(level - max(own, 0.0) - soft - chance * (other - own), 0.0)
                        entropy -= shares[g] * (soft + abs(own) * lower)
                    total += pair * max(entropy, 0.0)
        if pairs > 0:
            out[x] /= pairs
            spread[x] = total / pairs
    return out, spread
