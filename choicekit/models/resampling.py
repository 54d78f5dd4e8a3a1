"""Errors that assume less: the sandwich, clustered by voter, and the bootstrap."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import effects as kernels
from choicekit.kernels import luce
from choicekit.models import _design as design
from choicekit.models import _effects as effects
from choicekit.models._effects import Cells, Parameters
from choicekit.models.fit import Fit
from choicekit.models.luce import PairLikelihood, Pairs, win_components
from choicekit.outcomes import NoFiniteEstimate, NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Unit = Literal["comparison", "voter"]
Features = Mapping[str, ArrayLike]
Outcomes = tuple[Floats, Floats, Floats]
Refit = Callable[[Floats, Floats, Floats], Floats | None]

# How many numbers the scores of a block of voters may hold at once.
_BLOCK = 20_000_000


def sandwich(
    fit: Fit, comparisons: Comparisons, *, by: Unit = "voter", comparison_features: Features | None = None
) -> Fit:
    """The fit with a covariance that stays right where the model does not hold, or a voter's answers hang together.

    H⁻¹ B H⁻¹, where H is the observed information (with the prior's) and B the sum over units of u uᵀ, u being the
    derivative of the unit's log-likelihood. With ``by="comparison"`` every row is a unit (Huber 1967; White 1982,
    doi:10.2307/1912526), with ``"voter"`` all rows of a voter are one (Liang and Zeger 1986,
    doi:10.1093/biomet/73.1.13) and B is multiplied by v/(v − 1) for v voters. A row of weight w counts as w rows.
    It is an approximation for many units; with some dozens of voters or fewer it is too small.

    ``comparisons`` (and ``comparison_features``) are those of the fit. Raises ``ValueError`` for comparisons without
    voters, with a single one, or that are not the fit's.

    >>> from choicekit.models import bradley_terry
    >>> votes = Comparisons(list("aaab"), list("bbba"), voter=[1, 2, 3, 3])
    >>> fit = bradley_terry(votes)
    >>> fit.relative_to("b").standard_errors.round(3).tolist()            # of four answers each for itself
    [1.155, 0.0]
    >>> sandwich(fit, votes).relative_to("b").standard_errors.round(3).tolist()
    [1.0, 0.0]
    """
    built, at = _cells(fit, comparisons, by, comparison_features)
    cells = built.cells
    design.refuse_large(cells.size if cells.free else 0)
    meat = _meat_of_rows(cells, at) if by == "comparison" else _meat_of_voters(built, at)
    if isinstance(fit._likelihood, PairLikelihood):
        size = cells.size
        covariance = fit._likelihood.covariance() @ meat[:size, :size] @ fit._likelihood.covariance()
    else:
        bread = effects.inverse(cells, effects.information(cells, at), fit.prior)
        covariance = design.CellLikelihood(built, at, fit.prior).public(bread @ meat @ bread)
    return fit.with_covariance(covariance, f"sandwich by {by}")


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Refits to resampled data: ``scores[b, m]`` (mean zero each) and ``effects[b, q]`` in the order of ``names``.

    ``refused`` of the replicates had no finite maximum-likelihood estimate and are left out; where they are not few,
    the intervals are too short, and a prior in the fit is the way out.

    >>> Bootstrap(("a", "b"), (), np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros((2, 0)), 0, "voter").interval(0.5)
    array([[ 0.25,  0.75],
           [-0.75, -0.25]])
    """

    alternatives: tuple[Label, ...]
    names: tuple[str, ...]
    scores: Floats
    effects: Floats
    refused: int
    by: Unit

    def interval(self, level: float = 0.95) -> Floats:
        """Percentile intervals ``[m, 2]`` of the mean-zero scores. Raises ``ValueError`` unless 0 < level < 1.

        >>> draws = Bootstrap(("a",), (), np.arange(101.0)[:, None], np.zeros((101, 0)), 0, "voter")
        >>> draws.interval(0.9).round(6).tolist()
        [[5.0, 95.0]]
        """
        if not 0 < level < 1:
            raise ValueError(f"interval: the level must lie between 0 and 1, got {level}; 0.95 is usual")
        ends: Floats = np.quantile(self.scores, [(1 - level) / 2, (1 + level) / 2], axis=0).T
        return ends

    @property
    def covariance(self) -> Floats:
        """Of the scores followed by the effects, ``[m + q, m + q]``: what :meth:`Fit.with_covariance` takes.

        >>> Bootstrap(("a",), (), np.array([[0.0], [2.0]]), np.zeros((2, 0)), 0, "voter").covariance.tolist()
        [[2.0]]
        """
        return np.atleast_2d(np.cov(np.concatenate([self.scores, self.effects], axis=1), rowvar=False))

    def rank_shares(self) -> Floats:
        """How often each alternative came at each rank, ``[m, rank]``; equal scores share their ranks.

        >>> draws = Bootstrap(("a", "b"), (), np.array([[1.0, -1.0], [2.0, -2.0]]), np.zeros((2, 0)), 0, "voter")
        >>> draws.rank_shares().tolist()
        [[1.0, 0.0], [0.0, 1.0]]
        """
        size = len(self.alternatives)
        shares = np.zeros((size, size))
        for scores in self.scores:
            above = (scores[None, :] > scores[:, None]).sum(1)
            level = (scores[None, :] == scores[:, None]).sum(1)
            for a in range(size):
                shares[a, above[a] : above[a] + level[a]] += 1 / level[a]
        return shares / max(1, len(self.scores))


