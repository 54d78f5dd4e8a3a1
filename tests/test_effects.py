"""Modelled ties, order effects, features and gauges: defining equations, published fits, symmetries."""

from __future__ import annotations

import copy
import csv
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

import choicekit as ck
from choicekit import models
from choicekit.kernels import effects as kernels
from choicekit.models import _effects as effects
from choicekit.outcomes import NoFiniteEstimate, NotConverged

# A row: winner, loser, tie, order. A model by the book gives the three probabilities of a pair.
Rows = list[tuple[int, int, bool, int]]
TIES = ("davidson", "rao_kupper")


def chances(ties: str, eta: float, tie: float) -> tuple[float, float, float]:
    """Win, loss and tie at strengths e^η and 1."""
    a, b = math.exp(eta), 1.0
    if ties == "davidson":
        level = math.exp(tie) * math.sqrt(a * b)
        return a / (a + b + level), b / (a + b + level), level / (a + b + level)
    if ties == "rao_kupper":
        theta = math.exp(tie)
        win, loss = a / (a + theta * b), b / (b + theta * a)
        return win, loss, 1 - win - loss
    return a / (a + b), b / (a + b), 0.0


def book_loglik(rows: Rows, ties: str, scores: np.ndarray, tie: float, order_effect: float) -> float:
    total = 0.0
    for winner, loser, tied, order in rows:
        eta = float(scores[winner] - scores[loser]) + order * order_effect
        win, loss, level = chances(ties, eta, tie)
        if tied:
            total += math.log(level) if ties in TIES else 0.5 * math.log(win) + 0.5 * math.log(loss)
        else:
            total += math.log(win)
    return total


def votes(rows: Rows, **more: Any) -> ck.Comparisons:
    winner, loser, tie, order = (list(column) for column in zip(*rows, strict=True))
    return ck.Comparisons(winner, loser, tie=tie, order=order, **more)


@st.composite
def rich(draw: st.DrawFn) -> Rows:
    """Everybody beats everybody once from either place and ties once, and any further rows: all models are finite."""
    size = draw(st.integers(2, 4))
    pairs = [(a, b) for a in range(size) for b in range(size) if a != b]
    rows = [(a, b, False, order) for a, b in pairs for order in (-1, 1)] + [(a, b, True, 0) for a, b in pairs if a < b]
    more = st.tuples(st.sampled_from(pairs), st.booleans(), st.sampled_from([-1, 0, 1]))
    return rows + [(a, b, tied, order) for (a, b), tied, order in draw(st.lists(more, max_size=30))]


