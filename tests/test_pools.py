"""Opinion pools by what they minimise, by the rewards behind the policies, and at their limits."""

from __future__ import annotations

import numpy as np
import pytest

from choicekit import alignment as al
from choicekit import welfare
from choicekit.alignment.norms import Infeasible, Norm, forbid
from choicekit.alignment.pools import linear_pool, logarithmic_pool, power_pool

Array = np.ndarray


def drawn(count: int, seed: int) -> list[tuple[Array, Array]]:
    rng = np.random.default_rng(seed)
    shapes = [(int(rng.integers(1, 5)), int(rng.integers(2, 7))) for _ in range(count)]
    return [(rng.dirichlet(np.ones(m), g), rng.dirichlet(np.ones(g))) for g, m in shapes]


@pytest.mark.parametrize(("policies", "weights"), drawn(25, 0))
def test_each_pool_is_nearest_to_all_in_its_own_divergence(policies: Array, weights: Array) -> None:
    rng = np.random.default_rng(1)
    linear, geometric = (np.asarray(pool(policies, weights)) for pool in (linear_pool, logarithmic_pool))
    assert linear.sum() == pytest.approx(1)
    assert geometric.sum() == pytest.approx(1)
    for _ in range(40):
        around = rng.dirichlet(np.ones(policies.shape[1]))
        for part in (1.0, 0.01):
            for pool, forward in ((linear, True), (geometric, False)):
                other = (1 - part) * pool + part * around
                ways = [(policies, pool), (policies, other)] if forward else [(pool, policies), (other, policies)]
                own, theirs = (weights @ al.kl(p, q) for p, q in ways)
                assert own <= theirs + 1e-12


@pytest.mark.parametrize("seed", range(25))
def test_pooling_policies_is_aggregating_rewards(seed: int) -> None:
    """Logarithmic = the weighted sum of rewards; power p = the exponential mean of the normalised rewards at p/β."""
    rng = np.random.default_rng(seed)
    groups, size, beta = int(rng.integers(2, 5)), int(rng.integers(2, 7)), float(np.exp(rng.normal()))
    rewards, ground = rng.normal(size=(3, groups, size)), rng.dirichlet(np.ones(size), 3)
    weights = rng.dirichlet(np.ones(groups))
    own = al.rlhf_policy(rewards, ground[:, None, :].repeat(groups, 1), beta).probabilities
    summed = al.rlhf_policy(np.einsum("g,xgm->xm", weights, rewards), ground, beta).probabilities
    np.testing.assert_allclose(np.asarray(logarithmic_pool(own, weights)), summed, atol=1e-12)
    centred = rewards - beta * np.log((ground[:, None] * np.exp(rewards / beta)).sum(-1, keepdims=True))
    for power in (-2.0, -0.3, 0.5, 1.0, 3.0):
        mean = welfare.exponential_mean(centred, power / beta, weights)
        expected = al.rlhf_policy(mean, ground, beta).probabilities
        np.testing.assert_allclose(np.asarray(power_pool(own, power, weights)), expected, atol=1e-11)


@pytest.mark.parametrize(("policies", "weights"), drawn(15, 2))
def test_powers_at_their_limits(policies: Array, weights: Array) -> None:
    def at(power: float) -> Array:
        return np.asarray(power_pool(policies, power, weights))

    np.testing.assert_allclose(at(1.0), np.asarray(linear_pool(policies, weights)), atol=1e-15)
    np.testing.assert_array_equal(at(0.0), np.asarray(logarithmic_pool(policies, weights)))
    for tiny in (1e-6, -1e-6):
        np.testing.assert_allclose(at(tiny), at(0.0), atol=1e-4)
    for end, pick in ((np.inf, policies.max(0)), (-np.inf, policies.min(0))):
        np.testing.assert_allclose(at(end), pick / pick.sum(), atol=1e-15)
    np.testing.assert_allclose(at(2000.0), at(np.inf), atol=1e-2)
    by_hand = (weights @ policies**2.5) ** (1 / 2.5)
    np.testing.assert_allclose(at(2.5), by_hand / by_hand.sum(), atol=1e-14)


