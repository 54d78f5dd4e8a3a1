"""Axioms of committees elected by approval: whom they represent, and what they waste.

An axiom is asked of a rule and a :class:`~choicekit.axioms.CommitteeProblem`: approvals and a number of seats k. Where
a rule elects several committees (they tie), each of them is held to the axiom. n is the weight of all voters, a group
deserves ℓ seats where it weighs at least ℓ n/k. A rule may leave seats empty; k is then still the number of seats.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from choicekit import representation, solvers
from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import listed, one_voter
from choicekit.axioms._problems import CommitteeProblem
from choicekit.axioms._readings import Ask, show_committees
from choicekit.outcomes import TIE_TOLERANCE, Labels
from choicekit.profiles import Approvals
from choicekit.profiles._merging import electorate
from choicekit.representation import Unrepresented

#: Axioms that look at every set of alternatives refuse more alternatives than these.
MOST = 16
#: Excess money, in parts of all the money there is, that the linear programme cannot tell from none.
EXCESS = 1e-7
Found = tuple[str, Labels] | None


def _each(ask: Ask, problem: CommitteeProblem, wrong: Callable[[Labels], Found]) -> Clash | None:
    """The first committee that something is wrong with."""
    for committee in ask(problem):
        if len(committee) > problem.size:
            shown = show_committees((committee,))
            raise ValueError(
                f"the rule elected {shown}; needed committees of at most {problem.size}, the seats there are"
            )
        found = wrong(committee)
        if found:
            return Clash(f"with {show_committees((committee,))}, {found[0]}", (problem,), ("the ballots",), found[1])
    return None


def _unrepresented(ask: Ask, problem: CommitteeProblem, check: Callable[..., Unrepresented | None]) -> Clash | None:
    def wrong(committee: Labels) -> Found:
        group = check(*_filled(problem, committee))
        return (str(group), group.alternatives) if group else None

    return _each(ask, problem, wrong)


def _filled(problem: CommitteeProblem, committee: Labels) -> tuple[Approvals, Labels]:
    """The same with every empty seat given to somebody of whom no voter approves."""
    profile, empty = problem.approvals, problem.size - len(committee)
    if not empty:
        return profile, committee
    nobody = tuple(("nobody", seat) for seat in range(empty))
    values = np.hstack([profile.values, np.zeros((len(profile.weights), empty), np.bool_)])
    return Approvals(values, profile.weights, (*profile.alternatives, *nobody)), (*committee, *nobody)


@axiom(kind="intra", about=readings.committees, ballots="committees")
def justified_representation(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Some voter of any group that deserves a seat and agrees on an alternative approves of a member (JR).

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]] * 4 + [[0, 0, 1]] * 4, alternatives="abc"), 2)
    >>> justified_representation(rules.approval_committee, votes) is None      # 4 each: {a, b}, {a, c} and {b, c} tie
    False
    >>> print(justified_representation(lambda votes, size: [("a", "b")], votes).reason)
    with {a, b}, justified representation fails: ballots of weight 4 (4 deserve 1 seat) agree on 'c'
    """
    return _unrepresented(ask, problem, representation.justified_representation)


