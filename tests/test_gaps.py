"""Gaps and win rates over many contexts: the compiled loops against slow ones, and their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest

from choicekit.alignment.gaps import gap, preference_collapse, win_rates

Array = np.ndarray


def by_the_book(rewards: Array, policy: Array, ground: Array, beta: float) -> tuple[float, float, float]:
    """The gap, F(π) and F(π*) by loops over available alternatives."""
    here = [a for a in range(len(ground)) if ground[a] > 0]
    if any(policy[a] > 0 and ground[a] == 0 for a in range(len(ground))):
        return math.inf, -math.inf, math.nan
    top = max(rewards[a] / beta for a in here)
    optimum = beta * (top + math.log(sum(ground[a] * math.exp(rewards[a] / beta - top) for a in here)))
    reached = sum(policy[a] * (rewards[a] - beta * math.log(policy[a] / ground[a])) for a in here if policy[a] > 0)
    return optimum - reached, reached, optimum


@pytest.mark.parametrize("seed", range(6))
def test_many_contexts_are_as_many_problems(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rewards, beta = rng.normal(0, 3, (7, 5, 6)), float(np.exp(rng.normal()))
    ground, policy = rng.dirichlet(np.ones(6), 7), rng.dirichlet(np.ones(6), 7)
    ground[::2, 1] = 0
    policy[::4, 1] = 0
    policy[1, :3] = 0
    ground, policy = (each / each.sum(1, keepdims=True) for each in (ground, policy))
    found = gap(rewards, policy, ground, beta)
    for x in range(7):
        for g in range(5):
            lost, reached, optimum = by_the_book(rewards[x, g], policy[x], ground[x], beta)
            assert found.gaps[x, g] == pytest.approx(lost, abs=1e-9)
            assert found.divergences[x, g] == pytest.approx(lost, abs=1e-9)
            assert found.values[x, g] == pytest.approx(reached, abs=1e-9)
            if math.isfinite(lost):
                assert found.optima[x, g] == pytest.approx(optimum, abs=1e-9)
    assert np.isinf(found.gaps).any()
    assert np.isfinite(found.gaps).any()


def test_leading_axes_of_any_shape_and_what_is_shared() -> None:
    rng = np.random.default_rng(0)
    rewards, policy, ground = rng.normal(size=(2, 3, 4, 5)), rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5), 3)
    found = gap(rewards, policy, ground, 0.7)
    assert found.gaps.shape == (2, 3, 4)
    rates = win_rates(rewards, policy, ground)
    for i in range(2):
        for x in range(3):
            np.testing.assert_allclose(found.gaps[i, x], gap(rewards[i, x], policy, ground[x], 0.7).gaps, atol=1e-12)
            np.testing.assert_allclose(rates[i, x], win_rates(rewards[i, x], policy, ground[x]), atol=1e-12)


def test_several_policies_for_one_problem() -> None:
    rng = np.random.default_rng(1)
    rewards, policies = rng.normal(size=(2, 3)), rng.dirichlet(np.ones(3), 4)
    found = gap(rewards, policies, beta=0.5)
    assert found.gaps.shape == (4, 2)
    for own, policy in zip(found.gaps, policies, strict=True):
        np.testing.assert_allclose(own, gap(rewards, policy, beta=0.5).gaps, atol=1e-12)


def test_what_is_not_available_has_no_say_however_good_it_is() -> None:
    plain = gap([[1.0, 0.0]], [0.3, 0.7], [0.6, 0.4], 0.1)
    for rubbish in (-1e6, 0.0, 1e6):
        padded = gap([[1.0, 0.0, rubbish]], [0.3, 0.7, 0.0], [0.6, 0.4, 0.0], 0.1)
        for name in ("gaps", "divergences", "values", "optima"):
            np.testing.assert_allclose(getattr(padded, name), getattr(plain, name), atol=1e-12)
        rates = win_rates([[1.0, 0.0, rubbish]], [0.3, 0.7, 0.0], [0.6, 0.4, 0.0])
        np.testing.assert_allclose(rates, win_rates([[1.0, 0.0]], [0.3, 0.7], [0.6, 0.4]))


def test_rewards_of_any_size_and_a_small_penalty() -> None:
    found = gap([[1e5, 0.0], [0.0, 1e5]], [1.0, 0.0], beta=1e-3)
    np.testing.assert_allclose(found.gaps, [0, 1e5], atol=1e-8)
    np.testing.assert_allclose(found.divergences, [0, 1e5], atol=1e-8)


def test_win_rates_refuse_what_is_no_policy() -> None:
    with pytest.raises(ValueError, match=r"policy: probabilities must sum to 1, got 0\.5"):
        win_rates([[1.0, 0.0]], [0.25, 0.25])
    with pytest.raises(ValueError, match=r"policy: needed 2 probabilities, one an alternative, got shape \(3,\)"):
        win_rates([[1.0, 0.0]], [0.25, 0.25, 0.5])


def test_collapse_of_a_policy_without_entropy() -> None:
    assert preference_collapse([1.0, 0.0], [1.0, 0.0]).entropy_ratio == 1.0
    assert preference_collapse([1.0, 0.0], [0.5, 0.5]).divergence == math.inf
