"""Means and spreads of utility under a hidden context: the normal kernel, gradients, recovery, known examples."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtr

import choicekit as ck
from choicekit import models
from choicekit.kernels import annotators as kernels
from choicekit.models.hidden_context import DistributionalFit, distributional

Array = np.ndarray


def table(probabilities: Array, often: float = 1000.0) -> ck.Comparisons:
    """Every pair compared equally often, with exactly these probabilities."""
    first, second = np.triu_indices(len(probabilities), 1)
    p = probabilities[first, second]
    return ck.Comparisons(
        np.concatenate([first, second]), np.concatenate([second, first]), weight=often * np.concatenate([p, 1 - p])
    )


def normal_table(means: Array, spreads: Array) -> Array:
    return ndtr((means[:, None] - means) / np.hypot(spreads[:, None], spreads))


# --- The kernels --------------------------------------------------------------------------------------------------


def test_the_logarithm_of_the_normal_distribution_is_scipys() -> None:
    z = np.concatenate([np.linspace(-40, 10, 20_001), [-1e3, -14.0, np.nextafter(-14, -15), 0.0, 38.0, 1e3]])
    value, ratio, bend = kernels.log_normals(z)
    np.testing.assert_allclose(value, log_ndtr(z), rtol=1e-12, atol=1e-300)
    expected = np.exp(-0.5 * z**2 - 0.5 * math.log(2 * math.pi) - log_ndtr(z))
    near = np.abs(z) < 40.5
    np.testing.assert_allclose(ratio[near], expected[near], rtol=1e-12 * 40**2)
    assert ((bend >= 0) & (bend <= 1 + 1e-12)).all()  # log Φ is concave, and its curvature below 1
    np.testing.assert_allclose(bend[z == 0], 2 / math.pi)


@given(st.floats(-39.9, 9.0))
def test_the_normal_kernels_derivatives(z: float) -> None:
    h = 1e-4
    low, high = kernels.log_normal(z - h), kernels.log_normal(z + h)
    _, ratio, bend = kernels.log_normal(z)
    assert ratio == pytest.approx((high[0] - low[0]) / (2 * h), rel=1e-6, abs=1e-8)
    assert bend == pytest.approx((low[1] - high[1]) / (2 * h), rel=1e-6, abs=1e-8)


@st.composite
def points(draw: st.DrawFn) -> tuple[tuple[Array, ...], Array]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(2, 5))
    first, second = np.triu_indices(size, 1)
    counts = rng.integers(0, 5, (2, len(first))) + rng.random((2, len(first)))
    at = rng.normal(size=2 * size) * draw(st.sampled_from([0.2, 1.0, 3.0]))
    at[size:] /= 2
    return (first, second, counts[0], counts[1]), at


def written_out(data: tuple[Array, ...], at: Array) -> float:
    means, spreads = at[: len(at) // 2], np.exp(at[len(at) // 2 :])
    total = 0.0
    for i, j, won, lost in zip(*data, strict=True):
        z = (means[i] - means[j]) / math.sqrt(spreads[i] ** 2 + spreads[j] ** 2)
        total += won * log_ndtr(z) + lost * log_ndtr(-z)
    return total


@given(points())
def test_the_gradient_and_the_information_are_derivatives(drawn: tuple[tuple[Array, ...], Array]) -> None:
    data, at = drawn
    size = len(at) // 2

    def gradient(x: Array) -> Array:
        return np.concatenate(kernels.spread_loglik(*data, x[:size], x[size:])[1:])

    assert kernels.spread_loglik(*data, at[:size], at[size:])[0] == pytest.approx(written_out(data, at), rel=1e-10)
    h = 1e-5
    slopes = [(written_out(data, at + h * e) - written_out(data, at - h * e)) / (2 * h) for e in np.eye(2 * size)]
    scale = 1 + np.abs(gradient(at)).max()
    np.testing.assert_allclose(gradient(at), slopes, atol=1e-6 * scale)
    bends = [(gradient(at - h * e) - gradient(at + h * e)) / (2 * h) for e in np.eye(2 * size)]
    observed, expected = kernels.spread_information(*data, at[:size], at[size:])
    np.testing.assert_allclose(observed, bends, atol=1e-6 * (1 + np.abs(observed).max()))
    assert np.linalg.eigvalsh(expected)[0] > -1e-9 * (1 + np.abs(expected).max())


@given(points())
def test_information_observed_is_what_is_expected_on_average(drawn: tuple[tuple[Array, ...], Array]) -> None:
    """With wins in proportion to their probabilities the two informations are one."""
    (first, second, won, lost), at = drawn
    size = len(at) // 2
    spreads = np.exp(at[size:])
    p = ndtr((at[first] - at[second]) / np.hypot(spreads[first], spreads[second]))
    number = won + lost
    observed, expected = kernels.spread_information(
        first, second, number * p, number * ndtr(-(at[first] - at[second]) / np.hypot(spreads[first], spreads[second])),
        at[:size], at[size:],
    )  # fmt: skip
    np.testing.assert_allclose(observed, expected, atol=1e-8 * (1 + np.abs(expected).max()))


def test_extreme_points_do_not_overflow() -> None:
    data = (np.array([0]), np.array([1]), np.array([3.0]), np.array([2.0]))
    for means, logs in [((40.0, 0.0), (0.0, 0.0)), ((1e3, 0.0), (-50.0, 3.0)), ((0.0, 1.0), (300.0, -300.0))]:
        value, *gradient = kernels.spread_loglik(*data, np.array(means), np.array(logs))
        assert np.isfinite(value)
        assert all(np.isfinite(part).all() for part in gradient)
        assert all(
            np.isfinite(part).all() for part in kernels.spread_information(*data, np.array(means), np.array(logs))
        )


# --- The fit ------------------------------------------------------------------------------------------------------


def sampled(rng: np.random.Generator, means: Array, spreads: Array, rows: int) -> ck.Comparisons:
    first = rng.integers(0, len(means), rows)
    second = (first + rng.integers(1, len(means), rows)) % len(means)
    won = means[first] + spreads[first] * rng.normal(size=rows) > means[second] + spreads[second] * rng.normal(
        size=rows
    )
    return ck.Comparisons(np.where(won, first, second), np.where(won, second, first))


def test_a_fit_is_stationary_and_its_errors_are_those_of_the_information() -> None:
    means, spreads = np.array([0.8, 0.3, -0.1, -0.4, -0.6]), np.exp([0.5, -0.5, 0.2, -0.2, 0.0])
    votes = sampled(np.random.default_rng(1), means, spreads, 3000)
    fit = distributional(votes)
    assert fit.converged
    assert fit.residual <= 1e-8
    assert abs(fit.means.sum()) < 1e-9
    assert abs(np.log(fit.spreads).sum()) < 1e-9
    pairs = models.luce.count_pairs(votes)
    data = (pairs.first, pairs.second, pairs.won, pairs.count - pairs.won)
    basis = np.linalg.svd(np.eye(5) - 1 / 5)[0][:, :4]  # of the vectors that sum to 0
    frame = np.kron(np.eye(2), basis)

    def objective(x: Array) -> float:
        flat = frame @ x
        return written_out(data, flat) - 0.5 * float(flat[:5] @ flat[:5] + flat[5:] @ flat[5:] / 0.5)

    at = frame.T @ np.concatenate([fit.means, np.log(fit.spreads)])
    assert fit.objective == pytest.approx(objective(at), rel=1e-10)
    h = 1e-4
    steps = h * np.eye(8)
    slope = [(objective(at + e) - objective(at - e)) / (2 * h) for e in steps]
    assert np.abs(slope).max() < 1e-4
    bend = [
        [(objective(at + e + f) - objective(at + e - f) - objective(at - e + f) + objective(at - e - f)) / (4 * h * h)
         for f in steps] for e in steps
    ]  # fmt: skip
    covariance = frame @ np.linalg.inv(-np.array(bend)) @ frame.T
    np.testing.assert_allclose(fit.covariance, covariance, atol=2e-3 * np.abs(covariance).max())
    np.testing.assert_allclose(fit.mean_estimates.standard_errors, np.sqrt(np.diag(fit.covariance)[:5]))
    np.testing.assert_allclose(fit.log_spread_estimates.standard_errors, np.sqrt(np.diag(fit.covariance)[5:]))
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert objective(at + rng.normal(size=8) * rng.choice([0.01, 0.1, 1.0])) < fit.objective


def test_exact_probabilities_give_the_parameters_back() -> None:
    rng = np.random.default_rng(2)
    means, logs = rng.normal(size=7), rng.normal(size=7) * 0.7
    means, logs = means - means.mean(), logs - logs.mean()
    fit = distributional(table(normal_table(means, np.exp(logs)), 1e7), prior=1e3, spread_prior=1e3)
    np.testing.assert_allclose(fit.means, means, atol=1e-3)
    np.testing.assert_allclose(np.log(fit.spreads), logs, atol=1e-3)
    first, second = [0, 1, 6], [3, 5, 2]
    expected = normal_table(means, np.exp(logs))[first, second]
    np.testing.assert_allclose(fit.probabilities(first, second), expected, atol=1e-4)
    assert fit.probabilities(0, 3)[0] == fit.probabilities([0], [3])[0]
    np.testing.assert_allclose(fit.quantile(ndtr(-2.0)), fit.means - 2 * fit.spreads)
    variance = fit.means.var()
    assert fit.explained_share == pytest.approx(variance / (variance + (fit.spreads**2).mean()))
    assert fit.disagreement_share == pytest.approx(1 - fit.explained_share)


def test_samples_give_the_parameters_back_within_their_errors() -> None:
    rng = np.random.default_rng(3)
    means, logs = rng.normal(size=12), rng.normal(size=12) * 0.5
    means, logs = means - means.mean(), logs - logs.mean()
    fit = distributional(sampled(rng, means, np.exp(logs), 200_000))
    for estimates, truth in ((fit.mean_estimates, means), (fit.log_spread_estimates, logs)):
        z = (estimates.values - truth) / estimates.standard_errors
        assert 0.5 < np.sqrt((z**2).mean()) < 1.6
        assert np.abs(z).max() < 4
    assert np.corrcoef(np.log(fit.spreads), logs)[0, 1] > 0.9
    assert fit.objectives[0] == pytest.approx(fit.objectives[-1], rel=1e-9)


def test_with_equal_spreads_it_is_thurstones_case_five() -> None:
    rng = np.random.default_rng(4)
    votes = sampled(rng, np.array([0.9, 0.4, 0.0, -0.5, -0.8]), np.ones(5), 500)
    fit = distributional(votes, prior=2.0, spread_prior=1e-10)
    np.testing.assert_allclose(fit.spreads, 1.0, atol=1e-6)

    def loss(means: Array) -> float:
        z = (means[votes.winner] - means[votes.loser]) / math.sqrt(2)
        return -float(log_ndtr(z).sum()) + float(means @ means) / 4

    probit = minimize(loss, np.zeros(5), tol=1e-10).x
    np.testing.assert_allclose(fit.means, probit, atol=1e-4)


def test_a_hidden_context_shows_as_spread_where_borda_sees_a_low_mean() -> None:
    """Utility a below 0.8, and from there on 2a or 0 by the toss of a coin (Siththaranjan et al. 2024).

    Borda counts a + 0.1 below 0.8 and 0.475 + (a − 0.8)/4 above, so that Bradley–Terry ranks every a in [0.8, 1] below
    every a in (0.425, 0.8) though its expected utility, a, is higher. The spread tells that these differ by context.
    """
    a = (np.arange(20) + 0.5) / 20
    risky = a >= 0.8
    p = (a[:, None] > a) * 1.0
    p[risky[:, None] != risky] = 0.5  # 2a beats, and 0 loses to, all that is safe
    both = risky[:, None] & risky
    p[both] = 0.375 + 0.25 * (a[:, None] > a)[both]
    np.fill_diagonal(p, 0.5)
    np.testing.assert_allclose(p.mean(1), np.where(risky, 0.475 + 0.25 * (a - 0.8), a + 0.1))
    first, second = np.triu_indices(20, 1)
    exact = np.concatenate([p[first, second], p[second, first]])
    met = exact > 0
    votes = ck.Comparisons(
        np.concatenate([first, second])[met], np.concatenate([second, first])[met], weight=100 * exact[met]
    )
    scores = models.bradley_terry(votes, prior=10.0).scores
    fit = distributional(votes)
    middle = ~risky & (a > 0.475)
    assert scores[risky].max() < scores[middle].min()
    assert fit.spreads[risky].min() > 5 * fit.spreads[~risky].max()
    averse = fit.quantile(0.05)
    assert averse[risky].max() < averse[~risky].min()  # at worst they are worth the least
    bold = fit.quantile(0.95)
    assert bold[risky].min() > bold[~risky].max()  # and at best the most
    assert (np.argsort(averse) != np.argsort(scores)).any()
    assert fit.disagreement_share > 0.8
    fitted = normal_table(fit.means, fit.spreads)
    np.testing.assert_allclose(fitted[risky][:, ~risky], 0.5, atol=0.1)


def test_too_few_pairs_and_parts_apart_are_pointed_out() -> None:
    with pytest.warns(UserWarning, match="4 parameters, but only 3 pairs"):
        distributional(ck.Comparisons(["a", "b", "a"], ["b", "c", "c"]))
    rng = np.random.default_rng(5)
    one = sampled(rng, np.array([0.5, 0.3, 0.1, -0.2, -0.4]), np.ones(5), 400)
    hanging = ck.Comparisons(np.append(one.winner, 5), np.append(one.loser, 0))
    with pytest.warns(UserWarning, match="bear on 9 of 10 parameters"):
        distributional(hanging)
    apart = ck.Comparisons(np.append(one.winner, one.winner + 5), np.append(one.loser, one.loser + 5))
    with pytest.warns(UserWarning, match="bear on 16 of 18 parameters"):
        distributional(apart)
    even = table(np.full((5, 5), 0.5))
    with pytest.warns(UserWarning, match="bear on 4 of 8 parameters"):
        fit = distributional(even)
    np.testing.assert_allclose(fit.spreads, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distributional(one)


def test_answers_can_be_weighted_tied_and_relabelled() -> None:
    one = sampled(np.random.default_rng(6), np.array([0.5, 0.3, -0.2, -0.6]), np.exp([0.5, -0.5, 0.3, -0.3]), 400)
    double = ck.Comparisons(np.tile(one.winner, 2), np.tile(one.loser, 2))
    weighted = ck.Comparisons(one.winner, one.loser, weight=[2.0] * 400)
    np.testing.assert_allclose(distributional(double).means, distributional(weighted).means, atol=1e-8)
    names = np.array(["z", "y", "x", "w"])
    renamed = distributional(ck.Comparisons(names[one.winner], names[one.loser]))
    np.testing.assert_allclose(renamed.spreads, distributional(one).spreads[::-1], rtol=1e-6)
    tie = np.arange(400) % 4 == 0
    tied = ck.Comparisons(one.winner, one.loser, tie=tie)
    kept = ck.Comparisons(one.winner[~tie], one.loser[~tie])
    np.testing.assert_allclose(distributional(tied, ties="drop").means, distributional(kept).means, atol=1e-8)
    assert np.abs(distributional(tied).means).sum() < np.abs(distributional(kept).means).sum()


def test_what_cannot_be_fitted_is_refused() -> None:
    votes = sampled(np.random.default_rng(7), np.array([0.5, 0.3, -0.2, -0.6]), np.exp([0.5, -0.5, 0.3, -0.3]), 400)
    with pytest.raises(ValueError, match="spread_prior must be a positive variance"):
        distributional(votes, spread_prior=0.0)
    with pytest.raises(ValueError, match="ties must be"):
        distributional(votes, ties="davidson")  # type: ignore[arg-type]
    with pytest.raises(ck.NotConverged) as caught:
        distributional(votes, limit=1)
    assert isinstance(caught.value.partial, DistributionalFit)
    fit = distributional(votes)
    with pytest.raises(KeyError, match="no alternative 9"):
        fit.probabilities([0], [9])
    with pytest.raises(ValueError, match="equal length"):
        fit.probabilities([0, 1], [2])
    with pytest.raises(ValueError, match="level must lie"):
        fit.quantile(1.0)
