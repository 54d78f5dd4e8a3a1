"""Bradley–Terry with modelled ties, an order effect and features, by Newton's method on all parameters at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import effects, luce
from choicekit.outcomes import NoFiniteEstimate
from choicekit.solvers import linear_program

Floats = NDArray[np.float64]
Ints = NDArray[Any]

LARGEST_DENSE = 600
_LARGEST_PROGRAMME = 8_000_000

#: The models' numbers in the kernels.
CODES = {"bradley_terry": 0, "davidson": 1, "rao_kupper": 2}


@dataclass(frozen=True)
class Cells:
    """Counted comparisons with their covariates ``[c, k]``, whose slopes are the effects after the tie parameter.

    Where ``free`` is false there are no scores of their own: the covariates alone explain who wins.
    """

    model: int
    size: int
    first: Ints
    second: Ints
    won: Floats
    lost: Floats
    tied: Floats
    covariates: Floats
    free: bool = True

    @property
    def count(self) -> Floats:
        """How often each cell's pair met."""
        return np.asarray(self.won + self.lost + self.tied, np.float64)


class Parameters(NamedTuple):
    """Where a fit stands."""

    scores: Floats
    tie: float
    slopes: Floats


class Found(NamedTuple):
    """The end of an iteration."""

    at: Parameters
    iterations: int
    residual: float


def maximise(
    cells: Cells, prior: float | None, start: Floats | Parameters | None, tolerance: float, limit: int
) -> Found:
    """The penalised maximum-likelihood estimate: N(0, prior) on scores and slopes, none on the tie parameter.

    All three models are concave in their parameters (Davidson's in log ν, Rao and Kupper's in log θ), so that a
    Newton step, halved while the objective rises, finds the one maximum.
    """
    precision = 0.0 if prior is None else 1 / prior
    at = start if isinstance(start, Parameters) else _begin(cells, start)
    objective = _objective(cells, at, precision)
    residual = math.inf
    for iteration in range(limit + 1):
        slopes = _derivatives(cells, at, precision)
        residual = float((np.abs(slopes.gradient) / slopes.met).max())
        if residual <= tolerance or iteration == limit:
            return Found(at, iteration, residual)
        sparse = cells.free and cells.size > LARGEST_DENSE
        step = _sparse_step(cells, slopes, precision) if sparse else _dense_step(cells, slopes, precision)
        size = cells.size if cells.free else 0
        longest = float(np.abs(_eta(cells, _stepped(cells, Parameters(at.scores * 0, 0.0, at.slopes * 0), step))).max())
        scale = min(1.0, 4.0 / max(longest, 1e-300), 2.0 / max(abs(float(step[size])), 1e-300))
        if cells.model == 2 and at.tie + scale * step[size] <= 0.1 * at.tie:
            scale = 0.9 * at.tie / -float(step[size])
        for _ in range(40):
            trial = _stepped(cells, at, scale * step)
            renewed = _objective(cells, trial, precision)
            if renewed <= objective + 1e-13 * abs(objective):
                break
            scale *= 0.5
        at, objective = trial, renewed
    raise AssertionError("the loop returns")


def information(cells: Cells, at: Parameters) -> Floats:
    """Minus the second derivatives of the log-likelihood ``[m + 1 + k, m + 1 + k]``, no prior; without the scores'
    rows where they are not free."""
    return _dense(cells, _derivatives(cells, at, 0.0))


def inverse(cells: Cells, info: Floats, prior: float | None) -> Floats:
    """The inverse of information and prior, in the gauge where scores have mean zero."""
    return _inverted(cells, info, 0.0 if prior is None else 1 / prior)


def settled(cells: Cells, found: Found, prior: float | None, tolerance: float) -> Found:
    """The end of an iteration, once it is known to be near a maximum; raises ``NoFiniteEstimate`` where there is none.

    Where outcomes are separated the likelihood rises for ever, ever more slowly, and passes any tolerance on the way;
    each further Newton step then adds about 1 to some log-odds, while it adds nothing to an estimate that exists.
    Where steps still add, or never met the tolerance, :func:`separated` decides, and an estimate that does exist (one
    that a few light comparisons hold) is climbed to its end.
    """
    reach, converged = _reach(cells, found.at), found.residual <= tolerance
    weight = np.concatenate([cells.won, cells.lost, cells.tied])
    # where the lightest outcomes are light beside all, the tolerance is met before they have shown which way they go
    light = math.log(float(weight[weight > 0].min() / weight.sum()) / tolerance) - 1
    if converged and reach < min(12.0, -0.4 * math.log(tolerance), light):
        return found
    further = maximise(cells, prior, found.at, 0.0, 5)
    growth = _reach(cells, further.at) - reach
    if converged and growth <= 1.5 and light > 2:
        return found
    if prior is None and separated(cells, otherwise=growth > 1.5):
        raise NoFiniteEstimate(
            "no finite maximum-likelihood estimate exists: some change of the scores, the tie parameter and the "
            "effects makes every observed outcome at least as likely, however far it goes (complete or partial "
            "separation). Ways out: a prior (prior=1.0), fewer features, or more comparisons",
            (),
        )
    if not converged:
        return found
    steps, at = found.iterations + further.iterations, further
    for _ in range(20):
        if abs(growth) <= 1e-6:
            break
        at = maximise(cells, prior, at.at, 0.0, 10)
        steps, growth, reach = steps + at.iterations, _reach(cells, at.at) - reach - growth, reach + growth
    return Found(at.at, steps, at.residual)


