"""Strategies draw what they say and shrink; violations that are found end as small as any."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms, domains, rules, testing
from choicekit.axioms import _simpler
from choicekit.testing import _numbered

PROFILES = [testing.rankings, testing.weak_orders, testing.truncated, testing.single_peaked_rankings,
            testing.approvals, testing.utilities]  # fmt: skip
BALLOTS = testing.rankings() | testing.weak_orders() | testing.truncated() | testing.approvals()
WEIGHTED = BALLOTS | testing.utilities(values=(0, 1, 2, math.nan), alternatives=(1, 4))


def values(profile: Any) -> np.ndarray[Any, Any]:
    return profile.ranks if isinstance(profile, ck.Rankings) else profile.values


def size(profile: Any) -> tuple[int, float]:
    return len(profile.alternatives), float(profile.weights.sum())


def ballots(size: int, kind: Any) -> list[list[int]]:
    return [profile.ranks[0].tolist() for profile in domains.every(voters=1, alternatives=size, ballots=kind)]


# Ballots by number


@pytest.mark.parametrize("size", range(2, 6))
def test_without_its_last_alternative_a_strict_ballot_has_the_number_modulo_the_fewer_ballots(size: int) -> None:
    for number in range(math.factorial(size)):
        ranks = _numbered.strict(number, size)
        fewer = [rank - (rank > ranks[-1]) for rank in ranks[:-1]]
        assert fewer == _numbered.strict(number % math.factorial(size - 1), size - 1)


def test_pairs_are_numbered_by_their_last_place() -> None:
    pairs = [_numbered.pair(number) for number in range(10)]
    assert pairs == sorted(itertools.combinations(range(5), 2), key=lambda pair: pair[::-1])


@pytest.mark.parametrize("size", range(1, 6))
@pytest.mark.parametrize(
    ("kind", "count", "ballot"),
    [
        ("strict", math.factorial, _numbered.strict),
        ("weak", _numbered.weak_orders, _numbered.weak),
        ("truncated", _numbered.truncations, _numbered.truncated),
    ],
)
def test_every_ballot_has_one_number_and_the_identity_is_the_first(
    size: int, kind: str, count: Callable[[int], int], ballot: Callable[[int, int], list[int]]
) -> None:
    numbered = [ballot(number, size) for number in range(count(size))]
    assert numbered[0] == list(range(size))
    assert sorted(numbered) == sorted(ballots(size, kind))


@pytest.mark.parametrize("size", range(1, 7))
def test_single_peaked_ballots_are_all_those_of_the_axis(size: int) -> None:
    numbered = [_numbered.single_peaked(number, list(range(size))) for number in range(2 ** (size - 1))]

    def peaked(ranks: list[int]) -> bool:
        peak = ranks.index(0)
        return ranks[: peak + 1] == sorted(ranks[: peak + 1], reverse=True) and ranks[peak:] == sorted(ranks[peak:])

    assert numbered[0] == list(range(size))
    assert numbered[-1] == list(range(size))[::-1]
    assert sorted(numbered) == sorted(ranks for ranks in ballots(size, "strict") if peaked(ranks))


@pytest.mark.parametrize(("size", "length"), [(4, 2), (5, 3), (3, 3), (4, 0), (1, 1)])
def test_sets_are_numbered_in_lexicographic_order(size: int, length: int) -> None:
    numbered = [tuple(_numbered.chosen(number, size, length)) for number in range(math.comb(size, length))]
    assert numbered == list(itertools.combinations(range(size), length))


@pytest.mark.parametrize(("total", "size"), [(3, 1), (1, 3), (4, 3), (5, 2)])
def test_units_are_shared_out_in_every_way(total: int, size: int) -> None:
    numbered = [tuple(_numbered.parts(number, total, size)) for number in range(math.comb(total + size - 1, size - 1))]
    assert numbered[0] == (total, *[0] * (size - 1))
    assert numbered[-1] == (*[0] * (size - 1), total)
    every = [shares for shares in itertools.product(range(total + 1), repeat=size) if sum(shares) == total]
    assert sorted(numbered) == sorted(every)


def test_agreeing_ballots_are_all_that_agree() -> None:
    for ballot, pair in itertools.product(ballots(4, "strict"), itertools.combinations(range(4), 2)):
        made = {tuple(_numbered.agreeing(number, ballot, pair)) for number in range(24)}
        a, b = pair
        assert made == {
            tuple(other) for other in ballots(4, "strict") if (other[a] < other[b]) == (ballot[a] < ballot[b])
        }


def test_cloned_ballots_are_all_that_keep_the_clones_together() -> None:
    for at in range(3):
        made = [_numbered.cloned(outer, at, inner) for outer in ballots(3, "strict") for inner in ballots(2, "strict")]
        together = [each for each in ballots(4, "strict") if abs(each[at] - each[at + 1]) == 1]
        assert sorted(made) == sorted(together)


# Strategies


@given(st.data())
@pytest.mark.parametrize("strategy", PROFILES)
def test_sizes_and_labels_are_those_asked_for(strategy: Callable[..., Any], data: st.DataObject) -> None:
    profile = data.draw(strategy(voters=(2, 4), alternatives=(2, 3)))
    assert 2 <= len(values(profile)) <= 4
    assert profile.alternatives in {(0, 1), (0, 1, 2)}
    assert set(profile.weights.tolist()) == {1.0}
    named = data.draw(strategy(voters=3, alternatives=["tea", "milk"]))
    assert named.alternatives == ("tea", "milk")
    assert len(values(named)) == 3
    assert data.draw(strategy(alternatives=("x", "y"))).alternatives == ("x", "y")


@given(testing.rankings(), testing.weak_orders(), testing.truncated())
def test_ballots_are_of_their_kind(strict: ck.Rankings, weak: ck.Rankings, short: ck.Rankings) -> None:
    assert (np.sort(strict.ranks) == np.arange(len(strict.alternatives))).all()
    assert weak.ranks.min() == 0
    for row in weak.ranks.tolist():
        assert set(row) == set(range(max(row) + 1))
    for row in short.ranks.tolist():
        ranked = sorted(rank for rank in row if rank >= 0)
        assert ranked
        assert ranked == list(range(len(ranked)))


@given(testing.single_peaked_rankings(alternatives="abcde", axis="cadbe"))
def test_single_peaked_rankings_have_their_axis(profile: ck.Rankings) -> None:
    columns = ["abcde".index(label) for label in "cadbe"]
    for row in profile.ranks[:, columns].tolist():
        worse_away = [row[b] < row[b + 1] for b in range(4)]
        assert worse_away == sorted(worse_away)
    assert domains.single_peaked(profile) is not None


@given(testing.clone_profiles(alternatives=(3, 6)))
def test_nobody_ranks_another_between_clones(drawn: testing.CloneProfile) -> None:
    columns = [drawn.profile.alternatives.index(label) for label in drawn.clones]
    assert 2 <= len(columns) < len(drawn.profile.alternatives)
    ranks = np.sort(drawn.profile.ranks[:, columns])
    assert (np.diff(ranks) == 1).all()


@given(testing.iia_pairs())
def test_iia_pairs_agree_on_their_pair(drawn: testing.AgreeingPair) -> None:
    a, b = (drawn.first.alternatives.index(label) for label in drawn.pair)
    first, second = drawn.first.ranks, drawn.second.ranks
    assert first.shape == second.shape
    assert ((first[:, a] < first[:, b]) == (second[:, a] < second[:, b])).all()
    assert (np.sort(second) == np.arange(second.shape[1])).all()


def test_iia_pairs_find_that_borda_is_not_independent() -> None:
    def broken(drawn: testing.AgreeingPair) -> bool:
        a, b = (drawn.first.alternatives.index(label) for label in drawn.pair)
        one, other = (rules.borda(profile).scores for profile in (drawn.first, drawn.second))
        return bool(np.sign(one[a] - one[b]) != np.sign(other[a] - other[b]))

    found = find(testing.iia_pairs(), broken, settings=settings(max_examples=500, database=None))
    assert size(found.first) == (3, 2)


@given(testing.lotteries(), testing.lotteries(denominator=3, alternatives="xyz"))
def test_lotteries_are_multiples_of_their_unit(exact: ck.Lottery, thirds: ck.Lottery) -> None:
    assert exact.probabilities.sum() == 1
    assert set((exact.probabilities * 8).tolist()) <= set(range(9))
    assert np.isin(thirds.probabilities, np.arange(4) / 3).all()
    assert thirds.probabilities.sum() == pytest.approx(1, abs=1e-15)


@given(testing.utilities(values=(1, 5, math.nan)), testing.approvals())
def test_utilities_are_among_their_values(profile: ck.Utilities, approvals: ck.Approvals) -> None:
    assert np.isin(profile.values[~np.isnan(profile.values)], (1, 5)).all()
    assert approvals.values.dtype == np.bool_


@given(testing.comparisons(rows=(1, 9), alternatives="abcd", ties=True, voters=(2, 3), groups=2), st.data())
def test_comparisons_have_the_columns_asked_for(drawn: ck.Comparisons, data: st.DataObject) -> None:
    assert 1 <= len(drawn) <= 9
    assert set(drawn.alternatives) <= set("abcd")
    assert set(drawn.voters) <= {0, 1, 2}
    assert drawn.voter is not None
    assert drawn.group is not None
    group_of = dict(zip(drawn.voter.tolist(), drawn.group.tolist(), strict=True))
    assert [group_of[voter] for voter in drawn.voter.tolist()] == drawn.group.tolist()
    plain = data.draw(testing.comparisons(groups=2))
    assert plain.voter is None
    assert not plain.tie.any()
    assert set(plain.groups) <= {0, 1}


@given(testing.margins(alternatives=(2, 4), largest=3))
def test_margins_are_whole_and_bounded(drawn: ck.Margins) -> None:
    assert np.isin(drawn.values, np.arange(-3, 4)).all()


@pytest.mark.parametrize(
    ("strategy", "last"),
    [
        (testing.rankings(voters=1, alternatives=4), [[3, 2, 1, 0]]),
        (testing.weak_orders(voters=1, alternatives=3), [[0, 0, 0]]),
        (testing.truncated(voters=1, alternatives=3), [[-1, -1, 0]]),
        (testing.single_peaked_rankings(voters=1, alternatives=4), [[3, 2, 1, 0]]),
        (testing.approvals(voters=1, alternatives=3), [[1, 1, 1]]),
        (testing.utilities(voters=1, alternatives=2, values=(0, 1, 2)), [[2, 2]]),
    ],
)
def test_the_last_ballot_is_drawn(strategy: Any, last: list[list[int]]) -> None:
    found = find(strategy, lambda profile: values(profile).tolist() == last, settings=settings(max_examples=5000))
    assert values(found).tolist() == last


@pytest.mark.parametrize("strategy", PROFILES)
def test_profiles_shrink_to_few_voters_few_alternatives_and_the_first_ballot(strategy: Callable[..., Any]) -> None:
    found = find(strategy(), lambda profile: len(profile.alternatives) > 2 and len(values(profile)) > 1)
    first = [0, 1, 2] if isinstance(found, ck.Rankings) else [0, 0, 0]
    assert values(found).tolist() == [first, first]


def test_many_alternatives_are_drawn_without_listing_all_ballots() -> None:
    for strategy in PROFILES:
        brief = settings(max_examples=5, database=None, phases=[hypothesis.Phase.generate])
        found = find(strategy(voters=2, alternatives=30), lambda profile: profile is not None, settings=brief)
        assert values(found).shape == (2, 30)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: testing.rankings(voters=0), ValueError, "voters: needed 1 or more"),
        (lambda: testing.rankings(voters=(3, 2)), ValueError, "the smaller bound first"),
        (lambda: testing.rankings(voters=2.5), TypeError, "voters: needed a whole number or a pair"),
        (lambda: testing.rankings(voters=(1, 2, 3)), TypeError, "voters: needed a whole number or a pair"),
        (lambda: testing.rankings(alternatives="aab"), ValueError, "labels must differ"),
        (lambda: testing.rankings(alternatives=""), ValueError, "alternatives: needed 1 or more"),
        (lambda: testing.iia_pairs(alternatives=1), ValueError, "alternatives: needed 2 or more"),
        (lambda: testing.clone_profiles(alternatives=2), ValueError, "alternatives: needed 3 or more"),
        (lambda: testing.clone_profiles(alternatives=(3, 5), clones=3), ValueError, "clones: needed fewer"),
        (lambda: testing.utilities(values=()), ValueError, "needed values"),
        (lambda: testing.utilities(values=(0, math.inf)), ValueError, "needed values"),
        (lambda: testing.single_peaked_rankings(axis="ab"), ValueError, "give both as labels"),
        (lambda: testing.single_peaked_rankings(alternatives="abc", axis="aab"), ValueError, "each of the alt"),
        (lambda: testing.lotteries(denominator=0), ValueError, "denominator: needed 1 or more"),
        (lambda: testing.comparisons(rows=0), ValueError, "rows: needed 1 or more"),
    ],
)
def test_bad_sizes_are_refused(call: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()


# The door to Hypothesis


@pytest.mark.parametrize(
    "kind",
    [ck.Rankings, ck.Utilities, ck.Approvals, ck.Comparisons, ck.Margins, ck.Lottery],
    ids=lambda kind: kind.__name__,
)
def test_registered_types_are_drawn(kind: type) -> None:
    testing.register()
    assert isinstance(find(st.from_type(kind), lambda drawn: drawn is not None), kind)


def test_rankings_of_every_kind_are_registered() -> None:
    testing.register()
    for wanted in (lambda ranks: ranks.min() < 0, lambda ranks: len(ranks[0]) > 1 and ranks.max() == 0):
        found = find(st.from_type(ck.Rankings), lambda votes, wanted=wanted: bool(wanted(votes.ranks)))
        assert wanted(found.ranks)


def test_importing_opens_no_hypothesis() -> None:
    code = "import sys, choicekit, choicekit.testing; print('hypothesis' in sys.modules)"
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert there.strip() == "False"


def test_without_hypothesis_the_way_to_get_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(ImportError, match=r"pip install 'choicekit\[testing\]'"):
        testing.rankings()


# Axioms asserted, violations found and polished


def test_an_axiom_is_asserted_on_a_profile() -> None:
    votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})
    testing.assert_axiom(axioms.majority, rules.plurality, votes)
    with pytest.raises(AssertionError, match=r"(?s)borda violates majority.*3: a > b > c"):
        testing.assert_axiom(axioms.majority, rules.borda, votes)


def test_what_is_no_rule_is_refused() -> None:
    votes = ck.Rankings.from_orders({"ab": 1})
    with pytest.raises(TypeError, match=r"assert_axiom: needed a rule, .* got 'borda'"):
        testing.assert_axiom(axioms.majority, "borda", votes)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"assert_axiom: .* the rule and the axiom have changed places"):
        testing.assert_axiom(rules.borda, axioms.majority, votes)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"find_violation: .* the rule and the axiom have changed places"):
        testing.find_violation(rules.borda, axioms.majority, profiles=testing.rankings())  # type: ignore[arg-type]


@given(testing.rankings(voters=(1, 6), alternatives=(1, 4)))
@settings(max_examples=25)
def test_what_holds_is_asserted_in_silence(profile: ck.Rankings) -> None:
    testing.assert_axiom(axioms.monotonicity, rules.borda, profile)


def test_hypothesis_shrinks_a_failed_assertion() -> None:
    @given(testing.rankings())
    @settings(max_examples=300, database=None, derandomize=True, report_multiple_bugs=False)
    def check(profile: ck.Rankings) -> None:
        seen.append(profile)
        testing.assert_axiom(axioms.majority, rules.borda, profile)

    seen: list[ck.Rankings] = []
    with pytest.raises(AssertionError, match="borda violates majority"):
        check()
    assert size(seen[-1]) == (3, 3)


def test_nothing_is_found_where_there_is_nothing() -> None:
    drawn = testing.rankings(voters=(1, 5), alternatives=(1, 3))
    assert testing.find_violation(axioms.majority, rules.plurality, profiles=drawn, rng=0, examples=60) is None
    with pytest.raises(ValueError, match="examples: needed 1 or more"):
        testing.find_violation(axioms.majority, rules.plurality, profiles=drawn, examples=0)


def test_the_same_seed_finds_the_same() -> None:
    drawn = testing.rankings(voters=(2, 9), alternatives=(3, 4))
    one, other = (testing.find_violation(axioms.majority, rules.borda, profiles=drawn, rng=5) for _ in range(2))
    assert one is not None
    assert str(one) == str(other)


def anonymous(rule: Callable[[Any], Any], read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """What is read of a rule's outcome, once for all profiles that differ by the order of voters."""
    known: dict[Any, Any] = {}

    def asked(profile: ck.Rankings) -> Any:
        counted: dict[tuple[int, ...], float] = {}
        for ranks, weight in zip(profile._ranks.tolist(), profile.weights.tolist(), strict=True):
            counted[tuple(ranks)] = counted.get(tuple(ranks), 0.0) + weight
        key = frozenset(counted.items()), profile.alternatives
        if key not in known:
            known[key] = read(rule(profile))
        return known[key]

    return asked


