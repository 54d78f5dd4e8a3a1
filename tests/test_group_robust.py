"""Group-robust steps, fits and exact solutions against their definitions, grids, bounds and a general convex solver."""

from __future__ import annotations

import importlib.util
import itertools
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit.alignment._robust import least
from choicekit.alignment.direct import dpo_loss, dpo_policy, ipo_loss
from choicekit.alignment.robust import group_robust_fit, group_robust_step, robust_log_odds
from choicekit.outcomes import NotConverged

Array = np.ndarray
OBJECTIVES: Any = ("pooled", "importance", "robust", "excess")


# --- One step on a minibatch --------------------------------------------------------------------------------------


def step_by_the_book(
    losses: list[float], group: list[int], q: list[float], sizes: list[int], step: float, kind: str, base: list[float]
) -> tuple[list[float], list[float], float]:
    total = sum(sizes)
    group_losses = []
    for g in range(len(q)):
        mine = [loss - base[g] for loss, h in zip(losses, group, strict=True) if h == g]
        if kind == "importance":
            group_losses.append(total / sizes[g] * sum(mine))
        else:
            group_losses.append(sum(mine) / len(mine) if mine else 0.0)
    moved = [w * math.exp(step * loss) for w, loss in zip(q, group_losses, strict=True)]
    moved = [w / sum(moved) for w in moved]
    return group_losses, moved, sum(w * loss for w, loss in zip(moved, group_losses, strict=True))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[float], list[int], list[float], list[int], float, str, list[float]]:
    groups, size = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    number = st.floats(0, 5, allow_subnormal=False)
    q = draw(st.lists(st.floats(0.05, 1), min_size=groups, max_size=groups))
    return (
        draw(st.lists(number, min_size=size, max_size=size)),
        draw(st.lists(st.integers(0, groups - 1), min_size=size, max_size=size)),
        [w / sum(q) for w in q],
        draw(st.lists(st.integers(1, 50), min_size=groups, max_size=groups)),
        draw(st.sampled_from([0.0, 0.01, 0.5])),
        draw(st.sampled_from(["importance", "mean"])),
        draw(st.lists(st.floats(0, 1), min_size=groups, max_size=groups)),
    )


def test_worked_numbers_of_the_step() -> None:
    batch = ([0.9, 0.8, 0.2, 0.3, 0.25, 0.15], [0, 0, 1, 1, 1, 1], [0.5, 0.5], [20, 80], 0.01)
    found = group_robust_step(*batch)
    np.testing.assert_allclose(found.group_losses, [8.5, 1.125])
    np.testing.assert_allclose(found.weights, [0.518429, 0.481571], atol=1e-6)
    assert found.loss == pytest.approx(4.948415, abs=1e-6)
    mean = group_robust_step(*batch, normalisation="mean")
    np.testing.assert_allclose(mean.group_losses, [0.85, 0.225])
    np.testing.assert_allclose(mean.weights, [0.501562, 0.498438], atol=1e-6)
    assert mean.loss == pytest.approx(0.538477, abs=1e-6)


@given(batches())
def test_a_step_is_its_definition(case: Any) -> None:
    losses, group, q, sizes, step, kind, base = case
    found = group_robust_step(losses, group, q, sizes, step, normalisation=kind, baseline=base)
    group_losses, moved, loss = step_by_the_book(*case)
    np.testing.assert_allclose(found.group_losses, group_losses, atol=1e-9)
    np.testing.assert_allclose(found.weights, moved, rtol=1e-9)
    assert found.loss == pytest.approx(loss, abs=1e-9)
    assert found.absent.tolist() == [g not in group for g in range(len(q))]
    # the loss is linear in the losses of comparisons while the weights stand still
    fixed = group_robust_step(losses, group, found.weights, sizes, 0.0, normalisation=kind)
    assert fixed.loss == pytest.approx(float(found.gradient @ losses), abs=1e-9)


@given(batches(), st.floats(0.1, 3))
def test_a_baseline_moves_the_weights_and_not_the_gradient(case: Any, shift: float) -> None:
    losses, group, q, sizes, _, kind, base = case
    at_rest = [
        group_robust_step(losses, group, q, sizes, 0.0, normalisation=kind, baseline=b).gradient for b in (None, base)
    ]
    np.testing.assert_array_equal(*at_rest)
    if kind == "mean" and len(set(group)) == len(q):  # the same taken off everybody changes nothing
        plain = group_robust_step(losses, group, q, sizes, 0.5, normalisation="mean")
        less = group_robust_step(losses, group, q, sizes, 0.5, normalisation="mean", baseline=[shift] * len(q))
        np.testing.assert_allclose(plain.weights, less.weights, rtol=1e-9)


