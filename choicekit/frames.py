"""The one door to Narwhals: named columns of any frame as Python values or as Arrow, and groups of its rows."""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


def column_names(frame: Any) -> list[str]:
    """The names of a frame's columns.

    >>> import pyarrow as pa
    >>> column_names(pa.table({"a": [1], "b": [2]}))
    ['a', 'b']
    """
    return list(_open(frame).collect_schema().names())


def columns(frame: Any, wanted: Iterable[str]) -> dict[str, list[Any]]:
    """The wanted columns as lists of Python values, ``None`` where a value is missing.

    Raises ``KeyError`` for a column that is not there, with the nearest name that is, and ``TypeError`` for an object
    that Narwhals does not read.

    >>> import pyarrow as pa
    >>> columns(pa.table({"a": [1, None]}), ["a"])
    {'a': [1, None]}
    """
    opened = _open(frame)
    there = opened.collect_schema().names()
    unique = list(dict.fromkeys(wanted))
    for name in unique:
        if name not in there:
            raise KeyError(missing_column(name, there))
    chosen = opened.select(unique)
    eager = chosen.collect() if hasattr(chosen, "collect") else chosen
    return {name: eager[name].to_list() for name in unique}


class Coded(NamedTuple):
    """A column as numbers of ``labels``, which are distinct and in no particular order; ``None`` where missing.

    >>> Coded(np.array([0, 1, 0]), ["tea", "milk"]).labels
    ['tea', 'milk']
    """

    codes: NDArray[Any]
    labels: list[Any]


def arrays(frame: Any, wanted: Iterable[str]) -> dict[str, Coded | NDArray[Any] | list[Any]]:
    """The wanted columns in the form that is quickest to read: strings coded, complete numbers as arrays, else lists.

    Strings are coded by Arrow where it is installed. Raises as :func:`columns` does.

    >>> import pyarrow as pa
    >>> arrays(pa.table({"a": ["x", "y", "x"], "b": [1, 2, 3], "c": [1, None, 3]}), "abc")["a"]
    Coded(codes=array([0, 1, 0], dtype=int32), labels=['x', 'y'])
    """
    opened = _open(frame)
    there = opened.collect_schema()
    unique = list(dict.fromkeys(wanted))
    for name in unique:
        if name not in there.names():
            raise KeyError(missing_column(name, there.names()))
    chosen = opened.select(unique)
    eager = chosen.collect() if hasattr(chosen, "collect") else chosen
    return {name: _array(eager[name]) for name in unique}


def _array(series: Any) -> Coded | NDArray[Any] | list[Any]:
    import narwhals.stable.v2 as nw

    kind = series.dtype
    if kind in (nw.String, nw.Categorical, nw.Enum) and importlib.util.find_spec("pyarrow"):
        column = series.to_arrow()
        column = column if hasattr(column, "dictionary") else column.dictionary_encode(null_encoding="encode")
        if column.null_count == 0:
            return Coded(column.indices.to_numpy(zero_copy_only=False), column.dictionary.to_pylist())
    elif (kind.is_numeric() or kind == nw.Boolean) and series.null_count() == 0 and kind != nw.Decimal:
        return np.asarray(series.to_numpy())
    return list(series.to_list())


def is_lazy(frame: Any) -> bool:
    """Whether a frame is a plan that its own engine carries out (DuckDB, Polars lazy, PySpark, Ibis, Dask).

    >>> import polars as pl
    >>> is_lazy(pl.DataFrame({"a": [1]})), is_lazy(pl.LazyFrame({"a": [1]}))
    (False, True)
    """
    import narwhals.stable.v2 as nw

    return isinstance(_open(frame), nw.LazyFrame)


def to_arrow(frame: Any, wanted: Iterable[str]) -> Any:
    """The wanted columns of a frame in memory as a ``pyarrow.Table``.

    >>> import polars as pl
    >>> to_arrow(pl.DataFrame({"a": [1], "b": [2]}), ["b"]).column_names
    ['b']
    """
    return _open(frame).select(list(dict.fromkeys(wanted))).to_arrow()


