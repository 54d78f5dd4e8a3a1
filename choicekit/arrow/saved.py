"""Columns of codes and numbers as a Parquet file with labels, and back."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.arrow._library import library
from choicekit.arrow.files import parquet

_KEY = b"choicekit.pair_counts"
_EXACT = (str, bool, int, float, bytes, date, datetime, time, timedelta, Decimal)


def write_counts(
    path: str | os.PathLike[str], labels: Mapping[str, Sequence[Any]],
    columns: Mapping[str, tuple[str, NDArray[Any]]], numbers: Mapping[str, NDArray[Any]],
) -> None:  # fmt: skip
    """Write columns of codes, as the labels they stand for, and of numbers; the lists of labels as metadata.

    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "counts.parquet"
    >>> write_counts(file, {"groups": ["x", "y"]}, {"group": ("groups", np.array([1]))}, {"won": np.array([3])})
    >>> read_counts(file)
    {'groups': ('x', 'y'), 'group': array([1]), 'won': array([3])}
    """
    arrow = library()
    import pyarrow.parquet

    lists = {name: _exactly(name, list(values)) for name, values in labels.items()}
    held = {name: lists[which].take(arrow.array(codes)) for name, (which, codes) in columns.items()}
    table = arrow.table({**held, **{name: arrow.array(values) for name, values in numbers.items()}})
    stored = {name: base64.b64encode(_stream(values)).decode() for name, values in lists.items()}
    note = json.dumps(
        {"version": 1, "labels": stored, "columns": {name: which for name, (which, _) in columns.items()}}
    )
    table = table.replace_schema_metadata({_KEY: note.encode()})
    pyarrow.parquet.write_table(table, path, compression="zstd")


def read_counts(
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """What :func:`write_counts` wrote: tuples of labels, arrays of codes and of numbers, by name.

    >>> read_counts("nowhere.parquet")
    Traceback (most recent call last):
        ...
    FileNotFoundError: nowhere.parquet: no such file
    """
    arrow = library()
    import pyarrow.compute as pc

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    opened = parquet(os.fspath(path))
    note = (opened.schema_arrow.metadata or {}).get(_KEY)
    if note is None:
        raise ValueError(f"{path}: holds no saved counts; count its rows with choicekit.statistics.count")
    about = json.loads(note)
    table = opened.read().combine_chunks()
    lists = {
        name: arrow.ipc.open_stream(base64.b64decode(values)).read_all().column(0).combine_chunks()
        for name, values in about["labels"].items()
    }
    codes = {}
    for name, which in about["columns"].items():
        place = pc.index_in(table[name].combine_chunks().cast(lists[which].type), value_set=lists[which])
        if place.null_count:
            raise ValueError(f"{path}: column {name!r} holds labels that its metadata does not know; save it again")
        codes[name] = place.to_numpy(zero_copy_only=False).astype(np.int64)
    rest = [name for name in table.column_names if name not in codes]
    numbers = {name: table[name].to_numpy().copy() for name in rest}
    return {name: tuple(values.to_pylist()) for name, values in lists.items()} | codes | numbers


def _exactly(name: str, labels: list[Any]) -> Any:
    """Labels as an Arrow array from which they come back as they were."""
    arrow = library()
    plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
    kinds = {type(label) for label in plain}
    odd = [label for label in plain if not isinstance(label, _EXACT)]
    try:
        array = arrow.array(plain) if len(kinds) < 2 and not odd else None
    except (arrow.ArrowException, OverflowError, UnicodeEncodeError):
        array = None
    if array is None or array.to_pylist() != plain:
        shown = odd[0] if odd else plain[:3]
        raise ValueError(
            f"{name}: Parquet cannot hold these labels so that they come back as they are: {shown!r}; use labels of "
            f"one type (strings, whole numbers of 64 bits, numbers, dates), here there are "
            f"{', '.join(sorted(kind.__name__ for kind in kinds))}"
        )
    return array


def _stream(array: Any) -> bytes:
    arrow = library()
    sink = arrow.BufferOutputStream()
    table = arrow.table({"labels": array})
    with arrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
