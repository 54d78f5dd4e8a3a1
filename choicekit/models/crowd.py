"""How reliable each voter is, and who answers by position."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import annotators as kernels
from choicekit.models import _reliability as inner
from choicekit.models.fit import Estimates, quantile
from choicekit.models.luce import Ties
from choicekit.outcomes import NotConverged, winners
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Reliability = Literal["crowd", "discrimination"]

#: The centre of the prior on a voter's ability: reliability 0.9, or a slope of 1.
CENTRES = {"crowd": math.log(9.0), "discrimination": 1.0}


@dataclass(frozen=True, eq=False)
class AnnotatorFit:
    """Scores of alternatives together with the reliability of each voter.

    ``scores[m]`` have mean zero. ``reliability[v]``, in the order of ``voters``, is η_v in (0, 1) for the model
    ``"crowd"`` and the slope a_v for ``"discrimination"``; ``position_bias[v]`` is what an alternative shown first
    gains in log-odds with this voter, ``None`` where it was not asked for; ``answers[v]`` is the number of comparisons.
    ``loglik`` is the log-likelihood, ``objective`` that with the log-priors (up to a constant). ``residual`` is the
    largest entry of the objective's gradient per comparison that bears on the parameter. ``objectives`` are the local
    maxima that the several starts led to, the highest first. The priors' variances are kept.

    >>> votes = Comparisons(["a", "a", "a", "b"], ["b"] * 3 + ["a"], voter=["ann", "bob", "cat", "dan"])
    >>> fit = annotators(votes)
    >>> fit.winners, fit.reliability.round(2).tolist()
    (('a',), [0.9, 0.9, 0.9, 0.89])
    """

    model: Reliability
    alternatives: tuple[Label, ...]
    scores: Floats
    voters: tuple[Label, ...]
    reliability: Floats
    position_bias: Floats | None
    answers: Floats
    loglik: float
    objective: float
    objectives: tuple[float, ...]
    converged: bool
    iterations: int
    residual: float
    prior: float
    ability_prior: float
    bias_prior: float
    _problem: inner.Problem = field(repr=False, kw_only=True)
    _point: inner.Point = field(repr=False, kw_only=True)

    @property
    def winners(self) -> tuple[Label, ...]:
        """The labels with the highest score.

        >>> annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"])).winners
        ('a',)
        """
        return winners(self.alternatives, self.scores)

    @cached_property
    def _curvature(self) -> Floats:
        return self._problem.cells.curvature(self._point, self._problem.crowd)

    @cached_property
    def covariance(self) -> Floats:
        """The covariance ``[m, m]`` of the scores, mean zero, the voters' parameters being estimated too.

        The scores' block of the inverse of the observed joint information, priors included. Raises ``ValueError``
        above 5,000 alternatives.

        >>> fit = annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"]))
        >>> fit.covariance.shape
        (2, 2)
        """
        cells, size = self._problem.cells, len(self.alternatives)
        if size > inner.LARGEST:
            raise ValueError(
                f"covariance: {size} alternatives need a dense {size} × {size} matrix; the limit is {inner.LARGEST}. "
                "Fit the alternatives of interest alone"
            )
        information, _ = kernels.voters_reduce(
            cells.first, cells.second, cells.begin, self._curvature, self._problem.precision, np.zeros(size),
            np.zeros((len(self.voters), 2)),
        )  # fmt: skip
        inverse = np.linalg.inv(information)
        centred = inverse - inverse.mean(0)
        return frozen(centred - centred.mean(1, keepdims=True))

    @property
    def estimates(self) -> Estimates:
        """The scores with their covariance, for intervals.

        >>> fit = annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"]))
        >>> fit.estimates.interval(0.95).shape
        (2, 2)
        """
        return Estimates(self.alternatives, self.scores, self.covariance)

    @cached_property
    def _errors(self) -> Floats:
        cells = self._problem.cells
        variance = kernels.voters_variance(
            cells.first, cells.second, cells.begin, self._curvature, self._problem.precision, self.covariance
        )
        errors: Floats = np.sqrt(variance)
        return errors

    @cached_property
    def standard_errors(self) -> Floats:
        """Of the reliability ``[v]``: from the inverse of the observed joint information, so that the doubt about the
        scores is in them; for η by the delta method from its log-odds.

        >>> fit = annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"]))
        >>> bool((fit.standard_errors > 0).all())
        True
        """
        slope = self.reliability * (1 - self.reliability) if self.model == "crowd" else 1.0
        return frozen(np.asarray(slope * self._errors[:, 0], np.float64))

    @cached_property
    def bias_errors(self) -> Floats:
        """Standard errors of the position bias ``[v]``. Raises ``ValueError`` where it was not fitted.

        >>> votes = Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"], order=[1, -1])
        >>> annotators(votes, position_bias=True).bias_errors.shape
        (2,)
        """
        if self.position_bias is None:
            raise ValueError("bias_errors: no position bias was fitted; call annotators(…, position_bias=True)")
        return frozen(self._errors[:, 1].copy())

    def interval(self, level: float = 0.95) -> Floats:
        """Normal intervals ``[v, 2]`` for the reliability: for η made on the scale of its log-odds, for a on its own.

        Raises ``ValueError`` unless 0 < level < 1.

        >>> fit = annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"]))
        >>> bool(((fit.interval() > 0) & (fit.interval() < 1)).all())
        True
        """
        half = quantile(level) * self._errors[:, 0]
        ends = np.stack([self._point.ability - half, self._point.ability + half], axis=1)
        return np.asarray(inner.shares(ends), np.float64) if self.model == "crowd" else ends

    def probability(self, voter: Label, first: Any, second: Any, *, order: ArrayLike = 0) -> Floats:
        """P(this voter prefers ``first`` to ``second``): two labels or two lists of labels of equal length.

        ``order`` is 1 where the first is shown first, -1 where the second is. Raises ``KeyError`` for labels that are
        not there.

        >>> fit = annotators(Comparisons(["a", "a"], ["b", "b"], voter=["ann", "bob"]))
        >>> bool(fit.probability("ann", "a", "b") + fit.probability("ann", "b", "a") == 1.0)
        True
        """
        if voter not in self.voters:
            raise KeyError(f"no voter {voter!r}; there are {short(self.voters)}")
        at = self.voters.index(voter)
        place = {label: k for k, label in enumerate(self.alternatives)}
        sides = [inner.listed(side) for side in (first, second)]
        missing = [label for side in sides for label in side if label not in place]
        if missing:
            raise KeyError(f"no alternative {missing[0]!r}; there are {short(self.alternatives)}")
        codes = [np.array([place[label] for label in side]) for side in sides]
        gap = self.scores[codes[0]] - self.scores[codes[1]]
        shift = self._point.bias[at] * np.asarray(order, np.float64)
        odds = np.array([kernels.log_odds(x, self._point.ability[at], self._problem.crowd)[0] for x in gap.tolist()])
        return np.asarray(inner.shares(odds + shift), np.float64)


def annotators(
    comparisons: Comparisons,
    *,
    model: Reliability = "crowd",
    position_bias: bool = False,
    prior: float = 1.0,
    ability_prior: float = 1.0,
    bias_prior: float = 1.0,
    ties: Ties = "half",
    tolerance: float = 1e-8,
    limit: int = 2000,
) -> AnnotatorFit:
    """Fit scores and the reliability of each voter together, and each voter's position bias where that is asked for.

    With s the scores, σ(x) = 1/(1 + e^−x) and x_v the log-odds with which voter v prefers i to j,

    - ``"crowd"``: P = η_v σ(s_i − s_j) + (1 − η_v) σ(s_j − s_i), x_v its log-odds. η_v near 1 is a good judge, ½ a
      coin, near 0 somebody who answers the wrong way round;
    - ``"discrimination"``: x_v = a_v (s_i − s_j). a_v = 1 is a judge like the others, 0 a coin, and more than 1 one
      with less noise than the others;
    - ``position_bias=True`` adds b_v to x_v where i is shown first and takes it off where j is, in both models.

    Both are fitted by penalised maximum likelihood: s_i ~ N(0, ``prior``), b_v ~ N(0, ``bias_prior``), and either the
    log-odds of η_v ~ N(log 9, ``ability_prior``) (centre η = 0.9) or a_v ~ N(1, ``ability_prior``).

    What is identified. Scores have mean zero. The likelihood is the same when every score and every ability changes
    sign (η to 1 − η, a to −a), so the data cannot tell good judges from a world turned round: the prior says that most
    voters are reliable. The data say little about the scale of the scores apart from that of the abilities (for
    discrimination nothing): the priors' centres fix it. A warning is given where the fit turned round is within 3
    log-units of this one, where the comparisons fall into parts that never meet, and where the order shown cannot be
    told from the scores.

    The objective is not concave. It is climbed by L-BFGS and Newton steps from the pooled Bradley–Terry scores; from
    the scores where voters count the other way whom the leading singular vector of the votes puts in the minority; and
    from the better of the two summits turned round. The highest is returned; another start could still lead higher.

    Parameters
    ----------
    comparisons : the data with voters, and with ``order`` for a position bias; weights count as repeated rows.
    ties : ``"half"`` counts a tie as half an answer each way, ``"drop"`` leaves ties out.
    tolerance : bound on :attr:`AnnotatorFit.residual`.
    limit : the number of steps from each start after which to give up.

    Raises ``ValueError`` without voters (or ``order`` where it is needed), for variances that are not positive, and
    where nothing is left to fit; ``NotConverged`` with the partial fit where the tolerance was not met.

    Source: Chen, Bennett, Collins-Thompson and Horvitz 2013 (doi:10.1145/2433396.2433420) for ``"crowd"``.

    >>> left, right = ["a", "b", "c"] * 8, ["b", "c", "a"] * 8
    >>> who = [name for name in "12345678" for _ in range(3)]
    >>> ranked = [left[k] < right[k] for k in range(24)]         # everybody says a over b over c …
    >>> ranked[21:] = [not answer for answer in ranked[21:]]     # … but the eighth voter, who says the opposite
    >>> votes = Comparisons([x if yes else y for x, y, yes in zip(left, right, ranked)],
    ...                     [y if yes else x for x, y, yes in zip(left, right, ranked)], voter=who)
    >>> fit = annotators(votes, prior=4.0)
    >>> fit.winners, bool(fit.reliability[7] < 0.7 < 0.9 < fit.reliability[0])
    (('a',), True)
    """
    if model not in CENTRES:
        raise ValueError(f"annotators: model must be 'crowd' or 'discrimination', got {model!r}")
    for name, value in (("prior", prior), ("ability_prior", ability_prior), ("bias_prior", bias_prior)):
        if not (isinstance(value, int | float | np.number) and 0 < value < math.inf):
            raise ValueError(f"annotators: {name} must be a positive variance, got {value!r}")
    cells = inner.count_cells(comparisons, position_bias, ties)
    precision = np.array([1 / prior, 1 / ability_prior, 1 / bias_prior])
    problem = inner.Problem(cells, precision, CENTRES[model], model == "crowd", position_bias)
    flat, objective, residual, steps, tried = inner.climb(problem, prior, tolerance, limit)
    at = problem.point(flat)
    fit = AnnotatorFit(
        model=model, alternatives=comparisons.alternatives, scores=frozen(at.scores - at.scores.mean()),
        voters=comparisons.voters,
        reliability=frozen(inner.shares(at.ability) if model == "crowd" else at.ability.copy()),
        position_bias=frozen(at.bias.copy()) if position_bias else None,
        answers=frozen(np.bincount(cells.voter, cells.won + cells.lost, cells.voters)),
        loglik=float(cells.loglik(at, problem.crowd)[0]), objective=objective,
        objectives=tuple(sorted((value for value, _ in tried), reverse=True)),
        converged=residual <= tolerance, iterations=steps, residual=residual, prior=float(prior),
        ability_prior=float(ability_prior), bias_prior=float(bias_prior), _problem=problem, _point=at,
    )  # fmt: skip
    if not fit.converged:
        raise NotConverged(
            f"annotators: residual {residual:.1e} after {steps} steps, above the tolerance {tolerance:.1e}; raise "
            "limit=, loosen tolerance= or pass smaller prior variances. The partial fit is in .partial",
            fit,
        )
    for doubt in inner.doubts(problem, fit, tried):
        warnings.warn(f"annotators: {doubt}", stacklevel=2)
    return fit