def least(axiom: Any, rule: Any, alternatives: int, voters: int) -> tuple[int, int] | None:
    """The smallest number of alternatives, then of voters, at which some profile of all violates the axiom."""
    for m in range(1, alternatives + 1):
        for n in range(1, voters + 1):
            every = domains.every(voters=n, alternatives=m, anonymous=True, neutral=True)
            if any(axiom(rule, profile) is not None for profile in every):
                return m, n
    return None


# The axiom and the rule, how many alternatives and voters are drawn, and the smallest profile asked about.
CASES = [
    ("independence_of_irrelevant_alternatives", rules.borda, (2, 4), (1, 6), (3, 2)),
    ("monotonicity", rules.instant_runoff, 3, (12, 20), (3, 9)),
    ("participation_optimist", rules.copeland, 3, (7, 12), (3, 5)),
    ("participation_kelly", rules.copeland, 4, (3, 7), (4, 3)),
    ("participation_kelly", rules.kemeny, 4, (2, 9), (4, 2)),
    ("independence_of_clones", rules.plurality, (3, 4), (1, 7), (3, 3)),
]


@pytest.mark.parametrize(("name", "rule", "alternatives", "voters", "expected"), CASES)
def test_in_each_of_twenty_seeds_a_violation_ends_as_small_as_any(
    name: str, rule: Any, alternatives: Any, voters: tuple[int, int], expected: tuple[int, int]
) -> None:
    axiom = getattr(axioms, name)
    remembered = anonymous(
        rule, lambda outcome: outcome if axiom.about is axioms.readings.ordering else outcome.winners
    )
    assert least(axiom, remembered, 4, expected[1]) == expected
    drawn = testing.rankings(voters=voters, alternatives=alternatives)
    for rng in range(20):
        found = testing.find_violation(axiom, remembered, profiles=drawn, rng=rng)
        assert found is not None
        assert size(found.profiles[0]) == expected, f"rng={rng}: {found}"


