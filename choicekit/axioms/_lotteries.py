"""Lotteries compared through strict ballots, and the search for one that all voters like better."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.axioms._electorates import Ranks, exchanged, made, order, singly
from choicekit.profiles import Rankings

Floats = NDArray[np.float64]
Chances = tuple[float, ...]

#: Probabilities, and sums of them, this close are the same, as rules find them by iterations that end before that.
TOLERANCE = 1e-6
#: Where a difference is to follow from what is the same only up to the tolerance, it must be larger than this.
APART = 1e-5


def show(chances: Sequence[float]) -> str:
    """A lottery in words."""
    return "(" + ", ".join(f"{chance + 0.0:.6g}" for chance in chances) + ")"


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference between the probabilities of two lotteries."""
    return max(abs(x - y) for x, y in zip(one, other, strict=True))


def gains(ranks: Sequence[int], new: Chances, old: Chances) -> list[float]:
    """By how much more likely ``new`` gives one of the k best alternatives of a ballot, for each k below m."""
    total, found = 0.0, []
    for a in order(ranks)[:-1]:
        total += new[a] - old[a]
        found.append(total)
    return found


def best(ranks: Sequence[int], size: int) -> list[int]:
    """The ``size`` best alternatives (columns) of a ballot."""
    return order(ranks)[:size]


def dominates(ranks: Sequence[int], new: Chances, old: Chances) -> bool:
    """Whether ``new`` is at least as likely to give one of the k best for every k, and likelier for some."""
    steps = gains(ranks, new, old)
    return min(steps, default=0.0) >= -TOLERANCE and max(steps, default=0.0) > TOLERANCE


def duel(ranks: Sequence[int], new: Chances, old: Chances) -> float:
    """The chance that ``new`` gives something better than ``old``, drawn apart, less the chance of something worse."""
    above, total = 0.0, 0.0
    for a in order(ranks):
        total += new[a] * (1.0 - old[a] - 2.0 * above)
        above += old[a]
    return total


def better_for_all(rows: Floats, old: Chances) -> Chances | None:
    """A lottery q with rows·q ≥ rows·old (up to 1e-9) and the largest sum of gains, if one is above the tolerance."""
    if not len(rows):
        return None
    level = rows @ np.array(old)
    found = solvers.linear_program(
        -rows.sum(0),
        at_most=(-rows, -level),
        equal=(np.ones((1, len(old))), np.ones(1)),
        bounds=[(0.0, None)] * len(old),
    )
    chances = np.maximum(found, 0.0)
    chances /= chances.sum()
    steps = rows @ chances - level
    if steps.max() <= TOLERANCE or steps.min() < -1e-9:
        return None
    return tuple(chances.tolist())


def prefix_rows(ballots: Sequence[Ranks]) -> Floats:
    """One row for each ballot and k: which alternatives are among its k best. Equal rows once."""
    rows = {tuple(float(rank < k) for rank in ballot) for ballot in ballots for k in range(1, len(ballot))}
    return np.array(sorted(rows), np.float64)


def duel_rows(ballots: Sequence[Ranks], old: Chances) -> Floats:
    """One row for each ballot: how an alternative fares against ``old``."""
    size = range(len(old))
    return np.array(
        [[sum(old[b] * ((r[b] > r[a]) - (r[b] < r[a])) for b in size) for a in size] for r in ballots], np.float64
    )


def clone_sets(profile: Rankings, rows: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Sets of at least two alternatives, not all, that are next to each other on all the ballots of some rows."""
    ranks = profile.ranks[list(rows)]
    size = ranks.shape[1]
    first = order(ranks[0].tolist())
    found = []
    for start in range(size):
        for stop in range(start + 2, size + 1):
            part = first[start:stop]
            if len(part) < size and (np.ptp(ranks[:, part], axis=1) == len(part) - 1).all():
                found.append(tuple(sorted(part)))
    yield from sorted(found, key=lambda part: (len(part), part))


def exchanges(profile: Rankings) -> Iterator[tuple[Rankings, Ranks, Ranks]]:
    """Any two voters of different ballots (or weights) in each other's place, with the ballots they cast."""
    alone = singly(profile)
    ranks, weights = alone.ranks, alone.weights
    if len(ranks) > 600:
        raise ValueError(
            f"anonymity_of_lotteries: needed at most 600 voters, whose exchanges are all looked at, got {len(ranks)}; "
            "fewer voters show it too"
        )
    for i, j in itertools.combinations(range(len(ranks)), 2):
        if weights[i] != weights[j] or (ranks[i] != ranks[j]).any():
            yield exchanged(alone, i, j), tuple(ranks[i].tolist()), tuple(ranks[j].tolist())


def splits(profile: Rankings, axiom: str) -> Iterator[tuple[Rankings, Rankings]]:
    """All ways to part the voters into two electorates, each once; a row of whole weight is as many voters."""
    cast = [row for row, weight in enumerate(profile.weights.tolist()) if weight > 0]
    sizes = [float(profile.weights[row]) for row in cast]
    steps = [int(size) if size.is_integer() else 1 for size in sizes]
    ways = math.prod(step + 1 for step in steps)
    if ways > 200_000:
        raise ValueError(
            f"{axiom}: needed at most 200,000 ways to part the voters into two, all of which are looked at, got "
            f"{ways:,}; ask with fewer voters, or equal ballots in one row with their number as weight"
        )
    for parts in itertools.product(*(range(step + 1) for step in steps)):
        rest = tuple(step - part for step, part in zip(steps, parts, strict=True))
        if any(parts) and any(rest) and parts >= rest:
            yield _part(profile, cast, sizes, steps, parts), _part(profile, cast, sizes, steps, rest)


def _part(profile: Rankings, cast: list[int], sizes: list[float], steps: list[int], parts: tuple[int, ...]) -> Rankings:
    """So many steps of the weight of each row; rows of none are left out."""
    rows = [row for row, part in zip(cast, parts, strict=True) if part]
    weights = [size * part / step for size, step, part in zip(sizes, steps, parts, strict=True) if part]
    return made(profile._ranks[rows], np.array(weights), profile.alternatives)
