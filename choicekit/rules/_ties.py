"""What to do where alternatives tie: an explicit argument of every rule that must choose, recorded in its outcome."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from choicekit.outcomes import Committees, Lottery, Orders, Scores, TieBreak, Winners
from choicekit.profiles._columns import Label

Outcome = Scores | Lottery | Winners | Orders | Committees


def fixed_order(order: Iterable[Label]) -> TieBreak:
    """Break every tie by a fixed order of all alternatives: the one named first is preferred.

    Preferred means kept in an elimination, elected among equals, and, of two equal defeats, the one whose winner comes
    first in the order (then the one whose loser comes last).

    >>> fixed_order("cab").order
    ('c', 'a', 'b')
    """
    return TieBreak("fixed order", order=tuple(order))


def seeded_lottery(rng: int | np.random.Generator) -> TieBreak:
    """Break every tie by one order, drawn at random when the rule runs and recorded in the outcome.

    >>> from choicekit import Rankings, rules
    >>> votes = Rankings.from_orders(["abc", "bca", "cab"])
    >>> rules.ranked_pairs(votes, ties=seeded_lottery(0)).ties.order
    ('c', 'a', 'b')
    """
    return TieBreak("seeded lottery", rng=rng)


def parallel_universes(budget: int = 100_000) -> TieBreak:
    """Follow every way of breaking the ties; who wins in any of them is a winner (Conitzer, Rognlie and Xia 2009).

    ``budget`` is how many different states may be visited; where that is not enough the outcome's ``ties.complete`` is
    false and its ``notes`` say so. Raises ``ValueError`` for a budget below 1.

    >>> parallel_universes(1000).budget
    1000
    """
    if budget < 1:
        raise ValueError(f"parallel_universes: needed a budget of at least 1 universe, got {budget!r}")
    return TieBreak("parallel universes", budget=int(budget))


def break_ties(outcome: Outcome, ties: TieBreak) -> Winners:
    """One of the winners of an outcome, by a fixed order or a seeded lottery; all of them in parallel universes.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> scores = rules.borda(ck.Rankings.from_orders(["ab", "ba"]))
    >>> scores.winners, break_ties(scores, fixed_order("ba")).winners
    (('a', 'b'), ('b',))
    """
    settled = ties.settled(outcome.alternatives)
    place = settled.ranks(outcome.alternatives)
    tied = outcome.winners
    if place is None:
        return Winners(outcome.alternatives, tied, settled)
    rank = dict(zip(outcome.alternatives, place.tolist(), strict=True))
    return Winners(outcome.alternatives, (min(tied, key=rank.__getitem__),), settled)
