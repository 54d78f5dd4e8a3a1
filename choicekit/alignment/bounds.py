"""How large a minority's gap must be under one pooled reward: lower bounds for linear rewards.

Group u's reward is r_u(y) = ⟨φ_u, ψ(y)⟩ with features of length at most D, and the pooled policy is the optimum of
⟨φ̂, ψ⟩. The gap itself is known exactly (:func:`~choicekit.alignment.gaps.gap`); a bound says what it depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import checked, tilt

Floats = NDArray[np.float64]
Form = Literal["quadratic", "printed"]


@dataclass(frozen=True)
class GroupDiversity:
    """How far the group most unlike the rest stands from all others.

    ``distance`` is TV(p_u, p_v) of the two groups furthest apart, ``margin`` that less the largest distance of any
    third group from v: the ε of :func:`maxmin_bound`, at most ``distance``. ``outlier`` is u and ``opposite`` v.

    >>> group_diversity([[1.0], [0.0], [0.25]])
    GroupDiversity(margin=0.75, distance=1.0, outlier=0, opposite=1)
    """

    margin: float
    distance: float
    outlier: int
    opposite: int


def group_diversity(chances: ArrayLike) -> GroupDiversity:
    """How differently groups answer comparisons, and which of them stands apart.

    ``chances[g, k]`` is the probability that a member of group g prefers the first of pair k to the second. The
    distance of two groups is the total variation of their answers to a pair drawn at random, mean_k |p_uk − p_vk|. Of
    the two groups furthest apart, u is the one for which the margin, their distance less the largest distance of any
    third group from v, is larger. With two groups the margin is their distance.

    Raises ``ValueError`` for fewer than two groups and for what are no probabilities.

    Source: Chakraborty et al. 2024, arXiv:2402.08925 (the definition was seen at second hand).

    >>> group_diversity([[0.75, 0.5], [0.25, 0.5]]).margin
    0.25
    """
    given = np.asarray(chances, np.float64)
    if given.ndim != 2 or len(given) < 2 or not given.size or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(
            "group_diversity: needed probabilities [group, pair] between 0 and 1 of at least two groups, got shape "
            f"{given.shape}"
        )
    apart = np.stack([np.abs(given - own).mean(1) for own in given])
    first, second = (int(k) for k in np.unravel_index(apart.argmax(), apart.shape))
    found = []
    for outlier, opposite in ((first, second), (second, first)):
        others = [apart[k, opposite] for k in range(len(given)) if k not in (outlier, opposite)]
        margin = apart[first, second] - max(others, default=0.0)
        found.append(GroupDiversity(float(margin), float(apart[first, second]), outlier, opposite))
    return max(found, key=lambda each: each.margin)


def maxmin_bound(
    margin: ArrayLike,
    share: ArrayLike,
    *,
    size: ArrayLike,
    beta: ArrayLike,
    curvature: ArrayLike,
    lipschitz: ArrayLike = 1.0,
    form: Form = "quadratic",
) -> Floats:
    """A lower bound on the gap of the group u that stands apart, under the optimum of one pooled linear reward.

    ``"quadratic"``: λ·ε²(1 − η)²/(32·β·D²). It follows from gap ≥ λ‖φ̂ − φ_u‖²/(2β) (:func:`reward_distance_bound`) and
    ‖φ̂ − φ_u‖ ≥ ε(1 − η)/(4D), for ε as in :func:`group_diversity` (0 where that is negative, and where the bound says
    nothing). The second inequality needs a pooled reward whose win chances are the population's own: on two
    alternatives the fitted one's always are, on more they are where the model fits.

    ``"printed"``: λ·ε(1 − η)/(64·β²·L·D²), linear in ε. This is how the theorem is quoted; the paper itself was not
    read. **It is false for small ε**: on two responses ±½ with β = 1, η = 0.2 and groups ±0.01 the gap is
    0.0000320 and this says 0.0000625. It is here to be compared with, not to be relied on.

    Parameters
    ----------
    margin : ε, between 0 and 1.
    share : η, the share of group u in the comparisons, between 0 and 1.
    size : D, the largest length of a feature vector, positive.
    beta : the weight of the KL penalty, positive.
    curvature : λ, a lower bound on the least eigenvalue of the features' covariance between φ_u and φ̂
        (:func:`least_curvature`), at least 0.
    lipschitz : L, of log π in its parameters; the printed form alone has it.
    form : which of the two.

    All may be arrays; they are broadcast. Raises ``ValueError`` outside of these ranges.

    Source: Chakraborty et al. 2024, arXiv:2402.08925 (setting, and the second inequality as its lemma; at second hand).

    >>> maxmin_bound(0.4, 0.2, size=0.5, beta=1.0, curvature=0.2).round(5).item()      # 0.2·0.16·0.64/(32·0.25)
    0.00256
    >>> round(maxmin_bound(0.005, 0.2, size=0.5, beta=1.0, curvature=0.25, form="printed").item(), 7)
    6.25e-05
    """
    if form not in ("quadratic", "printed"):
        raise ValueError(f"maxmin_bound: form must be 'quadratic' or 'printed', got {form!r}")
    named = {
        "margin": margin,
        "share": share,
        "size": size,
        "beta": beta,
        "curvature": curvature,
        "lipschitz": lipschitz,
    }
    values = {name: np.asarray(value, np.float64) for name, value in named.items()}
    for name, given in values.items():
        low, high = {"margin": (-1.0, 1.0), "share": (0.0, 1.0)}.get(name, (0.0, np.inf))
        positive = name in ("size", "beta", "lipschitz")
        if not (np.isfinite(given) & (given >= low) & (given <= high) & ((given > 0) | (not positive))).all():
            wanted = (
                "a positive number" if positive else f"a number from {low:g}" + (f" to {high:g}" if high == 1 else "")
            )
            raise ValueError(f"maxmin_bound: {name}: needed {wanted}, got {named[name]!r}")
    distance, eta, length, weight, least, steep = values.values()
    apart = np.maximum(distance, 0.0) * (1 - eta)
    if form == "printed":
        return np.asarray(least * apart / (64 * weight**2 * steep * length**2), np.float64)
    return np.asarray(least * apart**2 / (32 * weight * length**2), np.float64)


def reward_distance_bound(
    own: ArrayLike, pooled: ArrayLike, features: ArrayLike, reference: ArrayLike | None = None, beta: float = 1.0
) -> float:
    """gap_u ≥ λ·‖φ̂ − φ_u‖²/(2β): what a group loses at least where the pooled reward is this far from its own.

    With A(φ) = β·log Σ ρ·e^{⟨φ, ψ⟩/β} the gap is A(φ_u) − A(φ̂) − ⟨∇A(φ̂), φ_u − φ̂⟩, the remainder of a tangent, and the
    second derivative of A is the features' covariance under π_φ over β; λ is :func:`least_curvature`. Whatever the
    pooled reward is and however it was come by, the bound holds. Arguments are those of :func:`least_curvature`.

    >>> round(reward_distance_bound([0.01], [-0.006], [[0.5], [-0.5]]), 7)        # ¼·0.016²/2
    3.2e-05
    """
    least = least_curvature(own, pooled, features, reference, beta)
    distance = np.asarray(pooled, np.float64) - np.asarray(own, np.float64)
    return least * float(distance @ distance) / (2 * beta)


def least_curvature(
    own: ArrayLike,
    pooled: ArrayLike,
    features: ArrayLike,
    reference: ArrayLike | None = None,
    beta: float = 1.0,
    *,
    points: int = 257,
) -> float:
    """A lower bound on the least eigenvalue of Cov_π[ψ] over the optima π_φ of all φ between φ_u and φ̂.

    The eigenvalue is computed at ``points`` evenly spaced φ. Between them it falls by no more than a factor e^{−s·h/2},
    with h the spacing (as a share of the way) and s = (max − min over y of ⟨φ̂ − φ_u, ψ(y)⟩)/β, because |d/dt log
    vᵀCov(t)v| ≤ s for every direction v; the result has that factor, so that it is a bound and not an estimate.

    ``own[d]`` is φ_u, ``pooled[d]`` φ̂, ``features[m, d]`` ψ, ``reference[m]`` ρ (default: uniform; 0 = not
    available). Where features have a direction in which no two alternatives differ the result is 0. Raises
    ``ValueError`` for shapes that do not fit and fewer than two points.

    >>> round(least_curvature([0.0], [0.0], [[0.5], [-0.5]]), 6)                  # ½·½
    0.25
    """
    psi, ends = np.asarray(features, np.float64), [np.asarray(each, np.float64) for each in (own, pooled)]
    if psi.ndim != 2 or any(end.shape != psi.shape[1:] for end in ends):
        raise ValueError(
            "least_curvature: needed features [alternative, d] and two vectors [d], got shapes "
            f"{psi.shape}, {ends[0].shape} and {ends[1].shape}"
        )
    if points < 2:
        raise ValueError(f"least_curvature: needed at least 2 points, got {points}")
    way = np.linspace(0, 1, points)[:, None] * (ends[1] - ends[0])
    rewards, ground = checked((ends[0] + way) @ psi.T, reference, beta, 1)
    policies = tilt(rewards, ground, beta)
    centred = psi - (policies @ psi)[:, None, :]
    least = float(np.linalg.eigvalsh(np.einsum("tm,tmi,tmj->tij", policies, centred, centred))[:, 0].min())
    spread = float(np.ptp((psi @ (ends[1] - ends[0]))[ground[0] > 0])) / beta
    return max(least, 0.0) * float(np.exp(-spread / (2 * (points - 1))))
