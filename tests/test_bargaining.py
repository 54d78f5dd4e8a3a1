"""Bargains over lotteries: known answers, the equations that define them, axioms, refusals, and cvxpy beside."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

import choicekit as ck
from choicekit import rules

Floats = NDArray[np.float64]
Bounds = tuple[Floats, Floats]
SOLUTIONS = ["nash", "kalai_smorodinsky", "egalitarian", "leximin", "utilitarian"]
COMPROMISE = np.array([[1, 0, 0.6], [0, 1, 0.6]])


@st.composite
def tables(draw: st.DrawFn) -> Floats:
    """Utilities in (0, 1] of up to five groups over up to six alternatives."""
    groups, size = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).uniform(0.01, 1, (groups, size))


def test_numbers_worked_by_hand() -> None:
    equal = rules.bargain(COMPROMISE, "nash")
    np.testing.assert_allclose(equal.probabilities, [0, 0, 1], atol=1e-7)
    np.testing.assert_allclose(equal.utilities, [0.6, 0.6], atol=1e-7)
    unequal = rules.bargain(COMPROMISE, "nash", weights=[0.7, 0.3])
    np.testing.assert_allclose(unequal.probabilities, [0.25, 0, 0.75], atol=1e-7)
    np.testing.assert_allclose(unequal.utilities, [0.7, 0.45], atol=1e-7)
    np.testing.assert_allclose(rules.bargain(COMPROMISE, "kalai_smorodinsky").utilities, [0.6, 0.6], atol=1e-7)
    grown = [[1, 0, 1], [0, 1, 0.7]]
    np.testing.assert_allclose(rules.bargain([[1, 0], [0, 1]], "nash").utilities, [0.5, 0.5], atol=1e-7)
    np.testing.assert_allclose(rules.bargain(grown, "nash").utilities, [1, 0.7], atol=1e-7)
    np.testing.assert_allclose(rules.bargain(grown, "kalai_smorodinsky").utilities, [10 / 13, 10 / 13], atol=1e-7)
    np.testing.assert_allclose(rules.bargain(grown, "utilitarian").utilities, [1, 0.7], atol=1e-7)


def test_leximin_goes_on_where_egalitarian_stops() -> None:
    # the first group has 0.5 whatever happens; the others' worst is 0.2 or 0.7
    found = rules.bargain([[0.5, 0.5], [0.6, 0.7], [0.9, 0.8]], "leximin")
    np.testing.assert_allclose(found.probabilities, [0, 1], atol=1e-6)


@given(utilities=tables(), draw=st.data())
def test_nash_meets_its_first_order_conditions(utilities: Floats, draw: st.DataObject) -> None:
    groups = len(utilities)
    weights = np.array(draw.draw(st.lists(st.integers(1, 5), min_size=groups, max_size=groups)), np.float64)
    found = rules.bargain(utilities, "nash", weights=weights)
    worth = (weights / weights.sum() / found.utilities) @ utilities  # Σ_g w_g U_g(a) / u_g ≤ 1, = 1 where played
    assert worth.max() <= 1 + 1e-6
    assert found.probabilities @ worth == pytest.approx(1, abs=1e-9)
    assert found.duality_gap <= 1e-8
    assert found.probabilities.min() >= 0
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("solution", ["nash", "kalai_smorodinsky", "egalitarian", "utilitarian"])
@pytest.mark.parametrize("seed", range(4))
def test_cvxpy_finds_nothing_better(solution: Any, seed: int, constrained: bool) -> None:
    rng = np.random.default_rng(seed)
    utilities, weights = rng.uniform(0, 1, (4, 7)), rng.uniform(0.5, 2, 4)
    rows, most = rng.uniform(0, 1, (2, 7)), np.array([0.6, 0.55])
    p = cp.Variable(7, nonneg=True)
    within = [cp.sum(p) == 1, *([rows @ p <= most] if constrained else [])]
    shares = weights / weights.sum()

    def best(value: Any) -> float:
        return float(cp.Problem(cp.Maximize(value), within).solve(solver="CLARABEL"))

    ideal = np.array([best(row @ p) for row in utilities])
    objective = {
        "nash": shares @ cp.log(utilities @ p), "egalitarian": cp.min(utilities @ p),
        "utilitarian": shares @ (utilities @ p), "kalai_smorodinsky": cp.min((utilities / ideal[:, None]) @ p),
    }[solution]  # fmt: skip
    expected = best(objective)
    found = rules.bargain(utilities, solution, weights=weights, constraints=(rows, most) if constrained else None)
    got = found.utilities
    value = {
        "nash": shares @ np.log(got), "egalitarian": got.min(), "utilitarian": shares @ got,
        "kalai_smorodinsky": (got / ideal).min(),
    }[solution]  # fmt: skip
    assert value == pytest.approx(expected, abs=1e-6)
    if constrained:
        assert (rows @ found.probabilities <= most + 1e-8).all()


@pytest.mark.parametrize("solution", ["nash", "kalai_smorodinsky"])
@given(utilities=tables(), draw=st.data())
def test_units_and_zeros_of_groups_do_not_matter(solution: Any, utilities: Floats, draw: st.DataObject) -> None:
    groups = len(utilities)
    scale = np.array(draw.draw(st.lists(st.floats(0.1, 100), min_size=groups, max_size=groups)))
    zero = np.array(draw.draw(st.lists(st.floats(-5, 5), min_size=groups, max_size=groups)))
    before = rules.bargain(utilities, solution)
    after = rules.bargain(scale[:, None] * utilities + zero[:, None], solution, disagreement=zero)
    np.testing.assert_allclose(after.utilities, scale * before.utilities + zero, atol=1e-5 * scale.max())


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_a_batch_is_one_by_one(solution: Any) -> None:
    many = np.random.default_rng(1).uniform(0.05, 1, (20, 3, 5))
    found = rules.bargain(many, solution)
    for x, each in enumerate(many):
        np.testing.assert_allclose(found.utilities[x], rules.bargain(each, solution).utilities, atol=1e-6)
    assert found.probabilities.shape == (20, 5)
    assert found.duality_gap.shape == (20,)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_prompts_in_threads_are_prompts_in_one(solution: Any) -> None:
    many = np.random.default_rng(2).uniform(0.05, 1, (1_201, 2, 3))
    found = rules.bargain(many, solution)
    parts = [rules.bargain(many[a : a + 401], solution) for a in (0, 401, 802)]
    np.testing.assert_array_equal(found.probabilities, np.vstack([part.probabilities for part in parts]))


def test_as_rules_on_utilities() -> None:
    profile = ck.Utilities(COMPROMISE, weights=[0.7, 0.3], alternatives="abc")
    assert rules.nash_lottery(profile).winners == ("a", "c")
    rows = rules.nash_lottery.batch(COMPROMISE[None], [0.7, 0.3])
    np.testing.assert_allclose(rows, [[0.25, 0, 0.75]], atol=1e-7)
    for rule in (rules.kalai_smorodinsky, rules.egalitarian_lottery, rules.leximin_lottery):
        np.testing.assert_allclose(rule(ck.Utilities(COMPROMISE)).probabilities, [0, 0, 1], atol=1e-6)
    assert rules.utilitarian_lottery(profile).winners == ("a",)


def test_independence_of_irrelevant_lotteries() -> None:
    """Constraints that the Nash solution meets anyway leave it where it is."""
    free = rules.bargain(COMPROMISE, "nash", weights=[0.7, 0.3])
    bound = rules.bargain(COMPROMISE, "nash", weights=[0.7, 0.3], constraints=([[0, 1, 0]], [0.2]))
    np.testing.assert_allclose(bound.probabilities, free.probabilities, atol=1e-6)


def test_a_hundred_thousand_voters_do_not_underflow() -> None:
    rng = np.random.default_rng(0)
    found = rules.bargain(rng.uniform(1e-3, 1, (100_000, 3)), "nash")
    assert np.isfinite(found.utilities).all()
    assert found.duality_gap < 1e-6


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"needed a solution among 'nash'"):
        rules.bargain(COMPROMISE, "fair")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="constraints"):
        rules.bargain(COMPROMISE, "nash", constraints=([[1, 1, 1]], [0.5]))
    with pytest.raises(ValueError, match="group"):
        rules.bargain([[1, 0], [0, 1]], "nash", disagreement=[0.8, 0.8])


def most(goal: Floats, rows: Floats, least: Floats, within: Bounds | None = None) -> float:
    """The greatest goal · p over lotteries with rows · p ≥ least and within constraints A p ≤ b, by HiGHS."""
    more, bound = within if within is not None else (np.zeros((0, len(goal))), np.zeros(0))
    found = linprog(
        -goal, A_ub=np.vstack([-rows, more]), b_ub=np.append(-least, bound), A_eq=np.ones((1, len(goal))), b_eq=[1],
        bounds=(0, None),
    )  # fmt: skip
    assert found.success, found.message
    return float(-found.fun)


def levels(utilities: Floats, within: Bounds | None) -> Floats:
    """Leximin by its definition: raise the least of the free, then hold those who cannot have more at no one's cost."""
    held: dict[int, float] = {}
    groups, size = utilities.shape
    while len(held) < groups:
        free = [g for g in range(groups) if g not in held]
        low = [held.get(g, 0.0) for g in range(groups)]
        raised = np.hstack([utilities, -np.isin(np.arange(groups), free)[:, None].astype(float)])
        more, bound = within if within is not None else (np.zeros((0, size)), np.zeros(0))
        stage = linprog(
            np.append(np.zeros(size), -1), A_ub=np.vstack([-raised, np.pad(more, ((0, 0), (0, 1)))]),
            b_ub=np.append([1e-10 - each for each in low], bound), A_eq=[[1] * size + [0]], b_eq=[1],
            bounds=[(0, None)] * size + [(None, None)],
        )  # fmt: skip
        assert stage.success, stage.message
        least = np.array([held.get(g, -stage.fun) for g in range(groups)]) - 1e-10
        stuck = [g for g in free if most(utilities[g], utilities, least, within) <= -stage.fun + 1e-7]
        assert stuck
        held |= dict.fromkeys(stuck, -stage.fun)
    return np.array([held[g] for g in range(groups)])