@pytest.mark.parametrize("normalisation", ["importance", "mean"])
def test_absent_groups_lose_weight_whatever_their_loss(normalisation: Any) -> None:
    # group 1 has by far the larger loss, but is never in the batch
    weights = np.array([0.5, 0.5])
    path = [0.5]
    for _ in range(200):
        found = group_robust_step([0.1, 0.1], [0, 0], weights, [90, 10], 0.5, normalisation=normalisation)
        assert found.absent.tolist() == [False, True]
        assert found.group_losses[1] == 0
        weights = found.weights
        path.append(weights[1])
    assert all(later < earlier for earlier, later in itertools.pairwise(path))
    assert path[-1] < 1e-4


def test_group_means_forget_small_groups_and_the_importance_form_does_not() -> None:
    # all batches of 2 out of 6 examples, one of which is the second group's
    losses, group, sizes = np.array([0.4, 0.5, 0.6, 0.4, 0.6, 1.0]), np.array([0, 0, 0, 0, 0, 1]), [5, 1]
    batches = [list(pair) for pair in itertools.combinations(range(6), 2)]
    means = np.array([0.5, 1.0])

    def average(kind: Any) -> Array:
        return np.mean(
            [group_robust_step(losses[b], group[b], [0.5, 0.5], sizes, 0.1, normalisation=kind).group_losses
             for b in batches], axis=0,
        )  # fmt: skip

    np.testing.assert_allclose(average("importance"), 2 * means)  # the batch's size times the means
    np.testing.assert_allclose(average("mean"), means * [1, 1 / 3])  # as if its loss were smaller than the others'
    # trained on random batches, the worse group loses its weight under group means and keeps it otherwise
    rng = np.random.default_rng(0)
    ends = {}
    for kind, step in (("mean", 0.1), ("importance", 0.05)):
        weights = np.array([0.5, 0.5])
        for _ in range(3000):
            b = rng.choice(6, 2, replace=False)
            weights = group_robust_step(losses[b], group[b], weights, sizes, step, normalisation=kind).weights
        ends[kind] = weights[1]
    assert ends["mean"] < 1e-6
    assert ends["importance"] > 0.999


def test_huge_losses_do_not_overflow() -> None:
    found = group_robust_step([1e6, 0.0], [0, 1], [0.5, 0.5], [1, 1], 1.0)
    np.testing.assert_allclose(found.weights, [1, 0])
    adjusted = group_robust_step([1.0, 1.0], [0, 1], [0.5, 0.5], [4, 16], 1.0, normalisation="mean", adjustment=2.0)
    assert adjusted.weights[0] / adjusted.weights[1] == pytest.approx(math.exp(2 / 2 - 2 / 4))


def test_wrong_steps_are_refused() -> None:
    good: dict[str, Any] = {
        "losses": [1.0, 2.0], "group": [0, 1], "weights": [0.5, 0.5], "sizes": [3, 4], "step": 0.1,
    }  # fmt: skip
    wrong: list[tuple[str, Any, str]] = [
        ("losses", [1.0, np.nan], "losses"), ("losses", [], "losses"), ("losses", [1.0], "group"),
        ("group", [0, 2], "numbers from 0 to 1"), ("group", [0, -1], "numbers from 0 to 1"),
        ("group", [0.0, 1.0], "whole numbers"), ("weights", [0.5, 0.6], "sum to 1"),
        ("weights", [1.5, -0.5], "weights"),
        ("sizes", [3, 0], "sizes"), ("sizes", [3], "sizes"), ("step", -1, "step"), ("step", np.inf, "step"),
        ("normalisation", "sum", "normalisation"), ("baseline", [1.0], "baseline"), ("adjustment", -1.0, "adjustment"),
    ]  # fmt: skip
    for name, value, message in wrong:
        with pytest.raises(ValueError, match=message):
            group_robust_step(**{**good, name: value})


# --- Two responses, exactly ---------------------------------------------------------------------------------------


def two_losses(shares: Array, theta: Array) -> Array:
    """[θ, g]"""
    return shares * np.logaddexp(0, -theta[:, None]) + (1 - shares) * np.logaddexp(0, theta[:, None])


