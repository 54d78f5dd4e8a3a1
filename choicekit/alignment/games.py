"""Preference games: a policy's answer is compared with another policy's, and P says which is preferred how often.

Shapes: ``preferences[..., m, m]``, P[a, b] = share preferring a to b, with P + Pᵀ = 1 and ½ on the diagonal; policies
and references ``[..., m]``; a leading axis holds contexts. A reference probability of 0 says that the alternative is
not available in that context. Payoffs are shares, between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment import _games as shared
from choicekit.alignment._lottery import equilibrium as lottery
from choicekit.alignment._tabular import Floats, distribution_over, divergence, preference_matrix
from choicekit.kernels import games as kernels
from choicekit.outcomes import NotConverged, Policy
from choicekit.solvers import linear_program

Booleans: TypeAlias = NDArray[np.bool_]
Payoff: TypeAlias = Callable[[Floats], ArrayLike]

#: Optimal policies are proved optimal to this, of a game's largest payoff.
_ACCURACY = 1e-9


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """A Nash equilibrium of a preference game: both players play ``policy`` (its reference is uniform).

    ``unique[...]`` says whether it is the only one; ``exploitability[...]`` is what the best answer to it wins above
    one half, the certificate that it is one: 0 up to rounding.

    >>> equilibrium([[0.5, 0.6], [0.4, 0.5]]).policy.probabilities.tolist()
    [1.0, 0.0]
    """

    policy: Policy
    unique: Booleans
    exploitability: Floats


def exploitability(
    policy: Policy | ArrayLike,
    preferences: ArrayLike,
    *,
    reference: ArrayLike | None = None,
    tau: float = 0.0,
) -> Floats:
    """How much more than half of the comparisons the best answer to a policy wins: max_a (Pπ)_a − ½, ``[...]``.

    It is at least 0, and 0 just for equilibria. With ``tau`` > 0 it is that of the regularised game, in which both
    players pay τ·KL to the reference: τ·log Σ_a ρ_a·exp((Pπ)_a/τ) + τ·KL(π‖ρ) − ½, again 0 just for its equilibrium,
    and infinite where π answers what ρ rules out. Only alternatives that ``reference[..., m]`` (default: uniform)
    leaves available can answer.

    ``policy[..., m]``, ``preferences[..., m, m]``. Raises ``ValueError`` for what are no shares or probabilities.

    Source: Munos et al. 2023, arXiv:2312.00886 (the regularised game); the closed form is that of the best answer.

    >>> cycle = [[0.5, 1, 0], [0, 0.5, 1], [1, 0, 0.5]]
    >>> exploitability([0.5, 0.5, 0], cycle).item()           # the third wins all against the first: half in all
    0.25
    >>> exploitability([1 / 3, 1 / 3, 1 / 3], cycle, tau=0.1).round(12).item()
    0.0
    """
    game, tau = preference_matrix(preferences), shared.weight(tau, positive=False)
    given = np.asarray(policy, np.float64)
    shape = np.broadcast_shapes(given.shape[:-1], game.shape[:-2]) + game.shape[-1:]
    played = distribution_over("policy", given, shape)
    ground = shared.grounds(reference, shape)
    pay = np.einsum("...ab,...b->...a", game, played)
    top = np.where(ground > 0, pay, -np.inf).max(-1)
    if tau == 0:
        return np.asarray(np.maximum(top - 0.5, 0.0))
    level = top + tau * np.log(np.where(ground > 0, ground * np.exp((pay - top[..., None]) / tau), 0.0).sum(-1))
    return np.asarray(np.maximum(level + tau * divergence(played, ground) - 0.5, 0.0))


def equilibrium(preferences: ArrayLike) -> Equilibrium:
    """The Nash equilibrium of a preference game, which is a maximal lottery of its margins 2P − 1.

    π with Pπ ≤ ½ in every entry: no answer is preferred to the policy's by more than half. Where there are several,
    the answer is the one of largest entropy, as in :func:`~choicekit.rules.maximal_lottery`; it chooses whatever any of
    them does. Margins of less than 1e-9 of the largest count for ties.

    Up to 150 alternatives the simplex method finds the support; beyond, the game is cut to its Smith set and solved by
    an interior-point method, some seconds for 2,000 alternatives. Both then solve the equations on the support, and
    every answer meets Pπ ≤ ½ + 1e-9. ``preferences[..., m, m]``; raises ``ValueError`` where P + Pᵀ is not 1, and
    ``RuntimeError`` where that accuracy is not reached.

    Source: Fishburn 1984 (doi:10.2307/2297786); that it is the Nash policy, Maura-Rivero et al. 2025, arXiv:2501.19266.

    Each of a cycle gets the margin between the other two, here 0.8 : 0.6 : 0.8:

    >>> found = equilibrium([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]])
    >>> found.policy.probabilities.round(6).tolist(), bool(found.unique)
    ([0.363636, 0.272727, 0.363636], True)
    """
    game = preference_matrix(preferences)
    many = game.reshape(-1, *game.shape[-2:])
    margins = many - np.swapaxes(many, -1, -2)
    strategies, unique = shared.solve(margins)
    policy = (strategies / strategies.sum(-1, keepdims=True)).reshape(game.shape[:-1])
    left = exploitability(policy, game)
    if left.max() > _ACCURACY:
        raise RuntimeError(f"equilibrium: exploitability {left.max():.1e}; preferences beyond the solver's accuracy")
    uniform = np.full(policy.shape, 1 / policy.shape[-1])
    return Equilibrium(Policy(policy, uniform), unique.reshape(game.shape[:-2]), left)


def regularised_equilibrium(
    preferences: ArrayLike, reference: ArrayLike | None = None, tau: float = 0.1, *, tolerance: float = 1e-10
) -> Policy:
    """The only equilibrium of the preference game in which each player pays τ·KL(π‖ρ): π_a ∝ ρ_a·exp((Pπ)_a/τ).

    Payoffs are shares: the game of :func:`~choicekit.alignment.maximal_lottery_policy`, whose payoffs are 4(P − ½), is
    this one with β = 4τ. For τ → 0 it tends to an equilibrium of the game without penalty, for τ → ∞ to the reference.
    It is found by Newton's method on all contexts at once, if need be along a path from large τ; its certificate is
    :func:`exploitability` with the same τ.

    ``preferences[..., m, m]``, ``reference[..., m]`` (default: uniform). Raises ``NotConverged`` where the fixed point
    is not met to ``tolerance`` (in log-probabilities), as may happen for τ of less than a thousandth.

    Source: Munos et al. 2023, arXiv:2312.00886.

    >>> regularised_equilibrium([[0.5, 0.9], [0.1, 0.5]], tau=0.4).probabilities.round(6).tolist()    # log-odds of 1
    [0.731059, 0.268941]
    """
    game, tau = preference_matrix(preferences), shared.weight(tau, positive=True)
    ground = shared.grounds(reference, game.shape[:-1])
    probabilities, _, missed = lottery(game - 0.5, ground, tau, (), tolerance)
    policy = Policy(probabilities, ground, tau)
    if not missed <= tolerance:
        message = f"regularised_equilibrium: fixed point missed by {missed:.1e} at τ = {tau:.3g}; use a larger tau"
        raise NotConverged(message, policy)
    return policy


@dataclass(frozen=True, eq=False)
class MatrixGame:
    """Optimal play of a game in which a row maximises and a column minimises the entries of ``payoffs[..., m, n]``.

    ``rows[..., m]`` is sure of ``value[...]`` against every column, and ``columns[..., n]`` concedes no more than
    ``value`` + ``duality_gap[...]`` to any row. ``value`` is in the units of the payoffs.

    >>> found = matrix_game([[0.0, 2.0], [3.0, 1.0]])
    >>> found.rows.round(6).tolist(), found.columns.round(6).tolist()
    ([0.5, 0.5], [0.25, 0.75])
    """

    payoffs: Floats
    rows: Floats
    columns: Floats
    value: Floats
    duality_gap: Floats


def matrix_game(payoffs: ArrayLike) -> MatrixGame:
    """Max–min and min–max policies of any matrix game: max_p min_j (pᵀA)_j = min_q max_i (Aq)_i (von Neumann 1928).

    By the simplex method, all games of a batch in one call; where rounding stops it, by HiGHS. Where there are several
    optimal policies it is a corner of them. ``payoffs[..., m, n]``; raises ``ValueError`` for payoffs that are not
    finite, and ``RuntimeError`` where the gap exceeds 1e-9 of the payoffs' range.

    Source: Dantzig 1951 (the linear programme).

    >>> matrix_game([[0.0, 2.0], [3.0, 1.0]]).value.round(6).item()            # 3·½ = 2·½ + 1·½
    1.5
    """
    table = np.array(payoffs, np.float64)
    if table.ndim < 2 or 0 in table.shape or not np.isfinite(table).all():
        raise ValueError(f"payoffs: needed finite numbers indexed [..., row, column], got shape {table.shape}")
    many = table.reshape(-1, *table.shape[-2:])
    low, high = many.min((1, 2), keepdims=True), many.max((1, 2), keepdims=True)
    scale = np.where(high > low, (high - low) / 2, 1.0)
    scaled = (many - (high + low) / 2) / scale
    rows, columns, done = kernels.matrix_games(scaled)
    sure, conceded = _bounds(scaled, rows, columns)
    for b in np.flatnonzero(~done | (conceded - sure > _ACCURACY)):
        rows[b], columns[b] = _max_min(scaled[b]), _max_min(-scaled[b].T)
    sure, conceded = _bounds(scaled, rows, columns)
    if (conceded - sure).max() > 2 * _ACCURACY:
        raise RuntimeError(f"matrix_game: a duality gap of {(conceded - sure).max():.1e} of the payoffs' range is left")
    lead, units = table.shape[:-2], scale[:, 0, 0]
    value, gap = sure * units + (high + low)[:, 0, 0] / 2, np.maximum(conceded - sure, 0) * units
    return MatrixGame(
        table, rows.reshape(*lead, -1), columns.reshape(*lead, -1), value.reshape(lead), gap.reshape(lead)
    )


def game_value(payoffs: ArrayLike) -> Floats:
    """What the row is sure of and the column need not exceed, ``[...]``; of every preference matrix it is one half.

    ``payoffs[..., m, n]`` as in :func:`matrix_game`.

    >>> game_value([[0.5, 0.9], [0.1, 0.5]]).round(6).item(), game_value([[1, 0], [0, 3]]).round(6).item()
    (0.5, 0.75)
    """
    return matrix_game(payoffs).value


def _bounds(payoffs: Floats, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """What each row's policy is sure of and each column's concedes at most, ``[b]``."""
    return np.einsum("bm,bmn->bn", rows, payoffs).min(-1), np.einsum("bmn,bn->bm", payoffs, columns).max(-1)


def _max_min(payoffs: Floats) -> Floats:
    """The row's max–min policy by a linear programme in it and the value."""
    rows, columns = payoffs.shape
    found = linear_program(
        np.append(np.zeros(rows), -1.0),
        at_most=(np.hstack([-payoffs.T, np.ones((columns, 1))]), np.zeros(columns)),
        equal=(np.append(np.ones(rows), 0.0)[None], np.ones(1)),
        bounds=[(0, None)] * rows + [(None, None)],
    )
    weights = np.maximum(found[:rows], 0.0)
    shares: Floats = weights / weights.sum()
    return shares


