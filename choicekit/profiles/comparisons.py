"""Pairwise comparisons: who preferred what to what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import frames
from choicekit.kernels import counting
from choicekit.profiles._columns import (
    Codes,
    Column,
    Floats,
    Label,
    encode,
    frozen,
    is_missing,
    listed,
    numbers,
    short,
)
from choicekit.profiles._sides import Partition, encode_pair, length, opened
from choicekit.profiles.ballots import Margins
from choicekit.profiles.counts import By, PairCounts, count

Tally = tuple[NDArray[np.int32], NDArray[np.int32], Floats, Floats, Floats]
# How many alternatives a square table, and one counted by blocks of _TABLE cells, is made for.
_LARGEST_DENSE = 1_500
_LARGEST_BLOCKED = 16_384
_TABLE = 1 << 17
_LARGE_PAGES = 1 << 20
_STORED = ("_winner", "_loser", "_tie", "_weight")


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Comparisons:
    """Pairwise comparisons: in each row somebody preferred one alternative to another, or called it a tie.

    ``winner`` and ``loser`` are columns of hashable labels of equal length; where ``tie`` is true the two are only
    "the two sides". ``weight`` is how often a row counts (default 1). ``voter``, ``group`` and ``context`` (the
    prompt) are columns of labels. ``group`` may also be a mapping ``{name: column}``: several partitions of the
    rows, of which :meth:`grouped_by` picks one or crosses some. ``order`` says which of the two was shown first (or
    played at home): 1 where the row's winner was, -1 where its loser was, 0 where neither or not known.

    Labels become codes once. After construction ``alternatives``, ``voters``, ``groups`` and ``contexts`` hold the
    labels and ``winner``, ``loser``, ``voter``, ``group`` and ``context`` the codes (``None`` where not given), all
    read-only.

    Raises ``ValueError`` for no rows, columns of unequal length, missing labels, an alternative compared with itself,
    and weights that are negative, infinite or NaN; ``TypeError`` for labels that cannot be hashed.

    >>> votes = Comparisons(["tea", "tea", "milk"], ["milk", "juice", "juice"], voter=["ann", "ann", "bob"])
    >>> votes.alternatives
    ('juice', 'milk', 'tea')
    >>> votes.winner.tolist(), len(votes)
    ([2, 2, 1], 3)
    """

    alternatives: tuple[Label, ...]
    voter: Codes | None
    voters: tuple[Label, ...]
    group: Codes | None
    groups: tuple[Label, ...]
    context: Codes | None
    contexts: tuple[Label, ...]
    order: NDArray[np.int8] | None
    partitions: Mapping[str, Partition]
    # What is not given is not stored, and codes are kept in the smallest type that holds them.
    _winner: NDArray[Any]
    _loser: NDArray[Any]
    _tie: NDArray[np.bool_] | None
    _weight: Floats | None

    def __init__(
        self,
        winner: Column,
        loser: Column,
        *,
        weight: ArrayLike | Column | None = None,
        tie: ArrayLike | Column | None = None,
        voter: Column | None = None,
        group: Column | Mapping[str, Column] | None = None,
        context: Column | None = None,
        order: ArrayLike | Column | None = None,
    ) -> None:
        first, second = opened("winner", winner), opened("loser", loser)
        rows = length(first)
        if rows == 0:
            raise ValueError("comparisons: needed at least one row, got none")
        _same_length("loser", length(second), rows)
        codes, others, alternatives = encode_pair(first, second)
        weights = None if weight is None else numbers("weight", weight, rows)
        ties = None if tie is None else _booleans("tie", tie, rows)
        who, voters = _optional("voter", voter, rows)
        where, contexts = _optional("context", context, rows)
        shown = _signs("order", order, rows)
        columns = group if isinstance(group, Mapping) else {} if group is None else {"group": group}
        partitions: dict[str, Partition] = {}
        for name, column in columns.items():
            found, labels = _optional(name, column, rows)
            assert found is not None
            partitions[name] = (frozen(found), labels)
        self._set(
            alternatives=alternatives, _winner=codes, _loser=others, _tie=ties, _weight=weights, voter=who,
            voters=voters, context=where, contexts=contexts, order=shown, partitions=partitions,
        )  # fmt: skip

    def _set(self, *, partitions: Mapping[str, Partition], **values: Any) -> None:
        """Fill the frozen fields; the first partition is the one in force."""
        chosen = next(iter(partitions.values()), (None, ()))
        values |= {"partitions": MappingProxyType(dict(partitions)), "group": chosen[0], "groups": chosen[1]}
        for name, value in values.items():
            object.__setattr__(self, name, frozen(value) if isinstance(value, np.ndarray) else value)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in {"group", "groups"}}
        return _rebuilt, ({**fields, "partitions": dict(self.partitions)},)

    def _with(self, **changes: Any) -> Comparisons:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in {"group", "groups"}}
        new = object.__new__(Comparisons)
        new._set(**(values | changes))
        return new

    @cached_property
    def winner(self) -> Codes:
        """The codes of the winners (of the first of the two sides, where they tied).

        >>> Comparisons(["a", "b"], ["b", "a"]).winner.tolist()
        [0, 1]
        """
        return frozen(self._winner.astype(np.int64))

    @cached_property
    def loser(self) -> Codes:
        """The codes of the losers (of the second of the two sides, where they tied).

        >>> Comparisons(["a", "b"], ["b", "a"]).loser.tolist()
        [1, 0]
        """
        return frozen(self._loser.astype(np.int64))

    @cached_property
    def tie(self) -> NDArray[np.bool_]:
        """Which rows are ties.

        >>> Comparisons(["a"], ["b"]).tie.tolist()
        [False]
        """
        return frozen(np.zeros(len(self), np.bool_) if self._tie is None else self._tie)

    @cached_property
    def weight(self) -> Floats:
        """How often each row counts.

        >>> Comparisons(["a"], ["b"]).weight.tolist()
        [1.0]
        """
        return frozen(np.ones(len(self)) if self._weight is None else self._weight)

    def __len__(self) -> int:
        return len(self._winner)

    def __repr__(self) -> str:
        parts = [f"{len(self)} rows", f"{len(self.alternatives)} alternatives"]
        for name, labels in (("voters", self.voters), ("groups", self.groups), ("contexts", self.contexts)):
            parts += [f"{len(labels)} {name}"] * bool(labels)
        return f"Comparisons({', '.join(parts)})"

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        winner: str,
        loser: str,
        weight: str | None = None,
        tie: str | None = None,
        voter: str | None = None,
        group: str | Sequence[str] | None = None,
        context: str | None = None,
        order: str | None = None,
    ) -> Comparisons:
        """Comparisons from named columns of any frame that Narwhals reads (pandas, Polars, PyArrow, DuckDB, …).

        ``group`` may name several columns, each a partition of its own. For files, for an outcome column
        (``left``/``right``/``tie``) and for guessing the columns see :func:`choicekit.ingest.read_comparisons`.
        Raises ``KeyError`` for a column that is not there.

        >>> import pyarrow as pa
        >>> table = pa.table({"chosen": ["x", "y"], "rejected": ["y", "z"], "who": [7, 7]})
        >>> Comparisons.from_frame(table, winner="chosen", loser="rejected", voter="who")
        Comparisons(2 rows, 3 alternatives, 1 voters)
        """
        group_names = [group] if isinstance(group, str) else list(group or ())
        wanted = [winner, loser, weight, tie, voter, context, order, *group_names]
        got = frames.arrays(frame, [name for name in wanted if name is not None])
        return cls(
            got[winner],
            got[loser],
            weight=None if weight is None else got[weight],
            tie=None if tie is None else got[tie],
            voter=None if voter is None else got[voter],
            group={name: got[name] for name in group_names} or None,
            context=None if context is None else got[context],
            order=None if order is None else got[order],
        )

    def grouped_by(self, *names: str) -> Comparisons:
        """The same comparisons with one of its partitions alone; several names are crossed, with tuples as labels.

        >>> sexes, homes = ["f", "m"], ["city", "city"]
        >>> votes = Comparisons("ab", "ba", group={"sex": sexes, "home": homes})
        Traceback (most recent call last):
            ...
        TypeError: winner: needed a column of labels, got the single string 'ab'; pass a list of labels
        >>> votes = Comparisons(["a", "b"], ["b", "a"], group={"sex": sexes, "home": homes})
        >>> votes.groups, votes.grouped_by("home").groups, votes.grouped_by("sex", "home").groups
        (('f', 'm'), ('city',), (('f', 'city'), ('m', 'city')))
        """
        unknown = [name for name in names if name not in self.partitions]
        if unknown or not names:
            raise KeyError(
                f"grouped_by: needed names among {sorted(self.partitions)}, got {unknown or 'none'}; "
                "give the column as group= when the comparisons are made"
            )
        if len(names) == 1:
            chosen = self.partitions[names[0]]
        else:
            parts = [self.partitions[name] for name in names]
            codes, labels = encode(
                " × ".join(names), list(zip(*(np.array(codes).tolist() for codes, _ in parts), strict=True))
            )
            crossed: Any = labels
            chosen = (
                frozen(codes),
                tuple(tuple(part[1][code] for part, code in zip(parts, label, strict=True)) for label in crossed),
            )
        return self._with(partitions={" × ".join(names): chosen})

    def by_context(self) -> Comparisons:
        """The same comparisons with each alternative told apart by its context, labelled ``(context, alternative)``.

        Without a context column the comparisons come back as they are.

        >>> Comparisons(["a", "a"], ["b", "c"], context=["x", "y"]).by_context().alternatives
        (('x', 'a'), ('x', 'b'), ('y', 'a'), ('y', 'c'))
        """
        if self.context is None:
            return self
        size = len(self.alternatives)
        keys = np.concatenate([self.context * size + self.winner, self.context * size + self.loser])
        arms, codes = np.unique(keys, return_inverse=True)
        labels = tuple((self.contexts[arm // size], self.alternatives[arm % size]) for arm in arms.tolist())
        rows = len(self)
        return self._with(alternatives=labels, _winner=codes[:rows].copy(), _loser=codes[rows:].copy())

    def rows(self, chosen: ArrayLike) -> Comparisons:
        """Some of the rows, by a mask or by numbers; every label stays, whether or not it still occurs.

        Raises ``ValueError`` where no row is chosen, ``TypeError`` for what is neither a mask nor whole numbers, and
        ``IndexError`` for a row that is not there.

        >>> Comparisons(["a", "b"], ["b", "c"]).rows([1]).winner.tolist()
        [1]
        """
        index = np.asarray(chosen)
        if index.dtype == np.bool_ and index.shape != (len(self),):
            raise ValueError(f"rows: needed a mask of {len(self)} booleans, got shape {index.shape}")
        if not index.size:
            raise ValueError("rows: needed at least one row, got none")
        if index.ndim != 1 or index.dtype.kind not in "iub":
            raise TypeError(f"rows: needed a mask or a list of row numbers, got {index.dtype} of shape {index.shape}")
        index = np.flatnonzero(index) if index.dtype == np.bool_ else index.astype(np.int64)
        if not index.size:
            raise ValueError("rows: needed at least one row, got none")
        columns = {name: getattr(self, name) for name in ("voter", "context", "order", *_STORED)}
        return self._with(
            **{name: None if column is None else column[index] for name, column in columns.items()},
            partitions={name: (codes[index], labels) for name, (codes, labels) in self.partitions.items()},
        )

    def counts(self, *by: By) -> PairCounts:
        """How often each pair met and who won: one cell a pair, or a pair with each of what is named.

        ``by`` may name ``"voter"``, ``"group"`` (the partition in force) and ``"order"``. Raises ``KeyError`` for a
        column that the comparisons do not have.

        >>> Comparisons(["a", "a", "b"], ["b", "b", "a"]).counts().won.tolist()
        [2]
        """
        return count(self, by)

    def tally(self, *, unmet: bool = False) -> Tally:
        """The pairs that met, sorted: ``first < second``, and the weight of ``won``, ``lost`` and ``tied`` rows.

        ``tied`` is empty where the comparisons have no ties at all. The same as :meth:`counts` without its labels.
        With ``unmet`` pairs that never met may be listed too, where most did: lists without gaps are quicker to read.

        >>> first, second, won, lost, tied = Comparisons(["a", "a", "b"], ["b", "b", "a"]).tally()
        >>> won.tolist(), lost.tolist(), tied.tolist()
        ([2.0], [1.0], [])
        """
        size, rows = len(self.alternatives), len(self)
        winner, loser = self._winner, self._loser
        plain = self._tie is None and self._weight is None
        if plain and size <= _LARGEST_DENSE and size * size <= 16 * rows + 65_536:
            most = size * (size - 1) // 2 + 1
            # NumPy asks for large pages from 4 MiB up, which spares thousands of page faults: few and large arrays
            room = np.empty(3 * most)
            pairs, tally = room[:most].view(np.int32).reshape(2, most), room[most:].reshape(2, most)
            wins = np.zeros(max(size * size, _LARGE_PAGES * (size > 500)), np.uint32)[: size * size].reshape(size, size)
            met = counting.wins_dense(winner, loser, wins, unmet, pairs, tally)
            return pairs[0, :met], pairs[1, :met], tally[0, :met], tally[1, :met], np.zeros(0)
        if plain and size <= _LARGEST_BLOCKED and size * size <= 16 * rows:
            shift = max(0, (_TABLE // size).bit_length() - 1)
            return *counting.wins_blocked(winner, loser, size, shift), np.zeros(0)
        tie = np.zeros(1, np.bool_) if self._tie is None else self._tie
        weight = np.ones(1) if self._weight is None else self._weight
        dense = size <= _LARGEST_DENSE and size * size <= 4 * rows + 65_536
        count = counting.tally_dense if dense else counting.tally_sparse
        first, second, won, lost, tied = count(winner, loser, tie, weight, size)
        return first, second, won, lost, np.zeros(0) if self._tie is None else tied

    def to_margins(self) -> Margins:
        """The weight of preferences for a over b minus that for b over a; ties count for neither.

        >>> Comparisons(["a", "a", "b"], ["b", "b", "a"]).to_margins().values.tolist()
        [[0.0, 1.0], [-1.0, 0.0]]
        """
        size = len(self.alternatives)
        strict = np.where(self.tie, 0.0, self.weight)
        wins = np.bincount(self.winner * size + self.loser, strict, size * size).reshape(size, size)
        margins = wins - wins.T
        margins[np.abs(margins) <= 1e-12 * (wins + wins.T)] = 0  # what rounding leaves of a tie between real weights
        return Margins(margins, self.alternatives)


def _rebuilt(fields: dict[str, Any]) -> Comparisons:
    """Comparisons as they were before they were pickled, read-only again."""
    new = object.__new__(Comparisons)
    partitions = {name: (frozen(codes), labels) for name, (codes, labels) in fields["partitions"].items()}
    new._set(**(fields | {"partitions": partitions}))
    return new


def _same_length(name: str, length: int, rows: int) -> None:
    if length != rows:
        raise ValueError(f"{name}: needed {rows} rows, as many as there are winners, got {length}")


def _optional(name: str, values: Column | None, rows: int) -> tuple[Codes | None, tuple[Label, ...]]:
    if values is None:
        return None, ()
    codes, labels = encode(name, values)
    _same_length(name, len(codes), rows)
    return codes, labels


def _booleans(name: str, values: ArrayLike | Iterable[Any], rows: int) -> NDArray[np.bool_]:
    given = listed(name, values)  # type: ignore[arg-type]
    if isinstance(given, np.ndarray) and given.dtype == np.bool_ and len(given) == rows:
        return given.copy()
    found = given.tolist() if isinstance(given, np.ndarray) else given
    if len(found) != rows:
        raise ValueError(f"{name}: needed {rows} booleans, one a row, got {len(found)}")
    plain = {type(value) for value in found} <= {bool}
    bad = [] if plain else [
        row for row, value in enumerate(found) if is_missing(value) or value not in (True, False)
    ]  # fmt: skip
    if bad:
        raise ValueError(f"{name}: needed true or false in each row, got {found[bad[0]]!r} in row {bad[0]}")
    return np.array(found, dtype=np.bool_)


def _signs(name: str, values: ArrayLike | Iterable[Any] | None, rows: int) -> NDArray[np.int8] | None:
    if values is None:
        return None
    given = np.asarray(listed(name, values))  # type: ignore[arg-type]
    if given.shape != (rows,) or given.dtype.kind not in "iufb" or not np.isin(given, (-1, 0, 1)).all():
        raise ValueError(
            f"{name}: needed {rows} numbers among -1, 0 and 1 (1 where the winner was shown first), one a row; "
            f"got {short(given.ravel().tolist(), 4)}"
        )
    return given.astype(np.int8)
