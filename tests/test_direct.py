"""Direct preference losses against their formulas, the policies that minimise them against the conditions for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from choicekit import alignment as al
from choicekit.alignment.direct import dpo_loss, dpo_policy, ipo_loss, ipo_policy
from choicekit.outcomes import NoFiniteEstimate, Policy

Array = np.ndarray


# --- By the book: loops -------------------------------------------------------------------------------------------


class Population(NamedTuple):
    """Preferences of one context, a reference (0: not available), weights of pairs, β."""

    shares: Array
    ground: Array
    sampling: Array
    beta: float

    @property
    def available(self) -> list[int]:
        return np.flatnonzero(self.ground > 0).tolist()


def dpo_objective(case: Population, z: Array) -> float:
    total = 0.0
    for a in case.available:
        for b in case.available:
            if a != b:
                h = z[a] - z[b]
                total += case.sampling[a, b] * case.shares[a, b] * np.logaddexp(0, -case.beta * h)
                total += case.sampling[b, a] * case.shares[a, b] * np.logaddexp(0, -case.beta * h)
    return total


def ipo_objective(case: Population, z: Array) -> float:
    total = 0.0
    for a in case.available:
        for b in case.available:
            if a != b:
                weight = case.sampling[a, b] + case.sampling[b, a]
                total += weight * case.shares[a, b] * (z[a] - z[b] - 0.5 / case.beta) ** 2
    return total


def gradient(case: Population, z: Array, kind: str) -> Array:
    """Of the objectives above, written out."""
    found = np.zeros(len(z))
    for a in case.available:
        for b in case.available:
            if a != b:
                weight = (case.sampling[a, b] + case.sampling[b, a]) * case.shares[a, b]
                h = z[a] - z[b]
                slope = -case.beta / (1 + math.exp(case.beta * h)) if kind == "dpo" else 2 * (h - 0.5 / case.beta)
                found[a] += weight * slope
                found[b] -= weight * slope
    return found


def levels(policy: Array, ground: Array) -> Array:
    z = np.zeros(len(policy))
    z[ground > 0] = np.log(policy[ground > 0] / ground[ground > 0])
    return z


@st.composite
def populations(draw: st.DrawFn) -> Population:
    size = draw(st.integers(2, 6))
    upper = draw(arrays(np.float64, (size, size), elements=st.floats(0.02, 0.98)))
    shares = np.triu(upper, 1)
    shares += np.tril(1 - shares.T, -1) + 0.5 * np.eye(size)
    ground = draw(arrays(np.float64, size, elements=st.floats(0.05, 1)))
    if size > 2 and draw(st.booleans()):
        ground[draw(st.integers(0, size - 1))] = 0
    sampling = draw(arrays(np.float64, (size, size), elements=st.floats(0.1, 1)))
    return Population(shares, ground / ground.sum(), sampling, draw(st.sampled_from([0.1, 0.5, 1.0, 3.0])))


finite = st.floats(-50, 50, allow_subnormal=False)


# --- Losses of single comparisons ---------------------------------------------------------------------------------


def test_worked_numbers() -> None:
    given_ = ([-10.0], [-12.0], [-11.0], [-12.0], 0.1)
    assert dpo_loss(*given_)[0] == pytest.approx(0.644397, abs=1e-6)
    assert ipo_loss(*given_)[0] == pytest.approx(16.0, abs=1e-12)


@given(arrays(np.float64, (4, 5), elements=finite), st.sampled_from([0.05, 0.1, 1.0]), st.floats(0, 0.49))
def test_losses_are_their_formulas_and_slopes(logs: Array, beta: float, smoothing: float) -> None:
    found = dpo_loss(*logs, beta, label_smoothing=smoothing)
    square = ipo_loss(*logs, beta)
    for i, (c, r, rc, rr) in enumerate(logs.T.tolist()):
        x = beta * ((c - r) - (rc - rr))
        sigma, other = 1 / (1 + math.exp(-x)), 1 / (1 + math.exp(x))
        expected = -(1 - smoothing) * math.log(sigma) - smoothing * math.log(other)
        assert found[i] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert square[i] == pytest.approx((x / beta - 0.5 / beta) ** 2, rel=1e-9, abs=1e-9)
        more = logs[:, i : i + 1] + np.array([[1e-5], [0], [0], [0]])
        less = logs[:, i : i + 1] - np.array([[1e-5], [0], [0], [0]])
        slope = (dpo_loss(*more, beta, label_smoothing=smoothing) - dpo_loss(*less, beta, label_smoothing=smoothing))[0]
        assert slope / 2e-5 == pytest.approx(beta * (smoothing - other), abs=1e-5)
        slope = (ipo_loss(*more, beta) - ipo_loss(*less, beta))[0]
        assert slope / 2e-5 == pytest.approx(2 * (x / beta - 0.5 / beta), rel=1e-5, abs=1e-4)


def test_far_out_nothing_overflows_and_small_losses_keep_their_digits() -> None:
    far = dpo_loss([1e6, -1e6, 700.0], [0.0] * 3, [0.0] * 3, [0.0] * 3, 1.0)
    assert far[0] == 0
    assert far[1] == 1e6
    assert far[2] == pytest.approx(math.exp(-700), rel=1e-12)
    assert dpo_loss([-1e6], [0.0], [0.0], [0.0], 1.0, label_smoothing=0.25)[0] == pytest.approx(0.75e6)


def test_smoothing_is_the_mean_over_flipped_labels() -> None:
    logs = np.random.default_rng(0).normal(size=(4, 200)) * 5
    flipped = logs[[1, 0, 3, 2]]
    mixed = 0.7 * dpo_loss(*logs, 0.5) + 0.3 * dpo_loss(*flipped, 0.5)
    np.testing.assert_allclose(dpo_loss(*logs, 0.5, label_smoothing=0.3), mixed, rtol=1e-13)


def test_losses_do_not_change_the_arrays_and_keep_shapes() -> None:
    logs = np.random.default_rng(0).normal(size=(4, 3, 2))
    before = logs.copy()
    assert dpo_loss(*logs, 0.1).shape == ipo_loss(*logs, 0.1).shape == (3, 2)
    np.testing.assert_array_equal(logs, before)


# --- Policies of populations --------------------------------------------------------------------------------------


@given(populations())
def test_the_gradient_of_the_population_dpo_loss_is_zero(case: Population) -> None:
    policy = dpo_policy(case.shares, case.ground, case.beta, sampling=case.sampling)
    z = levels(policy.probabilities, case.ground)
    assert np.abs(gradient(case, z, "dpo")).max() <= 1e-9 * case.beta * case.sampling.sum()
    assert policy.probabilities[case.ground == 0].sum() == 0
    assert policy.probabilities.sum() == pytest.approx(1)


@given(populations())
def test_the_gradient_of_the_population_ipo_loss_is_zero(case: Population) -> None:
    policy = ipo_policy(case.shares, case.ground, case.beta, sampling=case.sampling)
    z = levels(policy.probabilities, case.ground)
    assert np.abs(gradient(case, z, "ipo")).max() <= 1e-9 / case.beta * case.sampling.sum()
    assert policy.probabilities[case.ground == 0].sum() == 0


@given(populations(), st.integers(0, 10**6))
def test_no_other_policy_has_less_loss(case: Population, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for solve, objective in ((dpo_policy, dpo_objective), (ipo_policy, ipo_objective)):
        policy = solve(case.shares, case.ground, case.beta, sampling=case.sampling).probabilities
        best = levels(policy, case.ground)
        least = objective(case, best)
        for scale in (0.01, 0.3, 3):
            assert objective(case, best + rng.normal(size=len(best)) * scale) >= least * (1 - 1e-12)


@given(arrays(np.float64, (3, 4), elements=st.floats(-3, 3)), st.sampled_from([0.2, 1.0, 4.0]))
def test_dpo_of_bradley_terry_preferences_is_reward_maximisation(rewards: Array, beta: float) -> None:
    shares = 1 / (1 + np.exp(rewards[:, None, :] - rewards[:, :, None]))
    ground = np.array([0.4, 0.3, 0.2, 0.1])
    expected = al.rlhf_policy(rewards, ground, beta).probabilities
    np.testing.assert_allclose(dpo_policy(shares, ground, beta).probabilities, expected, atol=1e-8)


@given(populations(), st.integers(0, 10**6))
def test_ipo_with_independent_pairs_is_the_mean_against_the_opponent(case: Population, seed: int) -> None:
    opponent = np.random.default_rng(seed).dirichlet(np.ones(len(case.ground))) * (case.ground > 0)
    opponent /= opponent.sum()
    policy = ipo_policy(case.shares, case.ground, case.beta, sampling=np.outer(opponent, opponent))
    expected = case.ground * np.exp((case.shares - 0.5) @ opponent / case.beta)
    np.testing.assert_allclose(policy.probabilities, expected / expected.sum(), rtol=1e-6, atol=1e-12)


def test_ipo_is_the_borda_policy_with_another_beta() -> None:
    rewards = np.random.default_rng(1).normal(size=(5, 3, 4)) * 2
    size, beta = 4, 0.3
    borda = al.borda_policy(rewards, beta=4 * beta * size / (size - 1)).probabilities
    np.testing.assert_allclose(ipo_policy(al.preferences(rewards), beta=beta).probabilities, borda, atol=1e-12)


def test_contexts_are_fitted_each_for_itself() -> None:
    rng = np.random.default_rng(3)
    shares = al.preferences(rng.normal(size=(2, 5, 3, 4)) * 2)
    ground = rng.dirichlet(np.ones(4), (2, 5))
    ground[0, 1, 2] = ground[1, 3, 0] = 0
    ground[1, 2] = [0, 1, 0, 0]
    ground /= ground.sum(-1, keepdims=True)
    sampling = rng.random((2, 5, 4, 4)) + 0.1
    for solve in (dpo_policy, ipo_policy):
        together = solve(shares, ground, 0.7, sampling=sampling)
        assert together.probabilities.shape == together.reference.shape == (2, 5, 4)
        for x in np.ndindex(2, 5):
            alone = solve(shares[x], ground[x], 0.7, sampling=sampling[x])
            np.testing.assert_allclose(together.probabilities[x], alone.probabilities, atol=1e-10)
    np.testing.assert_allclose(together.probabilities[1, 2], [0, 1, 0, 0])


def test_extreme_shares_are_still_told_apart() -> None:
    share = 1e-9
    policy = dpo_policy([[0.5, 1 - share], [share, 0.5]])
    assert policy.probabilities[1] == pytest.approx(share, rel=1e-5)


def test_a_policy_that_does_not_exist_is_refused_by_name() -> None:
    never = np.array([[0.5, 1, 1], [0, 0.5, 0.6], [0, 0.4, 0.5]])
    with pytest.raises(NoFiniteEstimate, match=r"\{0\}; \{1, 2\}.*context 1") as refused:
        dpo_policy(np.stack([np.full((3, 3), 0.5), never]))
    assert refused.value.components == ((0,), (1, 2))
    assert np.isfinite(ipo_policy(never).probabilities).all()
    apart = np.zeros((3, 3))
    apart[0, 1] = 1
    with pytest.raises(NoFiniteEstimate):
        dpo_policy(np.full((3, 3), 0.5), sampling=apart)
    with pytest.raises(ValueError, match="context 0 has available alternatives"):
        ipo_policy(np.full((3, 3), 0.5), sampling=apart)
    # where the one that is never compared is not available, nothing is missing
    assert ipo_policy(np.full((3, 3), 0.5), [0.5, 0.5, 0], sampling=apart).probabilities.tolist() == [0.5, 0.5, 0]


@pytest.mark.parametrize("solve", [dpo_policy, ipo_policy])
def test_wrong_populations_are_refused(solve: Callable[..., Policy]) -> None:
    half = np.full((2, 2), 0.5)
    for wrong in ([[0.5, 0.7], [0.4, 0.5]], [[0.6, 0.7], [0.3, 0.4]], [[0.5, 1.2], [-0.2, 0.5]], [0.5, 0.5],
                  [[0.5, np.nan], [0.5, 0.5]], np.full((2, 3), 0.5), np.zeros((0, 0))):  # fmt: skip
        with pytest.raises(ValueError, match="preferences"):
            solve(wrong)
    with pytest.raises(ValueError, match="beta"):
        solve(half, beta=0)
    with pytest.raises(ValueError, match="reference"):
        solve(half, [0.5, 0.6])
    for sampling in (-half, np.full((3, 3), 0.5), half * np.nan):
        with pytest.raises(ValueError, match="sampling"):
            solve(half, sampling=sampling)


def test_wrong_log_probabilities_are_refused() -> None:
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(ValueError, match="one shape"):
        dpo_loss(one, two, one, one, 0.1)
    with pytest.raises(ValueError, match="finite"):
        ipo_loss(one, one - np.inf, one, one, 0.1)
    for beta in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="beta"):
            dpo_loss(one, one, one, one, beta)
    for smoothing in (-0.1, 0.5, 1.0, np.nan):
        with pytest.raises(ValueError, match="label_smoothing"):
            dpo_loss(one, one, one, one, 0.1, label_smoothing=smoothing)
