"""Ranked ballots as arrays: checked and narrowed in one pass, tallied once."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import voting
from choicekit.profiles._columns import Floats, frozen

#: What a ballot says of an alternative it does not rank: that it is below all it ranks, or nothing.
Unranked: TypeAlias = Literal["below", "absent"]
Ranks: TypeAlias = NDArray[Any]

_LARGEST = 2**31


def narrow(name: str, given: NDArray[Any]) -> Ranks:
    """A read-only copy of ranks in the narrowest signed integers that hold them.

    Raises ``ValueError`` for what is no whole number from -1 to 2³¹ − 1.

    >>> narrow("ranks", np.array([[0, 200, -1]])).dtype.name
    'int16'
    """
    if given.dtype.kind not in "iuf":
        raise ValueError(f"{name}: ranks must be whole numbers, 0 for best, -1 for unranked, got {given.dtype}")
    if given.dtype.kind == "f":
        wrong = ~((given >= -1) & (given < _LARGEST) & (np.floor(given) == given))
        _refuse(name, given, wrong)
        given = given.astype(np.int64)
    if given.dtype == np.uint64:
        _refuse(name, given, given >= _LARGEST)
    flat = np.ascontiguousarray(given).reshape(-1)
    small = np.empty(flat.size, np.int8)
    low, high = voting.narrowed(flat, small) if flat.size else (0, 0)
    if low < -1 or high >= _LARGEST:
        _refuse(name, given, (given < -1) | (given >= _LARGEST))
    if high > np.iinfo(np.int8).max:
        small = flat.astype(np.int16 if high <= np.iinfo(np.int16).max else np.int32)
    return frozen(small.reshape(given.shape))


def _refuse(name: str, given: NDArray[Any], wrong: NDArray[np.bool_]) -> None:
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"{name}: ranks must be whole numbers, 0 for best, -1 for unranked, got {given[tuple(place)]} in row "
            f"{place[-2] if len(place) > 1 else 0}"
        )


def supports(ranks: Ranks, weights: Floats, unranked: Unranked) -> Floats:
    """The weight putting a above b, ``[b, a, b]``; whole numbers are counted as such."""
    absent = reading(unranked) == "absent"
    block, top = _columns(ranks)
    if (weights == weights[0]).all():
        counted: Floats = weights[0] * voting.counts(ranks, weights, block, top, absent)
        return counted
    return voting.supports(ranks, weights, block, top, absent)


def first_places(ranks: Ranks, weights: Floats) -> Floats:
    """The weight of the ballots that put an alternative first, ``[b, m]``, shared by those tied for first."""
    return voting.first_places(ranks, weights, *_columns(ranks))


def _columns(ranks: Ranks) -> tuple[Ranks, int]:
    """Room for a block of ballots as unsigned columns, and what -1 becomes in it."""
    unsigned = np.dtype(f"u{ranks.dtype.itemsize}")
    return np.empty((ranks.shape[2], voting.BLOCK), unsigned), int(np.iinfo(unsigned).max)


def reading(unranked: Unranked) -> Unranked:
    """The convention, checked.

    >>> reading("last")
    Traceback (most recent call last):
        ...
    ValueError: unranked: needed 'below' (below every ranked alternative) or 'absent' (not compared), got 'last'
    """
    if unranked not in ("below", "absent"):
        raise ValueError(
            f"unranked: needed 'below' (below every ranked alternative) or 'absent' (not compared), got {unranked!r}"
        )
    return unranked