def entropy(p: Array) -> Array:
    return np.array([-sum(x * math.log(x) for x in (each, 1 - each) if x > 0) for each in p.tolist()])


def test_worked_numbers_of_two_responses() -> None:
    pooled = robust_log_odds([1, 0], [0.9, 0.1], objective="pooled")
    assert pooled.log_odds == pytest.approx(math.log(9))
    np.testing.assert_allclose(pooled.losses, [0.105, 2.303], atol=1e-3)
    robust = robust_log_odds([1, 0], [0.9, 0.1])
    assert robust.log_odds == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(robust.losses, math.log(2))
    excess = robust_log_odds([0.95, 0.5], objective="excess")
    assert excess.log_odds == pytest.approx(1.0992, abs=5e-5)
    assert 1 / (1 + math.exp(-excess.log_odds)) == pytest.approx(0.7501, abs=5e-5)
    np.testing.assert_allclose(excess.excess, 0.14398, atol=5e-6)
    assert robust_log_odds([0.9, 0.3], [0.8, 0.2], objective="pooled").log_odds == pytest.approx(1.2657, abs=5e-5)
    other = robust_log_odds([0.9, 0.3], objective="excess")
    assert other.log_odds == pytest.approx(0.4763, abs=5e-5)
    np.testing.assert_allclose(other.excess, 0.20564, atol=5e-6)


share = st.one_of(st.floats(0.001, 0.999), st.sampled_from([0.0, 0.5, 1.0]))


@given(st.lists(share, min_size=1, max_size=5), st.sampled_from(OBJECTIVES), st.integers(0, 10**6))
def test_no_point_of_a_grid_is_better_and_the_bound_is_met(p: list[float], objective: Any, seed: int) -> None:
    shares = np.array(p)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(p)))
    found = robust_log_odds(shares, weights, objective=objective)
    assert found.duality_gap <= 1e-9
    grid = np.linspace(-12, 12, 4801)
    losses, own = two_losses(shares, grid), entropy(shares)
    best = {
        "pooled": losses @ weights, "importance": losses.mean(1), "robust": losses.max(1),
        "excess": (losses - own).max(1),
    }[objective].min()  # fmt: skip
    reached = {
        "pooled": found.losses @ weights, "importance": found.losses.mean(), "robust": found.losses.max(),
        "excess": found.excess.max(),
    }[objective]  # fmt: skip
    assert reached <= best + 1e-9
    if np.isfinite(found.log_odds):
        np.testing.assert_allclose(found.losses, two_losses(shares, found.log_odds[None])[0], atol=1e-9)
    np.testing.assert_allclose(found.excess, found.losses - own, atol=1e-9)
    # the multipliers prove it: θ is best for their average, and only the worst groups have any
    assert found.multipliers.min() >= 0
    assert found.multipliers.sum() == pytest.approx(1)
    mean = float(found.multipliers @ shares)
    assert 1 / (1 + np.exp(-found.log_odds)) == pytest.approx(mean, abs=1e-9)
    if objective in ("robust", "excess"):
        measured = found.losses if objective == "robust" else found.excess
        assert (measured[found.multipliers > 1e-6] >= measured.max() - 1e-7).all()


@given(st.lists(share, min_size=1, max_size=5), st.integers(0, 10**6))
def test_robust_log_odds_need_no_search(p: list[float], seed: int) -> None:
    # with nothing taken off, the worst group is that of the least p to the right of 0, of the largest to the left
    expected = np.log(min(p) / (1 - min(p))) if 0.5 < min(p) < 1 else np.inf if min(p) == 1 else 0.0
    if max(p) < 0.5:
        expected = np.log(max(p) / (1 - max(p))) if max(p) > 0 else -np.inf
    assert robust_log_odds(p).log_odds == pytest.approx(expected, abs=1e-9)
    sizes = np.random.default_rng(seed).dirichlet(np.ones(len(p)))
    for objective in ("importance", "robust", "excess"):
        assert (
            robust_log_odds(p, sizes, objective=objective).log_odds == robust_log_odds(p, objective=objective).log_odds
        )


