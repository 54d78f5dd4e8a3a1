"""The policy of the least reward at each answer: what it maximises, and what it falls short of."""

from __future__ import annotations

import numpy as np
import pytest

from choicekit import alignment as al
from choicekit import welfare
from choicekit.alignment.norms import Infeasible, Norm, forbid
from choicekit.alignment.pointwise import pointwise_min_policy

Array = np.ndarray


def drawn(count: int, seed: int) -> list[tuple[Array, Array, float]]:
    rng = np.random.default_rng(seed)
    cases = []
    for k in range(count):
        groups, size = int(rng.integers(1, 5)), int(rng.integers(2, 7))
        ground = rng.dirichlet(np.ones(size))
        if k % 3 == 0 and size > 2:
            ground[rng.integers(size)] = 0
            ground /= ground.sum()
        cases.append((rng.normal(size=(groups, size)) * 2, ground, float(rng.choice([0.05, 0.5, 3.0]))))
    return cases


@pytest.mark.parametrize("case", drawn(40, 0))
def test_it_maximises_the_expected_least_and_bounds_the_least_expected(case: tuple[Array, Array, float]) -> None:
    rewards, ground, beta = case
    least = np.array([min(column) for column in rewards.T.tolist()])
    found = pointwise_min_policy(rewards, ground, beta)
    policy = found.probabilities
    own = float(policy @ least) - beta * float(al.kl(policy, ground))
    rng = np.random.default_rng(1)
    for other in rng.dirichlet(np.ones(len(ground)), 30):
        other = np.where(ground > 0, other, 0) / other[ground > 0].sum()
        assert other @ least - beta * al.kl(other, ground) <= own + 1e-12
        assert (rewards @ other).min() >= other @ least - 1e-12
    regularised = (rewards @ policy).min() - beta * float(al.kl(policy, ground))
    fair = al.egalitarian_policy(rewards, ground, beta, disagreement=np.zeros(len(rewards)))
    best = (rewards @ fair.probabilities).min() - beta * float(al.kl(fair, ground))
    assert own - 1e-12 <= regularised <= best + 1e-8
    np.testing.assert_allclose(found.reference, ground, rtol=1e-14)
    assert found.beta == beta


@pytest.mark.parametrize("case", drawn(30, 5))
def test_under_norms_it_is_the_best_of_those_that_meet_them(case: tuple[Array, Array, float]) -> None:
    rewards, ground, beta = case
    rng = np.random.default_rng(6)
    cost = rng.normal(size=len(ground))
    cheapest = int(np.where(ground > 0, cost, np.inf).argmin())
    limit = 0.7 * cost[cheapest] + 0.3 * float(ground @ cost)
    found = pointwise_min_policy(rewards, ground, beta, norms=[Norm("cost", cost, limit)])
    policy, least = found.probabilities, rewards.min(0)
    assert policy @ cost <= limit + 1e-9
    own = policy @ least - beta * al.kl(policy, ground)
    for other in rng.dirichlet(np.ones(len(ground)), 40):
        other = np.where(ground > 0, other, 0) / other[ground > 0].sum()
        # towards the cheapest until the norm is met
        part = min(1.0, (limit - cost[cheapest]) / max(other @ cost - cost[cheapest], 1e-12))
        other = part * other + (1 - part) * np.eye(len(ground))[cheapest]
        assert other @ least - beta * al.kl(other, ground) <= own + 1e-9
    # and an optimum: the price is what is left of the reward, and only of a tight norm
    price = float(found.norm_prices[0])
    kept = policy > 1e-200
    left = (least - price * cost)[kept] - beta * np.log(policy[kept] / ground[kept])
    assert np.ptp(left) <= 1e-6 * (1 + np.ptp(least) + price)
    assert price * (limit - policy @ cost) <= 1e-6


