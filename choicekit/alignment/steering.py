"""Families of policies that a user steers by weights on the groups, and what a turn of the wheel does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._norms import held, laid
from choicekit.alignment._shares import rank_correlation
from choicekit.alignment._tabular import Floats, checked, divergence, normalised
from choicekit.alignment.norms import Norm
from choicekit.profiles._columns import frozen

_MOST = 5_000_000  # rows of a grid


@dataclass(frozen=True, eq=False)
class TradeoffSteerability:
    """How well a family of policies follows the weights it is steered by.

    ``tradeoff`` is the mean over the weights of wᵀV(w), what users get who each weigh the objectives as they steer.
    ``gain`` is that minus the most that one fixed member would give the same users; below 0 steering does harm.
    ``monotonicity[g]`` is Spearman's rank correlation of w_g and V_g(w): 1 where more weight on an objective always
    brings more of it; NaN where either does not vary.

    >>> TradeoffSteerability(0.7, 0.2, np.array([1.0, 1.0])).gain
    0.2
    """

    tradeoff: float
    gain: float
    monotonicity: Floats


@dataclass(frozen=True, eq=False)
class Family:
    """The policies π_w ∝ ρ·exp(Σ_g w_g·r_g/β), held to norms if there are any, one for each row of weights.

    ``weights[k, g]`` sum to one in each row; ``policies[k, ..., m]``. ``values[k, g]`` are the mean rewards
    V_g = E[r_g], ``divergences[k]`` are KL(π_w‖ρ) in nats, both averaged over contexts. ``jacobians[k, g, h]`` =
    ∂V_g/∂w_h = E_x Cov_π(r_g, r_h)/β, the derivative in w_h with the other weights fixed (so the sum leaves 1): a
    symmetric positive semidefinite matrix, in rewards per unit of weight. Under norms the covariance is that of what
    is left of the rewards after regression, in each context under π, on the costs of the norms that have a price there;
    at the weights where a norm begins to bind, where only derivatives to one side exist, it is that of one side.
    ``norm_prices[k, ..., n]`` are the norms' prices, as of a :class:`~choicekit.outcomes.Policy`; ``None`` without.

    >>> family = steerable_family([[1, 0], [0, 1]], [[0.5, 0.5]], beta=1.0)
    >>> family.policies.tolist(), family.jacobians.round(6).tolist()
    ([[0.5, 0.5]], [[[0.25, -0.25], [-0.25, 0.25]]])
    """

    weights: Floats
    policies: Floats
    values: Floats
    divergences: Floats
    jacobians: Floats
    beta: float
    norm_prices: Floats | None = None

    @property
    def regularised(self) -> Floats:
        """F_g = V_g − β·KL, ``[k, g]``: what each group has after the penalty, which all groups pay alike.

        >>> family = steerable_family([[1, 0], [0, 1]], [[0.5, 0.5]])
        >>> family.regularised.tolist()
        [[0.5, 0.5]]
        """
        found: Floats = self.values - self.beta * self.divergences[:, None]
        return found

    @property
    def prices(self) -> Floats:
        """The marginal rates of exchange ``[k, g, h]``: units of objective g given up for one more unit of h, w_h/w_g.

        The rate holds in two ways, for infinitesimal changes with all further objectives unchanged. Among the
        regularised values F it is the slope −dF_g/dF_h of the family itself, since Σ_g w_g·dF_g = 0 along it. Among
        the mean rewards V it is −dV_g/dV_h between policies of the same divergence, since Σ_g w_g·dV_g = β·dKL. Along
        the family itself, where the divergence changes too, V has another slope. Infinite where w_g = 0 < w_h; NaN
        between two objectives without weight.

        >>> steerable_family([[1, 0], [0, 1]], [[0.2, 0.8]]).prices[0].tolist()
        [[1.0, 4.0], [0.25, 1.0]]
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Floats = self.weights[:, None, :] / self.weights[:, :, None]
        own = np.arange(self.weights.shape[1])
        found[:, own, own] = 1.0
        return found

    def steerability(self) -> TradeoffSteerability:
        """How well the mean rewards follow the weights; see :func:`tradeoff_steerability`.

        >>> family = steerable_family([[1, 0, 0.6], [0, 1, 0.6]], simplex_grid(2, 4), beta=0.1)
        >>> family.steerability().monotonicity.round(6).tolist()
        [1.0, 1.0]
        """
        return tradeoff_steerability(self.weights, self.values)


