"""Disagreement taken apart: noise within a voter, difference between voters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import annotators as kernels
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Interval = tuple[float, float]


class Question(NamedTuple):
    """One pair of alternatives (in one context): how far voters differ from themselves and from each other on it.

    ``repeats`` is the number of voters who answered it twice or more, out of ``voters``.

    >>> Question("a", "b", None, 0.1, 0.4, 20, 5).value_difference
    0.30000000000000004
    """

    first: Label
    second: Label
    context: Label | None
    within: float
    between: float
    voters: int
    repeats: int

    @property
    def value_difference(self) -> float:
        """``between`` less ``within``; chance makes it negative at times.

        >>> Question("a", "b", None, 0.25, 0.5, 20, 5).value_difference
        0.25
        """
        return self.between - self.within


@dataclass(frozen=True, eq=False)
class Disagreement:
    """How often answers differ, within voters and between them, and what part of it is a difference of values.

    ``within`` is the probability that a voter asked again answers differently, ``between`` that two voters do;
    ``value_difference`` = between − within, ``value_share`` = 1 − within/between (NaN where nobody ever disagrees). The
    intervals are at ``level``, from a bootstrap over voters. ``repeats`` is the number of times a voter answered a
    question twice or more, the weight of the estimates; ``voters`` how many voters there are. ``questions`` are those
    that count, the one with the largest difference of values first.

    >>> votes = Comparisons(["a", "a", "b", "b", "a", "a"], ["b", "b", "a", "a", "b", "b"], voter=list("vvwwxx"))
    >>> found = disagreement(votes, replicates=0)
    >>> found.within, round(found.between, 6), found.value_share       # w sees it differently, and nobody wavers
    (0.0, 0.666667, 1.0)
    """

    within: float
    between: float
    value_difference: float
    value_share: float
    within_interval: Interval
    between_interval: Interval
    value_difference_interval: Interval
    value_share_interval: Interval
    level: float
    replicates: int
    repeats: int
    voters: int
    questions: tuple[Question, ...] = field(repr=False)


def disagreement(
    comparisons: Comparisons,
    *,
    level: float = 0.95,
    replicates: int = 999,
    rng: int | np.random.Generator = 0,
) -> Disagreement:
    """Split disagreement into noise (same voter, same question, other answer) and stable differences between voters.

    A question is a pair of alternatives, in its context where there are contexts. An answer is 1 where the first is
    preferred, 0 where the second is and ½ for a tie, and two answers x and y disagree by (x − y)²: 1 for opposite
    answers, ¼ for a tie and an answer. If voter v's answers to a question are independent with mean q_v then

    - within a voter the expected disagreement is 2q_v(1 − q_v) (twice the variance of the answers, with ties);
    - between two voters it exceeds the mean of theirs by (q_v − q_w)², and so, for voters drawn at random,

    value difference = between − within = E(q_v − q_w)², twice the variance of q over voters: 0 where all voters have
    the same probabilities however noisy, and all of it where no voter ever wavers.

    For each question: ``within`` is the mean over voters who answered it more than once of the mean over the pairs of
    their answers, ``between`` the mean over pairs of different voters of the mean over their pairs of answers; both are
    unbiased. Questions are averaged with the number of voters who answered twice as weights, the same for both numbers,
    over those questions that somebody answered twice and somebody else answered: a question that was easy and repeated
    is never held against one that was hard and not. Who is asked again should not depend on the answers.

    Intervals: voters are drawn with replacement, with all of their answers, ``replicates`` times; a voter drawn twice
    weighs twice, and is never compared with a copy of itself, which would count noise as disagreement between voters.
    The ends are the estimate ± t·s·√(V/(V − 1)) with the draws' standard deviation s and Student's t for V − 1 degrees
    of freedom, V the number of voters who were asked something twice. Where no voter ever wavers no draw does either,
    and the end for ``within`` is the rate at which nobody of so many would with probability 1 − ``level``. Questions
    are taken as given.

    Weights are numbers of answers and must be whole. Which of the two was shown first is not looked at: answers that
    follow the position count as noise where a pair was shown both ways round.

    Raises ``ValueError`` without voters; where nobody answered a question twice, for then noise and values cannot be
    told apart; for weights that are not whole; for a level that is not between 0 and 1. With ``replicates=0``
    the intervals are NaN.

    Source: unbiased U-statistics (Hoeffding 1948, doi:10.1214/aoms/1177730196); the bootstrap's standard error: Efron
    1979 (doi:10.1214/aos/1176344552).

    >>> sure = Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"], voter=["v", "v", "w", "w"])
    >>> found = disagreement(sure, replicates=0)
    >>> found.within, found.between                # v never wavers, w always did; v and w differ in half of the pairs
    (0.5, 0.5)
    """
    if not 0 < level < 1:
        raise ValueError(f"disagreement: the level must lie between 0 and 1, got {level}; 0.95 is usual")
    if replicates < 0 or replicates != int(replicates):
        raise ValueError(f"disagreement: replicates must be a whole number of at least 0, got {replicates}")
    answers = _answers(comparisons)
    within, between, repeats = answers.split(np.ones(answers.voters))
    used = np.flatnonzero((repeats > 0) & ~np.isnan(between))
    if not used.size:
        raise ValueError(_refusal(comparisons, answers))
    found = _means(within, between, repeats)
    draws, generator = np.full((int(replicates), 4), np.nan), np.random.default_rng(rng)
    for draw in draws:
        times = np.bincount(generator.integers(0, answers.voters, answers.voters), minlength=answers.voters)
        draw[:] = _means(*answers.split(times.astype(np.float64)))
    twice = len(np.unique(answers.unit[answers.count > 1]))
    inside, outside, difference, share = _intervals(draws, found, level, twice)
    return Disagreement(
        *found, inside, outside, difference, share, level, int(replicates), int(repeats[used].sum()), answers.voters,
        _questions(comparisons, answers, within, between, repeats, used),
    )  # fmt: skip


@dataclass(frozen=True)
class _Answers:
    """One cell for each voter and question: number of answers, their mean and their mean square."""

    question: Ints
    unit: Ints
    count: Floats
    mean: Floats
    square: Floats
    codes: Ints
    voters: int

    def split(self, times: Floats) -> tuple[Floats, Floats, Floats]:
        return kernels.disagreements(
            self.question, self.unit, self.count, self.mean, self.square, times, len(self.codes)
        )


def _answers(comparisons: Comparisons) -> _Answers:
    if not isinstance(comparisons, Comparisons):
        raise TypeError(f"disagreement: needed Comparisons, with voters, got {type(comparisons).__name__}")
    if comparisons.voter is None:
        raise ValueError("disagreement: needed to know who answered; give voter= when the comparisons are made")
    keep = np.flatnonzero(comparisons.weight > 0)
    weight = comparisons.weight[keep]
    if (weight != np.floor(weight)).any():
        raise ValueError("disagreement: weights must be whole numbers of answers; leave weight= out, or repeat rows")
    size = len(comparisons.alternatives)
    winner, loser = comparisons.winner[keep], comparisons.loser[keep]
    code = np.minimum(winner, loser) * size + np.maximum(winner, loser)
    if comparisons.context is not None:
        code = code + size * size * comparisons.context[keep]
    codes, question = np.unique(code, return_inverse=True)
    present, unit = np.unique(comparisons.voter[keep], return_inverse=True)
    cells, cell = np.unique(unit * len(codes) + question, return_inverse=True)
    answer = np.where(comparisons.tie[keep], 0.5, winner < loser)
    sums = [np.bincount(cell, weight * x) for x in (np.ones(len(keep)), answer, answer**2)]
    count, total, squares = (np.asarray(one, np.float64) for one in sums)
    return _Answers(
        cells % len(codes), cells // len(codes), count, total / count, squares / count, codes, len(present)
    )  # fmt: skip


def _means(within: Floats, between: Floats, repeats: Floats) -> tuple[float, float, float, float]:
    """Within, between, their difference and the share, over the questions that have both."""
    used = (repeats > 0) & ~np.isnan(between)
    if not used.any():
        return (np.nan,) * 4
    weight = repeats[used] / repeats[used].sum()
    inside, outside = float(weight @ within[used]), float(weight @ between[used])
    return inside, outside, outside - inside, 1 - inside / outside if outside > 0 else np.nan


def _intervals(draws: Floats, found: tuple[float, ...], level: float, twice: int) -> list[Interval]:
    """Student intervals with the bootstrap's standard error, within what the numbers can be."""
    from scipy.special import stdtrit

    known = draws[~np.isnan(draws[:, 0])]
    if len(known) < 2:
        return [(np.nan, np.nan)] * 4
    some = max(twice, 2)
    reach = float(stdtrit(some - 1, (1 + level) / 2)) * math.sqrt(some / (some - 1))
    ends = []
    for k, (low, high) in enumerate([(0.0, 1.0), (0.0, 1.0), (-1.0, 1.0), (-math.inf, 1.0)]):
        drawn = known[~np.isnan(known[:, k]), k]
        half = reach * float(drawn.std(ddof=1)) if len(drawn) > 1 else np.nan
        ends.append((max(low, found[k] - half), min(high, found[k] + half)))
    if found[0] == 0:
        # no draw wavers where no voter did: the largest rate at which so many voters may do so by chance
        most = 1 - (1 - level) ** (1 / twice)
        ends[0] = (0.0, most)
        ends[2] = (max(-1.0, min(ends[2][0], found[1] - most)), ends[2][1])
        ends[3] = (1 - most / found[1] if found[1] > 0 else np.nan, ends[3][1])
    return ends


