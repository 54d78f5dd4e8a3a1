"""Rules that ask how little of the ballots must change for an alternative to be a Condorcet winner."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs, solvers
from choicekit.outcomes import NotConverged, Scores
from choicekit.profiles import Rankings
from choicekit.profiles._columns import frozen, short
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules._rule import Floats, rule

Ints = NDArray[np.int64]
# The fewest changes, as proved from below and as found.
Range = tuple[float, float]


@rule
def young(profile: Rankings, *, strong: bool = False, unranked: Unranked = "below", time_limit: float = 60.0) -> Scores:
    """Minus the fewest voters without whom an alternative is a weak Condorcet winner: no other beats it.

    score(a) = −min |R| over sets R of voters such that, among the others, no b is preferred to a by more voters than
    prefer a to b. Without anybody that holds of every alternative. With ``strong``, more must prefer a to each b; where
    that cannot be had the score is −∞.

    Exact, by an integer programme for each alternative over the ballots that say the same of it. Ballots may be weak
    or truncated. Raises ``ValueError`` for weights that are not whole numbers of voters and
    :class:`~choicekit.outcomes.NotConverged` where ``time_limit`` (seconds) is not enough; its ``partial`` is, for each
    alternative, the fewest voters as proved from below and as found.

    Source: Young 1977 (doi:10.1016/0022-0531(77)90012-6), where the largest electorate left is counted.

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})      # a beats b by 3, b c by 3, c a by 1
    >>> young(votes).scores.tolist(), young(votes, strong=True).scores.tolist()
    ([-1.0, -3.0, -3.0], [-2.0, -4.0, -4.0])
    """
    _, weights = _electorate("young", profile, time_limit)
    there = profile.weights > 0
    above = _levels(profile._ranks[there], reading(unranked))
    least = 1.0 if strong else 0.0

    def removals(a: int, deadline: float) -> Range:
        others = np.arange(len(profile.alternatives)) != a
        kinds, count = _grouped(above(a)[:, others], weights)
        lead = count @ kinds - least
        if (lead >= 0).all():
            return 0.0, 0.0
        # whoever wants a below nobody stays
        against = (kinds < 0).any(1)
        if not against.any():
            return np.inf, np.inf
        kinds, count = kinds[against], count[against]
        # a voter gone gives back one at most to each b
        lowest, highest = float(-lead.min()), np.inf if strong else float(weights.sum())
        return _programme(np.ones(len(count)), kinds.T, lead, count, deadline, (lowest, highest))

    return _scores("young", "voters to remove", profile, removals, time_limit)


@rule
def dodgson(profile: Rankings, *, unranked: Unranked = "below", time_limit: float = 60.0) -> Scores:
    """Minus the fewest swaps of neighbours on ballots that make an alternative the Condorcet winner.

    score(a) = −min Σ (places by which a is raised on a ballot) such that then, for each b, more voters have a above b
    than b above a. A voter may swap any two neighbours, but only raising a helps it.

    Exact, by an integer programme for each alternative (Bartholdi, Tovey and Trick 1989) over the ballots with the same
    alternatives to overtake. What a swap is on a ballot with ties is not defined: each must rank all alternatives
    strictly, of which ``unranked="below"`` lets it leave out the last. Raises ``ValueError`` for other ballots and for
    weights that are not whole numbers of voters, and :class:`~choicekit.outcomes.NotConverged` where ``time_limit``
    (seconds) is not enough; its ``partial`` is, for each alternative, the fewest swaps as proved from below and as
    found.

    Source: Dodgson 1876; Bartholdi, Tovey and Trick 1989 (doi:10.1007/BF00303169).

    >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})      # a beats b by 3, b c by 3, c a by 1
    >>> dodgson(votes).scores.tolist()      # one voter who has c just above a swaps them
    [-1.0, -2.0, -2.0]
    """
    rows, weights = _electorate("dodgson", profile, time_limit)
    orders = _strict(profile, rows, reading(unranked))
    place = np.argsort(orders, axis=1)

    def swaps(a: int, deadline: float) -> Range:
        over = place < place[:, [a]]
        lead = weights @ np.where(over, -1.0, 1.0)
        lead[a] = 1.0
        # so many voters more must have a above b
        short_of = np.where(lead > 0, 0.0, np.floor(-lead / 2) + 1)
        if not short_of.any():
            return 0.0, 0.0
        return _raised(_climbs(orders, place[:, a], short_of > 0), weights, short_of, deadline)

    return _scores("dodgson", "swaps", profile, swaps, time_limit)


def _electorate(name: str, profile: Rankings, time_limit: float) -> tuple[Ints, Floats]:
    """The rows that hold voters, and how many."""
    if not time_limit > 0:
        raise ValueError(f"{name}: needed a positive number of seconds as time_limit, got {time_limit!r}")
    rows = np.flatnonzero(profile.weights > 0)
    weights = profile.weights[rows]
    odd = np.flatnonzero(weights != np.round(weights))
    if len(odd):
        raise ValueError(
            f"{name}: needed whole numbers of voters, got the weight {weights[odd[0]]} in row {rows[odd[0]]}; a part "
            "of a voter cannot be counted. Where weights are shares, multiply them so that they are whole"
        )
    return rows, weights


def _levels(ranks: NDArray[Any], unranked: Unranked) -> Callable[[int], NDArray[np.int8]]:
    """For an alternative a: 1 where a ballot has it above b, −1 where below, 0 else, ``[n, b]``."""
    missing = ranks < 0
    place = np.where(missing, np.iinfo(np.int64).max, ranks.astype(np.int64))

    def above(a: int) -> NDArray[np.int8]:
        mine = place[:, [a]]
        says = (mine < place).astype(np.int8) - (mine > place).astype(np.int8)
        if unranked == "absent":
            says[missing | missing[:, [a]]] = 0
        return says

    return above


def _grouped(says: NDArray[np.int8], weights: Floats) -> tuple[Floats, Floats]:
    """The different rows, and the weight of each."""
    kinds, row = np.unique(says, axis=0, return_inverse=True)
    count: Floats = np.bincount(row.ravel(), weights, minlength=len(kinds)).astype(np.float64)
    return kinds.astype(np.float64), count


def _strict(profile: Rankings, rows: Ints, unranked: Unranked) -> Ints:
    """The ballots as orders ``[n, m]``, best first."""
    ranks = profile.ranks[rows]
    missing = ranks < 0
    wanted = "strict orders of all alternatives (of which the last may be left out)"
    if unranked == "absent" and missing.any():
        row = int(rows[missing.any(1).argmax()])
        raise ValueError(
            f"dodgson: needed ballots that rank every alternative, got one that leaves some out in row {row}, which "
            "unranked='absent' leaves uncompared; leave those ballots out, or fill them up"
        )
    place = np.where(missing, np.iinfo(np.int64).max, ranks)
    order = np.argsort(place, axis=1, kind="stable").astype(np.int64)
    level = np.take_along_axis(place, order, 1)
    tied = level[:, 1:] == level[:, :-1]
    if tied.any():
        k = int(tied.any(1).argmax())
        first = int(tied[k].argmax())
        pair = [profile.alternatives[a] for a in order[k, first : first + 2].tolist()]
        raise ValueError(
            f"dodgson: needed {wanted}, got {short(pair)} level in row {rows[k]} ({int(tied.any(1).sum())} such rows); "
            "what a swap is there is not defined. Break the ties, or leave those ballots out"
        )
    return order


def _climbs(orders: Ints, mine: Ints, needed: NDArray[np.bool_]) -> list[tuple[tuple[int, int], ...]]:
    """What each ballot offers: the needed alternatives above one's own place, nearest first, with the swaps to each."""
    found = []
    for order, place in zip(orders.tolist(), mine.tolist(), strict=True):
        over = [(b, place - k) for k, b in enumerate(order[:place]) if needed[b]]
        found.append(tuple(reversed(over)))
    return found


