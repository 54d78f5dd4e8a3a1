"""Welfare that looks at the voters in the order of how well off they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import grades as kernels
from choicekit.outcomes import TIE_TOLERANCE
from choicekit.welfare._arrays import Floats, ascending, keep_missing, utilities_of


def leximin(utilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The place of each alternative in the leximin order, counted from the bottom: how many levels are below its own.

    An alternative is above another where its worst-off voter is better off; where the two are level, where its
    second worst-off voter is, and so on. A voter of weight w counts as w voters, also where w is no whole number: with
    Q(t) the utility below which a share t of the weight is, an alternative is above another where its Q is larger at
    the smallest t at which they differ. Equal places are ties: utilities within 1e-9 of the largest size are equal.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives whole numbers ``[..., m]``, the highest for the
    best, without gaps. It is an order, not a number that could be compared between profiles. By sorting, in
    O(m n log n). Raises ``ValueError`` for weights that are negative, not finite or all zero.

    Source: Sen 1970; d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> leximin([[1, 1, 0], [1, 2, 9], [5, 2, 9]]).tolist()      # (1, 1, 5) is below (1, 2, 2), (0, 9, 9) below both
    [1.0, 2.0, 0.0]
    >>> leximin([[1, 2], [2, 1]], weights=[2, 1]).tolist()      # (1, 1, 2) is below (1, 2, 2)
    [0.0, 1.0]
    """
    return dense_places(utilities, weights, outwards=False)


def dense_places(utilities: ArrayLike, weights: ArrayLike | None, outwards: bool) -> Floats:
    """Places of the alternatives in a lexicographic order of their sorted utilities, from the worst or outwards.

    Outwards starts at the middle of the weight and looks at both sides at once, the lower one first.

    >>> dense_places([[1.0, 0.0], [1.0, 3.0], [1.0, 3.0]], None, outwards=True).tolist()
    [0.0, 1.0]
    """
    values = utilities_of(utilities)
    missing: NDArray[np.bool_] = np.asarray(np.isnan(values).any(-2))
    # What has a missing utility goes to the bottom, from where it is taken out again.
    columns, upto = ascending(levels(np.where(missing[..., None, :], -np.inf, values)), weights)
    flat = (-1, *columns.shape[-2:])
    places = kernels.places(columns.reshape(flat), upto.reshape(flat), outwards).reshape(missing.shape)
    found = places - missing.any(-1, keepdims=True)
    return np.where(missing, np.nan, found)


def levels(values: Floats, unit: float = 0.0) -> Floats:
    """Whole numbers in the order of the values of each profile ``[..., n, m]``, equal where the values are.

    Values are equal where no gap between neighbours is larger than 1e-9 of the largest finite size, or of the unit,
    if that is larger.

    >>> levels(np.array([[0.3, 0.1 + 0.2], [5.0, -1.0]])).tolist()
    [[1.0, 1.0], [2.0, 0.0]]
    """
    flat = values.reshape(*values.shape[:-2], -1)
    size = np.abs(np.where(np.isfinite(flat), flat, 0.0)).max(-1, keepdims=True, initial=unit)
    order = np.argsort(flat, axis=-1)
    rising = np.take_along_axis(flat, order, axis=-1)
    with np.errstate(invalid="ignore", over="ignore"):
        level = np.cumsum(np.diff(rising, axis=-1) > TIE_TOLERANCE * size, axis=-1)
    out = np.zeros(flat.shape)
    np.put_along_axis(out, order[..., 1:], level.astype(np.float64), axis=-1)
    return out.reshape(values.shape)


