"""Axioms of utilities: which rule has which, as the literature says; every violation checked by its definition."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import axioms, rules
from choicekit.axioms import Violation
from choicekit.axioms._readings import Ask, places

harmonic = functools.partial(rules.power_mean, exponent=-1.0)  # orders as Atkinson's index of aversion 2 does
best_off = functools.partial(rules.power_mean, exponent=np.inf)


def nash(profile: ck.Utilities) -> ck.Scores:
    """The geometric mean: its ties, unlike those of logarithms near 0, are as wide as it is."""
    return ck.Scores(profile.alternatives, np.exp(rules.nash(profile).scores))


RULES = {
    "utilitarian": rules.utilitarian, "nash": nash, "egalitarian": rules.egalitarian, "leximin": rules.leximin,
    "best_off": best_off, "median": rules.quantile, "harmonic": harmonic, "relative": rules.relative_utilitarian,
    "borda": rules.borda,
}  # fmt: skip
EVERYONE = set(RULES)
LEVELS = {"egalitarian", "leximin", "best_off", "median"}
# Which rules satisfy the axiom where utilities are positive. The others must be caught.
SATISFIED = {
    "ordinal_noncomparability": {"borda"},
    "cardinal_noncomparability": {"borda", "relative"},
    "ratio_scale_noncomparability": {"borda", "relative", "nash"},
    "cardinal_unit_comparability": {"borda", "relative", "utilitarian"},
    "ordinal_level_comparability": LEVELS | {"borda"},
    "cardinal_full_comparability": LEVELS | {"borda", "relative", "utilitarian"},
    "common_translation": LEVELS | {"borda", "relative", "utilitarian"},
    "common_scale": EVERYONE,
    "weak_pareto_of_utilities": EVERYONE,
    "strong_pareto_of_utilities": EVERYONE - LEVELS | {"leximin"},
    "pareto_indifference_of_utilities": EVERYONE,
    "anonymity_of_utilities": EVERYONE - {"relative", "borda"},
    "separability_of_utilities": EVERYONE - LEVELS | {"leximin"},
    "binary_independence": EVERYONE - {"relative", "borda"},
    "replication_invariance": EVERYONE,
    "pigou_dalton": {"utilitarian", "nash", "egalitarian", "leximin", "harmonic"},
    "strict_pigou_dalton": {"nash", "leximin", "harmonic"},
    "hammond_equity": {"egalitarian", "leximin"},
}


def drawn() -> list[ck.Utilities]:
    """Profiles of utilities k/4 from 1/4 to 8, some with weights; few voters, so that a median is easy to move."""
    dice = np.random.default_rng(20)
    found = []
    for number in range(12):
        n, m = (2, 3, 3, 4)[number % 4], (2, 3)[number % 2 if number > 3 else 1]
        weights = dice.integers(1, 3, n) if number % 3 == 2 else None
        found.append(ck.Utilities(dice.integers(1, 33 if number % 2 else 5, (n, m)) / 4, weights))
    return [ck.Utilities([[1, 4, 2], [4, 1, 2], [2, 2, 2]]), ck.Utilities([[1, 2], [4, 4]]), *found]


PROFILES = drawn()


@pytest.mark.parametrize("name", SATISFIED)
def test_who_satisfies_what(name: str) -> None:
    axiom = getattr(axioms, name)
    caught = set()
    for known, rule in RULES.items():
        ask = Ask(rule, axiom.about)
        for profile in PROFILES:
            found = axiom.examine(ask, profile)
            if found:
                caught.add(known)
                assert known not in SATISFIED[name], found
                assert found.replay()
                assert DEFINITIONS[name](found), found
                again = Violation.from_json(found.to_json())
                assert again.replay(rule)
                assert str(again) == str(found)
                break
    assert caught == EVERYONE - SATISFIED[name]


def test_axioms_that_every_rule_of_the_table_satisfies_are_broken_by_others() -> None:
    def spread(profile: ck.Utilities) -> ck.Scores:
        return ck.Scores(profile.alternatives, -profile.values.std(0))

    def enough(profile: ck.Utilities) -> ck.Scores:
        return ck.Scores(profile.alternatives, (profile.weights @ profile.values > 4).astype(float))

    def listed(profile: ck.Utilities) -> Any:
        return profile.alternatives

    level = ck.Utilities([[1, 1], [3, 3]])
    up = ck.Utilities([[1, 2], [1, 3]])
    for name, rule, profile in (
        ("common_scale", enough, up), ("weak_pareto_of_utilities", spread, up), ("replication_invariance", enough, up),
        ("pareto_indifference_of_utilities", listed, level),
        ("strong_pareto_of_utilities", enough, ck.Utilities([[1, 1], [1, 2]])),
    ):  # fmt: skip
        found = getattr(axioms, name)(rule, profile)
        assert found is not None, name
        assert found.replay()
        assert DEFINITIONS[name](found)


# --- the definitions, from the profiles and outcomes of a violation alone ---


def units(profile: ck.Utilities) -> list[tuple[float, ...]]:
    """The voters, one each, sorted by nothing."""
    rows = zip(profile.values.tolist(), profile.weights.tolist(), strict=True)
    return [tuple(row) for row, weight in rows for _ in range(int(weight))]


def parts(one: ck.Utilities, two: ck.Utilities) -> tuple[list[Any], list[Any]]:
    """The voters that only one of two profiles has."""
    here, there = units(one), units(two)
    for row in list(here):
        if row in there:
            here.remove(row)
            there.remove(row)
    return here, there


def orders(found: Violation) -> list[list[int]]:
    return [
        [places(outcome)[label] for label in profile.alternatives]
        for profile, outcome in zip(found.profiles, found.outcomes, strict=True)
    ]


def side(order: list[int], a: int, b: int) -> int:
    return (order[a] < order[b]) - (order[a] > order[b])


def increasing(old: Any, new: Any) -> bool:
    pairs = list(zip(np.ravel(old), np.ravel(new), strict=True))
    return all((x < y) == (fx < fy) for (x, fx), (y, fy) in itertools.product(pairs, repeat=2))


def affine(old: Any, new: Any, *, factor: bool = True, constant: bool = True) -> bool:
    old, new = np.ravel(old), np.ravel(new)
    columns = np.column_stack([old, np.ones_like(old)])
    if not factor:
        return np.ptp(new - old) < 1e-12
    if not constant:
        return np.ptp(new / old) < 1e-12
    (slope, _), residual, *_ = np.linalg.lstsq(columns, new, rcond=None)
    return slope > 0 and (not residual.size or residual[0] < 1e-20 * (1 + np.abs(new).max()) ** 2 * 1e6)


def differ(found: Violation) -> bool:
    one, two = orders(found)
    pair = [found.profiles[0].alternatives.index(label) for label in found.alternatives]
    return side(one, *pair) != side(two, *pair)


def common(found: Violation, **how: bool) -> bool:
    one, two = (profile.values[profile.weights > 0] for profile in found.profiles)
    return affine(one, two, **how)


def single(found: Violation) -> tuple[Any, Any]:
    """The one voter who changes."""
    (old,), (new,) = parts(*found.profiles)
    return np.array(old), np.array(new)


def from_column(found: Violation) -> tuple[list[float], list[float], int]:
    """The two voters' utilities from a, from b; b is a with those two changed; and how b stands to a."""
    before, after = found.profiles
    a, b = (before.alternatives.index(label) for label in found.alternatives)
    assert sorted(row[a] for row in units(before)) == sorted(row[a] for row in units(after))
    moved = [row for row in units(after) if row[a] != row[b]]
    assert len(moved) == 2
    poor, rich = sorted(moved, key=lambda row: row[a])
    return [poor[a], rich[a]], [poor[b], rich[b]], side(orders(found)[1], b, a)


