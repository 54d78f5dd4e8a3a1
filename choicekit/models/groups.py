"""Bradley–Terry fits by group, partially pooled."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import luce
from choicekit.models.fit import Fit
from choicekit.models.luce import Pairs, Ties, count_pairs, fit_pairs
from choicekit.outcomes import NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
HeldOut = Literal["heldout"]

#: Variances tried for the population's prior.
PRIOR_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: Variances tried for the deviation of a group from the population; 0 means that all groups share one fit.
POOLING_GRID = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: The variance at which the heterogeneity statistic is computed, whatever the pooling.
TEST_VARIANCE = 1.0


class GroupScores(NamedTuple):
    """Scores of the population ``[m]`` and of each group ``[g, m]``.

    >>> GroupScores(np.zeros(2), np.zeros((3, 2))).groups.shape
    (3, 2)
    """

    population: Floats
    groups: Floats


class Shuffled(NamedTuple):
    """One permutation of the group labels: the heterogeneity statistic and the groups' scores ``[g, m]`` under it.

    >>> Shuffled(0.5, np.zeros((3, 2))).statistic
    0.5
    """

    statistic: float
    groups: Floats


@dataclass(frozen=True)
class _Cells:
    """The rows as (unit, group, edge, count, won); a unit is a voter, or a row where there are no voters."""

    pairs: Pairs
    unit: Ints
    group: Ints
    edge: Ints
    count: Floats
    won: Floats
    units: int
    groups: int
    nested: bool
    voters: bool

    def tally(self, times: Floats, group: Ints | None = None) -> tuple[Floats, Floats]:
        """Counts and wins ``[groups, edges]`` with each cell taken ``times`` over, under these group labels."""
        labels = self.group if group is None else group
        return luce.add_by_group(labels, self.edge, self.count, self.won, times, self.groups, len(self.pairs.first))

    def unit_groups(self) -> Ints:
        """The group of each unit (one of them, where a unit has several)."""
        found = np.zeros(self.units, np.int64)
        found[self.unit] = self.group
        return found

    @cached_property
    def by_unit(self) -> Ints:
        """The cells in the order of their units."""
        return np.argsort(self.unit, kind="stable")

    def permuted(self, rng: np.random.Generator) -> Ints:
        """Group labels of the cells, shuffled among units where each has one, else among the cells of each unit."""
        if self.nested:
            return rng.permutation(self.unit_groups())[self.unit]
        # Within each unit the order of random numbers; units keep their places.
        order = np.argsort(self.unit[self.by_unit] + rng.random(len(self.unit)))
        labels = np.empty_like(self.group)
        labels[self.by_unit] = self.group[self.by_unit[order]]
        return labels

    def resampled(self, rng: np.random.Generator) -> Floats:
        """How often each cell is taken when units are drawn with replacement, within groups where each has one."""
        strata = self.unit_groups() if self.nested else np.zeros(self.units, np.int64)
        times = np.zeros(self.units)
        for stratum in np.unique(strata):
            units = np.flatnonzero(strata == stratum)
            times[units] = np.bincount(rng.integers(0, len(units), len(units)), minlength=len(units))
        return times[self.unit]


@dataclass(frozen=True, eq=False)
class GroupFits:
    """Bradley–Terry fits of each group, shrunk towards the population's.

    The model: the population's scores μ have independent N(0, ``prior``) priors and are fitted to everybody's
    comparisons; group g's scores are μ + δ with δ independent N(0, ``pooling``), fitted to the group's own. With
    ``pooling`` 0 every group has the population's scores.

    ``fits`` are in the order of ``groups``. ``shares[g]`` is the group's share of the voters where each voter is in
    one group, of the comparisons' weight otherwise. ``heldout`` lists (variance, mean log-likelihood of a held-out
    comparison) for each pooling variance tried, and is empty where the pooling was given.

    >>> from choicekit import domains
    >>> fits = bradley_terry_by_group(domains.three_groups().sample(voters=60, comparisons=20, rng=1))
    >>> fits.groups, fits.scores.shape
    (('first', 'minority', 'second'), (3, 6))
    """

    alternatives: tuple[Label, ...]
    groups: tuple[Label, ...]
    population: Fit
    fits: tuple[Fit, ...]
    shares: Floats
    prior: float
    pooling: float
    heldout: tuple[tuple[float, float], ...]
    _cells: _Cells = field(repr=False)

    @cached_property
    def scores(self) -> Floats:
        """The groups' scores ``[g, m]``.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> bradley_terry_by_group(votes, prior=1.0, pooling=1.0).scores.round(2).tolist()
        [[0.34, -0.34], [-0.34, 0.34]]
        """
        return frozen(np.stack([fit.scores for fit in self.fits]))

    @property
    def exchangeable(self) -> str:
        """What :meth:`shuffled` permutes: ``"voters"``, ``"rows of each voter"`` or ``"rows"``.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> bradley_terry_by_group(votes, prior=1.0, pooling=1.0).exchangeable
        'rows'
        """
        if not self._cells.nested:
            return "rows of each voter"
        return "voters" if self._cells.voters else "rows"

    def bootstrap(self, replicates: int, *, rng: int | np.random.Generator | None = None) -> Iterator[GroupScores]:
        """Refit to data resampled with replacement by voter (by row where there are no voters), one at a time.

        Where each voter is in one group the resampling is within groups. Resampling alone would be too sure of what
        the priors decide, so each replicate also draws the pooling variance in proportion to its held-out likelihood
        (where it was not given) and the centres of both priors from those priors. In a linear Gaussian model that
        samples the posterior exactly (randomise-then-optimise, Bardsley et al. 2014); how often intervals made from
        it cover the truth here is measured in ``benchmarks/interval_coverage.py``.

        >>> votes = Comparisons(["a", "b", "a"], ["b", "a", "b"], group=["x", "y", "x"])
        >>> fits = bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
        >>> [draw.groups.shape for draw in fits.bootstrap(2, rng=0)]
        [(2, 2), (2, 2)]
        """
        generator = np.random.default_rng(rng)
        cells, size = self._cells, len(self.alternatives)
        tried, odds = np.array(self.heldout or ((self.pooling, 0.0),)).T
        odds = np.exp((odds - odds.max()) * cells.pairs.count.sum())
        for _ in range(replicates):
            count, won = cells.tally(cells.resampled(generator))
            centre = generator.normal(0, math.sqrt(self.prior), size)
            start = self.population.scores
            population = _refit(
                cells.pairs, count.sum(0), won.sum(0), self.alternatives, self.prior, centre, start
            ).scores
            variance = float(generator.choice(tried, p=odds / odds.sum()))
            centres = population + generator.normal(0, math.sqrt(variance), (len(count), size))
            yield GroupScores(population, self._group_scores(count, won, centres, variance))

    def shuffled(self, permutations: int, *, rng: int | np.random.Generator | None = None) -> Iterator[Shuffled]:
        """Refit with the group labels permuted, one permutation at a time: what chance alone would show.

        Where each voter is in one group, voters are shuffled between groups (sizes kept); where voters answer in
        several groups, each voter's labels are shuffled among that voter's rows; without voters, rows are shuffled.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> fits = bradley_terry_by_group(votes, prior=1.0, pooling=1.0)
        >>> [round(draw.statistic, 6) == round(fits.statistic(), 6) for draw in fits.shuffled(2, rng=0)]
        [True, True]
        """
        generator = np.random.default_rng(rng)
        cells = self._cells
        for _ in range(permutations):
            count, won = cells.tally(np.ones(len(cells.edge)), cells.permuted(generator))
            tested = self._group_scores(count, won, self.population.scores, TEST_VARIANCE)
            same = self.pooling == TEST_VARIANCE
            scores = tested if same else self._group_scores(count, won, self.population.scores, self.pooling)
            yield Shuffled(self._statistic(count, won, tested), scores)

    def statistic(self) -> float:
        """How much better the groups are described by scores of their own than by the population's.

        Twice the gain in penalised log-likelihood, Σ_g 2[ℓ_g(μ + δ_g) − ‖δ_g‖²/(2v) − ℓ_g(μ)] at the maximising δ_g,
        with v = 1 whatever the pooling: 0 where the population's scores suit every group, and compared with
        :meth:`shuffled` rather than with a table.

        >>> votes = Comparisons(["a", "b"], ["b", "a"], group=["x", "y"])
        >>> round(bradley_terry_by_group(votes, prior=1.0, pooling=0.0).statistic(), 4)
        0.6708
        """
        count, won = self._cells.tally(np.ones(len(self._cells.edge)))
        return self._statistic(count, won, self._group_scores(count, won, self.population.scores, TEST_VARIANCE))

    def _statistic(self, count: Floats, won: Floats, scores: Floats) -> float:
        centre = self.population.scores
        pairs, total = self._cells.pairs, 0.0
        for own, n, w in zip(scores, count, won, strict=True):
            gain = luce.loglik(pairs.first, pairs.second, n, w, own)
            gain -= luce.loglik(pairs.first, pairs.second, n, w, centre)
            total += 2 * gain - float(((own - centre) ** 2).sum()) / TEST_VARIANCE
        return total

    def _group_scores(self, count: Floats, won: Floats, centres: Floats, variance: float) -> Floats:
        """Each group's scores ``[g, m]``, shrunk to ``centres[m]`` or ``[g, m]``."""
        around = np.broadcast_to(centres, (len(count), len(self.alternatives)))
        if variance == 0:
            return around.copy()
        fits = [
            _refit(self._cells.pairs, n, w, self.alternatives, variance, centre, None)
            for n, w, centre in zip(count, won, around, strict=True)
        ]
        return np.stack([fit.scores for fit in fits])


