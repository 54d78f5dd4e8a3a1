"""Loops of mixtures of preference models.

Comparisons by voter are a list of events, voter after voter: those of voter v stand from ``start[v]`` to
``start[v + 1]``, ``event[i]`` is the directed pair (``2e`` where the first of pair e won, ``2e + 1`` where the second
did) and ``weight[i]`` how often. Rankings are ``orders[v, m]``, best first, of which the leading ``lengths[v]`` are
ranked. Arrays of responsibilities and log-likelihoods are ``[voter, component]``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Codes = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@jit
def events(voter: Codes, arc: Codes, won: Floats, lost: Floats, voters: int) -> tuple[Ints, Codes, Floats]:
    """Rows of (voter, directed pair, weight each way) sorted by voter: ``start, event, weight`` without zeros.

    An empty ``won`` stands for ones, an empty ``lost`` for zeros.
    """
    start = np.zeros(voters + 1, np.int64)
    plain, both = len(won) == 0, len(lost) > 0
    for row in range(len(voter)):
        start[voter[row] + 1] += (plain or won[row] > 0.0) + (both and lost[row] > 0.0)
    for v in range(voters):
        start[v + 1] += start[v]
    free = start[:-1].copy()
    event = np.empty(start[-1], np.int32)
    weight = np.empty(start[-1])
    for row in range(len(voter)):
        v = voter[row]
        if plain or won[row] > 0.0:
            event[free[v]] = arc[row]
            weight[free[v]] = 1.0 if plain else won[row]
            free[v] += 1
        if both and lost[row] > 0.0:
            event[free[v]] = arc[row] ^ 1
            weight[free[v]] = lost[row]
            free[v] += 1
    return start, event, weight


@jit
def chosen(start: Ints, event: Codes, weight: Floats, rows: Ints) -> tuple[Ints, Codes, Floats]:
    """The events of some voters, in the order of ``rows``."""
    begin = np.zeros(len(rows) + 1, np.int64)
    for n in range(len(rows)):
        begin[n + 1] = begin[n] + start[rows[n] + 1] - start[rows[n]]
    picked = np.empty(begin[-1], np.int32)
    weights = np.empty(begin[-1])
    for n in range(len(rows)):
        shift = start[rows[n]] - begin[n]
        for i in range(begin[n], begin[n + 1]):
            picked[i] = event[i + shift]
            weights[i] = weight[i + shift]
    return begin, picked, weights


@jit
def event_sums(start: Ints, event: Codes, weight: Floats, table: Floats) -> Floats:
    """Σ weight·table[event] over each voter's events, for ``table[event, k]``: ``[voter, k]``."""
    voters, columns = len(start) - 1, table.shape[1]
    out = np.zeros((voters, columns))
    for v in range(voters):
        for i in range(start[v], start[v + 1]):
            w = weight[i]
            row = table[event[i]]
            for k in range(columns):
                out[v, k] += w * row[k]
    return out


@jit
def event_tallies(start: Ints, event: Codes, weight: Floats, shares: Floats, size: int) -> Floats:
    """Σ weight·shares[voter] over each event's voters, for ``shares[voter, k]``: ``[event, k]``."""
    columns = shares.shape[1]
    out = np.zeros((size, columns))
    for v in range(len(start) - 1):
        mine = shares[v]
        for i in range(start[v], start[v + 1]):
            w = weight[i]
            row = out[event[i]]
            for k in range(columns):
                row[k] += w * mine[k]
    return out


@jit
def share_out(logs: Floats, priors: Floats, hard: bool) -> tuple[Floats, Floats]:
    """Responsibilities ``[voter, k]`` and log-likelihood of each voter, from ``logs[voter, k]`` and log-shares.

    ``priors`` has one row for all voters, or a row each. Soft: shares proportional to exp(logs + priors), and the log
    of their sum. Hard: one for the first component with the highest of ``logs``, and that highest; ``priors`` are not
    looked at.
    """
    voters, columns = logs.shape
    out = np.zeros((voters, columns))
    value = np.empty(voters)
    for v in range(voters):
        prior = priors[v if len(priors) > 1 else 0]
        best, peak = 0, -np.inf
        for k in range(columns):
            here = logs[v, k] if hard else logs[v, k] + prior[k]
            out[v, k] = here
            if here > peak:
                best, peak = k, here
        if hard:
            value[v] = peak
            for k in range(columns):
                out[v, k] = 0.0
            out[v, best] = 1.0
        else:
            mass = 0.0
            for k in range(columns):
                out[v, k] = np.exp(out[v, k] - peak)
                mass += out[v, k]
            value[v] = peak + np.log(mass)
            for k in range(columns):
                out[v, k] /= mass
    return out, value


