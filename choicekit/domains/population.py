"""Populations to draw data from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Population:
    """Groups of voters who compare by the Bradley–Terry model, each group with rewards of its own.

    ``rewards[g, m]`` are log-strengths, ``shares[g]`` the groups' shares of the voters.

    >>> three_groups().groups
    ('first', 'second', 'minority')
    """

    alternatives: tuple[Label, ...]
    groups: tuple[Label, ...]
    rewards: Floats
    shares: Floats

    def sample(self, *, voters: int, comparisons: int, rng: int | np.random.Generator | None = None) -> Comparisons:
        """Each of ``voters`` people compares ``comparisons`` pairs drawn uniformly; group sizes follow the shares.

        >>> votes = three_groups().sample(voters=10, comparisons=2, rng=0)
        >>> len(votes), votes.groups
        (20, ('first', 'minority', 'second'))
        """
        generator = np.random.default_rng(rng)
        size = len(self.alternatives)
        ends = np.rint(np.cumsum(self.shares) * voters).astype(np.int64)
        group = np.searchsorted(ends, np.arange(voters), side="right").repeat(comparisons)
        rows = voters * comparisons
        left = generator.integers(0, size, rows)
        right = (left + generator.integers(1, size, rows)) % size
        gap = self.rewards[group, left] - self.rewards[group, right]
        won = generator.random(rows) < 1 / (1 + np.exp(-gap))
        return Comparisons(
            [self.alternatives[a] for a in np.where(won, left, right)],
            [self.alternatives[a] for a in np.where(won, right, left)],
            voter=np.arange(voters).repeat(comparisons),
            group=[self.groups[g] for g in group],
        )

    def everything(self) -> Comparisons:
        """The whole population at once: every ordered pair in each group, weighted by how often it would be said.

        >>> len(three_groups().everything())      # 3 groups × 6 × 5 ordered pairs
        90
        """
        size = len(self.alternatives)
        first, second = (side.ravel() for side in np.nonzero(~np.eye(size, dtype=bool)))
        chance = 1 / (1 + np.exp(self.rewards[:, second] - self.rewards[:, first]))
        repeat = len(self.groups)
        return Comparisons(
            [self.alternatives[a] for a in first] * repeat,
            [self.alternatives[a] for a in second] * repeat,
            weight=(self.shares[:, None] * chance).ravel(),
            group=[group for group in self.groups for _ in first],
        )


def three_groups() -> Population:
    """The documented population of ``choicekit demo``: six ways to answer one question, three groups of readers.

    The first group (60 %) and the second (30 %) differ in degree; the minority (10 %) wants almost the opposite.

    >>> population = three_groups()
    >>> population.shares.tolist(), population.rewards.shape
    ([0.6, 0.3, 0.1], (3, 6))
    """
    return Population(
        alternatives=("brief", "cautious", "detailed", "formal", "playful", "sourced"),
        groups=("first", "second", "minority"),
        rewards=np.array(
            [
                [1.2, -0.4, 0.2, -0.8, 0.6, -0.8],
                [0.6, 0.4, 0.8, -1.2, -0.4, -0.2],
                [-1.6, 0.8, 0.2, 0.4, -1.2, 1.4],
            ]
        ),
        shares=np.array([0.6, 0.3, 0.1]),
    )
