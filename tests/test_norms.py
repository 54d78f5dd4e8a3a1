"""Norms: nobody's reward loosens them, what they cost, and who is in conflict."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit.alignment import bargains, constrained, norms, policies
from choicekit.alignment.distances import kl
from choicekit.alignment.norms import Infeasible, Norm, admissible, forbid
from choicekit.outcomes import Policy

Array = np.ndarray
Case = tuple[Array, Array, float, list[Norm]]

POLICIES: dict[str, Any] = {
    "rlhf": lambda r, ground, beta, **k: policies.rlhf_policy(np.asarray(r).mean(-2), ground, beta, **k),
    "matching": lambda r, ground, _, **k: policies.preference_matching_policy(np.asarray(r).mean(-2), ground, **k),
    "borda": policies.borda_policy,
    "dictatorship": policies.random_dictatorship_policy,
    "lottery": policies.maximal_lottery_policy,
    "utilitarian": bargains.utilitarian_policy,
    "egalitarian": bargains.egalitarian_policy,
    "nash": bargains.nash_policy,
    "mean": lambda *a, **k: bargains.power_mean_policy(*a, p=-2.0, **k),
    "kalai_smorodinsky": bargains.kalai_smorodinsky_policy,
    "apart": lambda *a, **k: bargains.nash_policy(*a, joint=False, **k),
    "floors": lambda r, ground, beta, **k: constrained.constrained_policy(
        np.asarray(r)[..., 0, :],
        np.asarray(r)[..., 1:, :],
        np.asarray(r)[..., 1:, :].min((0, 2)) - 1,
        ground,
        beta,
        **k,
    ),
}
WEIGHTED = ["borda", "dictatorship", "lottery", "utilitarian", "nash", "mean", "kalai_smorodinsky", "apart"]


def drawn(count: int, seed: int, contexts: int = 4) -> list[Case]:
    """Rewards [x, g, m], references (some with zeros), β, and norms that leave some policy in the middle."""
    rng = np.random.default_rng(seed)
    cases = []
    for k in range(count):
        g, m = int(rng.integers(2, 4)), int(rng.integers(3, 7))
        ground = rng.dirichlet(np.full(m, 2.0), contexts)
        if k % 3 == 0:
            ground[:, rng.integers(m)] = 0
            ground /= ground.sum(1, keepdims=True)
        met = ground * rng.uniform(0.2, 1, ground.shape)
        barred = np.zeros(m, bool)
        if k % 2:
            barred[int(rng.choice(np.flatnonzero(ground[0])))] = True
            met[:, barred] = 0
        met /= met.sum(1, keepdims=True)
        rows = [forbid("barred", barred)] if k % 2 else []
        for i in range(int(rng.integers(1, 4))):
            cost = rng.normal(size=(contexts, m)) if i % 2 else rng.normal(size=m)
            covered = None if i == 0 else rng.random(contexts) < 0.7
            mean = (cost * met).sum(-1)
            room = float(np.quantile(mean if covered is None else np.append(mean[covered], mean.max()), 1.0))
            rows.append(Norm(f"norm {i}", cost, room + 0.02, covered))
        cases.append(
            (rng.normal(0, [0.5, 2, 8][k % 3], (contexts, g, m)), ground, float(rng.choice([0.05, 0.4])), rows)
        )
    return cases


CASES = [pytest.param(case, id=str(k)) for k, case in enumerate(drawn(20, 3))]


def overrun(policy: Any, rows: list[Norm]) -> float:
    """The most that any norm is missed by in a context that it covers."""
    p = np.asarray(policy)
    worst = -np.inf
    for norm in rows:
        over = (p * norm.cost).sum(-1) - norm.limit
        worst = max(worst, float(np.max(over if norm.contexts is None else over[norm.contexts], initial=-np.inf)))
    return worst


# --- Never loosened -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("case", CASES)
def test_every_policy_meets_every_norm(name: str, case: Case) -> None:
    rewards, ground, beta, rows = case
    found = POLICIES[name](rewards, ground, beta, norms=rows)
    assert overrun(found, rows) <= 1e-9
    np.testing.assert_allclose(found.probabilities.sum(-1), 1, atol=1e-12)
    assert (found.probabilities[ground == 0] == 0).all()
    assert found.norm_prices.shape == (*ground.shape[:-1], len(rows))
    for k, norm in enumerate(rows):
        if norm.name == "barred":
            assert (found.probabilities[:, norm.cost > 0] == 0).all()
        if norm.contexts is not None:
            assert (np.nan_to_num(found.norm_prices[~norm.contexts, k]) == 0).all()


@pytest.mark.parametrize("name", WEIGHTED)
def test_no_weight_of_a_group_loosens_a_norm(name: str) -> None:
    for rewards, ground, beta, rows in drawn(4, 5):
        for size in (1.0, 1e6):
            weights = np.ones(rewards.shape[1])
            weights[0] = size
            for scale in (1.0, 1e3):
                rewards[:, 0] *= scale
                found = POLICIES[name](rewards, ground, beta, weights=weights, norms=rows)
                assert overrun(found, rows) <= 1e-9
                rewards[:, 0] /= scale


def test_without_norms_there_are_no_prices() -> None:
    for rewards, ground, beta, _ in drawn(1, 5):
        for policy in POLICIES.values():
            assert policy(rewards, ground, beta).norm_prices is None


@pytest.mark.parametrize("name", [n for n in POLICIES if n != "borda"])
def test_to_forbid_is_to_take_out_of_the_reference(name: str) -> None:
    for rewards, ground, beta, _ in drawn(4, 6):
        barred = np.zeros(ground.shape[1], bool)
        barred[1] = True
        held = np.where(barred, 0, ground)
        held /= held.sum(-1, keepdims=True)
        found = POLICIES[name](rewards, ground, beta, norms=[forbid("barred", barred)])
        without = POLICIES[name](rewards, held, beta)
        np.testing.assert_allclose(found.probabilities, without.probabilities, atol=2e-5)
        assert np.isinf(found.norm_prices[(ground[:, 1] > 0)]).all() or np.isnan(found.norm_prices).any()


def test_borda_still_counts_wins_against_what_is_forbidden() -> None:
    rewards = np.array([[3.0, 2, 1, 0], [2, 3, 0, 1.5]])
    barred = [False, False, False, True]
    found = policies.borda_policy(rewards, beta=0.2, norms=[forbid("last", barred)]).probabilities
    free = policies.borda_policy(rewards, beta=0.2).probabilities
    np.testing.assert_allclose(found[:3], free[:3] / free[:3].sum(), atol=1e-12)
    assert np.abs(found - policies.borda_policy(rewards, [1 / 3, 1 / 3, 1 / 3, 0], 0.2)).max() > 1e-3


@pytest.mark.parametrize("name", POLICIES)
def test_a_norm_that_does_not_bind_changes_nothing(name: str) -> None:
    for rewards, ground, beta, _ in drawn(4, 7):
        idle = Norm("idle", np.ones(ground.shape[1]), 2.0)
        found = POLICIES[name](rewards, ground, beta, norms=[idle])
        np.testing.assert_allclose(found.probabilities, POLICIES[name](rewards, ground, beta).probabilities, atol=1e-6)
        assert (np.nan_to_num(found.norm_prices) == 0).all()


# --- What is best among the admissible ----------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_projection_and_constrained_optimum_are_one(case: Case) -> None:
    rewards, ground, beta, rows = case
    reward = rewards.mean(1)
    free = policies.rlhf_policy(reward, ground, beta)
    found = policies.rlhf_policy(reward, ground, beta, norms=rows)
    if free.probabilities[ground > 0].min() > 1e-200:
        projected = admissible(free, rows)
        np.testing.assert_allclose(found.probabilities, projected.probabilities, atol=1e-8)
    # conditions: π ∝ π*·exp(−ν·cost) where it is not barred, prices only where the norm binds
    finite = np.isfinite(found.norm_prices)
    over = np.stack([(found.probabilities * norm.cost).sum(-1) - norm.limit for norm in rows], axis=-1)
    assert (found.norm_prices >= 0).all()
    assert (np.abs(np.where(finite, found.norm_prices, 0) * over) <= 1e-8 * (1 + np.abs(reward).max())).all()
    costs = np.stack([np.broadcast_to(norm.cost, ground.shape) for norm in rows], axis=-1)
    tilted = reward - (np.where(finite, found.norm_prices, 0)[:, None] * costs).sum(-1)
    held = np.where(found.probabilities > 0, ground, 0)
    again = policies.rlhf_policy(tilted, held / held.sum(-1, keepdims=True), beta)
    np.testing.assert_allclose(found.probabilities, again.probabilities, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_what_a_norm_takes_is_beta_times_the_divergence(case: Case) -> None:
    """J(π*) − J(π) = β·KL(π‖π*) for every π, so the closest admissible policy is the best one."""
    rewards, ground, beta, rows = case
    free = policies.rlhf_policy(rewards[:, 0], ground, beta)
    found = policies.rlhf_policy(rewards[:, 0], ground, beta, norms=rows)
    best, reached = (policies.regularised_value(rewards[:, 0], p, ground, beta) for p in (free, found))
    if free.probabilities[ground > 0].min() > 1e-300:
        np.testing.assert_allclose(best - reached, beta * kl(found, free), rtol=1e-6, atol=1e-8)
    other = admissible(ground, rows)
    for share in (1.0, 0.5, 0.01):
        mixed = share * other.probabilities + (1 - share) * found.probabilities  # admissible by convexity
        assert (policies.regularised_value(rewards[:, 0], mixed, ground, beta) <= reached + 1e-8).all()


@pytest.mark.parametrize("case", CASES[:8])
def test_the_projection_by_a_general_solver(case: Case) -> None:
    import cvxpy as cp

    _, ground, _, rows = case
    found = admissible(ground, rows).probabilities
    for x in range(len(ground)):
        here = np.flatnonzero(ground[x] > 0)
        p = cp.Variable(len(here), nonneg=True)
        limits = [cp.sum(p) == 1]
        for norm in rows:
            if norm.contexts is None or norm.contexts[x]:
                limits.append(np.broadcast_to(norm.cost, ground.shape)[x, here] @ p <= norm.limit)
        problem = cp.Problem(cp.Minimize(cp.sum(cp.rel_entr(p, ground[x, here]))), limits)
        problem.solve(solver=cp.CLARABEL)
        np.testing.assert_allclose(found[x, here], p.value, atol=2e-4)
        assert kl(found[x], ground[x]) == pytest.approx(float(problem.value), abs=1e-6)


def groups_values(policy: Any, rewards: Array, ground: Array, beta: float) -> Array:
    p = np.asarray(policy)
    return (np.einsum("xm,xgm->xg", p, rewards) - beta * kl(p, ground)[:, None]).mean(0)


@pytest.mark.parametrize("name", ["egalitarian", "nash", "mean", "kalai_smorodinsky"])
@pytest.mark.parametrize("case", CASES)
def test_a_bargain_is_the_admissible_optimum_of_its_own_weights(name: str, case: Case) -> None:
    """π is the projected optimum for λ, and λ meets the solution's own condition on the gains."""
    rewards, ground, beta, rows = case
    found = POLICIES[name](rewards, ground, beta, norms=rows)
    start = groups_values(admissible(ground, rows), rewards, ground, beta)
    gains = groups_values(found, rewards, ground, beta) - start
    size = np.ptp(rewards)
    assert gains.min() >= -1e-8 * size
    if gains.min() < 1e-5 * size:
        return
    mixed = np.einsum("g,xgm->xm", found.multipliers, rewards)
    same = policies.rlhf_policy(mixed, ground, beta, norms=rows)
    np.testing.assert_allclose(found.probabilities, same.probabilities, atol=1e-6)
    if name == "egalitarian":
        assert found.multipliers @ (gains - gains.min()) <= 1e-8 * size
    if name in ("nash", "mean"):
        price = gains ** (-1.0 if name == "nash" else -3.0)
        np.testing.assert_allclose(found.multipliers, price / price.sum(), rtol=1e-5, atol=1e-10)


