"""Axioms of voters who join: nobody, and no alternative, should come off worse for a ballot that favours them.

Each looks at all m! strict ballots that one voter more may cast, and refuses 9 alternatives and more.
"""

from __future__ import annotations

import math

from choicekit.axioms import _extensions as extensions
from choicekit.axioms import _readings as readings
from choicekit.axioms import _scans_several as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable, every_ballot, joined, listed, order, said, strict
from choicekit.axioms._extensions import Extension, prefers
from choicekit.axioms._readings import Ask
from choicekit.profiles import Rankings


def _ready(profile: Rankings, name: str) -> Rankings:
    affordable(math.factorial(len(profile.alternatives)), name, "ballots that may join")
    return strict(profile, name)


@axiom(kind="neighbour", about=readings.winners, scan=scans.positive_involvement)
def positive_involvement(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner still wins when a voter joins who likes it best.

    Source: Pérez 2001 (doi:10.1007/s003550000079).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.positive_involvement(rules.smith, ck.Rankings.from_orders({"abc": 1, "cab": 1})).reason)
    b no longer wins when a voter of b > a > c joins, who likes it best
    """
    profile = _ready(profile, "positive_involvement")
    before = ask(profile)
    for ballot in every_ballot(len(profile.alternatives)):
        top = profile.alternatives[order(ballot)[0]]
        more = joined(profile, ballot)
        if top in before and top not in ask(more):
            voter = said(profile, ballot)
            reason = f"{top} no longer wins when a voter of {voter} joins, who likes it best"
            return Clash(reason, (profile, more), ("the ballots", f"a voter of {voter} joins"), (top,))
    return None


@axiom(kind="neighbour", about=readings.winners, scan=scans.negative_involvement)
def negative_involvement(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that does not win still does not when a voter joins who likes it least.

    Source: Pérez 2001 (doi:10.1007/s003550000079).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.negative_involvement(rules.smith, ck.Rankings.from_orders({"abc": 1})).reason)
    b wins when a voter of c > a > b joins, who likes it least
    """
    profile = _ready(profile, "negative_involvement")
    before = ask(profile)
    for ballot in every_ballot(len(profile.alternatives)):
        last = profile.alternatives[order(ballot)[-1]]
        more = joined(profile, ballot)
        if last not in before and last in ask(more):
            voter = said(profile, ballot)
            reason = f"{last} wins when a voter of {voter} joins, who likes it least"
            return Clash(reason, (profile, more), ("the ballots", f"a voter of {voter} joins"), (last,))
    return None


def _no_show(ask: Ask, profile: Rankings, extension: Extension) -> Clash | None:
    profile = _ready(profile, f"participation_{extension.name}")
    labels, before = profile.alternatives, ask(profile)
    for ballot in every_ballot(len(labels)):
        more = joined(profile, ballot)
        after = ask(more)
        if prefers(extension, labels, ballot, before, after):
            voter = said(profile, ballot)
            reason = (
                f"a voter of {voter} who joins gets {listed(after)} instead of {listed(before)}, which is worse"
                f"{extension.words}"
            )
            changed = tuple(label for label in labels if (label in before) != (label in after))
            return Clash(reason, (profile, more), ("the ballots", f"a voter of {voter} joins"), changed)
    return None


@axiom(kind="neighbour", about=readings.winners, scan=scans.participation(extensions.singleton))
def participation_singleton(ask: Ask, profile: Rankings) -> Clash | None:
    """Where one alternative wins with and without a voter, the voter does not like better the one that wins without.

    Source: Moulin 1988 (doi:10.1016/0022-0531(88)90253-0).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.participation_singleton(rules.bucklin, ck.Rankings.from_orders({"abc": 3, "bca": 2})).reason)
    a voter of c > a > b who joins gets b instead of a, which is worse
    """
    return _no_show(ask, profile, extensions.singleton)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_singleton",),
    scan=scans.participation(extensions.kelly),
)
def participation_kelly(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody who joins gets a set of winners instead of one whose members they all like at least as well.

    Of two different sets X is better than Y in Kelly's sense where no member of Y is above one of X on the ballot.

    Source: Kelly 1977 (doi:10.2307/1911220) on sets; Moulin 1988 (doi:10.1016/0022-0531(88)90253-0) on participation.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 1})
    >>> print(axioms.participation_kelly(rules.instant_runoff, votes).reason)
    a voter of c > b > a who joins gets a instead of a and b, which is worse in Kelly's sense
    """
    return _no_show(ask, profile, extensions.kelly)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_kelly",),
    scan=scans.participation(extensions.fishburn),
)
def participation_fishburn(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody who joins gets a set of winners that is worse than the one without them in Fishburn's sense.

    Of two different sets X is better than Y where all that only X has is above all that both have and all that only
    Y has, and all that both have is above all that only Y has.

    Source: Fishburn 1972 (doi:10.1007/BF00139351) on sets; Moulin 1988 (doi:10.1016/0022-0531(88)90253-0).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 1})
    >>> print(axioms.participation_fishburn(rules.instant_runoff, votes).reason)
    a voter of c > b > a who joins gets a instead of a and b, which is worse in Fishburn's sense
    """
    return _no_show(ask, profile, extensions.fishburn)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_fishburn",),
    scan=scans.participation(extensions.gardenfors),
)
def participation_gardenfors(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody who joins gets a set of winners that is worse than the one without them in Gärdenfors's sense.

    X is better than a part Y of it where what X adds is above all of Y; better than a larger Y where X is above all
    that Y adds; and better than another set where all that only X has is above all that only Y has.

    Source: Gärdenfors 1976 (doi:10.1016/0022-0531(76)90016-8) on sets.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abcd": 2, "bcda": 1})
    >>> print(axioms.participation_gardenfors(rules.copeland, votes).reason)
    a voter of c > d > a > b who joins gets a and b instead of a, which is worse in Gärdenfors's sense
    """
    return _no_show(ask, profile, extensions.gardenfors)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_singleton", "positive_involvement"),
    scan=scans.participation(extensions.optimist),
)
def participation_optimist(ask: Ask, profile: Rankings) -> Clash | None:
    """The best of the winners, to a voter who joins, is at least as good as the best of those without them.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.participation_optimist(rules.smith, ck.Rankings.from_orders({"abc": 1, "cab": 1})).reason)
    a voter of b > a > c who joins gets a instead of a, b and c, which is worse to an optimist
    """
    return _no_show(ask, profile, extensions.optimist)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_singleton", "negative_involvement"),
    scan=scans.participation(extensions.pessimist),
)
def participation_pessimist(ask: Ask, profile: Rankings) -> Clash | None:
    """The worst of the winners, to a voter who joins, is at least as good as the worst of those without them.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.participation_pessimist(rules.smith, ck.Rankings.from_orders({"abc": 1})).reason)
    a voter of c > a > b who joins gets a, b and c instead of a, which is worse to a pessimist
    """
    return _no_show(ask, profile, extensions.pessimist)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("participation_singleton",),
    neutral=False,
    scan=scans.participation(extensions.lexicographic),
)
def participation_lexicographic(ask: Ask, profile: Rankings) -> Clash | None:
    """Where the first of tied winners, in the order of the alternatives, is taken, nobody does worse by joining.

    Source: Moulin 1988 (doi:10.1016/0022-0531(88)90253-0) on rules with one winner.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 1, "cab": 1, "bca": 1})
    >>> print(axioms.participation_lexicographic(rules.instant_runoff, votes).reason)
    a voter of c > a > b who joins gets b and c instead of a, b and c, which is worse where the first of tied
    winners is taken
    """
    return _no_show(ask, profile, extensions.lexicographic)