@pytest.mark.slow
def test_drawn_on_four_alternatives_instant_runoff_ends_on_three_with_nine_voters_all_the_same() -> None:
    """There are violations of 8 voters on 4 alternatives, but to withdraw an alternative comes first."""
    remembered = anonymous(rules.instant_runoff, lambda outcome: outcome.winners)
    drawn = testing.rankings(voters=(10, 16), alternatives=(3, 4))
    for rng in range(20):
        found = testing.find_violation(axioms.monotonicity, remembered, profiles=drawn, rng=rng)
        assert found is not None
        assert size(found.profiles[0]) == (3, 9), f"rng={rng}: {found}"


@given(WEIGHTED, st.data())
def test_each_step_makes_a_profile_simpler(profile: Any, data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 9.0]), min_size=1, max_size=1))
    weights = np.resize([*weights, 1.0], len(values(profile)))
    profile = type(profile)(values(profile), weights if weights.any() else None, profile.alternatives)

    def measure(each: Any) -> tuple[Any, ...]:
        keys = np.nan_to_num(_simpler._keys(each), posinf=1e6)
        pairs = itertools.combinations(range(keys.shape[1]), 2)
        disorder = sum(float((keys[:, a] > keys[:, b]) @ each.weights) for a, b in pairs)
        return (
            *size(each),
            disorder,
            len(keys),
            sum(keys[i].tolist() > keys[j].tolist() for i, j in itertools.combinations(range(len(keys)), 2)),
        )

    before = measure(profile)
    for simpler in itertools.islice(_simpler.simpler(profile, 2), 60):
        assert measure(simpler) < before
        assert set(simpler.alternatives) <= set(profile.alternatives)


