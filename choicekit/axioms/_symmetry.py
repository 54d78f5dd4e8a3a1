"""Whether a rule treats voters, and alternatives, alike, looked at on every profile of the small sizes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from math import factorial
from typing import Any, NamedTuple

import numpy as np

from choicekit.axioms import _tabulation as tabulation
from choicekit.axioms._electorates import made
from choicekit.axioms._readings import Ask, name_of, winners
from choicekit.kernels import relabellings

_MOST_ALTERNATIVES, _MOST_VOTERS = 4, 4


class Symmetry(NamedTuple):
    """What a rule was checked to be, and on how many profiles.

    ``columns``: it does not matter how the alternatives are labelled, as long as their order is the same.
    """

    anonymous: bool
    neutral: bool
    profiles: int
    columns: bool = True

    def __str__(self) -> str:
        held = [word for word, true in (("anonymous", self.anonymous), ("neutral", self.neutral)) if true]
        return f"{' and '.join(held)} on all {self.profiles:,} small profiles" if held else "no symmetry used"


def of_winners(table: tabulation.Table, widths: range, voters: int, budget: int = 10**9) -> Symmetry:
    """The symmetries of the rule of a table of winners, on the profiles of few of ``widths`` alternatives and of up to
    so many voters, as far as half of the budget reaches; none where that is nowhere.
    """
    looked, named, neutral = 0, 0, True
    for m, n in _sizes(widths, voters):
        if table.calls[0] + table.cost(m, n) + _orders(m, n) > budget / 2:
            break
        answers = table(m, n)
        looked += _orders(m, n) or len(answers)
        if _orders(m, n):
            named += 1
            table.calls[0] += _orders(m, n)
            if not _anonymous(table.rule, m, n, answers):
                return Symmetry(False, False, looked)
        if neutral:
            first, move = tabulation.classes(m, n)
            standing = answers[first == np.arange(len(first))]
            neutral = bool((relabellings.spread(first, move, standing, tabulation.moved(m)[1]) == answers).all())
    return Symmetry(named > 0, named > 0 and neutral, looked, named > 0 and _by_columns(table, widths))


def of_voters(ask: Ask, widths: range, voters: int, budget: int = 10**9) -> Symmetry:
    """Whether what is read of a rule's outcome is the same whoever cast which ballot."""
    looked = 0
    for m, n in _sizes(widths, voters):
        if ask.calls + _orders(m, n) > budget / 2:
            break
        for rows in itertools.product(range(factorial(m)), repeat=n) if _orders(m, n) else ():
            looked += 1
            if not ask.about.same(ask(_profile(m, rows)), ask(_profile(m, tuple(sorted(rows))))):
                return Symmetry(False, False, looked)
    return Symmetry(looked > 0, False, looked)


def _sizes(widths: range, voters: int) -> Iterator[tuple[int, int]]:
    for m in range(min(widths[0], _MOST_ALTERNATIVES), min(widths[-1], _MOST_ALTERNATIVES) + 1):
        for n in range(1, min(max(voters, 2), _MOST_VOTERS) + 1):
            if tabulation.size(m, n) <= tabulation.CHECKED:
                yield m, n


def _orders(m: int, n: int) -> int:
    """How many profiles of named voters there are, where these are few; else 0."""
    return factorial(m) ** n if n > 1 and factorial(m) ** n <= tabulation.CHECKED else 0


def _profile(m: int, rows: tuple[int, ...], labels: tuple[int, ...] | None = None) -> Any:
    return made(tabulation.ballots(m)[list(rows)], np.ones(len(rows)), labels or tuple(range(m)))


def _anonymous(rule: Callable[[Any], Any], m: int, n: int, table: tabulation.Masks) -> bool:
    """Whether every profile of named voters has the winners of the one with sorted ballots."""
    rows = np.array(list(itertools.product(range(factorial(m)), repeat=n)), np.int64)
    kernel = tabulation.batching(rule)
    if kernel is not None:
        given = tabulation.masks(kernel(tabulation.ballots(m)[rows]), tabulation.support_is_read(rule, m))
    else:
        given = tabulation.one_by_one(rule, rows, m)
    place = {key: i for i, key in enumerate(itertools.combinations_with_replacement(range(factorial(m)), n))}
    again = given[(np.diff(rows, axis=1) >= 0).all(1)]
    if (again != table).any():
        raise RuntimeError(
            f"{name_of(rule)} does not answer alike each time it is asked about the same ballots, so no axiom can be "
            "checked; if it is random, fix its rng"
        )
    wanted = table[[place[tuple(sorted(row))] for row in rows.tolist()]]
    return bool((given == wanted).all())


def _by_columns(table: tabulation.Table, widths: range) -> bool:
    """Whether the winners are in the same columns when one of some alternatives has withdrawn, whichever it was."""
    if tabulation.batching(table.rule) is not None:
        return True  # a kernel sees no labels
    ask = Ask(table.counted, winners)
    for m, n in itertools.product(range(2, min(widths[-1], _MOST_ALTERNATIVES)), (1, 2)):
        for rows in itertools.combinations_with_replacement(range(factorial(m)), n):
            try:
                held = ask(_profile(m, rows))
            except Exception:  # too few for the rule: the axioms that ask for them will say so
                break
            for labels in itertools.islice(itertools.combinations(range(m + 1), m), 1, None):
                try:
                    won = ask(_profile(m, rows, labels))
                except Exception:
                    return False
                if won != tuple(labels[a] for a in held):
                    return False
    return True
