"""Retraining, iterated RLHF and learning from oneself: enumeration, closed forms, and what must hold on every draw."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from choicekit.alignment import gap, preferences, rlhf_policy, win_rates
from choicekit.alignment.dynamics import collapse_path, iterated_rlhf, recursive_training
from choicekit.alignment.retraining import curate, curated_retraining, curation_limit

Array = np.ndarray
# e^r of two people on their favourites, a compromise, and what neither likes
COMPROMISE = np.log([[1, 0.01, 0.8, 0.001], [0.01, 1, 0.8, 0.001]])


@st.composite
def populations(draw: st.DrawFn, most: int = 4) -> tuple[Array, Array, Array]:
    """A policy, rewards [g, m] and shares."""
    groups, size = draw(st.integers(1, 3)), draw(st.integers(2, most))
    rewards = draw(arrays(np.float64, (groups, size), elements=st.floats(-4, 4, allow_subnormal=False)))
    likely = draw(arrays(np.float64, size, elements=st.floats(0.01, 1)))
    shares = draw(arrays(np.float64, groups, elements=st.floats(0.05, 1)))
    return likely / likely.sum(), rewards, shares / shares.sum()


def welfare(policy: Array, rewards: Array, shares: Array) -> float:
    return sum(q * math.log(float(policy @ np.exp(own))) for q, own in zip(shares, rewards, strict=True))


def enumerated(policy: Array, rewards: Array, shares: Array, samples: int) -> Array:
    """The kept answer's distribution over every sequence of ``samples`` answers."""
    found = np.zeros(len(policy))
    for seen in itertools.product(range(len(policy)), repeat=samples):
        chance = math.prod(float(policy[a]) for a in seen)
        for q, own in zip(shares, rewards, strict=True):
            total = sum(math.exp(own[a]) for a in seen)
            for a in seen:
                found[a] += chance * q * math.exp(own[a]) / total
    return found


def most_welfare(rewards: Array, shares: Array) -> float:
    """max_p Σ q log E_p[e^r] by a general convex solver."""
    import cvxpy as cp

    p = cp.Variable(rewards.shape[1], nonneg=True)
    goal = sum(q * cp.log(np.exp(own) @ p) for q, own in zip(shares, rewards, strict=True))
    problem = cp.Problem(cp.Maximize(goal), [cp.sum(p) == 1])
    problem.solve(solver=cp.CLARABEL)
    assert problem.status == "optimal"
    return float(problem.value)


# --- One round of curation ----------------------------------------------------------------------------------------


@given(populations(3), st.integers(2, 5))
def test_few_samples_by_enumeration(case: tuple[Array, Array, Array], samples: int) -> None:
    found = curate(*case, samples=samples).probabilities
    np.testing.assert_allclose(found, enumerated(*case, samples), rtol=1e-11, atol=0)


@given(populations(6))
def test_two_samples_in_closed_form(case: tuple[Array, Array, Array]) -> None:
    policy, rewards, shares = case
    wins = preferences(rewards, shares)
    np.testing.assert_allclose(curate(*case, samples=2).probabilities, 2 * policy * (wins @ policy), rtol=1e-11)


@given(populations(6))
def test_many_samples_tend_to_infinitely_many(case: tuple[Array, Array, Array]) -> None:
    policy, rewards, shares = case
    kept = np.exp(rewards)
    limit = policy * sum(q * own / (policy @ own) for q, own in zip(shares, kept, strict=True))
    np.testing.assert_allclose(curate(*case).probabilities, limit, rtol=1e-12)
    far = [np.abs(curate(*case, samples=k).probabilities - limit).max() for k in (10_000, 1_000_000, 100_000_000)]
    # e^r spans e^8, so that 1/K is the rate from K of some thousands
    assert far[1] <= 0.02 * far[0] + 1e-12
    assert far[2] <= 0.02 * far[1] + 1e-12


