"""Directions in the space of features: which orders of the alternatives they induce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import solvers
from choicekit.profiles._columns import frozen, matrix
from choicekit.rules._rule import Floats

Ints = NDArray[np.int64]

# A direction must tell two alternatives apart by more than this, in coordinates where the features are spread evenly.
_STRICT = 1e-9


class FeasibleRankings(NamedTuple):
    """All strict orders that some direction induces, and a direction for each.

    ``orders[k, m]`` are rows of the features, best first, sorted; ``directions[k, d]`` are their θ. ``complete`` is
    false where the budget ended the search, so that there are more.

    >>> FeasibleRankings(np.array([[0]]), np.zeros((1, 1)), True).complete
    True
    """

    orders: Ints
    directions: Floats
    complete: bool


@dataclass(frozen=True, eq=False)
class Space:
    """Features in coordinates of their own: centred, turned and scaled, so that their units do not matter.

    ``points[m, r]`` have orthonormal columns, r being the dimensions that the features vary in.
    """

    features: Floats
    points: Floats
    _back: Floats

    @classmethod
    def of(cls, features: ArrayLike) -> Space:
        """The space of features ``[m, d]``."""
        given = matrix("features", features, "alternative, feature")
        if not np.isfinite(given).all():
            raise ValueError("features: needed finite numbers, got some that are not; fill them in")
        centred = given - given.mean(0)
        spread = np.abs(centred).max(0)
        # what rounding leaves of a column of equal numbers is no feature
        spread[spread <= 1e-12 * np.abs(given).max(0)] = np.inf
        left, size, right = np.linalg.svd(centred / spread, full_matrices=False)
        kept = size > 1e-12 * len(given)
        return cls(given, left[:, kept], (right[kept] / size[kept, None] / spread).T)

    def theta(self, direction: Floats) -> Floats:
        """θ for the features, from one for the points."""
        found: Floats = self._back @ direction
        return found

    def twins(self) -> tuple[int, int] | None:
        """Two alternatives that no direction tells apart, if there are any."""
        apart = np.abs(self.points[:, None] - self.points[None]).max(2, initial=0.0)
        same = np.argwhere(np.triu(apart <= _STRICT, 1))
        return None if len(same) == 0 else (int(same[0, 0]), int(same[0, 1]))


def separating(differences: Floats) -> Floats | None:
    """A direction with a positive product with each row of ``[k, r]``, the least of them (rows made unit) the largest.

    ``None`` where there is none: the least is at most 1e-9 for directions of entries between −1 and 1.
    """
    count, width = differences.shape
    if count == 0:
        return np.zeros(width)
    length = np.linalg.norm(differences, axis=1)
    if width == 0 or (length <= _STRICT).any():
        return None
    rows = np.column_stack([-differences / length[:, None], np.ones(count)])
    found = solvers.linear_program(
        np.append(np.zeros(width), -1.0),
        at_most=(rows, np.zeros(count)),
        equal=(np.zeros((0, width + 1)), np.zeros(0)),
        bounds=[(-1.0, 1.0)] * width + [(None, 1.0)],
    )
    direction = found[:width]
    least = float((differences @ direction / length).min())
    return direction if least > _STRICT else None


def feasible(features: ArrayLike, order: ArrayLike) -> Floats | None:
    """A direction θ that induces an order of alternatives strictly, or ``None`` where none does.

    ``features[m, d]`` are those of the alternatives, ``order`` are rows of it, best first (all, or some). θ is such
    that ⟨θ, x_a − x_b⟩ ≥ 1 for each a that comes right before b, found by a linear programme. Directions that tell two
    of them apart by less than 1e-9, in coordinates where the features are spread evenly, do not count. Raises
    ``ValueError`` for an order that names a row twice or one that is not there.

    Source: Ge, Halpern, Micha, Procaccia, Shapira, Vorobeychik and Wu 2024 (arXiv:2405.14758).

    >>> points = [[0.0], [1.0], [2.0]]
    >>> feasible(points, [2, 1, 0]).tolist(), feasible(points, [1, 2, 0])
    ([1.0], None)
    """
    space = Space.of(features)
    rows = np.asarray(order)
    size = len(space.points)
    if (
        rows.ndim != 1 or rows.dtype.kind not in "iu" or len(set(rows.tolist())) < len(rows) or len(rows) == 0
        or rows.min() < 0 or rows.max() >= size
    ):  # fmt: skip
        raise ValueError(
            f"feasible: needed an order of different rows of the features, 0 to {size - 1}, got {order!r}; best first"
        )
    direction = separating(space.points[rows[:-1]] - space.points[rows[1:]])
    if direction is None:
        return None
    theta = space.theta(direction)
    steps = -np.diff(space.features[rows] @ theta)
    if len(steps) == 0:
        return theta
    found: Floats = theta / steps.min() if steps.min() > 0 else theta
    return found if steps.min() > 0 else None


def feasible_rankings(features: ArrayLike, *, budget: int = 10_000) -> FeasibleRankings:
    """All strict orders of the alternatives that some direction induces.

    Where the features vary in one or two dimensions the directions are swept; otherwise the alternatives are put into
    the orders of those before them one after the other, a linear programme saying where each can go. m points in
    general position have Q(m, d) orders, Q(m, 1) = 2 and Q(m + 1, d) = Q(m, d) + m·Q(m, d − 1), which is m(m − 1) in
    the plane. There are none where two alternatives have the same features. ``budget`` is how many orders are
    looked for at most. Raises ``ValueError`` for a budget below 1.

    Source: Cover 1967 (doi:10.1137/0115040).

    >>> found = feasible_rankings([[0, 0], [1, 0], [0, 1]])
    >>> len(found.orders), found.complete, found.orders[0].tolist()
    (6, True, [0, 1, 2])
    """
    if budget < 1:
        raise ValueError(f"feasible_rankings: needed a budget of at least 1 order, got {budget!r}")
    space = Space.of(features)
    size, width = space.points.shape
    if space.twins() is not None:
        return FeasibleRankings(np.zeros((0, size), np.int64), np.zeros((0, space.features.shape[1])), True)
    if size == 1:
        return FeasibleRankings(np.zeros((1, 1), np.int64), np.zeros((1, space.features.shape[1])), True)
    complete = True
    if width == 1:
        directions = np.array([[1.0], [-1.0]])
    elif width == 2:
        directions = _swept(space.points)
    else:
        directions, complete = _inserted(space.points, budget)
    orders = np.argsort(-directions @ space.points.T, axis=1, kind="stable").astype(np.int64)
    by_order = np.lexsort(orders.T[::-1])
    complete = complete and len(orders) <= budget
    chosen = by_order[:budget]
    thetas = (directions[chosen]) @ space._back.T
    return FeasibleRankings(frozen(orders[chosen]), frozen(thetas), complete)


def _swept(points: Floats) -> Floats:
    """A direction between each two neighbours of those that make a pair level."""
    first, second = np.triu_indices(len(points), 1)
    apart = points[first] - points[second]
    angles = np.sort((np.arctan2(apart[:, 1], apart[:, 0]) + 0.5 * np.pi) % np.pi)
    angles = angles[np.append(True, np.diff(angles) > _STRICT)]
    if len(angles) > 1 and angles[0] + np.pi - angles[-1] <= _STRICT:
        angles = angles[:-1]
    around = np.concatenate([angles, angles + np.pi])
    middle = around + 0.5 * (np.append(around[1:], around[0] + 2 * np.pi) - around)
    return np.column_stack([np.cos(middle), np.sin(middle)])


def _inserted(points: Floats, budget: int) -> tuple[Floats, bool]:
    """Directions for the orders of all alternatives, from those of all but the last, and so on."""
    cells: list[tuple[list[int], Floats]] = [([0], np.zeros(points.shape[1]))]
    complete = True
    for new in range(1, len(points)):
        grown: list[tuple[list[int], Floats]] = []
        for order, direction in cells:
            grown += _put_in(points, order, direction, new)
            if len(grown) > budget:
                complete = False
                break
        cells = grown[:budget]
    return np.array([direction for _, direction in cells]), complete


def _put_in(points: Floats, order: list[int], direction: Floats, new: int) -> list[tuple[list[int], Floats]]:
    """The orders with one more alternative. Its places are next to each other, as the directions are a convex cone."""
    rewards = points @ direction
    here = sum(rewards[a] > rewards[new] for a in order)
    found = []
    for steps in (range(here, -1, -1), range(here + 1, len(order) + 1)):
        for place in steps:
            longer = [*order[:place], new, *order[place:]]
            inside = separating(points[longer[:-1]] - points[longer[1:]])
            if inside is None:
                if place == here:
                    continue
                break
            found.append((longer, inside))
    return found