def test_most_bargains_under_norms_have_something_to_gain() -> None:
    """Otherwise the test above would say little."""
    gaining = 0
    for rewards, ground, beta, rows in drawn(20, 3):
        gains = groups_values(bargains.nash_policy(rewards, ground, beta, norms=rows), rewards, ground, beta)
        gaining += (gains - groups_values(admissible(ground, rows), rewards, ground, beta)).min() > 1e-3
    assert gaining >= 12


@pytest.mark.parametrize("case", CASES)
def test_the_lottery_is_the_best_admissible_answer_to_itself(case: Case) -> None:
    rewards, ground, beta, rows = case
    found = policies.maximal_lottery_policy(rewards, ground, beta, norms=rows)
    against = 4 * np.einsum("xij,xj->xi", policies.preferences(rewards) - 0.5, found)
    best = policies.rlhf_policy(against, ground, beta, norms=rows)
    np.testing.assert_allclose(found.probabilities, best.probabilities, atol=1e-8)
    np.testing.assert_allclose(found.norm_prices, best.norm_prices, atol=1e-6)


def test_the_lottery_of_a_small_penalty_under_norms() -> None:
    """Rock, paper, scissors where rock may be at most a tenth: an equilibrium of the constrained game."""
    from choicekit.solvers import linear_program

    rng = np.random.default_rng(2)
    for _ in range(10):
        rewards = rng.normal(0, 3, (7, 5))
        cost = rng.random(5)
        rows = [Norm("cost", cost, float(np.median(cost)))]
        found = policies.maximal_lottery_policy(rewards, beta=1e-3, norms=rows).probabilities
        margins = policies.preferences(rewards) - 0.5
        # the most that an admissible deviation wins
        deviation = linear_program(
            -(margins @ found),
            at_most=(cost[None], [rows[0].limit]),
            equal=(np.ones((1, 5)), [1]),
            bounds=[(0, None)] * 5,
        )
        assert deviation @ margins @ found <= 2e-3
        assert cost @ found <= rows[0].limit + 1e-9


