"""The Plackett–Luce model of rankings, with ties and features of the alternatives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import tied_stages
from choicekit.models import _stages
from choicekit.models.fit import Estimates, Fit
from choicekit.outcomes import NotConverged
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Unranked = Literal["below", "absent"]
Features = Mapping[str, ArrayLike | Mapping[Any, float]]

_LARGEST_DENSE = 1_000
_LARGEST_COVARIANCE = 5_000


def plackett_luce(
    rankings: Rankings,
    *,
    prior: float | None = None,
    unranked: Unranked = "below",
    features: Features | None = None,
    start: Fit | ArrayLike | None = None,
    tolerance: float = 1e-10,
    limit: int = 100,
) -> Fit:
    """Fit the Plackett–Luce model: a ranking is a row of choices, each of the best of those that are left.

    From the set A of those left, the tier C is chosen with probability δ_k exp(mean score of C) / Σ over all the sets
    of sizes that may tie, k = |C|, δ_1 = 1. Without ties that is exp(s_i) / Σ_A exp(s_j). The last one left is no
    choice; a tier of two or more that ends a ranking is one, a tie. Sizes of tiers that no ranking shows are not
    possible ones: their δ is 0, as their maximum-likelihood estimate would be. With two alternatives a ranking this is
    the model of Bradley and Terry, with ties that of Davidson.

    Parameters
    ----------
    rankings : the ballots; weights count as repeated ballots.
    prior : variance of independent N(0, prior) priors on the scores, or on the features' effects where there are
        features; ``None`` for maximum likelihood. There is none on log δ.
    unranked : ``"below"``: an unranked alternative could have been chosen at every stage and was not (a ballot of the
        best few); ``"absent"``: it was not there (a race of some).
    features : from a feature's name to its m values in the order of ``rankings.alternatives``, or to a mapping from
        labels to values. Then scores = Σ value · effect, less their mean.
    start : where to begin: m scores, or a fit of the same alternatives. The answer does not depend on it.
    tolerance : bound on :attr:`Fit.residual`, |expected − observed| choices per stage the alternative was there for.
    limit : the number of Newton steps after which to give up.

    Returns a :class:`Fit` with mean-zero scores, ``effects`` "tie" (log δ_2), "tie3", … for the sizes of ties there
    were, then the features', and the number of stages as ``comparisons``.

    Raises
    ------
    NoFiniteEstimate : without a prior, where "ranked above" (a tie both ways) does not join all alternatives in both
        directions (Hunter 2004), or ties or features let some other direction improve the fit without
        end; with or without, where some log δ would be infinite.
    NotConverged : the tolerance was not met; carries the partial fit.
    ValueError : no ranking holds a choice, features that others determine (without a prior), options out of range.

    Source: Plackett 1975 (doi:10.2307/2346567); Luce 1959; Hunter 2004 (doi:10.1214/aos/1079120141); ties: Turner,
    van Etten, Firth and Kosmidis 2020 (doi:10.1007/s00180-020-00959-3), after Davidson 1970.

    >>> votes = Rankings.from_orders({"abc": 1, "acb": 1, "bac": 1, "cab": 1})
    >>> plackett_luce(votes).worths().values.round(3).tolist()
    [0.618, 0.191, 0.191]
    >>> fit = plackett_luce(Rankings.from_orders([[{"a", "b"}], "ab", "ba"]))
    >>> round(fit.tie_parameter, 9), round(fit.loglik, 6) == round(3 * math.log(1 / 3), 6)
    (1.0, True)
    >>> plackett_luce(Rankings.from_orders({"abc": 2, "bac": 1}))
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NoFiniteEstimate: no finite maximum-likelihood estimate exists: ...
    """
    if not isinstance(rankings, Rankings):
        raise TypeError(f"plackett_luce: needed Rankings, got {type(rankings).__name__}")
    if not tolerance > 0 or limit < 0:
        raise ValueError(f"plackett_luce: tolerance must be above 0 and limit at least 0, got {tolerance} and {limit}")
    _check(prior, unranked)
    alternatives, size = rankings.alternatives, len(rankings.alternatives)
    stages = _stages.stages_of(rankings, unranked == "below")
    design = None if features is None else _design(features, alternatives)
    _stages.require_finite_ties(stages, alternatives)
    if prior is None and design is None:
        _stages.require_finite(stages, alternatives)
    elif prior is None and design is not None and features is not None:
        _require_rank(stages, tuple(features), design)
        _stages.require_finite_effects(stages, alternatives, tuple(features), design)
    problem = _Problem(stages, design, 0.0 if prior is None else 1 / prior)
    point, iterations, residual = _maximise(problem, problem.begin(start, alternatives), tolerance, limit)
    at = problem.at(point)
    ties = ["tie" if k == 2 else f"tie{k}" for k in stages.sizes[1:].tolist()]
    effects = dict(zip(ties, at[size:].tolist(), strict=True))
    effects |= dict(zip(features or (), point.tolist(), strict=False))
    fit = Fit(
        model="plackett_luce",
        alternatives=alternatives,
        scores=frozen(at[:size] - at[:size].mean()),
        effects=effects,
        converged=bool(residual <= tolerance),
        iterations=iterations,
        residual=residual,
        prior=prior,
        comparisons=stages.total,
        _likelihood=_StageLikelihood(problem, point),
    )
    if not fit.converged:
        raise NotConverged(
            f"plackett_luce: residual {residual:.1e} after {iterations} steps, above the tolerance {tolerance:.1e}; "
            "raise limit=, loosen tolerance= or pass a prior. The partial fit is in .partial",
            fit,
        )
    return fit


def choice_probabilities(fit: Fit, subset: Iterable[Label] | None = None) -> Estimates:
    """How likely each of some alternatives is to be the first choice among them, with errors.

    ``subset`` are two labels or more, by default all. A tie for the first place counts as a share of it, so that the
    values sum to one: Σ over sets C that may tie of P(C)·1[i ∈ C]/|C|. Errors are by the delta method, intervals on
    the logit scale. For fits of :func:`plackett_luce`, Bradley–Terry or Davidson. Raises ``KeyError`` for an unknown
    label, ``ValueError`` for fewer than two, one twice, or another model.

    >>> fit = plackett_luce(Rankings.from_orders({"abc": 1, "acb": 1, "bac": 1, "cab": 1}))
    >>> choice_probabilities(fit, "ab").values.round(3).tolist()                # 0.618 / (0.618 + 0.191)
    [0.764, 0.236]
    """
    labels = fit.alternatives if subset is None else tuple(subset)
    places = np.array([fit.position(label) for label in labels], np.int64)
    if len(places) < 2 or len(set(labels)) < len(labels):
        raise ValueError(f"choice_probabilities: needed two or more different alternatives, got {short(labels)}")
    sizes, logs, where = _tie_sizes(fit)
    size, none = len(fit.scores), np.zeros(1, np.bool_)
    begin, level = np.array([0, len(places)]), np.zeros(len(places), np.int64)
    scores = fit.scores - fit.scores[places].max()
    # One ballot on which all are tied is one stage: its gradient the shares, its Hessian how they change.
    stage = (places, level, begin, np.ones(1), none, scores, sizes, logs)
    shares = tied_stages.tied(*stage, np.zeros(size), np.zeros(len(sizes)))[1][0]
    change = np.delete(tied_stages.tied_hessian(*stage)[places], size, axis=1)
    kept = np.concatenate([np.arange(size), where])
    joint = fit.joint_covariance[np.ix_(kept, kept)]
    return Estimates(labels, frozen(shares[places]), frozen(change @ joint @ change.T), "logit")


def ranking_log_probabilities(fit: Fit, rankings: Rankings, *, unranked: Unranked = "below") -> Floats:
    """The log-probability ``[n]`` that a fit gives each ranking; weights are not used.

    −∞ where more are tied than the fit knows of, 0 where a ranking holds no choice. ``unranked`` is as in
    :func:`plackett_luce`. Raises ``ValueError`` where the alternatives are not those of the fit, or for another model.

    >>> votes = Rankings.from_orders({"abc": 1, "acb": 1, "bac": 1, "cab": 1})
    >>> fit = plackett_luce(votes)
    >>> bool(np.isclose(ranking_log_probabilities(fit, votes).sum(), fit.loglik))
    True
    """
    _check(None, unranked)
    if set(rankings.alternatives) != set(fit.alternatives):
        raise ValueError(
            f"ranking_log_probabilities: needed rankings of {short(fit.alternatives)}, got ones of "
            f"{short(rankings.alternatives)}"
        )
    columns = [rankings.alternatives.index(label) for label in fit.alternatives]
    sizes, logs, _ = _tie_sizes(fit)
    order, level, begin, _, rest, rows = _stages.ballots(
        np.ascontiguousarray(rankings.ranks[:, columns]),
        np.ones(len(rankings.ranks)),
        unranked == "below",
        merged=False,
    )
    out = np.zeros(len(rankings.ranks))
    out[rows] = tied_stages.log_chances(order, level, begin, rest, fit.scores - fit.scores.max(), sizes, logs)
    return out


def _check(prior: float | None, unranked: str) -> None:
    if prior is not None and not (isinstance(prior, int | float | np.number) and 0 < prior < math.inf):
        raise ValueError(f"plackett_luce: prior must be a positive variance or None, got {prior!r}")
    if unranked not in ("below", "absent"):
        raise ValueError(f"unranked must be 'below' or 'absent', got {unranked!r}")


def _tie_sizes(fit: Fit) -> tuple[NDArray[np.int64], Floats, NDArray[np.int64]]:
    """The sizes that may be chosen, their log δ, and where those stand in the joint covariance."""
    if fit.model not in ("plackett_luce", "bradley_terry", "davidson"):
        raise ValueError(f"needed a fit of plackett_luce, bradley_terry or davidson, got one of {fit.model}")
    size = len(fit.scores)
    ties = [(int(name[3:] or 2), size + at, fit.effects[name]) for at, name in enumerate(fit.effects) if _is_tie(name)]
    sizes, where, logs = zip(*ties, strict=True) if ties else ((), (), ())
    return np.array([1, *sizes], np.int64), np.array([0.0, *logs]), np.array(where, np.int64)


def _is_tie(name: str) -> bool:
    return name[:3] == "tie" and (name[3:] == "" or name[3:].isdigit())


def _design(features: Features, alternatives: tuple[Label, ...]) -> Floats:
    """The features ``[m, k]``, each less its mean."""
    columns = []
    for name, values in features.items():
        if _is_tie(name):
            raise ValueError(f"features: {name!r} is the name of a tie parameter; give the feature another")
        if isinstance(values, Mapping):
            lacking = [label for label in alternatives if label not in values]
            if lacking:
                raise ValueError(f"features: {name!r} has no value for {short(lacking)}")
            values = [values[label] for label in alternatives]
        column = np.array(values, np.float64)
        if column.shape != (len(alternatives),) or not np.isfinite(column).all():
            raise ValueError(
                f"features: {name!r} needs {len(alternatives)} finite numbers, one an alternative, got an array of "
                f"shape {column.shape}" + (" with NaN or infinity" if not np.isfinite(column).all() else "")
            )
        columns.append(column - column.mean())
    if not columns:
        raise ValueError("features: needed at least one feature, got none; leave features= out to fit free scores")
    return np.stack(columns, axis=1)


def _require_rank(stages: _stages.Stages, names: tuple[str, ...], design: Floats) -> None:
    """Raise ``ValueError`` where the features, less their means among those that meet, depend on each other."""
    met = _stages.meeting(stages)
    counts = np.bincount(met)
    means = np.stack([np.bincount(met, column) / counts for column in design.T], axis=1)
    within = design - means[met]
    length = np.linalg.norm(within, axis=0)
    flat = [name for name, long, full in zip(names, length, np.linalg.norm(design, axis=0), strict=True)
            if long <= 1e-10 * full or full == 0]  # fmt: skip
    if flat:
        raise ValueError(
            f"features: {short(flat)} tell none of the alternatives apart that meet; leave them out or pass a prior"
        )
    values, directions = np.linalg.svd(within / length)[1:]
    if len(values) < len(names) or values[-1] <= 1e-10 * values[0]:
        weights = directions[-1]
        mixed = [name for name, weight in zip(names, weights, strict=True) if abs(weight) > 1e-6]
        raise ValueError(
            f"features: {short(mixed)} determine each other among the alternatives that meet, so that their effects "
            "cannot be told apart; leave one out or pass a prior"
        )


@dataclass(frozen=True, eq=False)
class _Problem:
    """The log-likelihood less ½·precision·‖·‖² of points: scores, or with a design the features' effects; then logs."""

    stages: _stages.Stages
    design: Floats | None
    precision: float

    @property
    def free(self) -> int:
        """How many of a point's entries the prior is on."""
        return self.stages.size if self.design is None else self.design.shape[1]

    def begin(self, start: Fit | ArrayLike | None, alternatives: tuple[Label, ...]) -> Floats:
        """A point to begin at; without a start equal scores, with ties as frequent as they were."""
        stages, size, logs = self.stages, self.stages.size, self.stages.guess()
        if start is None:
            return np.concatenate([np.zeros(self.free), logs])
        if isinstance(start, Fit):
            if start.alternatives != alternatives:
                raise ValueError("plackett_luce: start= is a fit of other alternatives")
            known = dict(zip(*(part.tolist() for part in _tie_sizes(start)[:2]), strict=True))
            logs = np.array([known.get(k, log) for k, log in zip(stages.sizes[1:].tolist(), logs, strict=True)])
            start = start.scores
        scores = np.array(start, np.float64)
        if scores.shape != (size,) or not np.isfinite(scores).all():
            raise ValueError(f"plackett_luce: start must be {size} finite scores or a fit, got shape {scores.shape}")
        if self.design is not None:
            scores = np.linalg.lstsq(self.design, scores - scores.mean())[0]
        elif not self.precision:
            scores = scores - scores.mean()
        return np.concatenate([scores, logs])

    def at(self, point: Floats) -> Floats:
        """Scores and logs ``[m + q]`` of a point, or of a change of one."""
        if self.design is None:
            return point
        return np.concatenate([self.design @ point[: self.free], point[self.free :]])

    def back(self, change: Floats) -> Floats:
        """The transpose of :meth:`at`."""
        if self.design is None:
            return change
        size = self.stages.size
        return np.concatenate([self.design.T @ change[:size], change[size:]])

    def pull(self, point: Floats) -> Floats:
        return self.precision * np.append(point[: self.free], np.zeros(len(point) - self.free))

    def value(self, point: Floats) -> tuple[float, Floats, Floats]:
        """The objective, its gradient, and the diagonal for conjugate gradients."""
        value, gradient, diagonal, _ = self.stages.evaluate(self.at(point))
        pull = self.pull(point)
        return value - 0.5 * float(pull @ point), self.back(gradient) - pull, diagonal

    def scale(self) -> Floats:
        """What the gradient is measured by: how often an alternative or a tie could have been chosen."""
        size, met = self.stages.size, self.stages.met
        if self.design is None:
            out = met + self.pull(np.ones(len(met)))
        else:
            out = np.concatenate([np.abs(self.design).T @ met[:size] + self.precision, met[size:]])
        return np.maximum(out, 1e-300)

    def information(self, point: Floats) -> Floats:
        """The information of a point with the prior's, ``[p, p]``."""
        at, count = self.at(point), len(point)
        if self.design is None:
            found = self.stages.information(at)
        elif self.stages.size <= _LARGEST_DENSE and not self.stages.by_products:
            half = np.stack([self.back(row) for row in self.stages.information(at)])
            found = np.stack([self.back(column) for column in half.T])
        else:
            found = np.stack([self.back(self.stages.evaluate(at, self.at(unit))[3]) for unit in np.eye(count)])
        return found + np.diag(self.pull(np.ones(count)))

    def inverse(self, point: Floats) -> Floats:
        """The inverse information, without the direction in which all scores change alike."""
        found = self.information(point)
        if self.design is not None:
            return np.asarray(np.linalg.inv(found), np.float64)
        # That direction is an eigenvector: give it a curvature like the others', and take its part off the inverse.
        size = self.stages.size
        curvature = float(np.trace(found)) / len(found)
        every = np.zeros_like(found)
        every[:size, :size] = 1 / size
        inverse = np.linalg.inv(found / curvature + every) / curvature
        return np.asarray(inverse - every / (self.precision + curvature), np.float64)

    def step(self, point: Floats, gradient: Floats, diagonal: Floats, accuracy: float) -> Floats:
        """Newton's step: by Cholesky's factors, or where they would be large by conjugate gradients."""
        if len(point) > _LARGEST_DENSE or (self.design is None and self.stages.by_products):
            return self._conjugate_gradient(point, gradient, diagonal, accuracy)
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        found = self.information(point)
        if self.design is None and not self.precision:
            found[: self.free, : self.free] += float(np.trace(found)) / len(found) / self.free
        scale = 1 / np.sqrt(np.maximum(np.diag(found), 1e-300))
        scaled = found * np.outer(scale, scale)
        for ridge in (0.0, 1e-12, 1e-8, 1e-4, 1.0):
            try:
                factor = cho_factor(scaled + ridge * np.eye(len(scaled)))
            except LinAlgError:
                continue
            break
        return np.asarray(scale * cho_solve(factor, scale * gradient), np.float64)

    def _conjugate_gradient(self, point: Floats, gradient: Floats, diagonal: Floats, accuracy: float) -> Floats:
        """Jacobi-preconditioned; without a prior what rounding leaves along equal changes is taken out."""
        at, size = self.at(point), self.free
        weight = np.maximum(diagonal + self.pull(np.ones(len(point))), 1e-300)
        step, residual = np.zeros(len(point)), gradient.copy()
        direction, before, goal = np.zeros(len(point)), 1.0, 0.0
        for iteration in range(2 * len(point) + 100):
            if not self.precision:
                residual[:size] -= weight[:size] * (residual[:size].sum() / weight[:size].sum())
            scaled = residual / weight
            now = float(residual @ scaled)
            goal = goal or accuracy**2 * now
            if now <= goal:
                break
            direction = scaled + (now / before if iteration else 0.0) * direction
            image = self.stages.evaluate(at, direction)[3] + self.pull(direction)
            bend = float(direction @ image)
            if bend <= 0:
                break
            step += now / bend * direction
            residual -= now / bend * image
            before = now
        if not self.precision:
            step[:size] -= step[:size].mean()
        return step


