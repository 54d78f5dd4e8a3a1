"""Policies and gaps against worked numbers, the conditions that define them, and a general convex solver."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import choicekit as ck
from choicekit import alignment as al
from choicekit import rules

Array = np.ndarray
TWO = [[1, 0, 0.6], [0, 1, 0.6]]


# --- By the book: loops over lists --------------------------------------------------------------------------------


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def divergence(p: Array, q: Array) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p.tolist(), q.tolist(), strict=True) if a > 0)


def value(rewards: Array, policy: Array, ground: Array, beta: float) -> float:
    """F(π) = ⟨π, r⟩ − β·KL(π‖ρ)."""
    return float(policy @ rewards) - beta * divergence(policy, ground)


class Instance(NamedTuple):
    """Contexts × groups × alternatives; where the reference is 0 an alternative is not available."""

    rewards: Array
    ground: Array
    beta: float
    shares: Array
    contexts: Array

    def values(self, policy: Any) -> Array:
        """F_g of a policy, averaged over contexts."""
        rows = np.asarray(policy)
        return np.array([
            sum(
                c * value(self.rewards[x, g], rows[x], self.ground[x], self.beta) for x, c in enumerate(self.contexts)
            )
            for g in range(len(self.shares))
        ])  # fmt: skip

    def optima(self) -> Array:
        """max_π F_g(π) = β·log Σ ρ·e^{r/β}."""
        scaled = self.rewards / self.beta
        top = scaled.max(-1, keepdims=True)
        level = top[..., 0] + np.log((self.ground[:, None] * np.exp(scaled - top)).sum(-1))
        return self.contexts @ (self.beta * level)


def instances(count: int, seed: int) -> Iterator[Instance]:
    rng = np.random.default_rng(seed)
    for k in range(count):
        x, g, m = int(rng.integers(1, 4)), int(rng.integers(1, 5)), int(rng.integers(2, 6))
        ground = rng.dirichlet(np.full(m, 2.0), x)
        if m > 2 and k % 2:
            ground[:, rng.integers(m)] = 0
            ground /= ground.sum(1, keepdims=True)
        yield Instance(
            rng.normal(0, [0.5, 1, 4][k % 3], (x, g, m)), ground, float(rng.choice([0.1, 0.5, 2.0])),
            rng.dirichlet(np.full(g, 3.0)), rng.dirichlet(np.full(x, 3.0)),
        )  # fmt: skip


INSTANCES = [pytest.param(instance, id=str(k)) for k, instance in enumerate(instances(14, 5))]


def convex(instance: Instance, objective: Any) -> tuple[float, Array]:
    """The optimum of a concave function of the groups' values, by a general solver."""
    import cvxpy as cp

    rewards, ground, beta, _, contexts = instance
    variable = cp.Variable(ground.shape, nonneg=True)
    values = []
    for g in range(rewards.shape[1]):
        total = 0
        for x in range(len(ground)):
            here = np.flatnonzero(ground[x] > 0)
            inside = variable[x, here]
            price = beta * cp.sum(cp.rel_entr(inside, ground[x, here]))
            total += contexts[x] * (rewards[x, g, here] @ inside - price)
        values.append(total)
    limits = [cp.sum(variable, axis=1) == 1]
    if (ground == 0).any():
        limits.append(variable[ground == 0] == 0)
    problem = cp.Problem(cp.Maximize(objective(cp, cp.hstack(values))), limits)
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == "optimal"
    return float(problem.value), np.asarray(variable.value)


finite = st.floats(-6, 6, allow_subnormal=False)


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Array, Array, Array, float]:
    """Rewards [g, m], a reference, a policy and β."""
    groups, size = draw(st.integers(1, 4)), draw(st.integers(2, 6))
    rewards = draw(arrays(np.float64, (groups, size), elements=finite))
    weight = arrays(np.float64, size, elements=st.floats(0.01, 1))
    ground, policy = draw(weight), draw(arrays(np.float64, size, elements=st.floats(0, 1)))
    policy[0] += 0.01
    return rewards, ground / ground.sum(), policy / policy.sum(), draw(st.sampled_from([0.05, 0.3, 1.0, 5.0]))


# --- Reward maximisation with a KL penalty ------------------------------------------------------------------------


