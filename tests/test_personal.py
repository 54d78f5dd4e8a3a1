"""Scores for every voter: the bound against the integral, the steps against the book, truths that are found again."""

from __future__ import annotations

import csv
import gzip
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import choicekit as ck
from choicekit.kernels import personal as kernel
from choicekit.models import _variational as variational
from choicekit.models import bradley_terry
from choicekit.models import offsets as module
from choicekit.models.offsets import PersonalFit, choose_rank, personal

Array = np.ndarray


def sigmoid(x: Array | float) -> Any:
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


@st.composite
def said(draw: st.DrawFn, size: int = 4, voters: int = 7) -> ck.Comparisons:
    """Comparisons with weights and ties; every voter makes at least two."""
    pair = st.tuples(st.integers(0, size - 1), st.integers(1, size - 1)).map(lambda p: (p[0], (p[0] + p[1]) % size))
    row = st.tuples(pair, st.sampled_from([0.5, 1.0, 2.0]), st.booleans())
    rows = [(who, *draw(row)) for who in range(voters) for _ in range(draw(st.integers(1, 5)))]
    rows += [(who, (who % size, (who + 1) % size), 2.0, False) for who in range(voters)]
    return ck.Comparisons(
        [p[0] for _, p, _, _ in rows], [p[1] for _, p, _, _ in rows], weight=[w for _, _, w, _ in rows],
        tie=[t for _, _, _, t in rows], voter=[who for who, _, _, _ in rows],
    )  # fmt: skip


def drawn(
    voters: int, each: int, size: int, loadings: Array, seed: int = 0, *, camps: bool = False
) -> tuple[ck.Comparisons, Array]:
    """Comparisons from the model, and the voters' scores (mean zero); ``camps`` puts every voter at ±1."""
    rng = np.random.default_rng(seed)
    places = rng.normal(size=(voters, loadings.shape[1]))
    scores = rng.normal(0, 1, size) + (np.sign(places) if camps else places) @ loadings.T
    who = np.arange(voters).repeat(each)
    left = rng.integers(0, size, len(who))
    right = (left + rng.integers(1, size, len(who))) % size
    won = rng.random(len(who)) < sigmoid(scores[who, left] - scores[who, right])
    votes = ck.Comparisons(np.where(won, left, right), np.where(won, right, left), voter=who)
    return votes, scores - scores.mean(1)[:, None]


def cells_and_places(votes: ck.Comparisons, rank: int, seed: int = 0) -> tuple[variational.Cells, Array]:
    cells = variational.cells_of(votes, "half", votes.alternatives)
    return cells, np.random.default_rng(seed).normal(0, 1, (cells.size, rank + 1))


def coarse(cells: variational.Cells, w: Array) -> variational.Posterior:
    """Posteriors and bends that belong to each other, under the quadratic bound."""
    return variational.quadratic(cells, w, variational.nothing(cells), 1000, 1e-12)


BOUNDS = pytest.mark.parametrize("expect", [coarse, variational.settle], ids=["quadratic", "normal"])
Expect = Callable[[variational.Cells, Array], variational.Posterior]

# --- The bound ----------------------------------------------------------------------------------------------------


@given(st.floats(-30, 30), st.floats(-30, 30))
def test_the_quadratic_stays_below_and_touches(bend: float, x: float) -> None:
    """log σ(x) ≥ log σ(ξ) + (x − ξ)/2 − c/2·(x² − ξ²), with equal value and slope at x = ±ξ."""
    curvature = kernel.curvature(bend)

    def gap(at: float) -> float:
        bound = -np.logaddexp(0, -bend) + (at - bend) / 2 - curvature / 2 * (at**2 - bend**2)
        return float(-np.logaddexp(0, -at) - bound)

    assert gap(x) >= -1e-6
    for touching in (bend, -bend):
        assert abs(gap(touching)) < 1e-9
        slope = sigmoid(-touching) - (0.5 - curvature * touching)
        assert abs(slope) < 1e-6


def test_the_curvature_has_no_seam_at_nothing() -> None:
    assert kernel.curvature(0.0) == pytest.approx(0.25, abs=1e-15)
    for bend in (0.99e-4, 1.01e-4, 3e-4):
        assert kernel.curvature(bend) == pytest.approx(math.tanh(bend / 2) / (2 * bend), rel=1e-7)


def by_grid(votes: ck.Comparisons, who: int, w: Array, bends: dict[tuple[int, int], float] | None) -> Array:
    """log ∫, mean and variance of one voter's position on a line, under the likelihood or under its bound."""
    z = np.linspace(-9, 9, 6001)
    log = -(z**2) / 2 - math.log(2 * math.pi) / 2
    assert votes.voter is not None
    for a, b, weight, tie, mine in zip(votes.winner, votes.loser, votes.weight, votes.tie, votes.voter, strict=True):
        if mine != who:
            continue
        eta = w[a, 0] - w[b, 0] + (w[a, 1] - w[b, 1]) * z
        for sign, share in ((1, 0.5 if tie else 1.0), (-1, 0.5 if tie else 0.0)):
            if bends is None:
                log += weight * share * -np.logaddexp(0, -sign * eta)
            else:
                bend = bends[min(a, b), max(a, b)]
                curvature = math.tanh(bend / 2) / (4 * bend)
                log += weight * share * (
                    -np.logaddexp(0, -bend) + (sign * eta - bend) / 2 - curvature * (eta**2 - bend**2)
                )  # fmt: skip
    mass = np.exp(log - log.max())
    mean = (z * mass).sum() / mass.sum()
    return np.array([
        log.max() + math.log(mass.sum() * (z[1] - z[0])), mean, ((z - mean) ** 2 * mass).sum() / mass.sum()
    ])  # fmt: skip