def bootstrap(
    fit: Fit,
    comparisons: Comparisons,
    *,
    by: Unit = "voter",
    replicates: int = 1_000,
    rng: int | np.random.Generator | None = None,
    comparison_features: Features | None = None,
) -> Bootstrap:
    """Refit to data drawn with replacement, starting each refit at the fit.

    ``by="comparison"`` draws as many comparisons as there are, which is one multinomial draw over the distinct
    outcomes of pairs (weights, rounded to a whole total, are how often each is there); ``"voter"`` draws as many
    voters as there are, each with all of their answers. The prior, ties and effects are the fit's.

    Raises ``ValueError`` as :func:`sandwich` does, for fewer than two replicates, and where no replicate has a finite
    estimate; ``NotConverged`` where a refit stops early.

    Source: Efron 1979 (doi:10.1214/aos/1176344552); by voter: the cluster bootstrap of Field and Welsh 2007
    (doi:10.1111/j.1467-9868.2007.00593.x).

    >>> from choicekit.models import bradley_terry
    >>> votes = Comparisons(["a", "b"] * 50 + ["a"] * 50, ["b", "a"] * 50 + ["b"] * 50)
    >>> draws = bootstrap(bradley_terry(votes), votes, by="comparison", replicates=200, rng=0)
    >>> draws.scores.shape, draws.refused
    ((200, 2), 0)
    """
    if replicates < 2:
        raise ValueError(f"bootstrap: needed at least 2 replicates, got {replicates}")
    built, at = _cells(fit, comparisons, by, comparison_features)
    draw = _drawing_comparisons(built.cells) if by == "comparison" else _drawing_voters(built)
    refit = (_refitting_pairs if isinstance(fit._likelihood, PairLikelihood) else _refitting_cells)(fit, built, at)
    # a stream of random numbers for each replicate: the same draws however many threads there are
    streams = np.random.default_rng(rng).spawn(replicates)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda stream: refit(*draw(stream)), streams))
    kept = [parameters for parameters in found if parameters is not None]
    if not kept:
        raise ValueError(
            "bootstrap: no replicate has a finite maximum-likelihood estimate; fit with a prior (prior=1.0) first"
        )
    size = len(fit.alternatives)
    stacked = np.stack(kept)
    return Bootstrap(
        fit.alternatives, tuple(fit.effects), stacked[:, :size], stacked[:, size:], len(found) - len(kept), by
    )


def _cells(
    fit: Fit, comparisons: Comparisons, by: Unit, comparison_features: Features | None
) -> tuple[design.Design, Parameters]:
    """The fit's cells, told apart by voter where units are voters, and its parameters."""
    if by not in ("comparison", "voter"):
        raise ValueError(f"by must be 'comparison' or 'voter', got {by!r}")
    if comparisons.alternatives != fit.alternatives:
        raise ValueError("needed the comparisons that were fitted; these have other alternatives")
    if by == "voter" and (comparisons.voter is None or len(comparisons.voters) < 2):
        raise ValueError(
            f"by='voter' needs at least two voters, got {len(comparisons.voters)}; give Comparisons(voter=…), "
            "or take by='comparison'"
        )
    likelihood = fit._likelihood
    if isinstance(likelihood, PairLikelihood):
        built = design.cells(comparisons, likelihood.ties, False, None, None, voters=by == "voter")
        if fit.components is not None:
            built = _within(built, fit.components)
        at = Parameters(fit.scores, 0.0, np.zeros(0))
        return _agreeing(fit, built, at), at
    if not isinstance(likelihood, design.CellLikelihood):
        raise TypeError(f"needed a fit of bradley_terry, got one of {fit.model}")
    if fit.features and sorted(comparison_features or ()) != sorted(fit.features):
        raise ValueError(f"needed comparison_features with the fit's own features: {', '.join(fit.features)}")
    known = likelihood.design
    rows = {name: (comparison_features or {})[name] for name in fit.features}
    made = design.cells(
        comparisons, known.ties, "order" in known.names, known.given, rows or None, voters=by == "voter"
    )
    return _agreeing(fit, made, likelihood.at), likelihood.at


