"""The fit of :mod:`choicekit.models.offsets`: variational expectation–maximisation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import personal as kernel
from choicekit.models.luce import Pairs, Ties, fit_pairs
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_MEMORY = 6
_SCOUTING = 10
_ROUGH = 1e-3
_NODES = 12


@dataclass(frozen=True)
class Cells:
    """How often each voter met each pair, and how often its first won; sorted by voter, ``start[v]`` on.

    ``row`` are the rows of the comparisons that count, ``cell`` where each went and ``weight``, ``share`` what it
    added (a tie is half a win).
    """

    first: Ints
    second: Ints
    pair: Ints
    start: Ints
    count: Floats
    won: Floats
    size: int
    voter: Ints
    cell: Ints
    weight: Floats
    share: Floats

    @property
    def voters(self) -> int:
        return len(self.start) - 1

    def without(self, held: NDArray[np.bool_]) -> tuple[Cells, Cells]:
        """The cells with these rows left out, and with them alone."""
        cells = len(self.pair)
        count = _sums(self.cell[held], self.weight[held], cells)
        won = _sums(self.cell[held], (self.weight * self.share)[held], cells)
        # what rounding leaves of a cell whose rows are all held out is nothing
        kept = np.where(self.count - count > 1e-9 * self.count, self.count - count, 0.0)
        left = np.clip(self.won - won, 0.0, kept)
        return replace(self, count=kept, won=left), replace(self, count=count, won=won)

    def by_voter(self) -> Floats:
        """The weight of each voter's comparisons."""
        return _sums(self.voter, self.weight, self.voters)


class Posterior(NamedTuple):
    """The voters' normal posteriors at given scores and loadings, and the bound that they give.

    ``surplus`` and ``slope`` are the bound's first and second order in each cell's log-odds, ``bounds`` its value for
    each voter, ``bends`` the ξ of the quadratic bound.
    """

    means: Floats
    covariances: Floats
    bends: Floats
    surplus: Floats
    slope: Floats
    bounds: Floats


class State(NamedTuple):
    """Where a climb is: scores and loadings ``w[m, r + 1]``, the posteriors there, the bound's value at each step."""

    w: Floats
    posterior: Posterior
    history: tuple[float, ...]
    residual: float
    iterations: int


Expect = Callable[[Cells, Floats, Posterior], Posterior]


