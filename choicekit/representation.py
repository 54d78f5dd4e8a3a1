"""Whether a committee represents every group of voters that is large and agrees enough to deserve it.

With n the weight of all voters and k the size of the committee, a group deserves ℓ seats where it weighs ℓ n/k. A check
returns the group that is not represented, or ``None``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import graphs, solvers
from choicekit.kernels import committees
from choicekit.outcomes import TIE_TOLERANCE, Labels
from choicekit.profiles import Approvals, Rankings
from choicekit.profiles._columns import Label, short
from choicekit.profiles._merging import electorate
from choicekit.profiles._ranks import Unranked, reading

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Unrepresented:
    """A group of voters that a committee does not represent as an axiom demands.

    ``voters`` are rows of the profile, of ``weight`` together where ``needed`` was enough to deserve ``seats`` seats;
    ``alternatives`` are what they agree on (or, in the core, would rather have). ``str`` says it in words.

    >>> print(Unrepresented("justified representation", (0, 1), 2.0, 1.5, ("a",), 1))
    justified representation fails: ballots of weight 2 (1.5 deserve 1 seat) agree on 'a'
    """

    axiom: str
    voters: tuple[int, ...]
    weight: float
    needed: float
    alternatives: Labels
    seats: int

    def __str__(self) -> str:
        deed = "would all be better off with" if self.axiom == "the core" else "agree on"
        return (
            f"{self.axiom} fails: ballots of weight {self.weight:.10g} ({self.needed:.10g} deserve "
            f"{self.seats} seat{'s' if self.seats > 1 else ''}) {deed} {short(self.alternatives)}"
        )


def local_stability(profile: Rankings, committee: Iterable[Label], *, unranked: Unranked = "below") -> float:
    """How much of a seat's worth of voters prefer one alternative outside to every member: stable up to 1.

    γ = k · max_{a ∉ W} (weight of the voters who rank a above all of W) / n, and 0 where all are members. A committee
    is γ'-locally stable for every γ' above γ. A member that a ballot does not rank is below what it ranks, or
    (``unranked="absent"``) the ballot prefers nothing to it. Raises ``ValueError`` for a committee that is empty, or
    names what is no alternative or is there twice.

    Source: Aziz, Elkind, Faliszewski, Lackner and Skowron 2017 (doi:10.24963/ijcai.2017/13); Jiang, Munagala and Wang
    2020 (doi:10.1145/3357713.3384238).

    >>> votes = Rankings.from_orders({"abcd": 6, "dcba": 4})
    >>> [local_stability(votes, members) for members in ("a", "ab", "abc", "ad")]
    [0.4, 0.8, 1.2, 0.0]
    """
    inside = _members("local_stability", profile.alternatives, committee)
    absent = reading(unranked) == "absent"
    ranks = profile._ranks
    far = np.iinfo(np.int64).max
    held = np.where(ranks[:, inside] >= 0, ranks[:, inside].astype(np.int64), -1 if absent else far).min(1)
    prefers = (ranks >= 0) & (ranks < held[:, None]) & ~inside
    weight = profile.weights @ prefers
    return float(inside.sum() * weight.max() / profile.weights.sum())


def justified_representation(profile: Approvals, committee: Iterable[Label]) -> Unrepresented | None:
    """A group of weight n/k that agrees on an alternative while none of it approves of any member (JR), or ``None``.

    Raises ``ValueError`` for a committee that is empty, or names what is no alternative or is there twice.

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> votes = Approvals([[1, 1, 0]] * 2 + [[0, 0, 1]] * 2, alternatives="abc")
    >>> justified_representation(votes, "ab").voters, justified_representation(votes, "ac")
    ((2, 3), None)
    """
    return _alone(profile, committee, "justified representation", most=1)


def extended_justified_representation_plus(profile: Approvals, committee: Iterable[Label]) -> Unrepresented | None:
    """A group that deserves ℓ seats, agrees on one alternative outside, and has no voter with ℓ members (EJR+).

    ``None`` where there is none. Implies extended justified representation, and is decided in polynomial time. Raises
    ``ValueError`` as :func:`justified_representation`.

    Source: Brill and Peters 2023 (doi:10.1145/3580507.3597785, arXiv:2302.01989).

    >>> votes = Approvals([[1, 1, 1, 0]] * 2 + [[0, 0, 0, 1]], alternatives="abcd")
    >>> print(extended_justified_representation_plus(votes, "ad"))
    None
    >>> extended_justified_representation_plus(Approvals([[1, 1, 0]] * 2, alternatives="abc"), "ac").seats
    2
    """
    return _alone(profile, committee, "extended justified representation plus", most=None)


def _alone(profile: Approvals, committee: Iterable[Label], axiom: str, most: int | None) -> Unrepresented | None:
    """A group that agrees on one alternative outside and deserves more members than each of its voters has."""
    inside = _members(axiom, profile.alternatives, committee)
    size, total = int(inside.sum()), float(profile.weights.sum())
    held = profile.values[:, inside].sum(1)
    for number in range(1, (most or size) + 1):
        poor = held < number
        weight = np.where(inside, 0.0, committees.totals(profile.values.view(np.uint8), profile.weights * poor))
        if weight.max() >= _needed(number, size, total):
            agreed = np.arange(len(inside)) == int(weight.argmax())
            return _group(profile, axiom, poor & profile.values[:, agreed].all(1), agreed, number, size)
    return None


def extended_justified_representation(
    profile: Approvals, committee: Iterable[Label], *, nodes: int = 10_000_000
) -> Unrepresented | None:
    """A group that deserves ℓ seats, agrees on ℓ alternatives, and has no voter with ℓ members (EJR), or ``None``.

    Exact: sets of alternatives are grown while enough voters agree on them (the problem is coNP-complete). Raises
    ``RuntimeError`` where ``nodes`` sets do not decide it, ``ValueError`` as :func:`justified_representation`.

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> votes = Approvals([[1, 1, 0, 0]] * 2 + [[0, 0, 1, 1]] * 2, alternatives="abcd")
    >>> found = extended_justified_representation(votes, "acd")      # two of four deserve one of three
    >>> print(found)
    None
    >>> print(extended_justified_representation(Approvals([[1, 1, 0]] * 2, alternatives="abc"), "ac"))
    extended justified representation fails: ballots of weight 2 (2 deserve 2 seats) agree on 'a', 'b'
    """
    axiom = "extended justified representation"
    inside = _members(axiom, profile.alternatives, committee)
    groups = ((number, inside, number - 1) for number in range(1, int(inside.sum()) + 1))
    return _agreeing(profile, axiom, inside, groups, nodes)


def proportional_justified_representation(
    profile: Approvals, committee: Iterable[Label], *, nodes: int = 10_000_000
) -> Unrepresented | None:
    """A group that deserves ℓ seats, agrees on ℓ alternatives, and approves of fewer than ℓ members together (PJR).

    ``None`` where there is none. Exact: for every set of ℓ − 1 members, sets of alternatives are grown as in
    :func:`extended_justified_representation` (the problem is coNP-complete). The same errors.

    Source: Sánchez-Fernández et al. 2017 (doi:10.1609/aaai.v31i1.10611, arXiv:1604.02347).

    >>> votes = Approvals([[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0]], alternatives="abcdef")
    >>> print(proportional_justified_representation(votes, "aef"))
    proportional justified representation fails: ballots of weight 2 (1.333333333 deserve 2 seats) agree on 'a', 'b'
    """
    axiom = "proportional justified representation"
    inside = _members(axiom, profile.alternatives, committee)
    members = np.flatnonzero(inside)
    groups = (
        (number, np.where(np.isin(np.arange(len(inside)), theirs), False, inside), 0)
        for number in range(1, len(members) + 1)
        for theirs in combinations(members, number - 1)
    )
    return _agreeing(profile, axiom, inside, groups, nodes)


def _agreeing(
    profile: Approvals, axiom: str, inside: Mask, groups: Iterable[tuple[int, Mask, int]], nodes: int
) -> Unrepresented | None:
    """A group that agrees on so many alternatives, each voter with at most so many members of a set."""
    values, weights = electorate(profile)
    size, total = int(inside.sum()), float(profile.weights.sum())
    for number, counted, most in groups:
        rows = (values[:, counted].sum(1) <= most) & (values.sum(1) >= number)
        needed = _needed(number, size, total)
        if weights[rows].sum() < needed:
            continue
        agreed, nodes = committees.cohesive(values[rows], weights[rows], number, needed, nodes)
        if len(agreed):
            chosen = np.isin(np.arange(len(inside)), agreed)
            voters = (profile.values[:, counted].sum(1) <= most) & profile.values[:, chosen].all(1)
            return _group(profile, axiom, voters, chosen, number, size)
        if nodes == 0:
            raise RuntimeError(f"{axiom}: not decided within the sets allowed; allow more with nodes=")
    return None


def core(
    profile: Approvals, committee: Iterable[Label], *, nodes: int = 1_000_000, time_limit: float | None = 60.0
) -> Unrepresented | None:
    """A set T of alternatives and a group that deserves |T| seats, all of whom approve of more of T than of members.

    ``None`` where there is none: the committee is in the core. Exact: sets are grown while enough voters could gain;
    where ``nodes`` sets do not decide it, by integer programmes. Raises ``RuntimeError`` where those are not solved
    within ``time_limit`` seconds together, ``ValueError`` as :func:`justified_representation`.

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> votes = Approvals([[1, 1, 0, 0]] * 2 + [[0, 0, 1, 1]] * 2, alternatives="abcd")
    >>> print(core(votes, "ac"), core(votes, "ab"), sep="; ")
    None; the core fails: ballots of weight 2 (2 deserve 1 seat) would all be better off with 'c'
    """
    inside = _members("the core", profile.alternatives, committee)
    values, weights = electorate(profile)
    size, total = int(inside.sum()), float(profile.weights.sum())
    held = values[:, inside].sum(1, dtype=np.int64)
    deadline = None
    for number in range(1, size + 1):
        needed = _needed(number, size, total)
        found, left = committees.deviation(values, weights, held, number, needed, nodes)
        if not len(found) and left == 0:
            now = time.monotonic()
            deadline = deadline or now + (np.inf if time_limit is None else time_limit)
            found = _program(values, weights, held, number, needed, deadline - now)
        if len(found):
            chosen = np.isin(np.arange(len(inside)), found)
            voters = profile.values[:, chosen].sum(1) > profile.values[:, inside].sum(1)
            return _group(profile, "the core", voters, chosen, number, size)
    return None


def _program(
    values: NDArray[Any], weights: NDArray[np.float64], held: NDArray[np.int64], number: int, needed: float,
    time_limit: float,
) -> NDArray[np.int64]:  # fmt: skip
    """So many alternatives of which the most voters approve of more than they hold, if enough do; else none."""
    voters, width = values.shape
    who, what = np.nonzero(values)
    each = np.arange(voters)
    rows = np.concatenate([np.zeros(width, np.int64), 1 + each, 1 + who])
    columns = np.concatenate([np.arange(width), width + each, what])
    entries = np.concatenate([np.ones(width), held + 1.0, -np.ones(len(who))])
    scale = 1e4 / weights.sum()
    result = solvers.integer_program(
        np.concatenate([np.zeros(width), -scale * weights]),
        graphs.sparse(rows, columns, entries, (1 + voters, width + voters)),
        lowest=np.concatenate([[number], np.full(voters, -np.inf)]),
        highest=np.concatenate([[number], np.zeros(voters)]),
        bounds=[(0.0, 1.0)] * (width + voters), time_limit=None if time_limit == np.inf else max(time_limit, 0.0),
    )  # fmt: skip
    if result.solution is not None and -result.value >= scale * needed:
        return np.flatnonzero(result.solution[:width] > 0.5)
    if -result.bound >= scale * needed and result.status != "optimal":
        raise RuntimeError("the core: not decided in time; allow more seconds with time_limit=")
    return np.zeros(0, np.int64)


def _members(name: str, alternatives: Labels, committee: Iterable[Label]) -> Mask:
    """Who is on the committee, ``[m]``."""
    given = list(committee)
    column = {label: place for place, label in enumerate(alternatives)}
    unknown = [label for label in given if label not in column]
    if unknown:
        raise ValueError(f"{name}: the committee names {short(unknown, 3)}, not among the alternatives")
    if not given or len(set(given)) < len(given):
        raise ValueError(f"{name}: needed a committee of one or more different alternatives, got {given!r}")
    inside = np.zeros(len(alternatives), np.bool_)
    inside[[column[label] for label in given]] = True
    return inside


def _needed(number: int, size: int, total: float) -> float:
    """The weight that deserves so many of ``size`` seats, less what rounding may take."""
    return number * total / size - TIE_TOLERANCE * total


def _group(profile: Approvals, axiom: str, voters: Mask, chosen: Mask, number: int, size: int) -> Unrepresented:
    rows = np.flatnonzero(voters & (profile.weights > 0))
    return Unrepresented(
        axiom, tuple(rows.tolist()), float(profile.weights[rows].sum()), number * float(profile.weights.sum()) / size,
        tuple(profile.alternatives[a] for a in np.flatnonzero(chosen)), number,
    )  # fmt: skip
