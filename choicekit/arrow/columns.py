"""Columns as arrays: labels as codes, truths, signs and weights with a mark where they are missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.arrow._library import library
from choicekit.kernels import accumulate

# Whole numbers are looked up in a table if they lie within so many of each other.
_WIDEST = 1 << 22


def column(name: str, values: Any) -> Any:
    """A column of Python values, or an array, as an Arrow array.

    >>> column("voter", [1, None]).type
    DataType(int64)
    """
    arrow = library()
    try:
        found = arrow.array(values, from_pandas=True)
    except (arrow.ArrowException, TypeError, ValueError) as error:
        raise TypeError(f"{name}: not a column of values of one type ({str(error).splitlines()[0][:120]})") from None
    return found.combine_chunks() if isinstance(found, arrow.ChunkedArray) else found


def whole(column: Any) -> NDArray[np.int64]:
    """An Arrow array of whole numbers as int64.

    >>> import pyarrow as pa
    >>> whole(pa.array([1, 2], pa.uint32())).dtype
    dtype('int64')
    """
    return np.asarray(column.cast(library().int64()).to_numpy(zero_copy_only=False))


def summed(table: Any) -> Any:
    """Groups of rows, as :func:`choicekit.frames.grouped` has them, with rows that lack a weight as groups apart.

    Raises ``ValueError`` for negative or undefined weights.

    >>> import pyarrow as pa
    >>> groups = {"winner": ["a"], "rows": [3], "weight": [4], "weighted": [2], "fractional": [0], "least": [0]}
    >>> summed(pa.table(groups)).to_pydict()
    {'winner': ['a', 'a'], 'rows': [2, 1], 'weight': [4, None]}
    """
    arrow = library()
    import pyarrow.compute as pc

    if (pc.min(table["least"]).as_py() or 0) < 0:
        raise ValueError(f"weight: needed numbers of at least 0, got {pc.min(table['least']).as_py()}; mend those rows")
    fractional = (pc.sum(table["fractional"]).as_py() or 0) > 0
    kind = arrow.float64() if fractional else arrow.int64()
    rows, weighted = (table[name].cast(arrow.int64()) for name in ("rows", "weighted"))
    keys = table.drop_columns(["rows", "weight", "weighted", "fractional", "least"])
    parts = []
    for times, weight in ((weighted, table["weight"].cast(kind)), (pc.subtract(rows, weighted), None)):
        values = arrow.nulls(len(table), kind) if weight is None else weight
        part = keys.append_column("rows", times).append_column("weight", values)
        parts.append(part.filter(pc.greater(times, 0)))
    return arrow.concat_tables(parts).combine_chunks()


class Encoder:
    """The distinct labels of one or more columns, a code each: those of the first array sorted, then new ones.

    >>> import pyarrow as pa
    >>> encoder = Encoder("winner")
    >>> encoder.codes(pa.array(["b", None, "a"])).tolist(), encoder.codes(pa.array(["c", "a"])).tolist()
    ([1, -1, 0], [2, 0])
    >>> encoder.labels([2, 0])
    ['c', 'a']
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._known: Any = None
        self._base, self._table = 0, np.empty(0, np.int32)
        self._narrow = True
        self._last: tuple[Any, NDArray[np.int32]] | None = None

    def __len__(self) -> int:
        return 0 if self._known is None else len(self._known)

    def labels(self, codes: Any) -> list[Any]:
        """The labels of codes, as Python values; whole floats (pandas has no other missing integers) as integers.

        >>> import pyarrow as pa
        >>> encoder = Encoder("voter")
        >>> encoder.codes(pa.array([2.0, None])).tolist(), encoder.labels([0])
        ([0, -1], [2])
        """
        chosen = np.asarray(codes, np.int64)
        if self._known is None or not len(chosen):
            return []
        found: list[Any] = self._known.take(library().array(chosen)).to_pylist()
        if all(isinstance(label, float) and label.is_integer() for label in found):
            return [int(label) for label in found]
        return found

    def codes(self, column: Any) -> NDArray[np.int32]:
        """The code of each label of an Arrow array, -1 where it is missing (null or NaN).

        Raises ``TypeError`` for types that are no labels (lists, structures), ``ValueError`` where the type is not
        that of the labels so far.

        >>> import pyarrow as pa
        >>> Encoder("voter").codes(pa.array([7, 7, None, 5], pa.int16())).tolist()
        [1, 1, -1, 0]
        """
        arrow = library()
        kinds = arrow.types
        if kinds.is_null(column.type):
            return np.full(len(column), -1, np.int32)
        if kinds.is_integer(column.type) and not kinds.is_uint64(column.type) and self._fit(column):
            return self._looked_up(column)
        self._narrow = False
        if kinds.is_string_view(column.type) or kinds.is_binary_view(column.type):
            column = column.cast(arrow.large_string() if kinds.is_string_view(column.type) else arrow.large_binary())
        if not kinds.is_dictionary(column.type):
            column = self._encoded(column)
        mapping = self._mapping(column.dictionary)
        indices = column.indices
        if indices.null_count:
            indices = indices.cast(arrow.int64()).fill_null(len(mapping) - 1)
        return np.asarray(mapping[indices.to_numpy(zero_copy_only=False)], np.int32)

    def _encoded(self, column: Any) -> Any:
        arrow = library()
        try:
            return column.dictionary_encode()
        except (arrow.ArrowNotImplementedError, arrow.ArrowInvalid):
            raise TypeError(
                f"{self.name}: values of type {column.type} are no labels; give strings, numbers or dates"
            ) from None

    def _mapping(self, values: Any) -> NDArray[np.int32]:
        """The code of each entry of a dictionary, and -1 at the end for nulls."""
        import pyarrow.compute as pc

        if self._last is not None and self._last[0].equals(values):
            return self._last[1]
        given, values = values, self._aligned(self._canonical(values))
        place = pc.index_in(values, value_set=self._known)
        if place.null_count > values.null_count:
            fresh = pc.unique(values.filter(pc.and_(place.is_null(), values.is_valid())))
            self._append(fresh.take(pc.array_sort_indices(fresh)))
            place = pc.index_in(values, value_set=self._known)
        found = np.append(place.fill_null(-1).to_numpy(zero_copy_only=False), -1).astype(np.int32)
        self._last = (given, found)
        return found

    def _canonical(self, values: Any) -> Any:
        """Texts, whole numbers and numbers in one type each; NaN as null."""
        arrow = library()
        import pyarrow.compute as pc

        kinds = arrow.types
        if kinds.is_string(values.type) or kinds.is_string_view(values.type):
            return values.cast(arrow.large_string())
        if kinds.is_integer(values.type):
            try:
                return values.cast(arrow.int64())
            except arrow.ArrowInvalid:
                raise ValueError(f"{self.name}: holds whole numbers beyond 64 bits; write them as text") from None
        if kinds.is_floating(values.type):
            values = values.cast(arrow.float64())
            return pc.if_else(pc.is_nan(values), arrow.scalar(None, arrow.float64()), values)
        return values

    def _aligned(self, values: Any) -> Any:
        """The values in the type of the labels so far; whole numbers give way to numbers."""
        arrow = library()
        if self._known is None:
            self._known = values.slice(0, 0)
        known, new = self._known.type, values.type
        if known == new:
            return values
        if arrow.types.is_null(new):
            return values.cast(known)
        if not len(self._known):
            self._known = values.slice(0, 0)
            return values
        numbers = (arrow.int64(), arrow.float64())
        if known not in numbers or new not in numbers:
            raise ValueError(f"{self.name}: labels are of type {known} in some rows and {new} in others; write one way")
        self._known, self._narrow = self._known.cast(arrow.float64()), False
        return values.cast(arrow.float64())

    def _append(self, fresh: Any) -> None:
        self._last = None
        self._known = fresh if not len(self) else library().concat_arrays([self._known, fresh])

    def _fit(self, column: Any) -> bool:
        """Whether integers lie so close together that a table serves; makes it as wide as they need."""
        if not self._narrow or column.null_count == len(column):
            return self._narrow and column.null_count < len(column)
        import pyarrow.compute as pc

        if self._known is not None and self._known.type != library().int64() and len(self._known):
            return False
        ends = pc.min_max(column).as_py()
        low, high = ends["min"], ends["max"] + 1
        if self._table.size:
            if self._base <= low and high <= self._base + len(self._table):
                return True
            low, high = min(low, self._base), max(high, self._base + len(self._table))
        if high - low > _WIDEST:
            return False
        wider = np.full(high - low, -1, np.int32)
        wider[self._base - low : self._base - low + len(self._table)] = self._table
        self._base, self._table = low, wider
        return True

    def _looked_up(self, column: Any) -> NDArray[np.int32]:
        arrow = library()
        missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        if missing is not None:
            column = column.fill_null(column.drop_null()[0])
        numbers = column.to_numpy(zero_copy_only=False)
        codes, unknown = accumulate.look_up(numbers, self._base, self._table)
        if unknown:
            fresh = np.unique(numbers[codes < 0]).astype(np.int64)
            self._table[fresh - self._base] = np.arange(len(self), len(self) + len(fresh))
            self._append(arrow.array(fresh))
            codes, _ = accumulate.look_up(numbers, self._base, self._table)
        if missing is not None:
            codes[missing] = -1
        return codes


