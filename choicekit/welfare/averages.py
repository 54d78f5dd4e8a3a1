"""Welfare as an average of the voters' utilities: the sum, the product, and the families between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from choicekit.welfare._arrays import Floats, counted, keep_missing, log_mean_exp, mean, shares_of, utilities_of


def utilitarian(utilities: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The mean utility of each alternative, Σ_i w_i u_i with the weights made to sum to one.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Raises ``ValueError`` for weights
    that are negative, not finite or all zero.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> utilitarian([[4, 0], [1, 2]], weights=[1, 3]).tolist()      # (4 + 3·1)/4 and (0 + 3·2)/4
    [1.75, 1.5]
    """
    values = utilities_of(utilities)
    return mean(values, shares_of(weights, values.shape[-2]))


def egalitarian(utilities: ArrayLike) -> Floats:
    """The utility of the worst-off voter under each alternative, min_i u_i.

    ``utilities[..., n, m]``; gives ``[..., m]``.

    Source: Rawls 1971, Sen 1970.

    >>> egalitarian([[4, 0], [1, 2]]).tolist()
    [1.0, 0.0]
    """
    lowest: Floats = utilities_of(utilities).min(axis=-2)
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
    values = utilities_of(utilities)
    shares = shares_of(weights, values.shape[-2])
    floor = np.asarray(disagreement, dtype=np.float64)
    if floor.ndim > 1 or (floor.ndim == 1 and len(floor) != len(shares)):
        raise ValueError(
            f"nash: needed one disagreement utility, or one for each of the {len(shares)} voters, "
            f"got shape {floor.shape}"
        )
    there = shares > 0
    gains = (values - (floor[:, None] if floor.ndim else floor))[..., there, :]
    lost = gains <= 0
    logs = mean(np.log(np.where(lost, 1.0, gains)), shares[there])
    return np.where(lost.any(axis=-2), -np.inf, logs)


def power_mean(utilities: ArrayLike, exponent: float, weights: ArrayLike | None = None) -> Floats:
    """The power mean of the utilities, (Σ_i w_i u_i^p)^(1/p) with the weights made to sum to one.

    p = 1 is the mean, p = 0 (the limit) the geometric mean, p = −1 the harmonic mean, p = −∞ and ∞ the smallest and
    the largest; it grows with p. Below 1 it prefers equal utilities, the more the lower p is.

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Utilities are taken relative to the
    one that decides, so that no power overflows or underflows. Where p ≤ 0 and some voter of positive weight has a
    utility of 0 the mean is 0, its limit. Raises ``ValueError`` for a NaN exponent, for a negative utility unless p is
    1, −∞ or ∞, and for weights that are negative, not finite or all zero.

    Source: Hardy, Littlewood and Pólya 1934; as a measure of welfare Atkinson 1970 (doi:10.1016/0022-0531(70)90039-6).

    >>> [power_mean([[4.0], [1.0]], p).round(6).item() for p in (-np.inf, -1, 0, 1, 2, np.inf)]
    [1.0, 1.6, 2.0, 2.5, 2.915476, 4.0]
    """
    given = utilities_of(utilities)
    values, shares = counted(given, weights)
    power = _number("power_mean", "exponent", exponent)
    if np.isinf(power) or power == 1:
        return keep_missing(_plain(values, shares, power - 1), given)
    if (values < 0).any():
        raise ValueError(
            f"power_mean: needed utilities of at least 0 for the exponent {exponent}, got {np.nanmin(values)}; measure "
            "them from the least a voter can have"
        )
    # Relative to the largest utility (p > 0) or the smallest (p ≤ 0) the powers are at most 1.
    chief = values.max(-2) if power > 0 else values.min(-2)
    alive = chief > 0
    logs = _log_ratio(values, np.where(alive, chief, 1.0)[..., None, :])
    inner = mean(logs, shares) if power == 0 else log_mean_exp(power * logs, shares) / power
    return keep_missing(np.where(alive, chief * np.exp(np.where(alive, inner, 0.0)), 0.0), given)


def exponential_mean(utilities: ArrayLike, rate: float, weights: ArrayLike | None = None) -> Floats:
    """The exponential mean of the utilities, (1/α) log Σ_i w_i exp(α u_i) with the weights made to sum to one.

    α = 0 (the limit) is the mean, α = −∞ and ∞ are the smallest and the largest; it grows with α. Adding a number to
    every utility adds it to the mean, whatever α is, so that the zero of the utilities does not matter; below 0 it
    prefers equal utilities (Kolm 1976; with α < 0 it is Kolm and Pollak's equally distributed equivalent).

    ``utilities[..., n, m]``, ``weights[n]`` (default equal); gives ``[..., m]``. Raises ``ValueError`` for a NaN rate
    and for weights that are negative, not finite or all zero.

    Source: Kolm 1976 (doi:10.1016/0022-0531(76)90037-5); as an aggregation of rewards Park and others 2024
    (arXiv:2405.00254).

    >>> [exponential_mean([[0.9], [0.6], [0.3]], rate).round(6).item() for rate in (-10, -1, 0, 1, 10)]
    [0.404767, 0.570222, 0.6, 0.629778, 0.795233]
    """
    given = utilities_of(utilities)
    values, shares = counted(given, weights)
    speed = _number("exponential_mean", "rate", rate)
    if np.isinf(speed) or speed == 0:
        return keep_missing(_plain(values, shares, speed), given)
    chief = values.max(-2) if speed > 0 else values.min(-2)
    with np.errstate(over="ignore"):
        exponents = speed * (values - chief[..., None, :])
    return keep_missing(chief + log_mean_exp(exponents, shares) / speed, given)


def _plain(values: Floats, shares: Floats, towards: float) -> Floats:
    """The smallest, the mean or the largest, as the number is minus infinity, 0 or infinity."""
    found: Floats = mean(values, shares) if towards == 0 else values.max(-2) if towards > 0 else values.min(-2)
    return found


def _number(name: str, option: str, given: float) -> float:
    number = float(given)
    if np.isnan(number):
        raise ValueError(f"{name}: needed a number for {option}, got {given!r}; infinity is one")
    return number


def _log_ratio(values: Floats, chief: Floats) -> Floats:
    """log(values / chief), minus infinity for 0."""
    with np.errstate(over="ignore", divide="ignore", under="ignore", invalid="ignore"):
        ratio = values / chief
        logs: Floats = np.log(ratio)
        extreme = (np.isinf(ratio) | (ratio < 1e-300)) & (values > 0)
        return np.where(extreme, np.log(values) - np.log(chief), logs)
