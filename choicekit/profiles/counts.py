"""Counts of comparisons: what the models of the Bradley–Terry family need to know, and no more."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from choicekit import arrow
from choicekit.kernels import accumulate
from choicekit.profiles import _cells
from choicekit.profiles._columns import Codes, Label, frozen, smallest

if TYPE_CHECKING:
    from choicekit.profiles.comparisons import Comparisons

By = Literal["voter", "group", "order"]
Counts = NDArray[Any]
_LABELS = ("alternatives", "voters", "groups")
# Whole counts of a larger sum could overflow an int64.
_LARGEST_WHOLE = 2.0**62


@dataclass(frozen=True, eq=False)
class PairCounts:
    """How often each pair met, and how it went: ``won``, ``lost`` and ``tied`` from the side of ``first``.

    One cell for each pair of alternative codes ``first < second`` that met, or for each pair with a ``voter``, a
    ``group`` and an ``order`` (1 where ``first`` was shown first, -1 where ``second`` was, 0 where neither); those
    three are ``None`` where the counts do not tell them apart. Cells are sorted by voter, group, first, second and
    order, and none is empty. Counts are int64 where every weight is a whole number (and they sum to less than 2⁶²),
    float64 otherwise.

    Counts are values that add: the sum of the counts of two sets of rows is the counts of all the rows, cell by cell
    and, in whole numbers, bit by bit, whatever the order of adding. Counts of no rows have no cells and add nothing.

    >>> from choicekit import Comparisons
    >>> counts = Comparisons(["a", "b", "a"], ["b", "a", "c"], tie=[False, False, True]).counts()
    >>> counts.first.tolist(), counts.second.tolist(), counts.won.tolist(), counts.lost.tolist(), counts.tied.tolist()
    ([0, 0], [1, 2], [1, 0], [1, 0], [0, 1])
    >>> more = counts + Comparisons(["d"], ["b"]).counts()
    >>> more.alternatives, more.won.tolist(), more.lost.tolist()
    (('a', 'b', 'c', 'd'), [1, 0, 0], [1, 0, 1])
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
                object.__setattr__(self, name, frozen(np.asarray(value)))
        self._refuse_defects()

    def _refuse_defects(self) -> None:
        codes = [("first", "alternatives", self.first), ("second", "alternatives", self.second),
                 ("voter", "voters", self.voter), ("group", "groups", self.group)]  # fmt: skip
        for name, labels, column in codes:
            size = len(getattr(self, labels))
            if column is not None and len(column) and not 0 <= column.min() <= column.max() < size:
                raise ValueError(
                    f"counts: needed codes {name} from 0 to {size - 1}, for {size} {labels}, got {column.min()} to "
                    f"{column.max()}"
                )
        columns = {name: getattr(self, name) for name in ("second", "won", "lost", "tied", *self.by)}
        odd = [name for name, column in columns.items() if column.shape != self.first.shape]
        if odd or self.first.ndim != 1:
            raise ValueError(f"counts: needed columns of one length, got {self.first.shape} first and others {odd}")
        if not (self.first < self.second).all():
            raise ValueError("counts: needed first < second in each cell; turn the other cells round")
        for name in ("won", "lost", "tied"):
            column = columns[name]
            if len(column) and not 0 <= column.min() <= column.max() < np.inf:
                raise ValueError(f"counts: needed finite numbers of at least 0 {name}, got {column.min()} among them")

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()

    def __len__(self) -> int:
        return len(self.first)

    def __repr__(self) -> str:
        parts = [f"{len(self)} cells", f"{len(self.alternatives)} alternatives"]
        parts += [f"{len(self.voters)} voters"] * (self.voter is not None)
        parts += [f"{len(self.groups)} groups"] * (self.group is not None)
        return f"PairCounts({', '.join([*parts, *(['order'] if self.order is not None else [])])})"

    @property
    def by(self) -> tuple[By, ...]:
        """What the counts tell apart besides pairs.

        >>> from choicekit import Comparisons
        >>> Comparisons(["a"], ["b"], voter=[7]).counts("voter").by
        ('voter',)
        """
        names: tuple[By, ...] = ("voter", "group", "order")
        return tuple(name for name in names if getattr(self, name) is not None)

    def __add__(self, other: PairCounts) -> PairCounts:
        if not isinstance(other, PairCounts):
            return NotImplemented
        if self.by != other.by:
            raise ValueError(
                f"counts that tell different things apart cannot be added: one has {_named(self.by)}, the other "
                f"{_named(other.by)}; count both by the same columns"
            )
        labels, mine, others = {}, [], []
        for name in _LABELS:
            labels[name], first, second = _union(getattr(self, name), getattr(other, name))
            mine.append(first)
            others.append(second)
        packed = [_packed(self), _packed(other)]
        if sum(float(values.sum(dtype=np.float64)) for *_, values in packed) >= _LARGEST_WHOLE:
            packed = [(low, high, values.astype(np.float64)) for low, high, values in packed]
        cells = _cells.added(_cells.recoded(packed[0], *mine), _cells.recoded(packed[1], *others))
        return unpacked(cells, by=self.by, **labels)

    def __radd__(self, other: object) -> PairCounts:
        """``0 + counts``, so that ``sum`` adds a list of them."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def equals(self, other: PairCounts, *, tolerance: float = 0.0) -> bool:
        """Whether labels, cells, counts and their types are the same.

        With a ``tolerance`` counts may differ by that share of the larger: fractional weights added up in another
        order differ in their last bits.

        >>> from choicekit import Comparisons
        >>> one, other = Comparisons(["a"], ["b"]).counts(), Comparisons(["b"], ["a"]).counts()
        >>> one.equals(other), (one + other).equals(other + one)
        (False, True)
        """
        if not isinstance(other, PairCounts):
            raise TypeError(f"equals: needed counts to compare with, got {type(other).__name__}")
        if self.by != other.by or any(getattr(self, name) != getattr(other, name) for name in _LABELS):
            return False
        codes = ("first", "second", *self.by)
        if len(self) != len(other) or any((getattr(self, name) != getattr(other, name)).any() for name in codes):
            return False
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("won", "lost", "tied")]
        if any(one.dtype != two.dtype for one, two in pairs):
            return False
        return all(bool((np.abs(one - two) <= tolerance * np.maximum(one, two)).all()) for one, two in pairs)

    def split(self, parts: int) -> tuple[PairCounts, ...]:
        """The counts in at most ``parts`` parts of about as many cells, each voter whole in one of them.

        The parts add up to the whole, and what is computed voter by voter (the E step of a mixture, say) is computed
        on each part alone. Every part has all the labels. Raises ``ValueError`` where the counts have no voters.

        >>> from choicekit import Comparisons
        >>> counts = Comparisons(["a", "b", "a"], ["b", "a", "c"], voter=[1, 2, 2]).counts("voter")
        >>> [len(part) for part in counts.split(2)]
        [1, 2]
        """
        if self.voter is None:
            raise ValueError("split: the counts do not tell voters apart; count by voter")
        if parts < 1:
            raise ValueError(f"split: needed a number of parts of at least 1, got {parts}")
        edges = [0, len(self)]
        if len(self):
            edges += np.searchsorted(self.voter, self.voter[np.arange(1, parts) * len(self) // parts]).tolist()
        edges = sorted(set(edges))
        low, high, values = _packed(self)
        slices = [slice(*pair) for pair in pairwise(edges)] or [slice(0, 0)]
        labels: Any = {name: getattr(self, name) for name in _LABELS}
        return tuple(unpacked((low[s], high[s], values[s]), by=self.by, **labels) for s in slices)

    def to_comparisons(self) -> Comparisons:
        """Comparisons with these counts: up to three weighted rows a cell, under the same labels.

        Raises ``ValueError`` for counts without a cell.

        >>> from choicekit import Comparisons
        >>> Comparisons(["a", "a", "b"], ["b", "b", "a"]).counts().to_comparisons().weight.tolist()
        [2.0, 1.0]
        """
        return _comparisons(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the counts as one Parquet file: a row a cell, with labels, readable by anything that reads Parquet.

        Columns ``first``, ``second``, ``won``, ``lost``, ``tied`` and those of ``voter``, ``group`` and ``order`` that
        are told apart. The labels, also those that no cell mentions, stand in the file's metadata. Raises
        ``ValueError`` for labels that would not come back as they were: strings, whole numbers of 64 bits, other
        numbers, booleans, dates, times and bytes do, one type a column; tuples and mixtures do not.

        >>> import pathlib, tempfile
        >>> from choicekit import Comparisons
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "counts.parquet"
        >>> counts = Comparisons(["a", "b"], ["b", "c"]).counts()
        >>> counts.save(file)
        >>> PairCounts.load(file).equals(counts)
        True
        """
        labels = {name: getattr(self, name) for name in _LABELS}
        lists = {"first": "alternatives", "second": "alternatives", "voter": "voters", "group": "groups"}
        there = {name: which for name, which in lists.items() if getattr(self, name) is not None}
        columns = {name: (which, getattr(self, name)) for name, which in there.items()}
        numbers = {name: getattr(self, name) for name in ("won", "lost", "tied")}
        if self.order is not None:
            numbers = {"order": self.order, **numbers}
        arrow.write_counts(path, labels, columns, numbers)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> PairCounts:
        """The counts that :meth:`save` wrote, bit by bit.

        Raises ``FileNotFoundError``, and ``ValueError`` for a file that holds no such counts.

        >>> PairCounts.load("nowhere.parquet")
        Traceback (most recent call last):
            ...
        FileNotFoundError: nowhere.parquet: no such file
        """
        columns: dict[str, Any] = arrow.read_counts(path)
        found = cls(**columns)
        cells = _packed(found)
        if not (found.first < found.second).all() or not accumulate.is_sorted(cells[0], cells[1]):
            raise ValueError(f"{path}: its cells are not sorted as counts are when saved; save them again")
        return found


