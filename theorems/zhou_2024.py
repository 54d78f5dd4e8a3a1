"""MODPO, a classification loss with margins, learns the policy of a weighted sum of rewards.

The loss is DPO's with (β·Δlog(π/ρ) − w₂·Δr₂)/w₁ for the log-odds of a comparison by the first reward. Its minimiser on
all pairs is ρ·exp((w₁r₁ + w₂r₂)/β)/Z, what KL-regularised maximisation of the sum (MORLHF) gives.

Source: Zhou et al. 2024 (Findings of ACL), arXiv:2310.03708, Equation 11.

Scope: a table of policies, comparisons of all pairs in proportion to the Bradley–Terry chances of r₁, exact margins:
gradient zero at the MORLHF policy (1e-12) and positive definite Hessian across policies on 100 draws, minimised from a
random start on 20 and on one by hand (1e-6); dropping the margins moves the minimiser on all of the 20. Sampled data,
fitted margins and neural policies are not covered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment, solvers

METHOD = "numeric"

Floats = NDArray[np.float64]


def _logistic(x: Floats) -> Floats:
    found: Floats = 0.5 * (1 + np.tanh(x / 2))
    return found


def _loss(
    logits: Floats, chances: Floats, reference: Floats, margin: Floats, weight: float, beta: float
) -> tuple[float, Floats, Floats]:
    """The loss of π = softmax(logits) over all pairs, its gradient and Hessian in the logits."""
    shift = (beta * (logits - np.log(reference)) - margin) / weight
    odds = shift[:, None] - shift[None, :]
    value = float((chances * np.logaddexp(0, -odds)).sum())
    slope = (_logistic(odds) - chances).sum(1) * beta / weight
    bend = _logistic(odds) * _logistic(-odds) * (beta / weight) ** 2
    return value, slope, np.diag(bend.sum(1)) - bend


def _learned(start: Floats, chances: Floats, reference: Floats, margin: Floats, weight: float, beta: float) -> Floats:
    """The policy of least loss, from a start."""
    found = solvers.minimise(
        lambda logits: _loss(logits, chances, reference, margin, weight, beta)[:2], start, tolerance=1e-10
    )
    policy: Floats = np.exp(found.point - np.logaddexp.reduce(found.point))
    return policy


def _drawn(rng: np.random.Generator) -> tuple[Floats, Floats, Floats, float]:
    """Two rewards, their weights, a reference and β."""
    size = int(rng.integers(3, 7))
    share = float(rng.uniform(0.2, 0.9))
    return (
        rng.normal(size=(2, size)),
        np.array([share, 1 - share]),
        rng.dirichlet(np.ones(size) * 2),
        float(np.exp(rng.normal() / 2 - 0.5)),
    )


def claim_first_and_second_order() -> None:
    """On 100 draws the loss is stationary at the MORLHF policy and convex, flat along the constants only."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        rewards, weights, reference, beta = _drawn(rng)
        chances = alignment.preferences(rewards[:1])
        policy = alignment.steerable_family(rewards, [weights], reference, beta).policies[0]
        _, slope, bend = _loss(np.log(policy), chances, reference, weights[1] * rewards[1], weights[0], beta)
        assert np.abs(slope).max() <= 1e-12 / weights[0], f"gradient {np.abs(slope).max():.1e}"
        curvature = np.linalg.eigvalsh(bend)
        assert abs(curvature[0]) <= 1e-9 * curvature[-1], "not flat along the constants"
        assert curvature[1] > 1e-6 * curvature[-1], "flat elsewhere"


def claim_minimiser_is_the_weighted_sum() -> None:
    """From random starts on 20 draws the minimiser is the MORLHF policy (1e-6); without margins it is not."""
    rng = np.random.default_rng(1)
    for _ in range(20):
        rewards, weights, reference, beta = _drawn(rng)
        chances = alignment.preferences(rewards[:1])
        aim = alignment.steerable_family(rewards, [weights], reference, beta).policies[0]
        for margin, matches in ((weights[1] * rewards[1], True), (0 * rewards[1], False)):
            start = rng.normal(size=len(reference))
            policy = _learned(start, chances, reference, margin, weights[0], beta)
            assert (np.abs(policy - aim).max() <= 1e-6) == matches, f"margins {matches}: {policy}, not {aim}"


def claim_worked_example() -> None:
    """Four responses, w = (0.6, 0.4), β = 0.5: within 1e-6 of the policy of the weighted sum."""
    rewards, reference = np.array([[1.0, 0, 2, 0.5], [0, 1, 0.5, 2]]), np.full(4, 0.25)
    chances = alignment.preferences(rewards[:1])
    policy = _learned(np.zeros(4), chances, reference, 0.4 * rewards[1], 0.6, 0.5)
    aim = np.exp((0.6 * rewards[0] + 0.4 * rewards[1]) / 0.5)
    assert np.allclose(policy, aim / aim.sum(), rtol=0, atol=1e-6)
