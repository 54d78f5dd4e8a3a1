"""Opinion pools: one policy made of several groups' policies, without their rewards."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from choicekit.alignment._tabular import Floats, average, normalised
from choicekit.alignment.norms import Norm, admissible
from choicekit.outcomes import Policy
from choicekit.welfare import power_mean


def linear_pool(policies: ArrayLike, weights: ArrayLike | None = None, *, norms: Sequence[Norm] = ()) -> Policy:
    """The weighted mean of policies, Σ_g w_g·π_g: draw a group, answer as it would.

    It is the policy π of least Σ_g w_g·KL(π_g‖π), and keeps every answer that any group gives.

    ``policies[..., g, m]`` are probabilities, ``weights[g]`` (default equal) are made to sum to one. The policy's
    ``reference`` is uniform over the answers of a group with weight, its ``beta`` ``None``: a pool knows of no penalty.
    With ``norms`` it is the policy that meets them closest to the pool, least KL(π‖pool), among the pool's own answers
    (:func:`~choicekit.alignment.norms.admissible`, whose ``norm_prices`` come back); that is not the least of the sum
    above among policies that meet them. Raises ``ValueError`` for policies that are not distributions,
    :class:`~choicekit.alignment.norms.Infeasible` where no mixture of the pool's answers meets the norms.

    Source: Stone 1961 (doi:10.1214/aoms/1177704873).

    >>> linear_pool([[1.0, 0.0], [0.5, 0.5]], weights=[1, 3]).probabilities.tolist()
    [0.625, 0.375]
    """
    shares = _policies(policies)
    found = average(shares, weights)
    return _pooled(found / found.sum(-1, keepdims=True), found > 0, norms)


def logarithmic_pool(policies: ArrayLike, weights: ArrayLike | None = None, *, norms: Sequence[Norm] = ()) -> Policy:
    """The weighted geometric mean of policies, Π_g π_g^w_g made to sum to one: every group has a veto.

    It is the policy π of least Σ_g w_g·KL(π‖π_g). Where each π_g ∝ ρ·e^{r_g/β}, it is ρ·e^{Σw_g·r_g/β}/Z, the policy of
    the weighted sum of the rewards.

    **Zeros.** An answer to which any group with weight gives probability 0 gets 0: the pool lives on the intersection
    of their supports. Where that is empty there is no pool, and ``ValueError`` names the first such context.

    ``policies[..., g, m]`` are probabilities, ``weights[g]`` (default equal) are made to sum to one; a group of weight
    0 has no veto. ``reference`` is uniform over the intersection, ``beta`` ``None``. With ``norms`` it is the policy
    that meets them closest to the pool, as in :func:`linear_pool`. As Σ_g w_g·KL(π‖π_g) is KL(π‖pool) and a constant,
    here alone that is also the least of the sum among the policies that meet them.

    Source: Genest and Zidek 1986 (doi:10.1214/ss/1177013825), a survey.

    >>> logarithmic_pool([[0.8, 0.2], [0.2, 0.8]]).probabilities.round(6).tolist()
    [0.5, 0.5]
    >>> logarithmic_pool([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]).probabilities.round(4).tolist()   # √2 : √3 : 0
    [0.4495, 0.5505, 0.0]
    """
    shares = _policies(policies)
    weigh = normalised(weights, shares.shape[-2])
    counts = weigh > 0
    with np.errstate(divide="ignore"):
        logs = average(np.log(shares[..., counts, :]), weigh[counts])
    _meeting(np.isfinite(logs), "logarithmic_pool")
    logs -= logs.max(-1, keepdims=True)
    found = np.exp(logs)
    return _pooled(found / found.sum(-1, keepdims=True), np.isfinite(logs), norms)


def power_pool(
    policies: ArrayLike, exponent: float, weights: ArrayLike | None = None, *, norms: Sequence[Norm] = ()
) -> Policy:
    """The power mean of policies, (Σ_g w_g·π_g^p)^(1/p) made to sum to one: between veto and anybody's favourite.

    p = 1 is :func:`linear_pool`, p = 0 (the limit) :func:`logarithmic_pool`, −∞ and ∞ are the least and the largest of
    the groups' probabilities. Where π_g ∝ ρ·e^{s_g/β} with s_g = r_g − β·log Z_g it is the policy of the exponential
    mean of the s_g (:func:`choicekit.welfare.exponential_mean`) at rate p/β: pooling policies is aggregating rewards.

    **Zeros.** For p ≤ 0 a 0 of any group with weight is a veto, as in the logarithmic pool; for p > 0 it is not.

    ``policies[..., g, m]``, ``weights[g]`` and the result are as in :func:`logarithmic_pool`. With ``norms`` it is the
    policy that meets them closest to the pool, and no optimum of anything else. Raises ``ValueError`` for policies
    that are not distributions, an exponent that is NaN, and for p ≤ 0 where nothing is left.

    Source: Park et al. 2024, arXiv:2405.00254 (the family, as quoted).

    >>> power_pool([[0.64, 0.36], [0.04, 0.96]], 0.5).probabilities.round(6).tolist()    # 0.5² : 0.789898²
    [0.286061, 0.713939]
    """
    if np.isnan(exponent):
        raise ValueError("power_pool: exponent: needed a number, infinity included, got nan")
    if exponent == 0:
        return logarithmic_pool(policies, weights, norms=norms)
    shares = _policies(policies)
    found = power_mean(shares, exponent, weights=normalised(weights, shares.shape[-2]))
    _meeting(found > 0, "power_pool")
    return _pooled(found / found.sum(-1, keepdims=True), found > 0, norms)


def _policies(policies: ArrayLike) -> Floats:
    """Distributions ``[..., g, m]``, each made to sum to one exactly."""
    shares = np.array(policies, np.float64)
    if shares.ndim < 2 or 0 in shares.shape or not np.isfinite(shares).all() or (shares < 0).any():
        raise ValueError(
            f"policies: needed probabilities indexed [..., group, alternative], got shape {shares.shape}"
            + (f" with {shares.min()} the least" if shares.size else "")
        )
    totals = shares.sum(-1, keepdims=True)
    if not np.allclose(totals, 1, rtol=0, atol=1e-6):
        off = float(totals.flat[np.abs(totals - 1).argmax()])
        raise ValueError(f"policies: the probabilities of each group must sum to 1, got {off:.6g}")
    scaled: Floats = shares / totals
    return scaled


def _meeting(there: np.ndarray, name: str) -> None:
    """Refuse where no alternative is left."""
    empty = ~there.any(-1)
    if empty.any():
        where = tuple(np.argwhere(empty)[0].tolist())
        place = f" in context {', '.join(map(str, where))}" if where else ""
        raise ValueError(
            f"{name}: needed an alternative to which every group with weight gives a positive probability{place}, and "
            "there is none; pool with linear_pool, or mix a little of a common policy into each"
        )


def _pooled(found: Floats, there: np.ndarray, norms: Sequence[Norm]) -> Policy:
    """The pool, or the closest policy to it that meets norms."""
    reference = there / there.sum(-1, keepdims=True)
    if not norms:
        return Policy(found, reference)
    closest = admissible(found, norms)
    return Policy(closest.probabilities, reference, norm_prices=closest.norm_prices)
