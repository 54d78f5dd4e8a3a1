"""What a profile of strict rankings by itself asks of the winners: unanimity, majorities, majority comparisons.

A majority is more than half of the voters. a beats b where more voters rank a above b than b above a; numbers of
voters that differ by less than 1e-9 of all voters (of the largest margin) count as equal, which matters for weights
that are not whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from choicekit.axioms import _scans_single as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import one_voter, strict, total
from choicekit.axioms._readings import Ask, winners
from choicekit.kernels import tournaments
from choicekit.outcomes import TIE_TOLERANCE, Labels
from choicekit.profiles import Rankings

_ASKED = ("the ballots",)


def _names(labels: Labels) -> str:
    return " and ".join(map(str, labels))


def _majority(profile: Rankings, votes: float) -> bool:
    voters = total(profile)
    return 2 * votes - voters > TIE_TOLERANCE * voters


def _place(profile: Rankings, place: int) -> int | None:
    """The alternative (a column) that a majority ranks at a place."""
    there = (profile.ranks == place).argmax(axis=1)
    votes = np.bincount(there, profile.weights, len(profile.alternatives))
    best = int(votes.argmax())
    return best if _majority(profile, float(votes[best])) else None


def _beats(profile: Rankings) -> NDArray[np.bool_]:
    return tournaments.relation(profile.to_margins().values, TIE_TOLERANCE)


def _sole(ask: Ask, profile: Rankings, label: object, reason: str) -> Clash | None:
    """The clash where an alternative is not the only winner."""
    if ask(profile) == (label,):
        return None
    return Clash(f"{reason}, and is not the only winner", (profile,), _ASKED, (label,))


def _within(ask: Ask, profile: Rankings, allowed: Labels, name: str) -> Clash | None:
    """The clash where others win than those allowed."""
    wrong = tuple(a for a in ask(profile) if a not in allowed)
    if not wrong:
        return None
    held = ", ".join(map(str, allowed))
    verb = "win" if len(wrong) > 1 else "wins"
    return Clash(f"{_names(wrong)} {verb} from outside {name} {{{held}}}", (profile,), _ASKED, wrong)


@axiom(kind="intra", about=winners, scan=scans.resoluteness)
def resoluteness(ask: Ask, profile: Rankings) -> Clash | None:
    """There is one winner. Any rankings will do.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(resoluteness(rules.plurality, ck.Rankings.from_orders({"ab": 1, "ba": 1})))
    plurality violates resoluteness: a and b win together
    the ballots: a and b win
      1: a > b
      1: b > a
    """
    won = ask(profile)
    return Clash(f"{_names(won)} win together", (profile,), _ASKED, won) if len(won) > 1 else None


@axiom(kind="intra", about=winners, scan=scans.faithfulness)
def faithfulness(ask: Ask, profile: Rankings) -> Clash | None:
    """Of a single voter the favourite is the only winner. Electorates of several voters are not spoken of.

    Source: Young 1974 (doi:10.1016/0022-0531(74)90073-8).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(faithfulness(rules.veto, ck.Rankings.from_orders({"abc": 1})))
    veto violates faithfulness: a is the favourite of the only voter, and is not the only winner
    the ballots: a and b win
      1: a > b > c
    """
    profile = strict(profile, "faithfulness")
    weights = profile.weights[profile.weights > 0]
    if len(weights) != 1 or one_voter(float(weights[0])) != weights[0]:
        return None
    top = profile.alternatives[int(profile.ranks[profile.weights > 0][0].argmin())]
    return _sole(ask, profile, top, f"{top} is the favourite of the only voter")


@axiom(kind="intra", about=winners, implies=("faithfulness", "non_imposition"), scan=scans.unanimity)
def unanimity(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that every voter ranks on top is the only winner.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> unanimity(rules.borda, ck.Rankings.from_orders({"abc": 2, "acb": 1})) is None
    True
    >>> unanimity(rules.veto, ck.Rankings.from_orders({"abc": 2})).reason
    'a is the favourite of every voter, and is not the only winner'
    """
    profile = strict(profile, "unanimity")
    tops = np.unique(profile.ranks[profile.weights > 0].argmin(axis=1))
    if len(tops) > 1:
        return None
    top = profile.alternatives[int(tops[0])]
    return _sole(ask, profile, top, f"{top} is the favourite of every voter")


