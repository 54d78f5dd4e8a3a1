"""What moves when one value is trained for, how well a profile of values is met, and how opinions spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._shares import Floats, finite, positions_of, rank_correlation
from choicekit.alignment._tabular import distribution
from choicekit.alignment.distances import Distribution


@dataclass(frozen=True, eq=False)
class ValueAlignmentTax:
    """What other values paid for a gain in the one that was trained for. The formulas are our own definition.

    ``changes[..., v]`` = after − before, ``gain[...]`` the target's change Δ_t. Per unit of gain: ``total[...]`` =
    Σ_{v≠t} |Δ_v|/Δ_t is how much the others moved, ``mean[...]`` the same a value, and ``harm[...]`` =
    Σ_{v≠t} min(Δ_v, 0)/Δ_t ≤ 0 how much they lost. NaN where the target did not gain, for then there is nothing to
    divide by; ``undefined`` counts those.

    >>> found = value_alignment_tax([0.2, 0.5, 0.4, 0.6], [0.7, 0.45, 0.1, 0.62], target=0)
    >>> [found.total.round(4).item(), found.mean.round(4).item(), found.harm.round(4).item()]
    [0.74, 0.2467, -0.7]
    """

    changes: Floats
    gain: Floats
    total: Floats
    mean: Floats
    harm: Floats
    undefined: int


def value_alignment_tax(before: ArrayLike, after: ArrayLike, target: int | ArrayLike) -> ValueAlignmentTax:
    """The value alignment tax of raising one value: off-target change over on-target gain. Our definition.

    The tax was proposed as a ratio of propagated off-target change to on-target gain; its formula could not be read,
    so the three ratios of :class:`ValueAlignmentTax` are choicekit's and need not equal published numbers.

    ``before[..., v]`` and ``after[..., v]`` are how strongly a model holds each of at least two values, on one scale;
    ``target`` is the code of the value trained for, one for all rows or one for each ``[...]``. Raises ``ValueError``
    where the target gained in no row.

    Source: Chen and Shen 2026, arXiv:2602.12134 (the idea, from the abstract).

    >>> value_alignment_tax([[0.0, 0.5], [0.5, 0.0]], [[0.5, 0.25], [0.5, 0.5]], [0, 1]).total.tolist()
    [0.5, 0.0]
    """
    changes = _changes(before, after)
    size = changes.shape[-1]
    if size < 2:
        raise ValueError("values: needed at least 2 of them, one trained for and one not, got 1")
    aims = np.asarray(target)
    if aims.dtype.kind not in "iu" or aims.shape not in ((), changes.shape[:-1]) or ((aims < 0) | (aims >= size)).any():
        raise ValueError(f"target: needed codes of values from 0 to {size - 1}, one or one a row, got {target!r}")
    own = np.arange(size) == np.broadcast_to(aims, changes.shape[:-1])[..., None]
    gain = np.where(own, changes, 0.0).sum(-1)
    if not (gain > 0).any():
        raise ValueError(f"target: it gained nothing (at most {gain.max():.3g}), so there is no tax on a gain")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        share = 1 / np.where(gain > 0, gain, np.nan)
        total = np.where(own, 0.0, np.abs(changes)).sum(-1) * share
        harm = np.where(own, 0.0, np.minimum(changes, 0.0)).sum(-1) * share
    return ValueAlignmentTax(changes, gain, total, total / (size - 1), harm, int((gain <= 0).sum()))


def value_coupling(before: ArrayLike, after: ArrayLike) -> Floats:
    """Which values move together: the correlation over scenarios of the changes in two values, ``[v, v]``.

    ``before[i, v]`` and ``after[i, v]`` are measured in at least three scenarios i. Row and column are NaN for a value
    that changed by the same amount everywhere. Our definition, as :func:`value_alignment_tax`.

    >>> value_coupling(np.zeros((3, 2)), [[1, -2], [2, -4], [3, -6]]).round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    changes = _changes(before, after)
    if changes.ndim != 2 or len(changes) < 3:
        raise ValueError(f"needed [i, v] with at least 3 scenarios i, got shape {changes.shape}")
    moved = changes - changes.mean(0)
    length = np.sqrt((moved**2).sum(0))
    still = length <= 1e-12 * np.maximum(np.abs(changes).max(0), 1e-300) * np.sqrt(len(changes))
    units = np.where(still, np.nan, moved / np.where(still, 1.0, length))
    found: Floats = np.clip(units.T @ units, -1.0, 1.0)
    return found


def profile_mae(found: ArrayLike, wanted: ArrayLike) -> Floats:
    """How far a profile of values is from the one asked for: the mean absolute difference over its dimensions.

    ``found[..., d]`` and ``wanted[..., d]`` on one scale give ``[...]``, in its units.

    Source: Guo et al. 2025, arXiv:2510.18526 (seen at second hand).

    >>> profile_mae([5, 3, 1], [4, 3, 3]).item()
    1.0
    """
    first, second = _profiles(found, wanted)
    missed: Floats = np.asarray(np.abs(first - second).mean(-1))
    return missed


