"""Measures of welfare and inequality against their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit import welfare

UTILITIES = st.integers(0, 1000).map(lambda whole: whole / 8)
WEIGHTS = st.integers(1, 64).map(lambda whole: whole / 8)


@st.composite
def populations(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Utilities with a positive mean, and positive weights."""
    values = draw(st.lists(UTILITIES, min_size=1, max_size=7).filter(any))
    return values, draw(st.lists(WEIGHTS, min_size=len(values), max_size=len(values)))


def gini_by_definition(values: list[float], weights: list[float]) -> float:
    shares = [weight / sum(weights) for weight in weights]
    mean = sum(share * value for share, value in zip(shares, values, strict=True))
    pairs = list(zip(shares, values, strict=True))
    return sum(w * v * abs(x - y) for w, x in pairs for v, y in pairs) / (2 * mean)


@given(populations())
def test_gini_is_its_definition(population: tuple[list[float], list[float]]) -> None:
    values, weights = population
    assert welfare.gini(values, weights) == pytest.approx(gini_by_definition(values, weights), abs=1e-12)


@given(populations(), st.sampled_from([1e-6, 0.3, 7.0, 1e12]))
def test_gini_has_no_unit_and_counts_weights_as_voters(
    population: tuple[list[float], list[float]], unit: float
) -> None:
    values, weights = population
    expected = welfare.gini(values, weights)
    assert welfare.gini([unit * value for value in values], weights) == pytest.approx(expected, abs=1e-12)
    voters = [value for value, weight in zip(values, weights, strict=True) for _ in range(int(weight * 8))]
    assert welfare.gini(voters) == pytest.approx(expected, abs=1e-12)


def test_gini_of_the_known_population() -> None:
    assert welfare.gini([0.9, 0.6, 0.3], [0.5, 0.3, 0.2]) == pytest.approx(0.178261, abs=5e-7)
    assert welfare.gini([0.3, 0.9, 0.6], [2, 5, 3]) == pytest.approx(0.178261, abs=5e-7)


def test_gini_of_equals_is_exactly_zero() -> None:
    assert welfare.gini([0.1, 0.1, 0.1], [0.1, 0.2, 0.3]).tolist() == 0


def test_gini_of_near_equals_keeps_its_digits() -> None:
    # ordered pairs differ by 2·(1 + 3 + 2) = 12, over 9 pairs and twice the mean
    assert welfare.gini([1e12 + 3, 1e12, 1e12 + 1]) == pytest.approx(12 / 9 / 2e12, rel=1e-6, abs=0)


def test_a_transfer_from_rich_to_poor_lowers_gini() -> None:
    before, after = welfare.gini([[1, 5, 9], [2, 5, 8]])
    assert after < before


@pytest.mark.parametrize("values", [[1, -1], [[1, 2], [3, -0.5]]])
def test_gini_of_negative_utilities_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"gini: needed utilities of at least 0, got -"):
        welfare.gini(values)


@pytest.mark.parametrize(("values", "weights"), [([0, 0], None), ([[1, 2], [0, 0]], None), ([0, 5], [1, 0])])
def test_gini_of_a_zero_mean_is_refused(values: Any, weights: Any) -> None:
    with pytest.raises(ValueError, match="gini: needed a positive mean utility, got 0"):
        welfare.gini(values, weights)


@given(populations(), populations())
def test_welfare_is_its_definition(
    one: tuple[list[float], list[float]], other: tuple[list[float], list[float]]
) -> None:
    size = min(len(one[0]), len(other[0]))
    columns, weights = [one[0][:size], other[0][:size]], one[1][:size]
    table = np.array(columns).T
    total = sum(weights)
    for column, mean, least, log in zip(
        columns,
        welfare.utilitarian(table, weights),
        welfare.egalitarian(table),
        welfare.nash(table, weights, -1.0),
        strict=True,
    ):
        assert mean == pytest.approx(sum(w * u for w, u in zip(weights, column, strict=True)) / total)
        assert least == min(column)
        product = math.prod((u + 1) ** (w / total) for w, u in zip(weights, column, strict=True))
        assert math.exp(log) == pytest.approx(product)