@axiom(kind="intra", about=readings.committees, ballots="committees", implies=("justified_representation",))
def proportional_justified_representation(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """A group that deserves ℓ seats and agrees on ℓ alternatives approves, among them all, of ℓ members (PJR).

    Source: Sánchez-Fernández et al. 2017 (doi:10.1609/aaai.v31i1.10611).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]]), 2)      # one voter, who has a member with {0, 2} too
    >>> proportional_justified_representation(rules.approval_chamberlin_courant, votes).alternatives
    (0, 1)
    """
    return _unrepresented(ask, problem, representation.proportional_justified_representation)


@axiom(kind="intra", about=readings.committees, ballots="committees",
       implies=("proportional_justified_representation",))  # fmt: skip
def extended_justified_representation(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Some voter of any group that deserves ℓ seats and agrees on ℓ alternatives approves of ℓ members (EJR).

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0], [1, 1, 0]]), 2)
    >>> extended_justified_representation(rules.proportional_approval, votes) is None
    True
    """
    return _unrepresented(ask, problem, representation.extended_justified_representation)


@axiom(kind="intra", about=readings.committees, ballots="committees", implies=("extended_justified_representation",))
def extended_justified_representation_plus(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """EJR where a group need agree on one alternative that is not elected only (EJR+).

    Source: Brill and Peters 2023 (doi:10.1145/3580507.3597785).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0], [1, 0, 1]]), 2)
    >>> extended_justified_representation_plus(rules.equal_shares, votes) is None
    True
    """
    return _unrepresented(ask, problem, representation.extended_justified_representation_plus)


@axiom(kind="intra", about=readings.committees, ballots="committees", implies=("extended_justified_representation",))
def full_justified_representation(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Of a group that deserves |T| seats, all of whom approve of β of T, some voter approves of β members (FJR).

    Every set T of at most k alternatives is looked at; ``ValueError`` for more than 16 alternatives.

    Source: Peters, Pierczyński and Skowron 2021 (arXiv:2008.13276).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0], [1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]), 2)
    >>> full_justified_representation(rules.proportional_approval, votes) is None
    True
    """
    values, weights = electorate(problem.approvals)
    values = values.astype(np.int64)
    total = float(weights.sum())

    def wrong(committee: Labels) -> Found:
        held = values[:, _columns(problem, committee)].sum(1)
        for chosen in _sets(problem, "full_justified_representation", range(1, problem.size + 1)):
            liked = values[:, chosen].sum(1)
            needed = len(chosen) * total / problem.size
            for beta in range(1, len(chosen) + 1):
                weight = float(weights[(liked >= beta) & (held < beta)].sum())
                if weight >= needed - TIE_TOLERANCE * total:
                    labels = _labels(problem, chosen)
                    return (
                        f"ballots of weight {weight:g} ({needed:g} deserve {len(chosen)}) approve of {beta} or more of "
                        f"{show_committees((labels,))} each, and each of fewer members"
                    ), labels
        return None

    return _each(ask, problem, wrong)