@jit
def surpluses(first: Ints, second: Ints, tallies: Floats, scores: Floats) -> tuple[Floats, Floats]:
    """Wins minus expected wins, and comparisons met, ``[k, m]``, of ``tallies[k, pair, way]`` at ``scores[k, m]``."""
    columns, size = scores.shape
    surplus = np.zeros((columns, size))
    met = np.zeros((columns, size))
    for k in range(columns):
        for e in range(len(first)):
            i, j = first[e], second[e]
            count = tallies[k, e, 0] + tallies[k, e, 1]
            if count > 0.0:
                excess = tallies[k, e, 0] - count / (1.0 + np.exp(scores[k, j] - scores[k, i]))
                surplus[k, i] += excess
                surplus[k, j] -= excess
                met[k, i] += count
                met[k, j] += count
    return surplus, met


@jit
def ballot_logs(orders: Ints, lengths: Ints, scores: Floats) -> Floats:
    """Plackett–Luce log-likelihoods ``[voter, k]`` of rankings at ``scores[k, m]``; the unranked stay to the end."""
    voters, size = orders.shape
    columns = len(scores)
    out = np.zeros((voters, columns))
    for k in range(columns):
        gap = scores[k] - scores[k].max()
        strength = np.exp(gap)
        for v in range(voters):
            left = 0.0
            for t in range(lengths[v], size):
                left += strength[orders[v, t]]
            total = 0.0
            for t in range(lengths[v] - 1, -1, -1):
                left += strength[orders[v, t]]
                if t < size - 1:
                    total += gap[orders[v, t]] - np.log(left)
            out[v, k] = total
    return out


@jit
def ballot_tallies(orders: Ints, lengths: Ints, scores: Floats, shares: Floats) -> Floats:
    """Choices made and choices expected at ``scores[k, m]``, ``[k, m, 2]``, with ballots weighted by ``shares[v, k]``.

    The last of all alternatives is chosen from itself alone, which says nothing and is left out of both.
    """
    voters, size = orders.shape
    columns = len(scores)
    out = np.zeros((columns, size, 2))
    tails = np.empty(size)
    for k in range(columns):
        strength = np.exp(scores[k] - scores[k].max())
        for v in range(voters):
            share = shares[v, k]
            if share == 0.0:
                continue
            left = 0.0
            for t in range(size - 1, -1, -1):
                left += strength[orders[v, t]]
                tails[t] = left
            rate = 0.0
            stages = min(lengths[v], size - 1)
            for t in range(size):
                i = orders[v, t]
                if t < stages:
                    rate += share / tails[t]
                    out[k, i, 0] += share
                out[k, i, 1] += rate * strength[i]
    return out


@jit
def ballot_surpluses(orders: Ints, lengths: Ints, scores: Floats) -> Floats:
    """Choices made minus choices expected, ballot by ballot, ``[voter, m]``, at ``scores[m]``."""
    voters, size = orders.shape
    out = np.zeros((voters, size))
    strength = np.exp(scores - scores.max())
    tails = np.empty(size)
    for v in range(voters):
        left = 0.0
        for t in range(size - 1, -1, -1):
            left += strength[orders[v, t]]
            tails[t] = left
        rate = 0.0
        stages = min(lengths[v], size - 1)
        for t in range(size):
            i = orders[v, t]
            if t < stages:
                rate += 1.0 / tails[t]
                out[v, i] += 1.0
            out[v, i] -= rate * strength[i]
    return out


@jit
def ballot_beats(orders: Ints, lengths: Ints, shares: Floats) -> Floats:
    """How much of ``shares[voter]`` ranks the row's alternative above the column's, ``[m, m]``."""
    voters, size = orders.shape
    out = np.zeros((size, size))
    for v in range(voters):
        for t in range(min(lengths[v], size - 1)):
            for u in range(t + 1, size):
                out[orders[v, t], orders[v, u]] += shares[v]
    return out


@jit
def distinct(start: Ints, event: Codes, pairs: int) -> int:
    """How many pairs the voters compared, each voter's counted once."""
    last = np.full(pairs, -1)
    count = 0
    for v in range(len(start) - 1):
        for i in range(start[v], start[v + 1]):
            if last[event[i] // 2] != v:
                last[event[i] // 2] = v
                count += 1
    return count