def test_norms_that_say_nothing_and_norms_that_nothing_meets() -> None:
    rewards = np.random.default_rng(7).normal(size=(3, 2, 4))
    plain = pointwise_min_policy(rewards, beta=0.3)
    loose = pointwise_min_policy(rewards, beta=0.3, norms=[Norm("loose", np.ones(4), 2.0)])
    np.testing.assert_allclose(loose.probabilities, plain.probabilities, atol=1e-14)
    assert plain.norm_prices is None
    assert not loose.norm_prices.any()
    barred = pointwise_min_policy(rewards, beta=0.3, norms=[forbid("first", [True, False, False, False])])
    rest = pointwise_min_policy(rewards, [0, 1 / 3, 1 / 3, 1 / 3], beta=0.3)
    np.testing.assert_allclose(barred.probabilities, rest.probabilities, atol=1e-14)
    with pytest.raises(Infeasible, match="all"):
        pointwise_min_policy(rewards, beta=0.3, norms=[forbid("all", [True] * 4)])


def test_favourites_against_a_bland_answer() -> None:
    """Mixing favourites gives .5 each, the bland answer .05; as β → 0."""
    rewards = np.array([[1, 0, 0.05], [0, 1, 0.05]])
    fair = al.egalitarian_policy(rewards, beta=1e-3, disagreement=[0, 0])
    np.testing.assert_allclose(rewards @ fair.probabilities, [0.5, 0.5], atol=1e-3)
    np.testing.assert_allclose(
        rewards @ pointwise_min_policy(rewards, beta=1e-3).probabilities, [0.05, 0.05], atol=1e-6
    )
    # at β = .01 a little is still mixed in
    np.testing.assert_allclose(
        rewards @ pointwise_min_policy(rewards, beta=0.01).probabilities,
        (0.05 * np.exp(5) + 1) / (np.exp(5) + 2),
        rtol=1e-12,
    )


@pytest.mark.parametrize("case", drawn(10, 2))
def test_it_is_the_policy_of_the_exponential_mean_at_minus_infinity(case: tuple[Array, Array, float]) -> None:
    rewards, ground, beta = case
    mean = welfare.exponential_mean(rewards, -np.inf)
    np.testing.assert_allclose(
        pointwise_min_policy(rewards, ground, beta).probabilities,
        al.rlhf_policy(mean, ground, beta).probabilities,
        atol=1e-14,
    )


def test_one_group_is_rlhf_and_contexts_are_independent() -> None:
    rng = np.random.default_rng(3)
    rewards, ground = rng.normal(size=(2, 3, 4, 5)), rng.dirichlet(np.ones(5), (2, 3))
    both = pointwise_min_policy(rewards, ground, 0.3).probabilities
    for x in np.ndindex(2, 3):
        np.testing.assert_allclose(both[x], pointwise_min_policy(rewards[x], ground[x], 0.3).probabilities)
    alone = pointwise_min_policy(rewards[0, 0, :1], ground[0, 0], 0.3).probabilities
    np.testing.assert_allclose(alone, al.rlhf_policy(rewards[0, 0, 0], ground[0, 0], 0.3).probabilities)


def test_a_shift_of_one_group_matters() -> None:
    """The zero of rewards counts: the policy compares groups."""
    plain = pointwise_min_policy([[1.0, 0.0], [0.0, 1.0]]).probabilities
    shifted = pointwise_min_policy([[1.0, 0.0], [5.0, 6.0]]).probabilities
    np.testing.assert_allclose(plain, [0.5, 0.5])
    assert shifted[0] > 0.7


@pytest.mark.parametrize(
    ("rewards", "reference", "beta"),
    [([1.0, 0.0], None, 1.0), ([[1.0, np.nan]], None, 1.0), ([[1.0, 0.0]], [0.5, 0.6], 1.0), ([[1.0, 0.0]], None, 0.0)],
)
def test_bad_input(rewards: list, reference: list | None, beta: float) -> None:
    with pytest.raises(ValueError, match=r"needed|sum"):
        pointwise_min_policy(rewards, reference, beta)