def unpacked(
    cells: _cells.Cells, *, by: Sequence[By], alternatives: tuple[Label, ...], voters: tuple[Label, ...] = (),
    groups: tuple[Label, ...] = (),
) -> PairCounts:  # fmt: skip
    """Counts from packed cells in rising order, as :mod:`choicekit.kernels.accumulate` has them.

    >>> cells = np.array([(0 << 32) + (1 << 2) + 1]), np.array([0]), np.array([[2, 1, 0]])
    >>> unpacked(cells, by=(), alternatives=("a", "b")).won.tolist()
    [2]
    """
    low, high, values = cells
    return PairCounts(
        alternatives=alternatives, first=low >> 32, second=(low >> 2) & 0x3FFFFFFF,
        won=values[:, 0].copy(), lost=values[:, 1].copy(), tied=values[:, 2].copy(),
        order=((low & 3) - 1).astype(np.int8) if "order" in by else None,
        voter=high >> 32 if "voter" in by else None, voters=voters if "voter" in by else (),
        group=high & 0xFFFFFFFF if "group" in by else None, groups=groups if "group" in by else (),
    )  # fmt: skip


def count(comparisons: Comparisons, by: Sequence[By]) -> PairCounts:
    """The counts of comparisons by pair and by what is named (see :meth:`Comparisons.counts`).

    >>> from choicekit import Comparisons
    >>> count(Comparisons(["a", "a"], ["b", "b"]), ()).won.tolist()
    [2]
    """
    lacking = [name for name in by if name not in ("voter", "group", "order") or getattr(comparisons, name) is None]
    if lacking:
        raise KeyError(f"counts: the comparisons have no {lacking[0]!r}; give it when they are made")
    weight = _whole(comparisons.weight)
    tie = comparisons.tie if comparisons.tie.any() else None
    labels: Any = {name: getattr(comparisons, name) if name[:-1] in by else () for name in _LABELS[1:]}
    labels["alternatives"] = comparisons.alternatives
    tally = _cells.Tally(order="order" in by, tie=tie is not None)
    tally.add(
        comparisons.winner, comparisons.loser, tie=tie, weight=None if (weight == 1).all() else weight,
        sizes=(len(comparisons.alternatives), len(labels["voters"]), len(labels["groups"])),
        **{name: getattr(comparisons, name) for name in by},
    )  # fmt: skip
    codes = [np.arange(len(labels[name])) for name in _LABELS]
    return unpacked(tally.cells(*codes), by=by, **labels)


