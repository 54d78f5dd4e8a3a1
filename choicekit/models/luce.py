"""The Bradley–Terry model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import graphs
from choicekit.kernels import luce
from choicekit.models.fit import Fit
from choicekit.outcomes import NotConverged, no_finite_estimate
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import Label, frozen

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ties = Literal["half", "drop"]

_LARGEST_DENSE = 2_000
_LARGEST_COVARIANCE = 5_000


@dataclass(frozen=True)
class Pairs:
    """How often each unordered pair met, and how often its first won: ``first[e] < second[e]``, ``count``, ``won``."""

    first: Ints
    second: Ints
    count: Floats
    won: Floats


def bradley_terry(
    comparisons: Comparisons,
    *,
    prior: float | None = None,
    ties: Ties = "half",
    tolerance: float = 1e-10,
    limit: int = 100,
) -> Fit:
    """Fit the Bradley–Terry model, P(a beats b) = σ(s_a − s_b) with σ(x) = 1/(1 + e^−x).

    Parameters
    ----------
    comparisons : the data; weights count as repeated rows, voters and groups are not used.
    prior : variance of independent N(0, prior) priors on the scores, or ``None`` for maximum likelihood.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out.
    tolerance : bound on :attr:`Fit.residual`, |expected − observed wins| per comparison.
    limit : the number of Newton steps after which to give up.

    Returns a :class:`~choicekit.outcomes.Fit` with mean-zero scores.

    Raises
    ------
    NoFiniteEstimate : without a prior, where the graph of wins is not strongly connected (Ford 1957): some score
        would be infinite, or the scale between parts unknown. The message names the components.
    NotConverged : the tolerance was not met; carries the partial fit.
    ValueError : a prior that is not a positive number, or nothing left to fit.

    Source: Zermelo 1929 (doi:10.1007/BF01180541); Bradley and Terry 1952 (doi:10.2307/2334029).

    >>> votes = Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
    >>> bradley_terry(votes).scores.round(4).tolist()       # ± ½ ln 3
    [0.5493, -0.5493]
    >>> bradley_terry(Comparisons(["a"], ["b"]))
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NoFiniteEstimate: no finite maximum-likelihood estimate exists: ...
    >>> bradley_terry(Comparisons(["a"], ["b"]), prior=1.0).winners
    ('a',)
    """
    if prior is not None and not (isinstance(prior, int | float | np.number) and 0 < prior < math.inf):
        raise ValueError(f"bradley_terry: prior must be a positive variance or None, got {prior!r}")
    if ties not in ("half", "drop"):
        raise ValueError(f"bradley_terry: ties must be 'half' or 'drop', got {ties!r}")
    pairs = count_pairs(comparisons, ties)
    size = len(comparisons.alternatives)
    if prior is None:
        components = win_components(pairs, size)
        if len(components) > 1:
            named = tuple(tuple(comparisons.alternatives[a] for a in part) for part in components)
            raise no_finite_estimate(named, "a prior (prior=1.0), more comparisons across them, or one component alone")
    fit = fit_pairs(pairs, comparisons.alternatives, prior=prior, tolerance=tolerance, limit=limit)
    if not fit.converged:
        raise NotConverged(
            f"bradley_terry: residual {fit.residual:.1e} after {fit.iterations} steps, above the tolerance "
            f"{tolerance:.1e}; raise limit=, loosen tolerance= or pass a prior. The partial fit is in .partial",
            fit,
        )
    return fit


def fit_pairs(
    pairs: Pairs,
    alternatives: tuple[Label, ...],
    *,
    prior: float | None,
    centre: ArrayLike | None = None,
    start: ArrayLike | None = None,
    tolerance: float = 1e-10,
    limit: int = 100,
) -> Fit:
    """The fit to counted pairs, shrunk to ``centre`` by a prior, begun there or at ``start``; says if it converged."""
    size = len(alternatives)
    middle = np.zeros(size) if centre is None else np.array(centre, np.float64)
    begin = middle if start is None else np.array(start, np.float64)
    precision = 0.0 if prior is None else 1 / prior
    scores, iterations, residual = luce.newton(
        pairs.first, pairs.second, pairs.count, pairs.won, middle, precision, begin, tolerance, limit
    )
    scores = frozen(scores - scores.mean())
    return Fit(
        model="bradley_terry",
        alternatives=alternatives,
        scores=scores,
        effects={},
        converged=bool(residual <= tolerance),
        iterations=int(iterations),
        residual=float(residual),
        prior=prior,
        comparisons=float(pairs.count.sum()),
        _likelihood=PairLikelihood(pairs, scores, prior),
    )


@dataclass(frozen=True)
class PairLikelihood:
    """The likelihood of counted pairs at fitted scores."""

    pairs: Pairs
    scores: Floats
    prior: float | None

    def loglik(self) -> float:
        pairs = self.pairs
        return float(luce.loglik(pairs.first, pairs.second, pairs.count, pairs.won, self.scores))

    def covariance(self) -> Floats:
        """The pseudo-inverse of the information; with a prior, the inverse of information + 1/prior, centred."""
        size = len(self.scores)
        if size > _LARGEST_COVARIANCE:
            raise ValueError(
                f"covariance: {size} alternatives need a dense {size} × {size} matrix; the limit is "
                f"{_LARGEST_COVARIANCE}. Fit the alternatives of interest alone"
            )
        pairs = self.pairs
        probability = 1 / (1 + np.exp(self.scores[pairs.second] - self.scores[pairs.first]))
        weight = pairs.count * probability * (1 - probability)
        information = np.zeros((size, size))
        np.subtract.at(information, (pairs.first, pairs.second), weight)
        information += information.T
        information[np.diag_indices(size)] = -information.sum(1)
        # The constant vector is an eigenvector that the gauge leaves out: give it a curvature like the others', and
        # take its part off the inverse again, so that nothing cancels whatever the weights.
        precision = 0.0 if self.prior is None else 1 / self.prior
        curvature = max(float(np.trace(information)) / size, precision, 1e-300)
        mean = np.full((size, size), 1 / size)
        inverse = np.linalg.inv((information + precision * np.eye(size)) / curvature + mean)
        return np.asarray((inverse - mean / (precision / curvature + 1)) / curvature, np.float64)


def count_pairs(comparisons: Comparisons, ties: Ties = "half") -> Pairs:
    """Tally comparisons over unordered pairs: densely for few alternatives, by sorting for many."""
    size = len(comparisons.alternatives)
    weight = np.where(comparisons.tie, 0.0, comparisons.weight) if ties == "drop" else comparisons.weight
    if not weight.any():
        raise ValueError("bradley_terry: no comparison is left once ties are dropped; use ties='half'")
    if size <= _LARGEST_DENSE:
        count, won = luce.count_dense(comparisons.winner, comparisons.loser, comparisons.tie, weight, size)
        cells = np.flatnonzero(count)
        count, won = count[cells], won[cells]
    else:
        first_won = comparisons.winner < comparisons.loser
        low = np.minimum(comparisons.winner, comparisons.loser)
        cells, cell = np.unique(low * size + np.maximum(comparisons.winner, comparisons.loser), return_inverse=True)
        share = np.where(comparisons.tie, 0.5, first_won)
        count = np.asarray(np.bincount(cell, weight), np.float64)
        won = np.asarray(np.bincount(cell, weight * share), np.float64)
        met = count > 0
        cells, count, won = cells[met], count[met], won[met]
    return Pairs(cells // size, cells % size, count, won)


def win_components(pairs: Pairs, size: int) -> list[list[int]]:
    """Strongly connected components of "a won against b at least once", in an order in which wins go forward only."""
    forward, backward = pairs.won > 0, pairs.count - pairs.won > 0
    source = np.concatenate([pairs.first[forward], pairs.second[backward]])
    target = np.concatenate([pairs.second[forward], pairs.first[backward]])
    parts, label = graphs.components(source, target, size, strong=True)
    ahead: dict[int, set[int]] = {part: set() for part in range(parts)}
    crossing = label[source] != label[target]
    for a, b in np.unique(np.stack([label[source], label[target]])[:, crossing], axis=1).T.tolist():
        ahead[b].add(a)
    members: list[list[int]] = [[] for _ in range(parts)]
    for alternative, part in enumerate(label.tolist()):
        members[part].append(alternative)
    return [members[part] for part in TopologicalSorter(ahead).static_order()]