def _agreeing(fit: Fit, built: design.Design, at: Parameters) -> design.Design:
    if not np.isclose(built.cells.count.sum(), fit.comparisons, rtol=1e-9):
        raise ValueError(
            f"needed the comparisons that were fitted, of weight {fit.comparisons:g}; got {built.cells.count.sum():g}"
        )
    cells = built.cells
    eta = kernels.predictor(cells.first, cells.second, cells.covariates, at.scores, at.slopes)
    loglik = -float(kernels.value(cells.model, eta, at.tie, cells.won, cells.lost, cells.tied))
    if not np.isclose(loglik, fit.loglik, rtol=1e-6):
        raise ValueError(
            f"needed the comparisons that were fitted, of log-likelihood {fit.loglik:.8g}; got other ones, of "
            f"{loglik:.8g}"
        )
    return built


def _within(built: design.Design, components: Ints) -> design.Design:
    cells = built.cells
    inside = components[cells.first] == components[cells.second]
    kept = replace(
        cells,
        **{name: getattr(cells, name)[inside] for name in ("first", "second", "won", "lost", "tied", "covariates")},
    )
    return replace(built, cells=kept, voter=None if built.voter is None else built.voter[inside])


def _meat_of_rows(cells: Cells, at: Parameters) -> Floats:
    """Σ over rows of u uᵀ: rows of one cell and outcome have one u."""
    eta = kernels.predictor(cells.first, cells.second, cells.covariates, at.scores, at.slopes)
    size = (cells.size if cells.free else 0) + 1 + cells.covariates.shape[1]
    meat = np.zeros((size, size))
    one, none = np.ones(len(eta)), np.zeros(len(eta))
    for outcome, weight in (
        ((one, none, none), cells.won), ((none, one, none), cells.lost), ((none, none, one), cells.tied),
    ):  # fmt: skip
        if weight.any():
            slope, tie_slope, _ = kernels.residuals(cells.model, eta, at.tie, *outcome)
            meat += kernels.outer(
                cells.first, cells.second, cells.covariates, slope, tie_slope, weight, cells.size, cells.free
            )
    return meat