def _whole(weight: NDArray[np.float64]) -> NDArray[Any]:
    """The weights as int64 where all are whole numbers (below 2⁵³, where doubles still tell neighbours apart, and of
    a sum that does not overflow)."""
    plain = bool((weight < 2.0**53).all()) and bool((weight == np.floor(weight)).all())
    plain = plain and float(weight.sum()) < _LARGEST_WHOLE
    return weight.astype(np.int64) if plain else weight


def union(labels: Sequence[Label]) -> tuple[Label, ...]:
    """Distinct labels: sorted where they can be, else in order of appearance.

    >>> union(["b", "a", "b"]), union(["b", 1])
    (('a', 'b'), ('b', 1))
    """
    distinct = dict.fromkeys(labels)
    try:
        return tuple(sorted(distinct))  # type: ignore[type-var]
    except TypeError:
        return tuple(distinct)


def _union(one: tuple[Label, ...], other: tuple[Label, ...]) -> tuple[tuple[Label, ...], Codes, Codes]:
    """The labels of both, and the code there of each label of one and of the other."""
    if one == other:
        same = np.arange(max(len(one), 1))
        return one, same, same
    labels = union((*one, *other))
    code = {label: number for number, label in enumerate(labels)}
    maps = [np.array([code[label] for label in part] or [0], np.int64) for part in (one, other)]
    return labels, maps[0], maps[1]