def truths(name: str, column: Any) -> NDArray[np.int8]:
    """A column of truth values as 1 and 0, -1 where it is missing.

    >>> import pyarrow as pa
    >>> truths("tie", pa.array([True, None, False])).tolist()
    [1, -1, 0]
    """
    return _small(name, column, (0, 1), "true or false", -1)


def signs(name: str, column: Any) -> NDArray[np.int8]:
    """A column of -1, 0 and 1, with -2 where it is missing.

    >>> import pyarrow as pa
    >>> signs("order", pa.array([1, None, -1])).tolist()
    [1, -2, -1]
    """
    return _small(name, column, (-1, 0, 1), "-1, 0 or 1", -2)


def _small(name: str, column: Any, allowed: tuple[int, ...], needed: str, missing: int) -> NDArray[np.int8]:
    arrow = library()
    kind = column.type.value_type if arrow.types.is_dictionary(column.type) else column.type
    if arrow.types.is_null(kind):
        return np.full(len(column), missing, np.int8)
    text = arrow.types.is_string(kind) or arrow.types.is_large_string(kind)
    try:
        values = None if text else column.cast(arrow.int8())
    except (arrow.ArrowInvalid, arrow.ArrowNotImplementedError):
        values = None
    if values is None or not set(values.drop_null().unique().to_pylist()) <= set(allowed):
        shown = column.drop_null().unique().to_pylist()[:4]
        raise ValueError(f"{name}: needed {needed} in each row, got values of type {kind} such as {shown}")
    found = values.fill_null(missing).to_numpy(zero_copy_only=False)
    return np.asarray(found, np.int8)


