"""Profiles of rankings made from one another: a ballot changed, voters who join or leave, alternatives withdrawn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label

Ranks = tuple[int, ...]


@cache
def every_ballot(size: int) -> tuple[Ranks, ...]:
    """The ranks of all strict rankings of so many alternatives, in lexicographic order, the identity first."""
    return tuple(itertools.permutations(range(size)))


def strict(profile: Rankings, axiom: str) -> Rankings:
    """The profile, where its ballots are strict and complete, with ranks from 0 to m − 1; else a refusal."""
    sorted_rows = np.sort(profile.ranks, axis=1)
    if (sorted_rows[:, 0] < 0).any() or (sorted_rows[:, 1:] == sorted_rows[:, :-1]).any():
        raise ValueError(
            f"{axiom}: needed strict rankings of all alternatives; some ballots have ties or leave alternatives "
            "unranked. Break the ties or complete the ballots yourself, so that the choice is yours to see"
        )
    if (sorted_rows[:, -1] == profile.ranks.shape[1] - 1).all():
        return profile
    dense = profile.ranks.argsort(axis=1).argsort(axis=1).astype(profile._ranks.dtype)
    return made(dense, profile.weights, profile.alternatives)


def casting(profile: Rankings) -> list[int]:
    """The rows that somebody cast, one of each kind of equal ballots."""
    seen: dict[bytes, int] = {}
    for row in np.flatnonzero(profile.weights > 0).tolist():
        seen.setdefault(profile._ranks[row].tobytes(), row)
    return list(seen.values())


def total(profile: Rankings) -> float:
    """How many voters there are."""
    return float(profile.weights.sum())


def one_voter(weight: float) -> float:
    """What one voter of a row weighs: 1 in a whole number of voters, else the row is one voter."""
    return 1.0 if weight > 1 and float(weight).is_integer() else float(weight)


def made(ranks: NDArray[np.int8], weights: NDArray[np.float64], alternatives: tuple[Label, ...]) -> Rankings:
    """A profile of rows that are known to be right, without looking at them again."""
    return Rankings._made(ranks, weights, alternatives)


def replaced(profile: Rankings, row: int, ranks: Ranks) -> Rankings:
    """One voter of a row casts another ballot."""
    weights, rows = profile.weights, profile._ranks
    weight = float(weights[row])
    unit = one_voter(weight)
    if unit == weight:
        changed = rows.copy()
        changed[row] = ranks
        return made(changed, weights, profile.alternatives)
    fewer = weights.copy()
    fewer[row] = weight - unit
    return made(np.vstack([rows, np.array([ranks], rows.dtype)]), np.append(fewer, unit), profile.alternatives)


def joined(profile: Rankings, ranks: Ranks, voters: float = 1.0) -> Rankings:
    """Voters who cast one more ballot join."""
    rows = np.vstack([profile._ranks, np.array([ranks], profile._ranks.dtype)])
    return made(rows, np.append(profile.weights, voters), profile.alternatives)


def without(profile: Rankings, row: int, voters: float | None = None) -> Rankings | None:
    """One voter of a row (or so many) stays away; ``None`` where nobody is left."""
    weight = float(profile.weights[row])
    left = weight - (one_voter(weight) if voters is None else voters)
    if left > 0:
        fewer = profile.weights.copy()
        fewer[row] = left
        return made(profile._ranks, fewer, profile.alternatives)
    keep = np.arange(len(profile.weights)) != row
    if not (profile.weights[keep] > 0).any():
        return None
    return made(profile._ranks[keep], profile.weights[keep], profile.alternatives)


def united(one: Rankings, other: Rankings) -> Rankings:
    """Both electorates together."""
    rows = np.vstack([one._ranks, other._ranks])
    return made(rows, np.concatenate([one.weights, other.weights]), one.alternatives)


def repeated(profile: Rankings, times: int) -> Rankings:
    """Every voter so many times over, one row after the other."""
    return made(
        np.concatenate([profile._ranks] * times), np.concatenate([profile.weights] * times), profile.alternatives
    )


def restricted(profile: Rankings, keep: Sequence[int]) -> Rankings:
    """The ballots on some of the alternatives (columns), which the voters rank as before."""
    part = profile.ranks[:, list(keep)]
    ranks = np.full(part.shape, -1, np.int8)
    for row, values in enumerate(part.tolist()):
        place = {value: rank for rank, value in enumerate(sorted({value for value in values if value >= 0}))}
        ranks[row] = [place.get(value, -1) for value in values]
    return made(ranks, profile.weights, tuple(profile.alternatives[a] for a in keep))


def relabelled(profile: Rankings, moves: Sequence[int]) -> Rankings:
    """What was said of alternative ``a`` (a column) is said of ``moves[a]``."""
    ranks = np.empty_like(profile._ranks)
    ranks[:, list(moves)] = profile._ranks
    return made(ranks, profile.weights, profile.alternatives)


def turned(profile: Rankings) -> Rankings:
    """Every strict ballot upside down."""
    return made((profile._ranks.shape[1] - 1 - profile._ranks).astype(np.int8), profile.weights, profile.alternatives)


def order(ranks: Sequence[int]) -> list[int]:
    """The columns of a strict ballot, best first."""
    return sorted(range(len(ranks)), key=ranks.__getitem__)


def lifted(ranks: Sequence[int]) -> Iterator[tuple[int, Ranks]]:
    """Each alternative that is not on top, with the ballot on which it has changed places with the one above it."""
    for place, (above, below) in enumerate(itertools.pairwise(order(ranks))):
        new = list(ranks)
        new[above], new[below] = place + 1, place
        yield below, tuple(new)


def said(profile: Rankings, ranks: Sequence[int]) -> str:
    """A ballot in words, best first, with ``=`` between those level; the unranked are left out."""
    tiers: dict[int, list[str]] = {}
    for label, rank in zip(profile.alternatives, ranks, strict=True):
        if rank >= 0:
            tiers.setdefault(rank, []).append(str(label))
    return " > ".join(" = ".join(tiers[rank]) for rank in sorted(tiers))


def voting(profile: Rankings, named: bool) -> list[int]:
    """The rows that somebody cast: all where voters are named, else one of each kind of equal ballots."""
    return np.flatnonzero(profile.weights > 0).tolist() if named else casting(profile)


def singly(profile: Rankings) -> Rankings:
    """One row for each voter, where all weights are whole; else the rows that somebody cast, each one voter."""
    kept = profile.weights > 0
    ranks, weights = profile._ranks[kept], profile.weights[kept]
    if (weights == np.floor(weights)).all():
        ranks = np.repeat(ranks, weights.astype(np.int64), axis=0)
        weights = np.ones(len(ranks))
    return made(ranks, weights, profile.alternatives)


def exchanged(profile: Rankings, i: int, j: int) -> Rankings:
    """Two rows change places."""
    rows = np.arange(len(profile.weights))
    rows[[i, j]] = j, i
    return made(profile._ranks[rows], profile.weights[rows], profile.alternatives)


def lies(profile: Rankings, rows: Sequence[int]) -> Iterator[tuple[int, Ranks, Ranks, Rankings]]:
    """Each other strict ballot one voter of these rows may cast: the row, the true ballot, the other, what comes."""
    for row in rows:
        truth = tuple(profile.ranks[row].tolist())
        for ballot in every_ballot(len(truth)):
            if ballot != truth:
                yield row, truth, ballot, replaced(profile, row, ballot)


def listed(labels: Sequence[Label]) -> str:
    """Labels in a sentence."""
    words = [str(label) for label in labels]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def affordable(number: int, axiom: str, what: str) -> None:
    """Refuse to look at more than 200,000 of something."""
    if number > 200_000:
        raise ValueError(f"{axiom}: {number:,} {what} to look at; needed at most 200,000, so give a smaller profile")