@given(utilities=tables(), coarse=st.booleans(), constrained=st.booleans())
def test_leximin_is_what_successive_programmes_find(utilities: Floats, coarse: bool, constrained: bool) -> None:
    utilities = np.round(3 * utilities) / 3 if coarse else utilities  # many ties
    size = utilities.shape[1]
    within = (np.linspace(0, 1, size)[None], np.array([0.4])) if constrained else None
    found = rules.bargain(utilities, "leximin", constraints=within)
    np.testing.assert_allclose(found.utilities, levels(utilities, within), atol=1e-6)


@pytest.mark.parametrize("solution", ["nash", "kalai_smorodinsky", "leximin", "utilitarian"])
@given(utilities=tables())
def test_no_lottery_is_better_for_some_and_worse_for_none(solution: Any, utilities: Floats) -> None:
    found = rules.bargain(utilities, solution)
    assert most(utilities.sum(0), utilities, found.utilities - 1e-10) <= found.utilities.sum() + 1e-6


@given(utilities=tables())
def test_no_lottery_is_better_for_all_than_the_egalitarian(utilities: Floats) -> None:
    found = rules.bargain(utilities, "egalitarian")
    least = found.utilities.min()
    assert found.multipliers.sum() == pytest.approx(1)
    assert found.multipliers.min() >= 0
    assert (found.multipliers @ utilities).max() <= least + 1e-9  # the adversary's weights leave no more to anybody
    assert found.multipliers @ (found.utilities - least) <= 1e-9