def transferred(found: Violation, least: int) -> bool:
    (low, high), (poor, rich), stands = from_column(found)
    return low < poor <= rich < high and abs(poor + rich - low - high) < 1e-12 and stands < least


def nearer(found: Violation) -> bool:
    (low, high), (poor, rich), stands = from_column(found)
    return low < poor <= rich < high and stands < 0


def pareto(found: Violation, strong: bool) -> bool:
    (profile,), (order,) = found.profiles, orders(found)
    a, b = (profile.alternatives.index(label) for label in found.alternatives)
    rows = units(profile)
    agreed = all(row[a] > row[b] for row in rows)
    if strong:
        agreed = all(row[a] >= row[b] for row in rows) and any(row[a] > row[b] for row in rows)
    return agreed and side(order, a, b) < 1


def indifferent(found: Violation) -> bool:
    (profile,), (order,) = found.profiles, orders(found)
    a, b = (profile.alternatives.index(label) for label in found.alternatives)
    return all(row[a] == row[b] for row in units(profile)) and side(order, a, b) != 0


def exchanged(found: Violation) -> bool:
    one, two = found.profiles
    columns = [
        sorted(row[a] for row in units(one)) == sorted(row[a] for row in units(two))
        for a in range(len(one.alternatives))
    ]
    return all(columns) and differ(found)


