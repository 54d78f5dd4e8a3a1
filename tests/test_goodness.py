"""Deviance, calibration, cycles and held-out likelihood: published numbers, slow twins, and chance as it should be."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import choicekit as ck
from choicekit import ingest, models
from choicekit.models.cycles import hodge
from choicekit.models.fit import Fit
from choicekit.models.goodness import calibration, deviance_bootstrap, deviance_test
from choicekit.models.heldout import held_out
from choicekit.models.prediction import log_outcomes

Floats = NDArray[np.float64]


def baseball(data: Path) -> ck.Comparisons:
    """Home wins and away wins of each pair of teams at each home."""
    rows = np.genfromtxt(data / "r_bradleyterry2/baseball.csv", delimiter=",", names=True, dtype=None, encoding="utf-8")
    home, away = rows["hometeam"].tolist(), rows["awayteam"].tolist()
    weight, order = [*rows["homewins"], *rows["awaywins"]], [1] * len(home) + [-1] * len(home)
    return ck.Comparisons([*home, *away], [*away, *home], weight=weight, order=order)


def counted(data: Path, file: str, **roles: Any) -> ck.Comparisons:
    return ingest.read_comparisons(data / file, skip=["self"], **roles).comparisons


def round_robin(
    rng: np.random.Generator, scores: Floats, games: int, nu: float = 0.0, pairs: Any = None
) -> ck.PairCounts:
    """Drawn outcomes of every pair, with Davidson's ties."""
    size = len(scores)
    names = [f"{number:03d}" for number in range(size)]
    rows = []
    for i, j in pairs or itertools.combinations(range(size), 2):
        logs = log_outcomes("davidson" if nu else "none", math.log(nu) if nu else 0.0, scores[i] - scores[j])
        share = np.exp(logs) / np.exp(logs).sum()
        won, tied, lost = rng.multinomial(games, share).tolist()
        rows += [(i, j, won, False), (j, i, lost, False), (i, j, tied, True)]
    winner, loser, weight, tie = zip(*rows, strict=True)
    label = [names[a] for a in winner], [names[a] for a in loser]
    return ck.Comparisons(*label, weight=weight, tie=tie).counts()


# Deviance


def test_published_deviances(data: Path) -> None:
    """BradleyTerry2's residual deviances (Agresti's examples), in its cells."""
    citations = counted(data, "r_bradleyterry2/citations.csv", winner="cited", loser="citing", weight="Freq")
    found = deviance_test(models.bradley_terry(citations), citations.counts())
    assert (round(found.deviance, 4), found.degrees, found.caution) == (4.2934, 3, "")
    assert 0.2 < found.p_value < 0.3
    games = baseball(data)
    cells = games.counts("order")
    plain = deviance_test(models.bradley_terry(games), cells)
    assert (round(plain.deviance, 4), plain.degrees) == (44.0535, 36)
    home = deviance_test(models.bradley_terry(games, order=True), cells)
    assert (round(home.deviance, 4), home.degrees) == (38.6429, 35)
    assert "below 5" in home.caution


def test_celebrities_do_not_lie_on_one_scale(data: Path) -> None:
    """The classic case of a bad fit (Rumelhart and Greeno 1971)."""
    votes = counted(data, "r_eba/celebrities.csv", winner="row", loser="col", weight="n")
    fit = models.bradley_terry(votes)
    found = deviance_test(fit, votes.counts())
    assert found.degrees == 28
    assert found.p_value < 1e-4
    assert found.caution == ""
    assert deviance_bootstrap(fit, votes.counts(), replicates=99).p_value == 0.01
    assert hodge(votes).p_value < 0.01


def test_the_deviance_is_that_of_the_saturated_model() -> None:
    rng = np.random.default_rng(1)
    for ties, nu in (("half", 0.0), ("davidson", 0.7), ("rao_kupper", 0.7)):
        counts = round_robin(rng, np.array([0.0, 0.5, 1.0, 1.2]), 40, nu)
        fit = models.bradley_terry(counts, ties=ties)  # type: ignore[arg-type]
        found = deviance_test(fit, counts)
        saturated, pearson, least = 0.0, 0.0, math.inf
        for cell in range(len(counts)):
            pair = [fit.alternatives[code] for code in (counts.first[cell], counts.second[cell])]
            chance = fit.predict(*pair)
            seen = (counts.won[cell], counts.tied[cell], counts.lost[cell])
            total = sum(seen)
            for number, p in zip(seen, (chance.win[0], chance.tie[0], chance.loss[0]), strict=True):
                saturated += number * math.log(number / total) if number else 0.0
                pearson += (number - total * p) ** 2 / (total * p) if p else 0.0
                least = min(least, total * p) if p else least
        assert math.isclose(found.deviance, 2 * (saturated - fit.loglik), rel_tol=1e-9)
        assert math.isclose(found.pearson, pearson, rel_tol=1e-9)
        assert math.isclose(found.smallest_expected, least, rel_tol=1e-9)
        assert found.degrees == (6 * 2 - 4 if nu else 3)


