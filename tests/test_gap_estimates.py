"""Gaps from fits and from samples: derivatives by differences, agreement with the exact gap, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import choicekit as ck
from choicekit import models
from choicekit.alignment import estimates
from choicekit.alignment.estimates import gap_from_fit
from choicekit.alignment.gaps import gap
from choicekit.alignment.policies import rlhf_policy
from choicekit.alignment.sampled_gaps import TooFewEffectiveSamples, gap_from_samples

Array = np.ndarray
TRUE = np.array([[1.0, 0.2, -0.4, -0.8], [-0.7, 0.9, 0.1, -0.3]])  # two groups' rewards
BETA = 0.8


def answers(rewards: Array, rows: int, rng: np.random.Generator) -> ck.Comparisons:
    """Comparisons of pairs drawn evenly."""
    first = rng.integers(0, len(rewards), rows)
    second = (first + rng.integers(1, len(rewards), rows)) % len(rewards)
    yes = rng.random(rows) < 1 / (1 + np.exp(rewards[second] - rewards[first]))
    return ck.Comparisons(np.where(yes, first, second), np.where(yes, second, first))


def together(parts: list[ck.Comparisons]) -> ck.Comparisons:
    winner = np.concatenate([np.asarray(part.alternatives)[part.winner] for part in parts])
    loser = np.concatenate([np.asarray(part.alternatives)[part.loser] for part in parts])
    return ck.Comparisons(winner, loser, group=np.repeat(np.arange(len(parts)), [len(part) for part in parts]))


def pooled_limit(rewards: Array, shares: Array) -> Array:
    """The pooled scores that more and more data lead to: a fit to the expected wins."""
    size = rewards.shape[1]
    pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
    expected = [float(shares @ (1 / (1 + np.exp(rewards[:, b] - rewards[:, a])))) for a, b in pairs]
    first, second = zip(*pairs, strict=True)
    return models.bradley_terry(ck.Comparisons(first, second, weight=expected)).scores


# --- From fits ----------------------------------------------------------------------------------------------------


def numeric(function: Any, at: Array) -> tuple[Array, Array]:
    """Gradient and Hessian by central differences."""
    size, step = len(at), 1e-4
    eye = step * np.eye(size)
    gradient = np.array([(function(at + e) - function(at - e)) / (2 * step) for e in eye])
    hessian = np.array([
        [(function(at + e + f) - function(at + e - f) - function(at - e + f) + function(at - e - f)) / (4 * step**2)
         for f in eye] for e in eye
    ])  # fmt: skip
    return gradient, hessian


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pooled", [True, False])
def test_errors_are_those_of_the_derivatives(seed: int, pooled: bool) -> None:
    rng = np.random.default_rng(seed)
    parts = [answers(own, rows, rng) for own, rows in zip(TRUE, (300, 200), strict=True)]
    fits = [models.bradley_terry(part) for part in parts]
    all_of_them = models.bradley_terry(together(parts))
    ground = rng.dirichlet(np.full(4, 3.0))
    given: Any = all_of_them if pooled else rng.dirichlet(np.ones(4))
    found = gap_from_fit(fits, given, reference=ground, beta=BETA)
    for g, fit in enumerate(fits):

        def missed(at: Array) -> float:
            policy = rlhf_policy(at[4:], ground, BETA) if pooled else given
            return float(gap([at[:4]], policy, ground, BETA).gaps[0])

        at = np.r_[fit.scores, all_of_them.scores]
        assert found.gaps[g] == pytest.approx(missed(at))
        gradient, hessian = numeric(missed, at)
        errors = estimates._errors(estimates._problem(fits, BETA), all_of_them if pooled else None)
        joint = errors.joint(g)
        np.testing.assert_allclose(joint[:4, :4], fit.covariance, atol=1e-12)
        assert found.covariance[g, g] == pytest.approx(gradient @ joint @ gradient, rel=1e-4)
        assert found.bias[g] == pytest.approx(np.trace(hessian @ joint) / 2, rel=1e-3)
        product = hessian @ joint
        second = np.trace(product @ product) / 2
        assert found.standard_errors[g] ** 2 == pytest.approx(found.covariance[g, g] + second, rel=1e-3)
    assert np.linalg.eigvalsh(found.covariance)[0] >= -1e-12


def test_the_covariance_with_the_pooled_fit_is_that_of_repeated_data() -> None:
    rng, several = np.random.default_rng(11), []
    for _ in range(1500):
        parts = [answers(own, 400, rng) for own in TRUE]
        fits = [models.bradley_terry(part) for part in (*parts, together(parts))]
        several.append(np.concatenate([fit.scores for fit in fits]))
    seen = np.cov(np.array(several), rowvar=False)
    errors = estimates._errors(estimates._problem(fits[:2], BETA), fits[2])
    for g in range(2):
        joint = errors.joint(g)
        here = np.r_[4 * g : 4 * g + 4, 8:12]
        spread = np.sqrt(np.outer(np.diag(joint), np.diag(joint)))
        assert np.abs((seen[np.ix_(here, here)] - joint) / spread).max() < 0.2
    assert np.abs(errors.joint(0)[:4, 4:]).max() > 0.2 * np.abs(errors.joint(0)[4:, 4:]).max()


@pytest.mark.parametrize("kind", ["given", "pooled", "at the optimum"])
def test_intervals_cover(kind: str) -> None:
    rng, hits, level = np.random.default_rng(5), np.zeros(2), 0.95
    limit = pooled_limit(TRUE, np.array([0.5, 0.5]))
    fixed = rlhf_policy(TRUE[0] if kind == "at the optimum" else limit, beta=BETA).probabilities
    truth = gap(TRUE, fixed, beta=BETA).gaps
    for _ in range(200):
        parts = [answers(own, 400, rng) for own in TRUE]
        fits = [models.bradley_terry(part) for part in parts]
        policy: Any = models.bradley_terry(together(parts)) if kind == "pooled" else fixed
        low, high = gap_from_fit(fits, policy, beta=BETA).interval(level).T
        hits += (low <= truth + 1e-12) & (truth <= high)
    assert (hits >= 0.88 * 200).all()
    if kind != "at the optimum":  # where the gap is 0 the cut makes intervals cover more often
        assert (hits <= 0.99 * 200 + 1).all()
    else:
        assert truth[0] == pytest.approx(0, abs=1e-12)


def test_the_bias_is_what_noise_adds() -> None:
    rng, seen, said = np.random.default_rng(6), [], []
    fixed = rlhf_policy(TRUE[0], beta=BETA).probabilities
    for _ in range(300):
        found = gap_from_fit([models.bradley_terry(answers(own, 300, rng)) for own in TRUE], fixed, beta=BETA)
        seen.append(found.gaps)
        said.append(found.bias)
    excess = np.mean(seen, axis=0) - gap(TRUE, fixed, beta=BETA).gaps
    np.testing.assert_allclose(excess[0], np.mean(said, axis=0)[0], rtol=0.2)


@pytest.mark.parametrize("joint", [False, True])
def test_fits_by_group_agree_with_their_own_bootstrap(joint: bool) -> None:
    rng = np.random.default_rng(7)
    data = together([answers(own, 300, rng) for own in TRUE])
    fits = models.bradley_terry_by_group(data, prior=3.0, pooling=1.0, joint=joint)
    for policy in (None, [0.4, 0.3, 0.2, 0.1]):
        found = gap_from_fit(fits, policy, beta=BETA)
        draws = found.bootstrap(300, rng=0)
        np.testing.assert_allclose(draws.draws.std(0), found.standard_errors, rtol=0.25)
        np.testing.assert_allclose(draws.bias, found.bias, rtol=0.6, atol=0.01)
        for own, other in zip(found.interval(), draws.interval(), strict=True):
            np.testing.assert_allclose(own, other, atol=0.12)


def test_separate_fits_agree_with_their_bootstrap() -> None:
    rng = np.random.default_rng(8)
    data = {name: answers(own, 400, rng) for name, own in zip("xy", TRUE, strict=True)}
    found = gap_from_fit({name: models.bradley_terry(own) for name, own in data.items()}, [0.25] * 4, beta=BETA)
    assert found.groups == ("x", "y")
    draws = found.bootstrap(300, comparisons=data, rng=1)
    np.testing.assert_allclose(draws.draws.std(0), found.standard_errors, rtol=0.2)
    same = found.bootstrap(300, comparisons=list(data.values()), rng=1)
    np.testing.assert_array_equal(draws.draws, same.draws)
    with pytest.raises(ValueError, match="separate fits need comparisons, the data of each of the 2 groups"):
        found.bootstrap(10)


def test_voters_who_repeat_themselves_widen_the_bootstrap() -> None:
    rng = np.random.default_rng(9)
    once = answers(TRUE[0], 150, rng)
    winner, loser = (np.repeat(np.asarray(each), 6) for each in (once.winner, once.loser))
    data = ck.Comparisons(winner, loser, voter=np.repeat(np.arange(150), 6))
    fit = models.bradley_terry(data)
    found = gap_from_fit([fit], [0.25] * 4)
    draws = found.bootstrap(300, comparisons=[data], rng=0)
    assert draws.draws.std(0) == pytest.approx(math.sqrt(6) * found.standard_errors, rel=0.3)
    robust = gap_from_fit([models.sandwich(fit, data)], [0.25] * 4)
    assert robust.standard_errors == pytest.approx(draws.draws.std(0), rel=0.3)


def test_groups_without_differences_have_no_gap() -> None:
    rng = np.random.default_rng(10)
    data = together([answers(TRUE[0], 200, rng), answers(TRUE[0], 200, rng)])
    found = gap_from_fit(models.bradley_terry_by_group(data, prior=1.0, pooling=0.0), beta=BETA)
    np.testing.assert_allclose(found.gaps, 0, atol=1e-12)
    np.testing.assert_allclose(found.standard_errors, 0, atol=1e-9)


def test_refusals_of_fits() -> None:
    rng = np.random.default_rng(12)
    parts = [answers(own, 200, rng) for own in TRUE]
    fits = [models.bradley_terry(part) for part in parts]
    whole = models.bradley_terry(together(parts))
    other = models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]))
    cases: list[tuple[Any, str]] = [
        (lambda: gap_from_fit([]), "at least one group, got none"),
        (lambda: gap_from_fit(fits), "needed a policy, or the pooled fit it is made from"),
        (lambda: gap_from_fit([fits[0], other], [0.25] * 4), "over different alternatives"),
        (lambda: gap_from_fit(fits, other), "over other alternatives than the groups'"),
        (lambda: gap_from_fit(fits, fits[0]), "of the groups' comparisons together, 400 of them; got one of 200"),
        (lambda: gap_from_fit(fits, [0.5, 0.5]), "policy of 4 probabilities"),
        (lambda: gap_from_fit(fits, [0.25] * 4, reference=[0.5, 0.5, 0, 0]), "every gap is infinite"),
        (lambda: gap_from_fit(fits, whole).bootstrap(5), "fit them together with models.bradley_terry_by_group"),
        (lambda: gap_from_fit([models.sandwich(fits[0], parts[0], by="comparison"), fits[1]], whole),
         "whose covariances are from the information"),
    ]  # fmt: skip
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
    by_group = models.bradley_terry_by_group(together(parts), prior=1.0, pooling=1.0)
    with pytest.raises(ValueError, match="the pooled fit is their population"):
        gap_from_fit(by_group, whole)
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        gap_from_fit(fits, whole).interval(1.0)


# --- From samples -------------------------------------------------------------------------------------------------


def sampled(
    rewards: Array, policy: Array, ground: Array, count: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Rewards [n, g] and log-probabilities of answers drawn from a policy."""
    drawn = rng.choice(len(policy), count, p=policy)
    return rewards[:, drawn].T, np.log(policy[drawn]), np.log(ground[drawn])


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("self_normalise", [False, True])
def test_samples_lead_to_the_exact_gap(seed: int, self_normalise: bool) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(3, 8))
    rewards, beta = rng.normal(size=(3, size)), float(rng.uniform(0.5, 2))
    policy, ground = rng.dirichlet(np.full(size, 3.0), 2)
    exact = gap(rewards, policy, ground, beta)
    data = sampled(rewards, policy, ground, 60_000, rng)
    found = gap_from_samples(*data, beta, self_normalise=self_normalise)
    assert (np.abs(found.gaps - exact.gaps) <= 4.5 * found.standard_errors + 1e-9).all()
    np.testing.assert_allclose(found.values, exact.values, atol=0.08)
    np.testing.assert_allclose(found.optima, exact.optima, atol=0.15)
    assert found.covered == pytest.approx(1, abs=0.1)
    assert found.standard_errors.max() < 0.1


