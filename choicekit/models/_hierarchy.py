"""The hierarchical Bradley–Terry model of groups: its mode, covariances and marginal likelihood.

The hierarchical model: population scores μ ~ N(0, prior·I), deviations δ_g ~ N(0, pooling·I) for every group, and the
Bradley–Terry likelihood of each group's comparisons at μ + δ_g. With L_g the information (a Laplacian) of group g and
K_g = (I + pooling·L_g)⁻¹, everything about its Gaussian approximation comes from eliminating the deviations:

* the precision of μ is S = I/prior + Σ_g L_g K_g;
* Cov(μ) = S⁻¹, Cov(μ + δ_g) = K_g S⁻¹ K_g + pooling·K_g, Cov(δ_g) = (I − K_g) S⁻¹ (I − K_g) + pooling·K_g;
* −2·(log marginal − value at the mode) = Σ_g log det(I + pooling·L_g) + log det(prior·S),

which needs no care at pooling = 0, and in which the constant vector (L_g 1 = 0) counts for nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import luce
from choicekit.models.fit import Fit
from choicekit.models.luce import Pairs, fit_pairs
from choicekit.outcomes import NotConverged
from choicekit.profiles._columns import Label

Floats = NDArray[np.float64]

_LARGEST_BLOCKS = 20_000_000


# --- One group, or everybody --------------------------------------------------------------------------------------


def refit(
    pairs: Pairs, count: Floats, won: Floats, names: tuple[Label, ...], variance: float, centre: Floats | None,
    start: Floats | None,
) -> Fit:  # fmt: skip
    """The fit to these counts, shrunk to ``centre``; raises ``NotConverged``."""
    seen = np.flatnonzero(count)
    met = Pairs(pairs.first[seen], pairs.second[seen], count[seen], won[seen])
    fit = fit_pairs(met, names, prior=variance, centre=centre, start=start, tolerance=1e-9)
    if not fit.converged:
        raise _stopped(fit.residual, fit.iterations, fit)
    return fit


def _stopped(residual: float, iterations: int, partial: object) -> NotConverged:
    return NotConverged(
        f"bradley_terry_by_group: residual {residual:.1e} after {iterations} steps; "
        "a smaller prior variance helps. The partial fit is in .partial",
        partial,
    )


# --- The hierarchical model ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """The hierarchical model of these counts ``[g, edges]``, at population scores ``[m]`` and deviations ``[g, m]``.

    ``value`` is the log-likelihood with the priors' exponents, without their constants.
    """

    pairs: Pairs
    count: Floats
    won: Floats
    prior: float
    pooling: float
    population: Floats
    deviations: Floats
    value: float = math.nan
    iterations: int = 0
    residual: float = math.nan

    @cached_property
    def information(self) -> Floats:
        """L_g ``[g, m, m]``."""
        pairs, scores = self.pairs, self.population + self.deviations
        chance = 1 / (1 + np.exp(scores[:, pairs.second] - scores[:, pairs.first]))
        return laplacians(pairs, self.count * chance * (1 - chance), len(self.population))

    @cached_property
    def shrinkage(self) -> Floats:
        """K_g ``[g, m, m]``: the part of a deviation from the population that the data leave to the prior."""
        size = len(self.population)
        return np.asarray(np.linalg.inv(np.eye(size) + self.pooling * self.information), np.float64)

    @cached_property
    def precision(self) -> Floats:
        """prior·S ``[m, m]``."""
        told: Floats = (self.information @ self.shrinkage).sum(0)
        return np.asarray(np.eye(len(told)) + self.prior / 2 * (told + told.T), np.float64)

    @cached_property
    def _population(self) -> Floats:
        return np.asarray(self.prior * np.linalg.inv(self.precision), np.float64)

    def population_covariance(self) -> Floats:
        """Of the population's scores, in the mean-zero gauge."""
        return _centred(self._population)

    def group_covariance(self, group: int) -> Floats:
        """Of a group's scores, in the mean-zero gauge."""
        left = self.shrinkage[group]
        return _centred(left @ self._population @ left + self.pooling * left)

    def deviation_covariance(self, group: int) -> Floats:
        """Of a group's scores less the population's, in the mean-zero gauge."""
        left = self.shrinkage[group]
        told = np.eye(len(left)) - left
        return _centred(told @ self._population @ told + self.pooling * left)

    def marginal(self) -> float:
        """Laplace's approximation of the log marginal likelihood, right only at the mode."""
        blocks = np.eye(len(self.population)) + self.pooling * self.information
        volume = np.linalg.slogdet(blocks)[1].sum() + np.linalg.slogdet(self.precision)[1]
        return float(self.value - 0.5 * volume)