# --- Derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [0, 1, 2])
@given(st.floats(-6, 6), st.floats(0.05, 3), st.tuples(*[st.floats(0, 4)] * 3))
def test_derivatives_of_a_cell(model: int, eta: float, tie: float, counts: tuple[float, float, float]) -> None:
    def at(e: float, t: float) -> np.ndarray:
        return np.array(kernels.cell_terms(model, e, t, *counts))

    value, slope, tie_slope, bend, across, tie_bend = at(eta, tie)
    win, loss, level = chances(["half", *TIES][model], eta, tie)
    won, lost, tied = counts
    expected = -won * math.log(win) - lost * math.log(loss)
    expected -= tied * math.log(level) if model else 0.5 * tied * math.log(win * loss)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
    step = 1e-5
    by_eta, by_tie = ((at(eta + a, tie + b) - at(eta - a, tie - b)) / (2 * step) for a, b in ((step, 0), (0, step)))
    np.testing.assert_allclose([slope, bend, across], by_eta[:3], rtol=2e-5, atol=2e-5)
    if model:
        np.testing.assert_allclose([tie_slope, across, tie_bend], by_tie[:3], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("model", [0, 1, 2])
@pytest.mark.parametrize("eta", [-800.0, -40.0, 40.0, 800.0])
def test_nothing_overflows(model: int, eta: float) -> None:
    assert np.isfinite(kernels.cell_terms(model, eta, 1.0, 1.0, 2.0, 0.5)).all()


# --- The estimates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", ["half", *TIES])
@pytest.mark.parametrize("order", [False, True])
@settings(max_examples=25)
@given(rich())
def test_the_gradient_vanishes_at_the_estimate(ties: Any, order: bool, rows: Rows) -> None:
    fit = models.bradley_terry(votes(rows), ties=ties, order=order)
    tie, shown = fit.effects.get("tie", 0.0), fit.effects.get("order", 0.0)
    assert fit.loglik == pytest.approx(book_loglik(rows, ties, fit.scores, tie, shown), rel=1e-10)
    free = [*range(len(fit.scores))] + ["tie"] * (ties != "half") + ["order"] * order
    for which in free:
        ends = []
        for step in (-1e-5, 1e-5):
            scores = fit.scores + step * (np.arange(len(fit.scores)) == which)
            ends.append(
                book_loglik(rows, ties, scores, tie + step * (which == "tie"), shown + step * (which == "order"))
            )
        assert abs(ends[1] - ends[0]) / 2e-5 < 1e-4 * len(rows)
    assert set(fit.effects) == {name for name in free if isinstance(name, str)}
    assert fit.residual <= 1e-10
    assert fit.converged


@pytest.mark.parametrize("ties", TIES)
@settings(max_examples=10)
@given(rich())
def test_a_general_optimiser_finds_nothing_better(ties: Any, rows: Rows) -> None:
    fit = models.bradley_terry(votes(rows), ties=ties, order=True)
    size = len(fit.scores)

    def loss(x: np.ndarray) -> float:
        return x[:size].mean() ** 2 - book_loglik(rows, ties, x[:size], math.exp(x[size]), x[size + 1])

    start = np.concatenate([fit.scores + 0.1, [0.2, 0.0]])
    best = minimize(loss, start, method="BFGS")
    assert fit.loglik >= -best.fun - 1e-7


@pytest.mark.parametrize("ties", TIES)
@settings(max_examples=15)
@given(rich(), st.sampled_from([None, 0.7]))
def test_covariance_is_the_inverse_of_the_second_derivatives(ties: Any, rows: Rows, prior: float | None) -> None:
    fit = models.bradley_terry(votes(rows), ties=ties, order=True, prior=prior)
    size, step = len(fit.scores), 1e-4
    at = np.concatenate([fit.scores, [fit.effects["tie"], fit.effects["order"]]])

    def value(x: np.ndarray) -> float:
        pull = 0.0 if prior is None else ((x[:size] ** 2).sum() + x[-1] ** 2) / (2 * prior)
        return pull - book_loglik(rows, ties, x[:size], x[size], x[-1])

    number = len(at)
    hessian = np.zeros((number, number))
    for i in range(number):
        for j in range(number):
            e, f = step * (np.arange(number) == i), step * (np.arange(number) == j)
            hessian[i, j] = (value(at + e + f) - value(at + e - f) - value(at - e + f) + value(at - e - f)) / 4e-8
    # the constant is left out by a basis of the scores with mean zero
    basis = np.zeros((number, number - 1))
    basis[:size, : size - 1] = np.linalg.svd(np.ones((1, size)))[2][1:].T
    basis[size:, size - 1 :] = np.eye(2)
    expected = basis @ np.linalg.inv(basis.T @ hessian @ basis) @ basis.T
    np.testing.assert_allclose(fit.joint_covariance, expected, rtol=2e-3, atol=2e-4)


@settings(max_examples=20)
@given(rich(), st.randoms(use_true_random=False))
def test_symmetries(rows: Rows, random: Any) -> None:
    fit = models.bradley_terry(votes(rows), ties="davidson", order=True)
    shuffled = rows.copy()
    random.shuffle(shuffled)
    again = models.bradley_terry(votes(shuffled), ties="davidson", order=True)
    np.testing.assert_allclose(again.scores, fit.scores, atol=1e-8)
    # who won and who lost exchanged, and with them who was shown first: scores change sign, effects stay
    turned = models.bradley_terry(
        votes([(b, a, tied, order) for a, b, tied, order in rows]), ties="davidson", order=True
    )
    np.testing.assert_allclose(turned.scores, -fit.scores, atol=1e-8)
    np.testing.assert_allclose(list(turned.effects.values()), list(fit.effects.values()), atol=1e-8)
    # everybody the other way round on the screen: only the order effect changes sign
    mirrored = models.bradley_terry(
        votes([(a, b, tied, -order) for a, b, tied, order in rows]), ties="davidson", order=True
    )
    np.testing.assert_allclose(mirrored.scores, fit.scores, atol=1e-8)
    assert mirrored.effects["order"] == pytest.approx(-fit.effects["order"], abs=1e-8)
    # weights scale the information, not the estimate
    heavy = models.bradley_terry(votes(rows, weight=[9.0] * len(rows)), ties="davidson", order=True)
    np.testing.assert_allclose(heavy.scores, fit.scores, atol=1e-8)
    np.testing.assert_allclose(heavy.joint_covariance, fit.joint_covariance / 9, atol=1e-8)
    # counts say as much as rows, and so do rows merged
    counted = models.bradley_terry(votes(rows).counts("order"), ties="davidson", order=True)
    np.testing.assert_allclose(counted.scores, fit.scores, atol=1e-9)


@pytest.mark.parametrize("ties", ["half", *TIES])
@settings(max_examples=10)
@given(rich(), st.sampled_from([None, 0.7]))
def test_sparse_steps_end_where_dense_ones_do(ties: Any, rows: Rows, prior: float | None) -> None:
    dense = models.bradley_terry(votes(rows), ties=ties, order=True, prior=prior)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(effects, "LARGEST_DENSE", 0)
        sparse = models.bradley_terry(votes(rows), ties=ties, order=True, prior=prior)
    np.testing.assert_allclose(sparse.scores, dense.scores, atol=1e-8)
    np.testing.assert_allclose(list(sparse.effects.values()), list(dense.effects.values()), atol=1e-8)


def test_position_bias_among_answers_that_meet_once() -> None:
    """40,000 prompts with two answers each: only a prior makes scores of them, and the bias is found beside them."""
    rng = np.random.default_rng(11)
    prompts = 40_000
    quality, order = rng.normal(size=(prompts, 2)), rng.choice([-1, 1], prompts)
    first_won = rng.random(prompts) < 1 / (1 + np.exp(-(quality[:, 0] - quality[:, 1] + 0.4 * order)))
    a, b = 2 * np.arange(prompts), 2 * np.arange(prompts) + 1
    data = ck.Comparisons(
        np.where(first_won, a, b), np.where(first_won, b, a), order=np.where(first_won, order, -order)
    )
    fit = models.bradley_terry(data, order=True, prior=1.0)
    assert fit.effects["order"] == pytest.approx(0.4, abs=0.1)
    with pytest.raises(ValueError, match="the limit is 5000"):
        _ = fit.covariance


def test_many_ties_make_the_models_alike() -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 5, 4_000)
    b = (a + rng.integers(1, 5, 4_000)) % 5
    strength = np.linspace(-1, 1, 5)
    rows = []
    for i, j in zip(a.tolist(), b.tolist(), strict=True):
        win, loss, _ = chances("davidson", strength[i] - strength[j], math.log(1.5))
        u = rng.random()
        rows.append((i, j, False, 0) if u < win else (j, i, False, 0) if u < win + loss else (i, j, True, 0))
    fit = models.bradley_terry(votes(rows), ties="davidson")
    low, high = fit.effect_interval("tie", 0.999)
    assert low < math.log(1.5) < high
    assert np.corrcoef(fit.scores, strength)[0, 1] > 0.99


