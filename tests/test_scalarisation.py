"""What one reward cannot carry: rank-one and opposite groups, invariances, brute-force optima."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import models
from choicekit.alignment.scalarisation import scalarisation_loss
from choicekit.solvers import minimise

Array = np.ndarray


def drawn(seed: int) -> tuple[Array, Array, Array, Array]:
    """Rewards [x, g, m], group weights, references with holes, context weights."""
    rng = np.random.default_rng(seed)
    x, g, m = int(rng.integers(1, 4)), int(rng.integers(2, 5)), int(rng.integers(3, 6))
    ground = rng.dirichlet(np.full(m, 3.0), x)
    if seed % 2:
        ground[0, int(rng.integers(m))] = 0
        ground /= ground.sum(1, keepdims=True)
    return rng.normal(0, 1.5, (x, g, m)), rng.dirichlet(np.full(g, 3.0)), ground, rng.dirichlet(np.full(x, 3.0))


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x)))


def crossed(rewards: Array, pool: Array, ground: Array) -> float:
    """The mean cross-entropy of one group's win chances in one context, by a double loop."""
    total = pairs = 0.0
    for a in range(len(ground)):
        for b in range(len(ground)):
            if a != b and ground[a] * ground[b] > 0:
                chance, guess = sigmoid(rewards[a] - rewards[b]), sigmoid(pool[a] - pool[b])
                total -= ground[a] * ground[b] * (chance * math.log(guess) + (1 - chance) * math.log(1 - guess))
                pairs += ground[a] * ground[b]
    return total / pairs


def flattened(rewards: Array, weights: Array, ground: Array, contexts: Array) -> Array:
    """Groups × (context, alternative), centred and weighted."""
    centred = rewards - (rewards * ground[:, None]).sum(-1, keepdims=True)
    scaled = centred * np.sqrt(contexts[:, None, None] * ground[:, None])
    return np.sqrt(weights)[:, None] * scaled.transpose(1, 0, 2).reshape(len(weights), -1)


