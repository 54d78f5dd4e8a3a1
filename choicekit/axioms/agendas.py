"""Axioms of alternatives that come and go while the ballots stay as they are.

Each compares the profile with those that are left of it when alternatives withdraw.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from choicekit.axioms import _readings as readings
from choicekit.axioms import _scans_several as scans
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable, listed, order, restricted, strict, voting
from choicekit.axioms._readings import Ask
from choicekit.outcomes import TIE_TOLERANCE, Labels
from choicekit.profiles import Rankings


def _without(profile: Rankings, a: int) -> Rankings:
    return restricted(profile, [b for b in range(len(profile.alternatives)) if b != a])


@axiom(kind="neighbour", about=readings.winners, scan=scans.independence_of_clones)
def independence_of_clones(ask: Ask, profile: Rankings) -> Clash | None:
    """A clone that withdraws changes neither which of the other alternatives win nor whether any of the clones does.

    Clones are at least two alternatives, but not all, between which nobody puts another one. Each clone of each set of
    clones withdraws in turn.

    Source: Tideman 1987 (doi:10.1007/BF00433944).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 1, "bac": 1, "cab": 1})
    >>> print(axioms.independence_of_clones(rules.plurality, votes).reason)
    c no longer wins when a withdraws, one of the clones a and b
    """
    profile = strict(profile, "independence_of_clones")
    labels, before = profile.alternatives, ask(profile)
    for group in _clones(profile):
        clones = tuple(labels[a] for a in group)
        for a in group:
            fewer = _without(profile, a)
            after = ask(fewer)
            changed = tuple(b for b in labels if b not in clones and (b in before) != (b in after))
            captions = ("the ballots", f"{labels[a]} withdraws, one of the clones {listed(clones)}")
            if changed:
                turn = f"{changed[0]} {'no longer wins' if changed[0] in before else 'wins'}"
                reason = f"{turn} when {labels[a]} withdraws, one of the clones {listed(clones)}"
                return Clash(reason, (profile, fewer), captions, changed)
            had, has = any(b in before for b in clones), any(b in after for b in clones)
            if had != has:
                reason = (
                    f"{'none' if had else 'one'} of the clones {listed(clones)} wins when {labels[a]} withdraws, "
                    f"{'one' if had else 'none'} before"
                )
                return Clash(reason, (profile, fewer), captions, clones)
    return None


def _clones(profile: Rankings) -> list[tuple[int, ...]]:
    """The sets of clones, the smaller first, each in the order of the alternatives."""
    orders = [order(profile.ranks[row].tolist()) for row in voting(profile, True)]
    size, first = len(orders[0]), orders[0]
    runs = [frozenset(first[i:j]) for i in range(size) for j in range(i + 2, size + 1) if j - i < size]
    found = [run for run in runs if all(_together(run, each) for each in orders)]
    return sorted((tuple(sorted(run)) for run in found), key=lambda run: (len(run), run))


def _together(group: frozenset[int], ballot: Sequence[int]) -> bool:
    places = [place for place, a in enumerate(ballot) if a in group]
    return places[-1] - places[0] == len(group) - 1


@axiom(kind="neighbour", about=readings.winners, scan=scans.independence_of_pareto_dominated_alternatives)
def independence_of_pareto_dominated_alternatives(ask: Ask, profile: Rankings) -> Clash | None:
    """The winners stay the same when an alternative withdraws that every voter puts below one and the same other.

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 1, "cab": 1})
    >>> print(axioms.independence_of_pareto_dominated_alternatives(rules.borda, votes).reason)
    b, which everybody puts below a, withdraws, and a and c win instead of a
    """
    profile = strict(profile, "independence_of_pareto_dominated_alternatives")
    labels, ranks = profile.alternatives, profile.ranks[voting(profile, True)]
    dominated = np.all(ranks[:, :, None] < ranks[:, None, :], axis=0)  # [b, a]: everybody puts b above a
    for a in range(len(labels)):
        if dominated[:, a].any():
            better = labels[int(dominated[:, a].argmax())]
            if clash := _irrelevant(ask, profile, a, f"everybody puts below {better}"):
                return clash
    return None


@axiom(kind="neighbour", about=readings.winners, scan=scans.independence_of_smith_dominated_alternatives)
def independence_of_smith_dominated_alternatives(ask: Ask, profile: Rankings) -> Clash | None:
    """The winners stay the same when an alternative outside the Smith set withdraws.

    The Smith set is the smallest set of alternatives each of which beats every alternative outside it by a strict
    majority.

    Source: Schulze 2011 (doi:10.1007/s00355-010-0475-4).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bca": 1})
    >>> print(axioms.independence_of_smith_dominated_alternatives(rules.borda, votes).reason)
    b, which is outside the Smith set, withdraws, and a wins instead of a and b
    """
    profile = strict(profile, "independence_of_smith_dominated_alternatives")
    smith = _smith(_beats(profile))
    for a in range(len(profile.alternatives)):
        if a not in smith and (clash := _irrelevant(ask, profile, a, "is outside the Smith set")):
            return clash
    return None


def _irrelevant(ask: Ask, profile: Rankings, a: int, why: str) -> Clash | None:
    fewer, label = _without(profile, a), profile.alternatives[a]
    before, after = ask(profile), ask(fewer)
    if before == after:
        return None
    changed = tuple(b for b in profile.alternatives if (b in before) != (b in after))
    now = readings.show_winners(after)
    reason = f"{label}, which {why}, withdraws, and {now} instead of {listed(before)}"
    return Clash(reason, (profile, fewer), ("the ballots", f"{label} withdraws"), changed)


def _beats(profile: Rankings) -> list[list[bool]]:
    """``[a][b]``: a strict majority puts a above b."""
    margins = profile.to_margins().values
    beats: list[list[bool]] = (margins > TIE_TOLERANCE * abs(margins).max()).tolist()
    return beats


def _smith(beats: list[list[bool]]) -> set[int]:
    """Grown from an alternative that beats the most others, by all that some member does not beat."""
    smith = {max(range(len(beats)), key=lambda a: sum(beats[a]))}
    while more := {b for b in range(len(beats)) if b not in smith and not all(beats[a][b] for a in smith)}:
        smith |= more
    return smith


@axiom(
    kind="neighbour",
    about=readings.winners,
    implies=("immunity_to_spoilers",),
    scan=scans.stability_for_winners,
)
def stability_for_winners(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that wins without another one, and beats it by a strict majority, wins with it too.

    Source: Holliday and Pacuit 2023 (doi:10.1007/s11127-023-01042-3).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 2})
    >>> print(axioms.stability_for_winners(rules.instant_runoff, votes).reason)
    b would win without a, which it beats, and does not win with it
    """
    return _entered(ask, strict(profile, "stability_for_winners"), spoiler=False)


