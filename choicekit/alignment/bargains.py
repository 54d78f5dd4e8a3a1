"""Policies that groups would agree on, by their convex duals: utilitarian, egalitarian, Nash and those between.

F_g(π) is the weighted mean over contexts of ⟨π, r_g⟩ − β·KL(π‖ρ). Every policy here is π ∝ ρ·exp(Σ_g λ_g r_g/β), held
to the norms, for weights λ on the groups that come back as ``multipliers`` (they sum to 1): they differ in who sets
λ. With ``joint=True`` (the default) all contexts are one bargain, in which a group can give way in one context for
another; with ``joint=False`` each context is a bargain of its own, with multipliers ``[x, g]``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._norms import held
from choicekit.alignment._tabular import Floats, average, checked, normalised
from choicekit.alignment._tilts import NOTHING, Found, Table
from choicekit.alignment.norms import Norm
from choicekit.kernels.tilts import NO_GAIN, SOLVED
from choicekit.outcomes import NotConverged, Policy


def utilitarian_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    norms: Sequence[Norm] = (),
) -> Policy:
    """The policy with the greatest weighted mean of the groups' values: max Σ_g w_g F_g(π).

    It is what a single reward Σ_g w_g r_g is trained to. One bargain over all contexts and one for each have the same
    answer, as nobody is compensated.

    ``rewards[..., g, m]``, ``weights[g]`` (default equal), ``norms`` as in
    :class:`~choicekit.alignment.norms.Norm`.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> utilitarian_policy([[1, 0, 0.6], [0, 1, 0.6]], beta=0.1, weights=[3, 1]).probabilities.round(4).tolist()
    [0.8131, 0.0055, 0.1814]
    """
    values, ground = checked(rewards, reference, beta, 2)
    share = normalised(weights, values.shape[-2])
    with np.errstate(divide="ignore"):
        logits = np.log(ground) + average(values, share) / beta
    found, prices = held(logits, ground, norms, beta)
    return Policy(found, ground, beta, share, 0.0, prices)


def egalitarian_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    disagreement: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    joint: bool = True,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-9,
) -> Policy:
    """The max–min policy: the one whose worst-off group gains most.

    Maximises min_g F_g(π) − d_g, with F_g(π) the mean over contexts of ⟨π, r_g⟩ − β·KL(π‖ρ). By convex duality it is
    π ∝ ρ·exp(Σ_g λ_g r_g/β) with λ minimising β·log Σ_i ρ_i·exp((λr)_i/β) − λ·d over the simplex; λ comes back as
    ``multipliers`` and dual minus primal as ``duality_gap``, in the units of the rewards.

    ``rewards[g, m]`` or ``[x, g, m]`` with ``context_weights[x]`` (default equal). ``disagreement[g]`` (or ``[x, g]``
    with ``joint=False``) is what each group is counted from: by default its value under the admissible policy closest
    to the reference (the reference itself, without ``norms``), so that the answer does not depend on the zero of
    anybody's rewards; with the groups' own optima it is the minimax-regret policy. With ``joint=False`` each context
    is a problem of its own. Norms hold for whatever group gains; their prices come back as ``norm_prices``, at the
    disagreement as it stands. Raises ``NotConverged`` if the gap stays above ``tolerance`` (relative to the smallest
    range of a group's rewards, a millionth of the largest or 1e-5·``beta``, whichever is most),
    :class:`~choicekit.alignment.norms.Infeasible` where no policy meets the norms.

    Source: Chakraborty et al. 2024, arXiv:2402.08925.

    >>> policy = egalitarian_policy([[1, 0, 0.6], [0, 1, 0.6]], beta=0.1)
    >>> policy.probabilities.round(6).tolist(), policy.multipliers.round(6).tolist()
    ([0.211942, 0.211942, 0.576117], [0.5, 0.5])
    """
    table = Table(rewards, reference, beta, context_weights, joint, norms, disagreement)
    found = table.bounds(np.ones_like(table.base), _narrowest(table), tolerance)
    return _answer("egalitarian_policy", table, found, found.mu.sum(-1), np.arange(table.groups))


def _narrowest(table: Table) -> Floats:
    """The smallest range of any group's rewards ``[b]``: a gap small beside a larger one may be all that group has."""
    ranges = np.ptp(table.rewards, axis=-1)
    ranges = ranges.max(0, keepdims=True) if table.joint else ranges
    least = np.where(ranges > 0, ranges, np.inf).min(-1)
    found: Floats = np.clip(least, np.maximum(1e-6 * table.width, 1e-5 * table.beta), table.width)
    return found


def nash_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    disagreement: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    joint: bool = True,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-9,
) -> Policy:
    """The weighted Nash bargaining policy, with the reference as what happens without agreement.

    Maximises Σ_g w_g·log(F_g(π) − d_g), F_g as in :func:`egalitarian_policy`. At the optimum π ∝ ρ·exp((μr)/(β|μ|))
    with μ_g = w_g / (F_g(π) − d_g), which is solved for μ by Newton's method; μ/|μ| comes back as ``multipliers``
    and, as ``duality_gap``, by how much the geometric mean of gains falls short of the bound that μ proves.

    ``rewards[g, m]`` or ``[x, g, m]``; ``weights[g]``, ``context_weights[x]`` default to equal; ``disagreement``,
    ``joint`` and ``norms`` are as in :func:`egalitarian_policy`. Where no admissible policy makes every group of
    positive weight better off than the default disagreement does, strict concavity leaves the policy there as the only
    bargain, and it is returned (norms have no price there, ``nan``); for a ``disagreement`` that was given,
    ``ValueError``. Raises ``NotConverged`` if the
    equations are not met to ``tolerance``.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> nash_policy([[1, 0, 0.6], [0, 1, 0.6]], beta=0.1).probabilities.round(6).tolist()
    [0.211942, 0.211942, 0.576117]
    >>> nash_policy([[1, -1], [-1, 1]], beta=0.1).probabilities.tolist()   # nothing that both would gain by
    [0.5, 0.5]
    """
    table = Table(rewards, reference, beta, context_weights, joint, norms, disagreement)
    return _powered("nash_policy", table, 0.0, weights, tolerance)


