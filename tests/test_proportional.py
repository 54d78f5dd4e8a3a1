"""Feasible first-choice shares, the policy proportional to them, and what share everyone is sure of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import choicekit as ck
from choicekit import alignment as al
from choicekit import rules
from choicekit.alignment.norms import Infeasible, Norm, forbid
from choicekit.alignment.proportional import feasible_shares, population_proportional_policy, proportionality_level

Array = np.ndarray


@st.composite
def electorates(draw: st.DrawFn) -> tuple[Array, Array]:
    """Strict rankings [n, m] as places, and weights."""
    size, voters = draw(st.integers(2, 5)), draw(st.integers(1, 7))
    places = np.array([draw(st.permutations(range(size))) for _ in range(voters)])
    return places, np.array(draw(st.lists(st.integers(1, 9), min_size=voters, max_size=voters)), np.float64)


def shares_of(places: Array, weights: Array) -> tuple[Array, Array]:
    """P and the shares of first places, by counting."""
    size, total = places.shape[1], weights.sum()
    matrix, first = np.full((size, size), 0.5), np.zeros(size)
    for a in range(size):
        first[a] = sum(w for row, w in zip(places, weights, strict=True) if row[a] == 0) / total
        for b in range(size):
            if a != b:
                matrix[a, b] = sum(w for row, w in zip(places, weights, strict=True) if row[a] < row[b]) / total
    return matrix, first


@given(electorates())
def test_first_places_are_feasible_and_get_their_part(case: tuple[Array, Array]) -> None:
    matrix, first = shares_of(*case)
    most = feasible_shares(matrix)
    for a in range(len(first)):
        assert most[a] == min(matrix[a, b] for b in range(len(first)) if b != a)
        assert first[a] <= most[a] + 1e-12
    policy = population_proportional_policy(matrix)
    level = proportionality_level(policy, first)
    assert level >= 1 / most.sum() - 1e-12
    assert level <= 1 + 1e-12
    assert proportionality_level(policy, most) == pytest.approx(1 / most.sum())
    assert proportionality_level(first, first) == pytest.approx(1)


@given(electorates(), st.sampled_from([0.0, 0.5, 1.0, 10.0, np.inf]))
def test_the_rule_on_rankings_is_the_policy_on_shares(case: tuple[Array, Array], beta: float) -> None:
    places, weights = case
    matrix, _ = shares_of(places, weights)
    votes = ck.Rankings(places, weights)
    np.testing.assert_allclose(
        population_proportional_policy(matrix, beta).probabilities,
        rules.population_proportional(votes, beta=beta).probabilities,
        atol=1e-9,
    )
    dictators = rules.random_dictatorship(votes).probabilities
    assert proportionality_level(dictators, shares_of(places, weights)[1]) == pytest.approx(1)


@given(electorates(), st.integers(0, 2**32 - 1))
def test_no_policy_guarantees_more_of_what_is_feasible(case: tuple[Array, Array], seed: int) -> None:
    most = feasible_shares(shares_of(*case)[0])
    other = np.random.default_rng(seed).dirichlet(np.ones(len(most)))
    assert proportionality_level(other, most) <= 1 / most.sum() + 1e-12


@given(electorates(), st.integers(0, 4))
def test_a_raised_alternative_has_no_less(case: tuple[Array, Array], which: int) -> None:
    """Monotone: one voter puts an alternative first, all else kept."""
    places, weights = case
    a = which % places.shape[1]
    raised = places.copy()
    raised[0] = np.where(places[0] < places[0, a], places[0] + 1, places[0])
    raised[0, a] = 0
    was, now = (shares_of(each, weights)[0] for each in (places, raised))
    for beta in (0.0, 2.0):
        before, after = (population_proportional_policy(each, beta).probabilities[a] for each in (was, now))
        assert after >= before - 1e-12


def test_the_jury() -> None:
    jury = [[0.5, 1.0, 0.4], [0.0, 0.5, 0.4], [0.6, 0.6, 0.5]]
    for beta, expected in (
        (0, [0.4, 0, 0.6]),
        (1, [0.3531, 0, 0.6469]),
        (10, [0.0828, 0, 0.9172]),
        (np.inf, [0, 0, 1]),
    ):
        np.testing.assert_allclose(population_proportional_policy(jury, beta).probabilities, expected, atol=6e-5)


@pytest.mark.parametrize("beta", [0.0, 1.0, 7.0])
def test_the_formula(beta: float) -> None:
    rng = np.random.default_rng(0)
    matrix = al.preferences(rng.normal(size=(3, 5)))
    least = np.where(np.eye(5) > 0, 1, matrix).min(1)
    expected = least * np.exp(beta * least)
    found = population_proportional_policy(matrix, beta)
    np.testing.assert_allclose(found.probabilities, expected / expected.sum(), rtol=1e-12)
    assert found.beta is None


def test_reward_and_game_leave_a_minority_with_nothing() -> None:
    """Of 50 ± ε the minority's level is 0 in the maximal lottery and tends to 0 in the reward's policy."""
    for lead in (0.1, 0.01, 1e-3):
        matrix = np.array([[0.5, 0.5 + lead], [0.5 - lead, 0.5]])
        first = np.array([0.5 + lead, 0.5 - lead])
        reward = al.rlhf_policy([np.log(first[0] / first[1]), 0.0], beta=lead / 20)
        assert proportionality_level(reward, first) < 1e-6
        assert proportionality_level([1.0, 0.0], first) == 0
        assert proportionality_level(population_proportional_policy(matrix), first) == pytest.approx(1)


def test_batches_and_edges() -> None:
    rng = np.random.default_rng(1)
    matrices = al.preferences(rng.normal(size=(2, 3, 4, 5)))
    both = population_proportional_policy(matrices, 2.0).probabilities
    firsts = rng.dirichlet(np.ones(5), (2, 3))
    levels = proportionality_level(both, firsts)
    for x in np.ndindex(2, 3):
        np.testing.assert_allclose(both[x], population_proportional_policy(matrices[x], 2.0).probabilities)
        assert levels[x] == pytest.approx(min(p / w for p, w in zip(both[x], firsts[x], strict=True)))
    assert feasible_shares([[0.5]]).tolist() == [1.0]
    assert population_proportional_policy([[0.5]]).probabilities.tolist() == [1.0]
    # an alternative that nobody has first does not count
    assert proportionality_level([1.0, 0.0], [1.0, 0.0]).item() == 1


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([0.5, 0.5], "preferences"), ([[0.5, 0.5, 0.5]], "preferences"),
        ([[0.5, np.nan], [0.5, 0.5]], "between 0 and 1"),
        ([[0.5, 0.7], [0.5, 0.5]], r"P\[0, 1\]"), ([[0.0, 0.7], [0.3, 0.0]], "½"),
        ([[0.5, 1.2], [-0.2, 0.5]], "between 0 and 1"),
    ],
)  # fmt: skip
def test_matrices_that_are_none(matrix: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        feasible_shares(matrix)


def test_other_bad_input() -> None:
    cycle = np.array([[0.5, 1, 0], [0, 0.5, 1], [1, 0, 0.5]])
    fine = np.full((3, 3), 0.5)
    with pytest.raises(ValueError, match="in context 1"):
        population_proportional_policy(np.stack([fine, cycle]))
    for beta in (-1.0, np.nan):
        with pytest.raises(ValueError, match="beta"):
            population_proportional_policy(fine, beta)
    for policy, shares in (([0.5, 0.6], [0.5, 0.5]), ([0.5, 0.5], [0.5, -0.5]), ([0.5, 0.5], [0.0, 0.0]),
                           ([0.5, 0.5], [1.0])):  # fmt: skip
        with pytest.raises(ValueError, match=r"policy|shares"):
            proportionality_level(policy, shares)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("beta", [0.0, 5.0])
def test_under_norms_it_is_the_nearest_that_meets_them(seed: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 7))
    matrices = al.preferences(rng.normal(size=(2, 3, size)))
    plain, cost = population_proportional_policy(matrices, beta), rng.normal(size=size)
    limit = 0.6 * cost.min() + 0.4 * float((plain.probabilities @ cost).min())
    found = population_proportional_policy(matrices, beta, norms=[Norm("cost", cost, limit)])
    assert (found.probabilities @ cost <= limit + 1e-9).all()
    assert (found.norm_prices > 0).all()
    np.testing.assert_array_equal(found.reference, plain.reference)
    for x in range(2):
        own = al.kl(found.probabilities[x], plain.probabilities[x])
        for other in rng.dirichlet(np.ones(size), 40):
            part = min(1.0, (limit - cost.min()) / (other @ cost - cost.min()))
            other = part * other + (1 - part) * np.eye(size)[cost.argmin()]
            assert own <= al.kl(other, plain.probabilities[x]) + 1e-9


def test_norms_that_say_nothing_and_norms_that_nothing_meets() -> None:
    jury = [[0.5, 1.0, 0.4], [0.0, 0.5, 0.4], [0.6, 0.6, 0.5]]
    plain = population_proportional_policy(jury)
    loose = population_proportional_policy(jury, norms=[Norm("loose", [1, 1, 1], 2.0)])
    np.testing.assert_allclose(loose.probabilities, plain.probabilities, atol=1e-14)
    assert plain.norm_prices is None
    barred = population_proportional_policy(jury, norms=[forbid("first", [True, False, False])])
    np.testing.assert_allclose(barred.probabilities, [0, 0, 1], atol=1e-14)
    # the second has no share, and what has none stays without
    with pytest.raises(Infeasible, match="both"):
        population_proportional_policy(jury, norms=[forbid("both", [True, False, True])])
