"""Comparisons as cells with covariates, and the likelihood of a model with effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import effects as kernels
from choicekit.models import _effects as effects
from choicekit.models._effects import CODES, Cells, Parameters
from choicekit.outcomes import NoFiniteEstimate
from choicekit.profiles import Comparisons, PairCounts
from choicekit.profiles._columns import Label, short

Floats = NDArray[np.float64]
Ints = NDArray[Any]
Features = Mapping[str, ArrayLike | Mapping[Label, float]]

_LARGEST = 5_000


@dataclass(frozen=True)
class Design:
    """Cells, the names of the effects, how ties count, the features as given and as ``properties[m, k]`` of the
    alternatives where scores are made of them, and the voter of each cell where that was asked for."""

    cells: Cells
    names: tuple[str, ...]
    ties: str
    given: Features | None = None
    properties: Floats | None = None
    voter: Ints | None = None


def cells(
    data: Comparisons | PairCounts,
    ties: str,
    order: bool,
    features: Features | None,
    comparison_features: Mapping[str, ArrayLike] | None,
    *,
    voters: bool = False,
) -> Design:
    """The cells of a model: rows where they have features of their own, else counts (by order, by voter if asked)."""
    size = len(data.alternatives)
    if comparison_features:
        assert isinstance(data, Comparisons)
        first, second, outcome, shown, voter = _rows(data, ties)
    else:
        first, second, outcome, shown, voter = _counted(data, ties, order, voters)
    columns: list[Floats] = []
    names = [] if ties in ("half", "drop") else ["tie"]
    properties = None
    if features:
        properties = np.stack([_property(name, values, data.alternatives) for name, values in features.items()], 1)
        columns += list((properties[first] - properties[second]).T)
        names += features
    if order:
        columns.append(shown.astype(np.float64))
        names.append("order")
    if comparison_features:
        assert isinstance(data, Comparisons)
        sign, kept = _signs_kept(data, ties)
        columns += [sign * _row_feature(name, given, len(data))[kept] for name, given in comparison_features.items()]
        names += comparison_features
    taken = [name for name in (*(features or ()), *(comparison_features or ())) if name in ("tie", "order")]
    if taken:
        raise ValueError(
            f"bradley_terry: {taken[0]!r} is the name of an effect of its own; give the feature another name"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"bradley_terry: effects need different names, got {short(names)}")
    covariates = np.ascontiguousarray(np.stack(columns, 1)) if columns else np.zeros((len(first), 0))
    model = CODES.get(ties, 0)
    if model:
        _refuse_ties(outcome[2], outcome[0] + outcome[1], ties)
    built = Cells(model, size, first, second, *outcome, covariates, free=not features)
    return Design(built, tuple(names), ties, features or None, properties, voter)


def refuse_large(size: int) -> None:
    """Dense matrices over the alternatives have a limit."""
    if size > _LARGEST:
        raise ValueError(
            f"covariance: {size} alternatives need a dense {size} × {size} matrix; the limit is {_LARGEST}. Fit the "
            "alternatives of interest alone, or take models.bootstrap"
        )


def _refuse_ties(tied: Floats, decided: Floats, ties: str) -> None:
    if not tied.any() or not decided.any():
        raise NoFiniteEstimate(
            f"the tie parameter has no estimate inside its range: ties={ties!r} estimates how common ties are, and of "
            f"the comparisons {'none is' if not tied.any() else 'every one is'} a tie. Way out: ties='half'",
            (),
        )


def _rows(data: Comparisons, ties: str) -> tuple[Ints, Ints, tuple[Floats, Floats, Floats], Ints, Ints | None]:
    """Each row that counts as a cell of its own."""
    sign, kept = _signs_kept(data, ties)
    winner, loser, tie, weight = data.winner[kept], data.loser[kept], data.tie[kept], data.weight[kept]
    zero = np.zeros(len(weight))
    outcome = (
        np.where(~tie & (sign > 0), weight, zero), np.where(~tie & (sign < 0), weight, zero),
        np.where(tie, weight, zero),
    )  # fmt: skip
    shown = np.zeros(len(kept), np.int64) if data.order is None else (sign * data.order[kept]).astype(np.int64)
    voter = None if data.voter is None else data.voter[kept]
    return np.minimum(winner, loser), np.maximum(winner, loser), outcome, shown, voter


def _signs_kept(data: Comparisons, ties: str) -> tuple[Floats, Ints]:
    """1 where the winner is the first of the pair, else -1, and the rows that count."""
    counts = data.weight > 0
    kept = np.flatnonzero(counts & ~data.tie if ties == "drop" else counts)
    return np.where(data.winner[kept] < data.loser[kept], 1.0, -1.0), kept


def _counted(
    data: Comparisons | PairCounts, ties: str, order: bool, voters: bool
) -> tuple[Ints, Ints, tuple[Floats, Floats, Floats], Ints, Ints | None]:
    if isinstance(data, Comparisons) and not voters and not order:
        first, second, won, lost, level = data.tally()
        level = level if len(level) and ties != "drop" else np.zeros(len(won))
        met = won + lost + level > 0
        if met.all():
            return first, second, (won, lost, level), np.zeros(0, np.int64), None
        outcome = (won[met], lost[met], level[met])
        return *_some(first[met], second[met]), outcome, np.zeros(0, np.int64), None
    if isinstance(data, Comparisons):
        counts = data.counts(*(["voter"] if voters else []), *(["order"] if order else []))  # type: ignore[arg-type]
    else:
        counts = data
    tied = counts.tied.astype(np.float64) * (ties != "drop")
    outcome = (counts.won.astype(np.float64), counts.lost.astype(np.float64), tied)
    met = outcome[0] + outcome[1] + tied > 0
    first, second = _some(counts.first[met], counts.second[met])
    shown = np.zeros(len(counts), np.int64) if counts.order is None else counts.order.astype(np.int64)
    voter = None if counts.voter is None else counts.voter[met]
    return (
        first, second, (outcome[0][met], outcome[1][met], outcome[2][met]), shown[met], voter,
    )  # fmt: skip


def _some(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    if not len(first):
        raise ValueError("bradley_terry: no comparison is left once ties are dropped; use ties='half'")
    return first, second


def _property(name: str, values: ArrayLike | Mapping[Label, float], alternatives: tuple[Label, ...]) -> Floats:
    if isinstance(values, Mapping):
        lacking = [label for label in alternatives if label not in values]
        if lacking:
            raise ValueError(f"bradley_terry: feature {name!r} has no value for {short(lacking, 3)}")
        values = [values[label] for label in alternatives]
    return _finite(name, values, len(alternatives), "one an alternative")


def _row_feature(name: str, values: ArrayLike, rows: int) -> Floats:
    return _finite(name, values, rows, "one a comparison")


def _finite(name: str, values: ArrayLike, length: int, what: str) -> Floats:
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"bradley_terry: feature {name!r} needed {length} finite numbers, {what}; got values that are no numbers"
        ) from None
    if array.shape != (length,) or not np.isfinite(array).all():
        found = f"shape {array.shape}" if array.shape != (length,) else "missing or infinite ones"
        raise ValueError(f"bradley_terry: feature {name!r} needed {length} finite numbers, {what}; got {found}")
    return array


@dataclass(frozen=True)
class CellLikelihood:
    """The likelihood of cells at fitted parameters."""

    design: Design
    at: Parameters
    prior: float | None

    def parameters(self) -> Floats:
        """Mean-zero scores followed by the named effects."""
        properties, slopes = self.design.properties, self.at.slopes
        scores = self.at.scores if properties is None else properties @ slopes[: properties.shape[1]]
        tie = [self.at.tie] if self.design.cells.model else []
        return np.concatenate([scores - scores.mean(), tie, slopes])

    def loglik(self) -> float:
        """The log-likelihood."""
        cells, at = self.design.cells, self.at
        eta = kernels.predictor(cells.first, cells.second, cells.covariates, at.scores, at.slopes)
        return -float(kernels.value(cells.model, eta, at.tie, cells.won, cells.lost, cells.tied))

    def covariance(self) -> Floats:
        """Of mean-zero scores and the named effects, jointly."""
        refuse_large(self.design.cells.size if self.design.cells.free else 0)
        info = effects.information(self.design.cells, self.at)
        return self.public(effects.inverse(self.design.cells, info, self.prior))

    def public(self, joint: Floats) -> Floats:
        """A covariance of the fitted parameters as one of mean-zero scores and the named effects."""
        cells, properties = self.design.cells, self.design.properties
        size = cells.size if cells.free else 0
        shown = [at for at in range(len(joint)) if at != size or cells.model]
        jacobian = np.eye(len(joint))[shown]
        if properties is not None:
            scores = np.zeros((cells.size, len(joint)))
            scores[:, 1 : 1 + properties.shape[1]] = properties - properties.mean(0)
            jacobian = np.concatenate([scores, jacobian])
        return np.asarray(jacobian @ joint @ jacobian.T, np.float64)
