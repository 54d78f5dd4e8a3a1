"""Coalitions, truncated ballots, and what is known of rules: participation, strategy, clones, reinforcement."""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
import reference_axioms_several as book

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms._axiom import Axiom
from choicekit.axioms._tabulation import Table


def named(name: str) -> Axiom:
    found: Axiom = getattr(axioms, name)
    return found


def test_coalitions_by_the_book() -> None:
    """Up to three voters of three alternatives, also of a rule to which it matters who says what."""
    hits = 0
    for seed in range(90):
        rng = np.random.default_rng(seed)
        alternatives = tuple("abc"[: 2 + seed % 2])
        orders = tuple(tuple(rng.permutation(alternatives).tolist()) for _ in range(1 + seed % 3))
        choice = book.chance(seed, str(rng.choice(list(book.BASES))), int(rng.choice([0, 2, 40])), seed % 4 == 0)
        rule = book.rule_of(choice)
        found = axioms.group_strategyproofness_kelly(rule, book.profile_of(orders, alternatives))
        assert (found is not None) == book.group_strategyproofness_kelly(choice, orders, alternatives)
        if found is not None:
            hits += 1
            assert found.replay()
            before, after = map(frozenset, found.outcomes)
            told = book.orders_of(found.profiles[1])
            assert told != orders
            assert all(book.kelly(one, after, before) for one, two in zip(orders, told, strict=True) if one != two)
    assert 5 < hits < 85


def test_a_coalition_gains_where_nobody_alone_does() -> None:
    """Copeland, a and b level with 2 voters each: one who lowers the other leaves them level, two do not."""
    votes = ck.Rankings.from_orders({"abc": 2, "bac": 2})
    assert axioms.strategyproofness_kelly(rules.copeland, votes) is None
    found = axioms.group_strategyproofness_kelly(rules.copeland, votes)
    assert found is not None
    assert found.outcomes == (("a", "b"), ("a",))
    spelt = axioms.group_strategyproofness_kelly(rules.copeland, ck.Rankings.from_orders(["abc", "bac", "abc", "bac"]))
    assert spelt is not None
    assert found.profiles[1].weights.tolist() == [2, 1, 1] or found.profiles[1].weights.sum() == 4
    halves = ck.Rankings(votes.ranks, [0.5, 0.5], votes.alternatives)  # two voters, each half as heavy
    assert axioms.group_strategyproofness_kelly(rules.copeland, halves) is not None


def test_too_much_is_refused() -> None:
    many = ck.Rankings([[0, 1, 2]] * 7)
    with pytest.raises(ValueError, match="group_strategyproofness_kelly: 279,936 profiles of coalitions"):
        axioms.group_strategyproofness_kelly(rules.plurality, many)
    wide = ck.Rankings([list(range(9))])
    for axiom in (axioms.participation_kelly, axioms.strategyproofness_kelly, axioms.positive_involvement):
        with pytest.raises(ValueError, match=f"{axiom.name}: 362,880 ballots"):
            axiom(rules.plurality, wide)
    heavy = ck.Rankings([[0, 1, 2], [1, 0, 2], [2, 1, 0]], [100, 100, 100])
    with pytest.raises(ValueError, match="reinforcement: 515,150 ways"):
        axioms.reinforcement(rules.plurality, heavy)
    with pytest.raises(ValueError, match=r"alpha: 1,048,576 agendas"):
        axioms.alpha(rules.plurality, ck.Rankings([list(range(20))]))
    with pytest.raises(ValueError, match=r"later_no_harm: .* ways of going on with a ballot"):
        axioms.later_no_harm(rules.plurality, ck.Rankings([[0] + [-1] * 10]))


@pytest.mark.parametrize("name", ["later_no_harm", "later_no_help"])
def test_truncated_ballots_by_the_book(name: str) -> None:
    hits = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        alternatives = tuple("abcd"[: int(rng.integers(1, 5))])
        orders = tuple(
            tuple(rng.permutation(alternatives)[: rng.integers(1, len(alternatives) + 1)].tolist())
            for _ in range(rng.integers(1, 4))
        )
        base = ["everybody", "firsts", "points", "fixed"][seed % 4]
        choice = book.chance(seed, base, int(rng.choice([0, 3, 30])), named=seed % 5 == 0)
        rule, profile = book.rule_of(choice), book.profile_of(orders, alternatives)
        found = named(name)(rule, profile)
        assert (found is not None) == getattr(book, name)(choice, orders, alternatives), seed
        if found is not None:
            hits += 1
            assert found.replay()
            assert axioms.Violation.from_json(found.to_json()).replay(rule)
            (label,), told = found.alternatives, book.orders_of(found.profiles[1])
            ((short, long),) = [(one, two) for one, two in zip(orders, told, strict=True) if one != two]
            assert label in short
            assert long[: len(short)] == short
            harm = name == "later_no_harm"
            assert [label in outcome for outcome in found.outcomes] == [harm, not harm]
    assert 5 < hits < 145


