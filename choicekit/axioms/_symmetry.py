"""Whether a rule treats voters, and alternatives, alike, looked at on every profile of the small sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from choicekit.axioms import _tabulation as tabulation
from choicekit.axioms._electorates import made
from choicekit.axioms._readings import Ask
from choicekit.kernels import relabellings

_SIZES = tuple((m, n) for m in (2, 3, 4) for n in (1, 2, 3, 4))


class Symmetry(NamedTuple):
    """What a rule was checked to be, and on how many profiles."""

    anonymous: bool
    neutral: bool
    profiles: int

    def __str__(self) -> str:
        held = [word for word, true in (("anonymous", self.anonymous), ("neutral", self.neutral)) if true]
        return f"{' and '.join(held)} on all {self.profiles:,} small profiles" if held else "no symmetry used"


def of_winners(rule: Callable[[Any], Any], alternatives: int, voters: int) -> Symmetry:
    """The symmetries of a rule whose winners are read, up to these sizes, where there are few enough profiles."""
    looked, neutral = 0, True
    for m, n in _sizes(alternatives, voters):
        table = tabulation.winners(rule, m, n, None)
        looked += len(table)
        if factorial(m) ** n <= tabulation.CHECKED and n > 1:
            looked += factorial(m) ** n
            if not _anonymous(rule, m, n, table):
                return Symmetry(False, False, looked)
        if neutral:
            first, move = tabulation.classes(m, n)
            standing = table[first == np.arange(len(first))]
            neutral = bool((relabellings.spread(first, move, standing, tabulation.moved(m)[1]) == table).all())
    return Symmetry(True, neutral, looked)


def of_voters(ask: Ask, alternatives: int, voters: int) -> Symmetry:
    """Whether what is read of a rule's outcome is the same whoever cast which ballot."""
    looked = 0
    for m, n in _sizes(alternatives, voters):
        if n > 1 and factorial(m) ** n <= tabulation.CHECKED:
            for rows in itertools.product(range(factorial(m)), repeat=n):
                looked += 1
                if not ask.about.same(ask(_profile(m, rows)), ask(_profile(m, tuple(sorted(rows))))):
                    return Symmetry(False, False, looked)
    return Symmetry(True, False, looked)


def _sizes(alternatives: int, voters: int) -> list[tuple[int, int]]:
    return [
        (m, n)
        for m, n in _SIZES
        if m <= max(alternatives, 2) and n <= max(voters, 2) and tabulation.size(m, n) <= tabulation.CHECKED
    ]


def _profile(m: int, rows: tuple[int, ...]) -> Any:
    return made(tabulation.ballots(m)[list(rows)], np.ones(len(rows)), tuple(range(m)))


def _anonymous(rule: Callable[[Any], Any], m: int, n: int, table: tabulation.Masks) -> bool:
    """Whether every profile of named voters has the winners of the one with sorted ballots."""
    rows = np.array(list(itertools.product(range(factorial(m)), repeat=n)), np.int64)
    kernel = tabulation.batching(rule)
    if kernel is not None:
        given = tabulation.masks(kernel(tabulation.ballots(m)[rows]), tabulation.support_is_read(rule))
    else:
        profiles = [_profile(m, tuple(row)) for row in rows.tolist()]
        given = np.array([tabulation.mask(tabulation.ask(rule, each), each) for each in profiles], np.uint16)
    place = {key: i for i, key in enumerate(itertools.combinations_with_replacement(range(factorial(m)), n))}
    wanted = table[[place[tuple(sorted(row))] for row in rows.tolist()]]
    return bool((given == wanted).all())
