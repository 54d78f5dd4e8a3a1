"""Axioms of orderings that ask whether some profile exists: no dictator, every pair open, two voters with a say.

They look through all (m!)^n profiles of strict rankings of as many voters and alternatives as the profile given has,
in lexicographic order, so that a violation is a fact about all of them. Above 200,000 profiles they refuse.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import strict
from choicekit.axioms._orders import every_profile, voters_of
from choicekit.axioms._readings import Ask, places
from choicekit.profiles import Rankings


@axiom(kind="existential", about=readings.ordering)
def nondictatorship_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """There is no voter whose strict ranking is always the ordering.

    A dictator ranks a above b, and a is above b in the ordering, for all a and b and in every profile. One voter
    alone, or one alternative, is no case of it. Raises ``ValueError`` for more than 200,000 profiles.

    Source: Arrow 1951.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def second_voter(profile):
    ...     return ck.Scores(profile.alternatives, -profile.ranks[1])
    >>> axioms.nondictatorship_of_orderings(second_voter, ck.Rankings.from_orders(["ab", "ba"])).reason
    'voter 2 is a dictator: in all 4 profiles of 2 voters on 2 alternatives the ordering is the ballot of voter 2'
    """
    profile = strict(profile, "nondictatorship_of_orderings")
    voters, size = voters_of(profile, "nondictatorship_of_orderings"), len(profile.alternatives)
    if voters < 2 or size < 2:
        return None
    dictators = list(range(voters))
    number = 0
    for each in every_profile(profile, voters, "nondictatorship_of_orderings"):
        number += 1
        place = places(ask(each))
        order = [place[label] for label in each.alternatives]
        ballots = each._ranks.tolist()
        dictators = [voter for voter in dictators if ballots[voter] == order]
        if not dictators:
            return None
    name = f"voter {dictators[0] + 1}"
    reason = (
        f"{name} is a dictator: in all {number:,} profiles of {voters} voters on {size} alternatives the ordering is "
        f"the ballot of {name}"
    )
    return Clash(reason, (profile,), ("one of these profiles",))


@axiom(kind="existential", about=readings.ordering)
def citizens_sovereignty(ask: Ask, profile: Rankings) -> Clash | None:
    """For any two alternatives a and b some profile has a above b in the ordering: none is imposed.

    Raises ``ValueError`` for more than 200,000 profiles.

    Source: Arrow 1951.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def as_listed(profile):
    ...     return profile.alternatives
    >>> axioms.citizens_sovereignty(as_listed, ck.Rankings.from_orders(["ab", "ba"])).reason
    'b is above a in none of the 4 profiles of 2 voters on 2 alternatives'
    """
    profile = strict(profile, "citizens_sovereignty")
    voters = voters_of(profile, "citizens_sovereignty")
    missing = dict.fromkeys(itertools.permutations(profile.alternatives, 2))
    if voters < 1:
        return None
    number = 0
    for each in every_profile(profile, voters, "citizens_sovereignty"):
        if not missing:
            return None
        number += 1
        place = places(ask(each))
        missing = dict.fromkeys((a, b) for a, b in missing if place[a] >= place[b])
    if not missing:
        return None
    a, b = next(iter(missing))
    reason = (
        f"{a} is above {b} in none of the {number:,} profiles of {voters} voters on {len(profile.alternatives)} "
        "alternatives"
    )
    return Clash(reason, (profile,), ("one of these profiles",), (a, b))


@axiom(kind="existential", about=readings.ordering, implies=("nondictatorship_of_orderings",))
def minimal_liberalism_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """At least two voters each have a pair of alternatives that they decide, whatever others say.

    A voter decides {a, b} where in every profile the ordering has a above b if the voter does, and b above a if not.
    One voter alone, or one alternative, is no case of it. Raises ``ValueError`` for more than 200,000 profiles.

    Source: Sen 1970 (doi:10.1086/259614).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> axioms.minimal_liberalism_of_orderings(rules.borda, ck.Rankings.from_orders(["ab", "ba"])).reason
    'in the 4 profiles of 2 voters on 2 alternatives no voter decides a pair of alternatives'
    """
    profile = strict(profile, "minimal_liberalism_of_orderings")
    voters, size = voters_of(profile, "minimal_liberalism_of_orderings"), len(profile.alternatives)
    if voters < 2 or size < 2:
        return None
    profiles = every_profile(profile, voters, "minimal_liberalism_of_orderings")
    number, deciding = _deciding(ask, profiles, voters, size)
    if len(deciding) >= 2:
        return None
    who = f"only voter {min(deciding) + 1} decides" if deciding else "no voter decides"
    reason = f"in the {number:,} profiles of {voters} voters on {size} alternatives {who} a pair of alternatives"
    return Clash(reason, (profile,), ("one of these profiles",))


def _deciding(ask: Ask, profiles: Iterator[Rankings], voters: int, size: int) -> tuple[int, set[int]]:
    """How many profiles there are, and the voters who decide some pair in all of them."""
    left = list(itertools.product(range(voters), itertools.combinations(range(size), 2)))
    number = 0
    for each in profiles:
        number += 1
        if left:
            place = places(ask(each))
            order = [place[label] for label in each.alternatives]
            ballots = each._ranks.tolist()
            left = [
                (voter, (a, b))
                for voter, (a, b) in left
                if order[a] != order[b] and (order[a] < order[b]) == (ballots[voter][a] < ballots[voter][b])
            ]
    return number, {voter for voter, _ in left}