def cells_of(comparisons: Comparisons, ties: Ties, names: tuple[Label, ...], *, alone: bool = False) -> Cells:
    """Count by voter and pair, in the codes of ``names``; ``alone`` takes all rows for one voter's."""
    keep = np.flatnonzero((comparisons.weight > 0) & ~(comparisons.tie & (ties == "drop")))
    if not len(keep):
        raise ValueError("personal: no comparison is left once ties are dropped; use ties='half'")
    position = {label: at for at, label in enumerate(names)}
    code = np.array([position[label] for label in comparisons.alternatives], np.int64)
    winner, loser = code[comparisons.winner[keep]], code[comparisons.loser[keep]]
    size, number = len(names), 1 if alone else len(comparisons.voters)
    voter = np.zeros(len(keep), np.int64) if alone or comparisons.voter is None else comparisons.voter[keep]
    low, high = np.minimum(winner, loser), np.maximum(winner, loser)
    pairs, pair = np.unique(low * size + high, return_inverse=True)
    keys, cell = np.unique(voter * len(pairs) + pair, return_inverse=True)
    weight = np.asarray(comparisons.weight[keep], np.float64)
    share = np.where(comparisons.tie[keep], 0.5, winner < loser)
    return Cells(
        first=pairs // size, second=pairs % size, pair=keys % len(pairs),
        start=np.searchsorted(keys // len(pairs), np.arange(number + 1)),
        count=_sums(cell, weight, len(keys)), won=_sums(cell, weight * share, len(keys)), size=size,
        voter=voter, cell=cell, weight=weight, share=share,
    )  # fmt: skip


def _sums(of: Ints, values: Floats, number: int) -> Floats:
    return np.asarray(np.bincount(of, values, number), np.float64)


def quadratic(cells: Cells, w: Floats, before: Posterior, passes: int = 2, tolerance: float = 1e-9) -> Posterior:
    """Posteriors under the quadratic bound, from the bends before."""
    means, covariances, bends, bounds = kernel.positions(
        cells.first, cells.second, cells.pair, cells.count, cells.won, cells.start, w, before.bends, passes, tolerance
    )
    slope = cells.count * curvature(bends)
    return Posterior(means, covariances, bends, cells.won - 0.5 * cells.count, slope, bounds)


def normal(cells: Cells, w: Floats, before: Posterior, passes: int = 1, tolerance: float = 1e-12) -> Posterior:
    """The best normal posteriors, from the ones before."""
    nodes, weights = quadrature()
    found = kernel.tighten(
        cells.first, cells.second, cells.pair, cells.count, cells.won, cells.start, w, before.means,
        before.covariances, nodes, weights, passes, tolerance,
    )  # fmt: skip
    return Posterior(found[0], found[1], before.bends, found[2], found[3], found[4])


@cache
def quadrature() -> tuple[Floats, Floats]:
    """Gauss and Hermite's nodes and weights for the standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()


def curvature(bends: Floats) -> Floats:
    """tanh(ξ/2)/(2ξ)."""
    safe = np.maximum(np.abs(bends), 1e-4)
    return np.asarray(np.where(np.abs(bends) < 1e-4, 0.25 - bends**2 / 48, np.tanh(safe / 2) / (2 * safe)), np.float64)


def nothing(cells: Cells) -> Posterior:
    """Where posteriors begin: every voter in the middle, every bend at 1."""
    none, flat = np.zeros((cells.voters, 0)), np.zeros(len(cells.pair))
    return Posterior(none, none[:, None], flat + 1.0, flat, flat, np.zeros(cells.voters))


def settle(cells: Cells, w: Floats, before: Posterior | None = None) -> Posterior:
    """The best normal posteriors at these scores and loadings, to the end."""
    begin = quadratic(cells, w, nothing(cells), 5) if before is None else before
    return normal(cells, w, begin, 200, 1e-14)


def best_climb(
    cells: Cells, rank: int, precision: Floats, restarts: int, tolerance: float, limit: int, rng: np.random.Generator
) -> State:  # fmt: skip
    """Climb from several random loadings for a while, and from where the highest came to the end."""
    begin = _everybody(cells, 1 / precision[0])
    starts = []
    for _ in range(restarts if rank else 1):
        w = np.column_stack([begin, rng.normal(0, 0.5, (cells.size, rank))])
        starts.append(State(w, nothing(cells), (), np.inf, 0))
    if len(starts) > 1:
        starts = [climb(cells, quadratic, start, precision, _ROUGH, min(limit, _SCOUTING)) for start in starts]
    best = max(starts, key=lambda state: state.history[-1] if state.history else 0.0)
    near = climb(cells, quadratic, best, precision, max(_ROUGH, tolerance), limit)
    return climb(cells, normal, near, precision, tolerance, limit)


def _everybody(cells: Cells, prior: float) -> Floats:
    """The scores that describe everybody, most probable under the prior."""
    edges = len(cells.first)
    count, won = _sums(cells.pair, cells.count, edges), _sums(cells.pair, cells.won, edges)
    met = np.flatnonzero(count)
    pairs = Pairs(cells.first[met], cells.second[met], count[met], won[met])
    return fit_pairs(pairs, tuple(range(cells.size)), prior=prior).scores


def climb(
    cells: Cells, expect: Expect, state: State, precision: Floats, tolerance: float, limit: int
) -> State:  # fmt: skip
    """Raise the bound until its gradient is below the tolerance, or ``limit`` steps are done (in all).

    A step is one of expectation–maximisation: posteriors, then the scores and loadings that are best to second order
    (exactly so for the quadratic bound). Anderson's mixing of the last few steps is tried in its place, and kept where
    the bound has not fallen; where the plain step lowers it, it is halved.
    """
    w, before, history = state.w, state.posterior, list(state.history)
    last, step, length = w, np.zeros_like(w), 1.0
    seen: list[tuple[Floats, Floats]] = []
    iteration, fresh = state.iterations, True
    while True:
        found = expect(cells, w, before)
        value = float(found.bounds.sum() - 0.5 * (precision * w**2).sum())
        if not fresh and value < history[-1] - 1e-12 * abs(history[-1]) and length > 1e-6:
            length, seen = (1.0 if seen else length / 2), []
            w = last + length * step
            continue
        blocks, pull, met = kernel.moments(
            cells.first, cells.second, cells.pair, cells.count, cells.start, found.surplus, found.slope, found.means,
            found.covariances, cells.size,
        )  # fmt: skip
        target, gradient = kernel.solve(cells.first, cells.second, blocks, pull, precision, w, 1e-9)
        residual = float((np.abs(gradient) / (met[:, None] + precision)).max())
        history.append(value)
        if residual <= tolerance or iteration >= limit:
            return State(w, found, tuple(history), residual, iteration)
        before, last, step, length, fresh = found, w, target - w, 1.0, False
        seen = [*seen[-_MEMORY:], (w, step)]
        w = _mixed(seen)
        iteration += 1


def _mixed(seen: list[tuple[Floats, Floats]]) -> Floats:
    """Anderson's mixture: the step that the last points and their steps, taken as linear, say leads to the end."""
    w, step = seen[-1]
    if len(seen) < 2:
        return w + step
    moves = np.stack([(b[0] - a[0]).ravel() for a, b in pairwise(seen)], 1)
    turns = np.stack([(b[1] - a[1]).ravel() for a, b in pairwise(seen)], 1)
    scale = np.linalg.norm(turns, axis=0)
    usable = scale > 0
    if not usable.any():
        return w + step
    weights = np.linalg.lstsq(turns[:, usable] / scale[usable], step.ravel(), rcond=1e-8)[0] / scale[usable]
    change = (moves + turns)[:, usable] @ weights
    return np.asarray(w + step - change.reshape(w.shape), np.float64)


def principal(loadings: Floats) -> tuple[Floats, Floats]:
    """Loadings turned to orthogonal columns, the longest first, with positive largest entries; and the turn [r, r]."""
    columns = loadings - loadings.mean(0)
    _, turn = np.linalg.eigh(columns.T @ columns)
    turn = turn[:, ::-1]
    turned = columns @ turn
    size = np.abs(turned)
    # the first of the largest, where opposite entries are as large but for rounding
    largest = np.argmax(size >= (1 - 1e-9) * size.max(0), axis=0) if len(turned) else np.zeros(0, np.int64)
    sign = np.where(turned[largest, np.arange(turned.shape[1])] < 0, -1.0, 1.0)
    return np.asarray(turned * sign, np.float64), np.asarray(turn * sign, np.float64)