def _maximise(problem: _Problem, point: Floats, tolerance: float, limit: int) -> tuple[Floats, int, float]:
    """Newton's method, with steps that change no difference on a ballot by more than 2, halved if the value falls."""
    scale, size = problem.scale(), problem.stages.size
    value, gradient, diagonal = problem.value(point)
    for iteration in range(limit + 1):
        residual = float((np.abs(gradient) / scale).max())
        if residual <= tolerance or iteration == limit:
            return point, iteration, residual
        step = problem.step(point, gradient, diagonal, min(0.1, residual))
        change = problem.at(step)
        widest = max(problem.stages.widest(change[:size]), np.abs(change[size:]).max(initial=0.0))
        step = step * min(1.0, 2.0 / max(widest, 1e-300))
        for _ in range(30):
            trial = problem.value(point + step)
            if trial[0] >= value - 1e-12 * abs(value):
                break
            step = step / 2
        else:
            return point, iteration, residual
        point, (value, gradient, diagonal) = point + step, trial
    return point, limit, residual


@dataclass(frozen=True, eq=False)
class _StageLikelihood:
    """The likelihood of stages at a fitted point."""

    problem: _Problem
    point: Floats

    def loglik(self) -> float:
        return self.problem.stages.evaluate(self.problem.at(self.point))[0]

    def covariance(self) -> Floats:
        """Of the mean-zero scores, the log δ, and the features' effects, from the inverse information."""
        problem, size = self.problem, self.problem.stages.size
        if size > _LARGEST_COVARIANCE:
            raise ValueError(
                f"covariance: {size} alternatives need a dense {size} × {size} matrix; the limit is "
                f"{_LARGEST_COVARIANCE}. Fit the alternatives of interest alone, or scores by features"
            )
        inverse = problem.inverse(self.point)
        if problem.design is None:
            return inverse
        every = np.eye(len(self.point))
        spread = np.stack([problem.at(unit) for unit in every], axis=1)
        spread = np.concatenate([spread, every[: problem.free]])
        return np.asarray(spread @ inverse @ spread.T, np.float64)
