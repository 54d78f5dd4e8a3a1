"""Welfare policies by duality, first-order conditions, a general convex solver, and what must not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit.alignment import bargains, constrained, policies
from choicekit.alignment.distances import kl
from choicekit.alignment.norms import Infeasible, Norm

Array = np.ndarray
TWO = np.array([[1, 0, 0.6], [0, 1, 0.6]])
SOLUTIONS = {
    "egalitarian": bargains.egalitarian_policy,
    "nash": bargains.nash_policy,
    "kalai_smorodinsky": bargains.kalai_smorodinsky_policy,
    "mean of -3": lambda *a, **k: bargains.power_mean_policy(*a, p=-3.0, **k),
    "mean of 0.5": lambda *a, **k: bargains.power_mean_policy(*a, p=0.5, **k),
}


def values(policy: Any, rewards: Array, ground: Array, beta: float, contexts: Array | None = None) -> Array:
    """F_g, averaged over contexts where there are weights for them."""
    p = np.asarray(policy)
    own = np.einsum("...m,...gm->...g", p, rewards) - beta * kl(p, ground)[..., None]
    return own if contexts is None else contexts @ own


def drawn(count: int, seed: int, contexts: int = 3) -> list[tuple[Array, Array, float, Array, Array]]:
    """Rewards [x, g, m], references (some with zeros), β, group weights, context weights."""
    rng = np.random.default_rng(seed)
    cases = []
    for k in range(count):
        g, m = int(rng.integers(2, 5)), int(rng.integers(2, 7))
        ground = rng.dirichlet(np.full(m, 2.0), contexts)
        if m > 3 and k % 2:
            ground[:, rng.integers(m)] = 0
            ground /= ground.sum(1, keepdims=True)
        rewards = rng.normal(0, [0.5, 1, 4][k % 3], (contexts, g, m))
        if k % 4 == 0:
            rewards += rng.normal(0, 2, (contexts, 1, m))  # much in common
        weights = (rng.dirichlet(np.full(g, 3.0)), rng.dirichlet(np.full(contexts, 3.0)))
        cases.append((rewards, ground, float(rng.choice([0.05, 0.3, 1.5])), *weights))
    return cases


CASES = [pytest.param(case, id=str(k)) for k, case in enumerate(drawn(24, 11))]


def peer(rewards: Array, ground: Array, beta: float, contexts: Array, objective: Any, limits: Any = None) -> float:
    """The optimum of a concave function of the groups' values by a general solver."""
    import cvxpy as cp

    p = cp.Variable(ground.shape, nonneg=True)
    totals = []
    for g in range(rewards.shape[1]):
        total = 0
        for x in range(len(ground)):
            here = np.flatnonzero(ground[x] > 0)
            total += contexts[x] * (
                rewards[x, g, here] @ p[x, here] - beta * cp.sum(cp.rel_entr(p[x, here], ground[x, here]))
            )
        totals.append(total)
    rows = [cp.sum(p, axis=1) == 1, cp.multiply(p, ground == 0) == 0]
    goal, extra = objective(cp, totals, p)
    problem = cp.Problem(cp.Maximize(goal), rows + extra + (limits(cp, p) if limits else []))
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == "optimal"
    return float(problem.value)


def gain_possible(case: tuple[Array, Array, float, Array, Array]) -> bool:
    rewards, ground, beta, _, contexts = case
    found = bargains.egalitarian_policy(rewards, ground, beta, context_weights=contexts)
    start = values(ground, rewards, ground, beta, contexts)
    return bool((values(found, rewards, ground, beta, contexts) - start).min() > 1e-6)


def power_mean(gains: Array, weights: Array, p: float) -> float:
    if p == 0:
        return float(np.exp(weights @ np.log(gains)))
    return float((weights @ gains**p) ** (1 / p))


# --- What is maximised --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_utilitarian_is_one_reward(case: Any) -> None:
    rewards, ground, beta, weights, _ = case
    found = bargains.utilitarian_policy(rewards, ground, beta, weights=weights)
    mixed = np.einsum("g,xgm->xm", weights, rewards)
    np.testing.assert_allclose(found, policies.rlhf_policy(mixed, ground, beta), atol=1e-12)
    np.testing.assert_allclose(
        bargains.power_mean_policy(rewards, ground, beta, p=1, weights=weights), np.asarray(found), atol=1e-12
    )