def profile_spearman(found: ArrayLike, wanted: ArrayLike) -> Floats:
    """Whether a profile puts its values in the order asked for: Spearman's rank correlation over its dimensions.

    ``found[..., d]`` and ``wanted[..., d]`` with d ≥ 2 give ``[...]`` in [−1, 1]; equal values share the mean of their
    ranks; NaN where a profile is constant, for it has no order.

    Source: Guo et al. 2025, arXiv:2510.18526 (seen at second hand).

    >>> profile_spearman([[5, 3, 1], [1, 3, 5], [2, 2, 2]], [4, 3, 2]).tolist()
    [1.0, -1.0, nan]
    """
    first, second = _profiles(found, wanted)
    if first.shape[-1] < 2:
        raise ValueError("profiles: needed at least 2 dimensions to put in order, got 1")
    return rank_correlation(first, second)


def opinion_polarisation(shares: Distribution, positions: ArrayLike | None = None) -> Floats:
    """How far opinions on a scale are from unanimous: 4·Var/(length of the scale)², in [0, 1].

    1 where half are at each end, 0 where all agree; the variance is the population's. ``shares[..., m]`` give
    ``[...]``; ``positions[m]`` of the answers rise (0, 1, … by default).

    >>> opinion_polarisation([[0.5, 0, 0.5], [0, 1, 0]]).tolist()
    [1.0, 0.0]
    >>> opinion_polarisation([1 / 3, 1 / 3, 1 / 3]).round(6).item()      # 4·(2/3)/2²
    0.666667
    """
    chances = distribution("shares", shares)
    places = positions_of(positions, chances.shape[-1])
    scaled = (places - places[0]) / (places[-1] - places[0])
    centre = (chances * scaled).sum(-1, keepdims=True)
    found: Floats = 4 * (chances * (scaled - centre) ** 2).sum(-1)
    return found


def ordinal_agreement(shares: Distribution) -> NDArray[np.float64]:
    """Van der Eijk's agreement A of opinions on an ordinal scale, from −1 (half at each end) by 0 (uniform) to 1 (one).

    The distribution is a sum of layers, each uniform on a set of S of the K answers: the first on all that occur, as
    high as the rarest of them, the next on those left, and so on. A layer's agreement is U·(1 − (S − 1)/(K − 1)), where
    U = ((K − 2)·T − (K − 1)·D)/((K − 2)(T + D)) compares the triples of answers in order that are (in, in, out) or
    (out, in, in), T, with those that are (in, out, in), D; it is 1 without either. A is the mean over layers, weighted
    by their share of the opinions. Unlike the variance it does not take distances between answers for granted.

    ``shares[..., K]`` with K ≥ 3 give ``[...]``.

    Source: van der Eijk 2001 (doi:10.1023/A:1010374114305), as implemented in the R package agrmt.

    >>> ordinal_agreement([[0, 1, 0], [1 / 3, 1 / 3, 1 / 3], [0.5, 0, 0.5]]).round(6).tolist()
    [1.0, 0.0, -1.0]
    """
    chances = distribution("shares", shares)
    size = chances.shape[-1]
    if size < 3:
        raise ValueError(f"shares: needed at least 3 answers on the scale, got {size}")
    levels = np.sort(chances, axis=-1)
    rises = np.diff(levels, axis=-1, prepend=0.0)
    agreement = np.zeros(chances.shape[:-1])
    for step in range(size):
        inside = chances >= levels[..., step : step + 1]
        count = inside.sum(-1)
        left = np.cumsum(inside, axis=-1)
        right = count[..., None] - left
        outside = ~inside
        parted = (outside * left * right).sum(-1)
        joined = (outside * (left * (left - 1) + right * (right - 1))).sum(-1) / 2
        triples = np.maximum(parted + joined, 1)
        unimodal = ((size - 2) * joined - (size - 1) * parted) / ((size - 2) * triples)
        unimodal = np.where(parted + joined > 0, unimodal, 1.0)
        agreement += rises[..., step] * count * unimodal * (1 - (count - 1) / (size - 1))
    return agreement


def _changes(before: ArrayLike, after: ArrayLike) -> Floats:
    first, second = finite("before", before, "[..., v]", 1), finite("after", after, "[..., v]", 1)
    if first.shape != second.shape:
        raise ValueError(f"before, after: needed arrays of one shape, got {first.shape} and {second.shape}")
    moved: Floats = second - first
    return moved


def _profiles(found: ArrayLike, wanted: ArrayLike) -> tuple[Floats, Floats]:
    first, second = finite("found", found, "[..., d]", 1), finite("wanted", wanted, "[..., d]", 1)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"profiles: needed the same dimensions, got {first.shape[-1]} and {second.shape[-1]}")
    left, right = np.broadcast_arrays(first, second)
    return left, right
