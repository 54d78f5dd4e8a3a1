"""Loops for games: policies that learn in preference games ``[b, m, m]``, matrix games, and games of several groups.

Policies are kept as logarithms; −∞ marks what is not available.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.interior import times
from choicekit.kernels.lotteries import exchange, leaving

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@jit
def normalise(logs: Any, out: Any) -> None:
    """Take from logarithms that of their sum, and write the probabilities."""
    top = -np.inf
    for a in range(len(logs)):
        top = max(top, logs[a])
    total = 0.0
    for a in range(len(logs)):
        out[a] = np.exp(logs[a] - top)
        total += out[a]
    level = top + np.log(total)
    for a in range(len(logs)):
        logs[a] -= level
        out[a] /= total


@jit
def shrunk(logs: Any, anchor: Any, share: float, out: Any) -> None:
    """Into ``out`` the logarithms of π^(1 − share)·ρ^share, not normalised."""
    for a in range(len(logs)):
        if anchor[a] == -np.inf:
            out[a] = -np.inf
        elif share >= 1.0:
            out[a] = anchor[a]
        else:
            out[a] = (1.0 - share) * logs[a] + share * anchor[a]


@jit
def divergence(policy: Any, logs: Any, anchor: Any) -> float:
    """KL(π‖ρ) of a policy with its logarithms."""
    total = 0.0
    for a in range(len(policy)):
        if policy[a] > 0:
            total += policy[a] * (logs[a] - anchor[a])
    return max(total, 0.0)


@jit
def best_value(pay: Any, anchor: Any, tau: float) -> float:
    """max_π ⟨π, pay⟩ − τ·KL(π‖ρ)."""
    top = -np.inf
    for a in range(len(pay)):
        if anchor[a] > -np.inf:
            top = max(top, pay[a])
    if tau == 0.0:
        return top
    total = 0.0
    for a in range(len(pay)):
        total += np.exp(anchor[a] + (pay[a] - top) / tau)
    level: float = top + tau * np.log(total)
    return level


@jit
def learn(
    games: Floats,
    anchors: Floats,
    starts: Floats,
    rates: Floats,
    tau: float,
    look: int,
    every: int,
    targets: Floats,
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Last policies ``[b, m]``, mean of those before, and every so often exploitability, gap and KL(target‖π).

    A step is π' ∝ π^(1 − ητ)·ρ^ητ·exp(η·P q), where q is π (``look`` 0), the mixture π^(1 − ητ)·ρ^ητ (1), or what the
    step leads to with q = π (2).
    """
    batch, size, _ = games.shape
    marks = len(rates) // every + 1
    last, mean = np.empty((batch, size)), np.zeros((batch, size))
    exploits, gaps, away = np.zeros((marks, batch)), np.zeros((marks, batch)), np.zeros((marks, batch))
    policy, other, pay = np.empty(size), np.empty(size), np.empty(size)
    logs, base, half = np.empty(size), np.empty(size), np.empty(size)
    for b in range(batch):
        logs[:] = starts[b]
        normalise(logs, policy)
        for t in range(len(rates) + 1):
            if t % every == 0:
                mark = t // every
                times(games[b], policy, pay)
                exploits[mark, b] = max(best_value(pay, anchors[b], 0.0) - 0.5, 0.0)
                gaps[mark, b] = exploits[mark, b]
                if tau > 0:
                    held = tau * divergence(policy, logs, anchors[b]) - 0.5
                    gaps[mark, b] = max(best_value(pay, anchors[b], tau) + held, 0.0)
                if len(targets):
                    for a in range(size):
                        if targets[b, a] > 0:
                            away[mark, b] += targets[b, a] * (np.log(targets[b, a]) - logs[a])
            if t == len(rates):
                break
            for a in range(size):
                mean[b, a] += policy[a] / len(rates)
            shrunk(logs, anchors[b], rates[t] * tau, base)
            other[:] = policy
            if look == 1:
                normalise(base, other)
            elif look == 2:
                times(games[b], policy, pay)
                for a in range(size):
                    half[a] = base[a] + rates[t] * pay[a]
                normalise(half, other)
            times(games[b], other, pay)
            for a in range(size):
                logs[a] = base[a] + rates[t] * pay[a]
            normalise(logs, policy)
        last[b] = policy
    return last, mean, exploits, gaps, away