@pytest.mark.parametrize("p", [0.9, 0.5, 0.0, -1.0, -8.0])
@pytest.mark.parametrize("case", CASES)
def test_power_means_meet_their_conditions(case: Any, p: float) -> None:
    """λ_g ∝ w_g z_g^(p−1), the policy is the optimum for λ, and no policy has a greater mean (by the dual)."""
    rewards, ground, beta, weights, contexts = case
    found = bargains.power_mean_policy(rewards, ground, beta, p=p, weights=weights, context_weights=contexts)
    gains = values(found, rewards, ground, beta, contexts) - values(ground, rewards, ground, beta, contexts)
    mixed = np.einsum("g,xgm->xm", found.multipliers, rewards)
    if not gain_possible(case):
        np.testing.assert_allclose(found, ground, atol=1e-3)
        return
    np.testing.assert_allclose(found, policies.rlhf_policy(mixed, ground, beta), atol=1e-9)
    assert gains.min() > 0
    price = weights * gains ** (p - 1)
    np.testing.assert_allclose(found.multipliers, price / price.sum(), rtol=1e-5, atol=1e-12)
    rng = np.random.default_rng(0)
    best = power_mean(gains, weights, p)
    for _ in range(20):
        other = 0.9 * np.asarray(found) + 0.1 * ground * rng.dirichlet(np.ones(ground.shape[1]), len(ground))
        other /= other.sum(-1, keepdims=True)
        theirs = values(other, rewards, ground, beta, contexts) - values(ground, rewards, ground, beta, contexts)
        if theirs.min() > 0:
            assert power_mean(theirs, weights, p) <= best * (1 + 1e-9)


