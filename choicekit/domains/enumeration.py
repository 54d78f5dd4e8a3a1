"""Every profile of a size, once, or once up to the names of the voters, of the alternatives, or of both.

Profiles that differ only by a permutation of the voters are one anonymous profile; profiles that differ only by a
relabelling of the alternatives are one to a neutral rule.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from choicekit.domains._culture import Alternatives, labelled, whole
from choicekit.profiles import Rankings
from choicekit.profiles._columns import Label

#: Every strict ranking of all alternatives; every weak one; or every strict ranking of at least one alternative.
Ballots: TypeAlias = Literal["strict", "weak", "truncated"]
Ints = NDArray[np.int64]

_BLOCK = 4096


class Orbit(NamedTuple):
    """A profile that stands for all those a permutation of voters or a relabelling of alternatives makes of it.

    ``multiplicity`` is how many profiles with named voters and alternatives it stands for, ``relabellings`` how many
    different ones relabelling makes of it (1 where the enumeration is not ``neutral``). The chance of the orbit is
    ``multiplicity`` over m!^n in the impartial culture, and ``relabellings`` over C(n + m! − 1, n) in the impartial
    anonymous culture.

    >>> next(orbits(voters=2, alternatives=2, anonymous=True, neutral=True)).multiplicity
    2
    """

    profile: Rankings
    multiplicity: int
    relabellings: int


def every(
    *,
    voters: int,
    alternatives: Alternatives,
    anonymous: bool = False,
    neutral: bool = False,
    ballots: Ballots = "strict",
) -> Iterator[Rankings]:
    """Every profile of so many voters on these alternatives (a number, or labels), in lexicographic order.

    ``anonymous``: once up to the order of the voters, where equal ballots are one row with its number for weight.
    ``neutral``: once up to relabelling the alternatives, the profile that comes first for all. ``ballots`` are the
    m! ``"strict"`` rankings, all ``"weak"`` ones, or the ``"truncated"`` ones: strict, of at least one alternative. (A
    ballot that leaves one alternative unranked is there besides the one that ranks it last.) :func:`count` says how
    many there are. Raises ``ValueError`` for fewer than one voter or alternative.

    Source: Eğecioğlu and Giritligil 2013 (doi:10.1080/0022250X.2011.597012) on anonymity and neutrality.

    >>> [profile.ranks.tolist() for profile in every(voters=2, alternatives=2)]
    [[[0, 1], [0, 1]], [[0, 1], [1, 0]], [[1, 0], [0, 1]], [[1, 0], [1, 0]]]
    >>> for profile in every(voters=2, alternatives=2, anonymous=True, neutral=True):
    ...     print(profile.ranks.tolist(), profile.weights.tolist())
    [[0, 1]] [2.0]
    [[0, 1], [1, 0]] [1.0, 1.0]
    """
    found = orbits(voters=voters, alternatives=alternatives, anonymous=anonymous, neutral=neutral, ballots=ballots)
    return (orbit.profile for orbit in found)


def orbits(
    *,
    voters: int,
    alternatives: Alternatives,
    anonymous: bool = False,
    neutral: bool = False,
    ballots: Ballots = "strict",
) -> Iterator[Orbit]:
    """The profiles of :func:`every`, each with how many it stands for; the multiplicities add up to all profiles.

    >>> [orbit.multiplicity for orbit in orbits(voters=3, alternatives=2, anonymous=True)]      # aaa, aab, abb, bbb
    [1, 3, 3, 1]
    >>> found = list(orbits(voters=3, alternatives=3, anonymous=True, neutral=True))
    >>> len(found), sum(orbit.multiplicity for orbit in found) == 6**3
    (10, True)
    """
    labels, voters = labelled(alternatives), whole("voters", voters)
    return _orbits(_every_ballot(len(labels), _known(ballots)), voters, labels, anonymous, neutral)


def _orbits(ballots: Ints, voters: int, labels: tuple[Label, ...], anonymous: bool, neutral: bool) -> Iterator[Orbit]:
    relabelled = _relabelled(ballots) if neutral else np.arange(len(ballots))[None]
    least = np.flatnonzero((relabelled >= np.arange(len(ballots))).all(0)).tolist()
    rows = _tuples(least, len(ballots), voters, anonymous)
    while block := list(itertools.islice(rows, _BLOCK)):
        chosen = np.array(block, np.int64)
        for row, size in zip(block, _sizes(chosen, relabelled, anonymous).tolist(), strict=True):
            if size and anonymous:
                times = Counter(row)
                orders = math.factorial(voters) // math.prod(map(math.factorial, times.values()))
                profile = Rankings(ballots[list(times)], list(times.values()), labels)
                yield Orbit(profile, size * orders, size)
            elif size:
                yield Orbit(Rankings(ballots[list(row)], None, labels), size, size)


def _tuples(least: list[int], ballots: int, voters: int, anonymous: bool) -> Iterator[tuple[int, ...]]:
    """The ballots of the voters, that of the first among ``least``; in ascending order where they are anonymous."""
    if anonymous and len(least) == ballots:  # every ballot may come first
        yield from itertools.combinations_with_replacement(range(ballots), voters)
        return
    for first in least:
        rest: Iterable[tuple[int, ...]] = (
            itertools.combinations_with_replacement(range(first, ballots), voters - 1)
            if anonymous
            else itertools.product(range(ballots), repeat=voters - 1)
        )
        for others in rest:
            yield (first, *others)


def _sizes(chosen: Ints, relabelled: Ints, anonymous: bool) -> Ints:
    """How many profiles relabelling makes of each row of ballots; 0 where one of them comes before it."""
    rows = np.arange(len(chosen))
    first, unmoved = np.ones(len(chosen), np.bool_), np.zeros(len(chosen), np.int64)
    for image_of in relabelled:
        image = image_of[chosen]
        if anonymous:
            image.sort(1)
        change = image - chosen
        sign = change[rows, (change != 0).argmax(1)]
        first &= sign >= 0
        unmoved += sign == 0
    return np.where(first, len(relabelled) // np.maximum(unmoved, 1), 0)


def _every_ballot(size: int, ballots: Ballots) -> Ints:
    """Ranks of every ballot in lexicographic order, where the unranked (-1) come after the last."""
    if ballots == "strict":
        return np.array(list(itertools.permutations(range(size))), np.int64)
    if ballots == "weak":
        found = [ranks for ranks in itertools.product(range(size), repeat=size) if len(set(ranks)) == max(ranks) + 1]
        return np.array(found, np.int64)
    places = [
        tuple(order.index(a) if a in order else size for a in range(size))
        for length in range(1, size + 1)
        for order in itertools.permutations(range(size), length)
    ]
    ranks = np.array(sorted(places), np.int64)
    return np.where(ranks == size, -1, ranks)


def _relabelled(ballots: Ints) -> Ints:
    """Which ballot each becomes under each relabelling, ``[m!, ballots]``."""
    number = {tuple(ballot): place for place, ballot in enumerate(ballots.tolist())}
    moves = itertools.permutations(range(ballots.shape[1]))
    return np.array([[number[tuple(ballot)] for ballot in ballots[:, list(move)].tolist()] for move in moves])


def count(
    *,
    voters: int,
    alternatives: Alternatives,
    anonymous: bool = False,
    neutral: bool = False,
    ballots: Ballots = "strict",
) -> int:
    """How many profiles :func:`every` gives, by formula.

    With K ballots there are K^n profiles and C(n + K − 1, n) anonymous ones (K = m! strict rankings). Up to relabelling
    they are counted by the lemma of Cauchy, Frobenius and Burnside: the mean, over the m! relabellings, of how many
    profiles the relabelling leaves as they are.

    Source: Eğecioğlu and Giritligil 2013 (doi:10.1080/0022250X.2011.597012) for strict rankings.

    >>> count(voters=3, alternatives=3), count(voters=3, alternatives=3, anonymous=True)      # 6³ and C(8, 3)
    (216, 56)
    >>> count(voters=30, alternatives=4, anonymous=True, neutral=True)
    25975179970116
    """
    size, voters = len(labelled(alternatives)), whole("voters", voters)
    kinds = list(_partitions(size, size)) if neutral else [(1,) * size]
    total = sum(_share(kind) * _unmoved(kind, voters, anonymous, _known(ballots)) for kind in kinds)
    return total // sum(map(_share, kinds))


def _known(ballots: Any) -> Ballots:
    if ballots not in ("strict", "weak", "truncated"):
        raise ValueError(f"ballots: needed 'strict', 'weak' or 'truncated', got {ballots!r}")
    known: Ballots = ballots
    return known


def _partitions(total: int, largest: int) -> Iterator[tuple[int, ...]]:
    """The lengths of a permutation's cycles, in descending order."""
    if total == 0:
        yield ()
    for part in range(min(total, largest), 0, -1):
        for rest in _partitions(total - part, part):
            yield (part, *rest)