def separated(cells: Cells, *, otherwise: bool) -> bool:
    """Whether along some direction no outcome ever becomes less likely and some becomes likelier: then, and only then,
    the likelihood has no maximum.

    A linear programme with a row for each thing that must not fall: for a win against 0 the log-odds (half a win: both
    ways), Davidson's η and η/2 − log ν, Rao and Kupper's η − log θ; for a tie log ν ∓ η/2, log θ ∓ η. ``otherwise``
    is the answer where the programme would be too large.
    """
    extra = (0 if cells.model == 0 else 1) + _slopes(cells)
    width = (cells.size if cells.free else 0) + extra
    if 4 * len(cells.first) * width > _LARGEST_PROGRAMME:
        return otherwise
    eta = np.zeros((len(cells.first), width))
    if cells.free:
        eta[np.arange(len(eta)), cells.first] = 1.0
        eta[np.arange(len(eta)), cells.second] = -1.0
    eta[:, width - _slopes(cells) :] = cells.covariates
    tie = np.zeros(width)
    tie[width - extra] = float(cells.model > 0)
    won, lost, tied = eta[cells.won > 0], -eta[cells.lost > 0], eta[cells.tied > 0]
    ahead = np.concatenate([won, lost])
    level = np.concatenate([tied, -tied])
    if cells.model == 0:
        rows = np.concatenate([ahead, level])
    elif cells.model == 1:
        rows = np.concatenate([ahead, ahead / 2 - tie, level / 2 + tie])
    else:
        rows = np.concatenate([ahead - tie, level + tie])
    scale = np.abs(rows).max(0)
    rows = rows[:, scale > 0] / scale[scale > 0]
    rows = np.unique(rows / np.maximum(np.abs(rows).max(1, keepdims=True), 1e-300), axis=0)
    nothing = np.zeros((1, rows.shape[1])), np.zeros(1)
    away = linear_program(
        -rows.mean(0), at_most=(-rows, np.zeros(len(rows))), equal=nothing, bounds=[(-1.0, 1.0)] * rows.shape[1]
    )
    return bool((rows @ away).max() > 1e-6)


def _reach(cells: Cells, at: Parameters) -> float:
    return float(np.abs(_eta(cells, at)).max()) + abs(at.tie)


def _slopes(cells: Cells) -> int:
    return int(cells.covariates.shape[1])


def _begin(cells: Cells, start: Floats | None) -> Parameters:
    scores = np.zeros(cells.size) if start is None or not cells.free else np.array(start, np.float64)
    return Parameters(scores, _first_tie(cells), np.zeros(_slopes(cells)))


def _first_tie(cells: Cells) -> float:
    """The tie parameter that fits the share of ties among equals."""
    tied, all_of_them = float(cells.tied.sum()), float(cells.count.sum())
    share = min(max(tied / all_of_them, 1e-6), 1 - 1e-6)
    if cells.model == 1:
        return math.log(2 * share / (1 - share))
    return math.log((1 + share) / (1 - share)) if cells.model == 2 else 0.0


def _stepped(cells: Cells, at: Parameters, step: Floats) -> Parameters:
    size = cells.size if cells.free else 0
    scores = at.scores + step[:size] if cells.free else at.scores
    return Parameters(scores, at.tie + float(step[size]), at.slopes + step[size + 1 :])


def _eta(cells: Cells, at: Parameters) -> Floats:
    return effects.predictor(cells.first, cells.second, cells.covariates, at.scores, at.slopes)


def _objective(cells: Cells, at: Parameters, precision: float) -> float:
    loss = effects.value(cells.model, _eta(cells, at), at.tie, cells.won, cells.lost, cells.tied)
    return float(loss) + 0.5 * precision * float(at.scores @ at.scores + at.slopes @ at.slopes)


class _Slopes(NamedTuple):
    """Derivatives of the objective: the gradient and what its entries are compared with; the curvature of each cell,
    and the mixed ``[m, q]`` and corner ``[q, q]`` blocks of the second derivatives."""

    gradient: Floats
    met: Floats
    curvature: Floats
    mixed: Floats
    corner: Floats


