"""KL-regularised policies carry their reference's bias and collapse as β → 0; with a log term they match preferences.

The optimum ρ·e^{r/β}/Z equals the Bradley–Terry–Luce choice shares softmax(r) exactly when ρ ∝ e^{(1 − 1/β)r}; adding
R(π(y)) = −log π(y) + C₁ + C₂/π(y) to the reward instead makes softmax(r) the optimum.

Source: Xiao et al. 2025, arXiv:2405.16455 (preference collapse and preference matching; that −log π is, up to C₁ and
C₂/π, the only such term is its theorem and is not checked).

Scope: monotone collapse on 200 drawn rewards and references, 12 values of β each; the eight-line table for a
60 to 40 preference (4 decimals); matching and its failure on 200 draws; optimality of softmax(r) on 500 draws, with
−½·log π as a control that does not match. Tolerance 1e-12 where none is stated.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from choicekit import alignment

METHOD = "numeric"

Floats = NDArray[np.float64]


def _value(policy: Floats, rewards: Floats, part: float, constants: Floats) -> float:
    """E[r − part·log π + C₁ + C₂/π]."""
    return float((policy * (rewards - part * np.log(policy) + constants[0] + constants[1] / policy)).sum())


def claim_collapse_is_monotone() -> None:
    """As β falls from 10 to 0.002 the best response's probability rises to 1: 200 drawn rewards and references."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        size = int(rng.integers(2, 7))
        rewards, reference = rng.permutation(size) / 10 + rng.uniform(0, 0.02, size), rng.dirichlet(np.ones(size))
        best = int(rewards.argmax())
        path = alignment.collapse_path(rewards[None], np.geomspace(10, 0.002, 12), reference=reference)
        rising = path.policies[:, best]
        assert (np.diff(rising) >= 0).all(), f"rewards {rewards}: not monotone, {rising}"
        weakest = float(reference[best])
        assert 1 - rising[-1] <= 1e-12 / weakest, f"rewards {rewards}: {rising[-1]} has not collapsed"


def claim_sixty_forty_table() -> None:
    """With 60 % preferring A, eight pairs of reference and β give the π(A) found by hand: 0.98295 at β = 0.1."""
    table = {
        (0.5, 10): 0.5101, (0.5, 1): 0.6, (0.5, 0.5): 0.6923, (0.5, 0.1): 0.98295,
        (0.4, 1): 0.5, (0.4, 0.5): 0.6, (0.8, 1): 0.8571, (0.8, 10): 0.8064,
    }  # fmt: skip
    for (reference, beta), answer in table.items():
        path = alignment.collapse_path([[np.log(1.5), 0]], [beta], reference=[reference, 1 - reference])
        found = path.policies[0, 0]
        assert abs(found - answer) <= 5e-5, f"ρ(A) = {reference}, β = {beta}: {found}, not {answer}"


def claim_matching_needs_one_reference() -> None:
    """The optimum is softmax(r) for ρ ∝ e^{(1 − 1/β)r}, and for no other reference tried: 200 draws each way."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        rewards, beta = rng.normal(size=4), float(np.exp(rng.normal()))
        shares = alignment.preference_matching_policy(rewards).probabilities
        assert np.isclose(shares, np.exp(rewards) / np.exp(rewards).sum(), rtol=0, atol=1e-12).all()
        matching = np.exp((1 - 1 / beta) * rewards)
        found = alignment.rlhf_policy(rewards, matching / matching.sum(), beta)
        assert np.allclose(found.probabilities, shares, rtol=0, atol=1e-12), f"β = {beta}: the reference does not match"
        other = rng.dirichlet(np.ones(4))
        # log π − log softmax(r) = log ρ − log(matching) + const: equal only for the same reference
        tilt = np.log(other) - np.log(matching)
        found = alignment.rlhf_policy(rewards, other, beta)
        off = np.log(found.probabilities) - np.log(shares)
        assert np.allclose(off - off.mean(), tilt - tilt.mean(), rtol=0, atol=1e-9), "another bias than the reference's"
        assert alignment.preference_collapse(found, shares).total_variation > 1e-4, "matched by another reference"
    path = alignment.collapse_path([[0, 1, 2]], [2.0, 1.0, 0.5])
    assert path.matching == 1.0, f"nearest at β = {path.matching}"
    uniform = path.policies[1]
    assert np.allclose(uniform, [0.090031, 0.244728, 0.665241], rtol=0, atol=5e-7), "β = 1, ρ uniform does not match"


def claim_log_term_matches() -> None:
    """E[r − log π + C₁ + C₂/π] is KL(π‖softmax(r)) below its value at softmax(r), not so with −½log π: 500 draws."""
    rng = np.random.default_rng(2)
    halved = 0
    for _ in range(500):
        size = int(rng.integers(2, 6))
        rewards, policy = rng.normal(size=size), rng.dirichlet(np.ones(size))
        constants = rng.normal(size=2)
        best = alignment.preference_matching_policy(rewards).probabilities
        assert np.isclose(best, np.exp(rewards) / np.exp(rewards).sum(), rtol=0, atol=1e-12).all()
        short = _value(best, rewards, 1.0, constants) - _value(policy, rewards, 1.0, constants)
        assert np.isclose(short, alignment.kl(policy, best), rtol=0, atol=1e-9), (
            f"short by {short}, not by the divergence"
        )
        sharper = alignment.preference_matching_policy(2 * rewards).probabilities
        halved += _value(sharper, rewards, 0.5, constants) > _value(best, rewards, 0.5, constants) + 1e-12
    assert halved == 500, f"with half the term softmax(r) was beaten in {halved} of 500 draws only"
