"""Rules that answer with a lottery."""

from __future__ import annotations

import numpy as np

from choicekit.kernels import voting
from choicekit.outcomes import Lottery
from choicekit.profiles import Margins, Rankings
from choicekit.profiles._columns import frozen
from choicekit.rules._rule import rule
from choicekit.solvers import linear_program

_ACCURACY = 1e-7


@rule
def maximal_lottery(profile: Margins) -> Lottery:
    """A lottery that no other lottery is preferred to by a majority in expectation: pᵀM ≥ 0 in every column.

    It is an optimal strategy of the symmetric zero-sum game M, found by the linear program max v such that pᵀM ≥ v,
    p ≥ 0 and Σp = 1 (whose v is 0), and checked: pᵀM ≥ −1e-7 · max|M|. It is the only one where all margins are odd
    integers, as for an odd number of strict ballots; where several are maximal, the answer is one corner of them, and
    which one may depend on the order of the alternatives. Raises ``RuntimeError`` where the solver fails or its answer
    fails the check.

    Source: Kreweras 1965, Fishburn 1984 (doi:10.2307/2297786), uniqueness Laffond, Laslier and Le Breton 1997.

    A cycle, where each gets the margin between the other two:

    >>> maximal_lottery(Margins([[0, 3, -1], [-3, 0, 5], [1, -5, 0]], "abc")).probabilities.round(6).tolist()
    [0.555556, 0.111111, 0.333333]
    """
    size = len(profile.alternatives)
    scale = np.abs(profile.values).max()
    game = profile.values / scale if scale > 0 else profile.values
    solution = linear_program(
        np.append(np.zeros(size), -1.0),
        at_most=(np.hstack([-game.T, np.ones((size, 1))]), np.zeros(size)),
        equal=(np.append(np.ones(size), 0.0)[None], np.ones(1)),
        bounds=[(0, None)] * size + [(None, None)],
    )
    probabilities = np.maximum(solution[:size], 0.0)
    probabilities /= probabilities.sum()
    worst = (probabilities @ game).min()
    if worst < -_ACCURACY:
        raise RuntimeError(
            f"maximal_lottery: needed pᵀM ≥ −{_ACCURACY:.0e} · max|M|, the solver's answer has {worst:.1e}; "
            "margins of very different sizes are beyond its accuracy"
        )
    return Lottery(profile.alternatives, frozen(probabilities))


@rule
def random_dictatorship(profile: Rankings) -> Lottery:
    """The first choice of a voter drawn with probability proportional to weight.

    p(a) = Σ_i w_i [a is first on ballot i] / (how many are tied for first on it) / Σ_i w_i. Raises ``ValueError`` for
    ballots that rank nothing, which have no first choice to draw.

    Source: Gibbard 1977 (doi:10.2307/1911681).

    >>> random_dictatorship(Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1})).probabilities.tolist()
    [0.5, 0.25, 0.25]
    """
    blank = np.flatnonzero((profile.ranks < 0).all(1) & (profile.weights > 0))
    if blank.size:
        raise ValueError(
            f"random_dictatorship: needed a first choice on every ballot, got {blank.size} ballots that rank nothing, "
            f"the first in row {blank[0]}; leave those ballots out"
        )
    first = voting.first_places(profile.ranks[None], profile.weights)[0]
    return Lottery(profile.alternatives, frozen(first / first.sum()))
