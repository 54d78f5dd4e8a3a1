"""A frame of listed profiles of any numbers of voters, whose order does not count."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from choicekit.domains._strict import strict
from choicekit.outcomes import Scores
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label
from choicekit.rules._rule import Rule, rule
from choicekit.sat._profiles import Ints, spelt
from choicekit.sat.formulas import Clauses
from choicekit.sat.frames import Model, one_to_a_profile


@dataclass(frozen=True, eq=False, init=False)
class Electorates:
    """Rules with one winner, asked for at listed profiles of strict rankings only, which may differ in size.

    The order of the voters does not count: the rules are anonymous. A profile listed twice is one. No rule on all
    profiles meets axioms that no rule on the listed ones does. ``counts[profiles, K]`` says how many voters hold each
    of the K = m! rankings. Raises ``ValueError`` for no profiles, for ties, or for profiles of different alternatives.

    >>> import choicekit as ck
    >>> frame = Electorates([ck.Rankings.from_orders({"ab": 2}), ck.Rankings.from_orders({"ab": 2, "ba": 1})])
    >>> frame.profiles, frame.counts.tolist()
    (2, [[2, 0], [2, 1]])
    """

    alternatives: tuple[Label, ...]
    counts: Ints

    def __init__(self, profiles: Iterable[Rankings]) -> None:
        listed = list(profiles)
        if not listed:
            raise ValueError("Electorates: needed at least one profile, got none")
        labels = listed[0].alternatives
        place = {ranks: number for number, ranks in enumerate(itertools.permutations(range(len(labels))))}
        counts: dict[tuple[int, ...], None] = {}
        for profile in listed:
            rankings, rows, ranks = strict("Electorates", profile)
            if rankings.alternatives != labels:
                raise ValueError(f"Electorates: needed profiles on {labels!r}, got one on {rankings.alternatives!r}")
            weights = rankings.weights[rows]
            if (weights != np.round(weights)).any():
                raise ValueError(f"Electorates: needed whole numbers of voters, got weights {weights.tolist()}")
            row = np.zeros(len(place), np.int64)
            np.add.at(row, [place[tuple(ballot)] for ballot in ranks.tolist()], weights.astype(np.int64))
            counts[tuple(row.tolist())] = None
        object.__setattr__(self, "alternatives", labels)
        object.__setattr__(self, "counts", np.array(list(counts), np.int64))

    @cached_property
    def orders(self) -> Ints:
        """Each ranking's alternatives, best first, ``[K, m]``.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).orders.tolist()
        [[0, 1], [1, 0]]
        """
        ranks: Ints = np.array(list(itertools.permutations(range(len(self.alternatives)))), np.int64)
        orders: Ints = ranks.argsort(1)
        return orders

    @cached_property
    def margins(self) -> Ints:
        """The majority margins at each profile, ``[profiles, m, m]``.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).margins.tolist()
        [[[0, 2], [-2, 0]]]
        """
        ranks = self.orders.argsort(1)
        margins: Ints = np.einsum("pk,kab->pab", self.counts, np.sign(ranks[:, None, :] - ranks[:, :, None]))
        return margins

    @property
    def profiles(self) -> int:
        """How many profiles are listed.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})] * 2).profiles
        1
        """
        return len(self.counts)

    @property
    def outcomes(self) -> int:
        """How many variables say what the rule does.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).outcomes
        2
        """
        return self.profiles * len(self.alternatives)

    @property
    def variables(self) -> int:
        """How many variables there are in all.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).variables
        2
        """
        return self.outcomes

    def variable(self, profile: Any, a: Any) -> Any:
        """The number of the variable "a wins at this profile", of arrays too.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).variable(0, np.arange(2)).tolist()
        [1, 2]
        """
        return 1 + profile * len(self.alternatives) + a

    def structure(self) -> tuple[Clauses, ...]:
        """The clauses that there is one winner at each profile.

        >>> import choicekit as ck
        >>> [part.axiom for part in Electorates([ck.Rankings.from_orders({"ab": 2})]).structure()]
        ['a winner', 'one winner']
        """
        return one_to_a_profile(self, True, True)

    def joined(self) -> Ints:
        """Each listed profile, ranking, and listed profile that one more such voter makes of it, ``[j, 3]``.

        >>> import choicekit as ck
        >>> frame = Electorates([ck.Rankings.from_orders({"ab": 1}), ck.Rankings.from_orders({"ab": 2})])
        >>> frame.joined().tolist()
        [[0, 0, 1]]
        """
        number = {tuple(row): place for place, row in enumerate(self.counts.tolist())}
        found = []
        for place, row in enumerate(self.counts.tolist()):
            for ballot in range(len(row)):
                more = number.get((*row[:ballot], row[ballot] + 1, *row[ballot + 1 :]))
                if more is not None:
                    found.append((place, ballot, more))
        return np.array(found, np.int64).reshape(-1, 3)

    def order(self, ballot: int) -> str:
        """A ranking in words.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2})]).order(1)
        'ba'
        """
        return spelt(tuple(self.alternatives[a] for a in self.orders[ballot]))

    def words(self, profile: int) -> str:
        """The ballots of a profile, with how many voters hold each.

        >>> import choicekit as ck
        >>> Electorates([ck.Rankings.from_orders({"ab": 2, "ba": 1})]).words(0)
        '(2 ab, 1 ba)'
        """
        held = [(int(self.counts[profile, k]), self.order(int(k))) for k in np.flatnonzero(self.counts[profile])]
        return "(" + ", ".join(f"{count} {order}" for count, order in held) + ")"

    def rule(self, model: Model) -> Rule[Scores]:
        """The rule in which the variables have these values; a winner scores 1, the others 0.

        >>> import choicekit as ck
        >>> frame = Electorates([ck.Rankings.from_orders({"ab": 2})])
        >>> frame.rule(np.array([True, False]))(ck.Rankings.from_orders(["ab", "ab"])).winners
        ('a',)
        """
        table = model[: self.outcomes].reshape(self.profiles, -1).astype(np.float64)
        known = {tuple(row): place for place, row in enumerate(self.counts.tolist())}

        @rule
        def tabulated(profile: Rankings) -> Scores:
            """A rule on listed profiles, looked up in a table."""
            asked = Electorates([profile])
            place = known.get(tuple(asked.counts[0].tolist()))
            if place is None or asked.alternatives != self.alternatives:
                raise ValueError(f"tabulated: the rule is not known at {asked.words(0)}, which is not a listed profile")
            return Scores(self.alternatives, table[place])

        return tabulated