@dataclass(frozen=True, eq=False)
class PsiGame:
    """The game whose payoff is a function of the preference: ``payoffs[..., m, m]`` = Ψ(P).

    ``policy`` is max–min, its opponent's reply ``opponent[..., m]`` min–max, ``value[...]`` what the policy is sure of.
    Where Ψ(t) + Ψ(1 − t) = 2Ψ(½) at all entries of P (``symmetric``), both players' roles are alike, the value is Ψ(½)
    and ``policy`` is an equilibrium with itself, of several the one of largest entropy. Else it is a corner of the
    max–min policies.

    >>> psi_game([[0.5, 0.9], [0.1, 0.5]], np.sqrt).symmetric
    False
    """

    payoffs: Floats
    policy: Policy
    opponent: Floats
    value: Floats
    duality_gap: Floats
    symmetric: bool


def psi_game(preferences: ArrayLike, psi: Payoff) -> PsiGame:
    """The preference game with payoffs Ψ(P) for the row: max_π min_π' Σ_ab π_a Ψ(P[a, b]) π'_b.

    Ψ = identity is the preference game itself, Ψ = log-odds the one that a reward would give, Ψ = sign one that counts
    majorities alone. ``preferences[..., m, m]``; ``psi`` takes and gives an array and need not be monotone. Raises
    ``ValueError`` where Ψ(P) is not finite, as log-odds of 0 and 1 are not.

    Source: Shi, Liu, Long, Su and Xiao 2025, arXiv:2505.20627.

    >>> game = psi_game([[0.5, 0.1, 0.8], [0.9, 0.5, 0.1], [0.2, 0.9, 0.5]], lambda t: np.sign(t - 0.5))
    >>> game.policy.probabilities.round(6).tolist(), game.symmetric
    ([0.333333, 0.333333, 0.333333], True)
    """
    game = preference_matrix(preferences)
    payoffs, half = np.asarray(psi(game), np.float64), _at_half(psi)
    if payoffs.shape != game.shape or not (np.isfinite(payoffs).all() and np.isfinite(half)):
        raise ValueError(
            f"psi: needed a finite payoff for each of {game.size} preferences, got shape {payoffs.shape} with "
            f"{(~np.isfinite(payoffs)).sum()} infinite; keep preferences away from 0 and 1, or use a bounded psi"
        )
    twice = payoffs + np.swapaxes(payoffs, -1, -2) - 2 * half
    size = max(float(np.abs(payoffs - half).max()), 1e-300)
    uniform = np.full(game.shape[:-1], 1 / game.shape[-1])
    if np.abs(twice).max() > _ACCURACY * size:
        found = matrix_game(payoffs)
        return PsiGame(payoffs, Policy(found.rows, uniform), found.columns, found.value, found.duality_gap, False)
    lead = (payoffs - half - twice / 2).reshape(-1, *game.shape[-2:])
    policy = shared.solve(lead).strategies.reshape(game.shape[:-1])
    sure = np.einsum("...a,...ab->...b", policy, payoffs).min(-1)
    conceded = np.einsum("...ab,...b->...a", payoffs, policy).max(-1)
    return PsiGame(payoffs, Policy(policy, uniform), policy, sure, np.maximum(conceded - sure, 0.0), True)


