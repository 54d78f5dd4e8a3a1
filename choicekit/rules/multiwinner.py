"""Rules that elect committees by adding up how satisfied voters are with them.

Electorates are approvals ``[n, m]`` with weights, of which equal ballots are merged. Rules that maximise a score return
every committee with the highest one, as far as the budget of ``ties`` reaches; a fixed order takes the one whose most
preferred member comes first, then the next one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import committees
from choicekit.outcomes import Committees, TieBreak
from choicekit.profiles import Approvals, Rankings
from choicekit.profiles._columns import Floats
from choicekit.profiles._merging import electorate, merged
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules import _exact
from choicekit.rules._committees import UNIVERSES, Ints, elects, follow, outcome, seats, separable, shares
from choicekit.rules._rule import rule

#: Monroe's rule enumerates the sets of seats.
_MOST_SEATS = 20


@rule
def approval_committee(profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES) -> Committees:
    """The ``size`` alternatives that the most voters approve of (multiwinner approval voting, AV).

    score(W) = Σ_{a ∈ W} Σ_i w_i [i approves of a]. Raises ``ValueError`` for a size that is not from 1 to m.

    Source: Lackner and Skowron 2023 (doi:10.1007/978-3-031-09016-5), section 2.1.

    >>> votes = Approvals([[1, 1, 0], [1, 0, 1], [1, 0, 0]], alternatives="abc")
    >>> approval_committee(votes, size=2).committees
    (('a', 'b'), ('a', 'c'))
    """
    size = seats("approval_committee", size, profile.alternatives)
    return separable(profile.alternatives, size, shares(profile.values, profile.weights), ties)


@rule
def satisfaction_approval(profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES) -> Committees:
    """The ``size`` alternatives with the most votes where each voter's one vote is shared by all that they approve of.

    score(W) = Σ_{a ∈ W} Σ_i w_i [i approves of a] / |A_i|, with A_i what voter i approves of (SAV). Raises
    ``ValueError`` for a size that is not from 1 to m.

    Source: Brams and Kilgour 2014.

    >>> votes = Approvals([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], alternatives="abcd")
    >>> satisfaction_approval(votes, size=1).committees      # c has 2, a and b 3/2 each
    (('c',),)
    """
    size = seats("satisfaction_approval", size, profile.alternatives)
    number = np.maximum(profile.values.sum(1), 1)
    return separable(profile.alternatives, size, shares(profile.values, profile.weights / number), ties)


def _harmonic(size: int) -> Floats:
    worth: Floats = 1.0 / np.arange(1, size + 1)
    return worth


def _satisfied(values: NDArray[Any], weights: Floats, worth: Floats, committee: Ints) -> float:
    """The weight of voters times what their approved members are worth to them."""
    total = np.concatenate([[0.0], np.cumsum(worth)])
    return float(weights @ total[values[:, committee].sum(1, dtype=np.int64)])


def _thiele(
    profile: Approvals, size: int, worth: Floats, cover: bool, ties: TieBreak, time_limit: float | None
) -> Committees:
    """The committees of the highest Thiele score, with worths of the first, second, … approved member."""
    values, weights = electorate(profile)
    task = _exact.Task(
        values.astype(np.float64), weights, worth, cover, np.zeros(0),
        lambda committee: _satisfied(values, weights, worth, committee),
        lambda: _exact.thiele(values, weights, worth),
    )  # fmt: skip
    return _exact.best(profile.alternatives, size, task, ties, time_limit)


@rule
def proportional_approval(
    profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES, time_limit: float | None = 60.0
) -> Committees:
    """The committees on which voters are represented most, a voter's second member counting a half, the third a third.

    score(W) = Σ_i w_i (1 + ½ + … + 1/|A_i ∩ W|), with A_i what voter i approves of (PAV). Exact: branch and bound,
    then an integer programme; where ``time_limit`` (in seconds, ``None``: none) ends the search the best committees met
    are returned, with a proved ``bound`` above their score and a note. PAV committees satisfy extended justified
    representation. Raises ``ValueError`` for a size that is not from 1 to m.

    Source: Thiele 1895; Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> votes = Approvals([[1, 1, 1, 0]] * 3 + [[0, 0, 0, 1]] * 2, alternatives="abcd")
    >>> found = proportional_approval(votes, size=2)      # 3 + 2 beats 3 + 3/2
    >>> found.committees, found.score
    ((('a', 'd'), ('b', 'd'), ('c', 'd')), 5.0)
    """
    size = seats("proportional_approval", size, profile.alternatives)
    return _thiele(profile, size, _harmonic(size), False, ties, time_limit)


@rule
def sequential_proportional_approval(profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES) -> Committees:
    """Seats filled one by one, each by the alternative that adds most to the score of proportional approval voting.

    A voter with r members so far adds w_i / (r + 1) to each alternative that they approve of. In ``rounds``: what each
    alternative would have added. Raises ``ValueError`` for a size that is not from 1 to m.

    Source: Thiele 1895; Lackner and Skowron 2023 (doi:10.1007/978-3-031-09016-5), section 2.2.

    >>> votes = Approvals([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2, alternatives="abc")
    >>> found = sequential_proportional_approval(votes, size=2)
    >>> found.committees, sequential_proportional_approval(Approvals([[1, 0]]), size=1).rounds[0].elected
    ((('a', 'c'), ('b', 'c')), (0,))
    """
    size = seats("sequential_proportional_approval", size, profile.alternatives)
    values, weights = electorate(profile)

    def worths(elected: NDArray[np.bool_]) -> Floats | None:
        if elected.sum() == size:
            return None
        held = values[:, elected].sum(1, dtype=np.int64)
        return np.where(elected, -np.inf, committees.totals(values, weights / (held + 1.0)))

    found = follow(elects(len(profile.alternatives), worths), profile.alternatives, ties)
    return outcome(profile.alternatives, size, found)


@rule
def approval_chamberlin_courant(
    profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES, time_limit: float | None = 60.0
) -> Committees:
    """The committees on which the most voters have a member that they approve of (approval-based Chamberlin–Courant).

    score(W) = Σ_i w_i [A_i ∩ W ≠ ∅], with A_i what voter i approves of. Exact, and ended by ``time_limit``, as
    :func:`proportional_approval`. Raises ``ValueError`` for a size that is not from 1 to m.

    Source: Chamberlin and Courant 1983 (doi:10.2307/1957270); Thiele 1895.

    >>> votes = Approvals([[1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], alternatives="abc")
    >>> approval_chamberlin_courant(votes, size=2).committees      # a and b, or either with c: three voters of four
    (('a', 'b'), ('a', 'c'), ('b', 'c'))
    """
    size = seats("approval_chamberlin_courant", size, profile.alternatives)
    worth = np.zeros(size)
    worth[0] = 1.0
    return _thiele(profile, size, worth, True, ties, time_limit)


@rule
def chamberlin_courant(
    profile: Rankings, *, size: int, ties: TieBreak = UNIVERSES, unranked: Unranked = "below",
    time_limit: float | None = 60.0,
) -> Committees:  # fmt: skip
    """The committees whose best members for each voter have the most Borda points together.

    score(W) = Σ_i w_i max_{a ∈ W} s_i(a), where s_i(a) is how many alternatives voter i ranks below a, and half of
    those level with it. ``unranked="below"`` puts what a ballot leaves out level below the rest; ``"absent"`` counts
    only among what it ranks, and 0 for the others. Exact, and ended by ``time_limit``, as
    :func:`proportional_approval`. Raises ``ValueError`` for a size that is not from 1 to m.

    Source: Chamberlin and Courant 1983 (doi:10.2307/1957270).

    >>> votes = Rankings.from_orders({"abc": 3, "cba": 2})
    >>> found = chamberlin_courant(votes, size=2)      # everybody's first is there: 5 voters with 2 points each
    >>> found.committees, found.score
    ((('a', 'c'),), 10.0)
    """
    size = seats("chamberlin_courant", size, profile.alternatives)
    values, weights = borda_points(profile, unranked)

    def programme() -> _exact.Programme:
        sets, worth = _exact.layers(values, weights)
        return _exact.thiele(sets, worth, np.ones(1))

    task = _exact.Task(
        values, weights, np.zeros(0), True, np.zeros(0),
        lambda committee: float(weights @ values[:, committee].max(1)), programme,
    )  # fmt: skip
    return _exact.best(profile.alternatives, size, task, ties, time_limit)


def borda_points(profile: Rankings, unranked: Unranked) -> tuple[Floats, Floats]:
    """Each ballot's Borda points ``[n, m]`` and weights, equal ballots merged.

    >>> borda_points(Rankings([[0, 1, 1, -1]]), "below")[0].tolist()
    [[3.0, 1.5, 1.5, 0.0]]
    """
    absent = reading(unranked) == "absent"
    rows, weights = merged(profile._ranks, profile.weights)
    ranked = rows >= 0
    ranks = np.where(ranked, rows, np.int64(2**40))
    points = np.zeros(ranks.shape)
    for b in range(ranks.shape[1]):
        other = ranks[:, b : b + 1]
        more = (ranks < other) + 0.5 * (ranks == other)
        points += np.where(ranked[:, b : b + 1], more, 0.0) if absent else more
    points -= np.where(ranked, 0.5, 0.0) if absent else 0.5  # an alternative is level with itself
    points[~ranked & absent] = 0.0
    return points, weights


@rule
def monroe(profile: Approvals, *, size: int, ties: TieBreak = UNIVERSES, time_limit: float | None = 60.0) -> Committees:
    """The committees whose members can represent groups of equal size with the most voters who approve of their own.

    score(W) is the largest weight of voters assigned to a member that they approve of, where every voter is assigned to
    one member, and each member to ⌊n/k⌋ or ⌈n/k⌉ voters. A voter of whole weight w is w voters; with weights that are
    not whole each member has exactly the weight n/k, and a voter may be divided. Exact, and ended by ``time_limit``, as
    :func:`proportional_approval`. Raises ``ValueError`` for a size that is not from 1 to m, or above 20.

    Source: Monroe 1995 (doi:10.2307/2082518).

    >>> votes = Approvals([[1, 0, 0]] * 4 + [[0, 1, 0]] + [[0, 0, 1]], alternatives="abc")
    >>> found = monroe(votes, size=2)      # a can represent only three of its four voters
    >>> found.committees, found.score
    ((('a', 'b'), ('a', 'c')), 4.0)
    """
    size = seats("monroe", size, profile.alternatives)
    if size > _MOST_SEATS:
        raise ValueError(f"monroe: needed a size of at most {_MOST_SEATS}, got {size}; chamberlin_courant has no limit")
    values, weights = electorate(profile)
    total = float(weights.sum())
    least = float(np.floor(total / size)) if (weights == np.floor(weights)).all() else total / size
    extra = total - size * least if least != total / size else 0.0

    def score(committee: Ints) -> float:
        return committees.represented(values, weights, committee, least, extra)

    task = _exact.Task(
        values.astype(np.float64), weights, np.zeros(0), True, np.array([least, extra]), score,
        lambda: _exact.groups(values, weights, least, extra),
    )  # fmt: skip
    return _exact.best(profile.alternatives, size, task, ties, time_limit)
