"""Steerability: what a perfectly steerable model, a deaf one and a contrary one score; loops; rank correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from choicekit.alignment import rlhf_policy
from choicekit.alignment.distances import relative_wasserstein, total_variation
from choicekit.alignment.steerability import attribute_steerability, overlap, steering_monotonicity


@given(st.integers(0, 2**32))
def test_by_the_book(seed: int) -> None:
    rng = np.random.default_rng(seed)
    contexts, attributes, size = rng.integers(1, 5), rng.integers(2, 5), rng.integers(2, 6)
    steered, targets = rng.dirichlet(np.ones(size), (2, contexts, attributes))
    plain, weights = rng.dirichlet(np.ones(size), contexts), rng.random(contexts)
    found = attribute_steerability(steered, plain, targets, context_weights=weights)
    gains, hits = np.zeros(attributes), 0.0
    for x, weight in enumerate(weights / weights.sum()):
        for a in range(attributes):
            alike = [1 - float(np.abs(steered[x, a] - targets[x, b]).sum() / 2) for b in range(attributes)]
            gains[a] += weight * (alike[a] - (1 - float(np.abs(plain[x] - targets[x, a]).sum() / 2)))
            hits += weight * (alike.index(max(alike)) == a) / attributes
            assert found.similarities[x, a] == pytest.approx(alike)
    assert found.gains == pytest.approx(gains, abs=1e-12)
    assert found.accuracy == pytest.approx(hits)
    assert overlap(steered, targets) == pytest.approx(1 - total_variation(steered, targets))


def test_obedient_deaf_and_contrary_models() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        targets = rng.dirichlet(np.ones(4), (6, 3))
        plain = targets.mean(1)
        deaf = attribute_steerability(np.repeat(plain[:, None], 3, 1), plain, targets)
        assert deaf.gains == pytest.approx(0, abs=1e-12)
        assert deaf.accuracy == pytest.approx(1 / 3)  # the same answers to all are right once in three
        obedient = attribute_steerability(targets, plain, targets)
        assert obedient.accuracy == 1
        assert (obedient.gains > 0).all()
        any_other = attribute_steerability(rng.dirichlet(np.ones(4), (6, 3)), plain, targets)
        assert (obedient.gains >= any_other.gains - 1e-12).all()  # nothing gains more than doing as told
        assert attribute_steerability(targets[:, [1, 2, 0]], plain, targets).accuracy == 0
        ends = obedient.interval(rng=0)
        assert ends.shape == (4, 2)
        assert (ends[:3, 0] <= obedient.gains).all()
        assert (obedient.gains <= ends[:3, 1]).all()


def test_ties_count_by_chance() -> None:
    people = np.array([[[0.5, 0.5], [0.5, 0.5], [0.0, 1.0]]])
    assert attribute_steerability(people, [[0.5, 0.5]], people).accuracy == pytest.approx((0.5 + 0.5 + 1) / 3)


def test_one_context_needs_no_axis_and_any_similarity_will_do() -> None:
    rng = np.random.default_rng(1)
    steered, targets, plain = rng.dirichlet(np.ones(5), 3), rng.dirichlet(np.ones(5), 3), rng.dirichlet(np.ones(5))
    found = attribute_steerability(steered, plain, targets, similarity=lambda p, q: 1 - relative_wasserstein(p, q))
    for a in range(3):
        moved = [stats.wasserstein_distance(range(5), range(5), each, targets[a]) / 4 for each in (steered[a], plain)]
        assert found.gains[a] == pytest.approx(moved[1] - moved[0])
    batch = attribute_steerability(
        steered[None], plain[None], targets[None], similarity=lambda p, q: 1 - relative_wasserstein(p, q)
    )
    assert batch.gains == pytest.approx(found.gains)
    assert batch.accuracy == found.accuracy


def test_a_family_of_policies_is_monotone_in_its_weights() -> None:
    rewards = np.array([[1, 0, 0.6], [0, 1, 0.6]])
    weights = np.array([0.25, 0.5, 0.75])
    policies = rlhf_policy(np.stack([weights, 1 - weights], -1) @ rewards, beta=0.1).probabilities
    reached = rewards @ policies.T
    worked = np.array([[0.1143, 0.9220], [0.5576, 0.5576], [0.9220, 0.1143]])
    assert np.allclose(reached.T, worked, rtol=0, atol=5e-5)
    assert steering_monotonicity(weights, reached).tolist() == [1, -1]


def test_monotonicity_beside_scipy() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        size = rng.integers(2, 8)
        doses, reached = rng.integers(0, 6, size), rng.integers(0, 4, (3, size))
        if np.ptp(doses) == 0:
            continue
        found = steering_monotonicity(doses, reached)
        for value, row in zip(found, reached, strict=True):
            if np.ptp(row) == 0:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(stats.spearmanr(doses, row).statistic)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: attribute_steerability([[0.5, 0.5]], [0.5, 0.5], [[0.5, 0.5]] * 2), "of the same contexts"),
        (lambda: attribute_steerability([[0.5, 0.5]], [[0.5, 0.5]] * 2, [[0.5, 0.5]]), "of the same contexts"),
        (lambda: attribute_steerability([[0.5, 0.6]], [0.5, 0.5], [[0.5, 0.5]]), "steered: probabilities must sum"),
        (
            lambda: attribute_steerability([0.5, 0.5], [0.5, 0.5], [[0.5, 0.5]]),
            "needed steered.x, a, m., unsteered.x, m. and targets.x, a, m. of the same contexts",
        ),
        (
            lambda: attribute_steerability([[0.5, 0.5]], [0.5, 0.5], [[0.5, 0.5]], similarity=lambda p, q: p - q),
            "similarity: must take",
        ),
        (lambda: steering_monotonicity([1, 1], [0, 1]), "at least two that differ"),
        (lambda: steering_monotonicity([1, 2], [0, 1, 2]), "needed strengths"),
        (lambda: steering_monotonicity([1, 2], [0, np.nan]), "reached: needed finite"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