def steerable_family(
    rewards: ArrayLike,
    weights: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    context_weights: ArrayLike | None = None,
    norms: Sequence[Norm] = (),
) -> Family:
    """The optimal policy for each of several weightings of the groups' rewards, with what turning the weights changes.

    π_w maximises Σ_g w_g·⟨π, r_g⟩ − β·KL(π‖ρ), so that the family traces the front of the groups' regularised values;
    over lotteries that front is concave, and weights reach all of it. With ``norms`` each member is the best among the
    policies that meet them, and the front is theirs.

    ``rewards[..., g, m]``; ``weights[k, g]`` ≥ 0, each row made to sum to one (see :func:`simplex_grid`);
    ``reference[..., m]`` (default: uniform); ``beta`` > 0 in the units of the rewards; ``context_weights`` (default
    equal) one for each context, in the order of the leading axes; ``norms`` as in
    :class:`~choicekit.alignment.norms.Norm`. Holds k policies for each context in memory. Raises ``ValueError`` for
    other shapes or values, :class:`~choicekit.alignment.norms.Infeasible` where no policy meets the norms.

    Source: the closed form of Rafailov et al. 2023, arXiv:2305.18290, for a weighted sum of rewards; the derivative is
    that of an exponential family.

    >>> family = steerable_family([[1, 0, 0.6], [0, 1, 0.6]], [[0.25, 0.75], [0.5, 0.5]], beta=0.1)
    >>> family.values.round(4).tolist()
    [[0.1143, 0.922], [0.5576, 0.5576]]
    """
    values, ground = checked(rewards, reference, beta, 2)
    groups, size = values.shape[-2:]
    wheel = np.atleast_2d(np.asarray(weights, np.float64))
    if wheel.ndim != 2:
        raise ValueError(f"weights: needed rows [k, {groups}], got shape {wheel.shape}")
    wheel = np.array([normalised(row, groups) for row in wheel]).reshape(-1, groups)
    flat = values.reshape(-1, groups, size)
    grounds = ground.reshape(-1, size)
    contexts = normalised(context_weights, len(flat))
    # what the reference rules out has no probability and no say
    flat = np.where(grounds[:, None] > 0, flat, 0.0)
    with np.errstate(divide="ignore"):
        logs = np.log(grounds)
    slacks = laid(norms, ground).slacks
    policies = np.empty((len(wheel), len(flat), size))
    costs = np.zeros((len(wheel), len(flat), len(norms)))
    means, divergences = np.empty((len(wheel), groups)), np.empty(len(wheel))
    jacobians = np.empty((len(wheel), groups, groups))
    for k, row in enumerate(wheel):
        logits = logs + np.einsum("g,xgm->xm", row, flat) / beta
        found, prices = held(logits.reshape(ground.shape), ground, norms, beta)
        policies[k] = found.reshape(-1, size)
        here = np.einsum("xm,xgm->xg", policies[k], flat)
        means[k], divergences[k] = contexts @ here, contexts @ divergence(policies[k], grounds)
        spread = (flat - here[..., None]) * np.sqrt(policies[k])[:, None]
        if prices is not None:
            costs[k] = prices.reshape(-1, len(norms))
            spread = _unexplained(spread, policies[k], slacks, costs[k] > 0)
        spread *= np.sqrt(contexts)[:, None, None]
        jacobians[k] = np.tensordot(spread, spread, ((0, 2), (0, 2))) / beta
    leading = (len(wheel), *values.shape[:-2])
    return Family(
        frozen(wheel), frozen(policies.reshape(*leading, size)), frozen(means), frozen(divergences), frozen(jacobians),
        float(beta), frozen(costs.reshape(*leading, len(norms))) if norms else None,
    )  # fmt: skip