def power_mean_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    p: float,
    weights: ArrayLike | None = None,
    disagreement: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    joint: bool = True,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-9,
) -> Policy:
    """The policy with the greatest power mean of gains, M_p = (Σ_g w_g·(F_g(π) − d_g)^p)^(1/p) for p ≤ 1.

    p = 1 is the utilitarian policy, p = 0 Nash's (the geometric mean), p = −∞ the egalitarian one, for which weights
    only say who counts; the smaller p, the more the worst-off count. The dual is the minimum over λ of
    (max_π Σ λ_g (F_g − d_g)) / N(λ), with N = (Σ_g w_g·(λ_g/w_g)^q)^(1/q) and q = p/(p − 1), and ``duality_gap`` is
    dual minus primal, in the units of the rewards.

    Arguments are those of :func:`nash_policy`, and so is the answer where not every group can gain. Extreme p (below
    about −30) may end in ``NotConverged``. Raises ``ValueError`` for p > 1, where the mean is not concave.

    >>> rewards = [[2, 0, 0], [0, 1, 0], [0, 1, 0.5]]
    >>> for p in (1, 0, -5, -np.inf):
    ...     print(p, (np.array(rewards) @ power_mean_policy(rewards, beta=0.1, p=p).probabilities).round(2).tolist())
    1 [1.0, 0.5, 0.5]
    0 [0.8, 0.59, 0.59]
    -5 [0.78, 0.59, 0.6]
    -inf [0.77, 0.59, 0.6]
    """
    if not p <= 1:
        raise ValueError(f"power_mean_policy: p: needed a number of at most 1 (or -inf), got {p!r}")
    table = Table(rewards, reference, beta, context_weights, joint, norms, disagreement)
    return _powered("power_mean_policy", table, float(p), weights, tolerance)