@given(st.floats(0.55, 0.999), st.floats(0.501, 0.999))
def test_an_indifferent_group_captures_the_maximum_and_not_the_excess(p: float, other: float) -> None:
    captured = robust_log_odds([p, 0.5])
    assert captured.log_odds == pytest.approx(0, abs=1e-9)
    assert captured.excess[1] == pytest.approx(0, abs=1e-9)
    assert captured.excess[0] > 0
    freed = robust_log_odds([p, 0.5], objective="excess")
    assert 0 < freed.log_odds < math.log(p / (1 - p))
    assert freed.excess[0] == pytest.approx(freed.excess[1], abs=1e-9)
    assert freed.excess.max() < captured.excess.max()
    # mirrored populations have mirrored answers
    for objective in ("robust", "excess"):
        mirror = robust_log_odds([1 - p, 1 - other], objective=objective).log_odds
        assert mirror == pytest.approx(-robust_log_odds([p, other], objective=objective).log_odds, abs=1e-8)


def test_a_batch_is_solved_one_by_one() -> None:
    shares = np.random.default_rng(0).random((3, 7, 4))
    shares[0, :3] = [[0, 0, 0, 0], [1, 1, 1, 1], [1, 0.6, 0.7, 0.8]]
    for objective in OBJECTIVES:
        together = robust_log_odds(shares, [1, 2, 3, 4], objective=objective)
        for x in np.ndindex(3, 7):
            alone = robust_log_odds(shares[x], [1, 2, 3, 4], objective=objective)
            np.testing.assert_allclose(together.log_odds[x], alone.log_odds, rtol=1e-12)
            np.testing.assert_allclose(together.losses[x], alone.losses, rtol=1e-12)


def test_wrong_shares_are_refused() -> None:
    for shares in ([1.1, 0.0], [-0.1], [np.nan], [], 0.5):
        with pytest.raises(ValueError, match="shares"):
            robust_log_odds(shares)
    with pytest.raises(ValueError, match="weights"):
        robust_log_odds([0.5, 0.6], [1.0], objective="pooled")
    with pytest.raises(ValueError, match="objective"):
        robust_log_odds([0.5, 0.6], objective="worst")  # type: ignore[arg-type]


# --- Fits ---------------------------------------------------------------------------------------------------------


def drawn(seed: int, *, groups: int = 3, width: int = 3, noise: float = 1.0) -> tuple[Array, Array, Array]:
    """Comparisons of groups of different sizes, answered by Bradley–Terry with rewards of their own."""
    rng = np.random.default_rng(seed)
    group = np.concatenate([np.full(rng.integers(12, 60), g) for g in range(groups)])
    rewards = rng.normal(size=(groups, width))
    one, two = rng.normal(size=(2, len(group), width))
    wins = ((one - two) * rewards[group]).sum(1) / noise > rng.logistic(size=len(group))
    return np.where(wins[:, None], one, two), np.where(wins[:, None], two, one), group


def losses_of(theta: Array, chosen: Array, rejected: Array, loss: str, beta: float) -> Array:
    ones = np.zeros(len(chosen))
    return {"dpo": dpo_loss, "ipo": ipo_loss}[loss](chosen @ theta, rejected @ theta, ones, ones, beta)


def group_means(losses: Array, group: Array) -> Array:
    return np.array([losses[group == g].mean() for g in range(group.max() + 1)])


def descend_by_the_book(
    chosen: Array, rejected: Array, group: Array, loss: str, beta: float, objective: str, rate: float, step: float,
    iterations: int, base: Array,
) -> tuple[Array, Array, list[float]]:  # fmt: skip
    sizes = np.bincount(group)
    q = sizes / sizes.sum() if objective == "pooled" else np.full(len(sizes), 1 / len(sizes))
    theta, path = np.zeros(chosen.shape[1]), []
    delta = chosen - rejected
    for t in range(iterations + 1):
        h = delta @ theta
        means = group_means(losses_of(theta, chosen, rejected, loss, beta), group)
        path.append(float((means - base).max()))
        if t == iterations:
            break
        if objective in ("robust", "excess"):
            q = q * np.exp(step * (means - base))
            q /= q.sum()
        slope = -beta / (1 + np.exp(beta * h)) if loss == "dpo" else 2 * (h - 0.5 / beta)
        theta = theta - rate * ((q / sizes)[group] * slope) @ delta
    return theta, q, path


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("loss", ["dpo", "ipo"])
def test_a_fit_is_the_update_by_the_book(loss: Any, objective: Any) -> None:
    for seed in range(3):
        chosen, rejected, group = drawn(seed)
        fit = group_robust_fit(
            chosen, rejected, group, loss=loss, beta=0.7, objective=objective, rate=0.02, step=0.3, iterations=40
        )
        theta, q, path = descend_by_the_book(
            chosen, rejected, group, loss, 0.7, objective, 0.02, 0.3, 40, fit.baselines
        )
        np.testing.assert_allclose(fit.parameters, theta, rtol=1e-9)
        np.testing.assert_allclose(fit.weights, q, rtol=1e-9)
        np.testing.assert_allclose(fit.worst_path, path, rtol=1e-9)
        means = group_means(losses_of(theta, chosen, rejected, loss, 0.7), group)
        np.testing.assert_allclose(fit.group_losses, means, rtol=1e-9)


