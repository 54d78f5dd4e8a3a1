"""Policies on a finite response set: what a model trained on an aggregate would answer.

Shapes: rewards of one group ``[..., m]``, of several ``[..., g, m]``; a leading axis holds contexts (prompts). A
reference probability of 0 says that the alternative is not available in that context.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._lottery import equilibrium
from choicekit.alignment._norms import held
from choicekit.alignment._tabular import Floats, average, checked, distribution, divergence, normalised, tilt
from choicekit.alignment.norms import Norm
from choicekit.kernels import luce
from choicekit.outcomes import NotConverged, Policy

#: 1/σ'(0): to first order a win probability of ½ + x is a reward difference of 4x in log-odds.
ODDS_PER_WIN = 4.0


def regularised_value(
    rewards: ArrayLike, policy: Policy | ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0
) -> Floats:
    """What a policy is worth to a reward with a KL penalty: F(π) = ⟨π, r⟩ − β·KL(π‖ρ), ``[...]``.

    The optimum π* of :func:`rlhf_policy` is better than any π by exactly β·KL(π‖π*).

    ``rewards[..., m]``, ``policy[..., m]`` and ``reference[..., m]`` (default: uniform) are broadcast together: for
    groups ``[..., g, m]`` give a policy ``[..., 1, m]`` or ``[m]``. The value is −∞ where the policy answers what the
    reference rules out. Raises ``ValueError`` for a policy or a reference that is not a distribution.

    >>> regularised_value([1, 0, 2], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2], beta=0.5).round(6).item()
    1.202592
    """
    values = np.asarray(rewards, np.float64)
    chosen = distribution("policy", policy, values.shape[-1] if values.ndim else None)
    values, ground = checked(
        np.broadcast_to(values, np.broadcast_shapes(values.shape, chosen.shape)), reference, beta, 1
    )
    found: Floats = np.einsum("...m,...m->...", chosen, values) - beta * divergence(chosen, ground)
    return found


def rlhf_policy(
    rewards: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0, *, norms: Sequence[Norm] = ()
) -> Policy:
    """The policy that KL-regularised reward maximisation converges to.

    The maximiser of ⟨π, r⟩ − β·KL(π‖ρ) is π_i ∝ ρ_i·exp(r_i/β), and any other policy falls short of it by exactly
    β·KL(π‖π*). With ``norms`` it is the maximiser among the policies that meet them, the projection of π* onto them.

    ``rewards[..., m]``; ``reference[..., m]`` are probabilities (default: uniform); ``beta`` > 0 is in the units of
    the rewards; ``norms`` as in :class:`~choicekit.alignment.norms.Norm`. Raises ``ValueError`` for rewards that are
    not finite, a reference that is not a distribution, or a ``beta`` that is not positive.

    Source: Rafailov et al. 2023, arXiv:2305.18290 (where the closed form is derived).

    >>> rlhf_policy([1, 0, 2], [0.5, 0.3, 0.2], beta=0.5).probabilities.round(6).tolist()
    [0.24772, 0.020115, 0.732165]
    >>> rlhf_policy([0.4055, 0.0], beta=1.0).probabilities.round(3).tolist()   # ln 1.5: 60 to 40
    [0.6, 0.4]
    """
    values, ground = checked(rewards, reference, beta, 1)
    return _held(values, ground, beta, norms)


def preference_matching_policy(
    rewards: ArrayLike, reference: ArrayLike | None = None, *, norms: Sequence[Norm] = ()
) -> Policy:
    """The policy that answers as the population would choose: Luce's choice shares, softmax(r).

    For rewards on the Bradley–Terry scale π_i = e^{r_i} / Σ_j e^{r_j}, over the alternatives whose reference
    probability is not 0: the maximiser of ⟨π, r⟩ plus the entropy, with ``norms`` among the policies that meet them.
    With rewards ``[..., g, m]`` see :func:`choice_shares`.

    Source: Xiao et al. 2025, arXiv:2405.16455.

    >>> preference_matching_policy([0, 1, 2]).probabilities.round(6).tolist()
    [0.090031, 0.244728, 0.665241]
    """
    values, ground = checked(rewards, reference, 1.0, 1)
    available = (ground > 0) / (ground > 0).sum(-1, keepdims=True)
    return _held(values, available, 1.0, norms)


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
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    norms: Sequence[Norm] = (),
) -> Policy:
    """The KL-regularised policy of the Borda score, an alternative's mean win probability against all others.

    With P the population's :func:`preferences`, the reward is 4·(mean_b P(a, b) − ½): the factor 1/σ'(0) puts win
    probabilities on the log-odds scale, so that ``beta`` means what it means for the other policies. This is the
    optimum of the identity-Ψ objective with a uniform opponent (Azar et al. 2023, arXiv:2310.12036).

    ``rewards[..., g, m]``, ``weights[g]`` (default equal). With ``norms`` the score stays and the policy is the best
    of those that meet them: what is forbidden is not answered, but wins against it still count.

    >>> borda_policy([[1.0, 0.0], [-1.0, 0.0]], beta=0.1).probabilities.tolist()
    [0.5, 0.5]
    """
    values, ground = checked(rewards, reference, beta, 2)
    available = (ground > 0).astype(np.float64)
    opponents = np.maximum(available.sum(-1, keepdims=True) - 1, 1)
    wins = (preferences(values, weights) - 0.5) * available[..., None, :]
    return _held(ODDS_PER_WIN * wins.sum(-1) / opponents, ground, beta, norms)


def random_dictatorship_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    norms: Sequence[Norm] = (),
) -> Policy:
    """Draw a group in proportion to its weight and play its own optimum: Σ_g w_g·π_g* (Gibbard 1977).

    ``rewards[..., g, m]``, ``weights[g]`` (default equal). With ``norms`` each group plays its optimum among the
    policies that meet them, and so does the mixture; ``norm_prices`` are the groups' own, mixed in the same way.

    >>> random_dictatorship_policy([[1, 0], [0, 1]], beta=0.01, weights=[3, 1]).probabilities.round(6).tolist()
    [0.75, 0.25]
    """
    values, ground = checked(rewards, reference, beta, 2)
    if not norms:
        return Policy(average(tilt(values, ground[..., None, :], beta), weights), ground, beta)
    own = [_held(values[..., g, :], ground, beta, norms) for g in range(values.shape[-2])]
    share = normalised(weights, len(own))
    policy = average(np.stack([each.probabilities for each in own], axis=-2), share)
    prices = [w * np.asarray(each.norm_prices) for w, each in zip(share, own, strict=True) if w > 0]
    return Policy(policy, ground, beta, norm_prices=np.sum(prices, axis=0))


def maximal_lottery_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-10,
) -> Policy:
    """The KL-regularised maximal lottery: the equilibrium of the preference game played by two copies of the policy.

    Each player maximises 4·(P(π ≻ π') − ½) − β·KL(π‖ρ) + β·KL(π'‖ρ), with P the population's :func:`preferences`
    and 4 = 1/σ'(0) as in :func:`borda_policy`. The equilibrium is unique and solves π_i ∝ ρ_i·exp(4·Σ_j P_ij π_j/β);
    for β → 0 it tends to a maximal lottery. It is found by Newton's method: the game is antisymmetric, so the
    linear systems are never singular. With ``norms`` both players are held to them: the equilibrium is the answer to
    itself that is best among the policies that meet them, found by the same method on its conditions with a price
    on each norm, and checked by projection.

    Raises ``NotConverged`` where the fixed point is not met to ``tolerance`` (in log-probabilities).

    Source: Munos et al. 2023, arXiv:2312.00886; Fishburn 1984 (maximal lotteries).

    >>> cycle = np.array([[2.0, 0, 1], [1, 2, 0], [0, 1, 2]])    # a ≻ c ≻ b, b ≻ a ≻ c, c ≻ b ≻ a
    >>> maximal_lottery_policy(cycle, beta=0.1).probabilities.round(6).tolist()
    [0.333333, 0.333333, 0.333333]
    """
    values, ground = checked(rewards, reference, beta, 2)
    game = ODDS_PER_WIN * (preferences(values, weights) - 0.5)
    probabilities, prices, missed = equilibrium(game, ground, beta, norms, tolerance)
    policy = Policy(probabilities, ground, beta, norm_prices=prices)
    if missed > tolerance:
        raise NotConverged(
            f"maximal_lottery_policy: fixed point missed by {missed:.1e} at β = {beta:.3g}; use a larger beta", policy
        )
    return policy


def _held(values: Floats, ground: Floats, beta: float, norms: Sequence[Norm]) -> Policy:
    """The optimum of a reward with a KL penalty among the policies that meet norms."""
    if not norms:
        return Policy(tilt(values, ground, beta), ground, beta)
    with np.errstate(divide="ignore"):
        found, prices = held(np.log(ground) + values / beta, ground, norms, beta)
    return Policy(found, ground, beta, norm_prices=prices)
