"""Every profile of a size, beside enumeration by brute force and Burnside's lemma."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

import choicekit as ck
from choicekit import domains

KINDS = ("strict", "weak", "truncated")
SIZES = [(1, 1), (3, 1), (1, 2), (2, 2), (5, 2), (1, 3), (2, 3), (3, 3)]
Ballot = tuple[int, ...]


@cache
def ballots(size: int, kind: str) -> list[Ballot]:
    """By trying every row of numbers, unranked as -1."""
    found = []
    for row in itertools.product(range(-1, size), repeat=size):
        ranked = [rank for rank in row if rank >= 0]
        dense = set(ranked) == set(range(len(set(ranked))))
        strict = len(set(ranked)) == len(ranked)
        fits = {"truncated": strict, "weak": len(ranked) == size, "strict": strict and len(ranked) == size}
        if dense and ranked and fits[kind]:
            found.append(row)
    return found


def relabelled(profile: tuple[Ballot, ...], move: tuple[int, ...]) -> tuple[Ballot, ...]:
    return tuple(tuple(ballot[a] for a in move) for ballot in profile)


def as_rows(profile: ck.Rankings) -> tuple[Ballot, ...]:
    """One ballot a voter."""
    rows = zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True)
    return tuple(tuple(ballot) for ballot, times in rows for _ in range(int(times)))


def key(profile: tuple[Ballot, ...], anonymous: bool, neutral: bool) -> tuple[Ballot, ...]:
    """What profiles that count as one have in common."""
    moves = itertools.permutations(range(len(profile[0]))) if neutral else [tuple(range(len(profile[0])))]
    images = (relabelled(profile, move) for move in moves)
    return min(tuple(sorted(image)) if anonymous else image for image in images)


def by_burnside(size: int, voters: int, anonymous: bool, kind: str) -> int:
    """The mean number of profiles a relabelling fixes, counted by the cycles it makes of the ballots."""
    total = 0
    for move in itertools.permutations(range(size)):
        lengths, left = [], set(ballots(size, kind))
        while left:
            ballot = left.pop()
            length, image = 1, relabelled((ballot,), move)[0]
            while image != ballot:
                left.discard(image)
                length, image = length + 1, relabelled((image,), move)[0]
            lengths.append(length)
        if anonymous:  # multisets of whole cycles
            ways = [1] + [0] * voters
            for length in lengths:
                for n in range(length, voters + 1):
                    ways[n] += ways[n - length]
            total += ways[voters]
        else:
            total += lengths.count(1) ** voters
    assert total % math.factorial(size) == 0
    return total // math.factorial(size)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("neutral", [False, True])
@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize(("voters", "size"), SIZES)
def test_each_profile_is_there_once(voters: int, size: int, anonymous: bool, neutral: bool, kind: Any) -> None:
    every = itertools.product(ballots(size, kind), repeat=voters)
    same: dict[str, Any] = {"voters": voters, "alternatives": size, "anonymous": anonymous, "neutral": neutral}
    found = list(domains.orbits(**same, ballots=kind))
    keys = [key(as_rows(orbit.profile), anonymous, neutral) for orbit in found]
    assert len(set(keys)) == len(keys) == domains.count(**same, ballots=kind)
    assert sum(orbit.multiplicity for orbit in found) == len(ballots(size, kind)) ** voters
    law = Counter(key(profile, anonymous, neutral) for profile in every)
    assert dict(zip(keys, [orbit.multiplicity for orbit in found], strict=True)) == law
    for orbit in found:
        voted = as_rows(orbit.profile)
        assert len(voted) == voters
        images = {key(relabelled(voted, move), anonymous, False) for move in itertools.permutations(range(size))}
        assert orbit.relabellings == (len(images) if neutral else 1)


@pytest.mark.parametrize("anonymous", [False, True])
@pytest.mark.parametrize(
    ("voters", "size", "kind"),
    [(10, 3, "strict"), (4, 4, "strict"), (9, 4, "strict"), (3, 5, "strict"), (8, 3, "weak"), (4, 4, "weak"),
     (7, 3, "truncated"), (5, 4, "truncated"), (24, 1, "weak")],
)  # fmt: skip
def test_counts_up_to_relabelling_are_burnsides(voters: int, size: int, kind: Any, anonymous: bool) -> None:
    found = domains.count(voters=voters, alternatives=size, anonymous=anonymous, neutral=True, ballots=kind)
    assert found == by_burnside(size, voters, anonymous, kind)


@pytest.mark.parametrize(("voters", "size"), [(1, 1), (4, 2), (3, 3), (7, 4), (2, 9)])
def test_counts_by_formula(voters: int, size: int) -> None:
    orders = math.factorial(size)
    assert domains.count(voters=voters, alternatives=size) == orders**voters
    assert domains.count(voters=voters, alternatives=size, neutral=True) == orders ** (voters - 1)
    anonymous = math.comb(voters + orders - 1, voters)
    assert domains.count(voters=voters, alternatives=size, anonymous=True) == anonymous


def test_two_alternatives() -> None:
    """Up to both names what is left is how many voters are in the minority: 0, …, ⌊n/2⌋."""
    for voters in range(1, 12):
        assert domains.count(voters=voters, alternatives=2, anonymous=True, neutral=True) == voters // 2 + 1


def test_weak_orders_and_truncated_ballots_are_counted() -> None:
    """1, 3, 13, 75, 541 weak orders (Fubini's numbers); Σ m!/(m − k)! ways to rank 1 … m of m."""
    weak = [domains.count(voters=1, alternatives=size, ballots="weak") for size in range(1, 6)]
    truncated = [domains.count(voters=1, alternatives=size, ballots="truncated") for size in range(1, 5)]
    assert weak == [1, 3, 13, 75, 541]
    assert truncated == [1, 4, 15, 64]


@pytest.mark.parametrize(("voters", "size"), [(10, 3), (4, 4), (5, 4), (3, 5)])
def test_larger_enumerations_are_complete(voters: int, size: int) -> None:
    same: dict[str, Any] = {"voters": voters, "alternatives": size, "anonymous": True, "neutral": True}
    found = list(domains.orbits(**same))
    assert len(found) == domains.count(**same)
    assert sum(orbit.multiplicity for orbit in found) == math.factorial(size) ** voters
    assert sum(orbit.relabellings for orbit in found) == domains.count(voters=voters, alternatives=size, anonymous=True)


def test_chances_of_a_condorcet_winner_with_three_voters() -> None:
    """17/18 in the impartial culture (Guilbaud 1952); 54 of 56 anonymous profiles: all but the two cycles."""
    impartial = anonymous = 0
    for orbit in domains.orbits(voters=3, alternatives=3, anonymous=True, neutral=True):
        if orbit.profile.to_margins().condorcet_winner is not None:
            impartial += orbit.multiplicity
            anonymous += orbit.relabellings
    assert impartial * 18 == 17 * 6**3
    assert (anonymous, domains.count(voters=3, alternatives=3, anonymous=True)) == (54, 56)


def test_the_order_is_lexicographic() -> None:
    rows = [as_rows(profile) for profile in domains.every(voters=2, alternatives=3)]
    assert rows == sorted(rows)
    assert rows == list(itertools.product(sorted(ballots(3, "strict")), repeat=2))
    for neutral in (False, True):
        found = [as_rows(p) for p in domains.every(voters=3, alternatives=3, anonymous=True, neutral=neutral)]
        assert found == sorted(found)


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_profile_that_comes_first_stands_for_its_relabellings(anonymous: bool) -> None:
    for profile in domains.every(voters=3, alternatives=3, anonymous=anonymous, neutral=True, ballots="weak"):
        assert as_rows(profile) == key(as_rows(profile), anonymous, True)


def test_profiles_come_one_at_a_time_with_the_labels_asked_for() -> None:
    first = next(domains.every(voters=40, alternatives="xyz"))
    assert (first.alternatives, first.ranks.shape) == (("x", "y", "z"), (40, 3))
    assert next(domains.every(voters=40, alternatives=3, anonymous=True, neutral=True)).weights.tolist() == [40.0]


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: domains.every(voters=0, alternatives=2), "voters: needed a whole number of at least 1, got 0"),
        (lambda: domains.orbits(voters=1, alternatives=0), "alternatives: needed a whole number of at least 1, got 0"),
        (lambda: domains.count(voters=1, alternatives="xx"), "labels must differ"),
        (lambda: domains.every(voters=1, alternatives=2, ballots="loose"), "needed 'strict', 'weak' or 'truncated'"),
        (lambda: domains.count(voters=1, alternatives=2, ballots="loose"), "needed 'strict', 'weak' or 'truncated'"),
    ],
)
def test_refusals_come_at_once(call: Callable[[], Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        call()
