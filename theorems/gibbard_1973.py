"""No rule with one winner that each of three or more alternatives can be is strategyproof and not dictatorial.

Source: Gibbard 1973 (doi:10.2307/1914083); Satterthwaite 1975 (doi:10.1016/0022-0531(75)90050-2).

Scope: strict rankings. Checked here: there is no such rule for (alternatives, voters) = (3, 2), (3, 3) and (4, 2), by
proofs about every profile; and for 3 alternatives and 2 voters a search without a solver, which finds all 17
strategyproof rules and sorts them. That this suffices for all larger sizes is induction in the literature (Tang and
Lin 2009, doi:10.1016/j.artint.2009.02.005), which is not checked here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import choicekit as ck
from choicekit import domains, sat

METHOD = ("certificate", "exhaustive")
AXIOMS = (sat.onto, sat.strategyproofness, sat.non_dictatorship)
SIZES = ((3, 2), (3, 3), (4, 2))
HERE = Path(__file__).parent

Ballots = tuple[tuple[int, ...], ...]
#: Whether one alternative may win at a profile and another where one voter has turned to another ballot.
Fits = Callable[[tuple[int, ...], tuple[int, ...], int, int], bool]


def claim_no_rule_on_three_or_four_alternatives() -> None:
    """Certificates refute the axioms on 36, 216 and 576 profiles (1,229, 10,590 and 163,014 clauses)."""
    for m, n in SIZES:
        certificate = sat.Certificate.read(HERE / f"gibbard_1973_m{m}_n{n}.lrat")
        certificate.verify(sat.Choices(voters=n, alternatives=m), AXIOMS)


def rules_that_fit(fits: Fits, start: Callable[[ck.Rankings], set[int]]) -> Iterator[dict[Ballots, int]]:
    """Every rule of 2 voters on 3 alternatives that fits at each turn of a voter, by search."""
    left = {
        tuple(map(tuple, profile.ranks.tolist())): start(profile) for profile in domains.every(voters=2, alternatives=3)
    }
    turns = {
        here: [
            (there, here[voter], there[voter])
            for there in left
            for voter in (0, 1)
            if here[voter] != there[voter] and here[1 - voter] == there[1 - voter]
        ]
        for here in left
    }
    return _filled(fits, left, turns) if _narrowed(fits, left, turns, list(left)) else iter(())


def _narrowed(fits: Fits, left: dict, turns: dict, todo: list) -> bool:
    while todo:
        here = todo.pop()
        for there, ballot, other in turns[here]:
            kept = {y for y in left[there] if any(fits(ballot, other, x, y) for x in left[here])}
            if not kept:
                return False
            if kept < left[there]:
                left[there] = kept
                todo.append(there)
    return True


def _filled(fits: Fits, left: dict, turns: dict) -> Iterator[dict[Ballots, int]]:
    undecided = next((here for here in left if len(left[here]) > 1), None)
    if undecided is None:
        yield {here: min(winner) for here, winner in left.items()}
        return
    for winner in sorted(left[undecided]):
        trial = {**left, undecided: {winner}}
        if _narrowed(fits, trial, turns, [undecided]):
            yield from _filled(fits, trial, turns)


def honest(ballot: tuple[int, ...], other: tuple[int, ...], x: int, y: int) -> bool:
    """The voter with ``ballot`` gains nothing by going from x to y, and with ``other`` nothing by going back."""
    return ballot[x] <= ballot[y] and other[y] <= other[x]


def tops(rule: dict[Ballots, int], voter: int, among: set[int]) -> bool:
    """Whether the voter always gets the best of some alternatives."""
    return all(winner == min(among, key=lambda a: ballots[voter][a]) for ballots, winner in rule.items())


def claim_all_seventeen_strategyproof_rules() -> None:
    """A search without a solver finds, for 3 alternatives and 2 voters, 17 strategyproof rules.

    3 always have the same winner; 12 choose between two alternatives, and 6 of them are one voter's choice; 2 can give
    each alternative, and are the two dictatorships.
    """
    found = list(rules_that_fit(honest, lambda _: {0, 1, 2}))
    ranges = [set(rule.values()) for rule in found]
    assert [sum(len(each) == size for each in ranges) for size in (1, 2, 3)] == [3, 12, 2]
    ruled = [any(tops(rule, voter, each) for voter in (0, 1)) for rule, each in zip(found, ranges, strict=True)]
    assert sum(one for one, each in zip(ruled, ranges, strict=True) if len(each) == 2) == 6
    onto = [rule for rule, each in zip(found, ranges, strict=True) if len(each) == 3]
    assert all(any(tops(rule, voter, {0, 1, 2}) for rule in onto) for voter in (0, 1))


def claim_each_axiom_is_needed() -> None:
    """Without onto a constant, which no lie changes; without strategyproofness plurality with ties broken: onto,
    manipulable, no dictator."""
    winners = {}
    for profile in domains.every(voters=2, alternatives=3):
        winners[tuple(map(tuple, profile.ranks.tolist()))] = min(ck.rules.plurality(profile).winners)
    assert set(winners.values()) == {0, 1, 2}
    assert not any(tops(winners, voter, {0, 1, 2}) for voter in (0, 1))
    lies = [
        (here, there)
        for here, there in itertools.permutations(winners, 2)
        if here[1] == there[1] and not honest(here[0], there[0], winners[here], winners[there])
    ]
    assert lies
    constant = dict.fromkeys(winners, 0)
    assert constant in list(rules_that_fit(honest, lambda _: {0, 1, 2})), "a constant is manipulable"
    assert not any(tops(constant, voter, {0, 1, 2}) for voter in (0, 1)), "a constant has a dictator"


def explain() -> str:
    """The clash for 2 voters and 3 alternatives."""
    found = sat.explain(sat.Choices(voters=2, alternatives="abc"), AXIOMS, tries=10)
    return (
        "Nothing short: the first alternative of a voter may fail to win at any profile, so every profile is needed to "
        f"make each voter a dictator.\n{found}"
    )