@axiom(kind="intra", about=readings.committees, ballots="committees", implies=("full_justified_representation",))
def core_stability(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """No group that deserves |T| seats prefers a set T: approves, each of them, of more of T than of members (core).

    Source: Aziz et al. 2017 (doi:10.1007/s00355-016-1019-3).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 1]]), 2)
    >>> core_stability(rules.approval_committee, votes).alternatives
    (2,)
    """
    return _unrepresented(ask, problem, representation.core)


@axiom(kind="intra", about=readings.committees, ballots="committees")
def priceability(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """The committee could have been bought: with one price and equal budgets nobody is left with enough for another.

    There are a price p > 0 and payments of at most 1 a voter, only for members that the voter approves of, that add up
    to p for each member, such that the voters who approve of an alternative outside have at most p left together.
    Decided by a linear programme that minimises the largest excess over p; a violation where that is above 1e-7 of all
    budgets. A member whom nobody approves of cannot be paid for: a rule that fills seats with such alternatives
    violates the axiom. Where every seat is filled it implies proportional justified representation.

    Source: Peters and Skowron 2020 (doi:10.1145/3391403.3399465).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]] * 3 + [[0, 0, 1]] * 2, alternatives="abc"), 2)
    >>> priceability(lambda votes, size: ["ac"], votes) is None      # at 2: of 3 and 2, 1 and 0 are left
    True
    >>> print(priceability(rules.approval_committee, votes).reason)      # at most 3/2 each, and c's voters have 2
    with {a, b}, at no price would every alternative outside be too dear: voters have 0.5 more than the price of c left
    """

    def wrong(committee: Labels) -> Found:
        values, weights = electorate(problem.approvals)
        inside = _columns(problem, committee)
        unpaid = [c for c in inside if not values[:, c].any()]
        if unpaid:
            labels = _labels(problem, unpaid)
            return f"nobody approves of {listed(labels)}, so nobody pays", labels
        total = float(weights.sum())
        excess, dear = _excess(values.astype(np.bool_), weights / total, inside)
        if excess <= EXCESS:
            return None
        return (
            f"at no price would every alternative outside be too dear: voters have {excess * total:.3g} more than the "
            f"price of {problem.alternatives[dear]} left"
        ), (problem.alternatives[dear],)

    return _each(ask, problem, wrong)


def _excess(values: NDArray[np.bool_], weights: NDArray[np.float64], inside: list[int]) -> tuple[float, int]:
    """By how much, at the best price and payments, voters could overpay some alternative outside, and which.

    The price may be 0 here; the excess is at most 0 then only where nobody approves of any alternative outside, and at
    every low price too.
    """
    outside = [c for c in range(values.shape[1]) if c not in inside]
    if not outside:
        return 0.0, -1
    pairs = [(i, c) for c in inside for i in np.flatnonzero(values[:, c]).tolist()]
    size = len(pairs) + 2  # payments of a row, then the price and the excess
    spent = np.zeros((len(weights), size))
    paid = np.zeros((len(inside), size))
    for column, (i, c) in enumerate(pairs):
        spent[i, column] = 1.0
        paid[inside.index(c), column] = 1.0
    paid[:, -2] = -1.0
    left = -(values[:, outside].T.astype(float) @ spent)
    left[:, -2:] = -1.0
    owned = weights @ values[:, outside]
    cost = np.zeros(size)
    cost[-1] = 1.0
    found = solvers.linear_program(
        cost, at_most=(np.vstack([spent, left]), np.concatenate([weights, -owned])),
        equal=(paid, np.zeros(len(inside))), bounds=[(0.0, None)] * size,
    )  # fmt: skip
    return float(found[-1]), outside[int((left[:, :-1] @ found[:-1] + owned).argmax())]


@axiom(kind="intra", about=readings.committees, ballots="committees")
def laminar_proportionality(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Where the voters form parties, perhaps with alternatives that parties share, each has the members it deserves.

    A problem is laminar where all ballots are equal and name k alternatives or more (they deserve every seat); or where
    some alternative is on every ballot (it deserves a seat), and without it and its seat the problem is laminar; or
    where it consists of laminar problems with nothing in common, with seats in proportion to their voters. Other
    problems satisfy the axiom, whoever is elected.

    Source: Peters and Skowron 2020 (doi:10.1145/3391403.3399465).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> ballots = [[1, 1, 1, 0, 0]] * 2 + [[1, 0, 0, 1, 1]]
    >>> votes = axioms.CommitteeProblem(ck.Approvals(ballots, alternatives="abcde"), 4)
    >>> laminar_proportionality(rules.equal_shares, votes) is None      # a, b and c, and one of d and e
    True
    >>> laminar_proportionality(lambda votes, size: ["abde"], votes).reason
    'with {a, b, d, e}, the voters who agree on b and c deserve 2 of the seats with these and have 1'
    """
    values, weights = electorate(problem.approvals)
    parties = _parties(values.astype(np.bool_), weights, problem.size)

    def wrong(committee: Labels) -> Found:
        for columns, seats in sorted(parties or ()):
            labels = _labels(problem, columns)
            have = len(set(labels) & set(committee))
            if have != seats:
                seat = f"{seats} of the seats" if seats > 1 else "one seat"
                return f"the voters who agree on {listed(labels)} deserve {seat} with these and have {have}", labels
        return None

    return _each(ask, problem, wrong)


def _parties(values: NDArray[np.bool_], weights: NDArray[np.float64], seats: int) -> list[tuple[list[int], int]] | None:
    """Sets of alternatives with the number of members that each deserves, in a laminar problem; else ``None``."""
    common, liked = values.all(0), values.any(0)
    if (common == liked).all():
        return [(np.flatnonzero(liked).tolist(), seats)] if liked.sum() >= seats else None
    if common.any():
        rest = _parties(values & ~common, weights, seats - int(common.sum())) if common.sum() < seats else None
        return None if rest is None else [([c], 1) for c in np.flatnonzero(common).tolist()] + rest
    parts, found = _components(values), []
    if len(parts) == 1:
        return None
    for part in parts:
        share = seats * float(weights[part].sum() / weights.sum())
        within = _parties(values[part], weights[part], round(share)) if abs(share - round(share)) < 1e-9 else None
        if within is None:
            return None
        found += within
    return found


def _components(values: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """The voters in groups that approve of nothing in common, as masks."""
    left, parts = np.ones(len(values), np.bool_), []
    while left.any():
        part = np.arange(len(values)) == left.argmax()
        while (grown := part | values[:, values[part].any(0)].any(1)).sum() > part.sum():
            part = grown
        parts.append(part)
        left &= ~part
    return parts


@axiom(kind="intra", about=readings.committees, ballots="committees")
def pareto_of_committees(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """No other committee gives every voter as many members that they approve of, and some voter more.

    Of tied committees none may be dominated so. Every committee is looked at; ``ValueError`` for more than 16
    alternatives.

    Source: Lackner and Skowron 2023 (doi:10.1007/978-3-031-09016-5).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]]), 2)
    >>> pareto_of_committees(rules.approval_chamberlin_courant, votes).alternatives
    (0, 1)
    """
    values = problem.approvals.values[problem.approvals.weights > 0].astype(np.int64)

    def wrong(committee: Labels) -> Found:
        held = values[:, _columns(problem, committee)].sum(1)
        for chosen in _sets(problem, "pareto_of_committees", (problem.size,)):
            liked = values[:, chosen].sum(1)
            if (liked >= held).all() and (liked > held).any():
                labels = _labels(problem, chosen)
                return f"{show_committees((labels,))} is as good for every voter and better for some", labels
        return None

    return _each(ask, problem, wrong)


@axiom(kind="intra", about=readings.committees, ballots="committees")
def unanimity_of_committees(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Of the alternatives that every voter approves of, all are members, or as many as there are seats.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]]), 2)
    >>> unanimity_of_committees(rules.approval_committee, votes) is None
    True
    """
    cast = problem.approvals.values[problem.approvals.weights > 0]
    liked = _labels(problem, np.flatnonzero(cast.all(0)).tolist())

    def wrong(committee: Labels) -> Found:
        if len(set(committee) & set(liked)) >= min(problem.size, len(liked)):
            return None
        return f"every voter approves of {show_committees((liked,))}, of which too few are members", liked

    return _each(ask, problem, wrong)


