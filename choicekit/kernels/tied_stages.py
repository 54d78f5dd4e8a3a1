"""Loops of the Plackett–Luce model with ties; ballots as in :mod:`choicekit.kernels.stages`.

Masses are sums of elementary symmetric polynomials, built up one alternative at a time from the end; derivatives
are sent back the same way. All terms are kept relative to the highest score there and the polynomials' usual size, and
are positive, except where a difference costs at most three digits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels._jit import jit
from choicekit.kernels.stages import first_peak, longest_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@jit
def _roots(scores: Floats, sizes: Ints) -> Floats:
    """exp(score / k) ``[orders, m]``."""
    out = np.empty((len(sizes), len(scores)))
    for o in range(len(sizes)):
        out[o] = np.exp(scores / sizes[o])
    return out


@jit
def _none_yet(sizes: Ints) -> Floats:
    """The polynomials ``[2, orders, largest + 1]`` of no alternatives, and their derivatives."""
    sums = np.zeros((2, len(sizes), sizes.max() + 1))
    sums[0, :, 0] = 1.0
    return sums


@jit
def _insert(
    sequence: Ints, ends: Bools, length: int, peak: float, sums: Floats, weight: float, scores: Floats, roots: Floats,
    vector: Floats, sizes: Ints, logs: Floats, turn: Floats, before: Floats, seeds: Floats, place: Floats,
    counts: Floats,
) -> float:  # fmt: skip
    """Put in a ballot's alternatives from its end: the elementary symmetric ``sums`` of every order, with derivatives
    along ``vector`` and ``turn``; at each stage Σ log mass, and what it sends back. ``length`` will be there at last.
    """
    orders, already = len(sizes), length - len(sequence)
    terms = np.empty((2, orders))
    total = 0.0
    for p in range(len(sequence)):
        a = sequence[p]
        drop = min(0.0, peak - scores[a])
        peak = max(peak, scores[a])
        place[p, 0], place[p, 1] = peak, drop
        for o in range(orders):
            k = sizes[o]
            if drop < 0.0:
                for r in range(1, k + 1):
                    by = np.exp(drop * r / k)
                    sums[0, o, r] *= by
                    sums[1, o, r] *= by
            x = (roots[o, a] if peak == 0.0 else np.exp((scores[a] - peak) / k)) / max(1.0, length / k)
            for r in range(k, -1, -1):
                before[p, 0, o, r], before[p, 1, o, r] = sums[0, o, r], sums[1, o, r]
                if r > 0:
                    sums[1, o, r] += x * (sums[1, o, r - 1] + vector[a] / k * sums[0, o, r - 1])
                    sums[0, o, r] += x * sums[0, o, r - 1]
        if not ends[p]:
            continue
        top = -np.inf
        for o in range(orders):
            k, there = sizes[o], p + already + 1 >= sizes[o]
            terms[0, o] = logs[o] + k * np.log(max(1.0, length / k)) + np.log(sums[0, o, k]) if there else -np.inf
            terms[1, o] = turn[o] + sums[1, o, k] / sums[0, o, k] if there else 0.0
            top = max(top, terms[0, o])
        mass, shift = 0.0, 0.0
        for o in range(orders):
            terms[0, o] = np.exp(terms[0, o] - top)
            mass += terms[0, o]
            shift += terms[0, o] * terms[1, o]
        total += weight * (peak + top + np.log(mass))
        for o in range(orders):
            share = weight * terms[0, o] / mass
            counts[0, o] += share
            counts[1, o] += share * (terms[1, o] - shift / mass)
            seeds[p, 0, o] = share / sums[0, o, sizes[o]] if p + already + 1 >= sizes[o] else 0.0
            seeds[p, 1, o] = seeds[p, 0, o] * (turn[o] - shift / mass)
    return total


@jit
def _send_back(
    sequence: Ints, ends: Bools, length: int, back: Floats, scores: Floats, roots: Floats, vector: Floats, sizes: Ints,
    before: Floats, seeds: Floats, place: Floats, out: Floats,
) -> None:  # fmt: skip
    """The way back of :func:`_insert`: the gradient to ``out[0]``, its derivative along the direction to ``out[1]``;
    ``back`` becomes what the sums that were there before get."""
    orders = len(sizes)
    for p in range(len(sequence) - 1, -1, -1):
        a, peak = sequence[p], place[p, 0]
        for o in range(orders):
            k = sizes[o]
            if ends[p]:
                back[0, o, k] += seeds[p, 0, o]
                back[1, o, k] += seeds[p, 1, o]
            x = (roots[o, a] if peak == 0.0 else np.exp((scores[a] - peak) / k)) / max(1.0, length / k)
            slope = vector[a] / k
            lift, turned = 0.0, 0.0
            for r in range(1, k + 1):
                lift += before[p, 0, o, r - 1] * back[0, o, r]
                turned += before[p, 1, o, r - 1] * back[0, o, r] + before[p, 0, o, r - 1] * back[1, o, r]
                back[1, o, r - 1] += x * (back[1, o, r] + slope * back[0, o, r])
                back[0, o, r - 1] += x * back[0, o, r]
            out[0, a] += lift * x / k
            out[1, a] += (turned + slope * lift) * x / k
            if place[p, 1] < 0.0:
                for r in range(1, k + 1):
                    by = np.exp(place[p, 1] * r / k)
                    back[0, o, r] *= by
                    back[1, o, r] *= by


@jit
def _take_out(
    sequence: Ints, whole: Floats, roots: Floats, vector: Floats, sizes: Ints, sums: Floats, after: Floats
) -> bool:
    """From everyone's sums those without some alternatives, and whether that keeps all but three digits."""
    length = roots.shape[1]
    sums[:] = whole
    for p in range(len(sequence)):
        a = sequence[p]
        for o in range(len(sizes)):
            k = sizes[o]
            x = roots[o, a] / max(1.0, length / k)
            for r in range(k + 1):
                if r > 0:
                    sums[0, o, r] -= x * sums[0, o, r - 1]
                    sums[1, o, r] -= x * (sums[1, o, r - 1] + vector[a] / k * sums[0, o, r - 1])
                after[p, 0, o, r], after[p, 1, o, r] = sums[0, o, r], sums[1, o, r]
    for o in range(len(sizes)):
        for r in range(sizes[o] + 1):
            if not sums[0, o, r] >= 1e-3 * whole[0, o, r]:
                return False
    return True