# --- Published -------------------------------------------------------------------------------------------------------

# Davidson 1970 (doi:10.1080/01621459.1970.10481082), example 2: how often i was preferred to j, j to i, and neither.
PUDDING = {
    "12": (19, 22, 16), "13": (16, 19, 12), "23": (19, 19, 10), "14": (18, 23, 13), "24": (23, 19, 9),
    "34": (19, 20, 15), "15": (13, 19, 18), "25": (16, 20, 12), "35": (16, 15, 17), "45": (17, 14, 16),
    "16": (18, 21, 12), "26": (22, 20, 12), "36": (13, 18, 10), "46": (14, 19, 18), "56": (11, 21, 12),
}  # fmt: skip


def pudding() -> ck.Comparisons:
    rows = [(pair[w], pair[1 - w], tie, n[k]) for pair, n in PUDDING.items() for k, (w, tie) in enumerate(
        [(0, False), (1, False), (0, True)]
    )]  # fmt: skip
    winner, loser, tie, weight = zip(*rows, strict=True)
    return ck.Comparisons(winner, loser, tie=tie, weight=weight)


def test_pudding() -> None:
    # Turner, van Etten, Firth and Kosmidis 2020 (doi:10.1007/s00180-020-00959-3), converged further
    fit = models.bradley_terry(pudding(), ties="davidson")
    relative = fit.relative_to("1")
    np.testing.assert_allclose(relative.values, [0, 0.220242, 0.152978, 0.175145, 0.133865, 0.377135], atol=2e-6)
    np.testing.assert_allclose(
        relative.standard_errors, [0, 0.187217, 0.193518, 0.188211, 0.192705, 0.192406], atol=2e-6
    )
    assert fit.tie_parameter == pytest.approx(0.746823, abs=1e-6)
    assert fit.loglik == pytest.approx(-809.70951, abs=1e-5)
    assert math.sqrt(fit.joint_covariance[-1, -1]) == pytest.approx(0.082499, abs=1e-6)
    np.testing.assert_allclose(
        fit.worths().values, [0.1388005, 0.1729985, 0.1617420, 0.1653930, 0.1586805, 0.2023855], atol=3e-5
    )
    other = models.bradley_terry(pudding(), ties="rao_kupper")
    expected = [0, 0.173718, 0.120049, 0.139879, 0.104969, 0.298009]
    np.testing.assert_allclose(other.relative_to("1").values, expected, atol=1e-6)
    assert other.tie_parameter == pytest.approx(1.748457, abs=1e-6)
    assert other.loglik == pytest.approx(-809.69713, abs=1e-5)
    half = models.bradley_terry(pudding()).relative_to("1").values
    np.testing.assert_allclose(half, [0, 0.160309, 0.111343, 0.127480, 0.097430, 0.274492], atol=1e-6)


