"""Which payoffs Ψ(P) of a preference game find a Condorcet winner, stay in the Smith set, or match preferences.

The game's Nash policy is Condorcet consistent if Ψ(t) ≥ Ψ(½) for t ≥ ½ and Ψ(t) < Ψ(½) for t < ½. It stays in the
Smith set if besides Ψ(t) + Ψ(1 − t) = 2Ψ(½), and need not otherwise. No smooth Ψ makes it match the choice shares of
Bradley, Terry and Luce.

Source: Shi, Liu, Long, Su and Xiao 2025, arXiv:2505.20627, Theorems 3.1, 4.2 and 5.1, where necessity and all smooth Ψ
are covered.

Scope: four Ψ on 2,000 drawn games of four with a Condorcet winner, by saddle points and by the solved game, and one Ψ
that fails; identity and log-odds on 3,000 drawn games of four; Ψ = √t outside the Smith set by a saddle point bounded
in rational numbers. Matching: of polynomials of degree at most 6 only constants level the columns of the game at
softmax(r) for eight rewards of three alternatives (a rank in rational numbers), as an equilibrium whose opponent mixes
over all of them must; for two alternatives others do.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import choicekit as ck
from choicekit import alignment, rules

METHOD = ("numeric", "certificate", "witness")

Floats = NDArray[np.float64]
Payoff = Callable[[Floats], Floats]
SYMMETRIC: dict[str, Payoff] = {"identity": lambda t: t, "log-odds": lambda t: np.log(t / (1 - t))}
PAYOFFS: dict[str, Payoff] = SYMMETRIC | {"square root": lambda t: np.sqrt(t), "cube": lambda t: t**3}


def _games(rng: np.random.Generator, draws: int) -> Floats:
    """P with P + Pᵀ = 1 and entries of 0.01 to 0.99, ``[draws, 4, 4]``."""
    upper = np.triu(rng.uniform(0.01, 0.99, (draws, 4, 4)), 1)
    low = np.swapaxes(np.where(np.triu(np.ones((4, 4)), 1) > 0, 1 - upper, 0), 1, 2)
    return upper + low + 0.5 * np.eye(4)


def _sure(payoff: Payoff, games: Floats) -> NDArray[np.bool_]:
    """Whether playing 0 is the only optimal policy because (0, 0) is a saddle point, strict in its column."""
    table, half = payoff(games), payoff(np.array(0.5))
    return np.logical_and((table[:, 0, :] >= half).all(1), (table[:, 1:, 0] < half).all(1))


def claim_condorcet_winners_are_played() -> None:
    """Identity, log-odds, √t and t³ play a Condorcet winner surely on 2,000 drawn games; (t − ½)² does not."""
    drawn = _games(np.random.default_rng(0), 2000)
    wins = np.random.default_rng(1).uniform(0.501, 0.99, (2000, 3))
    drawn[:, 0, 1:], drawn[:, 1:, 0] = wins, 1 - wins
    for name, payoff in PAYOFFS.items():
        assert alignment.psi_conditions(payoff).condorcet, f"{name}: breaks the condition"
        assert _sure(payoff, drawn).all(), f"{name}: a Condorcet winner is not the only optimum"
        found = alignment.psi_game(drawn, payoff)
        assert (found.policy.probabilities[:, 0] >= 1 - 1e-9).all(), f"{name}: another answer is played"
    assert not alignment.psi_conditions(lambda t: (t - 0.5) ** 2).condorcet
    assert not _sure(lambda t: (t - 0.5) ** 2, drawn).any(), "a payoff that breaks the condition passes"


def claim_symmetric_payoffs_stay_in_smith() -> None:
    """Identity and log-odds: the equilibrium's support lies in the Smith set on 3,000 drawn games of four."""
    drawn = _games(np.random.default_rng(2), 3000)
    smith = [rules.smith(ck.Margins(game - game.T)).winners for game in drawn]
    for name, payoff in SYMMETRIC.items():
        assert alignment.psi_conditions(payoff).smith, f"{name}: breaks the condition"
        found = alignment.psi_game(drawn, payoff)
        assert found.symmetric
        assert (found.duality_gap <= 1e-8 * np.abs(found.payoffs).max((1, 2))).all(), f"{name}: no equilibrium"
        for inside, policy in zip(smith, found.policy.probabilities, strict=True):
            played = np.flatnonzero(policy > 1e-9).tolist()
            assert set(played) <= set(inside), f"{name}: {played} outside {inside}"
    proper = sum(1 < len(inside) < 4 for inside in smith)
    assert proper > 100, f"only {proper} games with a proper Smith set of several"