@jit
def matrix_games(payoffs: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Max–min policies of the rows ``[b, m]`` and min–max policies of the columns ``[b, n]`` of games of entries in
    [−1, 1], by the simplex method on max Σy, (A + 2) y ≤ 1, y ≥ 0; and whether it came to an end."""
    batch, rows, columns = payoffs.shape
    first, second, done = np.zeros((batch, rows)), np.zeros((batch, columns)), np.zeros(batch, np.bool_)
    size = max(rows, columns)
    for b in range(batch):
        # One column a variable out of the basis, one row a variable in it; rows and columns that pad are never chosen.
        table = np.zeros((size + 1, size + 1))
        inside, outside = np.arange(size, 2 * size), np.arange(size)
        for i in range(rows):
            for j in range(columns):
                table[i, j] = payoffs[b, i, j] + 2.0
        table[:size, size] = 1.0
        table[size, :columns] = -1.0
        for _ in range(20 + 20 * size):
            column = 0
            for j in range(size):
                if table[size, j] < table[size, column]:
                    column = j
            if table[size, column] >= -1e-12:
                done[b] = True
                break
            row = leaving(inside, table, column)
            if row < 0:
                break
            exchange(table, row, column)
            inside[row], outside[column] = outside[column], inside[row]
        for k in range(size):
            if inside[k] < columns:
                second[b, inside[k]] = max(table[k, size], 0.0)
            if outside[k] >= size and outside[k] - size < rows:
                first[b, outside[k] - size] = max(table[size, k], 0.0)
        done[b] = done[b] and first[b].sum() > 0 and second[b].sum() > 0
        if done[b]:
            first[b] /= first[b].sum()
            second[b] /= second[b].sum()
    return first, second, done


@jit
def pays(games: Any, shares: Floats, policies: Floats, out: Floats) -> None:
    """Into ``out[g, m]`` what each alternative gets in each group's eyes against the other groups' policies."""
    groups, size = policies.shape
    mixed = np.empty(size)
    for g in range(groups):
        mixed[:] = 0.0
        for h in range(groups):
            for a in range(size):
                mixed[a] += shares[g, h] * policies[h, a]
        times(games[g], mixed, out[g])


@jit
def several(
    games: Floats, shares: Floats, anchors: Floats, tau: float, rate: float, limit: int, tolerance: float
) -> tuple[Floats, Floats, Floats, Ints, Floats]:
    """Policies ``[b, g, m]`` by extragradient steps, each group's value and gain ``[b, g]`` from deviating, steps, and
    how far policies are from the best answers ``[b]``.

    ``games[b, g, m, m]``; ``shares[g, h]`` is how often g meets h. A context ends when that is within the tolerance.
    """
    batch, groups, size, _ = games.shape
    found, steps, missed = np.empty((batch, groups, size)), np.zeros(batch, np.int64), np.zeros(batch)
    values, gains = np.zeros((batch, groups)), np.zeros((batch, groups))
    policies, halves = np.empty((groups, size)), np.empty((groups, size))
    logs, half, base = np.empty((groups, size)), np.empty(size), np.empty((groups, size))
    pay = np.empty((groups, size))
    for b in range(batch):
        for g in range(groups):
            logs[g] = anchors[b]
            normalise(logs[g], policies[g])
        for step in range(limit + 1):
            pays(games[b], shares, policies, pay)
            missed[b] = 0.0
            for g in range(groups):
                values[b, g] = -tau * divergence(policies[g], logs[g], anchors[b])
                for a in range(size):
                    values[b, g] += policies[g, a] * pay[g, a]
                best = best_value(pay[g], anchors[b], tau)
                gains[b, g] = max(best - values[b, g], 0.0)
                for a in range(size):
                    answer = np.exp(anchors[b, a] + (pay[g, a] - best) / tau)
                    missed[b] = max(missed[b], abs(policies[g, a] - answer))
            steps[b] = step
            if missed[b] <= tolerance or step == limit:
                break
            for g in range(groups):
                shrunk(logs[g], anchors[b], rate * tau, base[g])
                for a in range(size):
                    half[a] = base[g, a] + rate * pay[g, a]
                normalise(half, halves[g])
            pays(games[b], shares, halves, pay)
            for g in range(groups):
                for a in range(size):
                    logs[g, a] = base[g, a] + rate * pay[g, a]
                normalise(logs[g], policies[g])
        found[b] = policies
    return found, values, gains, steps, missed
