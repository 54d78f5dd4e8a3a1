"""Axioms of committees when seats, ballots or electorates change."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable
from choicekit.axioms._problems import CommitteeProblem
from choicekit.axioms._readings import Ask, show_committees
from choicekit.axioms.representations import approvals_with
from choicekit.outcomes import Labels
from choicekit.profiles import Approvals

#: A profile is split into two electorates in at most so many ways.
SPLITS = 200_000
Liked = frozenset[object]


@axiom(kind="neighbour", about=readings.committees, ballots="committees")
def committee_monotonicity(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """With one more seat nobody loses theirs: every committee grows into one, and every larger one grew from one.

    Source: Elkind et al. 2017 (doi:10.1007/s00355-017-1026-z).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 0, 1]]), 1)
    >>> committee_monotonicity(rules.approval_committee, votes) is None
    True
    """
    if problem.size == len(problem.alternatives):
        return None
    larger = CommitteeProblem(problem.approvals, problem.size + 1)
    now, then = ask(problem), ask(larger)
    lost = [one for one in now if not any(set(one) <= set(more) for more in then)]
    new = [more for more in then if not any(set(one) <= set(more) for one in now)]
    if not lost and not new:
        return None
    shown = show_committees(((lost or new)[0],))
    reason = f"{shown} grows into no committee with one more seat" if lost else f"{shown} has grown from no committee"
    return Clash(reason, (problem, larger), ("the ballots", "with one more seat"), (lost or new)[0])


@axiom(kind="neighbour", about=readings.committees, ballots="committees")
def support_monotonicity(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Nobody loses a seat because one more voter approves of them.

    Who is a member of every committee elected stays so, and who is a member of some committee stays a member of some.

    Source: after Sánchez-Fernández and Fisteus 2019 (arXiv:1710.04246), for single alternatives and fixed voters.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 0, 0], [0, 1, 1]]), 2)
    >>> support_monotonicity(rules.proportional_approval, votes) is None
    True
    """
    profile = problem.approvals
    for row, c in zip(*np.nonzero(~profile.values & (profile.weights > 0)[:, None]), strict=True):
        label = profile.alternatives[c]
        seated = [label in committee for committee in ask(problem)]
        if not any(seated):
            continue
        ballot = profile.values[row].copy()
        ballot[c] = True
        after = CommitteeProblem(approvals_with(profile, int(row), ballot), problem.size)
        then = [label in committee for committee in ask(after)]
        if any(then) and (all(then) or not all(seated)):
            continue
        caption = f"a voter of {_said(profile, int(row))} approves of {label} too"
        reason = f"{label} loses the seat by it" if not any(then) else f"{label} had the seat for sure, and now may not"
        return Clash(reason, (problem, after), ("the ballots", caption), (label,))
    return None


def _lies(ask: Ask, problem: CommitteeProblem, name: str, fine: Callable[[Liked, Liked], bool]) -> Clash | None:
    """A voter for whom all that is elected after a lie is fine beside what is elected now, and not vice versa."""
    profile = problem.approvals
    voters, size = np.flatnonzero(profile.weights > 0).tolist(), len(profile.alternatives)
    affordable(len(voters) * 2**size, name, "ballots")
    for row in voters:
        liked = frozenset(profile.alternatives[c] for c in np.flatnonzero(profile.values[row]))
        now = [liked.intersection(committee) for committee in ask(problem)]
        for choice in itertools.product((False, True), repeat=size):
            ballot = np.array(choice)
            if (ballot == profile.values[row]).all():
                continue
            after = CommitteeProblem(approvals_with(profile, row, ballot), problem.size)
            pairs = list(itertools.product(now, (liked.intersection(committee) for committee in ask(after))))
            if all(fine(*pair) for pair in pairs) and not all(fine(then, before) for before, then in pairs):
                lie = f"{{{', '.join(str(profile.alternatives[c]) for c in np.flatnonzero(ballot))}}}"
                reason = f"a voter of {_said(profile, row)} gains by approving of {lie} instead"
                captions = ("the true ballots", f"a voter of {_said(profile, row)} approves of {lie}")
                return Clash(reason, (problem, after), captions, ask(after)[0])
    return None


@axiom(kind="neighbour", about=readings.committees, ballots="committees",
       implies=("inclusion_strategyproofness",))  # fmt: skip