def test_dictators_are_held_one_by_one() -> None:
    for rewards, ground, beta, rows in drawn(5, 8):
        weights = np.arange(1.0, rewards.shape[1] + 1)
        own = [policies.rlhf_policy(rewards[:, g], ground, beta, norms=rows) for g in range(rewards.shape[1])]
        expected = sum(w * each.probabilities for w, each in zip(weights / weights.sum(), own, strict=True))
        found = policies.random_dictatorship_policy(rewards, ground, beta, weights=weights, norms=rows)
        np.testing.assert_allclose(found.probabilities, expected, atol=1e-12)


# --- Prices -------------------------------------------------------------------------------------------------------


def looser(rows: list[Norm], k: int, by: float) -> list[Norm]:
    changed = Norm(rows[k].name, rows[k].cost, rows[k].limit + by, rows[k].contexts)
    return [*rows[:k], changed, *rows[k + 1 :]]


def slope(value: Any, rows: list[Norm], k: int) -> float:
    step = 1e-5
    return float((value(looser(rows, k, step)) - value(looser(rows, k, -step))) / (2 * step))


@pytest.mark.parametrize("case", CASES[::2])
def test_a_price_is_the_derivative_of_the_optimum(case: Case) -> None:
    rewards, ground, beta, rows = case
    reward = rewards.mean(1)
    found = policies.rlhf_policy(reward, ground, beta, norms=rows)

    def total(these: list[Norm]) -> Array:
        return policies.regularised_value(
            reward, policies.rlhf_policy(reward, ground, beta, norms=these), ground, beta
        ).sum()

    for k in range(len(rows)):
        assert slope(total, rows, k) == pytest.approx(found.norm_prices[:, k].sum(), abs=2e-3 * np.abs(reward).max())