@pytest.mark.parametrize("case", CASES[:10])
def test_power_means_by_a_general_solver(case: Any) -> None:
    rewards, ground, beta, weights, contexts = case
    if not gain_possible(case):
        pytest.skip("nobody gains")
    start = values(ground, rewards, ground, beta, contexts)
    for p in (0.5, -1.0):
        found = bargains.power_mean_policy(rewards, ground, beta, p=p, weights=weights, context_weights=contexts)
        gains = values(found, rewards, ground, beta, contexts) - start

        def objective(cp: Any, totals: Any, _: Any, p: float = p) -> Any:
            return sum(w * cp.power(t - s, p) / p for w, t, s in zip(weights, totals, start, strict=True)), []

        best = peer(rewards, ground, beta, contexts, objective)
        assert weights @ gains**p / p == pytest.approx(best, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_power_means_between_nash_and_the_worst_off(case: Any) -> None:
    rewards, ground, beta, weights, contexts = case
    options = {"context_weights": contexts}
    zero = bargains.power_mean_policy(rewards, ground, beta, p=0, weights=weights, **options)
    nash = bargains.nash_policy(rewards, ground, beta, weights=weights, **options)
    np.testing.assert_allclose(zero, np.asarray(nash), atol=1e-9)
    least = bargains.power_mean_policy(rewards, ground, beta, p=-np.inf, weights=weights, **options)
    worst = bargains.egalitarian_policy(rewards, ground, beta, **options)
    np.testing.assert_allclose(least, np.asarray(worst), atol=1e-9)
    if gain_possible(case):
        start = values(ground, rewards, ground, beta, contexts)
        ladder = [
            (values(bargains.power_mean_policy(rewards, ground, beta, p=p, **options), rewards, ground, beta, contexts)
             - start).min() for p in (0.5, -2.0, -20.0)
        ]  # fmt: skip
        top = (values(worst, rewards, ground, beta, contexts) - start).min()
        assert ladder[0] <= ladder[1] + 1e-7 <= ladder[2] + 2e-7
        assert ladder[2] <= top + 1e-7
        # M_p of the egalitarian gains is at least the least of them, and M_p of any is at most m^(1/|p|) times theirs
        assert ladder[2] >= top * rewards.shape[1] ** (-1 / 20) - 1e-7


@pytest.mark.parametrize("case", CASES)
def test_the_worst_off_are_level_where_they_have_a_price(case: Any) -> None:
    rewards, ground, beta, _, contexts = case
    found = bargains.egalitarian_policy(rewards, ground, beta, context_weights=contexts)
    gains = values(found, rewards, ground, beta, contexts) - values(ground, rewards, ground, beta, contexts)
    size = np.ptp(rewards)
    assert found.multipliers @ (gains - gains.min()) <= 2e-9 * size
    dual = beta * contexts @ np.log(np.einsum("xm,xm->x", ground, np.exp(
        np.einsum("g,xgm->xm", found.multipliers, rewards) / beta)))  # fmt: skip
    dual -= found.multipliers @ values(ground, rewards, ground, beta, contexts)
    assert -1e-12 * size <= dual - gains.min() <= 2e-9 * size
    assert found.duality_gap == pytest.approx(max(dual - gains.min(), 0), abs=1e-11 * size)


def ideals(case: tuple[Array, Array, float, Array, Array], group: int) -> float:
    rewards, ground, beta, _, contexts = case
    start = values(ground, rewards, ground, beta, contexts)
    return peer(
        rewards, ground, beta, contexts,
        lambda _, totals, __: (totals[group], [t >= s for t, s in zip(totals, start, strict=True)]),
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES[:12])
def test_kalai_smorodinsky_by_a_general_solver(case: Any) -> None:
    rewards, ground, beta, _, contexts = case
    found = bargains.kalai_smorodinsky_policy(rewards, ground, beta, context_weights=contexts)
    start = values(ground, rewards, ground, beta, contexts)
    gains = values(found, rewards, ground, beta, contexts) - start
    if not gain_possible(case):
        np.testing.assert_allclose(found, ground, atol=1e-3)
        return
    best = np.array([ideals(case, g) for g in range(rewards.shape[1])]) - start
    share = gains / best
    t = peer(
        rewards, ground, beta, contexts,
        lambda cp, totals, _: (cp.min(cp.hstack([(t - s) / b for t, s, b in zip(totals, start, best, strict=True)])),
                               []),
    )  # fmt: skip
    assert share.min() == pytest.approx(t, abs=1e-5)
    assert found.multipliers @ (best * (share - share.min())) <= 1e-5 * np.ptp(rewards)
    if rewards.shape[1] == 2:
        assert share[0] == pytest.approx(share[1], abs=1e-5)  # two groups have equal shares of their ideals


# --- Each context by itself ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOLUTIONS)
def test_contexts_apart_are_contexts_one_by_one(name: str) -> None:
    policy = SOLUTIONS[name]
    for rewards, ground, beta, _, _ in drawn(6, 3, contexts=7):
        found = policy(rewards, ground, beta, joint=False)
        assert found.multipliers.shape == rewards.shape[:2]
        gaps = []
        for x in range(len(rewards)):
            one = policy(rewards[x], ground[x], beta)
            np.testing.assert_allclose(found.probabilities[x], one.probabilities, atol=1e-9)
            np.testing.assert_allclose(found.multipliers[x], one.multipliers, atol=1e-9)
            gaps.append(one.duality_gap)
        assert found.duality_gap == pytest.approx(max(gaps), abs=1e-12)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_many_contexts_are_solved_on_threads_as_on_one(name: str) -> None:
    rng = np.random.default_rng(8)
    rewards = rng.normal(size=(1100, 3, 4))
    found = SOLUTIONS[name](rewards, None, 0.3, joint=False)
    for x in rng.integers(0, 1100, 10).tolist():
        np.testing.assert_allclose(found.probabilities[x], SOLUTIONS[name](rewards[x], None, 0.3), atol=1e-9)
    assert found.duality_gap <= 1e-8


def test_one_bargain_over_contexts_is_not_many() -> None:
    """Each group cares for one context: together they trade, apart they cannot."""
    rewards = np.array([[[4.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 4.0]]])
    together = bargains.egalitarian_policy(rewards, beta=0.05).probabilities
    apart = bargains.egalitarian_policy(rewards, beta=0.05, joint=False).probabilities
    np.testing.assert_allclose(together, [[1, 0], [0, 1]], atol=1e-3)
    assert 0.1 < apart[0, 0] < 0.9


@pytest.mark.parametrize("name", SOLUTIONS)
def test_leading_axes_are_contexts(name: str) -> None:
    rng = np.random.default_rng(2)
    rewards = rng.normal(size=(2, 3, 2, 4))
    found = SOLUTIONS[name](rewards, None, 0.3, joint=False)
    assert found.probabilities.shape == (2, 3, 4)
    assert found.multipliers.shape == (2, 3, 2)
    flat = SOLUTIONS[name](rewards.reshape(6, 2, 4), None, 0.3, joint=False)
    np.testing.assert_allclose(found.probabilities.reshape(6, 4), flat.probabilities, atol=1e-12)


# --- What must not matter, and what must --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOLUTIONS)
@pytest.mark.parametrize("joint", [True, False])
def test_zeros_of_rewards_and_the_common_unit_do_not_matter(name: str, joint: bool) -> None:
    rng = np.random.default_rng(4)
    for rewards, ground, beta, _, _ in drawn(5, 9):
        found = SOLUTIONS[name](rewards, ground, beta, joint=joint).probabilities
        shifted = rewards + rng.normal(0, 3, (*rewards.shape[:2], 1))
        np.testing.assert_allclose(SOLUTIONS[name](shifted, ground, beta, joint=joint), found, atol=2e-5)
        np.testing.assert_allclose(SOLUTIONS[name](rewards * 7, ground, beta * 7, joint=joint), found, atol=2e-5)


@pytest.mark.parametrize("name", ["nash", "kalai_smorodinsky"])
def test_as_the_penalty_vanishes_a_groups_own_unit_does_not_matter(name: str) -> None:
    rewards = np.array([[3.0, 0, 1.7], [0, 1.0, 0.8]])
    one = SOLUTIONS[name](rewards, beta=1e-3).probabilities
    other = SOLUTIONS[name](rewards * [[5.0], [1.0]], beta=1e-3).probabilities
    np.testing.assert_allclose(one, other, atol=0.01)
    rewards = np.array([[3.0, 0, 0.1], [0, 1.0, 0.1]])
    unlike = bargains.egalitarian_policy(rewards, beta=1e-3).probabilities
    assert np.abs(unlike - bargains.egalitarian_policy(rewards * [[5.0], [1.0]], beta=1e-3)).max() > 0.05


@pytest.mark.parametrize("solution", ["nash", "kalai_smorodinsky", "egalitarian"])
def test_without_a_penalty_they_are_the_bargains_over_lotteries(solution: str) -> None:
    rng = np.random.default_rng(1)
    for _ in range(6):
        rewards = rng.uniform(0, 1, (3, 5))
        least = rewards.min(1) - 0.1
        limit = ck.rules.bargain(rewards, solution, disagreement=least)
        found = SOLUTIONS[solution](rewards, beta=2e-4, disagreement=least)
        np.testing.assert_allclose(rewards @ found.probabilities, limit.utilities, atol=5e-3)


def test_worked_numbers() -> None:
    """Two groups and a compromise; t = 0.6 of the ideals as β → 0."""
    found = bargains.kalai_smorodinsky_policy(TWO, beta=1e-3, disagreement=[0, 0])
    np.testing.assert_allclose(TWO @ found.probabilities, [0.6, 0.6], atol=2e-3)
    cut = np.array([[1.0, 0, 1, 0], [0, 1, 0.7, 0]])  # a disagreement of (0, 0) and the corner (1, 0.7)
    found = bargains.kalai_smorodinsky_policy(cut, beta=1e-4, disagreement=[0, 0])
    np.testing.assert_allclose(cut @ found.probabilities, [0.76923, 0.76923], atol=1e-3)


def test_weights_of_kalai_smorodinsky_only_say_who_counts() -> None:
    rng = np.random.default_rng(3)
    rewards = rng.normal(size=(3, 5))
    even = bargains.kalai_smorodinsky_policy(rewards, beta=0.2).probabilities
    np.testing.assert_allclose(bargains.kalai_smorodinsky_policy(rewards, beta=0.2, weights=[9, 1, 1]), even, atol=1e-9)
    without = bargains.kalai_smorodinsky_policy(rewards[[0, 2]], beta=0.2)
    left_out = bargains.kalai_smorodinsky_policy(rewards, beta=0.2, weights=[1, 0, 1])
    np.testing.assert_allclose(left_out, without.probabilities, atol=1e-9)
    assert left_out.multipliers[1] == 0


@pytest.mark.parametrize("name", [n for n in SOLUTIONS if n != "egalitarian"])
def test_a_disagreement_nobody_can_beat_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no policy gives every group of positive weight more than its disagreement"):
        SOLUTIONS[name](TWO, beta=0.1, disagreement=[0.9, 0.9])
    with pytest.raises(ValueError, match="context 1: no policy"):
        SOLUTIONS[name]([TWO, TWO], beta=0.1, disagreement=[[0.1, 0.1], [0.9, 0.9]], joint=False)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_disagreement_of_the_wrong_shape_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="disagreement: needed a finite value for each of 2 groups"):
        SOLUTIONS[name](TWO, disagreement=[0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="disagreement"):
        SOLUTIONS[name]([TWO, TWO], disagreement=np.zeros((2, 2)))


@pytest.mark.parametrize("p", [1.5, np.nan])
def test_a_mean_that_is_not_concave_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="power_mean_policy: p: needed a number of at most 1"):
        bargains.power_mean_policy(TWO, p=p)


