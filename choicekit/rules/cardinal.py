"""Rules on utilities, by a measure of welfare each, and the rule on approvals.

In a batch ``values[b, n, m]`` are the utilities of n voters for m alternatives in b profiles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from choicekit import welfare
from choicekit.outcomes import Scores
from choicekit.profiles import Approvals, Batch, Utilities
from choicekit.profiles._columns import Label, frozen, short
from choicekit.rules._rule import Floats, Kernel, rule

#: Scores ``[b, m]`` of ``values[b, n, m]`` and ``weights[n]``; keyword options are the rule's own.
Measure: TypeAlias = Callable[..., Floats]


def on_utilities(name: str, measure: Measure) -> Kernel:
    """The kernel of a rule on utilities, which refuses profiles where one is missing.

    >>> on_utilities("total", lambda values, weights: weights @ values)(Batch([[[1, 2], [3, 4]]], kind=Utilities))
    array([[4., 6.]])
    """

    def kernel(many: Batch, **options: Any) -> Floats:
        complete(name, many.values)
        return measure(many.values, many.weights, **options)

    return kernel


def scored(name: str, measure: Measure, profile: Utilities, **options: Any) -> Scores:
    """The outcome on one profile, by the measure that the kernel has.

    >>> scored("total", lambda values, weights: weights @ values, Utilities([[1, 2], [3, 4]])).scores.tolist()
    [4.0, 6.0]
    """
    complete(name, profile.values, profile.alternatives)
    return Scores(profile.alternatives, frozen(measure(profile.values[None], profile.weights, **options)[0]))


def complete(name: str, values: Floats, alternatives: tuple[Label, ...] | None = None) -> None:
    """Refuse missing utilities ``[..., n, m]``.

    >>> complete("nash", np.array([[1.0, np.nan]]), ("a", "b"))
    Traceback (most recent call last):
        ...
    ValueError: nash: needed a utility for every voter and alternative, got 1 missing of 2, the first in row 0 ...
    """
    missing = np.isnan(values)
    if missing.any():
        *profile, row, column = np.argwhere(missing)[0].tolist()
        of = f" of profile {profile[0]}" if profile else ""
        label = short((column if alternatives is None else alternatives[column],))
        raise ValueError(
            f"{name}: needed a utility for every voter and alternative, got {missing.sum()} missing of {missing.size}, "
            f"the first in row {row}{of} for {label}; fill them in (a model's estimate, each "
            "voter's mean) or leave those voters or alternatives out"
        )


def _egalitarian(values: Floats, weights: Floats) -> Floats:
    return welfare.egalitarian(values[:, weights > 0])


def _relative(values: Floats, weights: Floats) -> Floats:
    lowest = values.min(-1, keepdims=True)
    width = values.max(-1, keepdims=True) - lowest
    return welfare.utilitarian((values - lowest) / np.where(width > 0, width, 1.0), weights)


def _nash(values: Floats, weights: Floats, *, disagreement: ArrayLike = 0.0) -> Floats:
    # Means of logarithms may be near 0 where products tie: what the sums round off must not decide between them.
    return np.round(welfare.nash(values, weights, disagreement), 12)


def _power(values: Floats, weights: Floats, *, exponent: float) -> Floats:
    return welfare.power_mean(values, exponent, weights)


def _ordered(values: Floats, weights: Floats, *, rank_weights: ArrayLike) -> Floats:
    return welfare.ordered_average(values, rank_weights, weights)


def _gini(values: Floats, weights: Floats, *, aversion: float = 2.0) -> Floats:
    return welfare.generalised_gini(values, aversion, weights)


def _quantile(values: Floats, weights: Floats, *, q: float = 0.5) -> Floats:
    return welfare.quantile(values, q, weights)


def _approval(many: Batch) -> Floats:
    counts: Floats = many.weights @ many.values.astype(np.float64)
    return counts


@rule(batch=on_utilities("utilitarian", welfare.utilitarian))
def utilitarian(profile: Utilities) -> Scores:
    """The weighted mean of the voters' utilities, Σ_i w_i u_i(a) / Σ_i w_i.

    Raises ``ValueError`` where a utility is missing.

    Source: Harsanyi 1955 (doi:10.1086/257678).

    >>> utilitarian(Utilities([[4, 0], [1, 2]], weights=[1, 3], alternatives="ab")).scores.tolist()
    [1.75, 1.5]
    """
    return scored("utilitarian", welfare.utilitarian, profile)


@rule(batch=on_utilities("relative_utilitarian", _relative))
def relative_utilitarian(profile: Utilities) -> Scores:
    """The weighted mean of the voters' utilities, each voter's first stretched to reach from 0 to 1.

    score(a) = Σ_i w_i (u_i(a) − min_b u_i(b)) / (max_b u_i(b) − min_b u_i(b)) / Σ_i w_i. A voter who is indifferent
    among all alternatives gives each of them 0. Raises ``ValueError`` where a utility is missing.

    Source: Dhillon and Mertens 1999 (doi:10.1111/1468-0262.00033).

    >>> profile = Utilities([[100, 0, 50], [0, 1, 1]], alternatives="abc")
    >>> relative_utilitarian(profile).scores.tolist()
    [0.5, 0.5, 0.75]
    """
    return scored("relative_utilitarian", _relative, profile)


@rule(batch=on_utilities("egalitarian", _egalitarian))
def egalitarian(profile: Utilities) -> Scores:
    """The utility of the worst-off voter, min_i u_i(a), over the voters of positive weight.

    Raises ``ValueError`` where a utility is missing.

    Source: Rawls 1971, Sen 1970.

    >>> egalitarian(Utilities([[4, 0], [1, 2]], alternatives="ab")).scores.tolist()
    [1.0, 0.0]
    """
    return scored("egalitarian", _egalitarian, profile)


@rule(batch=on_utilities("leximin", welfare.leximin))
def leximin(profile: Utilities) -> Scores:
    """The place in the leximin order, counted from the bottom: among those level for the worst-off voter the second
    worst-off decides, and so on.

    A voter of weight w counts as w voters; the details, for weights that are no whole numbers too, are at
    :func:`choicekit.welfare.leximin`. Raises ``ValueError`` where a utility is missing.

    Source: Sen 1970; d'Aspremont and Gevers 1977 (doi:10.2307/2297061).

    >>> leximin(Utilities([[1, 1, 0], [5, 2, 9], [1, 2, 9]], alternatives="abc")).scores.tolist()
    [1.0, 2.0, 0.0]
    """
    return scored("leximin", welfare.leximin, profile)


@rule(batch=on_utilities("nash", _nash))
def nash(profile: Utilities, *, disagreement: ArrayLike = 0.0) -> Scores:
    """The weighted mean of the logarithms of the voters' gains, Σ_i w_i log(u_i(a) − d_i) / Σ_i w_i.

    It orders alternatives as the product of the gains does, each to the power of the voter's weight. ``disagreement``
    is what voters have without an agreement, a number or one for each voter ``[n]``. An alternative that leaves some
    voter of positive weight no gain scores minus infinity. Raises ``ValueError`` where a utility is missing.

    Source: Nash 1950 (doi:10.2307/1907266), Kaneko and Nakamura 1979 (doi:10.2307/1914191).

    >>> profile = Utilities([[8, 3], [1, 3]], alternatives="ab")      # √(8·1) < √(3·3)
    >>> np.exp(nash(profile).scores).round(4).tolist(), nash(profile).winners
    ([2.8284, 3.0], ('b',))
    """
    return scored("nash", _nash, profile, disagreement=disagreement)


@rule(batch=on_utilities("power_mean", _power))
def power_mean(profile: Utilities, *, exponent: float) -> Scores:
    """The power mean of the voters' utilities, (Σ_i w_i u_i(a)^p / Σ_i w_i)^(1/p).

    p = 1 is the utilitarian rule, p = 0 orders as the Nash product does, p = −∞ is the egalitarian rule (see
    :func:`choicekit.welfare.power_mean`). Raises ``ValueError`` where a utility is missing, and for a negative one
    unless p is 1, −∞ or ∞.

    Source: Atkinson 1970 (doi:10.1016/0022-0531(70)90039-6).

    >>> profile = Utilities([[8, 3], [1, 3]], alternatives="ab")
    >>> power_mean(profile, exponent=1).winners, power_mean(profile, exponent=-1).winners      # 4.5 > 3, 16/9 < 3
    (('a',), ('b',))
    """
    return scored("power_mean", _power, profile, exponent=exponent)


@rule(batch=on_utilities("ordered_average", _ordered))
def ordered_average(profile: Utilities, *, rank_weights: ArrayLike) -> Scores:
    """An average of the voters' utilities weighted by rank, the worst-off voter's weight first.

    ``rank_weights[k]`` are made to sum to one; they need not be as many as there are voters (see
    :func:`choicekit.welfare.ordered_average`). Raises ``ValueError`` where a utility is missing and for rank weights
    that are negative, not finite or all zero.

    Source: Yager 1988 (doi:10.1109/21.87068).

    >>> profile = Utilities([[8, 3], [1, 3]], alternatives="ab")
    >>> ordered_average(profile, rank_weights=[3, 1]).scores.tolist()      # (3·1 + 8)/4
    [2.75, 3.0]
    """
    return scored("ordered_average", _ordered, profile, rank_weights=rank_weights)


@rule(batch=on_utilities("generalised_gini", _gini))
def generalised_gini(profile: Utilities, *, aversion: float = 2.0) -> Scores:
    """The expected utility of the worst-off of δ voters drawn by weight (with replacement), the single-parameter Gini.

    δ = ``aversion`` = 1 is the utilitarian rule, 2 the mean times one minus the Gini coefficient, ∞ the egalitarian
    rule (see :func:`choicekit.welfare.generalised_gini`). Raises ``ValueError`` where a utility is missing and for an
    aversion below 1.

    Source: Donaldson and Weymark 1980 (doi:10.1016/0022-0531(80)90065-4).

    >>> generalised_gini(Utilities([[8, 3], [1, 3]], alternatives="ab")).scores.tolist()      # ¾·1 + ¼·8
    [2.75, 3.0]
    """
    return scored("generalised_gini", _gini, profile, aversion=aversion)


@rule(batch=on_utilities("quantile", _quantile))
def quantile(profile: Utilities, *, q: float = 0.5) -> Scores:
    """The lowest utility such that at least a share q of the voters' weight has no more; q = ½ is the lower median.

    Raises ``ValueError`` where a utility is missing and for a q outside [0, 1].

    >>> profile = Utilities([[0, 3], [8, 4], [9, 5]], alternatives="ab")
    >>> quantile(profile).scores.tolist(), quantile(profile, q=0.1).scores.tolist()
    ([8.0, 4.0], [0.0, 3.0])
    """
    return scored("quantile", _quantile, profile, q=q)


@rule(batch=_approval)
def approval(profile: Approvals) -> Scores:
    """The weight of the voters who approve of an alternative.

    Source: Brams and Fishburn 1978 (doi:10.2307/1955105).

    >>> approval(Approvals([[1, 0], [1, 1]], weights=[2, 3], alternatives="ab")).scores.tolist()
    [5.0, 3.0]
    """
    return Scores(
        profile.alternatives, frozen(_approval(Batch(profile.values[None], profile.weights, kind=Approvals))[0])
    )