def unconcerned(found: Violation) -> bool:
    old, new = single(found)
    pair = [found.profiles[0].alternatives.index(label) for label in found.alternatives]
    others = np.setdiff1d(np.arange(len(old)), pair)
    return np.ptp(old[pair]) == np.ptp(new[pair]) == 0 and (old[others] == new[others]).all() and differ(found)


def elsewhere(found: Violation) -> bool:
    old, new = single(found)
    pair = [found.profiles[0].alternatives.index(label) for label in found.alternatives]
    return (old[pair] == new[pair]).all() and (old != new).sum() == 1 and differ(found)


def repeated(found: Violation) -> bool:
    one, two = (sorted(units(profile)) for profile in found.profiles)
    return sorted(one * (len(two) // len(one))) == two and differ(found)


DEFINITIONS = {
    "ordinal_noncomparability": lambda found: increasing(*single(found)) and differ(found),
    "cardinal_noncomparability": lambda found: affine(*single(found)) and differ(found),
    "ratio_scale_noncomparability": lambda found: affine(*single(found), constant=False) and differ(found),
    "cardinal_unit_comparability": lambda found: (
        (common(found, constant=False) if "all" in found.reason else affine(*single(found), factor=False))
        and differ(found)
    ),
    "ordinal_level_comparability": lambda found: (
        increasing(*(profile.values for profile in found.profiles)) and differ(found)
    ),
    "cardinal_full_comparability": lambda found: common(found) and differ(found),
    "common_translation": lambda found: common(found, factor=False) and differ(found),
    "common_scale": lambda found: common(found, constant=False) and differ(found),
    "weak_pareto_of_utilities": lambda found: pareto(found, False),
    "strong_pareto_of_utilities": lambda found: pareto(found, True),
    "pareto_indifference_of_utilities": indifferent,
    "anonymity_of_utilities": exchanged,
    "separability_of_utilities": unconcerned,
    "binary_independence": elsewhere,
    "replication_invariance": repeated,
    "pigou_dalton": lambda found: transferred(found, 0),
    "strict_pigou_dalton": lambda found: transferred(found, 1),
    "hammond_equity": nearer,
}


def test_a_grid_of_utilities_is_no_proof() -> None:
    """On utilities 1 to 5 the harmonic mean passes Hammond's axiom by the book; the axiom looks between them."""
    grid = range(1, 6)
    for v_poor, u_poor, u_rich, v_rich in itertools.product(grid, repeat=4):
        if v_poor < u_poor <= u_rich < v_rich:
            assert 1 / u_poor + 1 / u_rich <= 1 / v_poor + 1 / v_rich
    found = axioms.hammond_equity(harmonic, ck.Utilities([[1, 1], [2, 1]]))
    assert found is not None
    assert nearer(found)
    # 1 and 2 give 3/2, twice 65/64 gives 128/65
    assert found.profiles[1].values[:, 1].tolist() == [65 / 64, 65 / 64]


def test_a_sum_of_squares_has_a_zero() -> None:
    """(3, 3) is below (1/2, 5), 18 < 25¼; from 8 more it is above, 242 > 241¼."""

    def squares(profile: ck.Utilities) -> ck.Scores:
        return ck.Scores(profile.alternatives, profile.weights @ profile.values**2)

    found = axioms.common_translation(squares, ck.Utilities([[3, 0.5], [3, 5]]))
    assert found.profiles[1].values.tolist() == [[11, 8.5], [11, 13]]
    assert axioms.cardinal_full_comparability(squares, found.profiles[0]) is not None
    assert axioms.common_scale(squares, found.profiles[0]) is None


def test_only_leximin_has_all_four() -> None:
    """Strong Pareto, Hammond's equity, separability and level comparability, among the rules of the table."""
    four = ("strong_pareto_of_utilities", "hammond_equity", "separability_of_utilities", "ordinal_level_comparability")
    assert set.intersection(*(SATISFIED[name] for name in four)) == {"leximin"}


def test_implications_hold_in_the_table() -> None:
    for name, satisfied in SATISFIED.items():
        for weaker in getattr(axioms, name).implies:
            assert satisfied <= SATISFIED[weaker], (name, weaker)


@given(
    st.sampled_from(sorted(SATISFIED)), st.sampled_from(sorted(RULES)),
    st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=2), min_size=1, max_size=3),
    st.lists(st.integers(1, 3), min_size=3, max_size=3), st.permutations(range(3)),
)  # fmt: skip
def test_weights_are_voters_and_names_do_not_matter(
    name: str, which: str, rows: list[list[int]], weights: list[int], moves: list[int]
) -> None:
    axiom, rule = getattr(axioms, name), RULES[which]
    profile = ck.Utilities(rows, weights[: len(rows)])
    verdict = axiom(rule, profile) is None
    assert verdict or which not in SATISFIED[name]
    assert (axiom(rule, ck.Utilities(units(profile))) is None) == verdict
    order = [row for row in moves if row < len(rows)]
    assert (axiom(rule, ck.Utilities(np.array(rows)[order], profile.weights[order])) is None) == verdict
    assert (axiom(rule, ck.Utilities(np.array(rows)[:, ::-1], profile.weights)) is None) == verdict
    more = ck.Utilities([*rows, [9, 1]], [*profile.weights, 0])
    assert (axiom(rule, more) is None) == verdict


