"""Arrays of utilities and weights: checked, and averaged without loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.profiles._columns import numbers

Floats = NDArray[np.float64]


def utilities_of(utilities: ArrayLike) -> Floats:
    """An array ``[..., voter, alternative]`` with at least one voter."""
    values = np.asarray(utilities, dtype=np.float64)
    if values.ndim < 2 or values.shape[-2] == 0:
        raise ValueError(f"utilities: needed an array indexed [..., voter, alternative], got shape {values.shape}")
    return values


def voters_of(name: str, utilities: ArrayLike) -> Floats:
    """An array ``[..., voter]`` with at least one voter."""
    values = np.asarray(utilities, dtype=np.float64)
    if values.ndim < 1 or values.shape[-1] == 0:
        raise ValueError(f"{name}: needed an array indexed [..., voter], got shape {values.shape}")
    return values


def sizes_of(weights: ArrayLike | None, voters: int) -> Floats:
    """Weights as they are, unless their sum would overflow."""
    found = numbers("weights", weights, voters)
    sizes: Floats = found / found.max() if found.max() > 1e290 else found
    return sizes


def shares_of(weights: ArrayLike | None, voters: int) -> Floats:
    """Weights made to sum to one."""
    found = sizes_of(weights, voters)
    shares: Floats = found / found.sum()
    return shares


def mean(values: Floats, shares: Floats) -> Floats:
    """Σ_i shares[i] values[..., i, a], laid out so that numpy adds in pairs, which is exact to about 1e-15."""
    terms = np.multiply(np.swapaxes(values, -1, -2), shares, order="C")
    found: Floats = terms.sum(-1)
    return found


def counted(values: Floats, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """The voters of positive weight: their utilities ``[..., n, m]`` and their shares ``[n]``."""
    shares = shares_of(weights, values.shape[-2])
    if (shares > 0).all():
        return values, shares
    return values[..., shares > 0, :], shares[shares > 0]


def ascending(values: Floats, weights: ArrayLike | None) -> tuple[Floats, Floats]:
    """Utilities from the lowest up, ``[..., m, n]``, and the share of the weight up to each; of voters with weight.

    Whole weights are added exactly.
    """
    sizes = sizes_of(weights, values.shape[-2])
    there = sizes > 0
    if not there.all():
        values, sizes = values[..., there, :], sizes[there]
    columns = np.array(np.swapaxes(values, -1, -2), order="C")
    if (sizes == sizes[0]).all():
        columns.sort(-1)
        return columns, np.broadcast_to(np.arange(1, sizes.size + 1) / sizes.size, columns.shape)
    order = np.argsort(columns, axis=-1, kind="stable")
    upto = np.cumsum(sizes[order], axis=-1)
    return np.take_along_axis(columns, order, axis=-1), upto / upto[..., -1:]


def keep_missing(found: Floats, values: Floats) -> Floats:
    """NaN for the alternatives of which some utility ``[..., n, m]`` is missing."""
    kept: Floats = np.where(np.isnan(values).any(-2), np.nan, found)
    return kept


def log_mean_exp(exponents: Floats, shares: Floats) -> Floats:
    """log Σ_i shares[i] exp(exponents[..., i, a]) for exponents of at most 0, among them 0.

    Exponents near 0 keep their digits: log(1 + Σ shares (exp(x) − 1)).
    """
    with np.errstate(all="ignore"):
        near = np.log1p(np.maximum(mean(np.expm1(exponents), shares), -1.0))
        far = np.log(mean(np.exp(exponents), shares))
    found: Floats = np.where(exponents.min(-2) > -1.0, near, far)
    return found