def test_the_closed_form() -> None:
    ground, beta = np.array([0.5, 0.3, 0.2]), 0.5
    policy = al.rlhf_policy([1, 0, 2], ground, beta)
    np.testing.assert_allclose(policy.probabilities, [0.247720, 0.020115, 0.732165], atol=1e-6)
    found = al.gap([[1, 0, 2]], [0.2, 0.2, 0.6], ground, beta)
    assert found.optima[0] == pytest.approx(1.351155, abs=1e-6)
    assert found.gaps[0] == pytest.approx(0.148564, abs=1e-6)
    assert found.divergences[0] == pytest.approx(0.148564, abs=1e-6)


@pytest.mark.parametrize(
    ("reference", "beta", "expected"),
    [(0.5, 10, 0.5101), (0.5, 1, 0.6), (0.5, 0.5, 0.6923), (0.5, 0.1, 0.98295), (0.5, 0.01, 1.0), (0.4, 1, 0.5),
     (0.4, 0.5, 0.6), (0.8, 1, 0.8571), (0.8, 10, 0.8064)],
)  # fmt: skip
def test_preference_collapse_of_60_to_40(reference: float, beta: float, expected: float) -> None:
    policy = al.rlhf_policy([math.log(0.6 / 0.4), 0.0], [reference, 1 - reference], beta)
    assert policy.probabilities[0] == pytest.approx(expected, abs=5e-5)


@given(drawn())
def test_the_optimum_is_better_by_beta_times_the_divergence(case: tuple[Array, Array, Array, float]) -> None:
    rewards, ground, policy, beta = case
    found = al.gap(rewards, policy, ground, beta)
    for g, own in enumerate(rewards):
        best = al.rlhf_policy(own, ground, beta).probabilities
        reached, optimum = value(own, policy, ground, beta), value(own, best, ground, beta)
        scale = 1e-9 * (1 + abs(optimum) + abs(reached))
        assert found.values[g] == pytest.approx(reached, abs=scale)
        assert found.optima[g] == pytest.approx(optimum, abs=scale)
        assert found.gaps[g] == pytest.approx(optimum - reached, abs=scale)
        assert found.divergences[g] == pytest.approx(found.gaps[g], abs=scale)
        if (best > 0).all():
            assert found.gaps[g] == pytest.approx(beta * divergence(policy, best), abs=scale)
        assert found.gaps[g] >= 0


@given(drawn(), st.floats(-50, 50), st.floats(0.1, 10))
def test_the_zero_and_the_unit_of_rewards_do_not_matter(
    case: tuple[Array, Array, Array, float], zero: float, unit: float
) -> None:
    rewards, ground, _, beta = case
    policy = al.rlhf_policy(rewards[0], ground, beta).probabilities
    np.testing.assert_allclose(al.rlhf_policy(rewards[0] + zero, ground, beta).probabilities, policy, atol=1e-9)
    np.testing.assert_allclose(al.rlhf_policy(rewards[0] * unit, ground, beta * unit).probabilities, policy, atol=1e-9)


def test_from_the_reference_to_the_argmax() -> None:
    ground = [0.7, 0.2, 0.1]
    np.testing.assert_allclose(al.rlhf_policy([0, 1, 2], ground, 1e9).probabilities, ground, atol=1e-8)
    np.testing.assert_allclose(al.rlhf_policy([0, 1, 2], ground, 1e-3).probabilities, [0, 0, 1], atol=1e-12)
    policy = al.rlhf_policy([1e6, 0, -1e6], ground, 1.0).probabilities
    np.testing.assert_array_equal(policy, [1, 0, 0])


def test_contexts_are_answered_one_by_one() -> None:
    rewards, ground = np.array([[1.0, 0, 2], [0, 3, 1]]), np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    both = al.rlhf_policy(rewards, ground, 0.5).probabilities
    for x in range(2):
        np.testing.assert_allclose(both[x], al.rlhf_policy(rewards[x], ground[x], 0.5).probabilities)
    np.testing.assert_allclose(al.rlhf_policy(rewards, ground[0], 0.5).probabilities[0], both[0])


def test_preference_matching_is_the_softmax() -> None:
    found = al.preference_matching_policy([0, 1, 2]).probabilities
    np.testing.assert_allclose(found, [0.090031, 0.244728, 0.665241], atol=1e-6)
    np.testing.assert_allclose(al.preference_matching_policy([0, 1, 2], [0.1, 0.0, 0.9]).probabilities[1], 0)
    narrowed = al.preference_matching_policy([0, 1, 2], [0.1, 0.0, 0.9]).probabilities
    np.testing.assert_allclose(narrowed[[0, 2]], np.exp([0, 2]) / np.exp([0, 2]).sum())


