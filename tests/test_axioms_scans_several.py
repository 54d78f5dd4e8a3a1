"""Scans of tables of winners for axioms of several electorates or agendas: what they find, one profile at a time."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import reference_axioms_several as book

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import _scans_several as scans
from choicekit.axioms._axiom import Axiom, Tables
from choicekit.axioms._readings import Ask, winners
from choicekit.kernels import scans_several as kernels

NAMES = tuple(book.BOOK)


def named(name: str) -> Axiom:
    found: Axiom = getattr(axioms, name)
    return found


def blind(choice: book.Choice) -> Callable[[ck.Rankings], tuple[Any, ...]]:
    """A rule that sees columns, not labels, as a table does."""

    def written(profile: ck.Rankings) -> tuple[Any, ...]:
        letters = tuple("abcde"[: len(profile.alternatives)])
        won = choice(book.orders_of(ck.Rankings(profile.ranks, profile.weights, letters)), letters)
        return tuple(label for label, letter in zip(profile.alternatives, letters, strict=True) if letter in won)

    return written


def tabulated(rule: Callable[[ck.Rankings], Any]) -> tuple[Tables, Ask]:
    """The winners of every anonymous profile, asked one by one."""
    ask = Ask(rule, winners)

    @cache
    def tables(m: int, n: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
        masks = []
        for profile in domains.every(voters=n, alternatives="abcde"[:m], anonymous=True):
            masks.append(sum(1 << profile.alternatives.index(label) for label in ask(profile)))
        return np.array(masks, np.uint16)

    return tables, ask


SIZES = [(1, 1), (1, 2), *((m, n) for m in (2, 3) for n in (1, 2, 3, 4)), (4, 1), (4, 2)]
CHANCES = [("everybody", 100), ("everybody", 10), ("points", 4), ("fixed", 2)]
RULES: list[Any] = [blind(book.chance(seed, *each)) for seed, each in enumerate(CHANCES)]
CASES = [(i, size) for i in range(len(RULES) + 2) for size in SIZES if size != (4, 2) or i % 3 == 0]


@pytest.fixture(scope="module")
def answers() -> list[tuple[Tables, Ask]]:
    return [tabulated(rule) for rule in (*RULES, rules.copeland, rules.instant_runoff)]


@pytest.mark.parametrize("name", NAMES)
def test_a_scan_finds_exactly_the_profiles_that_violate(name: str, answers: list[tuple[Tables, Ask]]) -> None:
    axiom, hits, misses = named(name), 0, 0
    assert axiom.scan is not None
    for i, (m, n) in CASES:
        tables, ask = answers[i]
        found = axiom.scan(tables, m, n)
        assert found.dtype == np.bool_
        assert found.shape == tables(m, n).shape
        profiles = domains.every(voters=n, alternatives="abcde"[:m], anonymous=True)
        one_by_one = [axiom.examine(ask, profile) is not None for profile in profiles]
        np.testing.assert_array_equal(found, one_by_one, f"{ask.rule} {m} {n}")
        hits, misses = hits + found.sum(), misses + (~found).sum()
    assert hits
    assert misses


@pytest.mark.parametrize("name", NAMES)
def test_where_an_axiom_is_violated_so_is_what_implies_it(name: str, answers: list[tuple[Tables, Ask]]) -> None:
    stronger = named(name)
    for weaker in map(named, stronger.implies):
        assert stronger.scan is not None
        assert weaker.scan is not None
        for i, (m, n) in CASES:
            tables, _ = answers[i]
            assert not (weaker.scan(tables, m, n) & ~stronger.scan(tables, m, n)).any()


@pytest.fixture(scope="module")
def larger() -> tuple[Tables, Ask]:
    return tabulated(blind(book.chance(7, "points", 1)))


@pytest.mark.parametrize("name", NAMES)
def test_scans_of_more_voters_and_alternatives(name: str, larger: tuple[Tables, Ask]) -> None:
    """On some of the profiles of 6 voters and 3 alternatives, and of 2 voters (1 before another joins) and 5."""
    tables, ask = larger
    axiom, hits = named(name), 0
    assert axiom.scan is not None
    for m, n in ((3, 6), (5, 1 if name.startswith(("participation", "positive", "negative")) else 2)):
        found = axiom.scan(tables, m, n)
        profiles = list(domains.every(voters=n, alternatives="abcde"[:m], anonymous=True))
        chosen = np.random.default_rng(1).choice(len(profiles), 15, replace=False).tolist()
        for place in [*chosen, *np.flatnonzero(found)[:5].tolist(), *np.flatnonzero(~found)[:5].tolist()]:
            hit = axiom.examine(ask, profiles[place]) is not None
            assert hit == found[place], (m, n, place)
            hits += hit
    assert hits


def test_the_places_of_profiles() -> None:
    for kinds, voters in ((1, 3), (2, 5), (6, 4), (24, 2)):
        table = kernels.steps(voters, kinds)
        profiles = list(itertools.combinations_with_replacement(range(kinds), voters))
        for place, ballots in enumerate(profiles):
            assert sum(table[voters - i, ballot] for i, ballot in enumerate(ballots)) == place
        ballots = np.zeros(voters, np.int64)
        for expected in [*profiles[1:], profiles[-1]]:
            kernels.follow(ballots, kinds)
            assert tuple(ballots) == expected
        more = {ballots: place for place, ballots in enumerate(
            itertools.combinations_with_replacement(range(kinds), voters + 1))}  # fmt: skip
        places, table = np.empty(kinds, np.int64), kernels.steps(voters + 1, kinds)
        for held in profiles:
            kernels.insert(np.array(held), table, places)
            assert places.tolist() == [more[tuple(sorted((*held, kind)))] for kind in range(kinds)]


def test_scans_end_at_five_alternatives() -> None:
    def tables(*_: int) -> Any:
        return np.ones(720, np.uint16)

    for name in NAMES:
        scan = named(name).scan
        assert scan is not None
        with pytest.raises(ValueError, match="scan: needed at most 5 alternatives, got 6"):
            scan(tables, 6, 1)
    assert scans.small(5) is None
