"""A screen for voters whose answers carry too little of the signal, with a false-positive rate that is stated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.models import _reliability as inner
from choicekit.models.fit import Fit
from choicekit.models.luce import Pairs, fit_pairs
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Differences of scores on a voter's pairs ``[c]``, and draws ``[draws, c]`` of them where they are in doubt.
View: TypeAlias = tuple[Floats, Floats | None]

#: Variances of the prior on scores among which the likeliest is taken where none is given.
PRIORS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
#: A voter who moves a difference of scores by more than this is left out by a fit of its own, not by one step.
_FAR = 0.1


@dataclass(frozen=True, eq=False)
class SpammerScreen:
    """For each voter the p-value of "answers as an honest voter does" against "answers carry less of the signal".

    ``flagged`` are the voters with ``p_values[v]`` of at most ``rate``: each honest voter is among them with a
    probability of at most ``rate``. ``agreement[v]`` is the share of the voter's answers that went to the alternative
    with the higher score, and ``honest_agreement[v]`` what it would be on average for an honest voter with the same
    questions. ``power[v]`` is the probability that somebody who tosses a coin at these questions is flagged: where it
    is small, not being flagged means little. ``answers[v]`` is the number of answers without ties.

    >>> screen = SpammerScreen(("ann", "bob"), np.array([0.4, 0.01]), 0.05, *[np.array([9.0, 9.0])] * 4)
    >>> screen.flagged, screen.expected_false_positives
    (('bob',), 0.1)
    """

    voters: tuple[Label, ...]
    p_values: Floats
    rate: float
    answers: Floats
    agreement: Floats
    honest_agreement: Floats
    power: Floats

    @property
    def flagged(self) -> tuple[Label, ...]:
        """The voters whose p-value is at most ``rate``.

        >>> SpammerScreen(("ann", "bob"), np.array([0.05, 0.06]), 0.05, *[np.array([9.0, 9.0])] * 4).flagged
        ('ann',)
        """
        return tuple(self.voters[v] for v in np.flatnonzero(self.p_values <= self.rate))

    @property
    def expected_false_positives(self) -> float:
        """How many voters would be flagged, at most and on average, if all were honest: ``rate`` times their number.

        >>> SpammerScreen(("ann",), np.ones(1), 0.05, *[np.ones(1)] * 4).expected_false_positives
        0.05
        """
        return self.rate * int((self.answers > 0).sum())


def spammers(
    comparisons: Comparisons,
    *,
    rate: float = 0.05,
    scores: ArrayLike | None = None,
    prior: float | None = None,
    draws: int = 999,
    rng: int | np.random.Generator = 0,
) -> SpammerScreen:
    """Screen the voters for answers that carry too little of the signal, with a false-positive rate of ``rate``.

    An honest voter prefers i to j with probability σ(s_i − s_j). The scores s are those of a Bradley–Terry fit to
    everybody else's answers, with N(0, ``prior``) priors, by default of the variance in :data:`PRIORS` under which all
    answers together are likeliest (Laplace's approximation of the integral over the scores). The statistic is
    T = Σ y·(s_i − s_j) over the voter's answers, y = 1 where i was preferred and 0 where j was. It is the score of a
    at 1 in P = σ(a(s_i − s_j)); for known scores no test against a smaller a is more powerful than rejecting for small
    T (Neyman and Pearson's lemma). Its distribution for an honest voter is simulated ``draws`` times;
    p = (1 + number of draws ≤ T)/(1 + ``draws``), which is at most ``rate`` with at most that probability.

    The doubt about the others' scores is counted: each draw first draws scores from the normal approximation to their
    posterior, N(ŝ, covariance), then answers. Without this a well-meaning voter would be held to scores that are
    themselves noise. The rate is per honest voter, over data sets whose scores are as spread as the prior says; so at
    most ``rate`` times the number of voters are flagged on average if all are honest
    (:attr:`SpammerScreen.expected_false_positives`). Honest means as sharp as the fit: a careful voter with other
    tastes, or with more noise than the rest, is flagged too where there are answers enough. Give ``scores[k, m]``,
    such as those of the components of a mixture, and a voter counts as honest who answers as any of the k does (p is
    the largest of the k); they are taken as known without error.

    Ties say nothing about the sign of a difference and are left out; weights are numbers of answers. Spammers among
    "everybody else" draw the scores together, which tends to make p-values of honest voters larger, not smaller.

    Parameters
    ----------
    rate : the false-positive rate for each honest voter.
    scores : ``[m]`` or ``[k, m]`` in the order of ``alternatives``, instead of scores from the others' answers.
    prior : the variance of the scores' prior, or ``None`` to have it chosen.
    draws : simulated answer sheets a voter; ``rate`` must be at least 1/(1 + draws).
    rng : a seed or a generator.

    Raises ``ValueError`` without voters, with a single one and no ``scores``, for weights that are no whole numbers,
    for a rate that is not between 1/(1 + draws) and 1, and for scores of the wrong shape.

    >>> answers = [(f"v{k}", a, b) for k in range(12) for a, b in ("ab", "bc", "cd", "ac", "bd", "ad")]
    >>> contrary = [("eve", b, a) for a, b in ("ab", "bc", "cd", "ac", "bd", "ad")]
    >>> who, winner, loser = zip(*answers, *contrary)
    >>> screen = spammers(Comparisons(winner, loser, voter=who), rate=0.01)
    >>> screen.flagged, float(screen.agreement[0]), round(float(screen.p_values[0]), 3)
    (('eve',), 0.0, 0.001)
    """
    sheets = _sheets(comparisons, rate, draws)
    given = None if scores is None else np.atleast_2d(np.array(scores, np.float64))
    size = len(comparisons.alternatives)
    if given is not None and (given.ndim != 2 or given.shape[1] != size or not np.isfinite(given).all()):
        raise ValueError(f"spammers: needed finite scores [m] or [k, m] with m = {size}, got shape {given.shape}")
    if given is None and len(np.unique(sheets.voter)) < 2:
        raise ValueError("spammers: needed at least two voters, to judge one by the others; or pass scores=")
    if prior is not None and not (isinstance(prior, int | float | np.number) and 0 < prior < math.inf):
        raise ValueError(f"spammers: prior must be a positive variance or None, got {prior!r}")
    rest = None if given is not None else _Rest.of(sheets, comparisons.alternatives, prior)
    generator = np.random.default_rng(rng)
    out = np.array([[1.0], [0.0], [np.nan], [np.nan], [0.0]]) * np.ones(len(comparisons.voters))
    for v in range(len(comparisons.voters)):
        own = slice(int(sheets.begin[v]), int(sheets.begin[v + 1]))
        if own.start < own.stop:
            sheet = _Sheet.of(sheets, own)
            views: list[View] = [] if rest is None else [rest.without(sheet, draws, generator)]
            views += [(row[sheet.first] - row[sheet.second], None) for row in ([] if given is None else given)]
            out[:, v] = _judge(sheet, views, rate, draws, generator)
    p_values, answers, agreement, expected, power = (frozen(row.copy()) for row in out)
    return SpammerScreen(comparisons.voters, p_values, float(rate), answers, agreement, expected, power)


def _sheets(comparisons: Comparisons, rate: float, draws: int) -> inner.Cells:
    if not 1 / (1 + draws) <= rate < 1:
        raise ValueError(
            f"spammers: rate must be at least 1/(1 + draws) = {1 / (1 + draws):.3g} and below 1, got {rate}; "
            "a smaller rate needs more draws"
        )
    cells = inner.count_cells(comparisons, False, "drop")
    if (cells.won != np.floor(cells.won)).any() or (cells.lost != np.floor(cells.lost)).any():
        raise ValueError("spammers: weights must be whole numbers of answers; leave weight= out, or repeat rows")
    return cells


@dataclass(frozen=True)
class _Sheet:
    """One voter's answers, one by one, or by pair where most pairs were answered often."""

    first: Ints
    second: Ints
    won: Floats
    lost: Floats

    @classmethod
    def of(cls, cells: inner.Cells, own: slice) -> _Sheet:
        first, second, won, lost = cells.first[own], cells.second[own], cells.won[own], cells.lost[own]
        if won.sum() + lost.sum() > 4 * len(won):
            return cls(first, second, won, lost)
        sides = [np.repeat(np.arange(len(won)), side.astype(np.int64)) for side in (won, lost)]
        cell, yes = np.concatenate(sides), np.repeat([1.0, 0.0], [len(sides[0]), len(sides[1])])
        return cls(first[cell], second[cell], yes, 1 - yes)


@dataclass(frozen=True)
class _Rest:
    """The fit to everybody, from which one voter is taken out at a time."""

    pairs: Pairs
    alternatives: tuple[Label, ...]
    scores: Floats
    covariance: Floats
    prior: float

    @classmethod
    def of(cls, cells: inner.Cells, alternatives: tuple[Label, ...], prior: float | None) -> _Rest:
        pairs = cells.pairs()
        fits = [fit_pairs(pairs, alternatives, prior=each) for each in (PRIORS if prior is None else (prior,))]
        fit = max(fits, key=_evidence) if len(fits) > 1 else fits[0]
        if not fit.converged:
            raise NotConverged(f"spammers: the fit to all answers stopped at a residual of {fit.residual:.1e}", fit)
        assert fit.prior is not None
        return cls(pairs, alternatives, fit.scores, fit.covariance, fit.prior)

    def without(self, sheet: _Sheet, draws: int, rng: np.random.Generator) -> View:
        """Gaps on the sheet by everybody else's scores, and draws ``[draws, c]`` of them.

        One Newton step from everybody's scores, whose information loses the voter's part; a fit of its own where the
        step is long.
        """
        met, place = np.unique(np.concatenate([sheet.first, sheet.second]), return_inverse=True)
        i, j = place[: len(sheet.first)], place[len(sheet.first) :]
        scores = self.scores[met]
        number, share = sheet.won + sheet.lost, inner.shares(scores[i] - scores[j])
        design = np.zeros((len(i), len(met)))
        design[np.arange(len(i)), i], design[np.arange(len(i)), j] = 1.0, -1.0
        information = design.T @ (design * (number * share * (1 - share))[:, None])
        block = self.covariance[np.ix_(met, met)]
        covariance = np.linalg.solve(np.eye(len(met)) - block @ information, block)
        gap = design @ (scores - covariance @ (design.T @ (sheet.won - number * share)))
        if np.abs(gap - (scores[i] - scores[j])).max() > _FAR:
            gap = self._refit(sheet)
        value, vector = np.linalg.eigh((covariance + covariance.T) / 2)
        root = design @ (vector * np.sqrt(np.maximum(value, 0.0)))
        return gap, gap + rng.standard_normal((draws, len(met))) @ root.T

    def _refit(self, sheet: _Sheet) -> Floats:
        size, pairs = len(self.alternatives), self.pairs
        edge = np.searchsorted(pairs.first * size + pairs.second, sheet.first * size + sheet.second)
        count, won = pairs.count.copy(), pairs.won.copy()
        np.subtract.at(count, edge, sheet.won + sheet.lost)
        np.subtract.at(won, edge, sheet.won)
        left = np.flatnonzero(count > 0)
        others = Pairs(pairs.first[left], pairs.second[left], count[left], won[left])
        fit = fit_pairs(others, self.alternatives, prior=self.prior, start=self.scores)
        return np.asarray(fit.scores[sheet.first] - fit.scores[sheet.second], np.float64)


def _evidence(fit: Fit) -> float:
    """The logarithm of the likelihood integrated over the prior, by Laplace's approximation, up to a constant."""
    assert fit.prior is not None
    size = len(fit.scores)
    # the constant vector has no variance in the mean-zero gauge, and its part of prior and posterior are the same
    logdet = float(np.linalg.slogdet(fit.covariance + 1 / size)[1])
    penalty = float(fit.scores @ fit.scores) / fit.prior
    return fit.loglik - 0.5 * penalty - 0.5 * (size - 1) * math.log(fit.prior) + 0.5 * logdet


def _judge(
    sheet: _Sheet, views: list[View], rate: float, draws: int, rng: np.random.Generator
) -> tuple[float, float, float, float, float]:
    """p-value, number of answers, agreement, that of an honest voter, and the power against a coin."""
    number = (sheet.won + sheet.lost).astype(np.int64)
    coins = _answers(number, np.full((draws, len(number)), 0.5), rng)
    worst, found, caught = 0.0, (np.nan, np.nan), np.ones(draws, np.bool_)
    for gap, drawn in views:
        chance = np.broadcast_to(inner.shares(gap if drawn is None else drawn), (draws, len(gap)))
        null = np.sort(_answers(number, chance, rng) @ gap)
        slack = 1e-9 * float(number @ np.abs(gap))  # sums in another order are equal up to rounding
        values = np.concatenate([[sheet.won @ gap], coins @ gap]) + slack
        p = (1 + np.searchsorted(null, values, side="right")) / (1 + draws)
        caught &= p[1:] <= rate
        if p[0] > worst:
            worst, found = (
                float(p[0]),
                (_agreement(gap, sheet.won, number), _agreement(gap, number * chance.mean(0), number)),
            )
    return worst, float(number.sum()), *found, float(caught.mean())


def _agreement(gap: Floats, won: Floats, number: Ints) -> float:
    """The share of answers for the alternative with the higher score; half of those between equals."""
    agreed = np.where(gap > 0, won, np.where(gap < 0, number - won, number / 2))
    return float(agreed.sum() / number.sum())


def _answers(number: Ints, chance: Floats, rng: np.random.Generator) -> Floats:
    """How often the first of each pair is preferred, ``[draws, c]``."""
    if number.max() > 1:
        return rng.binomial(number, chance).astype(np.float64)
    return (rng.random(chance.shape, dtype=np.float32) < chance).astype(np.float64)