def test_baseball_with_home_effect(data: Path) -> None:
    # Agresti 2002, Categorical Data Analysis, section 10.6
    with open(data / "r_bradleyterry2" / "baseball.csv", encoding="utf-8") as file:
        games = list(csv.reader(file))[1:]
    rows = [row for home, away, won, lost in games for row in ((home, away, int(won), 1), (away, home, int(lost), -1))]
    winner, loser, weight, order = zip(*rows, strict=True)
    season = ck.Comparisons(winner, loser, weight=weight, order=order)
    fit = models.bradley_terry(season, order=True)
    published = {"Boston": 1.143803, "Cleveland": 0.704694, "Detroit": 1.475357, "Milwaukee": 1.619555,
                 "New York": 1.281340, "Toronto": 1.327110, "Baltimore": 0.0}  # fmt: skip
    relative = dict(zip(fit.alternatives, fit.relative_to("Baltimore").values.tolist(), strict=True))
    assert relative == pytest.approx(published, abs=2e-6)
    assert fit.effects["order"] == pytest.approx(0.302261, abs=1e-6)
    assert math.sqrt(fit.joint_covariance[-1, -1]) == pytest.approx(0.13094, abs=1e-5)
    # home games alone say the same as a feature of the comparison
    again = models.bradley_terry(season, comparison_features={"home": order})
    np.testing.assert_allclose(again.scores, fit.scores, atol=1e-9)
    assert again.effects["home"] == pytest.approx(fit.effects["order"])
    # deviance falls by 44.0535 − 38.6429
    without = models.bradley_terry(season)
    assert 2 * (fit.loglik - without.loglik) == pytest.approx(44.0535 - 38.6429, abs=1e-4)


# --- Features --------------------------------------------------------------------------------------------------------


def drawn(rng: np.random.Generator, rows: int = 3_000, size: int = 6) -> tuple[np.ndarray, np.ndarray]:
    a = rng.integers(0, size, rows)
    return a, (a + rng.integers(1, size, rows)) % size


def test_scores_made_of_features() -> None:
    rng = np.random.default_rng(3)
    a, b = drawn(rng)
    size, length = rng.normal(size=6), rng.normal(size=6)
    truth = 0.8 * size - 0.5 * length
    won = rng.random(len(a)) < 1 / (1 + np.exp(truth[b] - truth[a]))
    data = ck.Comparisons(np.where(won, a, b), np.where(won, b, a))
    fit = models.bradley_terry(data, features={"size": size, "length": dict(enumerate(length.tolist()))})
    assert list(fit.effects) == ["size", "length"]
    for name, value in (("size", 0.8), ("length", -0.5)):
        low, high = fit.effect_interval(name, 0.999)
        assert low < value < high
    expected = fit.effects["size"] * size + fit.effects["length"] * length
    np.testing.assert_allclose(fit.scores, expected - expected.mean(), atol=1e-12)
    # score equations: expected and observed totals of each feature agree
    chance = 1 / (1 + np.exp(fit.scores[data.loser] - fit.scores[data.winner]))
    for feature in (size, length):
        assert abs(((1 - chance) * (feature[data.winner] - feature[data.loser])).sum()) < 1e-6
    # as many features as there are scores to find: the free fit
    whole = models.bradley_terry(data, features={f"is {k}": np.arange(6) == k for k in range(1, 6)})
    free = models.bradley_terry(data)
    np.testing.assert_allclose(whole.scores, free.scores, atol=1e-8)
    np.testing.assert_allclose(whole.covariance, free.covariance, atol=1e-8)