def claim_square_root_leaves_smith() -> None:
    """A cycle at 0.99 that beats a fourth at 0.51: with Ψ = √t the fourth is the only optimum, though outside Smith."""
    game = np.full((4, 4), 0.5)
    for a in range(3):
        game[a, (a + 1) % 3], game[(a + 1) % 3, a] = 0.99, 0.01
        game[a, 3], game[3, a] = 0.51, 0.49
    assert rules.smith(ck.Margins(game - game.T)).winners == (0, 1, 2)
    # the fourth is sure of √0.49 = 7/10 (√½ is more) …
    assert Fraction(7, 10) ** 2 == Fraction(49, 100) < Fraction(1, 2)
    # … and against a third each of the cycle any other gets less: (√0.5 + √0.99 + √0.01)/3
    above = [Fraction(708, 1000), Fraction(1), Fraction(1, 10)]
    assert all(x**2 >= t for x, t in zip(above, (Fraction(1, 2), Fraction(99, 100), Fraction(1, 100)), strict=True))
    assert sum(above) / 3 < Fraction(7, 10), "the cycle gets as much"
    found = alignment.psi_game(game, np.sqrt)
    assert not alignment.psi_conditions(np.sqrt).smith
    assert np.allclose(found.policy.probabilities, [0, 0, 0, 1], rtol=0, atol=1e-9)
    identity = alignment.equilibrium(game).policy.probabilities
    assert np.allclose(identity, [1 / 3, 1 / 3, 1 / 3, 0], rtol=0, atol=1e-9)


def _rank(rows: list[list[Fraction]]) -> int:
    """By elimination."""
    rank = 0
    for column in range(len(rows[0])):
        found = next((k for k in range(rank, len(rows)) if rows[k][column]), None)
        if found is None:
            continue
        rows[rank], rows[found] = rows[found], rows[rank]
        for k in range(rank + 1, len(rows)):
            factor = rows[k][column] / rows[rank][column]
            rows[k] = [a - factor * b for a, b in zip(rows[k], rows[rank], strict=True)]
        rank += 1
    return rank


def _level(odds: list[list[int]], degree: int) -> int:
    """The rank of Σ_i π_i Ψ(π_i/(π_i + π_j)) being the same for all j, in Ψ's coefficients, for π ∝ odds."""
    rows = []
    for each in odds:
        columns = [
            [sum((a * Fraction(a, a + b) ** power for a in each), Fraction(0)) for power in range(degree + 1)]
            for b in each
        ]
        rows += [[x - y for x, y in zip(one, other, strict=True)] for one, other in pairwise(columns)]
    return _rank(rows)


def claim_no_polynomial_matches_preferences() -> None:
    """Degree ≤ 6, eight rewards: rank 6 for three alternatives, so only constants; rank 4 of 6 for two."""
    three = [[1, 1, 2], [1, 1, 3], [1, 2, 2], [1, 2, 3], [1, 3, 5], [2, 3, 7], [1, 4, 6], [1, 1, 8]]
    assert _level(three, 6) == 6, "a payoff that is not constant is left"
    assert _level([[1, k] for k in range(2, 10)], 6) == 4, "two alternatives leave another number of payoffs"
