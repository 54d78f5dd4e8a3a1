"""Value restriction: whether the voters agree on something about every three alternatives."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import recognition
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label
from choicekit.rules._rule import forget

Triple = tuple[Label, Label, Label]
Ints = NDArray[np.int64]

_ROLES: tuple[Literal["best", "middle", "worst"], ...] = ("best", "middle", "worst")


class Restriction(NamedTuple):
    """Of the three alternatives of ``triple``, ``alternative`` is ``never`` best, middle or worst for any voter.

    >>> Restriction(("a", "b", "c"), "b", "worst").never
    'worst'
    """

    triple: Triple
    alternative: Label
    never: Literal["best", "middle", "worst"]


@dataclass(frozen=True)
class ValueRestriction:
    """What :func:`value_restricted` found; true where the profile is value-restricted.

    ``restrictions`` has one entry for each triple of alternatives that is restricted. Where some triple is not,
    ``violation`` is the first such, and ``voters`` are as few rows of the profile as violate it together.

    >>> found = value_restricted(Rankings.from_orders(["abc", "cba"]))
    >>> found.holds, bool(found), found.restrictions
    (True, True, (Restriction(triple=('a', 'b', 'c'), alternative='b', never='worst'),))
    """

    restrictions: tuple[Restriction, ...]
    violation: Triple | None = None
    voters: tuple[int, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether every triple is restricted.

        >>> ValueRestriction(()).holds
        True
        """
        return self.violation is None

    def __bool__(self) -> bool:
        return self.holds


def value_restricted(profile: Rankings) -> ValueRestriction:
    """Whether of every three alternatives some one is never best, never middle, or never worst for any voter.

    Voters to whom all three are equal are not asked; one tied for best or worst of them is both that and middle (x is
    middle where y ≽ x ≽ z or z ≽ x ≽ y). Unranked alternatives are below all ranked ones and level. Voters of weight 0
    are no voters. With an odd number of voters of equal weight who rank strictly it makes the majority relation
    transitive. Single-peaked profiles have one that is never worst; single-crossing ones are restricted too. In
    O(n m³).

    Source: Sen 1966 (doi:10.2307/1909947); with ties, Sen and Pattanaik 1969 (doi:10.1016/0022-0531(69)90020-9).

    >>> found = value_restricted(Rankings.from_orders(["abcd", "bcad", "cabd", "bacd"]))
    >>> found.holds, found.violation, found.voters
    (False, ('a', 'b', 'c'), (0, 1, 2))
    >>> found.restrictions[0]
    Restriction(triple=('a', 'b', 'd'), alternative='a', never='worst')
    """
    rankings: Rankings = forget(profile, Rankings, "value_restricted")
    rows = np.flatnonzero(rankings.weights > 0)
    ranks = rankings.ranks[rows]
    ranks = np.where(ranks < 0, np.iinfo(np.int64).max, ranks)
    seen = recognition.roles(ranks).tolist()
    triples: list[Triple] = list(itertools.combinations(rankings.alternatives, 3))
    restrictions = tuple(_restriction(triple, mask) for triple, mask in zip(triples, seen, strict=True) if mask < 511)
    if len(restrictions) == len(triples):
        return ValueRestriction(restrictions)
    wrong = seen.index(511)
    columns = next(itertools.islice(itertools.combinations(range(ranks.shape[1]), 3), wrong, None))
    return ValueRestriction(restrictions, triples[wrong], tuple(rows[_fewest(ranks[:, columns])].tolist()))


def _restriction(triple: Triple, seen: int) -> Restriction:
    """The first thing nobody says of the three: of being worst, else of being best, else of being middle."""
    for never in (2, 0, 1):
        for place, alternative in enumerate(triple):
            if not seen & 1 << 3 * place + never:
                return Restriction(triple, alternative, _ROLES[never])
    raise AssertionError("every role is taken")


def _fewest(ranks: Ints) -> list[int]:
    """As few voters as give each of three alternatives each role (there are at most 13 ways to rank three)."""
    first: dict[int, int] = {}
    for voter, (x, y, z) in enumerate(ranks.tolist()):
        first.setdefault(recognition.role(x, y, z), voter)
    for size in range(3, len(first) + 1):
        for masks in itertools.combinations(first, size):
            if np.bitwise_or.reduce(masks) == 511:
                return sorted(first[mask] for mask in masks)
    raise AssertionError("some role is not taken")