@axiom(kind="intra", about=winners, implies=("unanimity",), scan=scans.pareto)
def pareto(ask: Ask, profile: Rankings) -> Clash | None:
    """No winner is ranked below one and the same other alternative by every voter.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(pareto(rules.veto, ck.Rankings.from_orders({"abc": 2})))
    veto violates pareto: every voter ranks a above b, and b wins
    the ballots: a and b win
      2: a > b > c
    """
    profile = strict(profile, "pareto")
    ranks, labels = profile.ranks[profile.weights > 0], profile.alternatives
    won = ask(profile)
    for b in (b for b, label in enumerate(labels) if label in won):
        above = (ranks < ranks[:, b : b + 1]).all(axis=0)
        if above.any():
            reason = f"every voter ranks {labels[int(above.argmax())]} above {labels[b]}, and {labels[b]} wins"
            return Clash(reason, (profile,), _ASKED, (labels[b],))
    return None


@axiom(kind="intra", about=winners, implies=("unanimity",), scan=scans.majority)
def majority(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that more than half of the voters rank on top is the only winner.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(majority(rules.borda, ck.Rankings.from_orders({"abc": 3, "bca": 2})))      # points 6, 7 and 2
    borda violates majority: a is the favourite of more than half of the voters, and is not the only winner
    the ballots: b wins
      3: a > b > c
      2: b > c > a
    """
    profile = strict(profile, "majority")
    top = _place(profile, 0)
    if top is None:
        return None
    label = profile.alternatives[top]
    return _sole(ask, profile, label, f"{label} is the favourite of more than half of the voters")


@axiom(kind="intra", about=winners, scan=scans.majority_loser)
def majority_loser(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that more than half of the voters rank last, of two or more, does not win.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(majority_loser(rules.plurality, ck.Rankings.from_orders({"abc": 2, "bca": 2, "cba": 1})))
    plurality violates majority_loser: a is ranked last by more than half of the voters, and wins
    the ballots: a and b win
      2: a > b > c
      2: b > c > a
      1: c > b > a
    """
    profile = strict(profile, "majority_loser")
    size = len(profile.alternatives)
    last = _place(profile, size - 1) if size > 1 else None
    if last is None or profile.alternatives[last] not in ask(profile):
        return None
    label = profile.alternatives[last]
    return Clash(f"{label} is ranked last by more than half of the voters, and wins", (profile,), _ASKED, (label,))


@axiom(kind="intra", about=winners, implies=("majority", "majority_loser"), scan=scans.mutual_majority)
def mutual_majority(ask: Ask, profile: Rankings) -> Clash | None:
    """Where more than half of the voters rank a set of alternatives above all others, no other alternative wins.

    Of such sets one contains the other; the smallest one says it all.

    Source: Woodall 1994, Properties of preferential election rules, as majority for solid coalitions.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(mutual_majority(rules.plurality, ck.Rankings.from_orders({"abc": 2, "bac": 2, "cab": 3})))
    plurality violates mutual_majority: c wins from outside the set preferred by a majority {a, b}
    the ballots: c wins
      2: a > b > c
      2: b > a > c
      3: c > a > b
    """
    profile = strict(profile, "mutual_majority")
    allowed = next(_solid(profile), None)
    return None if allowed is None else _within(ask, profile, allowed, "the set preferred by a majority")


def _solid(profile: Rankings) -> Iterator[Labels]:
    """The sets that a majority ranks above all others, the smallest first."""
    for size in range(1, len(profile.alternatives)):
        heads, of = np.unique(profile.ranks < size, axis=0, return_inverse=True)
        for head, votes in zip(heads, np.bincount(of.ravel(), profile.weights), strict=True):
            if _majority(profile, float(votes)):
                yield tuple(profile.alternatives[a] for a in np.flatnonzero(head).tolist())


@axiom(kind="intra", about=winners, implies=("majority",), scan=scans.condorcet_winner)
def condorcet_winner(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that beats every other one in majority comparisons is the only winner.

    Source: Condorcet 1785; Fishburn 1977 (doi:10.1137/0133030).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(condorcet_winner(rules.plurality, ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2})))
    plurality violates condorcet_winner: b beats every other alternative, and is not the only winner
    the ballots: a wins
      3: a > b > c
      2: b > c > a
      2: c > b > a
    """
    profile = strict(profile, "condorcet_winner")
    beats = _beats(profile)
    for a in np.flatnonzero(beats.sum(axis=1) == len(beats) - 1).tolist():
        label = profile.alternatives[a]
        return _sole(ask, profile, label, f"{label} beats every other alternative")
    return None


@axiom(kind="intra", about=winners, implies=("majority_loser",), scan=scans.condorcet_loser)
def condorcet_loser(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that every other one, of two or more, beats in majority comparisons does not win.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> condorcet_loser(rules.plurality, ck.Rankings.from_orders({"abc": 3, "bca": 2, "cba": 2})).reason
    'a is beaten by every other alternative, and wins'
    """
    profile = strict(profile, "condorcet_loser")
    beats = _beats(profile)
    won = ask(profile)
    for a in np.flatnonzero(beats.sum(axis=0) == len(beats) - 1).tolist():
        label = profile.alternatives[a]
        if len(beats) > 1 and label in won:
            return Clash(f"{label} is beaten by every other alternative, and wins", (profile,), _ASKED, (label,))
    return None


