"""Axioms of bargaining: four solutions, definitions by geometry in the plane, and problems that iteration blurs."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import Axiom, Violation
from choicekit.axioms._readings import Ask
from choicekit.axioms.bargaining import _room

Rule = Callable[[Any], Any]
EVERY: tuple[Axiom, ...] = (
    axioms.pareto_of_bargains, axioms.weak_pareto_of_bargains, axioms.symmetry_of_bargains,
    axioms.scale_invariance_of_bargains, axioms.independence_of_irrelevant_bargains, axioms.individual_monotonicity,
    axioms.strong_monotonicity, axioms.restricted_monotonicity,
)  # fmt: skip


def kalai(profile: ck.Utilities) -> np.ndarray[Any, Any]:
    """The greatest equal gains: Kalai's egalitarian solution, in which anything above them is thrown away."""
    least = rules.egalitarian_lottery(profile).utilities[profile.weights > 0].min()
    return np.full(len(profile.weights), least)


def utilitarian(profile: ck.Utilities) -> np.ndarray[Any, Any]:
    """The most even of the gains with the greatest sum (of two voters)."""
    total = profile.values.sum(0)
    best = profile.values[:, total == total.max()]
    low, high = best[0].min(), best[0].max()
    first = float(np.clip(total.max() / 2, low, high))
    return np.array([first, total.max() - first])


def first_alternative(profile: ck.Utilities) -> np.ndarray[Any, Any]:
    return profile.values[:, 0]


def grid(width: int, voters: int = 2, values: tuple[int, ...] = (1, 2, 3)) -> Iterator[ck.Utilities]:
    """Every problem up to the order of the alternatives and of the voters."""
    columns = list(itertools.product(values, repeat=voters))
    seen = set()
    for each in itertools.combinations(columns, width):
        rows = tuple(sorted(zip(*each, strict=True)))
        if rows not in seen:
            seen.add(rows)
            yield ck.Utilities(rows)


def found_first(axiom: Axiom, rule: Rule, profiles: Iterable[ck.Utilities]) -> Violation | None:
    ask = Ask(rule, axiom.about)
    return next((found for each in profiles if (found := axiom.examine(ask, each))), None)


# --- Four solutions and what they satisfy --------------------------------------------------------------------------

# Nash 1950, Kalai and Smorodinsky 1975, Kalai 1977, in the order of COLUMNS
COLUMNS = (
    axioms.pareto_of_bargains, axioms.symmetry_of_bargains, axioms.scale_invariance_of_bargains,
    axioms.independence_of_irrelevant_bargains, axioms.individual_monotonicity, axioms.strong_monotonicity,
)  # fmt: skip
TABLE: dict[Rule, tuple[bool, ...]] = {
    rules.nash_lottery: (True, True, True, True, False, False),
    rules.kalai_smorodinsky: (True, True, True, False, True, False),
    kalai: (False, True, False, True, True, True),
    utilitarian: (True, True, False, True, False, False),
}


def small() -> list[ck.Utilities]:
    """All problems with up to three alternatives that give 1, 2 or 3, and some larger."""
    larger = [[[0, 3, 4, 4], [4, 3, 0, 2.8]], [[0, 3, 4, 4], [4, 3, 0, 1]], [[4, 0, 3, 1], [0, 4, 3, 3]]]
    return [each for width in (1, 2, 3) for each in grid(width)] + [ck.Utilities(values) for values in larger]


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.__name__)
def test_four_solutions(rule: Rule) -> None:
    for axiom, holds in zip(COLUMNS, TABLE[rule], strict=True):
        found = found_first(axiom, rule, small())
        assert (found is None) == holds, (axiom, str(found))
        if found is not None:
            assert found.replay()
            again = Violation.from_json(found.to_json())
            assert again.replay(rule)
            assert str(again) == str(found)
    assert found_first(axioms.weak_pareto_of_bargains, rule, small()) is None


ORDERED = ("pareto", "weak_pareto", "symmetry", "scale", "independence", "individual", "strong", "restricted")


@pytest.mark.parametrize(("rule", "violated"), [
    # in the midst of the lotteries whose least gain is greatest: it gives away what Kalai's solution withholds
    (rules.egalitarian_lottery, {"pareto", "scale", "independence", "individual", "strong", "restricted"}),
    (rules.leximin_lottery, {"scale", "strong"}),
    (rules.utilitarian_lottery, {"scale", "independence", "individual", "strong", "restricted"}),
    (rules.nash_lottery, {"individual", "strong", "restricted"}),
    (rules.kalai_smorodinsky, {"independence", "strong"}),
    (kalai, {"pareto", "scale"}),
], ids=lambda each: getattr(each, "__name__", ""))  # fmt: skip
def test_what_lotteries_violate_for_two_voters(rule: Rule, violated: set[str]) -> None:
    problems = small()
    found = {name for name, axiom in zip(ORDERED, EVERY, strict=True) if found_first(axiom, rule, problems)}
    assert found == violated


