"""A rule asked once for every profile of a size, up to the symmetries it was checked to have."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from math import comb, factorial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms._electorates import every_ballot, made
from choicekit.axioms._readings import located, name_of
from choicekit.axioms._readings import winners as reading
from choicekit.kernels import multisets, relabellings
from choicekit.outcomes import TIE_TOLERANCE, Labels, Lottery
from choicekit.profiles import Batch, Rankings

Masks = NDArray[np.uint16]
#: For each profile the one that stands for it, and the number of a relabelling that leads from that one to it.
Classes: TypeAlias = tuple[NDArray[np.int32], NDArray[np.uint8]]
#: Symmetries are checked on every profile of the sizes that have at most so many.
CHECKED = 1_500
#: A table has at most so many rows, and ballots and voters have numbers of a byte.
ROWS = 10_000_000
MOST_ALTERNATIVES, MOST_VOTERS = 5, 255
#: Classes of more profiles are not kept from one rule to the next.
_KEPT = 1_000_000
_BLOCK = 1 << 15
_PLAIN = (set, frozenset, tuple, list)


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


def classes(m: int, n: int) -> Classes:
    """For each anonymous profile the one that stands for its relabellings, and a relabelling that leads from it."""
    return _kept_classes(m, n) if size(m, n) <= _KEPT else _classes(m, n)


@functools.lru_cache(maxsize=64)
def _kept_classes(m: int, n: int) -> Classes:
    return _classes(m, n)


def _classes(m: int, n: int) -> Classes:
    image, _ = moved(m)
    return relabellings.classes(size(m, n), len(image), n, image, multisets.binomials(n, len(image)))


def _stands(held: Classes) -> NDArray[np.bool_]:
    """Which profiles stand for their relabellings."""
    first, _ = held
    found: NDArray[np.bool_] = first == np.arange(len(first))
    return found


class TooManyError(ValueError):
    """A table of so many profiles is not made."""


@dataclass(frozen=True, eq=False)
class Table:
    """The winners of a rule on every anonymous profile of each size asked for, kept once found.

    ``calls`` counts the profiles that the rule itself was asked about.
    """

    rule: Callable[[Any], Any]
    neutral: bool = False
    calls: list[int] = field(default_factory=lambda: [0])
    _known: dict[tuple[int, int], Masks] = field(default_factory=dict)
    _standing: dict[tuple[int, int], NDArray[np.bool_]] = field(default_factory=dict)
    _pending: dict[tuple[int, int], Classes] = field(default_factory=dict)

    def __call__(self, m: int, n: int) -> Masks:
        if (m, n) not in self._known:
            self._known[m, n] = self._ask(m, n)
        return self._known[m, n]

    def cost(self, m: int, n: int) -> int:
        """How many profiles the rule would have to be asked about; about, where it is neutral."""
        if (m, n) in self._known or m == 1:
            return 0
        return -(-size(m, n) // factorial(m)) if self.neutral and size(m, n) > CHECKED else size(m, n)

    def standing(self, m: int, n: int) -> NDArray[np.bool_] | None:
        """The profiles asked about, each the first of its relabellings; ``None`` where these are all."""
        if not self.neutral or size(m, n) <= CHECKED or not reaches(m, n):
            return None
        if (m, n) not in self._standing:
            self._pending[m, n] = classes(m, n)
            self._standing[m, n] = _stands(self._pending[m, n])
        return self._standing[m, n]

    def counted(self, profile: Rankings) -> Any:
        """What the rule says, which counts as a call."""
        self.calls[0] += 1
        return self.rule(profile)

    def of_neutral(self) -> Table:
        """The table of the same rule, which treats alternatives alike, with all that is known."""
        return replace(self, neutral=True)

    def _ask(self, m: int, n: int) -> Masks:
        if m == 1:  # nobody else could win
            return np.ones(1, np.uint16)
        if not reaches(m, n):
            raise TooManyError(f"{name_of(self.rule)}: {size(m, n):,} profiles of {n} voters on {m} alternatives")
        if not self.neutral or size(m, n) <= CHECKED:
            answers = winners(self.rule, m, n, None)
            self.calls[0] += len(answers)
            return answers
        held = self._pending.pop((m, n), None) or classes(m, n)
        self._standing.setdefault((m, n), _stands(held))
        standing = np.flatnonzero(self._standing[m, n])
        self.calls[0] += len(standing)
        return relabellings.spread(*held, winners(self.rule, m, n, standing), moved(m)[1])


def reaches(m: int, n: int) -> bool:
    """Whether a table of this size is made."""
    return m <= MOST_ALTERNATIVES and n <= MOST_VOTERS and size(m, n) <= ROWS


def scanned(m: int, n: int) -> bool:
    """Whether every scan has room for this size; they ask for tables of up to three times as many voters."""
    return m <= MOST_ALTERNATIVES and 3 * n <= MOST_VOTERS


def winners(rule: Callable[[Any], Any], m: int, n: int, places: NDArray[np.int64] | None) -> Masks:
    """The winners on the anonymous profiles at these places (all by default), each asked of the rule once."""
    total = size(m, n) if places is None else len(places)
    kernel = batching(rule)
    support = kernel is not None and support_is_read(rule, m)
    out = np.zeros(total, np.uint16)
    for start in range(0, total, _BLOCK):
        stop = min(start + _BLOCK, total)
        chosen = tuples(m, n, start, stop) if places is None else _at(m, n, places[start:stop])
        out[start:stop] = masks(kernel(ballots(m)[chosen]), support) if kernel else one_by_one(rule, chosen, m)
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


def one_by_one(rule: Callable[[Any], Any], chosen: NDArray[Any], m: int) -> Masks:
    """The winners on profiles of these ballots ``[number, n]``, each asked of the rule by itself."""
    if m == 1:  # nobody else could win
        return np.ones(len(chosen), np.uint16)
    labels: Labels = tuple(range(m))
    held, ones = ballots(m)[chosen], np.ones(chosen.shape[1])
    out, bits = np.empty(len(chosen), np.uint16), _bits(m)
    for row, ranks in enumerate(held):
        profile = made(ranks, ones, labels)
        try:
            outcome = rule(profile)
            out[row] = _plainly(outcome, m) or bits[reading.read(outcome, profile)]
        except Exception as error:
            located(error, rule, profile)
            raise
    return out


def _plainly(outcome: Any, m: int) -> int:
    """The bits of a plain set, tuple or list of alternatives 0, 1, …; 0 for all else, to be read with care."""
    if type(outcome) not in _PLAIN:
        return 0
    bits = 0
    for a in outcome:
        if type(a) is not int or not 0 <= a < m or bits >> a & 1:
            return 0
        bits |= 1 << a
    return bits


@cache
def _bits(m: int) -> dict[Labels, int]:
    """Every set of winners among alternatives 0, 1, …, as a tuple in their order, as bits."""
    chosen = [tuple(a for a in range(m) if bits >> a & 1) for bits in range(1 << m)]
    return {each: bits for bits, each in enumerate(chosen)}


def support_is_read(rule: Callable[[Any], Any], m: int) -> bool:
    """Whether the rule answers with a lottery, whose winners are its support and not its likeliest alternatives."""
    return isinstance(rule(made(ballots(m)[:1].copy(), np.ones(1), tuple(range(m)))), Lottery)


def ordered(m: int, n: int) -> Iterator[Rankings]:
    """Every profile of named voters."""
    labels: Labels = tuple(range(m))
    for rows in itertools.product(range(factorial(m)), repeat=n):
        yield made(ballots(m)[list(rows)], np.ones(n), labels)
