"""Sufficient statistics at any scale: rows counted where they are, counts that add, shards reduced by any scheduler."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import arrow, frames
from choicekit.profiles import PairCounts
from choicekit.profiles._cells import DEFECTS, Tally
from choicekit.profiles._columns import Label
from choicekit.profiles.counts import unpacked
from choicekit.shards import reduce

__all__ = ["Counted", "count", "reduce"]

_REASONS = {**{role: f"missing {role}" for role in DEFECTS}, "self": "winner is loser"}
_CSV_TYPES = {"tie": "bool", "order": "int8", "weight": "float64"}


@dataclass(frozen=True, eq=False)
class Counted:
    """Counts and what became of the rows: ``rows`` came, and ``skipped`` counts by reason those not counted.

    The reasons are ``missing winner`` (``loser``, ``tie``, ``order``, ``voter``, ``group``, ``weight``) for a null in a
    column that was asked for, and ``winner is loser``; a row is skipped for the first of them, in this order. Values
    add, and so do their reports.

    >>> one = count({"w": ["a", "a", None], "l": ["b", "a", "b"]}, winner="w", loser="l")
    >>> one.rows, one.used, dict(one.skipped)
    (3, 1, {'missing winner': 1, 'winner is loser': 1})
    >>> (one + one).counts.won.tolist()
    [2]
    """

    counts: PairCounts
    rows: int
    skipped: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "skipped", MappingProxyType(dict(self.skipped)))

    def __reduce__(self) -> tuple[Any, ...]:
        return Counted, (self.counts, self.rows, dict(self.skipped))

    @property
    def used(self) -> int:
        """How many rows were counted.

        >>> count({"w": ["a"], "l": ["b"]}, winner="w", loser="l").used
        1
        """
        return self.rows - sum(self.skipped.values())

    def __add__(self, other: Counted) -> Counted:
        if not isinstance(other, Counted):
            return NotImplemented
        both = {
            reason: self.skipped.get(reason, 0) + other.skipped.get(reason, 0)
            for reason in _REASONS.values()
            if reason in self.skipped or reason in other.skipped
        }
        return Counted(self.counts + other.counts, self.rows + other.rows, both)

    def __radd__(self, other: object) -> Counted:
        """``0 + counted``, so that ``sum`` adds a list of them."""
        return self if isinstance(other, int) and other == 0 else NotImplemented


def count(
    source: Any,
    *,
    winner: str,
    loser: str,
    tie: str | None = None,
    weight: str | None = None,
    voter: str | None = None,
    group: str | None = None,
    order: str | None = None,
) -> Counted:
    """Count comparisons where they are: how often each pair met and how it went, by everything that is named.

    Parameters
    ----------
    source : one of

        * Parquet or CSV files: a path, a pattern (``"votes/*.parquet"``), a folder of Parquet files, or a list of
          these. They are streamed, a row group at a time, in memory that depends on the cells and not on the rows.
        * a frame in memory (pandas, Polars, PyArrow, …), a mapping of columns, or a ``pyarrow.RecordBatchReader``.
        * a lazy frame (a DuckDB relation, a Polars ``LazyFrame``, a PySpark, Ibis or Dask frame): its own engine
          groups the rows, and only the groups are collected.
    winner, loser, tie, weight, voter, group, order : columns, as in :meth:`Comparisons.from_frame`. The counts tell
        apart ``voter``, ``group`` and ``order`` where they are named.

    Every route gives the same counts, bit by bit, as :meth:`Comparisons.counts` on the same rows. Counts are int64
    where every weight is a whole number below 2⁵³; sums of fractional weights depend on the order of adding in their
    last bits. A null in a column that is named, and an alternative compared with itself, keep a row from being
    counted, and are reported. In CSV, labels are text and empty fields null. Whole floats are taken as integers,
    because pandas has no other integers with gaps.

    Raises ``KeyError`` for a column that is not there, ``FileNotFoundError``, ``ValueError`` for weights that are
    negative or not finite, ties that are not true or false, orders other than -1, 0 and 1, and columns whose labels
    are text in one file and numbers in another; ``TypeError`` for a source that is none of these.

    >>> import pyarrow as pa
    >>> table = pa.table({"chosen": ["x", "y", "x"], "rejected": ["y", "x", None], "country": ["NO", "NO", "AU"]})
    >>> found = count(table, winner="chosen", loser="rejected", group="country")
    >>> found.counts.groups, found.counts.won.tolist(), found.counts.lost.tolist(), dict(found.skipped)
    (('NO',), [1], [1], {'missing loser': 1})
    """
    given = {"winner": winner, "loser": loser, "tie": tie, "order": order, "voter": voter, "group": group,
             "weight": weight}  # fmt: skip
    roles = {role: column for role, column in given.items() if column is not None}
    for role, column in roles.items():
        if not isinstance(column, str):
            raise TypeError(f"{role}: needed the name of a column, got {column!r}")
    counter = _Counter(roles)
    if _is_files(source):
        for file in arrow.paths(source):
            _named_columns(roles, arrow.column_names(file))
            with _Noting(f"in {file}"):
                for columns in _from_file(file, roles):
                    counter.add(columns)
    elif hasattr(source, "read_next_batch"):
        _named_columns(roles, source.schema.names)
        for batch in source:
            counter.add({role: batch.column(column) for role, column in roles.items()})
    elif isinstance(source, Mapping):
        _named_columns(roles, list(source))
        counter.add({role: arrow.column(column, source[column]) for role, column in roles.items()})
    else:
        _named_columns(roles, frames.column_names(source))
        if frames.is_lazy(source):
            counter.add_grouped(source)
        else:
            for batch in arrow.of_table(frames.to_arrow(source, roles.values())):
                counter.add({role: batch.column(column) for role, column in roles.items()})
    return counter.counted()


class _Counter:
    """Labels and cells of the rows met so far."""

    def __init__(self, roles: Mapping[str, str]) -> None:
        self.roles = roles
        self.encoders = {
            "alternatives": arrow.Encoder("winner and loser"), "voters": arrow.Encoder("voter"),
            "groups": arrow.Encoder("group"),
        }  # fmt: skip
        self.tally = Tally(order="order" in roles, tie="tie" in roles)

    def add(self, columns: Mapping[str, Any], times: NDArray[np.int64] | None = None) -> None:
        """Count rows, given as an Arrow array for each role; each stands for ``times`` rows."""
        encoders = self.encoders
        found: dict[str, NDArray[Any]] = {
            role: encoders["alternatives"].codes(columns[role]) for role in ("winner", "loser")
        }
        for role in ("voter", "group"):
            if role in columns:
                found[role] = encoders[f"{role}s"].codes(columns[role])
        for role, read in (("tie", arrow.truths), ("order", arrow.signs), ("weight", arrow.weights)):
            if role in columns:
                found[role] = read(role, columns[role])
        sizes = (len(encoders["alternatives"]), len(encoders["voters"]), len(encoders["groups"]))
        self.tally.add(**found, sizes=sizes, times=times)

    def add_grouped(self, frame: Any) -> None:
        """Count the rows of a lazy frame, grouped by its engine."""
        keys = {role: column for role, column in self.roles.items() if role != "weight"}
        table = frames.grouped(frame, keys, self.roles.get("weight")).combine_chunks()
        if "weight" not in self.roles:
            for batch in arrow.of_table(table):
                rows = arrow.whole(batch.column("rows"))
                self.add({role: batch.column(role) for role in keys} | {"weight": batch.column("rows")}, rows)
            return
        for batch in arrow.of_table(arrow.summed(table)):
            rows = arrow.whole(batch.column("rows"))
            self.add({role: batch.column(role) for role in self.roles}, rows)

    def counted(self) -> Counted:
        """What was counted, under sorted labels."""
        self.tally.settle()
        labels: dict[str, tuple[Label, ...]] = {}
        codes = {}
        for name, encoder in self.encoders.items():
            used = np.flatnonzero(self.tally.seen[name][: len(encoder)])
            labels[name], place = _sorted(encoder.labels(used))
            codes[name] = used[place]
        by: Any = [name for name in ("voter", "group", "order") if name in self.roles]
        cells = self.tally.cells(codes["alternatives"], codes["voters"], codes["groups"])
        defects = self.tally.defects.tolist()
        skipped = {_REASONS[role]: rows for role, rows in zip(DEFECTS, defects[1:], strict=True) if rows}
        return Counted(unpacked(cells, by=by, **labels), sum(defects), skipped)


def _sorted(labels: list[Any]) -> tuple[tuple[Label, ...], NDArray[np.int64]]:
    """The labels sorted, and where each was."""
    try:
        place = sorted(range(len(labels)), key=labels.__getitem__)
    except TypeError:
        place = list(range(len(labels)))
    return tuple(labels[number] for number in place), np.array(place, np.int64)


def _is_files(source: Any) -> bool:
    if isinstance(source, list | tuple):
        return all(isinstance(part, str | os.PathLike) for part in source)
    return isinstance(source, str | os.PathLike)


def _from_file(file: str, roles: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    labels = [column for role, column in roles.items() if role not in _CSV_TYPES]
    types = {column: _CSV_TYPES[role] for role, column in roles.items() if role in _CSV_TYPES}
    for batch in arrow.batches(file, labels, types):
        yield {role: batch.column(column) for role, column in roles.items()}


def _named_columns(roles: Mapping[str, str], there: Iterable[str]) -> None:
    names = list(there)
    for column in roles.values():
        if column not in names:
            raise KeyError(frames.missing_column(column, names))


class _Noting:
    """Errors raised inside get a note that says where."""

    def __init__(self, note: str) -> None:
        self.note = note

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is not None:
            error.add_note(self.note)
