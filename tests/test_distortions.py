"""Distortion: bounds never exceeded on drawn populations, balls against a convex solver, metrics checked as metrics."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import domains, rules
from choicekit.alignment import kl
from choicekit.alignment.distortions import (
    bradley_terry_population,
    distortion,
    distortion_bound,
    kl_ball_policy,
    metric_distortion,
)
from choicekit.outcomes import Lottery

Array = np.ndarray
BETAS = (0.3, 1.0, 2.0, 5.0, 10.0, 20.0)


def drawn(count: int, seed: int) -> list[tuple[Array, float, Array]]:
    rng = np.random.default_rng(seed)
    found = []
    for draw in range(count):
        shape = (int(rng.integers(1, 7)), int(rng.integers(2, 6)))
        utilities = rng.beta(0.3, rng.uniform(0.3, 3.0, shape[1]), shape)
        found.append((utilities, BETAS[draw % len(BETAS)], rng.dirichlet(np.ones(shape[0]))))
    return found


def test_the_population_by_the_book() -> None:
    for utilities, beta, weights in drawn(20, 0):
        found = bradley_terry_population(utilities, beta, weights)
        for a in range(utilities.shape[1]):
            for b in range(utilities.shape[1]):
                odds = beta * (utilities[:, a] - utilities[:, b])
                assert found[a, b] == pytest.approx(float(weights @ (1 / (1 + np.exp(-odds)))))
    batch = np.random.default_rng(1).random((3, 4, 2))
    np.testing.assert_allclose(bradley_terry_population(batch)[1], bradley_terry_population(batch[1]))


def test_no_drawn_population_exceeds_the_bounds() -> None:
    worst = dict.fromkeys(BETAS, 0.0)
    for utilities, beta, weights in drawn(400, 2):
        chances = bradley_terry_population(utilities, beta, weights)
        lottery = rules.maximal_lottery(ck.Margins(chances - chances.T)).probabilities
        borda = np.eye(len(chances))[chances.sum(1).argmax()]
        reached = float(distortion(lottery, utilities, weights))
        assert 1 - 1e-9 <= reached <= distortion_bound("maximal_lottery", beta).upper + 1e-6
        assert distortion(borda, utilities, weights) <= distortion_bound("borda", beta).upper + 1e-6
        worst[beta] = max(worst[beta], reached)
    assert worst[20.0] > 1.2


def test_no_search_for_the_worst_exceeds_the_bound() -> None:
    rng, nearest = np.random.default_rng(9), 0.0
    for utilities, beta, _ in drawn(12, 10):

        def reach(values: Array, beta: float = beta) -> float:
            chances = bradley_terry_population(values, beta)
            lottery = rules.maximal_lottery(ck.Margins(chances - chances.T)).probabilities
            return float(distortion(lottery, values))

        at, bound = utilities, distortion_bound("maximal_lottery", beta).upper
        for _ in range(60):
            moves = rng.normal(0, 0.2, at.shape) * (rng.random(at.shape) < 0.4)
            tried = np.clip(at + moves, 0.0, 1.0)
            assert reach(tried) <= bound + 1e-6
            at = tried if reach(tried) > reach(at) else at
        nearest = max(nearest, (reach(at) - 1) / (bound - 1))
    assert nearest > 0.3


def test_populations_that_comparisons_do_not_tell_apart_reach_the_bound() -> None:
    """Few value one alternative at 1, the rest the others at 0.001: a rule that cannot tell may choose at random."""
    for beta in (1.0, 2.0, 5.0, 10.0):
        won, lost = (1 / (1 + np.exp(-beta * x)) - 0.5 for x in (1.0, 1e-3))
        few = lost / (won + lost)
        pair = np.zeros((2, 2000))
        pair[0, 0], pair[1, 1:] = 1.0, 1e-3
        chances = bradley_terry_population(pair[:, :3], beta, [few, 1 - few])
        np.testing.assert_allclose(chances, 0.5, atol=1e-12)
        reached = float(distortion(np.full(2000, 1 / 2000), pair, [few, 1 - few]))
        bound = distortion_bound("every", beta).lower
        assert 0.99 * bound <= reached <= bound


@pytest.mark.parametrize(("beta", "least", "square"), [(1, 1.08198, 1.1707), (2, 1.31304, 1.7241),
                                                       (5, 2.53392, 6.4207), (10, 5.00045, 25.0045)])  # fmt: skip
def test_worked_bounds(beta: float, least: float, square: float) -> None:
    assert distortion_bound("every", beta).lower == pytest.approx(least, abs=5e-6)
    assert distortion_bound("borda", beta).upper == pytest.approx(square, abs=5e-4)
    assert distortion_bound("maximal_lottery", beta).lower == distortion_bound("maximal_lottery", beta).upper


def test_bounds_at_the_ends() -> None:
    assert distortion_bound("maximal_lottery", 1e-6).upper == pytest.approx(1)
    assert distortion_bound("maximal_lottery", 1e4).upper == pytest.approx(5e3)
    assert distortion_bound("rlhf", 20).lower == pytest.approx(math.exp(20) / 880)
    assert math.isinf(distortion_bound("rlhf", 20).upper)
    assert math.isfinite(distortion_bound("rlhf", 1e4).lower)


def test_the_policy_of_a_ball_is_the_best_in_it() -> None:
    import cvxpy as cp

    rng = np.random.default_rng(3)
    for draw in range(25):
        size = int(rng.integers(2, 6))
        rewards, ground = rng.random(size), rng.dirichlet(np.ones(size))
        if draw % 3 == 0 and size > 2:
            ground[0] = 0
            ground /= ground.sum()
        radius = float(np.exp(rng.uniform(-6, 1)))
        found = kl_ball_policy(rewards, ground, radius=radius).probabilities
        here = ground > 0
        variable = cp.Variable(int(here.sum()), nonneg=True)
        inside = [cp.sum(variable) == 1, cp.sum(cp.rel_entr(variable, ground[here])) <= radius]
        problem = cp.Problem(cp.Maximize(rewards[here] @ variable), inside)
        problem.solve(solver=cp.CLARABEL)
        assert kl(found, ground) <= radius * (1 + 1e-9)
        assert found @ rewards == pytest.approx(problem.value, abs=2e-6)
        assert (found[~here] == 0).all()


def test_balls_of_no_and_of_any_radius() -> None:
    ground = np.array([0.5, 0.3, 0.2])
    np.testing.assert_array_equal(kl_ball_policy([1.0, 2.0, 2.0], ground, radius=0.0).probabilities, ground)
    np.testing.assert_allclose(kl_ball_policy([1.0, 2.0, 2.0], ground, radius=5.0).probabilities, [0, 0.6, 0.4])
    np.testing.assert_allclose(kl_ball_policy([1.0, 1.0, 1.0], ground, radius=0.1).probabilities, ground)
    rng = np.random.default_rng(4)
    rewards = rng.random((6, 3)) * 1e3
    both = kl_ball_policy(rewards, ground, radius=0.2).probabilities
    for own, row in zip(both, rewards, strict=True):
        np.testing.assert_allclose(own, kl_ball_policy(row, ground, radius=0.2).probabilities, atol=1e-12)


def test_distortion_by_context_and_within_a_ball() -> None:
    rng = np.random.default_rng(5)
    utilities, ground = rng.random((4, 3, 5)), rng.dirichlet(np.ones(5), 4)
    policy, weights = rng.dirichlet(np.ones(5), 4), np.array([0.2, 0.3, 0.5])
    for radius in (0.05, math.inf):
        found = distortion(policy, utilities, weights, reference=ground, radius=radius)
        for x in range(4):
            mean = weights @ utilities[x]
            best = (
                mean.max()
                if radius == math.inf
                else kl_ball_policy(mean, ground[x], radius=radius).probabilities @ mean
            )
            assert found[x] == pytest.approx(best / (policy[x] @ mean))
    own = kl_ball_policy(weights @ utilities[0], ground[0], radius=0.05)
    assert distortion(own, utilities[0], weights, reference=ground[0], radius=0.05) == pytest.approx(1)


def test_distortion_where_nothing_is_achieved() -> None:
    assert distortion([0.0, 1.0], [[1.0, 0.0]]) == math.inf
    assert distortion([0.0, 1.0], [[0.0, 0.0]]) == 1
    assert distortion([0.0, 1.0, 0.0], [[0.0, 0.5, 1.0]], reference=[0.5, 0.5, 0.0]) == 1


# --- Metrics ------------------------------------------------------------------------------------------------------


def on_a_line(profile: ck.Rankings, rng: np.random.Generator, draws: int) -> float:
    """The worst ratio of the first alternative's total over any, in drawn line metrics that fit the rankings."""
    worst, size = 0.0, len(profile.alternatives)
    for _ in range(draws):
        places, voters = rng.normal(size=size), []
        grid = np.linspace(-4, 4, 200)
        distances = np.abs(grid[:, None] - places)
        for ranks in profile.ranks:
            order = np.argsort(ranks)
            fits = (np.diff(distances[:, order], axis=1) >= 0).all(1)
            if not fits.any():
                break
            voters.append(distances[rng.choice(np.flatnonzero(fits))])
        else:
            totals = profile.weights @ np.array(voters)
            worst = max(worst, totals[0] / totals.min())
    return worst