def test_a_fit_is_steps_on_the_whole_data() -> None:
    chosen, rejected, group = drawn(7)
    theta, q, sizes = np.zeros(3), np.full(3, 1 / 3), np.bincount(group)
    for _ in range(25):
        losses = losses_of(theta, chosen, rejected, "dpo", 1.0)
        taken = group_robust_step(losses, group, q, sizes, 0.2, normalisation="mean")
        slope = -1 / (1 + np.exp((chosen - rejected) @ theta))
        theta, q = theta - 0.3 * (taken.gradient * slope) @ (chosen - rejected), taken.weights
    fit = group_robust_fit(chosen, rejected, group, rate=0.3, step=0.2, iterations=25)
    np.testing.assert_allclose(fit.parameters, theta, rtol=1e-9)
    np.testing.assert_allclose(fit.weights, q, rtol=1e-9)


def convex(chosen: Array, rejected: Array, group: Array, loss: str, beta: float, objective: str, base: Array) -> float:
    import cvxpy as cp

    theta = cp.Variable(chosen.shape[1])
    h = (chosen - rejected) @ theta
    losses = cp.logistic(-beta * h) if loss == "dpo" else cp.square(h - 0.5 / beta)
    means = [cp.sum(losses[np.flatnonzero(group == g)]) / (group == g).sum() for g in range(group.max() + 1)]
    shares = np.bincount(group) / len(group)
    goal = {
        "pooled": sum(w * mean for w, mean in zip(shares, means, strict=True)),
        "importance": sum(means) / len(means),
        "robust": cp.max(cp.hstack(means)),
        "excess": cp.max(cp.hstack([mean - b for mean, b in zip(means, base, strict=True)])),
    }[objective]
    problem = cp.Problem(cp.Minimize(goal))
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == "optimal"
    return float(problem.value)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("loss", ["dpo", "ipo"])
def test_a_converged_fit_has_the_optimum_of_a_convex_solver(loss: Any, objective: Any) -> None:
    for seed in range(4):
        chosen, rejected, group = drawn(seed + 10)
        rate, step = (0.5, 0.2) if loss == "dpo" else (0.02, 0.02)
        fit = group_robust_fit(
            chosen, rejected, group, loss=loss, objective=objective, rate=rate, step=step, iterations=40_000
        )
        assert fit.converged
        assert 0 <= fit.duality_gap <= 1e-4
        best = convex(chosen, rejected, group, loss, 1.0, objective, fit.baselines)
        assert best - 1e-6 <= fit.value <= best + 1e-4 + 1e-6
        assert fit.bound <= best + 1e-6
        measured = {
            "pooled": fit.group_losses @ np.bincount(group) / len(group), "importance": fit.group_losses.mean(),
            "robust": fit.group_losses.max(), "excess": fit.excess.max(),
        }[objective]  # fmt: skip
        assert fit.value == pytest.approx(measured)
        if objective == "excess":
            for g in range(3):
                mine = group == g
                own = convex(chosen[mine], rejected[mine], np.zeros(mine.sum(), int), loss, 1.0, "pooled", np.zeros(1))
                assert fit.baselines[g] == pytest.approx(own, abs=1e-6)
        else:
            assert fit.baselines.tolist() == [0, 0, 0]


def test_too_few_iterations_are_not_called_converged() -> None:
    for objective in OBJECTIVES:
        fit = group_robust_fit(*drawn(3), objective=objective, rate=0.01, step=0.01, iterations=5)
        assert not fit.converged
        assert fit.duality_gap > 1e-3
        assert len(fit.worst_path) == 6
        assert fit.worst_path[-1] == pytest.approx(fit.excess.max())


