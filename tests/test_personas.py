"""Corrections from simulated people: bounded, fading with disagreement, and free of position."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from choicekit.alignment.personas import debiased, disagreement_shift, misalignment_score, prospect_value

Array = np.ndarray
logits = st.floats(-5, 5, allow_subnormal=False)
voices = arrays(np.float64, st.integers(1, 6), elements=logits)


@given(voices, logits, st.floats(0.1, 5), st.floats(0, 3))
def test_the_formula_by_the_book(personas: Array, own: float, scale: float, bound: float) -> None:
    found = disagreement_shift(personas, own, scale=scale, bound=bound)
    gaps = [float(p) - own for p in personas]
    mean = sum(gaps) / len(gaps)
    variance = sum((g - mean) ** 2 for g in gaps) / len(gaps)
    shift = max(-bound, min(bound, mean * math.exp(-variance / scale**2)))
    assert found.shift == pytest.approx(shift, abs=1e-9)
    assert found.corrected == pytest.approx(own + shift, abs=1e-9)


@given(voices, logits, st.floats(0, 3))
def test_it_moves_towards_the_mean_never_past_it_and_never_by_more_than_the_bound(
    personas: Array, own: float, bound: float
) -> None:
    found = disagreement_shift(personas, own, bound=bound)
    mean = personas.mean()
    low, high = min(own, mean), max(own, mean)
    assert low - 1e-12 <= found.corrected <= high + 1e-12
    assert abs(found.shift) <= bound
    assert 0 <= found.trust <= 1


@given(voices, logits)
def test_whoever_is_named_first_and_whichever_side_is_a(personas: Array, own: float) -> None:
    found = disagreement_shift(personas, own)
    assert disagreement_shift(personas[::-1], own).shift == pytest.approx(found.shift, abs=1e-12)
    assert disagreement_shift(-personas, -own).shift == pytest.approx(-found.shift, abs=1e-12)


@given(voices, st.floats(1.01, 4))
def test_more_disagreement_about_the_same_mean_shifts_less(personas: Array, wider: float) -> None:
    mean = personas.mean()
    far = disagreement_shift(mean + wider * (personas - mean), bound=10)
    near = disagreement_shift(personas, bound=10)
    assert abs(far.shift) <= abs(near.shift) + 1e-12


@given(voices, logits)
def test_where_all_agree_the_correction_is_whole(personas: Array, own: float) -> None:
    same = np.full_like(personas, personas[0])
    found = disagreement_shift(same, own, bound=20)
    assert found.corrected == pytest.approx(personas[0], abs=1e-9)


def test_weights_are_copies() -> None:
    many = disagreement_shift([1.0, 1.0, 1.0, -0.5], scale=2.0)
    few = disagreement_shift([1.0, -0.5], scale=2.0, weights=[3, 1])
    assert many.shift == pytest.approx(few.shift, abs=1e-12)


def test_decisions_of_a_batch_are_one_by_one() -> None:
    rng = np.random.default_rng(0)
    personas, own = rng.normal(size=(4, 3, 5)), rng.normal(size=(4, 3))
    found = disagreement_shift(personas, own, value=prospect_value)
    for at in np.ndindex(4, 3):
        assert found.shift[at] == pytest.approx(disagreement_shift(personas[at], own[at], value=prospect_value).shift)


def test_losses_weigh_more_than_gains() -> None:
    even = disagreement_shift([1.0, -1.0], scale=5.0, value=prospect_value)
    assert even.mean == pytest.approx((1 - 2.25) / 2)
    assert disagreement_shift([1.0, -1.0], scale=5.0).mean == 0


@given(st.floats(-10, 10, allow_subnormal=False), st.floats(0.2, 1), st.floats(0.5, 4))
def test_prospect_value(gain: float, curvature: float, aversion: float) -> None:
    found = prospect_value(gain, curvature=curvature, aversion=aversion)
    assert found == pytest.approx(gain**curvature if gain >= 0 else -aversion * (-gain) ** curvature, abs=1e-12)
    assert prospect_value(abs(gain), aversion=aversion) * -aversion == pytest.approx(
        prospect_value(-abs(gain), aversion=aversion), abs=1e-12
    )


@given(logits, st.floats(-3, 3))
def test_a_constant_bias_of_position_is_taken_out(preference: float, bias: float) -> None:
    found = debiased(preference + bias, preference - bias)
    assert found.logits == pytest.approx(preference, abs=1e-12)
    assert found.bias == pytest.approx(bias, abs=1e-12)
    # naming the other alternative A turns the preference and leaves the bias
    turned = debiased(-(preference - bias), -(preference + bias))
    assert turned.logits == pytest.approx(-preference, abs=1e-12)
    assert turned.bias == pytest.approx(bias, abs=1e-12)


@given(st.tuples(*[arrays(np.float64, 6, elements=st.floats(-1, 1, allow_subnormal=False))] * 3))
def test_the_score_is_a_distance(effects: tuple[Array, Array, Array]) -> None:
    a, b, c = effects
    assert misalignment_score(a, b) == pytest.approx(math.dist(a, b), abs=1e-12)
    assert misalignment_score(a, a) == 0
    assert misalignment_score(a, c) <= misalignment_score(a, b) + misalignment_score(b, c) + 1e-12
    np.testing.assert_allclose(misalignment_score(np.stack([a, b]), c), [math.dist(a, c), math.dist(b, c)], atol=1e-12)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="positive scale"):
        disagreement_shift([1.0], scale=0)
    with pytest.raises(ValueError, match="bound"):
        disagreement_shift([1.0], bound=-1)
    with pytest.raises(ValueError, match="personas: needed finite"):
        disagreement_shift([np.nan])
    with pytest.raises(ValueError, match="persona"):
        disagreement_shift(1.0)
    with pytest.raises(ValueError, match="weights"):
        disagreement_shift([1.0, 2.0], weights=[1.0])
    with pytest.raises(ValueError, match="as many effects"):
        misalignment_score([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="curvature"):
        prospect_value(1.0, curvature=1.5)
    with pytest.raises(ValueError, match="swapped"):
        debiased(1.0, np.inf)
