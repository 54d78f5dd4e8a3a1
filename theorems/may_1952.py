"""Between two alternatives, majority rule alone is decisive, anonymous, neutral and positively responsive.

Source: May 1952 (doi:10.2307/1907651).

Scope: voters say 1, 0 or −1. All 19,683 rules for two voters, each against every condition; for three to six voters
all anonymous and neutral rules, which are tables over how many say 1 and how many −1 (3⁴ to 3¹² of them); and, on
all weak ballots of up to five voters, that pairwise majority rules of the library decide so. More voters are
literature.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from choicekit import domains, rules

METHOD = "exhaustive"
Ints = NDArray[np.int8]


def _all_rules_of_two() -> tuple[list[tuple[int, int]], Ints]:
    """The nine profiles of two voters, and every rule on them as a row of its nine decisions."""
    profiles = [(one, other) for one in (-1, 0, 1) for other in (-1, 0, 1)]
    return profiles, np.array(list(itertools.product((-1, 0, 1), repeat=9)), np.int8)


def _conditions() -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_], Ints]:
    """Which of all rules of two voters are anonymous, neutral, positively responsive; and the rules."""
    profiles, table = _all_rules_of_two()
    at = {profile: place for place, profile in enumerate(profiles)}
    swapped = [at[b, a] for a, b in profiles]
    negated = [at[-a, -b] for a, b in profiles]
    responsive = np.ones(len(table), np.bool_)
    for here, there in itertools.permutations(profiles, 2):
        one_raised = sum(x != y for x, y in zip(here, there, strict=True)) == 1 and sum(there) > sum(here)
        if one_raised:
            responsive &= (table[:, at[here]] < 0) | (table[:, at[there]] == 1)
    anonymous = (table == table[:, swapped]).all(1)
    neutral = (table == -table[:, negated]).all(1)
    return anonymous, neutral, responsive, table


def claim_of_all_rules_of_two_voters_one_meets_the_conditions() -> None:
    """Of all 3⁹ = 19,683 decisive rules of two voters exactly one meets the conditions, the sign of the sum."""
    anonymous, neutral, responsive, table = _conditions()
    found = table[anonymous & neutral & responsive]
    majority = [int(np.sign(sum(profile))) for profile in _all_rules_of_two()[0]]
    assert len(table) == 19_683, f"needed all rules, got {len(table)}"
    assert found.tolist() == [majority], f"{len(found)} rules meet the conditions"


def claim_each_condition_is_needed() -> None:
    """Without any one of the three conditions other rules of two voters meet the remaining two."""
    conditions = _conditions()[:3]
    for dropped, name in enumerate(("anonymity", "neutrality", "positive responsiveness")):
        kept = np.logical_and.reduce([each for place, each in enumerate(conditions) if place != dropped])
        assert kept.sum() > 1, f"without {name} only {kept.sum()} rule is left"


def claim_one_anonymous_neutral_rule_responds_for_three_to_six_voters() -> None:
    """Of the 3⁴, 3⁶, 3⁹ and 3¹² anonymous and neutral rules of 3, 4, 5 and 6 voters one responds positively."""
    for voters in range(3, 7):
        cells = [(p, q) for p in range(voters + 1) for q in range(voters + 1 - p)]
        free = [(p, q) for p, q in cells if p > q]
        chosen = np.array(list(itertools.product((-1, 0, 1), repeat=len(free))), np.int8)
        decides = {cell: chosen[:, place] for place, cell in enumerate(free)}
        decides |= {(q, p): -column for (p, q), column in list(decides.items())}
        decides |= {(p, q): np.zeros(len(chosen), np.int8) for p, q in cells if p == q}
        responsive = np.ones(len(chosen), np.bool_)
        for p, q in cells:
            raised = [(p, q - 1), (p + 1, q - 1)] if q else []  # −1 becomes 0 or 1
            raised += [(p + 1, q)] if p + q < voters else []  # 0 becomes 1
            for cell in raised:
                responsive &= (decides[p, q] < 0) | (decides[cell] == 1)
        assert responsive.sum() == 1, f"{voters} voters: {responsive.sum()} rules"
        assert (chosen[responsive] == 1).all(), f"{voters} voters: the rule is not majority rule"


def claim_pairwise_majority_rules_are_majority_rule() -> None:
    """Copeland, minimax, Schulze and Kemeny elect the side of the majority on all 363 profiles of up to five voters."""
    for voters in range(1, 6):
        for profile in domains.every(voters=voters, alternatives="ab", ballots="weak"):
            margin = profile.to_margins().values[0, 1]
            wanted = ("a", "b") if margin == 0 else ("a",) if margin > 0 else ("b",)
            for rule in (rules.copeland, rules.minimax, rules.schulze, rules.kemeny):
                assert rule(profile).winners == wanted, f"{rule} on {profile.ranks.tolist()}"