def _packed(counts: PairCounts) -> _cells.Cells:
    low = (counts.first.astype(np.int64) << 32) + (counts.second.astype(np.int64) << 2) + 1
    if counts.order is not None:
        low += counts.order
    high = np.zeros(len(low), np.int64)
    if counts.voter is not None:
        high += counts.voter.astype(np.int64) << 32
    if counts.group is not None:
        high += counts.group
    return low, high, np.stack([counts.won, counts.lost, counts.tied], 1)


def _comparisons(counts: PairCounts) -> Comparisons:
    from choicekit.profiles.comparisons import Comparisons

    if not len(counts):
        raise ValueError("to_comparisons: the counts have no cells, and comparisons need at least one row")
    sums = [counts.won, counts.lost, counts.tied]
    cells = [np.flatnonzero(values > 0) for values in sums]
    cell = np.concatenate(cells)
    kind = np.repeat([0, 1, 2], [len(part) for part in cells])
    turned = kind == 1
    voter = None if counts.voter is None else counts.voter[cell]
    order = None if counts.order is None else np.where(turned, -counts.order[cell], counts.order[cell]).astype(np.int8)
    codes = smallest(len(counts.alternatives))
    made = object.__new__(Comparisons)
    made._set(
        alternatives=counts.alternatives,
        _winner=np.where(turned, counts.second[cell], counts.first[cell]).astype(codes),
        _loser=np.where(turned, counts.first[cell], counts.second[cell]).astype(codes),
        _tie=kind == 2 if (kind == 2).any() else None,
        _weight=np.concatenate([values[part] for values, part in zip(sums, cells, strict=True)]).astype(np.float64),
        voter=voter, voters=counts.voters, context=None, contexts=(), order=order,
        partitions={} if counts.group is None else {"group": (counts.group[cell], counts.groups)},
    )  # fmt: skip
    return made


def _named(by: Sequence[str]) -> str:
    return " and ".join(by) if by else "pairs alone"