@pytest.mark.parametrize("solution", SOLUTIONS)
@given(utilities=tables(), draw=st.data())
def test_prices_prove_the_answer_under_constraints(solution: Any, utilities: Floats, draw: st.DataObject) -> None:
    """Σ μ_g (U_g(a) − d_g) + Σ ν_c (b_c − A_c(a)) is largest on the support, and no slack constraint has a price."""
    groups, size = utilities.shape
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32 - 1)))
    rows, inner = rng.normal(size=(3, size)), rng.dirichlet(np.ones(size))
    rows[2] = -rows[1] if draw.draw(st.booleans()) else rows[2]  # an equation, as two inequalities
    bound = rows @ inner + [draw.draw(st.sampled_from([0.02, 0.5])), 0, 0]
    base = utilities.min(1) - 0.01
    options = {} if solution == "utilitarian" else {"disagreement": base}
    found = rules.bargain(utilities, solution, constraints=(rows, bound), **options)
    p, prices = found.probabilities, found.constraint_multipliers
    slack = bound - rows @ p
    assert slack.min() >= -1e-9
    assert prices.min() >= 0
    worth = found.multipliers @ (utilities - found.disagreement[:, None]) + prices @ (bound[:, None] - rows)
    scale = 1 + np.abs(found.multipliers).max() + np.abs(prices).max()
    assert p @ (worth.max() - worth) <= 1e-7 * scale
    assert np.abs(prices * slack).max() <= 1e-7 * scale
    assert found.duality_gap <= 1e-7
    gains = found.utilities - found.disagreement
    if solution == "nash":
        np.testing.assert_allclose(found.multipliers * gains, 1 / groups, rtol=1e-9)
        assert worth.max() == pytest.approx(1, abs=1e-6)
    elif solution == "kalai_smorodinsky":
        assert found.ideal is not None
        ideals = [most(row, utilities, base, (rows, bound)) for row in utilities]
        np.testing.assert_allclose(found.ideal, ideals, atol=1e-6)
        assert worth.max() == pytest.approx((gains / (found.ideal - base)).min(), abs=1e-6)


