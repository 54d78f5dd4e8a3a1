"""What kind of rule is looked for: on all profiles of so many voters with strict rankings, giving what?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._culture import Alternatives
from choicekit.outcomes import Scores
from choicekit.profiles import Rankings
from choicekit.rules._rule import Rule, rule
from choicekit.sat._profiles import Profiles
from choicekit.sat.formulas import Clauses, Instance

Model = NDArray[np.bool_]


def _fill(frame: object, name: str, voters: Any, alternatives: Alternatives) -> None:
    object.__setattr__(frame, "electorate", Profiles.made(name, voters, alternatives))


def looked_up(electorate: Any, table: NDArray[np.float64]) -> Rule[Scores]:
    """The rule whose scores at each numbered profile stand in a table ``[profiles, m]``.

    >>> from choicekit.sat._profiles import Profiles
    >>> import choicekit as ck
    >>> looked_up(Profiles(1, ("a", "b")), np.array([[1.0, 0.0], [1.0, 0.0]]))(ck.Rankings.from_orders(["ba"])).winners
    ('a',)
    """

    @rule
    def tabulated(profile: Rankings) -> Scores:
        """A rule on the profiles of one frame, looked up in a table."""
        return Scores(electorate.labels, table[electorate.number("tabulated", profile)])

    return tabulated


def one_to_a_profile(frame: Any, least: bool, most: bool) -> tuple[Clauses, ...]:
    """The clauses that at least, or at most, one alternative wins at each profile of a frame.

    >>> frame = Choices(voters=1, alternatives="ab")
    >>> [part.literals.tolist() for part in one_to_a_profile(frame, True, True)]
    [[[1, 2], [3, 4]], [[-1, -2], [-3, -4]]]
    """
    size = len(frame.alternatives)
    chosen = frame.variable(np.arange(frame.profiles)[:, None], np.arange(size)).astype(np.int32)

    def some(number: int) -> Instance:
        return Instance("a winner", (number,), f"At {frame.words(number)} an alternative wins.")

    def one(number: int) -> Instance:
        return Instance("one winner", (number,), f"At {frame.words(number)} no two alternatives win.")

    parts = [Clauses("a winner", chosen, np.arange(frame.profiles), some)] if least else []
    if most and size > 1:
        pairs = np.array(list(itertools.combinations(range(size), 2)))
        both = -chosen[:, pairs].reshape(-1, 2)
        parts.append(Clauses("one winner", both, np.repeat(np.arange(frame.profiles), len(pairs)), one))
    return tuple(parts)


@dataclass(frozen=True, init=False)
class Choices:
    """Rules with one winner at every profile (social choice functions).

    There is a variable for each profile and alternative, "it wins there". ``voters`` and ``alternatives`` (a number,
    or labels) say for how many. Raises ``ValueError`` where there would be more than 4,000,000 profiles.

    >>> frame = Choices(voters=2, alternatives="abc")
    >>> frame.profiles, frame.variables
    (36, 108)
    """

    electorate: Profiles

    def __init__(self, *, voters: int, alternatives: Alternatives) -> None:
        _fill(self, "Choices", voters, alternatives)

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The labels of the alternatives.

        >>> Choices(voters=2, alternatives=3).alternatives
        (0, 1, 2)
        """
        return self.electorate.labels

    @property
    def profiles(self) -> int:
        """How many profiles there are.

        >>> Choices(voters=3, alternatives=3).profiles
        216
        """
        return len(self.electorate)

    @property
    def outcomes(self) -> int:
        """How many variables say what the rule does.

        >>> Choices(voters=1, alternatives=3).outcomes
        18
        """
        return self.profiles * len(self.alternatives)

    @property
    def variables(self) -> int:
        """How many variables there are in all.

        >>> Choices(voters=1, alternatives=3).variables
        18
        """
        return self.outcomes

    def variable(self, profile: Any, a: Any) -> Any:
        """The number of the variable "a wins at this profile", of arrays too.

        >>> Choices(voters=1, alternatives="ab").variable(np.arange(2), 1).tolist()
        [2, 4]
        """
        return 1 + profile * len(self.alternatives) + a

    def structure(self) -> tuple[Clauses, ...]:
        """The clauses that there is one winner at each profile.

        >>> [part.axiom for part in Choices(voters=1, alternatives="ab").structure()]
        ['a winner', 'one winner']
        """
        return one_to_a_profile(self, True, True)

    def words(self, profile: int) -> str:
        """The ballots of a profile.

        >>> Choices(voters=2, alternatives="ab").words(2)
        '(ba, ab)'
        """
        return self.electorate.words(profile)

    def rule(self, model: Model) -> Rule[Scores]:
        """The rule in which the variables have these values; a winner scores 1, the others 0.

        >>> Choices(voters=1, alternatives="ab").rule(np.array([True, False, False, True]))
        <rule tabulated on Rankings>
        """
        return looked_up(self.electorate, model[: self.outcomes].reshape(self.profiles, -1).astype(np.float64))