def test_degrees_count_what_was_fitted() -> None:
    rng = np.random.default_rng(20)
    winner = rng.integers(0, 3, 200)
    games = ck.Comparisons(winner, (winner + rng.integers(1, 3, 200)) % 3, order=rng.choice([-1, 0, 1], 200))
    order = deviance_test(models.bradley_terry(games, order=True), games.counts("order"))
    assert order.degrees == 9 - 3
    features = models.bradley_terry(games, features={"size": [0.0, 1.0, 3.0]})
    assert deviance_test(features, games.counts()).degrees == 3 - 1
    pairs = [*itertools.permutations("abc", 2), *itertools.permutations("def", 2)] * 5
    apart = ck.Comparisons(*zip(*pairs, strict=True))
    assert deviance_test(models.bradley_terry(apart, parts="separate"), apart.counts()).degrees == 6 - 4


def test_voters_are_summed_over() -> None:
    rng = np.random.default_rng(2)
    winner = rng.integers(0, 4, 300)
    loser = (winner + rng.integers(1, 4, 300)) % 4
    votes = ck.Comparisons(winner, loser, voter=rng.integers(0, 9, 300), group=rng.integers(0, 2, 300))
    fit = models.bradley_terry(votes)
    one, other = deviance_test(fit, votes.counts()), deviance_test(fit, votes.counts("voter", "group"))
    assert math.isclose(one.deviance, other.deviance, rel_tol=1e-12)
    assert one.degrees == other.degrees


def test_p_values_are_uniform_where_the_model_is_true() -> None:
    from scipy.stats import kstest

    rng = np.random.default_rng(3)
    theta = np.array([0.0, 0.4, 0.8, 1.0, 1.5])
    found = []
    for _ in range(300):
        counts = round_robin(rng, theta, 60)
        found.append(deviance_test(models.bradley_terry(counts), counts).p_value)
    assert kstest(found, "uniform").pvalue > 0.01


def test_the_bootstrap_is_right_where_chi_square_is_not() -> None:
    """Two comparisons a pair: chi-square rejects far too often or too rarely, the bootstrap does not."""
    from scipy.stats import kstest

    rng = np.random.default_rng(4)
    theta = rng.normal(size=6)
    chi, own = [], []
    for round_ in range(120):
        counts = round_robin(rng, theta, 2)
        fit = models.bradley_terry(counts, prior=1.0)
        test = deviance_test(fit, counts)
        assert "below 5" in test.caution
        assert "prior" in test.caution
        chi.append(test.p_value)
        own.append(deviance_bootstrap(fit, counts, replicates=60, rng=round_).p_value)
    assert kstest(chi, "uniform").pvalue < 1e-6
    assert kstest(own, "uniform").pvalue > 0.01


def test_the_bootstrap_refits_ties_and_orders() -> None:
    rng = np.random.default_rng(5)
    counts = round_robin(rng, np.array([0.0, 0.3, 0.6, 0.9]), 50, nu=0.8)
    fit = models.bradley_terry(counts, ties="davidson")
    found = deviance_bootstrap(fit, counts, replicates=60)
    assert found.failed == 0
    assert math.isclose(found.deviances.mean(), 8, abs_tol=3 * 4 / math.sqrt(60))  # 8 degrees of freedom
    assert found.p_value == (1 + (found.deviances >= found.deviance).sum()) / 61
    again = deviance_bootstrap(fit, counts, replicates=60)
    np.testing.assert_array_equal(found.deviances, again.deviances)