@axiom(kind="neighbour", about=readings.winners, scan=scans.immunity_to_spoilers)
def immunity_to_spoilers(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that wins without another one, and beats it by a strict majority, wins with it or that one does.

    Source: Holliday and Pacuit 2023 (doi:10.1007/s11127-023-01042-3).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Rankings.from_orders({"abc": 2, "bac": 1, "cba": 2})
    >>> print(axioms.immunity_to_spoilers(rules.instant_runoff, votes).reason)
    b would win without c, which it beats, and neither wins with it
    """
    return _entered(ask, strict(profile, "immunity_to_spoilers"), spoiler=True)


def _entered(ask: Ask, profile: Rankings, spoiler: bool) -> Clash | None:
    """``spoiler``: only those count who do not win themselves."""
    labels, before, beats = profile.alternatives, ask(profile), _beats(profile)
    for b, entering in enumerate(labels if len(labels) > 1 else ()):
        if spoiler and entering in before:
            continue
        fewer = _without(profile, b)
        for a, label in enumerate(labels):
            if beats[a][b] and label not in before and label in ask(fewer):
                lost = "and neither wins with it" if spoiler else "and does not win with it"
                reason = f"{label} would win without {entering}, which it beats, {lost}"
                return Clash(reason, (profile, fewer), ("the ballots", f"{entering} withdraws"), (label, entering))
    return None


def _agendas(profile: Rankings, name: str) -> Iterator[tuple[Labels, Rankings]]:
    """The profile on each set of at least two of the alternatives, but not all, the larger first."""
    size = len(profile.alternatives)
    affordable(2**size, name, "agendas")
    for kept in range(size - 1, 1, -1):
        for agenda in itertools.combinations(range(size), kept):
            yield tuple(profile.alternatives[a] for a in agenda), restricted(profile, agenda)


@axiom(kind="global", about=readings.winners, scan=scans.alpha)
def alpha(ask: Ask, profile: Rankings) -> Clash | None:
    """A winner still wins when other alternatives withdraw (contraction consistency).

    The profile given has all the alternatives; each smaller agenda is compared with it.

    Source: Sen 1971 (doi:10.2307/2296384).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.alpha(rules.copeland, ck.Rankings.from_orders({"abc": 1, "cab": 1, "bca": 1})).reason)
    b wins, and does not where only a and b stand
    """
    profile = strict(profile, "alpha")
    before = ask(profile)
    for agenda, fewer in _agendas(profile, "alpha"):
        after = ask(fewer)
        for label in before:
            if label in agenda and label not in after:
                reason = f"{label} wins, and does not where only {listed(agenda)} stand"
                return Clash(reason, (profile, fewer), ("the ballots", f"only {listed(agenda)} stand"), (label,))
    return None


@axiom(kind="global", about=readings.winners, scan=scans.gamma)
def gamma(ask: Ask, profile: Rankings) -> Clash | None:
    """An alternative that wins on each of two agendas wins where all of both stand (expansion consistency).

    The profile given has all the alternatives; each two smaller agendas that make it up together are compared with it.

    Source: Sen 1971 (doi:10.2307/2296384).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> print(axioms.gamma(rules.plurality, ck.Rankings.from_orders({"abc": 1, "cba": 1})).reason)
    b wins where a and b stand and where b and c do, and not where all do
    """
    profile = strict(profile, "gamma")
    whole = ask(profile)
    found = [(agenda, fewer, ask(fewer)) for agenda, fewer in _agendas(profile, "gamma")]
    for (one, with_one, wins), (other, with_other, wins_too) in itertools.combinations(found, 2):
        if len({*one, *other}) < len(profile.alternatives):
            continue
        for label in wins:
            if label in wins_too and label not in whole:
                reason = f"{label} wins where {listed(one)} stand and where {listed(other)} do, and not where all do"
                captions = ("the ballots", f"only {listed(one)} stand", f"only {listed(other)} stand")
                return Clash(reason, (profile, with_one, with_other), captions, (label,))
    return None
