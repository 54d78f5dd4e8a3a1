"""Policies on a finite response set: what a model trained on an aggregate would answer.

Shapes: rewards of one group ``[..., m]``, of several ``[..., g, m]``; a leading axis holds contexts (prompts). A
reference probability of 0 says that the alternative is not available in that context.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, average, checked, normalised, tilt
from choicekit.kernels import luce
from choicekit.outcomes import NotConverged, Policy

#: 1/σ'(0): to first order a win probability of ½ + x is a reward difference of 4x in log-odds.
ODDS_PER_WIN = 4.0


def rlhf_policy(rewards: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0) -> Policy:
    """The policy that KL-regularised reward maximisation converges to.

    The maximiser of ⟨π, r⟩ − β·KL(π‖ρ) is π_i ∝ ρ_i·exp(r_i/β), and any other policy falls short of it by exactly
    β·KL(π‖π*).

    ``rewards[..., m]``; ``reference[..., m]`` are probabilities (default: uniform); ``beta`` > 0 is in the units of
    the rewards. Raises ``ValueError`` for rewards that are not finite, a reference that is not a distribution, or a
    ``beta`` that is not positive.

    Source: Rafailov et al. 2023, arXiv:2305.18290 (where the closed form is derived).

    >>> rlhf_policy([1, 0, 2], [0.5, 0.3, 0.2], beta=0.5).probabilities.round(6).tolist()
    [0.24772, 0.020115, 0.732165]
    >>> rlhf_policy([0.4055, 0.0], beta=1.0).probabilities.round(3).tolist()   # ln 1.5: 60 to 40
    [0.6, 0.4]
    """
    values, ground = checked(rewards, reference, beta, 1)
    return Policy(tilt(values, ground, beta), ground, beta)


def preference_matching_policy(rewards: ArrayLike, reference: ArrayLike | None = None) -> Policy:
    """The policy that answers as the population would choose: Luce's choice shares, softmax(r).

    For rewards on the Bradley–Terry scale π_i = e^{r_i} / Σ_j e^{r_j}, over the alternatives whose reference
    probability is not 0. With rewards ``[..., g, m]`` see :func:`choice_shares`.

    Source: Xiao et al. 2025, arXiv:2405.16455.

    >>> preference_matching_policy([0, 1, 2]).probabilities.round(6).tolist()
    [0.090031, 0.244728, 0.665241]
    """
    values, ground = checked(rewards, reference, 1.0, 1)
    available = (ground > 0) / (ground > 0).sum(-1, keepdims=True)
    return Policy(tilt(values, available, 1.0), available, 1.0)


def choice_shares(rewards: ArrayLike, reference: ArrayLike | None = None, weights: ArrayLike | None = None) -> Floats:
    """The share of the population choosing each alternative from all available: Σ_g w_g·softmax(r_g), ``[..., m]``.

    >>> choice_shares([[0.0, 0.0], [0.0, np.log(3)]], weights=[0.5, 0.5]).round(3).tolist()
    [0.375, 0.625]
    """
    values, ground = checked(rewards, reference, 1.0, 2)
    own = preference_matching_policy(values, np.broadcast_to(ground[..., None, :], values.shape))
    return average(own.probabilities, weights)


def preferences(rewards: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """P(a preferred to b) by a random member of the population: Σ_g w_g·σ(r_g,a − r_g,b), ``[..., m, m]``.

    >>> preferences([[np.log(3), 0.0]]).round(2).tolist()
    [[0.5, 0.75], [0.25, 0.5]]
    """
    values, _ = checked(rewards, None, 1.0, 2)
    groups, size = values.shape[-2:]
    found = luce.preferences(values.reshape(-1, groups, size), normalised(weights, groups))
    return found.reshape(*values.shape[:-2], size, size)


def borda_policy(
    rewards: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0, *, weights: ArrayLike | None = None
) -> Policy:
    """The KL-regularised policy of the Borda score, an alternative's mean win probability against all others.

    With P the population's :func:`preferences`, the reward is 4·(mean_b P(a, b) − ½): the factor 1/σ'(0) puts win
    probabilities on the log-odds scale, so that ``beta`` means what it means for the other policies. This is the
    optimum of the identity-Ψ objective with a uniform opponent (Azar et al. 2023, arXiv:2310.12036).

    ``rewards[..., g, m]``, ``weights[g]`` (default equal).

    >>> borda_policy([[1.0, 0.0], [-1.0, 0.0]], beta=0.1).probabilities.tolist()
    [0.5, 0.5]
    """
    values, ground = checked(rewards, reference, beta, 2)
    available = (ground > 0).astype(np.float64)
    opponents = np.maximum(available.sum(-1, keepdims=True) - 1, 1)
    wins = (preferences(values, weights) - 0.5) * available[..., None, :]
    return Policy(tilt(ODDS_PER_WIN * wins.sum(-1) / opponents, ground, beta), ground, beta)


def random_dictatorship_policy(
    rewards: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0, *, weights: ArrayLike | None = None
) -> Policy:
    """Draw a group in proportion to its weight and play its own optimum: Σ_g w_g·π_g* (Gibbard 1977).

    ``rewards[..., g, m]``, ``weights[g]`` (default equal).

    >>> random_dictatorship_policy([[1, 0], [0, 1]], beta=0.01, weights=[3, 1]).probabilities.round(6).tolist()
    [0.75, 0.25]
    """
    values, ground = checked(rewards, reference, beta, 2)
    return Policy(average(tilt(values, ground[..., None, :], beta), weights), ground, beta)


def maximal_lottery_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    tolerance: float = 1e-10,
) -> Policy:
    """The KL-regularised maximal lottery: the equilibrium of the preference game played by two copies of the policy.

    Each player maximises 4·(P(π ≻ π') − ½) − β·KL(π‖ρ) + β·KL(π'‖ρ), with P the population's :func:`preferences`
    and 4 = 1/σ'(0) as in :func:`borda_policy`. The equilibrium is unique and solves π_i ∝ ρ_i·exp(4·Σ_j P_ij π_j/β);
    for β → 0 it tends to a maximal lottery. It is found by Newton's method: the game is antisymmetric, so the
    linear systems are never singular.

    Raises ``NotConverged`` where the fixed point is not met to ``tolerance`` (in log-probabilities).

    Source: Munos et al. 2023, arXiv:2312.00886; Fishburn 1984 (maximal lotteries).

    >>> cycle = np.array([[2.0, 0, 1], [1, 2, 0], [0, 1, 2]])    # a ≻ c ≻ b, b ≻ a ≻ c, c ≻ b ≻ a
    >>> maximal_lottery_policy(cycle, beta=0.1).probabilities.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    values, ground = checked(rewards, reference, beta, 2)
    game = ODDS_PER_WIN * (preferences(values, weights) - 0.5)
    # First from the Borda score, which is near where most agree; if that fails, along the path from large β.
    available = ground > 0
    uniform = available / available.sum(-1, keepdims=True)
    logits, missed = _equilibrium(game, ground, beta, np.einsum("...ij,...j->...i", game, uniform) / beta, tolerance)
    if missed > tolerance:
        logits, strength = np.zeros(ground.shape), max(float(np.abs(game).max()), beta)
        while True:
            logits, missed = _equilibrium(game, ground, strength, logits, tolerance)
            if strength <= beta or missed > tolerance:
                break
            strength = max(beta, strength / 2)
    policy = Policy(tilt(logits, ground, 1.0), ground, beta)
    if missed > tolerance:
        raise NotConverged(
            f"maximal_lottery_policy: fixed point missed by {missed:.1e} at β = {strength:.3g}; use a larger beta",
            policy,
        )
    return policy


def _equilibrium(game: Floats, ground: Floats, beta: float, logits: Floats, tolerance: float) -> tuple[Floats, float]:
    """Newton's method for z = Gπ/β − const on the available alternatives, π ∝ ρe^z; with the relative error left."""
    available = ground > 0
    missed = np.inf
    for _ in range(60):
        policy = tilt(logits, ground, 1.0)
        against = np.einsum("...ij,...j->...i", game, policy)
        error = np.where(available, against / beta - logits, 0)
        error -= np.where(available, error.sum(-1, keepdims=True) / available.sum(-1, keepdims=True), 0)
        missed = float(np.abs(error).max()) / max(1.0, float(np.abs(logits).max()))
        if missed <= tolerance:
            break
        # dπ = (diag π − ππᵀ) dz, so the Jacobian of z − Gπ/β is I − J with J = (G·diag π − Gπ πᵀ)/β, whose columns
        # vanish where π does: solve on what carries the mass, then substitute.
        width = int((policy > 1e-7).sum(-1).max())
        support = np.argsort(-policy, axis=-1)[..., :width]
        moved = np.take_along_axis(game, support[..., None, :], -1) - against[..., :, None]
        moved *= np.take_along_axis(policy, support, -1)[..., None, :] / beta
        inner = np.take_along_axis(moved, support[..., :, None], -2)
        known = np.take_along_axis(error, support, -1)[..., None]
        step = error + (moved @ np.linalg.solve(np.eye(width) - inner, known))[..., 0]
        # What has no probability and loses more may fall as far as it likes; everything else moves by at most 4.
        falls = (policy <= 1e-14) & (step < 0)
        longest = np.where(falls, 0, np.abs(step)).max(-1, keepdims=True)
        logits = logits + step * np.where(falls, 1.0, np.minimum(1.0, 4.0 / np.maximum(longest, 1e-300)))
    return logits, missed
