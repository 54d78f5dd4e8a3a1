"""Rules on grades: every voter gives every alternative a number from a common scale, which is a utility's form."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from choicekit import welfare
from choicekit.kernels import grades as kernels
from choicekit.outcomes import TIE_TOLERANCE, Labels, Round, Scores, TieBreak, Winners
from choicekit.profiles import Batch, Utilities
from choicekit.profiles._columns import frozen
from choicekit.rules._rule import Floats, rule
from choicekit.rules._ties import parallel_universes
from choicekit.rules.cardinal import complete, on_utilities, scored
from choicekit.welfare.ordered import dense_places, levels

Missing = Literal["refuse", "zero", "average"]

EVERY_UNIVERSE = parallel_universes()


def _totals(values: Floats, weights: Floats) -> Floats:
    """Σ_i w_i g_i(a); sums of whole numbers are exact."""
    terms = np.multiply(np.swapaxes(values, -1, -2), weights, order="C")
    totals: Floats = terms.sum(-1)
    return totals


def _range(values: Floats, weights: Floats, *, missing: Missing = "refuse") -> Floats:
    if missing == "refuse":
        complete("range_voting", values)
        return _totals(values, weights)
    given = ~np.isnan(values)
    totals = _totals(np.where(given, values, 0.0), weights)
    if missing == "zero":
        return totals
    if missing != "average":
        raise ValueError(f"range_voting: needed missing='refuse', 'zero' or 'average', got {missing!r}")
    graders = _totals(given.astype(np.float64), weights)
    return np.where(graders > 0, totals / np.where(graders > 0, graders, 1.0), -np.inf)


def _range_batch(many: Batch, *, missing: Missing = "refuse") -> Floats:
    return _range(many.values, many.weights, missing=missing)


@rule(batch=_range_batch)
def range_voting(profile: Utilities, *, missing: Missing = "refuse") -> Scores:
    """The sum of the grades that voters give an alternative, Σ_i w_i g_i(a): range voting, or score voting.

    ``missing`` says what a grade that was not given (NaN) does: ``"refuse"`` raises ``ValueError``; ``"zero"`` counts
    it as 0; ``"average"`` leaves it out and divides by the weight of those who gave one (an alternative that nobody
    graded scores minus infinity).

    Source: Smith 2000; as utilitarian voting Hillinger 2005.

    >>> profile = Utilities([[5, 4], [0, float("nan")]], alternatives="ab")
    >>> range_voting(profile, missing="zero").scores.tolist(), range_voting(profile, missing="average").scores.tolist()
    ([5.0, 4.0], [2.5, 4.0])
    """
    if missing == "refuse":
        complete("range_voting", profile.values, profile.alternatives)
    return Scores(profile.alternatives, frozen(_range(profile.values[None], profile.weights, missing=missing)[0]))


def _star_batch(many: Batch, *, ties: TieBreak = EVERY_UNIVERSE) -> Floats:
    complete("star", many.values)
    settled = ties.settled(tuple(range(many.values.shape[2])))
    return _star(many.values, many.weights, settled, tuple(range(many.values.shape[2])))


def _star(values: Floats, weights: Floats, ties: TieBreak, alternatives: Labels) -> Floats:
    place = ties.ranks(alternatives)
    totals = _totals(values, weights)
    slack = TIE_TOLERANCE * np.abs(totals).max(-1, initial=0.0)
    return kernels.runoffs(values, weights, totals, np.empty(0, np.int64) if place is None else place, slack)


@rule(batch=_star_batch)
def star(profile: Utilities, *, ties: TieBreak = EVERY_UNIVERSE) -> Winners:
    """Score, then automatic runoff: of the two alternatives with the highest totals, the one that more voters grade
    higher than the other wins.

    A runoff that ends level goes to the one with the higher total. Other ties, for a place in the runoff and of a
    runoff between equal totals, are broken by ``ties`` (default :func:`~choicekit.rules.parallel_universes`: who wins
    in some way of breaking them is a winner). ``rounds`` has the totals and the weights of the two camps in the
    runoff, where the finalists are beyond doubt. Raises ``ValueError`` where a grade is missing.

    Source: Equal Vote Coalition 2014, with its rule that a tied runoff goes to the higher score.

    >>> profile = Utilities([[5, 2, 1, 0], [1, 5, 3, 2], [0, 3, 5, 4], [0, 3, 4, 5]], weights=[42, 26, 15, 17],
    ...                     alternatives=["Memphis", "Nashville", "Chattanooga", "Knoxville"])
    >>> outcome = star(profile)
    >>> outcome.rounds[0].scores.tolist(), outcome.rounds[1].scores.tolist(), outcome.winners
    ([236.0, 310.0, 263.0, 197.0], [68.0, 32.0], ('Nashville',))
    """
    complete("star", profile.values, profile.alternatives)
    labels = profile.alternatives
    settled = ties.settled(labels)
    won = _star(profile.values[None], profile.weights, settled, labels)[0] > 0
    chosen = tuple(label for label, wins in zip(labels, won.tolist(), strict=True) if wins)
    totals = frozen(_totals(profile.values, profile.weights))
    pairs = _pairs(totals, settled.ranks(labels))
    if settled.method == "parallel universes":
        settled = replace(settled, universes=max(1, len(pairs)))
    rounds = _rounds(profile, totals, pairs[0], chosen) if len(pairs) == 1 else ()
    return Winners(labels, chosen, settled, rounds)


def _pairs(totals: Floats, place: NDArray[np.int64] | None) -> list[tuple[int, int]]:
    """Who may meet in the runoff."""
    near, order = TIE_TOLERANCE * float(np.abs(totals).max()), np.empty(0, np.int64) if place is None else place
    return [pair for pair in combinations(range(len(totals)), 2) if kernels.finalists(totals, near, order, *pair)]


def _rounds(profile: Utilities, totals: Floats, pair: tuple[int, int], chosen: Labels) -> tuple[Round, ...]:
    """The totals and the camps of the only runoff there can be."""
    finalists = tuple(profile.alternatives[a] for a in pair)
    camps = np.array(kernels.duel(profile.values, profile.weights, *pair))
    return (
        Round(profile.alternatives, totals, tuple(label for label in profile.alternatives if label not in finalists)),
        Round(finalists, frozen(camps), tuple(label for label in finalists if label not in chosen)),
    )


def _median(values: Floats, weights: Floats) -> Floats:
    return welfare.quantile(values, 0.5, weights)


def _judgement(values: Floats, weights: Floats) -> Floats:
    return dense_places(values, weights, outwards=True)


@rule(batch=on_utilities("median_grade", _median))
def median_grade(profile: Utilities) -> Scores:
    """The lower median of the grades: the lowest grade such that voters of at least half the weight give no more.

    Balinski and Laraki call it the majority grade. Many alternatives tie; :func:`majority_judgement` goes on. Raises
    ``ValueError`` where a grade is missing.

    Source: Balinski and Laraki 2007 (doi:10.1073/pnas.0702634104).

    >>> median_grade(Utilities([[0, 3], [1, 3], [4, 0], [5, 2]], alternatives="ab")).scores.tolist()
    [1.0, 2.0]
    """
    return scored("median_grade", _median, profile)


@rule(batch=on_utilities("majority_judgement", _judgement))
def majority_judgement(profile: Utilities) -> Scores:
    """The place, counted from the bottom, in the order of majority judgement: by the median grade; among those level,
    one median grade each is taken away and the medians of what remains are compared, again and again.

    The median of an even number is the lower one. A voter of weight w counts as w voters, also where w is no whole
    number: the grades taken away are those at ever larger distances s from the middle of the weight, so that an
    alternative is above another where the pair (Q(½ − s), Q(½ + s)) of its quantiles is larger, the lower one first,
    at the smallest s at which the two differ. Equal places are ties, which only equal distributions of grades have.
    Raises ``ValueError`` where a grade is missing.

    Source: Balinski and Laraki 2007 (doi:10.1073/pnas.0702634104), Balinski and Laraki 2011.

    >>> votes = Utilities([[0, 0, 1], [3, 3, 3], [3, 3, 3], [4, 5, 3]], alternatives="abc")
    >>> majority_judgement(votes).scores.tolist()      # 3, 3 for all; then 0 for a and b, 1 for c; then 4 and 5
    [0.0, 1.0, 2.0]
    """
    return scored("majority_judgement", _judgement, profile)


def _camps(values: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """The median grades and the shares of the weight above and below them, ``[b, m]`` each."""
    median = _median(values, weights)
    total = weights.sum()
    slack = TIE_TOLERANCE * np.abs(values).max(axis=(-2, -1))[:, None, None]
    above = _totals((values > median[:, None, :] + slack).astype(np.float64), weights) / total
    below = _totals((values < median[:, None, :] - slack).astype(np.float64), weights) / total
    return median, above, below


def _typical(values: Floats, weights: Floats) -> Floats:
    median, above, below = _camps(values, weights)
    return _lexicographic(median, above - below)


def _usual(values: Floats, weights: Floats) -> Floats:
    median, above, below = _camps(values, weights)
    return _lexicographic(median, (above - below) / (1.0 - above - below))


def _central(values: Floats, weights: Floats) -> Floats:
    median, above, below = _camps(values, weights)
    both = above + below
    return _lexicographic(median, (above - below) / np.where(both > 0, both, 1.0))


def _lexicographic(first: Floats, second: Floats) -> Floats:
    """Dense places from the bottom, by the first numbers ``[b, m]``, then the second, each up to the tolerance."""
    size = first.shape[1]
    keys = size * levels(first[:, None]) + levels(second[:, None], unit=1.0)
    return levels(keys)[:, 0]


@rule(batch=on_utilities("typical_judgement", _typical))
def typical_judgement(profile: Utilities) -> Scores:
    """The place, counted from the bottom, by the median grade and then by the share of the voters who give more less
    the share of those who give less.

    Raises ``ValueError`` where a grade is missing.

    Source: Fabre 2021 (doi:10.1007/s00355-020-01269-9).

    >>> votes = Utilities([[0, 2], [3, 3], [3, 3], [4, 3], [4, 3]], alternatives="ab")      # a: 2/5 − 1/5, b: 0 − 1/5
    >>> typical_judgement(votes).scores.tolist()
    [1.0, 0.0]
    """
    return scored("typical_judgement", _typical, profile)


@rule(batch=on_utilities("usual_judgement", _usual))
def usual_judgement(profile: Utilities) -> Scores:
    """The place, counted from the bottom, by the median grade and then by (p − q) / (1 − p − q), where p is the share
    of the voters who give more and q the share of those who give less.

    Raises ``ValueError`` where a grade is missing.

    Source: Fabre 2021 (doi:10.1007/s00355-020-01269-9).

    >>> votes = Utilities([[0, 0], [2, 3], [3, 3], [4, 3], [4, 4], [4, 4]], alternatives="ab")
    >>> usual_judgement(votes).scores.tolist()      # a: (3 − 2)/1, b: (2 − 1)/3
    [1.0, 0.0]
    """
    return scored("usual_judgement", _usual, profile)


@rule(batch=on_utilities("central_judgement", _central))
def central_judgement(profile: Utilities) -> Scores:
    """The place, counted from the bottom, by the median grade and then by (p − q) / (p + q), where p is the share of
    the voters who give more and q the share of those who give less (0 where there are neither).

    Raises ``ValueError`` where a grade is missing.

    Source: Fabre 2021 (doi:10.1007/s00355-020-01269-9).

    >>> votes = Utilities([[0, 0], [2, 3], [3, 3], [4, 3], [4, 4], [4, 4]], alternatives="ab")
    >>> central_judgement(votes).scores.tolist()      # a: (3 − 2)/5, b: (2 − 1)/3
    [0.0, 1.0]
    """
    return scored("central_judgement", _central, profile)
