"""Steered families: each member is optimal, derivatives and prices agree with finite differences."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest
from scipy.linalg import null_space
from scipy.stats import spearmanr

from choicekit import alignment as al
from choicekit.alignment.norms import Infeasible, Norm, forbid
from choicekit.alignment.steering import Family, simplex_grid, steerable_family, tradeoff_steerability

Array = np.ndarray
TWO = np.array([[1, 0, 0.6], [0, 1, 0.6]])


class Problem:
    """Rewards [x, g, m], a reference [x, m] with some zeros, β and weights of contexts."""

    def __init__(self, seed: int, groups: int | None = None) -> None:
        rng = np.random.default_rng(seed)
        contexts, size = int(rng.integers(1, 4)), int(rng.integers(5, 8))
        self.groups = groups or int(rng.integers(1, 5))
        self.rewards = rng.normal(size=(contexts, self.groups, size))
        self.ground = rng.dirichlet(np.ones(size), contexts)
        if seed % 2:
            self.ground[0, 0] = 0
            self.ground /= self.ground.sum(1, keepdims=True)
        self.beta = float(rng.choice([0.2, 1.0, 4.0]))
        self.contexts = rng.dirichlet(np.full(contexts, 2.0))
        self.weights = rng.dirichlet(np.full(self.groups, 2.0), 4)

        self.norms: list[Norm] = []

    def held(self, number: int) -> Problem:
        """The same under norms, met by a policy within, that bind for some weights."""
        rng = np.random.default_rng(number)
        met = self.ground * rng.uniform(0.2, 1, self.ground.shape)
        met /= met.sum(1, keepdims=True)
        for k in range(number):
            cost = rng.normal(size=self.ground.shape)
            covered = rng.random(len(met)) < 0.8 if k else None
            self.norms.append(Norm(f"norm {k}", cost, float((cost * met).sum(1).max()), covered))
        return self

    def family(self) -> Family:
        return steerable_family(
            self.rewards, self.weights, self.ground, self.beta, context_weights=self.contexts, norms=self.norms
        )

    def policy(self, weights: Array) -> al.Policy:
        return al.rlhf_policy(np.einsum("g,xgm->xm", weights, self.rewards), self.ground, self.beta, norms=self.norms)

    def inside(self, k: int, family: Family) -> bool:
        """Whether member k is away from where a norm begins or ceases to bind."""
        assert family.norm_prices is not None
        for n, norm in enumerate(self.norms):
            room = norm.limit - (family.policies[k] * norm.cost).sum(-1)
            if (np.maximum(family.norm_prices[k, :, n] / self.beta, room) < 1e-2)[norm.contexts].any():
                return False
        return True

    def at(self, weights: Array) -> tuple[Array, float]:
        """Mean rewards and mean divergence of the policy for any weights, by loops."""
        means, price, found = np.zeros(self.groups), 0.0, self.policy(weights).probabilities
        for x, share in enumerate(self.contexts):
            policy = found[x]
            means += share * self.rewards[x] @ policy
            price += share * float(al.kl(policy, self.ground[x]))
        return means, price

    def regularised(self, weights: Array) -> Array:
        means, price = self.at(weights)
        return means - self.beta * price


@pytest.mark.parametrize("seed", range(20))
def test_members_are_the_policies_of_weighted_sums(seed: int) -> None:
    problem = Problem(seed)
    family = problem.family()
    for k, row in enumerate(problem.weights):
        for x in range(len(problem.ground)):
            expected = al.rlhf_policy(row @ problem.rewards[x], problem.ground[x], problem.beta).probabilities
            np.testing.assert_allclose(family.policies[k, x], expected, atol=1e-13)
        means, price = problem.at(row)
        np.testing.assert_allclose(family.values[k], means, atol=1e-12)
        assert family.divergences[k] == pytest.approx(price, abs=1e-12)
        np.testing.assert_allclose(family.regularised[k], means - problem.beta * price, atol=1e-12)
    # no member is better for another's weights: they lie on a front
    scores = family.weights @ family.regularised.T
    assert (scores.diagonal()[:, None] >= scores - 1e-10).all()


@pytest.mark.parametrize("seed", range(20))
def test_jacobians_are_finite_differences(seed: int) -> None:
    problem, step = Problem(seed), 1e-5
    family = problem.family()
    for k, row in enumerate(problem.weights):
        for h, unit in enumerate(np.eye(problem.groups)):
            slope = (problem.at(row + step * unit)[0] - problem.at(row - step * unit)[0]) / (2 * step)
            np.testing.assert_allclose(family.jacobians[k, :, h], slope, atol=1e-7 * max(1, 1 / problem.beta**3))
        np.testing.assert_allclose(family.jacobians[k], family.jacobians[k].T, atol=1e-13)
        assert np.linalg.eigvalsh(family.jacobians[k])[0] >= -1e-12


@pytest.mark.parametrize("seed", range(30))
def test_members_under_norms_are_optimal_and_so_are_their_derivatives(seed: int) -> None:
    problem, step = Problem(seed).held(1 + seed % 3), 1e-5
    family = problem.family()
    assert family.norm_prices is not None
    assert family.norm_prices.shape == (4, len(problem.ground), len(problem.norms))
    inside = [k for k in range(4) if problem.inside(k, family)]
    for k, row in enumerate(problem.weights):
        for norm in problem.norms:
            over = (family.policies[k] * norm.cost).sum(-1) - norm.limit
            assert (over[norm.contexts] <= 1e-8).all()
        expected = problem.policy(row)
        np.testing.assert_allclose(family.policies[k], expected.probabilities, atol=1e-7)
        np.testing.assert_allclose(family.norm_prices[k], expected.norm_prices, atol=1e-5 * problem.beta, rtol=1e-5)
        assert np.linalg.eigvalsh(family.jacobians[k])[0] >= -1e-12
    for k in inside:
        for h, unit in enumerate(step * np.eye(problem.groups)):
            slope = (problem.at(problem.weights[k] + unit)[0] - problem.at(problem.weights[k] - unit)[0]) / (2 * step)
            np.testing.assert_allclose(family.jacobians[k, :, h], slope, atol=2e-6 * max(1, 1 / problem.beta**3))
    # no member is better for another's weights, among admissible policies
    scores = family.weights @ family.regularised.T
    assert (scores.diagonal()[:, None] >= scores - 1e-8).all()


def test_the_drawn_norms_bind_and_matter() -> None:
    """Most drawn members are away from kinks, norms bind at many, and the covariance alone would be wrong there."""
    inside, binding, wrong = 0, 0, 0
    for seed in range(30):
        problem = Problem(seed).held(1 + seed % 3)
        family = problem.family()
        assert family.norm_prices is not None
        for k in range(4):
            if not problem.inside(k, family):
                continue
            inside += 1
            binding += bool(family.norm_prices[k].any())
            here = np.einsum("xm,xgm->xg", family.policies[k], problem.rewards)
            spread = (problem.rewards - here[..., None]) * np.sqrt(family.policies[k])[:, None]
            plain = np.einsum("x,xgm,xhm->gh", problem.contexts, spread, spread) / problem.beta
            wrong += bool(np.abs(plain - family.jacobians[k]).max() > 1e-3 * np.abs(plain).max())
    assert inside >= 60
    assert binding >= 40
    assert wrong >= 40


def test_norms_that_say_nothing_bar_or_are_met_by_nothing() -> None:
    rng = np.random.default_rng(8)
    rewards, wheel = rng.normal(size=(2, 3, 2, 4)), simplex_grid(2, 4)
    plain = steerable_family(rewards, wheel)
    loose = steerable_family(rewards, wheel, norms=[Norm("loose", np.ones(4), 2.0)])
    np.testing.assert_allclose(loose.policies, plain.policies, atol=1e-14)
    np.testing.assert_allclose(loose.jacobians, plain.jacobians, atol=1e-13)
    assert plain.norm_prices is None
    assert loose.norm_prices.shape == (5, 2, 3, 1)
    barred = steerable_family(rewards, wheel, norms=[forbid("first", [True, False, False, False])])
    rest = steerable_family(rewards, wheel, [0, 1 / 3, 1 / 3, 1 / 3])
    np.testing.assert_allclose(barred.policies, rest.policies, atol=1e-14)
    np.testing.assert_allclose(barred.jacobians, rest.jacobians, atol=1e-13)
    # together two norms bar the last and tie the rest, so that nothing can be steered
    norms = [Norm("up", [1, -1, 1], 0), Norm("down", [-1, 1, 1], 0)]
    tied = steerable_family(rewards[..., :3], wheel, norms=norms)
    np.testing.assert_allclose(tied.policies[..., :2], 0.5, atol=1e-8)
    np.testing.assert_allclose(tied.jacobians, 0, atol=1e-12)
    with pytest.raises(Infeasible, match="all"):
        steerable_family(rewards, wheel, norms=[forbid("all", [True] * 4)])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("norms", [0, 1, 2])
def test_prices_are_exchange_rates(seed: int, groups: int, norms: int) -> None:
    """Of regularised values along the family, and of mean rewards at one divergence; further objectives unchanged."""
    problem, step = Problem(seed, groups).held(norms), 1e-4
    family = problem.family()
    for k, row in enumerate(problem.weights):
        bend = family.jacobians[k]
        if norms and (not problem.inside(k, family) or np.linalg.matrix_rank(bend, 1e-3) < groups):
            continue
        scarce = row @ bend  # β·dKL for a change of each weight
        others = np.arange(2, groups)
        ways = {
            "family": (np.vstack([np.ones(groups), (bend - scarce)[others]]), problem.regularised),
            "divergence": (np.vstack([scarce, bend[others]]), lambda weights: problem.at(weights)[0]),
        }
        for name, (kept, values) in ways.items():
            directions = null_space(kept)
            assert directions.shape[1] == 1
            move = step * directions[:, 0]
            change = values(row + move) - values(row - move)
            assert abs(change[1]) > 1e-9
            np.testing.assert_allclose(-change[0] / change[1], family.prices[k, 0, 1], rtol=1e-4, err_msg=name)
            np.testing.assert_allclose(-change[1] / change[0], family.prices[k, 1, 0], rtol=1e-4, err_msg=name)


def test_prices_where_a_weight_is_zero() -> None:
    prices = steerable_family(np.eye(3), [[0, 0.5, 0.5], [0, 0, 1]]).prices
    np.testing.assert_array_equal(prices[0], [[1.0, np.inf, np.inf], [0, 1, 1], [0, 1, 1]])
    assert np.isnan(prices[1, 0, 1])


def test_worked_values() -> None:
    family = steerable_family(TWO, [[0.25, 0.75], [0.5, 0.5], [0.75, 0.25]], beta=0.1)
    expected = [[0.1143, 0.9220], [0.5576, 0.5576], [0.9220, 0.1143]]
    np.testing.assert_allclose(family.values, expected, atol=5e-5)
    found = family.steerability()
    assert found.tradeoff == pytest.approx(np.mean([0.25 * 0.1143 + 0.75 * 0.922, 0.5576, 0.72008]), abs=1e-4)
    np.testing.assert_allclose(found.monotonicity, [1, 1])


def test_a_million_answers_or_one_context() -> None:
    rng = np.random.default_rng(0)
    rewards = rng.normal(size=(2, 3, 4, 5))
    family = steerable_family(rewards, simplex_grid(4, 2), beta=0.3)
    assert family.policies.shape == (10, 2, 3, 5)
    alone = [steerable_family(rewards[x], simplex_grid(4, 2), beta=0.3) for x in np.ndindex(2, 3)]
    np.testing.assert_allclose(family.values, np.mean([one.values for one in alone], axis=0), atol=1e-12)
    np.testing.assert_allclose(family.jacobians, np.mean([one.jacobians for one in alone], axis=0), atol=1e-12)
    scaled = steerable_family(rewards, 7 * simplex_grid(4, 2), beta=0.3)
    np.testing.assert_allclose(scaled.values, family.values, atol=1e-12)
    with pytest.raises(ValueError, match="read-only"):
        family.values[0] = 0


@pytest.mark.parametrize("seed", range(15))
def test_steerability_of_any_table(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, values = rng.dirichlet(np.ones(3), 9).round(1), rng.normal(size=(9, 3)).round(1)
    weights[:, 0] += 0.05
    found = tradeoff_steerability(weights, values)
    share = weights / weights.sum(1, keepdims=True)
    tradeoff = np.mean([row @ each for row, each in zip(share, values, strict=True)])
    fixed = max(np.mean([row @ each for row in share]) for each in values)
    assert found.tradeoff == pytest.approx(tradeoff)
    assert found.gain == pytest.approx(tradeoff - fixed)
    for g in range(3):
        expected = spearmanr(share[:, g].round(12), values[:, g]).statistic
        assert found.monotonicity[g] == pytest.approx(expected, abs=1e-12)


def test_steering_that_works_is_ignored_or_turned_round() -> None:
    wheel = simplex_grid(2, 10)
    front = steerable_family(TWO, wheel, beta=0.1).values
    right, wrong = tradeoff_steerability(wheel, front), tradeoff_steerability(wheel, front[::-1])
    assert right.gain > 0 > wrong.gain
    np.testing.assert_allclose(right.monotonicity, 1)
    np.testing.assert_allclose(wrong.monotonicity, -1)
    deaf = tradeoff_steerability(wheel, np.tile(front[5], (11, 1)))
    assert deaf.gain == pytest.approx(0, abs=1e-12)
    assert np.isnan(deaf.monotonicity).all()


def test_weight_on_the_weaker_voice_can_lower_both() -> None:
    """r₂ = 2r₁: more of w₁ is less of the common direction, though the policies are optimal."""
    family = steerable_family([[1, 0], [2, 0]], simplex_grid(2, 5))
    found = family.steerability().monotonicity
    np.testing.assert_allclose(found, [-1, 1])
    # what optimality does imply: Σ Δw·ΔV ≥ 0 between any two members, on drawn families
    for seed in range(10):
        drawn = Problem(seed).family()
        for a, b in product(range(4), repeat=2):
            assert (drawn.weights[a] - drawn.weights[b]) @ (drawn.values[a] - drawn.values[b]) >= -1e-12


@pytest.mark.parametrize(("groups", "steps"), [(1, 3), (2, 1), (2, 7), (3, 4), (4, 3)])
def test_the_grid_is_every_weighting_once(groups: int, steps: int) -> None:
    expected = [row for row in product(range(steps + 1), repeat=groups) if sum(row) == steps]
    found = simplex_grid(groups, steps)
    assert len(found) == comb(steps + groups - 1, groups - 1)
    np.testing.assert_array_equal(found, np.array(expected) / steps)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="weights"):
        steerable_family(TWO, [[0.5, 0.5, 0.0]])
    with pytest.raises(ValueError, match="weights"):
        steerable_family(TWO, np.ones((1, 1, 2)))
    with pytest.raises(ValueError, match="weights"):
        steerable_family(TWO, [[1.5, -0.5]])
    with pytest.raises(ValueError, match="weights"):
        steerable_family(TWO, [[0.5, 0.5]], context_weights=[1, 1])
    with pytest.raises(ValueError, match="beta"):
        steerable_family(TWO, [[0.5, 0.5]], beta=-1)
    for weights, values in (([[1, 0]], [[1, 0]]), ([[1, 0], [0, 1]], [[1], [0]]), ([[1, 0]] * 2, [[1, np.nan]] * 2)):
        with pytest.raises(ValueError, match="needed"):
            tradeoff_steerability(weights, values)
    for groups, steps in ((0, 1), (2, 0), (30, 30)):
        with pytest.raises(ValueError, match="simplex_grid"):
            simplex_grid(groups, steps)