def weights(name: str, column: Any) -> NDArray[Any]:
    """A column of weights, -1 where it is missing: int64 where all are whole numbers, else float64.

    Raises ``ValueError`` for weights that are negative, infinite or NaN, ``TypeError`` for what is no number.

    >>> import pyarrow as pa
    >>> weights("weight", pa.array([2.0, None])).tolist(), weights("weight", pa.array([0.5])).tolist()
    ([2, -1], [0.5])
    """
    arrow = library()
    import pyarrow.compute as pc

    kinds = arrow.types
    if kinds.is_null(column.type):
        return np.full(len(column), -1, np.int64)
    number = kinds.is_integer(column.type) or kinds.is_floating(column.type) or kinds.is_decimal(column.type)
    if not number:
        raise TypeError(f"{name}: needed numbers, got values of type {column.type}")
    column = column.cast(arrow.int64() if kinds.is_integer(column.type) else arrow.float64())
    lowest = pc.min(column).as_py()
    found = column.fill_null(-1).to_numpy(zero_copy_only=False)
    if (lowest is not None and lowest < 0) or not np.isfinite(found).all():
        wrong = found[~np.isfinite(found) | (found < 0)]
        raise ValueError(
            f"{name}: needed finite numbers of at least 0, got {wrong[0]} and others ({len(wrong)} such rows here); "
            "mend or leave out those rows"
        )
    if found.dtype.kind == "f" and bool((found == np.floor(found)).all()) and bool((found < 2.0**53).all()):
        return np.asarray(found.astype(np.int64))
    return np.asarray(found)
