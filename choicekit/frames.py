"""The one door to Narwhals: named columns of any frame as lists of Python values."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any


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
