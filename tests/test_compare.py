"""How few voters change the winners, against every change there is, and rules side by side."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from itertools import combinations, permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from strategies import ballots, strict_ballots

import choicekit as ck
from choicekit import rules
from choicekit.outcomes import Lottery, Scores, Winners
from choicekit.rules import cardinal, condorcet, fixed_order, grades, probabilistic, robustness
from choicekit.rules.comparing import Answer, Contest, compare
from choicekit.rules.elimination import instant_runoff
from choicekit.rules.places import borda, dowdall, k_approval, plurality, positional, veto
from choicekit.rules.robustness import Robustness, bootstrap, margin_of_victory, taken_apart, winners_of

CAPITAL = ck.Rankings.from_orders({"MNCK": 42, "NCKM": 26, "CKNM": 15, "KCNM": 17})
POSITIONAL: dict[str, Callable[..., Any]] = {
    "plurality": plurality,
    "veto": veto,
    "borda": borda,
    "2-approval": functools.partial(k_approval, k=2),
    "dowdall": dowdall,
    "odd points": functools.partial(positional, points=[2, 3, 0]),
}
CONDORCET = {
    "copeland": condorcet.copeland,
    "minimax": condorcet.minimax,
    "schulze": condorcet.schulze,
}


def fewest_by_trial(
    rows: list[tuple[int, ...]], allowed: Iterable[tuple[int, ...]], winners: Callable[[Any], Any]
) -> int | None:
    """The smallest number of voters whose ballots can be changed so that the winners change."""
    possible = list(allowed)
    expected = winners(rows)
    for voters in range(1, len(rows) + 1):
        for who in combinations(range(len(rows)), voters):
            for cast in product(possible, repeat=voters):
                changed = [*rows]
                for voter, ballot in zip(who, cast, strict=True):
                    changed[voter] = ballot
                if winners(changed) != expected:
                    return voters
    return None


def remembered(rule: Callable[[Any], Any], build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The winners of rows in any order, each found once."""
    known: dict[Any, Any] = {}

    def winners(rows: list[tuple[int, ...]]) -> Any:
        key = tuple(sorted(rows))
        if key not in known:
            known[key] = rule(build(key)).winners
        return known[key]

    return winners


STRICT = list(permutations(range(3)))


def levels_of(ballot: tuple[int, ...]) -> set[int]:
    return set(ballot) - {-1}


#: Every ballot on three alternatives: strict, weak and truncated, but for the empty one.
ANY = [
    ballot
    for ballot in product(range(-1, 3), repeat=3)
    if levels_of(ballot) and levels_of(ballot) == set(range(len(levels_of(ballot))))
]
SETS = st.integers(1, 3).map(lambda size: list(product((0, 1), repeat=size)))


@pytest.mark.parametrize("name", POSITIONAL)
@settings(max_examples=25)
@given(rows=st.lists(st.sampled_from(STRICT), min_size=1, max_size=5))
def test_positional_margins_are_exact_on_strict_ballots(name: str, rows: list[tuple[int, ...]]) -> None:
    found = margin_of_victory(ck.Rankings(rows), POSITIONAL[name])
    assert found.kind == "exact"
    assert found.of == len(rows)
    assert found.voters == fewest_by_trial(rows, STRICT, remembered(POSITIONAL[name], ck.Rankings))


@pytest.mark.parametrize("name", POSITIONAL)
@settings(max_examples=10)
@given(rows=st.lists(st.sampled_from(ANY), min_size=1, max_size=4))
def test_positional_margins_are_exact_on_any_ballots(name: str, rows: list[tuple[int, ...]]) -> None:
    found = margin_of_victory(ck.Rankings(rows), POSITIONAL[name])
    assert found.kind == "exact"
    assert found.voters == fewest_by_trial(rows, ANY, remembered(POSITIONAL[name], ck.Rankings))


@settings(max_examples=40)
@given(rows=SETS.flatmap(lambda sets: st.lists(st.sampled_from(sets), min_size=1, max_size=5)))
def test_approval_margins_are_exact(rows: list[tuple[int, ...]]) -> None:
    found = margin_of_victory(ck.Approvals(rows), cardinal.approval)
    sets = list(product((0, 1), repeat=len(rows[0])))
    assert found.kind == "exact"
    assert found.voters == fewest_by_trial(rows, sets, remembered(cardinal.approval, ck.Approvals))