def test_what_has_no_deviance_test() -> None:
    tied = ck.Comparisons([*"abcabc"], [*"bcacab"], tie=[True, *[False] * 5])
    with pytest.raises(ValueError, match="1 ties were seen"):
        deviance_test(models.bradley_terry(tied), tied.counts())
    two = ck.Comparisons(["a", "b"], ["b", "a"])
    with pytest.raises(ValueError, match="no degree of freedom"):
        deviance_test(models.bradley_terry(two), two.counts())
    cycle = ck.Comparisons([*"abcabc"], [*"bcacab"], order=[1, -1] * 3)
    other = ck.Comparisons([*"xyz"], [*"yzx"])
    with pytest.raises(ValueError, match="not the fit's"):
        deviance_test(models.bradley_terry(cycle), other.counts())
    both = ck.Comparisons([*"abcabcdd"], [*"bcacabaa"], order=[1, -1] * 4)
    with pytest.raises(ValueError, match="counts by"):
        deviance_test(models.bradley_terry(both, order=True, prior=1.0), both.counts())
    row = models.bradley_terry(cycle, comparison_features={"x": np.arange(6.0)}, prior=1.0)
    with pytest.raises(ValueError, match="comparison features"):
        deviance_test(row, cycle.counts())
    fit = models.bradley_terry(cycle)
    with pytest.raises(ValueError, match="at least 1"):
        deviance_bootstrap(fit, cycle.counts(), replicates=0)
    half = ck.Comparisons([*"abcabc"], [*"bcacab"], weight=[0.5] * 6)
    with pytest.raises(ValueError, match="whole counts"):
        deviance_bootstrap(models.bradley_terry(half), half.counts())
    assert "whole numbers" in deviance_test(models.bradley_terry(half), half.counts()).caution
    twice = ck.Comparisons([*"abcabc"] * 2, [*"bcacab"] * 2)
    assert "the counts hold 12" in deviance_test(fit, twice.counts()).caution
    sized = models.bradley_terry(cycle, features={"size": [0.0, 1.0, 3.0]})
    with pytest.raises(ValueError, match="refit="):
        deviance_bootstrap(sized, cycle.counts())
    again = deviance_bootstrap(
        sized, cycle.counts(), replicates=5,
        refit=lambda counts: models.bradley_terry(counts, features={"size": [0.0, 1.0, 3.0]}, prior=10.0),
    )  # fmt: skip
    assert len(again.deviances) == 5


# Calibration


def test_a_table_by_hand() -> None:
    """Favourites at 3/4 and at 2/3; the second wins half of its 4 comparisons."""
    votes = ck.Comparisons([*"aaab", *"ccd"], [*"bbba", *"ddc"])
    fit = models.bradley_terry(votes, parts="separate")
    fresh = ck.Comparisons([*"aaab", *"ccdd"], [*"bbba", *"ddcc"])
    found = calibration(fit, fresh)
    np.testing.assert_allclose(found.predicted, [2 / 3, 3 / 4], rtol=1e-8)
    np.testing.assert_allclose(found.observed, [1 / 2, 3 / 4])
    np.testing.assert_allclose(found.count, [4, 4])
    np.testing.assert_allclose(found.interval[0], [0.1500, 0.8500], atol=1e-4)  # Wilson's, 2 of 4
    np.testing.assert_allclose(found.error, (2 / 3 - 1 / 2) / 2, rtol=1e-8)
    np.testing.assert_allclose(found.brier, (3 / 16 + (1 / 9 + 4 / 9) / 2) / 2, rtol=1e-8)
    np.testing.assert_allclose(
        found.log_loss,
        -(3 * math.log(3 / 4) + math.log(1 / 4) + 2 * math.log(2 / 3) + 2 * math.log(1 / 3)) / 8,
        rtol=1e-8,
    )
    one = calibration(fit, fresh, bins=1)
    np.testing.assert_allclose([one.lower[0], one.upper[0], one.observed[0]], [2 / 3, 3 / 4, 5 / 8], rtol=1e-8)


