"""Every majority relation is possible: each asymmetric relation is the strict majority relation of some profile.

Source: McGarvey 1953 (doi:10.2307/1907926).

Scope: all 3³ and 3⁶ such relations (ties allowed) on three and four alternatives and all 2¹⁰ tournaments on five,
each made by his construction, two voters for each pair that is not tied (two opposite ones where all are), and counted
again from the ballots. More alternatives are literature.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

import choicekit as ck
from choicekit import domains

METHOD = "exhaustive"


def _electorate(signs: Sequence[int], size: int) -> ck.Rankings:
    """Voters for whom each pair (a, b) has the sign given of its margin: a b rest, and rest backwards a b."""
    orders: list[list[int]] = []
    for (a, b), sign in zip(itertools.combinations(range(size), 2), signs, strict=True):
        above, below = (a, b) if sign > 0 else (b, a)
        rest = [x for x in range(size) if x not in (a, b)]
        if sign:
            orders += [[above, below, *rest], [*rest[::-1], above, below]]
    opposite = [list(range(size)), list(range(size))[::-1]]
    return ck.Rankings.from_orders(orders or opposite, alternatives=range(size))


def _check(size: int, signs: Sequence[int]) -> None:
    profile = _electorate(signs, size)
    margins = profile.to_margins().values
    wanted = [2.0 * sign for sign in signs]
    assert margins[np.triu_indices(size, 1)].tolist() == wanted, f"{signs}: got margins {margins.tolist()}"
    voters = float(profile.weights.sum())
    assert voters == max(2 * sum(map(abs, signs)), 2), f"{signs}: {voters} voters"


def claim_all_relations_on_three_and_four_alternatives_have_an_electorate() -> None:
    """Each of the 27 and 729 relations, ties allowed, has one of at most m(m − 1) voters and margins 2, 0 and −2."""
    for size in (3, 4):
        for signs in itertools.product((-1, 0, 1), repeat=size * (size - 1) // 2):
            _check(size, signs)


def claim_all_tournaments_on_five_alternatives_have_an_electorate() -> None:
    """Each of the 1,024 tournaments on five alternatives is the majority relation of twenty voters, margins ±2."""
    for signs in itertools.product((-1, 1), repeat=10):
        _check(5, signs)


def claim_a_cycle_of_three_needs_three_voters() -> None:
    """No profile of one or two voters (6 and 36) has a strict majority cycle of three; some of three voters have."""
    cyclic = dict.fromkeys((1, 2, 3), 0)
    for voters in cyclic:
        for profile in domains.every(voters=voters, alternatives="abc"):
            wins = profile.to_margins().values > 0
            cyclic[voters] += bool((wins.sum(1) == 1).all())
    assert cyclic[1] == cyclic[2] == 0, f"cycles by number of voters: {cyclic}"
    assert cyclic[3] > 0, f"cycles by number of voters: {cyclic}"


def explain() -> str:
    """The electorate of the cycle a over b over c over a."""
    profile = _electorate((1, -1, 1), 3)
    ballots = [" ".join("abc"[a] for a in row.argsort().tolist()) for row in profile.ranks]
    return "a beats b, b beats c and c beats a, each by four votes to two:\n  " + "\n  ".join(ballots)