@settings(max_examples=15)
@given(said(), st.integers(0, 5))
def test_posteriors_under_the_bound_by_integration(votes: ck.Comparisons, seed: int) -> None:
    cells, w = cells_and_places(votes, 1, seed)
    found = coarse(cells, w)
    pairs = list(zip(cells.first[cells.pair].tolist(), cells.second[cells.pair].tolist(), strict=True))
    for who in range(cells.voters):
        mine = slice(cells.start[who], cells.start[who + 1])
        bends = dict(zip(pairs[mine], found.bends[mine].tolist(), strict=True))
        log, mean, variance = by_grid(votes, who, w, bends)
        assert found.means[who, 0] == pytest.approx(mean, abs=1e-6)
        assert found.covariances[who, 0, 0] == pytest.approx(variance, rel=1e-5)
        assert found.bounds[who] == pytest.approx(log, abs=1e-6)
        exact = by_grid(votes, who, w, None)[0]
        assert found.bounds[who] <= exact + 1e-8
        assert found.bounds[who] > exact - 0.6
        for times in (0.8, 1.25):  # the bends are the best ones
            assert by_grid(votes, who, w, {key: bend * times for key, bend in bends.items()})[0] < log + 1e-9


def expected_loglik(votes: ck.Comparisons, who: int, w: Array, mean: Array, covariance: Array) -> float:
    """E[log-likelihood] of one voter's comparisons at a normal position, each by a fine sum over its own log-odds."""
    t = np.linspace(-9, 9, 4001)
    normal = np.exp(-(t**2) / 2)
    normal /= normal.sum()
    assert votes.voter is not None
    total = 0.0
    for a, b, weight, tie, mine in zip(votes.winner, votes.loser, votes.weight, votes.tie, votes.voter, strict=True):
        gap = w[a] - w[b]
        eta = gap[0] + gap[1:] @ mean + math.sqrt(gap[1:] @ covariance @ gap[1:]) * t
        for sign, share in ((1, 0.5 if tie else 1.0), (-1, 0.5 if tie else 0.0)):
            total -= (mine == who) * weight * share * (normal @ np.logaddexp(0, -sign * eta))
    return float(total)


@settings(max_examples=6)
@given(said(), st.integers(0, 5), st.integers(1, 2))
def test_normal_posteriors_are_the_best(votes: ck.Comparisons, seed: int, rank: int) -> None:
    """The bound by its definition, E[log p] less the divergence from the prior, and no neighbour has a higher one."""
    cells, w = cells_and_places(votes, rank, seed)
    w *= 0.7
    found = variational.settle(cells, w)
    rng = np.random.default_rng(seed)

    def elbo(who: int, mean: Array, covariance: Array) -> float:
        divergence = (np.trace(covariance) + mean @ mean - rank - np.linalg.slogdet(covariance)[1]) / 2
        return expected_loglik(votes, who, w, mean, covariance) - divergence

    for who in (0, 3):
        mean, covariance = found.means[who], found.covariances[who]
        here = elbo(who, mean, covariance)
        assert found.bounds[who] == pytest.approx(here, abs=1e-4)
        np.testing.assert_allclose(covariance, covariance.T, atol=1e-12)
        for _ in range(5):
            turn = rng.normal(size=(rank, rank))
            for size in (0.05, -0.05):
                assert elbo(who, mean + size * rng.normal(size=rank), covariance) < here + 1e-6
                changed = np.eye(rank) + size * (turn + turn.T)
                assert elbo(who, mean, changed @ covariance @ changed) < here + 1e-6


@pytest.mark.parametrize("weight", [1.0, 30.0, 1000.0])
def test_posteriors_rise_from_wherever_they_begin(weight: float) -> None:
    """From the prior, with evidence that is overwhelming and contradictory: whole steps would overshoot."""
    votes, _ = drawn(30, 5, 5, np.random.default_rng(0).normal(size=(5, 2)), seed=3)
    heavy = ck.Comparisons(votes.winner, votes.loser, voter=votes.voter, weight=np.full(len(votes), weight))
    cells, w = cells_and_places(heavy, 2)
    w *= 3
    begin = variational.nothing(cells)._replace(means=np.zeros((30, 2)), covariances=np.stack([np.eye(2)] * 30))
    steps = [variational.normal(cells, w, begin)]
    for _ in range(60):
        steps.append(variational.normal(cells, w, steps[-1]))
        assert (steps[-1].bounds >= steps[-2].bounds - 1e-9 * np.abs(steps[-2].bounds)).all()
    np.testing.assert_allclose(steps[-1].bounds, variational.settle(cells, w).bounds, rtol=1e-6)