def test_the_estimate_by_the_book() -> None:
    """Loops over the samples, leaving out one at a time."""
    rng = np.random.default_rng(20)
    rewards, logs, others = rng.normal(size=(30, 2)), rng.normal(size=30), rng.normal(size=30)
    for self_normalise in (False, True):
        found = gap_from_samples(rewards, logs, others, 1.7, self_normalise=self_normalise, min_effective=1.5)
        for g in range(2):

            def rough(keep: list[int], g: int = g, own: bool = self_normalise) -> float:
                ratios = [math.exp(others[i] - logs[i]) for i in keep]
                weighed = [q * math.exp(rewards[i, g] / 1.7) for q, i in zip(ratios, keep, strict=True)]
                level = math.log(sum(weighed) / (sum(ratios) if own else len(keep)))
                return 1.7 * level - sum(rewards[i, g] - 1.7 * (logs[i] - others[i]) for i in keep) / len(keep)

            whole = rough(list(range(30)))
            rest = [rough([i for i in range(30) if i != k]) for k in range(30)]
            assert found.gaps[g] == pytest.approx(30 * whole - 29 * np.mean(rest))
            assert found.standard_errors[g] ** 2 == pytest.approx(29 / 30 * np.sum((rest - np.mean(rest)) ** 2))
            scaled = [math.exp(others[i] - logs[i] + rewards[i, g] / 1.7) for i in range(30)]
            kish = sum(scaled) ** 2 / sum(s**2 for s in scaled)
            if not self_normalise:
                assert found.effective[g] == pytest.approx(kish)


