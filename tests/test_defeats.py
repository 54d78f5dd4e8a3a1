"""Ranked pairs, river, split cycle and stable voting against their definitions, each other and real elections."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_defeats as reference
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import ballots, margins

import choicekit as ck
from choicekit.ingest import read_rankings
from choicekit.outcomes import NotConverged
from choicekit.rules._ties import fixed_order, parallel_universes, seeded_lottery
from choicekit.rules.condorcet import minimax, schulze
from choicekit.rules.defeats import ranked_pairs, river, simple_stable_voting, split_cycle, stable_voting

CYCLE = ck.Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "abc")
LOCKING = [ranked_pairs, river]
EVERY = [*LOCKING, split_cycle, stable_voting, simple_stable_voting]


def name_of(rule: Any) -> str:
    return str(rule.__name__)


def few_orders(profile: ck.Margins, most: int = 800) -> bool:
    positive = profile.values[profile.values > 0].tolist()
    return math.prod(math.factorial(number) for number in Counter(positive).values()) <= most


@st.composite
def unique(draw: st.DrawFn, alternatives: int = 6) -> ck.Margins:
    """Margins no two of which have the same size."""
    size = draw(st.integers(1, alternatives))
    pairs = size * (size - 1) // 2
    sizes = draw(st.permutations(range(1, pairs + 1)))
    signs = draw(st.lists(st.sampled_from([-1, 1]), min_size=pairs, max_size=pairs))
    values = np.zeros((size, size))
    values[np.triu_indices(size, 1)] = [a * b for a, b in zip(sizes, signs, strict=True)]
    return ck.Margins(values - values.T)


def impartial(voters: int, size: int, rng: int) -> ck.Rankings:
    return ck.Rankings(np.random.default_rng(rng).random((voters, size)).argsort(1))


# --- Against the definitions --------------------------------------------------------------------------------------


@given(margins(alternatives=4, largest=3))
def test_ranked_pairs_and_river_in_every_order_of_equal_margins(profile: ck.Margins) -> None:
    assume(few_orders(profile))
    margin = profile.values.tolist()
    assert set(ranked_pairs(profile).winners) == reference.ranked_pairs(margin)
    assert set(river(profile).winners) == reference.river(margin)


@given(margins(alternatives=5, largest=9))
def test_ranked_pairs_and_river_in_every_order_of_five(profile: ck.Margins) -> None:
    assume(few_orders(profile))
    margin = profile.values.tolist()
    assert set(ranked_pairs(profile).winners) == reference.ranked_pairs(margin)
    assert set(river(profile).winners) == reference.river(margin)


@settings(max_examples=150)
@given(margins(alternatives=6, largest=4))
def test_ranked_pairs_tops_the_stacks(profile: ck.Margins) -> None:
    margin = profile.values.tolist()
    outcome = ranked_pairs(profile)
    assert outcome.ties is not None
    assert outcome.ties.complete
    assert set(outcome.winners) == {a for a in range(len(margin)) if reference.can_top_a_stack(margin, a)}


@pytest.mark.parametrize("seed", range(8))
def test_ranked_pairs_of_seven_alternatives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(-3, 4, (7, 7)), 1)
    profile = ck.Margins(upper - upper.T)
    stacked = {a for a in range(7) if reference.can_top_a_stack(profile.values.tolist(), a)}
    assert set(ranked_pairs(profile).winners) == stacked


@given(margins(largest=3), st.data())
def test_a_fixed_order_takes_equal_margins_in_that_order(profile: ck.Margins, draw: st.DataObject) -> None:
    size = len(profile.alternatives)
    order = draw.draw(st.permutations(range(size)))
    place = [order.index(a) for a in range(size)]
    defeats = reference.in_one_order(profile.values.tolist(), place)
    for rule, book in ((ranked_pairs, reference.ranked_pairs_in), (river, reference.river_in)):
        outcome = rule(profile, ties=fixed_order(order))
        assert outcome.winners == (min(book(defeats, size), key=place.__getitem__),)
        assert outcome.ties is not None
        assert outcome.ties.order == tuple(order)
        assert set(outcome.winners) <= set(rule(profile).winners)


@given(margins())
def test_split_cycle_discards_what_is_smallest_in_a_cycle(profile: ck.Margins) -> None:
    assert set(split_cycle(profile).winners) == reference.split_cycle(profile.values.tolist())


@pytest.mark.parametrize("rule", [stable_voting, simple_stable_voting], ids=name_of)
@settings(max_examples=40)
@given(profile=margins(alternatives=5))
def test_stable_voting_by_the_book(rule: Any, profile: ck.Margins) -> None:
    expected = reference.stable_voting(profile.values.tolist(), simple=rule is simple_stable_voting)
    assert set(rule(profile).winners) == expected


# --- Relations and theorems ---------------------------------------------------------------------------------------


@given(margins())
def test_ranked_pairs_and_river_are_among_the_winners_of_split_cycle(profile: ck.Margins) -> None:
    free = set(split_cycle(profile).winners)
    for rule in (ranked_pairs, river, stable_voting):
        assert set(rule(profile).winners) <= free
    assert set(minimax(profile).winners) & free  # minimax elects one that split cycle does not defeat


@given(unique())
def test_without_equal_margins_there_is_one_winner(profile: ck.Margins) -> None:
    free = set(split_cycle(profile).winners)
    assert set(schulze(profile).winners) <= free
    for rule in (ranked_pairs, river, stable_voting, simple_stable_voting, schulze):
        assert len(rule(profile).winners) == 1
    for rule in LOCKING:
        ties = rule(profile).ties
        assert (ties.universes, ties.complete) == (1, True)


@pytest.mark.parametrize("rule", EVERY, ids=name_of)
@given(profile=ballots(least=2))
def test_a_condorcet_winner_wins_alone(rule: Any, profile: ck.Rankings) -> None:
    winner = profile.to_margins().condorcet_winner
    assume(winner is not None)
    assert rule(profile).winners == (winner,)


@pytest.mark.parametrize("rule", EVERY, ids=name_of)
@given(profile=margins(), factor=st.sampled_from([0.1, 3.0, 1e-150, 1e150]), draw=st.data())
def test_labels_and_units_do_not_matter(rule: Any, profile: ck.Margins, factor: float, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    permuted = ck.Margins(factor * profile.values[np.ix_(order, order)], order)
    assert set(rule(permuted).winners) == set(rule(profile).winners)


@pytest.mark.parametrize("rule", [ranked_pairs, split_cycle, stable_voting], ids=name_of)
@given(profile=unique(alternatives=4), between=st.sampled_from([-0.5, 0.5, 3.5]), draw=st.data())
def test_clones_change_nothing(rule: Any, profile: ck.Margins, between: float, draw: st.DataObject) -> None:
    """One alternative put twice, with the margins to the others that it had, wins in one of its copies if it won."""
    size = len(profile.alternatives)
    cloned = draw.draw(st.integers(0, size - 1))
    parent = sorted([*range(size), cloned])
    first = parent.index(cloned)
    values = profile.values[np.ix_(parent, parent)]
    values[first, first + 1] = between
    values[first + 1, first] = -values[first, first + 1]
    winners = {parent[a] for a in rule(ck.Margins(values)).winners}
    assert winners == set(rule(profile).winners)


def test_published_examples() -> None:
    # Schulze 2011, section 3.1: d beats b by 17, c b by 9, a c by 7, b a by 5, c d by 3, d a by 1
    votes = ck.Rankings.from_orders({"acdb": 8, "badc": 2, "cdba": 4, "dbac": 4, "dcba": 3})
    # b > a would close a > c > b > a, and d > a would close a > c > d > a
    assert ranked_pairs(votes).winners == ("a",)
    # c > b comes too late for b, and c > d would close d > b > a > c > d
    assert river(votes).winners == ("d",)
    assert schulze(votes).winners == ("d",)
    assert split_cycle(votes).winners == ("a", "d")


# --- Ties: what was done is said -----------------------------------------------------------------------------------


def test_a_cycle_of_equal_margins() -> None:
    for rule in EVERY:
        assert rule(CYCLE).winners == ("a", "b", "c")
    for rule in LOCKING:
        outcome = rule(CYCLE)
        assert outcome.ties.method == "parallel universes"
        assert outcome.ties.complete
        assert outcome.ties.universes > 1
        assert outcome.notes == ()
        assert rule(CYCLE, ties=fixed_order("cab")).winners == ("c",)


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_a_lottery_draws_an_order_and_records_it(rule: Any) -> None:
    outcome = rule(CYCLE, ties=seeded_lottery(0))
    assert outcome.ties.order == ("c", "a", "b")
    assert outcome.winners == ("c",)
    drawn = {rule(CYCLE, ties=seeded_lottery(np.random.default_rng(rng))).winners for rng in range(30)}
    assert drawn == {("a",), ("b",), ("c",)}


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_a_search_that_ends_early_says_so(rule: Any) -> None:
    votes = impartial(6, 10, 19)
    whole, cut = rule(votes), rule(votes, ties=parallel_universes(1))
    assert whole.ties.complete
    assert whole.ties.universes > 1
    assert set(cut.winners) < set(whole.winners)
    assert len(cut.winners) >= 1
    assert not cut.ties.complete
    assert cut.ties.budget == 1
    assert "ended at its budget of 1 states; each winner named wins in one of them, others may too" in cut.notes[0]
    with pytest.warns(UserWarning, match=f"1 of the profiles: {name_of(rule)}: the search .* ended at its budget of 1"):
        assert rule.batch(votes.ranks[None], ties=parallel_universes(1))[0].sum() == len(cut.winners)


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_a_large_election_with_many_ties_is_settled(rule: Any) -> None:
    for rng in range(3):
        outcome = rule(impartial(1000, 50, rng))
        assert outcome.ties.complete
        assert 1 <= len(outcome.winners) <= 5
        assert set(outcome.winners) <= set(split_cycle(impartial(1000, 50, rng)).winners)


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_more_alternatives_than_bits_in_a_word(rule: Any) -> None:
    # a cycle of three blocks of 30: within a block the first beats the rest, a later block beats all of the next
    size, blocks = 90, np.arange(90) // 30
    values = np.triu(np.full((size, size), 7.0), 1)
    for i in range(3):
        mine, its = blocks == i, blocks == (i + 1) % 3
        values[np.ix_(mine, its)] = 3.0
        values[np.ix_(its, mine)] = 0.0
    outcome = rule(ck.Margins(values - values.T))
    assert outcome.winners == (0, 30, 60)
    assert outcome.ties.complete


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_an_order_must_be_of_all_alternatives(rule: Any) -> None:
    with pytest.raises(ValueError, match="needed an order of all 3 alternatives, got 2; 'c' is missing"):
        rule(CYCLE, ties=fixed_order("ab"))


# --- Batches, edges, refusals --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unranked", ["below", "absent"])
@pytest.mark.parametrize("rule", EVERY, ids=name_of)
def test_a_batch_is_one_by_one(rule: Any, unranked: Any) -> None:
    ranks = np.random.default_rng(6).integers(-1, 5, (60, 6, 5))
    for weights in (None, [1, 0, 2, 0.5, 1, 3]):
        expected = [rule(ck.Rankings(each, weights), unranked=unranked).scores for each in ranks]
        np.testing.assert_array_equal(rule.batch(ranks, weights, unranked=unranked), expected)
    assert rule.batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


@pytest.mark.parametrize("rule", LOCKING, ids=name_of)
def test_a_batch_breaks_ties_as_one_by_one(rule: Any) -> None:
    ranks = np.random.default_rng(7).random((40, 4, 5)).argsort(2)
    for ties in (fixed_order([3, 1, 4, 0, 2]), seeded_lottery(3)):
        expected = [rule(ck.Rankings(each), ties=ties).scores for each in ranks]
        np.testing.assert_array_equal(rule.batch(ranks, ties=ties), expected)
    drawing = seeded_lottery(np.random.default_rng(8))
    expected = [rule(ck.Rankings(each), ties=drawing).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, ties=seeded_lottery(np.random.default_rng(8))), expected)
    none = rule.batch(ranks[:0], ties=seeded_lottery(np.random.default_rng(8)))
    assert none.shape == (0, 5)


@pytest.mark.parametrize("rule", EVERY, ids=name_of)
def test_edges(rule: Any) -> None:
    assert rule(ck.Rankings([[0]], alternatives=["only"])).winners == ("only",)
    assert rule(ck.Rankings([[-1, -1, -1]], alternatives="abc")).winners == ("a", "b", "c")
    assert rule(ck.Rankings([[0, 1], [1, 0]], weights=[1, 0], alternatives="ab")).winners == ("a",)


def test_rounding_of_weights_parts_no_equal_margins() -> None:
    rounding = 0.1 + 0.2
    values = np.array([[0, 0.3, -rounding], [-0.3, 0, 0.3], [rounding, -0.3, 0]])
    assert rounding > 0.3
    for rule in EVERY:
        assert rule(ck.Margins(values)).winners == (0, 1, 2)


@pytest.mark.parametrize("rule", [stable_voting, simple_stable_voting], ids=name_of)
def test_stable_voting_stops_at_its_limit(rule: Any) -> None:
    votes = impartial(9, 12, 0)
    assert votes.to_margins().condorcet_winner is None
    with pytest.raises(NotConverged, match=f"{name_of(rule)}: the winners of more than 5 sets of alternatives were"):
        rule(votes, limit=5)
    with pytest.raises(NotConverged, match="can be as many as 2\\^12; raise limit, or use split_cycle"):
        rule.batch(votes.ranks[None], limit=5)
    with pytest.raises(ValueError, match="needed a limit of at least 1 set of alternatives, got 0"):
        rule(CYCLE, limit=0)
    with pytest.raises(ValueError, match=r"needed at most 63 alternatives, got 64"):
        rule(ck.Margins(np.zeros((64, 64))))
    straight = np.triu(np.ones((63, 63)), 1)
    assert rule(ck.Margins(straight - straight.T)).winners == (0,)


# --- Real elections ------------------------------------------------------------------------------------------------


def test_real_elections_have_the_known_winners(data: Path) -> None:
    facts = json.loads((data / "facts.json").read_text())["preflib_visible"]
    checked = Counter[str]()
    for name, fact in facts.items():
        votes = read_rankings(data / name)
        for rule in (split_cycle, ranked_pairs, river, stable_voting):
            known = fact.get(name_of(rule))
            if known is not None:
                assert sorted(rule(votes).winners) == sorted(known), name
                checked[name_of(rule)] += 1
    assert min(checked.values()) > 10
    assert len(checked) == 4