@pytest.mark.parametrize("seed", range(12))
def test_the_axis_is_the_best_of_rank_one(seed: int) -> None:
    rewards, weights, ground, contexts = drawn(seed)
    found = scalarisation_loss(rewards, weights, reference=ground, context_weights=contexts)
    matrix = flattened(rewards, weights, ground, contexts)
    sizes = np.linalg.svd(matrix, compute_uv=False)
    assert found.unexplained == pytest.approx(1 - sizes[0] ** 2 / (sizes**2).sum(), abs=1e-10)
    axis = np.nan_to_num(found.axis)
    assert (np.isnan(found.axis) == (ground == 0)).all()
    np.testing.assert_allclose((axis * ground).sum(-1), 0, atol=1e-9)
    assert (contexts @ (axis**2 * ground).sum(-1)) == pytest.approx(1)
    rebuilt = (found.coefficients[:, None] * np.sqrt(weights)[:, None]) * (
        axis * np.sqrt(contexts[:, None] * ground)
    ).reshape(1, -1)
    left = ((matrix - rebuilt) ** 2).sum()
    assert left == pytest.approx((sizes[1:] ** 2).sum(), abs=1e-9)
    own = ((matrix - rebuilt) ** 2).sum(1) / (matrix**2).sum(1)
    np.testing.assert_allclose(found.unexplained_by_group, own, atol=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_what_no_reward_serves_is_the_best_of_many_mixes(seed: int) -> None:
    rewards, weights, ground, contexts = drawn(seed)
    found = scalarisation_loss(rewards, weights, reference=ground, context_weights=contexts)
    matrix = flattened(rewards, weights, ground, contexts)
    products = matrix @ matrix.T
    rng = np.random.default_rng(seed)
    tried = np.abs(rng.normal(size=(20_000, len(weights)))) * (rng.random((20_000, len(weights))) < 0.7)
    tried = tried[tried.any(1)]
    tried /= np.linalg.norm(tried, axis=1, keepdims=True)
    best = np.einsum("ti,ij,tj->t", tried, products, tried).max()
    assert found.unserved() <= 1 - best / np.trace(products) + 1e-9
    assert found.unserved() >= 1 - best / np.trace(products) - 0.02
    assert found.unserved() >= found.unexplained - 1e-12


@pytest.mark.parametrize("seed", range(12))
def test_the_pool_is_the_best_reward_there_is(seed: int) -> None:
    rewards, weights, ground, contexts = drawn(seed)
    found = scalarisation_loss(rewards, weights, reference=ground, context_weights=contexts)
    losses = np.zeros(len(weights))
    for x in range(len(ground)):
        here = np.flatnonzero(ground[x])

        def objective(pool: Array, x: int = x, here: Array = here) -> float:
            pairs = zip(weights, rewards[x], strict=True)
            return float(sum(w * crossed(r[here], pool, ground[x, here]) for w, r in pairs))

        def sloped(pool: Array, objective: Any = objective) -> tuple[float, Array]:
            steps = 1e-5 * np.eye(len(pool))
            return objective(pool), np.array([(objective(pool + h) - objective(pool - h)) / 2e-5 for h in steps])

        peer = minimise(sloped, np.zeros(len(here)), tolerance=1e-7)
        assert objective(found.pooled[x, here]) <= peer.value + 1e-10
        best = peer.point - ground[x, here] @ peer.point
        np.testing.assert_allclose(found.pooled[x, here], best, atol=1e-4)
        for g, own in enumerate(rewards[x]):
            excess = crossed(own, np.nan_to_num(found.pooled[x]), ground[x]) - crossed(own, own, ground[x])
            losses[g] += contexts[x] * excess
    np.testing.assert_allclose(found.losses, losses, atol=1e-9)
    assert found.loss == pytest.approx(weights @ losses)


@pytest.mark.parametrize("seed", range(6))
def test_the_loss_is_disagreement_and_misfit(seed: int) -> None:
    rewards, weights, ground, contexts = drawn(seed)
    found = scalarisation_loss(rewards, weights, reference=ground, context_weights=contexts)
    total = 0.0
    for x in range(len(ground)):
        pairs = missed = 0.0
        for a in range(len(ground[x])):
            for b in range(len(ground[x])):
                if a != b:
                    p = sigmoid(rewards[x, :, a] - rewards[x, :, b])
                    mean = weights @ p
                    apart = p * np.log(p / mean) + (1 - p) * np.log((1 - p) / (1 - mean))
                    missed += ground[x, a] * ground[x, b] * (weights @ apart)
                    pairs += ground[x, a] * ground[x, b]
        total += contexts[x] * missed / pairs
    assert found.disagreement == pytest.approx(total)
    assert found.loss == pytest.approx(found.disagreement + found.misfit)
    assert found.misfit >= 0


def test_the_pool_is_the_fit_to_all_comparisons() -> None:
    rewards, weights = np.array([[1.0, 0.2, -0.5], [-2.0, 0.0, 1.0]]), np.array([0.7, 0.3])
    rows = []
    for a in range(3):
        for b in range(3):
            if a != b:
                rows.append((a, b, float(weights @ sigmoid(rewards[:, a] - rewards[:, b]))))
    first, second, count = zip(*rows, strict=True)
    fit = models.bradley_terry(ck.Comparisons(list(first), list(second), weight=list(count)))
    np.testing.assert_allclose(scalarisation_loss(rewards, weights).pooled, fit.scores, atol=1e-8)


def test_groups_that_care_more_or_less_are_one_axis_but_no_pool() -> None:
    base = np.random.default_rng(0).normal(size=(3, 1, 5))
    found = scalarisation_loss(base * np.array([2.0, 1.0, 0.5])[:, None])
    assert found.unexplained == pytest.approx(0, abs=1e-12)
    assert found.unserved() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(found.coefficients / found.coefficients[1], [2, 1, 0.5])
    assert found.loss > 0.01
    same = scalarisation_loss(np.repeat(base, 3, axis=1))
    assert same.loss == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(same.pooled, base[:, 0] - base[:, 0].mean(-1, keepdims=True), atol=1e-7)


@pytest.mark.parametrize("size", [0.1, 1.0, 5.0])
def test_opposite_groups_are_one_axis_that_serves_neither(size: float) -> None:
    base = size * np.random.default_rng(1).normal(size=4)
    found = scalarisation_loss([base, -base])
    assert found.unexplained == pytest.approx(0, abs=1e-12)
    assert found.unserved() == pytest.approx(0.5)
    np.testing.assert_allclose(found.pooled, 0, atol=1e-9)
    assert found.losses[0] == pytest.approx(found.losses[1])
    np.testing.assert_allclose(found.coefficients[0], -found.coefficients[1])


@pytest.mark.parametrize("seed", range(5))
def test_zeros_units_and_order_do_not_matter(seed: int) -> None:
    rewards, weights, ground, contexts = drawn(seed)
    rng = np.random.default_rng(seed)
    found = scalarisation_loss(rewards, weights, reference=ground, context_weights=contexts)
    moved = rewards + rng.normal(0, 3, rewards.shape[:2])[..., None]
    other = scalarisation_loss(moved, 7 * weights, reference=ground, context_weights=5 * contexts)
    for name in ("unexplained", "unexplained_by_group", "coefficients", "axis", "pooled", "losses"):
        np.testing.assert_allclose(getattr(other, name), getattr(found, name), atol=1e-7)
    scaled = scalarisation_loss(2 * rewards, weights, reference=ground, context_weights=contexts)
    assert scaled.unexplained == pytest.approx(found.unexplained)
    assert scaled.unserved() == pytest.approx(found.unserved())
    np.testing.assert_allclose(scaled.coefficients, 2 * found.coefficients)
    order = rng.permutation(len(weights))
    turned = scalarisation_loss(rewards[:, order], weights[order], reference=ground, context_weights=contexts)
    np.testing.assert_allclose(turned.losses, found.losses[order], atol=1e-8)


def test_contexts_of_one_alternative_have_nothing_to_compare() -> None:
    rewards = np.random.default_rng(2).normal(size=(2, 2, 3))
    ground = np.array([[0.3, 0.3, 0.4], [0.0, 1.0, 0.0]])
    found = scalarisation_loss(rewards, reference=ground)
    alone = scalarisation_loss(rewards[0], reference=ground[0])
    np.testing.assert_allclose(found.losses, alone.losses)
    assert found.unexplained == pytest.approx(alone.unexplained)
    nobody = scalarisation_loss(np.zeros((2, 3)))
    assert (nobody.unexplained, nobody.loss, nobody.unserved()) == (0.0, 0.0, 0.0)


def test_rewards_that_are_far_apart() -> None:
    found = scalarisation_loss([[60.0, 0.0, -60.0], [-10.0, 0.0, 10.0]], [0.5, 0.5])
    assert np.isfinite(found.losses).all()
    alone = scalarisation_loss([[30.0, 0.0]])
    np.testing.assert_allclose(alone.losses, 0, atol=1e-8)


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"context_weights: needed shape \(2,\), one a context, got \(3,\)"):
        scalarisation_loss(np.zeros((2, 2, 3)), context_weights=[1, 1, 1])
    with pytest.raises(ValueError, match="weights: needed 2"):
        scalarisation_loss(np.zeros((2, 3)), [1.0])
    with pytest.raises(ValueError, match="rewards: needed finite numbers"):
        scalarisation_loss([1.0, 2.0])
    many = scalarisation_loss(np.random.default_rng(0).normal(size=(17, 3)))
    with pytest.raises(ValueError, match="at most 16 groups; got 17"):
        many.unserved()
