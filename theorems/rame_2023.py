"""Averaging the weights of models trained on single rewards gives the model of the averaged reward, in two families.

Where the policy is softmax of its parameters, the soup Σλ_iθ_i of the policies for r_i is the policy for Σλ_i r_i.
Where rewards are −η_i‖θ − θ_i‖², the best parameters for Σμ_i R_i are the soup with λ_i = μ_iη_i/Σμη. In general
neither holds.

Source: Ramé et al. 2023, arXiv:2306.04488 (rewarded soups; linear mode connectivity as a hypothesis about networks).

Scope: 200 drawn tables of 2 to 4 rewards on 2 to 7 responses (1e-12), the average of probabilities as a control that
differs; quadratic rewards in rational numbers on 50 draws and one by hand; that such a reward is concave, on 200 drawn
segments; a counterexample with curvatures that are no multiples of each other. Networks are not covered.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment

METHOD = ("numeric", "certificate", "witness")

Floats = NDArray[np.float64]


def claim_log_linear_soups_are_exact() -> None:
    """The soup of 200 drawn sets of policies is the policy of the averaged reward; averaging probabilities is not."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        groups, size, beta = int(rng.integers(2, 5)), int(rng.integers(2, 8)), float(np.exp(rng.normal()))
        rewards, reference = rng.normal(size=(groups, size)), rng.dirichlet(np.ones(size))
        shares = rng.dirichlet(np.ones(groups))
        policies = np.array([alignment.rlhf_policy(each, reference, beta).probabilities for each in rewards])
        logs = alignment.soup(list(np.log(policies)), shares)
        aim = alignment.rlhf_policy(shares @ rewards, reference, beta).probabilities
        assert np.allclose(np.exp(logs - np.logaddexp.reduce(logs)), aim, rtol=0, atol=1e-12), "another policy"
        pools = [pool(policies, shares).probabilities for pool in (alignment.logarithmic_pool, alignment.linear_pool)]
        assert np.allclose(pools[0], aim, rtol=0, atol=1e-12), "the geometric mean is another policy"
        assert not np.allclose(pools[1], aim, rtol=0, atol=1e-9), "averaged probabilities are the same policy"


def claim_quadratic_soups_are_exact() -> None:
    """The gradient of Σμ_iR_i vanishes at the soup, in rational numbers: (¾, 3⁄2) for η = (1, 3), θ = 0 and (1, 2)."""
    rng = np.random.default_rng(1)
    cases = [([1, 3], [1, 1], [[0, 0], [1, 2]])]
    for _ in range(50):
        groups = int(rng.integers(2, 5))
        drawn = rng.integers(1, 10, (2, groups)).tolist()
        cases.append((drawn[0], drawn[1], rng.integers(-9, 10, (groups, 3)).tolist()))
    for bends, weights, centres in cases:
        total = sum(e * w for e, w in zip(bends, weights, strict=True))
        shares = [Fraction(e * w, total) for e, w in zip(bends, weights, strict=True)]
        best = [sum(s * c[k] for s, c in zip(shares, centres, strict=True)) for k in range(len(centres[0]))]
        mixed = alignment.soup(
            [np.array(c, np.float64) for c in centres], [e * w for e, w in zip(bends, weights, strict=True)]
        )
        assert np.allclose(mixed, np.array(best, np.float64), rtol=0, atol=1e-12)
        slope = [
            sum(-2 * w * e * (best[k] - c[k]) for w, e, c in zip(weights, bends, centres, strict=True))
            for k in range(len(best))
        ]
        assert not any(slope), f"η = {bends}, μ = {weights}: gradient {slope}"
        if bends == [1, 3]:
            assert (shares, best) == ([Fraction(1, 4), Fraction(3, 4)], [Fraction(3, 4), Fraction(3, 2)])


def claim_quadratic_rewards_are_above_their_chord() -> None:
    """R_i(Σλθ) ≥ ΣλR_i(θ) along 200 drawn segments of quadratic rewards: linear mode connectivity."""
    rng = np.random.default_rng(2)
    for _ in range(200):
        first, second, centre = rng.normal(size=(3, 4))
        found = alignment.connectivity_gap(lambda theta, c=centre: -((theta - c) ** 2).sum(), first, second, steps=10)
        assert found.gap >= -1e-12, f"below its chord by {-found.gap:.1e}"
        # λ(1 − λ)‖θ₀ − θ₁‖², the least at either end
        assert np.isclose(found.gap, 0.09 * ((first - second) ** 2).sum(), rtol=1e-9)


def claim_other_curvatures_leave_the_segment() -> None:
    """With R₁ = −x² − 9y² and R₂ = −9(x − 1)² − (y − 1)² the best of the sum is (0.9, 0.1), off every soup (t, t)."""
    point = (Fraction(9, 10), Fraction(1, 10))

    def total(x: Fraction, y: Fraction) -> Fraction:
        return -(x**2) - 9 * y**2 - 9 * (x - 1) ** 2 - (y - 1) ** 2

    slope = (-2 * point[0] - 18 * (point[0] - 1), -18 * point[1] - 2 * (point[1] - 1))
    assert not any(slope), f"gradient {slope}"
    # along (t, t) the sum is −20t² + 20t − 10, whose maximum is −5, at t = ½
    best = max(total(Fraction(t, 100), Fraction(t, 100)) for t in range(101))
    assert (best, total(*point)) == (Fraction(-5), Fraction(-9, 5)), f"{best} against {total(*point)}"