def bradley_terry_by_group(
    comparisons: Comparisons,
    *,
    prior: float | HeldOut = "heldout",
    pooling: float | HeldOut = "heldout",
    ties: Ties = "half",
    folds: int = 5,
    rng: int | np.random.Generator | None = 0,
) -> GroupFits:
    """Fit the population and each of its groups, each group's scores shrunk towards the population's.

    Parameters
    ----------
    comparisons : the data; its partition in force gives the groups (without one, everybody is the group "everyone").
    prior, pooling : variances of the two Gaussian priors of :class:`GroupFits`, or ``"heldout"``: the one of
        ``PRIOR_GRID`` (``POOLING_GRID``) under which comparisons held out of the fit are most likely. Folds are made
        of whole voters where there are at least two.
    ties : as in :func:`bradley_terry`.
    folds : how many parts the data are held out in.
    rng : makes the folds.

    Raises ``ValueError`` for variances that are not finite numbers (``prior`` > 0, ``pooling`` ≥ 0) or fewer than two
    folds, and ``NotConverged`` where a fit stops early.

    >>> votes = Comparisons(["a"] * 9 + ["b"] * 9, ["b"] * 9 + ["a"] * 9, group=["x"] * 9 + ["y"] * 9)
    >>> fits = bradley_terry_by_group(votes, prior=1.0)
    >>> fits.pooling > 0, fits.fits[0].winners, fits.fits[1].winners
    (True, ('a',), ('b',))
    """
    for name, value, least in (("prior", prior, 1e-300), ("pooling", pooling, 0.0)):
        if value != "heldout" and not (isinstance(value, int | float) and least <= value < math.inf):
            raise ValueError(f"bradley_terry_by_group: {name} must be a variance or 'heldout', got {value!r}")
    if folds < 2:
        raise ValueError(f"bradley_terry_by_group: folds must be at least 2, got {folds}")
    cells = _cells(comparisons, ties)
    names = comparisons.alternatives
    parts = list(_folds(cells, folds, np.random.default_rng(rng)))
    variance = _likeliest(_prior_heldout(cells, names, parts)) if prior == "heldout" else float(prior)
    tried = _pooling_heldout(cells, names, parts, variance) if pooling == "heldout" and cells.groups > 1 else []
    spread = _likeliest(tried) if tried else 0.0 if pooling == "heldout" else float(pooling)
    count, won = cells.tally(np.ones(len(cells.edge)))
    population = _refit(cells.pairs, count.sum(0), won.sum(0), names, variance, None, None)
    if spread == 0:
        fits = [population] * cells.groups
    else:
        fits = [
            _refit(cells.pairs, n, w, names, spread, population.scores, None) for n, w in zip(count, won, strict=True)
        ]
    return GroupFits(
        alternatives=names,
        groups=comparisons.groups or ("everyone",),
        population=population,
        fits=tuple(fits),
        shares=_shares(cells),
        prior=variance,
        pooling=spread,
        heldout=tuple((value, score) for score, value in sorted(tried, key=lambda pair: pair[1])),
        _cells=cells,
    )