@given(drawn())
def test_choice_shares_and_preferences_are_averages_over_groups(case: tuple[Array, Array, Array, float]) -> None:
    rewards = case[0]
    weights = np.arange(1.0, len(rewards) + 1)
    size = rewards.shape[1]
    shares, pairs = np.zeros(size), np.zeros((size, size))
    for weight, own in zip(weights / weights.sum(), rewards, strict=True):
        for a in range(size):
            shares[a] += weight * math.exp(own[a]) / sum(math.exp(r) for r in own)
            for b in range(size):
                pairs[a, b] += weight * sigmoid(own[a] - own[b])
    np.testing.assert_allclose(al.choice_shares(rewards, weights=weights), shares, rtol=1e-10)
    np.testing.assert_allclose(al.preferences(rewards, weights), pairs, rtol=1e-10)
    stacked = np.stack([rewards, -rewards])
    np.testing.assert_allclose(al.preferences(stacked, weights)[1], pairs.T, rtol=1e-10)
    np.testing.assert_allclose(al.choice_shares(stacked, weights=weights)[0], shares, rtol=1e-10)


# --- Gaps, win rates, collapse ------------------------------------------------------------------------------------


def test_who_is_worst_and_by_how_much() -> None:
    rewards = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])
    found = al.gap(rewards, [[1.0, 0.0], [0.0, 1.0]], beta=1.0)
    own = math.log((math.e + 1) / 2)
    alone = own - (1 - math.log(2))  # a reward of 1 at probability 1, which costs ln 2
    np.testing.assert_allclose(found.gaps, [[alone, alone + 1], [alone, alone]], atol=1e-12)
    assert found.worst == 1
    assert found.spread == pytest.approx(0.5)


def test_one_policy_for_all_contexts() -> None:
    rewards = np.array([[[1.0, 0.0]], [[0.0, 3.0]]])
    found = al.gap(rewards, [0.4, 0.6], beta=0.5)
    for x in range(2):
        np.testing.assert_allclose(found.gaps[x], al.gap(rewards[x], [0.4, 0.6], beta=0.5).gaps)


def test_an_answer_that_the_reference_rules_out_is_infinitely_bad() -> None:
    found = al.gap([[1.0, 0.0]], [0.5, 0.5], [1.0, 0.0])
    assert found.gaps[0] == math.inf
    assert found.divergences[0] == math.inf
    assert al.gap([[1.0, 0.0]], [1.0, 0.0], [1.0, 0.0]).gaps[0] == pytest.approx(0, abs=1e-12)


def test_a_policy_that_underflows_has_a_finite_gap() -> None:
    found = al.gap([[20.0, 0.0], [0.0, 20.0]], al.rlhf_policy([20.0, 0.0], beta=0.01), beta=0.01)
    np.testing.assert_allclose(found.gaps, [0, 20], atol=1e-9)
    np.testing.assert_allclose(found.divergences, [0, 20], atol=1e-9)


@given(drawn())
def test_win_rates_are_double_sums(case: tuple[Array, Array, Array, float]) -> None:
    rewards, ground, policy, _ = case
    expected = [
        sum(p * q * sigmoid(own[a] - own[b]) for a, p in enumerate(policy) for b, q in enumerate(ground))
        for own in rewards
    ]
    np.testing.assert_allclose(al.win_rates(rewards, policy, ground), expected, rtol=1e-9)
    np.testing.assert_allclose(al.win_rates(rewards, ground, ground), 0.5, rtol=1e-9)
    stacked = al.win_rates(np.stack([rewards, rewards]), np.stack([policy, ground]), ground)
    np.testing.assert_allclose(stacked, [expected, [0.5] * len(rewards)], rtol=1e-9)


def test_collapse_in_three_measures() -> None:
    """p = (.6, .4), q = (.99, .01); the entropies are .673012 and .056002."""
    found = al.preference_collapse([0.99, 0.01], [0.6, 0.4])
    assert found.divergence == pytest.approx(1.175087, abs=1e-6)
    assert found.total_variation == pytest.approx(0.39)
    entropies = [-sum(p * math.log(p) for p in both) for both in ((0.99, 0.01), (0.6, 0.4))]
    assert found.entropy_ratio == pytest.approx(entropies[0] / entropies[1])


