"""Axioms of lotteries, beside slow twins in whole numbers and fractions, and what is known of the rules."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_lotteries import BASES, TWINS, Order, Rule, Votes, clones, first_voter, mixed

import choicekit as ck
from choicekit import domains, rules
from choicekit.axioms import lotteries, lottery_incentives
from choicekit.axioms._axiom import Axiom
from choicekit.axioms._electorates import relabelled
from choicekit.axioms._lotteries import clone_sets, splits
from choicekit.axioms._readings import Ask, lottery
from choicekit.axioms.violation import Violation
from choicekit.outcomes import Lottery

EVERY = [value for room in (lotteries, lottery_incentives) for value in vars(room).values() if isinstance(value, Axiom)]


def votes_of(profile: ck.Rankings) -> Votes:
    """The ballots, one of each voter."""
    return tuple(
        tuple(profile.alternatives[a] for a in np.argsort(row).tolist())
        for row, weight in zip(profile.ranks, profile.weights.tolist(), strict=True)
        for _ in range(int(weight))
    )


def asked(rule: Rule) -> Callable[[ck.Rankings], Lottery]:
    def answer(profile: ck.Rankings) -> Lottery:
        found = rule(votes_of(profile), profile.alternatives)
        return Lottery(profile.alternatives, np.array([float(found[a]) for a in profile.alternatives]))

    return answer


AGENDAS = {"agenda_consistency", "clone_consistency", "composition_consistency", "sd_efficiency"}


@st.composite
def electorates(draw: st.DrawFn, sizes: tuple[int, ...], most: int = 4) -> tuple[Votes, Order]:
    labels = tuple("abcd"[: draw(st.sampled_from(sizes))])
    every = list(itertools.permutations(labels))
    return tuple(draw(st.lists(st.sampled_from(every), min_size=1, max_size=most))), labels


def profile_of(votes: Votes, labels: Order) -> ck.Rankings:
    return ck.Rankings([[vote.index(a) for a in labels] for vote in votes], None, labels)


def test_there_is_a_twin_of_each() -> None:
    assert sorted(TWINS) == sorted(each.name for each in EVERY)
    assert all(each.about is lottery and each.ballots == "strict" for each in EVERY)
    assert {name for each in EVERY for name in each.implies} <= set(TWINS)


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_the_axiom_and_its_twin_agree(axiom: Axiom) -> None:
    met: Counter[bool] = Counter()
    sizes = (2, 3, 4) if axiom.name in AGENDAS else (3,)

    @given(electorates(sizes), st.sampled_from(BASES), st.integers(0, 999), st.sampled_from([0, 2, 30, 100]))
    @settings(max_examples=90)
    def agree(election: Any, base: Rule, salt: int, share: int) -> None:
        votes, labels = election
        rule = mixed(base, salt, share, named=base is first_voter)
        profile = profile_of(votes, labels)
        found = axiom(asked(rule), profile)
        wanted = TWINS[axiom.name](rule, votes, labels)
        met[wanted] += 1
        assert (found is not None) == wanted
        if found is not None:
            assert found.replay()
            assert found.profiles[0] is profile
            again = Violation.from_json(found.to_json())
            assert again.replay(asked(rule))
            assert str(again) == str(found)

    agree()
    assert met[True] >= 2, met
    assert met[False] >= 2, met


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_rows_of_some_weight_are_as_many_voters_in_any_order(axiom: Axiom) -> None:
    @given(electorates((3,)), st.sampled_from(BASES[:4]), st.integers(0, 999), st.randoms(use_true_random=False))
    @settings(max_examples=30)
    def agree(election: Any, base: Rule, salt: int, drawn: Any) -> None:
        votes, labels = election
        rule = asked(mixed(base, salt, 10))
        verdict = axiom(rule, profile_of(votes, labels)) is None
        mixed_up = list(votes)
        drawn.shuffle(mixed_up)
        assert (axiom(rule, profile_of(tuple(mixed_up), labels)) is None) == verdict
        counted = Counter(mixed_up)
        one = ck.Rankings([[v.index(a) for a in labels] for v in counted], list(counted.values()), labels)
        assert (axiom(rule, one) is None) == verdict
        nobody = ck.Rankings([[2, 1, 0], *one.ranks.tolist()], [0, *counted.values()], labels)
        assert (axiom(rule, nobody) is None) == verdict

    agree()


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_names_do_not_matter_where_they_do_not_to_the_rule(axiom: Axiom) -> None:
    @given(electorates((3,)), st.sampled_from([*BASES[:4], "maximal"]), st.permutations(range(3)))
    @settings(max_examples=20)
    def agree(election: Any, base: Any, moves: list[int]) -> None:
        rule = rules.maximal_lottery if base == "maximal" else asked(base)
        profile = profile_of(*election)
        one, other = axiom(rule, profile), axiom(rule, relabelled(profile, moves))
        assert (one is None) == (other is None)

    agree()


def test_what_is_implied_is_never_broken_alone() -> None:
    by_name = {axiom.name: axiom for axiom in EVERY}
    for salt, (votes, labels) in enumerate(itertools.product(["abc bca", "abc abc cba", "acb bca cab"], ["abc"])):
        profile = profile_of(tuple(map(tuple, votes.split())), tuple(labels))
        for base, share in itertools.product(BASES, (0, 40, 100)):
            ask = Ask(asked(mixed(base, salt, share)), lottery)
            for axiom in EVERY:
                for name in axiom.implies:
                    if name not in ("clone_consistency", "monotonicity_of_lotteries"):  # of smaller agendas; of others
                        assert axiom.examine(ask, profile) or not by_name[name].examine(ask, profile)


# --- What is known --------------------------------------------------------------------------------------------------


def uniform(profile: ck.Rankings) -> Lottery:
    size = len(profile.alternatives)
    return Lottery(profile.alternatives, np.full(size, 1 / size))


# How many voters break it first, of three alternatives and up to four voters (five for the monotonicity of maximal
# lotteries, below); those of the strategyproofness, participation and consistency of these rules are published.
FIRST: dict[Any, dict[str, int]] = {
    rules.random_dictatorship: {
        "pc_efficiency": 3, "condorcet_lottery": 3, "cancellation_of_lotteries": 2, "composition_consistency": 2,
    },
    rules.proportional_borda: {
        "ex_post_efficiency": 1, "sd_efficiency": 1, "pc_efficiency": 1, "condorcet_lottery": 1,
        "proportional_share": 1, "agenda_consistency": 1, "clone_consistency": 1, "composition_consistency": 1,
    },
    rules.proportional_copeland: {
        "ex_post_efficiency": 1, "sd_efficiency": 1, "pc_efficiency": 1, "condorcet_lottery": 1,
        "proportional_share": 1, "agenda_consistency": 1, "clone_consistency": 1, "composition_consistency": 1,
    },
    rules.maximal_lottery: {
        "proportional_share": 2, "clone_consistency": 2, "composition_consistency": 2,
        "sd_strategyproofness_strong": 2, "sd_strategyproofness_weak": 4, "pc_strategyproofness": 4,
        "sd_participation_strong": 3,
    },
    uniform: {
        "ex_post_efficiency": 1, "sd_efficiency": 1, "pc_efficiency": 1, "condorcet_lottery": 1,
        "proportional_share": 1, "clone_consistency": 1, "composition_consistency": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("rule", FIRST, ids=lambda rule: rule.__name__)
def test_which_rules_break_what_first(rule: Any) -> None:
    ask = Ask(rule, lottery, voters_named=False)
    found = {}
    for axiom, voters in itertools.product(EVERY, (1, 2, 3, 4)):
        profiles = domains.every(voters=voters, alternatives=3, anonymous=True, neutral=True)
        if axiom.name not in found and any(axiom.examine(ask, profile) for profile in profiles):
            found[axiom.name] = voters
    assert found == FIRST[rule]


def test_maximal_lotteries_keep_clones_where_they_are_single() -> None:
    """Brandl, Brandt and Seedig 2016: with an odd number of voters there is one maximal lottery of each agenda."""
    ask = Ask(rules.maximal_lottery, lottery, voters_named=False)
    for voters, size in ((1, 4), (3, 3), (5, 3), (3, 4)):
        for profile in domains.every(voters=voters, alternatives=size, anonymous=True, neutral=True):
            assert lotteries.composition_consistency.examine(ask, profile) is None
            assert lotteries.clone_consistency.examine(ask, profile) is None
            assert lotteries.agenda_consistency.examine(ask, profile) is None


def test_a_cycle_gives_each_the_margin_between_the_others() -> None:
    """b is lifted above c, whose margin of 1 grows to 3, which is a's probability of 3/5 and not b's."""
    votes = ck.Rankings.from_orders({"abc": 2, "cab": 1, "bca": 1, "cba": 1})
    found = lottery_incentives.monotonicity_of_lotteries(rules.maximal_lottery, votes)
    assert found is not None
    assert found.alternatives == ("b",)
    np.testing.assert_allclose(found.outcomes, [[1 / 3] * 3, [3 / 5, 1 / 5, 1 / 5]], atol=1e-9)


def test_random_dictatorship_is_not_best_pairwise() -> None:
    """a for certain: the first voter likes it better than even chances of all, the others no less."""
    votes = ck.Rankings.from_orders(["abc", "bac", "cab"])
    found = lotteries.pc_efficiency(rules.random_dictatorship, votes)
    assert found is not None
    assert "(1, 0, 0)" in found.reason
    assert lotteries.sd_efficiency(rules.random_dictatorship, votes) is None


def test_efficient_ex_post_and_not_by_dominance() -> None:
    """Half c and half d: nobody's favourites. Half a and half b is better for all utilities; no pair is unanimous."""
    votes = ck.Rankings.from_orders(["acbd", "adbc", "bcad", "bdac"], "abcd")

    def half(profile: ck.Rankings) -> Lottery:
        return Lottery(profile.alternatives, np.array([0.0, 0.0, 0.5, 0.5]))

    assert lotteries.ex_post_efficiency(half, votes) is None
    found = lotteries.sd_efficiency(half, votes)
    assert found is not None
    assert "(0.5, 0.5, 0, 0)" in found.reason