def test_style_control() -> None:
    """A model that only writes longer is no better once length is accounted for."""
    rng = np.random.default_rng(4)
    a, b = drawn(rng, 20_000, 4)
    strength, wordy = np.array([0.5, 0.0, 0.0, -0.5]), np.array([0.0, 0.0, 1.0, 0.0])
    longer = wordy[a] - wordy[b] + rng.normal(size=len(a))
    won = rng.random(len(a)) < 1 / (1 + np.exp(-(strength[a] - strength[b] + 0.7 * longer)))
    data = ck.Comparisons(np.where(won, a, b), np.where(won, b, a))
    naive = models.bradley_terry(data)
    fit = models.bradley_terry(data, comparison_features={"length": np.where(won, longer, -longer)})
    assert naive.scores[2] - naive.scores[1] > 0.3
    low, high = (
        models.resampling.sandwich(
            fit, data, by="comparison", comparison_features={"length": np.where(won, longer, -longer)}
        )
        .relative_to(1)
        .interval(0.999)[2]
    )
    assert low < 0 < high
    assert fit.features == ("length",)
    assert fit.effect_interval("length")[0] < 0.7 < fit.effect_interval("length")[1]


def test_what_cannot_be_told_apart_is_refused() -> None:
    data = ck.Comparisons(["a", "b", "a", "c", "b", "c"], ["b", "a", "c", "a", "c", "b"])
    with pytest.raises(ValueError, match="cannot be told apart"):
        models.bradley_terry(data, features={"x": [0, 1, 2], "twice": [0, 2, 4]})
    with pytest.raises(ValueError, match="cannot be told apart"):
        models.bradley_terry(data, comparison_features={"nothing": [0.0] * 6})
    assert models.bradley_terry(data, features={"x": [0, 1, 2], "twice": [0, 2, 4]}, prior=1.0).converged
    with pytest.raises(ValueError, match="feature 'x' has no value for 'c'"):
        models.bradley_terry(data, features={"x": {"a": 1, "b": 2}})
    with pytest.raises(ValueError, match="feature 'x' needed 6 finite numbers, one a comparison; got shape"):
        models.bradley_terry(data, comparison_features={"x": [1, 2]})
    with pytest.raises(ValueError, match="missing or infinite"):
        models.bradley_terry(data, features={"x": [1, 2, math.nan]})
    with pytest.raises(ValueError, match="order effect needs to know"):
        models.bradley_terry(data, order=True)
    with pytest.raises(ValueError, match="different names"):
        models.bradley_terry(data, features={"x": [0, 1, 2]}, comparison_features={"x": [1] * 6})


# --- No finite estimate ----------------------------------------------------------------------------------------------


def test_no_ties_or_nothing_else() -> None:
    for ties in TIES:
        with pytest.raises(ck.NoFiniteEstimate, match="none is a tie"):
            models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]), ties=ties)  # type: ignore[arg-type]
        with pytest.raises(ck.NoFiniteEstimate, match="every one is a tie"):
            models.bradley_terry(ck.Comparisons(["a"], ["b"], tie=[True]), ties=ties)  # type: ignore[arg-type]


@pytest.mark.parametrize("ties", TIES)
def test_a_tie_is_not_half_a_win_where_ties_are_modelled(ties: Any) -> None:
    """One win and one tie: with half wins there is an estimate, but here the chance of a loss can go to nothing."""
    data = ck.Comparisons(["a", "a"], ["b", "b"], tie=[False, True])
    assert models.bradley_terry(data).converged
    with pytest.raises(ck.NoFiniteEstimate, match="separation"):
        models.bradley_terry(data, ties=ties)
    assert models.bradley_terry(data, ties=ties, prior=1.0).winners == ("a",)


def test_separation_by_the_order_is_found() -> None:
    # whoever is shown first wins
    data = ck.Comparisons(["a", "b", "b", "c", "c", "a"], ["b", "a", "c", "b", "a", "c"], order=[1] * 6)
    with pytest.raises(ck.NoFiniteEstimate, match="separation"):
        models.bradley_terry(data, order=True)
    assert models.bradley_terry(data, order=True, prior=1.0).effects["order"] > 0


def test_separation_by_a_feature_is_found() -> None:
    data = ck.Comparisons(["a", "b", "a"], ["b", "c", "c"])
    with pytest.raises(ck.NoFiniteEstimate, match="separation"):
        models.bradley_terry(data, features={"x": [3, 2, 1]})


# --- Gauges ----------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(rich())
def test_gauges_agree_on_differences(rows: Rows) -> None:
    fit = models.bradley_terry(votes(rows))
    size = len(fit.scores)
    spread = fit.covariance
    for label in fit.alternatives:
        moved = fit.relative_to(label)
        at = fit.position(label)
        np.testing.assert_allclose(moved.values, fit.scores - fit.scores[at])
        expected = [spread[k, k] + spread[at, at] - 2 * spread[k, at] for k in range(size)]
        np.testing.assert_allclose(moved.standard_errors**2, expected, atol=1e-12)
        assert moved.interval()[at].tolist() == [0.0, 0.0]
    unit = 400 / math.log(10)
    anchored = fit.elo(anchor=0, rating=1_500)
    assert anchored.values[0] == pytest.approx(1_500)
    np.testing.assert_allclose(np.diff(anchored.values), unit * np.diff(fit.scores))
    np.testing.assert_allclose(anchored.standard_errors, unit * fit.relative_to(0).standard_errors)
    assert fit.elo().values.mean() == pytest.approx(1_000)
    np.testing.assert_allclose(fit.elo().standard_errors, unit * fit.estimates.standard_errors)


