"""Axioms of strategy: nobody should gain by a ballot that is not their own.

Each but the last looks at all m! strict ballots that one voter of each row may cast instead, and refuses 9 alternatives
and more. A row of 3 voters is 3 voters with the same ballot, a row whose weight is no whole number is one voter.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from choicekit.axioms import _extensions as extensions
from choicekit.axioms import _readings as readings
from choicekit.axioms import _scans_several as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import (
    Ranks,
    affordable,
    every_ballot,
    lies,
    listed,
    one_voter,
    replaced,
    said,
    strict,
    voting,
)
from choicekit.axioms._extensions import Extension, prefers
from choicekit.axioms._readings import Ask
from choicekit.profiles import Rankings


def _lie(ask: Ask, profile: Rankings, extension: Extension) -> Clash | None:
    name = f"strategyproofness_{extension.name}"
    labels = profile.alternatives
    affordable(math.factorial(len(labels)), name, "ballots that a voter may cast")
    profile = strict(profile, name)
    before = ask(profile)
    for _, truth, ballot, lied in lies(profile, voting(profile, ask.voters_named)):
        after = ask(lied)
        if prefers(extension, labels, truth, after, before):
            voter, said_so = said(profile, truth), said(profile, ballot)
            reason = (
                f"a voter of {voter} who says {said_so} gets {listed(after)} instead of {listed(before)}, which "
                f"is better{extension.words}"
            )
            changed = tuple(label for label in labels if (label in before) != (label in after))
            return Clash(reason, (profile, lied), ("the ballots", f"a voter of {voter} says {said_so}"), changed)
    return None


@axiom(kind="neighbour", about=readings.winners, scan=scans.strategyproofness(extensions.singleton))
def strategyproofness_singleton(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody makes one alternative win instead of one they like less by casting another ballot.

    Sets of several winners are not compared.

    Source: Gibbard 1973 (doi:10.2307/1914083), Satterthwaite 1975 (doi:10.1016/0022-0531(75)90050-2).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abcd": 1, "cabd": 1})
    >>> print(axioms.strategyproofness_singleton(rules.borda, votes).reason)
    a voter of c > a > b > d who says c > d > b > a gets c instead of a, which is better
    """
    return _lie(ask, profile, extensions.singleton)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_singleton",),
    scan=scans.strategyproofness(extensions.kelly),
)
def strategyproofness_kelly(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody gets, by casting another ballot, a set of winners whose members they all like at least as well as before.

    Of two different sets X is better than Y in Kelly's sense where no member of Y is above one of X on the ballot.

    Source: Kelly 1977 (doi:10.2307/1911220).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 1})
    >>> print(axioms.strategyproofness_kelly(rules.plurality, votes).reason)
    a voter of c > b > a who says b > a > c gets a and b instead of a, which is better in Kelly's sense
    """
    return _lie(ask, profile, extensions.kelly)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_kelly",),
    scan=scans.strategyproofness(extensions.fishburn),
)
def strategyproofness_fishburn(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody gets a set of winners that is better in Fishburn's sense by casting another ballot.

    Of two different sets X is better than Y where all that only X has is above all that both have and all that only
    Y has, and all that both have is above all that only Y has.

    Source: Fishburn 1972 (doi:10.1007/BF00139351) on sets.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cab": 2, "bca": 1})
    >>> print(axioms.strategyproofness_fishburn(rules.uncovered_set, votes).reason)
    a voter of b > a > c who says b > c > a gets a, b and c instead of a and c, which is better in Fishburn's
    sense
    """
    return _lie(ask, profile, extensions.fishburn)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_fishburn",),
    scan=scans.strategyproofness(extensions.gardenfors),
)
def strategyproofness_gardenfors(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody gets a set of winners that is better in Gärdenfors's sense by casting another ballot.

    X is better than a part Y of it where what X adds is above all of Y; better than a larger Y where X is above all
    that Y adds; and better than another set where all that only X has is above all that only Y has.

    Source: Gärdenfors 1976 (doi:10.1016/0022-0531(76)90016-8).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.strategyproofness_gardenfors(rules.borda, ck.Rankings.from_orders({"abc": 1, "bac": 1})).reason)
    a voter of a > b > c who says a > c > b gets a instead of a and b, which is better in Gärdenfors's sense
    """
    return _lie(ask, profile, extensions.gardenfors)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_singleton",),
    scan=scans.strategyproofness(extensions.optimist),
)
def strategyproofness_optimist(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody gets, by casting another ballot, winners whose best they like better than the best there was.

    Source: Duggan and Schwartz 2000 (doi:10.1007/PL00007177).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 1, "bac": 1, "cab": 1})
    >>> print(axioms.strategyproofness_optimist(rules.smith, votes).reason)
    a voter of b > a > c who says b > c > a gets a, b and c instead of a, which is better to an optimist
    """
    return _lie(ask, profile, extensions.optimist)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_singleton",),
    scan=scans.strategyproofness(extensions.pessimist),
)
def strategyproofness_pessimist(ask: Ask, profile: Rankings) -> Clash | None:
    """Nobody gets, by casting another ballot, winners whose worst they like better than the worst there was.

    Source: Duggan and Schwartz 2000 (doi:10.1007/PL00007177).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.strategyproofness_pessimist(rules.smith, ck.Rankings.from_orders({"abc": 1, "cab": 1})).reason)
    a voter of c > a > b who says a > b > c gets a instead of a, b and c, which is better to a pessimist
    """
    return _lie(ask, profile, extensions.pessimist)


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("strategyproofness_singleton",),
    neutral=False,
    scan=scans.strategyproofness(extensions.lexicographic),
)
def strategyproofness_lexicographic(ask: Ask, profile: Rankings) -> Clash | None:
    """Where the first of tied winners, in the order of the alternatives, is taken, nobody gains by another ballot.

    Source: Gibbard 1973 (doi:10.2307/1914083), Satterthwaite 1975 (doi:10.1016/0022-0531(75)90050-2).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"bac": 1, "cab": 1})
    >>> print(axioms.strategyproofness_lexicographic(rules.plurality, votes).reason)
    a voter of c > a > b who says a > b > c gets a and b instead of b and c, which is better where the first
    of tied winners is taken
    """
    return _lie(ask, profile, extensions.lexicographic)