def test_a_rate_that_diverges_is_not_called_converged() -> None:
    assert not group_robust_fit(*drawn(3), loss="ipo", rate=0.5, iterations=60).converged
    for objective in OBJECTIVES:
        with pytest.raises(NotConverged, match="rate below 5"):
            group_robust_fit(*drawn(3), loss="ipo", rate=5.0, iterations=5000, objective=objective)


def test_one_iteration_from_a_start_is_one_step_from_there() -> None:
    chosen, rejected, group = drawn(4)
    start = np.array([0.5, -1.0, 2.0])
    fit = group_robust_fit(chosen, rejected, group, start=start, iterations=1, rate=0.3, step=0.2)
    losses = losses_of(start, chosen, rejected, "dpo", 1.0)
    taken = group_robust_step(losses, group, np.full(3, 1 / 3), np.bincount(group), 0.2, normalisation="mean")
    slope = -1 / (1 + np.exp((chosen - rejected) @ start))
    np.testing.assert_allclose(fit.parameters, start - 0.3 * (taken.gradient * slope) @ (chosen - rejected), rtol=1e-12)
    np.testing.assert_allclose(fit.weights, taken.weights, rtol=1e-12)
    assert fit.worst_path[0] == pytest.approx(group_means(losses, group).max())


@given(st.integers(0, 10**6), st.sampled_from(["dpo", "ipo"]), st.integers(1, 4), st.booleans())
def test_the_bound_is_below_every_parameter_and_met_by_one(seed: int, loss: Any, width: int, separable: bool) -> None:
    import scipy.optimize

    rng = np.random.default_rng(seed)
    beta, deltas = rng.choice([0.3, 1.0, 2.0]), rng.normal(size=(int(rng.integers(2, 30)), width))
    if separable:
        deltas[:, 0] = np.abs(deltas[:, 0]) + 0.01
    else:  # every comparison also went the other way
        deltas = np.concatenate([deltas, -deltas])
    weights, zero = rng.dirichlet(np.ones(len(deltas))), np.zeros_like(deltas)
    bound = least(deltas, weights, loss, beta)
    for scale in (0, 0.1, 1, 10, 100):
        theta = rng.normal(size=width) * scale
        assert bound <= weights @ losses_of(theta, deltas, zero, loss, beta) + 1e-12
    if separable and loss == "dpo":
        assert 0 <= bound <= 1e-9  # far along the first axis the loss vanishes
        assert weights @ losses_of(np.eye(width)[0] * 1e4, deltas, zero, loss, beta) <= 1e-9
    else:
        found = scipy.optimize.minimize(
            lambda t: weights @ losses_of(t, deltas, zero, loss, beta), np.zeros(width), method="BFGS", tol=1e-8
        )
        assert bound == pytest.approx(found.fun, abs=1e-7)


def test_separable_groups_have_nothing_that_they_cannot_avoid() -> None:
    rng = np.random.default_rng(0)
    delta = np.abs(rng.normal(size=(40, 2))) * [[1, -1]]
    group = np.repeat([0, 1], 20)
    delta[group == 1] *= -1
    fit = group_robust_fit(delta, np.zeros_like(delta), group, objective="excess", rate=0.5, step=0.5)
    np.testing.assert_allclose(fit.baselines, 0, atol=1e-9)


def test_two_answers_are_the_exact_solution() -> None:
    for shares, objective in itertools.product(([0.9, 0.3], [0.95, 0.5], [0.8, 0.7]), OBJECTIVES):
        counts = [(round(20 * p), 20 - round(20 * p)) for p in shares]
        delta = np.concatenate([np.repeat([1.0, -1.0], some) for some in counts])[:, None]
        group = np.repeat([0, 1], 20)
        exact = robust_log_odds(shares, objective=objective)
        fit = group_robust_fit(delta, 0 * delta, group, objective=objective, rate=0.5, step=0.2, iterations=20_000)
        assert fit.converged
        np.testing.assert_allclose(fit.excess + fit.baselines, exact.losses, atol=5e-3)
        if objective == "excess":
            np.testing.assert_allclose(fit.baselines, exact.losses - exact.excess, atol=1e-8)


