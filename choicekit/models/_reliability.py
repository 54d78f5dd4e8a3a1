"""The likelihood of voters who are more and less reliable, and the climb to its maximum."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs, solvers
from choicekit.kernels import annotators as kernels
from choicekit.models.luce import Pairs, Ties, fit_pairs
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import short

if TYPE_CHECKING:
    from choicekit.models.crowd import AnnotatorFit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Above this many alternatives no dense information is made, and so no Newton step.
LARGEST = 5_000
#: Log-units within which the fit turned round makes the fit doubtful.
NEAR = 3.0


@dataclass(frozen=True, eq=False)
class Cells:
    """Answers by (voter, pair, order), sorted by voter, as the kernels take them."""

    first: Ints
    second: Ints
    voter: Ints
    order: Floats
    won: Floats
    lost: Floats
    begin: Ints
    size: int
    voters: int

    def pairs(self, turned: NDArray[np.bool_] | None = None) -> Pairs:
        """The answers pooled by pair, those of the ``turned`` voters the other way round."""
        code, edge = np.unique(self.first * self.size + self.second, return_inverse=True)
        won = self.won if turned is None else np.where(turned[self.voter], self.lost, self.won)
        count, won = np.bincount(edge, self.won + self.lost), np.bincount(edge, won)
        return Pairs(code // self.size, code % self.size, np.asarray(count, np.float64), np.asarray(won, np.float64))

    def loglik(self, at: Point, crowd: bool) -> tuple[float, Floats, Floats, Floats]:
        return kernels.voters_loglik(
            self.first, self.second, self.voter, self.order, self.won, self.lost, at.scores, at.ability, at.bias, crowd
        )

    def curvature(self, at: Point, crowd: bool) -> Floats:
        return kernels.voters_curvature(
            self.first, self.second, self.voter, self.order, self.won, self.lost, at.scores, at.ability, at.bias, crowd
        )


@dataclass(frozen=True, eq=False)
class Point:
    scores: Floats
    ability: Floats
    bias: Floats

    def flat(self) -> Floats:
        return np.concatenate([self.scores, self.ability, self.bias])


@dataclass(frozen=True, eq=False)
class Problem:
    """The penalised likelihood: its cells, its priors' precisions (scores, ability, bias) and the ability's centre."""

    cells: Cells
    precision: Floats
    centre: float
    crowd: bool
    biased: bool

    def point(self, flat: Floats) -> Point:
        m, v = self.cells.size, self.cells.voters
        return Point(flat[:m], flat[m : m + v], flat[m + v :] if self.biased else np.zeros(v))

    def flat(self, at: Point) -> Floats:
        return at.flat() if self.biased else np.concatenate([at.scores, at.ability])

    def value(self, flat: Floats) -> tuple[float, Floats]:
        """The objective and its gradient."""
        at = self.point(flat)
        loglik, *gradient = self.cells.loglik(at, self.crowd)
        away = (at.scores, at.ability - self.centre, at.bias)
        value = loglik - 0.5 * sum(float(p * (x @ x)) for p, x in zip(self.precision, away, strict=True))
        parts = [g - p * x for g, p, x in zip(gradient, self.precision, away, strict=True)]
        return value, np.concatenate(parts if self.biased else parts[:2])

    @cached_property
    def met(self) -> Floats:
        """Comparisons that bear on each parameter, plus its prior's precision: the unit of the residual."""
        cells = self.cells
        number = cells.won + cells.lost
        scores = np.bincount(cells.first, number, cells.size) + np.bincount(cells.second, number, cells.size)
        by_voter = np.bincount(cells.voter, number, cells.voters)
        parts = [scores + self.precision[0], by_voter + self.precision[1], by_voter + self.precision[2]]
        return np.concatenate(parts if self.biased else parts[:2])

    def residual(self, gradient: Floats) -> float:
        return float((np.abs(gradient) / self.met).max())

    def newton(self, flat: Floats, gradient: Floats) -> Floats:
        """A Newton step: the voters' parameters are solved for voter by voter, the scores from what is left."""
        cells, at = self.cells, self.point(flat)
        m, v = cells.size, cells.voters
        by_voter = np.zeros((v, 2))
        by_voter[:, 0] = gradient[m : m + v]
        if self.biased:
            by_voter[:, 1] = gradient[m + v :]
        bend = cells.curvature(at, self.crowd)
        information, side = kernels.voters_reduce(
            cells.first, cells.second, cells.begin, bend, self.precision, gradient[:m].copy(), by_voter
        )
        step = np.linalg.solve(information, side)
        own = kernels.voters_solve(cells.first, cells.second, cells.begin, bend, self.precision, by_voter, step)
        return self.flat(Point(step, own[:, 0], own[:, 1]))

    def maximise(self, start: Point, tolerance: float, limit: int) -> tuple[Floats, float, float, int]:
        """A local maximum: the point, the objective, the residual and the steps."""

        def loss(flat: Floats) -> tuple[float, Floats]:
            value, gradient = self.value(flat)
            return -value, -gradient

        flat, steps = self.flat(start), 0
        # loosely first, for near the summit Newton's steps are worth many of the other kind
        for goal in (1e-2, 1e-2 * tolerance):
            found = solvers.minimise(loss, flat, tolerance=goal * float(self.met.min()), limit=max(limit - steps, 0))
            flat, steps = found.point, steps + found.steps
            value, gradient = self.value(flat)
            residual = self.residual(gradient)
            while residual > tolerance and steps < limit and self.cells.size <= LARGEST:
                trial = flat + self.newton(flat, gradient)
                renewed, slope = self.value(trial)
                if not self.residual(slope) < residual or renewed < value - 1e-9 * abs(value):
                    break
                flat, value, gradient, residual, steps = trial, renewed, slope, self.residual(slope), steps + 1
            if residual <= tolerance or steps >= limit:
                break
        return flat, value, residual, steps


