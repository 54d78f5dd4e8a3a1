"""Cells of counts, packed as :mod:`choicekit.kernels.accumulate` has them, and the gathering of rows into them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import accumulate

Ints = NDArray[np.int64]
Cells: TypeAlias = tuple[Ints, Ints, NDArray[Any]]

# A table [group, winner, loser, order] is kept for at most so many cells, and for at most so many a row.
_LARGEST_DENSE = 1 << 22
_CELLS_A_ROW = 16
_NONE32 = np.empty(0, np.int32)
_NONE8 = np.empty(0, np.int8)
_NONE64 = np.empty(0, np.int64)
#: What keeps a row from being counted, in the order in which the kernels look for it.
DEFECTS = ("winner", "loser", "tie", "order", "voter", "group", "weight", "self")


def empty(kind: type = np.int64) -> Cells:
    """No cells."""
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3), kind)


def ordered(cells: Cells) -> Cells:
    """The same cells in rising order, equal ones added up, those of total 0 left out."""
    low, high, values = cells
    return accumulate.collapse(low, high, values, accumulate.arrange(low, high))


def added(one: Cells, other: Cells) -> Cells:
    """Two lists of cells in rising order as one; fractional where one of them is."""
    kind = np.result_type(one[2], other[2])
    return accumulate.merge(one[0], one[1], one[2].astype(kind), other[0], other[1], other[2].astype(kind))


def recoded(cells: Cells, alternatives: Ints, voters: Ints, groups: Ints) -> Cells:
    """The cells with ``new = map[old]`` codes, in rising order again."""
    low, high, values = cells
    first, second = alternatives[low >> 32], alternatives[(low >> 2) & 0x3FFFFFFF]
    turned = first > second
    order = low & 3
    if turned.any():
        first, second = np.where(turned, second, first), np.where(turned, first, second)
        order = np.where(turned, 2 - order, order)
        values = values.copy()
        values[turned, :2] = values[turned, 1::-1]
    low = (first << 32) + (second << 2) + order
    high = (voters[high >> 32] << 32) + groups[high & 0xFFFFFFFF]
    return (low, high, values) if accumulate.is_sorted(low, high) else ordered((low, high, values))


class Tally:
    """Rows gathered so far, under codes that may still grow in number: in a table while it is small, else sorted."""

    def __init__(self, *, order: bool = False, tie: bool = False) -> None:
        self.kind: type = np.int64
        self.defects = np.zeros(9, np.int64)
        self.seen = {name: np.zeros(1, np.bool_) for name in ("alternatives", "voters", "groups")}
        self._orders, self._ties = 3 if order else 1, tie
        self._won = np.zeros((0, 0, 0, self._orders), np.int64)
        self._tied = self._won
        self._runs: list[Cells] = []

    def add(
        self, winner: NDArray[Any], loser: NDArray[Any], *, sizes: tuple[int, int, int],
        tie: NDArray[Any] | None = None, order: NDArray[Any] | None = None, voter: NDArray[Any] | None = None,
        group: NDArray[Any] | None = None, weight: NDArray[Any] | None = None, times: Ints | None = None,
    ) -> None:  # fmt: skip
        """Count rows whose codes are below ``sizes``, the numbers of alternatives, voters and groups."""
        for name, size in zip(self.seen, sizes, strict=True):
            if len(self.seen[name]) < size:
                self.seen[name] = np.concatenate([self.seen[name], np.zeros(size, np.bool_)])
        if weight is not None and weight.dtype.kind == "f":
            self.kind = np.float64
        columns = (
            winner.astype(np.int32, copy=False), loser.astype(np.int32, copy=False),
            _NONE8 if tie is None else tie.astype(np.int8, copy=False),
            _NONE8 if order is None else order.astype(np.int8, copy=False),
            _NONE32 if voter is None else voter.astype(np.int32, copy=False),
            _NONE32 if group is None else group.astype(np.int32, copy=False),
            _NONE64 if weight is None else weight.astype(self.kind, copy=False),
            _NONE64 if times is None else times,
        )  # fmt: skip
        if voter is None and self._fits(sizes[0], max(sizes[2], 1), len(winner)):
            accumulate.tally_dense(
                *columns, self._won, self._tied, self.seen["alternatives"], self.seen["groups"], self.defects
            )
            return
        marks = (self.seen["alternatives"], self.seen["voters"], self.seen["groups"], self.defects)
        run = ordered(accumulate.pack(*columns, *marks, np.empty(0, self.kind)))
        # As in counting in binary, runs of like length are merged, so that each cell is merged few times.
        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            run = added(self._runs.pop(), run)
        self._runs.append(run)

    def _fits(self, size: int, groups: int, rows: int) -> bool:
        """Whether the table serves these rows; makes it larger, and of the right type, where it does."""
        there, old, *_ = self._won.shape
        if size > old or groups > there:
            wanted = (max(groups, there), max(size, old))
            cells = wanted[0] * wanted[1] ** 2 * self._orders
            if cells > min(_LARGEST_DENSE, max(_CELLS_A_ROW * rows, 4 * self._won.size)):
                return False
            self._won = _grown(self._won, wanted, self.kind)
            self._tied = _grown(self._tied, wanted, self.kind) if self._ties else self._won[:0, :0, :0]
        self._won, self._tied = self._won.astype(self.kind, copy=False), self._tied.astype(self.kind, copy=False)
        return True

    def cells(self, alternatives: Ints, voters: Ints, groups: Ints) -> Cells:
        """The cells of the codes listed, which become 0, 1, …; every code that was seen has to be listed."""
        maps = []
        for name, listed in zip(self.seen, (alternatives, voters, groups), strict=True):
            new = np.zeros(len(self.seen[name]), np.int64)
            new[listed] = np.arange(len(listed))
            maps.append(new)
        found = empty(self.kind)
        if self._won.size:
            # codes that came after the table was last enlarged are in the runs alone
            kept = alternatives[alternatives < self._won.shape[1]]
            shares = groups[groups < self._won.shape[0]] if len(groups) else np.zeros(1, np.int64)
            found = accumulate.cells_of(self._won, self._tied, kept, shares)
            if len(kept) < len(alternatives) or len(shares) < len(groups):
                found = recoded(found, maps[0][kept], maps[1], maps[2][shares])
        for run in self._runs:
            found = added(found, recoded(run, *maps))
        return found


def _grown(table: NDArray[Any], wanted: tuple[int, int], kind: type) -> NDArray[Any]:
    """The table ``[group, alternative, alternative, order]`` with more groups and alternatives."""
    groups, size = table.shape[:2]
    if (groups, size) == wanted:
        return table.astype(kind, copy=False)
    larger = np.zeros((wanted[0], wanted[1], wanted[1], table.shape[3]), kind)
    larger[:groups, :size, :size] = table
    return larger