# --- F(π), and the identity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_the_optimum_is_better_by_beta_times_the_divergence(case: Any) -> None:
    rewards, ground, beta, _, _ = case
    best = policies.rlhf_policy(rewards[:, 0], ground, beta)
    other = np.random.default_rng(0).dirichlet(np.ones(ground.shape[1]), len(ground)) * (ground > 0)
    other /= other.sum(-1, keepdims=True)
    found = policies.regularised_value(rewards[:, 0], other, ground, beta)
    np.testing.assert_allclose(
        policies.regularised_value(rewards[:, 0], best, ground, beta) - found,
        beta * kl(other, best), rtol=1e-9, atol=1e-9,
    )  # fmt: skip
    np.testing.assert_allclose(
        policies.regularised_value(rewards, other[:, None], ground[:, None], beta), values(other, rewards, ground, beta)
    )


def test_the_value_of_what_is_not_available() -> None:
    assert policies.regularised_value([1, 0], [0.5, 0.5], [1, 0], 1.0) == -np.inf
    assert policies.regularised_value([1, 0], [1, 0], [1, 0], 1.0) == 1
    with pytest.raises(ValueError, match="policy: needed"):
        policies.regularised_value([1, 0], [0.2, 0.3, 0.5])
    with pytest.raises(ValueError, match=r"policy: probabilities must sum to 1, got 0\.7"):
        policies.regularised_value([1, 0], [0.2, 0.5])