def _at_half(psi: Payoff) -> float:
    return float(np.asarray(psi(np.array([0.5])), np.float64).reshape(-1)[0])


@dataclass(frozen=True)
class PsiConditions:
    """Which conditions on Ψ hold at the points of a grid that were looked at: a numeric check, no proof.

    ``condorcet``: Ψ(t) ≥ Ψ(½) for t ≥ ½ and Ψ(t) < Ψ(½) for t < ½, so that a Condorcet winner is played surely;
    ``mixes``: besides, Ψ(t) + Ψ(1 − t) ≥ 2Ψ(½), so that without a Condorcet winner the policy mixes;
    ``smith``: besides, Ψ(t) + Ψ(1 − t) = 2Ψ(½), so that nothing outside the Smith set is played. ``witnesses`` names
    a t at which a condition fails, for each that does.

    >>> psi_conditions(lambda t: t).smith
    True
    """

    condorcet: bool
    mixes: bool
    smith: bool
    witnesses: dict[str, float]


def psi_conditions(psi: Payoff, *, points: int = 999, tolerance: float = 1e-9) -> PsiConditions:
    """Whether a payoff Ψ meets the conditions of Condorcet consistency, of mixing and of the Smith set, on a grid.

    They are looked at for t = k/(points + 1), and so inside (0, 1); equalities count to ``tolerance`` of Ψ's range
    there. Where Ψ is continuous at ½ they are necessary and sufficient, by the source; between the points of the grid
    and at 0 and 1 nothing is checked. Raises ``ValueError`` where Ψ is not finite, or for fewer than 3 points.

    Source: Shi, Liu, Long, Su and Xiao 2025, arXiv:2505.20627, Theorems 3.1, 3.2 and 4.2.

    >>> found = psi_conditions(np.sqrt)
    >>> found.condorcet, found.mixes, found.smith
    (True, False, False)
    """
    if points < 3:
        raise ValueError(f"points: needed at least 3, got {points!r}")
    t = np.arange(1, points + 1) / (points + 1)
    here, there = np.asarray(psi(t), np.float64), np.asarray(psi(1 - t), np.float64)
    half = _at_half(psi)
    if here.shape != t.shape or not (np.isfinite(here).all() and np.isfinite(there).all() and np.isfinite(half)):
        raise ValueError("psi: needed a function from an array of shares in (0, 1) to finite payoffs of its shape")
    slack = tolerance * max(float(np.ptp(here)), 1e-300)
    below = np.where(t < 0.5 - 1e-12, here < half, here >= half - slack)
    both = here + there - 2 * half
    tests = {"condorcet": below, "mixes": below & (both >= -slack), "smith": below & (np.abs(both) <= slack)}
    witnesses = {name: float(t[int((~holds).argmax())]) for name, holds in tests.items() if not holds.all()}
    return PsiConditions("condorcet" not in witnesses, "mixes" not in witnesses, "smith" not in witnesses, witnesses)