@settings(max_examples=15)
@given(said(), st.integers(0, 5))
def test_the_normal_bound_lies_between_the_quadratic_one_and_the_truth(votes: ck.Comparisons, seed: int) -> None:
    cells, w = cells_and_places(votes, 1, seed)
    low, high = coarse(cells, w).bounds, variational.settle(cells, w).bounds
    assert (high >= low - 1e-6).all()
    for who in range(cells.voters):
        exact = by_grid(votes, who, w, None)[0]
        assert exact - 0.05 < high[who] <= exact + 1e-4  # quadrature leaves 1e-4


@given(st.floats(-20, 20), st.floats(0, 2))
def test_expectations_over_log_odds(mean: float, spread: float) -> None:
    """E[log(1 + e^η)] against a fine sum; its slopes by central differences of itself."""
    nodes, weights = variational.quadrature()
    value, chance, slope = kernel._expected(mean, spread, nodes, weights)
    t = np.linspace(-9, 9, 4001)
    normal = np.exp(-(t**2) / 2)
    assert value == pytest.approx(float(np.logaddexp(0, mean + spread * t) @ normal / normal.sum()), abs=2e-4)

    def at(middle: float, variance: float) -> float:
        return kernel._expected(middle, math.sqrt(variance), nodes, weights)[0]

    assert chance == pytest.approx((at(mean + 1e-4, spread**2) - at(mean - 1e-4, spread**2)) / 2e-4, abs=1e-6)
    if spread > 0.1:
        assert slope == pytest.approx((at(mean, spread**2 + 1e-4) - at(mean, spread**2 - 1e-4)) / 1e-4, abs=1e-4)


@given(st.floats(0, 1))
def test_the_series_is_the_logarithm(tail: float) -> None:
    assert kernel._log1p(tail) == pytest.approx(math.log1p(tail), rel=1e-13, abs=1e-300)


def test_the_kernel_reads_its_cells_by_the_book() -> None:
    """Two axes, one pass from given bends: precision and pull of each voter summed row by row."""
    votes, _ = drawn(9, 6, 5, np.ones((5, 2)), seed=2)
    cells, w = cells_and_places(votes, 2)
    bends = np.random.default_rng(1).uniform(0.2, 3, len(cells.pair))
    means, covariances, renewed, _ = kernel.positions(
        cells.first, cells.second, cells.pair, cells.count, cells.won, cells.start, w, bends, 1, 0.0
    )
    for who in range(9):
        precision, pull = np.eye(2), np.zeros(2)
        for c in range(cells.start[who], cells.start[who + 1]):
            gap = w[cells.first[cells.pair[c]]] - w[cells.second[cells.pair[c]]]
            weight = 2 * cells.count[c] * math.tanh(bends[c] / 2) / (4 * bends[c])
            precision += weight * np.outer(gap[1:], gap[1:])
            pull += (cells.won[c] - cells.count[c] / 2 - weight * gap[0]) * gap[1:]
        np.testing.assert_allclose(covariances[who], np.linalg.inv(precision), rtol=1e-10)
        np.testing.assert_allclose(means[who], np.linalg.solve(precision, pull), rtol=1e-9, atol=1e-12)
        for c in range(cells.start[who], cells.start[who + 1]):
            gap = w[cells.first[cells.pair[c]]] - w[cells.second[cells.pair[c]]]
            square = (gap[0] + gap[1:] @ means[who]) ** 2 + gap[1:] @ covariances[who] @ gap[1:]
            assert renewed[c] == pytest.approx(math.sqrt(square))


# --- Scores and loadings ------------------------------------------------------------------------------------------


def bound(cells: variational.Cells, w: Array, precision: Array, expect: Expect = variational.settle) -> float:
    return float(expect(cells, w).bounds.sum() - 0.5 * (precision * w**2).sum())


def moments(cells: variational.Cells, found: variational.Posterior) -> tuple[Array, Array, Array]:
    return kernel.moments(
        cells.first, cells.second, cells.pair, cells.count, cells.start, found.surplus, found.slope, found.means,
        found.covariances, cells.size,
    )  # fmt: skip


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_scores_and_loadings_solve_the_books_equations(rank: int) -> None:
    """Under the quadratic bound, alternative by alternative and row by row."""
    votes, _ = drawn(12, 9, 6, np.ones((6, 2)), seed=3)
    cells, w = cells_and_places(votes, rank)
    found = coarse(cells, w)
    precision = np.array([0.5] + [2.0] * rank)
    blocks, pull, met = moments(cells, found)
    solved, gradient = kernel.solve(cells.first, cells.second, blocks, pull, precision, w, 1e-13)
    terms = rank + 1
    matrix, target = np.diag(np.tile(precision, 6)), np.zeros((6, terms))
    for who in range(12):
        x = np.concatenate([[1.0], found.means[who]])
        square = np.outer(x, x)
        square[1:, 1:] += found.covariances[who]
        for c in range(cells.start[who], cells.start[who + 1]):
            side = np.zeros(6)
            side[cells.first[cells.pair[c]]], side[cells.second[cells.pair[c]]] = 1, -1
            weight = cells.count[c] * math.tanh(found.bends[c] / 2) / (2 * found.bends[c])
            matrix += weight * np.kron(np.outer(side, side), square)
            target += (cells.won[c] - cells.count[c] / 2) * np.outer(side, x)
    np.testing.assert_allclose(solved.ravel(), np.linalg.solve(matrix, target.ravel()), atol=1e-9)
    np.testing.assert_allclose(gradient.ravel(), target.ravel() - matrix @ w.ravel(), atol=1e-9)
    np.testing.assert_allclose(met, np.bincount(np.concatenate([votes.winner, votes.loser]), minlength=6))


