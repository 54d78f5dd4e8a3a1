"""Frames of rules that order the alternatives (social welfare functions), ties allowed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._culture import Alternatives
from choicekit.outcomes import Scores
from choicekit.rules._rule import Rule
from choicekit.sat._profiles import Profiles
from choicekit.sat.formulas import Clauses, Instance, Literals
from choicekit.sat.frames import Model, _fill, looked_up


def distinct(literals: Literals, marks: NDArray[Any]) -> tuple[Literals, NDArray[Any]]:
    """Clauses without those that are there before, in the order in which they come, and the marks of those kept.

    >>> clauses, marks = distinct(np.array([[1, 2], [3, 4], [1, 2]], np.int32), np.array([7, 8, 9]))
    >>> clauses.tolist(), marks.tolist()
    ([[1, 2], [3, 4]], [7, 8])
    """
    base = 2 * int(np.abs(literals).max(initial=0)) + 1
    if base ** literals.shape[1] < 2**62:  # the clause as one number
        keys = literals.astype(np.int64) @ base ** np.arange(literals.shape[1])
        _, first = np.unique(keys, return_index=True)
    else:
        _, first = np.unique(literals, axis=0, return_index=True)
    first.sort()
    return literals[first], marks[first]


def order(frame: Any) -> tuple[Clauses, ...]:
    """The clauses that "at least as good as" is a complete and transitive relation at each profile.

    >>> [part.axiom for part in order(Orderings(voters=1, alternatives="abc"))]
    ['completeness', 'transitivity']
    """
    size = len(frame.alternatives)
    pairs, triples = list(itertools.combinations(range(size), 2)), list(itertools.permutations(range(size), 3))
    at = frame.variable

    def either(number: int) -> Instance:
        profile, (a, b) = number // len(pairs), pairs[number % len(pairs)]
        x, y = frame.alternatives[a], frame.alternatives[b]
        words = f"At {frame.words(profile)} {x} is at least as good as {y}, or {y} as {x}."
        return Instance("completeness", (profile,), words)

    def chain(number: int) -> Instance:
        profile, triple = number // len(triples), triples[number % len(triples)]
        x, y, z = (frame.alternatives[a] for a in triple)
        words = (
            f"At {frame.words(profile)}, if {x} is at least as good as {y}, and {y} as {z}, then {x} is at least as "
            f"good as {z}."
        )
        return Instance("transitivity", (profile,), words)

    made: dict[str, tuple[Any, Any, Any]] = {
        "completeness": (pairs, lambda p, a, b: (at(p, a, b), at(p, b, a)), either),
        "transitivity": (triples, lambda p, a, b, c: (-at(p, a, b), -at(p, b, c), at(p, a, c)), chain),
    }
    found = []
    for name, (groups, clause, tell) in made.items():
        if not groups:
            continue
        profiles = [frame.telling(group) for group in groups]
        literals = [np.stack(clause(here, *group), 1) for here, group in zip(profiles, groups, strict=True)]
        marks = np.concatenate([here * len(groups) + number for number, here in enumerate(profiles)])
        rows = np.argsort(marks, kind="stable")
        found.append(frame.clauses(name, np.concatenate(literals).astype(np.int32)[rows], marks[rows], tell))
    return tuple(found)


def scores(at_least: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How many alternatives each is at least as good as, ``[profiles, m]``, from ``[profiles, m · (m − 1)]``.

    >>> scores(np.array([[True, True, False, True, False, False]])).tolist()      # a before b before c
    [[2.0, 1.0, 0.0]]
    """
    profiles, width = at_least.shape
    size = int((1 + (1 + 4 * width) ** 0.5) / 2)
    found: NDArray[np.float64] = at_least.reshape(profiles, size, size - 1).sum(2).astype(np.float64)
    return found


