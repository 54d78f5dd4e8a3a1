"""What the rooms of alignment say to arguments that are easy to get wrong, and what they take without complaint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from choicekit import alignment as al

TWO = np.array([[1.0, 0.0], [0.0, 1.0]])
SAFE = al.Norm("safe", [1, 0], 0.9)


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: al.kl([0.5, 0.6], [0.5, 0.5]), ValueError, r"p: probabilities must sum to 1, got 1\.1"),
        (lambda: al.kl([np.nan, 1], [0.5, 0.5]), ValueError, "p: needed finite probabilities of at least 0, got nan"),
        (lambda: al.kl([1.5, -0.5], [0.5, 0.5]), ValueError, r"p: needed finite probabilities.* got -0\.5"),
        (lambda: al.kl([], []), ValueError, r"p: needed probabilities \[..., m\], got shape \(0,\)"),
        (lambda: al.kl([0.5, 0.5], [0.2, 0.3, 0.5]), ValueError, "needed the same alternatives"),
        (lambda: al.preference_collapse([2, 3], [0.5, 0.5]), ValueError, "policy: probabilities must sum to 1, got 5"),
        (lambda: al.preference_collapse([0.5, 0.5], [-1, 2]), ValueError, "shares: needed finite .* got -1"),
        (lambda: al.rlhf_policy([1, np.nan]), ValueError, r"rewards: .*, got nan at \[1\]"),
        (lambda: al.gap([[0, 1], [np.inf, 0]], [0.5, 0.5]), ValueError, r"rewards: .*, got inf at \[1, 0\]"),
        (lambda: al.rlhf_policy([1, 0], beta="x"), ValueError, "beta: needed a positive number.* got 'x'"),
        (lambda: al.rlhf_policy([1, 0], beta=[0.1, 0.2]), ValueError, "beta: needed a positive number"),
        (lambda: al.rlhf_policy([1, 0], norms=["x"]), TypeError, "norms: needed a list of norms"),
        (lambda: al.rlhf_policy([1, 0], norms=SAFE), TypeError, "norms: needed a list of norms"),
        (lambda: al.nash_policy(TWO, norms=SAFE), TypeError, "norms: needed a list of norms"),
        (lambda: al.exploitability([1, 0], [[0.5, 1], [0, 0.5]], tau="x"), ValueError, "tau: needed a"),
        (lambda: al.belief_after(TWO, [0.5], [1]), ValueError, "whole numbers of alternatives, got float64"),
        (lambda: al.belief_after(TWO, [True], [False]), ValueError, "whole numbers of alternatives, got bool"),
        (lambda: al.noise_floor([[1, 1]], [[1, 1]], draws=0), ValueError, "at least one draw"),
        (lambda: al.gap_from_samples(np.zeros((2, 1)), [0.5, 0.2], [0.1, 0.9]), ValueError, "take their logarithms"),
        (lambda: al.gap_from_fit("x"), TypeError, "needed GroupFits, or a fit of each group"),
        (lambda: al.gap_from_fit([None]), TypeError, "needed GroupFits, or a fit of each group"),
        (lambda: al.equilibrium([[0.5, 0.1], [0.8, 0.5]]), ValueError, r"P\[0, 1\] \+ P\[1, 0\] = 0\.9"),
    ],
)  # fmt: skip
def test_what_was_needed_and_what_came(call: Callable[[], Any], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        call()


def test_single_precision_is_no_contradiction() -> None:
    rng = np.random.default_rng(0)
    for size in range(2, 8):
        upper = np.triu(rng.random((size, size)), 1)
        chances = upper + np.tril(1 - upper.T, -1) + 0.5 * np.eye(size)
        single, double = al.equilibrium(chances.astype(np.float32)), al.equilibrium(chances)
        assert np.abs(np.asarray(single.policy) - np.asarray(double.policy)).max() < 1e-4
        assert single.exploitability <= 1e-9


@pytest.mark.parametrize("ratio", [1e3, 1e6, 1e9])
def test_the_small_group_is_not_lost_in_the_rounding_of_the_large(ratio: float) -> None:
    """Opposite groups, one counting in units ``ratio`` times as large: neither can gain, and neither loses."""
    policy = al.egalitarian_policy([[ratio, -ratio], [0, 1]])
    assert np.abs(np.asarray(policy) - 0.5).max() < 1e-5


def test_one_policy_against_the_shares_of_many_contexts() -> None:
    rng = np.random.default_rng(1)
    shares, policy = rng.dirichlet(np.ones(4), 6), rng.dirichlet(np.ones(4))
    weights = rng.random(6)
    found = al.preference_collapse(policy, shares, weights)
    each = np.array([al.kl(row, policy) for row in shares])
    assert found.divergence == pytest.approx(np.average(each, weights=weights))
    entropies = np.array([al.entropy(row) for row in shares])
    assert found.entropy_ratio == pytest.approx(al.entropy(policy).item() / np.average(entropies, weights=weights))
