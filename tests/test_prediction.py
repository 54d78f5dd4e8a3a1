"""Predicted outcomes: the models' formulas, errors by the delta method, and what may be asked for."""

from __future__ import annotations

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
from choicekit.models.fit import Fit
from choicekit.models.prediction import TieKind, log_outcomes, observed, predict, slopes, tie_of

Floats = NDArray[np.float64]
KINDS: list[tuple[TieKind, float]] = [
    ("none", 0.0),
    ("davidson", math.log(0.7)),
    ("davidson", 3.0),
    ("rao_kupper", 0.4),
]


def drawn(rng: np.random.Generator, rows: int = 400, ties: bool = True, size: int = 5) -> tuple[ck.Comparisons, Floats]:
    """Comparisons with ties, orders and a feature of the comparison that matters."""
    first = rng.integers(0, size, rows)
    second = (first + rng.integers(1, size, rows)) % size
    order = rng.choice([-1, 0, 1], rows)
    feature = rng.normal(size=rows)
    eta = 0.5 * (second - first) + 0.4 * order + 0.6 * feature
    outcome = np.array([rng.choice(3, p=np.exp(row)) for row in log_outcomes("davidson", math.log(0.6), eta)])
    tie = (outcome == 1) & ties
    turned = outcome == 2
    sign = np.where(turned, -1, 1)
    names = np.array(list("abcde"))
    votes = ck.Comparisons(
        names[np.where(turned, second, first)], names[np.where(turned, first, second)], tie=tie, order=sign * order
    )
    return votes, sign * feature


def fits(rng: np.random.Generator) -> list[tuple[Fit, ck.Comparisons, dict[str, Any]]]:
    votes, feature = drawn(rng)
    given: dict[str, Any] = {"length": feature}
    made = []
    for ties in ("half", "davidson", "rao_kupper"):
        for order in (False, True):
            for some in ({}, given):
                fit = models.bradley_terry(votes, ties=ties, order=order, comparison_features=some or None)  # type: ignore[arg-type]
                made.append((fit, votes, some))
    return made


@given(st.sampled_from(["davidson", "rao_kupper"]), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.01, 3))
def test_probabilities_are_the_models(kind: TieKind, s: float, t: float, tie: float) -> None:
    p, q, weight = math.exp(s), math.exp(t), math.exp(tie)
    if kind == "davidson":
        total = p + q + weight * math.sqrt(p * q)
        expected = [p / total, weight * math.sqrt(p * q) / total, q / total]
    else:
        expected = [p / (p + weight * q), 0.0, q / (q + weight * p)]
        expected[1] = 1 - expected[0] - expected[2]
    np.testing.assert_allclose(np.exp(log_outcomes(kind, tie, s - t)), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("kind", "tie"), KINDS)
def test_slopes_are_finite_differences(kind: TieKind, tie: float) -> None:
    eta, h = np.linspace(-9, 9, 61), 1e-5
    by_eta, by_tie = slopes(kind, tie, eta)
    change = np.exp(log_outcomes(kind, tie, eta + h)) - np.exp(log_outcomes(kind, tie, eta - h))
    np.testing.assert_allclose(by_eta, change / (2 * h), atol=1e-9)
    if kind != "none":
        change = np.exp(log_outcomes(kind, tie + h, eta)) - np.exp(log_outcomes(kind, tie - h, eta))
        np.testing.assert_allclose(by_tie, change / (2 * h), atol=1e-9)