@pytest.mark.parametrize("name", CONDORCET)
@settings(max_examples=20)
@given(rows=st.lists(st.sampled_from(STRICT), min_size=1, max_size=5))
def test_margins_of_condorcet_winners_are_bounds(name: str, rows: list[tuple[int, ...]]) -> None:
    profile = ck.Rankings(rows)
    assume(profile.to_margins().condorcet_winner is not None)
    found = margin_of_victory(profile, CONDORCET[name])
    truth = fewest_by_trial(rows, STRICT, remembered(CONDORCET[name], ck.Rankings))
    assert found.kind in ("exact", "at least")
    assert truth is not None
    assert found.voters is not None
    if found.kind == "exact":
        assert found.voters == truth
    else:
        assert found.at_most is not None
        assert found.voters <= truth <= found.at_most


def every_rule() -> dict[str, rules.Rule[Any]]:
    """All rules of all rooms, by their names."""
    found = {}
    for info in pkgutil.iter_modules(rules.__path__):
        for value in vars(importlib.import_module(f"choicekit.rules.{info.name}")).values():
            if isinstance(value, rules.Rule):
                found[value.function.__name__] = value
    return found


@settings(max_examples=40)
@given(ballots(voters=7, alternatives=4))
def test_the_rules_taken_for_condorcets_are(profile: ck.Rankings) -> None:
    winner = profile.to_margins().condorcet_winner
    assume(winner is not None)
    known = every_rule()
    assert known.keys() >= robustness._CONDORCET | robustness._POSITIONAL
    for name in robustness._CONDORCET:
        assert known[name](profile).winners == (winner,), name


@given(strict_ballots(voters=7, alternatives=4, least=2), st.sampled_from(sorted(POSITIONAL)), st.integers(2, 9))
def test_weights_are_voters(profile: ck.Rankings, name: str, times: int) -> None:
    if name == "odd points" and len(profile.alternatives) != 3:
        return
    many = ck.Rankings(profile.ranks, np.full(len(profile.ranks), times))
    each = ck.Rankings(np.repeat(profile.ranks, times, axis=0))
    assert margin_of_victory(many, POSITIONAL[name]) == margin_of_victory(each, POSITIONAL[name])


def test_margins_by_hand() -> None:
    # plurality 42 : 26, each going over takes 1 and gives 1; Borda 194 : 173, gains of 4 from those who put N above C
    assert margin_of_victory(CAPITAL, plurality).voters == 8
    assert margin_of_victory(CAPITAL, borda).voters == 6
    assert margin_of_victory(CAPITAL, condorcet.schulze) == Robustness("exact", voters=8, of=100)
    large = ck.Rankings.from_orders({"ab": 3e9, "ba": 1e9})
    assert margin_of_victory(large, plurality).voters == pytest.approx(1e9, abs=5)


def test_utilities_are_seen_as_the_rankings_they_hold() -> None:
    profile = ck.Utilities(-CAPITAL.ranks, CAPITAL.weights, CAPITAL.alternatives)
    assert margin_of_victory(profile, borda) == margin_of_victory(CAPITAL, borda)
    assert margin_of_victory(profile, condorcet.copeland) == margin_of_victory(CAPITAL, condorcet.copeland)


def test_nothing_changes_where_nothing_can() -> None:
    alone = margin_of_victory(ck.Rankings([[0], [0]]), borda)
    assert (alone.kind, alone.voters, str(alone)) == ("exact", None, "exact: no change of ballots")
    same = margin_of_victory(CAPITAL, functools.partial(positional, points=[1, 1, 1, 1]))
    assert same.voters is None
    assert same.kind == "exact"


def test_approvals_under_a_rule_on_rankings_are_bounded_without_trial() -> None:
    votes = ck.Approvals([[1, 0], [1, 0], [1, 0], [0, 1]], alternatives="ab")
    assert margin_of_victory(votes, condorcet.copeland) == Robustness("at least", voters=1, of=4)
    assert margin_of_victory(votes, borda, rng=0).kind == "bootstrap"


def test_a_rule_by_another_name_or_with_other_options_is_resampled() -> None:
    def same(profile: ck.Rankings) -> Any:
        return borda(profile)

    same.__name__ = "borda"
    assert margin_of_victory(CAPITAL, same, rng=0).kind == "bootstrap"
    assert margin_of_victory(CAPITAL, rules.rule(_like_plurality), rng=0).kind == "bootstrap"
    absent = functools.partial(borda, unranked="absent")
    assert margin_of_victory(CAPITAL, absent, rng=0).kind == "bootstrap"


def _like_plurality(profile: ck.Rankings) -> Any:
    return plurality(profile)