@pytest.mark.parametrize("solution", SOLUTIONS)
def test_groups_that_change_places_change_shares(solution: Any) -> None:
    rng = np.random.default_rng(3)
    utilities = rng.uniform(0, 1, (2, 4))
    both = np.hstack([utilities, utilities[::-1]])  # what one group has here the other has there
    found = rules.bargain(both, solution)
    assert found.utilities[0] == pytest.approx(found.utilities[1], abs=1e-7)
    turned = rules.bargain(utilities[:, ::-1], solution)
    np.testing.assert_allclose(turned.utilities, rules.bargain(utilities, solution).utilities, atol=1e-7)


@given(utilities=tables(), draw=st.data())
def test_nash_ignores_lotteries_that_it_would_not_pick(utilities: Floats, draw: st.DataObject) -> None:
    found = rules.bargain(utilities, "nash")
    rows = np.random.default_rng(draw.draw(st.integers(0, 99))).normal(size=(2, utilities.shape[1]))
    bound = rows @ found.probabilities + [0, 0.1]
    again = rules.bargain(utilities, "nash", constraints=(rows, bound))
    np.testing.assert_allclose(again.utilities, found.utilities, atol=1e-5)


@given(seed=st.integers(0, 2**32 - 1))
def test_of_two_groups_kalai_smorodinsky_harms_neither_by_more_to_share(seed: int) -> None:
    """More lotteries with the same ideal points give both groups at least as much; Nash's bargain may not."""
    rng = np.random.default_rng(seed)
    utilities = np.hstack([[[1, 0], [0, 1]], rng.uniform(0, 1, (2, 3))])
    fewer, more = (rules.bargain(utilities[:, :size], "kalai_smorodinsky") for size in (4, 5))
    assert (more.utilities >= fewer.utilities - 1e-8).all()
    assert fewer.utilities[0] == pytest.approx(fewer.utilities[1], abs=1e-8)


def test_kalai_smorodinsky_wastes_nothing() -> None:
    """The first two share; what the third gets beyond its share costs them nothing, and is given (Imai 1983)."""
    found = rules.bargain([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0.5, 0.9, 1]], "kalai_smorodinsky")
    np.testing.assert_allclose(found.utilities, levels(np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0.5, 0.9, 1]]), None))
    plain = rules.bargain([[1, 0, 0], [0, 1, 1], [0.9, 0.8, 1]], "kalai_smorodinsky")
    np.testing.assert_allclose(plain.utilities, [0.5, 0.5, 0.95], atol=1e-9)


def test_who_has_no_weight_has_no_say() -> None:
    for solution in SOLUTIONS:
        found = rules.bargain([*COMPROMISE, [5, -5, -5]], solution, weights=[1, 1, 0])  # type: ignore[arg-type]
        np.testing.assert_allclose(found.utilities[:2], [0.6, 0.6], atol=1e-9)
        assert found.utilities[2] == pytest.approx(-5)
        assert found.multipliers[2] == 0


def test_where_several_are_best_the_answer_is_in_their_midst() -> None:
    twins = np.array([[1, 0.2, 0.2, 0], [0, 0.9, 0.9, 1]])
    for solution in SOLUTIONS:
        found = rules.bargain(twins, solution)  # type: ignore[arg-type]
        assert not found.unique
        assert found.probabilities[1] == pytest.approx(found.probabilities[2], abs=1e-6)
        assert found.probabilities[1] > 1e-3
        assert rules.bargain(twins[:, [0, 1, 3]], solution).unique  # type: ignore[arg-type]
    level = rules.bargain([[1, 1, 1]], "utilitarian")
    np.testing.assert_allclose(level.probabilities, 1 / 3)


