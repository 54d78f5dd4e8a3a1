"""Measures of welfare and inequality against their definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
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


WELFARE = {
    "power": lambda table, weights=None: welfare.power_mean(table, -0.5, weights),
    "exponential": lambda table, weights=None: welfare.exponential_mean(table, 1.5, weights),
    "leximin": welfare.leximin,
    "ordered": lambda table, weights=None: welfare.ordered_average(table, [3, 2, 1], weights),
    "gini": lambda table, weights=None: welfare.generalised_gini(table, 3.0, weights),
    "quantile": lambda table, weights=None: welfare.quantile(table, 0.4, weights),
}
UNEQUAL = {
    "gini": welfare.gini,
    "atkinson": lambda table, weights=None: welfare.atkinson(table, 0.7, weights),
    "theil": lambda table, weights=None: welfare.generalised_entropy(table, 1.0, weights),
    "deviation": lambda table, weights=None: welfare.generalised_entropy(table, 0.0, weights),
    "entropy": lambda table, weights=None: welfare.generalised_entropy(table, 2.5, weights),
    "hoover": welfare.hoover,
}


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


# --- Power and exponential means ------------------------------------------------------------------------------------


def power_by_definition(values: list[float], weights: list[float], exponent: float) -> float:
    shares = [weight / sum(weights) for weight in weights]
    if exponent <= 0 and min(values) == 0:
        return 0.0
    if exponent == 0:
        return math.prod(u**w for u, w in zip(values, shares, strict=True))
    return sum(w * u**exponent for u, w in zip(values, shares, strict=True)) ** (1 / exponent)


@given(populations(), st.sampled_from([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.0, 3.5]))
def test_power_mean_is_its_definition(population: tuple[list[float], list[float]], exponent: float) -> None:
    values, weights = population
    found = welfare.power_mean(np.array(values)[:, None], exponent, weights).item()
    assert found == pytest.approx(power_by_definition(values, weights, exponent), rel=1e-12, abs=1e-12)


@given(populations(), st.sampled_from([1e-200, 1e-6, 3.0, 1e200]))
def test_power_mean_has_the_unit_of_utility_and_grows_with_the_exponent(
    population: tuple[list[float], list[float]], unit: float
) -> None:
    table, weights = np.array(population[0])[:, None], population[1]
    exponents = [-np.inf, -300.0, -2.0, -1e-9, 0.0, 1e-9, 0.5, 1.0, 2.0, 300.0, np.inf]
    means = [welfare.power_mean(table, exponent, weights).item() for exponent in exponents]
    assert all(low <= high * (1 + 1e-12) for low, high in pairwise(means))
    assert means[0] == table.min()
    assert means[-1] == table.max()
    scaled = [welfare.power_mean(unit * table, exponent, weights).item() for exponent in exponents]
    np.testing.assert_allclose(scaled, unit * np.array(means), rtol=1e-11)


def test_power_mean_of_100_000_voters_neither_underflows_nor_overflows() -> None:
    table = np.tile([[1e-300, 1e300], [3e-300, 3e300]], (50_000, 1))
    for exponent in (-50.0, -1.0, -1e-12, 0.0, 1e-12, 2.0, 50.0):
        expected = math.sqrt(3) if abs(exponent) < 1e-9 else power_by_definition([1, 3], [1, 1], exponent)
        found = welfare.power_mean(table, exponent) / [1e-300, 1e300]
        assert found.tolist() == pytest.approx([expected, expected], rel=1e-11)
    assert welfare.nash(table).tolist() == pytest.approx([math.log(1e-300 * 3**0.5), math.log(1e300 * 3**0.5)])


def test_power_mean_of_equals_is_exact() -> None:
    for exponent in (-7.3, 0.0, 1e-7, 0.3, 2.0):
        assert welfare.power_mean([[0.1, 7.0], [0.1, 7.0]], exponent, [0.3, 0.4]).tolist() == [0.1, 7.0]


def test_a_voter_of_weight_zero_does_not_decide() -> None:
    table = [[0.0, 9.0], [1.0, 2.0]]
    for measure in WELFARE.values():
        np.testing.assert_array_equal(measure(table, [0, 2]), measure([[1.0, 2.0]], [1]))
    assert welfare.power_mean(table, -np.inf, [0, 2]).tolist() == [1, 2]


@given(populations(), st.sampled_from([-40.0, -1.0, -1e-8, 0.0, 1e-8, 0.5, 40.0]), st.sampled_from([-1e3, 0.5, 1e5]))
def test_exponential_mean_moves_with_its_utilities(
    population: tuple[list[float], list[float]], rate: float, shift: float
) -> None:
    table, weights = np.array(population[0])[:, None], population[1]
    expected = welfare.exponential_mean(table, rate, weights).item()
    assert welfare.exponential_mean(table + shift, rate, weights).item() == pytest.approx(expected + shift, abs=1e-7)
    assert table.min() <= expected <= table.max()
    if abs(rate) == 1:
        shares = np.array(weights) / sum(weights)
        assert expected == pytest.approx(math.log(shares @ np.exp(rate * table[:, 0])) / rate, rel=1e-9, abs=1e-9)


def test_exponential_mean_of_known_rewards() -> None:
    found = [welfare.exponential_mean([[0.9], [0.6], [0.3]], rate).item() for rate in (-10, -1, 0, 1, 10)]
    assert found == pytest.approx([0.404767, 0.570222, 0.6, 0.629778, 0.795233], abs=5e-7)
    assert welfare.exponential_mean([[0.9], [0.3]], np.inf).item() == 0.9
    assert welfare.exponential_mean([[1000.0], [-1000.0]], 700.0).item() == pytest.approx(1000 - math.log(2) / 700)


# --- By rank ----------------------------------------------------------------------------------------------------------


def copies(values: list[float], weights: list[float]) -> list[float]:
    """Utilities from the worst up, each as often as its weight has eighths."""
    return sorted(u for u, w in zip(values, weights, strict=True) for _ in range(round(8 * w)))


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[float]], list[float]]:
    """Few different utilities, so that there are many ties, ``[n][m]``, with weights in eighths."""
    voters, size = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    row = st.lists(st.integers(-1, 2).map(float), min_size=size, max_size=size)
    table = draw(st.lists(row, min_size=voters, max_size=voters))
    return table, draw(st.lists(st.integers(1, 5).map(lambda w: w / 8), min_size=voters, max_size=voters))


def dense(keys: list[list[float]]) -> list[float]:
    """How many different keys are below each."""
    return [float(len({tuple(other) for other in keys if other < key})) for key in keys]


@given(tables())
def test_leximin_is_its_definition(drawn: tuple[list[list[float]], list[float]]) -> None:
    table, weights = drawn
    expected = dense([copies(list(column), weights) for column in zip(*table, strict=True)])
    assert welfare.leximin(table, weights).tolist() == expected
    assert welfare.leximin(table, np.array(weights) / 0.7).tolist() == expected


def test_leximin_with_weights_that_are_no_whole_numbers() -> None:
    # Q is 1 up to 0.3 and 2 beyond in the first, 1 up to 0.7 in the second
    assert welfare.leximin([[1, 2], [2, 1]], [0.3, 0.7]).tolist() == [1, 0]
    # 0.1 + 0.2 is not 0.3 in binary
    assert welfare.leximin([[1, 2], [1, 2], [2, 1]], [0.1, 0.2, 0.3]).tolist() == [0, 0]
    assert welfare.leximin([[0.1 + 0.2, 0.3], [5, 5]]).tolist() == [0, 0]


def test_leximin_leaves_out_what_is_missing() -> None:
    found = welfare.leximin([[1, np.nan, 2, 0], [1, 5, 2, 9]])
    np.testing.assert_array_equal(found, [1, np.nan, 2, 0])


@given(tables(), st.lists(st.integers(0, 5), min_size=1, max_size=6).filter(any))
def test_ordered_average_is_its_definition(drawn: tuple[list[list[float]], list[float]], ranks: list[int]) -> None:
    table, weights = drawn
    found = welfare.ordered_average(table, ranks, weights)
    for column, value in zip(zip(*table, strict=True), found.tolist(), strict=True):
        # Each voter as often as the weight has eighths, each of those cut into as many pieces as there are ranks.
        voters = [u for u in copies(list(column), weights) for _ in ranks]
        each = len(voters) // len(ranks)
        total = sum(ranks[place // each] / sum(ranks) / each * u for place, u in enumerate(voters))
        assert value == pytest.approx(total, abs=1e-12)


@given(populations())
def test_generalised_gini_joins_the_mean_the_gini_and_the_minimum(population: tuple[list[float], list[float]]) -> None:
    values, weights = population
    table = np.array(values)[:, None]
    mean = welfare.utilitarian(table, weights).item()
    assert welfare.generalised_gini(table, 1.0, weights).item() == pytest.approx(mean, abs=1e-12)
    fair = mean * (1 - welfare.gini(values, weights).item())
    assert welfare.generalised_gini(table, 2.0, weights).item() == pytest.approx(fair, abs=1e-11)
    assert welfare.generalised_gini(table, np.inf, weights).item() == min(values)
    assert welfare.generalised_gini(table + 5, 3.0, weights).item() == pytest.approx(
        welfare.generalised_gini(table, 3.0, weights).item() + 5, abs=1e-11
    )


@given(populations(), st.data())
def test_a_transfer_to_the_worse_off_raises_fair_welfare_and_lowers_inequality(
    population: tuple[list[float], list[float]], draw: st.DataObject
) -> None:
    values = sorted(population[0])
    if values[0] == values[-1]:
        return
    poor = draw.draw(st.integers(0, len(values) - 2))
    rich = draw.draw(st.integers(poor + 1, len(values) - 1))
    moved = min((values[rich] - values[poor]) / 2, 1.0)
    if moved == 0:
        return
    after = [*values]
    after[poor], after[rich] = values[poor] + moved, values[rich] - moved
    both = np.array([values, after]).T
    for fair in (
        welfare.generalised_gini(both, 1.5), welfare.generalised_gini(both, 4.0),
        welfare.ordered_average(both, range(2 * len(values), 0, -1)), welfare.power_mean(both, -0.5),
        welfare.exponential_mean(both, -0.01),
    ):  # fmt: skip
        assert fair[1] >= fair[0] * (1 - 1e-12)
    assert welfare.generalised_gini(both, 2.0)[1] > welfare.generalised_gini(both, 2.0)[0]
    for unequal in UNEQUAL.values():
        before, then = unequal(both.T)
        assert then <= before * (1 + 1e-9) + 1e-15


@given(tables(), st.sampled_from([0.0, 0.125, 0.25, 1 / 3, 0.5, 0.75, 1.0]))
def test_quantile_is_its_definition(drawn: tuple[list[list[float]], list[float]], q: float) -> None:
    table, weights = drawn
    for column, value in zip(zip(*table, strict=True), welfare.quantile(table, q, weights).tolist(), strict=True):
        voters = copies(list(column), weights)
        assert value == min(u for u in voters if sum(v <= u for v in voters) >= q * len(voters) - 1e-9)


# --- Inequality -------------------------------------------------------------------------------------------------------


def test_indices_of_the_known_population() -> None:
    values, weights = [0.9, 0.6, 0.3], [0.5, 0.3, 0.2]
    found = [welfare.atkinson(values, aversion, weights).item() for aversion in (0, 0.5, 1, 2, np.inf)]
    assert found == pytest.approx([0, 0.034364, 0.072868, 0.158485, 1 - 0.3 / 0.69], abs=5e-7)
    entropies = [welfare.generalised_entropy(values, order, weights).item() for order in (0, 1, 2)]
    assert entropies == pytest.approx([0.075659, 0.064398, 0.057656], abs=5e-7)
    assert welfare.atkinson(values, 1, weights) == pytest.approx(1 - math.exp(-entropies[0]))
    assert welfare.hoover(values, weights).item() == pytest.approx(0.5 * (0.5 * 0.21 + 0.3 * 0.09 + 0.2 * 0.39) / 0.69)


def entropy_by_definition(values: list[float], weights: list[float], order: float) -> float:
    shares = [weight / sum(weights) for weight in weights]
    mean = sum(w * u for u, w in zip(values, shares, strict=True))
    if order == 1:
        return sum(w * u / mean * math.log(u / mean) for u, w in zip(values, shares, strict=True) if u)
    if order == 0:
        return sum(w * math.log(mean / u) for u, w in zip(values, shares, strict=True))
    powers = sum(w * (u / mean) ** order for u, w in zip(values, shares, strict=True))
    return (powers - 1) / (order * (order - 1))


@given(populations(), st.sampled_from([-1.5, -0.5, 0.0, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 4.0]))
def test_generalised_entropy_is_its_definition(population: tuple[list[float], list[float]], order: float) -> None:
    values, weights = population
    if order <= 0 and 0 in values:
        assert welfare.generalised_entropy(values, order, weights) == np.inf
        return
    expected = entropy_by_definition(values, weights, order)
    assert welfare.generalised_entropy(values, order, weights) == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_generalised_entropy_is_continuous_in_its_order() -> None:
    values = [0.9, 0.6, 0.3]
    for order in (0.0, 1.0):
        for near in (order - 1e-9, order + 1e-9):
            assert welfare.generalised_entropy(values, near) == pytest.approx(
                welfare.generalised_entropy(values, order).item(), rel=1e-8
            )


@given(populations(), populations(), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_generalised_entropy_is_within_groups_and_between_them(
    one: tuple[list[float], list[float]], other: tuple[list[float], list[float]], order: float
) -> None:
    groups = [([u + 1 for u in values], weights) for values, weights in (one, other)]
    everyone = ([*groups[0][0], *groups[1][0]], [*groups[0][1], *groups[1][1]])
    mean = float(np.average(everyone[0], weights=everyone[1]))
    within, between = 0.0, []
    for values, weights in groups:
        share, own = sum(weights) / sum(everyone[1]), float(np.average(values, weights=weights))
        between.append((own, share))
        within += share * (own / mean) ** order * welfare.generalised_entropy(values, order, weights).item()
    total = within + welfare.generalised_entropy([u for u, _ in between], order, [w for _, w in between]).item()
    assert welfare.generalised_entropy(*everyone[:1], order, everyone[1]).item() == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("name", UNEQUAL)
@given(population=populations(), unit=st.sampled_from([1e-6, 0.3, 1e12]))
def test_inequality_has_no_unit_and_counts_weights_as_voters(
    name: str, population: tuple[list[float], list[float]], unit: float
) -> None:
    values, weights = [u + 0.125 for u in population[0]], population[1]
    expected = UNEQUAL[name](values, weights).item()
    assert UNEQUAL[name]([unit * u for u in values], weights).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert UNEQUAL[name](copies(values, weights)).item() == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", UNEQUAL)
def test_equals_are_not_unequal(name: str) -> None:
    assert UNEQUAL[name]([0.1, 0.1, 0.1], [0.1, 0.2, 0.3]).tolist() == 0


@pytest.mark.parametrize("name", WELFARE)
def test_leading_axes_are_batches_of_every_measure(name: str) -> None:
    table = np.random.default_rng(1).uniform(1, 2, (2, 3, 5, 4))
    for weights in (None, [1, 2, 3, 4, 0.5]):
        batch = WELFARE[name](table, weights)
        assert batch.shape == (2, 3, 4)
        np.testing.assert_allclose(batch[1, 2], WELFARE[name](table[1, 2], weights), rtol=1e-13)


@pytest.mark.parametrize("name", UNEQUAL)
def test_leading_axes_are_batches_of_every_inequality(name: str) -> None:
    table = np.random.default_rng(1).uniform(1, 2, (2, 3, 5))
    batch = UNEQUAL[name](table, [1, 2, 3, 4, 0])
    assert batch.shape == (2, 3)
    np.testing.assert_allclose(batch[1, 2], UNEQUAL[name](table[1, 2], [1, 2, 3, 4, 0]), rtol=1e-12)


@pytest.mark.parametrize("name", WELFARE)
@pytest.mark.parametrize("weights", [None, [1, 2], [0, 2]])
def test_missing_utilities_stay_missing_in_every_measure(name: str, weights: Any) -> None:
    assert np.isnan(WELFARE[name]([[1, np.nan, 2], [1, 1, 2]], weights)).tolist() == [False, True, False]


@pytest.mark.parametrize("name", UNEQUAL)
def test_missing_utilities_stay_missing_in_every_inequality(name: str) -> None:
    assert np.isnan(UNEQUAL[name]([[1, np.nan], [1, 1]])).tolist() == [True, False]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: welfare.power_mean([[-1.0]], 0.5), "power_mean: needed utilities of at least 0 for the exponent 0.5"),
        (lambda: welfare.power_mean([[1.0]], np.nan), "power_mean: needed a number for exponent, got nan"),
        (lambda: welfare.exponential_mean([[1.0]], np.nan), "exponential_mean: needed a number for rate, got nan"),
        (lambda: welfare.ordered_average([[1.0]], [1, -1]), "ordered_average: needed rank weights .* not all 0, got"),
        (lambda: welfare.ordered_average([[1.0]], []), "ordered_average: needed rank weights"),
        (lambda: welfare.ordered_average([[1.0]], [0, 0]), "ordered_average: needed rank weights"),
        (lambda: welfare.generalised_gini([[1.0]], 0.9), "generalised_gini: needed an aversion of at least 1"),
        (lambda: welfare.generalised_gini([[1.0]], np.nan), "generalised_gini: needed an aversion of at least 1"),
        (lambda: welfare.quantile([[1.0]], 1.5), r"quantile: needed a share q from 0 to 1, got 1.5"),
        (lambda: welfare.atkinson([1.0], -1), "atkinson: needed an aversion of at least 0, got -1"),
        (lambda: welfare.atkinson([1.0, -1.0], 1), "atkinson: needed utilities of at least 0, got -1.0"),
        (lambda: welfare.hoover([0.0, 0.0]), "hoover: needed a positive mean utility, got 0"),
        (lambda: welfare.generalised_entropy([1.0], np.inf), "generalised_entropy: needed a finite order, got inf"),
        (lambda: welfare.leximin([[1.0]], [1, 2]), "weights: needed 1 numbers"),
    ],
)
def test_bad_options_are_refused(call: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


def test_negative_utilities_are_fine_where_nothing_speaks_against_them() -> None:
    table = [[-4.0, 0.0], [1.0, -2.0]]
    assert [welfare.power_mean(table, p).tolist() for p in (-np.inf, 1, np.inf)] == [[-4, -2], [-1.5, -1], [1, 0]]
    assert welfare.leximin(table).tolist() == [0, 1]
    assert welfare.generalised_gini(table).tolist() == [-2.75, -1.5]
    assert welfare.quantile(table, 0.5).tolist() == [-4, -2]