def test_resamples_tell_the_firm_from_the_close() -> None:
    firm = margin_of_victory(CAPITAL, instant_runoff, rng=1)
    sure = margin_of_victory(ck.Rankings.from_orders({"abc": 95, "bca": 5}), instant_runoff, rng=1)
    assert firm.kind == sure.kind == "bootstrap"
    assert firm.share is not None
    assert firm.interval is not None
    assert firm.interval[0] < firm.share < firm.interval[1] < 1
    assert (sure.share, sure.replicates, sure.of) == (1.0, 200, 100)
    assert margin_of_victory(CAPITAL, instant_runoff, rng=1) == firm
    assert margin_of_victory(CAPITAL, instant_runoff, replicates=0).kind == "unknown"


def test_resamples_are_of_the_right_size_and_share() -> None:
    # the only voter for b is drawn with probability 1 − (3/4)⁴ at least once, twice or more makes a tie or more
    votes = ck.Rankings.from_orders({"ab": 3, "ba": 1})
    found = bootstrap(votes, [(plurality, ("a",))], 4000, np.random.default_rng(0), 0.95)[0]
    assert found.share == pytest.approx((3**4 + 4 * 3**3) / 4**4, abs=0.03)
    assert found.of == 4
    # the middle of Wilson's interval, by his formula
    p, z = found.share, 1.959963984540054
    middle = (p + z * z / 8000) / (1 + z * z / 4000)
    assert found.interval is not None
    assert sum(found.interval) / 2 == pytest.approx(middle)


def test_real_weights_count_as_kish_says() -> None:
    votes = ck.Rankings.from_orders({"ab": 0.5, "ba": 0.25})
    found = margin_of_victory(votes, plurality, rng=0)
    assert (found.kind, found.of) == ("bootstrap", round(0.75**2 / (0.25 + 0.0625)))


def test_resamples_that_a_rule_refuses_do_not_count() -> None:
    votes = ck.Rankings([[0, 1], [-1, -1]])

    def fussy(profile: ck.Rankings) -> Winners:
        if (profile.ranks < 0).any():
            raise ValueError("blank")
        return Winners((0, 1), (0,))

    found = bootstrap(votes, [(fussy, (0,))], 400, np.random.default_rng(0), 0.95)[0]
    assert 40 < found.replicates < 160  # a quarter has no blank ballot
    assert found.share == 1
    never = bootstrap(votes, [(_refuse, (0,))], 5, np.random.default_rng(0), 0.95)[0]
    assert str(never) == "unknown: the rule refused every resample"


def _refuse(profile: Any) -> Any:
    raise ValueError(f"no {len(profile.alternatives)}")


def test_options_for_each_voter_survive_a_resample() -> None:
    votes = ck.Utilities([[3, 2], [9, 5], [1, 2]])
    nash = functools.partial(cardinal.nash, disagreement=[0, 1, 0])
    assert margin_of_victory(votes, nash, rng=0, replicates=20).replicates == 20


def test_what_holds_no_ballots_is_unknown() -> None:
    found = margin_of_victory(CAPITAL.to_margins(), condorcet.copeland)
    assert str(found) == "unknown: Margins hold no ballots"


@pytest.mark.parametrize(
    ("options", "said"), [({"replicates": -1}, "replicates: needed"), ({"level": 1}, "level: nee")]
)
def test_bad_numbers_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        margin_of_victory(CAPITAL, borda, **options)
    with pytest.raises(ValueError, match=said):
        compare(CAPITAL, [borda], **options)


def test_an_outcome_without_winners_is_refused() -> None:
    with pytest.raises(TypeError, match=r"needed an outcome with winners .*, got str"):
        winners_of("a")


def test_partials_in_partials() -> None:
    inner = functools.partial(k_approval, k=2)
    assert taken_apart(functools.partial(inner, k=3)) == (k_approval, {"k": 3})


# --- Side by side -------------------------------------------------------------------------------------------------


