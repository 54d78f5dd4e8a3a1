"""The stakeholder game: gains by the book, equilibria by their gains, and what becomes of it where groups agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit.alignment.games import regularised_equilibrium
from choicekit.alignment.policies import preferences
from choicekit.alignment.stakeholders import StakeholderEquilibrium, deviation_gains, stakeholder_game
from choicekit.outcomes import NotConverged

Array = np.ndarray
MINE, YOURS = np.array([[0.5, 0.9], [0.1, 0.5]]), np.array([[0.5, 0.1], [0.9, 0.5]])


def drawn(rng: np.random.Generator, *lead: int, size: int) -> Array:
    upper = rng.uniform(0.02, 0.98, (*lead, size, size))
    above = np.triu(np.ones((size, size)), 1) > 0
    return np.asarray(np.where(above, upper, 0) + np.swapaxes(np.where(above, 1 - upper, 0), -1, -2) + np.eye(size) / 2)


@st.composite
def populations(draw: st.DrawFn) -> tuple[Array, Array, Array, float]:
    """Groups' preferences, a reference, weights and τ."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    groups, size = draw(st.integers(2, 4)), draw(st.integers(2, 5))
    tau = draw(st.sampled_from([0.2, 0.5, 1.0, 4.0]))
    return drawn(rng, groups, size=size), rng.dirichlet(np.ones(size)), rng.dirichlet(np.full(groups, 3.0)), tau


def payoff(g: int, policies: Array, games: Array, reference: Array, tau: float, weights: Array) -> float:
    """u_g, by loops."""
    total = 0.0
    for h in range(len(games)):
        if h != g:
            for a in range(len(reference)):
                for b in range(len(reference)):
                    total += weights[h] / (1 - weights[g]) * policies[g, a] * policies[h, b] * games[g, a, b]
    price = sum(p * math.log(p / r) for p, r in zip(policies[g], reference, strict=True) if p > 0)
    return total - tau * price


@given(populations(), st.integers(0, 100), st.booleans())
def test_gains_are_those_of_the_best_deviation(it: tuple[Array, Array, Array, float], seed: int, free: bool) -> None:
    games, reference, weights, tau = it
    tau = 0.0 if free else tau
    rng = np.random.default_rng(seed)
    policies = rng.dirichlet(np.ones(len(reference)), len(games))
    gains = deviation_gains(policies, games, reference, tau, weights=weights)
    assert (gains >= 0).all()
    for g in range(len(games)):
        now = payoff(g, policies, games, reference, tau, weights)
        best = -math.inf
        corners = list(np.eye(len(reference)))
        met = sum(weights[h] / (1 - weights[g]) * policies[h] for h in range(len(games)) if h != g)
        tilted = reference * np.exp((games[g] @ met - 1) / tau) if tau else reference
        for other in [*corners, *rng.dirichlet(np.ones(len(reference)), 20), tilted / tilted.sum()]:
            changed = policies.copy()
            changed[g] = other
            best = max(best, payoff(g, changed, games, reference, tau, weights) - now)
        assert gains[g] == pytest.approx(best, abs=1e-9)


@given(populations())
def test_nobody_gains_at_the_equilibrium(it: tuple[Array, Array, Array, float]) -> None:
    games, reference, weights, tau = it
    found = stakeholder_game(games, reference, tau, weights=weights)
    gains = deviation_gains(found.policies, games, reference, tau, weights=weights)
    assert found.converged
    assert gains.max() <= 1e-12
    assert found.gains.max() <= 1e-12
    for g in range(len(games)):
        own = payoff(g, found.policies, games, reference, tau, weights)
        assert found.payoffs[g] == pytest.approx(own, abs=1e-10)
    np.testing.assert_allclose(found.mixture.probabilities, weights @ found.policies, atol=1e-14)
    np.testing.assert_allclose(found.policies.sum(-1), 1, atol=1e-12)


@given(populations())
def test_groups_that_agree_play_the_regularised_preference_game(it: tuple[Array, Array, Array, float]) -> None:
    games, reference, weights, tau = it
    copies = np.stack([games[0]] * len(weights))
    found = stakeholder_game(copies, reference, tau, weights=weights)
    assert found.proved_unique
    one = regularised_equilibrium(games[0], reference, tau).probabilities
    np.testing.assert_allclose(found.policies, np.stack([one] * len(weights)), atol=1e-7)