# --- Floors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("floor", "price", "mine"), [(0.3, 0.65398, 0.79465), (0.5, 0.87717, 0.64646), (0.7, 1.26863, 0.44051)]
)
def test_floors_worked(floor: float, price: float, mine: float) -> None:
    for joint in (True, False):
        found = constrained.constrained_policy(TWO[0], TWO[1:], [floor], beta=0.1, joint=joint)
        assert found.multipliers[0] == pytest.approx(price, abs=1e-5)
        np.testing.assert_allclose(TWO @ found.probabilities, [mine, floor], atol=1e-5)


def floors_of(case: Any, share: float) -> tuple[Array, Array, Array]:
    """A reward, objectives and floors that some policy in the middle reaches with a share of room."""
    rewards, ground, beta, _, contexts = case
    some = policies.rlhf_policy(rewards.mean(1), ground, beta).probabilities
    reached = np.einsum("x,xm,xkm->k", contexts, some, rewards[:, 1:])
    low = np.einsum("x,xm,xkm->k", contexts, ground, rewards[:, 1:])
    return rewards[:, 0], rewards[:, 1:], reached - share * np.abs(reached - low)


@pytest.mark.parametrize("share", [0.02, 0.3, 1.0, 50.0])
@pytest.mark.parametrize("case", CASES)
def test_floors_are_reached_at_a_price_or_with_slack(case: Any, share: float) -> None:
    _, ground, beta, _, contexts = case
    own, others, floors = floors_of(case, share)
    found = constrained.constrained_policy(own, others, floors, ground, beta, context_weights=contexts)
    size = np.ptp(others)
    assert (found.slack >= -1e-8 * size).all()
    assert (found.multipliers >= 0).all()
    assert (found.multipliers * np.abs(found.slack) <= 1e-8 * (np.ptp(own) + size)).all()
    assert found.duality_gap <= 1e-8 * (np.ptp(own) + size)
    mixed = own + np.einsum("k,xkm->xm", found.multipliers, others)
    np.testing.assert_allclose(found, policies.rlhf_policy(mixed, ground, beta), atol=1e-8)
    np.testing.assert_allclose(found.attained, np.einsum("x,xm,xkm->k", contexts, found, others), atol=1e-9 * size)
    if share == 50.0:
        free = contexts @ policies.regularised_value(own, policies.rlhf_policy(own, ground, beta), ground, beta)
        assert found.value <= free + 1e-9


@pytest.mark.parametrize("case", CASES[:8])
def test_floors_by_a_general_solver(case: Any) -> None:
    rewards, ground, beta, _, contexts = case
    own, others, floors = floors_of(case, 0.1)
    found = constrained.constrained_policy(own, others, floors, ground, beta, context_weights=contexts)

    def objective(_: Any, totals: Any, p: Any) -> Any:
        reached = [
            sum(contexts[x] * (others[x, k] @ p[x]) for x in range(len(own))) >= floors[k] for k in range(len(floors))
        ]
        return totals[0], reached

    assert found.value == pytest.approx(peer(rewards, ground, beta, contexts, objective), abs=1e-6)


