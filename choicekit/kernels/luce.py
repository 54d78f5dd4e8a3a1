"""Loops of the Bradley–Terry model.

A comparison graph is three arrays over unordered pairs: ``first[e] < second[e]`` and how often they met, ``count[e]``,
with ``won[e]`` of those for the first (a tie is half a win each way).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit, jit_sums

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[Any]


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
def runs(first: Codes, second: Codes) -> tuple[Ints, Ints, Bools]:
    """Where runs of edges with the same first begin (and the last ends), what that first is, and whether the run's
    seconds follow each other without a gap."""
    number = 1
    for e in range(1, len(first)):
        number += first[e] != first[e - 1]
    begin, node, whole = np.zeros(number + 1, np.int64), np.zeros(number, np.int64), np.ones(number, np.bool_)
    at = 0
    if len(first):
        node[0] = first[0]
    for e in range(1, len(first)):
        if first[e] != first[e - 1]:
            at += 1
            begin[at] = e
            node[at] = first[e]
        elif second[e] != second[e - 1] + 1:
            whole[at] = False
    begin[number] = len(first)
    return begin, node, whole


@jit_sums
def _laplacian(
    begin: Ints, node: Ints, whole: Bools, second: Codes, weight: Floats, precision: float, vector: Floats
) -> Floats:
    """(Laplacian + precision·I) · vector; runs without gaps are read and written several numbers at once."""
    out = precision * vector
    for run in range(len(node)):
        i, start, number = node[run], begin[run], begin[run + 1] - begin[run]
        here, flows = vector[i], 0.0
        if whole[run] and number:
            j = second[start]
            there, target, weights = vector[j : j + number], out[j : j + number], weight[start : start + number]
            for k in range(number):
                flow = weights[k] * (here - there[k])
                flows += flow
                target[k] -= flow
        else:
            for e in range(start, start + number):
                flow = weight[e] * (here - vector[second[e]])
                flows += flow
                out[second[e]] -= flow
        out[i] += flows
    return out


@jit
def _gradient_afar(
    begin: Ints, node: Ints, second: Codes, count: Any, wins: Floats, centre: Floats, precision: float, scores: Floats,
    curvature: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """:func:`_gradient` with an exponential a pair."""
    gradient = precision * (scores - centre) - wins
    diagonal = np.full(len(scores), precision)
    for run in range(len(node)):
        i = node[run]
        for e in range(begin[run], begin[run + 1]):
            j = second[e]
            gap = scores[i] - scores[j]
            tail = np.exp(-abs(gap))
            likely, other = 1.0 / (1.0 + tail), tail / (1.0 + tail)
            p, q = (likely, other) if gap >= 0.0 else (other, likely)
            gradient[i] += count[e] * p
            gradient[j] += count[e] * q
            curvature[e] = count[e] * p * q
            diagonal[i] += curvature[e]
            diagonal[j] += curvature[e]
    return gradient, diagonal


@jit_sums
def _gradient(
    begin: Ints, node: Ints, whole: Bools, second: Codes, count: Any, wins: Floats, centre: Floats, precision: float,
    scores: Floats, curvature: Floats,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Expected minus observed wins with the prior's pull, and the curvature's diagonal; fills ``curvature`` a pair.

    One exponential an alternative rather than one a pair: p = π_i / (π_i + π_j), unless scores are so far apart that
    these overflow.
    """
    size = len(scores)
    middle = 0.5 * (scores.min() + scores.max())
    if scores.max() - middle > 350.0:
        return _gradient_afar(begin, node, second, count, wins, centre, precision, scores, curvature)
    strength = np.exp(scores - middle)
    gradient = precision * (scores - centre) - wins
    diagonal = np.full(size, precision)
    for run in range(len(node)):
        i, start, number = node[run], begin[run], begin[run + 1] - begin[run]
        mine, expected, bend = strength[i], 0.0, 0.0
        if whole[run] and number:
            j = second[start]
            theirs, slopes, bends = strength[j : j + number], gradient[j : j + number], diagonal[j : j + number]
            counts, curves = count[start : start + number], curvature[start : start + number]
            for k in range(number):
                share = 1.0 / (mine + theirs[k])
                won = counts[k] * (mine * share)
                q = theirs[k] * share
                expected += won
                bend += won * q
                slopes[k] += counts[k] * q
                bends[k] += won * q
                curves[k] = won * q
        else:
            for e in range(start, start + number):
                j = second[e]
                share = 1.0 / (mine + strength[j])
                won = count[e] * (mine * share)
                q = strength[j] * share
                expected += won
                bend += won * q
                gradient[j] += count[e] * q
                diagonal[j] += won * q
                curvature[e] = won * q
        gradient[i] += expected
        diagonal[i] += bend
    return gradient, diagonal


