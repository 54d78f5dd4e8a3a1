"""Loops of the Plackett–Luce model.

Ballots are the rows of ``order`` between ``begin[b]`` and ``begin[b + 1]``: alternatives best first, with ``level``
their tier within the ballot (equal: tied). ``rest[b]`` says that whoever is not on the ballot stands below it. Every
tier is a stage, a choice among it and all that stands below, unless it is the only alternative left.

Masses are kept relative to the highest score still there, so that no gap between scores over- or underflows, and
nothing positive is found by subtraction, except where that costs at most three digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@jit
def _sort(order: Ints, start: int, end: int, key: Ints) -> None:
    """Entries ``start`` to ``end`` by their key, equal ones by themselves (Shell's method, Ciura's gaps)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for e in range(start + gap, end):
            a, at = order[e], e
            while at >= start + gap:
                other = order[at - gap]
                if key[other] < key[a] or (key[other] == key[a] and other < a):
                    break
                order[at] = other
                at -= gap
            order[at] = a


@jit
def orders(ranks: Ints, below: bool) -> tuple[Ints, Ints, Ints]:
    """``order, level, begin`` of ranks ``[n, m]``; with ``below`` a single unranked alternative is the last tier."""
    rows, size = ranks.shape
    order = np.empty(ranks.size, np.int64)
    level = np.empty(ranks.size, np.int64)
    begin = np.zeros(rows + 1, np.int64)
    end = 0
    for row in range(rows):
        start = end
        missing = 0
        for a in range(size):
            if ranks[row, a] >= 0:
                order[end] = a
                end += 1
            else:
                missing = a
        _sort(order, start, end, ranks[row])
        tier = 0
        for e in range(start, end):
            if e > start and ranks[row, order[e]] != ranks[row, order[e - 1]]:
                tier += 1
            level[e] = tier
        if below and end > start and end - start == size - 1:
            order[end] = missing
            level[end] = tier + 1
            end += 1
        begin[row + 1] = end
    return order[:end].copy(), level[:end].copy(), begin


@jit
def merge(order: Ints, level: Ints, begin: Ints) -> Ints:
    """For each ballot the first that is the same."""
    rows = len(begin) - 1
    capacity = 4
    while capacity < 2 * rows:
        capacity *= 2
    table = np.full(capacity, -1, np.int64)
    first = np.empty(rows, np.int64)
    for row in range(rows):
        start, length = begin[row], begin[row + 1] - begin[row]
        code = np.uint64(length)
        for e in range(start, start + length):
            code = (code ^ np.uint64(2 * order[e] + (level[e] & 1))) * np.uint64(0x9E3779B97F4A7C15)
            code ^= code >> np.uint64(29)
        slot = np.int64(code & np.uint64(capacity - 1))
        while True:
            other = table[slot]
            if other < 0:
                table[slot] = row
                first[row] = row
                break
            at = begin[other]
            same = begin[other + 1] - at == length
            for e in range(length):
                if not same:
                    break
                same = order[at + e] == order[start + e] and level[at + e] == level[start + e]
            if same:
                first[row] = other
                break
            slot = (slot + 1) & (capacity - 1)
    return first


@jit
def tally(
    order: Ints, level: Ints, begin: Ints, weight: Floats, rest: Bools, size: int
) -> tuple[Floats, Floats, Floats, Floats, Ints]:
    """What the stages say: ``observed[a]`` times chosen (a share where tied), ``met[a]`` times available; stages with k
    chosen, ``chosen[k]``, with n available, ``there[n]``, and the largest n with k chosen, ``most[k]``."""
    observed = np.zeros(size)
    met = np.zeros(size)
    chosen = np.zeros(size + 1)
    there = np.zeros(size + 1)
    most = np.zeros(size + 1, np.int64)
    everyone = 0.0
    for b in range(len(weight)):
        start, stop = begin[b], begin[b + 1]
        left = size if rest[b] else stop - start
        stages = 0.0
        at = start
        while at < stop:
            end = at
            while end < stop and level[end] == level[at]:
                end += 1
            if left > 1:
                stages += weight[b]
                chosen[end - at] += weight[b]
                there[left] += weight[b]
                most[end - at] = max(most[end - at], left)
                for e in range(at, end):
                    observed[order[e]] += weight[b] / (end - at)
            left -= end - at
            for e in range(at, end):
                met[order[e]] += stages
            at = end
        if rest[b]:
            everyone += stages
            for e in range(start, stop):
                met[order[e]] -= stages
    return observed, met + everyone, chosen, there, most


@jit
def above(order: Ints, level: Ints, begin: Ints, rest: Bools, size: int) -> Bools:
    """Pairs whose paths are "ranked above", a tie both ways: neighbours, and the last with all not on its ballot."""
    out = np.zeros((size, size), np.bool_)
    for b in range(len(rest)):
        for e in range(begin[b], begin[b + 1] - 1):
            out[order[e], order[e + 1]] = True
            if level[e] == level[e + 1]:
                out[order[e + 1], order[e]] = True
        if rest[b]:
            last = out[order[begin[b + 1] - 1]]
            before = last.copy()
            for a in range(size):
                last[a] = True
            for e in range(begin[b], begin[b + 1]):
                last[order[e]] = before[order[e]]
    return out