@dataclass(frozen=True, init=False)
class Orderings:
    """Rules that order the alternatives at every profile, ties allowed (social welfare functions).

    There is a variable for each profile and ordered pair of alternatives, "the first is at least as good as the
    second there". ``voters`` and ``alternatives`` (a number, or labels) say for how many. Raises ``ValueError``
    where there would be more than 4,000,000 profiles.

    >>> frame = Orderings(voters=2, alternatives="abc")
    >>> frame.profiles, frame.variables
    (36, 216)
    """

    electorate: Profiles

    def __init__(self, *, voters: int, alternatives: Alternatives) -> None:
        _fill(self, "Orderings", voters, alternatives)

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The labels of the alternatives.

        >>> Orderings(voters=2, alternatives=3).alternatives
        (0, 1, 2)
        """
        return self.electorate.labels

    @property
    def profiles(self) -> int:
        """How many profiles there are.

        >>> Orderings(voters=3, alternatives=3).profiles
        216
        """
        return len(self.electorate)

    @property
    def outcomes(self) -> int:
        """How many variables say what the rule does.

        >>> Orderings(voters=1, alternatives=3).outcomes
        36
        """
        return self.profiles * len(self.alternatives) * (len(self.alternatives) - 1)

    @property
    def variables(self) -> int:
        """How many variables there are in all.

        >>> Orderings(voters=1, alternatives=3).variables
        36
        """
        return self.outcomes

    def variable(self, profile: Any, a: Any, b: Any) -> Any:
        """The number of the variable "a is at least as good as b at this profile", of arrays too.

        >>> Orderings(voters=1, alternatives="ab").variable(np.arange(2), 1, 0).tolist()
        [2, 4]
        """
        size = len(self.alternatives)
        return 1 + (profile * size + a) * (size - 1) + (b - (b > a))

    def telling(self, _: tuple[int, ...]) -> NDArray[np.int64]:
        """The profiles to look at for an order of some alternatives: all.

        >>> Orderings(voters=1, alternatives="ab").telling((0, 1)).tolist()
        [0, 1]
        """
        return np.arange(self.profiles)

    def clauses(self, axiom: str, literals: Literals, instances: NDArray[Any], tell: Any) -> Clauses:
        """The clauses as they are.

        >>> frame = Orderings(voters=1, alternatives="ab")
        >>> len(frame.clauses("twice", np.array([[1], [1]], np.int32), np.array([0, 1]), print))
        2
        """
        return Clauses(axiom, literals, instances, tell)

    def structure(self) -> tuple[Clauses, ...]:
        """The clauses that there is an order at each profile.

        >>> [len(part) for part in Orderings(voters=1, alternatives="abc").structure()]
        [18, 36]
        """
        return order(self)

    def words(self, profile: int) -> str:
        """The ballots of a profile.

        >>> Orderings(voters=2, alternatives="ab").words(2)
        '(ba, ab)'
        """
        return self.electorate.words(profile)

    def rule(self, model: Model) -> Rule[Scores]:
        """The rule in which the variables have these values; a score is how many an alternative is as good as.

        >>> Orderings(voters=1, alternatives="ab").rule(np.array([True, False, False, True]))
        <rule tabulated on Rankings>
        """
        return looked_up(self.electorate, scores(model.reshape(self.profiles, -1)))


@dataclass(frozen=True, init=False)
class PairwiseOrderings:
    """Rules that order the alternatives and satisfy independence of irrelevant alternatives, which is built in.

    How such a rule orders a and b depends on who puts a above b, and on nothing else. There is a variable for each
    ordered pair and set of voters, "the first is at least as good as the second where just these voters put it above
    the second": m · (m − 1) · 2ⁿ, however many profiles there are.

    >>> frame = PairwiseOrderings(voters=2, alternatives="abc")
    >>> frame.profiles, frame.variables
    (36, 24)
    """

    electorate: Profiles

    def __init__(self, *, voters: int, alternatives: Alternatives) -> None:
        _fill(self, "PairwiseOrderings", voters, alternatives)

    @property
    def alternatives(self) -> tuple[Any, ...]:
        """The labels of the alternatives.

        >>> PairwiseOrderings(voters=2, alternatives=3).alternatives
        (0, 1, 2)
        """
        return self.electorate.labels

    @property
    def profiles(self) -> int:
        """How many profiles there are.

        >>> PairwiseOrderings(voters=3, alternatives=3).profiles
        216
        """
        return len(self.electorate)

    @property
    def outcomes(self) -> int:
        """How many variables say what the rule does.

        >>> PairwiseOrderings(voters=1, alternatives=3).outcomes
        12
        """
        size = len(self.alternatives)
        return int(size * (size - 1) * 2**self.electorate.voters)

    @property
    def variables(self) -> int:
        """How many variables there are in all.

        >>> PairwiseOrderings(voters=1, alternatives=3).variables
        12
        """
        return self.outcomes

    def variable(self, profile: Any, a: int, b: int) -> Any:
        """The number of the variable "a is at least as good as b at this profile", of arrays of profiles too.

        >>> frame = PairwiseOrderings(voters=2, alternatives="ab")      # a above b for nobody, voter 2, voter 1, both
        >>> frame.variable(np.arange(4), 0, 1).tolist(), frame.variable(np.arange(4), 1, 0).tolist()
        ([4, 3, 2, 1], [5, 6, 7, 8])
        """
        voters, size = self.electorate.voters, len(self.alternatives)
        above = self.electorate.ranks[:, a] < self.electorate.ranks[:, b]
        pattern = above[self.electorate.held[profile]] @ (1 << np.arange(voters - 1, -1, -1))
        return 1 + ((a * (size - 1) + b - (b > a)) << voters) + pattern

    def telling(self, group: tuple[int, ...]) -> NDArray[np.int64]:
        """The profiles to look at for an order of some alternatives: those in which all voters have them on top.

        >>> PairwiseOrderings(voters=1, alternatives="abc").telling((0, 1)).tolist()      # abc, bac
        [0, 2]
        """
        rest = tuple(a for a in range(len(self.alternatives)) if a not in group)
        orders = self.electorate.orders.tolist()
        ballots = [k for k, order in enumerate(orders) if set(order[: len(group)]) == set(group)]
        ballots = [k for k in ballots if tuple(orders[k][len(group) :]) == rest]
        return np.array(list(itertools.product(ballots, repeat=self.electorate.voters))) @ self.electorate.steps

    def clauses(self, axiom: str, literals: Literals, instances: NDArray[Any], tell: Any) -> Clauses:
        """The clauses without repetitions, each told of the first profile that gives it.

        >>> frame = PairwiseOrderings(voters=1, alternatives="ab")
        >>> len(frame.clauses("twice", np.array([[1], [1]], np.int32), np.array([0, 1]), print))
        1
        """
        return Clauses(axiom, *distinct(literals, instances), tell)

    def structure(self) -> tuple[Clauses, ...]:
        """The clauses that there is an order at each profile.

        >>> [len(part) for part in PairwiseOrderings(voters=2, alternatives="abc").structure()]
        [12, 216]
        """
        return order(self)

    def words(self, profile: int) -> str:
        """The ballots of a profile.

        >>> PairwiseOrderings(voters=2, alternatives="ab").words(2)
        '(ba, ab)'
        """
        return self.electorate.words(profile)

    def rule(self, model: Model) -> Rule[Scores]:
        """The rule in which the variables have these values; a score is how many an alternative is as good as.

        >>> PairwiseOrderings(voters=1, alternatives="ab").rule(np.array([False, True, False, True]))
        <rule tabulated on Rankings>
        """
        profiles = np.arange(self.profiles)
        columns = [model[self.variable(profiles, a, b) - 1] for a, b in self.electorate.pairs()]
        return looked_up(self.electorate, scores(np.stack(columns, 1)))