@pytest.mark.parametrize("by_context", [False, True])
def test_sample_intervals_cover(by_context: bool) -> None:
    rng = np.random.default_rng(21)
    hits = np.zeros(2)
    if not by_context:
        rewards, policy, ground = (
            rng.normal(size=(2, 5)),
            rng.dirichlet(np.full(5, 3.0)),
            rng.dirichlet(np.full(5, 3.0)),
        )
        truth = gap(rewards, policy, ground, 1.0).gaps
        for _ in range(200):
            low, high = gap_from_samples(*sampled(rewards, policy, ground, 300, rng), 1.0).interval().T
            hits += (low <= truth) & (truth <= high)
    else:
        many = rng.normal(0, 0.7, (2_000, 2, 5))
        policies = rng.dirichlet(np.full(5, 8.0), 2_000)
        each, uniform = gap(many, policies, beta=1.0).gaps, np.full(5, 0.2)
        truth = each.mean(0)
        for _ in range(200):
            picked = rng.integers(0, 2_000, 40)
            parts = [sampled(many[x], policies[x], uniform, 40, rng) for x in picked]
            data = [np.concatenate(columns) for columns in zip(*parts, strict=True)]
            found = gap_from_samples(*data, 1.0, context=np.repeat(np.arange(40), 40), min_effective=5)
            low, high = found.interval().T
            hits += (low <= truth) & (truth <= high)
    assert (hits >= 0.88 * 200).all()
    assert (hits <= 199).all()