def test_extreme_rewards_by_enumeration() -> None:
    """Answers that are kept only where nothing better was drawn."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        policy, shares = rng.dirichlet(np.ones(3)), rng.dirichlet(np.ones(2))
        rewards = rng.normal(0, 60, (2, 3))
        for samples in (2, 3, 6):
            found = curate(policy, rewards, shares, samples=samples).probabilities
            np.testing.assert_allclose(found, enumerated(policy, rewards, shares, samples), rtol=1e-10)


def test_beside_a_simulation() -> None:
    """Draw seven answers, one person, keep one: 60,000 times, to five standard errors."""
    rng = np.random.default_rng(1)
    policy, shares, rewards = rng.dirichlet(np.ones(5)), np.array([0.3, 0.7]), rng.normal(0, 2, (2, 5))
    draws = 60_000
    seen = rng.choice(5, (draws, 7), p=policy)
    person = rng.choice(2, draws, p=shares)
    # the largest of rewards with Gumbel noise is kept with a chance proportional to e^r
    kept = seen[np.arange(draws), (rewards[person[:, None], seen] + rng.gumbel(size=seen.shape)).argmax(1)]
    found = curate(policy, rewards, shares, samples=7).probabilities
    observed = np.bincount(kept, minlength=5) / draws
    assert (np.abs(observed - found) <= 5 * np.sqrt(found * (1 - found) / draws)).all()
    assert np.abs(curate(policy, rewards, shares).probabilities - found).max() > 0.01


@given(populations(5), st.sampled_from([None, 2, 9]))
def test_the_zero_of_rewards_does_not_matter_and_nothing_is_said_that_was_not(
    case: tuple[Array, Array, Array], samples: int | None
) -> None:
    policy, rewards, shares = case
    found = curate(*case, samples=samples).probabilities
    moved = rewards + 100 * np.arange(len(rewards))[:, None]
    np.testing.assert_allclose(curate(policy, moved, shares, samples=samples).probabilities, found, rtol=1e-9)
    mute = np.append(policy, 0.0)
    wider = np.column_stack([rewards, rewards.max(1) + 900])
    after = curate(mute, wider, shares, samples=samples).probabilities
    np.testing.assert_allclose(after, np.append(found, 0.0), rtol=1e-9)


# --- Many rounds --------------------------------------------------------------------------------------------------


@given(populations(6))
def test_welfare_never_falls_and_its_shortfall_is_bounded(case: tuple[Array, Array, Array]) -> None:
    _, rewards, shares = case
    path = curated_retraining(*case, rounds=60)
    best = welfare(curation_limit(rewards, shares).probabilities, rewards, shares)
    for t in (0, 1, 7, 60):
        policy = path.policies[t]
        assert path.welfare[t] == pytest.approx(welfare(policy, rewards, shares), abs=1e-9)
        assert path.entropy[t] == pytest.approx(-sum(p * math.log(p) for p in policy if p > 0), abs=1e-9)
        assert path.effective[t] == pytest.approx(math.exp(path.entropy[t]), abs=1e-9)
        assert path.largest[t] == policy.max()
    assert (np.diff(path.welfare) >= -1e-12).all()
    assert (best - path.welfare <= path.shortfall + 1e-9).all()
    assert (path.welfare <= best + 1e-9).all()


@given(populations(6))
def test_the_limit_meets_the_conditions_of_an_optimum(case: tuple[Array, Array, Array]) -> None:
    _, rewards, shares = case
    limit = curation_limit(rewards, shares)
    kept = np.exp(rewards)
    growth = (shares / (kept @ limit.probabilities)) @ kept
    assert growth.max() <= 1 + 1e-6
    assert growth[limit.probabilities > 1e-6] == pytest.approx(1, abs=1e-5)
    assert limit.probabilities.sum() == pytest.approx(1)


def test_the_limit_beside_a_convex_solver() -> None:
    rng = np.random.default_rng(2)
    for _ in range(25):
        groups, size = int(rng.integers(1, 4)), int(rng.integers(2, 6))
        rewards, shares = rng.normal(size=(groups, size)), rng.dirichlet(np.full(groups, 2.0))
        found = curation_limit(rewards, shares)
        assert welfare(found.probabilities, rewards, shares) == pytest.approx(most_welfare(rewards, shares), abs=1e-6)
        path = curated_retraining(np.full(size, 1 / size), rewards, shares, rounds=3000)
        assert path.welfare[-1] == pytest.approx(most_welfare(rewards, shares), abs=float(path.shortfall[-1]) + 1e-6)
        assert path.shortfall[-1] < 2e-3


def test_a_compromise_takes_all_though_the_favourites_are_far_apart() -> None:
    path = curated_retraining(np.full(4, 0.25), COMPROMISE, rounds=200)
    assert path.policies[[1, 10], 2].round(3).tolist() == [0.442, 0.980]
    assert path.last[2] > 1 - 1e-9
    np.testing.assert_allclose(curation_limit(COMPROMISE).probabilities, [0, 0, 1, 0], atol=1e-9)
    assert path.effective[-1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("q", [0.1, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("apart", [(6.0, 6.0), (3.0, 5.0), (8.0, 4.0)])
def test_the_plateau_of_two_favourites(q: float, apart: tuple[float, float]) -> None:
    """a = (q − κ₁ + κ₁κ₂(1 − q))/((1 − κ₁)(1 − κ₂)), κ₁ what the second is worth to the first's people, and κ₂."""
    first, second = (math.exp(-each) for each in apart)
    path = curated_retraining([0.5, 0.5], np.log([[1, first], [second, 1]]), [q, 1 - q], rounds=400)
    aim = (q - first + first * second * (1 - q)) / ((1 - first) * (1 - second))
    assert path.last[0] == pytest.approx(aim, abs=1e-9)
    if apart == (6.0, 6.0) and q == 0.3:
        assert round(aim, 6) == 0.299006


