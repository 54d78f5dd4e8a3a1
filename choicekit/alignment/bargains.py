"""Policies that groups would agree on: max–min and Nash, by their convex duals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, checked, kl, normalised, tilt
from choicekit.kernels import luce
from choicekit.outcomes import NotConverged, Policy

#: Prices of agreement (weight over gain, times the range of the rewards) above which nobody can be said to gain.
_UNBOUNDED = 1e9


def egalitarian_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    disagreement: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> Policy:
    """The max–min policy: the one whose worst-off group gains most.

    Maximises min_g F_g(π) − d_g, with F_g(π) the mean over contexts of ⟨π, r_g⟩ − β·KL(π‖ρ). By convex duality it is
    π ∝ ρ·exp(Σ_g λ_g r_g/β) with λ minimising β·log Σ_i ρ_i·exp((λr)_i/β) − λ·d over the simplex; λ comes back as
    ``multipliers`` and dual minus primal as ``duality_gap``.

    ``rewards[g, m]`` or ``[x, g, m]`` with ``context_weights[x]`` (default equal). ``disagreement[g]`` is what each
    group is counted from: by default its value under the reference, so that the answer does not depend on the zero of
    anybody's rewards; with the groups' own optima it is the minimax-regret policy. Raises ``NotConverged`` if the gap
    stays above ``tolerance`` (relative to the range of the rewards).

    Source: Chakraborty et al. 2024, arXiv:2402.08925.

    >>> policy = egalitarian_policy([[1, 0, 0.6], [0, 1, 0.6]], beta=0.1)
    >>> policy.probabilities.round(6).tolist(), policy.multipliers.round(6).tolist()
    ([0.211942, 0.211942, 0.576117], [0.5, 0.5])
    """
    family = _Tilts(rewards, reference, beta, context_weights)
    groups = len(family.shift)
    base = np.zeros(groups) if disagreement is None else np.array(disagreement, np.float64) - family.shift
    weights, barrier = np.full(groups, 1 / groups), 0.1 * family.range
    value, gains, bend = family.at(weights)
    for _ in range(200):
        gap = max(0.0, float(value - weights @ base - (gains - base).min()))
        if gap <= tolerance * family.range:
            break
        # Newton on the dual with a logarithmic barrier, kept on the simplex by one linear constraint.
        slope = gains - base - barrier / weights
        system = np.zeros((groups + 1, groups + 1))
        system[:groups, :groups] = bend + np.diag(barrier / weights**2)
        system[:groups, groups] = system[groups, :groups] = 1
        step = np.linalg.solve(system, np.append(-slope, 0))[:groups]
        decrement = -float(slope @ step)
        length = min(1.0, 0.95 / max(float((-step / weights).max()), 1e-300))
        now = value - weights @ base - barrier * np.log(weights).sum()
        while True:
            trial = weights + length * step
            value, gains, bend = family.at(trial)
            risen = value - trial @ base - barrier * np.log(trial).sum() - now
            if risen <= -1e-4 * length * decrement + 1e-15 * family.range or length < 1e-12:
                break
            length *= 0.5
        weights = trial
        if decrement <= 0.1 * barrier:
            barrier *= 0.1
    weights /= weights.sum()
    policy = Policy(family.policy(weights), family.ground, beta, weights, gap)
    if gap > tolerance * family.range:
        raise NotConverged(f"egalitarian_policy: duality gap {gap:.1e}; use a larger beta or tolerance", policy)
    return policy


def nash_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    tolerance: float = 1e-9,
) -> Policy:
    """The weighted Nash bargaining policy, with the reference as what happens without agreement.

    Maximises Σ_g w_g·log(F_g(π) − F_g(ρ)), F_g as in :func:`egalitarian_policy`. At the optimum π ∝ ρ·exp((μr)/(β|μ|))
    with μ_g = w_g / (F_g(π) − F_g(ρ)), which is solved for μ by Newton's method; μ/|μ| comes back as ``multipliers``
    and the largest relative violation of those equations as ``duality_gap``. Where no policy makes every group better
    off than the reference does, strict concavity leaves the reference as the only bargain, and it is returned.

    ``rewards[g, m]`` or ``[x, g, m]``; ``weights[g]``, ``context_weights[x]`` default to equal. Raises
    ``NotConverged`` if the equations are not met to ``tolerance``.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> nash_policy([[1, 0, 0.6], [0, 1, 0.6]], beta=0.1).probabilities.round(6).tolist()
    [0.211942, 0.211942, 0.576117]
    >>> nash_policy([[1, -1], [-1, 1]], beta=0.1).probabilities.tolist()   # nothing that both would gain by
    [0.5, 0.5]
    """
    family = _Tilts(rewards, reference, beta, context_weights)
    share = normalised(weights, len(family.shift))
    if not share.all():
        # a group without weight has no say and no price
        counts = np.flatnonzero(share)
        found = nash_policy(
            np.array(rewards, np.float64)[..., counts, :], reference, beta, weights=share[counts],
            context_weights=context_weights, tolerance=tolerance,
        )  # fmt: skip
        multipliers = np.zeros(len(share))
        multipliers[counts] = found.multipliers
        return replace(found, multipliers=multipliers)
    prices = share / family.range
    value, gains, bend = family.at(prices)
    for _ in range(200):
        error = float(np.abs(prices * gains - share).max() / share.max())
        enough = max(tolerance, 1e-14 * beta * float(prices.max() / share.max()))  # gains are exact to 1e-14·beta
        if error <= enough:
            break
        slope = gains - share / prices
        step = np.linalg.solve(bend + np.diag(share / prices**2), -slope)
        length = min(1.0, 0.95 / max(float((-step / prices).max()), 1e-300))
        now, certain = value - share @ np.log(prices), np.abs(step / prices).max() <= 1e-4
        while True:
            trial = prices + length * step
            value, gains, bend = family.at(trial)
            risen = value - share @ np.log(trial) - now
            if certain or risen <= 1e-4 * length * float(slope @ step) + 1e-15 * abs(now) or length < 1e-12:
                break
            length *= 0.5
        prices = trial
        if prices.sum() * family.range > _UNBOUNDED:
            break
    if prices.sum() * family.range > _UNBOUNDED:
        return Policy(family.ground, family.ground, beta, prices / prices.sum(), 0.0)
    policy = Policy(family.policy(prices), family.ground, beta, prices / prices.sum(), error)
    if error > enough:
        raise NotConverged(f"nash_policy: first-order conditions missed by {error:.1e}; use a larger beta", policy)
    return policy


class _Tilts:
    """The family π_μ ∝ ρ·exp((μr)/(β|μ|)), which maximises Σ_g μ_g F_g, over all contexts at once.

    Rewards are counted from the reference's, ``shift`` is what was taken off each group's value.
    """

    def __init__(
        self, rewards: ArrayLike, reference: ArrayLike | None, beta: float, context_weights: ArrayLike | None
    ) -> None:
        values, self.ground = checked(rewards, reference, beta, 2)
        self.beta = beta
        self.rewards = values.reshape((-1, *values.shape[-2:]))
        self.grounds = np.broadcast_to(self.ground.reshape(-1, self.ground.shape[-1]), self.rewards[:, 0].shape)
        self.contexts = normalised(context_weights, len(self.rewards))
        level = np.einsum("xm,xgm->xg", self.grounds, self.rewards)
        self.shift = self.contexts @ level
        self.rewards = np.where(self.grounds[:, None] > 0, self.rewards - level[..., None], 0.0)
        # rewards far smaller than beta move nothing that rounding would leave to see
        with np.errstate(divide="ignore"):
            self.logs = np.log(self.grounds)
        self.range = max(float(np.ptp(self.rewards, axis=-1).max()), 1e-5 * beta)

    def gains(self, policy: Floats) -> Floats:
        """F_g(π) − F_g(ρ) of a policy ``[m]`` or ``[x, m]``."""
        probabilities = np.broadcast_to(policy.reshape(-1, policy.shape[-1]), self.grounds.shape)
        price = self.beta * kl(probabilities, self.grounds)
        means = np.einsum("xm,xgm->xg", probabilities, self.rewards) - price[:, None]
        found: Floats = self.contexts @ means
        return found

    def policy(self, prices: Floats) -> Floats:
        probabilities = tilt(prices / prices.sum() @ self.rewards, self.grounds, self.beta)
        return probabilities.reshape(self.ground.shape)

    def at(self, prices: Floats) -> tuple[float, Floats, Floats]:
        """max_π Σ_g μ_g F_g(π) with its gradient F(π_μ) and Hessian, at μ = prices."""
        return luce.tilted(self.rewards, self.logs, self.contexts, prices, self.beta)
