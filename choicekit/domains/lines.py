"""One-dimensional Euclidean profiles: voters and alternatives on a line, the nearer ranked higher."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.domains._strict import crossing_order, strict
from choicekit.kernels import recognition
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Floats, Label, frozen

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Line:
    """Where voters and alternatives stand on a line: ``positions[m]`` of the alternatives, ``voters[n]`` of the voters.

    Rows of weight 0 are no voters; their entry is NaN.

    >>> Line(("a", "b"), np.array([0.0, 2.0]), np.array([0.5])).voters.tolist()
    [0.5]
    """

    alternatives: tuple[Label, ...]
    positions: Floats
    voters: Floats


def euclidean(profile: Rankings) -> Line | None:
    """Positions on a line from which each voter ranks the nearer alternative higher, or ``None`` where there are none.

    Such a profile is single-peaked and single-crossing (not every profile that is both is Euclidean). The order of the
    voters is then unique up to direction, and the first and last of them give an order of the alternatives that will do
    if any does: what the first prefers to something, and the last does not, stands to the left of it. What is left is
    whether, for each two alternatives, the point midway can lie between the voters who prefer the one and those who
    prefer the other, with all gaps at least 1: a linear program, which gives the shortest such line.

    Either answer is checked before it is given: positions by ranking the distances they make, and ``None`` by
    multipliers under which the inequalities add up to 0 ≥ 1, in exact arithmetic. Raises ``ArithmeticError`` where
    neither can be checked, which takes positions of very different sizes, and ``ValueError`` for ties and unranked
    alternatives.

    Source: Coombs 1950 (doi:10.1037/h0060661); Doignon and Falmagne 1994 (doi:10.1006/jagm.1994.1010), Knoblauch 2010
    (doi:10.1016/j.jmateco.2009.05.007), Elkind and Faliszewski 2014.

    >>> from choicekit import domains
    >>> votes = Rankings.from_orders(["abc", "bca", "cba"])
    >>> found = euclidean(votes)
    >>> domains.spatial_utilities(found.voters[:, None], found.positions[:, None]).to_rankings().ranks.tolist()
    [[0, 1, 2], [2, 0, 1], [2, 1, 0]]
    >>> euclidean(Rankings.from_orders(["abc", "bca", "cab"])) is None
    True
    """
    rankings, rows, ranks = strict("euclidean", profile)
    order = crossing_order(ranks)
    if order is None:
        return None
    new = np.concatenate(
        [[True], (np.diff(ranks[order], axis=0) != 0).any(1)]
    )  # voters of equal ballots stand together
    chain = ranks[order][new]
    axis = _axis(chain)
    if not _peaked(chain, axis):
        return None
    needed = _inequalities(chain, axis)
    solved = _placed(needed, axis, len(chain))
    if solved is None:
        return None
    places, stands = solved
    if not _right(chain, places, stands):
        raise ArithmeticError(
            "euclidean: positions were found, but they are too far apart in size to be told in floats"
        )
    voters = np.full(len(rankings.weights), np.nan)
    voters[rows[order]] = stands[np.cumsum(new) - 1]
    return Line(rankings.alternatives, frozen(places), frozen(voters))


def _axis(chain: Ints) -> Ints:
    """The alternatives from left to right, if the voters are."""
    order = np.argsort(chain[0])
    last = chain[-1][order]
    right = np.concatenate([[False], last[1:] < np.maximum.accumulate(last)[:-1]])
    return np.concatenate([order[~right][:0:-1], order[:1], order[right]])


def _peaked(chain: Ints, axis: Ints) -> bool:
    """Whether all voters are single-peaked on the axis: nobody has a worst with others on both sides."""
    along = chain[:, axis]
    left = np.minimum.accumulate(along, axis=1)[:, :-2]
    right = np.minimum.accumulate(along[:, ::-1], axis=1)[:, ::-1][:, 2:]
    return not bool(((along[:, 1:-1] > left) & (along[:, 1:-1] > right)).any())


def _inequalities(chain: Ints, axis: Ints) -> Ints:
    """Rows r with r·(places, stands) ≥ 2: gaps between neighbours, and midpoints between the voters they part."""
    size, voters = len(axis), len(chain)
    parted = recognition.crossings(chain)
    rows = []
    for left, right in zip(axis[:-1].tolist(), axis[1:].tolist(), strict=True):
        rows.append({right: 2, left: -2})
    for i, left in enumerate(axis.tolist()):
        for right in axis[i + 1 :].tolist():
            before = int(parted[left, right]) if chain[0, left] < chain[0, right] else 0
            if before > 0:
                rows.append({left: 1, right: 1, size + before - 1: -2})
            if before < voters:
                rows.append({left: -1, right: -1, size + before: 2})
    needed = np.zeros((len(rows), size + voters), np.int64)
    for row, entries in zip(needed, rows, strict=True):
        row[list(entries)] = list(entries.values())
    return needed


def _placed(needed: Ints, axis: Ints, voters: int) -> tuple[Floats, Floats] | None:
    """The shortest line, from 0; ``None`` where the inequalities contradict each other."""
    size = len(axis)
    if size == 1:
        return np.zeros(1), np.zeros(voters)
    width = size + voters
    cost = np.zeros(width)
    cost[axis[-1]] = 1.0
    bounds: list[tuple[float | None, float | None]] = [(0.0, None)] * size + [(None, None)] * voters
    bounds[axis[0]] = (0.0, 0.0)
    nothing = (np.zeros((1, width)), np.zeros(1))
    try:
        found = solvers.linear_program(
            cost, at_most=(-needed, np.full(len(needed), -2.0)), equal=nothing, bounds=bounds
        )
    except RuntimeError as failure:
        if _contradicted(needed):
            return None
        raise ArithmeticError(f"euclidean: neither positions nor a proof that there are none; {failure}") from None
    places = found[:size] + 0.0
    return places, np.clip(found[size:], 0.0, places[axis[-1]])


def _contradicted(needed: Ints) -> bool:
    """Whether some of the rows, each times a number of at least 0, add up to zero (Farkas' lemma)."""
    rows, width = needed.shape
    equal = (np.vstack([needed.T, np.ones(rows)]), np.concatenate([np.zeros(width), [1.0]]))
    try:
        found = solvers.linear_program(
            np.zeros(rows), at_most=(np.zeros((1, rows)), np.zeros(1)), equal=equal, bounds=[(0.0, None)] * rows
        )
    except RuntimeError:
        return False
    used = np.flatnonzero(found > 1e-9)
    times = [Fraction(value).limit_denominator(10**6) for value in found[used].tolist()]
    total = [Fraction(0)] * width
    for row, each in zip(needed[used].tolist(), times, strict=True):
        total = [so_far + each * entry for so_far, entry in zip(total, row, strict=True)]
    return any(times) and not any(total)


def _right(chain: Ints, places: Floats, stands: Floats) -> bool:
    """Whether the distances rank the alternatives as the voters do, strictly."""
    far = np.abs(stands[:, None] - places)
    sorted_far = np.take_along_axis(far, np.argsort(chain, axis=1), axis=1)
    return bool((np.diff(sorted_far, axis=1) > 0).all())
