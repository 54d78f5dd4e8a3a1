"""Phragmén's rules: each elected alternative puts a load on voters who approve of it, and loads are kept even."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import committees
from choicekit.outcomes import Committees, TieBreak
from choicekit.profiles import Approvals
from choicekit.profiles._columns import Floats
from choicekit.profiles._merging import electorate
from choicekit.rules._committees import UNIVERSES, Course, chosen, digest, follow, outcome, seats
from choicekit.rules._rule import rule

#: Leximax loads enumerate the sets of seats.
_MOST_SEATS = 16


class Loads(NamedTuple):
    """Who is elected ``[m]`` and the load of each ballot ``[n]``, per unit of weight.

    >>> Loads(np.array([False]), np.zeros(2)).load.tolist()
    [0.0, 0.0]
    """

    elected: NDArray[np.bool_]
    load: Floats


def course(values: NDArray[Any], weights: Floats, size: int) -> Course[Loads]:
    """Sequential Phragmén: worths are minus the load of the supporters once they have an alternative too.

    >>> found = course(np.array([[1, 1], [0, 1]], np.uint8), np.ones(2), 1)
    >>> found.worths(found.start).tolist()
    [-1.0, -0.5]
    """
    backing = committees.totals(values, weights)
    unit = 1.0 / float(weights.sum())

    def worths(state: Loads) -> Floats | None:
        if state.elected.sum() >= size:
            return None
        burden = 1.0 + committees.totals(values, weights * state.load)
        with np.errstate(divide="ignore", invalid="ignore"):
            load = np.where(backing > 0, burden / backing, np.inf)
        worth: Floats = np.where(state.elected, -np.inf, -load)
        # where nobody supports those left, all are alike
        return worth if worth.max() > -np.inf else np.where(state.elected, -np.inf, 0.0)

    def seat(state: Loads, alternative: int, worth: Floats) -> Loads:
        elected = state.elected.copy()
        elected[alternative] = True
        if backing[alternative] == 0:
            return Loads(elected, state.load)
        return Loads(elected, np.where(values[:, alternative] != 0, -worth[alternative], state.load))

    def key(state: Loads) -> bytes:
        return digest(state.elected, np.round(state.load / unit, 9) + 0.0)

    start = Loads(np.zeros(values.shape[1], np.bool_), np.zeros(len(values)))
    return Course(start, worths, seat, lambda state: state.elected, key, unit)


@rule
def sequential_phragmen(profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES) -> Committees:
    """Seats filled one by one, each by the alternative whose supporters then have the least load.

    All voters earn money at the same rate, and an alternative is elected as soon as its supporters have 1 together,
    which they pay with all they have. So alternative a costs its supporters the load
    (1 + Σ_{i ∈ N(a)} w_i x_i) / Σ_{i ∈ N(a)} w_i, which becomes the load x_i of each; alternatives that nobody approves
    of come last. In ``rounds``: minus that load. The committees satisfy proportional justified representation. Raises
    ``ValueError`` for a size that is not from 1 to m.

    Source: Phragmén 1894; Brill, Freeman, Janson and Lackner 2024 (doi:10.1007/s10107-023-01926-8).

    >>> votes = Approvals([[1, 1, 0]] * 2 + [[0, 0, 1]] * 3, alternatives="abc")
    >>> found = sequential_phragmen(votes, size=2)      # c at load 1/3; a and b at 1/2, c's voters being spent
    >>> found.committees
    (('a', 'c'), ('b', 'c'))
    """
    size = seats("sequential_phragmen", size, profile.alternatives)
    found = follow(course(*electorate(profile), size), profile.alternatives, ties)
    return outcome(profile.alternatives, size, found)


@rule
def leximax_phragmen(
    profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES, nodes: int = 1_000_000
) -> Committees:
    """The committees whose load can be shared most evenly: the largest load is least, then the second largest, …

    Each member puts a load of 1 on voters who approve of it, divided at will. A voter of weight w counts as w voters,
    who have the load of the ballot divided by w each. ``score`` is minus the largest load. Members without any
    supporter come last. Exact by branch and bound over sets, which may only grow while their loads are not above those
    of the best committee: meant for small sizes. Where ``nodes`` sets were not enough the best committees met are
    returned with a note. The committees satisfy proportional justified representation. Raises ``ValueError`` for a
    size that is not from 1 to m, or above 16.

    Source: Phragmén 1896; Brill, Freeman, Janson and Lackner 2024 (doi:10.1007/s10107-023-01926-8).

    >>> votes = Approvals([[1, 1, 0]] * 2 + [[0, 0, 1]] * 3, alternatives="abc")
    >>> found = leximax_phragmen(votes, size=2)      # two voters with load 1/2 and three with 1/3
    >>> found.committees, found.score
    ((('a', 'c'), ('b', 'c')), -0.5)
    """
    size = seats("leximax_phragmen", size, profile.alternatives)
    if size > _MOST_SEATS:
        raise ValueError(
            f"leximax_phragmen: needed a size of at most {_MOST_SEATS}, got {size}; sequential_phragmen has no limit"
        )
    values, weights = electorate(profile)
    backing = committees.totals(values, weights)
    order = np.argsort(-backing, kind="stable")
    room = ties.budget or 100_000
    kept, loads, _, found, left = committees.leximax(values[:, order], weights, size, room, max(nodes, size))
    met = [tuple(sorted(order[row].tolist())) for row in kept]
    done = left > 0
    supporters = weights[values.any(1)].sum()
    bound = -loads[0] if done else min(0.0, -size / supporters)
    return chosen(
        profile.alternatives, size, met, ties, listed=done and found <= room, score=float(-loads[0]), bound=float(bound)
    )
