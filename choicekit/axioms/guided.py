"""Where a theorem says to look: profiles on the way of an impossibility proof, one of which must break an axiom."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from choicekit.axioms._axiom import Axiom
from choicekit.axioms._electorates import joined, made
from choicekit.axioms._readings import Ask
from choicekit.axioms.violation import Violation
from choicekit.profiles import Rankings

# The proof's first electorate on alternatives 0 1 2 3, and the voters who join it.
_FIRST = {(0, 3, 2, 1): 3, (0, 3, 1, 2): 3, (3, 1, 2, 0): 5, (1, 2, 0, 3): 4}
_JOINING, _JOIN = (2, 0, 1, 3), 4


def follow(axiom: Axiom, ask: Ask) -> Violation | None:
    """A violation of participation on the chain of profiles by which Moulin proved that Condorcet rules have one.

    The chain starts from 15 voters on four alternatives. Where alternative x wins, and another, y, beats x by more than
    any but x beats y, voters with x first and y second join until y beats everyone: a Condorcet rule then elects y,
    although each who joined would rather have x. If 0 wins, which alone has no such y, four voters with 2 first and 0
    second join, after whom every winner has one. At most 25 voters; every profile on the way is examined with all that
    could join it. ``None`` where none of them is a violation, as for rules that elect no Condorcet winner, or sets of
    winners that the axiom's comparison does not tell apart.

    Source: Moulin 1988 (doi:10.1016/0022-0531(88)90253-0).

    >>> from choicekit import axioms, rules
    >>> from choicekit.axioms._readings import Ask, winners
    >>> found = follow(axioms.participation_lexicographic, Ask(rules.black, winners))
    >>> found.voters <= 25
    True
    """
    for profile in _chain(ask):
        violation = axiom.examine(ask, profile)
        if violation:
            return violation
    return None


def _chain(ask: Ask) -> Iterator[Rankings]:
    first = made(
        np.array([_ranks(order) for order in _FIRST], np.int8), np.array(list(_FIRST.values()), float), (0, 1, 2, 3)
    )
    second = joined(first, _ranks(_JOINING), _JOIN)
    for start in (first, second):
        margins = start.to_margins().values
        for x in ask(start):
            for y in np.flatnonzero(margins[:, x] > 0).tolist():
                deficit = max(margins[z, y] for z in range(4) if z != x)
                if margins[y, x] > deficit + 1:
                    rest = [a for a in range(4) if a not in (x, y)]
                    yield from _joining(start, (x, y, *rest), int(max(deficit, 0)) + 1)
    yield from _joining(first, _JOINING, _JOIN)


def _joining(profile: Rankings, order: tuple[int, ...], voters: int) -> Iterator[Rankings]:
    """The profile, and those after each but the last of so many voters joined."""
    for number in range(voters):
        yield joined(profile, _ranks(order), number) if number else profile


def _ranks(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(a) for a in range(len(order)))