@jit
def _send_through(
    sequence: Ints, back: Floats, roots: Floats, vector: Floats, sizes: Ints, after: Floats, out: Floats
) -> None:
    """The way back of :func:`_take_out`."""
    length = roots.shape[1]
    for p in range(len(sequence) - 1, -1, -1):
        a = sequence[p]
        for o in range(len(sizes)):
            k = sizes[o]
            x, slope = roots[o, a] / max(1.0, length / k), vector[a] / k
            lift, turned = 0.0, 0.0
            for r in range(k, 0, -1):
                lift -= after[p, 0, o, r - 1] * back[0, o, r]
                turned -= after[p, 1, o, r - 1] * back[0, o, r] + after[p, 0, o, r - 1] * back[1, o, r]
                back[1, o, r - 1] -= x * (back[1, o, r] + slope * back[0, o, r])
                back[0, o, r - 1] -= x * back[0, o, r]
            out[0, a] += lift * x / k
            out[1, a] += (turned + slope * lift) * x / k


@jit
def sequence_of(
    order: Ints, level: Ints, start: int, stop: int, below: bool, size: int, already: int
) -> tuple[Ints, Bools]:
    """A ballot from its end, with ``below`` those who are not on it first, and after whom a stage is complete, where
    ``already`` so many others are there."""
    others = size - (stop - start) if below else 0
    sequence = np.empty(stop - start + others, np.int64)
    ends = np.zeros(len(sequence), np.bool_)
    if below:
        there = np.zeros(size, np.bool_)
        for e in range(start, stop):
            there[order[e]] = True
        p = 0
        for a in range(size):
            if not there[a]:
                sequence[p] = a
                p += 1
    for e in range(start, stop):
        p = len(sequence) - 1 - (e - start)
        sequence[p] = order[e]
        ends[p] = p + already > 0 and (e == start or level[e] != level[e - 1])
    return sequence, ends


@jit
def _scratch(longest: int, sizes: Ints) -> tuple[Floats, Floats, Floats]:
    orders = len(sizes)
    return np.empty((longest, 2, orders, sizes.max() + 1)), np.empty((longest, 2, orders)), np.empty((longest, 2))