def test_contexts_are_estimated_one_by_one() -> None:
    rng = np.random.default_rng(22)
    sizes = [50, 80, 65]
    rewards, logs, others = rng.normal(size=(195, 2)), rng.normal(0, 0.3, 195), rng.normal(0, 0.3, 195)
    names = np.repeat(["b", "c", "a"], sizes)
    found = gap_from_samples(rewards, logs, others, context=names, min_effective=5)
    alone = [
        gap_from_samples(rewards[names == x], logs[names == x], others[names == x], min_effective=5) for x in "abc"
    ]
    np.testing.assert_allclose(found.gaps, np.mean([each.gaps for each in alone], axis=0))
    np.testing.assert_allclose(found.values, np.mean([each.values for each in alone], axis=0))
    np.testing.assert_allclose(found.effective, [each.effective for each in alone])
    assert found.covered == pytest.approx(np.mean([each.covered for each in alone]))
    np.testing.assert_allclose(
        found.standard_errors, np.std([each.gaps for each in alone], axis=0, ddof=1) / math.sqrt(3)
    )
    order = rng.permutation(195)
    mixed = gap_from_samples(rewards[order], logs[order], others[order], context=names[order], min_effective=5)
    np.testing.assert_allclose(mixed.gaps, found.gaps)


def test_constants_do_not_matter() -> None:
    rng = np.random.default_rng(23)
    rewards, logs, others = rng.normal(size=(200, 2)), rng.normal(0, 0.3, 200), rng.normal(0, 0.3, 200)
    found = gap_from_samples(rewards, logs, others, 0.7)
    moved = gap_from_samples(rewards + np.array([300, -5]), logs - 900, others + 4, 0.7)
    np.testing.assert_allclose(moved.gaps, found.gaps, atol=1e-9)
    np.testing.assert_allclose(moved.standard_errors, found.standard_errors, atol=1e-9)