@axiom(
    kind="intra",
    about=winners,
    implies=("mutual_majority", "condorcet_winner", "condorcet_loser"),
    scan=scans.smith,
)
def smith(ask: Ask, profile: Rankings) -> Clash | None:
    """All winners are in the smallest set of alternatives each of which beats every alternative outside it.

    Source: Good 1971, Smith 1973 (doi:10.2307/1914033).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> votes = ck.Rankings.from_orders({"dabc": 1, "dbca": 1, "abcd": 1, "bcad": 1, "cabd": 1})
    >>> print(smith(rules.plurality, votes))          # a beats b, b beats c, c beats a, and all of them beat d
    plurality violates smith: d wins from outside the Smith set {a, b, c}
    the ballots: d wins
      1: d > a > b > c
      1: d > b > c > a
      1: a > b > c > d
      1: b > c > a > d
      1: c > a > b > d
    """
    profile = strict(profile, "smith")
    inside = tournaments.smith(profile.to_margins().values[None], TIE_TOLERANCE)[0] > 0
    return _within(ask, profile, _labels(profile, inside), "the Smith set")


@axiom(kind="intra", about=winners, implies=("smith",), scan=scans.schwartz)
def schwartz(ask: Ask, profile: Rankings) -> Clash | None:
    """All winners are in some minimal set of alternatives of which no alternative outside it beats any.

    Those are the alternatives that reach, along a path of defeats, every alternative that reaches them; all of them are
    in the Smith set.

    Source: Schwartz 1972, Schwartz 1986, The Logic of Collective Choice.

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(schwartz(rules.smith, ck.Rankings.from_orders({"abc": 2, "bca": 1, "cab": 1})))     # a and c tie
    smith violates schwartz: b and c win from outside the Schwartz set {a}
    the ballots: a and b and c win
      2: a > b > c
      1: b > c > a
      1: c > a > b
    """
    profile = strict(profile, "schwartz")
    inside = tournaments.schwartz(profile.to_margins().values[None], TIE_TOLERANCE)[0] > 0
    return _within(ask, profile, _labels(profile, inside), "the Schwartz set")


def _labels(profile: Rankings, inside: NDArray[np.bool_]) -> Labels:
    return tuple(profile.alternatives[a] for a in np.flatnonzero(inside).tolist())


@axiom(kind="intra", about=winners, scan=scans.cancellation)
def cancellation(ask: Ask, profile: Rankings) -> Clash | None:
    """Where all majority comparisons tie, all alternatives win.

    Source: Young 1974 (doi:10.1016/0022-0531(74)90073-8).

    >>> import choicekit as ck
    >>> from choicekit import rules
    >>> print(cancellation(rules.plurality, ck.Rankings.from_orders({"abc": 1, "cba": 1})))
    plurality violates cancellation: all majority comparisons tie, and b does not win
    the ballots: a and c win
      1: a > b > c
      1: c > b > a
    """
    profile = strict(profile, "cancellation")
    if _beats(profile).any():
        return None
    won = ask(profile)
    lost = tuple(a for a in profile.alternatives if a not in won)
    if not lost:
        return None
    verb = "do not win" if len(lost) > 1 else "does not win"
    return Clash(f"all majority comparisons tie, and {_names(lost)} {verb}", (profile,), _ASKED, lost)