def cardinality_strategyproofness(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """No voter gets more members that they approve of by another ballot.

    Where committees tie, a lie is a gain (as Kelly compares sets) if every committee elected after it has as many as
    every committee elected before, and some more than some. Every ballot is tried; ``ValueError`` above 200,000.

    Source: Peters 2018 (arXiv:2104.08594); Kluiving et al. 2020 for ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]] * 2 + [[1, 0, 1]], alternatives="abc"), 2)
    >>> cardinality_strategyproofness(rules.approval_committee, votes) is None
    True
    >>> print(cardinality_strategyproofness(rules.proportional_approval, votes))      # a is elected anyway
    proportional_approval violates cardinality_strategyproofness: a voter of {a, c} gains by approving of {c} instead
    the true ballots: {a, b}
      2: {a, b}
      1: {a, c}
      2 seats
    a voter of {a, c} approves of {c}: {a, b} or {a, c} or {b, c}
      2: {a, b}
      1: {c}
      2 seats
    """
    return _lies(ask, problem, "cardinality_strategyproofness", lambda now, then: len(then) >= len(now))


@axiom(kind="neighbour", about=readings.committees, ballots="committees")
def inclusion_strategyproofness(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """No voter gets, by another ballot, all the members that they approve of now and one more.

    Where committees tie, a lie is a gain if every committee elected after it has all the approved members of every
    committee elected before, and some more than some. Every ballot is tried; ``ValueError`` above 200,000.

    Source: Peters 2018 (arXiv:2104.08594); Kluiving et al. 2020 for ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 1, 0]] * 2 + [[1, 0, 1]], alternatives="abc"), 2)
    >>> inclusion_strategyproofness(rules.approval_committee, votes) is None
    True
    """
    return _lies(ask, problem, "inclusion_strategyproofness", lambda now, then: now <= then)


@axiom(kind="neighbour", about=readings.committees, ballots="committees")
def homogeneity_of_committees(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Twice or three times the same electorate elects the same committees.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 0], [0, 1]]), 1)
    >>> homogeneity_of_committees(rules.approval_committee, votes) is None
    True
    """
    profile = problem.approvals
    for times in (2, 3):
        values, weights = np.vstack([profile.values] * times), np.concatenate([profile.weights] * times)
        after = CommitteeProblem(Approvals(values, weights, profile.alternatives), problem.size)
        if ask(after) != ask(problem):
            captions = ("the ballots", f"every ballot {times} times")
            return Clash("repeating the electorate changes the committees", (problem, after), captions, ())
    return None


@axiom(kind="global", about=readings.committees, ballots="committees")
def consistency_of_committees(ask: Ask, problem: CommitteeProblem) -> Clash | None:
    """Where two parts of the electorate elect some of the same committees, together they elect just these.

    Every way of splitting the voters is looked at; ``ValueError`` above 200,000 ways.

    Source: Lackner and Skowron 2021 (doi:10.1016/j.jet.2020.105173).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = axioms.CommitteeProblem(ck.Approvals([[1, 0, 0], [1, 1, 0], [0, 0, 1]]), 1)
    >>> consistency_of_committees(rules.approval_committee, votes) is None
    True
    """
    for one, other in _splits(problem):
        common: tuple[Labels, ...] = tuple(each for each in ask(one) if each in ask(other))
        if common and common != ask(problem):
            reason = f"both parts elect {show_committees(common)}, together they do not elect just that"
            return Clash(reason, (problem, one, other), ("everybody", "one part", "the other part"), common[0])
    return None


def _splits(problem: CommitteeProblem) -> Iterator[tuple[CommitteeProblem, CommitteeProblem]]:
    profile = problem.approvals
    whole = profile.weights.astype(int) if (profile.weights == np.floor(profile.weights)).all() else None
    parts = [range(int(w) + 1) for w in whole] if whole is not None else [range(2)] * len(profile.weights)
    if np.prod([len(part) for part in parts], dtype=float) > SPLITS:
        raise ValueError(f"consistency_of_committees: more than {SPLITS:,} ways to split the electorate")
    unit = np.ones(len(parts)) if whole is not None else profile.weights
    for taken in itertools.product(*parts):
        first = np.array(taken) * unit
        if 0 < first.sum() <= profile.weights.sum() / 2:
            yield _weighted(problem, first), _weighted(problem, profile.weights - first)


def _weighted(problem: CommitteeProblem, weights: np.ndarray[tuple[int], np.dtype[np.float64]]) -> CommitteeProblem:
    there = weights > 0
    profile = Approvals(problem.approvals.values[there], weights[there], problem.alternatives)
    return CommitteeProblem(profile, problem.size)


def _said(profile: Approvals, row: int) -> str:
    named = (str(profile.alternatives[c]) for c in np.flatnonzero(profile.values[row]))
    return "{" + ", ".join(named) + "}"