def _raised(climbs: list[tuple[tuple[int, int], ...]], weights: Floats, short_of: Floats, deadline: float) -> Range:
    """The fewest swaps by which as many voters as are needed see each alternative overtaken."""
    counted: dict[tuple[tuple[int, int], ...], float] = {}
    for climb, weight in zip(climbs, weights.tolist(), strict=True):
        counted[climb] = counted.get(climb, 0.0) + weight
    counted.pop((), None)
    at_once = np.zeros(len(short_of))
    for climb, weight in counted.items():
        overtaken, distance = climb[0]
        at_once[overtaken] += weight if distance == 1 else 0.0
    total = float(short_of.sum())
    if (at_once >= short_of).all():  # each by a single swap of a voter of its own
        return total, total
    # y[t, i] voters of kind t overtake the i-th needed alternative: no more than overtook the one before it
    cost: list[float] = []
    upper: list[float] = []
    rows: list[int] = []
    columns: list[int] = []
    entries: list[float] = []
    needed = np.flatnonzero(short_of)
    row_of = {int(b): k for k, b in enumerate(needed)}
    chains = len(needed)
    for climb, weight in counted.items():
        before = 0
        for i, (b, distance) in enumerate(climb):
            column = len(cost)
            cost.append(float(distance - before))
            upper.append(weight)
            rows.append(row_of[b])
            columns.append(column)
            entries.append(-1.0)
            if i:
                rows += [chains, chains]
                columns += [column, column - 1]
                entries += [1.0, -1.0]
                chains += 1
            before = distance
    matrix = graphs.sparse(np.array(rows), np.array(columns), np.array(entries), (chains, len(cost)))
    highest = np.concatenate([-short_of[needed], np.zeros(chains - len(needed))])
    most = float(np.array(cost) @ np.array(upper))
    return _programme(np.array(cost), matrix, highest, np.array(upper), deadline, (total, most))


def _programme(cost: Floats, rows: Any, highest: Floats, upper: Floats, deadline: float, known: Range) -> Range:
    """The least cost of whole numbers up to ``upper`` with rows·x ≤ highest, or what is known of it in time."""
    left = deadline - time.monotonic()
    if left <= 0:
        return known
    bounds = [(0.0, float(count)) for count in upper]
    found = solvers.integer_program(cost, rows, lowest=-np.inf, highest=highest, bounds=bounds, time_limit=left)
    if found.status == "optimal":
        return round(found.value), round(found.value)
    if found.status == "infeasible":
        return np.inf, np.inf
    least = max(known[0], float(np.ceil(found.bound - 1e-6)))
    return least, min(known[1], float(np.round(found.value)))


def _scores(
    name: str, unit: str, profile: Rankings, fewest: Callable[[int, float], Range], time_limit: float
) -> Scores:
    deadline = time.monotonic() + time_limit
    ranges = [fewest(a, deadline) for a in range(len(profile.alternatives))]
    known = dict(zip(profile.alternatives, ranges, strict=True))
    unknown = [label for label, (least, most) in known.items() if least < most]
    if unknown:
        raise NotConverged(
            f"{name}: {time_limit:g} seconds were not enough to settle how many {unit} {short(unknown, 3)} need; "
            "`partial` has what is proved for each alternative. Give a larger time_limit",
            known,
        )
    return Scores(profile.alternatives, frozen(0.0 - np.array([most for _, most in ranges])))
