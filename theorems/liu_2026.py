"""COMAL, which solves regularised games each with the last solution for reference, converges to the Nash equilibrium.

KL(π*‖π_t) never rises from round to round, for any weight τ; the inner multiplicative weights come within (1 − ητ/2)^k
of the regularised equilibrium. Plain multiplicative weights circle, and a fixed reference is biased.

Source: Liu, Oikonomou, Zheng, Cai and Cohan 2026, arXiv:2410.23223, Theorems 1 and 2 (as quoted).

Scope: τ = 0.1 throughout; the paper's game of three alternatives, its equilibrium in rational numbers, 40 rounds of
COMAL to an exploitability of 1e-12, the rate at η = 0.05 and 0.3 for 400 steps (slack 1e-12), the two failures as
controls; 12 drawn games of four alternatives, 25 rounds each, monotone to 1e-9. Convergence for all games and all τ,
and with inexact inner solutions, is the paper's.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, rules

METHOD = ("numeric", "certificate")

Floats = NDArray[np.float64]
GAME = np.array([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])
EQUILIBRIUM = np.array([4, 3, 4]) / 11
START = np.array([0.2, 0.5, 0.3])


def claim_equilibrium() -> None:
    """(4, 3, 4)/11 makes both players indifferent, exactly, and is choicekit's maximal lottery."""
    chances = [[Fraction(x).limit_denominator(10) for x in row] for row in GAME.tolist()]
    policy = [Fraction(4, 11), Fraction(3, 11), Fraction(4, 11)]
    assert [sum(a * b for a, b in zip(row, policy, strict=True)) for row in chances] == [Fraction(1, 2)] * 3
    found = rules.maximal_lottery(ck.Margins(GAME - GAME.T))
    assert found.unique
    assert np.allclose(found.probabilities, EQUILIBRIUM, rtol=0, atol=1e-9)


def claim_comal_converges() -> None:
    """40 rounds at τ = 0.1: KL(π*‖π) never rises, is below 1e-7 after 10, and exploitability ends below 1e-12."""
    found = alignment.comal(GAME, START, 0.1, rounds=40, target=EQUILIBRIUM)
    assert found.divergence is not None
    assert (np.diff(found.divergence) <= 1e-14).all(), "the divergence rises"
    assert found.divergence[10] <= 1e-7, f"{found.divergence[10]:.1e} after 10 rounds"
    assert alignment.exploitability(found.policy, GAME) <= 1e-12


def claim_inner_rate() -> None:
    """KL(π*_τ‖μ_k+1) ≤ (1 − ητ/2)^k·KL(π*_τ‖ρ) for 400 steps, η = 0.05 and 0.3, τ = 0.1."""
    aim = alignment.regularised_equilibrium(GAME, START, 0.1)
    assert alignment.exploitability(aim, GAME, reference=START, tau=0.1) <= 1e-12, "not the regularised equilibrium"
    for rate in (0.05, 0.3):
        inner = alignment.mirror_descent(GAME, START, 0.1, steps=400, learning_rate=rate, target=aim)
        assert inner.divergence is not None
        bound = (1 - rate * 0.1 / 2) ** np.arange(400) * inner.divergence[0]
        assert (inner.divergence[1:] <= bound + 1e-12).all(), f"η = {rate}: slower than promised"


def claim_controls_fail() -> None:
    """Plain weights are far from equilibrium after 3,000 steps though their mean is near; a fixed reference is off."""
    plain = alignment.mirror_descent(GAME, START, steps=3000)
    assert alignment.exploitability(plain.policy, GAME) > 0.1, "the last iterate converged"
    assert alignment.exploitability(plain.average, GAME) < 0.01, "the mean did not converge"
    fixed = alignment.mirror_descent(GAME, START, 0.1, steps=3000)
    assert np.isclose(alignment.exploitability(fixed.policy, GAME), 0.0294, rtol=0, atol=5e-5), (
        "another bias than computed"
    )


def claim_comal_on_drawn_games() -> None:
    """KL to the maximal lottery never rises (1e-9) in 25 rounds on 12 drawn games, and exploitability falls tenfold."""
    rng = np.random.default_rng(0)
    for _ in range(12):
        upper = np.triu(rng.uniform(-0.45, 0.45, (4, 4)), 1)
        game = 0.5 + upper - upper.T
        aim = alignment.equilibrium(game)
        assert aim.unique
        found = alignment.comal(game, rng.dirichlet(np.ones(4) * 5), 0.1, rounds=25, target=aim.policy)
        assert found.divergence is not None
        assert (np.diff(found.divergence) <= 1e-9).all(), "rises"
        first, last = found.exploitability[0], found.exploitability[-1]
        assert last <= max(1e-9, 0.1 * first), f"exploitability from {first:.3g} to {last:.3g}"
