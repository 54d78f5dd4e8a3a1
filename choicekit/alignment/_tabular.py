"""What the rooms of alignment share: the exponential family of a reference, and checks of rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def divergence(policy: ArrayLike, reference: ArrayLike) -> Floats:
    """Kullback–Leibler divergence KL(π‖ρ) = Σ π log(π/ρ) along the last axis, in nats; infinite where ρ misses π."""
    p, q = np.broadcast_arrays(np.asarray(policy, np.float64), np.asarray(reference, np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * (np.log(p) - np.log(q)), 0.0)
    total: Floats = np.maximum(terms.sum(-1), 0.0)
    return total


def tilt(rewards: Floats, reference: Floats, beta: float) -> Floats:
    """ρ·exp(r/β)/Z along the last axis."""
    with np.errstate(divide="ignore"):
        logs = np.log(reference) + rewards / beta
    found: Floats = np.exp(logs - np.logaddexp.reduce(logs, axis=-1, keepdims=True))
    found /= found.sum(-1, keepdims=True)
    return found


def average(values: Floats, weights: ArrayLike | None) -> Floats:
    """The weighted mean over groups of ``[..., g, m]``."""
    mixed: Floats = np.einsum("g,...gm->...m", normalised(weights, values.shape[-2]), values)
    return mixed


def normalised(weights: ArrayLike | None, size: int) -> Floats:
    """Weights checked and scaled to sum to one; equal where none are given."""
    share = np.ones(size) if weights is None else np.array(weights, np.float64)
    if share.shape != (size,) or not np.isfinite(share).all() or (share < 0).any() or share.sum() <= 0:
        raise ValueError(f"weights: needed {size} non-negative numbers, not all zero, got {weights!r}")
    scaled: Floats = share / share.sum()
    return scaled


def checked(rewards: ArrayLike, reference: ArrayLike | None, beta: float, axes: int) -> tuple[Floats, Floats]:
    """Rewards, and the reference broadcast to their contexts and alternatives."""
    values = np.array(rewards, np.float64)
    wanted = "[..., alternative]" if axes == 1 else "[..., group, alternative]"
    if values.ndim < axes or 0 in values.shape:
        raise ValueError(f"rewards: needed finite numbers indexed {wanted}, got shape {values.shape}")
    finite = np.isfinite(values)
    if not finite.all():
        where = [int(k) for k in np.argwhere(~finite)[0]]
        raise ValueError(f"rewards: needed finite numbers indexed {wanted}, got {values[tuple(where)]} at {where}")
    positive("beta", beta)
    shape = values.shape[:-axes] + values.shape[-1:]
    if reference is None:
        return values, np.full(shape, 1 / shape[-1])
    return values, distribution_over("reference", reference, shape)


def positive(name: str, given: object) -> float:
    """The weight of a KL penalty, checked."""
    if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 < given < np.inf:
        raise ValueError(f"{name}: needed a positive number, the weight of the KL penalty, got {given!r}")
    return float(given)


def distribution(name: str, given: object, size: int | None = None) -> Floats:
    """Distributions ``[..., m]`` along the last axis, checked and divided by their sum."""
    found = np.array(given, np.float64)
    if found.ndim < 1 or 0 in found.shape or size not in (None, found.shape[-1]):
        wanted = "probabilities [..., m]" if size is None else f"{size} probabilities, one an alternative"
        raise ValueError(f"{name}: needed {wanted}, got shape {found.shape}")
    if not (np.isfinite(found).all() and found.min() >= 0):
        raise ValueError(f"{name}: needed finite probabilities of at least 0, got {found.min()}")
    total = found.sum(-1, keepdims=True)
    if not np.allclose(total, 1, rtol=0, atol=1e-6):
        worst = float(total.flat[np.abs(total - 1).argmax()])
        raise ValueError(f"{name}: probabilities must sum to 1, got {worst:.6g}; divide by the sum")
    found /= total
    return found


def distribution_over(name: str, given: object, shape: tuple[int, ...]) -> Floats:
    """Distributions checked and broadcast to a shape ``[..., m]``."""
    found = distribution(name, given, shape[-1])
    try:
        return np.broadcast_to(found, shape)
    except ValueError:
        raise ValueError(f"{name}: needed shape {shape} or its last axes, got {found.shape}") from None


def preference_matrix(preferences: ArrayLike, axes: int = 2) -> Floats:
    """Preference matrices ``[..., m, m]``, checked; with ``axes`` = 3 ``[..., g, m, m]``."""
    found = np.array(preferences, np.float64)
    wanted = "[..., m, m]" if axes == 2 else "[..., group, m, m]"
    if found.ndim < axes or found.shape[-1] != found.shape[-2] or 0 in found.shape:
        raise ValueError(f"preferences: needed square matrices indexed {wanted}, got shape {found.shape}")
    if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
        raise ValueError("preferences: needed shares between 0 and 1; of counts, divide by how many compared the two")
    sums = found + np.swapaxes(found, -1, -2)
    off = np.abs(sums - 1)
    if off.max() > 1e-6:
        *_, a, b = (int(k) for k in np.unravel_index(int(off.argmax()), off.shape))
        raise ValueError(
            f"preferences: needed P + Pᵀ = 1 with ½ on the diagonal, but P[{a}, {b}] + P[{b}, {a}] = "
            f"{sums.flat[int(off.argmax())]:.8g}; count a tie as half for each"
        )
    if off.max() > 0:  # what rounding to single precision took
        found = (found + 1 - np.swapaxes(found, -1, -2)) / 2
    return found