@pytest.mark.parametrize(("kind", "tie"), KINDS)
def test_far_apart_nothing_overflows_and_small_probabilities_keep_their_digits(kind: TieKind, tie: float) -> None:
    eta = np.array([-700.0, -60.0, 0.0, 60.0, 700.0])
    logs = log_outcomes(kind, tie, eta)
    np.testing.assert_allclose(np.exp(logs).sum(-1), 1, rtol=1e-13)
    np.testing.assert_allclose(logs, logs[::-1, ::-1], rtol=1e-13)
    loss = {"none": -700.0, "davidson": -700.0, "rao_kupper": -700.0 - tie}[kind]
    assert math.isclose(logs[-1, 2], loss, rel_tol=1e-13)
    if kind != "none":
        drawn_log = -350 + tie if kind == "davidson" else math.log(math.expm1(2 * tie)) - 700 - tie
        assert math.isclose(logs[-1, 1], drawn_log, rel_tol=1e-13)
    by_eta, by_tie = slopes(kind, tie, eta)
    np.testing.assert_allclose(by_eta.sum(-1), 0, atol=1e-16)
    np.testing.assert_allclose(by_tie.sum(-1), 0, atol=1e-16)
    assert by_eta[-1, 2] < 0
    assert math.isclose(-by_eta[-1, 2], math.exp(loss), rel_tol=1e-9)


def test_errors_are_the_delta_methods_with_every_effect() -> None:
    rng = np.random.default_rng(3)
    for fit, _, some in fits(rng):
        names = list(fit.effects)
        order = rng.choice([-1, 0, 1], 4) if "order" in names else 0
        features = rng.normal(size=(4, 1)) if some else None
        first, second = list("abcd"), list("beea")

        def chances(theta: Floats, fit: Fit = fit, order: Any = order, features: Any = features) -> Floats:
            moved = replace(fit, scores=theta[:5], effects=dict(zip(fit.effects, theta[5:].tolist(), strict=True)))
            found = moved.predict(list("abcd"), list("beea"), order=order, features=features)
            return np.stack([found.win, found.tie, found.loss], axis=1)

        at, h = np.concatenate([fit.scores, list(fit.effects.values())]), 1e-5
        jacobian = np.stack(
            [(chances(at + h * step) - chances(at - h * step)) / (2 * h) for step in np.eye(len(at))], axis=-1
        )
        expected = np.sqrt(np.einsum("nop,pq,noq->no", jacobian, fit.joint_covariance, jacobian))
        found = fit.predict(first, second, order=order, features=features)
        np.testing.assert_allclose(found.errors, expected, atol=1e-8)
        assert found.errors[:, 0].min() > 0.01


def test_the_log_likelihood_of_the_fitted_data_is_the_fits() -> None:
    for fit, votes, some in fits(np.random.default_rng(4)):
        assert math.isclose(observed(fit, votes, some).loglik, fit.loglik, rel_tol=1e-12)
        if not some:
            counts = votes.counts("order") if "order" in fit.effects else votes.counts()
            assert math.isclose(observed(fit, counts).loglik, fit.loglik, rel_tol=1e-12)


def test_sides_may_be_swapped() -> None:
    for fit, _, some in fits(np.random.default_rng(5)):
        order = 1 if "order" in fit.effects else 0
        features = np.array([0.7]) if some else None
        one = predict(fit, "a", list("bcde"), order, features)
        two = predict(fit, list("bcde"), "a", -order, None if features is None else -features)
        np.testing.assert_allclose(one.win, two.loss)
        np.testing.assert_allclose(one.tie, two.tie)
        np.testing.assert_allclose(one.errors, two.errors[:, ::-1])
        np.testing.assert_allclose(one.win + one.tie + one.loss, 1)


def test_features_shift_the_log_odds() -> None:
    votes, feature = drawn(np.random.default_rng(6), ties=False)
    fit = models.bradley_terry(votes, comparison_features={"length": feature})
    plain, longer = predict(fit, "a", "b"), predict(fit, "a", "b", 0, [1.0])
    odds = [math.log(found.win[0] / found.loss[0]) for found in (plain, longer)]
    assert math.isclose(odds[1] - odds[0], fit.effects["length"], rel_tol=1e-9)
    np.testing.assert_array_equal(predict(fit, "a", ["b", "c"], 0, [1.0, 1.0]).win[:1], longer.win)


