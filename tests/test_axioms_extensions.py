"""How a voter compares sets of winners: every pair of sets of four alternatives, on every ballot."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import reference_axioms_several as book

from choicekit.axioms import _extensions as extensions
from choicekit.axioms import _scans_several as scans

LABELS = ("a", "b", "c", "d")
SETS = [held for size in range(1, 5) for held in itertools.combinations(LABELS, size)]
BALLOTS = list(itertools.permutations(range(4)))


def prefers(name: str, ranks: tuple[int, ...], one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return extensions.prefers(getattr(extensions, name), LABELS, ranks, one, other)


@pytest.mark.parametrize("name", book.SETS)
def test_every_pair_by_the_book(name: str) -> None:
    hits = 0
    for ranks in BALLOTS:
        order = tuple(sorted(LABELS, key=lambda label, ranks=ranks: ranks[LABELS.index(label)]))  # type: ignore[misc]
        for one, other in itertools.product(SETS, repeat=2):
            found = prefers(name, ranks, one, other)
            assert found == book.SETS[name](order, frozenset(one), frozenset(other)), (order, one, other)
            hits += found
    assert hits


@pytest.mark.parametrize("name", book.SETS)
def test_the_table_of_a_scan_says_the_same(name: str) -> None:
    table = scans.gains(getattr(extensions, name), 4)
    assert table.shape == (24, 16)
    for row, ranks in enumerate(BALLOTS):
        for one, other in itertools.product(SETS, repeat=2):
            bits, number = (sum(1 << LABELS.index(a) for a in held) for held in (other, one))
            assert bool(table[row, bits] >> number & 1) == prefers(name, ranks, one, other)
    assert not table[:, 0].any()
    assert not (table & 1).any()


@pytest.mark.parametrize("name", book.SETS)
def test_better_is_never_both_ways_and_never_of_equals(name: str) -> None:
    for one, other in itertools.product(SETS, repeat=2):
        both = prefers(name, (0, 1, 2, 3), one, other) and prefers(name, (0, 1, 2, 3), other, one)
        assert not both


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [("singleton", name) for name in book.SETS if name != "singleton"]
    + [("kelly", "fishburn"), ("fishburn", "gardenfors")],
)
def test_what_one_calls_better_the_other_does_too(stronger: str, weaker: str) -> None:
    """So that an axiom about the second implies the one about the first."""
    cases = [(ranks, one, other) for ranks in BALLOTS for one in SETS for other in SETS]
    first = np.array([prefers(stronger, *case) for case in cases])
    second = np.array([prefers(weaker, *case) for case in cases])
    assert not (first & ~second).any()
    assert (second & ~first).any()


@pytest.mark.parametrize(("name", "other"), [("kelly", "optimist"), ("kelly", "pessimist"), ("optimist", "gardenfors")])
def test_what_implies_nothing(name: str, other: str) -> None:
    pairs = list(itertools.product(SETS, repeat=2))
    assert any(prefers(name, (0, 1, 2, 3), *pair) and not prefers(other, (0, 1, 2, 3), *pair) for pair in pairs)


def test_by_hand_for_a_over_b_over_c() -> None:
    """Fishburn asks of {a, c} and {b, c} that c, which both have, is above b, which only the second has."""
    ranks = (0, 1, 2, 3)
    assert prefers("kelly", ranks, ("a",), ("a", "b"))
    assert prefers("kelly", ranks, ("a", "b"), ("b",))
    assert not prefers("kelly", ranks, ("a", "b"), ("a", "b", "c"))
    assert prefers("fishburn", ranks, ("a", "b"), ("a", "b", "c"))
    assert prefers("gardenfors", ranks, ("a", "c"), ("b", "c"))
    assert not prefers("fishburn", ranks, ("a", "c"), ("b", "c"))