@pytest.mark.parametrize("pool", [logarithmic_pool, lambda p, w=None: power_pool(p, -1.0, w)])
def test_a_zero_is_a_veto_of_groups_with_weight(pool: object) -> None:
    policies = [[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]
    found = pool(policies)  # type: ignore[operator]
    assert found.probabilities[2] == 0
    np.testing.assert_allclose(found.reference, [0.5, 0.5, 0])
    np.testing.assert_allclose(pool(policies, [0, 1]).probabilities, policies[1])  # type: ignore[operator]
    batch = np.array([[[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0], [0.0, 1.0]]])
    with pytest.raises(ValueError, match="in context 1"):
        pool(batch)  # type: ignore[operator]


def test_the_linear_pool_keeps_what_anybody_says() -> None:
    found = linear_pool([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], [1, 3])
    assert found.probabilities.tolist() == [0.25, 0.75, 0.0]
    assert found.reference.tolist() == [0.5, 0.5, 0.0]
    assert found.beta is None
    np.testing.assert_allclose(np.asarray(power_pool([[1.0, 0.0], [0.0, 1.0]], 0.5)), [0.5, 0.5])


def test_probabilities_too_small_to_multiply() -> None:
    tiny = [[1 - 1e-300, 1e-300], [1e-300, 1 - 1e-300], [1e-300, 1 - 1e-300]]
    np.testing.assert_allclose(np.asarray(logarithmic_pool(tiny)), [1e-100, 1.0], rtol=1e-9)


def test_batches_are_pooled_one_by_one() -> None:
    rng = np.random.default_rng(5)
    policies, weights = rng.dirichlet(np.ones(4), (2, 3, 5)), rng.dirichlet(np.ones(5))
    for pool in (linear_pool, logarithmic_pool, lambda p, w: power_pool(p, 0.3, w)):
        both = np.asarray(pool(policies, weights))
        for x in np.ndindex(2, 3):
            np.testing.assert_allclose(both[x], np.asarray(pool(policies[x], weights)), atol=1e-15)


def test_policies_are_taken_as_they_come() -> None:
    own = [al.rlhf_policy(r, beta=0.5) for r in ([1, 0, 2], [0, 1, 0])]
    expected = al.rlhf_policy([0.5, 0.5, 1], beta=0.5).probabilities
    np.testing.assert_allclose(np.asarray(logarithmic_pool(own)), expected, atol=1e-14)
    mixed = al.random_dictatorship_policy([[1, 0, 2], [0, 1, 0]], beta=0.5)
    np.testing.assert_allclose(np.asarray(linear_pool(own)), mixed.probabilities, atol=1e-14)


@pytest.mark.parametrize("policies", [[0.5, 0.5], [[0.5, 0.6]], [[1.5, -0.5]], [[np.nan, 1.0]], np.zeros((0, 2))])
def test_bad_policies(policies: list) -> None:
    for pool in (linear_pool, logarithmic_pool):
        with pytest.raises(ValueError, match="policies"):
            pool(policies)
    with pytest.raises(ValueError, match="policies"):
        power_pool(policies, 2.0)


def test_bad_weights_and_exponents() -> None:
    with pytest.raises(ValueError, match="weights"):
        linear_pool([[0.5, 0.5]], [1, 1])
    with pytest.raises(ValueError, match="exponent"):
        power_pool([[0.5, 0.5]], np.nan)


POOLS = {"linear": linear_pool, "logarithmic": logarithmic_pool,
         "power": lambda p, w=None, **k: power_pool(p, -0.7, w, **k),
         "power 0": lambda p, w=None, **k: power_pool(p, 0.0, w, **k)}  # fmt: skip


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("seed", range(12))
def test_under_norms_it_is_the_nearest_that_meets_them(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, size = int(rng.integers(2, 5)), int(rng.integers(3, 7))
    policies, weights = rng.dirichlet(np.ones(size), (2, groups)), rng.dirichlet(np.ones(groups))
    pool = POOLS[name]
    plain = pool(policies, weights)
    cost = rng.normal(size=size)
    limit = 0.6 * cost.min() + 0.4 * float((plain.probabilities @ cost).min())
    found = pool(policies, weights, norms=[Norm("cost", cost, limit)])
    assert (found.probabilities @ cost <= limit + 1e-9).all()
    assert (found.norm_prices > 0).all()
    np.testing.assert_array_equal(found.reference, plain.reference)
    assert found.beta is None
    for x in range(2):
        own = al.kl(found.probabilities[x], plain.probabilities[x])
        weighed = weights @ al.kl(found.probabilities[x], policies[x])
        for other in rng.dirichlet(np.ones(size), 40):
            part = min(1.0, (limit - cost.min()) / (other @ cost - cost.min()))
            other = part * other + (1 - part) * np.eye(size)[cost.argmin()]
            assert own <= al.kl(other, plain.probabilities[x]) + 1e-9
            if name in ("logarithmic", "power 0"):
                assert weighed <= weights @ al.kl(other, policies[x]) + 1e-9


def test_the_linear_pool_under_norms_is_not_the_least_of_its_own_sum() -> None:
    """The docstring's warning: least KL(π‖pool) is not least Σ w·KL(π_g‖π)."""
    policies, norm = np.array([[0.8, 0.15, 0.05], [0.6, 0.05, 0.35]]), Norm("cost", [1.0, 0.3, 0.0], 0.4)
    found = linear_pool(policies, norms=[norm]).probabilities
    away = np.array([1.0, -1 / 0.3, 1 / 0.3 - 1]) * 1e-3  # at the same cost
    sums = [al.kl(policies, found + sign * away).mean() for sign in (-1, 0, 1)]
    assert min(sums[0], sums[2]) < sums[1] - 1e-6


@pytest.mark.parametrize("name", POOLS)
def test_norms_that_say_nothing_and_norms_that_nothing_meets(name: str) -> None:
    policies, pool = [[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], POOLS[name]
    plain, loose = pool(policies), pool(policies, norms=[Norm("loose", [1, 1, 1], 2.0)])
    np.testing.assert_allclose(loose.probabilities, plain.probabilities, atol=1e-14)
    assert plain.norm_prices is None
    barred = pool(policies, norms=[forbid("first", [True, False, False])]).probabilities
    np.testing.assert_allclose(barred, [0, *plain.probabilities[1:] / plain.probabilities[1:].sum()], atol=1e-14)
    with pytest.raises(Infeasible, match="all"):
        pool(policies, norms=[forbid("all", [True] * 3)])
    # what the pool never answers cannot save it
    with pytest.raises(Infeasible, match="those"):
        pool([[0.5, 0.5, 0.0]] * 2, norms=[forbid("those", [True, True, False])])
