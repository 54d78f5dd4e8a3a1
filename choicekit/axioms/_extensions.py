"""When a voter with a strict ballot likes one set of winners better than another.

A set is given by the places that its alternatives have on the ballot, 0 the best, in the order of the alternatives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from choicekit.outcomes import Labels

Places = Sequence[int]


class Extension(NamedTuple):
    """How a ballot compares sets: ``better(X, Y)``, which is never so of equal sets, and in words."""

    name: str
    words: str
    better: Callable[[Places, Places], bool]


def singletons(one: Places, other: Places) -> bool:
    """Each has one element, and the first is preferred."""
    return len(one) == len(other) == 1 and one[0] < other[0]


def in_kellys_sense(one: Places, other: Places) -> bool:
    """All of the first are at least as good as all of the other."""
    return max(one) <= min(other) and set(one) != set(other)


def in_fishburns_sense(one: Places, other: Places) -> bool:
    """What only the first has is better than all of the other, what only the other has worse than all of the first."""
    first, second = set(one), set(other)
    only, both, lost = first - second, first & second, second - first
    return first != second and above(only, both | lost) and above(both, lost)


def in_gardenfors_sense(one: Places, other: Places) -> bool:
    """What is added is better than all that was there, or what is left out worse; or what replaces the rest better."""
    first, second = set(one), set(other)
    only, lost = first - second, second - first
    if first == second:
        return False
    if not lost:
        return above(only, second)
    return above(only or first, lost)


def by_the_best(one: Places, other: Places) -> bool:
    """The best of the first is preferred to the best of the other."""
    return min(one) < min(other)


def by_the_worst(one: Places, other: Places) -> bool:
    """The worst of the first is preferred to the worst of the other."""
    return max(one) < max(other)


def by_the_first(one: Places, other: Places) -> bool:
    """Of each set the alternative that comes first in the order of alternatives counts."""
    return one[0] < other[0]


def above(one: set[int], other: set[int]) -> bool:
    """Whether all of one are preferred to all of the other, as is so where either is empty."""
    return not one or not other or max(one) < min(other)


def prefers(extension: Extension, alternatives: Labels, ranks: Places, one: Labels, other: Labels) -> bool:
    """Whether a voter of a strict ballot likes one set of winners better than the other."""

    def places(winners: Labels) -> Places:
        return [rank for label, rank in zip(alternatives, ranks, strict=True) if label in winners]

    return one != other and extension.better(places(one), places(other))


singleton = Extension("singleton", "", singletons)
kelly = Extension("kelly", " in Kelly's sense", in_kellys_sense)
fishburn = Extension("fishburn", " in Fishburn's sense", in_fishburns_sense)
gardenfors = Extension("gardenfors", " in Gärdenfors's sense", in_gardenfors_sense)
optimist = Extension("optimist", " to an optimist", by_the_best)
pessimist = Extension("pessimist", " to a pessimist", by_the_worst)
lexicographic = Extension("lexicographic", " where the first of tied winners is taken", by_the_first)
EVERY = (singleton, kelly, fishburn, gardenfors, optimist, pessimist, lexicographic)
