"""Counts of comparisons: what the models of the Bradley–Terry family need to know, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles._columns import Codes, Label, frozen

if TYPE_CHECKING:
    from choicekit.profiles.comparisons import Comparisons

By = Literal["voter", "group", "order"]
Counts = NDArray[Any]


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How often each pair met, and how it went: ``won``, ``lost`` and ``tied`` from the side of ``first``.

    One cell for each pair of alternative codes ``first < second`` that met, or for each pair with a ``voter``, a
    ``group`` and an ``order`` (1 where ``first`` was shown first, -1 where ``second`` was, 0 where neither); those
    three are ``None`` where the counts do not tell them apart. Cells are sorted by voter, group, first, second and
    order, and none is empty. Counts are int64 where every weight is a whole number, float64 otherwise.

    >>> from choicekit import Comparisons
    >>> counts = Comparisons(["a", "b", "a"], ["b", "a", "c"], tie=[False, False, True]).counts()
    >>> counts.first.tolist(), counts.second.tolist(), counts.won.tolist(), counts.lost.tolist(), counts.tied.tolist()
    ([0, 0], [1, 2], [1, 0], [1, 0], [0, 1])
    """

    alternatives: tuple[Label, ...]
    first: Codes
    second: Codes
    won: Counts
    lost: Counts
    tied: Counts
    order: NDArray[np.int8] | None = None
    voter: Codes | None = None
    voters: tuple[Label, ...] = ()
    group: Codes | None = None
    groups: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        for name in ("first", "second", "won", "lost", "tied", "order", "voter", "group"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, frozen(value))

    def __len__(self) -> int:
        return len(self.first)


def count(comparisons: Comparisons, by: Sequence[By]) -> PairCounts:
    """The counts of comparisons by pair and by what is named (see :meth:`Comparisons.counts`)."""
    lacking = [name for name in by if name not in ("voter", "group", "order") or getattr(comparisons, name) is None]
    if lacking:
        raise KeyError(f"counts: the comparisons have no {lacking[0]!r}; give it when they are made")
    size = len(comparisons.alternatives)
    winner, loser = comparisons.winner, comparisons.loser
    forward = winner < loser
    key = np.minimum(winner, loser) * size + np.maximum(winner, loser)
    columns: list[NDArray[Any]] = []
    if "order" in by:
        assert comparisons.order is not None
        columns.append(np.where(forward, comparisons.order, -comparisons.order).astype(np.int64) + 1)
        key = key * 3 + columns[-1]
    for name in ("group", "voter"):
        if name in by:
            key = key + getattr(comparisons, name) * (int(key.max()) + 1)
    _, row, cell = np.unique(key, return_index=True, return_inverse=True)
    weight = comparisons.weight
    strict = np.where(comparisons.tie, 0.0, weight)
    sums = [
        np.bincount(cell, values, len(row))
        for values in (strict * forward, strict * ~forward, np.where(comparisons.tie, weight, 0.0))
    ]
    met = np.flatnonzero(sums[0] + sums[1] + sums[2] > 0)
    row = row[met]
    whole = bool((weight == np.floor(weight)).all())
    won, lost, tied = (total[met].astype(np.int64 if whole else np.float64) for total in sums)
    shown = None
    if "order" in by and comparisons.order is not None:
        shown = np.where(forward[row], comparisons.order[row], -comparisons.order[row]).astype(np.int8)
    by_voter, by_group = "voter" in by, "group" in by
    return PairCounts(
        alternatives=comparisons.alternatives,
        first=np.minimum(winner, loser)[row], second=np.maximum(winner, loser)[row],
        won=won, lost=lost, tied=tied, order=shown,
        voter=comparisons.voter[row] if by_voter and comparisons.voter is not None else None,
        voters=comparisons.voters if by_voter else (),
        group=comparisons.group[row] if by_group and comparisons.group is not None else None,
        groups=comparisons.groups if by_group else (),
    )  # fmt: skip