def ordered_average(utilities: ArrayLike, rank_weights: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """An average weighted by rank, Σ_k r_k u_(k), where u_(1) ≤ … ≤ u_(n) are the utilities from the worst-off up.

    ``rank_weights[k]``, the worst-off voter's first, are made to sum to one: (1, 0, …, 0) is the egalitarian minimum,
    (0, …, 0, 1) the maximum, equal ones the mean; where they fall, it prefers equal utilities. With one rank weight
    for each voter and voters of equal weight it is Yager's ordered weighted average. In general the k-th of the rank
    weights belongs, evenly, to the k-th of as many equal slices of the voters' total weight (Torra 1997), so that a
    voter of weight 2 counts as two voters.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Raises ``ValueError`` for weights or
    rank weights that are negative, not finite or all zero.

    Source: Yager 1988 (doi:10.1109/21.87068); Torra 1997
    (doi:10.1002/(SICI)1098-111X(199702)12:2<153::AID-INT3>3.0.CO;2-P).

    >>> ordered_average([[4, 0], [1, 2], [1, 8]], rank_weights=[2, 1, 1]).tolist()      # (2 + 1 + 4)/4, (0 + 2 + 8)/4
    [1.75, 2.5]
    """
    values = utilities_of(utilities)
    slices = np.asarray(rank_weights, np.float64)
    if slices.ndim != 1 or not slices.size or not np.isfinite(slices).all() or (slices < 0).any() or not slices.any():
        raise ValueError(
            "ordered_average: needed rank weights from the worst-off voter's to the best-off's, finite, at least 0 and "
            f"not all 0, got {rank_weights!r}"
        )
    total = np.concatenate([[0.0], np.cumsum(slices)]) / slices.sum()
    grid = np.arange(slices.size + 1) / slices.size
    columns, upto = ascending(values, weights)
    return _ranked(columns, np.interp(upto, grid, total), values)


def generalised_gini(utilities: ArrayLike, aversion: float = 2.0, weights: ArrayLike | None = None) -> Floats:
    """The single-parameter Gini welfare: the expected utility of the worst-off of δ voters drawn at random.

    Σ_k [(1 − W_{k−1})^δ − (1 − W_k)^δ] u_(k), with u_(1) ≤ … ≤ u_(n) from the worst-off voter up and W_k the share of
    the weight of the first k. δ = 1 is the mean, δ = 2 the mean times one minus the Gini coefficient, δ = ∞ the
    minimum. A transfer from a better-off voter to a worse-off one that does not reverse the two raises it for δ > 1.

    ``utilities[..., n, m]`` (negative ones too), ``weights[n]`` (default equal); gives ``[..., m]``. Other falling
    weights by rank: :func:`ordered_average`. Raises ``ValueError`` for an aversion below 1 and for weights that are
    negative, not finite or all zero.

    Source: Donaldson and Weymark 1980 (doi:10.1016/0022-0531(80)90065-4); Weymark 1981
    (doi:10.1016/0165-4896(81)90018-4).

    >>> generalised_gini([[4, 0], [1, 2]]).tolist()      # ¾ of the worse-off voter and ¼ of the other
    [1.75, 0.5]
    """
    values = utilities_of(utilities)
    if not aversion >= 1:
        raise ValueError(f"generalised_gini: needed an aversion of at least 1 (1 is the mean), got {aversion!r}")
    columns, upto = ascending(values, weights)
    with np.errstate(under="ignore"):
        return _ranked(columns, 1.0 - (1.0 - upto) ** aversion, values)


def quantile(utilities: ArrayLike, q: float, weights: ArrayLike | None = None) -> Floats:
    """The lowest utility such that at least a share q of the voters' weight has no more.

    q = 0 is the minimum, q = ½ the (lower) median, q = 1 the maximum; it is always some voter's utility.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Raises ``ValueError`` for a q outside
    [0, 1] and for weights that are negative, not finite or all zero.

    >>> [quantile([[4], [1], [2], [9]], q).item() for q in (0, 0.25, 0.5, 0.51, 1)]
    [1.0, 1.0, 2.0, 4.0, 9.0]
    """
    values = utilities_of(utilities)
    if not 0 <= q <= 1:
        raise ValueError(f"quantile: needed a share q from 0 to 1, got {q!r}")
    columns, upto = ascending(values, weights)
    reached = (upto < q - 1e-12).sum(-1, keepdims=True)  # how many voters are not enough
    at = np.minimum(reached, columns.shape[-1] - 1)
    return keep_missing(np.take_along_axis(columns, at, axis=-1)[..., 0], values)


def _ranked(columns: Floats, weight_upto: Floats, values: Floats) -> Floats:
    """Σ_k r_k u_(k), where r_1 + … + r_k is given; measured from the lowest utility, which keeps equal ones exact."""
    lowest = columns[..., :1]
    parts = np.diff(weight_upto, axis=-1, prepend=0.0)
    return keep_missing(lowest[..., 0] + (parts * (columns - lowest)).sum(-1), values)
