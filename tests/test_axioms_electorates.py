"""Axioms of changing electorates and agendas, and of strategy: each against its definition by the book."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import reference_axioms_several as book

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms._axiom import Axiom

NAMES = tuple(book.BOOK)
DRAWS = 150


def named(name: str) -> Axiom:
    found: Axiom = getattr(axioms, name)
    return found


def drawn(seed: int, named_voters: bool = False) -> tuple[book.Choice, book.Orders, book.Order]:
    """A rule, with more or less chance in it, and ballots."""
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    base = str(rng.choice(list(book.BASES)))
    choice = book.chance(seed, base, int(rng.choice([0, 5, 15, 100])), named_voters)
    alternatives = tuple("abcd"[:m])
    return choice, tuple(tuple(rng.permutation(alternatives).tolist()) for _ in range(n)), alternatives


@pytest.mark.parametrize("name", NAMES)
def test_an_axiom_is_violated_where_the_definition_is(name: str) -> None:
    hits = 0
    for seed in range(DRAWS):
        choice, orders, alternatives = drawn(seed, named_voters=seed % 3 == 0)
        found = named(name)(book.rule_of(choice), book.profile_of(orders, alternatives))
        assert (found is not None) == book.BOOK[name](choice, orders, alternatives), seed
        hits += found is not None
    assert 5 < hits < DRAWS - 5


@pytest.mark.parametrize("name", NAMES)
def test_a_violation_replays_is_written_and_read(name: str) -> None:
    for seed in range(60):
        choice, orders, alternatives = drawn(seed)
        rule, profile = book.rule_of(choice), book.profile_of(orders, alternatives)
        found = named(name)(rule, profile)
        if found is None:
            continue
        assert found.replay()
        assert found.profiles[0] is profile
        assert len(found.profiles) == len(found.captions) >= 2
        again = axioms.Violation.from_json(found.to_json())
        assert again.replay(rule)
        assert again.outcomes == found.outcomes
        assert again.reason == found.reason
        assert set(found.alternatives) <= set(alternatives)


@pytest.mark.parametrize("name", NAMES)
def test_the_outcomes_break_the_definition(name: str) -> None:
    """On the profiles of a violation alone, whatever the rule says elsewhere, the definition is broken."""
    for seed in range(60):
        choice, orders, alternatives = drawn(seed, named_voters=seed % 2 == 0)
        found = named(name)(book.rule_of(choice), book.profile_of(orders, alternatives))
        if found is not None:
            assert BREAKS[name.split("_")[0]](name, found, orders), (name, seed)


def joins(name: str, found: axioms.Violation, orders: book.Orders) -> bool:
    before, after = map(frozenset, found.outcomes)
    *same, new = book.orders_of(found.profiles[1])
    assert tuple(same) == orders
    if name.startswith("participation"):
        return book.SETS[name.split("_")[1]](new, before, after)
    return new[0] in before - after if name.startswith("positive") else new[-1] in after - before


def lies(name: str, found: axioms.Violation, orders: book.Orders) -> bool:
    before, after = map(frozenset, found.outcomes)
    told = book.orders_of(found.profiles[1])
    (liar,) = [voter for voter in range(len(orders)) if told[voter] != orders[voter]]
    return book.SETS[name.split("_")[1]](orders[liar], after, before)


def parts(_: str, found: axioms.Violation, orders: book.Orders) -> bool:
    whole, one, other = map(frozenset, found.outcomes)
    together = [*book.orders_of(found.profiles[1]), *book.orders_of(found.profiles[2])]
    assert sorted(together) == sorted(orders)
    return bool(one & other) and one & other != whole


def withdraws(name: str, found: axioms.Violation, orders: book.Orders) -> bool:
    before, after = map(frozenset, found.outcomes)
    all_of, left = (frozenset(profile.alternatives) for profile in found.profiles)
    (gone,) = all_of - left
    assert book.orders_of(found.profiles[1]) == book.on(orders, left)
    alternatives = tuple(sorted(all_of))
    if "pareto" in name or "smith" in name:
        losers = book.pareto_dominated if "pareto" in name else book.outside_smith
        return before != after and gone in losers(orders, alternatives)
    if "clones" in name:
        return before != after
    (winner, entering), spoiler = found.alternatives, "spoilers" in name
    assert entering == gone
    assert book.majority(orders, winner, gone)
    return winner in after - before and not (spoiler and gone in before)


def agendas(name: str, found: axioms.Violation, orders: book.Orders) -> bool:
    (label,) = found.alternatives
    for profile in found.profiles:
        assert book.orders_of(profile) == book.on(orders, profile.alternatives)
        assert label in profile.alternatives
    won = [label in outcome for outcome in found.outcomes]
    return won == ([True, False] if name == "alpha" else [False, True, True])


BREAKS: dict[str, Callable[[str, axioms.Violation, book.Orders], bool]] = {
    "participation": joins, "positive": joins, "negative": joins, "strategyproofness": lies, "reinforcement": parts,
    "independence": withdraws, "stability": withdraws, "immunity": withdraws, "alpha": agendas, "gamma": agendas,
}  # fmt: skip


AGENDAS = [name for name in NAMES if BREAKS[name.split("_")[0]] in (withdraws, agendas)]


@pytest.mark.parametrize("name", NAMES)
def test_neither_the_order_of_ballots_nor_labels_matter(name: str) -> None:
    """To the verdict on rules that mind neither: clones at the bottom of the first ballot are clones too."""
    axiom, verdicts = named(name), set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        alternatives = tuple("abcd"[: 4 if name in AGENDAS and seed % 2 else 3])
        orders = [tuple(rng.permutation(alternatives).tolist()) for _ in range(1 + seed % 4)]
        base = ["points", "firsts", "everybody", "dominant"][seed % 4]
        rule = book.rule_of(book.impartial(seed, base, (0, 4, 12, 100)[seed // 4 % 4]))
        given = axiom(rule, book.profile_of(orders, alternatives)) is not None
        shuffled = [orders[i] for i in rng.permutation(len(orders))]
        assert (axiom(rule, book.profile_of(shuffled, alternatives)) is not None) == given
        if axiom.neutral:
            moves = dict(zip(alternatives, rng.permutation(alternatives).tolist(), strict=True))
            renamed = [[moves[a] for a in order] for order in shuffled]
            assert (axiom(rule, book.profile_of(renamed, alternatives)) is not None) == given
        verdicts.add(given)
    assert verdicts == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_a_row_of_three_voters_is_three_voters(name: str) -> None:
    axiom, verdicts = named(name), set()
    for seed in range(60):
        choice, orders, alternatives = drawn(seed)
        weights = np.random.default_rng(seed).integers(0, 3, len(orders))
        weights[0] = 3 - seed % 2
        spelt = [order for order, weight in zip(orders, weights.tolist(), strict=True) for _ in range(weight)]
        merged = ck.Rankings(book.profile_of(orders, alternatives).ranks, weights, alternatives)
        rule = book.rule_of(choice)
        given = axiom(rule, merged)
        assert (given is not None) == (axiom(rule, book.profile_of(spelt, alternatives)) is not None), seed
        verdicts.add(given is None)
    assert verdicts == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_ties_and_gaps_are_refused(name: str) -> None:
    for ranks in ([[0, 0, 1]], [[0, 1, -1]]):
        with pytest.raises(ValueError, match=f"{name}: needed strict rankings"):
            named(name)(rules.plurality, ck.Rankings(ranks))


@pytest.mark.parametrize("name", NAMES)
def test_one_alternative_violates_nothing(name: str) -> None:
    assert named(name)(rules.plurality, ck.Rankings([[0], [0]])) is None
