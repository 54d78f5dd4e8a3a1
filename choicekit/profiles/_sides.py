"""The two sides of comparisons become codes of one list of labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.frames import Coded
from choicekit.kernels import counting
from choicekit.profiles._columns import Codes, Column, Label, encode, listed, smallest

Partition = tuple[Codes, tuple[Label, ...]]


def length(column: Coded | list[Any] | NDArray[Any]) -> int:
    """How many rows a column has."""
    return len(column.codes if isinstance(column, Coded) else column)


def opened(name: str, values: Column) -> Coded | list[Any] | NDArray[Any]:
    """A column as it came coded, else as a list or an array."""
    return values if isinstance(values, Coded) else listed(name, values)


def encode_pair(
    first: Coded | list[Any] | NDArray[Any], second: Coded | list[Any] | NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], tuple[Label, ...]]:
    """Two columns of labels as codes of one list of labels, in the smallest type; none may be its own opponent."""
    if isinstance(first, Coded) and isinstance(second, Coded):
        codes, others, alternatives, same = _encode_coded_pair(first, second)
    elif _integers(first) and _integers(second):
        codes, others, alternatives, same = _encode_integer_pair(first, second)  # type: ignore[arg-type]
    else:
        first, second = (_uncoded(column) for column in (first, second))
        both, alternatives = _encode_both(first, second)
        kind = smallest(len(alternatives))
        codes, others = both[: len(first)].astype(kind), both[len(first) :].astype(kind)
        same = int((codes == others).sum())
    if same:
        row = int(np.flatnonzero(codes == others)[0])
        raise ValueError(
            f"comparisons: {same} rows compare an alternative with itself, the first is row {row} "
            f"({alternatives[codes[row]]!r}); leave those rows out"
        )
    return codes, others, alternatives


def _uncoded(values: Coded | list[Any] | NDArray[Any]) -> list[Any] | NDArray[Any]:
    if not isinstance(values, Coded):
        return values
    return [values.labels[code] for code in values.codes.tolist()]


def _encode_coded_pair(first: Coded, second: Coded) -> tuple[NDArray[Any], NDArray[Any], tuple[Label, ...], int]:
    """Two lists of labels become one, and the codes follow."""
    for name, part in (("winner", first), ("loser", second)):
        if None in part.labels:
            encode(name, _uncoded(part))  # says which rows
    position, labels = encode("winner and loser", first.labels + second.labels)
    there = np.zeros(len(labels), np.bool_)
    for part, known in ((first, position[: len(first.labels)]), (second, position[len(first.labels) :])):
        there[known[counting.occurring(part.codes, part.codes, len(part.labels))]] = True
    position = (np.cumsum(there) - 1)[position]
    kept = tuple(label for label, occurs in zip(labels, there.tolist(), strict=True) if occurs)
    kind = np.empty(0, smallest(len(kept)))
    codes = counting.mapped(first.codes, position[: len(first.labels)], kind)
    others = counting.mapped(second.codes, position[len(first.labels) :], kind)
    return codes, others, kept, int((codes == others).sum())


def _integers(values: Coded | list[Any] | NDArray[Any]) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind in "iu" and values.dtype != np.uint64


def _encode_integer_pair(
    first: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], tuple[Label, ...], int]:
    """Integers in a narrow range are counted, others sorted."""
    if first.dtype != second.dtype or first.dtype.kind == "u":  # so that differences are whole numbers
        first, second = first.astype(np.int64), second.astype(np.int64)
    low, high = counting.extent(first, second)
    span = int(high) - int(low) + 1
    if span > 8 * len(first) + 1_000:
        labels, both = np.unique(np.concatenate([first, second]), return_inverse=True)
        kind = smallest(len(labels))
        codes, others = both[: len(first)].astype(kind), both[len(first) :].astype(kind)
        return codes, others, tuple(labels.tolist()), int((codes == others).sum())
    codes, others, same = counting.shifted(first, second, int(low), np.empty(0, smallest(span)))
    there = counting.occurring(codes, others, span)
    present = np.flatnonzero(there)
    if len(present) < span:
        new, fewer = np.cumsum(there) - 1, np.empty(0, smallest(len(present)))
        codes, others = counting.mapped(codes, new, fewer), counting.mapped(others, new, fewer)
    return codes, others, tuple((present + int(low)).tolist()), same


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