def _meat_of_voters(built: design.Design, at: Parameters) -> Floats:
    """v/(v − 1) · Σ over voters of u uᵀ, some voters at a time."""
    cells, voter = built.cells, built.voter
    assert voter is not None
    eta = kernels.predictor(cells.first, cells.second, cells.covariates, at.scores, at.slopes)
    slope, tie_slope, _ = kernels.residuals(cells.model, eta, at.tie, cells.won, cells.lost, cells.tied)
    order = np.argsort(voter, kind="stable")
    _, unit = np.unique(voter[order], return_inverse=True)
    size = (cells.size if cells.free else 0) + 1 + cells.covariates.shape[1]
    voters = int(unit[-1]) + 1
    if voters < 2:
        raise ValueError("by='voter' needs at least two voters whose answers count, got 1; take by='comparison'")
    block = max(1, _BLOCK // size)
    meat = np.zeros((size, size))
    for begin in range(0, voters, block):
        here = order[np.searchsorted(unit, begin) : np.searchsorted(unit, begin + block)]
        local = unit[np.searchsorted(unit, begin) : np.searchsorted(unit, begin + block)] - begin
        scores = kernels.unit_scores(
            cells.first[here], cells.second[here], cells.covariates[here], slope[here], tie_slope[here], local,
            min(block, voters - begin), cells.size, cells.free,
        )  # fmt: skip
        meat += scores.T @ scores
    return np.asarray(meat * voters / (voters - 1), np.float64)


def _drawing_comparisons(cells: Cells) -> Callable[[np.random.Generator], Outcomes]:
    """Draws of as many comparisons as there are: exactly multinomial over the distinct outcomes.

    Poisson numbers, quicker to draw, have a multinomial law given their total. Their means are made a little small, so
    that the total falls short, and what is lacking is drawn one by one; should it not fall short, all is drawn anew.
    """
    weight = np.concatenate([cells.won, cells.lost, cells.tied])
    there = np.flatnonzero(weight)
    total, number = round(float(weight.sum())), len(cells.first)
    if total < 1:
        raise ValueError(
            f"bootstrap: the weights sum to {weight.sum():.3g}, less than one comparison to draw; by='comparison' "
            "takes weights for numbers of comparisons, so scale them, or take by='voter'"
        )
    bounds = np.cumsum(weight[there])
    means = weight[there] * (max(0.0, total - 1.5 * total**0.5) / bounds[-1])

    def draw(rng: np.random.Generator) -> Outcomes:
        times = rng.poisson(means)
        while (lacking := total - int(times.sum())) < 0:
            times = rng.poisson(means)
        one_by_one = np.minimum(np.searchsorted(bounds, rng.random(lacking) * bounds[-1], "right"), len(there) - 1)
        drawn = np.zeros(len(weight))
        drawn[there] = times + np.bincount(one_by_one, minlength=len(there))
        return drawn[:number], drawn[number : 2 * number], drawn[2 * number :]

    return draw


def _drawing_voters(built: design.Design) -> Callable[[np.random.Generator], Outcomes]:
    """Draws of as many voters as there are."""
    cells = built.cells
    assert built.voter is not None
    _, unit = np.unique(built.voter, return_inverse=True)
    voters = int(unit.max()) + 1

    def draw(rng: np.random.Generator) -> Outcomes:
        times = np.bincount(rng.integers(0, voters, voters), minlength=voters)[unit]
        return times * cells.won, times * cells.lost, times * cells.tied

    return draw


def _refitting_pairs(fit: Fit, built: design.Design, at: Parameters) -> Refit:
    """A function from outcomes of the cells to mean-zero scores, or None where no finite ones exist."""
    cells, size = built.cells, len(fit.alternatives)
    keys, edge = np.unique(cells.first.astype(np.int64) * size + cells.second, return_inverse=True)
    first, second = keys // size, keys % size
    label = np.zeros(size, np.int64) if fit.components is None else fit.components
    order = np.argsort(label[first], kind="stable")
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    edge, first, second = place[edge], first[order], second[order]
    precision, parts = 0.0 if fit.prior is None else 1 / fit.prior, int(label.max()) + 1

    def refit(won: Floats, lost: Floats, tied: Floats) -> Floats | None:
        count, ahead = kernels.by_edge(edge, won, lost, tied, len(first))
        met = np.flatnonzero(count)
        pairs = Pairs(first[met], second[met], count[met], ahead[met])
        if fit.prior is None and not _finite(pairs, size, fit.components):
            return None
        scores, _, residual = luce.newton_apart(
            pairs.first, pairs.second, pairs.count, pairs.won, label, parts, at.scores, precision, 1e-9, 100
        )
        if residual > 1e-9:
            raise NotConverged(f"bootstrap: a refit stopped at residual {residual:.1e}; fit with a prior", scores)
        return scores

    return refit


def _finite(pairs: Pairs, size: int, label: Ints | None) -> bool:
    if label is None:
        if luce.connected(pairs.first, pairs.second, pairs.count, pairs.won, size, 8):
            return True
        return len(win_components(pairs, size)) == 1
    return len(win_components(pairs, size)) == int(label.max()) + 1


def _refitting_cells(fit: Fit, built: design.Design, at: Parameters) -> Refit:
    """A function from outcomes of the cells to mean-zero scores and effects, or None where no finite ones exist."""
    cells = built.cells

    def refit(won: Floats, lost: Floats, tied: Floats) -> Floats | None:
        met = np.flatnonzero(won + lost + tied)
        own = replace(
            cells, first=cells.first[met], second=cells.second[met], won=won[met], lost=lost[met], tied=tied[met],
            covariates=cells.covariates[met],
        )  # fmt: skip
        if cells.model and (not tied.any() or not (won + lost).any()):
            return None
        pairs = Pairs(own.first, own.second, own.count, own.won + 0.5 * own.tied)
        if fit.prior is None and cells.free and len(win_components(pairs, cells.size)) > 1:
            return None
        found = effects.maximise(own, fit.prior, at.scores if cells.free else None, 1e-8, 100)
        try:
            found = effects.settled(own, found, fit.prior, 1e-8)
        except NoFiniteEstimate:
            return None
        if found.residual > 1e-8 or not np.isfinite(found.at.scores).all():
            raise NotConverged(f"bootstrap: a refit stopped at residual {found.residual:.1e}; fit with a prior", found)
        return design.CellLikelihood(built, found.at, fit.prior).parameters()

    return refit
