"""Axioms of bargaining solutions: rules on utilities that answer with a lottery, of which the voters' gains are read.

The profile stands for the bargaining set S of what lotteries over the alternatives give the voters, and anything below
that; the point of disagreement is 0, so that utilities must be positive or 0. A row is one party to the bargain, its
weight its power; rows of weight 0 are not looked at. A rule may answer with a lottery or with an array of gains.

Solutions are found by iteration, so that gains are compared with a tolerance, relative to the most that a voter can
get: to lose 1e-9 of it is to lose nothing, only 1e-6 is more, and gains that differ by no more than 1e-4 are the same
(where what is possible is off by 1e-9, a solution such as Nash's may be off by the root of it). Nothing within that is
a violation.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from choicekit import solvers
from choicekit.axioms import _readings as readings
from choicekit.axioms._axiom import Clash, axiom
from choicekit.axioms._electorates import affordable, listed
from choicekit.axioms._readings import Ask, show_numbers
from choicekit.profiles import Utilities

Floats = NDArray[np.float64]
#: In parts of a voter's greatest possible gain: how much less is no less, how much more is more, what differs at all.
NONE, MORE, APART = 1e-9, 1e-6, 1e-4
_SCALES = (0.5, 2.0, 3.0)


def _parties(profile: Utilities, name: str) -> NDArray[np.int64]:
    """The rows that count."""
    if not (profile.values >= 0).all():
        raise ValueError(
            f"{name}: needed utilities of at least 0, the point of disagreement, of every alternative; got a number "
            "below 0 or missing. Shift or complete them yourself"
        )
    return np.flatnonzero(profile.weights > 0)


def _unit(values: Floats) -> Floats:
    """The most that each voter can get, the unit in which gains are compared; 1 where that is nothing."""
    most: Floats = values.max(1)
    return np.where(most > 0, most, 1.0)


def _room(values: Floats, gains: Floats) -> tuple[float, Floats]:
    """How much more a lottery can give to every voter at once, in units of the most each can get (below 0: how much
    less it must give), and what it gives.
    """
    unit = _unit(values)
    p = _moved(values, gains, np.zeros(values.shape[1]), 1.0)
    room = float(((values @ p - gains) / unit).min())
    if -MORE < room < -NONE:  # the linear programme is solved to 1e-7 only: once more, for what is left of it
        p = _moved(values, gains, p, 1e-6)
        room = float(((values @ p - gains) / unit).min())
    return room, values @ p


def _moved(values: Floats, gains: Floats, start: Floats, scale: float, equally: bool = True) -> Floats:
    """The lottery that adds most to the gains, ``equally`` to each or in sum with nobody below, solved for its distance
    from ``start`` in units of ``scale``.
    """
    unit = _unit(values)
    voters, size = values.shape
    own = 1 if equally else voters
    added = np.ones((voters, 1)) if equally else np.eye(voters)
    lack = (gains - values @ start) / unit
    found = solvers.linear_program(
        np.concatenate([np.zeros(size), -np.ones(own)]),
        at_most=(np.hstack([-values / unit[:, None], added]), -lack / scale),
        equal=(np.concatenate([np.ones(size), np.zeros(own)])[None], np.array([(1.0 - start.sum()) / scale])),
        bounds=[(-chance / scale, (1.0 - chance) / scale) for chance in start.tolist()]
        + [(None if equally else 0.0, None)] * own,
    )  # fmt: skip
    p = np.maximum(start + scale * found[:size], 0.0)
    moved: Floats = p / p.sum()
    return moved


def _beyond(values: Floats, gains: Floats) -> Floats | None:
    """What some lottery gives that is worse for nobody and better for somebody; ``None`` where none is found."""
    unit = _unit(values)
    room, given = _room(values, gains)
    if room > MORE:
        return given
    floor = gains + min(room, 0.0) * unit
    try:
        p = _moved(values, floor, np.zeros(values.shape[1]), 1.0, equally=False)
        if ((values @ p - gains) / unit).min() < -NONE:
            p = _moved(values, floor, p, 1e-6, equally=False)
    except RuntimeError:  # on the edge of what is possible, where nothing is beyond
        return None
    more = (values @ p - gains) / unit
    return values @ p if more.min() >= -NONE and more.max() > MORE else None


def _possible(ask: Ask, profile: Utilities, name: str) -> tuple[Floats, Floats]:
    """The utilities and gains of those who count; refuses gains that no lottery gives."""
    rows = _parties(profile, name)
    values, gains = profile.values[rows], np.array(ask(profile))[rows]
    room, _ = _room(values, gains)
    if room < -MORE:
        raise ValueError(
            f"{name}: the rule gives {show_numbers(gains.tolist())}, more than any lottery over the alternatives can; "
            "needed gains that are possible"
        )
    return values, gains


@axiom(kind="intra", about=readings.bargain, ballots="utilities", implies=("weak_pareto_of_bargains",))
def pareto_of_bargains(ask: Ask, profile: Utilities) -> Clash | None:
    """No lottery gives every voter as much and some voter more.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> pareto_of_bargains(rules.nash_lottery, ck.Utilities([[1, 0], [0, 1]])) is None
    True
    >>> print(pareto_of_bargains(rules.egalitarian_lottery, ck.Utilities([[1, 1], [1, 2]], alternatives="ab")).reason)
    (1, 2) is possible, worse for nobody and better for some
    """
    better = _beyond(*_possible(ask, profile, "pareto_of_bargains"))
    if better is None:
        return None
    reason = f"{show_numbers(better.tolist())} is possible, worse for nobody and better for some"
    return Clash(reason, (profile,), ("the utilities",))


@axiom(kind="intra", about=readings.bargain, ballots="utilities")
def weak_pareto_of_bargains(ask: Ask, profile: Utilities) -> Clash | None:
    """No lottery gives every voter more.

    Source: Kalai 1977 (doi:10.2307/1913954).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> weak_pareto_of_bargains(rules.egalitarian_lottery, ck.Utilities([[1, 1], [1, 2]])) is None
    True
    """
    room, better = _room(*_possible(ask, profile, "weak_pareto_of_bargains"))
    if room <= MORE:
        return None
    return Clash(f"{show_numbers(better.tolist())} is possible, more for everybody", (profile,), ("the utilities",))


@axiom(kind="intra", about=readings.bargain, ballots="utilities")
def symmetry_of_bargains(ask: Ask, profile: Utilities) -> Clash | None:
    """Two voters of equal weight who could change places, as the alternatives then give the same, get the same.

    Looked at are the alternatives that give nobody more than some other does left out, each once.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Utilities([[3, 1, 2], [1, 3, 2]])
    >>> symmetry_of_bargains(rules.nash_lottery, votes) is None
    True
    >>> symmetry_of_bargains(lambda votes: votes.values[:, 0], votes).reason      # always the first alternative
    'voters 0 and 1 could change places, and get 3 and 1'
    """
    rows = _parties(profile, "symmetry_of_bargains")
    values, weights, gains = profile.values[rows], profile.weights[rows], np.array(ask(profile))[rows]
    points = _undominated(values)
    unit = _unit(values)
    for i, j in itertools.combinations(range(len(rows)), 2):
        swap = np.arange(len(rows))
        swap[[i, j]] = j, i
        alike = weights[i] == weights[j] and {tuple(np.array(point)[swap].tolist()) for point in points} == points
        if alike and abs(gains[i] - gains[j]) > APART * unit[i]:
            got = f"{gains[i]:.6g} and {gains[j]:.6g}"
            reason = f"voters {rows[i]} and {rows[j]} could change places, and get {got}"
            return Clash(reason, (profile,), ("the utilities",))
    return None


def _undominated(values: Floats) -> set[tuple[float, ...]]:
    """What alternatives give, but for those that give nobody more than some other does."""
    points = np.unique(values.T, axis=0)
    kept = [p for p in points if not ((points >= p).all(1) & (points > p).any(1)).any()]
    return {tuple(p.tolist()) for p in kept}


@axiom(kind="neighbour", about=readings.bargain, ballots="utilities")
def scale_invariance_of_bargains(ask: Ask, profile: Utilities) -> Clash | None:
    """Where one voter's utilities are multiplied by a number, so is that voter's gain, and the others' stay.

    The factors 1/2, 2 and 3 are tried on each voter: what is found refutes, nothing found says that of these alone.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Utilities([[1, 0], [0, 1]])
    >>> scale_invariance_of_bargains(rules.nash_lottery, votes) is None
    True
    >>> print(scale_invariance_of_bargains(rules.egalitarian_lottery, votes))
    egalitarian_lottery violates scale_invariance_of_bargains: the gains should be (0.25, 0.5) ...
    """
    for i in _parties(profile, "scale_invariance_of_bargains").tolist():
        for factor in _SCALES:
            factors = np.where(np.arange(len(profile.weights)) == i, factor, 1.0)
            after = Utilities(profile.values * factors[:, None], profile.weights, profile.alternatives)
            wanted = np.array(ask(profile)) * factors
            if _apart(after, np.array(ask(after)), wanted):
                captions = ("the utilities", f"those of voter {i} times {factor:g}")
                return Clash(f"the gains should be {show_numbers(wanted.tolist())} then", (profile, after), captions)
    return None


def _apart(profile: Utilities, one: Floats, other: Floats) -> bool:
    """Whether gains of those who count differ."""
    rows = profile.weights > 0
    return bool((np.abs(one - other) > APART * _unit(profile.values))[rows].any())


def _parts(profile: Utilities, name: str) -> Iterator[tuple[Utilities, str]]:
    """The problems left by withdrawing alternatives, few first, in which everybody who counts can still gain."""
    size = len(profile.alternatives)
    affordable(2**size, name, "sets of alternatives")
    for number in range(1, size):
        for gone in itertools.combinations(range(size), number):
            keep = [a for a in range(size) if a not in gone]
            labels = tuple(profile.alternatives[a] for a in keep)
            part = Utilities(profile.values[:, keep], profile.weights, labels)
            if (part.values.max(1) > 0)[profile.weights > 0].all():
                yield part, f"without {listed([profile.alternatives[a] for a in gone])}"


@axiom(kind="neighbour", about=readings.bargain, ballots="utilities")
def independence_of_irrelevant_bargains(ask: Ask, profile: Utilities) -> Clash | None:
    """If what the voters get is still possible when alternatives are withdrawn, they still get it.

    Source: Nash 1950 (doi:10.2307/1907266).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Utilities([[3, 0, 1], [0, 3, 3]])
    >>> independence_of_irrelevant_bargains(rules.nash_lottery, votes) is None
    True
    """
    _, gains = _possible(ask, profile, "independence_of_irrelevant_bargains")
    for part, caption in _parts(profile, "independence_of_irrelevant_bargains"):
        rows = part.weights > 0
        if _apart(part, np.array(ask(part)), np.array(ask(profile))) and _room(part.values[rows], gains)[0] >= -NONE:
            reason = f"{show_numbers(gains.tolist())} is possible {caption} too, but is not chosen"
            return Clash(reason, (profile, part), ("the utilities", caption))
    return None


def _more(ask: Ask, profile: Utilities, part: Utilities) -> Floats:
    """How much more each voter gets in the part, in units of the most that they can get in the whole."""
    more: Floats = (np.array(ask(part)) - np.array(ask(profile))) / _unit(profile.values)
    return more


@axiom(kind="neighbour", about=readings.bargain, ballots="utilities")
def strong_monotonicity(ask: Ask, profile: Utilities) -> Clash | None:
    """Nobody gets less where there are more alternatives: withdrawing some gives no voter more.

    Source: Kalai 1977 (doi:10.2307/1913954).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Utilities([[1, 0, 1], [0, 1, 0.5]])
    >>> equal = lambda votes: [rules.egalitarian_lottery(votes).utilities.min()] * 2      # Kalai's solution
    >>> strong_monotonicity(equal, votes) is None      # 1/2 each from the first two, with the third 2/3
    True
    >>> strong_monotonicity(rules.nash_lottery, ck.Utilities([[0, 0.75, 1], [1, 0.75, 0.7]])).reason
    'voter 1 gets more without 2'
    """
    rows = _parties(profile, "strong_monotonicity")
    for part, caption in _parts(profile, "strong_monotonicity"):
        more = _more(ask, profile, part)[rows]
        if more.max() > MORE:
            return Clash(
                f"voter {rows[more.argmax()]} gets more {caption}", (profile, part), ("the utilities", caption)
            )
    return None


@axiom(kind="neighbour", about=readings.bargain, ballots="utilities")
def individual_monotonicity(ask: Ask, profile: Utilities) -> Clash | None:
    """Of two voters, one whose possibilities grow while the other's greatest possible gain stays does not get less.

    More is possible with all alternatives than without some. Speaks of problems of two voters; others have none of it.

    Source: Kalai and Smorodinsky 1975 (doi:10.2307/1914280).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> votes = ck.Utilities([[0, 0.75, 1, 1], [1, 0.75, 0, 0.7]])
    >>> individual_monotonicity(rules.kalai_smorodinsky, votes) is None
    True
    >>> print(individual_monotonicity(rules.nash_lottery, votes))      # 0.75 · 0.75 is less than 1 · 0.7
    nash_lottery violates individual_monotonicity: voter 1 gets more without 3, where the other can hope for as much
    the utilities: (1, 0.7)
      1: 0 0, 1 0.75, 2 1, 3 1
      1: 0 1, 1 0.75, 2 0, 3 0.7
    without 3: (0.75, 0.75)
      1: 0 0, 1 0.75, 2 1
      1: 0 1, 1 0.75, 2 0
    """
    rows = _parties(profile, "individual_monotonicity").tolist()
    if len(rows) != 2:
        return None
    for part, caption in _parts(profile, "individual_monotonicity"):
        for i, other in (rows, rows[::-1]):
            same = part.values[other].max() == profile.values[other].max()
            if same and _more(ask, profile, part)[i] > MORE:
                reason = f"voter {i} gets more {caption}, where the other can hope for as much"
                return Clash(reason, (profile, part), ("the utilities", caption))
    return None


@axiom(kind="neighbour", about=readings.bargain, ballots="utilities")
def restricted_monotonicity(ask: Ask, profile: Utilities) -> Clash | None:
    """Nobody gets less where more is possible while every voter's greatest possible gain stays.

    Source: Roth 1979 (doi:10.1007/978-3-642-51570-5).

    >>> import choicekit as ck
    >>> from choicekit import axioms, rules
    >>> restricted_monotonicity(rules.kalai_smorodinsky, ck.Utilities([[1, 0, 0.7], [0, 1, 0.7]])) is None
    True
    """
    rows = _parties(profile, "restricted_monotonicity")
    for part, caption in _parts(profile, "restricted_monotonicity"):
        if (part.values.max(1) != profile.values.max(1))[rows].any():
            continue
        more = _more(ask, profile, part)[rows]
        if more.max() > MORE:
            reason = f"voter {rows[more.argmax()]} gets more {caption}, where all can hope for as much"
            return Clash(reason, (profile, part), ("the utilities", caption))
    return None