def test_journal_citations(data: Path) -> None:
    read = ingest.read_comparisons(
        data / "r_bradleyterry2/citations.csv", winner="cited", loser="citing", weight="Freq", skip=["self"]
    ).comparisons
    found = models.bradley_terry(read).predict("JRSS-B", "Biometrika")
    win = 1 / (1 + math.exp(-0.268954))  # BradleyTerry2: the difference of the two, and its standard error
    assert abs(found.win[0] - win) < 1e-6
    assert abs(found.errors[0, 0] - win * (1 - win) * 0.07083) < 1e-5


def test_labels_of_any_kind() -> None:
    pairs = ck.Comparisons([("x", 1), ("x", 2), ("x", 1)], [("x", 2), ("x", 1), ("x", 2)])
    fit = models.bradley_terry(pairs)
    assert len(fit.predict(("x", 1), ("x", 2)).win) == 1
    assert len(fit.predict([("x", 1)] * 3, ("x", 2)).win) == 3
    numbers = models.bradley_terry(ck.Comparisons([3, 7, 3], [7, 3, 7]))
    np.testing.assert_allclose(numbers.predict(np.array([3, 7]), np.array([7, 3])).win, [2 / 3, 1 / 3])
    np.testing.assert_allclose(numbers.predict(np.int64(3), 7).win, [2 / 3])
    words = models.bradley_terry(ck.Comparisons(["ab", "c", "ab"], ["c", "ab", "c"]))
    np.testing.assert_allclose(words.predict("ab", ("c", "c")).win, [2 / 3] * 2)


def test_what_cannot_be_predicted() -> None:
    votes = ck.Comparisons(["a", "b", "a"], ["b", "a", "b"], order=[1, 1, -1])
    fit = models.bradley_terry(votes)
    with pytest.raises(KeyError, match="no alternative 'z'"):
        fit.predict("a", "z")
    with pytest.raises(KeyError, match="no alternative 'ab'"):
        fit.predict("ab", "ba")  # a string is one label, not two
    with pytest.raises(ValueError, match="2 and 3"):
        fit.predict(["a", "a"], ["b", "b", "b"])
    with pytest.raises(ValueError, match="both sides"):
        fit.predict(["a", "b"], ["b", "b"])
    with pytest.raises(ValueError, match="no effect of order"):
        fit.predict("a", "b", order=1)
    with pytest.raises(ValueError, match="no effect of comparison features"):
        fit.predict("a", "b", features=[[1.0]])
    ordered = models.bradley_terry(votes, order=True, prior=1.0)
    with pytest.raises(ValueError, match="must be 1"):
        ordered.predict("a", "b", order=2)
    with pytest.raises(ValueError, match="who was shown first"):
        observed(ordered, ck.Comparisons(["a"], ["b"]))
    featured = models.bradley_terry(votes, comparison_features={"length": [1.0, -1.0, 0.5]}, prior=1.0)
    with pytest.raises(ValueError, match=r"shape \(1, 1\)"):
        featured.predict("a", "b", features=[[1.0, 2.0]])
    with pytest.raises(ValueError, match="finite features"):
        featured.predict("a", "b", features=[[np.nan]])
    with pytest.raises(ValueError, match="'length'"):
        observed(featured, votes)
    with pytest.raises(ValueError, match="one a comparison"):
        observed(featured, votes, {"length": [1.0]})
    apart = models.bradley_terry(ck.Comparisons(list("abcd"), list("badc")), parts="separate")
    assert apart.predict("a", "b").win[0] == 0.5
    with pytest.raises(ValueError, match="fitted apart"):
        apart.predict("a", "c")


def test_rankings_predict_pairs_as_davidson_does() -> None:
    votes, _ = drawn(np.random.default_rng(7))
    davidson = models.bradley_terry(votes, ties="davidson")
    as_rankings = replace(davidson, model="plackett_luce")
    assert tie_of(as_rankings) == tie_of(davidson)
    np.testing.assert_array_equal(as_rankings.predict("a", "b").tie, davidson.predict("a", "b").tie)
    plain = replace(models.bradley_terry(votes), model="plackett_luce")
    assert plain.predict("a", "b").tie[0] == 0
