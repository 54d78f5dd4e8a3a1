"""Whether answers express attitudes: do people repeat them when asked again, and do they survive another order?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles._columns import Column, Label, encode, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class AttitudeScreen:
    """For each question, how far answers are the voters' own and how far they depend on the order shown.

    ``repeats[q]`` is the number of voters who answered twice or more, ``stability[q]`` the chance that two answers of
    such a voter agree (voters count alike), ``chance[q]`` the same for answers dealt at random among them, and
    ``reliability[q]`` = (stability − chance)/(1 − chance): 1 where everybody repeats the answer, 0 where a person's own
    earlier answer tells no more than a stranger's. ``stability_p[q]`` is the p-value of a permutation test against
    reliability 0 (one-sided). ``order_effect[q]`` is the largest total variation between the answers to two orders,
    each voter's first answer counting, and ``order_p[q]`` its permutation p-value, multiplied by Holm's factors over
    the questions. NaN where there is nothing to tell by.

    >>> found = attitude_screen([1] * 8, ["a", "b", "c", "d"] * 2, ["yes", "no", "yes", "no"] * 2)
    >>> found.stability.tolist(), found.chance.round(3).tolist(), found.reliability.tolist()
    ([1.0], [0.429], [1.0])
    """

    questions: tuple[Label, ...]
    repeats: Ints
    stability: Floats
    chance: Floats
    stability_p: Floats
    order_effect: Floats
    order_p: Floats
    rate: float

    @property
    def reliability(self) -> Floats:
        """Agreement with oneself beyond chance, ``[q]``; NaN where all answers are the same.

        >>> attitude_screen([1] * 4, ["a", "b"] * 2, ["yes", "no", "no", "yes"]).reliability.round(3).tolist()
        [-0.5]
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Floats = (self.stability - self.chance) / (1 - self.chance)
        return found

    @property
    def unproven(self) -> tuple[Label, ...]:
        """The questions asked twice whose answers show no stability at ``rate``: what non-attitudes look like.

        Few repeats show little: a question may be here for want of data.

        >>> attitude_screen([1] * 4, ["a", "b"] * 2, ["yes", "no", "no", "yes"]).unproven
        (1,)
        """
        return tuple(self.questions[q] for q in np.flatnonzero(self.stability_p > self.rate))

    @property
    def order_bound(self) -> tuple[Label, ...]:
        """The questions whose answers depend on the order shown: at most ``rate`` of screens name one wrongly.

        >>> yes, order = ["A"] * 20 + ["B"] * 20, ["A first"] * 20 + ["B first"] * 20
        >>> attitude_screen(["tea or coffee"] * 40, range(40), yes, order=order).order_bound
        ('tea or coffee',)
        """
        return tuple(self.questions[q] for q in np.flatnonzero(self.order_p <= self.rate))