@pytest.mark.parametrize("name", ["egalitarian", "nash", "mean"])
@pytest.mark.parametrize("case", CASES[:10:2])
def test_a_price_is_the_derivative_of_a_bargain(name: str, case: Case) -> None:
    """With the disagreement held: the least gain, or the power mean of gains, in the units of the rewards."""
    rewards, ground, beta, rows = case
    start = groups_values(admissible(ground, rows), rewards, ground, beta)
    found = POLICIES[name](rewards, ground, beta, norms=rows, disagreement=start)
    power = {"egalitarian": None, "nash": 0.0, "mean": -2.0}[name]

    def mean(these: list[Norm]) -> float:
        best = POLICIES[name](rewards, ground, beta, norms=these, disagreement=start)
        gains = groups_values(best, rewards, ground, beta) - start
        if power is None:
            return float(gains.min())
        return float(np.exp(np.log(gains).mean()) if power == 0 else (gains**power).mean() ** (1 / power))

    for k in range(len(rows)):
        assert slope(mean, rows, k) == pytest.approx(found.norm_prices[:, k].mean(), abs=2e-3 * np.abs(rewards).max())


# --- Conflicts ----------------------------------------------------------------------------------------------------


def feasible(rows: list[Norm], size: int) -> bool:
    from scipy.optimize import linprog

    found = linprog(
        np.zeros(size), A_ub=[norm.cost for norm in rows], b_ub=[norm.limit for norm in rows], A_eq=np.ones((1, size)),
        b_eq=[1], bounds=(0, None),
    )  # fmt: skip
    return bool(found.status == 0)


