"""Arrow's axioms and their kin: what the ordering of all alternatives owes to the ballots, pair by pair.

A rule answers with :class:`~choicekit.Scores`, a linear order, or a sequence of labels, best first, with sets for
those level. Where an axiom of winners has the same name, the one of orderings ends in ``_of_orderings``.
"""

from __future__ import annotations

import itertools

import numpy as np

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import lifted, replaced, restricted, said, strict
from choicekit.axioms._orders import ballots_for, complete, only, parting, side, stands, voting
from choicekit.axioms._readings import Ask, places
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings


@axiom(kind="intra", about=readings.ordering, implies=("unanimity_of_orderings", "citizens_sovereignty"))
def weak_pareto(ask: Ask, profile: Rankings) -> Clash | None:
    """Where every voter ranks a above b, a is above b in the ordering. Ballots may have ties.

    Source: Arrow 1963.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def as_listed(profile):
    ...     return profile.alternatives
    >>> print(axioms.weak_pareto(as_listed, ck.Rankings.from_orders({"bac": 2, "cba": 1})))
    as_listed violates weak_pareto: every voter ranks b above a, and the rule has b below a
    the ballots: a > b > c
      2: b > a > c
      1: c > b > a
    """
    profile = complete(profile, "weak_pareto")
    place = places(ask(profile))
    ranks = profile.ranks[voting(profile)]
    for a, b in itertools.permutations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        if len(ranks) and (ranks[:, a] < ranks[:, b]).all() and side(place, x, y) != 1:
            reason = f"every voter ranks {x} above {y}, and the rule has {stands(place, x, y)}"
            return Clash(reason, (profile,), ("the ballots",), (x, y))
    return None


@axiom(kind="intra", about=readings.ordering, ballots="weak", implies=("weak_pareto",))
def strong_pareto(ask: Ask, profile: Rankings) -> Clash | None:
    """Where no voter ranks b above a and some rank a above b, a is above b in the ordering. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders([["a", {"b", "c"}], ["a", "b", "c"]])
    >>> axioms.strong_pareto(rules.plurality, votes).reason
    'no voter ranks c above b and some rank b above c, and the rule has b level with c'
    """
    profile = complete(profile, "strong_pareto")
    place = places(ask(profile))
    ranks = profile.ranks[voting(profile)]
    for a, b in itertools.permutations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        agreed = (ranks[:, a] <= ranks[:, b]).all() and (ranks[:, a] < ranks[:, b]).any()
        if agreed and side(place, x, y) != 1:
            reason = f"no voter ranks {y} above {x} and some rank {x} above {y}, and the rule has {stands(place, x, y)}"
            return Clash(reason, (profile,), ("the ballots",), (x, y))
    return None


@axiom(kind="intra", about=readings.ordering, ballots="weak")
def pareto_indifference(ask: Ask, profile: Rankings) -> Clash | None:
    """Alternatives that every voter ranks level are level in the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> votes = ck.Rankings.from_orders([[{"a", "b"}, "c"], ["c", {"a", "b"}]])
    >>> axioms.pareto_indifference(lambda profile: profile.alternatives, votes).reason
    'every voter ranks a level with b, and the rule has a above b'
    """
    profile = complete(profile, "pareto_indifference")
    place = places(ask(profile))
    ranks = profile.ranks[voting(profile)]
    for a, b in itertools.combinations(range(len(profile.alternatives)), 2):
        x, y = profile.alternatives[a], profile.alternatives[b]
        if len(ranks) and (ranks[:, a] == ranks[:, b]).all() and side(place, x, y):
            reason = f"every voter ranks {x} level with {y}, and the rule has {stands(place, x, y)}"
            return Clash(reason, (profile,), ("the ballots",), (x, y))
    return None