def test_a_mean_of_tied_alternatives_is_no_function_of_what_is_possible() -> None:
    # the same gains are possible with or without the second copy; a lottery in the midst counts it
    votes = ck.Utilities([[1, 1, 0], [0, 0, 1]])
    found = axioms.symmetry_of_bargains(rules.utilitarian_lottery, votes)
    assert found is not None
    assert found.outcomes[0] == pytest.approx((2 / 3, 1 / 3))
    assert axioms.symmetry_of_bargains(utilitarian, votes) is None
    dominated = ck.Utilities([[3, 1, 2, 1], [1, 3, 1, 1]])
    assert axioms.symmetry_of_bargains(first_alternative, dominated) is not None
    assert axioms.symmetry_of_bargains(first_alternative, ck.Utilities([[3, 1], [1, 3]], [2, 1])) is None


def test_efficient_shares_of_three_are_not_monotonic() -> None:
    # Roth 1979: for three voters nothing is efficient, symmetric and monotonic where ideals stay
    votes = ck.Utilities([[1, 1, 2, 0, 2], [2, 0, 1, 2, 1], [0, 2, 2, 2, 0]])
    found = axioms.restricted_monotonicity(rules.kalai_smorodinsky, votes)
    assert found is not None
    assert found.captions[1] == "without 0"
    assert found.outcomes[0] == pytest.approx((10 / 7, 10 / 7, 10 / 7))
    assert found.outcomes[1] == pytest.approx((4 / 3, 4 / 3, 2))
    assert found.reason == "voter 2 gets more without 0, where all can hope for as much"
    assert axioms.restricted_monotonicity(kalai, votes) is None
    assert axioms.individual_monotonicity(rules.kalai_smorodinsky, votes) is None  # of two voters only


# --- By exact geometry in the plane ---------------------------------------------------------------------------------


def best_of(columns: list[tuple[Fraction, Fraction]], gains: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    """Over all lotteries (in the plane two alternatives do): the most added to the smaller surplus, and to the larger
    where neither is below 0 (-1 where one always is).
    """
    least, most = Fraction(-100), Fraction(-1)
    for u, v in itertools.product(columns, repeat=2):
        shares = {Fraction(0), Fraction(1)}
        for one, other in ((0, 0), (1, 1), (0, 1)):
            # where a surplus is 0, or both are equal
            slope = (u[one] - v[one]) - (u[other] - v[other] if one != other else 0)
            at = (v[one] - gains[one]) - (v[other] - gains[other] if one != other else 0)
            if slope and 0 <= -at / slope <= 1:
                shares.add(-at / slope)
        for share in shares:
            surplus = [share * u[i] + (1 - share) * v[i] - gains[i] for i in (0, 1)]
            least = max(least, min(surplus))
            if min(surplus) >= 0:
                most = max(most, max(surplus))
    return least, most


def columns_of(profile: ck.Utilities) -> list[tuple[Fraction, Fraction]]:
    return [(Fraction(u), Fraction(v)) for u, v in profile.values.T.tolist()]


def exact(profile: ck.Utilities, seed: int) -> tuple[Fraction, Fraction]:
    """The gains of a lottery in quarters, or of one with something thrown away, as the seed has it."""
    columns = columns_of(profile)
    rng = np.random.default_rng(zlib.crc32(repr((columns, seed)).encode()))
    picked = [columns[i] for i in rng.integers(len(columns), size=4)]
    thrown = [Fraction(int(rng.integers(0, 2)), 2) if rng.random() < 0.3 else Fraction(0) for _ in range(2)]
    first, second = (sum(c[i] for c in picked) / 4 * (1 - thrown[i]) for i in (0, 1))
    return first, second


def random_rule(seed: int) -> Rule:
    return lambda profile: np.array([float(gain) for gain in exact(profile, seed)])


def without(profile: ck.Utilities) -> Iterator[ck.Utilities]:
    width = len(profile.alternatives)
    for size in range(1, width):
        for keep in itertools.combinations(range(width), size):
            part = ck.Utilities(profile.values[:, keep])
            if (part.values.max(1) > 0).all():
                yield part


def book(profile: ck.Utilities, seed: int) -> dict[str, bool]:
    """What is violated, by fractions."""
    gains = exact(profile, seed)
    least, most = best_of(columns_of(profile), gains)
    values = profile.values
    parts = [(part, exact(part, seed)) for part in without(profile)]
    more = [(part, [then[i] > gains[i] for i in (0, 1)]) for part, then in parts]
    kept = [(part.values.max(1) == values.max(1)).tolist() for part, _ in parts]
    columns = columns_of(profile)
    points = {c for c in columns if not any(d != c and d[0] >= c[0] and d[1] >= c[1] for d in columns)}
    swapped = {(v, u) for u, v in points} == points
    return {
        "pareto": most > 0,
        "weak_pareto": least > 0,
        "symmetry": swapped and gains[0] != gains[1],
        "independence": any(then != gains and best_of(columns_of(part), gains)[0] >= 0 for part, then in parts),
        "individual": any(gets[i] and same[1 - i] for (_, gets), same in zip(more, kept, strict=True) for i in (0, 1)),
        "strong": any(any(gets) for _, gets in more),
        "restricted": any(any(gets) and all(same) for (_, gets), same in zip(more, kept, strict=True)),
    }


@pytest.mark.parametrize("name", [name for name in ORDERED if name != "scale"])
def test_axioms_by_the_book(name: str) -> None:
    axiom, seen = EVERY[ORDERED.index(name)], set()

    @given(rows=st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=1, max_size=4), seed=st.integers(0, 999))
    @settings(max_examples=100)
    def check(rows: list[tuple[int, int]], seed: int) -> None:
        profile = ck.Utilities(np.array(rows, float).T)
        found = axiom(random_rule(seed), profile)
        assert (found is not None) == book(profile, seed)[name]
        assert found is None or found.replay()
        seen.add(found is None)

    check()
    assert seen == {True, False}


