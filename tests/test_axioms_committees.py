"""Axioms of committees: by the book on random rules, as published for known rules, and the same under other names."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import Axiom, CommitteeProblem, Violation
from choicekit.axioms._readings import Ask

Rule = Callable[..., Any]
Row = tuple[int, ...]
Rows = list[Row]
Committees = list[frozenset[int]]
EVERY: tuple[Axiom, ...] = (
    axioms.justified_representation, axioms.proportional_justified_representation,
    axioms.extended_justified_representation, axioms.extended_justified_representation_plus,
    axioms.full_justified_representation, axioms.core_stability, axioms.priceability, axioms.laminar_proportionality,
    axioms.pareto_of_committees, axioms.unanimity_of_committees, axioms.committee_monotonicity,
    axioms.support_monotonicity, axioms.cardinality_strategyproofness, axioms.inclusion_strategyproofness,
    axioms.homogeneity_of_committees, axioms.consistency_of_committees,
)  # fmt: skip


def problem(rows: Any, size: int, weights: Any = None, labels: Any = None) -> CommitteeProblem:
    return CommitteeProblem(ck.Approvals(rows, weights, labels), size)


def always(*members: Any) -> Rule:
    """The rule that elects the same committee whatever the votes."""
    return lambda _, **__: [members]


def first(axiom: Axiom, rule: Rule, given: Iterable[CommitteeProblem]) -> Violation | None:
    ask = Ask(rule, axiom.about)
    return next((found for each in given if (found := axiom.examine(ask, each))), None)


def fixed(rule: Rule) -> Rule:
    """The rule with ties broken in the order of the alternatives."""

    def fixed_rule(approvals: ck.Approvals, *, size: int) -> Any:
        return rule(approvals, size=size, ties=rules.fixed_order(approvals.alternatives))

    fixed_rule.__name__ = rule.__name__
    return fixed_rule


def minimax_approval(approvals: ck.Approvals, *, size: int) -> list[tuple[Any, ...]]:
    """The first committee whose largest Hamming distance to a ballot is least (Brams, Kilgour and Sanver 2007)."""
    values, width = approvals.values[approvals.weights > 0], len(approvals.alternatives)

    def farthest(committee: tuple[int, ...]) -> int:
        inside = np.isin(np.arange(width), committee)
        return int((values != inside).sum(1).max())

    best = min(itertools.combinations(range(width), size), key=farthest)
    return [tuple(approvals.alternatives[a] for a in best)]


# --- By the book, on rules that answer as a hash of the ballots says -----------------------------------------------


def answers(rows: Rows, size: int, seed: int) -> Committees:
    """One to three committees, any that the seed makes of the ballots in any order."""
    if not rows:
        raise AssertionError("nobody votes")
    possible = list(itertools.combinations(range(len(rows[0])), size))
    rng = np.random.default_rng(zlib.crc32(repr((sorted(rows), size, seed)).encode()))
    number = min(len(possible), int(rng.choice([1, 1, 1, 2, 3])))
    return [frozenset(possible[i]) for i in rng.choice(len(possible), number, replace=False)]


def random_rule(seed: int) -> Rule:
    def rule(approvals: ck.Approvals, *, size: int) -> list[tuple[Any, ...]]:
        rows = expanded(approvals)
        return [tuple(approvals.alternatives[a] for a in each) for each in answers(rows, size, seed)]

    return rule


def expanded(approvals: ck.Approvals) -> Rows:
    pairs = zip(approvals.values.astype(int).tolist(), approvals.weights.astype(int).tolist(), strict=True)
    return [tuple(row) for row, weight in pairs for _ in range(weight)]


def liked(row: Row) -> frozenset[int]:
    return frozenset(a for a, yes in enumerate(row) if yes)


def groups(voters: int) -> Iterator[tuple[int, ...]]:
    return (group for size in range(1, voters + 1) for group in itertools.combinations(range(voters), size))


def sets(width: int, largest: int) -> Iterator[frozenset[int]]:
    return (frozenset(each) for r in range(1, largest + 1) for each in itertools.combinations(range(width), r))


def book_full(rows: Rows, size: int, members: frozenset[int]) -> bool:
    return any(
        len(group) * size >= len(chosen) * len(rows)
        and all(len(liked(rows[i]) & chosen) >= beta for i in group)
        and all(len(liked(rows[i]) & members) < beta for i in group)
        for group in groups(len(rows))
        for chosen in sets(len(rows[0]), size)
        for beta in range(1, size + 1)
    )


def book_pareto(rows: Rows, size: int, members: frozenset[int]) -> bool:
    held = [len(liked(row) & members) for row in rows]
    return any(
        all(len(liked(row) & other) >= has for row, has in zip(rows, held, strict=True))
        and sum(len(liked(row) & other) for row in rows) > sum(held)
        for other in map(frozenset, itertools.combinations(range(len(rows[0])), size))
    )


def book_unanimity(rows: Rows, _: int, members: frozenset[int]) -> bool:
    agreed = frozenset.intersection(*map(liked, rows))
    return not (agreed <= members or members <= agreed)


def book_price(rows: Rows, _: int, members: frozenset[int]) -> bool:
    """No price system: the price is 1 here and the budget of every voter, the same for all, what it may."""
    pairs = [(i, c) for i, row in enumerate(rows) for c in sorted(members) if row[c]]
    at = {pair: column for column, pair in enumerate(pairs)}
    budgets = len(pairs)
    at_most, limits, equal = [], [], []
    for i in range(len(rows)):
        line = np.zeros(len(pairs) + 1)
        line[[at[pair] for pair in pairs if pair[0] == i]] = 1
        line[budgets] = -1
        at_most.append(line)
        limits.append(0.0)
    for c in set(range(len(rows[0]))) - members:
        line = np.zeros(len(pairs) + 1)
        supporters = [i for i, row in enumerate(rows) if row[c]]
        line[[at[pair] for pair in pairs if pair[0] in supporters]] = -1
        line[budgets] = len(supporters)
        at_most.append(line)
        limits.append(1.0)
    for c in members:
        line = np.zeros(len(pairs) + 1)
        line[[at[pair] for pair in pairs if pair[1] == c]] = 1
        equal.append(line)
    found = linprog(np.zeros(len(pairs) + 1), at_most, limits, equal, np.ones(len(members)))
    return found.status == 2


def book_laminar(rows: Rows, size: int, members: frozenset[int]) -> bool:
    """By the three clauses of the definition, with every way of splitting a problem in two."""
    if not laminar(rows, size):
        return False
    return not deserved(rows, size, members)


def laminar(rows: Rows, size: int) -> bool:
    if len(set(rows)) == 1 and sum(rows[0]) >= size:
        return True
    agreed = frozenset.intersection(*map(liked, rows))
    if size > 1 and any(laminar(dropped(rows, c), size - 1) for c in agreed):
        return True
    return any(laminar(one, k) and laminar(other, size - k) for one, k, other in splits(rows, size))


def dropped(rows: Rows, c: int) -> Rows:
    return [tuple(0 if a == c else yes for a, yes in enumerate(row)) for row in rows]


def splits(rows: Rows, size: int) -> Iterator[tuple[Rows, int, Rows]]:
    for group in groups(len(rows) - 1):
        one = [rows[i] for i in group]
        other = [row for i, row in enumerate(rows) if i not in group]
        apart = not frozenset.union(*map(liked, one)) & frozenset.union(*map(liked, other))
        if apart and size * len(one) % len(rows) == 0:
            yield one, size * len(one) // len(rows), other


def deserved(rows: Rows, size: int, members: frozenset[int]) -> bool:
    if len(set(rows)) == 1 and sum(rows[0]) >= size:
        return members <= liked(rows[0])
    for c in frozenset.intersection(*map(liked, rows)):
        if size > 1 and laminar(dropped(rows, c), size - 1):
            return c in members and deserved(dropped(rows, c), size - 1, members - {c})
    for one, k, other in splits(rows, size):
        if laminar(one, k) and laminar(other, size - k):
            first = members & frozenset.union(*map(liked, one))
            return len(first) == k and deserved(one, k, first) and deserved(other, size - k, members - first)
    raise AssertionError("not laminar")


Asked = Callable[[Rows, int], Committees]


def book_committee_monotonicity(ask: Asked, rows: Rows, size: int) -> bool:
    if size == len(rows[0]):
        return False
    small, large = ask(rows, size), ask(rows, size + 1)
    grows = all(any(one <= more for more in large) for one in small)
    return not (grows and all(any(one <= more for one in small) for more in large))


def changes(rows: Rows) -> Iterator[tuple[int, Rows]]:
    for i in range(len(rows)):
        for ballot in itertools.product((0, 1), repeat=len(rows[0])):
            yield i, [*rows[:i], ballot, *rows[i + 1 :]]


def book_support(ask: Asked, rows: Rows, size: int) -> bool:
    now = ask(rows, size)
    for i, after in changes(rows):
        added = liked(after[i]) - liked(rows[i])
        if len(added) != 1 or not liked(rows[i]) <= liked(after[i]):
            continue
        then = ask(after, size)
        if all(added <= each for each in now) and not all(added <= each for each in then):
            return True
        if any(added <= each for each in now) and not any(added <= each for each in then):
            return True
    return False


def book_lies(ask: Asked, rows: Rows, size: int, by: Callable[[frozenset[int]], Any]) -> bool:
    """A set of committees is better (Kelly) if every one of it is as good as every one of the other, and some better."""
    for i, after in changes(rows):
        now = {by(liked(rows[i]) & each) for each in ask(rows, size)}
        then = {by(liked(rows[i]) & each) for each in ask(after, size)}
        if all(x <= y for x in now for y in then) and any(x < y for x in now for y in then):
            return True
    return False


def book_consistency(ask: Asked, rows: Rows, size: int) -> bool:
    whole = set(ask(rows, size))
    for group in groups(len(rows) - 1) if len(rows) > 1 else ():
        one = [rows[i] for i in group]
        other = [row for i, row in enumerate(rows) if i not in group]
        common = set(ask(one, size)) & set(ask(other, size))
        if common and common != whole:
            return True
    return False


def book_homogeneity(ask: Asked, rows: Rows, size: int) -> bool:
    return any(set(ask(rows * times, size)) != set(ask(rows, size)) for times in (2, 3))


INTRA: dict[Axiom, Callable[[Rows, int, frozenset[int]], bool]] = {
    axioms.full_justified_representation: book_full,
    axioms.pareto_of_committees: book_pareto,
    axioms.unanimity_of_committees: book_unanimity,
    axioms.priceability: book_price,
    axioms.laminar_proportionality: book_laminar,
}
CHANGES: dict[Axiom, Callable[[Asked, Rows, int], bool]] = {
    axioms.committee_monotonicity: book_committee_monotonicity,
    axioms.support_monotonicity: book_support,
    axioms.cardinality_strategyproofness: lambda ask, rows, size: book_lies(ask, rows, size, len),
    axioms.inclusion_strategyproofness: lambda ask, rows, size: book_lies(ask, rows, size, frozenset),
    axioms.consistency_of_committees: book_consistency,
    axioms.homogeneity_of_committees: book_homogeneity,
}


@st.composite
def problems(draw: st.DrawFn, voters: int = 4, alternatives: int = 4) -> tuple[CommitteeProblem, Rows]:
    """A problem with whole weights, and the ballots of its voters, one by one."""
    width = draw(st.integers(2, alternatives))
    kinds = draw(st.lists(st.tuples(*[st.integers(0, 1)] * width), min_size=1, max_size=3))
    weights = draw(st.lists(st.integers(0, 3), min_size=len(kinds), max_size=len(kinds)))
    assume(0 < sum(weights) <= voters)
    made = problem(kinds, draw(st.integers(1, width)), weights)
    return made, expanded(made.approvals)


@pytest.mark.parametrize("axiom", INTRA, ids=lambda axiom: axiom.name)
def test_axioms_of_one_committee_by_the_book(axiom: Axiom) -> None:
    seen = set()

    @given(drawn=problems(), data=st.data())
    @settings(max_examples=150)
    def check(drawn: tuple[CommitteeProblem, Rows], data: st.DataObject) -> None:
        made, rows = drawn
        members = frozenset(data.draw(st.sampled_from(list(itertools.combinations(range(len(rows[0])), made.size)))))
        found = axiom(always(*members), made)
        assert (found is not None) == INTRA[axiom](rows, made.size, members)
        seen.add(found is None)

    check()
    assert seen == {True, False}


@pytest.mark.parametrize("axiom", CHANGES, ids=lambda axiom: axiom.name)
def test_axioms_of_change_by_the_book(axiom: Axiom) -> None:
    seen = set()

    @given(drawn=problems(voters=3, alternatives=3), seed=st.integers(0, 10**6), known=st.sampled_from(KNOWN))
    @settings(max_examples=60)
    def check(drawn: tuple[CommitteeProblem, Rows], seed: int, known: Rule | None) -> None:
        made, rows = drawn
        rule = known or random_rule(seed)

        def ask(ballots: Rows, size: int) -> Committees:
            if known is None:
                return answers(ballots, size, seed)
            return [frozenset(each) for each in known(ck.Approvals(ballots), size=size).committees]

        found = axiom(rule, made)
        assert (found is not None) == CHANGES[axiom](ask, rows, made.size)
        if found is not None:
            assert found.replay()
            again = Violation.from_json(found.to_json())
            assert again.replay(rule)
            assert str(again) == str(found)
        seen.add(found is None)

    check()
    assert seen == {True, False}


KNOWN = (None, None, rules.approval_committee, rules.proportional_approval, rules.equal_shares)


@given(drawn=problems(), data=st.data())
def test_stronger_axioms_imply_weaker_ones(drawn: tuple[CommitteeProblem, Rows], data: st.DataObject) -> None:
    made, rows = drawn
    members = data.draw(st.sampled_from(list(itertools.combinations(range(len(rows[0])), made.size))))
    holds = {axiom.name: axiom(always(*members), made) is None for axiom in EVERY[:8]}
    for axiom in EVERY[:8]:
        for weaker in axiom.implies:
            assert holds[weaker] or not holds[axiom.name], (axiom, weaker)
    assert holds["proportional_justified_representation"] or not holds["priceability"]  # Peters and Skowron 2020


def test_implications_are_declared() -> None:
    chain = [axioms.core_stability, axioms.full_justified_representation, axioms.extended_justified_representation,
             axioms.proportional_justified_representation, axioms.justified_representation]  # fmt: skip
    for strong, weak in itertools.pairwise(chain):
        assert strong.implies == (weak.name,)
    assert axioms.extended_justified_representation_plus.implies == ("extended_justified_representation",)
    assert axioms.cardinality_strategyproofness.implies == ("inclusion_strategyproofness",)


# --- Known rules, ties broken in the order of the alternatives ------------------------------------------------------

RULES: dict[str, Rule] = {
    "approval": fixed(rules.approval_committee),
    "cover": fixed(rules.approval_chamberlin_courant),
    "PAV": fixed(rules.proportional_approval),
    "sequential PAV": fixed(rules.sequential_proportional_approval),
    "Phragmén": fixed(rules.sequential_phragmen),
    "equal shares": fixed(rules.equal_shares),
    "satisfaction": fixed(rules.satisfaction_approval),
    "minimax": minimax_approval,
}
COLUMNS = (
    axioms.justified_representation, axioms.proportional_justified_representation,
    axioms.extended_justified_representation, axioms.core_stability, axioms.pareto_of_committees,
    axioms.committee_monotonicity, axioms.support_monotonicity, axioms.unanimity_of_committees,
)  # fmt: skip
# Alternatives, voters and seats of a smallest violation; None where the axiom holds (or where none is as small as the
# problems looked at); "large" where there are violations, of larger problems only.
TABLE: dict[str, tuple[tuple[int, int, int] | str | None, ...]] = {
    "approval": ((3, 2, 2), (3, 2, 2), (3, 2, 2), (3, 2, 2), None, None, None, None),
    "cover": (None, (3, 1, 2), (3, 1, 2), (3, 1, 2), (3, 1, 2), (3, 2, 1), None, (3, 1, 2)),
    "PAV": (None, None, None, "large", None, (3, 4, 1), None, None),
    "sequential PAV": ("large", "large", "large", "large", "large", None, None, None),
    "Phragmén": (None, None, "large", "large", "large", None, None, None),
    "equal shares": (None, None, None, "large", (4, 3, 3), (4, 3, 2), None, None),
    "satisfaction": ((4, 2, 2), (4, 2, 2), (4, 2, 2), (4, 2, 2), None, None, None, None),
    "minimax": ((4, 2, 2), (4, 2, 2), (4, 2, 2), (4, 2, 2), (3, 2, 1), (3, 2, 1), None, None),
}


def every(width: int, voters: int, sizes: tuple[int, ...]) -> Iterator[CommitteeProblem]:
    ballots = list(itertools.product((0, 1), repeat=width))
    for rows in itertools.combinations_with_replacement(ballots, voters):
        yield from (problem(rows, size) for size in sizes)


@pytest.mark.parametrize("name", RULES)
def test_known_rules_on_every_small_problem(name: str) -> None:
    # three alternatives and up to three voters, four and up to two: all are examined
    small = [each for voters in (1, 2, 3) for each in every(3, voters, (1, 2))]
    small += [each for voters in (1, 2) for each in every(4, voters, (1, 2, 3))]
    for axiom, expected in zip(COLUMNS, TABLE[name], strict=True):
        found = first(axiom, RULES[name], small)
        if isinstance(expected, tuple) and (expected[0], expected[1]) <= (3, 3):
            assert found is not None, axiom
            first = found.profiles[0]
            assert (len(first.alternatives), first.approvals.weights.sum()) == expected[:2], axiom
        elif not isinstance(expected, tuple):
            assert found is None, (axiom, found)


@pytest.mark.parametrize(("name", "column"), [
    (name, column) for name, cells in TABLE.items() for column, cell in enumerate(cells) if isinstance(cell, tuple)
])  # fmt: skip
def test_smallest_violations_of_known_rules(name: str, column: int) -> None:
    width, voters, size = TABLE[name][column]  # type: ignore[misc]
    axiom = COLUMNS[column]
    found = first(axiom, RULES[name], every(width, voters, (size,)))  # type: ignore[arg-type]
    assert found is not None
    assert found.replay()