@pytest.mark.parametrize("joint", [True, False])
def test_a_higher_floor_costs_more(joint: bool) -> None:
    rng = np.random.default_rng(5)
    own, other = rng.normal(size=(4, 5)), rng.normal(size=(1, 4, 5)).swapaxes(0, 1)
    ceiling = other[:, 0].max(-1).min() if not joint else other[:, 0].max(-1).mean()
    prices = [
        constrained.constrained_policy(own, other, [floor], beta=0.3, joint=joint).multipliers.T
        for floor in np.linspace(-1.5, 0.95 * ceiling, 12)
    ]
    assert (np.diff(np.reshape(prices, (12, -1)), axis=0) >= -1e-9).all()
    assert np.max(prices[-1]) > 0.1


def test_the_price_of_a_floor_is_a_derivative() -> None:
    rng = np.random.default_rng(6)
    own, others = rng.normal(size=(3, 5)), rng.normal(size=(3, 2, 5))
    floors = np.array([0.2, 0.1])
    found = constrained.constrained_policy(own, others, floors, beta=0.3)
    assert (found.multipliers > 0).any()
    for k in range(2):
        step = 1e-5 * np.eye(2)[k]
        up, down = (constrained.constrained_policy(own, others, floors + s, beta=0.3).value for s in (step, -step))
        assert (down - up) / 2e-5 == pytest.approx(found.multipliers[k], abs=1e-4)


def test_floors_in_each_context_are_one_problem_each() -> None:
    rng = np.random.default_rng(7)
    own, others, ground = rng.normal(size=(5, 4)), rng.normal(size=(5, 2, 4)), rng.dirichlet(np.ones(4), 5)
    others -= np.einsum("xm,xkm->xk", ground, others)[..., None]
    floors = [-0.05, 0.0]
    found = constrained.constrained_policy(own, others, floors, ground, 0.3, joint=False)
    assert found.duality_gap <= 1e-9
    for x in range(5):
        one = constrained.constrained_policy(own[x], others[x], floors, ground[x], 0.3)
        np.testing.assert_allclose(found.probabilities[x], one.probabilities, atol=1e-7)
        np.testing.assert_allclose(found.multipliers[x], one.multipliers, atol=1e-5)
        assert found.value[x] == pytest.approx(float(one.value), abs=1e-8)


@pytest.mark.parametrize("joint", [True, False])
def test_floors_out_of_reach_name_a_smallest_conflict(joint: bool) -> None:
    own, others = np.zeros(3), np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]])
    with pytest.raises(Infeasible) as stopped:
        constrained.constrained_policy(own, others, [0.7, 0.1, 0.6], joint=joint)
    assert stopped.value.conflict == ("floor 0", "floor 2")
    assert sum(stopped.value.loosening.values()) == pytest.approx(0.4 if not joint else 0.3, abs=1e-3)
    with pytest.raises(Infeasible) as stopped:
        constrained.constrained_policy(own, others, [0.3, 1.2, 0.3], joint=joint)
    assert stopped.value.conflict == ("floor 1",)
    if joint:
        assert "objective 1 at most 1 (floor 1.2)" in str(stopped.value)


def test_floors_and_norms_together() -> None:
    norm = Norm("no compromise", [0, 0, 1], 0.2)
    for joint in (True, False):
        found = constrained.constrained_policy(TWO[0], TWO[1:], [0.5], beta=0.1, joint=joint, norms=[norm])
        assert found.probabilities[2] == pytest.approx(0.2, abs=1e-9)
        assert found.attained[0] == pytest.approx(0.5, abs=1e-8)
        assert found.norm_prices.shape == (1,)
    with pytest.raises(Infeasible):
        constrained.constrained_policy(TWO[0], [[0, 0, 1.0]], [0.5], beta=0.1, norms=[norm])


@pytest.mark.parametrize(
    ("objectives", "floors", "message"),
    [([[1, 0]], [0], "objectives: needed finite numbers"), ([1, 0, 0], [0], "objectives"),
     ([[1, 0, np.nan]], [0], "objectives"), ([[1, 0, 0]], [0, 1], "floors: needed 1 finite numbers"),
     ([[1, 0, 0]], [np.inf], "floors")],
)  # fmt: skip
def test_objectives_and_floors_that_do_not_fit_are_refused(objectives: Any, floors: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        constrained.constrained_policy([1.0, 0, 0], objectives, floors)