# --- What iteration blurs, and what makes no difference -------------------------------------------------------------


def test_small_differences_are_no_violations() -> None:
    # the second voter could have 1 if the first gave up 1e-8; that is more than nothing (1e-9), so the first need not
    assert axioms.pareto_of_bargains(first_alternative, ck.Utilities([[1, 1 - 1e-8], [0, 1]])) is None
    assert axioms.pareto_of_bargains(first_alternative, ck.Utilities([[1, 1 - 1e-12], [0, 1]])) is not None
    assert axioms.pareto_of_bargains(first_alternative, ck.Utilities([[1, 1], [1 - 1e-8, 1]])) is None
    assert axioms.pareto_of_bargains(first_alternative, ck.Utilities([[1, 1], [1 - 1e-4, 1]])) is not None
    # the third alternative with a trace of the first is better for both; without it the second voter loses 1e-7, and
    # a third voter, who has the same anyway, cannot gain
    values = np.array([[1, 2, 3], [6, 3, 3], [1, 1, 1]])
    for chance in (6e-8, 5.98e-8, 3e-9):
        gains = values @ [chance, 1 - chance, 0]
        found = axioms.pareto_of_bargains(lambda _, gains=gains: gains, ck.Utilities(values))
        assert found is not None, chance
    # here what the second voter would lose cannot be mended
    for rows in ([[6, 5.999999984, 1], [1, 7, 7]], [[1, 0.99999994, 0], [3, 4, 4]], [[3, 2.99999997, 2], [5, 6, 5]]):
        assert axioms.pareto_of_bargains(first_alternative, ck.Utilities(rows)) is None
    # relative to what each can get: a voter who counts in millions does not drown one who counts in ones
    small = ck.Utilities([[0.5, 1], [1e6, 1e6]])
    assert axioms.pareto_of_bargains(first_alternative, small) is not None
    assert axioms.weak_pareto_of_bargains(first_alternative, ck.Utilities([[0.5, 0.6], [1e6, 1.1e6]])) is not None


def test_what_is_possible_is_decided_to_the_last_digits() -> None:
    values = np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.2]])
    for chance in (0.0, 1e-12, 4e-8, 1e-7, 0.3):
        room, given_ = _room(values, values @ np.array([1 - chance, chance, 0.0]))
        assert abs(room) < 1e-12
        assert given_ == pytest.approx([1 - chance, chance], abs=1e-12)
    for rows, much, little, chance in (
        ([[4, 4, 6], [8, 1, 8]], 0, 2, 8e-9),
        ([[6, 3, 2], [4, 7, 8]], 2, 1, 2.5e-8),
        ([[5, 4, 1], [5, 7, 6]], 1, 0, 3e-8),
    ):  # a linear programme alone is content with less here
        lottery = np.zeros(3)
        lottery[[much, little]] = 1 - chance, chance
        assert abs(_room(np.array(rows, float), np.array(rows, float) @ lottery)[0]) < 1e-12
    for far in (1e-8, 1e-7, 1e-3):
        assert _room(values, np.array([0.5 + far, 0.5 + far]))[0] == pytest.approx(-far, rel=1e-3)