@settings(max_examples=20)
@given(rich())
def test_worths_sum_to_one_with_errors_by_the_delta_method(rows: Rows) -> None:
    fit = models.bradley_terry(votes(rows))
    worths = fit.worths()
    assert worths.values.sum() == pytest.approx(1)
    assert np.abs(worths.covariance.sum(0)).max() < 1e-12

    def share(scores: np.ndarray) -> np.ndarray:
        return np.exp(scores) / np.exp(scores).sum()

    size, step = len(fit.scores), 1e-6
    jacobian = np.stack(
        [(share(fit.scores + step * e) - share(fit.scores - step * e)) / (2 * step) for e in np.eye(size)], axis=1
    )
    np.testing.assert_allclose(worths.covariance, jacobian @ fit.covariance @ jacobian.T, atol=1e-9)
    ends = worths.interval(0.99)
    assert ((ends > 0) & (ends < 1)).all()
    assert ((ends[:, 0] < worths.values) & (worths.values < ends[:, 1])).all()


def test_names_that_are_not_there() -> None:
    fit = models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]))
    with pytest.raises(KeyError, match="no alternative 'c'; there are 'a', 'b'"):
        fit.relative_to("c")
    with pytest.raises(KeyError, match="no effect 'tie'; the fit has none"):
        fit.effect_interval("tie")
    assert fit.tie_parameter is None
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit.interval(1.0)


# --- Parts fitted apart, warm starts, rows ---------------------------------------------------------------------------


def test_parts_fitted_apart_are_the_fits_of_each() -> None:
    rng = np.random.default_rng(5)
    context = np.repeat(np.arange(40), 60)
    a = rng.integers(0, 4, len(context))
    b = (a + rng.integers(1, 4, len(context))) % 4
    data = ck.Comparisons(a, b, context=context)
    for prior in (None, 2.0):
        whole = models.bradley_terry(data.by_context(), parts="separate", prior=prior)
        assert whole.components is not None
        place = {label: at for at, label in enumerate(whole.alternatives)}
        for x in range(40):
            alone = models.bradley_terry(data.rows(context == x), prior=prior)
            at = [place[x, label] for label in alone.alternatives]
            np.testing.assert_allclose(whole.scores[at], alone.scores, atol=1e-8)
            np.testing.assert_allclose(whole.covariance[np.ix_(at, at)], alone.covariance, atol=1e-8)
            assert len(set(whole.components[at].tolist())) == 1
        assert len(set(whole.components.tolist())) == 40


def test_components_apart_leave_out_what_lies_between() -> None:
    # {a, b} always beats {c, d}
    data = ck.Comparisons(["a", "b", "a", "c", "d", "c", "a", "b"], ["b", "a", "b", "d", "c", "d", "c", "d"])
    with pytest.raises(ck.NoFiniteEstimate, match="parts='separate'"):
        models.bradley_terry(data)
    fit = models.bradley_terry(data, parts="separate")
    half = math.log(2) / 2
    np.testing.assert_allclose(fit.scores, [half, -half, half, -half], atol=1e-9)
    assert fit.comparisons == 6
    assert fit.winners == ("a", "c")
    with pytest.raises(ValueError, match="goes with ties='half'"):
        models.bradley_terry(data, parts="separate", ties="davidson")
    lonely = models.bradley_terry(ck.Comparisons(["a", "b", "a"], ["b", "a", "c"]), parts="separate")
    assert lonely.scores.tolist() == [0.0, 0.0, 0.0]
    assert lonely.covariance[2, 2] == 0.0


@settings(max_examples=10)
@given(rich())
def test_a_warm_start_changes_the_way_not_the_end(rows: Rows) -> None:
    data = votes(rows)
    cold = models.bradley_terry(data)
    warm = models.bradley_terry(data, start=cold)
    assert warm.iterations <= 1
    np.testing.assert_allclose(warm.scores, cold.scores, atol=1e-9)
    with pytest.raises(ValueError, match="same alternatives"):
        models.bradley_terry(ck.Comparisons(["x", "y"], ["y", "x"]), start=cold)


