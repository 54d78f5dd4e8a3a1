"""The Bradley–Terry model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from graphlib import TopologicalSorter
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import graphs
from choicekit.kernels import luce
from choicekit.models import _design as design
from choicekit.models import _effects as effects
from choicekit.models.fit import Fit, Model
from choicekit.outcomes import NotConverged, no_finite_estimate
from choicekit.profiles import Comparisons, PairCounts
from choicekit.profiles._columns import Label, frozen, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Ties = Literal["half", "drop", "davidson", "rao_kupper"]
Parts = Literal["together", "separate"]

_WAYS_OUT = (
    "a prior (prior=1.0), more comparisons across them, one component alone, or each for itself (parts='separate')"
)


@dataclass(frozen=True)
class Pairs:
    """How often each unordered pair met, and how often its first won: ``first[e] < second[e]``, ``count``, ``won``."""

    first: NDArray[Any]
    second: NDArray[Any]
    count: Floats
    won: Floats


def bradley_terry(
    comparisons: Comparisons | PairCounts,
    *,
    prior: float | None = None,
    ties: Ties = "half",
    order: bool = False,
    features: Mapping[str, ArrayLike | Mapping[Label, float]] | None = None,
    comparison_features: Mapping[str, ArrayLike] | None = None,
    parts: Parts = "together",
    start: Fit | None = None,
    tolerance: float = 1e-10,
    limit: int = 100,
) -> Fit:
    """Fit the Bradley–Terry model, P(a beats b) = σ(s_a − s_b) with σ(x) = 1/(1 + e^−x).

    Parameters
    ----------
    comparisons : the data, or their counts; weights count as repeated rows, voters and groups are not used.
    prior : variance of independent N(0, prior) priors on the scores (or on the coefficients of ``features``), the
        order effect and the coefficients of comparison features; ``None`` for maximum likelihood.
    ties : ``"half"`` counts a tie as half a win each way, ``"drop"`` leaves ties out. With π = e^s, ``"davidson"``
        is P(a beats b) = π_a / (π_a + π_b + ν√(π_a π_b)), the tie having ν√(π_a π_b) for its share, and
        ``"rao_kupper"`` is P(a beats b) = π_a / (π_a + θ π_b) with θ ≥ 1, the tie having the rest.
    order : estimate what being shown first adds to the log-odds; the comparisons must say which was
        (``Comparisons(order=…)``).
    features : properties of the alternatives, ``{name: values}`` with a value for each in the order of
        ``alternatives``, or a mapping from label to value. The scores are then Σ coefficient · property.
    comparison_features : properties of the single comparison, ``{name: [n] values}``, the winner's less the loser's
        (its length less the other's, say); they enter the log-odds beside the scores (style control).
    parts : ``"separate"`` fits each strongly connected component for itself (with a prior: each connected one), to
        the comparisons within it, and gives each mean zero: :attr:`Fit.components` numbers them. Comparisons of
        alternatives in different contexts (:meth:`Comparisons.by_context`) are fitted in one call that way.
    start : a fit to begin at, over the same alternatives.
    tolerance : bound on :attr:`Fit.residual`, |expected − observed wins| per comparison.
    limit : the number of Newton steps after which to give up.

    Returns a :class:`~choicekit.models.Fit` with mean-zero scores.

    Raises
    ------
    NoFiniteEstimate : without a prior, where the graph of wins is not strongly connected (Ford 1957): some score
        would be infinite, or the scale between parts unknown. The message names the components. Also where features,
        the order or the ties separate the outcomes; and, with a prior too, where ties are modelled and no comparison
        is a tie or every one is.
    NotConverged : the tolerance was not met; carries the partial fit.
    ValueError : a prior that is not a positive number, nothing left to fit, features that do not fit the data.

    Source: Zermelo 1929 (doi:10.1007/BF01180541); Bradley and Terry 1952 (doi:10.2307/2334029); Davidson 1970
    (doi:10.1080/01621459.1970.10481082); Rao and Kupper 1967 (doi:10.1080/01621459.1967.10482901).

    >>> votes = Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
    >>> bradley_terry(votes).scores.round(4).tolist()       # ± ½ ln 3
    [0.5493, -0.5493]
    >>> bradley_terry(Comparisons(["a"], ["b"]))
    Traceback (most recent call last):
        ...
    choicekit.outcomes.NoFiniteEstimate: no finite maximum-likelihood estimate exists: ...
    >>> bradley_terry(Comparisons(["a"], ["b"]), prior=1.0).winners
    ('a',)
    >>> tied = Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"], tie=[False, False, True, False])
    >>> round(bradley_terry(tied, ties="davidson").tie_parameter, 4)      # ν = tie/√(win·loss) = 1/√2
    0.7071
    """
    _check(comparisons, prior, ties, order, features, comparison_features, parts)
    if not tolerance > 0 or limit < 0:
        raise ValueError(
            f"bradley_terry: tolerance must be above 0 and limit at least 0, got {tolerance!r} and {limit!r}"
        )
    begin = None if start is None else _start(start, comparisons.alternatives)
    if ties in ("half", "drop") and not (order or features or comparison_features):
        pairs = _tallied(comparisons, ties, unmet=parts == "together")
        fit = (_fit_apart if parts == "separate" else _fit_together)(
            pairs, comparisons.alternatives, prior, begin, tolerance, limit
        )
        fit = replace(fit, _likelihood=replace(fit._likelihood, ties=ties))  # type: ignore[type-var]
    else:
        fit = _fit_effects(comparisons, prior, ties, order, features, comparison_features, begin, tolerance, limit)
    if not fit.converged:
        raise NotConverged(
            f"bradley_terry: residual {fit.residual:.1e} after {fit.iterations} steps, above the tolerance "
            f"{tolerance:.1e}; raise limit=, loosen tolerance= or pass a prior. The partial fit is in .partial",
            fit,
        )
    return fit


def _check(
    comparisons: Comparisons | PairCounts, prior: float | None, ties: str, order: bool, features: object,
    comparison_features: object, parts: str,
) -> None:  # fmt: skip
    if not isinstance(comparisons, Comparisons | PairCounts):
        raise TypeError(f"bradley_terry: needed Comparisons or PairCounts, got {type(comparisons).__name__}")
    if not isinstance(order, bool | np.bool_):
        raise TypeError(
            f"bradley_terry: order must be True or False, got {short([order])}; who was shown first goes into "
            "Comparisons(order=…)"
        )
    for name, given in (("features", features), ("comparison_features", comparison_features)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"bradley_terry: {name} must map names to values, got {type(given).__name__}")
    if prior is not None and not (isinstance(prior, int | float | np.number) and 0 < prior < math.inf):
        raise ValueError(f"bradley_terry: prior must be a positive variance or None, got {prior!r}")
    if ties not in ("half", "drop", "davidson", "rao_kupper"):
        raise ValueError(f"bradley_terry: ties must be 'half', 'drop', 'davidson' or 'rao_kupper', got {ties!r}")
    if parts not in ("together", "separate"):
        raise ValueError(f"bradley_terry: parts must be 'together' or 'separate', got {parts!r}")
    if parts == "separate" and (ties in ("davidson", "rao_kupper") or order or features or comparison_features):
        raise ValueError("bradley_terry: parts='separate' goes with ties='half' or 'drop' and without effects")
    if order and comparisons.order is None:
        raise ValueError(
            "bradley_terry: an order effect needs to know which of the two was shown first; give "
            "Comparisons(order=…), 1 where the winner was, -1 where the loser was (of counts: count by 'order')"
        )
    if comparison_features and not isinstance(comparisons, Comparisons):
        raise ValueError("bradley_terry: comparison_features belong to single rows; pass Comparisons, not their counts")


def _start(start: Fit, alternatives: tuple[Label, ...]) -> Floats:
    if not isinstance(start, Fit) or start.alternatives != alternatives:
        raise ValueError("bradley_terry: start must be a fit over the same alternatives, in the same order")
    return start.scores


def _fit_together(
    pairs: Pairs, alternatives: tuple[Label, ...], prior: float | None, start: Floats | None, tolerance: float,
    limit: int,
) -> Fit:  # fmt: skip
    size = len(alternatives)
    if prior is None and not luce.connected(pairs.first, pairs.second, pairs.count, pairs.won, size, 8):
        components = win_components(pairs, size)
        if len(components) > 1:
            named = tuple(tuple(alternatives[a] for a in part) for part in components)
            raise no_finite_estimate(named, _WAYS_OUT)
    if start is None and prior is None:
        found = luce.newton_from_win_rates(pairs.first, pairs.second, pairs.count, pairs.won, size, tolerance, limit)
        finer = _finer(pairs, tolerance)
        if finer < tolerance and found[2] <= tolerance:
            again = luce.newton(
                pairs.first, pairs.second, pairs.count, pairs.won, np.zeros(size), 0.0, found[0], finer, 50
            )
            found = (again[0], found[1] + again[1], again[2])
        return _fit(pairs, alternatives, found[0] - found[0].mean(), *found[1:], prior, tolerance, None)
    return fit_pairs(pairs, alternatives, prior=prior, start=start, tolerance=tolerance, limit=limit)


def _finer(pairs: Pairs, tolerance: float) -> float:
    """A tolerance that is not met before the lightest outcome has its say: where a pair's one loss weighs a billionth
    of its wins, no residual beside all of them shows how far apart the two are."""
    return min(tolerance, max(1e-2 * luce.lightest(pairs.count, pairs.won) / float(pairs.count.sum()), 1e-15))


def _fit_apart(
    pairs: Pairs, alternatives: tuple[Label, ...], prior: float | None, start: Floats | None, tolerance: float,
    limit: int,
) -> Fit:  # fmt: skip
    size = len(alternatives)
    if prior is None:
        members = win_components(pairs, size)
        label = np.empty(size, np.int64)
        for part, found in enumerate(members):
            label[found] = part
    else:
        label = graphs.components(pairs.first, pairs.second, size, strong=False)[1]
    inside = label[pairs.first] == label[pairs.second]
    order = np.argsort(label[pairs.first[inside]], kind="stable")
    kept = Pairs(*(column[inside][order] for column in (pairs.first, pairs.second, pairs.count, pairs.won)))
    scores, iterations, residual = luce.newton_apart(
        kept.first, kept.second, kept.count, kept.won, label, int(label.max()) + 1,
        np.zeros(size) if start is None else start, 0.0 if prior is None else 1 / prior, tolerance, limit,
    )  # fmt: skip
    return _fit(kept, alternatives, scores, iterations, residual, prior, tolerance, label)


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
    return _fit(pairs, alternatives, scores - scores.mean(), iterations, residual, prior, tolerance, None)


def _fit(
    pairs: Pairs, alternatives: tuple[Label, ...], scores: Floats, iterations: int, residual: float,
    prior: float | None, tolerance: float, components: Ints | None,
) -> Fit:  # fmt: skip
    return Fit(
        model="bradley_terry",
        alternatives=alternatives,
        scores=frozen(scores),
        effects={},
        converged=bool(residual <= tolerance),
        iterations=int(iterations),
        residual=float(residual),
        prior=prior,
        comparisons=float(pairs.count.sum()),
        components=components,
        _likelihood=PairLikelihood(pairs, scores, prior, components),
    )


@dataclass(frozen=True)
class PairLikelihood:
    """The likelihood of counted pairs at fitted scores, in components that were fitted apart or as a whole."""

    pairs: Pairs
    scores: Floats
    prior: float | None
    components: Ints | None = None
    ties: str = "half"

    def loglik(self) -> float:
        """The log-likelihood, ties as half wins."""
        pairs = self.pairs
        return float(luce.loglik(pairs.first, pairs.second, pairs.count, pairs.won, self.scores))

    def covariance(self) -> Floats:
        """The pseudo-inverse of the information; with a prior, the inverse of information + 1/prior, centred."""
        size = len(self.scores)
        design.refuse_large(size)
        if self.components is None:
            return pair_covariance(self.pairs, self.scores, self.prior)
        out = np.zeros((size, size))
        for part in range(int(self.components.max()) + 1):
            members = np.flatnonzero(self.components == part)
            place = np.zeros(size, np.int64)
            place[members] = np.arange(len(members))
            mine = self.components[self.pairs.first] == part
            own = Pairs(
                *(column[mine] for column in (self.pairs.first, self.pairs.second, self.pairs.count, self.pairs.won))
            )
            local = replace(own, first=place[own.first], second=place[own.second])
            out[np.ix_(members, members)] = pair_covariance(local, self.scores[members], self.prior)
        return out


def pair_covariance(pairs: Pairs, scores: Floats, prior: float | None) -> Floats:
    """The covariance of mean-zero scores from the information, a Laplacian with weights n·p·(1 − p)."""
    size = len(scores)
    probability = 1 / (1 + np.exp(scores[pairs.second] - scores[pairs.first]))
    weight = pairs.count * probability * (1 - probability)
    information = np.zeros((size, size))
    np.subtract.at(information, (pairs.first, pairs.second), weight)
    information += information.T
    information[np.diag_indices(size)] = -information.sum(1)
    # The constant vector is an eigenvector that the gauge leaves out: give it a curvature like the others', and
    # take its part off the inverse again, so that nothing cancels whatever the weights.
    precision = 0.0 if prior is None else 1 / prior
    curvature = max(float(np.trace(information)) / size, precision, 1e-300)
    mean = np.full((size, size), 1 / size)
    inverse = np.linalg.inv((information + precision * np.eye(size)) / curvature + mean)
    return np.asarray((inverse - mean / (precision / curvature + 1)) / curvature, np.float64)


def _fit_effects(
    comparisons: Comparisons | PairCounts, prior: float | None, ties: Ties, order: bool,
    features: Mapping[str, ArrayLike | Mapping[Label, float]] | None,
    comparison_features: Mapping[str, ArrayLike] | None, start: Floats | None, tolerance: float, limit: int,
) -> Fit:  # fmt: skip
    built = design.cells(comparisons, ties, order, features, comparison_features)
    cells, names = built.cells, built.names
    if prior is None and cells.free:
        met = _as_pairs(cells)
        components = win_components(met, cells.size)
        if len(components) > 1:
            named = tuple(tuple(comparisons.alternatives[a] for a in part) for part in components)
            raise no_finite_estimate(named, _WAYS_OUT)
    found = effects.maximise(cells, prior, start, tolerance, limit)
    found = effects.settled(cells, found, prior, tolerance)
    if prior is None and cells.covariates.shape[1] and not (cells.free and cells.size > effects.LARGEST_DENSE):
        effects.inverse(cells, effects.information(cells, found.at), None)  # refuses effects that cannot be told apart
    likelihood = design.CellLikelihood(built, found.at, prior)
    parameters = likelihood.parameters()
    model: Model = ties if ties in ("davidson", "rao_kupper") else "bradley_terry"
    return Fit(
        model=model,
        alternatives=comparisons.alternatives,
        scores=frozen(parameters[: cells.size].copy()),
        effects=dict(zip(names, parameters[cells.size :].tolist(), strict=True)),
        converged=bool(found.residual <= tolerance),
        iterations=found.iterations,
        residual=found.residual,
        prior=prior,
        comparisons=float(cells.count.sum()),
        features=tuple(comparison_features or ()),
        _likelihood=likelihood,
    )


def _as_pairs(cells: effects.Cells) -> Pairs:
    return Pairs(cells.first, cells.second, cells.count, cells.won + 0.5 * cells.tied)


def count_pairs(comparisons: Comparisons | PairCounts, ties: Ties = "half") -> Pairs:
    """Tally comparisons over unordered pairs, a tie as half a win each way or (``"drop"``) not at all."""
    pairs = _tallied(comparisons, ties, unmet=False)
    return replace(pairs, first=pairs.first.astype(np.int64), second=pairs.second.astype(np.int64))


def _tallied(comparisons: Comparisons | PairCounts, ties: Ties, *, unmet: bool) -> Pairs:
    """The same with codes as narrow as they come, and with pairs that never met where that is quicker."""
    if isinstance(comparisons, Comparisons):
        first, second, won, lost, tied = comparisons.tally(unmet=unmet)
    else:
        first, second, won, lost, tied = _merged(comparisons)
    count = np.add(won, lost, out=lost)  # in place: fresh memory costs more than the sum
    if ties != "drop" and len(tied):
        won, count = won + 0.5 * tied, count + tied
    if not unmet and not (met := count > 0).all():
        first, second, won, count = first[met], second[met], won[met], count[met]
    if not count.any():
        raise ValueError("bradley_terry: no comparison is left once ties are dropped; use ties='half'")
    return Pairs(first, second, count, won)


def _merged(counts: PairCounts) -> tuple[NDArray[Any], NDArray[Any], Floats, Floats, Floats]:
    """One cell a pair, whatever else the counts tell apart."""
    if counts.voter is None and counts.group is None and counts.order is None:
        won, lost, tied = (column.astype(np.float64) for column in (counts.won, counts.lost, counts.tied))
        return counts.first, counts.second, won, lost, tied
    size = len(counts.alternatives)
    keys, cell = np.unique(counts.first * size + counts.second, return_inverse=True)
    won, lost, tied = (
        np.bincount(cell, column, len(keys)).astype(np.float64) for column in (counts.won, counts.lost, counts.tied)
    )
    return keys // size, keys % size, won, lost, tied


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
    by_part = np.argsort(label, kind="stable")
    members = [found.tolist() for found in np.split(by_part, np.cumsum(np.bincount(label, minlength=parts))[:-1])]
    return [members[part] for part in TopologicalSorter(ahead).static_order()]
