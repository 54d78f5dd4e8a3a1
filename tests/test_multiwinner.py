"""Rules that elect committees of approved alternatives: definitions, published examples, ties, weights, budgets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_committees as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import ballots

import choicekit as ck
from choicekit.ingest.pabulib import read_budgeting
from choicekit.kernels import committees as kernels
from choicekit.outcomes import Committees, Seating
from choicekit.rules import _exact
from choicekit.rules import multiwinner as mw
from choicekit.rules._ties import fixed_order, parallel_universes, seeded_lottery
from choicekit.rules.multiwinner import proportional_approval
from choicekit.rules.phragmen import leximax_phragmen, sequential_phragmen
from choicekit.rules.shares import equal_shares, equal_shares_budget, greedy_budget

ALL: dict[str, Any] = {
    "approval": mw.approval_committee,
    "satisfaction": mw.satisfaction_approval,
    "pav": mw.proportional_approval,
    "sequential pav": mw.sequential_proportional_approval,
    "cc": mw.approval_chamberlin_courant,
    "monroe": mw.monroe,
    "phragmen": sequential_phragmen,
    "leximax": leximax_phragmen,
    "shares": equal_shares,
}


@st.composite
def elections(draw: st.DrawFn, voters: int = 5, alternatives: int = 5, whole: bool = False) -> tuple[ck.Approvals, int]:
    """Approvals with weights that are exact in binary (some 0), and a number of seats."""
    width = draw(st.integers(1, alternatives))
    rows = draw(st.lists(st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=voters))
    weights = draw(st.lists(st.integers(0, 3 if whole else 8), min_size=len(rows), max_size=len(rows)))
    assume(any(weights))
    return ck.Approvals(rows, np.array(weights) / (1 if whole else 4)), draw(st.integers(1, width))


def exact(profile: ck.Approvals) -> tuple[list[frozenset[int]], list[Fraction], int]:
    rows = [frozenset(np.flatnonzero(row).tolist()) for row in profile.values]
    return rows, [Fraction(w) for w in profile.weights.tolist()], len(profile.alternatives)


def same(outcome: Committees, expected: Any) -> None:
    assert list(outcome.committees) == sorted(expected)
    assert outcome.notes == ()


# --- Against the definitions --------------------------------------------------------------------------------------


def share(ballot: frozenset[int], chosen: tuple[int, ...]) -> Fraction:
    return Fraction(len(ballot & set(chosen)), max(len(ballot), 1))


SCORES: dict[str, Callable[[frozenset[int], tuple[int, ...]], Fraction]] = {
    "approval": lambda ballot, chosen: Fraction(len(ballot & set(chosen))),
    "satisfaction": share,
    "pav": lambda ballot, chosen: sum(reference.harmonic(len(ballot & set(chosen))), Fraction(0)),
    "cc": lambda ballot, chosen: Fraction(bool(ballot & set(chosen))),
}


@pytest.mark.parametrize("name", SCORES)
@given(election=elections())
def test_the_best_committees_are_those_of_the_highest_score(name: str, election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)

    def score(chosen: tuple[int, ...]) -> Fraction:
        return sum((w * SCORES[name](row, chosen) for row, w in zip(rows, weights, strict=True)), Fraction(0))

    found = ALL[name](profile, size=size)
    expected = reference.best(width, size, score)
    same(found, expected)
    assert found.score == pytest.approx(float(score(expected[0])), rel=1e-12)
    assert found.bound == found.score


@given(election=elections())
def test_sequential_rules_by_the_book(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)
    same(mw.sequential_proportional_approval(profile, size=size), reference.sequential_pav(rows, weights, width, size))
    same(sequential_phragmen(profile, size=size), reference.sequential_phragmen(rows, weights, width, size))


@pytest.mark.parametrize("completion", [None, "sequential_phragmen", "utilitarian"])
@given(election=elections())
def test_equal_shares_by_the_book(completion: str | None, election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)
    expected = reference.equal_shares(rows, weights, width, size, completion)
    same(equal_shares(profile, size=size, completion=completion), expected)


@given(election=elections(voters=4, alternatives=4, whole=True))
def test_equal_shares_with_increments_by_the_book(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)
    backed = {a for row, w in zip(rows, weights, strict=True) if w for a in row}
    assume(len(backed) >= size)
    for virtual in range(size, 1000):
        start = Fraction(virtual) / sum(weights)
        found = reference.equal_shares(rows, weights, width, size, None, start=start)
        full = {committee for committee in found if len(committee) == size}
        if full:
            same(equal_shares(profile, size=size, completion="increments"), full)
            return
    raise AssertionError("with so much money all seats are filled")


@given(election=elections(voters=4, alternatives=4))
def test_leximax_loads_by_the_book(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)

    def score(chosen: tuple[int, ...]) -> Any:
        lonely, loads = reference.leximax_loads(rows, weights, chosen)
        return -lonely, [-load for load in loads]

    found = leximax_phragmen(profile, size=size)
    expected = reference.best(width, size, score)
    same(found, expected)
    lonely, loads = score(expected[0])
    assert found.score == (-np.inf if lonely else pytest.approx(float(loads[0]), rel=1e-9))


@given(election=elections(voters=4, alternatives=4, whole=True))
def test_monroe_by_the_book(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rows, weights, width = exact(profile)
    found = mw.monroe(profile, size=size)
    same(found, reference.best(width, size, lambda chosen: reference.monroe(rows, weights, chosen)))
    assert found.score == reference.monroe(rows, weights, found.committees[0])


@pytest.mark.parametrize("unranked", ["below", "absent"])
@given(profile=ballots(voters=4, alternatives=4), draw=st.data())
def test_chamberlin_and_courant_by_the_book(unranked: Any, profile: ck.Rankings, draw: st.DataObject) -> None:
    width = len(profile.alternatives)
    size = draw.draw(st.integers(1, width))

    def points(row: list[int], a: int) -> Fraction:
        others = [b for b in range(width) if b != a]
        if unranked == "absent":
            others = [b for b in others if row[b] >= 0]
            if row[a] < 0:
                return Fraction(0)
        place = [rank if rank >= 0 else width for rank in row]
        return sum((Fraction((place[b] > place[a]) * 2 + (place[b] == place[a]), 2) for b in others), Fraction(0))

    def score(chosen: tuple[int, ...]) -> Fraction:
        pairs = zip(profile.ranks.tolist(), profile.weights.tolist(), strict=True)
        return sum((Fraction(w) * max(points(row, a) for a in chosen) for row, w in pairs), Fraction(0))

    found = mw.chamberlin_courant(profile, size=size, unranked=unranked)
    same(found, reference.best(width, size, score))
    assert found.score == pytest.approx(float(score(found.committees[0])))


@given(election=elections())
def test_integer_programmes_agree_with_branch_and_bound(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    rankings = profile.to_rankings()
    runs: list[Callable[[], Committees]] = [
        lambda: proportional_approval(profile, size=size),
        lambda: mw.approval_chamberlin_courant(profile, size=size),
        lambda: mw.monroe(profile, size=size),
        lambda: mw.chamberlin_courant(rankings, size=size),
    ]
    for run in runs:
        expected = run()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_exact, "WORK", 1)
            found = run()
        assert found.committees == expected.committees
        assert found.score == pytest.approx(expected.score, abs=1e-9)
        assert found.bound == pytest.approx(expected.score, abs=1e-9)
        assert found.notes == ()


def test_a_search_that_is_cut_short_bounds_the_score() -> None:
    rng = np.random.default_rng(1)
    profile = ck.Approvals(rng.random((30, 12)) < 0.4)
    best = proportional_approval(profile, size=5)
    worth = 1.0 / np.arange(1, 6)
    for work in (1, 1_000, 20_000, 100_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_exact, "WORK", work)
            found = proportional_approval(profile, size=5, time_limit=0.0)
        values = profile.values.astype(float)
        _, _, score, bound, done = kernels.best_committees(
            values, profile.weights, worth, False, np.zeros(0), np.arange(0), np.arange(12), 5, -np.inf, 100, work
        )
        assert best.score is not None
        assert score <= best.score * (1 + 1e-12)
        assert bound >= best.score * (1 - 1e-12)
        assert done or work < 100_000
        assert found.bound is not None
        assert found.score is not None
        assert found.score <= best.score * (1 + 1e-12)
        assert found.bound >= best.score * (1 - 1e-12)
        if found.bound > found.score:
            assert any("no committee has a score above" in note for note in found.notes)
            assert found.ties is not None
            assert not found.ties.complete


# --- Published examples -------------------------------------------------------------------------------------------


def running_example() -> ck.Approvals:
    """Lackner and Skowron 2023, Example 2.1: seven alternatives, twelve voters."""
    counts = {"ab": 3, "ac": 3, "ad": 2, "bcf": 1, "e": 1, "f": 1, "g": 1}
    rows = [[label in ballot for label in "abcdefg"] for ballot in counts]
    return ck.Approvals(rows, list(counts.values()), "abcdefg")


def test_the_running_example_of_lackner_and_skowron() -> None:
    profile = running_example()
    committees = {name: {"".join(c) for c in rule(profile, size=4).committees} for name, rule in ALL.items()}
    assert committees["approval"] == {"abcd", "abcf"}
    assert committees["satisfaction"] == {"abcf"}
    assert committees["pav"] == {"abcf"}
    assert committees["sequential pav"] == {"abcf"}
    assert committees["cc"] == {"aefg"}
    # a at load 1/8; b and c at (1 + 3/8)/4, then the other at 0.43; d at (1 + 2/8)/2 before f at 0.71
    assert committees["phragmen"] == {"abcd"}
    # f's two voters, or d's, have a half each; then a, b and c share eight voters, or but seven
    assert committees["leximax"] == {"abcf"}
    # groups of three: nobody can do better than leave e's and g's voters out
    assert "abcf" in committees["monroe"]


def test_proportionality_of_party_lists() -> None:
    # disjoint parties of 60, 30 and 10 voters and ten seats: 6, 3, 1 (D'Hondt, which these rules extend)
    values = np.zeros((3, 30))
    values[0, :10], values[1, 10:20], values[2, 20:] = 1, 1, 1
    profile = ck.Approvals(values, [60, 30, 10])
    order = fixed_order(range(30))
    for rule in (proportional_approval, mw.sequential_proportional_approval, sequential_phragmen, equal_shares):
        committee = np.array(rule(profile, size=10, ties=order).committees[0])
        assert np.bincount(committee // 10, minlength=3).tolist() == [6, 3, 1]


def test_a_justified_group_that_sequential_pav_leaves_out() -> None:
    # sequential PAV does not extend to what PAV guarantees: elsewhere both agree on cohesive halves
    profile = ck.Approvals([[1, 1, 1, 0]] * 3 + [[0, 0, 0, 1]] * 2, alternatives="abcd")
    for name in ("pav", "sequential pav", "phragmen", "cc"):
        assert ALL[name](profile, size=2).committees == (("a", "d"), ("b", "d"), ("c", "d"))
    assert mw.approval_committee(profile, size=2).committees == (("a", "b"), ("a", "c"), ("b", "c"))


# --- Ties, weights, edges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
@given(election=elections(), draw=st.data())
def test_orders_elect_one_of_the_universes(name: str, election: tuple[ck.Approvals, int], draw: st.DataObject) -> None:
    profile, size = election
    order = draw.draw(st.permutations(profile.alternatives))
    found = ALL[name](profile, size=size, ties=fixed_order(order))
    assert len(found.committees) == 1
    every = ALL[name](profile, size=size)
    assert found.committees[0] in every.committees
    lottery = ALL[name](profile, size=size, ties=seeded_lottery(7))
    assert lottery.ties.order is not None
    assert lottery.committees[0] in every.committees
    if len(every.committees) > 1 and len(order) == size + 1 and name in ("approval", "pav", "cc", "monroe"):
        # the one that is left out is the least preferred that can be
        outside = [next(a for a in order if a not in committee) for committee in every.committees]
        assert next(a for a in order if a not in found.committees[0]) == max(outside, key=order.index)


@pytest.mark.parametrize("name", ALL)
@given(election=elections())
def test_voters_are_anonymous_and_weights_are_numbers_of_voters(name: str, election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    whole = (profile.weights * 4).astype(int)
    single = ck.Approvals(np.repeat(profile.values, whole, axis=0)[::-1])
    # Monroe's groups of whole voters are another rule than groups of divided voters
    expected = ALL[name](replace_weights(profile, whole) if name == "monroe" else profile, size=size)
    assert ALL[name](single, size=size).committees == expected.committees


def replace_weights(profile: ck.Approvals, weights: Any) -> ck.Approvals:
    return ck.Approvals(profile.values, weights, profile.alternatives)


@pytest.mark.parametrize("name", ALL)
def test_edges(name: str) -> None:
    rule = ALL[name]
    assert rule(ck.Approvals([[0]]), size=1).committees == ((0,),)
    assert rule(ck.Approvals([[0, 0, 0]]), size=2).committees == ((0, 1), (0, 2), (1, 2))
    assert rule(ck.Approvals([[1, 1, 1]]), size=2).committees == ((0, 1), (0, 2), (1, 2))
    assert rule(ck.Approvals([[1, 1], [0, 1]]), size=2).committees == ((0, 1),)
    ignored = ck.Approvals([[1, 0], [0, 1]], weights=[0, 1])
    assert rule(ignored, size=1).committees == ((1,),)
    lone = rule(ck.Approvals([[1, 0], [0, 0]]), size=1)
    assert lone.committees == ((0,),)
    assert lone.scores.tolist() == [1.0, 0.0]
    assert lone.winners == (0,)
    many = rule.batch(np.array([[[1, 0], [1, 0]], [[1, 1], [1, 1]]]), size=1)
    assert many.tolist() == [[1.0, 0.0], [0.5, 0.5]]
    for size in (0, 3, -1):
        with pytest.raises(ValueError, match=r"needed a size from 1 to the 2 alternatives, got"):
            rule(ck.Approvals([[1, 0]]), size=size)
    for size in (1.5, True, "2"):
        with pytest.raises(TypeError, match="size must be a whole number of seats"):
            rule(ck.Approvals([[1, 0]]), size=size)
    with pytest.raises(TypeError, match="needs Approvals"):
        rule(ck.Rankings([[0, 1]]), size=1)


@pytest.mark.parametrize("name", ALL)
def test_a_budget_that_ends_the_search_is_told(name: str) -> None:
    profile = ck.Approvals(np.ones((3, 8)))
    found = ALL[name](profile, size=4, ties=parallel_universes(5))
    assert 1 <= len(found.committees) < 70
    assert found.ties is not None
    assert not found.ties.complete
    assert found.notes
    assert len(ALL[name](profile, size=4).committees) == 70


@pytest.mark.parametrize("name", ALL)
def test_tenths_are_no_reason_to_prefer(name: str) -> None:
    # 0.1 + 0.2 is not 0.3 in binary; a and b are alike
    profile = ck.Approvals([[1, 0], [1, 0], [0, 1]], weights=[0.1, 0.2, 0.3], alternatives="ab")
    assert ALL[name](profile, size=1).committees == (("a",), ("b",))


@pytest.mark.parametrize("name", ["phragmen", "leximax", "shares", "sequential pav", "pav"])
def test_one_voter_in_a_hundred_thousand_decides(name: str) -> None:
    # the loads 1/50001 and 1/50000 differ by 4e-10, and c's is 1
    profile = ck.Approvals(np.eye(3), weights=[50_001, 50_000, 1], alternatives="abc")
    assert ALL[name](profile, size=1).committees == (("a",),)
    assert ALL[name](profile, size=2, ties=fixed_order("cba")).committees == (("a", "b"),)


def test_rounds_say_what_each_alternative_would_have_added() -> None:
    profile = ck.Approvals([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2, alternatives="abc")
    found = mw.sequential_proportional_approval(profile, size=2, ties=fixed_order("abc"))
    first, second = found.rounds
    assert isinstance(first, Seating)
    assert isinstance(second, Seating)
    assert (first.alternatives, first.scores.tolist(), first.elected) == (("a", "b", "c"), [3.0, 3.0, 2.0], ("a",))
    assert (second.alternatives, second.scores.tolist(), second.elected) == (("b", "c"), [1.5, 2.0], ("c",))
    assert not first.scores.flags.writeable
    assert mw.sequential_proportional_approval(profile, size=2).rounds == ()


def test_monroe_divides_weights_that_are_not_whole() -> None:
    # n/k = 1.25: a represents that much of its 2 voters, b or c its 0.5 or 0
    profile = ck.Approvals([[1, 0, 0], [0, 1, 0]], weights=[2, 0.5], alternatives="abc")
    found = mw.monroe(profile, size=2)
    assert found.committees == (("a", "b"),)
    assert found.score == 1.75
    with pytest.raises(ValueError, match="size of at most 20, got 21"):
        mw.monroe(ck.Approvals(np.ones((1, 22))), size=21)
    with pytest.raises(ValueError, match="size of at most 16, got 17"):
        leximax_phragmen(ck.Approvals(np.ones((1, 22))), size=17)


def test_leximax_that_runs_out_of_nodes_says_so() -> None:
    profile = ck.Approvals(np.random.default_rng(0).random((20, 10)) < 0.3)
    cut, whole = leximax_phragmen(profile, size=4, nodes=10), leximax_phragmen(profile, size=4)
    assert cut.score <= whole.score
    assert cut.bound >= whole.score
    assert cut.notes
    assert cut.ties is not None
    assert not cut.ties.complete
    assert whole.notes == ()
    assert whole.bound == whole.score


def test_unknown_completions_are_refused() -> None:
    with pytest.raises(ValueError, match="completion must be one of None, 'sequential_phragmen'"):
        equal_shares(ck.Approvals([[1, 0]]), size=1, completion="av")


# --- Budgets ------------------------------------------------------------------------------------------------------


@st.composite
def budgets(draw: st.DrawFn) -> tuple[ck.Approvals, list[int], int]:
    profile, _ = draw(elections(alternatives=4, whole=True))
    width = len(profile.alternatives)
    return profile, draw(st.lists(st.integers(1, 6), min_size=width, max_size=width)), draw(st.integers(1, 12))


@pytest.mark.parametrize("by", ["cost", "cardinality"])
@given(case=budgets())
def test_greedy_budgets_by_the_book(by: Any, case: tuple[ck.Approvals, list[int], int]) -> None:
    profile, costs, budget = case
    rows, weights, width = exact(profile)

    def worths(elected: tuple[int, ...]) -> dict[int, Fraction]:
        left = budget - sum(costs[a] for a in elected)
        votes = {a: sum((w for b, w in zip(rows, weights, strict=True) if a in b), Fraction(0)) for a in range(width)}
        return {
            a: votes[a] / (1 if by == "cost" else costs[a])
            for a in range(width)
            if a not in elected and costs[a] <= left
        }

    expected = reference.universes(width, worths)
    found = greedy_budget(profile, costs=costs, budget=budget, by=by)
    same(found, expected)
    assert found.size == max(len(each) for each in expected)


@pytest.mark.parametrize("by", ["cost", "cardinality"])
@given(case=budgets())
def test_equal_shares_of_a_budget_by_the_book(by: Any, case: tuple[ck.Approvals, list[int], int]) -> None:
    profile, costs, budget = case
    rows, weights, width = exact(profile)
    cost = [Fraction(c) for c in costs]
    start = Fraction(budget) / sum(weights)
    worth = cost if by == "cost" else None
    expected = reference.equal_shares(rows, weights, width, width, None, cost, worth, start)
    same(equal_shares_budget(profile, costs=costs, budget=budget, by=by, completion=None), expected)
    for completion in ("utilitarian", "increments"):
        found = equal_shares_budget(profile, costs=costs, budget=budget, by=by, completion=completion)
        for committee in found.committees:
            spent = sum(costs[a] for a in committee)
            assert spent <= budget
            assert all(costs[a] > budget - spent for a in range(width) if a not in committee)


@settings(max_examples=20)
@given(election=elections())
def test_a_budget_of_seats_is_a_committee(election: tuple[ck.Approvals, int]) -> None:
    profile, size = election
    costs = np.ones(len(profile.alternatives))
    found = equal_shares_budget(profile, costs=costs, budget=size, completion=None)
    assert found.committees == equal_shares(profile, size=size, completion=None).committees


def test_costs_and_budgets_are_checked() -> None:
    profile = ck.Approvals([[1, 0]], alternatives="ab")
    with pytest.raises(ValueError, match="cost of each of the 2 alternatives, got none of 'b'"):
        greedy_budget(profile, costs={"a": 1}, budget=1)
    with pytest.raises(ValueError, match="costs must be 2 positive numbers"):
        greedy_budget(profile, costs=[1, 0], budget=1)
    with pytest.raises(ValueError, match="the budget must be a positive number"):
        greedy_budget(profile, costs=[1, 1], budget=0)
    with pytest.raises(ValueError, match="by must be 'cost' or 'cardinality'"):
        greedy_budget(profile, costs=[1, 1], budget=1, by="votes")
    with pytest.raises(ValueError, match="the increment must be a positive number"):
        equal_shares_budget(profile, costs=[1, 1], budget=1, increment=0)
    assert greedy_budget(profile, costs=[5, 5], budget=1).committees == ((),)


def test_real_budgets(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text(encoding="utf-8"))["pabulib"]
    seen = 0
    for name, known in facts.items():
        if known["vote_type"] != "approval":
            continue
        file = read_budgeting(data / "pabulib" / name)
        assert isinstance(file.profile, ck.Approvals)
        for by in ("cost", "cardinality"):
            found = greedy_budget(file.profile, costs=file.costs, budget=file.budget, by=by)
            assert [sorted(committee) for committee in found.committees] == [known[f"pabutools_greedy_{by}"]]
            seen += 1
        if known.get("greedy_cost_equals_published"):
            found = greedy_budget(file.profile, costs=file.costs, budget=file.budget)
            assert sorted(found.committees[0]) == sorted(file.selected or ()) == known["published_selected"]
    assert seen == 10


def test_outcomes_can_be_replaced_in_part() -> None:
    found = mw.approval_committee(ck.Approvals([[1, 0]]), size=1)
    assert replace(found, notes=("seen",)).notes == ("seen",)
