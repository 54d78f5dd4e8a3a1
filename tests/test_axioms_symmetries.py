"""Symmetries and monotonicities on known profiles, and axioms that some profile exists."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import reference_axioms_single as book
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_axioms_single import asked, plain, profiles

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import Violation


def votes(orders: dict[str, float]) -> ck.Rankings:
    return ck.Rankings.from_orders(orders)


def voter(number: int) -> Callable[[ck.Rankings], Any]:
    """The favourite of a voter, by row."""
    return lambda profile: profile.alternatives[profile.ranks[number].argmin()]


# --- Symmetries ---------------------------------------------------------------------------------------------------


def test_a_dictator_s_rule_is_not_anonymous_but_neutral() -> None:
    profile = ck.Rankings([[0, 1, 2], [0, 1, 2], [2, 1, 0]], None, "abc")
    found = axioms.anonymity(voter(1), profile)
    assert found is not None
    assert found.reason == "voters 2 and 3 exchange their ballots, and the winners change"
    assert found.outcomes == (("a",), ("c",))
    assert axioms.neutrality(voter(1), profile) is None


def test_one_of_a_row_of_voters_exchanges_its_ballot() -> None:
    found = axioms.anonymity(voter(0), votes({"ab": 3, "ba": 1}))
    assert found is not None
    assert plain(found.profiles[1]) == [("b", "a"), ("a", "b"), ("a", "b"), ("a", "b")]
    assert axioms.anonymity(rules.borda, votes({"ab": 3, "ba": 1})) is None
    weighted = ck.Rankings([[0, 1], [1, 0]], [0.5, 2], "ab")
    found = axioms.anonymity(voter(0), weighted)
    assert found is not None
    assert found.profiles[1].weights.tolist() == [2, 0.5]


def test_too_many_exchanges_are_refused() -> None:
    with pytest.raises(ValueError, match="about 250,000 exchanges"):
        axioms.anonymity(rules.borda, votes({"ab": 500, "ba": 500}))
    assert axioms.anonymity(rules.borda, votes({"ab": 5e8})) is None


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), m=st.integers(2, 3))
def test_exchanges_find_out_every_rule_that_is_not_anonymous(seed: int, m: int) -> None:
    rule = book.drawn_rule(seed, named=True)
    hit = any(axioms.anonymity(asked(rule), profile) for profile in domains.every(voters=2 + (m < 3), alternatives=m))
    every = [plain(profile) for profile in domains.every(voters=2 + (m < 3), alternatives=m)]
    anonymous = all(rule(list(other)) == rule(each) for each in every for other in itertools.permutations(each))
    assert hit == (not anonymous)


def test_lexicographic_tie_breaking_is_not_neutral() -> None:
    def first(profile: ck.Rankings) -> Any:
        return rules.plurality(profile).winners[0]

    found = axioms.neutrality(first, votes({"abc": 1, "bca": 1, "cab": 1}))
    assert found is not None
    assert found.reason == "with b for a and a for b on all ballots, b should win; a wins"
    assert found.alternatives == ("a", "b")
    assert axioms.neutrality(rules.plurality, votes({"abc": 1, "bca": 1, "cab": 1})) is None


def test_relabellings_of_three_are_looked_at_too() -> None:
    # the ballots of a cycle: exchanging two labels makes the other cycle, of which nothing is wrong
    def of_the_cycle(profile: ck.Rankings) -> Any:
        ballots = {"".join(ballot) for ballot in plain(profile)}
        return ["a"] if "abc" in ballots else ["b"] if "bca" in ballots else ["a", "b"] if "bac" in ballots else ["c"]

    found = axioms.neutrality(of_the_cycle, votes({"abc": 1}))
    assert found is not None
    relabelled = [plain(profile)[0] for profile in found.profiles]
    assert relabelled == [("a", "b", "c"), ("b", "a", "c")]


def test_reversing_all_ballots() -> None:
    # Saari and Barney: the winner of plurality may be that of the reversed ballots too; Borda's never is
    profile = votes({"abc": 3, "bca": 2, "cba": 2})
    assert axioms.reversal_symmetry(rules.plurality, profile) is not None
    assert axioms.reversal_symmetry(rules.borda, profile) is None
    assert axioms.reversal_symmetry(lambda _: ["a", "b"], profile) is None
    assert axioms.reversal_symmetry(lambda _: "a", ck.Rankings([[0]], None, ["a"])) is None


def test_more_of_the_same_voters() -> None:
    def odd(profile: ck.Rankings) -> Any:
        return "a" if profile.weights.sum() % 2 else "b"

    found = axioms.homogeneity(odd, votes({"ab": 1}))
    assert found is not None
    assert found.captions[1] == "every voter 2 times"
    found = axioms.homogeneity(lambda p: "a" if p.weights.sum() % 3 else "b", votes({"ab": 1}))
    assert found is not None
    assert (found.captions[1], found.profiles[1].weights.sum()) == ("every voter 3 times", 3)
    assert axioms.homogeneity(rules.kemeny, votes({"abc": 2, "bca": 1})) is None
    # joining voters make an odd electorate odd again
    assert axioms.neutral_reversal(odd, votes({"ab": 1})) is None
    assert axioms.block_invariance(odd, votes({"ab": 1})) is None


# --- Monotonicities -----------------------------------------------------------------------------------------------


def test_the_reported_voter_is_one_who_moves() -> None:
    found = axioms.monotonicity(rules.instant_runoff, votes({"abc": 3, "bac": 3, "cab": 2, "cba": 1}))
    assert found is not None
    assert found.alternatives == ("b",)
    assert found.outcomes == (("a", "b"), ("a",))
    assert sorted(plain(found.profiles[1])) == sorted([*map(tuple, ["abc"] * 3 + ["bac"] * 3 + ["cab"] * 2 + ["bca"])])


def test_voters_of_equal_ballots_are_different_where_they_have_names() -> None:
    # only a second voter of b > a who turns to a hurts a
    def rule(profile: ck.Rankings) -> Any:
        return "b" if ["".join(ballot) for ballot in plain(profile)] == ["ba", "ab"] else "a"

    assert axioms.monotonicity(rule, ck.Rankings([[1, 0], [1, 0]], None, "ab")) is not None


def test_a_voter_of_no_whole_weight_moves_as_a_whole() -> None:
    def rule(profile: ck.Rankings) -> Any:
        return ["a", "b"] if profile.ranks[1, 0] == 0 else "a"

    found = axioms.positive_responsiveness(rule, ck.Rankings([[0, 1], [1, 0]], [1, 1.5], "ab"))
    assert found is not None
    assert found.profiles[1].weights.tolist() == [1, 1.5]
    assert found.profiles[1].ranks.tolist() == [[0, 1], [0, 1]]


def test_majority_rule_on_two_alternatives_responds_positively() -> None:
    for n in range(1, 5):
        for profile in domains.every(voters=n, alternatives="ab"):
            for axiom in (axioms.positive_responsiveness, axioms.maskin_monotonicity, axioms.resolvability):
                assert axiom(rules.copeland, profile) is None


def test_the_top_cycle_is_set_monotone_and_plurality_is_not() -> None:
    # Brandt 2015 proves the first
    for n in range(1, 5):
        for profile in domains.every(voters=n, alternatives=3, anonymous=True, neutral=True):
            assert axioms.set_monotonicity(rules.smith, profile) is None
    assert axioms.set_monotonicity(rules.plurality, votes({"abc": 2, "cba": 1, "bca": 1})) is not None


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_steps_find_what_longer_moves_find(seed: int) -> None:
    # on all profiles together: lifts by several places, and several losers lowered at once
    rule = book.drawn_rule(seed)
    every = list(domains.every(voters=2, alternatives=3, anonymous=True))
    moves = [(plain(profile), *move) for profile in every for move in book.changed(plain(profile))]
    lifts = [(P, Q, w) for P, old, new, Q in moves for w in old if {y for _, y in book.flipped(old, new)} == {w}]
    falls = [(P, Q) for P, old, new, Q in moves if not {x for x, _ in book.flipped(old, new)} & rule(P)]
    monotone = all(w in rule(Q) for P, Q, w in lifts if w in rule(P))
    assert monotone == all(axioms.monotonicity(asked(rule), profile) is None for profile in every)
    steady = all(rule(P) == rule(Q) for P, Q in falls)
    assert steady == all(axioms.set_monotonicity(asked(rule), profile) is None for profile in every)


def test_ties_that_no_single_voter_resolves() -> None:
    # three vetoed alternatives of four are level; one more veto leaves two
    found = axioms.resolvability(rules.veto, votes({"abcd": 1}))
    assert found is not None
    assert (found.alternatives, found.outcomes) == (("a", "b", "c"), (("a", "b", "c"),))
    assert axioms.resolvability(rules.plurality, votes({"abcd": 1, "bcda": 1})) is None


# --- Existence ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [axiom.__name__ for axiom in book.EXISTENCE])
@settings(max_examples=25)
@given(profile=profiles(voters=2, largest=3, rows=True), seed=st.integers(0, 10_000), kind=st.booleans())
def test_existence_is_its_definition(name: str, profile: ck.Rankings, seed: int, kind: bool) -> None:
    rule = book.drawn_rule(seed, named=kind)
    found = getattr(axioms, name)(asked(rule), profile)
    assert (found is None) == book.HOLDS[name](rule, plain(profile))
    if found is not None:
        assert Violation.from_json(found.to_json()).replay(asked(rule))


def test_the_dictator_is_named() -> None:
    profile = ck.Rankings([[0, 1, 2], [2, 1, 0], [0, 2, 1]], None, "abc")
    found = axioms.nondictatorship(voter(2), profile)
    assert found is not None
    assert found.reason == (
        "the favourite of voter 3 is the only winner on all 216 profiles of 3 voters and 3 alternatives"
    )
    assert axioms.nondictatorship(rules.plurality, profile) is None
    assert axioms.nondictatorship(voter(0), ck.Rankings([[0, 1, 2]])) is None  # of one voter nothing is said

    def almost(profile: ck.Rankings) -> Any:
        return ["a", "b"] if (profile.ranks == 1).all() else voter(2)(profile)

    assert axioms.nondictatorship(almost, ck.Rankings([[0, 1], [1, 0], [0, 1]], None, "ab")) is not None


def test_a_voter_of_a_row_of_three_is_a_dictator() -> None:
    def second(profile: ck.Rankings) -> Any:
        return plain(profile)[1][0]

    found = axioms.nondictatorship(second, votes({"ab": 3}))
    assert found is not None
    assert found.reason.startswith("the favourite of voter 2 is the only winner on all 8 profiles of 3 voters")


def test_alternatives_that_never_win_alone() -> None:
    def pair(profile: ck.Rankings) -> Any:
        won = rules.plurality(profile).winners
        return ["a", "b"] if won == ("b",) else won

    found = axioms.non_imposition(pair, votes({"abc": 2}))
    assert found is not None
    assert found.alternatives == ("b",)
    assert axioms.non_constancy(pair, votes({"abc": 2})) is None
    assert axioms.non_imposition(rules.borda, votes({"abc": 1})) is None


def test_two_voters_each_with_a_pair_of_their_own() -> None:
    # voter 1 keeps out the worse of a and b, voter 2 the worse of c and d: somebody is left
    def liberal(profile: ck.Rankings) -> Any:
        first, second = profile.ranks[0], profile.ranks[1]
        return ["ab"[int(first[1] < first[0])], "cd"[int(second[3] < second[2])]]

    profile = ck.Rankings([[0, 1, 2, 3], [3, 2, 1, 0]], None, "abcd")
    assert axioms.minimal_liberalism(liberal, profile) is None
    # and so, as Sen 1970 proves, somebody wins below another for all: here b wins though all rank a above b
    assert any(axioms.pareto(liberal, each) for each in domains.every(voters=2, alternatives="abcd"))
    found = axioms.minimal_liberalism(voter(0), profile)
    assert found is not None
    assert found.reason == "of 2 voters only voter 1 is decisive about any pair of alternatives"


def test_domains_that_are_too_large_are_refused() -> None:
    for name in ("non_imposition", "non_constancy", "nondictatorship", "minimal_liberalism"):
        axiom = getattr(axioms, name)
        with pytest.raises(ValueError, match=f"{name}: there are 331,776 profiles of 4 voters and 4 alternatives"):
            axiom(rules.borda, votes({"abcd": 4}))
        with pytest.raises(ValueError, match=r"there are 1\.\de\+200 profiles"):
            axiom(rules.borda, votes({"abcd": 145}))
        with pytest.raises(ValueError, match="needed whole numbers of voters"):
            axiom(rules.borda, votes({"abc": 1.5}))