@jit
def _tail(
    order: Ints, start: int, stop: int, scores: Floats, powers: Floats, whole: float, marked: Bools
) -> tuple[float, float, bool]:
    """Peak and mass of those not on a ballot, and whether they had to be counted one by one. The highest score is 0."""
    mass = whole
    for e in range(start, stop):
        mass -= powers[order[e]]
    if mass > 1e-3 * whole:
        return 0.0, mass, False
    for e in range(start, stop):
        marked[order[e]] = True
    peak = -np.inf
    for a in range(len(scores)):
        if not marked[a]:
            peak = max(peak, scores[a])
    mass = 0.0
    for a in range(len(scores)):
        if not marked[a]:
            mass += np.exp(scores[a] - peak)
    for e in range(start, stop):
        marked[order[e]] = False
    return peak, mass, True


@jit
def _spread(order: Ints, start: int, stop: int, scores: Floats, peak: float, marked: Bools, vector: Floats) -> Floats:
    """exp(score − peak) of those not on a ballot, 0 for those on it; and its product with a vector at the end."""
    size = len(scores)
    out = np.empty(size + 1)
    out[size] = 0.0
    for e in range(start, stop):
        marked[order[e]] = True
    for a in range(size):
        out[a] = 0.0 if marked[a] else np.exp(scores[a] - peak)
        out[size] += out[a] * vector[a]
    for e in range(start, stop):
        marked[order[e]] = False
    return out


@jit
def _gather(
    order: Ints, start: int, stop: int, stages: int, scores: Floats, powers: Floats, vector: Floats,
    peak: float, here: float, moved: float, work: Floats,
) -> float:  # fmt: skip
    """From the end of a ballot: Σ log mass; in ``work`` each one's own mass, what the peak before it is worth at its
    own, and the mass and the vector's product from there on. A peak of 0 is everyone's and needs no more powers."""
    total, masses = 0.0, 1.0
    for t in range(stop - start - 1, -1, -1):
        a = order[start + t]
        own, drop = 1.0, 1.0
        if peak == 0.0:
            own = powers[a]
        elif scores[a] > peak:
            drop = np.exp(peak - scores[a])
            peak = scores[a]
        else:
            own = np.exp(scores[a] - peak)
        here = here * drop + own
        moved = moved * drop + own * vector[a]
        work[0, t], work[1, t], work[2, t], work[3, t] = own, drop, here, moved
        if t < stages:
            total += peak
            masses *= here
            if masses > 1e100 or masses < 1e-100:
                total += np.log(masses)
                masses = 1.0
    return float(total + np.log(masses))


@jit
def _carry(
    order: Ints, start: int, stop: int, stages: int, weight: float, vector: Floats, work: Floats, out: Floats
) -> tuple[float, float, float]:
    """Forward: what the stages so far add to all that are there, relative to the peak; added to ``out``."""
    once, twice, drift = 0.0, 0.0, 0.0
    for t in range(stop - start):
        a, own, drop = order[start + t], work[0, t], work[1, t]
        if t < stages:
            share = weight / work[2, t]
            once += share
            twice += share / work[2, t]
            drift += share * (work[3, t] / work[2, t])
        out[0, a] += own * once
        out[1, a] += own * (once - own * twice)
        out[2, a] += own * (vector[a] * once - drift)
        once, twice, drift = once * drop, twice * drop * drop, drift * drop
    return once, twice, drift


@jit
def first_peak(scores: Floats) -> float:
    """Where the range is small the peak is everyone's, 0; else it grows from the end of a ballot."""
    return 0.0 if scores.min() > -200.0 else -np.inf


@jit
def longest_of(begin: Ints) -> int:
    longest = 1
    for b in range(len(begin) - 1):
        longest = max(longest, begin[b + 1] - begin[b])
    return longest


