"""Scans of tables of winners for axioms of several electorates or agendas, up to 5 alternatives.

A table knows alternatives by their columns. Where alternatives withdraw, a scan is therefore right for rules to which
the labels of those that are left do not matter; their order may. ``only`` are the profiles to look at, all by default;
the answer is false on the others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._axiom import Scan, Tables
from choicekit.axioms._electorates import every_ballot, order
from choicekit.axioms._extensions import Extension
from choicekit.axioms._scans_single import looked_at, placed
from choicekit.kernels import multisets
from choicekit.kernels import scans_several as kernels

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_LARGEST = 5
_BLOCK = 1 << 16


class Block(NamedTuple):
    """Profiles that follow one another: sorted ballots ``[number, n]``, winners; how many alternatives; all tables."""

    ballots: NDArray[np.uint8]
    masks: Ints
    m: int
    tables: Tables

    def standing(self, agenda: tuple[int, ...]) -> Ints:
        """The winners when only these alternatives stand, as bits of all alternatives."""
        voters = self.ballots.shape[1]
        becomes, wide = projection(self.m, agenda)
        steps = kernels.steps(voters, math.factorial(len(agenda)))
        table = self.tables(len(agenda), voters)
        found: Ints = wide[table[kernels.turned_into(self.ballots, becomes, steps)]]
        return found

    def without(self, a: int) -> Ints:
        """The winners when one alternative withdraws."""
        return self.standing(tuple(b for b in range(self.m) if b != a))

    def common(self, bits: Ints) -> Ints:
        """The bits that all ballots of a profile have."""
        found: Ints = np.bitwise_and.reduce(bits[self.ballots], axis=1)
        return found

    def beats(self) -> Ints:
        """The alternatives that each beats by a strict majority, as bits, ``[number, m]``."""
        ranks = np.array(every_ballot(self.m), np.int8)
        sign = np.sign(ranks[:, None, :] - ranks[:, :, None])  # [ballot, a, b]: 1 where a is above b
        found = np.zeros((len(self.masks), self.m), np.int64)
        for a, b in itertools.combinations(range(self.m), 2):
            margins = sign[:, a, b][self.ballots].sum(1, dtype=np.int16)
            found[:, a] |= (margins > 0).astype(np.int64) << b
            found[:, b] |= (margins < 0).astype(np.int64) << a
        return found


def blocks(tables: Tables, m: int, n: int, only: Bools) -> Iterator[Block]:
    """All profiles that are looked at, some at a time."""
    masks = tables(m, n).astype(np.int64)
    for start in range(0, len(masks), _BLOCK):
        chosen = np.flatnonzero(only[start : start + _BLOCK])
        if len(chosen):
            ballots = multisets.tuples(math.factorial(m), n, start, start + int(chosen[-1]) + 1)
            yield Block(ballots[chosen], masks[start + chosen], m, tables)


def blockwise(check: Callable[[Block], Bools], tables: Tables, m: int, n: int, only: Bools | None) -> Bools:
    """The verdicts on all profiles, from those on some of them."""
    small(m)
    only = looked_at(only, tables(m, n))
    found = [check(block) for block in blocks(tables, m, n, only)]
    return placed(np.concatenate(found) if found else np.zeros(0, np.bool_), only)


def small(m: int) -> None:
    """Refuse more alternatives than the scans have bits for."""
    if m > _LARGEST:
        raise ValueError(f"scan: needed at most {_LARGEST} alternatives, got {m}")


@cache
def projection(m: int, agenda: tuple[int, ...]) -> tuple[Ints, Ints]:
    """Which ballot each becomes when only these alternatives stand, and which bits their sets become."""
    number = {ballot: place for place, ballot in enumerate(every_ballot(len(agenda)))}
    becomes = []
    for ballot in every_ballot(m):
        kept = [ballot[a] for a in agenda]
        becomes.append(number[tuple(sorted(kept).index(rank) for rank in kept)])
    sets = range(1 << len(agenda))
    wide = [sum(1 << a for i, a in enumerate(agenda) if chosen >> i & 1) for chosen in sets]
    return np.array(becomes, np.int64), np.array(wide, np.int64)


@cache
def gains(extension: Extension, m: int) -> Ints:
    """``[ballot, Y]``: the sets X, as bits, that are better than Y."""
    small(m)
    out = np.zeros((math.factorial(m), 1 << m), np.int64)
    members = [[a for a in range(m) if chosen >> a & 1] for chosen in range(1 << m)]
    for row, ranks in enumerate(every_ballot(m)):
        sets = [[ranks[a] for a in chosen] for chosen in members]
        for one, other in itertools.product(range(1, 1 << m), repeat=2):
            if extension.better(sets[one], sets[other]):
                out[row, other] |= 1 << one
    return out


@cache
def involvement(m: int, place: int) -> Ints:
    """``[ballot, Y]``: the sets X, as bits, from which the alternative in the place on top (0), or at the bottom (-1),
    drops out, or into which it comes."""
    small(m)
    out = np.zeros((math.factorial(m), 1 << m), np.int64)
    for row, ranks in enumerate(every_ballot(m)):
        bit = 1 << order(ranks)[place]
        for one, other in itertools.product(range(1, 1 << m), repeat=2):
            had, has = one & bit, other & bit
            if (had and not has) if place == 0 else (has and not had):
                out[row, other] |= 1 << one
    return out


def _joining(wrong: Callable[[int], Ints], tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, more = tables(m, n), tables(m, n + 1)
    only = looked_at(only, table)
    return placed(kernels.joining(table, more, wrong(m), n, only), only)


def _lying(extension: Extension, tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table = tables(m, n)
    only = looked_at(only, table)
    return placed(kernels.lying(table, gains(extension, m), n, only), only)


def participation(extension: Extension) -> Scan:
    """Where a voter does better by staying away."""
    return partial(_joining, partial(gains, extension))


def strategyproofness(extension: Extension) -> Scan:
    """Where a voter gains by a lie."""
    return partial(_lying, extension)


def positive_involvement(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where a voter's favourite wins until they join."""
    return _joining(lambda size: involvement(size, 0), tables, m, n, only=only)