def attitude_screen(
    question: Column,
    voter: Column,
    answer: Column,
    *,
    order: Column | None = None,
    rate: float = 0.05,
    permutations: int = 999,
    rng: int | np.random.Generator = 0,
) -> AttitudeScreen:
    """Screen questions for non-attitudes by test and retest, and by the order in which the answers were shown.

    One row an answer: which ``question[n]``, which ``voter[n]``, which ``answer[n]``, and in what ``order[n]`` the
    alternatives were shown. A voter with several rows for a question was asked again. Whoever has no attitude answers
    anew each time, so that the two answers are no closer than those of strangers (Converse's black-and-white model);
    the test deals the answers of those asked twice at random among them. It assumes that repeats were not remembered:
    people who recall what they said look more stable than they are.

    The order test deals the orders at random among voters (first answers only, which are independent). It assumes that
    orders were assigned at random. For comparisons of pairs :func:`~choicekit.models.disagreement` measures the same
    noise within voters, and :func:`~choicekit.models.annotators` each voter's position bias.

    Raises ``ValueError`` for columns of different lengths or a ``rate`` that is not between 1/(1 + permutations) and 1.

    Source: Converse 1964, The nature of belief systems in mass publics (doi:10.1080/08913810608443650, reprint).

    >>> rng = np.random.default_rng(0)
    >>> view = rng.integers(0, 2, 50)                                     # on the first question all have a view,
    >>> said = np.concatenate([view, view, rng.integers(0, 2, 100)])      # on the second they toss a coin each time
    >>> found = attitude_screen(np.repeat(["tax", "vague"], 100), np.tile(np.arange(50), 4), said)
    >>> found.unproven, found.stability_p[0].item()
    (('vague',), 0.001)
    """
    if permutations < 1 or not 1 / (1 + permutations) <= rate < 1:
        raise ValueError(f"rate: needed a number from 1/(1 + permutations) to below 1, got {rate!r}")
    which, questions = encode("question", question)
    columns = {"voter": voter, "answer": answer, "order": which if order is None else order}
    coded = {name: encode(name, column)[0] for name, column in columns.items()}
    for name, codes in coded.items():
        if len(codes) != len(which):
            raise ValueError(f"{name}: needed {len(which)} entries, one an answer, got {len(codes)}")
    generator = np.random.default_rng(rng)
    found = np.full((5, len(questions)), np.nan)
    repeats = np.zeros(len(questions), np.int64)
    rows = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[rows], np.arange(len(questions) + 1))
    for q in range(len(questions)):
        own = rows[bounds[q] : bounds[q + 1]]
        who, what, shown = (coded[name][own] for name in columns)
        repeats[q], found[:3, q] = _stability(who, what, permutations, generator)
        found[3:, q] = _order(who, what, shown, permutations, generator)
    found[4] = _holm(found[4])
    stability, chance, stability_p, effect, order_p = (frozen(row.copy()) for row in found)
    return AttitudeScreen(questions, frozen(repeats), stability, chance, stability_p, effect, order_p, rate)


def _stability(
    voter: Ints, answer: Ints, permutations: int, rng: np.random.Generator
) -> tuple[int, tuple[float, float, float]]:
    """How many were asked twice; how often they agree with themselves, by chance, and the p-value."""
    again = np.bincount(voter)[voter] > 1
    if not again.any():
        return 0, (np.nan, np.nan, np.nan)
    who, what = np.unique(voter[again], return_inverse=True)[1], np.unique(answer[again], return_inverse=True)[1]
    voters, answers, times = who.max() + 1, what.max() + 1, np.bincount(who)

    def agreement(said: Ints) -> float:
        counts = np.bincount(who * answers + said, minlength=voters * answers).reshape(voters, answers)
        return float(((counts * (counts - 1)).sum(1) / (times * (times - 1))).mean())

    seen = agreement(what)
    dealt = sum(agreement(rng.permutation(what)) >= seen - 1e-12 for _ in range(permutations))
    totals = np.bincount(what)
    chance = (totals * (totals - 1)).sum() / (len(what) * (len(what) - 1))
    return int(voters), (seen, float(chance), (1 + dealt) / (1 + permutations))


def _order(voter: Ints, answer: Ints, order: Ints, permutations: int, rng: np.random.Generator) -> tuple[float, float]:
    """The largest total variation between the first answers to two orders, and its p-value."""
    first = np.unique(voter, return_index=True)[1]
    said = np.unique(answer[first], return_inverse=True)[1]
    kinds, shown = np.unique(order[first], return_inverse=True)
    if len(kinds) < 2:
        return np.nan, np.nan
    answers, sizes = said.max() + 1, np.bincount(shown)[:, None]

    def effect(dealt: Ints) -> float:
        shares = np.bincount(dealt * answers + said, minlength=len(kinds) * answers).reshape(-1, answers) / sizes
        return float(0.5 * np.abs(shares[:, None] - shares).sum(-1).max())

    seen = effect(shown)
    dealt = sum(effect(rng.permutation(shown)) >= seen - 1e-12 for _ in range(permutations))
    return seen, (1 + dealt) / (1 + permutations)


def _holm(p_values: Floats) -> Floats:
    """Holm's adjusted p-values of those that are there."""
    out = p_values.copy()
    there = np.flatnonzero(~np.isnan(p_values))
    ranked = there[np.argsort(p_values[there], kind="stable")]
    factors = np.arange(len(ranked), 0, -1)
    out[ranked] = np.minimum(np.maximum.accumulate(p_values[ranked] * factors), 1.0) if len(ranked) else out[ranked]
    return out