def test_banned_alternatives_and_rows_that_say_nothing() -> None:
    rows, bound = [[0, 0, 1], [1, 1, 1], [0, 0, 0]], [0, 1, 0]
    found = rules.bargain(COMPROMISE, "nash", constraints=(rows, bound))
    np.testing.assert_allclose(found.probabilities, [0.5, 0.5, 0], atol=1e-9)
    assert found.probabilities[2] == 0
    np.testing.assert_allclose(found.constraint_multipliers, [0.2, 0, 0], atol=1e-9)  # 0.6/0.5 − 1


def test_constraints_shared_by_many_prompts() -> None:
    rng = np.random.default_rng(4)
    many, rows = rng.uniform(0, 1, (1_203, 3, 4)), rng.uniform(0, 1, (2, 4))
    bound = rows.mean(1)
    for solution in SOLUTIONS:
        found = rules.bargain(many, solution, constraints=(rows, bound))  # type: ignore[arg-type]
        assert (found.probabilities @ rows.T <= bound + 1e-9).all()
        each = np.repeat(rows[None], len(many), 0), np.repeat(bound[None], len(many), 0)
        apart = rules.bargain(many, solution, constraints=each)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found.probabilities, apart.probabilities)


def test_small_and_large_units_side_by_side() -> None:
    rng = np.random.default_rng(5)
    utilities = rng.uniform(0, 1, (4, 6)) * np.array([1e-4, 1, 1e3, 1e6])[:, None]
    found = rules.bargain(utilities, "nash")
    plain = rules.bargain(utilities / np.array([1e-4, 1, 1e3, 1e6])[:, None], "nash")
    np.testing.assert_allclose(found.probabilities, plain.probabilities, atol=1e-7)
    assert rules.bargain(utilities, "egalitarian").duality_gap <= 1e-12


def test_refusals_name_who_and_what() -> None:
    with pytest.raises(ValueError, match=r"nash_lottery: no lottery gives groups 0, 1 all .* gain of -0.3"):
        rules.bargain([[1, 0], [0, 1], [1, 1]], "nash", disagreement=[0.8, 0.8, 0])
    with pytest.raises(ValueError, match=r"kalai_smorodinsky: no lottery gives group 1 a utility above"):
        rules.bargain([[1, 0], [2, 2]], "kalai_smorodinsky", disagreement=[0, 2])
    many = np.tile(COMPROMISE, (3, 1, 1))
    with pytest.raises(ValueError, match=r"nash_lottery, prompt 2: no lottery gives groups 0, 1 all"):
        rules.bargain(many, "nash", disagreement=[[0, 0], [0, 0], [0.61, 0.61]])
    rows = [[-1, -1, 0], [0, 0, 1], [0, -1, -1], [0, 1, 0]]  # p0 + p1 ≥ 0.7, p1 + p2 ≥ 0.8, p1 ≤ 0.1: too much by 0.4
    with pytest.raises(ValueError, match=r"rows 0, 2, 3 together .* over 0.3333 · row 0, .* by at least 0.1333"):
        rules.bargain(COMPROMISE, "egalitarian", constraints=(rows, [-0.7, 0.9, -0.8, 0.1]))
    with pytest.raises(ValueError, match=r"prompt 1: no lottery meets row 0 of"):
        rules.bargain(many, "utilitarian", constraints=([[[0, 0, 0]], [[1, 1, 1]], [[0, 0, 0]]], [0.5]))
    with pytest.raises(ValueError, match=r"needed constraints=\(A, b\) of finite numbers, A\[c, 3\]"):
        rules.bargain(COMPROMISE, "nash", constraints=(rows, [1, 1]))
    with pytest.raises(TypeError, match=r"needed constraints=\(A, b\)"):
        rules.bargain(COMPROMISE, "nash", constraints=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"needed a disagreement that is a finite number, \[2\]"):
        rules.bargain(COMPROMISE, "nash", disagreement=[1, 2, 3])
    with pytest.raises(ValueError, match=r"got nan at \[1, 0\]"):
        rules.nash_lottery(ck.Utilities([[1, 2], [np.nan, 1]]))
    with pytest.raises(ValueError, match=r"needed utilities\[group, alternative\]"):
        rules.bargain([1, 2], "nash")
