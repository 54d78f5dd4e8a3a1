"""The best committees of a score: branch and bound first, an integer programme where that takes too long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs, solvers
from choicekit.kernels import committees
from choicekit.outcomes import TIE_TOLERANCE, Committees, Labels, TieBreak
from choicekit.profiles._columns import Floats
from choicekit.profiles._merging import merged
from choicekit.rules._committees import chosen

#: Additions of the branch and bound before the integer programme takes over, about a second.
WORK = 400_000_000
_SCALE = 1e4  # HiGHS proves optima to 1e-6; scores are scaled so that this is finer than TIE_TOLERANCE


class Programme(NamedTuple):
    """Maximise worth·x subject to rows·x ≤ highest and x ≤ upper, the first coordinates the committee's, whole."""

    worth: Floats
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    entries: Floats
    highest: Floats
    upper: Floats


class Task(NamedTuple):
    """A score to maximise: what the branch and bound needs, the score of a set, and the integer programme."""

    values: Floats
    weights: Floats
    marginal: Floats
    cover: bool
    groups: Floats
    score: Callable[[NDArray[np.int64]], float]
    programme: Callable[[], Programme]


def best(alternatives: Labels, size: int, task: Task, ties: TieBreak, time_limit: float | None) -> Committees:
    """All committees of the highest score, within the budget of the ties, or the best met with a proved bound."""
    start = time.monotonic()
    ties = ties.settled(alternatives)
    place = ties.ranks(alternatives)
    room = ties.budget or 1
    width = len(alternatives)
    kept, found, score, bound, done = _search(task, [], np.arange(width), size, -np.inf, room)
    met = {tuple(sorted(row)): task.score(np.array(sorted(row))) for row in kept.tolist()}
    listed = done and found <= room
    if not done:
        left = None if time_limit is None else time_limit - (time.monotonic() - start)
        listed, bound = _solve(width, size, task, met, bound, ties.budget or 1_000, left)
    elif place is not None and found > 1:
        met = _preferred(task, np.argsort(place), size, score)
        listed = True
    score = max(met.values())
    least = score - TIE_TOLERANCE * abs(score)
    bound = score if bound <= score + TIE_TOLERANCE * abs(score) else bound
    optimal = [committee for committee, value in met.items() if value >= least]
    return chosen(alternatives, size, optimal, ties, listed=listed, score=score, bound=bound)


def _search(
    task: Task, first: list[int], left: NDArray[np.int64], size: int, score: float, room: int
) -> tuple[NDArray[np.int64], int, float, float, bool]:
    return committees.best_committees(
        task.values, task.weights, task.marginal, task.cover, task.groups,
        np.array(first, np.int64), left, size, score, room, WORK,
    )  # fmt: skip


def _preferred(task: Task, order: NDArray[np.int64], size: int, score: float) -> dict[tuple[int, ...], float]:
    """The committee of the best score that an order puts first: each member in turn as preferred as can be."""
    members: list[int] = []
    for position, a in enumerate(order.tolist()):
        missing = size - len(members) - 1
        if missing < 0:
            break
        if missing == 0:
            enough = task.score(np.array([*members, a])) >= score - TIE_TOLERANCE * abs(score)
        else:
            enough = _search(task, [*members, a], order[position + 1 :], missing, score, 1)[1] > 0
        if enough:
            members.append(a)
    committee = tuple(sorted(members))
    return {committee: task.score(np.array(committee))}


def _solve(
    width: int, size: int, task: Task, met: dict[tuple[int, ...], float], bound: float, room: int, left: float | None
) -> tuple[bool, float]:
    """Add the committees of the integer programme to those met; whether all the best are, and the bound.

    Each committee found is forbidden and the programme solved again until its optimum is worse.
    """
    deadline = np.inf if left is None else time.monotonic() + left
    model = task.programme()
    scale = _SCALE / max(abs(bound), 1e-300)
    forbidden: list[tuple[int, ...]] = []
    while len(forbidden) <= room:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return False, bound
        result = solvers.integer_program(
            -scale * model.worth, _matrix(model, width, forbidden),
            lowest=np.concatenate([[size], np.full(len(model.highest) + len(forbidden), -np.inf)]),
            highest=np.concatenate([[size], model.highest, np.full(len(forbidden), size - 1.0)]),
            bounds=[(0.0, float(high)) for high in model.upper],
            whole=[column < width for column in range(len(model.worth))],
            time_limit=None if remaining == np.inf else remaining,
        )  # fmt: skip
        if not forbidden:
            bound = min(bound, -result.bound / scale)
        if result.solution is None:
            return result.status == "infeasible", bound
        committee = tuple(sorted(np.argsort(-result.solution[:width], kind="stable")[:size].tolist()))
        met[committee] = task.score(np.array(committee))
        top = max(met.values())
        if result.status != "optimal":
            return False, bound
        if met[committee] < top - TIE_TOLERANCE * abs(top):
            return True, bound
        forbidden += [other for other in met if other not in forbidden and met[other] >= top - TIE_TOLERANCE * abs(top)]
    return False, bound


