"""How well a fit describes the data it was made from, and data it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import graphs
from choicekit.models.fit import Fit, quantile
from choicekit.models.luce import bradley_terry
from choicekit.models.prediction import Observed, feature_names, observed, tie_of
from choicekit.outcomes import NoFiniteEstimate
from choicekit.profiles import Comparisons, PairCounts
from choicekit.profiles._columns import frozen, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# A prior so wide that the penalised likelihood comes within rounding of its supremum where no maximum exists.
_WIDE = 1e4


@dataclass(frozen=True, eq=False)
class DevianceTest:
    """A fit against the saturated model, which gives each cell probabilities of its own.

    ``deviance`` is twice what the saturated model gains in log-likelihood, ``pearson`` Σ (observed − expected)² /
    expected, ``degrees`` the number of free probabilities less the number of fitted parameters, and ``p_value`` the
    chance of a larger deviance under chi-square. ``smallest_expected`` is the least expected count of an outcome in a
    cell. ``caution`` says in words why the p-value may be wrong; it is empty where nothing speaks against it.

    >>> DevianceTest(4.29, 4.33, 3, 0.232, 46.2, "").caution
    ''
    """

    deviance: float
    pearson: float
    degrees: int
    p_value: float
    smallest_expected: float
    caution: str


@dataclass(frozen=True, eq=False)
class DevianceBootstrap:
    """The deviance beside those of data drawn from the fit and fitted again: ``deviances[replicates]``.

    ``p_value`` is (1 + the number of them at least as large) / (1 + their number). ``failed`` counts replicates left
    out because their fit had no finite maximum even with a wide prior (no tie was drawn, say).

    >>> DevianceBootstrap(2.0, np.array([1.0, 3.0, 0.5]), 0.5, 0).p_value
    0.5
    """

    deviance: float
    deviances: Floats
    p_value: float
    failed: int


def deviance_test(fit: Fit, counts: PairCounts) -> DevianceTest:
    """Test a fit against the saturated model of its counts, in which every cell has probabilities of its own.

    A cell is a pair, or a pair and an order where ``counts`` tell orders apart (voters and groups are summed over).
    The deviance is 2·Σ n·log(n / expected n) over cells and outcomes: two outcomes, or three where ties are modelled.
    Its degrees of freedom are one (two) a cell, less the fitted parameters: the scores less one for each connected
    part (or the coefficients of features, where scores are made of those), the tie parameter and the order effect.

    The chi-square distribution holds where expected counts are large; where they are small ``caution`` says so, and
    :func:`deviance_bootstrap` does without it. A small p-value says that comparisons do not follow from one score an
    alternative: see :func:`hodge` for how cyclic they are. Voters who differ also make pairs' comparisons unlike
    independent draws; the test then finds what a fit by group would find better.

    Raises ``ValueError`` where the counts' alternatives are not the fit's, ties were seen that the model cannot
    explain, the fit has comparison features, or no degree of freedom is left.

    Source: Wilks 1938 (doi:10.1214/aoms/1177732360); for paired comparisons Bradley 1954 (Biometrics 10, 375–390).

    >>> import choicekit as ck
    >>> winners, losers = [*"ab" * 20, *"bc" * 20, *"a" * 35, *"c" * 5], [*"ba" * 20, *"cb" * 20, *"c" * 35, *"a" * 5]
    >>> votes = ck.Comparisons(winners, losers)                     # a and b level, b and c too, but a far above c
    >>> found = deviance_test(ck.models.bradley_terry(votes), votes.counts())
    >>> round(found.deviance, 2), found.degrees, round(found.p_value, 4), found.caution
    (9.81, 1, 0.0017, '')
    """
    _, seen, outcomes, degrees = _saturated(fit, counts)
    counted = np.stack([seen.won, seen.tied, seen.lost], axis=1)[:, outcomes]
    expected = counted.sum(1, keepdims=True) * np.exp(seen.logs[:, outcomes])
    deviance = _deviance(counted, seen.logs[:, outcomes])
    from scipy.special import chdtrc

    gap = (counted - expected) ** 2
    return DevianceTest(
        deviance=deviance,
        pearson=float(np.divide(gap, expected, out=np.zeros_like(gap), where=expected > 0).sum()),
        degrees=degrees,
        p_value=float(chdtrc(degrees, deviance)),
        smallest_expected=float(expected.min()),
        caution=_caution(fit, expected, counted),
    )


def deviance_bootstrap(
    fit: Fit,
    counts: PairCounts,
    *,
    replicates: int = 200,
    refit: Callable[[PairCounts], Fit] | None = None,
    rng: int | np.random.Generator | None = 0,
) -> DevianceBootstrap:
    """The same test by drawing data from the fit and fitting those: right also where expected counts are small.

    Each replicate draws the outcomes of every cell, keeping how often it was compared, and is fitted with the same
    model, order effect and prior (where it has no finite maximum, with a prior of variance 10,000, which comes near the
    supremum). ``refit`` fits counts in another way, needed for fits with features.

    Raises ``ValueError`` as :func:`deviance_test`, for counts that are not whole numbers, fewer than one replicate,
    and fits with features where no ``refit`` is given.

    >>> import choicekit as ck
    >>> winners, losers = [*"ab" * 20, *"bc" * 20, *"a" * 35, *"c" * 5], [*"ba" * 20, *"cb" * 20, *"c" * 35, *"a" * 5]
    >>> votes = ck.Comparisons(winners, losers)
    >>> deviance_bootstrap(ck.models.bradley_terry(votes), votes.counts(), replicates=99).p_value
    0.01
    """
    cells, seen, outcomes, _ = _saturated(fit, counts)
    if replicates < 1:
        raise ValueError(f"deviance_bootstrap: replicates must be at least 1, got {replicates}")
    if cells.won.dtype.kind != "i":
        raise ValueError("deviance_bootstrap: needed whole counts to draw such counts again; the weights are fractions")
    again = refit or _same_model(fit)
    total = (cells.won + cells.lost + cells.tied).astype(np.int64)
    share = np.exp(seen.logs)
    generator = np.random.default_rng(rng)
    mine = _deviance(np.stack([seen.won, seen.tied, seen.lost], axis=1)[:, outcomes], seen.logs[:, outcomes])
    found = []
    for _ in range(replicates):
        drawn = generator.multinomial(total, share / share.sum(1, keepdims=True))
        data = replace(cells, won=drawn[:, 0].copy(), tied=drawn[:, 1].copy(), lost=drawn[:, 2].copy())
        try:
            logs = observed(again(data), data).logs
        except NoFiniteEstimate:
            continue
        found.append(_deviance(drawn[:, outcomes].astype(np.float64), logs[:, outcomes]))
    deviances = np.array(found)
    larger = int((deviances >= mine - 1e-9 * max(mine, 1.0)).sum())
    return DevianceBootstrap(mine, frozen(deviances), (1 + larger) / (1 + len(found)), replicates - len(found))


def _deviance(counted: Floats, logs: Floats) -> float:
    """2·Σ n·(log(n / N) − log p) over cells and outcomes."""
    share = counted / counted.sum(1, keepdims=True)
    there = counted > 0
    return float(2 * (counted[there] * (np.log(share[there]) - logs[there])).sum())


def _saturated(fit: Fit, counts: PairCounts) -> tuple[PairCounts, Observed, list[int], int]:
    """The counts by pair (and order) alone, what the fit says of them, the outcomes it knows, degrees of freedom."""
    if feature_names(fit):
        raise ValueError(
            "deviance_test: the fit has comparison features, which differ within a pair, so that no cell has "
            "comparisons alike; compare models by held_out"
        )
    if not isinstance(counts, PairCounts):
        raise TypeError(f"deviance_test: needed counts, got {type(counts).__name__}; pass comparisons.counts()")
    if counts.alternatives != fit.alternatives:
        raise ValueError(
            "deviance_test: the counts' alternatives are not the fit's "
            f"({short(counts.alternatives, 3)} and {short(fit.alternatives, 3)}); pass the counts that were fitted"
        )
    cells = _merged(counts)
    seen = observed(fit, cells)
    tied = tie_of(fit)[0] != "none"
    if not tied and cells.tied.any():
        raise ValueError(
            f"deviance_test: {cells.tied.sum():g} ties were seen, and half wins have no saturated model; fit with "
            "ties='davidson' or 'rao_kupper', or leave tied rows out of both the fit and the counts"
        )
    parts, _ = graphs.components(
        cells.first.astype(np.int64), cells.second.astype(np.int64), len(fit.alternatives), strong=False
    )
    others = [name for name in fit.effects if name == "order" or name == "tie"]
    properties = [name for name in fit.effects if name not in others and not _is_tie(name)]
    fitted = len(others) + (len(properties) or len(fit.alternatives) - parts)
    degrees = len(cells) * (2 if tied else 1) - fitted
    if degrees < 1:
        raise ValueError(
            f"deviance_test: {len(cells)} cells and {fitted} fitted parameters leave no degree of freedom, so any data "
            "fit perfectly; compare more pairs"
        )
    return cells, seen, [0, 1, 2] if tied else [0, 2], degrees


def _is_tie(name: str) -> bool:
    return name.startswith("tie") and name[3:].isdigit()


def _merged(counts: PairCounts) -> PairCounts:
    """One cell for each pair (and order), summed over voters and groups."""
    if counts.voter is None and counts.group is None:
        return counts
    size = len(counts.alternatives)
    order = 1 if counts.order is None else counts.order.astype(np.int64) + 1
    key = (counts.first.astype(np.int64) * size + counts.second) * 3 + order
    cells, at, cell = np.unique(key, return_index=True, return_inverse=True)
    won, lost, tied = (
        np.bincount(cell, part, len(cells)).astype(part.dtype) for part in (counts.won, counts.lost, counts.tied)
    )
    return PairCounts(
        counts.alternatives, counts.first[at], counts.second[at], won, lost, tied,
        order=None if counts.order is None else counts.order[at],
    )  # fmt: skip


def _same_model(fit: Fit) -> Callable[[PairCounts], Fit]:
    known = {"tie", "order"}
    if fit.model == "plackett_luce" or set(fit.effects) - known:
        raise ValueError(
            "deviance_bootstrap: pass refit=, a function that fits counts as this fit was made (its features are not "
            "kept in it)"
        )
    kind = tie_of(fit)[0]

    def again(counts: PairCounts) -> Fit:
        ties, order = ("half" if kind == "none" else kind), "order" in fit.effects
        try:
            return bradley_terry(counts, ties=ties, order=order, prior=fit.prior, start=fit, tolerance=1e-8)
        except NoFiniteEstimate:
            return bradley_terry(counts, ties=ties, order=order, prior=_WIDE, tolerance=1e-8)

    return again


def _caution(fit: Fit, expected: Floats, counted: Floats) -> str:
    """Why the chi-square p-value may be wrong."""
    found = []
    small = float((expected < 5).mean())
    if expected.min() < 1 or small > 0.2:
        found.append(
            f"{small:.0%} of the expected counts are below 5 (the smallest is {expected.min():.2g}), too few for "
            "chi-square; use deviance_bootstrap"
        )
    if fit.prior is not None:
        found.append("the fit has a prior, so its deviance is larger than that of the maximum-likelihood fit")
    if abs(counted.sum() - fit.comparisons) > 1e-9 * fit.comparisons:
        found.append(
            f"the fit was made from {fit.comparisons:g} comparisons and the counts hold {counted.sum():g}: on other "
            "data than the fitted ones the degrees of freedom are too few"
        )
    if (counted != np.floor(counted)).any():
        found.append("the counts are not whole numbers, so they are not counts of independent comparisons")
    return "; ".join(found)


@dataclass(frozen=True, eq=False)
class CalibrationTable:
    """What was predicted beside what happened, in bins ``[b]`` of about as many comparisons, least certain first.

    Everything is from the favourite's side: ``predicted`` is the mean probability that the favourite wins (a tie half
    a win), between ``lower`` and ``upper``; ``observed`` the share that it won, with Wilson's interval ``[b, 2]``; and
    ``count`` the weight of comparisons. ``error`` is the expected calibration error Σ count·|observed − predicted| / N,
    ``brier`` the mean of ½·Σ_outcomes (p − happened)² (for two outcomes: (p − won)²), ``log_loss`` the mean of −log p,
    in nats; where ties are not modelled they count as half a win each way in both.

    >>> one = np.array([0.7])
    >>> CalibrationTable(one, one, one, one, np.array([[0.6, 0.8]]), np.array([90.0]), 0.0, 0.21, 0.61).error
    0.0
    """

    lower: Floats
    upper: Floats
    predicted: Floats
    observed: Floats
    interval: Floats
    count: Floats
    error: float
    brier: float
    log_loss: float


def calibration(
    fit: Fit,
    data: Comparisons | PairCounts,
    *,
    bins: int = 10,
    level: float = 0.95,
    comparison_features: Mapping[str, ArrayLike] | None = None,
) -> CalibrationTable:
    """Whether favourites win as often as the fit says, in the data it was made from or in data held out of it.

    Comparisons are taken from the side of whoever the fit favours, so that each counts once, sorted by the favourite's
    probability, and cut into at most ``bins`` bins of about the same weight (equal predictions stay together).
    Intervals are Wilson's at ``level``, for comparisons as independent draws. ``comparison_features`` as in
    :func:`bradley_terry`, where the fit has such effects.

    Raises ``ValueError`` for fewer than one bin, a level outside (0, 1) and data that do not match the fit.

    Source: Wilson 1927 (doi:10.1080/01621459.1927.10502953); Brier 1950; Murphy and Winkler 1977
    (doi:10.2307/2346866) for the table.

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(["a", "a", "a", "b"], ["b", "b", "b", "a"])
    >>> table = calibration(ck.models.bradley_terry(votes), votes)
    >>> table.predicted.round(6).tolist(), table.observed.tolist(), round(table.brier, 4)
    ([0.75], [0.75], 0.1875)
    """
    z = quantile(level)
    if bins < 1:
        raise ValueError(f"calibration: bins must be at least 1, got {bins}")
    seen = observed(fit, data, comparison_features)
    weight = seen.won + seen.lost + seen.tied
    win, drawn, loss = np.exp(seen.logs).T
    total = weight.sum()
    share = win + drawn / 2
    points = np.divide(seen.won + seen.tied / 2, weight, out=np.full_like(weight, 0.5), where=weight > 0)
    share, points = np.where(share < 0.5, [loss + drawn / 2, 1 - points], [share, points])
    value, same = np.unique(share.round(12), return_inverse=True)
    heavy = np.bincount(same, weight, len(value))
    middle = np.minimum((np.cumsum(heavy) - heavy / 2) / total * bins, bins - 1e-9).astype(np.int64)
    _, bin_of = np.unique(middle[same], return_inverse=True)
    count = np.asarray(np.bincount(bin_of, weight), np.float64)
    predicted, happened = np.bincount(bin_of, weight * share) / count, np.bincount(bin_of, weight * points) / count
    lower, upper = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    np.minimum.at(lower, bin_of, share)
    np.maximum.at(upper, bin_of, share)
    centre = (happened + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(happened * (1 - happened) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    # ½·Σ (p − happened)² for each outcome that may happen
    squares = (win**2 + drawn**2 + loss**2) / 2 + 0.5
    won, lost, tied = seen.won, seen.lost, seen.tied
    if tie_of(fit)[0] == "none":
        won, lost, tied = won + tied / 2, lost + tied / 2, np.zeros_like(tied)
    brier = (weight * squares - won * win - lost * loss - tied * drawn).sum() / total
    return CalibrationTable(
        lower=lower, upper=upper, predicted=predicted, observed=happened,
        interval=np.stack([np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)], axis=1), count=count,
        error=float((count * np.abs(happened - predicted)).sum() / total), brier=float(brier),
        log_loss=float(-seen.loglik / total),
    )  # fmt: skip
