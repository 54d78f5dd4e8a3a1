"""Axioms of winners on one electorate: against their definitions, on known profiles, unchanged by order and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference_axioms_single as book
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_axioms_single import asked, plain, profiles

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import Violation
from choicekit.axioms._axiom import Axiom

COUNTED = [axiom.__name__ for axiom in (*book.SINGLE, *book.SYMMETRIES[1:], *book.MOVES)]
NEIGHBOURS = [axiom.__name__ for axiom in (*book.SYMMETRIES, *book.MOVES)]
SEEDS = st.integers(0, 10_000)


def named(name: str) -> Axiom:
    axiom: Axiom = getattr(axioms, name)
    return axiom


def votes(orders: dict[str, float]) -> ck.Rankings:
    return ck.Rankings.from_orders(orders)


# --- Against the definitions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COUNTED)
@given(profile=profiles(), seed=SEEDS)
def test_an_axiom_is_its_definition(name: str, profile: ck.Rankings, seed: int) -> None:
    rule = book.drawn_rule(seed)
    assert (named(name)(asked(rule), profile) is None) == book.HOLDS[name](rule, plain(profile))


@pytest.mark.parametrize("name", NEIGHBOURS)
@settings(max_examples=30)
@given(profile=profiles(largest=3, rows=True), seed=SEEDS)
def test_an_axiom_is_its_definition_where_voters_have_names(name: str, profile: ck.Rankings, seed: int) -> None:
    rule = book.drawn_rule(seed, named=True)
    assert (named(name)(asked(rule), profile) is None) == book.HOLDS[name](rule, plain(profile))


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=20)
@given(profile=profiles(), seed=SEEDS, data=st.data())
def test_three_voters_of_a_row_are_three_rows_in_any_order(
    name: str, profile: ck.Rankings, seed: int, data: st.DataObject
) -> None:
    rule = asked(book.drawn_rule(seed))
    apart = np.repeat(profile.ranks, profile.weights.astype(int), axis=0)
    order = data.draw(st.permutations(range(len(apart))))
    found = named(name)(rule, profile)
    for ranks in (apart, apart[order]):
        other = named(name)(rule, ck.Rankings(ranks, None, profile.alternatives))
        assert (found is None) == (other is None)
        if found and other and ranks is apart:
            assert (found.reason, found.alternatives) == (other.reason, other.alternatives)


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=20)
@given(profile=profiles(largest=3), seed=SEEDS, data=st.data())
def test_relabelling_rule_and_profile_changes_no_verdict(
    name: str, profile: ck.Rankings, seed: int, data: st.DataObject
) -> None:
    labels = profile.alternatives
    image = data.draw(st.permutations(labels))
    to, back = dict(zip(labels, image, strict=True)), dict(zip(image, labels, strict=True))
    rule = book.drawn_rule(seed)

    def relabelled(ballots: book.Ballots) -> set[Any]:
        return {to[a] for a in rule([tuple(back[a] for a in ballot) for ballot in ballots])}

    other = ck.Rankings.from_orders(Counter("".join(to[a] for a in ballot) for ballot in plain(profile)), labels)
    assert (named(name)(asked(rule), profile) is None) == (named(name)(asked(relabelled), other) is None)


@pytest.mark.parametrize("name", COUNTED)
@settings(max_examples=20)
@given(profile=profiles(), seed=SEEDS)
def test_a_violation_stands_when_it_is_replayed(name: str, profile: ck.Rankings, seed: int) -> None:
    rule = book.drawn_rule(seed)
    found = named(name)(asked(rule), profile)
    if found is None:
        return
    again = Violation.from_json(found.to_json())
    assert found.replay()
    assert again.replay(asked(rule))
    assert str(again) == str(found)
    assert all(set(won) == rule(plain(each)) for won, each in zip(again.outcomes, again.profiles, strict=True))
    assert Counter(plain(found.profiles[0])) == Counter(plain(profile))
    shown = {frozenset(Counter(plain(each)).items()): set(won)
             for each, won in zip(found.profiles, found.outcomes, strict=True)}  # fmt: skip

    def elsewhere_as_here(ballots: book.Ballots) -> set[Any]:  # what is shown, and as the axiom wants it elsewhere
        return shown.get(frozenset(Counter(ballots).items()), set(found.outcomes[0]))

    if name in {"neutrality", "resolvability"}:  # whose profiles elsewhere want other winners
        return
    assert not book.HOLDS[name](elsewhere_as_here, plain(profile))


# --- On profiles that can be checked by hand ----------------------------------------------------------------------

CYCLE = {"abcd": 1, "bcad": 1, "cabd": 1}  # a beats b, b beats c, c beats a, and all of them beat d
HAND: list[tuple[str, Callable[[Any], Any], dict[str, float], str]] = [
    ("resoluteness", lambda _: ["a", "b"], {"ab": 1}, "a and b win together"),
    ("faithfulness", lambda _: "b", {"ab": 1}, "a is the favourite of the only voter, and is not the only winner"),
    ("unanimity", lambda _: ["a", "b"], {"abc": 1, "acb": 1}, "a is the favourite of every voter"),
    ("pareto", lambda _: "d", CYCLE, "every voter ranks a above d, and d wins"),
    ("majority", rules.borda, {"abc": 3, "bca": 2}, "a is the favourite of more than half"),
    ("majority_loser", rules.plurality, {"abc": 4, "bca": 3, "cba": 2}, "a is ranked last by more than half"),
    (
        "mutual_majority",
        lambda _: "c",
        {"abc": 2, "bac": 2, "cab": 3},
        "c wins from outside the set preferred by a maj",
    ),
    ("mutual_majority", lambda _: "d", CYCLE, "d wins from outside the set preferred by a majority {a, b, c}"),
    ("condorcet_winner", rules.plurality, {"abc": 3, "bca": 2, "cba": 2}, "b beats every other alternative"),
    ("condorcet_loser", rules.plurality, {"abc": 3, "bca": 2, "cba": 2}, "a is beaten by every other alternative"),
    ("smith", lambda _: ["c", "d"], CYCLE, "d wins from outside the Smith set {a, b, c}"),
    ("schwartz", rules.smith, {"abc": 2, "bca": 1, "cab": 1}, "b and c win from outside the Schwartz set {a}"),
    ("cancellation", lambda _: "a", {"abc": 1, "cba": 1}, "all majority comparisons tie, and b and c do not win"),
]


@pytest.mark.parametrize(("name", "rule", "orders", "reason"), HAND)
def test_clashes_in_words(name: str, rule: Callable[[Any], Any], orders: dict[str, float], reason: str) -> None:
    found = named(name)(rule, votes(orders))
    assert found is not None
    assert found.reason.startswith(reason)


def test_condorcet_s_own_example() -> None:
    # Condorcet 1785: of 60 voters a has most first places, c beats both others
    profile = votes({"acb": 23, "bca": 19, "cba": 16, "cab": 2})
    assert axioms.condorcet_winner(rules.plurality, profile) is not None
    assert axioms.condorcet_loser(rules.plurality, profile) is not None
    assert axioms.condorcet_winner(rules.borda, profile) is None
    assert axioms.majority(rules.plurality, profile) is None


def test_the_axioms_of_one_profile_say_nothing_of_one_alternative() -> None:
    for name in [*COUNTED, "anonymity"]:
        assert named(name)(lambda _: "a", ck.Rankings([[0]], [3], ["a"])) is None


def test_half_is_no_majority() -> None:
    for name in ("majority", "mutual_majority", "condorcet_winner", "majority_loser", "condorcet_loser", "smith"):
        assert named(name)(lambda _: "b", votes({"abc": 2, "bac": 1, "cba": 1})) is None, name
        assert named(name)(lambda _: ["a", "c"], votes({"abc": 2, "cba": 2})) is None, name


def test_halves_that_do_not_add_up_in_binary_are_no_majority() -> None:
    assert 0.1 + 0.2 > 0.3
    profile = ck.Rankings([[0, 1], [0, 1], [1, 0]], [0.1, 0.2, 0.3])
    for name in ("majority", "condorcet_winner", "mutual_majority", "smith", "schwartz"):
        assert named(name)(lambda _: 1, profile) is None, name
    assert axioms.cancellation(lambda _: 1, profile) is not None


def test_voters_of_no_weight_do_not_count() -> None:
    profile = ck.Rankings([[0, 1, 2], [2, 1, 0]], [1, 0], "abc")
    assert axioms.faithfulness(lambda _: "b", profile) is not None
    assert axioms.unanimity(lambda _: "b", profile) is not None
    assert axioms.pareto(lambda _: "b", profile) is not None


def test_ranks_that_leave_numbers_out_are_ballots_all_the_same() -> None:
    gaps, dense = ck.Rankings([[3, 7, 5], [9, 0, 1]]), ck.Rankings([[0, 2, 1], [2, 0, 1]])
    for name in COUNTED:
        rule = asked(book.drawn_rule(4))
        assert (named(name)(rule, gaps) is None) == (named(name)(rule, dense) is None), name


@pytest.mark.parametrize(
    "name", [name for name in COUNTED if name not in {"resoluteness", "neutrality", "homogeneity"}]
)
def test_ties_and_gaps_are_refused(name: str) -> None:
    for ranks in ([[0, 0, 1]], [[0, 1, -1]]):
        with pytest.raises(ValueError, match=f"{name}: needed strict rankings"):
            named(name)(rules.plurality, ck.Rankings(ranks))


def test_axioms_that_any_rankings_will_do_for() -> None:
    weak = ck.Rankings([[0, 0, 1], [0, 1, -1]])
    for name in ("resoluteness", "neutrality", "homogeneity", "anonymity"):
        assert named(name)(rules.copeland, weak) is None or name == "resoluteness"
    assert axioms.neutrality(lambda _: 0, weak) is not None
