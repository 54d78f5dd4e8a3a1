"""How likely a model makes comparisons that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.models.fit import Fit
from choicekit.models.prediction import observed
from choicekit.outcomes import NoFiniteEstimate, NotConverged
from choicekit.profiles import Comparisons
from choicekit.profiles._columns import frozen, short

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The mean log-likelihood, in nats, of a comparison held out of the fit, and its standard error over folds.

    ``folds[k]`` are the means of the folds and ``weights[k]`` how many comparisons each holds. Two models held out
    with the same folds are best compared fold by fold: their ``folds`` are paired.

    >>> HeldOut(-0.6, 0.01, np.array([-0.59, -0.61]), np.array([50.0, 50.0])).loglik
    -0.6
    """

    loglik: float
    error: float
    folds: Floats
    weights: Floats


def held_out(
    fit_model: Callable[..., Fit],
    comparisons: Comparisons,
    *,
    folds: int = 5,
    by: Literal["voter", "row"] = "row",
    comparison_features: Mapping[str, ArrayLike] | None = None,
    rng: int | np.random.Generator | None = 0,
) -> HeldOut:
    """Cross-validate any function that makes a :class:`Fit` of comparisons.

    The rows are dealt into ``folds`` parts of about equal size, ``by="voter"`` whole voters at a time (how well are
    voters predicted of whom nothing is known?). Each part is predicted by the fit to all others. A comparison scores
    log P(what happened); a tie scores log P(tie) where the model has ties, and half of log P(win) and log P(loss) each
    where it has not, so models with and without ties are not comparable on data with ties. −log 2 is a coin's score
    without ties. The standard error is that of a ratio of means over folds; it takes folds as independent, which they
    nearly are.

    Parameters
    ----------
    fit_model : from Comparisons to a Fit, such as ``models.bradley_terry`` or ``lambda rows:
        models.bradley_terry(rows, prior=1.0)``.
    comparison_features : for models that use them, ``{name: [n] values}``; ``fit_model`` is then called with the rows
        and ``comparison_features=`` those of the rows.
    rng : deals the folds.

    Raises ``ValueError`` for fewer than two folds or more than there are rows or voters, no voters where folds are by
    voter, and an alternative whose comparisons are all in one fold; errors of ``fit_model`` say in which fold they
    came.

    Source: Stone 1974 (doi:10.1111/j.2517-6161.1974.tb00994.x).

    >>> import choicekit as ck
    >>> votes = ck.Comparisons(["a", "a", "a", "b"] * 50, ["b", "b", "b", "a"] * 50)
    >>> found = held_out(ck.models.bradley_terry, votes)      # the entropy of (¾, ¼) is 0.5623
    >>> round(found.loglik, 2), len(found.folds)
    (-0.57, 5)
    """
    part = _dealt(comparisons, folds, by, np.random.default_rng(rng))
    scores, weights = np.zeros(folds), np.zeros(folds)
    given = {name: np.asarray(values) for name, values in (comparison_features or {}).items()}
    short_ones = [name for name, values in given.items() if values.shape != (len(comparisons),)]
    if short_ones:
        raise ValueError(f"held_out: comparison feature {short_ones[0]!r} needed {len(comparisons)} numbers, one a row")
    for fold in range(folds):
        kept, out = np.flatnonzero(part != fold), np.flatnonzero(part == fold)
        _refuse_unseen(comparisons, kept, out, fold, by)
        some = {"comparison_features": {name: values[kept] for name, values in given.items()}} if given else {}
        try:
            fit = fit_model(comparisons.rows(kept), **some)
        except (NoFiniteEstimate, NotConverged) as error:
            error.add_note(f"held_out: while fitting to all but fold {fold} of {folds}; a prior makes any data fit")
            raise
        there = {name: values[out] for name, values in given.items()} or None
        seen = observed(fit, comparisons.rows(out), there)
        scores[fold] = seen.loglik
        weights[fold] = seen.won.sum() + seen.lost.sum() + seen.tied.sum()
    mean = scores.sum() / weights.sum()
    spread = ((scores - mean * weights) ** 2).sum() * folds / (folds - 1)
    return HeldOut(float(mean), float(np.sqrt(spread) / weights.sum()), frozen(scores / weights), frozen(weights))


def _dealt(comparisons: Comparisons, folds: int, by: str, rng: np.random.Generator) -> Ints:
    """The fold of each row; rows without weight belong to none (-1)."""
    if not isinstance(comparisons, Comparisons):
        raise TypeError(f"held_out: needed Comparisons, got {type(comparisons).__name__}")
    if by not in ("voter", "row"):
        raise ValueError(f"held_out: by must be 'voter' or 'row', got {by!r}")
    counts = np.flatnonzero(comparisons.weight > 0)
    if by == "voter":
        if comparisons.voter is None:
            raise ValueError("held_out: the comparisons have no voters; give voter= when they are made, or by='row'")
        _, unit = np.unique(comparisons.voter[counts], return_inverse=True)
    else:
        unit = np.arange(len(counts))
    units = int(unit.max()) + 1
    if not 2 <= folds <= units:
        raise ValueError(f"held_out: folds must be at least 2 and at most the {units} {by}s, got {folds}")
    part = np.full(len(comparisons), -1)
    part[counts] = rng.permutation(np.arange(units) % folds)[unit]
    return part


def _refuse_unseen(comparisons: Comparisons, kept: Ints, out: Ints, fold: int, by: str) -> None:
    there = np.zeros(len(comparisons.alternatives), np.bool_)
    rows = kept[comparisons.weight[kept] > 0]
    there[comparisons.winner[rows]] = there[comparisons.loser[rows]] = True
    asked = np.unique(np.concatenate([comparisons.winner[out], comparisons.loser[out]]))
    unseen = [comparisons.alternatives[a] for a in asked[~there[asked]].tolist()]
    if unseen:
        raise ValueError(
            f"held_out: {short(unseen, 3)} occurs in fold {fold} alone, so nothing is known of it without that fold; "
            f"take more folds, another rng{', by=' + repr('row') if by == 'voter' else ''}, or leave it out"
        )
