"""Axioms of sets of winners looked at on every anonymous profile of a size, given a table of the rule's winners.

``scan(tables, m, n)`` says of each profile what the axiom of that name says of it alone; ``only`` are the profiles to
look at (true and false, one for each; the answer is false on the others). The tables of other sizes that a scan needs
(of more voters) are asked for first, the largest before the others, so that refusing them costs nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._axiom import Tables
from choicekit.axioms._electorates import every_ballot, order
from choicekit.kernels import multisets
from choicekit.kernels import scans_single as kernels

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Masks = NDArray[np.uint16]


# --- The ballots, by their place in lexicographic order -------------------------------------------------------------


@cache
def _number(m: int) -> dict[tuple[int, ...], int]:
    return {ballot: place for place, ballot in enumerate(every_ballot(m))}


@cache
def _orders(m: int) -> Ints:
    """The alternatives from the top, ``[K, m]``."""
    return np.array([order(ballot) for ballot in every_ballot(m)], np.int64)


@cache
def _heads(m: int) -> Ints:
    """The first s + 1 alternatives as bits, ``[K, m]``."""
    found: Ints = np.cumsum(1 << _orders(m), axis=1)
    return found


@cache
def _below(m: int) -> Ints:
    """The alternatives below each as bits, ``[K, m]``."""
    ranks = np.array(every_ballot(m), np.int64)
    found: Ints = ((ranks[:, None, :] > ranks[:, :, None]) << np.arange(m)).sum(2)
    return found


@cache
def _swaps(m: int) -> Ints:
    """The ballot on which those at places s and s + 1 have changed places, ``[K, m − 1]``."""
    found = np.empty((len(every_ballot(m)), m - 1), np.int64)
    for k, ballot in enumerate(every_ballot(m)):
        for s in range(m - 1):
            found[k, s] = _number(m)[tuple(rank ^ s ^ (s + 1) if rank in (s, s + 1) else rank for rank in ballot)]
    return found


@cache
def _turned(m: int) -> Ints:
    """Each ballot upside down, ``[K]``."""
    return np.array([_number(m)[tuple(m - 1 - rank for rank in ballot)] for ballot in every_ballot(m)], np.int64)


@cache
def _relabelled(m: int, moves: tuple[int, ...]) -> Ints:
    """What each ballot becomes where what it says of a is said of ``moves[a]``, ``[K]``."""
    found = np.empty(len(every_ballot(m)), np.int64)
    for k, ballot in enumerate(every_ballot(m)):
        new = [0] * m
        for a, b in enumerate(moves):
            new[b] = ballot[a]
        found[k] = _number(m)[tuple(new)]
    return found


@cache
def _targets(m: int, steps: bool) -> Ints:
    """The ballots with no more above x than there were, ``[x, K, ·]``, −1 for none; ``steps``: one exchange away."""
    below = _below(m)
    kinds = len(below)
    found = np.full((m, kinds, m - 1 if steps else kinds), -1, np.int64)
    for x in range(m):
        for k in range(kinds):
            better = (below[k, x] & ~below[:, x]) == 0
            better[k] = False
            kept = [j for j in _swaps(m)[k].tolist() if better[j]] if steps else np.flatnonzero(better).tolist()
            found[x, k, : len(kept)] = kept
    return found


# --- The winners ----------------------------------------------------------------------------------------------------


def looked_at(only: Bools | None, table: Masks) -> Bools:
    """The profiles of a table that a scan looks at, all by default."""
    if only is None:
        return np.ones(len(table), np.bool_)
    if only.dtype != np.bool_ or only.shape != table.shape:
        raise ValueError(
            f"scan: needed only of true and false for each of {len(table):,} profiles, got shape {only.shape} of "
            f"{only.dtype}"
        )
    return only


def placed(found: Bools, only: Bools) -> Bools:
    """What was found on some profiles, as an answer on all: false on the others."""
    answer = np.zeros(len(only), np.bool_)
    answer[only] = found
    return answer


def _masks(tables: Tables, m: int, n: int, only: Bools | None) -> tuple[Masks, Bools]:
    """The winners on the profiles that are looked at, and which these are."""
    table, *_ = _larger(tables, m, n)
    only = looked_at(only, table)
    return table[only], only


def _larger(tables: Tables, m: int, *voters: int) -> list[Masks]:
    """The tables of several sizes, the largest asked for first, where the loops can count so many ballots."""
    if not 1 <= m <= 5 or not min(voters) >= 1 or max(voters) > 255:
        raise ValueError(
            f"scan: needed 1 to 5 alternatives and electorates of 1 to 255 voters, got {m} alternatives and "
            f"electorates of {', '.join(map(str, voters))} voters; ask the axiom about single profiles instead"
        )
    found = {n: tables(m, n) for n in sorted(voters, reverse=True)}
    return [found[n] for n in voters]


def _several(table: Masks) -> Bools:
    found: Bools = (table & (table - 1)) != 0
    return found


def _others(m: int, alternatives: NDArray[np.int8]) -> Masks:
    """All alternatives but one as bits; all where there is none (−1)."""
    full = (1 << m) - 1
    return np.where(alternatives < 0, full, full & ~(1 << np.maximum(alternatives, 0))).astype(np.uint16)


def _only(m: int, alternatives: NDArray[np.int8]) -> Masks:
    """One alternative as bits; all where there is none (−1)."""
    return np.where(alternatives < 0, (1 << m) - 1, 1 << np.maximum(alternatives, 0)).astype(np.uint16)


def _outside(table: Masks, allowed: Masks) -> Bools:
    found: Bools = (table & ~allowed) != 0
    return found


# --- One profile by itself ------------------------------------------------------------------------------------------


def resoluteness(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_several(table), only)


def faithfulness(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    if n == 1:
        return unanimity(tables, m, n, only=only)
    _, only = _masks(tables, m, n, only)
    return np.zeros(len(only), np.bool_)


def unanimity(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_outside(table, _only(m, kernels.named(_orders(m)[:, 0], n, m, n, only))), only)


def pareto(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed((table & kernels.dominated(_below(m), n, only)) != 0, only)


def majority(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_outside(table, _only(m, kernels.named(_orders(m)[:, 0], n, m, n // 2 + 1, only))), only)


def majority_loser(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    if m == 1:
        return np.zeros(len(only), np.bool_)
    return placed(_outside(table, _others(m, kernels.named(_orders(m)[:, -1], n, m, n // 2 + 1, only))), only)


def mutual_majority(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_outside(table, kernels.solid(_heads(m), n, only)), only)


def condorcet_winner(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    beats, bits = kernels.defeats(_below(m), n, only), (1 << np.arange(m)).astype(np.uint16)
    first = (beats | bits) == (1 << m) - 1
    allowed = np.where(first.any(1), (first * bits).sum(1), (1 << m) - 1).astype(np.uint16)
    return placed(_outside(table, allowed), only)


def condorcet_loser(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    if m == 1:
        return np.zeros(len(only), np.bool_)
    beats, bits = kernels.defeats(_below(m), n, only), (1 << np.arange(m)).astype(np.uint16)
    last = np.bitwise_and.reduce(beats | bits, axis=1)  # beaten by every alternative but itself
    return placed((table & last) != 0, only)


def smith(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_outside(table, kernels.smith(kernels.defeats(_below(m), n, only))), only)


def schwartz(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    return placed(_outside(table, kernels.schwartz(kernels.defeats(_below(m), n, only))), only)


def cancellation(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, only = _masks(tables, m, n, only)
    level = ~kernels.defeats(_below(m), n, only).any(1)
    return placed(level & (table != (1 << m) - 1), only)


# --- Symmetries -----------------------------------------------------------------------------------------------------


def _renamed(table: Masks, m: int, n: int, moves: tuple[int, ...], only: Bools) -> Bools:
    """Whether relabelling the alternatives does not relabel the winners."""
    sets = np.arange(1 << m)
    image = np.zeros(1 << m, np.uint16)
    for a, b in enumerate(moves):
        image |= (((sets >> a) & 1) << b).astype(np.uint16)
    return placed(table[multisets.images(_relabelled(m, moves), n, only)] != image[table[only]], only)


def neutrality(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Exchanges of two neighbouring labels make all relabellings: where none clashes on any profile, none does."""
    table, *_ = _larger(tables, m, n)
    chosen = looked_at(only, table)
    found = np.zeros(len(table), np.bool_)
    for a in range(m - 1 if only is None else 0):
        found |= _renamed(table, m, n, (*range(a), a + 1, a, *range(a + 2, m)), chosen)
    if found.any() or only is not None:
        for moves in every_ballot(m)[1:]:
            found |= _renamed(table, m, n, moves, chosen)
    return found


