"""What one changed ballot may do to the winners: support that grows does not hurt, and one ballot resolves a tie.

Every voter is looked at in turn, and every move of the ballot. A row of a whole weight is so many voters, one of whom
moves; of another weight, one voter with that weight.
"""

from __future__ import annotations

from choicekit.axioms import _scans_single as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import (
    Ranks,
    every_ballot,
    joined,
    lifted,
    order,
    replaced,
    said,
    strict,
    voting,
)
from choicekit.axioms._readings import Ask, winners
from choicekit.outcomes import Labels
from choicekit.profiles import Rankings


@axiom(kind="neighbour", about=winners, scan=scans.monotonicity)
def monotonicity(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner whom one voter lifts by one place, past the alternative just above, still wins.

    Lifts by several places are lifts by one place after another: a rule without a clash on any profile satisfies the
    axiom for them too.

    Source: Fishburn 1977 (doi:10.1137/0133030); Smith 1973 (doi:10.2307/1914033).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"abc": 3, "bac": 3, "cab": 2, "cba": 1})     # any of the three may go first
    >>> print(monotonicity(rules.instant_runoff, votes))
    instant_runoff violates monotonicity: a voter of c > b > a lifts the winner b, and b no longer wins
    the ballots: a and b win
      3: a > b > c
      3: b > a > c
      2: c > a > b
      1: c > b > a
    a voter of c > b > a says b > c > a: a wins
      3: a > b > c
      3: b > a > c
      2: c > a > b
      1: b > c > a
    """
    return _lifts(ask, strict(profile, "monotonicity"), alone=False)


@axiom(kind="neighbour", about=winners, implies=("monotonicity",), scan=scans.positive_responsiveness)
def positive_responsiveness(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner whom one voter lifts by one place, past the alternative just above, becomes the only winner.

    Source: May 1952 (doi:10.2307/1907651), for two alternatives.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(positive_responsiveness(rules.plurality, ck.Rankings.from_orders({"abc": 1, "bca": 1})))
    plurality violates positive_responsiveness: a voter of b > c > a lifts the winner a, and a is not the only winner
    the ballots: a and b win
      1: a > b > c
      1: b > c > a
    a voter of b > c > a says b > a > c: a and b win
      1: a > b > c
      1: b > a > c
    """
    return _lifts(ask, strict(profile, "positive_responsiveness"), alone=True)


def _lifts(ask: Ask, profile: Rankings, *, alone: bool) -> Clash | None:
    """The first lift of a winner after which it does not win (alone)."""
    won = ask(profile)
    for row in voting(profile, ask.voters_named):
        for column, new in lifted(profile.ranks[row].tolist()):
            label = profile.alternatives[column]
            if label not in won:
                continue
            other = replaced(profile, row, new)
            found = ask(other)
            if label not in found or (alone and found != (label,)):
                end = "is not the only winner" if label in found else "no longer wins"
                return _clash(profile, other, row, new, f"lifts the winner {label}, and {label} {end}", (label,))
    return None


def _clash(profile: Rankings, other: Rankings, row: int, new: Ranks, what: str, about: Labels) -> Clash:
    """A voter of a row casts another ballot."""
    who = f"a voter of {said(profile, profile.ranks[row].tolist())}"
    return Clash(f"{who} {what}", (profile, other), ("the ballots", f"{who} says {said(profile, new)}"), about)


@axiom(kind="neighbour", about=winners, implies=("monotonicity",), scan=scans.maskin_monotonicity)
def maskin_monotonicity(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner still wins after one voter casts a ballot on which it is above all it was above before.

    The alternatives above and below the winner may be in any order, in which it differs from monotonicity. All other
    ballots are looked at. Several voters may move one after the other.

    Source: Maskin 1999 (doi:10.1111/1467-937X.00076).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(maskin_monotonicity(rules.plurality, ck.Rankings.from_orders({"abc": 2, "bac": 2, "cba": 1})))
    plurality violates maskin_monotonicity: a voter of c > b > a keeps a above all it was above, and a no longer wins
    the ballots: a and b win
      2: a > b > c
      2: b > a > c
      1: c > b > a
    a voter of c > b > a says b > a > c: b wins
      2: a > b > c
      3: b > a > c
    """
    profile = strict(profile, "maskin_monotonicity")
    won = ask(profile)
    columns = [column for column, label in enumerate(profile.alternatives) if label in won]
    for row in voting(profile, ask.voters_named):
        ranks = profile.ranks[row].tolist()
        below = {x: {y for y, rank in enumerate(ranks) if rank > ranks[x]} for x in columns}
        for new in every_ballot(len(ranks)):
            kept = [x for x in columns if all(new[y] > new[x] for y in below[x])]
            if not kept or list(new) == ranks:
                continue
            other = replaced(profile, row, new)
            found = ask(other)
            for label in (profile.alternatives[x] for x in kept):
                if label not in found:
                    what = f"keeps {label} above all it was above, and {label} no longer wins"
                    return _clash(profile, other, row, new, what, (label,))
    return None


@axiom(kind="neighbour", about=winners, scan=scans.set_monotonicity)
def set_monotonicity(ask: Ask, profile: Rankings) -> Clash | None:
    """The winners stay the same where one voter lowers an alternative that does not win by one place.

    Whatever is reached by lowering alternatives that do not win is reached by such steps one after another.

    Source: Brandt 2015 (doi:10.1007/s00355-015-0881-8).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(set_monotonicity(rules.plurality, ck.Rankings.from_orders({"abc": 2, "cba": 1, "bca": 1})))
    plurality violates set_monotonicity: a voter of c > b > a lowers c, which does not win, and the winners change
    the ballots: a wins
      2: a > b > c
      1: c > b > a
      1: b > c > a
    a voter of c > b > a says b > c > a: a and b win
      2: a > b > c
      2: b > c > a
    """
    profile = strict(profile, "set_monotonicity")
    won = ask(profile)
    for row in voting(profile, ask.voters_named):
        ranks = profile.ranks[row].tolist()
        from_top = order(ranks)
        for column, new in lifted(ranks):
            label = profile.alternatives[from_top[ranks[column] - 1]]
            if label in won:
                continue
            other = replaced(profile, row, new)
            if ask(other) != won:
                what = f"lowers {label}, which does not win, and the winners change"
                return _clash(profile, other, row, new, what, (label,))
    return None


@axiom(kind="neighbour", about=winners, scan=scans.resolvability)
def resolvability(ask: Ask, profile: Rankings) -> Clash | None:
    """Where several alternatives win, each of them is the only winner after some voter joins.

    The ballots of all m! voters who may join are looked at. (This is the form for a single voter; another one asks that
    ties become rare as voters grow many.)

    Source: Schulze 2011 (doi:10.1007/s00355-010-0475-4); Tideman 1987 (doi:10.1007/BF00433944).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(resolvability(rules.veto, ck.Rankings.from_orders({"abcd": 1})))
    veto violates resolvability: a wins with others, and is the only winner after no single voter joins
    the ballots: a and b and c win
      1: a > b > c > d
    """
    profile = strict(profile, "resolvability")
    won = ask(profile)
    left = list(won) if len(won) > 1 else []
    for ballot in every_ballot(len(profile.alternatives)):
        if not left:
            return None
        found = ask(joined(profile, ballot))
        if len(found) == 1 and found[0] in left:
            left.remove(found[0])
    if not left:
        return None
    reason = f"{left[0]} wins with others, and is the only winner after no single voter joins"
    return Clash(reason, (profile,), ("the ballots",), tuple(left))
