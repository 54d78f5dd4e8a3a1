"""The trilemma's calculator scales as it says; its audits cover at their level."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from choicekit.alignment.trilemma import (
    representativeness_audit,
    robustness_audit,
    tractability_audit,
    trilemma_cost,
)


def test_how_the_cost_scales() -> None:
    for error, failure, people, bits in product((0.5, 0.1, 0.01), (0.5, 0.05), (1, 10, 1000), (0, 3, 64)):
        base = trilemma_cost(error, failure, people=people, bits=bits)
        assert trilemma_cost(error, failure, people=people, bits=bits + 1) == pytest.approx(2 * base)
        assert trilemma_cost(error / 2, failure, people=people, bits=bits) == pytest.approx(4 * base)
        assert trilemma_cost(error, failure / 2, people=people, bits=bits) == pytest.approx(2 * base)
        assert trilemma_cost(error, failure, people=2 * people, bits=bits) == pytest.approx(base / 2)
        assert trilemma_cost(error, failure, people=people, bits=bits, constant=3) == pytest.approx(3 * base)
    assert trilemma_cost(0.1, 0.05, people=100, bits=10) == pytest.approx(20480)
    assert trilemma_cost(0.1, 0.05, people=100, bits=5000) == math.inf


def test_representativeness_covers_the_population() -> None:
    rng = np.random.default_rng(0)
    truth, model = np.array([0.2, 0.5, 0.9]), np.array([0.3, 0.45, 0.9])
    away, hits = np.abs(truth - model).max(), 0
    for _ in range(300):
        found = representativeness_audit((rng.random((60, 3)) < truth) * 1.0, model, level=0.9)
        low, high = found.interval
        assert low <= found.distance <= high
        hits += low <= away <= high
    assert hits >= 270


def test_representativeness_is_decided_by_many_people() -> None:
    rng = np.random.default_rng(1)
    values = rng.uniform(-1, 3, (20_000, 2))
    found = representativeness_audit(values, [1.0, 1.5], bounds=(-1, 3))
    assert found.distance == pytest.approx(0.5, abs=0.05)
    assert (found.holds(0.6), found.holds(0.5), found.holds(0.4)) == (True, None, False)
    assert found.reach == pytest.approx(4 * math.sqrt(math.log(4 / 0.05) / 40_000))


def test_samples_that_suffice_do() -> None:
    """The Hoeffding count keeps every one of k means in every context within ε, as often as it says."""
    audit = tractability_audit(0.1, 0.2, bits=2, policies=3, budget=lambda *_: 1e9)
    each, rng = audit.needed // 4, np.random.default_rng(2)
    truth = rng.random((4, 3))
    missed = 0
    for _ in range(200):
        means = rng.binomial(each, truth) / each
        missed += np.abs(means - truth).max() > 0.1
    assert missed <= 40
    assert each == math.ceil(math.log(2 * 3 * 4 / 0.2) / (2 * 0.01))


def test_a_polynomial_budget_is_overtaken() -> None:
    def budget(bits: int, precision: float, log: float) -> float:
        return 1e6 * (1 + bits) ** 2 * precision**2 * log

    verdicts = [tractability_audit(0.1, 0.05, bits=bits, budget=budget).tractable for bits in range(60)]
    first = verdicts.index(False)
    assert first > 5
    assert not any(verdicts[first:])
    wide = tractability_audit(0.1, 0.05, bits=0, budget=lambda *_: 1.0, value_range=2.0).needed
    assert wide == math.ceil(4 * math.log(40) / 0.02)


@pytest.mark.parametrize("truth", [0.02, 0.5, 0.93, 1.0])
def test_robustness_covers_at_least_its_level(truth: float) -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(400):
        found = robustness_audit((rng.random(40) < truth) * 1.0, 0.5, level=0.9)
        hits += found.interval[0] <= truth <= found.interval[1]
    assert hits >= 0.88 * 400  # at least 0.9; less four standard errors of the count would be 0.84


def test_robustness_is_the_exact_interval() -> None:
    from scipy.stats import binom, binomtest

    for kept, attacks in ((0, 5), (3, 10), (10, 10), (57, 60)):
        values = np.r_[np.ones(kept), np.zeros(attacks - kept)]
        found = robustness_audit(values, 0.5)
        exact = binomtest(kept, attacks).proportion_ci(0.95, "exact")
        assert found.interval == pytest.approx((exact.low, exact.high))
        if 0 < kept < attacks:
            assert binom.sf(kept - 1, attacks, found.interval[0]) == pytest.approx(0.025)


def test_robustness_takes_the_mean_over_people() -> None:
    values = np.array([[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    assert robustness_audit(values, 0.55).share == pytest.approx(1 / 3)
    assert robustness_audit(values, 0.55, weights=[3, 1]).share == pytest.approx(2 / 3)
    assert robustness_audit(np.full((9, 3), 0.1), 0.1).share == 1.0
    found = robustness_audit([1.0] * 300, 0.5)
    assert (found.holds(0.05), found.holds(0.001)) == (True, None)
    assert robustness_audit([0.0] * 300, 0.5).holds(0.05) is False


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: trilemma_cost(0.0, 0.1, people=1, bits=1), "needed error > 0"),
        (lambda: trilemma_cost(0.1, 1.1, people=1, bits=1), "0 < failure ≤ 1"),
        (lambda: representativeness_audit([[0.5]], [0.5, 0.5]), r"got shapes \(1, 1\) and \(2,\)"),
        (lambda: representativeness_audit([[1.5]], [0.5]), "needed values from 0 to 1, got 1.5 to 1.5"),
        (lambda: representativeness_audit([[0.5]], [0.5], level=1.0), "the level must lie between 0 and 1, got 1.0"),
        (lambda: tractability_audit(0.1, 1.0, bits=1, budget=lambda *_: 1.0), "0 < failure < 1"),
        (lambda: robustness_audit([math.nan], 0.5), "needed finite values"),
        (lambda: robustness_audit([], 0.5), "needed finite values"),
        (lambda: robustness_audit([[1.0, 1.0]], 0.5, weights=[1.0]), "weights: needed 2"),
        (lambda: robustness_audit([1.0], 0.5, level=0.0), "the level must lie between 0 and 1"),
    ],
)
def test_refusals(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
