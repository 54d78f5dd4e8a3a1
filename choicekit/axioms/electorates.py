"""An axiom of electorates that come together: what both choose, all should choose."""

from __future__ import annotations

import itertools
import math

import numpy as np

from choicekit.axioms import _readings as readings
from choicekit.axioms import _scans_several as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable, listed, made, one_voter, strict, voting
from choicekit.axioms._readings import Ask
from choicekit.profiles import Rankings


@axiom(kind="global", about=readings.winners, scan=scans.reinforcement)
def reinforcement(ask: Ask, profile: Rankings) -> Clash | None:
    """Where the two parts of an electorate have winners in common, these and no others win with all ballots.

    The profile given is that of all ballots; every way of splitting it into two parts is looked at. Voters of a row are
    alike, so that a row of 3 can be split in four ways. Raises ``ValueError`` where there are more than 200,000 ways.

    Source: Smith 1973 (doi:10.2307/1914033), Young 1975 (doi:10.1137/0128067).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 1})
    >>> print(axioms.reinforcement(rules.instant_runoff, votes).reason)
    both parts of the electorate choose a, and all together a and b
    """
    profile = strict(profile, "reinforcement")
    rows = voting(profile, True)
    alike = [round(float(profile.weights[row]) / one_voter(float(profile.weights[row]))) for row in rows]
    ways = (math.prod(number + 1 for number in alike) - 1) // 2
    affordable(ways, "reinforcement", "ways of splitting the electorate")
    splits = itertools.product(*(range(number + 1) for number in alike))
    for kept in itertools.islice(splits, 1, ways + 1):
        one, other = _part(profile, rows, kept), _part(profile, rows, [a - k for a, k in zip(alike, kept, strict=True)])
        chosen, too = ask(one), ask(other)
        common = tuple(label for label in chosen if label in too)
        whole = ask(profile) if common else ()
        if common and common != whole:
            reason = f"both parts of the electorate choose {listed(common)}, and all together {listed(whole)}"
            captions = ("the ballots", "one part of the electorate", "the other part")
            changed = tuple(label for label in profile.alternatives if (label in common) != (label in whole))
            return Clash(reason, (profile, one, other), captions, changed)
    return None


def _part(profile: Rankings, rows: list[int], kept: tuple[int, ...] | list[int]) -> Rankings:
    """The profile of so many voters of each row."""
    held = [row for row, number in zip(rows, kept, strict=True) if number]
    weights = [
        one_voter(float(profile.weights[row])) * number for row, number in zip(rows, kept, strict=True) if number
    ]
    return made(profile._ranks[held], np.array(weights), profile.alternatives)