def kalai_smorodinsky_policy(
    rewards: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    weights: ArrayLike | None = None,
    disagreement: ArrayLike | None = None,
    context_weights: ArrayLike | None = None,
    joint: bool = True,
    norms: Sequence[Norm] = (),
    tolerance: float = 1e-9,
) -> Policy:
    """The policy whose least share of an ideal gain is greatest: max t with F_g(π) ≥ d_g + t·(I_g − d_g).

    I_g is the most that group g can have from an admissible policy under which no group of positive weight is below
    its disagreement (individually rational ideals, as in the original; each is a constrained problem of its own). The
    answer is Pareto optimal, as with a KL penalty the best policy is unique. Weights only say who counts.
    ``duality_gap`` and ``norm_prices`` are in t, which is between 0 and 1, with the ideals as they stand.

    Arguments are those of :func:`nash_policy`, and so is the answer where not every group can gain.

    Source: Kalai and Smorodinsky 1975 (doi:10.2307/1914280).

    >>> policy = kalai_smorodinsky_policy([[2, 0, 1.2], [0, 1, 0.6]], beta=0.001)
    >>> policy.probabilities.round(3).tolist()
    [0.0, 0.0, 1.0]
    """
    table = Table(rewards, reference, beta, context_weights, joint, norms, disagreement)
    counted = np.flatnonzero(normalised(weights, table.base.shape[1]))
    table.narrowed(counted)
    one = np.ones_like(table.base)
    least = table.bounds(one, table.width, 0.1 * NOTHING)
    gains = least.values > NOTHING * table.width
    _refuse_gains("kalai_smorodinsky_policy", table, ~gains)
    ideal = np.stack([table.bounds(one, table.width, 1e-10, offset=g).values for g in range(len(counted))], axis=-1)
    ideal = np.where(gains[:, None], ideal, 1.0)
    # t in units of the mean ideal, so that all is in the units of the rewards
    unit = ideal.mean(-1)
    found = table.bounds(ideal / unit[:, None], np.maximum(unit, 1e-5 * table.width), tolerance)
    found = found._replace(mu=found.mu / unit[:, None], gaps=found.gaps / unit)
    return _answer("kalai_smorodinsky_policy", table, _stays(found, ~gains), found.mu.sum(-1), counted)


def _powered(name: str, table: Table, p: float, weights: ArrayLike | None, tolerance: float) -> Policy:
    share = normalised(weights, table.base.shape[1])
    counted = np.flatnonzero(share)
    # a group without weight has no say and no price
    table.narrowed(counted)
    share = share[counted]
    if p == -np.inf:
        found = table.bounds(np.ones_like(table.base), table.width, tolerance)
        return _answer(name, table, found, found.mu.sum(-1), counted)
    if p == 1.0:
        blocks = len(table.base)
        found = Found(
            np.tile(share, (blocks, 1)), np.zeros((len(table.rewards), table.rows.slacks.shape[1])), np.zeros(blocks),
            np.zeros(blocks), np.full(blocks, SOLVED),
        )  # fmt: skip
        return _answer(name, table, found, np.ones(blocks), counted)
    found = table.powers(share, p, tolerance)
    none = found.status == NO_GAIN
    _refuse_gains(name, table, none)
    polar = _polar(found.mu, share, p)
    return _answer(name, table, _stays(found, none), found.mu.sum(-1) / polar, counted)


def _polar(mu: Floats, shares: Floats, p: float) -> Floats:
    """N(μ), the polar of the power mean."""
    logs = np.log(mu / shares)
    if p == 0:
        return np.asarray(np.exp(logs @ shares))
    q = p / (p - 1)
    return np.asarray(np.exp(np.logaddexp.reduce(q * logs + np.log(shares), axis=-1) / q))


def _stays(found: Found, none: np.ndarray) -> Found:
    """Where nobody can gain, the answer is no agreement, and certain."""
    return found._replace(gaps=np.where(none, 0.0, found.gaps), status=np.where(none, NO_GAIN, found.status))


def _refuse_gains(name: str, table: Table, none: np.ndarray) -> None:
    if not (table.given and none.any()):
        return
    best = table.bounds(np.ones_like(table.base), table.width, 1e-9).values
    block = int(none.argmax())
    where = "" if table.joint else f", context {block}"
    raise ValueError(
        f"{name}{where}: no {'admissible ' if table.named else ''}policy gives every group of positive weight more "
        f"than its disagreement; the best for the worst-off of them is a gain of {best[block]:.4g}. Lower the "
        "disagreement, leave it out (the reference), give a group weight 0, or take egalitarian_policy, which needs "
        "no gain"
    )


def _answer(name: str, table: Table, found: Found, unit: Floats, counted: np.ndarray) -> Policy:
    probabilities, nu = table.policies(found)
    none = found.status == NO_GAIN
    if none.any():
        rows = np.repeat(none, np.diff(table.starts))
        probabilities[rows] = table.default[rows]
        nu[rows] = np.nan
    multipliers = np.zeros((len(found.mu), table.groups))
    multipliers[:, counted] = found.mu / found.mu.sum(-1, keepdims=True)
    policy = table.answer(probabilities, multipliers, float(found.gaps.max()), nu, unit)
    bad = (found.status != SOLVED) & ~none
    if bad.any():
        where = "" if table.joint else f" in {int(bad.sum())} contexts, the first of them {int(bad.argmax())}"
        raise NotConverged(
            f"{name}: duality gap {float(found.gaps[bad].max()):.1e}{where}; use a larger beta or tolerance", policy
        )
    return policy
