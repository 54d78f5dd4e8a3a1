"""What the rooms of alignment share: the exponential family of a reference, and checks of rewards."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def kl(policy: ArrayLike, reference: ArrayLike) -> Floats:
    """Kullback–Leibler divergence KL(π‖ρ) = Σ π log(π/ρ) along the last axis, in nats; infinite where ρ misses π.

    >>> kl([0.6, 0.4], [0.99, 0.01]).round(6).item()
    1.175087
    """
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
    if values.ndim < axes or 0 in values.shape or not np.isfinite(values).all():
        wanted = "[..., alternative]" if axes == 1 else "[..., group, alternative]"
        raise ValueError(f"rewards: needed finite numbers indexed {wanted}, got shape {values.shape}")
    if not (np.isfinite(beta) and beta > 0):
        raise ValueError(f"beta: needed a positive number, the weight of the KL penalty, got {beta!r}")
    shape = values.shape[:-axes] + values.shape[-1:]
    if reference is None:
        return values, np.full(shape, 1 / shape[-1])
    ground = np.array(reference, np.float64)
    if ground.shape[-1:] != shape[-1:] or not (np.isfinite(ground).all() and (ground >= 0).all()):
        raise ValueError(f"reference: needed {shape[-1]} probabilities, one an alternative, got shape {ground.shape}")
    if not np.allclose(ground.sum(-1), 1, atol=1e-6):
        raise ValueError(f"reference: probabilities must sum to 1, got {ground.sum(-1).flat[0]:.6g}; divide by the sum")
    return values, np.broadcast_to(ground / ground.sum(-1, keepdims=True), shape)
