"""Orders of the least cost by linear and integer programmes, to which the cycles that a solution has are forbidden."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs, solvers
from choicekit.kernels import orders

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# HiGHS keeps constraints to 1e-7; what breaks one by more than this breaks it.
_BROKEN = 1e-6
# Larger costs, and real ones, are scaled to this size, so that the solver's absolute gap of 1e-6 is none.
_SCALE = 1e4
# How far the value of a linear programme may be off, in scaled units.
_LOOSE = 1e-4


class Search:
    """The orders of the least cost Σ against[a, b] over a above b, and what is proved of them.

    x_ab = 1 where a is above b, for a < b, and 0 elsewhere: a vector of zeros and ones is an order where no three
    alternatives have a above b above c above a. A linear programme leaves that out at first and is given the broken
    constraints round after round; where its solution is not whole, an integer programme can go on from there.

    Costs within ``slack`` are equal; 0 where all are whole numbers. ``deadline`` is a reading of the monotonic clock.

    Source: Grötschel, Jünger and Reinelt 1984 (doi:10.1287/opre.32.6.1195).

    >>> search = Search(np.array([[0.0, 0, 1], [3, 0, 0], [0, 3, 0]]), slack=0.0, deadline=time.monotonic() + 60)
    >>> search.run(whole=True)
    >>> search.found[0].tolist(), search.cost, search.done
    ([0, 1, 2], 1.0, True)
    """

    def __init__(self, against: Floats, *, slack: float, deadline: float) -> None:
        self.against, self.slack, self.deadline = against, slack, deadline
        size = len(against)
        largest = float(against.max())
        self._unit = largest / _SCALE if slack > 0 or largest > _SCALE else 1.0
        self._first, self._second = np.triu_indices(size, 1)
        self._number = np.zeros((size, size), np.int64)
        self._number[self._first, self._second] = np.arange(len(self._first))
        self._number += self._number.T
        self._constant = float(against[self._second, self._first].sum())
        self._triples = np.zeros((0, 3), np.int64)
        self._low, self._high = np.zeros(len(self._first)), np.ones(len(self._first))
        start = orders.improved(np.argsort(against.sum(1), kind="stable"), against)
        self.found: list[Ints] = [start]
        self.cost = float(orders.cost_of(start, against))
        self.bound = 0.0
        self.complete = False
        self._tight = False

    @property
    def done(self) -> bool:
        """Whether the order found is proved to be among the best."""
        return self.cost <= self.bound + self.slack

    def run(self, *, whole: bool) -> None:
        """Search for one best order, in whole numbers only where ``whole``."""
        exact = False
        while not self.done and self._left() > 0:
            answer = self._solve(exact)
            least = answer.value if answer.status == "optimal" else answer.bound
            self.bound = min(self.cost, max(self.bound, self._proved(least)))
            if answer.solution is None:
                return
            above = self._matrix(answer.solution)
            self._try(np.argsort(-above.sum(1), kind="stable"))
            self._settle(answer)
            if self._forbid(above) == 0 and answer.status == "optimal":
                if _is_whole(answer.solution):
                    self.bound = self.cost
                elif not whole:
                    return
                else:
                    exact = True
        self._tight = not exact

    def run_on(self, most: int, *, whole: bool) -> None:
        """Add best orders up to ``most``, and set ``complete`` where there are no others.

        Integer programmes are tried only where a linear one was enough to prove the first order: they are quick then.
        """
        while self.done and len(self.found) < most:
            verdict, order = self._another(self._tight and whole, None)
            self.complete = verdict is False
            if order is None:
                return
            self.found.append(order)

    def has_top(self, top: int) -> bool | None:
        """Whether an alternative is on top of some best order; ``None`` where the time was up before that was clear."""
        return self._another(True, top)[0]

    def _another(self, whole: bool, top: int | None) -> tuple[bool | None, Ints | None]:
        """Whether there is an order as good as the best: one with ``top`` on top, or, without, one not found yet."""
        exact = False
        while self._left() > 0:
            answer = self._solve(exact, top, () if top is not None else self.found)
            if answer.status == "infeasible":
                return False, None
            least = answer.value if answer.status == "optimal" else answer.bound
            if self._proved(least) > self.cost + self.slack:
                return False, None
            if answer.solution is None:
                return None, None
            above = self._matrix(answer.solution)
            if self._forbid(above) == 0:
                if _is_whole(answer.solution):
                    order = np.argsort(-np.round(above).sum(1), kind="stable")
                    if orders.cost_of(order, self.against) <= self.cost + self.slack:
                        return True, order
                    if answer.status == "optimal":
                        return False, None
                elif not whole:
                    return None, None
                exact = True
        return None, None

    def _settle(self, answer: solvers.Programme) -> None:
        """Fix the pairs that stand the same way round in all orders that cost no more than the one found."""
        if answer.reduced is not None:
            here = (answer.value - _LOOSE + np.abs(answer.reduced)) * self._unit + self._constant
            sure = (here > self.cost + self.slack) & (self._low < self._high)
            self._high[sure & (answer.reduced > 0)] = 0.0
            self._low[sure & (answer.reduced < 0)] = 1.0

    def _left(self) -> float:
        return self.deadline - time.monotonic()

    def _proved(self, value: float) -> float:
        """The bound behind a value within the solver's tolerance, rounded up where costs are whole."""
        loose = (value - _LOOSE) * self._unit + self._constant
        return loose if self.slack > 0 or not np.isfinite(loose) else float(np.ceil(loose))

    def _try(self, order: Ints) -> None:
        better = orders.improved(order, self.against)
        cost = float(orders.cost_of(better, self.against))
        if cost < self.cost:
            self.found, self.cost = [better], cost

    def _matrix(self, solution: Floats) -> Floats:
        above = np.zeros_like(self.against)
        above[self._first, self._second] = solution
        above[self._second, self._first] = 1.0 - solution
        return above

    def _forbid(self, above: Floats) -> int:
        """Forbid the cycles that are broken the most, and say how many were."""
        triples, excess = orders.broken_cycles(above, _BROKEN)
        worst = triples[np.argsort(-excess, kind="stable")[: 4 * len(self._first)]]
        self._triples = np.concatenate([self._triples, worst])
        return len(triples)

    def _solve(self, exact: bool, top: int | None = None, excluded: Any = ()) -> solvers.Programme:
        pairs = len(self._first)
        start, end = self._triples, self._triples[:, [1, 2, 0]]
        sign = np.where(start < end, 1.0, -1.0)
        rows = [np.repeat(np.arange(len(start)), 3)]
        columns, values = [self._number[start, end].ravel()], [sign.ravel()]
        highest = [2.0 - (sign < 0).sum(1)]
        for k, order in enumerate(excluded, start=len(start)):
            # at least one pair stands the other way round
            place = np.argsort(order)
            agrees = np.where(place[self._first] < place[self._second], 1.0, -1.0)
            rows.append(np.full(pairs, k))
            columns.append(np.arange(pairs))
            values.append(agrees)
            highest.append(np.array([(agrees > 0).sum() - 1.0]))
        count = len(start) + len(excluded)
        matrix = graphs.sparse(
            np.concatenate(rows), np.concatenate(columns), np.concatenate(values), (max(count, 1), pairs)
        )
        limits = np.concatenate(highest) if count else np.zeros(1)
        low, high = self._low.copy(), self._high.copy()
        if top is not None:
            low[self._first == top], high[self._second == top] = 1.0, 0.0
            if (low > high).any():
                return solvers.Programme(None, np.inf, np.inf, "infeasible")
        bounds: list[tuple[float | None, float | None]] = list(zip(low.tolist(), high.tolist(), strict=True))
        cost = (self.against[self._first, self._second] - self.against[self._second, self._first]) / self._unit
        if not exact:
            return solvers.relaxation(cost, matrix, highest=limits, bounds=bounds, time_limit=self._left())
        return solvers.integer_program(
            cost, matrix, lowest=-np.inf, highest=limits, bounds=bounds, time_limit=self._left()
        )


def _is_whole(solution: Floats) -> bool:
    return bool((np.abs(solution - np.round(solution)) < _BROKEN).all())
