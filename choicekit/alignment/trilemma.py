"""Three things one would have of a model that speaks for many: representative, tractable, robust. Audits of each.

A position paper argues that all three together cost more than any polynomial in the bits of context. Its statement is
informal; what is here is its expression as a calculator, and for each of the three an audit of data. No theorem is
claimed, and passing the audits refutes none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.alignment._tabular import normalised

Floats = NDArray[np.float64]


def trilemma_cost(error: float, failure: float, *, people: int, bits: int, constant: float = 1.0) -> float:
    """κ·2^d/(ε²nδ): the order of operations the position paper names, for an unknown constant κ.

    ``error`` ε > 0, ``failure`` δ in (0, 1], ``people`` n ≥ 1, ``bits`` d ≥ 0 of context, ``constant`` κ > 0. The
    claim is asymptotic and for the worst case, so that the number says how cost scales and not what anything costs.
    Infinite where it is beyond what a float holds. Raises ``ValueError`` outside of these ranges.

    Source: Sahoo et al. 2025, arXiv:2511.19504 (informal, and seen at second hand).

    >>> trilemma_cost(0.125, 0.5, people=64, bits=10)
    2048.0
    """
    if not (error > 0 and 0 < failure <= 1 and people >= 1 and bits >= 0 and 0 < constant < math.inf):
        raise ValueError(
            "trilemma_cost: needed error > 0, 0 < failure ≤ 1, people ≥ 1, bits ≥ 0 and constant > 0, got "
            f"{error}, {failure}, {people}, {bits} and {constant}"
        )
    try:
        return math.ldexp(constant / (error**2 * people * failure), int(bits))
    except OverflowError:
        return math.inf


@dataclass(frozen=True, eq=False)
class RepresentativenessAudit:
    """How far a model's values are from those of the people sampled: ‖E_h V_h − V̂‖, in the largest coordinate.

    ``distance`` is that of the sample; ``interval`` (low, high) holds that of all people with probability ``level``.
    ``means[k]`` are the people's mean values, ``reach`` the half width that all of them have at once.

    >>> RepresentativenessAudit(0.1, (0.0, 0.3), np.array([0.5]), 0.2, 0.95).holds(0.4)
    True
    """

    distance: float
    interval: tuple[float, float]
    means: Floats
    reach: float
    level: float

    def holds(self, error: float) -> bool | None:
        """Whether all people are within ``error``: ``True`` or ``False`` at the level, ``None`` where it is open.

        >>> RepresentativenessAudit(0.1, (0.0, 0.3), np.array([0.5]), 0.2, 0.95).holds(0.2)
        """
        if self.interval[1] <= error:
            return True
        return False if self.interval[0] > error else None


def representativeness_audit(
    values: ArrayLike, claimed: ArrayLike, *, bounds: tuple[float, float] = (0.0, 1.0), level: float = 0.95
) -> RepresentativenessAudit:
    """Is what a model takes people to value close to the mean of what people sampled say?

    ``values[h, k]`` is how much person h values policy (or answer, or question) k, all within ``bounds``;
    ``claimed[k]`` is V̂, the model's. People are taken as independent draws from the population. By Hoeffding's
    inequality, for all k together, the mean of n people misses the population's by no more than
    (high − low)·√(ln(2K/(1 − level))/(2n)) with probability ``level``: no assumption but the bounds, and wider than
    a normal interval would be.

    Raises ``ValueError`` for values outside of the bounds, shapes that do not fit, and levels outside of (0, 1).

    Sources: Sahoo et al. 2025, arXiv:2511.19504 (ε-representativeness, at second hand); Hoeffding 1963
    (doi:10.1080/01621459.1963.10500830).

    >>> found = representativeness_audit([[1.0, 0.0], [0.0, 0.0]] * 200, [0.5, 0.25])
    >>> found.distance, found.holds(0.25), found.holds(0.2), found.holds(0.1)
    (0.25, True, None, False)
    """
    given, model = np.asarray(values, np.float64), np.asarray(claimed, np.float64)
    if given.ndim != 2 or not given.size or model.shape != given.shape[1:] or not np.isfinite(model).all():
        raise ValueError(
            "representativeness_audit: needed values [person, k] and as many claimed, finite, got shapes "
            f"{given.shape} and {model.shape}"
        )
    low, high = bounds
    if not (low < high and (given >= low).all() and (given <= high).all()):
        raise ValueError(
            f"representativeness_audit: needed values from {low:g} to {high:g}, got {np.nanmin(given):g} to "
            f"{np.nanmax(given):g}; give bounds=(lowest, highest)"
        )
    people, several = given.shape
    reach = (high - low) * math.sqrt(math.log(2 * several / (1 - _level(level))) / (2 * people))
    means = np.asarray(given.mean(0), np.float64)
    # the population's means are within reach, and within the bounds
    ends = np.maximum(means - reach, low), np.minimum(means + reach, high)
    nearest = np.maximum(np.maximum(ends[0] - model, model - ends[1]), 0.0).max()
    farthest = np.maximum(np.abs(ends[0] - model), np.abs(ends[1] - model)).max()
    distance = float(np.abs(means - model).max())
    return RepresentativenessAudit(distance, (float(nearest), float(farthest)), means, reach, level)


@dataclass(frozen=True)
class TractabilityAudit:
    """How many answers of people are enough, against a budget: ``needed``, ``allowed``, and ``bits`` of context.

    >>> TractabilityAudit(needed=100, allowed=50.0, bits=0).tractable
    False
    """

    needed: int
    allowed: float
    bits: int

    @property
    def tractable(self) -> bool:
        """Whether the budget is enough.

        >>> TractabilityAudit(needed=100, allowed=100.0, bits=0).tractable
        True
        """
        return self.needed <= self.allowed


def tractability_audit(
    error: float,
    failure: float,
    *,
    bits: int,
    budget: Callable[[int, float, float], float],
    policies: int = 1,
    value_range: float = 1.0,
) -> TractabilityAudit:
    """Are the samples that suffice to know every context to (ε, δ) within a budget that is polynomial?

    Where each of 2^d contexts is estimated from its own samples, 2^d·⌈range²·ln(2·k·2^d/δ)/(2ε²)⌉ of them suffice for
    all k policies in all contexts at once, by Hoeffding's inequality and a union bound. ``budget`` is called with
    (d, 1/ε, ln(1/δ)) and says what may be spent. This is what one plain way needs: contexts that resemble each other
    can be had for less, so that an answer of False says that this way is too dear and not that every way is.

    ``error`` ε > 0 in the units of values that lie within ``value_range``, ``failure`` δ in (0, 1), ``bits`` d ≥ 0,
    ``policies`` k ≥ 1. Raises ``ValueError`` outside of these ranges.

    Sources: Sahoo et al. 2025, arXiv:2511.19504 (the demand, at second hand); Hoeffding 1963
    (doi:10.1080/01621459.1963.10500830).

    >>> tractability_audit(0.1, 0.05, bits=0, budget=lambda bits, precision, log: 200.0)    # ln(40)/0.02
    TractabilityAudit(needed=185, allowed=200.0, bits=0)
    >>> dear = tractability_audit(0.1, 0.05, bits=20, budget=lambda d, precision, log: 10 * (d + precision) ** 3)
    >>> dear.tractable
    False
    """
    if not (error > 0 and 0 < failure < 1 and bits >= 0 and policies >= 1 and 0 < value_range < math.inf):
        raise ValueError(
            "tractability_audit: needed error > 0, 0 < failure < 1, bits ≥ 0, policies ≥ 1 and value_range > 0, got "
            f"{error}, {failure}, {bits}, {policies} and {value_range}"
        )
    logarithm = math.log(2 * policies / failure) + bits * math.log(2)
    each = math.ceil(value_range**2 * logarithm / (2 * error**2))
    return TractabilityAudit(each * 2**bits, float(budget(bits, 1 / error, math.log(1 / failure))), bits)


@dataclass(frozen=True)
class RobustnessAudit:
    """How often a policy keeps its worth under attacks drawn: ``share`` of ``attacks``, with an exact ``interval``.

    >>> RobustnessAudit(share=0.9, attacks=10, interval=(0.55, 0.99), level=0.95).holds(0.5)
    True
    """

    share: float
    attacks: int
    interval: tuple[float, float]
    level: float

    def holds(self, failure: float) -> bool | None:
        """Whether P ≥ 1 − ``failure``: ``True`` or ``False`` at the level, ``None`` where it is open.

        >>> RobustnessAudit(share=0.9, attacks=10, interval=(0.55, 0.99), level=0.95).holds(0.1)
        """
        if self.interval[0] >= 1 - failure:
            return True
        return False if self.interval[1] < 1 - failure else None


def robustness_audit(
    values: ArrayLike, floor: float, *, weights: ArrayLike | None = None, level: float = 0.95
) -> RobustnessAudit:
    """How often does the mean value to people stay at or above a floor, when attacks are drawn?

    ``values[a, h]`` is what person h gets of the policy under attack a (a change of prompt, context or opponent), or
    ``values[a]`` the mean over people; ``weights[h]`` (default equal). Attacks are taken as independent draws from what
    the claim is about, people as the population itself. The interval for P_a[E_h V_h ≥ floor] is Clopper and Pearson's,
    which covers at least ``level`` whatever the probability is. The worst attack may be far worse than any drawn.

    Raises ``ValueError`` for values that are not finite or none, weights that do not fit, levels outside of (0, 1).

    Sources: Sahoo et al. 2025, arXiv:2511.19504 (δ-robustness, at second hand); Clopper and Pearson 1934
    (doi:10.1093/biomet/26.4.404).

    >>> found = robustness_audit([0.9] * 59, 0.5)             # 59 attacks without a failure
    >>> found.share, round(found.interval[0], 3), found.holds(0.1), found.holds(0.01)
    (1.0, 0.939, True, None)
    """
    from scipy.special import betaincinv

    given = np.asarray(values, np.float64)
    if given.ndim not in (1, 2) or not given.size or not np.isfinite(given).all():
        raise ValueError(
            f"robustness_audit: needed finite values [attack, person] or [attack], got shape {given.shape}"
        )
    if given.ndim == 1:
        given = given[:, None]
    means = given @ normalised(weights, given.shape[1])
    attacks, kept = len(means), int((means >= floor - 1e-12 * max(1.0, abs(floor))).sum())  # a mean rounds
    tail = (1 - _level(level)) / 2
    low = 0.0 if kept == 0 else float(betaincinv(kept, attacks - kept + 1, tail))
    high = 1.0 if kept == attacks else float(betaincinv(kept + 1, attacks - kept, 1 - tail))
    return RobustnessAudit(kept / attacks, attacks, (low, high), level)


def _level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"the level must lie between 0 and 1, got {level}; 0.95 is usual")
    return level