def test_what_is_polished_has_no_smaller_one_by_the_book() -> None:
    votes = ck.Rankings.from_orders({"abcd": 9, "bcda": 7, "dcba": 4, "cdab": 3})
    rule = rules.borda
    start = axioms.majority(rule, ck.Rankings.from_orders({"abcd": 19, "bcda": 17}))
    assert start is not None
    assert axioms.majority(rule, votes) is None
    small = testing.polish(axioms.majority, rule, start).profiles[0]
    voters = np.repeat(small.ranks, small.weights.astype(int), axis=0)
    for many in range(1, min(len(voters), 5)):
        for stay in itertools.combinations(range(len(voters)), len(voters) - many):
            assert axioms.majority(rule, ck.Rankings(voters[list(stay)])) is None
    for gone in range(len(small.alternatives)):
        assert axioms.majority(rule, ck.Rankings(np.argsort(np.argsort(np.delete(voters, gone, 1))))) is None


def test_polishing_keeps_the_labels_and_the_violation() -> None:
    votes = ck.Rankings.from_orders([["tea", "milk", "ale", "gin"]] * 30 + [["milk", "ale", "gin", "tea"]] * 25)
    start = axioms.majority(rules.borda, votes)
    assert start is not None
    small = testing.polish(axioms.majority, rules.borda, start)
    assert set(small.profiles[0].alternatives) < {"tea", "milk", "ale", "gin"}
    assert size(small.profiles[0]) == (3, 3)
    assert axioms.majority(rules.borda, small.profiles[0]) is not None
    assert testing.polish(axioms.majority, rules.borda, small, jointly=1) is small