def shares(x: Floats) -> Floats:
    """σ(x) without overflow."""
    from scipy.special import expit

    return np.asarray(expit(x), np.float64)


def listed(labels: Any) -> list[Any]:
    """A list or array of labels as a list; anything else is one label."""
    if isinstance(labels, np.ndarray):
        return list(labels.tolist()) if labels.ndim else [labels.item()]
    return list(labels) if isinstance(labels, list) else [labels]


def count_cells(comparisons: Comparisons, ordered: bool, ties: Ties) -> Cells:
    if not isinstance(comparisons, Comparisons):
        raise TypeError(f"needed Comparisons, with voters, got {type(comparisons).__name__}")
    if comparisons.voter is None:
        raise ValueError("annotators: needed to know who answered; give voter= when the comparisons are made")
    if ordered and comparisons.order is None:
        raise ValueError(
            "annotators: a position bias needs to know which alternative was shown first; give order= when the "
            "comparisons are made (1 where the winner was), or position_bias=False"
        )
    if ties not in ("half", "drop"):
        raise ValueError(f"annotators: ties must be 'half' or 'drop', got {ties!r}")
    counts = comparisons.counts("voter", "order") if ordered else comparisons.counts("voter")
    share = 0.5 if ties == "half" else 0.0
    won, lost = counts.won + share * counts.tied, counts.lost + share * counts.tied
    keep = np.flatnonzero(won + lost > 0)
    if not keep.size:
        raise ValueError("annotators: no comparison is left once ties are dropped; use ties='half'")
    assert counts.voter is not None
    keep = keep[np.argsort(counts.voter[keep], kind="stable")]
    voter, voters = counts.voter[keep], len(comparisons.voters)
    return Cells(
        first=counts.first[keep], second=counts.second[keep], voter=voter,
        order=np.zeros(len(keep)) if counts.order is None else counts.order[keep].astype(np.float64),
        won=np.asarray(won[keep], np.float64), lost=np.asarray(lost[keep], np.float64),
        begin=np.searchsorted(voter, np.arange(voters + 1)), size=len(comparisons.alternatives), voters=voters,
    )  # fmt: skip