def test_truncated_ballots_of_several_voters_and_of_nobody() -> None:
    votes = ck.Rankings([[0, -1, -1], [-1, 0, -1]], [2, 2], "abc")
    found = axioms.later_no_harm(rules.bucklin, votes)
    spelt = axioms.later_no_harm(rules.bucklin, ck.Rankings([[0, -1, -1]] * 2 + [[-1, 0, -1]] * 2, None, "abc"))
    assert (found is None) == (spelt is None)
    gapped = ck.Rankings([[4, -1, 7], [0, 1, 2]])
    complete = ck.Rankings([[0, -1, 1], [0, 1, 2]])
    for axiom in (axioms.later_no_harm, axioms.later_no_help):
        assert (axiom(rules.borda, gapped) is None) == (axiom(rules.borda, complete) is None)
        assert axiom(rules.borda, ck.Rankings([[0, 1, 2], [2, 1, 0]])) is None  # nothing to add
        with pytest.raises(ValueError, match=r"needed ballots that rank .* row 1 says 0 = 1"):
            axiom(rules.borda, ck.Rankings([[0, 1, -1], [0, 0, -1]]))


@pytest.mark.parametrize("name", ["later_no_harm", "later_no_help"])
def test_instant_runoff_and_plurality_do_not_mind_what_is_below(name: str) -> None:
    for m, n in ((2, 3), (3, 2)):
        for profile in domains.every(voters=n, alternatives=m, anonymous=True, ballots="truncated"):
            assert named(name)(rules.instant_runoff, profile) is None
            assert named(name)(rules.plurality, profile) is None


def test_bucklin_harms_by_what_is_below_and_does_not_help() -> None:
    """What is added below the first choice can reach a half before it; the first choice itself gains nothing by it."""
    found = [
        (axioms.later_no_harm(rules.bucklin, profile), axioms.later_no_help(rules.bucklin, profile))
        for profile in domains.every(voters=2, alternatives=3, anonymous=True, ballots="truncated")
    ]
    assert any(harm is not None for harm, _ in found)
    assert all(help_ is None for _, help_ in found)


def test_moulins_voters_do_better_at_home() -> None:
    """Minimax, 11 voters: the two of b > a > d > c get d; without them a wins, whom they like better (Moulin 1988)."""
    without = ck.Rankings.from_orders({"dbac": 3, "bcda": 2, "acdb": 4}, "abcd")
    all_of = ck.Rankings.from_orders({"dbac": 3, "bcda": 2, "acdb": 4, "badc": 2}, "abcd")
    assert rules.minimax(without).winners == ("a",)
    assert rules.minimax(all_of).winners == ("d",)
    one_more = ck.Rankings.from_orders({"dbac": 3, "bcda": 2, "acdb": 4, "badc": 1}, "abcd")
    found = [axioms.participation_kelly(rules.minimax, votes) for votes in (without, one_more)]
    assert any(each is not None for each in found)