@axiom(kind="intra", about=readings.ordering)
def unanimity_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """Where all voters cast the same strict ballot, that is the ordering.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> axioms.unanimity_of_orderings(rules.plurality, ck.Rankings.from_orders({"abc": 2})).reason
    'every voter says a > b > c, and the rule has b level with c'
    """
    profile = strict(profile, "unanimity_of_orderings")
    found = ask(profile)
    ballots = {tuple(row) for row in profile.ranks[voting(profile)].tolist()}
    if len(ballots) != 1:
        return None
    (ballot,) = ballots
    wanted = tuple((profile.alternatives[a],) for a in np.argsort(ballot).tolist())
    pair = parting(found, wanted, profile.alternatives)
    if not pair:
        return None
    reason = f"every voter says {said(profile, ballot)}, and the rule has {stands(places(found), *pair)}"
    return Clash(reason, (profile,), ("the ballots",), pair)


@axiom(kind="neighbour", about=readings.ordering)
def independence_of_irrelevant_alternatives(ask: Ask, profile: Rankings) -> Clash | None:
    """How a and b stand in the ordering depends on nothing but how each voter ranks a and b.

    Looks at every ballot that one voter could cast instead (with ties where the profile has any) which leaves a and b
    as they are. Over all profiles of a size these steps are enough: of two profiles that agree on a and b one becomes
    the other by changing one ballot after the other, and all profiles on the way agree on them too.

    Source: Arrow 1951.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders(["abc", "bca"])
    >>> print(axioms.independence_of_irrelevant_alternatives(rules.borda, votes))
    borda violates independence_of_irrelevant_alternatives: nobody changes how a and b are ranked, but the rule has a \
below b first and a level with b then
    the ballots: b > a > c
      1: a > b > c
      1: b > c > a
    the voter of a > b > c says a > c > b: a = b = c
      1: a > c > b
      1: b > c > a
    """
    profile = complete(profile, "independence_of_irrelevant_alternatives")
    before = places(ask(profile))
    pairs = list(itertools.combinations(range(len(profile.alternatives)), 2))
    if len(pairs) < 2:
        return None
    for row in voting(profile):
        old = tuple(profile._ranks[row].tolist())
        for new in ballots_for(profile):
            if new == old:
                continue
            other = replaced(profile, row, new)
            for a, b in pairs:
                if np.sign(old[a] - old[b]) != np.sign(new[a] - new[b]):
                    continue
                x, y = profile.alternatives[a], profile.alternatives[b]
                after = places(ask(other))
                if side(before, x, y) != side(after, x, y):
                    reason = (
                        f"nobody changes how {x} and {y} are ranked, but the rule has {stands(before, x, y)} first and "
                        f"{stands(after, x, y)} then"
                    )
                    move = f"the voter of {said(profile, old)} says {said(profile, new)}"
                    return Clash(reason, (profile, other), ("the ballots", move), (x, y))
    return None


@axiom(kind="neighbour", about=readings.ordering)
def positive_association(ask: Ask, profile: Rankings) -> Clash | None:
    """Raising a on a ballot never makes a stand worse against any other alternative in the ordering.

    Where a was above another alternative it stays above it, where level it does not fall below. Looks at every voter
    and every alternative that changes places with the one above it; raises by more places are made of these.

    Source: after Arrow 1951, who asks it of being above.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> def contrary(profile):
    ...     return ck.Scores(profile.alternatives, -rules.borda(profile).scores)
    >>> axioms.positive_association(contrary, ck.Rankings.from_orders({"ab": 1, "ba": 1})).reason
    'b is raised, and falls from b level with a to b below a'
    """
    profile = strict(profile, "positive_association")
    before = places(ask(profile))
    for row in voting(profile):
        old = tuple(profile._ranks[row].tolist())
        for column, new in lifted(old):
            other = replaced(profile, row, new)
            after = places(ask(other))
            x = profile.alternatives[column]
            for y in profile.alternatives:
                if side(after, x, y) < side(before, x, y):
                    reason = f"{x} is raised, and falls from {stands(before, x, y)} to {stands(after, x, y)}"
                    return Clash(
                        reason, (profile, other), ("the ballots", f"a voter of {said(profile, old)} lifts {x}"), (x, y)
                    )
    return None


