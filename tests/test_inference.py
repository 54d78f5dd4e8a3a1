"""Ranks, simultaneous intervals, quasi-variances and next pairs: coverage, known answers and slow twins."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import choicekit as ck
from choicekit import ingest, models
from choicekit.kernels import ranks
from choicekit.models.fit import Fit
from choicekit.models.inference import (
    difference_variances,
    quasi_variances,
    rank_intervals,
    simultaneous_differences,
    simultaneous_intervals,
    simultaneous_rank_intervals,
)
from choicekit.models.information import expected_information, next_pairs
from choicekit.models.prediction import TieKind, log_outcomes
from choicekit.outcomes import NotConverged

Floats = NDArray[np.float64]


def fit_of(scores: Floats, covariance: Floats) -> Fit:
    """A fit with these scores and this covariance, in the mean-zero gauge."""
    size = len(scores)
    names = [f"{number:03d}" for number in range(size)]
    base = models.bradley_terry(ck.Comparisons(names, [*names[1:], names[0]]))
    centre = np.eye(size) - 1 / size
    moved = replace(base, scores=centre @ scores)
    return moved.with_covariance(centre @ covariance @ centre, "given")


def covariance_of(rng: np.random.Generator, size: int) -> Floats:
    root = rng.normal(size=(size, size)) * rng.uniform(0.2, 1, size)[:, None]
    return root @ root.T / size


# Ranks


@pytest.mark.parametrize("number", [1, 63, 64, 65, 200])
def test_maxima_are_the_slow_ones(number: int) -> None:
    rng = np.random.default_rng(number)
    draws, up, down = rng.normal(size=(7, number)), rng.random((7, 7)), rng.random((7, 7))
    up[rng.random((7, 7)) < 0.4] = 0
    down[rng.random((7, 7)) < 0.4] = 0
    rows = np.array([5, 0, 3])
    gaps = draws[:, None] - draws[None]
    slow = np.maximum(np.maximum(up[:, :, None] * gaps, -down[:, :, None] * gaps).max(1), 0)
    np.testing.assert_allclose(ranks.row_maxima(draws, up, down, rows), slow[rows])
    together = np.maximum((up[:, :, None] * gaps).max((0, 1)), 0)
    np.testing.assert_allclose(ranks.all_maxima(draws, up), together)


def true_ranks(theta: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best and the worst rank of each, equals sharing several."""
    return 1 + (theta > theta[:, None]).sum(1), (theta >= theta[:, None]).sum(1)


@pytest.mark.parametrize("stepdown", [True, False])
def test_intervals_cover_the_ranks(stepdown: bool) -> None:
    """Several equal scores are the hard case: all the ranks that equals share must be covered."""
    rng, rounds, size = np.random.default_rng(11), 400, 6
    theta = np.array([0.0, 0.0, 0.0, 1.0, 1.2, 4.0])
    best, worst = true_ranks(theta)
    covariance = covariance_of(rng, size)
    root = np.linalg.cholesky(covariance)
    alone, together, width = np.zeros(size), 0, 0.0
    for seed in range(rounds):
        fit = fit_of(theta + root @ rng.normal(size=size), covariance)
        own = rank_intervals(fit, draws=500, stepdown=stepdown, rng=seed)
        alone += (own.best <= best) & (own.worst >= worst)
        joint = simultaneous_rank_intervals(fit, draws=500, stepdown=stepdown, rng=seed)
        together += bool(((joint.best <= best) & (joint.worst >= worst)).all())
        width += (own.worst - own.best).mean() / rounds
    slack = 3 * math.sqrt(0.95 * 0.05 / rounds)
    assert alone.min() / rounds > 0.95 - slack
    assert together / rounds > 0.95 - slack
    assert together / rounds < 1  # not so wide that they never miss
    assert width < 3.5  # of at most 5