@dataclass(frozen=True, eq=False)
class Part:
    """What a fit of a hierarchical model keeps: its own log-likelihood and its share of the joint covariance."""

    model: Hierarchy
    group: int | None

    def loglik(self) -> float:
        model, pairs = self.model, self.model.pairs
        mine = slice(None) if self.group is None else slice(self.group, self.group + 1)
        count, won = model.count[mine].sum(0), model.won[mine].sum(0)
        scores = model.population if self.group is None else model.population + model.deviations[self.group]
        return float(luce.loglik(pairs.first, pairs.second, count, won, scores))

    def covariance(self) -> Floats:
        return self.model.population_covariance() if self.group is None else self.model.group_covariance(self.group)


def laplacians(pairs: Pairs, weight: Floats, size: int) -> Floats:
    """Weighted Laplacians ``[g, m, m]`` of the comparison graph, for weights ``[g, edges]``."""
    found = np.zeros((len(weight), size, size))
    found[:, pairs.first, pairs.second] = -weight
    found += found.transpose(0, 2, 1)
    found[:, np.arange(size), np.arange(size)] = -found.sum(2)
    return found


def _centred(matrix: Floats) -> Floats:
    rows = matrix - matrix.mean(0)
    return np.asarray(rows - rows.mean(1)[:, None], np.float64)


def check_size(groups: int, size: int, what: str) -> None:
    """Refuse what would need more memory than is sensible for dense blocks."""
    if groups * size**2 > _LARGEST_BLOCKS:
        raise ValueError(
            f"{what}: {groups} groups × {size} alternatives need {groups} dense {size} × {size} matrices; the limit is "
            f"{_LARGEST_BLOCKS} entries in all. Use pooling='heldout', which needs none, or fewer groups or "
            "alternatives"
        )


def joint(
    pairs: Pairs, count: Floats, won: Floats, prior: float, pooling: float, start: tuple[Floats, Floats],
    centres: tuple[Floats, Floats] | None = None, tolerance: float = 1e-9, limit: int = 100,
) -> Hierarchy:  # fmt: skip
    """The mode of the hierarchical model by Newton's method, the deviations eliminated at each step.

    ``start`` are population scores ``[m]`` and deviations ``[g, m]`` to begin at, ``centres`` those that the priors
    are centred at (zeros where not given). The residual is as in :class:`~choicekit.models.Fit`, over the equations
    of the population and of every group. Raises ``NotConverged``.
    """
    size, groups = len(start[0]), len(count)
    middle, middles = (np.zeros(size), np.zeros((groups, size))) if centres is None else centres
    at = np.arange(groups)[:, None] * size
    ends = np.concatenate([(at + pairs.first).ravel(), (at + pairs.second).ravel()])

    def node_sums(edges: Floats, sign: float) -> Floats:
        both = np.concatenate([edges.ravel(), sign * edges.ravel()])
        return np.asarray(np.bincount(ends, both, groups * size), np.float64).reshape(groups, size)

    def model(population: Floats, deviations: Floats, iterations: int, residual: float) -> Hierarchy:
        value = sum(
            luce.loglik(pairs.first, pairs.second, n, w, population + own)
            for n, w, own in zip(count, won, deviations, strict=True)
        ) - ((population - middle) ** 2).sum() / (2 * prior)
        value -= ((deviations - middles) ** 2).sum() / (2 * pooling) if pooling else 0.0
        return Hierarchy(
            pairs, count, won, prior, pooling, population, deviations, float(value), iterations, residual
        )  # fmt: skip

    met = node_sums(count, 1.0)
    found = model(start[0], start[1] if pooling else middles, 0, math.inf)
    for iteration in range(limit + 1):
        scores = found.population + found.deviations
        chance = 1 / (1 + np.exp(scores[:, pairs.second] - scores[:, pairs.first]))
        surplus = node_sums(won - count * chance, -1.0)
        pull = surplus.sum(0) - (found.population - middle) / prior
        own = pooling * surplus - (found.deviations - middles)
        residual = max(
            float(np.abs(pull / (met.sum(0) + 1 / prior)).max()), float(np.abs(own / (pooling * met + 1)).max())
        )
        if residual <= tolerance:
            return model(found.population, found.deviations, iteration, residual)
        kept = np.einsum("gij,gj->gi", found.shrinkage, own)
        told = np.einsum("gij,gj->gi", found.information, kept)
        step = prior * np.linalg.solve(found.precision, pull - told.sum(0))
        steps = kept - pooling * np.einsum("gij,gj->gi", found.shrinkage, found.information @ step)
        moved = step + steps
        longest = float(np.abs(moved[:, pairs.first] - moved[:, pairs.second]).max())
        length = min(1.0, 2.0 / max(longest, 1e-300))
        for _ in range(30):
            trial = model(found.population + length * step, found.deviations + length * steps, iteration, residual)
            if trial.value >= found.value - 1e-12 * abs(found.value):
                break
            length /= 2
        found = trial
    raise _stopped(residual, limit, found)