@jit
def conjugate_gradient(
    first: Codes, second: Codes, curvature: Floats, precision: float, diagonal: Floats, target: Floats, accuracy: float
) -> Floats:
    """Solution of (Laplacian + precision·I) x = target to a relative accuracy, for edges with a curvature."""
    begin, node, whole = runs(first, second)
    return _solved(begin, node, whole, second, curvature, precision, diagonal, target, accuracy)


@jit
def _solved(
    begin: Ints, node: Ints, whole: Bools, second: Codes, curvature: Floats, precision: float, diagonal: Floats,
    target: Floats, accuracy: float,
) -> Floats:  # fmt: skip
    """Conjugate gradients, Jacobi-preconditioned.

    Without precision the Laplacian is singular, and what rounding leaves along the constant vector would grow: it is
    taken out of the residual, from each entry in proportion to its diagonal.
    """
    size = len(target)
    x = np.zeros(size)
    singular = 1.0 / max(diagonal.sum(), 1e-300) if precision == 0.0 else 0.0
    residual = target - diagonal * (target.sum() * singular)
    inverse = 1.0 / np.maximum(diagonal, 1e-300)
    z = residual * inverse
    direction = z.copy()
    product = residual @ z
    goal = accuracy * accuracy * product
    for _ in range(20 * size + 100):
        if product <= goal or product <= 0.0:
            break
        image = _laplacian(begin, node, whole, second, curvature, precision, direction)
        bend = direction @ image
        if bend <= 0.0:
            break
        step = product / bend
        x += step * direction
        residual -= step * image
        residual -= diagonal * (residual.sum() * singular)
        z = residual * inverse
        renewed = residual @ z
        direction = z + (renewed / product) * direction
        product = renewed
    return x


@jit
def totals(first: Codes, second: Codes, count: Any, won: Any, size: int) -> tuple[Floats, Floats]:
    """How often each alternative won, and met another."""
    wins, met = np.zeros(size), np.zeros(size)
    e, edges = 0, len(first)
    while e < edges:
        i = first[e]
        ahead, all_of_them = 0.0, 0.0
        while e < edges and first[e] == i:
            j = second[e]
            ahead += won[e]
            all_of_them += count[e]
            wins[j] += count[e] - won[e]
            met[j] += count[e]
            e += 1
        wins[i] += ahead
        met[i] += all_of_them
    return wins, met


@jit
def newton(
    first: Codes, second: Codes, count: Any, won: Any, centre: Floats, precision: float, start: Floats,
    tolerance: float, limit: int,
) -> tuple[Floats, int, float]:  # fmt: skip
    """Maximise log-likelihood − ½·precision·‖scores − centre‖²: scores, iterations, residual.

    Newton's method, with conjugate gradients solved as exactly as the residual calls for. No step changes a pair's
    difference by more than 1.5: along such a step the curvature n·p·(1−p) changes by at most exp(±1.5), so the
    objective cannot fall, and no line search is needed. The residual is max |gradient| per comparison met (plus
    precision).
    """
    wins, met = totals(first, second, count, won, len(start))
    return _climbed(first, second, count, wins, met + precision, centre, precision, start, tolerance, limit)


@jit
def newton_from_win_rates(
    first: Codes, second: Codes, count: Any, won: Any, size: int, tolerance: float, limit: int
) -> tuple[Floats, int, float]:
    """:func:`newton` without a prior, begun at the log-odds of winning, with half a win and half a loss added: near
    the fit where everybody meets everybody."""
    wins, met = totals(first, second, count, won, size)
    small = 0.5 * np.minimum(met, 1.0) + 1e-300
    rates = np.log((wins + small) / (met - wins + small))
    return _climbed(first, second, count, wins, met, np.zeros(size), 0.0, rates - rates.mean(), tolerance, limit)


