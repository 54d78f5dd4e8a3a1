"""How many voters and alternatives are drawn, and what the alternatives are called."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from choicekit.profiles._columns import Label, names

#: So many, or from so many to so many.
Bounds: TypeAlias = int | tuple[int, int]
#: How many alternatives, labelled 0, 1, …; or their labels.
Alternatives: TypeAlias = Bounds | Iterable[Label]


class Sizes(NamedTuple):
    """From ``least`` to ``most`` alternatives; ``labels`` where they were given."""

    least: int
    most: int
    labels: tuple[Label, ...] | None

    def named(self, size: int) -> tuple[Label, ...]:
        """The labels of so many alternatives."""
        return tuple(range(size)) if self.labels is None else self.labels


def bounds(name: str, given: Any, least: int = 1) -> tuple[int, int]:
    """The bounds of a number that is at least ``least``."""
    pair = given if isinstance(given, tuple) else (given, given)
    try:
        low, high = (operator.index(end) for end in pair)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: needed a whole number or a pair (least, most) of them, got {given!r}") from None
    if not least <= low <= high:
        raise ValueError(f"{name}: needed {least} or more, the smaller bound first, got {given!r}")
    return low, high


def sizes(alternatives: Any, least: int = 1) -> Sizes:
    """The number of alternatives; a pair of whole numbers bounds it, any other iterable holds labels."""
    numbers = isinstance(alternatives, tuple) and len(alternatives) == 2 and all(map(_whole, alternatives))
    if not isinstance(alternatives, Iterable) or numbers:
        return Sizes(*bounds("alternatives", alternatives, least), None)
    labels = tuple(alternatives)
    bounds("alternatives", len(labels), least)
    return Sizes(len(labels), len(labels), names(labels, len(labels)))


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
