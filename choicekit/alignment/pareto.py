"""Fronts of several objectives: what is dominated, how much a front covers, and which points a scalarisation reaches.

Points are rows ``[n, k]`` of n choices (policies, answers, models) under k objectives, of which more is better. The
fronts' measures are moocore's (the extra ``choicekit[pareto]``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment import _fronts
from choicekit.alignment._tabular import Floats
from choicekit.solvers import linear_program

_BEATEN = 1e-8  # of the objectives' ranges


def non_dominated(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is better in one objective and as good in all.

    Equal points are on the front together. ``points[n, k]``, exactly as given: differences of rounding count. Raises
    ``ValueError`` for values that are not finite and ``ImportError`` without the extra.

    >>> non_dominated([[1, 0.2], [0.7, 0.7], [0.2, 1], [0.5, 0.5]]).tolist()
    [True, True, True, False]
    """
    return _fronts.non_dominated(_points("points", points))


def hypervolume(points: ArrayLike, reference_point: ArrayLike) -> float:
    """The volume of what some point is at least as good as and the reference point is not better than.

    The measure of ∪_p [z, p] in k dimensions, z the reference point; points that are not above it in every objective
    add nothing. In the product of the objectives' units. Exact; the time grows fast with k.

    ``points[n, k]``, ``reference_point[k]`` (or one number for all). Raises as :func:`non_dominated`.

    Source: Zitzler and Thiele 1999 (doi:10.1109/4235.797969).

    >>> round(hypervolume([[1, 0.2], [0.7, 0.7], [0.2, 1], [0.5, 0.5]], 0), 6)    # 0.2 + 0.5·0.7 + 0.3·0.2
    0.61
    """
    given = _points("points", points)
    worst = np.asarray(reference_point, np.float64)
    if worst.shape not in ((), given.shape[1:]) or not np.isfinite(worst).all():
        raise ValueError(f"reference_point: needed {given.shape[1]} finite numbers, got {reference_point!r}")
    return _fronts.hypervolume(given, np.broadcast_to(worst, given.shape[1:]).copy())


def additive_epsilon(points: ArrayLike, front: ArrayLike) -> float:
    """What must be added to every objective of the points until they cover a front, max_r min_p max_k (r_k − p_k).

    At most 0 where each point of the front is already matched or beaten. In the objectives' unit, which they must
    share. ``points[n, k]``, ``front[l, k]``. Raises as :func:`non_dominated`.

    Source: Zitzler et al. 2003 (doi:10.1109/TEVC.2003.810758).

    >>> additive_epsilon([[0.75, 0.75]], [[1.0, 0.25], [0.5, 1.0]])
    0.25
    """
    given, aim = _two(points, front)
    return _fronts.additive_epsilon(given, aim)


def multiplicative_epsilon(points: ArrayLike, front: ArrayLike) -> float:
    """What the points must be multiplied by until they cover a front, max_r min_p max_k r_k/p_k.

    At most 1 where each point of the front is already matched or beaten; free of the objectives' units, not of their
    zeros. ``points[n, k]``, ``front[l, k]``, all positive. Raises as :func:`non_dominated`.

    Source: Zitzler et al. 2003 (doi:10.1109/TEVC.2003.810758).

    >>> multiplicative_epsilon([[0.5, 0.5]], [[1.0, 0.25]])
    2.0
    """
    given, aim = _two(points, front)
    if min(given.min(), aim.min()) <= 0:
        raise ValueError("multiplicative_epsilon: needed positive numbers; measure objectives from below what occurs")
    return _fronts.multiplicative_epsilon(given, aim)


