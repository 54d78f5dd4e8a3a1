"""Sandwich errors and bootstraps: by the book, and against simulation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit import models
from choicekit.models import _design as design
from choicekit.models import resampling
from choicekit.models.resampling import Bootstrap, bootstrap, sandwich


def crowd(rng: np.random.Generator, voters: int = 40, each: int = 12, size: int = 4, spread: float = 0.0) -> Any:
    """Voters whose own scores lie around common ones; a fifth of the rows ties."""
    common = np.linspace(0.6, -0.6, size)
    own = common + spread * rng.normal(size=(voters, size))
    voter = np.repeat(np.arange(voters), each)
    a = rng.integers(0, size, len(voter))
    b = (a + rng.integers(1, size, len(voter))) % size
    won = rng.random(len(voter)) < 1 / (1 + np.exp(own[voter, b] - own[voter, a]))
    columns = {"voter": voter, "tie": rng.random(len(voter)) < 0.2, "order": rng.choice([-1, 1], len(voter))}
    return ck.Comparisons(np.where(won, a, b), np.where(won, b, a), **columns)


def by_the_book(fit: models.Fit, data: ck.Comparisons, unit: np.ndarray) -> np.ndarray:
    """H⁺ B H⁺ for ties as half wins, from every row's own derivative."""
    size = len(fit.scores)
    derivative = np.zeros((int(unit.max()) + 1, size))
    information = np.zeros((size, size))
    for row in range(len(data)):
        i, j = data.winner[row], data.loser[row]
        p = 1 / (1 + math.exp(fit.scores[j] - fit.scores[i]))
        outcome = 0.5 if data.tie[row] else 1.0
        e = (np.arange(size) == i) * 1.0 - (np.arange(size) == j) * 1.0
        derivative[unit[row]] += (outcome - p) * e
        information += p * (1 - p) * np.outer(e, e)
    if fit.prior is not None:
        information += np.eye(size) / fit.prior
    bread = np.linalg.pinv(information, rcond=1e-10, hermitian=True)
    return np.asarray(bread @ derivative.T @ derivative @ bread)


@pytest.mark.parametrize("prior", [None, 1.5])
def test_the_sandwich_by_the_book(prior: float | None) -> None:
    data = crowd(np.random.default_rng(0))
    fit = models.bradley_terry(data, prior=prior)
    rows = sandwich(fit, data, by="comparison")
    np.testing.assert_allclose(rows.covariance, by_the_book(fit, data, np.arange(len(data))), atol=1e-8)
    voters = sandwich(fit, data)
    np.testing.assert_allclose(voters.covariance, by_the_book(fit, data, data.voter) * 40 / 39, atol=1e-8)
    assert (rows.errors, voters.errors) == ("sandwich by comparison", "sandwich by voter")
    np.testing.assert_array_equal(voters.scores, fit.scores)


def test_a_row_of_weight_three_is_three_rows() -> None:
    data = crowd(np.random.default_rng(1))
    heavy = ck.Comparisons(data.winner, data.loser, tie=data.tie, voter=data.voter, weight=[3.0] * len(data))
    thrice = data.rows(np.repeat(np.arange(len(data)), 3))
    for by in ("comparison", "voter"):
        found = [sandwich(models.bradley_terry(d), d, by=by).covariance for d in (heavy, thrice)]  # type: ignore[arg-type]
        np.testing.assert_allclose(found[0], found[1], atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"ties": "davidson"}, {"ties": "rao_kupper", "order": True}, {"order": True}])
def test_voters_who_answer_once_are_rows(options: dict[str, Any]) -> None:
    data = crowd(np.random.default_rng(2), voters=300, each=1)
    fit = models.bradley_terry(data, **options)
    by_row, by_voter = sandwich(fit, data, by="comparison"), sandwich(fit, data, by="voter")
    np.testing.assert_allclose(by_voter.joint_covariance, by_row.joint_covariance * 300 / 299, atol=1e-9)


def test_answers_copied_within_a_voter_do_not_make_the_voter_surer() -> None:
    once = crowd(np.random.default_rng(3), voters=200, each=2)
    copied = once.rows(np.repeat(np.arange(len(once)), 10))
    errors = [sandwich(models.bradley_terry(d), d).estimates.standard_errors for d in (once, copied)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-7)
    naive = [models.bradley_terry(d).estimates.standard_errors for d in (once, copied)]
    np.testing.assert_allclose(naive[1], naive[0] / math.sqrt(10), rtol=1e-7)


