"""Fitted models of the Bradley–Terry family, and what can be said from them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.outcomes import TIE_TOLERANCE, winners
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Scale = Literal["linear", "logit"]
Model = Literal["bradley_terry", "davidson", "rao_kupper", "plackett_luce"]


class Likelihood(Protocol):
    """What a fit keeps of its data: enough for the log-likelihood and the covariance of its parameters."""

    def loglik(self) -> float:
        """The log-likelihood at the fitted parameters, without the prior."""
        ...

    def covariance(self) -> Floats:
        """Of the scores (mean-zero gauge) followed by the effects, jointly, ``[m + q, m + q]``."""
        ...


@dataclass(frozen=True, eq=False)
class Estimates:
    """Numbers estimated for the alternatives in some gauge, with the covariance ``[m, m]`` that this gauge has.

    ``scale`` says where intervals are symmetric: ``"linear"``, or ``"logit"`` for shares between 0 and 1.

    >>> Estimates(("a", "b"), np.array([1.0, 0.0]), np.array([[0.25, 0.0], [0.0, 0.0]])).standard_errors.tolist()
    [0.5, 0.0]
    """

    alternatives: tuple[Label, ...]
    values: Floats
    covariance: Floats
    scale: Scale = "linear"

    @property
    def standard_errors(self) -> Floats:
        """The square roots of the covariance's diagonal.

        >>> Estimates(("a",), np.array([1.0]), np.array([[4.0]])).standard_errors.tolist()
        [2.0]
        """
        errors: Floats = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return errors

    def interval(self, level: float = 0.95) -> Floats:
        """Normal intervals ``[m, 2]`` at the given level, made on the scale where they are symmetric.

        Raises ``ValueError`` unless 0 < level < 1.

        >>> Estimates(("a",), np.array([0.5]), np.array([[0.01]]), "logit").interval().round(3).tolist()
        [[0.313, 0.687]]
        """
        half = quantile(level) * self.standard_errors
        if self.scale == "linear":
            return np.stack([self.values - half, self.values + half], axis=1)
        slope = self.values * (1 - self.values)
        middle = np.log(self.values) - np.log1p(-self.values)
        ends = np.stack([middle - half / slope, middle + half / slope], axis=1)
        return np.asarray(1 / (1 + np.exp(-ends)), np.float64)


@dataclass(frozen=True, eq=False)
class Prediction:
    """Probabilities of what happens when ``first`` meets ``second``, an entry for each pair asked for.

    ``win`` is that the first wins, ``loss`` that the second does, ``tie`` that neither does. ``errors[n, 3]`` are
    the standard errors of the three.

    >>> Prediction(*[np.array([1 / 3])] * 3, np.full((1, 3), 0.1)).interval().round(2).tolist()
    [[[0.17, 0.55], [0.17, 0.55], [0.17, 0.55]]]
    """

    win: Floats
    tie: Floats
    loss: Floats
    errors: Floats

    def interval(self, level: float = 0.95) -> Floats:
        """Intervals ``[n, 3, 2]`` for win, tie and loss, symmetric on the logit scale (of no width at 0 and 1).

        >>> Prediction(np.array([0.5]), np.zeros(1), np.array([0.5]), np.zeros((1, 3))).interval()[0, 0].tolist()
        [0.5, 0.5]
        """
        share = np.stack([self.win, self.tie, self.loss], axis=1)
        inside = (share > 0) & (share < 1)
        safe = np.where(inside, share, 0.5)
        half = quantile(level) * np.where(inside, self.errors, 0.0) / (safe * (1 - safe))
        middle = np.log(safe) - np.log1p(-safe)
        ends = 1 / (1 + np.exp(-np.stack([middle - half, middle + half], axis=-1)))
        return np.where(inside[..., None], ends, share[..., None])


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model of the Bradley–Terry family.

    ``scores[m]`` are log-strengths in the order of ``alternatives``, with mean zero. ``effects`` are the other
    parameters by name: ``"tie"`` (log ν of Davidson's ties, log θ of Rao and Kupper's), ``"order"`` (what being shown
    first adds to the log-odds), and one for each feature. ``loglik`` is the log-likelihood without the prior;
    ``prior`` the variance of the Gaussian prior, ``None`` for maximum likelihood. ``residual`` is the largest
    violation of the score equations: over parameters, |expected − observed| per comparison.
    ``errors`` says where the covariance comes from. ``components[m]`` numbers the parts that were fitted apart, each
    with mean zero, where that was asked for. ``features`` are the names of the effects of comparison features.

    >>> import choicekit as ck
    >>> from choicekit import models
    >>> fit = models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> [round(score, 4) for score in fit.scores.tolist()], fit.converged
    ([0.5493, -0.5493], True)
    """

    model: Model
    alternatives: tuple[Label, ...]
    scores: Floats
    effects: Mapping[str, float]
    converged: bool
    iterations: int
    residual: float
    prior: float | None
    comparisons: float
    errors: str = "information"
    components: NDArray[np.int64] | None = None
    features: tuple[str, ...] = ()
    _likelihood: Likelihood = field(repr=False, kw_only=True)
    _replaced: Floats | None = field(default=None, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "effects", MappingProxyType(dict(self.effects)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "effects": dict(self.effects)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()
        frozen(self.scores)
        for name in ("joint_covariance", "components"):
            if self.__dict__.get(name) is not None:
                frozen(self.__dict__[name])

    @property
    def winners(self) -> tuple[Label, ...]:
        """The labels with the highest score, of each component where they were fitted apart.

        >>> import choicekit as ck
        >>> ck.models.bradley_terry(ck.Comparisons(["a", "b", "a"], ["b", "a", "b"])).winners
        ('a',)
        """
        if self.components is None:
            return winners(self.alternatives, self.scores)
        best = np.full(int(self.components.max()) + 1, -np.inf)
        np.maximum.at(best, self.components, self.scores)
        slack = TIE_TOLERANCE * float(np.abs(self.scores).max())
        return tuple(
            self.alternatives[a] for a in np.flatnonzero(self.scores >= best[self.components] - slack).tolist()
        )

    @cached_property
    def loglik(self) -> float:
        """The log-likelihood of the data at the fit, without the prior; a half win is half a win's.

        >>> import choicekit as ck
        >>> round(ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"])).loglik / math.log(0.5), 9)
        2.0
        """
        return self._likelihood.loglik()

    @cached_property
    def joint_covariance(self) -> Floats:
        """The covariance ``[m + q, m + q]`` of the scores (mean-zero gauge) followed by the effects.

        From the inverse information (with the prior's, where there is one), unless ``errors`` says otherwise. It
        treats comparisons as independent given the scores. Raises ``ValueError`` above 5,000 alternatives.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
        >>> ck.models.bradley_terry(votes).joint_covariance.shape
        (2, 2)
        """
        return frozen(self._likelihood.covariance() if self._replaced is None else self._replaced)

    @property
    def covariance(self) -> Floats:
        """The covariance ``[m, m]`` of the scores in the mean-zero gauge.

        Three wins to one between two alternatives: the difference has variance 1/(4·¾·¼) = 4/3, each score a
        quarter of that. Raises ``ValueError`` above 5,000 alternatives.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> fit.covariance.round(6).tolist()
        [[0.333333, -0.333333], [-0.333333, 0.333333]]
        """
        size = len(self.alternatives)
        return self.joint_covariance[:size, :size]

    @cached_property
    def condition(self) -> float:
        """How unevenly the scores are known: the largest variance of a contrast of unit length over the smallest.

        The condition number of the covariance, the directions that the gauge leaves out aside. 1 where everybody met
        everybody equally often at even odds; thousands where parts of the data hang together by a few comparisons,
        whose differences are then the doubtful ones.

        >>> import choicekit as ck
        >>> round(ck.models.bradley_terry(ck.Comparisons(["a", "b", "c"], ["b", "c", "a"])).condition, 6)
        1.0
        """
        sizes = np.linalg.eigvalsh(self.covariance)
        known = sizes[sizes > 1e-12 * sizes[-1]]
        return float(known[-1] / known[0]) if len(known) else 1.0

    @property
    def estimates(self) -> Estimates:
        """The scores as they are, in the mean-zero gauge.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> fit.estimates.standard_errors.round(4).tolist()
        [0.5774, 0.5774]
        """
        return Estimates(self.alternatives, self.scores, self.covariance)

    def interval(self, level: float = 0.95) -> Floats:
        """Normal intervals ``[m, 2]`` for the scores, in the mean-zero gauge.

        Raises ``ValueError`` unless 0 < level < 1.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> fit.interval(0.95).round(3).tolist()
        [[-0.582, 1.681], [-1.681, 0.582]]
        """
        return self.estimates.interval(level)

    def relative_to(self, reference: Label) -> Estimates:
        """The scores with ``reference`` at 0, which then has no error, and the others the error of a difference.

        Raises ``KeyError`` for a label that is not there, and ``ValueError`` where components were fitted apart:
        nothing is known of how they compare.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> fit.relative_to("b").values.round(4).tolist(), fit.relative_to("b").standard_errors.round(4).tolist()
        ([1.0986, 0.0], [1.1547, 0.0])
        """
        self._refuse_apart("relative_to")
        return self._moved(np.eye(len(self.scores))[self.position(reference)])

    def elo(self, *, anchor: Label | None = None, rating: float = 1000.0, scale: float = 400.0) -> Estimates:
        """Elo ratings: ``scale`` points for every factor of ten in the odds.

        The mean of all ratings is ``rating`` (of each component's, where they were fitted apart), or that of
        ``anchor`` where one is given. Raises ``KeyError`` for an anchor that is not there, and ``ValueError`` for one
        where components were fitted apart.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a"] * 10 + ["b"], ["b"] * 10 + ["a"]))
        >>> fit.elo().values.round(6).tolist(), fit.elo(anchor="b").values.round(6).tolist()
        ([1200.0, 800.0], [1400.0, 1000.0])
        """
        if anchor is not None:
            self._refuse_apart("elo")
        size = len(self.scores)
        at = self._moved(np.full(size, 1 / size) if anchor is None else np.eye(size)[self.position(anchor)])
        unit = scale / math.log(10)
        return Estimates(self.alternatives, rating + unit * at.values, unit**2 * at.covariance)

    def worths(self) -> Estimates:
        """Strengths exp(score) that sum to one; errors by the delta method, intervals on the logit scale.

        Raises ``ValueError`` where components were fitted apart: nothing is known of how they compare.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
        >>> ck.models.bradley_terry(votes).worths().values.round(6).tolist()
        [0.75, 0.25]
        """
        self._refuse_apart("worths")
        worth = np.exp(self.scores - self.scores.max())
        worth /= worth.sum()
        jacobian = np.diag(worth) - np.outer(worth, worth)
        return Estimates(self.alternatives, worth, jacobian @ self.covariance @ jacobian.T, "logit")

    @property
    def tie_parameter(self) -> float | None:
        """ν of Davidson's ties, θ of Rao and Kupper's; ``None`` where ties are not modelled.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b", "a", "b"], ["b", "a", "b", "a"], tie=[False, False, True, True])
        >>> round(ck.models.bradley_terry(votes, ties="davidson").tie_parameter, 6)   # as many ties as wins
        2.0
        """
        return math.exp(self.effects["tie"]) if "tie" in self.effects else None

    def effect_interval(self, name: str, level: float = 0.95) -> tuple[float, float]:
        """A normal interval for one of the ``effects``. Raises ``KeyError`` for a name that is not there.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons(["a", "b", "a"], ["b", "a", "b"], order=[1, 1, -1])
        >>> low, high = ck.models.bradley_terry(votes, order=True, prior=1.0).effect_interval("order")
        >>> low < 0 < high
        True
        """
        names = list(self.effects)
        if name not in names:
            raise KeyError(f"effect_interval: no effect {name!r}; the fit has {short(names) or 'none'}")
        at = len(self.scores) + names.index(name)
        half = quantile(level) * math.sqrt(self.joint_covariance[at, at])
        return self.effects[name] - half, self.effects[name] + half

    def predict(
        self, first: Any, second: Any, *, order: ArrayLike = 0, features: ArrayLike | None = None
    ) -> Prediction:
        """Outcome probabilities where ``first`` meets ``second``: two labels, or two lists of labels.

        ``order`` is 1 where the first is shown first, -1 where the second is, 0 where neither; ``features[n, q]`` are
        the comparison features where the fit has such effects, zeros by default. Errors are by the delta method.
        Raises ``KeyError`` for a label that is not there, and ``ValueError`` for lists of unequal length, an
        alternative that meets itself, and an order or features where the fit has no such effect.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
        >>> fit.predict("a", "b").win.round(6).tolist()
        [0.75]
        >>> fit.predict(["a", "b"], ["b", "a"]).interval()[:, 0].round(3).tolist()
        [[0.238, 0.966], [0.034, 0.762]]
        """
        from choicekit.models.prediction import predict

        return predict(self, first, second, order, features)

    def with_covariance(self, covariance: ArrayLike, errors: str) -> Fit:
        """The same fit with another joint covariance ``[m + q, m + q]``, named by ``errors``, behind its intervals.

        It belongs to the mean-zero scores followed by the effects, in the order of ``effects``.

        Raises ``ValueError`` for another shape, and for a matrix that is no covariance: entries that are not finite,
        not symmetric, or negative variances.

        >>> import choicekit as ck
        >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"]))
        >>> fit.with_covariance(4 * fit.joint_covariance, "doubled").errors
        'doubled'
        """
        given, size = np.array(covariance, np.float64), len(self.scores) + len(self.effects)
        if given.shape != (size, size):
            raise ValueError(
                f"with_covariance: needed a covariance of {len(self.scores)} scores and {len(self.effects)} effects, "
                f"({size}, {size}), got shape {given.shape}"
            )
        slack = 1e-8 * np.abs(given).max(initial=0.0)
        if (
            not np.isfinite(given).all()
            or not (np.abs(given - given.T) <= slack).all()
            or (np.diag(given) < -slack).any()
        ):
            raise ValueError(
                "with_covariance: needed a covariance, got a matrix that is not finite, not symmetric or has negative "
                "variances"
            )
        return replace(self, errors=errors, _replaced=given)

    def position(self, label: Hashable) -> int:
        """Where an alternative stands. Raises ``KeyError`` for one that is not there.

        >>> import choicekit as ck
        >>> ck.models.bradley_terry(ck.Comparisons(["a", "b"], ["b", "a"])).position("b")
        1
        """
        if label not in self.alternatives:
            raise KeyError(f"no alternative {label!r}; there are {short(self.alternatives)}")
        return self.alternatives.index(label)

    def _refuse_apart(self, what: str) -> None:
        if self.components is not None and np.ptp(self.components) > 0:
            raise ValueError(
                f"{what}: the fit has {int(self.components.max()) + 1} components fitted apart, whose scores have no "
                "common zero; fit one component alone, or all together with a prior"
            )

    def _moved(self, weights: Floats) -> Estimates:
        """In the gauge where the weighted mean of the scores is 0."""
        size = len(self.scores)
        shift = np.eye(size) - np.outer(np.ones(size), weights)
        return Estimates(self.alternatives, shift @ self.scores, shift @ self.covariance @ shift.T)


def quantile(level: float) -> float:
    """How many standard errors a normal interval reaches on each side.

    >>> round(quantile(0.95), 3)
    1.96
    """
    if not 0 < level < 1:
        raise ValueError(f"interval: the level must lie between 0 and 1, got {level}; 0.95 is usual")
    return NormalDist().inv_cdf((1 + level) / 2)
