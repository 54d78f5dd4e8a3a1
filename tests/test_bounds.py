"""Lower bounds on a minority's gap: never above the gap on drawn instances, and the printed one refuted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from choicekit.alignment.bounds import (
    GroupDiversity,
    group_diversity,
    least_curvature,
    maxmin_bound,
    reward_distance_bound,
)
from choicekit.alignment.gaps import gap
from choicekit.alignment.hidden_context import population_rewards
from choicekit.alignment.policies import rlhf_policy

Array = np.ndarray


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x)))


def two_responses(count: int, seed: int) -> Iterator[tuple[Array, Array, Array, float]]:
    """Features [2, d], groups' parameters [g, d], shares [g] and β."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        width, groups = int(rng.integers(1, 4)), int(rng.integers(2, 5))
        features = rng.normal(size=(2, width)) * np.exp(rng.normal() / 2)
        own = rng.normal(size=(groups, width)) * np.exp(rng.uniform(-6, 1))
        yield features, own, rng.dirichlet(np.ones(groups)), float(np.exp(rng.normal()))


def pooled_on_two(features: Array, own: Array, shares: Array) -> tuple[Array, Array]:
    """The shortest pooled parameter whose win chance is the population's, and the groups' chances."""
    apart = features[0] - features[1]
    chances = sigmoid(own @ apart)
    chance = float(shares @ chances)
    return np.log(chance / (1 - chance)) * apart / (apart @ apart), chances


def test_the_quadratic_form_holds_on_drawn_populations() -> None:
    """Groups of any number whose parameters differ along any direction; features of any length."""
    telling = 0
    for features, drawn, shares, beta in two_responses(400, 0):
        apart = features[0] - features[1]
        own = np.outer(drawn @ apart, apart) / (apart @ apart)  # what the two responses tell of them
        pooled, chances = pooled_on_two(features, own, shares)
        stands = group_diversity(chances[:, None])
        u, size = stands.outlier, float(np.linalg.norm(features, axis=1).max())
        policy = rlhf_policy(features @ pooled, beta=beta)
        missed = float(gap([features @ own[u]], policy, beta=beta).gaps[0])
        line = features @ (apart / np.linalg.norm(apart))  # one dimension: in others no two responses differ
        along = [[float(each @ apart) / float(np.linalg.norm(apart))] for each in (own[u], pooled)]
        curvature = least_curvature(along[0], along[1], line[:, None], beta=beta)
        middle = reward_distance_bound(along[0], along[1], line[:, None], beta=beta)
        bound = float(maxmin_bound(stands.margin, shares[u], size=size, beta=beta, curvature=curvature))
        assert missed * (1 + 1e-6) + 1e-13 >= middle
        assert middle * (1 + 1e-9) + 1e-15 >= bound
        telling += bound > 0
    assert telling > 300


def test_the_distance_of_rewards_bounds_the_gap_for_any_pool() -> None:
    rng, tight = np.random.default_rng(2), 0
    for _ in range(300):
        width, size, beta = int(rng.integers(1, 4)), int(rng.integers(4, 8)), float(np.exp(rng.normal()))
        features, reference = rng.normal(size=(size, width)), rng.dirichlet(np.ones(size))
        if size > 5:
            reference[0] = 0
            reference /= reference.sum()
        own, other = rng.normal(size=(2, width))
        pooled = own + (other - own) * float(rng.choice([0.01, 1.0]))
        policy = rlhf_policy(features @ pooled, reference, beta)
        missed = float(gap([features @ own], policy, reference, beta).gaps[0])
        bound = reward_distance_bound(own, pooled, features, reference, beta)
        assert missed * (1 + 1e-6) + 1e-13 >= bound
        tight += bound > missed / 10
    assert tight > 50


def test_the_quadratic_form_holds_where_the_pool_fits_on_more_alternatives() -> None:
    """Features that span everything, so that a pooled reward with the population's win chances exists for BT mixtures
    near enough to one; it is fitted, and draws on which it misses the chances by more than 1e-3 are not counted."""
    rng = np.random.default_rng(8)
    counted = 0
    for _ in range(300):
        size, groups = int(rng.integers(3, 6)), int(rng.integers(2, 4))
        shares = rng.dirichlet(np.ones(groups))
        own = rng.normal(size=size) + rng.normal(size=(groups, size)) * 10.0 ** rng.uniform(-3, -1)
        own -= own.mean(1, keepdims=True)
        chances = sigmoid(own[..., :, None] - own[..., None, :])
        mixed = np.einsum("g,gab->ab", shares, chances)
        pooled = population_rewards(mixed)
        if np.abs(sigmoid(pooled[:, None] - pooled) - mixed).max() > 1e-3:
            continue
        counted += 1
        beta = float(np.exp(rng.normal()))
        # rewards up to a constant: orthonormal features of the mean-zero space
        basis = np.linalg.svd(np.eye(size) - 1 / size)[0][:, : size - 1]
        upper = np.triu_indices(size, 1)
        found = group_diversity(chances[:, upper[0], upper[1]])
        u = found.outlier
        least = least_curvature(basis.T @ own[u], basis.T @ pooled, basis, beta=beta)
        length = float(np.linalg.norm(basis, axis=1).max())
        bound = maxmin_bound(found.margin, shares[u], size=length, beta=beta, curvature=least)
        lost = gap(own[u][None], rlhf_policy(pooled, beta=beta), beta=beta).gaps[0]
        assert lost >= bound * (1 - 1e-9) - 1e-12
    assert counted > 200