def test_one_curator_ends_at_its_favourite_and_the_rest_dies_out_geometrically() -> None:
    path = curated_retraining([0.6, 0.1, 0.3], [[0.0, 1.0, 0.5]], rounds=60)
    assert path.last[1] > 1 - 1e-9
    odds = path.policies[:, [0, 2]] / path.policies[:, [1]]
    np.testing.assert_allclose(odds[1:] / odds[:-1], np.broadcast_to(np.exp([-1.0, -0.5]), (60, 2)), rtol=1e-9)


def test_quadratic_rewards_on_a_line() -> None:
    """r_i = −(x − μ_i)², d apart: the share near the first favourite tends to q as d grows, and is Nash's."""
    line, q = np.linspace(-6, 6, 121), 0.3
    off = []
    for d in (2.0, 3.0, 4.0, 5.0):
        rewards = -((line - np.array([[-d / 2], [d / 2]])) ** 2)
        path = curated_retraining(np.full(121, 1 / 121), rewards, [q, 1 - q], rounds=4000)
        nash = curation_limit(rewards, [q, 1 - q]).probabilities
        share = path.last[line < 0].sum()
        assert share == pytest.approx(nash[line < 0].sum(), abs=2e-3)
        assert path.shortfall[-1] < 2e-3
        off.append(abs(nash[line < 0].sum() - q))
    assert off[0] > 5e-3
    assert (np.diff(off) < 0).all()
    assert off[-1] < 1e-5


def test_with_few_samples_welfare_can_fall_and_majorities_gain() -> None:
    """Two answers, two kinds of people 6 to 4, each certain: with K = 2 the share a grows by 0.2·a(1 − a) a round."""
    people, shares = [[30.0, 0.0], [0.0, 30.0]], [0.6, 0.4]
    path = curated_retraining([0.5, 0.5], people, shares, rounds=100, samples=2)
    a = 0.5
    for policy in path.policies[1:]:
        a += 0.2 * a * (1 - a)
        assert policy[0] == pytest.approx(a, abs=1e-9)
    assert path.last[0] > 0.99
    assert np.diff(path.welfare).min() < -0.01
    assert curated_retraining([0.5, 0.5], people, shares, rounds=100).last[0] == pytest.approx(0.6, abs=1e-9)


def test_with_two_samples_the_condorcet_winner_takes_all() -> None:
    rng = np.random.default_rng(12)
    met, nash = 0, 0
    for _ in range(60):
        rewards, shares = rng.normal(0, 2, (3, 4)), rng.dirichlet(np.ones(3))
        margins = preferences(rewards, shares) - 0.5 + np.eye(4)
        winners = np.flatnonzero((margins > 0.02).all(1))
        if not len(winners):
            continue
        share = curated_retraining(np.full(4, 0.25), rewards, shares, rounds=1500, samples=2).policies[:, winners[0]]
        assert (np.diff(share) >= -1e-12).all()
        assert share[-1] > 1 - 1e-6
        met += 1
        nash += curation_limit(rewards, shares).probabilities[winners[0]] < 0.9
    assert met > 30
    assert nash > 10


