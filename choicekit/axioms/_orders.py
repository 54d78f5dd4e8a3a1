"""What the axioms of orderings share: who stands where, who votes, every profile of a size, ways to part voters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cache

import numpy as np

from choicekit.axioms._electorates import Ranks, every_ballot, made, total
from choicekit.axioms._readings import Levels, places
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label

#: The most profiles that an axiom looks through at one call.
MOST = 200_000


def complete(profile: Rankings, axiom: str) -> Rankings:
    """The profile, where every ballot ranks every alternative, with or without ties, its ranks without gaps; else a
    refusal.
    """
    if (profile._ranks < 0).any():
        raise ValueError(
            f"{axiom}: needed ballots that rank every alternative, ties allowed; some leave alternatives unranked. "
            "Complete them yourself, so that the choice is yours to see"
        )
    ranks = np.array([[sorted(set(row)).index(rank) for rank in row] for row in profile._ranks.tolist()])
    if (ranks == profile._ranks).all():
        return profile
    return made(ranks.astype(profile._ranks.dtype), profile.weights, profile.alternatives)


@cache
def every_weak_ballot(size: int) -> tuple[Ranks, ...]:
    """The ranks of all rankings of so many alternatives, ties allowed, in lexicographic order."""
    return tuple(ranks for ranks in itertools.product(range(size), repeat=size) if len(set(ranks)) == max(ranks) + 1)


def ballots_for(profile: Rankings) -> tuple[Ranks, ...]:
    """What a voter could say: the strict rankings where all ballots are strict, else all, ties included."""
    size = len(profile.alternatives)
    tied = any(len(set(row)) < size for row in profile._ranks.tolist())
    return every_weak_ballot(size) if tied else every_ballot(size)


def voting(profile: Rankings) -> list[int]:
    """The rows that somebody cast, equal ones too: a rule may ask who said what."""
    found: list[int] = np.flatnonzero(profile.weights > 0).tolist()
    return found


def unfolded(profile: Rankings) -> Rankings:
    """The same voters, each in a row of their own; a row whose weight is no whole number is one voter."""
    rows = voting(profile)
    weights = profile.weights[rows]
    times = np.where((weights > 1) & (weights == np.floor(weights)), weights, 1.0).astype(np.int64)
    alone = np.where(times > 1, 1.0, weights)
    return made(np.repeat(profile._ranks[rows], times, axis=0), np.repeat(alone, times), profile.alternatives)


def voters_of(profile: Rankings, axiom: str) -> int:
    """How many voters there are, a whole number."""
    number = total(profile)
    if (profile.weights != np.floor(profile.weights)).any():
        raise ValueError(f"{axiom}: needed whole numbers of voters, got the weights {profile.weights.tolist()}")
    return int(number)


def every_profile(profile: Rankings, voters: int, axiom: str) -> Iterator[Rankings]:
    """Every profile of strict rankings of so many voters, in lexicographic order; refused where they are too many."""
    alternatives = profile.alternatives
    size = math.factorial(len(alternatives)) ** voters
    if size > MOST:
        raise ValueError(
            f"{axiom}: needed at most {MOST:,} profiles to look through, {voters} voters on {len(alternatives)} "
            f"alternatives have {size:,}; ask about fewer voters or alternatives"
        )
    ballots = np.array(every_ballot(len(alternatives)), np.int8)
    weights = np.ones(voters)
    for chosen in itertools.product(range(len(ballots)), repeat=voters):
        yield made(ballots[list(chosen)], weights, alternatives)


def parted(profile: Rankings, axiom: str) -> Iterator[tuple[Rankings, Rankings]]:
    """Every way to part the voters into two electorates, neither empty, which of the two is named first aside."""
    rows = voting(profile)
    weights = profile.weights[rows]
    units = [int(w) if w > 1 and float(w).is_integer() else 1 for w in weights.tolist()]
    ways = math.prod(unit + 1 for unit in units)
    if ways > MOST:
        raise ValueError(f"{axiom}: needed at most {MOST:,} ways to part the voters, got {ways:,}; take fewer voters")
    shares = np.array(units, np.float64)
    for taken in itertools.product(*(range(unit + 1) for unit in units)):
        rest = tuple(unit - t for unit, t in zip(units, taken, strict=True))
        if any(taken) and taken <= rest:
            one = np.array(taken) * weights / shares
            yield _some(profile, rows, one), _some(profile, rows, weights - one)


def _some(profile: Rankings, rows: list[int], weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Rankings:
    there = weights > 0
    return made(profile._ranks[rows][there], weights[there], profile.alternatives)


def side(place: dict[Label, int], a: Label, b: Label) -> int:
    """1 where a is above b, −1 where below, 0 where they are level."""
    return (place[a] < place[b]) - (place[a] > place[b])


def stands(place: dict[Label, int], a: Label, b: Label) -> str:
    """The same in words."""
    return f"{a} {('below', 'level with', 'above')[side(place, a, b) + 1]} {b}"


def parting(one: Levels, other: Levels, alternatives: Labels) -> Labels:
    """The first two alternatives that the two orders place differently to each other; none where there are none."""
    here, there = places(one), places(other)
    for a, b in itertools.combinations(alternatives, 2):
        if side(here, a, b) != side(there, a, b):
            return a, b
    return ()


def only(ordering: Levels, keep: Labels) -> Levels:
    """The order of some of the alternatives."""
    found = (tuple(label for label in level if label in keep) for level in ordering)
    return tuple(level for level in found if level)