def test_pooled_features_of_every_answer_are_the_tabular_policy() -> None:
    rng = np.random.default_rng(2)
    wins = rng.integers(3, 12, (4, 4))
    first, second = (each.ravel() for each in np.indices((4, 4)))
    keep = first != second
    rows = np.repeat(np.arange(16)[keep], wins.ravel()[keep])
    chosen, rejected = np.eye(4)[first[rows]], np.eye(4)[second[rows]]
    fit = group_robust_fit(
        chosen, rejected, np.zeros(len(rows), int), beta=0.5, objective="pooled", rate=2.0, iterations=3000,
        tolerance=1e-9,
    )  # fmt: skip
    assert fit.converged
    total = wins + wins.T
    policy = dpo_policy(np.where(np.eye(4) > 0, 0.5, wins / total), beta=0.5, sampling=total).probabilities
    np.testing.assert_allclose(np.exp(fit.parameters) / np.exp(fit.parameters).sum(), policy, atol=1e-5)


def test_groups_and_features_that_cannot_be_used_are_refused() -> None:
    chosen, rejected, group = drawn(0)
    fit: Callable[..., Any] = group_robust_fit
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], str]] = [
        ((chosen, rejected[:, :2], group), {}, "features"), ((chosen[0], rejected[0], group), {}, "features"),
        ((chosen * np.nan, rejected, group), {}, "features"), ((chosen, rejected, group[:-1]), {}, "group"),
        ((chosen, rejected, group * 1.0), {}, "whole numbers"), ((chosen, rejected, group - 1), {}, "numbers from 0"),
        ((chosen, rejected, group * 2), {}, "no comparisons"),
        ((chosen, rejected, group), {"groups": 2}, "from 0 to 1"),
        ((chosen, rejected, group), {"groups": 4}, "no comparisons"),
        ((chosen, rejected, group), {"start": [0.0]}, "start"), ((chosen, rejected, group), {"loss": "kto"}, "loss"),
        ((chosen, rejected, group), {"objective": "max"}, "objective"),
        ((chosen, rejected, group), {"beta": 0}, "beta"),
        ((chosen, rejected, group), {"rate": -1}, "rate"), ((chosen, rejected, group), {"step": np.nan}, "step"),
        ((chosen, rejected, group), {"iterations": 0}, "iterations"),
        ((chosen, rejected, group), {"iterations": 10.0}, "iterations"),
        ((chosen, rejected, group), {"tolerance": 0}, "tolerance"),
    ]  # fmt: skip
    for arguments, options, message in wrong:
        with pytest.raises(ValueError, match=message):
            fit(*arguments, **options)


def test_results_cannot_be_written_to_and_data_are_left_alone() -> None:
    chosen, rejected, group = drawn(0)
    before = chosen.copy(), rejected.copy(), group.copy()
    fit = group_robust_fit(chosen, rejected, group, objective="excess", iterations=3)
    for old, new in zip(before, (chosen, rejected, group), strict=True):
        np.testing.assert_array_equal(old, new)
    for array in (fit.parameters, fit.weights, fit.group_losses, fit.baselines, fit.worst_path):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


# --- The bandits --------------------------------------------------------------------------------------------------


def bandits() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "group_robust_bandits.py"
    spec = importlib.util.spec_from_file_location("group_robust_bandits", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["group_robust_bandits"] = module
    spec.loader.exec_module(module)
    return module


def test_on_uneven_bandits_plain_is_worse_than_reweighted_is_worse_than_robust() -> None:
    module = bandits()
    found = module.measure(module.SETTINGS[2], 4, iterations=6000)
    means = {objective: some.mean(0) for objective, some in found.items()}
    for column in (0, 1):  # the worst group's validation loss, and its reward error
        assert means["pooled"][column] > 1.05 * means["importance"][column]
        assert means["importance"][column] > 1.05 * means["robust"][column]
    # noiseless groups can each be served perfectly alone: excess loss is loss
    np.testing.assert_allclose(found["excess"], found["robust"], atol=1e-6)


def test_with_noise_in_the_larger_group_excess_serves_the_worst_off_better() -> None:
    module = bandits()
    found = module.measure(module.SETTINGS[3], 4, iterations=6000)
    assert found["robust"][:, 1].mean() > 1.2 * found["excess"][:, 1].mean()


def test_the_bandit_features_of_the_second_group_are_swapped() -> None:
    module = bandits()
    states, actions = np.array([[0.25, 0.5]]), np.array([4])
    first = module.features(states, actions, np.array([0]))[0]
    np.testing.assert_allclose(
        first, [1.5 * math.cos(math.pi / 4), math.sin(math.pi / 4) / 1.5, 0, 1 / 1.5], atol=1e-12
    )
    np.testing.assert_allclose(module.features(states, actions, np.array([1]))[0], first[[1, 0, 3, 2]])