@pytest.mark.parametrize("samples", [None, 3])
def test_contexts_of_a_batch_are_one_by_one(samples: int | None) -> None:
    rng = np.random.default_rng(3)
    policy, rewards, shares = rng.dirichlet(np.ones(4), (3, 2)), rng.normal(0, 2, (3, 2, 2, 4)), [0.3, 0.7]
    many = curated_retraining(policy, rewards, shares, rounds=5, samples=samples)
    limits = curation_limit(rewards, shares).probabilities
    for at in np.ndindex(3, 2):
        one = curated_retraining(policy[at], rewards[at], shares, rounds=5, samples=samples)
        for name in ("policies", "welfare", "shortfall", "entropy", "effective", "largest"):
            np.testing.assert_allclose(
                getattr(many, name)[(slice(None), *at)], getattr(one, name), atol=1e-12, err_msg=name
            )
        np.testing.assert_allclose(limits[at], curation_limit(rewards[at], shares).probabilities, atol=1e-7)
    assert many.samples == samples


def test_a_limit_of_what_can_be_said() -> None:
    found = curation_limit(COMPROMISE, policy=[0.5, 0.25, 0.0, 0.25]).probabilities
    path = curated_retraining([0.5, 0.25, 0.0, 0.25], COMPROMISE, rounds=500)
    np.testing.assert_allclose(found, [0.5, 0.5, 0, 0], atol=1e-8)
    np.testing.assert_allclose(path.last, found, atol=1e-8)
    # elsewhere there is more welfare, of which the bound does not speak
    assert path.shortfall[-1] < 1e-9


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0.5, 0.6], [[1.0, 0.0]]), {}, "sum to 1"),
        (([0.5, 0.5], [[1.0, 0.0, 2.0]]), {}, "needed 3 probabilities"),
        (([0.5, 0.5], [[700.0, 0.0]]), {}, "within 600"),
        (([0.5, 0.5], [[1.0, 0.0]]), {"samples": 1}, "samples"),
        (([0.5, 0.5], [[1.0, 0.0]], [1.0, 1.0]), {}, "weights"),
        (([0.5, 0.5], [1.0, 0.0]), {}, "rewards"),
    ],
)
def test_what_cannot_be_curated(arguments: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curate(*arguments, **options)
    with pytest.raises(ValueError, match=message):
        curated_retraining(*arguments, **options, rounds=2)


# --- Along β ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "expected"),
    [(0.5, {10: 0.5101, 1: 0.6, 0.5: 0.6923, 0.1: 0.98295, 0.01: 1.0}), (0.4, {1: 0.5, 0.5: 0.6}),
     (0.8, {1: 0.8571, 10: 0.8064})],
)  # fmt: skip
def test_the_table_of_60_to_40(reference: float, expected: dict[float, float]) -> None:
    path = collapse_path([[math.log(1.5), 0.0]], list(expected), reference=[reference, 1 - reference])
    np.testing.assert_allclose(path.policies[:, 0], list(expected.values()), atol=5e-5)
    np.testing.assert_allclose(path.shares, [0.6, 0.4], atol=1e-12)


@given(populations(5))
def test_one_group_is_matched_at_beta_one_and_at_no_other(case: tuple[Array, Array, Array]) -> None:
    rewards = case[1][:1]
    path = collapse_path(rewards, [4.0, 2.0, 1.0, 0.5, 0.25])
    assert path.divergence[2] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(path.policies[2], path.shares, atol=1e-9)
    np.testing.assert_allclose(path.rewards, rewards[0] - rewards[0].mean(), atol=1e-7)
    # away from 1 either way the divergence grows, and the entropy falls with β
    assert (np.diff(path.divergence[:3]) <= 1e-12).all()
    assert (np.diff(path.divergence[2:]) >= -1e-12).all()
    assert (np.diff(path.entropy_ratio) <= 1e-12).all()
    if np.ptp(rewards) > 0.1:
        assert path.matching == 1.0


@given(populations(5))
def test_the_pooled_reward_solves_its_score_equations(case: tuple[Array, Array, Array]) -> None:
    _, rewards, shares = case
    path = collapse_path(rewards, [1.0, 0.02], weights=shares)
    fitted = 1 / (1 + np.exp(path.rewards - path.rewards[:, None]))
    np.testing.assert_allclose(fitted.sum(1), preferences(rewards, shares).sum(1), atol=1e-8)
    np.testing.assert_allclose(path.policies[1], rlhf_policy(path.rewards, beta=0.02).probabilities, atol=1e-9)
    np.testing.assert_allclose(
        path.shares, sum(q * np.exp(r) / np.exp(r).sum() for q, r in zip(shares, rewards, strict=True)), atol=1e-9
    )