def knee_point(points: ArrayLike) -> int:
    """The index of the front's knee: where the front bulges most beyond the straight trade between its extremes.

    Definition used here: on the non-dominated points each objective is scaled to 0 at its least and 1 at its most; the
    knee has the largest sum. With two objectives that is the point farthest above the line through the two extremes,
    with more the one farthest above the plane Σ = 1. Units and zeros do not matter; an objective that does not vary on
    the front is left out; of equals it is the first. Raises as :func:`non_dominated`.

    Source: Das 1999 (doi:10.1007/BF01195985) for the idea, a largest distance from the hull of the extremes.

    >>> knee_point([[10, 0], [9, 0.8], [5, 0.9], [0, 1]])
    1
    """
    given = _points("points", points)
    front = np.flatnonzero(_fronts.non_dominated(given))
    low, size = given[front].min(0), np.ptp(given[front], axis=0)
    scaled = (given[front] - low) / np.where(size > 0, size, 1.0)
    return int(front[scaled.sum(1).argmax()])


def simplex_coverage(points: ArrayLike, front: ArrayLike, weights: ArrayLike, *, epsilon: float = 0.0) -> float:
    """The share of weightings whose best is among the points, up to ε: max_p wᵀp ≥ max_r wᵀr − ε.

    ``points[n, k]`` is what there is, ``front[l, k]`` what there could be, ``weights[j, k]`` the weightings, each
    counting alike (such as :func:`~choicekit.alignment.steering.simplex_grid`); ``epsilon`` ≥ 0 in the units of wᵀr.
    Rounding, 1e-12 of the largest value, is forgiven. 1 says that for linear users the points are as good as the front.

    >>> corners = [[1.0, 0.0], [0.0, 1.0]]
    >>> simplex_coverage(corners, [*corners, [0.75, 0.75]], [[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]])
    0.6666666666666666
    """
    given, aim = _two(points, front)
    wheel = _points("weights", weights)
    if wheel.shape[1] != given.shape[1] or (wheel < 0).any():
        raise ValueError(f"weights: needed rows of {given.shape[1]} non-negative numbers, got shape {wheel.shape}")
    if not epsilon >= 0:
        raise ValueError(f"epsilon: needed a number of at least 0, got {epsilon!r}")
    best, wanted = (wheel @ given.T).max(1), (wheel @ aim.T).max(1)
    rounding = 1e-12 * np.maximum(np.abs(best), np.abs(wanted))
    return float((best >= wanted - epsilon - rounding).mean())


def tchebycheff(
    points: ArrayLike, weights: ArrayLike, *, ideal: ArrayLike | None = None, smoothing: float = 0.0
) -> Floats:
    """How far points are from an ideal in the weighted objective that lacks most, ``[..., n]``; less is better.

    max_k w_k·(z_k − p_k), and with ``smoothing`` μ > 0 the smooth version μ·log Σ_k exp(w_k·(z_k − p_k)/μ), which is
    larger by at most μ·log k and tends to the former for μ → 0, to the order of the linear sum wᵀp for μ → ∞.

    ``points[n, k]``; ``weights[..., k]`` ≥ 0; ``ideal`` z is by default each objective's best among the points plus 1 %
    of its range. Raises ``ValueError`` for other shapes, negative weights or a negative μ.

    Source: Steuer and Choo 1983 (doi:10.1007/BF02591870); smooth: Lin et al. 2024, arXiv:2402.19078.

    >>> tchebycheff([[1, 0], [0.4, 0.4], [0, 1]], [0.5, 0.5], ideal=[1, 1]).tolist()
    [0.5, 0.3, 0.5]
    """
    given = _points("points", points)
    wheel = np.asarray(weights, np.float64)
    if wheel.shape[-1:] != given.shape[1:] or not np.isfinite(wheel).all() or (wheel < 0).any():
        raise ValueError(f"weights: needed non-negative numbers [..., {given.shape[1]}], got shape {wheel.shape}")
    if not 0 <= smoothing < np.inf:
        raise ValueError(f"smoothing: needed a number of at least 0, got {smoothing!r}")
    best = None if ideal is None else np.asarray(ideal, np.float64)
    if best is not None and (best.shape not in ((), given.shape[1:]) or not np.isfinite(best).all()):
        raise ValueError(f"ideal: needed {given.shape[1]} finite numbers, got {ideal!r}")
    lacks = _lacks(given) if best is None else best - given
    terms = wheel[..., None, :] * lacks
    if smoothing == 0:
        worst: Floats = terms.max(-1)
        return worst
    smooth: Floats = smoothing * np.logaddexp.reduce(terms / smoothing, axis=-1)
    return smooth