@jit
def tied(
    order: Ints, level: Ints, begin: Ints, weight: Floats, rest: Bools, scores: Floats, sizes: Ints, logs: Floats,
    vector: Floats, turn: Floats,
) -> tuple[float, Floats, Floats]:  # fmt: skip
    """With ties: Σ log mass over stages, and its gradient with its Hessian times a direction, ``[2, m]``, ``[2, q]``.

    The mass of a stage is Σ_k δ_k Σ Π π^(1/k) over the sets of k of those there, for k in ``sizes`` and log δ_k in
    ``logs``; a direction is ``vector`` for the scores with ``turn`` for the logs. ``scores`` have their highest at 0.
    Linear in the ballots' lengths: where others stand below, their sums are everyone's with the ranked taken out.
    """
    size, roots, first, some = len(scores), _roots(scores, sizes), first_peak(scores), rest.any()
    longest = size if some else longest_of(begin)
    before, seeds, place = _scratch(longest, sizes)
    out, counts, total = np.zeros((2, size)), np.zeros((2, len(sizes))), 0.0
    after, sums = np.empty_like(before), _none_yet(sizes)
    everyone, never = np.arange(size), np.zeros(size, np.bool_)
    built, unused, places = _scratch(size if some else 1, sizes)
    whole, back_all = _none_yet(sizes), np.zeros((2, len(sizes), sizes.max() + 1))
    if some:
        _insert(
            everyone, never, size, 0.0, whole, 0.0, scores, roots, vector, sizes, logs, turn, built, unused, places,
            counts,
        )  # fmt: skip
    for b in range(len(weight)):
        start, stop, back = begin[b], begin[b + 1], np.zeros((2, len(sizes), sizes.max() + 1))
        apart = rest[b] and sizes.max() <= 6 and size - (stop - start) >= 2 * sizes.max()
        sequence, ends = sequence_of(order, level, start, stop, rest[b] and not apart, size, 1 if apart else 0)
        if apart and not _take_out(sequence, whole, roots, vector, sizes, sums, after):
            apart = False
            sequence, ends = sequence_of(order, level, start, stop, True, size, 0)
        length = size if apart else len(sequence)
        total += _insert(
            sequence, ends, length, 0.0 if apart else first, sums if apart else _none_yet(sizes), weight[b], scores,
            roots, vector, sizes, logs, turn, before, seeds, place, counts,
        )  # fmt: skip
        _send_back(sequence, ends, length, back, scores, roots, vector, sizes, before, seeds, place, out)
        if apart:
            _send_through(sequence, back, roots, vector, sizes, after, out)
            back_all += back
    if some:
        _send_back(everyone, never, size, back_all, scores, roots, vector, sizes, built, unused, places, out)
    return total, out, counts


@jit
def tied_hessian(
    order: Ints, level: Ints, begin: Ints, weight: Floats, rest: Bools, scores: Floats, sizes: Ints, logs: Floats
) -> Floats:
    """The Hessian ``[m + q, m + q]`` of :func:`tied`'s sum, a direction at a time: within each ballot, or where others
    stand below within all of them."""
    size, orders = len(scores), len(sizes)
    vector, turn = np.zeros(size), np.zeros(orders)
    hessian = np.zeros((size + orders, size + orders))
    if rest.any():
        for at in range(size + orders):
            vector[:] = 0.0
            turn[:] = 0.0
            if at < size:
                vector[at] = 1.0
            else:
                turn[at - size] = 1.0
            _, out, counts = tied(order, level, begin, weight, rest, scores, sizes, logs, vector, turn)
            hessian[:size, at], hessian[size:, at] = out[1], counts[1]
        return 0.5 * (hessian + hessian.T)
    roots, first = _roots(scores, sizes), first_peak(scores)
    before, seeds, place = _scratch(longest_of(begin), sizes)
    out, counts = np.zeros((2, size)), np.zeros((2, orders))
    for b in range(len(weight)):
        sequence, ends = sequence_of(order, level, begin[b], begin[b + 1], False, size, 0)
        length = len(sequence)
        for d in range(length + orders):
            at = sequence[d] if d < length else size + d - length
            if at < size:
                vector[at] = 1.0
            else:
                turn[at - size] = 1.0
            back = np.zeros((2, orders, sizes.max() + 1))
            _insert(
                sequence, ends, length, first, _none_yet(sizes), weight[b], scores, roots, vector, sizes, logs, turn,
                before, seeds, place, counts,
            )  # fmt: skip
            _send_back(sequence, ends, length, back, scores, roots, vector, sizes, before, seeds, place, out)
            for a in sequence:
                hessian[a, at] += out[1, a]
                out[1, a] = 0.0
            for o in range(orders):
                hessian[size + o, at] += counts[1, o]
                counts[1, o] = 0.0
            if at < size:
                vector[at] = 0.0
            else:
                turn[at - size] = 0.0
    return 0.5 * (hessian + hessian.T)