def negative_involvement(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where the alternative that a voter likes least wins only when they join."""
    return _joining(lambda size: involvement(size, -1), tables, m, n, only=only)


def reinforcement(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where two parts of the electorate agree and the whole does otherwise."""
    small(m)
    masks = tables(m, n)
    only = looked_at(only, masks)
    if n == 1:
        return np.zeros(len(masks), np.bool_)
    parts = [tables(m, k) for k in range(1, n)]
    starts = np.cumsum([0, 0, *(len(part) for part in parts[:-1])])
    return placed(kernels.splitting(masks, np.concatenate(parts), starts, math.factorial(m), n, only), only)


def independence_of_clones(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where a clone that withdraws changes something for the others, or for the clones as a whole."""
    return blockwise(_clones, tables, m, n, only)


def _clones(block: Block) -> Bools:
    m, masks = block.m, block.masks
    found = np.zeros(len(masks), np.bool_)
    groups = [sum(1 << a for a in held) for size in range(2, m) for held in itertools.combinations(range(m), size)]
    if not groups:
        return found
    bits = []
    for ranks in every_ballot(m):
        runs = [sum(1 << a for a in order(ranks)[i:j]) for i in range(m) for j in range(i + 2, m + 1)]
        bits.append(sum(1 << run for run in runs))
    alike = block.common(np.array(bits, np.int64))
    for a in range(m):
        after = block.without(a)
        for group in groups:
            if group >> a & 1:
                others = (masks & ~group) != (after & ~group)
                clones = ((masks & group) != 0) != ((after & group) != 0)
                found |= (alike >> group & 1).astype(np.bool_) & (others | clones)
    return found


def independence_of_pareto_dominated_alternatives(
    tables: Tables, m: int, n: int, *, only: Bools | None = None
) -> Bools:
    """Where an alternative withdraws that everybody puts below some other, and the winners change."""
    return blockwise(_dominated, tables, m, n, only)


def _dominated(block: Block) -> Bools:
    found = np.zeros(len(block.masks), np.bool_)
    for a in range(block.m if block.m > 1 else 0):
        above = [sum(1 << b for b in range(block.m) if ranks[b] < ranks[a]) for ranks in every_ballot(block.m)]
        found |= (block.common(np.array(above, np.int64)) != 0) & (block.without(a) != block.masks)
    return found


def independence_of_smith_dominated_alternatives(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where an alternative outside the Smith set withdraws, and the winners change."""
    return blockwise(_outside, tables, m, n, only)


def _outside(block: Block) -> Bools:
    everyone, beats = (1 << block.m) - 1, block.beats()
    smith = np.full(len(block.masks), everyone)
    for group in range(1, everyone):
        dominant = np.ones(len(smith), np.bool_)
        for a in range(block.m):
            if group >> a & 1:
                dominant &= (everyone & ~group & ~beats[:, a]) == 0
        smith = np.where(dominant, smith & group, smith)
    found = np.zeros(len(smith), np.bool_)
    for a in range(block.m if block.m > 1 else 0):
        found |= ((smith >> a & 1) == 0) & (block.without(a) != block.masks)
    return found


def stability_for_winners(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where a winner stops winning by the entry of an alternative that it beats."""
    return blockwise(partial(_stable, spoiler=False), tables, m, n, only)


def immunity_to_spoilers(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """The same, where the alternative that enters does not win either."""
    return blockwise(partial(_stable, spoiler=True), tables, m, n, only)


def _stable(block: Block, spoiler: bool) -> Bools:
    found, beats = np.zeros(len(block.masks), np.bool_), block.beats()
    for b in range(block.m if block.m > 1 else 0):
        beating = sum((beats[:, a] >> b & 1) << a for a in range(block.m))
        wrong = (block.without(b) & beating & ~block.masks) != 0
        found |= wrong & ((block.masks >> b & 1) == 0) if spoiler else wrong
    return found


def agendas(m: int) -> list[tuple[int, ...]]:
    """The sets of at least two of the alternatives, but not all, the larger first."""
    return [kept for size in range(m - 1, 1, -1) for kept in itertools.combinations(range(m), size)]


def alpha(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where a winner stops winning when others withdraw."""
    return blockwise(_contracted, tables, m, n, only)


def _contracted(block: Block) -> Bools:
    found = np.zeros(len(block.masks), np.bool_)
    for agenda in agendas(block.m):
        within = sum(1 << a for a in agenda)
        found |= (block.masks & within & ~block.standing(agenda)) != 0
    return found


def gamma(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Where a winner of two agendas does not win when both come together."""
    return blockwise(_expanded, tables, m, n, only)


def _expanded(block: Block) -> Bools:
    found = np.zeros(len(block.masks), np.bool_)
    standing = {agenda: block.standing(agenda) for agenda in agendas(block.m)}
    for one, other in itertools.combinations(standing, 2):
        if len({*one, *other}) == block.m:
            found |= (standing[one] & standing[other] & ~block.masks) != 0
    return found
