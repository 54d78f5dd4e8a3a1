"""Measures of how well off voters are together, and how unequally.

Welfare functions take utilities ``[..., n, m]`` (the axis before the last runs over voters or groups) and give
``[..., m]``; measures of inequality take ``[..., n]`` and give ``[...]``. NaN in, NaN out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.profiles._columns import numbers

Floats = NDArray[np.float64]


def utilitarian(utilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The mean utility of each alternative, Σ_i w_i u_i with the weights made to sum to one.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Raises ``ValueError`` for weights
    that are negative, not finite or all zero.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> utilitarian([[4, 0], [1, 2]], weights=[1, 3]).tolist()      # (4 + 3·1)/4 and (0 + 3·2)/4
    [1.75, 1.5]
    """
    values = _utilities(utilities)
    return _mean(values, _shares(weights, values.shape[-2]))


def egalitarian(utilities: ArrayLike) -> Floats:
    """The utility of the worst-off voter under each alternative, min_i u_i.

    ``utilities[..., n, m]``; gives ``[..., m]``.

    Source: Rawls 1971, Sen 1970.

    >>> egalitarian([[4, 0], [1, 2]]).tolist()
    [1.0, 0.0]
    """
    lowest: Floats = _utilities(utilities).min(axis=-2)
    return lowest


def nash(utilities: ArrayLike, weights: ArrayLike | None = None, disagreement: ArrayLike = 0.0) -> Floats:
    """The logarithm of the geometric mean of gains, Σ_i w_i log(u_i − d_i) with the weights made to sum to one.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal), ``disagreement`` a number or one for each voter ``[n]``;
    gives ``[..., m]``, minus infinity where some voter of positive weight gains nothing. It is a mean of logarithms,
    so that the product of a million gains neither underflows nor overflows. Raises ``ValueError`` for weights that
    are negative, not finite or all zero.

    Source: Nash 1950 (doi:10.2307/1907266), Kaneko and Nakamura 1979 (doi:10.2307/1914191).

    >>> np.exp(nash([[4, 0], [1, 2]])).round(6).tolist()      # √(4·1) and √(0·2)
    [2.0, 0.0]
    """
    values = _utilities(utilities)
    shares = _shares(weights, values.shape[-2])
    floor = np.asarray(disagreement, dtype=np.float64)
    if floor.ndim > 1 or (floor.ndim == 1 and len(floor) != len(shares)):
        raise ValueError(
            f"nash: needed one disagreement utility, or one for each of the {len(shares)} voters, "
            f"got shape {floor.shape}"
        )
    counted = shares > 0
    gains = (values - (floor[:, None] if floor.ndim else floor))[..., counted, :]
    lost = gains <= 0
    logs = _mean(np.log(np.where(lost, 1.0, gains)), shares[counted])
    return np.where(lost.any(axis=-2), -np.inf, logs)


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
    values = _voters("gini", utilities)
    shares = _shares(weights, values.shape[-1])
    if (values < 0).any():
        raise ValueError(
            f"gini: needed utilities of at least 0, got {np.nanmin(values)}; "
            "measure them from the least a voter can have"
        )
    mean = values @ shares
    if (mean == 0).any():
        raise ValueError("gini: needed a positive mean utility, got 0; leave out what gives no voter anything")
    order = np.argsort(values, axis=-1)
    ascending = np.take_along_axis(values, order, axis=-1)
    weight = shares[order]
    upto = np.cumsum(weight, axis=-1)
    # Σ_j w_j (W_j + W_{j−1} − 1) = 0, so utilities can be measured from the lowest, which keeps equal ones at 0
    above = ascending - ascending[..., :1]
    coefficient: Floats = np.maximum((weight * (2 * upto - weight - 1) * above).sum(-1) / mean, 0.0)
    return coefficient


def spread(utilities: ArrayLike) -> Floats:
    """The distance between the best-off and the worst-off voter, max_i u_i − min_i u_i.

    ``utilities[..., n]``; gives ``[...]``.

    >>> spread([[3, 1, 2], [5, 5, 5]]).tolist()
    [2.0, 0.0]
    """
    values = _voters("spread", utilities)
    distance: Floats = values.max(axis=-1) - values.min(axis=-1)
    return distance


def _utilities(utilities: ArrayLike) -> Floats:
    values = np.asarray(utilities, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2] == 0:
        raise ValueError(f"utilities: needed an array indexed [..., voter, alternative], got shape {values.shape}")
    return values


def _voters(name: str, utilities: ArrayLike) -> Floats:
    values = np.asarray(utilities, dtype=np.float64)
    if values.ndim < 1 or values.shape[-1] == 0:
        raise ValueError(f"{name}: needed an array indexed [..., voter], got shape {values.shape}")
    return values


def _shares(weights: ArrayLike | None, voters: int) -> Floats:
    """Weights made to sum to one."""
    found = numbers("weights", weights, voters)
    shares: Floats = found / found.sum()
    return shares


def _mean(values: Floats, shares: Floats) -> Floats:
    """Σ_i shares[i] values[..., i, a], laid out so that numpy adds in pairs, which is exact to about 1e-15."""
    terms = np.multiply(np.swapaxes(values, -1, -2), shares, order="C")
    mean: Floats = terms.sum(-1)
    return mean