@jit
def strict(
    order: Ints, begin: Ints, weight: Floats, rest: Bools, scores: Floats, vector: Floats
) -> tuple[float, Floats, Floats, Floats]:
    """Without ties: Σ log mass over stages, its gradient and the diagonal of its Hessian H, and H·``vector``.

    ``scores`` have their highest at 0. The mass of a stage is Σ exp(score) over those there. Linear in the ballots'
    lengths: masses are summed from the end, and what a stage adds to all that are there is carried forward.
    """
    size = len(scores)
    powers = np.exp(scores)
    whole, whole_moved, first = powers.sum(), (powers * vector).sum(), first_peak(scores)
    total, everyone, everyone2, everyone_drift = 0.0, 0.0, 0.0, 0.0
    out, shared, marked = np.zeros((3, size)), np.zeros((3, size)), np.zeros(size, np.bool_)
    work = np.empty((4, longest_of(begin)))
    for b in range(len(weight)):
        start, stop = begin[b], begin[b + 1]
        if not rest[b]:
            stages = stop - start - 1
            total += weight[b] * _gather(order, start, stop, stages, scores, powers, vector, first, 0.0, 0.0, work)
            _carry(order, start, stop, stages, weight[b], vector, work, out)
            continue
        stages = stop - start
        peak, here, apart = _tail(order, start, stop, scores, powers, whole, marked)
        others = _spread(order, start, stop, scores, peak, marked, vector) if apart else powers
        moved = others[-1] if apart else whole_moved
        if not apart:
            for e in range(start, stop):
                moved -= powers[order[e]] * vector[order[e]]
        total += weight[b] * _gather(order, start, stop, stages, scores, powers, vector, peak, here, moved, work)
        once, twice, drift = _carry(order, start, stop, stages, weight[b], vector, work, out)
        if apart:
            for a in range(size):
                out[0, a] += others[a] * once
                out[1, a] += others[a] * (once - others[a] * twice)
                out[2, a] += others[a] * (vector[a] * once - drift)
            continue
        everyone, everyone2, everyone_drift = everyone + once, everyone2 + twice, everyone_drift + drift
        for e in range(start, stop):
            shared[0, order[e]] += once
            shared[1, order[e]] += twice
            shared[2, order[e]] += drift
    once_all = everyone - shared[0]
    gradient = out[0] + powers * once_all
    diagonal = out[1] + powers * (once_all - powers * (everyone2 - shared[1]))
    product = out[2] + powers * (vector * once_all - (everyone_drift - shared[2]))
    return total, gradient, diagonal, product


@jit
def _cross(start: int, stop: int, stages: int, weight: float, work: Floats, sums: Floats) -> float:
    """``sums[t]``, Σ 1/mass² over the stages up to the t-th relative to its peak; returned: all, to the last one's."""
    twice = 0.0
    for t in range(stop - start):
        if t < stages:
            twice += weight / work[2, t] / work[2, t]
        sums[t] = twice
        twice *= work[1, t] * work[1, t]
    return twice


@jit
def _pairs_within(order: Ints, start: int, stop: int, work: Floats, sums: Floats, others: Floats, out: Floats) -> None:
    """Σ π_a π_b / mass² for each alternative of a ballot and those after it (with the ``others``, where there are)."""
    for t in range(stop - start):
        a, scale = order[start + t], work[0, t] * sums[t] * work[1, t]
        for u in range(t + 1, stop - start):
            out[a, order[start + u]] += scale * work[0, u]
            scale *= work[1, u]
        for b in range(len(others)):
            out[a, b] += scale * others[b]


@jit
def strict_hessian(order: Ints, begin: Ints, weight: Floats, rest: Bools, scores: Floats) -> Floats:
    """The Hessian ``[m, m]`` of :func:`strict`'s sum: off the diagonal −Σ π_a π_b / mass², rows that sum to 0."""
    size = len(scores)
    powers = np.exp(scores)
    whole, everyone, first = powers.sum(), 0.0, first_peak(scores)
    shared, marked, nothing = np.zeros(size), np.zeros(size, np.bool_), np.zeros(size)
    out, both = np.zeros((size, size)), np.zeros((size, size))
    longest = longest_of(begin)
    work, sums = np.empty((4, longest)), np.empty(longest)
    for b in range(len(weight)):
        start, stop = begin[b], begin[b + 1]
        stages = stop - start if rest[b] else stop - start - 1
        peak, here, apart = first, 0.0, False
        if rest[b]:
            peak, here, apart = _tail(order, start, stop, scores, powers, whole, marked)
        _gather(order, start, stop, stages, scores, powers, nothing, peak, here, 0.0, work)
        twice = _cross(start, stop, stages, weight[b], work, sums)
        if apart:
            others = _spread(order, start, stop, scores, peak, marked, nothing)[:size]
            _pairs_within(order, start, stop, work, sums, others, out)
            for i in range(size):
                for j in range(i):
                    out[i, j] += twice * others[i] * others[j]
        elif not rest[b]:
            _pairs_within(order, start, stop, work, sums, nothing[:0], out)
        else:  # all peaks are 0; up to the earlier of two = all, less what came after either, plus what after both
            everyone += twice
            for t in range(stop - start):
                later = twice - sums[t]
                shared[order[start + t]] += later
                for u in range(t):
                    both[order[start + u], order[start + t]] += later
    for i in range(size):
        for j in range(i):
            common = everyone - shared[i] - shared[j] + both[i, j] + both[j, i]
            out[i, j] = -(out[i, j] + out[j, i] + powers[i] * powers[j] * common)
            out[j, i] = out[i, j]
    for i in range(size):
        out[i, i] = 0.0
        out[i, i] = -out[i].sum()
    return out