@pytest.mark.parametrize("ties", ["half", "davidson", "rao_kupper"])
def test_scores_of_predictions_by_the_book(ties: Any) -> None:
    rng = np.random.default_rng(6)
    counts = round_robin(rng, np.array([0.0, 0.5, 1.0, 2.0]), 30, nu=0.8)
    fit = models.bradley_terry(counts, ties=ties)
    rows = counts.to_comparisons()
    brier, loss, total = 0.0, 0.0, 0.0
    for row in range(len(rows)):
        chance = fit.predict(fit.alternatives[rows.winner[row]], fit.alternatives[rows.loser[row]])
        share = np.array([chance.win[0], chance.tie[0], chance.loss[0]])
        happened = np.eye(3)[[1]] if rows.tie[row] else np.eye(3)[[0]]
        if rows.tie[row] and ties == "half":
            happened = np.eye(3)[[0, 2]]
        weight = rows.weight[row]
        brier += weight * np.mean([((share - one) ** 2).sum() / 2 for one in happened])
        loss -= weight * np.mean([np.log(share[one > 0]).sum() for one in happened])
        total += weight
    for data in (counts, rows):
        found = calibration(fit, data, bins=3)
        assert math.isclose(found.brier, brier / total, rel_tol=1e-9)
        assert math.isclose(found.log_loss, loss / total, rel_tol=1e-9)
        assert found.count.sum() == total
        assert math.isclose(found.error, (found.count * abs(found.observed - found.predicted)).sum() / total)
        assert (found.lower <= found.predicted + 1e-12).all()
        assert (found.predicted <= found.upper + 1e-12).all()
        assert (found.upper[:-1] <= found.lower[1:]).all()
        assert len(found.count) <= 3
    assert math.isclose(calibration(fit, rows).log_loss, -fit.loglik / total, rel_tol=1e-9)


def test_intervals_hold_the_truth_and_miss_a_wrong_fit() -> None:
    rng = np.random.default_rng(7)
    theta = np.linspace(0, 3, 12)
    truth = replace(models.bradley_terry(round_robin(rng, theta, 40)), scores=theta - theta.mean())
    held = []
    for _ in range(60):
        good = calibration(truth, round_robin(rng, theta, 40))
        held += [*((good.interval[:, 0] <= good.predicted) & (good.predicted <= good.interval[:, 1]))]
    assert abs(np.mean(held) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / len(held))
    fresh = round_robin(rng, theta, 40)
    good, sure = calibration(truth, fresh), calibration(replace(truth, scores=3 * truth.scores), fresh)
    assert good.error < 0.04
    assert sure.error > 0.1
    assert sure.log_loss > good.log_loss
    assert sure.brier > good.brier