@pytest.mark.parametrize("bad", [[1, 2], [0.5] * 3, ["left"] * 3, [math.nan] * 3])
def test_orders_are_signs(bad: list[Any]) -> None:
    with pytest.raises(ValueError, match="order: needed 3 numbers among -1, 0 and 1"):
        ck.Comparisons(["a", "b", "c"], ["b", "c", "a"], order=bad)


def test_rows_keep_their_labels() -> None:
    data = ck.Comparisons(["a", "b", "c"], ["b", "c", "a"], voter=[1, 2, 1], order=[1, -1, 0], weight=[1, 2, 3])
    some = data.rows(np.array([False, True, True]))
    assert (some.alternatives, some.voters, len(some)) == (("a", "b", "c"), (1, 2), 2)
    assert some.order is not None
    assert some.voter is not None
    assert (some.order.tolist(), some.voter.tolist(), some.weight.tolist()) == ([-1, 0], [1, 0], [2.0, 3.0])
    with pytest.raises(ValueError, match="at least one row"):
        data.rows([])
    with pytest.raises(ValueError, match="a mask of 3"):
        data.rows(np.array([True]))
    with pytest.raises(IndexError):
        data.rows([3])
    for odd in ([0.7, 1.9], np.array([1.0, 0.0, 1.0]), [[0, 1]], ["a"]):
        with pytest.raises(TypeError, match="a mask or a list of row numbers"):
            data.rows(odd)


def test_comparisons_travel_between_processes() -> None:
    data = ck.Comparisons(["a", "b", "c"], ["b", "c", "a"], voter=[1, 2, 1], group={"x": [1, 1, 2], "y": [3, 3, 3]})
    for there in (pickle.loads(pickle.dumps(data)), copy.deepcopy(data)):
        assert (there.alternatives, there.voters, there.groups) == (data.alternatives, data.voters, data.groups)
        np.testing.assert_array_equal(there.winner, data.winner)
        assert there.grouped_by("y").groups == (3,)
        assert not there._winner.flags.writeable
        assert not there.group.flags.writeable
        np.testing.assert_array_equal(models.bradley_terry(there).scores, models.bradley_terry(data).scores)


def test_an_estimate_that_light_comparisons_hold_is_found_not_refused() -> None:
    """Of two alternatives the scores are log(won / lost) apart, however light the loss; an order that is balanced
    changes nothing."""
    for light in (1e-4, 1e-7):
        data = ck.Comparisons(
            ["a", "a", "b", "b"], ["b", "b", "a", "a"], weight=[1, 1, light, light], order=[1, -1, 1, -1]
        )
        fit = models.bradley_terry(data, order=True)
        assert float(np.ptp(fit.scores)) == pytest.approx(-math.log(light), rel=1e-6)
        assert fit.effects["order"] == pytest.approx(0.0, abs=1e-6)
    for light in (1e-9, 1e-12):
        plain = models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"], weight=[1, light]))
        assert float(np.ptp(plain.scores)) == pytest.approx(-math.log(light), rel=1e-4)


def attained(ties: str, rows: np.ndarray, won: np.ndarray, tied: np.ndarray) -> bool:
    """Whether the likelihood has a maximum, by a programme over directions (η of each row, then of the tie)."""
    from scipy.optimize import linprog

    win = rows * np.where(won, 1.0, -1.0)[:, None]
    tie = np.zeros((1, rows.shape[1]))
    tie[0, -1] = 1.0
    keep, fall = win[~tied], rows[tied]
    if ties == "davidson":
        must = np.concatenate([keep, keep / 2 - tie, tie + fall / 2, tie - fall / 2])
    elif ties == "rao_kupper":
        must = np.concatenate([keep - tie, tie + fall, tie - fall])
    else:
        must = np.concatenate([keep, fall, -fall])
    count = len(must)
    found = linprog(
        np.concatenate([np.zeros(rows.shape[1]), -np.ones(count)]), A_ub=np.hstack([-must, np.eye(count)]),
        b_ub=np.zeros(count), bounds=[(None, None)] * rows.shape[1] + [(0, 1)] * count,
    )  # fmt: skip
    return bool(-found.fun < 1e-7)


