"""Multisets in order, profiles up to relabelling, and a rule's winners on every anonymous profile."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import reference_axioms_single as book

import choicekit as ck
from choicekit import axioms, domains, rules
from choicekit.axioms import Axiom, _symmetry, _tabulation, checking
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
    all_ = np.ones(len(every), np.bool_)
    assert multisets.images(rename, voters, all_).tolist() == [every.index(each) for each in renamed]
    larger = counts(kinds, 2 * voters)
    doubled = [larger.index(tuple(2 * count for count in each)) for each in every]
    assert multisets.grown(kinds, voters, 2, 0, all_).tolist() == doubled


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


# The profiles that stand for their relabellings

SCANNED = [axiom for axiom in axioms.every_axiom() if axiom.scan is not None]


def drawn_table(seed: int) -> Callable[[int, int], Any]:
    """Winners at random, alike for all alternatives: of a draw for each profile, those named most often by the draws of
    all its relabellings, named back.
    """

    @cache
    def table(m: int, n: int) -> Any:
        image, moves = _tabulation.moved(m)
        total = _tabulation.size(m, n)
        draws = np.random.default_rng([seed, m, n]).integers(1, 1 << m, total)
        votes = np.zeros((total, m), np.int64)
        for ballots, move in zip(image, moves, strict=True):
            relabelled = draws[multisets.images(ballots.astype(np.int64), n, np.ones(total, np.bool_))]
            votes += relabelled[:, None] >> move & 1
        return ((votes == votes.max(1, keepdims=True)) << np.arange(m)).sum(1).astype(np.uint16)

    return table


def small_enough(axiom: Axiom, m: int, n: int) -> bool:
    most = {"homogeneity": 3 * n, "block_invariance": n + math.factorial(m)}.get(axiom.name, n + 2)
    return _tabulation.size(m, most) <= 20_000


@pytest.mark.parametrize("axiom", SCANNED, ids=lambda axiom: axiom.name)
def test_a_scan_of_some_profiles_says_of_them_what_the_scan_of_all_says(axiom: Axiom) -> None:
    """Of a neutral table the same is said of all relabellings, as axioms say that they are neutral."""
    assert axiom.scan is not None
    tables: list[Any] = [drawn_table(0), drawn_table(1)]
    tables += [cache(_tabulation.Table(RULES[name])) for name in ("borda", "instant_runoff", "coombs", "uncovered_set")]
    told, alike = set(), True
    for table, (m, n) in itertools.product(tables, ((1, 3), (2, 3), (3, 1), (3, 2), (3, 4), (4, 1), (4, 2))):
        if not small_enough(axiom, m, n):
            continue
        full = axiom.scan(table, m, n)
        first, _ = _tabulation.classes(m, n)
        standing = first == np.arange(len(first))
        alike = alike and bool((full == full[first]).all())
        told |= set(full[standing].tolist())
        every_third = np.arange(len(full)) % 3 == 0
        for only in (standing, every_third, ~standing, full & False):
            before = only.copy()
            np.testing.assert_array_equal(axiom.scan(table, m, n, only=only), full & only, f"{m} {n}")
            assert (only == before).all()
    assert alike == axiom.neutral
    assert told == ({False} if axiom.name == "neutrality" else {False, True})


@pytest.mark.parametrize("axiom", SCANNED, ids=lambda axiom: axiom.name)
def test_some_profiles_of_a_rule_that_is_not_neutral(axiom: Axiom) -> None:
    """Where a clash on other profiles is no sign of one on these."""
    assert axiom.scan is not None
    rng, found = np.random.default_rng(3), 0
    table = cache(lambda m, n: rng.integers(1, 1 << m, _tabulation.size(m, n)).astype(np.uint16))
    nearly = cache(lambda m, n: np.where(np.arange(_tabulation.size(m, n)) == 7, 1, (1 << m) - 1).astype(np.uint16))
    for tables, (m, n) in itertools.product((table, nearly), ((2, 3), (3, 1), (3, 2), (3, 3), (4, 2))):
        if small_enough(axiom, m, n):
            full = axiom.scan(tables, m, n)
            alone = np.eye(len(full), dtype=np.bool_)[full][:12]
            for only in (rng.random(len(full)) < 0.1, *alone):
                got = axiom.scan(tables, m, n, only=only)
                assert got.tolist() == (full & only).tolist(), (m, n)
                found += int(got.sum())
    assert found


def test_what_to_look_at_is_said_of_each_profile() -> None:
    for axiom, only in itertools.product(SCANNED, (np.ones(20, np.bool_), np.ones(21, np.int8))):
        scan: Any = axiom.scan
        with pytest.raises(ValueError, match="scan: needed only of true and false for each of 21 profiles"):
            scan(drawn_table(0), 3, 2, only=only)


def test_a_table_knows_which_profiles_it_asked_about() -> None:
    for look_first in (False, True):
        table = _tabulation.Table(tops, neutral=True)
        if look_first:
            assert table.standing(4, 3) is not None
            assert table.calls == [0]
        table(4, 3)
        standing = table.standing(4, 3)
        assert standing is not None
        assert standing.sum() == table.calls[0]
        first, _ = _tabulation.classes(4, 3)
        assert np.flatnonzero(standing).tolist() == sorted(set(first.tolist()))
        assert not table._pending
    assert table.standing(3, 4) is table.standing(6, 2) is table.standing(4, 9) is None
    assert _tabulation.Table(tops).standing(4, 3) is None


@pytest.mark.parametrize("name", ["borda", "instant_runoff", "coombs", "uncovered_set", "tops", "first_by_number"])
def test_verdicts_are_those_of_scans_of_all_profiles(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def verdicts() -> list[Any]:
        found = [
            axioms.check(RULES[name], SCANNED, voters=(1, n), alternatives=(m, m), budget=10_000, draws=1)
            for m, n in ((3, 9), (4, 3))
        ]
        return [(each.status, each.scope, str(each.violation), each.minimal) for several in found for each in several]

    fewer = verdicts()
    monkeypatch.setattr(checking._Bench, "standing", lambda *_: None)
    assert verdicts() == fewer


def test_only_neutral_axioms_of_neutral_rules_are_looked_at_up_to_relabelling() -> None:
    seen: dict[tuple[int, int], int | None] = {}

    def watched(tables: Any, m: int, n: int, *, only: Any = None) -> Any:
        seen[m, n] = None if only is None else int(only.sum())
        return np.zeros(len(tables(m, n)), np.bool_)

    def nothing(_ask: Any, _profile: Any) -> None:
        return None

    for rule, neutral in ((tops, True), (tops, False), (first_by_number, True)):
        made = axioms.axiom(kind="intra", about=axioms.readings.winners, neutral=neutral, scan=watched)(nothing)
        scope = axioms.check(rule, made, voters=3, alternatives=4).scope
        assert scope.profiles == sum(_tabulation.size(m, n) for m in (2, 3, 4) for n in (1, 2, 3))
        fewer = domains.count(voters=3, alternatives=4, anonymous=True, neutral=True)
        assert seen[4, 3] == (fewer if rule is tops and neutral else None)
        assert [seen[size] for size in seen if size != (4, 3)] == [None] * 8


@pytest.mark.parametrize(
    "answer",
    [{0}, (2, 0), [1], frozenset({0, 1, 2}), 1, np.int64(2), {np.int64(1)}, np.array([0, 2]), (), (1, 1), {3}, {-1},
     {True}, [0, 1.0], {0, None}, "0", None, {0: 1}, [True, False, False]],
)  # fmt: skip
def test_plain_answers_are_read_as_any(answer: Any) -> None:
    """What is taken without a second look is what a second look would see, whatever is answered."""
    profile = ck.Rankings(np.array([[0, 1, 2]]), alternatives=(0, 1, 2))

    def read(once: Callable[[], Any]) -> Any:
        try:
            return once()
        except (TypeError, ValueError) as error:
            return type(error), str(error)

    wanted = read(lambda: [sum(1 << a for a in read_winners(answer, profile))] * 2)
    found = read(lambda: _tabulation.one_by_one(lambda _: answer, np.array([[0], [1]]), 3).tolist())
    assert found == wanted


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