def test_collapse_is_averaged_over_contexts() -> None:
    policies, shares = [[0.99, 0.01], [0.5, 0.5]], [[0.6, 0.4], [0.5, 0.5]]
    found = al.preference_collapse(policies, shares, [3, 1])
    assert found.divergence == pytest.approx(0.75 * 1.175087, abs=1e-6)
    assert found.total_variation == pytest.approx(0.75 * 0.39)
    assert al.preference_collapse(policies, shares).total_variation == pytest.approx(0.5 * 0.39)
    padded = al.preference_collapse([0.99, 0.01, 0.0], [0.6, 0.4, 0.0])
    plain = al.preference_collapse([0.99, 0.01], [0.6, 0.4])
    assert dataclasses.astuple(padded) == pytest.approx(dataclasses.astuple(plain))


def test_divergence() -> None:
    assert al.kl([0.6, 0.4], [0.99, 0.01]) == pytest.approx(1.175087, abs=1e-6)
    assert al.kl([1.0, 0.0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert al.kl([0.5, 0.5], [1.0, 0.0]) == math.inf
    np.testing.assert_allclose(al.kl([[0.5, 0.5], [1, 0]], [0.5, 0.5]), [0, math.log(2)])


# --- Egalitarian --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beta", "policy", "reached"),
    [(1.0, [0.322043, 0.322043, 0.355913], 0.534456), (0.1, [0.211942, 0.211942, 0.576117], 0.545283)],
)
def test_the_egalitarian_compromise(beta: float, policy: list[float], reached: float) -> None:
    found = al.egalitarian_policy(TWO, beta=beta)
    np.testing.assert_allclose(found.probabilities, policy, atol=1e-6)
    np.testing.assert_allclose(found.multipliers, [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(al.gap(TWO, found, beta=beta).values, reached, atol=1e-6)


def test_the_utilitarian_mix_for_comparison() -> None:
    mixed = al.rlhf_policy(np.array([0.9, 0.1]) @ TWO, beta=1.0)
    np.testing.assert_allclose(al.gap(TWO, mixed).values, [0.6105, 0.3591], atol=1e-4)


@pytest.mark.parametrize("instance", INSTANCES)
@pytest.mark.parametrize("kind", ["reference", "optima", "given"])
def test_the_egalitarian_policy_is_the_max_min(instance: Instance, kind: str) -> None:
    rewards, ground, beta, _, contexts = instance
    start = instance.values(ground)
    base = {"reference": start, "optima": instance.optima(), "given": np.linspace(-0.3, 0.4, len(start))}[kind]
    found = al.egalitarian_policy(
        rewards, ground, beta, context_weights=contexts, disagreement=None if kind == "reference" else base
    )
    gains = instance.values(found) - base
    best, policy = convex(instance, lambda cp, values: cp.min(values - base))
    assert gains.min() == pytest.approx(best, abs=1e-6)
    np.testing.assert_allclose(found.probabilities, policy, atol=2e-3)
    # duality: π is the optimum for the rewards weighed by the multipliers, whose value the dual gives
    weights = found.multipliers
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    mixed = al.rlhf_policy(np.einsum("g,xgm->xm", weights, rewards), ground, beta)
    np.testing.assert_allclose(found.probabilities, mixed.probabilities, atol=1e-9)
    dual = weights @ (instance.values(mixed) - base)
    assert found.duality_gap == pytest.approx(dual - gains.min(), abs=1e-8)
    assert found.duality_gap <= 1e-9 * np.ptp(rewards)
    np.testing.assert_allclose(weights * (gains - gains.min()), 0, atol=1e-8)


@pytest.mark.parametrize("instance", INSTANCES)
def test_minimax_regret_equalises_the_gaps_that_bind(instance: Instance) -> None:
    rewards, ground, beta, shares, contexts = instance
    optima = instance.optima()
    found = al.egalitarian_policy(rewards, ground, beta, context_weights=contexts, disagreement=optima)
    gaps = contexts @ al.gap(rewards, found, ground, beta).gaps
    binding = found.multipliers > 1e-4
    np.testing.assert_allclose(gaps[binding], gaps.max(), atol=1e-6)
    rng = np.random.default_rng(0)
    others = [
        al.rlhf_policy(np.einsum("g,xgm->xm", shares, rewards), ground, beta),
        al.egalitarian_policy(rewards, ground, beta, context_weights=contexts),
        al.nash_policy(rewards, ground, beta, weights=shares, context_weights=contexts),
        al.borda_policy(rewards, ground, beta, weights=shares),
        al.random_dictatorship_policy(rewards, ground, beta, weights=shares),
        *(al.rlhf_policy(np.einsum("g,xgm->xm", w, rewards), ground, beta) for w in rng.dirichlet(shares * 3, 20)),
        *(rng.dirichlet(np.ones(ground.shape[1]), len(ground)) * (ground > 0) + 0.2 * ground for _ in range(20)),
    ]
    for other in others:
        probabilities = np.asarray(other) / np.asarray(other).sum(-1, keepdims=True)
        theirs = contexts @ al.gap(rewards, probabilities, ground, beta).gaps
        assert theirs.max() >= gaps.max() - 1e-9


def test_the_zero_of_anybodys_rewards_does_not_matter() -> None:
    shifted = np.add(TWO, [[100.0], [-7.0]])
    for policy in (al.egalitarian_policy, al.nash_policy):
        np.testing.assert_allclose(policy(shifted, beta=0.3).probabilities, policy(TWO, beta=0.3).probabilities)


def test_one_group_gets_its_own_optimum() -> None:
    rewards, own = [[1.0, 0, 2]], al.rlhf_policy([1.0, 0, 2], beta=0.5).probabilities
    for policy in (al.egalitarian_policy, al.nash_policy, al.random_dictatorship_policy):
        np.testing.assert_allclose(policy(rewards, beta=0.5).probabilities, own, atol=1e-9)


def test_a_group_that_does_not_care_is_left_where_it_is() -> None:
    """Nothing makes it better off than the reference, so the worst-off gain is 0 at most."""
    found = al.egalitarian_policy([[0, 0, 0], [1, 0, 0.3]], beta=0.1)
    np.testing.assert_allclose(found.probabilities, 1 / 3, atol=1e-4)
    np.testing.assert_allclose(al.nash_policy([[0, 0, 0], [1, 0, 0.3]], beta=0.1).probabilities, 1 / 3, atol=1e-4)


@pytest.mark.parametrize("policy", [al.egalitarian_policy, al.nash_policy])
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-17, 1e-9])
def test_where_nobody_cares_the_reference_stays(policy: Any, size: float) -> None:
    found = policy(np.array(TWO) * size, [0.2, 0.3, 0.5], 0.1)
    np.testing.assert_allclose(found.probabilities, [0.2, 0.3, 0.5], atol=1e-7)


# --- Nash ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", INSTANCES)
def test_nash_maximises_the_product_of_gains(instance: Instance) -> None:
    rewards, ground, beta, shares, contexts = instance
    start = instance.values(ground)
    surplus, _ = convex(instance, lambda cp, values: cp.min(values - start))
    found = al.nash_policy(rewards, ground, beta, weights=shares, context_weights=contexts)
    gains = instance.values(found) - start
    if surplus < 1e-6:
        np.testing.assert_allclose(found.probabilities, ground, atol=1e-3)
        return
    best, policy = convex(instance, lambda cp, values: shares @ cp.log(values - start))
    assert shares @ np.log(gains) == pytest.approx(best, abs=1e-6)
    np.testing.assert_allclose(found.probabilities, policy, atol=2e-3)
    prices = shares / gains
    np.testing.assert_allclose(found.multipliers, prices / prices.sum(), rtol=1e-6)
    mixed = al.rlhf_policy(np.einsum("g,xgm->xm", found.multipliers, rewards), ground, beta)
    np.testing.assert_allclose(found.probabilities, mixed.probabilities, atol=1e-9)
    assert found.duality_gap <= 1e-9


def test_most_instances_have_something_to_gain() -> None:
    """Otherwise the test above would say little."""
    gaining = sum(
        not np.allclose(al.nash_policy(*case.values[0][:3]).probabilities, case.values[0].ground) for case in INSTANCES
    )
    assert gaining >= 10


@pytest.mark.parametrize("rewards", [[[1, -1], [-1, 1]], [[2, 0, -2], [-1, 0, 1]], [[1, 0], [-1, 0], [1, 0]]])
def test_nash_without_surplus_stays_at_the_reference(rewards: Any) -> None:
    ground = np.full(len(rewards[0]), 1 / len(rewards[0]))
    np.testing.assert_allclose(al.nash_policy(rewards, beta=0.1).probabilities, ground, atol=1e-6)


def test_nash_does_not_depend_on_the_unit_of_one_group() -> None:
    """With the penalty far away: each group's own affine scale is its own affair."""
    rewards = np.array([[3.0, 0, 1.5], [0, 1.0, 0.8]])
    one = al.nash_policy(rewards, beta=1e-3).probabilities
    other = al.nash_policy(rewards * [[5.0], [1.0]], beta=1e-3).probabilities
    np.testing.assert_allclose(one, other, atol=0.01)


def test_nash_weights() -> None:
    """Dividing a cake of which the reference leaves nothing to anybody: each group's part is its weight."""
    found = al.nash_policy([[1.0, 0, -1], [0, 1.0, -1]], beta=1e-4, weights=[0.7, 0.3])
    np.testing.assert_allclose(found.probabilities, [0.7, 0.3, 0], atol=2e-3)


def test_a_group_without_weight_has_no_say_in_nash() -> None:
    rewards = np.random.default_rng(0).normal(0, 1, (2, 3, 4))
    found = al.nash_policy(rewards, beta=0.3, weights=[2, 0, 1])
    without = al.nash_policy(rewards[:, [0, 2]], beta=0.3, weights=[2, 1])
    np.testing.assert_allclose(found.probabilities, without.probabilities, atol=1e-9)
    assert found.multipliers[1] == 0
    np.testing.assert_allclose(found.multipliers[[0, 2]], without.multipliers)


# --- Borda, random dictatorship -----------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", INSTANCES)
def test_borda_rewards_are_mean_win_probabilities(instance: Instance) -> None:
    rewards, ground, beta, shares, _ = instance
    found = al.borda_policy(rewards, ground, beta, weights=shares).probabilities
    for x, row in enumerate(ground):
        here = np.flatnonzero(row > 0)
        score = np.zeros(len(row))
        for a in here:
            chances = [shares @ [sigmoid(own[a] - own[b]) for own in rewards[x]] for b in here if b != a]
            score[a] = 4 * (np.mean(chances) - 0.5)
        np.testing.assert_allclose(found[x], al.rlhf_policy(score, row, beta).probabilities, atol=1e-9)


def test_borda_differs_from_the_mean_reward() -> None:
    """A voter who cares enormously counts once."""
    rewards = [[3.0, 0], [3.0, 0], [0, 50.0]]
    assert al.borda_policy(rewards).probabilities.argmax() == 0
    assert np.mean(rewards, axis=0).argmax() == 1


@pytest.mark.parametrize("instance", INSTANCES)
def test_random_dictatorship_mixes_the_optima(instance: Instance) -> None:
    rewards, ground, beta, shares, _ = instance
    found = al.random_dictatorship_policy(rewards, ground, beta, weights=shares).probabilities
    for x, row in enumerate(ground):
        own = [al.rlhf_policy(each, row, beta).probabilities for each in rewards[x]]
        np.testing.assert_allclose(found[x], sum(s * p for s, p in zip(shares, own, strict=True)), atol=1e-12)


# --- Maximal lotteries --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("instance", [*INSTANCES, *(pytest.param(i, id=f"more {k}") for k, i in
                                                     enumerate(instances(30, 8)))])  # fmt: skip