@pytest.mark.parametrize("ties", ["half", *TIES])
@pytest.mark.parametrize("tolerance", [1e-2, 1e-10])
def test_estimates_exist_where_a_linear_programme_says_so(ties: Any, tolerance: float) -> None:
    rng = np.random.default_rng(5)
    seen, stopped = {True: 0, False: 0}, 0
    for _ in range(60):
        size, number = int(rng.integers(2, 5)), int(rng.integers(1, 12))
        a = np.concatenate([np.arange(size), rng.integers(0, size, number)])
        b = (a + rng.integers(1, size, len(a))) % size
        tied, order, length = rng.random(len(a)) < 0.3, rng.integers(-1, 2, len(a)), rng.normal(size=len(a))
        if not tied.any() or tied.all() or len(set(zip(length, order, strict=True))) < 3:
            continue
        rows = np.zeros((len(a), size + 3))
        rows[np.arange(len(a)), a], rows[np.arange(len(a)), b] = 1.0, -1.0
        rows[:, size], rows[:, size + 1] = order, length
        data = ck.Comparisons(a, b, tie=tied, order=order)
        exists = attained(ties, rows, np.ones(len(a), np.bool_), tied)
        seen[exists] += 1
        try:
            fit = models.bradley_terry(
                data, ties=ties, order=True, comparison_features={"length": length}, tolerance=tolerance
            )
        except NoFiniteEstimate:
            assert not exists
        except NotConverged:  # log-odds of hundreds
            stopped += 1
        except ValueError:  # a maximum, but not one alone
            assert exists
            assert np.linalg.matrix_rank(rows[:, : size + 2]) < size + 1
        else:
            assert exists
            assert np.isfinite(fit.scores).all()
    assert min(seen.values()) >= 5
    assert stopped <= 1


@pytest.mark.parametrize("name", ["tie", "order"])
def test_features_do_not_take_the_names_of_other_effects(name: str) -> None:
    data = ck.Comparisons(["a", "b", "a", "b"], ["b", "a", "b", "a"])
    with pytest.raises(ValueError, match="name of an effect of its own"):
        models.bradley_terry(data, comparison_features={name: [1.0, 2.0, 0.0, 1.0]})
    with pytest.raises(ValueError, match="name of an effect of its own"):
        models.bradley_terry(data, features={name: [1.0, 2.0]})


def test_bad_options_say_so() -> None:
    data = ck.Comparisons(["a", "b", "a", "b"], ["b", "a", "b", "a"], order=[1, 1, -1, 1])
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"order": np.ones(4)}, TypeError, "order must be True or False"),
        ({"features": [1, 2]}, TypeError, "features must map names"),
        ({"features": {"x": ["u", "v"]}}, ValueError, "no numbers"),
        ({"tolerance": 0.0, "order": True}, ValueError, "tolerance must be above 0"),
        ({"limit": -1}, ValueError, "limit at least 0"),
        ({"start": np.zeros(2)}, ValueError, "start must be a fit"),
    ]
    for options, kind, said in wrong:
        with pytest.raises(kind, match=said):
            models.bradley_terry(data, **options)
    with pytest.raises(TypeError, match="needed Comparisons or PairCounts, got list"):
        models.bradley_terry([("a", "b")])  # type: ignore[arg-type]


def test_fits_cannot_be_changed_nor_given_what_is_no_covariance() -> None:
    data = ck.Comparisons(["a", "b", "a", "b"], ["b", "a", "b", "a"], order=[1, 1, -1, 1])
    fit = models.bradley_terry(data, order=True, prior=1.0)
    again = pickle.loads(pickle.dumps(fit))
    assert dict(again.effects) == dict(fit.effects)
    for one in (fit, again, copy.deepcopy(fit)):
        with pytest.raises(ValueError, match="read-only"):
            one.scores[0] = 1.0
        with pytest.raises(TypeError, match="item assignment"):
            one.effects["order"] = 1.0
    for bad in (np.eye(2), np.eye(4), np.full((3, 3), np.nan), -np.eye(3), np.triu(np.ones((3, 3)))):
        with pytest.raises(ValueError, match="with_covariance: needed a covariance"):
            fit.with_covariance(bad, "bad")


def test_parts_fitted_apart_have_no_common_gauge() -> None:
    fit = models.bradley_terry(ck.Comparisons(list("abcd"), list("badc")), parts="separate")
    for ask in (lambda: fit.relative_to("a"), lambda: fit.elo(anchor="a"), fit.worths):
        with pytest.raises(ValueError, match="2 components fitted apart"):
            ask()
    assert fit.elo().values.tolist() == [1000.0] * 4


def test_scores_far_beyond_the_range_of_exponentials() -> None:
    """A chain in which each won twice and lost once against the next: log 2 a step, 1,400 steps."""
    step = np.arange(1_400)
    data = ck.Comparisons(np.concatenate([step, step, step + 1]), np.concatenate([step + 1, step + 1, step]))
    np.testing.assert_allclose(np.diff(models.bradley_terry(data).scores), -math.log(2), atol=1e-8)