KNOWN_TO_HOLD: dict[str, list[Any]] = {
    "participation_fishburn": [rules.plurality, rules.borda, rules.veto, rules.dowdall],
    "participation_optimist": [rules.plurality, rules.borda, rules.veto],
    "participation_pessimist": [rules.plurality, rules.borda, rules.veto],
    "participation_lexicographic": [rules.plurality, rules.borda, rules.veto],
    "participation_kelly": [rules.smith, rules.uncovered_set, rules.condorcet_or_all],
    "positive_involvement": [rules.plurality, rules.borda, rules.split_cycle, rules.minimax, rules.instant_runoff],
    "negative_involvement": [rules.plurality, rules.borda, rules.split_cycle, rules.veto],
    "strategyproofness_kelly": [rules.smith, rules.uncovered_set, rules.condorcet_or_all],
    "strategyproofness_fishburn": [rules.smith, rules.condorcet_or_all],
    "reinforcement": [rules.plurality, rules.borda, rules.veto, rules.dowdall],
    "independence_of_clones": [rules.schulze, rules.split_cycle, rules.smith, rules.instant_runoff],
    "independence_of_pareto_dominated_alternatives": [rules.plurality, rules.minimax, rules.instant_runoff],
    "independence_of_smith_dominated_alternatives": [rules.schulze, rules.copeland, rules.smith, rules.split_cycle],
    "stability_for_winners": [rules.split_cycle],
    "immunity_to_spoilers": [rules.split_cycle],
}
KNOWN_TO_FAIL: dict[str, list[Any]] = {
    "participation_kelly": [rules.instant_runoff, rules.bucklin, rules.copeland],
    "participation_fishburn": [rules.instant_runoff, rules.bucklin, rules.copeland],
    "participation_optimist": [rules.smith, rules.copeland, rules.instant_runoff],
    "participation_pessimist": [rules.smith, rules.copeland, rules.instant_runoff],
    "participation_lexicographic": [rules.smith, rules.copeland, rules.instant_runoff, rules.schulze],
    "positive_involvement": [rules.smith, rules.copeland, rules.uncovered_set, rules.condorcet_or_all],
    "negative_involvement": [rules.smith, rules.copeland, rules.instant_runoff, rules.bucklin],
    "strategyproofness_kelly": [rules.plurality, rules.borda, rules.copeland, rules.schulze],
    "strategyproofness_optimist": [rules.plurality, rules.smith, rules.copeland],
    "strategyproofness_pessimist": [rules.plurality, rules.smith, rules.copeland],
    "strategyproofness_lexicographic": [rules.plurality, rules.borda, rules.veto, rules.smith],
    "reinforcement": [rules.copeland, rules.instant_runoff, rules.kemeny, rules.smith],
    "independence_of_clones": [rules.plurality, rules.borda, rules.veto, rules.copeland, rules.bucklin],
    "independence_of_pareto_dominated_alternatives": [rules.borda, rules.copeland, rules.smith],
    "independence_of_smith_dominated_alternatives": [rules.plurality, rules.borda, rules.instant_runoff],
    "stability_for_winners": [rules.plurality, rules.borda, rules.instant_runoff, rules.veto],
    "immunity_to_spoilers": [rules.plurality, rules.borda, rules.instant_runoff, rules.veto],
    "alpha": [rules.plurality, rules.borda, rules.copeland, rules.smith],
    "gamma": [rules.plurality, rules.borda, rules.copeland],
}


@cache
def table(rule: Any, m: int, n: int) -> np.ndarray[Any, np.dtype[np.uint16]]:
    masks = [
        sum(1 << int(str(label)) for label in rule(profile).winners)
        for profile in domains.every(voters=n, alternatives=m, anonymous=True)
    ]
    return np.array(masks, np.uint16)


def violated(name: str, rule: Any, sizes: list[tuple[int, int]]) -> bool:
    scan = named(name).scan
    assert scan is not None
    return any(bool(scan(lambda m, n: table(rule, m, n), *size).any()) for size in sizes)


@pytest.mark.parametrize("rule", [rules.split_cycle, rules.schulze, rules.uncovered_set], ids=str)
def test_three_voters_and_five_alternatives(rule: Any) -> None:
    """Among 302,621 profiles are some where a dominated alternative matters; with fewer alternatives it does not."""
    axiom = axioms.independence_of_pareto_dominated_alternatives
    assert axiom.scan is not None
    tables = Table(rule, neutral=True)
    assert not any(axiom.scan(tables, m, 3).any() for m in (2, 3, 4))
    place = int(axiom.scan(tables, 5, 3).argmax())
    profiles = domains.every(voters=3, alternatives=5, anonymous=True)
    assert axiom(rule, next(itertools.islice(profiles, place, None))) is not None


@pytest.mark.parametrize(
    ("name", "rule"), [(name, rule) for name, held in KNOWN_TO_HOLD.items() for rule in held], ids=str
)
def test_what_is_known_to_hold_is_not_violated(name: str, rule: Any) -> None:
    assert not violated(name, rule, [*itertools.product((2, 3), (1, 2, 3, 4)), (4, 1), (4, 2)])


@pytest.mark.parametrize(
    ("name", "rule"), [(name, rule) for name, held in KNOWN_TO_FAIL.items() for rule in held], ids=str
)
def test_what_is_known_to_fail_is_violated_by_a_few_voters(name: str, rule: Any) -> None:
    assert violated(name, rule, [(3, n) for n in range(1, 8 if "participation" not in name else 6)] + [(4, 2), (4, 3)])
