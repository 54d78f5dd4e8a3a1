"""Axioms of truncated ballots: going on with a ballot should matter to none of those that are ranked on it already.

Ballots rank some of the alternatives, without ties; the others are unranked (-1). Every way of going on with the ballot
of one voter of each row is looked at, where alternatives are added below, shorter ones first.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable, replaced, said, voting
from choicekit.axioms._readings import Ask
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings


@axiom(kind="neighbour", about=readings.winners, ballots="truncated")
def later_no_harm(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner that a ballot ranks still wins when alternatives are added to the ballot below those it ranks.

    Source: Woodall 1997 (doi:10.1016/S0166-218X(96)00100-X).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"a": 1, "b": 1}, alternatives="abc")
    >>> print(axioms.later_no_harm(rules.bucklin, votes).reason)
    a no longer wins when a voter of a says a > b
    """
    before = ask(_truncated(profile, "later_no_harm"))
    for ranked, longer, how in _continued(profile, "later_no_harm", ask.voters_named):
        for label in ranked:
            if label in before and label not in ask(longer):
                return Clash(f"{label} no longer wins when {how}", (profile, longer), ("the ballots", how), (label,))
    return None


@axiom(kind="neighbour", about=readings.winners, ballots="truncated")
def later_no_help(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that a ballot ranks and that does not win still does not when others are added to it below.

    Source: Woodall 1997 (doi:10.1016/S0166-218X(96)00100-X).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.later_no_help(rules.borda, ck.Rankings.from_orders({"abc": 1, "c": 1})))
    borda violates later_no_help: c wins when a voter of c says c > b
    the ballots: a wins
      1: a > b > c
      1: c
    a voter of c says c > b: a and b and c win
      1: a > b > c
      1: c > b
    """
    before = ask(_truncated(profile, "later_no_help"))
    for ranked, longer, how in _continued(profile, "later_no_help", ask.voters_named):
        for label in ranked:
            if label not in before and label in ask(longer):
                return Clash(f"{label} wins when {how}", (profile, longer), ("the ballots", how), (label,))
    return None


def _truncated(profile: Rankings, axiom: str) -> Rankings:
    for row, ranks in enumerate(profile.ranks.tolist()):
        ranked = [rank for rank in ranks if rank >= 0]
        if len(set(ranked)) < len(ranked):
            raise ValueError(
                f"{axiom}: needed ballots that rank some or all of the alternatives without ties; row {row} says "
                f"{said(profile, ranks)}. Break the ties yourself, so that the choice is yours to see"
            )
    return profile


def _continued(profile: Rankings, axiom: str, named: bool) -> Iterator[tuple[Labels, Rankings, str]]:
    """The alternatives a ballot ranks, the profile in which it goes on, and how."""
    labels = profile.alternatives
    for row in voting(profile, named):
        ranks = profile.ranks[row].tolist()
        held = sorted((a for a in range(len(labels)) if ranks[a] >= 0), key=ranks.__getitem__)
        rest = [a for a in range(len(labels)) if ranks[a] < 0]
        affordable(
            sum(math.perm(len(rest), k) for k in range(1, len(rest) + 1)), axiom, "ways of going on with a ballot"
        )
        for number in range(1, len(rest) + 1):
            for below in itertools.permutations(rest, number):
                longer = [-1] * len(labels)
                for place, a in enumerate([*held, *below]):
                    longer[a] = place
                voter = f"a voter of {said(profile, ranks)}" if held else "a voter who ranks nobody"
                how = f"{voter} says {said(profile, longer)}"
                yield tuple(labels[a] for a in held), replaced(profile, row, tuple(longer)), how
