"""By the book and slow: orders of the least cost, removals of voters, swaps on ballots, and linear orders."""

from __future__ import annotations

import itertools
from fractions import Fraction

Matrix = list[list[float]]


def disagreement(order: tuple[int, ...], margins: Matrix) -> float:
    """The margins of the majorities that an order, best first, reverses."""
    total = 0.0
    for i, a in enumerate(order):
        for b in order[i + 1 :]:
            if margins[b][a] > 0:
                total += margins[b][a]
    return total


def medians(margins: Matrix) -> tuple[float, list[tuple[int, ...]]]:
    """The least cost of an order and all orders of that cost."""
    costs = {order: disagreement(order, margins) for order in itertools.permutations(range(len(margins)))}
    least = min(costs.values())
    return least, [order for order, cost in costs.items() if cost == least]


def kendall_tau(order: tuple[int, ...], ranks: list[list[int]], weights: list[float]) -> float:
    """The weight of (voter, pair) where an order puts a above b and the voter b above a; the unranked come last."""
    total = 0.0
    for ballot, weight in zip(ranks, weights, strict=True):
        place = [rank if rank >= 0 else 10**6 for rank in ballot]
        for i, a in enumerate(order):
            for b in order[i + 1 :]:
                total += weight * (place[b] < place[a])
    return total


def removals(ranks: list[list[int]], a: int, *, strong: bool, absent: bool = False) -> float:
    """The fewest voters without whom no alternative beats a (strong: a beats each); infinite where there is no way."""
    for size in range(len(ranks) + 1):
        for gone in itertools.combinations(range(len(ranks)), size):
            kept = [ballot for voter, ballot in enumerate(ranks) if voter not in gone]
            duels = [sum(_says(ballot, a, b, absent) for ballot in kept) for b in range(len(ranks[0])) if b != a]
            if all(duel > 0 if strong else duel >= 0 for duel in duels):
                return size
    return float("inf")


def _says(ballot: list[int], a: int, b: int, absent: bool) -> int:
    """1 where a ballot has a above b, −1 where b above a."""
    x, y = ballot[a], ballot[b]
    if absent and (x < 0 or y < 0):
        return 0
    x, y = (10**6 if x < 0 else x), (10**6 if y < 0 else y)
    return (x < y) - (y < x)


def swaps(ranks: list[list[int]], a: int) -> int:
    """The fewest swaps of neighbours on strict ballots after which a beats every other, by a search in the breadth."""
    orders = tuple(tuple(sorted(range(len(ballot)), key=ballot.__getitem__)) for ballot in ranks)
    seen, front, steps = {orders}, [orders], 0
    while True:
        for profile in front:
            if _beats_all(profile, a):
                return steps
        following = []
        for profile in front:
            for voter, order in enumerate(profile):
                for i in range(len(order) - 1):
                    swapped = (*order[:i], order[i + 1], order[i], *order[i + 2 :])
                    after = (*profile[:voter], swapped, *profile[voter + 1 :])
                    if after not in seen:
                        seen.add(after)
                        following.append(after)
        front, steps = following, steps + 1


def _beats_all(profile: tuple[tuple[int, ...], ...], a: int) -> bool:
    for b in range(len(profile[0])):
        if b != a and 2 * sum(order.index(a) < order.index(b) for order in profile) <= len(profile):
            return False
    return True


def linear_orders_on_a_line_of_directions(features: list[list[int]]) -> set[tuple[int, ...]]:
    """All strict orders that a direction in the plane induces on points with whole coordinates, in exact arithmetic.

    Between two neighbouring directions that make some pair level all orders are the same.
    """
    size = len(features)
    normals = []
    for a, b in itertools.combinations(range(size), 2):
        x, y = (features[a][k] - features[b][k] for k in (0, 1))
        if x == y == 0:
            return set()
        normals += [(-y, x), (y, -x)]
    upper = sorted({_slope(n) for n in normals if _is_upper(n)})
    lower = [(-x, -y) for x, y in upper]
    around = upper + lower
    found = set()
    for (x, y), (u, v) in zip(around, around[1:] + around[:1], strict=True):
        middle = (x + u, y + v) if (x, y) != (-u, -v) else (-y, x)
        rewards = [p[0] * middle[0] + p[1] * middle[1] for p in features]
        if len(set(rewards)) == size:
            found.add(tuple(sorted(range(size), key=lambda c: -rewards[c])))
    return found


def _is_upper(normal: tuple[int, int]) -> bool:
    return normal[1] > 0 or (normal[1] == 0 and normal[0] > 0)


class _slope(tuple):  # noqa: N801
    """A direction of the upper half plane, made primitive, ordered by its angle."""

    def __new__(cls, normal: tuple[int, int]) -> _slope:
        scale = Fraction(max(abs(normal[0]), abs(normal[1])))
        return super().__new__(cls, (normal[0] / scale, normal[1] / scale))

    def __lt__(self, other: tuple[Fraction, Fraction]) -> bool:  # type: ignore[override]
        return self[0] * other[1] - self[1] * other[0] > 0


def cover_count(points: int, dimensions: int) -> int:
    """How many orders directions induce on points in general position (Cover 1967, doi:10.1137/0115040)."""
    if points == 1:
        return 1
    if dimensions == 1:
        return 2
    return cover_count(points - 1, dimensions) + (points - 1) * cover_count(points - 1, dimensions - 1)