@given(st.integers(2, 7), st.integers(0, 10_000))
def test_one_step_by_the_book_and_a_step_down_inside_it(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fit = fit_of(rng.normal(size=size), covariance_of(rng, size))
    one = rank_intervals(fit, draws=300, stepdown=False)
    gaps = (fit.scores[:, None] - fit.scores) / np.sqrt(np.where(np.eye(size) > 0, 1, difference_variances(fit)))
    above = gaps > one.critical[:, None]
    below = -gaps > one.critical[:, None]
    np.testing.assert_array_equal(one.best, 1 + below.sum(1))
    np.testing.assert_array_equal(one.worst, size - above.sum(1))
    np.testing.assert_array_equal(one.ranks, 1 + (gaps < 0).sum(1))
    assert (one.best <= one.ranks).all()
    assert (one.ranks <= one.worst).all()
    finer = rank_intervals(fit, draws=300)
    assert (finer.best >= one.best).all()
    assert (finer.worst <= one.worst).all()
    joint, coarser = (
        simultaneous_rank_intervals(fit, draws=300),
        simultaneous_rank_intervals(fit, draws=300, stepdown=False),
    )
    assert (joint.best >= coarser.best).all()
    assert (joint.worst <= coarser.worst).all()
    assert (coarser.best <= one.best).all()  # the same draws: a maximum over more pairs is larger
    assert (coarser.worst >= one.worst).all()


@given(st.integers(2, 6), st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_simultaneous_step_down_is_the_slow_one(size: int, seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    covariance = covariance_of(rng, size)
    fit = fit_of(2 * rng.normal(size=size), covariance)
    found = simultaneous_rank_intervals(fit, level, draws=400, rng=5)
    _, scale, noise = models.inference._ready(fit, level, 400, 5)
    gaps = (fit.scores[:, None] - fit.scores) * scale
    asked = scale > 0
    while True:
        maxima = ((noise[:, None] - noise[None]) * (scale * asked)[:, :, None]).max((0, 1))
        critical = np.quantile(np.maximum(maxima, 0), level, method="higher")
        new = asked & (gaps > critical)
        asked &= ~new
        if not new.any():
            break
    assert math.isclose(found.critical[0], critical, rel_tol=1e-12)
    np.testing.assert_array_equal(found.worst, size - (~asked & (gaps > 0)).sum(1))


def test_contenders_and_clear_cut_ranks() -> None:
    clear = simultaneous_rank_intervals(fit_of(np.array([0.0, 10.0, 5.0]), 0.01 * np.eye(3)))
    assert clear.best.tolist() == clear.worst.tolist() == clear.ranks.tolist() == [3, 1, 2]
    assert clear.contenders() == ("001",)
    assert clear.contenders(2) == ("001", "002")
    unclear = rank_intervals(fit_of(np.array([0.0, 0.1, 0.2]), np.eye(3)))
    assert unclear.best.tolist() == [1, 1, 1]
    assert unclear.worst.tolist() == [3, 3, 3]
    assert unclear.contenders() == ("002", "001", "000")
    level = rank_intervals(fit_of(np.array([1.0, 1.0, 0.0]), np.eye(3)))
    assert level.ranks.tolist() == [1, 1, 3]


def test_differences_without_error_are_never_significant() -> None:
    """Two alternatives with one score between them, as where scores are made of features."""
    spread = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    found = rank_intervals(fit_of(np.array([1.0, 1.0 + 1e-12, -9.0]), spread))
    assert found.best.tolist() == [1, 1, 3]
    assert found.worst.tolist() == [2, 2, 3]


def test_what_has_no_ranks() -> None:
    apart = models.bradley_terry(ck.Comparisons(list("abcd"), list("badc")), parts="separate")
    for function in (rank_intervals, simultaneous_rank_intervals, simultaneous_intervals, simultaneous_differences):
        with pytest.raises(ValueError, match="2 components fitted apart"):
            function(apart)
        with pytest.raises(ValueError, match="between 0 and 1"):
            function(fit_of(np.zeros(3), np.eye(3)), 95)
        with pytest.raises(ValueError, match="at least 100"):
            function(fit_of(np.zeros(3), np.eye(3)), draws=10)


# Simultaneous intervals


@pytest.mark.parametrize("size", [3, 5, 10])
def test_critical_values_of_independent_scores(size: int) -> None:
    """Tukey's studentised range over √2 for the differences; for the scores, between one interval and Bonferroni."""
    from scipy.stats import norm, studentized_range

    fit = fit_of(np.zeros(size), np.eye(size))
    differences = simultaneous_differences(fit, draws=40_000)
    assert abs(differences.critical - studentized_range.ppf(0.95, size, 1e6) / math.sqrt(2)) < 0.04
    scores = simultaneous_intervals(fit, draws=40_000)
    assert norm.ppf(0.975) < scores.critical < norm.ppf(1 - 0.025 / size) + 0.02


def test_simultaneous_intervals_cover_all_at_once() -> None:
    rng, rounds, size = np.random.default_rng(12), 600, 5
    covariance = covariance_of(rng, size)
    centre = np.eye(size) - 1 / size
    root = np.linalg.cholesky(covariance)
    theta = centre @ rng.normal(size=size)
    hits = np.zeros(2)
    for seed in range(rounds):
        fit = fit_of(theta + root @ rng.normal(size=size), covariance)
        low, high = np.moveaxis(simultaneous_intervals(fit, 0.9, draws=1_000, rng=seed).intervals, -1, 0)
        hits[0] += bool(((low <= theta) & (theta <= high)).all())
        low, high = np.moveaxis(simultaneous_differences(fit, 0.9, draws=1_000, rng=seed).intervals, -1, 0)
        gaps = theta[:, None] - theta
        hits[1] += bool(((low <= gaps + 1e-12) & (gaps - 1e-12 <= high)).all())
    assert (np.abs(hits / rounds - 0.9) < 3.5 * math.sqrt(0.09 / rounds)).all()


# Quasi-variances


def test_published_quasi_variances_of_puddings(data: Path) -> None:
    """PlackettLuce's vignette, for a fit stopped after 7 iterations; and its worst relative errors in per cent."""
    rows = np.genfromtxt(data / "r_plackettluce/pudding.csv", delimiter=",", names=True)
    winner, loser, weight, tie = [], [], [], []
    for row in rows:
        i, j = int(row["i"]), int(row["j"])
        winner += [i, j, i]
        loser += [j, i, j]
        weight += [row["w_ij"], row["w_ji"], row["t_ij"]]
        tie += [False, False, True]
    fit = models.bradley_terry(ck.Comparisons(winner, loser, weight=weight, tie=tie), ties="davidson")
    found = quasi_variances(fit)
    published = [0.01766108, 0.01761919, 0.01948091, 0.01769538, 0.01957908, 0.01937796]
    np.testing.assert_allclose(found.variances, published, rtol=2e-4)
    assert [round(100 * error, 1) for error in found.pair_errors] == [-0.8, 0.8]
    assert [round(100 * error, 1) for error in found.contrast_errors] == [-1.7, 1.7]


def test_a_published_negative_quasi_variance() -> None:
    """The qvcalc manual's regression of prestige on type: standard errors of three differences."""
    errors = np.array([[0, 4.258961, 2.690667], [4.258961, 0, math.sqrt(9.876793 - 1.022262)], [2.690667, 0, 0]])
    errors[2, 1] = errors[1, 2]
    fit = fit_of(np.array([0.0, 6.142444, -5.458495]), -(errors**2) / 2)  # such differences, in the mean-zero gauge
    found = quasi_variances(fit)
    np.testing.assert_allclose(found.variances, [8.261952, 9.876793, -1.022262], atol=1e-5)
    np.testing.assert_allclose(found.pair_errors, 0, atol=1e-9)
    with pytest.raises(ValueError, match="'002' is negative"):
        found.interval()


@given(st.integers(3, 8), st.integers(0, 10_000))
def test_quasi_variances_minimise_the_sum(size: int, seed: int) -> None:
    from scipy.optimize import least_squares

    rng = np.random.default_rng(seed)
    covariance = np.diag(rng.uniform(0.5, 2, size)) + 0.3 * covariance_of(rng, size)
    fit = fit_of(rng.normal(size=size), covariance)
    found = quasi_variances(fit)
    pairs = np.array(list(itertools.combinations(range(size), 2)))
    target = np.log(difference_variances(fit)[pairs[:, 0], pairs[:, 1]])

    def misfit(q: Floats) -> Floats:
        return np.log(np.maximum(q[pairs[:, 0]] + q[pairs[:, 1]], 1e-12)) - target

    best = least_squares(misfit, np.diag(covariance), xtol=1e-15, ftol=1e-15, gtol=1e-15)
    np.testing.assert_allclose(found.variances, best.x, rtol=1e-5, atol=1e-7)
    ratio = np.exp(misfit(found.variances) / 2) - 1
    np.testing.assert_allclose(found.pair_errors, [ratio.min(), ratio.max()], atol=1e-12)
    contrasts = rng.normal(size=(200, size))
    contrasts -= contrasts.mean(1, keepdims=True)
    exact = np.einsum("ni,ij,nj->n", contrasts, fit.covariance, contrasts)
    error = np.sqrt(np.maximum(contrasts**2 @ found.variances, 0) / exact) - 1
    assert found.contrast_errors[0] - 1e-9 <= error.min()
    assert error.max() <= found.contrast_errors[1] + 1e-9
    assert found.contrast_errors[0] <= found.pair_errors[0] + 1e-9
    assert found.contrast_errors[1] >= found.pair_errors[1] - 1e-9
    if size == 3:
        np.testing.assert_allclose(found.pair_errors, 0, atol=1e-9)


def test_quasi_variances_of_independent_scores_are_their_variances() -> None:
    own = np.array([0.2, 1.0, 3.0, 0.5])
    found = quasi_variances(fit_of(np.zeros(4), np.diag(own)))
    np.testing.assert_allclose(found.variances, own)
    np.testing.assert_allclose(found.interval()[:, 1], 1.959964 * np.sqrt(own), rtol=1e-6)


def test_quasi_variances_that_are_not_determined() -> None:
    with pytest.raises(ValueError, match="with 2 alternatives"):
        quasi_variances(fit_of(np.zeros(2), np.eye(2)))
    with pytest.raises(ValueError, match="has no variance"):
        quasi_variances(fit_of(np.zeros(4), np.diag([0.0, 0.0, 1.0, 1.0])))
    rng = np.random.default_rng(0)
    with pytest.raises(NotConverged) as stopped:
        quasi_variances(fit_of(np.zeros(6), covariance_of(rng, 6)), limit=1)
    assert len(stopped.value.partial.variances) == 6


def test_quasi_variances_of_a_published_covariance(data: Path) -> None:
    """Citations: BradleyTerryScalable's covariance relative to JASA, and the same from our own fit."""
    read = ingest.read_comparisons(
        data / "r_bradleyterry2/citations.csv", winner="cited", loser="citing", weight="Freq", skip=["self"]
    ).comparisons
    fit = models.bradley_terry(read)
    published = np.zeros((4, 4))
    order = [fit.position(name) for name in ("Biometrika", "Comm Statist", "JRSS-B")]
    published[np.ix_(order, order)] = [
        [0.003671841, 0.001396292, 0.001988435],
        [0.001396292, 0.009638953, 0.001172936],
        [0.001988435, 0.001172936, 0.005323938],
    ]
    own, theirs = quasi_variances(fit), quasi_variances(fit_of(np.zeros(4), published))
    np.testing.assert_allclose(own.variances, theirs.variances, rtol=5e-3)
    assert max(abs(error) for error in own.pair_errors) < 0.04


# Next pairs


def brute(kind: TieKind, tie: float, mean: float, error: float) -> float:
    """Mutual information by a sum over 200,001 points."""
    z = np.linspace(-11, 11, 200_001)
    weight = np.exp(-(z**2) / 2)
    weight /= weight.sum()
    logs = log_outcomes(kind, tie, mean + error * z)
    chance = np.exp(logs)

    def entropy(share: Floats) -> Floats:
        return -np.where(share > 0, share * np.log(np.where(share > 0, share, 1)), 0).sum(-1)

    return float(entropy(weight @ chance) - weight @ entropy(chance))


@pytest.mark.parametrize(
    ("kind", "tie"),
    [("none", 0.0), ("davidson", math.log(0.6)), ("davidson", 4.0), ("rao_kupper", 0.3), ("rao_kupper", 3.0)],
)
@pytest.mark.parametrize("error", [1e-3, 0.2, 0.25, 0.4, 0.9, 1.0, 1.001, 3.0, 40.0])
def test_information_is_the_integral(kind: TieKind, tie: float, error: float) -> None:
    means = np.array([0.0, 0.5, 3.0, 11.0])
    found = expected_information(kind, tie, means, np.full(4, error**2))
    np.testing.assert_allclose(found, [brute(kind, tie, mean, error) for mean in means], atol=3e-12)
    np.testing.assert_allclose(found, expected_information(kind, tie, -means, np.full(4, error**2)), atol=3e-12)
    assert found.max() <= math.log(2 if kind == "none" else 3)


def test_information_by_drawing_scores_and_outcomes() -> None:
    rng, mean, error = np.random.default_rng(8), 0.4, 0.9
    eta = mean + error * rng.normal(size=400_000)
    logs = log_outcomes("davidson", math.log(0.8), eta)
    edge = np.cumsum(np.exp(logs), 1)
    outcome = (rng.random(len(eta))[:, None] > edge).sum(1).clip(max=2)
    gain = logs[np.arange(len(eta)), outcome] - np.log(np.exp(logs).mean(0))[outcome]
    found = expected_information("davidson", math.log(0.8), np.array([mean]), np.array([error**2]))[0]
    assert abs(gain.mean() - found) < 4 * gain.std() / math.sqrt(len(eta))


def test_small_uncertainty_gives_half_the_fisher_information() -> None:
    found = expected_information("none", 0.0, np.array([1.0]), np.array([1e-4]))[0]
    slope = math.exp(-1) / (1 + math.exp(-1)) ** 2
    assert math.isclose(found, 1e-4 * slope / 2, rel_tol=1e-3)


def test_pairs_across_a_weak_link_come_first() -> None:
    rng = np.random.default_rng(9)
    within = [(*pair,) for block in ("abcd", "efgh") for pair in itertools.permutations(block, 2)] * 20
    across = [("d", "e"), ("e", "d")]
    winner, loser = zip(*within, *across, strict=True)
    fit = models.bradley_terry(ck.Comparisons(winner, loser))
    found = next_pairs(fit, 16)
    assert all((pair.first in "abcd") != (pair.second in "abcd") for pair in found)
    assert {(pair.first, pair.second) for pair in found[:9]} >= {("a", "f"), ("c", "h")}
    assert found[-1].first + found[-1].second == "de"  # the one pair across that has met
    assert [pair.gain for pair in found] == sorted((pair.gain for pair in found), reverse=True)
    variance = difference_variances(fit)
    gains = {
        (i, j): brute("none", 0.0, fit.scores[i] - fit.scores[j], math.sqrt(variance[i, j]))
        for i, j in itertools.combinations(range(8), 2)
    }
    named = {(fit.position(pair.first), fit.position(pair.second)): pair for pair in next_pairs(fit, 28)}
    assert named.keys() == gains.keys()
    for key, pair in named.items():
        assert abs(pair.gain - gains[key]) < 1e-11
        assert math.isclose(pair.error, math.sqrt(variance[key]))
        assert math.isclose(pair.difference, fit.scores[key[0]] - fit.scores[key[1]], abs_tol=1e-12)
    assert rng is not None


def test_planning_several_comparisons_spreads_them() -> None:
    """One comparison across the weak link takes most of what the next would tell; alone, all are across it."""
    within = [(*pair,) for block in ("abc", "def") for pair in itertools.permutations(block, 2)] * 2
    winner, loser = zip(*within, ("c", "d"), ("d", "c"), strict=True)
    fit = models.bradley_terry(ck.Comparisons(winner, loser))
    alone, plan = next_pairs(fit, 6), next_pairs(fit, 6, together=True)
    assert plan[0] == alone[0]
    assert plan[1].gain < alone[1].gain
    assert sum(pair.error**2 for pair in plan) < sum(pair.error**2 for pair in alone)
    first = plan[0]
    i, j = fit.position(first.first), fit.position(first.second)
    again = next_pairs(fit, 2, pairs=[(first.first, first.second)], together=True)[1]
    assert math.isclose(again.error**2, difference_variances(fit)[i, j] * math.exp(-2 * first.gain), rel_tol=1e-9)


def test_next_pairs_among_those_that_are_possible() -> None:
    votes = ck.Comparisons([*"abcd", *"abab"], [*"bcda", *"badc"], tie=[False] * 7 + [True])
    fit = models.bradley_terry(votes, ties="davidson")
    some = next_pairs(fit, pairs=[("d", "a"), ("b", "c"), ("d", "a")])
    assert {(pair.first, pair.second) for pair in some} == {("d", "a"), ("b", "c")}
    assert next_pairs(fit, 1)[0].gain >= some[0].gain
    with pytest.raises(KeyError, match="no alternative 'z'"):
        next_pairs(fit, pairs=[("a", "z")])
    with pytest.raises(ValueError, match="both sides"):
        next_pairs(fit, pairs=[("a", "a")])
    with pytest.raises(ValueError, match="two labels"):
        next_pairs(fit, pairs=[("a",)])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="two labels"):
        next_pairs(fit, pairs=[])
    with pytest.raises(ValueError, match="at least 1"):
        next_pairs(fit, 0)
    apart = models.bradley_terry(ck.Comparisons(list("abcd"), list("badc")), parts="separate")
    with pytest.raises(ValueError, match="fitted apart"):
        next_pairs(apart)