def _unexplained(spread: Floats, policy: Floats, slacks: Floats, tight: NDArray[np.bool_]) -> Floats:
    """What regression on the costs of tight norms ``tight[x, n]`` leaves of centred rewards, both times √π."""
    at = np.einsum("xm,xnm->xn", policy, np.broadcast_to(slacks, (len(policy), *slacks.shape[1:])))
    rows = np.where(tight[..., None], (slacks - at[..., None]) * np.sqrt(policy)[:, None], 0.0)
    sizes = np.linalg.norm(rows, axis=-1, keepdims=True)
    rows = np.where(sizes > 1e-12, rows / np.where(sizes > 0, sizes, 1.0), 0.0)
    found: Floats = spread - spread @ np.linalg.pinv(rows, 1e-9) @ rows
    return found


def tradeoff_steerability(weights: ArrayLike, values: ArrayLike) -> TradeoffSteerability:
    """How well what users get follows what they asked for, for any family of models that are steered by weights.

    ``weights[k, g]`` ≥ 0 are the settings, rows made to sum to one and all counting alike; ``values[k, g]`` are the
    mean rewards V_g at each setting, exact or measured. Gives the mean of wᵀV(w), its gain over the best fixed member,
    max_j w̄ᵀV(w_j), and Spearman's correlation of w_g and V_g for each objective, equal values sharing their mean rank.

    Monotonicity of 1 is not implied by optimality: the optimal family raises Σ_g Δw_g·ΔV_g, but where one group's
    rewards are a multiple of another's, weight on the weaker voice lowers both. Raises ``ValueError`` for shapes that
    differ, fewer than two settings, or values that are not finite.

    Source: Sorensen et al. 2024, arXiv:2402.05070 (trade-off steerability, the linear case; the further measures are
    defined here).

    >>> found = tradeoff_steerability([[1, 0], [0.5, 0.5], [0, 1]], [[1.0, 0.0], [0.6, 0.6], [0.0, 1.0]])
    >>> round(found.tradeoff, 6), round(found.gain, 6), found.monotonicity.round(6).tolist()
    (0.866667, 0.266667, [1.0, 1.0])
    """
    wheel, means = np.asarray(weights, np.float64), np.asarray(values, np.float64)
    if wheel.ndim != 2 or wheel.shape != means.shape or len(wheel) < 2:
        raise ValueError(
            f"needed weights and values [k, g] of one shape with at least two rows, got {wheel.shape} and {means.shape}"
        )
    if not np.isfinite(means).all():
        raise ValueError("values: needed finite mean rewards, got some that are not")
    wheel = np.array([normalised(row, wheel.shape[1]) for row in wheel])
    tradeoff = float((wheel * means).sum(1).mean())
    fixed = float((means @ wheel.mean(0)).max())
    # settings that differ by rounding are one
    correlation = rank_correlation(wheel.round(12).T, means.T)
    return TradeoffSteerability(tradeoff, tradeoff - fixed, frozen(correlation))


def simplex_grid(groups: int, steps: int) -> Floats:
    """All weights on ``groups`` that are multiples of 1/``steps`` and sum to one, ``[k, g]``, the first rising.

    k is the binomial coefficient of steps + groups − 1 over groups − 1. Raises ``ValueError`` for numbers below 1 and
    for more than five million rows.

    >>> simplex_grid(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    >>> len(simplex_grid(4, 10))
    286
    """
    if groups < 1 or steps < 1:
        raise ValueError(f"simplex_grid: needed at least 1 group and 1 step, got {groups!r} and {steps!r}")
    count = comb(steps + groups - 1, groups - 1)
    if count > _MOST:
        raise ValueError(f"simplex_grid: {groups} groups in {steps} steps are {count} rows; take fewer steps")
    bars = np.array(list(combinations(range(steps + groups - 1), groups - 1)), np.int64).reshape(count, groups - 1)
    walls = np.concatenate([np.full((count, 1), -1), bars, np.full((count, 1), steps + groups - 1)], axis=1)
    grid: Floats = (np.diff(walls, axis=1) - 1) / steps
    return grid