@jit
def _climb(top: Ints, held: int, a: int, scores: Floats) -> int:
    """Put an alternative in its place among the best so far; how many are held then."""
    at = held
    if held == len(top):
        if scores[top[held - 1]] >= scores[a]:
            return held
        at = held - 1
    while at > 0 and scores[top[at - 1]] < scores[a]:
        top[at] = top[at - 1]
        at -= 1
    top[at] = a
    return min(held + 1, len(top))


@jit
def slacks(
    order: Ints, level: Ints, begin: Ints, rest: Bools, scores: Floats, down: Ints, sizes: Ints, logs: Floats
) -> tuple[Ints, Ints, Ints, Floats]:
    """For each stage the entries ``[s, 2]`` between which its tier stands, which of ``sizes`` gives the set with the
    highest mean score plus log, that set ``[s, largest]``, and by how much the chosen set's falls short of that.

    ``down`` are the alternatives from the highest score to the lowest.
    """
    most = sizes.max()
    ends, best = np.empty((len(order), 2), np.int64), np.empty(len(order), np.int64)
    sets, short = np.empty((len(order), most), np.int64), np.empty(len(order))
    marked, top = np.zeros(len(scores), np.bool_), np.empty(most, np.int64)
    found = 0
    for b in range(len(begin) - 1):
        start, until = begin[b], begin[b + 1]
        held, there = 0, len(scores) - (until - start) if rest[b] else 0
        if rest[b]:
            for e in range(start, until):
                marked[order[e]] = True
            for a in down:
                if held < most and not marked[a]:
                    top[held] = a
                    held += 1
                elif held == most:
                    break
            for e in range(start, until):
                marked[order[e]] = False
        for e in range(until - 1, start - 1, -1):
            held = _climb(top, held, order[e], scores)
            there += 1
            if e > start and level[e] == level[e - 1]:
                continue
            if there > 1:
                own, highest, chosen, total, r = 0.0, -np.inf, 0.0, 0.0, 0
                for i in range(e, until):
                    chosen += scores[order[i]] / (until - e)
                for o in range(len(sizes)):
                    k = sizes[o]
                    while r < min(k, there):
                        total += scores[top[r]]
                        r += 1
                    if k == until - e:
                        own = chosen + logs[o]
                    if k <= there and total / k + logs[o] > highest:
                        highest, best[found] = total / k + logs[o], o
                ends[found, 0], ends[found, 1], short[found] = e, until, highest - own
                for i in range(most):
                    sets[found, i] = top[i]
                found += 1
            until = e
    return ends[:found], best[:found], sets[:found], short[:found]


@jit
def log_chances(
    order: Ints, level: Ints, begin: Ints, rest: Bools, scores: Floats, sizes: Ints, logs: Floats
) -> Floats:
    """The log-probability of each ballot; −∞ where so many are tied as ``sizes`` do not list."""
    size, orders, roots, first = len(scores), len(sizes), _roots(scores, sizes), first_peak(scores)
    before, seeds, place = _scratch(size if rest.any() else longest_of(begin), sizes)
    nothing, turn, counts = np.zeros(size), np.zeros(orders), np.zeros((2, orders))
    out = np.empty(len(begin) - 1)
    for b in range(len(begin) - 1):
        sequence, ends = sequence_of(order, level, begin[b], begin[b + 1], rest[b], size, 0)
        chance = -_insert(
            sequence, ends, len(sequence), first, _none_yet(sizes), 1.0, scores, roots, nothing, sizes, logs, turn,
            before, seeds, place, counts,
        )  # fmt: skip
        until = begin[b + 1]
        for e in range(begin[b + 1] - 1, begin[b] - 1, -1):
            if e > begin[b] and level[e] == level[e - 1]:
                continue
            if ends[len(sequence) - 1 - (e - begin[b])]:
                bonus = -np.inf
                for o in range(orders):
                    if sizes[o] == until - e:
                        bonus = logs[o]
                chance += scores[order[e:until]].mean() + bonus
            until = e
        out[b] = chance
    return out
