"""The data as :func:`choicekit.models.bradley_terry_by_group` counts them, and how it chooses its variances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import luce
from choicekit.models._hierarchy import Hierarchy, check_size, joint, refit
from choicekit.models.luce import Pairs, Ties, count_pairs
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tried = list[tuple[float, float]]

#: Variances tried for the population's prior.
PRIOR_GRID = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
#: Variances tried for the deviation of a group from the population; 0 means that all groups share one fit.
POOLING_GRID = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
#: Where the marginal likelihood is looked at before its largest value is closed in upon (and 0, for the pooling).
MARGINAL_GRID = tuple(10.0 ** (k / 2) for k in range(-8, 5))

_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Cells:
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


def cells_of(comparisons: Comparisons, ties: Ties) -> Cells:
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
    return Cells(
        pairs=pairs, unit=unit, group=group, edge=edge, count=weight, won=weight * share, units=units,
        groups=max(1, len(comparisons.groups)), nested=bool((low >= high).all()), voters=by_voter,
    )  # fmt: skip


def shares_of(cells: Cells) -> Floats:
    if cells.voters and cells.nested:
        tally = np.bincount(cells.unit_groups()[np.unique(cells.unit)], minlength=cells.groups)
    else:
        tally = np.bincount(cells.group, cells.count, cells.groups)
    sizes = np.asarray(tally, np.float64)
    shares: Floats = sizes / sizes.sum()
    return shares


# --- The choice by marginal likelihood ----------------------------------------------------------------------------


class Chosen(NamedTuple):
    """The likeliest variances, the model's mode there, and (pooling, log marginal likelihood) for each one tried."""

    model: Hierarchy
    curve: tuple[tuple[float, float], ...]


def by_marginal(
    pairs: Pairs, count: Floats, won: Floats, size: int, prior: float | None, pooling: float | None
) -> Chosen:
    """Maximise the marginal likelihood over the variances that are ``None``."""
    check_size(len(count), size, "bradley_terry_by_group")
    spread = 0.0 if pooling is None and len(count) == 1 else pooling
    last = (np.zeros(size), np.zeros((len(count), size)))

    def at(variance: float, deviation: float) -> float:
        nonlocal last
        model = joint(pairs, count, won, variance, deviation, last)
        # the deviations of a model without any are no place to start
        last = model.population, model.deviations
        return model.marginal()

    chosen, own = prior or 1.0, spread or 0.0
    curve: Tried = [(own, at(chosen, own))]
    for _ in range(20):
        before = chosen, own
        if spread is None:
            curve = climb(partial(at, chosen), (0.0, *MARGINAL_GRID))
            own = likeliest(curve)
        if prior is None:
            tried = climb(partial(at, deviation=own), MARGINAL_GRID)
            chosen = likeliest(tried)
            curve = [(own, max(value for _, value in tried))] if spread is not None else curve
        settled = [abs(math.log((now + 1e-6) / (then + 1e-6))) for now, then in zip((chosen, own), before, strict=True)]
        if max(settled) < 1e-5 or prior is not None or spread is not None:
            break
    return Chosen(joint(pairs, count, won, chosen, own, last), tuple(sorted(curve)))


def climb(value: Callable[[float], float], grid: Sequence[float]) -> Tried:
    """(variance, value) over the grid, and at the largest value near the best of it by golden sections in log."""
    tried = [(variance, value(variance)) for variance in grid]
    best = max(range(len(grid)), key=lambda k: tried[k][1])
    positive = [variance for variance in grid if variance > 0]
    low = max((v for v in positive if v < grid[best]), default=positive[0])
    high = min((v for v in positive if v > grid[best]), default=positive[-1])
    left, right = math.log(low), math.log(high)
    inner = [right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)]
    found = [value(math.exp(x)) for x in inner]
    while right - left > 1e-4:
        if found[0] >= found[1]:
            right, inner, found = inner[1], [0.0, inner[0]], [0.0, found[0]]
            inner[0] = right - _GOLDEN * (right - left)
            found[0] = value(math.exp(inner[0]))
        else:
            left, inner, found = inner[0], [inner[1], 0.0], [found[1], 0.0]
            inner[1] = left + _GOLDEN * (right - left)
            found[1] = value(math.exp(inner[1]))
    middle = math.exp((left + right) / 2)
    closer = (middle, value(middle))
    return sorted([*tried, closer]) if closer[1] > tried[best][1] else tried


def likeliest(tried: Tried) -> float:
    """The variance with the highest value, the smallest of those where several have it."""
    return max(tried, key=lambda found: (found[1], -found[0]))[0]


# --- The choice by held-out likelihood ----------------------------------------------------------------------------


class Fold(NamedTuple):
    """Counts and wins ``[groups, edges]`` of what is kept and what is held out."""

    kept: Floats
    kept_won: Floats
    out: Floats
    out_won: Floats


def folded(cells: Cells, folds: int, rng: np.random.Generator) -> Iterator[Fold]:
    """The data with each part of the units held out in turn; nothing where there is a single unit."""
    parts = min(folds, cells.units)
    if parts < 2:
        return
    fold = rng.permutation(np.arange(cells.units) % parts)[cells.unit]
    for part in range(parts):
        out = (fold == part).astype(np.float64)
        yield Fold(*cells.tally(1 - out), *cells.tally(out))


def prior_heldout(pairs: Pairs, names: tuple[Label, ...], parts: list[Fold]) -> Tried:
    """(variance, held-out log-likelihood a comparison) of the population's fit, for each prior variance."""
    if not parts:
        return [(1.0, 0.0)]
    scores = dict.fromkeys(PRIOR_GRID, 0.0)
    for fold in parts:
        count, won, out, out_won = (tally.sum(0) for tally in fold)
        start = None
        for variance in PRIOR_GRID:
            start = refit(pairs, count, won, names, variance, None, start).scores
            scores[variance] += luce.loglik(pairs.first, pairs.second, out, out_won, start)
    return [(variance, score / pairs.count.sum()) for variance, score in scores.items()]


def pooling_heldout(
    pairs: Pairs, names: tuple[Label, ...], parts: list[Fold], prior: float, jointly: bool
) -> Tried:  # fmt: skip
    """(variance, held-out log-likelihood a comparison) of the groups' fits, for each pooling variance."""
    scores = dict.fromkeys(POOLING_GRID, 0.0)
    for fold in parts:
        centre = refit(pairs, fold.kept.sum(0), fold.kept_won.sum(0), names, prior, None, None).scores
        groups = np.repeat(centre[None], len(fold.kept), 0)
        last = centre, np.zeros_like(groups)
        for variance in POOLING_GRID:
            if jointly:
                model = joint(pairs, fold.kept, fold.kept_won, prior, variance, last)
                last = model.population, model.deviations
                groups = model.population + model.deviations
            elif variance:
                groups = np.stack([
                    refit(pairs, count, won, names, variance, centre, own).scores
                    for count, won, own in zip(fold.kept, fold.kept_won, groups, strict=True)
                ])  # fmt: skip
            for out, out_won, own in zip(fold.out, fold.out_won, groups, strict=True):
                scores[variance] += luce.loglik(pairs.first, pairs.second, out, out_won, own)
    return [(variance, score / pairs.count.sum()) for variance, score in scores.items()]
