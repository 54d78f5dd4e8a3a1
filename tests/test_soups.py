"""Soups in families where they are exact, and what connectivity measures where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from choicekit import alignment as al
from choicekit.alignment.pools import logarithmic_pool
from choicekit.alignment.soups import connectivity_gap, soup

Array = np.ndarray


def softmax(logits: Array) -> Array:
    return np.exp(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


@pytest.mark.parametrize("seed", range(30))
def test_soups_of_tables_are_the_policies_of_averaged_rewards(seed: int) -> None:
    rng = np.random.default_rng(seed)
    models, contexts, size = int(rng.integers(2, 5)), 3, int(rng.integers(2, 7))
    beta, shares = float(np.exp(rng.normal())), rng.dirichlet(np.ones(models))
    rewards, ground = rng.normal(size=(models, contexts, size)), rng.dirichlet(np.ones(size), contexts)
    tables = [np.log(ground) + each / beta for each in rewards]
    aim = al.rlhf_policy(np.einsum("i,ixm->xm", shares, rewards), ground, beta).probabilities
    np.testing.assert_allclose(softmax(soup(tables, shares)), aim, atol=1e-12)
    pooled = logarithmic_pool(np.stack([softmax(each) for each in tables], axis=-2), shares)
    np.testing.assert_allclose(np.asarray(pooled), aim, atol=1e-12)


@pytest.mark.parametrize("seed", range(15))
def test_log_linear_policies_too(seed: int) -> None:
    """Parameters on features: π ∝ ρ·e^{φθ/β}; the soup of the optima for rewards φθ_i is that of φΣλθ_i."""
    rng = np.random.default_rng(seed)
    features, thetas, shares = rng.normal(size=(6, 3)), rng.normal(size=(3, 3)), rng.dirichlet(np.ones(3))
    found = soup([{"theta": each} for each in thetas], shares)["theta"]
    rewards = features @ thetas.T @ shares
    np.testing.assert_allclose(softmax(features @ found), al.rlhf_policy(rewards).probabilities, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_quadratic_rewards(seed: int) -> None:
    """R_i = −η_i‖θ − θ_i‖²: the gradient of Σμ_iR_i is 0 at the soup of weights μ_iη_i; the gap has a closed form."""
    rng = np.random.default_rng(seed)
    bends, weights, centres = rng.uniform(0.1, 3, 3), rng.dirichlet(np.ones(3)), rng.normal(size=(3, 4))
    best = soup(list(centres), weights * bends)
    slope = sum(w * e * -2 * (best - c) for w, e, c in zip(weights, bends, centres, strict=True))
    np.testing.assert_allclose(slope, 0, atol=1e-12)

    def value(theta: Array) -> Array:
        return -bends * ((theta - centres) ** 2).sum(1)

    first, second = rng.normal(size=(2, 4))
    for steps in (2, 7):
        found = connectivity_gap(value, first, second, steps=steps)
        shares = np.arange(1, steps) / steps
        np.testing.assert_allclose(found.shares, shares)
        apart = float(((first - second) ** 2).sum())
        np.testing.assert_allclose(
            found.values - found.chords, np.outer(shares * (1 - shares), bends) * apart, atol=1e-12
        )
        assert found.gap == pytest.approx((1 / steps) * (1 - 1 / steps) * apart * bends.min())
        assert found.connected
    worse = connectivity_gap(lambda theta: -value(theta), first, second, steps=2)
    assert worse.gap == pytest.approx(-0.25 * apart * bends.max())
    assert not worse.connected


def test_by_hand() -> None:
    assert soup([[0.0, 0.0], [1.0, 2.0]], [1 * 0.5, 3 * 0.5]).tolist() == [0.75, 1.5]
    linear = connectivity_gap(lambda theta: 3 * theta[0], [1.0], [5.0])
    assert linear.connected
    assert abs(linear.gap) < 1e-12
    # two wells with a hill between: the soup of two good models is bad
    wells = connectivity_gap(lambda theta: -((theta[0] ** 2 - 1) ** 2), [-1.0], [1.0], steps=4)
    assert wells.gap == -1
    assert wells.values.tolist() == [-0.5625, -1.0, -0.5625]


def test_state_dictionaries_and_types() -> None:
    first = {"a": np.array([[1, 2]], np.float32), "b": np.array(4.0, np.float16)}
    second = {"b": np.array(0.0, np.float16), "a": np.array([[3, 6]], np.float32)}
    found = soup([first, second], [3, 1])
    assert {name: (value.dtype, value.tolist()) for name, value in found.items()} == {
        "a": (np.float32, [[1.5, 3.0]]),
        "b": (np.float16, 3.0),
    }
    assert soup([[1, 2], [2, 4]]).tolist() == [1.5, 3.0]
    gap = connectivity_gap(lambda model: float(model["a"].sum()), first, second, steps=4).gap
    assert gap == pytest.approx(0)
    # a model without weight is not counted, whatever it holds
    assert soup([[1.0], [np.inf]], [1, 0]).tolist() == [1.0]


def test_bad_input() -> None:
    for models, message in (
        ([], "at least one"), ([{"a": 1.0}, [1.0]], "some of each"), ([{"a": 1.0}, {"b": 1.0}], "'a'"),
        ([{"a": [1.0]}, {"a": [1.0, 2.0]}], "'a'.*shape"), ([[1.0], [1.0, 2.0]], "shape"), ([[1.0], ["x"]], "real"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            soup(models)
    with pytest.raises(ValueError, match="weights"):
        soup([[1.0], [2.0]], [1, -1])
    with pytest.raises(ValueError, match="steps"):
        connectivity_gap(lambda _: 0.0, [0.0], [1.0], steps=1)
    with pytest.raises(ValueError, match="finite"):
        connectivity_gap(lambda _: np.nan, [0.0], [1.0])