@jit
def _climbed(
    first: Codes, second: Codes, count: Any, wins: Floats, met: Floats, centre: Floats, precision: float,
    start: Floats, tolerance: float, limit: int,
) -> tuple[Floats, int, float]:  # fmt: skip
    size = len(start)
    scores = start.copy()
    begin, node, whole = runs(first, second)
    curvature = np.empty(len(first))
    residual = np.inf
    for iteration in range(limit + 1):
        gradient, diagonal = _gradient(begin, node, whole, second, count, wins, centre, precision, scores, curvature)
        residual = 0.0
        for i in range(size):
            if met[i] > 0.0:
                residual = max(residual, abs(gradient[i]) / met[i])
        if residual <= tolerance or iteration == limit:
            return scores, iteration, residual
        # as exact as a Newton step is near the end, and no more than the tolerance calls for
        accuracy = min(0.1, max(residual, 0.1 * tolerance / residual))
        step = _solved(begin, node, whole, second, curvature, precision, diagonal, -gradient, accuracy)
        if precision == 0.0:
            step -= step.mean()
        if step.max() - step.min() > 1.5:
            longest = 0.0
            for e in range(len(first)):
                longest = max(longest, abs(step[first[e]] - step[second[e]]))
            if longest > 1.5:
                step *= 1.5 / longest
        scores += step
    return scores, limit, residual


@jit
def newton_apart(
    first: Codes, second: Codes, count: Floats, won: Floats, label: Ints, parts: int, start: Floats, precision: float,
    tolerance: float, limit: int,
) -> tuple[Floats, int, float]:  # fmt: skip
    """:func:`newton` on each part by itself, each with mean zero: scores, most iterations, largest residual.

    ``label[m]`` numbers the parts; edges lie within parts and are sorted by them.
    """
    size = len(label)
    begin = np.zeros(parts + 1, np.int64)
    for a in range(size):
        begin[label[a] + 1] += 1
    for part in range(parts):
        begin[part + 1] += begin[part]
    member, place = np.empty(size, np.int64), np.empty(size, np.int64)
    cursor = begin.copy()
    for a in range(size):
        place[a] = cursor[label[a]] - begin[label[a]]
        member[cursor[label[a]]] = a
        cursor[label[a]] += 1
    scores = np.zeros(size)
    most, worst = 0, 0.0
    at = 0
    for part in range(parts):
        stop = at
        while stop < len(first) and label[first[stop]] == part:
            stop += 1
        if stop > at:
            mine = member[begin[part] : begin[part + 1]]
            found, iterations, residual = newton(
                place[first[at:stop]], place[second[at:stop]], count[at:stop], won[at:stop], np.zeros(len(mine)),
                precision, start[mine], tolerance, limit,
            )  # fmt: skip
            scores[mine] = found - found.mean()
            most, worst = max(most, iterations), max(worst, residual)
        at = stop
    return scores, most, worst


@jit
def lightest(count: Floats, won: Floats) -> float:
    """The smallest weight of wins or of losses of a pair that has any."""
    least = np.inf
    for e in range(len(count)):
        lost = count[e] - won[e]
        if won[e] > 0.0:
            least = min(least, won[e])
        if lost > 0.0:
            least = min(least, lost)
    return float(least)


@jit
def connected(first: Codes, second: Codes, count: Floats, won: Floats, size: int, sweeps: int) -> bool:
    """Whether everybody can be reached from alternative 0 through wins, and through losses, in a few sweeps.

    Ties count as both. False may also mean that the sweeps were too few.
    """
    for way in range(2):
        reached = np.zeros(size, np.bool_)
        reached[0] = True
        found = 1
        for _ in range(sweeps):
            before = found
            for e in range(len(first)):
                i, j = first[e], second[e]
                if reached[i] != reached[j]:
                    forward = won[e] > 0.0
                    backward = count[e] - won[e] > 0.0
                    if way == 1:
                        forward, backward = backward, forward
                    if (reached[i] and forward) or (reached[j] and backward):
                        reached[i] = True
                        reached[j] = True
                        found += 1
                        if found == size:
                            break
            if found in (size, before):
                break
        if found < size:
            return False
    return True


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