def test_nash_does_not_underflow_for_a_million_voters() -> None:
    gains = np.full((1_000_000, 2), [1e-3, 1e3])
    assert welfare.nash(gains).tolist() == pytest.approx([math.log(1e-3), math.log(1e3)], rel=1e-13)
    assert welfare.utilitarian(gains).tolist() == pytest.approx([1e-3, 1e3], rel=1e-13)


def test_nash_without_a_gain_is_minus_infinity() -> None:
    table = [[1, 0, -2, 3], [1, 4, 4, 3]]
    assert welfare.nash(table).tolist()[1:3] == [-np.inf, -np.inf]
    assert welfare.nash(table, [0, 1]).tolist() == pytest.approx([0, math.log(4), math.log(4), math.log(3)])


def test_nash_takes_a_disagreement_for_each_voter() -> None:
    assert np.exp(welfare.nash([[3, 2], [9, 5]], disagreement=[2, 5])).tolist() == pytest.approx([2, 0])
    with pytest.raises(ValueError, match="one for each of the 2 voters, got shape \\(3,\\)"):
        welfare.nash([[3, 2], [9, 5]], disagreement=[1, 2, 3])


def test_spread() -> None:
    assert welfare.spread([[3, -1, 2], [5, 5, 5]]).tolist() == [4, 0]


@pytest.mark.parametrize("measure", [welfare.utilitarian, welfare.egalitarian, welfare.nash])
def test_leading_axes_are_batches(measure: Callable[..., Any]) -> None:
    table = np.random.default_rng(1).uniform(1, 2, (2, 3, 5, 4))
    weights = {} if measure is welfare.egalitarian else {"weights": [1, 2, 3, 4, 0]}
    batch = measure(table, **weights)
    assert batch.shape == (2, 3, 4)
    np.testing.assert_allclose(batch[1, 2], measure(table[1, 2], **weights), rtol=1e-14)


@pytest.mark.parametrize("measure", [welfare.gini, welfare.spread])
def test_leading_axes_are_batches_of_voters(measure: Callable[..., Any]) -> None:
    table = np.random.default_rng(1).uniform(1, 2, (2, 3, 5))
    batch = measure(table)
    assert batch.shape == (2, 3)
    np.testing.assert_allclose(batch[1, 2], measure(table[1, 2]), rtol=1e-12)


@pytest.mark.parametrize("measure", [welfare.utilitarian, welfare.egalitarian, welfare.nash])
def test_missing_utilities_stay_missing(measure: Callable[..., Any]) -> None:
    assert np.isnan(measure([[1, np.nan], [1, 1]])).tolist() == [False, True]


@pytest.mark.parametrize("measure", [welfare.gini, welfare.spread])
def test_missing_utilities_stay_missing_in_inequality(measure: Callable[..., Any]) -> None:
    assert np.isnan(measure([[1, np.nan], [1, 1]])).tolist() == [True, False]


@pytest.mark.parametrize("weights", [[1, -1], [0, 0], [1], [1, np.nan], [1, np.inf]])
@pytest.mark.parametrize("measure", [welfare.utilitarian, welfare.nash, welfare.gini])
def test_wrong_weights_are_refused(measure: Callable[..., Any], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights: "):
        measure([[1, 2], [3, 4]], weights)


@pytest.mark.parametrize("measure", [welfare.utilitarian, welfare.egalitarian, welfare.nash])
@pytest.mark.parametrize("shape", [(), (3,), (0, 3)])
def test_utilities_need_voters(measure: Callable[..., Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needed an array indexed \[\.\.\., voter, alternative\], got shape"):
        measure(np.ones(shape))


@pytest.mark.parametrize("measure", [welfare.gini, welfare.spread])
@pytest.mark.parametrize("shape", [(), (3, 0)])
def test_inequality_needs_voters(measure: Callable[..., Any], shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"needed an array indexed \[\.\.\., voter\], got shape"):
        measure(np.ones(shape))