def test_what_cannot_be_said_is_not_compared() -> None:
    path = collapse_path([[1.0, 0.0, 9.0], [0.0, 1.0, 9.0]], [1.0, 0.1], reference=[0.5, 0.5, 0.0], weights=[3, 1])
    alone = collapse_path([[1.0, 0.0], [0.0, 1.0]], [1.0, 0.1], weights=[3, 1])
    np.testing.assert_allclose(path.policies[:, :2], alone.policies, atol=1e-9)
    np.testing.assert_allclose(path.divergence, alone.divergence, atol=1e-9)


@pytest.mark.parametrize("bad", [[], [1.0, 0.0], [[1.0]], 1.0, [np.inf]])
def test_bad_betas(bad: Any) -> None:
    with pytest.raises(ValueError, match="betas"):
        collapse_path([[1.0, 0.0]], bad)


# --- Iterated RLHF ------------------------------------------------------------------------------------------------


@given(populations(5), st.sampled_from([0.5, 1.0, 3.0]))
def test_one_group_without_noise_in_closed_form(case: tuple[Array, Array, Array], beta: float) -> None:
    ground, rewards, _ = case
    own = rewards[0]
    path = iterated_rlhf(rewards[:1], rounds=4, beta=beta, reference=ground)
    fixed = iterated_rlhf(rewards[:1], rounds=4, beta=beta, reference=ground, anchor="first")
    for t in range(1, 5):
        np.testing.assert_allclose(path.rewards[t - 1], own - own.mean(), atol=1e-6)
        np.testing.assert_allclose(path.policies[t], rlhf_policy(own, ground, beta / t).probabilities, atol=1e-6)
        np.testing.assert_allclose(fixed.policies[t], rlhf_policy(own, ground, beta).probabilities, atol=1e-6)
    assert fixed.gaps[1:] == pytest.approx(0, abs=1e-6)
    assert (np.diff(path.gaps[1:, 0]) >= -1e-6).all()


@given(populations(5), st.sampled_from(["previous", "first"]))
def test_each_rounds_reward_solves_the_equations_of_its_own_pairs(
    case: tuple[Array, Array, Array], anchor: Any
) -> None:
    _, rewards, shares = case
    path = iterated_rlhf(rewards, shares, rounds=5, beta=0.5, anchor=anchor)
    chances = preferences(rewards, shares)
    for t in range(5):
        fitted = 1 / (1 + np.exp(path.rewards[t] - path.rewards[t][:, None]))
        np.testing.assert_allclose((fitted - chances) @ path.policies[t], 0, atol=1e-8)
        ground = path.policies[t] if anchor == "previous" else path.policies[0]
        np.testing.assert_allclose(
            path.policies[t + 1], rlhf_policy(path.rewards[t], ground, 0.5).probabilities, atol=1e-9
        )
    for t in (0, 5):
        np.testing.assert_allclose(path.gaps[t], gap(rewards, path.policies[t], beta=0.5).gaps)
        np.testing.assert_allclose(path.win_rates[t], win_rates(rewards, path.policies[t]))
        assert path.largest[t] == path.policies[t].max()
        assert path.entropy[t] == pytest.approx(-sum(p * math.log(p) for p in path.policies[t] if p > 0), abs=1e-9)


def test_the_minority_loses_what_the_rounds_take() -> None:
    people = [[1.0, 0.0], [0.0, 1.0]]
    path = iterated_rlhf(people, [0.7, 0.3], rounds=30, beta=0.5)
    step = math.log((chance := 0.7 / (1 + math.exp(-1)) + 0.3 / (1 + math.e)) / (1 - chance))
    np.testing.assert_allclose(np.log(path.policies[:, 0] / path.policies[:, 1]), 2 * step * np.arange(31), atol=1e-7)
    assert (np.diff(path.gaps[:, 1]) > 0).all()
    assert (np.diff(path.entropy) < 0).all()
    assert (np.diff(path.win_rates[:, 1]) < 0).all()


