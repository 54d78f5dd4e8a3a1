"""What can be said from a fit: which rank each alternative may have, and intervals that hold for all at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import ranks
from choicekit.models.fit import Fit, quantile
from choicekit.outcomes import TIE_TOLERANCE, NotConverged
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Random = int | np.random.Generator | None


@dataclass(frozen=True, eq=False)
class RankIntervals:
    """Which rank each alternative may have: from ``best[m]`` to ``worst[m]``, where 1 is the first rank.

    ``ranks[m]`` are those of the fitted scores (equals share the better one). ``critical[m]`` is how many standard
    errors two scores had to be apart to count as different. Where ``simultaneous``, all intervals hold together with
    probability ``level``; otherwise each does by itself.

    >>> point, best, worst = np.array([[1, 2, 3], [1, 1, 3], [2, 2, 3]])
    >>> RankIntervals(("a", "b", "c"), point, best, worst, 0.95, True, np.ones(3)).contenders()
    ('a', 'b')
    """

    alternatives: tuple[Label, ...]
    ranks: Ints
    best: Ints
    worst: Ints
    level: float
    simultaneous: bool
    critical: Floats

    def contenders(self, count: int = 1) -> tuple[Label, ...]:
        """The labels that may be among the first ``count``, in the order of their scores.

        Where the intervals are simultaneous, the true first ``count`` are all among them with probability ``level``.

        >>> ranks = RankIntervals(("a", "b"), *np.array([[2, 1], [2, 1], [2, 1]]), 0.95, True, np.ones(2))
        >>> ranks.contenders(1), ranks.contenders(2)
        (('b',), ('b', 'a'))
        """
        order = np.argsort(self.ranks, kind="stable")
        return tuple(self.alternatives[a] for a in order[self.best[order] <= count].tolist())


@dataclass(frozen=True, eq=False)
class SimultaneousIntervals:
    """Intervals ``[m, 2]`` for all scores, or ``[m, m, 2]`` for all differences, that hold together.

    ``values`` ± ``critical`` · ``errors``; all of them cover with probability ``level``.

    >>> SimultaneousIntervals(("a",), np.array([1.0]), np.array([0.5]), 2.0, 0.95).intervals.tolist()
    [[0.0, 2.0]]
    """

    alternatives: tuple[Label, ...]
    values: Floats
    errors: Floats
    critical: float
    level: float

    @property
    def intervals(self) -> Floats:
        """The ends of the intervals, along a last axis.

        >>> SimultaneousIntervals(("a",), np.array([1.0]), np.array([0.0]), 2.0, 0.95).intervals.tolist()
        [[1.0, 1.0]]
        """
        half = self.critical * self.errors
        return np.stack([self.values - half, self.values + half], axis=-1)


def rank_intervals(
    fit: Fit, level: float = 0.95, *, draws: int = 10_000, stepdown: bool = True, rng: Random = 0
) -> RankIntervals:
    """For each alternative by itself, an interval that holds its rank with probability ``level``.

    Alternative i is held to be above k where (s_i − s_k)/se(s_i − s_k) exceeds c_i, the ``level`` quantile of
    max_k |z_i − z_k|/se(s_i − s_k) for z from the normal approximation N(0, covariance). Its best possible rank is
    1 + the number held to be above it, its worst m − the number held to be below it. With ``stepdown`` the quantile is
    taken again over the statements ("i is above k", "k is above i") not yet made, until nothing more is found. That
    one false statement is made about i has probability at most 1 − ``level``, so where scores are equal in truth the
    interval holds every rank that the equals share.

    Use :func:`simultaneous_rank_intervals` to read several intervals off one table. Time grows as m²·``draws``, for
    each step down. ``rng`` makes the draws.

    Raises ``ValueError`` for a level outside (0, 1), fewer than 100 draws, or components fitted apart, whose scores
    have no common zero.

    Source: Mogstad, Romano, Shaikh and Wilhelm 2024 (doi:10.1093/restud/rdad006).

    >>> import choicekit as ck
    >>> votes = ck.Comparisons([*"ab" * 50, *"a" * 90, *"c" * 10], [*"ba" * 50, *"c" * 90, *"a" * 10])
    >>> found = rank_intervals(ck.models.bradley_terry(votes))      # a and b are level, both well above c
    >>> found.best.tolist(), found.worst.tolist()
    ([1, 1, 3], [2, 2, 3])
    """
    scores, scale, noise = _ready(fit, level, draws, rng)
    size = len(scores)
    gaps = (scores[:, None] - scores) * scale
    up, down = scale.copy(), scale.copy()
    critical = np.zeros(size)
    rows = np.arange(size)
    while rows.size:
        maxima = ranks.row_maxima(noise, up, down, rows)
        critical[rows] = np.quantile(maxima, level, axis=1, method="higher")
        above = (gaps[rows] > critical[rows, None]) & (up[rows] > 0)
        below = (-gaps[rows] > critical[rows, None]) & (down[rows] > 0)
        up[rows] = np.where(above, 0.0, up[rows])
        down[rows] = np.where(below, 0.0, down[rows])
        rows = rows[(above | below).any(1)] if stepdown else rows[:0]
    return _ranked(fit, scale * gaps > 0, up, down, level, False, critical)


def simultaneous_rank_intervals(
    fit: Fit, level: float = 0.95, *, draws: int = 10_000, stepdown: bool = True, rng: Random = 0
) -> RankIntervals:
    """Intervals that hold the ranks of all alternatives at once with probability ``level``.

    As :func:`rank_intervals`, with one critical value, from the maximum over all pairs: with probability ``level`` all
    the statements "i is above k" that the intervals rest on are true together. Raises as :func:`rank_intervals`.

    Source: Mogstad, Romano, Shaikh and Wilhelm 2024 (doi:10.1093/restud/rdad006); Klein, Wright and Wieczorek 2020
    (doi:10.1111/rssc.12402) for intervals of ranks from intervals of what is ranked.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons([*"ab" * 50, *"a" * 90, *"c" * 10], [*"ba" * 50, *"c" * 90, *"a" * 10])
    >>> found = simultaneous_rank_intervals(ck.models.bradley_terry(votes))
    >>> found.best.tolist(), found.worst.tolist(), found.contenders()
    ([1, 1, 3], [2, 2, 3], ('a', 'b'))
    """
    scores, scale, noise = _ready(fit, level, draws, rng)
    gaps = (scores[:, None] - scores) * scale
    up = scale.copy()
    maxima = ranks.all_maxima(noise, up)
    critical = float(np.quantile(maxima, level, method="higher"))
    while (found := (gaps > critical) & (up > 0)).any():
        up[found] = 0.0
        if not stepdown:
            break
        # A maximum over fewer statements is no larger: only draws that were large can decide the new quantile.
        tail = np.argsort(-maxima, kind="stable")
        needed = len(tail) - int(np.ceil(level * (len(tail) - 1)))
        for share in (4, 16, len(tail)):
            few = tail[: share * needed]
            maxima[few] = ranks.all_maxima(np.ascontiguousarray(noise[:, few]), up)
            critical = float(np.sort(maxima[few])[-needed])
            if len(few) == len(tail) or critical >= maxima[tail[len(few)]]:
                break
    return _ranked(fit, scale * gaps > 0, up, up.T, level, True, np.full(len(scores), critical))


def simultaneous_intervals(
    fit: Fit, level: float = 0.95, *, draws: int = 10_000, rng: Random = 0
) -> SimultaneousIntervals:
    """Intervals for the scores (mean-zero gauge) that hold all at once with probability ``level``.

    s_i ± c·se(s_i), where c is the ``level`` quantile of max_i |z_i|/se(s_i) for z ~ N(0, covariance), by simulation.
    Raises as :func:`rank_intervals`.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> found = simultaneous_intervals(fit, draws=100_000)      # the two scores are one number with two signs
    >>> abs(found.critical - 1.96) < 0.02
    True
    """
    _, _, noise = _ready(fit, level, draws, rng)
    errors = fit.estimates.standard_errors
    maxima = (np.abs(noise) * _inverse(errors, errors)[:, None]).max(0)
    critical = float(np.quantile(maxima, level, method="higher"))
    return SimultaneousIntervals(fit.alternatives, fit.scores, errors, critical, level)


def simultaneous_differences(
    fit: Fit, level: float = 0.95, *, draws: int = 10_000, rng: Random = 0
) -> SimultaneousIntervals:
    """Intervals ``[m, m, 2]`` for all differences s_i − s_k that hold all at once with probability ``level``.

    (s_i − s_k) ± c·se(s_i − s_k), where c is the ``level`` quantile of max_{i<k} |z_i − z_k|/se(s_i − s_k) for
    z ~ N(0, covariance), by simulation. Raises as :func:`rank_intervals`.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> found = simultaneous_differences(fit, draws=100_000)
    >>> found.values[0, 1].round(4), abs(found.critical - 1.96) < 0.02
    (np.float64(1.0986), True)
    """
    scores, scale, noise = _ready(fit, level, draws, rng)
    critical = float(np.quantile(ranks.all_maxima(noise, scale), level, method="higher"))
    errors = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    return SimultaneousIntervals(fit.alternatives, scores[:, None] - scores, errors, critical, level)


def difference_variances(fit: Fit) -> Floats:
    """Var(s_i − s_k), ``[m, m]``.

    Raises ``ValueError`` where parts were fitted apart, and as :attr:`Fit.covariance`.

    >>> import choicekit as ck
    >>> fit = ck.models.bradley_terry(ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"]))
    >>> difference_variances(fit).round(4).tolist()
    [[0.0, 1.3333], [1.3333, 0.0]]
    """
    if fit.components is not None and np.ptp(fit.components) > 0:
        parts = len(np.unique(fit.components))
        raise ValueError(
            f"the fit has {parts} components fitted apart, and scores of different components cannot be compared; fit "
            "one component alone, or with a prior"
        )
    covariance = fit.covariance
    variance = np.diag(covariance)
    found: Floats = np.maximum(variance[:, None] + variance - covariance - covariance.T, 0.0)
    return found


def _ready(fit: Fit, level: float, draws: int, rng: Random) -> tuple[Floats, Floats, Floats]:
    """Scores, one over the standard errors of their differences (0 where there is none), and draws ``[m, draws]``."""
    quantile(level)
    if draws < 100:
        raise ValueError(f"draws must be at least 100, got {draws}; 10,000 is usual")
    variances = difference_variances(fit)
    variance = np.diag(fit.covariance)
    scale = _inverse(np.sqrt(variances), np.sqrt(variance[:, None] + variance))
    values, vectors = np.linalg.eigh((fit.covariance + fit.covariance.T) / 2)
    kept = values > 1e-14 * max(values[-1], 0.0)
    root = vectors[:, kept] * np.sqrt(values[kept])
    return fit.scores, scale, root @ np.random.default_rng(rng).normal(size=(int(kept.sum()), draws))


def _inverse(errors: Floats, size: Floats) -> Floats:
    """One over ``errors``, 0 where these are rounding beside ``size``."""
    return np.divide(1.0, errors, out=np.zeros_like(errors), where=errors > 1e-7 * size)


def _ranked(
    fit: Fit, above: Any, up: Floats, down: Floats, level: float, together: bool, critical: Floats
) -> RankIntervals:
    """Ranks from which statements "i is above k" were made: those whose entry in ``up`` (``down``) became 0."""
    scores = fit.scores
    beats = (above & (up == 0)).sum(1)
    beaten = (above.T & (down == 0)).sum(1)
    order, slack = np.sort(-scores), TIE_TOLERANCE * np.abs(scores).max()
    return RankIntervals(
        alternatives=fit.alternatives,
        ranks=frozen(1 + np.searchsorted(order, -scores - slack)),
        best=frozen(1 + beaten),
        worst=frozen(len(scores) - beats),
        level=level,
        simultaneous=together,
        critical=frozen(critical),
    )


@dataclass(frozen=True, eq=False)
class QuasiVariances:
    """Variances q_i under which q_i + q_k is nearly the variance of s_i − s_k, as if scores were independent.

    ``variances[m]`` are the q; one of them may be negative, and then has no square root to show as an error.
    ``pair_errors`` are the worst relative errors (too small, too large) of the standard errors of differences that
    they give.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons([*"aabbcc", *"abc"], [*"bcacab", *"bca"])
    >>> found = quasi_variances(ck.models.bradley_terry(votes))
    >>> bool(np.ptp(found.variances) < 1e-9), max(map(abs, found.pair_errors)) < 1e-9
    (True, True)
    """

    alternatives: tuple[Label, ...]
    scores: Floats
    variances: Floats
    pair_errors: tuple[float, float]
    _covariance: Floats = field(repr=False)

    @cached_property
    def contrast_errors(self) -> tuple[float, float]:
        """The worst relative errors (too small, too large) of the standard error of any contrast Σ c_i s_i, Σ c_i = 0.

        From the extreme eigenvalues of diag(q) relative to the covariance on the space of contrasts.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons([*"aabbcc", *"abc"], [*"bcacab", *"bca"])
        >>> max(map(abs, quasi_variances(ck.models.bradley_terry(votes)).contrast_errors)) < 1e-9
        True
        """
        from scipy.linalg import eigh, helmert

        basis = helmert(len(self.scores))
        found = eigh((basis * self.variances) @ basis.T, basis @ self._covariance @ basis.T, eigvals_only=True)
        low, high = np.sqrt(np.maximum(found[[0, -1]], 0.0)) - 1
        return float(low), float(high)

    def interval(self, level: float = 0.95) -> Floats:
        """Comparison intervals ``[m, 2]``: scores ± a normal quantile times √q.

        Two scores differ significantly, roughly, where these intervals lie well apart; the exact reading is the
        difference beside √(q_i + q_k). Raises ``ValueError`` where a quasi-variance is negative.

        >>> import choicekit as ck
        >>> votes = ck.Comparisons([*"aabbcc", *"abc"], [*"bcacab", *"bca"])
        >>> quasi_variances(ck.models.bradley_terry(votes)).interval().shape
        (3, 2)
        """
        negative = [self.alternatives[a] for a in np.flatnonzero(self.variances < 0).tolist()]
        if negative:
            raise ValueError(
                f"interval: the quasi-variance of {short(negative)} is negative, so it has no interval of its own; "
                "use simultaneous_differences, or Fit.relative_to"
            )
        half = quantile(level) * np.sqrt(self.variances)
        return np.stack([self.scores - half, self.scores + half], axis=1)


def quasi_variances(fit: Fit, *, tolerance: float = 1e-10, limit: int = 200) -> QuasiVariances:
    """Quasi-variances of the scores: q minimising Σ_{i<k} (log(q_i + q_k) − log Var(s_i − s_k))².

    A table of scores and q lets a reader find the error of any difference without the covariance. They do not depend
    on the gauge. With three alternatives they are exact.

    ``tolerance`` bounds how far from 0, for any i, the mean over k of log(q_i + q_k) − log Var(s_i − s_k) with weights
    1/(q_i + q_k) may be (it is 0 at the minimum), and ``limit`` the Newton steps.

    Raises ``ValueError`` for two alternatives, where only q_1 + q_2 is determined, and where a difference has no
    variance; ``NotConverged`` where the limit is met.

    Source: Firth and de Menezes 2004 (doi:10.1093/biomet/91.1.65).

    >>> import choicekit as ck
    >>> votes = ck.Comparisons([*"ab" * 8, *"ac" * 2], [*"ba" * 8, *"ca" * 2])     # b and c met a alone
    >>> quasi_variances(ck.models.bradley_terry(votes)).variances.round(6).tolist()
    [0.0, 0.25, 1.0]
    """
    variances = difference_variances(fit)
    size = len(variances)
    if size < 3:
        raise ValueError(f"quasi_variances: with {size} alternatives only the sum of their variances is determined; "
                         "use Fit.relative_to")  # fmt: skip
    off = ~np.eye(size, dtype=np.bool_)
    if (variances[off] <= 1e-14 * variances.max()).any():
        i, k = np.argwhere(off & (variances <= 1e-14 * variances.max()))[0]
        raise ValueError(
            f"quasi_variances: the difference of {fit.alternatives[i]!r} and {fit.alternatives[k]!r} has no variance; "
            "leave one of the two out"
        )
    target = np.log(np.where(off, variances, 1.0))
    q, residual = _least_squares(variances, target, off, tolerance, limit)
    ratios = np.sqrt((q[:, None] + q)[off] / variances[off]) - 1
    errors = float(ratios.min()), float(ratios.max())
    found = QuasiVariances(fit.alternatives, fit.scores, frozen(q), errors, fit.covariance)
    if residual > tolerance:
        raise NotConverged(
            f"quasi_variances: residual {residual:.1e} after {limit} steps, above the tolerance {tolerance:.1e}; raise "
            "limit= or loosen tolerance=. The partial answer is in .partial",
            found,
        )
    return found


def _least_squares(variances: Floats, target: Floats, off: Any, tolerance: float, limit: int) -> tuple[Floats, float]:
    """Newton's method from the q whose sums fit the variances themselves best, halving steps until the sum falls."""
    size = len(variances)
    rows = variances.sum(1)
    q = (rows - rows.sum() / (2 * size - 2)) / (size - 2)
    if ((q[:, None] + q)[off] <= 0).any():
        q = np.full(size, np.exp(target[off].mean()) / 2)

    def misfit(q: Floats) -> Floats:
        sums = np.where(off, q[:, None] + q, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(off, np.log(sums) - target, 0.0)

    error, residual = misfit(q), np.inf
    for _ in range(limit):
        slope = np.where(off, 1 / np.where(off, q[:, None] + q, 1.0), 0.0)
        gradient = (slope * error).sum(1)
        residual = float((np.abs(gradient) / slope.sum(1)).max())
        if residual <= tolerance:
            break
        step, share = _step(slope, error, gradient), 1.0
        while share > 1e-12:
            trial = misfit(q - share * step)
            if np.isfinite(trial).all() and (trial**2).sum() <= (error**2).sum() * (1 + 1e-12):
                break
            share /= 2
        q = q - share * step
        error = misfit(q)
    return q, residual


def _step(slope: Floats, error: Floats, gradient: Floats) -> Floats:
    """Newton's step, or Gauss and Newton's where the sum is not convex."""
    diagonal = np.diag_indices(len(slope))
    for bend in (slope**2 * (1 - error), slope**2):
        bend[diagonal] = bend.sum(1)
        try:
            np.linalg.cholesky(bend)
        except np.linalg.LinAlgError:
            continue
        return np.asarray(np.linalg.solve(bend, gradient), np.float64)
    return np.asarray(gradient / (slope**2).sum(1), np.float64)
