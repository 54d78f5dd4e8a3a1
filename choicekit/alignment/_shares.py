"""What the measures of pluralism share: distributions checked, positions, ranks, and means over resampled contexts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import distribution, normalised

Floats = NDArray[np.float64]


def pair(p: object, q: object, names: tuple[str, str] = ("p", "q")) -> tuple[Floats, Floats]:
    """Two distributions over the same alternatives, broadcast to each other."""
    first, second = distribution(names[0], p), distribution(names[1], q)
    try:
        if first.shape[-1] != second.shape[-1]:
            raise ValueError
        left, right = np.broadcast_arrays(first, second)
    except ValueError:
        raise ValueError(
            f"{names[0]}, {names[1]}: needed the same alternatives and leading axes that fit each other, "
            f"got shapes {first.shape} and {second.shape}"
        ) from None
    return left, right


def positions_of(positions: ArrayLike | None, size: int) -> Floats:
    """Where the alternatives stand on a line, rising; 0, 1, … where nothing is given."""
    if size < 2:
        raise ValueError(f"a scale needs at least 2 alternatives, got {size}")
    if positions is None:
        return np.arange(size, dtype=np.float64)
    places = np.array(positions, np.float64)
    if places.shape != (size,) or not np.isfinite(places).all() or not (np.diff(places) > 0).all():
        raise ValueError(f"positions: needed {size} rising numbers, one an alternative, got {positions!r}")
    return places


def finite(name: str, values: ArrayLike, axes: str, least: int) -> Floats:
    """An array of finite numbers with at least so many axes, none of them empty."""
    found = np.array(values, np.float64)
    if found.ndim < least or 0 in found.shape or not np.isfinite(found).all():
        raise ValueError(f"{name}: needed finite numbers indexed {axes}, got an array of shape {found.shape}")
    return found


def over_contexts(values: Floats, weights: Floats) -> Floats:
    """The weighted mean of ``[x, …]`` over contexts, those with NaN left out; NaN where none is left."""
    there = ~np.isnan(values)
    heavy = weights.reshape(-1, *[1] * (values.ndim - 1)) * there
    with np.errstate(invalid="ignore"):
        terms = np.where(heavy > 0, values, 0.0) * heavy
        mean: Floats = terms.sum(0) / heavy.sum(0)
    return mean


def resampled(
    values: Floats, weights: ArrayLike | None, level: float, draws: int, rng: int | np.random.Generator
) -> Floats:
    """The percentile interval ``[…, 2]`` of the weighted mean of ``[x, …]`` when contexts are drawn anew."""
    if not 0 < level < 1:
        raise ValueError(f"level: needed a number between 0 and 1, got {level!r}")
    if draws < 1:
        raise ValueError(f"draws: needed at least 1, got {draws!r}")
    size = len(values)
    if size < 2:
        raise ValueError("interval: needed at least 2 contexts to draw from, got 1; one context says nothing of others")
    shares, generator = normalised(weights, size), np.random.default_rng(rng)
    flat = values.reshape(size, -1)
    known, endless = ~np.isnan(flat), np.isinf(flat)
    filled, counted = np.where(known & ~endless, flat, 0.0), known.astype(np.float64)
    means = np.empty((draws, flat.shape[1]))
    for draw in range(draws):
        heavy = np.bincount(generator.integers(size, size=size), minlength=size) * shares
        with np.errstate(invalid="ignore"):
            means[draw] = heavy @ filled / (heavy @ counted)
        if endless.any():
            with np.errstate(invalid="ignore"):
                means[draw] += np.where(endless & (heavy > 0)[:, None], flat, 0.0).sum(0)
    # a drawn set in which nothing is defined says nothing
    ends = np.full((2, flat.shape[1]), np.nan)
    for column, drawn in enumerate(means.T):
        rising = np.sort(drawn[~np.isnan(drawn)])
        if rising.size:
            places = np.ceil(np.array([1 - level, 1 + level]) / 2 * rising.size).astype(int) - 1
            ends[:, column] = rising[np.maximum(places, 0)]
    return np.moveaxis(ends, 0, -1).reshape(*values.shape[1:], 2)


def mean_ranks(values: Floats) -> Floats:
    """Ranks 1 … n along the last axis, equal values sharing the mean of theirs."""
    order = np.argsort(values, axis=-1, kind="stable")
    rising = np.take_along_axis(values, order, -1)
    size = values.shape[-1]
    places = np.broadcast_to(np.arange(size), values.shape)
    starts = np.concatenate([np.ones_like(rising[..., :1], bool), rising[..., 1:] != rising[..., :-1]], axis=-1)
    ends = np.concatenate([starts[..., 1:], np.ones_like(starts[..., :1])], axis=-1)
    first = np.maximum.accumulate(np.where(starts, places, 0), axis=-1)
    last = np.minimum.accumulate(np.where(ends, places, size)[..., ::-1], axis=-1)[..., ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, -1)
    return ranks


def rank_correlation(a: Floats, b: Floats) -> Floats:
    """Spearman's coefficient along the last axis; NaN where one side is constant."""
    x, y = mean_ranks(a), mean_ranks(b)
    x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
    scale = np.sqrt((x**2).sum(-1) * (y**2).sum(-1))
    with np.errstate(invalid="ignore"):
        found: Floats = np.where(scale > 0, (x * y).sum(-1) / np.where(scale > 0, scale, 1.0), np.nan)
    return found