@axiom(kind="intra", about=readings.ordering)
def pairwise_majority_consistency(ask: Ask, profile: Rankings) -> Clash | None:
    """Where majorities rank all alternatives strictly, without ties or cycles, theirs is the ordering.

    A majority for a against b is more voters with a above b than with b above a. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})      # majorities: a > b > c
    >>> axioms.pairwise_majority_consistency(rules.borda, votes).reason
    'majorities say a > b > c, and the rule has a below b'
    """
    profile = complete(profile, "pairwise_majority_consistency")
    found = ask(profile)
    wins = profile.to_margins().values > 0
    strength = wins.sum(1)
    if sorted(strength.tolist()) != list(range(len(strength))):
        return None
    wanted = tuple((profile.alternatives[a],) for a in np.argsort(-strength).tolist())
    pair = parting(found, wanted, profile.alternatives)
    if not pair:
        return None
    reason = f"majorities say {readings.show_ordering(wanted)}, and the rule has {stands(places(found), *pair)}"
    return Clash(reason, (profile,), ("the ballots",), pair)


@axiom(kind="intra", about=readings.ordering)
def condorcet_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that beats every other is alone on top; one that every other beats is alone at the bottom.

    Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2})
    >>> axioms.condorcet_of_orderings(rules.plurality, votes).reason
    'every other alternative beats a, which is not alone at the bottom'
    """
    profile = complete(profile, "condorcet_of_orderings")
    found = ask(profile)
    margins = profile.to_margins().values
    others = len(profile.alternatives) - 1
    if not others:
        return None
    for column, label in enumerate(profile.alternatives):
        if (margins[column] > 0).sum() == others and found[0] != (label,):
            reason = f"{label} beats every other alternative, and is not alone on top"
        elif (margins[column] < 0).sum() == others and found[-1] != (label,):
            reason = f"every other alternative beats {label}, which is not alone at the bottom"
        else:
            continue
        return Clash(reason, (profile,), ("the ballots",), (label,))
    return None


@axiom(kind="neighbour", about=readings.ordering)
def local_independence(ask: Ask, profile: Rankings) -> Clash | None:
    """Without the alternative that is alone on top of the ordering, or alone at its bottom, the others stand as before.

    The rule is asked again about the same voters and the other alternatives. Ballots may have ties.

    Source: Young 1988 (doi:10.2307/1961757), for two alternatives and more next to each other.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bca": 2})      # Borda b > a > c, without c a > b
    >>> axioms.local_independence(rules.borda, votes).reason
    'without c, alone at the bottom, the rule has a above b, not a below b'
    """
    profile = complete(profile, "local_independence")
    found = ask(profile)
    ends = [(found[0], "alone on top"), (found[-1], "alone at the bottom")]
    return _without(ask, profile, [(level[0], where) for level, where in ends if len(level) == 1])


@axiom(kind="neighbour", about=readings.ordering, implies=("local_independence",))
def agenda_independence(ask: Ask, profile: Rankings) -> Clash | None:
    """Without any one alternative the others stand as before.

    The rule is asked again about the same voters and the other alternatives. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1})      # a beats b beats c, a ties with c
    >>> axioms.agenda_independence(rules.copeland, votes).reason
    'without b, which may go, the rule has a level with c, not a above c'
    """
    profile = complete(profile, "agenda_independence")
    return _without(ask, profile, [(label, "which may go") for label in profile.alternatives])


def _without(ask: Ask, profile: Rankings, leave: list[tuple[object, str]]) -> Clash | None:
    """Whether the others stand as before when one of these is withdrawn."""
    found = ask(profile)
    alternatives = profile.alternatives
    for gone, where in leave if len(alternatives) > 2 else []:
        keep: Labels = tuple(label for label in alternatives if label != gone)
        fewer = restricted(profile, [column for column, label in enumerate(alternatives) if label != gone])
        after = ask(fewer)
        pair = parting(only(found, keep), after, keep)
        if pair:
            reason = (
                f"without {gone}, {where}, the rule has {stands(places(after), *pair)}, not "
                f"{stands(places(found), *pair)}"
            )
            return Clash(reason, (profile, fewer), ("the ballots", f"the ballots without {gone}"), pair)
    return None
