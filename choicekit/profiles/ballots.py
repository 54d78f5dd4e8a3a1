"""Ballots: utilities, rankings, approvals, and the margins that pairwise counting leaves of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import voting
from choicekit.profiles._columns import Floats, Label, frozen, matrix, names, numbers
from choicekit.profiles._ranks import Unranked, narrow, supports

Order = str | Sequence[Any]


def _fill(profile: object, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(profile, name, frozen(value) if isinstance(value, np.ndarray) else value)


@dataclass(frozen=True, eq=False, init=False)
class Margins:
    """A majority margin for each pair: ``values[a, b]`` is the weight preferring a to b minus that preferring b to a.

    ``values[m, m]`` is antisymmetric. Raises ``ValueError`` where it is not.

    >>> Margins([[0, 3], [-3, 0]], ["x", "y"]).condorcet_winner
    'x'
    """

    values: Floats
    alternatives: tuple[Label, ...]

    def __init__(self, values: ArrayLike, alternatives: Iterable[Label] | None = None) -> None:
        array = matrix("margins", values, "alternative, alternative")
        if array.shape[0] != array.shape[1] or not np.isfinite(array).all():
            raise ValueError(f"margins: needed a finite square matrix, got shape {array.shape}")
        wrong = np.argwhere(array != -array.T)
        if len(wrong):
            a, b = wrong[0]
            raise ValueError(
                f"margins: needed values[a, b] == -values[b, a], got {array[a, b]} and {array[b, a]} at [{a}, {b}]; "
                "for a matrix of win counts w pass w - w.T"
            )
        _fill(self, values=array, alternatives=names(alternatives, len(array)))

    @property
    def condorcet_winner(self) -> Label | None:
        """The alternative with a positive margin over every other, or ``None`` (Condorcet 1785).

        >>> Margins([[0, 1, -1], [-1, 0, 1], [1, -1, 0]]).condorcet_winner is None
        True
        """
        beats = (self.values > 0).sum(1)
        return next((self.alternatives[a] for a in np.flatnonzero(beats == len(beats) - 1)), None)


@dataclass(frozen=True, eq=False, init=False)
class Rankings:
    """Ranked ballots, strict, weak or truncated.

    ``ranks[n, m]``: 0 is best, equal numbers are tied, -1 is unranked; only the order of a row's numbers matters.
    ``weights[n]`` says how many voters cast the ballot (default 1).

    >>> Rankings([[0, 1, 2], [1, 0, -1]], weights=[3, 2], alternatives="abc").ranks.shape
    (2, 3)
    """

    _ranks: NDArray[Any]
    weights: Floats
    alternatives: tuple[Label, ...]

    def __init__(
        self, ranks: ArrayLike, weights: ArrayLike | None = None, alternatives: Iterable[Label] | None = None
    ) -> None:
        array = ranks if isinstance(ranks, np.ndarray) else matrix("rankings", ranks, "voter, alternative")
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(
                f"rankings: needed a non-empty array indexed [voter, alternative], got shape {array.shape}"
            )
        labels = names(alternatives, array.shape[1])
        whole = narrow("rankings", array)
        _fill(self, _ranks=whole, weights=numbers("weights", weights, len(array)), alternatives=labels)

    @classmethod
    def _made(cls, ranks: NDArray[Any], weights: Floats, alternatives: tuple[Label, ...]) -> Rankings:
        """From narrow ranks, weights and labels that are known to be right and that nobody else will write to."""
        made = object.__new__(cls)
        ranks.flags.writeable = weights.flags.writeable = False
        made.__dict__.update(_ranks=ranks, weights=weights, alternatives=alternatives)
        return made

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """``ranks[n, m]``: 0 is best, equal numbers are tied, -1 is unranked.

        >>> Rankings([[0, 1, -1]]).ranks.tolist()
        [[0, 1, -1]]
        """
        return frozen(self._ranks.astype(np.int64))

    @classmethod
    def from_orders(
        cls, orders: Mapping[Any, float] | Iterable[Order], alternatives: Iterable[Label] | None = None
    ) -> Rankings:
        """Rankings from orders, best first, with how many voters hold each.

        An order is a sequence of labels, where a set or frozenset holds tied ones; a string is a sequence of
        one-letter labels. Alternatives left out of an order are unranked on it. ``alternatives`` fixes the columns;
        by default they are the labels in sorted order (of first appearance where they cannot be sorted).

        >>> votes = Rankings.from_orders({"abc": 3, "bca": 2, "cab": 2})
        >>> votes.ranks.tolist(), votes.weights.tolist()
        ([[0, 1, 2], [2, 0, 1], [1, 2, 0]], [3.0, 2.0, 2.0])
        >>> Rankings.from_orders([["x", {"y", "z"}], ["z"]]).ranks.tolist()
        [[0, 1, 1], [-1, -1, 0]]
        """
        counted = dict(orders) if isinstance(orders, Mapping) else None
        levels = _levels(orders)
        labels = _sorted_labels(levels) if alternatives is None else tuple(alternatives)
        column = {label: position for position, label in enumerate(labels)}
        ranks = np.full((len(levels), len(labels)), -1)
        for row, order in enumerate(levels):
            for rank, tier in enumerate(order):
                for label in tier:
                    if label not in column:
                        raise ValueError(f"rankings: order {row} ranks {label!r}, which is not among the alternatives")
                    if ranks[row, column[label]] >= 0:
                        raise ValueError(f"rankings: order {row} ranks {label!r} twice")
                    ranks[row, column[label]] = rank
        return cls(ranks, None if counted is None else list(counted.values()), labels)

    def to_margins(self, unranked: Unranked = "below") -> Margins:
        """Pairwise margins, where two unranked (or tied) alternatives count for neither.

        ``unranked="below"``: ranked beats unranked; ``"absent"``: a ballot says nothing of what it does not rank.

        >>> Rankings.from_orders({"ab": 2, "b": 1}).to_margins().values.tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
        >>> Rankings.from_orders({"ab": 2, "b": 1}).to_margins("absent").values.tolist()
        [[0.0, 2.0], [-2.0, 0.0]]
        """
        held = self._below if unranked == "below" else self._count(unranked)
        return Margins(voting.margins(held[None])[0], self.alternatives)

    def supports(self, unranked: Unranked = "below") -> Floats:
        """The weight of the voters who put a above b, ``[a, b]``; ``unranked`` as in :meth:`to_margins`.

        >>> Rankings.from_orders({"ab": 2, "ba": 1}).supports().tolist()
        [[0.0, 2.0], [1.0, 0.0]]
        """
        return self._below if unranked == "below" else self._count(unranked)

    @cached_property
    def _below(self) -> Floats:
        return self._count("below")

    def _count(self, unranked: Unranked) -> Floats:
        return frozen(supports(self._ranks[None], self.weights, unranked)[0])


@dataclass(frozen=True, eq=False, init=False)
class Approvals:
    """Approval ballots: ``values[n, m]`` is true where the voter approves of the alternative.

    >>> Approvals([[1, 0], [1, 1]], alternatives=["x", "y"]).to_rankings().ranks.tolist()
    [[0, 1], [0, 0]]
    """

    values: NDArray[np.bool_]
    weights: Floats
    alternatives: tuple[Label, ...]

    def __init__(
        self, values: ArrayLike, weights: ArrayLike | None = None, alternatives: Iterable[Label] | None = None
    ) -> None:
        array = matrix("approvals", values, "voter, alternative")
        if not np.isin(array, (0, 1)).all():
            raise ValueError("approvals: each value must be true or false (1 or 0)")
        labels = names(alternatives, array.shape[1])
        _fill(self, values=array.astype(bool), weights=numbers("weights", weights, len(array)), alternatives=labels)

    def to_rankings(self) -> Rankings:
        """Weak rankings with the approved alternatives tied above the others, tied too.

        >>> Approvals([[0, 1]]).to_rankings().ranks.tolist()
        [[1, 0]]
        """
        ranks = np.where(self.values, 0, self.values.any(1, keepdims=True).astype(np.int64))
        return Rankings(ranks, self.weights, self.alternatives)

    def to_margins(self) -> Margins:
        """Pairwise margins of :meth:`to_rankings`.

        >>> Approvals([[0, 1]]).to_margins().values.tolist()
        [[0.0, -1.0], [1.0, 0.0]]
        """
        return self.to_rankings().to_margins()


@dataclass(frozen=True, eq=False, init=False)
class Utilities:
    """Cardinal utilities: ``values[n, m]``, higher is better, NaN where the voter has no opinion.

    >>> Utilities([[0.9, 0.1], [0.2, 0.3]], alternatives=["x", "y"]).to_rankings().ranks.tolist()
    [[0, 1], [1, 0]]
    """

    values: Floats
    weights: Floats
    alternatives: tuple[Label, ...]

    def __init__(
        self, values: ArrayLike, weights: ArrayLike | None = None, alternatives: Iterable[Label] | None = None
    ) -> None:
        array = matrix("utilities", values, "voter, alternative")
        if np.isinf(array).any():
            raise ValueError("utilities: values must be finite (NaN = no opinion)")
        labels = names(alternatives, array.shape[1])
        _fill(self, values=array, weights=numbers("weights", weights, len(array)), alternatives=labels)

    def to_rankings(self) -> Rankings:
        """What remains when only each voter's order is kept; no opinion becomes unranked.

        >>> Utilities([[5, 5, float("nan"), 1]]).to_rankings().ranks.tolist()
        [[0, 0, -1, 1]]
        """
        order = np.argsort(-self.values, axis=1, kind="stable")  # no opinion comes last
        descending = np.take_along_axis(self.values, order, axis=1)
        level = np.cumsum(descending[:, 1:] < descending[:, :-1], axis=1, dtype=np.int64)
        ranks = np.zeros(self.values.shape, np.int64)
        np.put_along_axis(ranks, order[:, 1:], level, axis=1)
        ranks[np.isnan(self.values)] = -1
        return Rankings(ranks, self.weights, self.alternatives)

    def to_margins(self) -> Margins:
        """Pairwise margins of :meth:`to_rankings`.

        >>> Utilities([[1, 0]]).to_margins().values.tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
        """
        return self.to_rankings().to_margins()


def _levels(orders: Mapping[Any, float] | Iterable[Order]) -> list[list[tuple[Label, ...]]]:
    """Each order as a list of tiers, best first."""
    if isinstance(orders, str):
        raise TypeError(
            f"rankings: needed orders, got the single string {orders!r}; pass a list of orders or a mapping"
        )
    found = []
    for row, order in enumerate(orders):
        try:
            found.append([tuple(tier) if isinstance(tier, set | frozenset) else (tier,) for tier in order])
            hash(tuple(found[-1]))
        except TypeError:
            raise TypeError(
                f"rankings: order {row} must be a sequence of hashable labels, with sets for ties, got {order!r}"
            ) from None
    return found


def _sorted_labels(levels: list[list[tuple[Label, ...]]]) -> tuple[Label, ...]:
    seen: dict[Any, None] = dict.fromkeys(label for order in levels for tier in order for label in tier)
    try:
        return tuple(sorted(seen))
    except TypeError:
        return tuple(seen)