def _share(cycles: tuple[int, ...]) -> int:
    """How many permutations have cycles of these lengths."""
    times = Counter(cycles).items()
    alike = math.prod(int(length**often) * math.factorial(often) for length, often in times)
    return math.factorial(sum(cycles)) // alike


def _unmoved(cycles: tuple[int, ...], voters: int, anonymous: bool, ballots: Ballots) -> int:
    """How many profiles are left as they are by relabelling with such cycles."""
    if not anonymous:
        return int(_fixed(cycles, ballots) ** voters)
    order = math.lcm(*cycles)
    series = [1] + [0] * voters  # how many multisets of whole cycles of ballots there are, by their size
    of_length: dict[int, int] = {}
    for length in (length for length in range(1, order + 1) if order % length == 0):
        power = tuple(part // math.gcd(part, length) for part in cycles for _ in range(math.gcd(part, length)))
        shorter = sum(often for other, often in of_length.items() if length % other == 0)
        of_length[length] = _fixed(power, ballots) - shorter
        often = of_length[length] // length
        factor = {k * length: math.comb(often + k - 1, k) for k in range(voters // length + 1)} if often else {0: 1}
        series = [sum(series[n - k] * ways for k, ways in factor.items() if k <= n) for n in range(voters + 1)]
    return series[voters]


def _fixed(cycles: tuple[int, ...], ballots: Ballots) -> int:
    """How many ballots are left as they are by a permutation with such cycles."""
    alone = cycles.count(1)
    if ballots == "strict":
        return math.factorial(alone) if alone == len(cycles) else 0
    if ballots == "weak":  # each cycle is tied
        return _weak_orders(len(cycles))
    return sum(math.perm(alone, ranked) for ranked in range(1, alone + 1))


@cache
def _weak_orders(size: int) -> int:
    """How many weak orders there are (Fubini's numbers)."""
    return sum(math.comb(size, best) * _weak_orders(size - best) for best in range(1, size + 1)) if size else 1