@pytest.mark.parametrize("beta", [None, 0.01, 0.001])
def test_the_lottery_is_its_own_best_answer(instance: Instance, beta: float | None) -> None:
    rewards, ground, usual, shares, _ = instance
    beta = beta or usual
    found = al.maximal_lottery_policy(rewards, ground, beta, weights=shares).probabilities
    pairs = al.preferences(rewards, shares)
    for x, row in enumerate(ground):
        against = 4 * pairs[x] @ found[x]
        np.testing.assert_allclose(found[x], al.rlhf_policy(against, row, beta).probabilities, atol=1e-7)
        # no deviation pays, and the game is worth ½ to both
        best = al.gap([against], found[x], row, beta)
        assert best.gaps[0] <= 1e-8
        assert found[x] @ pairs[x] @ found[x] == pytest.approx(0.5)


def tournament(size: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rewards of groups whose majorities form a random tournament, and their weights."""
    return rng.normal(0, 3, (7, size)), rng.dirichlet(np.full(7, 2.0))


@pytest.mark.parametrize("seed", range(12))
def test_a_small_penalty_gives_the_maximal_lottery(seed: int) -> None:
    rewards, weights = tournament(5, np.random.default_rng(seed))
    margins = al.preferences(rewards, weights) - 0.5
    limit = rules.maximal_lottery(ck.Margins(margins - margins.T)).probabilities
    found = al.maximal_lottery_policy(rewards, beta=1e-4, weights=weights).probabilities
    np.testing.assert_allclose(found, limit, atol=5e-3)


def test_some_of_those_lotteries_are_mixed() -> None:
    supports = []
    for seed in range(12):
        rewards, weights = tournament(5, np.random.default_rng(seed))
        margins = al.preferences(rewards, weights) - 0.5
        supports.append(len(rules.maximal_lottery(ck.Margins(margins - margins.T)).winners))
    assert {1, 3} <= set(supports)


def test_a_condorcet_winner_takes_it_all() -> None:
    rewards = np.array([[3.0, 2, 1], [1, 2, 0], [0, 2, 3]])  # the middle one beats each other two to one
    pairs = al.preferences(rewards)
    assert pairs[1, 0] > 0.5 < pairs[1, 2]
    np.testing.assert_allclose(al.maximal_lottery_policy(rewards, beta=0.002).probabilities, [0, 1, 0], atol=1e-6)


def test_a_cycle_gets_the_opposite_margins() -> None:
    """x ≻ y ≻ z ≻ x: p ∝ (M_yz, M_zx, M_xy)."""
    rewards, weights = np.array([[2.0, 1, 0], [0, 2, 1], [1, 0, 2]]), [0.36, 0.33, 0.31]
    margin = al.preferences(rewards, weights) - 0.5
    assert margin[0, 1] > 0
    assert margin[1, 2] > 0
    assert margin[2, 0] > 0
    expected = np.array([margin[1, 2], margin[2, 0], margin[0, 1]])
    found = al.maximal_lottery_policy(rewards, beta=1e-5, weights=weights).probabilities
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-3)


# --- What is not available ----------------------------------------------------------------------------------------

EVERY = {
    "rlhf": lambda r, ground, beta: al.rlhf_policy(np.asarray(r).mean(-2), ground, beta),
    "matching": lambda r, ground, _: al.preference_matching_policy(np.asarray(r).mean(-2), ground),
    "borda": al.borda_policy,
    "egalitarian": al.egalitarian_policy,
    "nash": al.nash_policy,
    "lottery": al.maximal_lottery_policy,
    "dictatorship": al.random_dictatorship_policy,
    "shares": lambda r, ground, _: al.choice_shares(r, ground),
}


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_what_is_not_available_is_never_answered(policy: Any) -> None:
    """Padding a context with the reference at 0 changes nothing, whatever the padded rewards."""
    rng = np.random.default_rng(2)
    rewards = rng.normal(0, 1, (1, 3, 4))
    ground = rng.dirichlet(np.ones(4), 1)
    expected = np.asarray(policy(rewards, ground, 0.2))
    for rubbish in (0.0, 40.0, -40.0):
        padded = np.concatenate([rewards, np.full((1, 3, 2), rubbish)], axis=-1)
        found = np.asarray(policy(padded, np.pad(ground, ((0, 0), (0, 2))), 0.2))
        np.testing.assert_array_equal(found[:, 4:], 0)
        np.testing.assert_allclose(found[:, :4], expected, atol=1e-7)


@pytest.mark.parametrize("name", ["rlhf", "matching", "borda", "lottery", "dictatorship", "shares"])
def test_contexts_of_different_width_are_answered_apart(name: str) -> None:
    rng = np.random.default_rng(3)
    rewards, ground = rng.normal(0, 2, (2, 3, 5)), np.array([[0.2] * 5, [0.5, 0.5, 0, 0, 0]])
    both = np.asarray(EVERY[name](rewards, ground, 0.1))
    np.testing.assert_allclose(both[0], np.asarray(EVERY[name](rewards[0], ground[0], 0.1)), atol=1e-8)
    np.testing.assert_allclose(
        both[1, :2], np.asarray(EVERY[name](rewards[1, :, :2], np.array([0.5, 0.5]), 0.1)), atol=1e-8
    )
    np.testing.assert_array_equal(both[1, 2:], 0)


@pytest.mark.parametrize("policy", EVERY.values(), ids=EVERY)
def test_the_order_of_alternatives_and_groups_does_not_matter(policy: Any) -> None:
    rng = np.random.default_rng(6)
    rewards, ground = rng.normal(0, 1, (3, 4)), rng.dirichlet(np.ones(4))
    order, people = [2, 0, 3, 1], [1, 2, 0]
    found = np.asarray(policy(rewards, ground, 0.3))
    np.testing.assert_allclose(np.asarray(policy(rewards[:, order], ground[order], 0.3)), found[order], atol=1e-7)
    np.testing.assert_allclose(np.asarray(policy(rewards[people], ground, 0.3)), found, atol=1e-7)


def test_rewards_far_apart_and_far_together() -> None:
    """No setting that data can lead to makes a policy give up."""
    rng = np.random.default_rng(1)
    for k in range(150):
        size, spread = int(rng.integers(2, 8)), float(rng.choice([1e-8, 1e-3, 0.1, 1, 5, 20]))
        rewards = rng.normal(0, spread, (int(rng.integers(2, 6)), size))
        rewards[0] = [rewards[0], -rewards[1], rewards[1], rewards[0] * 1e-3][k % 4]
        beta = float(rng.choice([0.001, 0.01, 0.1, 1, 10]))
        for name, policy in EVERY.items():
            found = np.asarray(policy(rewards, np.full(size, 1 / size), beta))
            assert np.isfinite(found).all(), name
            assert found.sum() == pytest.approx(1), name


# --- Refusals -----------------------------------------------------------------------------------------------------

TAKES_GROUPS = [
    al.borda_policy, al.egalitarian_policy, al.nash_policy, al.maximal_lottery_policy, al.random_dictatorship_policy,
]  # fmt: skip


@pytest.mark.parametrize("policy", [al.rlhf_policy, *TAKES_GROUPS])
@pytest.mark.parametrize("beta", [0, -1.0, math.nan, math.inf])
def test_a_penalty_that_is_not_positive_is_refused(policy: Any, beta: float) -> None:
    with pytest.raises(ValueError, match=f"beta: needed a positive number, the weight of the KL penalty, got {beta!r}"):
        policy(TWO, None, beta)


@pytest.mark.parametrize("policy", [*TAKES_GROUPS, al.choice_shares, al.preferences])
@pytest.mark.parametrize("rewards", [[1.0, 2.0], [[1.0, math.nan]], [[1.0, math.inf]], np.zeros((2, 0)), 3.0])
def test_rewards_that_are_no_rewards_are_refused(policy: Any, rewards: Any) -> None:
    with pytest.raises(ValueError, match=r"rewards: needed finite numbers indexed \[\.\.\., group, alternative\], got"):
        policy(rewards)


@pytest.mark.parametrize("policy", [al.rlhf_policy, *TAKES_GROUPS, al.choice_shares])
@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ([0.5, 0.5], r"needed 3 probabilities, one an alternative, got shape \(2,\)"),
        ([0.5, 0.7, -0.2], r"needed finite probabilities of at least 0, got -0\.2"),
        ([0.5, math.nan, 0.5], "needed finite probabilities of at least 0, got nan"),
        ([1.0, 1.0, 2.0], "must sum to 1, got 4; divide by the sum"),
        ([0.0, 0.0, 0.0], "must sum to 1, got 0"),
    ],
)
def test_a_reference_that_is_no_distribution_is_refused(policy: Any, reference: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"reference: .*{message}"):
        policy(TWO, reference)


@pytest.mark.parametrize("policy", [al.borda_policy, al.nash_policy, al.maximal_lottery_policy,
                                    al.random_dictatorship_policy, al.choice_shares])  # fmt: skip
@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [0.0, 0.0], [1.0, math.nan], [1.0, 1.0, 1.0]])
def test_weights_that_are_no_weights_are_refused(policy: Any, weights: Any) -> None:
    with pytest.raises(ValueError, match="weights: needed 2 non-negative numbers, not all zero, got"):
        policy(TWO, weights=weights)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([0.5, 0.5], r"needed 3 probabilities, one an alternative, got shape \(2,\)"),
        ([1.5, -0.5, 0.0], r"needed finite probabilities of at least 0, got -0\.5"),
        ([0.5, 0.1, 0.1], r"must sum to 1, got 0\.7"),
        ([math.nan, 0.5, 0.5], "needed finite probabilities of at least 0, got nan"),
    ],
)
def test_a_policy_that_is_no_distribution_is_refused(policy: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"policy: .*{message}"):
        al.gap(TWO, policy)


def test_an_answer_out_of_reach_is_said() -> None:
    with pytest.raises(ck.NotConverged, match=r"egalitarian_policy: duality gap .*; use a larger beta") as stopped:
        al.egalitarian_policy([[1.0, 0, 0.3], [0, 1.0, 0.2]], beta=0.1, tolerance=0.0)
    assert stopped.value.partial.probabilities.sum() == pytest.approx(1)


def test_a_policy_is_an_array() -> None:
    policy = al.rlhf_policy([1.0, 0], beta=0.5)
    assert np.asarray(policy).tolist() == policy.probabilities.tolist()
    assert np.asarray(policy, dtype=np.float32).dtype == np.float32
