"""Strict rankings, and the order of the voters that single crossing asks for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import recognition
from choicekit.profiles import Rankings
from choicekit.rules._rule import forget

Ints = NDArray[np.int64]


def strict(name: str, profile: Any) -> tuple[Rankings, Ints, Ints]:
    """A profile of strict complete rankings, the rows of its voters, and their ranks 0 … m − 1."""
    rankings: Rankings = forget(profile, Rankings, name)
    rows = np.flatnonzero(rankings.weights > 0)
    given = rankings.ranks[rows]
    order = np.argsort(given, axis=1, kind="stable")
    ascending = np.take_along_axis(given, order, axis=1)
    tied = (ascending[:, 1:] == ascending[:, :-1]).any(1) | (ascending[:, 0] < 0)
    if tied.any():
        row = rows[int(tied.argmax())]
        what = "leaves alternatives unranked" if (rankings.ranks[row] < 0).any() else "ties alternatives"
        raise ValueError(
            f"{name}: needed strict rankings of all alternatives, but the ballot in row {row} {what}; "
            "leave such ballots out, or break their ties yourself"
        )
    return rankings, rows, np.argsort(order, axis=1)


def crossing_order(ranks: Ints) -> Ints | None:
    """The order of the voters with strict ranks ``[n, m]``, or ``None``."""
    far = int(np.argmax(recognition.swaps(ranks, np.argsort(ranks[0]))))
    distance = recognition.swaps(ranks, np.argsort(ranks[far]))
    order = np.argsort(distance, kind="stable")
    if recognition.crossings(ranks[order])[0, 0] < 0:
        return None
    first, last = order[0], order[distance[order].argmax()]  # the lowest row at either end
    return np.argsort(-distance, kind="stable") if last < first else order
