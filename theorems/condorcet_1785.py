"""Majorities of voters who each have an order can go in a circle: a beats b, b beats c and c beats a.

Source: Condorcet 1785, Essai sur l'application de l'analyse à la probabilité des décisions.

Scope: all profiles of strict rankings of three alternatives by one, three, five, seven and nine voters (odd numbers:
nothing is tied), counted with their multiplicities: how many have a cycle, and, for three voters, which. The limit for
many voters is literature.
"""

from __future__ import annotations

import choicekit as ck
from choicekit import domains, rules

METHOD = "exhaustive"
#: Profiles with a cycle, of all 6ⁿ of n voters.
CYCLES = {1: 0, 3: 12, 5: 540, 7: 21_000, 9: 785_820}
_CLOCKWISE = {(0, 1, 2), (1, 2, 0), (2, 0, 1)}


def _cyclic(profile: ck.Rankings) -> bool:
    """Whether each alternative beats exactly one other."""
    return bool(((profile.to_margins().values > 0).sum(1) == 1).all())


def claim_twelve_of_216_profiles_of_three_voters_are_cyclic() -> None:
    """Of the 216 profiles of three voters the cyclic are the 12 in which each alternative has each place once."""
    found = [profile for profile in domains.every(voters=3, alternatives=3) if _cyclic(profile)]
    assert len(found) == CYCLES[3], f"{len(found)} profiles are cyclic"
    for profile in found:
        ballots = set(map(tuple, profile.ranks.tolist()))
        backwards = {tuple(2 - place for place in ballot) for ballot in ballots}
        assert _CLOCKWISE in (ballots, backwards), f"a cycle of other ballots: {ballots}"


def claim_so_many_profiles_of_more_voters_are_cyclic() -> None:
    """Of the 6ⁿ profiles of n = 1, 5, 7 and 9 voters 0, 540, 21,000 and 785,820 are cyclic: more voters, more often."""
    shares = {}
    for voters, wanted in CYCLES.items():
        orbits = domains.orbits(voters=voters, alternatives=3, anonymous=True, neutral=True)
        found = sum(orbit.multiplicity for orbit in orbits if _cyclic(orbit.profile))
        assert found == wanted, f"{voters} voters: {found} cyclic profiles, not {wanted}"
        shares[voters] = found / 6**voters
    assert sorted(shares.values()) == list(shares.values()), f"the shares do not rise: {shares}"


def claim_where_there_is_no_cycle_there_is_a_winner() -> None:
    """In each of the 204 other profiles of three voters a Condorcet winner exists, and Copeland elects it alone."""
    for profile in domains.every(voters=3, alternatives=3):
        winner = profile.to_margins().condorcet_winner
        assert (winner is None) == _cyclic(profile), f"{profile.ranks.tolist()} has {winner!r}"
        assert winner is None or rules.copeland(profile).winners == (winner,), f"{profile.ranks.tolist()}"


def explain() -> str:
    """The circle as ballots."""
    return "\n".join(
        (
            "  1 voter: a b c\n  1 voter: b c a\n  1 voter: c a b",
            "Two of three prefer a to b, two prefer b to c, and two prefer c to a.",
        )
    )