def _derivatives(cells: Cells, at: Parameters, precision: float) -> _Slopes:
    gradient, met, own, curvature, mixed, corner = effects.derivatives(
        cells.model, cells.first, cells.second, cells.covariates, cells.won, cells.lost, cells.tied, _eta(cells, at),
        at.tie, cells.size,
    )  # fmt: skip
    corner[1:, 1:] += precision * np.eye(len(own) - 1)
    own = own + np.concatenate([[0.0], precision * at.slopes])
    if cells.model == 0:
        corner[0] = corner[:, 0] = 0.0
        corner[0, 0] = 1.0
    weight = cells.count
    reach = np.concatenate([[weight.sum()], weight @ np.abs(cells.covariates)]) + precision
    if cells.free:
        own, reach = np.concatenate([gradient + precision * at.scores, own]), np.concatenate([met + precision, reach])
    return _Slopes(own, np.maximum(reach, 1e-300), curvature, mixed, corner)


def _dense(cells: Cells, slopes: _Slopes, precision: float = 0.0) -> Floats:
    """The second derivatives as one matrix."""
    if not cells.free:
        return slopes.corner
    size, extras = cells.size, len(slopes.corner)
    full = np.zeros((size + extras, size + extras))
    np.add.at(full, (cells.first, cells.second), -slopes.curvature)
    full[:size, :size] += full[:size, :size].T
    full[np.arange(size), np.arange(size)] = precision - full[:size, :size].sum(1)
    full[:size, size:], full[size:, :size], full[size:, size:] = slopes.mixed, slopes.mixed.T, slopes.corner
    return full


def _gauged(cells: Cells, info: Floats, precision: float) -> tuple[Floats, Floats]:
    """The information scaled to a unit diagonal, the constant direction given a curvature of its own, and the scale."""
    full = info.copy()
    size = cells.size if cells.free else 0
    if precision:
        free = np.concatenate([np.arange(size), np.arange(size + 1, len(full))])
        full[free, free] += precision
    if size:
        full[:size, :size] += max(float(np.trace(full[:size, :size])) / size, 1e-300) / size
    scale = 1 / np.sqrt(np.maximum(np.diag(full), 1e-300))
    return full * np.outer(scale, scale), scale


def _dense_step(cells: Cells, slopes: _Slopes, precision: float) -> Floats:
    """A Newton step by elimination."""
    scaled, scale = _gauged(cells, _dense(cells, slopes, precision), 0.0)
    try:
        step = scale * np.linalg.solve(scaled, -scale * slopes.gradient)
    except np.linalg.LinAlgError:
        step = scale * np.linalg.lstsq(scaled, -scale * slopes.gradient, rcond=1e-13)[0]
    if cells.free and precision == 0.0:
        step[: cells.size] -= step[: cells.size].mean()
    return np.asarray(step, np.float64)


def _sparse_step(cells: Cells, slopes: _Slopes, precision: float) -> Floats:
    """A Newton step in which conjugate gradients take the scores out, and elimination finds the few other effects."""
    size = cells.size
    diagonal = np.full(size, precision)
    for side in (cells.first, cells.second):
        diagonal += np.bincount(side, slopes.curvature, size)

    def solved(target: Floats) -> Floats:
        found: Floats = luce.conjugate_gradient(
            cells.first, cells.second, slopes.curvature, precision, diagonal, np.ascontiguousarray(target), 1e-11
        )
        return found

    through = np.stack([solved(column) for column in slopes.mixed.T], axis=1)
    alone = solved(-slopes.gradient[:size])
    left = slopes.corner - slopes.mixed.T @ through
    others = np.linalg.lstsq(left, -slopes.gradient[size:] - slopes.mixed.T @ alone, rcond=1e-13)[0]
    scores = alone - through @ others
    return np.concatenate([scores - scores.mean() * (precision == 0.0), others])


def _inverted(cells: Cells, info: Floats, precision: float) -> Floats:
    scaled, scale = _gauged(cells, info, precision)
    values, vectors = np.linalg.eigh(scaled)
    if values[0] <= 1e-12 * values[-1]:
        raise ValueError(
            "bradley_terry: some effects cannot be told apart from each other or from the scores (the information is "
            "singular); leave a feature out, or pass a prior"
        )
    joint = (vectors / values) @ vectors.T * np.outer(scale, scale)
    if cells.free:
        size = cells.size
        centre = np.eye(len(joint))
        centre[:size, :size] -= 1 / size
        joint = centre @ joint @ centre.T
    if cells.model == 0:
        at = cells.size if cells.free else 0
        joint[at] = joint[:, at] = 0.0
    return np.asarray(joint, np.float64)
