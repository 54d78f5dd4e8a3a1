"""Pairwise comparisons: who preferred what to what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit import frames
from choicekit.profiles._columns import Codes, Column, Floats, Label, encode, frozen, is_missing, listed, numbers, short
from choicekit.profiles.ballots import Margins
from choicekit.profiles.counts import By, PairCounts, count

Partition = tuple[Codes, tuple[Label, ...]]


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
    winner: Codes
    loser: Codes
    tie: NDArray[np.bool_]
    weight: Floats
    voter: Codes | None
    voters: tuple[Label, ...]
    group: Codes | None
    groups: tuple[Label, ...]
    context: Codes | None
    contexts: tuple[Label, ...]
    order: NDArray[np.int8] | None
    partitions: Mapping[str, Partition]

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
        first, second = listed("winner", winner), listed("loser", loser)
        rows = len(first)
        if rows == 0:
            raise ValueError("comparisons: needed at least one row, got none")
        _same_length("loser", len(second), rows)
        codes, alternatives = _encode_both(first, second)
        weights = numbers("weight", weight, rows)
        ties = _booleans("tie", tie, rows)
        same = np.flatnonzero(codes[:rows] == codes[rows:])
        if same.size:
            raise ValueError(
                f"comparisons: {same.size} rows compare an alternative with itself, the first is row {same[0]} "
                f"({alternatives[codes[same[0]]]!r}); leave those rows out"
            )
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
            alternatives=alternatives, winner=codes[:rows].copy(), loser=codes[rows:].copy(), tie=ties,
            weight=weights, voter=who, voters=voters, context=where, contexts=contexts, order=shown,
            partitions=partitions,
        )  # fmt: skip

    def _set(self, *, partitions: Mapping[str, Partition], **values: Any) -> None:
        """Fill the frozen fields; the first partition is the one in force."""
        chosen = next(iter(partitions.values()), (None, ()))
        values |= {"partitions": MappingProxyType(dict(partitions)), "group": chosen[0], "groups": chosen[1]}
        for name, value in values.items():
            object.__setattr__(self, name, frozen(value) if isinstance(value, np.ndarray) else value)

    def _with(self, **changes: Any) -> Comparisons:
        values = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in {"group", "groups"}}
        new = object.__new__(Comparisons)
        new._set(**(values | changes))
        return new

    def __len__(self) -> int:
        return len(self.winner)

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
        got = frames.columns(frame, [name for name in wanted if name is not None])
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
        return self._with(alternatives=labels, winner=codes[:rows].copy(), loser=codes[rows:].copy())

    def counts(self, *by: By) -> PairCounts:
        """How often each pair met and who won: one cell a pair, or a pair with each of what is named.

        ``by`` may name ``"voter"``, ``"group"`` (the partition in force) and ``"order"``. Raises ``KeyError`` for a
        column that the comparisons do not have.

        >>> Comparisons(["a", "a", "b"], ["b", "b", "a"]).counts().won.tolist()
        [2]
        """
        return count(self, by)

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


def _encode_both(first: list[Any] | NDArray[Any], second: list[Any] | NDArray[Any]) -> Partition:
    try:
        return encode("winner and loser", _joined(first, second))
    except (TypeError, ValueError):
        # the same complaint, with the column and the row where the label stands
        encode("winner", first)
        encode("loser", second)
        raise


def _joined(first: list[Any] | NDArray[Any], second: list[Any] | NDArray[Any]) -> list[Any] | NDArray[Any]:
    if isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.dtype.kind == second.dtype.kind:
        return np.concatenate([first, second])
    return [*(first.tolist() if isinstance(first, np.ndarray) else first),
            *(second.tolist() if isinstance(second, np.ndarray) else second)]  # fmt: skip


def _same_length(name: str, length: int, rows: int) -> None:
    if length != rows:
        raise ValueError(f"{name}: needed {rows} rows, as many as there are winners, got {length}")


def _optional(name: str, values: Column | None, rows: int) -> tuple[Codes | None, tuple[Label, ...]]:
    if values is None:
        return None, ()
    codes, labels = encode(name, values)
    _same_length(name, len(codes), rows)
    return codes, labels


def _booleans(name: str, values: ArrayLike | Iterable[Any] | None, rows: int) -> NDArray[np.bool_]:
    if values is None:
        return np.zeros(rows, np.bool_)
    given = listed(name, values)  # type: ignore[arg-type]
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