@pytest.mark.parametrize("rule", [rules.nash_lottery, rules.kalai_smorodinsky, rules.leximin_lottery])
def test_solutions_of_rough_problems_violate_nothing(rule: Rule) -> None:
    rng = np.random.default_rng(3)
    axioms_of = {
        rules.nash_lottery: EVERY[:5], rules.kalai_smorodinsky: (*EVERY[:4], EVERY[5]),
        rules.leximin_lottery: (*EVERY[:3], EVERY[4]),
    }  # fmt: skip
    for number in range(25):
        values = np.exp(rng.standard_normal((2, 4)) * (1 + number % 3))
        for axiom in axioms_of[rule]:
            assert axiom(rule, ck.Utilities(values)) is None, (axiom, values)


ANONYMOUS = (rules.nash_lottery, rules.egalitarian_lottery, rules.utilitarian_lottery, rules.leximin_lottery)


@given(values=st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=2, max_size=3), rule=st.sampled_from(ANONYMOUS),
       data=st.data())  # fmt: skip
@settings(max_examples=25)
def test_verdicts_do_not_depend_on_names_and_order(values: list[Any], rule: Rule, data: st.DataObject) -> None:
    rows = np.array(values, float)
    voters, moves = data.draw(st.permutations(range(len(rows)))), data.draw(st.permutations(range(3)))
    profile = ck.Utilities(rows)
    other = ck.Utilities(rows[voters][:, moves], alternatives=[f"x{a}" for a in moves])
    idle = ck.Utilities([*rows, [9, 1, 0]], [1] * len(rows) + [0])
    for axiom in EVERY:
        found, moved = axiom(rule, profile), axiom(rule, other)
        assert (found is None) == (moved is None) == (axiom(rule, idle) is None), axiom
        if found is not None:
            assert found.replay()
            assert Violation.from_json(found.to_json()).replay(rule)


@given(values=st.lists(st.tuples(*[st.integers(1, 4)] * 3), min_size=1, max_size=2), rule=st.sampled_from(ANONYMOUS))
@settings(max_examples=25)
def test_a_weight_is_as_many_rows_where_power_counts(values: list[Any], rule: Rule) -> None:
    rows = np.array([[1, 2, 4], *values], float)
    weighted = ck.Utilities(rows, [3] + [1] * len(values))
    single = ck.Utilities(np.vstack([rows[:1], rows[:1], rows]))
    for axiom in (EVERY[0], EVERY[1], EVERY[4], EVERY[6], EVERY[7]):  # the others speak of single voters
        assert (axiom(rule, weighted) is None) == (axiom(rule, single) is None), axiom


def test_refusals() -> None:
    votes = ck.Utilities([[1, 0], [0, 1]])
    for axiom in (
        axioms.pareto_of_bargains,
        axioms.weak_pareto_of_bargains,
        axioms.independence_of_irrelevant_bargains,
    ):
        with pytest.raises(ValueError, match=r"the rule gives \(1, 1\), more than any lottery .* can"):
            axiom(lambda _: [1.0, 1.0], votes)
    for values in ([[1, -1], [0, 1]], [[1, np.nan], [0, 1]]):
        for axiom in EVERY:
            with pytest.raises(ValueError, match="needed utilities of at least 0, the point of disagreement"):
                axiom(first_alternative, ck.Utilities(values))
    wide = ck.Utilities(np.ones((2, 18)))
    for axiom in EVERY[4:]:
        with pytest.raises(ValueError, match="262,144 sets of alternatives to look at"):
            axiom(first_alternative, wide)
    with pytest.raises(TypeError, match="needs a probability for each of 2 alternatives"):
        axioms.pareto_of_bargains(lambda _: "half", votes)


def test_problems_in_which_somebody_cannot_gain_are_left_out() -> None:
    # without the second alternative the second voter has nothing to gain, and Nash's product is always 0
    votes = ck.Utilities([[1, 0], [0, 1]])
    for axiom in EVERY:
        assert axiom(rules.nash_lottery, votes) is None
    assert axioms.weak_pareto_of_bargains(rules.egalitarian_lottery, ck.Utilities([[1, 2], [0, 0]])) is None