def test_a_rule_that_tells_voters_apart_is_polished() -> None:
    def second_voter(profile: ck.Rankings) -> tuple[Any, ...]:
        """The favourite of the second voter; of a lonely one, hers."""
        ranks = np.repeat(profile.ranks, profile.weights.astype(int), axis=0)
        return (profile.alternatives[int(ranks[min(1, len(ranks) - 1)].argmin())],)

    drawn = testing.rankings(voters=(4, 8), alternatives=(3, 4))
    found = testing.find_violation(axioms.majority, second_voter, profiles=drawn, rng=0)
    assert found is not None
    assert size(found.profiles[0]) == (2, 3)


def wasteful(*, ballots: Any) -> Any:
    @axioms.axiom(kind="intra", about=axioms.readings.winners, ballots=ballots)
    def everybody_is_content(ask: Any, profile: Any) -> axioms.Clash | None:
        """Each voter likes a winner more than nothing."""
        columns = [profile.alternatives.index(label) for label in ask(profile)]
        lost = [row for row in profile.values.tolist() if not any(row[column] > 0 for column in columns)]
        return axioms.Clash("somebody gets nothing", (profile,), ("the ballots",)) if lost else None

    return everybody_is_content


def test_utilities_and_approvals_are_polished() -> None:
    drawn = testing.utilities(voters=(3, 7), alternatives=(2, 4))
    found = testing.find_violation(wasteful(ballots="utilities"), rules.utilitarian, profiles=drawn, rng=1)
    assert found is not None
    assert size(found.profiles[0]) == (1, 1)
    chosen = testing.approvals(voters=(3, 7), alternatives=(2, 4))
    found = testing.find_violation(wasteful(ballots="approvals"), rules.approval, profiles=chosen, rng=1)
    assert found is not None
    assert size(found.profiles[0]) == (1, 1)


