"""Bargains over lotteries: known answers, the equations that define them, axioms, refusals, and cvxpy beside."""

from __future__ import annotations

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import choicekit as ck
from choicekit import rules

Floats = NDArray[np.float64]
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


@pytest.mark.parametrize("solution", SOLUTIONS)
@given(utilities=tables())
def test_no_lottery_is_better_for_all(solution: Any, utilities: Floats) -> None:
    found = rules.bargain(utilities, solution)
    assert (utilities.max(0) >= 0).all()
    dominates = (found.utilities + 1e-6 < utilities.T).all(1)
    assert not dominates.any()


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