def test_the_curvature_is_no_more_than_that_anywhere_between() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        features, (own, pooled) = rng.normal(size=(5, 2)), 3 * rng.normal(size=(2, 2))
        coarse = least_curvature(own, pooled, features, beta=0.5, points=9)
        fine = least_curvature(own, pooled, features, beta=0.5, points=2001)
        assert coarse <= fine * (1 + 1e-12)
        seen = np.inf
        for t in np.linspace(0, 1, 300):
            p = rlhf_policy(features @ (own + t * (pooled - own)), beta=0.5).probabilities
            centred = features - p @ features
            seen = min(seen, float(np.linalg.eigvalsh(centred.T @ (p[:, None] * centred))[0]))
        assert fine <= seen * (1 + 1e-9)
        assert fine >= 0.5 * seen


def test_the_printed_form_is_refuted_and_the_quadratic_is_not() -> None:
    """Two responses ±½, groups ±t, a share of 0.2 for t, β = 1."""
    for t, holds in ((1.0, True), (0.01, False), (0.001, False)):
        features = np.array([[0.5], [-0.5]])
        own = np.array([[t], [-t]])
        pooled, chances = pooled_on_two(features, own, np.array([0.2, 0.8]))
        missed = float(gap([features @ own[0]], rlhf_policy(features @ pooled)).gaps[0])
        stands = group_diversity(chances[:, None])
        assert stands.margin == pytest.approx(abs(chances[0] - chances[1]))
        curvature = least_curvature(own[0], pooled, features)
        printed = maxmin_bound(stands.margin, 0.2, size=0.5, beta=1.0, curvature=curvature, form="printed")
        assert (missed >= printed) == holds
        quadratic = maxmin_bound(stands.margin, 0.2, size=0.5, beta=1.0, curvature=curvature)
        assert missed >= quadratic
        if t == 1.0:
            assert missed == pytest.approx(0.2977, abs=5e-5)
        elif t == 0.01:
            assert missed == pytest.approx(3.20e-5, abs=5e-8)
            assert printed == pytest.approx(6.25e-5, rel=1e-3)


def test_diversity_by_the_book() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        chances = rng.random((int(rng.integers(2, 6)), 4))
        found = group_diversity(chances)
        far = max(np.abs(p - q).mean() for p in chances for q in chances)
        assert found.distance == pytest.approx(far)
        u, v = found.outlier, found.opposite
        assert np.abs(chances[u] - chances[v]).mean() == pytest.approx(far)
        others = [np.abs(chances[k] - chances[v]).mean() for k in range(len(chances)) if k not in (u, v)]
        assert found.margin == pytest.approx(far - max(others, default=0))
        turned = [np.abs(chances[k] - chances[u]).mean() for k in range(len(chances)) if k not in (u, v)]
        assert max(others, default=0) <= max(turned, default=0) + 1e-12


def test_bounds_are_broadcast_and_say_nothing_of_a_negative_margin() -> None:
    found = maxmin_bound([0.4, 0.2, -0.1], 0.5, size=1.0, beta=[[1.0], [2.0]], curvature=0.1)
    assert found.shape == (2, 3)
    np.testing.assert_allclose(found[0], 0.1 * np.array([0.04, 0.01, 0]) / 32)
    np.testing.assert_allclose(found[1], found[0] / 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": 1.5}, "share: needed a number from 0 to 1, got 1.5"),
        ({"size": 0.0}, "size: needed a positive number, got 0.0"),
        ({"beta": -1.0}, "beta: needed a positive number, got -1.0"),
        ({"margin": float("nan")}, "margin: needed"),
        ({"curvature": -0.1}, "curvature: needed a number from 0, got -0.1"),
        ({"form": "cubic"}, "form must be 'quadratic' or 'printed', got 'cubic'"),
    ],
)
def test_what_is_out_of_range_is_refused(changes: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"margin": 0.2, "share": 0.2, "size": 1.0, "beta": 1.0, "curvature": 0.1}
    usual |= changes
    with pytest.raises(ValueError, match=message):
        maxmin_bound(usual.pop("margin"), usual.pop("share"), **usual)


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match=r"at least two groups, got shape \(1, 1\)"):
        group_diversity([[0.5]])
    with pytest.raises(ValueError, match="between 0 and 1"):
        group_diversity([[0.5], [1.5]])
    with pytest.raises(ValueError, match=r"needed features \[alternative, d\]"):
        least_curvature([1.0, 2.0], [1.0], [[1.0], [0.0]])
    with pytest.raises(ValueError, match="at least 2 points, got 1"):
        least_curvature([1.0], [1.0], [[1.0], [0.0]], points=1)
    assert group_diversity([[1.0], [0.0]]) == GroupDiversity(1.0, 1.0, 0, 1)