@axiom(kind="neighbour", about=readings.winners, implies=("strategyproofness_kelly",))
def group_strategyproofness_kelly(ask: Ask, profile: Rankings) -> Clash | None:
    """No voters, one or several, cast other ballots together so that each of them gains in Kelly's sense.

    All coalitions are looked at, smaller ones first, up to the whole electorate, with all the ballots they may cast:
    (m!)^n profiles less the one given, where the voters of a row are alike. Raises ``ValueError`` where there are more
    than 200,000.

    Source: Brandt 2015 (doi:10.1007/s00355-015-0881-8).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 2})  # nobody gains alone
    >>> print(axioms.group_strategyproofness_kelly(rules.copeland, votes))
    copeland violates group_strategyproofness_kelly: where one of a > b > c says a > c > b and one of a > b > c says
    a > c > b, a instead of a and b is better for each of them in Kelly's sense
    the ballots: a and b win
      2: a > b > c
      2: b > a > c
    one of a > b > c says a > c > b and one of a > b > c says a > c > b: a wins
      2: a > c > b
      2: b > a > c
    """
    profile = strict(profile, "group_strategyproofness_kelly")
    labels, before = profile.alternatives, ask(profile)
    for coalition, ballots in _coalitions(profile):
        lied, truths = profile, [tuple(profile.ranks[row].tolist()) for row in coalition]
        for row, ballot in zip(coalition, ballots, strict=True):
            lied = replaced(lied, row, ballot)
        after = ask(lied)
        if all(prefers(extensions.kelly, labels, truth, after, before) for truth in truths):
            told = listed([
                f"one of {said(profile, truth)} says {said(profile, ballot)}"
                for truth, ballot in zip(truths, ballots, strict=True)
            ])  # fmt: skip
            reason = (
                f"where {told}, {listed(after)} instead of {listed(before)} is better for each of them in Kelly's sense"
            )
            changed = tuple(label for label in labels if (label in before) != (label in after))
            return Clash(reason, (profile, lied), ("the ballots", told), changed)
    return None


def _coalitions(profile: Rankings) -> Iterator[tuple[tuple[int, ...], tuple[Ranks, ...]]]:
    """The rows of voters who lie, and what each says; voters of a row are alike."""
    ballots = every_ballot(len(profile.alternatives))
    voters: list[int] = []
    number = 1
    for row in voting(profile, True):
        weight = float(profile.weights[row])
        alike = round(weight / one_voter(weight))
        voters += [row] * alike
        number *= math.comb(alike + len(ballots) - 1, alike)
        affordable(number, "group_strategyproofness_kelly", "profiles of coalitions")
    for size in range(1, len(voters) + 1):
        for coalition in sorted(set(itertools.combinations(voters, size))):
            truths = [tuple(profile.ranks[row].tolist()) for row in coalition]
            lies = ([ballot for ballot in ballots if ballot != truth] for truth in truths)
            for chosen in itertools.product(*lies):
                pairs = list(zip(coalition, chosen, strict=True))
                if all(one[0] != other[0] or one[1] <= other[1] for one, other in itertools.pairwise(pairs)):
                    yield coalition, chosen
