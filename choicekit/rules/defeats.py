"""Rules that lock in majority defeats, or discard them, from the largest margin to the smallest."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import defeats, forests, removals, voting
from choicekit.outcomes import NotConverged, TieBreak, Winners
from choicekit.profiles import Batch, Margins
from choicekit.profiles._columns import Label
from choicekit.profiles._ranks import Unranked
from choicekit.rules._rule import Floats, rule
from choicekit.rules._ties import parallel_universes
from choicekit.rules.condorcet import elected, on_margins, slack

Bools = NDArray[np.bool_]
InOrder = Callable[[Floats, Floats], tuple[Bools, Bools]]
Elsewhere = Callable[[Floats, float, Bools, int], tuple[Bools, int, bool]]

#: States that ranked pairs and river visit by default: about a second's work with 50 alternatives.
STATES = 10_000
#: Sets of alternatives that stable voting visits by default.
SETS = 100_000
_EVERYWHERE = parallel_universes(STATES)


class _Locking:
    """A rule that locks defeats in: all its universes, or the one that an order makes."""

    def __init__(self, name: str, in_order: InOrder, elsewhere: Elsewhere) -> None:
        self.name, self.in_order, self.elsewhere = name, in_order, elsewhere

    def one(self, margins: Margins, ties: TieBreak) -> Winners:
        labels = margins.alternatives
        ties = ties.settled(labels)
        won, visited, complete = self.many(margins.values[None], ties.ranks(labels), ties.budget)
        chosen = elected(labels, won[0])
        if ties.method != "parallel universes":
            return Winners(labels, chosen, ties)
        notes = () if complete[0] else (_ended(self.name, ties.budget),)
        ties = replace(ties, universes=int(visited[0]), complete=bool(complete[0]))
        return Winners(labels, chosen, ties, notes=notes)

    def many(
        self, margins: Floats, place: NDArray[np.int64] | None, budget: int | None
    ) -> tuple[Bools, NDArray[np.int64], Bools]:
        """Who wins in each profile ``[b, m, m]``, the states visited, and whether those were all there are."""
        least = slack(margins)[:, 0, 0]
        visited = np.ones(len(margins), np.int64)
        complete = np.ones(len(margins), np.bool_)
        if place is not None:
            order = np.argsort(place)
            won, _ = self.in_order(np.ascontiguousarray(margins[:, order[:, None], order]), least)
            first = order[won.argmax(1)]
            return first[:, None] == np.arange(len(order)), visited, complete
        won, parted = self.in_order(margins, least)
        for b in np.flatnonzero(parted).tolist():
            won[b], visited[b], complete[b] = self.elsewhere(margins[b], least[b], won[b], budget or STATES)
        return won, visited, complete

    def batch(self, many: Batch, *, ties: TieBreak = _EVERYWHERE, unranked: Unranked = "below") -> Floats:
        margins = many.margins(unranked)
        labels: tuple[Label, ...] = tuple(range(margins.shape[1]))
        if isinstance(ties.rng, np.random.Generator) and ties.order is None:
            # a generator draws anew for each profile, as it does for one after the other
            drawn = [self.many(each[None], ties.ranks(labels), None)[0] for each in margins]
            return np.concatenate(drawn).astype(np.float64) if drawn else np.zeros(margins.shape[:2])
        won, _, complete = self.many(margins, ties.ranks(labels), ties.budget)
        if not complete.all():
            warnings.warn(f"{(~complete).sum()} of the profiles: {_ended(self.name, ties.budget)}", stacklevel=3)
        return won.astype(np.float64)


def _ended(name: str, budget: int | None) -> str:
    return (
        f"{name}: the search of the universes of equal margins ended at its budget of {budget} states; each winner "
        "named wins in one of them, others may too. A larger budget or a fixed order settles it"
    )


_RANKED_PAIRS = _Locking("ranked_pairs", defeats.in_order, defeats.elsewhere)
_RIVER = _Locking("river", forests.in_order, forests.elsewhere)


def _split_cycle(margins: Floats) -> Floats:
    strength = voting.strongest_paths(margins)
    defeated = np.swapaxes(margins, -1, -2) > strength + slack(margins)
    return np.asarray(~defeated.any(-1), np.float64)


def _stable(margins: Floats, simple: bool, limit: int, name: str) -> Bools:
    size = margins.shape[-1]
    if size > 63:
        raise ValueError(
            f"{name}: needed at most 63 alternatives, got {size}; take those no alternative dominates first"
        )
    if limit < 1:
        raise ValueError(f"{name}: needed a limit of at least 1 set of alternatives, got {limit!r}")
    won, _ = removals.stable(margins, slack(margins)[:, 0, 0], simple, limit)
    if not won.any(1).all():
        raise NotConverged(
            f"{name}: the winners of more than {limit} sets of alternatives were needed, which can be as many as "
            f"2^{size}; raise limit, or use split_cycle, whose winners include those of stable voting",
            None,
        )
    return won


@rule(batch=_RANKED_PAIRS.batch)
def ranked_pairs(profile: Margins, *, ties: TieBreak = _EVERYWHERE) -> Winners:
    """Lock in majority defeats from the largest margin to the smallest, leaving out each that would close a cycle.

    The winners are the alternatives that no locked defeat is against. A margin of zero is no defeat, so that several
    may be left. Equal margins (within 1e-9 of the largest) can be taken in any order:

    - :func:`~choicekit.rules.parallel_universes` (the default, 10,000 states): who wins in some order of equal margins
      wins. Whether an alternative does is NP-complete; the search is exact where ``ties.complete`` is true. Only
      alternatives that split cycle elects are looked at, each for itself, among alternatives that can still matter to
      it; defeats on no cycle are locked without a fork, and states met twice are visited once. Where the budget ends
      the search, each winner named wins in one of the orders, ``ties.complete`` is false and ``notes`` say so.
    - :func:`~choicekit.rules.fixed_order` and :func:`~choicekit.rules.seeded_lottery`: of two equal margins the one
      whose winner comes first in the order is locked first, then the one whose loser comes last; of several
      alternatives left without defeat the first in the order wins. O(m³).

    A batch whose budget ends a search warns of it.

    Source: Tideman 1987 (doi:10.1007/BF00433944), Zavist and Tideman 1989 (doi:10.1007/BF00303170); parallel universes
    Conitzer, Rognlie and Xia 2009, their complexity Brill and Fischer 2012.

    a beats b by 5, b c by 3, c a by 1: the last would close a cycle. Were they equal, any two could be locked.

    >>> from choicekit import rules
    >>> ranked_pairs(Margins([[0, 5, -1], [-5, 0, 3], [1, -3, 0]], "abc")).winners
    ('a',)
    >>> cycle = Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")
    >>> ranked_pairs(cycle).winners, ranked_pairs(cycle, ties=rules.fixed_order("bca")).winners
    (('a', 'b', 'c'), ('b',))
    """
    return _RANKED_PAIRS.one(profile, ties)


@rule(batch=_RIVER.batch)
def river(profile: Margins, *, ties: TieBreak = _EVERYWHERE) -> Winners:
    """Ranked pairs that locks at most one defeat against each alternative, its largest that closes no cycle.

    From the largest margin to the smallest a defeat is locked if its loser has no locked defeat yet and it closes no
    cycle; the winners are the alternatives that are left without one. Margins of zero, equal margins, ``ties`` and
    batches are as in :func:`ranked_pairs`.

    Source: Heitzig 2004, Döring, Brill and Heitzig 2025.

    a beats b by 5, b c by 3, c a by 1:

    >>> river(Margins([[0, 5, -1], [-5, 0, 3], [1, -3, 0]], "abc")).winners
    ('a',)
    """
    return _RIVER.one(profile, ties)


@rule(batch=on_margins(_split_cycle))
def split_cycle(profile: Margins) -> Winners:
    """The alternatives without a defeat, which is a majority that is in no majority cycle the smallest.

    b defeats a if M(b, a) > 0 and every cycle of positive margins with the step from b to a has a step with a smaller
    margin: if M(b, a) exceeds the strength of the strongest path from a to b, the smallest margin along it. There is
    always a winner, and often several. Margins within 1e-9 of the largest are equal. O(m³).

    Source: Holliday and Pacuit 2023 (arXiv:2004.02350).

    In a cycle the smallest majority is no defeat:

    >>> split_cycle(Margins([[0, 5, -1], [-5, 0, 3], [1, -3, 0]], "abc")).winners
    ('a',)
    >>> split_cycle(Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")).winners
    ('a', 'b', 'c')
    """
    return Winners(profile.alternatives, elected(profile.alternatives, _split_cycle(profile.values[None])[0]))


def _stable_batch(many: Batch, *, limit: int = SETS, unranked: Unranked = "below") -> Floats:
    return _stable(many.margins(unranked), False, limit, "stable_voting").astype(np.float64)


def _simple_batch(many: Batch, *, limit: int = SETS, unranked: Unranked = "below") -> Floats:
    return _stable(many.margins(unranked), True, limit, "simple_stable_voting").astype(np.float64)


@rule(batch=_stable_batch)
def stable_voting(profile: Margins, *, limit: int = SETS) -> Winners:
    """Split cycle's winner that also wins when a rival it beats most clearly is left out.

    With one alternative it wins. Otherwise take the ordered pairs (a, b) from the largest margin M(a, b) to the
    smallest, negative ones included: the first a that split cycle elects and that wins by stable voting among all but b
    wins; with several pairs of that margin, each such a. Margins within 1e-9 of the largest are equal.

    The winners of up to 2^m sets of alternatives are needed, though mostly far fewer: a set with a Condorcet winner is
    settled at once. Raises :class:`~choicekit.NotConverged` where they are more than ``limit`` (default 100,000), and
    ``ValueError`` for more than 63 alternatives.

    Source: Holliday and Pacuit 2023 (doi:10.1007/s10602-022-09383-9).

    Of the cycle a → b by 5, b → c by 3, c → a by 1, split cycle elects a alone:

    >>> stable_voting(Margins([[0, 5, -1], [-5, 0, 3], [1, -3, 0]], "abc")).winners
    ('a',)
    """
    won = _stable(profile.values[None], False, limit, "stable_voting")[0]
    return Winners(profile.alternatives, elected(profile.alternatives, won))


@rule(batch=_simple_batch)
def simple_stable_voting(profile: Margins, *, limit: int = SETS) -> Winners:
    """Stable voting without split cycle: of the pairs (a, b) by margin, the first a that wins where b is left out.

    As :func:`stable_voting`, but every alternative may be the first of the pair. Raises the same.

    Source: Holliday and Pacuit 2023 (doi:10.1007/s10602-022-09383-9).

    (a, b) comes first with 5, but without b, a loses to c; then (b, c) with 3, but without c, b loses to a; then (c, a)
    with 1, but without a, c loses to b; then (a, c) with -1, and without c, a beats b:

    >>> simple_stable_voting(Margins([[0, 5, -1], [-5, 0, 3], [1, -3, 0]], "abc")).winners
    ('a',)
    """
    won = _stable(profile.values[None], True, limit, "simple_stable_voting")[0]
    return Winners(profile.alternatives, elected(profile.alternatives, won))
