"""Kemeny's and Slater's rules against their definitions, by each of the ways in which they are solved."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_medians as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import ballots, margins

import choicekit as ck
from choicekit import ingest
from choicekit.kernels import orders as kernels
from choicekit.rules import _cutting, medians
from choicekit.rules.medians import kemeny, slater

CYCLE = ck.Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")
# The ways: a dynamic programme, linear programmes (with a dynamic one behind them), integer programmes.
WAYS = {"dynamic": (15, 24), "linear": (1, 24), "whole": (1, 0)}


def solved(rule: Any, way: str, profile: ck.Margins, **options: Any) -> Any:
    small, limit = WAYS[way]
    before = medians._SMALL
    medians._SMALL = small
    try:
        return rule(profile, limit=limit, **options)
    finally:
        medians._SMALL = before


def tournament(size: int, seed: int) -> ck.Margins:
    rng = np.random.default_rng(seed)
    upper = np.triu(2.0 * rng.integers(-20, 20, (size, size)) + 1, 1)
    return ck.Margins(upper - upper.T)


def impartial(voters: int, size: int, seed: int) -> ck.Rankings:
    return ck.Rankings(np.random.default_rng(seed).random((voters, size)).argsort(1).argsort(1))


def signs(profile: ck.Margins) -> list[list[float]]:
    return np.sign(profile.values).tolist()


# --- Against the definition ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", [kemeny, slater])
@given(profile=margins(alternatives=5))
@example(ck.Margins(np.zeros((4, 4))))
@settings(max_examples=25)
def test_all_best_orders_and_their_tops(rule: Any, way: str, profile: ck.Margins) -> None:
    table = profile.values.tolist() if rule is kemeny else signs(profile)
    least, best = reference.medians(table)
    found = solved(rule, way, profile, orders=200)
    assert (found.cost, found.bound, found.optimal) == (least, least, True)
    assert set(found.winners) == {order[0] for order in best}
    assert set(found.orders) <= set(best)
    assert len(set(found.orders)) == len(found.orders)
    # the linear programmes alone may leave the list open, never say that it is closed when it is not
    if way != "whole" or found.all_listed:
        assert found.all_listed
        assert set(found.orders) == set(best)


@given(ballots(alternatives=4))
@settings(max_examples=30)
def test_best_orders_disagree_with_the_fewest_pairs_of_ballots(profile: ck.Rankings) -> None:
    found = kemeny(profile)
    ranks, weights = profile.ranks.tolist(), profile.weights.tolist()
    size = len(profile.alternatives)
    far = {
        order: reference.kendall_tau(order, ranks, weights)
        for order in reference.medians(np.zeros((size, size)).tolist())[1]
    }
    least = min(far.values())
    assert set(found.orders) == {order for order, distance in far.items() if distance == least}
    support = profile.supports()
    unavoidable = sum(min(support[a, b], support[b, a]) for a in range(size) for b in range(a))
    assert found.cost == least - unavoidable


@pytest.mark.parametrize(("size", "seed"), [(9, 0), (11, 1), (13, 2), (13, 3)])
@pytest.mark.parametrize("rule", [kemeny, slater])
def test_the_ways_agree(rule: Any, size: int, seed: int) -> None:
    profile = tournament(size, seed)
    dynamic, linear, whole = (solved(rule, way, profile, orders=1000) for way in WAYS)
    assert dynamic.all_listed
    assert linear.all_listed
    assert sorted(dynamic.orders) == sorted(linear.orders)
    assert dynamic.cost == linear.cost == whole.cost
    assert dynamic.winners == linear.winners == whole.winners
    assert whole.optimal
    assert set(whole.orders) <= set(dynamic.orders)


@pytest.mark.parametrize("seed", range(4))
def test_twenty_alternatives_by_two_ways(seed: int) -> None:
    profile = impartial(200, 18, seed).to_margins()
    dynamic = solved(kemeny, "dynamic", profile)
    linear = solved(kemeny, "linear", profile)
    costs = [reference.disagreement(order, profile.values.tolist()) for order in linear.orders]
    assert dynamic.cost == linear.cost == costs[0]
    assert dynamic.winners == linear.winners
    assert len(set(costs)) == 1


def test_real_weights_are_no_hindrance() -> None:
    whole = tournament(9, 5)
    for unit in (0.1, 1e-9, 1e9 / 3):
        profile = ck.Margins(unit * whole.values)
        for way in WAYS:
            found, expected = solved(kemeny, way, profile), kemeny(whole)
            assert found.optimal
            assert found.cost == pytest.approx(unit * expected.cost, rel=1e-12)
            assert set(found.orders) <= set(expected.orders)
            assert found.winners == expected.winners


def test_rounding_makes_no_majority() -> None:
    rounding = 0.1 + 0.2 - 0.3
    profile = ck.Margins([[0, rounding, 0.6], [-rounding, 0, 0.6], [-0.6, -0.6, 0]], "abx")
    assert rounding > 0
    for rule in (kemeny, slater):
        assert rule(profile).winners == ("a", "b")
        assert rule(profile).cost == 0
        assert medians._tops(medians._signs(profile.values[None]), 1, 24, 1.0).tolist() == [[1, 1, 0]]


# --- Numbers that can be checked by hand ---------------------------------------------------------------------------


def test_a_cycle_is_cut_at_its_weakest_majority() -> None:
    found = kemeny(CYCLE)
    assert found.orders == (("a", "b", "c"),)
    assert (found.cost, found.winners, found.all_listed) == (1.0, ("a",), True)


def test_slater_may_cut_a_cycle_anywhere() -> None:
    found = slater(CYCLE)
    assert sorted("".join(map(str, order)) for order in found.orders) == ["abc", "bca", "cab"]
    assert (found.cost, found.winners) == (1.0, ("a", "b", "c"))


def test_the_example_of_young() -> None:
    # Young 1988 (doi:10.2307/1961757), his three-way example with 60 voters: a over b 33, b over c 42, c over a 35
    votes = ck.Rankings.from_orders({"abc": 23, "bca": 17, "bac": 2, "cab": 10, "cba": 8})
    assert votes.supports()[0, 1] == 33
    assert votes.supports()[1, 2] == 42
    assert votes.supports()[2, 0] == 35
    assert kemeny(votes).orders == (("b", "c", "a"),)


def test_an_alternative_of_a_lower_component_can_be_on_top() -> None:
    # a beats b alone; b, c, d are in a cycle; c and d tie with a, so that an order may begin with them
    profile = ck.Margins([[0, 2, 0, 0], [-2, 0, 4, -4], [0, -4, 0, 4], [0, 4, -4, 0]], "abcd")
    found = kemeny(profile)
    expected = reference.medians(profile.values.tolist())[1]
    assert {"".join(map(str, order)) for order in found.orders} == {"".join("abcd"[a] for a in o) for o in expected}
    assert found.winners == ("a", "c", "d")


def test_the_list_is_cut_short_and_says_so() -> None:
    level = ck.Margins(np.zeros((30, 30)))
    found = kemeny(level, orders=7)
    assert (len(found.orders), found.all_listed, len(found.winners), found.optimal) == (7, False, 30, True)
    assert len(kemeny(ck.Margins(np.zeros((3, 3))), orders=6).orders) == 6
    assert kemeny(ck.Margins(np.zeros((3, 3))), orders=6).all_listed
    assert not kemeny(ck.Margins(np.zeros((3, 3))), orders=5).all_listed


def test_one_alternative_and_blank_ballots() -> None:
    assert kemeny(ck.Rankings([[0]], alternatives=["only"])).orders == (("only",),)
    assert kemeny(ck.Rankings([[-1, -1]])).winners == (0, 1)
    assert slater(ck.Rankings([[0, 1], [1, 0]], weights=[1, 0])).orders == ((0, 1),)


@given(ballots(), st.sampled_from(["below", "absent"]))
@settings(max_examples=20)
def test_what_the_unranked_mean(profile: ck.Rankings, unranked: Any) -> None:
    expected = kemeny(profile.to_margins(unranked))
    assert kemeny(profile, unranked=unranked).orders == expected.orders


@given(margins(alternatives=6))
@settings(max_examples=30)
def test_a_condorcet_winner_is_on_top(profile: ck.Margins) -> None:
    if profile.condorcet_winner is not None:
        assert kemeny(profile).winners == (profile.condorcet_winner,)
        assert slater(profile).winners == (profile.condorcet_winner,)


@given(st.lists(st.permutations(range(4)), min_size=1, max_size=5), st.data())
@settings(max_examples=30)
def test_reinforcement(first: list[list[int]], draw: st.DataObject) -> None:
    """Young and Levenglick 1978: orders that are best for two electorates are the best ones of their union."""
    second = draw.draw(st.lists(st.permutations(range(4)), min_size=1, max_size=5))
    one, two = (set(kemeny(ck.Rankings(ranks)).orders) for ranks in (first, second))
    if one & two:
        assert set(kemeny(ck.Rankings(first + second)).orders) == one & two


def test_components_by_two_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for few in (0, 64):
        monkeypatch.setattr(medians, "_FEW", few)
        profile = impartial(3, 12, 8).to_margins()
        found.append(sorted(medians._components(medians._against(profile.values))))
        line = ck.Margins(np.sign(np.subtract.outer(-np.arange(9), -np.arange(9))))
        assert sorted(medians._components(medians._against(line.values))) == [[a] for a in range(9)]
    assert found[0] == found[1]


def test_a_thousand_alternatives_in_a_row() -> None:
    size = 1200
    values = np.sign(np.subtract.outer(-np.arange(size), -np.arange(size)))
    assert kemeny(ck.Margins(values)).orders == (tuple(range(size)),)
    values[0, 1] = values[1, 0] = values[-1, -2] = values[-2, -1] = 0
    found = kemeny(ck.Margins(values))
    assert len(found.orders) == 4
    assert found.all_listed
    assert found.winners == (0, 1)


# --- Batches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [kemeny, slater])
@given(
    ranks=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)).flatmap(
        lambda shape: st.lists(
            st.integers(-1, shape[2] - 1), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))
        ).map(lambda flat: np.array(flat).reshape(shape))
    ),
    weighted=st.booleans(),
)
@settings(max_examples=30)
def test_a_batch_is_one_by_one(rule: Any, ranks: NDArray[np.int64], weighted: bool) -> None:
    weights = np.arange(1, ranks.shape[1] + 1) / 10 if weighted else None
    for unranked in ("below", "absent"):
        expected = [rule(ck.Rankings(each, weights), unranked=unranked).scores for each in ranks]
        np.testing.assert_array_equal(rule.batch(ranks, weights, unranked=unranked), expected)


@pytest.mark.parametrize("rule", [kemeny, slater])
def test_a_batch_of_larger_profiles(rule: Any) -> None:
    ranks = np.stack([impartial(20, 14, seed).ranks for seed in range(3)])
    expected = [rule(ck.Rankings(each)).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, orders=3), expected)
    assert rule.batch(ranks[:0]).shape == (0, 14)


# --- Limits and refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"orders": 0}, {"limit": 27}, {"limit": -1}, {"time_limit": 0}])
@pytest.mark.parametrize("rule", [kemeny, slater])
def test_options_out_of_range(rule: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: needed"):
        rule(CYCLE, **options)
    with pytest.raises(ValueError, match=f"{next(iter(options))}: needed"):
        rule.batch([[[0, 1], [1, 0]]], **options)


def test_an_option_that_does_not_exist_is_refused_in_a_batch_too() -> None:
    for size in (3, 14):
        with pytest.raises(TypeError, match="speed"):
            kemeny.batch(impartial(3, size, 0).ranks[None], speed=1)


def test_time_that_is_up_leaves_an_order_and_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = tournament(20, 7)
    exact = kemeny(profile)
    clock = iter([0.0] * 2)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock, 1e9))
    found = kemeny(profile, limit=0)
    monkeypatch.undo()
    assert not found.optimal
    assert not found.all_listed
    assert found.bound <= exact.cost <= found.cost
    assert found.cost == reference.disagreement(found.orders[0], profile.values.tolist())
    assert "the time was up before the order" in found.notes[0]
    assert found.winners == (found.orders[0][0],)


def test_tops_that_time_leaves_open_are_noted() -> None:
    profile = tournament(12, 3)
    costs = medians._against(profile.values)
    search = _cutting.Search(costs, slack=0.0, deadline=time.monotonic() + 60)
    search.run(whole=True)
    assert search.done
    search.deadline = -1.0
    found = medians._from_search(search, list(range(12)), 100)
    assert "11 more alternatives are on top" in found.notes[0]
    assert not found.complete


def test_moves_lower_the_cost_until_none_does() -> None:
    costs = medians._against(tournament(15, 1).values)
    order = kernels.improved(np.arange(15), costs)
    assert sorted(order.tolist()) == list(range(15))
    cost = kernels.cost_of(order, costs)
    assert cost <= kernels.cost_of(np.arange(15), costs)
    for place in range(15):
        rest = np.delete(order, place)
        assert all(kernels.cost_of(np.insert(rest, k, order[place]), costs) >= cost for k in range(15))


def test_a_fixed_pair_is_the_same_in_all_best_orders() -> None:
    fixed = 0
    for seed in range(6):
        profile = tournament(7, seed)
        search = _cutting.Search(medians._against(profile.values), slack=0.0, deadline=time.monotonic() + 60)
        search.run(whole=True)
        search.run(whole=True)
        for order in reference.medians(profile.values.tolist())[1]:
            place = np.argsort(order)
            above = place[search._first] < place[search._second]
            assert (search._low <= above).all()
            assert (above <= search._high).all()
        fixed += int((search._low == search._high).sum())
    assert fixed > 0


# --- Real data -----------------------------------------------------------------------------------------------------


def test_strict_orders_of_preflib(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    known = {path: fact["soc_kemeny_young"] for path, fact in facts.items() if fact.get("soc_kemeny_young")}
    assert len(known) >= 12
    for path, expected in known.items():
        outcome = kemeny(ingest.read_rankings(data / path))
        assert list(outcome.winners) == expected
        assert outcome.optimal
