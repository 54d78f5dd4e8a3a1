"""No Paretian rule with at least one winner at every profile gives two voters each a say over a pair of alternatives.

Source: Sen 1970 (doi:10.1086/259614).

Scope: strict rankings; a set of winners among all alternatives, which need not come from an order, where a voter
decides between a and b if the one they put below is never among the winners. Checked here: there is no such rule for
(alternatives, voters) = (3, 2), (4, 2) and (3, 3), by proofs about every profile; and for 3 and 4 alternatives
and 2 voters, for any two pairs, a profile that leaves no winner. Larger sizes follow by voters without a say and
alternatives that all put last, which is not checked here.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

import choicekit as ck
from choicekit import domains, sat

METHOD = ("certificate", "exhaustive")
AXIOMS = (sat.weak_pareto, sat.minimal_liberalism)
SIZES = ((3, 2), (4, 2), (3, 3))
HERE = Path(__file__).parent

Pair = tuple[int, int]


def claim_no_rule_on_three_or_four_alternatives() -> None:
    """Certificates refute the axioms on 36, 576 and 216 profiles."""
    for m, n in SIZES:
        certificate = sat.Certificate.read(HERE / f"sen_1970_m{m}_n{n}.lrat")
        certificate.verify(sat.ChoiceSets(voters=n, alternatives=m), AXIOMS)


def left(profile: ck.Rankings, says: tuple[Pair, Pair]) -> set[int]:
    """Who may win: not what all put below something, and not what a voter puts below the other of their pair."""
    ranks = profile.ranks
    out = {max(pair, key=lambda a: row[a]) for row, pair in zip(ranks.tolist(), says, strict=True)}
    size = ranks.shape[1]
    beaten = {b for a, b in itertools.permutations(range(size), 2) if (ranks[:, a] < ranks[:, b]).all()}
    return set(range(size)) - out - beaten


def claim_any_two_pairs_clash_at_some_profile() -> None:
    """However 2 voters get a pair each, of 3 alternatives (9 ways) or of 4 (36), some profile leaves no winner."""
    for size in (3, 4):
        profiles = list(domains.every(voters=2, alternatives=size))
        pairs = list(itertools.combinations(range(size), 2))
        for says in itertools.product(pairs, repeat=2):
            assert any(not left(profile, says) for profile in profiles), f"{says} leave a winner at every profile"


def claim_two_readers_of_four_alternatives() -> None:
    """Voter 1 (2013, decisive over 0 and 1) and voter 2 (1320, over 2 and 3) strike out 1 and 2; Pareto 0 and 3."""
    profile = ck.Rankings(np.array([[1, 2, 0, 3], [3, 0, 2, 1]]))
    assert left(profile, ((0, 1), (2, 3))) == set()


def claim_each_axiom_is_needed() -> None:
    """Pareto alone leaves a winner everywhere, and so do the two pairs alone, at all 36 profiles of 3 alternatives."""
    profiles = list(domains.every(voters=2, alternatives=3))
    assert len(profiles) == 36, f"{len(profiles)} profiles"
    for profile in profiles:
        ranks = profile.ranks
        undominated = [b for b in range(3) if not any((ranks[:, a] < ranks[:, b]).all() for a in range(3) if a != b)]
        assert undominated
        out = {max(pair, key=lambda a: row[a]) for row, pair in zip(ranks.tolist(), ((0, 1), (1, 2)), strict=True)}
        assert len(out) < 3


def explain() -> str:
    """The clash for 2 voters and 3 alternatives, whichever pairs they decide."""
    return str(sat.explain(sat.ChoiceSets(voters=2, alternatives="abc"), AXIOMS, tries=20))
