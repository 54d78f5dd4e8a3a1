"""Rewards that express an order, and certificates that none does: both are checked in fractions here once more."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from choicekit.alignment.expressibility import Expressibility, linear_reward

Row = list[Fraction]
entries = st.fractions(min_value=-2, max_value=2, max_denominator=6)


def proved(found: Expressibility, better: list[Row], worse: list[Row], strict: list[bool]) -> bool:
    """Check the answer by hand; say which it is."""
    rows = [[x - y for x, y in zip(a, b, strict=True)] for a, b in zip(better, worse, strict=True)]
    if found.reward is not None:
        gains = [sum((r * x for r, x in zip(found.reward, row, strict=True)), Fraction(0)) for row in rows]
        assert all(g > 0 if s else g >= 0 for g, s in zip(gains, strict, strict=True))
        assert found.margin == min(g for g, s in zip(gains, strict, strict=True) if s)
        assert max(abs(r) for r in found.reward) <= 1 + Fraction(1, 100)
        assert found.certificate is None
        return True
    assert found.certificate is not None
    assert min(found.certificate) >= 0
    assert any(w > 0 and s for w, s in zip(found.certificate, strict, strict=True))
    for d in range(len(rows[0])):
        assert sum((w * row[d] for w, row in zip(found.certificate, rows, strict=True)), Fraction(0)) == 0
    assert found.margin == 0
    return False


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[list[Row], list[Row], list[bool]]:
    size, number = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rows = st.lists(st.lists(entries, min_size=size, max_size=size), min_size=number, max_size=number)
    strict = draw(st.lists(st.booleans(), min_size=number, max_size=number).filter(any))
    return draw(rows), draw(rows), strict


@given(comparisons())
def test_every_answer_has_a_proof(case: tuple[list[Row], list[Row], list[bool]]) -> None:
    better, worse, strict = case
    proved(linear_reward(better, worse, strict=strict), better, worse, strict)


@given(comparisons(), st.lists(st.integers(-3, 3), min_size=4, max_size=4))
def test_orders_by_a_reward_are_expressible(case: tuple[list[Row], list[Row], list[bool]], drawn: list[int]) -> None:
    """Whatever a reward orders has a reward: comparisons turned the way that one likes them, ties weak both ways."""
    ones, others, _ = case
    better, worse, strict = [], [], []
    for one, other in zip(ones, others, strict=True):
        gain = sum((d * (x - y) for d, x, y in zip(drawn, one, other, strict=False)), Fraction(0))
        if gain == 0:
            better += [one, other]
            worse += [other, one]
            strict += [False, False]
        else:
            better.append(one if gain > 0 else other)
            worse.append(other if gain > 0 else one)
            strict.append(True)
    if any(strict):
        assert proved(linear_reward(better, worse, strict=strict), better, worse, strict)


def test_small_tables_of_signs_agree_with_a_search() -> None:
    """Two comparisons in two dimensions with entries −1, 0, 1: a reward exists iff one on a fine circle works."""
    angles = np.arange(720) * np.pi / 360 + 1e-3
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    for entries4 in product((-1, 0, 1), repeat=4):
        rows = np.array(entries4).reshape(2, 2)
        found = linear_reward(rows, np.zeros((2, 2), int))
        assert found.expressible == bool((circle @ rows.T > 1e-9).all(1).any()), rows


def test_allais() -> None:
    """A million for sure against the gamble, and both with 89 hundredths of a million taken away."""
    a, b = [Fraction(0), Fraction(1), Fraction(0)], [Fraction(1, 100), Fraction(89, 100), Fraction(10, 100)]
    c, d = [Fraction(89, 100), Fraction(11, 100), Fraction(0)], [Fraction(90, 100), Fraction(0), Fraction(10, 100)]
    found = linear_reward([a, d], [b, c])
    assert found.certificate == (Fraction(1, 2), Fraction(1, 2))
    assert proved(linear_reward([a, c], [b, d]), [a, c], [b, d], [True, True])
    decimals = linear_reward([[0, 1, 0], [0.9, 0, 0.1]], [[0.01, 0.89, 0.1], [0.89, 0.11, 0]])
    assert decimals.certificate == (Fraction(1, 2), Fraction(1, 2))  # decimals are read as they print


def test_max_min_over_two_groups_has_no_reward() -> None:
    shares = [Fraction(k, 8) for k in range(9)]
    worth = [min(p, 1 - p) for p in shares]
    pairs = [(i, j) for i in range(9) for j in range(9) if worth[i] > worth[j]]
    lotteries = [[p, 1 - p] for p in shares]
    better, worse = [lotteries[i] for i, _ in pairs], [lotteries[j] for _, j in pairs]
    assert not proved(linear_reward(better, worse), better, worse, [True] * len(pairs))


def test_units_do_not_matter() -> None:
    """Comparisons of tiny and of huge differences together."""
    better, worse = [[1e-8, 0.0], [0.0, 1e8]], [[0.0, 0.0], [0.0, 0.0]]
    assert linear_reward(better, worse).expressible
    assert not linear_reward([*better, [-1e-8, 0.0]], [*worse, [0.0, 0.0]]).expressible


@pytest.mark.parametrize(
    ("better", "worse", "strict", "says"),
    [
        ([1, 0], [0, 1], None, r"better: needed one row a comparison and one column an outcome, got shape \(2,\)"),
        ([[1, 0]], [[0, 1, 0]], None, r"needed the same shape, got \(1, 2\) and \(1, 3\)"),
        ([[1, 0]], [[0, 1]], [False], r"strict: needed one of true and false for each of 1 comparisons, some true"),
        ([[1, 0]], [[0, 1]], [True, True], "strict: needed one of true and false for each of 1"),
        ([[1, np.nan]], [[0, 1]], None, "better: needed finite numbers or fractions"),
        ([[1, "x"]], [[0, 1]], None, "better: needed finite numbers or fractions"),
        ([[1, np.inf]], [[0, 1]], None, "better: needed finite numbers or fractions"),
    ],
)
def test_what_is_no_comparison(better: list[Row], worse: list[Row], strict: list[bool] | None, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        linear_reward(better, worse, strict=strict)