def test_rounds_go_on_where_an_alternative_has_all_but_vanished() -> None:
    path = iterated_rlhf([[3.0, 0.0, 1.0], [2.0, 1.0, 0.0]], rounds=400, beta=0.3)
    assert np.isfinite(path.rewards).all()
    assert path.policies[-1, 1] < 1e-300
    chances = preferences([[3.0, 0.0, 1.0], [2.0, 1.0, 0.0]])
    np.testing.assert_allclose(
        path.rewards[-1][0] - path.rewards[-1][1], np.log(chances[0, 1] / chances[1, 0]), atol=1e-6
    )


def test_many_comparisons_tend_to_infinitely_many() -> None:
    rewards, weights = [[1.0, 0.0, -0.5], [-1.0, 0.3, 0.2]], [0.6, 0.4]
    exact = iterated_rlhf(rewards, weights, rounds=3)
    errors = []
    for comparisons in (300, 30_000, 3_000_000):
        found = iterated_rlhf(rewards, weights, rounds=3, comparisons=comparisons, prior=100.0, rng=5)
        errors.append(np.abs(found.policies - exact.policies).max())
    assert errors[2] < 3e-3
    assert errors[2] < errors[1] < errors[0]


def test_comparisons_are_drawn_from_policy_and_population() -> None:
    """The fit of one round over 400 copies has the mean of its limit, to five standard errors, in the chance of 0."""
    rewards = np.broadcast_to(np.array([[0.8, 0.0], [-0.5, 0.0]]), (400, 2, 2))
    found = iterated_rlhf(rewards, rounds=1, comparisons=500, prior=1e6, rng=2, reference=[0.3, 0.7]).rewards[0]
    won = 1 / (1 + np.exp(found[:, 1] - found[:, 0]))
    expected = preferences(rewards[0])[0, 1]
    # 0.42 of the pairs are of two different answers
    spread = math.sqrt(expected * (1 - expected) / (0.42 * 500))
    assert won.std() == pytest.approx(spread, rel=0.15)
    assert abs(won.mean() - expected) <= 5 * spread / 20


def test_the_fit_of_a_round_solves_the_equation_of_its_prior() -> None:
    """n·σ(2s) − w + s/prior = 0 for w wins of n: whole numbers, and the same ones for two priors and the same draws."""
    wide = iterated_rlhf([[2.0, 0.0]], rounds=1, comparisons=100, prior=100.0, rng=1).rewards[0, 0]
    narrow = iterated_rlhf([[2.0, 0.0]], rounds=1, comparisons=100, prior=0.01, rng=1).rewards[0, 0]
    assert 0 < narrow < 0.5 * wide
    met = np.arange(25, 75)
    wins = met / (1 + np.exp(-2 * wide)) + wide / 100
    whole = np.abs(wins - np.round(wins)) < 1e-6
    assert whole.any()
    left = met / (1 + np.exp(-2 * narrow)) - np.round(wins) + narrow / 0.01
    assert np.abs(left[whole]).min() < 1e-6


def test_the_same_draws_for_the_same_rng() -> None:
    people = np.random.default_rng(4).normal(size=(5, 2, 4))
    first = iterated_rlhf(people, rounds=3, comparisons=20, rng=7).policies
    np.testing.assert_array_equal(iterated_rlhf(people, rounds=3, comparisons=20, rng=7).policies, first)
    again = iterated_rlhf(people, rounds=3, comparisons=20, rng=np.random.default_rng(7)).policies
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(iterated_rlhf(people, rounds=3, comparisons=20, rng=8).policies, first)