def _cells(comparisons: Comparisons, ties: Ties) -> _Cells:
    pairs = count_pairs(comparisons, ties)
    size = len(comparisons.alternatives)
    keep = np.flatnonzero((comparisons.weight > 0) & ~(comparisons.tie & (ties == "drop")))
    winner, loser = comparisons.winner[keep], comparisons.loser[keep]
    edge = np.searchsorted(
        pairs.first * size + pairs.second, np.minimum(winner, loser) * size + np.maximum(winner, loser)
    )
    share = np.where(comparisons.tie[keep], 0.5, winner < loser)
    weight = comparisons.weight[keep]
    group = np.zeros(len(keep), np.int64) if comparisons.group is None else comparisons.group[keep]
    unit, by_voter = np.arange(len(keep)), False
    if comparisons.voter is not None:
        # numbered anew, for somebody whose rows all have no weight is no unit
        present, voter = np.unique(comparisons.voter[keep], return_inverse=True)
        by_voter = len(present) > 1
        unit = voter if by_voter else unit
    units = int(unit.max()) + 1
    low, high = np.full(units, np.iinfo(np.int64).max), np.full(units, -1)
    np.minimum.at(low, unit, group)
    np.maximum.at(high, unit, group)
    return _Cells(
        pairs=pairs, unit=unit, group=group, edge=edge, count=weight, won=weight * share, units=units,
        groups=max(1, len(comparisons.groups)), nested=bool((low >= high).all()), voters=by_voter,
    )  # fmt: skip