def _matrix(model: Programme, width: int, forbidden: list[tuple[int, ...]]) -> Any:
    """The rows of the programme between one that counts the committee and those that forbid committees."""
    cuts = np.array(forbidden, np.int64).reshape(len(forbidden), len(forbidden[0]) if forbidden else 0)
    first = 1 + len(model.highest)
    rows = [np.zeros(width, np.int64), model.rows + 1, np.repeat(np.arange(len(cuts)) + first, cuts.shape[1])]
    columns = [np.arange(width), model.columns, cuts.reshape(-1)]
    entries = [np.ones(width), model.entries, np.ones(cuts.size)]
    shape = (first + len(cuts), len(model.worth))
    return graphs.sparse(np.concatenate(rows), np.concatenate(columns), np.concatenate(entries), shape)


def thiele(values: NDArray[Any], weights: Floats, marginal: Floats) -> Programme:
    """Each voter's first, second, … member is a coordinate; together they are no more than the approved elected."""
    voters, width = values.shape
    steps = np.minimum((values != 0).sum(1), np.count_nonzero(marginal))
    voter = np.repeat(np.arange(voters), steps)
    step = np.arange(len(voter)) - np.repeat(np.cumsum(steps) - steps, steps)
    who, what = np.nonzero(values)
    return Programme(
        np.concatenate([np.zeros(width), weights[voter] * marginal[step]]),
        np.concatenate([voter, who]),
        np.concatenate([width + np.arange(len(voter)), what]),
        np.concatenate([np.ones(len(voter)), -np.ones(len(who))]),
        np.zeros(voters),
        np.ones(width + len(voter)),
    )


def groups(values: NDArray[Any], weights: Floats, least: float, extra: float) -> Programme:
    """Weight is assigned to approved members, each of which takes ``least``, and ``extra`` of them one more."""
    voters, width = values.shape
    who, what = np.nonzero(values)
    pairs, each = len(who), np.arange(width)
    more = width + pairs + each  # the coordinates of one more
    capacity, one_more, all_more = voters, voters + width, voters + 2 * width  # where rows begin
    rows = [who, capacity + what, capacity + each, capacity + each, one_more + each, one_more + each]
    columns = [width + np.arange(pairs)] * 2 + [each, more, more, each]
    entries = [np.ones(pairs)] * 2 + [np.full(width, -least), -np.ones(width), np.ones(width), -np.ones(width)]
    return Programme(
        np.concatenate([np.zeros(width), np.ones(pairs), np.zeros(width)]),
        np.concatenate([*rows, np.full(width, all_more)]),
        np.concatenate([*columns, more]),
        np.concatenate([*entries, np.ones(width)]),
        np.concatenate([weights, np.zeros(2 * width), [extra]]),
        np.concatenate([np.ones(width), weights[who], np.ones(width)]),
    )


def layers(values: Floats, weights: Floats) -> tuple[NDArray[np.bool_], Floats]:
    """Sets and weights such that a voter's highest value is the weight of the voter's sets that are met.

    >>> sets, weights = layers(np.array([[2.0, 0.0, 1.0]]), np.array([3.0]))
    >>> sets.tolist(), weights.tolist()
    ([[True, False, False], [True, False, True]], [3.0, 3.0])
    """
    ordered = -np.sort(-values, axis=1)
    steps = ordered - np.concatenate([ordered[:, 1:], np.zeros((len(values), 1))], axis=1)
    sets, worth = [], []
    for t in range(values.shape[1]):
        rows = steps[:, t] > 0
        sets.append(values[rows] >= ordered[rows, t : t + 1])
        worth.append(weights[rows] * steps[rows, t])
    return merged(np.concatenate(sets), np.concatenate(worth))