def climb(
    problem: Problem, prior: float, tolerance: float, limit: int
) -> tuple[Floats, float, float, int, list[tuple[float, Floats]]]:
    """The highest of the summits (point, objective, residual, steps), and each summit's objective and scores."""
    size = problem.cells.size
    found = [problem.maximise(start, tolerance, limit) for start in _starts(problem, prior)]
    best = max(found, key=lambda summit: summit[1])
    at = problem.point(best[0])
    found.append(problem.maximise(Point(-at.scores, -at.ability, at.bias), tolerance, limit))
    highest = max(summit[1] for summit in found)
    # of summits that are as high as can be told, the one that was reached best
    best = min((s for s in found if s[1] >= highest - 1e-7 * (1 + abs(highest))), key=lambda summit: summit[2])
    return *best, [(summit[1], summit[0][:size]) for summit in found]


def _starts(problem: Problem, prior: float) -> list[Point]:
    """The pooled scores with everybody reliable, and scores with the minority's answers turned round."""
    cells = problem.cells
    code, edge = np.unique(cells.first * cells.size + cells.second, return_inverse=True)
    side = kernels.leading_signs(edge, cells.voter, cells.won - cells.lost, len(code), cells.voters, 50)
    side = side if side.sum() >= 0 else -side
    starts = []
    for turned in (np.zeros(cells.voters, np.bool_), side < 0):
        scores = fit_pairs(cells.pairs(turned), tuple(range(cells.size)), prior=prior).scores
        starts.append(
            Point(np.array(scores), np.where(turned, -problem.centre, problem.centre), np.zeros(cells.voters))
        )
    return starts if (side < 0).any() else starts[:1]


def doubts(problem: Problem, fit: AnnotatorFit, tried: list[tuple[float, Floats]]) -> list[str]:
    """What is not identified but by the priors."""
    cells, found = problem.cells, []
    turned = [value for value, scores in tried if scores @ fit.scores <= 0 and not np.array_equal(scores, fit.scores)]
    if turned and fit.objective - max(turned) < NEAR:
        found.append(
            f"turned round, scores and reliabilities fit nearly as well (objective {max(turned):.2f} against "
            f"{fit.objective:.2f}): no clear majority of reliable voters says which way round the scores are. More "
            "answers a voter, or a smaller ability_prior, would"
        )
    parts, label = graphs.components(cells.first, cells.second, cells.size, strong=False)
    if parts > 1:
        few = [tuple(fit.alternatives[a] for a in np.flatnonzero(label == part)[:3]) for part in range(min(parts, 3))]
        found.append(
            f"the alternatives fall into {parts} parts that never meet (one holds {short(few[0], 3)}, another "
            f"{short(few[1], 3)}): scores between them come from the prior alone"
        )
    if problem.biased and cells.size <= LARGEST and _order_is_lost(cells):
        found.append(
            "the order shown is a difference of scores (no pair, and no circle of pairs, was shown both ways round): "
            "the voters' common position bias is told from the scores by the priors alone"
        )
    return found


def _order_is_lost(cells: Cells) -> bool:
    """Whether order is exactly a difference of numbers given to the alternatives."""
    number = cells.won + cells.lost
    laplacian = np.zeros((cells.size, cells.size))
    np.add.at(laplacian, (cells.first, cells.first), number)
    np.add.at(laplacian, (cells.second, cells.second), number)
    np.subtract.at(laplacian, (cells.first, cells.second), number)
    np.subtract.at(laplacian, (cells.second, cells.first), number)
    flow = np.bincount(cells.first, number * cells.order, cells.size)
    flow -= np.bincount(cells.second, number * cells.order, cells.size)
    potential = np.linalg.lstsq(laplacian, flow, rcond=None)[0]
    left = cells.order - (potential[cells.first] - potential[cells.second])
    return bool(number @ left**2 <= 1e-9 * (number @ cells.order**2))
