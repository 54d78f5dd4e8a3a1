"""Columns of labels become codes, once; columns of numbers are checked, once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.frames import Coded

Label: TypeAlias = Hashable
Column: TypeAlias = Iterable[Any]
Codes: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, read-only."""
    array.flags.writeable = False
    return array


def smallest(size: int) -> type[np.unsignedinteger[Any]]:
    """The smallest type that holds the codes 0 … size − 1.

    >>> smallest(256).__name__, smallest(257).__name__
    ('uint8', 'uint16')
    """
    return np.uint8 if size <= 2**8 else np.uint16 if size <= 2**16 else np.uint32


def is_missing(value: object) -> bool:
    """Whether a label is None, NaN, NaT or pandas' NA.

    >>> is_missing(float("nan")), is_missing(None), is_missing("")
    (True, True, False)
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    return bool(isinstance(value, float | np.floating | np.datetime64) and value != value)


def encode(name: str, values: Column) -> tuple[Codes, tuple[Label, ...]]:
    """Codes 0, 1, … and the labels they stand for: sorted where they can be, else in order of appearance."""
    if isinstance(values, Coded):
        return _recode(name, values)
    given = listed(name, values)
    if isinstance(given, np.ndarray) and given.dtype.kind in "iu" and given.size:
        return _encode_integers(given)
    dates = isinstance(given, np.ndarray) and given.dtype.kind in "mM"
    items = given.tolist() if isinstance(given, np.ndarray) and not dates else list(given)
    table: dict[Label, int] = {}
    try:
        found = np.fromiter((table.setdefault(item, len(table)) for item in items), np.int64, len(items))
    except TypeError:
        row = next(row for row, item in enumerate(items) if not _hashable(item))
        raise TypeError(
            f"{name}: labels must be hashable, but row {row} holds a {type(items[row]).__name__}; use strings or tuples"
        ) from None
    if any(is_missing(label) for label in table):
        rows = [row for row, item in enumerate(items) if is_missing(item)]
        raise ValueError(
            f"{name}: {len(rows)} of {len(items)} labels are missing (None or NaN), the first in row {rows[0]}; "
            "name them or leave those rows out"
        )
    try:
        ordered = sorted(table)  # type: ignore[type-var]
    except TypeError:
        return found, tuple(table)
    new_code = np.empty(len(table), np.int64)
    for code, label in enumerate(ordered):
        new_code[table[label]] = code
    return new_code[found], tuple(ordered)


def _recode(name: str, given: Coded) -> tuple[Codes, tuple[Label, ...]]:
    """Codes in the order of the sorted labels; labels that do not occur are left out."""
    occurring = np.flatnonzero(np.bincount(given.codes, minlength=len(given.labels)))
    found, labels = encode(name, [given.labels[code] for code in occurring])
    if len(labels) == len(given.labels) and (found == np.arange(len(labels))).all():
        return given.codes.astype(np.int64), labels
    new = np.zeros(max(1, len(given.labels)), np.int64)
    new[occurring] = found
    return new[given.codes], labels


def listed(name: str, values: Column) -> list[Any] | NDArray[Any]:
    """A column as a list of Python values, or as the array of one dimension that it is.

    >>> listed("voter", (1, 2))
    [1, 2]
    """
    if isinstance(values, str | bytes):
        raise TypeError(f"{name}: needed a column of labels, got the single string {values!r}; pass a list of labels")
    if isinstance(values, np.ndarray) and values.ndim == 1:
        return values
    unpack = getattr(values, "tolist", None) or getattr(values, "to_pylist", None)
    items = unpack() if unpack else list(values) if isinstance(values, Iterable) else None
    if not isinstance(items, list):
        raise TypeError(f"{name}: needed a column of labels, got {values!r}; pass a list of labels")
    return items


def _hashable(value: object) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _encode_integers(values: NDArray[Any]) -> tuple[Codes, tuple[Label, ...]]:
    """Integers in a narrow range are counted, others sorted."""
    low, high = int(values.min()), int(values.max())
    if high - low > 4 * values.size + 1_000 or high > np.iinfo(np.int64).max:
        labels, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int64), tuple(labels.tolist())
    shifted = values.astype(np.int64) - low
    there = np.zeros(high - low + 1, np.bool_)
    there[shifted] = True
    return (np.cumsum(there) - 1)[shifted], tuple((np.flatnonzero(there) + low).tolist())


def numbers(name: str, values: ArrayLike | Column | None, length: int) -> Floats:
    """A column of finite, non-negative weights of the given length, not all zero; ones where none is given."""
    if values is None:
        return np.ones(length)
    try:
        array = np.array(values if hasattr(values, "__array__") else list(values), dtype=np.float64)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise TypeError(f"{name}: needed {length} numbers, got values that do not read as numbers") from None
    if array.shape != (length,):
        raise ValueError(f"{name}: needed {length} numbers, one a row, got an array of shape {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if bad.size:
        raise ValueError(
            f"{name}: needed finite numbers of at least 0, got {array[bad[0]]} in row {bad[0]} "
            f"({bad.size} such rows); mend or leave out those rows"
        )
    if length and not array.any():
        raise ValueError(f"{name}: every value is 0, so nothing would count; give a positive weight to some row")
    return array


def names(alternatives: Iterable[Label] | None, size: int) -> tuple[Label, ...]:
    """Distinct labels for ``size`` alternatives; 0, 1, … where none are given."""
    try:
        labels = tuple(range(size)) if alternatives is None else tuple(alternatives)
        hash(labels)
    except TypeError:
        raise TypeError(f"alternatives: needed {size} hashable labels, one a column, got {alternatives!r}") from None
    if len(labels) != size:
        raise ValueError(f"alternatives: needed {size} labels, one a column, got {len(labels)}")
    if len(set(labels)) != size:
        twice = next(label for label in labels if labels.count(label) > 1)
        raise ValueError(f"alternatives: labels must differ, but {twice!r} is there {labels.count(twice)} times")
    return labels


def matrix(name: str, values: ArrayLike, axes: str) -> Floats:
    """A non-empty two-dimensional copy of the values as floats."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: needed rows of numbers of equal length, indexed [{axes}]") from None
    if array.ndim != 2 or 0 in array.shape:
        raise ValueError(f"{name}: needed a non-empty array indexed [{axes}], got shape {array.shape}")
    return array


def short(labels: Sequence[Label], limit: int = 6) -> str:
    """Labels for an error message: a few of them, then how many more.

    >>> short(("a", "b", "c"), limit=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(label) for label in labels[:limit])
    return shown if len(labels) <= limit else f"{shown} and {len(labels) - limit} more"