@given(st.integers(0, 10_000))
def test_conflicts_are_smallest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, number = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    rows = [Norm(f"n{k}", rng.normal(size=size), float(rng.normal(-0.6, 0.3))) for k in range(number)]
    if feasible(rows, size):
        assert overrun(admissible(np.full(size, 1 / size), rows), rows) <= 1e-9
        return
    with pytest.raises(Infeasible) as stopped:
        admissible(np.full(size, 1 / size), rows)
    conflict = [norm for norm in rows if norm.name in stopped.value.conflict]
    assert not feasible(conflict, size)
    for fewer in itertools.combinations(rows, len(conflict) - 1):
        assert not fewer or feasible(list(fewer), size)
    by = stopped.value.loosening
    assert feasible([Norm(n.name, n.cost, n.limit + by.get(n.name, 0) + 1e-7) for n in rows], size)
    assert stopped.value.context is None
    assert all(repr(name) in str(stopped.value) for name in stopped.value.conflict)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_refuses_norms_in_conflict(name: str) -> None:
    rewards, ground = np.random.default_rng(0).normal(size=(3, 2, 3)), np.full((3, 3), 1 / 3)
    rows = [
        Norm("say something", [0, -1, -1], -0.8, [True, True, False]),
        Norm("say little", [0, 1, 1], 0.5, [False, True, True]),
        Norm("harmless", [0, 0, 1], 0.9),
    ]
    with pytest.raises(
        Infeasible, match="context 1: no policy meets 'say something', 'say little' together"
    ) as stopped:
        POLICIES[name](rewards, ground, 0.3, norms=rows)
    assert stopped.value.conflict == ("say something", "say little")
    assert stopped.value.context == 1
    assert sum(stopped.value.loosening.values()) == pytest.approx(0.3)


def test_everything_forbidden_is_refused() -> None:
    with pytest.raises(Infeasible, match="'all'"):
        policies.rlhf_policy([1.0, 0], norms=[forbid("all", [True, True])])
    with pytest.raises(Infeasible) as stopped:
        policies.rlhf_policy([1.0, 0], norms=[forbid("one", [True, False]), forbid("other", [False, True])])
    assert stopped.value.conflict == ("one", "other")
    with pytest.raises(Infeasible, match="'one'"):
        policies.rlhf_policy([1.0, 0], [1.0, 0.0], norms=[forbid("one", [True, False])])


