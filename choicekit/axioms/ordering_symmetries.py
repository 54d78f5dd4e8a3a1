"""Axioms of orderings about names, ballots upside down, and electorates that unite."""

from __future__ import annotations

import itertools

from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import made, relabelled, said
from choicekit.axioms._orders import complete, parted, parting, stands, unfolded
from choicekit.axioms._readings import Ask, places
from choicekit.profiles import Rankings


@axiom(kind="neighbour", about=readings.ordering, implies=("nondictatorship_of_orderings",), anonymous=False)
def anonymity_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """Who cast which ballot does not matter to the ordering.

    Looks at the same voters each in a row of their own, and then at any two of them with each other's ballot; all
    exchanges among voters are made of these. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> def first_voter(profile):
    ...     return ck.Scores(profile.alternatives, -profile.ranks[0])
    >>> axioms.anonymity_of_orderings(first_voter, ck.Rankings.from_orders({"ab": 1, "ba": 2})).reason
    'two voters change places, and the rule has a below b, not a above b'
    """
    profile = complete(profile, "anonymity_of_orderings")
    before = ask(profile)
    alone = unfolded(profile)
    others = [(alone, "each voter in a row of their own", "the voters' rows are counted one by one")]
    rows, weights = alone._ranks, alone.weights
    for one, two in itertools.combinations(range(len(rows)), 2):
        if rows[one].tobytes() != rows[two].tobytes() or weights[one] != weights[two]:
            new, sizes = rows.copy(), weights.copy()
            new[[one, two]], sizes[[one, two]] = rows[[two, one]], weights[[two, one]]
            pair = f"voters {one + 1} and {two + 1}, of {said(alone, rows[one])} and {said(alone, rows[two])}"
            changed = made(new, sizes, profile.alternatives)
            others.append((changed, f"{pair}, change places", "two voters change places"))
    for other, caption, what in others:
        after = ask(other)
        differ = parting(before, after, profile.alternatives)
        if differ:
            reason = f"{what}, and the rule has {stands(places(after), *differ)}, not {stands(places(before), *differ)}"
            return Clash(reason, (profile, other), ("the ballots", caption), differ)
    return None


@axiom(kind="neighbour", about=readings.ordering)
def neutrality_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """When alternatives change names on every ballot, they change names in the ordering, and nothing else happens.

    Looks at all m! − 1 ways to change the names. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms
    >>> axioms.neutrality_of_orderings(lambda profile: profile.alternatives, ck.Rankings.from_orders(["ab"])).reason
    'what was said of a, b is said of b, a, but the rule has a above b, not a below b'
    """
    labels = profile.alternatives
    profile = complete(profile, "neutrality_of_orderings")
    before = ask(profile)
    for moves in itertools.islice(itertools.permutations(range(len(labels))), 1, None):
        other = relabelled(profile, moves)
        name = {label: labels[to] for label, to in zip(labels, moves, strict=True)}
        wanted = tuple(tuple(name[label] for label in level) for level in before)
        after = ask(other)
        pair = parting(after, wanted, labels)
        if pair:
            new = ", ".join(str(name[label]) for label in labels)
            told = f"what was said of {', '.join(map(str, labels))} is said of {new}"
            reason = f"{told}, but the rule has {stands(places(after), *pair)}, not {stands(places(wanted), *pair)}"
            return Clash(reason, (profile, other), ("the ballots", told), pair)
    return None


@axiom(kind="neighbour", about=readings.ordering)
def reversal_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """When all ballots are turned upside down, so is the ordering. Ballots may have ties.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> axioms.reversal_of_orderings(rules.plurality, ck.Rankings.from_orders({"abc": 2, "bac": 1})).reason
    'all ballots are turned upside down, but the rule has a above b first and a level with b then'
    """
    profile = complete(profile, "reversal_of_orderings")
    before = ask(profile)
    ranks = profile._ranks
    other = made((ranks.max(1, keepdims=True) - ranks).astype(ranks.dtype), profile.weights, profile.alternatives)
    after = ask(other)
    pair = parting(after, before[::-1], profile.alternatives)
    if pair:
        here, there = stands(places(before), *pair), stands(places(after), *pair)
        reason = f"all ballots are turned upside down, but the rule has {here} first and {there} then"
        return Clash(reason, (profile, other), ("the ballots", "the ballots upside down"), pair)
    return None


@axiom(kind="global", about=readings.ordering)
def reinforcement_of_orderings(ask: Ask, profile: Rankings) -> Clash | None:
    """Where two electorates have the same ordering, the two together have it too.

    Looks at every way to part the voters of the profile in two. Ballots may have ties. Raises ``ValueError`` where
    there are more than 200,000 ways.

    Source: Young and Levenglick 1978 (doi:10.1137/0135023), who ask it of rules that answer with several orders.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 1, "acb": 1, "bca": 2, "cba": 1})
    >>> axioms.reinforcement_of_orderings(rules.borda, votes) is None
    True
    """
    profile = complete(profile, "reinforcement_of_orderings")
    whole = ask(profile)
    for one, two in parted(profile, "reinforcement_of_orderings"):
        part = ask(one)
        if ask(two) != part:
            continue
        pair = parting(part, whole, profile.alternatives)
        if pair:
            reason = (
                f"both parts of the electorate have {stands(places(part), *pair)}, the whole has "
                f"{stands(places(whole), *pair)}"
            )
            captions = ("all voters", "one part of them", "the other part")
            return Clash(reason, (profile, one, two), captions, pair)
    return None