def test_a_profile_that_the_rule_refuses_is_no_step() -> None:
    def choosy(profile: ck.Rankings) -> ck.Scores:
        if len(profile.alternatives) < 4 or profile.weights.sum() < 5:
            raise ValueError("too small for this rule")
        return rules.borda(profile)

    start = axioms.majority(choosy, ck.Rankings.from_orders({"abcde": 6, "bcdea": 5}))
    assert start is not None
    small = testing.polish(axioms.majority, choosy, start)
    assert size(small.profiles[0]) == (4, 5)


def test_other_profiles_are_left_as_they_are() -> None:
    def tied(rule: Any, profile: ck.Margins) -> axioms.Violation | None:
        if len(rule(profile).winners) == 1:
            return None
        return axioms.Violation("decisive", "none", "a tie", (), (profile,), ("margins",), ((),), "winners")

    found = testing.find_violation(tied, rules.copeland, profiles=testing.margins(alternatives=3), rng=0)
    assert found is not None
    assert testing.polish(tied, rules.copeland, found) is found


def test_hypothesis_runs_what_is_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        def load(self) -> Callable[[], None]:
            return testing.register

    import importlib.metadata

    from hypothesis import entry_points

    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [Entry()] if group == "hypothesis" else [])
    monkeypatch.delenv("HYPOTHESIS_NO_PLUGINS", raising=False)
    entry_points.run()
    assert isinstance(find(st.from_type(ck.Margins), lambda drawn: drawn is not None), ck.Margins)
