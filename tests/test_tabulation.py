"""Multisets in order, profiles up to relabelling, and a rule's winners on every anonymous profile."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import reference_axioms_single as book

import choicekit as ck
from choicekit import domains, rules
from choicekit.axioms import _symmetry, _tabulation
from choicekit.axioms._readings import read_winners
from choicekit.kernels import multisets, relabellings

Rule = Callable[[ck.Rankings], Any]
SMALL = [(1, 1), (1, 4), (2, 1), (2, 5), (6, 1), (6, 3), (24, 2), (3, 7)]


def counts(kinds: int, voters: int) -> list[tuple[int, ...]]:
    """The counts of every multiset, in lexicographic order of the sorted ballots."""
    chosen = itertools.combinations_with_replacement(range(kinds), voters)
    return [tuple(each.count(k) for k in range(kinds)) for each in chosen]


def asked(rule: Rule, m: int, n: int) -> list[int]:
    """The winners on every anonymous profile as bits, each asked of the rule, one row a voter."""
    out = []
    for rows in itertools.combinations_with_replacement(itertools.permutations(range(m)), n):
        profile = ck.Rankings(list(rows))
        out.append(sum(1 << a for a in read_winners(rule(profile), profile)))
    return out


# Multisets


@pytest.mark.parametrize(("kinds", "voters"), SMALL)
def test_multisets_come_in_the_order_of_itertools(kinds: int, voters: int) -> None:
    table = multisets.binomials(voters, kinds)
    wanted = counts(kinds, voters)
    assert table[voters, kinds] == len(wanted) == math.comb(voters + kinds - 1, voters)
    now = multisets.unrank(0, kinds, voters, table)
    for place, each in enumerate(wanted):
        assert tuple(now) == each == tuple(multisets.unrank(place, kinds, voters, table))
        assert multisets.rank(now, voters, table) == place
        assert multisets.advance(now) == (place + 1 < len(wanted))
    assert tuple(now) == wanted[-1]
    chosen = list(itertools.combinations_with_replacement(range(kinds), voters))
    start, stop = len(chosen) // 3, len(chosen)
    assert multisets.tuples(kinds, voters, start, stop).tolist() == [list(each) for each in chosen[start:stop]]


def test_a_table_of_binomials_holds_every_number_of_multisets() -> None:
    table = multisets.binomials(30, 120)
    for r, p in itertools.product((0, 1, 2, 5), (1, 2, 24, 120)):
        assert table[r, p] == math.comb(r + p - 1, r)
    assert table[8, 24] == 7_888_725


@pytest.mark.parametrize(("kinds", "voters"), [(6, 3), (24, 2)])
def test_multisets_are_renamed_and_grown_as_their_counts_are(kinds: int, voters: int) -> None:
    every = counts(kinds, voters)
    rename = np.random.default_rng(0).permutation(kinds)
    renamed = [tuple(each[rename.tolist().index(k)] for k in range(kinds)) for each in every]
    assert multisets.images(rename, voters).tolist() == [every.index(each) for each in renamed]
    larger = counts(kinds, 2 * voters)
    doubled = [larger.index(tuple(2 * count for count in each)) for each in every]
    assert multisets.grown(kinds, voters, 2, 0).tolist() == doubled


# Relabellings


@pytest.mark.parametrize(("m", "n"), [(2, 4), (3, 1), (3, 4), (4, 2)])
def test_classes_are_the_profiles_that_a_relabelling_makes_of_one(m: int, n: int) -> None:
    ballots = list(itertools.permutations(range(m)))
    profiles = list(itertools.combinations_with_replacement(range(len(ballots)), n))
    moves = list(itertools.permutations(range(m)))

    def image(ballot: tuple[int, ...], move: tuple[int, ...]) -> int:
        """What was said of a is said of move[a]."""
        turned = [0] * m
        for a, rank in enumerate(ballot):
            turned[move[a]] = rank
        return ballots.index(tuple(turned))

    first, move = _tabulation.classes(m, n)
    for place, rows in enumerate(profiles):
        images = [tuple(sorted(image(ballots[k], each) for k in rows)) for each in moves]
        assert first[place] == min(profiles.index(each) for each in images)
        stands = profiles[first[place]]
        assert tuple(sorted(image(ballots[k], moves[move[place]]) for k in stands)) == rows
    assert len(set(first.tolist())) == domains.count(voters=n, alternatives=m, anonymous=True, neutral=True)


@pytest.mark.parametrize(("m", "n"), [(2, 6), (3, 4), (4, 2)])
def test_orders_are_multinomial_coefficients(m: int, n: int) -> None:
    kinds = math.factorial(m)
    ways = relabellings.orders(_tabulation.size(m, n), kinds, n)
    of_named = Counter(tuple(sorted(rows)) for rows in itertools.product(range(kinds), repeat=n))
    assert ways.tolist() == [of_named[rows] for rows in itertools.combinations_with_replacement(range(kinds), n)]


# Tables


def first_by_number(profile: ck.Rankings) -> Any:
    """Not neutral: the first of the winners alone."""
    return rules.borda(profile).winners[0]


def tops(profile: ck.Rankings) -> set[Any]:
    points = Counter(profile.alternatives[row.argmin()] for row in profile.ranks)
    return {a for a in points if points[a] == max(points.values())}


RULES: dict[str, Rule] = {
    "borda": rules.borda, "instant_runoff": rules.instant_runoff, "schulze": rules.schulze, "minimax": rules.minimax,
    "kemeny": rules.kemeny, "uncovered_set": rules.uncovered_set, "coombs": rules.coombs,
    "random_dictatorship": rules.random_dictatorship, "maximal_lottery": rules.maximal_lottery,
    "two_approval": partial(partial(rules.k_approval, k=1), k=2),
    "first_by_number": first_by_number, "tops": tops, "drawn": book.asked(book.drawn_rule(0)),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_table_holds_what_the_rule_says_of_each_profile(name: str) -> None:
    for m, n in ((2, 1), (2, 3), (3, 1), (3, 3), (4, 2)):
        wanted = asked(RULES[name], m, n)
        assert _tabulation.Table(RULES[name])(m, n).tolist() == wanted, (m, n)
        chosen = np.arange(0, len(wanted), 2)
        assert _tabulation.winners(RULES[name], m, n, chosen).tolist() == wanted[::2]


@pytest.mark.parametrize("name", ["borda", "uncovered_set", "maximal_lottery", "tops"])
def test_the_table_of_a_neutral_rule_is_that_of_any(name: str) -> None:
    for m, n in ((3, 9), (4, 3)):  # more profiles than are all asked about
        one, other = _tabulation.Table(RULES[name]), _tabulation.Table(RULES[name], neutral=True)
        assert one(m, n).tolist() == other(m, n).tolist()
        assert one.calls == [_tabulation.size(m, n)]
        assert other.calls == [domains.count(voters=n, alternatives=m, anonymous=True, neutral=True)]


def test_a_rule_is_called_once_for_each_class() -> None:
    calls: list[Any] = []

    def counted(profile: ck.Rankings) -> set[Any]:
        calls.append(profile)
        return tops(profile)

    table = _tabulation.Table(counted, neutral=True)
    for _ in range(2):
        table(4, 3)
    classes = domains.count(voters=3, alternatives=4, anonymous=True, neutral=True)
    assert len(calls) == table.calls[0] == classes
    assert len({each.ranks.tobytes() for each in calls}) == classes
    assert table.cost(4, 3) == 0
    assert table.of_neutral().calls is table.calls


def test_winners_of_one_alternative_are_not_asked_for() -> None:
    assert _tabulation.Table(lambda _: 1 / 0)(1, 7).tolist() == [1]  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(("m", "n"), [(6, 1), (2, 256), (4, 9)])
def test_tables_too_large_for_a_byte_or_ten_million_rows_are_not_made(m: int, n: int) -> None:
    assert not _tabulation.reaches(m, n)
    with pytest.raises(ValueError, match=f"profiles of {n} voters"):
        _tabulation.Table(tops)(m, n)


def test_as_many_voters_as_a_byte_holds() -> None:
    table = _tabulation.Table(rules.plurality)(2, 255)
    assert table.tolist() == [1] * 128 + [2] * 128


# Symmetries


def seen(rule: Rule, m: int = 3, n: int = 3) -> tuple[bool, bool, bool]:
    found = _symmetry.of_winners(_tabulation.Table(rule), range(2, m + 1), n)
    return found.anonymous, found.neutral, found.columns


def last_voter(profile: ck.Rankings) -> Any:
    return profile.alternatives[profile.ranks[-1].argmin()]


def unless_zero_stands(profile: ck.Rankings) -> Any:
    return {0} if 0 in profile.alternatives else tops(profile)


def test_symmetries_are_those_the_rule_has() -> None:
    assert seen(rules.borda) == seen(tops) == (True, True, True)
    assert seen(first_by_number) == (True, False, True)
    assert seen(last_voter)[0] is False
    assert seen(unless_zero_stands) == (True, False, False)
    assert seen(partial(rules.k_approval, k=2)) == (True, True, True)


@pytest.mark.parametrize("seed", range(12))
def test_symmetries_of_drawn_rules_are_seen_where_they_fail(seed: int) -> None:
    rule = book.asked(book.drawn_rule(seed, named=True))
    named = all(
        rule(profile) == rule(ck.Rankings(sorted(profile.ranks.tolist())))
        for m, n in ((2, 2), (2, 3), (3, 2), (3, 3))
        for profile in domains.every(voters=n, alternatives=m)
    )
    assert seen(rule)[0] == named


def test_nothing_is_used_that_was_not_looked_at() -> None:
    assert _symmetry.of_winners(_tabulation.Table(tops), range(2, 4), 3, budget=3) == (False, False, 0, False)


def test_only_the_widths_asked_for_are_looked_at() -> None:
    def of_three(profile: ck.Rankings) -> Any:
        return tops(profile) if len(profile.alternatives) >= 3 else 1 / 0

    found = _symmetry.of_winners(_tabulation.Table(of_three), range(3, 4), 3)
    assert (found.anonymous, found.neutral) == (True, True)
    kernel = partial(rules.k_approval, k=3)
    assert _symmetry.of_winners(_tabulation.Table(kernel), range(3, 5), 2).anonymous


def test_a_rule_that_changes_its_mind_is_refused() -> None:
    answers = itertools.cycle([{0}, {1}])
    with pytest.raises(RuntimeError, match="does not answer alike each time"):
        _symmetry.of_winners(_tabulation.Table(lambda _: next(answers)), range(2, 3), 2)


# Reading


@pytest.mark.parametrize(
    ("outcome", "wanted"),
    [("b", ("b",)), (["b", "a"], ("a", "b")), ({"c"}, ("c",)), (np.array(["c", "a"]), ("a", "c")),
     ((a for a in "ba"), ("a", "b")), (ck.outcomes.Scores(tuple("abc"), np.array([1.0, 0, 1])), ("a", "c"))],
)  # fmt: skip
def test_winners_are_read_in_the_order_of_the_alternatives(outcome: Any, wanted: Any) -> None:
    assert read_winners(outcome, ck.Rankings.from_orders({"abc": 1})) == wanted


@pytest.mark.parametrize("outcome", [[], "ab", "d", None, ["a", "a"], ["a", "d"], {"a": 1}, Counter("a"), 0])
def test_what_names_no_winners_is_refused(outcome: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"the rule (named|answered)"):
        read_winners(outcome, ck.Rankings.from_orders({"abc": 1}))


@pytest.mark.parametrize("outcome", [[True, False], np.array([True, False]), [1.0, 0.0], np.array([0.0, 1.0])])
def test_truth_values_and_scores_are_not_taken_for_labels(outcome: Any) -> None:
    with pytest.raises(TypeError, match="truth values or scores"):
        read_winners(outcome, ck.Rankings([[0, 1]]))
    assert read_winners([1.0], ck.Rankings([[0, 1]], None, [0.5, 1.0])) == (1.0,)