def test_two_voters_of_opposite_minds() -> None:
    data = ck.Comparisons(["a"] * 50 + ["b"] * 50, ["b"] * 50 + ["a"] * 50, voter=[1] * 50 + [2] * 50)
    fit = models.bradley_terry(data)
    assert np.abs(fit.scores).max() < 1e-9
    assert sandwich(fit, data).relative_to("b").standard_errors[0] == pytest.approx(2.0)
    assert fit.relative_to("b").standard_errors[0] == pytest.approx(0.2)


@pytest.mark.parametrize("options", [{}, {"prior": 1.0}, {"ties": "davidson"}, {"ties": "rao_kupper", "order": True}])
@pytest.mark.parametrize("by", ["comparison", "voter"])
def test_bootstrap_and_sandwich_agree_where_there_are_many_units(options: dict[str, Any], by: Any) -> None:
    data = crowd(np.random.default_rng(4), voters=250, each=12, spread=0.8 if by == "voter" else 0.0)
    fit = models.bradley_terry(data, **options)
    draws = bootstrap(fit, data, by=by, replicates=400, rng=0)
    expected = np.sqrt(np.diag(sandwich(fit, data, by=by).joint_covariance))
    np.testing.assert_allclose(np.sqrt(np.diag(draws.covariance)), expected, rtol=0.2)
    assert draws.names == tuple(fit.effects)
    assert draws.refused == 0
    np.testing.assert_allclose(draws.scores.sum(1), 0, atol=1e-9)
    inside = (draws.interval(0.99)[:, 0] < fit.scores) & (fit.scores < draws.interval(0.99)[:, 1])
    assert inside.all()


def test_drawn_replicates_are_fits() -> None:
    """A replicate by voter is the fit to those voters' rows."""
    data = crowd(np.random.default_rng(5), voters=12, each=30)
    fit = models.bradley_terry(data, prior=1.0)
    draws = bootstrap(fit, data, by="voter", replicates=3, rng=7)
    for scores, generator in zip(draws.scores, np.random.default_rng(7).spawn(3), strict=True):
        times = np.bincount(generator.integers(0, 12, 12), minlength=12)
        assert data.voter is not None
        chosen = np.concatenate([np.repeat(np.flatnonzero(data.voter == v), times[v]) for v in range(12)])
        np.testing.assert_allclose(scores, models.bradley_terry(data.rows(chosen), prior=1.0).scores, atol=1e-7)


def test_draws_of_comparisons_are_multinomial() -> None:
    """Totals are exact, and means, variances and covariances those of a multinomial law."""
    data = ck.Comparisons(["a", "b", "a"], ["b", "a", "c"], weight=[30, 50, 20], tie=[False, False, True])
    draw = resampling._drawing_comparisons(design.cells(data, "half", False, None, None).cells)
    drawn = np.array([np.concatenate(draw(rng)) for rng in np.random.default_rng(0).spawn(20_000)])
    assert (drawn.sum(1) == 100).all()
    share = np.array([0.3, 0, 0.5, 0, 0, 0.2])
    np.testing.assert_allclose(drawn.mean(0), 100 * share, atol=0.2)
    np.testing.assert_allclose(np.cov(drawn.T), 100 * (np.diag(share) - np.outer(share, share)), atol=0.7)


def test_the_same_generator_draws_the_same() -> None:
    data = crowd(np.random.default_rng(6))
    fit = models.bradley_terry(data)
    one, two, three = (bootstrap(fit, data, replicates=5, rng=seed).scores for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - three).max() > 1e-6


def test_replicates_without_a_finite_estimate_are_counted() -> None:
    data = ck.Comparisons(["a"] * 20 + ["b"], ["b"] * 20 + ["a"])
    draws = bootstrap(models.bradley_terry(data), data, by="comparison", replicates=300, rng=0)
    # the one loss is drawn with probability 1 − (1 − 1/21)^21
    assert draws.refused / 300 == pytest.approx((20 / 21) ** 21, abs=0.08)
    assert len(draws.scores) == 300 - draws.refused
    with_prior = bootstrap(models.bradley_terry(data, prior=1.0), data, by="comparison", replicates=50, rng=0)
    assert with_prior.refused == 0