def test_contexts_without_noise_are_one_by_one() -> None:
    people = np.random.default_rng(5).normal(size=(4, 2, 3))
    many = iterated_rlhf(people, [0.2, 0.8], rounds=4)
    for x in range(4):
        one = iterated_rlhf(people[x], [0.2, 0.8], rounds=4)
        np.testing.assert_allclose(many.policies[:, x], one.policies, atol=1e-12)
        np.testing.assert_allclose(many.gaps[:, x], one.gaps, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": -1}, "rounds"),
        ({"rounds": 1, "comparisons": 0}, "comparisons"),
        ({"rounds": 1, "anchor": "last"}, "anchor"),
        ({"rounds": 1, "prior": 0.0}, "prior"),
        ({"rounds": 1, "beta": 0.0}, "beta"),
        ({"rounds": 1, "reference": [0.5, 0.6]}, "sum to 1"),
    ],
)
def test_bad_rounds(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        iterated_rlhf([[1.0, 0.0]], **options)


def test_certain_preferences_have_no_finite_reward() -> None:
    with pytest.raises(ValueError, match="scale them down"):
        iterated_rlhf([[60.0, 0.0]], rounds=1)
    assert np.isfinite(iterated_rlhf([[60.0, 0.0]], rounds=2, comparisons=50).rewards).all()


# --- Learning from oneself ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [0.0, 0.2, 1.0])
def test_expected_variety_by_enumeration(fresh: float) -> None:
    """Two rounds of three samples over three alternatives, every sample of them."""
    start, samples = np.array([0.5, 0.3, 0.2]), 3

    def outcomes(policy: Array) -> list[tuple[float, Array]]:
        mixed = (1 - fresh) * policy + fresh * start
        return [
            (math.prod(float(mixed[a]) for a in seen), np.bincount(seen, minlength=3) / samples)
            for seen in itertools.product(range(3), repeat=samples)
        ]

    once = sum(chance * (1 - (after**2).sum()) for chance, after in outcomes(start))
    twice = sum(
        chance * later * (1 - (last**2).sum()) for chance, after in outcomes(start) for later, last in outcomes(after)
    )
    found = recursive_training(start, samples=samples, rounds=2, fresh=fresh)
    np.testing.assert_allclose(found.expected_heterozygosity, [1 - (start**2).sum(), once, twice], atol=1e-12)


@given(populations(6), st.integers(1, 40), st.integers(0, 30))
def test_variety_decays_by_one_nth_a_round(case: tuple[Array, Array, Array], samples: int, rounds: int) -> None:
    start = case[0]
    found = recursive_training(start, samples=samples, rounds=rounds)
    decay = (1 - 1 / samples) ** np.arange(rounds + 1)
    np.testing.assert_allclose(found.expected_heterozygosity, (1 - (start**2).sum()) * decay, atol=1e-12)
    assert found.floor == pytest.approx(0, abs=1e-12)
    assert (np.diff(found.alive) <= 0).all()
    np.testing.assert_allclose(found.policies[1:] * samples, np.round(found.policies[1:] * samples), atol=1e-9)


@pytest.mark.parametrize("fresh", [0.0, 0.05, 0.5])
def test_copies_average_to_what_is_expected(fresh: float) -> None:
    start, copies = np.array([0.4, 0.3, 0.2, 0.1]), 4000
    found = recursive_training(np.tile(start, (copies, 1)), samples=20, rounds=25, fresh=fresh, rng=3)
    for t in (1, 5, 25):
        seen = found.heterozygosity[t]
        assert abs(seen.mean() - found.expected_heterozygosity[t, 0]) <= 5 * seen.std() / math.sqrt(copies)
        mean = found.policies[t].mean(0)
        assert (np.abs(mean - start) <= 5 * found.policies[t].std(0) / math.sqrt(copies)).all()
    assert found.entropy[25].mean() < found.entropy[0].mean()


@given(populations(5), st.integers(1, 30), st.floats(0.01, 1))
def test_human_data_keep_a_floor(case: tuple[Array, Array, Array], samples: int, fresh: float) -> None:
    found = recursive_training(case[0], samples=samples, rounds=2000, fresh=fresh)
    assert found.expected_heterozygosity[-1] == pytest.approx(float(found.floor), abs=1e-9)
    assert 0 <= found.floor <= found.heterozygosity[0] + 1e-12
    assert (np.diff(found.expected_heterozygosity) <= 1e-12).all()
    if samples > 1:
        more = recursive_training(case[0], samples=samples, rounds=0, fresh=(1 + fresh) / 2)
        assert more.floor >= found.floor


def test_bad_samples() -> None:
    with pytest.raises(ValueError, match="samples"):
        recursive_training([0.5, 0.5], samples=0, rounds=1)
    with pytest.raises(ValueError, match="rounds"):
        recursive_training([0.5, 0.5], samples=1, rounds=-1)
    with pytest.raises(ValueError, match="fresh"):
        recursive_training([0.5, 0.5], samples=1, rounds=1, fresh=1.5)
    with pytest.raises(ValueError, match="sum to 1"):
        recursive_training([0.5, 0.6], samples=1, rounds=1)
    with pytest.raises(ValueError, match="policy"):
        recursive_training([], samples=1, rounds=1)