@BOUNDS
@settings(max_examples=8)
@given(votes=said(), seed=st.integers(0, 5), rank=st.integers(1, 3))
def test_the_gradient_is_that_of_the_bound(expect: Expect, votes: ck.Comparisons, seed: int, rank: int) -> None:
    cells, w = cells_and_places(votes, rank, seed)
    precision = np.array([0.5] + [2.0] * rank)
    blocks, pull, _ = moments(cells, expect(cells, w))
    _, gradient = kernel.solve(cells.first, cells.second, blocks, pull, precision, w, 1e-9)
    for i in range(cells.size):
        for a in range(rank + 1):
            step = np.zeros_like(w)
            step[i, a] = 1e-5
            slope = (bound(cells, w + step, precision, expect) - bound(cells, w - step, precision, expect)) / 2e-5
            assert gradient[i, a] == pytest.approx(slope, abs=1e-4)


@settings(max_examples=20)
@given(said(), st.integers(1, 3), st.sampled_from([0.3, 3.0]))
def test_the_bound_never_falls_and_ends_level(votes: ck.Comparisons, rank: int, variance: float) -> None:
    fit = personal(votes, rank=rank, prior=variance, offset_prior=1.0, tolerance=1e-7)
    steps = np.diff(fit.history)
    assert (steps >= -1e-11 * abs(fit.elbo)).all()
    assert fit.residual <= 1e-7
    assert fit.elbo == pytest.approx(fit.history[-1], abs=1e-6 * abs(fit.elbo))
    cells = variational.cells_of(votes, "half", votes.alternatives)
    w, precision = np.column_stack([fit.scores, fit.loadings]), np.array([1 / variance] + [1.0] * rank)
    rng = np.random.default_rng(0)
    for _ in range(4):
        step = rng.normal(size=w.shape)
        step *= 1e-3 / np.linalg.norm(step)
        slope = (bound(cells, w + step, precision) - bound(cells, w - step, precision)) / 2e-3
        assert abs(slope) < 1e-3


@BOUNDS
@settings(max_examples=10)
@given(votes=said(), angle=st.floats(-3, 3))
def test_turning_the_axes_changes_nothing(expect: Expect, votes: ck.Comparisons, angle: float) -> None:
    cells, w = cells_and_places(votes, 2)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    turned = np.column_stack([w[:, 0], w[:, 1:] @ turn])
    precision = np.array([1.0, 0.5, 0.5])
    assert bound(cells, turned, precision, expect) == pytest.approx(bound(cells, w, precision, expect), abs=1e-8)
    one, two = variational.principal(w[:, 1:])[0], variational.principal(turned[:, 1:])[0]
    np.testing.assert_allclose(one, two, atol=1e-9)
    square = one.T @ one
    assert abs(square[0, 1]) < 1e-9
    assert square[0, 0] >= square[1, 1]
    np.testing.assert_allclose(one.sum(0), 0, atol=1e-9)
    centred = w[:, 1:] - w[:, 1:].mean(0)
    np.testing.assert_allclose(one @ one.T, centred @ centred.T, atol=1e-9)
    assert (np.take_along_axis(one, np.abs(one).argmax(0)[None], 0) > 0).all()