def test_parts_fitted_apart() -> None:
    rng = np.random.default_rng(8)
    context = np.repeat(np.arange(5), 200)
    a = rng.integers(0, 3, 1_000)
    data = ck.Comparisons(a, (a + rng.integers(1, 3, 1_000)) % 3, context=context, voter=rng.integers(0, 100, 1_000))
    arms = data.by_context()
    fit = models.bradley_terry(arms, parts="separate")
    robust = sandwich(fit, arms, by="comparison")
    alone = data.rows(context == 2)
    expected = sandwich(models.bradley_terry(alone), alone, by="comparison").covariance
    at = [k for k, label in enumerate(arms.alternatives) if label[0] == 2]  # type: ignore[index]
    np.testing.assert_allclose(robust.covariance[np.ix_(at, at)], expected, atol=1e-9)
    draws = bootstrap(fit, arms, replicates=60, rng=0)
    np.testing.assert_allclose(draws.scores[:, at].sum(1), 0, atol=1e-8)
    assert np.sqrt(np.diag(draws.covariance)).mean() == pytest.approx(
        sandwich(fit, arms).estimates.standard_errors.mean(), rel=0.25
    )


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(0, 10**6))
def test_rank_shares_are_shares(replicates: int, seed: int) -> None:
    scores = np.random.default_rng(seed).integers(0, 3, (replicates, 4)).astype(float)
    shares = Bootstrap(tuple("abcd"), (), scores, np.zeros((replicates, 0)), 0, "voter").rank_shares()
    np.testing.assert_allclose(shares.sum(0), 1)
    np.testing.assert_allclose(shares.sum(1), 1)


def test_what_is_refused() -> None:
    data = crowd(np.random.default_rng(9))
    fit = models.bradley_terry(data)
    nameless = ck.Comparisons(data.winner, data.loser, tie=data.tie)
    with pytest.raises(ValueError, match="at least two voters, got 0"):
        sandwich(fit, nameless)
    with pytest.raises(ValueError, match="of weight 480; got 100"):
        sandwich(fit, data.rows(np.arange(100)))
    with pytest.raises(ValueError, match="other alternatives"):
        sandwich(fit, ck.Comparisons(["a", "b"], ["b", "a"], voter=[1, 2]))
    with pytest.raises(ValueError, match="at least 2 replicates"):
        bootstrap(fit, data, replicates=1)
    with pytest.raises(ValueError, match="by must be"):
        bootstrap(fit, data, by="row")  # type: ignore[arg-type]
    styled = models.bradley_terry(data, comparison_features={"length": np.linspace(-1, 1, len(data))})
    with pytest.raises(ValueError, match="the fit's own features: length"):
        sandwich(styled, data)


@pytest.mark.slow
def test_intervals_by_voter_cover_where_intervals_by_row_do_not() -> None:
    covered = np.zeros(3)
    runs = 200
    # what one reward for all tends to with very many voters
    many = crowd(np.random.default_rng(12345), voters=100_000, each=4, spread=1.0)
    target = models.bradley_terry(many.rows(~many.tie)).scores
    for seed in range(runs):
        data = crowd(np.random.default_rng(seed), voters=120, each=40, spread=1.0)
        decided = data.rows(~data.tie)
        fit = models.bradley_terry(decided)
        for k, found in enumerate((fit, sandwich(fit, decided, by="comparison"), sandwich(fit, decided))):
            ends = found.interval(0.95)
            covered[k] += ((ends[:, 0] < target) & (target < ends[:, 1])).mean() / runs
    assert covered[:2].max() < 0.8
    assert 0.92 < covered[2] < 0.98


def test_replicates_that_are_separated_are_refused() -> None:
    """One loss holds the scores of two alternatives: a replicate without it has no finite estimate, order or not."""
    data = ck.Comparisons(
        ["a"] * 20 + ["b"] * 2, ["b"] * 20 + ["a"] * 2, order=[1, -1] * 11, tie=[True, *[False] * 20, True]
    )
    fit = models.bradley_terry(data, ties="davidson")
    draws = bootstrap(fit, data, by="comparison", replicates=300, rng=0)
    # a replicate without a loss (and so, for Davidson, without a maximum) has probability (21/22)^22
    assert draws.refused / 300 == pytest.approx((21 / 22) ** 22, abs=0.09)
    assert np.abs(draws.scores).max() < 10


def test_other_comparisons_of_the_same_weight_are_refused() -> None:
    data = crowd(np.random.default_rng(2))
    fit = models.bradley_terry(data)
    other = ck.Comparisons(data.loser, data.winner, tie=data.tie, voter=data.voter)
    for ask in (sandwich, bootstrap):
        with pytest.raises(ValueError, match="needed the comparisons that were fitted"):
            ask(fit, other)


def test_weights_of_less_than_one_comparison_cannot_be_drawn() -> None:
    data = ck.Comparisons(["a", "b"], ["b", "a"], weight=[0.1, 0.2])
    fit = models.bradley_terry(data, prior=1.0)
    with pytest.raises(ValueError, match="less than one comparison to draw"):
        bootstrap(fit, data, by="comparison", replicates=5)
