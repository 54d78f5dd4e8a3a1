"""Hidden context: a mean and a spread of utility for each alternative."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.kernels import annotators as kernels
from choicekit.models import _reliability as inner
from choicekit.models.fit import Estimates
from choicekit.models.luce import Pairs, Ties, count_pairs, fit_pairs
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]

#: Above this many alternatives no dense information is made: no Newton steps, no errors.
_LARGEST = 2_500
#: Logits a probit, near enough for a start.
_LOGITS = 1.7


@dataclass(frozen=True, eq=False)
class DistributionalFit:
    """Utilities that vary with a context nobody recorded: normal, with a mean and a spread for each alternative.

    ``means[m]`` and ``spreads[m]`` are μ_a and σ_a in the order of ``alternatives``, in the gauge where the means
    average 0 and the logarithms of the spreads average 0: the unit of both is the geometric mean of the spreads.
    ``loglik`` is the log-likelihood without the priors, ``residual`` the largest entry of the objective's gradient per
    comparison that bears on the parameter. ``objectives`` are the local maxima that the several starts led to, the
    highest first.

    >>> sides = ["ab", "ac", "ad", "bc", "bd", "cd"]
    >>> votes = Comparisons([x for x, _ in sides], [y for _, y in sides])
    >>> fit = distributional(votes)
    >>> fit.converged, bool(np.all(np.diff(fit.means) < 0)), bool(abs(np.log(fit.spreads).sum()) < 1e-9)
    (True, True, True)
    """

    alternatives: tuple[Label, ...]
    means: Floats
    spreads: Floats
    loglik: float
    objective: float
    objectives: tuple[float, ...]
    converged: bool
    iterations: int
    residual: float
    prior: float
    spread_prior: float
    _pairs: Pairs = field(repr=False, kw_only=True)

    def probabilities(self, first: Any, second: Any) -> Floats:
        """P(first preferred to second) = Φ((μ_i − μ_j)/√(σ_i² + σ_j²)): two labels, or two lists of labels.

        Raises ``KeyError`` for a label that is not there, ``ValueError`` for lists of unequal length.

        >>> votes = Comparisons(list("aaabbc"), list("bcdcdd"))
        >>> fit = distributional(votes, spread_prior=0.01)
        >>> bool(abs(fit.probabilities("a", "d") + fit.probabilities("d", "a") - 1)[0] < 1e-12)
        True
        """
        from scipy.special import ndtr

        place = {label: k for k, label in enumerate(self.alternatives)}
        sides = [inner.listed(side) for side in (first, second)]
        missing = [label for side in sides for label in side if label not in place]
        if missing:
            raise KeyError(f"no alternative {missing[0]!r}; there are {short(self.alternatives)}")
        if len(sides[0]) != len(sides[1]):
            raise ValueError(f"probabilities: needed lists of equal length, got {len(sides[0])} and {len(sides[1])}")
        i, j = (np.array([place[label] for label in side], np.int64) for side in sides)
        return np.asarray(
            ndtr((self.means[i] - self.means[j]) / np.hypot(self.spreads[i], self.spreads[j])), np.float64
        )

    def quantile(self, level: float) -> Floats:
        """Scores μ_a + z·σ_a, z the standard normal quantile: what each alternative is worth at least, with
        probability 1 − ``level``. A small level is averse to risk, ½ gives the means.

        Raises ``ValueError`` unless 0 < level < 1.

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> bool((fit.quantile(0.5) == fit.means).all()), bool((fit.quantile(0.05) < fit.means).all())
        (True, True)
        """
        if not 0 < level < 1:
            raise ValueError(f"quantile: the level must lie between 0 and 1, got {level}")
        return self.means + NormalDist().inv_cdf(level) * self.spreads

    @property
    def explained_share(self) -> float:
        """r² = Var_a(μ_a)/(Var_a(μ_a) + mean σ_a²): the share of utility's variance that lies between alternatives.

        Near 1 one reward says it all; what is left is due to the hidden context.

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> 0 < fit.explained_share < 1
        True
        """
        between = float(self.means.var())
        return between / (between + float((self.spreads**2).mean()))

    @property
    def disagreement_share(self) -> float:
        """1 − r²: the share of the variance of utility that is due to the hidden context (and to noise).

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> fit.disagreement_share + fit.explained_share
        1.0
        """
        return 1 - self.explained_share

    @cached_property
    def covariance(self) -> Floats:
        """Of (μ, log σ) jointly, ``[2m, 2m]``, in the gauge of the fit: the inverse of the observed information with
        the priors'. Raises ``ValueError`` above 2,500 alternatives.

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> fit.covariance.shape, bool(abs(fit.covariance.sum()) < 1e-9)
        ((8, 8), True)
        """
        size = len(self.alternatives)
        if size > _LARGEST:
            raise ValueError(
                f"covariance: {size} alternatives need a dense {2 * size} × {2 * size} matrix; the limit is "
                f"{2 * _LARGEST}. Fit the alternatives of interest alone"
            )
        problem = _Problem(self._pairs, size, self.prior, self.spread_prior)
        information = problem.information(np.concatenate([self.means, np.log(self.spreads)]))
        inverse = np.asarray(np.linalg.inv(information), np.float64)
        return frozen(_centred(_centred(inverse).T))

    @property
    def mean_estimates(self) -> Estimates:
        """The means with their covariance, for intervals.

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> fit.mean_estimates.interval(0.95).shape
        (4, 2)
        """
        size = len(self.alternatives)
        return Estimates(self.alternatives, self.means, self.covariance[:size, :size])

    @property
    def log_spread_estimates(self) -> Estimates:
        """The logarithms of the spreads with their covariance, for intervals.

        >>> fit = distributional(Comparisons(list("aaabbc"), list("bcdcdd")))
        >>> np.exp(fit.log_spread_estimates.interval(0.95)).shape         # of the spreads
        (4, 2)
        """
        size = len(self.alternatives)
        return Estimates(self.alternatives, np.log(self.spreads), self.covariance[size:, size:])


def distributional(
    comparisons: Comparisons,
    *,
    prior: float = 1.0,
    spread_prior: float = 0.5,
    ties: Ties = "half",
    tolerance: float = 1e-8,
    limit: int = 2000,
) -> DistributionalFit:
    """Fit a normal distribution of utility to each alternative: distributional preference learning.

    Behind each comparison is a context that nobody recorded: who answered, in what mood, with what aim. In it
    alternative a has the utility u_a ~ N(μ_a, σ_a²), independently of the others', and the higher utility wins:

    P(i preferred to j) = Φ((μ_i − μ_j)/√(σ_i² + σ_j²)).

    An alternative that some want very much and others not at all has a large σ_a. With all σ_a equal this is
    Thurstone's Case V. A Bradley–Terry reward has no spreads; where every pair was compared equally often it ranks by
    Borda scores, which need not be the order of the means.

    Gauge: means average 0 and log σ averages 0, as probabilities know neither the origin nor the unit of utility. In
    that unit the priors are μ_a ~ N(0, ``prior``) and log σ_a ~ N(0, ``spread_prior``); the fit maximises the
    likelihood times these. The objective is not concave: it is climbed by L-BFGS and then Newton's steps from equal
    spreads, and from spreads that follow how badly equal ones fit; ``objectives`` tells where each led.

    What is identified. There are 2m − 2 parameters, and what the data can say is one probability for each pair that
    met. A warning is given where fewer pairs met than that (always for m < 4), and where the parameters cannot all
    move the probabilities of those that did (an alternative with one opponent; parts that never meet; means that are
    all equal, when spreads do not show): there the priors decide. Spreads take many comparisons to learn, and near
    equal spreads hardly any data tell spreads that rise with the means from equal ones, for to first order these leave
    every probability as it is; see the errors.

    Parameters
    ----------
    comparisons : the data; weights count as repeated rows, voters and groups are not used.
    prior, spread_prior : variances of the priors on μ_a and log σ_a.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    tolerance : bound on :attr:`DistributionalFit.residual`.
    limit : the number of steps from each start after which to give up.

    Raises ``ValueError`` for variances that are not positive and where nothing is left to fit; ``NotConverged`` with
    the partial fit where the tolerance was not met.

    Source: Siththaranjan, Laidlaw and Hadfield-Menell 2024 (arXiv:2312.08358), the mean–variance model;
    Thurstone 1927 (doi:10.1037/h0070288), whose Case III it is.

    >>> half_and_half = 50                           # "x" is loved or hated: evens against everything
    >>> rows = [("a", "b", 90), ("b", "a", 10), ("a", "c", 99), ("c", "a", 1), ("b", "c", 90), ("c", "b", 10)]
    >>> rows += [row for other in "abc" for row in [("x", other, half_and_half), (other, "x", half_and_half)]]
    >>> winner, loser, weight = zip(*rows)
    >>> fit = distributional(Comparisons(winner, loser, weight=weight))
    >>> fit.alternatives, bool(fit.spreads[3] > 3 * fit.spreads[:3].max())
    (('a', 'b', 'c', 'x'), True)
    """
    for name, value in (("prior", prior), ("spread_prior", spread_prior)):
        if not (isinstance(value, int | float | np.number) and 0 < value < math.inf):
            raise ValueError(f"distributional: {name} must be a positive variance, got {value!r}")
    if ties not in ("half", "drop"):
        raise ValueError(f"distributional: ties must be 'half' or 'drop', got {ties!r}")
    pairs, size = count_pairs(comparisons, ties), len(comparisons.alternatives)
    problem = _Problem(pairs, size, float(prior), float(spread_prior))
    tried = [problem.maximise(start, tolerance, limit) for start in problem.starts(comparisons.alternatives)]
    highest = max(found[1] for found in tried)
    flat, objective, residual, steps = min(
        (found for found in tried if found[1] >= highest - 1e-7 * (1 + abs(highest))), key=lambda found: found[2]
    )
    fit = DistributionalFit(
        alternatives=comparisons.alternatives, means=frozen(flat[:size].copy()), spreads=frozen(np.exp(flat[size:])),
        loglik=problem.loglik(flat)[0], objective=objective,
        objectives=tuple(sorted((found[1] for found in tried), reverse=True)), converged=residual <= tolerance,
        iterations=steps, residual=residual, prior=float(prior), spread_prior=float(spread_prior), _pairs=pairs,
    )  # fmt: skip
    if not fit.converged:
        raise NotConverged(
            f"distributional: residual {residual:.1e} after {steps} steps, above the tolerance {tolerance:.1e}; raise "
            "limit=, loosen tolerance= or pass smaller prior variances. The partial fit is in .partial",
            fit,
        )
    doubt = problem.doubt(flat)
    if doubt:
        warnings.warn(f"distributional: {doubt}", stacklevel=2)
    return fit


def _centred(values: Floats) -> Floats:
    """Means and log spreads (the two halves of the first axis), each with its mean taken off."""
    half = len(values) // 2
    return np.concatenate([values[:half] - values[:half].mean(0), values[half:] - values[half:].mean(0)])


@dataclass(frozen=True, eq=False)
class _Problem:
    """The penalised likelihood of (μ, log σ), both of mean zero."""

    pairs: Pairs
    size: int
    prior: float
    spread_prior: float

    @cached_property
    def precision(self) -> Floats:
        return np.repeat([1 / self.prior, 1 / self.spread_prior], self.size)

    @cached_property
    def lost(self) -> Floats:
        return self.pairs.count - self.pairs.won

    @cached_property
    def met(self) -> Floats:
        count = self.pairs.count
        number = np.bincount(self.pairs.first, count, self.size) + np.bincount(self.pairs.second, count, self.size)
        return np.concatenate([number, number]) + self.precision

    def loglik(self, flat: Floats) -> tuple[float, Floats]:
        value, *gradient = kernels.spread_loglik(
            self.pairs.first, self.pairs.second, self.pairs.won, self.lost, flat[: self.size], flat[self.size :]
        )
        return float(value), np.concatenate(gradient)

    def value(self, flat: Floats) -> tuple[float, Floats]:
        """The objective at the nearest point of the gauge, and its gradient along the gauge."""
        flat = _centred(flat)
        value, gradient = self.loglik(flat)
        return value - 0.5 * float(self.precision @ flat**2), _centred(gradient - self.precision * flat)

    def information(self, flat: Floats) -> Floats:
        """Minus the objective's second derivatives, with a curvature of their own for the two constant directions."""
        pairs, size = self.pairs, self.size
        observed, _ = kernels.spread_information(
            pairs.first, pairs.second, pairs.won, self.lost, flat[:size], flat[size:]
        )
        observed = _centred(_centred(observed + np.diag(self.precision)).T)
        unit = max(float(np.trace(observed)) / (2 * size), 1e-300)
        observed[:size, :size] += unit / size
        observed[size:, size:] += unit / size
        return observed

    def residual(self, gradient: Floats) -> float:
        return float((np.abs(gradient) / self.met).max())

    def maximise(self, start: Floats, tolerance: float, limit: int) -> tuple[Floats, float, float, int]:
        """A local maximum: the point, the objective, the residual and the steps."""

        def loss(flat: Floats) -> tuple[float, Floats]:
            value, gradient = self.value(flat)
            return -value, -gradient

        flat, steps = start, 0
        # loosely first, for near the summit Newton's steps are worth many of the other kind
        for goal in (1e-3, 1e-2 * tolerance):
            found = solvers.minimise(loss, flat, tolerance=goal * float(self.met.min()), limit=max(limit - steps, 0))
            flat, steps = _centred(found.point), steps + found.steps
            value, gradient = self.value(flat)
            residual = self.residual(gradient)
            while residual > tolerance and steps < limit and self.size <= _LARGEST:
                trial = _centred(flat + np.linalg.solve(self.information(flat), gradient))
                renewed, slope = self.value(trial)
                if not self.residual(slope) < residual or renewed < value - 1e-9 * abs(value):
                    break
                flat, value, gradient, residual, steps = trial, renewed, slope, self.residual(slope), steps + 1
            if residual <= tolerance or steps >= limit:
                break
        return flat, value, residual, steps

    def starts(self, alternatives: tuple[Label, ...]) -> list[Floats]:
        """Equal spreads; and larger ones for alternatives whose pairs the equal ones call too surely."""
        pairs, size = self.pairs, self.size
        scores = fit_pairs(pairs, alternatives, prior=3.0 * self.prior).scores * math.sqrt(2) / _LOGITS
        z = (scores[pairs.first] - scores[pairs.second]) / math.sqrt(2)
        # the slope of the likelihood in each log σ at equal spreads, against what it varies by
        _, _, slope = kernels.spread_loglik(pairs.first, pairs.second, pairs.won, self.lost, scores, np.zeros(size))
        worth = pairs.count * z**2
        scale = np.bincount(pairs.first, worth, size) + np.bincount(pairs.second, worth, size) + 1e-9
        tilt = np.clip(2 * slope / scale, -1.0, 1.0)
        return [np.concatenate([scores, np.zeros(size)]), _centred(np.concatenate([scores, tilt]))]

    def doubt(self, flat: Floats) -> str:
        """What says that the priors decide, or nothing."""
        needed, pairs = 2 * self.size - 2, self.pairs
        if len(pairs.first) < needed:
            return (
                f"{needed} parameters, but only {len(pairs.first)} pairs of alternatives met: the priors decide "
                "between means and spreads. Compare more pairs (all of four alternatives or more), or fit bradley_terry"
            )
        if self.size > _LARGEST:
            return ""
        # Counts as one, means of order 1 and spreads that are not equal: whether the parameters move the probabilities
        # at all, however weakly. (Where spreads are equal, spreads that rise with the means do not to first order.)
        top = float(np.abs(flat[: self.size]).max())
        means = flat[: self.size] / top if top > 1e-6 else np.zeros(self.size)
        ones, logs = np.ones(len(pairs.first)), 0.3 * np.sin(np.arange(self.size) ** 2 + 1.0)
        _, expected = kernels.spread_information(pairs.first, pairs.second, ones, ones, means, logs)
        values = np.linalg.eigvalsh(_centred(_centred(expected).T))
        rank = int((values > 1e-9 * max(values[-1], 1e-300)).sum())
        if rank < needed:
            return (
                f"the comparisons bear on {rank} of {needed} parameters; the priors decide the rest. Alternatives may "
                "fall into parts that never meet, or all be preferred equally often, when spreads do not show"
            )
        return ""