def _columns(problem: CommitteeProblem, committee: Labels) -> list[int]:
    return [problem.alternatives.index(label) for label in committee]


def _labels(problem: CommitteeProblem, columns: Any) -> Labels:
    return tuple(problem.alternatives[c] for c in columns)


def _sets(problem: CommitteeProblem, name: str, sizes: Any) -> Iterator[list[int]]:
    number = len(problem.alternatives)
    if number > MOST:
        raise ValueError(f"{name}: looks at every set of alternatives, of up to {MOST}; got {number}")
    return (list(chosen) for size in sizes for chosen in itertools.combinations(range(number), size))


def approvals_with(profile: Approvals, row: int, ballot: NDArray[np.bool_]) -> Approvals:
    """One voter of a row casts another ballot.

    >>> import choicekit as ck
    >>> approvals_with(ck.Approvals([[1, 0]], [2]), 0, np.array([True, True])).values.tolist()
    [[True, False], [True, True]]
    """
    weight = float(profile.weights[row])
    unit = one_voter(weight)
    weights = profile.weights.copy()
    weights[row] = weight - unit
    if unit == weight:
        values = profile.values.copy()
        values[row] = ballot
        return Approvals(values, profile.weights, profile.alternatives)
    return Approvals(np.vstack([profile.values, ballot]), np.append(weights, unit), profile.alternatives)