def grouped(frame: Any, roles: Mapping[str, str], weight: str | None = None) -> Any:
    """The distinct rows of the columns ``roles`` = {role: column}, counted in the frame's own engine.

    A ``pyarrow.Table`` with a column for each role, missing values among them, and ``rows``; with a ``weight`` column
    also its sum as ``weight``, how many rows have one as ``weighted``, how many of those are no whole number below
    2⁵³ as ``fractional``, and the smallest as ``least`` (0 where none is negative). Made of grouping by columns as
    they are, when/then, fill_null, cast, and the aggregates len, sum, count and min, which are right on every engine.

    >>> import polars as pl
    >>> grouped(pl.LazyFrame({"x": ["a", "a", None]}), {"winner": "x"}).sort_by("rows").to_pydict()
    {'winner': [None, 'a'], 'rows': [1, 2]}
    """
    import narwhals.stable.v2 as nw

    opened = _open(frame)
    keys = {role: f"ck_{role}" for role in roles}
    chosen = [nw.col(column).alias(keys[role]) for role, column in roles.items()]
    sums = [nw.len().alias("rows")]
    if weight is not None:
        kind = opened.collect_schema()[weight]
        if not kind.is_numeric():
            raise TypeError(f"weight: needed numbers, column {weight!r} holds {kind}")
        number: Any = nw.Int64 if kind.is_integer() else nw.Float64
        chosen += [nw.col(weight).alias("ck_given"), nw.col(weight).fill_null(0).cast(number).alias("ck_weight")]
        sums += [
            nw.col("ck_weight").sum().alias("weight"),
            nw.col("ck_given").count().alias("weighted"),
            nw.col("ck_fraction").sum().alias("fractional"),
            nw.col("ck_weight").min().alias("least"),
        ]
    rows = opened.select(*chosen)
    if weight is not None:
        heavy, zero, one = nw.col("ck_weight"), nw.lit(0), nw.lit(1)
        fraction = zero
        if number is nw.Float64:
            # beyond ±2⁵³ casts fail or round, so those become a fraction first
            bounded = nw.when(heavy > -(2.0**53)).then(heavy).otherwise(nw.lit(0.5))
            bounded = nw.when(heavy < 2.0**53).then(bounded).otherwise(nw.lit(0.5))
            rows = rows.with_columns(bounded.alias("ck_bounded"))
            whole = nw.col("ck_bounded").cast(nw.Int64).cast(nw.Float64) == nw.col("ck_bounded")
            fraction = nw.when(whole).then(zero).otherwise(one)
        rows = rows.with_columns(fraction.alias("ck_fraction"))
    found = rows.group_by(*keys.values()).agg(*sums)
    table = (found.collect() if isinstance(found, nw.LazyFrame) else found).to_arrow()
    names = {key: role for role, key in keys.items()}
    table = table.select([*names, *(name for name in table.column_names if not name.startswith(("ck_", "__")))])
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def missing_column(name: str, there: Sequence[str]) -> str:
    """The message for a column that is not there.

    >>> missing_column("winer", ["winner", "loser"])
    "no column 'winer'; the columns are 'winner', 'loser'. Did you mean 'winner'?"
    """
    near = difflib.get_close_matches(name, there, 1)
    shown = ", ".join(repr(column) for column in there[:12]) + (" …" if len(there) > 12 else "")
    return f"no column {name!r}; the columns are {shown}." + (f" Did you mean {near[0]!r}?" if near else "")


def _open(frame: Any) -> Any:
    import narwhals.stable.v2 as nw

    try:
        return nw.from_native(frame)
    except TypeError:
        raise TypeError(
            f"needed a data frame that Narwhals reads (pandas, Polars, PyArrow, DuckDB, …), got {type(frame).__name__}"
        ) from None