def test_axes_are_orthogonal_and_ordered() -> None:
    votes, _ = drawn(80, 25, 6, np.random.default_rng(4).normal(size=(6, 2)) * [0.4, 1.5], seed=4)
    fit = personal(votes, rank=2)
    product = fit.loadings.T @ fit.loadings
    assert abs(product[0, 1]) < 1e-8
    np.testing.assert_allclose(fit.variances, np.diag(product) / 6)
    assert fit.shares[0] > fit.shares[1] > 0
    assert fit.shares.sum() == pytest.approx(1)
    np.testing.assert_allclose(fit.loadings.sum(0), 0, atol=1e-12)
    assert fit.scores.sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(fit.voter_scores.sum(1), 0, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_every_beginning_leads_to_the_same_end(seed: int) -> None:
    votes, _ = drawn(60, 20, 5, np.random.default_rng(seed).normal(size=(5, 2)), seed=seed)
    ends = [personal(votes, rank=2, restarts=1, rng=k, tolerance=1e-8) for k in range(4)]
    for other in ends[1:]:
        assert other.elbo == pytest.approx(ends[0].elbo, abs=1e-6)
        np.testing.assert_allclose(other.loadings, ends[0].loadings, atol=1e-3)
        np.testing.assert_allclose(other.voter_scores, ends[0].voter_scores, atol=1e-3)


def test_names_and_order_decide_nothing() -> None:
    votes, _ = drawn(40, 20, 5, np.random.default_rng(0).normal(size=(5, 2)), seed=1)
    rng = np.random.default_rng(8)
    names, people, rows = rng.permutation(5), rng.permutation(40), rng.permutation(len(votes))
    assert votes.voter is not None
    again = ck.Comparisons(names[votes.winner][rows], names[votes.loser][rows], voter=people[votes.voter][rows])
    one, two = (personal(each, tolerance=1e-9) for each in (votes, again))
    assert two.elbo == pytest.approx(one.elbo, abs=1e-8)
    np.testing.assert_allclose(two.scores[names], one.scores, atol=1e-5)
    np.testing.assert_allclose(two.loadings[names], one.loadings, atol=1e-5)
    np.testing.assert_allclose(two.positions[people], one.positions, atol=1e-4)
    np.testing.assert_allclose(two.covariances[people], one.covariances, atol=1e-4)


@settings(max_examples=20)
@given(said(), st.sampled_from([0.1, 1.0, 30.0]), st.sampled_from(["half", "drop"]))
def test_no_axes_is_bradley_and_terry(votes: ck.Comparisons, prior: float, ties: Any) -> None:
    one = personal(votes, rank=0, prior=prior, ties=ties, tolerance=1e-9)
    other = bradley_terry(votes, prior=prior, ties=ties)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    assert one.elbo == pytest.approx(other.loglik - float((other.scores**2).sum()) / (2 * prior), abs=1e-7)
    np.testing.assert_allclose(one.voter_scores, np.tile(other.scores, (len(votes.voters), 1)), atol=1e-6)
    assert (one.loadings.shape, one.positions.shape) == ((4, 0), (7, 0))
    win = one.predict(0, 1, 2).win[0]
    assert win == pytest.approx(sigmoid(other.scores[1] - other.scores[2]), abs=1e-6)


def test_a_weight_is_so_many_rows_and_a_tie_two_halves() -> None:
    columns: dict[str, Any] = {"voter": [0, 0, 1, 1, 2, 2, 3, 3]}
    votes = ck.Comparisons(list("abcabcab"), list("bcabcabc"), weight=[1, 2, 3, 1, 2, 3, 1, 2],
                           tie=[False, True] * 4, **columns)  # fmt: skip
    first, second, who = [], [], []
    for row, (a, b) in enumerate(zip("abcabcab", "bcabcabc", strict=True)):
        times = 2 * int(votes.weight[row])
        back = times // 2 if votes.tie[row] else 0
        first += [a] * (times - back) + [b] * back
        second += [b] * (times - back) + [a] * back
        who += [columns["voter"][row]] * times
    halves = ck.Comparisons(first, second, voter=who, weight=[0.5] * len(who))
    one, two = personal(votes, tolerance=1e-9), personal(halves, tolerance=1e-9)
    np.testing.assert_allclose(one.voter_scores, two.voter_scores, atol=1e-6)
    assert one.comparisons == two.comparisons == 15


# --- What is found again ------------------------------------------------------------------------------------------


def correlation(one: Array, other: Array) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def held_out(fit: PersonalFit, votes: ck.Comparisons) -> float:
    """The mean log-likelihood of other comparisons of the same voters."""
    labels = [[names[code] for code in codes] for names, codes in (
        (votes.voters, votes.voter), (votes.alternatives, votes.winner), (votes.alternatives, votes.loser)
    )]  # fmt: skip
    return float(np.log(fit.predict(*labels).win).mean())


@pytest.mark.parametrize("camps", [True, False], ids=["two camps", "an axis"])
def test_what_voters_think_is_found_again(camps: bool) -> None:
    loadings = np.array([[1.5], [0.8], [0.1], [-0.6], [-0.2], [-1.6]])
    votes, truth = drawn(150, 60, 6, loadings, seed=5, camps=camps)
    train = np.arange(len(votes)) % 60 < 45
    assert votes.voter is not None
    part = [ck.Comparisons(votes.winner[rows], votes.loser[rows], voter=votes.voter[rows]) for rows in (train, ~train)]
    fit = personal(part[0], rank=1)
    assert correlation(fit.voter_scores, truth) > 0.95
    assert correlation(fit.voter_scores - fit.scores, truth - truth.mean(0)) > 0.9
    assert abs(correlation(fit.loadings, loadings)) > 0.98
    pooled = personal(part[0], rank=0)
    assert held_out(fit, part[1]) > held_out(pooled, part[1]) + 0.05
    if camps:
        sides = np.sign(truth[:, 0] - truth[:, 0].mean())
        agree = (np.sign(fit.positions[:, 0]) == sides).mean()
        assert max(agree, 1 - agree) > 0.97


def test_two_axes_and_their_lengths() -> None:
    loadings = np.random.default_rng(6).normal(size=(8, 2))
    votes, truth = drawn(250, 80, 8, loadings, seed=6)
    fit = personal(votes, rank=2)
    assert correlation(fit.voter_scores, truth) > 0.95
    centred = loadings - loadings.mean(0)
    lengths = np.sqrt(np.linalg.eigvalsh(centred.T @ centred / 8)[::-1])
    ratio = np.sqrt(fit.variances) / lengths
    assert ((ratio > 0.9) & (ratio < 1.1)).all()


def test_offsets_are_not_lost_where_voters_say_little() -> None:
    """Ten comparisons each: lengths within a fifth of the truth (half of it, were the quadratic bound the last)."""
    loadings = np.random.default_rng(6).normal(size=(8, 1))
    votes, _ = drawn(500, 10, 8, loadings, seed=1)
    fit = personal(votes, rank=1)
    centred = loadings - loadings.mean(0)
    assert math.sqrt(fit.variances[0]) == pytest.approx(math.sqrt((centred**2).mean()), rel=0.2)


def test_intervals_of_voters_hold_what_they_promise() -> None:
    """95 % of how far voters put the two ends of the axis apart (where the loadings, taken as known, matter least)."""
    loadings = np.random.default_rng(3).normal(size=(6, 1))
    votes, truth = drawn(400, 30, 6, loadings, seed=8)
    fit = personal(votes, rank=1)
    one, other = int(loadings.argmax()), int(loadings.argmin())
    held = 0
    for who in range(400):
        told = fit.voter(who).estimates
        apart = told.values[one] - told.values[other] - (truth[who, one] - truth[who, other])
        side = np.eye(6)[one] - np.eye(6)[other]
        held += abs(apart) < 1.96 * math.sqrt(side @ told.covariance @ side)
    assert 0.91 < held / 400 < 0.98


def test_a_voter_with_nothing_else_to_say_is_the_populations() -> None:
    """Nobody differs: loadings vanish, and all have the scores of everybody."""
    votes, _ = drawn(100, 20, 5, np.zeros((5, 1)), seed=3)
    fit = personal(votes, rank=1)
    assert fit.variances.max() < 0.02
    np.testing.assert_allclose(fit.scores, bradley_terry(votes, prior=1.0).scores, atol=0.02)


# --- Voters, old and new ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted() -> tuple[ck.Comparisons, PersonalFit]:
    votes, _ = drawn(50, 20, 6, np.random.default_rng(7).normal(size=(6, 2)), seed=7)
    return votes, personal(votes, rank=2, tolerance=1e-9)


def rows_of(votes: ck.Comparisons, who: int) -> ck.Comparisons:
    mine = votes.voter == who
    return ck.Comparisons(votes.winner[mine], votes.loser[mine])


def test_a_voter_located_again_is_where_they_were(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    votes, fit = fitted
    for who in (0, 17):
        known, found = fit.voter(who), fit.locate(rows_of(votes, who))
        np.testing.assert_allclose(found.position, known.position, atol=1e-8)
        np.testing.assert_allclose(found.covariance, known.covariance, atol=1e-8)
        np.testing.assert_allclose(found.estimates.values, fit.voter_scores[who], atol=1e-8)
        assert found.comparisons == known.comparisons == 20


def test_the_more_is_said_the_surer_the_place(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    votes, fit = fitted
    assert votes.voter is not None
    mine = np.flatnonzero(votes.voter == 3)
    volumes = [
        np.linalg.det(fit.locate(ck.Comparisons(votes.winner[mine[:n]], votes.loser[mine[:n]])).covariance)
        for n in (1, 5, 20)
    ]
    assert 1 > volumes[0] > volumes[1] > volumes[2] > 0


def test_scores_of_a_voter_carry_their_posterior(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    _, fit = fitted
    who = fit.voter(4)
    np.testing.assert_allclose(who.estimates.values, fit.scores + fit.loadings @ fit.positions[4], atol=1e-12)
    draws = np.random.default_rng(0).multivariate_normal(fit.positions[4], fit.covariances[4], 200_000)
    scores = fit.scores + draws @ fit.loadings.T
    np.testing.assert_allclose(who.estimates.standard_errors, scores.std(0), rtol=0.01)
    win = who.predict(0, 5)
    chances = sigmoid(scores[:, 0] - scores[:, 5])
    assert win.win[0] == pytest.approx(chances.mean(), abs=2e-3)
    assert win.errors[0, 0] == pytest.approx(chances.std(), abs=2e-3)
    assert (win.tie[0], win.win[0] + win.loss[0]) == (0.0, pytest.approx(1))


def test_predictions_one_by_one_and_together(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    _, fit = fitted
    together = fit.predict([4, 9, 4], [0, 1, 2], [5, 5, 0])
    single = [fit.voter(v).predict(a, b).win[0] for v, a, b in ((4, 0, 5), (9, 1, 5), (4, 2, 0))]
    np.testing.assert_allclose(together.win, single, atol=1e-12)
    np.testing.assert_allclose(fit.predict(4, [0, 1, 2], 5).win, fit.voter(4).predict([0, 1, 2], 5).win, atol=1e-12)
    np.testing.assert_allclose(fit.predict([4, 9], 0, 5).win,
                               [fit.predict(4, 0, 5).win[0], fit.predict(9, 0, 5).win[0]])  # fmt: skip
    np.testing.assert_allclose(fit.predict(4, 5, 0).win, fit.predict(4, 0, 5).loss, atol=1e-12)


def test_one_who_was_unsure_is_predicted_with_more_caution(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    """Integrating over the posterior pulls chances towards a half."""
    _, fit = fitted
    for who in range(20):
        voter = fit.voter(who)
        gap = voter.estimates.values[0] - voter.estimates.values[1]
        assert abs(voter.predict(0, 1).win[0] - 0.5) <= abs(sigmoid(gap) - 0.5) + 1e-12


def test_strings_and_tuples_are_labels() -> None:
    columns = [("x", 1), ("x", 1), ("y", 2), ("y", 2)] * 2, [("y", 2), ("y", 2), ("x", 1), ("x", 1)] * 2
    fit = personal(ck.Comparisons(*columns, voter=["ann", "ann", "bob", "bob", "cy", "cy", "di", "di"]), rank=1)
    assert fit.predict("ann", ("x", 1), ("y", 2)).win.shape == (1,)
    assert fit.voter("bob").predict(("y", 2), [("x", 1)]).win[0] > 0.5


# --- How many axes ------------------------------------------------------------------------------------------------


def test_voters_who_are_alike_get_no_axes() -> None:
    for seed in range(3):
        votes, _ = drawn(60, 20, 5, np.zeros((5, 1)), seed=seed)
        assert choose_rank(votes, candidates=(0, 1, 2)).rank == 0


@pytest.mark.parametrize("rank", [1, 2])
def test_as_many_axes_as_there_are(rank: int) -> None:
    loadings = 1.3 * np.random.default_rng(rank).normal(size=(6, rank))
    votes, _ = drawn(120, 40, 6, loadings, seed=rank)
    found = choose_rank(votes)
    assert found.rank == rank
    assert found.heldout[rank] > found.heldout[0] + 0.02
    assert found.candidates == (0, 1, 2, 3)
    assert found.errors[found.heldout.argmax()] == 0


def test_held_out_likelihood_by_the_book() -> None:
    """Without axes: Bradley–Terry fits to what is kept of each fold, scored on what is not."""
    votes, _ = drawn(20, 7, 4, np.ones((4, 1)), seed=2)
    found = choose_rank(votes, candidates=(0,), folds=3, rng=5)
    assert votes.voter is not None
    fold = module._deal(votes.voter, 3, np.random.default_rng(5))
    total = np.zeros(20)
    for part in range(3):
        kept, out = fold != part, np.flatnonzero(fold == part)
        scores = bradley_terry(ck.Comparisons(votes.winner[kept], votes.loser[kept]), prior=1.0).scores
        gap = scores[votes.winner[out]] - scores[votes.loser[out]]
        total += np.bincount(votes.voter[out], -np.logaddexp(0, -gap), 20)
    assert found.heldout[0] == pytest.approx(total.sum() / len(votes), abs=1e-4)


@given(st.lists(st.integers(0, 4), min_size=5, max_size=60), st.integers(2, 5))
def test_every_voters_rows_are_dealt_evenly(voter: list[int], folds: int) -> None:
    fold = module._deal(np.array(voter), folds, np.random.default_rng(0))
    for who in set(voter):
        sizes = np.bincount(fold[np.array(voter) == who], minlength=folds)
        assert sizes.max() - sizes.min() <= 1


def test_what_is_held_out_and_kept_is_everything() -> None:
    votes, _ = drawn(10, 9, 4, np.ones((4, 1)), seed=2)
    cells = variational.cells_of(votes, "half", votes.alternatives)
    held = np.random.default_rng(0).random(len(votes)) < 0.3
    kept, out = cells.without(held)
    np.testing.assert_allclose(kept.count + out.count, cells.count)
    np.testing.assert_allclose(kept.won + out.won, cells.won)
    assert out.count.sum() == held.sum()


# --- Real people --------------------------------------------------------------------------------------------------


def test_german_parties(data: Path) -> None:
    """192 people on six parties: far from one mind, and the longest axis runs from left to right."""
    with gzip.open(data / "r_psychotools" / "german_parties_pairs.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    winner = [row["a"] if row["y"] == "1" else row["b"] for row in rows]
    loser = [row["b"] if row["y"] == "1" else row["a"] for row in rows]
    votes = ck.Comparisons(winner, loser, voter=[row["respondent"] for row in rows])
    fit = personal(votes, rank=2)
    assert len(fit.voters) == 192
    assert fit.shares[0] > 0.8
    along = dict(zip(fit.alternatives, fit.loadings[:, 0].tolist(), strict=True))
    assert along["Linke"] > along["Gruene"] > along["SPD"] > 0 > along["FDP"]
    assert along["CDU/CSU"] < -1
    found = choose_rank(votes)
    assert found.rank >= 2
    assert found.heldout[found.rank] > found.heldout[0] + 0.15


# --- Refusals -----------------------------------------------------------------------------------------------------

FEW = ck.Comparisons(list("aabb") * 2, list("bbaa") * 2, voter=[0, 0, 1, 1, 2, 2, 3, 3])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"rank": 2}, r"a rank must be a whole number from 0 to 1 \(the alternatives less one\), got 2"),
        ({"rank": -1}, "got -1"),
        ({"rank": 1.5}, "got 1.5"),
        ({"prior": 0.0}, "prior must be a positive variance, got 0.0"),
        ({"prior": None}, "prior must be a positive variance, got None"),
        ({"offset_prior": math.inf}, "offset_prior must be a positive variance, got inf"),
        ({"ties": "davidson"}, "ties must be 'half' or 'drop', got 'davidson'"),
        ({"restarts": 0}, "restarts and limit must be at least 1, got 0 and 1000"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        personal(FEW, **({"rank": 1} | changes))


def test_voters_must_be_known() -> None:
    with pytest.raises(ValueError, match="personal: needed Comparisons that say who made each; give voter="):
        personal(ck.Comparisons(["a"], ["b"]))
    with pytest.raises(ValueError, match="choose_rank: needed Comparisons that say who"):
        choose_rank(ck.Comparisons(["a"], ["b"]))


def test_too_few_voters_who_say_enough_are_refused() -> None:
    three = ck.Comparisons(list("aabbcc"), list("bcacab"), voter=[0, 0, 1, 1, 2, 2])
    with pytest.raises(ValueError, match="2 axes need 4 voters with two comparisons or more, got 3; gather more"):
        personal(three)
    assert personal(three, rank=1).converged
    single = ck.Comparisons(list("abcabc"), list("bcacab"), voter=range(6))
    with pytest.raises(ValueError, match="1 axes need 3 voters with two comparisons or more, got 0"):
        personal(single, rank=1)
    with pytest.raises(ValueError, match="choose_rank: a rank must be a whole number from 0 to 2"):
        choose_rank(three)
    assert personal(single, rank=0).converged


def test_voters_who_say_little_are_pointed_out_and_stay_in_the_middle() -> None:
    votes = ck.Comparisons([*"aabb" * 2, "a"], [*"bbaa" * 2, "b"], voter=[0, 0, 1, 1, 2, 2, 3, 3, 4])
    with pytest.warns(UserWarning, match="1 of 5 voters have fewer than two comparisons; their positions say little"):
        fit = personal(votes, rank=1)
    assert abs(fit.positions[4, 0]) < abs(fit.positions[0, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        personal(votes, rank=0)


def test_a_voter_whose_rows_are_all_dropped_is_where_the_prior_is() -> None:
    votes = ck.Comparisons([*"aabb" * 2, "a"], [*"bbaa" * 2, "b"], voter=[0, 0, 1, 1, 2, 2, 3, 3, 4],
                           tie=[False] * 8 + [True])  # fmt: skip
    with pytest.warns(UserWarning, match="1 of 5 voters"):
        fit = personal(votes, rank=1, ties="drop")
    assert (fit.positions[4, 0], fit.covariances[4, 0, 0], fit.voter(4).comparisons) == (0.0, 1.0, 0.0)
    with pytest.raises(ValueError, match="personal: no comparison is left once ties are dropped"):
        personal(ck.Comparisons(["a"], ["b"], tie=[True], voter=[1]), rank=0, ties="drop")


def test_a_climb_that_is_cut_short_says_so_and_hands_over_what_it_has() -> None:
    votes, _ = drawn(40, 20, 5, np.ones((5, 1)), seed=1)
    with pytest.raises(ck.NotConverged, match=r"personal: residual .* after 3 steps, above the tolerance") as caught:
        personal(votes, limit=3)
    assert not caught.value.partial.converged
    assert caught.value.partial.voter_scores.shape == (40, 5)
    assert caught.value.partial.iterations == 3
    assert (np.diff(caught.value.partial.history) > -1e-9).all()


def test_strangers_are_refused(fitted: tuple[ck.Comparisons, PersonalFit]) -> None:
    _, fit = fitted
    with pytest.raises(KeyError, match="no voter 'zoe'"):
        fit.voter("zoe")
    with pytest.raises(KeyError, match="no alternative 77"):
        fit.predict(1, 77, 0)
    with pytest.raises(ValueError, match=r"locate: the fit has no alternatives .*77"):
        fit.locate(ck.Comparisons([77], [0]))
    with pytest.raises(ValueError, match="needed two equally long lists, got 2 and 3"):
        fit.predict(1, [0, 1], [1, 2, 3])
    with pytest.raises(ValueError, match="needed as many voters as pairs, got 2 voters and 3 pairs"):
        fit.predict([1, 2], [0, 1, 2], [1, 2, 3])


@pytest.mark.parametrize(("folds", "candidates"), [(1, (0,)), (2, ())])
def test_a_choice_needs_folds_and_candidates(folds: int, candidates: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="choose_rank: needed two folds or more and candidates"):
        choose_rank(FEW, folds=folds, candidates=candidates)
