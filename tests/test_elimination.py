"""Eliminations and runoffs against their definitions, published elections, and theorems."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference_elimination as reference
from hypothesis import assume, example, given
from hypothesis import strategies as st
from strategies import ballots, strict_ballots

import choicekit as ck
from choicekit import ingest
from choicekit.outcomes import Winners
from choicekit.rules import elimination, runoffs
from choicekit.rules._ties import fixed_order, parallel_universes, seeded_lottery
from choicekit.rules.elimination import baldwin, benham, coombs, instant_runoff, nanson, smith_irv, tideman_alternative
from choicekit.rules.runoffs import bucklin, two_round_runoff

# what the reference calls it, the rule, and its options
VARIANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "instant_runoff": (instant_runoff, {}),
    "benham": (benham, {}),
    "tideman_alternative": (tideman_alternative, {}),
    "schwartz_alternative": (tideman_alternative, {"within": "schwartz"}),
    "smith_irv": (smith_irv, {}),
    "coombs": (coombs, {}),
    "coombs_to_the_end": (coombs, {"majority_stop": False}),
    "baldwin": (baldwin, {}),
}
SETS: dict[str, tuple[Any, dict[str, Any]]] = {"nanson": (nanson, {}), "strict_nanson": (nanson, {"at_average": "in"})}
RULES = [instant_runoff, benham, tideman_alternative, smith_irv, coombs, baldwin, nanson, two_round_runoff, bucklin]
BROKEN = [rule for rule in RULES if rule not in (nanson, bucklin)]
CONDORCET = [benham, tideman_alternative, smith_irv, baldwin, nanson]
TIED_FOR_LAST = [rule for rule in BROKEN if rule is not two_round_runoff]
CYCLE = ck.Rankings.from_orders(["abc", "bca", "cab"])


def name_of(rule: Any) -> str:
    return str(rule.__name__)


def numbers(outcome: Any) -> frozenset[int]:
    return frozenset(outcome.alternatives.index(label) for label in outcome.winners)


def book(name: str, profile: ck.Rankings, how: str = "one", order: Any = (), **more: Any) -> frozenset[int]:
    held = (profile.ranks.tolist(), profile.weights.tolist())
    unranked = more.pop("unranked", "below")
    everyone = frozenset(range(len(profile.alternatives)))
    return reference.winners(everyone, reference.losers_of(name, *held, unranked, **more), how, order)


# --- Against the definitions ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("unranked", ["below", "absent"])
@pytest.mark.parametrize("name", VARIANTS)
@given(profile=ballots(voters=6))
def test_every_course_by_the_book(name: str, unranked: str, profile: ck.Rankings) -> None:
    rule, options = VARIANTS[name]
    outcome = rule(profile, unranked=unranked, **options)
    assert numbers(outcome) == book(name, profile, unranked=unranked)
    assert outcome.ties.complete
    assert not outcome.notes


@pytest.mark.parametrize("name", VARIANTS)
@given(profile=strict_ballots(voters=8, alternatives=6))
def test_every_course_of_strict_ballots_by_the_book(name: str, profile: ck.Rankings) -> None:
    rule, options = VARIANTS[name]
    assert numbers(rule(profile, **options)) == book(name, profile)


@pytest.mark.parametrize("unranked", ["below", "absent"])
@pytest.mark.parametrize("name", VARIANTS)
@given(profile=ballots(), draw=st.data())
def test_one_course_by_the_book(name: str, unranked: str, profile: ck.Rankings, draw: st.DataObject) -> None:
    rule, options = VARIANTS[name]
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    outcome = rule(profile, ties=fixed_order(order), unranked=unranked, **options)
    assert numbers(outcome) == book(name, profile, "order", order, unranked=unranked)
    assert outcome.ties.order == tuple(order)
    assert set(outcome.winners) <= set(rule(profile, unranked=unranked, **options).winners)


@pytest.mark.parametrize("name", VARIANTS)
@given(profile=ballots())
def test_the_tied_out_together_by_the_book(name: str, profile: ck.Rankings) -> None:
    rule, options = VARIANTS[name]
    outcome = rule(profile, eliminate="tied", **options)
    assert numbers(outcome) == book(name, profile, "tied")
    assert outcome.ties is None


@pytest.mark.parametrize("overvotes", ["shared", "whole", "cut"])
@pytest.mark.parametrize("how", ["one", "tied"])
@given(profile=ballots(voters=7))
def test_overvotes_by_the_book(how: Any, overvotes: Any, profile: ck.Rankings) -> None:
    outcome = instant_runoff(profile, eliminate=how, overvotes=overvotes)
    assert numbers(outcome) == book("instant_runoff", profile, how, overvotes=overvotes)


@pytest.mark.parametrize("unranked", ["below", "absent"])
@pytest.mark.parametrize("name", SETS)
@given(profile=ballots())
def test_nanson_by_the_book(name: str, unranked: str, profile: ck.Rankings) -> None:
    rule, options = SETS[name]
    assert numbers(rule(profile, unranked=unranked, **options)) == book(name, profile, unranked=unranked)


@given(profile=ballots(), draw=st.data())
def test_two_rounds_by_the_book(profile: ck.Rankings, draw: st.DataObject) -> None:
    held = (profile.ranks.tolist(), profile.weights.tolist())
    assert numbers(two_round_runoff(profile)) == reference.two_round_runoff(*held, None)
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    found = numbers(two_round_runoff(profile, ties=fixed_order(order), unranked="absent"))
    assert found == reference.two_round_runoff(*held, order)


@given(ballots())
def test_bucklin_by_the_book(profile: ck.Rankings) -> None:
    expected = reference.bucklin(profile.ranks.tolist(), profile.weights.tolist())
    assert numbers(bucklin(profile)) == numbers(bucklin(profile, unranked="absent")) == expected


# --- Rounds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [*TIED_FOR_LAST, nanson], ids=name_of)
@given(profile=ballots(least=2), draw=st.data())
def test_rounds_lead_from_all_to_the_winners(rule: Any, profile: ck.Rankings, draw: st.DataObject) -> None:
    ways: list[dict[str, Any]] = [{}]
    if rule is not nanson:
        order = draw.draw(st.permutations(range(len(profile.alternatives))))
        ways += [{"ties": fixed_order(order)}, {"eliminate": "tied"}]
    for way in ways:
        outcome = rule(profile, **way)
        if not outcome.rounds:
            # only where the courses part
            assert not way
            continue
        left = outcome.alternatives
        for each in outcome.rounds:
            assert each.alternatives == left
            assert len(each.scores) == len(left)
            left = tuple(label for label in left if label not in each.eliminated)
        assert left == outcome.winners
        assert all(each.eliminated for each in outcome.rounds[:-1])


@given(profile=ballots(least=2), draw=st.data())
def test_the_scores_of_rounds_are_first_places(profile: ck.Rankings, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    for each in instant_runoff(profile, ties=fixed_order(order)).rounds:
        left = frozenset(each.alternatives)
        votes, _ = reference.first_places(profile.ranks.tolist(), profile.weights.tolist(), left)
        np.testing.assert_allclose(each.scores, [float(votes[a]) for a in each.alternatives], atol=1e-12)
        assert each.eliminated == (max(reference.lowest(votes), key=order.index),)


def test_those_sure_to_go_out_go_out_in_one_round() -> None:
    # c and d have no votes and e one: c and d go out first in either order
    votes = ck.Rankings.from_orders({"ab": 5, "ba": 3, "ecd": 1}, alternatives="abcde")
    outcome = instant_runoff(votes)
    assert [each.eliminated for each in outcome.rounds] == [("c", "d"), ("e",), ("b",)]
    assert outcome.ties is not None
    assert outcome.ties.universes is not None
    assert outcome.ties.universes <= 4
    ordered = instant_runoff(votes, ties=fixed_order("abcde"))
    assert [each.eliminated for each in ordered.rounds] == [("d",), ("c",), ("e",), ("b",)]


def test_bucklin_shows_its_steps() -> None:
    outcome = bucklin(ck.Rankings([[0, 0, 1, -1], [-1, 0, -1, -1], [-1, -1, -1, -1]], [2, 1, 5], "abcd"))
    # one of the ballots' three is no majority, two are; those that rank nothing do not count
    assert [each.scores.tolist() for each in outcome.rounds] == [[1, 2, 0, 0]]
    assert outcome.winners == ("b",)
    assert bucklin(ck.Rankings.from_orders({"a": 2, "b": 2})).winners == ("a", "b")


def test_two_rounds_are_shown_where_there_is_one_pair() -> None:
    votes = ck.Rankings.from_orders({"abc": 4, "bca": 3, "cba": 3})
    assert not two_round_runoff(votes).rounds
    assert two_round_runoff(votes).ties == parallel_universes().__class__(
        "parallel universes", budget=100_000, universes=2, complete=True
    )
    kept = two_round_runoff(votes, ties=fixed_order("cab")).rounds
    assert [(each.alternatives, each.scores.tolist(), each.eliminated) for each in kept] == [
        (("a", "b", "c"), [4, 3, 3], ("b",)),
        (("a", "c"), [4, 6], ("a",)),
    ]


# --- Theorems -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", CONDORCET, ids=name_of)
@given(profile=ballots())
@example(ck.Rankings.from_orders({"lcr": 4, "clr": 1, "crl": 1, "rcl": 3}))  # instant runoff elects l here
def test_condorcet_consistency(rule: Any, profile: ck.Rankings) -> None:
    winner = profile.to_margins().condorcet_winner
    assume(winner is not None)
    assert rule(profile).winners == (winner,)
    assert rule.batch(profile.ranks[None], profile.weights)[0].tolist() == rule(profile).scores.tolist()


def test_the_squeezed_centre_tells_instant_runoff_apart() -> None:
    votes = ck.Rankings.from_orders({"lcr": 4, "clr": 1, "crl": 1, "rcl": 3})
    assert votes.to_margins().condorcet_winner == "c"
    assert instant_runoff(votes).winners == two_round_runoff(votes).winners == ("l",)


@pytest.mark.parametrize("rule", [benham, tideman_alternative, smith_irv, baldwin, nanson], ids=name_of)
@given(profile=ballots())
def test_winners_are_in_the_smith_set(rule: Any, profile: ck.Rankings) -> None:
    margin = reference.margins(profile.ranks.tolist(), profile.weights.tolist(), "below")
    assert numbers(rule(profile)) <= reference.smith(margin, frozenset(range(len(margin))))


@pytest.mark.parametrize("rule", [instant_runoff, coombs, two_round_runoff, bucklin, benham], ids=name_of)
@given(profile=ballots(), favourite=st.integers(0, 4))
def test_a_majority_of_first_places_wins(rule: Any, profile: ck.Rankings, favourite: int) -> None:
    size = len(profile.alternatives)
    assume(favourite < size)
    rows = np.where(np.arange(size) == favourite, 0, 1 + np.arange(size))
    held = ck.Rankings(np.vstack([profile.ranks, rows]), np.append(profile.weights, profile.weights.sum() + 0.25))
    assert rule(held).winners == (favourite,)


@given(ballots(alternatives=3))
def test_with_three_alternatives_two_rounds_are_an_instant_runoff(profile: ck.Rankings) -> None:
    assert instant_runoff(profile).winners == two_round_runoff(profile).winners


@given(st.lists(st.integers(0, 5), min_size=1, max_size=9).filter(lambda peaks: len(peaks) % 2 == 1))
def test_coombs_elects_the_median_of_single_peaked_ballots(peaks: list[int]) -> None:
    # Grofman and Feld 2004: with single-peaked ballots and an odd number of voters Coombs elects the Condorcet winner
    votes = ck.Rankings([np.argsort(np.argsort([abs(a - peak - 0.1) for a in range(6)])) for peak in peaks])
    assert votes.to_margins().condorcet_winner == sorted(peaks)[len(peaks) // 2]
    assert coombs(votes).winners == (votes.to_margins().condorcet_winner,)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
@given(profile=ballots(), draw=st.data())
def test_neutrality_and_anonymity(rule: Any, profile: ck.Rankings, draw: st.DataObject) -> None:
    order = draw.draw(st.permutations(range(len(profile.alternatives))))
    rows = draw.draw(st.permutations(range(len(profile.ranks))))
    permuted = ck.Rankings(profile.ranks[rows][:, order], profile.weights[rows])
    assert rule(permuted).scores.tolist() == rule(profile).scores[order].tolist()


def test_coombs_with_and_without_its_stop() -> None:
    # a has 5 of 9 first places but most last places
    votes = ck.Rankings.from_orders({"abc": 3, "acb": 2, "bca": 2, "cba": 2})
    assert coombs(votes).winners == ("a",)
    assert coombs(votes).rounds[0].scores.tolist() == [5, 2, 2]
    to_the_end = coombs(votes, majority_stop=False)
    assert to_the_end.winners == ("b",)
    assert [(each.scores.tolist(), each.eliminated) for each in to_the_end.rounds] == [
        ([-4, -2, -3], ("a",)),
        ([-4, -5], ("c",)),
    ]


# --- Batches --------------------------------------------------------------------------------------------------------


@st.composite
def many_profiles(draw: st.DrawFn) -> tuple[Any, Any]:
    batch, voters, size = (draw(st.integers(1, most)) for most in (4, 5, 5))
    low = draw(st.sampled_from([-1, 0]))
    flat = draw(st.lists(st.integers(low, size - 1), min_size=batch * voters * size, max_size=batch * voters * size))
    weights = np.arange(1, voters + 1) / 4 if draw(st.booleans()) else None
    return np.array(flat).reshape(batch, voters, size), weights


BATCHES: list[tuple[Any, dict[str, Any]]] = [
    *VARIANTS.values(), *SETS.values(), (bucklin, {}), (two_round_runoff, {}),
    *((rule, {"ties": fixed_order(range(5))}) for rule in BROKEN),
    *((rule, {"ties": seeded_lottery(3)}) for rule in (instant_runoff, baldwin, two_round_runoff)),
    *((rule, {"eliminate": "tied", "unranked": "absent"}) for rule in TIED_FOR_LAST),
    (instant_runoff, {"overvotes": "whole"}), (instant_runoff, {"overvotes": "cut"}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "options"), BATCHES)
@given(held=many_profiles())
def test_a_batch_is_one_by_one(rule: Any, options: dict[str, Any], held: tuple[Any, Any]) -> None:
    ranks, weights = held
    if options.get("ties") == fixed_order(range(5)):
        options = {**options, "ties": fixed_order(range(ranks.shape[2]))}
    expected = [rule(ck.Rankings(each, weights), **options).scores for each in ranks]
    np.testing.assert_array_equal(rule.batch(ranks, weights, **options), expected)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_an_empty_batch_has_no_winners(rule: Any) -> None:
    assert rule.batch(np.zeros((0, 3, 4), np.int64)).shape == (0, 4)


# --- Ties and budgets -----------------------------------------------------------------------------------------------


def test_a_cycle_of_three_ballots() -> None:
    for rule in (instant_runoff, benham, tideman_alternative, smith_irv, coombs, baldwin, two_round_runoff):
        assert rule(CYCLE).winners == ("a", "b", "c"), rule
    # c goes out, and a beats b
    assert instant_runoff(CYCLE, ties=fixed_order("abc")).winners == ("a",)
    drawn = instant_runoff(CYCLE, ties=seeded_lottery(5))
    assert drawn.ties is not None
    assert drawn.ties.order is not None
    assert drawn.winners == instant_runoff(CYCLE, ties=fixed_order(drawn.ties.order)).winners
    assert baldwin(CYCLE).ties is not None


def test_a_budget_that_ends_the_search_is_told() -> None:
    votes = ck.Rankings.from_orders([["abcdefgh"[(i + shift) % 8] for i in range(8)] for shift in range(8)])
    everything = instant_runoff(votes)
    assert everything.winners == tuple("abcdefgh")
    for budget in (1, 3, 20):
        outcome = instant_runoff(votes, ties=parallel_universes(budget))
        assert set(outcome.winners) <= set(everything.winners)
        assert outcome.winners
        assert outcome.ties is not None
        assert not outcome.ties.complete
        assert outcome.ties.universes is not None
        assert outcome.ties.universes <= max(budget, 8)
        assert outcome.notes[0].startswith(f"instant_runoff: the budget of {budget} ended the search of the courses")
        assert not outcome.rounds
    with pytest.warns(RuntimeWarning, match=r"budget of 3 ended .* \(in 1 of 2 profiles\)"):
        many = instant_runoff.batch([votes.ranks, np.tile(np.arange(8), (8, 1))], ties=parallel_universes(3))
    assert many[0].any()
    assert many[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_many_alternatives_that_nothing_tells_apart_take_no_time(rule: Callable[..., Winners]) -> None:
    votes = ck.Rankings([[0] * 40, [-1] * 40])
    outcome = rule(votes)
    assert outcome.winners == tuple(range(40))
    assert not outcome.notes
    assert outcome.ties is None or outcome.ties.complete


def test_more_alternatives_than_a_word_has_bits() -> None:
    rng = np.random.default_rng(0)
    votes = ck.Rankings(rng.permuted(np.tile(np.arange(70), (31, 1)), axis=1))
    order = list(range(70))
    for name in ("instant_runoff", "baldwin"):
        outcome = VARIANTS[name][0](votes, ties=fixed_order(order))
        assert numbers(outcome) == book(name, votes, "order", order)
        assert [len(each.alternatives) for each in outcome.rounds] == list(range(70, 1, -1))


# --- Edges and refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_small_electorates(rule: Any) -> None:
    only = rule(ck.Rankings([[0]], alternatives=["only"]))
    assert (only.winners, len(only.rounds) < 2) == (("only",), True)
    assert rule(ck.Rankings([[1, 0, 2]], alternatives="abc")).winners == ("b",)
    assert rule(ck.Rankings([[1, 0, 2], [0, 1, 2], [0, 2, 1]], weights=[1, 0, 0], alternatives="abc")).winners == ("b",)
    assert rule(ck.Rankings([[-1, -1, -1]], alternatives="abc")).winners == ("a", "b", "c")
    # weights whose sums are rounded: 0.1 + 0.2 against 0.3
    assert rule(ck.Rankings.from_orders([("a", "b"), ("a", "b"), ("b", "a")]).__class__(
        [[0, 1], [0, 1], [1, 0]], weights=[0.1, 0.2, 0.3], alternatives="ab"
    )).winners == ("a", "b")  # fmt: skip


def test_ranks_of_every_width() -> None:
    for most in (2, 300, 100_000):
        votes = ck.Rankings([[0, 1, most], [0, 1, most], [most, 1, 0], [1, 0, most], [most, 0, 1]], alternatives="abc")
        assert instant_runoff(votes).winners == ("b",)
        assert coombs(votes).winners == ("b",)


@pytest.mark.parametrize(
    ("rule", "wrong", "message"),
    [
        (instant_runoff, {"eliminate": "all"}, r"eliminate: needed 'one' .* or 'tied' .*, got 'all'"),
        (instant_runoff, {"overvotes": "half"}, r"overvotes: needed one of 'shared', 'whole', 'cut', got 'half'"),
        (instant_runoff, {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        (coombs, {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        (bucklin, {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        (two_round_runoff, {"unranked": "last"}, r"unranked: needed 'below' .* got 'last'"),
        (baldwin, {"eliminate": "tied", "ties": fixed_order("ab")}, r"baldwin: with eliminate='tied' no tie is broken"),
        (benham, {"ties": fixed_order("a")}, r"ties: needed an order of all 2 alternatives"),
        (nanson, {"at_average": "up"}, r"at_average: needed 'out' .* or 'in' .*, got 'up'"),
        (tideman_alternative, {"within": "all"}, r"within: needed 'smith' or 'schwartz', .* got 'all'"),
    ],
)
def test_wrong_options_are_refused(rule: Any, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule(ck.Rankings.from_orders(["ab"]), **wrong)


def test_scores_of_rounds_are_read_only() -> None:
    for rule in (instant_runoff, bucklin, two_round_runoff):
        with pytest.raises(ValueError, match="read-only"):
            rule(ck.Rankings.from_orders(["ab", "ab", "ba"])).rounds[0].scores[0] = 1


# --- Known answers --------------------------------------------------------------------------------------------------


def test_the_capital_of_tennessee() -> None:
    # Wikipedia's example: each voter ranks the cities by distance; Nashville beats every other
    votes = ck.Rankings.from_orders({"MNCK": 42, "NCKM": 26, "CKNM": 15, "KCNM": 17})
    outcome = instant_runoff(votes)
    assert [(each.alternatives, each.scores.tolist(), each.eliminated) for each in outcome.rounds] == [
        (("C", "K", "M", "N"), [15, 17, 42, 26], ("C",)),
        (("K", "M", "N"), [32, 42, 26], ("N",)),
        (("K", "M"), [58, 42], ("M",)),
    ]
    assert coombs(votes).rounds[0].eliminated == ("M",)
    assert bucklin(votes).rounds[-1].scores.tolist() == [58, 32, 42, 68]
    assert [each.scores.tolist() for each in two_round_runoff(votes).rounds] == [[15, 17, 42, 26], [42, 58]]
    winners = {name_of(rule): rule(votes).winners for rule in RULES}
    assert winners == {**{name_of(rule): ("N",) for rule in RULES}, "instant_runoff": ("K",)}


def facts(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "facts.json").read_text(encoding="utf-8"))
    return found


PREFLIB: list[tuple[str, Any, dict[str, Any], tuple[str, ...]]] = [
    ("irv_truncated", instant_runoff, {"eliminate": "tied"}, ("soc", "soi")),
    ("irv_after_truncating_overvotes", instant_runoff, {"eliminate": "tied", "overvotes": "cut"}, ("toi",)),
    ("soc_instant_runoff", instant_runoff, {"eliminate": "tied"}, ("soc",)),
    ("soc_instant_runoff_put", instant_runoff, {}, ("soc",)),
    ("soc_coombs", coombs, {"eliminate": "tied"}, ("soc",)),
    ("soc_baldwin", baldwin, {"eliminate": "tied"}, ("soc",)),
    ("soc_strict_nanson", nanson, {"at_average": "in"}, ("soc",)),
    ("soc_weak_nanson", nanson, {}, ("soc",)),
    ("soc_bucklin", bucklin, {}, ("soc",)),
    ("soc_plurality_with_runoff_put", two_round_runoff, {}, ("soc",)),
]


@pytest.mark.parametrize(("key", "rule", "options", "kinds"), PREFLIB, ids=[each[0] for each in PREFLIB])
def test_elections_of_preflib(data: Path, key: str, rule: Any, options: dict[str, Any], kinds: tuple[str, ...]) -> None:
    seen = 0
    for name, known in facts(data)["preflib_visible"].items():
        if key in known:
            assert known["type"] in kinds
            assert sorted(rule(ingest.read_rankings(data / name), **options).winners) == sorted(known[key]), name
            seen += 1
    assert seen >= 5


def test_burlington_in_2009(data: Path) -> None:
    votes = ingest.read_rankings(data / "preflib_visible/00005-burlington/00005-00000002.toi")
    outcome = instant_runoff(votes, overvotes="cut")
    assert outcome.winners == ("Bob Kiss",)
    assert outcome.rounds[0].scores.tolist() == [2585, 2063, 35, 1306, 2951, 36]
    assert outcome.rounds[-2].eliminated == ("Andy Montroll",)
    assert outcome.rounds[-1].scores.tolist() == [4313, 4060]  # the count of record is 4313 to 4061
    for rule in CONDORCET:
        assert rule(votes).winners == ("Andy Montroll",)


def test_the_special_election_of_alaska_in_2022(data: Path) -> None:
    known = facts(data)["alaska_special"]
    counts: Counter[tuple[str, ...]] = Counter()
    with open(data / "alaska_2022/USRepresentativeSpecialGeneral_top3_house_district.csv", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            names = row["ballot"].split(">")
            counts[tuple(each for each in names if each in known["candidates"])] += int(row["count"])
    assert sum(counts.values()) == known["ballots_total"]
    assert sum(counts.values()) - counts[()] == known["non_blank"]
    votes = ck.Rankings.from_orders(counts)
    outcome = instant_runoff(votes)
    found = [dict(zip(each.alternatives, each.scores.tolist(), strict=True)) for each in outcome.rounds]
    assert found == known["irv_rounds"]
    assert outcome.winners == two_round_runoff(votes).winners == (known["irv_winner"],)
    margins = votes.to_margins()
    assert margins.condorcet_winner == known["condorcet_winner"]
    for a, row in known["margins"].items():
        for b, margin in row.items():
            assert margins.values[margins.alternatives.index(a), margins.alternatives.index(b)] == margin
    for rule in (*CONDORCET, coombs, bucklin):
        assert rule(votes).winners == ("Begich",)


def test_the_mayor_of_minneapolis_in_2013(data: Path) -> None:
    known = facts(data)["mn_2013"]
    counts: Counter[tuple[str, ...]] = Counter()
    with gzip.open(data / "votekit_cvr/mn_2013_cast_vote_record.csv.gz", "rt", encoding="utf-8") as file:
        for row in list(csv.reader(file))[1:]:
            ended = row[: row.index("overvote")] if "overvote" in row else row
            counts[tuple(dict.fromkeys(each for each in ended if each not in ("undervote", "UWI")))] += 1
    assert sum(counts.values()) == known["rows"]
    assert sum(counts.values()) - counts[()] == known["non_empty"]
    votes = ck.Rankings.from_orders(counts)
    assert len(votes.alternatives) == known["n_candidates"]
    for options in ({}, {"eliminate": "tied"}, {"ties": fixed_order(votes.alternatives)}):
        outcome = instant_runoff(votes, **options)
        assert outcome.winners == (known["irv_winner_batch_lowest"],)
        first, last = outcome.rounds[0], outcome.rounds[-1]
        polled = dict(zip(first.alternatives, first.scores.tolist(), strict=True))
        assert {name: polled[name] for name in known["first_round"]} == known["first_round"]
        assert dict(zip(last.alternatives, last.scores.tolist(), strict=True)) == known["final_round"]
    for rule in CONDORCET:
        assert rule(votes).winners == (known["condorcet_winner"],)


def test_the_kernels_are_what_the_rules_say() -> None:
    assert elimination.baldwin.needs is elimination.nanson.needs is ck.Margins
    assert runoffs.bucklin.kernel is not None
    assert all(rule.kernel is not None for rule in RULES)