def test_a_table_of_many_rules() -> None:
    contest = compare(
        CAPITAL,
        [
            plurality,
            functools.partial(k_approval, k=2),
            instant_runoff,
            condorcet.schulze,
            cardinal.utilitarian,
            lambda profile: borda(profile),
            probabilistic.random_dictatorship,
        ],
        rng=0,
    )
    rows = contest.rows()
    names = [row["rule"] for row in rows]
    assert names == ["plurality", "k_approval(k=2)", "instant_runoff", "schulze", "utilitarian", "rule 6",
                     "random_dictatorship"]  # fmt: skip
    assert [row["winners"] for row in rows] == [["M"], ["N"], ["K"], ["N"], [], ["N"], ["C", "K", "M", "N"]]
    assert [row["kind"] for row in rows] == ["exact", "exact", "bootstrap", "exact", None, "bootstrap", "bootstrap"]
    assert rows[4]["refusal"].startswith("utilitarian needs Utilities; Rankings cannot be turned into them")
    assert rows[6]["probabilities"] == pytest.approx([0.15, 0.17, 0.42, 0.26])
    assert len({tuple(row) for row in rows}) == 1
    assert next(iter(contest.groups.items())) == (("N",), ("k_approval(k=2)", "schulze", "rule 6"))
    agreement = contest.agreement
    assert agreement[0, 6] == 0.25
    assert agreement[1, 3] == 1
    assert agreement[0, 1] == 0
    assert np.isnan(agreement[4]).all()
    text = str(contest)
    assert "plurality            M" in text
    assert "C 0.15, K 0.17, M 0.42, N 0.26" in text
    assert "refused: utilitarian needs Utilities" in text
    assert max(map(len, text.splitlines())) < 120
    assert text.splitlines()[-1] == "C, K, M, N: random_dictatorship"


def test_what_compare_finds_is_what_each_rule_says() -> None:
    several = [borda, instant_runoff, condorcet.copeland, probabilistic.maximal_lottery]
    contest = compare(CAPITAL, several, rng=7)
    for rule, answer in zip(several, contest.answers, strict=True):
        outcome = rule(CAPITAL)
        assert answer.winners == outcome.winners
        assert type(answer.outcome) is type(outcome)
        assert answer.robustness == margin_of_victory(CAPITAL, rule, rng=7)


def test_every_kind_of_profile() -> None:
    utilities = ck.Utilities([[3, 1, 0], [0, 2, 3], [0, 2, 3]], alternatives="abc")
    contest = compare(utilities, [cardinal.nash, grades.star, borda, cardinal.approval], rng=0, replicates=20)
    assert [answer.refusal is None for answer in contest.answers] == [True, True, True, False]
    approvals = ck.Approvals([[1, 0], [1, 1]], alternatives="ab")
    assert compare(approvals, [cardinal.approval, condorcet.copeland]).groups == {("a",): ("approval", "copeland")}
    margins = CAPITAL.to_margins()
    text = str(compare(margins, [condorcet.copeland, condorcet.schulze]))
    assert text.splitlines()[-1] == "All agree on N."
    assert "unknown: Margins hold no ballots" in text
    assert str(compare(margins, [borda])).splitlines()[-1] == "No rule speaks."


def test_names() -> None:
    twice = compare(CAPITAL, [borda, borda])
    assert [answer.rule for answer in twice.answers] == ["borda", "borda (2)"]
    named = compare(CAPITAL, {"mine": lambda profile: veto(profile)}, replicates=0)
    assert named.answers[0].rule == "mine"
    assert str(named.answers[0].robustness) == "unknown: no resamples were asked for"
    tied = compare(CAPITAL, [functools.partial(instant_runoff, ties=fixed_order("CKMN"))], replicates=5, rng=0)
    assert tied.answers[0].rule == "instant_runoff(ties=fixed order)"


def test_a_tie_is_shown_as_one() -> None:
    contest = compare(ck.Rankings.from_orders(["ab", "ba"]), [plurality])
    assert contest.answers[0].robustness == Robustness("exact", voters=1, of=2)
    assert "a, b" in str(contest)


def test_many_labels_are_cut_short() -> None:
    contest = compare(ck.Rankings(np.zeros((1, 9), int)), [plurality])
    assert "0, 1, 2, 3, 4, 5 and 3 more" in str(contest)


def test_what_is_no_rule_is_refused() -> None:
    with pytest.raises(TypeError, match="compare: needed a list of rules or a mapping"):
        compare(CAPITAL, borda)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got 'borda' in place 1"):
        compare(CAPITAL, [borda, "borda"])  # type: ignore[list-item]


def test_no_rules_at_all() -> None:
    assert str(compare(CAPITAL, [])).splitlines()[-1] == "No rule speaks."


def test_contests_hold_scores_and_lotteries() -> None:
    labels = ("a", "b")
    odds: NDArray[np.float64] = np.array([0.25, 0.75])
    contest = compare(CAPITAL, [lambda _: Scores(labels, odds), lambda _: Lottery(labels, odds)], replicates=0)
    assert [answer.winners for answer in contest.answers] == [("b",), ("a", "b")]
    assert contest.answers[1].probabilities == (0.25, 0.75)
    assert isinstance(contest, Contest)
    assert isinstance(contest.answers[0], Answer)
