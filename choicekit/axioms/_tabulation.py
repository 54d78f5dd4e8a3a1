"""A rule asked once for every profile of a size, up to the symmetries it was checked to have."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import comb, factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._electorates import every_ballot, made
from choicekit.axioms._readings import name_of, read_winners
from choicekit.kernels import multisets, relabellings
from choicekit.outcomes import TIE_TOLERANCE, Labels, Lottery
from choicekit.profiles import Batch, Rankings

Masks = NDArray[np.uint16]
#: Symmetries are checked on every profile of the sizes that have at most so many.
CHECKED = 1_500
#: A table has at most so many rows, and a scan compares at most so many pairs of electorates.
ROWS = 10_000_000
_BLOCK = 1 << 15


def size(m: int, n: int) -> int:
    """How many anonymous profiles of strict rankings there are."""
    return comb(n + factorial(m) - 1, n)


@cache
def ballots(m: int) -> NDArray[np.int8]:
    """All strict rankings, ``[m!, m]``."""
    return np.array(every_ballot(m), np.int8)


@cache
def moved(m: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """What each ballot becomes under each relabelling, ``[r, k]``, and the relabellings ``[r, a]``."""
    moves = np.array(every_ballot(m), np.int64)
    number = {ballot: place for place, ballot in enumerate(every_ballot(m))}
    image = np.empty((len(moves), len(moves)), np.uint8)
    for r, move in enumerate(moves):
        ranks = np.empty_like(ballots(m))
        ranks[:, move] = ballots(m)
        image[r] = [number[tuple(row)] for row in ranks.tolist()]
    return image, moves


@functools.lru_cache(maxsize=32)
def classes(m: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """For each anonymous profile the one that stands for its relabellings, and a relabelling that leads from it."""
    image, _ = moved(m)
    return relabellings.classes(size(m, n), len(image), n, image, multisets.binomials(n, len(image)))


class TooManyError(ValueError):
    """A table of so many profiles is not made."""


@dataclass(frozen=True, eq=False)
class Table:
    """The winners of a rule on every anonymous profile of each size asked for, kept once found.

    ``calls`` counts the profiles that the rule itself was asked about.
    """

    rule: Callable[[Any], Any]
    neutral: bool
    calls: list[int] = field(default_factory=lambda: [0])
    _known: dict[tuple[int, int], Masks] = field(default_factory=dict)

    def __call__(self, m: int, n: int) -> Masks:
        if (m, n) not in self._known:
            self._known[m, n] = self._ask(m, n)
        return self._known[m, n]

    def cost(self, m: int, n: int) -> int:
        """How many profiles the rule would have to be asked about; about, where it is neutral."""
        if (m, n) in self._known or m == 1:
            return 0
        return -(-size(m, n) // factorial(m)) if self.neutral and size(m, n) > CHECKED else size(m, n)

    def _ask(self, m: int, n: int) -> Masks:
        if m == 1:  # nobody else could win
            return np.ones(1, np.uint16)
        if size(m, n) > ROWS:
            raise TooManyError(f"{name_of(self.rule)}: {size(m, n):,} profiles of {n} voters on {m} alternatives")
        if not self.neutral or size(m, n) <= CHECKED:
            answers = winners(self.rule, m, n, None)
            self.calls[0] += len(answers)
            return answers
        first, move = classes(m, n)
        standing = np.flatnonzero(first == np.arange(len(first)))
        self.calls[0] += len(standing)
        return relabellings.spread(first, move, winners(self.rule, m, n, standing), moved(m)[1])


def winners(rule: Callable[[Any], Any], m: int, n: int, places: NDArray[np.int64] | None) -> Masks:
    """The winners on the anonymous profiles at these places (all by default), each asked of the rule once."""
    total = size(m, n) if places is None else len(places)
    kernel = batching(rule)
    support = kernel is not None and support_is_read(rule)
    out = np.zeros(total, np.uint16)
    for start in range(0, total, _BLOCK):
        stop = min(start + _BLOCK, total)
        chosen = tuples(m, n, start, stop) if places is None else _at(m, n, places[start:stop])
        out[start:stop] = masks(kernel(ballots(m)[chosen]), support) if kernel else _one_by_one(rule, chosen, m)
    return out


def tuples(m: int, n: int, start: int, stop: int) -> NDArray[np.uint8]:
    """The sorted ballots of the profiles from one place up to another, ``[number, n]``."""
    found: NDArray[np.uint8] = multisets.tuples(factorial(m), n, start, stop)
    return found


def _at(m: int, n: int, places: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The sorted ballots of the profiles at some places, in ascending order."""
    runs = tuples(m, n, int(places[0]), int(places[-1]) + 1)
    chosen: NDArray[np.uint8] = runs[places - places[0]]
    return chosen


def batching(rule: Callable[[Any], Any]) -> Callable[[NDArray[np.int8]], NDArray[np.float64]] | None:
    """How a rule answers a batch of rankings in one call, where it can: with 1 or 0, scores, or a lottery's chances."""
    options: dict[str, Any] = {}
    while isinstance(rule, functools.partial):
        if rule.args:
            return None
        options = {**rule.keywords, **options}
        rule = rule.func
    many = getattr(rule, "batch", None)
    if getattr(rule, "kernel", None) is None or many is None:
        return None
    return lambda ranks: np.asarray(many(Batch(ranks), **options), np.float64)


def masks(scores: NDArray[np.float64], support: bool = False) -> Masks:
    """The alternatives of the highest score in each row (of a lottery, of a positive probability), as bits."""
    if support:
        return np.asarray(((scores > 1e-9) << np.arange(scores.shape[1])).sum(1), np.uint16)
    best = scores.max(1, keepdims=True)
    size = np.where(np.isfinite(scores), np.abs(scores), 0.0).max(1, keepdims=True)
    won = (scores == best) | (scores >= best - TIE_TOLERANCE * size)
    return np.asarray((won << np.arange(scores.shape[1])).sum(1), np.uint16)


def _one_by_one(rule: Callable[[Any], Any], chosen: NDArray[np.uint8], m: int) -> Masks:
    labels: Labels = tuple(range(m))
    held, ones = ballots(m)[chosen], np.ones(chosen.shape[1])
    out = np.empty(len(chosen), np.uint16)
    for row, ranks in enumerate(held):
        profile = made(ranks, ones, labels)
        out[row] = mask(ask(rule, profile), profile)
    return out


def ask(rule: Callable[[Any], Any], profile: Rankings) -> Any:
    """The outcome; what the rule raises says on which profile it did."""
    try:
        return rule(profile)
    except Exception as error:
        error.add_note(f"raised by {name_of(rule)} on the rankings {profile.ranks.tolist()}")
        raise


def mask(outcome: Any, profile: Rankings) -> int:
    """The winners as bits."""
    return sum(1 << int(a) for a in read_winners(outcome, profile))  # type: ignore[call-overload]


def support_is_read(rule: Callable[[Any], Any]) -> bool:
    """Whether the rule answers with a lottery, whose winners are its support and not its likeliest alternatives."""
    return isinstance(rule(made(np.array([[0, 1]], np.int8), np.ones(1), (0, 1))), Lottery)


def ordered(m: int, n: int) -> Iterator[Rankings]:
    """Every profile of named voters."""
    labels: Labels = tuple(range(m))
    for rows in itertools.product(range(factorial(m)), repeat=n):
        yield made(ballots(m)[list(rows)], np.ones(n), labels)