def test_differences_as_small_as_rounding_are_none() -> None:
    """Every answer a little off, otherwise at each call: by less than 1e-6 nothing is broken, by more much is."""

    def shaken(size: float) -> Callable[[ck.Rankings], Lottery]:
        def answer(profile: ck.Rankings) -> Lottery:
            code = zlib.crc32(profile.ranks.tobytes() + profile.weights.tobytes())
            off = np.random.default_rng(code).random(len(profile.alternatives)) * size
            chances = rules.random_dictatorship(profile).probabilities + off
            return Lottery(profile.alternatives, chances / chances.sum())

        return answer

    kept = [axiom for axiom in EVERY if axiom.name not in FIRST[rules.random_dictatorship]]
    little, much = (Ask(shaken(size), lottery) for size in (1e-7, 1e-2))
    profiles = list(domains.every(voters=3, alternatives=3, anonymous=True, neutral=True))
    for axiom in kept:
        assert not any(axiom.examine(little, profile) for profile in profiles), axiom
    assert sum(any(axiom.examine(much, profile) for profile in profiles) for axiom in kept) >= len(kept) - 3


# --- The parts ------------------------------------------------------------------------------------------------------


@given(electorates((3, 4), most=3))
def test_clone_sets_are_those_of_the_definition(election: Any) -> None:
    votes, labels = election
    found = clone_sets(profile_of(votes, labels), range(len(votes)))
    assert sorted(tuple(labels[a] for a in part) for part in found) == sorted(clones(votes, labels))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=4).filter(any))
