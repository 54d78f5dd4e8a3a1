"""What the rules that elect committees have in common: seats, equal ballots merged, and ties followed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import chain, combinations, islice
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import committees
from choicekit.outcomes import TIE_TOLERANCE, Committees, Labels, Round, Seating, TieBreak
from choicekit.profiles._columns import Floats, frozen
from choicekit.rules._ties import parallel_universes

Ints = NDArray[np.int64]
State = TypeVar("State")

UNIVERSES = parallel_universes()


def seats(name: str, size: Any, alternatives: Labels) -> int:
    """The number of seats, checked.

    >>> seats("stv", 3, ("a", "b"))
    Traceback (most recent call last):
        ...
    ValueError: stv: needed a size from 1 to the 2 alternatives, got 3
    """
    if isinstance(size, bool) or not isinstance(size, int | np.integer):
        raise TypeError(f"{name}: size must be a whole number of seats, got {size!r}")
    if not 1 <= size <= len(alternatives):
        raise ValueError(f"{name}: needed a size from 1 to the {len(alternatives)} alternatives, got {size}")
    return int(size)


def level(scores: Floats, unit: float = 0.0) -> Ints:
    """The alternatives with the highest score, all of them where they tie: relative to it, or to a unit if larger.

    >>> level(np.array([0.3, 0.1 + 0.2, -np.inf])).tolist()
    [0, 1]
    """
    best = scores.max()
    slack = TIE_TOLERANCE * max(abs(float(best)), unit)
    return np.flatnonzero((scores == best) | (scores >= best - slack))


def digest(*arrays: NDArray[Any]) -> bytes:
    """A short key of the states of a course, alike for arrays that are equal.

    >>> digest(np.zeros(2)) == digest(np.zeros(2)), len(digest(np.zeros(2)))
    (True, 16)
    """
    key = hashlib.blake2b(digest_size=16)
    for array in arrays:
        key.update(np.ascontiguousarray(array).tobytes())
    return key.digest()


class Course(NamedTuple, Generic[State]):
    """A rule that elects one alternative after the other.

    ``worths(state)`` are scores ``[m]``, -inf for who cannot be elected, or ``None`` when it is over;
    ``seat(state, a, worths)`` is the state after a is elected; ``elected(state)`` who is; states of equal ``key`` go
    on alike. Scores tie relative to the best, or to ``unit`` where that is larger.
    """

    start: State
    worths: Callable[[State], Floats | None]
    seat: Callable[[State, int, Floats], State]
    elected: Callable[[State], NDArray[np.bool_]]
    key: Callable[[State], Any]
    unit: float = 0.0


def elects(width: int, worths: Callable[[NDArray[np.bool_]], Floats | None]) -> Course[NDArray[np.bool_]]:
    """A course on which worths depend only on who is elected, ``[m]``.

    >>> elects(2, lambda elected: None).start.tolist()
    [False, False]
    """

    def seat(elected: NDArray[np.bool_], alternative: int, _: Floats) -> NDArray[np.bool_]:
        after = elected.copy()
        after[alternative] = True
        return after

    return Course(np.zeros(width, np.bool_), worths, seat, lambda elected: elected, lambda elected: elected.tobytes())


class Followed(NamedTuple):
    """Where a course led: committees as tuples of columns, the ties as broken, the rounds, the last state met."""

    committees: list[tuple[int, ...]]
    ties: TieBreak
    rounds: tuple[Round, ...]
    last: Any


def follow(course: Course[Any], alternatives: Labels, ties: TieBreak) -> Followed:
    """Elect one by one, in every universe or by an order."""
    ties = ties.settled(alternatives)
    place = ties.ranks(alternatives)
    stack, seen = [course.start], {course.key(course.start)}
    found: dict[tuple[int, ...], None] = {}
    rounds: list[Round] = []
    visited, branched, last = 0, False, course.start
    while stack:
        if found and place is None and visited >= (ties.budget or np.inf):
            break
        state = stack.pop()
        visited += 1
        worths = course.worths(state)
        elected = course.elected(state)
        if worths is None:
            found[tuple(np.flatnonzero(elected).tolist())] = None
            last = state
            continue
        tied = level(worths, course.unit)
        if place is not None:
            tied = tied[[int(np.argmin(place[tied]))]]
        branched |= len(tied) > 1
        if not branched:
            standing = np.flatnonzero(~elected)
            rounds.append(
                Seating(
                    tuple(alternatives[a] for a in standing), frozen(worths[standing]), (), (alternatives[tied[0]],)
                )
            )
        for a in tied[::-1].tolist():
            after = course.seat(state, a, worths)
            key = course.key(after)
            if key not in seen:
                seen.add(key)
                stack.append(after)
    done = replace(ties, universes=visited if place is None else None, complete=not stack)
    return Followed(sorted(found), done, () if branched else tuple(rounds), last)


def outcome(
    alternatives: Labels, size: int, found: Followed, *, score: float | None = None, notes: Iterable[str] = ()
) -> Committees:
    """The committees a course led to, in labels."""
    named = tuple(tuple(alternatives[a] for a in committee) for committee in found.committees)
    notes = tuple(notes) + (() if found.ties.complete else (unfinished(found.ties),))
    return Committees(alternatives, named, size, score, score, found.ties, found.rounds, notes)


def unfinished(ties: TieBreak) -> str:
    """The note of a search of universes that its budget ended."""
    return (
        f"{ties.universes} universes were visited, as many as the budget of {ties.budget} allows; other committees may "
        "win too"
    )


def separable(alternatives: Labels, size: int, scores: Floats, ties: TieBreak) -> Committees:
    """The committees with the highest sum of scores: who is above the last seat, and a choice among those on it."""
    ties = ties.settled(alternatives)
    place = ties.ranks(alternatives)
    last = np.sort(scores)[::-1][size - 1]
    slack = TIE_TOLERANCE * np.abs(scores).max()
    sure = np.flatnonzero(scores > last + slack).tolist()
    tied = np.flatnonzero(np.abs(scores - last) <= slack).tolist()
    complete = True
    if place is not None:
        tied = sorted(tied, key=lambda a: int(place[a]))[: size - len(sure)]
    choices = combinations(tied, size - len(sure))
    listed = list(islice(choices, ties.budget))
    complete = next(choices, None) is None
    found = [tuple(sorted(chain(sure, choice))) for choice in listed]
    done = replace(ties, universes=len(found) if place is None else None, complete=complete)
    total = float(scores[list(found[0])].sum())
    return outcome(alternatives, size, Followed(found, done, (), None), score=total)


def chosen(
    alternatives: Labels, size: int, best: Iterable[tuple[int, ...]], ties: TieBreak, *, listed: bool,
    score: float, bound: float,
) -> Committees:  # fmt: skip
    """The outcome of a rule that maximises a score: all the best committees, or the one that an order puts first.

    An order compares committees by their most preferred member, then by the next one.
    """
    found = sorted(set(best))
    ties = ties.settled(alternatives)
    place = ties.ranks(alternatives)
    notes = []
    if bound > score:
        notes.append(f"the search ended before its proof: no committee has a score above {bound:.10g}")
    if not listed:
        notes.append("not all of the best committees are listed")
    if place is not None:
        found = [min(found, key=lambda committee: sorted(place[list(committee)].tolist()))]
    done = replace(ties, universes=len(found) if place is None else None, complete=listed and bound <= score)
    named = tuple(tuple(alternatives[a] for a in committee) for committee in found)
    return Committees(alternatives, named, size, score, bound, done, (), tuple(notes))


def shares(values: NDArray[Any], weights: Floats) -> Floats:
    """The weight of the approvals of each alternative, ``[m]``."""
    return committees.totals(values.view(np.uint8), weights)