@dataclass(frozen=True, init=False)
class ChoiceSets:
    """Rules with a set of winners, never an empty one, at every profile.

    Variables as of :class:`Choices`; one more for each voter and pair of alternatives says "the voter is decisive over
    the pair" (:func:`~choicekit.sat.minimal_liberalism`).

    >>> frame = ChoiceSets(voters=2, alternatives=4)
    >>> frame.outcomes, frame.variables
    (2304, 2316)
    """

    electorate: Profiles

    def __init__(self, *, voters: int, alternatives: Alternatives) -> None:
        _fill(self, "ChoiceSets", voters, alternatives)

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The labels of the alternatives.

        >>> ChoiceSets(voters=2, alternatives=3).alternatives
        (0, 1, 2)
        """
        return self.electorate.labels

    @property
    def profiles(self) -> int:
        """How many profiles there are.

        >>> ChoiceSets(voters=3, alternatives=3).profiles
        216
        """
        return len(self.electorate)

    @property
    def outcomes(self) -> int:
        """How many variables say what the rule does.

        >>> ChoiceSets(voters=1, alternatives=3).outcomes
        18
        """
        return self.profiles * len(self.alternatives)

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs of alternatives, by their columns.

        >>> ChoiceSets(voters=1, alternatives=3).pairs
        [(0, 1), (0, 2), (1, 2)]
        """
        return list(itertools.combinations(range(len(self.alternatives)), 2))

    @property
    def variables(self) -> int:
        """How many variables there are in all.

        >>> ChoiceSets(voters=1, alternatives=3).variables
        21
        """
        return self.outcomes + self.electorate.voters * len(self.pairs)

    def variable(self, profile: Any, a: Any) -> Any:
        """The number of the variable "a is among the winners at this profile", of arrays too.

        >>> int(ChoiceSets(voters=1, alternatives="ab").variable(1, 0))
        3
        """
        return 1 + profile * len(self.alternatives) + a

    def decisive(self, voter: Any, pair: Any) -> Any:
        """The number of the variable "this voter is decisive over this pair", of arrays too.

        >>> int(ChoiceSets(voters=1, alternatives="ab").decisive(0, 0))
        5
        """
        return 1 + self.outcomes + voter * len(self.pairs) + pair

    def structure(self) -> tuple[Clauses, ...]:
        """The clauses that somebody wins at each profile.

        >>> [part.axiom for part in ChoiceSets(voters=1, alternatives="ab").structure()]
        ['a winner']
        """
        return one_to_a_profile(self, True, False)

    def words(self, profile: int) -> str:
        """The ballots of a profile.

        >>> ChoiceSets(voters=2, alternatives="ab").words(2)
        '(ba, ab)'
        """
        return self.electorate.words(profile)

    def rule(self, model: Model) -> Rule[Scores]:
        """The rule in which the variables have these values; winners score 1, the others 0.

        >>> ChoiceSets(voters=1, alternatives="ab").rule(np.array([True, False, True, True, False]))
        <rule tabulated on Rankings>
        """
        return looked_up(self.electorate, model[: self.outcomes].reshape(self.profiles, -1).astype(np.float64))
