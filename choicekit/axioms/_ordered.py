"""An ordering rule as a table over all profiles with named voters, and Arrow's conditions read off it at once.

The axioms of :mod:`~choicekit.axioms.orderings` say the same of one profile and its neighbours, and print what they
find; a table answers for a whole domain in one pass, some ten million profiles in a second.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._electorates import every_ballot, made
from choicekit.axioms._readings import places, read_ordering
from choicekit.kernels import ordered
from choicekit.outcomes import Labels

Bytes = NDArray[np.int8]

#: Profiles that a table may hold.
MOST = 20_000_000


def size(voters: int, alternatives: int) -> int:
    """How many profiles there are, (m!)^n."""
    return int(math.factorial(alternatives) ** voters)


def ballots(alternatives: int) -> Bytes:
    """The ranks of every strict ballot, in lexicographic order."""
    return np.array(every_ballot(alternatives), np.int8)


def tabulated(rule: Callable[[Any], Any], voters: int, alternatives: Labels) -> Bytes:
    """The level of each alternative in the ordering of every profile, ``[(m!)^n, m]``, in lexicographic order."""
    number = size(voters, len(alternatives))
    if number > MOST:
        raise ValueError(f"table: needed at most {MOST:,} profiles, {voters} voters have {number:,}; take fewer")
    every, weights = ballots(len(alternatives)), np.ones(voters)
    table = np.empty((number, len(alternatives)), np.int8)
    for p, chosen in enumerate(itertools.product(range(len(every)), repeat=voters)):
        profile = made(every[list(chosen)], weights, alternatives)
        place = places(read_ordering(rule(profile), profile))
        table[p] = [place[label] for label in alternatives]
    return table


def chosen(p: int, voters: int, alternatives: int) -> Bytes:
    """The ballots of profile p, ``[n, m]``."""
    kinds = math.factorial(alternatives)
    return ballots(alternatives)[[p // kinds ** (voters - 1 - voter) % kinds for voter in range(voters)]]


def dependent(table: Bytes, voters: int) -> tuple[int, int, int, int] | None:
    """Two profiles and a pair on which they agree, but not the orderings; ``None`` where the rule is independent."""
    one, two, a, b = ordered.irrelevant(table, ballots(table.shape[1]), voters).tolist()
    return None if one < 0 else (one, two, a, b)


def ignored(table: Bytes, voters: int) -> tuple[int, int, int] | None:
    """A profile and a pair of which all voters rank the first higher, and the ordering does not."""
    p, a, b = ordered.unanimous(table, ballots(table.shape[1]), voters).tolist()
    return None if p < 0 else (p, a, b)


def dictators(table: Bytes, voters: int) -> list[int]:
    """The voters, counted from 0, whose ballot always is the ordering."""
    found: list[int] = np.flatnonzero(ordered.dictators(table, ballots(table.shape[1]), voters)).tolist()
    return found