def _shares(cells: _Cells) -> Floats:
    if cells.voters and cells.nested:
        tally = np.bincount(cells.unit_groups()[np.unique(cells.unit)], minlength=cells.groups)
    else:
        tally = np.bincount(cells.group, cells.count, cells.groups)
    sizes = np.asarray(tally, np.float64)
    shares: Floats = sizes / sizes.sum()
    return shares


def _refit(
    pairs: Pairs, count: Floats, won: Floats, names: tuple[Label, ...], variance: float, centre: Floats | None,
    start: Floats | None,
) -> Fit:  # fmt: skip
    seen = np.flatnonzero(count)
    met = Pairs(pairs.first[seen], pairs.second[seen], count[seen], won[seen])
    fit = fit_pairs(met, names, prior=variance, centre=centre, start=start, tolerance=1e-9)
    if not fit.converged:
        raise NotConverged(
            f"bradley_terry_by_group: residual {fit.residual:.1e} after {fit.iterations} steps; "
            "a smaller prior variance helps. The partial fit is in .partial",
            fit,
        )
    return fit


class _Fold(NamedTuple):
    """Counts and wins ``[groups, edges]`` of what is kept and what is held out."""

    kept: Floats
    kept_won: Floats
    out: Floats
    out_won: Floats


def _folds(cells: _Cells, folds: int, rng: np.random.Generator) -> Iterator[_Fold]:
    parts = min(folds, cells.units)
    if parts < 2:
        return
    fold = rng.permutation(np.arange(cells.units) % parts)[cells.unit]
    for part in range(parts):
        out = (fold == part).astype(np.float64)
        yield _Fold(*cells.tally(1 - out), *cells.tally(out))


def _likeliest(tried: list[tuple[float, float]]) -> float:
    """The variance with the highest held-out likelihood, the smallest of those where several have it."""
    return max(tried, key=lambda found: (found[0], -found[1]))[1]


def _prior_heldout(cells: _Cells, names: tuple[Label, ...], parts: list[_Fold]) -> list[tuple[float, float]]:
    """(held-out log-likelihood a comparison, variance) of the population's fit, for each prior variance."""
    pairs = cells.pairs
    if not parts:
        return [(0.0, 1.0)]
    scores = dict.fromkeys(PRIOR_GRID, 0.0)
    for fold in parts:
        count, won, out, out_won = (tally.sum(0) for tally in fold)
        start = None
        for variance in PRIOR_GRID:
            start = _refit(pairs, count, won, names, variance, None, start).scores
            scores[variance] += luce.loglik(pairs.first, pairs.second, out, out_won, start)
    return [(score / pairs.count.sum(), variance) for variance, score in scores.items()]


def _pooling_heldout(
    cells: _Cells, names: tuple[Label, ...], parts: list[_Fold], prior: float
) -> list[tuple[float, float]]:
    """(held-out log-likelihood a comparison, variance) of the groups' fits, for each pooling variance."""
    pairs = cells.pairs
    scores = dict.fromkeys(POOLING_GRID, 0.0)
    for fold in parts:
        centre = _refit(pairs, fold.kept.sum(0), fold.kept_won.sum(0), names, prior, None, None).scores
        for count, won, out, out_won in zip(*fold, strict=True):
            own = centre
            for variance in POOLING_GRID:
                if variance:
                    own = _refit(pairs, count, won, names, variance, centre, own).scores
                scores[variance] += luce.loglik(pairs.first, pairs.second, out, out_won, own)
    return [(score / pairs.count.sum(), variance) for variance, score in scores.items()]
