"""All profiles of strict rankings of so many voters, numbered in lexicographic order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._culture import Alternatives, labelled, whole
from choicekit.domains._strict import strict
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label

Ints = NDArray[np.int64]

#: Beyond so many profiles the formulas do not fit into memory.
_LIMIT = 4_000_000


@dataclass(frozen=True)
class Profiles:
    """The K^n profiles in which each of n voters holds one of the K = m! rankings of these alternatives."""

    voters: int
    labels: tuple[Label, ...]

    @classmethod
    def made(cls, name: str, voters: Any, alternatives: Alternatives) -> Profiles:
        """So many voters on alternatives that are checked, and few enough profiles."""
        made = cls(whole("voters", voters), labelled(alternatives))
        if len(made.labels) > 7 or len(made) > _LIMIT:
            raise ValueError(
                f"{name}: {made.voters} voters with strict rankings of {len(made.labels)} alternatives have more than "
                f"{_LIMIT:,} profiles; take fewer voters or alternatives"
            )
        return made

    @cached_property
    def ranks(self) -> Ints:
        """Each ranking's places, ``[K, m]``, in lexicographic order."""
        return np.array(list(itertools.permutations(range(len(self.labels)))), np.int64)

    def __len__(self) -> int:
        return int(len(self.ranks) ** self.voters)

    @cached_property
    def steps(self) -> Ints:
        """By how much a profile's number grows when a voter turns to the next ranking, ``[n]``."""
        return len(self.ranks) ** np.arange(self.voters - 1, -1, -1)

    @cached_property
    def held(self) -> NDArray[np.int16]:
        """The ranking each voter holds, ``[profiles, n]``."""
        return (np.arange(len(self))[:, None] // self.steps % len(self.ranks)).astype(np.int16)

    @cached_property
    def tops(self) -> Ints:
        """The alternative each ranking puts first, ``[K]``."""
        tops: Ints = self.ranks.argmin(1)
        return tops

    @cached_property
    def orders(self) -> Ints:
        """Each ranking's alternatives, best first, ``[K, m]``."""
        orders: Ints = self.ranks.argsort(1)
        return orders

    def above(self, a: int, b: int) -> NDArray[np.bool_]:
        """Whether each voter puts a above b, ``[profiles, n]``."""
        above: NDArray[np.bool_] = (self.ranks[:, a] < self.ranks[:, b])[self.held]
        return above

    def pairs(self) -> list[tuple[int, int]]:
        """The ordered pairs of different alternatives."""
        return list(itertools.permutations(range(len(self.labels)), 2))

    def words(self, number: int) -> str:
        """The ballots of a profile."""
        return "(" + ", ".join(self.order(int(ballot)) for ballot in self.held[number]) + ")"

    def order(self, ballot: int) -> str:
        """A ballot, best first."""
        return spelt(tuple(self.labels[a] for a in self.orders[ballot]))

    def number(self, name: str, profile: Any) -> int:
        """The number of a profile, whose voters are taken in the order of its rows."""
        rankings, rows, ranks = strict(name, profile)
        if rankings.alternatives != self.labels:
            raise ValueError(f"{name}: needed a profile on {self.labels!r}, got one on {rankings.alternatives!r}")
        weights = rankings.weights[rows]
        if (weights != np.round(weights)).any() or int(weights.sum()) != self.voters:
            raise ValueError(
                f"{name}: needed {self.voters} voters, each of them with one ballot, got weights "
                f"{weights.tolist()}; the rule is known at no other size"
            )
        place = {tuple(row): number for number, row in enumerate(self.ranks.tolist())}
        ballots = [place[tuple(row)] for row in np.repeat(ranks, weights.astype(np.int64), axis=0).tolist()]
        return int(np.dot(ballots, self.steps))

    def profile(self, number: int) -> Rankings:
        """The profile of a number."""
        return Rankings(self.ranks[self.held[number].astype(np.int64)], None, self.labels)


def spelt(labels: tuple[Label, ...]) -> str:
    """An order in a word, ``abc`` where the labels are single letters and ``x > y`` where they are not."""
    words = [str(label) for label in labels]
    return "".join(words) if all(len(word) == 1 for word in words) else " > ".join(words)
