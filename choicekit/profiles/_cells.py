"""Cells of counts, packed as :mod:`choicekit.kernels.accumulate` has them, and the gathering of rows into them."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import accumulate

Ints = NDArray[np.int64]
Cells: TypeAlias = tuple[Ints, Ints, NDArray[Any]]

# A table [group, winner, loser, order] is kept for at most so many cells, and for at most so many a row.
_LARGEST_DENSE = 1 << 23
_CELLS_A_ROW = 16
# Cell and outcome are packed into one number where there are fewer cells than this, and sorted without their values.
_KEYS = 1 << 58
# So many rows wait before they are sorted together.
_WAITING = 1 << 22
_NONE32 = np.empty(0, np.int32)
_NONE8 = np.empty(0, np.int8)
_NONE64 = np.empty(0, np.int64)
#: What keeps a row from being counted, in the order in which the kernels look for it.
DEFECTS = ("winner", "loser", "tie", "order", "voter", "group", "weight", "self")


def empty(kind: type = np.int64) -> Cells:
    """No cells."""
    return np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 3), kind)


def ordered(cells: Cells, *, by_low: bool = True) -> Cells:
    """The same cells in rising order, equal ones added up, those of total 0 left out."""
    low, high, row = accumulate.arrange(cells[0], cells[1], by_low)
    return accumulate.collapse(low, high, cells[2], row)


def added(one: Cells, other: Cells) -> Cells:
    """Two lists of cells in rising order as one; fractional where one of them is."""
    kind = np.result_type(one[2], other[2])
    if not len(one[0]) or not len(other[0]):
        low, high, values = other if not len(one[0]) else one
        return low, high, values.astype(kind, copy=False)
    return accumulate.merge(one[0], one[1], one[2].astype(kind), other[0], other[1], other[2].astype(kind))


def recoded(cells: Cells, alternatives: Ints, voters: Ints, groups: Ints) -> Cells:
    """The cells with ``new = map[old]`` codes, in rising order again."""
    low, high, values = cells
    if all(bool((codes == np.arange(len(codes))).all()) for codes in (alternatives, voters, groups)):
        return cells if accumulate.is_sorted(low, high) else ordered(cells)
    sorted_before = accumulate.is_sorted(low, high)
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
    if accumulate.is_sorted(low, high):
        return low, high, values
    # the cells of a voter and group stay together, and in order if that of the alternatives stays
    return ordered((low, high, values), by_low=not (sorted_before and bool((np.diff(alternatives) > 0).all())))


class Tally:
    """Rows gathered so far, under codes that may still grow in number: in a table while it is small, else sorted."""

    def __init__(self, *, order: bool = False, tie: bool = False) -> None:
        self.kind: type = np.int64
        self.defects = np.zeros(9, np.int64)
        self.seen = {name: np.zeros(1, np.bool_) for name in ("alternatives", "voters", "groups")}
        # [group, winner, loser, order, tied]
        self._table: NDArray[Any] = np.zeros((0, 0, 0, 3 if order else 1, 2 if tie else 1), np.int64)
        self._waiting: list[tuple[tuple[NDArray[Any], ...], tuple[int, int, int]]] = []
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
            marks = (self.seen["alternatives"], self.seen["groups"], self.defects)
            accumulate.tally_dense(*columns, *marks, self._table.reshape(-1), *self._table.shape[2:])
            return
        self._waiting.append((columns, sizes))
        if sum(len(columns[0]) for columns, _ in self._waiting) >= _WAITING:
            self.settle()

    def settle(self) -> None:
        """Sort the rows that wait to be, so that what was seen is known."""
        if not self._waiting:
            return
        columns: Any = [np.concatenate(parts) for parts in zip(*(part for part, _ in self._waiting), strict=True)]
        sizes = [max(size, 1) for size in self._waiting[-1][1]]
        self._waiting = []
        given: list[Any] = [*columns, *self.seen.values(), self.defects]
        kind: NDArray[Any] = np.empty(0, self.kind)
        if sizes[1] * sizes[2] * sizes[0] ** 2 < _KEYS:
            keys, heavy = accumulate.pack_keys(*[*given, sizes[0], sizes[2]])
            run = accumulate.gather_keys(keys, heavy, sizes[0], sizes[2], kind)
        else:
            run = ordered(accumulate.pack(*[*given, kind]))
        # As in counting in binary, runs of like length are merged, so that each cell is merged few times.
        while self._runs and len(self._runs[-1][0]) < 2 * len(run[0]):
            run = added(self._runs.pop(), run)
        self._runs.append(run)

    def _fits(self, size: int, groups: int, rows: int) -> bool:
        """Whether the table serves these rows; makes it larger, and of the right type, where it does."""
        there, old, _, *rest = self._table.shape
        wanted = (max(groups, there), max(size, old))
        if wanted != (there, old):
            cells = wanted[0] * wanted[1] ** 2 * int(np.prod(rest))
            if cells > min(_LARGEST_DENSE, max(_CELLS_A_ROW * rows, 4 * self._table.size)):
                return False
            larger: NDArray[Any] = np.zeros((wanted[0], wanted[1], wanted[1], *rest), self.kind)
            larger[:there, :old, :old] = self._table
            self._table = larger
        self._table = self._table.astype(self.kind, copy=False)
        return True

    def cells(self, alternatives: Ints, voters: Ints, groups: Ints) -> Cells:
        """The cells of the codes listed, which become 0, 1, …, and the tally's end: they take its memory over.

        Every code that was seen has to be listed.
        """
        self.settle()
        maps = []
        for name, listed in zip(self.seen, (alternatives, voters, groups), strict=True):
            new = np.zeros(len(self.seen[name]), np.int64)
            new[listed] = np.arange(len(listed))
            maps.append(new)
        found = empty(self.kind)
        if self._table.size:
            # codes that came after the table was last enlarged are in the runs alone
            kept = alternatives[alternatives < self._table.shape[1]]
            shares = groups[groups < self._table.shape[0]] if len(groups) else np.zeros(1, np.int64)
            found = accumulate.cells_of(self._table, kept, shares)
            if len(kept) < len(alternatives) or len(shares) < len(groups):
                found = recoded(found, maps[0][kept], maps[1], maps[2][shares])
            self._table = self._table[:0, :0, :0].copy()
        while self._runs:
            found = added(found, recoded(self._runs.pop(), *maps))
        return found