def _questions(
    comparisons: Comparisons, answers: _Answers, within: Floats, between: Floats, repeats: Floats, used: Ints
) -> tuple[Question, ...]:
    size, labels = len(comparisons.alternatives), comparisons.alternatives
    asked = np.bincount(answers.question, minlength=len(answers.codes))
    order = used[np.argsort(within[used] - between[used], kind="stable")]
    return tuple(
        Question(
            labels[code % (size * size) // size], labels[code % size],
            None if comparisons.context is None else comparisons.contexts[code // (size * size)],
            float(within[q]), float(between[q]), int(asked[q]), int(repeats[q]),
        )
        for q, code in zip(order.tolist(), answers.codes[order].tolist(), strict=True)
    )  # fmt: skip


def _refusal(comparisons: Comparisons, answers: _Answers) -> str:
    what = "pair of alternatives" + (" in the same context" if comparisons.context is not None else "")
    if answers.count.max() < 2:
        return (
            f"disagreement: needed voters who answered the same {what} twice, to see how far they differ from "
            f"themselves; none of the {answers.voters} did. Ask some voters some questions again. Without that, noise "
            "and values can be told apart only by assuming a model: fit groups, a mixture, or models.distributional"
        )
    return (
        f"disagreement: needed two voters who answered the same {what}, one of them twice; {answers.voters} voters "
        "answered, but where one answered twice no other did. Ask other voters the questions that were asked again"
    )