def test_utilities_keep_their_sign() -> None:
    """No change makes a positive utility negative or zero, or one that is not negative negative."""
    for low in (0, 1):
        lowest = []

        def rule(profile: ck.Utilities, lowest: list[float] = lowest) -> ck.Scores:
            lowest.append(profile.values.min())
            return rules.utilitarian(profile)

        profile = ck.Utilities([[low, 3, 2], [4, 1, 2], [2, 2, 2]])
        for name in SATISFIED:
            if low or name != "ratio_scale_noncomparability":
                getattr(axioms, name)(rule, profile)
        assert min(lowest) >= 0
        assert min(lowest) > 0 or not low
    negative = ck.Utilities([[-1, 3], [2, -2]])
    assert axioms.cardinal_unit_comparability(rules.utilitarian, negative) is None
    assert axioms.ordinal_level_comparability(rules.leximin, negative) is None
    assert axioms.common_translation(rules.egalitarian, negative) is None


def test_refusals() -> None:
    for name in SATISFIED:
        axiom = getattr(axioms, name)
        with pytest.raises(ValueError, match=name):
            axiom(rules.utilitarian, ck.Utilities([[1, np.nan]]))
        with pytest.raises(TypeError, match=name):
            axiom(rules.borda, ck.Rankings([[0, 1]]))
        assert axiom(rules.utilitarian, ck.Utilities([[3.0]])) is None
    with pytest.raises(ValueError, match="above 0"):
        axioms.ratio_scale_noncomparability(rules.utilitarian, ck.Utilities([[0, 1]]))


def test_voters_of_unequal_parts_are_not_exchanged() -> None:
    assert axioms.anonymity_of_utilities(rules.utilitarian, ck.Utilities([[1, 2], [3, 1]], [0.5, 1.5])) is None
    assert axioms.anonymity_of_utilities(rules.utilitarian, ck.Utilities([[1, 2], [3, 1]], [0.5, 0.5])) is None
    assert axioms.anonymity_of_utilities(rules.borda, ck.Utilities([[2, 1], [1, 4]], [0.5, 0.5])) is not None


def test_differences_that_a_rule_may_round_away_are_not_judged() -> None:
    nearly = ck.Utilities([[1, 1 + 1e-12], [2, 2]])
    assert rules.utilitarian(nearly).winners == (0, 1)
    assert axioms.strong_pareto_of_utilities(rules.utilitarian, nearly) is None
    assert axioms.weak_pareto_of_utilities(rules.utilitarian, ck.Utilities([[1, 1 + 1e-12]])) is None