@given(populations())
def test_where_one_is_proved_other_steps_and_names_find_it_too(it: tuple[Array, Array, Array, float]) -> None:
    games, reference, weights, tau = it
    found = stakeholder_game(games, reference, tau, weights=weights)
    order = np.arange(len(games))[::-1]
    turned = stakeholder_game(games[order], reference, tau, weights=weights[order], learning_rate=0.3 / (tau + 0.5))
    if found.proved_unique:
        np.testing.assert_allclose(turned.policies[order], found.policies, atol=1e-7)
    assert bool(stakeholder_game(games, reference, 40.0, weights=weights).proved_unique)


def test_uniqueness_is_proved_only_where_groups_are_near_or_the_penalty_large() -> None:
    apart = np.stack([MINE, YOURS])  # max|P_g − P_h| = 0.8: needs τ·¼ > ½·¼·0.8
    assert not stakeholder_game(apart, tau=0.39).proved_unique
    assert stakeholder_game(apart, tau=0.41).proved_unique


def test_groups_of_their_own_favourites() -> None:
    found = stakeholder_game([MINE, YOURS], tau=0.2)
    sure = 1 / (1 + math.exp(-0.4 / 0.2))  # one's own favourite gains 0.4 against whatever the other plays
    np.testing.assert_allclose(found.policies, [[sure, 1 - sure], [1 - sure, sure]], atol=1e-7)


def test_contexts_are_apart_and_rewards_give_preferences() -> None:
    rng = np.random.default_rng(2)
    rewards, reference = rng.normal(size=(4, 3, 5)), rng.dirichlet(np.ones(5), 4)
    games = preferences(rewards[..., None, :])
    found = stakeholder_game(games, reference, 0.3, weights=[1, 2, 3])
    assert found.policies.shape == (4, 3, 5)
    assert found.payoffs.shape == found.gains.shape == (4, 3)
    assert found.proved_unique.shape == found.converged.shape == found.iterations.shape == (4,)
    for x in range(4):
        alone = stakeholder_game(games[x], reference[x], 0.3, weights=[1, 2, 3])
        np.testing.assert_allclose(found.policies[x], alone.policies, atol=1e-14)
        np.testing.assert_allclose(
            deviation_gains(alone.policies, games[x], reference[x], 0.3, weights=[1, 2, 3]), 0, atol=1e-11
        )


def test_a_group_without_weight_answers_but_is_not_met() -> None:
    rng = np.random.default_rng(4)
    games = drawn(rng, 3, size=4)
    three = stakeholder_game(games, tau=0.5, weights=[1, 1, 0])
    two = stakeholder_game(games[:2], tau=0.5)
    np.testing.assert_allclose(three.policies[:2], two.policies, atol=1e-7)
    np.testing.assert_allclose(three.mixture.probabilities, two.mixture.probabilities, atol=1e-7)


def test_what_the_reference_rules_out_is_played_by_nobody() -> None:
    found = stakeholder_game(drawn(np.random.default_rng(1), 2, size=3), [0.5, 0, 0.5], 0.3)
    assert (found.policies[:, 1] == 0).all()
    games = drawn(np.random.default_rng(1), 2, size=3)
    assert deviation_gains([[0, 1, 0], [1, 0, 0]], games, [0.5, 0, 0.5], 0.3)[0] == np.inf


def test_steps_that_end_too_early_say_so() -> None:
    with pytest.raises(NotConverged, match="deviating after 3 steps") as refusal:
        stakeholder_game([MINE, YOURS], tau=0.05, steps=3)
    assert isinstance(refusal.value.partial, StakeholderEquilibrium)
    assert not refusal.value.partial.converged


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"preferences": [MINE]}, "two groups"),
        ({"preferences": MINE}, "square matrices"),
        ({"weights": [1, 0]}, "two groups"),
        ({"weights": [1, 2, 3]}, "weights"),
        ({"tau": 0.0}, "tau"),
        ({"learning_rate": 100.0}, "learning_rate"),
        ({"reference": [0.5, 0.6]}, "reference"),
    ],
)
def test_mistakes_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        stakeholder_game(**{"preferences": [MINE, YOURS]} | change)
    if "learning_rate" not in change and "tau" not in change:
        with pytest.raises(ValueError, match=says):
            deviation_gains(**{"policies": np.full((2, 2), 0.5), "preferences": [MINE, YOURS]} | change)