def test_norms_that_leave_one_policy() -> None:
    """Limits that only a face, or a point, of the simplex meets."""
    ground = np.full(3, 1 / 3)
    face = [Norm("first and third", [1, 0, 1], 0.5), Norm("second and third", [0, 1, 1], 0.5)]
    found = admissible(ground, face)
    np.testing.assert_allclose(found.probabilities, [0.5, 0.5, 0], atol=1e-9)
    assert (found.norm_prices > 20).all()  # nothing that a limit allows of the third is worth its price
    point = [Norm("a", [1, 0, 0], 0.2), Norm("b", [0, 1, 0], 0.3), Norm("c", [0, 0, 1], 0.5)]
    np.testing.assert_allclose(admissible(ground, point).probabilities, [0.2, 0.3, 0.5], atol=1e-9)
    twice = [Norm("a", [1, 0, 0], 0.2), Norm("again", [2, 0, 0], 0.4)]
    np.testing.assert_allclose(admissible(ground, twice).probabilities, [0.2, 0.4, 0.4], atol=1e-9)
    for policy in POLICIES.values():
        p = policy(np.random.default_rng(0).normal(size=(1, 2, 3)), ground[None], 0.3, norms=point).probabilities
        np.testing.assert_allclose(p[0], [0.2, 0.3, 0.5], atol=1e-8)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_unit_of_a_norm_does_not_matter(scale: float) -> None:
    rng = np.random.default_rng(4)
    reward, cost = rng.normal(size=5), rng.random(5)
    one = policies.rlhf_policy(reward, beta=0.2, norms=[Norm("n", cost, 0.3)])
    other = policies.rlhf_policy(reward, beta=0.2, norms=[Norm("n", cost * scale, 0.3 * scale)])
    np.testing.assert_allclose(other.probabilities, one.probabilities, atol=1e-10)
    np.testing.assert_allclose(other.norm_prices * scale, one.norm_prices, rtol=1e-8)


def test_a_strong_reward_does_not_get_through() -> None:
    """β far below the rewards: the free optimum has no mass on anything admissible."""
    for beta in (1e-4, 1e-2):
        for size in (1.0, 50.0):
            reward = size * np.array([3.0, 2.0, 1.0, 0.0])
            rows = [Norm("harm", [1.0, 0.9, 0.1, 0.0], 0.3), Norm("length", [0.1, 0.2, 1.0, 0.3], 0.6)]
            found = policies.rlhf_policy(reward, beta=beta, norms=rows)
            assert overrun(found, rows) <= 1e-9
            from scipy.optimize import linprog

            best = linprog(
                -reward, A_ub=[n.cost for n in rows], b_ub=[n.limit for n in rows], A_eq=np.ones((1, 4)), b_eq=[1]
            )
            assert reward @ found.probabilities == pytest.approx(-best.fun, abs=5 * beta)


# --- What is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", [1, 0], 0.5), "norm: needed a name"),
        (("n", [np.nan, 0], 0.5), "norm 'n': needed a finite cost"),
        (("n", 1.0, 0.5), "norm 'n': needed a finite cost"),
        (("n", [1, 0], np.inf), "norm 'n': needed a finite limit"),
        (("n", [1, 0], 0.5, [0, 1]), "norm 'n': needed contexts as booleans"),
    ],
)
def test_a_norm_that_is_none_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Norm(*arguments)


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (Norm("n", [1, 0], 0.5), r"norm 'n': needed cost\[3\]"),
        (Norm("n", [[1, 0, 0]], 0.5), r"or cost\[4, 3\], got shape \(1, 3\)"),
        (Norm("n", [1, 0, 0], 0.5, [True]), r"needed contexts of shape \(4,\)"),
    ],
)
def test_a_norm_of_another_shape_is_refused(norm: Norm, message: str) -> None:
    for policy in POLICIES.values():
        with pytest.raises(ValueError, match=message):
            policy(np.zeros((4, 2, 3)), np.full((4, 3), 1 / 3), 0.5, norms=[norm])


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="needed a name for each, got 'n' more than once"):
        policies.rlhf_policy([1.0, 0], norms=[Norm("n", [1, 0], 0.5), Norm("n", [0, 1], 0.9)])
    with pytest.raises(ValueError, match="needed booleans, true for each forbidden alternative"):
        forbid("n", [1, 2])
    with pytest.raises(ValueError, match="policy: probabilities must sum to 1"):
        admissible([0.5, 0.2], [])
    with pytest.raises(ValueError, match=r"policy: needed finite probabilities of at least 0, got -0\.5"):
        admissible([1.5, -0.5], [])


def test_norms_are_values() -> None:
    norm = Norm("harm", [0, 1.0], 0.1, [True, False])
    assert repr(norm) == "Norm('harm', limit=0.1, 1 of 2 contexts)"
    with pytest.raises(ValueError, match="read-only"):
        norm.cost[0] = 3
    assert isinstance(admissible([0.5, 0.5], []), Policy)
    assert norms.Infeasible("m", ("a",), None, {}).conflict == ("a",)
