"""The single transferable vote: ballots pass on what their elected alternatives do not need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.kernels import transfers
from choicekit.outcomes import TIE_TOLERANCE, Committees, Labels, Round, Seating, TieBreak
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Floats, frozen
from choicekit.profiles._merging import merged
from choicekit.profiles._ranks import Unranked, reading
from choicekit.rules._committees import UNIVERSES, digest, seats, unfinished
from choicekit.rules._rule import rule

Quota: TypeAlias = Literal["droop", "hare", "hagenbach_bischoff"]

_QUOTAS: dict[str, Callable[[float, int], float]] = {
    "droop": lambda votes, size: float(np.floor(votes / (size + 1) * (1 + TIE_TOLERANCE)) + 1),
    "hare": lambda votes, size: votes / size,
    "hagenbach_bischoff": lambda votes, size: votes / (size + 1),
}


class Count(NamedTuple):
    """Where a count stands: who is standing and who elected ``[m]``, and what is left of each ballot ``[n]``.

    >>> Count(np.array([True]), np.array([False]), np.ones(1), ()).elected.tolist()
    [False]
    """

    standing: NDArray[np.bool_]
    elected: NDArray[np.bool_]
    weights: Floats
    rounds: tuple[Round, ...]


@rule
def single_transferable_vote(
    profile: Rankings, *, size: int, quota: Quota = "droop", simultaneous: bool = True, unranked: Unranked = "below",
    ties: TieBreak = UNIVERSES,
) -> Committees:  # fmt: skip
    """Seats for who reaches a quota, whose surplus passes on, and elimination of the last where nobody does (STV).

    A ballot counts for the highest alternative standing on it. Who has at least the quota is elected, and every ballot
    that counted for them goes on with the share (votes − quota) / votes of its weight (the weighted inclusive Gregory
    method); where nobody has it, who has the fewest votes goes out. Once no more are standing than there are seats left
    all of them are elected. With V the weight of the ballots that rank something the quota is ⌊V/(k+1)⌋ + 1
    (``"droop"``, for whole ballots), V/k (``"hare"``) or V/(k+1) (``"hagenbach_bischoff"``). All who have the quota
    are elected at once if ``simultaneous``, else the one with the most votes, whose surplus may pass to the others.
    A ballot counts in equal parts for alternatives level on it. It is exhausted where nothing it ranks is standing,
    under either reading of the ``unranked``. ``ties`` decides who goes out among the last and, one at a time, who is
    elected among the first. ``rounds`` are :class:`~choicekit.outcomes.Seating` with the votes, the elected in their
    order. Raises ``ValueError`` for a size that is not from 1 to m, an unknown quota, or if no ballot ranks anything.

    Source: Tideman 1995 (doi:10.1257/jep.9.1.27).

    >>> votes = Rankings.from_orders({"abc": 5, "bca": 1, "cab": 2})
    >>> found = single_transferable_vote(votes, size=2)      # quota 3: of a's 5 votes 2 pass to b, which then has 3
    >>> found.committees, [(turn.elected, turn.scores.tolist()) for turn in found.rounds]
    ((('a', 'b'),), [(('a',), [5.0, 1.0, 2.0]), (('b',), [3.0, 2.0])])
    """
    size = seats("single_transferable_vote", size, profile.alternatives)
    reading(unranked)
    if quota not in _QUOTAS:
        raise ValueError(f"single_transferable_vote: quota must be one of {', '.join(_QUOTAS)}, got {quota!r}")
    ranks, weights = merged(profile._ranks, profile.weights)
    cast = (ranks >= 0).any(1)
    if not cast.any():
        raise ValueError("single_transferable_vote: needed a ballot that ranks an alternative, got only empty ones")
    ranks, weights = ranks[cast], weights[cast]
    needed = _QUOTAS[quota](float(weights.sum()), size)
    ties = ties.settled(profile.alternatives)
    place = ties.ranks(profile.alternatives)
    width = len(profile.alternatives)
    stack = [Count(np.ones(width, np.bool_), np.zeros(width, np.bool_), weights, ())]
    seen: set[bytes] = set()
    found: dict[tuple[int, ...], tuple[Round, ...]] = {}
    visited, branched = 0, False
    while stack and not (found and place is None and visited >= (ties.budget or np.inf)):
        count = stack.pop()
        visited += 1
        if count.elected.sum() == size:
            found.setdefault(tuple(np.flatnonzero(count.elected).tolist()), count.rounds)
            continue
        after = _round(ranks, count, size, needed, simultaneous, place, profile.alternatives)
        branched |= len(after) > 1
        for state in reversed(after):
            key = digest(state.standing, state.elected, np.round(state.weights / needed, 9) + 0.0)
            if key not in seen:
                seen.add(key)
                stack.append(state)
    done = replace(ties, universes=visited if place is None else None, complete=not stack)
    named = tuple(tuple(profile.alternatives[a] for a in committee) for committee in sorted(found))
    rounds = () if branched else next(iter(found.values()))
    notes = () if done.complete else (unfinished(done),)
    return Committees(profile.alternatives, named, size, None, None, done, rounds, notes)


def _round(
    ranks: NDArray[Any], count: Count, size: int, needed: float, simultaneous: bool, place: NDArray[np.int64] | None,
    alternatives: Labels,
) -> list[Count]:  # fmt: skip
    """The states one round later, several where alternatives tie."""
    votes = transfers.tallies(ranks, count.weights, count.standing)
    standing = np.flatnonzero(count.standing)
    ordered = standing[np.argsort(-votes[standing], kind="stable")]
    slack = TIE_TOLERANCE * max(float(votes.max()), needed)
    left = size - int(count.elected.sum())
    if len(standing) <= left:
        return [_elect(ranks, count, votes, ordered, needed, alternatives)]
    reached = ordered[votes[ordered] >= needed - slack]
    if simultaneous and 0 < len(reached) <= left:
        return [_elect(ranks, count, votes, reached, needed, alternatives)]
    if len(reached):
        tied = reached[votes[reached] >= votes[reached[0]] - slack]
        if place is not None:
            tied = tied[[int(np.argmin(place[tied]))]]
        return [_elect(ranks, count, votes, np.array([a]), needed, alternatives) for a in np.sort(tied)]
    tied = standing[votes[standing] <= votes[standing].min() + slack]
    if place is not None:
        tied = tied[[int(np.argmax(place[tied]))]]
    return [_eliminate(count, votes, int(a), alternatives) for a in tied]


def _elect(
    ranks: NDArray[Any], count: Count, votes: Floats, winners: NDArray[np.int64], needed: float, alternatives: Labels
) -> Count:
    kept = np.zeros(len(votes))
    kept[winners] = np.where(votes[winners] > needed, needed / np.maximum(votes[winners], needed), 1.0)
    weights = transfers.passed_on(ranks, count.weights, count.standing, kept)
    standing, elected = count.standing.copy(), count.elected.copy()
    standing[winners] = False
    elected[winners] = True
    turn = _turn(count, votes, alternatives, (), tuple(alternatives[a] for a in winners))
    return Count(standing, elected, weights, (*count.rounds, turn))


def _eliminate(count: Count, votes: Floats, loser: int, alternatives: Labels) -> Count:
    standing = count.standing.copy()
    standing[loser] = False
    turn = _turn(count, votes, alternatives, (alternatives[loser],), ())
    return Count(standing, count.elected, count.weights, (*count.rounds, turn))


def _turn(count: Count, votes: Floats, alternatives: Labels, out: Labels, elected: Labels) -> Seating:
    standing = np.flatnonzero(count.standing)
    return Seating(tuple(alternatives[a] for a in standing), frozen(votes[standing]), out, elected)