def test_calibration_needs_data_that_match() -> None:
    votes = ck.Comparisons([*"abc"], [*"bca"])
    fit = models.bradley_terry(votes)
    with pytest.raises(ValueError, match="'z' that the fit does not know"):
        calibration(fit, ck.Comparisons(["z"], ["a"]))
    with pytest.raises(ValueError, match="bins must be"):
        calibration(fit, votes, bins=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibration(fit, votes, level=95)
    fewer = calibration(fit, ck.Comparisons(["c"], ["a"]))  # the codes of other data are others
    assert fewer.count.tolist() == [1.0]


# Hodge


def graph(rng: np.random.Generator, size: int, density: float) -> list[tuple[int, int]]:
    edges = [pair for pair in itertools.combinations(range(size), 2) if rng.random() < density]
    return edges or [(0, 1)]


@given(st.integers(2, 9), st.floats(0.15, 1.0), st.integers(0, 10_000))
def test_parts_add_up_and_are_orthogonal(size: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    edges = graph(rng, size, density)
    winner, loser, weight = [], [], []
    for i, j in edges:
        winner += [i, j]
        loser += [j, i]
        weight += [*rng.integers(0, 20, 2)]
        weight[-1] += weight[-1] + weight[-2] == 0
    found = hodge(ck.Comparisons(winner, loser, weight=weight), replicates=0)
    first, second, w = found.first, found.second, found.weight
    number, m = len(first), len(found.alternatives)
    boundary = np.zeros((number, m))
    boundary[np.arange(number), first], boundary[np.arange(number), second] = 1, -1
    edge = {(int(a), int(b)): e for e, (a, b) in enumerate(zip(first, second, strict=True))}
    loops = [
        [edge[i, j], edge[j, k], edge[i, k]]
        for i, j, k in itertools.combinations(range(m), 3)
        if {(i, j), (j, k), (i, k)} <= edge.keys()
    ]
    curls = np.zeros((len(loops), number))
    for row, (ij, jk, ik) in enumerate(loops):
        curls[row, [ij, jk, ik]] = 1, 1, -1
    np.testing.assert_allclose(found.gradient + found.curl + found.harmonic, found.flow, atol=1e-9)
    for one, other in itertools.combinations((found.gradient, found.curl, found.harmonic), 2):
        assert abs((w * one * other).sum()) < 1e-7 * (1 + (w * found.flow**2).sum())
    # gradients go around nothing; the rest has no divergence; the harmonic part has no curl either
    if loops:
        np.testing.assert_allclose(curls @ found.gradient, 0, atol=1e-9)
        np.testing.assert_allclose(curls @ found.harmonic, 0, atol=1e-7)
    else:
        np.testing.assert_allclose(found.curl, 0, atol=1e-12)
    np.testing.assert_allclose(boundary.T @ (w * found.curl), 0, atol=1e-6)
    np.testing.assert_allclose(boundary.T @ (w * found.harmonic), 0, atol=1e-6)
    # the same by dense least squares
    root = np.sqrt(w)
    potential = np.linalg.lstsq(root[:, None] * boundary, root * found.flow, rcond=None)[0]
    np.testing.assert_allclose(found.gradient, boundary @ potential, atol=1e-9)
    if loops:
        around = (curls / root).T
        phi = np.linalg.lstsq(around, root * found.flow, rcond=None)[0]
        np.testing.assert_allclose(found.curl, (around @ phi) / root, atol=1e-7)
    shares = found.consistent + found.curl_share + found.harmonic_share
    assert math.isnan(shares) if not found.flow.any() else math.isclose(shares, 1, rel_tol=1e-9)


def test_a_square_without_triangles_is_harmonic() -> None:
    square = hodge(ck.Comparisons([*"abcd"] * 9, [*"bcda"] * 9), replicates=0)
    assert math.isclose(square.harmonic_share, 1, rel_tol=1e-12)
    assert square.triangles() == ()
    filled = hodge(ck.Comparisons([*"abcd" * 9, *"acac", *"bdbd"], [*"bcda" * 9, *"caca", *"dbdb"]), replicates=0)
    assert math.isclose(filled.curl_share, 1, rel_tol=1e-9)


def test_disconnected_parts_are_split_apart() -> None:
    pairs = [*itertools.permutations("abc", 2), *itertools.permutations("def", 2)] * 3 + [("a", "b")] * 5
    votes = ck.Comparisons(*zip(*pairs, strict=True))
    found = hodge(votes)
    assert math.isclose(found.potential[:3].sum(), 0, abs_tol=1e-12)
    assert math.isclose(found.potential[3:].sum(), 0, abs_tol=1e-12)
    assert found.cyclic_share < 1


def test_triangles_are_named_in_the_direction_of_the_cycle() -> None:
    rng = np.random.default_rng(8)
    winner, loser = rng.integers(0, 7, 600), rng.integers(1, 7, 600)
    votes = ck.Comparisons(winner, (winner + loser) % 7)
    found = hodge(votes, replicates=0)
    flow = np.zeros((7, 7))
    variance = np.zeros((7, 7))
    counts = votes.counts()
    for e, (i, j) in enumerate(zip(counts.first, counts.second, strict=True)):
        up, down = counts.won[e] + 0.5, counts.lost[e] + 0.5
        flow[i, j], flow[j, i] = math.log(up / down), math.log(down / up)
        variance[i, j] = variance[j, i] = 1 / up + 1 / down
    listed = found.triangles(1_000)
    assert len(listed) == 35
    for triangle in listed:
        a, b, c = triangle.alternatives
        steps = (flow[a, b], flow[b, c], flow[c, a])
        np.testing.assert_allclose(triangle.flows, steps)
        assert math.isclose(triangle.curl, sum(steps), rel_tol=1e-9)
        assert triangle.curl > 0
        assert math.isclose(triangle.error, math.sqrt(variance[a, b] + variance[b, c] + variance[c, a]))
    order = [triangle.curl / triangle.error for triangle in listed]
    assert order == sorted(order, reverse=True)
    assert found.triangles(3) == listed[:3]
    with pytest.raises(ValueError, match="at least 1"):
        found.triangles(0)


def cyclic(rng: np.random.Generator, size: int, games: int, strength: float) -> ck.Comparisons:
    """Scores from 0 to 1, and a wheel on which each is preferred to the next (size - 1)/2 by ``strength``."""
    theta = np.linspace(1, 0, size)
    winner, loser, weight = [], [], []
    for i, j in itertools.combinations(range(size), 2):
        ahead = (j - i) % size <= (size - 1) // 2
        won = int(rng.binomial(games, 1 / (1 + math.exp(theta[j] - theta[i] - (strength if ahead else -strength)))))
        winner += [i, j]
        loser += [j, i]
        weight += [won, games - won]
    return ck.Comparisons(winner, loser, weight=weight)


def test_noise_is_told_from_cycles() -> None:
    """P-values are uniform where there are no cycles, and the debiased share is the true one where there are."""
    rng = np.random.default_rng(9)
    null = [hodge(cyclic(rng, 7, 20, 0.0), replicates=99, rng=seed) for seed in range(200)]
    chances = np.array([found.p_value for found in null])
    for level in (0.05, 0.2, 0.5, 0.8):
        assert abs((chances <= level).mean() - level) < 3.5 * math.sqrt(level * (1 - level) / len(null))
    raw, debiased = (
        np.nanmean([getattr(found, name) for found in null]) for name in ("cyclic_share", "debiased_share")
    )
    assert raw > 0.3  # read as it stands, noise looks like intransitivity
    assert debiased < raw / 3
    theta, wheel = np.linspace(1, 0, 7), 0.5
    true_flow = np.array([
        theta[i] - theta[j] + (wheel if (j - i) <= 3 else -wheel) for i, j in itertools.combinations(range(7), 2)
    ])  # fmt: skip
    boundary = np.zeros((21, 7))
    for e, (i, j) in enumerate(itertools.combinations(range(7), 2)):
        boundary[e, i], boundary[e, j] = 1, -1
    rest = true_flow - boundary @ np.linalg.lstsq(boundary, true_flow, rcond=None)[0]
    truth = (rest**2).sum() / (true_flow**2).sum()
    found = [hodge(cyclic(rng, 7, 60, wheel), replicates=100, rng=seed) for seed in range(40)]
    assert abs(np.mean([one.debiased_share for one in found]) - truth) < 0.03
    assert np.mean([one.p_value < 0.05 for one in found]) > 0.95


def test_many_comparisons_of_one_scale_leave_nothing() -> None:
    rng = np.random.default_rng(10)
    theta = np.array([0.0, 0.5, 1.5, 2.0])
    found = hodge(round_robin(rng, theta, 100_000))
    assert found.cyclic_share < 1e-3
    np.testing.assert_allclose(found.potential, theta - theta.mean(), atol=0.03)


def test_ties_and_pseudo_wins() -> None:
    votes = ck.Comparisons([*"aabbc"], [*"bbaac"[:4], "a"], tie=[False, True, False, True, False])
    half = hodge(votes, replicates=5)
    assert half.flow[0] == 0
    assert half.weight.tolist() == [4.0, 1.0]
    dropped = hodge(votes, ties="drop", replicates=5)
    assert dropped.weight.tolist() == [2.0, 1.0]
    np.testing.assert_allclose(dropped.flow, [0, -math.log(3)])
    with pytest.raises(ValueError, match="went one way only"):
        hodge(votes, pseudo=0)
    with pytest.raises(ValueError, match="at least 0"):
        hodge(votes, pseudo=-1)
    with pytest.raises(ValueError, match="at least 0"):
        hodge(votes, replicates=-1)
    with pytest.raises(ValueError, match="'half' or 'drop'"):
        hodge(votes, ties="davidson")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="once ties are dropped"):
        hodge(ck.Comparisons(["a"], ["b"], tie=[True]), ties="drop")
    with pytest.raises(ValueError, match="whole counts"):
        hodge(ck.Comparisons(["a", "b"], ["b", "a"], weight=[0.5, 1.0]))
    level = hodge(ck.Comparisons(["a", "b"], ["b", "a"], voter=[1, 2]).counts("voter"))
    assert math.isnan(level.consistent)
    assert math.isnan(level.p_value)
    plain = hodge(ck.Comparisons(["a", "b", "b"], ["b", "a", "a"]), pseudo=0)
    np.testing.assert_allclose(plain.flow, [-math.log(2)])


# Held out


def test_held_out_by_the_book() -> None:
    rng = np.random.default_rng(11)
    winner = rng.integers(0, 4, 200)
    votes = ck.Comparisons(
        winner, (winner + rng.integers(1, 4, 200)) % 4, weight=rng.integers(1, 4, 200), tie=rng.random(200) < 0.2,
        order=rng.choice([-1, 1], 200), voter=rng.integers(0, 12, 200),
    )  # fmt: skip
    for by in ("row", "voter"):
        for options in ({}, {"ties": "davidson"}, {"ties": "rao_kupper", "order": True}, {"prior": 0.5}):
            seen: list[set[int]] = []

            def fit_model(rows: ck.Comparisons, options: Any = options, seen: Any = seen) -> Fit:
                seen.append(set(rows.voter.tolist()))  # type: ignore[union-attr]
                return models.bradley_terry(rows, **options)

            found = held_out(fit_model, votes, folds=4, by=by, rng=3)  # type: ignore[arg-type]
            units = votes.voter if by == "voter" else np.arange(200)
            assert units is not None
            part = np.random.default_rng(3).permutation(np.arange(len(np.unique(units))) % 4)[units]
            if by == "voter":
                assert all(len(kept) == 9 for kept in seen)
            scores, weights = np.zeros(4), np.zeros(4)
            for fold in range(4):
                fit = models.bradley_terry(votes.rows(part != fold), **options)  # type: ignore[arg-type]
                for row in np.flatnonzero(part == fold).tolist():
                    a, b = votes.winner[row], votes.loser[row]
                    order = votes.order[row] if "order" in options else 0  # type: ignore[index]
                    chance = fit.predict(int(a), int(b), order=order)
                    if votes.tie[row]:
                        tie = math.log(chance.tie[0]) if "ties" in options else None
                        score = (math.log(chance.win[0]) + math.log(chance.loss[0])) / 2 if tie is None else tie
                    else:
                        score = math.log(chance.win[0])
                    scores[fold] += votes.weight[row] * score
                    weights[fold] += votes.weight[row]
            np.testing.assert_allclose(found.folds, scores / weights, rtol=1e-9)
            np.testing.assert_allclose(found.weights, weights)
            assert math.isclose(found.loglik, scores.sum() / weights.sum(), rel_tol=1e-9)


def test_the_standard_error_is_the_folds_spread() -> None:
    rng = np.random.default_rng(12)
    winner = rng.integers(0, 3, 400)
    votes = ck.Comparisons(winner, (winner + rng.integers(1, 3, 400)) % 3)
    found = held_out(models.bradley_terry, votes, folds=10)
    assert math.isclose(found.error, found.folds.std(ddof=1) / math.sqrt(10), rel_tol=1e-9)


def test_held_out_likelihood_prefers_the_truth() -> None:
    rng = np.random.default_rng(13)
    first = rng.integers(0, 5, 3_000)
    second = (first + rng.integers(1, 5, 3_000)) % 5
    length = rng.normal(size=3_000)
    wins = rng.random(3_000) < 1 / (1 + np.exp(second * 0.3 - first * 0.3 - 0.8 * length))
    votes = ck.Comparisons(np.where(wins, first, second), np.where(wins, second, first))
    given = {"length": np.where(wins, length, -length)}
    plain = held_out(models.bradley_terry, votes)
    styled = held_out(models.bradley_terry, votes, comparison_features=given)
    assert ((styled.folds - plain.folds) > 0).all()
    assert plain.loglik > -math.log(2)
    with pytest.raises(ValueError, match="'length' needed 3000"):
        held_out(models.bradley_terry, votes, comparison_features={"length": [1.0]})


def test_what_cannot_be_held_out() -> None:
    votes = ck.Comparisons([*"abab", "c"], [*"baba", "a"], voter=[1, 2, 3, 4, 5])
    with pytest.raises(ValueError, match="'c' occurs in fold"):
        held_out(lambda rows: models.bradley_terry(rows, prior=1.0), votes)
    with pytest.raises(ValueError, match="by='row'"):
        held_out(lambda rows: models.bradley_terry(rows, prior=1.0), votes, by="voter")
    with pytest.raises(ValueError, match="at most the 5 rows"):
        held_out(models.bradley_terry, votes, folds=6)
    with pytest.raises(ValueError, match="at least 2"):
        held_out(models.bradley_terry, votes, folds=1)
    with pytest.raises(ValueError, match="'voter' or 'row'"):
        held_out(models.bradley_terry, votes, by="group")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="have no voters"):
        held_out(models.bradley_terry, ck.Comparisons(["a", "b"], ["b", "a"]), folds=2, by="voter")
    one_way = ck.Comparisons([*"aaaa"], [*"bbbb"])
    with pytest.raises(ck.NoFiniteEstimate) as refused:
        held_out(models.bradley_terry, one_way, folds=2)
    assert "all but fold 0 of 2" in refused.value.__notes__[0]
