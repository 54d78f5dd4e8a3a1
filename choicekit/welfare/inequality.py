"""Measures of how unequally utility is spread over the voters."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from choicekit.welfare._arrays import Floats, shares_of, voters_of
from choicekit.welfare.averages import power_mean


def gini(utilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The Gini coefficient: half the mean difference between two voters over the mean, Σ_ij w_i w_j |u_i − u_j| / 2μ.

    ``utilities[..., n]``, ``weights[n]`` (default equal; made to sum to one); gives ``[...]`` in [0, 1), 0 where all
    are equal. By sorting, in O(n log n). Raises ``ValueError`` for a negative utility and for a mean of zero, which
    leave the coefficient without its meaning, and for weights that are negative, not finite or all zero.

    Source: Gini 1912; the sorted form is in Sen 1973.

    >>> gini([0, 0, 0, 12]).item()      # 6 unequal ordered pairs of 16, each 12 apart, over 2·3: 6·12/16/6
    0.75
    >>> round(gini([0.9, 0.6, 0.3], weights=[0.5, 0.3, 0.2]).item(), 6)
    0.178261
    """
    values, shares, mean = _positive("gini", utilities, weights)
    order = np.argsort(values, axis=-1)
    rising = np.take_along_axis(values, order, axis=-1)
    weight = shares[order]
    upto = np.cumsum(weight, axis=-1)
    # Σ_j w_j (W_j + W_{j−1} − 1) = 0, so utilities can be measured from the lowest, which keeps equal ones at 0
    above = rising - rising[..., :1]
    coefficient: Floats = np.maximum((weight * (2 * upto - weight - 1) * above).sum(-1) / mean, 0.0)
    return coefficient


def spread(utilities: ArrayLike) -> Floats:
    """The distance between the best-off and the worst-off voter, max_i u_i − min_i u_i.

    ``utilities[..., n]``; gives ``[...]``.

    >>> spread([[3, 1, 2], [5, 5, 5]]).tolist()
    [2.0, 0.0]
    """
    values = voters_of("spread", utilities)
    distance: Floats = values.max(axis=-1) - values.min(axis=-1)
    return distance


def atkinson(utilities: ArrayLike, aversion: float = 1.0, weights: ArrayLike | None = None) -> Floats:
    """Atkinson's index: the share of the utility that could be given up if what is left were equal, 1 − M_{1−ε}/μ.

    M_{1−ε} is the power mean with exponent 1 − ε (see :func:`power_mean`), the equally distributed equivalent, and μ
    the mean. ε = 0 gives 0, ε = ∞ looks at the worst-off voter alone; with ε ≥ 1 it is 1 where somebody has 0.

    ``utilities[..., n]``, ``weights[n]`` (default equal; made to sum to one); gives ``[...]`` in [0, 1], 0 where all
    are equal. Raises ``ValueError`` for an aversion below 0, a negative utility, a mean of zero, and weights that are
    negative, not finite or all zero.

    Source: Atkinson 1970 (doi:10.1016/0022-0531(70)90039-6).

    >>> [atkinson([0.9, 0.6, 0.3], e, weights=[0.5, 0.3, 0.2]).round(6).item() for e in (0.5, 1, 2)]
    [0.034364, 0.072868, 0.158485]
    """
    if not aversion >= 0:
        raise ValueError(f"atkinson: needed an aversion of at least 0, got {aversion!r}")
    values, shares, mean = _positive("atkinson", utilities, weights)
    equal = power_mean(values[..., None], 1.0 - aversion, shares)[..., 0]
    index: Floats = np.maximum(1.0 - equal / mean, 0.0)
    return index


def generalised_entropy(utilities: ArrayLike, order: float = 1.0, weights: ArrayLike | None = None) -> Floats:
    """The generalised entropy index of order α, (Σ_i w_i (u_i/μ)^α − 1) / (α(α − 1)).

    α = 1 (the limit) is Theil's T, Σ w (u/μ) log(u/μ); α = 0 the mean log deviation, −Σ w log(u/μ); α = 2 half the
    squared coefficient of variation. It splits into what is within groups and what is between them. With α ≤ 0 it is
    infinite where somebody of positive weight has 0.

    ``utilities[..., n]``, ``weights[n]`` (default equal; made to sum to one); gives ``[...]`` of at least 0, 0 where
    all are equal. Raises ``ValueError`` for an order that is not finite, a negative utility, a mean of zero, and
    weights that are negative, not finite or all zero.

    Source: Theil 1967; Shorrocks 1980 (doi:10.2307/1913126).

    >>> [generalised_entropy([0.9, 0.6, 0.3], a, weights=[0.5, 0.3, 0.2]).round(6).item() for a in (0, 1, 2)]
    [0.075659, 0.064398, 0.057656]
    """
    if not np.isfinite(order):
        raise ValueError(f"generalised_entropy: needed a finite order, got {order!r}")
    values, shares, mean = _positive("generalised_entropy", utilities, weights)
    there = shares > 0
    ratio, share = values[..., there] / mean[..., None], shares[there]
    empty = ratio == 0
    logs = np.log(np.where(empty, 1.0, ratio))
    # Each term is the convex function of u/μ less its tangent at 1, whose weighted sum is 0.
    above = ratio - 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        if order == 0:
            terms = np.where(empty, np.inf, above - logs)
        elif order == 1:
            terms = np.where(empty, 1.0, ratio * logs - above)
        elif order < 0.5:
            powers = np.where(empty, np.inf if order < 0 else -1.0, np.expm1(order * logs))
            terms = (powers - order * above) / (order * (order - 1.0))
        else:
            powers = ratio * np.where(empty, 0.0, np.expm1((order - 1.0) * logs))
            terms = (powers + (1.0 - order) * above) / (order * (order - 1.0))
        found: Floats = np.maximum((terms * share).sum(-1), 0.0)
    return found


def hoover(utilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The Hoover (Robin Hood) index: the share of all utility that would have to move for all to have the same.

    ½ Σ_i w_i |u_i/μ − 1|.

    ``utilities[..., n]``, ``weights[n]`` (default equal; made to sum to one); gives ``[...]`` in [0, 1). Raises
    ``ValueError`` for a negative utility, a mean of zero, and weights that are negative, not finite or all zero.

    Source: Hoover 1936 (doi:10.2307/1927875).

    >>> hoover([1, 1, 4]).item()      # the third has 4 of 6 and keeps 2
    0.3333333333333333
    """
    values, shares, mean = _positive("hoover", utilities, weights)
    index: Floats = 0.5 * (shares * np.abs(values / mean[..., None] - 1.0)).sum(-1)
    return index


def _positive(name: str, utilities: ArrayLike, weights: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    """Utilities of at least 0 ``[..., n]``, the shares ``[n]``, and the mean ``[...]``, which is positive."""
    values = voters_of(name, utilities)
    shares = shares_of(weights, values.shape[-1])
    if (values < 0).any():
        raise ValueError(
            f"{name}: needed utilities of at least 0, got {np.nanmin(values)}; "
            "measure them from the least a voter can have"
        )
    lowest = values.min(-1)
    mean = np.asarray(lowest + (values - lowest[..., None]) @ shares)  # exact where all are equal
    if (mean == 0).any():
        raise ValueError(f"{name}: needed a positive mean utility, got 0; leave out what gives no voter anything")
    return values, shares, mean