def reversal_symmetry(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, *_ = _larger(tables, m, n)
    only = looked_at(only, table)
    if m == 1:
        return np.zeros(len(table), np.bool_)
    held = table[only]
    return placed(~_several(held) & (table[multisets.images(_turned(m), n, only)] == held), only)


def homogeneity(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Twice and three times; both tables are always needed, 3n voters in the larger."""
    table, *several = _larger(tables, m, n, 2 * n, 3 * n)
    only = looked_at(only, table)
    found, held = np.zeros(len(table), np.bool_), table[only]
    for times, larger in zip((2, 3), several, strict=True):
        found |= placed(larger[multisets.grown(len(_orders(m)), n, times, 0, only)] != held, only)
    return found


def neutral_reversal(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, more = _larger(tables, m, n, n + 2)
    only = looked_at(only, table)
    return placed(kernels.opposed(table, more, _turned(m), n, only), only)


def block_invariance(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """The table of n + m! voters is needed: of use for up to three alternatives."""
    kinds = len(_orders(m))
    table, more = _larger(tables, m, n, n + kinds)
    only = looked_at(only, table)
    return placed(more[multisets.grown(kinds, n, 1, 1, only)] != table[only], only)


# --- One ballot changed ---------------------------------------------------------------------------------------------


def monotonicity(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, *_ = _larger(tables, m, n)
    only = looked_at(only, table)
    return placed(kernels.lifts(table, _orders(m), _swaps(m), n, False, only), only)


def positive_responsiveness(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, *_ = _larger(tables, m, n)
    only = looked_at(only, table)
    return placed(kernels.lifts(table, _orders(m), _swaps(m), n, True, only), only)


def maskin_monotonicity(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    """Exchanges of neighbours lead from each ballot to every target: where none clashes on any profile, none does."""
    table, *_ = _larger(tables, m, n)
    chosen = looked_at(only, table)
    if only is None:
        found = kernels.changes(table, _targets(m, True), n, chosen)
        if not found.any():
            return found
    return placed(kernels.changes(table, _targets(m, False), n, chosen), chosen)


def set_monotonicity(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, *_ = _larger(tables, m, n)
    only = looked_at(only, table)
    return placed(kernels.lowers(table, _orders(m), _swaps(m), n, only), only)


def resolvability(tables: Tables, m: int, n: int, *, only: Bools | None = None) -> Bools:
    table, more = _larger(tables, m, n, n + 1)
    only = looked_at(only, table)
    return placed(kernels.unresolved(table, more, len(_orders(m)), n, only), only)