def test_the_optimum_has_no_gap_and_no_error() -> None:
    rng = np.random.default_rng(24)
    rewards, ground = rng.normal(0, 0.4, (2, 6)), rng.dirichlet(np.full(6, 5.0))
    policy = rlhf_policy(rewards[0], ground, 0.5).probabilities
    found = gap_from_samples(*sampled(rewards, policy, ground, 400, rng), 0.5)
    np.testing.assert_allclose([found.gaps[0], found.standard_errors[0]], 0, atol=1e-9)
    assert found.gaps[1] > 0.05


def test_too_few_effective_samples_are_refused_with_the_numbers() -> None:
    rng = np.random.default_rng(25)
    rewards = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    policy, ground = np.array([0.6, 0.398, 0.002]), np.full(3, 1 / 3)
    data = sampled(rewards, policy, ground, 2_000, rng)
    with pytest.raises(TooFewEffectiveSamples, match=r"needed 20 effective samples, got .* of group 1; sample") as few:
        gap_from_samples(*data, 0.05)
    assert few.value.effective.shape == (2,)
    assert few.value.effective[1] < 20 == few.value.needed
    with pytest.raises(TooFewEffectiveSamples, match="in context number 1; sample"):
        gap_from_samples(np.zeros((24, 1)), np.zeros(24), np.zeros(24), context=[0] * 21 + [1] * 3)


def test_what_was_never_sampled_cannot_be_seen_but_is_hinted_at() -> None:
    """Nearly half of the reference's answers, which one group loves, are never given."""
    rng = np.random.default_rng(26)
    rewards, ground = np.array([[0.0, 0.0, 3.0]]), np.array([0.3, 0.25, 0.45])
    policy = np.array([0.6, 0.4 - 1e-9, 1e-9])
    found = gap_from_samples(*sampled(rewards, policy, ground, 2_000, rng))
    assert found.interval()[0, 1] < gap(rewards, policy, ground).gaps[0] / 2
    assert found.covered == pytest.approx(0.55, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rewards": np.zeros(3)}, r"needed rewards \[n, g\] and log-probabilities \[n\]"),
        ({"log_policy": np.zeros(4)}, r"got shapes \(3, 1\), \(4,\) and \(3,\)"),
        ({"log_reference": [0.0, -math.inf, 0.0]}, "log_reference must be finite, got -inf"),
        ({"rewards": [[0.0], [math.nan], [0.0]]}, "rewards must be finite, got nan"),
        ({"beta": 0.0}, "beta: needed a positive number"),
        ({"min_effective": 1.0}, "min_effective must be more than 1, got 1.0"),
        ({"context": [0, 1]}, r"context: needed 3 labels, got shape \(2,\)"),
        ({"context": [0, 0, 0]}, "at least two contexts"),
    ],
)
def test_refusals_of_samples(changes: dict[str, Any], message: str) -> None:
    usual: dict[str, Any] = {"rewards": np.zeros((3, 1)), "log_policy": np.zeros(3), "log_reference": np.zeros(3)}
    with pytest.raises(ValueError, match=message):
        gap_from_samples(**(usual | changes))
