"""A single reward's gap for a minority is at least quadratic, and not linear, in how differently the minority chooses.

With linear rewards, group u's gap under the pooled policy is β·KL(π̂‖π_u), and at least λ·‖φ̂ − φ_u‖²/(2β), where λ is
the least eigenvalue of the features' covariance between the two policies. The bound is quoted as linear in the distance
ε between the groups' choice probabilities, λ·ε(1 − η)/(64β²L·D²) for a share η: that form is false for small ε.

Source: Chakraborty et al. 2024, arXiv:2402.08925. Its theorem was seen at second hand only; what is refuted is the
linear form as quoted, and the quadratic form here follows from the Bregman divergence of the log-partition function.

Scope: the identity of the gap on 300 drawn instances (tolerance 1e-10); the linear form at three points on two
responses, where the second and third violate it; the quadratic bound on 300 drawn instances (λ is the library's lower
bound on the least eigenvalue between the two policies) and, with ε, on 400 instances of two groups and two responses;
strong duality of the max–min policy on 100 draws (tolerance 1e-8). No bound is checked where responses are many and
the pooled reward is fitted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment

METHOD = ("numeric", "witness")

Floats = NDArray[np.float64]
SLACK = 1 + 1e-9  # for rounding, relative


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _two_groups(t: float, share: float, size: float, beta: float) -> tuple[float, float, float, float]:
    """The minority's gap, ε, λ and φ̂ for groups ±t on the two responses ±size, pooled at the share."""
    features = np.array([size, -size])
    chance = share * _logistic(2 * size * t) + (1 - share) * _logistic(-2 * size * t)
    pooled = np.log(chance / (1 - chance)) / (2 * size)
    policy = alignment.rlhf_policy(pooled * features, beta=beta)
    missed = float(alignment.gap([t * features], policy, beta=beta).gaps[0])
    least = alignment.least_curvature([t], [pooled], features[:, None], beta=beta)
    return missed, abs(_logistic(2 * size * t) - _logistic(-2 * size * t)), least, pooled


def claim_gap_is_a_divergence() -> None:
    """F_u(π_u*) − F_u(π) computed from values equals β·KL(π‖π_u*) on 300 drawn rewards, references and policies."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        groups, size = rng.integers(2, 5), rng.integers(2, 6)
        rewards, beta = rng.normal(size=(groups, size)) * 3, float(np.exp(rng.normal()))
        reference, policy = rng.dirichlet(np.ones(size), 2)
        found = alignment.gap(rewards, policy, reference, beta)
        for group in range(groups):
            own = alignment.rlhf_policy(rewards[group], reference, beta).probabilities
            values = [p @ rewards[group] - beta * alignment.kl(p, reference) for p in (own, policy)]
            divergence = beta * alignment.kl(policy, own)
            assert np.isclose(values[0] - values[1], divergence, rtol=0, atol=1e-10), "the identity fails"
            assert np.isclose(found.gaps[group], divergence, rtol=0, atol=1e-10), "gap() is not the divergence"


def claim_linear_form_is_false() -> None:
    """The linear form holds at t = 1 (0.2977 ≥ 0.0058) and fails at t = 0.01 and 0.001, where the quadratic holds."""
    for t, holds in ((1.0, True), (0.01, False), (0.001, False)):
        missed, distance, least, _ = _two_groups(t, share=0.2, size=0.5, beta=1.0)
        for curvature in (0.25, least):  # of the features over the two responses, which are ±½; L = 1
            linear = alignment.maxmin_bound(distance, 0.2, size=0.5, beta=1.0, curvature=curvature, form="printed")
            assert (missed >= linear) == holds, f"t = {t}: gap {missed:.3g}, linear form {linear:.3g}"
        quadratic = alignment.maxmin_bound(distance, 0.2, size=0.5, beta=1.0, curvature=least)
        assert missed * SLACK >= quadratic, f"t = {t}: the quadratic form fails"
    assert np.isclose(_two_groups(1.0, 0.2, 0.5, 1.0)[0], 0.2977, rtol=0, atol=5e-5)


def claim_quadratic_in_the_distance_of_choices() -> None:
    """gap ≥ λ(φ̂ − φ_u)²/2β ≥ λε²(1 − η)²/(32βD²) on 400 instances of two groups ±t and two responses."""
    rng = np.random.default_rng(1)
    for t in np.geomspace(1e-3, 3, 40):
        for _ in range(10):
            share, size, beta = rng.uniform(0.02, 0.98), np.exp(rng.normal() / 2), np.exp(rng.normal())
            missed, distance, least, pooled = _two_groups(float(t), share, size, beta)
            middle = alignment.reward_distance_bound([t], [pooled], [[size], [-size]], beta=beta)
            assert missed * SLACK + 1e-15 >= middle, f"t = {t:.3g}: gap {missed:.3g} below {middle:.3g}"
            bound = alignment.maxmin_bound(distance, share, size=size, beta=beta, curvature=least)
            assert middle * SLACK >= bound, "not ε²"


def claim_quadratic_in_the_distance_of_rewards() -> None:
    """gap ≥ λ_min‖φ̂ − φ_u‖²/(2β) on 300 drawn linear rewards, 2 to 3 features, 4 to 7 responses, any φ̂."""
    rng = np.random.default_rng(2)
    for _ in range(300):
        width, size, beta = int(rng.integers(2, 4)), int(rng.integers(4, 8)), float(np.exp(rng.normal()))
        features, reference = rng.normal(size=(size, width)), rng.dirichlet(np.ones(size))
        own, pooled = rng.normal(size=(2, width))
        policy = alignment.rlhf_policy(features @ pooled, reference, beta)
        missed = float(alignment.gap([features @ own], policy, reference, beta).gaps[0])
        bound = alignment.reward_distance_bound(own, pooled, features, reference, beta)
        assert missed * SLACK + 1e-14 >= bound, f"gap {missed:.3g} below {bound:.3g}"


def claim_strong_duality() -> None:
    """max_π min_u F_u = min_λ β·log Σρe^{λR/β} on 100 draws (1e-8), groups with a price are the worst off."""
    rng = np.random.default_rng(3)
    for _ in range(100):
        groups, size = int(rng.integers(2, 5)), int(rng.integers(2, 6))
        rewards, beta = rng.normal(size=(groups, size)), float(np.exp(rng.normal() - 1))
        reference = rng.dirichlet(np.ones(size))
        found = alignment.egalitarian_policy(rewards, reference, beta, disagreement=np.zeros(groups))
        assert found.multipliers is not None
        values = rewards @ found.probabilities - beta * alignment.kl(found.probabilities, reference)
        dual = beta * np.log(reference @ np.exp(found.multipliers @ rewards / beta))
        assert 0 <= dual - values.min() + 1e-10 <= 1e-8, f"duality gap {dual - values.min():.1e}"
        assert (found.multipliers * (values - values.min()) <= 1e-8).all(), "a group above the worst has a price"
    policy = alignment.egalitarian_policy([[1, 0, 0.6], [0, 1, 0.6]], disagreement=[0, 0])
    assert np.allclose(policy.probabilities, [0.322043, 0.322043, 0.355913], rtol=0, atol=1e-6)