def test_each_split_once_and_none_left_out(weights: list[int]) -> None:
    ranks = list(itertools.permutations(range(3)))[: len(weights)]
    found = []
    for one, other in splits(ck.Rankings(ranks, weights), "test"):
        assert one.weights.all()
        assert other.weights.all()
        sizes = [
            Counter(dict(zip(map(tuple, p.ranks.tolist()), p.weights.tolist(), strict=True))) for p in (one, other)
        ]
        assert sizes[0] + sizes[1] == Counter({r: w for r, w in zip(ranks, weights, strict=True) if w})
        found.append(frozenset(tuple(sorted(size.items())) for size in sizes))
    ways = int(np.prod([w + 1 for w in weights])) - 2
    halves = all(w % 2 == 0 for w in weights)
    assert len(found) == len(set(found)) == (ways + halves) // 2


def test_a_row_of_broken_weight_is_one_voter() -> None:
    votes = ck.Rankings.from_orders({"ab": 0.5, "ba": 1.5})
    assert len(list(splits(votes, "test"))) == 1

    def first(profile: ck.Rankings) -> Lottery:
        return Lottery(profile.alternatives, (profile.ranks[0] == 0) * 1.0)

    found = lotteries.anonymity_of_lotteries(first, votes)
    assert found is not None
    assert found.profiles[1].weights.tolist() == [1.5, 0.5]


@pytest.mark.parametrize("axiom", EVERY, ids=lambda axiom: axiom.name)
def test_what_the_axioms_do_not_speak_of(axiom: Axiom) -> None:
    for ranks in ([[0, 0, 1]], [[0, 1, -1]]):
        with pytest.raises(ValueError, match=f"{axiom.name}: needed strict rankings"):
            axiom(uniform, ck.Rankings(ranks))
    with pytest.raises(TypeError, match="needs a probability for each"):
        axiom(rules.borda, ck.Rankings([[0, 1], [1, 0]] if "cancellation" in axiom.name else [[0, 1]]))
    assert axiom(rules.maximal_lottery, ck.Rankings([[0]])) is None


def test_too_many_voters_to_look_at_all() -> None:
    many = ck.Rankings([[0, 1]] * 20 + [[1, 0]] * 20)
    with pytest.raises(ValueError, match=r"at most 200,000 ways.*equal ballots in one row"):
        lotteries.population_consistency(uniform, many)
    assert lotteries.population_consistency(uniform, ck.Rankings([[0, 1], [1, 0]], [20, 20])) is None
    with pytest.raises(ValueError, match="at most 600 voters"):
        lotteries.anonymity_of_lotteries(uniform, ck.Rankings([[0, 1], [1, 0]], [600, 1]))
