"""Many profiles of one shape, so that a rule answers them all in one call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from choicekit.kernels import voting
from choicekit.profiles._columns import Floats, frozen, numbers
from choicekit.profiles._ranks import Unranked, first_places, narrow, supports
from choicekit.profiles.ballots import Approvals, Rankings, Utilities

Ballots: TypeAlias = Rankings | Utilities | Approvals


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Batch:
    """Profiles ``values[b, n, m]`` of one kind with the same ``weights[n]`` (default 1), tallied at most once.

    ``kind`` is :class:`Rankings` (values are ranks: 0 best, equal tied, -1 unranked), :class:`Utilities` or
    :class:`Approvals`. Rules with compiled kernels share the tallies :meth:`supports`, :meth:`margins` and
    :meth:`first_places`. Raises ``ValueError`` for values or weights such a profile refuses.

    >>> many = Batch([[[0, 1], [1, 0]], [[0, 1], [0, 1]]], weights=[2, 1])
    >>> many, many.margins()[:, 0, 1].tolist(), many[1].ranks.tolist()
    (<Batch of 2 Rankings: 2 voters, 2 alternatives>, [1.0, 3.0], [[0, 1], [0, 1]])
    """

    values: NDArray[Any]
    weights: Floats
    kind: type[Ballots]
    _tallies: dict[tuple[str, str], Floats] = field(repr=False)

    def __init__(self, values: ArrayLike, weights: ArrayLike | None = None, *, kind: type[Ballots] = Rankings) -> None:
        array = np.asarray(values)
        wanted = "biuf" if kind is not Rankings else "iu"
        if array.ndim != 3 or 0 in array.shape[1:] or array.dtype.kind not in wanted:
            whole = "whole-number ranks" if kind is Rankings else f"numbers of {kind.__name__}"
            raise ValueError(
                f"batch: needed {whole}[profile, voter, alternative] with -1 for unranked, got an array of "
                f"{array.dtype} of shape {array.shape}; a single profile is values[None]"
            )
        if kind is Rankings:
            array = narrow("batch", array)
        elif kind is Utilities:
            array = frozen(np.array(array, np.float64))
            if np.isinf(array).any():
                raise ValueError("batch: utilities must be finite (NaN = no opinion)")
        else:
            if not np.isin(array, (0, 1)).all():
                raise ValueError("batch: each approval must be true or false (1 or 0)")
            array = frozen(array.astype(np.bool_))
        fields: dict[str, Any] = {
            "values": array, "weights": frozen(numbers("weights", weights, array.shape[1])), "kind": kind,
            "_tallies": {},
        }  # fmt: skip
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        profiles, voters, size = self.values.shape
        return f"<Batch of {profiles} {self.kind.__name__}: {voters} voters, {size} alternatives>"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Ballots:
        """One of the profiles, with alternatives 0, 1, …"""
        return self.kind(self.values[index], self.weights)

    def supports(self, unranked: Unranked = "below") -> Floats:
        """The weight that puts a above b, ``[b, a, b]``, in each profile of rankings.

        >>> Batch([[[0, 1], [1, -1]]]).supports().tolist()
        [[[0.0, 2.0], [0.0, 0.0]]]
        """
        return self._tally("supports", unranked, lambda: supports(self.values, self.weights, unranked))

    def margins(self, unranked: Unranked = "below") -> Floats:
        """Supports less their transpose, ``[b, a, b]``.

        >>> Batch([[[0, 1], [0, 1]]]).margins().tolist()
        [[[0.0, 2.0], [-2.0, 0.0]]]
        """
        return self._tally("margins", unranked, lambda: voting.margins(self.supports(unranked)))

    def first_places(self) -> Floats:
        """The weight of the ballots that rank an alternative first, ``[b, m]``, shared by those tied for first.

        >>> Batch([[[0, 0, 1], [0, 1, -1]]]).first_places().tolist()
        [[1.5, 0.5, 0.0]]
        """
        return self._tally("first", "", lambda: first_places(self.values, self.weights))

    def _tally(self, name: str, unranked: str, count: Any) -> Floats:
        if self.kind is not Rankings:
            raise TypeError(f"batch: needed Rankings to tally, got {self.kind.__name__}")
        if (name, unranked) not in self._tallies:
            self._tallies[name, unranked] = frozen(count())
        return self._tallies[name, unranked]
