"""Every profile of a size, and random ones, for each kind of ballots that axioms speak of."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._axiom import Ballots
from choicekit.axioms._problems import CommitteeProblem, RewardProblem
from choicekit.domains import every
from choicekit.domains.enumeration import count
from choicekit.profiles import Approvals, Rankings, Utilities

#: Exhaustive checks of axioms on utilities give every voter each of these for each alternative.
GRID = (1.0, 2.0, 3.0)


def number(ballots: Ballots, m: int, n: int, anonymous: bool) -> int:
    """How many profiles :func:`profiles` gives."""
    if ballots == "features":
        return 0
    if ballots in ("strict", "weak", "truncated"):
        kinds = count(voters=1, alternatives=m, ballots=ballots)
    else:
        kinds = len(GRID) ** m if ballots == "utilities" else 2**m
    found = comb(n + kinds - 1, n) if anonymous else kinds**n
    return found * (m - 1) if ballots == "committees" else found


def profiles(ballots: Ballots, m: int, n: int, anonymous: bool) -> Iterator[Any]:
    """Every profile of a size; of utilities those on the grid, of committees each size too. A voter is a row."""
    if ballots in ("strict", "weak", "truncated"):
        for profile in every(voters=n, alternatives=m, anonymous=anonymous, ballots=ballots):
            yield spelt(profile) if anonymous else profile
        return
    choices = itertools.product(GRID if ballots == "utilities" else (0, 1), repeat=m)
    rows = itertools.combinations_with_replacement(choices, n) if anonymous else itertools.product(choices, repeat=n)
    for row in rows:
        if ballots == "committees":
            yield from (CommitteeProblem(Approvals(row), size) for size in range(1, m))
        else:
            yield Approvals(row) if ballots == "approvals" else Utilities(row)


def spelt(profile: Rankings) -> Rankings:
    """The same voters, a row each."""
    ranks = np.repeat(profile.ranks, profile.weights.astype(np.int64), axis=0)
    return Rankings(ranks, None, profile.alternatives)


def drawn(ballots: Ballots, m: int, n: int, rng: np.random.Generator) -> Any:
    """A profile whose voters each hold any of the possible ballots with the same chance; utilities are lognormal."""
    if ballots == "utilities":
        return Utilities(np.exp(rng.standard_normal((n, m))))
    if ballots == "approvals":
        return Approvals(rng.integers(0, 2, (n, m)))
    if ballots == "committees":
        return CommitteeProblem(Approvals(rng.integers(0, 2, (n, m))), int(rng.integers(1, max(m, 2))))
    if ballots == "features":
        points = rng.standard_normal((m, max(1, m // 2)))
        rewards = rng.standard_normal((n, points.shape[1])) @ points.T
        return RewardProblem(Rankings(np.argsort(np.argsort(-rewards, axis=1), axis=1)), points)
    if ballots == "strict":
        return Rankings(_strict(m, n, rng))
    kinds = [profile.ranks[0] for profile in every(voters=1, alternatives=m, ballots=ballots)]
    return Rankings(np.array(kinds)[rng.integers(len(kinds), size=n)])


def _strict(m: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.argsort(rng.random((n, m)), axis=1).astype(np.int64)


def words(ballots: Ballots) -> str:
    """What comes before "ballots" where profiles are described."""
    return {
        "utilities": "utilities 1, 2 or 3 as", "approvals": "approval", "committees": "approval (and a size) as",
        "features": "strict (and features) as",
    }.get(ballots, ballots)  # fmt: skip


def law(ballots: Ballots) -> str:
    """What :func:`drawn` draws from, in words."""
    return {
        "utilities": "lognormal utilities",
        "features": "normal features and directions",
    }.get(ballots, "uniform approvals" if ballots in ("approvals", "committees") else f"uniform {ballots} ballots")