def is_metric(profile: ck.Rankings, distances: Array) -> bool:
    """Whether distances from voters to alternatives can be those of points that fit the rankings."""
    n, m = distances.shape
    for i in range(n):
        for a, b in permutations(range(m), 2):
            if profile.ranks[i, a] <= profile.ranks[i, b] and distances[i, a] > distances[i, b] + 1e-7:
                return False
            for j in range(n):
                if distances[i, a] > distances[i, b] + distances[j, b] + distances[j, a] + 1e-7:
                    return False
    return bool((distances >= -1e-9).all())


def test_two_alternatives_have_a_formula() -> None:
    """With s of n supporters the ratio is 2n/s − 1."""
    for n in range(1, 8):
        for s in range(1, n):
            votes = ck.Rankings.from_orders({"ab": s, "ba": n - s})
            assert metric_distortion(votes, "a").value == pytest.approx(2 * n / s - 1, abs=1e-7)
        assert metric_distortion(ck.Rankings.from_orders({"ab": n}), "a").value == pytest.approx(1)
        assert metric_distortion(ck.Rankings.from_orders({"ab": n}), "b").value == math.inf


def test_the_worst_metric_is_one_and_has_that_ratio() -> None:
    rng = np.random.default_rng(6)
    infinite = 0
    for _ in range(30):
        n, m = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        votes = ck.Rankings(np.argsort(rng.random((n, m)), axis=1), rng.integers(1, 4, n).astype(float))
        share = rng.dirichlet(np.ones(m)) if rng.random() < 0.5 else np.eye(m)[rng.integers(m)]
        found = metric_distortion(votes, share)
        assert is_metric(votes, found.distances)
        totals = votes.weights @ found.distances
        best = votes.alternatives.index(found.best)
        if found.value == math.inf:
            infinite += 1
            assert totals[best] == 0
            assert share @ totals > 0
        else:
            assert share @ totals == pytest.approx(found.value, abs=1e-6)
            assert totals[best] == pytest.approx(1, abs=1e-6)
    assert 0 < infinite < 30


