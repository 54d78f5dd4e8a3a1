"""No unanimous and Maskin-monotonic rule with one winner among three or more alternatives is without a dictator.

Source: Muller and Satterthwaite 1977 (doi:10.1016/0022-0531(77)90140-5), where the rule is onto; unanimity follows from
that and monotonicity.

Scope: strict rankings. Checked here: there is no such rule for (alternatives, voters) = (3, 2), (3, 3) and (4, 2), by
proofs about every profile; for 3 alternatives and 2 voters a search without a solver, which finds that the unanimous
and monotonic rules are the two dictatorships, and that the monotonic rules are the strategyproof ones. Larger sizes
are literature.
"""

from __future__ import annotations

from pathlib import Path

import choicekit as ck
from choicekit import sat
from theorems.gibbard_1973 import honest, rules_that_fit, tops

METHOD = ("certificate", "exhaustive")
AXIOMS = (sat.unanimity, sat.maskin_monotonicity, sat.non_dictatorship)
SIZES = ((3, 2), (3, 3), (4, 2))
HERE = Path(__file__).parent


def claim_no_rule_on_three_or_four_alternatives() -> None:
    """Certificates refute the axioms on every profile of 3 alternatives with 2 and 3 voters, and of 4 with 2."""
    for m, n in SIZES:
        certificate = sat.Certificate.read(HERE / f"muller_satterthwaite_1977_m{m}_n{n}.lrat")
        certificate.verify(sat.Choices(voters=n, alternatives=m), AXIOMS)


def monotonic(ballot: tuple[int, ...], other: tuple[int, ...], x: int, y: int) -> bool:
    """A winner that keeps all below it that it had when the voter turns stays; so x there, and y on the way back."""
    return x == y or not (_kept(ballot, other, x) or _kept(other, ballot, y))


def _kept(ballot: tuple[int, ...], other: tuple[int, ...], x: int) -> bool:
    return all(other[x] < other[z] for z in range(3) if ballot[x] < ballot[z])


def claim_the_unanimous_monotonic_rules_are_the_dictatorships() -> None:
    """A search without a solver finds 2 such rules for 3 alternatives and 2 voters: the dictatorships."""

    def unanimous(profile: ck.Rankings) -> set[int]:
        first = set(profile.ranks.argmin(1).tolist())
        return first if len(first) == 1 else {0, 1, 2}

    found = list(rules_that_fit(monotonic, unanimous))
    assert len(found) == 2
    assert all(any(tops(rule, voter, {0, 1, 2}) for rule in found) for voter in (0, 1))


def claim_monotonic_is_strategyproof() -> None:
    """For 3 alternatives and 2 voters the 17 monotonic rules are the 17 strategyproof ones."""

    def anybody(_: object) -> set[int]:
        return {0, 1, 2}

    found = list(rules_that_fit(monotonic, anybody))
    assert len(found) == 17
    others = list(rules_that_fit(honest, anybody))
    assert len(others) == 17
    assert all(rule in others for rule in found)


def explain() -> str:
    """The clash for 2 voters and 3 alternatives."""
    found = sat.explain(sat.Choices(voters=2, alternatives="abc"), AXIOMS, tries=10)
    return (
        "Nothing short: the first alternative of a voter may fail to win at any profile, so every profile is needed to "
        f"make each voter a dictator.\n{found}"
    )