def reached_by_linear(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points some weighted sum with positive weights chooses: those that no lottery over the points dominates.

    A point maximises wᵀp for some w > 0 exactly where no mixture of the points is as good in every objective and better
    in one: the Pareto optimal points of the convex hull. Non-dominated points in its dents ("unsupported") no weights
    reach, though a lottery beats them. Found by one linear programme a non-dominated point: the most, in total, by
    which a mixture exceeds it, objectives scaled to their range; above 1e-8 it is beaten.

    ``points[n, k]``. Raises as :func:`non_dominated`.

    Source: Geoffrion 1968 (doi:10.1016/0022-247X(68)90201-1), for the link of positive weights and (proper) efficiency.

    >>> reached_by_linear([[1, 0], [0.4, 0.4], [0, 1], [0.3, 0.3]]).tolist()     # a coin toss gives (0.5, 0.5)
    [True, False, True, False]
    """
    given = _points("points", points)
    reached = _fronts.non_dominated(given)
    front, back = np.unique(given[reached], axis=0, return_inverse=True)
    size = np.ptp(front, axis=0)
    front = (front - front.min(0)) / np.where(size > 0, size, 1.0)
    reached[reached] = np.array([_excess(front, i) <= _BEATEN for i in range(len(front))])[back.reshape(-1)]
    return reached


def reached_by_tchebycheff(points: ArrayLike) -> NDArray[np.bool_]:
    """Which points the least weighted Tchebycheff distance chooses for some positive weights: all non-dominated ones.

    A point counts where some w > 0 makes it the nearest to the ideal and no equally near point dominates it. It is
    enough to try w_k = 1/(z_k − p_k), under which the point is at distance 1 and only points at least as good in every
    objective are as near. That is done here, in time n²; that the answer is :func:`non_dominated`'s is the theorem.

    ``points[n, k]``; the ideal is that of :func:`tchebycheff`. Raises ``ValueError`` for values that are not finite.

    Source: Bowman 1976 (doi:10.1007/978-3-642-87563-2_5), as quoted.

    >>> reached_by_tchebycheff([[1, 0], [0.4, 0.4], [0, 1], [0.3, 0.3]]).tolist()
    [True, True, True, False]
    """
    lacks = _lacks(_points("points", points))
    reached = np.empty(len(lacks), np.bool_)
    for i, own in enumerate(lacks):
        near = (lacks / own).max(1) <= 1
        reached[i] = (lacks[near] == own).all()
    return reached


def _lacks(points: Floats) -> Floats:
    """What each point lacks of an ideal a little above the best of each objective."""
    size = np.ptp(points, axis=0)
    found: Floats = points.max(0) - points + 0.01 * np.where(size > 0, size, 1.0)
    return found


def _excess(points: Floats, one: int) -> float:
    """The most by which a mixture of the points exceeds one of them, in total and below it in nothing."""
    count, objectives = points.shape
    equal = np.zeros((objectives + 1, count + objectives))
    equal[:objectives, :count] = points.T
    equal[:objectives, count:] = -np.eye(objectives)
    equal[objectives, :count] = 1
    cost = np.append(np.zeros(count), -np.ones(objectives))
    found = linear_program(
        cost,
        at_most=(np.zeros((1, len(cost))), np.zeros(1)),
        equal=(equal, np.append(points[one], 1.0)),
        bounds=[(0, None)] * len(cost),
    )
    return float(found[count:].sum())


def _two(points: ArrayLike, front: ArrayLike) -> tuple[Floats, Floats]:
    given, aim = _points("points", points), _points("front", front)
    if given.shape[1] != aim.shape[1]:
        raise ValueError(f"front: needed {given.shape[1]} objectives as the points have, got {aim.shape[1]}")
    return given, aim


def _points(name: str, points: ArrayLike) -> Floats:
    found = np.array(points, np.float64)
    if found.ndim != 2 or 0 in found.shape or not np.isfinite(found).all():
        raise ValueError(f"{name}: needed finite numbers, a row of objectives each, got shape {found.shape}")
    return found