def test_no_line_is_worse_than_the_worst_metric() -> None:
    rng, met = np.random.default_rng(7), 0
    for _ in range(8):
        votes = ck.Rankings(np.argsort(rng.random((3, 3)), axis=1))
        lined = on_a_line(votes, rng, 60)
        met += lined > 1
        assert lined <= metric_distortion(votes, votes.alternatives[0]).value + 1e-7
    assert met > 3


def test_copeland_at_most_five_and_some_alternative_at_most_three() -> None:
    for votes in domains.every(voters=3, alternatives=3, anonymous=True, neutral=True):
        values = {label: metric_distortion(votes, label).value for label in votes.alternatives}
        assert min(values.values()) <= 3 + 1e-7
        assert all(values[label] <= 5 + 1e-7 for label in rules.copeland(votes).winners)


def test_a_lottery_is_no_worse_than_the_mean_of_its_parts() -> None:
    """The metric must serve all parts at once: a maximum of a sum is at most the sum of maxima."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        votes = ck.Rankings(np.argsort(rng.random((3, 3)), axis=1))
        share = rng.dirichlet(np.ones(3))
        parts = [metric_distortion(votes, label).value for label in votes.alternatives]
        found = metric_distortion(votes, Lottery(votes.alternatives, share)).value
        if math.isfinite(found):
            assert found <= share @ parts + 1e-6
        else:
            assert math.inf in parts
    even = ck.Rankings.from_orders({"ab": 1, "ba": 1})
    assert metric_distortion(even, [0.5, 0.5]).value == pytest.approx(2)


def test_weights_count_as_voters_and_idle_voters_as_nobody() -> None:
    orders = ["abc", "bca", "cab"]
    votes = ck.Rankings.from_orders(dict(zip(orders, (2, 1, 1), strict=True)))
    copies = ck.Rankings.from_orders([*orders, "abc"])
    idle = ck.Rankings.from_orders(dict(zip([*orders, "cba"], (2, 1, 1, 0), strict=True)))
    for label in "abc":
        value = metric_distortion(votes, label).value
        assert metric_distortion(copies, label).value == pytest.approx(value)
        assert metric_distortion(idle, label).value == pytest.approx(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distortion([0.5, 0.5], [[1.0, -0.1]]), "utilities: needed numbers of at least 0, for a ratio, got -0"),
        (lambda: distortion([0.5, 0.4], [[1.0, 0.1]]), "policy: probabilities must sum to 1, got 0.9"),
        (lambda: distortion([1.0], [[1.0, 0.1]]), "policy: needed 2 probabilities"),
        (lambda: kl_ball_policy([1.0, 0.0], radius=-0.1), "radius must be a divergence in nats, at least 0, got -0.1"),
        (lambda: kl_ball_policy([1.0, 0.0], radius=math.nan), "radius must be"),
        (lambda: distortion_bound("copeland", 1.0), "rule must be 'maximal_lottery', 'borda', 'every' or 'rlhf'"),
        (lambda: distortion_bound("borda", 0.0), "beta must be a positive number"),
        (lambda: distortion_bound("rlhf", 5.0), "stated for beta ≥ 10 alone, got 5.0"),
        (lambda: bradley_terry_population([[1.0, 0.0]], -1.0), "beta: needed a positive number"),
        (lambda: metric_distortion(ck.Rankings([[0, 1, -1]]), 0), "needed complete rankings"),
        (lambda: metric_distortion(ck.Rankings([[0, 1]]), 7), "needed an alternative of the profile, got 7"),
        (lambda: metric_distortion(ck.Rankings([[0, 1]]), [0.5, 0.6]), "needed 2 probabilities that sum to 1"),
        (lambda: metric_distortion(ck.Rankings([[0, 1]]), Lottery(("x", "y"), np.eye(2)[0])), "other alternatives"),
    ],
)  # fmt: skip
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
